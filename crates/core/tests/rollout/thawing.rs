//! The group scales while its update waits after a batch, and stands still again before the next one.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{Thaw, ThawState, condition};
use ess_rollout_cloud::{ErrorClass, Mutation, Process};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::builders::{image, script};
use crate::cloud::Fate;
use crate::identity::restored;
use crate::rolling_back::{rollback, run_both};
use crate::seeded;
use crate::world::{Crash, World};

/// Waits for a person after each of three batches, and scales meanwhile.
fn each(more: &Value) -> Value {
    let mut spec =
        json!({"suspensionPolicy": "SuspendEachBatch", "batches": 3, "thawWhilePaused": true});
    for (name, value) in more.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

/// In the first pause.
fn paused(more: &Value) -> World {
    let mut world = script(each(more));
    world.run_to_state("BatchSuspended");
    world
}

fn thaw(world: &World) -> Thaw {
    world.status().thaw.clone().unwrap()
}

/// In the first pause, and the group scales.
fn thawed() -> World {
    let mut world = paused(&json!({}));
    scales(&mut world);
    world
}

fn scales(world: &mut World) {
    world.run_until(600, "the group scales", |w| {
        let thaw = w.status().thaw.as_ref();
        thaw.is_some_and(|thaw| thaw.state == ThawState::Resumed)
    });
}

fn told(world: &World, reason: &str) -> usize {
    world.events.iter().filter(|e| e.reason == reason).count()
}

/// How many calls were made to resume, and to suspend. What the execution itself does is not among them.
fn calls(world: &World) -> (usize, usize) {
    (
        world.cloud.count("ResumeProcesses"),
        world.cloud.count("SuspendProcesses"),
    )
}

/// Goes on to the end, whatever the pauses.
fn continued_to_the_end(world: &mut World) {
    for pause in 1..=3 {
        world.run_until(3600, "a pause or the end", |w| {
            let pause_on_show = w.status().pause.as_ref();
            w.at_rest() || pause_on_show.is_some_and(|p| p.id >= pause)
        });
        if world.at_rest() {
            break;
        }
        world.annotated("continue", &pause.to_string());
    }
    world.run_until(3600, "the end", World::at_rest);
}

#[test]
fn a_group_scales_while_a_person_is_waited_for_and_stands_still_in_the_batches() {
    let mut world = paused(&json!({}));
    world.run_for(100);
    assert_eq!(world.cloud.suspended().len(), 5);
    assert!(world.status().freeze.is_some());
    world.run_for(60);
    assert_eq!(world.cloud.suspended().len(), 0);
    assert_eq!(world.status().freeze, None);
    assert_eq!(
        (thaw(&world).pause, thaw(&world).state),
        (1, ThawState::Resumed)
    );
    let said = world.pause_message();
    for part in ["the scaling group scales", "to go on: kubectl"] {
        assert!(said.contains(part), "{part} is not in: {said}");
    }
    assert!(!said.contains("does not scale"), "{said}");
    let reads = world.cloud.sent.len();
    world.run_for(7200);
    assert_eq!(world.cloud.sent.len(), reads);
    assert_eq!(told(&world, "GroupFrozen"), 0);
    continued_to_the_end(&mut world);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.approved, [1, 2]);
    assert!(world.cloud.scaling_meanwhile.is_empty());
    assert!(world.cloud.suspended().is_empty());
    // The second pause was left before it was worth it.
    assert_eq!(calls(&world), (1, 1));
    assert_eq!(
        (
            told(&world, "ProcessesResumed"),
            told(&world, "ProcessesSuspended")
        ),
        (1, 1)
    );
    assert!(world.said(condition::VERIFIED).starts_with("True"));
}

#[test]
fn every_pause_has_its_own() {
    let mut world = thawed();
    world.annotated("continue", "1");
    world.run_until(600, "the second pause", |w| {
        w.status().pause.as_ref().is_some_and(|pause| pause.id == 2)
    });
    assert_eq!(world.cloud.suspended().len(), 5);
    let freeze = world.status().freeze.clone().unwrap();
    assert!(
        freeze.since.0
            > world
                .status()
                .execution
                .clone()
                .unwrap()
                .start_time
                .unwrap()
                .0
    );
    scales(&mut world);
    assert_eq!(thaw(&world).pause, 2);
    continued_to_the_end(&mut world);
    assert_eq!(world.state(), "Succeeded");
    assert!(world.cloud.scaling_meanwhile.is_empty());
    assert_eq!(calls(&world), (2, 2));
}

