//! What the emulator does, seen through its doors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acting;
mod alarms;
mod balancers;
mod catalogue;
mod commands;
mod container_updates;
mod containers;
mod control;
mod door;
mod ecs;
mod ess;
mod fixtures;
mod images;
mod language;
mod meanwhile;
mod packages;
mod parameters;
mod robustness;
mod second_actor;
mod sockets;
mod sts;
mod support;
mod templates;
mod windows;
