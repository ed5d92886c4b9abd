//! RAM role by OIDC token (RRSA): STS AssumeRoleWithOIDC.
//!
//! One refresh at a time; the old credentials are served while they are valid, whatever STS says.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use ess_rollout_cloud::ErrorClass;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Credentials, CredentialsError, CredentialsFuture, CredentialsProvider, OidcRole};
use crate::{
    config::{ClientConfig, ConfigError},
    endpoints::{Network, Service},
    errors::Failed,
    fields::{text, time},
    limits::Lane,
    sign::{FORM, form},
    transport::{HttpTransport, Transport, WireRequest},
};

/// Refreshing starts this long before the end, spread so that the replicas of a cluster do not ask
/// at once: STS has a flow control of its own.
const REFRESH_EARLY: std::ops::Range<i64> = 5 * 60..15 * 60;

/// Credentials that end within this time are not handed out: a request signed with them may arrive
/// after the end.
const TOO_LATE: SignedDuration = SignedDuration::from_secs(30);

/// After a failed refresh STS is left alone for this long.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(10);

/// After the service refused credentials, new ones are asked for no more often than this: the fault
/// may lie with something that new credentials do not cure.
const PAUSE_AFTER_REJECTION: SignedDuration = SignedDuration::from_secs(30);

/// STS takes tokens of 4 to 20,000 characters.
const LONGEST_TOKEN: u64 = 20_000;

/// Credentials of a role, renewed before they end.
pub struct OidcCredentials {
    role: OidcRole,
    url: reqwest::Url,
    config: ClientConfig,
    transport: Arc<dyn Transport>,
    state: Mutex<State>,
    /// Held while STS is asked.
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    /// The last failure, and until when it stands.
    failure: Option<(CredentialsError, Timestamp)>,
}

#[derive(Clone)]
struct Session {
    credentials: Credentials,
    obtained: Timestamp,
    refresh: Timestamp,
    end: Timestamp,
}

impl fmt::Debug for OidcCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcCredentials")
            .field("role_arn", &self.role.role_arn)
            .finish_non_exhaustive()
    }
}

impl OidcCredentials {
    /// With connections of its own.
    ///
    /// # Errors
    /// When the HTTP client cannot be built, or the STS endpoint is malformed.
    pub fn new(role: OidcRole, config: &ClientConfig) -> Result<Self, ConfigError> {
        let transport = Arc::new(HttpTransport::new(config)?);
        Self::with_transport(role, config, transport)
    }

