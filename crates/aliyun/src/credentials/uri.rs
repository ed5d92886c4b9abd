//! Credentials from a URI: a program of the user's gives them out over HTTP.

use std::sync::Arc;

use ess_rollout_cloud::ErrorClass;
use reqwest::Url;
use serde_json::Value;

use super::{
    CredentialsError, CredentialsFuture,
    local::{Ask, Fetch, fetch},
    metadata::by_status,
    renewing::{Session, Source},
};
use crate::{config::Clock, endpoints::is_loopback, fields::text};

/// A credentials URI.
pub(super) struct CredentialsUri {
    uri: Url,
    http: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    account: String,
}

impl CredentialsUri {
    /// # Errors
    /// When it is no URL, or would carry credentials over a network without TLS. The text names where it is set, and never
    /// shows the URI: its path or query may be a secret.
    pub(super) fn new(
        given: &str,
        set_by: &str,
        http: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CredentialsError> {
        let wrong = |why: &str| {
            CredentialsError::unauthenticated("credentials-uri", format!("{set_by} {why}"))
        };
        let uri = Url::parse(given).map_err(|_| {
            wrong("is not a URL; give one such as http://localhost:8080/credentials")
        })?;
        match uri.scheme() {
            "https" => {}
            "http" if is_loopback(&uri) => {}
            "http" => {
                return Err(wrong(
                    "would send credentials over the network without TLS; use https, or http to this machine \
                     (localhost, 127.0.0.1, [::1]), a sidecar for instance",
                ));
            }
            _ => return Err(wrong("is neither http nor https")),
        }
        let account = format!("credentials-uri:{}", uri.host_str().unwrap_or_default());
        Ok(Self {
            uri,
            http,
            clock,
            account,
        })
    }

    fn failed(&self, class: ErrorClass, code: &str, why: &str) -> CredentialsError {
        let host = self.uri.host_str().unwrap_or_default();
        CredentialsError {
            class,
            ..CredentialsError::unauthenticated(
                code,
                format!("no credentials from the credentials URI on {host}: {why}"),
            )
        }
    }

    async fn session(&self) -> Result<Session, CredentialsError> {
        let response = fetch(&*self.http, Ask::get(self.uri.clone()))
            .await
            .map_err(|error| {
                let why =
                    format!("{error}; check that what serves it runs; it will be tried again");
                self.failed(ErrorClass::Retry, "credentials-uri", &why)
            })?;
        if response.status != 200 {
            let why = format!("HTTP {}", response.status);
            return Err(self.failed(by_status(response.status), "credentials-uri", &why));
        }
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let code = text(&answer, "Code");
        if code != "Success" {
            let why = format!(
                "Code is {:?}, not \"Success\"; it must answer with a JSON object of Code, AccessKeyId, \
                 AccessKeySecret, SecurityToken and Expiration",
                code.chars().take(80).collect::<String>()
            );
            return Err(self.failed(ErrorClass::Unauthenticated, "credentials-uri", &why));
        }
        Session::read(&answer, self.clock.now())
            .map_err(|why| self.failed(ErrorClass::Retry, "unreadable", &why))
    }
}

impl Source for CredentialsUri {
    fn account(&self) -> &str {
        &self.account
    }

    fn fetch(&self) -> CredentialsFuture<'_, Session> {
        Box::pin(self.session())
    }
}
