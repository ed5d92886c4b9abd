//! Triggers, messages, actions of one's own, and encrypted parameters.

use serde_json::{Value, json};

use super::world::Cloud;
use crate::oos::TriggerKind;

/// One task behind a trigger with these properties.
fn template(trigger: &Value) -> String {
    json!({
        "FormatVersion": "OOS-2019-06-01",
        "Parameters": {"thing": {"Default": "x"}},
        "Tasks": [
            trigger,
            {"Name": "get", "Action": "ACS::ExecuteAPI", "Properties": {
                "Service": "TEST", "API": "GetThing",
                "Parameters": {"Thing": "{{ thing }}", "Of": "{{ trigger.of }}"}}},
        ],
        "Outputs": {"of": {"Value": "{{ trigger.of }}"}},
    })
    .to_string()
}

fn timer(kind: &str, expression: &str, end: &str, zone: &str) -> String {
    template(&json!({
        "Name": "trigger", "Action": "ACS::TimerTrigger", "Properties": {
            "Type": kind, "Expression": expression, "EndDate": end, "TimeZone": zone},
        "Outputs": {"of": {"ValueSelector": ".time"}},
    }))
}

/// When the children of a schedule began, and how it ended. The clock begins at
/// 2024-05-06T07:00:00Z, a Monday.
fn times(content: &str) -> (Vec<String>, Value) {
    let mut cloud = Cloud::new(&[]);
    cloud
        .world
        .answers
        .insert("GetThing".into(), [json!({})].into());
    let root = cloud.start(json!({"TemplateContent": content}));
    cloud.settle();
    let begun = cloud
        .children(&root)
        .iter()
        .map(|child| {
            assert_eq!(child["Status"], "Success", "{child}");
            child["StartDate"].as_str().unwrap().to_owned()
        })
        .collect();
    (begun, cloud.execution(&root))
}

#[test]
fn a_timer_starts_a_child_at_each_of_its_times_until_its_end() {
    let cases: &[(&str, &str, &str, &str, &[&str])] = &[
        (
            "cron",
            "0 30 9 ? * MON-WED",
            "2024-05-08T23:00:00Z",
            "UTC",
            &[
                "2024-05-06T09:30:00Z",
                "2024-05-07T09:30:00Z",
                "2024-05-08T09:30:00Z",
            ],
        ),
        (
            "cron",
            "0 0 2 ? * 3",
            "2024-05-15",
            "Asia/Shanghai",
            &["2024-05-06T18:00:00Z", "2024-05-13T18:00:00Z"],
        ),
        (
            "cron",
            "0 0 0 L * ?",
            "2024-07-15",
            "",
            &["2024-05-31T00:00:00Z", "2024-06-30T00:00:00Z"],
        ),
        (
            "cron",
            "0 0 12 ? * 6#2",
            "2024-07-01",
            "",
            &["2024-05-10T12:00:00Z", "2024-06-14T12:00:00Z"],
        ),
        (
            "cron",
            "0 0/40 8 6 5 ? 2024",
            "2025-01-01",
            "",
            &["2024-05-06T08:00:00Z", "2024-05-06T08:40:00Z"],
        ),
        (
            "rate",
            "2 hours",
            "2024-05-06T12:00:00Z",
            "",
            &["2024-05-06T09:00:00Z", "2024-05-06T11:00:00Z"],
        ),
        (
            "at",
            "2024-05-06T20:00:00",
            "2024-05-07",
            "Asia/Shanghai",
            &["2024-05-06T12:00:00Z"],
        ),
    ];
    for (kind, expression, end, zone, expected) in cases {
        let (begun, root) = times(&timer(kind, expression, end, zone));
        assert_eq!(begun, *expected, "{expression}");
        assert_eq!(root["Status"], "Success", "{root}");
        assert_eq!(root["Category"], "TimerTrigger");
        assert_eq!(root["LastTriggerStatus"], "Success");
        assert_eq!(root["LastTriggerTime"], *expected.last().unwrap());
        assert_eq!(root["NextScheduleTime"], "");
    }
}

