//! No run is under way: whether one is due, what stands against it, and its beginning.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ActionState, ActiveRun, ImageUpdateTaskStatus, RunOutcome, RunTrigger, StartIntent, Verb,
    WaitingRun, condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::due::{self, Wanted};
use super::preflight::{self, Ready};
use super::report::{self, Phase};
use super::{Draft, Drafted, ahead, idle, requests, starting, waiting};
use crate::identity;
use crate::task::absence::IMAGE_UPDATE_TEMPLATE;
use crate::task::decision::{Next, Work};
use crate::task::display::Value;
use crate::task::observation::{Known, Missing};
use crate::task::problem::Problem;
use crate::task::reason::Reason;
use crate::task::turn;

/// How often a task looks whether its turn has come, should nothing tell.
const RECHECK: Duration = Duration::from_secs(60);

pub(super) fn decide(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    if ctx.deleting.is_some() {
        return Ok(let_go(ctx, status));
    }
    let timetable = match due::timetable(ctx.spec, &status) {
        Ok(timetable) => timetable,
        Err(invalid) => {
            let problem = Problem::blocked(invalid.reason, invalid.message);
            status.next_schedule_time = None;
            reject_cancel(ctx, &mut status);
            let (rejected, why) = (ActionState::Rejected, &problem.message);
            requests::resolve(
                ctx,
                &mut status,
                Verb::RunNow,
                rejected,
                problem.reason,
                why,
            );
            return Ok(refuse(ctx, status, &problem, Next::OnChange));
        }
    };
    if waiting::give_up(ctx, &mut status, &timetable) {
        return Ok(ctx.decide(status, Next::Now));
    }
    let times = due::open_times(ctx, &status, &timetable);
    let wanted = due::wanted(ctx, &status, &timetable, &times);
    status.next_schedule_time = times.next.map(Time);
    if let Some(cancelled) = cancel(ctx, &mut status, wanted) {
        return Ok(cancelled);
    }
    waiting::take_note(ctx, &mut status, wanted, &times);
    let Some(wanted) = wanted else {
        return idle::decide(ctx, status, &timetable, &times);
    };
    status.completion_time = None;
    // Held for a run that has ended, or that never got on record. Between two runs whoever else waits
    // gets its turn.
    if ctx.holds() {
        return Ok(ctx.release(status));
    }
    if let Some(refused) = waiting::left_alone(ctx, &status) {
        return Ok(waiting::wait(ctx, status, refused));
    }
    if let Some(problem) = preflight::check_spec(ctx) {
        return Ok(blocked(ctx, status, &problem));
    }
    let (gone, ahead) = (ctx.holder_gone, ctx.ahead);
    if let Some(before) = turn::before(&ctx.record, &ctx.uid, gone, ahead) {
        return Ok(wait_for_turn(ctx, status, &before));
    }
    // On record before the group is taken: the next rolling update needs it.
    let vanished = ctx.record.holder.clone();
    let vanished = vanished.filter(|_| gone && ctx.record.baseline.is_some());
    if status.vanished_holder != vanished {
        status.vanished_holder = vanished;
        return Ok(ctx.decide(status, Next::Now));
    }
    match preflight::check_cloud(ctx) {
        Ok(Ok(ready)) => Ok(begin(ctx, status, wanted, ready)),
        Ok(Err(problem)) => {
            ahead::note_news(ctx, &mut status, &problem);
            Ok(blocked(ctx, status, &problem))
        }
        Err(Missing::Read(queries)) => Err(Missing::Read(queries)),
        Err(Missing::Failed(error)) => {
            waiting::blocked(ctx, &mut status, error.needs_person());
            report::failed(&mut status, &error);
            let next = match error.needs_person() {
                true => ctx.within(&status, waiting::recheck(ctx, &status)),
                false => ctx.waits().after(&error),
            };
            Ok(ctx.decide(status, next))
        }
    }
}

/// Reports what stands against the run that is due, and when that is looked at again.
fn blocked(ctx: &Context<'_>, mut status: Draft, problem: &Problem) -> Drafted {
    waiting::blocked(ctx, &mut status, !problem.passes);
    let next = match problem.passes {
        true => ctx.waits().recheck(),
        false => ctx.within(&status, waiting::recheck(ctx, &status)),
    };
    refuse(ctx, status, problem, next)
}

/// Nothing runs: the group goes back before the object does.
fn let_go(ctx: &Context<'_>, status: Draft) -> Drafted {
    if ctx.holds() {
        return ctx.release(status);
    }
    let mut decision = ctx.decide(status, Next::OnChange);
    decision.finalizer = ctx.has_finalizer().then_some(false);
    decision
}

/// A request to cancel while no run is under way: it keeps one that is due from beginning.
fn cancel(ctx: &Context<'_>, status: &mut Draft, wanted: Option<Wanted>) -> Option<Drafted> {
    let wanted = match wanted {
        Some(wanted) if crate::task::ledger::open(&status.actions, Verb::Cancel).is_some() => {
            wanted
        }
        _ => {
            reject_cancel(ctx, status);
            return None;
        }
    };
    due::pass_over(ctx, status, wanted);
    let message = "the run that was due is not made";
    for (verb, state) in [
        (Verb::Cancel, ActionState::Applied),
        (Verb::RunNow, ActionState::Rejected),
    ] {
        requests::resolve(
            ctx,
            status,
            verb,
            state,
            Reason::CancelledBeforeStart,
            message,
        );
    }
    let only_one = wanted.trigger == RunTrigger::Schedule && due::single_time(ctx.spec).is_some();
    if wanted.trigger == RunTrigger::Now || only_one {
        let message = "cancelled before anything was started";
        report::ended(
            status,
            RunOutcome::Cancelled,
            Reason::CancelledBeforeStart,
            message,
        );
    }
    Some(ctx.decide(status.clone(), Next::Now))
}

