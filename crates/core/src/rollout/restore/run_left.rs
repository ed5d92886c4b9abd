//! What a run left changed that no object looked after, as lines of the group's record.

use ess_rollout_api::v1alpha1::{Baseline, GroupRun, Leftover, Outcome, RestoreKind};
use ess_rollout_cloud::{LifecycleState, Process, ScalingGroup, ScalingInstance};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::kind::content;
use crate::task::conditions::shorten;

/// `namespace/name` of the object whose run it is.
pub(in crate::rollout) fn path(run: &GroupRun) -> String {
    format!("{}/{}", run.namespace, run.name)
}

/// The group as it is after a run.
pub(in crate::rollout) struct Found<'a> {
    pub(in crate::rollout) group: &'a ScalingGroup,
    pub(in crate::rollout) instances: &'a [ScalingInstance],
    pub(in crate::rollout) configuration: Option<String>,
    /// `None`: how it ended is not known.
    pub(in crate::rollout) outcome: Option<Outcome>,
    /// How the group was found before.
    pub(in crate::rollout) baseline: Option<&'a Baseline>,
    /// Whom its execution has reached, where that is known.
    pub(in crate::rollout) reached: Option<Vec<String>>,
    pub(in crate::rollout) now: Time,
}

impl Found<'_> {
    /// What the run left changed.
    pub(in crate::rollout) fn lines(&self, run: &GroupRun) -> Vec<Leftover> {
        let how = match (run.execution_id.as_deref(), self.outcome) {
            (Some(id), Some(outcome)) => format!("execution {id} ended {outcome:?}"),
            (Some(id), None) => format!("how execution {id} ended is not known"),
            (None, _) => "the execution is not known".to_owned(),
        };
        let message = format!("{how}, and no object looked after it");
        let line = |kind, target: &str, wanted: &str, found: Option<String>| Leftover {
            kind,
            target: target.to_owned(),
            wanted: wanted.to_owned(),
            found,
            containers: None,
            kept: false,
            since: self.now.clone(),
            by: path(run),
            message: shorten(&message, 512),
        };
        let suspended = run.exit_processes.iter().filter(|process| {
            let process = Process::from(process.as_str());
            self.group.suspended_processes.contains(&process)
        });
        let mut lines: Vec<Leftover> = suspended
            .map(|process| line(RestoreKind::Process, process, "Resumed", None))
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
                let mut changed = line(
                    configuration.kind,
                    &configuration.id,
                    wanted,
                    ours.then(|| found.clone()),
                );
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
            let standby = instance.state == LifecycleState::Standby;
            if standby {
                let mut standby = line(RestoreKind::Standby, &instance.id, "InService", None);
                standby.kept = run.keeps_standby;
                lines.push(standby);
            }
            // One in Standby is protected again once it serves.
            if member.protected && (standby || instance.state == LifecycleState::InService) {
                let kind = RestoreKind::Protection;
                lines.push(line(kind, &instance.id, "Protected", None));
            }
        }
        lines
    }
}

/// Whether a line of the record is about what this run may have changed, and was written for it.
pub(in crate::rollout) fn is_of(run: &GroupRun, line: &Leftover) -> bool {
    let about = match line.kind {
        RestoreKind::Process => run.exit_processes.contains(&line.target),
        RestoreKind::ScalingConfigurationImage | RestoreKind::ScalingConfigurationContainers => run
            .configuration
            .as_ref()
            .is_some_and(|c| c.id == line.target),
        RestoreKind::Standby | RestoreKind::Protection | RestoreKind::StoppedInstance => {
            run.members.iter().any(|member| member.id == line.target)
        }
    };
    about && line.by == path(run)
}
