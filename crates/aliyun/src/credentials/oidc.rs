//! RAM role by OIDC token (RRSA): STS AssumeRoleWithOIDC.

use std::{fmt, sync::Arc};

use ess_rollout_cloud::ErrorClass;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    Credentials, CredentialsError, CredentialsFuture, CredentialsProvider, OidcRole,
    renewing::{Renewing, Session, Source},
};
use crate::{
    config::{ClientConfig, Clock, ConfigError},
    endpoints::{Network, Service},
    errors::Failed,
    limits::Lane,
    sign::{FORM, form},
    transport::{HttpTransport, Transport, WireRequest},
};

/// STS takes tokens of 4 to 20,000 characters.
const LONGEST_TOKEN: u64 = 20_000;

/// Credentials of a role, renewed before they end.
#[derive(Debug)]
pub struct OidcCredentials(Renewing<Sts>);

/// STS, as one role asks it.
struct Sts {
    role: OidcRole,
    url: reqwest::Url,
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
}

impl fmt::Debug for Sts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sts")
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
        let clock = config.clock.clone();
        let sts = Sts {
            role,
            url,
            clock: clock.clone(),
            transport,
        };
        Ok(Self(Renewing::new(sts, clock)))
    }
}

impl CredentialsProvider for OidcCredentials {
    fn account(&self) -> &str {
        self.0.account()
    }

    fn current(&self) -> CredentialsFuture<'_, Credentials> {
        self.0.current()
    }

    fn refresh_after_rejection<'a>(
        &'a self,
        rejected: &'a Credentials,
    ) -> CredentialsFuture<'a, Option<Credentials>> {
        self.0.refresh_after_rejection(rejected)
    }
}

impl Source for Sts {
    fn account(&self) -> &str {
        &self.role.role_arn
    }

    fn fetch(&self) -> CredentialsFuture<'_, Session> {
        Box::pin(self.assume_role())
    }
}

impl Sts {
    async fn assume_role(&self) -> Result<Session, CredentialsError> {
        let token = self.token().await?;
        let now = self.clock.now();
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
        let session = answer
            .get("Credentials")
            .ok_or_else(|| "the answer has no credentials".to_owned())
            .and_then(|row| Session::read(row, now));
        session.map_err(|why| described(failed.unreadable(why), &self.role))
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
