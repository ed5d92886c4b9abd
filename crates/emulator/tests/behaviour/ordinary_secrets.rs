//! Secrets that are ordinary words, and secrets in calls that are refused: what is read of a run stays
//! readable, and shows none.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::front::{self, Outcome, Request, Response};
use ess_emulator::recording::{self, Recording, Scene, replay};
use ess_emulator::state::call::{EssVersion, Service};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Ask, SMALL, control, ecs, ess, oos, pass, small};

fn ask(cloud: &mut Cloud, service: Service, action: &str, params: Value) {
    // Whether it is refused is what is recorded.
    let _ = Ask::default().outcome(cloud, service, action, params);
}

/// A cloud that is recorded, and where it starts.
fn recorded() -> (Cloud, Scene) {
    let fixture = Fixture::parse(SMALL).unwrap();
    let mut cloud = Cloud::new(&fixture).unwrap();
    let scene = Scene::new(SMALL, &fixture, cloud.now()).unwrap();
    recording::begin(&mut cloud);
    (cloud, scene)
}

/// What is written of a run, which has to verify.
fn verified(cloud: &mut Cloud, scene: &Scene, of: &str) -> String {
    let taken = recording::take(cloud, scene).unwrap();
    let file = serde_json::to_string(&taken).unwrap();
    let read: Recording = serde_json::from_str(&file).unwrap();
    let verdict = replay::replay(&read).unwrap();
    assert_eq!(verdict.differences, [], "{of}");
    file
}

/// Values are secret; so is what Fn::Jq makes of them, which may be any name.
const ORDINARY: &[&str] = &[
    "admin",
    "asg-small",
    "small",
    "true",
    "cn-hangzhou",
    "hangzhou",
    "InstanceIds",
    "Instance",
    "DescribeInstances",
    "Automatic",
    "Success",
    "Name",
    "12",
    "1024",
    "uptime",
    "hunter2-of-the-database",
    "m-1",
    "i-small-01",
    "0",
    "echo",
    "Outputs",
    "secret",
    "OOS",
    "2026",
    "2026-01-05",
    "00000",
    "secret-of-the-recording-1",
    "[\"asg-small\", \"admin\"]",
    "{\"InstanceName\": \"uptime\", \"n\": 1024}",
    "two\nlines \\ \"quoted\" & more",
    "exec-",
    "default",
    "root",
    "First",
    "upcase",
];

fn template() -> String {
    let secret = "{{ oos-secret:n }}";
    let call = |name: &str, parameters: Value| {
        json!({"Name": name, "Action": "ACS::ExecuteAPI", "OnError": "ACS::NEXT",
            "Properties": {"Service": "ECS", "API": "DescribeInstances", "Parameters": parameters}})
    };
    json!({
        "FormatVersion": "OOS-2019-06-01",
        "Parameters": {"admin": {"Type": "String", "Default": "{{ oos-secret:n }}"}, "mode": {"Default": "Automatic"}},
        "Tasks": [
            call("named", json!({"RegionId": "cn-hangzhou", "InstanceName": secret})),
            call("short", json!({"InstanceName": {"Fn::Jq": ["First", ".[0:5]", secret]}})),
            call("spliced", json!({"InstanceName": "x-{{ oos-secret:n }}-y"})),
        ],
        "Outputs": {"o": {"Type": "String", "Value": secret},
            "up": {"Type": "String", "Value": {"Fn::Jq": ["First", "ascii_upcase", secret]}}},
    })
    .to_string()
}