#[test]
fn a_schedule_that_cannot_be_fails_and_says_why() {
    for (kind, expression, end, zone, why) in [
        (
            "cron",
            "0 0 2 1 * MON",
            "2030-01-01",
            "",
            "both days and weekdays",
        ),
        ("cron", "0 0 2 * *", "2030-01-01", "", "six fields"),
        ("cron", "0 61 2 * * ?", "2030-01-01", "", "\"61\""),
        ("cron", "0 0 0 30 2 ?", "2050-01-01", "", "no time to start"),
        ("rate", "often", "2030-01-01", "", "30 minutes"),
        ("rate", "0 minutes", "2030-01-01", "", "30 minutes"),
        ("at", "tomorrow", "2030-01-01", "", "2030-01-31T02:00:00Z"),
        ("rate", "1 hour", "soon", "", "EndDate"),
        ("rate", "1 hour", "2020-01-01", "", "no time to start"),
        ("rate", "1 hour", "2030-01-01", "Asia/Nowhere", "TimeZone"),
        ("daily", "1", "2030-01-01", "", "cron, rate or at"),
    ] {
        let mut cloud = Cloud::new(&[]);
        let root = cloud.start(json!({"TemplateContent": timer(kind, expression, end, zone)}));
        cloud.settle();
        assert_eq!(cloud.status(&root), "Failed", "{expression}");
        let tasks = cloud
            .ask("ListTaskExecutions", json!({"ExecutionId": root}))
            .unwrap();
        let told = tasks["TaskExecutions"][0]["StatusMessage"]
            .as_str()
            .unwrap();
        assert!(told.contains(why), "{expression}: {told}");
    }
}

#[test]
fn an_event_that_fits_starts_a_child_with_what_it_brings() {
    let content = template(&json!({
        "Name": "trigger", "Action": "ACS::EventTrigger", "Properties": {
            "Product": "ECS", "Name": ["Instance:StateChange"], "Level": ["INFO"],
            "Content": {"state": ["Stopped", "Deleted"]}},
        "Outputs": {"of": {"Type": "String", "ValueSelector": ".content.resourceId"}},
    }));
    let mut cloud = Cloud::new(&[]);
    cloud
        .world
        .answers
        .insert("GetThing".into(), [json!({})].into());
    let root = cloud.start(json!({
        "TemplateContent": content, "Parameters": json!({"thing": "y"}).to_string(),
    }));
    cloud.settle();
    assert_eq!(cloud.status(&root), "Waiting");
    let event = |state: &str, id: &str| {
        json!({"product": "ECS", "name": "Instance:StateChange", "level": "INFO",
            "content": {"state": state, "resourceId": id}})
    };
    let Cloud { engine, world } = &mut cloud;
    assert_eq!(
        engine.happened(world, TriggerKind::Event, &event("Running", "i-0")),
        0
    );
    assert_eq!(
        engine.happened(world, TriggerKind::Alarm, &event("Stopped", "i-0")),
        0
    );
    assert_eq!(
        engine.happened(world, TriggerKind::Event, &event("Stopped", "i-1")),
        1
    );
    assert_eq!(cloud.status(&root), "Running");
    cloud.settle();
    assert_eq!(cloud.status(&root), "Waiting");
    let call = &cloud.world.calls.last().unwrap().params;
    assert_eq!((&call["Thing"], &call["Of"]), (&json!("y"), &json!("i-1")));
    // The API does the same, for the right kind only.
    let ask = |kind: &str| {
        let content = event("Stopped", "i-2").to_string();
        json!({"ExecutionId": root, "Type": kind, "Content": content})
    };
    assert!(cloud.ask("TriggerExecution", ask("Timer")).is_err());
    cloud.ask("TriggerExecution", ask("Event")).unwrap();
    cloud.settle();
    assert_eq!(cloud.children(&root).len(), 2);
    assert_eq!(
        cloud.execution(&root)["LastTriggerOutputs"],
        r#"{"of":"i-2"}"#
    );
    cloud
        .ask("CancelExecution", json!({"ExecutionId": root}))
        .unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Cancelled");
}

#[test]
fn a_trigger_stands_first_and_not_in_a_child() {
    let trigger = json!({"Name": "t", "Action": "ACS::TimerTrigger", "Properties": {
        "Type": "rate", "Expression": "1 hour", "EndDate": "2030-01-01"}});
    let nap = json!({"Name": "n", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}});
    let content =
        |tasks: Value| json!({"FormatVersion": "OOS-2019-06-01", "Tasks": tasks}).to_string();
    let mut cloud = Cloud::new(&[]);
    let later = json!({"TemplateContent": content(json!([nap, trigger]))});
    assert_eq!(
        cloud.ask("StartExecution", later).unwrap_err().code,
        "InvalidTemplate"
    );
    let made = json!({"TemplateName": "timed", "Content": content(json!([trigger]))});
    cloud.ask("CreateTemplate", made).unwrap();
    let calls = json!([{"Name": "c", "Action": "ACS::Template",
        "Properties": {"TemplateName": "timed"}}]);
    let execution = cloud.run(&content(calls), json!({}));
    assert_eq!(execution["Status"], "Failed");
}

