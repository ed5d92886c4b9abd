//! One request to an endpoint: bounded in time and size, no more than a few at a time.

use std::{path::Path, time::Duration};

use ess_rollout_core::endpoints::{EndpointAnswer, EndpointError, EndpointQuery, WebhookCall};
use reqwest::{
    Certificate, Client, RequestBuilder, Url,
    header::{AUTHORIZATION, HeaderValue},
    redirect,
};
use serde_json::json;
use tokio::sync::Semaphore;

use super::answers::{self, Failure};
use super::breaker::Breaker;
use super::config::{Auth, ConfigError, EndpointConfig, Kind};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(3);
/// The most bytes of an answer.
const LONGEST: usize = 64 * 1024;
/// How many requests are under way at the same time.
const AT_ONCE: usize = 4;
/// The most bytes of a file with a secret.
const SECRET_MAX: usize = 16 * 1024;

/// One endpoint.
pub(super) struct Endpoint {
    name: String,
    url: Url,
    timeout: Duration,
    auth: Option<Auth>,
    client: Client,
    turns: Semaphore,
    breaker: Breaker,
}

impl Endpoint {
    pub(super) fn new(config: &EndpointConfig) -> Result<Self, ConfigError> {
        let failed = |why: String| ConfigError::Endpoint {
            name: config.name.clone(),
            why,
        };
        let mut url = config.url.clone();
        if config.kind == Kind::Prometheus {
            let base = url.path().trim_end_matches('/').to_owned();
            url.set_path(&format!("{base}/api/v1/query"));
        }
        let timeout = Duration::from_secs(config.timeout_seconds);
        let mut builder = Client::builder()
            // A redirect would carry the secret to a host that nobody configured.
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .connect_timeout(CONNECT)
            .timeout(timeout)
            .user_agent(concat!("ess-rollout/", env!("CARGO_PKG_VERSION")));
        if !config.use_proxy {
            builder = builder.no_proxy();
        }
        match &config.ca_file {
            Some(path) => {
                let file = |why: String| failed(format!("caFile {}: {why}", path.display()));
                let pem = std::fs::read(path).map_err(|error| file(error.to_string()))?;
                let bundle =
                    Certificate::from_pem_bundle(&pem).map_err(|error| file(error.to_string()))?;
                if bundle.is_empty() {
                    return Err(file("no PEM certificate in it".to_owned()));
                }
                builder = builder.tls_certs_merge(bundle);
            }
            // A machine without a trust store can still ask over plain HTTP.
            None if url.scheme() == "http" => builder = builder.tls_certs_only([]),
            None => {}
        }
        Ok(Self {
            name: config.name.clone(),
            url,
            timeout,
            auth: config.auth.clone(),
            client: builder.build().map_err(|error| failed(error.to_string()))?,
            turns: Semaphore::new(AT_ONCE),
            breaker: Breaker::default(),
        })
    }

    /// Asks, in its turn.
    pub(super) async fn ask(&self, query: &EndpointQuery) -> Result<EndpointAnswer, EndpointError> {
        // Who waits for his turn is told in time that there is no answer, too.
        let asking = tokio::time::timeout(self.timeout * 2, self.in_turn(query));
        let told = asking.await.unwrap_or_else(|_| Err(Failure::timeout()));
        told.map_err(|failure| self.error(failure))
    }

    async fn in_turn(&self, query: &EndpointQuery) -> Result<EndpointAnswer, Failure> {
        let turn = self.turns.acquire().await;
        if turn.is_err() || !self.breaker.lets_through() {
            return Err(Failure::passing("resting", "it has not answered of late"));
        }
        let told = self.exchange(query).await;
        let unreachable = |failure: &Failure| failure.unreachable;
        self.breaker.told(!told.as_ref().is_err_and(unreachable));
        told
    }

    async fn exchange(&self, query: &EndpointQuery) -> Result<EndpointAnswer, Failure> {
        let request = self.client.post(self.url.clone());
        let request = match query {
            EndpointQuery::Metric { query, .. } => {
                let timeout = format!("{}s", self.timeout.as_secs());
                request.form(&[("query", query.as_str()), ("timeout", timeout.as_str())])
            }
            EndpointQuery::Webhook(call) => request
                .header("idempotency-key", header(&call.key)?)
                .json(&body(call)),
        };
        let request = self.signed(request).await?;
        let mut response = request.send().await.map_err(no_answer)?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(no_answer)? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(Failure::passing(
                    "too-long",
                    "its answer is longer than 64 KiB",
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        match query {
            EndpointQuery::Metric { .. } => answers::measured(status, &bytes),
            EndpointQuery::Webhook(_) => answers::said(status, &bytes),
        }
    }

    async fn signed(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        let mut value = match &self.auth {
            None => return Ok(request),
            Some(Auth::Basic {
                username_file,
                password_file,
            }) => {
                let (user, password) = (secret(username_file).await?, secret(password_file).await?);
                return Ok(request.basic_auth(user, Some(password)));
            }
            Some(Auth::BearerTokenFile(path)) => {
                header(&format!("Bearer {}", secret(path).await?))?
            }
            Some(Auth::AuthorizationFile(path)) => header(&secret(path).await?)?,
        };
        value.set_sensitive(true);
        Ok(request.header(AUTHORIZATION, value))
    }

    fn error(&self, failure: Failure) -> EndpointError {
        EndpointError {
            message: format!("endpoint {}: {}", self.name, failure.message),
            endpoint: self.name.clone(),
            code: failure.code,
            needs_person: failure.needs_person,
        }
    }
}

/// Without what is secret.
fn header(value: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(value).map_err(|_| {
        Failure::of_person(
            "bad-secret",
            "what its secret holds cannot be sent in a header: it has to be one line of plain text",
        )
    })
}

async fn secret(path: &Path) -> Result<String, Failure> {
    let unusable = |why: &str| {
        let message = format!("the file {} {why}", path.display());
        Failure::of_person("no-secret", message)
    };
    let text = tokio::fs::read(path)
        .await
        .map_err(|error| unusable(&format!("cannot be read: {error}")))?;
    if text.len() > SECRET_MAX {
        return Err(unusable("is longer than 16 KiB"));
    }
    let text = String::from_utf8(text).map_err(|_| unusable("is no text"))?;
    match text.trim() {
        "" => Err(unusable("is empty")),
        text => Ok(text.to_owned()),
    }
}

fn body(call: &WebhookCall) -> serde_json::Value {
    json!({
        "kind": call.kind,
        "namespace": call.namespace,
        "name": call.name,
        "regionId": call.region,
        "scalingGroupId": call.scaling_group,
        "batch": call.batch,
        "batches": call.batches,
        "instances": call.instances,
    })
}

/// The address is not said: it is the operator's, and whoever reads the object need not know it.
fn no_answer(error: reqwest::Error) -> Failure {
    match (error.is_timeout(), error.is_connect()) {
        (true, _) => Failure::timeout(),
        (false, true) => Failure::unreachable("connection", "there is no connection to it"),
        (false, false) => Failure::unreachable("connection", "the exchange with it broke off"),
    }
}

#[cfg(test)]
#[path = "http_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
