//! Whether the apiserver lets nobody write another name than his own into a request: whether the admission policy of this version
//! is there, and in force.

use std::{
    collections::BTreeSet,
    sync::{PoisonError, RwLock},
};

use ess_rollout_api::admission::{HASH_LABEL, REQUESTS_HASH};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::{Api, Client};

use super::{ErrorClass, KubeError, api::call};
use crate::runtime::telemetry::chain;

/// The label that the apiserver itself puts on every namespace, and lets nobody change.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Where names are verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// Nowhere, and why.
    Nowhere(String),
    /// In these namespaces.
    In(BTreeSet<String>),
    /// In all.
    Everywhere,
}

/// What is known of the policy. Nothing is verified before that is known.
#[derive(Debug)]
pub struct Vouching(RwLock<Verified>);

impl Default for Vouching {
    fn default() -> Self {
        Self(RwLock::new(Verified::Nowhere(
            "it has not been looked for yet".to_owned(),
        )))
    }
}

impl Vouching {
    /// Whether the names in requests of this namespace's objects are verified.
    pub fn covers(&self, namespace: &str) -> bool {
        // Nothing panics while holding it.
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Verified::Nowhere(_) => false,
            Verified::In(namespaces) => namespaces.contains(namespace),
            Verified::Everywhere => true,
        }
    }

    /// What was last found.
    pub fn verified(&self) -> Verified {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.clone()
    }

    /// Looks for the policy and for its binding, which has the same name. Gives whether something has changed.
    ///
    /// # Errors
    /// When the apiserver does not answer; then what was last found stays.
    pub async fn read(&self, client: &Client, name: &str) -> Result<bool, KubeError> {
        let found = look(client, name).await?;
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *known != found;
        *known = found;
        Ok(changed)
    }
}

async fn look(client: &Client, name: &str) -> Result<Verified, KubeError> {
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(client.clone());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(client.clone());
    let operation = format!("get ValidatingAdmissionPolicy {name}");
    let policy = match call(&operation, policies.get_opt(name)).await {
        Ok(policy) => policy,
        Err(error) => return refused(error),
    };
    let operation = format!("get ValidatingAdmissionPolicyBinding {name}");
    match call(&operation, bindings.get_opt(name)).await {
        Ok(binding) => Ok(judge(name, policy.as_ref(), binding.as_ref())),
        Err(error) => refused(error),
    }
}

fn refused(error: KubeError) -> Result<Verified, KubeError> {
    match error.class {
        ErrorClass::Unavailable => Err(error),
        _ => Ok(Verified::Nowhere(chain(&error))),
    }
}

fn judge(
    name: &str,
    policy: Option<&ValidatingAdmissionPolicy>,
    binding: Option<&ValidatingAdmissionPolicyBinding>,
) -> Verified {
    let (Some(policy), Some(binding)) = (policy, binding) else {
        let kind = match policy {
            None => "ValidatingAdmissionPolicy",
            Some(_) => "ValidatingAdmissionPolicyBinding",
        };
        return Verified::Nowhere(format!("there is no {kind} {name}"));
    };
    for (kind, metadata) in [
        ("ValidatingAdmissionPolicy", &policy.metadata),
        ("ValidatingAdmissionPolicyBinding", &binding.metadata),
    ] {
        if let Some(why) = of_another_version(metadata) {
            return Verified::Nowhere(format!("{kind} {name} {why}"));
        }
    }
    let spec = &binding.spec;
    let denies = spec.validation_actions.iter().any(|a| a == "Deny");
    if spec.policy_name != name || !denies {
        return Verified::Nowhere(format!(
            "ValidatingAdmissionPolicyBinding {name} does not bind the policy of its name with the action Deny"
        ));
    }
    let Some(resources) = &spec.match_resources else {
        return Verified::Everywhere;
    };
    let narrowed = resources.object_selector.as_ref().is_some_and(selects)
        || resources
            .resource_rules
            .as_ref()
            .is_some_and(|rules| !rules.is_empty())
        || resources
            .exclude_resource_rules
            .as_ref()
            .is_some_and(|rules| !rules.is_empty());
    let namespaces = resources.namespace_selector.as_ref().filter(|s| selects(s));
    match (narrowed, namespaces) {
        (false, None) => Verified::Everywhere,
        (false, Some(selector)) => match by_name(selector) {
            Some(names) => Verified::In(names),
            None => Verified::Nowhere(format!(
                "ValidatingAdmissionPolicyBinding {name} selects namespaces by other labels than {NAMESPACE_NAME}, which may change: name them (admission.namespaces of the chart)"
            )),
        },
        (true, _) => Verified::Nowhere(format!(
            "ValidatingAdmissionPolicyBinding {name} leaves out objects or resources"
        )),
    }
}

fn of_another_version(metadata: &ObjectMeta) -> Option<String> {
    let labels = metadata.labels.iter().flatten();
    let mut hashes = labels.filter(|(key, _)| *key == HASH_LABEL);
    let hash = hashes.next().map(|(_, hash)| hash.as_str());
    (hash != Some(REQUESTS_HASH)).then(|| {
        format!(
            "has {HASH_LABEL} {}, and that of version {} has {REQUESTS_HASH}: install the one that comes with it",
            hash.unwrap_or("not at all"),
            env!("CARGO_PKG_VERSION")
        )
    })
}

