//! Every command, each as it is asked for, for what is not there, by somebody who may not, without an apiserver, ended by Ctrl-C,
//! and with nobody who reads what it prints.

use std::io::Read;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::scene::{Said, Scene, fixture, group, task};

/// One command.
struct Row {
    /// `{}` is the name of an object, or what else the command is for.
    words: &'static [&'static str],
    /// One that is there.
    name: &'static str,
    /// Is in what is printed then.
    says: &'static str,
    /// Exit status and words for one that is not there; `None`: it is for all that there is.
    missing: Option<(i32, &'static str)>,
    /// Exit status and words for somebody who may nothing.
    forbidden: (i32, &'static str),
    /// Whether it asks an apiserver.
    asks: bool,
    /// Whether it prints anything here.
    prints: bool,
}

const fn row(words: &'static [&'static str], name: &'static str, says: &'static str) -> Row {
    Row {
        words,
        name,
        says,
        missing: Some((1, "not found")),
        forbidden: (1, "forbidden"),
        asks: true,
        prints: true,
    }
}

const ROWS: [Row; 25] = [
    row(&["get", "{}"], "web", "BatchSuspended"),
    row(
        &["status", "{}"],
        "web",
        "to go on: kubectl ess-rollout continue web",
    ),
    row(
        &["wait", "{}", "--for=Paused"],
        "web",
        "paused after batch 1",
    ),
    row(
        &["continue", "{}", "--dry-run=server"],
        "web",
        "ess-rollout.io/continue=1@",
    ),
    row(
        &["approve", "{}", "--up-to=2", "--dry-run=server"],
        "web",
        "approve web up to batch 2",
    ),
    row(
        &["retry", "{}", "i-web-01", "--dry-run=server"],
        "web",
        "retry=i-web-01/1@",
    ),
    row(
        &["skip", "{}", "--batch=2", "--dry-run=server"],
        "web",
        "skip=batch-2@",
    ),
    row(
        &["cancel-instances", "{}", "i-web-01", "--dry-run=server"],
        "web",
        "cancel-instances=i-web-01/1@",
    ),
    row(
        &["cancel", "{}", "--dry-run=server"],
        "web",
        "cancel of web",
    ),
    row(&["plan", "{}"], "planned", "plan: 2 instances in 1 batch"),
    row(
        &["run", "{}", "--dry-run=server"],
        "planned",
        "planned is started (server dry run)",
    ),
    row(
        &["rollback", "{}", "--dry-run=server"],
        "web",
        "rollback/web-undo is created",
    ),
    row(
        &["run-now", "{}", "--dry-run=server"],
        "nightly",
        "run-now of image/nightly",
    ),
    row(
        &["override-window", "{}", "--dry-run=server"],
        "web",
        "override-window=all@",
    ),
    row(&["logs", "{}", "--failed"], "bad", "[i-api-01] disk full"),
    row(&["events", "{}"], "web", "Started"),
    Row {
        missing: Some((0, "nothing that was run on")),
        ..row(
            &["history", "{}", "--operator-namespace={operator}"],
            "asg-web",
            "web",
        )
    },
    Row {
        missing: Some((0, "no scaling group is on record")),
        ..row(
            &["groups", "{}", "--operator-namespace={operator}"],
            "asg-web",
            "RollingUpdateTask",
        )
    },
    Row {
        missing: Some((1, "no scaling group nobody-knows is on record")),
        ..row(
            &["alerts", "{}", "--operator-namespace={operator}"],
            "asg-web",
            "--RuleName 'ess-rollout-asg-web'",
        )
    },
    Row {
        missing: None,

        ..row(
            &["leftovers", "--operator-namespace={operator}"],
            "",
            "spec.failedInstancePolicy is KeepInStandby",
        )
    },
    Row {
        missing: None,
        ..row(&["windows", "--all-namespaces"], "", "patch slot")
    },
    Row {
        missing: Some((1, "cannot read")),
        ..row(
            &["diff", "-f", "{}"],
            "web.json",
            "web is as the manifest says",
        )
    },
    row(&["report", "{}", "-f", "-"], "web", ""),
    Row {
        missing: None,
        forbidden: (0, "operator cannot be found"),
        ..row(&["version"], "", "API ess-rollout.io/v1alpha1")
    },
    Row {
        missing: None,
        forbidden: (0, ""),
        asks: false,
        ..row(&["completion", "bash"], "", "complete")
    },
];

