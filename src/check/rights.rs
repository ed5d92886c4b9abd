//! Which rights in the cluster the operator has, by SelfSubjectAccessReviews: whoever has a token may ask for his own.

use ess_rollout_api::GROUP;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::{Api, Client, api::PostParams};

use super::report::Finding;
use crate::{
    kubernetes::{KubeError, call},
    runtime::telemetry::chain,
    settings::Settings,
};

/// Reviews under way at once.
const AT_ONCE: usize = 8;

const EVENTS: Rule = rule("events.k8s.io", &["events"], None, &["create", "patch"]);

/// What is done with some resources.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The API group.
    pub group: &'static str,
    /// `resource` or `resource/subresource`.
    pub resources: &'static [&'static str],
    /// The one object; `None`: any.
    pub name: Option<&'static str>,
    /// What is done.
    pub verbs: &'static [&'static str],
}

const fn rule(
    group: &'static str,
    resources: &'static [&'static str],
    name: Option<&'static str>,
    verbs: &'static [&'static str],
) -> Rule {
    Rule {
        group,
        resources,
        name,
        verbs,
    }
}

/// In the namespaces of tasks.
pub const TASKS: &[Rule] = &[
    rule(
        GROUP,
        &["rollingupdatetasks", "rollbacks", "imageupdatetasks"],
        None,
        &["get", "list", "watch", "patch", "update", "delete"],
    ),
    rule(GROUP, &["rollbacks"], None, &["create"]),
    rule(
        GROUP,
        &[
            "rollingupdatetasks/status",
            "rollbacks/status",
            "imageupdatetasks/status",
        ],
        None,
        &["get", "patch", "update"],
    ),
    rule(
        GROUP,
        &[
            "rollingupdatetasks/finalizers",
            "rollbacks/finalizers",
            "imageupdatetasks/finalizers",
        ],
        None,
        &["update"],
    ),
    rule(
        GROUP,
        &["maintenancewindows"],
        None,
        &["get", "list", "watch"],
    ),
    rule(GROUP, &["maintenancewindows/status"], None, &["patch"]),
    rule("", &["configmaps"], None, &["get"]),
    EVENTS,
];

/// There too, for `spec.credentialsRef`.
pub const SECRETS: &[Rule] = &[rule("", &["secrets"], None, &["get"])];

/// In the operator's own namespace.
pub const OWN: &[Rule] = &[
    rule(
        "",
        &["secrets"],
        None,
        &["get", "list", "create", "patch", "delete"],
    ),
    rule(
        GROUP,
        &["scalinggrouprecords"],
        None,
        &["get", "list", "watch", "create", "patch", "update"],
    ),
    rule(
        GROUP,
        &["scalinggrouprecords/status"],
        None,
        &["get", "patch", "update"],
    ),
    rule(
        GROUP,
        &["maintenancewindows"],
        None,
        &["get", "list", "watch"],
    ),
    rule(GROUP, &["maintenancewindows/status"], None, &["patch"]),
    EVENTS,
];

/// There too, with an election.
pub const LEASE: &[Rule] = &[
    rule("coordination.k8s.io", &["leases"], None, &["create"]),
    rule(
        "coordination.k8s.io",
        &["leases"],
        Some(LEASE_NAME),
        &["get", "list", "watch", "patch"],
    ),
];
/// Stands for the name of the Lease.
pub const LEASE_NAME: &str = "LEASE";

const CURE: &str = "give the operator's ServiceAccount these rights: the chart does (rbac.create), and config/rbac does for kubectl";

