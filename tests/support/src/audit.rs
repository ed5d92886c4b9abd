//! The audit log of the apiserver: every request, by whom, to what. For tests that count writes, and for "who was
//! refused what".

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

/// What the apiserver is told to log: everything at level Metadata, except its own requests and those of the
/// controller-manager. `RequestReceived` is left out, so that a request which is answered at once is one line.
pub(crate) const POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [system:apiserver, system:kube-controller-manager]
- level: None
  nonResourceURLs: ['*']
- level: Metadata
";

/// One request as it was answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub stage: String,
    pub verb: String,
    pub user: User,
    #[serde(default)]
    pub object_ref: Option<Object>,
    #[serde(default)]
    pub response_status: Option<Response>,
    /// What authorization and admission policies have noted.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// RFC 3339 with microseconds: when the request came in.
    pub request_received_timestamp: String,
    /// When it was answered.
    pub stage_timestamp: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct User {
    pub username: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Object {
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub api_group: String,
}

#[derive(Debug, Clone, Deserialize)]
pub struct Response {
    #[serde(default)]
    pub code: u16,
}

impl Entry {
    /// Whether the request changes something.
    pub fn is_write(&self) -> bool {
        matches!(
            self.verb.as_str(),
            "create" | "update" | "patch" | "delete" | "deletecollection"
        )
    }

    pub fn resource(&self) -> &str {
        self.object_ref
            .as_ref()
            .map_or("", |object| &object.resource)
    }

    pub fn subresource(&self) -> &str {
        self.object_ref
            .as_ref()
            .map_or("", |object| &object.subresource)
    }

    pub fn namespace(&self) -> &str {
        self.object_ref
            .as_ref()
            .map_or("", |object| &object.namespace)
    }

    pub fn name(&self) -> &str {
        self.object_ref.as_ref().map_or("", |object| &object.name)
    }

    /// HTTP status of the answer; 0 when none is known.
    pub fn code(&self) -> u16 {
        self.response_status
            .as_ref()
            .map_or(0, |response| response.code)
    }
}

/// The log of one control plane. It is written before a request is answered, so that it is complete for whoever has his answer.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

impl AuditLog {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All requests that were answered, in order.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let text = fs::read_to_string(&self.path)
            .with_context(|| format!("cannot read {}", self.path.display()))?;
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let mut entries = Vec::new();
        for line in whole.lines() {
            let entry: Entry =
                serde_json::from_str(line).with_context(|| format!("audit line {line}"))?;
            if entry.stage == "ResponseComplete" {
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// The writes that pass a filter: `writes(|e| e.resource() == "rollingupdatetasks" && e.namespace() == ns)`.
    pub fn writes(&self, keep: impl Fn(&Entry) -> bool) -> Result<Vec<Entry>> {
        Ok(self
            .entries()?
            .into_iter()
            .filter(|entry| entry.is_write() && keep(entry))
            .collect())
    }

    /// What a user was refused (403), each as `verb resource[/subresource] in namespace`.
    pub fn refused(&self, user: &str) -> Result<Vec<String>> {
        let refused = self
            .entries()?
            .into_iter()
            .filter(|entry| entry.user.username == user && entry.code() == 403);
        Ok(refused
            .map(|entry| {
                let slash = if entry.subresource().is_empty() {
                    ""
                } else {
                    "/"
                };
                format!(
                    "{} {}{slash}{} in {:?}",
                    entry.verb,
                    entry.resource(),
                    entry.subresource(),
                    entry.namespace()
                )
            })
            .collect())
    }
}
