//! Looks at a run that no object looks after any more: whether it has ended, and what it left. Reads
//! only; what is left is listed, and put back by the next run.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    Current, GroupRun, Leftover, LetGo, Outcome, ScalingGroupRecordStatus,
};
use ess_rollout_cloud::{Execution, ExecutionFilter, ExecutionStatus, Query};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::run_left::{Found, is_of, path};
use crate::identity;
use crate::rollout::kind::content::ContentKind;
use crate::rollout::progress::attempts;
use crate::task::absence::{self, IMAGE_UPDATE_TEMPLATE, ROLLING_TEMPLATES};
use crate::task::conditions::shorten;
use crate::task::decision::{Event, EventKind, Next};
use crate::task::object::IMAGE_UPDATE_TASK;
use crate::task::observation::{Known, Observation};
use crate::task::quiet::{self, Rest};
use crate::task::reason::Reason;
use crate::task::waits::{RETRY, Waits};

/// How often a run that goes on is looked at.
const LOOK: Duration = Duration::from_secs(300);
/// How often one is looked at whose scaling group is not listed.
const LOOK_RARELY: Duration = Duration::from_secs(3600);
/// How long an execution that was once listed has to be missing from every list until OOS has forgotten it.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(1);
/// The most lines that a record holds.
pub(in crate::rollout) const LEFTOVERS_MAX: usize = 3000;
/// The most Events for what one run left.
const EVENTS_MAX: usize = 10;
/// Bound of the API, in bytes.
const MESSAGE_MAX: usize = 1024;

/// What came of a look.
pub(in crate::rollout) struct Look {
    /// The record: without the run if its end was seen, and with what it left.
    pub(in crate::rollout) record: ScalingGroupRecordStatus,
    /// What that is worth saying.
    pub(in crate::rollout) events: Vec<Event>,
    /// When to look again.
    pub(in crate::rollout) next: Next,
}

/// Whose it is, and why nobody looks after it.
fn whose(run: &GroupRun) -> String {
    let why = match run.let_go {
        Some(LetGo::Orphaned) => "deleted with deletionPolicy Orphan",
        Some(LetGo::Abandoned) => "its deletion did not wait",
        Some(LetGo::HolderVanished) | None => "which has vanished",
    };
    format!("{} {} ({why})", run.kind, path(run))
}

/// The command that ends an execution.
pub(in crate::rollout) fn ends(region: &str, execution: &str) -> String {
    format!("aliyun oos CancelExecution --RegionId {region} --ExecutionId {execution}")
}

/// How an execution ended; `None`: it has not.
pub(in crate::rollout) fn outcome_of(status: &ExecutionStatus) -> Option<Outcome> {
    Some(match status {
        ExecutionStatus::Success => Outcome::Succeeded,
        ExecutionStatus::Cancelled => Outcome::Cancelled,
        status if status.is_final() => Outcome::Failed,
        _ => return None,
    })
}

/// The execution of a run, if any list shows it.
fn root<'o>(
    run: &GroupRun,
    group: &str,
    observation: &'o Observation,
) -> Known<Option<&'o Execution>> {
    if let Some(id) = &run.execution_id {
        let template = match run.kind.as_str() {
            IMAGE_UPDATE_TASK => IMAGE_UPDATE_TEMPLATE,
            _ => ROLLING_TEMPLATES,
        };
        return absence::execution(observation, id, template);
    }
    let filter = ExecutionFilter::Tagged {
        tags: vec![
            (identity::TAG_UID.to_owned(), run.uid.clone()),
            (identity::TAG_SCALING_GROUP.to_owned(), group.to_owned()),
        ],
        started_after: None,
    };
    // An ignored filter returns everything.
    let is_it = |root: &&Execution| {
        root.parent.is_none() && root.tags.get(identity::TAG_UID) == Some(&run.uid)
    };
    Ok(observation.executions(&filter)?.iter().find(is_it))
}

