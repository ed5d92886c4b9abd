//! What else is at work on the group when an update is about to start.

use ess_rollout_api::v1alpha1::{DesiredState, condition};
use ess_rollout_cloud::{
    Diagnosis, DiagnosisStatus, ErrorClass, InstanceRefresh, InstanceRefreshStatus,
    LifecycleAction, ScalingActivity,
};
use serde_json::json;

use crate::builders::script;
use crate::world::World;

fn refresh(status: &str) -> Vec<InstanceRefresh> {
    vec![InstanceRefresh {
        id: "ir-1".into(),
        status: InstanceRefreshStatus::from(status),
    }]
}

fn critical(kind: &str) -> Diagnosis {
    Diagnosis {
        kind: kind.into(),
        status: DiagnosisStatus::Critical,
        resource: "res-1".into(),
        code: format!("{kind}Code"),
    }
}

fn preflight(world: &World) -> String {
    let condition = world.condition(condition::PREFLIGHT).unwrap();
    condition.message.clone()
}

/// What preflight says, with all of these in its message; nothing was started.
fn waits(world: &mut World, said: &str, named: &[&str]) {
    world.run_for(1);
    assert_eq!(world.said(condition::PREFLIGHT), said);
    let message = preflight(world);
    for word in named {
        assert!(message.contains(word), "{message} does not name {word}");
    }
    let writes = world.task_writes;
    world.run_for(600);
    assert_eq!(world.task_writes, writes, "written while nothing changes");
    assert!(world.cloud.sent.is_empty());
    assert!(!world.holds());
}

#[test]
fn no_update_starts_beside_an_instance_refresh() {
    for status in [
        "Pending",
        "InProgress",
        "CheckpointPause",
        "Cancelling",
        "RollbackInProgress",
        "Novelty",
    ] {
        let mut world = script(json!({}));
        world.cloud.refreshes = refresh(status);
        waits(
            &mut world,
            "Unknown RollingUpdateInProgress",
            &["ir-1", status, "CancelInstanceRefresh"],
        );
        world.cloud.refreshes.clear();
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded", "after {status}");
    }
    let mut world = script(json!({}));
    world.cloud.refreshes = refresh("Paused");
    waits(
        &mut world,
        "False RollingUpdateInProgress",
        &["ir-1", "ResumeInstanceRefresh", "CancelInstanceRefresh"],
    );
    assert_eq!(world.state(), "Blocked");

    let mut world = script(json!({}));
    world.cloud.refreshes = refresh("RollbackFailed");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_lifecycle_hook_that_holds_instances_is_named() {
    let mut world = script(json!({}));
    let group = world.cloud.group.as_mut().unwrap();
    (group.instances_in_motion, group.instances_held) = (1, 1);
    world.cloud.activities.push(ScalingActivity {
        id: "asa-1".into(),
        description: "adding".into(),
        progress: 50,
    });
    world.cloud.held.push(LifecycleAction {
        hook: "ash-1".into(),
        instances: vec!["i-new".into()],
    });
    let mut unknown = world.clone();
    waits(
        &mut world,
        "Unknown LifecycleHookPending",
        &["ash-1", "i-new", "asa-1", "CompleteLifecycleAction"],
    );
    unknown
        .cloud
        .broken
        .insert("LifecycleActions", ErrorClass::Denied);
    waits(
        &mut unknown,
        "Unknown LifecycleHookPending",
        &["1 instances", "Not looked at"],
    );
}

#[test]
fn arrears_stand_against_an_update_and_the_rest_of_the_diagnosis_is_said() {
    let mut world = script(json!({}));
    world.cloud.diagnosis = vec![critical("AccountArrearage")];
    waits(
        &mut world,
        "False AccountArrearage",
        &["overdue", "CreateDiagnoseReport"],
    );

    let mut world = script(json!({"desiredState": "Plan"}));
    world.cloud.diagnosis = vec![critical("VSwitch"), critical("KeyPair")];
    world.cloud.diagnosis.push(Diagnosis {
        status: DiagnosisStatus::Warn,
        ..critical("ElasticStrength")
    });
    world.run_for(1);
    let message = preflight(&world);
    assert!(
        message.contains("VSwitch res-1 VSwitchCode, KeyPair"),
        "{message}"
    );
    assert!(!message.contains("ElasticStrength"), "{message}");
    assert_eq!(world.state(), "Planned");
}

#[test]
fn what_may_not_be_read_is_said_and_holds_nothing_up() {
    for class in [
        ErrorClass::Denied,
        ErrorClass::Invalid,
        ErrorClass::NotFound,
    ] {
        let mut world = script(json!({"desiredState": "Plan"}));
        world.cloud.broken.insert("InstanceRefreshes", class);
        world.cloud.broken.insert("Diagnosis", class);
        world.run_for(1);
        let message = preflight(&world);
        assert_eq!(message.matches("Not looked at").count(), 2, "{message}");
        let writes = world.task_writes;
        world.run_for(600);
        assert_eq!(world.task_writes, writes, "written while nothing changes");
        world.task.spec.policy.desired_state = DesiredState::Run;
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
    }
    // What passes is waited out for a check, and not for advice.
    let mut world = script(json!({}));
    world.cloud.broken.insert("Diagnosis", ErrorClass::Retry);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    let mut world = script(json!({}));
    world
        .cloud
        .broken
        .insert("InstanceRefreshes", ErrorClass::Retry);
    world.run_for(60);
    assert!(world.cloud.sent.is_empty());
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

/// An answer without entries is not an empty group.
#[test]
fn instances_that_are_counted_and_not_listed_are_waited_for() {
    let mut world = script(json!({}));
    let instances = std::mem::take(&mut world.cloud.instances);
    world.cloud.unlisted = 4;
    waits(&mut world, "Unknown InstancesNotListed", &["4 instances"]);
    (world.cloud.instances, world.cloud.unlisted) = (instances, 0);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}
