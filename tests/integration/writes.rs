//! What the operator asks of the apiserver.

use serde_json::json;

use crate::scene::{Scene, Setup, image_task, script_task, with};

/// The operator's writes to tasks and records: verb, resource and name.
fn writes(scene: &Scene) -> Vec<String> {
    let user = scene.installation.user();
    let ours = |entry: &ess_rollout_test_support::audit::Entry| {
        entry.user.username == user
            && ["rollingupdatetasks", "scalinggrouprecords"].contains(&entry.resource())
    };
    let writes = scene.control_plane().audit_log().writes(ours).unwrap();
    writes
        .iter()
        .map(|write| {
            format!(
                "{} {}/{} {}",
                write.verb,
                write.resource(),
                write.subresource(),
                write.name()
            )
        })
        .collect()
}

#[tokio::test]
async fn an_image_update_takes_few_writes_and_a_finished_task_none() {
    const BATCHES: usize = 3;
    let scene = Scene::with(Setup {
        progress_interval: 3600.0,
        ..Setup::default()
    })
    .await;
    scene
        .create(
            "web-v2",
            with(
                image_task(),
                json!({"suspensionPolicy": "SuspendEachBatch"}),
            ),
        )
        .await;
    for pause in [1, 2] {
        scene.until_paused("web-v2", pause).await;
        scene
            .request("web-v2", "continue", &pause.to_string())
            .await;
    }
    scene.until_state("web-v2", "Succeeded").await;
    scene
        .eventually("the record is free", async || {
            scene.record(crate::scene::GROUP).await["status"]["holder"]
                .is_null()
                .then_some(())
        })
        .await;
    // The last write of all: once the group is free nothing keeps the object, and its finalizer goes.
    scene
        .eventually("the finalizer's removal is in the audit log", async || {
            let last = writes(&scene).pop()?;
            let gone = scene.task("web-v2").await["metadata"]["finalizers"].is_null();
            (gone && last == "patch rollingupdatetasks/ web-v2").then_some(())
        })
        .await;
    let lifecycle = writes(&scene);
    assert!(
        lifecycle.len() <= 4 * BATCHES + 12,
        "{} writes: {lifecycle:#?}",
        lifecycle.len()
    );

    // Another task keeps the operator polling meanwhile.
    scene
        .create(
            "agent",
            with(
                script_task(),
                json!({"suspensionPolicy": "SuspendFirstBatch"}),
            ),
        )
        .await;
    scene.until_paused("agent", 1).await;
    // The line of the last write is in the audit log by then.
    scene.polls(1).await;
    let paused = writes(&scene);
    scene.polls(10).await;
    let at_rest = writes(&scene);
    assert_eq!(
        at_rest.len(),
        paused.len(),
        "a paused task is written: {:#?}",
        &at_rest[paused.len()..]
    );
    let finished = at_rest
        .iter()
        .filter(|write| write.ends_with(" web-v2"))
        .count();
    assert_eq!(
        finished,
        lifecycle
            .iter()
            .filter(|write| write.ends_with(" web-v2"))
            .count()
    );

    assert_eq!(
        scene
            .control_plane()
            .audit_log()
            .refused(&scene.installation.user())
            .unwrap(),
        [] as [String; 0]
    );
}