/// A run in which ordinary words are used for what they say, before and after one becomes a secret.
fn run(cloud: &mut Cloud, value: &str) {
    for round in 0..2 {
        let command = json!({"Type": "RunShellScript", "InstanceId.1": "i-small-01", "Timeout": "1024",
            "ContentEncoding": "PlainText", "CommandContent": "uptime; echo true admin 12"});
        ask(cloud, Service::Ecs, "RunCommand", command);
        let tags = json!({"ResourceType": "instance", "ResourceId.1": "i-small-01",
            "Tag.1.Key": "owner", "Tag.1.Value": value});
        ask(cloud, Service::Ecs, "TagResources", tags);
        if round == 0 {
            let made = json!({"Name": "n", "Value": value});
            ask(cloud, Service::Oos, "CreateSecretParameter", made);
        }
        let named = json!({"ScalingGroupId.1": "asg-small", "PageSize": "12"});
        ask(cloud, Service::Ess, "DescribeScalingGroups", named);
        let given = json!({"TemplateContent": template(), "Mode": "Automatic",
            "Parameters": json!({"mode": "Automatic"}).to_string()});
        ask(cloud, Service::Oos, "StartExecution", given);
        pass(cloud, 60);
        for action in ["ListExecutions", "ListTaskExecutions"] {
            ask(cloud, Service::Oos, action, json!({}));
        }
        ask(cloud, Service::Ecs, "DescribeInstances", json!({}));
        let resize = json!({"ScalingGroupId": "asg-small", "MaxSize": (4 + round).to_string()});
        ask(cloud, Service::Ess, "ModifyScalingGroup", resize);
        let other = json!({"Name": "n", "Value": format!("{value}-{round}")});
        ask(cloud, Service::Oos, "UpdateSecretParameter", other);
        ask(
            cloud,
            Service::Oos,
            "GetSecretParameter",
            json!({"Name": "n", "WithDecryption": "true"}),
        );
    }
}

#[test]
fn a_run_verifies_whatever_word_is_a_secret() {
    for value in ORDINARY.iter().copied().chain(["******", "***"]) {
        let (mut cloud, scene) = recorded();
        run(&mut cloud, value);
        verified(&mut cloud, &scene, value);
    }
}

/// What a secret says decides what an execution does, and by which id something is found.
#[test]
fn a_run_verifies_that_does_what_a_secret_says() {
    for (api, name, value) in [
        ("DescribeInstances", "RegionId", "cn-hangzhou"),
        ("DescribeInstances", "Status", "Running"),
        ("DescribeInstanceAttribute", "InstanceId", "i-small-01"),
        ("RebootInstance", "InstanceId", "i-small-02"),
        ("RebootInstance", "ForceStop", "true"),
    ] {
        let (mut cloud, scene) = recorded();
        let made = json!({"Name": "n", "Value": value});
        ask(&mut cloud, Service::Oos, "CreateSecretParameter", made);
        let mut parameters = json!({});
        if api == "RebootInstance" {
            parameters["InstanceId"] = json!("i-small-01");
        }
        parameters[name] = json!("{{ oos-secret:n }}");
        let content = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "t", "Action": "ACS::ExecuteAPI",
            "Properties": {"Service": "ECS", "API": api, "Parameters": parameters}}]});
        let given = json!({"TemplateContent": content.to_string()});
        ask(&mut cloud, Service::Oos, "StartExecution", given);
        pass(&mut cloud, 60);
        let list = oos(&mut cloud, "ListExecutions", json!({})).unwrap();
        let run = &list["Executions"][0];
        assert_eq!(run["Status"], "Success", "{value}: {run}");
        let made = json!({"Name": "of", "Value": run["ExecutionId"]});
        ask(&mut cloud, Service::Oos, "CreateSecretParameter", made);
        let named = json!({"ExecutionId": run["ExecutionId"]});
        ask(&mut cloud, Service::Oos, "ListExecutions", named);
        let fault = json!({"service": "ECS", "action": "DescribeInstances",
            "effect": {"kind": "error", "status": 400, "code": "X", "message": format!("not {value}")}});
        control(&mut cloud, "POST", "faults", fault);
        verified(&mut cloud, &scene, value);
    }
}

/// What the control API was told is in a recording, too.
#[test]
fn a_recording_has_no_secret_that_the_control_api_was_told() {
    let (mut cloud, scene) = recorded();
    let value = "hunter2-of-the-database";
    let fault = json!({"service": "ECS", "action": "DescribeInstances",
        "effect": {"kind": "error", "status": 400, "code": "X", "message": format!("not {value}")}});
    control(&mut cloud, "POST", "faults", fault);
    let made = json!({"Name": "n", "Value": value});
    ask(&mut cloud, Service::Oos, "CreateSecretParameter", made);
    ask(&mut cloud, Service::Ecs, "DescribeInstances", json!({}));
    let file = verified(&mut cloud, &scene, value);
    assert!(!file.contains(value), "{file}");
}

