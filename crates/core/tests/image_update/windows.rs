//! Windows hold runs that have not begun.

use std::sync::Arc;

use ess_rollout_api::v1alpha1::ActionState;
use ess_rollout_core::ask::SeenWindow;
use serde_json::{Value, json};

use crate::world::{World, at, building, cron};

const OPERATOR: &str = "ess-rollout";

impl World {
    fn windowed(&mut self, namespace: &str, name: &str, spec: Value) {
        self.windows.operator_namespace = OPERATOR.to_owned();
        self.windows.windows.retain(|window| window.name != name);
        self.windows.windows.push(Arc::new(SeenWindow {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            spec: Some(serde_json::from_value(spec).unwrap()),
        }));
    }
}

fn freeze(start: &str, end: &str) -> Value {
    json!({"kind": "Freeze", "reason": "sale", "start": start, "end": end})
}

#[test]
fn a_run_that_is_due_waits_until_its_window_opens_and_one_under_way_goes_on() {
    let window = json!({"schedule": "0 4 * * *", "durationMinutes": 5, "timeZone": "UTC"});
    let mut world = cron("0 2 * * *", json!({"window": window}));
    world.run_to("2026-01-06T01:00:00Z");
    assert_eq!(world.state(), "Scheduled");
    world.run_to("2026-01-06T03:30:00Z");
    assert_eq!(world.state(), "Pending");
    assert_eq!(world.condition("Ready"), "Unknown/WindowClosed");
    let said = world.message("Ready");
    let waits = "spec.window is closed until 2026-01-06T04:00:00Z; nothing is taken until then; nothing else stood against it at 2026-01-06T03:";
    assert!(said.starts_with(waits), "{said}");
    assert!(world.cloud.runs.is_empty() && world.holder().is_none());
    let writes = world.task_writes;
    world.run_to("2026-01-06T03:59:00Z");
    assert_eq!(world.task_writes, writes, "written while it waits");
    // A build takes longer than the window.
    world.run_to("2026-01-06T12:00:00Z");
    assert_eq!(world.state(), "Scheduled");
    let run = world.newest();
    let due = run.schedule_time.as_ref().unwrap().0;
    assert_eq!(due, at("2026-01-06T02:00:00Z"));
    let began = run.start_time.0.as_second() - at("2026-01-06T04:00:00Z").as_second();
    assert!((0..=60).contains(&began), "began after {began} s");
}

#[test]
fn what_stands_against_a_run_that_waits_for_its_window_is_said_before_that_opens() {
    let window = json!({"start": "2026-01-08T22:00:00Z", "end": "2026-01-09T04:00:00Z"});
    let mut world = building(json!({"window": window}));
    let instance = world.cloud.instance.take();
    world.run_to("2026-01-06T12:00:00Z");
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.condition("Stalled"), "True/SourceInstanceNotFound");
    let said = world.message("Ready");
    assert!(
        said.contains("; spec.window is closed until 2026-01-08T22:00:00Z"),
        "{said}"
    );
    assert!(world.holder().is_none());
    // It was Blocked for more than a day, and is not missed: the day begins when the window opens.
    world.run_to("2026-01-08T22:30:00Z");
    assert_eq!(world.state(), "Blocked");
    world.cloud.instance = instance;
    world.run_to("2026-01-09T04:00:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
}

