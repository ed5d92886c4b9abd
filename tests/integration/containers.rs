//! Container updates of groups of type ECI: Incremental and Renew, a retry, a failure, the way back.

use serde_json::{Value, json};

use crate::rolling_back;
use crate::scene::{Scene, Setup, assert_condition, assert_says, condition, fixture, with};

/// `asg-NAME` with the configuration `asc-NAME` and three container groups `eci-NAME-NN`.
fn group(name: &str) -> Value {
    json!({
        "scalingGroupId": format!("asg-{name}"),
        "groupType": "ECI",
        "maxSize": 20,
        "suspendedProcesses": ["ScheduledAction"],
        "eciConfigurations": [{
            "scalingConfigurationId": format!("asc-{name}"),
            "containers": [
                {"Name": "app", "Image": "registry/app:v1", "Cpu": 1, "EnvironmentVar": [{"Key": "LEVEL", "Value": "info"}]},
                {"Name": "log", "Image": "registry/log:v1"},
            ],
        }],
        "containerGroups": {"count": 3},
    })
}

async fn scene(names: &[&str], more: Value) -> Scene {
    let groups: Vec<Value> = names.iter().map(|name| group(name)).collect();
    let fixture = with(fixture(), json!({ "scalingGroups": groups }));
    Scene::with(Setup {
        fixture: with(fixture, more),
        ..Setup::default()
    })
    .await
}

fn update(name: &str, containers: Value, more: Value) -> Value {
    let spec = json!({
        "scalingGroupId": format!("asg-{name}"),
        "update": {"containerGroup": {"containers": containers}},
        "batches": 2,
    });
    with(spec, more)
}

/// Processes, configuration, and of each instance its state, weight and containers.
async fn found(scene: &Scene, name: &str) -> Value {
    let state = scene.emulator.get("state").await.unwrap();
    let group = format!("asg-{name}");
    let of = |list: &str, field: &str, value: &str| -> Vec<Value> {
        let all = state[list].as_array().unwrap().iter();
        all.filter(|row| row[field].as_str().is_some_and(|v| v.starts_with(value)))
            .cloned()
            .collect()
    };
    let specs: Vec<Value> = of(
        "containerGroups",
        "containerGroupId",
        &format!("eci-{name}-"),
    )
    .iter()
    .flat_map(|group| group["containers"].as_array().unwrap().clone())
    .map(|container| container["spec"].clone())
    .collect();
    json!({
        "processes": scene.suspended_processes(&group).await,
        "configuration": of("eciScalingConfigurations", "scalingGroupId", &group)[0]["containers"],
        "states": scene.instances(&group, "lifecycleState").await,
        "weights": scene.instances(&group, "loadBalancerWeight").await,
        "containers": specs,
    })
}

