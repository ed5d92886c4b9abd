//! The client, and the calls of the apiserver.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::stream::BoxStream;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::cli::{Connection, DryRun};
use crate::kind::{Kind, Target};
use crate::object::Object;

/// How many objects one answer of a list holds: one of a thousand instances is half a megabyte.
const PAGE: u32 = 100;
/// How often somebody else may write between a read and the patch that follows it.
const CONFLICTS: usize = 5;
/// How long no answer is taken for an apiserver that is away, where the connection itself is not refused.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A cluster, and the namespace that is meant.
pub struct Cluster {
    client: Client,
    server: String,
    namespace: String,
    request_timeout: Duration,
    field_manager: String,
}

/// Why a call came to nothing.
#[derive(Debug)]
pub struct Failure {
    code: Option<u16>,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    fn has(&self, code: u16) -> bool {
        self.code == Some(code)
    }

    /// Somebody else wrote first.
    pub fn is_conflict(&self) -> bool {
        self.has(409)
    }

    /// There is no such object, or no such kind.
    pub fn is_not_found(&self) -> bool {
        self.has(404)
    }

    /// Who asks may not.
    pub fn is_forbidden(&self) -> bool {
        self.has(401) || self.has(403)
    }

    /// Asking again changes nothing.
    fn is_final(&self) -> bool {
        self.is_forbidden() || self.is_not_found()
    }
}

/// Where objects are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// In one namespace.
    Namespace(&'a str),
    /// In all of them.
    All,
}

/// One object in a cluster.
pub struct Found<'c> {
    cluster: &'c Cluster,
    namespace: String,
    target: Target,
}

