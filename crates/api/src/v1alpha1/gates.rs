//! What has to be so before an update goes on to its next batch, whoever wants it to.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What has to be so after a batch before the next one begins. It is asked besides what the suspension
/// policy asks of a person, and needs no person itself.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Gates {
    /// How long a batch is in service before the next one begins, in seconds, up to two days: counted from when
    /// the operator sees that all of it has ended. After the last batch nothing is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 172800))]
    pub soak_seconds: Option<i32>,
}
