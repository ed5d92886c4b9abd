//! The group put back, read back, and kept on record until then.
//!
//! | module | what |
//! |---|---|
//! | [`verify`], [`need`], [`processes`], [`standby`], [`configuration`] | what is still to be put back, as the cloud is now |
//! | [`calls`] | that is done, one call at a time, and none for ever |
//! | [`outcome`], [`left_out`] | what the instances run in the end, and who did not take part |
//! | [`record`], [`runs`], [`run_end`], [`unattended`] | the group's record: who holds it, and each run until somebody has seen its end |
//! | [`left`], [`leftovers`], [`run_left`] | what runs before have left changed |

pub(in crate::rollout) mod calls;
pub(in crate::rollout) mod configuration;
pub(in crate::rollout) mod left;
pub(in crate::rollout) mod left_out;
pub(in crate::rollout) mod leftovers;
pub(in crate::rollout) mod need;
pub(in crate::rollout) mod outcome;
mod processes;
pub(in crate::rollout) mod record;
pub(in crate::rollout) mod run_end;
mod run_left;
pub(in crate::rollout) mod runs;
mod standby;
pub(in crate::rollout) mod unattended;
pub(in crate::rollout) mod verify;
