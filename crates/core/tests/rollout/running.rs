//! Whole runs, and progress as it is read.

use ess_rollout_api::v1alpha1::{BatchState, DesiredState, InstanceState, condition};
use ess_rollout_cloud::{ErrorClass, ExecutionStatus};
use ess_rollout_core::rollout::Next;
use serde_json::json;

use crate::builders::{image, script};
use crate::cloud::{NEW_IMAGE, OLD_IMAGE};

#[test]
fn a_script_update_runs_to_its_end_and_leaves_the_group_as_found() {
    let mut world = script(json!({}));
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.count("StartExecution"), 1);
    assert_eq!(world.cloud.sent.len(), 1, "the template puts all else back");
    assert!(world.cloud.suspended().is_empty());
    assert_eq!(world.said(condition::VERIFIED), "True AsReported");
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert_eq!(world.record_status().holder, None);
    assert_eq!(
        world.states,
        ["Pending", "Running", "Restoring", "Succeeded"]
    );
}

#[test]
fn an_image_update_ends_with_the_new_image_everywhere() {
    let mut world = image(json!({}));
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert!(world.cloud.ecs.iter().all(|e| e.image == NEW_IMAGE));
    let current = world.record_status().current.unwrap();
    assert_eq!(
        (current.what.as_str(), current.by.as_str()),
        (NEW_IMAGE, "shop/web")
    );
    assert_eq!(
        world
            .status()
            .plan
            .as_ref()
            .unwrap()
            .source_image_id
            .as_deref(),
        Some(OLD_IMAGE)
    );
}

#[test]
fn a_finished_task_at_rest_is_never_written() {
    let mut world = image(json!({}));
    world.run_to_rest();
    world.pass();
    let writes = (world.task_writes, world.record_writes);
    let sent = world.cloud.sent.len();
    world.run_for(3600);
    assert_eq!((world.task_writes, world.record_writes), writes);
    assert_eq!(world.cloud.sent.len(), sent);
}

#[test]
fn a_quiet_run_is_written_no_more_than_its_progress_is_worth() {
    let mut world = script(json!({}));
    world.run_to_rest();
    // Lifecycle: at most 4 for each batch and 12 more; progress: one in ten seconds.
    assert!(world.task_writes <= 4 * 2 + 12 + 6, "{}", world.task_writes);
}

#[test]
fn progress_follows_the_children() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    let status = world.status();
    let states: Vec<_> = status
        .instances
        .iter()
        .map(|i| (i.batch, i.state))
        .collect();
    assert_eq!(
        states,
        [
            (1, InstanceState::Succeeded),
            (1, InstanceState::Succeeded),
            (2, InstanceState::Pending),
            (2, InstanceState::Pending)
        ]
    );
    let batches: Vec<_> = status.batches.iter().map(|b| (b.size, b.state)).collect();
    assert_eq!(
        batches,
        [(2, BatchState::Succeeded), (2, BatchState::Pending)]
    );
    let summary = status.summary.as_ref().unwrap();
    assert_eq!(
        (summary.progress.as_str(), summary.batch.as_str()),
        ("2/4", "1/2")
    );
    assert_eq!(summary.percent, 50);
}

#[test]
fn a_retry_in_the_console_makes_a_newer_child_that_counts() {
    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("FailureSuspended");
    world.cloud.retry_in_console("i-0001");
    world.run_until(60, "retried", |w| w.state() == "Running");
    let retried = &world.status().instances[0];
    assert_eq!(
        (retried.state, retried.attempt),
        (InstanceState::Updating, 2)
    );
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_skipped_instance_returns_to_service_and_is_told_apart() {
    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 9);
    world.run_to_state("FailureSuspended");
    world.cloud.skip_in_console("i-0001");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True PartlyUpdated");
    assert_eq!(world.status().summary.as_ref().unwrap().skipped, 1);
    assert_eq!(world.cloud.count("ExitStandby"), 1);
}

#[test]
fn an_item_counted_done_before_its_child_is_seen_to_end_is_not_taken_for_skipped() {
    let mut world = script(json!({}));
    world.run_until(60, "updating", |w| {
        w.status()
            .instances
            .iter()
            .any(|i| i.state == InstanceState::Updating)
    });
    for task in world.cloud.tasks.get_mut("exec-1").unwrap() {
        task.status = ExecutionStatus::Success;
    }
    world.cloud.advance(1);
    world.run_for(11);
    let skipped = world
        .status()
        .instances
        .iter()
        .filter(|i| i.state == InstanceState::Skipped);
    assert_eq!(skipped.count(), 0);
}

#[test]
fn an_item_that_still_tells_of_the_attempt_before_does_not_count() {
    let mut world = script(json!({}));
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("FailureSuspended");
    let failed = world.cloud.tasks["exec-1"][0].clone();
    world.cloud.retry_in_console("i-0001");
    for task in world.cloud.tasks.get_mut("exec-1").unwrap() {
        if task.id == failed.id {
            *task = failed.clone();
        }
    }
    world.run_for(12);
    assert_eq!(world.status().instances[0].state, InstanceState::Updating);
}

#[test]
fn lists_that_lag_only_make_it_slower() {
    for lag in [5, 30, 50] {
        let mut world =
            image(json!({"suspensionPolicy": "SuspendEachBatch", "approvedBatches": 2}));
        world.cloud.lag = lag;
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
        assert_eq!(world.cloud.approved, [1]);
        assert_eq!(world.cloud.runs.len(), 1);
    }
}

