//! Where a run takes place.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The region and the account of a run. Frozen when its scaling group is taken: a default region or
/// credentials that change later do not move it, and what is not found elsewhere says nothing of it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The region, for instance `cn-hangzhou`.
    #[schemars(length(max = 64))]
    pub region_id: String,
    /// The Alibaba Cloud account that the credentials belonged to (STS GetCallerIdentity, `AccountId`);
    /// none: it could not be told. With credentials of another account nothing more is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub account_id: Option<String>,
}
