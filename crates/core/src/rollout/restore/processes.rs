//! What a run leaves changed about the scaling processes of its group: suspended.

use ess_rollout_api::v1alpha1::RestoreKind;
use ess_rollout_cloud::{Mutation, Process, ScalingGroup};

use super::need::Need;
use crate::rollout::context::Context;
use crate::rollout::progress::freeze::is_suspended;

/// Of processes that are to run: what is, or was, to be done. One call resumes all.
pub(super) fn needs(ctx: &Context<'_>, group: &ScalingGroup, processes: &[String]) -> Vec<Need> {
    let suspended = processes.iter().filter(|p| is_suspended(group, p));
    let resume = Mutation::ResumeProcesses {
        group: ctx.group.clone(),
        processes: suspended.map(|p| Process::from(p.as_str())).collect(),
    };
    let need = |process: &String| {
        let need = Need::pending(RestoreKind::Process, process);
        match is_suspended(group, process) {
            true => need.by(resume.clone()),
            false => need.restored(),
        }
    };
    processes.iter().map(need).collect()
}
