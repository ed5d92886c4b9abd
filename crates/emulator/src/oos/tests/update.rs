//! A script update of a small group, and what one says to it.

use serde_json::{Value, json};

use super::world::{Cloud, GROUP};
use crate::oos::OosSwitches;

/// Starts a script update in `FailurePause` on i-1 to i-4, in two batches.
pub(super) fn update(switches: impl FnOnce(&mut OosSwitches), failing: &[&str]) -> (Cloud, String) {
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3", "i-4"]);
    switches(&mut cloud.world.switches);
    for id in failing {
        cloud.world.instances.get_mut(*id).unwrap().exit_codes = [7].into();
    }
    let root = cloud.start(params(json!({}), json!({"Mode": "FailurePause"})));
    cloud.settle();
    (cloud, root)
}

pub(super) fn params(template: Value, request: Value) -> Value {
    let mut parameters = json!({
        "invokeType": "invoke", "scalingGroupId": GROUP, "invokeScript": "echo", "batchNumber": 2,
    });
    parameters
        .as_object_mut()
        .unwrap()
        .extend(template.as_object().unwrap().clone());
    let mut all = json!({
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Parameters": parameters.to_string(),
    });
    all.as_object_mut()
        .unwrap()
        .extend(request.as_object().unwrap().clone());
    all
}

pub(super) fn item_of(cloud: &mut Cloud, root: &str, instance: &str) -> Value {
    let items = cloud.items(root);
    let found = items
        .iter()
        .find(|item| item["LoopItem"].as_str().unwrap().contains(instance));
    found.unwrap().clone()
}

pub(super) fn notify(
    cloud: &mut Cloud,
    root: &str,
    verb: &str,
    item: &Value,
) -> Result<Value, String> {
    let request = json!({
        "ExecutionId": root, "NotifyType": verb, "TaskExecutionId": item["TaskExecutionId"],
        "LoopItem": item["LoopItem"],
    });
    cloud.ask("NotifyExecution", request).map_err(|e| e.code)
}