/// Looks at one run of a record.
pub(in crate::rollout) fn look(
    record: &ScalingGroupRecordStatus,
    run: &GroupRun,
    (region, group): (&str, &str),
    waits: &Waits<'_>,
    observation: &Observation,
) -> Known<Look> {
    let mut run = run.clone();
    if let Some(message) = absence::other_account(observation, run.place.as_ref())? {
        run.message = shorten(&message, MESSAGE_MAX);
        return Ok(open(record, run, Next::After(LOOK)));
    }
    let Some(root) = root(&run, group, observation)? else {
        let since = run.missing_since.get_or_insert(Time(waits.now)).clone();
        // OOS keeps its history for months. One that it has once listed is not forgotten within minutes.
        let patience = match run.execution_id {
            Some(_) => FORGOTTEN_AFTER,
            None => SignedDuration::ZERO,
        };
        let settled = waits.settled_at(&since).max(since.0 + patience);
        let settled = settled.max(waits.settled_at(&run.since));
        if waits.now < settled {
            let id = run.execution_id.as_deref().unwrap_or("an execution");
            run.message = format!("OOS does not list {id} of {}: looking again", whose(&run));
            let wait = left_until(waits, settled).min(LOOK);
            return Ok(open(record, run, Next::After(wait)));
        }
        if run.execution_id.is_none() {
            // Nothing was ever started for it, and nothing will be.
            return Ok(never_began(record, &run));
        }
        return left(record, run, None, (region, group), waits, observation);
    };
    run.execution_id = Some(shorten(&root.id, 128));
    if !root.status.is_final() {
        (run.quiet_since, run.missing_since) = (None, None);
        let waiting = match root.status {
            ExecutionStatus::Waiting => ", and waits for a person",
            _ => "",
        };
        let message = format!(
            "execution {} of {} is {}{waiting}; to end it: {}",
            root.id,
            whose(&run),
            root.status,
            ends(region, &root.id)
        );
        run.message = shorten(&message, MESSAGE_MAX);
        return Ok(open(record, run, Next::After(LOOK)));
    }
    if let Some(wait) = unsettled(&mut run, root, waits, observation)? {
        let message = format!(
            "execution {} of {} is {}: waiting until nothing of it can act any more",
            root.id,
            whose(&run),
            root.status
        );
        run.message = shorten(&message, MESSAGE_MAX);
        return Ok(open(record, run, wait));
    }
    left(record, run, Some(root), (region, group), waits, observation)
}

fn until(waits: &Waits<'_>, time: Timestamp) -> Next {
    Next::After(left_until(waits, time))
}

fn left_until(waits: &Waits<'_>, time: Timestamp) -> Duration {
    time.duration_since(waits.now).max(RETRY).unsigned_abs()
}

/// A run that did not end well may have calls under way, and what one that did has put back may show
/// late: how long until all of it is at rest. `None`: it is.
fn unsettled(
    run: &mut GroupRun,
    root: &Execution,
    waits: &Waits<'_>,
    observation: &Observation,
) -> Known<Option<Next>> {
    let children = observation.executions(&ExecutionFilter::ChildrenOf(root.id.clone()))?;
    let (since, fingerprint) = (&mut run.quiet_since, &mut run.fingerprint);
    Ok(
        match quiet::judge(waits, Some(root), children, since, fingerprint) {
            Rest::Quiet => None,
            Rest::Moving => Some(waits.recheck()),
            Rest::Settling(wait) => Some(Next::After(wait.max(RETRY.unsigned_abs()))),
        },
    )
}

/// The record with what is known of a run that goes on.
fn open(record: &ScalingGroupRecordStatus, run: GroupRun, next: Next) -> Look {
    let mut record = record.clone();
    for known in record.runs.iter_mut().filter(|known| known.uid == run.uid) {
        *known = run.clone();
    }
    Look {
        record,
        events: Vec::new(),
        next,
    }
}

/// The start of a run was on its way when its object went, and never took effect.
fn never_began(record: &ScalingGroupRecordStatus, run: &GroupRun) -> Look {
    let mut record = record.clone();
    record.runs.retain(|known| known.uid != run.uid);
    record
        .run_keys
        .retain(|key| key.uid != run.uid || key.execution_id.is_some() || key.outcome.is_some());
    forget_baseline(&mut record);
    Look {
        record,
        events: Vec::new(),
        next: Next::Now,
    }
}

/// How the group was found is of no use once nothing is left to put back to that.
fn forget_baseline(record: &mut ScalingGroupRecordStatus) {
    let whole = record.holder.is_none() && record.leftovers.is_empty() && record.runs.is_empty();
    record.baseline = record.baseline.take().filter(|_| !whole);
    if record.holder.is_none()
        && let Some(baseline) = &mut record.baseline
    {
        // What is left is on the list.
        baseline.inherited = false;
    }
}

