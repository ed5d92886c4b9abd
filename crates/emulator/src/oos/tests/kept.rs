//! What executions keep in memory: bounds for one start and for all, and what goes first.

use serde_json::{Value, json};

use super::world::Cloud;

fn create(cloud: &mut Cloud, name: &str, content: &str) {
    let made = json!({"TemplateName": name, "Content": content});
    cloud.ask("CreateTemplate", made).unwrap();
}

/// A template that calls itself for each of a hundred items.
fn bomb(cloud: &mut Cloud) {
    let items: Vec<u32> = (0..100).collect();
    let content = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Tasks": [{
            "Name": "again", "Action": "ACS::Template", "Properties": {"TemplateName": "bomb"},
            "Loop": {"Items": items, "RateControl":
                {"Mode": "Concurrency", "Concurrency": 100, "MaxErrors": 1000}},
        }],
    });
    create(cloud, "bomb", &content.to_string());
}

const MIB: usize = 1024 * 1024;

#[test]
fn a_template_that_calls_itself_keeps_little_however_often_it_is_started() {
    let mut cloud = Cloud::new(&[]);
    bomb(&mut cloud);
    let mut kept = Vec::new();
    for _ in 0..3 {
        let id = cloud.start(json!({"TemplateName": "bomb"}));
        cloud.settle();
        let ended = cloud.execution(&id);
        assert_eq!(ended["Status"], "Failed");
        let why = ended["StatusMessage"].as_str().unwrap();
        assert!(why.contains("child executions"), "{why}");
        kept.push(cloud.engine.counted_anew());
        let tasks = cloud.engine.executions.values().map(|e| e.tasks.len());
        assert!(tasks.sum::<usize>() < 30_000 * kept.len());
    }
    assert!(kept[0] < 40 * MIB, "{kept:?}");
    assert!(kept[2] <= 3 * kept[0] + MIB, "{kept:?}");
}

#[test]
fn what_is_counted_is_what_is_kept() {
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3"]);
    bomb(&mut cloud);
    cloud.start(json!({"TemplateName": "bomb"}));
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-1", "invokeScript": "x".repeat(5_000),
    });
    let id = cloud.start(json!({
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Parameters": parameters.to_string(),
    }));
    cloud.settle();
    assert_eq!(cloud.status(&id), "Success");
    assert_eq!(cloud.engine.kept.bytes, cloud.engine.counted_anew());
    let all: Vec<String> = cloud.engine.executions.keys().cloned().collect();
    cloud.engine.forget(all);
    assert_eq!(cloud.engine.kept.bytes, 0);
    assert!(cloud.engine.families.is_empty());
}

const TWO_LEVELS: &str = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - Name: below
    Action: ACS::Template
    Properties: {TemplateName: nap}
    Loop: {Items: [1, 2, 3, 4]}
";

const NAP: &str = r"
FormatVersion: OOS-2019-06-01
Tasks: [{Name: nap, Action: 'ACS::Sleep', Properties: {Duration: PT1S}}]
";

#[test]
fn what_is_below_the_oldest_roots_goes_first_and_then_the_roots() {
    let mut cloud = Cloud::new(&[]);
    create(&mut cloud, "nap", NAP);
    create(&mut cloud, "levels", TWO_LEVELS);
    let run = |cloud: &mut Cloud| {
        let id = cloud.start(json!({"TemplateName": "levels"}));
        cloud.settle();
        id
    };
    let first = run(&mut cloud);
    let whole = cloud.engine.kept.bytes;
    let counters = cloud.execution(&first)["Counters"].clone();
    assert_eq!(
        (&counters["Success"], &counters["Total"]),
        (&json!(4), &json!(4))
    );
    // Room for not quite three of them.
    cloud.engine.kept.bounds.ended = 3 * whole - whole / 10;
    let second = run(&mut cloud);
    assert_eq!(cloud.children(&first).len(), 4);
    let third = run(&mut cloud);
    assert_eq!(cloud.children(&first), Vec::<Value>::new());
    assert_eq!(cloud.execution(&first)["Counters"], counters);
    assert_eq!(cloud.execution(&first)["IsParent"], true);
    assert_eq!(cloud.children(&second).len(), 4);
    assert_eq!(cloud.children(&third).len(), 4);
    let mut last = third;
    for _ in 0..20 {
        last = run(&mut cloud);
        assert!(cloud.engine.kept.bytes <= cloud.engine.kept.bounds.ended);
        assert_eq!(cloud.engine.kept.bytes, cloud.engine.counted_anew());
    }
    assert_eq!(cloud.execution(&first), Value::Null);
    assert_eq!(cloud.children(&last).len(), 4);
}

