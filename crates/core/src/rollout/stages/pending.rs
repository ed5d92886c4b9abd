//! Before the start: credentials, the queue, preflight, the group taken, the intent on record.

use ess_rollout_api::v1alpha1::{ActionState, DesiredState, Outcome, Plan, StartIntent, Verb};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{adoption, cancel, starting};
use crate::identity;
use crate::rollout::before::preflight::{self, PreflightResult, Ready};
use crate::rollout::before::refusal::{RECHECK, refuse, releases_group};
use crate::rollout::before::{deadline, denied, pace, pinned, run_keys, turn};
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next, Undo, Work};
use crate::rollout::progress::instances;
use crate::rollout::report::Phase;
use crate::rollout::requests::{close, ingest};
use crate::rollout::restore::{left_out, record, runs};
use crate::rollout::scripts::Scripts;
use crate::rollout::{kind, others, result, rollback};
use crate::task::observation::{Known, Missing};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

pub(in crate::rollout) fn decide(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    ingest::ingest(ctx, &mut status, None);
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
        return Ok(result::nothing_ran(
            ctx,
            status,
            Outcome::Cancelled,
            result::CANCELLED_BEFORE_START,
            message,
        ));
    }
    if let Some(decision) = deadline::exceeded(ctx, &status) {
        return Ok(decision);
    }
    if let Some(undo) = ctx.undo
        && status.source.is_none()
    {
        return find_source(ctx, status, undo);
    }
    if let Some(problem) = preflight::check_spec(ctx) {
        return Ok(refuse(ctx, status, &problem, true));
    }
    let of_texts = preflight::check_config_maps(ctx);
    if let Some(problem) = of_texts.or_else(|| pinned::scripts(ctx, &mut status)) {
        let mut decision = refuse(ctx, status, &problem, false);
        // Nobody tells of a change of a ConfigMap.
        if decision.status.result.is_none() {
            decision.next = ctx.recheck();
        }
        return Ok(decision);
    }
    if ctx.spec.policy.desired_state == DesiredState::Plan {
        return plan(ctx, status);
    }
    if let Some(wait) = denied::left(ctx, &status) {
        let left = deadline::left(ctx, &status).map(|left| left.unsigned_abs());
        return Ok(ctx.decide(status, Next::After(wait)).within(left));
    }
    if let Some(decision) = turn::wait(ctx, &mut status)? {
        return Ok(decision);
    }
    if let Some(decision) = run_keys::conflict(ctx, &status)? {
        return Ok(decision);
    }
    if let Some(decision) = wait_for_unattended(ctx, &status)? {
        return Ok(decision);
    }
    if let Some(source) = status
        .source
        .clone()
        .filter(|s| s.suspended && !ctx.holds())
    {
        if let Some(problem) = rollback::source::overtaken(ctx, &source)? {
            return Ok(refuse(ctx, status, &problem, false));
        }
        return match rollback::takeover::take_over(ctx, status.clone(), &source)? {
            Ok(decision) => Ok(decision),
            Err(problem) => Ok(refuse(ctx, status, &problem, false)),
        };
    }
    // What a person has to mend first takes no turn from others.
    if status.start_blocked.is_none()
        && let Some(decision) = pace::wait(ctx, &status)?
    {
        return Ok(decision);
    }
    let verdict = preflight::check_cloud(ctx)?;
    turn::note_end_of_others(ctx, &mut status, &verdict);
    turn::note_group(ctx, &mut status);
    match verdict {
        PreflightResult::Problem(problem) => Ok(refuse(ctx, status, &problem, false)),
        PreflightResult::Ready(ready)
            if let Some(problem) = pinned::changed(ctx, &status, &ready) =>
        {
            Ok(refuse(ctx, status, &problem, false))
        }
        PreflightResult::Ready(ready) => Ok(match turn::after_others(ctx, &status) {
            Some(wait) => {
                let message = "the update of others that this one waited for has just ended; this one starts when what that one put back is sure to show";
                let problem = Problem::wait(others::OTHERS_RUN, message.into());
                let mut decision = refuse(ctx, status, &problem, false);
                decision.next = Next::After(wait.unsigned_abs());
                decision
            }
            None => start(ctx, status, *ready),
        }),
    }
}

/// What a rollback undoes goes on record before anything else is looked at.
fn find_source(ctx: &Context<'_>, mut status: Draft, undo: Undo<'_>) -> Known<Drafted> {
    if ctx.region.is_empty()
        && let Some(problem) = preflight::check_spec(ctx)
    {
        return Ok(refuse(ctx, status, &problem, true));
    }
    Ok(match rollback::source::find(ctx, undo)? {
        Ok(source) => {
            status.source = Some(source);
            ctx.decide(status, Next::Now)
        }
        Err(problem) => refuse(ctx, status, &problem, false),
    })
}

