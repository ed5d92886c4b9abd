//! What the apiserver refuses before the operator sees it, and what it says.

use http::Request;
use kube::{Client, Error};
use serde_json::{Value, json};

use crate::scene::{control_plane, image_task, script_task, task, with};

const TASKS: &str = "rollingupdatetasks";

struct Apiserver {
    client: Client,
    namespace: String,
}

impl Apiserver {
    async fn new() -> Self {
        let control_plane = control_plane();
        Self {
            client: control_plane.client().await.unwrap(),
            namespace: control_plane.kubectl().namespace("admission").unwrap(),
        }
    }

    /// Sends an object, with unknown fields refused as kubectl has it. What the apiserver says when it refuses it.
    async fn send(
        &self,
        method: &str,
        path: &str,
        query: &str,
        object: &Value,
    ) -> Result<Value, String> {
        let uri = format!(
            "/apis/ess-rollout.io/v1alpha1/namespaces/{}/{path}?fieldValidation=Strict{query}",
            self.namespace
        );
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", "application/json");
        match self
            .client
            .request(request.body(object.to_string().into_bytes()).unwrap())
            .await
        {
            Ok(answer) => Ok(answer),
            Err(Error::Api(status)) => Err(status.message),
            Err(other) => panic!("{other}"),
        }
    }

    /// What would be said to a new task.
    async fn try_create(&self, object: &Value) -> Result<Value, String> {
        self.send("POST", TASKS, "&dryRun=All", object).await
    }
}

fn script(text: impl Into<String>) -> Value {
    with(
        script_task(),
        json!({"update": {"script": {"run": {"inline": text.into()}}}}),
    )
}

fn script_and(more: Value) -> Value {
    with(script_task(), more)
}

fn batch_size(size: Value) -> Value {
    let mut spec = script_task();
    spec.as_object_mut().unwrap().remove("batches");
    with(spec, json!({"batchSize": size}))
}

fn update(update: Value) -> Value {
    json!({"scalingGroupId": "asg-web", "update": update})
}

