//! What several answers have in common: which instance is meant, and how a server is shown.

use serde_json::{Value, json};

use crate::error::ApiError;
use crate::services::balancers;
use crate::state::backends::Backend;
use crate::state::balancing::LoadBalancer;
use crate::state::call::Call;
use crate::state::model::Resources;

pub(super) fn balancer<'a>(
    resources: &'a Resources,
    call: &Call,
    id: &str,
) -> Result<&'a LoadBalancer, ApiError> {
    let found = resources.balancing.balancers.get(id);
    found
        .filter(|b| balancers::sees_balancer(call, b))
        .ok_or_else(|| {
            ApiError::new(
                404,
                "InvalidLoadBalancerId.NotFound",
                format!("The specified LoadBalancerId {id} does not exist."),
            )
        })
}

/// A server as the Describe calls show it, without its port.
pub(super) fn row(server: &Backend) -> Value {
    json!({
        "ServerId": server.server_id,
        "ServerIp": server.server_ip,
        "Type": server.server_type,
        "Weight": server.weight,
        "Description": server.description,
    })
}