impl Cluster {
    /// As kubectl's flags say.
    ///
    /// # Errors
    /// When there is no kubeconfig, or it does not have what the flags name.
    pub async fn connect(connection: &Connection) -> Result<Self> {
        let options = KubeConfigOptions {
            context: connection.context.clone(),
            cluster: connection.cluster.clone(),
            user: connection.user.clone(),
        };
        let config = match &connection.kubeconfig {
            Some(file) => {
                let kubeconfig = Kubeconfig::read_from(file)
                    .with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
                Config::from_custom_kubeconfig(kubeconfig, &options).await
            }
            None => Config::from_kubeconfig(&options).await,
        };
        let mut config = config.context("the kubeconfig cannot be used")?;
        if connection.as_user.is_some() {
            config.auth_info.impersonate.clone_from(&connection.as_user);
        }
        if connection.as_uid.is_some() {
            config
                .auth_info
                .impersonate_uid
                .clone_from(&connection.as_uid);
        }
        if !connection.as_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(connection.as_groups.clone());
        }
        // It sends writes again, fifteen times, before it says that the apiserver is busy.
        config.default_retry = false;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let namespace = connection.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let server = config.cluster_url.to_string();
        let client = Client::try_from(config).context("the kubeconfig cannot be used")?;
        Ok(Self {
            client,
            server: server.trim_end_matches('/').to_owned(),
            namespace,
            request_timeout: connection.request_timeout,
            field_manager: connection.field_manager.clone(),
        })
    }

    /// With no answer taking longer than this, where that is not for ever: it is within another time.
    pub fn within(mut self, timeout: Duration) -> Self {
        if !timeout.is_zero() && (self.request_timeout.is_zero() || timeout < self.request_timeout)
        {
            self.request_timeout = timeout;
        }
        self
    }

    /// The namespace that is meant where none is named.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// That namespace, or all.
    pub fn scope(&self, all_namespaces: bool) -> Scope<'_> {
        match all_namespaces {
            true => Scope::All,
            false => Scope::Namespace(&self.namespace),
        }
    }

    /// The client itself, for what is no object of ours.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A call, in the words of the apiserver where it fails, and within `--request-timeout`.
    ///
    /// # Errors
    /// When it fails or takes longer.
    pub async fn call<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
        if self.request_timeout.is_zero() {
            return call.await.map_err(|error| self.failure(&error));
        }
        match tokio::time::timeout(self.request_timeout, call).await {
            Ok(answer) => answer.map_err(|error| self.failure(&error)),
            Err(_) => Err(Failure {
                code: None,
                message: format!(
                    "the apiserver {} has not answered within {} s",
                    self.server,
                    self.request_timeout.as_secs()
                ),
            }),
        }
    }

    fn failure(&self, error: &kube::Error) -> Failure {
        // The client's own text of an answer repeats the whole of it.
        if let kube::Error::Api(status) = error {
            let reason = [status.code.to_string(), status.reason.clone()].join(" ");
            return Failure {
                code: Some(status.code),
                message: format!("{} ({})", status.message, reason.trim_end()),
            };
        }
        let mut causes = Vec::new();
        let mut cause: Option<&dyn std::error::Error> = Some(error);
        while let Some(of) = cause {
            causes.push(of.to_string());
            cause = of.source();
        }
        // Each says its own cause again; the last is the reason.
        let reason = match causes.pop().unwrap_or_default().as_str() {
            "deadline has elapsed" => {
                format!("it is not there within {} s", CONNECT_TIMEOUT.as_secs())
            }
            reason => reason.to_owned(),
        };
        Failure {
            code: None,
            message: format!("no answer from the apiserver {}: {reason}", self.server),
        }
    }

    /// All objects of a kind in a namespace, or in all.
    pub fn api(&self, kind: Kind, scope: Scope<'_>) -> Api<DynamicObject> {
        let (client, resource) = (self.client.clone(), kind.resource());
        match scope {
            Scope::Namespace(namespace) => Api::namespaced_with(client, namespace, &resource),
            Scope::All => Api::all_with(client, &resource),
        }
    }

    /// The object of this name, in the namespace that is meant.
    ///
    /// # Errors
    /// When the name is none.
    pub fn named(&self, name: &str) -> Result<Found<'_>> {
        Ok(self.found(&self.namespace, Target::parse(name)?))
    }

    /// An object by its kind and name.
    pub fn found(&self, namespace: &str, target: Target) -> Found<'_> {
        Found {
            cluster: self,
            namespace: namespace.to_owned(),
            target,
        }
    }

    /// Passes each object of a list on as it comes: all of them at once take too much room.
    ///
    /// # Errors
    /// When they cannot be listed, or `each` fails.
    pub async fn list<K>(
        &self,
        api: &Api<K>,
        params: &ListParams,
        mut each: impl FnMut(K) -> Result<()>,
    ) -> Result<()>
    where
        K: Clone + DeserializeOwned + fmt::Debug,
    {
        let mut params = params.clone().limit(PAGE);
        loop {
            let page = self.call(api.list(&params)).await?;
            for object in page.items {
                each(object)?;
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(()),
            }
        }
    }

    /// Who asks, as the apiserver sees it; `None`: it does not say.
    pub async fn user(&self) -> Option<String> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let (params, review) = (PostParams::default(), SelfSubjectReview::default());
        let review = self.call(api.create(&params, &review)).await;
        review.ok()?.status?.user_info?.username
    }

    /// Creates an object.
    ///
    /// # Errors
    /// Of the apiserver.
    pub async fn create(
        &self,
        namespace: &str,
        object: &DynamicObject,
        kind: Kind,
        dry_run: DryRun,
    ) -> Result<DynamicObject, Failure> {
        let params = PostParams {
            dry_run: dry_run == DryRun::Server,
            field_manager: Some(self.field_manager.clone()),
        };
        let api = self.api(kind, Scope::Namespace(namespace));
        self.call(api.create(&params, object)).await
    }
}

