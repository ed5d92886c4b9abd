//! The checks of `spec.gates`: made while a batch is under way, while it soaks, and then until they have passed as often as they
//! have to. Doubt is no guilt: what is not known makes the update wait, and nothing else.
//!
//! A check asks the cloud once for each interval, by intervals that begin for everybody at the same time, so that all who ask
//! the same share one answer. What is on record is what a later look decides by: how often all passed, and a verdict that a person
//! has to do something about. What the checks last said is for people.
//!
//! | module | what |
//! |---|---|
//! | [`alarms`], [`balancers`], [`metrics`], [`webhooks`] | a kind of check each: what it asks, and what that comes to |
//! | [`last`] | the checks after the last batch, which hold nothing any more but the verdict |
//! | [`whose`] | whose instances they are about |
//! | [`check`] | what they have in common, answers that all who ask the same share among it |

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    BatchState, GateFailurePolicy, GateStatus, GateVerdict, Gates, InconclusivePolicy, Pause,
    PauseKind, RollingUpdateTaskStatus, Verdict, condition,
};
use ess_rollout_cloud::ScalingGroup;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{approval, summary};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Event};
use crate::task::display::Value;
use crate::task::observation::Known;
use crate::task::reason::Reason;
use check::{Found, Unusable, interval, next_slot};

mod alarms;
mod balancers;
mod check;
pub(in crate::rollout) mod last;
mod metrics;
mod webhooks;
mod whose;

/// Why the checks hold the next batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) enum Held {
    /// They have not passed as often as they have to.
    Evaluating {
        /// How often they have, of how often they have to.
        passes: (i32, i32),
        /// When they are made again.
        until: Timestamp,
    },
    /// A person has to say what becomes of it.
    Verdict(Reason, String),
}

/// What besides the checks holds the next batch, in a pause after one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Besides {
    pub(super) person: bool,
    pub(super) soak: bool,
    pub(super) window: bool,
}

fn checks<'a>(ctx: &Context<'a>) -> Option<&'a Gates> {
    let gates = ctx.spec.policy.gates.as_ref();
    gates.filter(|gates| gates.has_checks())
}

/// How long the gates hold a batch at the least: its soak, and as many checks as have to pass.
pub(super) fn takes(gates: &Gates) -> Duration {
    let soak = gates.soak_seconds.unwrap_or_default();
    let passes = gates.consecutive_passes.unwrap_or(Gates::PASSES);
    let passes = passes * gates.interval_seconds.unwrap_or(Gates::INTERVAL);
    let checks = if gates.has_checks() { passes } else { 0 };
    Duration::from_secs((soak + checks).unsigned_abs().into())
}

// ---- while it runs

/// The pause that is next, or that it is in, if anything is asked for its sake.
fn about(ctx: &Context<'_>, gates: &Gates, status: &RollingUpdateTaskStatus) -> Option<i32> {
    // What led to its end stays as it was found.
    if status.result.is_some() || status.cancellation.is_some() || ctx.lost_group() {
        return None;
    }
    let id = match &status.pause {
        Some(pause) if pause.kind != PauseKind::Batch => return None,
        Some(pause) if approval::of_pause(status, pause.id).is_some() => return None,
        Some(pause) => pause.id,
        None => {
            let ended = |state| matches!(state, BatchState::Succeeded | BatchState::Failed);
            let mut batches = status.batches.iter();
            let under_way = batches.find(|batch| !ended(batch.state));
            under_way.map(|batch| batch.index)?
        }
    };
    let holds_nothing = summary::is_last(status, id)
        && (gates.on_failed == GateFailurePolicy::Hold || status.pause.is_some());
    (!holds_nothing && ctx.deleting.is_none()).then_some(id)
}

