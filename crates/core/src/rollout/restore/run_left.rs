//! What a run left changed that no object looked after, as lines of the group's record.

use ess_rollout_api::v1alpha1::{Baseline, GroupRun, Leftover, Outcome, RestoreKind};
use ess_rollout_cloud::{LifecycleState, ScalingGroup, ScalingInstance};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::need::{is_of_instance, wanted};
use crate::rollout::kind::content;
use crate::rollout::progress::freeze;
use crate::task::conditions::shorten;

/// The most lines that a record holds.
pub(in crate::rollout) const LEFTOVERS_MAX: usize = 3000;

/// `namespace/name` of the object whose run it is.
pub(super) fn path(run: &GroupRun) -> String {
    format!("{}/{}", run.namespace, run.name)
}

/// A line about something that the run of the object `by` has left changed.
pub(super) fn line(
    (kind, target): (RestoreKind, &str),
    since: Time,
    by: String,
    message: &str,
) -> Leftover {
    Leftover {
        kind,
        target: target.to_owned(),
        wanted: wanted(kind).to_owned(),
        found: None,
        containers: None,
        kept: false,
        since,
        by,
        message: shorten(message, 512),
    }
}

/// Drops the oldest lines where there are too many: the newest are the ones that somebody will look for.
pub(super) fn keep_newest(leftovers: &mut Vec<Leftover>) {
    let excess = leftovers.len().saturating_sub(LEFTOVERS_MAX);
    leftovers.drain(..excess);
}

/// The group as it is after a run.
pub(super) struct Found<'a> {
    pub(super) group: &'a ScalingGroup,
    pub(super) instances: &'a [ScalingInstance],
    pub(super) configuration: Option<String>,
    /// `None`: how it ended is not known.
    pub(super) outcome: Option<Outcome>,
    /// How the group was found before.
    pub(super) baseline: Option<&'a Baseline>,
    /// Whom its execution has reached, where that is known.
    pub(super) reached: Option<Vec<String>>,
    pub(super) now: Time,
}

impl Found<'_> {
    /// What the run left changed.
    pub(super) fn lines(&self, run: &GroupRun) -> Vec<Leftover> {
        let how = match (run.execution_id.as_deref(), self.outcome) {
            (Some(id), Some(outcome)) => format!("execution {id} ended {outcome:?}"),
            (Some(id), None) => format!("how execution {id} ended is not known"),
            (None, _) => "the execution is not known".to_owned(),
        };
        let message = format!("{how}, and no object looked after it");
        let line = |kind, target: &str| line((kind, target), self.now.clone(), path(run), &message);
        let suspended = run.exit_processes.iter();
        let suspended = suspended.filter(|process| freeze::is_suspended(self.group, process));
        let mut lines: Vec<Leftover> = suspended
            .map(|process| line(RestoreKind::Process, process))
            .collect();
        if let Some(configuration) = &run.configuration
            && let Some(found) = &self.configuration
        {
            let succeeded = self.outcome == Some(Outcome::Succeeded);
            let wanted = match succeeded {
                true => configuration.if_succeeded.as_ref(),
                false => configuration.if_failed.as_ref(),
            };
            if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
                // What neither the run put there nor was there before is somebody else's.
                let ours = succeeded || configuration.brings.as_ref() == Some(found);
                let mut changed = Leftover {
                    wanted: wanted.clone(),
                    found: ours.then(|| found.clone()),
                    ..line(configuration.kind, &configuration.id)
                };
                content::copy_to_leftover(self.baseline, &mut changed);
                lines.push(changed);
            }
        }
        for instance in self.instances {
            let member = run.members.iter().find(|member| member.id == instance.id);
            // One that was not reached is as somebody wants it.
            let reached = self.reached.as_ref();
            let reached = reached.is_none_or(|reached| reached.contains(&instance.id));
            let Some(member) = member.filter(|_| reached) else {
                continue;
            };
            let standby = instance.state.may_be_standby();
            if standby {
                lines.push(Leftover {
                    kept: run.keeps_standby,
                    ..line(RestoreKind::Standby, &instance.id)
                });
            }
            // One in Standby is protected again once it serves.
            if member.protected && (standby || instance.state == LifecycleState::InService) {
                lines.push(line(RestoreKind::Protection, &instance.id));
            }
        }
        lines
    }
}

/// Whether a line of the record is about what this run may have changed, and was written for it.
pub(super) fn is_of(run: &GroupRun, line: &Leftover) -> bool {
    let about = match line.kind {
        RestoreKind::Process => run.exit_processes.contains(&line.target),
        kind if is_of_instance(kind) => run.members.iter().any(|m| m.id == line.target),
        _ => run.configuration.iter().any(|c| c.id == line.target),
    };
    about && line.by == path(run)
}
