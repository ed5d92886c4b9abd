//! How people want the group, where a run before has left something changed: what it lists is not taken for what they want.

use ess_rollout_api::v1alpha1::{Leftover, RestoreKind, ScalingGroupRecordStatus};
use ess_rollout_cloud::ScalingGroup;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::need::Thing as _;
use super::run_left;
use crate::rollout::context::Context;
use crate::rollout::kind;
use crate::rollout::kind::content::{ConfigurationContent, ContentKind};
use crate::rollout::progress::freeze;

/// The processes that a run finds suspended, as people want them: without those that a run before
/// suspended and could not resume.
pub(in crate::rollout) fn suspended_as_found(
    ctx: &Context<'_>,
    group: &ScalingGroup,
) -> Vec<String> {
    let found = group.suspended_processes.iter();
    but_left(ctx, found.map(|p| p.as_str().to_owned()).collect())
}

/// What a scaling configuration carries, as people want it: not what a run before put there and
/// could not take back.
pub(in crate::rollout) fn content_as_found(
    ctx: &Context<'_>,
    kind: ContentKind,
    configuration: &str,
    found: Option<ConfigurationContent>,
) -> Option<ConfigurationContent> {
    let found = found?;
    let (thing, short) = ((kind.kind(), configuration), Some(found.short()));
    let mut left = ctx.record.leftovers.iter();
    let left = left.find(|l| l.thing() == thing && l.found == short);
    let wanted = left.and_then(ConfigurationContent::of_leftover);
    Some(wanted.unwrap_or(found))
}

/// Of these processes, those that no run before suspended and could not resume.
pub(in crate::rollout) fn but_left(ctx: &Context<'_>, mut processes: Vec<String>) -> Vec<String> {
    processes.retain(|process| !is_listed(&ctx.record, process));
    processes
}

fn is_listed(record: &ScalingGroupRecordStatus, process: &str) -> bool {
    let process = (RestoreKind::Process, process);
    record.leftovers.iter().any(|l| l.thing() == process)
}

/// Lists what this object was to put back after a run that it inherited from, and has not: nothing was
/// started. The baseline stays for whoever is next; the list is what people read.
pub(in crate::rollout) fn add_inherited(ctx: &Context<'_>, record: &mut ScalingGroupRecordStatus) {
    let Some(baseline) = &record.baseline else {
        return;
    };
    let group = ctx.input.observation.scaling_group(&ctx.group).ok();
    let group = group.and_then(Option::as_ref);
    let mut open = kind::processes_but(&baseline.suspended_processes);
    open.retain(|process| {
        let suspended = group.is_none_or(|group| freeze::is_suspended(group, process));
        suspended && !is_listed(record, process)
    });
    let message = "suspended by a run that vanished or was taken over before it had resumed it; the next run of an update resumes it";
    let line = |process: &String| -> Leftover {
        let thing = (RestoreKind::Process, process.as_str());
        run_left::line(thing, Time(ctx.now()), ctx.path(), message)
    };
    record.leftovers.extend(open.iter().map(line));
}
