//! The page of RAM policies: with exactly these actions each kind of update, and its rollback, come to their end; and with one
//! less they do not, and the one that is missing is named.
//!
//! Each task has a scaling group, and one that lacks an action a RAM role or an access key, of its own, so that all run side by
//! side.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_test_support::{pages, source_root};
use serde_json::{Value, json};

use crate::rolling_back;
use crate::scene::{Scene, Setup, fixture, group, with};

const PAGE: &str = "docs/ram-permissions.md";
const SERVICES: [&str; 4] = ["oos:", "ess:", "ecs:", "eci:"];

/// Actions of the lists that a plain update and its rollback do without, and when they are needed.
const UNUSED: &[(&str, &str)] = &[
    ("oos:NotifyExecution", "requests: suspension.rs"),
    ("oos:CancelExecution", "cancellations: failures.rs"),
    (
        "ess:ResumeProcesses",
        "of the operator, after an update that did not end well: as_found.rs",
    ),
    ("ess:ExitStandby", "likewise"),
    ("ess:SetInstancesProtection", "likewise"),
    ("ecs:StartInstance", "likewise"),
    (
        "ess:ModifyEciScalingConfiguration",
        "of the operator, likewise: containers.rs",
    ),
    (
        "ess:DescribeLifecycleActions",
        "while a lifecycle hook holds instances: preflight.rs",
    ),
    (
        "ecs:DescribeInvocationResults",
        "of the operator, once an instance has failed: failures.rs",
    ),
    ("ecs:DescribeImages", "of the operator: for images alone"),
    (
        "ecs:DescribeLaunchTemplates",
        "groups with a launch template",
    ),
    ("ecs:DescribeLaunchTemplateVersions", "likewise"),
    (
        "ecs:ModifyInstanceAttribute",
        "of OOS, for instances with user data",
    ),
    (
        "oos:GetTemplate",
        "of OOS, for packages: the emulated one does not look the package up by a call",
    ),
    (
        "ess:DescribeScalingConfigurations",
        "of the operator: for groups of ECS instances",
    ),
    (
        "ess:ModifyScalingConfiguration",
        "of the operator, after an update that did not end well: as_found.rs",
    ),
];

/// Of the operator, without which an update starts all the same.
const OPTIONAL: &[&str] = &[
    "ess:DescribeInstanceRefreshes",
    "ess:DescribeScalingGroupDiagnoseDetails",
    "oos:ListInstancePackageStates",
];

struct Kind {
    name: &'static str,
    /// Of the table of what OOS needs.
    rows: Vec<&'static str>,
    update: Value,
    eci: bool,
}

fn kinds() -> [Kind; 4] {
    let every = "every rolling update";
    let but = "every rolling update but `update.containerGroup`";
    let back = "every rollback";
    [
        Kind {
            name: "image",
            rows: vec![every, but, back, "`update.image`"],
            update: json!({"image": {"imageId": "m-v2"}}),
            eci: false,
        },
        Kind {
            name: "script",
            rows: vec![every, but, back, "`update.script`"],
            update: json!({"script": {"run": {"inline": "uptime"}, "rollback": {"inline": "uptime"}}}),
            eci: false,
        },
        Kind {
            name: "package",
            rows: vec![every, but, back, "`update.script`", "`update.package`"],
            update: json!({"package": {"name": "my-agent", "version": "v2", "rollbackVersion": "v1"}}),
            eci: false,
        },
        Kind {
            name: "eci",
            rows: vec![every, back, "`update.containerGroup`"],
            update: json!({"containerGroup": {"containers": [{"name": "app", "image": "registry/app:v2"}]}}),
            eci: true,
        },
    ]
}

/// The words in backticks that are RAM actions.
fn actions_in(text: &str) -> BTreeSet<String> {
    let words = text.split('`').skip(1).step_by(2);
    words
        .filter(|word| {
            SERVICES.iter().any(|service| word.starts_with(service)) && !word.ends_with(':')
        })
        .map(str::to_owned)
        .collect()
}

