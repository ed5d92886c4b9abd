//! ESS: shapes, limits, errors of both API versions.

use ess_emulator::state::call::{EssVersion, Service};
use serde_json::json;

use crate::support::{Ask, code, ess, member, small};

const OLD: Ask<'static> = Ask {
    by: "admin",
    version: EssVersion::V2014,
    region: crate::support::REGION,
};

#[test]
fn the_two_versions_wrap_lists_differently() {
    let mut cloud = small("");
    let new = ess(
        &mut cloud,
        "DescribeScalingGroups",
        json!({"ScalingGroupIds.1": "asg-small"}),
    )
    .unwrap();
    assert_eq!(new["ScalingGroups"][0]["ScalingGroupId"], "asg-small");
    assert_eq!(new["ScalingGroups"][0]["SuspendedProcesses"], json!(null));
    assert_eq!(
        new["ScalingGroups"][0]["ActiveScalingConfigurationId"],
        "asc-small"
    );
    assert!(new["RequestId"].is_string());
    let old = OLD
        .call(
            &mut cloud,
            Service::Ess,
            "DescribeScalingGroups",
            json!({"ScalingGroupId.1": "asg-small"}),
        )
        .unwrap();
    let group = &old["ScalingGroups"]["ScalingGroup"][0];
    assert_eq!(group["ScalingGroupId"], "asg-small");
    assert_eq!(group["SuspendedProcesses"], json!({"SuspendedProcess": []}));
}

#[test]
fn a_filter_in_the_other_version_s_spelling_is_ignored() {
    let mut cloud = small("");
    let all = ess(
        &mut cloud,
        "DescribeScalingInstances",
        json!({"InstanceId.1": "i-none"}),
    )
    .unwrap();
    assert_eq!(all["TotalCount"], 3);
    let none = ess(
        &mut cloud,
        "DescribeScalingInstances",
        json!({"InstanceIds.1": "i-none"}),
    )
    .unwrap();
    assert_eq!(none["TotalCount"], 0);
    let all = OLD
        .call(
            &mut cloud,
            Service::Ess,
            "DescribeScalingInstances",
            json!({"InstanceIds.1": "i-none"}),
        )
        .unwrap();
    assert_eq!(all["TotalCount"], 3);
}

#[test]
fn pages_have_real_limits() {
    let mut cloud = small("");
    let page = ess(
        &mut cloud,
        "DescribeScalingInstances",
        json!({"ScalingGroupId": "asg-small", "PageSize": 2, "PageNumber": 2}),
    )
    .unwrap();
    assert_eq!(page["ScalingInstances"].as_array().unwrap().len(), 1);
    assert_eq!(
        (page["TotalCount"].as_u64(), page["PageNumber"].as_u64()),
        (Some(3), Some(2))
    );
    for (action, params) in [
        ("DescribeScalingInstances", json!({"PageSize": 101})),
        ("DescribeScalingGroups", json!({"PageSize": 51})),
        ("DescribeScalingGroups", json!({"PageNumber": 0})),
        ("DescribeScalingGroups", json!({"PageSize": "many"})),
    ] {
        assert_eq!(
            code(ess(&mut cloud, action, params)),
            "InvalidParameter",
            "{action}"
        );
    }
    let many: serde_json::Map<_, _> = (1..=21)
        .map(|n| (format!("InstanceIds.{n}"), json!(format!("i-{n}"))))
        .collect();
    assert_eq!(
        code(ess(&mut cloud, "DescribeScalingInstances", json!(many))),
        "InvalidParameter"
    );
}

#[test]
fn describe_calls_need_a_region_that_exists() {
    let mut cloud = small("");
    let outcome = ess(&mut cloud, "DescribeScalingGroups", json!({"RegionId": ""}));
    assert_eq!(code(outcome), "MissingParameter");
    let elsewhere = Ask {
        region: "cn-nowhere",
        ..Ask::default()
    };
    let outcome = elsewhere.call(&mut cloud, Service::Ess, "DescribeScalingGroups", json!({}));
    assert_eq!(code(outcome), "InvalidRegionId.NotFound");
}

