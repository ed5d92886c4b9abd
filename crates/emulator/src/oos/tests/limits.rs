//! Limits: what is refused at once, and what comes to an end by itself.

use serde_json::{Value, json};

use super::functions::evaluate;
use super::world::Cloud;

#[test]
fn programs_that_could_run_away_are_refused() {
    let nested = "[.[] as $a | ".repeat(40) + "1" + &"]".repeat(40);
    let doubled = ".+.|".repeat(60) + ".";
    let copied = "[.,.]|".repeat(60) + ".";
    for program in [
        "def f: f; f",
        "[range(1e12)]",
        "repeat(1)",
        "\"x\" * 1000000000",
        "env",
        "now",
        "last(recurse(1))",
        ".[1000000000] = 1",
        nested.as_str(),
        doubled.as_str(),
        copied.as_str(),
    ] {
        let message = evaluate(json!({"Fn::Jq": ["All", program, "{{ list }}"]}));
        assert!(
            message.as_str().is_some_and(|m| m.contains("Fn::Jq")),
            "{program}: {message}"
        );
    }
}

#[test]
fn functions_refuse_results_that_would_not_fit_before_they_make_them() {
    let long = "x".repeat(20_000);
    let many = vec![""; 5_000];
    // What each would make: a hundred million bytes and more, or as many values.
    for (name, argument) in [
        ("Join", json!([long, many])),
        ("Replace", json!([{"x": long}, long])),
        ("Sub", json!(["${a}".repeat(10_000), {"a": long}])),
        (
            "MergeMapToList",
            json!([{"a": vec![1; 20_000]}, {"b": ["x".repeat(20_000)]}]),
        ),
        ("Union", json!([vec![1; 9_000], vec![2; 9_000]])),
    ] {
        let name = format!("Fn::{name}");
        let message = evaluate(json!({ name.clone(): argument }));
        let message = message.as_str().unwrap_or_default();
        assert!(message.contains(&name), "{name}: {message}");
        assert!(
            message.contains("longer than") || message.contains("at most"),
            "{name}: {message}"
        );
    }
    // One after the other, too: each fits, all together do not.
    let half = json!({"Fn::Replace": [{"x": "y".repeat(40)}, "x".repeat(20_000)]});
    let split = json!({"Fn::Split": ["y", half]});
    let message = evaluate(json!([split, split]));
    assert!(
        message.as_str().unwrap_or_default().contains("too large"),
        "{message:.200}"
    );
}