#[test]
fn a_cloud_that_cannot_be_reached_leaves_what_is_known() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world.cloud.broken.insert("Execution", ErrorClass::Retry);
    world.run_for(20);
    assert_eq!(world.table(), ["Unknown", "Unknown", "True", "-", "True"]);
    assert_eq!(world.said(condition::RECONCILING), "True CloudUnavailable");
    world.cloud.broken.clear();
    world.run_for(20);
    assert_eq!(world.said(condition::RECONCILING), "True BatchSuspended");
}
#[test]
fn an_execution_that_is_no_longer_listed_can_still_be_given_up() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    world.cloud.executions.clear();
    world.run_for(60);
    assert_eq!(
        world.said(condition::RECONCILING),
        "True ExecutionNotListed"
    );
    assert!(
        world
            .condition(condition::RECONCILING)
            .unwrap()
            .message
            .contains("desiredState")
    );
    world.annotated("cancel", "n1");
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False ExecutionGone");
    assert!(
        world.cloud.suspended().is_empty(),
        "the processes are put back"
    );
}

/// Its credentials were those of another account for a while, or OOS had lost sight of it.
#[test]
fn an_execution_that_was_taken_for_gone_and_is_listed_again_is_cancelled() {
    let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
    world.run_to_state("BatchSuspended");
    let executions = std::mem::take(&mut world.cloud.executions);
    world.annotated("cancel", "n1");
    world.run_to_state("Restoring");
    assert_eq!(world.said(condition::SUCCEEDED), "Unknown ExecutionGone");
    world.cloud.executions = executions;
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "False Cancelled");
    assert_eq!(world.cloud.executions[0].status, ExecutionStatus::Cancelled);
    assert!(world.cloud.suspended().is_empty());
}

#[test]
fn a_run_that_stands_still_is_reported_until_it_moves_again() {
    let mut world = script(json!({
        "progressDeadlineSeconds": 60, "suspensionPolicy": "SuspendFirstBatch", "batches": 2,
    }));
    world.run_to_state("BatchSuspended");
    world.run_for(600);
    assert_eq!(
        world.said(condition::STALLED),
        "-",
        "a person is waited for"
    );
    world.annotated("continue", "1");
    world.run_until(60, "batch 2 begun", |w| w.cloud.runs[0].batch == 2);
    world.cloud.frozen = true;
    world.run_to_state("Running");
    world.run_for(40);
    assert_eq!(world.said(condition::STALLED), "-", "not for long enough");
    world.run_for(60);
    assert_eq!(
        world.said(condition::STALLED),
        "True ProgressDeadlineExceeded"
    );
    assert_eq!(world.said(condition::RECONCILING), "-", "never both");
    let writes = world.task_writes;
    world.run_for(600);
    assert_eq!(world.task_writes, writes, "said once");
    world.cloud.frozen = false;
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn it_is_looked_at_when_it_has_stood_still_for_too_long_however_seldom_otherwise() {
    for glances in [false, true] {
        let mut world = script(json!({"progressDeadlineSeconds": 60}));
        world.glances = glances;
        world.settings.poll_interval = std::time::Duration::from_secs(300);
        world.run_until(60, "batch 1 begun", |w| w.cloud.runs[0].batch == 1);
        world.cloud.frozen = true;
        world.pass();
        let moved = world.status().progress_time.clone().unwrap().0;
        let Next::After(wait) = world.next else {
            panic!("{:?}", world.next)
        };
        let looked = world.cloud.now + i64::try_from(wait.as_secs()).unwrap();
        assert!(looked <= moved.as_second() + 61, "{wait:?}");
        world.run_until(70, "stalled", |w| {
            w.said(condition::STALLED) == "True ProgressDeadlineExceeded"
        });
    }
}

#[test]
fn what_is_asked_of_an_update_that_has_ended_is_told_to_be_in_vain() {
    let mut world = script(json!({}));
    world.run_to_rest();
    world.edited(|task| task.spec.policy.approved_batches = Some(3));
    world.run_for(30);
    world.edited(|task| task.spec.policy.desired_state = DesiredState::Cancelled);
    world.run_for(30);
    world.edited(|task| task.spec.policy.deletion_timeout_seconds = 60);
    world.run_for(30);
    assert_eq!(world.state(), "Succeeded");
    let told = world.events.iter();
    let told = told.filter(|event| event.reason == "LoweringIgnored");
    let told: Vec<&str> = told.map(|event| event.note.as_str()).collect();
    assert!(
        matches!(told[..], [batches, cancelled] if batches.contains("spec.approvedBatches is 3") && cancelled.contains("spec.desiredState is Cancelled")),
        "{told:?}"
    );
}

#[test]
fn an_update_that_was_cancelled_is_not_told_that_there_is_nothing_to_cancel() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    world.edited(|task| task.spec.policy.desired_state = DesiredState::Cancelled);
    world.run_to_rest();
    assert_eq!(world.state(), "Cancelled");
    assert!(
        world
            .events
            .iter()
            .all(|event| event.reason != "LoweringIgnored")
    );
}

#[test]
fn planning_what_was_started_is_told_to_have_no_effect() {
    let mut world = script(json!({}));
    world.run_to_state("Running");
    world.edited(|task| task.spec.policy.desired_state = DesiredState::Plan);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    let told = world
        .events
        .iter()
        .filter(|e| e.reason == "LoweringIgnored");
    let told: Vec<_> = told.collect();
    assert_eq!(told.len(), 1);
    assert!(told[0].note.contains("spec.desiredState is Plan"));
}
