//! Pauses and what can be said to them, under the switches for what OOS leaves open.

use serde_json::{Value, json};

use super::world::{Cloud, GROUP};
use crate::oos::{
    BatchSplit, ChildInFailurePause, FailurePauseAt, FailurePauseShows, OosSwitches,
    OthersInFailurePause, PausedStatus, SafetyCheckDefault, SkippedItemStatus, Taken,
};

/// Starts a script update in `FailurePause` on i-1 to i-4, in two batches.
fn update(switches: impl FnOnce(&mut OosSwitches), failing: &[&str]) -> (Cloud, String) {
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3", "i-4"]);
    switches(&mut cloud.world.switches);
    for id in failing {
        cloud.world.instances.get_mut(*id).unwrap().exit_codes = [7].into();
    }
    let root = cloud.start(params(json!({}), json!({"Mode": "FailurePause"})));
    cloud.settle();
    (cloud, root)
}

fn params(template: Value, request: Value) -> Value {
    let mut parameters = json!({
        "invokeType": "invoke", "scalingGroupId": GROUP, "invokeScript": "echo", "batchNumber": 2,
    });
    parameters
        .as_object_mut()
        .unwrap()
        .extend(template.as_object().unwrap().clone());
    let mut all = json!({
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Parameters": parameters.to_string(),
    });
    all.as_object_mut()
        .unwrap()
        .extend(request.as_object().unwrap().clone());
    all
}

fn item_of(cloud: &mut Cloud, root: &str, instance: &str) -> Value {
    let items = cloud.items(root);
    let found = items
        .iter()
        .find(|item| item["LoopItem"].as_str().unwrap().contains(instance));
    found.unwrap().clone()
}

fn notify(cloud: &mut Cloud, root: &str, verb: &str, item: &Value) -> Result<Value, String> {
    let request = json!({
        "ExecutionId": root, "NotifyType": verb, "TaskExecutionId": item["TaskExecutionId"],
        "LoopItem": item["LoopItem"],
    });
    cloud.ask("NotifyExecution", request).map_err(|e| e.code)
}

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
fn items_beside_a_failed_one_go_on_or_stand_still() {
    let (cloud, _) = update(|_| {}, &["i-1"]);
    assert_eq!(cloud.world.instances["i-2"].state, "InService");

    // i-1 is held up at the door of Standby, so that it is still under way when i-2 fails.
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3", "i-4"]);
    cloud.world.switches.others_in_failure_pause = OthersInFailurePause::StandStill;
    cloud.world.instances.get_mut("i-2").unwrap().exit_codes = [7].into();
    let busy = crate::error::ApiError::new(400, "IncorrectScalingGroupStatus", "busy");
    cloud
        .world
        .refusals
        .insert("EnterStandby".into(), [busy].into());
    let root = cloud.start(params(json!({}), json!({"Mode": "FailurePause"})));
    cloud.settle();
    let failed: Vec<Value> = cloud
        .items(&root)
        .into_iter()
        .filter(|item| item["Status"] == "Failed" || item["Status"] == "Running")
        .collect();
    assert_eq!(
        failed.len(),
        2,
        "one failed and one stands still: {failed:?}"
    );
    for item in failed {
        if item["Status"] == "Failed" {
            notify(&mut cloud, &root, "RetryTask", &item).unwrap();
        }
    }
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
}

#[test]
fn max_errors_are_tolerated_or_pause_each_time() {
    let start = |at: FailurePauseAt| {
        let mut cloud = Cloud::new(&["i-1", "i-2"]);
        cloud.world.switches.failure_pause_at = at;
        let refused = crate::error::ApiError::new(400, "InvalidImage", "no");
        cloud
            .world
            .refusals
            .insert("ReplaceSystemDisk".into(), [refused].into());
        let parameters = json!({
            "invokeType": "invoke", "scalingGroupId": GROUP, "imageId": "m-2", "maxErrors": 1,
        });
        let root = cloud.start(json!({
            "TemplateName": "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
            "Mode": "FailurePause", "Parameters": parameters.to_string(),
        }));
        cloud.settle();
        (cloud.status(&root), cloud)
    };
    let (status, cloud) = start(FailurePauseAt::BeyondMaxErrors);
    assert_eq!(status, "Success");
    assert_eq!(
        cloud.world.count("TagResources"),
        2,
        "the failed one is tagged, too"
    );
    assert_eq!(start(FailurePauseAt::EveryFailure).0, "Waiting");
}

