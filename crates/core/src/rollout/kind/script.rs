//! `update.script`: a script run through Cloud Assistant.

use ess_rollout_api::v1alpha1::{
    Plan, RollbackPayload, ScriptSource, ScriptType, ScriptUpdate, Update,
};
use ess_rollout_cloud::Execution;
use serde_json::{Map, Value, json};

use super::update_kind::{
    Author, Before, Eligible, KindRow, ReadBack, UpdateKind, blocked, missing, not_running,
    parameters,
};
use crate::rollout::parameters::text;
use crate::rollout::scripts::Scripts;
use crate::task::observation::{Known, Observation};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

pub(super) static ROW: KindRow = KindRow {
    template: "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
    field: "script",
    payload_field: "script",
    made_of_payload: &["run", "rollback"],
    of: |asked| {
        let (update, author) = (asked.update.script.as_ref()?, asked.author);
        let name_of = |field: &str| ROW.field_of(author, field);
        Some(Box::new(Script {
            update,
            author,
            scripts: Scripts::of(update, asked.status, &asked.texts, name_of),
        }))
    },
    of_execution,
};

struct Script<'a> {
    update: &'a ScriptUpdate,
    author: Author,
    scripts: Scripts<'a>,
}

impl Script<'_> {
    fn is_shell(&self) -> bool {
        self.update.script_type == ScriptType::LinuxShell
    }
}

impl UpdateKind for Script<'_> {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn check_spec(&self) -> Option<Problem> {
        self.scripts.problem(false).cloned()
    }

    fn check_cloud(&self, eligible: &Eligible<'_>) -> Known<Option<Problem>> {
        let instances = eligible.instances()?;
        let mismatch = instances.iter().find(|instance| {
            let windows = instance.os_type.eq_ignore_ascii_case("windows");
            !instance.os_type.is_empty() && windows == self.is_shell()
        });
        let Some(instance) = mismatch else {
            return Ok(not_running(instances));
        };
        let message = format!(
            "{} is {:?}, and instance {} runs {}",
            ROW.field_of(self.author, "type"),
            self.update.script_type,
            instance.id,
            instance.os_type
        );
        blocked(Reason::ScriptTypeMismatch, message)
    }

    /// A script runs as it is, and a shell takes the carriage return for a part of the last word of a line.
    fn notes(&self, _eligible: &Eligible<'_>) -> Known<Vec<String>> {
        let (run, rollback) = (self.scripts.run(), self.scripts.rollback());
        let texts = [("run", run), ("rollback", rollback)].into_iter();
        let with = texts.filter(|(_, text)| self.is_shell() && text.contains("\r\n"));
        let notes = with.map(|(field, _)| {
            format!(
                "spec.update.script.{field} has lines that end with CR LF, as Windows writes them, and a Linux shell takes the CR for a part of the line: write it with LF"
            )
        });
        Ok(notes.collect())
    }

    fn complete(&self, _observation: &Observation, plan: &mut Plan) -> Known<()> {
        plan.scripts = Some(self.scripts.hashes());
        Ok(())
    }

    fn scripts(&self) -> Option<&Scripts<'_>> {
        Some(&self.scripts)
    }

    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem> {
        let back = to.script.as_ref().or(self.update.rollback.as_ref());
        let back = back.ok_or_else(|| {
            missing("the task has no spec.update.script.rollback: give the script that undoes it by spec.to.script in a new rollback")
        })?;
        let run = match (&to.script, &back.config_map_key_ref) {
            (None, Some(_)) => inline(before.script.ok_or_else(|| {
                missing("OOS does not show the rollback script that the update was started with: give it by spec.to.script in a new rollback")
            })?),
            // In the spec; or in a ConfigMap that the rollback itself names, and that is looked at until it starts.
            (_, _) => back.clone(),
        };
        Ok(Update {
            script: Some(ScriptUpdate {
                script_type: self.update.script_type,
                run,
                rollback: None,
            }),
            ..Update::default()
        })
    }

    /// The public template runs every rollback script as a shell script.
    fn is_run_by_templates_rollback(&self) -> bool {
        self.is_shell()
    }

    fn parameters(&self, _plan: &Plan) -> Map<String, Value> {
        let command_type = match self.update.script_type {
            ScriptType::LinuxShell => "RunShellScript",
            ScriptType::WindowsBat => "RunBatScript",
            ScriptType::WindowsPowerShell => "RunPowerShellScript",
        };
        parameters([
            ("commandType", json!(command_type)),
            ("invokeScript", json!(self.scripts.run())),
            // For the way back: OOS keeps what the run was started with, whatever becomes of the task
            // and of a ConfigMap.
            ("rollbackScript", json!(self.scripts.rollback())),
        ])
    }

    fn rollback_parameters(&self, _plan: &Plan) -> Map<String, Value> {
        parameters([("rollbackScript", json!(self.scripts.run()))])
    }

    fn read_back(
        &self,
        _observation: &Observation,
        _plan: &Plan,
        instances: &[&str],
    ) -> Known<ReadBack> {
        let unread = "what a script has done to an instance cannot be read back";
        Ok(ReadBack {
            unread: (!instances.is_empty()).then(|| unread.to_owned()),
            ..ReadBack::default()
        })
    }

    fn what(&self, plan: Option<&Plan>) -> String {
        let planned = plan.and_then(|plan| plan.scripts.clone());
        let hashes = planned.unwrap_or_else(|| self.scripts.hashes());
        let short: String = hashes.run.chars().take(16).collect();
        format!("script sha256:{short}")
    }
}

fn inline(text: &str) -> ScriptSource {
    ScriptSource {
        inline: Some(text.to_owned()),
        config_map_key_ref: None,
    }
}

fn of_execution(root: &Execution) -> Result<Update, Problem> {
    Ok(Update {
        script: Some(ScriptUpdate {
            script_type: match text(root, "commandType") {
                Some("RunBatScript") => ScriptType::WindowsBat,
                Some("RunPowerShellScript") => ScriptType::WindowsPowerShell,
                _ => ScriptType::LinuxShell,
            },
            run: text(root, "invokeScript").map(inline).unwrap_or_default(),
            rollback: text(root, "rollbackScript").map(inline),
        }),
        ..Update::default()
    })
}
