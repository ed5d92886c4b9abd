//! `kubectl ess-rollout`: rolling updates, watched and driven from the command line.
//!
//! ```text
//!  arguments -> what is asked            -> the apiserver      -> what it is     -> what is printed
//!  cli          get status wait logs …      cluster, manifest     object            screen (pure), output, exit
//!               ask start (write)           Found, Changes        rollout, image_update
//! ```
//!
//! - [`cli`]: the commands and their flags, those of kubectl among them
//! - [`kind`]: the kinds, and how a command line names an object
//! - [`cluster`]: the client: one object, many, and one as it changes
//! - [`manifest`]: objects from files
//! - [`object`]: an object as it is looked at: [`rollout`], an update or the way back of one, or [`image_update`]
//! - [`conditions`]: what conditions say
//! - [`screen`]: how things are shown: pure functions of an object, the time and the terminal
//! - [`output`]: documents; [`terminal`]: what all that goes to
//! - [`get`], [`status`], [`wait`], [`logs`], [`events`], [`records`], [`alerts`], [`diff`], [`report`], [`version`]: what is looked at
//! - [`lint`]: manifests, checked without a cluster
//! - [`ask`]: requests, and their verdicts, of what was [`selection`]-ed
//! - [`start`]: what is planned, created, started, undone
//! - [`unfinished`]: what somebody leaves behind who does not wait
//! - [`completion`]: for shells and kubectl
//! - [`exit`]: how a command ends: each end has a status of its own

#![deny(missing_docs)]

pub mod alerts;
pub mod ask;
pub mod cli;
pub mod cluster;
pub mod completion;
pub mod conditions;
pub mod diff;
pub mod events;
pub mod exit;
pub mod get;
pub mod image_update;
pub mod kind;
pub mod lint;
pub mod logs;
pub mod manifest;
pub mod object;
pub mod output;
pub mod records;
pub mod report;
pub mod rollout;
pub mod screen;
pub mod selection;
pub mod start;
pub mod status;
pub mod terminal;
pub mod unfinished;
pub mod version;
pub mod wait;
pub mod windows;
