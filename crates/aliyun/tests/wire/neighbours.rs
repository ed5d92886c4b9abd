//! Instance refreshes, lifecycle actions, the diagnosis: what is sent, and what is read.

use ess_rollout_cloud::{
    Answer, Cloud, Diagnosis, DiagnosisStatus, ErrorClass, InstanceRefresh, InstanceRefreshStatus,
    LifecycleAction, Query, Turn,
};
use serde_json::json;

use crate::fake::{Fake, REGION, ok, refuse};
use crate::queries::ask;

#[tokio::test]
async fn instance_refreshes_that_have_not_ended_are_read_to_the_last_page() {
    let refresh = |id: &str, status: &str| json!({"InstanceRefreshTaskId": id, "ScalingGroupId": "asg-1", "Status": status});
    let fake = Fake::start([
        ok(json!({"TotalCount": 3, "NextToken": "n1", "InstanceRefreshTasks": [refresh("ir-1", "Successful"), refresh("ir-2", "Paused")]})),
        ok(json!({"TotalCount": 3, "NextToken": "", "InstanceRefreshTasks": [refresh("ir-3", "Novelty")]})),
    ])
    .await;
    let query = Query::InstanceRefreshes {
        group: "asg-1".into(),
    };
    let found = ask(&fake, query).await;
    let one = |id: &str, status| InstanceRefresh {
        id: id.into(),
        status,
    };
    assert_eq!(
        found,
        Answer::InstanceRefreshes(vec![
            one("ir-2", InstanceRefreshStatus::Paused),
            one("ir-3", InstanceRefreshStatus::Unknown("Novelty".into())),
        ])
    );
    let request = &fake.received()[0];
    assert_eq!(
        (request.action.as_str(), request.version.as_str()),
        ("DescribeInstanceRefreshes", "2022-02-22")
    );
    assert_eq!(request.form["ScalingGroupId"], "asg-1");
    assert_eq!(request.form["MaxResults"], "50");
    assert_eq!(fake.forms()[1]["NextToken"], "n1");
}

#[tokio::test]
async fn lifecycle_actions_that_hold_instances_are_read() {
    let fake = Fake::start([ok(json!({"TotalCount": 2, "LifecycleActions": [
        {"LifecycleHookId": "ash-1", "LifecycleActionToken": "T1", "LifecycleActionStatus": "Pending", "InstanceIds": ["i-1", "i-2"]},
        {"LifecycleHookId": "ash-2", "LifecycleActionToken": "T2", "LifecycleActionStatus": "Completed", "InstanceIds": ["i-3"]},
    ]}))])
    .await;
    let query = Query::LifecycleActions {
        activity: "asa-1".into(),
    };
    let held = LifecycleAction {
        hook: "ash-1".into(),
        instances: vec!["i-1".into(), "i-2".into()],
    };
    assert_eq!(
        ask(&fake, query).await,
        Answer::LifecycleActions(vec![held])
    );
    let form = &fake.forms()[0];
    assert_eq!(form["ScalingActivityId"], "asa-1");
    assert_eq!(form["LifecycleActionStatus"], "Pending");
}

#[tokio::test]
async fn the_latest_diagnosis_is_read() {
    let query = || Query::Diagnosis {
        group: "asg-1".into(),
    };
    let fake = Fake::start([
        ok(json!({"Details": [
            {"DiagnoseType": "VSwitch", "ResourceId": "vsw-1", "Status": "Critical", "ErrorCode": "VSwitchIdNotFound"},
            {"DiagnoseType": "ElasticStrength", "ResourceId": "", "Status": "Normal", "ErrorCode": null},
        ]})),
        ok(json!({"Details": null})),
    ])
    .await;
    let item = |kind: &str, status, resource: &str, code: &str| Diagnosis {
        kind: kind.into(),
        status,
        resource: resource.into(),
        code: code.into(),
    };
    assert_eq!(
        ask(&fake, query()).await,
        Answer::Diagnosis(vec![
            item(
                "VSwitch",
                DiagnosisStatus::Critical,
                "vsw-1",
                "VSwitchIdNotFound"
            ),
            item("ElasticStrength", DiagnosisStatus::Normal, "", ""),
        ])
    );
    assert_eq!(ask(&fake, query()).await, Answer::Diagnosis(Vec::new()));
    assert_eq!(fake.forms()[0]["ScalingGroupId"], "asg-1");
}

/// So that the core can tell what an account may not do, or what a region does not have, from what
/// passes.
#[tokio::test]
async fn an_api_that_is_not_there_is_no_passing_fault() {
    for (status, code, class) in [
        (404, "InvalidAction.NotFound", ErrorClass::Invalid),
        (403, "Forbidden.RAM", ErrorClass::Denied),
    ] {
        let fake = Fake::start([refuse(status, code)]).await;
        let query = Query::InstanceRefreshes {
            group: "asg-1".into(),
        };
        let error = fake
            .client()
            .query(REGION, &query, Turn::default())
            .await
            .unwrap_err();
        assert_eq!((error.class, error.code.as_str()), (class, code));
        assert_eq!(error.call, "ESS DescribeInstanceRefreshes");
    }
}
