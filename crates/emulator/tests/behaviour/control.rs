//! The control API.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::front::Request;
use serde_json::{Value, json};

use crate::support::{SMALL, cloud, control, ess, pass, small, status};

#[test]
fn the_clock_is_set_and_moved() {
    let mut cloud = small("");
    let (_, clock) = control(&mut cloud, "GET", "clock", Value::Null);
    assert_eq!(
        (clock["now"].as_str(), clock["scale"].as_f64()),
        (Some("2026-01-05T08:00:00Z"), Some(1.0))
    );
    control(&mut cloud, "POST", "instances/i-small-01/stop", Value::Null);
    let (_, clock) = control(
        &mut cloud,
        "POST",
        "clock",
        json!({"scale": 60, "paused": true, "advanceSeconds": 15}),
    );
    assert_eq!(clock["now"], "2026-01-05T08:00:15Z");
    assert_eq!(
        (clock["scale"].as_f64(), clock["paused"].as_bool()),
        (Some(60.0), Some(true))
    );
    assert_eq!(status(&mut cloud, "i-small-01"), "Stopped");
    for bad in [
        json!({"scale": -1}),
        json!({"advanceSeconds": -1}),
        json!({"speed": 2}),
        json!([]),
    ] {
        assert_eq!(control(&mut cloud, "POST", "clock", bad).0, 400);
    }
}

#[test]
fn the_journal_is_filtered() {
    let mut cloud = small("");
    ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    ess(
        &mut cloud,
        "SuspendProcesses",
        json!({"ScalingGroupId": "asg-none", "Processes.1": "ScaleIn"}),
    )
    .unwrap_err();
    let (_, all) = control(&mut cloud, "GET", "journal", Value::Null);
    assert_eq!(all["entries"].as_array().unwrap().len(), 2);
    let (_, none) = control(
        &mut cloud,
        "GET",
        &format!("journal?since={}", all["next"]),
        Value::Null,
    );
    assert_eq!(none["entries"], json!([]));
    let (_, one) = control(
        &mut cloud,
        "GET",
        "journal?action=suspendprocesses&byOos=false",
        Value::Null,
    );
    assert_eq!(one["entries"][0]["code"], "InvalidScalingGroupId.NotFound");
    assert_eq!(one["entries"][0]["params"]["Processes"], json!(["ScaleIn"]));
    assert_eq!(one["entries"].as_array().unwrap().len(), 1);
    for bad in [
        "since=x",
        "acton=EnterStandby",
        "service=EES",
        "byOos=maybe",
        "action=EnterStandbye",
        "action=",
        "action=*Standby",
        "service=",
        "service=ESS&action=RunInstances",
        "principal=nobody",
        "principal=",
        "principal=ad*",
        "code=",
        "code=Forbidden*",
        "code=no code",
        "byOos=",
        "since=",
        "action=EnterStandby&action=ExitStandby",
    ] {
        let (status, why) = control(&mut cloud, "GET", &format!("journal?{bad}"), Value::Null);
        assert_eq!(status, 400, "{bad}: {why}");
        let (name, _) = bad.split_once('=').unwrap();
        let named = why["error"].as_str().unwrap();
        let value = bad.rsplit_once('=').unwrap().1;
        assert!(
            named.contains(name) || !value.is_empty() && named.contains(value),
            "{bad}: {named}"
        );
    }
    // What is there and was not called is nothing, and so is what was called without being there.
    ess(&mut cloud, "DescribeEverything", json!({})).unwrap_err();
    for (fine, count) in [
        ("action=EnterStandby", 0),
        ("service=ecs&action=runinstances", 0),
        ("action=ACS::Notify", 0),
        ("action=DescribeEverything", 1),
        ("principal=ADMIN&code=OK", 1),
        ("principal=assumed-role/OOSServiceRole/x", 0),
        ("since=4294967295", 0),
    ] {
        let (status, found) = control(&mut cloud, "GET", &format!("journal?{fine}"), Value::Null);
        assert_eq!(status, 200, "{fine}: {found}");
        assert_eq!(found["entries"].as_array().unwrap().len(), count, "{fine}");
    }
}

