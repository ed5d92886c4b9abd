//! What holds for every schedule: of answers lost and late, crashes, requests, edits, deletions,
//! lagging lists and time.
//!
//! [`World`] itself holds each decision to the rest: reads end, work has its intent in the status
//! that goes with it, statuses fit the schema, a second look at the same things finds no news. Which
//! cases are run, and how to run others: see [`seeded`].

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{ActionState, DesiredState};
use ess_rollout_cloud::{ErrorClass, ExecutionStatus, NotifyType, Outcome, TaskExecution};
use ess_rollout_core::ask::Reply;
use ess_rollout_core::rollout::{Observation, Step};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, json};

use crate::builders::{image, script};
use crate::cloud::{self, Fate, Oos, error, execution};
use crate::seeded;
use crate::world::{Crash, World};

/// One thing that happens to a task.
#[derive(Debug, Clone)]
enum Happening {
    Pass,
    Crash(usize, Crash),
    Wait(i64),
    Fate(Fate),
    Annotate(&'static str, String),
    Approved(Option<i32>),
    Cancel,
    Delete,
    Broken(&'static str, ErrorClass),
    Mended,
    ConsoleApproves,
    /// Somebody decides about an instance in the console, where that can be done.
    Console(NotifyType, String),
}

/// A request on one instance or two, whatever they are doing, with or without an attempt.
fn request() -> impl Strategy<Value = (&'static str, String)> {
    let one = (1..6, proptest::option::of(1..3)).prop_map(|(n, attempt)| match attempt {
        None => format!("i-{n:04}"),
        Some(attempt) => format!("i-{n:04}/{attempt}"),
    });
    (
        select(vec!["retry", "skip", "cancel-instances"]),
        prop::collection::vec(one, 1..3),
        0..3,
    )
        .prop_map(|(verb, ones, nonce)| (verb, format!("{}@{nonce}", ones.join(","))))
}

fn happening() -> impl Strategy<Value = Happening> {
    let crash = select(vec![
        Crash::Finalizer,
        Crash::Annotation,
        Crash::Record,
        Crash::Status,
        Crash::Mutation,
    ]);
    let class = select(vec![
        ErrorClass::Retry,
        ErrorClass::Throttled,
        ErrorClass::Denied,
        ErrorClass::Invalid,
        ErrorClass::Conflict,
    ]);
    let fate = prop_oneof![
        Just(Fate::AnswerLost),
        Just(Fate::Lost),
        (0i64..60).prop_map(Fate::Late),
        class.clone().prop_map(Fate::Refused),
    ];
    let calls = vec![
        "Execution",
        "Children",
        "TaskExecutions",
        "TaggedExecutions",
        "ForeignExecutions",
        "ScalingGroup",
        "ScalingInstances",
        "NotifyExecution",
        "CancelExecution",
        "ResumeProcesses",
    ];
    prop_oneof![
        6 => Just(Happening::Pass),
        6 => (1i64..90).prop_map(Happening::Wait),
        4 => (0usize..4, crash).prop_map(|(n, c)| Happening::Crash(n, c)),
        4 => fate.prop_map(Happening::Fate),
        3 => select(vec!["1", "2", "3", "current@a", "current@b", "x"])
            .prop_map(|v| Happening::Annotate("continue", v.to_owned())),
        5 => request().prop_map(|(verb, value)| Happening::Annotate(verb, value)),
        2 => (select(vec![NotifyType::RetryTask, NotifyType::SkipTask, NotifyType::CancelTask]), 1..5)
            .prop_map(|(verb, n)| Happening::Console(verb, format!("i-{n:04}"))),
        1 => Just(Happening::Annotate("cancel", "n".into())),
        2 => proptest::option::of(0..5).prop_map(Happening::Approved),
        1 => Just(Happening::Cancel),
        1 => Just(Happening::Delete),
        2 => (select(calls), class).prop_map(|(c, e)| Happening::Broken(c, e)),
        3 => Just(Happening::Mended),
        1 => Just(Happening::ConsoleApproves),
    ]
}

impl World {
    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Pass => self.pass(),
            Happening::Crash(number, crash) => self.pass_with(Some((*number, *crash))),
            Happening::Wait(seconds) => self.cloud.advance(*seconds),
            Happening::Fate(fate) => self.cloud.fates.push(*fate),
            Happening::Annotate(key, value) => self.annotated(key, value),
            Happening::Approved(level) => self.edited(|t| t.spec.policy.approved_batches = *level),
            Happening::Cancel => {
                self.edited(|t| t.spec.policy.desired_state = DesiredState::Cancelled)
            }
            Happening::Delete if self.task.metadata.deletion_timestamp.is_none() => self.deleted(),
            Happening::Delete => {}
            Happening::Broken(call, class) => {
                self.cloud.broken.insert(call, *class);
            }
            Happening::Mended => self.cloud.broken.clear(),
            Happening::Console(verb, instance) => {
                self.cloud.decide_in_console(*verb, instance);
            }
            Happening::ConsoleApproves => {
                if self
                    .cloud
                    .runs
                    .first()
                    .is_some_and(|r| r.paused_after.is_some())
                {
                    self.cloud.approve_in_console();
                    self.by_console += 1;
                }
            }
        }
    }