/// Makes the checks, if that is due, and puts on record what they come to.
pub(super) fn look(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    besides: Besides,
) -> Known<()> {
    let Some(gates) = checks(ctx) else {
        return Ok(());
    };
    let Some(id) = about(ctx, gates, status) else {
        return Ok(());
    };
    let before = status.gate.take().filter(|gate| gate.pause_id == id);
    let mut gate = before.unwrap_or_else(|| new(id));
    if gate.verdict.is_none() && is_due(ctx, gates, (status, besides), &mut gate) {
        let since = status.pause.as_ref().map(|pause| pause.since.0);
        let found = check::all([
            alarms::check(ctx, gates, status, since),
            balancers::check(ctx, gates, status),
            metrics::check(ctx, gates, status),
            webhooks::check(ctx, gates, status),
        ])?;
        take(ctx, gates, &mut gate, &found.concat());
    }
    status.gate = (gate != new(id)).then_some(gate);
    Ok(())
}

/// Whether a person has to decide about what the checks of this pause came to.
pub(super) fn has_verdict(status: &RollingUpdateTaskStatus, pause: i32) -> bool {
    let gate = status.gate.as_ref().filter(|gate| gate.pause_id == pause);
    gate.is_some_and(|gate| gate.verdict.is_some())
}

/// Forgets what they came to: they are made again, and nothing that was answered before this counts. What they last were stays on
/// show until then.
pub(super) fn retry(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    if let Some(gate) = &mut status.gate {
        *gate = GateStatus {
            retry_time: Some(Time(ctx.now())),
            checks: std::mem::take(&mut gate.checks),
            ..new(gate.pause_id)
        };
    }
}

fn new(pause_id: i32) -> GateStatus {
    GateStatus {
        pause_id,
        since: None,
        passes: 0,
        last_pass_time: None,
        retry_time: None,
        verdict: None,
        checks: Vec::new(),
    }
}

/// Whether the checks are made now. What the time has made of what they came to goes on record, too: after the soak they begin
/// to count, while a window is closed nothing is asked, and what had passed before it closed has to pass again.
fn is_due(
    ctx: &Context<'_>,
    gates: &Gates,
    (status, besides): (&RollingUpdateTaskStatus, Besides),
    gate: &mut GateStatus,
) -> bool {
    let Some(pause) = &status.pause else {
        return true;
    };
    if is_new(ctx, pause) {
        return false;
    }
    if besides.window {
        (gate.passes, gate.last_pass_time, gate.since) = (0, None, None);
        return false;
    }
    if besides.soak {
        return true;
    }
    if has_passed(gates, gate) {
        if is_fresh(ctx, gates, gate) || besides.person {
            return false;
        }
        (gate.passes, gate.last_pass_time, gate.since) = (0, None, None);
    }
    gate.since.get_or_insert_with(|| Time(ctx.now()));
    true
}

/// Whether the pause was found just now: it has been said what it waits for, and the first look at that comes next.
fn is_new(ctx: &Context<'_>, pause: &Pause) -> bool {
    ctx.now() <= pause.since.0
}

fn has_passed(gates: &Gates, gate: &GateStatus) -> bool {
    gate.passes >= gates.consecutive_passes.unwrap_or(Gates::PASSES)
}

/// Whether it passed so lately that it counts.
fn is_fresh(ctx: &Context<'_>, gates: &Gates, gate: &GateStatus) -> bool {
    let last = gate.last_pass_time.as_ref();
    last.is_some_and(|last| ctx.waits().since(last) <= interval(gates) * 2)
}

