//! What holds for every course of things: answers lost and late, crashes, requests, edits, deletions.
//!
//! [`World`] itself holds each decision to the rest: reads end, work has its intent in the status that goes
//! with it and the group in hand, statuses fit the schema, a second look at the same things finds no news.
//! Which cases are run, and how to run others: see [`seeded`].

use ess_rollout_api::v1alpha1::{ActionState, ConcurrencyPolicy};
use ess_rollout_cloud::{ErrorClass, ImageStatus};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::cloud::{Fate, OLD_IMAGE, image};
use crate::seeded;
use crate::world::{Crash, World, building};

/// One thing that happens to a task.
#[derive(Debug, Clone)]
enum Happening {
    Pass,
    Crash(usize, Crash),
    /// A leader decides, sleeps for so long while another leads, and goes on.
    SecondLeader(i64),
    Wait(i64),
    Fate(Fate),
    Annotate(&'static str, &'static str),
    Given(bool),
    Configurations(bool),
    Cron(&'static str),
    Suspend(bool),
    Replace(bool),
    Delete,
    Broken(&'static str, ErrorClass),
    Mended,
    ImagesFail(bool),
    SourceGone,
    HeldBy(Option<&'static str>),
    RecordGone,
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
        ErrorClass::NotFound,
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
        "ScalingGroup",
        "ScalingConfiguration",
        "EcsInstances",
        "Image",
        "StartExecution",
        "CancelExecution",
        "ModifyScalingConfiguration",
    ];
    let requests = vec![
        ("run-now", "1"),
        ("run-now", "2"),
        ("run-now", "a b"),
        ("cancel", "1"),
        ("cancel", "2"),
        ("skip", "i-1@1"),
    ];
    prop_oneof![
        6 => Just(Happening::Pass),
        6 => (1i64..400).prop_map(Happening::Wait),
        5 => (0usize..5, crash).prop_map(|(n, c)| Happening::Crash(n, c)),
        3 => (0i64..15).prop_map(Happening::SecondLeader),
        5 => fate.prop_map(Happening::Fate),
        3 => select(requests).prop_map(|(key, value)| Happening::Annotate(key, value)),
        1 => any::<bool>().prop_map(Happening::Given),
        1 => any::<bool>().prop_map(Happening::Configurations),
        1 => select(vec!["", "*/5 * * * *", "0 25 * * *"]).prop_map(Happening::Cron),
        1 => any::<bool>().prop_map(Happening::Suspend),
        1 => any::<bool>().prop_map(Happening::Replace),
        1 => Just(Happening::Delete),
        2 => (select(calls), class).prop_map(|(call, class)| Happening::Broken(call, class)),
        3 => Just(Happening::Mended),
        1 => any::<bool>().prop_map(Happening::ImagesFail),
        1 => Just(Happening::SourceGone),
        1 => prop_oneof![Just(None), Just(Some("web"))].prop_map(Happening::HeldBy),
        1 => Just(Happening::RecordGone),
    ]
}

impl World {
    fn happens(&mut self, happening: &Happening) {
        match happening {
            Happening::Pass => self.pass(),
            Happening::Crash(number, crash) => self.pass_with(Some((*number, *crash))),
            Happening::SecondLeader(seconds) => {
                let (decision, versions) = self.held_up();
                self.pass();
                self.cloud.advance(*seconds);
                if !self.gone {
                    let _ = self.carry_out(decision, versions, None);
                }
            }
            Happening::Wait(seconds) => self.cloud.advance(*seconds),
            Happening::Fate(fate) => self.cloud.fates.push(*fate),
            Happening::Annotate(key, value) => self.annotated(key, value),
            Happening::Given(given) => {
                self.edited(|t| t.spec.image_id = given.then(|| "m-given".to_owned()));
            }
            Happening::Configurations(both) => self.edited(|t| {
                let all = vec!["asc-1".to_owned(), "asc-2".to_owned()];
                t.spec.scaling_configuration_ids = if *both { all } else { Vec::new() };
            }),
            Happening::Cron(cron) => self.edited(|t| {
                let schedule = serde_json::from_value(json!({"cron": cron})).unwrap();
                t.spec.schedule = (!cron.is_empty()).then_some(schedule);
            }),
            Happening::Suspend(suspend) => self.edited(|t| t.spec.suspend = *suspend),
            Happening::Replace(replace) => self.edited(|t| {
                t.spec.concurrency_policy = match replace {
                    true => ConcurrencyPolicy::Replace,
                    false => ConcurrencyPolicy::Forbid,
                };
            }),
            Happening::Delete if self.task.metadata.deletion_timestamp.is_none() => self.deleted(),
            Happening::Delete => {}
            Happening::Broken(call, class) => {
                self.cloud.broken.insert(call, *class);
            }
            Happening::Mended => self.cloud.broken.clear(),
            Happening::ImagesFail(fail) => self.cloud.images_fail = *fail,
            Happening::SourceGone => self.cloud.instance = None,
            Happening::HeldBy(name) => {
                if self.holder().as_deref() != Some("nightly") {
                    self.held_by(*name);
                }
            }
            Happening::RecordGone => {
                if self.holder().as_deref() != Some("web") {
                    self.record = None;
                    self.record_writes += 1;
                }
            }
        }
    }

    /// What may never be broken, whatever happened.
    fn sound(&self) -> Result<(), TestCaseError> {
        let roots = self.cloud.executions.iter().filter(|e| e.parent.is_none());
        let under_way = roots.clone().filter(|e| !e.status.is_final()).count();
        prop_assert!(under_way <= 1, "{under_way} executions at once");
        let mut runs: Vec<&String> = roots.map(|e| &e.tags["ess-rollout/run"]).collect();
        let count = runs.len();
        runs.sort();
        runs.dedup();
        prop_assert_eq!(runs.len(), count, "two executions of one run");
        if self
            .task
            .status
            .as_ref()
            .is_some_and(|s| s.active.is_none())
        {
            prop_assert!(under_way == 0, "an execution that is on nobody's record");
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(seeded::config(128))]

    #[test]
    fn no_course_of_things_runs_two_at_once_or_one_twice_and_each_comes_to_rest(
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = building(json!({}));
        for id in ["m-given", OLD_IMAGE] {
            world.cloud.images.insert(id.into(), image(id, ImageStatus::Available));
        }
        for happening in &happenings {
            if world.gone {
                break;
            }
            world.happens(happening);
            world.sound()?;
        }
        // Whatever happened: when all is mended it comes to rest, and what was asked for has its answer.
        world.cloud.broken.clear();
        world.cloud.fates.clear();
        if !world.gone {
            if world.holder().as_deref() == Some("web") {
                world.held_by(None);
            }
            world.edited(|t| t.spec.schedule = None);
            world.cloud.instance = crate::cloud::Cloud::at(0).instance;
            let rests = |w: &World| {
                let free = w.holder().as_deref() != Some("nightly");
                w.gone || w.status().active.is_none() && free
                    && !["Pending", "Waiting", "Blocked"].contains(&w.state())
            };
            world.run_until(20_000, "at rest", rests);
            world.sound()?;
            world.pass();
            let writes = (world.task_writes, world.record_writes);
            let later = world.cloud.now + 7200;
            world.run_until(20_000, "two hours", |w| w.cloud.now >= later);
            prop_assert_eq!((world.task_writes, world.record_writes), writes, "written at rest");
            let open = world.status().actions.iter().find(|a| a.state == ActionState::Accepted);
            prop_assert!(open.is_none(), "never settled: {:?}", open);
        }
        prop_assert!(world.holder().is_none_or(|holder| holder != "nightly"), "keeps the group");
        let ended = world.cloud.executions.iter().all(|e| e.status.is_final());
        prop_assert!(ended, "something still runs");
    }
}
