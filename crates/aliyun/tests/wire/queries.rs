//! Queries of ESS and ECS: what is sent, what is read, and what is done with rows that nobody asked for.

use ess_rollout_cloud::{
    Answer, Cloud, ErrorClass, ExecutionFilter, GroupState, GroupType, ImageStatus, LifecycleState,
    Process, Query, Turn,
};
use serde_json::{Value, json};

use crate::fake::{Canned, Fake, REGION, ok, refuse};

pub async fn ask(fake: &Fake, query: Query) -> Answer {
    fake.client()
        .query(REGION, &query, Turn::default())
        .await
        .unwrap()
}

fn group(id: &str) -> Value {
    json!({"ScalingGroupId": id, "GroupType": "ECS", "LifecycleState": "Active",
        "SuspendedProcesses": null, "ActiveScalingConfigurationId": "asc-1", "LaunchTemplateId": "",
        "TotalInstanceCount": 4, "PendingCapacity": 1, "RemovingWaitCapacity": "2"})
}

#[tokio::test]
async fn a_group_is_read() {
    let mut suspended = group("asg-1");
    suspended["SuspendedProcesses"] = json!(["ScaleOut", "ScaleIn", "Novelty"]);
    // A row of somebody else does no harm.
    let fake = Fake::start([ok(
        json!({"TotalCount": 2, "ScalingGroups": [group("asg-2"), suspended]}),
    )])
    .await;
    let Answer::ScalingGroup(Some(found)) = ask(
        &fake,
        Query::ScalingGroup {
            group: "asg-1".into(),
        },
    )
    .await
    else {
        panic!("no group");
    };
    assert_eq!(found.id, "asg-1");
    assert_eq!(found.state, GroupState::Active);
    assert_eq!(
        found.suspended_processes,
        [
            Process::ScaleIn,
            Process::ScaleOut,
            Process::Unknown("Novelty".into())
        ]
    );
    assert_eq!(found.active_scaling_configuration.as_deref(), Some("asc-1"));
    assert_eq!(found.launch_template, None);
    assert_eq!((found.total_instances, found.instances_in_motion), (4, 3));
    let request = &fake.received()[0];
    assert_eq!(
        (request.action.as_str(), request.version.as_str()),
        ("DescribeScalingGroups", "2022-02-22")
    );
    assert_eq!(request.form["ScalingGroupIds.1"], "asg-1");
    assert_eq!(request.form["RegionId"], REGION);
    assert!(!request.form.contains_key("GroupType"));
}

#[tokio::test]
async fn an_absent_group_is_asked_for_as_an_eci_group_too() {
    let mut eci = group("asg-1");
    eci["GroupType"] = json!("ECI");
    let fake = Fake::start([
        ok(json!({"TotalCount": 0, "ScalingGroups": null})),
        ok(json!({"TotalCount": 1, "ScalingGroups": [eci]})),
    ])
    .await;
    let Answer::ScalingGroup(Some(found)) = ask(
        &fake,
        Query::ScalingGroup {
            group: "asg-1".into(),
        },
    )
    .await
    else {
        panic!("no group");
    };
    assert_eq!(found.group_type, GroupType::Eci);
    assert_eq!(fake.forms()[1]["GroupType"], "ECI");

    let none = Fake::start([
        ok(json!({"TotalCount": 0})),
        ok(json!({"ScalingGroups": []})),
    ])
    .await;
    assert_eq!(
        ask(
            &none,
            Query::ScalingGroup {
                group: "asg-1".into()
            }
        )
        .await,
        Answer::ScalingGroup(None)
    );
}

/// An ignored filter returns everything.
#[tokio::test]
async fn rows_of_others_alone_are_an_error_that_names_the_filter() {
    let others = json!({"ExecutionId": "exec-2", "ParentExecutionId": "", "TemplateName": "T", "Tags": {"a": "b"}});
    for (query, answer, filter) in [
        (
            Query::ScalingGroup {
                group: "asg-1".into(),
            },
            json!({"ScalingGroups": [group("asg-2")]}),
            "ScalingGroupIds.1=asg-1",
        ),
        (
            Query::ScalingInstances {
                group: "asg-1".into(),
            },
            json!({"TotalCount": 1, "ScalingInstances": [{"InstanceId": "i-1", "ScalingGroupId": "asg-2"}]}),
            "ScalingGroupId=asg-1",
        ),
        (
            Query::Image {
                image: "m-1".into(),
            },
            json!({"Images": {"Image": [{"ImageId": "m-2"}]}}),
            "ImageId=m-1",
        ),
        (
            Query::Executions(ExecutionFilter::Id("exec-1".into())),
            json!({"Executions": [others]}),
            "ExecutionId=exec-1",
        ),
        (
            Query::Executions(ExecutionFilter::ChildrenOf("exec-1".into())),
            json!({"Executions": [others]}),
            "ParentExecutionId=exec-1",
        ),
        (
            Query::Executions(ExecutionFilter::Tagged {
                tags: vec![("run".into(), "1".into())],
                started_after: None,
            }),
            json!({"Executions": [others]}),
            r#"Tags={"run":"1"}"#,
        ),
    ] {
        let fake = Fake::start([ok(answer)]).await;
        let error = fake
            .client()
            .query(REGION, &query, Turn::default())
            .await
            .unwrap_err();
        assert_eq!(error.code, "ignored-filter");
        assert_eq!(error.class, ErrorClass::Invalid);
        assert!(error.message.contains(filter), "{error}");
    }
}

