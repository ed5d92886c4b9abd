//! Members of the group that do not take part.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::{LifecycleState, ScalingInstance};
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::NEW_IMAGE;
use crate::world::World;

fn message(world: &World, type_: &str) -> String {
    world.condition(type_).unwrap().message.clone()
}

fn with_states(mut world: World, states: &[(usize, LifecycleState)]) -> World {
    for (index, state) in states {
        world.cloud.instances[*index].state = state.clone();
    }
    world
}

#[test]
fn who_is_left_out_is_said_before_and_after() {
    let states = [(2, LifecycleState::Protected), (3, LifecycleState::Standby)];
    let mut world = with_states(image(json!({})), &states);
    world.run_to_state("Running");
    let before = message(&world, condition::PREFLIGHT);
    assert!(
        before.contains("left out: 1 Protected (i-0003), 1 Standby (i-0004)"),
        "{before}"
    );
    assert!(before.contains("spec.lifecycleStates"), "{before}");
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
    let result = world.status().result.clone().unwrap();
    for said in [result.message, message(&world, condition::VERIFIED)] {
        assert!(
            said.contains(
                "left out: 1 Protected (i-0003), 1 Standby (i-0004); of these 0 of 2 run m-new"
            ),
            "{said}"
        );
    }
}

#[test]
fn one_that_joins_later_is_told_of() {
    let mut world = image(json!({}));
    world.run_to_state("Running");
    let mut ecs = world.cloud.ecs[0].clone();
    ecs.id = "i-0009".into();
    ecs.image = NEW_IMAGE.into();
    ecs.status = ess_rollout_cloud::EcsStatus::Running;
    world.cloud.ecs.push(ecs);
    world.cloud.instances.push(ScalingInstance {
        id: "i-0009".into(),
        state: LifecycleState::InService,
        ..world.cloud.instances[3].clone()
    });
    world.run_to_rest();
    let said = message(&world, condition::VERIFIED);
    assert!(
        said.contains("left out: 1 that joined later (i-0009); of these 1 of 1 run m-new"),
        "{said}"
    );
}

#[test]
fn nobody_eligible_names_the_field_and_who_there_is() {
    let states: Vec<_> = (0..4).map(|n| (n, LifecycleState::Protected)).collect();
    let mut world = with_states(script(json!({})), &states);
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True NoInstances");
    let said = message(&world, condition::SUCCEEDED);
    for part in ["spec.lifecycleStates (InService)", "4 Protected", "i-0001"] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn everybody_in_it_leaves_nothing_to_say() {
    let mut world = script(json!({}));
    world.run_to_rest();
    assert_eq!(
        world.status().plan.as_ref().unwrap().left_out,
        Some(Vec::new())
    );
    assert!(!message(&world, condition::VERIFIED).contains("left out"));
    // A creation type that the public template does not take.
    let mut world = script(json!({}));
    world.cloud.instances[1].creation_type = "Managed".into();
    world.run_to_state("Running");
    assert!(message(&world, condition::PREFLIGHT).contains("1 Managed (i-0002)"));
}
