//! The template language: actions, selectors, waits, choices, parameters.

use serde_json::{Value, json};

use super::world::Cloud;
use crate::error::ApiError;

const WAIT: &str = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: wait
    Action: ACS::WaitFor
    Retries: 3
    DelayType: Constant
    Delay: 10
    Properties:
      Service: TEST
      API: GetThing
      PropertySelector: Things.Thing[].Status
      DesiredValues: [Ready]
      StopRetryValues: [Broken]
    Outputs:
      ids: {Type: List, ValueSelector: 'Things.Thing[].Id'}
Outputs:
  ids: {Type: List, Value: '{{ wait.ids }}'}
";

fn thing(status: &str) -> Value {
    json!({"Things": {"Thing": [{"Id": "x-1", "Status": status}]}})
}

#[test]
fn a_wait_polls_until_the_value_is_there() {
    let mut cloud = Cloud::new(&[]);
    let answers = [thing("Busy"), thing("Busy"), thing("Ready")].into();
    cloud.world.answers.insert("GetThing".into(), answers);
    let execution = cloud.run(WAIT, json!({}));
    assert_eq!(execution["Status"], "Success");
    assert_eq!(execution["Outputs"], r#"{"ids":["x-1"]}"#);
    assert_eq!(cloud.world.count("GetThing"), 3);
    assert_eq!(
        execution["EndDate"], "2024-05-06T07:00:21Z",
        "one second, then two waits of ten"
    );
}

#[test]
fn a_wait_ends_at_a_stop_value_and_when_its_tries_are_used_up() {
    let mut cloud = Cloud::new(&[]);
    let answers = [thing("Busy"), thing("Broken")].into();
    cloud.world.answers.insert("GetThing".into(), answers);
    assert_eq!(cloud.run(WAIT, json!({}))["Status"], "Failed");
    assert_eq!(cloud.world.count("GetThing"), 2);

    cloud.world.calls.clear();
    cloud
        .world
        .answers
        .insert("GetThing".into(), [thing("Busy")].into());
    assert_eq!(cloud.run(WAIT, json!({}))["Status"], "Failed");
    assert_eq!(
        cloud.world.count("GetThing"),
        4,
        "one try and three repetitions"
    );
}

#[test]
fn waits_and_checks_succeed_once_no_value_is_among_those_not_desired() {
    let template = |action: &str, wants: &str| {
        WAIT.replace("ACS::WaitFor", action)
            .replace("DesiredValues: [Ready]", wants)
    };
    let none = json!({"Things": {"Thing": []}});
    // (action, answers, status, calls)
    let cases = [
        (
            "ACS::WaitFor",
            vec![none, thing("Busy"), thing("Odd")],
            "Success",
            3,
        ),
        ("ACS::WaitFor", vec![thing("Busy")], "Failed", 4),
        ("ACS::CheckFor", vec![thing("Odd")], "Success", 1),
    ];
    for (action, answers, status, calls) in cases {
        let mut cloud = Cloud::new(&[]);
        cloud
            .world
            .answers
            .insert("GetThing".into(), answers.into());
        let execution = cloud.run(&template(action, "NotDesiredValues: [Busy]"), json!({}));
        assert_eq!(execution["Status"], status, "{action}");
        assert_eq!(cloud.world.count("GetThing"), calls, "{action}");
    }
    // One of the two is required.
    for action in ["ACS::WaitFor", "ACS::CheckFor"] {
        let mut cloud = Cloud::new(&[]);
        let content = template(action, "StopRetry: []");
        let started = cloud.ask("StartExecution", json!({"TemplateContent": content}));
        let made = json!({"TemplateName": "own", "Content": content});
        for refused in [started, cloud.ask("CreateTemplate", made)] {
            let refused = refused.unwrap_err();
            assert_eq!(refused.code, "InvalidTemplate");
            assert!(refused.message.contains("NotDesiredValues"), "{refused:?}");
        }
    }
}

#[test]
fn a_failing_call_is_named_with_code_and_request_id_in_the_task() {
    let mut cloud = Cloud::new(&[]);
    let refusal = ApiError::new(400, "Thing.Locked", "The thing is locked.");
    cloud
        .world
        .refusals
        .insert("GetThing".into(), [refusal].into());
    let execution = cloud.run(WAIT, json!({}));
    assert_eq!(execution["StatusMessage"], "Task wait failed.");
    let id = execution["ExecutionId"].as_str().unwrap();
    let tasks = cloud
        .ask("ListTaskExecutions", json!({"ExecutionId": id}))
        .unwrap();
    let message = tasks["TaskExecutions"][0]["StatusMessage"]
        .as_str()
        .unwrap();
    for part in ["GetThing", "Thing.Locked", "The thing is locked.", "REQ-"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_foreign_template_in_json_runs_with_its_choices_checks_errors_and_repetitions() {
    let template = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Parameters": {"size": {"Type": "Number", "AllowedValues": [1, 2]}},
        "Tasks": [
            {"Name": "choose", "Action": "ACS::Choice", "Properties": {
                "DefaultTask": "small",
                "Choices": [{"When": {"Fn::Equals": ["{{ size }}", 2]}, "NextTask": "big"}]}},
            {"Name": "small", "Action": "ACS::ExecuteAPI", "OnSuccess": "ACS::END",
             "Properties": {"Service": "TEST", "API": "MakeSmall"}},
            {"Name": "big", "Action": "ACS::ExecuteAPI", "OnError": "repair", "Retries": 1,
             "DelayType": "Constant", "Delay": 5,
             "Properties": {"Service": "test", "API": "MakeBig", "Parameters": {"A": "{{ size }}"}}},
            {"Name": "never", "Action": "ACS::ExecuteAPI",
             "Properties": {"Service": "TEST", "API": "Never"}},
            {"Name": "repair", "Action": "ACS::CheckFor", "When": {"Fn::Equals": ["{{ size }}", 2]},
             "Properties": {"Service": "TEST", "API": "Look", "PropertySelector": ".Count",
                            "DesiredValues": ["7"]}},
        ],
    })
    .to_string();
    let mut cloud = Cloud::new(&[]);
    cloud
        .world
        .answers
        .insert("MakeSmall".into(), [json!({})].into());
    cloud
        .world
        .answers
        .insert("Look".into(), [json!({"Count": 7})].into());
    assert_eq!(
        cloud.run(&template, json!({"size": 1}))["Status"],
        "Success"
    );
    assert_eq!(cloud.world.names(), ["MakeSmall"]);

    cloud.world.calls.clear();
    assert_eq!(
        cloud.run(&template, json!({"size": "2"}))["Status"],
        "Success"
    );
    assert_eq!(cloud.world.names(), ["MakeBig", "MakeBig", "Look"]);
    assert_eq!(cloud.world.calls[0].params["A"], 2);

    let wrong = cloud.ask(
        "StartExecution",
        json!({"TemplateContent": template, "Parameters": r#"{"size": 3}"#}),
    );
    assert_eq!(wrong.unwrap_err().code, "InvalidParameter");
}

#[test]
fn list_calls_return_all_pages() {
    let names: Vec<String> = (0..120).map(|i| format!("i-{i:03}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut cloud = Cloud::new(&names);
    let template = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: list
    Action: ACS::ExecuteAPI
    Properties: {Service: ESS, API: DescribeScalingInstances, Parameters: {ScalingGroupId: asg-1}}
    Outputs:
      count: {Type: Number, ValueSelector: '.ScalingInstances.ScalingInstance | length'}
Outputs:
  count: {Type: Number, Value: '{{ list.count }}'}
";
    assert_eq!(
        cloud.run(template, json!({}))["Outputs"],
        r#"{"count":120}"#
    );
}

#[test]
fn pages_are_followed_where_an_answer_holds_them_one_object_down() {
    let page = |number: u32, ids: Value| {
        json!({"Invocation": {"PageNumber": number, "PageSize": 2, "TotalCount": 3,
                              "Results": {"Result": ids}}})
    };
    let mut cloud = Cloud::new(&[]);
    let answers = [page(1, json!(["a", "b"])), page(2, json!(["c"]))].into();
    cloud.world.answers.insert("DescribeThings".into(), answers);
    let template = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: list
    Action: ACS::ExecuteAPI
    Properties: {Service: TEST, API: DescribeThings}
    Outputs: {ids: {Type: List, ValueSelector: '.Invocation.Results.Result[]'}}
Outputs: {ids: {Type: List, Value: '{{ list.ids }}'}}
";
    let execution = cloud.run(template, json!({}));
    assert_eq!(execution["Outputs"], r#"{"ids":["a","b","c"]}"#);
    assert_eq!(cloud.world.calls[1].params["PageNumber"], 2);
}

#[test]
fn targets_are_selected_by_ids_by_tags_or_all() {
    let template = |targets: Value| {
        json!({
            "FormatVersion": "OOS-2019-06-01",
            "Tasks": [{
                "Name": "find", "Action": "ACS::SelectTargets",
                "Properties": {"ResourceType": "ALIYUN::ECS::Instance", "Filters": targets},
                "Outputs": {"ids": {"Type": "List",
                                    "ValueSelector": "Instances.Instance[].InstanceId"}},
            }],
            "Outputs": {"ids": {"Type": "List", "Value": "{{ find.ids }}"}},
        })
        .to_string()
    };
    let by_ids = json!({"Type": "ResourceIds", "ResourceIds": ["i-1", "i-9"]});
    let by_tag = |value: &str| json!({"Type": "Tags", "Tags": [{"Key": "app", "Value": value}]});
    let cases = [
        (json!([by_ids]), Some(r#"{"ids":["i-1"]}"#)),
        (json!([{"ResourceIds": []}]), Some(r#"{"ids":[]}"#)),
        (json!([by_tag("web")]), Some(r#"{"ids":["i-2"]}"#)),
        (json!([by_tag("none")]), Some(r#"{"ids":[]}"#)),
        (
            json!([{"Type": "All"}]),
            Some(r#"{"ids":["i-1","i-2","i-3"]}"#),
        ),
        (
            json!([by_tag("web"), by_ids, {"ResourceIds": ["i-2"]}]),
            Some(r#"{"ids":["i-2","i-1"]}"#),
        ),
        (json!([{"Type": "Tags", "Tags": []}]), None),
        (json!([{"Type": "Inventory"}]), None),
        (json!([]), Some(r#"{"ids":[]}"#)),
    ];
    for (filters, ids) in cases {
        let mut cloud = Cloud::new(&["i-1", "i-2", "i-3"]);
        let tags = &mut cloud.world.instances.get_mut("i-2").unwrap().tags;
        tags.insert("app".into(), "web".into());
        let execution = cloud.run(&template(filters.clone()), json!({}));
        match ids {
            Some(ids) => assert_eq!(execution["Outputs"], ids, "{filters}"),
            None => assert_eq!(execution["Status"], "Failed", "{filters}"),
        }
    }
}

#[test]
fn sleeps_take_durations_in_each_form_or_last_until_a_date() {
    // The first task runs at 07:00:01.
    for (properties, seconds) in [
        (json!({"Duration": "PT1M"}), Some(60)),
        (json!({"Duration": "1m"}), Some(60)),
        (json!({"Duration": "1H2M"}), Some(3720)),
        (json!({"Duration": "P1D"}), Some(86_400)),
        (json!({"EndDate": "2024-05-06t07:00:31z"}), Some(30)),
        (json!({"EndDate": "2023-01-01T00:00:00Z"}), Some(0)),
        (json!({"Duration": "P1M"}), None),
        (json!({"Duration": "soon"}), None),
        (
            json!({"Duration": "PT1M", "EndDate": "2025-01-01T00:00:00Z"}),
            None,
        ),
        (json!({}), None),
    ] {
        let template = json!({
            "FormatVersion": "OOS-2019-06-01",
            "Tasks": [{"Name": "nap", "Action": "ACS::Sleep", "Properties": properties}],
        });
        let execution = Cloud::new(&[]).run(&template.to_string(), json!({}));
        let Some(seconds) = seconds else {
            assert_eq!(execution["Status"], "Failed", "{properties}");
            continue;
        };
        let start: jiff::Timestamp = "2024-05-06T07:00:01Z".parse().unwrap();
        let end: jiff::Timestamp = execution["EndDate"].as_str().unwrap().parse().unwrap();
        assert_eq!(end.duration_since(start).as_secs(), seconds, "{properties}");
    }
}

#[test]
fn a_role_makes_the_calls_and_permissions_are_those_of_whoever_calls() {
    let template = |role: &str| {
        format!(
            "FormatVersion: OOS-2019-06-01\nRamRole: '{role}'\nTasks:\n  - Name: list\n    Action: \
             ACS::ExecuteAPI\n    Properties: {{Service: ESS, API: DescribeScalingGroups}}\n"
        )
    };
    let mut cloud = Cloud::new(&[]);
    assert_eq!(
        cloud.run(&template("OOSServiceRole"), json!({}))["Status"],
        "Success"
    );
    assert_eq!(cloud.world.calls[0].by, "role/OOSServiceRole");
    assert_eq!(cloud.run(&template(""), json!({}))["RamRole"], "");
    assert_eq!(cloud.world.calls[1].by, "someone");
    let missing = cloud.ask(
        "StartExecution",
        json!({"TemplateContent": template("Nobody")}),
    );
    assert_eq!(missing.unwrap_err().code, "AssumeRoleNotExist");

    cloud
        .world
        .denied
        .insert("ess:DescribeScalingGroups".into());
    assert_eq!(cloud.run(&template(""), json!({}))["Status"], "Failed");
}

#[test]
fn a_parameter_without_a_type_is_a_text_and_a_single_default_of_a_list_is_its_only_member() {
    let template = r#"
FormatVersion: OOS-2019-06-01
Parameters:
  bare: {Default: 7}
  state: {Type: List, Default: InService}
  number: {Type: Number, Default: '5'}
  truth: {Type: Boolean, Default: 'True'}
  json: {Type: Json, Default: '{"a": [1]}'}
  Tasks: {Type: List, Default: [a, b]}
Tasks: [{Name: nap, Action: ACS::Sleep, Properties: {Duration: PT1S}}]
Outputs:
  all:
    Type: Json
    Value: ['{{ bare }}', '{{ STATE }}', '{{ Number }}', '{{ truth }}', '{{ json.a }}', '{{ tasks }}']
"#;
    let mut cloud = Cloud::new(&[]);
    let execution = cloud.run(template, json!({}));
    assert_eq!(
        execution["Outputs"], r#"{"all":["7",["InService"],5,true,[1],["a","b"]]}"#,
        "{execution}"
    );
    // A caller may spell a parameter in another case, too, but not leave its type.
    let execution = cloud.run(template, json!({"BARE": "x", "number": "6.5"}));
    assert_eq!(
        execution["Outputs"], r#"{"all":["x",["InService"],6.5,true,[1],["a","b"]]}"#,
        "{execution}"
    );
}

#[test]
fn a_condition_on_the_item_is_judged_for_each_item() {
    let template = r"
FormatVersion: OOS-2019-06-01
Parameters: {items: {Type: List, Default: [a, b, c]}, wanted: {Default: b}}
Conditions:
  isWanted: {'Fn::Equals': ['{{ ACS::TaskLoopItem }}', '{{ wanted }}']}
Tasks:
  - Name: direct
    Action: ACS::ExecuteAPI
    When: {'Fn::Not': {'Fn::Equals': ['{{ ACS::TaskLoopItem }}', '{{ wanted }}']}}
    Properties: {Service: TEST, API: GetThing, Parameters: {Item: '{{ ACS::TaskLoopItem }}'}}
    Loop: {Items: '{{ items }}', Outputs: {got: {AggregateType: Fn::ListJoin, AggregateField: id}}}
    Outputs: {id: {Type: String, ValueSelector: .Id}}
  - Name: named
    Action: ACS::ExecuteAPI
    When: isWanted
    Properties: {Service: TEST, API: GetThing, Parameters: {Item: '{{ ACS::TaskLoopItem }}'}}
    Loop: {Items: '{{ items }}'}
  - Name: whole
    Action: ACS::ExecuteAPI
    When: {'Fn::Equals': ['{{ wanted }}', z]}
    Properties: {Service: TEST, API: GetThing}
    Loop: {Items: '{{ items }}'}
Outputs: {got: {Type: List, Value: '{{ direct.got }}'}}
";
    let mut cloud = Cloud::new(&[]);
    let answers = [json!({"Id": "x"})].into();
    cloud.world.answers.insert("GetThing".into(), answers);
    let execution = cloud.run(template, json!({}));
    assert_eq!(execution["Status"], "Success", "{execution}");
    assert_eq!(execution["Outputs"], r#"{"got":["x","x"]}"#);
    let items: Vec<Value> = cloud
        .world
        .calls
        .iter()
        .filter_map(|call| call.params.get("Item").cloned())
        .collect();
    assert_eq!(items, [json!("a"), json!("c"), json!("b")]);
}
