//! What will keep the next run from being made is known before it is due.

use ess_rollout_cloud::{EcsStatus, ErrorClass};
use serde_json::json;

use crate::cloud::Cloud;
use crate::world::{World, cron};

fn nightly() -> World {
    cron("0 2 * * *", json!({}))
}

/// How often it was looked whether a run could begin, while these hours pass.
fn looks(world: &mut World, until: &str) -> usize {
    let before = world.cloud.asked.get();
    world.run_to(until);
    world.cloud.asked.get() - before
}

#[test]
fn what_is_wrong_is_said_when_the_task_is_created_and_when_it_is_mended() {
    let mut world = nightly();
    world.cloud.instance = None;
    world.run_to("2026-01-05T12:00:10Z");
    assert_eq!(world.state(), "Blocked");
    let wrong = "False/SourceInstanceNotFound";
    assert_eq!(world.condition("Ready"), wrong);
    assert_eq!(world.condition("Preflight"), wrong);
    assert_eq!(world.condition("Stalled"), "True/SourceInstanceNotFound");
    let told = world.message("Ready");
    assert!(told.contains("spec.source.instanceId"), "{told}");
    assert!(told.contains("due at 2026-01-06T02:00:00Z"), "{told}");
    assert_eq!(world.reasons(), ["PreflightFailed"]);
    assert_eq!(world.holder(), None);
    assert!(!world.has_finalizer());

    world.cloud.instance = Cloud::at(0).instance;
    world.run_to("2026-01-05T12:02:00Z");
    assert_eq!(world.state(), "Scheduled");
    assert_eq!(world.condition("Preflight"), "True/Passed");
    assert_eq!(world.condition("Stalled"), "");
}

#[test]
fn an_edit_is_looked_at_at_once() {
    let mut world = nightly();
    world.run_to("2026-01-05T13:00:00Z");
    assert_eq!(world.condition("Ready"), "True/Scheduled");
    world.edited(|t| t.spec.scaling_configuration_ids = vec!["asc-none".into()]);
    world.pass();
    assert_eq!(
        world.condition("Ready"),
        "False/ScalingConfigurationNotFound"
    );
    world.edited(|t| t.spec.ram_role = Some("Nobody".into()));
    world.pass();
    assert_eq!(world.condition("Ready"), "False/RamRoleNotAllowed");
    world.edited(|t| {
        t.spec.ram_role = None;
        t.spec.scaling_configuration_ids.clear();
    });
    world.pass();
    assert_eq!(world.condition("Ready"), "True/Scheduled");
}

#[test]
fn what_has_gone_wrong_since_is_said_half_an_hour_before_a_run_is_due_at_the_latest() {
    let mut world = nightly();
    world.run_to("2026-01-05T13:00:00Z");
    world.cloud.instance = None;
    world.run_to("2026-01-06T01:00:00Z");
    assert_eq!(world.state(), "Scheduled");
    world.run_to("2026-01-06T01:30:01Z");
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.condition("Ready"), "False/SourceInstanceNotFound");
    // What passes by itself by then is said, and nobody has to act.
    let mut starting = nightly();
    starting.cloud.instance.as_mut().unwrap().status = EcsStatus::Starting;
    starting.run_to("2026-01-05T12:00:10Z");
    assert_eq!(starting.state(), "Scheduled");
    assert_eq!(starting.condition("Ready"), "True/Scheduled");
    assert_eq!(
        starting.condition("Preflight"),
        "Unknown/SourceInstanceNotReady"
    );
}

#[test]
fn a_failure_of_the_cloud_is_told_of_and_keeps_what_the_last_run_came_to() {
    let mut world = nightly();
    world.run_to("2026-01-06T03:00:00Z");
    assert_eq!(world.condition("Succeeded"), "True/ImageUpdated");
    world
        .cloud
        .broken
        .insert("ScalingGroup", ErrorClass::Denied);
    world.run_to("2026-01-07T01:31:00Z");
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.condition("Ready"), "False/AccessDenied");
    assert_eq!(world.condition("Succeeded"), "True/ImageUpdated");
    world.cloud.broken.clear();
    world.run_to("2026-01-07T03:00:00Z");
    assert_eq!((world.state(), world.cloud.runs.len()), ("Scheduled", 2));
}

#[test]
fn a_task_at_rest_reads_nothing_and_one_in_trouble_ever_less() {
    let mut world = nightly();
    assert!(looks(&mut world, "2026-01-05T12:01:00Z") > 0);
    let writes = world.task_writes;
    assert_eq!(looks(&mut world, "2026-01-06T01:00:00Z"), 0);
    assert_eq!(world.task_writes, writes, "written at rest");
    assert!(looks(&mut world, "2026-01-06T01:59:00Z") <= 8);
    let mut weekly = cron("0 2 * * 1", json!({}));
    weekly.cloud.group = None;
    weekly.run_to("2026-01-05T13:00:00Z");
    let hours = 24;
    let looked = looks(&mut weekly, "2026-01-06T13:00:00Z");
    let queries = 3;
    assert!(looked <= (hours + 8) * queries, "{looked} reads in a day");
    assert!(looked >= hours, "a cure is seen within the hour: {looked}");
}

#[test]
fn often_due_runs_are_not_looked_at_twice() {
    let mut world = cron("*/20 * * * *", json!({}));
    world.run_to("2026-01-05T12:21:00Z");
    world.run_to_rest();
    let now = world.clock().to_string();
    assert_eq!(looks(&mut world, "2026-01-05T12:39:00Z"), 0, "since {now}");
}

#[test]
fn while_suspended_nothing_is_looked_at() {
    let mut world = cron("0 2 * * *", json!({"suspend": true}));
    world.cloud.instance = None;
    assert_eq!(looks(&mut world, "2026-01-05T18:00:00Z"), 0);
    assert_eq!(world.state(), "Suspended");
    world.edited(|t| t.spec.suspend = false);
    world.pass();
    assert_eq!(world.state(), "Blocked");
}
