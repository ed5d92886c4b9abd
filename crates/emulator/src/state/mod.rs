//! What the emulated cloud holds: resources and rights, the virtual clock and what is due, the
//! journal, and how it is to behave.

pub(crate) mod activities;
pub mod alarms;
pub(crate) mod attachments;
pub mod backend_health;
pub(crate) mod backends;
pub(crate) mod balancing;
pub mod behaviour;
pub mod call;
pub(crate) mod commands;
pub mod container_groups;
pub mod containers;
pub(crate) mod disks;
mod disks_held;
pub mod faults;
pub(crate) mod file_sends;
pub(crate) mod ids;
pub mod images;
pub mod journal;
pub mod members;
pub mod model;
pub(crate) mod neighbours;
pub(crate) mod nonces;
pub(crate) mod outcomes;
pub(crate) mod past;
pub(crate) mod queue;
pub mod ram;
pub mod rates;
pub mod recorder;
pub(crate) mod scaling_rules;
pub mod settings;
pub(crate) mod time;
pub(crate) mod veil;
pub mod world;
