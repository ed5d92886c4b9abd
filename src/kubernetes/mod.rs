//! Kubernetes as a pass sees it: one small port.
//!
//! Every write is guarded by the `resourceVersion` in the object that is handed in, and returns
//! the object as written. [`KubeApi`] is the port on a real apiserver; simulations bring their own. [`Keeping`] stands between
//! it and passes, so that no status holds a secret, and [`Bounded`] before that, so that few calls are under way at once.

mod api;
mod api_kept;
mod bounded;
mod changes;
mod clients;
mod counted;
mod decode;
mod error;
mod fenced;
mod heard;
mod keeping;
mod leases;
mod object;
mod patches;
mod schemas;
mod vouching;

use std::{collections::BTreeMap, fmt, future::Future, pin::Pin};

use ess_rollout_api::v1alpha1::{Rollback, ScalingGroupRecord, ScalingGroupRecordStatus};
use jiff::Timestamp;

pub use api::KubeApi;
pub(crate) use api::call;
pub use bounded::Bounded;
pub use clients::{Clients, ClientsError};
pub use counted::CountedLayer;
pub use decode::explain;
pub use error::{Cause, ErrorClass, KubeError};
pub use fenced::FenceLayer;
pub use heard::{Asked, Heard, HeardLayer};
pub use keeping::{Keeping, KeptSecrets, Listed, RECORDS};
pub use leases::KubeLeases;
pub use object::{Object, ObjectKey, ObjectKind, OtherKind, Status, differs};
pub use patches::NOT_UNDERSTOOD;
pub use schemas::{Schemas, cure};
pub use vouching::{Verified, Vouching};

/// What a call returns; boxed, so that the port can be an object.
pub type KubeFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, KubeError>> + Send + 'a>>;

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

/// What `data` of a ConfigMap holds, by key.
pub type ConfigMapData = BTreeMap<String, String>;

/// What a pass reads and writes. Implementations bound every call by a timeout and repeat nothing.
pub trait Kubernetes: Send + Sync {
    /// The object as the apiserver has it now; `None`: there is none.
    fn get<'a>(&'a self, key: &'a ObjectKey) -> KubeFuture<'a, Option<Object>>;

    /// The record of this name in the operator's namespace; `None`: there is none.
    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>>;

    /// Creates a record, without its status. [`ErrorClass::Conflict`] when there is one already.
    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord>;

    /// Creates a rollback. [`ErrorClass::Conflict`] when there is one of its name already.
    fn create_rollback<'a>(&'a self, rollback: &'a Rollback) -> KubeFuture<'a, ()>;

    /// Changes the status of the record, which is as it was read, to this one, if its `resourceVersion` is still
    /// the newest. What this version does not know of the status stays. [`ErrorClass::Outdated`], and nothing is
    /// written, when the CRDs do not have a field of it.
    fn write_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        status: &'a ScalingGroupRecordStatus,
    ) -> KubeFuture<'a, ScalingGroupRecord>;

    /// The same for an object. The status is that of its kind.
    fn write_status<'a>(&'a self, object: &'a Object, status: &'a Status)
    -> KubeFuture<'a, Object>;

    /// Says on an object, by the conditions `Stalled` and `Ready`, that it stands still and why, without a look at
    /// the rest of its status, which may be what cannot be read or written. Gives the version that this led to;
    /// `None`: it says so already, or there is none.
    fn stall<'a>(
        &'a self,
        key: &'a ObjectKey,
        reason: &'a str,
        message: &'a str,
        now: Timestamp,
    ) -> KubeFuture<'a, Option<String>>;

    /// Adds or removes the operator's finalizer, if the object's `resourceVersion` is still the
    /// newest. The answer differs from what was handed in by that alone.
    fn set_finalizer<'a>(&'a self, object: &'a Object, present: bool) -> KubeFuture<'a, Object>;

    /// Sets the annotation that keeps the execution's id
    /// ([`ess_rollout_api::EXECUTION_ID_ANNOTATION`]), if the object's `resourceVersion` is still
    /// the newest. The answer differs from what was handed in by that alone.
    fn set_execution_annotation<'a>(
        &'a self,
        object: &'a Object,
        value: &'a str,
    ) -> KubeFuture<'a, Object>;

    /// Deletes the object, if its uid and its `resourceVersion` are still those handed in. While it
    /// has finalizers it stays and is marked. [`ErrorClass::Gone`] when there is none.
    fn delete<'a>(&'a self, object: &'a Object) -> KubeFuture<'a, ()>;

    /// The data of a ConfigMap; `None`: there is none.
    fn get_config_map<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<ConfigMapData>>;

    /// A Secret; `None`: there is none.
    fn get_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<SecretData>>;
}