fn page() -> String {
    std::fs::read_to_string(source_root().join(PAGE)).unwrap()
}

/// What the page grants the operator for a kind of update.
fn of_the_operator(kind: &Kind) -> BTreeSet<String> {
    let policies = pages::blocks(&source_root(), PAGE, "The operator", "json").unwrap();
    let policy: Value = serde_json::from_str(&policies[0].text).unwrap();
    let actions = policy["Statement"][0]["Action"].as_array().unwrap();
    let actions = actions
        .iter()
        .map(|action| action.as_str().unwrap().to_owned());
    let mut granted: BTreeSet<String> = actions.collect();
    if kind.eci {
        granted.retain(|action| !action.starts_with("ecs:"));
        let page = page();
        let (_, from) = page
            .split_once("\nFor `update.containerGroup` it needs")
            .unwrap();
        let sentence = from.split("\n\n").next().unwrap();
        granted.extend(actions_in(sentence));
    }
    if kind.name != "package" {
        granted.remove("oos:ListInstancePackageStates");
    }
    granted
}

/// What the table of the page grants OOS for a kind of update.
fn of_oos(kind: &Kind) -> BTreeSet<String> {
    let page = page();
    let (_, below) = page.split_once("\n## OOS\n").unwrap();
    let mut granted = BTreeSet::new();
    for row in &kind.rows {
        let start = format!("| {row} | ");
        let line = below.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{PAGE} has no row {row:?}"));
        granted.extend(actions_in(&line[start.len()..]));
    }
    granted
}

fn slug(action: &str) -> String {
    action.replace(':', "-").to_lowercase()
}

/// A group of one instance.
fn group_of(kind: &Kind, id: &str) -> Value {
    if kind.eci {
        return json!({
            "scalingGroupId": id, "groupType": "ECI", "maxSize": 5,
            "eciConfigurations": [{
                "scalingConfigurationId": id.replace("asg-", "asc-"),
                "containers": [{"Name": "app", "Image": "registry/app:v1", "Cpu": 1}],
            }],
            "containerGroups": {"count": 1},
        });
    }
    let mut group = group(id, 1);
    group["instances"]["packages"] = json!({"my-agent": "v1"});
    group
}

fn task(kind: &Kind, id: &str, more: Value) -> Value {
    let spec = json!({
        "scalingGroupId": format!("asg-{id}"), "update": kind.update, "batches": 1, "onFailure": "Fail",
    });
    with(spec, more)
}

fn principal(name: &str, allow: &BTreeSet<String>, deny: &[&str]) -> Value {
    let mut allow: Vec<&str> = allow.iter().map(String::as_str).collect();
    allow.push("ram:PassRole");
    json!({
        "name": name, "accessKeyId": format!("key-{name}"), "accessKeySecret": format!("secret-{name}"),
        "allow": allow, "deny": deny,
    })
}

fn secret(name: &str) -> Value {
    json!({"accessKeyId": format!("key-{name}"), "accessKeySecret": format!("secret-{name}")})
}

/// Whom a call is of, and its action as RAM calls it.
fn used(calls: &[Value]) -> BTreeMap<String, BTreeSet<String>> {
    let mut used: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for call in calls {
        let who = call["principal"].as_str().unwrap_or_default();
        let who = who
            .rsplit_once("assumed-role/")
            .map_or(who, |(_, role)| role);
        let who = who.split('/').next().unwrap_or(who);
        let service = call["service"].as_str().unwrap().to_lowercase();
        let action = format!("{service}:{}", call["action"].as_str().unwrap());
        used.entry(who.to_owned()).or_default().insert(action);
    }
    used
}

/// Whether it is said that this action is missing: by its name, or, where a long message of OOS was cut, by the call that RAM
/// refused.
fn names(said: &str, action: &str) -> bool {
    let (service, call) = action.split_once(':').unwrap();
    let call = format!("{} {call}", service.to_uppercase());
    said.contains(action) || said.contains("Forbidden.RAM") && said.contains(&call)
}

