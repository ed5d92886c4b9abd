//! References, pseudo parameters and functions.

use serde_json::{Value, json};

use super::world::Cloud;

/// A template whose only task answers nothing and whose output `out` is `expression`.
pub(super) fn evaluate(expression: Value) -> Value {
    let mut cloud = Cloud::new(&[]);
    let template = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Parameters": {
            "text": {"Type": "String", "Default": "abc"},
            "list": {"Type": "List", "Default": [1, 2, 3]},
            "map": {"Type": "Json", "Default": {"a": 1, "b": {"c": "d"}}},
        },
        "Tasks": [{"Name": "nap", "Action": "ACS::Sleep", "Properties": {"Duration": "PT1S"}}],
        "Outputs": {"out": {"Type": "Json", "Value": expression}},
    });
    let asked = json!({"TemplateContent": template.to_string()});
    let id = match cloud.ask("StartExecution", asked) {
        Ok(answer) => answer["Execution"]["ExecutionId"].clone(),
        Err(refused) => return json!(refused.message),
    };
    cloud.settle();
    let execution = cloud.execution(id.as_str().unwrap());
    if execution["Status"] != "Success" {
        return execution["StatusMessage"].clone();
    }
    let outputs: Value = serde_json::from_str(execution["Outputs"].as_str().unwrap()).unwrap();
    outputs["out"].clone()
}

#[test]
fn references_keep_their_type_alone_and_become_text_inside_text() {
    assert_eq!(evaluate(json!("{{ list }}")), json!([1, 2, 3]));
    assert_eq!(
        evaluate(json!("x{{list}}-{{ text }}")),
        json!("x[1,2,3]-abc")
    );
    assert_eq!(evaluate(json!("{{ map.b.c }}")), json!("d"));
    assert_eq!(evaluate(json!("{{ ACS::RegionId }}")), json!("cn-hangzhou"));
    assert_eq!(
        evaluate(json!("{{ ACS::CurrentDate }}")),
        json!("2024-05-06")
    );
    let unknown = evaluate(json!("{{ nobody }}"));
    assert!(unknown.as_str().unwrap().contains("nobody"), "{unknown}");
}

#[test]
fn pseudo_parameters_may_be_spelled_in_any_case() {
    assert_eq!(
        evaluate(json!("{{ Acs::currentDate }}")),
        json!("2024-05-06")
    );
}

