//! Lists, idempotency, templates and the rest of the API surface.

use serde_json::{Value, json};

use super::world::Cloud;

const NAP: &str = r"
FormatVersion: OOS-2019-06-01
Parameters:
  n: {Type: Number, Default: 1}
Tasks:
  - {Name: nap, Action: 'ACS::Sleep', Properties: {Duration: PT30S}}
";

fn nap(more: Value) -> Value {
    let mut params = json!({"TemplateContent": NAP});
    params
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    params
}

fn ids(list: &Value) -> Vec<String> {
    let rows = list["Executions"].as_array().unwrap();
    rows.iter()
        .map(|row| row["ExecutionId"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_client_token_gives_the_first_answer_again_and_refuses_other_parameters() {
    let mut cloud = Cloud::new(&[]);
    let request = nap(json!({"ClientToken": "once", "SignatureNonce": "1"}));
    let first = cloud.ask("StartExecution", request).unwrap();
    cloud.pass(5);
    let request = nap(json!({"ClientToken": "once", "SignatureNonce": "2"}));
    assert_eq!(cloud.ask("StartExecution", request).unwrap(), first);
    let other = nap(json!({"ClientToken": "once", "Parameters": r#"{"n": 2}"#}));
    let refused = cloud.ask("StartExecution", other).unwrap_err();
    assert_eq!(
        (refused.status, refused.code.as_str()),
        (400, "IdempotentParameterMismatch")
    );
    let list = cloud.ask("ListExecutions", json!({})).unwrap();
    assert_eq!(list["TotalCount"], 1);
}

#[test]
fn shapes_are_those_of_the_two_calls() {
    let mut cloud = Cloud::new(&[]);
    let tags = r#"{"scaling_group":"asg-1"}"#;
    let answer = cloud
        .ask("StartExecution", nap(json!({"Tags": tags})))
        .unwrap();
    let started = &answer["Execution"];
    assert_eq!(started["Parameters"], r#"{"n":1}"#);
    assert_eq!(started["Status"], "Started");
    assert_eq!(started["StartDate"], "2024-05-06T07:00:00Z");
    assert_eq!(started["EndDate"], "");
    let id = started["ExecutionId"].as_str().unwrap().to_owned();
    cloud.pass(3);
    let listed = cloud.execution(&id);
    assert_eq!(listed["Parameters"], json!({"n": 1}));
    assert_eq!(listed["Status"], "Running");
    assert_eq!(listed["Outputs"], "{}");
    assert_eq!(listed["Tags"]["scaling_group"], "asg-1");
    assert_eq!(listed["Category"], "Other");
    assert_eq!(
        listed["CurrentTasks"][0]["TaskExecutionId"],
        format!("{id}.t0001")
    );
    assert_eq!(listed["Counters"]["Running"], 1);
    let logs = cloud
        .ask("ListExecutionLogs", json!({"ExecutionId": id}))
        .unwrap();
    assert_eq!(logs["ExecutionLogs"][0]["LogType"], "System");
    let template = cloud
        .ask("GetExecutionTemplate", json!({"ExecutionId": id}))
        .unwrap();
    assert_eq!(template["Content"], NAP);
}

#[test]
fn an_unknown_execution_lists_as_nothing_and_cannot_be_written_to() {
    let mut cloud = Cloud::new(&[]);
    let list = cloud
        .ask("ListExecutions", json!({"ExecutionId": "exec-none"}))
        .unwrap();
    assert_eq!(list["Executions"], json!([]));
    for (action, more) in [
        ("CancelExecution", json!({})),
        ("NotifyExecution", json!({"NotifyType": "Approve"})),
        ("UpdateExecution", json!({})),
        ("TriggerExecution", json!({"Type": "Timer"})),
    ] {
        let mut params = json!({"ExecutionId": "exec-none"});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        assert_eq!(
            cloud.ask(action, params).unwrap_err().code,
            "EntityNotExists.Execution"
        );
    }
    assert_eq!(
        cloud.ask("DoNothing", json!({})).unwrap_err().code,
        "InvalidAction.NotFound"
    );
}

#[test]
fn filters_narrow_lists_down() {
    let mut cloud = Cloud::new(&["i-1"]);
    let tags = r#"{"scaling_group":"asg-1","run":"a"}"#;
    let tagged = cloud.start(nap(json!({"Tags": tags, "Description": "first"})));
    cloud.pass(60);
    let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-1",
                            "invokeScript": "echo"});
    let rolling = cloud.start(json!({
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Mode": "FailurePause", "Parameters": parameters.to_string(),
    }));
    cloud.settle();
    let mut list = |params: Value| ids(&cloud.ask("ListExecutions", params).unwrap());
    let (only_tagged, only_rolling) = (vec![tagged.clone()], vec![rolling.clone()]);
    assert_eq!(
        list(json!({})),
        [rolling.clone(), tagged.clone()],
        "roots, newest first"
    );
    assert_eq!(
        list(json!({"SortOrder": "Ascending"})),
        [tagged.clone(), rolling.clone()]
    );
    assert_eq!(
        list(json!({"Tags": r#"{"scaling_group":"asg-1"}"#})),
        only_tagged
    );
    assert_eq!(list(json!({"Tags": r#"{"run":"b"}"#})).len(), 0);
    assert_eq!(
        list(json!({"TemplateName": "RollingUpdateBy"})),
        only_rolling
    );
    assert_eq!(list(json!({"Description": "first"})), only_tagged);
    assert_eq!(list(json!({"Status": "Running"})).len(), 0);
    assert_eq!(list(json!({"Status": "Success"})).len(), 2);
    assert_eq!(list(json!({"IncludeChildExecution": true})).len(), 3);
    assert_eq!(list(json!({"Depth": "FirstChildDepth"})).len(), 3);
    assert_eq!(list(json!({"ParentExecutionId": rolling})).len(), 1);
    assert_eq!(list(json!({"ResourceId": "i-1"})), only_rolling);
    assert_eq!(list(json!({"Category": "TimerTrigger"})).len(), 0);
    assert_eq!(
        list(json!({"StartDateAfter": "2024-05-06T07:01:00Z"})),
        only_rolling
    );
    assert_eq!(
        list(json!({"EndDateBefore": "2024-05-06T07:00:40Z"})),
        only_tagged
    );
    for wrong in [
        json!({"MaxResults": 9}),
        json!({"MaxResults": 101}),
        json!({"IncludeChildExecution": true, "Depth": "RootDepth"}),
        json!({"SortField": "Name"}),
        json!({"NextToken": "?"}),
        json!({"Tags": "x"}),
        json!({"StartDateAfter": "yesterday"}),
    ] {
        let refused = cloud.ask("ListExecutions", wrong.clone()).unwrap_err();
        assert_eq!(refused.code, "InvalidParameter", "{wrong}");
    }
    let few = cloud.ask("ListTaskExecutions", json!({"MaxResults": 19}));
    assert_eq!(few.unwrap_err().code, "InvalidParameter");
}

/// Ids of all pages of ten, with three executions started after the first page was read.
fn pages_with_newcomers(stable: bool) -> Vec<String> {
    let mut cloud = Cloud::new(&[]);
    cloud.world.switches.stable_pages = stable;
    for _ in 0..25 {
        cloud.start(nap(json!({})));
        cloud.pass(1);
    }
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let params = json!({"MaxResults": 10, "NextToken": token});
        let page = cloud.ask("ListExecutions", params).unwrap();
        seen.extend(ids(&page));
        if token.is_empty() {
            for _ in 0..3 {
                cloud.start(nap(json!({})));
            }
        }
        token = page["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            return seen;
        }
    }
}

#[test]
fn pages_are_stable_or_shift_as_the_switch_says() {
    let stable = pages_with_newcomers(true);
    assert_eq!(stable.len(), 25);
    let shifting = pages_with_newcomers(false);
    let mut unique = shifting.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(
        (shifting.len(), unique.len()),
        (28, 25),
        "three rows come twice"
    );
}

#[test]
fn lists_tags_and_update_dates_can_lag() {
    let mut cloud = Cloud::new(&[]);
    cloud.world.switches.list_lag_seconds = 5;
    cloud.world.switches.tag_lag_seconds = 10;
    cloud.world.switches.update_date_lag_seconds = 20;
    let id = cloud.start(nap(json!({"Tags": r#"{"a":"b"}"#})));
    let find =
        |cloud: &mut Cloud, params: Value| ids(&cloud.ask("ListExecutions", params).unwrap()).len();
    assert_eq!(find(&mut cloud, json!({"ExecutionId": id})), 0);
    cloud.pass(5);
    assert_eq!(find(&mut cloud, json!({"ExecutionId": id})), 1);
    assert_eq!(find(&mut cloud, json!({"Tags": r#"{"a":"b"}"#})), 0);
    cloud.pass(5);
    assert_eq!(find(&mut cloud, json!({"Tags": r#"{"a":"b"}"#})), 1);
    cloud.pass(25);
    let execution = cloud.execution(&id);
    assert_eq!(execution["Status"], "Success");
    assert_eq!(
        execution["UpdateDate"], "2024-05-06T07:00:01Z",
        "the end does not show yet"
    );
    cloud.pass(20);
    assert_eq!(cloud.execution(&id)["UpdateDate"], execution["EndDate"]);
}

#[test]
fn an_update_date_moves_with_the_children_only_if_the_switch_says_so() {
    for moves in [true, false] {
        let mut cloud = Cloud::new(&["i-1"]);
        cloud.world.switches.update_date_moves_with_children = moves;
        let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-1",
                                "invokeScript": "echo"});
        let root = cloud.start(json!({
            "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
            "Parameters": parameters.to_string(),
        }));
        while cloud.children(&root).is_empty() {
            cloud.pass(1);
        }
        let before = cloud.execution(&root)["UpdateDate"].clone();
        cloud.pass(3);
        let after = cloud.execution(&root)["UpdateDate"].clone();
        assert_eq!(before != after, moves);
    }
}

#[test]
fn templates_can_be_made_changed_read_and_deleted() {
    let mut cloud = Cloud::new(&[]);
    let named = |more: Value| {
        let mut params = json!({"TemplateName": "mine"});
        params
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        params
    };
    cloud
        .ask("CreateTemplate", named(json!({"Content": NAP})))
        .unwrap();
    let again = cloud.ask("CreateTemplate", named(json!({"Content": NAP})));
    assert_eq!(again.unwrap_err().code, "EntityAlreadyExists.Template");
    let taken = cloud.ask(
        "CreateTemplate",
        json!({"TemplateName": "ACS-x", "Content": NAP}),
    );
    assert!(taken.is_err());
    let changed = NAP.replace("PT30S", "PT5S");
    cloud
        .ask("UpdateTemplate", named(json!({"Content": changed})))
        .unwrap();
    let newest = cloud.ask("GetTemplate", named(json!({}))).unwrap();
    assert_eq!(newest["Template"]["TemplateVersion"], "v2");
    let first = cloud
        .ask("GetTemplate", named(json!({"TemplateVersion": "v1"})))
        .unwrap();
    assert_eq!(first["Content"], NAP);
    assert_eq!(first["Template"]["Hash"].as_str().unwrap().len(), 64);
    let id = cloud.start(named(json!({"TemplateVersion": "v1"})));
    assert_eq!(cloud.execution(&id)["TemplateVersion"], "v1");
    let list = cloud
        .ask("ListTemplates", json!({"ShareType": "Private"}))
        .unwrap();
    assert_eq!(list["TotalCount"], 1);
    let list = cloud
        .ask(
            "ListTemplates",
            json!({"CreatedBy": "ACS", "TemplateName": "RollingUpdate"}),
        )
        .unwrap();
    assert_eq!(list["TotalCount"], 4);
    cloud.ask("DeleteTemplate", named(json!({}))).unwrap();
    assert!(cloud.ask("GetTemplate", named(json!({}))).is_err());
    let checked = cloud
        .ask("ValidateTemplateContent", json!({"Content": NAP}))
        .unwrap();
    assert_eq!(checked["Tasks"][0]["Name"], "nap");
    assert!(
        cloud
            .ask("ValidateTemplateContent", json!({"Content": "Tasks: []"}))
            .is_err()
    );
}

#[test]
fn executions_can_be_updated_while_they_run_and_deleted_when_final() {
    let mut cloud = Cloud::new(&[]);
    let id = cloud.start(nap(json!({})));
    cloud.pass(2);
    let update = json!({"ExecutionId": id, "Tags": r#"{"a":"b"}"#, "Description": "new"});
    cloud.ask("UpdateExecution", update.clone()).unwrap();
    assert_eq!(cloud.execution(&id)["Tags"]["a"], "b");
    let delete = json!({"ExecutionIds": json!([id]).to_string()});
    assert_eq!(
        cloud
            .ask("DeleteExecutions", delete.clone())
            .unwrap_err()
            .status,
        400
    );
    cloud.settle();
    assert!(cloud.ask("UpdateExecution", update).is_err());
    let trigger = json!({"ExecutionId": id, "Type": "Timer"});
    assert_eq!(
        cloud.ask("TriggerExecution", trigger).unwrap_err().status,
        400
    );
    cloud.ask("DeleteExecutions", delete).unwrap();
    assert_eq!(cloud.execution(&id), Value::Null);
}

#[test]
fn a_rollback_takes_every_child_of_its_source_and_that_ones_processes() {
    let mut cloud = Cloud::new(&["i-1", "i-2", "i-3"]);
    cloud.world.instances.get_mut("i-2").unwrap().exit_codes = [9].into();
    let run = |more: Value| {
        let mut parameters = json!({
            "invokeType": "invoke", "scalingGroupId": "asg-1", "invokeScript": "new",
            "rollbackScript": "old", "batchNumber": 1, "commandType": "RunBatScript",
        });
        parameters
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({
            "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
            "Parameters": parameters.to_string(),
        })
    };
    let source = cloud.start(run(json!({
        "enterProcess": ["ScaleIn"], "exitProcess": ["ScaleIn"],
    })));
    cloud.settle();
    assert_eq!(cloud.status(&source), "Failed");
    cloud.world.instances.remove("i-3");
    cloud.world.calls.clear();
    let back = json!({"invokeType": "rollback", "sourceExecutionId": source, "enterProcess": []});
    let root = cloud.start(run(back));
    cloud.settle();
    assert_eq!(cloud.status(&root), "Success", "{}", cloud.execution(&root));
    assert_eq!(
        cloud.execution(&root)["Outputs"],
        r#"{"commandOutputs":["ok\n","ok\n"]}"#
    );
    let commands: Vec<_> = cloud
        .world
        .calls
        .iter()
        .filter(|c| c.name == "RunCommand")
        .collect();
    assert_eq!(
        commands.len(),
        2,
        "the failed one too, the vanished one not"
    );
    for command in commands {
        assert_eq!(command.params["CommandContent"], "old");
        assert_eq!(
            command.params["Type"], "RunShellScript",
            "whatever commandType says"
        );
    }
    let suspend = cloud
        .world
        .calls
        .iter()
        .find(|c| c.name == "SuspendProcesses")
        .unwrap();
    assert_eq!(suspend.params["Process"], json!(["ScaleIn"]));
    assert_eq!(cloud.world.count("TagResources"), 0);

    // A source that suspended nothing breaks its rollback.
    let source = cloud.start(run(json!({"enterProcess": []})));
    cloud.settle();
    let root = cloud.start(run(
        json!({"invokeType": "rollback", "sourceExecutionId": source}),
    ));
    cloud.settle();
    assert_eq!(cloud.status(&root), "Failed");
}

#[test]
fn commands_of_an_update_can_be_found_from_its_tasks() {
    let mut cloud = Cloud::new(&["i-1"]);
    let parameters = json!({"invokeType": "invoke", "scalingGroupId": "asg-1",
                            "invokeScript": "echo"});
    let root = cloud.start(json!({
        "TemplateName": "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        "Parameters": parameters.to_string(),
    }));
    cloud.settle();
    let items = cloud.items(&root);
    let item = items
        .iter()
        .find(|item| item["ChildExecutionId"] != "")
        .unwrap();
    let request = json!({"TaskExecutionId": item["TaskExecutionId"]});
    let found = cloud.ask("ListTaskExecutionInvocations", request).unwrap();
    assert_eq!(found["TaskExecutionInvocations"][0]["InvocationId"], "t-1");
}
