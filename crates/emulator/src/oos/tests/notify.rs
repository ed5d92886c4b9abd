//! What can be said to an execution that waits.

use serde_json::{Value, json};

use super::update::{item_of, notify, params, update};
use super::world::{Cloud, GROUP};
use crate::oos::{ChildInFailurePause, SafetyCheckDefault, SkippedItemStatus};

#[test]
fn a_skipped_item_stays_in_standby_and_the_root_succeeds() {
    for status in [SkippedItemStatus::Skipped, SkippedItemStatus::Success] {
        let (mut cloud, root) = update(|s| s.skipped_item_status = status, &["i-1"]);
        assert_eq!(cloud.status(&root), "Waiting");
        let item = item_of(&mut cloud, &root, "i-1");
        notify(&mut cloud, &root, "SkipTask", &item).unwrap();
        cloud.settle();
        assert_eq!(cloud.status(&root), "Success");
        assert_eq!(
            item_of(&mut cloud, &root, "i-1")["Status"],
            format!("{status:?}")
        );
        assert_eq!(cloud.world.instances["i-1"].state, "Standby");
        assert_eq!(cloud.world.instances["i-4"].state, "InService");
    }
}

#[test]
fn a_cancelled_item_is_failed_and_the_rest_goes_on() {
    let (mut cloud, root) = update(|_| {}, &["i-1"]);
    let item = item_of(&mut cloud, &root, "i-1");
    notify(&mut cloud, &root, "CancelTask", &item).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
    assert_eq!(item_of(&mut cloud, &root, "i-1")["Status"], "Failed");

    let (mut cloud, root) = update(|s| s.cancelled_items_count_as_errors = true, &["i-1"]);
    let item = item_of(&mut cloud, &root, "i-1");
    notify(&mut cloud, &root, "CancelTask", &item).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Failed");
}

#[test]
fn each_kind_of_address_is_taken_only_where_its_switch_says_so() {
    let by_task = |item: &Value| json!({"TaskExecutionId": item["TaskExecutionId"]});
    let by_tasks =
        |item: &Value| json!({"TaskExecutionIds": json!([item["TaskExecutionId"]]).to_string()});
    let by_item = |item: &Value| json!({"LoopItem": item["LoopItem"]});
    let by_child = |item: &Value| json!({"ExecutionId": item["ChildExecutionId"]});
    type Address = fn(&Value) -> Value;
    let addresses: [(Address, usize); 4] =
        [(by_task, 0), (by_tasks, 0), (by_item, 1), (by_child, 2)];
    for (address, kind) in addresses {
        for accepted in 0..3 {
            let (mut cloud, root) = update(
                |s| {
                    s.notify_by_task_execution_id = accepted == 0;
                    s.notify_by_loop_item = accepted == 1;
                    s.notify_by_child_execution = accepted == 2;
                },
                &["i-2"],
            );
            let item = item_of(&mut cloud, &root, "i-2");
            let mut request = json!({"ExecutionId": root, "NotifyType": "RetryTask"});
            request
                .as_object_mut()
                .unwrap()
                .extend(address(&item).as_object().unwrap().clone());
            let answer = cloud.ask("NotifyExecution", request);
            assert_eq!(
                answer.is_ok(),
                kind == accepted,
                "kind {kind}, accepted {accepted}"
            );
            cloud.settle();
            let expected = if kind == accepted {
                "Success"
            } else {
                "Waiting"
            };
            assert_eq!(cloud.status(&root), expected);
        }
    }
}

/// Where items decide, a task that is named besides has to be the one of the item.
#[test]
fn a_task_of_another_item_is_refused() {
    let (mut cloud, root) = update(
        |s| {
            s.notify_by_task_execution_id = false;
            s.notify_by_loop_item = true;
        },
        &["i-1", "i-2"],
    );
    let (one, other) = (
        item_of(&mut cloud, &root, "i-1"),
        item_of(&mut cloud, &root, "i-2"),
    );
    let ask = |task: &Value| {
        json!({"ExecutionId": root, "NotifyType": "RetryTask", "LoopItem": one["LoopItem"],
            "TaskExecutionId": task["TaskExecutionId"]})
    };
    let refused = cloud.ask("NotifyExecution", ask(&other)).unwrap_err();
    assert!(refused.message.contains("TaskExecutionId"), "{refused:?}");
    cloud.ask("NotifyExecution", ask(&one)).unwrap();
}

