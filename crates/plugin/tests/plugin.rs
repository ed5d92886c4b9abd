//! The plugin as a process, against a real apiserver, the operator and the emulated cloud.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::PathBuf;
use std::process::{Command, Output};

use ess_rollout_test_support as support;
use serde_json::{Value, json};
use support::process::find_program;
use support::{Emulator, Installation, Kubectl, Operator};

/// Of `kubectl ess-rollout`.
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

struct Scene {
    kubectl: Kubectl,
    kubeconfig: PathBuf,
    installation: Installation,
    _operator: Operator,
    _emulator: Emulator,
}

impl Scene {
    /// A group of four, of which the second fails the first time.
    fn start() -> Self {
        support::install_crypto_provider();
        let control_plane = support::shared();
        let kubectl = control_plane.kubectl();
        let crds = support::source_root().join("crds");
        kubectl.apply_crds(&crds).unwrap();
        let files = tempfile::tempdir().unwrap();
        let fixture = files.path().join("fixture.yaml");
        let content = json!({
            "durations": {"command": 10},
            "principals": [{"name": "operator", "accessKeyId": "operator-id", "accessKeySecret": "operator-secret", "allow": ["*"]}],
            "roles": [{"name": "OOSServiceRole", "trustsOos": true, "allow": ["*"]}],
            "images": [{"imageId": "m-v1"}],
            "commands": [{"instance": "i-web-02", "attempt": 1, "exitCode": 7, "output": "disk full"}],
            "scalingGroups": [{
                "scalingGroupId": "asg-web", "maxSize": 10, "instances": {"count": 4},
                "configurations": [{"scalingConfigurationId": "asc-web", "imageId": "m-v1"}],
            }],
        });
        std::fs::write(&fixture, content.to_string()).unwrap();
        let emulator = Emulator::start_with(&fixture, &["--clock-scale", "100"]).unwrap();
        let values =
            json!({"crds": {"enabled": false}, "rbac": {"aggregate": false}, "settleSeconds": 0});
        let endpoint = emulator.endpoint();
        let installation =
            Installation::new(control_plane, "plugin", "cn-hangzhou", endpoint, &values).unwrap();
        let options = installation
            .operator()
            .access_key("operator-id", "operator-secret")
            .flag("--call-timeout-seconds=2");
        Self {
            kubeconfig: control_plane.kubeconfig().to_path_buf(),
            kubectl,
            _operator: Operator::start(&options).unwrap(),
            installation,
            _emulator: emulator,
        }
    }

    fn plugin(&self, words: &[&str]) -> Said {
        let output: Output = Command::new(find_program("kubectl-ess_rollout").unwrap())
            .args(words)
            .args(["--namespace", &self.installation.tasks])
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }

    /// Ends so, and says this.
    fn says(&self, words: &[&str], code: i32, parts: &[&str]) {
        let said = self.plugin(words);
        let all = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, Some(code), "{words:?}: {all}");
        for part in parts {
            assert!(all.contains(part), "{words:?}: {part:?} is not in {all}");
        }
    }

    /// The pause before, which is left, may be on show for a moment.
    fn until_paused_after(&self, batch: i32) {
        let wanted =
            format!("web BatchSuspended, 2/4 instances, batch 1/2, paused after batch {batch}");
        let began = std::time::Instant::now();
        loop {
            let said = self.plugin(&["wait", "web", "--for=Paused", "--timeout=90s"]);
            if said.out.trim() == wanted {
                return;
            }
            let patience = std::time::Duration::from_secs(60);
            assert!(began.elapsed() < patience, "{}{}", said.out, said.err);
        }
    }

    fn task(&self) -> Value {
        let args = ["rollingupdatetask/web", "-n", &self.installation.tasks];
        self.kubectl.get(&args).unwrap()
    }
}

