#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ess_rollout_api::v1alpha1::RollingUpdateTask;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr;

use super::page::age;
use super::rollout::screen;
use super::*;

/// Ten minutes after the update began.
fn now() -> Timestamp {
    "2026-11-27T10:10:00Z".parse().unwrap()
}

fn at(minute: i64, second: i64) -> String {
    format!("2026-11-27T10:{minute:02}:{second:02}Z")
}

fn instance(number: usize, batch: usize, state: &str) -> Value {
    json!({"id": format!("i-web-{number:02}"), "batch": batch, "state": state, "attempt": 1, "startTime": at(1, 0)})
}

/// Twelve instances in four batches, of which one has failed in the second.
fn failing() -> Value {
    let mut instances: Vec<Value> = (1..=12)
        .map(|number| match number {
            1..=3 => instance(number, 1, "Succeeded"),
            4 => instance(number, 2, "Succeeded"),
            5 => instance(number, 2, "Failed"),
            6 => instance(number, 2, "Updating"),
            _ => json!({"id": format!("i-web-{number:02}"), "batch": (number - 1) / 3 + 1, "state": "Pending"}),
        })
        .collect();
    instances[4]["endTime"] = at(2, 40).into();
    instances[4]["attempt"] = 2.into();
    instances[4]["exitCode"] = 7.into();
    instances[4]["message"] = "RunCommand: exit code 7: disk full".into();
    let batch = |index: i32, state: &str| json!({"index": index, "size": 3, "state": state});
    let mut batches = vec![
        batch(1, "Succeeded"),
        batch(2, "Failed"),
        batch(3, "Pending"),
        batch(4, "Pending"),
    ];
    (batches[0]["startTime"], batches[0]["endTime"]) = (at(0, 10).into(), at(2, 0).into());
    batches[1]["startTime"] = at(2, 10).into();
    json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask",
        "metadata": {"name": "web-2026-11", "namespace": "shop", "creationTimestamp": at(0, 0)},
        "spec": {"scalingGroupId": "asg-web", "update": {"script": {"run": {"inline": "true"}}}},
        "status": {
            "state": "FailureSuspended",
            "conditions": [{
                "type": "Stalled", "status": "True", "reason": "FailureSuspended", "lastTransitionTime": at(3, 0),
                "message": "1 instance has failed (i-web-05: exit code 7), and the update waits for a person: retry it, skip it, or cancel the update",
            }],
            "summary": {
                "total": 12, "pending": 6, "updating": 1, "succeeded": 4, "failed": 1, "cancelled": 0, "skipped": 0,
                "percent": 41, "progress": "4/12", "batch": "2/4",
            },
            "execution": {"id": "exec-0123456789abcdef", "templateName": "t", "status": "Waiting"},
            "pause": {"id": 1, "kind": "Failure", "since": at(3, 0)},
            "freeze": {"processes": ["ScaleIn", "ScaleOut"], "since": at(0, 5)},
            "batches": batches,
            "instances": instances,
            "actions": [
                {"id": "a", "verb": "Retry", "state": "Applied", "targets": ["i-web-05"], "requestedBy": "alice", "time": at(2, 20)},
                {"id": "b", "verb": "Continue", "state": "Rejected", "targets": ["1"], "message": "it is in another pause", "time": at(3, 30)},
            ],
        },
    })
}

fn rollout(task: Value) -> Rollout {
    let task: RollingUpdateTask = serde_json::from_value(task).unwrap();
    Rollout::of_task(task.metadata, &task.spec, task.status.unwrap_or_default())
}

fn style(width: usize) -> Style {
    Style {
        width,
        unicode: true,
        colour: false,
        verbose: false,
    }
}

fn shown(task: Value, style: Style) -> String {
    let lines = screen(&rollout(task), now(), style);
    for line in &lines {
        let fits = line.width() <= style.width || line.contains("kubectl") || style.colour;
        assert!(fits, "{line}");
    }
    lines.join("\n")
}

