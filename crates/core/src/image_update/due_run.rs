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
use super::requests::{self, RUN_NOW_REJECTED};
use super::{Draft, Drafted, ahead, idle, lost_status, starting, waiting, window};
use crate::identity;
use crate::task::absence::IMAGE_UPDATE_TEMPLATE;
use crate::task::closed::Held;
use crate::task::decision::{Next, Work};
use crate::task::display::Value;
use crate::task::observation::{Known, Missing};
use crate::task::problem::{Problem, Stop};
use crate::task::reason::Reason;
use crate::task::start;
use crate::task::{ledger, step, turn};

/// How often a task looks whether its turn has come, should nothing tell.
const RECHECK: Duration = Duration::from_secs(60);

pub(super) fn decide(ctx: &Context<'_>, mut status: Draft) -> Known<Drafted> {
    if let Some(forgotten) = lost_status::of_holder(ctx, &status)? {
        return Ok(forgotten);
    }
    if ctx.deleting.is_some() {
        return Ok(step::let_go(ctx, status));
    }
    if ctx.is_asked(Verb::OverrideWindow) {
        ctx.require_tags()?;
    }
    let timetable = match due::timetable(ctx.spec, &status) {
        Ok(timetable) => timetable,
        Err(invalid) => {
            let problem = Problem::blocked(invalid.reason, invalid.message);
            status.next_schedule_time = None;
            reject_cancel(ctx, &mut status);
            let (reason, why) = (problem.reason, &problem.message);
            requests::resolve(ctx, &mut status, RUN_NOW_REJECTED, reason, why);
            return Ok(refuse(ctx, status, &problem, Next::OnChange));
        }
    };
    if waiting::give_up(ctx, &mut status, &timetable) {
        return Ok(ctx.decide(status, Next::Now));
    }
    let times = due::open_times(ctx, &status, &timetable);
    let wanted = due::wanted(ctx, &status, &timetable, &times);
    status.next_schedule_time = times.next.map(Time);
    if cancel(ctx, &mut status, wanted) {
        return Ok(ctx.decide(status, Next::Now));
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
    if let Some(next) = waiting::left_alone(ctx, &mut status) {
        return Ok(ctx.decide(status, next));
    }
    if let Some(problem) = preflight::check_spec(ctx) {
        return Ok(blocked(ctx, status, &problem));
    }
    ctx.require_tags()?;
    let before = ctx.input.task.status.as_ref();
    if before.is_some_and(|before| before.windows_overridden != status.windows_overridden) {
        // On record first: what is for it is another set now.
        return Ok(ctx.decide(status, Next::Now));
    }
    if let Some(held) = window::held(ctx) {
        return wait_for_window(ctx, status, &held);
    }
    if let Some(before) = turn::before(ctx) {
        return Ok(wait_for_turn(ctx, status, &before));
    }
    // On record before the group is taken: the next rolling update needs it.
    let vanished = ctx.record.holder.clone();
    let vanished = vanished.filter(|_| ctx.holder_gone && ctx.record.baseline.is_some());
    if status.vanished_holder != vanished {
        status.vanished_holder = vanished;
        return Ok(ctx.decide(status, Next::Now));
    }
    match preflight::check_cloud(ctx) {
        Ok(ready) => match lost_status::before_first(ctx, &status)? {
            Some(forgotten) => Ok(forgotten),
            None => Ok(begin(ctx, status, wanted, ready)),
        },
        Err(Stop::Problem(problem)) => {
            ahead::note_news(ctx, &mut status, &problem);
            Ok(blocked(ctx, status, &problem))
        }
        Err(Stop::Missing(read @ Missing::Read(_))) => Err(read),
        Err(Stop::Missing(Missing::Failed(error))) => {
            report::failed(&mut status, &error);
            let (passes, after) = (!error.needs_person(), ctx.waits().after(&error));
            let next = waiting::blocked(ctx, &mut status, passes, after);
            Ok(ctx.decide(status, next))
        }
    }
}

/// Reports what stands against the run that is due, and when that is looked at again.
fn blocked(ctx: &Context<'_>, mut status: Draft, problem: &Problem) -> Drafted {
    let soon = ctx.waits().recheck();
    let next = waiting::blocked(ctx, &mut status, problem.passes, soon);
    refuse(ctx, status, problem, next)
}

/// A request to cancel while no run is under way: it keeps one that is due from beginning. Whether it did.
fn cancel(ctx: &Context<'_>, status: &mut Draft, wanted: Option<Wanted>) -> bool {
    let asked = ledger::open(&status.actions, Verb::Cancel).is_some();
    let Some(wanted) = wanted.filter(|_| asked) else {
        reject_cancel(ctx, status);
        return false;
    };
    due::pass_over(ctx, status, wanted);
    let reason = Reason::CancelledBeforeStart;
    for settled in [(Verb::Cancel, ActionState::Applied), RUN_NOW_REJECTED] {
        let message = "the run that was due is not made";
        requests::resolve(ctx, status, settled, reason, message);
    }
    let only_one = wanted.trigger == RunTrigger::Schedule && due::single_time(ctx.spec).is_some();
    if wanted.trigger == RunTrigger::Now || only_one {
        let message = "cancelled before anything was started";
        report::ended(status, (RunOutcome::Cancelled, reason, message));
    }
    true
}

fn reject_cancel(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let message = "no run is under way, and none is due";
    let rejected = (Verb::Cancel, ActionState::Rejected);
    requests::resolve(ctx, status, rejected, Reason::NoRun, message);
}

/// The run that is due waits.
fn wait_for_window(ctx: &Context<'_>, mut status: Draft, held: &Held) -> Known<Drafted> {
    let (problem, wait) = ahead::while_held(ctx, &mut status, held)?;
    let wait = ctx.within(&status, wait);
    // Of a window that merely selects it whoever wrote it need not know: its time does not run.
    let passes = problem.passes || !problem.counts;
    // When it is looked at next depends on when it opens, and not on how long it has lasted.
    waiting::blocked(ctx, &mut status, passes, wait);
    Ok(refuse(ctx, status, &problem, wait))
}

fn wait_for_turn(ctx: &Context<'_>, mut status: Draft, before: &str) -> Drafted {
    let next = ctx.within(&status, RECHECK);
    let next = waiting::blocked(ctx, &mut status, true, next);
    let (reason, message) = (Reason::WaitingForScalingGroup, format!("waits: {before}"));
    status.set(condition::PREFLIGHT, Value::Unknown, reason, &message);
    status.show(Phase::Waiting, reason, &message);
    ctx.decide(status, next)
}

/// Reports what stands against a run. The group is not kept while it does.
fn refuse(ctx: &Context<'_>, mut status: Draft, problem: &Problem, next: Next) -> Drafted {
    let phase = match problem.passes {
        true => Phase::Pending,
        false => Phase::Blocked,
    };
    let (reason, message) = (problem.reason, problem.message.as_str());
    let value = Value::of_obstacle(problem.passes);
    status.set(condition::PREFLIGHT, value, reason, message);
    status.show(phase, reason, message);
    let mut decision = ctx.decide(status, next);
    decision.record = ctx.holds().then(|| ctx.released(&decision.status));
    decision
}

/// Takes the group, puts the run on record, and starts it: three effects, in this order. The finalizer
/// comes before all of them.
fn begin(ctx: &Context<'_>, mut status: Draft, wanted: Wanted, ready: Ready) -> Drafted {
    let done_before = status.done_hash.clone();
    let number = due::begin(ctx, &mut status, wanted);
    let template_version = ready.template_version.clone();
    let mut run = new_run(ctx, number, wanted, ready);
    if run.source.is_some() {
        run.start = Some(intent(ctx, &run, template_version));
    }
    status.completion_time = None;
    let message = what_begins(&run);
    // Until it is certain that it has begun: it may be refused.
    let kept = status.waiting.take();
    let kept = kept.unwrap_or_else(|| waiting::begun(&run));
    let refused = kept.refusal.is_some();
    status.waiting = Some(WaitingRun {
        count: 1,
        done_before,
        ..kept
    });
    let start = run.start.as_ref();
    let mutation = start.map(|intent| starting::mutation(ctx, &run, intent));
    status.active = Some(run);
    let applied = (Verb::RunNow, ActionState::Applied);
    requests::resolve(ctx, &mut status, applied, Reason::Started, &message);
    ahead::note(ctx, &mut status, None);
    // What was refused stays on show until it is not, or each try would change the object twice.
    if !refused {
        status.passed(&message);
        status.set(condition::VERIFIED, Value::Unknown, Reason::Running, "");
        status.show(Phase::Pending, Reason::Starting, &message);
    }
    let mut decision = ctx.decide(status, Next::Now);
    decision.record = Some(ctx.taken());
    decision.work = mutation.map(|mutation| Work { mutation });
    decision
}

fn new_run(ctx: &Context<'_>, number: i64, wanted: Wanted, ready: Ready) -> ActiveRun {
    let described = ctx.spec.description.clone();
    ActiveRun {
        number,
        trigger: wanted.trigger,
        schedule_time: wanted.schedule_time.map(Time),
        time: Time(ctx.now()),
        hash: ctx.hash.clone(),
        image_id: ctx.spec.image_id.clone(),
        ram_role: ctx.spec.ram_role.clone(),
        description: described
            .unwrap_or_else(|| format!("ImageUpdateTask {} run {number}", ctx.path())),
        configurations: ready.configurations,
        start: None,
        execution: None,
        cancellation: None,
        last_call_time: None,
        end: None,
        image_missing_since: None,
        configuration_missing_since: None,
        place: Some(ready.place),
        source: ctx.source().cloned(),
    }
}

fn intent(ctx: &Context<'_>, run: &ActiveRun, template_version: Option<String>) -> StartIntent {
    let hash = due::run_hash(run);
    let token = identity::client_token(&ctx.uid, &hash, 1);
    StartIntent {
        template_version,
        parameters_hash: identity::hash_value(&starting::parameters(run)),
        ..start::intent(IMAGE_UPDATE_TEMPLATE, token, hash, ctx.now())
    }
}

fn what_begins(run: &ActiveRun) -> String {
    let into: Vec<&str> = run.configurations.iter().map(|c| c.id.as_str()).collect();
    let (number, into) = (run.number, into.join(", "));
    match &run.source {
        Some(source) => format!(
            "run {number}: an image is built from instance {} and put into {into}",
            source.instance_id
        ),
        None => format!(
            "run {number}: image {} is put into {into}",
            run.image_id.as_deref().unwrap_or_default()
        ),
    }
}
