//! The file that names the endpoints: a JSON list. The chart writes it from the value `gateEndpoints`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use ess_rollout_core::endpoints::{EndpointKind, EndpointNames, EndpointUse};
use reqwest::Url;
use serde::Deserialize;

/// The shortest and the longest that an endpoint may take, in seconds.
const TIMEOUT: (u64, u64) = (1, 60);

/// That the endpoints cannot be used as they are given. The text names the field and what would do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file.
    #[error("--gate-endpoints {path}: {why}")]
    File {
        /// As given.
        path: String,
        /// Why.
        why: String,
    },
    /// One of them.
    #[error("--gate-endpoints: endpoint {name:?}: {why}")]
    Endpoint {
        /// Its name.
        name: String,
        /// Why.
        why: String,
    },
}

/// An endpoint, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EndpointConfig {
    /// What objects call it: lower-case letters, digits and dashes.
    pub name: String,
    /// What answers there.
    pub kind: Kind,
    /// Of Prometheus what comes before `/api/v1/query`; of a webhook all of it.
    #[serde(deserialize_with = "url")]
    pub url: Url,
    /// How long a request may take, in seconds: 1 to 60.
    #[serde(default = "ten")]
    pub timeout_seconds: u64,
    /// Whose objects may name it; without this those of all namespaces.
    pub namespaces: Option<BTreeSet<String>>,
    /// How the operator says who it is.
    pub auth: Option<Auth>,
    /// A PEM bundle of CAs that are trusted besides those of the system.
    pub ca_file: Option<PathBuf>,
    /// Whether the proxy of the environment is used.
    #[serde(default)]
    pub use_proxy: bool,
}

/// What answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Kind {
    /// The HTTP API of Prometheus.
    Prometheus,
    /// A webhook.
    Webhook,
}

/// How the operator says who it is. What is secret is in files, read for each request, so that it may change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub enum Auth {
    /// HTTP Basic.
    #[serde(rename_all = "camelCase")]
    Basic {
        /// Holds the user name; of Managed Service for Prometheus an AccessKey id.
        username_file: PathBuf,
        /// Holds the password; likewise the AccessKey secret.
        password_file: PathBuf,
    },
    /// `Authorization: Bearer …`, with what is in this file.
    BearerTokenFile(PathBuf),
    /// `Authorization: …`, with what is in this file as it is.
    AuthorizationFile(PathBuf),
}

fn ten() -> u64 {
    10
}

fn url<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Url, D::Error> {
    let text = String::deserialize(deserializer)?;
    // Without the text: a password may stand in it.
    Url::parse(&text).map_err(|error| serde::de::Error::custom(format!("url: {error}")))
}

