//! What goes into a decision about a rolling update, and what comes out of it.

use ess_rollout_api::v1alpha1::{
    Rollback, RollbackSpec, RollingUpdateTask, RollingUpdateTaskSpec, RollingUpdateTaskStatus,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

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

/// The object that a decision is about, as just read.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// `RollingUpdateTask` or `Rollback`.
    pub kind: &'static str,
    /// The object's metadata.
    pub metadata: &'a ObjectMeta,
    /// What its author wrote.
    pub spec: Spec<'a>,
    /// What is known of it.
    pub status: Option<&'a RollingUpdateTaskStatus>,
}

/// The spec of a task or of a rollback.
#[derive(Debug, Clone, Copy)]
pub enum Spec<'a> {
    /// Of a task.
    Task(&'a RollingUpdateTaskSpec),
    /// Of a rollback: a rolling update too, that which undoes its source.
    Rollback(&'a RollbackSpec),
}

impl<'a> From<&'a RollingUpdateTask> for Subject<'a> {
    fn from(task: &'a RollingUpdateTask) -> Self {
        Self {
            kind: "RollingUpdateTask",
            metadata: &task.metadata,
            spec: Spec::Task(&task.spec),
            status: task.status.as_ref(),
        }
    }
}

impl<'a> From<&'a Rollback> for Subject<'a> {
    fn from(rollback: &'a Rollback) -> Self {
        Self {
            kind: "Rollback",
            metadata: &rollback.metadata,
            spec: Spec::Rollback(&rollback.spec),
            status: rollback.status.as_ref(),
        }
    }
}

/// What a rollback undoes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Undo<'a> {
    /// The rollback as its author wrote it.
    pub(super) spec: &'a RollbackSpec,
    /// The task that it names, if it names one and that exists.
    pub(super) source: Option<&'a RollingUpdateTask>,
}

/// Everything a decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The object as just read.
    pub subject: Subject<'a>,
    /// Why the record could not be written that a decision of this very pass had: see
    /// [`Decision::lets_go_anyway`].
    pub record_lost: Option<&'a str>,
    /// The operator's configuration.
    pub settings: &'a Settings,
    /// Whether an admission policy lets nobody write another name than his own into `ess-rollout.io/requested-by` of this object.
    pub names_verified: bool,
    /// Whole seconds: what a status can hold.
    pub now: Timestamp,
    /// What was told since the last write or mutation.
    pub observation: &'a Observation,
    /// What became of the work of the decision just before, when it was carried out by this very
    /// process. After a crash there is none, and the stages look before they act.
    pub outcome: Option<&'a WorkOutcome>,
}