#[test]
fn a_soak_that_ends_soon_is_waited_for_as_the_group_is() {
    let mut world = script(json!({
        "batches": 2, "thawWhilePaused": true, "gates": {"soakSeconds": 200},
    }));
    world.run_until(3600, "the end", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(calls(&world), (0, 0));
    let mut world = script(json!({
        "batches": 2, "thawWhilePaused": true, "gates": {"soakSeconds": 900},
    }));
    world.run_until(3600, "the end", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(calls(&world), (1, 1));
    assert!(world.cloud.scaling_meanwhile.is_empty());
}

#[test]
fn a_group_that_has_stood_still_for_too_long_scales_until_the_pause_is_over() {
    let mut world = script(json!({
        "suspensionPolicy": "SuspendFirstBatch", "batches": 2, "maxFrozenSeconds": 1800, "onFrozenTooLong": "Thaw",
    }));
    world.run_to_state("BatchSuspended");
    world.run_for(1700);
    assert_eq!(world.cloud.suspended().len(), 5);
    world.run_for(150);
    assert_eq!(world.cloud.suspended().len(), 0);
    assert_eq!(told(&world, "FrozenTooLong"), 1);
    world.run_for(7200);
    assert_eq!(world.state(), "BatchSuspended");
    assert_eq!(told(&world, "FrozenTooLong"), 1);
    continued_to_the_end(&mut world);
    assert_eq!(world.state(), "Succeeded");
    assert!(world.cloud.scaling_meanwhile.is_empty());
}

#[test]
fn processes_that_people_had_suspended_stay_so_and_one_that_they_resumed_is_left_running() {
    let mut world = script(each(&json!({})));
    let group = world.cloud.group.as_mut().unwrap();
    group.suspended_processes = vec![Process::AlarmNotification];
    world.run_to_state("BatchSuspended");
    let group = world.cloud.group.as_mut().unwrap();
    group
        .suspended_processes
        .retain(|p| *p != Process::ScaleOut);
    scales(&mut world);
    assert_eq!(
        world.cloud.suspended(),
        ["AlarmNotification".to_owned()].into()
    );
    let mut resumed = thaw(&world).processes;
    resumed.sort();
    assert_eq!(resumed, ["HealthCheck", "ScaleIn", "ScheduledAction"]);
    world.annotated("continue", "1");
    world.run_to_state("Running");
    assert!(!world.cloud.suspended().contains("ScaleOut"));
    assert_eq!(world.cloud.suspended().len(), 4);
    continued_to_the_end(&mut world);
    assert_eq!(
        world.cloud.suspended(),
        ["AlarmNotification".to_owned()].into()
    );
}

#[test]
fn a_pause_that_is_left_in_the_console_finds_the_processes_suspended_as_soon_as_that_is_seen() {
    let mut world = thawed();
    world.cloud.approve_in_console();
    world.by_console += 1;
    world.run_for(15);
    assert_eq!(world.cloud.suspended().len(), 5);
    world.run_for(120);
    continued_to_the_end(&mut world);
    assert_eq!(world.state(), "Succeeded");
    assert!(world.cloud.suspended().is_empty());
}

#[test]
fn without_the_right_to_suspend_nothing_goes_on_and_it_is_said() {
    let mut world = thawed();
    world
        .cloud
        .broken
        .insert("SuspendProcesses", ErrorClass::Denied);
    world.annotated("continue", "1");
    world.run_for(3600);
    assert!(world.cloud.approved.is_empty());
    let said = world.pause_message();
    assert!(
        said.contains("waits until") && said.contains("SuspendProcesses"),
        "{said}"
    );
    assert!(calls(&world).1 < 20, "{:?}", calls(&world));
    world.cloud.broken.clear();
    continued_to_the_end(&mut world);
    assert_eq!(world.state(), "Succeeded");
    assert!(world.cloud.scaling_meanwhile.is_empty());
}

#[test]
fn without_the_right_to_resume_the_group_stands_still_and_the_pause_says_why() {
    let mut world = paused(&json!({}));
    world
        .cloud
        .broken
        .insert("ResumeProcesses", ErrorClass::Denied);
    world.run_for(3600);
    assert_eq!(world.cloud.suspended().len(), 5);
    assert!(world.status().freeze.is_some());
    assert!(
        world.pause_message().contains("ResumeProcesses"),
        "{}",
        world.pause_message()
    );
    assert!(calls(&world).0 < 20, "{:?}", calls(&world));
    world.annotated("continue", "1");
    world.run_for(300);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn an_update_that_is_let_go_alone_is_let_go_with_its_processes_suspended() {
    let mut world = paused(&json!({"deletionPolicy": "Orphan"}));
    scales(&mut world);
    world.deleted();
    world.run_until(600, "let go", |w| w.gone);
    assert_eq!(world.cloud.suspended().len(), 5);
}

#[test]
fn an_update_whose_status_was_lost_in_a_pause_suspends_again_before_it_goes_on() {
    for with_record in [false, true] {
        let world = thawed();
        let mut again = restored(&world, with_record);
        again.run_to_state("BatchSuspended");
        continued_to_the_end(&mut again);
        assert_eq!(again.state(), "Succeeded", "record {with_record}");
        assert!(
            again.cloud.scaling_meanwhile.is_empty(),
            "record {with_record}"
        );
        assert!(again.cloud.suspended().is_empty(), "record {with_record}");
    }
}

#[test]
fn a_rollback_that_takes_the_group_over_meanwhile_suspends_for_itself() {
    let mut update = image(each(&json!({})));
    update.run_to_state("BatchSuspended");
    scales(&mut update);
    let mut back = rollback(&mut update, json!({}));
    run_both(&mut update, &mut back);
    assert_eq!(back.state(), "Succeeded");
    assert!(back.cloud.scaling_meanwhile.is_empty());
    assert!(back.cloud.suspended().is_empty());
}

fn fate() -> impl Strategy<Value = Fate> {
    let class = select(vec![
        ErrorClass::Retry,
        ErrorClass::Throttled,
        ErrorClass::Denied,
    ]);
    prop_oneof![
        3 => Just(Fate::Answered),
        2 => Just(Fate::AnswerLost),
        2 => Just(Fate::Lost),
        3 => (0i64..=60).prop_map(Fate::Late),
        2 => class.prop_map(Fate::Refused),
    ]
}

/// The call to resume has no answer, is made again, and takes effect only after the person has said to go on.
#[test]
fn a_call_to_resume_that_is_late_meets_no_batch() {
    let mut world = paused(&json!({"batches": 2, "suspensionPolicy": "SuspendFirstBatch"}));
    world.settings.list_lag = Duration::ZERO;
    for id in ["i-0003", "i-0004"] {
        world.cloud.slow.insert(id.into(), 60);
    }
    world.cloud.fates = vec![Fate::Late(55)];
    scales(&mut world);
    assert_eq!(calls(&world), (2, 0));
    world.annotated("continue", "1");
    world.run_until(600, "the end", World::at_rest);
    assert!(world.cloud.scaling_meanwhile.is_empty());
}

/// The same of the call to suspend, which then takes effect after the end.
#[test]
fn a_call_to_suspend_that_is_late_is_waited_out_before_the_group_is_let_go() {
    let mut world = paused(&json!({"batches": 2, "suspensionPolicy": "SuspendFirstBatch"}));
    world.settings.list_lag = Duration::ZERO;
    scales(&mut world);
    world.cloud.fates = vec![Fate::Late(58)];
    world.annotated("continue", "1");
    world.run_until(600, "the end", World::at_rest);
    assert_eq!(calls(&world).1, 2);
    world.cloud.advance(60);
    assert!(world.cloud.suspended().is_empty());
}

/// How a pause comes to its end.
#[derive(Debug, Clone, Copy)]
enum End {
    Continued,
    ContinuedAndCancelled(i64),
    Cancelled,
    Deleted,
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![
        5 => Just(End::Continued),
        2 => (1i64..90).prop_map(End::ContinuedAndCancelled),
        1 => Just(End::Cancelled),
        1 => Just(End::Deleted),
    ]
}

proptest! {
    #![proptest_config(seeded::config(384))]

    /// Lateness, lag, refusals and crashes within their bounds: no batch begins while the group scales, and nothing is left
    /// suspended.
    #[test]
    fn whatever_becomes_of_the_calls_no_batch_begins_while_the_group_scales(
        fates in prop::collection::vec(fate(), 0..5),
        lag_of_group in 0i64..=60,
        lists_are_fresh in any::<bool>(),
        batches_are_slow in any::<bool>(),
        after in 100i64..240,
        crashes in prop::collection::vec((0i64..60, 0usize..2, select(vec![Crash::Status, Crash::Mutation])), 0..3),
        end in end(),
    ) {
        let mut world = script(each(&json!({"suspensionPolicy": "SuspendFirstBatch", "batches": 2})));
        match lists_are_fresh {
            true => world.settings.list_lag = Duration::ZERO,
            false => world.cloud.lag_of_group = lag_of_group,
        }
        world.run_to_state("BatchSuspended");
        if batches_are_slow {
            for id in ["i-0003", "i-0004"] {
                world.cloud.slow.insert(id.into(), 60);
            }
        }
        world.run_for(after);
        world.cloud.fates = fates;
        for (seconds, decision, crash) in crashes {
            world.run_for(seconds);
            world.pass_with(Some((decision, crash)));
        }
        match end {
            End::Continued => world.annotated("continue", "1"),
            End::ContinuedAndCancelled(seconds) => {
                world.annotated("continue", "1");
                world.run_for(seconds);
                world.annotated("cancel", "x");
            }
            End::Cancelled => world.annotated("cancel", "x"),
            End::Deleted => world.deleted(),
        }
        world.run_until(7200, "the end", |w| w.gone || w.at_rest());
        // Whatever was under way has taken effect by then.
        world.cloud.advance(61);
        prop_assert_eq!(&world.cloud.scaling_meanwhile, &Vec::<i32>::new());
        prop_assert_eq!(world.cloud.suspended().len(), 0);
        let suspended = world.cloud.sent.iter();
        let suspended = suspended.filter(|m| matches!(m, Mutation::SuspendProcesses { .. }));
        prop_assert!(suspended.count() <= 12);
    }
}
