//! Throttling slows everyone down and fails nobody.

use serde_json::json;

use crate::scene::{Scene, assert_condition, script_task};

#[tokio::test]
async fn throttling_of_every_api_delays_an_update_and_fails_nothing() {
    let scene = Scene::start().await;
    // Nothing ends before it has been throttled.
    scene.stop_time(true).await;
    let fault = json!({"caller": "outside", "count": 0, "effect": {"kind": "throttle", "retryAfterMillis": 200}});
    let hits = async || {
        let calls = scene.emulator.calls().await.unwrap();
        let hit = calls.iter().filter(|call| call["fault"] == "throttle");
        hit.count()
    };
    let throttled = async |more: usize, before: usize| {
        scene
            .eventually("calls are throttled", async || {
                (hits().await >= before + more).then_some(())
            })
            .await;
    };

    let id = scene.emulator.add_fault(&fault).await.unwrap();
    scene.create("agent", script_task()).await;
    throttled(4, 0).await;
    let task = scene.task("agent").await;
    assert_condition(&task, "Succeeded", "Unknown", "Accepted");
    scene
        .emulator
        .delete(&format!("faults/{id}"))
        .await
        .unwrap();

    scene
        .until("agent", "an execution", |task| {
            !task["status"]["execution"].is_null()
        })
        .await;
    let before = hits().await;
    let id = scene.emulator.add_fault(&fault).await.unwrap();
    scene.stop_time(false).await;
    throttled(4, before).await;
    scene
        .emulator
        .delete(&format!("faults/{id}"))
        .await
        .unwrap();

    let task = scene.until_state("agent", "Succeeded").await;
    assert_eq!(scene.effects("StartExecution").await, 1);
    assert_eq!(task["status"]["summary"]["succeeded"], 6);
    let reasons = scene.event_reasons("agent").await;
    for bad in ["PreflightFailed", "Failed", "InstanceFailed"] {
        assert!(!reasons.iter().any(|reason| reason == bad), "{reasons:?}");
    }
}

#[tokio::test]
async fn a_start_that_is_throttled_is_sent_again_with_the_same_token() {
    let scene = Scene::start().await;
    let fault = json!({
        "service": "OOS", "action": "StartExecution", "count": 3,
        "effect": {"kind": "throttle", "retryAfterMillis": 200},
    });
    scene.emulator.add_fault(&fault).await.unwrap();
    scene.create("agent", script_task()).await;
    scene.until_state("agent", "Succeeded").await;
    let starts = scene
        .emulator
        .journal("OOS", "StartExecution")
        .await
        .unwrap();
    assert!(starts.len() >= 4, "{starts:?}");
    assert!(
        starts
            .iter()
            .all(|start| start["params"]["ClientToken"] == starts[0]["params"]["ClientToken"])
    );
    assert_eq!(scene.effects("StartExecution").await, 1);
}
