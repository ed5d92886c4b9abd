//! What stands against a start: things that pass are waited for, things that a person has to mend are said.

use serde_json::{Value, json};

use crate::scene::{
    GROUP, Scene, assert_condition, assert_says, condition, fixture, group, image_task, kstatus,
    script_task, with,
};

fn empty_group() -> Value {
    with(fixture(), json!({"scalingGroups": [group(GROUP, 0)]}))
}

#[tokio::test]
async fn an_empty_group_has_nothing_to_update() {
    let scene = Scene::with_fixture(empty_group()).await;
    scene.create("agent", script_task()).await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_condition(&task, "Succeeded", "True", "NoInstances");
    assert_eq!(kstatus(&task), "Current");
    assert_eq!(scene.starts().await, 0);
    assert_eq!(scene.effects("SuspendProcesses").await, 0);
}

#[tokio::test]
async fn an_image_update_of_an_empty_group_changes_the_scaling_configuration() {
    let scene = Scene::with_fixture(empty_group()).await;
    scene.create("web-v2", image_task()).await;
    let task = scene.until_state("web-v2", "Succeeded").await;
    assert_condition(&task, "Succeeded", "True", "NoInstances");
    assert_condition(&task, "Verified", "True", "AsWanted");
    assert_eq!(scene.configuration_image("asc-web").await, "m-v2");
    assert_eq!(scene.starts().await, 0);
}

#[tokio::test]
async fn a_scaling_activity_is_waited_for() {
    let scene = Scene::start().await;
    scene.stop_time(true).await;
    scene
        .emulator
        .post(&format!("groups/{GROUP}/scaleOut"), &json!({"count": 1}))
        .await
        .unwrap();
    scene.create("agent", script_task()).await;
    let task = scene
        .until_condition("agent", "Preflight", "Unknown", "ScalingActivityInProgress")
        .await;
    assert_eq!(
        (&task["status"]["state"], kstatus(&task)),
        (&json!("Pending"), "InProgress")
    );
    assert!(task["status"]["start"].is_null());

    scene.stop_time(false).await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_eq!(task["status"]["summary"]["total"], 7);
}

#[tokio::test]
async fn an_update_from_the_console_is_waited_for() {
    let scene = Scene::start().await;
    scene.stop_time(true).await;
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": GROUP, "commandType": "RunShellScript", "invokeScript": "true",
        "enterProcess": ["ScaleIn"], "exitProcess": ["ScaleIn"], "batchNumber": 2, "OOSAssumeRole": "",
    });
    let started = scene
        .console("OOS", "StartExecution", json!({
            "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "Parameters": parameters.to_string(),
        }))
        .await;
    let foreign = started["Execution"]["ExecutionId"].as_str().unwrap();
    scene.create("agent", script_task()).await;
    let task = scene
        .until_condition("agent", "Preflight", "Unknown", "RollingUpdateInProgress")
        .await;
    assert_says(&condition(&task, "Preflight")["message"], &[foreign]);

    scene.stop_time(false).await;
    let task = scene.until_state("agent", "Succeeded").await;
    assert_eq!(task["status"]["summary"]["succeeded"], 6);
    assert_eq!(scene.effects("RunCommand").await, 12);
}

#[tokio::test]
async fn a_missing_image_blocks_its_task_and_not_the_group() {
    let scene = Scene::start().await;
    let image = json!({"update": {"image": {"imageId": "m-gone"}}});
    scene.create("web-v3", with(image_task(), image)).await;
    let task = scene
        .until_condition("web-v3", "Preflight", "False", "ImageNotFound")
        .await;
    assert_eq!(kstatus(&task), "Failed");
    assert_condition(&task, "Stalled", "True", "ImageNotFound");
    assert_says(
        &condition(&task, "Preflight")["message"],
        &["spec.update.image.imageId", "m-gone", "new task"],
    );
    scene.create("agent", script_task()).await;
    scene.until_state("agent", "Succeeded").await;
    assert_eq!(scene.starts().await, 1);

    // One that was never started goes at once.
    scene.delete("web-v3").await;
    scene
        .eventually("web-v3 is gone", async || {
            scene.find_task("web-v3").await.is_none().then_some(())
        })
        .await;
}

#[tokio::test]
async fn an_image_that_is_being_made_is_waited_for() {
    let scene = Scene::start().await;
    scene.stop_time(true).await;
    let made = scene
        .console(
            "ECS",
            "CreateImage",
            json!({"RegionId": "cn-hangzhou", "InstanceId": "i-web-01", "ImageName": "baked"}),
        )
        .await;
    let image = json!({"update": {"image": {"imageId": made["ImageId"]}}});
    scene.create("baked", with(image_task(), image)).await;
    scene
        .until_condition("baked", "Preflight", "Unknown", "ImageNotAvailable")
        .await;
    scene.stop_time(false).await;
    scene.until_state("baked", "Succeeded").await;
    assert!(
        scene
            .all_instances(GROUP, "imageId", made["ImageId"].as_str().unwrap())
            .await
    );
}

#[tokio::test]
async fn what_cannot_be_updated_so_is_said_with_the_cure() {
    let windows = json!({"update": {"script": {"type": "WindowsPowerShell"}}});
    let windows_image = json!({"update": {"image": {"imageId": "m-windows"}}});
    let cases = [
        (
            with(script_task(), json!({"scalingGroupId": "asg-gone"})),
            "ScalingGroupNotFound",
            ["asg-gone", "cn-hangzhou"],
        ),
        (
            with(script_task(), json!({"scalingGroupId": "asg-off"})),
            "ScalingGroupNotActive",
            ["asg-off", "enable it"],
        ),
        (
            with(script_task(), windows),
            "ScriptTypeMismatch",
            ["spec.update.script.type", "i-web-01"],
        ),
        (
            with(image_task(), windows_image),
            "ImageOSMismatch",
            ["m-windows", "i-web-01"],
        ),
        (
            json!({"scalingGroupId": GROUP, "update": {"package": {"name": "my-agent"}}}),
            "PackageNotFound",
            ["spec.update.package.name", "my-agent"],
        ),
        (
            json!({"scalingGroupId": GROUP, "update": {"containerGroup": {"containers": [{"name": "web", "image": "nginx"}]}}}),
            "ScalingGroupTypeMismatch",
            ["is of type ECS", "update.image"],
        ),
        (
            // 16 KiB are counted in bytes, and the apiserver counts characters.
            with(
                script_task(),
                json!({"update": {"script": {"run": {"inline": "é".repeat(9000)}}}}),
            ),
            "ScriptTooLarge",
            ["spec.update.script.run", "18000 bytes"],
        ),
    ];
    let mut fixture = fixture();
    let off = with(group("asg-off", 1), json!({"enabled": false}));
    fixture["scalingGroups"].as_array_mut().unwrap().push(off);
    fixture["images"]
        .as_array_mut()
        .unwrap()
        .push(json!({"imageId": "m-windows", "osType": "windows"}));
    let scene = Scene::with_fixture(fixture).await;
    for (index, (spec, reason, says)) in cases.into_iter().enumerate() {
        let name = format!("task-{index}");
        scene.create(&name, spec).await;
        let task = scene
            .until_condition(&name, "Preflight", "False", reason)
            .await;
        assert_says(&condition(&task, "Preflight")["message"], &says);
        assert_eq!(
            (&task["status"]["state"], kstatus(&task)),
            (&json!("Blocked"), "Failed")
        );
    }
    assert_eq!(scene.starts().await, 0);
}