#[test]
fn what_pauses_show_follows_the_switches() {
    let (mut cloud, root) = update(
        |s| {
            s.waiting_status_failure_pause = "PendingFailure".into();
            s.loop_task_in_pause = PausedStatus::Running;
        },
        &["i-1"],
    );
    let execution = cloud.execution(&root);
    assert_eq!(execution["WaitingStatus"], "PendingFailure");
    let tasks = cloud
        .ask("ListTaskExecutions", json!({"ExecutionId": root}))
        .unwrap();
    let current = execution["CurrentTasks"][0]["TaskExecutionId"].clone();
    let tasks = tasks["TaskExecutions"].as_array().unwrap();
    let parent = tasks
        .iter()
        .find(|t| t["TaskExecutionId"] == current)
        .unwrap();
    assert_eq!(parent["Status"], "Running");
    assert_eq!(parent["Loop"]["Counters"]["Failed"], 1);

    let (mut cloud, root) = update(
        |s| s.root_in_failure_pause = PausedStatus::Running,
        &["i-1"],
    );
    assert_eq!(cloud.status(&root), "Running");
    let item = item_of(&mut cloud, &root, "i-1");
    notify(&mut cloud, &root, "RetryTask", &item).unwrap();
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success");
}

#[test]
fn a_failure_pause_can_show_only_when_the_batch_has_come_to_rest() {
    for (shows, at_once) in [
        (FailurePauseShows::AtOnce, true),
        (FailurePauseShows::AfterRunningItems, false),
    ] {
        let mut cloud = Cloud::new(&["i-1", "i-2"]);
        cloud.world.switches.failure_pause_shows = shows;
        cloud.world.instances.get_mut("i-1").unwrap().exit_codes = [7].into();
        // i-2 is the second to ask for Standby and waits ten seconds more.
        let busy = crate::error::ApiError::new(400, "BackendServer.configuring", "busy");
        let fine = crate::error::ApiError::new(400, "IncorrectScalingGroupStatus", "busy");
        cloud
            .world
            .refusals
            .insert("EnterStandby".into(), [busy, fine].into());
        let mut request = params(json!({"batchNumber": 1}), json!({"Mode": "FailurePause"}));
        request["Description"] = json!("one batch");
        let root = cloud.start(request);
        while cloud
            .items(&root)
            .iter()
            .all(|item| item["Status"] != "Failed")
        {
            cloud.pass(1);
        }
        let others_run = cloud
            .items(&root)
            .iter()
            .any(|item| item["Status"] == "Running");
        if others_run {
            let expected = if at_once { "Waiting" } else { "Running" };
            assert_eq!(cloud.status(&root), expected);
        }
        cloud.settle();
        assert_eq!(cloud.status(&root), "Waiting");
    }
}

