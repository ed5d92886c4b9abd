//! A local Alibaba Cloud for whoever runs rolling updates: Auto Scaling (ESS), CloudOps
//! Orchestration Service (OOS), the parts of ECS, Elastic Container Instance (ECI), load balancers
//! and CloudMonitor that they touch, and STS, over HTTP and HTTPS.
//!
//! Each module stands on those below it:
//!
//! ```text
//! server      sockets, and real time that drives the virtual clock
//! recording   what was called, kept and replayed
//! control     the control API
//! front       signatures and the decoding of requests
//! cloud       the whole: one door for every call, what is due, the second actor
//! fixture     from a YAML file to a world
//! services    what the services but OOS answer and do
//! state       what they hold: the world, its clock and queue, the journal, faults
//! oos         the interpreter of templates, which knows no service
//! params      parameters of a call
//! api         which actions and parameters the published metadata has
//! error       how a call is refused
//! ```
//!
//! All but `server` is synchronous and deterministic: it reads no clock, opens no socket, and draws
//! no random number.

#![deny(missing_docs)]

pub mod api;
mod client_tokens;
pub mod cloud;
pub mod control;
pub mod error;
pub mod fixture;
pub mod front;
pub mod oos;
pub mod params;
pub mod recording;
mod secrets;
pub mod server;
pub mod services;
pub mod state;
