//! What a record says of itself: its layout; and what it lists as left, in words: kubectl shows one value in a column, of a list
//! the first item alone.

use ess_rollout_api::{LAYOUT_VERSION, v1alpha1::ScalingGroupRecordStatus};
use ess_rollout_core::conditions;

/// The most targets that are named.
const NAMED: usize = 3;

/// The status as it is written: in the layout of this version, with the summary of its list.
pub(super) fn laid_out(mut status: ScalingGroupRecordStatus) -> ScalingGroupRecordStatus {
    let targets = status.leftovers.iter().map(|left| left.target.as_str());
    let targets: Vec<&str> = targets.collect();
    status.layout_version = Some(LAYOUT_VERSION);
    status.leftovers_summary = (!targets.is_empty()).then(|| conditions::named(&targets, NAMED));
    status
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_are_named_and_the_others_counted() {
        let summary = |count: usize| {
            let left = |n: usize| {
                json!({"kind": "Standby", "target": format!("i-{n}"), "wanted": "InService",
                    "since": "2026-01-01T00:00:00Z", "by": "ns/a", "message": ""})
            };
            let all: Vec<_> = (1..=count).map(left).collect();
            let status = json!({"leftovers": all, "leftoversSummary": "of before"});
            let status = serde_json::from_value(status).unwrap_or_default();
            laid_out(status).leftovers_summary
        };
        assert_eq!(summary(0), None);
        assert_eq!(summary(1).as_deref(), Some("i-1"));
        assert_eq!(summary(3).as_deref(), Some("i-1, i-2, i-3"));
        assert_eq!(summary(4).as_deref(), Some("i-1, i-2, i-3 and 1 more"));
        assert_eq!(
            summary(3000).as_deref(),
            Some("i-1, i-2, i-3 and 2997 more")
        );
    }
}
