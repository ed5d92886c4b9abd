//! What a person asks for: one rolling update of one scaling group.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::RollingUpdateTaskStatus;

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
        json_path = ".status.result.time",
        priority = 1
    ),
    crates(kube_core = "::kube_core")
)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!(has(self.batches) && has(self.batchSize))")
        .message("set spec.batches or spec.batchSize, not both"),
    validation = Rule::new("!has(self.maxErrors) || self.maxErrors == 0 || has(self.update.image)")
        .message("spec.maxErrors works for image updates only: the other public templates stop at the first failure; remove it"),
    validation = Rule::new("!has(self.update.containerGroup) || self.lifecycleStates == ['InService']")
        .message("spec.lifecycleStates cannot be set for update.containerGroup: the public template takes InService instances only"),
    validation = Rule::new("self.scalingGroupId == oldSelf.scalingGroupId").message("spec.scalingGroupId is immutable: create a new task"),
    validation = Rule::new("has(self.regionId) == has(oldSelf.regionId) && (!has(self.regionId) || self.regionId == oldSelf.regionId)").message("spec.regionId is immutable: create a new task"),
    validation = Rule::new("has(self.description) == has(oldSelf.description) && (!has(self.description) || self.description == oldSelf.description)").message("spec.description is immutable: create a new task"),
    validation = Rule::new("self.update == oldSelf.update").message("spec.update is immutable: create a new task"),
    validation = Rule::new("has(self.batches) == has(oldSelf.batches) && (!has(self.batches) || self.batches == oldSelf.batches)").message("spec.batches is immutable: create a new task"),
    validation = Rule::new("has(self.batchSize) == has(oldSelf.batchSize) && (!has(self.batchSize) || self.batchSize == oldSelf.batchSize)").message("spec.batchSize is immutable: create a new task"),
    validation = Rule::new("self.suspensionPolicy == oldSelf.suspensionPolicy").message("spec.suspensionPolicy is immutable: to let batches run ahead raise spec.approvedBatches"),
    validation = Rule::new("has(self.maxErrors) == has(oldSelf.maxErrors) && (!has(self.maxErrors) || self.maxErrors == oldSelf.maxErrors)").message("spec.maxErrors is immutable: create a new task"),
    validation = Rule::new("self.onFailure == oldSelf.onFailure").message("spec.onFailure is immutable: create a new task"),
    validation = Rule::new("self.lifecycleStates == oldSelf.lifecycleStates").message("spec.lifecycleStates is immutable: create a new task"),
    validation = Rule::new("has(self.ramRole) == has(oldSelf.ramRole) && (!has(self.ramRole) || self.ramRole == oldSelf.ramRole)").message("spec.ramRole is immutable: create a new task"),
    validation = Rule::new("has(self.credentialsRef) == has(oldSelf.credentialsRef) && (!has(self.credentialsRef) || self.credentialsRef == oldSelf.credentialsRef)").message("spec.credentialsRef is immutable: create a new task"),
    validation = Rule::new("self.restorePolicy == oldSelf.restorePolicy").message("spec.restorePolicy is immutable: create a new task"),
    validation = Rule::new("self.failedInstancePolicy == oldSelf.failedInstancePolicy").message("spec.failedInstancePolicy is immutable: create a new task"),
    validation = Rule::new("self.deletionPolicy == oldSelf.deletionPolicy").message("spec.deletionPolicy is immutable: create a new task"),
    validation = Rule::new("self.deletionTimeoutSeconds == oldSelf.deletionTimeoutSeconds").message("spec.deletionTimeoutSeconds is immutable: create a new task"),
    validation = Rule::new("has(self.runKey) == has(oldSelf.runKey) && (!has(self.runKey) || self.runKey == oldSelf.runKey)").message("spec.runKey is immutable: create a new task"),
    validation = Rule::new("has(self.progressDeadlineSeconds) == has(oldSelf.progressDeadlineSeconds) && (!has(self.progressDeadlineSeconds) || self.progressDeadlineSeconds == oldSelf.progressDeadlineSeconds)").message("spec.progressDeadlineSeconds is immutable: create a new task"),
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

    /// Shown in the OOS and ESS consoles too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub description: Option<String>,

    /// What to do to each instance: exactly one kind.
    pub update: Update,

    /// Into how many batches the instances are divided, 1 to 100. 1 takes every instance out of
    /// service at the same time. Default 5, when batchSize is not set either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub batches: Option<i32>,

    /// The most instances in one batch: a count, or a percentage such as "25%". Translated to a
    /// number of batches when the task starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "batch_size_schema")]
    pub batch_size: Option<IntOrString>,

    /// After which batches to wait for a person.
    #[serde(default)]
    pub suspension_policy: SuspensionPolicy,

    /// How many failed instances to tolerate. Image updates only. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_errors: Option<i32>,

    /// What happens when more instances fail than maxErrors allows.
    #[serde(default)]
    pub on_failure: OnFailure,

    /// Which instances take part, by their lifecycle state in the group.
    #[serde(default = "default_lifecycle_states")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub lifecycle_states: Vec<EligibleState>,

    /// The RAM role that OOS assumes. Empty: OOS acts with the permissions of the credentials used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._@-]+$"))]
    pub ram_role: Option<String>,

    /// A Secret in the task's namespace with the credentials to use. Without it the operator's own
    /// credentials are used, if the operator's configuration lets this namespace use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,

    /// Run, or only plan, or end the task. Cancelled is final: what was once cancelled stays so.
    #[serde(default)]
    pub desired_state: DesiredState,

    /// How many batches may run without a person: the pause after batch k is left when this is
    /// greater than k, so 101 leaves the one after the last of 100 too. Only raising it has an
    /// effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 101))]
    pub approved_batches: Option<i32>,

    /// Whether the operator puts back what a cancelled or failed update left changed.
    #[serde(default)]
    pub restore_policy: RestorePolicy,

    /// What becomes of failed, cancelled and interrupted instances. A skipped one returns to
    /// service, and nothing returns whose ECS instance is not Running.
    #[serde(default)]
    pub failed_instance_policy: FailedInstancePolicy,

    /// What happens to a running update when the task is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// How long a deletion may wait for the execution to end and the group to be restored before
    /// the task goes and the rest is listed in the group's ScalingGroupRecord.
    #[serde(default = "default_deletion_timeout")]
    #[schemars(range(min = 0, max = 604800))]
    pub deletion_timeout_seconds: i32,

    /// Delete the task this long after it finished. Do not combine it with a manifest that is
    /// synced from Git without a runKey: the task would be created, and run, again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31536000))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// At most one run per group and key, however often the object is created again. By convention
    /// a release or a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub run_key: Option<String>,

    /// Report the task as stalled when nothing has moved for this long while it was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 604800))]
    pub progress_deadline_seconds: Option<i32>,
}

