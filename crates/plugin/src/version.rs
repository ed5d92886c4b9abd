//! `version`: of this program, the API in the cluster, and the operator.

use std::collections::BTreeSet;

use anyhow::Result;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::cli::{Connection, VersionArgs};
use crate::cluster::Cluster;
use crate::exit::End;
use crate::kind::api_version;
use crate::output;
use crate::terminal::print;

/// Selects the operator's Deployment, as the chart and the manifests label it.
const OPERATOR: &str = "app.kubernetes.io/name=ess-rollout";

/// Prints them. What cannot be found out is said, and is no error: it is asked when something is wrong.
///
/// # Errors
/// When there is no cluster to ask, or nobody reads what is printed.
pub async fn run(connection: &Connection, args: &VersionArgs) -> Result<End> {
    let mut versions = json!({
        "client": env!("CARGO_PKG_VERSION"),
        "layout": ess_rollout_api::LAYOUT_VERSION,
    });
    let mut end = End::Wanted;
    if !args.client {
        let cluster = Cluster::connect(connection).await?;
        let server = cluster.call(cluster.client().apiserver_version()).await;
        if let Err(failure) = &server {
            eprintln!("error: {failure}");
            end = End::Error;
        } else {
            versions["kubernetes"] = json!(server.ok().map(|server| server.git_version));
            versions["api"] = json!(api(&cluster).await);
            versions["operator"] = json!(operators(&cluster).await);
        }
    }
    if let Some(form) = output::is_document(args.output.output) {
        output::document(&versions, form)?;
        return Ok(end);
    }
    let mut lines = vec![format!(
        "kubectl ess-rollout {}",
        versions["client"].as_str().unwrap_or_default()
    )];
    if let Some(kubernetes) = versions["kubernetes"].as_str() {
        lines.push(format!("Kubernetes {kubernetes}"));
        let said = |value: &Value, name: &str| match value.as_str() {
            Some(text) => format!("{name} {text}"),
            None => format!("{name} not known"),
        };
        lines.push(said(&versions["api"], "API"));
        lines.push(said(&versions["operator"], "operator"));
    }
    print(&lines)?;
    Ok(end)
}

/// Whether the cluster has our API. Everybody who can log in may ask that.
async fn api(cluster: &Cluster) -> String {
    let version = api_version();
    let asked = cluster.client().list_api_group_resources(&version);
    match cluster.call(asked).await {
        Ok(_) => version,
        Err(failure) if failure.is_not_found() => {
            format!("{version} is not installed: the CustomResourceDefinitions are missing")
        }
        Err(failure) => format!("{version}: {failure}"),
    }
}

/// The images that the operators run; few people may list Deployments of all namespaces.
async fn operators(cluster: &Cluster) -> String {
    let api: Api<Deployment> = Api::all(cluster.client().clone());
    let params = ListParams::default().labels(OPERATOR);
    let found = match cluster.call(api.list(&params)).await {
        Ok(found) => found,
        Err(failure) => return format!("cannot be found: {failure}"),
    };
    let images: BTreeSet<String> = found
        .into_iter()
        .filter_map(|deployment| deployment.spec.template.spec)
        .flat_map(|pod| pod.containers)
        .filter_map(|container| container.image)
        .collect();
    match images.is_empty() {
        true => format!("is in no Deployment with the label {OPERATOR}"),
        false => images.into_iter().collect::<Vec<_>>().join(", "),
    }
}
