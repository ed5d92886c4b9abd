//! The Secrets of [`super::Keeping`] on a real apiserver.

use std::collections::BTreeMap;

use ess_rollout_api::kept::{KEY, NAMESPACE_LABEL, USED_ANNOTATION};
use jiff::Timestamp;
use k8s_openapi::{
    ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use serde_json::json;

use super::{
    ErrorClass, KeptSecrets, KubeError, KubeFuture, Listed,
    api::{FIELD_MANAGER, KubeApi, call, post},
};

/// `type` of these Secrets.
const TYPE: &str = "ess-rollout.io/kept";
/// How many are listed at once.
const PAGE: u32 = 500;

fn secret(name: &str, namespace: &str, content: &str, now: Timestamp) -> Secret {
    let map = |key: &str, value: String| Some(BTreeMap::from([(key.to_owned(), value)]));
    let content = ByteString(content.as_bytes().to_vec());
    Secret {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: map(NAMESPACE_LABEL, namespace.to_owned()),
            annotations: map(USED_ANNOTATION, now.to_string()),
            ..ObjectMeta::default()
        },
        // The name says what is in it.
        immutable: Some(true),
        type_: Some(TYPE.to_owned()),
        data: Some(BTreeMap::from([(KEY.to_owned(), content)])),
        ..Secret::default()
    }
}

/// A Secret that is not there says nothing about the object that is written: that is not gone.
fn not_gone(error: KubeError, class: ErrorClass) -> KubeError {
    match error.class {
        ErrorClass::Gone => KubeError { class, ..error },
        _ => error,
    }
}

impl KeptSecrets for KubeApi {
    fn put<'a>(
        &'a self,
        name: &'a str,
        namespace: &'a str,
        content: &'a str,
        now: Timestamp,
    ) -> KubeFuture<'a, ()> {
        Box::pin(async move {
            let new = secret(name, namespace, content, now);
            let operation = format!("create Secret {name} in the operator's namespace");
            match call(&operation, self.secrets.create(&post(), &new)).await {
                Ok(_) => return Ok(()),
                Err(error) if error.class == ErrorClass::Conflict => {}
                // Its namespace is missing.
                Err(error) => return Err(not_gone(error, ErrorClass::Unavailable)),
            }
            let parameters = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            let used = json!({"metadata": {"annotations": {USED_ANNOTATION: now.to_string()}}});
            let used = Patch::Merge(&used);
            let operation = format!("annotate Secret {name} in the operator's namespace");
            let patched = call(&operation, self.secrets.patch(name, &parameters, &used)).await;
            // Deleted just now: to be created by the next try.
            patched
                .map(drop)
                .map_err(|error| not_gone(error, ErrorClass::Conflict))
        })
    }

    fn find<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<(String, String)>> {
        Box::pin(async move {
            let operation = format!("get Secret {name} in the operator's namespace");
            let found = call(&operation, self.secrets.get_opt(name))
                .await
                .map_err(KubeError::without_values)?;
            Ok(found.map(|secret| {
                let namespace = secret.metadata.labels.unwrap_or_default();
                let namespace = namespace.get(NAMESPACE_LABEL).cloned();
                let content = secret.data.unwrap_or_default().remove(KEY);
                let content = content.and_then(|bytes| String::from_utf8(bytes.0).ok());
                (namespace.unwrap_or_default(), content.unwrap_or_default())
            }))
        })
    }

    fn list(&self) -> KubeFuture<'_, Vec<Listed>> {
        Box::pin(async move {
            let mut parameters = ListParams::default().labels(NAMESPACE_LABEL).limit(PAGE);
            let mut all = Vec::new();
            loop {
                let operation = "list the Secrets of the operator's namespace that keep contents";
                // Of each no more than its metadata.
                let page = call(operation, self.secrets.list_metadata(&parameters));
                let page = page.await?;
                all.extend(page.items.into_iter().map(|item| listed(item.metadata)));
                match page.metadata.continue_.filter(|token| !token.is_empty()) {
                    Some(token) => parameters.continue_token = Some(token),
                    None => return Ok(all),
                }
            }
        })
    }

    fn delete<'a>(&'a self, listed: &'a Listed) -> KubeFuture<'a, ()> {
        Box::pin(async move {
            let parameters = DeleteParams::default().preconditions(Preconditions {
                uid: listed.uid.clone(),
                resource_version: listed.resource_version.clone(),
            });
            let operation = format!("delete Secret {} in the operator's namespace", listed.name);
            let deleting = self.secrets.delete(&listed.name, &parameters);
            call(&operation, deleting).await.map(drop)
        })
    }
}

fn listed(metadata: ObjectMeta) -> Listed {
    let text = |map: &Option<BTreeMap<String, String>>, key: &str| {
        let value = map.as_ref().and_then(|map| map.get(key));
        value.cloned().unwrap_or_default()
    };
    Listed {
        namespace: text(&metadata.labels, NAMESPACE_LABEL),
        used: text(&metadata.annotations, USED_ANNOTATION).parse().ok(),
        name: metadata.name.unwrap_or_default(),
        uid: metadata.uid,
        resource_version: metadata.resource_version,
    }
}
