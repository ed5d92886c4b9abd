//! What every test stands on: a namespace, an emulated cloud and an operator of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ess_rollout_test_support as support;
use serde_json::{Value, json};
use support::process::find_program;
use support::{Emulator, Installation, Kubectl, Operator};

/// How long something may take before the test fails. A machine that compiles at the same time needs many times what it takes.
const PATIENCE: Duration = Duration::from_secs(90);

/// Of `kubectl ess-rollout`.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code(),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

pub struct Scene {
    pub kubectl: Kubectl,
    pub installation: Installation,
    pub files: tempfile::TempDir,
    kubeconfig: PathBuf,
    pub operator: Operator,
    _emulator: Emulator,
}

/// A group of four, `asg-web`, of which the second fails the first time.
pub fn fixture() -> Value {
    json!({
        "durations": {"command": 10},
        "principals": [{"name": "operator", "accessKeyId": "operator-id", "accessKeySecret": "operator-secret", "allow": ["*"]}],
        "roles": [{"name": "OOSServiceRole", "trustsOos": true, "allow": ["*"]}],
        "images": [{"imageId": "m-v1"}],
        "commands": [{"instance": "i-web-02", "attempt": 1, "exitCode": 7, "output": "disk full"}],
        "scalingGroups": [group("web", 4)],
    })
}

/// `asg-NAME` with so many instances `i-NAME-NN`.
pub fn group(name: &str, count: usize) -> Value {
    json!({
        "scalingGroupId": format!("asg-{name}"), "maxSize": 1000, "instances": {"count": count},
        "configurations": [{"scalingConfigurationId": format!("asc-{name}"), "imageId": "m-v1"}],
    })
}

/// A script on a group, with a pause after each of two batches.
pub fn task(name: &str, group: &str) -> Value {
    json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask", "metadata": {"name": name, "labels": {"app": "shop"}},
        "spec": {
            "scalingGroupId": group, "update": {"script": {"run": {"inline": "true"}, "rollback": {"inline": "true"}}},
            "batches": 2, "suspensionPolicy": "SuspendEachBatch",
        },
    })
}

impl Scene {
    pub fn start(fixture: &Value) -> Self {
        Self::start_with(fixture, &json!({}))
    }

    /// With more values of the chart.
    pub fn start_with(fixture: &Value, more: &Value) -> Self {
        support::install_crypto_provider();
        let control_plane = support::shared();
        let kubectl = control_plane.kubectl();
        let crds = support::source_root().join("crds");
        kubectl.apply_crds(&crds).unwrap();
        let files = tempfile::tempdir().unwrap();
        let file = files.path().join("fixture.yaml");
        std::fs::write(&file, fixture.to_string()).unwrap();
        let emulator = Emulator::start_with(&file, &["--clock-scale", "100"]).unwrap();
        let mut values =
            json!({"crds": {"enabled": false}, "rbac": {"aggregate": false}, "settleSeconds": 0});
        for (name, value) in more.as_object().into_iter().flatten() {
            values[name] = value.clone();
        }
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
            files,
            operator: Operator::start(&options).unwrap(),
            installation,
            _emulator: emulator,
        }
    }

    /// The namespace of the tasks.
    pub fn tasks(&self) -> &str {
        &self.installation.tasks
    }

    pub fn apply(&self, object: &Value) {
        let namespace = self.tasks();
        self.kubectl.apply(namespace, &object.to_string()).unwrap();
    }

    /// A manifest in a file.
    pub fn file(&self, name: &str, object: &Value) -> String {
        let file = self.files.path().join(name);
        std::fs::write(&file, object.to_string()).unwrap();
        file.to_str().unwrap().to_owned()
    }

    /// The plugin with these words, to be run.
    pub fn command(&self, words: &[&str]) -> Command {
        self.command_at(&self.kubeconfig, words)
    }

    /// The same with another kubeconfig.
    pub fn command_at(&self, kubeconfig: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(find_program("kubectl-ess_rollout").unwrap());
        command
            .args(words)
            .args(["--namespace", self.tasks()])
            .env("KUBECONFIG", kubeconfig)
            .current_dir(self.files.path())
            .stdin(Stdio::null());
        command
    }

    pub fn plugin(&self, words: &[&str]) -> Said {
        self.command(words).output().unwrap().into()
    }

    /// Ends so, and says this.
    pub fn says(&self, words: &[&str], code: i32, parts: &[&str]) -> Said {
        let said = self.plugin(words);
        let all = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, Some(code), "{words:?}: {all}");
        for part in parts {
            assert!(all.contains(part), "{words:?}: {part:?} is not in {all}");
        }
        said
    }

    /// Repeats these words until what is printed, or said of it, has this in it.
    pub fn until(&self, words: &[&str], part: &str) {
        let began = Instant::now();
        loop {
            let said = self.plugin(words);
            if said.out.contains(part) || said.err.contains(part) {
                return;
            }
            let last = format!("{words:?}: {}{}", said.out, said.err);
            assert!(began.elapsed() < PATIENCE, "no {part:?} in {last}");
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    pub fn get(&self, object: &str) -> Value {
        let args = [object, "-n", self.tasks()];
        self.kubectl.get(&args).unwrap()
    }
}
