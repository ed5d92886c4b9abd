//! What was approved is what runs: texts, templates and packages that change under a plan.

use ess_rollout_api::v1alpha1::{ConfigMapKeyRef, DesiredState, condition};
use serde_json::{Value, json};

use crate::builders::{image, task};
use crate::cloud::Cloud;
use crate::pending::held_by_another;
use crate::rolling_back::{rollback, started};
use crate::world::{KeyText, World};

fn put(world: &mut World, name: &str, text: &str) {
    let key = ConfigMapKeyRef {
        name: "scripts".into(),
        key: name.into(),
    };
    world.texts.insert(key, KeyText::Text(text.into()));
}

fn source(key: &str) -> Value {
    json!({"configMapKeyRef": {"name": "scripts", "key": key}})
}

fn script(spec: Value) -> World {
    let update = json!({"script": {"run": source("run"), "rollback": source("rollback")}});
    let mut world = World::new(task(update, spec), Cloud::with_instances(4));
    put(&mut world, "run", "new");
    put(&mut world, "rollback", "old");
    world
}

fn set(world: &mut World, state: DesiredState) {
    world.edited(|task| task.spec.policy.desired_state = state);
}

/// Blocked by a change, with all of these in the message, and nothing was sent.
fn refused(world: &World, named: &[&str]) {
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.said(condition::PREFLIGHT), "False PlanChanged");
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    for part in named {
        assert!(message.contains(part), "{message} does not name {part}");
    }
    assert!(!world.holds());
}

#[test]
fn a_text_that_changed_after_it_was_planned_does_not_run() {
    let mut world = script(json!({"desiredState": "Plan"}));
    world.run_to_state("Planned");
    put(&mut world, "run", "rm -rf /");
    set(&mut world, DesiredState::Run);
    world.run_for(300);
    refused(
        &world,
        &[
            "spec.update.script.run",
            "key run",
            "scripts",
            "create it anew",
        ],
    );
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        !message.contains("spec.update.script.rollback"),
        "{message}"
    );

    // Whoever may change a ConfigMap may also ask for another plan: that approves no other text.
    set(&mut world, DesiredState::Plan);
    world.run_for(120);
    refused(&world, &[]);
    set(&mut world, DesiredState::Run);
    world.run_for(120);
    assert!(world.cloud.sent.is_empty());
    put(&mut world, "run", "new");
    world.run_to_rest();
    assert_eq!(started(&world).parameters["invokeScript"], "new");
}

#[test]
fn a_text_that_changes_while_it_is_planned_is_not_what_is_planned() {
    let mut world = script(json!({"desiredState": "Plan"}));
    world.run_to_state("Planned");
    put(&mut world, "rollback", "rm -rf /");
    world.run_for(70);
    refused(&world, &["spec.update.script.rollback"]);
    let plan = world.status().plan.clone().unwrap();
    let old = ess_rollout_core::identity::hash_text("old");
    assert_eq!(plan.scripts.unwrap().rollback, Some(old));
}

/// Nobody planned it: it waits for its group, and somebody changes the text meanwhile.
#[test]
fn a_text_that_changes_while_a_task_waits_does_not_run() {
    let mut world = script(json!({}));
    world.record = held_by_another().record;
    world.run_for(60);
    assert_eq!(world.state(), "Pending");
    put(&mut world, "run", "rm -rf /");
    world.record = None;
    world.run_for(300);
    refused(&world, &["spec.update.script.run"]);
    assert!(world.cloud.sent.is_empty());
}

#[test]
fn the_text_of_a_rollback_is_pinned_too() {
    let mut update = script(json!({}));
    update.run_to_rest();
    let to = json!({"script": source("repair")});
    let mut back = rollback(&mut update, json!({"to": to, "desiredState": "Plan"}));
    put(&mut back, "repair", "repair");
    back.run_to_state("Planned");
    put(&mut back, "repair", "rm -rf /");
    back.edited(|_| ());
    back.rolling_back
        .as_mut()
        .unwrap()
        .spec
        .policy
        .desired_state = DesiredState::Run;
    back.run_for(300);
    refused(&back, &["spec.to.script", "key repair"]);
    assert_eq!(back.cloud.count("StartExecution"), 1);
}

#[test]
fn another_version_of_the_template_needs_another_plan() {
    let mut world = image(json!({"desiredState": "Plan"}));
    world.run_to_state("Planned");
    world.cloud.template.as_mut().unwrap().version = "v99".into();
    set(&mut world, DesiredState::Run);
    world.run_for(300);
    refused(&world, &["v99", "set spec.desiredState to Plan"]);
    assert!(world.cloud.sent.is_empty());
    set(&mut world, DesiredState::Plan);
    world.run_to_state("Planned");
    set(&mut world, DesiredState::Run);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn another_newest_version_of_a_package_needs_another_plan() {
    let update = json!({"package": {"name": "nginx"}});
    let mut world = World::new(
        task(update, json!({"desiredState": "Plan"})),
        Cloud::with_instances(4),
    );
    world.cloud.packages = [("nginx".to_owned(), vec!["v1".to_owned(), "v2".to_owned()])].into();
    world.run_to_state("Planned");
    world
        .cloud
        .packages
        .get_mut("nginx")
        .unwrap()
        .push("v3".into());
    set(&mut world, DesiredState::Run);
    world.run_for(120);
    refused(&world, &["package nginx was version v2 and is v3 now"]);
}

/// Groups scale: who takes part is said, and holds nothing up.
#[test]
fn members_that_came_and_went_since_the_plan_are_told_of() {
    let mut world = image(json!({"desiredState": "Plan"}));
    world.run_to_state("Planned");
    world.cloud.instances.pop();
    set(&mut world, DesiredState::Run);
    world.run_until(60, "started", |w| w.status().execution.is_some());
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        message.contains("4 instances were planned: 1 of them"),
        "{message}"
    );
    world.run_to_rest();
}
