//! A RAM role that other credentials assume: STS AssumeRole.

use std::{fmt, sync::Arc};

use ess_rollout_cloud::{CloudError, ErrorClass};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{
    Credentials, CredentialsError, CredentialsFuture, CredentialsProvider,
    renewing::{Session, Source},
};
use crate::{
    config::Clock,
    endpoints::{Service, host_header},
    errors::Failed,
    limits::Lane,
    sign::{Signed, Unsigned, form, sign},
    transport::{Transport, WireRequest},
};

/// What STS is asked for.
pub(super) struct Assumed {
    pub role_arn: String,
    pub session_name: String,
    /// Seconds; `None`: as long as STS gives by itself, an hour.
    pub duration: Option<u32>,
    pub policy: Option<String>,
    pub external_id: Option<String>,
}

/// STS, as one role is asked for.
pub(super) struct AssumeRole {
    pub role: Assumed,
    pub base: Arc<dyn CredentialsProvider>,
    pub url: reqwest::Url,
    pub clock: Arc<dyn Clock>,
    pub transport: Arc<dyn Transport>,
}

impl fmt::Debug for AssumeRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AssumeRole")
            .field("role_arn", &self.role.role_arn)
            .finish_non_exhaustive()
    }
}

impl AssumeRole {
    async fn session(&self) -> Result<Session, CredentialsError> {
        let base = self.base.current().await?;
        let error = match self.ask(&base).await {
            Ok(session) => return Ok(session),
            Err(error) => error,
        };
        // The base may be newer than what it gave.
        if error.class == ErrorClass::Unauthenticated
            && let Some(fresh) = self.base.refresh_after_rejection(&base).await?
        {
            return self.ask(&fresh).await;
        }
        Err(error)
    }

    async fn ask(&self, base: &Credentials) -> Result<Session, CredentialsError> {
        let now = self.clock.now();
        let duration = self.role.duration.map(|seconds| seconds.to_string());
        let mut parameters = vec![
            ("RoleArn", self.role.role_arn.as_str()),
            ("RoleSessionName", self.role.session_name.as_str()),
        ];
        for (name, value) in [
            ("DurationSeconds", &duration),
            ("Policy", &self.role.policy),
            ("ExternalId", &self.role.external_id),
        ] {
            parameters.extend(value.as_deref().map(|value| (name, value)));
        }
        let body = form(parameters);
        let Signed {
            mut headers,
            signature,
            ..
        } = sign(
            Unsigned {
                host: &host_header(&self.url),
                action: "AssumeRole",
                version: Service::Sts.version(),
                query: "",
                body: &body,
                date: &now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                nonce: &uuid::Uuid::new_v4().simple().to_string(),
            },
            base,
        );
        headers.push(("accept", "application/json".to_owned()));
        let failed = Failed {
            service: Service::Sts,
            action: "AssumeRole",
            lane: Lane::Read,
        };
        let url = self.url.clone();
        let response = self
            .transport
            .send(WireRequest { url, headers, body })
            .await
            .map_err(|error| self.described(failed.transport(&error)))?;
        if !(200..300).contains(&response.status) {
            let mut secrets = vec![signature.as_str(), base.access_key_secret.expose_secret()];
            secrets.extend(
                base.security_token
                    .as_ref()
                    .map(ExposeSecret::expose_secret),
            );
            secrets.extend(self.role.external_id.as_deref());
            return Err(self.described(failed.answer(&response, &secrets)));
        }
        let answer: Value = serde_json::from_slice(&response.body).unwrap_or_default();
        answer
            .get("Credentials")
            .ok_or_else(|| "the answer has no credentials".to_owned())
            .and_then(|row| Session::read(row, now))
            .map_err(|why| self.described(failed.unreadable(why)))
    }

    /// What STS refused, with the cure.
    fn described(&self, error: CloudError) -> CredentialsError {
        let cure = match error.code.as_str() {
            "EntityNotExist.Role" => "there is no such role in the account",
            "NoPermission" => {
                "the caller needs sts:AssumeRole on the role, and the role must trust the caller's account; the \
                 key of a root account cannot assume roles"
            }
            _ => match error.class {
                ErrorClass::Retry | ErrorClass::Throttled => "it will be tried again",
                _ => "check the role and the key that assumes it",
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
                self.role.role_arn, error.call, error.code, error.message
            ),
            code: error.code,
            request_id: error.request_id,
        }
    }
}

impl Source for AssumeRole {
    fn account(&self) -> &str {
        &self.role.role_arn
    }

    fn fetch(&self) -> CredentialsFuture<'_, Session> {
        Box::pin(self.session())
    }
}
