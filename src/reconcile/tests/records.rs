//! Records: one that is looked at by itself, and what is read of the group's for a decision.

use ess_rollout_api::v1alpha1::{ScalingGroupRecord, ScalingGroupRecordSpec};
use ess_rollout_cloud::Turn;
use ess_rollout_core::ask::Ask;
use ess_rollout_core::rollout::{Input, Next, Step, step};
use serde_json::json;

use super::{decided, everything_once, group};
use crate::{
    kubernetes::{Kubernetes, ObjectKey},
    reconcile::{
        fake::{Bench, idle, task},
        reconcile,
    },
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
        let pass = reconcile(&bench.context, &ObjectKey::record(name), Turn::default()).await;
        assert!(pass.outcome.is_ok());
    }
    let record = kubernetes.get_record(name).await.unwrap();
    let status = record.unwrap().status.unwrap();
    assert_eq!(status.leftovers_summary.as_deref(), Some("ScaleIn"));
    let writes = ["create record", "write record", "write record"];
    assert_eq!(bench.journal(), writes);
}

/// The default region is another since a restart, and the object that had taken the group had begun nothing. One whose run is on
/// record stays where that is.
#[tokio::test]
async fn a_group_is_freed_that_its_holder_does_not_look_for_any_more() {
    for (names, runs_in, is_held) in [
        (None, None, false),
        (Some("cn-hangzhou"), None, true),
        (None, Some("cn-hangzhou"), true),
    ] {
        let mut own = task("ns", "a");
        own.metadata.uid = Some("u-1".into());
        own.spec.region_id = names.map(str::to_owned);
        let place = runs_in.map(|region| json!({"regionId": region, "accountId": "1"}));
        own.status = Some(serde_json::from_value(json!({"place": place})).unwrap());
        let mut bench = Bench::with(own, everything_once(), |_| {});
        bench.context.settings.default_region = Some("cn-beijing".to_owned());
        let holder = json!({"kind": "RollingUpdateTask", "namespace": "ns", "name": "a", "uid": "u-1",
            "since": "2026-01-01T00:00:00Z"});
        let name = "cn-hangzhou.asg-1";
        let record = json!({"apiVersion": "ess-rollout.io/v1alpha1", "kind": "ScalingGroupRecord",
            "metadata": {"name": name}, "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"},
            "status": {"holder": holder}});
        let kubernetes = &bench.kubernetes;
        kubernetes.put_record(serde_json::from_value(record).unwrap());
        let key = ObjectKey::record(name);
        let _pass = reconcile(&bench.context, &key, Turn::default()).await;
        let record = kubernetes.get_record(name).await.unwrap();
        let holder = record.unwrap().status.unwrap().holder;
        assert_eq!(holder.is_some(), is_held, "{names:?} {runs_in:?}");
    }
}

/// Nobody is looked for who holds nothing, or whom the record does not name.
#[test]
fn a_decision_reads_the_object_then_its_record_then_its_holder_if_that_is_another_and_each_once() {
    let holder = |uid: &str| {
        json!({"kind": "Rollback", "namespace": "ns", "name": "b", "uid": uid,
            "since": "2026-01-01T00:00:00Z"})
    };
    let (object, record) = ("RollingUpdateTask ns/a", "record cn-hangzhou.asg-1");
    let cases = [
        (json!({}), vec![object, record]),
        (json!({"holder": holder("u-1")}), vec![object, record]),
        (
            json!({"holder": holder("u-2")}),
            vec![object, record, "Rollback ns/b"],
        ),
    ];
    for (status, reads) in cases {
        let mut own = task("ns", "a");
        own.metadata.uid = Some("u-1".into());
        // What the core decides is not carried out.
        let only_asks = |input: Input<'_>| match step(input) {
            Step::Decided(_) => decided(idle(input.subject)),
            asks @ Step::Read(_) => asks,
        };
        let bench = Bench::with(own, Box::new(only_asks), |_| {});
        let record = json!({"apiVersion": "ess-rollout.io/v1alpha1", "kind": "ScalingGroupRecord",
            "metadata": {"name": "cn-hangzhou.asg-1"},
            "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"}, "status": status});
        bench
            .kubernetes
            .put_record(serde_json::from_value(record).unwrap());
        assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
        assert_eq!(bench.kubernetes.reads(), reads);
    }
}

/// What the cloud is asked for together with a fact of the cluster is not older than that.
#[test]
fn the_cloud_is_asked_once_the_facts_of_the_cluster_are_known() {
    let fact = Ask::RolledBackBy;
    let bench = Bench::new(Box::new(move |input| {
        match (
            input.observation.holds(&fact),
            input.observation.holds(&group()),
        ) {
            (false, false) => Step::Read(vec![group(), fact.clone()]),
            (true, false) => Step::Read(vec![group()]),
            (known, true) => {
                assert!(known, "of the cloud first");
                decided(idle(input.subject))
            }
        }
    }));
    assert!(matches!(bench.pass().outcome, Ok(Next::OnChange)));
    assert_eq!(bench.journal().len(), 1, "{:?}", bench.journal());
}
