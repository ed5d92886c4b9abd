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
    (
        "ecs:DescribeImages",
        "of OOS, with a source whose image it looks at",
    ),
    (
        "ecs:DescribeLaunchTemplates",
        "groups with a launch template",
    ),
    ("ecs:DescribeLaunchTemplateVersions", "likewise"),
    ("ecs:CreateSnapshot", "ECS makes it for the image"),
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
        let back = json!({"taskRef": {"name": kind.name}, "batches": 1});
        rolling_back::apply(&scene, &format!("{}-undo", kind.name), back);
    }
    for kind in &kinds() {
        let back = format!("{}-undo", kind.name);
        rolling_back::until_state(&scene, &back, "Succeeded").await;
    }
    let calls = scene.emulator.calls().await.unwrap();
    let called = used(&calls);
    let mut less = Vec::new();
    let mut needless = BTreeSet::new();
    for kind in &kinds() {
        for (side, granted) in [("oos", of_oos(kind)), ("op", of_the_operator(kind))] {
            // Operator and role have the same name: OOS's calls are told from the operator's by who made them.
            let by_oos = side == "oos";
            let own: Vec<Value> = calls
                .iter()
                .filter(|call| (call["byOos"] == true) == by_oos)
                .cloned()
                .collect();
            let called = used(&own).remove(kind.name).unwrap_or_default();
            for action in granted {
                if called.contains(&action) {
                    less.push((kind.name, side, action));
                } else {
                    needless.insert(action);
                }
            }
        }
    }
    assert!(called.len() >= 4, "{called:?}");
    let unused: BTreeSet<String> = UNUSED
        .iter()
        .map(|(action, _)| (*action).to_owned())
        .collect();
    let of_no_use: Vec<_> = needless.difference(&unused).collect();
    assert!(
        of_no_use.is_empty(),
        "{PAGE} grants what nothing needs: {of_no_use:?}"
    );

    // With one less. What only the rollback needs is not asked for by an update.
    less.retain(|(_, side, action)| !(*side == "oos" && action == "oos:ListExecutions"));
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
                (ended || waits) && said.contains(action.as_str())
            })
            .await;
    }
    assert!(less.len() >= 40, "{less:?}");
}
