//! The operator with the rights of an installed chart, and no more.

use serde_json::json;

use crate::scene::{Scene, Setup, image_task, script_task, with};
use ess_rollout_test_support::{AuditLog, ControlPlane};

/// What the operator does in a run with a pause, a Secret and a deletion.
async fn work(scene: &Scene) {
    scene
        .create_secret(
            "team",
            json!({"accessKeyId": "operator-key", "accessKeySecret": "operator-secret"}),
        )
        .await;
    let spec = json!({"suspensionPolicy": "SuspendFirstBatch", "credentialsRef": {"name": "team"}, "runKey": "r1"});
    scene.create("web-v2", with(image_task(), spec)).await;
    scene.until_paused("web-v2", 1).await;
    scene.request("web-v2", "continue", "1").await;
    scene.until_state("web-v2", "Succeeded").await;
    scene
        .create(
            "agent",
            with(
                script_task(),
                json!({"suspensionPolicy": "SuspendFirstBatch"}),
            ),
        )
        .await;
    scene.until_paused("agent", 1).await;
    scene.delete("agent").await;
    scene
        .eventually("agent is gone", async || {
            scene.find_task("agent").await.is_none().then_some(())
        })
        .await;
}

fn assert_nothing_was_refused(scene: &Scene) {
    let user = scene.installation.user();
    let log: AuditLog = scene.control_plane().audit_log();
    assert!(
        log.entries()
            .unwrap()
            .iter()
            .any(|entry| entry.user.username == user)
    );
    assert_eq!(log.refused(&user).unwrap(), [] as [String; 0]);
}

#[tokio::test]
async fn an_installation_for_some_namespaces_can_do_all_it_has_to() {
    let scene = Scene::start().await;
    work(&scene).await;
    assert_nothing_was_refused(&scene);
}

/// On a control plane of its own: the operator looks after the tasks of all namespaces there.
#[tokio::test]
async fn an_installation_for_the_cluster_can_do_all_it_has_to() {
    let control_plane: &'static ControlPlane = Box::leak(Box::new(ControlPlane::start().unwrap()));
    let values =
        json!({"watchNamespaces": [], "crds": {"enabled": true}, "rbac": {"aggregate": true}});
    let scene = Scene::on(
        control_plane,
        Setup {
            values,
            ..Setup::default()
        },
    )
    .await;
    work(&scene).await;

    // A namespace that came later, and may not use the operator's own credentials.
    let other = scene.kubectl.namespace("other").unwrap();
    let task = crate::scene::task("agent", script_task());
    scene.kubectl.apply(&other, &task.to_string()).unwrap();
    scene
        .kubectl
        .wait(
            &other,
            "rollingupdatetask/agent",
            "jsonpath={.status.conditions[?(@.type==\"Preflight\")].reason}=CredentialsNotAllowed",
            crate::scene::PATIENCE,
        )
        .unwrap();
    assert_nothing_was_refused(&scene);
}
