//! Whose credentials a task runs with.

use serde_json::json;

use crate::scene::{Scene, Setup, assert_says, condition, fixture, kstatus, script_task, with};

/// A task with the Secret `team`.
fn own_secret() -> serde_json::Value {
    with(script_task(), json!({"credentialsRef": {"name": "team"}}))
}

#[tokio::test]
async fn a_task_runs_with_the_access_key_of_its_secret() {
    let mut fixture = fixture();
    fixture["principals"].as_array_mut().unwrap().push(json!({
        "name": "team", "accessKeyId": "team-key", "accessKeySecret": "team-secret", "allow": ["*"],
    }));
    let scene = Scene::with(Setup {
        fixture,
        // Nobody may use the operator's own.
        values: json!({"ownCredentials": {"namespaces": ["elsewhere"]}}),
        ..Setup::default()
    })
    .await;

    scene.create("agent", own_secret()).await;
    let task = scene
        .until_condition("agent", "Preflight", "False", "CredentialsRejected")
        .await;
    let message = &condition(&task, "Preflight")["message"];
    assert_says(
        message,
        &[
            &format!("Secret {}/team", scene.namespace),
            "does not exist",
            "accessKeyId",
            "accessKeySecret",
        ],
    );
    assert_eq!(kstatus(&task), "Failed");

    scene
        .create_secret("team", json!({"accessKeyId": "team-key"}))
        .await;
    scene.poke("agent").await;
    scene
        .until("agent", "the missing key is named", |task| {
            condition(task, "Preflight")["message"]
                .as_str()
                .is_some_and(|text| text.contains("key accessKeySecret is missing"))
        })
        .await;

    scene
        .create_secret(
            "team",
            json!({"accessKeyId": "team-key", "accessKeySecret": "wrong-value"}),
        )
        .await;
    scene.poke("agent").await;
    let task = scene
        .until("agent", "the signature is refused", |task| {
            condition(task, "Preflight")["message"]
                .as_str()
                .is_some_and(|text| text.contains("SignatureDoesNotMatch"))
        })
        .await;
    assert!(!task.to_string().contains("wrong-value"));

    scene
        .create_secret(
            "team",
            json!({"accessKeyId": "team-key", "accessKeySecret": "team-secret"}),
        )
        .await;
    scene.poke("agent").await;
    scene.until_state("agent", "Succeeded").await;
    let start = &scene
        .emulator
        .journal("OOS", "StartExecution")
        .await
        .unwrap()[0];
    assert_eq!(start["principal"], "team");

    // The other namespace's task, without a Secret, is not run with anybody's.
    scene.create("own", script_task()).await;
    let task = scene
        .until_condition("own", "Preflight", "False", "CredentialsNotAllowed")
        .await;
    assert_says(
        &condition(&task, "Preflight")["message"],
        &[
            &scene.namespace,
            "spec.credentialsRef",
            "--own-credentials-namespaces",
        ],
    );
}

#[tokio::test]
async fn secrets_are_not_logged() {
    let mut fixture = fixture();
    fixture["principals"].as_array_mut().unwrap().push(json!({
        "name": "team", "accessKeyId": "team-key-id-0123", "accessKeySecret": "team-secret-0123", "allow": ["*"],
    }));
    let scene = Scene::with(Setup {
        fixture,
        values: json!({"log": {"level": "trace"}}),
        ..Setup::default()
    })
    .await;
    scene
        .create_secret(
            "team",
            json!({"accessKeyId": "team-key-id-0123", "accessKeySecret": "team-secret-0123"}),
        )
        .await;
    scene.create("agent", own_secret()).await;
    scene.until_state("agent", "Succeeded").await;
    scene.create("own", script_task()).await;
    let own = scene.until_state("own", "Succeeded").await;
    let mut scene = scene;
    let log = scene.operator.process().log();
    assert!(log.contains("operator is ready"));
    for secret in ["team-secret-0123", "operator-secret"] {
        assert!(!log.contains(secret));
        assert!(!own.to_string().contains(secret));
    }
}

#[tokio::test]
async fn a_ram_role_has_to_be_allowed_and_is_then_what_oos_acts_as() {
    let values = json!({"ownCredentials": {"ramRoles": ["OOSServiceRole"]}});
    let scene = Scene::with(Setup {
        values,
        ..Setup::default()
    })
    .await;
    scene
        .create(
            "other",
            with(script_task(), json!({"ramRole": "Administrator"})),
        )
        .await;
    let task = scene
        .until_condition("other", "Preflight", "False", "RamRoleNotAllowed")
        .await;
    assert_says(
        &condition(&task, "Preflight")["message"],
        &[
            "spec.ramRole",
            "Administrator",
            "--own-credentials-ram-roles",
        ],
    );

    scene
        .create(
            "agent",
            with(script_task(), json!({"ramRole": "OOSServiceRole"})),
        )
        .await;
    scene.until_state("agent", "Succeeded").await;
    let calls = scene.emulator.calls().await.unwrap();
    let command = calls
        .iter()
        .find(|call| call["action"] == "RunCommand")
        .unwrap();
    assert_says(&command["principal"], &["assumed-role/OOSServiceRole"]);
}
