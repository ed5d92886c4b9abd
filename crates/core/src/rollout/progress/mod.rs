//! What an execution has done so far, and what it waits for.
//!
//! | module | what |
//! |---|---|
//! | [`attempts`], [`instances`], [`summary`] | the newest attempt on each instance, and how far that is, by batch and over all |
//! | [`details`], [`failure`], [`unready`] | why something failed, or does not come up |
//! | [`pause`], [`tolerance`], [`approval`] | what the execution waits for, read off its parts |
//! | [`holds`], [`gate`], [`window`] | what holds the next batch besides a person |
//! | [`durations`] | how long a batch takes |
//! | [`freeze`], [`show_progress`] | what is said of it |

pub(in crate::rollout) mod approval;
pub(in crate::rollout) mod attempts;
pub(in crate::rollout) mod details;
pub(in crate::rollout) mod durations;
pub(in crate::rollout) mod failure;
pub(in crate::rollout) mod freeze;
pub(in crate::rollout) mod gate;
pub(in crate::rollout) mod holds;
pub(in crate::rollout) mod instances;
pub(in crate::rollout) mod pause;
pub(in crate::rollout) mod show_progress;
pub(in crate::rollout) mod summary;
pub(in crate::rollout) mod tolerance;
mod unready;
pub(in crate::rollout) mod window;
