//! Queries of OOS: what is sent, what is read.

use std::sync::Arc;

use ess_rollout_cloud::{Answer, Cloud, ErrorClass, ExecutionFilter, ExecutionStatus, Query, Turn};
use serde_json::{Value, json};

use crate::{
    fake::{Fake, REGION, ok, refuse},
    queries::ask,
};

fn run(id: &str, status: &str, start: &str) -> Value {
    json!({"ExecutionId": id, "ParentExecutionId": "", "Status": status, "StartDate": start,
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup", "TemplateVersion": "v12",
        "EndDate": "", "Parameters": {"batchNumber": 2}, "Counters": {"Total": 2}, "Outputs": "{}",
        "CurrentTasks": [{"TaskAction": "ACS::ESS::RunCommand"}], "Tags": {"run": "1", "n": 3}})
}

#[tokio::test]
async fn tagged_roots_are_read_page_by_page() {
    let mut child = run("exec-3", "Running", "2024-05-06T07:08:12Z");
    child["ParentExecutionId"] = json!("exec-1");
    let mut untagged = run("exec-4", "Running", "2024-05-06T07:08:12Z");
    untagged["Tags"] = json!("");
    let fake = Fake::start([
        ok(json!({"NextToken": "t2", "Executions": [run("exec-2", "Waiting", "2024-05-06T07:08:11Z"), child, untagged]})),
        ok(json!({"NextToken": null, "Executions": [run("exec-2", "Waiting", "2024-05-06T07:08:11Z"), run("exec-1", "Success", "2024-05-06T07:08:10Z"), run("exec-0", "Success", "2024-05-06T07:08:09Z")]})),
    ])
    .await;
    let filter = ExecutionFilter::Tagged {
        tags: vec![("run".into(), "1".into())],
        started_after: Some("2024-05-06T07:08:10.5Z".parse().unwrap()),
    };
    let Answer::Executions(found) = ask(&fake, Query::Executions(filter)).await else {
        panic!("another answer");
    };
    let ids: Vec<_> = found
        .iter()
        .map(|execution| execution.id.as_str())
        .collect();
    assert_eq!(ids, ["exec-2", "exec-1"]);
    assert_eq!(found[0].parameters["batchNumber"], 2);
    assert_eq!(found[0].current_actions, ["ACS::ESS::RunCommand"]);
    assert_eq!(found[0].end, None);
    assert_eq!(found[0].tags["n"], "3");
    let form = &fake.forms()[0];
    assert_eq!(form["Tags"], r#"{"run":"1"}"#);
    assert_eq!(form["StartDateAfter"], "2024-05-06T07:08:10Z");
    assert_eq!(form["MaxResults"], "100");
    assert_eq!(fake.forms()[1]["NextToken"], "t2");
}

#[tokio::test]
async fn how_far_tagged_roots_are_comes_without_what_they_were_started_with() {
    let rows = json!([
        run("exec-2", "Waiting", "2024-05-06T07:08:11Z"),
        run("exec-0", "Success", "2024-05-06T07:08:09Z")
    ]);
    let fake = Fake::start([ok(json!({"NextToken": "", "Executions": rows}))]).await;
    let filter = ExecutionFilter::TaggedProgress {
        tags: vec![("run".into(), "1".into())],
        started_after: Some("2024-05-06T07:08:10.5Z".parse().unwrap()),
    };
    let Answer::Executions(found) = ask(&fake, Query::Executions(filter)).await else {
        panic!("another answer");
    };
    let [found] = &found[..] else {
        panic!("{found:?}")
    };
    assert_eq!(found.id, "exec-2");
    assert_eq!(found.current_actions, ["ACS::ESS::RunCommand"]);
    assert!(found.parameters.is_empty() && found.tags.is_empty());
    assert_eq!(fake.forms()[0]["Tags"], r#"{"run":"1"}"#);
}

#[tokio::test]
async fn an_unknown_execution_is_an_empty_answer() {
    let fake = Fake::start([ok(
        json!({"Executions": [], "NextToken": "", "TotalCount": 0}),
    )])
    .await;
    assert_eq!(
        ask(
            &fake,
            Query::Executions(ExecutionFilter::Id("exec-9".into()))
        )
        .await,
        Answer::Executions(Arc::default())
    );
}

#[tokio::test]
async fn active_runs_of_a_template_are_found_in_every_state() {
    let page = |rows: Vec<Value>| ok(json!({"NextToken": "", "Executions": rows}));
    let at = |n: u8| format!("2024-05-06T07:08:{n:02}Z");
    let fake = Fake::start([
        // The newest, whatever their state: the only place where a queued one shows.
        page(vec![
            run("exec-6", "Queued", &at(6)),
            run("exec-5", "Success", &at(5)),
            run("exec-4", "Running", &at(4)),
        ]),
        page(vec![]),
        page(vec![run("exec-3", "Started", &at(3))]),
        page(vec![run("exec-2", "Waiting", &at(2))]),
        // Ended between the lists.
        page(vec![
            run("exec-4", "Failed", &at(4)),
            run("exec-1", "Running", &at(1)),
        ]),
        page(vec![run("exec-2", "Waiting", &at(2))]),
    ])
    .await;
    let Answer::Executions(found) = ask(
        &fake,
        Query::Executions(ExecutionFilter::ActiveByTemplate(
            "ACS-ESS-RollingUpdate".into(),
        )),
    )
    .await
    else {
        panic!("another answer");
    };
    let ids: Vec<_> = found
        .iter()
        .map(|execution| execution.id.as_str())
        .collect();
    assert_eq!(ids, ["exec-6", "exec-3", "exec-2", "exec-1"]);
    assert_eq!(found[0].status, ExecutionStatus::Queued);
    let states: Vec<_> = fake
        .forms()
        .iter()
        .map(|form| form.get("Status").cloned())
        .collect();
    let state = |text: &str| Some(text.to_owned());
    assert_eq!(
        states,
        [
            None,
            state("Pending"),
            state("Started"),
            state("Waiting"),
            state("Running"),
            state("Waiting")
        ]
    );
}

#[tokio::test]
async fn an_endless_list_is_an_error() {
    let fake =
        Fake::start((0..3).map(|_| {
            ok(json!({"NextToken": "again", "Executions": [run("exec-1", "Running", "")]}))
        }))
        .await;
    let query = Query::Executions(ExecutionFilter::Id("exec-1".into()));
    let error = fake
        .client()
        .query(REGION, &query, Turn::default())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.code.as_str()),
        (ErrorClass::Retry, "unreadable")
    );
    assert_eq!(fake.received().len(), 2);
}

