//! Every mutation: what is sent, once.

use std::collections::BTreeMap;

use ess_rollout_cloud::{
    Cloud, Done, ErrorClass, ExecutionMode, ExecutionStatus, Mutation, NotifyType, Outcome,
    Process, SafetyCheck, StartExecution,
};
use serde_json::json;

use crate::fake::{Fake, REGION, ok, raw, refuse};

pub fn start() -> Mutation {
    let parameters = json!({"scalingGroupId": "asg-1", "batchNumber": 2,
        "commandContent": "echo 'a+b & c=d' *~ 云\n"});
    Mutation::StartExecution(StartExecution {
        template_name: "ACS-ESS-RollingUpdateByRunCommandInScalingGroup".into(),
        template_version: Some("v12".into()),
        parameters: parameters.as_object().unwrap().clone(),
        mode: ExecutionMode::FailurePause,
        safety_check: None,
        client_token: "token-1".into(),
        description: String::new(),
        tags: vec![("scaling_group".into(), "asg-1".into())],
    })
}

async fn sent(mutation: Mutation) -> (String, BTreeMap<String, String>) {
    let fake = Fake::start([ok(json!({}))]).await;
    let done = fake.client().mutate(REGION, &mutation).await.unwrap();
    assert_eq!(
        done,
        Done::Accepted {
            request_id: "R-OK".into()
        }
    );
    let request = fake.received().remove(0);
    (request.action, request.form)
}

