//! What Argo CD makes of an object: its health, the actions that it offers, and what it writes when one is clicked.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use ess_rollout_test_support::{control_plane, source_root};
use serde_json::{Map, Value, json};

use crate::kept::{self, customizations};
use crate::lua;
use crate::states::KINDS;

fn script(kind: &Value, file: &str) -> String {
    let path = customizations().join(kind.as_str().unwrap()).join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The health of an object: `status` and `message`.
pub fn health(object: &Value) -> Value {
    let given = lua::run(&script(&object["kind"], "health.lua"), object, &json!({}));
    let given = given.unwrap_or_else(|error| panic!("{}: {error}", object["metadata"]["name"]));
    let words = [
        "Unknown",
        "Progressing",
        "Suspended",
        "Healthy",
        "Degraded",
        "Missing",
    ];
    assert!(
        given["status"]
            .as_str()
            .is_some_and(|status| words.contains(&status)),
        "{given}"
    );
    assert!(given["message"].is_string(), "{given}");
    given
}

/// The same as Argo CD shows it: what is being deleted is Progressing, whatever the script says.
pub fn verdict(object: &Value) -> String {
    if object["metadata"]["deletionTimestamp"].is_string() {
        return "Progressing".to_owned();
    }
    health(object)["status"].as_str().unwrap().to_owned()
}

/// The actions that are offered, by name, each as Argo CD's API has it.
pub fn actions(object: &Value) -> BTreeMap<String, Value> {
    let given = lua::run(
        &script(&object["kind"], "actions/discovery.lua"),
        object,
        &json!({}),
    )
    .unwrap();
    // No action at all is an empty list.
    let given = given.as_object().cloned().unwrap_or_default();
    let known = ["name", "disabled", "displayName", "iconClass", "params"];
    let described = given.into_iter().map(|(name, action)| {
        let mut fields = action.as_object().cloned().unwrap_or_default();
        assert!(
            fields.keys().all(|field| known.contains(&field.as_str())),
            "{name}: {fields:?}"
        );
        fields.insert("name".to_owned(), json!(name));
        if fields.get("disabled") == Some(&json!(false)) {
            fields.remove("disabled");
        }
        (name, Value::Object(fields))
    });
    described.collect()
}

/// The names of those that can be clicked.
pub fn enabled(object: &Value) -> Vec<String> {
    let enabled = actions(object)
        .into_iter()
        .filter(|(_, action)| action["disabled"] != true);
    enabled.map(|(name, _)| name).collect()
}

/// What an action gives: the object as it is to be, or objects to create.
#[derive(Debug, PartialEq)]
pub enum Given {
    Patched(Value),
    Created(Vec<Value>),
}

/// Runs an action.
pub fn act(object: &Value, action: &str, parameters: &Value) -> Result<Given, String> {
    let given = lua::run(
        &script(&object["kind"], &format!("actions/{action}/action.lua")),
        object,
        parameters,
    )?;
    Ok(match given {
        Value::Array(operations) => {
            let created = operations.into_iter().map(|operation| {
                assert_eq!(operation["operation"], "create", "{operation}");
                operation["resource"].clone()
            });
            Given::Created(created.collect())
        }
        mut patched => {
            restore_empty(&mut patched, object);
            Given::Patched(patched)
        }
    })
}

/// Lua does not tell an empty object from an empty list: what was an object stays one.
fn restore_empty(new: &mut Value, old: &Value) {
    match (&mut *new, old) {
        (Value::Array(items), Value::Object(_)) if items.is_empty() => *new = old.clone(),
        (Value::Object(fields), Value::Object(old)) => {
            for (name, field) in fields {
                if let Some(old) = old.get(name) {
                    restore_empty(field, old);
                }
            }
        }
        (Value::Array(items), Value::Array(old)) => {
            for (item, old) in items.iter_mut().zip(old) {
                restore_empty(item, old);
            }
        }
        _ => {}
    }
}

/// The merge patch from one object to another; `None`: they are equal.
pub fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return (old != new).then(|| new.clone());
    };
    let mut patch = Map::new();
    for (name, field) in after {
        let changed = match before.get(name) {
            Some(old) => merge_patch(old, field),
            None => Some(field.clone()),
        };
        patch.extend(changed.map(|changed| (name.clone(), changed)));
    }
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

