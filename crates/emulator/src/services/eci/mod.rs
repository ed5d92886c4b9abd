//! Elastic Container Instance, API version 2018-08-08: what rolling updates touch.

mod groups;
mod update;

pub use groups::vanish;
pub use update::settle;

use super::action::Action;

pub const ACTIONS: &[Action] = &[groups::DESCRIBE, update::UPDATE];