#[test]
fn the_region_decides_what_is_seen() {
    let yaml = crate::support::SMALL.replace("[cn-hangzhou]", "[cn-hangzhou, cn-beijing]");
    let mut cloud = crate::support::cloud(&yaml);
    let beijing = Ask {
        region: "cn-beijing",
        ..Ask::default()
    };
    let groups = beijing
        .call(&mut cloud, Service::Ess, "DescribeScalingGroups", json!({}))
        .unwrap();
    assert_eq!(groups["TotalCount"], 0);
    let params = json!({"ScalingGroupId": "asg-small", "Processes.1": "ScaleIn"});
    let outcome = beijing.call(&mut cloud, Service::Ess, "SuspendProcesses", params);
    assert_eq!(code(outcome), "InvalidScalingGroupId.NotFound");
}

#[test]
fn processes_are_suspended_and_resumed_as_often_as_one_likes() {
    let mut cloud = small("");
    let processes = json!({"ScalingGroupId": "asg-small", "Processes.1": "ScaleIn", "Processes.2": "HealthCheck"});
    for _ in 0..2 {
        ess(&mut cloud, "SuspendProcesses", processes.clone()).unwrap();
    }
    let group = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(
        group["ScalingGroups"][0]["SuspendedProcesses"],
        json!(["HealthCheck", "ScaleIn"])
    );
    for _ in 0..2 {
        ess(&mut cloud, "ResumeProcesses", processes.clone()).unwrap();
    }
    let group = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(group["ScalingGroups"][0]["SuspendedProcesses"], json!(null));
    let empty = json!({"ScalingGroupId": "asg-small"});
    assert_eq!(
        code(ess(&mut cloud, "SuspendProcesses", empty)),
        "MissingParameter"
    );
    let unknown = json!({"ScalingGroupId": "asg-small", "Processes.1": "Everything"});
    assert_eq!(
        code(ess(&mut cloud, "ResumeProcesses", unknown)),
        "InvalidParameter"
    );
    let nowhere = json!({"ScalingGroupId": "asg-none", "Processes.1": "ScaleIn"});
    assert_eq!(
        code(ess(&mut cloud, "ResumeProcesses", nowhere)),
        "InvalidScalingGroupId.NotFound"
    );
}

#[test]
fn standby_takes_the_weight_away_and_gives_it_back() {
    let mut cloud = small("");
    let target = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    ess(&mut cloud, "EnterStandby", target.clone()).unwrap();
    assert_eq!(
        member(&mut cloud, "i-small-01"),
        Some(("Standby".into(), 0))
    );
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", target.clone())),
        "IncorrectInstanceStatus"
    );
    let group = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(group["ScalingGroups"][0]["StandbyCapacity"], 1);
    assert_eq!(group["ScalingGroups"][0]["ActiveCapacity"], 2);
    // Templates spell it so.
    ess(&mut cloud, "ExitStandBy", target.clone()).unwrap();
    assert_eq!(
        member(&mut cloud, "i-small-01"),
        Some(("InService".into(), 50))
    );
    assert_eq!(
        code(ess(&mut cloud, "ExitStandby", target.clone())),
        "IncorrectInstanceStatus"
    );
    cloud.world.switches.repeated_state_changes_accepted = true;
    ess(&mut cloud, "ExitStandby", target).unwrap();
    let stranger = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-none"});
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", stranger)),
        "InvalidInstanceId.NotFound"
    );
}

#[test]
fn a_call_on_several_instances_changes_all_or_none() {
    let mut cloud = small("");
    let both = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01", "InstanceIds.2": "i-none"});
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", both)),
        "InvalidInstanceId.NotFound"
    );
    assert_eq!(
        member(&mut cloud, "i-small-01"),
        Some(("InService".into(), 50))
    );
}