fn instances(ids: std::ops::Range<usize>, total: usize) -> Canned {
    let rows: Vec<Value> = ids
        .map(|n| {
            json!({"InstanceId": format!("i-{:03}", 999 - n), "ScalingGroupId": "asg-1",
                "LifecycleState": "InService", "CreationType": "AutoCreated",
                "LoadBalancerWeight": 50, "ScalingConfigurationId": "asc-1"})
        })
        .collect();
    ok(json!({"TotalCount": total, "PageSize": 50, "ScalingInstances": rows}))
}

#[tokio::test]
async fn instances_are_read_to_the_last_page() {
    let fake = Fake::start([
        instances(0..50, 120),
        instances(50..100, 120),
        instances(100..120, 120),
    ])
    .await;
    let Answer::ScalingInstances(found) = ask(
        &fake,
        Query::ScalingInstances {
            group: "asg-1".into(),
        },
    )
    .await
    else {
        panic!("another answer");
    };
    assert_eq!(found.len(), 120);
    assert!(found.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(found[0].state, LifecycleState::InService);
    assert_eq!(found[0].load_balancer_weight, Some(50));
    let pages: Vec<_> = fake
        .forms()
        .iter()
        .map(|form| form["PageNumber"].clone())
        .collect();
    assert_eq!(pages, ["1", "2", "3"]);
}

/// A row that moves to a page that was read already would be missing from the answer.
#[tokio::test]
async fn a_list_that_changes_while_it_is_read_is_read_again() {
    let fake = Fake::start([
        instances(0..50, 60),
        instances(51..60, 59),
        instances(0..50, 59),
        instances(50..59, 59),
    ])
    .await;
    let Answer::ScalingInstances(found) = ask(
        &fake,
        Query::ScalingInstances {
            group: "asg-1".into(),
        },
    )
    .await
    else {
        panic!("another answer");
    };
    assert_eq!(found.len(), 59);
    // The one that was on neither page of the first reading.
    assert!(found.iter().any(|instance| instance.id == "i-949"));

    // No total to tell by, but a row that was on the page before.
    let uncounted = |ids| {
        let mut answer: Value = serde_json::from_str(&instances(ids, 0).body).unwrap();
        answer.as_object_mut().unwrap().remove("TotalCount");
        ok(answer)
    };
    let shifted = Fake::start([
        uncounted(0..50),
        uncounted(49..58),
        uncounted(0..50),
        uncounted(50..58),
    ])
    .await;
    let query = Query::ScalingInstances {
        group: "asg-1".into(),
    };
    let Answer::ScalingInstances(found) = ask(&shifted, query).await else {
        panic!("another answer");
    };
    assert_eq!(found.len(), 58);

    let restless = Fake::start((0..6).map(|n| instances(0..50, 60 + n))).await;
    let error = restless
        .client()
        .query(
            REGION,
            &Query::ScalingInstances {
                group: "asg-1".into(),
            },
            Turn::default(),
        )
        .await
        .unwrap_err();
    assert_eq!(error.class, ErrorClass::Retry);
}

#[tokio::test]
async fn activities_that_ended_meanwhile_are_left_out() {
    let fake = Fake::start([ok(json!({"TotalCount": 2, "ScalingActivities": [
        {"ScalingActivityId": "asa-1", "ScalingGroupId": "asg-1", "StatusCode": "InProgress", "Progress": 40, "Description": "Add 1"},
        {"ScalingActivityId": "asa-2", "ScalingGroupId": "asg-1", "StatusCode": "Successful", "Progress": 100},
    ]}))])
    .await;
    let Answer::Activities(found) = ask(
        &fake,
        Query::ActivitiesInProgress {
            group: "asg-1".into(),
        },
    )
    .await
    else {
        panic!("another answer");
    };
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].id.as_str(), found[0].progress), ("asa-1", 40));
    assert_eq!(fake.forms()[0]["StatusCode"], "InProgress");
}

