//! Auto Scaling, API versions 2014-08-28 and 2022-02-22.

mod activities;
mod alarms;
mod answers;
mod attach;
mod configuration_changes;
mod configurations;
mod eci_configurations;
mod group_life;
mod groups;
mod health;
mod hook_actions;
mod hooks;
mod instances;
mod lifecycle_actions;
mod members;
mod processes;
mod refreshes;
mod regions;
mod replacement;
mod rules;
mod standby;
mod stored;
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
    group_life::CREATE,
    group_life::DELETE,
    group_life::PROTECT,
    groups::ENABLE,
    groups::DISABLE,
    instances::DESCRIBE,
    activities::DESCRIBE,
    activities::DETAIL,
    configurations::DESCRIBE,
    configuration_changes::CREATE,
    configuration_changes::MODIFY,
    configuration_changes::DELETE,
    configuration_changes::DEACTIVATE,
    eci_configurations::DESCRIBE,
    eci_configurations::MODIFY,
    processes::SUSPEND,
    processes::RESUME,
    standby::ENTER,
    standby::EXIT,
    standby::PROTECT,
    standby::REMOVE,
    attach::ATTACH,
    attach::DETACH,
    attach::HEALTH,
    rules::CREATE,
    rules::MODIFY,
    rules::DELETE,
    rules::DESCRIBE,
    rules::EXECUTE,
    rules::ADJUST,
    hook_actions::CREATE,
    hook_actions::MODIFY,
    hook_actions::DELETE,
    hook_actions::DESCRIBE,
    tags::KEYS,
    tags::VALUES,
    tags::LIST,
    tags::TAG,
    tags::UNTAG,
    lifecycle_actions::DESCRIBE,
    lifecycle_actions::COMPLETE,
    alarms::DESCRIBE,
    alarms::ENABLE,
    alarms::DISABLE,
    lifecycle_actions::HEARTBEAT,
    refreshes::START,
    refreshes::SUSPEND,
    refreshes::RESUME,
    refreshes::CANCEL,
    refreshes::ROLL_BACK,
    refreshes::DESCRIBE,
    refreshes::DIAGNOSIS,
    regions::DESCRIBE,
];
