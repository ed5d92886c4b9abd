//! The objects that passes are about: two kinds of rolling updates, which share one engine and one type of status, and
//! image updates.

use std::fmt;

use ess_rollout_api::v1alpha1::{
    ImageUpdateTask, ImageUpdateTaskStatus, Place, Rollback, RollingUpdateTask,
    RollingUpdateTaskStatus,
};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::Resource;
use serde::Serialize;

/// Which kind an object is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// One rolling update.
    RollingUpdateTask,
    /// The undoing of one.
    Rollback,
    /// Images for scaling configurations.
    ImageUpdateTask,
    /// The operator's memory of a scaling group, looked at while it holds a run that no object looks
    /// after. Its namespace is the operator's, and left empty in keys.
    ScalingGroupRecord,
}

impl ObjectKind {
    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RollingUpdateTask => "RollingUpdateTask",
            Self::Rollback => "Rollback",
            Self::ImageUpdateTask => "ImageUpdateTask",
            Self::ScalingGroupRecord => "ScalingGroupRecord",
        }
    }

    /// The kind of objects that people create, by its name.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::RollingUpdateTask,
            Self::Rollback,
            Self::ImageUpdateTask,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }
}

/// Names one object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: ObjectKind,
}

impl ObjectKey {
    /// A task.
    pub fn task(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            kind: ObjectKind::RollingUpdateTask,
        }
    }

    /// A rollback.
    pub fn rollback(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::Rollback,
            ..Self::task(namespace, name)
        }
    }

    /// A record.
    pub fn record(name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::ScalingGroupRecord,
            ..Self::task("", name)
        }
    }

    /// An image update task.
    pub fn image_update(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            kind: ObjectKind::ImageUpdateTask,
            ..Self::task(namespace, name)
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}

/// One object as the apiserver has it. Behind a pointer: each pass under way has room for each place that one goes through,
/// whether it is there or not.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// One rolling update.
    Task(Box<RollingUpdateTask>),
    /// The undoing of one.
    Rollback(Box<Rollback>),
    /// Images for scaling configurations.
    ImageUpdate(Box<ImageUpdateTask>),
}

/// What is known of an object, by the type of its kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Of a task or a rollback.
    Rollout(Box<RollingUpdateTaskStatus>),
    /// Of an image update task.
    ImageUpdate(Box<ImageUpdateTaskStatus>),
}

impl Object {
    /// Which one it is.
    pub fn key(&self) -> ObjectKey {
        let metadata = self.metadata();
        ObjectKey {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
            kind: match self {
                Self::Task(_) => ObjectKind::RollingUpdateTask,
                Self::Rollback(_) => ObjectKind::Rollback,
                Self::ImageUpdate(_) => ObjectKind::ImageUpdateTask,
            },
        }
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Task(task) => &task.metadata,
            Self::Rollback(rollback) => &rollback.metadata,
            Self::ImageUpdate(task) => &task.metadata,
        }
    }

    /// Its `resourceVersion`.
    pub fn version(&self) -> Option<String> {
        self.metadata().resource_version.clone()
    }

    /// What is known of a task or a rollback.
    pub fn rollout_status(&self) -> Option<&RollingUpdateTaskStatus> {
        match self {
            Self::Task(task) => task.status.as_ref(),
            Self::Rollback(rollback) => rollback.status.as_ref(),
            Self::ImageUpdate(_) => None,
        }
    }

    /// The OOS execution that is, or was last, under way for it.
    pub fn execution_id(&self) -> Option<&str> {
        let execution = match self {
            Self::Task(_) | Self::Rollback(_) => self.rollout_status()?.execution.as_ref(),
            Self::ImageUpdate(task) => {
                let active = task.status.as_ref()?.active.as_ref()?;
                active.execution.as_ref()
            }
        };
        execution.map(|execution| execution.id.as_str())
    }

    /// The region that it names, or that the run has which it undoes.
    pub fn own_region(&self) -> Option<&str> {
        let region = match self {
            Self::Task(task) => &task.spec.region_id,
            Self::Rollback(rollback) => {
                let source = rollback.status.as_ref().and_then(|s| s.source.as_ref());
                let found = source.and_then(|source| source.region_id.as_deref());
                return rollback.spec.region_id.as_deref().or(found);
            }
            Self::ImageUpdate(task) => &task.spec.region_id,
        };
        region.as_deref()
    }

    /// Where its run takes place, once that is on record.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Task(_) | Self::Rollback(_) => self.rollout_status()?.place.as_ref(),
            Self::ImageUpdate(task) => {
                let active = task.status.as_ref()?.active.as_ref()?;
                active.place.as_ref()
            }
        }
    }

    /// Whether a status differs on the wire from the one that it has.
    ///
    /// # Errors
    /// When it is that of another kind.
    pub fn differs_from(&self, status: &Status) -> Result<bool, OtherKind> {
        match (self, status) {
            (Self::Task(_) | Self::Rollback(_), Status::Rollout(status)) => {
                Ok(differs(self.rollout_status(), status.as_ref()))
            }
            (Self::ImageUpdate(task), Status::ImageUpdate(status)) => {
                Ok(differs(task.status.as_ref(), status.as_ref()))
            }
            _ => Err(OtherKind),
        }
    }

    /// How Events name it.
    pub fn reference(&self) -> ObjectReference {
        match self {
            Self::Task(task) => task.object_ref(&()),
            Self::Rollback(rollback) => rollback.object_ref(&()),
            Self::ImageUpdate(task) => task.object_ref(&()),
        }
    }
}

/// A status is that of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OtherKind;

/// Whether the two differ on the wire; no status is an empty one. Times lose their fractions there,
/// so a comparison of the values alone would find a difference, and write it, for ever.
pub fn differs<T: Serialize + PartialEq + Default>(old: Option<&T>, new: &T) -> bool {
    let empty = T::default();
    let old = old.unwrap_or(&empty);
    if old == new {
        return false;
    }
    match (serde_json::to_value(old), serde_json::to_value(new)) {
        (Ok(old), Ok(new)) => old != new,
        _ => true,
    }
}

impl From<RollingUpdateTask> for Object {
    fn from(task: RollingUpdateTask) -> Self {
        Self::Task(Box::new(task))
    }
}

impl From<Rollback> for Object {
    fn from(rollback: Rollback) -> Self {
        Self::Rollback(Box::new(rollback))
    }
}

impl From<ImageUpdateTask> for Object {
    fn from(task: ImageUpdateTask) -> Self {
        Self::ImageUpdate(Box::new(task))
    }
}