#[test]
fn functions_give_what_the_documentation_says() {
    let cases = [
        (json!({"Fn::Base64Encode": "ok"}), json!("b2s=")),
        (json!({"Fn::Base64Decode": "b2s="}), json!("ok")),
        (json!({"Fn::Join": [",", ["a", "b"]]}), json!("a,b")),
        (json!({"Fn::Select": ["1", "{{ list }}"]}), json!(2)),
        (json!({"Fn::Select": ["a", "{{ map }}"]}), json!(1)),
        (json!({"Fn::Split": [",", "a,b"]}), json!(["a", "b"])),
        (json!({"Fn::Replace": [{"b": "x"}, "abc"]}), json!("axc")),
        (json!({"Fn::Min": [3, 1, 2]}), json!(1)),
        (json!({"Fn::Max": [3, 1, 2]}), json!(3)),
        (json!({"Fn::First": "{{ list }}"}), json!(1)),
        (json!({"Fn::Last": "{{ list }}"}), json!(3)),
        (
            json!({"Fn::ListJoin": [["a"], ["b", "c"]]}),
            json!(["a", "b", "c"]),
        ),
        (json!({"Fn::Equals": ["1", 1]}), json!(true)),
        (
            json!({"Fn::If": [{"Fn::Equals": [1, 2]}, "y", "n"]}),
            json!("n"),
        ),
        (json!({"Fn::Not": "false"}), json!(true)),
        (json!({"Fn::And": [true, "true", false]}), json!(false)),
        (json!({"Fn::Or": [false, true]}), json!(true)),
        (
            json!({"Fn::AddHour": ["2024-05-06T07:00:00Z", 2, "%H:%M"]}),
            json!("09:00"),
        ),
        (
            json!({"Fn::FormatUTCTime": ["2024-05-06T07:08:09Z", "%Y%m%d"]}),
            json!("20240506"),
        ),
        (
            json!({"Fn::DurationBetween": ["2024-05-06T07:00:00Z", "2024-05-06T07:01:00Z"]}),
            json!(60),
        ),
        (json!({"Fn::Eval": "2 * (3 + 4) - 10 / 4"}), json!(11.5)),
        (
            json!({"Fn::Intersection": [[1, 2, 3], [2, 3, 4]]}),
            json!([2, 3]),
        ),
        (json!({"Fn::Union": [[1, 2], [2, 3]]}), json!([1, 2, 3])),
        (json!({"Fn::Difference": [[1], [1, 2]]}), json!([2])),
        (
            json!({"Fn::Difference": [[1, 2, 3], [2, 3], [3, 4]]}),
            json!([1, 2, 4]),
        ),
        (
            json!({"Fn::Jq": ["All", ".[] | select(. > 1)", "{{ list }}"]}),
            json!([2, 3]),
        ),
        (
            json!({"Fn::Jq": ["First", ".b.c", "{{ map }}"]}),
            json!("d"),
        ),
        (
            json!({"Fn::MapJoin": [["a", "b"], [1, ["c"]]]}),
            json!({"a": 1, "b": ["c"]}),
        ),
        (json!({"Fn::Sub": ["x${n}", {"n": "1"}]}), json!("x1")),
        (
            json!({"Fn::IsIpInCIDR": ["192.0.2.10", "192.0.2.0/24"]}),
            json!(true),
        ),
        (
            json!({"Fn::IsIpInCIDR": ["198.51.100.1", "192.0.2.0/24"]}),
            json!(false),
        ),
        (json!({"Fn::Escape": "a\"b\n"}), json!("a\\\"b\\n")),
        (
            json!({"Fn::MergeMap": [{"a": 1}, {"b": 2}]}),
            json!({"a": 1, "b": 2}),
        ),
        (
            json!({"Fn::MergeMapToList": [{"a": [1, 2]}, {"b": [3, 4]}, {"c": [5]}]}),
            json!([{"a": 1, "b": 3, "c": 5}, {"a": 2, "b": 4, "c": 5}]),
        ),
        (
            json!({"Fn::ConvertMapToList": [{"a": 1}, "Key", "Value"]}),
            json!([{"Key": "a", "Value": 1}]),
        ),
        (
            json!({"Fn::CalculateBatch": [3, [1, 2, 3, 4, 5, 6, 7]]}),
            json!([3, 2, 2]),
        ),
        (
            json!({"Fn::CalculateBatch": [5, [1, 2, 3, 4]]}),
            json!([1, 1, 1, 1]),
        ),
    ];
    for (expression, expected) in cases {
        let shown = expression.to_string();
        assert_eq!(evaluate(expression), expected, "{shown}");
    }
}

#[test]
fn parts_of_texts_and_lists() {
    for (expression, expected) in [
        (json!({"Fn::ContainsSubString": ["a/b", "/"]}), json!(true)),
        (json!({"Fn::ContainsSubString": ["a", "b"]}), json!(false)),
        (
            json!({"Fn::RangeSelect": [0, -1, [1, 2, 3]]}),
            json!([1, 2]),
        ),
        (
            json!({"Fn::RangeSelect": [-2, 9, [1, 2, 3]]}),
            json!([2, 3]),
        ),
        (json!({"Fn::RangeSelect": [2, 1, [1, 2, 3]]}), json!([])),
    ] {
        let shown = expression.to_string();
        assert_eq!(evaluate(expression), expected, "{shown}");
    }
}

