//! A run has come to its end: its configurations are read back, and it goes into the history.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    ActionState, ActiveRun, ConfigurationImage, EndedRun, GroupRun, ImageUpdateTaskStatus, LetGo,
    RunEnd, RunOutcome, Verb, condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::preflight::of_configuration;
use super::report::{self, Phase};
use super::{Draft, Drafted, End, requests};
use crate::task::absence;
use crate::task::conditions::shorten;
use crate::task::decision::Next;
use crate::task::display::Value;
use crate::task::object::IMAGE_UPDATE_TASK;
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// How often an outcome that differs is read again.
const READ_AGAIN: Duration = Duration::from_secs(5);

/// Records what the run has come to. It is read back from the next step on.
pub(super) fn begin(ctx: &Context<'_>, mut status: Draft, end: End<'_>) -> Drafted {
    let (outcome, reason, message) = end;
    if let Some(run) = &mut status.active {
        run.end = Some(RunEnd {
            time: Time(ctx.now()),
            outcome,
            reason: reason.into(),
            message: shorten(message, 1024),
        });
    }
    resolve_cancel(ctx, &mut status, outcome);
    let doing = format!("{message}; the scaling configurations are being read back");
    status.show(Phase::Verifying, Reason::Verifying, &doing);
    ctx.decide(status, Next::Now)
}

/// A run that never touched anything has nothing to be read back.
pub(super) fn nothing_ran(ctx: &Context<'_>, mut status: Draft, end: End<'_>) -> Drafted {
    resolve_cancel(ctx, &mut status, end.0);
    status.set(condition::VERIFIED, Value::Unknown, Reason::NothingRan, "");
    close(ctx, &mut status, end);
    ctx.decide(status, Next::Now)
}

/// The deletion may not wait any longer.
pub(super) fn abandon(ctx: &Context<'_>, mut status: Draft, message: &str) -> Drafted {
    let outcome = RunOutcome::Cancelled;
    resolve_cancel(ctx, &mut status, outcome);
    status.set(condition::VERIFIED, Value::Unknown, Reason::Abandoned, "");
    let run = status.active.as_ref();
    let left = run.map_or(String::new(), |run| left_over(run, outcome, &[]));
    let message = format!("{message}{left}");
    let unseen = run.and_then(|run| let_go(ctx, run));
    close(ctx, &mut status, (outcome, Reason::Abandoned, &message));
    let mut decision = ctx.decide(status, Next::Now);
    decision.record = unseen.map(|run| {
        let mut record = ctx.record.clone();
        record.runs.retain(|known| known.uid != run.uid);
        record.runs.push(run);
        record
    });
    decision
}

/// A run whose end was not seen stays on the record of its group until somebody has seen it. `None`:
/// nothing was started.
fn let_go(ctx: &Context<'_>, run: &ActiveRun) -> Option<GroupRun> {
    let unseen = run.end.is_none() && (run.start.is_some() || run.execution.is_some());
    unseen.then(|| GroupRun {
        kind: IMAGE_UPDATE_TASK.to_owned(),
        namespace: ctx.namespace.clone(),
        name: ctx.name.clone(),
        uid: ctx.uid.clone(),
        since: run.time.clone(),
        execution_id: run.execution.as_ref().map(|execution| execution.id.clone()),
        credentials_ref: ctx.spec.credentials_ref.clone(),
        place: run.place.clone(),
        what: String::new(),
        // It changes nothing that is put back: the configurations keep the image that they get.
        exit_processes: Vec::new(),
        configuration: None,
        members: Vec::new(),
        keeps_standby: false,
        let_go: Some(LetGo::Abandoned),
        message: String::new(),
        missing_since: None,
        unseen_since: None,
        quiet_since: None,
        fingerprint: String::new(),
    })
}

fn resolve_cancel(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus, outcome: RunOutcome) {
    let (state, reason, message) = if outcome == RunOutcome::Cancelled {
        (ActionState::Applied, Reason::Cancelled, "")
    } else {
        let message = "the run ended before it could be cancelled";
        (ActionState::Rejected, Reason::RunFinished, message)
    };
    requests::resolve(ctx, status, (Verb::Cancel, state), reason, message);
}

