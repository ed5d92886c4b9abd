//! Scripts from ConfigMaps: looked at until the start, and fixed from then on.

use ess_rollout_api::v1alpha1::{ConfigMapKeyRef, condition};
use ess_rollout_cloud::Mutation;
use ess_rollout_core::ask::Ask;
use ess_rollout_core::identity::hash_text;
use ess_rollout_core::rollout::{Observation, Step, step};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::builders::task;
use crate::cloud::{Cloud, Fate};
use crate::rolling_back::{rollback, started};
use crate::world::{Crash, KeyText, World};

fn key(key: &str) -> ConfigMapKeyRef {
    ConfigMapKeyRef {
        name: "scripts".into(),
        key: key.into(),
    }
}

/// A script update whose scripts are the keys `run` and `rollback` of a ConfigMap.
fn script(spec: Value) -> World {
    let source = |key: &str| json!({"configMapKeyRef": {"name": "scripts", "key": key}});
    let update = json!({"script": {"run": source("run"), "rollback": source("rollback")}});
    World::new(task(update, spec), Cloud::with_instances(4))
}

fn put(world: &mut World, run: &str, rollback: &str) {
    for (name, text) in [("run", run), ("rollback", rollback)] {
        let text = KeyText::Text(text.into());
        world.texts.insert(key(name), text);
    }
}

fn ready(spec: Value) -> World {
    let mut world = script(spec);
    put(&mut world, "new", "old");
    world
}

#[test]
fn what_the_config_map_holds_is_run_and_given_to_oos_for_the_way_back() {
    let mut world = ready(json!({}));
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    let start = started(&world);
    assert_eq!(start.parameters["invokeScript"], "new");
    assert_eq!(start.parameters["rollbackScript"], "old");
    let plan = world.status().plan.as_ref().unwrap();
    let hashes = plan.scripts.as_ref().unwrap();
    assert_eq!(hashes.run, hash_text("new"));
    assert_eq!(hashes.rollback, Some(hash_text("old")));
    // OOS has the text, so the status need not.
    assert_eq!(world.status().start.as_ref().unwrap().scripts, None);
    let what = world.record_status().current.unwrap().what;
    assert_eq!(what, format!("script sha256:{}", &hash_text("new")[..16]));
}

