//! Whole runs of [`ess_rollout_core::rollout::step`] against a small model of the cloud, under
//! virtual time: stage by stage, and as properties over arbitrary schedules.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(
    clippy::result_large_err,
    reason = "the errors are the cloud's, as the port has them"
)]

mod builders;
mod cloud;
mod schema;
mod seeded;
mod world;

mod actions;
mod after_the_loop;
mod ahead;
mod approving;
mod asking;
mod balanced;
mod cancelling;
mod clocks;
mod coming_later;
mod config_maps;
mod containers;
mod deleting;
mod denied;
mod ending;
mod failing;
mod finished;
mod freezing;
mod gating;
mod holding;
mod identity;
mod instance_calls;
mod instances;
mod kept;
mod kstatus;
mod kstatus_rules;
mod learning;
mod maintenance;
mod measured;
mod naming;
mod neighbours;
mod packages;
mod pausing;
mod pending;
mod pinned_inputs;
mod progressing;
mod properties;
mod refusals;
mod reporting;
mod restoring;
mod rolled_back_by_itself;
mod rolling_back;
mod run_keys;
mod running;
mod sets;
mod squatting;
mod starting;
mod starting_deadline;
mod taking_over;
mod thawing;
mod truth;
mod unattended;