#[test]
fn calls_say_what_they_are_whatever_word_is_a_secret() {
    let known = |cloud: &mut Cloud| {
        run(cloud, "hunter2-of-the-database");
        let entries = journal(cloud);
        let row = |e: &Value| {
            let names: Vec<String> = e["params"].as_object().unwrap().keys().cloned().collect();
            (e["action"].to_string(), e["region"].to_string(), names)
        };
        entries.iter().map(row).collect::<Vec<_>>()
    };
    let expected = known(&mut small(""));
    for value in ORDINARY.iter().copied() {
        let mut cloud = small("");
        run(&mut cloud, value);
        let entries = journal(&mut cloud);
        assert_eq!(entries.len(), expected.len(), "{value}");
        for (entry, (action, region, names)) in entries.iter().zip(&expected) {
            assert_eq!(entry["action"].to_string(), *action, "{value}");
            assert_eq!(entry["region"].to_string(), *region, "{value}");
            let own: Vec<&String> = entry["params"].as_object().unwrap().keys().collect();
            assert_eq!(own, names.iter().collect::<Vec<_>>(), "{value}: {entry}");
            if entry["action"] == "CreateSecretParameter" {
                assert_eq!(entry["params"]["Value"], "***", "{value}");
            }
            if entry["byOos"] == true {
                let given = &entry["params"]["InstanceName"];
                assert!(!given.to_string().contains(value), "{value}: {entry}");
            }
        }
    }
}

#[test]
fn an_execution_shows_no_secret_that_is_an_ordinary_word() {
    for value in ORDINARY.iter().copied() {
        let mut cloud = small("");
        run(&mut cloud, value);
        let list = oos(&mut cloud, "ListExecutions", json!({})).unwrap();
        for run in list["Executions"].as_array().unwrap() {
            let read = |name: &str| -> Value {
                match &run[name] {
                    Value::String(text) => serde_json::from_str(text).unwrap(),
                    other => other.clone(),
                }
            };
            let (outputs, parameters) = (read("Outputs"), read("Parameters"));
            assert_eq!(outputs["o"], "******", "{value}: {run}");
            assert_ne!(parameters["admin"], value, "{run}");
            // Whoever waits for it can.
            assert_eq!(run["Status"], "Success", "{value}: {run}");
        }
    }
}

fn journal(cloud: &mut Cloud) -> Vec<Value> {
    let (_, journal) = control(cloud, "GET", "journal", Value::Null);
    journal["entries"].as_array().unwrap().clone()
}

/// What became a secret after a call had it in clear is in no list of the journal either.
#[test]
fn an_earlier_call_shows_no_later_secret() {
    let mut cloud = small("");
    let value = "hunter2-of-the-database";
    let find = json!({"InstanceName": value});
    ecs(&mut cloud, "DescribeInstances", find).unwrap();
    let made = json!({"Name": "n", "Value": value});
    oos(&mut cloud, "CreateSecretParameter", made).unwrap();
    let entries = journal(&mut cloud);
    assert_eq!(entries[0]["params"]["InstanceName"], "******");
}

const VALUE: &str = "S3cr&t +of/the=database";

fn encode(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    let each = text.bytes().map(|b| match plain(b) {
        true => char::from(b).to_string(),
        false => format!("%{b:02X}"),
    });
    each.collect()
}

