//! Looks at a run that no object looks after any more: whether it has ended, and what it left. Reads
//! only; what is left is listed, and put back by the next run.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{Current, GroupRun, LetGo, Outcome, ScalingGroupRecordStatus};
use ess_rollout_cloud::{Execution, ExecutionFilter, ExecutionStatus};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::need::{self, Thing as _};
use super::run_left::{self, Found, is_of, path};
use crate::identity;
use crate::rollout::kind::content::ContentKind;
use crate::rollout::progress::attempts;
use crate::task::absence::{self, IMAGE_UPDATE_TEMPLATE, ROLLING_TEMPLATES};
use crate::task::conditions::shorten;
use crate::task::decision::{Event, Next};
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
/// The most Events for what one run left.
const EVENTS_MAX: usize = 10;
/// Bound of the API, in bytes.
pub(super) const MESSAGE_MAX: usize = 1024;

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
        // Or its status has, and nobody knows what it was to put back.
        Some(LetGo::HolderVanished) | None => "which looks after it no more",
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

/// What a look at a run of a record is made from.
pub(super) struct Lookout<'a> {
    pub(super) record: &'a ScalingGroupRecordStatus,
    pub(super) region: &'a str,
    pub(super) group: &'a str,
    pub(super) waits: Waits<'a>,
    pub(super) observation: &'a Observation,
}

impl<'a> Lookout<'a> {
    /// Looks at one run of the record.
    pub(super) fn look(&self, run: &GroupRun) -> Known<Look> {
        let mut run = run.clone();
        if let Some(message) = absence::other_account(self.observation, run.place.as_ref())? {
            return Ok(self.open(run, &message, Next::After(LOOK)));
        }
        let Some(root) = self.root(&run)? else {
            return self.not_listed(run);
        };
        run.execution_id = Some(shorten(&root.id, 128));
        let (id, whose) = (&root.id, whose(&run));
        let is = format!("execution {id} of {whose} is {}", root.status);
        if !root.status.is_final() {
            (run.quiet_since, run.missing_since) = (None, None);
            let waiting = match root.status {
                ExecutionStatus::Waiting => ", and waits for a person",
                _ => "",
            };
            let ends = ends(self.region, id);
            let message = format!("{is}{waiting}; to end it: {ends}");
            return Ok(self.open(run, &message, Next::After(LOOK)));
        }
        if let Some(wait) = self.unsettled(&mut run, root)? {
            let message = format!("{is}: waiting until nothing of it can act any more");
            return Ok(self.open(run, &message, wait));
        }
        self.left(run, Some(root))
    }

