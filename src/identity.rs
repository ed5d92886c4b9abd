//! Placeholder for the core's `identity`, with its signatures.
use ess_rollout_api::v1alpha1::RollingUpdateTaskSpec;

/// The tag that all executions of this operator carry.
pub const TAG_MANAGED_BY: (&str, &str) = ("managed-by", "ess-rollout");

/// The region of a task: its own, else the operator's.
pub fn region<'a>(spec: &'a RollingUpdateTaskSpec, default: Option<&'a str>) -> Option<&'a str> {
    spec.region_id.as_deref().or(default)
}

/// The name of the record of a group.
pub fn record_name(region: &str, group: &str) -> String {
    format!("{region}.{group}")
}
