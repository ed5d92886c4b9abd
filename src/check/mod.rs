//! `ess-rollout check`: whether `run` with the same flags and environment would work. It reads, and changes nothing.
//!
//! - [`cloud`]: credentials, endpoints, permissions
//! - `endpoints`: what checks between batches may ask
//! - [`rights`]: rights in the cluster
//! - [`report`]: what was found

pub mod cloud;
mod endpoints;
pub mod report;
pub mod rights;

use std::{sync::Arc, time::Duration};

use ess_rollout_api::{GROUP, crds};
use kube::Client;

use crate::{
    kubernetes::{
        Clients, CountedLayer, ErrorClass, FenceLayer, Heard, KubeLeases, Schemas, Verified,
        Vouching, call, cure,
    },
    runtime::{
        clock::SystemClock,
        lease::{Fence, Leases},
        metrics::Metrics,
        telemetry::chain,
    },
    settings::Settings,
};
use report::{Finding, Report};

/// The oldest minor version of Kubernetes 1 whose CRDs have selectable fields.
const MINOR: u32 = 32;

/// Looks at everything that `run` needs, of scaling groups at `group` if one is given. `variable` reads the environment. The process's rustls crypto provider must be
/// installed. Takes as long as the slowest answer, at most `--call-timeout-seconds` for the cloud.
pub async fn check(
    settings: &Settings,
    group: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Report {
    let of_cloud = cloud::look(settings, group, variable);
    let of_endpoints = endpoints::look(settings);
    let (mut findings, of_cloud, of_endpoints) =
        tokio::join!(cluster(settings), of_cloud, of_endpoints);
    findings.extend(of_cloud);
    findings.extend(of_endpoints);
    Report { findings }
}

async fn cluster(settings: &Settings) -> Vec<Finding> {
    let name = "apiserver";
    // Nothing is written; a review of one's rights is a POST all the same.
    let layer = FenceLayer {
        fence: Fence::open(),
        takes: Duration::MAX,
    };
    let heard = Arc::new(Heard::new(Arc::new(SystemClock)));
    // Nobody reads what is counted.
    let counted = CountedLayer {
        metrics: Arc::new(Metrics::new()),
    };
    let clients = match Clients::infer(heard, layer, counted).await {
        Ok(clients) => clients,
        Err(error) => return vec![Finding::fail(name, chain(&error), "")],
    };
    let client = &clients.calls;
    let version = match call("reach the apiserver", client.apiserver_version()).await {
        Ok(version) => version,
        Err(error) => {
            let cure = "see that the pod gets there and has a ServiceAccount token; nothing else of the cluster was looked at";
            return vec![Finding::fail(name, chain(&error), cure)];
        }
    };
    let minor = version
        .minor
        .trim_end_matches(|c: char| !c.is_ascii_digit())
        .parse::<u32>();
    let mut findings = vec![match (version.major.as_str(), minor) {
        ("1", Ok(minor)) if minor < MINOR => Finding::fail(
            name,
            format!("Kubernetes {} answers", version.git_version),
            format!("1.{MINOR} or later is needed"),
        ),
        _ => Finding::ok(name, format!("Kubernetes {} answers", version.git_version)),
    }];
    let own_namespace = settings.namespace.as_deref();
    let own_namespace = own_namespace.unwrap_or(&clients.default_namespace);
    findings.push(crds(client).await);
    findings.extend(rights::look(client, settings, own_namespace).await);
    findings.push(lease(&clients, settings, own_namespace).await);
    findings.push(policy(client, settings).await);
    findings
}

/// The comparison that `/readyz` makes.
async fn crds(client: &Client) -> Finding {
    let name = "CustomResourceDefinitions";
    let version = format!("{GROUP}/v1alpha1");
    let operation = format!("list the resources of {version}");
    let listed = call(&operation, client.list_api_group_resources(&version)).await;
    let there: Vec<String> = match listed {
        Ok(list) => list
            .resources
            .into_iter()
            .map(|resource| resource.name)
            .collect(),
        Err(error) if error.class == ErrorClass::Gone => Vec::new(),
        Err(error) => return Finding::fail(name, chain(&error), ""),
    };
    let wanted = crds::all().into_iter().map(|crd| crd.spec.names.plural);
    let missing: Vec<String> = wanted.filter(|name| !there.contains(name)).collect();
    if !missing.is_empty() {
        let message = format!("{} are not served", missing.join(", "));
        return Finding::fail(name, message, format!("install or {}", cure()));
    }
    let schemas = Schemas::default();
    match schemas.read(client).await {
        Ok(_) => match schemas.trouble() {
            None => Finding::ok(
                name,
                format!("have all fields of version {}", env!("CARGO_PKG_VERSION")),
            ),
            // The cure is in it.
            Some(trouble) => Finding::fail(name, trouble, ""),
        },
        Err(error) => Finding::fail(name, chain(&error), ""),
    }
}

async fn lease(clients: &Clients, settings: &Settings, own_namespace: &str) -> Finding {
    let Some(election) = &settings.election else {
        return Finding::ok("Lease", "is not used (--leader-elect=false)");
    };
    let name = &election.lease_name;
    let check = format!("Lease {own_namespace}/{name}");
    let (calls, watches) = (clients.election.clone(), clients.watches.clone());
    let leases = KubeLeases::new(calls, watches, own_namespace, name);
    match leases.read().await {
        Ok(Some((lease, _))) if !lease.holder.is_empty() => {
            Finding::ok(check, format!("is held by {}", lease.holder))
        }
        Ok(Some(_)) => Finding::ok(check, "is held by nobody"),
        Ok(None) => Finding::ok(check, "is not there yet: the first operator creates it"),
        Err(error) => Finding::fail(
            check,
            format!("cannot be read: {}", chain(&error)),
            "let the operator's ServiceAccount get it",
        ),
    }
}

async fn policy(client: &Client, settings: &Settings) -> Finding {
    let name = "admission policy";
    let Some(policy) = &settings.admission_policy else {
        return Finding::warn(
            name,
            "none is named (--admission-policy): whoever may annotate an object may ask under any name",
            "docs/approvals.md",
        );
    };
    let check = format!("{name} {policy}");
    let vouching = Vouching::default();
    if let Err(error) = vouching.read(client, policy).await {
        return Finding::fail(check, chain(&error), "");
    }
    match vouching.verified() {
        Verified::Everywhere => Finding::ok(check, "is in force: names in requests are verified"),
        Verified::In(namespaces) => {
            let namespaces: Vec<&str> = namespaces.iter().map(String::as_str).collect();
            let namespaces = namespaces.join(", ");
            Finding::ok(
                check,
                format!("is in force in these namespaces: {namespaces}"),
            )
        }
        Verified::Nowhere(why) => Finding::fail(
            check,
            format!("is not in force, so that names in requests are not verified: {why}"),
            "install it as docs/approvals.md says, or leave --admission-policy out",
        ),
    }
}