#[test]
fn what_nothing_looks_at_is_refused_everywhere() {
    let mut cloud = small("");
    for (method, path) in [
        ("GET", "health?a=1"),
        ("GET", "clock?now=1"),
        ("POST", "clock?advanceSeconds=5"),
        ("GET", "faults?id=1"),
        ("POST", "faults?action=X"),
        ("DELETE", "faults?id=1"),
        ("GET", "actions?service=ESS"),
        ("GET", "switches?readLagSeconds=1"),
        ("PUT", "switches?readLagSeconds=1"),
        ("PUT", "principals/admin?deny=x"),
        ("PUT", "roles/OOSServiceRole?deny=x"),
        ("GET", "state?group=asg-small"),
        ("POST", "groups/asg-small/scaleOut?count=2"),
        ("POST", "groups/asg-small/scaleIn?count=2"),
        ("POST", "instances/i-small-01/vanish?after=5"),
        ("POST", "instances/i-small-01/stop?after=5"),
        ("POST", "events?product=ECS"),
        ("POST", "alarms?namespace=x"),
        ("PUT", "alarms/rule?state=OK"),
        ("GET", "backendHealth?instance=i-1"),
        ("POST", "backendHealth?instance=i-1"),
        ("DELETE", "backendHealth?instance=i-1"),
        ("POST", "calls?as=admin"),
    ] {
        let (status, why) = control(&mut cloud, method, path, Value::Null);
        let name = path.split(['?', '=']).nth(1).unwrap();
        assert_eq!(status, 400, "{method} {path}: {why}");
        assert!(why["error"].as_str().unwrap().contains(name), "{why}");
    }
    for (method, path) in [
        ("GET", "health"),
        ("GET", "clock"),
        ("GET", "journal"),
        ("GET", "faults"),
        ("DELETE", "faults"),
        ("DELETE", "faults/1"),
        ("GET", "actions"),
        ("GET", "switches"),
        ("GET", "state"),
        ("POST", "instances/i-small-01/vanish"),
        ("POST", "instances/i-small-01/stop"),
        ("GET", "backendHealth"),
        ("DELETE", "backendHealth"),
    ] {
        let (status, why) = control(&mut cloud, method, path, json!({"afterSeconds": 5}));
        assert_eq!(status, 400, "{method} {path}: {why}");
        assert!(
            why["error"].as_str().unwrap().contains("afterSeconds"),
            "{why}"
        );
    }
    assert_eq!(status(&mut cloud, "i-small-01"), "Running");
    // Nothing is said by it, and clients send it.
    let (stopped, _) = control(&mut cloud, "POST", "instances/i-small-01/stop", json!({}));
    assert_eq!(stopped, 200);
}

#[test]
fn what_a_body_says_twice_is_refused_by_its_name() {
    let mut cloud = small("");
    for (method, path, body, name) in [
        (
            "POST",
            "clock",
            r#"{"advanceSeconds": 1, "advanceSeconds": 2}"#,
            "advanceSeconds",
        ),
        (
            "POST",
            "events",
            r#"{"product": "ECS", "name": "n", "content": {"state": "a", "state": "b"}}"#,
            "state",
        ),
        (
            "POST",
            "calls",
            r#"{"as": "admin", "service": "ESS", "action": "DescribeScalingGroups", "params": {"PageSize": 1, "PageSize": 2}}"#,
            "PageSize",
        ),
        (
            "POST",
            "faults",
            r#"{"params": {"ScalingGroupId": "a", "ScalingGroupId": "b"}, "effect": {"kind": "deny"}}"#,
            "ScalingGroupId",
        ),
        (
            "PUT",
            "switches",
            r#"{"rates": {"ESS *": 1, "ESS *": 2}}"#,
            "ESS *",
        ),
        (
            "PUT",
            "switches",
            r#"{"rates": {"ESS *": 1, "ess *": 2}}"#,
            "ess *",
        ),
    ] {
        let request = Request {
            method: method.into(),
            path: format!("/_emulator/{path}"),
            body: body.into(),
            ..Request::default()
        };
        let now = cloud.now();
        let answer = ess_emulator::control::handle(&mut cloud, &request, now);
        let why = String::from_utf8(answer.body).unwrap();
        assert_eq!(answer.status, 400, "{body}: {why}");
        assert!(why.contains(name), "{body}: {why}");
        assert_eq!(cloud.now(), now);
    }
}

