//! What the pages on installing, uninstalling and running by hand say is typed here, word by word, against a control plane
//! of its own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use ess_rollout_test_support::chart::{documents, helm, is_hook, kind};
use ess_rollout_test_support::operator::Options;
use ess_rollout_test_support::pages::{self, Block};
use ess_rollout_test_support::process::find_program;
use ess_rollout_test_support::{ControlPlane, Earlier, Emulator, Kubectl, Operator, source_root};
use serde_json::{Value, json};

use crate::check;
use crate::scene::{PATIENCE, fixture, script_task, task, with};
use crate::upgrades::earlier;

/// A shell in a copy of a source tree, with kubectl and helm of one control plane.
pub(crate) struct Terminal {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) kubectl: Kubectl,
    tree: PathBuf,
    /// That of an earlier tree.
    earlier: Option<Earlier>,
}

impl Terminal {
    pub(crate) fn new(control_plane: &ControlPlane) -> Self {
        Self::of(source_root(), control_plane)
    }

    /// With an earlier tree and its operator.
    fn of_earlier(earlier: Earlier, control_plane: &ControlPlane) -> Self {
        Self {
            earlier: Some(earlier.clone()),
            ..Self::of(earlier.tree, control_plane)
        }
    }

    fn of(tree: PathBuf, control_plane: &ControlPlane) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let programs = directory.path().join("bin");
        std::fs::create_dir(&programs).unwrap();
        let kubectl = control_plane.kubectl();
        for (name, program) in [("kubectl", kubectl.program()), ("helm", helm().unwrap())] {
            std::os::unix::fs::symlink(program, programs.join(name)).unwrap();
        }
        for name in ["kubectl-ess_rollout", "ess-emulator"] {
            std::os::unix::fs::symlink(find_program(name).unwrap(), programs.join(name)).unwrap();
        }
        // A copy: `kubectl config` writes into it.
        let kubeconfig = directory.path().join("kubeconfig");
        std::fs::copy(kubectl.kubeconfig(), &kubeconfig).unwrap();
        let kubectl = kubectl.with_kubeconfig(kubeconfig);
        for part in ["charts", "config", "crds"] {
            let from = tree.join(part);
            let mut copying = Command::new("cp");
            copying.arg("-r").arg(from).arg(directory.path());
            assert!(copying.status().unwrap().success());
        }
        Self {
            directory,
            kubectl,
            tree,
            earlier: None,
        }
    }

    /// Types a block. What is not for a shell without a cluster's nodes is left out: there are no pods to wait for. Minutes and
    /// hours that a page waits are those of real instances: here they are what tests wait.
    pub(crate) fn types(&self, block: &str) -> String {
        let typed: Vec<&str> = block
            .lines()
            .filter(|line| !line.contains("rollout status") && !line.starts_with("helm test"))
            .collect();
        let waits = regex::Regex::new("--timeout=[0-9]+[mh]").unwrap();
        let patience = format!("--timeout={}s", PATIENCE.as_secs());
        let typed = waits.replace_all(&typed.join("\n"), &patience).into_owned();
        let path = std::env::var("PATH").unwrap_or_default();
        let programs = self.directory.path().join("bin");
        let output = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &typed])
            .current_dir(self.directory.path())
            .env("PATH", format!("{}:{path}", programs.display()))
            .env("KUBECONFIG", self.kubectl.kubeconfig())
            .env("KUBECACHEDIR", self.directory.path().join("cache"))
            .env("HELM_NO_PLUGINS", "1")
            .env("HOME", self.directory.path())
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("no_proxy", "127.0.0.1,localhost")
            .output()
            .unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(
            output.status.success(),
            "{typed}\n{}{}",
            said(&output.stderr),
            said(&output.stdout)
        );
        said(&output.stdout)
    }

    /// Puts programs of this workspace and the fixtures of the emulator where they are in a source tree that was built.
    fn has_built(&self, programs: &[&str]) {
        let target = self.directory.path().join("target/debug");
        std::fs::create_dir_all(&target).unwrap();
        for name in programs {
            std::os::unix::fs::symlink(find_program(name).unwrap(), target.join(name)).unwrap();
        }
        let crates = self.directory.path().join("crates/emulator");
        std::fs::create_dir_all(&crates).unwrap();
        let fixtures = source_root().join("crates/emulator/fixtures");
        std::os::unix::fs::symlink(fixtures, crates.join("fixtures")).unwrap();
    }

    /// Saves what a page says to save below a heading, types everything below it, in that order, and gives what was printed.
    pub(crate) fn follows(&self, page: &str, heading: &str) -> String {
        let all = pages::read(&self.tree, &format!("docs/{page}")).unwrap();
        let mut printed = String::new();
        let mut typed = 0;
        for block in all.blocks.iter().filter(|block| block.is_below(heading)) {
            match (block.language.as_str(), &block.saved_as) {
                ("sh", _) => {
                    printed += &self.types(&here(block));
                    typed += 1;
                }
                ("yaml", Some(file)) => self.saves(file, &block.text),
                _ => {}
            }
        }
        assert!(typed > 0, "{heading:?} of {page} has no commands");
        printed
    }

    /// Saves a file.
    pub(crate) fn saves(&self, file: &str, text: &str) {
        std::fs::write(self.directory.path().join(file), text).unwrap();
    }

    /// Saves every manifest that a page says to save.
    pub(crate) fn saves_what(&self, page: &str) {
        let all = pages::read(&self.tree, &format!("docs/{page}")).unwrap();
        for block in &all.blocks {
            if let Some(file) = &block.saved_as {
                self.saves(file, &block.text);
            }
        }
    }

    /// Types the first of the blocks below a heading.
    pub(crate) fn begins(&self, page: &str, heading: &str) {
        self.types(&blocks_of(&self.tree, page, heading)[0]);
    }

    pub(crate) fn get(&self, args: &[&str]) -> Value {
        self.kubectl.get(args).unwrap()
    }

    pub(crate) fn absent(&self, args: &[&str]) -> bool {
        let all = [&["get", "--ignore-not-found", "-o", "name"], args].concat();
        self.kubectl.run(&all).unwrap().trim().is_empty()
    }

    /// The operator that this installation would run, with its rights and flags; the cloud is `emulator`.
    pub(crate) fn operator(&self, control_plane: &ControlPlane, emulator: &Emulator) -> Operator {
        let deployment = self.get(&["-n", "ess-rollout", "deployment/ess-rollout"]);
        let pod = &deployment["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let token = self.kubectl.service_account_token("ess-rollout", account);
        let kubeconfig = self.directory.path().join("operator.kubeconfig");
        control_plane
            .write_kubeconfig(&kubeconfig, &token.unwrap())
            .unwrap();
        let args: Vec<String> =
            serde_json::from_value(pod["containers"][0]["args"].clone()).unwrap();
        let own = |arg: &&String| {
            *arg != "run"
                && !["--health-addr", "--poll-interval", "--settle"]
                    .iter()
                    .any(|flag| arg.starts_with(flag))
        };
        let options = Options {
            kubeconfig,
            flags: args.iter().filter(own).cloned().collect(),
            envs: vec![("POD_NAMESPACE".to_owned(), "ess-rollout".to_owned())],
            program: None,
        };
        let options = options
            .flag(format!("--endpoint=all={}", emulator.endpoint()))
            .flag("--poll-interval-seconds=0.2")
            .flag("--settle-seconds=0")
            .flag("--call-timeout-seconds=2")
            .access_key("operator-key", "operator-secret");
        let earlier = self.earlier.as_ref();
        let options = earlier.map_or(options.clone(), |earlier| earlier.operator(&options));
        Operator::start(&options).unwrap()
    }

    /// What `helm test` runs in a pod, run as a process with the rights of the operator that was started last.
    fn tests_the_release(&self, emulator: &Emulator) {
        let hooks = self.types("helm --namespace ess-rollout get hooks ess-rollout");
        let hooks = documents(&hooks).unwrap();
        assert!(is_hook(&hooks[0]));
        let (mut flags, mut envs) = check::of_pod(&hooks[0], "ess-rollout", &self.kubectl);
        flags.push(format!("--endpoint=all={}", emulator.endpoint()));
        for (name, typed, of_fixture) in [
            ("ACCESS_KEY_ID", "ACCESS_KEY_ID", "operator-key"),
            ("ACCESS_KEY_SECRET", "ACCESS_KEY_SECRET", "operator-secret"),
        ] {
            let name = format!("ALIBABA_CLOUD_{name}");
            let found = envs.iter_mut().find(|(key, _)| *key == name).unwrap();
            assert_eq!(found.1, typed);
            found.1 = of_fixture.to_owned();
        }
        let kubeconfig = self.directory.path().join("operator.kubeconfig");
        check::check(&flags, &envs, &kubeconfig).passes(&[]);
    }

    pub(crate) fn creates(&self, name: &str, spec: Value) {
        let task = task(name, spec).to_string();
        self.kubectl.apply("ess-rollout", &task).unwrap();
    }

    pub(crate) fn waits(&self, name: &str, field: &str, value: &str) {
        let object = format!("rollingupdatetask/{name}");
        let until = format!("jsonpath={{{field}}}={value}");
        self.kubectl
            .wait("ess-rollout", &object, &until, PATIENCE)
            .unwrap();
    }
}

