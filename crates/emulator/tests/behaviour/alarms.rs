//! Rules of CloudMonitor and alarms of ESS: states over time, and what they set off.

use ess_emulator::cloud::Cloud;
use ess_emulator::error::ApiError;
use ess_emulator::state::call::Service;
use serde_json::{Value, json};

use crate::support::{
    Ask, SMALL, children, code, control, ess, ess_2014, execution, oos, pass, start,
};

const ALARMS: &str = r#"
metricRules:
  - {ruleId: rule-cpu, ruleName: web cpu, groupId: "7301", state: OK, states: [{afterSeconds: 60, state: ALARM}, {afterSeconds: 120, state: OK}]}
  - {ruleId: rule-errors, ruleName: web errors, namespace: acs_slb_dashboard, metricName: UpstreamCode5xx, state: INSUFFICIENT_DATA}
  - {ruleId: rule-off, ruleName: old, enabled: false, groupId: "7301"}
  - {ruleId: rule-one, ruleName: one, instances: [i-small-02]}
  - {ruleId: rule-far, accountId: "2"}
alarms:
  - {alarmTaskId: asg-alarm-1, name: busy, scalingGroupId: asg-small, condition: {threshold: 90}}
"#;

fn scene(more: &str) -> Cloud {
    let line = "    instances: {count: 3}";
    let yaml = SMALL.replace(line, &format!("{line}\n    monitorGroupId: \"7301\""));
    crate::support::cloud(&format!("{yaml}\n{ALARMS}\n{more}"))
}

fn cms(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Cms, action, params)
}

fn states(cloud: &mut Cloud, params: Value) -> Vec<(String, String)> {
    let answer = cms(cloud, "DescribeMetricRuleList", params).unwrap();
    assert_eq!(answer["Success"], true);
    let rows = answer["Alarms"]["Alarm"].as_array().unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    rows.iter()
        .map(|r| (text(&r["RuleId"]), text(&r["AlertState"])))
        .collect()
}

fn pair(id: &str, state: &str) -> (String, String) {
    (id.into(), state.into())
}

#[test]
fn rules_are_found_by_id_group_and_state() {
    let mut cloud = scene("");
    let by_ids = json!({"RuleIds": "rule-errors,rule-none,rule-cpu,rule-far"});
    assert_eq!(
        states(&mut cloud, by_ids),
        [
            pair("rule-cpu", "OK"),
            pair("rule-errors", "INSUFFICIENT_DATA")
        ]
    );
    let of_group = json!({"GroupId": "7301", "EnableState": true});
    assert_eq!(states(&mut cloud, of_group), [pair("rule-cpu", "OK")]);
    let by_name = json!({"RuleName": "web", "Namespace": "acs_slb_dashboard"});
    assert_eq!(states(&mut cloud, by_name).len(), 1);
    let none = json!({"AlertState": "ALARM"});
    assert_eq!(states(&mut cloud, none.clone()), []);
    pass(&mut cloud, 60);
    assert_eq!(states(&mut cloud, none), [pair("rule-cpu", "ALARM")]);
    pass(&mut cloud, 60);
    let all = cms(&mut cloud, "DescribeMetricRuleList", json!({"PageSize": 2})).unwrap();
    assert_eq!(all["Total"], "4");
    assert_eq!(all["Alarms"]["Alarm"].as_array().unwrap().len(), 2);
    assert_eq!(all["Alarms"]["Alarm"][0]["AlertState"], "OK");
    let second = json!({"PageSize": 2, "Page": 2});
    assert_eq!(states(&mut cloud, second).len(), 2);
    let ids: Vec<String> = (0..21).map(|n| format!("rule-{n}")).collect();
    let many = json!({"RuleIds": ids.join(",")});
    let refused = cms(&mut cloud, "DescribeMetricRuleList", many);
    assert_eq!(code(refused), "InvalidParameter");
    let wrong = json!({"AlertState": "alarm"});
    let refused = cms(&mut cloud, "DescribeMetricRuleList", wrong);
    assert_eq!(code(refused), "InvalidParameter");
}

