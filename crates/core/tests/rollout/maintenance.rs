//! MaintenanceWindows: which are for an update, what they hold, and what is said where that is not known.

use std::sync::Arc;

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_core::ask::SeenWindow;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::builders::{image, script};
use crate::cloud::Fate;
use crate::gating::asked;
use crate::holding::{begun, over, written};
use crate::rolling_back::{finished_image, rollback, started};
use crate::world::{Crash, World};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// Where the objects of these tests are.
const HERE: &str = "shop";
const OPERATOR: &str = "ess-rollout";

impl World {
    /// Puts a MaintenanceWindow there, in the place of one of its name. The objects that it is for are looked at.
    fn windowed(&mut self, namespace: &str, name: &str, spec: Value) {
        self.unwindowed(namespace, name);
        self.windows.windows.push(Arc::new(SeenWindow {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            spec: Some(serde_json::from_value(spec).unwrap()),
        }));
    }

    /// Takes one away.
    fn unwindowed(&mut self, namespace: &str, name: &str) {
        self.windows.operator_namespace = OPERATOR.to_owned();
        let windows = &mut self.windows.windows;
        windows.retain(|window| {
            (window.namespace.as_str(), window.name.as_str()) != (namespace, name)
        });
    }

    /// One span from so many seconds after now on, and for so long.
    fn span(&self, kind: &str, from: i64, seconds: i64) -> Value {
        let start = self.cloud.time() + SignedDuration::from_secs(from);
        let end = start + SignedDuration::from_secs(seconds);
        json!({"kind": kind, "reason": format!("{kind} of the test"), "start": start.to_string(), "end": end.to_string()})
    }

    pub fn ready(&self) -> &str {
        &self.condition(condition::READY).unwrap().message
    }

    fn pauses_at(&self) -> &str {
        started(self).parameters["batchPauseOption"]
            .as_str()
            .unwrap()
    }
}

/// One that cannot be read.
fn unreadable() -> Value {
    json!({"schedule": "0 22 * * 9", "durationMinutes": 60, "timeZone": "UTC"})
}

