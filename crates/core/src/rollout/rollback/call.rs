//! The template parameters of the call that starts a rollback.

use ess_rollout_api::v1alpha1::{Plan, RollbackMethod, RollingUpdateTaskSpec, Source, StartIntent};
use serde_json::{Map, Value, json};

use crate::rollout::kind::{self, UpdateKind};

/// All parameters of the start.
pub(in crate::rollout) fn parameters(
    kind: &dyn UpdateKind,
    spec: &RollingUpdateTaskSpec,
    plan: &Plan,
    intent: &StartIntent,
    source: &Source,
) -> Map<String, Value> {
    match source.method {
        RollbackMethod::Invoke => {
            let mut parameters = kind::invoke_parameters(kind, spec, plan, intent);
            kind.for_undoing(&mut parameters);
            parameters
        }
        RollbackMethod::Template => {
            let mut parameters = kind.rollback_parameters(plan);
            for (name, value) in [
                ("invokeType", json!("rollback")),
                ("scalingGroupId", json!(spec.scaling_group_id)),
                ("sourceExecutionId", json!(source.execution_id)),
                (
                    "batchPauseOption",
                    json!(kind::batch_pause_option(
                        &spec.policy,
                        kind::holds_batches(spec, intent)
                    )),
                ),
                ("batchNumber", json!(plan.batches)),
                (
                    "OOSAssumeRole",
                    json!(spec.policy.ram_role.as_deref().unwrap_or("")),
                ),
            ] {
                parameters.insert(name.to_owned(), value);
            }
            parameters
        }
    }
}
