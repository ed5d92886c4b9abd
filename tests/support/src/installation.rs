//! An operator installed for one test: the chart in a namespace of its own, and a namespace for its tasks.
//!
//! Operators of several tests share a control plane, so each watches its test's namespace alone. Rights and flags
//! come from the rendered chart: a missing rule or a flag that the program does not know fails the test.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::chart::{apply_chart, kind, render_chart_in};
use crate::operator::Options;
use crate::{ControlPlane, watchdog};

/// The chart, installed without its Deployment.
#[derive(Debug)]
pub struct Installation {
    /// The operator's own namespace, where the records are.
    pub namespace: String,
    /// The namespace that it watches.
    pub tasks: String,
    flags: Vec<String>,
    account: String,
    directory: TempDir,
}

impl Installation {
    /// Installs the chart for a test, for the cloud behind `endpoint`. Tasks may use the operator's own credentials. The
    /// poll interval is one second. `more` is merged over these values.
    pub fn new(
        control_plane: &ControlPlane,
        prefix: &str,
        region: &str,
        endpoint: &str,
        more: &Value,
    ) -> Result<Self> {
        let kubectl = control_plane.kubectl();
        let (namespace, tasks) = (
            kubectl.namespace(&format!("{prefix}-operator"))?,
            kubectl.namespace(prefix)?,
        );
        let directory = tempfile::Builder::new()
            .prefix("ess-rollout-installation-")
            .tempdir()?;
        watchdog::add_directory(directory.path())?;
        let mut values = json!({
            "region": region,
            "watchNamespaces": [tasks],
            "ownCredentials": {"namespaces": [tasks]},
            "endpoints": {"all": endpoint},
            "pollIntervalSeconds": 1,
            // One process that is killed and started again is not to wait for its own lease.
            "replicaCount": 1,
            "leaderElection": {"enabled": false},
            "log": {"format": "text", "level": "info"},
        });
        merge(&mut values, more);
        let documents = render_chart_in(&namespace, &values)?;
        let deployment = documents
            .iter()
            .find(|document| kind(document) == "Deployment");
        let pod =
            &deployment.context("the chart renders no Deployment")?["spec"]["template"]["spec"];
        let args: Vec<String> = serde_json::from_value(pod["containers"][0]["args"].clone())?;
        let account = pod["serviceAccountName"]
            .as_str()
            .context("the pod names no ServiceAccount")?
            .to_owned();
        // `run` and the address of the health port are the guard's.
        let flags = args
            .into_iter()
            .filter(|arg| arg != "run" && !arg.starts_with("--health-addr"))
            .collect::<Vec<_>>();
        let installation = Self {
            namespace,
            tasks,
            flags,
            account,
            directory,
        };
        apply_chart(
            control_plane,
            &installation.namespace,
            &values,
            &installation.kubeconfig(),
        )?;
        kubectl.wait_for_crds()?;
        Ok(installation)
    }

    /// Kubeconfig with the token of the chart's ServiceAccount.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// The same rights by another way: through a proxy in front of the apiserver, which speaks plain HTTP.
    ///
    /// # Errors
    /// When the file of this name cannot be written.
    pub fn kubeconfig_through(&self, server: &str, file: &str) -> Result<PathBuf> {
        let mut config: Value = serde_json::from_slice(&std::fs::read(self.kubeconfig())?)?;
        config["clusters"][0]["cluster"] = json!({"server": server});
        let file = self.directory.path().join(file);
        std::fs::write(&file, config.to_string())?;
        Ok(file)
    }

    /// The operator's user name in the audit log.
    pub fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.account)
    }

    /// How to run the operator as the chart does. Add credentials: the chart takes them from a Secret.
    pub fn operator(&self) -> Options {
        Options {
            kubeconfig: self.kubeconfig(),
            flags: self.flags.clone(),
            envs: vec![("POD_NAMESPACE".to_owned(), self.namespace.clone())],
            program: None,
        }
    }

    /// For files of the test; goes away with the installation.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// Objects are merged, everything else is replaced, as helm does with several values files.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
