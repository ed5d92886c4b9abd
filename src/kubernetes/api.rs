//! The port on a real apiserver.

use std::future::Future;

use ess_rollout_api::{
    FINALIZER,
    v1alpha1::{
        ImageUpdateTask, MaintenanceWindow, MaintenanceWindowStatus, Rollback, RollingUpdateTask,
        ScalingGroupRecord, ScalingGroupRecordStatus,
    },
};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{
        DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions, Request,
        ValidationDirective,
    },
};
use serde_json::Value;

use super::{
    ConfigMapData, ErrorClass, KubeError, KubeFuture, Kubernetes, Object, ObjectKey, ObjectKind,
    SecretData, Status, clients::CALL_TIMEOUT, decode, error::Cause, patches,
};

/// Named in managedFields and in the apiserver's audit log.
pub(super) const FIELD_MANAGER: &str = "ess-rollout";

/// The port on a real apiserver.
#[derive(Clone)]
pub struct KubeApi {
    client: Client,
    records: Api<ScalingGroupRecord>,
    records_path: String,
    /// Those of the operator's namespace.
    pub(super) secrets: Api<Secret>,
}

/// Where the objects of a kind are.
fn place(key: &ObjectKey) -> Request {
    let namespace = Some(key.namespace.as_str());
    Request::new(match key.kind {
        ObjectKind::RollingUpdateTask => RollingUpdateTask::url_path(&(), namespace),
        ObjectKind::Rollback => Rollback::url_path(&(), namespace),
        ObjectKind::ImageUpdateTask => ImageUpdateTask::url_path(&(), namespace),
        ObjectKind::ScalingGroupRecord => ScalingGroupRecord::url_path(&(), namespace),
    })
}

/// What a request that cannot be built is.
fn unbuilt(operation: &str, error: impl std::fmt::Display) -> KubeError {
    KubeError::other(operation, ErrorClass::Invalid, error.to_string())
}

impl KubeApi {
    /// Calls through this client; records are in this namespace. The client must not retry.
    pub fn new(client: Client, own_namespace: &str) -> Self {
        Self {
            records: Api::namespaced(client.clone(), own_namespace),
            records_path: ScalingGroupRecord::url_path(&(), Some(own_namespace)),
            secrets: Api::namespaced(client.clone(), own_namespace),
            client,
        }
    }

