//! Kubernetes as a pass sees it: one small port.
//!
//! Every write is guarded by the `resourceVersion` in the object that is handed in, and returns
//! the object as written. [`KubeApi`] is the port on a real apiserver; simulations bring their own.

mod api;
mod clients;
mod error;

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin};

use ess_rollout_api::v1alpha1::{RollingUpdateTask, ScalingGroupRecord};

pub use api::KubeApi;
pub use clients::{Clients, ClientsError};
pub use error::{Cause, ErrorClass, KubeError};

/// What a call returns; boxed, so that the port can be an object.
pub type KubeFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, KubeError>> + Send + 'a>>;

/// Names one task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// Of these two.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A Secret's data. `Debug` shows the keys and nothing else.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretData {
    /// `metadata.resourceVersion`.
    pub resource_version: String,
    /// `data`, decoded.
    pub data: BTreeMap<String, Vec<u8>>,
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretData")
            .field("resource_version", &self.resource_version)
            .field("keys", &self.data.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What a pass reads and writes. Implementations bound every call by a timeout and repeat nothing.
pub trait Kubernetes: Send + Sync {
    /// The task as the apiserver has it now; `None`: there is none.
    fn get_task<'a>(&'a self, key: &'a ObjectKey) -> KubeFuture<'a, Option<RollingUpdateTask>>;

    /// The record of this name in the operator's namespace; `None`: there is none.
    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>>;

    /// Creates a record, without its status. [`ErrorClass::Conflict`] when there is one already.
    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord>;

    /// Replaces the status of the record, if its `resourceVersion` is still the newest.
    fn replace_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord>;

    /// Replaces the status of the task, if its `resourceVersion` is still the newest.
    fn replace_task_status<'a>(
        &'a self,
        task: &'a RollingUpdateTask,
    ) -> KubeFuture<'a, RollingUpdateTask>;

    /// Adds or removes the operator's finalizer, if the task's `resourceVersion` is still the
    /// newest. The answer differs from what was handed in by that alone.
    fn set_finalizer<'a>(
        &'a self,
        task: &'a RollingUpdateTask,
        present: bool,
    ) -> KubeFuture<'a, RollingUpdateTask>;

    /// A Secret; `None`: there is none.
    fn get_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<SecretData>>;
}
