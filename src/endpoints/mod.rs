//! The endpoints of the operator's configuration, which checks between batches ask: Prometheus, and webhooks.
//!
//! Objects name them and never an address, so that nobody reaches with an object what the operator was not given to reach. No
//! redirect is followed, no proxy of the environment used unless that is asked for; a request is bounded in time, an answer in size,
//! and no body is shown to anybody. An endpoint that does not answer is left alone for a while: see [`breaker`].
//!
//! | module | what |
//! |---|---|
//! | [`config`] | the file that names them |
//! | [`http`] | one request at a time, bounded |
//! | [`breaker`] | whether one is asked at all |
//! | [`answers`] | what an answer says |

mod answers;
mod breaker;
mod config;
mod http;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ess_rollout_core::endpoints::{EndpointAnswer, EndpointError, EndpointQuery};
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::{recent::Recent, runtime::metrics::Metrics};

pub use config::{ConfigError, EndpointConfig, Kind, names, read};

/// The code of what there is no endpoint for.
const NO_ENDPOINT: &str = "no-endpoint";

/// What an endpoint answers, or why it does not.
pub type Told = Result<EndpointAnswer, EndpointError>;

/// The endpoints. Implementations bound every request by a time.
pub trait Endpoints: Send + Sync {
    /// Asks. Repeats nothing: the next look is the retry.
    fn ask<'a>(&'a self, query: &'a EndpointQuery) -> BoxFuture<'a, Told>;
}

/// Those of a configuration, over HTTP.
#[derive(Default)]
pub struct HttpEndpoints(BTreeMap<String, http::Endpoint>);

impl HttpEndpoints {
    /// # Errors
    /// When a CA bundle cannot be used, or the HTTP client cannot be built.
    pub fn new(config: &[EndpointConfig]) -> Result<Self, ConfigError> {
        let all = config.iter().map(|config| {
            let endpoint = http::Endpoint::new(config)?;
            Ok((config.name.clone(), endpoint))
        });
        all.collect::<Result<_, _>>().map(Self)
    }

    async fn told(&self, query: &EndpointQuery) -> Told {
        let name = query.endpoint();
        match self.0.get(name) {
            Some(endpoint) => endpoint.ask(query).await,
            // It was there when the update began.
            None => Err(EndpointError {
                endpoint: name.to_owned(),
                code: NO_ENDPOINT.to_owned(),
                message: format!(
                    "the operator has no endpoint {name} any more: add it to its configuration (chart value gateEndpoints)"
                ),
                needs_person: true,
            }),
        }
    }
}

impl Endpoints for HttpEndpoints {
    fn ask<'a>(&'a self, query: &'a EndpointQuery) -> BoxFuture<'a, Told> {
        Box::pin(self.told(query))
    }
}

/// The endpoints, with answers that all who ask the same share: a question that many tasks have costs one request for each interval,
/// whoever asks it.
pub struct Shared {
    endpoints: Box<dyn Endpoints>,
    recent: Recent<EndpointQuery, Told>,
    metrics: Arc<Metrics>,
}

impl Shared {
    /// Of these endpoints.
    pub fn new(endpoints: impl Endpoints + 'static) -> Self {
        Self {
            endpoints: Box::new(endpoints),
            recent: Recent::default(),
            metrics: Arc::default(),
        }
    }

    /// The same, counted here.
    pub fn counted(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    /// The answer to a question, asked no longer ago than `age`.
    pub async fn ask(&self, query: &EndpointQuery, age: Duration) -> Told {
        let ask = async || {
            let began = Instant::now();
            let told = self.endpoints.ask(query).await;
            let code = told
                .as_ref()
                .map_or_else(|error| error.code.as_str(), |_| "OK");
            // The name of one that there is not is an object's, of which there may be any number.
            if code != NO_ENDPOINT {
                let counted = &self.metrics.endpoints;
                counted.asked(query.endpoint(), code, began.elapsed());
            }
            told
        };
        self.recent.of(query, age, ask).await
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(HttpEndpoints::default())
    }
}