#[test]
fn wrong_parameters_and_templates_are_refused_at_once() {
    let template = |parameters: Value| {
        json!({
            "FormatVersion": "OOS-2019-06-01", "Parameters": parameters,
            "Tasks": [{"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
        })
        .to_string()
    };
    // Aliases of aliases: two thousand bytes that spell out a billion texts.
    let mut laughs = "a0: &a0 [x]\n".to_owned();
    for i in 1..30 {
        let again = format!("*a{}, ", i - 1).repeat(10);
        laughs += &format!("a{i}: &a{i} [{again}]\n");
    }
    let pattern = json!({"p": {"Type": "String", "AllowedPattern": "[a-z]+"}});
    let long = json!({"p": {"Type": "String", "MaxLength": 3}});
    let high = json!({"p": {"Type": "Number", "MaxValue": 3, "Default": 1}});
    let cases = [
        (
            template(pattern.clone()),
            json!({"p": "Ab1"}),
            "InvalidParameter",
        ),
        (template(pattern), json!({}), "MissingParameter"),
        (template(long), json!({"p": "abcd"}), "InvalidParameter"),
        (template(high.clone()), json!({"p": 4}), "InvalidParameter"),
        (
            template(high.clone()),
            json!({"p": "many"}),
            "InvalidParameter",
        ),
        (template(high), json!({"q": 1}), "InvalidParameter"),
        ("{".to_owned(), json!({}), "InvalidTemplate"),
        (
            template(json!({"p": {"Type": "Float"}})),
            json!({}),
            "InvalidTemplate",
        ),
        (
            template(json!({})).replace("ACS::Sleep", "ACS::Dance"),
            json!({}),
            "InvalidTemplate",
        ),
        ("[".repeat(30_000), json!({}), "InvalidTemplate"),
        (laughs, json!({}), "InvalidTemplate"),
        ("x: ".repeat(60_000), json!({}), "InvalidTemplate"),
    ];
    for (content, parameters, code) in cases {
        let mut cloud = Cloud::new(&[]);
        let refused = cloud.ask(
            "StartExecution",
            json!({"TemplateContent": content, "Parameters": parameters.to_string()}),
        );
        assert_eq!(
            refused.unwrap_err().code,
            code,
            "{:.80} {parameters}",
            content
        );
    }
    let mut cloud = Cloud::new(&[]);
    let missing = cloud.ask("StartExecution", json!({"TemplateName": "ACS-None"}));
    assert_eq!(missing.unwrap_err().code, "EntityNotExists.Template");
}

#[test]
fn templates_that_run_in_circles_or_call_themselves_come_to_an_end() {
    let mut cloud = Cloud::new(&[]);
    cloud.world.switches.task_delay_seconds = 0;
    let circle = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - {Name: a, Action: 'ACS::ExecuteAPI', OnError: a, Properties: {Service: TEST, API: None}}
";
    assert_eq!(cloud.run(circle, json!({}))["Status"], "Failed");

    let content = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: again
    Action: ACS::Template
    Properties: {TemplateName: own}
    Loop: {Items: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], Concurrency: 10}
";
    let made = cloud.ask(
        "CreateTemplate",
        json!({"TemplateName": "own", "Content": content}),
    );
    assert_eq!(made.unwrap()["Template"]["TemplateVersion"], "v1");
    let id = cloud.start(json!({"TemplateName": "own"}));
    cloud.settle();
    assert_eq!(cloud.status(&id), "Failed");
}

#[test]
fn a_template_that_starts_itself_through_the_api_comes_to_an_end() {
    let mut cloud = Cloud::new(&[]);
    cloud.world.switches.task_delay_seconds = 0;
    cloud.world.switches.start_delay_seconds = 0;
    let content = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: again
    Action: ACS::ExecuteAPI
    Properties: {Service: OOS, API: StartExecution, Parameters: {TemplateName: own}}
";
    let made = json!({"TemplateName": "own", "Content": content});
    cloud.ask("CreateTemplate", made).unwrap();
    cloud.start(json!({"TemplateName": "own"}));
    cloud.settle();
    let failed = json!({"Status": "Failed"});
    let last = cloud.ask("ListExecutions", failed).unwrap();
    assert_eq!(last["Executions"].as_array().unwrap().len(), 1);
}

#[test]
fn outputs_that_grow_into_themselves_come_to_an_end() {
    for value in [json!({"a": "{{ t.o }}"}), json!(["{{ t.o }}", "{{ t.o }}"])] {
        let template = json!({
            "FormatVersion": "OOS-2019-06-01",
            "Tasks": [{
                "Name": "t", "Action": "ACS::ExecuteAPI", "OnSuccess": "t",
                "Properties": {"Service": "TEST", "API": "Do"},
                "Outputs": {"o": {"Type": "Json", "Value": value}},
            }],
        });
        let mut cloud = Cloud::new(&[]);
        cloud.world.answers.insert("Do".into(), [json!({})].into());
        assert_eq!(
            cloud.run(&template.to_string(), json!({}))["Status"],
            "Failed"
        );
        assert!(cloud.world.count("Do") < 100);
    }
}

#[test]
fn selectors_are_cheap_enough_for_the_largest_groups() {
    let row = json!({"InstanceId": "i-0123456789abcdef", "LifecycleState": "InService",
                     "More": "x".repeat(400), "A": 1, "B": 2, "C": 3, "D": 4, "E": 5});
    let answer = json!({"ScalingInstances": {"ScalingInstance": vec![row; 1000]}});
    let program = ".ScalingInstances.ScalingInstance[] \
                   | {InstanceId: .InstanceId, LifecycleState: .LifecycleState}";
    assert_eq!(crate::oos::jq::run(program, &answer).unwrap().len(), 1000);
    let script = "x".repeat(16_000);
    let row = json!({"Parameters": {"instanceId": "i-1", "commandContent": script}});
    let answer = json!({"Executions": vec![row; 1000]});
    let program = "[.Executions[].Parameters | {key: .instanceId, value: .lifecycleState}] \
                   | from_entries";
    assert_eq!(crate::oos::jq::run(program, &answer).unwrap().len(), 1);
}

#[test]
fn a_script_that_holds_braces_is_taken_for_a_reference() {
    let mut cloud = Cloud::new(&["i-1"]);
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-1", "invokeScript": "echo {{ name }}",
    });
    let id = cloud.start(json!({
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Parameters": parameters.to_string(),
    }));
    cloud.settle();
    assert_eq!(cloud.status(&id), "Failed");
    assert_eq!(cloud.world.count("RunCommand"), 0);
}

#[test]
fn all_public_templates_can_be_read() {
    let cloud = Cloud::new(&[]);
    for name in crate::oos::public::names() {
        assert!(cloud.engine.public.contains_key(name), "{name}");
        let template = &cloud.engine.public[name].parsed;
        let missing = cloud
            .engine
            .check_actions(&cloud.world, "cn-hangzhou", template);
        assert_eq!(missing, Ok(Vec::new()), "{name}");
    }
}

#[test]
fn an_engine_can_be_moved_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<crate::oos::Engine>();
}

#[test]
fn what_is_due_at_one_instant_is_done_in_slices() {
    let mut cloud = Cloud::new(&[]);
    cloud.world.switches.task_delay_seconds = 0;
    cloud.world.switches.start_delay_seconds = 0;
    cloud.world.answers.insert("Do".into(), [json!({})].into());
    // Ten thousand task runs and more, without a second between them.
    let task = |name: &str| {
        json!({"Name": name, "Action": "ACS::ExecuteAPI",
               "Properties": {"Service": "TEST", "API": "Do"},
               "Loop": {"Items": vec![1; 100], "Concurrency": 1}})
    };
    let child = json!({"FormatVersion": "OOS-2019-06-01",
        "Tasks": (0..10).map(|n| task(&format!("t{n}"))).collect::<Vec<_>>()});
    let made = json!({"TemplateName": "child", "Content": child.to_string()});
    cloud.ask("CreateTemplate", made).unwrap();
    let parent = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "all", "Action": "ACS::Template", "Properties": {"TemplateName": "child"},
         "Loop": {"Items": vec![1; 10], "Concurrency": 10}}]});
    let id = cloud.start(json!({"TemplateContent": parent.to_string()}));
    let runs = |cloud: &Cloud| -> usize { cloud.engine.families.values().map(|f| f.runs).sum() };
    let mut before = runs(&cloud);
    let mut slices = 0;
    while cloud.wake_next() {
        let now = runs(&cloud);
        // A loop that starts all its items is not cut.
        assert!(
            now - before <= 3_000 + 10,
            "{} runs in one slice",
            now - before
        );
        before = now;
        slices += 1;
    }
    assert!(before > 10_000, "{before}");
    assert!(slices >= 4, "{slices}");
    assert_eq!(cloud.status(&id), "Success");
}