pub(super) fn decide(
    ctx: &Context<'_>,
    mut status: Draft,
    run: &ActiveRun,
    end: &RunEnd,
) -> Known<Drafted> {
    if ctx.deletion_overdue() {
        let message = "the task was deleted before its run could be read back";
        return Ok(abandon(ctx, status, message));
    }
    let well = end.outcome == RunOutcome::Succeeded;
    // A call of the operator's own without an answer, and any that OOS sent before it was ended, may
    // yet take effect. The group is nobody else's until then.
    let last_call = run.last_call_time.as_ref();
    let may_act = match well {
        true => last_call,
        false => last_call.max(Some(&end.time)),
    };
    let waits = ctx.waits();
    if let Some(wait) = may_act.and_then(|since| waits.settling(since)) {
        return Ok(ctx.decide(status, Next::After(wait)));
    }
    let read = read_back(ctx, run)?;
    let whole = run.image_id.is_some() && read.iter().all(|c| c.updated);
    // What was just changed may show late: it is read again until it would have shown.
    let late = well && !whole && !waits.settled_since(&end.time);
    // One that is left out of an answer may be there all the same: looked for a bound on lateness longer.
    let gone = read.iter().any(|c| c.image_id.is_none());
    let longer = Time(end.time.0 + waits.call_lifetime());
    if late || gone && !waits.settled_since(&longer) {
        return Ok(ctx.decide(status, Next::After(READ_AGAIN)));
    }
    let (outcome, reason, mut message) = verdict(run, end, &read);
    message.push_str(&left_over(run, outcome, &read));
    let elsewhere = active_elsewhere(ctx, run)?;
    // Configurations that the spec names are meant, active or not.
    let chosen = !ctx.spec.scaling_configuration_ids.is_empty();
    let (value, word) = match &elsewhere {
        _ if outcome != RunOutcome::Succeeded && !whole => (Value::False, Reason::NotUpdated),
        Some(_) if !chosen => (Value::False, Reason::ActiveConfigurationDiffers),
        Some(_) | None => (Value::True, Reason::AsWanted),
    };
    let mut shown = carried(&read);
    if let Some(elsewhere) = elsewhere {
        shown = format!("{shown}; {elsewhere}");
        message = format!("{message}; {elsewhere}");
    }
    status.set(condition::VERIFIED, value, word, &shown);
    if read.iter().any(|c| c.updated) {
        status.image_id.clone_from(&run.image_id);
    }
    status.configurations = read;
    close(ctx, &mut status, (outcome, reason, &message));
    Ok(ctx.decide(status, Next::Now))
}

/// Of a run that did not succeed: the image that it made nevertheless, unless it is in use.
fn left_over(run: &ActiveRun, outcome: RunOutcome, read: &[ConfigurationImage]) -> String {
    let built = run.image_id.as_ref().filter(|_| run.source.is_some());
    let in_use = read.iter().any(|configuration| configuration.updated);
    match built.filter(|_| outcome != RunOutcome::Succeeded && !in_use) {
        Some(image) => format!(
            "; image {image} was begun and stays in ECS, with a snapshot that is billed: delete both there if they are not wanted"
        ),
        None => String::new(),
    }
}

/// What the configurations of a run carry.
fn read_back(ctx: &Context<'_>, run: &ActiveRun) -> Known<Vec<ConfigurationImage>> {
    let observation = ctx.input.observation;
    let ids = || run.configurations.iter().map(|c| &c.id);
    observation.require(ids().map(|id| of_configuration(id)))?;
    let read = |id: &String| {
        let found = absence::configuration(observation, &ctx.group, id)?;
        let image = found.and_then(|found| found.image.as_ref());
        let image_id = image.map(|image| shorten(image, 256));
        Ok(ConfigurationImage {
            id: id.clone(),
            updated: image_id.is_some() && image_id == run.image_id,
            image_id,
        })
    };
    ids().map(read).collect()
}

