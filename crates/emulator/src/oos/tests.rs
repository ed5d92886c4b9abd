//! The interpreter against a small scripted world.

#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected has failed, and says where"
)]

mod functions;
mod guards;
mod hostile;
mod jq;
mod kept;
mod keys;
mod language;
mod limits;
mod notify;
mod pauses;
mod reads;
mod rolling;
mod triggers;
mod update;
mod world;
mod yaml;