/// What is done to each instance.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("[has(self.image), has(self.script), has(self.package), has(self.containerGroup)].filter(x, x).size() == 1")
        .message("spec.update must hold exactly one of image, script, package, containerGroup")
)]
#[serde(rename_all = "camelCase")]
pub struct Update {
    /// Replace the system disk by one made from an image. Data on the system disk is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageUpdate>,
    /// Run a script through Cloud Assistant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptUpdate>,
    /// Install or uninstall an OOS package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<PackageUpdate>,
    /// Update the containers of elastic container instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_group: Option<ContainerGroupUpdate>,
}

/// Template `ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdate {
    /// The image to run (`m-…`, or the long name of a public one).
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^\S+$"))]
    pub image_id: String,
    /// The image to go back to. Default: what the instances ran before, if all ran the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^\S+$"))]
    pub rollback_image_id: Option<String>,
    /// Also put the image into the group's active scaling configuration, so that new instances
    /// get it.
    #[serde(default = "yes")]
    pub update_scaling_configuration: bool,
}

/// Template `ACS-ESS-RollingUpdateByRunCommandInScalingGroup`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptUpdate {
    /// The language.
    #[serde(default, rename = "type")]
    pub script_type: ScriptType,
    /// The script to run. Exit code 0 is success.
    pub run: ScriptSource,
    /// The script that undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<ScriptSource>,
}

/// Where a script comes from: exactly one of its fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.inline) != has(self.configMapKeyRef)")
        .message("a script must be given either inline or by configMapKeyRef"),
    validation = Rule::new("!has(self.inline) || !self.inline.contains('{{')")
        .message("a script must not contain {{: OOS would read it as a reference to a template parameter; write { { or build the text in the script")
)]
#[serde(rename_all = "camelCase")]
pub struct ScriptSource {
    /// The text, at most 16 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub inline: Option<String>,
    /// A key of a ConfigMap in the task's namespace, with a text of at most 16 KiB. Looked at until
    /// the task starts: what it holds then is run, and later changes have no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
}

/// A key of a ConfigMap.
#[derive(
    Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// The ConfigMap.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub name: String,
    /// The key in it, under `data`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub key: String,
}

/// Template `ACS-ESS-RollingUpdateByConfigureOOSPackage`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageUpdate {
    /// The OOS package. The characters are limited because the template splices the name into a
    /// root shell.
    #[schemars(
        length(min = 1, max = 200),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub name: String,
    /// The version (`v3`). Default: the newest when the task starts; when uninstalling, whichever is
    /// installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub version: Option<String>,
    /// Install or uninstall.
    #[serde(default)]
    pub action: PackageAction,
    /// The version to go back to. Default: what all instances had installed before, if that is known
    /// and the same for all; where none had it, it is uninstalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    )]
    pub rollback_version: Option<String>,
}