#[test]
fn what_would_change_nothing_is_refused() {
    let mut cloud = small("");
    let fault = |more: Value| {
        let mut fault = json!({"effect": {"kind": "deny"}});
        fault
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        fault
    };
    let effect = |effect: Value| json!({"effect": effect});
    for (path, body, part) in [
        ("groups/asg-small/scaleOut", json!({"count": 0}), "count"),
        ("groups/asg-small/scaleIn", json!({"count": 0}), "count"),
        (
            "backendHealth",
            json!({"instance": "i-none", "status": "abnormal"}),
            "i-none",
        ),
        (
            "backendHealth",
            json!({"loadBalancer": "lb-none", "status": "abnormal"}),
            "lb-none",
        ),
        (
            "backendHealth",
            json!({"serverGroup": "sgp-none", "status": "abnormal"}),
            "sgp-none",
        ),
        (
            "backendHealth",
            json!({"afterSeconds": 1e300, "status": "abnormal"}),
            "afterSeconds",
        ),
        (
            "backendHealth",
            json!({"forSeconds": 1e300, "status": "abnormal"}),
            "forSeconds",
        ),
        (
            "faults",
            fault(json!({"afterSeconds": 1e9})),
            "afterSeconds",
        ),
        ("faults", fault(json!({"forSeconds": 1e300})), "forSeconds"),
        ("faults", fault(json!({"id": 7})), "id"),
        ("faults", fault(json!({"seen": 7})), "seen"),
        (
            "faults",
            fault(json!({"params": {"ExecutionId": "$executionId"}})),
            "$executionId",
        ),
        (
            "faults",
            effect(json!({"kind": "delay", "seconds": 0})),
            "seconds",
        ),
        (
            "faults",
            effect(json!({"kind": "delay", "seconds": 1e300})),
            "effect.seconds",
        ),
        (
            "faults",
            effect(json!({"kind": "delay", "seconds": 1, "millis": 1})),
            "millis",
        ),
        (
            "faults",
            effect(json!({"kind": "delay", "millis": u64::MAX})),
            "effect.millis",
        ),
        (
            "faults",
            effect(json!({"kind": "effectLate", "afterSeconds": 1, "afterMillis": 1})),
            "afterMillis",
        ),
        (
            "faults",
            effect(json!({"kind": "effectLate", "afterMillis": u64::MAX})),
            "afterMillis",
        ),
        (
            "faults",
            effect(json!({"kind": "throttle", "retryAfterMillis": u64::MAX})),
            "retryAfterMillis",
        ),
        (
            "faults",
            json!({"caller": "oos", "effect": {"kind": "delay", "seconds": 5}}),
            "oos",
        ),
        (
            "faults",
            json!({"action": "EnterStandby", "effect": {"kind": "omit"}}),
            "EnterStandby",
        ),
        (
            "faults",
            json!({"action": "GetTemplate", "effect": {"kind": "omit"}}),
            "GetTemplate",
        ),
        (
            "faults",
            json!({"action": "DescribeInstances", "effect": {"kind": "partial", "instances": ["i-1"], "status": 400, "code": "X"}}),
            "DescribeInstances",
        ),
        (
            "faults",
            json!({"action": "SuspendProcesses", "effect": {"kind": "partial", "instances": ["i-1"], "status": 400, "code": "X"}}),
            "SuspendProcesses",
        ),
        (
            "faults",
            json!({"effect": {"kind": "partial", "instances": ["i-none"], "status": 400, "code": "X"}}),
            "i-none",
        ),
        (
            "faults",
            effect(json!({"kind": "elsewhere", "region": "cn-hangzhou"})),
            "elsewhere",
        ),
        (
            "faults",
            effect(json!({"kind": "elsewhere", "accountId": "1000000000000001"})),
            "elsewhere",
        ),
    ] {
        let (status, why) = control(&mut cloud, "POST", path, body.clone());
        assert_eq!(status, 400, "{path} {body}: {why}");
        let why = why["error"].as_str().unwrap();
        assert!(why.contains(part), "{path} {body}: {why}");
    }
    for body in [
        json!({"action": "Describe*", "effect": {"kind": "omit"}}),
        json!({"service": "ESS", "action": "EnterStandby", "effect": {"kind": "partial", "instances": ["i-small-01"], "status": 400, "code": "X"}}),
        json!({"service": "ECS", "action": "TagResources", "effect": {"kind": "partial", "instances": ["i-*"], "status": 400, "code": "X"}}),
        json!({"effect": {"kind": "elsewhere", "accountId": "2"}}),
    ] {
        let (status, why) = control(&mut cloud, "POST", "faults", body.clone());
        assert_eq!(status, 201, "{body}: {why}");
    }
    let (status, why) = control(
        &mut cloud,
        "PUT",
        "switches",
        json!({"readLagSeconds": 1e300}),
    );
    assert_eq!(status, 400, "{why}");
}

