//! What a pause says: what it waits for, and the commands that decide about it. In one place, so
//! that nothing that has to be said is said in some pauses only.

use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{InstanceStatus, PauseKind, RollingUpdateTaskStatus};
use ess_rollout_cloud::Execution;
use jiff::Timestamp;

use super::tasks::FailedTask;
use crate::rollout::context::Context;
use crate::rollout::progress::approval::{self, Obstacle};
use crate::rollout::progress::freeze;
use crate::rollout::progress::holds::{self, Hold};
use crate::task::conditions::{self, shorten};

/// How many instances, or tasks, are named in a message.
const SHOWN: usize = 3;
/// The most bytes of a pause's message (CRD: `status.pause.message`).
const MESSAGE_MAX: usize = 1024;
/// The most bytes of what OOS says of a failed task.
const WHY_MAX: usize = 320;
/// A nonce that is new each time the command is typed.
const NONCE: &str = "$(date +%s)";

/// What the execution waits for.
pub(super) enum WaitsFor<'w> {
    /// A person, after a batch.
    Batch(i32),
    /// A decision about failed instances, `tolerated` of which `spec.maxErrors` allows.
    Instances {
        failed: Vec<&'w InstanceStatus>,
        tolerated: usize,
    },
    /// A decision about failed tasks of the execution itself.
    Tasks(Vec<FailedTask<'w>>),
    /// Confirmation of a high-risk action.
    Approval,
    /// Not known.
    Unknown,
}

impl WaitsFor<'_> {
    pub(super) fn kind(&self) -> PauseKind {
        match self {
            Self::Batch(_) => PauseKind::Batch,
            Self::Instances { .. } | Self::Tasks(_) => PauseKind::Failure,
            Self::Approval => PauseKind::Approval,
            Self::Unknown => PauseKind::Unknown,
        }
    }
}

