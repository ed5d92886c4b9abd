//! Which runs are made of those that come due: CronJob's meanings.

use ess_rollout_api::v1alpha1::{ConcurrencyPolicy, RunOutcome, RunTrigger};
use ess_rollout_cloud::ImageStatus;
use serde_json::json;

use crate::cloud::image;
use crate::world::{World, at, building, cron, task};

/// Number and time of each run in the history, oldest first.
fn ran(world: &World) -> Vec<(i64, String)> {
    let all = world.status().history.iter().rev();
    all.map(|run| {
        let time = run.schedule_time.as_ref().map(|time| time.0.to_string());
        (run.number, time.unwrap_or_default())
    })
    .collect()
}

#[test]
fn a_schedule_runs_on_its_days_shows_the_next_and_is_finished_after_its_last() {
    let mut world = building(json!({"successfulRunsHistoryLimit": 10, "schedule": {
        "cron": "0 2 * * *", "timeZone": "Asia/Shanghai",
        "notBefore": "2026-01-21T00:00:00+08:00", "notAfter": "2026-01-25T23:59:59+08:00",
    }}));
    world.run_to("2026-01-06T00:00:00Z");
    assert_eq!(world.state(), "Scheduled");
    assert_eq!(world.condition("Ready"), "True/Scheduled");
    assert_eq!(world.condition("Succeeded"), "Unknown/NoRun");
    let next = |w: &World| w.status().next_schedule_time.as_ref().map(|t| t.0);
    assert_eq!(next(&world), Some(at("2026-01-20T18:00:00Z")));
    let writes = world.task_writes;
    world.run_to("2026-01-20T17:00:00Z");
    assert_eq!(world.task_writes, writes, "written at rest");
    world.run_to("2026-01-20T18:05:00Z");
    assert_eq!(world.state(), "Running");
    assert_eq!(world.condition("Ready"), "Unknown/Running");
    assert_eq!(next(&world), Some(at("2026-01-21T18:00:00Z")));
    world.run_to("2026-02-05T00:00:00Z");
    let days: Vec<_> = (20..25)
        .map(|day| (day - 19, format!("2026-01-{day}T18:00:00Z")))
        .collect();
    assert_eq!(ran(&world), days);
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(next(&world), None);
    assert_eq!(world.status().missed_runs, None);
    let times = &world.newest();
    assert_eq!(times.trigger, RunTrigger::Schedule);
    let began = times.start_time.0.as_second() - at("2026-01-24T18:00:00Z").as_second();
    assert!((0..=1).contains(&began), "began {began} s late");
}

#[test]
fn one_time_is_one_run_and_one_before_the_task_was_there_is_none() {
    let mut world = building(json!({"schedule": {"at": "2026-01-05T14:00:00+00:00"}}));
    world.run_to("2026-01-05T13:59:59Z");
    assert_eq!(world.state(), "Scheduled");
    world.run_to("2026-01-05T15:00:00Z");
    assert_eq!((world.state(), world.cloud.runs.len()), ("Succeeded", 1));
    world.edited(|t| {
        let at = json!("2026-01-05T16:00:00Z");
        t.spec.schedule.as_mut().unwrap().at = serde_json::from_value(at).unwrap();
    });
    // Nobody was there to see the edit: it is made up for, for that very run is wanted.
    world.cloud.advance(3 * 3600);
    world.run_to_rest();
    assert_eq!((world.state(), world.cloud.runs.len()), ("Succeeded", 2));

    let mut past = building(json!({"schedule": {"at": "2026-01-05T11:00:00Z"}}));
    past.run_to("2026-01-06T00:00:00Z");
    assert!(
        past.cloud.sent.is_empty(),
        "a re-created manifest runs again"
    );
    assert_eq!(past.condition("Stalled"), "True/RunMissed");
    let told = past.message("Stalled");
    assert!(
        told.contains("spec.schedule.at: 2026-01-05T11:00:00Z is not later than the creation"),
        "{told}"
    );
    assert_eq!(past.status().missed_runs, Some(1));
    assert_eq!(past.reasons(), ["RunMissed"]);
    past.annotated("run-now", "1");
    past.run_to_rest();
    assert_eq!((past.state(), past.cloud.runs.len()), ("Succeeded", 1));
}

#[test]
fn one_time_with_a_fraction_of_a_second_is_one_run_too() {
    for image in [None, Some("m-given")] {
        let mut world = building(json!({
            "schedule": {"at": "2026-01-05T14:00:00.5Z"}, "imageId": image,
        }));
        let given = crate::cloud::image("m-given", ImageStatus::Available);
        world.cloud.images.insert("m-given".into(), given);
        world.run_to("2026-01-06T00:00:00Z");
        assert_eq!(
            (world.state(), world.status().last_run),
            ("Succeeded", Some(1))
        );
        assert_eq!(world.status().missed_runs, None);
    }
    let mut past = building(json!({"schedule": {"at": "2026-01-05T11:00:00.5Z"}}));
    past.run_to("2026-01-06T00:00:00Z");
    assert_eq!(past.condition("Stalled"), "True/RunMissed");
    assert_eq!(past.status().missed_runs, Some(1));
}