#[test]
fn a_child_that_waits_goes_on_inside_when_it_is_retried() {
    for by_child in [false, true] {
        let (mut cloud, root) = update(
            |s| {
                s.child_in_failure_pause = ChildInFailurePause::Waiting;
                s.notify_by_child_execution = by_child;
            },
            &["i-1"],
        );
        assert_eq!(cloud.status(&root), "Waiting");
        let item = item_of(&mut cloud, &root, "i-1");
        assert_eq!(item["Status"], "Waiting");
        let child = item["ChildExecutionId"].as_str().unwrap().to_owned();
        assert_eq!(cloud.status(&child), "Waiting");
        // The failed task is the check of the exit code: trying it again alone cannot help.
        let retry = if by_child {
            json!({"ExecutionId": child, "NotifyType": "RetryTask"})
        } else {
            json!({"ExecutionId": root, "NotifyType": "RetryTask",
                   "TaskExecutionId": item["TaskExecutionId"]})
        };
        cloud.ask("NotifyExecution", retry).unwrap();
        cloud.settle();
        assert_eq!(cloud.status(&root), "Waiting");
        assert_eq!(
            cloud.world.count("EnterStandby"),
            2,
            "nothing but the check ran again"
        );
        notify(&mut cloud, &root, "SkipTask", &item).unwrap();
        cloud.settle();
        assert_eq!(cloud.status(&root), "Success");
        assert_eq!(cloud.children(&root).len(), 4, "no second child for i-1");
    }
}

#[test]
fn two_approvals_release_two_batches() {
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3"]);
    let request = params(
        json!({"batchPauseOption": "EveryBatchPause", "batchNumber": 3}),
        json!({}),
    );
    let root = cloud.start(request);
    cloud.settle();
    let approve = json!({"ExecutionId": root, "NotifyType": "Approve"});
    cloud.ask("NotifyExecution", approve.clone()).unwrap();
    assert!(
        cloud.ask("NotifyExecution", approve.clone()).is_err(),
        "it runs"
    );
    cloud.settle();
    cloud.ask("NotifyExecution", approve).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
}

#[test]
fn items_not_yet_run_can_be_passed_over_by_their_name() {
    let (mut cloud, root) = update(|_| {}, &["i-1"]);
    for (instance, verb) in [("i-3", "SkipTask"), ("i-4", "CancelTask")] {
        let item = json!({"InstanceId": instance, "LifecycleState": "InService"}).to_string();
        let request =
            |verb: &str| json!({"ExecutionId": root, "NotifyType": verb, "LoopItem": item});
        assert!(cloud.ask("NotifyExecution", request("RetryTask")).is_err());
        cloud.ask("NotifyExecution", request(verb)).unwrap();
    }
    let item = item_of(&mut cloud, &root, "i-1");
    notify(&mut cloud, &root, "RetryTask", &item).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
    assert_eq!(item_of(&mut cloud, &root, "i-3")["Status"], "Skipped");
    assert_eq!(item_of(&mut cloud, &root, "i-4")["Status"], "Cancelled");
    assert_eq!(cloud.world.count("RunCommand"), 3);
}

#[test]
fn high_risk_calls_wait_for_approval_and_rejection_fails() {
    let start = |verb: &str| {
        let mut cloud = Cloud::new(&["i-1"]);
        cloud.world.switches.safety_check_default = SafetyCheckDefault::ConfirmEveryHighRiskAction;
        cloud.world.switches.waiting_status_approval = "PendingApproval".into();
        let parameters = json!({"invokeType": "invoke", "scalingGroupId": GROUP, "imageId": "m-2"});
        let root = cloud.start(json!({
            "TemplateName": "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
            "Parameters": parameters.to_string(),
        }));
        cloud.settle();
        let mut approvals = 0;
        while cloud.status(&root) == "Waiting" {
            let child = cloud.children(&root)[0].clone();
            assert_eq!(child["Status"], "Waiting");
            assert_eq!(child["WaitingStatus"], "PendingApproval");
            approvals += 1;
            let answer = json!({"ExecutionId": root, "NotifyType": verb, "NotifyNote": "why"});
            cloud.ask("NotifyExecution", answer).unwrap();
            cloud.settle();
        }
        (approvals, cloud.status(&root), cloud)
    };
    let (approvals, status, _) = start("Approve");
    assert_eq!(
        (approvals, status.as_str()),
        (2, "Success"),
        "StopInstance, ReplaceSystemDisk"
    );
    let (_, status, cloud) = start("Reject");
    assert_eq!(status, "Failed");
    assert_eq!(cloud.world.count("StopInstance"), 0);
}