/// The message of a pause.
pub(super) fn message(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    root: &Execution,
    (what, since): (&WaitsFor<'_>, Timestamp),
) -> String {
    let text = match what {
        WaitsFor::Batch(id) => return of_batch(ctx, status, (*id, since)),
        WaitsFor::Instances { failed, tolerated } => instances(ctx, failed, *tolerated),
        WaitsFor::Tasks(failed) => tasks(ctx, failed),
        WaitsFor::Approval => "OOS waits for confirmation of a high-risk action: confirm or refuse it in the OOS console".to_owned(),
        WaitsFor::Unknown => unknown(root),
    };
    freeze::added_to(status, &text, MESSAGE_MAX)
}

/// The message of the pause after a batch, by its number and when it began.
pub(super) fn of_batch(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: (i32, Timestamp),
) -> String {
    freeze::added_to(status, &batch(ctx, status, pause), MESSAGE_MAX)
}

/// A command that sets a request.
fn command(ctx: &Context<'_>, key: &str, value: &str) -> String {
    format!(
        "kubectl annotate {} -n {} {} {key}={value} --overwrite",
        ctx.resource(),
        ctx.namespace,
        ctx.name
    )
}

fn batch(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    (id, since): (i32, Timestamp),
) -> String {
    let of = status.batches.len();
    let ended = format!("batch {id} of {of} has ended");
    // Typed when the plain value is what the annotation already holds, it would ask for nothing.
    let plain = id.to_string();
    let handled = status.handled_actions.continue_.as_deref();
    let spent = ctx.annotation(keys::CONTINUE).or(handled) == Some(&plain);
    let value = match spent {
        false => plain,
        true => format!("{id}@{NONCE}"),
    };
    match approval::obstacle(ctx, status, id, None) {
        None => {
            let again = approval::of_pause(status, id).filter(|record| record.refusals > 0);
            let refused = again.map_or_else(String::new, |record| {
                format!("; OOS refused to go on once ({}), and is asked again once its lists are newer than that", record.message)
            });
            let holds = holds::of_pause(ctx, status, (id, since), false);
            let held = holds::said(&holds);
            let command = command(ctx, keys::CONTINUE, &value);
            match holds.iter().find(|hold| !matches!(hold, Hold::Window(_))) {
                _ if holds.iter().any(Hold::is_for_good) => format!(
                    "{ended}{refused}{held}; this update cannot go on; to end it and put the group back: {}",
                    self::command(ctx, keys::CANCEL, NONCE)
                ),
                Some(Hold::Person) => format!(
                    "{ended}{refused}{held}; to go on: {command}, or raise spec.approvedBatches to {}",
                    id + 1
                ),
                Some(_) => {
                    format!("{ended}{refused}{held}; to go on without waiting for that: {command}")
                }
                None if holds.is_empty() => format!("{ended}{refused}; the update goes on"),
                None => format!("{ended}{refused}{held}; then the update goes on by itself"),
            }
        }
        Some(Obstacle::Refused(record)) => format!(
            "{ended}, and OOS refused to go on ({}): look at the execution in the OOS console; to ask again: {}",
            record.message,
            command(ctx, keys::CONTINUE, &format!("{id}@{NONCE}")),
        ),
        Some(Obstacle::Taken(record)) if ctx.now() < approval::over_at(ctx, record) => format!(
            "{ended}, and OOS goes on: it took the Approve at {}",
            record.time.0
        ),
        Some(Obstacle::Taken(record)) => format!(
            "{ended}; OOS took the Approve at {}, and still lists the update as waiting: its lists are older than --settle-seconds allows for, or it waits again; go on in the OOS console",
            record.time.0
        ),
        Some(Obstacle::Alike) => format!(
            "{ended}; OOS did not answer the Approve, and as the next batch has nothing to update it cannot be told whether the update has gone on: go on in the OOS console"
        ),
    }
}

/// What failed, and the commands that decide about it.
fn instances(ctx: &Context<'_>, failed: &[&InstanceStatus], tolerated: usize) -> String {
    let ids: Vec<&str> = failed.iter().map(|i| i.id.as_str()).collect();
    let named = match failed.len() {
        0..=SHOWN => {
            let each = failed.iter().map(|i| format!("{}/{}", i.id, i.attempt));
            each.collect::<Vec<_>>().join(",")
        }
        _ => "failed".to_owned(),
    };
    let value = format!("{named}@{NONCE}");
    let allowed = match tolerated {
        0 => String::new(),
        tolerated => format!(", {tolerated} of them tolerated by spec.maxErrors"),
    };
    format!(
        "{} failed{allowed} (see status.instances); to run again: {}; to pass over, as done: {}; to give up, as failed: {}=... in the same way; or cancel the update",
        list(&ids),
        command(ctx, keys::RETRY, &value),
        command(ctx, keys::SKIP, &value),
        keys::CANCEL_INSTANCES,
    )
}

fn tasks(ctx: &Context<'_>, failed: &[FailedTask<'_>]) -> String {
    let Some(first) = failed.first() else {
        return String::new();
    };
    let how = match first.items {
        None => "failed".to_owned(),
        Some(items) => format!("failed for {} of {items} items", first.parts.len()),
    };
    let more = match failed.len() - 1 {
        0 => String::new(),
        more => format!(" ({more} more failed, see the OOS console)"),
    };
    let value = format!("task:{}@{NONCE}", first.name);
    format!(
        "task {} {how}: {}{more}; to run it again: {}; to pass over, as done: {}; or cancel the update",
        first.name,
        shorten(first.why(), WHY_MAX),
        command(ctx, keys::RETRY, &value),
        command(ctx, keys::SKIP, &value),
    )
}

fn unknown(root: &Execution) -> String {
    let doing = match root.current_actions.as_slice() {
        [] => String::new(),
        actions => format!(", at {}", actions[..actions.len().min(SHOWN)].join(", ")),
    };
    let status = match root.waiting_status.as_str() {
        "" => String::new(),
        word => format!(", WaitingStatus {word}"),
    };
    format!(
        "OOS waits, and nothing that it lists says for what{doing}{status}: look at the execution in the OOS console"
    )
}

/// The first few of a list, and how many more.
fn list(ids: &[&str]) -> String {
    let shown = conditions::named(ids, SHOWN);
    match ids.len() {
        1 => format!("instance {shown}"),
        _ => format!("instances {shown}"),
    }
}
