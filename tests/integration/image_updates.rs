//! Image update tasks: built, failed, run again, gone back, at a time, cancelled.

use serde_json::{Value, json};

use crate::scene::{
    CONFIGURATION, GROUP, Scene, assert_condition, assert_says, condition, fixture, with,
};

const NAME: &str = "nightly";

/// Builds an image from the first instance.
fn building() -> Value {
    json!({
        "scalingGroupId": GROUP,
        "source": {"instanceId": "i-web-01", "imageName": "nightly"},
    })
}

/// `kubectl apply`.
fn apply(scene: &Scene, spec: Value) {
    let manifest = json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": "ImageUpdateTask",
        "metadata": {"name": NAME},
        "spec": spec,
    });
    let applied = scene.kubectl.apply(&scene.namespace, &manifest.to_string());
    applied.unwrap();
}

fn annotate(scene: &Scene, annotation: &str) {
    let annotation = format!("ess-rollout.io/{annotation}");
    let args = [
        "annotate",
        "imageupdatetask",
        NAME,
        &annotation,
        "--overwrite",
        "-n",
    ];
    let args = [&args[..], &[scene.namespace.as_str()]].concat();
    scene.kubectl.run(&args).unwrap();
}

async fn until(scene: &Scene, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let api = scene.api(&scene.namespace, "ImageUpdateTask");
    scene
        .eventually(&format!("the task: {what}"), async || {
            Some(json!(api.get(NAME).await.unwrap())).filter(&wanted)
        })
        .await
}

/// The group is let go just after the end of a run is on record.
async fn until_free(scene: &Scene) {
    scene
        .eventually("the group is free", async || {
            let record = scene.record(GROUP).await;
            record["status"]["holder"].is_null().then_some(())
        })
        .await;
}

/// The run of this number has ended, and what came of it is said.
async fn until_ended(scene: &Scene, number: i64) -> Value {
    until(scene, &format!("run {number} has ended"), |task| {
        let said = &condition(task, "Succeeded")["status"];
        task["status"]["history"][0]["number"] == number && said != "Unknown"
    })
    .await
}

#[tokio::test]
async fn an_image_is_built_and_an_earlier_one_is_one_edit_away() {
    let scene = Scene::start().await;
    apply(&scene, building());
    let namespace = scene.namespace.as_str();
    let object = format!("imageupdatetask/{NAME}");
    scene
        .kubectl
        .wait(
            namespace,
            &object,
            "condition=Succeeded",
            crate::scene::PATIENCE,
        )
        .unwrap();
    let task = until_ended(&scene, 1).await;
    assert_condition(&task, "Verified", "True", "AsWanted");
    let run = &task["status"]["history"][0];
    assert_eq!(
        (&run["outcome"], &run["trigger"]),
        (&json!("Succeeded"), &json!("Now"))
    );
    let image = task["status"]["imageId"].as_str().unwrap();
    assert_eq!(run["imageId"], image);
    assert_eq!(
        task["status"]["configurations"],
        json!([{"id": CONFIGURATION, "imageId": image, "updated": true}])
    );
    assert_eq!(scene.configuration_image(CONFIGURATION).await, image);
    // Named as OOS names it; instances in service are left alone.
    let images = scene
        .console(
            "ECS",
            "DescribeImages",
            json!({"RegionId": "cn-hangzhou", "ImageId": image}),
        )
        .await;
    let name = images["Images"]["Image"][0]["ImageName"].as_str().unwrap();
    let execution = run["executionId"].as_str().unwrap();
    assert!(
        name.starts_with(&format!("nightly_on_{execution}_at_")),
        "{name}"
    );
    assert!(scene.all_instances(GROUP, "imageId", "m-v1").await);
    until_free(&scene).await;
    until(&scene, "at rest", |task| {
        task["status"]["state"] == "Succeeded"
    })
    .await;
    let table = scene
        .kubectl
        .run(&["get", "imageupdatetasks", "-n", namespace]);
    assert_says(&json!(table.unwrap()), &["Succeeded", image, GROUP]);

    apply(&scene, with(building(), json!({"imageId": "m-v1"})));
    let task = until_ended(&scene, 2).await;
    assert_condition(&task, "Succeeded", "True", "ImageUpdated");
    assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v1");
    assert_eq!(scene.asked("OOS", "StartExecution").await, 1);
}

#[tokio::test]
async fn an_image_that_fails_is_noticed_at_once_and_run_now_tries_again() {
    let fails = json!({"imageCreations": [{"instance": "i-web-01", "attempt": 1, "status": "CreateFailed"}]});
    let scene = Scene::with_fixture(with(fixture(), fails)).await;
    apply(&scene, building());
    let task = until_ended(&scene, 1).await;
    assert_condition(&task, "Succeeded", "False", "ImageCreationFailed");
    assert_says(&task["status"]["history"][0]["message"], &["CreateFailed"]);
    assert_eq!(task["status"]["history"][0]["outcome"], "Failed");
    assert_eq!(scene.effects("CancelExecution").await, 1);
    assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v1");

    annotate(&scene, "run-now=again");
    let task = until_ended(&scene, 2).await;
    assert_condition(&task, "Succeeded", "True", "ImageUpdated");
    let run = &task["status"]["history"][0];
    assert_eq!(run["trigger"], "RunNow");
    assert_eq!(
        scene.configuration_image(CONFIGURATION).await,
        run["imageId"]
    );
    let task = until(&scene, "the request has ended", |task| {
        task["status"]["actions"][0]["state"] == "Applied"
    });
    assert_eq!(task.await["status"]["actions"][0]["verb"], "RunNow");
}

