//! While a run has processes suspended its group stands still: said, measured, and told of again in a pause.

use ess_rollout_cloud::Process;
use serde_json::json;

use crate::builders::script;
use crate::world::World;

fn paused(suspended: &[Process]) -> World {
    let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch", "batches": 2}));
    world.cloud.group.as_mut().unwrap().suspended_processes = suspended.to_vec();
    world.run_to_state("BatchSuspended");
    world
}

fn reminders(world: &World) -> usize {
    let all = world.events.iter();
    all.filter(|e| e.reason == "GroupFrozen").count()
}

#[test]
fn a_pause_says_that_the_group_stands_still_and_reminds_of_it_ever_less_often() {
    let mut world = paused(&[Process::AlarmNotification]);
    let freeze = world.status().freeze.clone().unwrap();
    assert_eq!(freeze.processes.len(), 4);
    assert!(!freeze.processes.contains(&"AlarmNotification".to_owned()));
    let told = world.status().pause.clone().unwrap().message;
    for part in ["to go on: kubectl", "does not scale", "ScaleIn"] {
        assert!(told.contains(part), "{part} is not in: {told}");
    }
    let event = world.events.iter().find(|e| e.reason == "BatchSuspended");
    assert!(event.unwrap().note.contains("does not scale"));
    world.run_for(1700);
    assert_eq!(reminders(&world), 0);
    for (seconds, told) in [(200, 1), (1800, 2), (3600, 3), (3600, 3), (3600, 4)] {
        world.run_for(seconds);
        assert_eq!(reminders(&world), told, "after {seconds} s more");
    }
    world.run_for(86_400);
    assert!(reminders(&world) <= 7, "{} in a day", reminders(&world));
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.status().freeze, None);
}

#[test]
fn a_group_whose_processes_people_had_suspended_is_not_said_to_be_frozen_by_the_run() {
    let mut world = paused(&Process::ALL);
    assert_eq!(world.status().freeze, None);
    let told = world.status().pause.clone().unwrap().message;
    assert!(!told.contains("does not scale"), "{told}");
    world.run_for(7200);
    assert_eq!(reminders(&world), 0);
}

/// In the pause after the first batch, with a bound on how long the group may stand still.
fn bounded(policy: &str) -> World {
    let mut world = script(json!({
        "suspensionPolicy": "SuspendFirstBatch", "batches": 2, "maxFrozenSeconds": 3600, "onFrozenTooLong": policy,
    }));
    world.run_to_state("BatchSuspended");
    world
}

fn too_long(world: &World) -> usize {
    let all = world.events.iter();
    all.filter(|e| e.reason == "FrozenTooLong").count()
}

#[test]
fn a_group_that_has_stood_still_for_too_long_is_told_of_once_and_the_update_waits_on() {
    let mut world = bounded("Hold");
    world.run_for(3400);
    assert_eq!(too_long(&world), 0);
    world.run_for(300);
    assert_eq!(too_long(&world), 1);
    world.run_for(7200);
    assert_eq!(too_long(&world), 1);
    assert_eq!(world.state(), "BatchSuspended");
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_group_that_has_stood_still_for_too_long_is_put_back_where_that_is_wanted() {
    let mut world = bounded("Cancel");
    let since = world.status().freeze.clone().unwrap().since.0;
    world.run_for(3400);
    assert_eq!(world.state(), "BatchSuspended");
    world.run_until(600, "the end", World::at_rest);
    assert_eq!(world.state(), "Cancelled");
    assert_eq!(too_long(&world), 1);
    let cancelled = world.status().cancellation.clone().unwrap();
    assert_eq!(cancelled.reason, "FrozenTooLong");
    // In time, though nothing but the time tells of it.
    let after = cancelled.time.0.duration_since(since).as_secs();
    assert!((3600..3605).contains(&after), "after {after} s");
    assert!(world.cloud.suspended().is_empty());
}

/// It would leave instances in Standby.
#[test]
fn a_batch_that_is_under_way_is_not_cut_off() {
    let mut world = bounded("Cancel");
    for id in ["i-0003", "i-0004"] {
        world.cloud.slow.insert(id.into(), 7200);
    }
    world.annotated("continue", "1");
    world.run_until(3 * 3600, "the end", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(too_long(&world), 0);
}

#[test]
fn what_is_frozen_stays_said_until_it_is_read_back_as_running() {
    let mut world = paused(&[]);
    world.annotated("cancel", "1");
    world.run_until(600, "restoring", |w| w.status().result.is_some());
    assert!(world.status().freeze.is_some());
    world.run_to_rest();
    assert_eq!(world.status().freeze, None);
    let group = world.cloud.group.as_ref().unwrap();
    assert!(group.suspended_processes.is_empty());
}

#[test]
fn carriage_returns_in_a_script_for_linux_are_told_of() {
    for (text, told) in [("echo a\r\necho b\r\n", true), ("echo a\necho b\n", false)] {
        let spec = json!({"update": {"script": {"run": {"inline": text}}}, "desiredState": "Plan"});
        let mut world = script(spec);
        world.run_to_state("Planned");
        let planned = world
            .status()
            .conditions
            .iter()
            .find(|c| c.type_ == "Preflight");
        let message = &planned.unwrap().message;
        assert_eq!(message.contains("CR LF"), told, "{message}");
    }
}