#[test]
fn batch_pauses_follow_option_and_loop_mode() {
    // (option, LoopMode, pause after the last batch, pauses expected)
    let cases = [
        ("Automatic", None, false, 0),
        ("FirstBatchPause", None, false, 1),
        ("EveryBatchPause", None, false, 3),
        ("EveryBatchPause", None, true, 4),
        ("Automatic", Some("EveryBatchPause"), false, 0),
    ];
    for (option, loop_mode, last, expected) in cases {
        let mut cloud = Cloud::new(&["i-1", "i-2", "i-3", "i-4"]);
        cloud.world.switches.pause_after_last_batch = last;
        cloud.world.switches.waiting_status_batch_pause = "PendingBatch".into();
        let mut request = params(
            json!({"batchPauseOption": option, "batchNumber": 4}),
            json!({"Mode": "FailurePause"}),
        );
        if let Some(mode) = loop_mode {
            request["LoopMode"] = json!(mode);
        }
        let root = cloud.start(request);
        cloud.settle();
        let mut pauses = 0;
        while cloud.status(&root) == "Waiting" {
            pauses += 1;
            assert_eq!(cloud.execution(&root)["WaitingStatus"], "PendingBatch");
            assert_eq!(cloud.items(&root).len(), pauses);
            let approve = json!({"ExecutionId": root, "NotifyType": "Approve"});
            cloud.ask("NotifyExecution", approve).unwrap();
            cloud.settle();
        }
        assert_eq!(pauses, expected, "{option} {loop_mode:?} {last}");
        assert_eq!(cloud.status(&root), "Success");
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
fn questionable_requests_are_taken_or_refused_by_switch() {
    let skip = params(
        json!({}),
        json!({"Mode": "FailurePause", "SafetyCheck": "Skip"}),
    );
    let unknown = params(json!({"maxErrors": 1}), json!({}));
    let mut cloud = Cloud::new(&["i-1"]);
    cloud.ask("StartExecution", skip.clone()).unwrap();
    assert_eq!(
        cloud
            .ask("StartExecution", unknown.clone())
            .unwrap_err()
            .status,
        400
    );
    cloud.world.switches.skip_with_failure_pause = Taken::Refused;
    cloud.world.switches.unknown_template_parameters = Taken::Accepted;
    assert_eq!(cloud.ask("StartExecution", skip).unwrap_err().status, 400);
    cloud.ask("StartExecution", unknown).unwrap();
    let debug = params(json!({}), json!({"Mode": "Debug"}));
    assert!(
        cloud
            .ask("StartExecution", debug)
            .unwrap_err()
            .message
            .contains("Debug")
    );
}

#[test]
fn batches_split_as_the_switch_says() {
    for (split, sizes) in [
        (BatchSplit::Even, [3, 2, 2]),
        (BatchSplit::RemainderLast, [2, 2, 3]),
        (BatchSplit::CeilingFirst, [3, 3, 1]),
    ] {
        let mut cloud = Cloud::new(&["i-1", "i-2", "i-3", "i-4", "i-5", "i-6", "i-7"]);
        cloud.world.switches.batch_split = split;
        let root = cloud.start(params(json!({"batchNumber": 3}), json!({})));
        cloud.settle();
        let items = cloud.items(&root);
        for (i, size) in sizes.iter().enumerate() {
            let of_batch = items.iter().filter(|item| {
                item["TaskAction"] == "ACS::ESS::RunCommand" && item["LoopBatchNumber"] == i + 1
            });
            assert_eq!(of_batch.count(), *size, "{split:?}");
        }
    }
}

#[test]
fn the_documented_form_of_loops_counts_batches_concurrency_and_errors() {
    let template = |control: Value| {
        json!({
            "FormatVersion": "OOS-2019-06-01",
            "Tasks": [{
                "Name": "nap", "Action": "ACS::ExecuteAPI",
                "Properties": {"Service": "TEST", "API": "Do",
                               "Parameters": {"Item": "{{ ACS::TaskLoopItem }}"}},
                "Outputs": {"o": {"Type": "String", "ValueSelector": ".Out"}},
                "Loop": {"Items": ["a", "b", "c", "d", "e"], "RateControl": control,
                         "Outputs": {"all": {"AggregateType": "Fn::ListJoin",
                                             "AggregateField": "o"}}},
            }],
            "Outputs": {"all": {"Type": "List", "Value": "{{ nap.all }}"}},
        })
        .to_string()
    };
    let failing = |n: usize| {
        let mut cloud = Cloud::new(&[]);
        cloud
            .world
            .answers
            .insert("Do".into(), [json!({"Out": "x"})].into());
        let refusal = crate::error::ApiError::new(400, "No", "no");
        cloud
            .world
            .refusals
            .insert("Do".into(), vec![refusal; n].into());
        cloud
    };
    let batch = json!({"Mode": "Batch", "Batch": [1, "40%"], "MaxErrors": "20%",
                       "ConcurrencyInBatches": [1, 2]});
    let mut cloud = failing(1);
    let execution = cloud.run(&template(batch.clone()), json!({}));
    assert_eq!(execution["Status"], "Success", "one of five may fail");
    assert_eq!(execution["Outputs"], r#"{"all":["x","x","x","x"]}"#);
    let items = cloud.items(execution["ExecutionId"].as_str().unwrap());
    let batches: Vec<&Value> = items.iter().map(|item| &item["LoopBatchNumber"]).collect();
    assert_eq!(batches, [1, 2, 2, 3, 3]);
    assert_eq!(items[0]["LoopItem"], "a");

    let mut cloud = failing(2);
    assert_eq!(cloud.run(&template(batch), json!({}))["Status"], "Failed");
    assert_eq!(
        cloud.world.count("Do"),
        3,
        "no batch starts after the second error"
    );

    let mut cloud = failing(1);
    let serial = json!({"Mode": "Concurrency", "Concurrency": 1});
    assert_eq!(cloud.run(&template(serial), json!({}))["Status"], "Failed");
    assert_eq!(cloud.world.count("Do"), 1);
}
