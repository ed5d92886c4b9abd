//! Access keys that do not change while the process runs.

use std::{fmt, future::ready};

use super::{Credentials, CredentialsError, CredentialsFuture, CredentialsProvider};

/// An access key that was handed over, from a Secret for instance. Whoever owns the Secret builds
/// a new one when it changes.
#[derive(Clone)]
pub struct StaticCredentials(Credentials);

impl StaticCredentials {
    /// Takes the parts; blanks and line ends around them are dropped, as a value pasted into a
    /// Secret often ends in one.
    ///
    /// # Errors
    /// When id or secret is empty, or one of the parts holds a character that no header can carry.
    pub fn new(
        access_key_id: &str,
        access_key_secret: &str,
        security_token: Option<&str>,
    ) -> Result<Self, CredentialsError> {
        let part = |name: &str, value: &str| {
            let value = value.trim();
            if value.is_empty() {
                return Err(CredentialsError::unauthenticated(
                    "no-credentials",
                    format!("the {name} is empty"),
                ));
            }
            if !value.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(CredentialsError::unauthenticated(
                    "bad-credentials",
                    format!("the {name} holds blanks or characters that are not ASCII"),
                ));
            }
            Ok(value.to_owned())
        };
        let token = match security_token.map(str::trim) {
            None | Some("") => None,
            Some(token) => Some(part("security token", token)?),
        };
        Ok(Self(Credentials::new(
            part("access key id", access_key_id)?,
            part("access key secret", access_key_secret)?,
            token,
        )))
    }

    pub(super) fn into_inner(self) -> Credentials {
        self.0
    }
}

impl fmt::Debug for StaticCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl CredentialsProvider for StaticCredentials {
    fn account(&self) -> &str {
        &self.0.access_key_id
    }

    fn current(&self) -> CredentialsFuture<'_, Credentials> {
        Box::pin(ready(Ok(self.0.clone())))
    }

    fn refresh_after_rejection<'a>(
        &'a self,
        _rejected: &'a Credentials,
    ) -> CredentialsFuture<'a, Option<Credentials>> {
        Box::pin(ready(Ok(None)))
    }
}

/// The access key in the environment, read once.
#[derive(Debug, Clone)]
pub struct EnvironmentCredentials(StaticCredentials);

impl EnvironmentCredentials {
    /// Looks for `ALIBABA_CLOUD_ACCESS_KEY_ID`, `ALIBABA_CLOUD_ACCESS_KEY_SECRET` and
    /// `ALIBABA_CLOUD_SECURITY_TOKEN`. `None` when neither of the first two is set.
    ///
    /// # Errors
    /// When only one of the two is set, or one of the three is malformed.
    pub fn find(
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, CredentialsError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let id = set("ALIBABA_CLOUD_ACCESS_KEY_ID");
        let secret = set("ALIBABA_CLOUD_ACCESS_KEY_SECRET");
        let (id, secret) = match (id, secret) {
            (None, None) => return Ok(None),
            (Some(id), Some(secret)) => (id, secret),
            (id, _) => {
                let (is, is_not) = if id.is_some() {
                    ("ID", "SECRET")
                } else {
                    ("SECRET", "ID")
                };
                return Err(CredentialsError::unauthenticated(
                    "no-credentials",
                    format!(
                        "ALIBABA_CLOUD_ACCESS_KEY_{is} is set, but ALIBABA_CLOUD_ACCESS_KEY_{is_not} \
                         is not; set both or neither"
                    ),
                ));
            }
        };
        let token = set("ALIBABA_CLOUD_SECURITY_TOKEN");
        StaticCredentials::new(&id, &secret, token.as_deref())
            .map(|found| Some(Self(found)))
            .map_err(|error| CredentialsError {
                message: format!("in the ALIBABA_CLOUD_ variables, {}", error.message),
                ..error
            })
    }
}

impl CredentialsProvider for EnvironmentCredentials {
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn environment(pairs: &'static [(&str, &str)]) -> impl Fn(&str) -> Option<String> {
        move |name| {
            pairs
                .iter()
                .find(|(n, _)| *n == name)
                .map(|(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn empty_variables_count_as_unset() {
        let none = environment(&[
            ("ALIBABA_CLOUD_ACCESS_KEY_ID", ""),
            ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", ""),
        ]);
        assert!(EnvironmentCredentials::find(&none).unwrap().is_none());
    }

    #[test]
    fn half_a_key_is_an_error_that_names_the_other_half() {
        let half = environment(&[("ALIBABA_CLOUD_ACCESS_KEY_ID", "ak")]);
        let error = EnvironmentCredentials::find(&half).unwrap_err();
        assert!(
            error
                .message
                .contains("ALIBABA_CLOUD_ACCESS_KEY_SECRET is not"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_pasted_line_end_does_not_spoil_the_key() {
        let provider = StaticCredentials::new("ak\n", " sk ", Some("")).unwrap();
        let found = provider.current().await.unwrap();
        assert_eq!(found.access_key_id, "ak");
        assert!(found.security_token.is_none());
    }

    #[test]
    fn a_key_that_no_header_can_carry_is_refused_without_being_shown() {
        let error = StaticCredentials::new("ak", "sec\nret", None).unwrap_err();
        assert!(!error.to_string().contains("ret\n"), "{error}");
        assert!(!error.to_string().contains("sec\n"), "{error}");
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?}",
            StaticCredentials::new("ak", "hunter2", Some("t0ken")).unwrap()
        );
        assert!(
            !shown.contains("hunter2") && !shown.contains("t0ken"),
            "{shown}"
        );
    }
}
