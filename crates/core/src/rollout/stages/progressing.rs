//! An update that goes its way, or waits for a person as before: shown by what the poller has seen, at no cost of its own.
//!
//! Nothing is decided here. Whatever calls for a decision (an end, an instance that does not go well, anything asked for) is left
//! to [`super::running`], which reads for itself what it decides by: all of it, or what is named here where the rest has been seen
//! not to have moved.

use std::collections::BTreeMap;
use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ActionState, ApproveAnswer, ExecutionRef, InstanceState, Pause, PauseKind,
    RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{Execution, ExecutionStatus};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::cancel;
use crate::identity::fingerprint;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next};
use crate::rollout::kind::content::ContentKind;
use crate::rollout::progress::attempts::instance_of;
use crate::rollout::progress::show_progress::{show_progress, until_it_stands_still};
use crate::rollout::progress::{approval, freeze, holds, instances, pause};
use crate::rollout::requests::{approve, ingest, thaw};
use crate::task::ask::{self, Seen, Sight};
use crate::task::ledger;
use crate::task::observation::{Known, Missing};

/// What moves is told by the poller; a look besides is for what is told by the time alone, so many times less often than one
/// that reads.
const RUNNING: u32 = 6;
/// The same of one that waits for a person: reminders.
const PAUSED: u32 = 36;

/// By then the poller has seen how an execution goes that has started; what it has done until then is not much.
const NEW: SignedDuration = SignedDuration::from_secs(30);

/// What the poller asks.
const LISTED: &str = "OOS ListExecutions";

/// From then on an update says that what it shows is not fresh.
const SAID_LATE: Duration = Duration::from_secs(60);

/// What is to be shown; `None`: it takes a look of its own.
pub(super) fn look(
    ctx: &Context<'_>,
    status: &Draft,
    execution: &ExecutionRef,
) -> Known<Option<Drafted>> {
    if is_asked_something(ctx, status) {
        return takes_note(ctx, status, execution);
    }
    let begun = status.start.as_ref().map(|intent| intent.time.0);
    let is_new = begun.is_some_and(|begun| ctx.now() < begun + NEW) && status.summary.is_none();
    let seen = match seen(ctx, status, execution)? {
        Sight::Unpolled => return Ok(Some(ctx.decide(status.clone(), ctx.waits().poll()))),
        Sight::Late(late) if *late < SAID_LATE => {
            return Ok(Some(ctx.decide(status.clone(), ctx.waits().poll())));
        }
        Sight::Late(_) => return Err(Missing::Failed(Box::new(ask::late(LISTED, SAID_LATE)))),
        Sight::Seen(seen) if seen.nested.is_some() || !is_new || !is_on_its_way(seen) => seen,
        Sight::Seen(_) | Sight::ToCome if is_new => {
            return Ok(Some(ctx.decide(status.clone(), ctx.waits().poll())));
        }
        _ => return Ok(None),
    };
    let mut status = status.clone();
    let pause = status.pause.clone();
    let mut left_is_shown = None;
    let looks = match pause.filter(|pause| !has_been_left(&status, pause, seen)) {
        Some(pause) => {
            left_is_shown = approval::left_is_shown_at(ctx, &status, pause.id);
            if !waits_as_before(&pause, &seen.root)
                || !is_sure(ctx, &pause)
                || left_is_shown.is_some_and(|shown| ctx.now() >= shown)
                || approve::approved_by(ctx, &status, &pause).is_some()
            {
                return Ok(None);
            }
            PAUSED
        }
        None => {
            let nested = seen.nested.as_ref().filter(|_| is_on_its_way(seen));
            let Some(nested) = nested.filter(|nested| go_well(&status, nested)) else {
                return Ok(None);
            };
            if status.pause.take().is_some() {
                status.resumed_time = Some(Time(ctx.now()));
            }
            instances::apply(ctx, &mut status, nested, &[])?;
            RUNNING
        }
    };
    show_progress(ctx, &mut status);
    // Containers that do not come up are told by nothing but a look.
    let poll = ctx.input.settings.poll_interval;
    let wait = match (ctx.update.content_kind(), looks) {
        (ContentKind::Containers, RUNNING) => poll,
        _ => poll * looks,
    };
    let wait = left_is_shown.map_or(wait, |shown| wait.min(ctx.waits().left(shown)));
    let left = until_it_stands_still(ctx, &status);
    let held = approve::until_let_go(ctx, &status);
    let checks = holds::until_checks(ctx, &status);
    let frozen = freeze::until_too_long(ctx, &status);
    let thawed = thaw::until_due(ctx, &status);
    let decision = ctx.decide(status, Next::After(wait));
    let decision = decision.within(left).within(held);
    let decision = decision.within(checks).within(frozen);
    Ok(Some(decision.within(thawed)))
}

