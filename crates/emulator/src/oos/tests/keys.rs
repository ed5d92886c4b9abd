//! What a template may say: a key, a function or a name that is none is refused before anything is
//! done, and what OOS has and the interpreter does not is told of.

use serde_json::{Value, json};

use super::world::Cloud;

const CALL: &str = "Service: TEST, API: Do";

/// A template of one task, given as YAML behind its name.
fn one(task: &str) -> String {
    format!("{{FormatVersion: OOS-2019-06-01, Tasks: [{{Name: one, {task}}}]}}")
}

fn validate(content: &str) -> Result<Vec<Value>, String> {
    let mut cloud = Cloud::new(&[]);
    let asked = json!({"Content": content});
    match cloud.ask("ValidateTemplateContent", asked) {
        Ok(answer) => Ok(answer["Missing"].as_array().cloned().unwrap_or_default()),
        Err(error) => {
            assert_eq!(error.code, "InvalidTemplate", "{content}");
            Err(error.message)
        }
    }
}

#[test]
fn a_key_that_is_none_is_refused_with_its_place() {
    let sleep = "Action: 'ACS::Sleep', Properties: {Duration: PT1S}";
    let call = format!("Action: 'ACS::ExecuteAPI', Properties: {{{CALL}}}");
    let looped = |settings: &str| format!("{call}, Loop: {settings}");
    let with = |action: &str, properties: &str| {
        format!("Action: 'ACS::{action}', Properties: {{{properties}}}")
    };
    for (task, what) in [
        (format!("{sleep}, Wen: x"), "Wen"),
        (format!("{sleep}, DependsOn: [a]"), "DependsOn"),
        (format!("{sleep}, IsEnd: true"), "IsEnd"),
        (format!("{sleep}, Outputs: {{o: {{Typ: String}}}}"), "Typ"),
        (
            with("ExecuteAPI", "Service: TEST, API: Do, Paramters: {}"),
            "Paramters",
        ),
        (
            with("ExecuteAPI", "Service: TEST, API: Do, Risk: Hihg"),
            "Risk must be High or Normal",
        ),
        (
            with(
                "WaitFor",
                "Service: TEST, API: Do, DesiredValues: [1], Desired: [2]",
            ),
            "Desired",
        ),
        (
            with(
                "CheckFor",
                "Service: TEST, API: Do, DesiredValues: [1], Retries: 3",
            ),
            "Retries",
        ),
        (with("Sleep", "Duration: PT1S, Foo: 1"), "Foo"),
        (with("Pause", "Foo: 1"), "Foo"),
        (with("Approve", "Approver: [x]"), "Approver"),
        (
            with("Template", "TemplateName: x, Parameter: {}"),
            "Parameter",
        ),
        (with("Choice", "Choice: []"), "Choice"),
        (
            with("Choice", "Choices: [{When: 'true', Next: 'ACS::END'}]"),
            "Next",
        ),
        (with("Notify", "NotifyType: SMS, SMS: {}, To: x"), "To"),
        (with("SelectTargets", "Type: All, Region: x"), "Region"),
        (
            with("TimerTrigger", "Type: at, Expression: x, When: y"),
            "When",
        ),
        (looped("{Items: [1], RateControl: {Mode: Foo}}"), "Mode"),
        (
            looped("{Items: [1], RateControl: {Mode: Batch, Batch: 1, Foo: 1}}"),
            "Foo",
        ),
        (
            looped("{Items: [1], RateControl: {Concurrency: 0}}"),
            "Concurrency",
        ),
        (looped("{Items: [1], Concurrency: '0'}"), "Concurrency"),
        (
            looped("{Items: [1], RateControl: {Mode: Batch, Batch: [1, 0]}}"),
            "Batch",
        ),
        (looped("{Items: [1], MaxErrors: many}"), "MaxErrors"),
        (
            looped("{Items: [1], BatchPauseOption: Never}"),
            "BatchPauseOption",
        ),
        (looped("{Items: [1], Foo: 1}"), "Foo"),
        (looped("{Item: [1]}"), "Item"),
        (
            looped("{Items: [1], Outputs: {o: {Aggregate: x}}}"),
            "Aggregate",
        ),
        (format!("{sleep}, DelayType: Foo"), "DelayType"),
        (format!("{sleep}, Retries: often"), "Retries"),
        (format!("{sleep}, Delay: 0"), "Delay"),
    ] {
        let refused = validate(&one(&task)).expect_err(&task);
        assert!(refused.contains("task one"), "{task}: {refused}");
        assert!(refused.contains(what), "{task}: {refused}");
        // Started without being saved, it is refused as well.
        let mut cloud = Cloud::new(&[]);
        let started = cloud.ask("StartExecution", json!({"TemplateContent": one(&task)}));
        assert_eq!(started.unwrap_err().code, "InvalidTemplate", "{task}");
    }
    let whole = |more: &str| {
        let tasks = format!("Tasks: [{{Name: one, {sleep}}}]");
        validate(&format!(
            "{{FormatVersion: OOS-2019-06-01, {tasks}, {more}}}"
        ))
    };
    let refused = whole("Parameters: {p: {Type: String, Foo: 1}}").unwrap_err();
    assert!(
        refused.contains("parameter p") && refused.contains("Foo"),
        "{refused}"
    );
    for outputs in ["{o: {Type: String}}", "{o: {Type: String, Value: null}}"] {
        let refused = whole(&format!("Outputs: {outputs}")).unwrap_err();
        assert!(
            refused.contains("Value of output o"),
            "{outputs}: {refused}"
        );
    }
    let refused = whole("Outputs: {o: {Type: String, Valeu: 1}}").unwrap_err();
    assert!(
        refused.contains("output o") && refused.contains("Valeu"),
        "{refused}"
    );
}