#[test]
fn a_window_that_selects_an_update_holds_its_start_and_its_batches() {
    let mut world = script(json!({"batches": 2, "finishBy": "Off"}));
    let (opens, span) = (
        world.cloud.now + HOUR,
        world.span("Allow", HOUR, 5 * MINUTE),
    );
    world.windowed(HERE, "nights", span);
    world.run_for(HOUR - MINUTE);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    let said = world.ready();
    assert!(
        said.contains("MaintenanceWindow shop/nights (Allow of the test) is closed until"),
        "{said}"
    );
    assert!(world.cloud.sent.is_empty() && !world.holds());
    let held = world.status().start_blocked.clone().unwrap();
    assert_eq!(held.held_until.unwrap().0.as_second(), opens);

    world.cloud.slow.insert("i-0001".into(), 600);
    world.run_to_state("BatchSuspended");
    // It has closed for good meanwhile.
    assert!(begun(&world)[0] >= opens);
    assert_eq!(world.pauses_at(), "EveryBatchPause");
    assert!(
        world
            .status()
            .start
            .as_ref()
            .unwrap()
            .pauses_after_each_batch
    );
    let said = world.pause_message().to_owned();
    assert!(said.contains("never opens any more: change it"), "{said}");
    assert!(!said.contains("cannot go on"), "{said}");
    assert_eq!(over(&world).len(), 1);

    // It is changed, and the update goes on by itself.
    let again = world.span("Allow", 30 * MINUTE, HOUR);
    world.windowed(HERE, "nights", again);
    let reopens = world.cloud.now + 30 * MINUTE;
    world.pass();
    assert_eq!(world.state(), "BatchHeld");
    assert_eq!(world.said(condition::PAUSED), "True WindowClosed");
    world.run_until(2 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert!((reopens..reopens + 2 * MINUTE).contains(&begun(&world)[1]));
}

#[test]
fn a_window_that_is_deleted_holds_nothing_any_more() {
    let mut world = script(json!({"batches": 2, "finishBy": "Off"}));
    world.cloud.slow.insert("i-0001".into(), 600);
    let freeze = world.span("Freeze", 30, 24 * HOUR);
    world.windowed(OPERATOR, "sale", freeze);
    world.run_to_state("BatchHeld");
    let said = world.pause_message();
    assert!(
        said.contains(
            "MaintenanceWindow ess-rollout/sale (Freeze of the test) lets nothing begin until"
        ),
        "{said}"
    );
    world.unwindowed(OPERATOR, "sale");
    world.run_until(30 * MINUTE, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_freeze_wins_and_allows_add_up() {
    let world = script(json!({"batches": 1, "finishBy": "Off"}));
    let span = world.span("Allow", HOUR, HOUR);
    let mut world = written(world.clone(), &json!({"window": span}));
    let other = world.span("Allow", 3 * HOUR, 3 * HOUR);
    world.windowed(HERE, "other", other);
    let freeze = world.span("Freeze", 0, 4 * HOUR);
    let thaws = world.cloud.now + 4 * HOUR;
    world.windowed(OPERATOR, "sale", freeze);
    world.run_for(2 * HOUR);
    let said = world.ready();
    assert!(said.contains("MaintenanceWindow ess-rollout/sale (Freeze of the test) lets nothing begin, and MaintenanceWindow shop/other"), "{said}");
    world.run_until(5 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert!((thaws..thaws + 2 * MINUTE).contains(&begun(&world)[0]));
}

#[test]
fn windows_of_other_namespaces_and_of_others_are_not_for_it() {
    let mut world = script(json!({"batches": 2}));
    let never = |world: &World| world.span("Freeze", 0, 24 * HOUR);
    let mut of_warehouse = never(&world);
    world.windowed("warehouse", "sale", of_warehouse.clone());
    of_warehouse["selector"] = json!({"namespaces": ["warehouse"]});
    world.windowed(OPERATOR, "sale", of_warehouse);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.pauses_at(), "Automatic");
    assert!(
        !world
            .status()
            .start
            .as_ref()
            .unwrap()
            .pauses_after_each_batch
    );
}

#[test]
fn the_tags_of_the_group_are_asked_for_where_a_selector_names_some() {
    let selecting = |tier: &str| {
        let mut world = script(json!({"batches": 1, "finishBy": "Off"}));
        let tags = &mut world.cloud.group.as_mut().unwrap().tags;
        tags.insert("env".into(), "prod".into());
        let mut spec = world.span("Freeze", 0, HOUR);
        spec["selector"] = json!({"groups": {"tags": {"env": tier}}});
        world.windowed(OPERATOR, "sale", spec);
        world
    };
    let mut world = selecting("prod");
    world.run_for(2 * MINUTE);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    assert!(asked(&world, "ScalingGroup") > 0);
    let mut world = selecting("test");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    // Without one nothing is asked of the cloud by an update that waits.
    let mut world = script(json!({"batches": 1}));
    let span = world.span("Freeze", 0, HOUR);
    world.windowed(OPERATOR, "sale", span);
    world.pass();
    world.pass();
    world.asked.borrow_mut().clear();
    world.pass();
    assert_eq!(*world.asked.borrow(), [] as [&str; 0]);
}

#[test]
fn an_update_does_not_begin_while_there_is_no_window_of_a_name_that_it_names() {
    let world = script(json!({"batches": 2}));
    let mut world = written(world, &json!({"windowRefs": ["nights"]}));
    world.unwindowed(HERE, "nights");
    world.run_for(10 * MINUTE);
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.said(condition::STALLED), "True WindowNotFound");
    let said = world.ready();
    assert!(said.contains("spec.windowRefs names nights"), "{said}");
    assert!(
        said.contains("namespace shop, nor in the operator's, ess-rollout: create it"),
        "{said}"
    );
    assert!(world.cloud.sent.is_empty());
    // Somebody else's is none.
    let closed = world.span("Allow", 0, 24 * HOUR);
    world.windowed("warehouse", "nights", closed.clone());
    world.pass();
    assert_eq!(world.state(), "Blocked");
    world.windowed(OPERATOR, "nights", closed);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.pauses_at(), "EveryBatchPause");
}

#[test]
fn a_name_is_that_of_the_window_beside_the_object_first() {
    let world = script(json!({"batches": 1}));
    let mut world = written(world, &json!({"windowRefs": ["nights"]}));
    // Neither selects it.
    let mut spec = world.span("Freeze", 0, HOUR);
    spec["selector"] = json!({"namespaces": ["nowhere"]});
    world.windowed(OPERATOR, "nights", spec.clone());
    world.pass();
    world.pass();
    assert!(
        world.ready().contains("ess-rollout/nights"),
        "{}",
        world.ready()
    );
    let mut here = world.span("Allow", 0, HOUR);
    here["selector"] = spec["selector"].clone();
    world.windowed(HERE, "nights", here);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_named_window_that_goes_in_a_pause_holds_it_until_it_is_there_again() {
    let world = script(json!({"batches": 2}));
    let mut world = written(world, &json!({"windowRefs": ["nights"]}));
    let open = world.span("Allow", -HOUR, 24 * HOUR);
    world.windowed(HERE, "nights", open.clone());
    world.run_until(HOUR, "started", |w| w.status().execution.is_some());
    world.unwindowed(HERE, "nights");
    world.run_to_state("BatchSuspended");
    assert_eq!(world.said(condition::PAUSED), "True WindowNotFound");
    let said = world.pause_message().to_owned();
    assert!(said.contains("spec.windowRefs names nights"), "{said}");
    assert!(
        said.contains("; then the update goes on by itself"),
        "{said}"
    );
    // It is not a person's to open.
    world.annotated("continue", "1");
    world.run_for(HOUR);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    world.windowed(HERE, "nights", open);
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_window_that_cannot_be_read_holds_what_it_selects_and_says_which_and_why() {
    let mut world = script(json!({"batches": 1, "startingDeadlineSeconds": 3600}));
    world.windowed(OPERATOR, "weekly", unreadable());
    world.run_for(2 * HOUR);
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.said(condition::STALLED), "True WindowUnreadable");
    let said = world.ready();
    assert!(
        said.contains("MaintenanceWindow ess-rollout/weekly cannot be read: spec.schedule"),
        "{said}"
    );
    // Nobody who wrote it need know of that window: its deadline does not run.
    let repaired = world.span("Allow", 0, HOUR);
    world.windowed(OPERATOR, "weekly", repaired);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");

    // One that it names is its own affair.
    let world = script(json!({"batches": 1, "startingDeadlineSeconds": 3600}));
    let mut world = written(world, &json!({"windowRefs": ["weekly"]}));
    world.windowed(HERE, "weekly", unreadable());
    world.run_for(30 * MINUTE);
    assert_eq!(world.said(condition::STALLED), "True WindowUnreadable");
    world.run_for(HOUR);
    assert_eq!(
        world.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );
}

#[test]
fn one_that_cannot_be_decoded_is_none_that_is_passed_over() {
    let mut world = script(json!({"batches": 1}));
    world.unwindowed(HERE, "strange");
    world.windows.windows.push(Arc::new(SeenWindow {
        namespace: HERE.to_owned(),
        name: "strange".to_owned(),
        spec: None,
    }));
    world.run_for(MINUTE);
    assert_eq!(world.said(condition::STALLED), "True WindowUnreadable");
    assert!(
        world.ready().contains("shop/strange cannot be decoded"),
        "{}",
        world.ready()
    );
}

#[test]
fn a_window_that_comes_after_a_start_without_pauses_is_said_not_to_hold_it() {
    let mut world = script(json!({"batches": 4}));
    world.run_until(HOUR, "started", |w| w.status().execution.is_some());
    assert_eq!(world.pauses_at(), "Automatic");
    let freeze = world.span("Freeze", 0, 24 * HOUR);
    world.windowed(HERE, "sale", freeze);
    world.run_for(MINUTE);
    assert_eq!(world.status().windows_not_holding, ["shop/sale"]);
    let told: Vec<_> = world
        .events
        .iter()
        .filter(|e| e.reason == "WindowNotHolding")
        .collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].note.contains("shop/sale"), "{}", told[0].note);
    // Whatever is written in it: it is no other window because of it.
    world.windowed(HERE, "sale", unreadable());
    world.pass();
    assert!(world.status().result.is_none());
    assert_eq!(world.status().windows_not_holding, ["shop/sale"]);
    let freeze = world.span("Freeze", 0, 24 * HOUR);
    world.windowed(HERE, "sale", freeze);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    let told = world
        .events
        .iter()
        .filter(|e| e.reason == "WindowNotHolding");
    assert_eq!(told.count(), 1);
    assert_eq!(world.status().windows_not_holding, [] as [&str; 0]);
}

