//! Checks between batches: alarms of CloudMonitor and of ESS.

use ess_rollout_api::v1alpha1::{Verdict, condition};
use ess_rollout_cloud::{Alarm, AlarmState, ErrorClass};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::builders::script;
use crate::holding::{begun, over};
use crate::seeded;
use crate::world::World;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

pub fn alarm(id: &str, state: AlarmState) -> Alarm {
    Alarm {
        id: id.into(),
        name: format!("name of {id}"),
        state,
        enabled: true,
    }
}

/// A script in four batches that asks for one rule of CloudMonitor.
fn gated(gates: Value, spec: Value) -> World {
    let mut gates = gates;
    if gates.get("alarms").is_none() {
        gates["alarms"] = json!({"ruleIds": ["rule-1"]});
    }
    let mut all = json!({"batches": 4, "gates": gates});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut world = script(all);
    world.cloud.metric_rules = vec![alarm("rule-1", AlarmState::Ok)];
    world
}

fn rule(world: &mut World, state: AlarmState) {
    world.cloud.metric_rules[0].state = state;
}

/// How often this was asked.
pub fn asked(world: &World, name: &str) -> usize {
    let asked = world.asked.borrow();
    asked.iter().filter(|asked| **asked == name).count()
}

#[test]
fn checks_that_pass_as_often_as_they_have_to_let_the_next_batch_begin() {
    let mut world = gated(json!({"consecutivePasses": 3}), json!({}));
    assert_eq!(world.said(condition::GATE_PASSED), "-");
    world.run_to_state("BatchHeld");
    assert_eq!(world.said(condition::GATE_PASSED), "Unknown GateEvaluating");
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.said(condition::GATE_PASSED), "True Passed");
    assert_eq!(world.cloud.approved, [1, 2, 3]);
    for (over, begun) in over(&world).iter().zip(&begun(&world)[1..]) {
        // Three checks, thirty seconds apart, and the first at once.
        let waited = begun - over;
        assert!((60..=160).contains(&waited), "{waited} s");
    }
    assert!(!world.states.contains(&"BatchSuspended".to_owned()));
    let by = world.status().approve.as_ref().unwrap().by.clone();
    assert_eq!(by, "spec.gates");
}