#[test]
fn actions_that_nobody_asks_for_are_no_policy() {
    let mut cloud = small("");
    for (action, part) in [
        ("ess:EnterStandbye", "EnterStandbye"),
        ("ess:Standby*", "Standby*"),
        ("oos:ExitStandby", "OOS"),
        ("DescribeInstances", "DescribeInstances"),
        ("ess", "ess"),
        ("", "\"\""),
        ("e?s:Describe", "e?s"),
        ("ess:", "ESS"),
    ] {
        for path in ["principals/admin", "roles/OOSServiceRole"] {
            for list in ["allow", "deny"] {
                let (status, why) = control(&mut cloud, "PUT", path, json!({list: [action]}));
                assert_eq!(status, 400, "{path} {action}: {why}");
                let why = why["error"].as_str().unwrap();
                assert!(why.contains(part) && why.contains(list), "{why}");
            }
        }
        let yaml = SMALL.replace("allow: [\"*\"]", &format!("allow: [{action:?}]"));
        assert_ne!(yaml, SMALL);
        let refused = Fixture::parse(&yaml).and_then(|fixture| Cloud::new(&fixture));
        let why = refused.unwrap_err().to_string();
        assert!(why.contains(part) || why.contains("allow"), "{why}");
    }
    for fine in [
        "*",
        "ess:*",
        "*:Describe*",
        "ECS:describeinstances",
        "ram:PassRole",
        "rds:Describe*",
    ] {
        let (status, why) = control(
            &mut cloud,
            "PUT",
            "principals/admin",
            json!({"allow": [fine]}),
        );
        assert_eq!(status, 200, "{fine}: {why}");
    }
}

#[test]
fn faults_come_and_go() {
    let mut cloud = small("");
    let fault = json!({"action": "DescribeScalingGroups", "count": 0, "effect": {"kind": "error", "status": 503, "code": "ServiceUnavailable"}});
    let (status, made) = control(&mut cloud, "POST", "faults", fault);
    assert_eq!(status, 201);
    ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap_err();
    let (_, list) = control(&mut cloud, "GET", "faults", Value::Null);
    assert_eq!(list["faults"][0]["seen"], 1);
    let path = format!("faults/{}", made["id"]);
    assert_eq!(control(&mut cloud, "DELETE", &path, Value::Null).0, 200);
    assert_eq!(control(&mut cloud, "DELETE", &path, Value::Null).0, 404);
    ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    for bad in [
        json!({"effect": {"kind": "explode"}}),
        json!({"effect": {"kind": "answerLost"}, "nth": 0}),
        json!({"effect": {"kind": "omit"}, "afterSeconds": -1}),
        json!({"actions": "x", "effect": {"kind": "answerLost"}}),
    ] {
        assert_eq!(control(&mut cloud, "POST", "faults", bad).0, 400);
    }
}

