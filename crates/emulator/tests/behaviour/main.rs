//! What the emulator does, seen through its doors.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acting;
mod alarms;
mod assistant;
mod balancers;
mod catalogue;
mod commands;
mod container_updates;
mod containers;
mod control;
mod disks;
mod door;
mod ecs;
mod ecs_templates;
mod ess;
mod fixtures;
mod groups;
mod image_life;
mod images;
mod language;
mod meanwhile;
mod new_instances;
mod packages;
mod parameters;
mod recordings;
mod refusals;
mod robustness;
mod second_actor;
mod secrets;
mod shown;
mod sockets;
mod sts;
mod support;
mod templates;
mod windows;
