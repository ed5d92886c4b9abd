//! Counts what a write puts on record: ends, starts, batches, pauses that are over. It is told from the status before the write
//! and the one that is written, so that each thing is counted once, by who wrote it, and not again after a restart.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ess_rollout_api::v1alpha1::{
    ActiveRun, BatchStatus, ImageUpdateTaskStatus, Outcome, PauseKind, RollingUpdateTaskStatus,
    RunOutcome,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::{
    kubernetes::{Object, ObjectKey, Status},
    runtime::metrics::{
        Metrics,
        updates::{Happened, NOT_STARTED, STARTED},
    },
};

/// The most objects that are remembered because the answer to a write of theirs was lost. Those
/// that are gone, or that another process has in hand, are read no more, and make room.
const UNSURE_MAX: usize = 1000;
/// An object that is not read again for so long is another process's: what it shows then, that one has counted.
const UNSURE_FOR: SignedDuration = SignedDuration::from_mins(10);

/// Counts, and remembers what is not known to have been written.
#[derive(Default)]
pub struct Counting {
    metrics: Arc<Metrics>,
    /// What an object's status was before a write whose answer was lost.
    unsure: Mutex<HashMap<ObjectKey, Before>>,
}

struct Before {
    since: Timestamp,
    uid: Option<String>,
    status: Option<Status>,
}

impl Counting {
    /// Counts in these.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            unsure: Mutex::default(),
        }
    }

    fn unsure(&self) -> MutexGuard<'_, HashMap<ObjectKey, Before>> {
        // Nothing panics while holding it.
        self.unsure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An object was read: what an earlier write of unknown outcome brought is seen on it now.
    pub(super) fn seen(&self, object: &Object, now: Timestamp) {
        let key = object.key();
        let Some(before) = self.unsure().remove(&key) else {
            return;
        };
        let recent = now.duration_since(before.since) < UNSURE_FOR;
        if recent && before.uid == object.metadata().uid {
            let happened = told(object).map(|after| {
                let before = before.status.as_ref().map(Told::from);
                between(before, after, now)
            });
            self.count(object, happened.unwrap_or_default());
        }
    }

    /// The answer to a write of this object, which is as it was before, was lost.
    pub(super) fn lost(&self, object: &Object, now: Timestamp) {
        let mut unsure = self.unsure();
        if unsure.len() >= UNSURE_MAX {
            unsure.retain(|_, before| now.duration_since(before.since) < UNSURE_FOR);
        }
        if unsure.len() < UNSURE_MAX {
            let before = Before {
                since: now,
                uid: object.metadata().uid.clone(),
                status: kept(object),
            };
            unsure.insert(object.key(), before);
        }
    }

    /// This is on record now.
    pub(super) fn count(&self, object: &Object, happened: Vec<Happened>) {
        let kind = object.key().kind.name();
        for happened in happened {
            self.metrics.updates.happened(kind, &happened);
        }
    }
}

/// What it is to the object, as it was read, to have this status.
pub(super) fn brings(object: &Object, status: &Status, now: Timestamp) -> Vec<Happened> {
    between(told(object), Told::from(status), now)
}

/// The same of one that goes with it: nothing of it waits or stands still any more.
pub(super) fn brings_at_the_end(object: &Object, status: &Status, now: Timestamp) -> Vec<Happened> {
    let mut last = status.clone();
    if let Status::Rollout(status) = &mut last {
        (status.pause, status.freeze) = (None, None);
    }
    brings(object, &last, now)
}

/// A status that tells.
enum Told<'a> {
    Rollout(&'a RollingUpdateTaskStatus),
    ImageUpdate(&'a ImageUpdateTaskStatus),
}

impl<'a> From<&'a Status> for Told<'a> {
    fn from(status: &'a Status) -> Self {
        match status {
            Status::Rollout(status) => Self::Rollout(status),
            Status::ImageUpdate(status) => Self::ImageUpdate(status),
        }
    }
}

/// That of an object.
fn told(object: &Object) -> Option<Told<'_>> {
    match object {
        Object::ImageUpdate(task) => task.status.as_ref().map(Told::ImageUpdate),
        Object::Task(_) | Object::Rollback(_) => object.rollout_status().map(Told::Rollout),
    }
}