#[test]
fn what_oos_has_and_the_interpreter_does_not_is_told_of() {
    let sleep = "Action: 'ACS::Sleep', Properties: {Duration: PT1S}";
    let call = format!("Action: 'ACS::ExecuteAPI', Properties: {{{CALL}");
    for (task, what) in [
        (
            format!("{sleep}, OnCancel: 'ACS::END'"),
            "OnCancel of task one",
        ),
        (
            format!("{sleep}, IsCritical: false"),
            "IsCritical of task one",
        ),
        (
            format!("{call}, Parameters: {{a: {{'Fn::FindMatchedPackage': [x, y]}}}}}}"),
            "Fn::FindMatchedPackage in task one",
        ),
        (
            format!("{call}, Method: POST}}"),
            "Method in Properties of task one",
        ),
        (
            "Action: 'ACS::EventTrigger', Properties: {Product: ECS, Foo: 1}".to_owned(),
            "Foo in Properties of task one",
        ),
        (
            format!(
                "{call}}}, Loop: {{Items: [1], Outputs: {{o: {{AggregateType: 'Fn::Sum', AggregateField: o}}}}}}"
            ),
            "AggregateType Fn::Sum in Loop.Outputs.o of task one",
        ),
    ] {
        let missing = validate(&one(&task)).unwrap();
        let told = missing
            .iter()
            .any(|m| m.as_str().unwrap().starts_with(what));
        assert!(told, "{task}: {missing:?}");
    }
}

#[test]
fn a_nested_template_that_nobody_has_looked_at_is_told_of() {
    let mut cloud = Cloud::new(&[]);
    let content = one("Action: 'ACS::Sleep', Properties: {Duration: PT1S}, Wen: x");
    let nested = crate::oos::template::Version::new("t-1", "nested", "v1", &content, true).unwrap();
    cloud.engine.public.insert("nested".to_owned(), nested);
    let content = one("Action: 'ACS::Template', Properties: {TemplateName: nested}");
    let answer = cloud.ask("ValidateTemplateContent", json!({"Content": content}));
    let missing = answer.unwrap()["Missing"].to_string();
    assert!(
        missing.contains("nested") && missing.contains("Wen"),
        "{missing}"
    );
}

