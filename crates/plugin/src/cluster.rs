//! The client, and the objects that are looked at.

use std::fmt::Debug;

use anyhow::{Context, Result, bail};
use ess_rollout_api::v1alpha1::{Rollback, RollingUpdateTask};
use futures::stream::{BoxStream, StreamExt};
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Config, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cli::{Connection, Named};
use crate::rollout::Rollout;

/// Named in managedFields.
const FIELD_MANAGER: &str = "kubectl-ess_rollout";

/// A cluster, and the namespace that is meant.
pub struct Cluster {
    client: Client,
    namespace: String,
}

/// Which update.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Task(String),
    Rollback(String),
}

impl Target {
    fn parse(text: &str) -> Result<Self> {
        let Some((kind, name)) = text.split_once('/') else {
            return Ok(Self::Task(text.to_owned()));
        };
        let kind = kind.to_lowercase();
        let kind = kind.split('.').next().unwrap_or_default();
        match kind {
            "rollingupdatetask" | "rollingupdatetasks" | "rut" | "task" => {
                Ok(Self::Task(name.to_owned()))
            }
            "rollback" | "rollbacks" => Ok(Self::Rollback(name.to_owned())),
            _ => bail!("{text:?}: NAME is that of a RollingUpdateTask, or rollback/NAME"),
        }
    }
}

/// One update in a cluster.
pub struct Found<'c> {
    cluster: &'c Cluster,
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
        if !connection.as_groups.is_empty() {
            config.auth_info.impersonate_groups = Some(connection.as_groups.clone());
        }
        let namespace = connection.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("the kubeconfig cannot be used")?;
        Ok(Self { client, namespace })
    }

    /// The update of this name.
    ///
    /// # Errors
    /// When the name is none.
    pub fn named(&self, named: &Named) -> Result<Found<'_>> {
        Ok(Found {
            cluster: self,
            target: Target::parse(&named.name)?,
        })
    }

    /// Who asks, as the apiserver sees it; `None`: it does not say.
    pub async fn user(&self) -> Option<String> {
        let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = api
            .create(&PostParams::default(), &SelfSubjectReview::default())
            .await;
        review.ok()?.status?.user_info?.username
    }
}

impl Found<'_> {
    fn tasks(&self) -> Api<RollingUpdateTask> {
        Api::namespaced(self.cluster.client.clone(), &self.cluster.namespace)
    }

    fn rollbacks(&self) -> Api<Rollback> {
        Api::namespaced(self.cluster.client.clone(), &self.cluster.namespace)
    }

    /// The update as it is now.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub async fn get(&self) -> Result<Rollout> {
        let namespace = &self.cluster.namespace;
        let found = match &self.target {
            Target::Task(name) => self.tasks().get(name).await.map(Rollout::from),
            Target::Rollback(name) => self.rollbacks().get(name).await.map(Rollout::from),
        };
        found.map_err(said).with_context(|| match &self.target {
            Target::Task(name) => {
                format!("cannot read the RollingUpdateTask {name} in {namespace}")
            }
            Target::Rollback(name) => format!("cannot read the Rollback {name} in {namespace}"),
        })
    }

    /// The update as it is now and each time that it changes.
    pub fn follow(&self) -> Changes {
        match &self.target {
            Target::Task(name) => Changes::of(self.tasks(), name, name.clone()),
            Target::Rollback(name) => {
                Changes::of(self.rollbacks(), name, format!("rollback/{name}"))
            }
        }
    }

    /// Merges this into it.
    ///
    /// # Errors
    /// Of the apiserver: [`is_conflict`] says of one whether somebody else wrote first.
    pub async fn patch(&self, patch: &Value) -> Result<Rollout, kube::Error> {
        let (patch, params) = (
            Patch::Merge(patch),
            PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            },
        );
        match &self.target {
            Target::Task(name) => self
                .tasks()
                .patch(name, &params, &patch)
                .await
                .map(Rollout::from),
            Target::Rollback(name) => self
                .rollbacks()
                .patch(name, &params, &patch)
                .await
                .map(Rollout::from),
        }
    }
}

/// How an update is, one after the other. What fails on the way is tried again.
pub struct Changes {
    seen: BoxStream<'static, Option<Rollout>>,
    argument: String,
}

impl Changes {
    fn of<K>(api: Api<K>, name: &str, argument: String) -> Self
    where
        K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
        Rollout: From<K>,
    {
        let seen = watcher::watch_object(api, name).default_backoff();
        let seen = seen.filter_map(|seen| async move { seen.ok() });
        Self {
            seen: seen.map(|seen| seen.map(Rollout::from)).boxed(),
            argument,
        }
    }

    /// The next.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn next(&mut self) -> Result<Rollout> {
        let next = self.seen.next().await.flatten();
        next.with_context(|| format!("{} is gone", self.argument))
    }
}

/// Whether somebody else wrote first.
pub fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict())
}

/// The apiserver's own words: the client's text of them repeats the whole answer.
pub fn said(error: kube::Error) -> anyhow::Error {
    match error {
        kube::Error::Api(status) => {
            anyhow::anyhow!("{} ({} {})", status.message, status.code, status.reason)
        }
        other => other.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_say_its_kind() {
        let task = Target::Task("web".to_owned());
        for text in [
            "web",
            "task/web",
            "rut/web",
            "rollingupdatetask/web",
            "RollingUpdateTask.ess-rollout.io/web",
        ] {
            assert_eq!(Target::parse(text).unwrap(), task, "{text}");
        }
        let rollback = Target::Rollback("back".to_owned());
        assert_eq!(Target::parse("rollback/back").unwrap(), rollback);
        assert!(Target::parse("deployment/web").is_err());
    }
}
