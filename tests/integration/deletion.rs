//! What happens to a run when its object is deleted.

use ess_rollout_test_support::process::find_program;
use serde_json::{Value, json};

use crate::scene::{CONFIGURATION, GROUP, Scene, image_task, script_task, with};

async fn gone(scene: &Scene, name: &str) {
    scene
        .eventually(&format!("{name} is gone"), async || {
            scene.find_task(name).await.is_none().then_some(())
        })
        .await;
}

/// The one execution that was started.
async fn started(scene: &Scene) -> Value {
    let listed = scene
        .console("OOS", "ListExecutions", json!({"RegionId": "cn-hangzhou"}))
        .await;
    let roots = listed["Executions"].as_array().unwrap().iter();
    let mut roots = roots.filter(|execution| {
        execution["ParentExecutionId"]
            .as_str()
            .is_none_or(str::is_empty)
    });
    let root = roots.next().unwrap().clone();
    assert!(roots.next().is_none(), "{listed}");
    root
}

/// Its status.
async fn execution(scene: &Scene) -> Value {
    started(scene).await["Status"].clone()
}

#[tokio::test]
async fn deleting_a_running_task_cancels_the_execution_and_restores_the_group_first() {
    let scene = Scene::start().await;
    scene
        .create(
            "web-v2",
            with(
                image_task(),
                json!({"suspensionPolicy": "SuspendFirstBatch"}),
            ),
        )
        .await;
    scene.until_paused("web-v2", 1).await;
    scene.delete("web-v2").await;
    // Until the object goes; which of its states is seen on the way is a matter of speed.
    scene
        .until("web-v2", "it is being cancelled", |task| {
            task["status"]["cancellation"]["reason"] == "Deletion"
        })
        .await;
    gone(&scene, "web-v2").await;

    assert_eq!(execution(&scene).await, "Cancelled");
    assert!(scene.asked("OOS", "CancelExecution").await >= 1);
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
    assert_eq!(scene.configuration_image(CONFIGURATION).await, "m-v1");
    assert!(
        scene
            .all_instances(GROUP, "lifecycleState", "InService")
            .await
    );
    assert!(scene.record(GROUP).await["status"]["holder"].is_null());
}

#[tokio::test]
async fn an_orphaned_run_goes_on_without_its_task() {
    let scene = Scene::start().await;
    scene.stop_time(true).await;
    scene
        .create(
            "agent",
            with(script_task(), json!({"deletionPolicy": "Orphan"})),
        )
        .await;
    scene.until_state("agent", "Running").await;
    scene.delete("agent").await;
    gone(&scene, "agent").await;
    assert!(scene.record(GROUP).await["status"]["holder"].is_null());
    // Nobody's object shows it any more.
    let leftovers = std::process::Command::new(find_program("kubectl-ess_rollout").unwrap())
        .args(["leftovers", GROUP, "--kubeconfig"])
        .arg(scene.installation.kubeconfig())
        .arg(format!(
            "--operator-namespace={}",
            scene.installation.namespace
        ))
        .output()
        .unwrap();
    let said = String::from_utf8(leftovers.stdout).unwrap();
    let id = started(&scene).await["ExecutionId"].clone();
    let shown = said
        .lines()
        .find(|line| line.contains("Execution"))
        .unwrap_or_default();
    assert!(
        shown.contains(id.as_str().unwrap()) && shown.contains("/agent"),
        "{said}{}",
        String::from_utf8_lossy(&leftovers.stderr)
    );
    scene.stop_time(false).await;
    scene
        .eventually("the execution ends", async || {
            (execution(&scene).await == "Success").then_some(())
        })
        .await;
    assert_eq!(scene.asked("OOS", "CancelExecution").await, 0);
    assert_eq!(
        scene.suspended_processes(GROUP).await,
        json!(["ScheduledAction"])
    );
}

#[tokio::test]
async fn a_finished_task_goes_at_once() {
    let scene = Scene::start().await;
    scene.create("agent", script_task()).await;
    scene.until_state("agent", "Succeeded").await;
    scene.delete("agent").await;
    gone(&scene, "agent").await;
    assert_eq!(scene.asked("OOS", "CancelExecution").await, 0);
    assert!(scene.record(GROUP).await["status"]["holder"].is_null());
}