/// The fenced shell blocks below a heading.
pub(crate) fn blocks(page: &str, heading: &str) -> Vec<String> {
    blocks_of(&source_root(), page, heading)
}

/// What is typed of a block: a registry in the place of the reader's.
fn here(block: &Block) -> String {
    let text = &block.text;
    text.replace("repository=REGISTRY/", "repository=registry.example.com/")
}

/// The same of a source tree.
fn blocks_of(tree: &Path, page: &str, heading: &str) -> Vec<String> {
    let all = pages::blocks(tree, &format!("docs/{page}"), heading, "sh").unwrap();
    all.iter().map(here).collect()
}

fn emulator(directory: &Path) -> Emulator {
    emulator_with(directory, &fixture())
}

pub(crate) fn emulator_with(directory: &Path, fixture: &Value) -> Emulator {
    let file = directory.join("cloud.yaml");
    std::fs::write(&file, fixture.to_string()).unwrap();
    Emulator::start_with(&file, &["--clock-scale", "100"]).unwrap()
}

#[tokio::test]
async fn an_installation_with_helm_goes_as_the_pages_say_and_its_memory_comes_back() {
    let control_plane = ControlPlane::start().unwrap();
    let terminal = Terminal::new(&control_plane);
    let emulator = emulator(terminal.directory.path());
    terminal.follows("install.md", "The namespace and the AccessKey");
    // Twice: the same command upgrades.
    terminal.types(&blocks("install.md", "With Helm")[0]);
    terminal.follows("install.md", "With Helm");
    terminal.follows("install.md", "Upgrades");
    terminal.kubectl.wait_for_crds().unwrap();
    let operator = terminal.operator(&control_plane, &emulator);
    terminal.follows("install.md", "Is everything there");
    terminal.tests_the_release(&emulator);
    terminal.follows("install.md", "Mirrors, proxies, networks");
    let deployment = terminal.get(&["-n", "ess-rollout", "deployment/ess-rollout"]);
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let mirrored = "registry-vpc.cn-hangzhou.aliyuncs.com/mine/ess-rollout:0.1.0";
    assert_eq!(container["image"], mirrored);
    terminal.creates("done", with(script_task(), json!({"runKey": "r1"})));
    terminal.waits("done", ".status.state", "Succeeded");
    let paused = json!({"suspensionPolicy": "SuspendFirstBatch"});
    terminal.creates("paused", with(script_task(), paused.clone()));
    terminal.waits("paused", ".status.state", "BatchSuspended");

    terminal.follows("uninstall.md", "1. End what runs");
    assert!(terminal.absent(&["-n", "ess-rollout", "rollingupdatetasks"]));
    terminal.follows("uninstall.md", "2. See what is left, and keep the records");

    // With the operator gone, what has finished, and what was never begun, is in nobody's way.
    terminal.creates("again", with(script_task(), json!({"runKey": "r2"})));
    terminal.waits("again", ".status.state", "Succeeded");
    terminal.creates(
        "planned",
        with(script_task(), json!({"desiredState": "Plan"})),
    );
    terminal.waits("planned", ".status.state", "Planned");
    // At rest: its last write is behind it.
    terminal.waits("again", ".status.restore.done", "true");
    let free = || {
        let task = terminal.get(&["-n", "ess-rollout", "rollingupdatetask/again"]);
        task["metadata"]["finalizers"].is_null()
    };
    for _ in 0..600 {
        if free() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    drop(operator);
    terminal.types(&blocks("uninstall.md", "3. Remove the operator")[0]);
    let records = terminal.get(&["-n", "ess-rollout", "scalinggrouprecords"]);
    assert!(!records["items"].as_array().unwrap().is_empty());
    terminal.follows("uninstall.md", "4. Remove everything");
    assert!(terminal.absent(&["namespace/ess-rollout"]));

    // And back.
    terminal.follows("install.md", "The namespace and the AccessKey");
    terminal.types(&blocks("install.md", "With Helm")[0]);
    terminal.kubectl.wait_for_crds().unwrap();
    terminal.follows("uninstall.md", "Bring the records back");
    let records = terminal.get(&["-n", "ess-rollout", "scalinggrouprecords"]);
    let keys = &records["items"][0]["status"]["runKeys"];
    assert_eq!(keys[0]["key"], "r1", "{records}");
    let _operator = terminal.operator(&control_plane, &emulator);
    terminal.creates("done", with(script_task(), json!({"runKey": "r1"})));
    terminal.waits(
        "done",
        ".status.conditions[?(@.type==\"Succeeded\")].reason",
        "AlreadyRun",
    );
}

/// The commands of the page, once from the earlier chart and once from this one. The operators are processes: there are no
/// nodes here for the Deployment's pods.
#[tokio::test]
async fn helm_upgrades_from_the_chart_before_leader_election_with_updates_under_way() {
    let Some(earlier) = earlier() else {
        return;
    };
    let control_plane = ControlPlane::start().unwrap();
    let tree = earlier.tree.clone();
    let before = Terminal::of_earlier(earlier, &control_plane);
    let emulator = emulator(before.directory.path());
    before.follows("install.md", "The namespace and the AccessKey");
    before.begins("install.md", "With Helm");
    before.kubectl.wait_for_crds_in(&tree.join("crds")).unwrap();
    let mut old = before.operator(&control_plane, &emulator);
    before.creates("done", with(script_task(), json!({"runKey": "r1"})));
    before.waits("done", ".status.state", "Succeeded");
    let each = json!({"suspensionPolicy": "SuspendEachBatch"});
    before.creates("web", with(script_task(), each));
    before.waits("web", ".status.state", "BatchSuspended");
    let kept = |terminal: &Terminal| {
        let kinds = ["crds", "rollingupdatetasks,scalinggrouprecords"];
        let all = kinds.map(|kinds| terminal.get(&["--all-namespaces", kinds])["items"].clone());
        let all = all
            .into_iter()
            .flat_map(|items| items.as_array().unwrap().clone());
        let mut all: Vec<Value> = all
            .map(|object| match kind(&object) {
                // What they say changes.
                "CustomResourceDefinition" => {
                    json!([object["metadata"]["name"], object["metadata"]["uid"]])
                }
                _ => json!([
                    object["metadata"]["name"],
                    object["metadata"]["uid"],
                    object["spec"],
                    object["status"]
                ]),
            })
            .collect();
        all.sort_by_key(Value::to_string);
        all
    };
    let as_it_was = kept(&before);

    let terminal = Terminal::new(&control_plane);
    terminal.follows("install.md", "With Helm");
    terminal.follows("install.md", "Upgrades");
    // And the CRDs of new kinds.
    let now = kept(&terminal);
    assert!(
        as_it_was.iter().all(|one| now.contains(one)),
        "{as_it_was:?} {now:?}"
    );
    let deployment = terminal.get(&["-n", "ess-rollout", "deployment/ess-rollout"]);
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert_eq!(deployment["spec"]["strategy"]["type"], "RollingUpdate");

    // The old one runs on for a while beside the new ones, of which one leads.
    let mut news = [(); 2].map(|()| terminal.operator(&control_plane, &emulator));
    let leads = async |operator: &Operator| {
        let lease = "leader_election_master_status{name=\"ess-rollout\"}";
        operator.metric(lease).await.unwrap()
    };
    terminal
        .types("kubectl -n ess-rollout annotate rollingupdatetask/web ess-rollout.io/continue=1");
    terminal.waits("web", ".status.pause.id", "2");
    let ended = old.process().stop().unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    assert_eq!(leads(&news[0]).await + leads(&news[1]).await, 1.0);
    let leading = usize::from(leads(&news[1]).await == 1.0);
    news[leading].process().kill().unwrap();
    terminal.types("kubectl -n ess-rollout annotate rollingupdatetask/web --overwrite ess-rollout.io/continue=2");
    terminal.waits("web", ".status.state", "Succeeded");

    let calls = emulator.calls().await.unwrap();
    let had_effect = |action: &str| {
        let those = calls
            .iter()
            .filter(|call| call["action"] == action && call["code"] == "OK");
        those.count()
    };
    assert_eq!(had_effect("StartExecution"), 2);
    assert_eq!(had_effect("NotifyExecution"), 2);
    let ran = terminal.get(&["-n", "ess-rollout", "scalinggrouprecords"]);
    let keys = &ran["items"][0]["status"]["runKeys"];
    assert_eq!(keys[0]["key"], "r1", "{ran}");
}

#[tokio::test]
async fn an_installation_with_kubectl_is_applied_again_and_a_stuck_deletion_is_let_go() {
    let control_plane = ControlPlane::start().unwrap();
    let terminal = Terminal::new(&control_plane);
    let emulator = emulator(terminal.directory.path());
    terminal.follows("install.md", "With kubectl");
    terminal.kubectl.wait_for_crds().unwrap();
    let apply = "kubectl apply --server-side -k config/mine";
    terminal.types(apply);
    let deployment = terminal.get(&["-n", "ess-rollout", "deployment/ess-rollout"]);
    assert_eq!(kind(&deployment), "Deployment");
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], "registry.example.com/ess-rollout:0.1.0");
    let environment = container["env"].as_array().unwrap();
    let region = environment
        .iter()
        .find(|e| e["name"] == "ESS_ROLLOUT_REGION");
    assert_eq!(region.unwrap()["value"], "cn-hangzhou");

    // What the overlay sets in the environment, the process of this test gets as a flag.
    let operator = terminal.operator(&control_plane, &emulator);
    let paused = json!({"suspensionPolicy": "SuspendFirstBatch", "regionId": "cn-hangzhou"});
    terminal.creates("web-2026-11", with(script_task(), paused.clone()));
    terminal.waits("web-2026-11", ".status.state", "BatchSuspended");
    let stuck = blocks("uninstall.md", "A deletion that does not end");
    let without = blocks("uninstall.md", "A deletion that does not end");
    let here = |block: &String| block.replace("-n shop", "-n ess-rollout");
    // The operator is away: nothing but force helps, and then nothing at all.
    drop(operator);
    terminal.types("kubectl -n ess-rollout delete rollingupdatetask/web-2026-11 --wait=false");
    terminal.types(&here(&stuck[0]));
    assert!(!terminal.absent(&["-n", "ess-rollout", "rollingupdatetask/web-2026-11"]));
    terminal.types(&here(&without[1]));
    assert!(terminal.absent(&["-n", "ess-rollout", "rollingupdatetask/web-2026-11"]));
    // Whoever comes next finds the run on the record, and says how to end it.
    let _operator = terminal.operator(&control_plane, &emulator);
    let next = json!({"regionId": "cn-hangzhou"});
    terminal.creates("next", with(script_task(), next));
    terminal.waits(
        "next",
        ".status.conditions[?(@.type==\"Preflight\")].reason",
        "UnattendedRun",
    );
    let task = terminal.get(&["-n", "ess-rollout", "rollingupdatetask/next"]);
    let conditions = task["status"]["conditions"].as_array().unwrap();
    let preflight = conditions.iter().find(|c| c["type"] == "Preflight");
    let message = preflight.unwrap()["message"].as_str().unwrap();
    assert!(
        message.contains("aliyun oos CancelExecution --RegionId cn-hangzhou --ExecutionId exec-"),
        "{message}"
    );
    let shown = terminal.types("kubectl -n ess-rollout get scalinggrouprecords");
    assert!(
        shown.contains("exec-"),
        "LET-GO shows the execution: {shown}"
    );

    terminal.types("kubectl -n ess-rollout delete rollingupdatetask/next");
    drop(_operator);
    terminal.types(&blocks("uninstall.md", "3. Remove the operator")[1]);
    assert!(terminal.absent(&["-n", "ess-rollout", "deployment/ess-rollout"]));
}

