//! `update.script`: a script run through Cloud Assistant.

use ess_rollout_api::v1alpha1::{Plan, ScriptSource, ScriptType, ScriptUpdate};
use ess_rollout_cloud::{EcsInstance, GroupType, Query, ScalingGroup};
use serde_json::{Map, Value, json};

use super::Kind;
use crate::identity::hash_text;
use crate::observation::{Known, Observation};
use crate::problem::Problem;

/// The most bytes of a script: what Cloud Assistant takes (24 KB once Base64-encoded), with room.
const SCRIPT_MAX: usize = 16 * 1024;

pub(super) struct Script<'a> {
    pub(super) update: &'a ScriptUpdate,
}

impl Script<'_> {
    fn scripts(&self) -> impl Iterator<Item = (&'static str, &ScriptSource)> {
        std::iter::once(("run", &self.update.run))
            .chain(self.update.rollback.as_ref().map(|s| ("rollback", s)))
    }
}

fn check(field: &str, source: &ScriptSource) -> Option<Problem> {
    let path = format!("spec.update.script.{field}");
    if source.config_map_key_ref.is_some() {
        return Some(Problem::blocked(
            "NotYetSupported",
            format!("{path}.configMapKeyRef is not supported yet: give the script inline"),
        ));
    }
    let text = source.inline.as_deref().unwrap_or_default();
    if text.is_empty() {
        Some(Problem::blocked("InvalidSpec", format!("{path} is empty")))
    } else if text.len() > SCRIPT_MAX {
        Some(Problem::blocked(
            "ScriptTooLarge",
            format!(
                "{path} has {} bytes, and Cloud Assistant takes {SCRIPT_MAX}: have it download the rest",
                text.len()
            ),
        ))
    } else if text.contains("{{") {
        Some(Problem::blocked(
            "ScriptAmbiguous",
            format!(
                "{path} contains {{{{, which OOS would read as a reference to a template parameter: build that text in the script"
            ),
        ))
    } else {
        None
    }
}

impl Kind for Script<'_> {
    fn template(&self) -> &'static str {
        super::SCRIPT_TEMPLATE
    }

    fn group_type(&self) -> GroupType {
        GroupType::Ecs
    }

    fn check_spec(&self) -> Option<Problem> {
        self.scripts()
            .find_map(|(field, source)| check(field, source))
    }

    fn reads(&self) -> Vec<Query> {
        Vec::new()
    }

    fn check_cloud(
        &self,
        _observation: &Observation,
        _group: &ScalingGroup,
        instances: &[EcsInstance],
    ) -> Known<Option<Problem>> {
        let windows_script = self.update.script_type != ScriptType::LinuxShell;
        Ok(instances
            .iter()
            .find(|instance| {
                !instance.os_type.is_empty()
                    && instance.os_type.eq_ignore_ascii_case("windows") != windows_script
            })
            .map(|instance| {
                Problem::blocked(
                    "ScriptTypeMismatch",
                    format!(
                        "spec.update.script.type is {:?}, and instance {} runs {}",
                        self.update.script_type, instance.id, instance.os_type
                    ),
                )
            }))
    }

    fn parameters(&self, _plan: &Plan) -> Map<String, Value> {
        let command_type = match self.update.script_type {
            ScriptType::LinuxShell => "RunShellScript",
            ScriptType::WindowsBat => "RunBatScript",
            ScriptType::WindowsPowerShell => "RunPowerShellScript",
        };
        let mut parameters = Map::new();
        parameters.insert("commandType".into(), json!(command_type));
        parameters.insert(
            "invokeScript".into(),
            json!(self.update.run.inline.as_deref().unwrap_or_default()),
        );
        let rollback = self.update.rollback.as_ref();
        parameters.insert(
            "rollbackScript".into(),
            json!(
                rollback
                    .and_then(|s| s.inline.as_deref())
                    .unwrap_or_default()
            ),
        );
        parameters
    }

    fn rollback_parameters(&self) -> Map<String, Value> {
        let mut parameters = Map::new();
        parameters.insert(
            "rollbackScript".into(),
            json!(self.update.run.inline.as_deref().unwrap_or_default()),
        );
        parameters
    }

    fn wanted_image(&self) -> Option<(&str, bool)> {
        None
    }

    fn what(&self) -> String {
        let script = self.update.run.inline.as_deref().unwrap_or_default();
        format!("script sha256:{}", &hash_text(script)[..16])
    }
}
