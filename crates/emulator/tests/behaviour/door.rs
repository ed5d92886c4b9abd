//! The one door: permissions, faults, the journal.

use ess_emulator::cloud::Cloud;
use ess_emulator::error::ApiError;
use ess_emulator::state::call::{Outcome, Service};
use ess_emulator::state::journal::Entry;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Ask, code, ess, fault, member, pass, small};

fn standby(id: &str) -> Value {
    json!({"ScalingGroupId": "asg-small", "InstanceIds.1": id})
}

fn enter(cloud: &mut Cloud, id: &str) -> Outcome {
    Ask::default().outcome(cloud, Service::Ess, "EnterStandby", standby(id))
}

fn journal(cloud: &Cloud) -> Vec<&Entry> {
    cloud.world.journal.since(0).collect()
}

fn state(cloud: &mut Cloud, id: &str) -> String {
    member(cloud, id).unwrap().0
}

#[test]
fn a_denial_names_the_missing_action() {
    let mut cloud = small("");
    let reader = Ask {
        by: "reader",
        ..Ask::default()
    };
    reader
        .call(&mut cloud, Service::Ess, "DescribeScalingGroups", json!({}))
        .unwrap();
    let denied = reader
        .call(
            &mut cloud,
            Service::Ess,
            "exitstandby",
            standby("i-small-01"),
        )
        .unwrap_err();
    assert_eq!(
        (denied.status, denied.code.as_str()),
        (403, "Forbidden.RAM")
    );
    let detail = denied.access_denied_detail.unwrap();
    assert_eq!(detail["AuthAction"], "ess:ExitStandby");
    assert_eq!(detail["AuthPrincipalDisplayName"], "reader");
    assert_eq!(detail["AuthPrincipalOwnerId"], ACCOUNT);
    // Nobody in particular may do nothing.
    let nobody = Ask {
        by: "nobody",
        ..Ask::default()
    };
    let refused = nobody.call(&mut cloud, Service::Ecs, "DescribeInstances", json!({}));
    assert_eq!(code(refused), "Forbidden.RAM");
}

#[test]
fn executions_are_denied_what_their_caller_may_not_do() {
    let yaml = crate::support::SMALL.replace(
        r#"allow: ["*:Describe*", "oos:List*", "oos:Get*"]"#,
        r#"allow: ["*:Describe*", "oos:*"]"#,
    );
    let mut cloud = crate::support::cloud(&yaml);
    let reader = Ask {
        by: "reader",
        ..Ask::default()
    };
    let start = |role: &str| {
        let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true", "OOSAssumeRole": role});
        json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string()})
    };
    // A role needs ram:PassRole.
    let denied = reader
        .call(
            &mut cloud,
            Service::Oos,
            "StartExecution",
            start("OOSServiceRole"),
        )
        .unwrap_err();
    assert_eq!(
        denied.access_denied_detail.unwrap()["AuthAction"],
        "ram:PassRole"
    );
    reader
        .call(&mut cloud, Service::Oos, "StartExecution", start(""))
        .unwrap();
    pass(&mut cloud, 60);
    let suspended = cloud
        .world
        .journal
        .since(0)
        .find(|e| e.action == "SuspendProcesses")
        .unwrap();
    assert!(suspended.by_oos);
    assert_eq!(
        (suspended.principal.as_str(), suspended.code.as_str()),
        ("reader", "Forbidden.RAM")
    );
    let list = reader
        .call(&mut cloud, Service::Oos, "ListExecutions", json!({}))
        .unwrap();
    assert_eq!(list["Executions"][0]["Status"], "Failed");
}

#[test]
fn executions_act_as_the_role_they_were_given() {
    let mut cloud = small("");
    let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true", "OOSAssumeRole": "OOSServiceRole"});
    crate::support::oos(
        &mut cloud,
        "StartExecution",
        json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string()}),
    )
    .unwrap();
    pass(&mut cloud, 600);
    let by_oos: Vec<&Entry> = cloud.world.journal.since(0).filter(|e| e.by_oos).collect();
    assert!(
        by_oos
            .iter()
            .all(|e| e.principal == "assumed-role/OOSServiceRole/oos")
    );
    assert!(
        by_oos
            .iter()
            .any(|e| e.action == "ResumeProcesses" && e.code == "OK")
    );
}

#[test]
fn errors_and_throttling_have_no_effect() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({"action": "EnterStandby", "count": 2, "effect": {"kind": "throttle", "retryAfterMillis": 1500}}),
    );
    for _ in 0..2 {
        let Outcome::Answered(Err(ApiError {
            code,
            retry_after_millis,
            status,
            ..
        })) = enter(&mut cloud, "i-small-01")
        else {
            panic!("throttling was expected");
        };
        assert_eq!(
            (status, code.as_str(), retry_after_millis),
            (400, "Throttling.User", Some(1500))
        );
    }
    assert_eq!(state(&mut cloud, "i-small-01"), "InService");
    ess(&mut cloud, "EnterStandby", standby("i-small-01")).unwrap();
}

