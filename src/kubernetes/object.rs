//! The objects that passes are about: two kinds, one engine.

use std::fmt;

use ess_rollout_api::v1alpha1::{Rollback, RollingUpdateTask, RollingUpdateTaskStatus};
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::Resource;

/// Which kind an object is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// One rolling update.
    RollingUpdateTask,
    /// The undoing of one.
    Rollback,
}

impl ObjectKind {
    /// As the API names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RollingUpdateTask => "RollingUpdateTask",
            Self::Rollback => "Rollback",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::RollingUpdateTask, Self::Rollback]
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
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind.name(), self.namespace, self.name)
    }
}

/// One object as the apiserver has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Object {
    /// One rolling update.
    Task(RollingUpdateTask),
    /// The undoing of one.
    Rollback(Rollback),
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
            },
        }
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Task(task) => &task.metadata,
            Self::Rollback(rollback) => &rollback.metadata,
        }
    }

    /// Its `resourceVersion`.
    pub fn version(&self) -> Option<String> {
        self.metadata().resource_version.clone()
    }

    /// What is known of it.
    pub fn status(&self) -> Option<&RollingUpdateTaskStatus> {
        match self {
            Self::Task(task) => task.status.as_ref(),
            Self::Rollback(rollback) => rollback.status.as_ref(),
        }
    }

    /// Puts another status into it.
    pub fn set_status(&mut self, status: RollingUpdateTaskStatus) {
        match self {
            Self::Task(task) => task.status = Some(status),
            Self::Rollback(rollback) => rollback.status = Some(status),
        }
    }

    /// How Events name it.
    pub fn reference(&self) -> ObjectReference {
        match self {
            Self::Task(task) => task.object_ref(&()),
            Self::Rollback(rollback) => rollback.object_ref(&()),
        }
    }
}

impl From<RollingUpdateTask> for Object {
    fn from(task: RollingUpdateTask) -> Self {
        Self::Task(task)
    }
}

impl From<Rollback> for Object {
    fn from(rollback: Rollback) -> Self {
        Self::Rollback(rollback)
    }
}
