//! Elastic Compute Service, API version 2014-05-26: what rolling updates touch.

mod answers;
mod attributes;
mod commands;
mod data_disks;
mod disk_changes;
mod disk_views;
mod disks;
mod files;
mod image_changes;
mod image_views;
mod images;
mod instance_plan;
mod instances;
mod invocations;
mod launch_templates;
mod new_instances;
mod packages;
mod power;
mod regions;
mod saved_commands;
mod scripts;
mod snapshot_views;
mod snapshots;
mod tags;
mod window;
mod words;

pub use commands::command_ends;
pub use data_disks::settle as disk_settles;
pub use disks::disk_ready;
pub use files::arrives as file_arrives;
pub use images::image_settles;
pub use power::{settle, start as start_instance, stop, vanish};
pub use snapshots::{expires as snapshot_expires, settle as snapshot_settles};
pub(crate) use words::disk_categories;

use super::action::Action;

pub const ACTIONS: &[Action] = &[
    regions::DESCRIBE,
    instances::DESCRIBE,
    instances::STATUS,
    instances::ASSISTANT,
    attributes::MODIFY,
    attributes::DESCRIBE,
    attributes::USER_DATA,
    attributes::SPEC,
    attributes::PUBLIC_ADDRESS,
    new_instances::RUN,
    new_instances::CREATE,
    power::STOP,
    power::START,
    power::REBOOT,
    power::DELETE,
    power::STOP_ALL,
    power::START_ALL,
    power::REBOOT_ALL,
    power::DELETE_ALL,
    disks::REPLACE,
    disk_views::DESCRIBE,
    data_disks::CREATE,
    data_disks::DELETE,
    data_disks::ATTACH,
    data_disks::DETACH,
    disk_changes::MODIFY,
    disk_changes::RESIZE,
    disk_changes::RESET,
    disk_changes::REINIT,
    image_views::DESCRIBE,
    image_views::FROM_FAMILY,
    image_views::PERMISSION,
    images::CREATE,
    image_changes::COPY,
    image_changes::CANCEL_COPY,
    image_changes::DELETE,
    image_changes::MODIFY,
    image_changes::SHARE,
    snapshots::CREATE,
    snapshots::DELETE,
    snapshots::MODIFY,
    snapshot_views::DESCRIBE,
    commands::RUN,
    commands::STOP,
    saved_commands::CREATE,
    saved_commands::INVOKE,
    saved_commands::DELETE,
    saved_commands::MODIFY,
    saved_commands::DESCRIBE,
    files::SEND,
    files::RESULTS,
    invocations::DESCRIBE,
    invocations::RESULTS,
    tags::ADD,
    tags::REMOVE,
    tags::TAG,
    tags::UNTAG,
    tags::LIST,
    tags::DESCRIBE,
    launch_templates::DESCRIBE,
    launch_templates::VERSIONS,
];
