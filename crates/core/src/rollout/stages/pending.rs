//! Before the start: credentials, the queue, preflight, the group taken, the intent on record.

use ess_rollout_api::v1alpha1::{DesiredState, Outcome, Plan, StartIntent, Verb};

use super::{adoption, cancel, starting};
use crate::identity;
use crate::rollout::before::preflight::{self, Ready};
use crate::rollout::before::refusal::{RECHECK, put_off, refuse, refuse_until, unless};
use crate::rollout::before::{deadline, denied, pace, pinned, run_keys, turn, waiting};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next, Undo};
use crate::rollout::progress::instances;
use crate::rollout::report::Phase;
use crate::rollout::requests::ingest;
use crate::rollout::restore::{left_out, record, runs};
use crate::rollout::scripts::Scripts;
use crate::rollout::{others, result, rollback};
use crate::task::observation::{Known, Missing};
use crate::task::problem::{Checked, Problem, verdict};
use crate::task::reason::Reason;

pub(super) fn decide(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    if ctx.is_asked(Verb::OverrideWindow) {
        ctx.require_tags()?;
    }
    if ingest::ingest(ctx, &mut status, None) {
        return Ok(ctx.decide(status, Next::Now));
    }
    if let Some(decision) = adoption::restored(ctx, &status)? {
        return Ok(decision);
    }
    if ctx.has_taken_over(&status)
        && let Some(decision) = after_takeover(ctx, &mut status)?
    {
        return Ok(decision);
    }
    if ctx.deleting.is_some() {
        // Nothing was started. The record goes back before the object does.
        let mut decision = ctx.decide(status, Next::Now);
        if ctx.holds() {
            decision.record = Some(record::given_back(ctx));
        } else {
            decision.finalizer = ctx.has_finalizer().then_some(false);
            decision.next = Next::OnChange;
        }
        return Ok(decision);
    }
    if cancel::reason(ctx, &status).is_some() {
        let message = "cancelled before anything was started";
        let (outcome, reason) = (Outcome::Cancelled, Reason::CancelledBeforeStart);
        return Ok(result::nothing_ran(ctx, status, outcome, reason, message));
    }
    if let Some(decision) = deadline::exceeded(ctx, &status) {
        return Ok(decision);
    }
    if let Some(decision) = deadline::missed(ctx, &status) {
        return Ok(decision);
    }
    let found = match ctx.undo.filter(|_| status.source.is_none()) {
        Some(undo) => find_source(ctx, &mut status, undo),
        None => check_object(ctx, &mut status),
    };
    let decision = verdict(found)?;
    Ok(decision.unwrap_or_else(|problem| refuse(ctx, status, &problem)))
}

/// What a rollback undoes goes on record before anything else is looked at.
fn find_source(ctx: &Context<'_>, status: &mut Draft, undo: Undo<'_>) -> Checked<Drafted> {
    if ctx.region.is_empty()
        && let Some(problem) = preflight::check_spec(ctx)
    {
        return Ok(refuse_until(ctx, status.clone(), &problem, Next::OnChange));
    }
    status.source = Some(rollback::source::find(ctx, undo)??);
    Ok(ctx.decide(status.clone(), Next::Now))
}

/// What the object says by itself, before the cloud is looked at.
fn check_object(ctx: &Context<'_>, status: &mut Draft) -> Checked<Drafted> {
    if let Some(problem) = preflight::check_spec(ctx) {
        return Ok(refuse_until(ctx, status.clone(), &problem, Next::OnChange));
    }
    let of_texts = preflight::check_config_maps(ctx);
    if let Some(problem) = of_texts.or_else(|| pinned::scripts(ctx, status)) {
        let mut decision = refuse(ctx, status.clone(), &problem);
        // Nobody tells of a change of a ConfigMap.
        if decision.status.result.is_none() {
            decision.next = ctx.waits().recheck();
        }
        return Ok(decision);
    }
    match ctx.spec.policy.desired_state {
        DesiredState::Plan => plan(ctx, status),
        DesiredState::Run | DesiredState::Cancelled => check_turn(ctx, status),
    }
}

