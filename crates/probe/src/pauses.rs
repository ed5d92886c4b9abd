//! What pauses and failures show, and who may be retried.

use ess_emulator::oos::{
    ChildInFailurePause, FailurePauseAt, OthersInFailurePause, PausedStatus, SkippedItemStatus,
};
use serde_json::{Value, json};

use crate::findings::{Findings, ProbeError};
use crate::lags::LOOP;
use crate::oos::{Item, Oos, text};
use crate::profile::shows;

/// Seconds until everything that follows from something by itself has followed.
const REST: u32 = 15;
/// An item that fails: no duration.
const FAILS: &str = "never";

pub(crate) fn of_batches(oos: &mut Oos<'_>, findings: &mut Findings) {
    let found = batches(oos);
    findings.keep(
        &["oos.waitingStatusBatchPause", "oos.pauseAfterLastBatch"],
        found,
        |all, (waiting, after_last)| {
            all.oos.waiting_status_batch_pause = waiting;
            all.oos.pause_after_last_batch = after_last;
        },
    );
}

fn batches(oos: &mut Oos<'_>) -> Result<(String, bool), ProbeError> {
    let two = json!({"items": ["PT1S", "PT2S"], "batches": [1, 1], "pause": "EveryBatchPause"});
    let id = oos.start(LOOP, &two, &json!({}))?;
    let waiting = oos.until("it pauses", |oos| {
        let listed = oos.listed(&id)?.unwrap_or_default();
        Ok((text(&listed, "Status") == "Waiting").then(|| text(&listed, "WaitingStatus")))
    })?;
    oos.notify(&id, "Approve", &json!({}))?;
    let last = "PT2S";
    oos.until("the last batch is done", |oos| {
        let item = oos.item(&id, last)?;
        Ok(item.filter(|item| item.status == "Success").map(drop))
    })?;
    oos.sleep(REST);
    let after_last = match text(&oos.execution(&id)?, "Status").as_str() {
        "Waiting" => true,
        "Success" => false,
        other => {
            return Err(ProbeError::Unknown(format!(
                "after its last batch it is {other}"
            )));
        }
    };
    if after_last {
        oos.notify(&id, "Approve", &json!({}))?;
    }
    Ok((waiting, after_last))
}

/// By what an item is named to NotifyExecution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    TaskExecutionId,
    LoopItem,
    ChildExecution,
}

pub(crate) fn of_failures(oos: &mut Oos<'_>, findings: &mut Findings) {
    let paused = match failure(oos) {
        Ok(paused) => paused,
        Err(error) => {
            let all = [
                "oos.waitingStatusFailurePause",
                "oos.loopTaskInPause",
                "oos.rootInFailurePause",
                "oos.childInFailurePause",
                "oos.failurePauseAt",
                "oos.othersInFailurePause",
                "oos.failurePauseShows",
                "oos.notifyByTaskExecutionId",
                "oos.notifyByLoopItem",
                "oos.notifyByChildExecution",
                "oos.skippedItemStatus",
                "oos.cancelledItemsCountAsErrors",
            ];
            return findings.without(&all, &error.to_string());
        }
    };
    let Paused { id, child, root } = paused;
    let switches = &mut findings.switches.oos;
    switches.waiting_status_failure_pause = text(&root, "WaitingStatus");
    (
        switches.root_in_failure_pause,
        switches.child_in_failure_pause,
    ) = (shown(&text(&root, "Status")), child);
    let found = oos.loop_status(&id);
    findings.keep(&["oos.loopTaskInPause"], found, |all, status| {
        all.oos.loop_task_in_pause = shown(&status);
    });

    let mut ways = Vec::new();
    for (by, name) in [
        (By::TaskExecutionId, "oos.notifyByTaskExecutionId"),
        (By::LoopItem, "oos.notifyByLoopItem"),
        (By::ChildExecution, "oos.notifyByChildExecution"),
    ] {
        let found = may_retry(oos, &id, by);
        if let Ok(true) = found {
            ways.push(by);
        }
        findings.keep(&[name], found, |all, may| match by {
            By::TaskExecutionId => all.oos.notify_by_task_execution_id = may,
            By::LoopItem => all.oos.notify_by_loop_item = may,
            By::ChildExecution => all.oos.notify_by_child_execution = may,
        });
    }

    // To skip a task in a child that waits is not to skip the item.
    let skips = ways
        .iter()
        .find(|by| **by != By::ChildExecution || child == ChildInFailurePause::Failed);
    match skips {
        Some(by) => {
            let found = skipped(oos, &id, *by);
            findings.keep(&["oos.skippedItemStatus"], found, |all, status| {
                all.oos.skipped_item_status = status;
            });
        }
        None => findings.without(&["oos.skippedItemStatus"], "no item can be skipped"),
    }
    match ways.first() {
        Some(by) => {
            let found = cancelled(oos, *by);
            findings.keep(&["oos.cancelledItemsCountAsErrors"], found, |all, count| {
                all.oos.cancelled_items_count_as_errors = count;
            });
        }
        None => findings.without(
            &["oos.cancelledItemsCountAsErrors"],
            "no item can be given up",
        ),
    }

    let found = tolerates(oos);
    findings.keep(&["oos.failurePauseAt"], found, |all, at| {
        all.oos.failure_pause_at = at;
    });
    let visible = findings.switches.oos.root_in_failure_pause == PausedStatus::Waiting;
    let found = others(oos);
    findings.keep(
        &["oos.othersInFailurePause", "oos.failurePauseShows"],
        found,
        |all, (others, at_once)| {
            all.oos.others_in_failure_pause = others;
            if visible {
                all.oos.failure_pause_shows = shows(at_once);
            }
        },
    );
    if !visible {
        findings.without(
            &["oos.failurePauseShows"],
            "a failure pause does not show on the execution",
        );
    }
}

