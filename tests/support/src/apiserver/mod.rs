//! A Kubernetes API in this process, for simulations: no socket, no clock of its own, no random number.
//!
//! It answers at the level of HTTP, so that an ordinary [`kube::Client`] works over it, and with the client everything
//! that is written against a real apiserver. It takes its kinds from the CRDs' YAML ([`kinds`]) and does to objects what
//! the real one does: defaults, pruning and validation from the schema and its CEL rules (the crate [`ess_rollout_validation`]),
//! versions, generations, finalizers and preconditions ([`store`], [`write`]), the patches that clients send ([`patch`]), watches
//! ([`watch`]). Errors have the real shape, and the real words where people read them ([`failure`]).
//!
//! [`crate::conformity`] holds it against a real apiserver. What is left out, because nothing here uses it: server-side
//! apply and managedFields, strategic merge patches, other versions of a kind, protobuf, tables, admission webhooks,
//! access control. Requests for those are refused, not answered wrongly.

mod failure;
pub mod kinds;
mod patch;
mod request;
mod store;
mod watch;
mod write;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Body as AnswerBody;
use http::{Request, Response};
use jiff::Timestamp;
use kube::client::Body;
use serde_json::Value;
use tokio::sync::Notify;

pub use kinds::Kinds;
pub use store::{Change, ChangeKind};

use store::Store;
pub use watch::Disturbance;
use watch::Disturbed;

/// What is answered.
pub type Answer = Response<AnswerBody>;
/// The time, for creation and deletion timestamps.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A whole API. Clones are the same one.
#[derive(Clone)]
pub struct FakeApiserver {
    shared: Arc<Shared>,
}

struct Shared {
    kinds: Arc<Kinds>,
    now: Now,
    store: Mutex<Store>,
    /// Something has changed, for watches to wait on. Not a channel with receivers: those are woken in a random order.
    changed: Arc<Notify>,
    /// What befalls all watches.
    disturbed: Mutex<Disturbed>,
}

impl Shared {
    fn disturbed(&self) -> MutexGuard<'_, Disturbed> {
        self.disturbed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeApiserver {
    /// An empty one that serves these kinds.
    pub fn new(kinds: Arc<Kinds>, now: Now) -> Self {
        Self {
            shared: Arc::new(Shared {
                kinds,
                now,
                store: Mutex::default(),
                changed: Arc::default(),
                disturbed: Mutex::default(),
            }),
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        // The state is whole after each statement; a panic has failed the test anyway.
        self.shared
            .store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A client of the API that acts as this user. The user's name goes into [`Change::user`].
    pub fn client(&self, user: &str, namespace: &str) -> kube::Client {
        kube::Client::new(
            Service {
                apiserver: self.clone(),
                user: user.into(),
            },
            namespace,
        )
    }

    /// Answers one request at once. The body of a watch goes on.
    pub fn answer(&self, user: &str, request: &Request<Vec<u8>>) -> Answer {
        request::answer(self, user, request)
    }

    /// An object as it is now, past the API: by plural name, namespace, name.
    pub fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        let kind = self.shared.kinds.named(plural)?;
        self.store().get(kind, namespace, name)
    }

    /// All objects of a kind, by namespace and name.
    pub fn list(&self, plural: &str) -> Vec<Arc<Value>> {
        match self.shared.kinds.named(plural) {
            Some(kind) => self.store().list(kind, None),
            None => Vec::new(),
        }
    }

    /// Puts objects there as they are, as a restored etcd has them: uid, status and deletion included, under new versions.
    /// Uids and names that are given later are others.
    pub fn restore(&self, user: &str, objects: Vec<Value>) {
        let mut store = self.store();
        store.skip_given();
        for object in objects {
            let kind = object["kind"].as_str().unwrap_or_default();
            let plural = format!("{}s", kind.to_lowercase());
            let kind = self.shared.kinds.named(&plural);
            let kind = kind.unwrap_or_else(|| panic!("there are no {plural}"));
            let by = store::By {
                user,
                verb: "create",
                subresource: "",
                time: (self.shared.now)(),
            };
            store.write(kind, object, ChangeKind::Added, &by);
        }
        drop(store);
        self.shared.changed.notify_waiters();
    }

    /// The newest resourceVersion.
    pub fn revision(&self) -> u64 {
        self.store().revision()
    }

    /// From now on the schema of a kind is without these fields, paths such as `status.restore.quietSince`, as an older
    /// CRD is; none: it has all again. Before any object has them: what is stored is not pruned when it is read.
    pub fn hide(&self, plural: &str, fields: &[&str]) {
        self.store().hide(plural, fields);
    }

    /// Every change since a resourceVersion, oldest first: what a simulation holds against its rules.
    pub fn changes_since(&self, revision: u64) -> Vec<Change> {
        self.store().changes_since(revision).cloned().collect()
    }

    /// From now on this befalls all watches, those that are open and those that are begun.
    pub fn disturb(&self, disturbance: Disturbance) {
        let mut disturbed = self.shared.disturbed();
        match disturbance {
            Disturbance::Closed => disturbed.closed += 1,
            Disturbance::Late(until) => disturbed.late = Some(until),
            Disturbance::Lost(until) => disturbed.lost = Some(until),
            Disturbance::Twice(until) => disturbed.twice = Some(until),
        }
        drop(disturbed);
        self.shared.changed.notify_waiters();
    }

    /// Forgets changes up to now, as etcd's compaction does: a watch from an older version is answered 410 Expired.
    pub fn compact(&self) {
        self.store().compact();
    }
}

/// The API as a [`tower::Service`].
#[derive(Clone)]
struct Service {
    apiserver: FakeApiserver,
    user: Arc<str>,
}

impl tower::Service<Request<Body>> for Service {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Self { apiserver, user } = self.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            // Only a body that is a stream can fail, and kube sends none.
            let bytes = body.collect_bytes().await.unwrap_or_default();
            Ok(apiserver.answer(&user, &Request::from_parts(parts, bytes.to_vec())))
        })
    }
}
