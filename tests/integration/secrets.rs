//! What may be a secret is in nothing that many read, and is there for the way back all the same.

use serde_json::{Value, json};

use crate::rolling_back;
use crate::scene::{GROUP, Scene, Setup, assert_condition, fixture, script_task, with};

/// Of a variable of the container groups as they are found.
const FOUND: &str = "hunter2-as-it-was-found";
/// Of the same variable in the manifest.
const GIVEN: &str = "hunter3-of-the-manifest";

async fn containers(scene: &Scene) -> Value {
    let state = scene.emulator.get("state").await.unwrap();
    let groups = state["containerGroups"].as_array().unwrap().iter();
    let groups: Vec<Value> = groups
        .map(|group| group["containers"][0]["spec"].clone())
        .collect();
    json!([state["eciScalingConfigurations"][0]["containers"], groups])
}

#[tokio::test]
async fn variables_of_containers_are_in_secrets_and_nowhere_else() {
    let variable = |value: &str| json!([{"Key": "DB_PASSWORD", "Value": value}]);
    let group = json!({
        "scalingGroupId": "asg-eci",
        "groupType": "ECI",
        "maxSize": 20,
        "eciConfigurations": [{
            "scalingConfigurationId": "asc-eci",
            "containers": [{"Name": "app", "Image": "registry/app:v1", "EnvironmentVar": variable(FOUND)}],
        }],
        "containerGroups": {"count": 2},
    });
    let mut scene = Scene::with(Setup {
        fixture: with(fixture(), json!({"scalingGroups": [group]})),
        values: json!({"log": {"level": "trace"}}),
        ..Setup::default()
    })
    .await;
    let before = containers(&scene).await;
    let app = json!({"name": "app", "image": "registry/app:v2",
        "environmentVar": [{"key": "DB_PASSWORD", "value": GIVEN}]});
    let spec = json!({"scalingGroupId": "asg-eci", "batches": 1,
        "update": {"containerGroup": {"containers": [app]}}});
    scene.create("eci", spec).await;
    let task = scene.until_state("eci", "Succeeded").await;
    assert_condition(&task, "Verified", "True", "AsWanted");
    assert!(containers(&scene).await.to_string().contains(GIVEN));
    let spec = json!({"taskRef": {"name": "eci"}, "batches": 1});
    rolling_back::apply(&scene, "eci", spec);
    let back = rolling_back::until_state(&scene, "eci", "Succeeded").await;
    assert_condition(&back, "Verified", "True", "AsWanted");
    assert_eq!(containers(&scene).await, before);

    let list = |what: &str| {
        let arguments = [
            "get",
            what,
            "--output=json",
            "--namespace",
            &scene.namespace,
        ];
        scene.kubectl.run(&arguments).unwrap()
    };
    let texts = [
        task["status"].to_string(),
        back["status"].to_string(),
        list("scalinggrouprecords.ess-rollout.io"),
        list("events.events.k8s.io"),
        scene.operator.process().log(),
    ];
    for text in &texts {
        for canary in [FOUND, GIVEN] {
            let shown: String = text.chars().take(2000).collect();
            assert!(!text.contains(canary), "{canary} is in {shown}");
        }
    }
    // What the task says is where it says.
    let reference = &task["status"]["plan"]["keptSourceContainerGroup"];
    let name = reference.as_str().unwrap().strip_prefix("secret:").unwrap();
    let arguments = [
        "get",
        "secret",
        name,
        "--output=jsonpath={.data.content}",
        "--namespace",
        &scene.installation.namespace,
    ];
    assert!(!scene.kubectl.run(&arguments).unwrap().is_empty());
}

/// The test's control plane has nobody who empties a namespace: the test does it.
#[tokio::test]
async fn a_namespace_that_is_deleted_takes_the_credentials_first_and_the_group_is_put_back() {
    let mut fixture = fixture();
    fixture["principals"].as_array_mut().unwrap().push(json!({
        "name": "team", "accessKeyId": "team-key", "accessKeySecret": "team-secret", "allow": ["*"],
    }));
    // The operator's rights in the namespace would go with it.
    let scene = Scene::with(Setup {
        fixture,
        values: json!({"rbac": {"clusterWideTasks": true}}),
        ..Setup::default()
    })
    .await;
    let keys = json!({"accessKeyId": "team-key", "accessKeySecret": "team-secret"});
    scene.create_secret("team", keys).await;
    let spec = json!({"credentialsRef": {"name": "team"}, "suspensionPolicy": "SuspendFirstBatch"});
    scene.create("agent", with(script_task(), spec)).await;
    scene.until_paused("agent", 1).await;

    let (namespace, own) = (&scene.namespace, &scene.installation.namespace);
    for arguments in [
        ["delete", "namespace", namespace, "--wait=false"].as_slice(),
        &["delete", "secret", "team", "--namespace", namespace],
    ] {
        scene.kubectl.run(arguments).unwrap();
    }
    scene.delete("agent").await;
    scene
        .eventually("the task is gone", async || {
            scene.find_task("agent").await.is_none().then_some(())
        })
        .await;
    let suspended = scene.suspended_processes(GROUP).await;
    assert_eq!(suspended, json!(["ScheduledAction"]));
    let record = scene.record(GROUP).await;
    assert!(record["status"]["holder"].is_null() && record["status"]["leftovers"].is_null());
    // What there was to say is said where it can be.
    let arguments = [
        "get",
        "events.events.k8s.io",
        "--namespace",
        own,
        "--output=jsonpath={.items[*].note}",
    ];
    let notes = scene.kubectl.run(&arguments).unwrap();
    let about = format!("RollingUpdateTask {namespace}/agent: ");
    assert!(notes.contains(&about), "{notes}");
}