/// The word of a template counts before the name of the API.
#[test]
fn a_call_is_of_high_risk_where_its_template_says_so() {
    for (api, risk, waits) in [
        ("DescribeInstances", "High", true),
        ("StopInstance", "Normal", false),
        ("StopInstance", "'{{ risk }}'", false),
    ] {
        let mut cloud = Cloud::new(&["i-1"]);
        cloud.world.switches.safety_check_default = SafetyCheckDefault::ConfirmEveryHighRiskAction;
        let content = format!(
            "{{FormatVersion: OOS-2019-06-01, Parameters: {{risk: {{Type: String, Default: Normal}}}}, Tasks: [{{Name: one, Action: 'ACS::ExecuteAPI', Properties: {{Service: ECS, API: {api}, Risk: {risk}, Parameters: {{InstanceId: i-1}}}}}}]}}"
        );
        let root = cloud.start(json!({"TemplateContent": content}));
        cloud.settle();
        assert_eq!(cloud.status(&root) == "Waiting", waits, "{api} {risk}");
    }
}

#[test]
fn approval_tasks_wait_and_a_failed_task_outside_loops_can_be_retried_or_skipped() {
    let template = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - {Name: ask, Action: 'ACS::Approve', Properties: {Approvers: []}}
  - {Name: call, Action: 'ACS::ExecuteAPI', Properties: {Service: TEST, API: Call}}
";
    for verb in ["RetryTask", "SkipTask", "CancelTask"] {
        let mut cloud = Cloud::new(&[]);
        let request = json!({"TemplateContent": template, "Mode": "FailurePause"});
        let id = cloud.start(request);
        cloud.settle();
        assert_eq!(cloud.status(&id), "Waiting");
        let approve = json!({"ExecutionId": id, "NotifyType": "Approve"});
        cloud.ask("NotifyExecution", approve).unwrap();
        cloud.settle();
        assert_eq!(cloud.status(&id), "Waiting");
        cloud
            .world
            .answers
            .insert("Call".into(), [json!({})].into());
        let notify = json!({"ExecutionId": id, "NotifyType": verb});
        cloud.ask("NotifyExecution", notify).unwrap();
        cloud.settle();
        let expected = if verb == "CancelTask" {
            "Failed"
        } else {
            "Success"
        };
        assert_eq!(cloud.status(&id), expected, "{verb}");
    }
}

#[test]
fn a_paused_update_can_be_cancelled_and_takes_no_more_notifications() {
    let (mut cloud, root) = update(|_| {}, &["i-1"]);
    let item = item_of(&mut cloud, &root, "i-1");
    cloud
        .ask("CancelExecution", json!({"ExecutionId": root}))
        .unwrap();
    assert_eq!(cloud.status(&root), "Waiting");
    cloud.settle();
    assert_eq!(cloud.status(&root), "Cancelled");
    assert!(notify(&mut cloud, &root, "RetryTask", &item).is_err());
    let children = cloud.children(&root);
    let of = |instance: &str| {
        let child = children
            .iter()
            .find(|c| c["Parameters"]["instanceId"] == instance);
        child.unwrap()["Status"].clone()
    };
    assert_eq!((of("i-1"), of("i-2")), (json!("Failed"), json!("Success")));
    assert_eq!(cloud.world.suspended.len(), 5, "nothing is put back");
}

#[test]
fn a_failure_pause_comes_also_where_a_template_spells_out_the_default_on_error() {
    let template = r"
FormatVersion: OOS-2019-06-01
Tasks:
  - {Name: call, Action: 'ACS::ExecuteAPI', OnError: 'ACS::END', Properties: {Service: TEST, API: Call}}
";
    let mut cloud = Cloud::new(&[]);
    let id = cloud.start(json!({"TemplateContent": template, "Mode": "FailurePause"}));
    cloud.settle();
    assert_eq!(cloud.status(&id), "Waiting");
}