fn form(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .chain(&[("RegionId", REGION)])
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[tokio::test]
async fn an_execution_is_started() {
    let fake = Fake::start([ok(json!({"Execution": {
        "ExecutionId": "exec-1", "TemplateName": "T", "TemplateVersion": "v12", "Mode": "FailurePause",
        "Status": "Started", "StartDate": "2024-05-06T07:08:10Z", "EndDate": "", "ParentExecutionId": "",
        "Parameters": "{\"invokeType\":\"invoke\"}", "Counters": {}, "CurrentTasks": [],
        "Tags": "{\"scaling_group\":\"asg-1\"}"}}))])
    .await;
    let done = fake.client().mutate(REGION, &start()).await.unwrap();
    let Done::Started {
        execution,
        request_id,
    } = done
    else {
        panic!("another answer");
    };
    assert_eq!(request_id, "R-OK");
    assert_eq!(execution.id, "exec-1");
    assert_eq!(execution.status, ExecutionStatus::Started);
    assert_eq!(execution.parameters["invokeType"], "invoke");
    assert_eq!(execution.tags["scaling_group"], "asg-1");

    let request = fake.received().remove(0);
    assert_eq!(
        (request.action.as_str(), request.version.as_str()),
        ("StartExecution", "2019-06-01")
    );
    let Mutation::StartExecution(wanted) = start() else {
        unreachable!()
    };
    let parameters: serde_json::Value = serde_json::from_str(&request.form["Parameters"]).unwrap();
    assert_eq!(parameters.as_object(), Some(&wanted.parameters));
    assert_eq!(request.form["Tags"], r#"{"scaling_group":"asg-1"}"#);
    assert_eq!(request.form["Mode"], "FailurePause");
    assert_eq!(request.form["ClientToken"], "token-1");
    assert_eq!(request.form["TemplateVersion"], "v12");
    for absent in [
        "SafetyCheck",
        "Description",
        "LoopMode",
        "ParentExecutionId",
    ] {
        assert!(!request.form.contains_key(absent), "{absent}");
    }
}

#[tokio::test]
async fn a_safety_check_is_sent_when_there_is_one() {
    let Mutation::StartExecution(mut automatic) = start() else {
        unreachable!()
    };
    automatic.mode = ExecutionMode::Automatic;
    automatic.safety_check = Some(SafetyCheck::Skip);
    let fake = Fake::start([ok(json!({"Execution": {"ExecutionId": "exec-1"}}))]).await;
    let mutation = Mutation::StartExecution(automatic);
    fake.client().mutate(REGION, &mutation).await.unwrap();
    assert_eq!(fake.forms()[0]["SafetyCheck"], "Skip");
    assert_eq!(fake.forms()[0]["Mode"], "Automatic");
}

#[tokio::test]
async fn notifications_are_sent_as_they_are_meant() {
    let approve = Mutation::NotifyExecution {
        execution: "exec-1".into(),
        notify: NotifyType::Approve,
        task_execution: None,
        loop_item: None,
        note: String::new(),
    };
    let (action, sent_form) = sent(approve).await;
    assert_eq!(action, "NotifyExecution");
    assert_eq!(
        sent_form,
        form(&[("ExecutionId", "exec-1"), ("NotifyType", "Approve")])
    );

    let item = "{\"InstanceId\":\"i-1\", \"x\":1}";
    let retry = Mutation::NotifyExecution {
        execution: "exec-1".into(),
        notify: NotifyType::RetryTask,
        task_execution: Some("exec-1.t7".into()),
        loop_item: Some(item.into()),
        note: "again".into(),
    };
    let (_, sent_form) = sent(retry).await;
    let wanted = form(&[
        ("ExecutionId", "exec-1"),
        ("NotifyType", "RetryTask"),
        ("TaskExecutionId", "exec-1.t7"),
        ("LoopItem", item),
        ("NotifyNote", "again"),
    ]);
    assert_eq!(sent_form, wanted);
}

#[tokio::test]
async fn the_small_ones_are_sent_as_documented() {
    let group = || "asg-1".to_owned();
    for (mutation, action, wanted) in [
        (
            Mutation::CancelExecution {
                execution: "exec-1".into(),
            },
            "CancelExecution",
            form(&[("ExecutionId", "exec-1")]),
        ),
        (
            Mutation::SuspendProcesses {
                group: group(),
                processes: vec![Process::ScaleIn, Process::HealthCheck],
            },
            "SuspendProcesses",
            form(&[
                ("ScalingGroupId", "asg-1"),
                ("Processes.1", "ScaleIn"),
                ("Processes.2", "HealthCheck"),
            ]),
        ),
        (
            Mutation::ResumeProcesses {
                group: group(),
                processes: vec![Process::ScaleOut],
            },
            "ResumeProcesses",
            form(&[("ScalingGroupId", "asg-1"), ("Processes.1", "ScaleOut")]),
        ),
        (
            Mutation::ExitStandby {
                group: group(),
                instances: vec!["i-1".into()],
            },
            "ExitStandby",
            form(&[("ScalingGroupId", "asg-1"), ("InstanceIds.1", "i-1")]),
        ),
        (
            Mutation::SetInstancesProtection {
                group: group(),
                instances: vec!["i-1".into()],
                protected: true,
            },
            "SetInstancesProtection",
            form(&[
                ("ScalingGroupId", "asg-1"),
                ("InstanceIds.1", "i-1"),
                ("ProtectedFromScaleIn", "true"),
            ]),
        ),
        (
            Mutation::ModifyScalingConfiguration {
                configuration: "asc-1".into(),
                image: "m-2".into(),
            },
            "ModifyScalingConfiguration",
            form(&[("ScalingConfigurationId", "asc-1"), ("ImageId", "m-2")]),
        ),
        (
            Mutation::StartInstance {
                instance: "i-1".into(),
            },
            "StartInstance",
            form(&[("InstanceId", "i-1")]),
        ),
    ] {
        assert_eq!(sent(mutation).await, (action.to_owned(), wanted));
    }
}

#[tokio::test]
async fn standby_is_left_twenty_at_a_time_until_one_call_is_refused() {
    let fake = Fake::start([ok(json!({})), refuse(400, "IncorrectScalingGroupStatus")]).await;
    let mutation = Mutation::ExitStandby {
        group: "asg-1".into(),
        instances: (0..45).map(|n| format!("i-{n}")).collect(),
    };
    let error = fake.client().mutate(REGION, &mutation).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(
        error.outcome,
        Outcome::Unknown,
        "the first twenty went through"
    );
    assert!(
        error.message.ends_with("(after 20 of 45 instances)"),
        "{error}"
    );
    let forms = fake.forms();
    assert_eq!(forms.len(), 2);
    assert_eq!(forms[0]["InstanceIds.20"], "i-19");
    assert_eq!(forms[1]["InstanceIds.1"], "i-20");
}

#[tokio::test]
async fn an_empty_list_is_never_sent() {
    let fake = Fake::start([]).await;
    for mutation in [
        Mutation::SuspendProcesses {
            group: "asg-1".into(),
            processes: vec![],
        },
        Mutation::ExitStandby {
            group: "asg-1".into(),
            instances: vec![],
        },
    ] {
        let error = fake.client().mutate(REGION, &mutation).await.unwrap_err();
        assert_eq!(
            (error.class, error.outcome),
            (ErrorClass::Invalid, Outcome::NoEffect)
        );
    }
    assert!(fake.received().is_empty());
}

/// The service said yes, but not to what: it may well have started.
#[tokio::test]
async fn a_success_that_cannot_be_read_leaves_the_outcome_open() {
    for body in [
        "",
        "{\"RequestId\":",
        "<html/>",
        "{}",
        r#"{"RequestId":"R","Execution":null}"#,
    ] {
        let fake = Fake::start([raw(200, body)]).await;
        let error = fake.client().mutate(REGION, &start()).await.unwrap_err();
        assert_eq!(
            (error.class, error.outcome),
            (ErrorClass::Retry, Outcome::Unknown),
            "{body}"
        );
    }
}