#[test]
fn of_several_that_came_due_without_an_operator_the_newest_is_made() {
    let mut world = cron("0 2 * * *", json!({}));
    world.run_to("2026-01-05T13:00:00Z");
    world.cloud.advance(4 * 86_400);
    world.run_to_rest();
    assert_eq!(ran(&world), [(1, "2026-01-09T02:00:00Z".into())]);
    assert_eq!(world.status().missed_runs, Some(3));
    assert!(world.reasons().contains(&"RunMissed"));
    assert_eq!(
        world.status().last_schedule_time.as_ref().unwrap().0,
        at("2026-01-09T02:00:00Z")
    );
}

#[test]
fn one_that_can_no_longer_begin_in_time_is_missed() {
    let mut world = cron("0 2 * * *", json!({"startingDeadlineSeconds": 600}));
    world.run_to("2026-01-06T01:00:00Z");
    world.held_by(Some("other"));
    world.run_to("2026-01-06T02:10:00Z");
    assert_eq!(world.state(), "Waiting");
    world.run_to("2026-01-06T02:12:00Z");
    assert_eq!(world.state(), "Scheduled");
    assert_eq!(world.status().missed_runs, Some(1));
    assert_eq!(world.reasons(), ["RunMissed"]);
    world.held_by(None);
    world.run_to("2026-01-07T03:00:00Z");
    assert_eq!(ran(&world), [(1, "2026-01-07T02:00:00Z".into())]);
}

#[test]
fn a_schedule_that_ended_without_any_run_says_how_many_were_missed() {
    let mut world = cron(
        "0 2 * * *",
        json!({"startingDeadlineSeconds": 600, "schedule": {
            "cron": "0 2 * * *", "notAfter": "2026-01-08T12:00:00Z",
        }}),
    );
    world.held_by(Some("other"));
    world.run_to("2026-01-09T02:00:00Z");
    assert_eq!(world.condition("Stalled"), "True/RunMissed");
    let told = world.message("Stalled");
    assert!(told.contains("of 3 that came due"), "{told}");
    assert!(
        told.contains("spec.schedule,") && !told.contains("schedule.at"),
        "{told}"
    );
}

#[test]
fn while_one_is_under_way_the_next_is_left_out_or_takes_its_place() {
    let mut forbid = cron("*/5 * * * *", json!({}));
    forbid.run_to("2026-01-05T12:17:00Z");
    // Began at 12:05, takes ten minutes: 12:10 is left out, and so is 12:15, seen while it ends.
    assert_eq!(ran(&forbid), [(1, "2026-01-05T12:05:00Z".into())]);
    let missed = forbid.status().missed_runs.unwrap();
    assert!((1..=2).contains(&missed), "{missed}");

    let mut replace = cron(
        "*/5 * * * *",
        json!({"concurrencyPolicy": "Replace", "failedRunsHistoryLimit": 9}),
    );
    replace.run_to("2026-01-05T12:12:00Z");
    let first = replace.newest();
    assert_eq!(
        (first.number, first.outcome, first.reason.as_str()),
        (1, RunOutcome::Cancelled, "Replaced")
    );
    assert_eq!(replace.status().active.as_ref().unwrap().number, 2);
    assert_eq!(replace.status().missed_runs, None);
}

#[test]
fn while_it_is_suspended_nothing_begins_by_itself() {
    let mut world = cron("0 2 * * *", json!({"suspend": true}));
    world.run_to("2026-01-07T12:00:00Z");
    assert_eq!(world.state(), "Suspended");
    assert_eq!(world.condition("Ready"), "True/Suspended");
    assert!(world.cloud.sent.is_empty());
    world.annotated("run-now", "1");
    world.run_to_rest();
    assert_eq!(ran(&world), [(1, String::new())]);
    assert_eq!(world.state(), "Suspended");
    world.edited(|t| t.spec.suspend = false);
    world.run_to_rest();
    assert_eq!(ran(&world)[1], (2, "2026-01-07T02:00:00Z".into()));
    assert_eq!(world.status().missed_runs, Some(1));

    // Going back, too, and it is said what has not been done.
    world.edited(|t| (t.spec.suspend, t.spec.image_id) = (true, Some("m-1".into())));
    world.pass();
    assert_eq!(world.state(), "Suspended");
    let told = world.message("Ready");
    assert!(told.contains("image m-1 of spec.imageId has not"), "{told}");

    let mut now = building(json!({"suspend": true}));
    now.run_to("2026-01-05T13:00:00Z");
    assert_eq!((now.state(), now.cloud.runs.len()), ("Suspended", 0));
    let told = now.message("Ready");
    assert!(told.contains("has not been built"), "{told}");
    now.edited(|t| t.spec.suspend = false);
    now.run_to_rest();
    assert_eq!((now.state(), now.cloud.runs.len()), ("Succeeded", 1));
}

