//! `spec.runKey`: one run for each key on a group, whoever asks, from whichever cluster.

use ess_rollout_api::v1alpha1::Outcome;
use ess_rollout_cloud::{Execution, ExecutionFilter};

use super::refusal;
use crate::identity;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted};
use crate::rollout::restore::record::{MAX, make_room};
use crate::rollout::restore::run_end;
use crate::rollout::{others, result};
use crate::task::absence::ROLLING_TEMPLATES;
use crate::task::observation::Known;
use crate::task::problem::Problem;

/// A run key stands for one spec on one group, once.
pub(in crate::rollout) fn conflict(ctx: &Context<'_>, status: &Draft) -> Known<Option<Drafted>> {
    let Some(key) = &ctx.spec.policy.run_key else {
        return Ok(None);
    };
    let Some(used) = ctx.record.run_keys.iter().find(|used| used.key == *key) else {
        let found = elsewhere(ctx, status)?;
        return Ok(found.or_else(|| no_room(ctx, status)));
    };
    if used.uid == ctx.uid && used.outcome.is_none() && used.execution_id.is_none() {
        // Ours, from before a crash.
        return elsewhere(ctx, status);
    }
    let lost_sight_of = used.spec_hash == ctx.spec_hash && used.outcome.is_none();
    if lost_sight_of && let Some(decision) = elsewhere(ctx, status)? {
        return Ok(Some(decision));
    }
    let (outcome, reason, message) = if used.spec_hash != ctx.spec_hash {
        (
            Outcome::Failed,
            "RunKeyConflict",
            format!(
                "spec.runKey {key} was used by {} for another update of this group: nothing was started; choose another key",
                used.by
            ),
        )
    } else {
        match used.outcome {
            Some(outcome) => (
                outcome,
                "AlreadyRun",
                format!(
                    "spec.runKey {key} has run already, as {} (execution {}): nothing was started",
                    used.by,
                    used.execution_id.as_deref().unwrap_or("unknown")
                ),
            ),
            None => (
                Outcome::Failed,
                "RunKeyConflict",
                format!(
                    "spec.runKey {key} belongs to a run of {} whose end was not seen: nothing was started; choose another key",
                    used.by
                ),
            ),
        }
    };
    Ok(Some(result::nothing_ran(
        ctx,
        status.clone(),
        outcome,
        reason,
        &message,
    )))
}

/// From how many on it is said that there will be no room.
const MANY: usize = MAX / 10 * 9;

/// The record cannot take one more key.
fn no_room(ctx: &Context<'_>, status: &Draft) -> Option<Drafted> {
    let mut keys = ctx.record.run_keys.clone();
    (!make_room(&mut keys)).then(|| {
        let problem = Problem::blocked(
            "RunKeysExhausted",
            format!(
                "the ScalingGroupRecord of the group remembers {} run keys, the most it can, and forgets none under which something ran: {}",
                keys.len(),
                cure(ctx)
            ),
        );
        refusal::refuse(ctx, status.clone(), &problem, false)
    })
}

fn cure(ctx: &Context<'_>) -> String {
    format!(
        "take keys that are certain not to come again out of status.runKeys (kubectl edit scalinggrouprecord {} --subresource=status, in the operator's namespace), or leave spec.runKey out in a new object",
        identity::record_name(&ctx.region, &ctx.group)
    )
}

/// What a person should know while there is still room.
pub(in crate::rollout) fn note(ctx: &Context<'_>) -> Option<String> {
    ctx.spec.policy.run_key.as_ref()?;
    let ran = ctx
        .record
        .run_keys
        .iter()
        .filter(|key| !key.never_ran)
        .count();
    (ran >= MANY).then(|| {
        format!(
            "the ScalingGroupRecord of the group remembers {ran} run keys of at most {MAX}: {}",
            cure(ctx)
        )
    })
}

