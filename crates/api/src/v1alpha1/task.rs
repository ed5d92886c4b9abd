//! What a person asks for: one rolling update of one scaling group.

use kube_derive::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::run_policy::{EligibleState, RunPolicy};
use super::status::RollingUpdateTaskStatus;
use super::update::Update;

/// One rolling update of the in-service instances of one Auto Scaling group.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "ess-rollout.io",
    version = "v1alpha1",
    kind = "RollingUpdateTask",
    plural = "rollingupdatetasks",
    shortname = "rut",
    category = "ess-rollout",
    namespaced,
    derive = "PartialEq",
    doc = "RollingUpdateTask is one rolling update of the in-service instances of one Alibaba Cloud Auto Scaling group, run through CloudOps Orchestration Service.",
    status = "RollingUpdateTaskStatus",
    selectable = ".spec.scalingGroupId",
    selectable = ".status.state",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Batch", type_ = "string", json_path = ".status.summary.batch"),
    printcolumn(
        name = "Updated",
        type_ = "string",
        json_path = ".status.summary.progress"
    ),
    printcolumn(
        name = "Failed",
        type_ = "integer",
        json_path = ".status.summary.failed"
    ),
    printcolumn(
        name = "Scaling-Group",
        type_ = "string",
        json_path = ".spec.scalingGroupId"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Execution",
        type_ = "string",
        json_path = ".status.execution.id",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    printcolumn(
        name = "Started",
        type_ = "date",
        json_path = ".status.execution.startTime",
        priority = 1
    ),
    printcolumn(
        name = "Finished",
        type_ = "date",
        json_path = ".status.completionTime",
        priority = 1
    ),
    crates(kube_core = "::kube_core")
)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!has(self.onFrozenTooLong) || has(self.maxFrozenSeconds)")
        .message("spec.onFrozenTooLong goes with spec.maxFrozenSeconds"),
    validation = Rule::new("!(has(self.batches) && has(self.batchSize))")
        .message("set spec.batches or spec.batchSize, not both"),
    validation = Rule::new("!has(self.maxErrors) || self.maxErrors == 0 || has(self.update.image)")
        .message("spec.maxErrors works for image updates only: the other public templates stop at the first failure; remove it"),
    validation = Rule::new("!has(self.update.containerGroup) || self.lifecycleStates == ['InService']")
        .message("spec.lifecycleStates cannot be set for update.containerGroup: the public template takes InService instances only"),
)]
#[serde(rename_all = "camelCase")]
pub struct RollingUpdateTaskSpec {
    /// The Auto Scaling group to update (`asg-…`).
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S+$"))]
    pub scaling_group_id: String,

    /// The region of the group, for instance `cn-hangzhou`. Default: the operator's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region_id: Option<String>,

    /// What to do to each instance: exactly one kind.
    pub update: Update,

    /// Which instances take part, by their lifecycle state in the group. Default: those that are InService.
    #[serde(default = "default_lifecycle_states")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub lifecycle_states: Vec<EligibleState>,

    /// How it is done.
    #[serde(flatten)]
    pub policy: RunPolicy,
}

fn default_lifecycle_states() -> Vec<EligibleState> {
    vec![EligibleState::InService]
}
