//! What stops a pass, and what it does not do.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use ess_rollout_api::v1alpha1::ScalingGroupRecord;
use ess_rollout_cloud::{ErrorClass as CloudClass, Turn};
use ess_rollout_core::rollout::{Decision, Input, Next, Step};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use super::{decided, everything_once, group};
use crate::{
    kubernetes::{ErrorClass, ObjectKey},
    reconcile::{
        Error, Pass,
        fake::{
            Bench, FakeClock, FakeCloud, FakeKubernetes, RECORD, failure, idle, status, task, work,
        },
        observe, reconcile, reconcile_until,
    },
    runtime::{clock::SystemClock, shutdown},
};

fn record(version: &str) -> ScalingGroupRecord {
    let record = json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ScalingGroupRecord",
        "metadata": {"name": RECORD, "resourceVersion": version},
        "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"}
    });
    serde_json::from_value(record).unwrap()
}

/// Reads that wait for their turn may take long, and meanwhile the group may have been taken over.
#[test]
fn what_was_read_while_the_record_changed_is_read_again() {
    for (fresh, rounds) in [(Duration::ZERO, 2), (Duration::from_secs(60), 1)] {
        let kubernetes = Arc::new(OnceLock::<Arc<FakeKubernetes>>::new());
        let (somebody, asked) = (kubernetes.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = asked.clone();
        let mut bench = Bench::new(Box::new(move |input| {
            if input.observation.holds(&group()) {
                return decided(idle(input.subject));
            }
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                somebody.get().unwrap().put_record(record("8"));
            }
            Step::Read(vec![group()])
        }));
        bench.kubernetes.put_record(record("7"));
        assert!(kubernetes.set(bench.kubernetes.clone()).is_ok());
        bench.context.limits.fresh = fresh;
        assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
        assert_eq!(asked.load(Ordering::SeqCst), rounds, "{fresh:?}");
    }
}

/// Its version is what tells, and a call that nothing is written before has none.
#[test]
fn a_call_is_not_sent_for_an_object_that_changed_while_the_cloud_was_read() {
    for (fresh, journal) in [
        (Duration::ZERO, &[][..]),
        (Duration::from_secs(60), &["mutate"][..]),
    ] {
        let kubernetes = Arc::new(OnceLock::<Arc<FakeKubernetes>>::new());
        let (somebody, asked) = (kubernetes.clone(), AtomicUsize::new(0));
        let mut bench = Bench::new(Box::new(move |input| {
            let first = asked.fetch_add(1, Ordering::SeqCst) == 0;
            if first {
                somebody.get().unwrap().touch();
            }
            decided(Decision {
                work: first.then(work),
                ..idle(input.subject)
            })
        }));
        assert!(kubernetes.set(bench.kubernetes.clone()).is_ok());
        bench.context.limits.fresh = fresh;
        assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
        assert_eq!(bench.journal(), journal, "{fresh:?}");
    }
}

/// Nobody else's write is overlooked for that: it is met by the version of the next one.
#[test]
fn a_decision_right_after_another_reads_neither_the_object_nor_the_record_again() {
    for (fresh, reads) in [(Duration::ZERO, 4), (Duration::from_secs(60), 2)] {
        let steps = AtomicUsize::new(0);
        let mut bench = Bench::new(Box::new(move |input| {
            let first = steps.fetch_add(1, Ordering::SeqCst) == 0;
            decided(Decision {
                status: status("Sent"),
                next: if first { Next::Now } else { Next::OnChange },
                ..idle(input.subject)
            })
        }));
        bench.context.limits.fresh = fresh;
        assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
        assert_eq!(bench.kubernetes.reads().len(), reads, "{fresh:?}");
    }
}

/// What is shown is from before that, and looks fresh otherwise.
#[tokio::test(start_paused = true)]
async fn an_object_that_waits_for_its_look_says_so_and_goes_on_to_wait() {
    let steps = AtomicUsize::new(0);
    let mut bench = Bench::with(
        task("ns", "a"),
        Box::new(move |input| {
            if !input.observation.holds(&group()) {
                return Step::Read(vec![group()]);
            }
            decided(Decision {
                status: status(["Late", "Seen"][steps.fetch_add(1, Ordering::SeqCst)]),
                ..idle(input.subject)
            })
        }),
        |cloud| cloud.answers_after = Duration::from_secs(90),
    );
    bench.context.clock = Arc::new(SystemClock);
    let began = tokio::time::Instant::now();
    let pass = reconcile(&bench.context, &ObjectKey::task("ns", "a"), Turn::default()).await;
    assert!(matches!(pass.outcome, Ok(Next::OnChange)));
    let journal = bench.journal();
    assert_eq!(
        journal[1..],
        ["write status", "write status"],
        "{journal:?}"
    );
    assert_eq!(began.elapsed(), Duration::from_secs(90));
    let state = bench.kubernetes.task().unwrap().status.unwrap().state;
    assert_eq!(state.as_deref(), Some("Seen"));
}

#[test]
fn a_conflict_that_does_not_pass_is_an_error() {
    let bench = Bench::new(everything_once());
    bench
        .kubernetes
        .always_fail("set finalizer", ErrorClass::Conflict);
    let error = bench.pass().outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Conflict);
    assert_eq!(bench.journal(), ["set finalizer refused"; 6]);
}

#[test]
fn a_record_without_a_namespace_is_an_error_and_not_a_race() {
    let bench = Bench::new(everything_once());
    bench.kubernetes.fail("create record", ErrorClass::Gone);
    let error = bench.pass().outcome.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Gone);
    assert_eq!(bench.journal().last().unwrap(), "create record refused");
}

