//! What a template declares: functions, types of outputs, joined outputs of loops, parameters that do
//! not show, rules.

use ess_emulator::cloud::Cloud;
use ess_emulator::oos::Taken;
use serde_json::{Value, json};

use crate::support::{execution, oos, pass, small};

fn call(more: Value) -> Value {
    let mut task = json!({"Name": "one", "Action": "ACS::ExecuteAPI",
        "Properties": {"Service": "ECS", "API": "DescribeInstances"}});
    let more = more.as_object().unwrap().clone();
    task.as_object_mut().unwrap().extend(more);
    task
}

fn template(task: Value, more: Value) -> String {
    let mut template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [task]});
    let more = more.as_object().unwrap().clone();
    template.as_object_mut().unwrap().extend(more);
    template.to_string()
}

fn validate(cloud: &mut Cloud, content: &str) -> Result<Value, String> {
    match oos(
        cloud,
        "ValidateTemplateContent",
        json!({"Content": content}),
    ) {
        Ok(answer) => Ok(answer["Missing"].clone()),
        Err(error) => {
            assert_eq!(error.code, "InvalidTemplate", "{content}");
            Err(error.message)
        }
    }
}

/// Runs a template to its end: the execution.
fn ended(cloud: &mut Cloud, content: &str, parameters: Value) -> Value {
    let ask = json!({"TemplateContent": content, "Parameters": parameters.to_string()});
    let answer = oos(cloud, "StartExecution", ask).unwrap();
    pass(cloud, 120);
    execution(cloud, answer["Execution"]["ExecutionId"].as_str().unwrap())
}

#[test]
fn what_only_looks_like_a_function_is_refused() {
    let mut cloud = small("");
    for stray in [
        json!({"Fn::Join": [",", ["a"]], "other": 1}),
        json!({"Fn::Join": [",", ["a"]], "Fn::Split": [",", "a"]}),
        json!({"Fn::Jion": [",", ["a"]], "other": 1}),
        json!({"fn::Join": [",", ["a"]]}),
        json!({"Fn:Join": [",", ["a"]]}),
        json!({"FN::JOIN": [",", ["a"]]}),
        json!([{"deep": {"Fn::Join": [",", ["a"]], "other": 1}}]),
    ] {
        let properties = json!({"Service": "ECS", "API": "DescribeInstances",
            "Parameters": {"InstanceName": stray}});
        let output = json!({"o": {"Type": "String", "Value": stray}});
        for (content, place) in [
            (
                template(call(json!({"Properties": properties})), json!({})),
                "task one",
            ),
            (
                template(call(json!({"When": {"Fn::Equals": [stray, 1]}})), json!({})),
                "task one",
            ),
            (
                template(call(json!({"Loop": {"Items": [stray]}})), json!({})),
                "task one",
            ),
            (
                template(call(json!({"Outputs": output})), json!({})),
                "output o of task one",
            ),
            (
                template(call(json!({})), json!({"Outputs": output})),
                "output o",
            ),
            (
                template(call(json!({})), json!({"RamRole": stray})),
                "RamRole",
            ),
            (
                template(
                    call(json!({})),
                    json!({"Parameters": {"p": {"Type": "Json", "Default": stray}}}),
                ),
                "parameter p",
            ),
            (
                template(
                    call(json!({})),
                    json!({"Conditions": {"c": {"Fn::Not": stray}}}),
                ),
                "condition c",
            ),
        ] {
            let refused = validate(&mut cloud, &content).expect_err(&content);
            assert!(
                refused.to_lowercase().contains("\"fn:"),
                "{content}: {refused}"
            );
            assert!(refused.contains(place), "{content}: {refused}");
        }
    }
    let retries = call(json!({"Retries": {"Fn::Bogus": 1}}));
    let refused = validate(&mut cloud, &template(retries, json!({}))).unwrap_err();
    assert!(
        refused.contains("Retries of task one") && refused.contains("Fn::Bogus"),
        "{refused}"
    );
    let delay = call(json!({"Delay": "{{ nobody }}"}));
    let refused = validate(&mut cloud, &template(delay, json!({}))).unwrap_err();
    assert!(
        refused.contains("Delay of task one") && refused.contains("nobody"),
        "{refused}"
    );
}