#[test]
fn a_failing_update_is_taken_to_its_end_with_the_plugin_alone() {
    let scene = Scene::start();
    let missing = "cannot read the RollingUpdateTask web";
    scene.says(&["status", "web"], 1, &[missing, "not found"]);
    scene.says(&["continue", "web"], 1, &[missing]);
    let task = json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask", "metadata": {"name": "web"},
        "spec": {
            "scalingGroupId": "asg-web", "update": {"script": {"run": {"inline": "true"}}},
            "batches": 2, "suspensionPolicy": "SuspendEachBatch",
        },
    });
    scene
        .kubectl
        .apply(&scene.installation.tasks, &task.to_string())
        .unwrap();

    // A pipeline that waits for the end is told that nobody comes.
    scene.says(&["wait", "web"], 4, &["web FailureSuspended", "1 failed"]);
    scene.says(&["wait", "web", "--for=Paused", "--timeout=90s"], 0, &[]);
    let next = format!(
        "kubectl ess-rollout retry web -n {}",
        scene.installation.tasks
    );
    scene.says(
        &["status", "web"],
        0,
        &["FailureSuspended", "i-web-02 Failed", "exit code 7", &next],
    );
    scene.says(&["continue", "web"], 1, &["waits for something else"]);
    scene.says(&["skip", "web", "i-other"], 5, &["skip i-other: Rejected"]);
    scene.says(
        &["retry", "web", "-m", "made room"],
        0,
        &["retry failed: Applied"],
    );

    scene.until_paused_after(1);
    scene.says(&["retry", "web"], 1, &["no instance of web has failed"]);
    scene.says(&["wait", "web", "--for=Paused", "--timeout=1s"], 0, &[]);
    scene.says(&["continue", "web"], 0, &["continue 1: Applied"]);
    // Nobody looks at a terminal: a line for each change, and the end is the verdict.
    scene.says(
        &["status", "web", "--watch"],
        0,
        &["web Succeeded, 4/4 instances"],
    );
    scene.says(
        &["wait", "task/web", "--for=Finished"],
        0,
        &["web Succeeded"],
    );
    scene.says(
        &["continue", "web"],
        1,
        &["web is in no pause: it is Succeeded"],
    );
    scene.says(&["cancel", "web"], 1, &["web has ended"]);

    let task = scene.task();
    let actions = task["status"]["actions"].as_array().unwrap();
    let verbs: Vec<_> = actions
        .iter()
        .map(|action| action["verb"].as_str().unwrap())
        .collect();
    assert_eq!(verbs, ["Skip", "Retry", "Continue"]);
    for action in actions {
        let by = action["requestedBy"].as_str().unwrap_or_default();
        assert!(!by.is_empty(), "{action}");
    }
    let annotations = &task["metadata"]["annotations"];
    assert!(
        annotations["ess-rollout.io/request-note"].is_null(),
        "of the retry, and no other: {annotations}"
    );
}

#[test]
fn what_cannot_be_asked_is_an_error_that_says_why() {
    let scene = Scene::start();
    scene.says(
        &["status", "deployment/web"],
        1,
        &["NAME is that of a RollingUpdateTask, or rollback/NAME"],
    );
    scene.says(
        &["status", "rollback/back"],
        1,
        &["cannot read the Rollback back", "not found"],
    );
    scene.says(
        &["wait", "web", "--timeout=soon"],
        1,
        &["\"soon\" is no time"],
    );
    scene.says(&["status"], 1, &["NAME"]);
    let nobody = ["status", "web", "--as", "nobody"];
    scene.says(
        &nobody,
        1,
        &["cannot read the RollingUpdateTask web", "forbidden"],
    );
    scene.says(
        &["status", "web", "--context", "elsewhere"],
        1,
        &["the kubeconfig cannot be used"],
    );
    scene.says(
        &["status", "web", "--kubeconfig", "/nowhere"],
        1,
        &["cannot read the kubeconfig /nowhere"],
    );
    scene.says(&["--version"], 0, &["0.1.0"]);
}