#[test]
fn a_core_that_never_decides_is_stopped() {
    let bench = Bench::new(Box::new(|_| Step::Read(vec![group()])));
    let error = bench.pass().outcome.unwrap_err();
    assert!(matches!(
        error,
        Error::Observe(observe::Error::Rounds(8, _))
    ));
    assert_eq!(bench.journal().len(), 9);
}

#[test]
fn a_core_that_decides_without_end_gives_others_their_turn() {
    let bench = Bench::new(Box::new(|input| {
        decided(Decision {
            next: Next::Now,
            ..idle(input.subject)
        })
    }));
    assert!(matches!(bench.pass().outcome, Ok(Next::Now)));
    assert!(bench.journal().is_empty());
}

#[test]
fn an_unchanged_status_is_not_written_even_if_its_times_have_fractions() {
    let bench = Bench::new(Box::new(|input| {
        let mut status = status("Running");
        status.progress_time = Some(Time("2026-01-01T00:00:00.75Z".parse().unwrap()));
        decided(Decision {
            status,
            ..idle(input.subject)
        })
    }));
    for _ in 0..3 {
        assert!(bench.pass().outcome.is_ok());
    }
    assert_eq!(bench.journal(), ["write status"]);
}

#[test]
fn a_pass_names_every_version_that_it_read_or_wrote() {
    let bench = Bench::new(everything_once());
    let versions = bench.pass().versions;
    let last = bench.kubernetes.task().unwrap().metadata.resource_version;
    for version in ["1".to_owned(), last.unwrap()] {
        assert!(versions.contains(&version), "{version} of {versions:?}");
    }
}

#[test]
fn missing_credentials_are_the_answer_to_what_was_asked() {
    let answers = Arc::new(AtomicUsize::new(0));
    let held = answers.clone();
    let bench = Bench::with(
        task("ns", "a"),
        Box::new(move |input| {
            if !input.observation.holds(&group()) {
                return Step::Read(vec![group()]);
            }
            held.fetch_add(1, Ordering::SeqCst);
            decided(idle(input.subject))
        }),
        |cloud| cloud.closed = Some(failure(CloudClass::Unauthenticated)),
    );
    assert!(bench.pass().outcome.is_ok());
    assert_eq!(answers.load(Ordering::SeqCst), 1);
    assert!(bench.journal().is_empty(), "nobody was called");
}

#[test]
fn a_cloud_that_hangs_is_answered_as_a_timeout() {
    let bench = Bench::with(
        task("ns", "a"),
        Box::new(|input| match input.observation.holds(&group()) {
            false => Step::Read(vec![group()]),
            true => decided(idle(input.subject)),
        }),
        |cloud| cloud.hangs = true,
    );
    assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
}

#[test]
fn a_decision_that_got_old_while_it_was_written_is_not_acted_on() {
    let clock = Arc::new(Mutex::new(None::<FakeClock>));
    let (late, steps) = (clock.clone(), AtomicUsize::new(0));
    let bench = Bench::new(Box::new(move |input: Input<'_>| {
        let step = steps.fetch_add(1, Ordering::SeqCst);
        if step == 0 {
            // As if the writes took that long.
            let clock = late.lock().unwrap();
            clock.as_ref().unwrap().advance(Duration::from_secs(60));
        }
        decided(match step {
            0 => Decision {
                work: Some(work()),
                status: status("Sent"),
                ..idle(input.subject)
            },
            _ => idle(input.subject),
        })
    }));
    *clock.lock().unwrap() = Some(bench.clock.clone());
    assert!(bench.pass().outcome.is_ok());
    assert_eq!(bench.journal(), ["write status"]);
}

/// The pass of a step that is told to stop while it decides the first time.
fn stopped_at_first(
    step: impl Fn(Input<'_>, usize) -> Step + Send + Sync + 'static,
    change: impl FnOnce(&mut FakeCloud),
) -> (Bench, Pass) {
    let (stop, shutdown) = shutdown::channel();
    let asked = AtomicUsize::new(0);
    let bench = Bench::with(
        task("ns", "a"),
        Box::new(move |input| {
            stop.stop();
            step(input, asked.fetch_add(1, Ordering::SeqCst))
        }),
        change,
    );
    let key = ObjectKey::task("ns", "a");
    let pass = reconcile_until(&bench.context, &key, Turn::default(), shutdown);
    let pass = futures::executor::block_on(pass);
    (bench, pass)
}

#[test]
fn after_the_word_to_stop_an_outcome_is_put_on_record_and_nothing_else_begins() {
    let (bench, pass) = stopped_at_first(
        |input, asked| {
            decided(Decision {
                status: status(["Sent", "Known", "Again"][asked]),
                work: (asked == 0).then(work),
                next: Next::Now,
                ..idle(input.subject)
            })
        },
        |_| {},
    );
    assert!(matches!(pass.outcome, Ok(Next::Now)));
    assert_eq!(bench.journal(), ["write status", "mutate", "write status"]);
}

#[test]
fn after_the_word_to_stop_reads_for_a_decision_are_cut_off() {
    let (bench, pass) = stopped_at_first(
        |_, asked| {
            assert_eq!(asked, 0, "it was told to stop");
            Step::Read(vec![group()])
        },
        |cloud| cloud.hangs = true,
    );
    assert!(matches!(pass.outcome, Ok(Next::Now)));
    assert_eq!(bench.journal().len(), 1, "{:?}", bench.journal());
}
