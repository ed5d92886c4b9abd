//! What the fixture scripts somebody else to do.

use serde_json::json;

use crate::support::{ess, members, oos, pass, small, status};

fn start(batches: u32) -> serde_json::Value {
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true",
        "batchNumber": batches, "batchPauseOption": "EveryBatchPause",
    });
    json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string()})
}

fn root_status(cloud: &mut ess_emulator::cloud::Cloud) -> String {
    let list = oos(cloud, "ListExecutions", json!({})).unwrap();
    list["Executions"][0]["Status"].as_str().unwrap().to_owned()
}

#[test]
fn somebody_approves_each_pause() {
    let mut cloud = small(
        r#"
events:
  - when: {execution: {status: Waiting, nth: 1}}
    delaySeconds: 30
    do: {call: {as: admin, service: OOS, action: NotifyExecution, params: {ExecutionId: $executionId, NotifyType: Approve}}}
  - when: {execution: {status: Waiting, nth: 2}}
    do: {call: {as: admin, service: OOS, action: CancelExecution, params: {ExecutionId: $executionId}}}
"#,
    );
    oos(&mut cloud, "StartExecution", start(3)).unwrap();
    pass(&mut cloud, 3600);
    assert_eq!(root_status(&mut cloud), "Cancelled");
    let acts: Vec<_> = cloud
        .world
        .journal
        .since(0)
        .filter(|e| ["NotifyExecution", "CancelExecution"].contains(&e.action.as_str()))
        .map(|e| (e.action.as_str(), e.code.as_str(), e.by_oos))
        .collect();
    assert_eq!(
        acts,
        [
            ("NotifyExecution", "OK", false),
            ("CancelExecution", "OK", false)
        ]
    );
}

#[test]
fn somebody_acts_at_a_time_or_after_a_call() {
    let mut cloud = small(
        r#"
events:
  - atSeconds: 100
    do: {call: {as: admin, service: ESS, action: SuspendProcesses, params: {ScalingGroupId: asg-small, Processes: [ScaleIn]}}}
  - when: {call: {service: ESS, action: EnterStandby}}
    do: {stop: {instanceId: i-small-01}}
  - atSeconds: 200
    do: {scaleOut: {scalingGroupId: asg-small, count: 2}}
  - atSeconds: 900
    do: {vanish: {instanceId: i-small-01}}
"#,
    );
    ess(
        &mut cloud,
        "EnterStandby",
        json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"}),
    )
    .unwrap();
    assert_eq!(status(&mut cloud, "i-small-01"), "Stopping");
    pass(&mut cloud, 99);
    let suspended = |cloud: &mut _| {
        ess(cloud, "DescribeScalingGroups", json!({})).unwrap()["ScalingGroups"][0]["SuspendedProcesses"].clone()
    };
    assert_eq!(suspended(&mut cloud), json!(null));
    pass(&mut cloud, 1);
    assert_eq!(suspended(&mut cloud), json!(["ScaleIn"]));
    pass(&mut cloud, 500);
    assert_eq!(members(&mut cloud, "asg-small").len(), 5);
    pass(&mut cloud, 300);
    assert_eq!(status(&mut cloud, "i-small-01"), "gone");
}

/// As over the wire: lists by their numbers, and the region that is named.
#[test]
fn somebody_calls_in_the_region_that_is_named_with_names_as_they_travel() {
    let yaml = crate::support::SMALL.replace("[cn-hangzhou]", "[cn-beijing, cn-hangzhou]");
    let yaml = yaml.replace(
        "  - scalingGroupId: asg-small",
        "  - scalingGroupId: asg-small\n    region: cn-hangzhou",
    );
    let mut cloud = crate::support::cloud(&format!(
        "{yaml}
events:
  - atSeconds: 10
    do: {{call: {{as: admin, service: ESS, action: SuspendProcesses, params: {{RegionId: cn-hangzhou, ScalingGroupId: asg-small, Processes.1: ScaleIn}}}}}}
"
    ));
    pass(&mut cloud, 10);
    let groups = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    let group = &groups["ScalingGroups"][0];
    assert_eq!(group["SuspendedProcesses"], json!(["ScaleIn"]));
}
