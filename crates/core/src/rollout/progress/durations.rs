//! How long a batch takes: what the group's record has of earlier runs, and the batches of this one.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    BatchDurations, BatchState, BatchStatus, DurationHistogram, InstanceState,
    RollingUpdateTaskStatus, ScalingGroupRecordStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::gate;
use crate::eta::{Durations, Estimate};
use crate::rollout::context::Context;

/// The most lines of the record.
const LINES_MAX: usize = 40;
/// The largest size that is told apart: as many as an update may have.
const SIZE_MAX: usize = 1024;

/// How long the next batch is expected to take, of about this size. `batches`: how far those of this run are.
pub(in crate::rollout) fn expected(
    ctx: &Context<'_>,
    batches: &[BatchStatus],
    size: Option<usize>,
) -> Estimate {
    let mut durations = recorded(ctx, size);
    // Badly or well: it is this run that goes on.
    for took in batches.iter().filter_map(took) {
        durations.record(took);
    }
    durations.estimate(ctx.update.batch_minimum())
}

/// What is on record of batches of this size, or of any where none was.
fn recorded(ctx: &Context<'_>, size: Option<usize>) -> Durations {
    let template = ctx.update.template();
    let lines = ctx.record.durations.iter();
    let lines: Vec<&BatchDurations> = lines.filter(|l| l.template_name == template).collect();
    let class = size.map(class);
    let of_size = lines.iter().find(|line| Some(line.instances) == class);
    if let Some(line) = of_size {
        return (&line.batches).into();
    }
    let mut all = Durations::default();
    for line in lines {
        all.merge(&(&line.batches).into());
    }
    all
}

/// From when its first instance began until its last one ended.
fn took(batch: &BatchStatus) -> Option<Duration> {
    let (start, end) = (batch.start_time.as_ref()?, batch.end_time.as_ref()?);
    Some(Duration::try_from(end.0.duration_since(start.0)).unwrap_or_default())
}

/// The sizes that are taken for one: up to a power of two.
fn class(size: usize) -> i32 {
    let size = size.clamp(1, SIZE_MAX).next_power_of_two();
    i32::try_from(size).unwrap_or(i32::MAX)
}

/// Adds the batches of a run that has ended. A batch in which something failed took as long as people took, and one in which
/// something was passed over did less than a whole one: they say nothing of the next.
pub(in crate::rollout) fn learn(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    record: &mut ScalingGroupRecordStatus,
) {
    let template = match &status.start {
        Some(start) => start.template_name.as_str(),
        None => return,
    };
    let at_once = |batch: &BatchStatus| {
        let instances = status.instances.iter();
        let mut of_batch = instances.filter(|instance| instance.batch == batch.index);
        of_batch.all(|instance| instance.state == InstanceState::Succeeded && instance.attempt <= 1)
    };
    // Of a large group no instances are on record.
    let well = status.batches.iter();
    let well = well.filter(|batch| batch.state == BatchState::Succeeded);
    for batch in well.filter(|batch| at_once(batch)) {
        let Some(took) = took(batch) else {
            continue;
        };
        let class = class(usize::try_from(batch.size).unwrap_or(1));
        let lines = &mut record.durations;
        let known = lines
            .iter()
            .position(|line| line.template_name == template && line.instances == class);
        let mut line = match known {
            Some(known) => lines.remove(known),
            None => BatchDurations {
                template_name: template.to_owned(),
                instances: class,
                time: Time(ctx.now()),
                batches: DurationHistogram::default(),
            },
        };
        let mut durations = Durations::from(&line.batches);
        durations.record(took);
        (line.batches, line.time) = ((&durations).into(), Time(ctx.now()));
        // The newest come last.
        lines.push(line);
        let surplus = lines.len().saturating_sub(LINES_MAX);
        lines.drain(..surplus);
    }
}

/// What is said of it before the start, of so many instances in so many batches.
pub(in crate::rollout) fn note(
    ctx: &Context<'_>,
    instances: usize,
    batches: i32,
) -> Option<String> {
    let batches = usize::try_from(batches)
        .ok()
        .filter(|b| *b > 0 && instances > 0)?;
    let batches = batches.min(instances);
    let estimate = expected(ctx, &[], Some(instances.div_ceil(batches)));
    let gates = ctx.spec.policy.gates.as_ref();
    let each = estimate.p50 + gates.map_or(Duration::ZERO, gate::takes);
    let count = u32::try_from(batches).unwrap_or(u32::MAX);
    let minutes = each.saturating_mul(count).as_secs().div_ceil(60);
    let known = match estimate.count {
        0 => "no batch of this group has been seen yet".to_owned(),
        1 => format!(
            "one batch of this group has been seen, confidence {:?}",
            estimate.confidence
        ),
        count => format!(
            "by {count} batches of this group, confidence {:?}",
            estimate.confidence
        ),
    };
    Some(format!(
        "it is expected to take about {minutes} min without what it may wait for ({known})"
    ))
}
