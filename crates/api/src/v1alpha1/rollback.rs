//! What a person asks for to undo: the way back of one rolling update.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::RollingUpdateTaskStatus;
use super::task::{
    Container, CredentialsRef, DeletionPolicy, DesiredState, EligibleState, FailedInstancePolicy,
    OnFailure, RestorePolicy, ScriptSource, SuspensionPolicy, Update, batch_size_schema,
    default_deletion_timeout,
};

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
        json_path = ".status.result.time",
        priority = 1
    ),
    crates(kube_core = "::kube_core")
)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.taskRef) != has(self.executionId)")
        .message("name what to roll back by spec.taskRef or by spec.executionId, not both"),
    validation = Rule::new("has(self.executionId) == has(self.scalingGroupId)")
        .message("spec.scalingGroupId goes with spec.executionId; with spec.taskRef it is the task's"),
    validation = Rule::new("!has(self.regionId) || has(self.executionId)")
        .message("spec.regionId goes with spec.executionId; with spec.taskRef it is the task's"),
    validation = Rule::new("!(has(self.batches) && has(self.batchSize))")
        .message("set spec.batches or spec.batchSize, not both"),
    validation = Rule::new("has(self.taskRef) == has(oldSelf.taskRef) && (!has(self.taskRef) || self.taskRef == oldSelf.taskRef)").message("spec.taskRef is immutable: create a new rollback"),
    validation = Rule::new("has(self.executionId) == has(oldSelf.executionId) && (!has(self.executionId) || self.executionId == oldSelf.executionId)").message("spec.executionId is immutable: create a new rollback"),
    validation = Rule::new("has(self.scalingGroupId) == has(oldSelf.scalingGroupId) && (!has(self.scalingGroupId) || self.scalingGroupId == oldSelf.scalingGroupId)").message("spec.scalingGroupId is immutable: create a new rollback"),
    validation = Rule::new("has(self.regionId) == has(oldSelf.regionId) && (!has(self.regionId) || self.regionId == oldSelf.regionId)").message("spec.regionId is immutable: create a new rollback"),
    validation = Rule::new("has(self.to) == has(oldSelf.to) && (!has(self.to) || self.to == oldSelf.to)").message("spec.to is immutable: create a new rollback"),
    validation = Rule::new("self.scope == oldSelf.scope").message("spec.scope is immutable: create a new rollback"),
    validation = Rule::new("has(self.description) == has(oldSelf.description) && (!has(self.description) || self.description == oldSelf.description)").message("spec.description is immutable: create a new rollback"),
    validation = Rule::new("has(self.batches) == has(oldSelf.batches) && (!has(self.batches) || self.batches == oldSelf.batches)").message("spec.batches is immutable: create a new rollback"),
    validation = Rule::new("has(self.batchSize) == has(oldSelf.batchSize) && (!has(self.batchSize) || self.batchSize == oldSelf.batchSize)").message("spec.batchSize is immutable: create a new rollback"),
    validation = Rule::new("self.suspensionPolicy == oldSelf.suspensionPolicy").message("spec.suspensionPolicy is immutable: to let batches run ahead raise spec.approvedBatches"),
    validation = Rule::new("has(self.maxErrors) == has(oldSelf.maxErrors) && (!has(self.maxErrors) || self.maxErrors == oldSelf.maxErrors)").message("spec.maxErrors is immutable: create a new rollback"),
    validation = Rule::new("self.onFailure == oldSelf.onFailure").message("spec.onFailure is immutable: create a new rollback"),
    validation = Rule::new("has(self.ramRole) == has(oldSelf.ramRole) && (!has(self.ramRole) || self.ramRole == oldSelf.ramRole)").message("spec.ramRole is immutable: create a new rollback"),
    validation = Rule::new("has(self.credentialsRef) == has(oldSelf.credentialsRef) && (!has(self.credentialsRef) || self.credentialsRef == oldSelf.credentialsRef)").message("spec.credentialsRef is immutable: create a new rollback"),
    validation = Rule::new("self.restorePolicy == oldSelf.restorePolicy").message("spec.restorePolicy is immutable: create a new rollback"),
    validation = Rule::new("self.failedInstancePolicy == oldSelf.failedInstancePolicy").message("spec.failedInstancePolicy is immutable: create a new rollback"),
    validation = Rule::new("self.deletionPolicy == oldSelf.deletionPolicy").message("spec.deletionPolicy is immutable: create a new rollback"),
    validation = Rule::new("self.deletionTimeoutSeconds == oldSelf.deletionTimeoutSeconds").message("spec.deletionTimeoutSeconds is immutable: create a new rollback"),
    validation = Rule::new("has(self.runKey) == has(oldSelf.runKey) && (!has(self.runKey) || self.runKey == oldSelf.runKey)").message("spec.runKey is immutable: create a new rollback"),
    validation = Rule::new("has(self.progressDeadlineSeconds) == has(oldSelf.progressDeadlineSeconds) && (!has(self.progressDeadlineSeconds) || self.progressDeadlineSeconds == oldSelf.progressDeadlineSeconds)").message("spec.progressDeadlineSeconds is immutable: create a new rollback"),
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

    /// Which instances.
    #[serde(default)]
    pub scope: RollbackScope,

    /// Shown in the OOS and ESS consoles too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub description: Option<String>,

    /// Into how many batches the instances are divided, 1 to 100. Default 5, when batchSize is not
    /// set either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub batches: Option<i32>,

    /// The most instances in one batch: a count, or a percentage such as "25%".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "batch_size_schema")]
    pub batch_size: Option<IntOrString>,

    /// After which batches to wait for a person.
    #[serde(default)]
    pub suspension_policy: SuspensionPolicy,

    /// How many failed instances to tolerate. Rollbacks of image updates only. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_errors: Option<i32>,

    /// What happens when more instances fail than maxErrors allows.
    #[serde(default)]
    pub on_failure: OnFailure,

    /// The RAM role that OOS assumes. Default: the task's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._@-]+$"))]
    pub ram_role: Option<String>,

    /// A Secret in this namespace with the credentials to use. Default: the task's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,

    /// Run, or only plan, or end the rollback. Cancelled is final.
    #[serde(default)]
    pub desired_state: DesiredState,

    /// How many batches may run without a person. Only raising it has an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 101))]
    pub approved_batches: Option<i32>,

    /// Whether the operator puts back what a cancelled or failed rollback left changed.
    #[serde(default)]
    pub restore_policy: RestorePolicy,

    /// What becomes of failed, cancelled and interrupted instances.
    #[serde(default)]
    pub failed_instance_policy: FailedInstancePolicy,

    /// What happens to a running rollback when the object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// How long a deletion may wait for the execution to end and the group to be restored.
    #[serde(default = "default_deletion_timeout")]
    #[schemars(range(min = 0, max = 604800))]
    pub deletion_timeout_seconds: i32,

    /// Delete the rollback this long after it finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31536000))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// At most one run per group and key, however often the object is created again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub run_key: Option<String>,

    /// Report the rollback as stalled when nothing has moved for this long while it was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 604800))]
    pub progress_deadline_seconds: Option<i32>,
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