fn images(containers: &Value) -> Vec<&str> {
    let all = containers.as_array().unwrap().iter();
    all.map(|c| c["Image"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn containers_are_updated_retried_and_rolled_back() {
    let fault = json!({"faults": [{
        "service": "ECI", "action": "UpdateContainerGroup", "params": {"ContainerGroupId": "eci-retried-02"}, "caller": "oos", "count": 1,
        "effect": {"kind": "error", "status": 500, "code": "InternalError", "message": "try again"},
    }]});
    let scene = scene(&["plain", "retried"], fault).await;
    let before = [found(&scene, "plain").await, found(&scene, "retried").await];
    let app = json!([{"name": "app", "image": "registry/app:v2"}]);
    // One tells its way back, the other goes back to what ran.
    let told = json!({"update": {"containerGroup": {"rollbackContainers": [{"name": "app", "image": "registry/app:v1"}]}}});
    scene
        .create("plain", update("plain", app.clone(), told))
        .await;
    scene
        .create("retried", update("retried", app, json!({})))
        .await;

    let paused = scene.until_state("retried", "FailureSuspended").await;
    assert_says(
        &condition(&paused["status"]["instances"][1], "Updated")["message"],
        &["UpdateContainerGroup", "InternalError"],
    );
    scene.request("retried", "retry", "eci-retried-02@1").await;
    for name in ["plain", "retried"] {
        let task = scene.until_state(name, "Succeeded").await;
        assert_condition(&task, "Verified", "True", "AsWanted");
        assert_condition(&task, "Restored", "True", "Restored");
        let now = found(&scene, name).await;
        let group = ["registry/app:v2", "registry/log:v1"];
        assert_eq!(images(&now["containers"]), group.repeat(3));
        assert_eq!(images(&now["configuration"]), group);
        assert_eq!(
            now["configuration"][0]["EnvironmentVar"][0]["Value"],
            "info"
        );
        let index = usize::from(name == "retried");
        assert_eq!(now["states"], before[index]["states"], "Standby is left");
        assert_eq!(now["weights"], before[index]["weights"]);
    }

    for (name, method) in [("plain", "Template"), ("retried", "Invoke")] {
        let spec = json!({"taskRef": {"name": name}, "batches": 1});
        rolling_back::apply(&scene, name, spec);
        let back = rolling_back::until_state(&scene, name, "Succeeded").await;
        assert_condition(&back, "Verified", "True", "AsWanted");
        assert_eq!(back["status"]["source"]["method"], method);
        let index = usize::from(name == "retried");
        assert_eq!(found(&scene, name).await, before[index], "{name}");
    }
}

#[tokio::test]
async fn renew_takes_away_and_a_failure_is_put_back_and_listed() {
    let outcome = json!({"containerUpdates": [{
        "containerGroup": "eci-fails-01", "imageContains": "v2", "status": "Failed", "reason": "CrashLoopBackOff", "exitCode": 1,
    }]});
    let scene = scene(&["renewed", "fails"], outcome).await;
    let before = [found(&scene, "renewed").await, found(&scene, "fails").await];
    let renew = json!({"update": {"containerGroup": {"updateType": "Renew"}}});
    let app = json!([{"name": "app", "image": "registry/app:v2", "cpu": "0.5", "arg": ["-v"]}]);
    scene
        .create("renewed", update("renewed", app.clone(), renew))
        .await;
    let fail = json!({"onFailure": "Fail"});
    scene.create("fails", update("fails", app, fail)).await;

    let task = scene.until_state("renewed", "Succeeded").await;
    assert_condition(&task, "Verified", "True", "AsWanted");
    let now = found(&scene, "renewed").await;
    let container = json!({"Name": "app", "Image": "registry/app:v2", "Cpu": 0.5, "Arg": ["-v"]});
    assert_eq!(now["configuration"], json!([container]));
    assert_eq!(now["containers"], json!(vec![container; 3]));
    rolling_back::apply(
        &scene,
        "back",
        json!({"taskRef": {"name": "renewed"}, "batches": 2}),
    );
    let back = rolling_back::until_state(&scene, "back", "Succeeded").await;
    assert_condition(&back, "Verified", "True", "AsWanted");
    assert_eq!(found(&scene, "renewed").await, before[0]);

    let failed = scene.until_state("fails", "Failed").await;
    assert_condition(&failed, "Restored", "False", "LeftBehind");
    let record = scene
        .eventually("the record is free", async || {
            Some(scene.record("asg-fails").await).filter(|r| r["status"]["holder"].is_null())
        })
        .await;
    let left = &record["status"]["leftovers"];
    assert_eq!(left.as_array().unwrap().len(), 1, "{left}");
    assert_eq!(
        (&left[0]["kind"], &left[0]["target"]),
        (&json!("Standby"), &json!("eci-fails-01"))
    );
    assert_says(
        &left[0]["message"],
        &["container group is Failed", "remove it"],
    );
    let now = found(&scene, "fails").await;
    assert_eq!(now["processes"], before[1]["processes"]);
    assert_eq!(now["configuration"], before[1]["configuration"]);
    // A container group that has failed takes no other update: what comes next says so.
    let back = json!({"taskRef": {"name": "fails"}, "batches": 1, "scope": "AllInService"});
    rolling_back::apply(&scene, "undo", back);
    let undone = rolling_back::until_state(&scene, "undo", "Succeeded").await;
    assert_eq!(undone["status"]["source"]["method"], "Invoke");
}
