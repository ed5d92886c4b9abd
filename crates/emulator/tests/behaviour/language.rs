//! What templates can say, against the whole emulator: built-in bulk operations, triggers fired from
//! outside, encrypted parameters, messages, and what is missing.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{children, control, execution, oos, pass, small, start, status};

/// Instances of no group, which nobody replaces when they are stopped.
const ALONE: &str = "instances: [{count: 3, idPrefix: i-alone-, imageId: m-1}]\n";

fn targets() -> Value {
    json!({"Type": "ResourceIds", "ResourceIds": ["i-alone-01", "i-alone-02"]})
}

/// Runs a public template to its end.
fn ended(cloud: &mut Cloud, template: &str, more: Value) -> Value {
    let mut parameters = json!({"targets": targets()});
    let more = more.as_object().unwrap().clone();
    parameters.as_object_mut().unwrap().extend(more);
    let id = start(cloud, "Automatic", template, &parameters);
    pass(cloud, 3600);
    execution(cloud, &id)
}

#[test]
fn bulk_operations_on_instances_are_built_in() {
    let mut cloud = small(&format!("{ALONE}packages: [{{name: agent, versions: 1}}]"));
    let stopped = ended(&mut cloud, "ACS-ECS-BulkyStopInstances", json!({}));
    assert_eq!(stopped["Status"], "Success", "{stopped}");
    assert_eq!(
        stopped["Outputs"],
        r#"{"instanceIds":["i-alone-01","i-alone-02"]}"#
    );
    assert_eq!(status(&mut cloud, "i-alone-01"), "Stopped");
    assert_eq!(status(&mut cloud, "i-alone-03"), "Running");
    let started = ended(&mut cloud, "ACS-ECS-BulkyStartInstances", json!({}));
    assert_eq!(started["Status"], "Success", "{started}");
    assert_eq!(status(&mut cloud, "i-alone-01"), "Running");
    let image = json!({"imageId": "m-2"});
    let replaced = ended(&mut cloud, "ACS-ECS-BulkyReplaceSystemDisk", image);
    assert_eq!(replaced["Status"], "Success", "{replaced}");
    let command = json!({"commandContent": "echo hello"});
    let run = ended(&mut cloud, "ACS-ECS-BulkyRunCommand", command);
    assert_eq!(run["Status"], "Success", "{run}");
    let package = json!({"packageName": "agent"});
    let configured = ended(&mut cloud, "ACS-ECS-BulkyConfigureOOSPackage", package);
    assert_eq!(configured["Status"], "Success", "{configured}");
    assert_eq!(
        children(&mut cloud, configured["ExecutionId"].as_str().unwrap()).len(),
        2
    );
}

const ON_STOP: &str = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: event
    Action: ACS::EventTrigger
    Properties: {Product: ECS, Name: ['Instance:StateChange'], Content: {state: [Stopped]}}
    Outputs: {id: {ValueSelector: .content.resourceId}}
  - Name: again
    Action: ACS::ECS::StartInstance
    Properties: {instanceId: '{{ event.id }}'}
  - Name: tell
    Action: ACS::Notify
    Properties:
      NotifyType: WebHook
      WebHook: {URI: 'https://example.com/?access_token=abcdef', Content: {text: '{{ event.id }} was stopped'}}
";

fn event(id: &str) -> Value {
    json!({"product": "ECS", "name": "Instance:StateChange",
        "content": {"state": "Stopped", "resourceId": id}})
}

