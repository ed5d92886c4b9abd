//! One update of very many instances.

use std::time::Duration;

use anyhow::Result;
use ess_rollout_test_support::ControlPlane;
use serde_json::json;

use crate::cloud::{Groups, name, script};
use crate::common::mebibytes;
use crate::report::{Sheet, seconds};
use crate::scene::{Scene, between};

const INSTANCES: usize = 1000;
const BATCHES: usize = 100;
const PATIENCE: Duration = Duration::from_secs(3600);

pub async fn measure(control_plane: &ControlPlane, sheet: &mut Sheet) -> Result<()> {
    let groups = Groups {
        count: 1,
        instances: INSTANCES,
        command_seconds: 2,
    };
    let mut scene = Scene::start(control_plane, "large", groups, "RollingUpdateTask").await?;
    let mark = scene.mark().await?;
    let task = script(0, &json!({"batches": BATCHES}));
    scene.people.create(&task).await?;
    scene
        .until("has ended", PATIENCE, 1, |board| {
            board.count(|object| object.is_final())
        })
        .await?;
    let written = scene.seen.board().objects.get(&name(0)).map(|o| o.written);
    let spent = scene.since(&mark).await?;
    let task = scene.people.api.get(&name(0)).await?;
    sheet.hold(
        "state at its end",
        task.data["status"]["state"].to_string(),
        "\"Succeeded\"",
        task.data["status"]["state"] == "Succeeded",
    );
    if let Some(written) = written {
        sheet.note("time until it is done", seconds(between(mark.at, written)));
    }
    let writes = spent.requests.get("patch rollingupdatetasks/status");
    sheet.note(
        "writes of its status",
        writes.copied().unwrap_or_default().to_string(),
    );
    sheet.note(
        "requests to the apiserver, all",
        spent.requests().to_string(),
    );
    sheet.note("Events", spent.events.to_string());
    sheet.note(
        "size of the object, JSON",
        kibibytes(serde_json::to_vec(&task)?.len()),
    );
    sheet.note(
        "of which its status",
        kibibytes(task.data["status"].to_string().len()),
    );
    sheet.note("processor of the operator", seconds(spent.operator));
    sheet.note("processor of the emulator", seconds(spent.emulator));
    sheet.note("memory of the operator, peak", mebibytes(scene.peak()?));
    sheet.note(
        "calls of the cloud in 10 s",
        format!("{:.1}", spent.calls_in_10s()),
    );
    sheet.detail(format!("calls in 10 s: {}", spent.words(&spent.calls)));
    sheet.detail(format!(
        "requests in 10 s: {}",
        spent.words(&spent.requests)
    ));
    scene.end()
}

fn kibibytes(bytes: usize) -> String {
    format!("{} KiB", bytes.div_ceil(1024))
}