/// A request to leave the pause that is on record, and that the execution has not left, goes on record as it is: what is
/// done about it is judged by what is read after that.
fn takes_note(
    ctx: &Context<'_>,
    status: &Draft,
    execution: &ExecutionRef,
) -> Known<Option<Drafted>> {
    let asked: Vec<Verb> = new_requests(ctx, status).collect();
    let Some(pause) = status.pause.as_ref().filter(|_| asked == [Verb::Continue]) else {
        return Ok(None);
    };
    if must_be_read(ctx, status) {
        return Ok(None);
    }
    let seen = seen(ctx, status, execution)?;
    if !matches!(seen, Sight::Seen(seen) if waits_as_before(pause, &seen.root)) {
        return Ok(None);
    }
    let (mut status, pause) = (status.clone(), pause.clone());
    ingest::ingest(ctx, &mut status, Some(&pause));
    show_progress(ctx, &mut status);
    Ok(Some(ctx.decide(status, Next::Now)))
}

/// Whether a pause is what it was taken for.
fn is_sure(ctx: &Context<'_>, pause: &Pause) -> bool {
    let told_by_tasks = matches!(pause.kind, PauseKind::Batch | PauseKind::Failure);
    told_by_tasks && ctx.now() >= pause.since.0 + pause::SURE_AFTER
}

fn seen<'a>(
    ctx: &Context<'a>,
    status: &RollingUpdateTaskStatus,
    execution: &ExecutionRef,
) -> Known<&'a Sight> {
    let latest = status.latest_instance_time.as_ref().map(|time| time.0);
    Ok(ctx.input.observation.seen(&execution.id, latest)?)
}

/// Whether nothing of the execution has moved since it was last looked at in this pause.
pub(super) fn waits_as_before(pause: &Pause, root: &Execution) -> bool {
    let as_before = Some(fingerprint(root));
    root.status == ExecutionStatus::Waiting && pause.execution_fingerprint == as_before
}

/// Whether the update goes on after an Approve that OOS took. A list from before the pause shows the same, with an earlier
/// date.
fn has_been_left(status: &Draft, pause: &Pause, seen: &Seen) -> bool {
    let approve = approval::of_pause(status, pause.id);
    let is_taken = approve.is_some_and(|record| record.answer == Some(ApproveAnswer::Taken));
    let before = pause.execution_update_time.as_ref().map(|time| time.0);
    is_taken && is_on_its_way(seen) && before.is_some() && seen.root.updated > before
}

