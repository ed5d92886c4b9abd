//! What people ask for by annotation, judged against the run under way.

use ess_rollout_api::v1alpha1::{ActionState, ConcurrencyPolicy, ImageUpdateTaskStatus, Verb};

use super::context::Context;
use crate::task::ledger;
use crate::task::reason::Reason;
use crate::task::requests::{self, VERBS};

/// Accepted, or refused: why, in a word and a sentence.
type Judged = Result<(), (Reason, String)>;

/// Takes note of every request that is new. Not applicable now is refused; what is accepted is
/// settled by what comes of it.
pub(super) fn ingest(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let unsupported = "an ImageUpdateTask knows run-now, cancel and override-window alone";
    let mut cancelling = false;
    for (verb, value) in asked(ctx) {
        if !ledger::is_new(&status.handled_actions, verb, value) {
            continue;
        }
        if verb == Verb::OverrideWindow && status.active.is_none() && ctx.lacks_tags() {
            // Which are for it is asked for, and then it is taken note of.
            continue;
        }
        let in_time = ledger::in_time(ctx.metadata, ctx.now());
        let mut overridden = Vec::new();
        let verdict = match verb {
            Verb::Cancel => in_time.and_then(|()| judge_cancel(status, value)),
            Verb::RunNow if cancelling => {
                Err((Reason::Superseded, "the run is being cancelled".into()))
            }
            Verb::RunNow => in_time.and_then(|()| judge_run_now(ctx, status, value)),
            Verb::OverrideWindow => in_time.and_then(|()| {
                if let Some(run) = &status.active {
                    let why = format!("run {} is under way, and no window holds it", run.number);
                    return Err((Reason::RunActive, why));
                }
                let targets = requests::parse_override_window(value)
                    .map_err(|why| (Reason::Malformed, why))?;
                overridden = ctx.windows.named_by(&targets)?;
                Ok(())
            }),
            _ => Err((Reason::Unsupported, unsupported.into())),
        };
        cancelling |= verb == Verb::Cancel && verdict.is_ok();
        add(ctx, status, verb, value, verdict);
        if !overridden.is_empty() {
            ledger::note_overridden(
                (&mut status.actions, &mut status.windows_overridden),
                overridden,
                ctx.now(),
            );
        }
    }
    if ctx.deleting.is_some() {
        let message = "the task is being deleted";
        resolve(ctx, status, RUN_NOW_REJECTED, Reason::Deletion, message);
    }
}

/// The requests that the object carries, in the order in which they take effect.
fn asked<'a>(ctx: &Context<'a>) -> impl Iterator<Item = (Verb, &'a str)> {
    let asked = |(verb, key)| Some((verb, ctx.annotation(key)?));
    VERBS.into_iter().filter_map(asked)
}

/// Notes the requests that were there before the operator first saw the object: a copied or restored
/// manifest must not act. A cancellation is honoured: it keeps the first run from being made.
pub(super) fn present_at_creation(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    for (verb, value) in asked(ctx) {
        let why = "the request was there before the task was first seen: set another value";
        let verdict = match verb {
            Verb::Cancel => {
                ledger::in_time(ctx.metadata, ctx.now()).and_then(|()| judge_cancel(status, value))
            }
            _ => Err((Reason::PresentAtCreation, why.into())),
        };
        add(ctx, status, verb, value, verdict);
    }
}

fn judge_cancel(status: &ImageUpdateTaskStatus, value: &str) -> Judged {
    requests::parse_whole(value).map_err(|why| (Reason::Malformed, why))?;
    match &status.active {
        Some(run) if run.end.is_some() => Err((
            Reason::RunFinished,
            format!("run {} has ended and is being read back", run.number),
        )),
        _ => Ok(()),
    }
}

fn judge_run_now(ctx: &Context<'_>, status: &ImageUpdateTaskStatus, value: &str) -> Judged {
    requests::parse_whole(value).map_err(|why| (Reason::Malformed, why))?;
    if let Some(run) = &status.active
        && ctx.spec.concurrency_policy == ConcurrencyPolicy::Forbid
    {
        let number = run.number;
        let why = format!("run {number} is under way; cancel it, or ask again when it has ended");
        return Err((Reason::RunActive, why));
    }
    if ledger::open(&status.actions, Verb::RunNow).is_some() {
        let why = "a run that was asked for before is waiting to begin";
        return Err((Reason::RunWaiting, why.into()));
    }
    Ok(())
}

fn add(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    verb: Verb,
    value: &str,
    verdict: Judged,
) {
    let now = ctx.now();
    let origin = ledger::Origin {
        metadata: ctx.metadata,
        names_verified: ctx.input.names_verified,
    };
    let mut action = ledger::entry(origin, verb, value, now);
    if let Err((reason, message)) = verdict {
        let state = ActionState::Rejected;
        ledger::resolve(&mut action, state, reason, &message, now);
    }
    let (all, handled) = (&mut status.actions, &mut status.handled_actions);
    ledger::record(all, handled, value, action);
}

/// No run is made of those that were asked for.
pub(super) const RUN_NOW_REJECTED: (Verb, ActionState) = (Verb::RunNow, ActionState::Rejected);

/// Ends every open request of a verb, in a state.
pub(super) fn resolve(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    (verb, state): (Verb, ActionState),
    reason: Reason,
    message: &str,
) {
    let all = &mut status.actions;
    ledger::resolve_all(all, verb, state, reason, message, ctx.now());
}
