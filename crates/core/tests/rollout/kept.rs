//! What was kept in a Secret of the operator's namespace, and is gone: a status then has a reference where a content was.
//! Nothing is made of that: no content is guessed, nothing else is run, and what a person can do is said.

use ess_rollout_api::v1alpha1::{RestoreState, condition};
use ess_rollout_cloud::Mutation;
use serde_json::{Value, json};

use crate::builders::task;
use crate::cloud::{Cloud, Fate};
use crate::rolling_back::rollback;
use crate::world::{Crash, World};

const GONE: &str = "secret:ess-rollout-kept-0123";

fn update(spec: Value) -> World {
    let update = json!({"containers": [{"name": "app", "image": "app:v2"}]});
    let task = task(json!({ "containerGroup": update }), spec);
    World::new(task, Cloud::with_container_groups(4))
}

/// Of all that is on record no more than references is left.
fn lose_contents(world: &mut World) {
    let status = world.task.status.as_mut().unwrap();
    if let Some(plan) = &mut status.plan {
        plan.scaling_configuration_containers = Some(GONE.into());
        plan.source_container_group = None;
        plan.kept_source_container_group = Some(GONE.into());
    }
    if let Some(source) = &mut status.source {
        source.scaling_configuration_containers = Some(GONE.into());
        source.kept_update = Some(GONE.into());
    }
    let record = world.record.as_mut().and_then(|r| r.status.as_mut());
    if let Some(baseline) = record.and_then(|status| status.baseline.as_mut()) {
        baseline.containers = Some(GONE.into());
    }
}

fn modified(world: &World) -> bool {
    let modifies = |m: &Mutation| matches!(m, Mutation::ModifyEciScalingConfiguration { .. });
    world.cloud.sent.iter().any(modifies)
}

#[test]
fn a_configuration_of_which_nothing_is_known_any_more_is_left_and_said() {
    let mut world = update(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    lose_contents(&mut world);
    // The template changes it before the run ends.
    let new = json!("app:v2");
    let app = &mut world.cloud.configuration_containers[0];
    app.fields.insert("Image".into(), new);
    world.annotated("cancel", "enough");
    world.run_to_rest();
    assert!(!modified(&world));
    let restore = world.status().restore.clone().unwrap();
    let left: Vec<_> = restore
        .items
        .iter()
        .filter(|item| item.state == RestoreState::Left)
        .collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].message.contains("not on record"), "{left:?}");
}

#[test]
fn a_start_that_cannot_be_put_together_again_is_not_sent_as_another_one() {
    let mut world = update(json!({}));
    world.cloud.fates = vec![Fate::Lost];
    // Decisions: the first visit, the start. The operator dies before it hears of the call.
    for decision in 0..4 {
        if world
            .task
            .status
            .as_ref()
            .is_some_and(|s| s.start.is_some())
        {
            break;
        }
        world.pass_with(Some((decision, Crash::Status)));
    }
    assert!(world.status().start.is_some());
    let sent = world.cloud.sent.len();
    lose_contents(&mut world);
    world.run_to_rest();
    assert_eq!(world.cloud.sent.len(), sent);
    assert_eq!(world.state(), "Failed");
    let message = &world.condition(condition::SUCCEEDED).unwrap().message;
    assert!(message.contains("is not sent again"), "{message}");
}

#[test]
fn a_rollback_says_what_is_missing_and_runs_nothing_less() {
    let mut done = update(json!({}));
    done.run_to_rest();
    // Before it has looked: the task's way back.
    lose_contents(&mut done);
    let mut back = rollback(&mut done, json!({}));
    back.run_for(30);
    let found = back.condition(condition::PREFLIGHT).unwrap();
    assert_eq!(found.reason, "NoRollbackPayload");
    assert!(
        found.message.contains("keptSourceContainerGroup"),
        "{}",
        found.message
    );
    assert!(
        found.message.contains("spec.to.containers"),
        "{}",
        found.message
    );

    // After it has: its own.
    let to =
        json!({"to": {"containers": [{"name": "app", "image": "app:v1"}]}, "desiredState": "Plan"});
    let mut back = rollback(&mut done, to);
    back.run_to_state("Planned");
    lose_contents(&mut back);
    let undo = back.rolling_back.as_mut().unwrap();
    undo.spec.policy.desired_state = ess_rollout_api::v1alpha1::DesiredState::Run;
    let sent = back.cloud.sent.len();
    back.run_for(120);
    let found = back.condition(condition::PREFLIGHT).unwrap();
    assert_eq!(found.reason, "SecretMissing", "{}", found.message);
    assert!(
        found.message.contains("ess-rollout-kept-0123"),
        "{}",
        found.message
    );
    assert_eq!(back.cloud.sent.len(), sent);
}