/// Puts on record what the checks came to.
fn take(ctx: &Context<'_>, gates: &Gates, gate: &mut GateStatus, found: &[Found]) {
    let now = Time(ctx.now());
    check::show(ctx, gate, found);
    if let Some(failed) = check::first(found, Verdict::Fail) {
        gate.verdict = Some(failed.verdict(ctx, Verdict::Fail));
        return;
    }
    let Some(since) = gate.since.clone() else {
        return;
    };
    if let Some(unclear) = check::first(found, Verdict::Inconclusive) {
        (gate.passes, gate.last_pass_time) = (0, None);
        if ctx.now() >= since.0 + timeout(gates) {
            gate.verdict = Some(match gates.on_inconclusive {
                InconclusivePolicy::Hold => unclear.verdict(ctx, Verdict::Inconclusive),
                InconclusivePolicy::Fail => unclear.verdict(ctx, Verdict::Fail),
            });
        }
        return;
    }
    // An interval apart: the first falls anywhere into one, and times on record have whole seconds.
    let apart = interval(gates) - SignedDuration::from_secs(1);
    let counted = gate.last_pass_time.as_ref();
    if counted.is_none_or(|last| ctx.waits().since(last) >= apart) {
        gate.passes += 1;
        gate.last_pass_time = Some(now);
    }
}

/// What of them holds the next batch in this pause.
pub(super) fn held(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: i32,
) -> Option<Held> {
    let gates = checks(ctx)?;
    let gate = status.gate.as_ref().filter(|gate| gate.pause_id == pause);
    if let Some(verdict) = gate.and_then(|gate| gate.verdict.as_ref()) {
        return Some(Held::Verdict(reason(verdict), verdict.message.clone()));
    }
    if gate.is_some_and(|gate| has_passed(gates, gate) && is_fresh(ctx, gates, gate)) {
        return None;
    }
    let wanted = gates.consecutive_passes.unwrap_or(Gates::PASSES);
    let passes = gate.map_or(0, |gate| gate.passes.min(wanted));
    Some(Held::Evaluating {
        passes: (passes, wanted),
        until: next_slot(ctx, gates),
    })
}

/// Says what they have come to, as long as the update goes on; after that `Verified` has the last word.
pub(in crate::rollout) fn show(ctx: &Context<'_>, status: &mut Draft) {
    let Some(gates) = checks(ctx).filter(|_| status.result.is_none()) else {
        return;
    };
    let Some(gate) = &status.gate else {
        return;
    };
    let id = gate.pause_id;
    let (value, reason, message) = match &gate.verdict {
        Some(verdict) => (Value::False, reason(verdict), verdict.message.clone()),
        None if has_passed(gates, gate) => {
            let message = format!("after batch {id} all checks have passed");
            (Value::True, Reason::Passed, message)
        }
        None => {
            let message = format!("after batch {id} not all checks have passed yet");
            (Value::Unknown, Reason::GateEvaluating, message)
        }
    };
    status.set(condition::GATE_PASSED, value, reason, &message);
}

fn reason(verdict: &GateVerdict) -> Reason {
    match verdict.verdict {
        Verdict::Pass | Verdict::Fail => Reason::GateFailed,
        Verdict::Inconclusive => Reason::GateInconclusive,
    }
}

/// How long until the checks are to be made again.
pub(super) fn until_next(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    besides: Besides,
) -> Option<Duration> {
    let gates = checks(ctx)?;
    let id = about(ctx, gates, status)?;
    let gate = status.gate.as_ref().filter(|gate| gate.pause_id == id);
    if gate.is_some_and(|gate| gate.verdict.is_some()) {
        return None;
    }
    let has_passed = gate.is_some_and(|gate| has_passed(gates, gate));
    if status.pause.is_some() && (besides.window || besides.person && has_passed) {
        return None;
    }
    let is_new = status
        .pause
        .as_ref()
        .is_some_and(|pause| is_new(ctx, pause));
    let next = match is_new {
        true => ctx.now(),
        false => next_slot(ctx, gates),
    };
    // What they have come to by then is decided at that time, not a part of an interval later.
    let over = gate.and_then(|gate| gate.since.as_ref().map(|since| since.0 + timeout(gates)));
    let grace = status.pause.as_ref();
    let grace = grace.and_then(|pause| Some(pause.since.0 + balancers::grace(gates)?));
    let over = over.into_iter().chain(grace);
    let over = over.filter(|over| *over > ctx.now()).min();
    Some(ctx.waits().left(over.map_or(next, |over| over.min(next))))
}

