//! The life of many updates, up to where all of them run.

use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;

use crate::cloud::{Groups, name, script};
use crate::journal;
use crate::people::Answered;
use crate::scene::{Mark, Scene, Waits, between};

/// Of each group, and so many batches.
pub const INSTANCES: usize = 50;
/// How long anything may take.
pub const PATIENCE: Duration = Duration::from_secs(1200);

/// The groups of so many updates. Something changes in each about once a minute.
pub fn groups(tasks: usize) -> Groups {
    Groups {
        count: tasks,
        instances: INSTANCES,
        command_seconds: 60,
    }
}

/// Creates the tasks, all at once.
pub async fn create(scene: &Scene, tasks: usize) -> Result<Answered> {
    let more = json!({"batches": INSTANCES, "suspensionPolicy": "SuspendFirstBatch"});
    let manifests = (0..tasks).map(|number| script(number, &more));
    let created = scene.people.create_all(manifests).await?;
    scene.say(format!("{tasks} created"));
    Ok(created)
}

/// Asks for all of them to go on, and waits until they do. Gives how long after the person's request OOS was told.
pub async fn go_on(scene: &mut Scene, numbers: std::ops::Range<usize>) -> Result<Waits> {
    let names: Vec<String> = numbers.map(name).collect();
    let mark = scene.mark().await?;
    let asked = scene.people.all_go_on(&names).await?;
    scene.say(format!("{} asked to go on", names.len()));
    scene
        .arrivals("NotifyExecution", &mark, &asked, PATIENCE)
        .await
}

/// Waits until all of them go on after the pause.
pub async fn until_running(scene: &mut Scene, tasks: usize) -> Result<()> {
    scene.until_all("Running", PATIENCE, tasks).await
}

/// How long it took until each instance that was done with between these moments was shown as updated. Waits for those that are
/// not yet.
pub async fn shown(scene: &mut Scene, mark: &Mark, to: Timestamp) -> Result<Waits> {
    let mut done = journal::instances_done(&scene.emulator, mark.call).await?;
    done.retain(|call| call.at <= to);
    let ids: Vec<(&str, Timestamp)> = done
        .iter()
        .filter_map(|call| Some((call.instance()?, call.at)))
        .collect();
    let all = ids.len();
    scene
        .until("updated instances are shown", PATIENCE, all, |board| {
            ids.iter()
                .filter(|(id, _)| board.updated.contains_key(*id))
                .count()
        })
        .await?;
    let board = scene.seen.board();
    let waits = ids
        .iter()
        .map(|(id, done)| between(*done, board.updated[*id]));
    let last = ids.iter().map(|(id, _)| board.updated[*id]).max();
    Waits::new(waits.collect(), last.unwrap_or(to))
}
