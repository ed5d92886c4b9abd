//! kubectl with a kubeconfig of its own, and the errands that every test runs with it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

/// Runs kubectl as one user of one control plane.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub fn new(program: impl Into<PathBuf>, kubeconfig: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            kubeconfig: kubeconfig.into(),
        }
    }

    /// The same program as another user.
    pub fn with_kubeconfig(&self, kubeconfig: impl Into<PathBuf>) -> Self {
        Self {
            program: self.program.clone(),
            kubeconfig: kubeconfig.into(),
        }
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl and gives what it printed.
    ///
    /// # Errors
    /// When it ends with another status than 0; the message is what it said.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with_input(args, None)
    }

    /// Like [`Kubectl::run`], with something on standard input (`-f -`).
    pub fn run_with_input(&self, args: &[&str], input: Option<&str>) -> Result<String> {
        self.output(args, input).map(|(stdout, _)| stdout)
    }

    /// Runs kubectl and gives what it printed, and what it said besides: its warnings.
    ///
    /// # Errors
    /// As [`Kubectl::run`].
    pub fn output(&self, args: &[&str], input: Option<&str>) -> Result<(String, String)> {
        let mut child = Command::new(&self.program)
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(args)
            .env("NO_PROXY", "127.0.0.1,localhost")
            .env("no_proxy", "127.0.0.1,localhost")
            // Its discovery cache would outlive the control plane, which has a new port each time.
            .env("KUBECACHEDIR", self.kubeconfig.with_extension("cache"))
            .stdin(if input.is_some() {
                Stdio::piped()
            } else {
                Stdio::null()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.program.display()))?;
        if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
            pipe.write_all(input.as_bytes())?;
        }
        let output = child.wait_with_output()?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            bail!(
                "kubectl {}: {}{}",
                args.join(" "),
                stderr.trim(),
                stdout.trim()
            );
        }
        Ok((stdout, stderr))
    }

    /// Reads something as JSON: `get(&["rollingupdatetasks", "web", "-n", "shop"])`.
    pub fn get(&self, args: &[&str]) -> Result<Value> {
        let mut all = vec!["get", "-o", "json"];
        all.extend_from_slice(args);
        Ok(serde_json::from_str(&self.run(&all)?)?)
    }

    /// Client-side apply, what people type: `kubectl apply -f -`.
    pub fn apply(&self, namespace: &str, manifest: &str) -> Result<String> {
        self.run_with_input(&["apply", "-n", namespace, "-f", "-"], Some(manifest))
    }

    /// Server-side apply of YAML or JSON.
    pub fn apply_server_side(&self, namespace: &str, manifest: &str) -> Result<String> {
        let args = [
            "apply",
            "--server-side",
            "--force-conflicts",
            "-n",
            namespace,
            "-f",
            "-",
        ];
        self.run_with_input(&args, Some(manifest))
    }

    /// Waits for a condition of an object (`condition=Succeeded`, `jsonpath={.status.state}=Running`).
    pub fn wait(
        &self,
        namespace: &str,
        object: &str,
        condition: &str,
        timeout: Duration,
    ) -> Result<()> {
        let (condition, timeout) = (
            format!("--for={condition}"),
            format!("--timeout={}s", timeout.as_secs()),
        );
        self.run(&["wait", "-n", namespace, object, &condition, &timeout])
            .map(drop)
    }

    /// A namespace that nobody else uses: `prefix-` and a suffix of its own. It goes away with the control plane.
    pub fn namespace(&self, prefix: &str) -> Result<String> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!(
            "{prefix}-{:x}-{count:x}-{:05x}",
            std::process::id(),
            nanos & 0xf_ffff
        );
        self.run(&["create", "namespace", &name])?;
        Ok(name)
    }

    /// Applies the CRDs of a file or a directory and waits until the apiserver serves them.
    pub fn apply_crds(&self, path: &Path) -> Result<()> {
        let path = path.to_str().context("the path of the CRDs is not UTF-8")?;
        self.run(&["apply", "--server-side", "--force-conflicts", "-f", path])?;
        self.run(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "-f",
            path,
        ])
        .map(drop)
    }

    /// Waits until the apiserver serves the CRDs of this project, and admits objects of their kinds.
    ///
    /// Both are needed: a MutatingAdmissionPolicy learns the schema of a new kind some seconds after the CRD is established, and
    /// until then its failure policy answers each write with 503.
    pub fn wait_for_crds(&self) -> Result<()> {
        self.wait_for_crds_in(&crate::source_root().join("crds"))
    }

    /// The same of those in another folder.
    ///
    /// # Errors
    /// When the apiserver does not serve them in time.
    pub fn wait_for_crds_in(&self, crds: &Path) -> Result<()> {
        let crds = crds.to_str().context("the path of the CRDs is not UTF-8")?;
        self.run(&[
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "-f",
            crds,
        ])?;
        let until = Instant::now() + Duration::from_secs(60);
        for kind in ["RollingUpdateTask", "Rollback", "ImageUpdateTask"] {
            while let Some(message) = self.not_yet_admitted(kind) {
                ensure!(Instant::now() < until, "{message}");
                // Between two looks.
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Ok(())
    }

    /// What the apiserver says when its admission does not know this kind yet. Any other answer, a refusal of so empty an object
    /// too, shows that it does.
    fn not_yet_admitted(&self, kind: &str) -> Option<String> {
        let object = serde_json::json!({
            "apiVersion": "ess-rollout.io/v1alpha1",
            "kind": kind,
            "metadata": {"name": "not-created"},
            "spec": {},
        });
        let args = ["create", "--dry-run=server", "--validate=false", "-f", "-"];
        let answer = self.run_with_input(&args, Some(&object.to_string()));
        let message = format!("{:#}", answer.err()?);
        message.contains("There can be a delay").then_some(message)
    }

    /// A token of a ServiceAccount (TokenRequest API), valid for one hour.
    pub fn service_account_token(&self, namespace: &str, name: &str) -> Result<String> {
        let token = self.run(&["create", "token", name, "-n", namespace, "--duration=1h"])?;
        Ok(token.trim().to_owned())
    }
}