#[test]
fn the_type_of_an_output_counts() {
    let mut cloud = small("");
    let of_template = |kind: &str, value: Value| {
        let parameters = json!({"t": {"Default": "5"}, "l": {"Type": "List", "Default": [1]}});
        let outputs = json!({"o": {"Type": kind, "Value": value}});
        template(
            call(json!({})),
            json!({"Parameters": parameters, "Outputs": outputs}),
        )
    };
    let of_task = |kind: &str, value: Value| {
        let task = call(json!({"Outputs": {"v": {"Type": kind, "Value": value}}}));
        template(task, json!({"Outputs": {"o": {"Value": "{{ one.v }}"}}}))
    };
    let of_selector = |kind: &str, selector: &str| {
        let task = call(json!({"Outputs": {"v": {"Type": kind, "ValueSelector": selector}}}));
        template(task, json!({"Outputs": {"o": {"Value": "{{ one.v }}"}}}))
    };
    for (content, expected) in [
        (of_template("Number", json!("{{ t }}")), json!(5)),
        (of_template("String", json!(5)), json!("5")),
        (of_template("String", json!(true)), json!("true")),
        (of_template("Boolean", json!("True")), json!(true)),
        (of_template("List", json!("[1, 2]")), json!([1, 2])),
        (of_template("List", json!("{{ l }}")), json!([1])),
        (of_template("Json", json!("{\"a\": 1}")), json!({"a": 1})),
        (of_template("Json", json!(5)), json!(5)),
        (of_task("Number", json!("7")), json!(7)),
        (of_task("List", json!(["a"])), json!(["a"])),
        (of_selector("Number", ".TotalCount | tostring"), json!(3)),
        (of_selector("Boolean", "\"true\""), json!(true)),
        (
            of_selector("List", ".Instances.Instance[].Status"),
            json!(["Running", "Running", "Running"]),
        ),
        (
            of_selector("String", ".Instances.Instance[].Status"),
            json!("Running"),
        ),
        (of_selector("Number", ".Nothing"), json!(null)),
        (of_selector("String", "{a: 1}"), json!({"a": 1})),
    ] {
        let run = ended(&mut cloud, &content, json!({}));
        assert_eq!(run["Status"], "Success", "{content}: {run}");
        let outputs: Value = serde_json::from_str(run["Outputs"].as_str().unwrap()).unwrap();
        assert_eq!(outputs["o"], expected, "{content}");
    }
    for content in [
        of_template("Number", json!("many")),
        of_template("Boolean", json!("{{ t }}")),
        of_template("Boolean", json!(5)),
        of_template("List", json!("{{ t }}")),
        of_task("Number", json!(["a"])),
        of_selector("Number", "\"many\""),
        of_selector("Boolean", ".TotalCount"),
    ] {
        let run = ended(&mut cloud, &content, json!({}));
        assert_eq!(run["Status"], "Failed", "{content}: {run}");
        let tasks = oos(
            &mut cloud,
            "ListTaskExecutions",
            json!({"ExecutionId": run["ExecutionId"]}),
        );
        let told = format!("{}{}", run["StatusMessage"], tasks.unwrap());
        assert!(told.contains("must be of type"), "{content}: {told}");
    }
    // Public templates take a structure apart that they declare as a text: it is told of.
    let run = ended(&mut cloud, &of_selector("String", "{a: 1}"), json!({}));
    let logs = oos(
        &mut cloud,
        "ListExecutionLogs",
        json!({"ExecutionId": run["ExecutionId"]}),
    );
    let logs = logs.unwrap().to_string();
    assert!(
        logs.contains("The output v is declared as String"),
        "{logs}"
    );
    let both = call(json!({"Outputs": {"v": {"Value": 1, "ValueSelector": ".a"}}}));
    let selected = json!({"Outputs": {"o": {"ValueSelector": ".a"}}});
    let nothing = json!({"Outputs": {"o": {"Type": "String"}}});
    for (content, what) in [
        (
            template(both, json!({})),
            "Value and ValueSelector of output v of task one",
        ),
        (template(call(json!({})), selected), "ValueSelector"),
        (
            template(call(json!({})), nothing),
            "Value of output o is missing",
        ),
    ] {
        let refused = validate(&mut cloud, &content).expect_err(&content);
        assert!(refused.contains(what), "{refused}");
    }
    for kind in ["Array", "Object", "number"] {
        let refused = validate(&mut cloud, &of_template(kind, json!(1))).unwrap_err();
        assert!(refused.contains(kind), "{refused}");
    }
}