#[test]
fn a_call_can_be_lost_on_the_way_there_or_back() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({"action": "EnterStandby", "effect": {"kind": "lostBefore"}}),
    );
    fault(
        &mut cloud,
        json!({"action": "EnterStandby", "nth": 2, "effect": {"kind": "answerLost"}}),
    );
    assert!(matches!(enter(&mut cloud, "i-small-01"), Outcome::Dropped));
    assert_eq!(state(&mut cloud, "i-small-01"), "InService");
    assert!(matches!(enter(&mut cloud, "i-small-01"), Outcome::Dropped));
    assert_eq!(state(&mut cloud, "i-small-01"), "Standby");
    let calls: Vec<_> = journal(&cloud)
        .into_iter()
        .filter(|e| e.action == "EnterStandby")
        .collect();
    assert_eq!(
        (calls[0].fault.as_deref(), calls[0].code.as_str()),
        (Some("lostBefore"), "ConnectionLost")
    );
    assert_eq!(
        (calls[1].fault.as_deref(), calls[1].code.as_str()),
        (Some("answerLost"), "OK")
    );
}

#[test]
fn an_effect_can_come_late() {
    let mut cloud = small("clockScale: 10");
    fault(
        &mut cloud,
        json!({"action": "EnterStandby", "effect": {"kind": "effectLate", "afterSeconds": 30}}),
    );
    fault(
        &mut cloud,
        json!({"action": "EnterStandby", "nth": 2, "effect": {"kind": "effectLate", "afterMillis": 6000}}),
    );
    let start = cloud.now();
    assert!(matches!(enter(&mut cloud, "i-small-01"), Outcome::Dropped));
    assert!(matches!(enter(&mut cloud, "i-small-02"), Outcome::Dropped));
    pass(&mut cloud, 29);
    assert_eq!(state(&mut cloud, "i-small-01"), "InService");
    pass(&mut cloud, 1);
    assert_eq!(state(&mut cloud, "i-small-01"), "Standby");
    // Six real seconds at ten virtual seconds each.
    assert_eq!(state(&mut cloud, "i-small-02"), "InService");
    pass(&mut cloud, 30);
    assert_eq!(state(&mut cloud, "i-small-02"), "Standby");
    let entry = journal(&cloud)[0].clone();
    assert_eq!(
        entry.effect_time,
        Some(start + SignedDuration::from_secs(30))
    );
    assert_eq!((entry.code.as_str(), entry.time), ("OK", start));
}

#[test]
fn an_answer_can_be_delayed() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({"effect": {"kind": "delay", "seconds": 5}}),
    );
    let due = cloud.now() + SignedDuration::from_secs(5);
    let Outcome::AnsweredAt(at, Ok(_)) = enter(&mut cloud, "i-small-01") else {
        panic!("a late answer was expected");
    };
    assert_eq!(at, due);
    assert_eq!(state(&mut cloud, "i-small-01"), "Standby");
}

#[test]
fn a_call_on_several_instances_can_fail_in_part() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({
            "action": "EnterStandby",
            "effect": {"kind": "partial", "instances": ["i-small-02"], "status": 400, "code": "BackendServer.configuring"},
        }),
    );
    let mut both = standby("i-small-01");
    both["InstanceIds.2"] = json!("i-small-02");
    assert_eq!(
        code(ess(&mut cloud, "EnterStandby", both)),
        "BackendServer.configuring"
    );
    assert_eq!(state(&mut cloud, "i-small-01"), "Standby");
    assert_eq!(state(&mut cloud, "i-small-02"), "InService");
}

#[test]
fn faults_choose_their_calls() {
    let mut cloud = small("");
    let error = json!({"kind": "error", "status": 500, "code": "InternalError"});
    fault(
        &mut cloud,
        json!({"service": "ESS", "action": "*Standby", "params": {"InstanceIds": "*-02"}, "principal": "adm*", "nth": 2, "count": 0, "effect": error}),
    );
    ess(&mut cloud, "EnterStandby", standby("i-small-01")).unwrap();
    ess(&mut cloud, "EnterStandby", standby("i-small-02")).unwrap();
    for _ in 0..3 {
        assert_eq!(
            code(ess(&mut cloud, "ExitStandby", standby("i-small-02"))),
            "InternalError"
        );
    }
    ess(&mut cloud, "ExitStandby", standby("i-small-01")).unwrap();
    cloud.world.faults.clear();
    ess(&mut cloud, "ExitStandby", standby("i-small-02")).unwrap();
}

