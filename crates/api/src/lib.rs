//! The ess-rollout.io API: `RollingUpdateTask`, `Rollback`, `ImageUpdateTask`, `MaintenanceWindow` and `ScalingGroupRecord`, version v1alpha1.
//!
//! Types only: no behaviour beyond small accessors, no client in sight. Rules that CEL can state
//! stand beside the field they guard and are enforced by the apiserver; what needs the cloud is
//! Preflight's, in the core.
//!
//! - [`v1alpha1::task`]: what a person asks for
//! - [`v1alpha1::rollback`]: what a person asks for to undo it
//! - [`v1alpha1::image_update`]: what a person asks for to build images, and what the operator answers
//! - [`v1alpha1::maintenance_window`]: when updates may begin and go on, for several objects
//! - [`v1alpha1::status`]: what the operator answers, and its memory
//! - [`v1alpha1::action`]: what people ask for by annotation while it runs, and what became of it
//! - [`v1alpha1::record`]: the operator's own memory of a scaling group
//! - [`requests`]: the annotations by which people act on a running task
//! - [`admission`]: the admission policies that see to who may make them, and under whose name
//! - [`kept`]: references to what a status must not hold
//! - [`warnings`]: what is said of manifests that are valid and seldom meant
//! - [`crds`]: the CRDs as they are installed
//! - [`status_fields`]: the fields of the statuses, to tell whether a cluster's CRDs have them

#![deny(missing_docs)]
#![allow(
    clippy::duplicated_attributes,
    reason = "kube's derive takes one printcolumn for each column, and each has a type"
)]

pub mod admission;
pub mod crds;
pub mod kept;
pub mod requests;
pub mod status_fields;
pub mod v1alpha1;
pub mod warnings;

/// The API group.
pub const GROUP: &str = "ess-rollout.io";
/// The finalizer that keeps an object from before it takes its scaling group until its execution is
/// over and the group restored. An object that has nothing to put back has none.
pub const FINALIZER: &str = "ess-rollout.io/execution";
/// Where the execution id is kept once more, because only metadata survives a restore from backup.
/// Value: `namespace/name/spec-hash/execution-id`; it counts only with the first three.
pub const EXECUTION_ID_ANNOTATION: &str = "ess-rollout.io/execution-id";
/// The label of a Rollback that the operator has created, with the value `"true"`.
pub const AUTOMATIC_LABEL: &str = "ess-rollout.io/automatic";
/// `"true"` lets a task go although its execution or its scaling group cannot be looked after.
pub const FORCE_DELETE_ANNOTATION: &str = "ess-rollout.io/force-delete";
/// The layout of what the operator writes: of the statuses, and of the records. It is on each of them as `status.layoutVersion`;
/// one without it has layout 1.
///
/// Versions of the operator take turns over the same objects, during an upgrade and after one that is undone. Fields and words
/// that an older one does not know survive its writes, so most changes need nothing. Raise this number where an older one would
/// misjudge what it reads, or would ignore a field of a spec that must not be ignored: it leaves objects of a newer layout
/// alone and says so on them.
pub const LAYOUT_VERSION: i32 = 1;