/// A call over the wire whose signature is wrong, and the answer to it.
fn wrongly_signed(cloud: &mut Cloud, v3: bool, params: &[(&str, &str)]) -> String {
    let is_header = |name: &str| name.starts_with("x-acs-");
    let mut query: Vec<String> = params
        .iter()
        .filter(|(name, _)| !is_header(name))
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let mut headers = vec![("host".to_owned(), "oos.cn-hangzhou.aliyuncs.com".to_owned())];
    match v3 {
        true => {
            let action = params.iter().find(|(name, _)| *name == "Action").unwrap().1;
            for (name, value) in [
                ("x-acs-action", action),
                ("x-acs-version", "2019-06-01"),
                ("x-acs-date", "1970-01-01T00:00:00Z"),
                ("x-acs-signature-nonce", "n"),
                (
                    "authorization",
                    "ACS3-HMAC-SHA256 Credential=admin-key,SignedHeaders=host;x-acs-action;x-acs-date;\
                     x-acs-signature-nonce;x-acs-version,Signature=00",
                ),
            ] {
                headers.push((name.to_owned(), value.to_owned()));
            }
            let more = params.iter().filter(|(name, _)| is_header(name));
            for (name, value) in more {
                let (_, signed) = headers
                    .iter_mut()
                    .find(|(name, _)| name == "authorization")
                    .unwrap();
                *signed = signed.replace("=host;", &format!("=host;{name};"));
                headers.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        false => query.push(
            "Version=2019-06-01&AccessKeyId=admin-key&Signature=eA%3D%3D&SignatureMethod=HMAC-SHA1\
             &SignatureVersion=1.0&SignatureNonce=1&Timestamp=1970-01-01T00%3A00%3A00Z"
                .to_owned(),
        ),
    }
    let request = Request {
        method: "POST".into(),
        path: "/".into(),
        query: query.join("&"),
        headers,
        body: Vec::new(),
    };
    let Outcome::Answer(Response { body, .. }) =
        front::handle(cloud, &request, Timestamp::UNIX_EPOCH)
    else {
        panic!("an answer at once was expected");
    };
    String::from_utf8(body).unwrap()
}

/// The service quotes what it was sent, to the client that knows it; nobody else may read it.
#[test]
fn what_is_quoted_of_a_call_with_a_wrong_signature_shows_no_secret() {
    let hook = "https://oapi.dingtalk.com/robot/send?access_token=TTTT1111";
    let template =
        json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "t", "Action": "ACS::Notify",
        "Properties": {"NotifyType": "WebHook", "WebHook": {"URI": hook, "Content": {}}}}]})
        .to_string();
    for (action, params) in [
        ("CreateSecretParameter", vec![("Value", VALUE)]),
        ("UpdateSecretParameter", vec![("Value", VALUE)]),
        ("CreateSecretParameter", vec![("value", VALUE)]),
        ("CreateSecretParamter", vec![("Value", VALUE)]),
        ("createsecretparameter", vec![("VALUE", VALUE)]),
        (
            "CreateParameter",
            vec![("Type", "Secret"), ("Value", VALUE)],
        ),
        (
            "CreateParameter",
            vec![("type", "secret"), ("value", VALUE)],
        ),
        ("CreateSecretParameter", vec![("Value", "ab")]),
        ("StartExecution", vec![("SecurityToken", VALUE)]),
        ("StartExecution", vec![("Password", VALUE)]),
        (
            "StartExecution",
            vec![("TemplateContent", template.as_str())],
        ),
    ] {
        for v3 in [false, true] {
            let (mut cloud, scene) = recorded();
            let mut params = params.clone();
            params.push(("Action", action));
            params.push(("Name", "n"));
            let answer = wrongly_signed(&mut cloud, v3, &params);
            let code = match params[0].0 {
                // The key is no session's.
                "SecurityToken" if !v3 => "MismatchWithAccessKey",
                _ => "SignatureDoesNotMatch",
            };
            assert!(answer.contains(code), "{answer}");
            let shown = Value::Array(journal(&mut cloud)).to_string();
            let file = verified(&mut cloud, &scene, action);
            let once = encode(VALUE);
            let twice = encode(&once);
            let pair = ["alue=ab", "alue%3Dab"].map(str::to_owned);
            let forms = [VALUE.to_owned(), once, twice, "TTTT1111".to_owned()];
            for form in forms.iter().chain(&pair) {
                assert!(!shown.contains(form), "{action}: {form} in {shown}");
                assert!(!file.contains(form), "{action}: {form} in {file}");
            }
            let name = params[0].0;
            assert!(shown.contains(name), "{name} is not in {shown}");
        }
    }
}

/// The same for calls that are refused for something else, or for nothing.
#[test]
fn what_may_be_meant_for_a_secret_is_in_no_entry_of_the_journal() {
    for (action, params) in [
        ("CreateParameter", json!({"Type": "Secret", "Value": VALUE})),
        ("CreateParameter", json!({"Type": "Secrt", "Value": VALUE})),
        ("CreateSecretParameter", json!({"value": VALUE})),
        ("CreateSecretParamter", json!({"Value": VALUE})),
        (
            "CreateSecretParameter",
            json!({"Value": VALUE, "Constraints": "{\"MaxLength\": 3}"}),
        ),
        (
            "CreateSecretParameter",
            json!({"Value": VALUE, "Constraints": "{\"AllowedValues\": [\"a\"]}"}),
        ),
        ("CreateSecretParameter", json!({"Value.1": VALUE})),
    ] {
        let (mut cloud, scene) = recorded();
        let mut params = params;
        params["Name"] = json!("n");
        ask(&mut cloud, Service::Oos, action, params.clone());
        let shown = Value::Array(journal(&mut cloud)).to_string();
        let file = verified(&mut cloud, &scene, action);
        assert!(!shown.contains("S3cr"), "{action} {params}: {shown}");
        assert!(!file.contains("S3cr"), "{action} {params}: {file}");
    }
    // What is no secret is there.
    let (mut cloud, _) = recorded();
    let plain = json!({"Name": "p", "Type": "String", "Value": "in the open"});
    oos(&mut cloud, "CreateParameter", plain).unwrap();
    assert_eq!(journal(&mut cloud)[0]["params"]["Value"], "in the open");
}

