//! Watches: the changes after a version, in order, as they come.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use futures::stream;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::FakeApiserver;
use super::failure::Failure;
use super::request::Query;
use super::store::{Change, ChangeKind};
use ess_rollout_validation::Kind;

/// How long a watch stays open that does not say.
const LONGEST: Duration = Duration::from_secs(1800);

/// Which objects of a kind are meant.
#[derive(Debug, Clone, Default)]
pub(super) struct Selector {
    pub namespace: Option<String>,
    /// Path and value; `false`: anything but the value.
    fields: Vec<(Vec<String>, String, bool)>,
    labels: Vec<(String, String, bool)>,
}

impl Selector {
    /// From a request's query. Equality and inequality of fields and labels.
    pub fn of(kind: &Kind, namespace: Option<String>, query: &Query) -> Result<Self, Failure> {
        let mut selector = Self {
            namespace,
            ..Self::default()
        };
        for (name, value, equal) in terms(query, "fieldSelector")? {
            let path: Vec<String> = name.split('.').map(str::to_owned).collect();
            let always = ["metadata.name", "metadata.namespace"].contains(&name.as_str());
            if !always && !kind.selectable.contains(&path) {
                return Err(Failure::bad_request(format!(
                    "field label not supported: {name}"
                )));
            }
            selector.fields.push((path, value, equal));
        }
        selector.labels = terms(query, "labelSelector")?;
        Ok(selector)
    }

    pub fn selects(&self, object: &Value) -> bool {
        let same = |found: Option<&Value>, wanted: &str| {
            found.and_then(Value::as_str).unwrap_or_default() == wanted
        };
        let fields = self.fields.iter().all(|(path, value, equal)| {
            let pointer = format!("/{}", path.join("/"));
            same(object.pointer(&pointer), value) == *equal
        });
        let labels = self.labels.iter().all(|(name, value, equal)| {
            same(object["metadata"]["labels"].get(name), value) == *equal
        });
        let namespace = self
            .namespace
            .as_deref()
            .is_none_or(|wanted| object["metadata"]["namespace"] == wanted);
        fields && labels && namespace
    }
}

fn terms(query: &Query, parameter: &str) -> Result<Vec<(String, String, bool)>, Failure> {
    let given = query.get(parameter).map_or("", String::as_str);
    given
        .split(',')
        .filter(|term| !term.is_empty())
        .map(|term| {
            let (name, value, equal) = if let Some((name, value)) = term.split_once("!=") {
                (name, value, false)
            } else if let Some((name, value)) = term.split_once('=') {
                (name, value.trim_start_matches('='), true)
            } else {
                return Err(Failure::bad_request(format!(
                    "{parameter} {term:?} is not known here"
                )));
            };
            Ok((name.trim().to_owned(), value.trim().to_owned(), equal))
        })
        .collect()
}

fn line(kind: &str, object: &Value) -> String {
    let mut line = json!({"type": kind, "object": object}).to_string();
    line.push('\n');
    line
}

/// What a watcher with this selector sees of a change.
fn event(kind: &Kind, selector: &Selector, change: &Change) -> Option<String> {
    if change.resource != kind.plural {
        return None;
    }
    let before = change.old.as_ref().is_some_and(|old| selector.selects(old));
    let after = change.kind != ChangeKind::Deleted && selector.selects(&change.new);
    let seen = match (before, after) {
        (false, false) => return None,
        (false, true) => ChangeKind::Added,
        (true, true) => ChangeKind::Modified,
        (true, false) => ChangeKind::Deleted,
    };
    Some(line(seen.name(), &change.new))
}

/// Something that befalls watches, of a kind that they survive by what they are for: whoever watches lists again.
#[derive(Debug, Clone, Copy)]
pub enum Disturbance {
    /// Those that are open end.
    Closed,
    /// Until then nothing is told; what happened is told after that.
    Late(Instant),
    /// What happens until then is told nobody. Those that were open then end as those do whose version is too old.
    Lost(Instant),
    /// Until then each event is told twice.
    Twice(Instant),
}

/// What befalls them.
#[derive(Debug, Default)]
pub(super) struct Disturbed {
    /// How often all were ended.
    pub(super) closed: u64,
    pub(super) late: Option<Instant>,
    pub(super) lost: Option<Instant>,
    pub(super) twice: Option<Instant>,
}

struct Watch {
    apiserver: FakeApiserver,
    /// How often all had been ended when it began.
    closed: u64,
    kind: String,
    selector: Selector,
    /// The last version that was looked at.
    seen: u64,
    ready: VecDeque<String>,
    began: Instant,
    ends: Instant,
    bookmarks: bool,
    ended: bool,
}

