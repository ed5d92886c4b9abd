//! What an apiserver takes as a maintenance window, and as the window of a task, by their schemas and rules.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ess_rollout_api::v1alpha1::{
    FinishBy, MaintenanceWindow, MaintenanceWindowSpec, Window, WindowKind, WindowPolicy,
};
use ess_rollout_validation::{Kind, Schema};
use kube_core::CustomResourceExt;
use serde_json::{Value, json};

fn crd() -> Value {
    serde_json::to_value(MaintenanceWindow::crd()).unwrap()
}

/// What is said of a window with this spec; empty: it is taken.
fn refusal(spec: &Value) -> String {
    let kind = Kind::of_crd(&crd()).unwrap().remove(0);
    let mut object = json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": "MaintenanceWindow",
        "metadata": {"name": "patches"},
        "spec": spec,
    });
    let schema = kind.schema.unwrap();
    let unknown = schema.prune(&mut object);
    assert_eq!(unknown, [] as [String; 0]);
    schema.fill(&mut object);
    let causes = schema.check(&object, None);
    let causes = causes.iter().map(|cause| format!("{cause:?}"));
    causes.collect::<Vec<_>>().join("; ")
}

/// A window that is taken, with these fields changed; null takes one away.
fn weekly(changes: Value) -> Value {
    let mut spec = json!({
        "kind": "Allow",
        "reason": "weekly patch slot",
        "schedule": "0 22 * * 6",
        "durationMinutes": 240,
        "timeZone": "Asia/Shanghai",
        "except": ["2026-10-01/2026-10-08", "2026-12-26"],
        "selector": {"groups": {"tags": {"env": "prod"}}, "namespaces": ["shop"]},
    });
    let fields = spec.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => fields.remove(name),
            value => fields.insert(name.clone(), value.clone()),
        };
    }
    spec
}

fn once(changes: Value) -> Value {
    let mut all = json!({
        "schedule": null, "durationMinutes": null, "timeZone": null, "except": null,
        "start": "2026-12-24T18:00:00+08:00", "end": "2027-01-02T06:00:00+08:00",
    });
    let fields = changes.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(fields);
    weekly(all)
}

#[test]
fn a_schedule_and_a_span_are_taken_and_read_back_as_they_were() {
    for spec in [weekly(json!({})), once(json!({"kind": "Freeze"}))] {
        assert_eq!(refusal(&spec), "");
        let read: MaintenanceWindowSpec = serde_json::from_value(spec.clone()).unwrap();
        let mut again = serde_json::to_value(&read).unwrap();
        let mut wanted = spec;
        // Times are written in UTC.
        for field in ["start", "end"] {
            for spec in [&mut again, &mut wanted] {
                spec.as_object_mut().unwrap().remove(field);
            }
        }
        assert_eq!(again, wanted);
    }
    let least = json!({"schedule": "@daily", "durationMinutes": 5, "timeZone": "UTC"});
    assert_eq!(refusal(&least), "");
    let read: MaintenanceWindowSpec = serde_json::from_value(least).unwrap();
    assert_eq!(read.window.kind, WindowKind::Allow);
    assert_eq!(read.selector, None);
}

