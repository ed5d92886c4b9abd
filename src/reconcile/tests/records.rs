//! A record that is looked at by itself.

use ess_rollout_api::v1alpha1::{ScalingGroupRecord, ScalingGroupRecordSpec};
use serde_json::json;

use super::everything_once;
use crate::{
    kubernetes::{Kubernetes, ObjectKey},
    reconcile::{fake::Bench, reconcile},
};

/// One of an earlier version, which wrote no summary.
#[tokio::test]
async fn a_record_that_does_not_say_in_words_what_is_left_is_written_once() {
    let bench = Bench::new(everything_once());
    let spec = ScalingGroupRecordSpec {
        scaling_group_id: "asg-1".to_owned(),
        region_id: "cn-hangzhou".to_owned(),
    };
    let name = "cn-hangzhou.asg-1";
    let kubernetes = &bench.kubernetes;
    let record = ScalingGroupRecord::new(name, spec);
    let record = kubernetes.create_record(&record).await.unwrap();
    let left = json!({"kind": "Process", "target": "ScaleIn", "wanted": "Resumed",
        "since": "2026-01-01T00:00:00Z", "by": "ns/a", "message": "no right"});
    let status = serde_json::from_value(json!({"leftovers": [left]})).unwrap();
    let written = kubernetes.write_record_status(&record, &status).await;
    assert!(written.is_ok());
    for _ in 0..2 {
        let pass = reconcile(&bench.context, &ObjectKey::record(name)).await;
        assert!(pass.outcome.is_ok());
    }
    let record = kubernetes.get_record(name).await.unwrap();
    let status = record.unwrap().status.unwrap();
    assert_eq!(status.leftovers_summary.as_deref(), Some("ScaleIn"));
    let writes = ["create record", "write record", "write record"];
    assert_eq!(bench.journal(), writes);
}
