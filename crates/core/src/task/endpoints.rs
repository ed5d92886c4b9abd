//! Endpoints of the operator's configuration, which checks ask: what can be asked of them, and what they answer.
//!
//! An object names an endpoint and never an address: whoever may write objects reaches with them nothing that the operator was not
//! given to reach, and is shown nothing of an answer but a number, or a verdict.

use std::collections::{BTreeMap, BTreeSet};

/// What is asked of an endpoint. Who asks the same is told the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EndpointQuery {
    /// A PromQL expression, as it is now (Prometheus HTTP API, `/api/v1/query`). Answer: [`EndpointAnswer::Measured`].
    Metric {
        /// The name of the endpoint.
        endpoint: String,
        /// The expression.
        query: String,
    },
    /// What somebody's program says of a batch. Answer: [`EndpointAnswer::Said`].
    Webhook(Box<WebhookCall>),
}

/// What a webhook is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WebhookCall {
    /// The name of the endpoint.
    pub endpoint: String,
    /// The same for every call about the same batch (`Idempotency-Key`).
    pub key: String,
    /// The Kubernetes kind of the object.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Where the scaling group is.
    pub region: String,
    /// The scaling group.
    pub scaling_group: String,
    /// The number of the batch that has ended.
    pub batch: i32,
    /// Of how many.
    pub batches: i32,
    /// The instances that it has updated, sorted.
    pub instances: Vec<String>,
}

impl EndpointQuery {
    /// The name of the endpoint.
    pub fn endpoint(&self) -> &str {
        match self {
            Self::Metric { endpoint, .. } => endpoint,
            Self::Webhook(call) => &call.endpoint,
        }
    }
}

/// The answer to an [`EndpointQuery`].
#[derive(Debug, Clone, PartialEq)]
pub enum EndpointAnswer {
    /// What an expression came to.
    Measured {
        /// The value of each series, the first few of them; one of a scalar.
        values: Vec<f64>,
        /// How many series there are.
        series: usize,
        /// Whether a part of the data was not there (`warnings`).
        partial: bool,
    },
    /// What a webhook says.
    Said {
        /// Its verdict.
        verdict: WebhookVerdict,
        /// Why, in its words: one line.
        reason: String,
    },
}

/// What a webhook says of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookVerdict {
    /// All is well.
    Pass,
    /// It is not.
    Fail,
    /// It cannot tell yet.
    Wait,
}

/// That an endpoint gave no answer that could be used. It holds nothing of an answer's body but what the API says of a faulty
/// expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("endpoint {endpoint}: {code}: {message}")]
pub struct EndpointError {
    /// The name of the endpoint.
    pub endpoint: String,
    /// A word: `timeout`, `connection`, `http-503`, `bad-query`, `bad-answer`.
    pub code: String,
    /// In a sentence, with the cure where there is one.
    pub message: String,
    /// Whether only a person can mend it.
    pub needs_person: bool,
}

/// The endpoints that there are, and whose objects may name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndpointNames(pub BTreeMap<String, EndpointUse>);

/// What an endpoint may be used for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointUse {
    /// What answers there.
    pub kind: EndpointKind,
    /// In which namespaces objects may name it; `None`: in all.
    pub namespaces: Option<BTreeSet<String>>,
}

/// What answers at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndpointKind {
    /// The HTTP API of Prometheus.
    Prometheus,
    /// A webhook.
    Webhook,
}

impl EndpointKind {
    /// As the configuration has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prometheus => "Prometheus",
            Self::Webhook => "Webhook",
        }
    }
}

impl EndpointNames {
    /// Why an object may not name an endpoint, if that is so, with the cure.
    pub fn refuse(&self, namespace: &str, name: &str, kind: EndpointKind) -> Option<String> {
        let Some(found) = self.0.get(name) else {
            return Some(format!(
                "the operator has no endpoint {name}: add it to its configuration (chart value gateEndpoints, flag --gate-endpoints)"
            ));
        };
        if found.kind != kind {
            let (is, wanted) = (found.kind.word(), kind.word());
            return Some(format!(
                "endpoint {name} of the operator's configuration is of the kind {is}, and a {wanted} is asked for: name another one"
            ));
        }
        let namespaces = found.namespaces.as_ref()?;
        (!namespaces.contains(namespace)).then(|| {
            format!(
                "objects of namespace {namespace} may not name endpoint {name}: list the namespace with it in the operator's configuration (chart value gateEndpoints)"
            )
        })
    }
}
