//! Cloud Assistant: outcomes per instance and attempt.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{code, control, ecs, pass, small};

fn run(cloud: &mut Cloud, ids: &[&str]) -> String {
    let mut params = json!({"Type": "RunShellScript", "CommandContent": "deploy", "Timeout": 100});
    for (n, id) in ids.iter().enumerate() {
        params[format!("InstanceId.{}", n + 1)] = json!(id);
    }
    ecs(cloud, "RunCommand", params).unwrap()["InvokeId"]
        .as_str()
        .unwrap()
        .to_owned()
}

fn invoke_status(cloud: &mut Cloud, id: &str) -> Value {
    let read = ecs(cloud, "DescribeInvocations", json!({"InvokeId": id})).unwrap();
    read["Invocations"]["Invocation"][0]["InvokeStatus"].clone()
}

fn result(cloud: &mut Cloud, invoke: &str, instance: &str) -> Value {
    let read = json!({"InvokeId": invoke, "InstanceId": instance});
    let read = ecs(cloud, "DescribeInvocationResults", read).unwrap();
    read["Invocation"]["InvocationResults"]["InvocationResult"][0].clone()
}

const RULES: &str = r#"
durations: {command: 10}
commands:
  - {instance: i-small-02, attempt: 1, exitCode: 3, output: "oops\n"}
  - {instance: i-small-03, errorCode: ClientNotResponse}
  - {contentContains: slow, durationSeconds: 500}
  - {output: "0123456789abcdef", outputTimes: 2000}
"#;

#[test]
fn the_fixture_decides_how_each_attempt_ends() {
    let mut cloud = small(RULES);
    let first = run(&mut cloud, &["i-small-02"]);
    assert_eq!(invoke_status(&mut cloud, &first), "Running");
    assert_eq!(
        result(&mut cloud, &first, "i-small-02")["InvocationStatus"],
        "Running"
    );
    pass(&mut cloud, 10);
    // Finished does not mean that the exit code is 0.
    assert_eq!(invoke_status(&mut cloud, &first), "Finished");
    let ended = result(&mut cloud, &first, "i-small-02");
    assert_eq!(ended["InvocationStatus"], "Failed");
    assert_eq!(
        (ended["ExitCode"].as_i64(), ended["ErrorCode"].as_str()),
        (Some(3), Some("ExitCodeNonzero"))
    );
    assert_eq!(
        STANDARD.decode(ended["Output"].as_str().unwrap()).unwrap(),
        b"oops\n"
    );
    let second = run(&mut cloud, &["i-small-02"]);
    pass(&mut cloud, 10);
    assert_eq!(
        result(&mut cloud, &second, "i-small-02")["InvocationStatus"],
        "Success"
    );
}

#[test]
fn outputs_are_cut_at_24_kilobytes() {
    let mut cloud = small(RULES);
    let id = run(&mut cloud, &["i-small-01"]);
    pass(&mut cloud, 10);
    let ended = result(&mut cloud, &id, "i-small-01");
    assert_eq!(
        STANDARD
            .decode(ended["Output"].as_str().unwrap())
            .unwrap()
            .len(),
        24 * 1024
    );
    assert_eq!(ended["Dropped"], 32_000 - 24 * 1024);
}

#[test]
fn no_more_of_an_output_is_kept_than_can_be_shown() {
    let rules = r#"
durations: {command: 10}
commands:
  - {instance: i-small-01, output: "0123456789abcdef", outputTimes: 60000000}
  - {instance: i-small-02, output: "0123456789ä", outputTimes: 18446744073709551615}
  - {instance: i-small-03, output: "a", outputTimes: 0}
"#;
    let mut cloud = small(rules);
    let id = run(&mut cloud, &["i-small-01", "i-small-02", "i-small-03"]);
    let state = control(&mut cloud, "GET", "state", Value::Null).1;
    assert!(state.to_string().len() < 1_000_000);
    pass(&mut cloud, 10);
    let many = result(&mut cloud, &id, "i-small-01");
    let shown = STANDARD.decode(many["Output"].as_str().unwrap()).unwrap();
    assert_eq!(shown.len(), 24 * 1024);
    assert!(shown.starts_with(b"0123456789abcdef0123"));
    assert_eq!(many["Dropped"], 960_000_000 - 24 * 1024);
    let letters = result(&mut cloud, &id, "i-small-02");
    let shown = STANDARD
        .decode(letters["Output"].as_str().unwrap())
        .unwrap();
    assert_eq!(shown.len(), 24 * 1024);
    assert_eq!(result(&mut cloud, &id, "i-small-03")["Dropped"], 0);
    let state = control(&mut cloud, "GET", "state", Value::Null).1;
    assert!(state.to_string().len() < 1_000_000);
}

#[test]
fn one_call_can_end_differently_on_each_instance() {
    let mut cloud = small(RULES);
    let id = run(&mut cloud, &["i-small-01", "i-small-02", "i-small-03"]);
    pass(&mut cloud, 10);
    assert_eq!(invoke_status(&mut cloud, &id), "PartialFailed");
    let broken = result(&mut cloud, &id, "i-small-03");
    assert_eq!(broken["ErrorCode"], "ClientNotResponse");
    assert_eq!(broken["ExitCode"], json!(null));
}

