//! The objects, and every change of them in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use ess_rollout_validation::Kind;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

impl ChangeKind {
    /// As a watch says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One change.
#[derive(Debug, Clone)]
pub struct Change {
    /// The resourceVersion that it gave.
    pub revision: u64,
    pub time: Timestamp,
    /// Who asked for it.
    pub user: Arc<str>,
    /// `create`, `update`, `patch` or `delete`, and what subresource.
    pub verb: &'static str,
    pub subresource: &'static str,
    /// Plural name of the kind.
    pub resource: String,
    pub namespace: String,
    pub name: String,
    pub kind: ChangeKind,
    /// `None`: it was not there.
    pub old: Option<Arc<Value>>,
    /// With `Deleted`: as it was at last.
    pub new: Arc<Value>,
}

/// Plural name, namespace, name. No two kinds here share a plural name.
type Key = (String, String, String);

fn key(kind: &Kind, namespace: &str, name: &str) -> Key {
    (kind.plural.clone(), namespace.to_owned(), name.to_owned())
}

#[derive(Default)]
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    revision: u64,
    changes: Vec<Change>,
    /// Changes up to this one are forgotten.
    compacted: u64,
    /// uids and generated names given.
    given: u64,
    /// Rests of lists that are read page by page, by the number in their `continue`.
    pages: BTreeMap<u64, (u64, Vec<Arc<Value>>)>,
    /// Fields that the schemas are without for now, by plural name.
    hidden: BTreeMap<String, Vec<String>>,
}

/// Who changes what, and how.
pub(super) struct By<'a> {
    pub user: &'a str,
    pub verb: &'static str,
    pub subresource: &'static str,
    pub time: Timestamp,
}

impl Store {
    /// The fields that the schema of a kind is without for now.
    pub fn hidden(&self, kind: &Kind) -> Vec<String> {
        self.hidden.get(&kind.plural).cloned().unwrap_or_default()
    }

    pub fn hide(&mut self, plural: &str, fields: &[&str]) {
        let fields = fields.iter().map(|field| (*field).to_owned());
        self.hidden.insert(plural.to_owned(), fields.collect());
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn get(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.get(&key(kind, namespace, name)).cloned()
    }

    /// By namespace and name.
    pub fn list(&self, kind: &Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
        let all = self.objects.range(key(kind, namespace.unwrap_or(""), "")..);
        all.take_while(|((plural, of, _), _)| {
            *plural == kind.plural && namespace.is_none_or(|namespace| of == namespace)
        })
        .map(|(_, object)| object.clone())
        .collect()
    }

    pub fn changes_since(&self, revision: u64) -> impl Iterator<Item = &Change> {
        // Each change has the next revision, so its place follows from that.
        let from = revision.saturating_sub(self.compacted);
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        self.changes.iter().skip(from)
    }

    pub fn compact(&mut self) {
        self.compacted = self.revision;
        self.changes.clear();
    }

    /// The newest revision that changes are forgotten up to.
    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    /// A number that was not given before.
    pub fn fresh(&mut self) -> u64 {
        self.given += 1;
        self.given
    }

    /// From now on numbers are given that no store has given so far.
    pub fn skip_given(&mut self) {
        self.given = self.given.max(1 << 20);
    }

    /// Keeps the rest of a list for the next page.
    pub fn keep_page(&mut self, revision: u64, rest: Vec<Arc<Value>>) -> u64 {
        let token = self.fresh();
        self.pages.insert(token, (revision, rest));
        token
    }

    pub fn take_page(&mut self, token: u64) -> Option<(u64, Vec<Arc<Value>>)> {
        self.pages.remove(&token)
    }

    /// Writes an object under the next version; `Deleted`: drops it.
    pub fn write(
        &mut self,
        of: &Kind,
        mut object: Value,
        kind: ChangeKind,
        by: &By<'_>,
    ) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let text = |field: &str| {
            let text = object["metadata"][field].as_str();
            text.unwrap_or_default().to_owned()
        };
        let (namespace, name) = (text("namespace"), text("name"));
        let object = Arc::new(object);
        let key = key(of, &namespace, &name);
        let old = match kind {
            ChangeKind::Deleted => self.objects.remove(&key),
            ChangeKind::Added | ChangeKind::Modified => self.objects.insert(key, object.clone()),
        };
        self.changes.push(Change {
            revision: self.revision,
            time: by.time,
            user: by.user.into(),
            verb: by.verb,
            subresource: by.subresource,
            resource: of.plural.clone(),
            namespace,
            name,
            kind,
            old,
            new: object.clone(),
        });
        object
    }
}
