//! The control plane that every other test stands on: it serves, it keeps the rules of a cluster, and it leaves nothing
//! behind, however the process that started it ends.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ess_rollout_test_support::{ControlPlane, shared};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;

/// Processes whose command line holds a path, by number.
fn processes_with(path: &Path) -> Vec<u32> {
    let path = path.to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        // A process may end while we look, and one that has ended has no command line.
        let command_line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command_line).contains(path) {
            found.push(pid);
        }
    }
    found
}

fn wait_until(what: &str, timeout: Duration, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + timeout;
    while !done() {
        assert!(Instant::now() < end, "not within {timeout:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn assert_nothing_left(directory: &Path) {
    wait_until("all programs end", Duration::from_secs(10), || {
        processes_with(directory).is_empty()
    });
    wait_until("its directory is removed", Duration::from_secs(10), || {
        !directory.exists()
    });
}

#[tokio::test]
async fn a_client_of_the_admin_writes_and_the_audit_log_counts_it() {
    let control_plane = shared();
    let namespace = control_plane.kubectl().namespace("audit").unwrap();
    let client = control_plane.client().await.unwrap();
    let api: Api<ConfigMap> = Api::namespaced(client, &namespace);
    let mut map = ConfigMap::default();
    map.metadata.name = Some("one".into());
    api.create(&PostParams::default(), &map).await.unwrap();

    let writes = control_plane
        .audit_log()
        .writes(|e| e.resource() == "configmaps" && e.name() == "one")
        .unwrap();
    let in_namespace: Vec<_> = writes
        .iter()
        .filter(|e| e.namespace() == namespace)
        .collect();
    assert_eq!(in_namespace.len(), 1, "{writes:?}");
    assert_eq!(
        (in_namespace[0].verb.as_str(), in_namespace[0].code()),
        ("create", 201)
    );
    assert_eq!(in_namespace[0].user.username, "admin");
}

#[test]
fn a_service_account_has_the_rights_that_it_was_given_and_no_others() {
    let control_plane = shared();
    let kubectl = control_plane.kubectl();
    let namespace = kubectl.namespace("rbac").unwrap();
    kubectl
        .run(&["create", "serviceaccount", "reader", "-n", &namespace])
        .unwrap();
    kubectl
        .run(&[
            "create",
            "role",
            "reader",
            "--verb=list",
            "--resource=secrets",
            "-n",
            &namespace,
        ])
        .unwrap();
    let account = format!("--serviceaccount={namespace}:reader");
    kubectl
        .run(&[
            "create",
            "rolebinding",
            "reader",
            "--role=reader",
            &account,
            "-n",
            &namespace,
        ])
        .unwrap();
    let token = kubectl.service_account_token(&namespace, "reader").unwrap();
    let directory = tempfile::tempdir().unwrap();
    let kubeconfig = directory.path().join("kubeconfig");
    control_plane.write_kubeconfig(&kubeconfig, &token).unwrap();

    let reader = kubectl.with_kubeconfig(&kubeconfig);
    reader.run(&["get", "secrets", "-n", &namespace]).unwrap();
    let error = reader
        .run(&["delete", "secret", "any", "-n", &namespace])
        .unwrap_err()
        .to_string();
    assert!(error.contains("Forbidden"), "{error}");
    let refused = control_plane
        .audit_log()
        .refused(&format!("system:serviceaccount:{namespace}:reader"))
        .unwrap();
    assert_eq!(refused, [format!("delete secrets in {namespace:?}")]);
}

#[test]
fn a_namespace_goes_away_with_what_is_in_it() {
    let control_plane = shared();
    let kubectl = control_plane.kubectl();
    let namespace = kubectl.namespace("gone").unwrap();
    kubectl
        .run(&["create", "configmap", "one", "-n", &namespace])
        .unwrap();
    kubectl
        .run(&["delete", "namespace", &namespace, "--timeout=60s"])
        .unwrap();
    assert!(kubectl.run(&["get", "namespace", &namespace]).is_err());
}

#[test]
fn a_dropped_control_plane_leaves_nothing() {
    let control_plane = ControlPlane::start().unwrap();
    let directory = control_plane.directory().unwrap().to_path_buf();
    assert!(control_plane.pids().len() >= 2);
    drop(control_plane);
    assert_nothing_left(&directory);
}

#[test]
fn a_test_that_panics_leaves_nothing() {
    let (send, receive) = std::sync::mpsc::channel();
    let panicked = std::thread::spawn(move || {
        let control_plane = ControlPlane::start().unwrap();
        send.send(control_plane.directory().unwrap().to_path_buf())
            .unwrap();
        panic!("on purpose");
    })
    .join();
    assert!(panicked.is_err());
    assert_nothing_left(&receive.recv().unwrap());
}

/// The command under `with-control-plane` prints where the control plane is and then waits for its standard input to
/// end, so that it too is gone at the end of the test.
#[test]
fn a_killed_process_leaves_nothing() {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_with-control-plane"))
        .args([
            "--",
            "sh",
            "-c",
            "echo \"$ESS_ROLLOUT_TEST_CONTROL_PLANE\"; exec cat >/dev/null",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(owner.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let directory = PathBuf::from(line.trim()).parent().unwrap().to_path_buf();
    assert!(processes_with(&directory).len() >= 2);
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert_nothing_left(&directory);
}

#[test]
fn with_control_plane_gives_back_the_status_of_the_command() {
    let status = Command::new(env!("CARGO_BIN_EXE_with-control-plane"))
        .args([
            "--",
            "sh",
            "-c",
            "test -s \"$ESS_ROLLOUT_TEST_CONTROL_PLANE\" && exit 7",
        ])
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(7));
}