#[test]
fn events_come_from_the_control_api_and_from_fixtures() {
    let mut cloud = small(&format!(
        "{ALONE}events: [{{atSeconds: 200, do: {{stop: {{instanceId: i-alone-02}}}}}}, \
         {{atSeconds: 260, do: {{event: {}}}}}]",
        event("i-alone-02")
    ));
    let ask = json!({"TemplateContent": ON_STOP});
    let answer = oos(&mut cloud, "StartExecution", ask).unwrap();
    let id = answer["Execution"]["ExecutionId"]
        .as_str()
        .unwrap()
        .to_owned();
    pass(&mut cloud, 10);
    let waiting = execution(&mut cloud, &id);
    assert_eq!(
        (&waiting["Status"], &waiting["Category"]),
        (&json!("Waiting"), &json!("EventTrigger"))
    );
    control(&mut cloud, "POST", "instances/i-alone-01/stop", Value::Null);
    pass(&mut cloud, 20);
    let (_, told) = control(&mut cloud, "POST", "events", event("i-alone-01"));
    assert_eq!(told, json!({"started": 1}));
    let (_, told) = control(&mut cloud, "POST", "alarms", json!({"namespace": "x"}));
    assert_eq!(told, json!({"started": 0}));
    pass(&mut cloud, 100);
    assert_eq!(status(&mut cloud, "i-alone-01"), "Running");
    pass(&mut cloud, 300);
    assert_eq!(status(&mut cloud, "i-alone-02"), "Running");
    let started = children(&mut cloud, &id);
    assert_eq!(started.len(), 2);
    assert!(
        started.iter().all(|child| child["Status"] == "Success"),
        "{started:?}"
    );
    let (_, journal) = control(&mut cloud, "GET", "journal?action=ACS::Notify", Value::Null);
    let sent = journal["entries"].as_array().unwrap();
    assert_eq!(sent.len(), 2);
    assert_eq!(
        sent[0]["params"]["WebHook"]["Content"]["text"],
        "i-alone-01 was stopped"
    );
    assert_eq!(
        sent[0]["params"]["WebHook"]["URI"],
        "https://example.com/?***"
    );
}