/// What a rollback undoes, found once and frozen: the task may be deleted, its execution pruned.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// When it was found.
    pub time: Time,
    /// The task; none for an execution that was started elsewhere.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub name: String,
    /// Its uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub uid: String,
    /// Its execution.
    #[schemars(length(max = 128))]
    pub execution_id: String,
    /// The scaling group.
    #[schemars(length(max = 128))]
    pub scaling_group_id: String,
    /// Its region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub region_id: Option<String>,
    /// How OOS is asked to go back.
    pub method: RollbackMethod,
    /// The update that undoes it.
    pub update: Update,
    /// The image that the update had brought, which the scaling configuration may carry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub updated_image_id: Option<String>,
    /// The scaling configuration whose image the update had changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub scaling_configuration_id: Option<String>,
    /// The image in it before the update.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub scaling_configuration_image_id: Option<String>,
    /// The containers that it is to carry, of a group of type ECI: JSON, as UpdateContainerGroup takes
    /// them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub scaling_configuration_containers: Option<String>,
    /// The lifecycle states that took part.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), extend("x-kubernetes-list-type" = "atomic"))]
    pub lifecycle_states: Vec<EligibleState>,
    /// The processes that the update resumes at its end, and the public template's rollback again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub exit_processes: Vec<String>,
    /// The role that OOS assumes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ram_role: Option<String>,
    /// The Secret with the credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,
    /// Whether the update was suspended, so that it is cancelled first and the group taken over
    /// from it.
    #[serde(default, skip_serializing_if = "super::is_false")]
    pub suspended: bool,
    /// When its cancellation was last asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_time: Option<Time>,
    /// Since when it and its nested executions have been seen to be at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Time>,
    /// Of what was seen then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub fingerprint: String,
}

/// How OOS is asked to go back.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum RollbackMethod {
    /// `invokeType: rollback` of the public template: exactly the instances that were touched.
    Template,
    /// A fresh update with the old payload, for what the public template cannot do: Windows
    /// scripts, an empty process list, processes that people have suspended since, container groups
    /// that were tried twice, are gone, or can be updated no more.
    Invoke,
}