    /// The text of an object; `None`: there is none.
    async fn text(
        &self,
        operation: &str,
        place: &Request,
        name: &str,
    ) -> Result<Option<String>, KubeError> {
        let request = place.get(name, &GetParams::default());
        let request = request.map_err(|error| unbuilt(operation, error))?;
        match call(operation, self.client.request_text(request)).await {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.class == ErrorClass::Gone => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A JSON patch that begins with a test of the version that was read. Gives the text of what it led to.
    async fn patch(
        &self,
        operation: &str,
        place: &Request,
        (subresource, name): (Option<&str>, &str),
        operations: Vec<Value>,
    ) -> Result<String, KubeError> {
        let parameters = PatchParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            // A field that the CRDs do not have is refused, not dropped. Metadata is changed whatever the rest is.
            field_validation: subresource.map(|_| ValidationDirective::Strict),
            ..PatchParams::default()
        };
        // As text from here on: a status is many times as large as a tree, and the call may wait.
        let request = {
            let patch = serde_json::from_value(Value::from(operations));
            let patch = Patch::Json::<()>(patch.map_err(|error| unbuilt(operation, error))?);
            let request = match subresource {
                Some(subresource) => {
                    place.patch_subresource(subresource, name, &parameters, &patch)
                }
                None => place.patch(name, &parameters, &patch),
            };
            request.map_err(|error| unbuilt(operation, error))?
        };
        let patched = call(operation, self.client.request_text(request)).await;
        // A test operation that fails is answered as an invalid request with no field to blame: somebody wrote first.
        patched.map_err(|error| match error.class {
            ErrorClass::Invalid if !error.blames_a_field() => KubeError {
                class: ErrorClass::Conflict,
                ..error
            },
            _ => error,
        })
    }

    /// Changes the status of a MaintenanceWindow from one to the other, if the version in this metadata is still the newest.
    ///
    /// # Errors
    /// [`ErrorClass::Conflict`] when it is not, [`ErrorClass::Gone`] when there is no such window.
    pub async fn write_window_status(
        &self,
        metadata: &ObjectMeta,
        old: Option<&MaintenanceWindowStatus>,
        new: &MaintenanceWindowStatus,
    ) -> Result<MaintenanceWindow, KubeError> {
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let name = metadata.name.as_deref().unwrap_or_default();
        let operation = format!("write the status of MaintenanceWindow {namespace}/{name}");
        let operations = patches::status(metadata, old, new);
        let operations = operations.map_err(|error| unbuilt(&operation, error))?;
        let place = Request::new(MaintenanceWindow::url_path(&(), Some(namespace)));
        let target = (Some("status"), name);
        let text = self.patch(&operation, &place, target, operations).await?;
        serde_json::from_str(&text)
            .map_err(|error| KubeError::other(&operation, ErrorClass::Invalid, error.to_string()))
    }

    /// The same of an object.
    async fn patch_object(
        &self,
        operation: &str,
        key: &ObjectKey,
        subresource: Option<&str>,
        operations: Vec<Value>,
    ) -> Result<Object, KubeError> {
        let target = (subresource, key.name.as_str());
        let text = self
            .patch(operation, &place(key), target, operations)
            .await?;
        decode::object(operation, key.kind, &text)
    }
}

pub(super) fn post() -> PostParams {
    PostParams {
        dry_run: false,
        field_manager: Some(FIELD_MANAGER.to_owned()),
    }
}

pub(crate) async fn call<T>(
    operation: &str,
    future: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, KubeError> {
    match tokio::time::timeout(CALL_TIMEOUT, future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(KubeError::of(operation, error)),
        Err(_) => Err(KubeError {
            operation: operation.to_owned(),
            class: ErrorClass::Unavailable,
            source: Cause::Timeout(CALL_TIMEOUT),
        }),
    }
}

impl Kubernetes for KubeApi {
    fn get<'a>(&'a self, key: &'a ObjectKey) -> KubeFuture<'a, Option<Object>> {
        Box::pin(async move {
            let operation = format!("get {key}");
            let text = self.text(&operation, &place(key), &key.name).await?;
            text.map(|text| decode::object(&operation, key.kind, &text))
                .transpose()
        })
    }

    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>> {
        Box::pin(async move {
            let operation = format!("get ScalingGroupRecord {name}");
            let place = Request::new(&self.records_path);
            let text = self.text(&operation, &place, name).await?;
            text.map(|text| decode::record(&operation, &text))
                .transpose()
        })
    }

    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(async move {
            let operation = format!("create ScalingGroupRecord {}", record.name_any());
            call(&operation, self.records.create(&post(), record)).await
        })
    }

    fn create_rollback<'a>(&'a self, rollback: &'a Rollback) -> KubeFuture<'a, ()> {
        Box::pin(async move {
            let namespace = rollback.namespace().unwrap_or_default();
            let name = rollback.name_any();
            let operation = format!("create Rollback {namespace}/{name}");
            let api: Api<Rollback> = Api::namespaced(self.client.clone(), &namespace);
            call(&operation, api.create(&post(), rollback))
                .await
                .map(|_| ())
        })
    }

    fn write_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        status: &'a ScalingGroupRecordStatus,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        Box::pin(async move {
            let name = record.name_any();
            let operation = format!("write the status of ScalingGroupRecord {name}");
            let operations = patches::status(&record.metadata, record.status.as_ref(), status)
                .map_err(|error| unbuilt(&operation, error))?;
            let (place, target) = (Request::new(&self.records_path), (Some("status"), &*name));
            let text = self.patch(&operation, &place, target, operations).await?;
            decode::record(&operation, &text)
        })
    }

    fn write_status<'a>(
        &'a self,
        object: &'a Object,
        status: &'a Status,
    ) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let key = object.key();
            let operation = format!("write the status of {key}");
            let metadata = object.metadata();
            let operations = match (object, status) {
                (Object::ImageUpdate(task), Status::ImageUpdate(new)) => {
                    patches::status(metadata, task.status.as_ref(), new)
                }
                (_, Status::Rollout(new)) => {
                    patches::status(metadata, object.rollout_status(), new)
                }
                (_, Status::ImageUpdate(new)) => patches::status(metadata, None, new),
            };
            let operations = operations.map_err(|error| unbuilt(&operation, error))?;
            self.patch_object(&operation, &key, Some("status"), operations)
                .await
        })
    }

    fn stall<'a>(
        &'a self,
        key: &'a ObjectKey,
        reason: &'a str,
        message: &'a str,
        now: Timestamp,
    ) -> KubeFuture<'a, Option<String>> {
        Box::pin(async move {
            let operation = format!("say on {key} that it stands still");
            let place = place(key);
            let Some(text) = self.text(&operation, &place, &key.name).await? else {
                return Ok(None);
            };
            let object: Value = decode::decoded(&operation, &text)?;
            let now = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
            let Some(operations) = patches::stalled(&object, reason, message, &now) else {
                return Ok(None);
            };
            let target = (Some("status"), key.name.as_str());
            let text = self.patch(&operation, &place, target, operations).await?;
            let object: Value = decode::decoded(&operation, &text)?;
            let version = object["metadata"]["resourceVersion"].as_str();
            Ok(version.map(str::to_owned))
        })
    }

    fn set_finalizer<'a>(&'a self, object: &'a Object, present: bool) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let verb = if present { "add" } else { "remove" };
            let key = object.key();
            let operation = format!("{verb} the finalizer {FINALIZER} of {key}");
            let Some(operations) = patches::finalizer(object.metadata(), present) else {
                return Ok(object.clone());
            };
            self.patch_object(&operation, &key, None, operations).await
        })
    }

    fn set_execution_annotation<'a>(
        &'a self,
        object: &'a Object,
        value: &'a str,
    ) -> KubeFuture<'a, Object> {
        Box::pin(async move {
            let key = object.key();
            let operation = format!("annotate {key} with its execution");
            let operations = patches::annotation(object.metadata(), value);
            self.patch_object(&operation, &key, None, operations).await
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
            let request = place(&key).delete(&key.name, &parameters);
            let request = request.map_err(|error| unbuilt(&operation, error))?;
            call(&operation, self.client.request_text(request)).await?;
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
            let found = call(&operation, api.get_opt(name)).await?;
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
            let operation = format!("get Secret {namespace}/{name}");
            let secret = call(&operation, api.get_opt(name))
                .await
                .map_err(KubeError::without_values)?;
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
