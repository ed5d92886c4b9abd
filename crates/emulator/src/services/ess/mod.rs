//! Auto Scaling, API versions 2014-08-28 and 2022-02-22.

mod activities;
mod alarms;
mod answers;
mod configurations;
mod eci_configurations;
mod groups;
mod health;
mod hook_views;
mod hooks;
mod instances;
mod lifecycle_actions;
mod members;
mod processes;
mod refreshes;
mod regions;
mod replacement;
mod standby;
mod tags;

pub use activities::{activity_ends, scale_in, scale_out};
pub use health::{check_all_groups, check_soon};
pub use lifecycle_actions::times_out as lifecycle_timeout;
pub use refreshes::{begin as begin_instance_refresh, ends as instance_refresh_ends};
pub use replacement::check_group;

use super::action::Action;

pub const ACTIONS: &[Action] = &[
    groups::DESCRIBE,
    groups::MODIFY,
    groups::ENABLE,
    groups::DISABLE,
    instances::DESCRIBE,
    activities::DESCRIBE,
    activities::DETAIL,
    configurations::DESCRIBE,
    configurations::MODIFY,
    eci_configurations::DESCRIBE,
    eci_configurations::MODIFY,
    processes::SUSPEND,
    processes::RESUME,
    standby::ENTER,
    standby::EXIT,
    standby::PROTECT,
    standby::REMOVE,
    tags::LIST,
    tags::TAG,
    tags::UNTAG,
    hook_views::DESCRIBE,
    lifecycle_actions::DESCRIBE,
    lifecycle_actions::COMPLETE,
    alarms::DESCRIBE,
    alarms::ENABLE,
    alarms::DISABLE,
    refreshes::START,
    refreshes::SUSPEND,
    refreshes::RESUME,
    refreshes::CANCEL,
    refreshes::DESCRIBE,
    refreshes::DIAGNOSIS,
    regions::DESCRIBE,
];
