//! The order of effects, and what is handed from one decision to the next.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use ess_rollout_api::v1alpha1::{Holder, RollingUpdateTask, ScalingGroupRecordStatus};
use ess_rollout_cloud::ErrorClass as CloudClass;
use ess_rollout_core::rollout::{Decision, Next, Step};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{decided, everything_once, group, record_status};
use crate::{
    kubernetes::{ErrorClass, Schemas},
    reconcile::fake::{
        Bench, FakeEvents, FakeKubernetes, event, failure, idle, status, task, work,
    },
};

#[test]
fn effects_come_in_the_order_of_the_decision() {
    let bench = Bench::new(everything_once());
    assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
    assert_eq!(
        bench.journal(),
        [
            "set finalizer",
            "set annotation",
            "create record",
            "write record",
            "write status",
            "mutate",
            "event Started"
        ]
    );
}

#[test]
fn nothing_is_done_after_a_conflict_and_the_pass_starts_over_with_fresh_reads() {
    for write in [
        "set finalizer",
        "set annotation",
        "create record",
        "write record",
        "write status",
    ] {
        let bench = Bench::new(everything_once());
        bench.kubernetes.fail(write, ErrorClass::Conflict);
        assert!(bench.pass().outcome.is_ok(), "{write}");
        let journal = bench.journal();
        let refused = format!("{write} refused");
        let at = journal.iter().position(|e| *e == refused).unwrap();
        assert_eq!(journal[at + 1], "set finalizer", "{write}: {journal:?}");
        let mutations = journal.iter().filter(|e| *e == "mutate").count();
        assert_eq!(mutations, 1, "{write}: {journal:?}");
        assert_eq!(journal.last().unwrap(), "event Started");
    }
}

#[test]
fn a_stale_task_is_refused_by_the_version_that_was_read() {
    let seen = Arc::new(AtomicUsize::new(0));
    let bench = Arc::new(Mutex::new(None::<Arc<FakeKubernetes>>));
    let (steps, editor) = (seen.clone(), bench.clone());
    let run = Bench::new(Box::new(move |input| {
        // Somebody edits the task between the read and the write of the first decision.
        if steps.fetch_add(1, Ordering::SeqCst) == 0 {
            editor.lock().unwrap().as_ref().unwrap().touch();
        }
        everything_once()(input)
    }));
    *bench.lock().unwrap() = Some(run.kubernetes.clone());
    assert!(run.pass().outcome.is_ok());
    assert_eq!(run.journal()[0], "set finalizer refused");
    assert_eq!(run.journal().iter().filter(|e| *e == "mutate").count(), 1);
}

#[test]
fn no_mutation_is_sent_when_a_write_before_it_failed() {
    for write in [
        "set finalizer",
        "set annotation",
        "create record",
        "write record",
        "write status",
    ] {
        let bench = Bench::new(everything_once());
        bench.kubernetes.fail(write, ErrorClass::Unavailable);
        let error = bench.pass().outcome.unwrap_err();
        assert_eq!(error.class(), ErrorClass::Unavailable);
        assert!(
            !bench
                .journal()
                .iter()
                .any(|e| e == "mutate" || e.starts_with("event"))
        );
    }
}

#[test]
fn the_outcome_is_handed_to_the_next_decision_and_to_no_other() {
    let outcomes = Arc::new(Mutex::new(Vec::new()));
    let seen = outcomes.clone();
    let bench = Bench::with(
        task("ns", "a"),
        Box::new(move |input| {
            seen.lock().unwrap().push(input.outcome.cloned());
            let state = input.subject.status.and_then(|s| s.state.as_deref());
            decided(match state {
                None => Decision {
                    work: Some(work()),
                    status: status("Sent"),
                    ..idle(input.subject)
                },
                Some("Sent") => Decision {
                    status: status("Known"),
                    next: Next::Now,
                    ..idle(input.subject)
                },
                Some(_) => idle(input.subject),
            })
        }),
        |cloud| {
            let lost = Err(failure(CloudClass::Retry));
            cloud.results.lock().unwrap().push_back(lost);
        },
    );
    assert!(bench.pass().outcome.is_ok());
    let outcomes = outcomes.lock().unwrap();
    assert_eq!(outcomes.len(), 3);
    assert!(outcomes[0].is_none() && outcomes[2].is_none());
    let outcome = outcomes[1].as_ref().unwrap();
    assert_eq!(outcome.mutation, work().mutation);
    assert_eq!(outcome.result, Err(failure(CloudClass::Retry)));
}

