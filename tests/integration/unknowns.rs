//! What no documentation of OOS settles: the operator has to be right whichever way it is. The emulator has a switch
//! for each.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::scene::{GROUP, Scene, assert_condition, fixture, group, image_task, script_task, with};

/// A group of three, so that two batches differ in size.
async fn three_instances(commands: Value) -> Scene {
    let scene = json!({"scalingGroups": [group(GROUP, 3)], "commands": commands});
    Scene::with_fixture(with(fixture(), scene)).await
}

async fn switch(scene: &Scene, switches: &Value) {
    // The whole set is replaced: each case begins with the defaults.
    scene.emulator.put("switches", switches).await.unwrap();
}

#[tokio::test]
async fn an_update_with_pauses_succeeds_whichever_way_oos_behaves() {
    let scene = three_instances(json!([])).await;
    let cases = [
        json!({"oos": {"waitingStatusBatchPause": "BatchPause"}}),
        json!({"oos": {"loopTaskInPause": "Running"}}),
        json!({"oos": {"pauseAfterLastBatch": true}}),
        json!({"oos": {"batchSplit": "remainderLast"}}),
        json!({"oos": {"batchSplit": "ceilingFirst"}}),
        json!({"oos": {"updateDateMovesWithChildren": false, "stablePages": false}}),
        json!({"oos": {"listLagSeconds": 60, "tagLagSeconds": 60, "updateDateLagSeconds": 60}}),
        json!({"oos": {"startDelaySeconds": 60, "taskDelaySeconds": 5}}),
        json!({"readLagSeconds": 30}),
    ];
    for (index, switches) in cases.iter().enumerate() {
        switch(&scene, switches).await;
        let before = scene.notifications("Approve").await;
        let name = format!("task-{index}");
        let image = ["m-v2", "m-v1"][index % 2];
        let spec = json!({"update": {"image": {"imageId": image}}, "batches": 2, "suspensionPolicy": "SuspendEachBatch"});
        scene.create(&name, with(image_task(), spec)).await;
        let mut pauses = BTreeSet::new();
        let task = loop {
            let what = format!("a new pause or the end, with {switches}");
            let task = scene
                .until(&name, &what, |task| {
                    let status = &task["status"];
                    status["restore"]["done"] == true
                        || (status["state"] == "BatchSuspended"
                            && !pauses.contains(&status["pause"]["id"].as_i64()))
                })
                .await;
            if task["status"]["restore"]["done"] == true {
                break task;
            }
            let pause = task["status"]["pause"]["id"].as_i64();
            pauses.insert(pause);
            scene
                .request(&name, "continue", &pause.unwrap().to_string())
                .await;
        };
        assert_condition(&task, "Succeeded", "True", "Updated");
        assert_condition(&task, "Verified", "True", "AsWanted");
        assert_eq!(
            task["status"]["batches"].as_array().unwrap().len(),
            2,
            "{switches}"
        );
        let approves = scene.notifications("Approve").await - before;
        assert_eq!(approves, pauses.len(), "{switches}");
        assert_eq!(
            scene.effects("StartExecution").await,
            index + 1,
            "{switches}"
        );
        assert!(scene.all_instances(GROUP, "imageId", image).await);
        assert_eq!(
            scene.suspended_processes(GROUP).await,
            json!(["ScheduledAction"])
        );
    }
}

#[tokio::test]
async fn a_failure_is_seen_and_cancelled_whichever_way_oos_shows_it() {
    let scene = three_instances(json!([{"instance": "i-web-01", "exitCode": 7}])).await;
    let cases = [
        json!({"oos": {"waitingStatusFailurePause": "FailurePause"}}),
        json!({"oos": {"rootInFailurePause": "Running"}}),
        json!({"oos": {"loopTaskInPause": "Running"}}),
        json!({"oos": {"childInFailurePause": "waiting"}}),
        json!({"oos": {"childInFailurePause": "waiting", "rootInFailurePause": "Running"}}),
        json!({"oos": {"failurePauseAt": "everyFailure"}}),
        json!({"oos": {"othersInFailurePause": "standStill"}}),
        json!({"oos": {"failurePauseShows": "afterRunningItems"}}),
        json!({"oos": {"cancelDelaySeconds": 60}}),
    ];
    for (index, switches) in cases.iter().enumerate() {
        switch(&scene, switches).await;
        let name = format!("task-{index}");
        let spec = json!({"batches": 2, "failedInstancePolicy": "ReturnToService"});
        scene.create(&name, with(script_task(), spec)).await;
        scene
            .until(
                &name,
                &format!("FailureSuspended, with {switches}"),
                |task| {
                    task["status"]["state"] == "FailureSuspended"
                        && task["status"]["summary"]["failed"] == 1
                },
            )
            .await;
        scene
            .patch_spec(&name, json!({"desiredState": "Cancelled"}))
            .await;
        let task = scene.until_state(&name, "Cancelled").await;
        assert_condition(&task, "Restored", "True", "Restored");
        assert!(
            scene
                .all_instances(GROUP, "lifecycleState", "InService")
                .await,
            "{switches}"
        );
        assert_eq!(
            scene.suspended_processes(GROUP).await,
            json!(["ScheduledAction"]),
            "{switches}"
        );
    }
}

