//! The server groups that a scaling group is attached to, as DescribeScalingGroups shows them.

use serde::{Deserialize, Serialize};

use super::balancing::Product;

/// vServer groups of one CLB instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VServerGroups {
    pub(crate) load_balancer_id: String,
    pub(crate) v_server_group_attributes: Vec<VServerGroup>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct VServerGroup {
    pub(crate) v_server_group_id: String,
    pub(crate) port: u16,
    /// Of a member in service; its own `loadBalancerWeight` when absent.
    #[serde(default)]
    pub(crate) weight: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AlbServerGroup {
    pub(crate) alb_server_group_id: String,
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) weight: Option<u32>,
}

/// A server group of ALB, NLB or GWLB.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AnyServerGroup {
    pub(crate) server_group_id: String,
    #[serde(rename = "type")]
    pub(crate) product: Product,
    pub(crate) port: u16,
    #[serde(default)]
    pub(crate) weight: Option<u32>,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attachments {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) v_server_groups: Vec<VServerGroups>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) alb_server_groups: Vec<AlbServerGroup>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) server_groups: Vec<AnyServerGroup>,
}
