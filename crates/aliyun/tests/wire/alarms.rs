//! Alert rules of CloudMonitor, event-triggered tasks of ESS: what is sent, and what is read.

use ess_rollout_cloud::{Alarm, AlarmState, Answer, Cloud, ErrorClass, Query, Turn};
use serde_json::{Value, json};

use crate::fake::{Fake, REGION, ok};
use crate::queries::ask;

fn rule(id: &str, state: &str, group: &str) -> Value {
    json!({
        "RuleId": id, "RuleName": format!("name of {id}"), "AlertState": state, "EnableState": true, "GroupId": group,
        "Namespace": "acs_ecs_dashboard", "Resources": "[{\"resource\":\"_ALL\"}]",
    })
}

/// A count in a text, as CloudMonitor has it.
fn page(total: usize, rows: &[Value]) -> Value {
    json!({"Success": true, "Code": "200", "Total": total.to_string(), "Alarms": {"Alarm": rows}})
}

fn alarm(id: &str, state: AlarmState, enabled: bool) -> Alarm {
    Alarm {
        id: id.into(),
        name: format!("name of {id}"),
        state,
        enabled,
    }
}

#[tokio::test]
async fn rules_are_read_by_their_ids_in_one_call() {
    let mut disabled = rule("rule-2", "INSUFFICIENT_DATA", "");
    disabled["EnableState"] = json!(false);
    let rows = [
        rule("rule-3", "ALARM", ""),
        rule("rule-1", "OK", ""),
        disabled,
    ];
    let fake = Fake::start([ok(page(3, &rows))]).await;
    let rules = ["rule-1", "rule-2", "rule-3", "rule-none"].map(str::to_owned);
    let found = ask(
        &fake,
        Query::MetricRules {
            rules: rules.to_vec(),
        },
    )
    .await;
    assert_eq!(
        found,
        Answer::Alarms(vec![
            alarm("rule-1", AlarmState::Ok, true),
            alarm("rule-2", AlarmState::InsufficientData, false),
            alarm("rule-3", AlarmState::Alarm, true),
        ])
    );
    let request = &fake.received()[0];
    assert_eq!(
        (request.action.as_str(), request.version.as_str()),
        ("DescribeMetricRuleList", "2019-01-01")
    );
    assert_eq!(request.form["RuleIds"], "rule-1,rule-2,rule-3,rule-none");
    assert_eq!(request.form["PageSize"], "20");
}

/// A service that ignored the ids would answer with the rules of everybody.
#[tokio::test]
async fn rules_that_nobody_asked_for_are_no_answer() {
    let fake = Fake::start([ok(page(1, &[rule("rule-other", "OK", "")]))]).await;
    let query = Query::MetricRules {
        rules: vec!["rule-1".into()],
    };
    let error = fake.client().query(REGION, &query, Turn::default()).await;
    assert_eq!(error.unwrap_err().class, ErrorClass::Invalid);
}

#[tokio::test]
async fn rules_of_an_application_group_are_read_to_the_last_page() {
    let rows = |from: usize, to: usize| -> Vec<Value> {
        let ids = (from..to).map(|n| format!("rule-{n:02}"));
        ids.map(|id| rule(&id, "OK", "7301")).collect()
    };
    let fake = Fake::start([ok(page(23, &rows(0, 20))), ok(page(23, &rows(20, 23)))]).await;
    let query = Query::MetricRulesOfGroup {
        monitor_group: "7301".into(),
    };
    let Answer::Alarms(found) = ask(&fake, query).await else {
        panic!("another answer");
    };
    assert_eq!(found.len(), 23);
    let forms = fake.forms();
    assert_eq!((&*forms[0]["GroupId"], &*forms[0]["Page"]), ("7301", "1"));
    assert_eq!(forms[1]["Page"], "2");
}

#[tokio::test]
async fn the_tasks_of_a_scaling_group_are_read() {
    let task = |id: &str, state: &str, on: bool| {
        json!({
            "AlarmTaskId": id, "Name": format!("name of {id}"), "State": state, "Enable": on, "ScalingGroupId": "asg-1",
            "MetricType": "system",
        })
    };
    let rows = [task("at-1", "ALARM", true), task("at-2", "Novelty", false)];
    let fake = Fake::start([ok(json!({"TotalCount": 2, "AlarmList": rows}))]).await;
    let query = Query::Alarms {
        group: "asg-1".into(),
    };
    assert_eq!(
        ask(&fake, query).await,
        Answer::Alarms(vec![
            alarm("at-1", AlarmState::Alarm, true),
            alarm("at-2", AlarmState::Unknown("Novelty".into()), false),
        ])
    );
    let request = &fake.received()[0];
    assert_eq!(
        (request.action.as_str(), request.version.as_str()),
        ("DescribeAlarms", "2022-02-22")
    );
    assert_eq!(request.form["ScalingGroupId"], "asg-1");
}
