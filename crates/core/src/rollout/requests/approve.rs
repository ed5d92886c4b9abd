//! Leaving a batch pause: who lets it, and one Approve for each.
//!
//! An Approve has no address and OOS gives none a token, so one that takes effect late, or that is
//! repeated by what an old list shows, lets a batch run that nobody approved. Hence:
//!
//! - while one has no answer, no other is sent, for whichever pause, before the first can no longer
//!   take effect and lists are newer than that ([`ApproveRecord::until`], fixed when it is sent)
//! - one that OOS took is not repeated: a pause that still shows then is an old list
//! - one that OOS refused is repeated once, after a look that is newer than the refusal; then it is
//!   said, and a person has to ask again

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    Action, ActionState, Approval, ApproveAnswer, ApproveRecord, Pause, PauseKind,
    RollingUpdateTaskStatus, Verb,
};
use ess_rollout_cloud::{CloudError, Done, Execution, Mutation, NotifyType, Outcome as Effect};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::close;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next, Work};
use crate::rollout::progress::approval::{Obstacle, REFUSALS_MAX, obstacle, of_pause, over_at};
use crate::rollout::progress::holds::{self, Hold};
use crate::rollout::progress::show_progress::show_progress;
use crate::rollout::progress::summary;
use crate::rollout::report;
use crate::task::cloud_failure;
use crate::task::conditions::shorten;
use crate::task::ledger;
use crate::task::reason::Reason;

/// The most bytes of what OOS said (CRD: `status.approve.message`).
const MESSAGE_MAX: usize = 512;

/// What became of an Approve that was sent just before.
fn outcome<'a>(ctx: &Context<'a>, execution: &str) -> Option<&'a Result<Done, CloudError>> {
    let outcome = ctx.input.outcome?;
    let Mutation::NotifyExecution {
        execution: id,
        notify: NotifyType::Approve,
        ..
    } = &outcome.mutation
    else {
        return None;
    };
    (id == execution).then_some(&outcome.result)
}

/// Puts on record what became of the Approve just sent, whatever becomes of the reads after it; and
/// takes over what an earlier version, or a clock that was ahead, has left.
pub(in crate::rollout) fn take_outcome(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    inherit(ctx, status);
    let now = Time(ctx.now());
    let Some(record) = &mut status.approve else {
        return;
    };
    if record.time.0 > now.0 {
        let wait = record.until.0.duration_since(record.time.0);
        record.time = now.clone();
        record.until = Time(now.0 + wait);
    }
    let id = status.execution.as_ref().map_or("", |e| e.id.as_str());
    let Some(result) = outcome(ctx, id).filter(|_| record.answer.is_none()) else {
        return;
    };
    let waits = ctx.waits();
    match result {
        Ok(_) => {
            record.answer = Some(ApproveAnswer::Taken);
            record.until = Time(waits.shown_at(now.0));
        }
        Err(error) if error.outcome == Effect::Unknown => return,
        Err(error) if cloud_failure::is_passing(error) => {
            record.answer = Some(ApproveAnswer::Failed);
            record.failures += 1;
            record.until = Time(now.0 + waits.after_no_effect(error, record.failures));
        }
        Err(error) => {
            record.answer = Some(ApproveAnswer::Refused);
            record.refusals += 1;
            record.until = Time(waits.shown_at(now.0));
            // Without the request id, which changes at each try.
            let message = format!("{} {}", error.code, error.message);
            record.message = shorten(message.trim(), MESSAGE_MAX);
        }
    }
    record.answer_time = Some(now);
    let (pause, answer) = (record.pause, record.answer);
    if answer == Some(ApproveAnswer::Taken) {
        for action in open_continues(&mut status.actions) {
            if is_for(action, pause) {
                close::resolve(ctx, action, ActionState::Applied, Reason::Continued, "");
            }
        }
    } else if let Some(pause) = &mut status.pause {
        // Nothing is on its way: a rollback may take the update over.
        pause.approval = None;
    }
}

/// Earlier versions kept what is now the record elsewhere.
fn inherit(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let Some(latched) = status.latched.as_mut().filter(|l| l.approved_pause > 0) else {
        return;
    };
    let id = std::mem::take(&mut latched.approved_pause);
    let time = latched.approved_pause_time.take();
    if status.approve.is_some() {
        return;
    }
    let time = time.unwrap_or_else(|| Time(ctx.now()));
    let pause = status.pause.as_ref();
    let updated = pause.and_then(|pause| pause.execution_update_time.clone());
    let approval = pause.and_then(|pause| pause.approval.as_ref());
    let approval = Approval {
        attempt: approval.map_or(1, |approval| approval.attempt),
        by: approval.map_or_else(|| "spec.approvedBatches".to_owned(), |a| a.by.clone()),
        time,
    };
    status.approve = Some(unanswered(ctx, id, &approval, updated));
}