#[test]
fn a_conflict_does_not_lose_the_outcome() {
    let with_outcome = Arc::new(AtomicUsize::new(0));
    let count = with_outcome.clone();
    let bench = Bench::new(Box::new(move |input| {
        let state = input.subject.status.and_then(|s| s.state.as_deref());
        decided(match (state, input.outcome) {
            (None, _) => Decision {
                work: Some(work()),
                status: status("Sent"),
                ..idle(input.subject)
            },
            (Some("Sent"), Some(_)) => {
                count.fetch_add(1, Ordering::SeqCst);
                Decision {
                    status: status("Known"),
                    ..idle(input.subject)
                }
            }
            (Some(_), _) => idle(input.subject),
        })
    }));
    bench
        .kubernetes
        .fail_after(1, "write status", ErrorClass::Conflict);
    assert!(bench.pass().outcome.is_ok());
    assert_eq!(with_outcome.load(Ordering::SeqCst), 2);
    let state = bench.kubernetes.task().unwrap().status.unwrap().state;
    assert_eq!(state.as_deref(), Some("Known"));
}

#[test]
fn the_observation_is_fresh_after_every_write_and_mutation() {
    let sent = Arc::new(AtomicUsize::new(0));
    let bench = Bench::new(Box::new(move |input| {
        if !input.observation.holds(&group()) {
            return Step::Read(vec![group()]);
        }
        match sent.fetch_add(1, Ordering::SeqCst) {
            0 => decided(Decision {
                status: status("A"),
                next: Next::Now,
                ..idle(input.subject)
            }),
            1 => decided(Decision {
                work: Some(work()),
                status: status("B"),
                ..idle(input.subject)
            }),
            _ => decided(idle(input.subject)),
        }
    }));
    assert!(bench.pass().outcome.is_ok());
    let asked = bench
        .journal()
        .iter()
        .filter(|e| e.starts_with("ask"))
        .count();
    assert_eq!(asked, 3);
}

/// A call with two Events, its outcome put on record, the group let go.
fn three_decisions() -> Bench {
    let mut bench = Bench::new(Box::new(|input| {
        let state = input.subject.status.and_then(|s| s.state.as_deref());
        let holder = Holder {
            kind: "RollingUpdateTask".to_owned(),
            namespace: "ns".to_owned(),
            name: "a".to_owned(),
            uid: String::new(),
            since: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            taken_over_from: None,
        };
        decided(match state {
            None => Decision {
                record: Some(ScalingGroupRecordStatus {
                    holder: Some(holder),
                    ..record_status()
                }),
                status: status("Sent"),
                work: Some(work()),
                events: vec![event(), event()],
                ..idle(input.subject)
            },
            Some("Sent") => Decision {
                status: status("Known"),
                next: Next::Now,
                ..idle(input.subject)
            },
            Some("Known") => Decision {
                record: Some(record_status()),
                status: status("Done"),
                ..idle(input.subject)
            },
            Some(_) => idle(input.subject),
        })
    }));
    bench.context.events = Arc::new(FakeEvents {
        journal: bench.journal.clone(),
        turns: 5,
    });
    bench
}

