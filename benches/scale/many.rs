//! So many updates at once, from their creation until an operator that was killed has caught up.

use std::time::Duration;

use anyhow::Result;
use ess_rollout_test_support::ControlPlane;
use jiff::Timestamp;

use crate::cloud::name;
use crate::common::mebibytes;
use crate::flow::{self, PATIENCE};
use crate::report::{Sheet, number, seconds};
use crate::scene::{Scene, Spent, between};

const SETTLING_PAUSED: Duration = Duration::from_secs(150);
const WATCHED_PAUSED: Duration = Duration::from_secs(60);
const SETTLING_RUNNING: Duration = Duration::from_secs(120);
const WATCHED_RUNNING: Duration = Duration::from_secs(120);
/// People who ask one after the other, and how far apart.
const IN_TURN: usize = 20;
const APART: Duration = Duration::from_secs(3);
/// People who ask at once.
const CROWD: usize = 30;
/// How long there is no operator: longer than an instance takes, so that every update has gone on.
const ABSENCE: Duration = Duration::from_secs(75);
/// For how long after its start its calls are counted, at least.
const CATCHING_UP: Duration = Duration::from_secs(60);

/// Whether a figure is within its limit for this many tasks; there is none for other numbers.
fn within(tasks: usize, value: f64, limits: &[(usize, f64)]) -> bool {
    let limit = limits.iter().find(|(number, _)| *number == tasks);
    limit.is_none_or(|(_, limit)| value <= *limit)
}

pub async fn measure(control_plane: &ControlPlane, tasks: usize, sheet: &mut Sheet) -> Result<()> {
    let title = format!("{tasks} tasks");
    let groups = flow::groups(tasks);
    let mut scene = Scene::prepare(control_plane, &title, groups, "RollingUpdateTask").await?;
    sheet.note("operator ready after its start", seconds(scene.launch()?));
    starts(&mut scene, tasks, sheet).await?;
    pauses(&mut scene, tasks, sheet).await?;
    continues(&mut scene, tasks, sheet).await?;
    runs(&mut scene, tasks, sheet).await?;
    restart(&mut scene, tasks, sheet).await?;
    scene.end()
}

async fn starts(scene: &mut Scene, tasks: usize, sheet: &mut Sheet) -> Result<()> {
    let mark = scene.mark().await?;
    let created = flow::create(scene, tasks).await?;
    let waits = scene
        .arrivals("StartExecution", &mark, &created, PATIENCE)
        .await?;
    let (last, p50, p99) = (waits.last(), waits.percent(50), waits.percent(99));
    scene.say(format!("all are started; last {}", seconds(last)));
    sheet.hold(
        "create → StartExecution, last",
        seconds(last),
        "100: ≤30 s; 1,000: ≤150 s (1.2 × tasks/rate)",
        within(tasks, last.as_secs_f64(), &[(100, 30.0), (1000, 150.0)]),
    );
    sheet.hold(
        "create → StartExecution, p50",
        seconds(p50),
        "100: ≤10 s",
        within(tasks, p50.as_secs_f64(), &[(100, 10.0)]),
    );
    sheet.note("create → StartExecution, p99", seconds(p99));
    let spent = scene.until_then(&mark, waits.ended).await?;
    let each = number(spent.calls.values().sum()) / number(tasks);
    sheet.note(
        "calls of the cloud per start, until the last",
        format!("{each:.1}"),
    );
    let each = scene.requests_each(&mark, &waits)?;
    sheet.hold(
        "requests to the apiserver for a task from creation to started",
        format!("{each:.1}"),
        "≤12",
        each <= 12.0,
    );
    details(sheet, "in 10 s while all start", &spent);
    Ok(())
}