/// The run has ended, or is history that OOS does not keep any more: what it left goes on the list.
fn left(
    record: &ScalingGroupRecordStatus,
    mut run: GroupRun,
    root: Option<&Execution>,
    (region, id): (&str, &str),
    waits: &Waits<'_>,
    observation: &Observation,
) -> Known<Look> {
    let mut reads = vec![
        Query::ScalingGroup {
            group: id.to_owned(),
        },
        Query::ScalingInstances {
            group: id.to_owned(),
        },
    ];
    let configuration = run.configuration.as_ref();
    let configuration = configuration.and_then(|c| Some((c, ContentKind::of_kind(c.kind)?)));
    reads.extend(configuration.map(|(c, kind)| kind.query(&c.id)));
    observation.require(reads)?;
    let Some(group) = absence::group(observation, id)? else {
        // That it is not shown clears nothing.
        run.missing_since.get_or_insert(Time(waits.now));
        run.message = format!(
            "the run of {} has ended, and scaling group {id} is not listed in {region}: what it left cannot be looked at; if the group was deleted, delete this record",
            whose(&run)
        );
        return Ok(open(record, run, Next::After(LOOK_RARELY)));
    };
    let members = run.members.iter().map(|member| member.id.clone());
    let instances = absence::instances(observation, id, members)?;
    let content = match configuration {
        Some((c, kind)) => kind.found(observation, id, &c.id)?,
        None => None,
    };
    let is_member = |id: &String| instances.iter().any(|instance| instance.id == *id);
    let unseen = configuration
        .filter(|_| content.is_none())
        .map(|(c, _)| &c.id);
    let unseen = unseen.or(run.members.iter().map(|m| &m.id).find(|id| !is_member(id)));
    // It has gone, or is shown by the next answer: what is left of it would be lost with the run.
    if let Some(unseen) = unseen.cloned() {
        let since = run.unseen_since.get_or_insert(Time(waits.now)).clone();
        if !waits.settled_since(&since) {
            run.message = format!(
                "the run of {} has ended, and no answer shows {unseen}: looking again before what it left is listed",
                whose(&run)
            );
            return Ok(open(record, run, until(waits, waits.settled_at(&since))));
        }
    }
    let outcome = root.and_then(|root| outcome_of(&root.status));
    let found = Found {
        group,
        instances: &instances,
        configuration: content.map(|content| content.short()),
        outcome,
        baseline: record.baseline.as_ref(),
        reached: reached(&run, root, observation)?,
        now: Time(waits.now),
    };
    let lines = found.lines(&run);
    Ok(close(record, &run, root, lines, &found))
}

/// Whom the execution of an update has reached: two looks have agreed on that. A list without anybody tells nothing, and a
/// rollback may have taken over what another execution did.
fn reached(
    run: &GroupRun,
    root: Option<&Execution>,
    observation: &Observation,
) -> Known<Option<Vec<String>>> {
    let Some(root) = root.filter(|_| run.kind == "RollingUpdateTask") else {
        return Ok(None);
    };
    let children = observation.executions(&ExecutionFilter::ChildrenOf(root.id.clone()))?;
    let reached = attempts::instances_of(children);
    Ok(Some(reached).filter(|reached| !reached.is_empty()))
}

/// The record without the run, with what it left and what it brought.
fn close(
    record: &ScalingGroupRecordStatus,
    run: &GroupRun,
    root: Option<&Execution>,
    lines: Vec<Leftover>,
    found: &Found<'_>,
) -> Look {
    let mut record = record.clone();
    record.runs.retain(|known| known.uid != run.uid);
    // What was listed when the run was let go was a guess.
    record.leftovers.retain(|line| !is_of(run, line));
    let mut events = vec![ended_event(run, root, lines.len())];
    for line in lines {
        let known = |l: &Leftover| l.kind == line.kind && l.target == line.target;
        if record.leftovers.iter().any(known) {
            continue;
        }
        if events.len() <= EVENTS_MAX {
            events.push(Event::warning(
                Reason::LeftBehind,
                "Restore",
                format!(
                    "{:?} {} is not put back to {}: {}",
                    line.kind, line.target, line.wanted, line.message
                ),
            ));
        }
        record.leftovers.push(line);
    }
    let excess = record.leftovers.len().saturating_sub(LEFTOVERS_MAX);
    record.leftovers.drain(..excess);
    for key in record.run_keys.iter_mut().filter(|key| key.uid == run.uid) {
        key.execution_id.clone_from(&run.execution_id);
        key.outcome = found.outcome.or(key.outcome);
    }
    if found.outcome == Some(Outcome::Succeeded) && !run.what.is_empty() {
        record.current = Some(Current {
            what: run.what.clone(),
            by: path(run),
            time: root
                .and_then(|root| root.end)
                .map_or(found.now.clone(), Time),
        });
    }
    forget_baseline(&mut record);
    Look {
        record,
        events,
        next: Next::Now,
    }
}

fn ended_event(run: &GroupRun, root: Option<&Execution>, left: usize) -> Event {
    let id = run.execution_id.as_deref().unwrap_or_default();
    let how = root.map_or("gone from the history of OOS".to_owned(), |root| {
        root.status.to_string()
    });
    let then = match left {
        0 => "it left nothing changed".to_owned(),
        left => format!(
            "what it left changed ({left}) is listed, and put back by the next update where its policies allow"
        ),
    };
    Event {
        kind: if left == 0 {
            EventKind::Normal
        } else {
            EventKind::Warning
        },
        reason: Reason::RunEnded,
        action: "Look".into(),
        note: format!("execution {id} of {} is {how}; {then}", whose(run)),
    }
}
