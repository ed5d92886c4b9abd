//! What others do to our objects.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use crate::person::{Person, call};
use crate::world::{KINDS, NAMESPACE, World};

const API: &str = "/apis/ess-rollout.io/v1alpha1";

/// Whoever applies what is in Git.
const GITOPS: &str = "gitops";
/// Whoever puts back what is in a backup.
pub const BACKUP: &str = "backup";

/// Whoever deletes.
const ADMIN: &str = "admin";
/// What somebody else puts into scaling configurations.
pub const THIRD_IMAGE: &str = "m-third";

/// What others are about.
#[derive(Default)]
pub struct Others(Mutex<Plans>);

#[derive(Default)]
struct Plans {
    /// Created again once it is gone: kind and object.
    created_again: Vec<(&'static str, Value)>,
    /// The namespace is being deleted.
    terminating: bool,
}

impl Others {
    fn plans(&self) -> MutexGuard<'_, Plans> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nothing can be created in the namespace any more.
    pub fn terminating(&self) -> bool {
        self.plans().terminating
    }

    /// Whether something is still to be done.
    pub fn busy(&self) -> bool {
        !self.plans().created_again.is_empty()
    }

    /// Looks once, as people do.
    pub fn look(&self, world: &World, person: &mut Person) {
        let gone = |kind: &str, object: &Value| {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let found = world.apiserver.get(kind, NAMESPACE, name);
            found.is_none_or(|found| found["metadata"]["uid"] != object["metadata"]["uid"])
        };
        let mut plans = self.plans();
        let (now, later) = std::mem::take(&mut plans.created_again)
            .into_iter()
            .partition(|(kind, object)| gone(kind, object));
        plans.created_again = later;
        drop(plans);
        for (kind, object) in now {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if world.apiserver.get(kind, NAMESPACE, name).is_some() {
                // Somebody else was there first.
                continue;
            }
            let path = format!("{API}/namespaces/{NAMESPACE}/{kind}");
            let status = world.request(GITOPS, "POST", &path, &object);
            world.trace(|| format!("{GITOPS} creates {kind} again: {status}"));
            if !status.is_success() {
                world.violation(format!("{GITOPS} was answered {status} for a new {kind}"));
            }
            if let Some(new) = world.apiserver.get(kind, NAMESPACE, name) {
                person.asked_by_spec(world, &new["metadata"]["uid"], &new["spec"]);
            }
        }
    }
}

/// All of our objects are deleted, and created again once they are gone.
pub fn recreate(world: &World) {
    for kind in KINDS {
        for object in world.apiserver.list(kind) {
            // It is on its way already.
            if object["metadata"]["deletionTimestamp"].is_null() {
                delete(
                    world,
                    &format!("{API}/namespaces/{NAMESPACE}/{kind}"),
                    &object,
                );
                let again = json!({
                    "apiVersion": object["apiVersion"], "kind": object["kind"], "spec": object["spec"],
                    "metadata": {"name": object["metadata"]["name"], "namespace": NAMESPACE, "uid": object["metadata"]["uid"]},
                });
                world.others.plans().created_again.push((kind, again));
            }
        }
    }
}

/// The namespace is deleted: everything in it that people made, and nothing can be created there any more. The records are the
/// operator's, which has a namespace of its own.
pub fn delete_namespace(world: &World) {
    world.others.plans().terminating = true;
    for (api, kinds) in [(API, &KINDS[..]), ("/api/v1", &["configmaps", "secrets"])] {
        for kind in kinds {
            for object in world.apiserver.list(kind) {
                delete(
                    world,
                    &format!("{api}/namespaces/{NAMESPACE}/{kind}"),
                    &object,
                );
            }
        }
    }
}

fn delete(world: &World, path: &str, object: &Arc<Value>) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let status = world.request(ADMIN, "DELETE", &format!("{path}/{name}"), &json!({}));
    world.trace(|| format!("{ADMIN} deletes {path}/{name}: {status}"));
}

/// Whoever looks after the groups otherwise, as Terraform does, puts an image of its own into their scaling configurations.
pub fn reconfigure(world: &World) {
    let configurations: Vec<String> = {
        let cloud = world.cloud();
        cloud
            .world
            .resources
            .configurations
            .keys()
            .cloned()
            .collect()
    };
    for id in configurations {
        let params = [
            ("ScalingConfigurationId", json!(id)),
            ("ImageId", json!(THIRD_IMAGE)),
        ];
        let params = params.map(|(name, value)| (name.to_owned(), value));
        let answer = call(world, "ESS", "ModifyScalingConfiguration", params.into());
        world.trace(|| format!("somebody puts {THIRD_IMAGE} into {id}: {answer:?}"));
    }
}

/// All of our objects get another label.
pub fn label(world: &World) {
    let number = world.gate.passed().to_string();
    let patch = json!({"metadata": {"labels": {"applied": number}}});
    for kind in KINDS {
        for object in world.apiserver.list(kind) {
            change(world, GITOPS, kind, &object, "", &patch);
        }
    }
}

/// All of our objects are as they were when they were created.
pub fn wipe_statuses(world: &World) {
    for kind in KINDS {
        for object in world.apiserver.list(kind) {
            change(
                world,
                BACKUP,
                kind,
                &object,
                "/status",
                &json!({"status": null}),
            );
        }
    }
}

fn change(world: &World, user: &str, kind: &str, object: &Value, of: &str, patch: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let path = format!("{API}/namespaces/{NAMESPACE}/{kind}/{name}{of}");
    let status = world.request(user, "PATCH", &path, patch);
    if !status.is_success() {
        world.violation(format!("{user} was answered {status} for {kind} {name}"));
    }
}
