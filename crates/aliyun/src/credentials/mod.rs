//! What requests are signed with, and where it comes from.
//!
//! [`from_environment`] looks in the order of the official libraries: access key in the
//! environment, then an OIDC role (RRSA). A Secret that a task names becomes a
//! [`StaticCredentials`].

use std::sync::Arc;

use crate::config::{ClientConfig, ConfigError};

mod fixed;
mod oidc;
pub(crate) mod provider;
mod rrsa;

pub use fixed::{EnvironmentCredentials, StaticCredentials};
pub use oidc::OidcCredentials;
pub use provider::{Credentials, CredentialsError, CredentialsFuture, CredentialsProvider};
pub use rrsa::OidcRole;

/// The provider that a process's environment describes. `variable` is asked instead of the process
/// itself, so that tests and other configuration sources need no real environment; an empty value
/// counts as unset.
///
/// # Errors
/// When neither way is configured completely: the message lists what was looked for. When the HTTP
/// client that STS needs cannot be built.
pub fn from_environment(
    config: &ClientConfig,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Arc<dyn CredentialsProvider>, ConfigError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    match EnvironmentCredentials::find(&variable) {
        Ok(Some(found)) => return Ok(Arc::new(found)),
        Ok(None) => {}
        Err(error) => return Err(ConfigError::Credentials(error)),
    }
    match OidcRole::find(&variable) {
        Ok(Some(role)) => return Ok(Arc::new(OidcCredentials::new(role, config)?)),
        Ok(None) => {}
        Err(error) => return Err(ConfigError::Credentials(error)),
    }
    Err(ConfigError::Credentials(CredentialsError::unauthenticated(
        "no-credentials",
        "no credentials found: looked for an access key (ALIBABA_CLOUD_ACCESS_KEY_ID and \
         ALIBABA_CLOUD_ACCESS_KEY_SECRET, with ALIBABA_CLOUD_SECURITY_TOKEN if temporary) and for \
         an OIDC role (ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN and \
         ALIBABA_CLOUD_OIDC_TOKEN_FILE, which RRSA sets); set one of them, or name a Secret in the \
         task",
    )))
}