impl Row {
    fn words(&self, scene: &Scene, name: &str) -> Vec<String> {
        let operator = &scene.installation.namespace;
        let fill = |word: &&str| word.replace("{}", name).replace("{operator}", operator);
        self.words.iter().map(fill).collect()
    }

    fn command(&self, scene: &Scene, name: &str, more: &[&str]) -> Command {
        let words = self.words(scene, name);
        let words: Vec<&str> = words
            .iter()
            .map(String::as_str)
            .chain(more.iter().copied())
            .collect();
        scene.command(&words)
    }

    fn expect(&self, case: &str, output: Output, code: i32, part: &str) {
        // What is printed may be no text.
        let said = Said::from(output);
        let all = format!("{}{}", said.out, said.err);
        let words = self.words;
        assert_eq!(said.code, Some(code), "{words:?}, {case}: {all}");
        assert!(
            all.contains(part),
            "{words:?}, {case}: {part:?} is not in {all}"
        );
        assert!(!all.contains("panicked"), "{words:?}, {case}: {all}");
    }
}

fn scene() -> Scene {
    let mut fixture = fixture();
    fixture["commands"] =
        json!([{"instance": "i-api-01", "attempt": 1, "exitCode": 7, "output": "disk full"}]);
    let groups = fixture["scalingGroups"].as_array_mut().unwrap();
    groups.extend([group("api", 2), group("planned", 2)]);
    let scene = Scene::start(&fixture);
    scene.apply(&task("web", "asg-web"));
    let mut bad = task("bad", "asg-api");
    bad["spec"]["onFailure"] = "Fail".into();
    scene.apply(&bad);
    let mut planned = task("planned", "asg-planned");
    planned["spec"]["desiredState"] = "Plan".into();
    planned["spec"]["batches"] = 1.into();
    scene.apply(&planned);
    scene.apply(&json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ImageUpdateTask", "metadata": {"name": "nightly"},
        "spec": {"scalingGroupId": "asg-web", "source": {"instanceId": "i-web-01"}, "schedule": {"cron": "0 2 1 1 *"}},
    }));
    let [start, end] = [400, 401].map(|days| {
        let time = Timestamp::now() + SignedDuration::from_hours(24 * days);
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    });
    scene.apply(&json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "MaintenanceWindow", "metadata": {"name": "nights"},
        "spec": {
            "reason": "patch slot", "start": start, "end": end,
            "selector": {"namespaces": ["nowhere"]},
        },
    }));
    scene.file("web.json", &task("web", "asg-web"));
    scene.says(&["wait", "web", "--for=Paused", "--timeout=90s"], 0, &[]);
    scene.says(
        &["wait", "bad", "--for=Finished", "--timeout=90s"],
        0,
        &["Failed"],
    );
    scene.until(&["get", "planned"], "Planned");
    scene.until(&["get", "image/nightly"], "Scheduled");
    scene.until(&["events", "web"], "Started");
    scene.until(&["windows"], &start);
    scene
}

/// A kubeconfig of a server that speaks plain HTTP.
fn kubeconfig(scene: &Scene, address: &str) -> PathBuf {
    let file = scene.file(
        "elsewhere.kubeconfig",
        &json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
            "users": [{"name": "u", "user": {}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        }),
    );
    file.into()
}