#[test]
fn a_failing_update_at_three_widths_in_ascii_and_in_colour() {
    for width in [80, 120, 200] {
        insta::assert_snapshot!(format!("failing_{width}"), shown(failing(), style(width)));
    }
    let ascii = Style {
        unicode: false,
        ..style(100)
    };
    insta::assert_snapshot!("failing_ascii", shown(failing(), ascii));
    let colour = Style {
        colour: true,
        ..style(100)
    };
    insta::assert_snapshot!("failing_colour", shown(failing(), colour));
    let verbose = Style {
        verbose: true,
        ..style(100)
    };
    insta::assert_snapshot!("failing_verbose", shown(failing(), verbose));
}

#[test]
fn twelve_failures_fit_a_screen() {
    let mut task = failing();
    for (number, instance) in task["status"]["instances"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .enumerate()
    {
        instance["state"] = "Failed".into();
        instance["batch"] = (number / 3 + 1).into();
    }
    let lines = screen(&rollout(task), now(), style(80));
    assert!(lines.len() <= LINES, "{lines:#?}");
}

#[test]
fn words_of_others_are_cut_by_their_width_and_move_no_cursor() {
    let mut task = failing();
    task["status"]["instances"][4]["message"] =
        "磁盘空间不足\u{1b}[2J磁盘空间不足磁盘空间不足磁盘空间不足磁盘空间不足".into();
    let text = shown(task, style(80));
    assert!(!text.contains('\u{1b}'));
    assert!(text.contains("磁盘空间不足 [2J磁"), "{text}");
}

#[test]
fn an_update_that_nobody_has_looked_at_is_shown() {
    let mut task = failing();
    task.as_object_mut().unwrap().remove("status");
    insta::assert_snapshot!("new", shown(task, style(80)));
}

#[test]
fn ages_have_two_units() {
    let now: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
    let before = |seconds: i64| {
        age(
            now,
            Timestamp::from_second(now.as_second() - seconds).unwrap(),
        )
    };
    let ages = [0, 59, 60, 90, 600, 3600, 3660, 86_400, 90_000, -5].map(before);
    assert_eq!(
        ages,
        [
            "0s", "59s", "1m", "1m30s", "10m", "1h", "1h1m", "1d", "1d1h", "0s"
        ]
    );
}

/// The same, retried and done.
fn ended() -> Value {
    let mut task = failing();
    let status = &mut task["status"];
    status["state"] = "Succeeded".into();
    status["completionTime"] = at(9, 0).into();
    status["conditions"] = json!([
        {"type": "Ready", "status": "True", "reason": "PartlyUpdated", "message": "11 of 12 instances are updated", "lastTransitionTime": at(9, 0)},
        {"type": "Restored", "status": "False", "reason": "Left", "message": "i-web-05 is in Standby", "lastTransitionTime": at(9, 0)},
    ]);
    status["result"] =
        json!({"outcome": "Succeeded", "reason": "PartlyUpdated", "message": "", "time": at(9, 0)});
    status["execution"]["startTime"] = at(0, 10).into();
    status["rolledBackBy"] = json!({"name": "web-undo", "uid": "u"});
    status["restore"] = json!({"done": true, "items": [
        {"kind": "Process", "target": "ScaleIn", "wanted": "Running", "state": "Restored"},
        {"kind": "Standby", "target": "i-web-05", "wanted": "InService", "state": "Left", "kept": true, "message": "failedInstancePolicy is KeepInStandby"},
    ]});
    for instance in status["instances"].as_array_mut().unwrap() {
        instance["state"] = "Succeeded".into();
    }
    status["instances"][4]["state"] = "Skipped".into();
    for batch in status["batches"].as_array_mut().unwrap() {
        batch["state"] = "Succeeded".into();
    }
    for gone in ["pause", "freeze"] {
        status.as_object_mut().unwrap().remove(gone);
    }
    task
}

#[test]
fn an_update_that_has_ended_says_what_is_left() {
    insta::assert_snapshot!("ended", shown(ended(), style(100)));
}

fn planned() -> Value {
    let mut task = failing();
    let member = |number: usize| json!({"id": format!("i-web-{number:02}"), "batch": (number - 1) / 3 + 1, "imageId": "m-v1"});
    task["spec"]["suspensionPolicy"] = "SuspendFirstBatch".into();
    task["status"] = json!({
        "state": "Planned",
        "plan": {
            "time": at(9, 0), "batches": 4, "scalingConfigurationId": "asc-web", "scalingConfigurationImageId": "m-v1",
            "suspendedProcesses": ["AlarmNotification"], "sourceImageId": "m-v1",
            "leftOut": [{"id": "i-web-13", "reason": "Standby"}, {"id": "i-web-14", "reason": "Standby"}],
            "members": (1..=12).map(member).collect::<Vec<_>>(),
        },
    });
    task
}

#[test]
fn a_plan_names_who_is_in_which_batch() {
    let lines = plan::screen(&rollout(planned()), now(), style(80));
    insta::assert_snapshot!("plan", lines.join("\n"));
}

#[test]
fn an_image_update_shows_its_runs() {
    let task = json!({
        "metadata": {"name": "web-nightly", "namespace": "shop", "creationTimestamp": at(0, 0)},
        "spec": {
            "scalingGroupId": "asg-web", "source": {"instanceId": "i-web-01"},
            "schedule": {"cron": "0 2 * * *", "timeZone": "Asia/Shanghai"},
        },
        "status": {
            "state": "Running",
            "conditions": [{"type": "Ready", "status": "Unknown", "reason": "Running", "message": "OOS builds the image", "lastTransitionTime": at(8, 0)}],
            "imageId": "m-v2", "missedRuns": 2, "nextScheduleTime": "2026-11-27T18:00:00Z",
            "configurations": [{"id": "asc-web", "imageId": "m-v2", "updated": true}],
            "active": {
                "number": 3, "trigger": "RunNow", "time": at(8, 0), "hash": "h", "description": "", "configurations": [],
                "execution": {"id": "exec-3", "templateName": "t", "status": "Running"},
            },
            "history": [
                {"number": 2, "trigger": "Schedule", "startTime": at(4, 0), "endTime": at(6, 0), "outcome": "Failed", "reason": "R", "message": "no such instance"},
                {"number": 1, "trigger": "Schedule", "startTime": at(1, 0), "endTime": at(3, 0), "outcome": "Succeeded", "imageId": "m-v2"},
            ],
            "actions": [{"id": "a", "verb": "RunNow", "state": "Applied", "requestedBy": "alice", "time": at(8, 0)}],
        },
    });
    let update = crate::image_update::ImageUpdate {
        metadata: serde_json::from_value(task["metadata"].clone()).unwrap(),
        spec: serde_json::from_value(task["spec"].clone()).unwrap(),
        status: serde_json::from_value(task["status"].clone()).unwrap(),
    };
    let lines = image_update::screen(&update, now(), style(80));
    insta::assert_snapshot!("image_update", lines.join("\n"));
}

#[test]
fn columns_are_as_wide_as_what_is_in_them() {
    let row = |mood, cells: [&str; 3]| table::Row {
        mood: Some(mood),
        cells: cells.map(str::to_owned).to_vec(),
    };
    let rows = [
        row(
            page::Mood::Good,
            [
                "web",
                "Succeeded",
                "a text that is longer than what is left of the line",
            ],
        ),
        row(page::Mood::Bad, ["磁盘空间不足", "Failed", "with\u{1b}[2J"]),
    ];
    let lines = table::table(&["NAME", "STATE", "WHY"], &rows, style(40));
    insta::assert_snapshot!("table", lines.join("\n"));
}

#[test]
fn one_that_goes_on_by_itself_waits_for_nobody() {
    let mut task = failing();
    task["status"]["state"] = "BatchHeld".into();
    task["status"]["pause"] = json!({"id": 1, "kind": "Batch", "since": at(3, 0)});
    let held = rollout(task);
    assert!(held.is_held() && !held.is_paused());
    assert_eq!(held.next_commands(), [] as [String; 0]);
    let shown = super::rollout::screen(&held, now(), style(100)).join("\n");
    assert!(shown.contains("held for"), "{shown}");
    assert!(!shown.contains("paused for"), "{shown}");
}

#[test]
fn whoever_waits_for_a_window_is_told_how_not_to() {
    let task = |state: &str, reason: &str, more: &Value| {
        let mut task = failing();
        let status = &mut task["status"];
        status["state"] = state.into();
        let kind = match more["execution"] {
            Value::Null => "Ready",
            _ => "Paused",
        };
        status["conditions"] = json!([{
            "type": kind, "status": "True", "reason": reason, "message": "m", "lastTransitionTime": at(3, 0),
        }]);
        for name in ["pause", "execution", "startBlocked"] {
            status[name] = more[name].clone();
        }
        task["spec"]["notBefore"] = at(9, 0).into();
        rollout(task)
    };
    let pause = json!({"id": 1, "kind": "Batch", "since": at(3, 0)});
    let execution =
        json!({"id": "exec-1", "status": "Waiting", "templateName": "T", "templateVersion": "v1"});
    let paused = json!({"pause": pause, "execution": execution});
    let command = "kubectl ess-rollout override-window web-2026-11 -n shop".to_owned();
    for (state, reason, more, to_go_on, not_to_wait) in [
        ("Pending", "WindowClosed", json!({}), false, true),
        ("Blocked", "NeverDue", json!({}), true, false),
        ("Blocked", "GroupNotFound", json!({}), false, false),
        ("BatchHeld", "WindowClosed", paused.clone(), false, true),
        ("BatchHeld", "Soaking", paused.clone(), false, false),
        ("BatchSuspended", "NeverDue", paused.clone(), true, false),
        // No window has anything to do with that.
        (
            "Pending",
            "WindowClosed",
            json!({"startBlocked": {"heldUntil": at(9, 0)}}),
            false,
            false,
        ),
    ] {
        let of = task(state, reason, &more);
        let (next, instead) = (of.next_commands(), of.command_not_to_wait());
        assert_eq!(
            next.contains(&command),
            to_go_on,
            "{state} {reason}: {next:?}"
        );
        assert_eq!(instead.is_some(), not_to_wait, "{state} {reason}");
        let shown = super::rollout::screen(&of, now(), style(100)).join("\n");
        assert_eq!(shown.contains(&command), to_go_on || not_to_wait, "{shown}");
        // It would not let go.
        let goes_on = next.iter().any(|next| next.contains(" continue "));
        assert!(!goes_on, "{next:?}");
    }
}

#[test]
fn a_pause_that_was_answered_is_none() {
    let is_paused = |task: &Value| rollout(task.clone()).is_paused();
    let mut task = failing();
    assert!(is_paused(&task));
    task["status"]["instances"][4]["request"] =
        json!({"verb": "Retry", "attempt": 1, "time": at(3, 10)});
    assert!(is_paused(&task), "of an attempt before");
    task["status"]["instances"][4]["request"]["attempt"] = 2.into();
    assert!(!is_paused(&task));

    task["status"]["pause"]["kind"] = "Batch".into();
    assert!(is_paused(&task));
    task["status"]["approve"] = json!({"pause": 0, "time": at(3, 0), "attempt": 1, "by": "x", "until": at(4, 0), "answer": "Taken"});
    assert!(is_paused(&task), "of the pause before");
    task["status"]["approve"]["pause"] = 1.into();
    assert!(!is_paused(&task));
    task["status"]["approve"]["answer"] = "Refused".into();
    assert!(is_paused(&task));
}
