//! Metrics, alerts and the dashboard, through a real Prometheus that scrapes a live operator.

use std::collections::BTreeSet;

use ess_rollout_test_support::chart::documents;
use ess_rollout_test_support::process::find_program;
use ess_rollout_test_support::{Prometheus, source_root};
use serde_json::{Value, json};

use crate::scene::{Scene, Setup, fixture, group, script_task, with};

/// Its script ends with 7.
const BAD: &str = "i-web-03";

/// Four groups; the first has an instance that fails.
fn groups() -> Value {
    let more = ["asg-done", "asg-paused", "asg-running"].map(|id| group(id, 3));
    let mut fixture = fixture();
    let all = fixture["scalingGroups"].as_array_mut().unwrap();
    all.extend(more);
    with(
        fixture,
        json!({"commands": [{"instance": BAD, "exitCode": 7, "output": "disk full\n"}]}),
    )
}

fn on(group: &str, more: Value) -> Value {
    with(script_task(), with(json!({"scalingGroupId": group}), more))
}

/// Updates that have succeeded, have failed and left an instance behind, wait in a second pause, and run; the cloud has refused calls
/// for their rate.
async fn scene_with_updates_in_many_states(scene: &Scene) {
    let fault = json!({"service": "OOS", "action": "ListExecutions", "caller": "outside", "count": 5,
        "effect": {"kind": "throttle", "retryAfterMillis": 200}});
    scene.emulator.add_fault(&fault).await.unwrap();
    let fails = json!({"onFailure": "Fail"});
    scene.create("failed", with(script_task(), fails)).await;
    scene.create("done", on("asg-done", json!({}))).await;
    let pauses = json!({"suspensionPolicy": "SuspendEachBatch"});
    scene.create("paused", on("asg-paused", pauses)).await;
    scene.until_paused("paused", 1).await;
    scene.request("paused", "continue", "1").await;
    scene.until_paused("paused", 2).await;
    scene.until_state("failed", "Failed").await;
    scene.until_state("done", "Succeeded").await;
    scene.stop_time(true).await;
    scene.create("running", on("asg-running", json!({}))).await;
    scene
        .until("running", "it has instances to update", |task| {
            task["status"]["state"] == "Running" && task["status"]["summary"]["total"] == 3
        })
        .await;
}

/// What Grafana puts in the place of its variables.
fn filled_in(query: &str) -> String {
    let variables = [
        ("$__rate_interval", "5m"),
        ("$__range", "1h"),
        ("$namespace", ".*"),
    ];
    let filled = variables
        .into_iter()
        .fold(query.to_owned(), |text, (name, value)| {
            text.replace(name, value)
        });
    assert!(!filled.contains('$'), "{query}");
    filled
}

fn dashboard() -> Vec<(String, String)> {
    let path = source_root().join("config/grafana/ess-rollout.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let queries = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| {
            let title = panel["title"].as_str().unwrap().to_owned();
            (title, filled_in(target["expr"].as_str().unwrap()))
        })
    });
    queries.collect()
}

fn rules() -> std::path::PathBuf {
    source_root().join("config/prometheus/rules.yaml")
}

fn alerts() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(rules()).unwrap();
    let file = documents(&text).unwrap().remove(0);
    let groups = file["groups"].as_array().unwrap().clone();
    let rules = groups
        .into_iter()
        .flat_map(|group| group["rules"].as_array().unwrap().clone());
    rules
        .map(|rule| {
            let text = |field: &str| rule[field].as_str().unwrap().to_owned();
            (text("alert"), text("expr"))
        })
        .collect()
}

/// The pages of the alerts.
fn runbooks() -> Vec<String> {
    let folder = std::fs::read_dir(source_root().join("docs/runbooks")).unwrap();
    let pages = folder.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    pages.collect()
}

/// Runs what the pages tell people to type in order to see more, but for what is about the pods of the operator: there are none here.
fn type_what_the_runbooks_say(scene: &Scene) {
    const OF_PODS: [&str; 7] = [
        "deployment",
        "get pods",
        "top pod",
        "get lease",
        "servicemonitor",
        "auth can-i",
        "apply",
    ];
    let plugin = find_program("kubectl-ess_rollout").unwrap();
    let folders = [scene.kubectl.program(), &plugin].map(|program| program.parent().unwrap());
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{}:{path}", folders[0].display(), folders[1].display());
    let mut typed = BTreeSet::new();
    for page in runbooks() {
        let blocks = page.split("```sh\n").skip(1);
        let lines = blocks.flat_map(|block| block.split("```").next().unwrap().lines());
        let lines = lines.filter(|line| !OF_PODS.iter().any(|what| line.contains(what)));
        for line in lines {
            let of_operator = format!("-n {}", scene.installation.namespace);
            let (command, _) = line.split_once(" | ").unwrap_or((line, ""));
            let command = command
                .replace("-n ess-rollout", &of_operator)
                .replace("NAMESPACE", &scene.namespace)
                .replace("NAME", "failed");
            if !typed.insert(command.clone()) {
                continue;
            }
            let ran = std::process::Command::new("bash")
                .args(["-c", &command])
                .env("PATH", &path)
                .env("KUBECONFIG", scene.kubectl.kubeconfig())
                .env(
                    "KUBECACHEDIR",
                    scene.kubectl.kubeconfig().with_extension("cache"),
                )
                .env("NO_PROXY", "127.0.0.1,localhost")
                .output()
                .unwrap();
            // 2 and more are verdicts about the object.
            let said = String::from_utf8_lossy(&ran.stderr);
            assert!(
                !matches!(ran.status.code(), None | Some(1)),
                "{command}: {said}"
            );
        }
    }
    assert!(typed.len() > 8, "{typed:?}");
    let help = std::process::Command::new(&plugin)
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for page in runbooks() {
        let named = page.split("kubectl ess-rollout ").skip(1);
        for verb in named.map(|rest| rest.split([' ', '\n', '`']).next().unwrap()) {
            assert!(
                help.contains(&format!("\n  {verb} ")),
                "kubectl ess-rollout {verb}"
            );
        }
    }
}