#[test]
fn an_edit_of_the_schedule_makes_nothing_up() {
    let mut world = cron("0 2 * * *", json!({}));
    world.run_to("2026-01-06T12:00:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
    world.edited(|t| t.spec.schedule.as_mut().unwrap().cron = Some("0 11 * * *".into()));
    world.run_to("2026-01-06T13:00:00Z");
    assert_eq!(world.cloud.runs.len(), 1);
    world.run_to("2026-01-07T12:00:00Z");
    assert_eq!(ran(&world)[1], (2, "2026-01-07T11:00:00Z".into()));
}

#[test]
fn a_schedule_that_is_taken_away_leaves_nothing_to_be_made_up_for() {
    let at = json!({"schedule": {"at": "2026-01-05T14:00:00Z"}});
    for mut world in [cron("0 2 * * *", json!({})), building(at)] {
        world.run_to("2026-01-06T12:00:00Z");
        assert_eq!(world.cloud.runs.len(), 1);
        assert!(world.task.metadata.annotations.is_none());
        world.edited(|t| t.spec.schedule = None);
        world.run_to("2026-01-07T12:00:00Z");
        assert_eq!((world.state(), world.cloud.runs.len()), ("Succeeded", 1));
        // What is asked for is another thing now.
        world.edited(|t| t.spec.scaling_configuration_ids = vec!["asc-2".into()]);
        world.run_to_rest();
        assert_eq!(world.cloud.runs.len(), 2);
    }
}

#[test]
fn a_given_image_has_the_schedule_stand_still_until_it_is_taken_away() {
    let mut world = cron("0 2 * * *", json!({}));
    world.run_to("2026-01-06T12:00:00Z");
    assert_eq!(world.cloud.carried("asc-1"), "m-1");
    for _ in 0..2 {
        world.edited(|t| t.spec.image_id = Some("m-old".into()));
        world.run_to_rest();
        assert_eq!(world.cloud.carried("asc-1"), "m-old");
        assert_eq!(world.state(), "Succeeded");
        let later = world.cloud.now + 2 * 86_400;
        world.run_until(3 * 86_400, "two days", |w| w.cloud.now >= later);
        let runs = world.cloud.runs.len();
        world.edited(|t| t.spec.image_id = None);
        world.run_to_state("Scheduled");
        assert_eq!(world.cloud.runs.len(), runs, "nothing is made up for");
        world.run_until(86_400, "the next run", |w| w.cloud.runs.len() == runs + 1);
        world.run_to_rest();
        assert_ne!(world.cloud.carried("asc-1"), "m-old");
    }
    assert_eq!(world.status().missed_runs, None);
}

#[test]
fn a_given_image_may_have_its_time() {
    let spec = json!({"imageId": "m-given", "schedule": {"at": "2026-01-05T14:00:00Z"}});
    let mut world = World::new(task(spec));
    let given = image("m-given", ImageStatus::Available);
    world.cloud.images.insert("m-given".into(), given);
    world.run_to("2026-01-05T13:59:00Z");
    assert_eq!(world.cloud.carried("asc-1"), "m-old");
    world.run_to("2026-01-05T14:01:00Z");
    assert_eq!(
        (world.cloud.carried("asc-1"), world.state()),
        ("m-given", "Succeeded")
    );
}

#[test]
fn the_history_keeps_as_many_of_each_kind_as_its_limits_say() {
    let mut world = cron(
        "0 * * * *",
        json!({
            "successfulRunsHistoryLimit": 2, "failedRunsHistoryLimit": 1, "concurrencyPolicy": "Forbid",
        }),
    );
    for hour in 13..19 {
        world.cloud.images_fail = hour % 3 == 0;
        world.run_to(&format!("2026-01-05T{hour}:30:00Z"));
    }
    use RunOutcome::{Failed, Succeeded};
    assert_eq!(
        world.outcomes(),
        [(6, Failed), (5, Succeeded), (4, Succeeded)]
    );
    assert_eq!(world.status().image_id.as_deref(), Some("m-5"));
    assert_eq!(
        world.newest().image_id.as_deref(),
        Some("m-6"),
        "it exists, and costs its snapshot"
    );
    assert_eq!(world.state(), "Failed");
    assert_eq!(world.condition("Stalled"), "True/ImageCreationFailed");
    assert!(
        world
            .message("Stalled")
            .contains("the next run is due at 2026-01-05T19:00:00Z")
    );
    assert_eq!(
        world.task.spec.concurrency_policy,
        ConcurrencyPolicy::Forbid
    );
    world.edited(|t| t.spec.successful_runs_history_limit = 1);
    world.pass();
    assert_eq!(world.outcomes(), [(6, Failed), (5, Succeeded)], "at once");
    world.edited(|t| {
        (
            t.spec.successful_runs_history_limit,
            t.spec.failed_runs_history_limit,
        ) = (0, 0);
    });
    world.cloud.images_fail = false;
    world.run_to("2026-01-05T19:30:00Z");
    assert!(world.status().history.is_empty());
    assert_eq!(world.condition("Succeeded"), "True/ImageUpdated");
    assert_eq!(world.state(), "Scheduled");
}