    /// Which attempts the notifications that took effect since may have been meant for. Two things
    /// keep the operator from knowing the attempt that one meets, and no read helps: a list that is
    /// behind, or a call that takes effect late, misses what began since; and of an attempt that was
    /// retried within its nested execution before anybody looked, nothing is left to be seen there.
    fn note_meant(&mut self) {
        let cloud = &self.cloud;
        for number in self.meant.len()..cloud.notified.len() {
            let (_, instance, attempt) = &cloud.notified[number];
            let known = cloud.notified_sent[number] - cloud.lag;
            let all = cloud.begun.iter().filter(|b| b.instance == *instance);
            let visible = all.take(*attempt as usize).filter(|begun| {
                let after = begun.after.as_ref();
                after.is_none_or(|failure| self.failures.contains(failure))
            });
            let times: Vec<i64> = visible.map(|begun| begun.time).collect();
            let sure = times.iter().filter(|time| **time <= known).count();
            self.meant.push(sure as u32..=times.len() as u32);
        }
    }

    /// What may never be broken, whatever happened.
    fn sound(&mut self) -> Result<(), TestCaseError> {
        self.note_meant();
        prop_assert!(self.cloud.runs.len() <= 1, "started twice");
        let mut left = self.cloud.approved.clone();
        left.dedup();
        prop_assert_eq!(&left, &self.cloud.approved, "a pause was left twice");
        // Every pause that was left had been asked for: by level, by request, or in the console.
        let status = self.task.status.clone().unwrap_or_default();
        let level = status.latched.map_or(0, |l| l.approved_batches).max(1);
        let by_level = usize::try_from(level - 1).unwrap_or(0);
        prop_assert!(
            left.len() <= by_level + self.requests + self.by_console,
            "left {:?} with level {level}, {} requests, {} in the console",
            left,
            self.requests,
            self.by_console
        );
        // Every notification met the attempt that an accepted request named, and once for each.
        let mut named = self.named.clone();
        for (effect, meant) in self.cloud.notified.iter().zip(&self.meant) {
            let (verb, instance, attempt) = effect;
            let found = named.iter().position(|(v, i, a)| {
                v == verb && i == instance && (meant.contains(a) || *a == 0 && *meant.start() <= 1)
            });
            prop_assert!(
                found.is_some(),
                "{:?} was not asked for, or not so often: {:?}",
                effect,
                self.named
            );
            // Passing over an instance that has not begun is the same twice.
            if let Some(found) = found.filter(|_| *attempt > 0) {
                named.remove(found);
            }
        }
        Ok(())
    }
}

prop_compose! {
    fn oos()(
        child_waits in any::<bool>(), root_shows_running in any::<bool>(),
        every_failure in any::<bool>(), stand_still in any::<bool>(),
        by_task in any::<bool>(), by_item in any::<bool>(), by_child in any::<bool>(),
        skipped_as_success in any::<bool>(),
    ) -> Oos {
        Oos {
            child_waits, root_shows_running, every_failure, stand_still, by_task, by_item, by_child,
            skipped_as_success, child_shows_running: false, skip_inside: false,
        }
    }
}

proptest! {
    #![proptest_config(seeded::config(64))]

    #[test]
    fn no_schedule_runs_twice_or_leaves_a_pause_that_nobody_approved(
        happenings in prop::collection::vec(happening(), 1..50),
        lag in prop_oneof![3 => Just(0i64), 1 => 1i64..40],
        update_date_moves in any::<bool>(),
        pause_after_last in any::<bool>(),
        images in any::<bool>(),
        failing in prop::collection::btree_map(1usize..5, 1u32..3, 0..4),
        slow in proptest::option::of(1usize..5),
        oos in oos(),
        max_errors in prop_oneof![2 => Just(0), 1 => 1..3],
        older in any::<bool>(),
    ) {
        let spec = json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4});
        let mut world = if images {
            let mut spec = spec;
            spec["maxErrors"] = json!(max_errors);
            image(spec)
        } else {
            script(spec)
        };
        // Objects that an earlier version keeps writing to come to the same end.
        world.older = older;
        world.cloud.oos = oos;
        world.cloud.slow = slow.map(|n| (format!("i-{n:04}"), 100)).into_iter().collect();
        (world.cloud.lag, world.cloud.update_date_moves) = (lag, update_date_moves);
        world.cloud.pause_after_last = pause_after_last;
        world.cloud.failing = failing.iter().map(|(n, times)| (format!("i-{n:04}"), *times)).collect();
        for happening in &happenings {
            if world.gone {
                break;
            }
            world.happens(happening);
            world.sound()?;
        }
        // Whatever happened: it can be ended, the group is let go, and then there is rest.
        world.cloud.broken.clear();
        world.cloud.fates.clear();
        if !world.gone {
            world.edited(|t| t.spec.policy.desired_state = DesiredState::Cancelled);
            world.run_until(4000, "ended", World::at_rest);
            world.sound()?;
            world.pass();
            let writes = (world.task_writes, world.record_writes);
            world.run_for(300);
            prop_assert_eq!((world.task_writes, world.record_writes), writes, "written at rest");
            let open = world.status().actions.iter().find(|a| a.state == ActionState::Accepted);
            // Deleted with its object.
            prop_assert!(open.is_none() || world.gone, "never settled: {:?}", open);
        }
        prop_assert!(!world.holds());
        let ended = world.cloud.executions.iter().all(|e| e.status.is_final());
        prop_assert!(ended || world.gone, "something still runs");
        let restored = world.task.status.as_ref().and_then(|s| s.restore.as_ref());
        if ended && restored.is_some_and(|r| r.done) && !world.abandoned() {
            prop_assert!(world.cloud.suspended().is_empty(), "processes are left suspended");
        }
    }
}

