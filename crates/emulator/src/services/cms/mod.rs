//! CloudMonitor, API version 2019-01-01: alert rules, and the application groups of scaling groups.

mod alerting;
mod answers;
mod groups;
mod history;
mod rules;

use super::action::Action;

pub const ACTIONS: &[Action] = &[
    rules::LIST,
    rules::ENABLE,
    rules::DISABLE,
    history::LIST,
    alerting::LIST,
    groups::LIST,
    groups::INSTANCES,
];
