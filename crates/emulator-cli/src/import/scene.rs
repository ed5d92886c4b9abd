//! The fixture that is written, field by field as the emulator reads it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// Left out where it is what the emulator takes for one that is absent.
fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A whole fixture.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Scene {
    pub regions: Vec<String>,
    pub principals: Vec<Principal>,
    pub roles: Vec<Role>,
    #[serde(skip_serializing_if = "is_usual")]
    pub images: Vec<Image>,
    #[serde(skip_serializing_if = "is_usual")]
    pub packages: Vec<Package>,
    #[serde(skip_serializing_if = "is_usual")]
    pub launch_templates: Vec<LaunchTemplate>,
    pub scaling_groups: Vec<Group>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    pub name: &'static str,
    pub access_key_id: &'static str,
    pub access_key_secret: &'static str,
    pub allow: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Role {
    pub name: &'static str,
    pub trusts_oos: bool,
    pub allow: Vec<&'static str>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    pub image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_alias: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group_id: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    pub name: String,
    pub versions: usize,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaunchTemplate {
    pub launch_template_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_version: Option<usize>,
    pub versions: Vec<Version>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Version {
    pub version: usize,
    pub image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_pair_name: Option<String>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub scaling_group_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_type: Option<String>,
    pub name: String,
    pub enabled: bool,
    pub min_size: usize,
    pub max_size: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub desired_capacity: Option<usize>,
    #[serde(skip_serializing_if = "is_usual")]
    pub suspended_processes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_scaling_configuration_id: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub configurations: Vec<Configuration>,
    #[serde(skip_serializing_if = "is_usual")]
    pub eci_configurations: Vec<EciConfiguration>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_template_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_template_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group_id: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub load_balancer_ids: Vec<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub v_server_groups: Vec<VServerGroups>,
    #[serde(skip_serializing_if = "is_usual")]
    pub alb_server_groups: Vec<AlbServerGroup>,
    #[serde(skip_serializing_if = "is_usual")]
    pub server_groups: Vec<ServerGroup>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_group_id: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub tags: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub lifecycle_hooks: Vec<Hook>,
    #[serde(skip_serializing_if = "is_usual")]
    pub instance_refreshes: Vec<Refresh>,
    #[serde(skip_serializing_if = "is_usual")]
    pub instances: Vec<Instance>,
    #[serde(skip_serializing_if = "is_usual")]
    pub container_groups: Vec<ContainerGroup>,
}

/// vServer groups of one CLB instance.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VServerGroups {
    pub load_balancer_id: String,
    pub v_server_group_attributes: Vec<VServerGroup>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VServerGroup {
    pub v_server_group_id: String,
    #[serde(flatten)]
    pub place: Place,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AlbServerGroup {
    pub alb_server_group_id: String,
    #[serde(flatten)]
    pub place: Place,
}

/// A server group of ALB, NLB or GWLB.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerGroup {
    pub server_group_id: String,
    #[serde(rename = "type")]
    pub product: String,
    #[serde(flatten)]
    pub place: Place,
}

/// How members are in a server group.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    pub port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<usize>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    pub scaling_configuration_id: String,
    pub name: String,
    pub image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_pair_name: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EciConfiguration {
    pub scaling_configuration_id: String,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_group_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_policy: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<f64>,
    pub containers: Vec<Map<String, Value>>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Hook {
    pub lifecycle_hook_id: String,
    pub lifecycle_transition: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_result: Option<String>,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refresh {
    pub instance_refresh_task_id: String,
    pub status: String,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    pub instance_id: String,
    pub image_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_weight: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v_switch_id: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub security_group_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_ip_address: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_group_id: Option<String>,
    #[serde(skip_serializing_if = "is_usual")]
    pub deletion_protection: bool,
    #[serde(skip_serializing_if = "is_usual")]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerGroup {
    pub container_group_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_balancer_weight: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    pub containers: Vec<Map<String, Value>>,
    #[serde(skip_serializing_if = "is_usual")]
    pub tags: BTreeMap<String, String>,
}