#[test]
fn a_fault_that_can_never_hit_is_refused_with_what_is_wrong() {
    let mut cloud = small("");
    let lost = json!({"kind": "answerLost"});
    for (fault, part) in [
        (
            json!({"service": "FOO", "action": "X", "effect": lost}),
            "FOO",
        ),
        (
            json!({"action": "DescribeInstancez", "effect": lost}),
            "DescribeInstancez",
        ),
        (
            json!({"service": "ESS", "action": "RunInstances", "effect": lost}),
            "RunInstances",
        ),
        (json!({"principal": "nobody", "effect": lost}), "nobody"),
        (
            json!({"effect": {"kind": "error", "status": 7, "code": "X"}}),
            "status 7",
        ),
        (
            json!({"effect": {"kind": "partial", "instances": ["i-1"], "status": 600, "code": "X"}}),
            "status 600",
        ),
    ] {
        let (status, answer) = control(&mut cloud, "POST", "faults", fault.clone());
        assert_eq!(status, 400, "{fault}");
        let why = answer["error"].as_str().unwrap();
        assert!(why.contains(part), "{part} is not in {why}");
        let file = format!("{SMALL}\nfaults: [{fault}]\n");
        let refused = Cloud::new(&Fixture::parse(&file).unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(part) && refused.contains("faults[0]"),
            "{refused}"
        );
    }
    for fault in [
        json!({"service": "e*", "action": "Describe*", "effect": lost}),
        // Not emulated, and called all the same.
        json!({"service": "ess", "action": "CreateScheduledTask", "effect": lost}),
        json!({"principal": "assumed-role/OOSServiceRole/*", "effect": lost}),
        json!({"principal": "assumed*", "caller": "any", "effect": lost}),
        json!({"principal": "ADMIN", "effect": lost}),
    ] {
        let (status, answer) = control(&mut cloud, "POST", "faults", fault.clone());
        assert_eq!(status, 201, "{fault} {answer}");
    }
}

#[test]
fn an_event_that_can_never_come_is_refused_with_what_is_wrong() {
    let call = |service: &str, action: &str, by: &str| json!({"atSeconds": 1, "do": {"call": {"service": service, "action": action, "as": by}}});
    for (event, part) in [
        (call("ESS", "DisableScalingGroup", "nobody"), "nobody"),
        (call("FOO", "DisableScalingGroup", "admin"), "FOO"),
        (
            call("ESS", "DisableScalingGroups", "admin"),
            "DisableScalingGroups",
        ),
        (
            json!({"when": {"call": {"service": "ESS", "action": "Nothing"}}, "do": {"stop": {"instanceId": "i-1"}}}),
            "Nothing",
        ),
        (
            json!({"when": {"execution": {"status": "Suceeded"}}, "do": {"stop": {"instanceId": "i-1"}}}),
            "Suceeded",
        ),
        (
            json!({"atSeconds": 1, "do": {"stop": {"instanceId": "i-no"}}}),
            "i-no",
        ),
        (
            json!({"atSeconds": 1, "do": {"scaleOut": {"scalingGroupId": "asg-no"}}}),
            "asg-no",
        ),
        (
            json!({"atSeconds": 1, "do": {"fault": {"action": "Nothing", "effect": {"kind": "deny"}}}}),
            "Nothing",
        ),
    ] {
        let file = format!("{SMALL}\nevents: [{event}]\n");
        let refused = Cloud::new(&Fixture::parse(&file).unwrap())
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains(part) && refused.contains("events[0]"),
            "{refused}"
        );
    }
    small(&format!(
        "events: [{}]",
        call("ess", "disableScalingGroup", "admin")
    ));
}

#[test]
fn a_clock_that_no_scene_can_have_is_refused_and_nothing_is_changed() {
    let mut cloud = small("");
    let before = control(&mut cloud, "GET", "clock", Value::Null).1;
    for change in [
        json!({"scale": 1e308}),
        json!({"scale": -1.0, "paused": true}),
        json!({"advanceSeconds": 1e18}),
        json!({"advanceSeconds": -1.0, "scale": 5.0}),
        json!({"advanceSeconds": 367.0 * 86_400.0, "paused": true}),
    ] {
        let (status, answer) = control(&mut cloud, "POST", "clock", change.clone());
        assert_eq!(status, 400, "{change}");
        assert!(
            answer["error"].as_str().unwrap().contains("must be"),
            "{answer}"
        );
        assert_eq!(control(&mut cloud, "GET", "clock", Value::Null).1, before);
    }
    for days in [300.0, 66.0] {
        let change = json!({"advanceSeconds": days * 86_400.0});
        assert_eq!(control(&mut cloud, "POST", "clock", change).0, 200);
    }
    let (status, _) = control(&mut cloud, "POST", "clock", json!({"advanceSeconds": 1.0}));
    assert_eq!(status, 400, "a year is over");
    let refused = Fixture::parse("clockScale: 1.0e+300").unwrap();
    assert!(
        Cloud::new(&refused)
            .unwrap_err()
            .to_string()
            .contains("clockScale")
    );
}

