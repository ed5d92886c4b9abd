//! Batch and failure pauses under the switches for what OOS leaves open.

use serde_json::{Value, json};

use super::update::{item_of, notify, params, update};
use super::world::{Cloud, GROUP};
use crate::oos::{
    BatchSplit, ChildInFailurePause, FailurePauseAt, FailurePauseShows, OthersInFailurePause,
    PausedStatus, Taken,
};

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
fn a_child_waits_whatever_the_root_shows_and_its_failure_holds_the_loop() {
    let (mut cloud, root) = update(
        |s| {
            s.root_in_failure_pause = PausedStatus::Running;
            s.child_in_failure_pause = ChildInFailurePause::Waiting;
        },
        &["i-1"],
    );
    assert_eq!(cloud.status(&root), "Running");
    let item = item_of(&mut cloud, &root, "i-1");
    let child = item["ChildExecutionId"].as_str().unwrap().to_owned();
    assert_eq!(
        (&item["Status"], cloud.status(&child)),
        (&json!("Waiting"), "Waiting".into())
    );
    assert_eq!(
        cloud.items(&root).len(),
        2,
        "the second batch has not begun"
    );
    notify(&mut cloud, &root, "SkipTask", &item).unwrap();
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