/// New instances come from a configuration that this run has not put the image into, and that does not carry it.
fn active_elsewhere(ctx: &Context<'_>, run: &ActiveRun) -> Known<Option<String>> {
    let observation = ctx.input.observation;
    let Some(group) = absence::group(observation, &ctx.group)? else {
        return Ok(None);
    };
    let active = group.active_scaling_configuration.as_deref();
    let Some(active) = active.filter(|id| run.configurations.iter().all(|c| c.id != *id)) else {
        return Ok(None);
    };
    let found = absence::configuration(observation, &ctx.group, active)?;
    let image = found.and_then(|found| found.image.as_ref());
    Ok((image != run.image_id.as_ref()).then(|| {
        let carries = image.map_or("no image", String::as_str);
        format!(
            "scaling configuration {active}, which is active by now, carries {carries}: new instances do not get the new image until it is put into that as well, or another configuration is made the active one"
        )
    }))
}

fn carried(read: &[ConfigurationImage]) -> String {
    let each = read.iter().map(|c| match &c.image_id {
        Some(image) => format!("scaling configuration {} carries {image}", c.id),
        None => format!("scaling configuration {} does not exist", c.id),
    });
    each.collect::<Vec<_>>().join(", ")
}

/// How the run ended, by what was read back.
fn verdict(
    run: &ActiveRun,
    end: &RunEnd,
    read: &[ConfigurationImage],
) -> (RunOutcome, Reason, String) {
    let image = run.image_id.as_deref().unwrap_or("(unknown)");
    let with = |updated: bool| {
        let found = read.iter().filter(|c| c.updated == updated);
        found.map(|c| c.id.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (new, old) = (with(true), with(false));
    if end.outcome == RunOutcome::Succeeded {
        if old.is_empty() {
            let message = format!("image {image} is in {new}");
            return (end.outcome, Reason::recorded(&end.reason), message);
        }
        let message = format!(
            "{}, and not all scaling configurations carry it when they are read back: {}",
            end.message,
            carried(read)
        );
        return (RunOutcome::Failed, Reason::NotUpdated, message);
    }
    let mut message = end.message.clone();
    if !new.is_empty() {
        let mut both = run.configurations.iter().zip(read);
        let before = both.find(|(_, now)| now.updated);
        let before = before.and_then(|(before, _)| before.image_id.as_deref());
        let back = before.map_or(String::new(), |before| {
            format!("; to go back set spec.imageId to {before}")
        });
        message.push_str(&format!(
            "; {new} carry the new image {image} all the same, for nothing is put back by itself{back}"
        ));
    }
    (end.outcome, Reason::recorded(&end.reason), message)
}

/// The run goes into the history.
fn close(ctx: &Context<'_>, status: &mut Draft, end: End<'_>) {
    let (outcome, reason, message) = end;
    let Some(run) = status.active.take() else {
        return;
    };
    // They were overridden for this run alone.
    (status.waiting, status.windows_overridden) = (None, Vec::new());
    let now = Time(ctx.now());
    if outcome == RunOutcome::Succeeded {
        status.last_successful_time = Some(now.clone());
    }
    let ended = EndedRun {
        number: run.number,
        trigger: run.trigger,
        schedule_time: run.schedule_time,
        start_time: run.time,
        end_time: now,
        outcome,
        reason: reason.into(),
        message: shorten(message, 1024),
        image_id: run.image_id,
        execution_id: run.execution.map(|execution| execution.id),
    };
    status.history.insert(0, ended);
    trim(ctx, status);
    report::ended(status, end);
}

/// Keeps the history within its limits, the newest of each kind.
pub(super) fn trim(ctx: &Context<'_>, status: &mut ImageUpdateTaskStatus) {
    let limit = |limit: i32| usize::try_from(limit).unwrap_or(0);
    let mut successful = limit(ctx.spec.successful_runs_history_limit);
    let mut failed = limit(ctx.spec.failed_runs_history_limit);
    status.history.retain(|run| {
        let left = match run.outcome {
            RunOutcome::Succeeded => &mut successful,
            RunOutcome::Failed | RunOutcome::Cancelled => &mut failed,
        };
        let keep = *left > 0;
        *left = left.saturating_sub(1);
        keep
    });
}