/// Template `ACS-ESS-RollingUpdateByUpdateContainerGroup`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerGroupUpdate {
    /// The containers, in the shape of ECI UpdateContainerGroup, matched by name.
    #[schemars(length(min = 1, max = 20))]
    pub containers: Vec<Container>,
    /// The containers to go back to. Default: what the container groups ran before the start, if
    /// all ran the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub rollback_containers: Vec<Container>,
    /// Whether fields that are not given stay or go.
    #[serde(default)]
    pub update_type: ContainerUpdateType,
}

/// A container of an elastic container instance. Field names are ECI's, in camel case.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its name, by which it is matched.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Its image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// Entry point.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 1024)))]
    pub command: Vec<String>,
    /// Arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 1024)))]
    pub arg: Vec<String>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub environment_var: Vec<EnvironmentVar>,
    /// vCPUs, as a decimal number in text ("0.5").
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub cpu: Option<String>,
    /// Memory in GiB, as a decimal number in text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub memory: Option<String>,
    /// When its image is pulled: Always, IfNotPresent or Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), regex(pattern = r"^[A-Za-z]+$"))]
    pub image_pull_policy: Option<String>,
    /// Working directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub working_dir: Option<String>,
    /// Ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub port: Vec<ContainerPort>,
    /// Volumes of the container group, mounted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub volume_mount: Vec<VolumeMount>,
}

/// A port of a container.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// 1 to 65535.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// TCP or UDP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8), regex(pattern = r"^[A-Z]+$"))]
    pub protocol: Option<String>,
}

/// A volume in a container.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeMount {
    /// The volume of the container group.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// Where.
    #[schemars(length(min = 1, max = 1024))]
    pub mount_path: String,
    /// Which directory of the volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub sub_path: Option<String>,
    /// Whether it cannot be written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// None, HostToContainer or Bidirectional.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[A-Za-z]+$"))]
    pub mount_propagation: Option<String>,
}

/// An environment variable of a container.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentVar {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
    /// Its value.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// A Secret in the task's namespace with `accessKeyId`, `accessKeySecret` and, for temporary
/// credentials, `securityToken`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsRef {
    /// The Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// After which batches to wait for a person (template parameter `batchPauseOption`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum SuspensionPolicy {
    /// After none.
    #[default]
    Automatic,
    /// After the first.
    SuspendFirstBatch,
    /// After each.
    SuspendEachBatch,
}

/// What happens when an instance fails (OOS `Mode`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum OnFailure {
    /// The update waits for a person.
    #[default]
    Suspend,
    /// The update ends.
    Fail,
}

/// Lifecycle states that take part (template parameter `lifecycleState`).
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum EligibleState {
    /// In service.
    InService,
    /// In service and protected from scale-in.
    Protected,
}

/// What the task is to do.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum DesiredState {
    /// Check and show the batches; touch nothing.
    Plan,
    /// Run.
    #[default]
    Run,
    /// End for good.
    Cancelled,
}

/// Whether changes that a run left are put back.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum RestorePolicy {
    /// By the operator.
    #[default]
    Restore,
    /// By a person: the operator lists them.
    Manual,
}

/// What becomes of instances that a run left in Standby.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum FailedInstancePolicy {
    /// They stay there and are listed.
    #[default]
    KeepInStandby,
    /// They go back into service, if they run.
    ReturnToService,
}

/// What happens to a running update when its task is deleted.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum DeletionPolicy {
    /// It is cancelled and the group restored.
    #[default]
    Cancel,
    /// It goes on without the operator.
    Orphan,
}

/// Cloud Assistant command types.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum ScriptType {
    /// `RunShellScript`.
    #[default]
    LinuxShell,
    /// `RunBatScript`.
    WindowsBat,
    /// `RunPowerShellScript`.
    WindowsPowerShell,
}

/// What to do with a package.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum PackageAction {
    /// `install`.
    #[default]
    Install,
    /// `uninstall`.
    Uninstall,
}

/// ECI `UpdateType`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum ContainerUpdateType {
    /// What is not given stays.
    #[default]
    Incremental,
    /// What is not given goes.
    Renew,
}

fn yes() -> bool {
    true
}

pub(super) fn default_deletion_timeout() -> i32 {
    3600
}

fn default_lifecycle_states() -> Vec<EligibleState> {
    vec![EligibleState::InService]
}

pub(super) fn batch_size_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "x-kubernetes-int-or-string": true,
        "x-kubernetes-validations": [{
            "rule": "type(self) == int ? self >= 1 && self <= 1000 : self.matches('^([1-9][0-9]?|100)%$')",
            "message": "spec.batchSize must be a count from 1 to 1000 or a percentage from 1% to 100%"
        }]
    })
}
