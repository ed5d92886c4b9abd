//! The ess-rollout.io API types and their CRDs.
