//! Elastic Compute Service, API version 2014-05-26: what rolling updates touch.

mod answers;
mod attributes;
mod commands;
mod disks;
mod images;
mod instances;
mod invocations;
mod launch_templates;
mod packages;
mod power;
mod regions;
mod tags;
mod window;

pub use commands::command_ends;
pub use disks::disk_ready;
pub use images::image_settles;
pub use power::{settle, stop, vanish};

use super::action::Action;

pub const ACTIONS: &[Action] = &[
    regions::DESCRIBE,
    instances::DESCRIBE,
    instances::STATUS,
    instances::ASSISTANT,
    attributes::MODIFY,
    power::STOP,
    power::START,
    power::REBOOT,
    power::DELETE,
    power::STOP_ALL,
    power::START_ALL,
    power::REBOOT_ALL,
    power::DELETE_ALL,
    disks::REPLACE,
    disks::DESCRIBE,
    images::DESCRIBE,
    images::CREATE,
    images::SNAPSHOTS,
    commands::RUN,
    invocations::DESCRIBE,
    invocations::RESULTS,
    tags::TAG,
    tags::UNTAG,
    tags::LIST,
    tags::DESCRIBE,
    launch_templates::DESCRIBE,
    launch_templates::VERSIONS,
];
