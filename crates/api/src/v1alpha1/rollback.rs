//! What a person asks for to undo: the way back of one rolling update.

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::run_policy::RunPolicy;
use super::status::RollingUpdateTaskStatus;
use super::update::{Container, ScriptSource};

/// The undoing of one RollingUpdateTask, or of an OOS execution that was started elsewhere.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "ess-rollout.io",
    version = "v1alpha1",
    kind = "Rollback",
    plural = "rollbacks",
    shortname = "rutback",
    category = "ess-rollout",
    namespaced,
    derive = "PartialEq",
    doc = "Rollback is the undoing of one RollingUpdateTask, or of a rolling update that was started in the console or by the command line.",
    status = "RollingUpdateTaskStatus",
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
    printcolumn(name = "Task", type_ = "string", json_path = ".spec.taskRef.name"),
    printcolumn(
        name = "Scaling-Group",
        type_ = "string",
        json_path = ".status.source.scalingGroupId"
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
    validation = Rule::new("has(self.taskRef) != has(self.executionId)")
        .message("name what to roll back by spec.taskRef or by spec.executionId, not both"),
    validation = Rule::new("has(self.executionId) == has(self.scalingGroupId)")
        .message("spec.scalingGroupId goes with spec.executionId; with spec.taskRef it is the task's"),
    validation = Rule::new("!has(self.regionId) || has(self.executionId)")
        .message("spec.regionId goes with spec.executionId; with spec.taskRef it is the task's"),
    validation = Rule::new("!(has(self.batches) && has(self.batchSize))")
        .message("set spec.batches or spec.batchSize, not both"),
    validation = Rule::new("!has(self.gates) || !has(self.gates.onFailed) || self.gates.onFailed != 'Rollback'")
        .message("spec.gates.onFailed: a rollback is not rolled back by itself; use Hold or Cancel"),
)]
#[serde(rename_all = "camelCase")]
pub struct RollbackSpec {
    /// The RollingUpdateTask in this namespace to undo. Suspended or finished; a suspended one is
    /// cancelled first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_ref: Option<TaskRef>,

    /// The OOS execution to undo (`exec-…`), for a rolling update that was started in the console or
    /// by the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S+$"))]
    pub execution_id: Option<String>,

    /// The scaling group of that execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S+$"))]
    pub scaling_group_id: Option<String>,

    /// The region of that execution. Default: the operator's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region_id: Option<String>,

    /// Where to go back to. Default: what the source says (`rollbackImageId`, `rollback`,
    /// `rollbackVersion`, `rollbackContainers`), for an image or a package else what all instances
    /// had before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<RollbackPayload>,

    /// Which instances. Default: Updated, those that the update touched.
    #[serde(default)]
    pub scope: RollbackScope,

    /// How it is done. The RAM role and the credentials are the task's unless they are given.
    #[serde(flatten)]
    pub policy: RunPolicy,
}

/// Names a RollingUpdateTask in the same namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskRef {
    /// Its name.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
}

/// Where to go back to: at most one, and of the kind of the update that is undone.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("[has(self.imageId), has(self.script), has(self.packageVersion), has(self.containers)].filter(x, x).size() == 1")
        .message("spec.to must hold exactly one of imageId, script, packageVersion, containers")
)]
#[serde(rename_all = "camelCase")]
pub struct RollbackPayload {
    /// The image to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^\S+$"))]
    pub image_id: Option<String>,
    /// The script that undoes the update, in the language of its script.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptSource>,
    /// The version of the same package. Never another package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub package_version: Option<String>,
    /// The containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 20))]
    pub containers: Option<Vec<Container>>,
}

/// Which instances a rollback is for.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum RollbackScope {
    /// Those that the update touched.
    #[default]
    Updated,
    /// All that are in service, those that joined since included.
    AllInService,
}
