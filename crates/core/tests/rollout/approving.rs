//! One Approve for each pause: whatever is late, behind or refused, and whatever the operator is
//! restarted with.

use std::time::Duration;

use ess_rollout_cloud::ErrorClass;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::builders::script;
use crate::cloud::{Cloud, Fate};
use crate::seeded;
use crate::world::{Crash, World};

/// A script on four instances in four batches, in the pause after the first.
fn paused_in(spec: serde_json::Value, change: impl FnOnce(&mut Cloud)) -> World {
    let mut all = json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut world = script(all);
    change(&mut world.cloud);
    world.run_to_state("BatchSuspended");
    assert_eq!(world.pause_id(), Some(1));
    world
}

impl World {
    fn pause_id(&self) -> Option<i32> {
        self.status().pause.as_ref().map(|pause| pause.id)
    }

    /// What the pause says.
    pub fn pause_message(&self) -> &str {
        self.status().pause.as_ref().map_or("", |p| &p.message)
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    let class = select(vec![
        ErrorClass::Retry,
        ErrorClass::Throttled,
        ErrorClass::Denied,
        ErrorClass::Invalid,
        ErrorClass::Conflict,
    ]);
    prop_oneof![
        2 => Just(Fate::AnswerLost),
        2 => Just(Fate::Lost),
        3 => (0i64..=60).prop_map(Fate::Late),
        3 => class.prop_map(Fate::Refused),
    ]
}

proptest! {
    #![proptest_config(seeded::config(96))]

    /// Lateness, lag and refusals within their bounds, in every combination.
    #[test]
    fn what_was_approved_is_left_once_and_nothing_else_is(
        fates in prop::collection::vec(fate(), 0..4),
        lag in 0i64..=60,
        lag_of_parts in 0i64..=60,
        update_date_moves in any::<bool>(),
        level in proptest::option::of(2i32..=3),
        crash in proptest::option::of(select(vec![Crash::Status, Crash::Mutation])),
        settle in proptest::option::of(0u64..30),
    ) {
        let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
        (world.cloud.lag, world.cloud.lag_of_parts) = (lag, lag_of_parts);
        world.cloud.update_date_moves = update_date_moves;
        world.run_to_state("BatchSuspended");
        world.cloud.fates = fates.clone();
        match level {
            None => world.annotated("continue", "1"),
            Some(level) => world.edited(|t| t.spec.policy.approved_batches = Some(level)),
        }
        world.pass_with(crash.map(|crash| (0, crash)));
        if let Some(settle) = settle {
            // What is under way is as late as it was, and lists are as old; what is sent from now on
            // is no later than the operator is told.
            world.settings.call_lifetime = Duration::from_secs(settle);
            for fate in &mut world.cloud.fates {
                if let Fate::Late(seconds) = fate {
                    *seconds = (*seconds).min(i64::try_from(settle).unwrap());
                }
            }
        }
        let asked: Vec<i32> = (1..level.unwrap_or(2)).collect();
        for _ in 0..30 {
            world.run_for(30);
            let left = &world.cloud.approved;
            prop_assert!(asked.starts_with(left), "left {left:?}, asked for {asked:?}");
        }
        // OOS refuses no more than twice for one request; then it is said, and a person decides.
        let refused = |fate: &&Fate| matches!(
            fate, Fate::Refused(ErrorClass::Conflict | ErrorClass::Invalid));
        if fates.iter().filter(refused).count() < 2 {
            prop_assert_eq!(&world.cloud.approved, &asked, "{:?}", world.status().approve);
        }
    }
}

#[test]
fn a_refused_approve_is_not_repeated_by_what_a_list_shows_that_is_older_than_the_refusal() {
    for lag in [22, 30, 45, 60] {
        let mut world = paused_in(json!({}), |c| c.lag = lag);
        // The pause is left in the console just before, and the next one comes 20 s later.
        world.cloud.approve_in_console();
        world.annotated("continue", "1");
        world.run_for(600);
        assert_eq!(world.cloud.approved, [1], "lag {lag}");
    }
}

#[test]
fn a_late_approve_and_its_refused_repeat_leave_one_pause() {
    for lag in [0, 15, 30, 45, 60] {
        for late in [10, 45, 59, 60] {
            let mut world = paused_in(json!({}), |c| c.lag = lag);
            world.cloud.fates = vec![Fate::Late(late)];
            world.annotated("continue", "1");
            world.run_for(600);
            assert_eq!(world.cloud.approved, [1], "lag {lag}, late {late}");
        }
    }
}

#[test]
fn an_approve_under_way_keeps_the_bounds_that_it_was_sent_under() {
    let mut world = paused_in(json!({}), |_| {});
    world.cloud.fates = vec![Fate::Late(50)];
    world.annotated("continue", "1");
    world.pass_with(Some((0, Crash::Mutation)));
    // The operator comes back with another --settle-seconds.
    world.settings.call_lifetime = Duration::from_secs(2);
    world.settings.list_lag = Duration::from_secs(2);
    world.run_for(600);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn an_approve_without_an_answer_keeps_that_of_the_next_pause_waiting() {
    let mut world = paused_in(json!({"approvedBatches": 1}), |_| {});
    world.cloud.fates = vec![Fate::Late(55)];
    world.annotated("continue", "1");
    world.pass();
    // Somebody leaves the pause in the console: the call that is late meets the next one.
    world.cloud.approve_in_console();
    world.run_for(30);
    assert_eq!(world.pause_id(), Some(2));
    world.annotated("continue", "2");
    world.run_for(600);
    // Both were asked for; the third was not.
    assert_eq!(world.cloud.approved, [1, 2]);
}

#[test]
fn an_execution_that_has_changed_since_the_approve_is_not_approved_again() {
    // What is in the execution is shown older than lists may be, and shows the pause that was left; the
    // execution's own row shows that something has happened since.
    let mut world = paused_in(json!({}), |c| c.lag_of_parts = 150);
    world.cloud.fates = vec![Fate::AnswerLost];
    world.annotated("continue", "1");
    world.run_for(900);
    assert_eq!(world.cloud.approved, [1]);
}

#[test]
fn the_pause_after_a_batch_that_was_passed_over_is_another_one() {
    for at_once in [false, true] {
        for skip in ["skip", "cancel-instances"] {
            let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
            world.cloud.passed_over_at_once = at_once;
            world.cloud.failing.insert("i-0001".into(), 1);
            world.run_to_state("FailureSuspended");
            world.annotated(skip, "i-0002@1");
            world.run_for(20);
            world.annotated("retry", "i-0001@1");
            world.run_to_state("BatchSuspended");
            assert_eq!(world.pause_id(), Some(1));
            world.annotated("continue", "1");
            world.run_until(200, "pause 2", |w| w.pause_id() == Some(2));
            world.run_for(600);
            assert_eq!(world.cloud.approved, [1], "{skip} {at_once}");
            world.annotated("continue", "2");
            world.run_until(200, "pause 3", |w| w.pause_id() == Some(3));
            assert_eq!(world.cloud.approved, [1, 2]);
        }
    }
}

/// Where the date of the execution stands still, or moves within one second, the poller sees what it has seen before.
#[test]
fn the_pause_that_comes_at_once_after_a_batch_that_was_passed_over_is_shown() {
    for lag_of_parts in [0, 5] {
        let mut world = paused_in(json!({}), |cloud| {
            (cloud.update_date_moves, cloud.lag_of_parts) = (false, lag_of_parts);
        });
        world.glances = true;
        world.annotated("skip", "batch-2@one");
        world.run_for(600);
        world.annotated("continue", "1");
        world.run_until(200, "pause 2", |w| w.pause_id() == Some(2));
        assert_eq!(world.cloud.approved, [1]);
        world.annotated("continue", "2");
        world.run_until(200, "pause 3", |w| w.pause_id() == Some(3));
        assert_eq!(world.cloud.approved, [1, 2]);
    }
}

#[test]
fn where_it_cannot_be_told_which_pause_it_is_nothing_is_sent_and_it_is_said() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    world.cloud.passed_over_at_once = true;
    world.cloud.update_date_moves = false;
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("FailureSuspended");
    world.annotated("skip", "i-0002@1");
    world.run_for(20);
    world.annotated("retry", "i-0001@1");
    world.run_to_state("BatchSuspended");
    world.cloud.fates = vec![Fate::AnswerLost];
    world.annotated("continue", "1");
    world.run_for(600);
    assert_eq!(world.cloud.approved, [1]);
    assert!(world.pause_message().contains("go on in the OOS console"));
    assert_eq!(
        world.ledger().last().unwrap(),
        "Continue Rejected OutcomeUnknown"
    );
}

#[test]
fn a_refused_approve_is_looked_into_once_and_said() {
    for spec in [json!({}), json!({"approvedBatches": 3})] {
        let by_level = spec["approvedBatches"].is_i64();
        let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
        world.cloud.fates = vec![];
        world.run_to_state("BatchSuspended");
        world.cloud.fates = vec![Fate::Refused(ErrorClass::Conflict); 9];
        match by_level {
            true => world.edited(|t| t.spec.policy.approved_batches = Some(2)),
            false => world.annotated("continue", "1"),
        }
        world.run_for(900);
        assert_eq!(world.cloud.count("NotifyExecution"), 2, "{spec}");
        let message = world.pause_message().to_owned();
        assert!(
            message.contains("OOS refused to go on (Conflict as scripted)"),
            "{message}"
        );
        assert!(message.contains("continue=1@$(date +%s)"), "{message}");
        if !by_level {
            assert_eq!(world.ledger(), ["Continue Rejected Refused"]);
        }
        let writes = world.task_writes;
        world.run_for(900);
        assert_eq!(world.task_writes, writes, "written at rest");
        // The command that is printed asks anew.
        world.annotated("continue", "1@1700000000");
        world.run_for(300);
        assert_eq!(world.cloud.count("NotifyExecution"), 4, "{spec}");
        world.cloud.fates.clear();
        world.annotated("continue", "1@1700000001");
        world.run_until(300, "pause 2", |w| w.pause_id() == Some(2));
        assert_eq!(world.cloud.approved, [1]);
    }
}

#[test]
fn an_approve_that_oos_took_is_not_repeated_whatever_the_lists_show() {
    let mut world = paused_in(json!({}), |c| c.lag = 400);
    world.annotated("continue", "1");
    world.run_for(300);
    assert_eq!(world.cloud.approved, [1]);
    let message = world.pause_message();
    assert!(message.contains("older than --settle-seconds"), "{message}");
    world.annotated("continue", "1@again");
    world.run_for(60);
    assert_eq!(
        world.ledger().last().unwrap(),
        "Continue Applied AlreadyEffective"
    );
    assert_eq!(world.cloud.count("NotifyExecution"), 1);
}

#[test]
fn the_command_that_is_printed_always_works_when_it_is_typed() {
    // Spent twice: by an object created with it, and by a request before its time.
    let mut created = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
    created.annotated("continue", "1");
    created.run_to_state("BatchSuspended");
    let mut early = paused_in(json!({}), |_| {});
    early.annotated("continue", "2");
    early.run_for(20);
    early.edited(|t| t.spec.policy.approved_batches = Some(2));
    early.run_until(200, "pause 2", |w| w.pause_id() == Some(2));
    for (mut world, pause) in [(created, 1), (early, 2)] {
        let message = world.pause_message();
        let hint = format!("ess-rollout.io/continue={pause}@$(date +%s) --overwrite");
        assert!(message.contains(&hint), "{message}");
        world.annotated("continue", &format!("{pause}@1700000000"));
        world.run_until(200, "left", |w| w.pause_id() == Some(pause + 1));
        assert!(
            world
                .pause_message()
                .contains(&format!("continue={} ", pause + 1))
        );
    }
}

#[test]
fn a_clock_that_was_ahead_makes_no_call_wait_for_it() {
    let days = 5 * 86_400;
    let mut approving = paused_in(json!({}), |_| {});
    approving.annotated("continue", "1");
    let mut retrying = script(json!({}));
    retrying.cloud.failing.insert("i-0001".into(), 1);
    retrying.run_to_state("FailureSuspended");
    retrying.annotated("retry", "i-0001@1");
    let mut cancelling = paused_in(json!({}), |_| {});
    cancelling.annotated("cancel", "n");
    for mut world in [approving, retrying, cancelling] {
        world.cloud.fates = vec![Fate::Lost];
        world.cloud.now += days;
        world.pass();
        world.cloud.now -= days;
        let sent = world.cloud.sent.len();
        world.run_for(300);
        assert!(world.cloud.sent.len() > sent, "{}", world.state());
    }
}
