//! Two operators, of which one leads.

use std::time::{Duration, Instant};

use ess_rollout_test_support::Operator;
use jiff::Timestamp;
use serde_json::json;

use crate::scene::{Scene, Setup, script_task, with};

/// After a crash another one leads by then, at the times that the chart sets.
const AFTER_CRASH: Duration = Duration::from_secs(17);
/// After the word to stop.
const AFTER_STOP: Duration = Duration::from_secs(3);
const LOOK: Duration = Duration::from_millis(100);
/// How often an operator reads the Lease before it goes about it at its pace: a list for its watch, and looks of its own.
const AS_IT_BEGINS: usize = 4;

async fn leads(scene: &Scene, operator: &Operator) -> bool {
    let lease = scene
        .options
        .flags
        .iter()
        .find_map(|flag| flag.strip_prefix("--leader-elect-lease-name="));
    let series = format!(
        "leader_election_master_status{{name=\"{}\"}}",
        lease.unwrap()
    );
    operator.metric(&series).await == Some(1.0)
}

/// How long it takes until it leads.
async fn until_it_leads(scene: &Scene, operator: &Operator, since: Instant) -> Duration {
    while !leads(scene, operator).await {
        assert!(
            since.elapsed() < Duration::from_secs(60),
            "it does not lead"
        );
        tokio::time::sleep(LOOK).await;
    }
    since.elapsed()
}

/// The one that the scene has leads; the other stands by.
async fn two() -> (Scene, Operator) {
    let values = json!({"replicaCount": 2, "leaderElection": {"enabled": true}});
    let scene = Scene::with(Setup {
        values,
        ..Setup::default()
    })
    .await;
    until_it_leads(&scene, &scene.operator, Instant::now()).await;
    let other = Operator::start(&scene.options).unwrap();
    assert!(!leads(&scene, &other).await);
    (scene, other)
}

#[tokio::test]
async fn whichever_leads_an_update_goes_on_and_nothing_happens_twice() {
    let (mut scene, mut other) = two().await;
    let spec = json!({"suspensionPolicy": "SuspendEachBatch"});
    scene.create("agent", with(script_task(), spec)).await;
    scene.until_paused("agent", 1).await;

    let since = Instant::now();
    scene.operator.process().kill().unwrap();
    scene.request("agent", "continue", "1").await;
    let took = until_it_leads(&scene, &other, since).await;
    assert!(took <= AFTER_CRASH, "{took:?}");
    scene.until_paused("agent", 2).await;
    assert_eq!(scene.notifications("Approve").await, 1);

    scene.operator.launch().unwrap();
    scene.operator.wait_ready().unwrap();
    assert!(!leads(&scene, &scene.operator).await);
    let since = Instant::now();
    let stopping = tokio::task::spawn_blocking(move || other.process().stop());
    let took = until_it_leads(&scene, &scene.operator, since).await;
    assert!(took <= AFTER_STOP, "{took:?}");
    let ended = stopping.await.unwrap().unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
    scene.request("agent", "continue", "2").await;
    scene.until_state("agent", "Succeeded").await;
    assert_eq!(scene.starts().await, 1);
    assert_eq!(scene.effects("StartExecution").await, 1);
    assert_eq!(scene.notifications("Approve").await, 2);
}

/// It watches, and reads the lease; it changes nothing and asks the cloud nothing.
#[tokio::test]
async fn who_stands_by_is_ready_and_does_nothing() {
    let (mut scene, other) = two().await;
    scene.operator.process().kill().unwrap();
    // What the one that was killed asked last may come later in the log.
    let killed = Timestamp::now();
    let calls = scene.emulator.calls().await.unwrap().len();
    scene.create("agent", script_task()).await;
    tokio::time::sleep(AFTER_CRASH / 3).await;
    let entries = scene.control_plane().audit_log().entries().unwrap();
    let passed = Timestamp::now().duration_since(killed);
    assert!(!leads(&scene, &other).await);
    assert_eq!(scene.emulator.calls().await.unwrap().len(), calls);
    let lateness = other.metric("ess_rollout_look_lateness_seconds").await;
    assert_eq!(lateness, Some(0.0));
    let user = scene.installation.user();
    let asked = entries.iter().filter(|entry| {
        let received = entry.request_received_timestamp.parse::<Timestamp>();
        entry.user.username == user && received.is_ok_and(|received| received > killed)
    });
    let (of_lease, others): (Vec<_>, Vec<_>) = asked
        .filter(|entry| entry.verb != "watch")
        .map(|entry| {
            (
                &entry.verb,
                entry.resource(),
                &entry.request_received_timestamp,
            )
        })
        .partition(|(_, resource, _)| *resource == "leases");
    // The Lease is read once in two seconds at most; as it begins, which it just has, at once and when it is first shown.
    let most = usize::try_from(passed.as_secs() / 2).unwrap() + 1 + AS_IT_BEGINS;
    assert!(of_lease.len() <= most, "in {passed}: {of_lease:?}");
    let others: Vec<_> = others.iter().filter(|(verb, ..)| *verb != "list").collect();
    assert!(others.is_empty(), "{others:?}");
    scene.until_state("agent", "Succeeded").await;
    assert!(leads(&scene, &other).await);
}
