//! What is done to each instance: the four kinds of update.

use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// get it. Default: true.
    #[serde(default = "yes")]
    pub update_scaling_configuration: bool,
}

/// Template `ACS-ESS-RollingUpdateByRunCommandInScalingGroup`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptUpdate {
    /// The language. Default: LinuxShell.
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
    /// Install or uninstall. Default: Install.
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
    /// Whether fields that are not given stay or go. Default: Incremental, they stay.
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
#[derive(Serialize, Deserialize, Clone, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentVar {
    /// Its name.
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
    /// Its value. Default: empty.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub value: String,
}

// The value may be a secret.
impl std::fmt::Debug for EnvironmentVar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EnvironmentVar")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
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