/// A rule: a spec that it refuses, what is said then, and the nearest spec that it lets pass.
type Rule = (Value, &'static str, Value);

fn rules() -> Vec<Rule> {
    let container = json!({"containers": [{"name": "web"}]});
    let run_from = |source: Value| update(json!({"script": {"run": source}}));
    let key = json!({"name": "scripts", "key": "run.sh"});
    vec![
        // The exact words: what to change is in them.
        (
            with(script_task(), image_task()),
            "spec.update must hold exactly one of image, script, package, containerGroup",
            image_task(),
        ),
        (
            update(json!({})),
            "spec.update must hold exactly one of",
            update(json!({"package": {"name": "agent"}})),
        ),
        (
            script_and(json!({"batchSize": 2})),
            "set spec.batches or spec.batchSize, not both",
            batch_size(json!(2)),
        ),
        (
            script_and(json!({"maxErrors": 1})),
            "spec.maxErrors works for image updates only",
            with(image_task(), json!({"maxErrors": 1})),
        ),
        (
            with(
                update(json!({"containerGroup": container})),
                json!({"lifecycleStates": ["InService", "Protected"]}),
            ),
            "spec.lifecycleStates cannot be set for update.containerGroup",
            update(json!({"containerGroup": container})),
        ),
        (
            script("echo {{ x }}"),
            "must not contain {{",
            script("echo { { x } }"),
        ),
        (
            run_from(json!({"inline": "true", "configMapKeyRef": key})),
            "either inline or by configMapKeyRef",
            run_from(json!({"configMapKeyRef": key})),
        ),
        (
            // It becomes part of a path.
            run_from(json!({"configMapKeyRef": {"name": "../secrets/cloud", "key": "run.sh"}})),
            "spec.update.script.run.configMapKeyRef.name",
            run_from(json!({"configMapKeyRef": {"name": "my.scripts-1", "key": "run.sh"}})),
        ),
        (
            run_from(json!({})),
            "either inline or by configMapKeyRef",
            script("true"),
        ),
        (
            script("x".repeat(16385)),
            "may not be more than 16384 bytes",
            script("x".repeat(16384)),
        ),
        // Batches.
        (
            script_and(json!({"batches": 0})),
            "spec.batches",
            script_and(json!({"batches": 1})),
        ),
        (
            script_and(json!({"batches": 101})),
            "spec.batches",
            script_and(json!({"batches": 100})),
        ),
        (
            batch_size(json!(0)),
            "a count from 1 to 1000 or a percentage from 1% to 100%",
            batch_size(json!(1)),
        ),
        (
            batch_size(json!(1001)),
            "a count from 1 to 1000",
            batch_size(json!(1000)),
        ),
        (
            batch_size(json!("0%")),
            "a count from 1 to 1000",
            batch_size(json!("1%")),
        ),
        (
            batch_size(json!("101%")),
            "a count from 1 to 1000",
            batch_size(json!("100%")),
        ),
        (
            batch_size(json!("25")),
            "a count from 1 to 1000",
            batch_size(json!("25%")),
        ),
        (
            batch_size(json!("25%%")),
            "a count from 1 to 1000",
            batch_size(json!("99%")),
        ),
        (
            script_and(json!({"approvedBatches": 102})),
            "spec.approvedBatches",
            script_and(json!({"approvedBatches": 0})),
        ),
        // Words.
        (
            script_and(json!({"suspensionPolicy": "Always"})),
            "SuspendEachBatch",
            script_and(json!({"suspensionPolicy": "SuspendEachBatch"})),
        ),
        (
            script_and(json!({"onFailure": "Retry"})),
            "spec.onFailure",
            script_and(json!({"onFailure": "Fail"})),
        ),
        (
            script_and(json!({"desiredState": "Paused"})),
            "spec.desiredState",
            script_and(json!({"desiredState": "Plan"})),
        ),
        (
            script_and(json!({"lifecycleStates": []})),
            "spec.lifecycleStates",
            script_and(json!({"lifecycleStates": ["Protected"]})),
        ),
        (
            script_and(json!({"lifecycleStates": ["Standby"]})),
            "spec.lifecycleStates",
            script_and(json!({"lifecycleStates": ["InService", "Protected"]})),
        ),
        (
            script_and(json!({"lifecycleStates": ["Protected", "Protected"]})),
            "Duplicate value",
            script_and(json!({"lifecycleStates": ["Protected", "InService"]})),
        ),
        // Names and their characters.
        (
            script_and(json!({"scalingGroupId": ""})),
            "spec.scalingGroupId",
            script_and(json!({"scalingGroupId": "asg-1"})),
        ),
        (
            script_and(json!({"scalingGroupId": "asg 1"})),
            "spec.scalingGroupId",
            script_and(json!({"scalingGroupId": "a".repeat(128)})),
        ),
        (
            script_and(json!({"regionId": "CN/../x"})),
            "spec.regionId",
            script_and(json!({"regionId": "cn-hangzhou"})),
        ),
        (
            script_and(json!({"description": "x".repeat(201)})),
            "spec.description",
            script_and(json!({"description": "x".repeat(200)})),
        ),
        (
            script_and(json!({"ramRole": "a b"})),
            "spec.ramRole",
            script_and(json!({"ramRole": "OOSServiceRole"})),
        ),
        (
            script_and(json!({"credentialsRef": {"name": ""}})),
            "spec.credentialsRef.name",
            script_and(json!({"credentialsRef": {"name": "team"}})),
        ),
        (
            script_and(json!({"runKey": "-x"})),
            "spec.runKey",
            script_and(json!({"runKey": "release-7"})),
        ),
        (
            script_and(json!({"runKey": "x".repeat(64)})),
            "spec.runKey",
            script_and(json!({"runKey": "x".repeat(63)})),
        ),
        (
            update(json!({"image": {"imageId": "m 1"}})),
            "spec.update.image.imageId",
            update(json!({"image": {"imageId": "m-1", "rollbackImageId": "m-0"}})),
        ),
        (
            update(json!({"package": {"name": "x;reboot"}})),
            "spec.update.package.name",
            update(json!({"package": {"name": "ACS-ECS-Example.1_x"}})),
        ),
        (
            update(json!({"containerGroup": {"containers": []}})),
            "spec.update.containerGroup.containers",
            update(json!({"containerGroup": {"containers": [{"name": "web", "cpu": "0.5"}]}})),
        ),
        // Seconds.
        (
            script_and(json!({"ttlSecondsAfterFinished": -1})),
            "spec.ttlSecondsAfterFinished",
            script_and(json!({"ttlSecondsAfterFinished": 0})),
        ),
        (
            script_and(json!({"deletionTimeoutSeconds": 604801})),
            "spec.deletionTimeoutSeconds",
            script_and(json!({"deletionTimeoutSeconds": 0})),
        ),
        (
            script_and(json!({"progressDeadlineSeconds": 59})),
            "spec.progressDeadlineSeconds",
            script_and(json!({"progressDeadlineSeconds": 60})),
        ),
        // Misspelt.
        (
            script_and(json!({"batchs": 3})),
            "unknown field \"spec.batchs\"",
            script_and(json!({"batches": 3})),
        ),
    ]
}

#[tokio::test]
async fn what_no_update_can_be_is_refused_with_what_to_change() {
    let apiserver = Apiserver::new().await;
    for (refused, says, accepted) in rules() {
        let short = |spec: &Value| spec.to_string().chars().take(300).collect::<String>();
        match apiserver.try_create(&task("web", refused.clone())).await {
            Ok(_) => panic!("accepted: {}", short(&refused)),
            Err(message) => assert!(message.contains(says), "{says:?} is not in {message}"),
        }
        if let Err(message) = apiserver.try_create(&task("web", accepted.clone())).await {
            panic!("refused: {}: {message}", short(&accepted));
        }
    }
}

#[tokio::test]
async fn names_leave_room_for_the_events_named_after_them() {
    let apiserver = Apiserver::new().await;
    let refused = apiserver
        .try_create(&task(&"x".repeat(201), script_task()))
        .await
        .unwrap_err();
    assert!(
        refused.contains("metadata.name must be at most 200 characters"),
        "{refused}"
    );
    apiserver
        .try_create(&task(&"x".repeat(200), script_task()))
        .await
        .unwrap();
}

#[tokio::test]
async fn kubectl_refuses_a_misspelt_field() {
    let kubectl = control_plane().kubectl();
    let namespace = kubectl.namespace("admission").unwrap();
    let manifest = task(
        "web",
        with(script_task(), json!({"suspendPolicy": "SuspendEachBatch"})),
    );
    let refused = kubectl
        .apply(&namespace, &manifest.to_string())
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("unknown field \"spec.suspendPolicy\""),
        "{refused}"
    );
}

