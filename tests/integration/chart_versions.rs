//! `helm upgrade` from an earlier chart, to network policies and a registry of its own, with an update under way, and `helm rollback`
//! back to it.
//!
//! Only the chart is of then: the CRDs have only grown since, which is seen to here, and so the operator of then reads and writes
//! what it did. `upgrades` has two versions of the program beside each other.

use std::path::{Path, PathBuf};
use std::process::Command;

use ess_rollout_test_support as support;
use serde_json::{Value, json};
use support::chart::helm;
use support::{ControlPlane, Emulator, Operator, Options, source_root};

use crate::scene::{PATIENCE, fixture, script_task, task, with};

/// The first commit whose chart grants what the present program needs: it reads MaintenanceWindows.
const COMMIT: &str = "a2995e1";
/// What is refused since then, by the end of its path in a CRD: what never worked. Objects that have it keep it (the apiserver asks
/// only what a write changes), which [`HAS_IT`] stands for.
const REFUSED_SINCE: &str = "/spec/properties/windowRefs/items/pattern";
/// An object of then with what is refused now: windows are named without their namespace.
const HAS_IT: &str = "names-no-window";
const NAMESPACE: &str = "ess-rollout";
const RELEASE: &str = "ess-rollout";

/// `None`, and a word why: the checkout does not go back to it, as a shallow clone does not.
fn chart_of_then(into: &Path) -> Option<PathBuf> {
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(source_root()).args(args).output()
    };
    let there = git(&["cat-file", "-e", &format!("{COMMIT}^{{commit}}")]);
    if !there.is_ok_and(|output| output.status.success()) {
        println!("skipped: this checkout does not have the commit {COMMIT}");
        return None;
    }
    let archive = into.join("charts.tar");
    let output = format!("--output={}", archive.display());
    let made = git(&["archive", &output, COMMIT, "charts/ess-rollout"]).unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let mut unpacking = Command::new("tar");
    unpacking.arg("-xf").arg(&archive).arg("-C").arg(into);
    assert!(unpacking.status().unwrap().success());
    Some(into.join("charts/ess-rollout"))
}

struct Cluster {
    control_plane: ControlPlane,
    emulator: Emulator,
    directory: tempfile::TempDir,
}

impl Cluster {
    fn helm(&self, args: &[&str]) {
        let home = self.directory.path();
        let output = Command::new(helm().unwrap())
            .args(args)
            .args(["--namespace", NAMESPACE])
            .env("KUBECONFIG", self.control_plane.kubeconfig())
            .env("HELM_NO_PLUGINS", "1")
            .env("HOME", home)
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("no_proxy", "127.0.0.1,localhost")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm {args:?}: {said}");
    }

    fn upgrade(&self, chart: &Path, values: &Value) {
        let file = self.directory.path().join("values.json");
        std::fs::write(&file, values.to_string()).unwrap();
        let (chart, file) = (chart.to_string_lossy(), file.to_string_lossy());
        self.helm(&["upgrade", "--install", RELEASE, &chart, "--values", &file]);
    }

    fn deployment(&self) -> Value {
        let kubectl = self.control_plane.kubectl();
        kubectl
            .get(&["-n", NAMESPACE, "deployment/ess-rollout"])
            .unwrap()
    }