#[test]
fn giving_up_the_failed_task_inside_a_waiting_child_gives_up_the_item() {
    let (mut cloud, root) = update(
        |s| {
            s.child_in_failure_pause = ChildInFailurePause::Waiting;
            s.notify_by_child_execution = true;
        },
        &["i-1"],
    );
    let item = item_of(&mut cloud, &root, "i-1");
    let cancel = json!({"ExecutionId": item["ChildExecutionId"], "NotifyType": "CancelTask"});
    cloud.ask("NotifyExecution", cancel).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
    assert_eq!(item_of(&mut cloud, &root, "i-1")["Status"], "Failed");
}

#[test]
fn an_approval_task_counts_different_approvers() {
    let template = |properties: Value| {
        json!({
            "FormatVersion": "OOS-2019-06-01",
            "Tasks": [{"Name": "ask", "Action": "ACS::Approve", "Properties": properties}],
        })
    };
    let two = json!({"MinRequiredApprovals": "2", "Approvers": ["ann", "bob", "deploy"]});
    let mut cloud = Cloud::new(&[]);
    let id = cloud.start(json!({"TemplateContent": template(two.clone()).to_string()}));
    cloud.settle();
    let approve = json!({"ExecutionId": id, "NotifyType": "Approve"});
    for who in ["ann", "ann"] {
        cloud
            .ask_as(who, "NotifyExecution", approve.clone())
            .unwrap();
        cloud.settle();
        assert_eq!(cloud.status(&id), "Waiting");
    }
    let refused = cloud.ask_as("someone", "NotifyExecution", approve.clone());
    assert_eq!(refused.unwrap_err().status, 403);
    let role = "assumed-role/deploy/session";
    cloud.ask_as(role, "NotifyExecution", approve).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&id), "Success");

    for properties in [
        json!({"MinRequiredApprovals": 0, "Approvers": []}),
        json!({"MinRequiredApprovals": 2, "Approvers": ["ann"]}),
        json!({"Approvers": "ann"}),
    ] {
        let mut cloud = Cloud::new(&[]);
        let execution = cloud.run(&template(properties.clone()).to_string(), json!({}));
        assert_eq!(execution["Status"], "Failed", "{properties}");
    }

    use crate::oos::RejectedStatus::{Cancelled, Failed};
    for status in [Cancelled, Failed] {
        let mut cloud = Cloud::new(&[]);
        cloud.world.switches.rejected_execution = status;
        let id = cloud.start(json!({"TemplateContent": template(two.clone()).to_string()}));
        cloud.settle();
        let reject = json!({"ExecutionId": id, "NotifyType": "Reject"});
        cloud.ask_as("bob", "NotifyExecution", reject).unwrap();
        cloud.settle();
        assert_eq!(cloud.status(&id), format!("{status:?}"));
    }
}

#[test]
fn skipping_an_item_that_waits_ends_what_its_child_has_started() {
    let mut cloud = Cloud::new(&[]);
    cloud.world.switches.notify_by_loop_item = true;
    let make = |cloud: &mut Cloud, name: &str, task: Value| {
        let content = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [task]});
        let made = json!({"TemplateName": name, "Content": content.to_string()});
        cloud.ask("CreateTemplate", made).unwrap();
    };
    let poll = json!({
        "Name": "poll", "Action": "ACS::WaitFor", "Retries": 300, "DelayType": "Constant",
        "Properties": {"Service": "TEST", "API": "Look", "PropertySelector": ".A",
                       "DesiredValues": [1]},
    });
    let busy = [json!({"A": 0})].into();
    cloud.world.answers.insert("Look".into(), busy);
    let nest = |name: &str| json!({"Name": "nest", "Action": "ACS::Template", "Properties": {"TemplateName": name}});
    make(&mut cloud, "grandchild", poll);
    make(&mut cloud, "child", nest("grandchild"));
    let mut looped = nest("child");
    // The second item fails, which holds the loop; the first one is at work meanwhile.
    looped["Properties"]["TemplateName"] = json!("{{ ACS::TaskLoopItem }}");
    looped["Loop"] = json!({"Items": ["child", "nobody"], "Concurrency": 2});
    make(&mut cloud, "root", looped);
    let root = cloud.start(json!({"TemplateName": "root", "Mode": "FailurePause"}));
    cloud.pass(20);
    assert_eq!(cloud.status(&root), "Waiting");
    let calls = cloud.world.count("Look");
    assert!(calls > 0);
    let item = cloud.items(&root).remove(0);
    notify(&mut cloud, &root, "SkipTask", &item).unwrap();
    cloud.pass(60);
    assert_eq!(cloud.world.count("Look"), calls, "nobody polls any more");
}
