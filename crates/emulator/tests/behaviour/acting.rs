//! ESS acts by itself: health checks, scaling activities.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{code, control, ecs, ess, instance, member, members, pass, small, status};

fn activities(cloud: &mut Cloud, status: &str) -> u64 {
    let params = json!({"ScalingGroupId": "asg-small", "StatusCode": status, "PageSize": 1});
    ess(cloud, "DescribeScalingActivities", params).unwrap()["TotalCount"]
        .as_u64()
        .unwrap()
}

fn stop(cloud: &mut Cloud, id: &str) {
    ecs(cloud, "StopInstance", json!({"InstanceId": id})).unwrap();
}

#[test]
fn health_check_replaces_a_stopped_instance() {
    let mut cloud = small("");
    stop(&mut cloud, "i-small-01");
    pass(&mut cloud, 300);
    let now = members(&mut cloud, "asg-small");
    assert_eq!(now.len(), 3);
    assert!(!now.contains(&"i-small-01".to_owned()));
    assert_eq!(
        instance(&mut cloud, "i-small-01"),
        None,
        "a removed instance is released"
    );
    assert_eq!(activities(&mut cloud, "Successful"), 2);
    let new = now.iter().find(|id| !id.starts_with("i-small")).unwrap();
    assert_eq!(member(&mut cloud, new), Some(("InService".into(), 50)));
}

#[test]
fn a_suspended_health_check_waits_until_it_is_resumed() {
    let mut cloud = small("");
    let health = json!({"ScalingGroupId": "asg-small", "Processes.1": "HealthCheck"});
    ess(&mut cloud, "SuspendProcesses", health.clone()).unwrap();
    stop(&mut cloud, "i-small-01");
    pass(&mut cloud, 3600);
    assert!(members(&mut cloud, "asg-small").contains(&"i-small-01".to_owned()));
    let rows = ess(
        &mut cloud,
        "DescribeScalingInstances",
        json!({"HealthStatus": "Unhealthy"}),
    )
    .unwrap();
    assert_eq!(rows["TotalCount"], 1);
    ess(&mut cloud, "ResumeProcesses", health).unwrap();
    pass(&mut cloud, 300);
    assert!(!members(&mut cloud, "asg-small").contains(&"i-small-01".to_owned()));
}

#[test]
fn standby_and_protected_instances_are_left_alone() {
    let mut cloud = small("");
    ess(
        &mut cloud,
        "EnterStandby",
        json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"}),
    )
    .unwrap();
    ess(
        &mut cloud,
        "SetInstancesProtection",
        json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-02", "ProtectedFromScaleIn": true}),
    )
    .unwrap();
    stop(&mut cloud, "i-small-01");
    stop(&mut cloud, "i-small-02");
    pass(&mut cloud, 3600);
    assert_eq!(members(&mut cloud, "asg-small").len(), 3);
    assert_eq!(status(&mut cloud, "i-small-01"), "Stopped");
    // Out of Standby, it is looked at.
    ess(
        &mut cloud,
        "ExitStandby",
        json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"}),
    )
    .unwrap();
    pass(&mut cloud, 300);
    assert!(!members(&mut cloud, "asg-small").contains(&"i-small-01".to_owned()));
    assert!(members(&mut cloud, "asg-small").contains(&"i-small-02".to_owned()));
}

#[test]
fn a_vanished_instance_is_replaced() {
    let mut cloud = small("");
    let (answer, _) = control(
        &mut cloud,
        "POST",
        "instances/i-small-03/vanish",
        Value::Null,
    );
    assert_eq!(answer, 200);
    assert_eq!(status(&mut cloud, "i-small-03"), "gone");
    assert_eq!(members(&mut cloud, "asg-small").len(), 3);
    pass(&mut cloud, 300);
    let now = members(&mut cloud, "asg-small");
    assert_eq!(now.len(), 3);
    assert!(!now.contains(&"i-small-03".to_owned()));
}

#[test]
fn a_scale_out_takes_the_image_of_the_configuration() {
    let mut cloud = small("");
    ess(
        &mut cloud,
        "ModifyScalingConfiguration",
        json!({"ScalingConfigurationId": "asc-small", "ImageId": "m-2"}),
    )
    .unwrap();
    let (_, answer) = control(
        &mut cloud,
        "POST",
        "groups/asg-small/scaleOut",
        json!({"count": 2}),
    );
    let new = answer["activity"]["createdInstances"][0]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(member(&mut cloud, &new).unwrap(), ("Pending".into(), 0));
    assert_eq!(activities(&mut cloud, "InProgress"), 1);
    pass(&mut cloud, 60);
    assert_eq!(activities(&mut cloud, "InProgress"), 0);
    assert_eq!(members(&mut cloud, "asg-small").len(), 5);
    assert_eq!(instance(&mut cloud, &new).unwrap()["ImageId"], "m-2");
    assert_eq!(status(&mut cloud, &new), "Running");
    assert_eq!(
        instance(&mut cloud, "i-small-01").unwrap()["ImageId"],
        "m-1"
    );
}

