//! How an update is shown.

use std::fmt::Write as _;

use ess_rollout_api::v1alpha1::{
    BatchState, BatchStatus, InstanceState, InstanceStatus, Pause, PauseKind, RestoreState,
    ThawState, Verdict, condition,
};
use jiff::Timestamp;

use super::page::{Mood, Page, Style, age, counted, wrapped};
use super::requests::{WHY_LINES, requests, standing};
use crate::conditions::condition as one_of;
use crate::rollout::Rollout;

/// Lines for batches and their instances; with `-v` all that there are.
const TREE: usize = 13;
/// Things that are not put back which are listed; with `-v` all.
const LEFT: usize = 3;

fn of_batch(state: BatchState) -> Mood {
    match state {
        BatchState::Pending => Mood::Quiet,
        BatchState::Updating => Mood::Moving,
        BatchState::Succeeded => Mood::Good,
        BatchState::Failed => Mood::Bad,
    }
}

fn of_instance(state: InstanceState) -> Mood {
    match state {
        InstanceState::Pending => Mood::Quiet,
        InstanceState::Updating => Mood::Moving,
        InstanceState::Succeeded => Mood::Good,
        InstanceState::Failed => Mood::Bad,
        InstanceState::Cancelled | InstanceState::Skipped => Mood::Waiting,
    }
}

/// How an update fares.
pub fn mood(rollout: &Rollout) -> Mood {
    match rollout.state() {
        "Succeeded" => Mood::Good,
        "Failed" | "FailureSuspended" | "Blocked" => Mood::Bad,
        "Cancelled" => Mood::Waiting,
        state if state.ends_with("Suspended") => Mood::Waiting,
        _ => Mood::Moving,
    }
}

/// The whole of it.
pub fn screen(rollout: &Rollout, now: Timestamp, style: Style) -> Vec<String> {
    let mut page = Page::new(now, style);
    head(&mut page, rollout);
    tree(&mut page, rollout);
    requests(&mut page, &rollout.status.actions);
    standing(
        &mut page,
        &rollout.metadata,
        &rollout.status.handled_actions,
    );
    left(&mut page, rollout);
    page.lines
}

fn head(page: &mut Page, rollout: &Rollout) {
    let status = &rollout.status;
    let name = format!("{}/{}", rollout.namespace(), rollout.name());
    let created = rollout.metadata.creation_timestamp.as_ref();
    let created = created.map_or(String::new(), |time| {
        format!(", created {} ago", page.ago(time))
    });
    let rest = format!("  {} {name}{created}", rollout.kind.name());
    page.marked("", mood(rollout), rollout.state(), &rest);
    let mut facts = vec![rollout.what.clone()];
    facts.extend(
        rollout
            .group
            .as_ref()
            .map(|group| format!("scaling group {group}")),
    );
    if let Some(summary) = &status.summary {
        facts.push(format!(
            "{} instances, {} %",
            summary.progress, summary.percent
        ));
    }
    facts.extend(
        status
            .execution
            .as_ref()
            .map(|execution| execution.id.clone()),
    );
    page.plain(&format!("  {}", facts.join(", ")));
    let width = page.style.width.saturating_sub(2);
    for line in wrapped(why(rollout), width, WHY_LINES) {
        page.plain(&format!("  {line}"));
    }
    if let Some(pause) = status.pause.as_ref().filter(|_| rollout.is_paused()) {
        let (since, of) = (page.ago(&pause.since), paused(pause));
        page.plain(&format!("  paused for {since}, {of}"));
    } else if let Some(pause) = status.pause.as_ref().filter(|_| rollout.is_held()) {
        let (since, of) = (page.ago(&pause.since), paused(pause));
        page.plain(&format!("  held for {since}, {of}"));
    }
    if let Some(freeze) = &status.freeze {
        let since = page.ago(&freeze.since);
        let processes = freeze.processes.join(", ");
        page.plain(&format!(
            "  the group stands still for {since}: {processes}"
        ));
    }
    if let Some(thaw) = &status.thaw {
        let (since, processes) = (page.ago(&thaw.since), thaw.processes.join(", "));
        match thaw.state {
            ThawState::Resumed => page.plain(&format!(
                "  the group scales for {since}, until the pause is over: {processes} are resumed"
            )),
            ThawState::Suspending => page.plain(&format!(
                "  {processes} are being suspended for {since}, for the next batch {}",
                thaw.message
            )),
            ThawState::Resuming | ThawState::Suspended => {}
        }
    }
    if !status.windows_overridden.is_empty() && status.result.is_none() {
        let windows = status.windows_overridden.join(", ");
        page.plain(&format!("  whatever the time: {windows} overridden"));
    }
    if !status.windows_not_holding.is_empty() {
        let windows = status.windows_not_holding.join(", ");
        page.plain(&format!("  came too late to hold it: {windows}"));
    }
    checks(page, rollout);
    let undone_by = status.automatic_rollback.as_ref();
    if let Some(undo) = undone_by.filter(|_| status.rolled_back_by.is_none()) {
        page.plain(&format!(
            "  rollback/{} undoes it: {}",
            undo.name, undo.message
        ));
    }
    let mut said = "to go on:";
    for next in rollout.next_commands() {
        // Not cut: it is there to be copied.
        page.lines.push(format!("  {said} {next}"));
        said = "      or:";
    }
    if let Some(command) = rollout.command_not_to_wait() {
        page.lines.push(format!("  not to wait for it: {command}"));
    }
    ended(page, rollout);
}

