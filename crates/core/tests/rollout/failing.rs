//! Suspension upon failure, whichever way OOS shows it, and what is said of the instances that failed.

use ess_rollout_api::v1alpha1::{InstanceState, PauseKind};
use ess_rollout_cloud::{ExecutionStatus, Invocation, TaskExecution};
use serde_json::{Map, json};

use crate::builders::{image, script};
use crate::cloud::Oos;
use crate::world::World;

/// Every combination of what is not documented about a failure pause.
fn every_way() -> impl Iterator<Item = (Oos, bool)> {
    (0..64).map(|bits: u32| {
        let on = |bit: u32| bits & (1 << bit) != 0;
        let oos = Oos {
            child_waits: on(0),
            child_shows_running: on(1),
            root_shows_running: on(2),
            every_failure: on(3),
            stand_still: on(4),
            ..Oos::default()
        };
        (oos, on(5))
    })
}

#[test]
fn a_failure_pause_is_seen_and_left_whichever_way_oos_shows_it() {
    for (number, (oos, others_slow)) in every_way().enumerate() {
        // Each verb meets each setting, though not each combination of them.
        let verb = ["retry", "skip", "cancel-instances"][number % 3];
        let what = format!("{verb}, others slow {others_slow}, {oos:?}");
        let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch"}));
        world.cloud.oos = oos.clone();
        world.cloud.failing.insert("i-0001".into(), 1);
        if others_slow {
            world.cloud.slow.insert("i-0002".into(), 200);
        }
        world.run_until(900, &what, |w| {
            let failed = w.status().summary.as_ref().is_some_and(|s| s.failed == 1);
            w.state() == "FailureSuspended" && failed
        });
        world.annotated(verb, "i-0001@n1");
        world.run_until(900, &what, |w| w.state() == "BatchSuspended");
        assert!(
            world.ledger()[0].contains("Applied"),
            "{what}: {:?}",
            world.ledger()
        );
        assert_eq!(world.cloud.notified.len(), 1, "{what}");
        world.annotated("continue", "1");
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded", "{what}");
        assert_eq!(world.cloud.approved, [1], "{what}");
    }
}

#[test]
fn a_nested_execution_that_shows_running_is_looked_into_once_nothing_moves() {
    let mut world = script(json!({}));
    (
        world.cloud.oos.child_waits,
        world.cloud.oos.child_shows_running,
    ) = (true, true);
    world.cloud.oos.root_shows_running = true;
    world.cloud.failing.insert("i-0001".into(), 9);
    world.run_to_state("FailureSuspended");
    let failed = &world.status().instances[0];
    assert_eq!((failed.state, failed.attempt), (InstanceState::Failed, 1));
    assert!(failed.conditions[0].message.contains("exit code 1"));
    let pause = world.status().pause.clone().unwrap();
    assert_eq!(pause.kind, PauseKind::Failure);
    // And it stays so.
    let writes = world.task_writes;
    world.run_for(600);
    assert_eq!(world.task_writes, writes);
}

#[test]
fn a_retry_inside_a_nested_execution_is_another_attempt() {
    let mut world = script(json!({}));
    world.cloud.oos.child_waits = true;
    world.cloud.failing.insert("i-0001".into(), 2);
    world.run_to_state("FailureSuspended");
    world.annotated("retry", "i-0001/1@n1");
    world.run_until(100, "failed again", |w| {
        w.state() == "FailureSuspended" && w.status().instances[0].attempt == 2
    });
    assert_eq!(world.ledger(), ["Retry Applied Retried"]);
    world.annotated("retry", "i-0001/1@n2");
    world.run_for(5);
    assert_eq!(world.ledger()[1], "Retry Rejected StaleAttempt");
    world.annotated("retry", "i-0001/2@n3");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    let attempts: Vec<_> = world.cloud.notified.iter().map(|n| n.2).collect();
    assert_eq!(attempts, [1, 2]);
    assert_eq!(world.status().instances[0].attempt, 3);
}

#[test]
fn a_tolerated_failure_that_oos_waits_upon_at_the_end_of_a_batch_is_told_by_the_refused_approve() {
    for by_level in [false, true] {
        let mut spec = json!({"maxErrors": 1, "suspensionPolicy": "SuspendEachBatch"});
        if by_level {
            spec["approvedBatches"] = json!(2);
        }
        let mut world = image(spec);
        world.cloud.oos.every_failure = true;
        world.cloud.failing.insert("i-0001".into(), 1);
        if !by_level {
            world.run_to_state("BatchSuspended");
            world.annotated("continue", "1");
        }
        world.run_to_state("FailureSuspended");
        if !by_level {
            assert_eq!(world.ledger(), ["Continue Rejected FailurePause"]);
        }
        world.run_for(600);
        assert_eq!(world.state(), "FailureSuspended");
        assert_eq!(
            world.cloud.count("NotifyExecution"),
            1,
            "not tried for ever"
        );
        world.annotated("retry", "i-0001@n1");
        if !by_level {
            // Now it is the batch pause, and can be left.
            world.run_to_state("BatchSuspended");
            world.annotated("continue", "current@n2");
        }
        world.run_to_rest();
        assert_eq!(world.cloud.approved, [1]);
        assert_eq!(world.state(), "Succeeded");
    }
}

