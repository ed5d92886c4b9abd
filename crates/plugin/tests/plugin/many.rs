//! Many objects at once, documents, and what is created from the command line.

use serde_json::{Value, json};

use crate::scene::{Scene, fixture, group, task};

#[test]
fn requests_of_many_are_confirmed_and_each_has_its_verdict() {
    let mut fixture = fixture();
    fixture["commands"] = json!([]);
    let groups = fixture["scalingGroups"].as_array_mut().unwrap();
    groups.push(group("api", 2));
    let scene = Scene::start(&fixture);
    scene.apply(&task("web", "asg-web"));
    scene.apply(&task("api", "asg-api"));
    for name in ["web", "api"] {
        scene.says(&["wait", name, "--for=Paused", "--timeout=90s"], 0, &[]);
    }
    let nobody = "nobody can be asked whether these are meant";
    scene.says(
        &["continue", "-l", "app=shop"],
        1,
        &["continue of 2:", "web", "api", nobody],
    );
    scene.says(
        &["continue", "-l", "app=other", "-y"],
        1,
        &["nothing that continue can be for"],
    );
    let all = ["continue", "-l", "app=shop", "-y", "-m", "night"];
    scene.says(
        &all,
        0,
        &["web: continue 1: Applied", "api: continue 1: Applied"],
    );
    for name in ["web", "api"] {
        scene.says(&["wait", name, "--timeout=90s"], 0, &["Succeeded"]);
    }
    scene.says(&all, 1, &["nothing that continue can be for"]);
}

#[test]
fn documents_are_those_of_the_apiserver() {
    let scene = Scene::start(&fixture());
    scene.apply(&task("web", "asg-web"));
    scene.says(&["wait", "web", "--for=Paused", "--timeout=90s"], 0, &[]);
    let json = |words: &[&str]| -> Value {
        let said = scene.says(words, 0, &[]);
        serde_json::from_str(&said.out).unwrap()
    };
    let live = scene.get("rollingupdatetask/web");
    let shown = json(&["status", "web", "-o", "json"]);
    assert_eq!(shown["spec"], live["spec"]);
    assert_eq!(shown["kind"], "RollingUpdateTask");
    let listed = json(&["get", "-o", "json"]);
    assert_eq!(listed["items"][0]["metadata"]["name"], "web");
    scene.says(
        &["get", "-o", "name"],
        0,
        &["rollingupdatetask.ess-rollout.io/web\n"],
    );
    let yaml = scene.says(
        &["get", "web", "-o", "yaml"],
        0,
        &["kind: RollingUpdateTask"],
    );
    assert!(!yaml.out.contains("managedFields"));
    scene.says(
        &["get", "tasks", "--group=asg-other"],
        0,
        &["nothing found"],
    );

    // One document on each line, of which the last has the end.
    scene.says(&["retry", "web", "-o", "json"], 0, &["\"verb\":\"Retry\""]);
    scene.says(
        &["wait", "web", "--for=Paused", "--timeout=90s"],
        0,
        &["after batch 1"],
    );
    scene.says(
        &["approve", "web", "--up-to=all"],
        0,
        &["approve web up to the end: Applied"],
    );
    scene.says(
        &["approve", "web", "--up-to=1"],
        1,
        &["cannot be taken back", "web"],
    );
    let watched = scene.says(&["status", "web", "-w", "-o", "json"], 0, &[]);
    let documents: Vec<Value> = watched
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(documents.last().unwrap()["status"]["state"], "Succeeded");
}

#[test]
fn what_is_planned_is_run_and_undone() {
    let mut fixture = fixture();
    fixture["commands"] = json!([]);
    let scene = Scene::start(&fixture);
    let mut object = task("web", "asg-web");
    object["spec"]["suspensionPolicy"] = "Automatic".into();
    let file = scene.file("web.json", &object);
    scene.says(
        &["diff", "-f", &file],
        0,
        &["web is not there: it would be created"],
    );
    let plan = [
        "plan: 4 instances in 2 batches, no pause",
        "i-web-01 i-web-02",
    ];
    scene.says(&["plan", "-f", &file, "--rm"], 0, &plan);
    scene.says(&["status", "web"], 1, &["not found"]);
    scene.says(&["plan", "-f", &file], 0, &plan);
    scene.says(&["plan", "-f", &file], 0, &["planned already"]);
    scene.says(
        &["run", "web"],
        0,
        &["web is started", "web Succeeded, 4/4 instances"],
    );
    scene.says(&["run", "web"], 1, &["web is not planned: it is Succeeded"]);
    scene.says(
        &["plan", "-f", &file],
        1,
        &["is there already, and it is Succeeded"],
    );

    object["spec"]["batches"] = 3.into();
    object["spec"]["approvedBatches"] = 4.into();
    let changed = scene.file("changed.json", &object);
    let differences = [
        "spec.approvedBatches: (none) -> 4\n",
        "spec.batches: 2 -> 3   (cannot be changed: create a new task)",
    ];
    scene.says(&["diff", "-f", &changed], 0, &differences);
    scene.says(&["diff", "-f", &changed, "--exit-code"], 1, &differences);
    object["spec"]["batches"] = 0.into();
    let wrong = scene.file("wrong.json", &object);
    scene.says(&["diff", "-f", &wrong], 1, &["is refused", "spec.batches"]);

    scene.says(
        &["rollback", "web"],
        0,
        &[
            "rollback/web-undo is created",
            "rollback/web-undo Succeeded",
        ],
    );
    scene.says(
        &["rollback", "web"],
        1,
        &["rolled back already, by rollback/web-undo"],
    );
    let operator = format!("--operator-namespace={}", scene.installation.namespace);
    scene.says(
        &["history", "asg-web", &operator],
        0,
        &["rollback of web", "Succeeded"],
    );
    let files = std::fs::read_dir(scene.files.path()).unwrap().count();
    scene.says(
        &["report", "rollback/web-undo", &operator],
        0,
        &["is written"],
    );
    assert_eq!(
        std::fs::read_dir(scene.files.path()).unwrap().count(),
        files + 1
    );

    let mut refused = task("refused", "asg-nowhere");
    refused["spec"]["desiredState"] = "Plan".into();
    let file = scene.file("refused.json", &refused);
    scene.says(&["plan", "-f", &file], 2, &["Blocked"]);
}

