//! What the chart renders, kept in files, so that a change of a template is seen in what it changes. UPDATE_GOLDEN=1 writes them.
//! And that the values of these take every condition of the templates both ways.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ess_rollout_test_support::chart::run_helm;
use ess_rollout_test_support::source_root;
use serde_json::{Value, json};

/// The values of each golden file, by its name.
fn cases() -> Vec<(&'static str, Value)> {
    let none = json!({
        "crds": {"enabled": false},
        "rbac": {"create": false, "aggregate": false},
        "admission": {"policies": {"enabled": true}},
        "serviceAccount": {"create": false, "name": "mine"},
        "replicaCount": 1,
        "leaderElection": {"enabled": false},
        "resources": null,
        "metrics": {"service": {"enabled": false}},
    });
    let endpoints = json!([
        {"name": "prod", "kind": "Prometheus", "url": "https://prometheus.example.com", "timeoutSeconds": 5, "namespaces": ["shop"],
         "basicSecret": {"name": "prometheus"}, "caConfigMap": {"name": "prometheus-ca"}, "useProxy": true},
        {"name": "qa", "kind": "Webhook", "url": "http://qa.tools:8080/verdict", "bearerTokenSecret": {"name": "qa", "key": "t"}},
        {"name": "old", "kind": "Prometheus", "url": "https://old.example.com", "authorizationSecret": {"name": "old"}},
        {"name": "open", "kind": "Prometheus", "url": "http://prometheus.monitoring:9090"},
    ]);
    let mut most = json!({
        "global": {"imageRegistry": "registry-vpc.cn-hangzhou.aliyuncs.com"},
        "region": "cn-hangzhou",
        "watchNamespaces": ["shop", "web"],
        "credentials": {"existingSecret": "alibaba-cloud"},
        "ownCredentials": {"namespaces": ["shop"], "ramRoles": ["OOSServiceRole"]},
        "network": "vpc",
        "endpoints": {"oos": "https://oos.example.com"},
        "cloudRates": {"oosReadsPerSecond": 40, "oosStartsPerSecond": 20, "oosRequestsPerSecond": 30},
        "workers": 100,
        "crds": {"keep": false},
        "rbac": {"secretNamespaces": ["shop"], "clusterWideTasks": true},
        "admission": {"policies": {"enabled": true}, "stampRequester": true},
        "serviceAccount": {"annotations": {"a": "b"}},
        "image": {"registry": "registry.example.com", "digest": format!("sha256:{}", "a".repeat(64))},
        "imagePullSecrets": [{"name": "pull"}],
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule"}],
        "priorityClassName": "system-cluster-critical",
        "podAnnotations": {"c": "d"},
        "podLabels": {"e": "f"},
        "extraArgs": ["--call-timeout-seconds=20"],
        "extraEnv": [{"name": "TZ", "value": "Asia/Shanghai"}],
        "extraEnvFrom": [{"secretRef": {"name": "more"}}],
        "extraVolumes": [{"name": "more", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ $labels.name }}-object"}},
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-text\n",
        ],
        "proxy": {
            "httpsProxy": "http://proxy.example.com:3128",
            "httpProxy": "http://proxy.example.com:3128",
            "noProxy": [".internal.example.com", "10.0.0.0/8"],
        },
        "caBundle": {"configMap": "authorities"},
        "check": {"scalingGroup": "asg-web"},
        "networkPolicy": {
            "enabled": true,
            "apiserver": {"cidrs": ["10.0.0.1/32"]},
            "extraEgress": [{"ports": [{"port": 4317}]}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        },
        "metrics": {"service": {"annotations": {"g": "h"}}},
        "prometheusRule": {"enabled": true, "labels": {"release": "prometheus"}, "docsUrl": "https://example.com/docs"},
        "serviceMonitor": {
            "enabled": true, "labels": {"release": "prometheus"}, "interval": "30s", "scrapeTimeout": "10s",
        },
        "dashboard": {"enabled": true, "annotations": {"grafana_folder": "Kubernetes"}},
    });
    most["gateEndpoints"] = endpoints;
    let oidc = json!({
        "watchNamespaces": ["shop"],
        "credentials": {"oidc": {"roleArn": "acs:ram::1:role/r", "providerArn": "acs:ram::1:oidc-provider/p"}},
        "networkPolicy": {"enabled": true},
        "prometheusRule": {"enabled": true},
        "serviceMonitor": {"enabled": true},
        "dashboard": {"enabled": true},
    });
    let ecs =
        json!({"credentials": {"ecsRamRole": "ess-rollout"}, "networkPolicy": {"enabled": true}});
    let rrsa = json!({"credentials": {"rrsa": {"roleName": "ess-rollout"}}});
    vec![
        ("defaults", json!({})),
        ("least", none),
        ("most", most),
        ("oidc", oidc),
        ("rrsa", rrsa),
        ("ecs", ecs),
    ]
}

