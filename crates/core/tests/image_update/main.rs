//! Whole runs of [`ess_rollout_core::image_update::step`] against a small model of the cloud, under
//! virtual time: point by point, and over a year with the operator killed at random.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
#![allow(
    clippy::result_large_err,
    reason = "the errors are the cloud's, as the port has them"
)]

mod ahead;
mod clocks;
mod cloud;
#[path = "../rollout/schema.rs"]
mod schema;
#[path = "../rollout/seeded.rs"]
mod seeded;
mod world;

mod ending;
mod group;
mod kstatus;
#[path = "../rollout/kstatus_rules.rs"]
mod kstatus_rules;
mod lost_status;
mod properties;
mod refusing;
mod requests;
mod runs;
mod schedule;
mod starting;
mod timing;
mod truth;
mod waiting;
mod windows;
mod year;
