//! The life of a `RollingUpdateTask` or a `Rollback`, one decision at a time.
//!
//! [`step`] looks at the object, the group's record and what has been observed, and either asks for
//! more or decides. It is total: every combination of inputs has an answer, and waiting is a
//! decision with a reason.
//!
//! The stages, each a module, told apart by what is on record and by nothing else:
//!
//! | on record | stage |
//! |---|---|
//! | nothing | `pending`: credentials, queue, [`preflight`], the group taken, the intent to start |
//! | intent, no execution | `starting`: look up, send again, adopt |
//! | execution, no result | `running`: progress, pauses, requests; `requests`, `cancel` |
//! | result | `ending`: the group put back and read back; `release`: the record let go |
//!
//! A `Rollback` is a rolling update too: the one that [`effective_spec`] derives from it. What is its
//! own is before the start, in `rollback`: what it undoes is found and frozen, a suspended source is
//! cancelled and the group taken over from it, and the call that starts it differs.

mod adoption;
mod approval;
mod attempts;
mod cancel;
mod compute;
mod configuration;
mod containers;
mod context;
mod deadline;
mod decision;
mod deletion;
mod denied;
mod details;
mod ending;
mod events;
mod execution;
mod failure;
mod failures;
mod freeze;
mod goal;
mod holding;
mod kind;
mod left;
mod left_out;
mod leftovers;
mod need;
mod neighbours;
mod others;
mod outcome;
mod parameters;
mod pause;
mod pending;
mod pinned;
mod preflight;
mod progress;
mod quiet;
mod refusal;
mod release;
mod report;
mod requests;
mod restore;
mod result;
mod rollback;
mod run_end;
mod run_keys;
mod run_left;
mod running;
mod runs;
mod scripts;
mod show_progress;
mod standby;
mod starting;
mod step;
mod summary;
mod times;
mod turn;
mod unattended;
mod unready;
mod verify;

pub use crate::actions::{ACTION_APPLIED, ACTION_REJECTED};
pub use crate::deletion::RECORD_NOT_WRITTEN;
pub use crate::observation::Observation;
pub use decision::{
    CallOutcome, Decision, Event, EventKind, Input, Next, QueueEntry, Settings, Step, Subject,
    Undo, Work, WorkOutcome,
};
pub use rollback::effective_spec;
pub use scripts::{ConfigMapText, ConfigMapTexts, config_map_keys};
pub use step::step;
pub use unattended::{RunInput, UnattendedRun, look_at_run, unattended_runs, without_holder};