fn render(chart: &Path, values: &Value) -> String {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("values.json");
    std::fs::write(&file, values.to_string()).unwrap();
    let (chart, file) = (chart.to_string_lossy(), file.to_string_lossy());
    let args = [
        "template",
        "ess-rollout",
        &chart,
        "-n",
        "operator",
        "--values",
        &file,
    ];
    run_helm(&args).unwrap()
}

fn above(document: &str, line: &str) -> String {
    document.split(line).next().unwrap_or(document).to_owned()
}

/// What is shipped as it stands in crds/ and beside the chart's templates has tests of its own, and would hide the rest.
fn without_copies(text: &str) -> String {
    let documents = text.split("\n---\n").map(|document| {
        let copied = [
            "CustomResourceDefinition",
            "ValidatingAdmissionPolicy",
            "MutatingAdmissionPolicy",
        ];
        let of = |kind: &&&str| document.lines().any(|line| line == format!("kind: {kind}"));
        let name = document.lines().find(|line| line.starts_with("  name: "));
        match copied.iter().find(of) {
            Some(kind) => format!("# {kind}{}", name.unwrap_or_default()),
            None if document.contains("\nkind: PrometheusRule\n") => above(document, "\nspec:\n"),
            None if document.contains("grafana_dashboard") => above(document, "\ndata:\n"),
            None => document.trim_end().to_owned(),
        }
    });
    documents.collect::<Vec<_>>().join("\n---\n") + "\n"
}

#[test]
fn the_chart_renders_what_is_kept() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let directory = source_root().join("tests/support/tests/golden");
    let mut different = Vec::new();
    for (name, values) in cases() {
        let rendered = without_copies(&render(&source_root().join("charts/ess-rollout"), &values));
        let file = directory.join(format!("{name}.yaml"));
        if update {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&file, &rendered).unwrap();
        }
        let kept = std::fs::read_to_string(&file).unwrap_or_default();
        if kept != rendered {
            let mut lines = kept.lines().zip(rendered.lines());
            let first = lines.find(|(kept, rendered)| kept != rendered);
            different.push(format!("{name}: {first:?}"));
        }
    }
    assert!(
        different.is_empty(),
        "{different:#?}\nif that is meant: UPDATE_GOLDEN=1 cargo test --package ess-rollout-test-support --test golden, and look at the difference"
    );
}

/// Lines that begin a branch, and are not taken or left by values.
fn always(line: &str) -> bool {
    // A list that stands in the template, or that the schema lets nobody leave empty; an object of the chart's own; and what
    // the pod of the Deployment and that of the test differ in, which are both rendered.
    [
        "$runs }}",
        "range list ",
        "range .ports",
        "with .root",
        "with .Values.leaderElection }}",
    ]
    .iter()
    .any(|part| line.contains(part))
}

/// The chart with a comment at the head of each branch, and the comments with the lines that they are at.
fn marked(into: &Path) -> BTreeMap<String, String> {
    let chart = source_root().join("charts/ess-rollout");
    let mut copying = std::process::Command::new("cp");
    assert!(
        copying
            .arg("-r")
            .arg(&chart)
            .arg(into)
            .status()
            .unwrap()
            .success()
    );
    let mut marks = BTreeMap::new();
    let mut directories: Vec<PathBuf> = vec![into.join("ess-rollout/templates")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            // What is said after an installation; and parts that are compared as text, not rendered.
            if name == "NOTES.txt" || name == "_helpers.tpl" {
                continue;
            }
            let mut text = String::new();
            for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
                text.push_str(line);
                text.push('\n');
                let trimmed = line.trim();
                let branches = ["if ", "else", "with ", "range "]
                    .iter()
                    .any(|word| trimmed.starts_with(&format!("{{{{- {word}")));
                if branches && trimmed.matches("{{").count() == 1 {
                    let mark = format!("# taken {name}:{}.", number + 1);
                    // What an action writes is not trimmed by the next one.
                    text.push_str(&format!("{{{{- \"\\n{mark}\\n\" }}}}\n"));
                    marks.insert(mark, trimmed.to_owned());
                }
            }
            std::fs::write(&path, text).unwrap();
        }
    }
    marks
}

#[test]
fn every_condition_of_the_templates_is_taken_both_ways_by_what_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let marks = marked(directory.path());
    assert!(marks.len() > 60, "{}", marks.len());
    let chart = directory.path().join("ess-rollout");
    let rendered: Vec<String> = cases()
        .iter()
        .map(|(_, values)| render(&chart, values))
        .collect();
    let mut wrong = Vec::new();
    for (mark, line) in &marks {
        let taken = rendered
            .iter()
            .filter(|text| text.contains(mark.as_str()))
            .count();
        if taken == 0 || (taken == rendered.len() && !always(line)) {
            wrong.push(format!(
                "{mark} {line}: taken by {taken} of {}",
                rendered.len()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
