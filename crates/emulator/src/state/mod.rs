//! What the emulated cloud holds: resources and rights, the virtual clock and what is due, the
//! journal, and how it is to behave.

pub mod behaviour;
pub mod call;
pub mod container_groups;
pub mod containers;
pub mod faults;
pub mod ids;
pub mod images;
pub mod journal;
pub mod model;
pub mod neighbours;
pub mod nonces;
pub mod outcomes;
pub mod queue;
pub mod ram;
pub mod time;
pub mod world;