#[test]
fn actions_can_be_registered_and_what_is_missing_is_told() {
    let mut cloud = Cloud::new(&[]);
    let content = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "own", "Action": "ACS::RDS::Reboot", "Properties": {"InstanceId": "rm-1"}}],
        "Outputs": {"id": {"Value": "{{ own.id }}"}}})
    .to_string();
    let validate = json!({"Content": content});
    let told = cloud
        .ask("ValidateTemplateContent", validate.clone())
        .unwrap();
    assert_eq!(told["Missing"], json!(["ACS::RDS::Reboot"]));
    let execution = cloud.run(&content, json!({}));
    assert_eq!(execution["Status"], "Failed", "{execution}");
    cloud.world.switches.missing_actions = crate::oos::Taken::Refused;
    let refused = cloud
        .ask("ValidateTemplateContent", validate.clone())
        .unwrap_err();
    assert!(refused.message.contains("ACS::RDS::Reboot"), "{refused:?}");
    let action = json!({"FormatVersion": "OOS-2019-06-01",
        "Parameters": {"instanceId": {"Type": "String"}},
        "Tasks": [{"Name": "n", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
        "Outputs": {"id": {"Value": "{{ instanceId }}"}}})
    .to_string();
    let made = json!({"TemplateName": "ACS::RDS::Reboot", "Content": action});
    cloud.ask("CreateTemplate", made).unwrap();
    let told = cloud.ask("ValidateTemplateContent", validate).unwrap();
    assert!(told.get("Missing").is_none(), "{told}");
    let execution = cloud.run(&content, json!({}));
    assert_eq!(execution["Outputs"], r#"{"id":"rm-1"}"#, "{execution}");
}

#[test]
fn parameters_of_the_store_are_filled_in_and_encrypted_ones_never_show() {
    let mut cloud = Cloud::new(&[]);
    cloud
        .world
        .answers
        .insert("GetThing".into(), [json!({"Got": "s3cr3t-value"})].into());
    let create = |name: &str, value: &str| json!({"Name": name, "Type": "String", "Value": value});
    cloud
        .ask("CreateParameter", create("image", "m-1"))
        .unwrap();
    cloud
        .ask("UpdateParameter", json!({"Name": "image", "Value": "m-2"}))
        .unwrap();
    let secret = json!({"Name": "pass", "Type": "Secret", "Value": "s3cr3t-value"});
    let made = cloud.ask("CreateSecretParameter", secret).unwrap();
    assert!(!made.to_string().contains("s3cr3t"), "{made}");
    let content = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: get
    Action: ACS::ExecuteAPI
    Properties:
      Service: TEST
      API: GetThing
      Parameters: {Now: '{{ oos:image }}', First: 'is {{ oos:image:1 }}', Secret: 'p={{ oos-secret:pass }}'}
    Outputs: {got: {ValueSelector: .Got}}
Outputs: {got: {Value: 'it is {{ get.got }}'}}
";
    let execution = cloud.run(content, json!({}));
    assert_eq!(execution["Status"], "Success", "{execution}");
    let call = cloud.world.calls.last().unwrap().params.clone();
    assert_eq!(call["Now"], "m-2");
    assert_eq!(call["First"], "is m-1");
    assert_eq!(call["Secret"], "p=s3cr3t-value");
    assert_eq!(execution["Outputs"], r#"{"got":"it is ******"}"#);
    let id = execution["ExecutionId"].clone();
    for action in ["ListTaskExecutions", "ListExecutionLogs", "ListExecutions"] {
        let shown = cloud
            .ask(action, json!({"ExecutionId": id}))
            .unwrap()
            .to_string();
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
    // Encoded it is no better hidden.
    let encodes = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: get
    Action: ACS::ExecuteAPI
    Properties: {Service: TEST, API: GetThing}
    Outputs: {got: {ValueSelector: .Got}}
Outputs:
  value: {Value: {'Fn::Base64Encode': '{{ get.got }}'}}
  among: {Value: {'Fn::Base64Encode': 'echo {{ get.got }} | sh'}}
";
    cloud
        .world
        .answers
        .insert("GetThing".into(), [json!({"Got": "s3cr3t-value"})].into());
    let execution = cloud.run(encodes, json!({}));
    assert_eq!(execution["Status"], "Success", "{execution}");
    let outputs: Value = serde_json::from_str(execution["Outputs"].as_str().unwrap()).unwrap();
    assert_eq!(outputs["value"], "KioqKioq");
    assert_eq!(outputs["among"], "ZWNobyAqKioqKiogfCBzaA==");
    let get = |decrypt: bool| json!({"Name": "pass", "WithDecryption": decrypt});
    let hidden = cloud.ask("GetSecretParameter", get(false)).unwrap();
    assert_eq!(hidden["Parameter"]["Value"], "******");
    let clear = cloud.ask("GetSecretParameter", get(true)).unwrap();
    assert_eq!(clear["Parameter"]["Value"], "s3cr3t-value");
    let unknown = content.replace("oos:image:1", "oos:image:9");
    let execution = cloud.run(&unknown, json!({}));
    assert_eq!(execution["Status"], "Failed");
}

#[test]
fn the_parameter_store_lists_finds_and_checks() {
    let mut cloud = Cloud::new(&[]);
    let mut create = |name: &str, value: &str, more: Value| {
        let mut params = json!({"Name": name, "Type": "String", "Value": value});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        cloud.ask("CreateParameter", params)
    };
    create(
        "/app/a",
        "1",
        json!({"Tags": json!({"k": "v"}).to_string()}),
    )
    .unwrap();
    create("/app/b/c", "2", json!({})).unwrap();
    create(
        "list",
        "x",
        json!({"Constraints": r#"{"AllowedValues": ["x", "y"]}"#}),
    )
    .unwrap();
    let bad = [
        create("/app/a", "1", json!({})),
        create("oos-mine", "1", json!({})),
        create("with space", "1", json!({})),
        create("kind", "1", json!({"Type": "Number"})),
        create(
            "other",
            "z",
            json!({"Constraints": r#"{"AllowedValues": ["x", "y"]}"#}),
        ),
        create("long", &"x".repeat(4097), json!({})),
    ];
    for refused in bad {
        assert_eq!(refused.unwrap_err().status, 400);
    }
    let names = |answer: Value| -> Vec<String> {
        let list = answer["Parameters"].as_array().unwrap().clone();
        list.iter()
            .map(|p| p["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    let mut ask = |action: &str, params: Value| names(cloud.ask(action, params).unwrap());
    let by_path = json!({"Path": "/app"});
    assert_eq!(ask("GetParametersByPath", by_path), ["/app/a"]);
    let below = json!({"Path": "/app/", "Recursive": true});
    assert_eq!(ask("GetParametersByPath", below), ["/app/a", "/app/b/c"]);
    let sorted = json!({"SortField": "Name", "SortOrder": "Ascending"});
    assert_eq!(
        ask("ListParameters", sorted),
        ["/app/a", "/app/b/c", "list"]
    );
    assert_eq!(
        ask("ListParameters", json!({"Tags": r#"{"k": "v"}"#})),
        ["/app/a"]
    );
    assert_eq!(ask("ListParameters", json!({"Name": "app"})).len(), 2);
    assert_eq!(ask("ListSecretParameters", json!({})).len(), 0);
    let some = json!({"Names": r#"["list", "none"]"#});
    let found = cloud.ask("GetParameters", some).unwrap();
    assert_eq!(found["InvalidParameters"], json!(["none"]));
    assert_eq!(found["Parameters"][0]["Value"], "x");
    let refused = cloud.ask("UpdateParameter", json!({"Name": "list", "Value": "z"}));
    assert_eq!(refused.unwrap_err().code, "InvalidParameter");
    cloud
        .ask("UpdateParameter", json!({"Name": "list", "Value": "y"}))
        .unwrap();
    let versions = cloud
        .ask("ListParameterVersions", json!({"Name": "list"}))
        .unwrap();
    let values = |i: usize| versions["ParameterVersions"][i]["Value"].clone();
    assert_eq!((values(0), values(1)), (json!("y"), json!("x")));
    cloud
        .ask("DeleteParameter", json!({"Name": "list"}))
        .unwrap();
    let gone = cloud
        .ask("GetParameter", json!({"Name": "list"}))
        .unwrap_err();
    assert_eq!(gone.code, "EntityNotExists.Parameter");
}

#[test]
fn a_message_is_noted_and_not_sent() {
    let notify = |properties: Value| {
        json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
            {"Name": "tell", "Action": "ACS::Notify", "Properties": properties}]})
        .to_string()
    };
    let mut cloud = Cloud::new(&[]);
    let web = json!({"NotifyType": "WebHook", "WebHook": {
        "URI": "https://example.com/send?access_token=abc", "Content": {"text": "{{ ACS::ExecuteUser }}"}}});
    assert_eq!(cloud.run(&notify(web), json!({}))["Status"], "Success");
    for refused in [
        json!({"NotifyType": "Pigeon"}),
        json!({"NotifyType": "WebHook"}),
        json!({"NotifyType": "WebHook", "WebHook": {"URI": "https://example.com"}}),
    ] {
        assert_eq!(cloud.run(&notify(refused), json!({}))["Status"], "Failed");
    }
}
