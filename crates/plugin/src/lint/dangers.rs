//! What is valid and seldom meant.

use ess_rollout_api::v1alpha1::{RunPolicy, SuspensionPolicy};
use ess_rollout_api::warnings;
use ess_rollout_core::batches::{DEFAULT_BATCHES, MAX_BATCHES};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The field and the warning of each danger in how an update is run.
pub fn of(policy: &RunPolicy) -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    if policy.batches == Some(1) {
        found.push(("spec.batches", warnings::ALL_AT_ONCE));
    }
    if matches!(&policy.batch_size, Some(IntOrString::String(size)) if size == "100%") {
        found.push(("spec.batchSize", warnings::ALL_AT_ONCE));
    }
    if policy.ttl_seconds_after_finished.is_some() && policy.run_key.is_none() {
        let field = "spec.ttlSecondsAfterFinished";
        found.push((field, warnings::TTL_WITHOUT_RUN_KEY));
    }
    if pauses_for_people(policy) && !policy.thaw_while_paused {
        found.push(("spec.suspensionPolicy", warnings::FROZEN_IN_PAUSES));
    }
    found
}

/// Whether an update that goes well waits for a person at least once.
fn pauses_for_people(policy: &RunPolicy) -> bool {
    let batches = match (policy.batches, &policy.batch_size) {
        (Some(batches), _) => batches,
        (None, None) => DEFAULT_BATCHES,
        // It depends on how many instances there are.
        (None, Some(_)) => MAX_BATCHES,
    };
    let last_pause = match policy.suspension_policy {
        SuspensionPolicy::Automatic => return false,
        SuspensionPolicy::SuspendFirstBatch => 1,
        SuspensionPolicy::SuspendEachBatch => batches,
    };
    policy.approved_batches.unwrap_or(0) <= last_pause
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn a_pause_that_is_approved_in_advance_is_none() {
        for (spec, pauses) in [
            (r#"{}"#, false),
            (r#"{"suspensionPolicy": "SuspendFirstBatch"}"#, true),
            (
                r#"{"suspensionPolicy": "SuspendFirstBatch", "approvedBatches": 1}"#,
                true,
            ),
            (
                r#"{"suspensionPolicy": "SuspendFirstBatch", "approvedBatches": 2}"#,
                false,
            ),
            (
                r#"{"suspensionPolicy": "SuspendEachBatch", "approvedBatches": 5}"#,
                true,
            ),
            (
                r#"{"suspensionPolicy": "SuspendEachBatch", "approvedBatches": 6}"#,
                false,
            ),
            (
                r#"{"suspensionPolicy": "SuspendEachBatch", "batches": 2, "approvedBatches": 3}"#,
                false,
            ),
            (
                r#"{"suspensionPolicy": "SuspendEachBatch", "batchSize": 1, "approvedBatches": 6}"#,
                true,
            ),
            (
                r#"{"suspensionPolicy": "SuspendEachBatch", "batchSize": 1, "approvedBatches": 101}"#,
                false,
            ),
        ] {
            let policy: RunPolicy = serde_json::from_str(spec).unwrap();
            assert_eq!(pauses_for_people(&policy), pauses, "{spec}");
        }
    }
}
