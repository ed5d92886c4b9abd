//! Decisions with more than one call.

#![allow(
    clippy::result_large_err,
    reason = "the errors are the cloud's, as the port has them"
)]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ess_rollout_cloud::{CloudError, Done, ErrorClass as CloudClass, Outcome};
use ess_rollout_core::rollout::{Decision, WorkOutcome};

use super::decided;
use crate::reconcile::fake::{Bench, failure, idle, status, task, work};

/// A decision with four calls, answered so; each takes so long. Gives what the next decision is told,
/// and what happened.
fn four_calls(
    answers: Vec<Result<Done, CloudError>>,
    each: Duration,
) -> (WorkOutcome, Vec<String>) {
    let told = Arc::new(Mutex::new(None));
    let seen = told.clone();
    let mut bench = Bench::with(
        task("ns", "a"),
        Box::new(move |input| {
            let state = input.subject.status.and_then(|s| s.state.as_deref());
            if let Some(outcome) = input.outcome {
                *seen.lock().unwrap() = Some(outcome.clone());
            }
            decided(match state {
                None => Decision {
                    status: status("Sent"),
                    work: Some(work()),
                    also: vec![work().mutation; 3],
                    ..idle(input.subject)
                },
                Some(_) => idle(input.subject),
            })
        }),
        |cloud| {
            cloud.results.lock().unwrap().extend(answers);
            cloud.takes = each;
        },
    );
    bench.context.limits.decision_age = Duration::from_secs(15);
    assert!(bench.pass().outcome.is_ok());
    let told = told.lock().unwrap().clone().unwrap();
    (told, bench.journal())
}

fn accepted() -> Result<Done, CloudError> {
    Ok(Done::Accepted {
        request_id: "R-1".to_owned(),
    })
}

fn refused(class: CloudClass) -> Result<Done, CloudError> {
    Err(CloudError {
        outcome: Outcome::NoEffect,
        ..failure(class)
    })
}

/// Which of the others were sent.
fn sent(outcome: &WorkOutcome) -> Vec<bool> {
    let also = outcome.also.iter();
    also.map(|call| call.result.is_some()).collect()
}

#[test]
fn all_of_them_follow_one_write_and_their_answers_come_together() {
    let answers = vec![accepted(), refused(CloudClass::Conflict), accepted()];
    let (outcome, journal) = four_calls(answers, Duration::ZERO);
    assert_eq!(
        journal,
        ["write status", "mutate", "mutate", "mutate", "mutate"]
    );
    assert_eq!(sent(&outcome), [true; 3]);
    assert_eq!(outcome.also[0].result, Some(refused(CloudClass::Conflict)));
}

#[test]
fn none_is_sent_after_one_that_the_service_did_not_judge() {
    for class in [
        CloudClass::Retry,
        CloudClass::Throttled,
        CloudClass::Denied,
        CloudClass::Unauthenticated,
    ] {
        let answers = vec![accepted(), refused(class)];
        let (outcome, journal) = four_calls(answers, Duration::ZERO);
        assert_eq!(journal.iter().filter(|e| *e == "mutate").count(), 2);
        assert_eq!(sent(&outcome), [true, false, false], "{class:?}");
    }
}

#[test]
fn none_is_sent_when_the_decision_has_become_too_old() {
    let (outcome, _) = four_calls(Vec::new(), Duration::from_secs(8));
    assert_eq!(sent(&outcome), [true, false, false]);
}
