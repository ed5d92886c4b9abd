//! Alerts, dashboard and kube-state-metrics' configuration: what the chart makes of them, that each alert is tested and has a page,
//! and that what they name exists.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeSet;
use std::fs;

use ess_rollout_test_support::chart::{documents, kind, render_chart};
use ess_rollout_test_support::prometheus::promtool;
use ess_rollout_test_support::source_root;
use serde_json::{Value, json};

fn read(path: &str) -> String {
    fs::read_to_string(source_root().join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    documents(&read(path)).unwrap().remove(0)
}

/// The alerts of a list of groups.
fn alerts(groups: &Value) -> Vec<&Value> {
    let groups = groups["groups"].as_array().unwrap().iter();
    groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect()
}

fn name(alert: &Value) -> &str {
    alert["alert"].as_str().unwrap()
}

fn tests() -> Vec<Value> {
    let folder = source_root().join("config/prometheus/tests");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let texts = files.map(|file| fs::read_to_string(file).unwrap());
    let files = texts.map(|text| documents(&text).unwrap().remove(0));
    files
        .flat_map(|file| file["tests"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn promtool_takes_the_rules_and_their_tests_pass() {
    let rules = source_root().join("config/prometheus/rules.yaml");
    promtool(&["check", "rules", "--lint-fatal", rules.to_str().unwrap()]).unwrap();
    let folder = source_root().join("config/prometheus/tests");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files: Vec<String> = files.map(|file| file.display().to_string()).collect();
    let mut args = vec!["test", "rules"];
    args.extend(files.iter().map(String::as_str));
    promtool(&args).unwrap();
}

/// Each fires in one test, and in another, about the same metrics, it does not. What is expected in each is compared by promtool.
#[test]
fn each_alert_has_a_test_in_which_it_fires_and_one_in_which_it_does_not() {
    let rules = yaml("config/prometheus/rules.yaml");
    let tests = tests();
    let all = alerts(&rules);
    assert!(all.len() > 20);
    for alert in &all {
        let alert_name = name(alert);
        let called = |word: &str| {
            let start = format!("{alert_name} {word}: ");
            let found = tests
                .iter()
                .find(|test| test["name"].as_str().unwrap().starts_with(&start));
            found.unwrap_or_else(|| panic!("there is no test {start}…"))
        };
        let (fires, does_not) = (called("fires"), called("does not fire"));
        let expected = |test: &Value| test["promql_expr_test"][0]["exp_samples"].clone();
        let labels = format!("{{alertname=\"{alert_name}\"}}");
        let fired = json!([{"labels": labels, "value": 1}]);
        assert_eq!(expected(fires), fired, "{alert_name}");
        assert_eq!(expected(does_not), json!([]), "{alert_name}");
        let metrics = |test: &Value| -> BTreeSet<String> {
            let series = test["input_series"].as_array().unwrap().iter();
            let series = series.map(|series| series["series"].as_str().unwrap());
            series
                .map(|series| series.split('{').next().unwrap().to_owned())
                .collect()
        };
        assert!(
            metrics(fires).is_subset(&metrics(does_not)),
            "{alert_name}: what it is about is not there when it does not fire"
        );
    }
    assert_eq!(tests.len(), 2 * all.len());
}

#[test]
fn each_alert_has_a_page_and_a_row_in_the_list() {
    let rules = yaml("config/prometheus/rules.yaml");
    let list = read("docs/alerts.md");
    let mut pages = BTreeSet::new();
    for alert in alerts(&rules) {
        let (alert_name, annotations) = (name(alert), &alert["annotations"]);
        let page = format!("runbooks/{alert_name}.md");
        assert_eq!(annotations["runbook_url"], page);
        for text in ["summary", "description"] {
            assert!(
                annotations[text]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            );
        }
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{alert_name}");
        let lasts = alert["for"].as_str().unwrap_or("at once");
        let row = format!("| [{alert_name}]({page}) | {severity} | {lasts} |");
        assert!(list.contains(&row), "{row} is not in docs/alerts.md");
        let text = read(&format!("docs/{page}"));
        assert!(text.starts_with(&format!("# {alert_name}\n")));
        for heading in ["\n## See\n\n```sh\n", "\n## Do\n"] {
            assert!(text.contains(heading), "{page}: {heading}");
        }
        pages.insert(format!("{alert_name}.md"));
    }
    let folder = fs::read_dir(source_root().join("docs/runbooks")).unwrap();
    let there = folder.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), pages);
}

#[test]
fn the_chart_brings_the_same_rules_with_addresses_of_their_pages() {
    let rules = |values: Value| {
        let documents = render_chart(&json!({"prometheusRule": values})).unwrap();
        let found = documents.iter().find(|one| kind(one) == "PrometheusRule");
        found.cloned()
    };
    assert_eq!(rules(json!({})), None, "its CRD may not be there");
    let docs = "https://git.example.com/ess-rollout/docs/";
    let values = json!({"enabled": true, "labels": {"release": "prometheus"}, "docsUrl": docs});
    let rendered = rules(values).unwrap();
    assert_eq!(rendered["metadata"]["labels"]["release"], "prometheus");
    let mut wanted = yaml("config/prometheus/rules.yaml");
    for group in wanted["groups"].as_array_mut().unwrap() {
        for alert in group["rules"].as_array_mut().unwrap() {
            let page = &mut alert["annotations"]["runbook_url"];
            *page = json!(format!("{docs}{}", page.as_str().unwrap()));
        }
    }
    assert_eq!(rendered["spec"], wanted);
    let bare = rules(json!({"enabled": true})).unwrap();
    for alert in alerts(&bare["spec"]) {
        let annotations = &alert["annotations"];
        assert!(annotations["runbook_url"].is_null() && annotations["summary"].is_string());
    }
}

#[test]
fn a_service_monitor_finds_the_service_and_leaves_labels_as_they_are() {
    let rendered = |values: Value| render_chart(&values);
    let of = |documents: &[Value], wanted: &str| {
        documents.iter().find(|one| kind(one) == wanted).cloned()
    };
    assert_eq!(of(&rendered(json!({})).unwrap(), "ServiceMonitor"), None);
    let values = json!({"serviceMonitor": {"enabled": true, "labels": {"release": "prometheus"}, "interval": "30s"}});
    let documents = rendered(values).unwrap();
    let monitor = of(&documents, "ServiceMonitor").unwrap();
    assert_eq!(monitor["metadata"]["labels"]["release"], "prometheus");
    let endpoint = &monitor["spec"]["endpoints"][0];
    assert_eq!(
        (
            &endpoint["honorLabels"],
            &endpoint["interval"],
            &endpoint["scrapeTimeout"]
        ),
        (&json!(true), &json!("30s"), &Value::Null)
    );
    let service = of(&documents, "Service").unwrap();
    let selector = monitor["spec"]["selector"]["matchLabels"]
        .as_object()
        .unwrap();
    for (label, value) in selector {
        assert_eq!(&service["metadata"]["labels"][label], value);
    }
    let ports = service["spec"]["ports"].as_array().unwrap();
    assert!(ports.iter().any(|port| port["name"] == endpoint["port"]));
    let namespaces = &monitor["spec"]["namespaceSelector"]["matchNames"];
    assert_eq!(namespaces, &json!([service["metadata"]["namespace"]]));

    let without =
        json!({"serviceMonitor": {"enabled": true}, "metrics": {"service": {"enabled": false}}});
    let error = rendered(without).unwrap_err().to_string();
    assert!(error.contains("needs metrics.service.enabled"), "{error}");
    for misspelt in [
        json!({"serviceMonitor": {"enable": true}}),
        json!({"serviceMonitor": {"interval": "30 seconds"}}),
        json!({"dashboard": {"enable": true}}),
    ] {
        assert!(rendered(misspelt.clone()).is_err(), "{misspelt}");
    }
}

#[test]
fn the_dashboard_is_a_config_map_that_grafana_finds() {
    let rendered = |values: Value| {
        let documents = render_chart(&json!({"dashboard": values})).unwrap();
        documents.into_iter().find(|one| kind(one) == "ConfigMap")
    };
    assert_eq!(rendered(json!({})), None);
    let found = rendered(json!({"enabled": true})).unwrap();
    assert_eq!(found["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = found["data"]["ess-rollout.json"].as_str().unwrap();
    let wanted = read("config/grafana/ess-rollout.json");
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(text), parsed(&wanted));
    let elsewhere = json!({"enabled": true, "namespace": "grafana", "labels": {"team": "web"},
        "annotations": {"grafana_folder": "Cloud"}});
    let found = rendered(elsewhere).unwrap();
    assert_eq!(found["metadata"]["namespace"], "grafana");
    assert_eq!(found["metadata"]["labels"]["team"], "web");
    assert_eq!(found["metadata"]["annotations"]["grafana_folder"], "Cloud");
}

/// The part of a schema that a path leads to: through fields, and through the items of a list.
fn at<'a>(schema: &'a Value, path: &Value) -> Option<&'a Value> {
    let mut steps = path.as_array()?.iter();
    steps.try_fold(schema, |schema, step| {
        let field = step.as_str()?;
        let schema = match schema.get("items") {
            Some(items) => items,
            None => schema,
        };
        schema.get("properties")?.get(field)
    })
}

#[test]
fn kube_state_metrics_is_told_of_fields_that_there_are() {
    let config = yaml("config/kube-state-metrics/custom-resource-state.yaml");
    let mut kinds = BTreeSet::new();
    for resource in config["spec"]["resources"].as_array().unwrap() {
        let of = resource["groupVersionKind"]["kind"].as_str().unwrap();
        kinds.insert(of.to_owned());
        let crds = fs::read_dir(source_root().join("crds")).unwrap();
        let crds = crds.map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
        let mut crds = crds.map(|text| documents(&text).unwrap().remove(0));
        let crd = crds.find(|crd| crd["spec"]["names"]["kind"] == of).unwrap();
        assert_eq!(crd["spec"]["group"], resource["groupVersionKind"]["group"]);
        let version = &crd["spec"]["versions"][0];
        assert_eq!(version["name"], resource["groupVersionKind"]["version"]);
        let mut schema = version["schema"]["openAPIV3Schema"].clone();
        // Of the metadata a CRD says nothing.
        schema["properties"]["metadata"] = json!({"properties": {"name": {}, "namespace": {}}});
        for path in resource["labelsFromPath"].as_object().unwrap().values() {
            assert!(at(&schema, path).is_some(), "{of}: {path}");
        }
        for metric in resource["metrics"].as_array().unwrap() {
            let each = &metric["each"];
            let what = each["type"].as_str().unwrap();
            let of_type = &each[what.to_lowercase()];
            let within = at(&schema, &of_type["path"]);
            let within = within.unwrap_or_else(|| panic!("{of}: {}", of_type["path"]));
            let labels = of_type["labelsFromPath"].as_object();
            let labels = labels.into_iter().flat_map(|labels| labels.values());
            let value = Some(&of_type["valueFrom"]).filter(|path| !path.is_null());
            assert_eq!(value.is_some(), what == "Gauge", "{of}: {metric}");
            for path in labels.chain(value) {
                assert!(
                    at(within, path).is_some(),
                    "{of}: {} {path}",
                    metric["name"]
                );
            }
        }
    }
    let all = [
        "ImageUpdateTask",
        "Rollback",
        "RollingUpdateTask",
        "ScalingGroupRecord",
    ];
    assert_eq!(kinds, all.map(str::to_owned).into());
}
