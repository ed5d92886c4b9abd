//! `update.script`: a script run through Cloud Assistant.

use ess_rollout_api::v1alpha1::{
    Plan, RollbackPayload, ScriptHashes, ScriptTexts, ScriptType, ScriptUpdate, Update,
};
use ess_rollout_cloud::{EcsInstance, GroupType, ScalingGroup};
use serde_json::{Map, Value, json};

use super::author::Author;
use super::update_kind::{Before, KindRow, ReadBack, UpdateKind, not_running};
use crate::rollout::scripts::Scripts;
use crate::task::observation::{Known, Observation};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

mod undo;

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
    of_execution: undo::of_execution,
};

struct Script<'a> {
    update: &'a ScriptUpdate,
    author: Author,
    scripts: Scripts<'a>,
}

impl UpdateKind for Script<'_> {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn group_type(&self) -> GroupType {
        GroupType::Ecs
    }

    fn check_spec(&self) -> Option<Problem> {
        self.scripts.problem(false).cloned()
    }

    fn check_config_maps(&self) -> Option<Problem> {
        self.scripts.problem(true).cloned()
    }

    fn check_cloud(
        &self,
        _observation: &Observation,
        _group: &ScalingGroup,
        instances: &[EcsInstance],
    ) -> Known<Option<Problem>> {
        let windows_script = self.update.script_type != ScriptType::LinuxShell;
        let mismatch = instances
            .iter()
            .find(|instance| {
                !instance.os_type.is_empty()
                    && instance.os_type.eq_ignore_ascii_case("windows") != windows_script
            })
            .map(|instance| {
                Problem::blocked(
                    Reason::ScriptTypeMismatch,
                    format!(
                        "{} is {:?}, and instance {} runs {}",
                        ROW.field_of(self.author, "type"),
                        self.update.script_type,
                        instance.id,
                        instance.os_type
                    ),
                )
            });
        Ok(mismatch.or_else(|| not_running(instances)))
    }

    /// A script runs as it is, and a shell takes the carriage return for a part of the last word of a line.
    fn notes(
        &self,
        _observation: &Observation,
        _group: &ScalingGroup,
        _ids: &[String],
    ) -> Known<Vec<String>> {
        let shell = self.update.script_type == ScriptType::LinuxShell;
        let texts = [
            ("run", self.scripts.run()),
            ("rollback", self.scripts.rollback()),
        ];
        let with = texts
            .into_iter()
            .filter(|(_, text)| shell && text.contains("\r\n"));
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

    fn script_hashes(&self) -> Option<ScriptHashes> {
        Some(self.scripts.hashes())
    }

    fn frozen_scripts(&self) -> Option<ScriptTexts> {
        self.scripts.frozen()
    }

    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem> {
        undo::way_back(self.update, before, to)
    }

    /// The public template runs every rollback script as a shell script.
    fn is_run_by_templates_rollback(&self) -> bool {
        self.update.script_type == ScriptType::LinuxShell
    }

    fn parameters(&self, _plan: &Plan) -> Map<String, Value> {
        let command_type = match self.update.script_type {
            ScriptType::LinuxShell => "RunShellScript",
            ScriptType::WindowsBat => "RunBatScript",
            ScriptType::WindowsPowerShell => "RunPowerShellScript",
        };
        let mut parameters = Map::new();
        parameters.insert("commandType".into(), json!(command_type));
        parameters.insert("invokeScript".into(), json!(self.scripts.run()));
        // For the way back: OOS keeps what the run was started with, whatever becomes of the task
        // and of a ConfigMap.
        parameters.insert("rollbackScript".into(), json!(self.scripts.rollback()));
        parameters
    }

    fn rollback_parameters(&self, _plan: &Plan) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert("rollbackScript".into(), json!(self.scripts.run()));
        parameters
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
        let hashes = plan.and_then(|plan| plan.scripts.clone());
        let hashes = hashes.unwrap_or_else(|| self.scripts.hashes());
        let short: String = hashes.run.chars().take(16).collect();
        format!("script sha256:{short}")
    }
}
