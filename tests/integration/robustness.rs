//! Objects that cannot be read, and the end of the process.

use ess_rollout_api::LAYOUT_VERSION;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::scene::{GROUP, Scene, assert_says, condition, fixture, group, script_task, with};

/// A time that passes the schema and that no clock of the operator can hold.
const NO_TIME: &str = "9999-12-31T23:59:59Z";

/// Whoever has rights on the status, a newer version of the operator included, may write what this one cannot read.
#[tokio::test]
async fn an_object_that_cannot_be_read_stops_nobody_else() {
    let mut fixture = fixture();
    fixture["scalingGroups"]
        .as_array_mut()
        .unwrap()
        .push(group("asg-api", 2));
    let mut scene = Scene::with_fixture(fixture).await;
    scene
        .create(
            "poisoned",
            with(
                script_task(),
                json!({"suspensionPolicy": "SuspendFirstBatch"}),
            ),
        )
        .await;
    let task = scene.until_paused("poisoned", 1).await;
    let api = scene.api(&scene.namespace, "RollingUpdateTask");
    let set_start_time = async |time: &Value| {
        let patch = Patch::Merge(json!({"status": {"execution": {"startTime": time}}}));
        api.patch_status("poisoned", &PatchParams::default(), &patch)
            .await
            .unwrap();
    };
    set_start_time(&json!(NO_TIME)).await;
    scene.request("poisoned", "continue", "1").await;

    scene
        .create(
            "agent",
            with(script_task(), json!({"scalingGroupId": "asg-api"})),
        )
        .await;
    scene.until_state("agent", "Succeeded").await;
    assert!(scene.operator.process().running());
    assert_eq!(scene.notifications("Approve").await, 0);
    // Read again now and then, not in a loop.
    let user = scene.installation.user();
    let entries = scene.control_plane().audit_log().entries().unwrap();
    let reads = entries
        .iter()
        .filter(|e| e.user.username == user && e.verb == "get" && e.name() == "poisoned")
        .count();
    assert!(reads < 100, "{reads} reads");

    set_start_time(&task["status"]["execution"]["startTime"]).await;
    scene.until_state("poisoned", "Succeeded").await;
}

/// As when an upgrade is undone: the task, or the record of its group, has a layout that this version does not know.
#[tokio::test]
async fn what_has_a_newer_layout_is_left_alone_and_says_so_until_its_layout_is_known() {
    let scene = Scene::start().await;
    let spec = json!({"suspensionPolicy": "SuspendEachBatch"});
    scene.create("agent", with(script_task(), spec)).await;
    let record = format!("cn-hangzhou.{GROUP}");
    let namespaces = [&scene.namespace, &scene.installation.namespace];
    for (pause, (kind, name)) in (1..).zip([
        ("RollingUpdateTask", "agent"),
        ("ScalingGroupRecord", record.as_str()),
    ]) {
        let before = scene.until_paused("agent", pause).await;
        let api = scene.api(namespaces[usize::from(pause == 2)], kind);
        let set_layout = async |version: i32| {
            let patch = Patch::Merge(json!({"status": {"layoutVersion": version}}));
            let patched = api
                .patch_status(name, &PatchParams::default(), &patch)
                .await;
            patched.unwrap();
        };
        set_layout(LAYOUT_VERSION + 1).await;
        let value = pause.to_string();
        scene.request("agent", "continue", &value).await;
        let said = scene.until_condition("agent", "Stalled", "True", "NotUnderstood");
        let after = said.await;
        let said = condition(&after, "Stalled")["message"].clone();
        assert_says(
            &said,
            &[kind, "status.layoutVersion", "it is 2", "run that one"],
        );
        let kept = |object: &Value| {
            let mut status = object["status"].clone();
            let fields = status.as_object_mut().unwrap();
            fields.retain(|field, _| !["conditions", "layoutVersion"].contains(&field.as_str()));
            status
        };
        scene.polls(3).await;
        assert_eq!(kept(&scene.task("agent").await), kept(&before));
        let approved = usize::try_from(pause - 1).unwrap();
        assert_eq!(scene.notifications("Approve").await, approved);
        set_layout(LAYOUT_VERSION).await;
        scene.until_settled("agent", "continue", &value).await;
        assert!(condition(&scene.task("agent").await, "Stalled").is_null());
    }
    scene.until_state("agent", "Succeeded").await;
}

#[tokio::test]
async fn the_operator_ends_cleanly_when_it_is_told_to() {
    let mut scene = Scene::start().await;
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
    let ended = scene.operator.process().stop().unwrap().unwrap();
    assert_eq!(
        ended.code(),
        Some(0),
        "{}",
        scene.operator.process().log_tail()
    );
}