fn directory(kind: &str) -> PathBuf {
    customizations().join(kind)
}

/// The kept objects of a kind: their names, in order.
fn kept_objects(kind: &str) -> Vec<String> {
    let files = std::fs::read_dir(directory(kind).join("testdata")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// `health_test.yaml` and the `discoveryTests` of `action_test.yaml` have a test for each kept object.
pub fn check_expectations() {
    for kind in KINDS {
        let (mut tests, mut discovered) = (Vec::new(), Vec::new());
        for file in kept_objects(kind) {
            let object = kept::read(&directory(kind).join("testdata").join(&file));
            let health = health(&object);
            tests.push(json!({
                "healthStatus": {"message": health["message"], "status": health["status"]},
                "inputPath": format!("testdata/{file}"),
            }));
            let actions: Vec<Value> = actions(&object).into_values().collect();
            discovered.push(json!({"inputPath": format!("../testdata/{file}"), "result": actions}));
        }
        kept::check_file(
            &directory(kind).join("health_test.yaml"),
            &kept::yaml(&json!({ "tests": tests })),
        );
        let path = directory(kind).join("actions/action_test.yaml");
        let action_tests = kept::read(&path)["actionTests"].clone();
        let tests = json!({"actionTests": action_tests, "discoveryTests": discovered});
        kept::check_file(&path, &kept::yaml(&tests));
    }
}

/// As Argo CD's own test of its customizations goes about it.
#[test]
fn the_health_tests_hold() {
    for kind in KINDS {
        let tests = kept::read(&directory(kind).join("health_test.yaml"))["tests"].clone();
        for test in tests.as_array().unwrap() {
            let object = kept::read(&directory(kind).join(test["inputPath"].as_str().unwrap()));
            assert_eq!(
                health(&object),
                test["healthStatus"],
                "{kind} {}",
                test["inputPath"]
            );
        }
    }
}

/// Argo CD looks for scripts by kind, so that they stand there twice.
#[test]
fn the_scripts_of_updates_and_of_rollbacks_are_the_same_but_for_the_action_that_rolls_back() {
    let files = |kind: &str| {
        let mut files: Vec<PathBuf> = glob_lua(&directory(kind));
        files.sort();
        files
    };
    let of_updates = files("RollingUpdateTask");
    let below = |file: &Path| {
        file.strip_prefix(directory("RollingUpdateTask"))
            .unwrap()
            .to_owned()
    };
    let only = Path::new("actions/rollback/action.lua");
    let shared: Vec<PathBuf> = of_updates
        .iter()
        .map(|file| below(file))
        .filter(|file| file != only)
        .collect();
    let of_rollbacks = files("Rollback").into_iter();
    let of_rollbacks: Vec<PathBuf> = of_rollbacks
        .map(|file| file.strip_prefix(directory("Rollback")).unwrap().to_owned())
        .collect();
    assert_eq!(shared, of_rollbacks);
    for file in shared {
        let text = |kind: &str| std::fs::read_to_string(directory(kind).join(&file)).unwrap();
        let mut of_update = text("RollingUpdateTask");
        if file.ends_with("discovery.lua") {
            // The last action, and what it alone asks.
            let (before, action) = of_update.split_once("actions[\"rollback\"] = {").unwrap();
            let (_, after) = action.split_once("\n}\n").unwrap();
            of_update = format!("{before}{after}");
            of_update = of_update
                .lines()
                .filter(|line| !line.starts_with("local paused = "))
                .fold(String::new(), |all, line| all + line + "\n");
        }
        assert_eq!(of_update, text("Rollback"), "{}", file.display());
    }
}

fn glob_lua(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(glob_lua(&path));
        } else if path.extension().is_some_and(|ending| ending == "lua") {
            found.push(path);
        }
    }
    found
}

#[test]
fn the_action_tests_hold() {
    check_action_tests();
}

