//! What people do to the objects of a scene, many at a time.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

/// Requests of many that are under way at a time.
const IN_FLIGHT: usize = 32;

/// The admin, with the objects of one kind in one namespace.
#[derive(Clone)]
pub struct People {
    pub api: Api<DynamicObject>,
}

/// When each request was answered, by the object's name.
pub type Answered = BTreeMap<String, Timestamp>;

impl People {
    pub fn new(client: Client, kind: &str, namespace: &str) -> Self {
        let kind = GroupVersionKind::gvk("ess-rollout.io", "v1alpha1", kind);
        let resource = ApiResource::from_gvk(&kind);
        Self {
            api: Api::namespaced_with(client, namespace, &resource),
        }
    }

    pub async fn create(&self, manifest: &Value) -> Result<(String, Timestamp)> {
        let object: DynamicObject = serde_json::from_value(manifest.clone())?;
        let made = self.api.create(&PostParams::default(), &object).await?;
        let at = Timestamp::now();
        Ok((made.metadata.name.context("an object without a name")?, at))
    }

    pub async fn create_all(&self, manifests: impl Iterator<Item = Value>) -> Result<Answered> {
        stream::iter(manifests)
            .map(|manifest| async move { self.create(&manifest).await })
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await
    }

    /// Creates copies of an object and gives them its status, as if they had been there with it.
    pub async fn create_with_status(
        &self,
        copies: impl Iterator<Item = (Value, Value)>,
    ) -> Result<Answered> {
        stream::iter(copies)
            .map(|(manifest, status)| async move {
                let (name, _) = self.create(&manifest).await?;
                let patch = Patch::Merge(json!({ "status": status }));
                self.api
                    .patch_status(&name, &PatchParams::default(), &patch)
                    .await?;
                Ok((name, Timestamp::now()))
            })
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await
    }

    /// Asks to go on after the first batch.
    pub async fn go_on(&self, name: &str) -> Result<(String, Timestamp)> {
        let patch = json!({"metadata": {"annotations": {"ess-rollout.io/continue": "1"}}});
        self.api
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok((name.to_owned(), Timestamp::now()))
    }

    pub async fn all_go_on(&self, names: &[String]) -> Result<Answered> {
        stream::iter(names)
            .map(|name| self.go_on(name))
            .buffer_unordered(IN_FLIGHT)
            .try_collect()
            .await
    }

    /// One after the other, with a pause in between.
    pub async fn go_on_in_turn(&self, names: &[String], pause: Duration) -> Result<Answered> {
        let mut answered = Answered::new();
        for name in names {
            answered.extend([self.go_on(name).await?]);
            tokio::time::sleep(pause).await;
        }
        Ok(answered)
    }
}