fn timeout(gates: &Gates) -> SignedDuration {
    SignedDuration::from_secs(gates.timeout_seconds.unwrap_or(Gates::TIMEOUT).into())
}

/// The reason of a cancellation because of them (`status.cancellation.reason`).
pub(in crate::rollout) const CANCELLED: &str = "GateFailed";

/// Whether the update is to be cancelled because of them.
pub(in crate::rollout) fn cancels(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    let gates = ctx.spec.policy.gates.as_ref();
    let cancels = gates.is_some_and(|gates| match gates.on_failed {
        GateFailurePolicy::Hold => false,
        GateFailurePolicy::Cancel => true,
        // In a pause the rollback takes the group over from it, as it is; where a person has deleted that, what was found then is
        // still on record when the next batch begins.
        GateFailurePolicy::Rollback => {
            status.pause.is_none() && status.automatic_rollback.is_none()
        }
    });
    let verdict = status.gate.as_ref().and_then(|gate| gate.verdict.as_ref());
    cancels && verdict.is_some_and(|verdict| verdict.verdict == Verdict::Fail)
}

/// That a person has to decide something, or that it is cancelled.
pub(in crate::rollout) fn event(
    ctx: &Context<'_>,
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Option<Event> {
    let gate = new.gate.as_ref()?;
    let verdict = gate.verdict.as_ref()?;
    let before = old
        .gate
        .as_ref()
        .filter(|old| old.pause_id == gate.pause_id);
    if before.is_some_and(|before| before.verdict.as_ref() == Some(verdict)) {
        return None;
    }
    let rolled_back = new.automatic_rollback.as_ref();
    let then = match (cancels(ctx, new), rolled_back) {
        (_, Some(rollback)) => {
            format!(
                "Rollback {} undoes the update (spec.gates.onFailed)",
                rollback.name
            )
        }
        _ if new.result.is_some() => {
            "the update has ended, and is not Verified (spec.gates)".to_owned()
        }
        (true, None) => "the update is cancelled (spec.gates.onFailed)".to_owned(),
        (false, None) => format!("the pause after batch {} waits for a person", gate.pause_id),
    };
    let note = format!("{}; {then}", verdict.message);
    Some(Event::warning(reason(verdict), "Check", note))
}

// ---- before it begins

/// What the checks say before anything has begun.
pub(in crate::rollout) enum AtStart {
    /// Nothing is asked.
    Nothing,
    /// What is asked could never pass, and how to mend that.
    Unusable(String),
    /// One of them fails, or cannot be made.
    Failing(String),
    /// In words, for people.
    Noted(String),
}

/// Looks at what the checks say of a group as it is.
pub(in crate::rollout) fn at_start(ctx: &Context<'_>, group: &ScalingGroup) -> Known<AtStart> {
    let Some(gates) = checks(ctx) else {
        return Ok(AtStart::Nothing);
    };
    let kinds = check::all([
        Ok(webhooks::at_start(ctx, gates)),
        alarms::at_start(ctx, gates, group),
        balancers::at_start(ctx, gates, group),
        metrics::at_start(ctx, gates),
    ])?;
    let mut found = Vec::new();
    for of_kind in kinds {
        match of_kind {
            Ok(of_kind) => found.extend(of_kind),
            Err(Unusable(why)) => return Ok(AtStart::Unusable(why)),
        }
    }
    let first = |verdict| check::first(&found, verdict);
    Ok(match (first(Verdict::Fail), first(Verdict::Inconclusive)) {
        (Some(failing), _) => AtStart::Failing(failing.message.clone()),
        (None, Some(unclear)) => AtStart::Noted(format!(
            "of the checks {}: after a batch it would wait for that",
            unclear.message
        )),
        (None, None) => AtStart::Noted("all checks of spec.gates pass now".to_owned()),
    })
}