#[tokio::test]
async fn a_run_waits_for_its_time_and_for_its_group_and_can_be_cancelled() {
    // It lasts until it is cancelled.
    let slow = json!({"durations": {"createImage": 100_000}});
    let scene = Scene::with_fixture(with(fixture(), slow)).await;
    let pausing = json!({"suspensionPolicy": "SuspendFirstBatch"});
    scene
        .create("web", with(crate::scene::script_task(), pausing))
        .await;
    scene.until_paused("web", 1).await;
    // With a fraction, which the status has not: it is one run all the same.
    let seconds = jiff::Timestamp::now().as_second() + 10;
    let at = jiff::Timestamp::new(seconds, 500_000_000).unwrap();
    apply(
        &scene,
        with(building(), json!({"schedule": {"at": at.to_string()}})),
    );
    let task = until(&scene, "it waits for its group", |task| {
        task["status"]["state"] == "Waiting"
    });
    assert_says(
        &condition(&task.await, "Preflight")["message"],
        &["RollingUpdateTask", "/web"],
    );
    scene.request("web", "continue", "1").await;
    let task = until(&scene, "it runs", |task| {
        task["status"]["state"] == "Running"
    })
    .await;
    let due = jiff::Timestamp::from_second(seconds).unwrap().to_string();
    assert!(task["status"]["active"]["time"].as_str().unwrap() >= due.as_str());
    annotate(&scene, "cancel=enough");
    let task = until_ended(&scene, 1).await;
    assert_condition(&task, "Succeeded", "False", "Cancelled");
    assert_eq!(task["status"]["history"][0]["trigger"], "Schedule");
    until_free(&scene).await;
    let task = until(&scene, "at rest", |task| {
        task["status"]["state"] == "Cancelled"
    })
    .await;
    assert_eq!(task["status"]["lastRun"], 1);
    assert_eq!(task["status"]["lastScheduleTime"], due);
    assert_eq!(scene.asked("OOS", "StartExecution").await, 2, "with web's");

    // What the apiserver or the operator refuses says what to change.
    let refused = |spec: Value| {
        let object = json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ImageUpdateTask",
            "metadata": {"name": "wrong"}, "spec": spec,
        });
        let answer = scene.kubectl.apply(&scene.namespace, &object.to_string());
        format!("{:#}", answer.unwrap_err())
    };
    for (spec, named) in [
        (json!({"scalingGroupId": GROUP}), "spec.source"),
        (
            json!({"scalingGroupId": GROUP, "imageId": "m-v1", "schedule": {"cron": "0 2 * * *"}}),
            "spec.schedule.cron",
        ),
        (
            with(
                building(),
                json!({"schedule": {"cron": "TZ=UTC 0 2 * * *"}}),
            ),
            "spec.schedule.timeZone",
        ),
        (
            with(
                building(),
                json!({"schedule": {"cron": "0 2 * * *", "notAfter": "9999-12-31T23:59:59Z"}}),
            ),
            "spec.schedule.notAfter must be before the year 9000",
        ),
        (
            with(
                building(),
                json!({"schedule": {"cron": "0 2 * * *", "notBefore": "9000-01-01T00:00:00Z"}}),
            ),
            "spec.schedule.notBefore must be before the year 9000",
        ),
        (
            with(
                building(),
                json!({"schedule": {"at": "9999-12-31T23:59:59Z"}}),
            ),
            "spec.schedule.at must be before the year 9000",
        ),
        (
            with(
                building(),
                json!({"source": {"tags": [{"key": "team", "value": "{{ x }}"}]}}),
            ),
            "spec.source.tags must not contain {{",
        ),
        (
            with(
                building(),
                json!({"source": {"imageName": "aliyun-nightly"}}),
            ),
            "spec.source.imageName must not begin with aliyun or acs:",
        ),
        (
            with(building(), json!({"source": {"imageName": "ACS:web"}})),
            "spec.source.imageName must not begin with aliyun or acs:",
        ),
        (
            with(building(), json!({"source": {"imageName": "http://web"}})),
            "imageName",
        ),
        (
            with(building(), json!({"source": {"imageName": "n".repeat(71)}})),
            "imageName",
        ),
    ] {
        let message = refused(spec);
        assert!(message.contains(named), "{message} does not name {named}");
    }
    // The nearest that are taken.
    let object = |name: &str, spec: &Value| {
        json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ImageUpdateTask",
            "metadata": {"name": name}, "spec": with(spec.clone(), json!({"suspend": true})),
        })
        .to_string()
    };
    let tags = json!([{"key": "team", "value": "{ {x} }"}, {"key": "alone"}]);
    let schedule = json!({"cron": "0 2 * * *", "notAfter": "8999-12-31T23:59:59Z"});
    let right = with(
        building(),
        json!({"source": {"tags": tags}, "schedule": schedule}),
    );
    let namespace = scene.namespace.as_str();
    scene
        .kubectl
        .apply(namespace, &object("right", &right))
        .unwrap();
    // A run goes on with the credentials that it began with.
    let other = with(right, json!({"credentialsRef": {"name": "team"}}));
    let message = scene.kubectl.apply(namespace, &object("right", &other));
    let message = format!("{:#}", message.unwrap_err());
    assert!(
        message.contains("spec.credentialsRef is immutable"),
        "{message}"
    );
}