#[test]
fn switches_are_read_and_written() {
    let mut cloud = small("");
    let (_, mut switches) = control(&mut cloud, "GET", "switches", Value::Null);
    assert_eq!(switches["readLagSeconds"], 0.0);
    switches["readLagSeconds"] = json!(7.0);
    assert_eq!(
        control(&mut cloud, "PUT", "switches", switches.clone()).1,
        switches
    );
    assert_eq!(
        control(&mut cloud, "PUT", "switches", json!({"nonsense": 1})).0,
        400
    );
}

#[test]
fn switches_that_nobody_can_mean_are_refused_and_change_nothing() {
    let mut cloud = small("");
    let before = control(&mut cloud, "GET", "switches", Value::Null);
    for (switches, part) in [
        (json!({"readLagSeconds": -1.0}), "readLagSeconds"),
        (json!({"rates": {"OOS ListExecution": 1}}), "ListExecution"),
    ] {
        let (status, answer) = control(&mut cloud, "PUT", "switches", switches);
        assert_eq!(status, 400);
        assert!(answer["error"].as_str().unwrap().contains(part), "{answer}");
    }
    assert_eq!(control(&mut cloud, "GET", "switches", Value::Null), before);
}

#[test]
fn somebody_else_can_call() {
    let mut cloud = small("");
    let ask = json!({"as": "reader", "service": "ess", "action": "SuspendProcesses", "params": {"ScalingGroupId": "asg-small", "Processes.1": "ScaleIn"}});
    let (status, answer) = control(&mut cloud, "POST", "calls", ask.clone());
    assert_eq!(
        (
            status,
            answer["status"].as_u64(),
            answer["body"]["Code"].as_str()
        ),
        (200, Some(403), Some("Forbidden.RAM"))
    );
    let mut allowed = ask;
    allowed["as"] = json!("admin");
    assert_eq!(
        control(&mut cloud, "POST", "calls", allowed.clone()).1["status"],
        200
    );
    let (_, state) = control(&mut cloud, "GET", "state", Value::Null);
    assert_eq!(
        state["scalingGroups"][0]["suspendedProcesses"],
        json!(["ScaleIn"])
    );
    allowed["as"] = json!("nobody");
    assert_eq!(control(&mut cloud, "POST", "calls", allowed).0, 404);
}

