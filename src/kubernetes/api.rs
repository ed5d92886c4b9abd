//! The port on a real apiserver.

use std::future::Future;

use ess_rollout_api::{
    EXECUTION_ID_ANNOTATION, FINALIZER,
    v1alpha1::{ImageUpdateTask, Rollback, RollingUpdateTask, ScalingGroupRecord},
};
use k8s_openapi::{
    NamespaceResourceScope,
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions},
};
use serde_json::json;

use super::{
    ConfigMapData, ErrorClass, KubeError, KubeFuture, Kubernetes, Object, ObjectKey, ObjectKind,
    SecretData, clients::CALL_TIMEOUT, error::Cause,
};

/// Named in managedFields and in the apiserver's audit log.
const FIELD_MANAGER: &str = "ess-rollout";

/// The port on a real apiserver.
#[derive(Clone)]
pub struct KubeApi {
    client: Client,
    records: Api<ScalingGroupRecord>,
}

impl KubeApi {
    /// Calls through this client; records are in this namespace. The client must not retry.
    pub fn new(client: Client, own_namespace: &str) -> Self {
        Self {
            records: Api::namespaced(client.clone(), own_namespace),
            client,
        }
    }

    fn api<K>(&self, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), namespace)
    }
}

/// Evaluates an expression with the typed `Api` of an object's kind.
macro_rules! with_api {
    ($port:ident, $key:expr, |$api:ident| $body:expr) => {{
        let ObjectKey {
            namespace, kind, ..
        } = $key;
        match kind {
            ObjectKind::RollingUpdateTask => {
                let $api = $port.api::<RollingUpdateTask>(namespace);
                $body
            }
            ObjectKind::Rollback => {
                let $api = $port.api::<Rollback>(namespace);
                $body
            }
            ObjectKind::ImageUpdateTask => {
                let $api = $port.api::<ImageUpdateTask>(namespace);
                $body
            }
        }
    }};
}

impl KubeApi {
    /// A JSON patch that begins with a test of the version that was read.
    async fn patch(
        &self,
        operation: String,
        object: &Object,
        patch: &Patch<()>,
    ) -> Result<Object, KubeError> {
        let key = object.key();
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patched = with_api!(self, &key, |api| {
            let patching = api.patch(&key.name, &parameters, patch);
            call(operation, patching).await.map(Object::from)
        });
        // A test operation that fails is answered as an invalid request: somebody wrote first.
        patched.map_err(|error| match error.class {
            ErrorClass::Invalid => KubeError {
                class: ErrorClass::Conflict,
                ..error
            },
            _ => error,
        })
    }
}

fn post() -> PostParams {
    PostParams {
        dry_run: false,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    }
}

async fn call<T>(
    operation: String,
    future: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KubeError> {
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(KubeError::of(operation, error)),
        Err(_) => Err(KubeError {
            operation,
            class: ErrorClass::Unavailable,
            source: Cause::Timeout(CALL_TIMEOUT),
        }),
    }
}

impl Kubernetes for KubeApi {
    fn get<'a>(&'a self, key: &'a ObjectKey) -> KubeFuture<'a, Option<Object>> {
        Box::pin(async move {
            let operation = format!("get {key}");
            with_api!(self, key, |api| {
                let found = call(operation, api.get_opt(&key.name)).await?;
                Ok(found.map(Object::from))
            })
        })
    }

    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>> {
        Box::pin(call(
            format!("get ScalingGroupRecord {name}"),
            self.records.get_opt(name),
        ))
    }

    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(async move {
            call(
                format!("create ScalingGroupRecord {}", record.name_any()),
                self.records.create(&post(), record),
            )
            .await
        })
    }

    fn replace_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(async move {
            let name = record.name_any();
            call(
                format!("write the status of ScalingGroupRecord {name}"),
                self.records.replace_status(&name, &post(), record),
            )
            .await
        })
    }

    fn replace_status<'a>(&'a self, object: &'a Object) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let ObjectKey {
                namespace, name, ..
            } = &object.key();
            let operation = format!("write the status of {}", object.key());
            match object {
                Object::Task(task) => {
                    let api = self.api::<RollingUpdateTask>(namespace);
                    let written = call(operation, api.replace_status(name, &post(), task)).await?;
                    Ok(written.into())
                }
                Object::Rollback(rollback) => {
                    let api = self.api::<Rollback>(namespace);
                    let written =
                        call(operation, api.replace_status(name, &post(), rollback)).await?;
                    Ok(written.into())
                }
                Object::ImageUpdate(task) => {
                    let api = self.api::<ImageUpdateTask>(namespace);
                    let written = call(operation, api.replace_status(name, &post(), task)).await?;
                    Ok(written.into())
                }
            }
        })
    }

    fn set_finalizer<'a>(&'a self, object: &'a Object, present: bool) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let verb = if present { "add" } else { "remove" };
            let operation = format!("{verb} the finalizer {FINALIZER} of {}", object.key());
            let Some(operations) = finalizer_patch(object.metadata(), present) else {
                return Ok(object.clone());
            };
            let patch = serde_json::from_value(operations).map_err(|error| {
                KubeError::other(&operation, ErrorClass::Invalid, error.to_string())
            })?;
            self.patch(operation, object, &Patch::Json::<()>(patch))
                .await
        })
    }

    fn set_execution_annotation<'a>(
        &'a self,
        object: &'a Object,
        value: &'a str,
    ) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let operation = format!("annotate {} with its execution", object.key());
            let patch = serde_json::from_value(annotation_patch(object.metadata(), value))
                .map_err(|error| {
                    KubeError::other(&operation, ErrorClass::Invalid, error.to_string())
                })?;
            self.patch(operation, object, &Patch::Json::<()>(patch))
                .await
        })
    }

    fn delete<'a>(&'a self, object: &'a Object) -> KubeFuture<'a, ()> {
        Box::pin(async move {
            let key = object.key();
            let operation = format!("delete {key}");
            let parameters = DeleteParams::default().preconditions(Preconditions {
                uid: object.metadata().uid.clone(),
                resource_version: object.metadata().resource_version.clone(),
            });
            with_api!(self, &key, |api| {
                call(operation, api.delete(&key.name, &parameters)).await?;
            });
            Ok(())
        })
    }

    fn get_config_map<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<ConfigMapData>> {
        Box::pin(async move {
            let api: Api<ConfigMap> = Api::namespaced(self.client.clone(), namespace);
            let operation = format!("get ConfigMap {namespace}/{name}");
            let found = call(operation, api.get_opt(name)).await?;
            Ok(found.map(|found| found.data.unwrap_or_default()))
        })
    }

    fn get_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<SecretData>> {
        Box::pin(async move {
            let api: Api<Secret> = Api::namespaced(self.client.clone(), namespace);
            let secret = call(format!("get Secret {namespace}/{name}"), api.get_opt(name)).await?;
            Ok(secret.map(|secret| SecretData {
                resource_version: secret.metadata.resource_version.unwrap_or_default(),
                data: secret
                    .data
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(key, value)| (key, value.0))
                    .collect(),
            }))
        })
    }
}