#[tokio::test]
async fn every_query_of_the_dashboard_gives_data_and_every_alert_is_about_series_that_there_are() {
    let values = json!({"replicaCount": 2, "leaderElection": {"enabled": true}});
    let scene = Scene::with(Setup {
        fixture: groups(),
        values,
        ..Setup::default()
    })
    .await;
    let address = scene.operator.address().unwrap();
    let prometheus = Prometheus::start(&[address], &rules()).await.unwrap();
    let number = async |expression: &str| {
        let found = prometheus.query(expression).await.unwrap();
        found
            .first()
            .map(|series| series["value"][1].as_str().unwrap().parse::<f64>().unwrap())
    };
    // What is counted from zero has been seen at zero.
    scene
        .eventually("the leader is scraped", async || {
            let leads = number("max(leader_election_master_status)").await;
            (leads == Some(1.0)).then_some(())
        })
        .await;
    scene_with_updates_in_many_states(&scene).await;
    scene
        .eventually("the failure is scraped", async || {
            let failed =
                r#"ess_rollout_task_outcomes_total{kind="RollingUpdateTask",outcome="Failed"}"#;
            (number(failed).await == Some(1.0)).then_some(())
        })
        .await;

    for (title, query) in dashboard() {
        scene
            .eventually(&format!("{title} has data: {query}"), async || {
                let found = prometheus.query(&query).await.unwrap();
                (!found.is_empty()).then_some(())
            })
            .await;
    }

    let mut seen = BTreeSet::new();
    for (alert, expression) in alerts() {
        let selectors = prometheus.selectors(&expression).await.unwrap();
        assert!(!selectors.is_empty(), "{alert}");
        for (name, labels) in selectors {
            let labels = labels.iter().map(|label| format!("{label}!=\"\""));
            let series = format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(","));
            if seen.insert(series.clone()) {
                let found = prometheus.query(&series).await.unwrap();
                assert!(!found.is_empty(), "{alert}: there is no {series}");
            }
        }
    }

    // Prometheus itself takes all of them, and some have something to say.
    let loaded = prometheus.get("rules", &[]).await.unwrap();
    let groups = loaded["groups"].as_array().unwrap().iter();
    let loaded: Vec<&Value> = groups
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert_eq!(loaded.len(), alerts().len());
    for rule in &loaded {
        assert_eq!(rule["health"], "ok", "{rule}");
    }
    let state = |name: &str| {
        let rule = loaded.iter().find(|rule| rule["name"] == name);
        rule.unwrap()["state"].clone()
    };
    assert_eq!(state("EssRolloutTaskFailed"), "firing");
    // One is, as its update was told to leave it there.
    assert_eq!(state("EssRolloutInstancesLeftInStandby"), "inactive");
    assert_eq!(state("EssRolloutOperatorDown"), "inactive");
    let targets = prometheus.get("targets", &[]).await.unwrap();
    assert_eq!(targets["activeTargets"][0]["lastError"], "");

    // A series of its own has whatever is under way, and nothing else.
    let shown = async || -> BTreeSet<(String, String)> {
        let found = prometheus.query("ess_rollout_task_info").await.unwrap();
        let text =
            |series: &Value, label: &str| series["metric"][label].as_str().unwrap().to_owned();
        let named = found
            .iter()
            .map(|series| (text(series, "name"), text(series, "state")));
        named.collect()
    };
    let pair = |name: &str, state: &str| (name.to_owned(), state.to_owned());
    let both = [pair("paused", "BatchSuspended"), pair("running", "Running")];
    scene
        .eventually("two have series", async || {
            (shown().await == both.clone().into()).then_some(())
        })
        .await;
    for (query, value) in [
        (
            r#"sum(ess_rollout_task_instances{kind="RollingUpdateTask"})"#,
            6.0,
        ),
        (r#"ess_rollout_leftovers{kind="Standby",kept="true"}"#, 1.0),
        (
            r#"ess_rollout_start_intents_total{kind="RollingUpdateTask",outcome="Started"}"#,
            4.0,
        ),
        (
            r#"ess_rollout_task_outcomes_total{kind="RollingUpdateTask",outcome="Succeeded"}"#,
            1.0,
        ),
        (
            r#"ess_rollout_task_pause_seconds_count{kind="RollingUpdateTask",cause="Batch"}"#,
            1.0,
        ),
        (
            r#"ess_rollout_task_duration_seconds_count{kind="RollingUpdateTask"}"#,
            2.0,
        ),
    ] {
        // What has just been written may not have been scraped.
        scene
            .eventually(&format!("{query} is {value}"), async || {
                (number(query).await == Some(value)).then_some(())
            })
            .await;
    }
    type_what_the_runbooks_say(&scene);
    scene.stop_time(false).await;
    scene.until_state("running", "Succeeded").await;
    scene
        .eventually("it has no series any more", async || {
            (shown().await == [both[0].clone()].into()).then_some(())
        })
        .await;
}