fn reject_cancel(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let message = "no run is under way, and none is due";
    let state = ActionState::Rejected;
    requests::resolve(ctx, status, Verb::Cancel, state, Reason::NoRun, message);
}

fn wait_for_turn(ctx: &Context<'_>, mut status: Draft, before: &str) -> Drafted {
    waiting::blocked(ctx, &mut status, false);
    let (reason, message) = (Reason::WaitingForScalingGroup, format!("waits: {before}"));
    status.set(condition::PREFLIGHT, Value::Unknown, reason, &message);
    status.show(Phase::Waiting, reason, &message);
    let next = ctx.within(&status, RECHECK);
    ctx.decide(status, next)
}

/// Reports what stands against a run. The group is not kept while it does.
fn refuse(ctx: &Context<'_>, mut status: Draft, problem: &Problem, next: Next) -> Drafted {
    let (phase, value) = if problem.passes {
        (Phase::Pending, Value::Unknown)
    } else {
        (Phase::Blocked, Value::False)
    };
    let (reason, message) = (problem.reason, problem.message.as_str());
    status.set(condition::PREFLIGHT, value, reason, message);
    status.show(phase, reason, message);
    let mut decision = ctx.decide(status, next);
    if ctx.holds() {
        decision.record = Some(ctx.released(&decision.status));
    }
    decision
}

/// Takes the group, puts the run on record, and starts it: three effects, in this order. The finalizer
/// comes before all of them.
fn begin(ctx: &Context<'_>, mut status: Draft, wanted: Wanted, ready: Ready) -> Drafted {
    let done_before = status.done_hash.clone();
    let number = due::begin(ctx, &mut status, wanted);
    let hash = due::content_hash(ctx.spec);
    let given = ctx.spec.image_id.clone();
    let source = ctx.spec.source.clone().filter(|_| given.is_none());
    let mut run = ActiveRun {
        number,
        trigger: wanted.trigger,
        schedule_time: wanted.schedule_time.map(Time),
        time: Time(ctx.now()),
        hash,
        image_id: given,
        ram_role: ctx.spec.ram_role.clone(),
        description: match &ctx.spec.description {
            Some(text) => text.clone(),
            None => format!("ImageUpdateTask {} run {number}", ctx.path()),
        },
        configurations: ready.configurations,
        start: None,
        execution: None,
        cancellation: None,
        last_call_time: None,
        end: None,
        image_missing_since: None,
        configuration_missing_since: None,
        place: Some(ready.place),
        source,
    };
    status.completion_time = None;
    if run.source.is_some() {
        let hash = due::run_hash(&run);
        run.start = Some(StartIntent {
            attempt: 1,
            client_token: identity::client_token(&ctx.uid, &hash, 1),
            time: Time(ctx.now()),
            template_name: IMAGE_UPDATE_TEMPLATE.to_owned(),
            template_version: ready.template_version,
            parameters_hash: identity::hash_value(&starting::parameters(&run)),
            spec_hash: hash,
            exit_processes: Vec::new(),
            empty_lookups: 0,
            last_lookup_time: None,
            resent: false,
            refusal: String::new(),
            denied: false,
            token_used: false,
            scripts: None,
            kept_scripts: None,
        });
    }
    let into: Vec<&str> = run.configurations.iter().map(|c| c.id.as_str()).collect();
    let into = into.join(", ");
    let message = match (&run.source, &run.image_id) {
        (Some(source), _) => format!(
            "run {number}: an image is built from instance {} and put into {into}",
            source.instance_id
        ),
        (None, image) => format!(
            "run {number}: image {} is put into {into}",
            image.as_deref().unwrap_or_default()
        ),
    };
    // Until it is certain that it has begun: it may be refused.
    let kept = status.waiting.take();
    let begun = waiting::begun(&run, done_before);
    status.waiting = Some(match kept {
        Some(kept) => WaitingRun {
            count: 1,
            done_before: begun.done_before,
            ..kept
        },
        None => begun,
    });
    let start = run.start.as_ref();
    let mutation = start.map(|intent| starting::mutation(ctx, &run, intent));
    status.active = Some(run);
    let (settled, word) = (ActionState::Applied, Reason::Started);
    requests::resolve(ctx, &mut status, Verb::RunNow, settled, word, &message);
    ahead::note(ctx, &mut status, None);
    let refusal = status.waiting.as_ref().and_then(|w| w.refusal.as_ref());
    // What was refused stays on show until it is not, or each try would change the object twice.
    if refusal.is_none() {
        status.passed(&message);
        status.set(condition::VERIFIED, Value::Unknown, Reason::Running, "");
        status.show(Phase::Pending, Reason::Starting, &message);
    }
    let mut decision = ctx.decide(status, Next::Now);
    decision.record = Some(ctx.taken());
    decision.work = mutation.map(|mutation| Work { mutation });
    decision
}