#[tokio::test]
async fn each_kind_of_update_needs_the_actions_of_the_page_and_no_others() {
    let mut fixture = with(
        fixture(),
        json!({"packages": [{"name": "my-agent", "versions": 3}]}),
    );
    let mut groups = Vec::new();
    let mut principals = fixture["principals"].as_array().unwrap().clone();
    let mut roles = Vec::new();
    for kind in &kinds() {
        let name = kind.name;
        let (operator, oos) = (of_the_operator(kind), of_oos(kind));
        principals.push(principal(name, &operator, &[]));
        roles.push(json!({"name": name, "trustsOos": true, "allow": oos}));
        groups.push(group_of(kind, &format!("asg-{name}")));
        for action in &oos {
            let id = format!("{name}-oos-{}", slug(action));
            roles.push(json!({"name": id, "trustsOos": true, "allow": oos, "deny": [action]}));
            groups.push(group_of(kind, &format!("asg-{id}")));
        }
        for action in &operator {
            let id = format!("{name}-op-{}", slug(action));
            principals.push(principal(&id, &operator, &[action]));
            groups.push(group_of(kind, &format!("asg-{id}")));
        }
    }
    fixture["principals"] = json!(principals);
    fixture["roles"] = json!(roles);
    fixture["scalingGroups"] = json!(groups);
    let scene = Scene::with(Setup {
        fixture,
        values: json!({"cloudRates": {"oosStartsPerSecond": 200}}),
        ..Setup::default()
    })
    .await;

    // With exactly these: to the end, and back.
    for kind in &kinds() {
        let name = kind.name;
        scene.create_secret(name, secret(name)).await;
        let credentials = json!({"ramRole": name, "credentialsRef": {"name": name}});
        scene.create(name, task(kind, name, credentials)).await;
    }
    for kind in &kinds() {
        scene.until_state(kind.name, "Succeeded").await;
    }
    let of_updates = scene.emulator.calls().await.unwrap();
    for kind in &kinds() {
        let back = json!({"taskRef": {"name": kind.name}, "batches": 1});
        rolling_back::apply(&scene, &format!("{}-undo", kind.name), back);
    }
    for kind in &kinds() {
        let back = format!("{}-undo", kind.name);
        rolling_back::until_state(&scene, &back, "Succeeded").await;
    }
    let calls = scene.emulator.calls().await.unwrap();
    let mut less = Vec::new();
    let mut needless = BTreeSet::new();
    for kind in &kinds() {
        for (side, granted) in [("oos", of_oos(kind)), ("op", of_the_operator(kind))] {
            // Operator and role have the same name: OOS's calls are told from the operator's by who made them.
            let by = |calls: &[Value]| {
                let those = calls
                    .iter()
                    .filter(|call| (call["byOos"] == true) == (side == "oos"));
                let those: Vec<Value> = those.cloned().collect();
                used(&those).remove(kind.name).unwrap_or_default()
            };
            let (by_update, by_all) = (by(&of_updates), by(&calls));
            for action in granted {
                if !by_all.contains(&action) {
                    needless.insert(action);
                } else if by_update.contains(&action) {
                    // Those of the rollback alone fail no update.
                    less.push((kind.name, side, action));
                }
            }
        }
    }
    let unused: BTreeSet<String> = UNUSED
        .iter()
        .map(|(action, _)| (*action).to_owned())
        .collect();
    let of_no_use: Vec<_> = needless.difference(&unused).collect();
    assert!(
        of_no_use.is_empty(),
        "{PAGE} grants what nothing needs: {of_no_use:?}"
    );

    let no_longer: Vec<_> = unused.difference(&needless).collect();
    assert!(no_longer.is_empty(), "used, and in UNUSED: {no_longer:?}");

    // With one less.
    for (name, side, action) in &less {
        let kind = kinds().into_iter().find(|kind| kind.name == *name).unwrap();
        let id = format!("{name}-{side}-{}", slug(action));
        let credentials = if *side == "oos" {
            json!({"ramRole": id, "credentialsRef": {"name": name}})
        } else {
            scene.create_secret(&id, secret(&id)).await;
            json!({"ramRole": name, "credentialsRef": {"name": id}})
        };
        scene.create(&id, task(&kind, &id, credentials)).await;
    }
    for (name, side, action) in &less {
        let id = format!("{name}-{side}-{}", slug(action));
        if *side == "op" && OPTIONAL.contains(&action.as_str()) {
            scene.until_state(&id, "Succeeded").await;
            continue;
        }
        scene
            .until(&id, &format!("{action} is missing, and named"), |task| {
                let status = &task["status"];
                let ended = status["result"]["outcome"] == "Failed";
                let said = status["conditions"].to_string() + &status["result"].to_string();
                let waits = status["conditions"].to_string().contains("AccessDenied");
                (ended || waits) && names(&said, action)
            })
            .await;
    }
    assert!(less.len() >= 40, "{less:?}");
}