#[test]
fn checks_begin_to_count_after_the_soak() {
    let gates = json!({"soakSeconds": 300, "consecutivePasses": 2});
    let mut world = gated(gates, json!({}));
    world.run_to_state("BatchHeld");
    assert_eq!(world.said(condition::PAUSED), "True Soaking");
    world.run_for(5 * MINUTE + 10);
    assert_eq!(world.said(condition::PAUSED), "True GateEvaluating");
    assert_eq!(world.said(condition::READY), "Unknown GateEvaluating");
    assert_eq!(world.said(condition::STALLED), "-");
    assert!(
        world.pause_message().contains("status.gate"),
        "{}",
        world.pause_message()
    );
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    world.run_for(MINUTE);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn an_alarm_while_it_soaks_holds_the_next_batch_until_a_person_says_go_on() {
    let mut world = gated(json!({"soakSeconds": 600}), json!({}));
    world.run_to_state("BatchHeld");
    rule(&mut world, AlarmState::Alarm);
    world.run_for(MINUTE);
    // What was found is not forgotten because it is over.
    rule(&mut world, AlarmState::Ok);
    world.run_for(HOUR);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    assert_eq!(world.state(), "BatchSuspended");
    assert_eq!(world.said(condition::PAUSED), "True GateFailed");
    assert_eq!(world.said(condition::GATE_PASSED), "False GateFailed");
    let said = world.pause_message();
    assert!(said.contains("name of rule-1 (rule-1) in ALARM"), "{said}");
    assert!(said.contains("ess-rollout.io/continue=1"), "{said}");
    let events = world.events.iter().filter(|e| e.reason == "GateFailed");
    assert_eq!(events.count(), 1);
    world.annotated("continue", "1");
    world.run_for(2 * MINUTE);
    assert_eq!(world.cloud.approved, [1]);
    // For that pause alone: the next one is checked as ever.
    rule(&mut world, AlarmState::Alarm);
    world.run_for(20 * MINUTE);
    assert_eq!(world.cloud.approved, [1]);
    assert_eq!(world.said(condition::PAUSED), "True GateFailed");
}

#[test]
fn checks_that_somebody_has_made_again_count_from_then_on() {
    let mut world = gated(json!({"consecutivePasses": 3}), json!({}));
    // Nothing has come of them yet.
    world.run_to_state("BatchHeld");
    world.annotated("retry-gate", "0");
    world.pass();
    let refused = world.status().actions.last().unwrap().clone();
    assert_eq!(refused.reason, "NoVerdict");
    rule(&mut world, AlarmState::Alarm);
    world.run_to_state("BatchSuspended");
    world.annotated("retry-gate", "1");
    world.run_for(MINUTE);
    // It is still so, and that is said once more.
    assert_eq!(world.said(condition::PAUSED), "True GateFailed");
    let events = world.events.iter().filter(|e| e.reason == "GateFailed");
    assert_eq!(events.count(), 2);
    rule(&mut world, AlarmState::Ok);
    world.run_for(HOUR);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    world.annotated("retry-gate", "2");
    let retried = world.cloud.now;
    world.pass();
    world.pass();
    // At once, and no answer that this interval has had before is taken.
    let asked = world.shared.borrow().last().copied();
    let (name, since) = asked
        .map(|(name, since)| (name, since.as_second()))
        .unwrap();
    assert_eq!((name, since), ("MetricRules", retried));
    let settled = world.status().actions.last().unwrap().clone();
    assert_eq!(
        (settled.reason.as_str(), settled.targets.as_slice()),
        ("Retried", ["1".to_owned()].as_slice())
    );
    world.run_until(HOUR, "approved", |w| w.cloud.approved == [1]);
    let waited = world.cloud.now - retried;
    assert!((60..=160).contains(&waited), "{waited} s");
}

#[test]
fn an_alarm_in_the_middle_of_a_batch_holds_the_one_after_it() {
    let mut world = gated(json!({"intervalSeconds": 15}), json!({}));
    world.run_until(HOUR, "begun", |world| {
        let batches = world.state() == "Running" && !world.status().batches.is_empty();
        batches && !begun(world).is_empty()
    });
    rule(&mut world, AlarmState::Alarm);
    world.run_for(16);
    rule(&mut world, AlarmState::Ok);
    world.run_for(HOUR);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    assert_eq!(world.said(condition::PAUSED), "True GateFailed");
    assert_eq!(world.status().gate.as_ref().unwrap().pause_id, 1);
}

#[test]
fn an_alarm_in_the_middle_of_a_batch_cancels_the_update_that_wants_it_so() {
    let gates = json!({"intervalSeconds": 15, "onFailed": "Cancel"});
    let mut world = gated(gates, json!({"batches": 1}));
    world.run_until(HOUR, "begun", |world| {
        world.state() == "Running" && !begun(world).is_empty()
    });
    rule(&mut world, AlarmState::Alarm);
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Cancelled");
    let cancellation = world.status().cancellation.clone().unwrap();
    assert_eq!(cancellation.reason, "GateFailed");
    assert!(world.cloud.suspended().is_empty());
}

#[test]
fn doubt_is_no_guilt() {
    let mut world = gated(
        json!({"timeoutSeconds": 600, "onFailed": "Cancel"}),
        json!({}),
    );
    world.run_to_state("BatchHeld");
    rule(&mut world, AlarmState::InsufficientData);
    world.run_for(9 * MINUTE);
    assert_eq!(world.state(), "BatchHeld");
    world.run_for(5 * MINUTE);
    assert_eq!(world.state(), "BatchSuspended");
    assert_eq!(world.said(condition::PAUSED), "True GateInconclusive");
    assert!(
        world.pause_message().contains("too little data"),
        "{}",
        world.pause_message()
    );
    // A person is asked by now, and decides.
    rule(&mut world, AlarmState::Ok);
    world.run_for(HOUR);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    world.annotated("continue", "1");
    world.run_for(MINUTE);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn data_that_comes_late_lets_it_go_on_by_itself() {
    let mut world = gated(json!({"timeoutSeconds": 1800}), json!({}));
    world.run_to_state("BatchHeld");
    rule(&mut world, AlarmState::InsufficientData);
    world.run_for(20 * MINUTE);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    rule(&mut world, AlarmState::Ok);
    world.run_for(90);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn whoever_takes_doubt_for_guilt_says_so() {
    let gates = json!({"timeoutSeconds": 60, "onInconclusive": "Fail", "onFailed": "Cancel"});
    let mut world = gated(gates, json!({}));
    world.run_to_state("BatchHeld");
    world.cloud.broken.insert("MetricRules", ErrorClass::Denied);
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Cancelled");
    assert_eq!(
        world.status().cancellation.as_ref().unwrap().reason,
        "GateFailed"
    );
}

#[test]
fn no_data_passes_where_that_is_written() {
    let alarms = json!({"ruleIds": ["rule-1"], "insufficientData": "Pass"});
    let mut world = gated(json!({"alarms": alarms}), json!({}));
    rule(&mut world, AlarmState::InsufficientData);
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

/// A write for each look would be a write of each of a thousand objects every half a minute.
#[test]
fn a_gate_that_stays_as_it_is_writes_nothing() {
    let gates = json!({"timeoutSeconds": 86400, "intervalSeconds": 30});
    let mut world = gated(gates, json!({}));
    world.run_to_state("BatchHeld");
    rule(&mut world, AlarmState::InsufficientData);
    world.run_for(5 * MINUTE);
    let (writes, looks) = (world.task_writes, asked(&world, "MetricRules"));
    world.run_for(HOUR);
    let written = world.task_writes - writes;
    // Reminders that the group stands still.
    assert!(written <= 2, "{written}");
    let looked = asked(&world, "MetricRules") - looks;
    assert!((100..=130).contains(&looked), "{looked}");
}

#[test]
fn a_level_stands_for_the_person_and_not_for_the_checks() {
    let each = json!({"suspensionPolicy": "SuspendEachBatch"});
    let mut world = gated(json!({}), each);
    world.run_to_state("BatchSuspended");
    world.run_for(10 * MINUTE);
    // They have passed, and are not made any more as long as a person is waited for.
    let looks = asked(&world, "MetricRules");
    world.run_for(HOUR);
    assert_eq!(asked(&world, "MetricRules"), looks);
    rule(&mut world, AlarmState::InsufficientData);
    world.edited(|task| task.spec.policy.approved_batches = Some(2));
    world.run_for(5 * MINUTE);
    // What passed an hour ago says nothing of now.
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    assert_eq!(world.said(condition::PAUSED), "True GateEvaluating");
    rule(&mut world, AlarmState::Ok);
    world.run_for(2 * MINUTE);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn nothing_is_asked_while_the_window_is_closed_and_all_of_it_when_it_opens() {
    let start = script(json!({})).cloud.time();
    let at = |seconds: i64| (start + jiff::SignedDuration::from_secs(seconds)).to_string();
    // Open until the first batch has begun; then for the rest.
    let window = json!({"kind": "Freeze", "reason": "audit", "start": at(60), "end": at(4 * HOUR)});
    let spec = json!({"window": window, "finishBy": "Off", "maxFrozenSeconds": 86400});
    let mut world = gated(json!({"timeoutSeconds": 600}), spec);
    world.run_to_state("BatchHeld");
    world.run_for(MINUTE);
    assert_eq!(world.said(condition::PAUSED), "True WindowClosed");
    let looks = asked(&world, "MetricRules");
    world.run_for(2 * HOUR);
    assert_eq!(asked(&world, "MetricRules"), looks);
    // Nor is what it was silent about for so long a timeout.
    rule(&mut world, AlarmState::InsufficientData);
    world.run_for(2 * HOUR);
    assert_eq!(world.said(condition::PAUSED), "True GateEvaluating");
    rule(&mut world, AlarmState::Ok);
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn an_update_does_not_begin_beside_an_alarm() {
    let mut world = gated(json!({}), json!({}));
    rule(&mut world, AlarmState::Alarm);
    world.run_for(10 * MINUTE);
    assert_eq!(world.state(), "Pending");
    assert_eq!(world.said(condition::PREFLIGHT), "Unknown GateFailing");
    assert!(world.cloud.sent.is_empty());
    assert!(!world.holds());
    rule(&mut world, AlarmState::Ok);
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn what_could_never_pass_is_said_before_anything_begins() {
    let unusable = |change: &dyn Fn(&mut World), expected: &str| {
        let group = json!({"ruleIds": ["rule-1"], "fromScalingGroup": true});
        let mut world = gated(json!({"alarms": group}), json!({}));
        world.cloud.alarms = vec![alarm("asg-alarm-1", AlarmState::Ok)];
        change(&mut world);
        world.run_for(2 * MINUTE);
        assert_eq!(world.state(), "Blocked", "{expected}");
        assert_eq!(world.said(condition::PREFLIGHT), "False GateUnusable");
        let said = &world.condition(condition::PREFLIGHT).unwrap().message;
        assert!(said.contains(expected), "{said}");
        assert!(world.cloud.sent.is_empty());
    };
    unusable(
        &|w| w.cloud.metric_rules.clear(),
        "has no alert rule rule-1",
    );
    unusable(
        &|w| w.cloud.metric_rules[0].enabled = false,
        "rule-1 is disabled",
    );
    unusable(&|w| w.cloud.alarms.clear(), "no alarm that is enabled");
    unusable(
        &|w| w.cloud.alarms[0].enabled = false,
        "no alarm that is enabled",
    );
    let denied = |w: &mut World| {
        w.cloud.broken.insert("MetricRules", ErrorClass::Denied);
    };
    unusable(&denied, "gave no answer");
}

#[test]
fn the_alarms_of_the_group_are_those_of_ess_and_of_its_application_group() {
    for of_ess in [true, false] {
        let mut world = gated(json!({"alarms": {"fromScalingGroup": true}}), json!({}));
        world.cloud.group.as_mut().unwrap().monitor_group = Some("7301".into());
        world.cloud.alarms = vec![alarm("asg-alarm-1", AlarmState::Ok)];
        world.cloud.rules_of_group = vec![alarm("rule-2", AlarmState::Ok)];
        // One that is disabled tells nothing, whatever it says.
        let mut disabled = alarm("rule-3", AlarmState::Alarm);
        disabled.enabled = false;
        world.cloud.rules_of_group.push(disabled);
        world.run_to_state("BatchHeld");
        match of_ess {
            true => world.cloud.alarms[0].state = AlarmState::Alarm,
            false => world.cloud.rules_of_group[0].state = AlarmState::Alarm,
        }
        world.run_for(5 * MINUTE);
        assert_eq!(world.said(condition::PAUSED), "True GateFailed");
        let checks = &world.status().gate.as_ref().unwrap().checks;
        assert_eq!(checks[0].name, "alarms.fromScalingGroup");
        assert_eq!(checks[0].verdict, Verdict::Fail);
    }
}

#[test]
fn a_word_that_nobody_knows_neither_passes_nor_fails() {
    let mut world = gated(json!({}), json!({}));
    world.run_to_state("BatchHeld");
    rule(&mut world, AlarmState::from("DOUBTFUL"));
    world.run_for(20 * MINUTE);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    let gate = world.status().gate.clone().unwrap();
    assert_eq!(gate.checks[0].verdict, Verdict::Inconclusive);
    assert!(gate.checks[0].message.contains("DOUBTFUL"));
}

#[test]
fn a_service_that_does_not_answer_holds_nobody_for_longer_than_it_is_silent() {
    let mut world = gated(json!({}), json!({}));
    world.run_to_state("BatchHeld");
    world.cloud.broken.insert("MetricRules", ErrorClass::Retry);
    world.run_for(10 * MINUTE);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    assert_eq!(world.state(), "BatchHeld");
    world.cloud.broken.clear();
    world.run_until(3 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

/// An answer is shared for an interval, and one from before the batch ended says nothing of it.
#[test]
fn no_answer_from_before_the_pause_counts_after_it() {
    let mut world = gated(json!({"intervalSeconds": 600}), json!({}));
    world.run_to_state("BatchHeld");
    world.shared.borrow_mut().clear();
    world.run_for(MINUTE);
    let since = world.status().pause.as_ref().unwrap().since.0;
    let shared = world.shared.borrow();
    assert!(!shared.is_empty());
    assert!(
        shared.iter().all(|(_, asked)| *asked >= since),
        "{shared:?}, {since}"
    );
}

/// The batches and the checks between them are over, and the last soak has begun.
fn in_the_last_soak(gates: Value) -> World {
    let mut world = gated(gates, json!({"batches": 2}));
    world.run_until(3 * HOUR, "the last soak", |world| {
        world
            .condition(condition::READY)
            .is_some_and(|ready| ready.message.contains("watched until"))
    });
    assert_eq!(world.state(), "Restoring");
    assert_eq!(world.cloud.approved, [1]);
    world
}

#[test]
fn the_last_soak_is_over_before_an_update_is_verified() {
    let mut world = in_the_last_soak(json!({"finalSoakSeconds": 3600}));
    let since = world.cloud.now;
    let writes = world.task_writes;
    let listed = asked(&world, "ScalingInstances");
    world.run_for(50 * MINUTE);
    assert_eq!(world.state(), "Restoring");
    // Nothing but the checks is asked meanwhile, and nothing is written.
    assert_eq!(asked(&world, "ScalingInstances"), listed);
    assert!(
        world.task_writes - writes <= 2,
        "{}",
        world.task_writes - writes
    );
    world.run_until(HOUR, "at rest", World::at_rest);
    let took = world.cloud.now - since;
    assert!((HOUR - 60..HOUR + 120).contains(&took), "{took}");
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.said(condition::VERIFIED), "True AsReported");
}

#[test]
fn an_alarm_in_the_last_soak_is_no_verified_update() {
    let mut world = in_the_last_soak(json!({"finalSoakSeconds": 3600}));
    world.run_for(10 * MINUTE);
    rule(&mut world, AlarmState::Alarm);
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.said(condition::VERIFIED), "False GateFailed");
    let said = &world.condition(condition::VERIFIED).unwrap().message;
    assert!(said.contains("name of rule-1 (rule-1) in ALARM"), "{said}");
    let events = world.events.iter().filter(|e| e.reason == "GateFailed");
    let notes: Vec<_> = events.map(|e| e.note.clone()).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("is not Verified"), "{notes:?}");
}

#[test]
fn what_is_not_known_at_the_end_of_the_last_soak_is_neither() {
    let mut world = in_the_last_soak(json!({"finalSoakSeconds": 600}));
    rule(&mut world, AlarmState::InsufficientData);
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.said(condition::VERIFIED), "Unknown GateInconclusive");
}

#[test]
fn nobody_waits_for_the_last_soak_of_an_object_that_is_deleted() {
    let mut world = in_the_last_soak(json!({"finalSoakSeconds": 86400}));
    world.deleted();
    world.run_until(10 * MINUTE, "gone", |world| world.gone);
}

/// Checks say nothing after the last batch: nothing is left that they could hold.
#[test]
fn after_the_last_batch_nothing_is_asked() {
    let mut world = gated(json!({}), json!({"batches": 1}));
    world.cloud.pause_after_last = true;
    world.run_until(HOUR, "begun", |world| !begun(world).is_empty());
    rule(&mut world, AlarmState::Alarm);
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

proptest! {
    #![proptest_config(seeded::config(64))]

    /// Whatever the alarm does, and when: no batch begins that a person did not ask for, unless the last two looks before
    /// it saw all well, and none of that batch saw an alarm.
    #[test]
    fn no_batch_begins_against_the_checks(
        states in prop::collection::vec((0..4u8, 5..400i64), 1..40),
        soak in 0..200i32,
        interval in 15..90i32,
    ) {
        let gates = json!({"soakSeconds": soak, "intervalSeconds": interval, "timeoutSeconds": 86400});
        let mut world = gated(gates, json!({}));
        let begin = world.cloud.now;
        // When the alarm was in which state.
        let mut history = vec![(begin, AlarmState::Ok)];
        for (state, seconds) in states {
            let state = match state {
                0 | 1 => AlarmState::Ok,
                2 => AlarmState::InsufficientData,
                _ => AlarmState::Alarm,
            };
            rule(&mut world, state.clone());
            history.push((world.cloud.now, state));
            world.run_for(seconds);
            if world.at_rest() {
                break;
            }
        }
        let at = |time: i64| {
            let before = history.iter().rev().find(|(since, _)| *since <= time);
            before.map(|(_, state)| state.clone()).unwrap()
        };
        let (begun, over) = (begun(&world), over(&world));
        for (begun, over) in begun.iter().skip(1).zip(&over) {
            let begun = *begun;
            // All that a look may have seen in the time of the two looks before it.
            let since = begin.max(begun - 2 * i64::from(interval) - 30);
            let seen: Vec<_> = (since..=begun).map(at).collect();
            prop_assert!(seen.contains(&AlarmState::Ok), "batch at {begun}: {seen:?}");
            prop_assert!(begun - over >= i64::from(soak), "{begun}, {over}");
            // An alarm for a whole interval after the batch had ended is seen by a look.
            let quiet = (*over..begun - i64::from(interval)).all(|from| {
                let mut all = from..=from + i64::from(interval);
                !all.all(|time| at(time) == AlarmState::Alarm)
            });
            prop_assert!(quiet, "batch at {begun} after {over}");
        }
    }
}
