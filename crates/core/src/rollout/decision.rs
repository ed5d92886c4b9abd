//! What goes into a decision about a rolling update, and what comes out of it.

use ess_rollout_api::v1alpha1::{
    RollbackRef, RollbackSpec, RollingUpdateTask, RollingUpdateTaskSpec, RollingUpdateTaskStatus,
    ScalingGroupRecord,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::scripts::{ConfigMapTexts, NO_TEXTS};
pub use crate::task::decision::{CallOutcome, Event, EventKind, Next, Settings, Work, WorkOutcome};
use crate::task::observation::Observation;

/// The answer of [`super::step`].
pub type Step = crate::task::decision::Step<RollingUpdateTaskStatus>;
/// What is to be done for a rolling update.
pub type Decision = crate::task::decision::Decision<RollingUpdateTaskStatus>;
/// A status in the making, and what is to be said of it.
pub(super) type Draft = crate::task::display::Draft<RollingUpdateTaskStatus>;
/// A decision in the making.
pub(super) type Drafted = crate::task::decision::Decision<Draft>;

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
    /// Why the record could not be written that a decision of this very pass had: see
    /// [`Decision::lets_go_anyway`].
    pub record_lost: Option<&'a str>,
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
