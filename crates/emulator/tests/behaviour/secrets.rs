//! Encrypted parameters show nowhere: not in messages that are cut off, and not in errors.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{control, oos, pass, small};

/// Longer than a message is.
fn secret() -> String {
    (0..40).map(|n| format!("part{n:02}-")).collect()
}

fn cloud(value: &str) -> Cloud {
    let mut cloud = small("");
    let secret = json!({"Name": "n", "Type": "Secret", "Value": value});
    oos(&mut cloud, "CreateSecretParameter", secret).unwrap();
    cloud
}

/// All that can be read after a template was started: the answer, or whatever the execution shows.
fn all(cloud: &mut Cloud, template: &Value) -> String {
    let ask = json!({"TemplateContent": template.to_string()});
    let mut shown = match oos(cloud, "StartExecution", ask) {
        Err(error) => error.to_string(),
        Ok(answer) => {
            let id = answer["Execution"]["ExecutionId"].as_str().unwrap();
            let named = json!({"ExecutionId": id});
            pass(cloud, 600);
            ["ListExecutions", "ListTaskExecutions", "ListExecutionLogs"]
                .map(|action| oos(cloud, action, named.clone()).unwrap().to_string())
                .concat()
        }
    };
    let (_, journal) = control(cloud, "GET", "journal", Value::Null);
    shown.push_str(&journal.to_string());
    shown
}

fn task(more: Value) -> Value {
    let mut task = json!({"Name": "read", "Action": "ACS::ExecuteAPI", "Properties":
        {"Service": "ECS", "API": "DescribeInstances", "Parameters": {}}});
    for (key, value) in more.as_object().unwrap() {
        task[key] = value.clone();
    }
    json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [task]})
}

#[test]
fn a_message_that_is_cut_off_shows_no_part_of_an_encrypted_parameter() {
    let mut cloud = cloud(&secret());
    let call = |parameters: Value| json!({"Service": "ECS", "API": "DescribeInstances", "Parameters": parameters});
    for template in [
        task(json!({"When": "{{ oos-secret:n }}"})),
        task(json!({"When": {"Fn::Join": ["+", ["{{ oos-secret:n }}", "x"]]}})),
        task(json!({"When": {"Fn::Jq": ["First", "ascii_upcase", "{{ oos-secret:n }}"]}})),
        task(json!({"Properties": call(json!({"InstanceIds": "{{ oos-secret:n }}"}))})),
        task(json!({"Properties": call(json!({"Status": "{{ oos-secret:n }}"}))})),
    ] {
        let shown = all(&mut cloud, &template);
        for part in ["part00", "part01", "PART00"] {
            assert!(!shown.contains(part), "{template}: {shown}");
        }
    }
}

#[test]
fn an_error_shows_no_encrypted_parameter() {
    let mut cloud = cloud("12+abcXYZ");
    let eval = json!({"Fn::Eval": "{{ oos-secret:n }}"});
    let mut of_role = task(json!({}));
    of_role["RamRole"] = json!("{{ oos-secret:n }}");
    let default = |more: Value| {
        let mut template = task(json!({}));
        template["Parameters"] = json!({"p": {"Default": "{{ oos-secret:n }}"}});
        for (key, value) in more.as_object().unwrap() {
            template["Parameters"]["p"][key] = value.clone();
        }
        template
    };
    for template in [
        task(json!({"When": eval})),
        task(json!({"When": {"Fn::Select": ["a", {"b": "{{ oos-secret:n }}"}]}})),
        task(json!({"When": {"Fn::Max": ["{{ oos-secret:n }}", 1]}})),
        default(json!({"AllowedValues": ["a"]})),
        default(json!({"Type": "Number"})),
        default(json!({"Type": "List", "AllowedValues": ["a"]})),
        of_role,
    ] {
        let shown = all(&mut cloud, &template);
        assert!(!shown.contains("abcXYZ"), "{template}: {shown}");
    }
    // Who reads why it failed is told by name.
    let shown = all(&mut cloud, &task(json!({"When": eval})));
    assert!(shown.contains("Fn::Eval"), "{shown}");
}