/// What the checks of its gates came to, as long as it goes on.
fn checks(page: &mut Page, rollout: &Rollout) {
    let status = &rollout.status;
    let gate = status.gate.as_ref().filter(|_| status.result.is_none());
    for check in gate.iter().flat_map(|gate| &gate.checks) {
        let (name, since) = (&check.name, page.ago(&check.since));
        let verdict = match check.verdict {
            Verdict::Pass => "passes",
            Verdict::Fail => "failed",
            Verdict::Inconclusive => "inconclusive",
        };
        let why = match check.message.as_str() {
            "" => String::new(),
            why => format!(": {why}"),
        };
        let value = match check.value.as_str() {
            // The reason has it.
            value if value.is_empty() || !check.message.is_empty() => String::new(),
            value => format!(" with {value}"),
        };
        page.plain(&format!("  check {name} {verdict}{value} for {since}{why}"));
    }
}

/// Why it is in its state. The commands of a pause's message are kubectl's; those of this program come after it.
fn why(rollout: &Rollout) -> &str {
    let why = rollout.why();
    match why.split_once("kubectl ") {
        Some((before, _)) if !rollout.next_commands().is_empty() => before
            .rsplit_once("; ")
            .map_or(before, |(before, _)| before),
        _ => why,
    }
}

/// What a pause is.
pub fn paused(pause: &Pause) -> String {
    match pause.kind {
        PauseKind::Batch => format!("after batch {}", pause.id),
        PauseKind::Failure => "because something failed".to_owned(),
        PauseKind::Approval => "until OOS has a confirmation".to_owned(),
        PauseKind::Unknown => "by OOS, which does not say why".to_owned(),
    }
}

/// Of one that has ended: how long it took, and what of the cloud is not as it should be.
fn ended(page: &mut Page, rollout: &Rollout) {
    let status = &rollout.status;
    let Some(done) = &status.completion_time else {
        let end = status.summary.as_ref();
        let end = end.and_then(|summary| summary.estimated_end_time.as_ref());
        if let Some(end) = end.filter(|end| !rollout.is_paused() && end.0 > page.now) {
            page.plain(&format!("  done in about {}", age(end.0, page.now)));
        }
        return;
    };
    let execution = status.execution.as_ref();
    let times = execution.map(|of| (of.start_time.as_ref(), of.end_time.as_ref()));
    let took = match times {
        // By one clock, that of the cloud.
        Some((Some(start), Some(end))) => format!(", took {}", age(end.0, start.0)),
        _ => String::new(),
    };
    let ago = page.ago(done);
    page.plain(&format!("  ended {ago} ago{took}"));
    if let Some(undo) = &status.rolled_back_by {
        page.plain(&format!("  rolled back by rollback/{}", undo.name));
    }
    for kind in [condition::RESTORED, condition::VERIFIED] {
        let found = one_of(&status.conditions, kind).filter(|found| found.status == "False");
        if let Some(found) = found {
            page.plain(&format!(
                "  not {kind}: {}: {}",
                found.reason, found.message
            ));
        }
    }
}

/// What is listed of an instance unless all are: what a person has to see.
fn stands_out(instance: &InstanceStatus) -> bool {
    use InstanceState::{Failed, Updating};
    matches!(instance.state, Failed | Updating)
}

/// Failures first, then what is under way.
fn rank(instance: &InstanceStatus) -> u8 {
    match instance.state {
        InstanceState::Failed => 0,
        InstanceState::Updating => 1,
        InstanceState::Cancelled | InstanceState::Skipped => 2,
        InstanceState::Pending => 3,
        InstanceState::Succeeded => 4,
    }
}

