//! What comes out of a decision, whatever kind of object it is about.

use std::{collections::BTreeSet, time::Duration};

use super::reason::Reason;
use ess_rollout_api::v1alpha1::{Place, Rollback, ScalingGroupRecordStatus};
use ess_rollout_cloud::{CloudError, Done, Mutation};
use jiff::Timestamp;

use super::ask::Ask;
use super::endpoints::EndpointNames;

/// What the operator's configuration says about every task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The region of tasks that name none.
    pub default_region: Option<String>,
    /// Namespaces whose tasks may use the operator's own credentials.
    pub own_credentials_namespaces: BTreeSet<String>,
    /// RAM roles that those tasks may hand to OOS.
    pub own_credentials_ram_roles: BTreeSet<String>,
    /// The bound on lateness, counted from the time that is on record with a call: within this
    /// time it takes effect or never. It covers the call itself and L, the time after its answer
    /// was given up.
    pub call_lifetime: Duration,
    /// When this process began to act; `None`: nobody acted before. What went on record earlier is another's, whose clock may
    /// be another.
    pub acts_since: Option<Timestamp>,
    /// How old what OOS lists may be: executions, nested ones and tasks show everything that
    /// happened this long ago. With [`Settings::call_lifetime`] the one assumption about time; the operator
    /// takes L for it, and says so where an answer of OOS proves a list to be older.
    pub list_lag: Duration,
    /// How often a running task is looked at when nothing tells that it moved.
    pub poll_interval: Duration,
    /// Progress alone is written no more often than this.
    pub progress_interval: Duration,
    /// The endpoints that checks may ask.
    pub endpoints: EndpointNames,
}

impl Settings {
    /// The region of an object: where its run takes place, once that is on record; else the one that it
    /// names, else the default. `None`: none of them.
    pub fn region<'a>(&'a self, place: Option<&'a Place>, own: Option<&'a str>) -> Option<&'a str> {
        let frozen = place.map(|place| place.region_id.as_str());
        frozen.or(own).or(self.default_region.as_deref())
    }
}

/// The answer of a step, about an object whose status is an `S`.
#[derive(Debug, Clone, PartialEq)]
pub enum Step<S> {
    /// These are needed first, to be read in this order. Never empty, and never one that the observation holds.
    Read(Vec<Ask>),
    /// This is to be done, in the order of the fields.
    Decided(Box<Decision<S>>),
}

impl<S> Step<S> {
    /// The same answer with the status as another type.
    pub fn map_status<T>(self, into: impl FnOnce(S) -> T) -> Step<T> {
        match self {
            Self::Read(asks) => Step::Read(asks),
            Self::Decided(decision) => Step::Decided(Box::new(decision.map_status(into))),
        }
    }
}

/// What is to be done. The fields are carried out in order, each only after the one before it
/// succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<S> {
    /// Metadata: whether the finalizer is to be there. `None`: leave it.
    pub finalizer: Option<bool>,
    /// Metadata: the value of the annotation that keeps the execution's id. `None`: leave it.
    pub execution_annotation: Option<String>,
    /// The record's next status, if it changes; the record is created first where there is none.
    pub record: Option<ScalingGroupRecordStatus>,
    /// A Rollback that is to be there, of a name that nobody else gives; one that is there already stays as it is.
    pub rollback: Option<Box<Rollback>>,
    /// Whether the object goes although its record cannot be written: its deletion was forced, or its
    /// time is up. The next decision is told why ([`crate::rollout::Input::record_lost`]), and the
    /// record is all that is not written.
    pub lets_go_anyway: bool,
    /// The object's next status; written only if it differs from what was read.
    pub status: S,
    /// The one cloud mutation that the status now has on record.
    pub work: Option<Work>,
    /// More of them, which the status has on record, too: to be sent in this order after `work`, each
    /// only if those before it were answered and judged, and while the decision is not too old.
    /// Empty without `work`.
    pub also: Vec<Mutation>,
    /// To publish once the status is written.
    pub events: Vec<Event>,
    /// Whether the object itself is to be deleted, as the last of all.
    pub delete: bool,
    /// When to look again.
    pub next: Next,
}

impl<S> Decision<S> {
    /// A decision that changes nothing but the status.
    pub fn of_status(status: S, next: Next) -> Self {
        Self {
            finalizer: None,
            execution_annotation: None,
            record: None,
            rollback: None,
            lets_go_anyway: false,
            status,
            work: None,
            also: Vec::new(),
            events: Vec::new(),
            delete: false,
            next,
        }
    }

    /// Whether it changes nothing but the status.
    pub fn is_of_status_alone(&self) -> bool {
        self.finalizer.is_none()
            && self.execution_annotation.is_none()
            && self.record.is_none()
            && self.rollback.is_none()
            && self.work.is_none()
            && !self.delete
    }

    /// The same decision, looked at again no later than after `left`, if that is given.
    pub(crate) fn within(mut self, left: Option<Duration>) -> Self {
        if let (Next::After(wait), Some(left)) = (self.next, left) {
            self.next = Next::After(wait.min(left));
        }
        self
    }

    /// The same decision with its status as another type.
    pub fn map_status<T>(self, into: impl FnOnce(S) -> T) -> Decision<T> {
        Decision {
            finalizer: self.finalizer,
            execution_annotation: self.execution_annotation,
            record: self.record,
            rollback: self.rollback,
            lets_go_anyway: self.lets_go_anyway,
            status: into(self.status),
            work: self.work,
            also: self.also,
            events: self.events,
            delete: self.delete,
            next: self.next,
        }
    }
}

/// A cloud mutation that is on record.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// The call.
    pub mutation: Mutation,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkOutcome {
    /// The call.
    pub mutation: Mutation,
    /// Its answer.
    pub result: Result<Done, CloudError>,
    /// What became of the others.
    pub also: Vec<CallOutcome>,
}

impl WorkOutcome {
    /// Of a mutation that was the only one.
    pub fn of(mutation: Mutation, result: Result<Done, CloudError>) -> Self {
        Self {
            mutation,
            result,
            also: Vec::new(),
        }
    }
}

/// What became of one of [`Decision::also`].
#[derive(Debug, Clone, PartialEq)]
pub struct CallOutcome {
    /// The call.
    pub mutation: Mutation,
    /// Its answer; `None`: it was not sent.
    pub result: Option<Result<Done, CloudError>>,
}

/// When to look again. Work always leads to another look at once, with its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// At once, with fresh reads.
    Now,
    /// After this long, or when something changes.
    After(Duration),
    /// When the object, or its group's record, changes.
    OnChange,
}

/// An Event about the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Normal or Warning.
    pub kind: EventKind,
    /// Why.
    pub reason: Reason,
    /// What was being done, one CamelCase word.
    pub action: String,
    /// A sentence. The publisher cuts it at 1 kB.
    pub note: String,
}

impl Event {
    pub(crate) fn normal(reason: Reason, action: &str, note: impl Into<String>) -> Self {
        Self {
            kind: EventKind::Normal,
            reason,
            action: action.to_owned(),
            note: note.into(),
        }
    }

    pub(crate) fn warning(reason: Reason, action: &str, note: impl Into<String>) -> Self {
        Self {
            kind: EventKind::Warning,
            ..Self::normal(reason, action, note)
        }
    }
}

/// The type of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Things go their way.
    Normal,
    /// A person may want to look.
    Warning,
}
