//! `docs/from-oos.md` is true: its tables name every parameter of the public templates, and each manifest in it leads to
//! the parameters that stand before it.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_test_support::source_root;
use serde_json::{Value, json};

use crate::scene::{Scene, fixture, with};

/// The scene that the page speaks of.
fn world() -> Value {
    let names = json!({
        "images": [{"imageId": "m-bp1old"}, {"imageId": "m-bp1new"}],
        "packages": [{"name": "my-agent", "versions": 2}],
        "scalingGroups": [
            {
                "scalingGroupId": "asg-bp1web", "maxSize": 9, "suspendedProcesses": ["ScheduledAction"],
                "configurations": [{"scalingConfigurationId": "asc-bp1web", "imageId": "m-bp1old"}],
                "instances": {"count": 4},
            },
            {
                "scalingGroupId": "asg-bp1eci", "groupType": "ECI", "maxSize": 9,
                "eciConfigurations": [{
                    "scalingConfigurationId": "asc-bp1eci",
                    "containers": [{"Name": "web", "Image": "registry/web:1"}],
                }],
                "containerGroups": {"count": 2},
            },
        ],
    });
    with(fixture(), names)
}

fn page() -> String {
    std::fs::read_to_string(source_root().join("docs/from-oos.md")).unwrap()
}

/// Parameters and the manifest after them, in the order of the page.
fn pairs(page: &str) -> Vec<(Value, &str)> {
    let parameters = page.split("```json\n").skip(1);
    parameters
        .map(|rest| {
            let (parameters, rest) = rest.split_once("\n```").unwrap();
            let (_, manifest) = rest.split_once("```yaml\n").unwrap();
            let (manifest, _) = manifest.split_once("\n```").unwrap();
            (serde_json::from_str(parameters).unwrap(), manifest)
        })
        .collect()
}

/// The first column of the tables of each section, by the template that its heading names; under no template those that
/// all rolling updates share.
fn documented(page: &str) -> BTreeMap<Option<&str>, BTreeSet<&str>> {
    let mut tables = BTreeMap::new();
    for section in page.split("\n## ").skip(1) {
        let heading = section.lines().next().unwrap();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let names: BTreeSet<&str> = rows.filter_map(|row| row.split('`').nth(1)).collect();
        if !names.is_empty() {
            tables.insert(heading.split('`').nth(1), names);
        }
    }
    tables
}

#[tokio::test]
async fn every_parameter_of_the_public_templates_has_its_line() {
    let scene = Scene::with_fixture(world()).await;
    let page = page();
    let documented = documented(&page);
    let shared = &documented[&None];
    let mut templates = 0;
    for (template, own) in &documented {
        let Some(name) = template else { continue };
        let found = scene.console("OOS", "GetTemplate", json!({"TemplateName": name}));
        let content: Value =
            serde_saphyr::from_str(found.await["Content"].as_str().unwrap()).unwrap();
        let declared = content["Parameters"].as_object().unwrap();
        for parameter in declared.keys() {
            assert!(
                own.contains(parameter.as_str()) || shared.contains(parameter.as_str()),
                "{name}: {parameter} has no line"
            );
        }
        for parameter in own {
            assert!(
                declared.contains_key(*parameter),
                "{name} has no {parameter}"
            );
        }
        templates += 1;
    }
    assert_eq!(templates, 5);
}

#[tokio::test]
async fn each_manifest_leads_to_the_parameters_before_it() {
    let scene = Scene::with_fixture(world()).await;
    let page = page();
    let pairs = pairs(&page);
    assert!(pairs.len() >= 6, "the page shows {} pairs", pairs.len());
    for (mut wanted, manifest) in pairs {
        let before = scene.starts().await;
        scene.kubectl.apply(&scene.namespace, manifest).unwrap();
        let started = scene
            .eventually(&format!("a start of\n{manifest}"), async || {
                let starts = scene.emulator.journal("OOS", "StartExecution").await;
                starts.unwrap().get(before).cloned()
            })
            .await;
        let sent = started["params"]["Parameters"].as_str().unwrap();
        let sent: Value = serde_json::from_str(sent).unwrap();
        // The one thing that a page cannot know.
        if wanted.get("sourceExecutionId").is_some() {
            wanted["sourceExecutionId"] = sent["sourceExecutionId"].clone();
        }
        assert_eq!(sent, wanted, "of\n{manifest}");
        to_its_end(&scene, manifest).await;
    }
}

/// Waits until what a manifest asks for has succeeded; nobody wants to look at its pauses.
async fn to_its_end(scene: &Scene, manifest: &str) {
    let object: Value = serde_saphyr::from_str(manifest).unwrap();
    let (kind, name) = (&object["kind"], &object["metadata"]["name"]);
    let api = scene.api(&scene.namespace, kind.as_str().unwrap());
    let name = name.as_str().unwrap();
    let mut continued = json!(null);
    scene
        .eventually(&format!("the end of {name}"), async || {
            let found = json!(api.get(name).await.unwrap());
            let state = &found["status"]["state"];
            assert!(state != "Failed" && state != "Blocked", "{found}");
            let pause = &found["status"]["pause"]["id"];
            if state == "BatchSuspended" && *pause != continued {
                continued = pause.clone();
                scene.request(name, "continue", &pause.to_string()).await;
            }
            (state == "Succeeded").then_some(())
        })
        .await;
}
