//! The ledger of requests: what was asked for by annotation, and what became of it.

use ess_rollout_api::v1alpha1::{
    Action, ActionState, Pause, PauseKind, RollingUpdateTaskStatus, Verb,
};

use super::accept::{self, Accepted, Refusal, refuse};
use super::close::resolve;
use super::targets;
use crate::rollout::context::Context;
use crate::rollout::progress::holds;
use crate::task::ledger;
use crate::task::reason::Reason;
use crate::task::requests::{self, PauseTarget, VERBS};

/// How many requests may be open. With the settled ones they fit the bound on `status.actions`:
/// a status that the schema refuses would end all progress.
const OPEN_MAX: usize = 18;

/// Takes note of every request that is new, judged against the pause as just read (`None`: the
/// update is not paused) and the instances in `status`. Not applicable now is refused. Gives whether
/// one was accepted that changes what is decided: it goes on record first.
pub(in crate::rollout) fn ingest(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
) -> bool {
    let open = ledger::count_open(&status.actions);
    let decides = |status: &RollingUpdateTaskStatus| {
        let retried = status.gate.as_ref().map(|gate| gate.retry_time.clone());
        (retried, status.windows_overridden.len())
    };
    let before = decides(status);
    ingest_verbs(ctx, status, pause, VERBS.iter());
    ledger::count_open(&status.actions) > open || decides(status) != before
}

/// Takes note of a cancellation alone, where it is not known whether the update is paused: every
/// other request waits until it is.
pub(in crate::rollout) fn ingest_cancel(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let cancel = VERBS.iter().filter(|(verb, _)| *verb == Verb::Cancel);
    ingest_verbs(ctx, status, None, cancel);
}

fn ingest_verbs(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
    verbs: impl Iterator<Item = &'static (Verb, &'static str)>,
) {
    let finished = status.result.is_some();
    let mut cancelling = status.cancellation.is_some();
    for &(verb, key) in verbs {
        let Some(value) = ctx.annotation(key) else {
            continue;
        };
        if !ledger::is_new(&status.handled_actions, verb, value) {
            continue;
        }
        let accepted = if finished {
            refuse(Reason::TaskFinished, "the task has ended")
        } else if cancelling && verb != Verb::Cancel {
            refuse(Reason::Superseded, "the task is being cancelled")
        } else if too_many(status, verb) {
            let message = format!("{OPEN_MAX} requests are open: wait for their effect");
            refuse(Reason::TooManyRequests, message)
        } else {
            ledger::in_time(ctx.metadata, ctx.now())
                .and_then(|()| accept(ctx, status, verb, value, pause))
        };
        cancelling |= verb == Verb::Cancel && accepted.is_ok();
        add(ctx, status, verb, value, accepted);
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
            let accepted = match (verb, requests::parse_whole(value)) {
                (Verb::Cancel, Ok(())) => {
                    ledger::in_time(ctx.metadata, ctx.now()).map(|()| Accepted::Targets(Vec::new()))
                }
                _ => refuse(
                    Reason::PresentAtCreation,
                    "the request was there before the task was first seen: set another value",
                ),
            };
            add(ctx, status, verb, value, accepted);
        }
    }
}

/// Whether no more can be open. The first cancellation always can.
fn too_many(status: &RollingUpdateTaskStatus, verb: Verb) -> bool {
    let open = status
        .actions
        .iter()
        .filter(|action| action.state == ActionState::Accepted);
    open.count() >= OPEN_MAX
        && (verb != Verb::Cancel || ledger::open(&status.actions, verb).is_some())
}

fn accept(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    verb: Verb,
    value: &str,
    pause: Option<&Pause>,
) -> Result<Accepted, Refusal> {
    let malformed = |why| (Reason::Malformed, why);
    match verb {
        Verb::Cancel => {
            requests::parse_whole(value).map_err(malformed)?;
            Ok(Accepted::Targets(Vec::new()))
        }
        Verb::Continue => {
            accept_continue(requests::parse_continue(value).map_err(malformed)?, pause)
        }
        Verb::Retry | Verb::Skip | Verb::CancelInstances => {
            accept::accept(ctx, status, verb, value)
        }
        Verb::RunNow => refuse(Reason::Unsupported, "only an ImageUpdateTask makes runs"),
        Verb::RetryGate => {
            requests::parse_whole(value).map_err(malformed)?;
            holds::can_be_retried(status, pause).map(Accepted::Checks)
        }
        Verb::OverrideWindow => {
            let targets = requests::parse_override_window(value).map_err(malformed)?;
            ctx.windows.named_by(&targets).map(Accepted::Windows)
        }
    }
}

fn accept_continue(target: PauseTarget, pause: Option<&Pause>) -> Result<Accepted, Refusal> {
    let Some(pause) = pause else {
        return refuse(Reason::NotPaused, "the update is not paused");
    };
    let now_in = pause.id;
    match (target, pause.kind) {
        (PauseTarget::Id(id), _) if id < now_in => refuse(
            Reason::StalePause,
            format!("the update has left pause {id} and is in pause {now_in}"),
        ),
        (PauseTarget::Id(id), _) if id > now_in => refuse(
            Reason::NotPaused,
            format!("the update is in pause {now_in}, not yet in pause {id}"),
        ),
        (_, PauseKind::Batch) => Ok(Accepted::Targets(vec![now_in.to_string()])),
        (_, PauseKind::Failure) => refuse(
            Reason::FailurePause,
            "the update waits because something failed: retry, skip or give it up (status.pause.message has the commands), or cancel the task",
        ),
        (_, PauseKind::Approval | PauseKind::Unknown) => refuse(
            Reason::Unsupported,
            "this pause is no batch pause: answer it in the OOS console",
        ),
    }
}

/// Its effect is what goes on record.
fn done(ctx: &Context<'_>, action: &mut Action, message: &str) {
    let reason = targets::word(action.verb);
    resolve(ctx, action, ActionState::Applied, reason, message);
}

fn add(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    verb: Verb,
    value: &str,
    accepted: Result<Accepted, Refusal>,
) {
    let origin = ledger::Origin {
        metadata: ctx.metadata,
        names_verified: ctx.input.names_verified,
    };
    let mut action = ledger::entry(origin, verb, value, ctx.now());
    match accepted {
        Ok(Accepted::Targets(targets)) => action.targets = targets,
        Ok(Accepted::Checks(pause)) => {
            holds::retry_checks(ctx, status);
            action.targets = vec![pause.to_string()];
            let message = "the checks of spec.gates are made again, and count from now on";
            done(ctx, &mut action, message);
        }
        Ok(Accepted::Windows(windows)) => {
            let action = std::slice::from_mut(&mut action);
            ledger::note_overridden((action, &mut status.windows_overridden), windows, ctx.now());
        }
        Ok(Accepted::Instances(set, instances)) => {
            action.targets = match set {
                Some(set) => vec![set],
                None => instances.iter().map(targets::name).collect(),
            };
            action.instances = instances;
            targets::resolve_if_done(ctx, &mut action);
        }
        Err((reason, message)) => {
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