#[test]
fn every_command_in_every_case() {
    let scene = scene();
    for row in &ROWS {
        let mut command = row.command(&scene, row.name, &[]);
        row.expect("as asked for", command.output().unwrap(), 0, row.says);

        if let Some((code, part)) = row.missing {
            let mut command = row.command(&scene, "nobody-knows", &[]);
            row.expect("not there", command.output().unwrap(), code, part);
        }

        let mut command = row.command(&scene, row.name, &["--as=nobody"]);
        let (code, part) = row.forbidden;
        row.expect("forbidden", command.output().unwrap(), code, part);

        if row.prints {
            pipe_is_closed(row, &scene);
        }
        if row.asks {
            apiserver_is_away(row, &scene);
            interrupted(row, &scene);
        }
    }
    let named: Vec<_> = ROWS.iter().map(|row| row.words[0]).collect();
    let help = scene.plugin(&["--help"]).out;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    // What follows further in says more of the one before.
    let commands = commands.take_while(|line| !line.is_empty());
    let commands = commands.filter(|line| !line.starts_with("   "));
    let commands: Vec<_> = commands
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    for command in commands {
        // These have tests of their own: nothing is asked of anybody, or a scene with checks is needed.
        let known = named.contains(&command) || ["lint", "retry-gate"].contains(&command);
        assert!(known, "{command} is not in the table");
    }
}

fn apiserver_is_away(row: &Row, scene: &Scene) {
    // Nobody listens there any more.
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let kubeconfig = kubeconfig(scene, &address.to_string());
    let words = row.words(scene, row.name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let output = scene.command_at(&kubeconfig, &words).output().unwrap();
    let part = format!("no answer from the apiserver http://{address}");
    row.expect("apiserver away", output, 1, &part);
}

fn interrupted(row: &Row, scene: &Scene) {
    // It takes what is asked and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let kubeconfig = kubeconfig(scene, &address.to_string());
    let words = row.words(scene, row.name);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = scene.command_at(&kubeconfig, &words);
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut connection, _) = listener.accept().unwrap();
    let mut first = [0];
    connection.read_exact(&mut first).unwrap();
    let killed = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(killed.unwrap().success());
    row.expect("Ctrl-C", child.wait_with_output().unwrap(), 130, "");
}

fn pipe_is_closed(row: &Row, scene: &Scene) {
    let mut command = row.command(scene, row.name, &[]);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(command);
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    let (code, words) = (child.wait().unwrap().code(), row.words);
    assert_eq!(code, Some(141), "{words:?}, pipe closed: {text}");
    assert!(
        !text.contains("panicked") && !text.contains("error"),
        "{words:?}: {text}"
    );
}

#[test]
fn what_cannot_be_asked_is_an_error_that_says_why() {
    let scene = Scene::start(&fixture());
    let cases: [(&[&str], i32, &[&str]); 17] = [
        (
            &["status", "deployment/web"],
            1,
            &["NAME is that of a RollingUpdateTask, rollback/NAME or image/NAME"],
        ),
        (
            &["status", "rollback/back"],
            1,
            &["cannot read the Rollback back", "not found"],
        ),
        (
            &["continue", "image/nightly"],
            1,
            &["continue is for a RollingUpdateTask or Rollback"],
        ),
        (
            &["wait", "web", "--timeout=soon"],
            1,
            &["\"soon\" is no time"],
        ),
        (
            &["approve", "web", "--up-to=0"],
            1,
            &["neither the number of a batch"],
        ),
        (
            &["retry", "web", "i-1", "--batch=2"],
            1,
            &["cannot be used with"],
        ),
        (
            &["retry", "-l", "app=shop", "i-1"],
            1,
            &["cannot be used with"],
        ),
        (
            &["cancel", "-l", " ", "-y"],
            1,
            &["it is empty, which would mean everything"],
        ),
        (&["cancel", "web", "-A"], 1, &["selector"]),
        (&["get", "web", "-A"], 1, &["an object is named"]),
        (
            &["approve", "web", "--up-to=2", "-m", "why"],
            1,
            &["keeps no note"],
        ),
        (
            &["get", "rollingupdatetask.ess-rollout.io/web"],
            1,
            &["cannot read the RollingUpdateTask web"],
        ),
        (&["status"], 1, &["NAME"]),
        (
            &["status", "web", "--context", "elsewhere"],
            1,
            &["the kubeconfig cannot be used"],
        ),
        (
            &["status", "web", "--kubeconfig", "/nowhere"],
            1,
            &["cannot read the kubeconfig /nowhere"],
        ),
        (
            &["status", "web", "--request-timeout=0", "-n", "x/../y"],
            1,
            &[],
        ),
        (&["--version"], 0, &["0.1.0"]),
    ];
    for (words, code, parts) in cases {
        scene.says(words, code, parts);
    }
}