/// A run key that was used elsewhere: another update is a conflict, a run in progress is waited for,
/// and one that has ended stands for this object's, whatever its result.
fn elsewhere(ctx: &Context<'_>, status: &Draft) -> Known<Option<Drafted>> {
    let Some(key) = ctx.spec.policy.run_key.as_deref() else {
        return Ok(None);
    };
    let found = with_run_key(ctx, key)?;
    let path = |e: &Execution| e.tags.get(identity::TAG_TASK).cloned().unwrap_or_default();
    let same = |e: &&&Execution| e.tags.get(identity::TAG_SPEC_HASH) == Some(&ctx.spec_hash);
    if let Some(other) = found.iter().find(|e| !same(e)) {
        let message = format!(
            "spec.runKey {key} was used for another update of this group by {}, execution {}: nothing was started; choose another key",
            path(other),
            other.id
        );
        return Ok(Some(result::nothing_ran(
            ctx,
            status.clone(),
            Outcome::Failed,
            "RunKeyConflict",
            &message,
        )));
    }
    if let Some(active) = found.iter().find(|e| !e.status.is_final()) {
        let problem = in_progress(key, &path(active), &active.id);
        return Ok(Some(refusal::refuse(ctx, status.clone(), &problem, false)));
    }
    Ok(found.last().map(|last| {
        let outcome = run_end::outcome_of(&last.status).unwrap_or(Outcome::Failed);
        let message = format!(
            "spec.runKey {key} has run already, as {} (execution {}): nothing was started",
            path(last),
            last.id
        );
        result::nothing_ran(ctx, status.clone(), outcome, "AlreadyRun", &message)
    }))
}

/// Executions of this group that carry this run key and are not of this object: of another cluster,
/// or of an object of which nothing is known any more.
pub(in crate::rollout) fn with_run_key<'a>(
    ctx: &Context<'a>,
    key: &str,
) -> Known<Vec<&'a Execution>> {
    let tags = vec![
        (identity::TAG_RUN_KEY.to_owned(), key.to_owned()),
        (identity::TAG_SCALING_GROUP.to_owned(), ctx.group.clone()),
    ];
    let filter = ExecutionFilter::Tagged {
        tags: tags.clone(),
        started_after: None,
    };
    let listed = ctx.input.observation.executions(&filter)?.iter();
    // An ignored filter returns everything: believe the tags that come back.
    let mut found: Vec<&Execution> = listed
        .filter(|e| e.parent.is_none() && e.tags.get(identity::TAG_UID) != Some(&ctx.uid))
        // Whoever may start executions of any kind may write these tags: only what updates the group counts.
        .filter(|e| e.template_name.contains(ROLLING_TEMPLATES) && others::updates_group(ctx, e))
        .filter(|e| {
            e.tags.get(identity::TAG_MANAGED_BY.0).map(String::as_str)
                == Some(identity::TAG_MANAGED_BY.1)
        })
        .filter(|e| {
            tags.iter()
                .all(|(key, value)| e.tags.get(key) == Some(value))
        })
        .collect();
    found.sort_by_key(|e| (e.start, e.id.clone()));
    Ok(found)
}

fn in_progress(key: &str, path: &str, id: &str) -> Problem {
    Problem::wait(
        "RunKeyInProgress",
        format!(
            "spec.runKey {key} is being run by {path}, execution {id}, which is not of this object and is left alone: waiting for its end, for no longer than spec.startingDeadlineSeconds"
        ),
    )
    // Nobody promises that it ends.
    .counted()
}

/// The call was answered with an execution of somebody else who used the same run key at the same
/// time, and so the same client token: nothing was started for this object. It goes back to where it
/// waits for the other one's end.
pub(in crate::rollout) fn step_back(
    ctx: &Context<'_>,
    mut status: Draft,
    other: &Execution,
) -> Drafted {
    status.start = None;
    if !ctx.has_taken_over(&status) {
        status.plan = None;
        status.place = None;
    }
    let by = other.tags.get(identity::TAG_TASK).cloned();
    let key = ctx.spec.policy.run_key.as_deref().unwrap_or_default();
    let problem = in_progress(key, &by.unwrap_or_default(), &other.id);
    refusal::refuse(ctx, status, &problem, false)
}
