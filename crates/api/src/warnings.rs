//! What is allowed and dangerous, in the words that everybody who warns of it has: the admission policy of warnings
//! ([`crate::admission::WARNINGS`]), and whoever looks at a manifest before it is applied.

/// Of `spec.batches: 1`.
pub const ONE_BATCH: &str = "spec.batches is 1: all instances leave service at the same time, and nothing is left when the update fails; use batches of 2 or more, or batchSize";
/// Of `spec.ttlSecondsAfterFinished` without `spec.runKey`.
pub const TTL_WITHOUT_RUN_KEY: &str = "spec.ttlSecondsAfterFinished without spec.runKey: once it is deleted, a manifest that is synced from Git creates it, and runs it, again; set spec.runKey";
/// Of a `spec.suspensionPolicy` with pauses.
pub const FROZEN_IN_PAUSES: &str = "spec.suspensionPolicy has the update wait for people: until they continue it, the group neither scales nor replaces unhealthy instances (ScaleIn, ScaleOut, HealthCheck, AlarmNotification and ScheduledAction stay suspended)";
