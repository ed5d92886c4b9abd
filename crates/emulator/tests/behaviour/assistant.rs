//! Cloud Assistant: commands that are kept, stopped, and files.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{code, ecs, pass, small};

fn create(cloud: &mut Cloud, content: &str, more: Value) -> Value {
    let mut ask = json!({
        "Name": "greet", "Type": "RunShellScript", "CommandContent": STANDARD.encode(content),
    });
    ask.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    ecs(cloud, "CreateCommand", ask).unwrap()["CommandId"].clone()
}

fn invocation(cloud: &mut Cloud, id: &Value) -> Value {
    let ask = json!({"InvokeId": id, "ContentEncoding": "PlainText"});
    let read = ecs(cloud, "DescribeInvocations", ask).unwrap();
    read["Invocations"]["Invocation"][0].clone()
}

#[test]
fn a_kept_command_is_invoked_with_its_parameters() {
    let mut cloud = small("commands: [{contentContains: hello web, output: hello}]");
    let id = create(
        &mut cloud,
        "echo hello {{name}} {{ name }}",
        json!({"EnableParameter": true, "Timeout": 30, "WorkingDir": "/srv"}),
    );
    let read = ecs(&mut cloud, "DescribeCommands", json!({"Name": "gr*"})).unwrap();
    let row = &read["Commands"]["Command"][0];
    assert_eq!(row["ParameterNames"]["ParameterName"], json!(["name"]));
    assert_eq!(
        row["CommandContent"],
        STANDARD.encode("echo hello {{name}} {{ name }}")
    );
    let ask = |parameters: Value| json!({"CommandId": id, "InstanceId.1": "i-small-01", "Parameters": parameters.to_string()});
    for wrong in [json!({}), json!({"name": "web", "more": "1"})] {
        let refused = ecs(&mut cloud, "InvokeCommand", ask(wrong));
        assert_eq!(code(refused), "InvalidParameters.KeyNotMatch");
    }
    let started = ecs(&mut cloud, "InvokeCommand", ask(json!({"name": "web"}))).unwrap();
    pass(&mut cloud, 10);
    let shown = invocation(&mut cloud, &started["InvokeId"]);
    assert_eq!(
        [
            &shown["CommandId"],
            &shown["CommandName"],
            &shown["WorkingDir"],
            &shown["InvocationStatus"]
        ],
        [&id, &json!("greet"), &json!("/srv"), &json!("Success")]
    );
    let results = json!({"InvokeId": started["InvokeId"], "ContentEncoding": "PlainText"});
    let results = ecs(&mut cloud, "DescribeInvocationResults", results).unwrap();
    let output = &results["Invocation"]["InvocationResults"]["InvocationResult"][0]["Output"];
    assert_eq!(output, "hello");
    let read = ecs(&mut cloud, "DescribeCommands", json!({"CommandId": id})).unwrap();
    assert_eq!(read["Commands"]["Command"][0]["InvokeTimes"], 1);
    ecs(&mut cloud, "DeleteCommand", json!({"CommandId": id})).unwrap();
    let gone = ecs(&mut cloud, "InvokeCommand", ask(json!({"name": "web"})));
    assert_eq!(code(gone), "InvalidCmdId.NotFound");
}

#[test]
fn parameters_of_a_command_that_takes_none_are_refused() {
    let mut cloud = small("");
    let ask = |more: Value| {
        let mut ask = json!({"Type": "RunShellScript", "CommandContent": "echo {{name}}", "InstanceId.1": "i-small-01",
            "Parameters": "{\"name\": \"web\"}"});
        for (name, value) in more.as_object().unwrap() {
            ask[name] = value.clone();
        }
        ask
    };
    let refused = ecs(&mut cloud, "RunCommand", ask(json!({}))).unwrap_err();
    assert!(refused.message.contains("EnableParameter"), "{refused:?}");
    ecs(&mut cloud, "RunCommand", ask(json!({"Parameters": "{}"}))).unwrap();
    let taken = ask(json!({"EnableParameter": "true"}));
    ecs(&mut cloud, "RunCommand", taken).unwrap();
}

#[test]
fn what_a_command_becomes_is_what_is_run() {
    let mut cloud = small("");
    let id = create(&mut cloud, "true", json!({}));
    let plain = ecs(
        &mut cloud,
        "ModifyCommand",
        json!({"CommandId": id, "CommandContent": "no base64!"}),
    );
    assert_eq!(code(plain), "InvalidParameter");
    let change =
        json!({"CommandId": id, "Name": "other", "CommandContent": STANDARD.encode("false")});
    ecs(&mut cloud, "ModifyCommand", change).unwrap();
    let ask = json!({"CommandId": id, "InstanceId.1": "i-small-01", "Timeout": 5});
    let started = ecs(&mut cloud, "InvokeCommand", ask).unwrap();
    let shown = invocation(&mut cloud, &started["InvokeId"]);
    assert_eq!(
        [&shown["CommandName"], &shown["CommandContent"]],
        ["other", "false"]
    );
    // A command takes ten seconds.
    pass(&mut cloud, 5);
    let shown = invocation(&mut cloud, &started["InvokeId"]);
    let run = &shown["InvokeInstances"]["InvokeInstance"][0];
    assert_eq!(
        [&run["InvocationStatus"], &run["ErrorCode"]],
        ["Timeout", "ExecutionTimeout"]
    );
}

#[test]
fn run_command_keeps_a_command_if_it_is_told_to() {
    let mut cloud = small("");
    for (keep, count) in [(false, 0), (true, 1)] {
        let ask = json!({
            "Type": "RunPythonScript", "CommandContent": "print(1)", "InstanceId.1": "i-small-01",
            "KeepCommand": keep,
        });
        let ran = ecs(&mut cloud, "RunCommand", ask).unwrap();
        let found = json!({"CommandId": ran["CommandId"]});
        let read = ecs(&mut cloud, "DescribeCommands", found).unwrap();
        assert_eq!(read["TotalCount"], count);
    }
}