/// Whether a selector leaves anything out.
fn selects(selector: &LabelSelector) -> bool {
    let labels = selector
        .match_labels
        .as_ref()
        .is_some_and(|labels| !labels.is_empty());
    let terms = selector.match_expressions.as_ref();
    labels || terms.is_some_and(|terms| !terms.is_empty())
}

/// The namespaces that a selector names one by one; `None`: it selects in another way.
fn by_name(selector: &LabelSelector) -> Option<BTreeSet<String>> {
    if selector
        .match_labels
        .as_ref()
        .is_some_and(|labels| !labels.is_empty())
    {
        return None;
    }
    match selector.match_expressions.as_deref() {
        Some([term]) if term.key == NAMESPACE_NAME && term.operator == "In" => {
            Some(term.values.iter().flatten().cloned().collect())
        }
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use ess_rollout_api::admission;
    use ess_rollout_core::identity::hash_text;
    use serde_json::{Value, json};

    use super::*;

    fn shipped() -> (Value, Value) {
        let read = |text| serde_saphyr::from_str::<Value>(text).unwrap();
        (read(admission::REQUESTS), read(admission::REQUESTS_BINDING))
    }

    /// What is made of the two as they are shipped, but for a change.
    fn found(change: impl FnOnce(&mut Value, &mut Value)) -> Verified {
        let (mut policy, mut binding) = shipped();
        change(&mut policy, &mut binding);
        let policy: ValidatingAdmissionPolicy = serde_json::from_value(policy).unwrap();
        let binding: ValidatingAdmissionPolicyBinding = serde_json::from_value(binding).unwrap();
        judge("ess-rollout-requests", Some(&policy), Some(&binding))
    }

    /// Whoever changes the policy gives it another hash, so that no operator takes it for the one before.
    #[test]
    fn the_hash_is_that_of_what_the_policy_does() {
        let (_, spec) = admission::REQUESTS.split_once("\nspec:").unwrap();
        assert_eq!(hash_text(&format!("spec:{spec}"))[..16], *REQUESTS_HASH);
        let (policy, binding) = shipped();
        for shipped in [policy, binding] {
            assert_eq!(shipped["metadata"]["labels"][HASH_LABEL], REQUESTS_HASH);
        }
    }

    #[test]
    fn names_are_verified_where_the_binding_has_the_policy_in_force() {
        let named = |selector: Value| {
            found(move |_, binding| {
                binding["spec"]["matchResources"] = json!({"namespaceSelector": selector});
            })
        };
        assert_eq!(found(|_, _| {}), Verified::Everywhere);
        assert_eq!(named(json!({})), Verified::Everywhere);
        let two = json!({"matchExpressions": [{"key": NAMESPACE_NAME, "operator": "In", "values": ["shop", "web"]}]});
        let covered = named(two);
        let expected = ["shop", "web"].map(str::to_owned);
        assert_eq!(covered, Verified::In(expected.into()));
        let vouching = Vouching(RwLock::new(covered));
        assert!(vouching.covers("shop") && !vouching.covers("default"));
    }

    #[test]
    fn what_may_let_another_name_through_is_nowhere_and_says_why() {
        let says = |verified: Verified, part: &str| match verified {
            Verified::Nowhere(why) => assert!(why.contains(part), "{why}"),
            other => panic!("{other:?}, not: {part}"),
        };
        assert!(!Vouching::default().covers("shop"));
        says(
            judge("x", None, None),
            "there is no ValidatingAdmissionPolicy x",
        );
        let policy: ValidatingAdmissionPolicy = serde_json::from_value(shipped().0).unwrap();
        says(
            judge("x", Some(&policy), None),
            "there is no ValidatingAdmissionPolicyBinding x",
        );
        says(
            found(|policy, _| policy["metadata"]["labels"][HASH_LABEL] = json!("0123456789abcdef")),
            "has ess-rollout.io/policy-hash 0123456789abcdef",
        );
        says(
            found(|_, binding| binding["metadata"]["labels"] = json!({})),
            "ValidatingAdmissionPolicyBinding ess-rollout-requests has ess-rollout.io/policy-hash not at all",
        );
        says(
            found(|_, binding| binding["spec"]["validationActions"] = json!(["Warn", "Audit"])),
            "does not bind",
        );
        says(
            found(|_, binding| binding["spec"]["policyName"] = json!("another")),
            "does not bind",
        );
        for selector in [
            json!({"matchLabels": {"team": "shop"}}),
            json!({"matchExpressions": [{"key": NAMESPACE_NAME, "operator": "NotIn", "values": ["shop"]}]}),
        ] {
            says(
                found(|_, binding| {
                    binding["spec"]["matchResources"] = json!({"namespaceSelector": selector});
                }),
                "by other labels",
            );
        }
        says(
            found(|_, binding| {
                binding["spec"]["matchResources"] =
                    json!({"objectSelector": {"matchLabels": {"a": "b"}}});
            }),
            "leaves out objects",
        );
    }
}
