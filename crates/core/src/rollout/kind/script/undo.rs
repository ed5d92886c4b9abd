//! Undoing a script by another.

use ess_rollout_api::v1alpha1::{RollbackPayload, ScriptSource, ScriptType, ScriptUpdate, Update};
use ess_rollout_cloud::Execution;

use crate::rollout::kind::update_kind::{Before, missing};
use crate::rollout::parameters::text;
use crate::task::problem::Problem;

pub(super) fn way_back(
    update: &ScriptUpdate,
    before: &Before<'_>,
    to: &RollbackPayload,
) -> Result<Update, Problem> {
    let back = to.script.as_ref().or(update.rollback.as_ref());
    let back = back.ok_or_else(|| {
        missing("the task has no spec.update.script.rollback: give the script that undoes it by spec.to.script in a new rollback")
    })?;
    let run = match (&to.script, &back.config_map_key_ref) {
        (None, Some(_)) => ScriptSource {
            inline: Some(before.script.map(str::to_owned).ok_or_else(|| {
                missing("OOS does not show the rollback script that the update was started with: give it by spec.to.script in a new rollback")
            })?),
            config_map_key_ref: None,
        },
        // In the spec; or in a ConfigMap that the rollback itself names, and that is looked at until it starts.
        (_, _) => back.clone(),
    };
    Ok(Update {
        script: Some(ScriptUpdate {
            script_type: update.script_type,
            run,
            rollback: None,
        }),
        ..Update::default()
    })
}

pub(in crate::rollout::kind) fn of_execution(root: &Execution) -> Result<Update, Problem> {
    let script = |name: &str| {
        text(root, name).map(|text| ScriptSource {
            inline: Some(text.to_owned()),
            ..ScriptSource::default()
        })
    };
    Ok(Update {
        script: Some(ScriptUpdate {
            script_type: match text(root, "commandType") {
                Some("RunBatScript") => ScriptType::WindowsBat,
                Some("RunPowerShellScript") => ScriptType::WindowsPowerShell,
                _ => ScriptType::LinuxShell,
            },
            run: script("invokeScript").unwrap_or_default(),
            rollback: script("rollbackScript"),
        }),
        ..Update::default()
    })
}