impl World {
    fn abandoned(&self) -> bool {
        let result = self.task.status.as_ref().and_then(|s| s.result.as_ref());
        result.is_some_and(|r| r.reason == "Abandoned")
    }
}

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "[a-z{}\"é ]{0,12}",
        Just("x".repeat(3000)),
        Just("i-0001".to_owned()),
    ]
}

fn status() -> impl Strategy<Value = ExecutionStatus> {
    prop_oneof![
        select(vec![
            ExecutionStatus::Started,
            ExecutionStatus::Running,
            ExecutionStatus::Waiting,
            ExecutionStatus::Success,
            ExecutionStatus::Failed,
            ExecutionStatus::Cancelled,
            ExecutionStatus::Skipped,
        ]),
        word().prop_map(ExecutionStatus::from),
    ]
}

prop_compose! {
    fn child()(
        status in status(), id in word(), instance in word(), message in word(), start in any::<bool>(),
    ) -> ess_rollout_cloud::Execution {
        let at = cloud::Cloud::with_instances(0).time();
        let mut child = execution(&id, Some("exec-1"), "ACS::ESS::Nested", at);
        child.start = start.then_some(at);
        child.status = status;
        child.status_message.clone_from(&message);
        child.waiting_status = message;
        child.parameters.insert("instanceId".into(), json!(instance));
        child
    }
}

prop_compose! {
    fn item()(
        status in status(), id in word(), child in proptest::option::of(word()), message in word(),
        batch in proptest::option::of(prop_oneof![-5i64..200, Just(i64::MAX), Just(i64::MIN)]),
        loop_item in proptest::option::of(word()),
    ) -> TaskExecution {
        TaskExecution {
            id, name: message.clone(), action: String::new(), parent: None, child_execution: child,
            status, status_message: message, start: None, end: None, loop_batch: batch,
            loop_item, outputs: Map::new(),
        }
    }
}

proptest! {
    #![proptest_config(seeded::config(64))]

    /// Whatever the cloud says of a run, the core has an answer that the apiserver takes.
    #[test]
    fn no_answer_of_the_cloud_makes_it_panic_or_ask_for_ever(
        root_status in status(),
        root_message in word(),
        children in prop::collection::vec(child(), 0..6),
        items in prop::collection::vec(item(), 0..6),
        broken in prop::collection::vec(select(vec!["Children", "TaskExecutions", "Execution"]), 0..2),
        policy in select(vec!["Automatic", "SuspendFirstBatch", "SuspendEachBatch"]),
        approved in 0..9,
    ) {
        let mut world = script(json!({"suspensionPolicy": policy, "approvedBatches": approved}));
        world.run_to_state("Running");
        world.cloud.advance(1);
        world.cloud.runs.clear();
        let root = world.cloud.root();
        root.status = root_status;
        root.status_message.clone_from(&root_message);
        root.waiting_status.clone_from(&root_message);
        root.template_version = root_message;
        world.cloud.executions.truncate(1);
        world.cloud.executions.extend(children);
        world.cloud.tasks = BTreeMap::from([("exec-1".to_owned(), items)]);
        for call in broken {
            world.cloud.broken.insert(call, ErrorClass::Retry);
        }
        world.run_for(60);
    }

    /// Every query of every stage may be answered by an error of every class.
    #[test]
    fn every_read_may_fail_in_every_way(class in select(vec![
        ErrorClass::Retry, ErrorClass::Throttled, ErrorClass::Unauthenticated, ErrorClass::Denied,
        ErrorClass::Invalid, ErrorClass::NotFound, ErrorClass::Conflict, ErrorClass::TokenMismatch,
    ]), failing in 0usize..12, seconds in 0i64..120) {
        let mut world = image(json!({}));
        world.run_for(seconds);
        let mut observation = Observation::default();
        let mut asked = 0;
        for _ in 0..9 {
            match world.step(&world.task, &mut observation, None, None) {
                Step::Decided(_) => return Ok(()),
                Step::Read(asks) => for ask in asks {
                    let reply = if asked == failing {
                        Reply::Cloud(Err(error("any", class, Outcome::NoEffect)))
                    } else {
                        world.reply(&ask)
                    };
                    asked += 1;
                    observation.insert(ask, reply);
                },
            }
        }
        prop_assert!(false, "asks for ever");
    }
}