#[test]
fn a_command_that_takes_too_long_times_out() {
    let mut cloud = small(RULES);
    let slow = json!({"Type": "RunShellScript", "CommandContent": "slow", "Timeout": 100, "InstanceId.1": "i-small-01"});
    let id = ecs(&mut cloud, "RunCommand", slow).unwrap()["InvokeId"]
        .as_str()
        .unwrap()
        .to_owned();
    pass(&mut cloud, 99);
    assert_eq!(invoke_status(&mut cloud, &id), "Running");
    pass(&mut cloud, 1);
    assert_eq!(invoke_status(&mut cloud, &id), "Failed");
    assert_eq!(
        result(&mut cloud, &id, "i-small-01")["ErrorCode"],
        "ExecutionTimeout"
    );
}

#[test]
fn a_command_ends_with_its_instance() {
    let mut cloud = small(RULES);
    let id = run(&mut cloud, &["i-small-01"]);
    control(&mut cloud, "POST", "instances/i-small-01/stop", Value::Null);
    assert_eq!(
        result(&mut cloud, &id, "i-small-01")["ErrorCode"],
        "ExecutionInterrupted"
    );
    let late = run(&mut cloud, &["i-small-01"]);
    assert_eq!(
        result(&mut cloud, &late, "i-small-01")["ErrorCode"],
        "InstanceNotRunning"
    );
    assert_eq!(invoke_status(&mut cloud, &late), "Failed");
}

#[test]
fn windows_and_linux_do_not_share_scripts() {
    let mut cloud = small(
        "instances: [{instanceId: i-win, imageId: m-1, osType: windows}, {instanceId: i-mute, imageId: m-1, cloudAssistant: false}]",
    );
    let id = run(&mut cloud, &["i-win", "i-mute"]);
    assert_eq!(
        result(&mut cloud, &id, "i-win")["ErrorCode"],
        "CommandNotApplicable"
    );
    assert_eq!(
        result(&mut cloud, &id, "i-mute")["ErrorCode"],
        "ClientNotRunning"
    );
}

#[test]
fn commands_have_limits() {
    let mut cloud = small("");
    let with = |content: &str, kind: &str| json!({"Type": kind, "CommandContent": content, "InstanceId.1": "i-small-01"});
    let long = "x".repeat(18 * 1024 + 1);
    assert_eq!(
        code(ecs(&mut cloud, "RunCommand", with(&long, "RunShellScript"))),
        "CommandContent.ExceedLimit"
    );
    assert_eq!(
        code(ecs(&mut cloud, "RunCommand", with("x", "RunRuby"))),
        "InvalidParameter"
    );
    let none = json!({"Type": "RunShellScript", "CommandContent": "x"});
    assert_eq!(
        code(ecs(&mut cloud, "RunCommand", none)),
        "MissingParameter"
    );
}

#[test]
fn results_are_paged_by_number_and_by_token() {
    let mut cloud = small("instances: [{idPrefix: i-lone-, count: 12, imageId: m-1}]");
    let ids: Vec<String> = (1..=12).map(|n| format!("i-lone-{n:02}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let id = run(&mut cloud, &ids);
    let mut read = |more: Value| {
        let mut ask = json!({"InvokeId": id});
        for (name, value) in more.as_object().unwrap() {
            ask[name] = value.clone();
        }
        let answer = ecs(&mut cloud, "DescribeInvocationResults", ask)?;
        let page = answer["Invocation"].clone();
        let rows = page["InvocationResults"]["InvocationResult"].clone();
        Ok((rows.as_array().unwrap().len(), page))
    };
    let (rows, page) = read(json!({"PageSize": 5, "PageNumber": 3})).unwrap();
    assert_eq!(rows, 2);
    assert_eq!(
        (&page["PageNumber"], &page["PageSize"]),
        (&json!(3), &json!(5))
    );
    assert_eq!(page["TotalCount"], 12);
    assert_eq!(read(json!({"PageSize": 50})).unwrap().0, 12);
    assert_eq!(read(json!({"PageNumber": 2})).unwrap().0, 2);
    let too_many: Result<_, ess_emulator::error::ApiError> = read(json!({"PageSize": 51}));
    assert_eq!(too_many.unwrap_err().code, "InvalidParameter");
    let (rows, page) = read(json!({})).unwrap();
    assert_eq!((rows, &page["NextToken"]), (10, &json!("10")));
    // The token decides where both are given.
    assert_eq!(
        read(json!({"NextToken": "10", "PageSize": 5})).unwrap().0,
        2
    );

    for _ in 0..3 {
        run(&mut cloud, &["i-lone-01"]);
    }
    let page = json!({"PageSize": 3, "PageNumber": 2});
    let page = ecs(&mut cloud, "DescribeInvocations", page).unwrap();
    assert_eq!(
        page["Invocations"]["Invocation"].as_array().unwrap().len(),
        1
    );
    assert_eq!(page["TotalCount"], 4);
}