/// Asks for all of them.
pub async fn look(client: &Client, settings: &Settings, own_namespace: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut watched: Vec<Option<&str>> = settings
        .watch_namespaces
        .iter()
        .map(|n| Some(n.as_str()))
        .collect();
    if watched.is_empty() {
        watched.push(None);
    }
    for namespace in watched {
        let place = match namespace {
            None => "in all namespaces".to_owned(),
            Some(name) => format!("in namespace {name}"),
        };
        let check = format!("rights on tasks {place}");
        let missing = missing(client, TASKS, namespace, "").await;
        findings.push(judged(check, missing));
        let check = format!("Secrets {place}");
        findings.push(match self::missing(client, SECRETS, namespace, "").await {
            Ok(missing) if missing.is_empty() => Finding::ok(check, "can be read"),
            Ok(_) => Finding::warn(
                check,
                "cannot be read",
                "tasks there can name none in spec.credentialsRef, but where rbac.secretNamespaces of the chart lists the namespace",
            ),
            Err(error) => untold(check, &error),
        });
    }
    let lease = settings
        .election
        .as_ref()
        .map(|election| &election.lease_name);
    let check = format!("rights in the operator's namespace {own_namespace}");
    let own = [OWN, lease.map_or(&[], |_| LEASE)].concat();
    let name = lease.map_or("", String::as_str);
    let missing = missing(client, &own, Some(own_namespace), name).await;
    findings.push(judged(check, missing));
    findings
}

fn judged(check: String, missing: Result<Vec<String>, KubeError>) -> Finding {
    match missing {
        Ok(missing) if missing.is_empty() => Finding::ok(check, "all are there"),
        Ok(missing) => Finding::fail(check, format!("may not {}", missing.join(", nor ")), CURE),
        Err(error) => untold(check, &error),
    }
}

fn untold(check: String, error: &KubeError) -> Finding {
    let cure = "let every ServiceAccount ask for its own rights, as the ClusterRole system:basic-user does";
    Finding::fail(check, chain(error), cure)
}

/// What may not be done, as `patch, delete rollbacks.ess-rollout.io`.
async fn missing(
    client: &Client,
    rules: &[Rule],
    namespace: Option<&str>,
    lease: &str,
) -> Result<Vec<String>, KubeError> {
    let resources = rules.iter().flat_map(|rule| {
        let resources = rule.resources.iter();
        resources.map(move |resource| (*rule, *resource))
    });
    let answers = stream::iter(resources).map(|(rule, resource)| async move {
        let mut missing = Vec::new();
        for verb in rule.verbs {
            let attributes = attributes(rule, resource, verb, namespace, lease);
            if !allowed(client, attributes).await? {
                missing.push(*verb);
            }
        }
        if missing.is_empty() {
            return Ok(None);
        }
        let (resource, below) = resource.split_once('/').unwrap_or((resource, ""));
        let group = match rule.group {
            "" => String::new(),
            group => format!(".{group}"),
        };
        let below = match (below, rule.name) {
            ("", None) => String::new(),
            ("", Some(_)) => format!(" {lease}"),
            (below, _) => format!("/{below}"),
        };
        Ok(Some(format!(
            "{} {resource}{group}{below}",
            missing.join(", ")
        )))
    });
    let found: Vec<Option<String>> = answers.buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

fn attributes(
    rule: Rule,
    resource: &str,
    verb: &str,
    namespace: Option<&str>,
    lease: &str,
) -> ResourceAttributes {
    let (resource, subresource) = match resource.split_once('/') {
        Some((resource, below)) => (resource, Some(below.to_owned())),
        None => (resource, None),
    };
    ResourceAttributes {
        group: Some(rule.group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource,
        verb: Some(verb.to_owned()),
        namespace: namespace.map(str::to_owned),
        name: rule.name.map(|_| lease.to_owned()),
        ..ResourceAttributes::default()
    }
}

async fn allowed(client: &Client, attributes: ResourceAttributes) -> Result<bool, KubeError> {
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(attributes),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    };
    let params = PostParams::default();
    let answer = call(
        "ask for the operator's own rights",
        reviews.create(&params, &review),
    )
    .await?;
    Ok(answer.status.is_some_and(|status| status.allowed))
}