#[tokio::test]
async fn a_failed_instance_can_be_passed_over_whichever_way_oos_behaves() {
    let scene = three_instances(json!([{"instance": "i-web-01", "exitCode": 7}])).await;
    let by_child = json!({
        "notifyByTaskExecutionId": false, "notifyByLoopItem": false, "notifyByChildExecution": true,
    });
    let cases = [
        json!({"notifyByLoopItem": false}),
        json!({"notifyByTaskExecutionId": false}),
        by_child.clone(),
        with(by_child, json!({"childInFailurePause": "waiting"})),
        json!({"childInFailurePause": "waiting", "rootInFailurePause": "Running"}),
        json!({"rootInFailurePause": "Running", "othersInFailurePause": "standStill", "loopTaskInPause": "Running"}),
        json!({"failurePauseShows": "afterRunningItems"}),
        json!({"failurePauseAt": "everyFailure"}),
        json!({"skippedItemStatus": "Success"}),
        json!({"skippedItemStatus": "Success", "childInFailurePause": "waiting"}),
        json!({"updateDateMovesWithChildren": false, "listLagSeconds": 60, "updateDateLagSeconds": 60}),
    ];
    for (index, switches) in cases.iter().enumerate() {
        switch(&scene, &json!({ "oos": switches })).await;
        let before = scene.effects("NotifyExecution").await;
        let name = format!("task-{index}");
        scene
            .create(&name, with(script_task(), json!({"batches": 2})))
            .await;
        let what = format!("FailureSuspended, with {switches}");
        scene
            .until(&name, &what, |task| {
                task["status"]["state"] == "FailureSuspended"
                    && task["status"]["summary"]["failed"] == 1
            })
            .await;
        scene.request(&name, "skip", "i-web-01/1@1").await;
        let what = format!("the end, with {switches}");
        let task = scene
            .until(&name, &what, |task| {
                task["status"]["restore"]["done"] == true
            })
            .await;
        let action = &task["status"]["actions"][0];
        assert_eq!(action["state"], "Applied", "{switches}: {action}");
        assert_eq!(task["status"]["state"], "Succeeded", "{switches}");
        assert_condition(&task, "Restored", "True", "Restored");
        assert_eq!(task["status"]["summary"]["skipped"], 1, "{switches}");
        let effects = scene.effects("NotifyExecution").await - before;
        assert_eq!(effects, 1, "{switches}");
    }
}

#[tokio::test]
async fn a_tolerated_failure_at_the_end_of_a_batch_is_not_taken_for_a_batch_pause_for_ever() {
    let scene = three_instances(json!([])).await;
    switch(&scene, &json!({"oos": {"failurePauseAt": "everyFailure"}})).await;
    let fault = json!({
        "service": "ECS", "action": "ReplaceSystemDisk", "params": {"InstanceId": "i-web-01"}, "caller": "oos", "count": 1,
        "effect": {"kind": "error", "status": 403, "code": "OperationDenied", "message": "Not now."},
    });
    scene.emulator.add_fault(&fault).await.unwrap();
    let spec = json!({"batches": 2, "maxErrors": 1, "suspensionPolicy": "SuspendEachBatch", "approvedBatches": 2});
    scene.create("web", with(image_task(), spec)).await;
    scene.until_state("web", "FailureSuspended").await;
    scene.request("web", "retry", "i-web-01@1").await;
    let task = scene.until_state("web", "Succeeded").await;
    assert_condition(&task, "Succeeded", "True", "Updated");
    assert_eq!(
        scene.effects("NotifyExecution").await,
        2,
        "a retry, an Approve"
    );
}