/// The same, from what is kept by now.
pub fn check_action_tests() {
    for kind in KINDS {
        let base = directory(kind).join("actions");
        let file = kept::read(&base.join("action_test.yaml"));
        for test in file["discoveryTests"].as_array().unwrap() {
            let object = kept::read(&base.join(test["inputPath"].as_str().unwrap()));
            for found in actions(&object).values() {
                let expected = test["result"].as_array().unwrap();
                assert!(
                    expected.contains(found),
                    "{kind} {}: {found}",
                    test["inputPath"]
                );
            }
        }
        let mut tested = Vec::new();
        for test in file["actionTests"].as_array().unwrap() {
            let action = test["action"].as_str().unwrap();
            tested.push(action.to_owned());
            check_action(kind, &base, action, test);
        }
        let planned = kept::read(&directory(kind).join("testdata/blocked.yaml"));
        for name in actions(&planned).keys() {
            assert!(tested.contains(name), "{kind}: no test of {name}");
        }
    }
}

fn check_action(kind: &str, base: &Path, action: &str, test: &Value) {
    let input = base.join(test["inputPath"].as_str().unwrap());
    let object = kept::read(&input);
    let parameters = match &test["parameters"] {
        Value::Null => json!({}),
        given => given.clone(),
    };
    let given = act(&object, action, &parameters);
    if let Some(expected) = test["expectedErrorMessage"].as_str() {
        let error = given.expect_err(action);
        assert!(error.contains(expected), "{kind} {action}: {error}");
        return;
    }
    let given = given.unwrap_or_else(|error| panic!("{kind} {action}: {error}"));
    let output = match &given {
        Given::Patched(patched) => {
            for field in ["apiVersion", "kind", "spec", "status"] {
                assert_eq!(
                    patched[field], object[field],
                    "{kind} {action} changes {field}"
                );
            }
            patched.clone()
        }
        Given::Created(created) => {
            let operations = created
                .iter()
                .map(|object| json!({"k8sOperation": "create", "unstructuredObj": object}));
            Value::Array(operations.collect())
        }
    };
    let path = base.join(test["expectedOutputPath"].as_str().unwrap());
    kept::check_file(&path, &kept::yaml(&output));
}

/// Argo CD reads the scripts from its ConfigMap.
#[test]
fn the_config_map_has_the_scripts() {
    let indented = |text: &str, by: usize| -> String {
        let indent = " ".repeat(by);
        let line = |line: &str| match line {
            "" => "\n".to_owned(),
            line => format!("{indent}{line}\n"),
        };
        text.lines().map(line).collect()
    };
    let mut text = "# The scripts below resource_customizations, for Argo CD's own ConfigMap: docs/gitops.md. A test writes this file from them\n# (GOLDEN=write cargo test --test gitops).\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  labels:\n    app.kubernetes.io/part-of: argocd\ndata:\n".to_owned();
    let mut data = BTreeMap::new();
    for kind in KINDS {
        let health = script(&json!(kind), "health.lua");
        let key = format!("resource.customizations.health.ess-rollout.io_{kind}");
        text.push_str(&format!("  {key}: |\n{}", indented(&health, 4)));
        data.insert(key, health);

        let discovery = script(&json!(kind), "actions/discovery.lua");
        let blocked = kept::read(&directory(kind).join("testdata/blocked.yaml"));
        let mut actions_text = format!(
            "discovery.lua: |\n{}definitions:\n",
            indented(&discovery, 2)
        );
        for name in actions(&blocked).keys() {
            let action = script(&json!(kind), &format!("actions/{name}/action.lua"));
            actions_text.push_str(&format!(
                "- name: {name}\n  action.lua: |\n{}",
                indented(&action, 4)
            ));
        }
        let key = format!("resource.customizations.actions.ess-rollout.io_{kind}");
        text.push_str(&format!("  {key}: |\n{}", indented(&actions_text, 4)));
        data.insert(key, actions_text);
    }
    let path = source_root().join("config/argocd/argocd-cm.yaml");
    kept::check_file(&path, &text);
    // What a parser makes of it is the scripts again.
    let read = kept::read(&path);
    assert_eq!(read["data"], json!(data));
    for kind in KINDS {
        let actions =
            &read["data"][format!("resource.customizations.actions.ess-rollout.io_{kind}")];
        let actions: Value = serde_saphyr::from_str(actions.as_str().unwrap()).unwrap();
        assert_eq!(
            actions["discovery.lua"],
            script(&json!(kind), "actions/discovery.lua")
        );
        for definition in actions["definitions"].as_array().unwrap() {
            let file = format!(
                "actions/{}/action.lua",
                definition["name"].as_str().unwrap()
            );
            assert_eq!(definition["action.lua"], script(&json!(kind), &file));
        }
    }
}