    /// With the flags and the rights that the release has now.
    fn operator(&self) -> Operator {
        let pod = &self.deployment()["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap();
        let token = self
            .control_plane
            .kubectl()
            .service_account_token(NAMESPACE, account);
        let kubeconfig = self.directory.path().join("operator.kubeconfig");
        self.control_plane
            .write_kubeconfig(&kubeconfig, &token.unwrap())
            .unwrap();
        let args: Vec<String> =
            serde_json::from_value(pod["containers"][0]["args"].clone()).unwrap();
        let own = |arg: &String| {
            let others = ["run", "--health-addr", "--poll-interval", "--settle"];
            !others.iter().any(|other| arg.starts_with(other))
        };
        let options = Options {
            kubeconfig,
            flags: args.into_iter().filter(own).collect(),
            envs: vec![("POD_NAMESPACE".to_owned(), NAMESPACE.to_owned())],
            program: None,
        };
        let options = options
            .flag("--poll-interval-seconds=0.2")
            .flag("--settle-seconds=0")
            .flag("--call-timeout-seconds=2")
            .access_key("operator-key", "operator-secret");
        Operator::start(&options).unwrap()
    }

    fn waits(&self, field: &str, value: &str) {
        let until = format!("jsonpath={{{field}}}={value}");
        let kubectl = self.control_plane.kubectl();
        kubectl
            .wait(NAMESPACE, "rollingupdatetask/web", &until, PATIENCE)
            .unwrap();
    }

    fn continues(&self, pause: &str) {
        let request = format!("ess-rollout.io/continue={pause}");
        let args = [
            "-n",
            NAMESPACE,
            "annotate",
            "--overwrite",
            "rollingupdatetask/web",
            &request,
        ];
        self.control_plane.kubectl().run(&args).unwrap();
    }

    /// What an upgrade and a rollback have to leave as it is.
    fn kept(&self) -> Vec<Value> {
        let kubectl = self.control_plane.kubectl();
        let of = |kinds: &str| {
            let items = kubectl.get(&["--all-namespaces", kinds]).unwrap()["items"].clone();
            items.as_array().unwrap().clone()
        };
        let objects = of("rollingupdatetasks,scalinggrouprecords")
            .into_iter()
            .map(|object| {
                let metadata = &object["metadata"];
                json!([
                    metadata["name"],
                    metadata["uid"],
                    metadata["finalizers"],
                    object["spec"],
                    object["status"]
                ])
            });
        let crds = of("crds")
            .into_iter()
            .map(|crd| json!([crd["metadata"]["name"], crd["metadata"]["uid"]]));
        let mut all: Vec<Value> = objects.chain(crds).collect();
        all.sort_by_key(Value::to_string);
        all
    }
}

fn crd(file: &Path) -> Value {
    serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// Where a part of a CRD takes less than it took. It has only grown where it has more fields, more words and more rules, which are
/// those of its new fields.
fn what_has_not_only_grown(before: &Value, now: &Value, path: &str, lost: &mut Vec<String>) {
    let (Value::Object(before), Value::Object(now)) = (before, now) else {
        if before != now {
            lost.push(path.to_owned());
        }
        return;
    };
    let is_in = |all: &Value, one: &Value| all.as_array().is_some_and(|all| all.contains(one));
    for (name, was) in before {
        let is = &now.get(name).cloned().unwrap_or_default();
        let path = format!("{path}/{name}");
        match name.as_str() {
            "description" => {}
            "enum" | "x-kubernetes-validations" => {
                let all = was.as_array().into_iter().flatten();
                if !all.into_iter().all(|one| is_in(is, one)) {
                    lost.push(path);
                }
            }
            "versions" => {
                let versions = was.as_array().into_iter().flatten();
                for (was, is) in versions.zip(is.as_array().into_iter().flatten()) {
                    what_has_not_only_grown(was, is, &path, lost);
                }
            }
            _ => what_has_not_only_grown(was, is, &path, lost),
        }
    }
    // A bound that there was not takes less.
    if !path.ends_with("/properties") {
        let new = now.keys().filter(|name| !before.contains_key(*name));
        let new = new
            .filter(|name| !["description", "x-kubernetes-validations"].contains(&name.as_str()));
        lost.extend(new.map(|name| format!("{path}/{name}")));
    }
}

#[test]
fn helm_upgrades_from_the_earlier_chart_and_rolls_back_to_it_with_an_update_under_way() {
    let directory = tempfile::tempdir().unwrap();
    let Some(then) = chart_of_then(directory.path()) else {
        return;
    };
    let now = source_root().join("charts/ess-rollout");
    let mut refused = 0;
    for entry in std::fs::read_dir(now.join("crd-files")).unwrap() {
        let file = entry.unwrap().path();
        let before = then.join("crd-files").join(file.file_name().unwrap());
        if !before.exists() {
            // A kind that there was not.
            continue;
        }
        let mut lost = Vec::new();
        what_has_not_only_grown(&crd(&before), &crd(&file), "", &mut lost);
        let all = lost.len();
        lost.retain(|path| !path.ends_with(REFUSED_SINCE));
        refused += all - lost.len();
        assert!(
            lost.is_empty(),
            "{}: {lost:?}: the operator of then has to take part, as in upgrades.rs",
            file.display()
        );
    }
    assert!(refused > 0, "{REFUSED_SINCE} is not of any kind any more");
    let file = directory.path().join("fixture.yaml");
    std::fs::write(&file, fixture().to_string()).unwrap();
    let cluster = Cluster {
        control_plane: ControlPlane::start().unwrap(),
        emulator: Emulator::start_with(&file, &["--clock-scale", "100"]).unwrap(),
        directory,
    };
    let kubectl = cluster.control_plane.kubectl();
    kubectl.run(&["create", "namespace", NAMESPACE]).unwrap();
    let values = json!({
        "image": {"repository": "registry.example.com/ess-rollout"},
        "region": "cn-hangzhou",
        "endpoints": {"all": cluster.emulator.endpoint()},
        "admission": {"policies": {"enabled": false}, "stampRequester": false},
    });
    cluster.upgrade(&then, &values);
    kubectl.wait_for_crds_in(&then.join("crd-files")).unwrap();
    let before = cluster.deployment()["spec"].clone();
    let elsewhere = json!({"windowRefs": ["elsewhere/nights"]});
    let manifest = task(HAS_IT, with(script_task(), elsewhere)).to_string();
    kubectl.apply(NAMESPACE, &manifest).unwrap();
    let mut operator = cluster.operator();
    let each = json!({"suspensionPolicy": "SuspendEachBatch"});
    let manifest = task("web", with(script_task(), each)).to_string();
    kubectl.apply(NAMESPACE, &manifest).unwrap();
    cluster.waits(".status.pause.id", "1");
    operator.process().stop().unwrap();

    let as_it_was = cluster.kept();
    let more = json!({
        "image": {"registry": "registry.example.com", "repository": "ess-rollout"},
        "networkPolicy": {"enabled": true},
        "extraArgs": ["--progress-interval-seconds=1"],
    });
    cluster.upgrade(&now, &with(values, more));
    // And the CRDs of new kinds.
    let kept = cluster.kept();
    assert!(
        as_it_was.iter().all(|one| kept.contains(one)),
        "{as_it_was:?} {kept:?}"
    );
    let after = cluster.deployment()["spec"].clone();
    assert_eq!(
        after["template"]["spec"]["containers"][0]["image"],
        before["template"]["spec"]["containers"][0]["image"]
    );
    assert_ne!(after, before);
    let policy = [
        "-n",
        NAMESPACE,
        "get",
        "networkpolicy/ess-rollout",
        "--ignore-not-found",
        "-o",
        "name",
    ];
    assert!(!kubectl.run(&policy).unwrap().is_empty());
    let mut operator = cluster.operator();
    cluster.continues("1");
    cluster.waits(".status.pause.id", "2");
    let stuck = format!("rollingupdatetask/{HAS_IT}");
    kubectl
        .run(&["-n", NAMESPACE, "label", &stuck, "team=web"])
        .unwrap();
    kubectl.run(&["-n", NAMESPACE, "delete", &stuck]).unwrap();
    operator.process().stop().unwrap();

    let as_it_was = cluster.kept();
    cluster.helm(&["rollback", RELEASE, "1"]);
    assert_eq!(cluster.kept(), as_it_was);
    assert_eq!(cluster.deployment()["spec"], before);
    assert!(kubectl.run(&policy).unwrap().is_empty());
    let _operator = cluster.operator();
    cluster.continues("2");
    cluster.waits(".status.state", "Succeeded");
}