#[tokio::test]
async fn task_executions_keep_the_loop_item_as_given() {
    let item = "{\"InstanceId\":\"i-1\", \"LifecycleState\":\"InService\"}";
    let fake = Fake::start([ok(json!({"NextToken": "", "TaskExecutions": [
        {"TaskExecutionId": "exec-1.t6", "TaskName": "invoke", "TaskAction": "ACS::ESS::RunCommand", "ExecutionId": "exec-1", "ParentTaskExecutionId": "", "Status": "Waiting", "Outputs": "", "StartDate": "2024-05-06T07:08:14Z", "EndDate": ""},
        {"TaskExecutionId": "exec-1.t7", "TaskName": "invoke", "TaskAction": "ACS::ESS::RunCommand", "ExecutionId": "exec-1", "ParentTaskExecutionId": "exec-1.t6", "ChildExecutionId": "exec-2", "LoopItem": item, "LoopBatchNumber": "1", "Status": "Failed", "StatusMessage": "exit 3", "Outputs": "{\"id\":\"t-1\"}"},
    ]}))])
    .await;
    let Answer::TaskExecutions(found) = ask(
        &fake,
        Query::TaskExecutions {
            execution: "exec-1".into(),
        },
    )
    .await
    else {
        panic!("another answer");
    };
    assert_eq!(found[0].parent, None);
    assert_eq!(found[1].parent.as_deref(), Some("exec-1.t6"));
    assert_eq!(found[1].loop_item.as_deref(), Some(item));
    assert_eq!(found[1].loop_batch, Some(1));
    assert_eq!(found[1].outputs["id"], "t-1");
    assert_eq!(fake.forms()[0]["IncludeChildTaskExecution"], "true");
}

#[tokio::test]
async fn a_template_is_there_or_not() {
    let fake = Fake::start([
        ok(json!({"Content": "…", "Template": {"TemplateName": "T", "TemplateVersion": "v12"}})),
        refuse(404, "EntityNotExists.Template"),
    ])
    .await;
    let Answer::Template(Some(found)) = ask(&fake, Query::Template { name: "T".into() }).await
    else {
        panic!("no template");
    };
    assert_eq!(found.version, "v12");
    assert_eq!(
        ask(&fake, Query::Template { name: "T".into() }).await,
        Answer::Template(None)
    );
}
