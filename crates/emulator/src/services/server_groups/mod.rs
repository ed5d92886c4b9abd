//! Application Load Balancer (ALB), API version 2020-06-16, and Network Load Balancer (NLB),
//! 2022-04-30. The two differ in some fields of their answers.

mod answers;
mod health;
mod listeners;
mod lists;
mod servers;

use super::action::Action;

pub const ALB_ACTIONS: &[Action] = &[
    lists::BALANCERS,
    lists::GROUPS,
    servers::LIST,
    servers::UPDATE,
    listeners::LIST,
    health::OF_ALB,
];

pub const NLB_ACTIONS: &[Action] = &[
    lists::BALANCERS,
    lists::GROUPS,
    servers::LIST_OF_NLB,
    servers::UPDATE,
    listeners::LIST,
    health::OF_NLB,
];