/// The JSON patch, tested against the version that was read.
fn annotation_patch(metadata: &ObjectMeta, value: &str) -> serde_json::Value {
    let test = json!({"op": "test", "path": "/metadata/resourceVersion",
        "value": metadata.resource_version});
    let change = match &metadata.annotations {
        // JSON pointer: a slash in a key is written ~1.
        Some(annotations) if !annotations.is_empty() => {
            let key = EXECUTION_ID_ANNOTATION.replace('/', "~1");
            json!({"op": "add", "path": format!("/metadata/annotations/{key}"), "value": value})
        }
        _ => json!({"op": "add", "path": "/metadata/annotations",
            "value": {EXECUTION_ID_ANNOTATION: value}}),
    };
    json!([test, change])
}

/// The JSON patch, tested against the version that was read; `None`: nothing to change.
fn finalizer_patch(metadata: &ObjectMeta, present: bool) -> Option<serde_json::Value> {
    let finalizers = metadata.finalizers.as_deref().unwrap_or_default();
    let position = finalizers.iter().position(|name| name == FINALIZER);
    let test = json!({"op": "test", "path": "/metadata/resourceVersion",
        "value": metadata.resource_version});
    let change = match (present, position) {
        (true, Some(_)) | (false, None) => return None,
        (true, None) if finalizers.is_empty() => {
            json!({"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]})
        }
        (true, None) => json!({"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}),
        (false, Some(index)) => {
            json!({"op": "remove", "path": format!("/metadata/finalizers/{index}")})
        }
    };
    Some(json!([test, change]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::fake::task;

    #[test]
    fn the_annotation_is_set_beside_others() {
        let mut object = task("ns", "a");
        object.metadata.resource_version = Some("7".into());
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});
        assert_eq!(
            annotation_patch(&object.metadata, "v"),
            json!([test, {"op": "add", "path": "/metadata/annotations",
                "value": {"ess-rollout.io/execution-id": "v"}}])
        );
        object.metadata.annotations = Some([("other".to_owned(), "x".to_owned())].into());
        assert_eq!(
            annotation_patch(&object.metadata, "v"),
            json!([test, {"op": "add",
                "path": "/metadata/annotations/ess-rollout.io~1execution-id", "value": "v"}])
        );
    }

    #[test]
    fn the_finalizer_is_added_beside_others_and_removed_alone() {
        let mut object = task("ns", "a");
        object.metadata.resource_version = Some("7".into());
        let test = json!({"op": "test", "path": "/metadata/resourceVersion", "value": "7"});

        assert_eq!(finalizer_patch(&object.metadata, false), None);
        assert_eq!(
            finalizer_patch(&object.metadata, true),
            Some(
                json!([test, {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]}])
            )
        );
        object.metadata.finalizers = Some(vec!["other/one".into()]);
        assert_eq!(
            finalizer_patch(&object.metadata, true),
            Some(
                json!([test, {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER}])
            )
        );
        object.metadata.finalizers = Some(vec!["other/one".into(), FINALIZER.into()]);
        assert_eq!(finalizer_patch(&object.metadata, true), None);
        assert_eq!(
            finalizer_patch(&object.metadata, false),
            Some(json!([test, {"op": "remove", "path": "/metadata/finalizers/1"}]))
        );
    }
}