/// As over the wire, where `RegionId` says more than the endpoint, and a version is of one service.
#[test]
fn calls_go_to_the_region_and_the_version_that_they_name() {
    let mut cloud = cloud(&SMALL.replace(
        "regions: [cn-hangzhou]",
        "regions: [cn-hangzhou, cn-beijing]",
    ));
    let mut groups = |more: Value| {
        let mut ask = json!({"as": "admin", "service": "ESS", "action": "DescribeScalingGroups"});
        let more = more.as_object().unwrap().clone();
        ask.as_object_mut().unwrap().extend(more);
        control(&mut cloud, "POST", "calls", ask).1
    };
    for (more, count) in [
        (json!({"params": {"RegionId": "cn-hangzhou"}}), 1),
        (json!({"params": {"RegionId": "cn-beijing"}}), 0),
        (
            json!({"region": "cn-hangzhou", "params": {"RegionId": "cn-beijing"}}),
            0,
        ),
        (
            json!({"region": "cn-beijing", "params": {"RegionId": "cn-hangzhou"}, "version": "2022-02-22"}),
            1,
        ),
    ] {
        let answer = groups(more.clone());
        assert_eq!(answer["body"]["TotalCount"], count, "{more}: {answer}");
    }
    for (more, status, code) in [
        (
            json!({"params": {"RegionId": "cn-nowhere"}}),
            404,
            "InvalidRegionId.NotFound",
        ),
        (
            json!({"params": {"RegionId": "cn-hangzhou"}, "version": "2022-02-23"}),
            400,
            "NoSuchVersion",
        ),
        (
            json!({"params": {"RegionId": "cn-hangzhou"}, "version": "2014-05-26"}),
            404,
            "InvalidVersion",
        ),
    ] {
        let answer = groups(more.clone());
        assert_eq!(answer["status"], status, "{more}: {answer}");
        assert_eq!(answer["body"]["Code"], code, "{more}");
    }
    // What is refused before it is a call is in the journal all the same.
    let (_, journal) = control(&mut cloud, "GET", "journal?code=NoSuchVersion", Value::Null);
    let entries = journal["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 1, "{journal}");
    assert_eq!(entries[0]["action"], "DescribeScalingGroups");
}

#[test]
fn unknown_paths_and_things_are_not_found() {
    let mut cloud = small("");
    assert_eq!(control(&mut cloud, "GET", "health", Value::Null).0, 200);
    for (method, path) in [
        ("GET", "nothing"),
        ("POST", "health"),
        ("POST", "groups/asg-none/scaleOut"),
        ("POST", "instances/i-none/vanish"),
    ] {
        assert_eq!(
            control(&mut cloud, method, path, Value::Null).0,
            404,
            "{path}"
        );
    }
    pass(&mut cloud, 1);
}

#[test]
fn a_principal_can_be_granted_and_denied_actions_while_it_runs() {
    let mut cloud = small("");
    let name = cloud.world.ram.principals.keys().next().unwrap().clone();
    let path = format!("principals/{name}");
    let deny = json!({"allow": ["*"], "deny": ["ess:Describe*"]});
    assert_eq!(control(&mut cloud, "PUT", &path, deny).0, 200);
    let refused = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap_err();
    assert_eq!(refused.code, "Forbidden.RAM");
    control(&mut cloud, "PUT", &path, json!({"allow": ["*"]}));
    ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    let nobody = control(&mut cloud, "PUT", "principals/nobody", json!({}));
    assert_eq!(nobody.0, 404);
    let typo = control(&mut cloud, "PUT", &path, json!({"alow": []}));
    assert_eq!(typo.0, 400);
}

#[test]
fn an_object_is_nothing_else() {
    let mut cloud = small("");
    for (method, path, body) in [
        ("POST", "clock", json!([2, true, 5])),
        ("PUT", "switches", json!([])),
        ("PUT", "switches", json!({"oos": []})),
        ("PUT", "principals/admin", json!([["*"], []])),
        ("PUT", "alarms/x", json!(["OK"])),
        ("POST", "faults", json!([])),
        ("POST", "faults", json!({"effect": ["deny"]})),
        ("POST", "faults", json!({"effect": "deny"})),
        ("POST", "groups/asg-small/scaleOut", json!([1])),
        ("POST", "backendHealth", json!(["i-small-01"])),
        ("POST", "calls", json!(["admin", "ESS", "DescribeRegions"])),
        ("POST", "events", json!([])),
        ("POST", "clock", Value::Bool(true)),
    ] {
        let (status, why) = control(&mut cloud, method, path, body.clone());
        assert_eq!(status, 400, "{method} {path} {body}: {why}");
        let why = why["error"].as_str().unwrap();
        assert!(why.contains("object"), "{body}: {why}");
    }
}

#[test]
fn an_effect_has_no_key_that_nothing_looks_at() {
    let mut cloud = small("");
    for kind in ["deny", "lostBefore", "answerLost"] {
        let ask = json!({"effect": {"kind": kind, "code": "Foo"}});
        let (status, why) = control(&mut cloud, "POST", "faults", ask);
        assert_eq!(status, 400, "{kind}");
        assert!(why["error"].as_str().unwrap().contains("code"), "{why}");
        let yaml = format!("{SMALL}\nfaults: [{{effect: {{kind: {kind}, message: x}}}}]");
        let why = Fixture::parse(&yaml).unwrap_err().to_string();
        assert!(why.contains("message"), "{why}");
        let ask = json!({"effect": {"kind": kind}});
        assert_eq!(control(&mut cloud, "POST", "faults", ask).0, 201, "{kind}");
        let (_, listed) = control(&mut cloud, "GET", "faults", Value::Null);
        let last = listed["faults"].as_array().unwrap().last().unwrap();
        assert_eq!(last["effect"], json!({"kind": kind}));
    }
}