#[test]
fn the_message_of_a_failure_pause_has_the_commands() {
    let mut world = script(json!({"batches": 1}));
    for n in 1..=4 {
        world.cloud.failing.insert(format!("i-{n:04}"), 1);
    }
    world.run_to_state("FailureSuspended");
    let message = world.status().pause.as_ref().unwrap().message.clone();
    for part in [
        "instances i-0001, i-0002, i-0003 and 1 more failed",
        "kubectl annotate rollingupdatetask -n shop web ess-rollout.io/retry=failed@$(date +%s) --overwrite",
        "kubectl annotate rollingupdatetask -n shop web ess-rollout.io/skip=failed@$(date +%s) --overwrite",
        "ess-rollout.io/cancel-instances=",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    // As a shell would write it, it is a request that is taken.
    world.annotated("retry", "failed@1700000000");
    world.run_until(100, "retried", |w| w.ledger() == ["Retry Applied Retried"]);
    assert_eq!(world.cloud.count("NotifyExecution"), 4);
}

/// A failed task of the nested execution of the first instance.
fn broken_at(world: &mut World, name: &str, message: &str, invocation: Option<Invocation>) {
    let child = "exec-1-i-0001-1".to_owned();
    let task = |name: &str, status: ExecutionStatus, message: &str| TaskExecution {
        id: format!("{child}.{name}"),
        name: name.into(),
        action: "ACS::ExecuteAPI".into(),
        parent: None,
        child_execution: None,
        status,
        status_message: message.into(),
        start: None,
        end: None,
        loop_batch: None,
        loop_item: None,
        outputs: Map::new(),
    };
    let mut tasks = Vec::new();
    if let Some(invocation) = invocation {
        let mut run = task("runCommand", ExecutionStatus::Success, "");
        run.outputs.insert("invokeId".into(), json!("t-1"));
        tasks.push(run);
        let key = ("t-1".to_owned(), "i-0001".to_owned());
        world.cloud.invocations.insert(key, invocation);
    }
    tasks.push(task(name, ExecutionStatus::Failed, message));
    world.cloud.tasks.insert(child, tasks);
}

fn invocation(status: &str, exit_code: Option<i64>, error: (&str, &str)) -> Invocation {
    Invocation {
        status: status.into(),
        exit_code,
        error_code: error.0.into(),
        error_info: error.1.into(),
        output: "starting\ndisk full\n".into(),
        dropped_bytes: 0,
    }
}

#[test]
fn a_failed_instance_says_which_call_failed_and_why_on_every_way_to_fail() {
    type Case = (
        &'static str,
        &'static str,
        Option<Invocation>,
        Option<i32>,
        &'static [&'static str],
    );
    let cases: [Case; 5] = [
        (
            "checkExitCode",
            "ECS DescribeInvocationResults: ExitCode is 7",
            Some(invocation("Failed", Some(7), ("ExitCodeNonzero", ""))),
            Some(7),
            &["exit code 7", "and with: starting / disk full"],
        ),
        (
            "runCommand",
            "ECS RunCommand failed. Code: ClientNotRunning, Message: no client, RequestId: R1",
            None,
            None,
            &["runCommand", "ECS RunCommand", "ClientNotRunning", "R1"],
        ),
        (
            "untilFinished",
            "ECS DescribeInvocations: InvokeStatus is Running after 21 tries",
            Some(invocation("Timeout", None, ("", ""))),
            None,
            &["untilFinished", "InvokeStatus", "Timeout"],
        ),
        (
            "enterStandby",
            "ESS EnterStandby failed. Code: ScalingActivityInProgress, Message: busy, RequestId: R2",
            None,
            None,
            &[
                "enterStandby",
                "ESS EnterStandby",
                "ScalingActivityInProgress",
            ],
        ),
        (
            "stopInstance",
            "ECS StopInstance failed. Code: IncorrectInstanceStatus, Message: locked, RequestId: R3",
            None,
            None,
            &[
                "stopInstance",
                "ECS StopInstance",
                "IncorrectInstanceStatus",
            ],
        ),
    ];
    for (name, message, invocation, exit_code, says) in cases {
        let mut world = script(json!({}));
        world.cloud.failing.insert("i-0001".into(), 9);
        let has_output = invocation.is_some();
        broken_at(&mut world, name, message, invocation);
        world.run_to_state("FailureSuspended");
        let failed = &world.status().instances[0];
        let why = failed.conditions[0].message.clone();
        for part in says {
            assert!(why.contains(part), "{part} is not in: {why}");
        }
        assert_eq!(failed.exit_code, exit_code, "{name}");
        let tail = failed.output_tail.as_deref();
        assert_eq!(tail, has_output.then_some("starting\ndisk full"), "{name}");
        let event = world.events.iter().find(|e| e.reason == "InstanceFailed");
        assert!(event.unwrap().note.contains(says[0]), "{name}");
    }
}
