//! The ledger of requests: what was asked for by annotation, and what became of it.

use ess_rollout_api::v1alpha1::{ActionState, Pause, PauseKind, RollingUpdateTaskStatus, Verb};

use super::accept::{self, Judgement};
use super::close::{open, resolve};
use super::targets;
use crate::rollout::context::Context;
use crate::task::ledger;
use crate::task::reason::Reason;
use crate::task::requests::{self, PauseTarget, VERBS};

/// How many requests may be open. With the settled ones they fit the bound on `status.actions`:
/// a status that the schema refuses would end all progress.
const OPEN_MAX: usize = 18;

/// Takes note of every request that is new, judged against the pause as just read (`None`: the
/// update is not paused) and the instances in `status`. Not applicable now is refused. Gives whether
/// a request on instances was accepted.
pub(in crate::rollout) fn ingest(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
) -> bool {
    let open = ledger::count_open(&status.actions);
    ingest_verbs(ctx, status, pause, &VERBS);
    ledger::count_open(&status.actions) > open
}

/// Takes note of a cancellation alone, where it is not known whether the update is paused: every
/// other request waits until it is.
pub(in crate::rollout) fn ingest_cancel(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
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
        if !ledger::is_new(&status.handled_actions, verb, value) {
            continue;
        }
        let verdict = if finished {
            Judgement::Rejected(Reason::TaskFinished, "the task has ended".into())
        } else if cancelling && verb != Verb::Cancel {
            Judgement::Rejected(Reason::Superseded, "the task is being cancelled".into())
        } else if too_many(status, verb) {
            Judgement::Rejected(
                Reason::TooManyRequests,
                format!("{OPEN_MAX} requests are open: wait for their effect"),
            )
        } else {
            judge(ctx, status, verb, value, pause)
        };
        cancelling |= verb == Verb::Cancel && matches!(verdict, Judgement::Accepted(_));
        add(ctx, status, verb, value, verdict);
    }
}

/// Notes the requests that were there before the operator first saw the object: a copied or
/// restored manifest must not act. A cancellation is honoured, for nothing has started.
pub(in crate::rollout) fn present_at_creation(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
) {
    for (verb, key) in VERBS {
        if let Some(value) = ctx.annotation(key) {
            let verdict = match (verb, requests::parse_cancel(value)) {
                (Verb::Cancel, Ok(())) => Judgement::Accepted(Vec::new()),
                _ => Judgement::Rejected(
                    Reason::PresentAtCreation,
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
) -> Judgement {
    match verb {
        Verb::Cancel => match requests::parse_cancel(value) {
            Ok(()) => Judgement::Accepted(Vec::new()),
            Err(why) => Judgement::Rejected(Reason::Malformed, why),
        },
        Verb::Continue => match requests::parse_continue(value) {
            Ok(target) => judge_continue(target, pause),
            Err(why) => Judgement::Rejected(Reason::Malformed, why),
        },
        Verb::Retry | Verb::Skip | Verb::CancelInstances => {
            accept::accept(ctx, status, verb, value)
        }
        Verb::RunNow => Judgement::Rejected(
            Reason::Unsupported,
            "only an ImageUpdateTask makes runs".into(),
        ),
    }
}

fn judge_continue(target: PauseTarget, pause: Option<&Pause>) -> Judgement {
    let Some(pause) = pause else {
        return Judgement::Rejected(Reason::NotPaused, "the update is not paused".into());
    };
    if let PauseTarget::Id(id) = target {
        if id < pause.id {
            return Judgement::Rejected(
                Reason::StalePause,
                format!(
                    "the update has left pause {id} and is in pause {}",
                    pause.id
                ),
            );
        }
        if id > pause.id {
            return Judgement::Rejected(
                Reason::NotPaused,
                format!("the update is in pause {}, not yet in pause {id}", pause.id),
            );
        }
    }
    match pause.kind {
        PauseKind::Batch => Judgement::Accepted(vec![pause.id.to_string()]),
        PauseKind::Failure => Judgement::Rejected(
            Reason::FailurePause,
            "the update waits because something failed: retry, skip or give it up (status.pause.message has the commands), or cancel the task".into(),
        ),
        PauseKind::Approval | PauseKind::Unknown => Judgement::Rejected(
            Reason::Unsupported,
            "this pause is no batch pause: answer it in the OOS console".into(),
        ),
    }
}

fn add(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    value: &str,
    verdict: Judgement,
) {
    let metadata = ctx.metadata;
    let mut action = ledger::entry(metadata, verb, value, ctx.now());
    match verdict {
        Judgement::Accepted(targets) => action.targets = targets,
        Judgement::Instances(set, instances) => {
            action.targets = match set {
                Some(set) => vec![set],
                None => instances.iter().map(targets::name).collect(),
            };
            action.instances = instances;
            targets::resolve_if_done(ctx, &mut action);
        }
        Judgement::Rejected(reason, message) => {
            resolve(ctx, &mut action, ActionState::Rejected, reason, &message);
        }
    }
    ledger::record(
        &mut status.actions,
        &mut status.handled_actions,
        value,
        action,
    );
    targets::forget_details(status);
}