/// The calls of the cloud in 10 s, held to a limit that is set for 1,000 tasks.
fn hold_calls(
    sheet: &mut Sheet,
    what: &'static str,
    tasks: usize,
    (limit, target): (f64, &'static str),
    spent: &Spent,
) {
    let calls = spent.calls_in_10s();
    let met = within(tasks, calls, &[(1000, limit)]);
    sheet.hold(what, format!("{calls:.1}"), target, met);
}

fn details(sheet: &mut Sheet, when: &str, spent: &Spent) {
    sheet.detail(format!("calls {when}: {}", spent.words(&spent.calls)));
    sheet.detail(format!("requests {when}: {}", spent.words(&spent.requests)));
}

async fn pauses(scene: &mut Scene, tasks: usize, sheet: &mut Sheet) -> Result<()> {
    scene.until_all("BatchSuspended", PATIENCE, tasks).await?;
    scene.pass(SETTLING_PAUSED, "settling, paused").await?;
    let spent = scene.measure(WATCHED_PAUSED, "measuring, paused").await?;
    let limit = (25.0, "1,000: ≤25");
    hold_calls(
        sheet,
        "calls of the cloud in 10 s, all paused",
        tasks,
        limit,
        &spent,
    );
    let requests = spent.requests_in_10s();
    sheet.hold(
        "requests to the apiserver in 10 s, all paused",
        format!("{requests:.1}"),
        "0",
        spent.requests() == 0,
    );
    sheet.note("memory (RSS), all paused", mebibytes(scene.resident()?));
    details(sheet, "in 10 s while all are paused", &spent);
    Ok(())
}

async fn continues(scene: &mut Scene, tasks: usize, sheet: &mut Sheet) -> Result<()> {
    let in_turn = IN_TURN.min(tasks.div_ceil(3));
    let crowd = CROWD.min((tasks - in_turn).div_ceil(2));
    let names: Vec<String> = (0..in_turn).map(name).collect();
    let mark = scene.mark().await?;
    let asked = scene.people.go_on_in_turn(&names, APART).await?;
    let waits = scene
        .arrivals("NotifyExecution", &mark, &asked, PATIENCE)
        .await?;
    let (p50, p99) = (waits.percent(50), waits.percent(99));
    sheet.note(
        "annotation → NotifyExecution, 20 people in turn, p50",
        seconds(p50),
    );
    sheet.hold(
        "annotation → NotifyExecution, 20 people in turn, p99",
        seconds(p99),
        "1,000: ≤5 s",
        within(tasks, p99.as_secs_f64(), &[(1000, 5.0)]),
    );
    let waits = flow::go_on(scene, in_turn..in_turn + crowd).await?;
    sheet.note(
        "annotation → NotifyExecution, 30 people at once, last",
        seconds(waits.last()),
    );
    if in_turn + crowd < tasks {
        let waits = flow::go_on(scene, in_turn + crowd..tasks).await?;
        sheet.note(
            "annotation → NotifyExecution, all others at once, last",
            seconds(waits.last()),
        );
    }
    Ok(())
}

async fn runs(scene: &mut Scene, tasks: usize, sheet: &mut Sheet) -> Result<()> {
    flow::until_running(scene, tasks).await?;
    scene.pass(SETTLING_RUNNING, "settling, running").await?;
    let mark = scene.mark().await?;
    scene.pass(WATCHED_RUNNING, "measuring, running").await?;
    let to = Timestamp::now();
    let spent = scene.until_then(&mark, to).await?;
    let limit = (60.0, "1,000: ≤60");
    hold_calls(
        sheet,
        "calls of the cloud in 10 s, all running",
        tasks,
        limit,
        &spent,
    );
    let load = |used| format!("{:.1} %", spent.load(used));
    sheet.note(
        "processor of the operator, all running",
        load(spent.operator),
    );
    sheet.note(
        "processor of the emulator, all running",
        load(spent.emulator),
    );
    let resident = scene.resident()?;
    sheet.hold(
        "memory (RSS), all running",
        mebibytes(resident),
        "1,000: ≤56 MiB",
        tasks != 1000 || resident <= 56 << 20,
    );
    sheet.note("memory, peak (VmHWM)", mebibytes(scene.peak()?));
    details(sheet, "in 10 s while all run", &spent);
    let changes = flow::shown(scene, &mark, to).await?;
    sheet.note(
        "requests to the apiserver per updated instance",
        format!("{:.1}", number(spent.requests()) / number(changes.count())),
    );
    let (p50, p99) = (changes.percent(50), changes.percent(99));
    sheet.note(
        "instance done in OOS → shown in the status, p50",
        seconds(p50),
    );
    sheet.hold(
        "instance done in OOS → shown in the status, p99",
        seconds(p99),
        "300: ≤30 s (2 polls + progress interval)",
        within(tasks, p99.as_secs_f64(), &[(300, 30.0)]),
    );
    Ok(())
}

async fn restart(scene: &mut Scene, tasks: usize, sheet: &mut Sheet) -> Result<()> {
    scene.kill()?;
    scene.pass(ABSENCE, "the operator is killed").await?;
    let mark = scene.mark().await?;
    sheet.note(
        "restart beside all that run: ready after",
        seconds(scene.launch()?),
    );
    let active: Vec<String> = {
        let board = scene.seen.board();
        let active = board.objects.iter().filter(|(_, o)| !o.is_final());
        active.map(|(name, _)| name.clone()).collect()
    };
    let since = mark.at;
    scene
        .until("are written anew", PATIENCE, active.len(), |board| {
            let fresh =
                |name: &&String| board.objects.get(*name).is_some_and(|o| o.written > since);
            active.iter().filter(fresh).count()
        })
        .await?;
    let looked_at = between(since, Timestamp::now());
    sheet.hold(
        "restart: each status written anew after",
        seconds(looked_at),
        "≤60 s",
        looked_at <= CATCHING_UP,
    );
    if let Some(left) = CATCHING_UP.checked_sub(looked_at) {
        scene.pass(left, "counting on").await?;
    }
    let first = jiff::SignedDuration::try_from(CATCHING_UP)?;
    let spent = scene.until_then(&mark, since + first).await?;
    let limit = (60.0, "1,000: ≤60");
    hold_calls(
        sheet,
        "restart: calls of the cloud in 10 s, over the first 60 s",
        tasks,
        limit,
        &spent,
    );
    sheet.note(
        "restart: requests to the apiserver in the first 60 s",
        spent.requests().to_string(),
    );
    sheet.note("restart: memory, peak", mebibytes(scene.peak()?));
    details(sheet, "in 10 s over 60 s from the restart on", &spent);
    Ok(())
}
