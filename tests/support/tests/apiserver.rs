//! The fake apiserver, as far as the suite that the real one passes does not reach.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::sync::Arc;

use ess_rollout_test_support::apiserver::{FakeApiserver, Kinds};
use ess_rollout_validation::cel::Rule;
use http::Request;
use jiff::Timestamp;
use kube::core::{ApiResource, DynamicObject, GroupVersionKind, WatchEvent};
use kube::{Api, Client, api::WatchParams};
use serde_json::{Value, json};

fn apiserver() -> FakeApiserver {
    let kinds = Kinds::of_this_tree().unwrap();
    FakeApiserver::new(Arc::new(kinds), Arc::new(|| Timestamp::UNIX_EPOCH))
}

fn records(client: Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("ess-rollout.io", "v1alpha1", "ScalingGroupRecord");
    Api::namespaced_with(client, "shop", &ApiResource::from_gvk(&kind))
}

fn create(apiserver: &FakeApiserver, name: &str) -> u16 {
    let record = json!({"metadata": {"name": name}, "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"}});
    let request =
        Request::post("/apis/ess-rollout.io/v1alpha1/namespaces/shop/scalinggrouprecords")
            .body(record.to_string().into_bytes())
            .unwrap();
    apiserver.answer("somebody", &request).status().as_u16()
}

#[tokio::test]
async fn a_watch_from_a_version_that_is_forgotten_is_told_so() {
    let apiserver = apiserver();
    assert_eq!(
        (create(&apiserver, "a"), create(&apiserver, "b")),
        (201, 201)
    );
    apiserver.compact();
    assert_eq!(create(&apiserver, "c"), 201);
    let api = records(apiserver.client("somebody", "shop"));
    let first = async |version: &str| {
        let events = api.watch(&WatchParams::default(), version).await.unwrap();
        let mut events = std::pin::pin!(events);
        futures::TryStreamExt::try_next(&mut events).await.unwrap()
    };
    let Some(WatchEvent::Error(status)) = first("1").await else {
        panic!("no error")
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    let Some(WatchEvent::Added(record)) = first("2").await else {
        panic!("not the next change")
    };
    assert_eq!(record.metadata.name.as_deref(), Some("c"));
}

#[test]
fn who_changed_what_is_on_record() {
    let apiserver = apiserver();
    create(&apiserver, "a");
    let changes = apiserver.changes_since(0);
    let [change] = changes.as_slice() else {
        panic!("{changes:?}")
    };
    assert_eq!(
        (&*change.user, change.verb, change.name.as_str()),
        ("somebody", "create", "a")
    );
    assert!(apiserver.get("scalinggrouprecords", "shop", "a").is_some());
}

/// All of them are exercised where it matters by the suite; here: none is left out, and none is taken on trust.
#[test]
fn every_rule_of_the_crds_compiles_and_one_that_is_wrong_does_not() {
    assert!(Kinds::of_this_tree().unwrap().rules() >= 25);
    assert!(Rule::new("self.a ==", None).is_err());
    let rule = Rule::new("type(self) == int ? self < 3 : self.matches('^a+$')", None).unwrap();
    for (value, holds) in [
        (json!(2), true),
        (json!(3), false),
        (json!("aa"), true),
        (json!("b"), false),
    ] {
        assert_eq!(rule.broken_by(&value, None).is_none(), holds, "{value}");
    }
    // What cannot be said is no yes.
    let rule = Rule::new("self.absent.field == 1", None).unwrap();
    assert!(rule.broken_by(&Value::Null, None).is_some());
}

#[tokio::test]
async fn what_is_not_modelled_is_refused() {
    let apiserver = apiserver();
    create(&apiserver, "a");
    let path = "/apis/ess-rollout.io/v1alpha1/namespaces/shop/scalinggrouprecords/a";
    let request = Request::patch(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(b"{}".to_vec())
        .unwrap();
    assert_eq!(apiserver.answer("somebody", &request).status(), 415);
    let request = Request::get("/apis/apps/v1/deployments")
        .body(Vec::new())
        .unwrap();
    assert_eq!(apiserver.answer("somebody", &request).status(), 404);
}
