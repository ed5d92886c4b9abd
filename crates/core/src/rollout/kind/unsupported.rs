//! Kinds that the API knows and this version cannot run: refused by Preflight, in words.

use ess_rollout_api::v1alpha1::Plan;
use ess_rollout_cloud::{EcsInstance, GroupType, Query, ScalingGroup};
use serde_json::{Map, Value};

use super::Kind;
use crate::observation::{Known, Observation};
use crate::problem::Problem;

pub(super) struct Unsupported {
    pub(super) field: &'static str,
}

impl Kind for Unsupported {
    fn template(&self) -> &'static str {
        ""
    }

    fn group_type(&self) -> GroupType {
        GroupType::Ecs
    }

    fn check_spec(&self) -> Option<Problem> {
        Some(Problem::blocked(
            "NotYetSupported",
            format!(
                "spec.update.{} is not supported by this version of the operator: use update.image or update.script",
                self.field
            ),
        ))
    }

    fn reads(&self) -> Vec<Query> {
        Vec::new()
    }

    fn check_cloud(
        &self,
        _observation: &Observation,
        _group: &ScalingGroup,
        _instances: &[EcsInstance],
    ) -> Known<Option<Problem>> {
        Ok(None)
    }

    fn parameters(&self, _plan: &Plan) -> Map<String, Value> {
        Map::new()
    }

    fn rollback_parameters(&self) -> Map<String, Value> {
        Map::new()
    }

    fn wanted_image(&self) -> Option<(&str, bool)> {
        None
    }

    fn what(&self) -> String {
        self.field.to_owned()
    }
}