fn tree(page: &mut Page, rollout: &Rollout) {
    let status = &rollout.status;
    let verbose = page.style.verbose;
    let mut room = if verbose { usize::MAX } else { TREE };
    let mut batches = status.batches.as_slice();
    let mut left_out = 0;
    let outstanding = status.instances.iter().filter(|one| stands_out(one));
    // Where there is no room for all, failures have it.
    let many = outstanding.count() > TREE / 2;
    let shows = |one: &InstanceStatus| {
        let failed = one.state == InstanceState::Failed;
        verbose || failed || (!many && stands_out(one))
    };
    while let Some(first) = batches.first() {
        let listed = |batch: &BatchStatus| -> Vec<&InstanceStatus> {
            let of_batch = status
                .instances
                .iter()
                .filter(|one| one.batch == batch.index);
            let mut of_batch: Vec<_> = of_batch.filter(|one| shows(one)).collect();
            of_batch.sort_by_key(|one| (rank(one), one.id.clone()));
            of_batch
        };
        // Batches in a row that fare alike, and have nothing that stands out, are one line.
        let alike = |batch: &&BatchStatus| batch.state == first.state && listed(batch).is_empty();
        let run = match listed(first).is_empty() {
            true => batches.iter().take_while(alike).count().max(1),
            false => 1,
        };
        let (these, rest) = batches.split_at(run);
        let instances = listed(first);
        batches = rest;
        if room == 0 {
            left_out += run;
            continue;
        }
        batch_line(page, these, rest.is_empty());
        room -= 1;
        // A line is kept for each batch that comes, and one for those left out.
        let shown = instances.len().min(room.saturating_sub(rest.len().min(3)));
        for instance in &instances[..shown] {
            instance_line(page, instance);
        }
        room -= shown;
        if shown < instances.len() {
            let more = instances.len() - shown;
            page.plain(&format!(
                "      and {more} more of this batch: -v lists them"
            ));
            room = room.saturating_sub(1);
        }
    }
    if left_out > 0 {
        page.plain(&format!("  and {left_out} more batches: -v lists them"));
    }
    if let Some(truncated) = status.instances_truncated.filter(|count| *count > 0) {
        page.plain(&format!(
            "  {truncated} instances are not in the status, which has no room for them"
        ));
    }
}

fn batch_line(page: &mut Page, batches: &[BatchStatus], last: bool) {
    let (Some(first), Some(end)) = (batches.first(), batches.last()) else {
        return;
    };
    let size: i32 = batches.iter().map(|batch| batch.size).sum();
    let name = match batches.len() {
        1 => format!("batch {}", first.index),
        _ => format!("batches {} to {}", first.index, end.index),
    };
    let times = (first.start_time.as_ref(), end.end_time.as_ref());
    let took = match times {
        (Some(start), Some(end)) => format!(", took {}", age(end.0, start.0)),
        (Some(start), None) => format!(", for {}", page.ago(start)),
        (None, _) => String::new(),
    };
    let branch = match (page.style.unicode, last) {
        (true, true) => "└─",
        (true, false) => "├─",
        (false, true) => "`-",
        (false, false) => "|-",
    };
    let word = format!("{name} {:?}", first.state);
    let size = counted(usize::try_from(size).unwrap_or_default(), "instance");
    let rest = format!(", {size}{took}");
    page.marked(branch, of_batch(first.state), &word, &rest);
}

fn instance_line(page: &mut Page, instance: &InstanceStatus) {
    let mut rest = String::new();
    if instance.attempt > 1 {
        let _ = write!(rest, ", attempt {}", instance.attempt);
    }
    match (&instance.start_time, &instance.end_time) {
        (Some(start), Some(end)) => {
            let _ = write!(rest, ", took {}", age(end.0, start.0));
        }
        (Some(start), None) => {
            let _ = write!(rest, ", for {}", page.ago(start));
        }
        (None, _) => {}
    }
    if let Some(code) = instance.exit_code.filter(|code| *code != 0) {
        let _ = write!(rest, ", exit code {code}");
    }
    if !instance.message.is_empty() {
        let _ = write!(rest, ": {}", instance.message);
    }
    let word = format!("{} {:?}", instance.id, instance.state);
    page.marked("     ", of_instance(instance.state), &word, &rest);
}

/// What was changed and is not put back, each thing once it is known that it stays so.
fn left(page: &mut Page, rollout: &Rollout) {
    let Some(restore) = &rollout.status.restore else {
        return;
    };
    let of = |state: RestoreState| restore.items.iter().filter(move |item| item.state == state);
    let (left, pending) = (of(RestoreState::Left), of(RestoreState::Pending).count());
    let count = left.clone().count();
    let shown = if page.style.verbose { count } else { LEFT };
    for item in left.take(shown) {
        let kept = if item.kept { ", on purpose" } else { "" };
        page.plain(&format!(
            "  left: {:?} {}, to be {}{kept}: {}",
            item.kind, item.target, item.wanted, item.message
        ));
    }
    if count > shown {
        let more = count - shown;
        page.plain(&format!("  and {more} more that is left: -v lists it"));
    }
    if pending > 0 && !restore.done && rollout.status.result.is_some() {
        page.plain(&format!(
            "  {pending} things about the group are being put back"
        ));
    }
}
