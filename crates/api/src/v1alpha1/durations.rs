//! How long batches took: what the estimate of the next one is made from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Durations of batches that have ended, counted by length in 16 classes. Small, whatever it has seen.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DurationHistogram {
    /// How many there were of each class, the shortest first: of up to a minute, then each class half
    /// as long again as the one before, the last without a bound. Classes at the end without any are
    /// left off. When there are many, all are halved, so that newer ones weigh more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(range(min = 0, max = 1000)), extend("x-kubernetes-list-type" = "atomic"))]
    pub counts: Vec<i32>,
    /// The longest, in seconds.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub longest_seconds: i64,
}

/// How much is known of how long something takes.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema,
)]
pub enum Confidence {
    /// Fewer than 5 batches, or none.
    Low,
    /// 5 batches or more.
    Medium,
    /// 20 batches or more.
    High,
}