/// Whether it is time, whose turn it is, and then whether anything stands against the start.
fn check_turn(ctx: &Context<'_>, status: &mut Draft) -> Checked<Drafted> {
    if let Some(decision) = waiting::wait(ctx, status)? {
        return Ok(decision);
    }
    if let Some(wait) = denied::left(ctx, status) {
        let left = deadline::left(ctx, status).map(|left| left.unsigned_abs());
        return Ok(ctx.decide(status.clone(), Next::After(wait)).within(left));
    }
    if let Some(decision) = turn::wait(ctx, status)? {
        return Ok(decision);
    }
    if let Some(decision) = run_keys::conflict(ctx, status)? {
        return Ok(decision);
    }
    if let Some(decision) = wait_for_unattended(ctx, status)? {
        return Ok(decision);
    }
    let source = status.source.clone();
    if let Some(source) = source.filter(|s| s.suspended && !ctx.holds()) {
        unless(rollback::source::overtaken(ctx, &source)?)?;
        return Ok(rollback::takeover::take_over(
            ctx,
            status.clone(),
            &source,
        )??);
    }
    // What a person has to mend first takes no turn from others.
    if status.start_blocked.is_none()
        && let Some(decision) = pace::wait(ctx, status)?
    {
        return Ok(decision);
    }
    let found = verdict(preflight::check_cloud(ctx))?;
    turn::note_end_of_others(ctx, status, &found);
    turn::note_group(ctx, status);
    let ready = found?;
    unless(pinned::changed(ctx, status, &ready))?;
    if let Some(wait) = turn::after_others(ctx, status) {
        let message = "the update of others that this one waited for has just ended; this one starts when what that one put back is sure to show";
        let problem = Problem::wait(others::OTHERS_RUN, message.into());
        let next = Next::After(wait.unsigned_abs());
        return Ok(refuse_until(ctx, status.clone(), &problem, next));
    }
    Ok(start(ctx, status.clone(), ready))
}

/// A rollback that has taken the group over from a suspended source: the source's execution is ended
/// whatever comes next, and what it left is this object's to put back. `None`: on to the start.
fn after_takeover(ctx: &Context<'_>, status: &mut Draft) -> Known<Option<Drafted>> {
    let source = status.source.as_ref();
    if source.is_none_or(|source| source.taken_over_time.is_none()) {
        // The operator died between the record and the status.
        match rollback::takeover::freeze(ctx, status) {
            Ok(()) => return Ok(Some(ctx.decide(status.clone(), Next::Now))),
            Err(Missing::Failed(_)) if ctx.deletion_overdue() => {}
            Err(interrupt) => return Err(interrupt),
        }
    }
    if ctx.deletion_overdue() {
        let message = "the rollback was deleted, and the update that it was to undo could not be ended in time";
        return Ok(Some(result::abandon(ctx, status.clone(), message)));
    }
    if let Some(decision) = rollback::takeover::end_source(ctx, status)? {
        return Ok(Some(decision));
    }
    if ctx.deleting.is_some() || cancel::reason(ctx, status).is_some() {
        let message = "cancelled after the update that it was to undo had been cancelled";
        result::cancelled(ctx, status);
        let (outcome, reason) = (Outcome::Cancelled, Reason::CancelledBeforeStart);
        let ended = result::begin(ctx, status.clone(), outcome, reason, message);
        return Ok(Some(ended));
    }
    Ok(None)
}