#[test]
fn an_activity_blocks_changes_of_members() {
    let mut cloud = small("");
    control(&mut cloud, "POST", "groups/asg-small/scaleOut", Value::Null);
    let target = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", target.clone())),
        "ScalingActivityInProgress"
    );
    let (_, second) = control(&mut cloud, "POST", "groups/asg-small/scaleOut", Value::Null);
    assert_eq!(second["activity"]["status"], "Rejected");
    pass(&mut cloud, 60);
    ess(&mut cloud, "EnterStandby", target).unwrap();
}

#[test]
fn suspended_processes_hold_activities_back() {
    let mut cloud = small("");
    let suspend = |process: &str| json!({"ScalingGroupId": "asg-small", "Processes.1": process});
    for (process, path, trigger) in [
        ("ScaleOut", "scaleOut", "manual"),
        ("ScaleIn", "scaleIn", "manual"),
        ("ScheduledAction", "scaleOut", "scheduled"),
        ("AlarmNotification", "scaleIn", "alarm"),
    ] {
        ess(&mut cloud, "SuspendProcesses", suspend(process)).unwrap();
        let path = format!("groups/asg-small/{path}");
        let (_, answer) = control(&mut cloud, "POST", &path, json!({"trigger": trigger}));
        assert_eq!(answer["activity"]["status"], "Rejected", "{process}");
        ess(&mut cloud, "ResumeProcesses", suspend(process)).unwrap();
    }
    assert_eq!(members(&mut cloud, "asg-small").len(), 3);
}

#[test]
fn a_scale_in_spares_protected_and_standby_instances_and_the_minimum() {
    let mut cloud = small("");
    ess(
        &mut cloud,
        "EnterStandby",
        json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"}),
    )
    .unwrap();
    let (_, answer) = control(
        &mut cloud,
        "POST",
        "groups/asg-small/scaleIn",
        json!({"count": 3}),
    );
    assert_eq!(
        answer["activity"]["destroyedInstances"],
        json!(["i-small-02", "i-small-03"])
    );
    pass(&mut cloud, 300);
    assert_eq!(members(&mut cloud, "asg-small"), ["i-small-01"]);
}

#[test]
fn an_unavailable_image_fails_the_activity() {
    let mut cloud = small("");
    ess(
        &mut cloud,
        "ModifyScalingConfiguration",
        json!({"ScalingConfigurationId": "asc-small", "ImageId": "m-2"}),
    )
    .unwrap();
    cloud.world.resources.images.get_mut("m-2").unwrap().status = "UnAvailable".into();
    control(&mut cloud, "POST", "groups/asg-small/scaleOut", Value::Null);
    pass(&mut cloud, 1);
    assert_eq!(activities(&mut cloud, "Failed"), 1);
    assert_eq!(members(&mut cloud, "asg-small").len(), 3);
}

#[test]
fn removed_instances_are_not_made_again() {
    let mut cloud = small("");
    ess(
        &mut cloud,
        "RemoveInstances",
        json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-02"}),
    )
    .unwrap();
    assert_eq!(member(&mut cloud, "i-small-02").unwrap().0, "Removing");
    pass(&mut cloud, 3600);
    assert_eq!(
        members(&mut cloud, "asg-small"),
        ["i-small-01", "i-small-03"]
    );
}

#[test]
fn a_group_below_its_capacity_is_filled_from_the_start() {
    let yaml =
        crate::support::SMALL.replace("    minSize: 1", "    minSize: 1\n    desiredCapacity: 5");
    let mut cloud = crate::support::cloud(&yaml);
    pass(&mut cloud, 300);
    assert_eq!(members(&mut cloud, "asg-small").len(), 5);
}

#[test]
fn the_load_balancer_can_be_busy() {
    let yaml = crate::support::SMALL.replace(
        "    minSize: 1",
        "    minSize: 1\n    loadBalancerIds: [lb-1]",
    );
    let mut cloud = crate::support::cloud(&format!("{yaml}\ndurations: {{loadBalancer: 5}}"));
    let target = |id: &str| json!({"ScalingGroupId": "asg-small", "InstanceIds.1": id});
    ess(&mut cloud, "EnterStandby", target("i-small-01")).unwrap();
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", target("i-small-02"))),
        "BackendServer.configuring"
    );
    pass(&mut cloud, 5);
    ess(&mut cloud, "EnterStandby", target("i-small-02")).unwrap();
}