#[test]
fn an_alarm_that_came_and_went_is_in_the_history() {
    let mut cloud = scene("");
    let start = cloud.now();
    pass(&mut cloud, 130);
    let log = |cloud: &mut Cloud, more: Value| -> Vec<(String, String, i64)> {
        let mut ask = json!({"GroupId": "7301"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = cms(cloud, "DescribeAlertLogList", ask).unwrap();
        let rows = answer["AlertLogList"].as_array().unwrap();
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let after = |v: &Value| {
            let at: i64 = v.as_str().unwrap().parse().unwrap();
            (at - start.as_millisecond()) / 1000
        };
        rows.iter()
            .map(|r| {
                (
                    text(&r["RuleId"]),
                    text(&r["LevelChange"]),
                    after(&r["AlertTime"]),
                )
            })
            .collect()
    };
    let off = ("rule-cpu".to_owned(), "OK->P2".to_owned(), 60);
    let over = ("rule-cpu".to_owned(), "P2->OK".to_owned(), 120);
    assert_eq!(log(&mut cloud, json!({})), [over.clone(), off.clone()]);
    assert_eq!(
        log(&mut cloud, json!({"EventType": "TRIGGERED"})),
        std::slice::from_ref(&off)
    );
    assert_eq!(
        log(&mut cloud, json!({"PageSize": 1, "PageNumber": 2})),
        [off]
    );
    let since = (start.as_millisecond() + 61_000).to_string();
    assert_eq!(log(&mut cloud, json!({"StartTime": since})), [over]);
    // By itself a call sees a quarter of an hour.
    pass(&mut cloud, 1000);
    assert_eq!(log(&mut cloud, json!({})), []);
    for bad in [
        json!({"StartTime": "0"}),
        json!({"StartTime": "99999999999999999"}),
        json!({"EndTime": "1"}),
        json!({"EventType": "GONE"}),
    ] {
        let refused = cms(&mut cloud, "DescribeAlertLogList", bad.clone());
        let acceptable = bad.get("EndTime").is_some();
        assert_eq!(refused.is_ok(), acceptable, "{bad}");
    }
}

#[test]
fn what_is_in_alarm_is_shown_resource_by_resource() {
    let mut cloud = scene("");
    let alerting = |cloud: &mut Cloud, ask: Value| -> Vec<String> {
        let answer = cms(cloud, "DescribeAlertingMetricRuleResources", ask).unwrap();
        let rows = answer["Resources"]["Resource"].as_array().unwrap();
        let resource = |r: &Value| r["Resource"].as_str().unwrap().to_owned();
        rows.iter().map(resource).collect()
    };
    assert_eq!(alerting(&mut cloud, json!({})), Vec::<String>::new());
    pass(&mut cloud, 60);
    let of_group = alerting(&mut cloud, json!({"GroupId": "7301", "PageSize": 2}));
    let member = |n: u32| format!("userId=1000000000000001,instanceId=i-small-0{n}");
    assert_eq!(of_group, [member(1), member(2)]);
    for id in ["rule-errors", "rule-one"] {
        control(
            &mut cloud,
            "PUT",
            &format!("alarms/{id}"),
            json!({"state": "ALARM"}),
        );
    }
    let of_account = alerting(&mut cloud, json!({"RuleId": "rule-errors"}));
    assert_eq!(of_account, ["userId=1000000000000001"]);
    assert_eq!(
        alerting(&mut cloud, json!({"RuleId": "rule-one"})),
        [member(2)]
    );
    let all = alerting(&mut cloud, json!({}));
    assert_eq!(all.len(), 5);
}

#[test]
fn a_scaling_group_has_its_application_group() {
    let mut cloud = scene("");
    let groups = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(groups["ScalingGroups"][0]["MonitorGroupId"], "7301");
    let found = cms(
        &mut cloud,
        "DescribeMonitorGroups",
        json!({"GroupId": "7301"}),
    )
    .unwrap();
    assert_eq!(found["Resources"]["Resource"][0]["GroupId"], 7301);
    let ask = json!({"GroupId": "7301", "PageSize": 2, "PageNumber": 2});
    let found = cms(&mut cloud, "DescribeMonitorGroupInstances", ask).unwrap();
    assert_eq!(found["Total"], 3);
    let row = &found["Resources"]["Resource"][0];
    assert_eq!(
        (&row["InstanceId"], &row["Id"]),
        (&json!("i-small-03"), &json!(3))
    );
    let none = cms(
        &mut cloud,
        "DescribeMonitorGroupInstances",
        json!({"GroupId": "1"}),
    );
    assert_eq!(code(none), "InvalidParameter");
}

#[test]
fn alarms_of_ess_have_both_shapes_and_are_switched() {
    let mut cloud = scene("");
    let ask = json!({"ScalingGroupId": "asg-small", "State": "OK"});
    let found = ess(&mut cloud, "DescribeAlarms", ask).unwrap();
    let alarm = &found["AlarmList"][0];
    assert_eq!(alarm["AlarmTaskId"], "asg-alarm-1");
    assert_eq!(
        (&alarm["Enable"], &alarm["Threshold"]),
        (&json!(true), &json!(90.0))
    );
    let old = ess_2014(&mut cloud, "DescribeAlarms", json!({})).unwrap();
    assert_eq!(old["AlarmList"]["Alarm"][0]["Name"], "busy");
    let one = json!({"AlarmTaskId": "asg-alarm-1"});
    ess(&mut cloud, "DisableAlarm", one.clone()).unwrap();
    let found = ess(&mut cloud, "DescribeAlarms", json!({"IsEnable": true})).unwrap();
    assert_eq!(found["TotalCount"], 0);
    ess(&mut cloud, "EnableAlarm", one).unwrap();
    let none = ess(&mut cloud, "EnableAlarm", json!({"AlarmTaskId": "none"}));
    assert_eq!(code(none), "InvalidAlarmTaskId.NotFound");
}

#[test]
fn an_alarm_goes_off_while_an_execution_is_at_a_pause() {
    let mut cloud = scene(
        "events:
  - when: {execution: {status: Waiting, nth: 1}}
    delaySeconds: 45
    do: {alarmState: {id: rule-errors, state: ALARM}}",
    );
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true", "batchNumber": 3,
        "batchPauseOption": "FirstBatchPause",
    });
    let template = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";
    let id = start(&mut cloud, "Automatic", template, &parameters);
    let mut waited = 0;
    let ask = json!({"RuleIds": "rule-errors"});
    for _ in 0..600 {
        pass(&mut cloud, 1);
        let waits = execution(&mut cloud, &id)["Status"] == "Waiting";
        let state = states(&mut cloud, ask.clone())[0].1.clone();
        if waits {
            waited += 1;
        }
        if state == "ALARM" {
            assert!(waits);
            break;
        }
        assert_eq!(state, "INSUFFICIENT_DATA");
    }
    assert!((44..=46).contains(&waited), "{waited}");
    let found = cms(&mut cloud, "DescribeMetricRuleList", ask).unwrap();
    let updated = found["Alarms"]["Alarm"][0]["GmtUpdate"].as_str().unwrap();
    assert_eq!(updated, cloud.now().as_millisecond().to_string());
}

