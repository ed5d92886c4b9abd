//! A local Alibaba Cloud for whoever runs rolling updates: Auto Scaling (ESS), CloudOps
//! Orchestration Service (OOS), the parts of ECS that they touch, and STS, over HTTP and HTTPS.
//!
//! The core (`cloud`, `oos`, the services) is synchronous and deterministic: state, a virtual
//! clock, and a queue of things that are due. The front (`http`) checks signatures, decodes
//! requests, and lets real time drive the virtual clock.

pub mod error;
pub mod oos;
