//! Whatever a stranger sends in: no panic, no endless run.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::world::Cloud;

/// jq programs put together from pieces that can multiply, nest and fail.
fn program() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        ".",
        ".a",
        ".[]",
        ".[]?",
        "..",
        "1",
        "\"x\"",
        "[]",
        "{}",
        "null",
        "$x",
        ".[0]",
        ".[1:]",
        "length",
        "keys",
        "add",
        "to_entries",
        "tojson",
        "tostring",
        "unique",
        "sort",
        "reverse",
        "\"\\(.)\"",
        "-1e400",
        "explode",
        "flatten",
        "first",
        "empty",
        "error",
        "@base64",
        "paths",
        "test(\"^(?!a)(.+)+$\")",
        "match(\"(?=x)*\"; \"g\")",
        "sub(\"(?<n>.)\"; .n + .n; \"g\")",
        "splits(\"\")",
        "capture(.)",
        ". * 3",
        "limit(2; ..)",
        "range(5)",
        "mktime",
    ])
    .prop_map(str::to_owned);
    leaf.prop_recursive(6, 40, 3, |inner| {
        let two = (inner.clone(), inner.clone());
        prop_oneof![
            two.clone().prop_map(|(a, b)| format!("{a}|{b}")),
            two.clone().prop_map(|(a, b)| format!("({a},{b})")),
            two.clone().prop_map(|(a, b)| format!("({a})+({b})")),
            two.clone().prop_map(|(a, b)| format!("({a})//({b})")),
            two.clone().prop_map(|(a, b)| format!("({a}) as $x|{b}")),
            two.clone()
                .prop_map(|(a, b)| format!("{{(({a})|tostring):({b})}}")),
            two.prop_map(|(a, b)| format!("if {a} then {b} else . end")),
            inner.clone().prop_map(|a| format!("[{a}]")),
            inner.clone().prop_map(|a| format!("map({a})")),
            inner.clone().prop_map(|a| format!("select({a})")),
            inner.clone().prop_map(|a| format!("try ({a}) catch .")),
            inner.clone().prop_map(|a| format!("with_entries({a})")),
            inner.prop_map(|a| format!("({a})[]?")),
        ]
    })
}

fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "x",
            "{{ a }}",
            "{{ p }}",
            "{{ a.o }}",
            "{{",
            "}}",
            "{{ ACS::TaskLoopItem }}",
            "ACS::END",
            "a",
            "b",
            "TEST",
            "Do",
            ".[]",
            "50%",
            "Batch",
            "EveryBatchPause",
            "PT1S",
            "All",
            "Tags",
            "isSo",
            "{{ oos:a }}",
            "{{ oos-secret:p:1 }}",
            "{{ P }}",
            "{{ ACS::ExecuteUser }}",
            "WebHook",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop::sample::select(vec![
            "Service",
            "API",
            "Parameters",
            "Items",
            "Concurrency",
            "MaxErrors",
            "RateControl",
            "Mode",
            "Batch",
            "Fn::Join",
            "Fn::Select",
            "Fn::CalculateBatch",
            "Fn::If",
            "Fn::Jq",
            "Duration",
            "Choices",
            "When",
            "NextTask",
            "DesiredValues",
            "PropertySelector",
            "TemplateName",
            "Filters",
            "ResourceIds",
            "instanceId",
            "BatchPauseOption",
            "NotDesiredValues",
            "Type",
            "Tags",
            "EndDate",
            "Approvers",
            "MinRequiredApprovals",
            "Fn::MapJoin",
            "Fn::MergeMapToList",
            "Fn::MergeList",
            "Fn::Not",
            "NotifyType",
            "WebHook",
            "URI",
            "Content",
        ]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| map.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

fn task(name: &'static str) -> impl Strategy<Value = Value> {
    let action = prop::sample::select(vec![
        "ACS::ExecuteAPI",
        "ACS::WaitFor",
        "ACS::CheckFor",
        "ACS::Choice",
        "ACS::Template",
        "ACS::SelectTargets",
        "ACS::Approve",
        "ACS::Sleep",
        "ACS::ECS::RunCommand",
        "ACS::Notify",
        "ACS::RDS::NotThere",
        "ACS::EventTrigger",
    ]);
    let target = prop::option::of(prop::sample::select(vec![
        "ACS::END",
        "ACS::NEXT",
        "a",
        "b",
    ]));
    (
        action,
        anything(),
        prop::option::of(anything()),
        anything(),
        target.clone(),
        target,
    )
        .prop_map(
            move |(action, mut properties, looped, when, on_error, on_success)| {
                // Without it a wait is refused at once, which would leave nothing to try.
                if matches!(action, "ACS::WaitFor" | "ACS::CheckFor")
                    && let Value::Object(map) = &mut properties
                {
                    map.entry("NotDesiredValues").or_insert(json!(["x"]));
                }
                let mut task = json!({
                    "Name": name, "Action": action, "Properties": properties,
                    "Outputs": {"o": {"Type": "List", "ValueSelector": ".[]"}},
                });
                let map = task.as_object_mut().unwrap();
                if let Some(looped) = looped {
                    map.insert("Loop".into(), looped);
                }
                if when.is_boolean() || when.is_object() {
                    map.insert("When".into(), when);
                }
                for (key, target) in [("OnError", on_error), ("OnSuccess", on_success)] {
                    if let Some(target) = target {
                        map.insert(key.into(), json!(target));
                    }
                }
                task
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None,
        rng_seed: proptest::test_runner::RngSeed::Fixed(20_240_506), ..Default::default() })]

    #[test]
    fn any_program_ends(program in program()) {
        let input = json!({"a": [1, [2, 3], {"b": "c"}], "d": "e", "f": null});
        let _ = crate::oos::jq::run(&program, &input);
    }

    #[test]
    fn any_template_ends_or_waits(a in task("a"), b in task("b"), parameter in anything()) {
        let template = json!({
            "FormatVersion": "OOS-2019-06-01",
            "Parameters": {"p": {"Type": "Json", "Default": {}}},
            "Conditions": {"isSo": {"Fn::Equals": ["{{ p }}", "{{ a.o }}"]}},
            "Tasks": [a, b],
            "Outputs": {"x": {"Type": "Json", "Value": "{{ a }}"}},
        });
        for mode in ["Automatic", "FailurePause"] {
            let mut cloud = Cloud::new(&["i-1"]);
            cloud.world.answers.insert("Do".into(), [json!([1, 2])].into());
            let request = json!({
                "TemplateContent": template.to_string(), "Mode": mode,
                "Parameters": json!({"p": parameter}).to_string(),
            });
            let answer = match cloud.ask("StartExecution", request) {
                Ok(answer) => answer,
                Err(refused) => {
                    prop_assert!(refused.status < 500, "{refused:?}");
                    continue;
                }
            };
            cloud.settle();
            let id = answer["Execution"]["ExecutionId"].as_str().unwrap();
            for verb in ["Approve", "RetryTask", "SkipTask", "CancelTask", "Reject"] {
                let _ = cloud.ask(
                    "NotifyExecution",
                    json!({"ExecutionId": id, "NotifyType": verb, "LoopItem": "x"}),
                );
                cloud.settle();
            }
            let status = cloud.status(id);
            let rests = ["Success", "Failed", "Waiting", "Cancelled"].contains(&status.as_str());
            prop_assert!(rests, "{status}");
        }
    }

    #[test]
    fn any_text_is_read_as_yaml_or_refused(
        parts in prop::collection::vec(prop::sample::select(vec![
            "a", ": ", ":", "- ", "\n", "\n  ", "\n\t", "'", "\"", "[", "]", "{", "}", ",", "&x ",
            "*x", "<<: ", "!!int ", "!t ", "|", ">", "%", "@", "---\n", "...", "? ", "#", "0x", "1_0",
            ":30", ".5e+9", "~", "\u{feff}", "\u{0}", "é", "\\", "\\u12",
        ]), 0..60),
    ) {
        let _ = crate::oos::yaml::read(&parts.concat(), 48);
    }

    #[test]
    fn any_schedule_is_refused_or_has_times_in_order(
        kind in prop::sample::select(vec!["cron", "rate", "at", "x"]),
        parts in prop::collection::vec(prop::sample::select(vec![
            "0", "*", "?", "1-5", "30/7", "L", "LW", "15W", "6L", "2#5", "MON", "FRI-MON", "JAN", "99",
            "2030", "1 hour", "-", "/", ",", "0/0", "31",
        ]), 0..8),
        end in prop::sample::select(vec!["2030-01-01", "2024-05-07T00:00:00Z", "", "x"]),
        zone in prop::sample::select(vec!["", "Asia/Shanghai", "America/New_York", "x"]),
    ) {
        let properties = json!({
            "Type": kind, "Expression": parts.join(" "), "EndDate": end, "TimeZone": zone,
        });
        let start = "2024-05-06T07:00:00Z".parse().unwrap();
        let mut last = start;
        for next in crate::oos::trigger::times(&properties, start, 20) {
            prop_assert!(next > last, "{properties}");
            last = next;
        }
    }

    #[test]
    fn any_call_to_the_parameter_store_is_answered_or_refused(
        calls in prop::collection::vec((
            prop::sample::select(vec!["Create", "Get", "Update", "Delete", "List"]),
            prop::sample::select(vec!["Parameter", "Parameters", "SecretParameter",
                "ParametersByPath", "ParameterVersions", "SecretParameters"]),
            prop::collection::btree_map(prop::sample::select(vec!["Name", "Names", "Value", "Type",
                "Constraints", "Tags", "Path", "MaxResults", "NextToken", "WithDecryption",
                "ParameterVersion"]), prop_oneof![
                    anything(),
                    prop::sample::select(vec!["p", "/a/b", "String", "Secret", "true", "1", "[\"p\"]",
                        "{\"AllowedPattern\": \"(\"}", "99999999999999999999"]).prop_map(Value::from),
                ], 0..6),
        ), 1..8),
    ) {
        let mut cloud = Cloud::new(&[]);
        for (verb, noun, params) in calls {
            let params = params.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
            if let Err(refused) = cloud.ask(&format!("{verb}{noun}"), Value::Object(params)) {
                prop_assert!(refused.status < 500, "{refused:?}");
            }
        }
    }

    #[test]
    fn batches_cover_all_items(batches in 1..120usize, items in 0..1000usize) {
        use crate::oos::BatchSplit::{CeilingFirst, Even, RemainderLast};
        for split in [Even, RemainderLast, CeilingFirst] {
            let argument = json!([batches, vec![0; items]]);
            let sizes = crate::oos::functions::calculate_batch(&argument, split).unwrap();
            let sizes: Vec<u64> =
                sizes.as_array().unwrap().iter().map(|s| s.as_u64().unwrap()).collect();
            prop_assert_eq!(sizes.iter().sum::<u64>(), items as u64);
            prop_assert!(sizes.len() <= batches && !sizes.contains(&0));
        }
    }
}