/// Images for new instances: the row of the table has them.
#[tokio::test]
async fn an_image_update_task_needs_the_actions_of_the_page_and_no_others() {
    let kind = Kind {
        name: "nightly",
        rows: vec!["an `ImageUpdateTask` that builds"],
        update: Value::Null,
        eci: false,
    };
    let mut oos = of_oos(&kind);
    // ECS makes the snapshot for the image: who builds may have to be allowed to, and the emulated ECS does not ask. Tags are for
    // `spec.source.tags`.
    for action in ["ecs:CreateSnapshot", "ecs:TagResources"] {
        assert!(oos.remove(action), "{PAGE} does not have {action}");
    }
    let operator = of_the_operator(&kind);
    let ids = oos.iter().map(|action| format!("nightly-{}", slug(action)));
    let ids: Vec<String> = ids.collect();
    let mut fixture = fixture();
    let mut roles = vec![json!({"name": "nightly", "trustsOos": true, "allow": oos})];
    let mut groups = vec![group("asg-nightly", 1)];
    for (id, action) in ids.iter().zip(&oos) {
        roles.push(json!({"name": id, "trustsOos": true, "allow": oos, "deny": [action]}));
        groups.push(group(&format!("asg-{id}"), 1));
    }
    fixture["principals"] = json!([principal("nightly", &operator, &[])]);
    fixture["roles"] = json!(roles);
    fixture["scalingGroups"] = json!(groups);
    let scene = Scene::with_fixture(fixture).await;
    scene.create_secret("nightly", secret("nightly")).await;
    let all = std::iter::once("nightly").chain(ids.iter().map(String::as_str));
    for id in all {
        let object = json!({
            "apiVersion": "ess-rollout.io/v1alpha1",
            "kind": "ImageUpdateTask",
            "metadata": {"name": id},
            "spec": {
                "scalingGroupId": format!("asg-{id}"),
                "source": {"instanceId": format!("i-{id}-01")},
                "ramRole": id,
                "credentialsRef": {"name": "nightly"},
            },
        });
        scene
            .kubectl
            .apply(&scene.namespace, &object.to_string())
            .unwrap();
    }
    let api = scene.api(&scene.namespace, "ImageUpdateTask");
    let ended = async |id: &str| {
        let object = json!(api.get(id).await.unwrap());
        let outcome = object["status"]["lastOutcome"]
            .as_str()
            .map(str::to_owned)?;
        Some((outcome, object["status"].to_string()))
    };
    let (outcome, status) = scene
        .eventually("an image is built", async || ended("nightly").await)
        .await;
    assert_eq!(outcome, "Succeeded", "{status}");
    for (id, action) in ids.iter().zip(&oos) {
        let (outcome, status) = scene
            .eventually(&format!("the end without {action}"), async || {
                ended(id).await
            })
            .await;
        assert!(
            outcome == "Failed" && names(&status, action),
            "{action}: {status}"
        );
    }
    assert!(ids.len() >= 4, "{ids:?}");
}