#[test]
fn what_says_nothing_is_refused_with_the_field_and_the_cure() {
    for (spec, said) in [
        (
            json!({}),
            "set schedule with durationMinutes and timeZone, or start and end",
        ),
        (
            weekly(json!({"timeZone": null})),
            "schedule and timeZone go together",
        ),
        (
            once(json!({"timeZone": "UTC"})),
            "schedule and timeZone go together",
        ),
        (
            weekly(json!({"durationMinutes": null})),
            "schedule and durationMinutes go together",
        ),
        (
            once(json!({"durationMinutes": 60})),
            "schedule and durationMinutes go together",
        ),
        (
            weekly(json!({"start": "2026-12-24T18:00:00Z", "end": "2026-12-25T18:00:00Z"})),
            "set schedule with",
        ),
        (
            weekly(json!({"end": "2026-12-25T18:00:00Z"})),
            "set schedule with",
        ),
        (once(json!({"end": null})), "start and end go together"),
        (once(json!({"start": null})), "start and end go together"),
        (
            once(json!({"end": "2026-12-24T18:00:00+08:00"})),
            "end must be after start",
        ),
        (
            once(json!({"end": "9999-12-24T18:00:00Z"})),
            "end must be before the year 9000",
        ),
        (
            once(json!({"except": ["2026-12-24"]})),
            "except goes with schedule",
        ),
        (
            weekly(json!({"schedule": "CRON_TZ=UTC 0 22 * * 6"})),
            "name the time zone in timeZone",
        ),
        (
            weekly(json!({"kind": "Freeze", "reason": null})),
            "reason must say why",
        ),
        (weekly(json!({"kind": "Deny"})), "kind"),
        (weekly(json!({"durationMinutes": 4})), "durationMinutes"),
        (weekly(json!({"durationMinutes": 10081})), "durationMinutes"),
        (weekly(json!({"except": ["1 October 2026"]})), "except"),
        (
            weekly(json!({"except": ["2026-10-01/P8D.........."]})),
            "except",
        ),
        (once(json!({"start": "24 December"})), "start"),
    ] {
        let refusal = refusal(&spec);
        assert!(refusal.contains(said), "{spec}\n{said}\n{refusal}");
    }
}

#[test]
fn the_columns_show_whether_it_is_open_what_comes_next_and_why() {
    let crd = crd();
    let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array();
    let shown: Vec<(&str, &str)> = columns
        .unwrap()
        .iter()
        .filter(|column| column["priority"].is_null())
        .map(|column| {
            (
                column["name"].as_str().unwrap(),
                column["jsonPath"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("Kind", ".spec.kind"),
            ("Open", ".status.open"),
            ("Next", ".status.nextChange"),
            ("Reason", ".status.reason"),
            ("Age", ".metadata.creationTimestamp"),
        ]
    );
    // Each is of a field that there is.
    let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"];
    for (_, path) in &shown[..4] {
        let pointer = path[1..].replace('.', "/properties/");
        assert!(
            !root.pointer(&format!("/{pointer}")).unwrap().is_null(),
            "{path}"
        );
    }
}

/// The rules stand with the fields, and go with them into each spec.
#[test]
fn the_window_of_a_task_has_the_same_rules() {
    let own = serde_json::to_value(schemars::schema_for!(Window)).unwrap();
    let spec = &crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let rules = &own["x-kubernetes-validations"];
    assert!(rules.as_array().unwrap().len() > 5, "{own}");
    assert_eq!(rules, &spec["x-kubernetes-validations"]);
}

#[test]
fn a_task_does_not_expire_before_it_may_begin() {
    let schema = serde_json::to_value(schemars::schema_for!(WindowPolicy)).unwrap();
    let rules =
        json!({"type": "object", "x-kubernetes-validations": schema["x-kubernetes-validations"]});
    let schema = Schema::of(&rules, "").unwrap();
    let times = |before: &str, after: &str| {
        schema.check(&json!({"notBefore": before, "notAfter": after}), None)
    };
    assert!(times("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z").is_empty());
    assert!(!times("2026-12-02T00:00:00Z", "2026-12-01T00:00:00Z").is_empty());
}

/// The hash of the spec of a task that has none of these fields stays what it was before there were any.
#[test]
fn a_task_without_windows_says_nothing_of_them() {
    let none = WindowPolicy::default();
    assert_eq!(serde_json::to_value(&none).unwrap(), json!({}));
    let read: WindowPolicy = serde_json::from_value(json!({})).unwrap();
    assert_eq!(read.finish_by, FinishBy::Required);
    let some = json!({"finishBy": "BestEffort", "window": weekly(json!({"selector": null}))});
    let read: WindowPolicy = serde_json::from_value(some.clone()).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), some);
}