/// A pause that is known for sure and is to be left, with who lets it: nothing has failed in it that somebody could have
/// retried by other means, and OOS has moved the execution's date since its start, so that the next pause is told from it by that.
pub(super) fn to_be_left(ctx: &Context<'_>, status: &Draft) -> Option<(Pause, String)> {
    let pause = status.pause.as_ref()?;
    let mut instances = status.instances.iter();
    let mut open = status.actions.iter();
    let started = status
        .execution
        .as_ref()
        .and_then(|e| e.start_time.as_ref());
    let date_moves = started.is_some() && pause.execution_update_time.as_ref() > started;
    let is_plain = date_moves
        && pause.kind == PauseKind::Batch
        && is_sure(ctx, pause)
        && approval::of_pause(status, pause.id).is_none()
        && thaw::is_suspended(status)
        && cancel::reason(ctx, status).is_none()
        && !ctx.lost_group()
        && status.call_refused.is_none()
        && new_requests(ctx, status).next().is_none()
        && open.all(|a| a.state != ActionState::Accepted || a.verb == Verb::Continue)
        && instances.all(|i| matches!(i.state, InstanceState::Pending | InstanceState::Succeeded));
    let by = approve::approved_by(ctx, status, pause).filter(|_| is_plain)?;
    Some((pause.clone(), by))
}

/// An execution that waits, with its nested ones, where no more than its tasks need be read to tell for what.
pub(super) fn waiting<'a>(
    ctx: &Context<'a>,
    status: &Draft,
    execution: &ExecutionRef,
) -> Known<Option<(&'a Execution, &'a [Execution])>> {
    if is_asked_something(ctx, status) {
        return Ok(None);
    }
    let Sight::Seen(seen) = seen(ctx, status, execution)? else {
        return Ok(None);
    };
    let nested = seen.nested.as_deref();
    let nested = nested.filter(|nested| go_well(status, nested));
    Ok(nested
        .filter(|_| seen.root.status == ExecutionStatus::Waiting)
        .map(|nested| (&seen.root, nested)))
}

/// Whether nothing is done but to show something.
pub(super) fn only_shows(decision: &Drafted) -> bool {
    decision.work.is_none()
        && decision.record.is_none()
        && decision.finalizer.is_none()
        && decision.execution_annotation.is_none()
        && !decision.delete
}

/// Whether there is anything to do about it but to show how far it is.
fn is_asked_something(ctx: &Context<'_>, status: &Draft) -> bool {
    must_be_read(ctx, status) || new_requests(ctx, status).next().is_some()
}

fn new_requests(ctx: &Context<'_>, status: &Draft) -> impl Iterator<Item = Verb> {
    ledger::new_requests(ctx.metadata, &status.handled_actions)
}

/// Whether something is under way that is judged by what is read.
fn must_be_read(ctx: &Context<'_>, status: &Draft) -> bool {
    let mut actions = status.actions.iter();
    cancel::reason(ctx, status).is_some()
        || ctx.lost_group()
        || approval::is_under_way(status)
        || thaw::is_due(ctx, status)
        || status.call_refused.is_some()
        || actions.any(|action| action.state == ActionState::Accepted)
}

fn is_on_its_way(seen: &Seen) -> bool {
    use ExecutionStatus::{Running, Started};
    matches!(seen.root.status, Running | Started)
}

/// Whether all of them are on their way or done. What is on record completes them, so that has to be all, and of the same
/// attempts.
fn go_well(status: &Draft, nested: &[Execution]) -> bool {
    use ExecutionStatus::{Pending, Queued, Running, Started, Success};
    let known = status.instances.iter();
    let known: BTreeMap<&str, &str> = known
        .filter_map(|i| Some((i.id.as_str(), i.execution_id.as_deref()?)))
        .collect();
    let is_another_attempt = |nested: &Execution| {
        let instance = instance_of(&nested.parameters).and_then(|id| known.get(id));
        instance.is_some_and(|known| **known != *nested.id)
    };
    if status.instances_truncated.is_some() || nested.iter().any(is_another_attempt) {
        return false;
    }
    let mut instances = status.instances.iter();
    let mut nested = nested.iter();
    nested.all(|e| matches!(e.status, Pending | Queued | Started | Running | Success))
        && instances.all(|instance| {
            use InstanceState::{Pending, Succeeded, Updating};
            matches!(instance.state, Pending | Updating | Succeeded)
        })
}