#[tokio::test]
async fn a_spec_stays_what_it_was_but_for_three_fields() {
    let apiserver = Apiserver::new().await;
    let full = json!({
        "scalingGroupId": "asg-web", "regionId": "cn-hangzhou", "description": "agent", "batches": 3, "maxErrors": 0,
        "update": {"script": {"run": {"inline": "true"}}},
        "ramRole": "role", "credentialsRef": {"name": "team"}, "runKey": "r1", "progressDeadlineSeconds": 60,
    });
    let bare = json!({"scalingGroupId": "asg-web", "update": {"image": {"imageId": "m-1"}}});
    let full = apiserver
        .send("POST", TASKS, "", &task("full", full))
        .await
        .unwrap();
    let bare = apiserver
        .send("POST", TASKS, "", &task("bare", bare))
        .await
        .unwrap();
    let change = async |object: &Value, field: &str, value: &Value| {
        let mut object = object.clone();
        let spec = object["spec"].as_object_mut().unwrap();
        if value.is_null() {
            spec.remove(field);
        } else {
            spec.insert(field.to_owned(), value.clone());
        }
        let path = format!("{TASKS}/{}", object["metadata"]["name"].as_str().unwrap());
        apiserver.send("PUT", &path, "&dryRun=All", &object).await
    };

    // Changed, removed where it may be missing, and added where it was.
    let immutable = [
        ("scalingGroupId", json!("asg-api"), false),
        ("regionId", json!("cn-beijing"), true),
        ("description", json!("other"), true),
        (
            "update",
            json!({"script": {"run": {"inline": "false"}}}),
            false,
        ),
        ("batches", json!(4), true),
        ("maxErrors", json!(1), true),
        ("suspensionPolicy", json!("SuspendEachBatch"), false),
        ("onFailure", json!("Fail"), false),
        ("lifecycleStates", json!(["Protected"]), false),
        ("ramRole", json!("other"), true),
        ("credentialsRef", json!({"name": "other"}), true),
        ("restorePolicy", json!("Manual"), false),
        ("failedInstancePolicy", json!("ReturnToService"), false),
        ("deletionPolicy", json!("Orphan"), false),
        ("runKey", json!("r2"), true),
        ("progressDeadlineSeconds", json!(90), true),
    ];
    for (field, value, optional) in immutable {
        let says = format!("spec.{field} is immutable");
        // An image update: the script one may not have maxErrors above 0.
        let object = if field == "maxErrors" { &bare } else { &full };
        let message = change(object, field, &value).await.expect_err(field);
        assert!(message.contains(&says), "{message}");
        if optional {
            let message = change(&full, field, &Value::Null).await.expect_err(field);
            assert!(message.contains(&says), "{message}");
            let message = change(&bare, field, &value).await.expect_err(field);
            assert!(message.contains(&says), "{message}");
        }
    }
    let message = change(&bare, "batchSize", &json!(2)).await.unwrap_err();
    assert!(message.contains("spec.batchSize is immutable"), "{message}");

    for (field, value) in [
        ("desiredState", json!("Cancelled")),
        ("approvedBatches", json!(2)),
        ("ttlSecondsAfterFinished", json!(60)),
        ("deletionTimeoutSeconds", json!(0)),
    ] {
        change(&full, field, &value).await.unwrap();
    }
}

