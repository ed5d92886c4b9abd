//! What guards a task: `When`, `Conditions` and the items of its loop.

use serde_json::{Value, json};

use super::world::Cloud;

/// A template whose task `danger` calls `Danger`, and whose task `check` never runs.
fn template(danger: Value, rest: Value) -> String {
    let mut task = json!({
        "Name": "danger", "Action": "ACS::ExecuteAPI", "Retries": 2,
        "Properties": {"Service": "TEST", "API": "Danger"},
    });
    let mut template = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Parameters": {"kind": {"Type": "String", "Default": "small"}},
    });
    for (into, from) in [(&mut task, danger), (&mut template, rest)] {
        for (key, value) in from.as_object().unwrap() {
            into[key] = value.clone();
        }
    }
    let check = json!({
        "Name": "check", "Action": "ACS::CheckFor", "When": false,
        "Properties": {"Service": "TEST", "API": "Look", "DesiredValues": [1]},
        "Outputs": {"flag": {"Type": "Boolean", "ValueSelector": ".Flag"}},
    });
    template["Tasks"] = json!([check, task]);
    template.to_string()
}

fn cloud() -> Cloud {
    let mut cloud = Cloud::new(&[]);
    let answers = [json!({})].into();
    cloud.world.answers.insert("Danger".into(), answers);
    cloud
}

#[test]
fn a_task_whose_when_or_loop_cannot_be_read_never_runs_whatever_is_repeated() {
    for guard in [
        json!({"When": "{{ check.flag }}"}),
        json!({"Loop": {"Items": "no list"}}),
    ] {
        for mode in ["Automatic", "FailurePause"] {
            let mut cloud = cloud();
            let content = template(guard.clone(), json!({}));
            let id = cloud.start(json!({"TemplateContent": content, "Mode": mode}));
            cloud.settle();
            if mode == "FailurePause" {
                assert_eq!(cloud.status(&id), "Waiting", "{guard}");
                let retry = json!({"ExecutionId": id, "NotifyType": "RetryTask"});
                cloud.ask("NotifyExecution", retry).unwrap();
                cloud.settle();
                assert_eq!(cloud.status(&id), "Waiting", "{guard}");
            } else {
                let execution = cloud.execution(&id);
                assert_eq!(execution["Status"], "Failed", "{guard}");
                // At once: there is nothing to repeat.
                assert_eq!(execution["EndDate"], "2024-05-06T07:00:02Z", "{guard}");
            }
            assert_eq!(cloud.world.count("Danger"), 0, "{guard} {mode}");
        }
    }
}

#[test]
fn a_retried_task_looks_at_its_when_again() {
    let mut cloud = cloud();
    cloud.world.refusals.insert(
        "Danger".into(),
        [crate::error::ApiError::new(400, "No", "no")].into(),
    );
    let when = json!({"Fn::Equals": ["{{ kind }}", "small"]});
    let content = template(json!({"When": when, "Retries": 0}), json!({}));
    let id = cloud.start(json!({"TemplateContent": content, "Mode": "FailurePause"}));
    cloud.settle();
    for wrong in [r#"{"kind": ["big"]}"#, r#"{"size": "big"}"#] {
        let update = json!({"ExecutionId": id, "Parameters": wrong});
        let refused = cloud.ask("UpdateExecution", update).unwrap_err();
        assert_eq!(refused.code, "InvalidParameter", "{wrong}");
    }
    let update = json!({"ExecutionId": id, "Parameters": r#"{"kind": "big"}"#});
    cloud.ask("UpdateExecution", update).unwrap();
    let retry = json!({"ExecutionId": id, "NotifyType": "RetryTask"});
    cloud.ask("NotifyExecution", retry).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&id), "Success");
    assert_eq!(cloud.world.count("Danger"), 1, "the first try only");
}

#[test]
fn conditions_decide_about_tasks_and_refer_to_each_other_and_to_outputs() {
    let conditions = json!({"Conditions": {
        "isSmall": {"Fn::Equals": ["{{ kind }}", "small"]},
        "isBig": {"Fn::Not": "isSmall"},
        "unchecked": {"Fn::And": ["isSmall", {"Fn::Equals": ["{{ check.flag }}", null]}]},
    }});
    for (when, calls) in [("isSmall", 1), ("isBig", 0), ("unchecked", 1)] {
        let mut cloud = cloud();
        let content = template(json!({"When": when}), conditions.clone());
        assert_eq!(cloud.run(&content, json!({}))["Status"], "Success");
        assert_eq!(cloud.world.count("Danger"), calls, "{when}");
    }
    // A choice may name one, too.
    let choice = json!({
        "Action": "ACS::Choice", "Retries": null,
        "Properties": {"DefaultTask": "ACS::END",
                       "Choices": [{"When": "isSmall", "NextTask": "nowhere"}]},
    });
    let refused = |content: &str| {
        let request = json!({"TemplateContent": content});
        cloud().ask("StartExecution", request).unwrap_err().message
    };
    let message = refused(&template(choice.clone(), conditions.clone()));
    assert!(message.contains("nowhere"), "{message}");
    let content = template(choice, conditions.clone()).replace("nowhere", "check");
    let execution = cloud().run(&content, json!({}));
    assert_eq!(execution["Status"], "Failed", "in circles: the choice held");

    let message = refused(&template(json!({"When": "isHuge"}), conditions));
    assert!(message.contains("isHuge"), "{message}");
    let odd = json!({"Conditions": {"odd": {"Fn::Join": ["", ["true"]]}}});
    assert!(refused(&template(json!({}), odd)).contains("odd"));
    let circle = json!({"Conditions": {"a": {"Fn::Not": "b"}, "b": {"Fn::Not": "a"}}});
    let mut cloud = cloud();
    let content = template(json!({"When": "a"}), circle);
    assert_eq!(cloud.run(&content, json!({}))["Status"], "Failed");
    assert_eq!(cloud.world.count("Danger"), 0);
}

#[test]
fn declared_outputs_of_a_failed_or_skipped_task_are_null() {
    let template = |name: &str| {
        json!({
            "FormatVersion": "OOS-2019-06-01",
            "Tasks": [{
                "Name": "look", "Action": "ACS::ExecuteAPI", "OnError": "ACS::NEXT",
                "Properties": {"Service": "TEST", "API": "None"},
                "Outputs": {"found": {"Type": "String", "ValueSelector": ".Found"}},
            }],
            "Outputs": {"out": {"Type": "Json", "Value": [format!("{{{{ look.{name} }}}}")]}},
        })
        .to_string()
    };
    let execution = cloud().run(&template("found"), json!({}));
    assert_eq!(execution["Outputs"], r#"{"out":[null]}"#);
    // One that the task does not declare is refused before it runs.
    let lost = json!({"TemplateContent": template("lost")});
    let refused = cloud().ask("StartExecution", lost).unwrap_err();
    assert_eq!(refused.code, "InvalidTemplate");

    let content = template("found").replace(r#""OnError":"ACS::NEXT","#, "");
    let mut cloud = cloud();
    let id = cloud.start(json!({"TemplateContent": content, "Mode": "FailurePause"}));
    cloud.settle();
    let skip = json!({"ExecutionId": id, "NotifyType": "SkipTask"});
    cloud.ask("NotifyExecution", skip).unwrap();
    cloud.settle();
    assert_eq!(cloud.execution(&id)["Outputs"], r#"{"out":[null]}"#);
}
