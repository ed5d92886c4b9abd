//! How people want the group, where a run before has left something changed: what it lists is not taken for what they want.

use ess_rollout_api::v1alpha1::{Leftover, RestoreKind, ScalingGroupRecordStatus};
use ess_rollout_cloud::{Process, ScalingGroup};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::context::Context;
use crate::rollout::kind;
use crate::rollout::kind::content::{ConfigurationContent, ContentKind};

/// The processes that a run finds suspended, as people want them: without those that a run before
/// suspended and could not resume.
pub(in crate::rollout) fn suspended_as_found(
    ctx: &Context<'_>,
    group: &ScalingGroup,
) -> Vec<String> {
    let left = of_kind(ctx, RestoreKind::Process);
    let left: Vec<&str> = left.map(|leftover| leftover.target.as_str()).collect();
    group
        .suspended_processes
        .iter()
        .map(|process| process.as_str().to_owned())
        .filter(|process| !left.contains(&process.as_str()))
        .collect()
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
    let short = Some(found.short());
    let left = of_kind(ctx, kind.kind())
        .find(|leftover| leftover.target == configuration && leftover.found == short);
    let wanted = left.and_then(ConfigurationContent::of_leftover);
    Some(wanted.unwrap_or(found))
}

/// Of these processes, those that no run before suspended and could not resume.
pub(in crate::rollout) fn but_left(ctx: &Context<'_>, processes: Vec<String>) -> Vec<String> {
    let left = |process: &String| of_kind(ctx, RestoreKind::Process).any(|l| l.target == *process);
    processes
        .into_iter()
        .filter(|process| !left(process))
        .collect()
}

/// Lists what this object was to put back after a run that it inherited from, and has not: nothing was
/// started. The baseline stays for whoever is next; the list is what people read.
pub(in crate::rollout) fn add_inherited(ctx: &Context<'_>, record: &mut ScalingGroupRecordStatus) {
    let Some(baseline) = &record.baseline else {
        return;
    };
    let runs = kind::processes_but(&baseline.suspended_processes);
    let group = ctx.input.observation.scaling_group(&ctx.group).ok();
    let group = group.and_then(Option::as_ref);
    for process in runs {
        let known = |l: &Leftover| l.kind == RestoreKind::Process && l.target == process;
        let suspended = |group: &ScalingGroup| {
            let found = Process::from(process.as_str());
            group.suspended_processes.contains(&found)
        };
        if record.leftovers.iter().any(known) || !group.is_none_or(suspended) {
            continue;
        }
        record.leftovers.push(Leftover {
            kind: RestoreKind::Process,
            target: process,
            wanted: "Resumed".into(),
            found: None,
            containers: None,
            kept: false,
            since: Time(ctx.now()),
            by: ctx.path(),
            message: "suspended by a run that vanished or was taken over before it had resumed it; the next run of an update resumes it".into(),
        });
    }
}

pub(in crate::rollout) fn of_kind<'a>(
    ctx: &'a Context<'_>,
    kind: RestoreKind,
) -> impl Iterator<Item = &'a Leftover> {
    let all = ctx.record.leftovers.iter();
    all.filter(move |leftover| leftover.kind == kind)
}