#[test]
fn operator_and_emulator_run_by_hand_as_the_page_says() {
    let control_plane = ControlPlane::start().unwrap();
    let terminal = Terminal::new(&control_plane);
    terminal.has_built(&["ess-rollout", "ess-emulator"]);
    let typed = [
        blocks("by-hand.md", "The cloud"),
        blocks("by-hand.md", "The operator"),
        blocks("by-hand.md", "An update"),
        blocks("by-hand.md", "The end"),
    ];
    let mut typed = typed.concat().join("\n");
    // Ports that nobody has, held until just before; kubectl is there already.
    let ports = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    for (named, port) in ["127.0.0.1:8080", "127.0.0.1:8081"].iter().zip(&ports) {
        assert!(typed.contains(named), "{typed}");
        typed = typed.replace(named, &port.local_addr().unwrap().to_string());
    }
    drop(ports);
    let path = "export PATH=\"$(hack/control-plane):$PATH\"";
    assert!(typed.contains(path), "{typed}");
    typed = typed.replace(path, "");
    // What fails must not leave anything running.
    let ends = "trap 'kill $(jobs -p) 2>/dev/null || true' EXIT";
    let shown = terminal.types(&format!("{ends}\n{typed}"));
    for line in ["first   Succeeded", "cn-hangzhou.asg-demo-web"] {
        assert!(shown.contains(line), "{line} is missing in:\n{shown}");
    }
    let objects = ["rollingupdatetasks", "--all-namespaces"];
    assert!(terminal.absent(&objects));
}