#[test]
fn a_command_is_stopped_where_it_still_runs() {
    let mut cloud = small("commands: [{instance: i-small-02, durationSeconds: 3}]");
    let ask = json!({
        "Type": "RunShellScript", "CommandContent": "sleep 9",
        "InstanceId.1": "i-small-01", "InstanceId.2": "i-small-02",
    });
    let started = ecs(&mut cloud, "RunCommand", ask).unwrap();
    pass(&mut cloud, 5);
    let stop = json!({"InvokeId": started["InvokeId"]});
    ecs(&mut cloud, "StopInvocation", stop).unwrap();
    pass(&mut cloud, 60);
    let shown = invocation(&mut cloud, &started["InvokeId"]);
    assert_eq!(shown["InvokeStatus"], "Stopped");
    let runs = &shown["InvokeInstances"]["InvokeInstance"];
    let statuses = [&runs[0]["InvocationStatus"], &runs[1]["InvocationStatus"]];
    assert_eq!(statuses, ["Terminated", "Success"]);
    let none = ecs(&mut cloud, "StopInvocation", json!({"InvokeId": "t-none"}));
    assert_eq!(code(none), "InvalidInvokeId.NotFound");
}

#[test]
fn a_command_that_repeats_is_refused_by_name() {
    let mut cloud = small("");
    let id = create(&mut cloud, "true", json!({}));
    for mode in ["Period", "NextRebootOnly", "EveryReboot"] {
        let ask = json!({"CommandId": id, "InstanceId.1": "i-small-01", "RepeatMode": mode});
        let refused = ecs(&mut cloud, "InvokeCommand", ask).unwrap_err();
        assert_eq!(refused.code, "UnsupportedParameter");
        assert!(
            refused.message.contains("RepeatMode"),
            "{}",
            refused.message
        );
    }
}

fn send(cloud: &mut Cloud, more: Value) -> Value {
    let mut ask = json!({
        "Name": "app.conf", "TargetDir": "/etc", "Content": "port=1",
        "InstanceId.1": "i-small-01", "InstanceId.2": "i-small-02",
    });
    ask.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    ecs(cloud, "SendFile", ask).unwrap()["InvokeId"].clone()
}

fn sent(cloud: &mut Cloud, id: &Value) -> (Value, Vec<Value>) {
    let read = ecs(cloud, "DescribeSendFileResults", json!({"InvokeId": id})).unwrap();
    let row = read["Invocations"]["Invocation"][0].clone();
    let runs = row["InvokeInstances"]["InvokeInstance"].as_array().unwrap();
    let codes = runs.iter().map(|run| run["ErrorCode"].clone()).collect();
    (row["InvocationStatus"].clone(), codes)
}

#[test]
fn a_file_arrives_or_does_not_on_each_instance() {
    let mut cloud = small(
        "files: [{instance: i-small-02, attempt: 1, errorCode: ClientNotResponse, durationSeconds: 2}]",
    );
    let first = send(&mut cloud, json!({}));
    assert_eq!(sent(&mut cloud, &first).0, "Running");
    pass(&mut cloud, 5);
    let codes = vec![json!(""), json!("ClientNotResponse")];
    assert_eq!(sent(&mut cloud, &first), (json!("PartialFailed"), codes));
    // It is on the first instance by now.
    let second = send(&mut cloud, json!({}));
    pass(&mut cloud, 5);
    let codes = vec![json!("FileAlreadyExists"), json!("")];
    assert_eq!(sent(&mut cloud, &second), (json!("PartialFailed"), codes));
    let third = send(&mut cloud, json!({"Overwrite": true}));
    pass(&mut cloud, 5);
    assert_eq!(sent(&mut cloud, &third).0, "Success");
    let ask = json!({
        "Name": "x", "TargetDir": "/", "Content": "?", "ContentType": "Base64",
        "InstanceId.1": "i-small-01",
    });
    assert_eq!(code(ecs(&mut cloud, "SendFile", ask)), "InvalidParameter");
}

#[test]
fn a_command_that_is_run_at_once_is_held_to_its_placeholders_and_instances() {
    let mut cloud = small("");
    let ask = |parameters: Value, instances: &[&str]| {
        let mut ask = json!({"Type": "RunShellScript", "ContentEncoding": "PlainText", "EnableParameter": true,
            "CommandContent": "echo {{name}} {{ACS::InstanceId}}", "Parameters": parameters.to_string()});
        for (n, id) in instances.iter().enumerate() {
            ask[format!("InstanceId.{}", n + 1)] = json!(id);
        }
        ask
    };
    for wrong in [
        json!({}),
        json!({"nam": "web"}),
        json!({"name": "web", "more": "1"}),
    ] {
        let refused = ecs(&mut cloud, "RunCommand", ask(wrong, &["i-small-01"]));
        assert_eq!(code(refused), "InvalidParameters.KeyNotMatch");
    }
    let right = json!({"name": "web"});
    let twice = ask(right.clone(), &["i-small-01", "i-small-01"]);
    assert_eq!(
        code(ecs(&mut cloud, "RunCommand", twice)),
        "InvalidParameter"
    );
    let both = ask(right, &["i-small-01", "i-small-02"]);
    ecs(&mut cloud, "RunCommand", both).unwrap();
    // Without parameters the braces are text.
    let plain = json!({"Type": "RunShellScript", "ContentEncoding": "PlainText", "CommandContent": "echo {{name}}",
        "InstanceId.1": "i-small-01"});
    ecs(&mut cloud, "RunCommand", plain).unwrap();
}
