//! Programs that are asked about live objects, and what they say.

use std::io::Write;
use std::process::{Command, Stdio};

use ess_rollout_test_support::process::find_program;
use ess_rollout_test_support::{Kubectl, control_plane};
use serde_json::Value;

/// The verdict of kstatus and its message on each object.
pub fn kstatus(objects: &[Value]) -> Vec<(String, String)> {
    let mut child = Command::new(control_plane::kstatus().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = objects.iter().map(|object| format!("{object}\n")).collect();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let verdicts: Vec<(String, String)> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| {
            let verdict: Value = serde_json::from_str(line).unwrap();
            let text = |field: &str| verdict[field].as_str().unwrap().to_owned();
            (text("status"), text("message"))
        })
        .collect();
    assert_eq!(verdicts.len(), objects.len());
    verdicts
}

/// How waiting for an object ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// It goes on.
    GoesOn,
    /// With this exit status.
    Ended(i32),
}

impl std::fmt::Display for Waited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::GoesOn => f.write_str("waits"),
            Self::Ended(code) => write!(f, "ends, {code}"),
        }
    }
}

/// `kubectl wait --for=condition=Succeeded`, for so many seconds.
pub fn kubectl_wait(
    program: &Kubectl,
    kind: &str,
    namespace: &str,
    name: &str,
    seconds: u32,
) -> Waited {
    let object = format!("{}.ess-rollout.io/{name}", kind.to_lowercase());
    let timeout = format!("--timeout={seconds}s");
    let args = [
        "wait",
        &object,
        "--for=condition=Succeeded",
        &timeout,
        "-n",
        namespace,
    ];
    match program.run(&args) {
        Ok(_) => Waited::Ended(0),
        Err(error) => {
            let said = format!("{error:#}");
            assert!(said.contains("timed out"), "{kind} {name}: {said}");
            Waited::GoesOn
        }
    }
}

/// `kubectl ess-rollout wait`, for so many seconds.
pub fn plugin_wait(
    program: &Kubectl,
    kind: &str,
    namespace: &str,
    name: &str,
    seconds: u32,
) -> Waited {
    let name = match kind {
        "Rollback" => format!("rollback/{name}"),
        "ImageUpdateTask" => format!("image/{name}"),
        _ => name.to_owned(),
    };
    let timeout = format!("{seconds}s");
    let output = Command::new(find_program("kubectl-ess_rollout").unwrap())
        .args([
            "wait",
            &name,
            "--timeout",
            &timeout,
            "--namespace",
            namespace,
        ])
        .env("KUBECONFIG", program.kubeconfig())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match output.status.code().unwrap() {
        124 => Waited::GoesOn,
        1 => panic!("{name}: {said}"),
        code => Waited::Ended(code),
    }
}
