//! The ledger of requests: what was asked for by annotation, and what became of it.

use ess_rollout_api::v1alpha1::{
    Action, ActionState, ActionTarget, Outcome, Pause, PauseKind, RollingUpdateTaskStatus, Verb,
};

use super::context::Context;
use super::instance_requests;
use crate::actions;
use crate::requests::{self, PauseTarget, VERBS};

/// How many requests may be open. With the settled ones they fit the bound on `status.actions`:
/// a status that the schema refuses would end all progress.
const OPEN_MAX: usize = 18;
/// What a verdict on a request says.
pub(super) enum Verdict {
    /// Accepted, for the pause with this number or, empty, for the task.
    Accepted(Vec<String>),
    /// For these instances, each judged by itself; the name of the set that they are, if it is one.
    Instances(Option<String>, Vec<ActionTarget>),
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
        if !actions::is_new(&status.handled_actions, verb, value) {
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
        Verb::RunNow => {
            Verdict::Rejected("Unsupported", "only an ImageUpdateTask makes runs".into())
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
            "the update waits because something failed: retry, skip or give it up (status.pause.message has the commands), or cancel the task".into(),
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
    let metadata = ctx.input.subject.metadata;
    let mut action = actions::entry(metadata, verb, value, ctx.now());
    match verdict {
        Verdict::Accepted(targets) => action.targets = targets,
        Verdict::Instances(set, instances) => {
            action.targets = match set {
                Some(set) => vec![set],
                None => instances.iter().map(instance_requests::name).collect(),
            };
            action.instances = instances;
            instance_requests::settle_if_done(ctx, &mut action);
        }
        Verdict::Rejected(reason, message) => {
            settle(ctx, &mut action, ActionState::Rejected, reason, &message);
        }
    }
    actions::record(
        &mut status.actions,
        &mut status.handled_actions,
        value,
        action,
    );
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
    actions::settle(action, state, reason, message, ctx.now());
}

/// The open request of a verb, if there is one.
pub(super) fn open(status: &RollingUpdateTaskStatus, verb: Verb) -> Option<&Action> {
    actions::open(&status.actions, verb)
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
    actions::settle_all(&mut status.actions, verb, state, reason, message, ctx.now());
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
