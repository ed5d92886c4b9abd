//! Small answers over HTTP from somebody nearby: the metadata service, a credentials URI.

use std::{future::Future, pin::Pin, time::Duration};

use reqwest::{
    Method, Url,
    header::{HeaderMap, HeaderName, HeaderValue},
    redirect,
};

use crate::{
    config::{ClientConfig, ConfigError},
    transport::{TransportError, WireResponse, builder, chain, failure, received},
};

/// Who answers is on the same machine or in the same network. Short, as a process without credentials finds out by this that
/// there is nobody.
const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(2);

/// Credentials have a few kilobytes.
const MAX_BODY: usize = 64 * 1024;

/// How often one question is asked while its answers are faults of the other side.
const ATTEMPTS: usize = 2;
const PAUSE: Duration = Duration::from_millis(200);

/// A request without a body.
#[derive(Clone)]
pub(super) struct Ask {
    pub method: Method,
    pub url: Url,
    pub header: Option<(&'static str, String)>,
}

impl Ask {
    pub(super) fn get(url: Url) -> Self {
        Self {
            method: Method::GET,
            url,
            header: None,
        }
    }
}

pub(super) type Fetching<'a> =
    Pin<Box<dyn Future<Output = Result<WireResponse, TransportError>> + Send + 'a>>;

/// Asks once. A trait, so that time may be virtual in tests.
pub(super) trait Fetch: Send + Sync {
    fn fetch(&self, ask: Ask) -> Fetching<'_>;
}

/// Asks again when the other side has a fault. Not when there is no connection: a machine without a metadata service would
/// wait twice as long to find that out.
pub(super) async fn fetch(to: &dyn Fetch, ask: Ask) -> Result<WireResponse, TransportError> {
    let mut last = to.fetch(ask.clone()).await;
    for _ in 1..ATTEMPTS {
        match &last {
            Ok(response) if response.status >= 500 => {}
            Err(TransportError::TimedOut(_) | TransportError::Broken(_)) => {}
            _ => break,
        }
        tokio::time::sleep(PAUSE).await;
        last = to.fetch(ask.clone()).await;
    }
    last
}

/// The real one. Without the proxy of the environment: what is asked is not beyond it, and a proxy would see the credentials.
pub(super) struct LocalHttp(reqwest::Client);

impl LocalHttp {
    pub(super) fn new(config: &ClientConfig) -> Result<Self, ConfigError> {
        // Without this look the HTTP client would panic.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ConfigError::NoCryptoProvider);
        }
        let make = || {
            Ok(builder(config)?
                .no_proxy()
                // Credentials come from where the configuration says, and from nowhere else.
                .redirect(redirect::Policy::none())
                .connect_timeout(CONNECT)
                .timeout(ANSWER))
        };
        make()?
            .build()
            // A machine without a trust store can still talk over plain HTTP. It will trust nobody over TLS.
            .or_else(|_| {
                make()?
                    .tls_certs_only([])
                    .build()
                    .map_err(|error| ConfigError::Http(chain(&error)))
            })
            .map(Self)
    }

    async fn exchange(&self, ask: Ask) -> Result<WireResponse, TransportError> {
        let host = ask.url.host_str().unwrap_or_default().to_owned();
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = ask.header {
            let mut value = HeaderValue::from_str(&value).map_err(|_| {
                TransportError::NotConnected(format!(
                    "header {name} has a value that cannot be sent"
                ))
            })?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let response = self
            .0
            .request(ask.method, ask.url)
            .headers(headers)
            .send()
            .await
            .map_err(|error| failure(&host, error))?;
        received(&host, response, MAX_BODY).await
    }
}

impl Fetch for LocalHttp {
    fn fetch(&self, ask: Ask) -> Fetching<'_> {
        Box::pin(self.exchange(ask))
    }
}
