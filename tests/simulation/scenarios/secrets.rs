//! What must not be known to everybody: variables of containers that are gone back to, and credentials that go and come.

use serde_json::{Value, json};

use crate::canaries::MANIFEST;
use crate::operator::ACCESS_KEY;
use crate::scenario::{
    Act::{Annotate, Create, Delete},
    GROUP, Scenario,
    When::{Field, Gone, Later, Now, Paused},
    containers, eci_group, object, script, with,
};
use crate::world::{NAMESPACE, OPERATOR, PERSON};

/// The AccessKey of somebody in another account.
const STRANGER: (&str, &str) = ("stranger-key", "stranger-secret");

/// The Secret of [`with_credentials`], with this AccessKey.
fn credentials((id, secret): (&str, &str)) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "cloud", "namespace": NAMESPACE},
        "stringData": {"accessKeyId": id, "accessKeySecret": secret},
    })
}

fn with_credentials(more: Value) -> Value {
    let own = json!({"suspensionPolicy": "SuspendFirstBatch", "credentialsRef": {"name": "cloud"}});
    script("web", with(own, more))
}

/// An update of a variable, beside one that is not touched.
fn variables(more: Value) -> Value {
    let variable = json!({"key": "API_TOKEN", "value": MANIFEST});
    let app = json!({"name": "app", "image": "registry/app:v2", "environmentVar": [variable]});
    let update = json!({"update": {"containerGroup": {"containers": [app]}}});
    containers("web", with(update, more))
}

pub fn all() -> Vec<Scenario> {
    let eci = || json!({"scalingGroups": [eci_group(GROUP, 3)]});
    let back = || {
        let spec = json!({"taskRef": {"name": "web"}, "batches": 2});
        Create(object("Rollback", "back", spec))
    };
    vec![
        // Deleted by mistake: nothing is concluded, and nothing is lost.
        Scenario::new("credentials-gone-and-back", with_credentials(json!({})))
            .first(Create(credentials(ACCESS_KEY)))
            .then(Paused("web", 1), Delete("secrets/cloud"))
            .then(Later(90), Annotate("web", "continue", "1"))
            .then(Later(120), Create(credentials(ACCESS_KEY)))
            .ends("web", &["Succeeded"]),
        // What they show belongs to somebody else, and nothing of the run can be read from it.
        Scenario::new("credentials-of-another-account-for-a-while", with_credentials(json!({})))
            .cloud(json!({"principals": [
                {"name": OPERATOR, "accessKeyId": ACCESS_KEY.0, "accessKeySecret": ACCESS_KEY.1, "allow": ["*"]},
                {"name": PERSON, "accessKeyId": "person-key", "accessKeySecret": "person-secret", "allow": ["*"]},
                {"name": "stranger", "accountId": "1888888888888888", "accessKeyId": STRANGER.0, "accessKeySecret": STRANGER.1, "allow": ["*"]},
            ]}))
            .first(Create(credentials(ACCESS_KEY)))
            .then(Paused("web", 1), Delete("secrets/cloud"))
            .then(Now, Create(credentials(STRANGER)))
            .then(Later(90), Annotate("web", "cancel", "enough"))
            .then(Later(300), Delete("secrets/cloud"))
            .then(Now, Create(credentials(ACCESS_KEY)))
            // Of whose account nothing can be told from the start on there is nothing to compare.
            .one_fault()
            .ends("web", &["Cancelled"]),
        // As where a namespace is deleted. An operator that has known them puts the group back; one that has not waits.
        Scenario::new("credentials-gone-first", with_credentials(json!({})))
            .first(Create(credentials(ACCESS_KEY)))
            .then(Paused("web", 1), Delete("secrets/cloud"))
            .then(Later(10), Delete("web"))
            .then(Later(900), Create(credentials(ACCESS_KEY)))
            .then(Gone("web"), crate::scenario::Act::Wait)
            .ends("web", &["Gone"]),
        Scenario::new("variables-rolled-back", variables(json!({})))
            .cloud(eci())
            .then(Field("web", "/status/restore/done", true.into()), back())
            .ends("web", &["Succeeded"])
            .ends("rollbacks/back", &["Succeeded"]),
        // The rollback takes over, and what it goes back to outlives the task.
        Scenario::new(
            "variables-taken-over",
            variables(json!({"suspensionPolicy": "SuspendFirstBatch"})),
        )
        .cloud(eci())
        .then(Paused("web", 1), back())
        .then(
            Field("rollbacks/back", "/status/state", "Running".into()),
            Delete("web"),
        )
        .ends("rollbacks/back", &["Succeeded"])
        // Where container groups are left out twice, they are taken for gone.
        .or_misled(&["Failed"])
        .ends("web", &["Gone"])
        .or_misled(&["Cancelled"]),
    ]
}
