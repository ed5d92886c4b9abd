//! Credentials, and what gives them.

use std::{fmt, future::Future, pin::Pin};

use ess_rollout_cloud::ErrorClass;
use secrecy::SecretString;

/// An access key, permanent or temporary. `Debug` shows the id and nothing else.
#[derive(Clone)]
pub struct Credentials {
    /// `AccessKeyId`: public, it names the key in audit logs.
    pub access_key_id: String,
    /// `AccessKeySecret`.
    pub access_key_secret: SecretString,
    /// `SecurityToken`, of temporary credentials only.
    pub security_token: Option<SecretString>,
}

impl Credentials {
    /// Wraps the parts as they are.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, token: Option<String>) -> Self {
        Self {
            access_key_id: id.into(),
            access_key_secret: SecretString::from(secret.into()),
            security_token: token.map(SecretString::from),
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .field("temporary", &self.security_token.is_some())
            .finish_non_exhaustive()
    }
}

/// Why there are no credentials. The text says where they were looked for and what to do; it never
/// holds a secret or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CredentialsError {
    /// `Unauthenticated` or `Denied` when somebody has to act, `Retry` or `Throttled` when waiting
    /// helps.
    pub class: ErrorClass,
    /// The code of STS, or a word of ours in lower case.
    pub code: String,
    /// For people.
    pub message: String,
    /// Of the STS call, where an answer came.
    pub request_id: Option<String>,
}

/// The code of an error that says that nothing at all is configured, and where it was looked for.
pub(super) const NOTHING_FOUND: &str = "no-credentials-found";

impl CredentialsError {
    /// Whether no source of credentials is configured at all: a process may be meant to have none.
    pub fn nothing_found(&self) -> bool {
        self.code == NOTHING_FOUND
    }

    pub(crate) fn unauthenticated(code: &str, message: impl Into<String>) -> Self {
        Self {
            class: ErrorClass::Unauthenticated,
            code: code.to_owned(),
            message: message.into(),
            request_id: None,
        }
    }
}

/// What a provider returns.
pub type CredentialsFuture<'a, T> =
    Pin<Box<dyn Future<Output = Result<T, CredentialsError>> + Send + 'a>>;

/// Gives credentials that are valid now. Asked before every request, so it must be cheap while
/// nothing changes.
pub trait CredentialsProvider: Send + Sync {
    /// Who calls: the access key id or the role's ARN, by which the limiter finds the account that
    /// it counts the calls under. Constant for the life of the provider, never a secret.
    fn account(&self) -> &str;

    /// Credentials to sign with.
    fn current(&self) -> CredentialsFuture<'_, Credentials>;

    /// The service refused these. Newer ones if there are any to be had; `None` if not.
    fn refresh_after_rejection<'a>(
        &'a self,
        rejected: &'a Credentials,
    ) -> CredentialsFuture<'a, Option<Credentials>>;
}