#[test]
fn one_that_is_missing_is_waited_for_and_then_called_for_and_taken_when_it_comes() {
    let mut world = script(json!({}));
    world.task.metadata.creation_timestamp = Some(Time(world.cloud.time()));
    world.run_for(5);
    assert_eq!(
        world.said(condition::PREFLIGHT),
        "Unknown ConfigMapNotFound"
    );
    world.run_for(70);
    assert_eq!(world.said(condition::PREFLIGHT), "False ConfigMapNotFound");
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    for part in [
        "spec.update.script.run.configMapKeyRef",
        "scripts",
        "key run",
        "create it",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let writes = world.task_writes;
    world.run_for(300);
    assert_eq!(world.task_writes, writes, "written while nothing changes");
    assert!(world.cloud.sent.is_empty() && !world.holds());
    put(&mut world, "new", "old");
    world.run_until(15, "started", |w| w.cloud.count("StartExecution") == 1);
}

#[test]
fn what_cloud_assistant_would_not_take_is_refused_and_looked_at_again() {
    let cases = [
        (
            KeyText::NoKey,
            "False ConfigMapKeyNotFound",
            "no key rollback under data",
        ),
        (
            KeyText::Refused("forbidden".into()),
            "False ConfigMapAccessDenied",
            "get configmaps",
        ),
        (
            KeyText::Text("\n".into()),
            "False ScriptEmpty",
            "key rollback of ConfigMap scripts",
        ),
        (
            KeyText::Text("x".repeat(16385)),
            "False ScriptTooLarge",
            "16385 bytes",
        ),
        (
            KeyText::Text("{{ x }}".into()),
            "False ScriptAmbiguous",
            "key rollback of ConfigMap scripts",
        ),
    ];
    for (text, said, named) in cases {
        let mut world = ready(json!({}));
        world.texts.insert(key("rollback"), text);
        world.run_to_state("Blocked");
        assert_eq!(world.said(condition::PREFLIGHT), said);
        let message = &world.condition(condition::PREFLIGHT).unwrap().message;
        assert!(message.contains(named), "{message}");
        assert!(world.cloud.sent.is_empty());
        put(&mut world, "new", "x".repeat(16384).as_str());
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
    }
}

#[test]
fn it_is_fixed_when_the_intent_is_on_record_wherever_the_operator_dies() {
    for at in [Crash::Record, Crash::Status, Crash::Mutation] {
        for fate in [Fate::Answered, Fate::AnswerLost, Fate::Lost, Fate::Late(40)] {
            let mut world = ready(json!({"runKey": "v1"}));
            world.cloud.fates = vec![fate];
            world.pass_with(Some((1, at)));
            assert!(world.holds(), "{at:?}");
            let known = world.status().start.is_some();
            put(&mut world, "newer", "older");
            world.run_to_rest();
            // Every call is the same one: another text with the same token would be refused.
            let wanted = if known { "new" } else { "newer" };
            for mutation in &world.cloud.sent {
                if let Mutation::StartExecution(start) = mutation {
                    assert_eq!(start.parameters["invokeScript"], wanted, "{at:?} {fate:?}");
                }
            }
            assert_eq!(world.cloud.runs.len(), 1, "{at:?} {fate:?}");
            assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
            let keys = world.record_status().run_keys;
            let hash = &world.status().start.as_ref().unwrap().spec_hash;
            assert_eq!(&keys[0].spec_hash, hash, "{at:?} {fate:?}");
        }
    }
}

#[test]
fn a_config_map_that_changes_or_goes_after_the_start_changes_nothing() {
    let mut world = ready(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    let before = world.status().clone();
    world.texts.clear();
    world.run_for(60);
    assert_eq!(*world.status(), before);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");

    let mut back = rollback(&mut world, json!({}));
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    assert_eq!(started(&back).parameters["rollbackScript"], "old");
}

#[test]
fn a_rollback_may_name_a_config_map_of_its_own() {
    let mut world = ready(json!({}));
    world.run_to_rest();
    let to = json!({"script": {"configMapKeyRef": {"name": "scripts", "key": "repair"}}});
    let mut back = rollback(&mut world, json!({ "to": to }));
    back.run_to_state("Blocked");
    assert_eq!(back.said(condition::PREFLIGHT), "False ConfigMapNotFound");
    back.texts
        .insert(key("repair"), KeyText::Text("repair".into()));
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");
    assert_eq!(started(&back).parameters["rollbackScript"], "repair");
}

#[test]
fn a_run_key_stands_for_the_text() {
    let mut world = ready(json!({"runKey": "v1"}));
    world.run_to_rest();
    for (run, said) in [
        ("new", "True AlreadyRun"),
        ("newer", "False RunKeyConflict"),
    ] {
        let mut again = ready(json!({"runKey": "v1"}));
        put(&mut again, run, "old");
        again.task.metadata.uid = Some("uid-2".into());
        again.cloud = world.cloud.clone();
        again.record.clone_from(&world.record);
        again.run_to_rest();
        assert_eq!(again.said(condition::SUCCEEDED), said);
        assert_eq!(again.cloud.count("StartExecution"), 1);
    }
}

/// A backup keeps the annotation, and neither the status nor, in this case, the ConfigMap.
#[test]
fn an_object_that_is_restored_follows_its_execution_without_the_config_map() {
    let mut world = ready(json!({"suspensionPolicy": "SuspendFirstBatch", "runKey": "v1"}));
    world.run_to_state("BatchSuspended");
    world.texts.clear();
    world.task.metadata.uid = Some("uid-2".into());
    world.task.status = Some(serde_json::from_value(json!({"observedGeneration": -1})).unwrap());
    world.holder_gone = true;
    world.run_until(60, "the group is its own", World::holds);
    world.holder_gone = false;
    world.run_to_state("BatchSuspended");
    assert_eq!(world.cloud.runs.len(), 1);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.cloud.runs.len(), 1);
    let what = world.record_status().current.unwrap().what;
    assert_eq!(what, format!("script sha256:{}", &hash_text("new")[..16]));
}

/// The update that it undoes is cancelled by then, and nobody else knows how the group was before.
#[test]
fn a_rollback_that_took_the_group_over_keeps_it_while_its_config_map_is_missing() {
    let mut update = ready(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    update.run_to_state("BatchSuspended");
    let to = json!({"script": {"configMapKeyRef": {"name": "scripts", "key": "repair"}}});
    let mut back = rollback(&mut update, json!({ "to": to }));
    let repair = KeyText::Text("repair".into());
    back.texts.insert(key("repair"), repair.clone());
    back.run_until(30, "the group is taken over", World::holds);
    back.texts.clear();
    back.run_to_state("Blocked");
    back.run_for(120);
    assert!(back.holds());
    back.texts.insert(key("repair"), repair);
    back.run_to_rest();
    assert_eq!(back.said(condition::SUCCEEDED), "True Updated");
    assert!(back.cloud.suspended().is_empty());
}

/// A path that leads elsewhere is no name: a Secret would be run as a script, and shown.
#[test]
fn nothing_but_a_config_map_of_the_namespace_is_read() {
    for name in ["../secrets/cloud", "..", "a/b", "a?x", "a%2f"] {
        let source = json!({"configMapKeyRef": {"name": name, "key": "run"}});
        let task = task(json!({"script": {"run": source}}), json!({}));
        let mut world = World::new(task, Cloud::with_instances(4));
        let asked = step(world.input(&world.task, &Observation::default(), None));
        let Step::Read(asked) = asked else {
            panic!("{name}: decides without the record");
        };
        let reads = |ask: &Ask| matches!(ask, Ask::ConfigMap { .. });
        assert!(!asked.iter().any(reads), "{name}: {asked:?}");
        world.run_to_state("Blocked");
        assert_eq!(world.said(condition::PREFLIGHT), "False ConfigMapNotFound");
    }
}
