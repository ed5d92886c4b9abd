//! What others do to our objects.

use serde_json::{Value, json};

use crate::world::{KINDS, NAMESPACE, World};

/// Whoever applies what is in Git.
const GITOPS: &str = "gitops";
/// Whoever puts back what is in a backup.
pub const BACKUP: &str = "backup";

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
    let api = "/apis/ess-rollout.io/v1alpha1";
    let path = format!("{api}/namespaces/{NAMESPACE}/{kind}/{name}{of}");
    let status = world.request(user, "PATCH", &path, patch);
    if !status.is_success() {
        world.violation(format!("{user} was answered {status} for {kind} {name}"));
    }
}
