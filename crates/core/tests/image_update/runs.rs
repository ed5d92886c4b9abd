//! Runs from their beginning to their end.

use ess_rollout_api::v1alpha1::{RunOutcome, RunTrigger};
use ess_rollout_cloud::ImageStatus;
use serde_json::json;

use crate::cloud::{BUILD_SECONDS, OLD_IMAGE, SOURCE, image};
use crate::world::{World, building, task};

#[test]
fn without_a_schedule_an_image_is_built_once_and_put_into_the_active_configuration() {
    let mut world = building(json!({"source": {
        "instanceId": SOURCE, "imageName": "nightly", "tags": [{"key": "team", "value": "shop"}],
    }}));
    world.run_to_rest();
    let status = world.status();
    assert_eq!(status.state.as_deref(), Some("Succeeded"));
    assert_eq!(status.image_id.as_deref(), Some("m-1"));
    assert_eq!(world.cloud.carried("asc-1"), "m-1");
    assert_eq!(world.cloud.carried("asc-2"), OLD_IMAGE, "not asked for");
    let configurations: Vec<_> = status
        .configurations
        .iter()
        .map(|c| (c.id.as_str(), c.updated))
        .collect();
    assert_eq!(configurations, [("asc-1", true)]);
    let run = world.newest();
    assert_eq!(
        (run.number, run.trigger, run.outcome),
        (1, RunTrigger::Now, RunOutcome::Succeeded)
    );
    assert_eq!(run.execution_id.as_deref(), Some("exec-1"));
    for (type_, value) in [
        ("Succeeded", "True/ImageUpdated"),
        ("Ready", "True/ImageUpdated"),
        ("Verified", "True/AsWanted"),
        ("Preflight", "True/Passed"),
        ("Reconciling", ""),
        ("Stalled", ""),
    ] {
        assert_eq!(world.condition(type_), value, "{type_}");
    }
    assert_eq!(world.reasons(), ["RunStarted", "RunSucceeded"]);
    assert!(
        !world.has_finalizer(),
        "a task at rest goes without the operator"
    );
    assert_eq!(
        world.states,
        ["Pending", "Running", "Verifying", "Succeeded"]
    );

    let start = world.cloud.started().unwrap();
    assert_eq!(
        serde_json::Value::from(start.parameters.clone()),
        json!({
            "instanceId": SOURCE, "targetImageName": "nightly", "OOSAssumeRole": "",
            "scalingConfigurationIds": ["asc-1"], "tags": [{"Key": "team", "Value": "shop"}],
        })
    );
    assert_eq!(start.template_version.as_deref(), Some("v3"));
    let tag = |key: &str| {
        start
            .tags
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    };
    assert_eq!(tag("scaling_group"), Some("asg-example"));
    assert_eq!(tag("managed-by"), Some("ess-rollout"));
    assert_eq!(tag("ess-rollout/task"), Some("shop/nightly"));
    assert_eq!(tag("ess-rollout/run"), Some("1"));

    let writes = (world.task_writes, world.record_writes);
    world.run_to("2026-01-12T12:00:00Z");
    assert_eq!(
        (world.task_writes, world.record_writes),
        writes,
        "written at rest"
    );
    assert_eq!(world.cloud.runs.len(), 1);
}

#[test]
fn a_given_image_is_put_into_every_configuration_without_an_execution() {
    let mut world = World::new(task(json!({
        "imageId": "m-given", "scalingConfigurationIds": ["asc-2", "asc-1"],
    })));
    let given = image("m-given", ImageStatus::Available);
    world.cloud.images.insert("m-given".into(), given);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.carried("asc-1"), "m-given");
    assert_eq!(world.cloud.carried("asc-2"), "m-given");
    assert_eq!(world.cloud.count("ModifyScalingConfiguration"), 2);
    assert_eq!(world.cloud.count("StartExecution"), 0);
    assert_eq!(world.reasons(), ["RunStarted", "RunSucceeded"]);
    assert!(world.newest().execution_id.is_none());
}

#[test]
fn an_edit_of_what_is_asked_for_leads_to_the_next_run() {
    let mut world = building(json!({}));
    world.run_to_rest();
    // What is only said of it leads to none.
    world.edited(|t| t.spec.description = Some("every night".into()));
    world.run_to_rest();
    assert_eq!(world.cloud.runs.len(), 1);
    assert_eq!(world.status().observed_generation, Some(2));
    world.edited(|t| t.spec.scaling_configuration_ids = vec!["asc-2".into()]);
    world.run_to_rest();
    assert_eq!(world.cloud.carried("asc-2"), "m-2");
    assert_eq!(
        world.outcomes(),
        [(2, RunOutcome::Succeeded), (1, RunOutcome::Succeeded)]
    );
    // And the way back is the id of an earlier image.
    world.edited(|t| t.spec.image_id = Some("m-1".into()));
    world.run_to_rest();
    assert_eq!(world.cloud.carried("asc-2"), "m-1");
    assert_eq!(world.status().image_id.as_deref(), Some("m-1"));
    assert_eq!(world.cloud.runs.len(), 2, "nothing is built for it");
    assert!(world.cloud.now > 2 * BUILD_SECONDS);
}
