//! How long batches took is kept in the group's record, and the next update is expected to take as long.

use ess_rollout_api::v1alpha1::{BatchDurations, DurationHistogram, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use crate::builders::{image, script};
use crate::world::World;

const SCRIPTS: &str = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";
const IMAGES: &str = "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup";

fn preflight(world: &World) -> String {
    world
        .condition(condition::PREFLIGHT)
        .unwrap()
        .message
        .clone()
}

fn line(world: &World, template: &str, instances: i32, count: i32) -> BatchDurations {
    BatchDurations {
        template_name: template.into(),
        instances,
        time: Time(world.cloud.time()),
        batches: DurationHistogram {
            counts: vec![count],
            longest_seconds: 40,
        },
    }
}

/// A group of which this is on record.
fn knowing(mut world: World, lines: &[(&str, i32, i32)]) -> World {
    let mut record = world.record_status();
    let lines = lines.iter();
    record.durations = lines
        .map(|(template, instances, count)| line(&world, template, *instances, *count))
        .collect();
    world.write_record(record);
    world
}

#[test]
fn the_batches_that_went_well_are_on_record_by_template_and_size() {
    let mut world = script(json!({"batches": 2}));
    world.run_to_state("Running");
    assert!(
        preflight(&world).contains("about 4 min"),
        "{}",
        preflight(&world)
    );
    assert!(preflight(&world).contains("no batch of this group has been seen yet"));
    world.run_to_rest();
    let learned = world.record_status().durations;
    assert_eq!(learned.len(), 1);
    assert_eq!(
        learned[0].template_name,
        world.status().start.clone().unwrap().template_name
    );
    assert_eq!(
        (
            learned[0].instances,
            learned[0].batches.counts.iter().sum::<i32>()
        ),
        (2, 2)
    );
    // The same group, once more.
    let mut again = script(json!({"batches": 2, "desiredState": "Plan"}));
    again.cloud = world.cloud.clone();
    again.record = world.record.clone();
    again.run_to_state("Planned");
    assert!(
        preflight(&again).contains("by 2 batches of this group, confidence Low"),
        "{}",
        preflight(&again)
    );
}

#[test]
fn a_batch_that_waited_for_people_says_nothing_of_the_next() {
    let mut world = script(json!({"batches": 2}));
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("FailureSuspended");
    world.run_for(7200);
    world.annotated("retry", "i-0001/1@n1");
    world.run_to_rest();
    let learned = world.record_status().durations;
    let count: i32 = learned.iter().flat_map(|line| &line.batches.counts).sum();
    assert_eq!(count, 1, "{learned:?}");
    assert!(learned[0].batches.longest_seconds < 120);
}

/// In a batch that was left with a failure, or that a cancellation ended, less was done than in a whole one.
#[test]
fn a_batch_that_was_not_updated_as_a_whole_says_nothing_of_the_next() {
    for (annotation, value, expected) in [("skip", "i-0001@1", 1), ("cancel", "n1", 0)] {
        let mut world = script(json!({"batches": 2}));
        world.cloud.failing.insert("i-0001".into(), 1);
        world.run_to_state("FailureSuspended");
        world.annotated(annotation, value);
        world.run_to_rest();
        assert!(world.status().batches[0].end_time.is_some(), "{annotation}");
        let learned = world.record_status().durations;
        let count: i32 = learned.iter().flat_map(|line| &line.batches.counts).sum();
        assert_eq!(count, expected, "{annotation}: {learned:?}");
    }
}

/// 20 batches of this size took less than a minute each, and the window is open for ten.
#[test]
fn a_window_is_long_enough_for_what_is_known_to_be_short() {
    let window = |world: &World| -> Value {
        let start = world.cloud.time();
        let end = start + jiff::SignedDuration::from_mins(10);
        json!({"window": {"start": start.to_string(), "end": end.to_string()}, "maxFrozenSeconds": 36000})
    };
    let written = |mut world: World| {
        let mut spec = serde_json::to_value(&world.task.spec).unwrap();
        for (name, value) in window(&world).as_object().unwrap() {
            spec[name] = value.clone();
        }
        world.task.spec = serde_json::from_value(spec).unwrap();
        world
    };
    let mut strange = written(image(json!({})));
    strange.run_to_state("Blocked");
    assert!(
        strange
            .said(condition::PREFLIGHT)
            .contains("WindowTooShort")
    );
    let known = knowing(
        image(json!({})),
        &[(IMAGES, 2, 20), (IMAGES, 64, 2), (SCRIPTS, 2, 9)],
    );
    let mut known = written(known);
    known.run_to_rest();
    assert_eq!(known.state(), "Succeeded");
    // What is known of another template counts for nothing.
    let mut other = written(knowing(image(json!({})), &[(SCRIPTS, 2, 20)]));
    other.run_to_state("Blocked");
}

#[test]
fn what_was_added_to_longest_ago_goes_for_what_is_new() {
    let many: Vec<String> = (0..40).map(|i| format!("template-{i}")).collect();
    let lines: Vec<(&str, i32, i32)> = many.iter().map(|name| (name.as_str(), 2, 1)).collect();
    let mut world = knowing(script(json!({"batches": 2})), &lines);
    world.run_to_rest();
    let learned = world.record_status().durations;
    assert_eq!(learned.len(), 40);
    assert_eq!(learned[0].template_name, "template-1");
    assert_eq!(learned[39].instances, 2);
    assert!(!learned[39].template_name.starts_with("template-"));
}