#[test]
fn a_window_that_comes_later_holds_a_run_that_pauses_anyway() {
    let mut world = script(json!({"batches": 3, "suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    let freeze = world.span("Freeze", 0, HOUR);
    let thaws = world.cloud.now + HOUR;
    world.windowed(HERE, "sale", freeze);
    world.annotated("continue", "1");
    world.run_for(30 * MINUTE);
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    assert!(
        world.pause_message().contains("shop/sale"),
        "{}",
        world.pause_message()
    );
    assert_eq!(world.status().windows_not_holding, [] as [&str; 0]);
    world.run_until(HOUR, "second batch", |w| begun(w).len() == 2);
    assert!(begun(&world)[1] >= thaws);
}

/// The call was lost, or its answer; the freeze came before the operator looked again.
#[test]
fn a_start_of_which_nothing_is_known_is_not_sent_again_in_a_freeze() {
    for fate in [Fate::Lost, Fate::AnswerLost, Fate::Late(50)] {
        let mut world = script(json!({"batches": 2}));
        world.cloud.fates = vec![fate];
        world.run_until(MINUTE, "the call", |world| {
            world.cloud.count("StartExecution") == 1
        });
        let freeze = world.span("Freeze", 0, HOUR);
        let thaws = world.cloud.now + HOUR;
        world.windowed(HERE, "sale", freeze);
        world.run_for(10 * MINUTE);
        assert_eq!(world.cloud.count("StartExecution"), 1, "{fate:?}");
        if fate == Fate::Lost {
            assert_eq!(world.state(), "Pending");
            assert!(world.ready().contains("shop/sale"), "{}", world.ready());
            assert!(!world.holds());
        }
        world.run_until(3 * HOUR, "at rest", World::at_rest);
        assert_eq!(world.state(), "Succeeded", "{fate:?}");
        assert_eq!(world.cloud.runs.len(), 1, "{fate:?}");
        assert_eq!(begun(&world)[0] >= thaws, fate == Fate::Lost, "{fate:?}");
    }
}

/// One that opens again before that is known lets it begin at once.
#[test]
fn a_start_of_which_nothing_is_known_is_sent_again_once_a_window_opens() {
    let mut world = script(json!({"batches": 1}));
    world.cloud.fates = vec![Fate::Lost];
    world.run_until(MINUTE, "the call", |world| {
        world.cloud.count("StartExecution") == 1
    });
    let freeze = world.span("Freeze", 0, HOUR);
    world.windowed(HERE, "sale", freeze);
    world.run_for(30);
    assert!(world.status().start.as_ref().unwrap().held_since.is_some());
    world.unwindowed(HERE, "sale");
    world.run_until(2 * MINUTE, "started", |world| {
        world.status().execution.is_some()
    });
    assert!(world.status().start.as_ref().unwrap().held_since.is_none());
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
}

/// What OOS is told is decided once: the call is the same whatever becomes of the windows before it is sent again.
#[test]
fn whether_windows_hold_is_frozen_with_the_intent_to_start() {
    for at in [Crash::Record, Crash::Status, Crash::Mutation] {
        for number in 0..4 {
            let mut world = script(json!({"batches": 2}));
            let open = world.span("Allow", -HOUR, 24 * HOUR);
            world.windowed(HERE, "nights", open);
            world.pass_with(Some((number, at)));
            let frozen = world.status().start.is_some();
            world.unwindowed(HERE, "nights");
            world.run_until(3 * HOUR, "at rest", World::at_rest);
            assert_eq!(world.state(), "Succeeded", "{at:?} {number}");
            if frozen {
                assert_eq!(world.pauses_at(), "EveryBatchPause", "{at:?} {number}");
                assert_eq!(world.cloud.approved, [1]);
            }
        }
    }
}

#[test]
fn a_rollback_passes_over_windows_that_merely_select_it_and_says_so() {
    let mut update = finished_image();
    let mut back = rollback(&mut update, json!({}));
    let freeze = back.span("Freeze", 0, 24 * HOUR);
    back.windowed(HERE, "sale", freeze.clone());
    back.windowed(HERE, "weekly", unreadable());
    back.run_until(HOUR, "started", |w| w.status().execution.is_some());
    let said = &back.condition(condition::PREFLIGHT).unwrap().message;
    assert!(said.contains("MaintenanceWindow shop/sale (Freeze of the test) would hold an update now; a Rollback goes back at once"), "{said}");
    back.run_to_rest();
    assert_eq!(back.state(), "Succeeded");

    let mut named = rollback(&mut update, json!({"windowRefs": ["sale"]}));
    named.windowed(HERE, "sale", freeze);
    named.run_for(HOUR);
    assert_eq!(named.said(condition::READY), "Unknown WindowClosed");
    named.unwindowed(HERE, "sale");
    named.pass();
    assert_eq!(named.said(condition::STALLED), "True WindowNotFound");
}

#[test]
fn a_plan_says_what_all_windows_together_let_begin() {
    let mut world = script(json!({"desiredState": "Plan", "batches": 2}));
    let span = world.span("Allow", HOUR, 10 * MINUTE);
    world.windowed(HERE, "nights", span);
    world.run_to_state("Planned");
    let preflight = |world: &World| {
        world
            .condition(condition::PREFLIGHT)
            .unwrap()
            .message
            .clone()
    };
    let said = preflight(&world);
    assert!(
        said.contains("MaintenanceWindow shop/nights (Allow of the test) opens at"),
        "{said}"
    );
    world.run_for(HOUR + 2 * MINUTE);
    let said = preflight(&world);
    assert!(
        said.contains("MaintenanceWindow shop/nights (Allow of the test) is open until"),
        "{said}"
    );
    assert!(said.contains("2 of 2 batches"), "{said}");
    world.windowed(OPERATOR, "weekly", unreadable());
    world.run_until(10 * MINUTE, "Blocked", |w| w.state() == "Blocked");
    assert_eq!(world.said(condition::STALLED), "True WindowUnreadable");
}

#[test]
fn of_two_windows_the_one_is_waited_for_that_is_long_enough() {
    let mut world = image(json!({"batches": 2}));
    let (short, long) = (
        world.span("Allow", HOUR, 10 * MINUTE),
        world.span("Allow", 3 * HOUR, 2 * HOUR),
    );
    let opens = world.cloud.now + 3 * HOUR;
    world.windowed(HERE, "short", short);
    world.windowed(HERE, "long", long);
    // Nothing begins in the first one, so that nothing stands still until the second.
    world.run_for(30 * MINUTE);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    world.run_for(HOUR);
    assert_eq!(world.state(), "Pending");
    world.run_until(10 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert!(begun(&world)[0] >= opens);
}

#[test]
fn a_plan_says_that_no_window_will_be_long_enough() {
    let mut world = image(json!({"desiredState": "Plan"}));
    let short = world.span("Allow", HOUR, 10 * MINUTE);
    world.windowed(HERE, "short", short);
    world.run_for(HOUR / 2);
    let said = world
        .condition(condition::PREFLIGHT)
        .unwrap()
        .message
        .clone();
    assert!(
        said.contains(
            "MaintenanceWindow shop/short (Allow of the test) is never open for the 16 min"
        ),
        "{said}"
    );
}

#[test]
fn a_window_that_somebody_overrides_counts_no_more_for_that_update() {
    let world = script(json!({"batches": 2}));
    let freeze = world.span("Freeze", 0, 24 * HOUR);
    let mut world = written(world, &json!({"window": freeze, "finishBy": "Off"}));
    let sale = world.span("Freeze", 0, 24 * HOUR);
    world.windowed(OPERATOR, "sale", sale);
    world.run_for(10 * MINUTE);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    // One of two holds on.
    world.annotated("override-window", "sale@1");
    world.run_for(10 * MINUTE);
    assert_eq!(world.said(condition::READY), "Unknown WindowClosed");
    assert!(
        world
            .ready()
            .starts_with("spec.window (Freeze of the test)"),
        "{}",
        world.ready()
    );
    assert_eq!(world.status().windows_overridden, ["ess-rollout/sale"]);
    let asked = world.status().actions.last().unwrap().clone();
    assert_eq!(
        (asked.reason.as_str(), asked.targets.as_slice()),
        ("Overridden", ["ess-rollout/sale".to_owned()].as_slice())
    );
    world.annotated("override-window", "all@2");
    world.run_until(10 * MINUTE, "started", |w| w.status().execution.is_some());
    assert_eq!(
        world.status().windows_overridden,
        ["ess-rollout/sale", "spec.window"]
    );
    // What comes later has not been overridden.
    let later = world.span("Freeze", 0, HOUR);
    let thaws = world.cloud.now + HOUR;
    world.windowed(HERE, "later", later);
    world.run_until(2 * HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    // Its own window is one that OOS pauses for, overridden or not.
    assert!(begun(&world)[1] >= thaws);
}

#[test]
fn a_pause_is_left_once_the_window_that_holds_it_is_overridden() {
    let mut world = script(json!({"batches": 2, "finishBy": "Off"}));
    world.cloud.slow.insert("i-0001".into(), 600);
    let freeze = world.span("Freeze", 30, 24 * HOUR);
    world.windowed(OPERATOR, "sale", freeze);
    world.run_to_state("BatchHeld");
    // Nobody's window.
    world.annotated("override-window", "nights@1");
    world.run_for(HOUR);
    let refused = world.status().actions.last().unwrap().clone();
    assert_eq!(refused.reason, "WindowNotFound");
    assert_eq!(
        refused.message,
        "no window nights is for it; those that are: ess-rollout/sale"
    );
    assert_eq!(world.cloud.approved, [] as [i32; 0]);
    world.annotated("override-window", "ess-rollout/sale@1");
    world.run_until(HOUR, "at rest", World::at_rest);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.approved, [1]);
    let by = world.status().approve.as_ref().unwrap().by.clone();
    assert_eq!(by, "override-window");
}

#[test]
fn what_cannot_be_known_can_be_overridden_too() {
    let world = script(json!({"batches": 1}));
    let mut world = written(world, &json!({"windowRefs": ["nights"]}));
    world.windowed(OPERATOR, "weekly", unreadable());
    world.run_for(MINUTE);
    assert_eq!(world.said(condition::STALLED), "True WindowNotFound");
    world.annotated("override-window", "nights@1");
    world.run_for(MINUTE);
    assert_eq!(world.said(condition::STALLED), "True WindowUnreadable");
    world.annotated("override-window", "weekly@2");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_window_that_comes_later_holds_in_the_pause_after_the_first_batch_and_in_no_other() {
    let spec = json!({"batches": 3, "suspensionPolicy": "SuspendFirstBatch", "approvedBatches": 2});
    let mut world = script(spec);
    world.run_until(HOUR, "started", |w| w.status().execution.is_some());
    let freeze = world.span("Freeze", 0, HOUR);
    let thaws = world.cloud.now + HOUR;
    world.windowed(HERE, "sale", freeze);
    world.run_to_state("BatchHeld");
    assert_eq!(world.said(condition::PAUSED), "True WindowClosed");
    assert_eq!(world.status().windows_not_holding, [] as [&str; 0]);
    world.run_until(2 * HOUR, "second batch", |w| begun(w).len() == 2);
    assert!(begun(&world)[1] >= thaws);
    let later = world.span("Freeze", 0, HOUR);
    world.windowed(HERE, "later", later);
    world.pass();
    assert_eq!(
        world.status().windows_not_holding,
        ["shop/later", "shop/sale"]
    );
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn of_windows_that_never_open_together_the_one_that_is_over_is_blamed() {
    let world = script(json!({"batches": 1, "startingDeadlineSeconds": 3600}));
    let over = world.span("Allow", -2 * HOUR, HOUR);
    let mut own = written(world.clone(), &json!({"window": over.clone()}));
    let freeze = own.span("Freeze", 0, 30 * MINUTE);
    own.windowed(OPERATOR, "sale", freeze.clone());
    own.run_for(10 * MINUTE);
    assert_eq!(own.said(condition::STALLED), "True NeverDue");
    assert_eq!(
        own.ready(),
        "spec.window (Allow of the test) never opens any more: write another one in a new object"
    );
    own.run_for(HOUR);
    assert_eq!(
        own.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );

    let mut named = written(world, &json!({"windowRefs": ["nights"]}));
    named.windowed(HERE, "nights", over);
    named.windowed(OPERATOR, "sale", freeze);
    named.run_for(10 * MINUTE);
    assert_eq!(
        named.ready(),
        "MaintenanceWindow shop/nights (Allow of the test) never opens any more: change it"
    );
    // It names that window: its deadline runs.
    named.run_for(HOUR);
    assert_eq!(
        named.said(condition::SUCCEEDED),
        "False StartingDeadlineExceeded"
    );
}