#[test]
fn what_a_text_says_that_is_json_shows_nowhere_where_it_is_read_as_such() {
    let mut lists = cloud(r#"["alpha-secret","beta-secret"]"#);
    let items = json!({"Items": "{{ oos-secret:n }}"});
    let each = json!({"Service": "ECS", "API": "DescribeInstances", "Parameters": {"InstanceName": "{{ ACS::TaskLoopItem }}"}});
    let shown = all(
        &mut lists,
        &task(json!({"Loop": items, "Properties": each})),
    );
    assert!(shown.contains("DescribeInstances"), "{shown}");
    assert!(!shown.contains("alpha-secret"), "{shown}");
    let mut structures = cloud(r#"{"user": "somebody", "pw": "hunter2hunter2", "pin": 123456}"#);
    let mut template = task(json!({}));
    template["Outputs"] = json!({"made": {"Type": "Json", "Value": "{{ oos-secret:n }}"}});
    let shown = all(&mut structures, &template);
    assert!(shown.contains("made"), "{shown}");
    for part in ["hunter2hunter2", "123456"] {
        assert!(!shown.contains(part), "{shown}");
    }
}

#[test]
fn the_password_of_an_address_is_not_in_the_journal() {
    let mut cloud = small("");
    let hook = json!({"URI": "http://u:secretpw@host.example/x?access_token=TTTT", "Content": {"text": "hello"}});
    let notify = json!({"Name": "tell", "Action": "ACS::Notify", "Properties": {"NotifyType": "WebHook", "WebHook": hook}});
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [notify]});
    let ask = json!({"TemplateContent": template.to_string()});
    oos(&mut cloud, "StartExecution", ask).unwrap();
    pass(&mut cloud, 60);
    let (_, journal) = control(&mut cloud, "GET", "journal?action=ACS::Notify", Value::Null);
    let uri = &journal["entries"][0]["params"]["WebHook"]["URI"];
    assert_eq!(uri, "http://***@host.example/x?***", "{journal}");
}

/// As `cloud`, with an execution that runs one task.
fn look(value: &str, template: &Value) -> String {
    all(&mut cloud(value), template)
}