/// Over an installation of Argo CD with settings of its own.
#[test]
fn the_component_adds_to_the_config_map() {
    let kubectl = control_plane::assets().unwrap().join("kubectl");
    let overlay = tempfile::tempdir().unwrap();
    let directory = overlay.path().canonicalize().unwrap();
    // A component is named by a relative path.
    let up = "../".repeat(directory.components().count() - 1);
    let root = source_root().canonicalize().unwrap();
    let component = format!(
        "{up}{}",
        root.join("config/argocd")
            .strip_prefix("/")
            .unwrap()
            .display()
    );
    let config = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"url": "https://argocd.example.com"},
    });
    let kustomization = json!({"resources": ["argocd-cm.yaml"], "components": [component]});
    std::fs::write(directory.join("argocd-cm.yaml"), config.to_string()).unwrap();
    std::fs::write(
        directory.join("kustomization.yaml"),
        kustomization.to_string(),
    )
    .unwrap();
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(&directory)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let rendered: Value = serde_saphyr::from_str(&text).unwrap();
    let mut expected =
        kept::read(&source_root().join("config/argocd/argocd-cm.yaml"))["data"].clone();
    expected["url"] = config["data"]["url"].clone();
    assert_eq!(rendered["data"], expected);
}

/// What docs/gitops.md has people type, in another namespace than Argo CD's.
#[test]
fn the_commands_of_the_page_install_the_scripts() {
    let kubectl = ess_rollout_test_support::shared().kubectl();
    let namespace = kubectl.namespace("argocd").unwrap();
    let literal = "--from-literal=url=https://argocd.example.com";
    let words = [
        "create",
        "configmap",
        "argocd-cm",
        literal,
        "-n",
        &namespace,
    ];
    kubectl.run(&words).unwrap();
    let page = std::fs::read_to_string(source_root().join("docs/gitops.md")).unwrap();
    let blocks = page.split("```sh\n").skip(1);
    let mut blocks = blocks.map(|block| block.split("```").next().unwrap());
    let (patch, sed) = (blocks.next().unwrap(), blocks.next().unwrap());
    assert!(
        patch.starts_with("kubectl -n argocd patch ") && sed.starts_with("sed "),
        "{patch}{sed}"
    );

    let elsewhere = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(
        source_root().join("config"),
        elsewhere.path().join("config"),
    )
    .unwrap();
    let run = |script: &str| {
        let script = script.replace("-n argocd", &format!("-n {namespace}"));
        let directory = kubectl.program().parent().unwrap();
        let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-euc", &script])
            .env("PATH", path)
            .env("KUBECONFIG", kubectl.kubeconfig())
            .current_dir(elsewhere.path())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{script}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run(patch);
    let installed = kubectl
        .get(&["configmap", "argocd-cm", "-n", &namespace])
        .unwrap();
    let mut expected =
        kept::read(&source_root().join("config/argocd/argocd-cm.yaml"))["data"].clone();
    expected["url"] = json!("https://argocd.example.com");
    assert_eq!(installed["data"], expected);

    run(sed);
    let text = std::fs::read_to_string(elsewhere.path().join("argocd-cm.yaml")).unwrap();
    assert!(text.contains("local account = \"system:serviceaccount:kube-system:argocd-manager\""));
    assert!(!text.contains("argocd:argocd-server"));
}

/// The two kinds have the same states, conditions and requests.
#[test]
fn rollbacks_have_the_scripts_of_tasks() {
    let both = |file: &str| {
        [
            script(&json!(KINDS[0]), file),
            script(&json!(KINDS[1]), file),
        ]
    };
    for file in [
        "health.lua",
        "actions/continue/action.lua",
        "actions/retry/action.lua",
        "actions/skip/action.lua",
        "actions/cancel-instances/action.lua",
        "actions/cancel/action.lua",
    ] {
        let [task, rollback] = both(file);
        assert_eq!(task, rollback, "{file}");
    }
}