#[tokio::test]
async fn a_configuration_and_an_image_are_read() {
    let fake = Fake::start([
        ok(json!({"TotalCount": 1, "ScalingConfigurations": [{"ScalingConfigurationId": "asc-1", "ImageId": "m-1"}]})),
        ok(json!({"TotalCount": 1, "Images": {"Image": [{"ImageId": "m-1", "Status": "Creating", "OSType": "linux", "Architecture": "x86_64", "Size": 40}]}})),
        refuse(404, "InvalidImageId.NotFound"),
    ])
    .await;
    let Answer::ScalingConfiguration(Some(found)) = ask(
        &fake,
        Query::ScalingConfiguration {
            configuration: "asc-1".into(),
        },
    )
    .await
    else {
        panic!("no configuration");
    };
    assert_eq!(found.image.as_deref(), Some("m-1"));
    let Answer::Image(Some(found)) = ask(
        &fake,
        Query::Image {
            image: "m-1".into(),
        },
    )
    .await
    else {
        panic!("no image");
    };
    assert_eq!((found.status, found.size_gib), (ImageStatus::Creating, 40));
    assert!(fake.forms()[1]["Status"].contains("Creating"));
    assert_eq!(
        ask(
            &fake,
            Query::Image {
                image: "m-1".into()
            }
        )
        .await,
        Answer::Image(None)
    );
}

#[tokio::test]
async fn configurations_are_asked_for_by_the_ten() {
    let ids: Vec<String> = (10..22).map(|n| format!("asc-{n}")).collect();
    let rows = |ids: &[String]| {
        let rows = ids
            .iter()
            .map(|id| json!({"ScalingConfigurationId": id, "ScalingGroupId": "asg-1"}));
        ok(json!({"ScalingConfigurations": rows.collect::<Vec<_>>()}))
    };
    // Of the second ten one is not there.
    let fake = Fake::start([rows(&ids[..10]), rows(&ids[10..11])]).await;
    let query = Query::ScalingConfigurations {
        configurations: ids.clone(),
    };
    let Answer::ScalingConfigurations(found) = ask(&fake, query).await else {
        panic!("another answer");
    };
    let found: Vec<_> = found.into_iter().map(|one| one.id).collect();
    assert_eq!(found, ids[..11]);
    let forms = fake.forms();
    assert_eq!(forms[0]["ScalingConfigurationIds.10"], "asc-19");
    assert_eq!(forms[1]["ScalingConfigurationIds.2"], "asc-21");
}

#[tokio::test]
async fn ecs_instances_are_asked_for_by_the_hundred() {
    let ids: Vec<String> = (0..150).map(|n| format!("i-{n:03}")).collect();
    let rows = |ids: &[String]| -> Vec<Value> {
        ids.iter()
            .map(|id| json!({"InstanceId": id, "Status": "Running", "ImageId": "m-1", "OSType": "linux", "InstanceType": "ecs.g7.large"}))
            .collect()
    };
    let fake = Fake::start([
        ok(json!({"NextToken": "t", "Instances": {"Instance": rows(&ids[50..100])}})),
        ok(json!({"NextToken": "", "Instances": {"Instance": rows(&ids[0..50])}})),
        // Two are left out: one does not exist any more.
        ok(json!({"Instances": {"Instance": rows(&ids[100..148])}})),
        ok(json!({"Instances": {"Instance": rows(&ids[148..149])}})),
    ])
    .await;
    let Answer::EcsInstances(found) = ask(
        &fake,
        Query::EcsInstances {
            instances: ids.clone(),
        },
    )
    .await
    else {
        panic!("another answer");
    };
    let found: Vec<_> = found.into_iter().map(|instance| instance.id).collect();
    assert_eq!(found, ids[..149]);
    let forms = fake.forms();
    let sent: Vec<String> = serde_json::from_str(&forms[0]["InstanceIds"]).unwrap();
    assert_eq!(sent, ids[..100]);
    assert_eq!(forms[1]["NextToken"], "t");
    assert!(
        !forms[2].contains_key("NextToken"),
        "a new list begins anew"
    );
    assert_eq!(forms[3]["InstanceIds"], "[\"i-148\",\"i-149\"]");

    let none = Fake::start([]).await;
    assert_eq!(
        ask(&none, Query::EcsInstances { instances: vec![] }).await,
        Answer::EcsInstances(vec![])
    );
    assert!(none.received().is_empty());
}