fn notifying(uri: &str, headers: &Value) -> String {
    let hook = json!({"URI": uri, "Headers": headers, "Content": {"text": "done"}});
    json!({"FormatVersion": "OOS-2019-06-01", "Parameters": {"to": {"Default": "https://h.example/x?key=DDDD2222"}},
        "Tasks": [{"Name": "tell", "Action": "ACS::Notify", "Properties": {"NotifyType": "WebHook", "WebHook": hook}}]})
    .to_string()
}

#[test]
fn the_token_of_a_webhook_is_in_no_entry_of_the_journal_and_in_no_recording() {
    let uri = "https://oapi.dingtalk.com/robot/send?access_token=TTTT1111";
    let headers = json!({"Authorization": "Bearer HHHH3333", "X-Api-Token": "AAAA4444"});
    let contents = [
        notifying(uri, &headers),
        notifying("https://u:PPPP5555@h.example/x", &json!({})),
        notifying("{{ to }}", &json!({})),
        format!(
            "FormatVersion: OOS-2019-06-01\nTasks:\n- Name: tell\n  Action: ACS::Notify\n  Properties:\n    \
            NotifyType: WebHook\n    WebHook:\n      URI: {uri}\n      Content: {{text: done}}\n      \
            Headers: {{Authorization: Bearer HHHH3333}}\n"
        ),
        // One that is refused shows none either.
        format!("FormatVersion: nonsense\nURI: {uri}\n"),
    ];
    for content in contents {
        let (mut cloud, scene) = recorded();
        let made = json!({"TemplateName": "t", "Content": content});
        ask(&mut cloud, Service::Oos, "CreateTemplate", made);
        let given = json!({"to": "https://h.example/x?token=GGGG6666"}).to_string();
        ask(
            &mut cloud,
            Service::Oos,
            "StartExecution",
            json!({"TemplateContent": content, "Parameters": given}),
        );
        pass(&mut cloud, 60);
        ask(
            &mut cloud,
            Service::Oos,
            "GetTemplate",
            json!({"TemplateName": "t"}),
        );
        ask(&mut cloud, Service::Oos, "ListExecutions", json!({}));
        let shown = Value::Array(journal(&mut cloud)).to_string();
        let file = verified(&mut cloud, &scene, &content);
        for token in [
            "TTTT1111", "DDDD2222", "HHHH3333", "AAAA4444", "PPPP5555", "GGGG6666",
        ] {
            assert!(!shown.contains(token), "{token} in {shown}");
            assert!(!file.contains(token), "{token} in {file}");
        }
    }
}

/// A fixture may have calls with secrets, and a library templates with tokens.
#[test]
fn the_scene_of_a_recording_has_no_secret_of_calls_and_no_token() {
    let uri = "https://h.example/x?token=TTTT1111";
    let content = notifying(uri, &json!({"Authorization": "Bearer HHHH3333"}));
    let events = json!([
        {"atSeconds": 1, "do": {"call": {"service": "OOS", "action": "CreateSecretParameter", "as": "admin",
            "params": {"Name": "n", "Value": "hunter2-of-the-database"}}}},
        {"atSeconds": 2, "do": {"call": {"service": "OOS", "action": "StartExecution", "as": "admin",
            "params": {"TemplateContent": content}}}},
    ]);
    let text = format!("{SMALL}\nevents: {events}\n");
    let fixture = Fixture::parse(&text).unwrap();
    let mut cloud = Cloud::new(&fixture).unwrap();
    cloud.world.library.add("Told", &content).unwrap();
    let mut scene = Scene::new(&text, &fixture, cloud.now()).unwrap();
    scene.templates.push(recording::Template {
        name: "Told".to_owned(),
        content,
    });
    recording::begin(&mut cloud);
    pass(&mut cloud, 60);
    ask(
        &mut cloud,
        Service::Oos,
        "StartExecution",
        json!({"TemplateName": "Told"}),
    );
    ask(
        &mut cloud,
        Service::Oos,
        "GetTemplate",
        json!({"TemplateName": "Told"}),
    );
    let find = json!({"InstanceName": "hunter2-of-the-database"});
    ask(&mut cloud, Service::Ecs, "DescribeInstances", find);
    let file = verified(&mut cloud, &scene, "events");
    for secret in ["hunter2", "TTTT1111", "HHHH3333"] {
        assert!(!file.contains(secret), "{secret} in {file}");
    }
}

