//! The state of the interpreter: executions, templates, and what is due.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::execution::Execution;
use super::kept::Kept;
use super::library::Library;
use super::public;
use super::records::Record;
use super::store::Store;
use super::template::Version;
use crate::client_tokens::ClientTokens;

/// Something to do at its time.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// Begin the task at the execution's position.
    Advance { execution: String },
    /// Begin, run or go on with one task, if nobody restarted it since.
    Step {
        execution: String,
        task: usize,
        generation: u32,
    },
    /// The child of a task changed its status.
    ChildChanged { execution: String, task: usize },
    /// A timer trigger is due, or at its end.
    Trigger { execution: String },
    /// Make a cancellation that was asked for earlier take effect.
    Cancel { execution: String },
}

/// Stored answers to `StartExecution` by (account, region, token).
pub(super) type Tokens = ClientTokens<(String, String, String)>;

/// What a root and the executions below it have used up, and those that their templates started.
#[derive(Debug, Clone, Default)]
pub(super) struct Family {
    pub(super) children: usize,
    pub(super) runs: usize,
    /// Executions of it that are there; the last one takes the entry with it.
    pub(super) members: usize,
    /// What they keep, by estimate.
    pub(super) bytes: usize,
    /// Why none of them may go on, once there was too much of something.
    pub(super) over: Option<String>,
}

/// How much was done at the instant that the clock shows. What is too much for one instant is done at the
/// next: between two of them whoever owns the cloud answers others.
#[derive(Debug, Clone, Default)]
pub(super) struct Pace {
    instant: Option<Timestamp>,
    done: usize,
}

impl Pace {
    /// Task runs, and steps of them, that are done at one instant: what the largest loops (1,000 items, all at once)
    /// need. A loop that starts its items does not stop half way.
    pub(super) const MOST: usize = 3_000;
    /// How much later the rest is done.
    pub(super) const REST: SignedDuration = SignedDuration::from_millis(1);

    pub(super) fn count(&mut self) {
        self.done += 1;
    }

    /// Whether the rest has to wait for the next instant.
    pub(super) fn is_spent(&mut self, now: Timestamp) -> bool {
        if self.instant != Some(now) {
            *self = Self {
                instant: Some(now),
                done: 0,
            };
        }
        self.done >= Self::MOST
    }
}

/// All executions and templates, in all regions.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    pub(super) executions: BTreeMap<String, Execution>,
    /// Own templates by (region, name), oldest version first.
    pub(super) private: BTreeMap<(String, String), Vec<Arc<Version>>>,
    /// What is kept of an own template beside its versions.
    pub(super) records: BTreeMap<(String, String), Record>,
    pub(super) public: BTreeMap<String, Arc<Version>>,
    /// What is due, by time and then in the order in which it was asked for.
    pub(super) agenda: BTreeMap<(Timestamp, u64), Due>,
    pub(super) sequence: u64,
    pub(super) pace: Pace,
    pub(super) tokens: Tokens,
    /// What each root and the executions below it have used up, by root.
    pub(super) families: BTreeMap<String, Family>,
    /// The family of the execution whose call to OOS is being answered.
    pub(super) calling_family: Option<String>,
    /// What executions keep in memory.
    pub(super) kept: Kept,
    /// The parameter store.
    pub(super) store: Store,
}

impl Engine {
    /// An engine that knows the public templates.
    pub fn new() -> Self {
        Self {
            public: public::templates(),
            ..Self::default()
        }
    }

    /// An engine that knows the public templates and those of a library.
    pub fn with(library: &Library) -> Self {
        let mut engine = Self::new();
        engine.public.extend(library.templates().clone());
        engine
    }
}
