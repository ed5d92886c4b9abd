//! An object as it is looked at, of whichever kind.

use anyhow::{Context, Result};
use ess_rollout_api::v1alpha1::{Action, HandledActions, Verb};
use ess_rollout_core::task::ledger;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::exit::End;
use crate::image_update::ImageUpdate;
use crate::kind::{Kind, Target};
use crate::rollout::Rollout;

/// One object.
#[derive(Debug, Clone)]
pub struct Object {
    /// As the apiserver has it: what `-o json` prints.
    pub raw: DynamicObject,
    /// As this program reads it.
    pub view: View,
}

/// What the kinds show differently.
#[derive(Debug, Clone)]
pub enum View {
    /// An update, or the way back of one.
    Rollout(Box<Rollout>),
    /// Images for new instances.
    ImageUpdate(Box<ImageUpdate>),
}

impl Object {
    /// Reads one.
    ///
    /// # Errors
    /// When this program does not know what is in it.
    pub fn read(kind: Kind, raw: DynamicObject) -> Result<Self> {
        let metadata = raw.metadata.clone();
        let view = match kind {
            Kind::Task => part(&raw, "spec").and_then(|spec| {
                Ok(View::Rollout(Box::new(Rollout::of_task(
                    metadata,
                    &spec,
                    status(&raw)?,
                ))))
            }),
            Kind::Rollback => part(&raw, "spec").and_then(|spec| {
                Ok(View::Rollout(Box::new(Rollout::of_rollback(
                    metadata,
                    &spec,
                    status(&raw)?,
                ))))
            }),
            Kind::ImageUpdate => part(&raw, "spec").and_then(|spec| {
                Ok(View::ImageUpdate(Box::new(ImageUpdate {
                    metadata,
                    spec,
                    status: status(&raw)?,
                })))
            }),
        };
        let name = raw.metadata.name.clone().unwrap_or_default();
        let view = view.with_context(|| {
            format!(
                "{} {name} is not as this version of kubectl-ess_rollout knows it: is there a newer one?",
                kind.name()
            )
        })?;
        Ok(Self { raw, view })
    }

    /// Which it is.
    pub fn target(&self) -> Target {
        Target {
            kind: match &self.view {
                View::Rollout(rollout) => rollout.kind,
                View::ImageUpdate(_) => Kind::ImageUpdate,
            },
            name: self.raw.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// As the commands name it.
    pub fn argument(&self) -> String {
        self.target().argument()
    }

    /// Its metadata.
    pub fn metadata(&self) -> &ObjectMeta {
        &self.raw.metadata
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.raw.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The state word; the operator has not looked at it yet: `Pending`.
    pub fn state(&self) -> &str {
        match &self.view {
            View::Rollout(rollout) => rollout.state(),
            View::ImageUpdate(update) => update.state(),
        }
    }

    /// The scaling group; of a rollback once it is known.
    pub fn group(&self) -> Option<&str> {
        match &self.view {
            View::Rollout(rollout) => rollout.group.as_deref(),
            View::ImageUpdate(update) => Some(&update.spec.scaling_group_id),
        }
    }

    /// Whether it waits for a person in a pause.
    pub fn is_paused(&self) -> bool {
        match &self.view {
            View::Rollout(rollout) => rollout.is_paused(),
            View::ImageUpdate(_) => false,
        }
    }

    /// How it ended, once everything is finished.
    pub fn end(&self) -> Option<End> {
        match &self.view {
            View::Rollout(rollout) => rollout.end(),
            View::ImageUpdate(update) => update.end(),
        }
    }

    /// The ledger of requests.
    pub fn actions(&self) -> &[Action] {
        match &self.view {
            View::Rollout(rollout) => &rollout.status.actions,
            View::ImageUpdate(update) => &update.status.actions,
        }
    }

    /// The last request of each verb that the operator has read.
    pub fn handled(&self) -> &HandledActions {
        match &self.view {
            View::Rollout(rollout) => &rollout.status.handled_actions,
            View::ImageUpdate(update) => &update.status.handled_actions,
        }
    }

    /// What was asked for and is not in the ledger: the operator has not read it.
    pub fn standing(&self) -> Vec<Verb> {
        ledger::new_requests(self.metadata(), self.handled()).collect()
    }

    /// An update, or the way back of one; `None`: it is no such thing.
    pub fn rollout(&self) -> Option<&Rollout> {
        match &self.view {
            View::Rollout(rollout) => Some(rollout),
            View::ImageUpdate(_) => None,
        }
    }

    /// As the apiserver has it, without what only its own book-keeping needs.
    pub fn document(&self) -> Value {
        document(&self.raw)
    }
}

/// An object as JSON, as kubectl prints it.
pub fn document(raw: &DynamicObject) -> Value {
    let mut document = json!(raw);
    if let Some(metadata) = document.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    document
}

fn part<T: DeserializeOwned>(raw: &DynamicObject, name: &str) -> Result<T> {
    let part = raw.data.get(name).unwrap_or(&Value::Null);
    T::deserialize(part).with_context(|| format!("its {name} cannot be read"))
}

fn status<T: DeserializeOwned + Default>(raw: &DynamicObject) -> Result<T> {
    match raw.data.get("status") {
        None | Some(Value::Null) => Ok(T::default()),
        Some(_) => part(raw, "status"),
    }
}
