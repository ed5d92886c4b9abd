//! What requests are signed with, and where it comes from.
//!
//! [`from_environment`] looks in the order of the official libraries, and the first that is configured is used:
//!
//! 1. an access key in the environment;
//! 2. an OIDC role (RRSA);
//! 3. a profile of the `aliyun` command line, `~/.aliyun/config.json`;
//! 4. the file that the SDKs share, `~/.alibabacloud/credentials.ini`;
//! 5. the RAM role of the ECS instance, where the environment names it;
//! 6. a credentials URI;
//! 7. whatever RAM role the ECS instance has.
//!
//! The last is the one difference: the libraries ask for it before the URI. Here a process that is told where its credentials
//! are never waits for a metadata service.
//!
//! What is configured and cannot be used is an error. The libraries go on with the next; credentials of an account that nobody
//! meant are worse than none.
//!
//! A Secret that a task names becomes a [`StaticCredentials`].

use std::sync::Arc;

use crate::config::{ClientConfig, ConfigError};

mod assumed;
mod file;
mod fixed;
mod local;
mod means;
mod metadata;
mod oidc;
mod profile;
pub(crate) mod provider;
mod renewing;
mod rrsa;
mod shared;
mod uri;

pub use fixed::{EnvironmentCredentials, StaticCredentials};
pub use oidc::OidcCredentials;
pub use provider::{Credentials, CredentialsError, CredentialsFuture, CredentialsProvider};
pub use rrsa::OidcRole;

use file::{FileCredentials, Format, Place};
use means::Means;
use provider::NOTHING_FOUND;

/// The provider that a process's environment describes. `variable` is asked instead of the process
/// itself, so that tests and other configuration sources need no real environment; an empty value
/// counts as unset. Files are read, and nobody is called: who is configured is asked with the first request.
///
/// # Errors
/// When nothing is configured and the metadata service may not be asked: the message lists what was looked for. When what is
/// configured is incomplete or cannot be used. When the HTTP client cannot be built.
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
    let means = Means::new(config, &variable)?;
    rest(&means, &variable).map_err(ConfigError::Credentials)
}

/// What comes after access key and OIDC role.
fn rest(
    means: &Means,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Arc<dyn CredentialsProvider>, CredentialsError> {
    if let Some(found) = file(means, variable)? {
        return Ok(Arc::new(found));
    }
    let unusable = |why| CredentialsError::unauthenticated("bad-credentials", why);
    if let Some(role) = variable("ALIBABA_CLOUD_ECS_METADATA") {
        return means
            .ecs_role(Some(role), None)
            .map_err(|why| unusable(format!("ALIBABA_CLOUD_ECS_METADATA: {why}")));
    }
    const URI: &str = "ALIBABA_CLOUD_CREDENTIALS_URI";
    if let Some(uri) = variable(URI) {
        return means
            .uri(&uri, URI)
            .map_err(|why| unusable(format!("the credentials URI {why}")));
    }
    let nothing = nothing_found(variable);
    // Behind addresses that are all on this machine is no Alibaba Cloud, and the metadata service knows nobody there.
    if means.metadata_disabled || means.config.endpoints.all_loopback() {
        return Err(CredentialsError::unauthenticated(NOTHING_FOUND, nothing));
    }
    means.ecs_role(None, Some(nothing)).map_err(unusable)
}

/// The first of the two files that is there. One that the environment names must be.
fn file(
    means: &Means,
    variable: &impl Fn(&str) -> Option<String>,
) -> Result<Option<FileCredentials>, CredentialsError> {
    let disabled = variable("ALIBABA_CLOUD_CLI_PROFILE_DISABLED")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let home = variable("HOME");
    for (format, named_by, below_home) in [
        (
            Format::Cli,
            "ALIBABA_CLOUD_CONFIG_FILE",
            ".aliyun/config.json",
        ),
        (
            Format::Shared,
            "ALIBABA_CLOUD_CREDENTIALS_FILE",
            ".alibabacloud/credentials.ini",
        ),
    ] {
        if disabled && format == Format::Cli {
            continue;
        }
        let named = variable(named_by);
        let below_home = || home.as_ref().map(|home| format!("{home}/{below_home}"));
        let Some(path) = named.clone().or_else(below_home) else {
            continue;
        };
        let place = Place {
            path: path.into(),
            format,
            profile: variable("ALIBABA_CLOUD_PROFILE"),
        };
        let path = place.path.clone();
        match FileCredentials::open(place, named.is_some(), means.clone())? {
            Some(found) => return Ok(Some(found)),
            None if named.is_some() => {
                return Err(CredentialsError::unauthenticated(
                    "credentials-file",
                    format!(
                        "the credentials file {} does not exist; create it, or unset {named_by}",
                        path.display()
                    ),
                ));
            }
            None => {}
        }
    }
    Ok(None)
}

fn nothing_found(variable: &impl Fn(&str) -> Option<String>) -> String {
    let home = variable("HOME").unwrap_or_else(|| "~".to_owned());
    format!(
        "no credentials found: looked for an access key (ALIBABA_CLOUD_ACCESS_KEY_ID and \
         ALIBABA_CLOUD_ACCESS_KEY_SECRET, with ALIBABA_CLOUD_SECURITY_TOKEN if temporary), for an OIDC role \
         (ALIBABA_CLOUD_ROLE_ARN, ALIBABA_CLOUD_OIDC_PROVIDER_ARN and ALIBABA_CLOUD_OIDC_TOKEN_FILE, which RRSA sets), \
         for {home}/.aliyun/config.json and {home}/.alibabacloud/credentials.ini, for ALIBABA_CLOUD_ECS_METADATA and \
         for ALIBABA_CLOUD_CREDENTIALS_URI; set one of them, or name a Secret in the task"
    )
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;
