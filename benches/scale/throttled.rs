//! Half of all calls to OOS are refused as too many for ten minutes, while updates run.

use std::time::Duration;

use anyhow::Result;
use ess_rollout_test_support::ControlPlane;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::flow::{self, PATIENCE};
use crate::journal;
use crate::report::{Sheet, number, seconds};
use crate::scene::{Mark, Scene, between};

const TASKS: usize = 300;
const SETTLING: Duration = Duration::from_secs(120);
const WATCHED: Duration = Duration::from_secs(120);
/// While the faults are given, which takes some seconds.
const NOTICE: SignedDuration = SignedDuration::from_secs(20);
const THROTTLED: Duration = Duration::from_secs(600);
/// Calls of which every other one is refused. Those beyond are all answered; the report says how many were refused.
const CALLS: u64 = 6000;
const CURRENT: Duration = Duration::from_secs(60);

pub async fn measure(control_plane: &ControlPlane, sheet: &mut Sheet) -> Result<()> {
    let mut scene = Scene::start(
        control_plane,
        "throttled",
        flow::groups(TASKS),
        "RollingUpdateTask",
    )
    .await?;
    flow::create(&scene, TASKS).await?;
    scene.until_all("BatchSuspended", PATIENCE, TASKS).await?;
    flow::go_on(&mut scene, 0..TASKS).await?;
    flow::until_running(&mut scene, TASKS).await?;
    scene.pass(SETTLING, "settling, running").await?;
    let before = scene.measure(WATCHED, "measuring, unthrottled").await?;
    sheet.note(
        "calls of the cloud in 10 s before",
        format!("{:.1}", before.calls_in_10s()),
    );
    sheet.detail(format!(
        "calls in 10 s before: {}",
        before.words(&before.calls)
    ));

    let begins = Timestamp::now() + NOTICE;
    throttle(&scene, begins).await?;
    scene
        .pass(between(Timestamp::now(), begins), "faults are given")
        .await?;
    let mark = scene.mark().await?;
    let spent = scene.measure(THROTTLED, "throttled").await?;
    let ended = Timestamp::now();
    let refused = journal::of_operator(&scene.emulator, mark.call, None).await?;
    let refused = refused.iter().filter(|call| !call.succeeded()).count();
    let calls = spent.calls_in_10s();
    sheet.hold(
        "calls of the cloud in 10 s while throttled",
        format!("{calls:.1}"),
        "≤ those before + 5 %",
        calls <= before.calls_in_10s() * 1.05,
    );
    sheet.note(
        "of which refused",
        format!("{:.1}", number(refused) / spent.seconds * 10.0),
    );
    sheet.detail(format!(
        "calls in 10 s while throttled: {}",
        spent.words(&spent.calls)
    ));
    let failed = scene.seen.board().count(|object| object.state == "Failed");
    sheet.hold("failed tasks", failed.to_string(), "0", failed == 0);
    recover(&mut scene, &mark, ended, sheet).await?;
    scene.end()
}

/// Refuses every other call to OOS from then on: a fault for each of those calls, as one fault hits calls in a row. All come
/// into force at the same moment, and so count the same calls.
async fn throttle(scene: &Scene, begins: Timestamp) -> Result<()> {
    for nth in (1..=CALLS).step_by(2) {
        let fault = json!({
            "service": "OOS",
            "nth": nth,
            "afterSeconds": between(Timestamp::now(), begins).as_secs_f64(),
            "forSeconds": THROTTLED.as_secs_f64(),
            "effect": {"kind": "throttle"},
        });
        scene.emulator.add_fault(&fault).await?;
    }
    Ok(())
}

/// How long it takes until everything is shown again as it is.
async fn recover(
    scene: &mut Scene,
    mark: &Mark,
    ended: Timestamp,
    sheet: &mut Sheet,
) -> Result<()> {
    let changes = flow::shown(scene, mark, ended).await?;
    let current = between(ended, changes.ended);
    sheet.hold(
        "after its end, until every instance done by then is shown",
        seconds(current),
        "≤60 s",
        current <= CURRENT,
    );
    sheet.note(
        "instance done in OOS → shown while throttled, p50",
        seconds(changes.percent(50)),
    );
    sheet.note(
        "instance done in OOS → shown while throttled, p99",
        seconds(changes.percent(99)),
    );
    scene
        .until("are written anew", PATIENCE, TASKS, |board| {
            board.count(|object| object.written > ended)
        })
        .await?;
    sheet.note(
        "after its end, until each status is written anew (something changes in each about once a minute)",
        seconds(between(ended, Timestamp::now())),
    );
    Ok(())
}