#[test]
fn faults_can_be_for_executions_only() {
    let mut cloud = small("");
    fault(
        &mut cloud,
        json!({"action": "DescribeScalingInstances", "caller": "oos", "effect": {"kind": "error", "status": 500, "code": "InternalError"}}),
    );
    ess(&mut cloud, "DescribeScalingInstances", json!({})).unwrap();
    let parameters =
        json!({"invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true"});
    crate::support::oos(
        &mut cloud,
        "StartExecution",
        json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string()}),
    )
    .unwrap();
    pass(&mut cloud, 5);
    let hit = cloud
        .world
        .journal
        .since(0)
        .find(|e| e.fault.is_some())
        .unwrap();
    assert!(hit.by_oos);
}

#[test]
fn the_journal_keeps_no_secrets() {
    let mut cloud = small("");
    let params = json!({"OIDCToken": "very-secret", "RoleSessionName": "x"});
    Ask::default()
        .call(&mut cloud, Service::Sts, "AssumeRoleWithOIDC", params)
        .unwrap_err();
    let text = serde_json::to_string(&journal(&cloud)).unwrap();
    assert!(text.contains("OIDCToken") && !text.contains("very-secret"));
}

#[test]
fn oos_is_not_everywhere() {
    let yaml = crate::support::SMALL.replace("[cn-hangzhou]", "[cn-hangzhou, cn-far]");
    let mut cloud = crate::support::cloud(&format!("{yaml}\nregionsWithoutOos: [cn-far]"));
    let far = Ask {
        region: "cn-far",
        ..Ask::default()
    };
    let refused = far.call(&mut cloud, Service::Oos, "ListExecutions", json!({}));
    assert_eq!(code(refused), "ResourceNotAvailable");
}

#[test]
fn the_same_calls_give_the_same_answers() {
    let run = || {
        let mut cloud = small("");
        let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-small", "imageId": "m-2", "batchNumber": 2});
        crate::support::oos(
            &mut cloud,
            "StartExecution",
            json!({"TemplateName": "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup", "Parameters": parameters.to_string()}),
        )
        .unwrap();
        pass(&mut cloud, 3600);
        serde_json::to_string(&journal(&cloud)).unwrap()
    };
    let first = run();
    assert!(first.contains("ReplaceSystemDisk"));
    assert_eq!(first, run());
}

#[test]
fn a_role_must_exist_and_trust_oos() {
    let mut cloud = small("");
    let mut start = |role: &str| {
        let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true", "OOSAssumeRole": role});
        let params = json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string()});
        code(crate::support::oos(&mut cloud, "StartExecution", params))
    };
    assert_eq!(start("NoSuchRole"), "AssumeRoleNotExist");
    let yaml = crate::support::SMALL.replace("trustsOos: true", "trustsOos: false");
    let mut cloud = crate::support::cloud(&yaml);
    let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true", "OOSAssumeRole": "OOSServiceRole"});
    let params = json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string()});
    assert_eq!(
        code(crate::support::oos(&mut cloud, "StartExecution", params)),
        "NoPermission"
    );
}

#[test]
fn accounts_do_not_see_each_other() {
    let yaml = crate::support::SMALL.replace("name: reader", "name: reader\n    accountId: \"2\"");
    let mut cloud = crate::support::cloud(&yaml);
    let foreign = |cloud: &mut Cloud, service, action: &str| {
        let call = ess_emulator::state::call::Call {
            caller: ess_emulator::oos::Caller {
                principal: "reader".into(),
                account_id: "2".into(),
            },
            region: crate::support::REGION.into(),
            service,
            action: action.into(),
            version: ess_emulator::state::call::EssVersion::V2022,
            params: json!({"RegionId": crate::support::REGION})
                .as_object()
                .unwrap()
                .clone(),
            by_oos: false,
            wall_now: cloud.now(),
        };
        match cloud.call(call) {
            Outcome::Answered(Ok(answer)) => answer["TotalCount"].as_u64(),
            other => panic!("an answer was expected, not {other:?}"),
        }
    };
    let parameters =
        json!({"invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true"});
    let params = json!({"TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string()});
    crate::support::oos(&mut cloud, "StartExecution", params).unwrap();
    for (service, action) in [
        (Service::Ess, "DescribeScalingGroups"),
        (Service::Ess, "DescribeScalingInstances"),
        (Service::Ecs, "DescribeInstances"),
        (Service::Ecs, "DescribeImages"),
        (Service::Ecs, "DescribeSnapshots"),
        (Service::Eci, "DescribeContainerGroups"),
        (Service::Ess, "DescribeEciScalingConfigurations"),
        (Service::Oos, "ListExecutions"),
    ] {
        assert_eq!(foreign(&mut cloud, service, action), Some(0), "{action}");
    }
}