#[test]
fn under_the_policies_requests_have_the_name_of_who_makes_them() {
    let mut fixture = fixture();
    fixture["commands"] = json!([]);
    let policies = json!({"policies": {"enabled": true}, "stampRequester": false});
    let scene = Scene::start_with(&fixture, &json!({"admission": policies}));
    let version = "rbac.authorization.k8s.io/v1";
    let group = "rbac.authorization.k8s.io";
    let verbs = ["get", "list", "watch", "create", "patch", "continue"];
    scene.apply(&json!({
        "apiVersion": version, "kind": "Role", "metadata": {"name": "continues"},
        "rules": [{"apiGroups": ["ess-rollout.io"], "resources": ["rollingupdatetasks"], "verbs": verbs}],
    }));
    scene.apply(&json!({
        "apiVersion": version, "kind": "RoleBinding", "metadata": {"name": "continues"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "continues"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "alice"}],
    }));
    let file = scene.file("web.json", &task("web", "asg-web"));
    let alice = |words: &[&'static str]| [words, &["--as=alice"][..]].concat();
    let run = [&["run", "--no-follow", "-f", &file][..], &["--as=alice"]].concat();
    scene.says(&run, 0, &["web is created"]);
    scene.says(
        &alice(&["wait", "web", "--for=Paused", "--timeout=90s"]),
        0,
        &[],
    );
    // A policy is in force a moment after it is there.
    let skip = alice(&["skip", "web", "--batch=2", "--dry-run=server"]);
    scene.until(
        &skip,
        "alice lacks the verb skip on rollingupdatetasks.ess-rollout.io",
    );
    scene.says(&skip, 1, &["a Role has to grant it"]);
    let go_on = alice(&["continue", "web", "-m", "looks well", "--expires=10m"]);
    scene.says(&go_on, 0, &["web: continue 1: Applied"]);

    let task = scene.get("rollingupdatetask/web");
    assert_eq!(
        task["metadata"]["annotations"]["ess-rollout.io/created-by"],
        "alice"
    );
    let action = &task["status"]["actions"][0];
    assert_eq!(action["requestedBy"], "alice", "{action}");
    assert_eq!(action["note"], "looks well", "{action}");
}

#[test]
fn a_request_that_nobody_reads_is_shown_and_can_be_taken_back() {
    let mut scene = Scene::start(&fixture());
    scene.apply(&task("web", "asg-web"));
    scene.says(&["wait", "web", "--for=Paused", "--timeout=90s"], 0, &[]);
    scene.operator.process().kill().unwrap();
    let stands = [
        "retry of web is asked for, and stands",
        "no verdict within 1 s",
    ];
    scene.says(&["retry", "web", "--timeout=1s"], 124, &stands);
    let shown = scene.says(
        &["status", "web"],
        0,
        &["retry failed@", "asked for by", "has not read it"],
    );
    assert!(!shown.out.contains("to go on"), "{}", shown.out);
    let refused = [
        "the operator has not read",
        "(retry)",
        "--replace takes that back",
    ];
    scene.says(&["cancel", "web"], 1, &refused);
    scene.says(&["approve", "web", "--up-to=2"], 1, &refused);
    // It may end the pause.
    scene.says(&["wait", "web", "--timeout=1s"], 124, &["FailureSuspended"]);
    // What has expired can only be rejected.
    scene.says(
        &["skip", "web", "--replace", "--expires=1s", "--timeout=2s"],
        124,
        &[],
    );
    scene.says(
        &["cancel", "web", "--timeout=0"],
        0,
        &["cancel of web is asked for"],
    );
    let annotations = scene.get("rollingupdatetask/web")["metadata"]["annotations"].clone();
    for gone in ["retry", "skip", "request-expires"] {
        assert!(
            annotations[format!("ess-rollout.io/{gone}")].is_null(),
            "{annotations}"
        );
    }
    scene.operator.launch().unwrap();
    scene.says(&["wait", "web", "--timeout=90s"], 3, &["web Cancelled"]);
}
