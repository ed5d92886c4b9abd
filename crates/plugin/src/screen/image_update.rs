//! How an ImageUpdateTask is shown.

use ess_rollout_api::v1alpha1::RunOutcome;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::page::{Mood, Page, Style, age, wrapped};
use super::requests::{WHY_LINES, requests, standing};
use crate::image_update::ImageUpdate;

/// Runs that are shown, the newest; with `-v` all that are kept.
const RUNS: usize = 5;
/// Scaling configurations that are shown; with `-v` all.
const CONFIGURATIONS: usize = 5;

/// How it fares.
pub fn mood(update: &ImageUpdate) -> Mood {
    match update.state() {
        "Succeeded" => Mood::Good,
        "Failed" | "Blocked" => Mood::Bad,
        "Cancelled" | "Suspended" | "Scheduled" | "Finished" => Mood::Waiting,
        _ => Mood::Moving,
    }
}

fn of_run(outcome: RunOutcome) -> Mood {
    match outcome {
        RunOutcome::Succeeded => Mood::Good,
        RunOutcome::Failed => Mood::Bad,
        RunOutcome::Cancelled => Mood::Waiting,
    }
}

/// The whole of it.
pub fn screen(update: &ImageUpdate, now: Timestamp, style: Style) -> Vec<String> {
    let mut page = Page::new(now, style);
    head(&mut page, update);
    schedule(&mut page, update);
    runs(&mut page, update);
    requests(&mut page, &update.status.actions);
    standing(&mut page, &update.metadata, &update.status.handled_actions);
    page.lines
}

fn head(page: &mut Page, update: &ImageUpdate) {
    let created = update.metadata.creation_timestamp.as_ref();
    let created = created.map_or(String::new(), |time| {
        format!(", created {} ago", page.ago(time))
    });
    let name = format!("{}/{}", update.namespace(), update.name());
    let rest = format!("  ImageUpdateTask {name}{created}");
    page.marked("", mood(update), update.state(), &rest);
    let group = &update.spec.scaling_group_id;
    let mut facts = vec![update.what(), format!("scaling group {group}")];
    facts.extend(
        update
            .status
            .image_id
            .as_ref()
            .map(|image| format!("last put there: {image}")),
    );
    page.plain(&format!("  {}", facts.join(", ")));
    let width = page.style.width.saturating_sub(2);
    for line in wrapped(update.why(), width, WHY_LINES) {
        page.plain(&format!("  {line}"));
    }
    let all = &update.status.configurations;
    let shown = if page.style.verbose {
        all.len()
    } else {
        CONFIGURATIONS
    };
    for configuration in all.iter().take(shown) {
        let carries = configuration.image_id.as_deref().unwrap_or("is gone");
        let mood = if configuration.updated {
            Mood::Good
        } else {
            Mood::Bad
        };
        page.marked("  ", mood, &configuration.id, &format!("  {carries}"));
    }
    if all.len() > shown {
        let more = all.len() - shown;
        page.plain(&format!("  and {more} more configurations: -v lists them"));
    }
}

fn until(page: &Page, time: &Time) -> String {
    match time.0 > page.now {
        true => format!("{} (in {})", time.0, age(time.0, page.now)),
        false => format!("{} (due)", time.0),
    }
}

fn schedule(page: &mut Page, update: &ImageUpdate) {
    let status = &update.status;
    if let Some(schedule) = update.spec.schedule.as_ref() {
        let zone = schedule.time_zone.as_deref().unwrap_or("UTC");
        let when = match (&schedule.cron, &schedule.at) {
            (Some(cron), _) => format!("{cron} ({zone})"),
            (None, Some(at)) => format!("once, at {}", at.0),
            (None, None) => String::new(),
        };
        let missed = status.missed_runs.filter(|missed| *missed > 0);
        let missed = missed.map_or(String::new(), |missed| format!(", {missed} missed"));
        let suspended = if update.spec.suspend {
            ", suspended"
        } else {
            ""
        };
        page.plain(&format!("  schedule: {when}{missed}{suspended}"));
    }
    if let Some(next) = &status.next_schedule_time {
        let next = until(page, next);
        page.plain(&format!("  next run: {next}"));
    }
    if let Some(waiting) = &status.waiting {
        let since = page.ago(&waiting.due);
        page.plain(&format!(
            "  a run ({:?}) is due for {since}",
            waiting.trigger
        ));
    }
}

fn runs(page: &mut Page, update: &ImageUpdate) {
    let status = &update.status;
    if let Some(run) = &status.active {
        let image = run.image_id.as_deref().unwrap_or("no image yet");
        let since = page.ago(&run.time);
        let execution = run.execution.as_ref();
        let execution = execution.map_or(String::new(), |of| format!(", {}", of.id));
        let rest = format!(", {:?}, for {since}: {image}{execution}", run.trigger);
        page.marked("  ", Mood::Moving, &format!("run {}", run.number), &rest);
    }
    let shown = if page.style.verbose {
        status.history.len()
    } else {
        RUNS
    };
    for run in status.history.iter().take(shown) {
        let took = age(run.end_time.0, run.start_time.0);
        let image = run.image_id.as_deref().unwrap_or("no image");
        let why = match (run.outcome, run.message.as_str()) {
            (RunOutcome::Succeeded, _) | (_, "") => String::new(),
            (_, message) => format!(": {message}"),
        };
        let ago = page.ago(&run.end_time);
        let head = format!("run {} {:?}", run.number, run.outcome);
        let rest = format!(", {:?}, {ago} ago, took {took}: {image}{why}", run.trigger);
        page.marked("  ", of_run(run.outcome), &head, &rest);
    }
    if status.history.len() > shown {
        let more = status.history.len() - shown;
        page.plain(&format!("  and {more} more runs: -v lists them"));
    }
}