#[test]
fn an_encrypted_value_is_used_and_shows_nowhere() {
    let mut cloud = small("");
    let secret = json!({"Name": "token", "Type": "Secret", "Value": "correct horse battery"});
    oos(&mut cloud, "CreateSecretParameter", secret).unwrap();
    let template = "
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: run
    Action: ACS::ECS::RunCommand
    Properties:
      instanceId: i-small-01
      commandType: RunShellScript
      commandContent: 'login {{ oos-secret:token }}'
";
    let ask = json!({"TemplateContent": template});
    let answer = oos(&mut cloud, "StartExecution", ask).unwrap();
    pass(&mut cloud, 600);
    let id = answer["Execution"]["ExecutionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let done = execution(&mut cloud, &id);
    assert_eq!(done["Status"], "Success", "{done}");
    for path in ["journal", "state"] {
        let (_, shown) = control(&mut cloud, "GET", path, Value::Null);
        assert!(!shown.to_string().contains("horse"), "{path}");
        assert!(shown.to_string().contains("login ******"), "{path}");
    }
    let mine = children(&mut cloud, &id);
    assert!(!mine[0].to_string().contains("horse"), "{mine:?}");
}

#[test]
fn what_a_template_will_not_find_is_in_the_journal() {
    let mut cloud = small("");
    let template = "
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: list
    Action: ACS::ExecuteAPI
    Properties: {Service: RDS, API: DescribeDBInstances}
  - {Name: go, Action: ACS::RDS::Restart}
";
    oos(
        &mut cloud,
        "StartExecution",
        json!({"TemplateContent": template}),
    )
    .unwrap();
    let missing = |cloud: &Cloud| {
        let entry = cloud.world.journal.since(0).find(|e| !e.missing.is_empty());
        entry.map(|entry| entry.missing.clone()).unwrap_or_default()
    };
    assert_eq!(
        missing(&cloud),
        ["ACS::RDS::Restart", "RDS DescribeDBInstances"]
    );
    let mut cloud = small("switches: {oos: {missingActions: refused}}");
    let refused = oos(
        &mut cloud,
        "StartExecution",
        json!({"TemplateContent": template}),
    );
    assert!(refused.unwrap_err().message.contains("ACS::RDS::Restart"));
    let mut cloud = small("");
    cloud
        .world
        .library
        .add("ACS::RDS::Restart", template)
        .unwrap();
    let listed = oos(
        &mut cloud,
        "GetTemplate",
        json!({"TemplateName": "ACS::RDS::Restart"}),
    );
    assert_eq!(listed.unwrap()["Template"]["ShareType"], "Public");
    assert!(cloud.world.library.add("bad", "Tasks: []").is_err());
}

#[test]
fn what_functions_make_of_an_encrypted_value_shows_nowhere_either() {
    let mut cloud = small("");
    let secret = json!({"Name": "token", "Type": "Secret", "Value": "correcthorsebattery"});
    oos(&mut cloud, "CreateSecretParameter", secret).unwrap();
    let template = r#"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: look
    Action: ACS::ExecuteAPI
    Properties:
      Service: ECS
      API: DescribeInstances
      Parameters:
        InstanceName: {'Fn::Jq': [First, '.[3:9]', '{{ oos-secret:token }}']}
        InstanceIds: '["i-small-01"]'
    Outputs:
      part: {Value: {'Fn::Replace': [{horse: dog}, '{{ oos-secret:token }}']}}
Outputs:
  capitals: {Value: {'Fn::Jq': [First, 'ascii_upcase', '{{ oos-secret:token }}']}}
  pieces: {Type: List, Value: {'Fn::Split': [horse, '{{ oos-secret:token }}']}}
  again: {Value: {'Fn::Jq': [First, '.[0:8]', '{{ look.part }}']}}
  joined: {Value: {'Fn::Join': ['-', [user, '{{ oos-secret:token }}']]}}
  chosen: {Value: {'Fn::If': [true, open, '{{ oos-secret:token }}']}}
"#;
    let ask = json!({"TemplateContent": template});
    let answer = oos(&mut cloud, "StartExecution", ask).unwrap();
    pass(&mut cloud, 60);
    let id = answer["Execution"]["ExecutionId"]
        .as_str()
        .unwrap()
        .to_owned();
    let done = execution(&mut cloud, &id);
    assert_eq!(done["Status"], "Success", "{done}");
    let outputs: Value = serde_json::from_str(done["Outputs"].as_str().unwrap()).unwrap();
    assert_eq!(
        outputs,
        json!({
            "capitals": "******", "pieces": ["******", "******"], "again": "******",
            "joined": "user-******", "chosen": "open",
        })
    );
    let tasks = oos(&mut cloud, "ListTaskExecutions", json!({"ExecutionId": id})).unwrap();
    let (_, journal) = control(&mut cloud, "GET", "journal", Value::Null);
    for shown in [tasks.to_string(), journal.to_string()] {
        for part in ["rectho", "dogbattery", "correctdog"] {
            assert!(!shown.contains(part), "{part}: {shown}");
        }
    }
}

/// What is refused is refused by each call that takes a template, and nothing is done.
#[test]
fn a_template_with_an_unknown_key_or_name_is_refused_by_all_calls() {
    let good = "FormatVersion: OOS-2019-06-01\nTasks:\n  - Name: stop\n    Action: ACS::ExecuteAPI\n    \
                Properties: {Service: ECS, API: StopInstance, Parameters: {InstanceId: i-small-01}}\n";
    for (bad, what) in [
        (format!("{good}    Wen: x\n"), "Wen"),
        (good.replace("Parameters", "Paramters"), "Paramters"),
        (
            format!("{good}Outputs: {{o: {{Value: '{{{{ nobody }}}}'}}}}\n"),
            "nobody",
        ),
        (
            format!("{good}Outputs: {{o: {{Value: {{'Fn::Bogus': 1}}}}}}\n"),
            "Bogus",
        ),
        (
            format!("{good}Parameters: {{n: {{Type: Number, Default: abc}}}}\n"),
            "abc",
        ),
    ] {
        let mut cloud = small("");
        for (action, ask) in [
            ("ValidateTemplateContent", json!({"Content": bad})),
            (
                "CreateTemplate",
                json!({"TemplateName": "own", "Content": bad}),
            ),
            ("StartExecution", json!({"TemplateContent": bad})),
        ] {
            let refused = oos(&mut cloud, action, ask).unwrap_err();
            assert_eq!(refused.code, "InvalidTemplate", "{action} {what}");
            assert!(
                refused.message.contains(what),
                "{action}: {}",
                refused.message
            );
        }
        pass(&mut cloud, 600);
        assert_eq!(status(&mut cloud, "i-small-01"), "Running");
    }
}

#[test]
fn what_a_template_says_and_the_emulator_does_not_do_is_in_the_journal_and_refused_by_strict() {
    let template = "FormatVersion: OOS-2019-06-01\nTasks:\n  - Name: nap\n    Action: ACS::Sleep\n    \
                    OnCancel: ACS::END\n    Properties: {Duration: PT1S}\n";
    let ask = || json!({"TemplateContent": template});
    let mut cloud = small("");
    oos(&mut cloud, "StartExecution", ask()).unwrap();
    let told = cloud
        .world
        .journal
        .since(0)
        .flat_map(|entry| entry.missing.clone())
        .collect::<Vec<_>>();
    assert_eq!(told, ["OnCancel of task nap"]);
    let mut cloud = small("switches: {oos: {missingActions: refused}}");
    let refused = oos(&mut cloud, "StartExecution", ask()).unwrap_err();
    assert!(
        refused.message.contains("OnCancel of task nap"),
        "{}",
        refused.message
    );
}
