//! Messages name the fields that their reader has.

use ess_rollout_api::v1alpha1::{ConfigMapKeyRef, condition};
use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::builders::{script, script_task};
use crate::cloud::{Cloud, OLD_IMAGE};
use crate::rolling_back::{finished_image, rollback};
use crate::world::{KeyText, World};

fn message(mut world: World) -> String {
    world.run_for(2);
    let preflight = world.condition(condition::PREFLIGHT).unwrap();
    preflight.message.clone()
}

fn named(world: World, part: &str) {
    let message = message(world);
    assert!(message.contains(part), "{message} does not name {part}");
    let foreign = ["spec.update.image", "spec.update.script", "in a new task"];
    for part in foreign {
        assert!(!message.contains(part), "{message} names {part}");
    }
}

#[test]
fn a_rollback_names_its_own_fields() {
    let mut update = finished_image();
    let mut gone = rollback(&mut update, json!({}));
    gone.cloud.images.retain(|image| image.id != OLD_IMAGE);
    named(gone, "spec.to.imageId: image m-old");
    let mut other = rollback(&mut update, json!({}));
    let image = other.cloud.images.iter_mut().find(|i| i.id == OLD_IMAGE);
    image.unwrap().os_type = "windows".into();
    named(other, "spec.to.imageId: image m-old is for windows");
    let mut group = rollback(&mut update, json!({}));
    group.cloud.group = None;
    named(group, "spec.scalingGroupId of the task");

    let mut update = World::new(
        crate::builders::task(json!({"script": {"run": {"inline": "new"}}}), json!({})),
        Cloud::with_instances(4),
    );
    update.run_to_rest();
    let key = json!({"configMapKeyRef": {"name": "scripts", "key": "repair"}});
    let back = rollback(&mut update, json!({"to": {"script": key}}));
    named(back.clone(), "spec.to.script.configMapKeyRef");
    let mut empty = back;
    let key = ConfigMapKeyRef {
        name: "scripts".into(),
        key: "repair".into(),
    };
    empty.texts.insert(key, KeyText::Text(" ".into()));
    named(
        empty,
        "spec.to.script: key repair of ConfigMap scripts is empty",
    );
}

/// An endpoint that does not exist cannot be reached.
#[test]
fn a_region_that_cannot_be_reached_is_named_with_its_field() {
    let broken = |spec| {
        let mut world = World::new(script_task(spec), Cloud::with_instances(4));
        world.cloud.broken.insert("ScalingGroup", ErrorClass::Retry);
        message(world)
    };
    let own = broken(json!({"regionId": "cn-hangzou"}));
    assert!(own.contains("cn-hangzou (spec.regionId)"), "{own}");
    let default = broken(json!({}));
    for part in [
        "cn-hangzhou (the operator's default",
        "chart value region",
        "--region",
    ] {
        assert!(default.contains(part), "{default}");
    }
}

#[test]
fn the_operators_configuration_is_named_as_chart_values_and_as_flags() {
    let mut namespaces = script(json!({}));
    namespaces.settings.own_credentials_namespaces.clear();
    let mut region = script(json!({}));
    region.settings.default_region = None;
    for (world, value, flag) in [
        (
            namespaces,
            "ownCredentials.namespaces",
            "--own-credentials-namespaces",
        ),
        (
            script(json!({"ramRole": "Admin"})),
            "ownCredentials.ramRoles",
            "--own-credentials-ram-roles",
        ),
        (region, "chart value region", "--region"),
    ] {
        let message = message(world);
        assert!(
            message.contains(value) && message.contains(flag),
            "{message}"
        );
    }
}
