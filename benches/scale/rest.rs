//! Very many objects in which nothing happens: updates that have ended, and image updates that wait for their time.

use std::time::Duration;

use anyhow::Result;
use ess_rollout_test_support::ControlPlane;
use serde_json::{Value, json};

use crate::cloud::{Groups, name, schedule, script};
use crate::common::mebibytes;
use crate::people::Answered;
use crate::report::{Sheet, seconds};
use crate::scene::{Scene, Spent, Waits};

const FINISHED: usize = 10_000;
const SCHEDULES: usize = 1000;
/// New tasks beside those that have ended, one after the other.
const SAMPLES: usize = 5;
const SETTLING: Duration = Duration::from_secs(30);
const WATCHED: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(900);

pub async fn finished(control_plane: &ControlPlane, sheet: &mut Sheet) -> Result<()> {
    let groups = Groups {
        count: 1 + SAMPLES,
        instances: 10,
        command_seconds: 1,
    };
    let mut scene = Scene::start(control_plane, "finished", groups, "RollingUpdateTask").await?;
    scene
        .people
        .create(&script(0, &json!({"batches": 1})))
        .await?;
    scene.until_all("Succeeded", PATIENCE, 1).await?;
    // What follows the end is written by then: the record of the group is given back.
    scene.pass(SETTLING, "one has ended; settling").await?;
    scene.stop()?;
    let ended = serde_json::to_value(scene.people.api.get(&name(0)).await?)?;
    let copies = (1..FINISHED).map(|number| copy(&ended, number));
    let made = scene.people.create_with_status(copies).await?;
    scene.say(format!("{} copies made", made.len()));

    sheet.note("restart beside them: ready after", seconds(scene.launch()?));
    scene.pass(SETTLING, "settling").await?;
    let resident = scene.resident()?;
    sheet.hold(
        "memory (RSS)",
        mebibytes(resident),
        "≤40 MiB",
        resident <= 40 << 20,
    );
    sheet.note("memory, peak (VmHWM)", mebibytes(scene.peak()?));
    let spent = scene.measure(WATCHED, "measuring at rest").await?;
    at_rest(sheet, &spent);
    let mut waits = Vec::new();
    for number in 1..=SAMPLES {
        let mut task = script(number, &json!({"batches": 1}));
        task["metadata"]["name"] = json!(format!("new-{}", name(number)));
        waits.push(start(&mut scene, number, &task).await?);
    }
    let waits = Waits::new(waits, jiff::Timestamp::now())?;
    sheet.note("create → StartExecution, p50", seconds(waits.percent(50)));
    sheet.note("create → StartExecution, last of 5", seconds(waits.last()));
    scene.end()
}

/// The same with another name, as if it were another one, and its status.
fn copy(ended: &Value, number: usize) -> (Value, Value) {
    let mut metadata = json!({"name": name(number)});
    for field in ["annotations", "labels", "finalizers"] {
        if let Some(value) = ended["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    let manifest = json!({
        "apiVersion": ended["apiVersion"],
        "kind": ended["kind"],
        "metadata": metadata,
        "spec": ended["spec"],
    });
    (manifest, ended["status"].clone())
}

/// Between two of them, or the next would wait for the tokens that the end of the last has taken.
const BREATH: Duration = Duration::from_secs(2);

/// Creates a task, waits until it has ended, and gives how long its start took. A call is known by its group.
async fn start(scene: &mut Scene, number: usize, task: &Value) -> Result<Duration> {
    let mark = scene.mark().await?;
    let (made, at) = scene.people.create(task).await?;
    let asked = Answered::from([(name(number), at)]);
    let waits = scene
        .arrivals("StartExecution", &mark, &asked, PATIENCE)
        .await?;
    scene
        .until("has ended", PATIENCE, 1, |board| {
            usize::from(board.state(&made) == "Succeeded")
        })
        .await?;
    tokio::time::sleep(BREATH).await;
    Ok(waits.last())
}

fn at_rest(sheet: &mut Sheet, spent: &Spent) {
    let calls: usize = spent.calls.values().sum();
    sheet.hold(
        "calls of the cloud in 60 s at rest",
        calls.to_string(),
        "0",
        calls == 0,
    );
    sheet.hold(
        "requests to the apiserver in 60 s at rest",
        spent.requests().to_string(),
        "0",
        spent.requests() == 0,
    );
    sheet.note(
        "processor of the operator at rest",
        format!("{:.1} %", spent.load(spent.operator)),
    );
    if calls + spent.requests() > 0 {
        sheet.detail(format!("calls in 10 s: {}", spent.words(&spent.calls)));
        sheet.detail(format!(
            "requests in 10 s: {}",
            spent.words(&spent.requests)
        ));
    }
}

pub async fn schedules(control_plane: &ControlPlane, sheet: &mut Sheet) -> Result<()> {
    let groups = Groups {
        count: SCHEDULES,
        instances: 1,
        command_seconds: 1,
    };
    let mut scene = Scene::start(control_plane, "schedules", groups, "ImageUpdateTask").await?;
    let tasks = (0..SCHEDULES).map(schedule);
    scene.people.create_all(tasks).await?;
    scene
        .until("have a state", PATIENCE, SCHEDULES, |board| {
            board.count(|object| !object.state.is_empty())
        })
        .await?;
    let state = scene.seen.board().state(&name(0)).to_owned();
    sheet.note("state", state);
    scene.pass(SETTLING, "settling").await?;
    sheet.note("memory (RSS)", mebibytes(scene.resident()?));
    sheet.note("memory, peak (VmHWM)", mebibytes(scene.peak()?));
    let spent = scene.measure(WATCHED, "measuring at rest").await?;
    at_rest(sheet, &spent);
    scene.kill()?;
    let mark = scene.mark().await?;
    sheet.note("restart beside them: ready after", seconds(scene.launch()?));
    scene.pass(WATCHED, "after the restart").await?;
    let spent = scene.since(&mark).await?;
    let calls: usize = spent.calls.values().sum();
    sheet.note("restart: calls of the cloud in 60 s", calls.to_string());
    sheet.note(
        "restart: requests to the apiserver in 60 s",
        spent.requests().to_string(),
    );
    scene.end()
}