#[test]
fn protection_is_a_state() {
    let mut cloud = small("");
    let target = |on: bool| json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01", "ProtectedFromScaleIn": on});
    ess(&mut cloud, "SetInstancesProtection", target(true)).unwrap();
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().0, "Protected");
    let standby = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", standby)),
        "IncorrectInstanceStatus"
    );
    ess(&mut cloud, "SetInstancesProtection", target(false)).unwrap();
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().0, "InService");
    let without = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    assert_eq!(
        code(ess(&mut cloud, "SetInstancesProtection", without)),
        "MissingParameter"
    );
}

#[test]
fn configurations_are_modified_in_place() {
    let mut cloud = small("");
    let image = |image: &str| json!({"ScalingConfigurationId": "asc-small", "ImageId": image});
    ess(&mut cloud, "ModifyScalingConfiguration", image("m-2")).unwrap();
    let read = ess(
        &mut cloud,
        "DescribeScalingConfigurations",
        json!({"ScalingConfigurationIds.1": "asc-small"}),
    )
    .unwrap();
    assert_eq!(read["ScalingConfigurations"][0]["ImageId"], "m-2");
    assert_eq!(read["ScalingConfigurations"][0]["LifecycleState"], "Active");
    assert_eq!(
        code(ess(
            &mut cloud,
            "ModifyScalingConfiguration",
            image("m-none")
        )),
        "InvalidImageId.NotFound"
    );
    let none = json!({"ScalingConfigurationId": "asc-none", "ImageId": "m-1"});
    assert_eq!(
        code(ess(&mut cloud, "ModifyScalingConfiguration", none)),
        "InvalidScalingConfigurationId.NotFound"
    );
}

#[test]
fn a_disabled_group_refuses_changes() {
    let mut cloud = small("");
    let group = json!({"ScalingGroupId": "asg-small"});
    ess(&mut cloud, "DisableScalingGroup", group.clone()).unwrap();
    let read = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(read["ScalingGroups"][0]["LifecycleState"], "Inactive");
    let standby = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", standby.clone())),
        "IncorrectScalingGroupStatus"
    );
    ess(&mut cloud, "EnableScalingGroup", group).unwrap();
    ess(&mut cloud, "EnterStandby", standby).unwrap();
}

#[test]
fn client_tokens_make_a_repetition_harmless() {
    let mut cloud = small("");
    let target =
        |id: &str| json!({"ScalingGroupId": "asg-small", "InstanceIds.1": id, "ClientToken": "t"});
    let first = ess(&mut cloud, "EnterStandby", target("i-small-01")).unwrap();
    let again = ess(&mut cloud, "EnterStandby", target("i-small-01")).unwrap();
    assert_ne!(first["RequestId"], again["RequestId"]);
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", target("i-small-02"))),
        "IdempotentParameterMismatch"
    );
}

#[test]
fn unknown_actions_are_not_found() {
    let mut cloud = small("");
    for service in [
        Service::Ess,
        Service::Ecs,
        Service::Eci,
        Service::Sts,
        Service::Oos,
    ] {
        let error = Ask::default()
            .call(&mut cloud, service, "DoSomething", json!({}))
            .unwrap_err();
        assert_eq!(
            (error.status, error.code.as_str()),
            (404, "InvalidAction.NotFound"),
            "{service:?}"
        );
        assert!(error.request_id.is_some());
    }
}

#[test]
fn reads_can_lag_behind() {
    let mut cloud = small("switches: {readLagSeconds: 10}");
    crate::support::pass(&mut cloud, 30);
    let target = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    ess(&mut cloud, "EnterStandby", target.clone()).unwrap();
    crate::support::pass(&mut cloud, 9);
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().0, "InService");
    // The change itself is there at once.
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", target)),
        "IncorrectInstanceStatus"
    );
    crate::support::pass(&mut cloud, 1);
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().0, "Standby");
}