    /// Sends through this.
    ///
    /// # Errors
    /// When the STS endpoint is malformed.
    pub fn with_transport(
        role: OidcRole,
        config: &ClientConfig,
        transport: Arc<dyn Transport>,
    ) -> Result<Self, ConfigError> {
        let network = if role.vpc {
            Network::Vpc
        } else {
            config.network
        };
        let url = role.sts_url(&config.endpoints, network).map_err(|error| {
            ConfigError::Credentials(CredentialsError::unauthenticated(
                "endpoint",
                format!("STS: {error}"),
            ))
        })?;
        Ok(Self {
            role,
            url,
            config: config.clone(),
            transport,
            state: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        })
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Whole after each statement: nothing is lost if a holder panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session, if it is still good to sign with.
    fn valid(&self, now: Timestamp) -> Option<Session> {
        self.state()
            .session
            .clone()
            .filter(|session| now + TOO_LATE < session.end)
    }

    /// A failure that is too recent to ask again.
    fn recent_failure(&self, now: Timestamp) -> Option<CredentialsError> {
        let state = self.state();
        let (error, until) = state.failure.as_ref()?;
        (now < *until).then(|| error.clone())
    }

    async fn session(&self) -> Result<Credentials, CredentialsError> {
        let now = self.config.clock.now();
        let _refreshing = match self.valid(now) {
            Some(session) if now < session.refresh || self.recent_failure(now).is_some() => {
                return Ok(session.credentials);
            }
            // Somebody else renews it: the old one does meanwhile.
            Some(session) => match self.refreshing.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(session.credentials),
            },
            None => self.refreshing.lock().await,
        };
        // Who waited for the lock finds the work done, well or badly.
        let now = self.config.clock.now();
        let valid = self.valid(now);
        match &valid {
            Some(session) if now < session.refresh => return Ok(session.credentials.clone()),
            _ => {}
        }
        if let Some(error) = self.recent_failure(now) {
            return valid.map(|session| session.credentials).ok_or(error);
        }
        match (self.renew().await, valid) {
            (Ok(session), _) => Ok(session.credentials),
            (Err(error), Some(session)) => {
                tracing::warn!(%error, role = self.role.role_arn, "credentials not renewed; the old ones are still valid");
                Ok(session.credentials)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Asks STS and keeps what it says.
    async fn renew(&self) -> Result<Session, CredentialsError> {
        let result = self.assume_role().await;
        let mut state = self.state();
        match &result {
            Ok(session) => {
                state.session = Some(session.clone());
                state.failure = None;
            }
            Err(error) => {
                state.failure =
                    Some((error.clone(), self.config.clock.now() + PAUSE_AFTER_FAILURE));
            }
        }
        result
    }

    async fn assume_role(&self) -> Result<Session, CredentialsError> {
        let token = self.token().await?;
        let now = self.config.clock.now();
        let mut url = self.url.clone();
        // The call is not signed: the token is the proof.
        let date = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        url.set_query(Some(&form([
            ("Action", "AssumeRoleWithOIDC"),
            ("Version", Service::Sts.version()),
            ("Format", "JSON"),
            ("Timestamp", date.as_str()),
            ("SignatureNonce", nonce.as_str()),
        ])));
        let body = form([
            ("RoleArn", self.role.role_arn.as_str()),
            ("OIDCProviderArn", self.role.provider_arn.as_str()),
            ("OIDCToken", token.expose_secret()),
            ("RoleSessionName", self.role.session_name.as_str()),
        ]);
        let headers = vec![
            ("content-type", FORM.to_owned()),
            ("accept", "application/json".to_owned()),
        ];
        let failed = Failed {
            service: Service::Sts,
            action: "AssumeRoleWithOIDC",
            lane: Lane::Read,
        };
        let response = self
            .transport
            .send(WireRequest { url, headers, body })
            .await
            .map_err(|error| described(failed.transport(&error), &self.role))?;
        if !(200..300).contains(&response.status) {
            let error = failed.answer(&response, &[token.expose_secret()]);
            return Err(described(error, &self.role));
        }
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        read_session(&answer, now).ok_or_else(|| {
            described(
                failed.unreadable("the answer has no credentials"),
                &self.role,
            )
        })
    }

    async fn token(&self) -> Result<SecretString, CredentialsError> {
        let path = &self.role.token_file;
        let unusable = |why: String| {
            CredentialsError::unauthenticated(
                "token-file",
                format!(
                    "the OIDC token file {} {why}; it is a projected service account token with \
                     audience sts.aliyuncs.com, which RRSA mounts",
                    path.display()
                ),
            )
        };
        let size = tokio::fs::metadata(path)
            .await
            .map_err(|error| unusable(format!("cannot be read: {error}")))?
            .len();
        // The line end does not count, hence one more than STS takes.
        if size > LONGEST_TOKEN + 1 {
            return Err(unusable(format!("has {size} bytes, which is no token")));
        }
        let token = tokio::fs::read_to_string(path)
            .await
            .map_err(|error| unusable(format!("cannot be read: {error}")))?;
        let token = token.trim();
        if token.is_empty() {
            return Err(unusable("is empty".to_owned()));
        }
        Ok(SecretString::from(token.to_owned()))
    }

    async fn after_rejection(
        &self,
        rejected: &Credentials,
    ) -> Result<Option<Credentials>, CredentialsError> {
        let _refreshing = self.refreshing.lock().await;
        let now = self.config.clock.now();
        if self.recent_failure(now).is_some() {
            return Ok(None);
        }
        if let Some(session) = self.valid(now) {
            if session.credentials.access_key_id != rejected.access_key_id {
                return Ok(Some(session.credentials));
            }
            if now < session.obtained + PAUSE_AFTER_REJECTION {
                return Ok(None);
            }
        }
        self.renew().await.map(|session| Some(session.credentials))
    }
}

impl CredentialsProvider for OidcCredentials {
    fn account(&self) -> &str {
        &self.role.role_arn
    }

    fn current(&self) -> CredentialsFuture<'_, Credentials> {
        Box::pin(self.session())
    }

    fn refresh_after_rejection<'a>(
        &'a self,
        rejected: &'a Credentials,
    ) -> CredentialsFuture<'a, Option<Credentials>> {
        Box::pin(self.after_rejection(rejected))
    }
}

fn read_session(answer: &Value, now: Timestamp) -> Option<Session> {
    let row = answer.get("Credentials")?;
    let part = |name| Some(text(row, name)).filter(|value| !value.is_empty());
    let end = time(row, "Expiration")?;
    let credentials = Credentials::new(
        part("AccessKeyId")?,
        part("AccessKeySecret")?,
        Some(part("SecurityToken")?),
    );
    // The shortest session is 15 minutes; it is renewed half-way at the earliest.
    let half = (end.as_second() - now.as_second()).max(0) / 2;
    let early = fastrand::i64(REFRESH_EARLY).min(half);
    Some(Session {
        credentials,
        obtained: now,
        refresh: end - Duration::from_secs(early.unsigned_abs()),
        end,
    })
}

/// What STS refused, with the cure.
fn described(error: ess_rollout_cloud::CloudError, role: &OidcRole) -> CredentialsError {
    let cure = match error.code.as_str() {
        "AuthenticationFail.OIDCToken.Expired" => {
            "the token file is stale: check that kubelet renews it and that the clocks agree"
        }
        "AuthenticationFail.OIDCToken.AudienceNotMatch" => {
            "the token's audience must be sts.aliyuncs.com"
        }
        code if code.starts_with("AuthenticationFail.OIDCToken.Issuer") => {
            "enable RRSA in the cluster, or register its issuer with the OIDC provider"
        }
        "AuthenticationFail.NoPermission" => {
            "check the OIDC provider's ARN and that the role's trust policy names it and this \
             service account"
        }
        "EntityNotExist.Role" => "there is no such role in the account",
        _ => match error.class {
            ErrorClass::Retry | ErrorClass::Throttled => "it will be tried again",
            _ => "check role, OIDC provider and token file",
        },
    };
    CredentialsError {
        // A role that is not there is not the object that somebody asked for.
        class: match error.class {
            class @ (ErrorClass::Retry | ErrorClass::Throttled | ErrorClass::Denied) => class,
            _ => ErrorClass::Unauthenticated,
        },
        message: format!(
            "no credentials for role {}: {} {} {}; {cure}",
            role.role_arn, error.call, error.code, error.message
        ),
        code: error.code,
        request_id: error.request_id,
    }
}

#[cfg(test)]
#[path = "oidc_tests.rs"]
mod tests;