/// A rollback that has taken the group over from a suspended source: the source's execution is ended
/// whatever comes next, and what it left is this object's to put back. `None`: on to the start.
fn after_takeover(ctx: &Context<'_>, status: &mut Draft) -> Known<Option<Drafted>> {
    let frozen = status
        .source
        .as_ref()
        .and_then(|s| s.taken_over_time.as_ref());
    if frozen.is_none() {
        // The operator died between the record and the status.
        match rollback::takeover::freeze(ctx, status) {
            Ok(()) => return Ok(Some(ctx.decide(status.clone(), Next::Now))),
            Err(Missing::Failed(_)) if ctx.deletion_overdue() => {}
            Err(interrupt) => return Err(interrupt),
        }
    }
    if ctx.deletion_overdue() {
        let message = "the rollback was deleted, and the update that it was to undo could not be ended in time";
        let outcome = Outcome::Cancelled;
        let ended = result::begin(ctx, status.clone(), outcome, result::ABANDONED, message);
        return Ok(Some(ended));
    }
    if let Some(decision) = rollback::takeover::end_source(ctx, status)? {
        return Ok(Some(decision));
    }
    if ctx.deleting.is_some() || cancel::reason(ctx, status).is_some() {
        let message = "cancelled after the update that it was to undo had been cancelled";
        close::resolve_all(
            ctx,
            status,
            Verb::Cancel,
            ActionState::Applied,
            Reason::Cancelled,
            "",
        );
        let (outcome, reason) = (Outcome::Cancelled, result::CANCELLED_BEFORE_START);
        return Ok(Some(result::begin(
            ctx,
            status.clone(),
            outcome,
            reason,
            message,
        )));
    }
    Ok(None)
}

/// `desiredState: Plan`: everything that a start would be derived from, and nothing taken.
fn plan(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    let found = preflight::check_cloud(ctx)?;
    turn::note_others(&mut status, &found);
    match found {
        PreflightResult::Problem(problem) => Ok(refuse(ctx, status, &problem, false)),
        PreflightResult::Ready(ready) => {
            let mut plan = ready.plan;
            pinned::plan(ctx, &mut status, &ready.template_version, &plan);
            // The time alone is no change worth a write.
            if let Some(before) = &status.plan {
                plan.time.clone_from(&before.time);
            }
            let message = format!(
                "{}; set spec.desiredState to Run to start",
                said(&plan, &ready.notes)
            );
            status.plan = Some(plan);
            deadline::note(ctx, &mut status, None);
            // Who is in which batch, and how many a batch takes out of service.
            instances::apply(ctx, &mut status, &[], &[])?;
            status.passed(&message);
            status.show(Phase::Planned, Reason::Planned, &message);
            let releases = releases_group(ctx, &status);
            let mut decision = ctx.decide(status, Next::After(RECHECK.unsigned_abs()));
            // Taken for a start that was put off just then.
            if releases {
                decision.record = Some(record::given_back(ctx));
            }
            Ok(decision)
        }
    }
}

/// What preflight says when nothing stands against the start.
fn said(plan: &Plan, notes: &[String]) -> String {
    let sentences = std::iter::once(in_batches(plan)).chain(notes.iter().cloned());
    sentences.collect::<Vec<_>>().join(". ")
}

/// How many instances in how many batches, and what that takes out of service at a time.
fn in_batches(plan: &Plan) -> String {
    let total = plan.members.len();
    let batches = plan.members.last().map_or(0, |member| member.batch);
    let largest = (1..=batches)
        .map(|batch| plan.members.iter().filter(|m| m.batch == batch).count())
        .max()
        .unwrap_or(0);
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
        Some(problem) => refuse(ctx, status.clone(), problem, false),
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
    if plan.members.is_empty() {
        let message = left_out::nobody(ctx, &plan);
        status.plan = Some(plan);
        status.passed(&message);
        let mut decision = result::begin(
            ctx,
            status,
            Outcome::Succeeded,
            Reason::NoInstances,
            &message,
        );
        decision.record = Some(record);
        return decision;
    }
    let exit_processes = kind::processes_but(&plan.suspended_processes);
    let parameters = starting::parameters(ctx, &status, &plan, &exit_processes);
    let intent = StartIntent {
        attempt: 1,
        client_token: identity::client_token(&ctx.token_owner(), &ctx.spec_hash, 1),
        time: Time(ctx.now()),
        template_name: ctx.update.template().to_owned(),
        template_version: Some(template_version).filter(|version| !version.is_empty()),
        parameters_hash: identity::hash_value(&parameters),
        spec_hash: ctx.spec_hash.clone(),
        scripts: ctx.update.scripts().and_then(Scripts::frozen),
        kept_scripts: None,
        exit_processes,
        empty_lookups: 0,
        last_lookup_time: None,
        resent: false,
        refusal: String::new(),
        denied: false,
        token_used: false,
    };
    let message = said(&plan, &notes);
    let mutation = starting::mutation(ctx, &status, &intent, &plan);
    (status.start, status.plan) = (Some(intent), Some(plan));
    status.passed(&message);
    status.show(Phase::Running, Reason::Starting, &message);
    let mut decision = ctx.decide(status, Next::Now);
    decision.record = Some(record);
    decision.work = Some(Work { mutation });
    decision
}