impl Found<'_> {
    /// Which.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    fn api(&self) -> Api<DynamicObject> {
        let scope = Scope::Namespace(&self.namespace);
        self.cluster.api(self.target.kind, scope)
    }

    /// The object as the apiserver has it.
    ///
    /// # Errors
    /// Of the apiserver.
    pub async fn raw(&self) -> Result<DynamicObject, Failure> {
        self.cluster.call(self.api().get(&self.target.name)).await
    }

    /// The object as it is now.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn get(&self) -> Result<Object> {
        let raw = self.raw().await;
        let raw =
            raw.with_context(|| format!("cannot read the {} in {}", self.target, self.namespace))?;
        Object::read(self.target.kind, raw)
    }

    /// The object as it is now and each time that it changes.
    pub fn follow(&self) -> Changes {
        let seen = watcher::watch_object(self.api(), &self.target.name).default_backoff();
        let server = self.cluster.server.clone();
        let seen = seen.map(move |seen| match seen {
            Ok(Some(object)) => Ok(object),
            Ok(None) => Err(None),
            Err(error) => Err(Some(watch_failure(&server, &error))),
        });
        Changes {
            seen: seen.boxed(),
            target: self.target.clone(),
            unseen: None,
        }
    }

    /// Merges into it what follows from how it is, only if nobody has written meanwhile; else it is looked at again. With what
    /// `patch` says besides, and the object as it is then: as it was, where nothing is sent.
    ///
    /// # Errors
    /// When it cannot be read, `patch` says that it cannot be asked, or the apiserver refuses it.
    pub async fn change<T>(
        &self,
        dry_run: DryRun,
        patch: impl Fn(&Object) -> Result<(Value, T)>,
    ) -> Result<(T, DynamicObject)> {
        let params = PatchParams {
            dry_run: dry_run == DryRun::Server,
            field_manager: Some(self.cluster.field_manager.clone()),
            ..PatchParams::default()
        };
        let (api, name) = (self.api(), &self.target.name);
        for _ in 0..CONFLICTS {
            let object = self.get().await?;
            let (mut change, said) = patch(&object)?;
            if dry_run == DryRun::Client {
                return Ok((said, object.raw));
            }
            change["metadata"]["resourceVersion"] = json!(object.metadata().resource_version);
            let merge = Patch::Merge(&change);
            match self.cluster.call(api.patch(name, &params, &merge)).await {
                Ok(raw) => return Ok((said, raw)),
                Err(failure) if failure.is_conflict() => {}
                Err(failure) => {
                    let (target, namespace) = (&self.target, &self.namespace);
                    let what = format!("cannot change the {target} in {namespace}");
                    return Err(failure).context(what);
                }
            }
        }
        bail!("somebody else wrote first, {CONFLICTS} times: try again")
    }
}

fn watch_failure(server: &str, error: &watcher::Error) -> Failure {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status)) => Some(status),
        watcher::Error::WatchError(status) => Some(status),
        _ => None,
    };
    match code {
        // It has restarted, or forgotten what came before: the watch begins anew.
        Some(status) if matches!(status.code, 410 | 429 | 500..) => Failure {
            code: Some(status.code),
            message: format!("the apiserver {server} has no answer for now, and is asked again"),
        },
        Some(status) => Failure {
            code: Some(status.code),
            message: format!("{} ({} {})", status.message, status.code, status.reason),
        },
        None => Failure {
            code: None,
            message: format!("no answer from the apiserver {server}, which is asked again"),
        },
    }
}

/// How an object is, one after the other.
pub struct Changes {
    seen: BoxStream<'static, Result<DynamicObject, Option<Failure>>>,
    target: Target,
    /// Why it was last not seen.
    unseen: Option<String>,
}

/// What a watch brings.
#[derive(Debug)]
pub enum Change {
    /// The object.
    Seen(Box<Object>),
    /// It cannot be seen for now, and is looked for again.
    Unseen(String),
}

impl Changes {
    /// The next.
    ///
    /// # Errors
    /// When it is gone, or may not be read.
    pub async fn next(&mut self) -> Result<Change> {
        match self.seen.next().await {
            Some(Ok(raw)) => {
                Object::read(self.target.kind, raw).map(|object| Change::Seen(Box::new(object)))
            }
            Some(Err(Some(failure))) if !failure.is_final() => {
                Ok(Change::Unseen(failure.to_string()))
            }
            Some(Err(Some(failure))) => {
                Err(failure).with_context(|| format!("cannot watch the {}", self.target))
            }
            Some(Err(None)) | None => bail!("the {} is gone", self.target),
        }
    }

    /// The next that is seen.
    ///
    /// # Errors
    /// As [`Changes::next`].
    pub async fn next_seen(&mut self) -> Result<Object> {
        loop {
            match self.next().await? {
                Change::Seen(object) => {
                    self.unseen = None;
                    return Ok(*object);
                }
                // Once, not each time that it is tried.
                Change::Unseen(why) if self.unseen.as_ref() == Some(&why) => {}
                Change::Unseen(why) => {
                    eprintln!("{why}");
                    self.unseen = Some(why);
                }
            }
        }
    }
}
