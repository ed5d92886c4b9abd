//! Starts whose answer is lost, late or a refusal: one execution for one run, whatever happens.

use ess_rollout_api::v1alpha1::{RunOutcome, condition};
use ess_rollout_cloud::ErrorClass;
use serde_json::json;

use crate::cloud::{Fate, mutation_name};
use crate::world::{Crash, building};

#[test]
fn an_unanswered_start_is_looked_for_before_it_is_sent_again() {
    for (fate, sent) in [(Fate::AnswerLost, 1), (Fate::Lost, 2), (Fate::Late(40), 2)] {
        let mut world = building(json!({}));
        world.cloud.fates = vec![fate];
        world.run_to_rest();
        assert_eq!(world.cloud.runs.len(), 1, "{fate:?}");
        assert_eq!(world.cloud.count("StartExecution"), sent, "{fate:?}");
        assert_eq!(world.state(), "Succeeded");
    }
}

#[test]
fn a_status_that_cannot_be_is_named_and_nothing_is_sent() {
    let mut world = building(json!({}));
    world.cloud.fates = vec![Fate::Lost];
    world.pass();
    let run = world.task.status.as_mut().unwrap().active.as_mut().unwrap();
    assert!(run.start.take().is_some() && run.execution.is_none());
    world.pass();
    assert_eq!(
        world.condition(condition::STALLED),
        "True/StatusContradiction"
    );
    assert!(world.wait_seconds() >= 60);
    assert_eq!(world.cloud.count("StartExecution"), 1);
    world.deleted();
    world.run_until(7200, "gone", |w| w.gone);
}

#[test]
fn a_start_that_is_sent_again_is_the_same_whatever_was_edited_meanwhile() {
    let mut world = building(json!({"ramRole": "OOSServiceRole"}));
    world.cloud.fates = vec![Fate::Late(50)];
    world.pass();
    world.edited(|t| {
        (t.spec.ram_role, t.spec.description) = (None, Some("another".into()));
        t.spec.source.as_mut().unwrap().image_name = Some("another".into());
    });
    world.run_until(3600, "ended", |w| w.status().history.len() == 1);
    let starts = world
        .cloud
        .sent
        .iter()
        .filter(|m| mutation_name(m) == "StartExecution");
    let starts: Vec<_> = starts.take(2).collect();
    assert_eq!(starts[0], starts[1]);
    let first = |e: &&ess_rollout_cloud::Execution| {
        e.tags.get("ess-rollout/run").is_some_and(|run| run == "1")
    };
    assert_eq!(world.cloud.executions.iter().filter(first).count(), 1);
}

#[test]
fn a_crash_between_any_two_effects_of_the_beginning_leads_to_one_execution() {
    for number in 0..3 {
        for effect in [
            Crash::Finalizer,
            Crash::Record,
            Crash::Status,
            Crash::Mutation,
        ] {
            let mut world = building(json!({}));
            world.pass_with(Some((number, effect)));
            world.run_to_rest();
            assert_eq!(world.cloud.runs.len(), 1, "{number} {effect:?}");
            assert_eq!(world.state(), "Succeeded");
            assert_eq!(world.status().last_run, Some(1));
        }
    }
}

#[test]
fn after_half_an_hour_a_new_token_is_used_once_two_lookups_found_nothing() {
    let mut world = building(json!({}));
    world.pass_with(Some((1, Crash::Status)));
    let first = world
        .status()
        .active
        .clone()
        .unwrap()
        .start
        .unwrap()
        .client_token;
    assert_eq!(world.cloud.count("StartExecution"), 0);
    world.cloud.advance(45 * 60);
    let began = world.cloud.now;
    world.run_until(3600, "an execution", |w| !w.cloud.runs.is_empty());
    let intent = world.status().active.clone().unwrap().start.unwrap();
    assert_eq!(intent.attempt, 2);
    assert_ne!(intent.client_token, first);
    assert!(
        world.cloud.now - began > 60,
        "two look-ups, a bound on lateness apart"
    );
    world.run_to_rest();
    assert_eq!(world.cloud.runs.len(), 1);
}

#[test]
fn a_refusal_ends_the_run_and_a_denial_waits_for_the_grant() {
    let mut refused = building(json!({}));
    refused.cloud.fates = vec![Fate::Refused(ErrorClass::Invalid)];
    refused.run_to_rest();
    assert_eq!(refused.state(), "Failed");
    assert_eq!(refused.condition("Stalled"), "True/StartRefused");
    assert_eq!(refused.newest().outcome, RunOutcome::Failed);
    assert!(refused.newest().message.contains("request id req-1"));
    assert_eq!(refused.reasons(), ["RunFailed"]);
    assert!(refused.record_status().holder.is_none());

    let mut denied = building(json!({}));
    denied
        .cloud
        .broken
        .insert("StartExecution", ErrorClass::Denied);
    denied.run_to("2026-01-05T12:05:00Z");
    assert_eq!(denied.state(), "Blocked");
    assert_eq!(denied.condition("Preflight"), "False/AccessDenied");
    assert_eq!(denied.condition("Stalled"), "True/AccessDenied");
    assert!(
        denied.message("Stalled").contains("ram:StartExecution"),
        "{}",
        denied.message("Stalled")
    );
    denied.cloud.broken.clear();
    denied.run_to_state("Succeeded");
    assert_eq!(denied.cloud.runs.len(), 1);
}