#[test]
fn what_a_reference_gives_for_the_repetition_counts() {
    let content = r"
FormatVersion: OOS-2019-06-01
Parameters: {times: {Type: Number}, kind: {Type: String, Default: Constant}}
Tasks:
  - Name: try
    Action: ACS::ExecuteAPI
    Retries: '{{ times }}'
    DelayType: '{{ kind }}'
    Properties: {Service: TEST, API: None}
";
    let mut cloud = Cloud::new(&[]);
    let ended = cloud.run(content, json!({"times": 3}));
    assert_eq!(ended["Status"], "Failed");
    assert_eq!(cloud.world.count("None"), 4);
}

#[test]
fn a_function_or_a_name_that_is_none_is_refused_before_anything_is_done() {
    let template = |properties: &str, outputs: &str| {
        format!(
            "{{FormatVersion: OOS-2019-06-01, Parameters: {{p: {{Type: Json, Default: {{}}}}}}, Tasks: [\
             {{Name: get, Action: 'ACS::ExecuteAPI', Properties: {{{CALL}}}, \
               Outputs: {{ids: {{Type: List, ValueSelector: .x}}, a.b: {{ValueSelector: .y}}}}}}, \
             {{Name: child, Action: 'ACS::Template', Properties: {{TemplateName: other}}}}, \
             {{Name: put, Action: 'ACS::ExecuteAPI', Properties: {{{CALL}, Parameters: {properties}}}}}], \
             Outputs: {outputs}}}"
        )
    };
    for (properties, outputs, what) in [
        ("{x: {'Fn::Bogus': 1}}", "{}", "Fn::Bogus"),
        (
            "{}",
            "{o: {Value: {'Fn::Join': [',', [{'Fn::Bogus': 1}]]}}}",
            "Fn::Bogus",
        ),
        ("{x: '{{ nobody }}'}", "{}", "nobody"),
        ("{}", "{o: {Value: 'x {{ nobody.ids }}'}}", "nobody"),
        ("{x: '{{ get.idz }}'}", "{}", "idz"),
        ("{}", "{o: {Value: '{{ put.ids }}'}}", "ids"),
    ] {
        let refused = validate(&template(properties, outputs)).expect_err(what);
        assert!(refused.contains(what), "{refused}");
    }
    for properties in [
        "{x: '{{ get.ids }}'}",
        "{x: '{{ GET.Ids.0 }}'}",
        "{x: '{{ get.a.b }}'}",
        "{x: '{{ get }}'}",
        "{x: '{{ p.any.thing }}'}",
        "{x: '{{ P }}'}",
        "{x: '{{ child.whatever }}'}",
        "{x: '{{ ACS::RegionId }} {{ oos:name }} {{ oos-secret:name:1 }}'}",
        "{x: '{{ ACS::TaskLoopItem.a }}'}",
        "{x: '{{.Names}}'}",
        "{x: {'Fn::Select': [0, '{{ get.ids }}']}}",
    ] {
        let taken = validate(&template(properties, "{}"));
        assert!(taken.is_ok(), "{properties}: {taken:?}");
    }
}

