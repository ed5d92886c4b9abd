//! What is fixed before a rolling update starts: the group as it was found, who takes part, and the call that starts it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::update::ContainerGroupUpdate;
use super::{is_false, is_zero};

/// The scaling group as found, and who takes part.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// When it was read, by the operator's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Time>,
    /// How many batches OOS is asked for.
    pub batches: i32,
    /// The group's active scaling configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub scaling_configuration_id: Option<String>,
    /// The group's application group in CloudMonitor, where `spec.gates` asks for the alarms of the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub monitor_group_id: Option<String>,
    /// The image in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub scaling_configuration_image_id: Option<String>,
    /// The containers in it, of a group of type ECI: `secret:NAME`, the Secret in the operator's namespace that keeps
    /// them. Operators of version 0.1.0 wrote them here, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub scaling_configuration_containers: Option<String>,
    /// Processes that were suspended before the run and stay so after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub suspended_processes: Vec<String>,
    /// The image that all members ran, if all ran the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub source_image_id: Option<String>,
    /// Written by operators of version 0.1.0 in the place of `keptSourceContainerGroup`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_container_group: Option<ContainerGroupUpdate>,
    /// The update that brings back what all members ran, of a group of type ECI, if all ran the same: `secret:NAME`, the
    /// Secret in the operator's namespace that keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub kept_source_container_group: Option<String>,
    /// Of an update to the newest version of a package: the version that was the newest then, which
    /// OOS is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub package_version: Option<String>,
    /// What all members had installed of the package that is updated, if that is known and the same
    /// for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_package: Option<PackageState>,
    /// Of a script update: the scripts by their hash, wherever their text comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<ScriptHashes>,
    /// Members of the group that do not take part, and why: the first 1,000. None: that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "atomic"))]
    pub left_out: Option<Vec<LeftOut>>,
    /// The members, in the order in which OOS is expected to take them.
    #[serde(default)]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "atomic"))]
    pub members: Vec<Member>,
}

/// A package on instances.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackageState {
    /// The installed version; none: it is not installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
}

/// The scripts of an update by the SHA-256 of their text, in lower-case hex.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptHashes {
    /// Of `spec.update.script.run`.
    #[schemars(length(max = 64))]
    pub run: String,
    /// Of `spec.update.script.rollback`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub rollback: Option<String>,
}

/// The text of the scripts that come from ConfigMaps.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScriptTexts {
    /// Of `spec.update.script.run`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub run: Option<String>,
    /// Of `spec.update.script.rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16384))]
    pub rollback: Option<String>,
}

/// One instance that takes part.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The instance.
    #[schemars(length(max = 128))]
    pub id: String,
    /// The batch it is expected in, from 1.
    pub batch: i32,
    /// Whether it was Protected rather than InService.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
    /// Whether its ECS instance was not Running: then it is not started when it is put back.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stopped: bool,
    /// The image it ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub image_id: Option<String>,
}

/// One member of the group that does not take part.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeftOut {
    /// The instance.
    #[schemars(length(max = 128))]
    pub id: String,
    /// Why: its lifecycle state, as `Standby`, where `spec.lifecycleStates` does not take it; its
    /// creation type, as `Managed`, where the public template does not; of a rollback `NotTouched`, where
    /// the update that it undoes had not reached it.
    #[schemars(length(max = 64))]
    pub reason: String,
}

/// What has stood against a start that only a person can mend.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartBlocked {
    /// Since when it is so without a break; none: it is not so now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Whether a person has to act before it can start. Meanwhile it has no place in its group's queue, or a misspelt image
    /// would stop the group for good.
    #[serde(default, skip_serializing_if = "is_false")]
    pub needs_person: bool,
    /// What stands against the start, while something does.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// For how many seconds it was so before.
    #[serde(default, skip_serializing_if = "is_zero_seconds")]
    #[schemars(range(min = 0))]
    pub seconds: i64,
    /// How many starts OOS has refused for lack of a permission, one after the other.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub denied_starts: i32,
    /// When it refused the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_denied_time: Option<Time>,
    /// Until when its own windows do not let it begin. Until then it has no place in its group's queue: others need not wait
    /// for Saturday night.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_until: Option<Time>,
}

/// What was found when it was looked whether what is due later could begin as things are.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightCheck {
    /// When that was.
    pub time: Time,
    /// SHA-256 of what was asked for.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// Since when something has stood against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Time>,
    /// What stands against it, in one CamelCase word; empty: nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// What stands against it, and the cure.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Whether that passes by itself. If not, a person has to act.
    #[serde(default, skip_serializing_if = "is_false")]
    pub passes: bool,
}

fn is_zero_seconds(seconds: &i64) -> bool {
    *seconds == 0
}

/// What a start is made of that is read rather than written in the spec.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PinnedInputs {
    /// When it was read, by the operator's clock.
    pub time: Time,
    /// The scripts, where one of them is in a ConfigMap: pinned when they are first read, and for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<ScriptHashes>,
    /// Of an object that was planned: the version of the public template. Pinned anew by `desiredState: Plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub template_version: Option<String>,
    /// Of an object that was planned, if its spec names no version of the package: the newest one then. Pinned anew by
    /// `desiredState: Plan`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub package_version: Option<String>,
}

/// The intent to start an execution. Everything that is derived is frozen here.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartIntent {
    /// From 1. A new attempt has a new token; it comes only after the last is known to have
    /// started nothing.
    pub attempt: i32,
    /// OOS `ClientToken`: the same call again starts nothing new.
    #[schemars(length(max = 64))]
    pub client_token: String,
    /// When it was put on record.
    pub time: Time,
    /// The public template.
    #[schemars(length(max = 200))]
    pub template_name: String,
    /// The version, pinned: public templates change under their users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub template_version: Option<String>,
    /// SHA-256 of the template parameters.
    #[schemars(length(max = 64))]
    pub parameters_hash: String,
    /// SHA-256 of the spec, without the fields that may change, and with the text of its scripts in
    /// the place of the ConfigMap keys that hold them.
    #[schemars(length(max = 64))]
    pub spec_hash: String,
    /// Written by operators of version 0.1.0 in the place of `keptScripts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scripts: Option<ScriptTexts>,
    /// The scripts from ConfigMaps as they were when this was put on record: `secret:NAME`, the Secret in the operator's
    /// namespace that keeps them. Sent again, the call is the same, whatever has become of the ConfigMaps. Gone once the
    /// execution is known, since OOS has them then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub kept_scripts: Option<String>,
    /// The processes that the template resumes at its end.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 64)))]
    pub exit_processes: Vec<String>,
    /// Whether OOS was told to pause after each batch because something besides a person may hold one: gates, or windows
    /// that were for the object then. A window that comes later holds no batch of a run without pauses.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pauses_after_each_batch: bool,
    /// Look-ups that found no execution, each at least the bound on lateness after the last.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub empty_lookups: i32,
    /// When the last of them was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_lookup_time: Option<Time>,
    /// Since when the call is not made again, as a window has closed in the meantime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Time>,
    /// Whether the call was, or may have been, sent more than once: a refusal then says nothing of
    /// the calls before it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub resent: bool,
    /// Why nothing is sent any more, once a call was refused that may not have been the only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub refusal: String,
    /// Whether the refusal was for lack of a permission: then another start follows later, once it is known that nothing
    /// was started.
    #[serde(default, skip_serializing_if = "is_false")]
    pub denied: bool,
    /// Whether the refusal said that the token had been used: then something was started.
    #[serde(default, skip_serializing_if = "is_false")]
    pub token_used: bool,
}
