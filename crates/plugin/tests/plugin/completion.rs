//! What kubectl is told when somebody presses Tab.

use std::path::Path;
use std::process::Command;

use ess_rollout_test_support::process::find_program;
use serde_json::json;

use crate::scene::{Scene, fixture, task};

/// The candidates for the last of these words, as kubectl prints them.
fn candidates(scene: &Scene, plugins: &Path, words: &[&str]) -> String {
    let path = std::env::var("PATH").unwrap();
    let output = Command::new(scene.kubectl.program())
        .args(["__complete", "ess-rollout"])
        .args(words)
        .env("PATH", format!("{}:{path}", plugins.display()))
        .env("KUBECONFIG", scene.kubectl.kubeconfig())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn kubectl_completes_commands_objects_and_instances() {
    let scene = Scene::start(&fixture());
    scene.apply(&task("web", "asg-web"));
    scene.apply(&json!({
        "apiVersion": "ess-rollout.io/v1alpha1", "kind": "ImageUpdateTask", "metadata": {"name": "nightly"},
        "spec": {"scalingGroupId": "asg-web", "source": {"instanceId": "i-web-01"}, "schedule": {"cron": "0 2 1 1 *"}},
    }));
    scene.says(&["wait", "web", "--for=Paused", "--timeout=90s"], 0, &[]);

    // As a package manager leaves it: a link to where the version is.
    let plugins = scene.files.path().join("bin");
    std::fs::create_dir(&plugins).unwrap();
    let plugin = plugins.join("kubectl-ess_rollout");
    std::os::unix::fs::symlink(find_program("kubectl-ess_rollout").unwrap(), &plugin).unwrap();
    let install = || {
        let output = Command::new(&plugin)
            .args(["completion", "install"])
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert!(install().contains("completes for kubectl"));
    assert!(install().contains("is there already"));
    let link = std::fs::read_link(plugins.join("kubectl_complete-ess_rollout")).unwrap();
    assert_eq!(link, Path::new("kubectl-ess_rollout"));

    let namespace = scene.tasks();
    let starts = |words: &[&str], wanted: &[&str]| {
        let said = candidates(&scene, &plugins, words);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), wanted.len() + 1, "{words:?}: {said}");
        for (line, wanted) in lines.iter().zip(wanted) {
            assert!(line.starts_with(wanted), "{words:?}: {said}");
        }
        // No names of files.
        assert_eq!(lines.last(), Some(&":4"), "{words:?}: {said}");
    };
    starts(&["sta"], &["status\tShow an update"]);
    starts(
        &["-n", namespace, "status", "w"],
        &["web\tweb FailureSuspended"],
    );
    starts(
        &["-n", namespace, "status", ""],
        &["web\t", "image/nightly\timage/nightly Scheduled"],
    );
    starts(&["run-now", "--namespace", namespace, ""], &["nightly\t"]);
    starts(
        &["retry", "web", "-n", namespace, "i-web-0"],
        &["i-web-02\tFailed", "i-web-01", "i-web-03", "i-web-04"],
    );
    starts(&["status", "--for"], &[]);
}
