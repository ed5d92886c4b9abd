//! What is said of manifests that are valid and seldom meant: in the words of `kubectl ess-rollout lint`, and of whatever else
//! warns of the same.
//!
//! Each names the field first, then what follows from it, then the cure.

/// Of a task or a rollback with `batches: 1` or `batchSize: 100%`.
pub const ALL_AT_ONCE: &str = "all instances are taken out of service at the same time: use more batches, unless the group has one instance or may be down";

/// Of a task or a rollback with `ttlSecondsAfterFinished` and no `runKey`.
pub const TTL_WITHOUT_RUN_KEY: &str = "where the manifest is synced from Git, the object is created, and run, again after it was deleted: set spec.runKey, or leave ttlSecondsAfterFinished out";

/// Of a task or a rollback that pauses for a person: `suspensionPolicy` is `SuspendFirstBatch` or `SuspendEachBatch`, `thawWhilePaused` is not true,
/// and `approvedBatches` does not leave all of these pauses in advance: the one after batch k is left by itself where it is greater than k.
pub const FROZEN_IN_PAUSES: &str = "the group neither scales nor replaces unhealthy instances while the update waits for a person: have somebody at hand to continue it, say by spec.approvedBatches how many batches need nobody, or have it scale meanwhile by spec.thawWhilePaused";
