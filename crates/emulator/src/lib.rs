//! A local Alibaba Cloud for whoever runs rolling updates: Auto Scaling (ESS), CloudOps
//! Orchestration Service (OOS), the parts of ECS and Elastic Container Instance (ECI) that they
//! touch, and STS, over HTTP and HTTPS.
//!
//! The core (`cloud`, `oos`, the services) is synchronous and deterministic: state, a virtual
//! clock, and a queue of things that are due. `front` checks signatures and decodes requests,
//! `control` answers the control API; both are plain functions. `server` puts sockets around them
//! and lets real time drive the virtual clock.

pub mod cloud;
pub mod control;
pub mod error;
pub mod fixture;
pub mod front;
pub mod oos;
pub mod server;
pub mod services;