/// The parts of it that tell: little enough to be remembered.
fn kept(object: &Object) -> Option<Status> {
    Some(match told(object)? {
        Told::ImageUpdate(status) => Status::ImageUpdate(Box::new(ImageUpdateTaskStatus {
            active: status.active.clone(),
            waiting: status.waiting.clone(),
            last_outcome: status.last_outcome,
            ..Default::default()
        })),
        Told::Rollout(status) => Status::Rollout(Box::new(RollingUpdateTaskStatus {
            start: status.start.clone(),
            execution: status.execution.clone(),
            batches: status.batches.clone(),
            pause: status.pause.clone(),
            resumed_time: status.resumed_time.clone(),
            freeze: status.freeze.clone(),
            result: status.result.clone(),
            ..Default::default()
        })),
    })
}

fn between(old: Option<Told<'_>>, new: Told<'_>, now: Timestamp) -> Vec<Happened> {
    match (old, new) {
        (Some(Told::Rollout(old)), Told::Rollout(new)) => of_rollout(old, new, now),
        (None, Told::Rollout(new)) => of_rollout(&Default::default(), new, now),
        (Some(Told::ImageUpdate(old)), Told::ImageUpdate(new)) => of_runs(old, new, now),
        // Nothing was under way, or it has the status of another kind.
        _ => Vec::new(),
    }
}

fn of_rollout(
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
    now: Timestamp,
) -> Vec<Happened> {
    let mut happened = Vec::new();
    let ended = new.result.as_ref().filter(|_| old.result.is_none());
    let intent = old.start.as_ref();
    if let Some(intent) = intent.filter(|_| old.execution.is_none() && old.result.is_none()) {
        let token = new.start.as_ref().map(|start| &start.client_token);
        if new.execution.is_some() {
            happened.push(Happened::Start(STARTED));
        } else if token != Some(&intent.client_token) || ended.is_some() {
            happened.push(Happened::Start(NOT_STARTED));
        }
    }
    for (place, batch) in new.batches.iter().enumerate() {
        let before = old.batches.get(place).and_then(took);
        if let Some(took) = took(batch).filter(|_| before.is_none()) {
            happened.push(Happened::Batch(took));
        }
    }
    let pause = new.pause.as_ref();
    let pause = pause.map(|pause| (pause.id, &pause.since));
    if let Some(before) = &old.pause
        && pause != Some((before.id, &before.since))
    {
        let since = before.since.0;
        let resumed = new.resumed_time.as_ref().map(|time| time.0);
        happened.push(Happened::Pause {
            cause: cause(before.kind),
            waited: from(since, resumed.filter(|at| *at > since).unwrap_or(now)),
        });
    }
    let frozen = new.freeze.as_ref().map(|freeze| &freeze.since);
    if let Some(before) = &old.freeze
        && frozen != Some(&before.since)
    {
        happened.push(Happened::Thawed(from(before.since.0, now)));
    }
    if let Some(result) = ended {
        let intent = new.start.as_ref().map(|start| &start.time);
        let execution = new.execution.as_ref();
        let began = execution.and_then(|execution| intent.or(execution.start_time.as_ref()));
        happened.push(Happened::Ended {
            outcome: match result.outcome {
                Outcome::Succeeded => "Succeeded",
                Outcome::Failed => "Failed",
                Outcome::Cancelled => "Cancelled",
            },
            took: began.map(|Time(began)| from(*began, result.time.0)),
        });
    }
    happened
}

/// Of an image update task, which has one run after the other.
fn of_runs(
    old: &ImageUpdateTaskStatus,
    new: &ImageUpdateTaskStatus,
    now: Timestamp,
) -> Vec<Happened> {
    let Some(before) = &old.active else {
        return Vec::new();
    };
    let same = |run: &&ActiveRun| run.number == before.number && run.time == before.time;
    let after = new.active.as_ref().filter(same);
    let mut happened = Vec::new();
    let is_open = before.start.is_some() && before.execution.is_none();
    if is_open && after.is_some_and(|run| run.execution.is_some()) {
        happened.push(Happened::Start(STARTED));
    } else if is_open && after.is_none_or(|run| run.start.is_none()) {
        happened.push(Happened::Start(NOT_STARTED));
    }
    // One that is taken back, to be made later, still waits.
    if after.is_none() && new.waiting.is_none() {
        let outcome = match new.last_outcome {
            Some(RunOutcome::Succeeded) => Some("Succeeded"),
            Some(RunOutcome::Failed) => Some("Failed"),
            Some(RunOutcome::Cancelled) => Some("Cancelled"),
            None => None,
        };
        happened.extend(outcome.map(|outcome| Happened::Ended {
            outcome,
            took: Some(from(before.time.0, now)),
        }));
    }
    happened
}

