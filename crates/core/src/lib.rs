//! What a rolling update needs to know and what it decides: pure.
//!
//! No clock, no network, no randomness, no Kubernetes client. Whoever drives this crate reads an
//! object, calls [`rollout::step`], answers what it asks for, carries out what it decides, and
//! does so again:
//!
//! ```text
//! object ──> step ──> Read(asks) ──> replies ──┐
//!             ^                                │
//!             └────────────────────────────────┘
//!            step ──> Decided: record write, status write, then one cloud mutation
//! ```
//!
//! The order of a decision's effects is its safety: the group's record is written first, the
//! task's status second, both guarded by the `resourceVersion` that was read, and only then is the
//! cloud touched. Whatever is lost after that is found again by looking.
//!
//! - [`rollout`]: the stages of a rolling update, from the first visit to the released group
//! - [`image_update`]: the runs of an image update task, and its schedule
//! - [`task`]: what both share: [`ask`], [`observation`], [`decision`], start, requests, waits
//! - [`windows`]: when updates may begin and go on; [`eta`]: how long a batch takes
//! - [`batches`], [`identity`]: the vocabulary

#![deny(missing_docs)]
// A decision is a short list of steps with names.
#![warn(clippy::too_many_lines)]

pub mod batches;
pub(crate) mod cron;
pub mod eta;
pub mod identity;
pub mod image_update;
pub mod rollout;
#[cfg(test)]
#[path = "../tests/rollout/seeded.rs"]
mod seeded;
pub mod task;
pub mod windows;

pub use task::{ask, conditions, decision, endpoints, observation, requests};