#[test]
fn a_loop_joins_what_its_items_put_out() {
    let mut cloud = small("");
    let looped = |rule: Value| {
        let task = call(json!({
            "Loop": {"Items": [1, 2], "Outputs": {"all": rule}},
            "Outputs": {"count": {"Type": "Number", "ValueSelector": ".TotalCount"}},
        }));
        template(
            task,
            json!({"Outputs": {"o": {"Type": "List", "Value": "{{ one.all }}"}}}),
        )
    };
    for (rule, what) in [
        (json!({"AggregateField": "cuont"}), "cuont"),
        (json!({"AggregateType": "Fn::ListJoin"}), "the output all"),
        (
            json!({"AggregateFeild": "count"}),
            "AggregateField must be meant",
        ),
        (json!({"AggregateField": ["count"]}), "AggregateField"),
        (
            json!({"AggregateType": 5, "AggregateField": "count"}),
            "AggregateType",
        ),
        (json!({"AggregateField": "count", "Type": "String"}), "Type"),
        (json!({"AggregateField": "count", "Type": "Array"}), "Type"),
    ] {
        let refused = validate(&mut cloud, &looped(rule.clone())).expect_err(&rule.to_string());
        assert!(
            refused.contains("task one") && refused.contains(what),
            "{rule}: {refused}"
        );
    }
    for rule in [
        json!({"AggregateType": "Fn::ListJoin", "AggregateField": "count"}),
        json!({"AggregateField": "Count", "Type": "List"}),
    ] {
        let run = ended(&mut cloud, &looped(rule.clone()), json!({}));
        assert_eq!(run["Outputs"], r#"{"o":[3,3]}"#, "{rule}: {run}");
    }
}

#[test]
fn one_number_says_how_many_of_each_batch_run_at_a_time() {
    let mut cloud = small("");
    let nap = json!({"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT10S"}});
    let ask = json!({"TemplateName": "nap", "Content": template(nap, json!({}))});
    oos(&mut cloud, "CreateTemplate", ask).unwrap();
    let task = json!({"Name": "one", "Action": "ACS::Template", "Properties": {"TemplateName": "nap"},
        "Loop": {"Items": [1, 2, 3, 4], "RateControl":
            {"Mode": "Batch", "Batch": [4], "ConcurrencyInBatches": 1}}});
    let ask = json!({"TemplateContent": template(task, json!({}))});
    let answer = oos(&mut cloud, "StartExecution", ask).unwrap();
    pass(&mut cloud, 15);
    let id = &answer["Execution"]["ExecutionId"];
    let ask = json!({"ExecutionId": id, "IncludeChildTaskExecution": true, "Status": "Running"});
    let tasks = oos(&mut cloud, "ListTaskExecutions", ask).unwrap();
    let rows = tasks["TaskExecutions"].as_array().unwrap();
    let items = rows.iter().filter(|row| row.get("LoopItem").is_some());
    assert_eq!(items.count(), 1, "{tasks}");
}

#[test]
fn the_value_of_a_parameter_with_no_echo_is_not_among_the_parameters() {
    let mut cloud = small("");
    let parameters = json!({
        "open": {"Default": "seen"}, "password": {"NoEcho": true},
        "empty": {"NoEcho": true, "Default": ""}, "other": {"NoEcho": false, "Default": "too"}});
    let content = template(
        json!({"Name": "one", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}),
        json!({"Parameters": parameters}),
    );
    let ask = json!({"TemplateContent": content,
        "Parameters": json!({"password": "hunter2"}).to_string()});
    let answer = oos(&mut cloud, "StartExecution", ask).unwrap();
    let id = answer["Execution"]["ExecutionId"].as_str().unwrap();
    let shown = answer["Execution"]["Parameters"].as_str().unwrap();
    let shown: Value = serde_json::from_str(shown).unwrap();
    let listed = execution(&mut cloud, id)["Parameters"].clone();
    for shown in [shown, listed] {
        assert_eq!(shown["password"], "******");
        assert_eq!(
            (&shown["open"], &shown["empty"], &shown["other"]),
            (&json!("seen"), &json!(""), &json!("too"))
        );
    }
}

#[test]
fn rules_of_a_template_are_told_of() {
    let mut cloud = small("");
    let rules = json!({"r": {"Assertions": [{"Assert": {"Fn::Equals": ["a", "b"]}}]}});
    let with = |rules: &Value| template(call(json!({})), json!({"Rules": rules}));
    let told = validate(&mut cloud, &with(&rules)).unwrap();
    assert_eq!(told, json!(["Rules of the template"]));
    let run = ended(&mut cloud, &with(&rules), json!({}));
    assert_eq!(run["Status"], "Success", "{run}");
    let missing = {
        let mut calls = cloud.world.journal.since(0);
        let call = calls.find(|e| e.action == "StartExecution").unwrap();
        call.missing.clone()
    };
    assert_eq!(missing, ["Rules of the template"]);
    assert_eq!(
        validate(&mut cloud, &with(&json!({}))).unwrap(),
        Value::Null
    );
    let refused = validate(&mut cloud, &with(&json!([]))).unwrap_err();
    assert!(refused.contains("Rules"), "{refused}");
    cloud.world.switches.oos.missing_actions = Taken::Refused;
    let refused = validate(&mut cloud, &with(&rules)).unwrap_err();
    assert!(refused.contains("Rules of the template"), "{refused}");
}