/// Reads the file.
///
/// # Errors
/// When it cannot be read, or what it holds cannot be used.
pub fn read(path: &Path) -> Result<Vec<EndpointConfig>, ConfigError> {
    let failed = |why: String| ConfigError::File {
        path: path.display().to_string(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    parse(&text).map_err(|error| match error {
        Parse::Json(why) => failed(why),
        Parse::Endpoint(error) => error,
    })
}

enum Parse {
    Json(String),
    Endpoint(ConfigError),
}

fn parse(text: &str) -> Result<Vec<EndpointConfig>, Parse> {
    let reader = &mut serde_json::Deserializer::from_str(text);
    let all: Vec<EndpointConfig> =
        serde_path_to_error::deserialize(reader).map_err(|error| Parse::Json(error.to_string()))?;
    let mut seen = BTreeSet::new();
    for endpoint in &all {
        let again = !seen.insert(&endpoint.name);
        let why = match again {
            true => Some("there are two of this name".to_owned()),
            false => fault(endpoint),
        };
        if let Some(why) = why {
            let name = endpoint.name.clone();
            return Err(Parse::Endpoint(ConfigError::Endpoint { name, why }));
        }
    }
    Ok(all)
}

fn fault(endpoint: &EndpointConfig) -> Option<String> {
    let name = &endpoint.name;
    let is_of_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let is_name = !name.is_empty()
        && name.len() <= 63
        && name.bytes().all(is_of_name)
        && !name.starts_with('-')
        && !name.ends_with('-');
    if !is_name {
        return Some("a name has lower-case letters, digits and dashes, at most 63".to_owned());
    }
    let url = &endpoint.url;
    if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none() {
        return Some("url: it begins with https:// or http://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("url: user name and password belong into auth.basic".to_owned());
    }
    if url.fragment().is_some() || (endpoint.kind == Kind::Prometheus && url.query().is_some()) {
        return Some("url: nothing may follow its path".to_owned());
    }
    let (least, most) = TIMEOUT;
    (!(least..=most).contains(&endpoint.timeout_seconds))
        .then(|| format!("timeoutSeconds: from {least} to {most}"))
}

/// What the core is to know of them.
pub fn names(all: &[EndpointConfig]) -> EndpointNames {
    let used = |endpoint: &EndpointConfig| {
        let kind = match endpoint.kind {
            Kind::Prometheus => EndpointKind::Prometheus,
            Kind::Webhook => EndpointKind::Webhook,
        };
        let namespaces = endpoint.namespaces.clone();
        (endpoint.name.clone(), EndpointUse { kind, namespaces })
    };
    EndpointNames(all.iter().map(used).collect::<BTreeMap<_, _>>())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<EndpointConfig>, String> {
        parse(text).map_err(|error| match error {
            Parse::Json(why) => why,
            Parse::Endpoint(error) => error.to_string(),
        })
    }

    #[test]
    fn endpoints_are_read_with_all_that_they_may_have() {
        let text = r#"[
            {"name": "prod", "kind": "Prometheus", "url": "https://prometheus.example.com/x/y", "timeoutSeconds": 5,
             "namespaces": ["web"], "auth": {"basic": {"usernameFile": "/s/u", "passwordFile": "/s/p"}}, "caFile": "/s/ca", "useProxy": true},
            {"name": "qa", "kind": "Webhook", "url": "http://qa.tools.svc:8080/verdict?team=web", "auth": {"bearerTokenFile": "/s/t"}}
        ]"#;
        let all = parsed(text).unwrap();
        assert_eq!(all[1].timeout_seconds, 10);
        let names = names(&all);
        let refuse = |namespace, name, kind| names.refuse(namespace, name, kind);
        assert_eq!(refuse("web", "prod", EndpointKind::Prometheus), None);
        assert_eq!(refuse("other", "qa", EndpointKind::Webhook), None);
        for (namespace, name, kind, why) in [
            ("other", "prod", EndpointKind::Prometheus, "namespace other"),
            (
                "web",
                "prod",
                EndpointKind::Webhook,
                "of the kind Prometheus",
            ),
            ("web", "none", EndpointKind::Webhook, "has no endpoint none"),
        ] {
            let said = refuse(namespace, name, kind).unwrap();
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_by_its_field_and_secrets_are_not_shown() {
        let of = |fields: &str| format!(r#"[{{"name": "a", "kind": "Webhook", {fields}}}]"#);
        for (text, why) in [
            ("{}".to_owned(), "invalid type"),
            (of(r#""url": "https://x", "uri": 1"#), "unknown field `uri`"),
            (of(r#""url": "ftp://x""#), "https://"),
            (of(r#""url": "https://u:hush@x""#), "auth.basic"),
            (of(r#""url": "https://u:hush@""#), "url:"),
            (of(r#""url": "https://x#y""#), "path"),
            (of(r#""url": "https://x", "timeoutSeconds": 0"#), "from 1 to 60"),
            (
                r#"[{"name": "A", "kind": "Webhook", "url": "https://x"}]"#.to_owned(),
                "lower-case",
            ),
            (
                r#"[{"name": "a", "kind": "Prometheus", "url": "https://x?y"}]"#.to_owned(),
                "path",
            ),
            (
                r#"[{"name": "a", "kind": "Webhook", "url": "https://x"}, {"name": "a", "kind": "Webhook", "url": "https://x"}]"#.to_owned(),
                "two of this name",
            ),
        ] {
            let said = parsed(&text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
            assert!(!said.contains("hush"), "{said}");
        }
    }
}
