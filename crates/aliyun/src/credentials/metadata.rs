//! The RAM role of an ECS instance, from its metadata service.

use std::sync::Arc;

use ess_rollout_cloud::ErrorClass;
use reqwest::{Method, Url};
use serde_json::Value;

use super::{
    CredentialsError, CredentialsFuture,
    local::{Ask, Fetch, fetch},
    provider::NOTHING_FOUND,
    renewing::{Session, Source},
};
use crate::{
    config::Clock,
    fields::text,
    transport::{TransportError, WireResponse},
};

/// Where the metadata service is, on every ECS instance. Link-local: no TLS, nobody in between.
pub(super) const ADDRESS: &str = "http://100.100.100.200";

/// Version 2 asks for a token with this header, and wants it back with the other.
const TTL_HEADER: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN_HEADER: &str = "x-aliyun-ecs-metadata-token";
/// A token serves one renewal, of a few requests. The service takes 1 to 21,600.
const TTL_SECONDS: &str = "60";

/// The longest name that RAM takes.
const LONGEST_ROLE: usize = 64;

/// The metadata service, as one process asks it.
pub(super) struct EcsRole {
    /// As configured; `None`: the one that the instance has.
    pub role: Option<String>,
    /// Whether the service may be asked without a token, where it gives none.
    pub version_1: bool,
    /// [`ADDRESS`], but in tests.
    pub base: Url,
    pub http: Arc<dyn Fetch>,
    pub clock: Arc<dyn Clock>,
    /// What is said where there is no metadata service, by a process for which nothing else is configured.
    pub nothing_else: Option<String>,
    account: String,
}

impl EcsRole {
    pub(super) fn new(
        role: Option<String>,
        base: Url,
        http: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let account = match &role {
            Some(role) => format!("ecs-ram-role:{role}"),
            None => "ecs-ram-role".to_owned(),
        };
        Self {
            role,
            version_1: true,
            base,
            http,
            clock,
            nothing_else: None,
            account,
        }
    }

    fn failed(&self, class: ErrorClass, code: &str, why: &str) -> CredentialsError {
        CredentialsError {
            class,
            ..CredentialsError::unauthenticated(
                code,
                format!("no credentials from the ECS metadata service: {why}"),
            )
        }
    }

    fn unreachable(&self, error: &TransportError) -> CredentialsError {
        match &self.nothing_else {
            Some(nothing_else) => CredentialsError::unauthenticated(
                NOTHING_FOUND,
                format!(
                    "{nothing_else}; the ECS metadata service, which is asked last, gives none: {error}"
                ),
            ),
            None => self.failed(
                ErrorClass::Retry,
                "metadata",
                &format!(
                    "{error}; it is only there on ECS instances, and a network policy may keep pods \
                     from {ADDRESS}; it will be tried again"
                ),
            ),
        }
    }

    async fn ask(&self, path: &str, token: Option<&str>) -> Result<WireResponse, CredentialsError> {
        let mut ask = Ask::get(self.url(path));
        ask.header = token.map(|token| (TOKEN_HEADER, token.to_owned()));
        fetch(&*self.http, ask)
            .await
            .map_err(|error| self.unreachable(&error))
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    /// A token of version 2; `None`: the service has none, and may be asked without.
    async fn token(&self) -> Result<Option<String>, CredentialsError> {
        let ask = Ask {
            method: Method::PUT,
            url: self.url("/latest/api/token"),
            header: Some((TTL_HEADER, TTL_SECONDS.to_owned())),
        };
        let response = fetch(&*self.http, ask)
            .await
            .map_err(|error| self.unreachable(&error))?;
        let token = String::from_utf8(response.body).unwrap_or_default();
        match response.status {
            200 if !token.trim().is_empty() => Ok(Some(token.trim().to_owned())),
            status if self.version_1 => {
                tracing::debug!(status, "no token of the metadata service, asking without");
                Ok(None)
            }
            status => Err(self.failed(
                by_status(status),
                "metadata",
                &format!(
                    "HTTP {status} instead of a token, and ALIBABA_CLOUD_IMDSV1_DISABLED forbids to ask \
                     without; enable version 2 of the instance's metadata access"
                ),
            )),
        }
    }

    /// The role that the instance has.
    async fn discover(&self, token: Option<&str>) -> Result<String, CredentialsError> {
        let path = "/latest/meta-data/ram/security-credentials/";
        let response = self.ask(path, token).await?;
        match response.status {
            200 => {}
            404 => {
                return Err(self.no_role("the instance has no RAM role; attach one to it"));
            }
            status => return Err(self.refused(status, "the name of the role")),
        }
        let names = String::from_utf8(response.body).unwrap_or_default();
        let name = names.lines().next().unwrap_or_default().trim();
        if !is_role_name(name) {
            return Err(self.no_role("what it names is no RAM role"));
        }
        Ok(name.to_owned())
    }

    fn no_role(&self, why: &str) -> CredentialsError {
        match &self.nothing_else {
            Some(nothing_else) => CredentialsError::unauthenticated(
                NOTHING_FOUND,
                format!("{nothing_else}; the ECS metadata service, which is asked last: {why}"),
            ),
            None => self.failed(ErrorClass::Unauthenticated, "metadata", why),
        }
    }

    fn refused(&self, status: u16, what: &str) -> CredentialsError {
        let why = format!("HTTP {status} instead of {what}");
        self.failed(by_status(status), "metadata", &why)
    }

    async fn session(&self) -> Result<Session, CredentialsError> {
        let token = self.token().await?;
        let token = token.as_deref();
        let role = match &self.role {
            Some(role) => role.clone(),
            None => self.discover(token).await?,
        };
        let path = format!("/latest/meta-data/ram/security-credentials/{role}");
        let response = self.ask(&path, token).await?;
        match response.status {
            200 => {}
            404 => {
                return Err(self.no_role(&format!(
                    "the instance has no RAM role {role}; attach it, or set ALIBABA_CLOUD_ECS_METADATA \
                     to the one it has"
                )));
            }
            status => return Err(self.refused(status, "credentials")),
        }
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        let code = text(&answer, "Code");
        if code != "Success" {
            let why = format!(
                "it says {:?} for role {role}; the role must trust ecs.aliyuncs.com",
                code.chars().take(80).collect::<String>()
            );
            return Err(self.failed(ErrorClass::Unauthenticated, "metadata", &why));
        }
        Session::read(&answer, self.clock.now())
            .map_err(|why| self.failed(ErrorClass::Retry, "unreadable", &why))
    }
}

impl Source for EcsRole {
    fn account(&self) -> &str {
        &self.account
    }

    fn fetch(&self) -> CredentialsFuture<'_, Session> {
        Box::pin(self.session())
    }
}

/// Whether a text can be the name of a RAM role: it becomes part of a path.
pub(super) fn is_role_name(name: &str) -> bool {
    (1..=LONGEST_ROLE).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'@'))
        && !name.starts_with('.')
}

pub(super) fn by_status(status: u16) -> ErrorClass {
    match status {
        429 | 500.. => ErrorClass::Retry,
        _ => ErrorClass::Unauthenticated,
    }
}