#[test]
fn what_still_runs_is_not_let_go_of() {
    let mut cloud = Cloud::new(&[]);
    create(&mut cloud, "nap", NAP);
    create(&mut cloud, "levels", TWO_LEVELS);
    let slow = NAP.replace("PT1S", "P3D");
    let waiting = cloud.start(json!({"TemplateContent": slow}));
    cloud.engine.kept.bounds.ended = 1;
    for _ in 0..5 {
        let id = cloud.start(json!({"TemplateName": "levels"}));
        cloud.pass(600);
        assert_eq!(cloud.status(&id), "Success");
        assert_eq!(cloud.children(&id).len(), 4);
    }
    assert_eq!(cloud.status(&waiting), "Running");
    // The one that ended last, its four children, and the one that runs.
    assert_eq!(cloud.engine.executions.len(), 6);
}

#[test]
fn one_start_that_keeps_too_much_is_ended_and_the_others_go_on() {
    let mut cloud = Cloud::new(&[]);
    let text = "x".repeat(50_000);
    let big = json!({
        "FormatVersion": "OOS-2019-06-01", "Parameters": {"text": {"Type": "String", "Default": text}},
        "Tasks": [{
            "Name": "copy", "Action": "ACS::ExecuteAPI",
            "Properties": {"Service": "TEST", "API": "Do"},
            "Outputs": {"text": {"Type": "String", "Value": "{{ text }}"}},
            "Loop": {"Items": (0..1000).collect::<Vec<_>>(), "Concurrency": 10},
        }],
    });
    cloud.world.answers.insert("Do".into(), [json!({})].into());
    cloud.engine.kept.bounds.family = 10 * MIB;
    let other = cloud.start(json!({"TemplateContent": NAP}));
    let id = cloud.start(json!({"TemplateContent": big.to_string()}));
    cloud.settle();
    let ended = cloud.execution(&id);
    assert_eq!(ended["Status"], "Failed");
    let why = ended["StatusMessage"].as_str().unwrap();
    assert!(why.contains("keep more than"), "{why}");
    assert!(cloud.engine.counted_anew() < 20 * MIB);
    assert_eq!(cloud.status(&other), "Success");
}

#[test]
fn an_update_of_a_thousand_instances_fits() {
    let ids: Vec<String> = (0..1000).map(|i| format!("i-{i:04}")).collect();
    let mut cloud = Cloud::new(&ids.iter().map(String::as_str).collect::<Vec<_>>());
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-1", "batchNumber": 4,
        "invokeScript": "x".repeat(16_000),
    });
    let id = cloud.start(json!({
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Parameters": parameters.to_string(),
    }));
    cloud.settle();
    let ended = cloud.execution(&id);
    assert_eq!(
        ended["Status"], "Success",
        "{:.300}",
        ended["StatusMessage"]
    );
    let (kept, bound) = (cloud.engine.kept.bytes, cloud.engine.kept.bounds.family);
    assert!(kept < bound, "{} of {} MiB", kept / MIB, bound / MIB);
}

/// The children of a trigger are let go of as it goes on; so are their names.
#[test]
fn a_schedule_of_seconds_keeps_no_names_of_what_is_gone() {
    let mut cloud = Cloud::new(&[]);
    let content = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Tasks": [
            {"Name": "each", "Action": "ACS::TimerTrigger", "Properties": {
                "Type": "rate", "Expression": "1 second", "EndDate": "2024-05-06T08:00:00Z"}},
            {"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT0S"}},
        ],
    });
    cloud.start(json!({"TemplateContent": content.to_string()}));
    cloud.settle();
    let (names, kept) = (&cloud.engine.kept.whole, cloud.engine.executions.len());
    assert!(kept < 250, "{kept}");
    assert!(names.len() <= 2 * kept + 20, "{} of {kept}", names.len());
}
