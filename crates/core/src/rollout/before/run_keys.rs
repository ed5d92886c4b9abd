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
use crate::task::problem::{Checked, Problem};
use crate::task::reason::Reason;
use crate::task::start;

/// How an object ends for which nothing is started: outcome, reason and message.
type End = (Outcome, Reason, String);

/// A run key stands for one spec on one group, once.
pub(in crate::rollout) fn conflict(ctx: &Context<'_>, status: &Draft) -> Checked<Option<Drafted>> {
    let Some(key) = ctx.spec.policy.run_key.as_deref() else {
        return Ok(None);
    };
    let end = on_record(ctx, key)?;
    Ok(end.map(|(outcome, reason, message)| {
        result::nothing_ran(ctx, status.clone(), outcome, reason, &message)
    }))
}

/// What the group's record says of the key, and where it does not know it, what OOS shows.
fn on_record(ctx: &Context<'_>, key: &str) -> Checked<Option<End>> {
    let Some(used) = ctx.record.run_keys.iter().find(|used| used.key == key) else {
        let end = elsewhere(ctx, key)?;
        refusal::unless(no_room(ctx).filter(|_| end.is_none()))?;
        return Ok(end);
    };
    let (by, same) = (&used.by, used.spec_hash == ctx.spec_hash);
    if used.uid == ctx.uid && used.outcome.is_none() && used.execution_id.is_none() {
        // Ours, from before a crash.
        return elsewhere(ctx, key);
    }
    let lost_sight_of = same && used.outcome.is_none();
    if lost_sight_of && let Some(end) = elsewhere(ctx, key)? {
        return Ok(Some(end));
    }
    let how = match used.outcome {
        _ if !same => format!("was used by {by} for another update of this group"),
        Some(outcome) => {
            let end = has_run(key, outcome, by, used.execution_id.as_deref());
            return Ok(Some(end));
        }
        None => format!("belongs to a run of {by} whose end was not seen"),
    };
    Ok(Some(taken(key, &how)))
}

/// The key is of another run, for good.
fn taken(key: &str, how: &str) -> End {
    let message = format!("spec.runKey {key} {how}: nothing was started; choose another key");
    (Outcome::Failed, Reason::RunKeyConflict, message)
}

fn has_run(key: &str, outcome: Outcome, by: &str, execution: Option<&str>) -> End {
    let execution = execution.unwrap_or("unknown");
    let message = format!(
        "spec.runKey {key} has run already, as {by} (execution {execution}): nothing was started"
    );
    (outcome, Reason::AlreadyRun, message)
}

/// From how many on it is said that there will be no room.
const MANY: usize = MAX / 10 * 9;

/// The record cannot take one more key.
fn no_room(ctx: &Context<'_>) -> Option<Problem> {
    let mut keys = ctx.record.run_keys.clone();
    (!make_room(&mut keys)).then(|| {
        let message = format!(
            "the ScalingGroupRecord of the group remembers {} run keys, the most it can, and forgets none under which something ran: {}",
            keys.len(),
            cure(ctx)
        );
        Problem::blocked(Reason::RunKeysExhausted, message)
    })
}

fn cure(ctx: &Context<'_>) -> String {
    format!(
        "take keys that are certain not to come again out of status.runKeys (kubectl edit scalinggrouprecord {} --subresource=status, in the operator's namespace), or leave spec.runKey out in a new object",
        identity::record_name(&ctx.region, &ctx.group)
    )
}

/// What a person should know while there is still room.
pub(super) fn note(ctx: &Context<'_>) -> Option<String> {
    ctx.spec.policy.run_key.as_ref()?;
    let keys = ctx.record.run_keys.iter();
    let ran = keys.filter(|key| !key.never_ran).count();
    (ran >= MANY).then(|| {
        format!(
            "the ScalingGroupRecord of the group remembers {ran} run keys of at most {MAX}: {}",
            cure(ctx)
        )
    })
}

/// A run key that was used elsewhere: another update is a conflict, a run in progress is waited for,
/// and one that has ended stands for this object's, whatever its result.
fn elsewhere(ctx: &Context<'_>, key: &str) -> Checked<Option<End>> {
    let found = with_run_key(ctx, key)?;
    let same = |e: &&&Execution| e.tags.get(identity::TAG_SPEC_HASH) == Some(&ctx.spec_hash);
    if let Some(other) = found.iter().find(|e| !same(e)) {
        let (by, id) = (path(other), &other.id);
        let how = format!("was used for another update of this group by {by}, execution {id}");
        return Ok(Some(taken(key, &how)));
    }
    if let Some(active) = found.iter().find(|e| !e.status.is_final()) {
        return Err(in_progress(key, active).into());
    }
    Ok(found.last().map(|last| {
        let outcome = run_end::outcome_of(&last.status).unwrap_or(Outcome::Failed);
        has_run(key, outcome, path(last), Some(&last.id))
    }))
}

/// Whose an execution is: `namespace/name`.
fn path(execution: &Execution) -> &str {
    let tag = execution.tags.get(identity::TAG_TASK);
    tag.map_or("", String::as_str)
}

/// Executions of this group that carry this run key and are not of this object: of another cluster,
/// or of an object of which nothing is known any more.
pub(in crate::rollout) fn with_run_key<'a>(
    ctx: &Context<'a>,
    key: &str,
) -> Known<Vec<&'a Execution>> {
    let mut tags = vec![
        (identity::TAG_RUN_KEY.to_owned(), key.to_owned()),
        (identity::TAG_SCALING_GROUP.to_owned(), ctx.group.clone()),
    ];
    let filter = ExecutionFilter::Tagged {
        tags: tags.clone(),
        started_after: None,
    };
    let (managed, by) = identity::TAG_MANAGED_BY;
    tags.push((managed.to_owned(), by.to_owned()));
    let mut found = start::with_tags(ctx.input.observation.executions(&filter)?, &tags);
    found.retain(|e| {
        e.tags.get(identity::TAG_UID) != Some(&ctx.uid)
            // Whoever may start executions of any kind may write these tags: only what updates the group counts.
            && e.template_name.contains(ROLLING_TEMPLATES)
            && others::updates_group(ctx, e)
    });
    Ok(found)
}

fn in_progress(key: &str, execution: &Execution) -> Problem {
    let (path, id) = (path(execution), &execution.id);
    let message = format!(
        "spec.runKey {key} is being run by {path}, execution {id}, which is not of this object and is left alone: waiting for its end, for no longer than spec.startingDeadlineSeconds"
    );
    // Nobody promises that it ends.
    Problem::wait(Reason::RunKeyInProgress, message).counted()
}

/// The call was answered with an execution of somebody else who used the same run key at the same
/// time, and so the same client token: nothing was started for this object. It goes back to where it
/// waits for the other one's end.
pub(in crate::rollout) fn step_back(
    ctx: &Context<'_>,
    mut status: Draft,
    other: &Execution,
) -> Drafted {
    refusal::unstart(ctx, &mut status);
    let key = ctx.spec.policy.run_key.as_deref().unwrap_or_default();
    refusal::refuse(ctx, status, &in_progress(key, other))
}