/// The record of an Approve that has no answer yet, the first of its pause.
fn unanswered(
    ctx: &Context<'_>,
    pause: i32,
    approval: &Approval,
    execution_update_time: Option<Time>,
) -> ApproveRecord {
    ApproveRecord {
        pause,
        until: Time(ctx.waits().clear_at(&approval.time)),
        time: approval.time.clone(),
        attempt: approval.attempt,
        by: approval.by.clone(),
        execution_update_time,
        answer: None,
        answer_time: None,
        refusals: 0,
        failures: 0,
        message: String::new(),
    }
}

fn open_continues(actions: &mut [Action]) -> impl Iterator<Item = &mut Action> {
    let open = |a: &&mut Action| a.verb == Verb::Continue && a.state == ActionState::Accepted;
    actions.iter_mut().filter(open)
}

fn is_for(action: &Action, pause: i32) -> bool {
    action.targets.first() == Some(&pause.to_string())
}

/// Ends requests to leave a pause that has been left, whoever caused it, or that cannot be left so.
/// `ended`: the execution has ended.
pub(in crate::rollout) fn resolve_continues(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    pause: Option<&Pause>,
    ended: bool,
) {
    let mut actions = std::mem::take(&mut status.actions);
    for action in open_continues(&mut actions) {
        let target = action.targets.first().and_then(|text| text.parse().ok());
        let id: i32 = target.unwrap_or(0);
        let same = pause.filter(|pause| pause.id == id);
        let (reason, message) = match same.map(|pause| pause.kind) {
            None if ended || left(status, id, pause) => (
                Reason::AlreadyEffective,
                "the pause has been left".to_owned(),
            ),
            // A list from before the pause.
            None => continue,
            Some(PauseKind::Failure) => (
                Reason::FailurePause,
                "the update waits because something failed: status.pause.message has the commands".to_owned(),
            ),
            Some(PauseKind::Approval | PauseKind::Unknown) => (
                Reason::Unsupported,
                "this pause is no batch pause: answer it in the OOS console".to_owned(),
            ),
            Some(PauseKind::Batch) => match obstacle(ctx, status, id, Some(action)) {
                None => continue,
                Some(Obstacle::Taken(record)) => (
                    Reason::AlreadyEffective,
                    format!("OOS took an Approve of this pause at {}", record.time.0),
                ),
                Some(Obstacle::Refused(record)) => (
                    Reason::Refused,
                    format!("OOS refused to go on: {}", record.message),
                ),
                Some(Obstacle::Alike) => (
                    Reason::OutcomeUnknown,
                    "an Approve of this pause was never answered, and it cannot be told whether the update has left it: go on in the OOS console".to_owned(),
                ),
            },
        };
        let state = match reason {
            Reason::AlreadyEffective => ActionState::Applied,
            _ => ActionState::Rejected,
        };
        close::resolve(ctx, action, state, reason, &message);
    }
    status.actions = actions;
}

/// Whether it shows that the update has left a pause: by a later one, or by an instance of a later
/// batch that has begun.
fn left(status: &RollingUpdateTaskStatus, id: i32, pause: Option<&Pause>) -> bool {
    let mut later = status.instances.iter().filter(|i| i.batch > id);
    pause.is_some_and(|pause| pause.id > id) || later.any(|i| i.execution_id.is_some())
}

/// Who lets the update leave this pause: a request, the level in the spec, or that nothing holds the next batch any more.
pub(in crate::rollout) fn approved_by(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: &Pause,
) -> Option<String> {
    let asked = asked_for(status, pause);
    if obstacle(ctx, status, pause.id, asked).is_some() {
        return None;
    }
    if !holds_of(ctx, status, pause).is_empty() {
        return None;
    }
    if let Some(action) = asked {
        return Some(action.id.clone());
    }
    let latched = status.latched.as_ref();
    if holds::asks_person(ctx, status, pause.id)
        && latched.is_some_and(|latched| latched.approved_batches > pause.id)
    {
        return Some("spec.approvedBatches".to_owned());
    }
    // What is on record stays wanted until the pause is left.
    let record = of_pause(status, pause.id).map(|record| record.by.clone());
    let policy = &ctx.spec.policy;
    let by = match (&policy.gates, &policy.windows.window) {
        (Some(_), _) => "spec.gates",
        (None, _) if ctx.windows().is_empty() && !status.windows_overridden.is_empty() => {
            Verb::OverrideWindow.word()
        }
        (None, Some(_)) => "spec.window",
        (None, None) if !policy.windows.window_refs.is_empty() => "spec.windowRefs",
        (None, None) => "MaintenanceWindow",
    };
    record.or_else(|| Some(by.to_owned()))
}

