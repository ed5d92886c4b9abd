//! Before the start: what may stand against it.
//!
//! | module | what |
//! |---|---|
//! | [`preflight`], [`neighbours`] | everything that can be known to go wrong before anything is touched; what else is at work on the group |
//! | [`spec_alone`] | what a spec says by itself, before it is applied |
//! | [`calendar`], [`checks`] | when it may begin, and what its gates say now |
//! | [`waiting`] | the wait for that time, in which it is looked whether anything will stand against it |
//! | [`turn`], [`run_keys`] | whose turn the group is, and whether the same was run before |
//! | [`pinned`] | what is read later is what was planned |
//! | [`refusal`], [`deadline`], [`denied`] | what stands against a start, for how long, and what OOS refuses |

mod calendar;
mod checks;
pub(in crate::rollout) mod deadline;
pub(in crate::rollout) mod denied;
mod neighbours;
pub(in crate::rollout) mod pace;
pub(super) mod pinned;
pub(in crate::rollout) mod preflight;
pub(in crate::rollout) mod refusal;
pub(in crate::rollout) mod run_keys;
pub(in crate::rollout) mod spec_alone;
pub(in crate::rollout) mod turn;
pub(in crate::rollout) mod waiting;
