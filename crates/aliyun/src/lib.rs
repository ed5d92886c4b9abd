//! Client for the Alibaba Cloud APIs that a rolling update uses.