fn took(batch: &BatchStatus) -> Option<Duration> {
    let (start, end) = (batch.start_time.as_ref()?, batch.end_time.as_ref()?);
    Some(from(start.0, end.0))
}

/// Zero where a clock was set back.
fn from(since: Timestamp, until: Timestamp) -> Duration {
    Duration::try_from(until.duration_since(since)).unwrap_or_default()
}

fn cause(kind: PauseKind) -> &'static str {
    match kind {
        PauseKind::Batch => "Batch",
        PauseKind::Failure => "Failure",
        PauseKind::Approval => "Approval",
        PauseKind::Unknown => "Unknown",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{reconcile::fake::task, runtime::metrics::Scrape};

    const NOW: &str = "2026-01-01T12:00:00Z";

    fn rollout(status: Value) -> RollingUpdateTaskStatus {
        serde_json::from_value(status).unwrap()
    }

    fn object(uid: &str, status: Value) -> Object {
        let mut task = task("shop", "web");
        task.metadata.uid = Some(uid.to_owned());
        task.status = Some(rollout(status));
        Object::from(task)
    }

    fn start(token: &str) -> Value {
        json!({"attempt": 1, "clientToken": token, "time": "2026-01-01T10:00:00Z", "templateName": "t",
            "parametersHash": "p", "specHash": "s", "exitProcesses": []})
    }

    fn execution() -> Value {
        json!({"id": "exec-1", "templateName": "t", "status": "Running"})
    }

    fn happened(old: Value, new: Value) -> Vec<Happened> {
        of_rollout(&rollout(old), &rollout(new), NOW.parse().unwrap())
    }

    fn hours(hours: u64) -> Duration {
        Duration::from_secs(hours * 3600)
    }

    #[test]
    fn an_intent_has_one_outcome() {
        let open = json!({"start": start("a")});
        let started = json!({"start": start("a"), "execution": execution()});
        assert_eq!(happened(json!({}), open.clone()), []);
        assert_eq!(happened(open.clone(), open.clone()), []);
        let yes = [Happened::Start(STARTED)];
        assert_eq!(happened(open.clone(), started.clone()), yes);
        assert_eq!(happened(started.clone(), started.clone()), []);
        let no = [Happened::Start(NOT_STARTED)];
        assert_eq!(happened(open.clone(), json!({})), no);
        // Another attempt.
        assert_eq!(happened(open.clone(), json!({"start": start("b")})), no);
        // One that is followed again had its outcome before its status was lost.
        assert_eq!(happened(json!({}), started), []);
    }

    #[test]
    fn an_end_is_counted_with_its_time_and_never_again() {
        let result =
            json!({"outcome": "Failed", "reason": "InstanceFailed", "message": "", "time": NOW});
        let before = json!({"start": start("a"), "execution": execution()});
        let after = json!({"start": start("a"), "execution": execution(), "result": result});
        let ended = Happened::Ended {
            outcome: "Failed",
            took: Some(hours(2)),
        };
        assert_eq!(happened(before, after.clone()), [ended]);
        assert_eq!(happened(after.clone(), after), []);
        // It never began.
        let ended = Happened::Ended {
            outcome: "Failed",
            took: None,
        };
        let never = happened(json!({}), json!({"result": result}));
        assert_eq!(never, std::slice::from_ref(&ended));
        let refused = happened(
            json!({"start": start("a")}),
            json!({"start": start("a"), "result": result}),
        );
        assert_eq!(refused, [Happened::Start(NOT_STARTED), ended]);
    }

    #[test]
    fn batches_pauses_and_frozen_groups_are_counted_when_they_are_over() {
        let batch = |index: i32, end: Option<&str>| {
            let batch = json!({"index": index, "size": 2, "state": "Updating", "startTime": "2026-01-01T10:00:00Z"});
            match end {
                Some(end) => {
                    let mut ended = batch;
                    ended["endTime"] = json!(end);
                    ended
                }
                None => batch,
            }
        };
        let end = Some("2026-01-01T11:00:00Z");
        let running = json!({"batches": [batch(1, None)]});
        let paused = json!({"batches": [batch(1, end)],
            "pause": {"id": 1, "kind": "Batch", "since": "2026-01-01T11:00:00Z", "message": ""},
            "freeze": {"processes": ["ScaleIn"], "since": "2026-01-01T10:00:00Z"}});
        assert_eq!(
            happened(running.clone(), paused.clone()),
            [Happened::Batch(hours(1))]
        );
        assert_eq!(happened(paused.clone(), paused.clone()), []);
        let gone_on = json!({"batches": [batch(1, end), batch(2, None)]});
        let waited = |waited| Happened::Pause {
            cause: "Batch",
            waited,
        };
        assert_eq!(
            happened(paused.clone(), gone_on.clone()),
            [waited(hours(1)), Happened::Thawed(hours(2))]
        );
        let mut resumed = gone_on;
        resumed["resumedTime"] = json!("2026-01-01T11:30:00Z");
        resumed["freeze"] = paused["freeze"].clone();
        let half = [waited(hours(1) / 2)];
        assert_eq!(happened(paused.clone(), resumed), half);
        // The next pause follows at once.
        let mut next = paused.clone();
        next["pause"]["id"] = json!(2);
        assert_eq!(happened(paused.clone(), next), [waited(hours(1))]);
        // Its object goes.
        let last = Status::Rollout(Box::new(rollout(paused.clone())));
        let gone = brings_at_the_end(&object("1", paused), &last, NOW.parse().unwrap());
        assert_eq!(gone, [waited(hours(1)), Happened::Thawed(hours(2))]);
    }

    #[test]
    fn a_run_that_is_taken_back_has_not_ended() {
        let run = json!({"number": 3, "trigger": "Now", "time": "2026-01-01T10:00:00Z", "hash": "h",
            "configurations": [], "start": start("a")});
        let happened = |old: Value, new: Value| {
            let status = |status| serde_json::from_value(status).unwrap();
            of_runs(&status(old), &status(new), NOW.parse().unwrap())
        };
        let active = json!({"active": run, "lastOutcome": "Succeeded"});
        let waiting = json!({"waiting": {"trigger": "Now", "due": NOW, "count": 1, "hash": "h"}, "lastOutcome": "Succeeded"});
        let no = Happened::Start(NOT_STARTED);
        let back = happened(active.clone(), waiting);
        assert_eq!(back, std::slice::from_ref(&no));
        let ended = Happened::Ended {
            outcome: "Failed",
            took: Some(hours(2)),
        };
        let failed = json!({"lastOutcome": "Failed"});
        assert_eq!(happened(active.clone(), failed), [no, ended.clone()]);
        let mut started = active.clone();
        started["active"]["execution"] = execution();
        assert_eq!(
            happened(active, started.clone()),
            [Happened::Start(STARTED)]
        );
        assert_eq!(happened(started.clone(), started.clone()), []);
        // The next one has begun already.
        let mut next = started.clone();
        next["active"]["number"] = json!(4);
        next["lastOutcome"] = json!("Failed");
        assert_eq!(happened(started, next), [ended]);
    }

    #[test]
    fn a_write_whose_answer_was_lost_is_counted_when_its_effect_is_seen_and_once() {
        let metrics = Arc::new(Metrics::new());
        let counting = Counting::new(metrics.clone());
        let before = json!({"start": start("a")});
        let after = json!({"start": start("a"), "execution": execution()});
        let now = NOW.parse().unwrap();
        let starts = || {
            let text = metrics.render(&Scrape::default());
            let line = r#"start_intents_total{kind="RollingUpdateTask",outcome="Started"} "#;
            let (_, rest) = text.split_once(line).unwrap();
            rest.lines().next().unwrap().parse::<u64>().unwrap()
        };
        // It had no effect.
        counting.lost(&object("1", before.clone()), now);
        counting.seen(&object("1", before.clone()), now);
        assert_eq!(starts(), 0);
        counting.lost(&object("1", before.clone()), now);
        counting.seen(&object("1", after.clone()), now);
        counting.seen(&object("1", after.clone()), now);
        assert_eq!(starts(), 1);
        // Another object has its name.
        counting.lost(&object("1", before.clone()), now);
        counting.seen(&object("2", after.clone()), now);
        assert_eq!(starts(), 1);
        // Another process led meanwhile.
        counting.lost(&object("1", before), now);
        counting.seen(&object("1", after), now + UNSURE_FOR);
        assert_eq!(starts(), 1);
    }
}
