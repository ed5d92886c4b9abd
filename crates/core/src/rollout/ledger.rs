//! The ledger of requests: what was asked for by annotation, and what became of it.

use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{
    Action, ActionState, ActionTarget, Outcome, Pause, PauseKind, RollingUpdateTaskStatus, Verb,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::instance_requests;
use crate::conditions::shorten;
use crate::requests::{self, PauseTarget, VERBS};

/// How many settled requests are kept. Open ones are never dropped.
const SETTLED_MAX: usize = 20;
/// How many requests may be open. With the settled ones they fit the bound on `status.actions`:
/// a status that the schema refuses would end all progress.
const OPEN_MAX: usize = 18;
/// How many annotations that mean nothing are told of.
const UNKNOWN_ANNOTATIONS_MAX: usize = 16;
/// The most bytes of an annotation's value that are recorded.
const VALUE_MAX: usize = 2048;

/// What a verdict on a request says.
pub(super) enum Verdict {
    /// Accepted, for the pause with this number or, empty, for the task.
    Accepted(Vec<String>),
    /// For these instances, each judged by itself.
    Instances(Vec<ActionTarget>),
    /// Refused: why, in a word and a sentence.
    Rejected(&'static str, String),
}

/// Takes note of every request that is new, judged against the pause as just read (`None`: the
/// update is not paused) and the instances in `status`. Not applicable now is refused. Gives whether
/// a request on instances was accepted.
pub(super) fn ingest(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
) -> bool {
    let open = instance_requests::count_open(status);
    ingest_verbs(ctx, status, pause, &VERBS);
    instance_requests::count_open(status) > open
}

/// Takes note of a cancellation alone, where it is not known whether the update is paused: every
/// other request waits until it is.
pub(super) fn ingest_cancel(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let cancel: Vec<_> = VERBS
        .into_iter()
        .filter(|(verb, _)| *verb == Verb::Cancel)
        .collect();
    ingest_verbs(ctx, status, None, &cancel);
}

fn ingest_verbs(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
    verbs: &[(Verb, &str)],
) {
    let finished = status.result.is_some();
    let mut cancelling = status.cancellation.is_some();
    for (verb, key) in verbs {
        let verb = *verb;
        let Some(value) = ctx.annotation(key) else {
            continue;
        };
        // Compared as recorded: a value too long to record is one request, not one at each look.
        if status.handled_actions.get(verb) == Some(shorten(value, VALUE_MAX).as_str()) {
            continue;
        }
        let verdict = if finished {
            Verdict::Rejected("TaskFinished", "the task has ended".into())
        } else if cancelling && verb != Verb::Cancel {
            Verdict::Rejected("Superseded", "the task is being cancelled".into())
        } else if too_many(status, verb) {
            Verdict::Rejected(
                "TooManyRequests",
                format!("{OPEN_MAX} requests are open: wait for their effect"),
            )
        } else {
            judge(ctx, status, verb, value, pause)
        };
        cancelling |= verb == Verb::Cancel && matches!(verdict, Verdict::Accepted(_));
        add(ctx, status, verb, value, verdict);
    }
}

/// Notes the requests that were there before the operator first saw the object: a copied or
/// restored manifest must not act. A cancellation is honoured, for nothing has started.
pub(super) fn present_at_creation(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    for (verb, key) in VERBS {
        if let Some(value) = ctx.annotation(key) {
            let verdict = match (verb, requests::parse_cancel(value)) {
                (Verb::Cancel, Ok(())) => Verdict::Accepted(Vec::new()),
                _ => Verdict::Rejected(
                    "PresentAtCreation",
                    "the request was there before the task was first seen: set another value"
                        .into(),
                ),
            };
            add(ctx, status, verb, value, verdict);
        }
    }
}

/// Whether no more can be open. The first cancellation always can.
fn too_many(status: &RollingUpdateTaskStatus, verb: Verb) -> bool {
    let open = status
        .actions
        .iter()
        .filter(|action| action.state == ActionState::Accepted);
    open.count() >= OPEN_MAX && (verb != Verb::Cancel || self::open(status, verb).is_some())
}

fn judge(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    verb: Verb,
    value: &str,
    pause: Option<&Pause>,
) -> Verdict {
    match verb {
        Verb::Cancel => match requests::parse_cancel(value) {
            Ok(()) => Verdict::Accepted(Vec::new()),
            Err(why) => Verdict::Rejected("Malformed", why),
        },
        Verb::Continue => match requests::parse_continue(value) {
            Ok(target) => judge_continue(target, pause),
            Err(why) => Verdict::Rejected("Malformed", why),
        },
        Verb::Retry | Verb::Skip | Verb::CancelInstances => {
            instance_requests::accept(ctx, status, verb, value)
        }
    }
}

fn judge_continue(target: PauseTarget, pause: Option<&Pause>) -> Verdict {
    let Some(pause) = pause else {
        return Verdict::Rejected("NotPaused", "the update is not paused".into());
    };
    if let PauseTarget::Id(id) = target {
        if id < pause.id {
            return Verdict::Rejected(
                "StalePause",
                format!(
                    "the update has left pause {id} and is in pause {}",
                    pause.id
                ),
            );
        }
        if id > pause.id {
            return Verdict::Rejected(
                "NotPaused",
                format!("the update is in pause {}, not yet in pause {id}", pause.id),
            );
        }
    }
    match pause.kind {
        PauseKind::Batch => Verdict::Accepted(vec![pause.id.to_string()]),
        PauseKind::Failure => Verdict::Rejected(
            "FailurePause",
            "the update waits because instances failed: retry, skip or give them up (status.pause.message has the commands), or cancel the task".into(),
        ),
        PauseKind::Approval | PauseKind::Unknown => Verdict::Rejected(
            "Unsupported",
            "this pause is no batch pause: answer it in the OOS console".into(),
        ),
    }
}

fn add(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    value: &str,
    verdict: Verdict,
) {
    status.handled_actions.set(verb, shorten(value, VALUE_MAX));
    let id = requests::action_id(verb, value);
    // A value that comes back after another was set is a new request with an old id.
    status.actions.retain(|action| action.id != id);
    let requested_by = ctx.annotation(keys::REQUESTED_BY).unwrap_or_default();
    let mut action = Action {
        id,
        verb,
        targets: Vec::new(),
        instances: Vec::new(),
        state: ActionState::Accepted,
        reason: String::new(),
        message: String::new(),
        requested_by: shorten(requested_by, 128),
        time: Time(ctx.now()),
        end_time: None,
    };
    match verdict {
        Verdict::Accepted(targets) => action.targets = targets,
        Verdict::Instances(instances) => {
            action.targets = instances.iter().map(instance_requests::name).collect();
            action.instances = instances;
            instance_requests::settle_if_done(ctx, &mut action);
        }
        Verdict::Rejected(reason, message) => {
            settle(ctx, &mut action, ActionState::Rejected, reason, &message);
        }
    }
    status.actions.push(action);
    let settled = status
        .actions
        .iter()
        .filter(|a| a.state != ActionState::Accepted)
        .count();
    let mut excess = settled.saturating_sub(SETTLED_MAX);
    status.actions.retain(|action| {
        let drop = excess > 0 && action.state != ActionState::Accepted;
        excess -= usize::from(drop);
        !drop
    });
    instance_requests::forget_details(status);
}

/// Ends a request.
pub(super) fn settle(
    ctx: &Context<'_>,
    action: &mut Action,
    state: ActionState,
    reason: &str,
    message: &str,
) {
    action.state = state;
    action.reason = reason.to_owned();
    action.message = shorten(message, 512);
    action.end_time = Some(Time(ctx.now()));
}

/// The open request of a verb, if there is one.
pub(super) fn open(status: &RollingUpdateTaskStatus, verb: Verb) -> Option<&Action> {
    status
        .actions
        .iter()
        .find(|action| action.verb == verb && action.state == ActionState::Accepted)
}

/// Ends every open request of a verb.
pub(super) fn settle_all(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    state: ActionState,
    reason: &str,
    message: &str,
) {
    for action in &mut status.actions {
        if action.verb == verb && action.state == ActionState::Accepted {
            settle(ctx, action, state, reason, message);
        }
    }
}

/// Ends what is still open where nothing more will be done: every accepted request ends.
pub(super) fn close(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let result = status.result.as_ref().map(|result| result.outcome);
    let cancelled = result == Some(Outcome::Cancelled);
    if cancelled {
        settle_all(
            ctx,
            status,
            Verb::Cancel,
            ActionState::Applied,
            "Cancelled",
            "",
        );
    }
    let (reason, message) = match result {
        None if status.cancellation.is_none() => return,
        None => ("Superseded", "the task is being cancelled"),
        Some(_) if cancelled => ("Superseded", "the task was cancelled"),
        Some(_) => ("TaskFinished", "the task has ended"),
    };
    reject_open(ctx, status, reason, message);
    if result.is_some() {
        settle_all(
            ctx,
            status,
            Verb::Cancel,
            ActionState::Rejected,
            reason,
            message,
        );
    }
}

/// Rejects every open request but those to cancel the task.
pub(super) fn reject_open(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    reason: &str,
    message: &str,
) {
    for action in &mut status.actions {
        if action.state != ActionState::Accepted || action.verb == Verb::Cancel {
            continue;
        }
        if action.instances.is_empty() {
            settle(ctx, action, ActionState::Rejected, reason, message);
        } else {
            instance_requests::reject_open(ctx, action, reason, message);
        }
    }
}

/// Takes note of annotations that look like requests and are none: a slip of the pen would wait for
/// its effect for ever. Each is told of once.
pub(super) fn note_unknown_annotations(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let annotations = ctx.input.subject.metadata.annotations.iter().flatten();
    for key in annotations.map(|(key, _)| key) {
        let ours = key.strip_prefix(ess_rollout_api::GROUP);
        let unknown = ours.is_some_and(|rest| rest.starts_with('/'))
            && !keys::KNOWN.contains(&key.as_str())
            && !status.unknown_annotations.contains(key);
        if unknown && status.unknown_annotations.len() < UNKNOWN_ANNOTATIONS_MAX {
            status.unknown_annotations.push(key.clone());
        }
    }
}
