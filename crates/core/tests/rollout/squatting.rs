//! What another tenant may write holds no group that it has no right to: neither key, nor place in the queue.

use ess_rollout_api::v1alpha1::{RunKey, condition};
use ess_rollout_cloud::ErrorClass;
use ess_rollout_core::identity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::builders::script;
use crate::cloud::{GROUP, execution};
use crate::pending::held_by_another;
use crate::world::World;

#[test]
fn who_waits_for_a_group_has_been_seen_to_reach_it() {
    let mut world = held_by_another();
    world.run_for(60);
    assert_eq!(
        world.said(condition::PREFLIGHT),
        "Unknown WaitingForScalingGroup"
    );
    assert!(world.status().group_seen_time.is_some());

    let mut blind = held_by_another();
    blind.cloud.group = None;
    blind.run_for(60);
    assert_eq!(
        blind.said(condition::PREFLIGHT),
        "False ScalingGroupNotFound"
    );
    let mut failing = held_by_another();
    failing
        .cloud
        .broken
        .insert("ScalingGroup", ErrorClass::Retry);
    failing.run_for(60);
    for world in [blind, failing] {
        assert_eq!(world.status().group_seen_time, None);
        assert!(world.record_status().run_keys.is_empty());
    }
}

/// Somebody starts an execution of whatever kind with the tags of a run key, and lets it wait.
#[test]
fn forged_tags_on_another_template_count_for_nothing() {
    let mut world = script(json!({"runKey": "v1"}));
    let mut forged = execution("exec-forged", None, "my-template", world.cloud.time());
    for (key, value) in [
        ("scaling_group", GROUP),
        ("managed-by", "ess-rollout"),
        ("ess-rollout/run-key", "v1"),
        ("ess-rollout/task", "shop/other"),
        ("ess-rollout/uid", "uid-9"),
        ("ess-rollout/spec-hash", "h"),
    ] {
        forged.tags.insert(key.into(), value.into());
    }
    let mut own = forged.clone();
    own.id = "exec-forged-uid".into();
    own.tags.insert("ess-rollout/uid".into(), "uid-1".into());
    own.tags.insert(
        "ess-rollout/spec-hash".into(),
        identity::spec_hash(&world.task.spec),
    );
    world.cloud.executions.extend([forged, own]);
    world.cloud.fates = vec![crate::cloud::Fate::Lost];
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.status().execution.as_ref().unwrap().id, "exec-1");
}

/// One that does update the group is waited for, and not without end.
#[test]
fn a_run_key_in_progress_is_waited_for_until_the_starting_deadline() {
    let mut world = script(json!({"runKey": "v1"}));
    let template = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";
    let mut other = execution("exec-other", None, template, world.cloud.time());
    other
        .parameters
        .insert("scalingGroupId".into(), json!(GROUP));
    for (key, value) in [
        ("scaling_group", GROUP.to_owned()),
        ("managed-by", "ess-rollout".into()),
        ("ess-rollout/run-key", "v1".into()),
        ("ess-rollout/uid", "uid-9".into()),
        (
            "ess-rollout/spec-hash",
            identity::spec_hash(&world.task.spec),
        ),
    ] {
        other.tags.insert(key.into(), value);
    }
    world.cloud.executions.push(other);
    world.run_for(3600);
    assert_eq!(world.said(condition::PREFLIGHT), "Unknown RunKeyInProgress");
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        message.contains("exec-other") && message.contains("startingDeadlineSeconds"),
        "{message}"
    );
    world.run_for(24 * 3600);
    assert_eq!(
        world.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );
}

fn keys(world: &World, never_ran: impl Fn(usize) -> bool) -> Vec<RunKey> {
    let at = Time(world.cloud.time());
    let key = |n: usize| {
        serde_json::from_value(json!({
            "key": format!("k{n}"), "specHash": "h", "by": "shop/web", "time": at,
            "neverRan": never_ran(n), "outcome": "Succeeded",
        }))
        .unwrap()
    };
    (0..500).map(key).collect()
}

fn with_keys(never_ran: impl Fn(usize) -> bool) -> World {
    let mut world = held_by_another();
    let keys = keys(&world, never_ran);
    let record = world.record.as_mut().unwrap().status.as_mut().unwrap();
    record.holder = None;
    record.run_keys = keys;
    world.task.spec.policy.run_key = Some("new".into());
    world
}

#[test]
fn keys_of_runs_outlast_those_under_which_nothing_ran() {
    let mut world = with_keys(|n| n == 7 || n == 9);
    world.run_to_rest();
    let left = world.record_status().run_keys;
    assert_eq!(left.len(), 500);
    let has = |key: &str| left.iter().any(|k| k.key == key);
    assert!(has("new") && !has("k7") && has("k9") && has("k0"));
    let new = left.iter().find(|k| k.key == "new").unwrap();
    assert!(!new.never_ran && new.execution_id.is_some());
}

#[test]
fn a_record_full_of_runs_refuses_a_new_key_and_says_how_to_make_room() {
    let mut world = with_keys(|_| false);
    world.run_for(300);
    assert_eq!(world.said(condition::PREFLIGHT), "False RunKeysExhausted");
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(message.contains("cn-hangzhou.asg-example"), "{message}");
    assert!(world.cloud.sent.is_empty() && !world.holds());
    // A key that it knows is still told from a new one.
    let mut known = with_keys(|_| false);
    known.task.spec.policy.run_key = Some("k3".into());
    known.run_to_rest();
    assert_eq!(known.said(condition::SUCCEEDED), "False RunKeyConflict");

    let record = world.record.as_mut().unwrap().status.as_mut().unwrap();
    record.run_keys.remove(0);
    world.run_until(90, "started", |w| w.status().start.is_some());
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(message.contains("499 run keys of at most 500"), "{message}");
}

#[test]
fn a_group_without_instances_uses_a_key_under_which_nothing_ran() {
    let mut world = script(json!({"runKey": "v1"}));
    world.cloud.instances.clear();
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True NoInstances");
    let keys = world.record_status().run_keys;
    assert!(keys[0].never_ran && keys[0].outcome.is_some());
}
