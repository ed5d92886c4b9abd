//! No run is under way: whether one is due, what stands against it, and its beginning.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ActionState, ActiveRun, ImageUpdateTaskStatus, RunOutcome, RunTrigger, StartIntent, Verb,
    condition,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::due::{self, Timetable, Wanted};
use super::preflight::{self, Ready, TEMPLATE};
use super::report::{self, Phase};
use super::schedule::Due;
use super::{Decision, requests, starting};
use crate::conditions;
use crate::decision::{Next, Work};
use crate::identity;
use crate::observation::Known;
use crate::problem::Problem;
use crate::queue;

/// How often a task that a person has to mend something for is checked again.
const RECHECK: Duration = Duration::from_secs(60);
/// The longest wait for the next run: a machine that was suspended does not oversleep by more.
const LOOK_AT_THE_CLOCK: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn decide(ctx: &Context<'_>, mut status: ImageUpdateTaskStatus) -> Known<Decision> {
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
            requests::settle(
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
    due::give_up_late(ctx, &mut status, &timetable);
    let times = due::open_times(ctx, &status, &timetable);
    let wanted = due::wanted(ctx, &status, &timetable, &times);
    status.next_schedule_time = times.next.map(Time);
    if let Some(cancelled) = cancel(ctx, &mut status, wanted) {
        return Ok(cancelled);
    }
    let Some(wanted) = wanted else {
        return Ok(rest(ctx, status, &timetable, &times));
    };
    // Between two runs whoever else waits gets its turn.
    if ctx.holds() && has_run_since_taken(ctx, &status) {
        let mut decision = ctx.decide(status, Next::Now);
        decision.record = Some(ctx.released(&decision.status));
        return Ok(decision);
    }
    if let Some(problem) = preflight::check_spec(ctx) {
        let next = within(ctx, &status, RECHECK);
        return Ok(refuse(ctx, status, &problem, next));
    }
    let (gone, ahead) = (ctx.input.holder_gone, ctx.input.ahead);
    if let Some(before) = queue::before(&ctx.record, &ctx.uid, gone, ahead) {
        return Ok(wait_for_turn(ctx, status, &before));
    }
    // On record before the group is taken: the next rolling update needs it.
    if let Some(vanished) = ctx.record.holder.as_ref().filter(|_| gone)
        && !ctx.holds()
        && ctx.record.baseline.is_some()
        && status.vanished_holder.as_ref() != Some(vanished)
    {
        status.vanished_holder = Some(vanished.clone());
        return Ok(ctx.decide(status, Next::Now));
    }
    match preflight::check_cloud(ctx)? {
        Err(problem) => {
            let next = match problem.passes {
                true => ctx.waits().recheck(),
                false => within(ctx, &status, RECHECK),
            };
            Ok(refuse(ctx, status, &problem, next))
        }
        Ok(ready) => Ok(begin(ctx, status, &timetable, wanted, ready)),
    }
}

/// Nothing runs: the group goes back before the object does.
fn let_go(ctx: &Context<'_>, status: ImageUpdateTaskStatus) -> Decision {
    let mut decision = ctx.decide(status, Next::Now);
    if ctx.holds() {
        decision.record = Some(ctx.released(&decision.status));
    } else {
        decision.finalizer = ctx.has_finalizer().then_some(false);
        decision.next = Next::OnChange;
    }
    decision
}

/// Whether the group was taken for a run that has ended, not for the one that is to begin.
fn has_run_since_taken(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> bool {
    let since = ctx.record.holder.as_ref().map(|holder| holder.since.0);
    let ended = conditions::get(&status.conditions, condition::VERIFIED)
        .map(|verified| verified.last_transition_time.0);
    let newest = status.history.iter().map(|run| run.end_time.0).max();
    since.is_some_and(|since| newest.max(ended).is_some_and(|ended| ended > since))
}

/// A request to cancel while no run is under way: it keeps one that is due from beginning.
fn cancel(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    wanted: Option<Wanted>,
) -> Option<Decision> {
    let wanted = match wanted {
        Some(wanted) if crate::actions::open(&status.actions, Verb::Cancel).is_some() => wanted,
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
        requests::settle(ctx, status, verb, state, "CancelledBeforeStart", message);
    }
    if wanted.trigger == RunTrigger::Now {
        status.last_outcome = Some(RunOutcome::Cancelled);
        let message = "cancelled before anything was started";
        report::ended(
            ctx,
            status,
            RunOutcome::Cancelled,
            "CancelledBeforeStart",
            message,
        );
    }
    Some(ctx.decide(status.clone(), Next::Now))
}

fn reject_cancel(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let message = "no run is under way, and none is due";
    let state = ActionState::Rejected;
    requests::settle(ctx, status, Verb::Cancel, state, "NoRun", message);
}

fn wait_for_turn(ctx: &Context<'_>, mut status: ImageUpdateTaskStatus, before: &str) -> Decision {
    let (reason, message) = ("WaitingForScalingGroup", format!("waits: {before}"));
    let unknown = "Unknown";
    report::set(
        ctx,
        &mut status,
        condition::PREFLIGHT,
        unknown,
        reason,
        &message,
    );
    report::show(ctx, &mut status, Phase::Waiting, reason, &message);
    let next = within(ctx, &status, RECHECK);
    ctx.decide(status, next)
}

/// Reports what stands against a run. The group is not kept while it does.
fn refuse(
    ctx: &Context<'_>,
    mut status: ImageUpdateTaskStatus,
    problem: &Problem,
    next: Next,
) -> Decision {
    let (phase, value) = if problem.passes {
        (Phase::Pending, "Unknown")
    } else {
        (Phase::Blocked, "False")
    };
    let (reason, message) = (problem.reason, problem.message.as_str());
    report::set(
        ctx,
        &mut status,
        condition::PREFLIGHT,
        value,
        reason,
        message,
    );
    report::show(ctx, &mut status, phase, reason, message);
    let mut decision = ctx.decide(status, next);
    if ctx.holds() {
        decision.record = Some(ctx.released(&decision.status));
    }
    decision
}

/// The wait, but no longer than until the next run is due.
fn within(ctx: &Context<'_>, status: &ImageUpdateTaskStatus, wait: Duration) -> Next {
    match &status.next_schedule_time {
        Some(next) => Next::After(wait.min(until(ctx, next.0))),
        None => Next::After(wait),
    }
}

fn until(ctx: &Context<'_>, time: Timestamp) -> Duration {
    let wait = time.duration_since(ctx.now());
    wait.max(SignedDuration::from_secs(1)).unsigned_abs()
}

/// Nothing is due.
fn rest(
    ctx: &Context<'_>,
    mut status: ImageUpdateTaskStatus,
    timetable: &Timetable,
    times: &Due,
) -> Decision {
    if ctx.holds() {
        let mut decision = ctx.decide(status, Next::Now);
        decision.record = Some(ctx.released(&decision.status));
        return decision;
    }
    status.vanished_holder = None;
    show_rest(ctx, &mut status, timetable, times);
    let next = match &status.next_schedule_time {
        Some(next) => Next::After(until(ctx, next.0).min(LOOK_AT_THE_CLOCK.unsigned_abs())),
        None => Next::OnChange,
    };
    let mut decision = ctx.decide(status, next);
    // It guards runs alone: a task at rest goes without the operator.
    decision.finalizer = ctx.has_finalizer().then_some(false);
    decision
}

fn show_rest(
    ctx: &Context<'_>,
    status: &mut ImageUpdateTaskStatus,
    timetable: &Timetable,
    times: &Due,
) {
    let (reason, message) = last_run(ctx, status);
    // What was found against an earlier run is not said of the next one.
    let open = conditions::get(&status.conditions, condition::PREFLIGHT)
        .is_none_or(|preflight| preflight.status != "True");
    if open {
        report::set(
            ctx,
            status,
            condition::PREFLIGHT,
            "Unknown",
            "NothingDue",
            "",
        );
    }
    let next = status.next_schedule_time.as_ref().map(|time| time.0);
    let undone = matches!(timetable, Timetable::Now)
        && status.done_hash.as_deref() != Some(due::content_hash(ctx.spec).as_str());
    let waiting = times.newest;
    if ctx.spec.suspend && (next.is_some() || waiting.is_some() || undone) {
        let message = match waiting {
            Some(due) => format!(
                "spec.suspend is set: nothing begins by itself, and the run that was due at {due} is made when it is taken away"
            ),
            None => "spec.suspend is set: nothing begins by itself".to_owned(),
        };
        return report::show(ctx, status, Phase::Suspended, "Suspended", &message);
    }
    let ahead = next.map(|next| format!("the next run is due at {next}"));
    match (status.last_outcome, ahead) {
        (Some(RunOutcome::Failed), Some(ahead)) => {
            let message = format!("{message}; {ahead}");
            report::show(ctx, status, Phase::Failed, &reason, &message);
        }
        (_, Some(ahead)) => report::show(ctx, status, Phase::Scheduled, "Scheduled", &ahead),
        (Some(outcome), None) => {
            let phase = match outcome {
                RunOutcome::Succeeded => Phase::Succeeded,
                RunOutcome::Failed => Phase::Failed,
                RunOutcome::Cancelled => Phase::Cancelled,
            };
            report::show(ctx, status, phase, &reason, &message);
        }
        (None, None) if status.missed_runs.is_some() => {
            let message = "the only run could not be made in time; set spec.schedule.at to a later time, or ask for one with the annotation ess-rollout.io/run-now";
            report::show(ctx, status, Phase::Blocked, "RunMissed", message);
        }
        (None, None) if matches!(timetable, Timetable::Now) => {
            let message = "it had its run before the object was restored without its status; for another use the annotation ess-rollout.io/run-now";
            report::show(ctx, status, Phase::Finished, "AlreadyRun", message);
        }
        (None, None) if is_never_due(ctx, timetable) => {
            let message =
                "spec.schedule.cron: there is no such time in the next four years; write another";
            report::show(ctx, status, Phase::Blocked, "NeverDue", message);
        }
        (None, None) => {
            let message = "no run is due any more";
            report::show(ctx, status, Phase::Finished, "NothingDue", message);
        }
    }
}

fn is_never_due(ctx: &Context<'_>, timetable: &Timetable) -> bool {
    match timetable {
        Timetable::Scheduled(schedule) => schedule.is_never_due(ctx.now()),
        Timetable::Now => false,
    }
}

/// How the last run ended, in a word and a sentence. While another was due that was not shown.
fn last_run(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) -> (String, String) {
    let Some(outcome) = status.last_outcome else {
        let nothing = "no run has ended yet";
        report::set(
            ctx,
            status,
            condition::SUCCEEDED,
            "Unknown",
            "NoRun",
            nothing,
        );
        return (String::new(), String::new());
    };
    let shown = conditions::get(&status.conditions, condition::SUCCEEDED);
    if let Some(shown) = shown.filter(|shown| shown.status != "Unknown") {
        return (shown.reason.clone(), shown.message.clone());
    }
    let newest = status.history.iter().find(|run| run.outcome == outcome);
    let (reason, message) = match newest {
        Some(run) => (run.reason.clone(), run.message.clone()),
        None => (format!("{outcome:?}"), String::new()),
    };
    report::ended(ctx, status, outcome, &reason, &message);
    (reason, message)
}

/// Takes the group, puts the run on record, and starts it: three effects, in this order. The finalizer
/// comes before all of them.
fn begin(
    ctx: &Context<'_>,
    mut status: ImageUpdateTaskStatus,
    timetable: &Timetable,
    wanted: Wanted,
    ready: Ready,
) -> Decision {
    let number = due::begin(ctx, &mut status, timetable, wanted);
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
        configurations: ready.configurations,
        start: None,
        execution: None,
        cancellation: None,
        last_call_time: None,
        end: None,
        source,
    };
    if run.source.is_some() {
        let hash = due::run_hash(&run);
        run.start = Some(StartIntent {
            attempt: 1,
            client_token: identity::client_token(&ctx.uid, &hash, 1),
            time: Time(ctx.now()),
            template_name: TEMPLATE.to_owned(),
            template_version: ready.template_version,
            parameters_hash: identity::hash_value(&starting::parameters(ctx, &run)),
            spec_hash: hash,
            exit_processes: Vec::new(),
            empty_lookups: 0,
            last_lookup_time: None,
            resent: false,
            refusal: String::new(),
            token_used: false,
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
    status.active = Some(run);
    let (settled, word) = (ActionState::Applied, "Started");
    requests::settle(ctx, &mut status, Verb::RunNow, settled, word, &message);
    report::set(
        ctx,
        &mut status,
        condition::PREFLIGHT,
        "True",
        "Passed",
        &message,
    );
    report::set(
        ctx,
        &mut status,
        condition::VERIFIED,
        "Unknown",
        "Running",
        "",
    );
    report::show(ctx, &mut status, Phase::Running, "Starting", &message);
    let work = starting::mutation(ctx, &status);
    let mut decision = ctx.decide(status, Next::Now);
    decision.finalizer = (!ctx.has_finalizer()).then_some(true);
    decision.record = Some(ctx.taken());
    decision.work = work.map(|mutation| Work { mutation });
    decision
}
