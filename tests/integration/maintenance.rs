//! MaintenanceWindows on a real apiserver: what it takes, what the operator writes on them, and what they hold.

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::DynamicObject;
use serde_json::{Value, json};

use crate::scene::{
    Scene, assert_condition, assert_says, condition, image_task, script_task, with,
};

fn window(name: &str, spec: Value) -> DynamicObject {
    let object = json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "MaintenanceWindow", "metadata": {"name": name}, "spec": spec,
    });
    serde_json::from_value(object).unwrap()
}

/// So many days from now.
fn in_days(days: i64) -> String {
    static BEGIN: LazyLock<Timestamp> = LazyLock::new(Timestamp::now);
    let time = *BEGIN + SignedDuration::from_hours(24 * days);
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Closed for as long as the tests take, for the groups of these tests.
fn years_away() -> Value {
    json!({"reason": "patch slot", "start": in_days(400), "end": in_days(401)})
}

async fn create(scene: &Scene, name: &str, spec: Value) -> Result<DynamicObject, kube::Error> {
    let api = scene.api(&scene.namespace, "MaintenanceWindow");
    api.create(&PostParams::default(), &window(name, spec))
        .await
}

async fn change(scene: &Scene, name: &str, spec: Value) {
    let api = scene.api(&scene.namespace, "MaintenanceWindow");
    let patch = Patch::Merge(json!({ "spec": spec }));
    api.patch(name, &PatchParams::default(), &patch)
        .await
        .unwrap();
}

/// Its status, once that is of this generation.
async fn status(scene: &Scene, name: &str, generation: i64) -> Value {
    let api = scene.api(&scene.namespace, "MaintenanceWindow");
    scene
        .eventually("the window has a status", async || {
            let found = api.get(name).await.unwrap();
            let status = found.data["status"].clone();
            (status["observedGeneration"] == generation).then_some(status)
        })
        .await
}

#[tokio::test]
async fn a_window_holds_what_it_selects_and_lets_it_go_when_it_is_changed() {
    let scene = Scene::start().await;
    create(&scene, "nights", years_away()).await.unwrap();
    let shown = status(&scene, "nights", 1).await;
    assert_eq!(
        (&shown["open"], &shown["nextChange"]),
        (&json!(false), &json!(in_days(400)))
    );
    assert_eq!(shown["reason"], "patch slot");

    scene.create("agent", script_task()).await;
    let task = scene
        .until_condition("agent", "Ready", "Unknown", "WindowClosed")
        .await;
    let name = format!(
        "MaintenanceWindow {}/nights (patch slot) is closed until",
        scene.namespace
    );
    assert_says(&condition(&task, "Ready")["message"], &[&name]);
    assert_eq!(scene.starts().await, 0);

    change(&scene, "nights", json!({"start": "2020-01-01T00:00:00Z"})).await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_eq!(task["status"]["start"]["pausesAfterEachBatch"], true);
    let shown = status(&scene, "nights", 2).await;
    assert_eq!(
        (&shown["open"], &shown["nextChange"]),
        (&json!(true), &json!(in_days(401)))
    );
}

#[tokio::test]
async fn what_would_stand_against_an_update_is_said_while_its_window_is_closed() {
    let scene = Scene::start().await;
    create(&scene, "nights", years_away()).await.unwrap();
    status(&scene, "nights", 1).await;
    let missing = json!({"update": {"image": {"imageId": "m-of-friday"}}});
    scene.create("web", with(image_task(), missing)).await;
    let task = scene
        .until_condition("web", "Stalled", "True", "ImageNotFound")
        .await;
    let said = [
        "image m-of-friday does not exist",
        "/nights (patch slot) is closed until",
    ];
    assert_says(&condition(&task, "Preflight")["message"], &said);
    assert_eq!(task["status"]["preflightCheck"]["reason"], "ImageNotFound");

    scene.create("agent", script_task()).await;
    let task = scene
        .until_condition("agent", "Ready", "Unknown", "WindowClosed")
        .await;
    let said = ["nothing else stood against it at "];
    assert_says(&condition(&task, "Ready")["message"], &said);
}

#[tokio::test]
async fn what_the_rules_of_the_crd_do_not_see_is_said_on_the_window_and_on_what_it_holds() {
    let scene = Scene::start().await;
    let weekly =
        json!({"schedule": "0 22 * * 6", "durationMinutes": 60, "timeZone": "Asia/Shangai"});
    create(&scene, "weekly", weekly).await.unwrap();
    let shown = status(&scene, "weekly", 1).await;
    assert_condition(
        &json!({ "status": shown }),
        "Ready",
        "False",
        "InvalidTimeZone",
    );
    assert_eq!(shown["open"], Value::Null);
    let naming = with(script_task(), json!({"windowRefs": ["weekly", "nowhere"]}));
    scene.create("agent", naming).await;
    scene
        .until_condition("agent", "Stalled", "True", "WindowUnreadable")
        .await;
    change(&scene, "weekly", json!({"timeZone": "Asia/Shanghai"})).await;
    let task = scene
        .until_condition("agent", "Stalled", "True", "WindowNotFound")
        .await;
    assert_says(
        &condition(&task, "Ready")["message"],
        &["spec.windowRefs names nowhere"],
    );
}

#[tokio::test]
async fn windows_that_say_nothing_are_refused_and_all_of_them_may_be_changed() {
    let scene = Scene::start().await;
    for (spec, says) in [
        (
            json!({}),
            "set schedule with durationMinutes and timeZone, or start and end",
        ),
        (
            json!({"schedule": "0 22 * * 6", "durationMinutes": 60}),
            "name the zone",
        ),
        (
            with(years_away(), json!({"end": in_days(399)})),
            "end must be after start",
        ),
        (
            with(years_away(), json!({"kind": "Freeze", "reason": null})),
            "a Freeze needs one",
        ),
    ] {
        let refused = create(&scene, "wrong", spec).await.unwrap_err();
        assert!(refused.to_string().contains(says), "{refused}");
    }
    create(&scene, "nights", years_away()).await.unwrap();
    let other = json!({
        "kind": "Freeze", "start": null, "end": null, "schedule": "@daily", "durationMinutes": 5, "timeZone": "UTC",
        "except": ["2026-10-01"], "selector": {"namespaces": ["nowhere"], "groups": {"tags": {"env": "prod"}}},
    });
    change(&scene, "nights", other).await;
    let many = with(
        script_task(),
        json!({"windowRefs": ["a", "b", "c", "d", "e", "f"]}),
    );
    let refused = scene.try_create("agent", many).await.unwrap_err();
    assert!(refused.to_string().contains("spec.windowRefs"), "{refused}");
    let twice = with(script_task(), json!({"windowRefs": ["a", "a"]}));
    let refused = scene.try_create("agent", twice).await.unwrap_err();
    assert!(refused.to_string().contains("Duplicate"), "{refused}");
}
