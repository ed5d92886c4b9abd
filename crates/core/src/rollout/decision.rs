//! What goes into a decision and what comes out of it.

use std::{collections::BTreeSet, time::Duration};

use ess_rollout_api::v1alpha1::{
    RollbackRef, RollbackSpec, RollingUpdateTask, RollingUpdateTaskSpec, RollingUpdateTaskStatus,
    ScalingGroupRecord, ScalingGroupRecordStatus,
};
use ess_rollout_cloud::{CloudError, Done, Mutation, Query};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Observation;
use super::scripts::{ConfigMapTexts, NO_TEXTS};

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
    pub settle: Duration,
    /// How often a running task is looked at when nothing tells that it moved.
    pub poll_interval: Duration,
    /// Progress alone is written no more often than this.
    pub progress_interval: Duration,
}

/// Another task on the same group that came earlier and has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// `RollingUpdateTask` or `Rollback`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The object that a decision is about, as just read. A `Rollback` is a rolling update too: what it
/// asks for is the spec of the update that undoes its source ([`super::effective_spec`]).
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// `RollingUpdateTask` or `Rollback`.
    pub kind: &'static str,
    /// The object's metadata.
    pub metadata: &'a ObjectMeta,
    /// What is asked for.
    pub spec: &'a RollingUpdateTaskSpec,
    /// What is known of it.
    pub status: Option<&'a RollingUpdateTaskStatus>,
    /// Of a rollback: what it undoes.
    pub undo: Option<Undo<'a>>,
    /// Of a task: the rollback that undoes it.
    pub rolled_back_by: Option<&'a RollbackRef>,
    /// What the keys of [`super::config_map_keys`] hold, as just read.
    pub texts: &'a ConfigMapTexts,
}

impl<'a> From<&'a RollingUpdateTask> for Subject<'a> {
    fn from(task: &'a RollingUpdateTask) -> Self {
        Self {
            kind: "RollingUpdateTask",
            metadata: &task.metadata,
            spec: &task.spec,
            status: task.status.as_ref(),
            undo: None,
            rolled_back_by: None,
            texts: &NO_TEXTS,
        }
    }
}

/// What a rollback undoes.
#[derive(Debug, Clone, Copy)]
pub struct Undo<'a> {
    /// The rollback as its author wrote it.
    pub spec: &'a RollbackSpec,
    /// The task that it names, if it names one and that exists.
    pub source: Option<&'a RollingUpdateTask>,
}

/// Everything a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The object as just read.
    pub subject: Subject<'a>,
    /// The record of its group as read before anything in `observation`; `None`: there is none yet.
    pub record: Option<&'a ScalingGroupRecord>,
    /// Whether the object that holds the group was looked for and does not exist any more: its
    /// finalizer was taken by hand, or its namespace by force.
    pub holder_gone: bool,
    /// The first of the tasks that wait for the group and were created earlier.
    pub ahead: Option<&'a QueueEntry>,
    /// The operator's configuration.
    pub settings: &'a Settings,
    /// Whole seconds: what a status can hold.
    pub now: Timestamp,
    /// What was read since the last write or mutation.
    pub observation: &'a Observation,
    /// What became of the work of the decision just before, when it was carried out by this very
    /// process. After a crash there is none, and the stages look before they act.
    pub outcome: Option<&'a WorkOutcome>,
}

/// The answer of [`super::step`].
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// These are needed first. Never empty, and never one that the observation holds.
    Read(Vec<Query>),
    /// This is to be done, in the order of the fields.
    Decided(Box<Decision>),
}

/// What is to be done. The fields are carried out in order, each only after the one before it
/// succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Metadata: whether the finalizer is to be there. `None`: leave it.
    pub finalizer: Option<bool>,
    /// Metadata: the value of the annotation that keeps the execution's id. `None`: leave it.
    pub execution_annotation: Option<String>,
    /// The record's next status, if it changes; the record is created first where there is none.
    pub record: Option<ScalingGroupRecordStatus>,
    /// The task's next status; written only if it differs from what was read.
    pub status: RollingUpdateTaskStatus,
    /// The one cloud mutation that the status now has on record.
    pub work: Option<Work>,
    /// To publish once the status is written.
    pub events: Vec<Event>,
    /// Whether the object itself is to be deleted, as the last of all.
    pub delete: bool,
    /// When to look again.
    pub next: Next,
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
    /// One CamelCase word.
    pub reason: String,
    /// What was being done, one CamelCase word.
    pub action: String,
    /// A sentence. The publisher cuts it at 1 kB.
    pub note: String,
}

/// The type of an Event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Things go their way.
    Normal,
    /// A person may want to look.
    Warning,
}
