//! One POST over the wire, bounded in time and size.
//!
//! A trait, so that a simulation can hand requests to an emulator in the same thread.

use std::{error::Error as _, future::Future, pin::Pin, time::Duration};

use reqwest::{
    Certificate, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use crate::{
    config::{ClientConfig, ConfigError},
    endpoints::{host_header, is_loopback},
};

/// More than a full page of executions that each carry a 16 KiB script twice over; anything
/// longer is not an answer.
const MAX_BODY: usize = 32 * 1024 * 1024;

/// Shorter than the idle timeout of common load balancers, so that a request is not written to a
/// connection that the other side is closing: the outcome of a mutation would be unknown.
const IDLE_CONNECTION: Duration = Duration::from_secs(15);

/// A request as it goes out. The method is POST.
#[derive(Clone)]
pub struct WireRequest {
    /// Scheme, host, port, `/`, and for STS a query.
    pub url: Url,
    /// In any order; `host` and `content-length` are the transport's.
    pub headers: Vec<(&'static str, String)>,
    /// The form.
    pub body: String,
}

impl WireRequest {
    /// The `host` header that was signed: with the port if it is not the scheme's own. A transport
    /// that makes its own connections has to send it so.
    pub fn host(&self) -> String {
        host_header(&self.url)
    }
}

/// An answer of whatever status.
#[derive(Debug, Clone)]
pub struct WireResponse {
    /// HTTP status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Vec<u8>,
}

/// No answer. The texts name host and cause, never a header or a body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// There never was a connection: the request did not leave.
    #[error("{0}")]
    NotConnected(String),
    /// It may have arrived; no answer in time.
    #[error("{0}")]
    TimedOut(String),
    /// It may have arrived; the answer broke off or was too long.
    #[error("{0}")]
    Broken(String),
}

/// What [`Transport::send`] returns.
pub type WireFuture<'a> =
    Pin<Box<dyn Future<Output = Result<WireResponse, TransportError>> + Send + 'a>>;

/// Sends one request, once, and bounds the time it takes.
pub trait Transport: Send + Sync {
    /// Sends it.
    fn send(&self, request: WireRequest) -> WireFuture<'_>;
}

/// The real one: HTTP/1.1 or 2, TLS by rustls, no redirects, no retries of its own.
#[derive(Debug, Clone)]
pub struct HttpTransport {
    client: reqwest::Client,
    /// Without the proxy of the environment, which cannot reach this machine's loopback.
    loopback: Option<reqwest::Client>,
}

impl HttpTransport {
    /// Builds it from the parts of the configuration that concern it.
    ///
    /// # Errors
    /// [`ConfigError::NoCryptoProvider`] or [`ConfigError::Http`].
    pub fn new(config: &ClientConfig) -> Result<Self, ConfigError> {
        // Without this look the HTTP client would panic.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ConfigError::NoCryptoProvider);
        }
        let loopback = if config.endpoints.any_loopback() {
            Some(build(config, reqwest::ClientBuilder::no_proxy)?)
        } else {
            None
        };
        let client = match &loopback {
            Some(client) if config.endpoints.all_loopback() => client.clone(),
            _ => build(config, |builder| builder)?,
        };
        Ok(Self { client, loopback })
    }

    async fn exchange(&self, request: WireRequest) -> Result<WireResponse, TransportError> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let client = match &self.loopback {
            Some(client) if is_loopback(&request.url) => client,
            _ => &self.client,
        };
        let mut headers = HeaderMap::with_capacity(request.headers.len());
        for (name, value) in &request.headers {
            let mut value = HeaderValue::from_str(value).map_err(|_| {
                TransportError::NotConnected(format!(
                    "header {name} has a value that cannot be sent"
                ))
            })?;
            value.set_sensitive(matches!(*name, "authorization" | "x-acs-security-token"));
            headers.insert(HeaderName::from_static(name), value);
        }
        let response = client
            .post(request.url)
            .headers(headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| failure(&host, error))?;
        received(&host, response, MAX_BODY).await
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: WireRequest) -> WireFuture<'_> {
        Box::pin(self.exchange(request))
    }
}

/// All of an answer of this host, which may have so many bytes.
pub(crate) async fn received(
    host: &str,
    mut response: reqwest::Response,
    longest: usize,
) -> Result<WireResponse, TransportError> {
    let failed = |error| failure(host, error);
    let status = response.status().as_u16();
    let headers = std::mem::take(response.headers_mut());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > longest {
            return Err(TransportError::Broken(format!(
                "the answer of {host} is longer than {longest} bytes"
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(WireResponse {
        status,
        headers,
        body,
    })
}

fn build(
    config: &ClientConfig,
    adapt: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, ConfigError> {
    match adapt(builder(config)?).build() {
        Ok(client) => Ok(client),
        // A machine without a trust store can still talk to an emulator over plain HTTP. It will
        // trust nobody over TLS.
        Err(_) if config.endpoints.all_plain() => adapt(builder(config)?)
            .tls_certs_only([])
            .build()
            .map_err(|error| ConfigError::Http(chain(&error))),
        Err(error) => Err(ConfigError::Http(format!(
            "{}; if the system has no CA certificates, install them or point SSL_CERT_FILE at some",
            chain(&error)
        ))),
    }
}

pub(crate) fn builder(config: &ClientConfig) -> Result<reqwest::ClientBuilder, ConfigError> {
    let mut certificates = Vec::new();
    for pem in &config.extra_root_certificates {
        let bundle = Certificate::from_pem_bundle(pem).map_err(|error| {
            ConfigError::Http(format!("extra root certificate: {}", chain(&error)))
        })?;
        if bundle.is_empty() {
            return Err(ConfigError::Http(
                "extra root certificate: no PEM certificate in it".to_owned(),
            ));
        }
        certificates.extend(bundle);
    }
    let mut builder = reqwest::Client::builder()
        // A redirect would carry a signed request to a host that nobody configured.
        .redirect(redirect::Policy::none())
        // A replay below us could run a mutation twice.
        .retry(reqwest::retry::never())
        .connect_timeout(config.timeouts.connect)
        .timeout(config.timeouts.request)
        .pool_idle_timeout(IDLE_CONNECTION)
        .user_agent(&config.user_agent);
    if !certificates.is_empty() {
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}

pub(crate) fn failure(host: &str, error: reqwest::Error) -> TransportError {
    let (connect, timeout) = (error.is_connect(), error.is_timeout());
    // The URL adds nothing to the host, and STS requests have a query.
    let cause = chain(&error.without_url());
    if connect {
        TransportError::NotConnected(format!("no connection to {host}: {cause}"))
    } else if timeout {
        TransportError::TimedOut(format!("no answer from {host} in time"))
    } else {
        TransportError::Broken(format!("the exchange with {host} broke off: {cause}"))
    }
}

/// An error with its causes, each said once.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