    /// The execution of a run, if any list shows it.
    fn root(&self, run: &GroupRun) -> Known<Option<&'a Execution>> {
        if let Some(id) = &run.execution_id {
            let template = match run.kind.as_str() {
                IMAGE_UPDATE_TASK => IMAGE_UPDATE_TEMPLATE,
                _ => ROLLING_TEMPLATES,
            };
            return absence::execution(self.observation, id, template);
        }
        let tags = [
            (identity::TAG_UID, run.uid.as_str()),
            (identity::TAG_SCALING_GROUP, self.group),
        ];
        let filter = ExecutionFilter::Tagged {
            tags: tags.map(|(k, v)| (k.to_owned(), v.to_owned())).to_vec(),
            started_after: None,
        };
        // An ignored filter returns everything.
        let is_it = |root: &&Execution| {
            root.parent.is_none() && root.tags.get(identity::TAG_UID) == Some(&run.uid)
        };
        Ok(self.observation.executions(&filter)?.iter().find(is_it))
    }

    /// No list shows the execution: it is history that OOS does not keep any more, or never was.
    fn not_listed(&self, mut run: GroupRun) -> Known<Look> {
        let waits = &self.waits;
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
            let message = format!("OOS does not list {id} of {}: looking again", whose(&run));
            let wait = settled.duration_since(waits.now).max(RETRY).unsigned_abs();
            return Ok(self.open(run, &message, Next::After(wait.min(LOOK))));
        }
        match run.execution_id {
            Some(_) => self.left(run, None),
            None => Ok(self.never_began(&run)),
        }
    }

    /// A run that did not end well may have calls under way, and what one that did has put back may show
    /// late: how long until all of it is at rest. `None`: it is.
    fn unsettled(&self, run: &mut GroupRun, root: &Execution) -> Known<Option<Next>> {
        let children = self.children(root)?;
        let (since, fingerprint) = (&mut run.quiet_since, &mut run.fingerprint);
        let rest = quiet::judge(&self.waits, Some(root), children, since, fingerprint);
        Ok(match rest {
            Rest::Quiet => None,
            Rest::Moving => Some(self.waits.recheck()),
            Rest::Settling(wait) => Some(Next::After(wait.max(RETRY.unsigned_abs()))),
        })
    }

    fn children(&self, root: &Execution) -> Known<&'a Vec<Execution>> {
        let children = ExecutionFilter::ChildrenOf(root.id.clone());
        self.observation.executions(&children)
    }

    /// The record with what is known of a run that goes on.
    fn open(&self, mut run: GroupRun, message: &str, next: Next) -> Look {
        run.message = shorten(message, MESSAGE_MAX);
        let mut record = self.record.clone();
        for known in record.runs.iter_mut().filter(|known| known.uid == run.uid) {
            *known = run.clone();
        }
        Look {
            record,
            events: Vec::new(),
            next,
        }
    }

    /// The record without a run of which the end was seen.
    fn closed(&self, run: &GroupRun) -> ScalingGroupRecordStatus {
        let mut record = self.record.clone();
        record.runs.retain(|known| known.uid != run.uid);
        record
    }

    /// The start of a run was on its way when its object went, and never took effect. Nothing was ever started for it, and
    /// nothing will be.
    fn never_began(&self, run: &GroupRun) -> Look {
        let mut record = self.closed(run);
        record.run_keys.retain(|key| {
            key.uid != run.uid || key.execution_id.is_some() || key.outcome.is_some()
        });
        forget_baseline(&mut record);
        Look {
            record,
            events: Vec::new(),
            next: Next::Now,
        }
    }

    /// The run has ended, or is history that OOS does not keep any more: what it left goes on the list.
    fn left(&self, mut run: GroupRun, root: Option<&Execution>) -> Known<Look> {
        let (observation, waits, id) = (self.observation, &self.waits, self.group);
        let mut reads = need::reads(id);
        let configuration = run.configuration.as_ref();
        let configuration =
            configuration.and_then(|c| Some((&c.id, ContentKind::of_kind(c.kind)?)));
        reads.extend(configuration.map(|(id, kind)| kind.query(id)));
        observation.require(reads)?;
        let ended = format!("the run of {} has ended, and", whose(&run));
        let Some(group) = absence::group(observation, id)? else {
            // That it is not shown clears nothing.
            run.missing_since.get_or_insert(Time(waits.now));
            let message = format!(
                "{ended} scaling group {id} is not listed in {}: what it left cannot be looked at; if the group was deleted, delete this record",
                self.region
            );
            return Ok(self.open(run, &message, Next::After(LOOK_RARELY)));
        };
        let members = run.members.iter().map(|member| &member.id);
        let instances = absence::instances(observation, id, members.clone().cloned())?;
        let content = match configuration {
            Some((configuration, kind)) => kind.found(observation, id, configuration)?,
            None => None,
        };
        let unread = configuration.filter(|_| content.is_none());
        let unread = unread.map(|(configuration, _)| configuration);
        let mut gone = members.filter(|id| instances.iter().all(|i| i.id != **id));
        // It has gone, or is shown by the next answer: what is left of it would be lost with the run.
        if let Some(unseen) = unread.or_else(|| gone.next()).cloned() {
            let since = run.unseen_since.get_or_insert(Time(waits.now)).clone();
            if !waits.settled_since(&since) {
                let message = format!(
                    "{ended} no answer shows {unseen}: looking again before what it left is listed"
                );
                let left = waits.settled_at(&since).duration_since(waits.now);
                let wait = Next::After(left.max(RETRY).unsigned_abs());
                return Ok(self.open(run, &message, wait));
            }
        }
        let found = Found {
            group,
            instances: &instances,
            configuration: content.map(|content| content.short()),
            outcome: root.and_then(|root| outcome_of(&root.status)),
            baseline: self.record.baseline.as_ref(),
            reached: self.reached(&run, root)?,
            now: Time(waits.now),
        };
        Ok(self.close(&run, root, &found))
    }

    /// Whom the execution of an update has reached: two looks have agreed on that. A list without anybody tells nothing, and a
    /// rollback may have taken over what another execution did.
    fn reached(&self, run: &GroupRun, root: Option<&Execution>) -> Known<Option<Vec<String>>> {
        let Some(root) = root.filter(|_| run.kind == "RollingUpdateTask") else {
            return Ok(None);
        };
        let reached = attempts::instances_of(self.children(root)?);
        Ok(Some(reached).filter(|reached| !reached.is_empty()))
    }

    /// The record without the run, with what it left and what it brought.
    fn close(&self, run: &GroupRun, root: Option<&Execution>, found: &Found<'_>) -> Look {
        let mut record = self.closed(run);
        // What was listed when the run was let go was a guess.
        record.leftovers.retain(|line| !is_of(run, line));
        let lines = found.lines(run);
        let mut events = vec![ended_event(run, root, lines.len())];
        for line in lines {
            let mut known = record.leftovers.iter();
            if known.any(|known| known.thing() == line.thing()) {
                continue;
            }
            if events.len() <= EVENTS_MAX {
                let note = format!(
                    "{:?} {} is not put back to {}: {}",
                    line.kind, line.target, line.wanted, line.message
                );
                events.push(Event::warning(Reason::LeftBehind, "Restore", note));
            }
            record.leftovers.push(line);
        }
        run_left::keep_newest(&mut record.leftovers);
        for key in record.run_keys.iter_mut().filter(|key| key.uid == run.uid) {
            key.execution_id.clone_from(&run.execution_id);
            key.outcome = found.outcome.or(key.outcome);
        }
        if found.outcome == Some(Outcome::Succeeded) && !run.what.is_empty() {
            let end = root.and_then(|root| root.end);
            record.current = Some(Current {
                what: run.what.clone(),
                by: path(run),
                time: end.map_or(found.now.clone(), Time),
            });
        }
        forget_baseline(&mut record);
        Look {
            record,
            events,
            next: Next::Now,
        }
    }
}

/// How the group was found is of no use once nothing is left to put back to that.
pub(super) fn forget_baseline(record: &mut ScalingGroupRecordStatus) {
    if record.holder.is_some() {
        return;
    }
    let whole = record.leftovers.is_empty() && record.runs.is_empty();
    record.baseline = record.baseline.take().filter(|_| !whole);
    if let Some(baseline) = &mut record.baseline {
        // What is left is on the list.
        baseline.inherited = false;
    }
}

fn ended_event(run: &GroupRun, root: Option<&Execution>, left: usize) -> Event {
    let id = run.execution_id.as_deref().unwrap_or_default();
    let how = root.map_or("gone from the history of OOS", |root| root.status.as_str());
    let ended = format!("execution {id} of {} is {how}", whose(run));
    if left == 0 {
        let note = format!("{ended}; it left nothing changed");
        return Event::normal(Reason::RunEnded, "Look", note);
    }
    let note = format!(
        "{ended}; what it left changed ({left}) is listed, and put back by the next update where its policies allow"
    );
    Event::warning(Reason::RunEnded, "Look", note)
}