/// `desiredState: Plan`: everything that a start would be derived from, and nothing taken.
fn plan(ctx: &Context<'_>, status: &mut Draft) -> Checked<Drafted> {
    let found = verdict(preflight::check_cloud(ctx))?;
    turn::note_others(status, &found);
    let Ready {
        mut plan,
        template_version,
        notes,
        ..
    } = found?;
    pinned::plan(ctx, status, &template_version, &plan);
    // The time alone is no change worth a write.
    if let Some(before) = &status.plan {
        plan.time.clone_from(&before.time);
    }
    let message = format!(
        "{}; set spec.desiredState to Run to start",
        said(&plan, notes)
    );
    (status.plan, status.preflight_check) = (Some(plan), None);
    deadline::note(ctx, status, None);
    // Who is in which batch, and how many a batch takes out of service.
    instances::apply(ctx, status, &[], &[])?;
    status.passed(&message);
    status.show(Phase::Planned, Reason::Planned, &message);
    // The group may have been taken for a start that was put off just then.
    Ok(put_off(ctx, status.clone(), RECHECK))
}

/// What preflight says when nothing stands against the start.
fn said(plan: &Plan, mut notes: Vec<String>) -> String {
    notes.insert(0, in_batches(plan));
    notes.join(". ")
}

/// How many instances in how many batches, and what that takes out of service at a time.
fn in_batches(plan: &Plan) -> String {
    let total = plan.members.len();
    let batches = plan.members.last().map_or(0, |member| member.batch);
    let size = |batch| plan.members.iter().filter(|m| m.batch == batch).count();
    let largest = (1..=batches).map(size).max().unwrap_or(0);
    format!(
        "{total} instances in {batches} batches, which take up to {largest} of them ({}%) out of service at a time",
        (largest * 100).checked_div(total).unwrap_or(0)
    )
}

/// Waits for the end of a run that no object looks after any more.
fn wait_for_unattended(ctx: &Context<'_>, status: &Draft) -> Known<Option<Drafted>> {
    let Some((problem, look)) = runs::unattended(ctx, status)? else {
        return Ok(None);
    };
    let mut decision = match &problem {
        Some(problem) => refuse(ctx, status.clone(), problem),
        None => ctx.decide(status.clone(), Next::Now),
    };
    decision.record = Some(look.record).filter(|record| *record != ctx.record);
    decision.events = look.events;
    decision.next = look.next;
    Ok(Some(decision))
}

/// Takes the group, puts the intent on record, and starts: three effects, in this order.
fn start(ctx: &Context<'_>, mut status: Draft, ready: Ready) -> Drafted {
    let Ready {
        plan,
        template_version,
        method,
        mut notes,
        place,
    } = ready;
    notes.extend(pinned::note(&status, &plan));
    if let (Some(source), Some(method)) = (&mut status.source, method) {
        source.method = method;
    }
    let record = record::taken(ctx, &plan, Some(&place));
    status.place = Some(place);
    status.others_ended = None;
    deadline::note(ctx, &mut status, None);
    // Of an earlier plan.
    (status.instances, status.batches, status.summary) = (Vec::new(), Vec::new(), None);
    let mut decision = if plan.members.is_empty() {
        let message = left_out::nobody(ctx, &plan);
        status.plan = Some(plan);
        status.passed(&message);
        let (outcome, reason) = (Outcome::Succeeded, Reason::NoInstances);
        result::begin(ctx, status, outcome, reason, &message)
    } else {
        let mut intent = StartIntent {
            template_version: Some(template_version).filter(|version| !version.is_empty()),
            scripts: ctx.update.scripts().and_then(Scripts::frozen),
            ..starting::intent(ctx, ctx.spec_hash.clone(), &plan)
        };
        let call = starting::call(ctx, &status, &intent, &plan);
        intent.parameters_hash = identity::hash_value(&call.parameters);
        let message = said(&plan, notes);
        (status.start, status.plan) = (Some(intent), Some(plan));
        status.passed(&message);
        status.show(Phase::Running, Reason::Starting, &message);
        starting::send(ctx, status, call)
    };
    decision.record = Some(record);
    decision
}
