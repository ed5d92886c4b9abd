//! The life of a `RollingUpdateTask` or a `Rollback`, one decision at a time.
//!
//! [`step`] looks at the object, the group's record and what has been observed, and either asks for
//! more or decides. It is total: every combination of inputs has an answer, and waiting is a
//! decision with a reason.
//!
//! The stages, each a module of `stages`, told apart by what is on record and by nothing else:
//!
//! | on record | stage |
//! |---|---|
//! | nothing | `pending`: credentials, queue, preflight, the group taken, the intent to start |
//! | intent, no execution | `starting`: look up, send again, adopt |
//! | execution, no result | `running`: progress, pauses, requests; `cancel` |
//! | result | `ending`: the group put back and read back; `release`: the record let go |
//!
//! What they are made of, from the ground up. A folder uses those above it in this list, and none below:
//!
//! | folder | what |
//! |---|---|
//! | `wanted`, `context`, `kind` | what the object asks for; the input with all that is derived from it once; what differs between the kinds of update |
//! | `progress` | what the execution has done and waits for |
//! | `restore` | the group put back and read back, and its record |
//! | `requests` | what people ask of it |
//! | `rollback`, `before` | what is undone; what stands against a start |
//! | `stages`, `step` | one decision at a time |
//!
//! A `Rollback` is a rolling update too: the one that `wanted` derives from it. What is its
//! own is before the start, in `rollback`: what it undoes is found and frozen, a suspended source is
//! cancelled and the group taken over from it, and the call that starts it differs.

mod before;
mod compute;
mod containers;
mod context;
mod decision;
mod deletion;
mod events;
mod execution;
mod instance_display;
mod kind;
mod others;
mod parameters;
mod progress;
mod quiet;
mod report;
mod requests;
mod restore;
mod result;
mod rollback;
mod scripts;
mod stages;
mod step;
mod times;
mod wanted;

pub use crate::task::deletion::RECORD_NOT_WRITTEN;
pub use crate::task::ledger::{ACTION_APPLIED, ACTION_REJECTED};
pub use crate::task::observation::Observation;
pub use before::spec_alone::{check_rollback, check_task};
pub use decision::{
    CallOutcome, Decision, Event, EventKind, Input, Next, Settings, Spec, Step, Subject, Work,
    WorkOutcome,
};
pub use report::states;
pub use restore::unattended::{
    Absence, RunInput, UnattendedRun, look_at_run, unattended_runs, without_holder,
};
pub use step::{step, target};