fn shown(status: &str) -> PausedStatus {
    match status {
        "Waiting" => PausedStatus::Waiting,
        _ => PausedStatus::Running,
    }
}

/// An execution whose one item has failed.
struct Paused {
    id: String,
    child: ChildInFailurePause,
    root: Value,
}

fn start_failing(oos: &mut Oos<'_>) -> Result<String, ProbeError> {
    let one = json!({"items": [FAILS], "batches": [1]});
    let id = oos.start(LOOP, &one, &json!({"Mode": "FailurePause"}))?;
    failed(oos, &id)?;
    Ok(id)
}

/// Waits until the item has failed and everything has come to rest.
fn failed(oos: &mut Oos<'_>, id: &str) -> Result<Item, ProbeError> {
    oos.until("an item has failed", |oos| {
        let item = oos.item(id, FAILS)?;
        Ok(item
            .filter(|item| item.status != "Running" && item.status != "Started")
            .map(drop))
    })?;
    oos.sleep(REST);
    oos.item(id, FAILS)?
        .ok_or_else(|| ProbeError::NotSeen("the item that failed".to_owned()))
}

fn failure(oos: &mut Oos<'_>) -> Result<Paused, ProbeError> {
    let id = start_failing(oos)?;
    let item = failed(oos, &id)?;
    let child = oos.execution(&item.child)?;
    let child = match text(&child, "Status").as_str() {
        "Failed" => ChildInFailurePause::Failed,
        "Waiting" => ChildInFailurePause::Waiting,
        other => {
            return Err(ProbeError::Unknown(format!(
                "a child that failed is {other}"
            )));
        }
    };
    let root = oos.execution(&id)?;
    Ok(Paused { id, child, root })
}

fn act(oos: &mut Oos<'_>, id: &str, verb: &str, by: By) -> Result<bool, ProbeError> {
    let item = failed(oos, id)?;
    let (id, address) = match by {
        By::TaskExecutionId => (id, json!({"TaskExecutionId": item.task})),
        By::LoopItem => (id, json!({"LoopItem": FAILS})),
        By::ChildExecution => (item.child.as_str(), json!({})),
    };
    match oos.notify(id, verb, &address) {
        Ok(()) => Ok(true),
        Err(error) if error.is_refusal() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Whether a retry is taken that names the item so. It fails again.
fn may_retry(oos: &mut Oos<'_>, id: &str, by: By) -> Result<bool, ProbeError> {
    let taken = act(oos, id, "RetryTask", by)?;
    // It is under way for a moment.
    oos.sleep(2);
    failed(oos, id)?;
    Ok(taken)
}

fn skipped(oos: &mut Oos<'_>, id: &str, by: By) -> Result<SkippedItemStatus, ProbeError> {
    if !act(oos, id, "SkipTask", by)? {
        return Err(ProbeError::Unknown(
            "an item may be retried, and not skipped".to_owned(),
        ));
    }
    oos.sleep(REST);
    let item = oos.item(id, FAILS)?;
    match item.map(|item| item.status).as_deref() {
        Some("Skipped") => Ok(SkippedItemStatus::Skipped),
        Some("Success") => Ok(SkippedItemStatus::Success),
        other => Err(ProbeError::Unknown(format!(
            "an item that was skipped is {other:?}"
        ))),
    }
}

fn cancelled(oos: &mut Oos<'_>, by: By) -> Result<bool, ProbeError> {
    let id = start_failing(oos)?;
    if !act(oos, &id, "CancelTask", by)? {
        return Err(ProbeError::Unknown(
            "an item may be retried, and not given up".to_owned(),
        ));
    }
    match oos.end(&id)?.as_str() {
        "Failed" => Ok(true),
        "Success" => Ok(false),
        other => Err(ProbeError::Unknown(format!(
            "its item given up, it ends as {other}"
        ))),
    }
}

/// Whether one failure holds a loop that tolerates one.
fn tolerates(oos: &mut Oos<'_>) -> Result<FailurePauseAt, ProbeError> {
    let one = json!({"items": [FAILS], "batches": [1], "maxErrors": 1});
    let id = oos.start(LOOP, &one, &json!({"Mode": "FailurePause"}))?;
    failed(oos, &id)?;
    Ok(match text(&oos.execution(&id)?, "Status").as_str() {
        "Success" => FailurePauseAt::BeyondMaxErrors,
        _ => FailurePauseAt::EveryFailure,
    })
}

/// What an item beside the failed one does after the task that it is in, and whether the pause shows before that.
fn others(oos: &mut Oos<'_>) -> Result<(OthersInFailurePause, bool), ProbeError> {
    const BESIDE: &str = "PT60S";
    let two = json!({"items": [FAILS, BESIDE], "batches": [2], "second": "PT60S"});
    let id = oos.start(LOOP, &two, &json!({"Mode": "FailurePause"}))?;
    failed(oos, &id)?;
    let at_once = text(&oos.execution(&id)?, "Status") == "Waiting";
    let child = oos
        .item(&id, BESIDE)?
        .ok_or_else(|| ProbeError::NotSeen("the item beside the one that failed".to_owned()))?
        .child;
    oos.until("the first task beside it ends", |oos| {
        let tasks = oos.tasks(&child)?;
        let ended = tasks
            .first()
            .is_some_and(|task| !text(task, "EndDate").is_empty());
        Ok(ended.then_some(()))
    })?;
    oos.sleep(REST);
    let others = match oos.tasks(&child)?.len() {
        1 => OthersInFailurePause::StandStill,
        _ => OthersInFailurePause::GoOn,
    };
    Ok((others, at_once))
}