/// Opens a watch.
pub(super) fn begin(
    apiserver: &FakeApiserver,
    kind: &Kind,
    selector: Selector,
    query: &Query,
) -> Result<Body, Failure> {
    let seconds = query.get("timeoutSeconds").and_then(|s| s.parse().ok());
    let patience = seconds.map_or(LONGEST, Duration::from_secs);
    let mut watch = Watch {
        apiserver: apiserver.clone(),
        closed: apiserver.shared.disturbed().closed,
        kind: kind.plural.clone(),
        selector,
        seen: 0,
        ready: VecDeque::new(),
        began: Instant::now(),
        ends: Instant::now() + patience,
        bookmarks: query
            .get("allowWatchBookmarks")
            .is_some_and(|b| b == "true"),
        ended: false,
    };
    if query.get("sendInitialEvents").is_some_and(|s| s == "true") {
        return Err(Failure::bad_request(
            "sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled",
        ));
    }
    let from = query.get("resourceVersion").map_or("", String::as_str);
    let store = apiserver.store();
    if ["", "0"].contains(&from) {
        watch.seen = store.revision();
        let all = store.list(kind, watch.selector.namespace.as_deref());
        let selected = all.iter().filter(|object| watch.selector.selects(object));
        watch.ready = selected
            .map(|object| line(ChangeKind::Added.name(), object))
            .collect();
    } else {
        watch.seen = from.parse().map_err(|_| {
            Failure::bad_request(format!("resourceVersion: {from:?} is no version"))
        })?;
        if watch.seen < store.compacted() {
            let expired = Failure::expired(watch.seen, store.compacted());
            watch.ready.push_back(line("ERROR", &expired.status()));
            watch.ended = true;
        }
    }
    drop(store);
    Ok(Body::from_stream(stream::unfold(
        watch,
        |mut watch| async {
            watch
                .next()
                .await
                .map(|line| (Ok::<_, Infallible>(line), watch))
        },
    )))
}

impl Watch {
    async fn next(&mut self) -> Option<String> {
        let changed = self.apiserver.shared.changed.clone();
        loop {
            // Whatever comes from now on wakes it.
            let mut again = pin!(changed.notified());
            again.as_mut().enable();
            if self.is_closed() {
                return None;
            }
            if let Some(until) = self.is_held_up() {
                drop(timeout_at(until.min(self.ends), again).await);
                if Instant::now() >= self.ends {
                    return None;
                }
                continue;
            }
            if let Some(line) = self.ready.pop_front() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            self.take_changes();
            if !self.ready.is_empty() || self.ended {
                continue;
            }
            if timeout_at(self.ends, again).await.is_err() {
                self.ended = true;
                if self.bookmarks {
                    return Some(self.bookmark());
                }
            }
        }
    }

    fn is_closed(&self) -> bool {
        self.apiserver.shared.disturbed().closed > self.closed
    }

    /// Until when nothing is told.
    fn is_held_up(&self) -> Option<Instant> {
        let disturbed = self.apiserver.shared.disturbed();
        let until = disturbed.late.max(disturbed.lost);
        until.filter(|until| *until > Instant::now())
    }

    fn take_changes(&mut self) {
        let Some(kind) = self.apiserver.shared.kinds.named(&self.kind) else {
            return;
        };
        let now = Instant::now();
        let disturbed = self.apiserver.shared.disturbed();
        let lost = disturbed.lost.is_some_and(|until| self.began < until);
        let twice = disturbed.twice.is_some_and(|until| until > now);
        drop(disturbed);
        let store = self.apiserver.store();
        if lost && self.seen < store.revision() {
            let expired = Failure::expired(self.seen, store.revision());
            self.ready.push_back(line("ERROR", &expired.status()));
            self.ended = true;
            return;
        }
        for change in store.changes_since(self.seen) {
            self.seen = change.revision;
            let event = event(kind, &self.selector, change);
            let again = event.clone().filter(|_| twice);
            self.ready.extend(event.into_iter().chain(again));
        }
    }

    /// So far nothing was missed.
    fn bookmark(&self) -> String {
        let kind = self.apiserver.shared.kinds.named(&self.kind);
        let object = json!({
            "apiVersion": kind.map(Kind::api_version),
            "kind": kind.map(|kind| kind.kind.clone()),
            "metadata": {"resourceVersion": self.seen.to_string()},
        });
        line("BOOKMARK", &object)
    }
}