#[test]
fn a_default_is_held_against_its_declaration() {
    let parameter = |declaration: Value| {
        let template = json!({
            "FormatVersion": "OOS-2019-06-01", "Parameters": {"p": declaration},
            "Tasks": [{"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
            "Outputs": {"o": {"Type": "Json", "Value": "{{ p }}"}},
        });
        template.to_string()
    };
    for declaration in [
        json!({"Type": "Number", "Default": "abc"}),
        json!({"Type": "Boolean", "Default": "maybe"}),
        json!({"Type": "Json", "Default": "{"}),
        json!({"Type": "String", "Default": {"a": 1}}),
        json!({"Type": "String", "Default": "z", "AllowedValues": ["a"]}),
        json!({"Type": "List", "Default": ["a", "z"], "AllowedValues": ["a"]}),
        json!({"Type": "String", "Default": "Z", "AllowedPattern": "[a-z]"}),
        json!({"Type": "String", "Default": "abcd", "MaxLength": 3}),
        json!({"Type": "List", "Default": [1], "MinLength": 2}),
        json!({"Type": "Number", "Default": 4, "MaxValue": 3}),
    ] {
        let refused = validate(&parameter(declaration.clone())).unwrap_err();
        assert!(refused.contains("parameter p"), "{declaration}: {refused}");
    }
    let mut cloud = Cloud::new(&[]);
    let late = json!({"Type": "String", "Default": "{{ ACS::RegionId }}", "AllowedValues": ["a"]});
    let asked = json!({"TemplateContent": parameter(late)});
    let refused = cloud.ask("StartExecution", asked).unwrap_err();
    assert_eq!(refused.code, "InvalidParameter");
    for (declaration, value) in [
        (json!({"Type": "Number", "Default": "5"}), json!(5)),
        (
            json!({"Type": "List", "Default": "InService"}),
            json!(["InService"]),
        ),
        (json!({"Type": "List", "Default": "[1, 2]"}), json!([1, 2])),
        (
            json!({"Type": "Json", "Default": "{\"a\": 1}"}),
            json!({"a": 1}),
        ),
        (
            json!({"Type": "String", "Default": "", "AllowedValues": ["a"]}),
            json!(""),
        ),
        (
            json!({"Default": "{{ ACS::RegionId }}"}),
            json!("cn-hangzhou"),
        ),
    ] {
        let ended = cloud.run(&parameter(declaration.clone()), json!({}));
        assert_eq!(ended["Status"], "Success", "{declaration}: {ended}");
        let outputs: Value = serde_json::from_str(ended["Outputs"].as_str().unwrap()).unwrap();
        assert_eq!(outputs["o"], value, "{declaration}");
    }
}

#[test]
fn a_key_that_makes_no_difference_for_its_action_is_refused() {
    let sleep = "Action: 'ACS::Sleep', Properties: {Duration: PT1S}";
    let choice =
        "Action: 'ACS::Choice', Properties: {Choices: [{When: 'true', NextTask: 'ACS::END'}]}";
    let approve = "Action: 'ACS::Approve', Properties: {Approvers: [ann]}";
    let call = format!("Action: 'ACS::ExecuteAPI', Properties: {{{CALL}}}");
    let looped = |control: &str| format!("{call}, Loop: {{Items: [1], {control}}}");
    for (task, what) in [
        (format!("{choice}, Loop: {{Items: [1]}}"), "Loop"),
        (format!("{choice}, OnSuccess: 'ACS::END'"), "OnSuccess"),
        (format!("{choice}, Retries: 2"), "Retries"),
        (format!("{choice}, Outputs: {{o: {{Type: String}}}}"), "output o"),
        (format!("{sleep}, Retries: 2"), "Retries"),
        (format!("{sleep}, Outputs: {{o: {{ValueSelector: .x}}}}"), "output o"),
        (
            format!("{call}, Loop: {{Items: [1], Outputs: {{o: {{AggregateField: x}}}}}}"),
            "joins the output x",
        ),
        (format!("{sleep}, Loop: {{Items: [1]}}"), "Loop"),
        (format!("{approve}, Loop: {{Items: [1]}}"), "Loop"),
        ("Action: 'ACS::Pause', Loop: {Items: [1]}".to_owned(), "Loop"),
        (looped("RateControl: {}"), "Mode"),
        (looped("RateControl: {Concurrency: 2, MaxErrors: 1}"), "Mode"),
        (looped("RateControl: {Mode: Batch, Batch: []}"), "Batch is empty"),
        (looped("Concurrency: []"), "Concurrency is empty"),
        (
            looped("RateControl: {Mode: Concurrency, Concurrency: 2, BatchPauseOption: EveryBatchPause}"),
            "BatchPauseOption",
        ),
        (
            looped("RateControl: {Mode: Concurrency, Concurrency: [1]}, BatchPauseOption: FirstBatchPause"),
            "BatchPauseOption",
        ),
        (
            looped("MaxErrors: 2, RateControl: {Mode: Concurrency, MaxErrors: 1}"),
            "MaxErrors",
        ),
        (format!("{approve}, Delay: 2"), "Delay"),
        (format!("{approve}, Outputs: {{o: {{}}}}"), "output o"),
        ("Action: 'ACS::Approve', Properties: {Message: x}".to_owned(), "Approvers"),
        ("Action: 'ACS::Approve'".to_owned(), "Approvers"),
        (
            "Action: 'ACS::TimerTrigger', Retries: 1, Properties: {Type: at, Expression: '2030-01-01T00:00:00Z'}"
                .to_owned(),
            "Retries",
        ),
        (
            looped("BatchPauseOption: EveryBatchPause, Concurrency: 1"),
            "BatchPauseOption",
        ),
        (looped("BatchPauseOption: FirstBatchPause"), "BatchPauseOption"),
        (looped("Batch: [1]"), "Batch"),
        (
            looped("RateControl: {Mode: Concurrency, ConcurrencyInBatches: [1]}"),
            "ConcurrencyInBatches",
        ),
        (
            looped("RateControl: {Mode: Batch, Batch: [1], Concurrency: 2}"),
            "Concurrency",
        ),
    ] {
        let refused = validate(&one(&task)).expect_err(&task);
        assert!(refused.contains("task one"), "{task}: {refused}");
        assert!(refused.contains(what), "{task}: {refused}");
    }
    for task in [
        format!("{choice}, When: 'true', OnError: 'ACS::END'"),
        format!("{sleep}, Outputs: {{o: {{Value: x}}}}"),
        looped("MaxErrors: 1, RateControl: {Mode: Concurrency, Concurrency: 2}"),
        looped(
            "RateControl: {Mode: Concurrency, Concurrency: [1], BatchPauseOption: '{{ ACS::RegionId }}'}",
        ),
        "Action: 'ACS::Pause'".to_owned(),
        looped("BatchPauseOption: Automatic"),
        looped("BatchPauseOption: EveryBatchPause, Concurrency: [1]"),
        looped("BatchPauseOption: EveryBatchPause, Concurrency: {'Fn::CalculateBatch': [1, [1]]}"),
        looped("RateControl: {Mode: Batch, Batch: [1], BatchPauseOption: EveryBatchPause}"),
    ] {
        validate(&one(&task)).unwrap();
    }
    // What a reference stands for is looked at when the loop begins.
    let run = |items: Value, control: Value| {
        let template = json!({
            "FormatVersion": "OOS-2019-06-01",
            "Parameters": {"control": {"Type": "Json", "Default": control}},
            "Tasks": [{"Name": "one", "Action": "ACS::ExecuteAPI",
                       "Properties": {"Service": "TEST", "API": "Do"},
                       "Loop": {"Items": items, "RateControl": "{{ control }}"}}],
        });
        let mut cloud = Cloud::new(&[]);
        cloud.world.answers.insert("Do".into(), [json!({})].into());
        let ended = cloud.run(&template.to_string(), json!({}));
        (ended["Status"].clone(), cloud.world.count("Do"))
    };
    for control in [
        json!({"Mode": "Concurrency", "Concurrency": 1, "Batch": 2}),
        json!({"Concurrency": 1}),
        json!({"Mode": "Batch", "Batch": []}),
        json!({"Mode": "Concurrency", "Concurrency": [1], "BatchPauseOption": "FirstBatchPause"}),
    ] {
        let ended = run(json!([1]), control.clone());
        assert_eq!(ended, (json!("Failed"), 0), "{control}");
    }
    // The batches of no items are none.
    let none = json!({"Mode": "Batch", "Batch": []});
    assert_eq!(run(json!([]), none), (json!("Success"), 0));
}

#[test]
fn tasks_whose_names_differ_in_case_alone_are_refused() {
    let sleep = "Action: 'ACS::Sleep', Properties: {Duration: PT1S}";
    let content = format!(
        "{{FormatVersion: OOS-2019-06-01, Tasks: [{{Name: Wait, {sleep}}}, {{Name: wait, {sleep}}}]}}"
    );
    let refused = validate(&content).unwrap_err();
    assert!(refused.contains("Wait and wait"), "{refused}");
}

#[test]
fn limits_that_do_not_fit_the_type_or_that_nothing_keeps_to_are_refused() {
    let parameter = |declaration: &Value| {
        let template = json!({
            "FormatVersion": "OOS-2019-06-01", "Parameters": {"p": declaration},
            "Tasks": [{"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
        });
        template.to_string()
    };
    for (declaration, what) in [
        (json!({"Type": "Number", "MinLength": 1}), "MinLength"),
        (json!({"Type": "Json", "MaxLength": 1}), "MaxLength"),
        (json!({"Type": "Boolean", "MaxValue": 1}), "MaxValue"),
        (json!({"Type": "String", "MinValue": 1}), "MinValue"),
        (json!({"MinValue": 1}), "MinValue"),
        (
            json!({"Type": "List", "AllowedPattern": "a"}),
            "AllowedPattern",
        ),
        (
            json!({"Type": "Number", "AllowedPattern": "1"}),
            "AllowedPattern",
        ),
        (json!({"AllowedPattern": "a)(b"}), "AllowedPattern"),
        (
            json!({"MinLength": 3, "MaxLength": 2}),
            "MinLength is above MaxLength",
        ),
        (
            json!({"Type": "Number", "MinValue": "3", "MaxValue": 2}),
            "MinValue is above MaxValue",
        ),
        (json!({"AllowedValues": []}), "AllowedValues"),
        (
            json!({"Type": "Number", "AllowedValues": [1, "x"]}),
            "AllowedValues",
        ),
        (
            json!({"Type": "Boolean", "AllowedValues": ["maybe"]}),
            "AllowedValues",
        ),
        (
            json!({"AllowedValues": ["a"], "MinLength": 2}),
            "AllowedValues",
        ),
        (
            json!({"Type": "Number", "AllowedValues": [1, 2], "Default": 3}),
            "must be one of",
        ),
    ] {
        let refused = validate(&parameter(&declaration)).expect_err(&declaration.to_string());
        assert!(refused.contains("parameter p"), "{declaration}: {refused}");
        assert!(refused.contains(what), "{declaration}: {refused}");
    }
    for declaration in [
        json!({"Type": "List", "MinLength": 1, "AllowedValues": ["a"]}),
        json!({"Type": "Number", "MinValue": 1, "MaxValue": 1, "AllowedValues": ["1"]}),
        json!({"AllowedPattern": "a|b", "AllowedValues": ["a", "c"], "MaxLength": 1}),
    ] {
        validate(&parameter(&declaration)).unwrap();
    }
}

#[test]
fn what_is_there_twice_or_too_large_is_refused_in_templates_and_parameters() {
    let tasks =
        r#""Tasks": [{"Name": "one", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}]"#;
    let head = r#"{"FormatVersion": "OOS-2019-06-01", "#;
    for (content, what) in [
        (format!(r#"{head}"Description": "a", "Description": "b", {tasks}}}"#), "Description"),
        (
            format!(r#"{head}"Metadata": {{"n": 18446744073709551616}}, {tasks}}}"#),
            "Metadata.n",
        ),
        (
            "FormatVersion: OOS-2019-06-01\nTasks:\n- Name: one\n  Action: ACS::Sleep\n  Action: ACS::Pause\n"
                .to_owned(),
            "line 5: the key Action is there twice",
        ),
        (
            "FormatVersion: OOS-2019-06-01\nMetadata: 18446744073709551616\n".to_owned(),
            "18446744073709551616",
        ),
    ] {
        let refused = validate(&content).expect_err(&content);
        assert!(refused.contains(what), "{content}: {refused}");
    }
    let content = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Parameters": {"p": {"Type": "Json"}, "n": {"Type": "Number", "Default": 1}},
        "Tasks": [{"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
    });
    let mut cloud = Cloud::new(&[]);
    for (parameters, what) in [
        (r#"{"p": {}, "p": []}"#, "the key p is there twice"),
        (r#"{"p": {"a": 99999999999999999999}}"#, "p.a"),
        (
            r#"{"p": "{\"a\": 1, \"a\": 2}"}"#,
            "the key a is there twice",
        ),
        (r#"{"p": {}, "n": "99999999999999999999"}"#, "too large"),
    ] {
        let asked = json!({"TemplateContent": content.to_string(), "Parameters": parameters});
        let refused = cloud.ask("StartExecution", asked).unwrap_err();
        assert_eq!(refused.code, "InvalidParameter");
        assert!(refused.message.contains(what), "{parameters}: {refused}");
    }
}
