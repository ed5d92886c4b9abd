//! `kubectl ess-rollout`: what a rolling update does, and requests of it, from the command line.
//!
//! ```text
//!  arguments   ->  what is asked      ->  the apiserver       ->  what is printed
//!  cli             status, wait, ask      cluster                 screen (pure), exit
//! ```
//!
//! - [`cli`]: the commands and their flags, those of kubectl among them
//! - [`cluster`]: the client, and the objects that are looked at
//! - [`rollout`]: an update as it is looked at: of a task or of a rollback
//! - [`screen`]: how an update is shown: a pure function of it, the time and the terminal
//! - [`terminal`]: what that goes to
//! - [`status`], [`wait`]: what is watched
//! - [`ask`]: requests by annotation, and their verdicts
//! - [`lint`]: manifests, checked without a cluster
//! - [`exit`]: how a command ends: each end has a status of its own

#![deny(missing_docs)]

pub mod ask;
pub mod cli;
pub mod cluster;
pub mod exit;
pub mod lint;
pub mod rollout;
pub mod screen;
pub mod status;
pub mod terminal;
pub mod wait;