/// A session's token is signed as a header, and quoted as one.
#[test]
fn the_token_of_a_session_is_in_no_message() {
    for v3 in [false, true] {
        let text = SMALL.replace(
            "accessKeyId: admin-key",
            "accessKeyId: admin-key\n    securityToken: SSSS+TTTT/7777=",
        );
        let mut cloud = crate::support::cloud(&text);
        let name = if v3 {
            "x-acs-security-token"
        } else {
            "SecurityToken"
        };
        let params = [("Action", "ListExecutions"), (name, "SSSS+TTTT/7777=")];
        let answer = wrongly_signed(&mut cloud, v3, &params);
        assert!(answer.contains("SignatureDoesNotMatch"), "{answer}");
        let shown = Value::Array(journal(&mut cloud)).to_string();
        assert!(shown.contains("SignatureDoesNotMatch"), "{shown}");
        assert!(!shown.contains("TTTT"), "{shown}");
    }
}

#[test]
fn errors_show_no_value_of_a_parameter_with_no_echo() {
    let value = "hunter2-of-the-database";
    for (more, given) in [
        (json!({"Type": "Number"}), json!(value)),
        (json!({"AllowedValues": ["a"]}), json!(value)),
        (
            json!({"Type": "List", "AllowedValues": ["a"]}),
            json!([value]),
        ),
        (json!({"AllowedPattern": "[0-9]+"}), json!(value)),
        (json!({}), json!(value)),
        (
            json!({"Default": value, "AllowedValues": ["a"]}),
            Value::Null,
        ),
        (json!({"Default": value}), Value::Null),
    ] {
        let mut cloud = small("");
        let mut parameter = more.clone();
        parameter["NoEcho"] = json!(true);
        // The service says what it refuses.
        let call = json!({"Service": "ECS", "API": "DescribeInstanceAttribute", "Parameters": {"InstanceId": "{{ pw }}"}});
        let content = json!({"FormatVersion": "OOS-2019-06-01", "Parameters": {"pw": parameter},
            "Tasks": [{"Name": "t", "Action": "ACS::ExecuteAPI", "Properties": call}]});
        let ask = json!({"TemplateContent": content.to_string(), "Parameters": json!({"pw": given}).to_string()});
        let mut messages = match oos(&mut cloud, "StartExecution", ask) {
            Err(error) => {
                assert!(error.message.contains("pw"), "{error}");
                error.message
            }
            Ok(answer) => {
                pass(&mut cloud, 60);
                let named = json!({"ExecutionId": answer["Execution"]["ExecutionId"]});
                let list = oos(&mut cloud, "ListExecutions", named).unwrap();
                list["Executions"][0]["StatusMessage"].to_string()
            }
        };
        assert!(!messages.is_empty(), "{more}");
        for entry in journal(&mut cloud) {
            messages.push_str(&entry["message"].to_string());
        }
        assert!(!messages.contains("hunter2"), "{more}: {messages}");
    }
}

#[test]
fn what_is_read_in_one_version_of_ess_says_the_same_in_the_other() {
    // The region and the group are named in both.
    let mut cloud = small("");
    let made = json!({"Name": "n", "Value": "asg-small"});
    oos(&mut cloud, "CreateSecretParameter", made).unwrap();
    let old = Ask {
        version: EssVersion::V2014,
        ..Ask::default()
    };
    let named = json!({"ScalingGroupId.1": "asg-small"});
    old.call(&mut cloud, Service::Ess, "DescribeScalingGroups", named)
        .unwrap();
    let named = json!({"ScalingGroupIds.1": "asg-small"});
    ess(&mut cloud, "DescribeScalingGroups", named).unwrap();
    let entries = journal(&mut cloud);
    assert_eq!(entries[1]["params"]["ScalingGroupId"], json!(["asg-small"]));
    assert_eq!(
        entries[2]["params"]["ScalingGroupIds"],
        json!(["asg-small"])
    );
}