#[test]
fn what_a_function_puts_in_is_no_part_of_what_it_looks_for() {
    let table = [
        (
            json!({"Fn::Replace": [{"a": "b", "b": "c"}, "ab"]}),
            json!("bc"),
        ),
        (
            json!({"Fn::Replace": [{"ab": "x", "a": "y"}, "aab"]}),
            json!("yx"),
        ),
        (
            json!({"Fn::Sub": ["${a}-${b}", {"a": "${b}", "b": "${c}"}]}),
            json!("${b}-${c}"),
        ),
        (
            json!({"Fn::Sub": ["cd ${HOME:-/root}/${dir}",
                {"dir": "x", "HOME:-/root": "${HOME:-/root}"}]}),
            json!("cd ${HOME:-/root}/x"),
        ),
        (
            json!({"Fn::Sub": ["é${a}é", {"a": "", "b": "unused"}]}),
            json!("éé"),
        ),
        (
            json!({"Fn::Intersection": [[1, "a"], ["1", "a"]]}),
            json!(["a"]),
        ),
        (json!({"Fn::Intersection": [[1], [1.0]]}), json!([1])),
        (json!({"Fn::Union": [[1], ["1", 1.0]]}), json!([1, "1"])),
        (json!({"Fn::Difference": [[1], ["1"]]}), json!([1, "1"])),
    ];
    for (expression, expected) in table {
        assert_eq!(evaluate(expression.clone()), expected, "{expression}");
    }
    for (expression, what) in [
        (
            json!({"Fn::Sub": ["${typo}", {"name": "x"}]}),
            "${typo} has no value",
        ),
        (json!({"Fn::Sub": "${alone}"}), "${alone} has no value"),
        (json!({"Fn::Sub": ["${open", {}]}), "has no }"),
        (json!({"Fn::Replace": [{"": "x"}, "a"]}), "empty"),
        (json!({"Fn::Base64Decode": "not base64"}), "not Base64"),
        (json!({"Fn::Base64Decode": "/w=="}), "no text"),
        (json!({"Fn::IsIpInCIDR": ["::1", "10.0.0.0/99"]}), "no CIDR"),
    ] {
        let message = evaluate(expression);
        assert!(message.as_str().unwrap().contains(what), "{message}");
    }
}

#[test]
fn a_bad_function_call_fails_the_execution_with_its_name() {
    for (expression, name) in [
        (json!({"Fn::Select": [9, "{{ list }}"]}), "Fn::Select"),
        (json!({"Fn::Nonsense": 1}), "Fn::Nonsense"),
        (json!({"Fn::Jq": ["All", ".[", []]}), "Fn::Jq"),
        (json!({"Fn::Eval": "1 / 0"}), "Fn::Eval"),
        (json!({"Fn::MapJoin": [["a"], []]}), "Fn::MapJoin"),
        (
            json!({"Fn::MergeMapToList": [[{"a": 1}]]}),
            "Fn::MergeMapToList",
        ),
        (json!({"Fn::FindMatchedPackage": ["", {}]}), "not supported"),
        (json!({"Fn::RangeSelect": [0.5, 1, []]}), "Fn::RangeSelect"),
        (
            json!({"Fn::CalculateTimeByOpsWindow": ["00:00", "01:00"]}),
            "not supported",
        ),
    ] {
        let message = evaluate(expression);
        assert!(message.as_str().unwrap().contains(name), "{message}");
    }
}

#[test]
fn jq_has_look_around_and_bounds_it() {
    let jq = |program: &str, input: Value| evaluate(json!({"Fn::Jq": ["All", program, input]}));
    assert_eq!(
        jq(
            r#".[] | select(test("^(?!acs).*"))"#,
            json!(["acs-x", "web", "acs", "x-acs"])
        ),
        json!(["web", "x-acs"])
    );
    assert_eq!(
        jq(r#"capture("(?<a>[a-z]+)-(?<n>\\d+)")"#, json!("äb xyz-12")),
        json!([{"a": "xyz", "n": "12"}])
    );
    assert_eq!(
        jq(
            r#"match("ö(?<n>\\d)"; "g") | [.offset, .length, .string]"#,
            json!("äö1 ö2")
        ),
        json!([[1, 2, "ö1"], [4, 2, "ö2"]])
    );
    assert_eq!(jq(r#"sub("(?<=a)b"; "c")"#, json!("bab")), json!(["bac"]));
    assert_eq!(
        jq(r#"[splits(", *")]"#, json!("a,  b,c")),
        json!([["a", "b", "c"]])
    );
    assert_eq!(jq(r#"test("A.c"; "is")"#, json!("a\nC")), json!([true]));
    assert_eq!(jq("[limit(2; .[])]", json!([1, 2, 3])), json!([[1, 2]]));
    assert_eq!(
        jq("[range(3)] | map(. * 2)", json!(null)),
        json!([[0, 2, 4]])
    );
    // Endless going back is refused, not waited for.
    let slow = jq(
        r#"test("^((a+)(?!b))+c")"#,
        json!(format!("{}zc", "a".repeat(4000))),
    );
    let told = slow.as_str().unwrap_or_default().to_lowercase();
    assert!(told.contains("backtrack"), "{slow}");
    for program in [".[] as $x | $x * $x", r#""ab" * 100000"#, "range(.)"] {
        assert!(jq(program, json!(["x"])).is_string(), "{program}");
    }
}