#[tokio::test]
async fn the_output_of_a_command_is_decoded() {
    let results =
        |row: Value| ok(json!({"Invocation": {"InvocationResults": {"InvocationResult": [row]}}}));
    let fake = Fake::start([
        results(json!({"InstanceId": "i-1", "InvokeId": "t-1", "InvocationStatus": "Failed", "ExitCode": 3, "ErrorCode": "ExitCodeNonzero", "ErrorInfo": "x", "Output": "b29wc/8K", "Dropped": 5})),
        ok(json!({"Invocation": {"InvocationResults": {"InvocationResult": []}}})),
    ])
    .await;
    let query = Query::Invocation {
        invocation: "t-1".into(),
        instance: "i-1".into(),
    };
    let Answer::Invocation(Some(found)) = ask(&fake, query.clone()).await else {
        panic!("no invocation");
    };
    assert_eq!(found.output, "oops\u{fffd}\n");
    assert_eq!((found.exit_code, found.dropped_bytes), (Some(3), 5));
    assert_eq!(fake.forms()[0]["ContentEncoding"], "Base64");
    assert_eq!(ask(&fake, query).await, Answer::Invocation(None));
}

#[tokio::test]
async fn a_group_is_looked_for_among_all_of_the_region() {
    let fake = Fake::start([
        ok(json!({"TotalCount": 1, "ScalingGroups": [group("asg-2")]})),
        ok(json!({"TotalCount": 2, "ScalingGroups": [group("asg-3"), group("asg-1")]})),
    ])
    .await;
    let query = Query::ScalingGroupInList {
        group: "asg-1".into(),
    };
    let Answer::ScalingGroup(Some(found)) = ask(&fake, query).await else {
        panic!("no group");
    };
    assert_eq!(found.id, "asg-1");
    let received = fake.received();
    assert!(!received[0].form.contains_key("ScalingGroupIds.1"));
    assert_eq!(received[1].form["GroupType"], "ECI");

    let nobody = || ok(json!({"TotalCount": 0, "ScalingGroups": []}));
    let fake = Fake::start([nobody(), nobody()]).await;
    let query = Query::ScalingGroupInList {
        group: "asg-1".into(),
    };
    assert_eq!(ask(&fake, query).await, Answer::ScalingGroup(None));
}

#[tokio::test]
async fn members_are_asked_for_by_their_ids() {
    let row = |id: &str, group: &str| json!({"InstanceId": id, "ScalingGroupId": group, "LifecycleState": "Standby"});
    let fake = Fake::start([ok(json!({
        "TotalCount": 2, "ScalingInstances": [row("i-1", "asg-1"), row("i-2", "asg-2")],
    }))])
    .await;
    let query = Query::ScalingInstancesById {
        group: "asg-1".into(),
        instances: vec!["i-1".into(), "i-2".into()],
    };
    let Answer::ScalingInstances(found) = ask(&fake, query).await else {
        panic!("no instances");
    };
    // One that has moved to another group is not of this one.
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].id, "i-1");
    let form = &fake.received()[0].form;
    assert_eq!(form["ScalingGroupId"], "asg-1");
    assert_eq!(form["InstanceIds.2"], "i-2");
}

#[tokio::test]
async fn a_configuration_is_looked_for_among_those_of_its_group() {
    let row = |id: &str| json!({"ScalingConfigurationId": id, "ScalingGroupId": "asg-1", "ImageId": "m-1"});
    let all =
        || ok(json!({"TotalCount": 2, "ScalingConfigurations": [row("asc-1"), row("asc-2")]}));
    let fake = Fake::start([all(), all()]).await;
    let image = Query::ScalingConfigurationInGroup {
        group: "asg-1".into(),
        configuration: "asc-2".into(),
    };
    let Answer::ScalingConfiguration(Some(found)) = ask(&fake, image).await else {
        panic!("no configuration");
    };
    assert_eq!(
        (found.id.as_str(), found.image.as_deref()),
        ("asc-2", Some("m-1"))
    );
    let containers = Query::EciScalingConfigurationInGroup {
        group: "asg-1".into(),
        configuration: "asc-9".into(),
    };
    let answer = ask(&fake, containers).await;
    assert_eq!(answer, Answer::EciScalingConfiguration(None));
    for request in fake.received() {
        assert_eq!(request.form["ScalingGroupId"], "asg-1");
    }
}

/// An access key belongs to one account for good; where STS does not say, nothing fails.
#[tokio::test]
async fn the_account_is_asked_for_once() {
    let fake = Fake::start([ok(json!({"AccountId": "1001"}))]).await;
    let client = fake.client();
    for _ in 0..3 {
        let answer = client
            .query(REGION, &Query::Account, Turn::default())
            .await
            .unwrap();
        assert_eq!(answer, Answer::Account(Some("1001".into())));
    }
    assert_eq!(fake.received().len(), 1);
    assert_eq!(fake.received()[0].action, "GetCallerIdentity");

    let fake = Fake::start([refuse(403, "NoPermission")]).await;
    let client = fake.client();
    for _ in 0..3 {
        let answer = client
            .query(REGION, &Query::Account, Turn::default())
            .await
            .unwrap();
        assert_eq!(answer, Answer::Account(None));
    }
    assert_eq!(fake.received().len(), 1);
}
