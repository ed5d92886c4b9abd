//! Classic Load Balancer (CLB), API version 2014-05-15.

mod answers;
mod health;
mod instances;
mod servers;
mod v_server_groups;

use super::action::Action;

pub const ACTIONS: &[Action] = &[
    instances::LIST,
    instances::ATTRIBUTE,
    health::DESCRIBE,
    v_server_groups::LIST,
    v_server_groups::ATTRIBUTE,
    v_server_groups::SET,
    servers::ADD,
    servers::SET,
    servers::REMOVE,
];
