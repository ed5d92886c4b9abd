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

use std::{collections::BTreeMap, time::Duration};

use ess_rollout_core::endpoints::{EndpointAnswer, EndpointError, EndpointQuery};
use futures::future::BoxFuture;

use crate::recent::Recent;

pub use config::{ConfigError, EndpointConfig, names, read};

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
                code: "no-endpoint".to_owned(),
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
}

impl Shared {
    /// Of these endpoints.
    pub fn new(endpoints: impl Endpoints + 'static) -> Self {
        Self {
            endpoints: Box::new(endpoints),
            recent: Recent::default(),
        }
    }

    /// The answer to a question, asked no longer ago than `age`.
    pub async fn ask(&self, query: &EndpointQuery, age: Duration) -> Told {
        let asked = self
            .recent
            .of(query, age, async || self.endpoints.ask(query).await);
        asked.await
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self::new(HttpEndpoints::default())
    }
}
