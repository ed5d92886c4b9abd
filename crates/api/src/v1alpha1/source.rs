//! What a rollback undoes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::progress::InstanceState;
use super::run_policy::{CredentialsRef, EligibleState};
use super::update::Update;
use super::{is_false, is_zero};

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
    /// The update that undoes it. Of containers no more than names and images are here, of scripts no text: the whole is
    /// where `keptUpdate` says.
    pub update: Update,
    /// The whole of an update of containers or of a script: `secret:NAME`, the Secret in the operator's namespace that
    /// keeps it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub kept_update: Option<String>,
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
    /// The containers that it is to carry, of a group of type ECI: `secret:NAME`, the Secret in the operator's namespace
    /// that keeps them. Operators of version 0.1.0 wrote them here, as JSON.
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
    /// When the next one may come, where the last one had no effect: later each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_retry_time: Option<Time>,
    /// How many had no effect.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cancel_failures: i32,
    /// Since when it and its nested executions have been seen to be at rest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Time>,
    /// Of what was seen then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub fingerprint: String,
    /// When what the update had changed became this rollback's to put back: it took the scaling group
    /// over from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_over_time: Option<Time>,
    /// The instances of the update then. Those that the rollback does not reach are put back as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "atomic"))]
    pub members: Vec<SourceMember>,
}

/// An instance of an update from which a rollback took the scaling group over.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceMember {
    /// Its id.
    #[schemars(length(max = 128))]
    pub id: String,
    /// Whether it was protected from scale-in before the update.
    #[serde(default, skip_serializing_if = "is_false")]
    pub protected: bool,
    /// Whether its ECS instance, or container group, was not running before the update.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stopped: bool,
    /// How far the update was with it.
    pub state: InstanceState,
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