#[test]
fn of_runs_that_were_due_in_a_freeze_the_newest_is_made() {
    let mut world = cron("0 2 * * *", json!({}));
    world.windowed(
        OPERATOR,
        "sale",
        freeze("2026-01-06T00:00:00Z", "2026-01-08T12:00:00Z"),
    );
    world.run_to("2026-01-08T11:00:00Z");
    assert!(world.cloud.runs.is_empty());
    let said = world.message("Ready");
    assert!(
        said.starts_with("MaintenanceWindow ess-rollout/sale (sale) lets nothing begin until"),
        "{said}"
    );
    world.run_to("2026-01-08T20:00:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
    assert_eq!(world.status().missed_runs, Some(2));
    let due = world.newest().schedule_time.as_ref().unwrap().0;
    assert_eq!(due, at("2026-01-08T02:00:00Z"));
}

#[test]
fn what_may_not_begin_in_time_is_missed_and_says_which_window_it_was() {
    let mut world = building(json!({"startingDeadlineSeconds": 3600}));
    world.windowed(
        "shop",
        "sale",
        freeze("2026-01-05T00:00:00Z", "2026-01-08T12:00:00Z"),
    );
    world.run_to("2026-01-05T15:00:00Z");
    assert_eq!(
        world.condition("Succeeded"),
        "False/StartingDeadlineExceeded"
    );
    let said = world.message("Succeeded");
    assert!(
        said.contains("MaintenanceWindow shop/sale (sale)"),
        "{said}"
    );
}

#[test]
fn a_window_is_overridden_for_one_run() {
    let mut world = cron("0 2 * * *", json!({}));
    world.windowed(
        OPERATOR,
        "sale",
        freeze("2026-01-06T00:00:00Z", "2026-01-20T00:00:00Z"),
    );
    world.run_to("2026-01-06T03:00:00Z");
    // Who asks for a run does not say that it may break the freeze.
    world.annotated("run-now", "1");
    world.run_to("2026-01-06T03:30:00Z");
    assert!(world.cloud.runs.is_empty());
    world.annotated("override-window", "nights@1");
    world.run_to("2026-01-06T03:31:00Z");
    assert_eq!(world.action("OverrideWindow").reason, "WindowNotFound");
    world.annotated("override-window", "sale@2");
    world.run_to("2026-01-06T03:32:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
    let settled = world.status().actions.last().unwrap();
    assert_eq!(
        (settled.state, settled.reason.as_str()),
        (ActionState::Applied, "Overridden")
    );
    // A run that is under way is held by none.
    world.annotated("override-window", "all@3");
    world.run_to("2026-01-06T03:33:00Z");
    let refused = world.status().actions.last().unwrap();
    assert_eq!(refused.reason, "RunActive");
    world.run_to("2026-01-08T00:00:00Z");
    assert_eq!(world.status().windows_overridden, [] as [&str; 0]);
    assert_eq!(world.cloud.runs.len(), 1);
    assert_eq!(world.condition("Ready"), "Unknown/WindowClosed");
}

#[test]
fn a_run_that_is_not_made_takes_what_was_overridden_for_it_along() {
    let mut world = cron("0 2 * * *", json!({"window": over()}));
    world.windowed(
        OPERATOR,
        "sale",
        freeze("2026-01-06T00:00:00Z", "2026-01-20T00:00:00Z"),
    );
    world.run_to("2026-01-06T03:00:00Z");
    world.annotated("override-window", "spec.window@1");
    world.run_to("2026-01-06T03:01:00Z");
    assert_eq!(world.status().windows_overridden, ["spec.window"]);
    world.annotated("cancel", "1");
    world.run_to("2026-01-06T03:02:00Z");
    assert_eq!(world.status().windows_overridden, [] as [&str; 0]);
}

fn over() -> Value {
    json!({"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"})
}

#[test]
fn a_window_of_its_own_that_is_over_is_blamed_and_the_run_is_missed_after_a_day() {
    let mut world = building(json!({"window": over()}));
    world.windowed(
        OPERATOR,
        "sale",
        freeze("2026-01-05T00:00:00Z", "2026-01-20T00:00:00Z"),
    );
    world.run_to("2026-01-05T13:00:00Z");
    assert_eq!(world.condition("Stalled"), "True/NeverDue");
    assert_eq!(
        world.message("Ready"),
        "spec.window never opens any more: change it"
    );
    world.run_to("2026-01-06T13:00:00Z");
    assert_eq!(
        world.condition("Succeeded"),
        "False/StartingDeadlineExceeded"
    );
}

#[test]
fn no_run_begins_while_there_is_no_window_of_a_name_that_it_names() {
    let mut world = building(json!({"windowRefs": ["nights"]}));
    world.windows.operator_namespace = OPERATOR.to_owned();
    world.run_to("2026-01-05T13:00:00Z");
    assert_eq!(world.state(), "Blocked");
    assert_eq!(world.condition("Stalled"), "True/WindowNotFound");
    assert!(world.cloud.runs.is_empty());
    world.windowed(
        "shop",
        "nights",
        json!({"start": "2026-01-05T00:00:00Z", "end": "2026-01-07T00:00:00Z"}),
    );
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}
