//! What the poller sees serves the looks at an update that goes its way, and nothing else.

use std::time::Duration;

use ess_rollout_core::rollout::Next;
use serde_json::json;

use crate::builders::script;
use crate::world::World;

/// OOS reads since then.
fn reads(world: &World) -> usize {
    let of_oos = ["Execution", "Children", "TaskExecutions"];
    let asked = world.asked.borrow();
    asked.iter().filter(|name| of_oos.contains(name)).count()
}

#[test]
fn an_update_that_goes_well_is_seen_to_its_end_and_its_pauses_cost_nothing() {
    let mut counts = Vec::new();
    for glances in [false, true] {
        let mut world = script(json!({"suspensionPolicy": "SuspendFirstBatch", "batches": 4}));
        world.glances = glances;
        world.run_to_state("BatchSuspended");
        assert_eq!(world.status().pause.as_ref().map(|p| p.id), Some(1));
        let paused = reads(&world);
        world.run_for(3600);
        let in_pause = reads(&world) - paused;
        world.annotated("continue", "1");
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
        let summary = world.status().summary.clone().unwrap();
        assert_eq!(summary.succeeded, summary.total);
        counts.push(in_pause);
    }
    let [read, glanced] = counts[..] else {
        unreachable!("two runs")
    };
    assert!(read > 50, "{read}");
    // Once more at its begin: one answer says little.
    assert!(glanced <= 3 * 4, "{glanced}");
}

/// What was read of OOS since then.
fn reads_since(world: &World, before: usize) -> Vec<&'static str> {
    let of_oos = ["Execution", "Children", "TaskExecutions"];
    let asked = world.asked.borrow();
    let reads = asked.iter().filter(|name| of_oos.contains(name));
    reads.copied().skip(before).collect()
}

#[test]
fn a_pause_takes_one_read_to_be_shown_and_one_to_be_left() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    (world.glances, world.cloud.update_date_moves) = (true, true);
    world.run_to_state("Running");
    let before = reads(&world);
    world.run_to_state("BatchSuspended");
    assert_eq!(reads_since(&world, before), ["TaskExecutions"]);
    world.run_for(600);
    let before = reads(&world);
    world.annotated("continue", "1");
    world.run_until(300, "it goes on", |w| w.status().pause.is_none());
    assert_eq!(reads_since(&world, before), ["Execution"]);
}

/// The next pause is listed in the same way then, and nobody has approved that.
#[test]
fn where_the_date_of_an_execution_stands_still_a_pause_is_read_whole_before_it_is_left() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    world.glances = true;
    world.run_to_state("BatchSuspended");
    world.run_for(600);
    world.cloud.approve_in_console();
    world.cloud.advance(120);
    world.annotated("continue", "1");
    world.run_for(300);
    assert_eq!(world.status().pause.as_ref().map(|p| p.id), Some(2));
    assert_eq!(world.cloud.count("NotifyExecution"), 0);
}

#[test]
fn a_pause_with_something_that_failed_is_read_whole_before_it_is_left() {
    let policy = json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4, "maxErrors": 1});
    let mut world = script(policy);
    world.glances = true;
    world.cloud.failing.insert("i-0001".to_owned(), 1);
    world.run_to_state("BatchSuspended");
    world.run_for(600);
    let before = reads(&world);
    world.annotated("continue", "1");
    world.run_until(300, "asked to go on", |w| {
        w.cloud.count("NotifyExecution") > 0
    });
    let read = reads_since(&world, before);
    assert!(read.contains(&"Children"), "{read:?}");
}

#[test]
fn a_pause_that_the_console_ended_while_nobody_looked_is_not_taken_for_the_next() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    world.glances = true;
    world.run_to_state("BatchSuspended");
    // OOS is at the next pause by the time of the next look: what is listed of it is not what is on record.
    world.cloud.approve_in_console();
    world.run_until(300, "pause 2", |w| {
        w.status().pause.as_ref().is_some_and(|p| p.id == 2)
    });
}

#[test]
fn a_script_that_takes_an_hour_is_looked_into_now_and_then() {
    let mut world = script(json!({"batches": 1}));
    world.glances = true;
    for number in 1..=9 {
        world.cloud.slow.insert(format!("i-000{number}"), 3600);
    }
    world.run_to_state("Running");
    world.run_for(120);
    let before = reads(&world);
    world.run_for(3000);
    let read = reads_since(&world, before);
    assert!((3..=12).contains(&read.len()), "{read:?}");
}

#[test]
fn who_has_to_wait_for_its_turn_to_start_says_so_and_reads_nothing() {
    let mut world = script(json!({}));
    world.start_turn = Duration::from_secs(40);
    world.pass();
    assert_eq!(world.state(), "Pending");
    assert_eq!((world.task_writes, world.record_writes), (1, 0));
    assert_eq!(world.next, Next::After(Duration::from_secs(40)));
    assert!(world.asked.borrow().is_empty(), "{:?}", world.asked);
    let conditions = &world.status().conditions;
    let ready = conditions.iter().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!(ready.reason, "StartPaced");
    assert!(ready.message.contains("about 40 s"), "{}", ready.message);
    world.start_turn = Duration::ZERO;
    world.run_to_state("Running");
}

#[test]
fn what_a_person_has_to_mend_takes_no_turn_from_others() {
    let mut world = script(json!({}));
    world.cloud.group = None;
    world.run_to_state("Blocked");
    world.start_turn = Duration::from_secs(40);
    world.run_for(120);
    assert_eq!(world.state(), "Blocked");
}

/// Reads of its own would stand in the poller's way.
#[test]
fn while_the_poll_waits_for_its_turn_nothing_is_read_and_after_a_minute_that_is_said() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    world.glances = true;
    world.run_to_state("BatchSuspended");
    world.run_for(600);
    let (before, writes) = (reads(&world), world.task_writes);
    world.late = Some(Duration::from_secs(45));
    world.pass();
    assert_eq!(world.task_writes, writes);
    assert_eq!(world.next, Next::After(world.settings.poll_interval));
    for late in [60, 90] {
        world.late = Some(Duration::from_secs(late));
        world.pass();
        assert_eq!(world.state(), "BatchSuspended");
        let conditions = &world.status().conditions;
        let ready = conditions.iter().find(|c| c.type_ == "Ready").unwrap();
        assert_eq!(ready.reason, "LookLate");
    }
    assert_eq!(world.task_writes, writes + 1, "said once");
    assert!(reads_since(&world, before).is_empty());
    // A person is not to wait for it.
    world.annotated("continue", "1");
    world.run_until(60, "asked to go on", |w| {
        w.cloud.count("NotifyExecution") > 0
    });
    world.late = None;
    world.run_until(300, "it goes on", |w| w.status().pause.is_none());
    let conditions = &world.status().conditions;
    assert!(conditions.iter().all(|c| c.reason != "LookLate"));
}
