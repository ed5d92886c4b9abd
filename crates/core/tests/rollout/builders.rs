//! Tasks to start from, and what to say about them.

use ess_rollout_api::FINALIZER;
use ess_rollout_api::v1alpha1::{RollingUpdateTask, condition};
use ess_rollout_core::endpoints::EndpointNames;
use ess_rollout_core::rollout::Settings;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use serde_json::{Value, json};

use crate::cloud::{Cloud, GROUP, NEW_IMAGE};
use crate::world::World;

pub fn settings() -> Settings {
    Settings {
        default_region: Some("cn-hangzhou".into()),
        own_credentials_namespaces: ["shop".to_owned()].into(),
        own_credentials_ram_roles: ["OOSServiceRole".to_owned()].into(),
        call_lifetime: std::time::Duration::from_secs(60),
        acts_since: None,
        list_lag: std::time::Duration::from_secs(60),
        poll_interval: std::time::Duration::from_secs(10),
        progress_interval: std::time::Duration::from_secs(10),
        endpoints: EndpointNames::default(),
    }
}

/// A task as a person writes it, with more or other fields of the spec.
pub fn task(update: Value, spec: Value) -> RollingUpdateTask {
    let mut all = json!({"scalingGroupId": GROUP, "update": update, "batches": 2});
    for (name, value) in spec.as_object().unwrap() {
        all[name] = value.clone();
    }
    let mut task: RollingUpdateTask = serde_json::from_value(json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": "RollingUpdateTask",
        "metadata": {"name": "web", "namespace": "shop", "uid": "uid-1", "generation": 1},
        "spec": all,
        "status": {"observedGeneration": -1},
    }))
    .unwrap();
    task.metadata.resource_version = Some("1".into());
    task
}

pub fn script_task(spec: Value) -> RollingUpdateTask {
    task(json!({"script": {"run": {"inline": "echo hello"}}}), spec)
}

pub fn image_task(spec: Value) -> RollingUpdateTask {
    task(json!({"image": {"imageId": NEW_IMAGE}}), spec)
}

/// A script update of four instances in two batches.
pub fn script(spec: Value) -> World {
    World::new(script_task(spec), Cloud::with_instances(4))
}

/// An image update of four instances in two batches.
pub fn image(spec: Value) -> World {
    World::new(image_task(spec), Cloud::with_instances(4))
}

impl World {
    /// The same where the image that it rolls out does not exist.
    pub fn without_its_image(mut self) -> Self {
        self.cloud.images.retain(|image| image.id != NEW_IMAGE);
        self
    }

    pub fn annotated(&mut self, key: &str, value: &str) {
        let annotations = self.task.metadata.annotations.get_or_insert_default();
        annotations.insert(format!("ess-rollout.io/{key}"), value.to_owned());
    }

    /// `kubectl delete`, without waiting.
    pub fn deleted(&mut self) {
        self.task.metadata.deletion_timestamp = Some(Time(self.cloud.time()));
        if !self.has_finalizer() {
            self.gone = true;
        }
    }

    pub fn has_finalizer(&self) -> bool {
        let finalizers = self.task.metadata.finalizers.iter().flatten();
        finalizers.into_iter().any(|f| f == FINALIZER)
    }

    /// A change of the spec, as the apiserver counts it.
    pub fn edited(&mut self, change: impl FnOnce(&mut RollingUpdateTask)) {
        change(&mut self.task);
        *self.task.metadata.generation.as_mut().unwrap() += 1;
    }

    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        let conditions = &self.task.status.as_ref()?.conditions;
        conditions.iter().find(|c| c.type_ == type_)
    }

    /// Status and reason of a condition; `-` when it is absent.
    pub fn said(&self, type_: &str) -> String {
        self.condition(type_)
            .map_or("-".into(), |c| format!("{} {}", c.status, c.reason))
    }

    /// The status of Succeeded, Ready, Reconciling, Stalled and Paused, `-` for absent ones.
    pub fn table(&self) -> Vec<&str> {
        [
            condition::SUCCEEDED,
            condition::READY,
            condition::RECONCILING,
            condition::STALLED,
            condition::PAUSED,
        ]
        .iter()
        .map(|type_| self.condition(type_).map_or("-", |c| c.status.as_str()))
        .collect()
    }

    /// The action of a request, by the verb and state and reason.
    pub fn ledger(&self) -> Vec<String> {
        let actions = &self.status().actions;
        actions
            .iter()
            .map(|a| {
                format!("{:?} {:?} {}", a.verb, a.state, a.reason)
                    .trim()
                    .to_owned()
            })
            .collect()
    }
}
