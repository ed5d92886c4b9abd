//! A status without any run, of an object of which OOS has runs: somebody has wiped it. The numbers of its runs go on from those,
//! and one that goes on, or holds the group, is taken up again: nothing is built twice at once, and each run is seen to its end.

use ess_rollout_api::v1alpha1::{
    ActiveRun, ConfigurationImage, ImageSource, ImageUpdateTaskStatus, RunTrigger,
};
use ess_rollout_cloud::{Execution, ExecutionStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;

use super::context::Context;
use super::due::{self, Timetable};
use super::{Draft, Drafted, starting};
use crate::identity;
use crate::task::conditions::shorten;
use crate::task::decision::Next;
use crate::task::observation::Known;
use crate::task::start;

/// The status knows no run, and the group is held for this very object: of a run that never got on record, or of one that was
/// forgotten. Nothing is let go before it is known which. `None`: nothing was forgotten.
pub(super) fn of_holder(ctx: &Context<'_>, status: &Draft) -> Known<Option<Drafted>> {
    let holder = ctx.record.holder.as_ref().filter(|_| ctx.holds());
    let Some(holder) = holder.filter(|_| may_be_lost(ctx, status)) else {
        return Ok(None);
    };
    if let Some(newest) = newest(ctx)? {
        return take_up(ctx, status.clone(), &newest).map(Some);
    }
    // What was sent just before may not be listed yet.
    let wait = ctx.waits().settling(&holder.since);
    Ok(wait.map(|wait| ctx.decide(status.clone(), Next::After(wait))))
}

/// The first run of a status is about to begin: whether it is the first of the object. `None`: it is.
pub(super) fn before_first(ctx: &Context<'_>, status: &Draft) -> Known<Option<Drafted>> {
    if !may_be_lost(ctx, status) {
        return Ok(None);
    }
    let Some(newest) = newest(ctx)? else {
        return Ok(None);
    };
    if !newest.root.status.is_final() {
        return take_up(ctx, status.clone(), &newest).map(Some);
    }
    let mut status = status.clone();
    let does_it = newest.settle(ctx, &mut status).is_some();
    if does_it && newest.root.status == ExecutionStatus::Success {
        status.done_hash = Some(ctx.hash.clone());
    }
    Ok(Some(ctx.decide(status, Next::Now)))
}

/// Only what OOS builds leaves something to find.
fn may_be_lost(ctx: &Context<'_>, status: &ImageUpdateTaskStatus) -> bool {
    let builds = ctx.spec.source.is_some() && !ctx.region.is_empty();
    builds && status.last_run.is_none() && !ctx.deletion_overdue()
}

/// A run that OOS knows.
struct Found<'a> {
    number: i64,
    root: &'a Execution,
}

/// The newest run of this object that OOS lists.
fn newest<'a>(ctx: &Context<'a>) -> Known<Option<Found<'a>>> {
    // Sorted by key.
    let tags = vec![
        (identity::TAG_UID.to_owned(), ctx.uid.clone()),
        (identity::TAG_SCALING_GROUP.to_owned(), ctx.group.clone()),
    ];
    let found = start::tagged(ctx.input.observation, tags)?;
    let number = |root: &Execution| root.tags.get(identity::TAG_RUN)?.parse().ok();
    let numbered = found.into_iter().filter_map(|root| {
        let number = number(root)?;
        Some(Found { number, root })
    });
    Ok(numbered.max_by_key(|found| found.number))
}

/// The run goes on record again, as far as its execution tells what it was.
fn take_up(ctx: &Context<'_>, mut status: Draft, found: &Found<'_>) -> Known<Drafted> {
    let place = ctx.place(ctx.input.observation)?;
    let does_it = found.settle(ctx, &mut status);
    let root = found.root;
    if does_it.is_some() {
        status.done_hash = Some(ctx.hash.clone());
    }
    let (trigger, schedule_time) = does_it.unwrap_or((RunTrigger::RunNow, None));
    let parameter = |name: &str| {
        let text = root.parameters.get(name).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let configurations = root.parameters.get("scalingConfigurationIds");
    let configurations = configurations
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    // What they carried before is not known any more.
    let configuration = |id: &str| ConfigurationImage {
        id: shorten(id, 128),
        image_id: None,
        updated: false,
    };
    let instance = parameter("instanceId").unwrap_or_default();
    let same = ctx.source().filter(|source| source.instance_id == instance);
    let source = same.cloned().unwrap_or_else(|| ImageSource {
        instance_id: shorten(instance, 128),
        image_name: None,
        tags: Vec::new(),
    });
    status.active = Some(ActiveRun {
        number: found.number,
        trigger,
        schedule_time: schedule_time.map(Time),
        time: Time(root.start.unwrap_or(ctx.now()).min(ctx.now())),
        hash: does_it.map_or(String::new(), |_| ctx.hash.clone()),
        image_id: None,
        ram_role: parameter("OOSAssumeRole").map(|role| shorten(role, 64)),
        description: String::new(),
        configurations: configurations
            .filter_map(Value::as_str)
            .map(configuration)
            .collect(),
        start: None,
        execution: None,
        cancellation: None,
        last_call_time: None,
        end: None,
        image_missing_since: None,
        configuration_missing_since: None,
        place: Some(place),
        source: Some(source),
    });
    status.completion_time = None;
    Ok(starting::adopt(ctx, status, root))
}

impl Found<'_> {
    /// Puts on record what the run has settled: its number, and the times of the schedule up to its own. What made it due, where
    /// it does what the spec asks for.
    fn settle(
        &self,
        ctx: &Context<'_>,
        status: &mut ImageUpdateTaskStatus,
    ) -> Option<(RunTrigger, Option<Timestamp>)> {
        status.last_run = Some(self.number);
        let timetable = due::timetable(ctx.spec, status).unwrap_or(Timetable::Now);
        let due = match (&timetable, due::counted_from(status), self.root.start) {
            (Timetable::Scheduled(schedule), Some(from), Some(start)) => {
                schedule.between(from, start).newest
            }
            _ => None,
        };
        if due.is_some() {
            status.last_schedule_time = due.map(Time);
        }
        let hash = self.root.tags.get(identity::TAG_SPEC_HASH)?;
        let is_it = |due: &Option<Timestamp>| due::hash_of(self.number, *due, &ctx.hash) == *hash;
        if let Some(due) = due.filter(|due| is_it(&Some(*due))) {
            return Some((RunTrigger::Schedule, Some(due)));
        }
        let trigger = match timetable {
            Timetable::Now => RunTrigger::Now,
            Timetable::Scheduled(_) => RunTrigger::RunNow,
        };
        is_it(&None).then_some((trigger, None))
    }
}
