//! Nothing to do, and one task after the other: what a lone person meets.

use std::time::Duration;

use anyhow::Result;
use ess_rollout_test_support::ControlPlane;
use serde_json::json;

use crate::cloud::{Groups, name, script};
use crate::common::mebibytes;
use crate::people::Answered;
use crate::report::{Sheet, seconds};
use crate::scene::{Scene, Waits};

const SAMPLES: usize = 12;
/// Between two samples, so that what is measured is one update and not a queue of them.
const BREATH: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(180);
const LATENCY: Duration = Duration::from_millis(500);

pub async fn measure(control_plane: &ControlPlane, sheet: &mut Sheet) -> Result<()> {
    let groups = Groups {
        count: SAMPLES,
        instances: 4,
        command_seconds: 2,
    };
    let mut scene = Scene::prepare(control_plane, "idle", groups, "RollingUpdateTask").await?;
    sheet.note("ready after its start", seconds(scene.launch()?));
    let resident = scene.resident()?;
    sheet.hold(
        "memory (RSS)",
        mebibytes(resident),
        "≤15 MiB",
        resident <= 15 << 20,
    );
    let (mut starts, mut continues) = (Vec::new(), Vec::new());
    for number in 0..SAMPLES {
        starts.push(create(&mut scene, number).await?);
        scene
            .until("waits for a person", PATIENCE, 1, |board| {
                usize::from(board.state(&name(number)) == "BatchSuspended")
            })
            .await?;
        tokio::time::sleep(BREATH).await;
        continues.push(go_on(&mut scene, number).await?);
        scene
            .until("has ended", PATIENCE, 1, |board| {
                usize::from(board.state(&name(number)) == "Succeeded")
            })
            .await?;
        tokio::time::sleep(BREATH).await;
    }
    let now = jiff::Timestamp::now();
    let rows = [
        (
            "create → StartExecution, one task after the other, p50",
            "create → StartExecution, one task after the other, p99",
            Waits::new(starts, now)?,
        ),
        (
            "annotation → NotifyExecution, one task after the other, p50",
            "annotation → NotifyExecution, one task after the other, p99",
            Waits::new(continues, now)?,
        ),
    ];
    for (p50, p99, waits) in rows {
        sheet.note(p50, seconds(waits.percent(50)));
        let value = waits.percent(99);
        sheet.hold(p99, seconds(value), "≤500 ms", value <= LATENCY);
    }
    sheet.note(
        "memory (RSS) beside what has ended",
        mebibytes(scene.resident()?),
    );
    scene.end()
}

async fn create(scene: &mut Scene, number: usize) -> Result<Duration> {
    let more = json!({"batches": 2, "suspensionPolicy": "SuspendFirstBatch"});
    let mark = scene.mark().await?;
    let asked = Answered::from([scene.people.create(&script(number, &more)).await?]);
    let waits = scene
        .arrivals("StartExecution", &mark, &asked, PATIENCE)
        .await?;
    Ok(waits.last())
}

async fn go_on(scene: &mut Scene, number: usize) -> Result<Duration> {
    let mark = scene.mark().await?;
    let (name, at) = scene.people.go_on(&name(number)).await?;
    let asked = Answered::from([(name, at)]);
    let waits = scene
        .arrivals("NotifyExecution", &mark, &asked, PATIENCE)
        .await?;
    Ok(waits.last())
}