/// How long until the pause on show may be left by itself, if something holds it that lets go.
pub(in crate::rollout) fn until_let_go(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<Duration> {
    let pause = status
        .pause
        .as_ref()
        .filter(|pause| pause.kind == PauseKind::Batch)?;
    holds::until_next(ctx, &holds_of(ctx, status, pause))
}

/// Whether all that holds the next batch in this pause lets it go by then, by itself.
pub(super) fn lets_go_by(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: &Pause,
    time: Timestamp,
) -> bool {
    let mut holds = holds_of(ctx, status, pause).into_iter();
    holds.all(|hold| hold.until().is_some_and(|until| until <= time))
}

/// The request to leave this pause that is open, if there is one.
fn asked_for<'s>(status: &'s RollingUpdateTaskStatus, pause: &Pause) -> Option<&'s Action> {
    let asked = ledger::open(&status.actions, Verb::Continue);
    asked.filter(|action| is_for(action, pause.id))
}

/// What holds the next batch. An Approve that is on record stays wanted; what the window says holds
/// for another one, too.
fn holds_of(ctx: &Context<'_>, status: &RollingUpdateTaskStatus, pause: &Pause) -> Vec<Hold> {
    let decided = asked_for(status, pause).is_some() || of_pause(status, pause.id).is_some();
    holds::of_pause(ctx, status, (pause.id, pause.since.0), decided)
}

/// Until when no Approve may be sent, by what was sent before. `root`: the execution as just read.
fn held_until(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    root: &Execution,
    pause: &Pause,
) -> Option<Time> {
    let (now, waits) = (ctx.now(), ctx.waits());
    if let Some(record) = &mut status.approve
        && (record.pause == pause.id || record.answer.is_none())
    {
        let over = over_at(ctx, record);
        if now < over {
            return Some(Time(over));
        }
        // A second one that met the next pause would let a batch run that nobody approved. So the
        // execution must not have changed while it was waited for, whatever the other lists show.
        let updated = root.updated.map(Time);
        if record.pause == pause.id && record.execution_update_time != updated {
            record.execution_update_time = updated;
            record.until = Time(waits.shown_at(now));
            return Some(record.until.clone());
        }
    }
    // After the last batch that is known, the list of tasks may not show yet that it is something
    // else that waits.
    let shown = waits.shown_at(pause.since.0);
    (summary::is_last(status, pause.id) && now < shown).then_some(Time(shown))
}

/// Leaves a batch pause: one Approve for each pause, and another only when the first can no longer
/// take effect and the pause is still the same one.
pub(in crate::rollout) fn approve(
    ctx: &Context<'_>,
    mut status: Draft,
    root: &Execution,
    pause: Pause,
    by: &str,
) -> Drafted {
    let failed = outcome(ctx, &root.id).and_then(|result| result.as_ref().err());
    let failed = failed.filter(|e| e.outcome == Effect::NoEffect && cloud_failure::is_passing(e));
    if let Some(until) = held_until(ctx, &mut status, root, &pause) {
        match failed {
            Some(error) => report::failed(ctx, &mut status, error),
            None => show_progress(ctx, &mut status),
        }
        let next = match (ctx.waits().until(until.0), failed) {
            (Next::After(wait), Some(error)) => {
                Next::After(wait.max(error.retry_after.unwrap_or_default()))
            }
            // That it was left shows sooner.
            (Next::After(wait), None) => Next::After(wait.min(ctx.input.settings.poll_interval)),
            (other, _) => other,
        };
        return ctx.decide(status, next);
    }
    let same = of_pause(&status, pause.id);
    let updated = root.updated.map(Time);
    let approval = Approval {
        time: Time(ctx.now()),
        attempt: same.map_or(0, |record| record.attempt) + 1,
        by: by.to_owned(),
    };
    status.approve = Some(ApproveRecord {
        // Somebody has asked anew where it was refused as often as it may be.
        refusals: same.map_or(0, |record| record.refusals % REFUSALS_MAX),
        failures: same.map_or(0, |record| record.failures),
        ..unanswered(ctx, pause.id, &approval, updated.clone())
    });
    if let Some(pause) = &mut status.pause {
        pause.execution_update_time = updated;
        pause.approval = Some(approval);
    }
    show_progress(ctx, &mut status);
    let mut decision = ctx.decide(status, Next::Now);
    decision.work = Some(Work {
        mutation: Mutation::NotifyExecution {
            execution: root.id.clone(),
            notify: NotifyType::Approve,
            task_execution: None,
            loop_item: None,
            note: format!("{} ({by})", ctx.path()),
        },
    });
    decision
}