#[test]
fn what_is_made_of_a_long_value_is_hidden_before_a_message_is_cut_off() {
    let name = "{{ oos-secret:n }}";
    let encoded = json!({"Fn::Base64Encode": name});
    let wanted = |action: &str, values: Value| {
        json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "one", "Action": action,
            "Retries": 1, "Properties": {"Service": "ECS", "API": "DescribeRegions",
            "PropertySelector": ".Regions", "DesiredValues": values}}]})
    };
    let one = |action: &str, properties: Value| {
        json!({"FormatVersion": "OOS-2019-06-01",
            "Tasks": [{"Name": "one", "Action": action, "Properties": properties}]})
    };
    let choice = json!({"Choices": [{"When": encoded, "NextTask": "ACS::END"}]});
    let child = json!({"TemplateName": "child", "Parameters": {"n": encoded}});
    let targets = json!({"Type": "ResourceIds", "ResourceIds": [[encoded]]});
    for template in [
        task(json!({"When": encoded})),
        task(json!({"When": {"Fn::If": [true, encoded, "x"]}})),
        task(json!({"When": {"Fn::Not": encoded}})),
        task(
            json!({"Loop": {"Items": [1], "RateControl": {"Mode": "Concurrency", "Concurrency": encoded}}}),
        ),
        wanted("ACS::CheckFor", json!([encoded])),
        wanted("ACS::WaitFor", json!({"a": encoded})),
        one("ACS::Choice", choice),
        one(
            "ACS::Approve",
            json!({"Approvers": [], "MinRequiredApprovals": encoded}),
        ),
        one("ACS::Template", child),
        one("ACS::SelectTargets", targets),
        one(
            "ACS::ExecuteAPI",
            json!({"Service": "ECS", "API": "DescribeInstances",
            "Parameters": {"Status": encoded}}),
        ),
    ] {
        let mut cloud = cloud(&secret());
        let child = json!({"FormatVersion": "OOS-2019-06-01", "Parameters": {"n": {"Type": "Number"}},
            "Tasks": [{"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}]});
        let made = json!({"TemplateName": "child", "Content": child.to_string()});
        oos(&mut cloud, "CreateTemplate", made).unwrap();
        let shown = all(&mut cloud, &template);
        // The heads of the text and of its base64.
        for part in ["part00", "cGFydDAw"] {
            assert!(!shown.contains(part), "{template}: {shown}");
        }
    }
}

#[test]
fn what_is_computed_of_what_was_computed_shows_nowhere() {
    let name = "{{ oos-secret:n }}";
    let jq = |program: &str, of: Value| json!({"Fn::Jq": ["First", program, of]});
    let reversed = jq("explode | reverse | implode", json!(name));
    for (made, parts) in [
        (
            jq("ascii_upcase", jq(".[0:6]", json!(name))),
            vec!["HUNTER"],
        ),
        (
            jq(". + (explode | reverse | implode)", json!(name)),
            vec!["2retnuh"],
        ),
        (
            jq("explode | map(. + 1) | implode", json!(name)),
            vec!["ivoufs3"],
        ),
        (
            jq("map(. + 1) | implode", jq("explode", json!(name))),
            vec!["ivoufs3"],
        ),
        (
            jq(".[0:8]", json!({"Fn::Base64Encode": name})),
            vec!["aHVudGVy"],
        ),
        (
            json!({"Fn::Join": ["-", ["x", reversed, name]]}),
            vec!["2retnuh", "hunter2"],
        ),
        (
            json!({"Fn::Replace": [{"hunter2": "HUNT"}, name]}),
            vec!["HUNT-with"],
        ),
        (
            jq("[.] | tojson | ascii_upcase", json!(name)),
            vec!["HUNTER2"],
        ),
        (
            jq("{a: .} | tojson | tojson | tojson", json!(name)),
            vec!["hunter2"],
        ),
    ] {
        let mut template = task(
            json!({"Properties": {"Service": "ECS", "API": "DescribeInstances",
            "Parameters": {"InstanceName": made}}}),
        );
        template["Outputs"] = json!({"made": {"Type": "Json", "Value": made},
            "list": {"Type": "List", "Value": [made]}});
        let shown = look("hunter2-with-more", &template);
        assert!(shown.contains("made"), "{made}: {shown}");
        for part in parts {
            assert!(!shown.contains(part), "{made}: {part} in {shown}");
        }
    }
}

#[test]
fn a_call_shows_no_encrypted_parameter_in_its_region_action_or_names() {
    let name = "{{ oos-secret:n }}";
    let call = |more: Value| {
        let mut call = json!({"Service": "ECS", "API": "DescribeInstances", "Parameters": {}});
        for (key, value) in more.as_object().unwrap() {
            call[key] = value.clone();
        }
        task(json!({"Properties": call}))
    };
    for template in [
        call(json!({"Parameters": {"RegionId": name}})),
        call(json!({"API": name})),
        call(json!({"Service": name})),
        call(json!({"Parameters": {name: "x"}})),
        call(json!({"Parameters": {name: "x", "RegionId": name}})),
    ] {
        let shown = look("hunter2hunter2", &template).to_lowercase();
        assert!(!shown.contains("hunter2"), "{template}: {shown}");
    }
}

/// Whoever reads an answer as JSON can, though a number in it is hidden.
#[test]
fn outputs_with_an_encrypted_number_are_json() {
    let mut cloud = cloud("918273645");
    let template = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Tasks": [{"Name": "wait", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
        "Outputs": {"o": {"Type": "Number", "Value": "{{ oos-secret:n }}"}, "more": {"Type": "Number", "Value": 7}},
    });
    let ask = json!({"TemplateContent": template.to_string()});
    let started = oos(&mut cloud, "StartExecution", ask).unwrap();
    pass(&mut cloud, 60);
    let named = json!({"ExecutionId": started["Execution"]["ExecutionId"]});
    let listed = oos(&mut cloud, "ListExecutions", named).unwrap();
    let outputs = listed["Executions"][0]["Outputs"].as_str().unwrap();
    let read: Value = serde_json::from_str(outputs).unwrap();
    assert_eq!(read, json!({"o": "******", "more": 7}));
}

/// As in a default, a reference may be given for a parameter that is no text.
#[test]
fn references_are_given_for_parameters_of_every_type() {
    let mut cloud = cloud("12");
    let template = |kind: &str| {
        json!({
            "FormatVersion": "OOS-2019-06-01", "Parameters": {"p": {"Type": kind}},
            "Tasks": [{"Name": "wait", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
            "Outputs": {"o": {"Type": kind, "Value": "{{ p }}"}},
        })
    };
    let mut start = |kind: &str, given: &str| {
        let parameters = json!({"p": given}).to_string();
        let ask = json!({"TemplateContent": template(kind).to_string(), "Parameters": parameters});
        oos(&mut cloud, "StartExecution", ask)
    };
    start("Number", "{{ oos-secret:n }}").unwrap();
    start("String", "{{ oos-secret:n }}").unwrap();
    for (kind, given) in [
        ("Boolean", "{{ oos-secret:n }}"),
        ("Number", "{{ oos-secret:none }}"),
    ] {
        let refused = start(kind, given).unwrap_err();
        assert!(refused.message.contains('p'), "{refused:?}");
    }
}
