//! Stand-ins.
use ess_rollout_api::v1alpha1::RollingUpdateTask;
pub fn task(namespace: &str, name: &str) -> RollingUpdateTask {
    serde_json::from_value(serde_json::json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"scalingGroupId": "asg-1", "update": {"script": {"run": {"inline": "true"}}}}
    }))
    .expect("a valid task")
}