#[test]
fn slow_events_delay_neither_each_other_nor_the_outcome_but_come_before_the_group_is_free() {
    let bench = three_decisions();
    assert!(bench.pass().outcome.is_ok());
    assert_eq!(
        bench.journal(),
        [
            "create record",
            "write record",
            "write status",
            "mutate",
            "write status",
            "event Started",
            "event Started",
            "write record",
            "write status",
        ]
    );
}

#[test]
fn events_are_published_before_a_pass_ends_that_fails() {
    let bench = three_decisions();
    bench
        .kubernetes
        .fail_after(1, "write status", ErrorClass::Unavailable);
    assert!(bench.pass().outcome.is_err());
    let journal = bench.journal();
    let last = journal.len() - 2;
    assert_eq!(journal[last..], ["event Started"; 2], "{journal:?}");
}

fn leaving() -> RollingUpdateTask {
    let mut task = task("ns", "a");
    task.metadata.deletion_timestamp = Some(Time("2026-01-01T00:00:00Z".parse().unwrap()));
    task.metadata.finalizers = Some(vec![ess_rollout_api::FINALIZER.to_owned()]);
    task
}

#[test]
fn a_task_that_is_let_go_ends_the_pass_whatever_the_crds_lack() {
    let mut bench = Bench::with(
        leaving(),
        Box::new(|input| {
            decided(Decision {
                finalizer: Some(false),
                status: status("Released"),
                events: vec![event()],
                ..idle(input.subject)
            })
        }),
        |_| {},
    );
    // No status of it is written any more.
    let lacks = Schemas::without("RollingUpdateTask", "status.state");
    bench.context.schemas = Arc::new(lacks);
    assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
    assert_eq!(bench.journal(), ["set finalizer", "event Started"]);
    assert!(bench.kubernetes.task().is_none());
}

#[test]
fn nothing_is_sent_for_a_task_that_is_let_go() {
    let bench = Bench::with(
        leaving(),
        Box::new(|input| {
            decided(Decision {
                finalizer: Some(false),
                work: Some(work()),
                ..idle(input.subject)
            })
        }),
        |_| {},
    );
    let error = bench.pass().outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Invalid);
    assert_eq!(bench.journal(), ["set finalizer"]);
}

/// A forced deletion, and the right to write records was taken away, or their CRD is older.
#[test]
fn a_record_that_cannot_be_written_does_not_keep_an_object_that_may_not_wait() {
    let older_crd = || Schemas::without("ScalingGroupRecord", "status.baseline");
    let cases = [
        (
            true,
            Schemas::default(),
            Some(ErrorClass::Refused),
            "cannot create record",
        ),
        (
            false,
            Schemas::default(),
            Some(ErrorClass::Refused),
            "cannot create record",
        ),
        (true, older_crd(), None, "do not have status.baseline"),
        (false, older_crd(), None, "do not have status.baseline"),
        (
            false,
            Schemas::default(),
            Some(ErrorClass::Outdated),
            "cannot create record",
        ),
    ];
    for (waits, schemas, fails, reason) in cases {
        let mut bench = Bench::with(
            leaving(),
            Box::new(move |input| {
                decided(match input.record_lost {
                    None => Decision {
                        record: Some(record_status()),
                        lets_go_anyway: !waits,
                        status: status("Done"),
                        next: Next::Now,
                        ..idle(input.subject)
                    },
                    Some(why) => {
                        assert!(why.contains(reason), "{why}");
                        Decision {
                            finalizer: Some(false),
                            status: status("Done"),
                            ..idle(input.subject)
                        }
                    }
                })
            }),
            |_| {},
        );
        bench.context.schemas = Arc::new(schemas);
        if let Some(class) = fails {
            bench.kubernetes.always_fail("create record", class);
        }
        assert_eq!(bench.pass().outcome.is_err(), waits);
        assert_eq!(bench.kubernetes.task().is_some(), waits);
        // What passes by itself, or with a right that is given, is not told of.
        let told = bench
            .journal()
            .iter()
            .any(|line| line.starts_with("stalled"));
        assert_eq!(told, waits && fails.is_none());
    }
}