#[test]
fn what_goes_off_starts_executions_that_wait_for_it() {
    let mut cloud = scene("");
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "trigger", "Action": "ACS::AlarmTrigger", "Properties": {
            "Namespace": "acs_slb_dashboard", "MetricName": "UpstreamCode5xx"},
         "Outputs": {"rule": {"ValueSelector": ".ruleId", "Type": "String"}}},
        {"Name": "sleep", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}},
    ], "Outputs": {"rule": {"Type": "String", "Value": "{{ trigger.rule }}"}}});
    let ask = json!({"TemplateContent": template.to_string()});
    let answer = oos(&mut cloud, "StartExecution", ask).unwrap();
    let id = answer["Execution"]["ExecutionId"]
        .as_str()
        .unwrap()
        .to_owned();
    pass(&mut cloud, 5);
    let set = |cloud: &mut Cloud, id: &str, state: &str| {
        let path = format!("alarms/{id}");
        control(cloud, "PUT", &path, json!({"state": state}))
    };
    // Another metric.
    assert_eq!(
        set(&mut cloud, "rule-cpu", "ALARM"),
        (200, json!({"started": 0}))
    );
    assert_eq!(
        set(&mut cloud, "rule-errors", "ALARM"),
        (200, json!({"started": 1}))
    );
    pass(&mut cloud, 5);
    assert_eq!(children(&mut cloud, &id).len(), 1);
    // It is in ALARM already, and disabled rules tell nobody.
    assert_eq!(set(&mut cloud, "rule-errors", "ALARM").1["started"], 0);
    let one = json!({"RuleId.1": "rule-errors"});
    cms(&mut cloud, "DisableMetricRules", one.clone()).unwrap();
    set(&mut cloud, "rule-errors", "OK");
    assert_eq!(set(&mut cloud, "rule-errors", "ALARM").1["started"], 0);
    cms(&mut cloud, "EnableMetricRules", one).unwrap();
    set(&mut cloud, "rule-errors", "OK");
    assert_eq!(set(&mut cloud, "rule-errors", "ALARM").1["started"], 1);
    let (status, why) = set(&mut cloud, "rule-none", "OK");
    assert_eq!(status, 404);
    assert!(why["error"].as_str().unwrap().contains("rule-none"));
    assert_eq!(set(&mut cloud, "rule-errors", "RED").0, 400);
}

#[test]
fn thousands_of_rules_change_at_one_instant() {
    use std::fmt::Write as _;
    let mut rules = String::from("metricRules:\n");
    for n in 0..5000 {
        let _ = writeln!(
            rules,
            "  - {{ruleId: rule-{n:04}, states: [{{afterSeconds: 10, state: ALARM}}]}}"
        );
    }
    let mut cloud = crate::support::small(&rules);
    pass(&mut cloud, 10);
    let ask = json!({"AlertState": "ALARM", "PageSize": 100, "Page": 50});
    let found = cms(&mut cloud, "DescribeMetricRuleList", ask).unwrap();
    assert_eq!(found["Total"], "5000");
    assert_eq!(found["Alarms"]["Alarm"][99]["RuleId"], "rule-4999");
}

#[test]
fn mistakes_in_alarms_are_named() {
    for (more, want) in [
        ("metricRules: [{ruleId: r, state: RED}]", "RED"),
        ("metricRules: [{ruleId: r, level: High}]", "level"),
        ("metricRules: [{ruleId: r}, {ruleId: r}]", "twice"),
        (
            "metricRules: [{ruleId: r, states: [{afterSeconds: -1, state: OK}]}]",
            "afterSeconds",
        ),
        (
            "alarms: [{alarmTaskId: a, scalingGroupId: asg-none}]",
            "asg-none",
        ),
        (
            "events: [{atSeconds: 1, do: {alarmState: {id: none, state: OK}}}]",
            "none",
        ),
    ] {
        let error = ess_emulator::fixture::Fixture::parse(&format!("{SMALL}\n{more}"))
            .and_then(|fixture| Cloud::new(&fixture))
            .expect_err(more)
            .to_string();
        assert!(error.contains(want), "{error} should name {want}");
    }
}
