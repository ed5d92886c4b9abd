//! The Helm chart: rendered by the real helm, and applied without its Deployment, so that the operator process of a
//! test has exactly the rights that the chart gives.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{ControlPlane, control_plane, source_root};

/// The release name that the tests install under.
pub const RELEASE: &str = "ess-rollout";

/// The helm to use, from `hack/control-plane helm`; built at the first call on a machine (minutes).
pub fn helm() -> Result<&'static Path> {
    static HELM: OnceLock<PathBuf> = OnceLock::new();
    if let Some(helm) = HELM.get() {
        return Ok(helm);
    }
    let helm = PathBuf::from(control_plane::script(&["helm"])?);
    Ok(HELM.get_or_init(|| helm))
}

/// Runs helm on the chart: `helm(&["template", …])`.
///
/// # Errors
/// When it ends with another status than 0; the message is what it said.
pub fn run_helm(args: &[&str]) -> Result<String> {
    let output = Command::new(helm()?)
        .args(args)
        .env("HELM_NO_PLUGINS", "1")
        .output()?;
    if !output.status.success() {
        bail!(
            "helm {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Renders the chart into a namespace, with values as one JSON or YAML object.
pub fn render_chart_in(namespace: &str, values: &Value) -> Result<Vec<Value>> {
    let directory = tempfile::tempdir()?;
    let values_file = directory.path().join("values.json");
    std::fs::write(&values_file, values.to_string())?;
    let chart = source_root().join("charts/ess-rollout");
    let (chart, values_file) = (chart.to_string_lossy(), values_file.to_string_lossy());
    let text = run_helm(&[
        "template",
        RELEASE,
        &chart,
        "--namespace",
        namespace,
        "--values",
        &values_file,
    ])?;
    documents(&text)
}

/// Renders the chart with values.
pub fn render_chart(values: &Value) -> Result<Vec<Value>> {
    render_chart_in("ess-rollout", values)
}

/// The documents of a YAML text; empty ones are left out.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let all: Vec<Value> = serde_saphyr::from_multiple(text).context("helm printed no YAML")?;
    Ok(all
        .into_iter()
        .filter(|document| !document.is_null())
        .collect())
}

/// The kind of a document, `""` when it has none.
pub fn kind(document: &Value) -> &str {
    document["kind"].as_str().unwrap_or_default()
}

/// Whether helm itself does something with it, as with the pod of `helm test`, rather than install it.
pub fn is_hook(document: &Value) -> bool {
    document["metadata"]["annotations"]["helm.sh/hook"].is_string()
}

/// Installs the chart into a namespace that exists, without its Deployment, and writes a kubeconfig with the token of
/// its ServiceAccount to `kubeconfig`.
///
/// Cluster-wide names (ClusterRoles) contain the release's name and namespace, so that several tests can do this side by side.
pub fn apply_chart(
    control_plane: &ControlPlane,
    namespace: &str,
    values: &Value,
    kubeconfig: &Path,
) -> Result<()> {
    let documents = render_chart_in(namespace, values)?;
    let account = documents
        .iter()
        .find(|document| kind(document) == "ServiceAccount")
        .and_then(|document| document["metadata"]["name"].as_str())
        .context("the chart renders no ServiceAccount")?
        .to_owned();
    let items: Vec<Value> = documents
        .into_iter()
        .filter(|document| kind(document) != "Deployment" && !is_hook(document))
        .collect();
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items});
    let kubectl = control_plane.kubectl();
    // Not `-n`: the chart names its namespaces itself, with `watchNamespaces` several.
    kubectl.run_with_input(
        &["apply", "--server-side", "--force-conflicts", "-f", "-"],
        Some(&list.to_string()),
    )?;
    let token = kubectl.service_account_token(namespace, &account)?;
    control_plane.write_kubeconfig(kubeconfig, &token)
}