#[tokio::test]
async fn the_record_of_a_group_stays_that_of_the_group() {
    let apiserver = Apiserver::new().await;
    let record = json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ScalingGroupRecord",
        "metadata": {"name": "cn-hangzhou.asg-web"}, "spec": {"scalingGroupId": "asg-web", "regionId": "cn-hangzhou"},
    });
    let mut record = apiserver
        .send("POST", "scalinggrouprecords", "", &record)
        .await
        .unwrap();
    record["spec"]["scalingGroupId"] = json!("asg-api");
    let path = "scalinggrouprecords/cn-hangzhou.asg-web";
    let message = apiserver
        .send("PUT", path, "&dryRun=All", &record)
        .await
        .unwrap_err();
    assert!(
        message.contains("a ScalingGroupRecord belongs to one scaling group for good"),
        "{message}"
    );
}

/// kstatus takes an object without any status for done: one that nobody has looked at must not pass for it.
#[tokio::test]
async fn a_task_that_no_operator_has_seen_is_in_progress() {
    let apiserver = Apiserver::new().await;
    let created = apiserver
        .try_create(&task("web", script_task()))
        .await
        .unwrap();
    assert_eq!(created["status"], json!({"observedGeneration": -1}));
    assert_eq!(crate::scene::kstatus(&created), "InProgress");
}
