//! Triggers fire for what they ask for and for nothing else: one that asks for nothing is refused, and
//! so is an event that is none.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use serde_json::{Value, json};

use crate::support::{SMALL, children, code, control, execution, oos, pass, small};

/// A template of a trigger and two naps behind it.
fn template(trigger: &Value) -> String {
    let nap = |name: &str| json!({"Name": name, "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}});
    json!({
        "FormatVersion": "OOS-2019-06-01",
        "Tasks": [trigger, nap("first"), nap("second")],
    })
    .to_string()
}

fn trigger(action: &str, properties: Value, more: Value) -> Value {
    let mut task = json!({"Name": "trigger", "Action": action, "Properties": properties});
    let more = more.as_object().unwrap().clone();
    task.as_object_mut().unwrap().extend(more);
    task
}

fn on_stop(more: Value) -> Value {
    let properties = json!({"Product": "ECS", "Name": ["Instance:StateChange"]});
    trigger("ACS::EventTrigger", properties, more)
}

fn validate(cloud: &mut Cloud, trigger: &Value) -> Result<String, String> {
    let ask = json!({"Content": template(trigger)});
    match oos(cloud, "ValidateTemplateContent", ask) {
        Ok(answer) => Ok(answer["Missing"].to_string()),
        Err(error) => {
            assert_eq!(error.code, "InvalidTemplate", "{error}");
            Err(error.message)
        }
    }
}

fn begin(cloud: &mut Cloud, trigger: &Value) -> String {
    let ask = json!({"TemplateContent": template(trigger)});
    let answer = oos(cloud, "StartExecution", ask).unwrap();
    pass(cloud, 5);
    answer["Execution"]["ExecutionId"].as_str().unwrap().into()
}

#[test]
fn a_trigger_that_would_fire_for_anything_is_refused() {
    let mut cloud = small("");
    let event = |properties: Value| trigger("ACS::EventTrigger", properties, json!({}));
    let alarm = |properties: Value| trigger("ACS::AlarmTrigger", properties, json!({}));
    let timer = |properties: Value| trigger("ACS::TimerTrigger", properties, json!({}));
    for (task, what) in [
        (
            json!({"Name": "t", "Action": "ACS::EventTrigger"}),
            "Product",
        ),
        (
            json!({"Name": "t", "Action": "ACS::AlarmTrigger", "Properties": [1]}),
            "object",
        ),
        (event(json!({})), "Product is missing"),
        (event(json!({"Name": ["a"]})), "Product is missing"),
        (
            event(json!({"Product": "", "Name": ["a"]})),
            "Product is missing",
        ),
        (
            event(json!({"Prodcut": "ECS", "Name": ["a"]})),
            "Product must be meant",
        ),
        (
            event(json!({"Product": "ECS", "Names": ["a"]})),
            "Name must be meant",
        ),
        (
            event(json!({"Product": "ECS", "name": ["a"]})),
            "Name must be meant",
        ),
        (
            event(json!({"Product": "ECS", "Name": ["a"], "Conten": {}})),
            "Content must be meant",
        ),
        (
            event(json!({"Product": "ECS", "Name": ["a"], "Content": "x"})),
            "Content must be an object",
        ),
        (
            event(json!({"Product": "ECS", "Name": ["a"], "Content": [{"state": "x"}]})),
            "Content",
        ),
        (
            event(json!({"Product": 5, "Name": ["a"]})),
            "Product must be",
        ),
        (
            event(json!({"Product": "ECS", "Name": {"a": "b"}})),
            "Name must be",
        ),
        (
            event(json!({"Product": "ECS", "Name": ["a"], "Level": [1]})),
            "Level must be",
        ),
        (alarm(json!({})), "Namespace is missing"),
        (
            alarm(json!({"Namespace": "acs_ecs_dashboard"})),
            "MetricName is missing",
        ),
        (
            alarm(json!({"MetricName": "cpu_total"})),
            "Namespace is missing",
        ),
        (
            alarm(json!({"Namespace": "n", "MetricNam": "m"})),
            "MetricName must be meant",
        ),
        (
            timer(json!({"Expression": "1 hour", "EndDate": "2030-01-01"})),
            "Type is missing",
        ),
        (
            timer(json!({"Type": "rate", "EndDate": "2030-01-01"})),
            "Expression is missing",
        ),
        (
            timer(json!({"Type": "rate", "Expression": "1 hour"})),
            "EndDate is missing",
        ),
        (
            timer(
                json!({"Type": "rate", "Expression": "1 hour", "EndDate": "2030-01-01", "Timezone": "UTC"}),
            ),
            "TimeZone must be meant",
        ),
    ] {
        let refused = validate(&mut cloud, &task).expect_err(&task.to_string());
        assert!(refused.contains(what), "{task}: {refused}");
        let save = json!({"TemplateName": "mine", "Content": template(&task)});
        assert_eq!(
            code(oos(&mut cloud, "CreateTemplate", save)),
            "InvalidTemplate"
        );
    }
    for (task, what) in [
        (
            event(json!({"Product": "ECS", "Name": ["a"], "OutputTransformer": {}})),
            "OutputTransformer in Properties",
        ),
        (event(json!({"Product": "ECS"})), "a Name in Properties"),
        (
            alarm(json!({"Namespace": "n", "MetricName": "m", "Threshold": "90"})),
            "Threshold in Properties",
        ),
    ] {
        let told = validate(&mut cloud, &task).unwrap();
        assert!(told.contains(what), "{task}: {told}");
    }
    for task in [
        on_stop(json!({})),
        event(
            json!({"Product": "{{ ACS::RegionId }}", "Name": {"Fn::Split": [",", "a,b"]},
            "Content": {"Fn::Select": ["c", {"c": {"state": ["Stopped"]}}]}}),
        ),
        timer(json!({"Type": "at", "Expression": "2030-01-01T00:00:00Z"})),
    ] {
        assert_eq!(validate(&mut cloud, &task).unwrap(), "null", "{task}");
    }
}

#[test]
fn what_a_reference_makes_of_a_trigger_is_looked_at_before_it_waits() {
    let mut cloud = small("");
    for (properties, what) in [
        (
            json!({"Product": {"Fn::Select": ["p", {"p": null}]}, "Name": ["a"]}),
            "Product is missing",
        ),
        (
            json!({"Product": "ECS", "Name": ["a"], "Content": {"Fn::Select": ["c", {"c": "x"}]}}),
            "Content must be an object",
        ),
    ] {
        let id = begin(
            &mut cloud,
            &trigger("ACS::EventTrigger", properties, json!({})),
        );
        let ended = execution(&mut cloud, &id);
        assert_eq!(ended["Status"], "Failed", "{ended}");
        let tasks = oos(&mut cloud, "ListTaskExecutions", json!({"ExecutionId": id})).unwrap();
        let told = tasks["TaskExecutions"][0]["StatusMessage"].to_string();
        assert!(told.contains(what), "{told}");
    }
}

#[test]
fn an_event_that_is_none_is_refused_and_starts_nothing() {
    let mut cloud = small("");
    let id = begin(&mut cloud, &on_stop(json!({})));
    let event = json!({"product": "ecs", "name": "Instance:StateChange"});
    let with = |more: Value| {
        let mut event = event.clone();
        event
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        event
    };
    let wrong_events = [
        (json!({"prodcut": "ecs"}), "product must be meant"),
        (
            json!({"product": "ecs", "nmae": "Instance:StateChange"}),
            "name must be meant",
        ),
        (json!({"product": "ecs"}), "needs name"),
        (json!({"name": "Instance:StateChange"}), "needs product"),
        (with(json!({"source": "x"})), "source"),
        (with(json!({"content": "Stopped"})), "content"),
        (with(json!({"level": 1})), "level"),
        (with(json!({"regionId": "cn-nowhere"})), "cn-nowhere"),
        (with(json!({"region": "cn-hangzhou"})), "region"),
        (json!([]), "object"),
    ];
    for (event, what) in &wrong_events {
        let (status, told) = control(&mut cloud, "POST", "events", event.clone());
        assert_eq!(status, 400, "{event}: {told}");
        assert!(
            told["error"].as_str().unwrap().contains(what),
            "{event}: {told}"
        );
    }
    let wrong_alarms = [
        (json!({}), "needs namespace"),
        (json!({"namepsace": "x"}), "namespace must be meant"),
        (
            json!({"namespace": "x", "metricname": "y"}),
            "metricName must be meant",
        ),
        (
            json!({"namespace": "x", "regionID": "y"}),
            "regionId must be meant",
        ),
        (json!({"namespace": 5}), "namespace"),
    ];
    for (alarm, what) in &wrong_alarms {
        let (status, told) = control(&mut cloud, "POST", "alarms", alarm.clone());
        assert_eq!(status, 400, "{alarm}: {told}");
        assert!(
            told["error"].as_str().unwrap().contains(what),
            "{alarm}: {told}"
        );
    }
    // A fixture may not have them either.
    for (kind, (event, what)) in wrong_events
        .iter()
        .map(|wrong| ("event", wrong))
        .chain(wrong_alarms.iter().map(|wrong| ("alarm", wrong)))
    {
        let yaml = format!("{SMALL}\nevents: [{{atSeconds: 1, do: {{{kind}: {event}}}}}]");
        let fixture = Fixture::parse(&yaml).unwrap();
        let Err(refused) = Cloud::new(&fixture) else {
            panic!("{event} is taken");
        };
        let refused = refused.to_string();
        assert!(
            refused.contains("events[0]") && refused.contains(what),
            "{event}: {refused}"
        );
    }
    assert!(children(&mut cloud, &id).is_empty());
    let whole = with(
        json!({"level": "INFO", "regionId": "cn-hangzhou", "content": {"a": 1},
        "resourceId": "x", "userId": "1", "ver": "1.0", "id": "e", "eventTime": "t",
        "instanceName": "n", "status": "Normal"}),
    );
    assert_eq!(
        control(&mut cloud, "POST", "events", whole),
        (200, json!({"started": 1}))
    );
    let more = json!({"namespace": "x", "metricName": "y", "curValue": 3, "triggerLevel": "WARN"});
    assert_eq!(
        control(&mut cloud, "POST", "alarms", more),
        (200, json!({"started": 0}))
    );
}

/// The names of the tasks that ran in an execution.
fn ran(cloud: &mut Cloud, id: &Value) -> Vec<String> {
    let ask = json!({"ExecutionId": id, "SortOrder": "Ascending"});
    let tasks = oos(cloud, "ListTaskExecutions", ask).unwrap();
    let rows = tasks["TaskExecutions"].as_array().unwrap().clone();
    let name = |row: &Value| row["TaskName"].as_str().unwrap().to_owned();
    rows.iter().map(name).collect()
}

#[test]
fn what_is_said_beside_a_trigger_counts_or_is_refused() {
    let mut cloud = small("");
    for (target, expected) in [
        (None, vec!["first", "second"]),
        (Some("ACS::NEXT"), vec!["first", "second"]),
        (Some("second"), vec!["second"]),
        (Some("ACS::END"), vec![]),
    ] {
        let more = target.map_or(json!({}), |target| json!({"OnSuccess": target}));
        let id = begin(&mut cloud, &on_stop(more));
        let event = json!({"product": "ECS", "name": "Instance:StateChange"});
        assert_eq!(control(&mut cloud, "POST", "events", event).1["started"], 1);
        pass(&mut cloud, 60);
        let child = children(&mut cloud, &id)[0].clone();
        assert_eq!(child["Status"], "Success", "{child}");
        assert_eq!(
            ran(&mut cloud, &child["ExecutionId"]),
            expected,
            "{target:?}"
        );
        oos(&mut cloud, "CancelExecution", json!({"ExecutionId": id})).unwrap();
        pass(&mut cloud, 60);
    }
    for (more, what) in [
        (json!({"Loop": {"Items": [1, 2]}}), "Loop of task trigger"),
        (json!({"OnSuccess": "trigger"}), "OnSuccess of task trigger"),
    ] {
        let refused = validate(&mut cloud, &on_stop(more)).unwrap_err();
        assert!(refused.contains(what), "{refused}");
    }
    // A schedule that cannot be goes on where `OnError` says, and no event starts anything then.
    let over = json!({"Type": "rate", "Expression": "1 hour", "EndDate": "2001-01-01"});
    let task = trigger("ACS::TimerTrigger", over, json!({"OnError": "second"}));
    let id = begin(&mut cloud, &task);
    pass(&mut cloud, 60);
    assert_eq!(execution(&mut cloud, &id)["Status"], "Success");
    assert_eq!(ran(&mut cloud, &json!(id)), ["trigger", "second"]);
    // One that is passed over waits for nothing.
    let id = begin(&mut cloud, &on_stop(json!({"When": false})));
    pass(&mut cloud, 60);
    assert_eq!(ran(&mut cloud, &json!(id)), ["trigger", "first", "second"]);
    assert_eq!(execution(&mut cloud, &id)["Status"], "Success");
}
