//! Much that is due: the clock is moved, or runs fast, and everybody else is answered meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ess_emulator::cloud::Cloud;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::sockets::{Client, serve};
use crate::support::{children, control, execution, oos, small};

/// Starts a schedule that calls something each second.
fn each_second(cloud: &mut Cloud) -> String {
    let template = json!({
        "FormatVersion": "OOS-2019-06-01",
        "Tasks": [
            {"Name": "each", "Action": "ACS::TimerTrigger", "Properties": {
                "Type": "cron", "Expression": "* * * * * ?", "EndDate": "2027-01-01T00:00:00Z"}},
            {"Name": "look", "Action": "ACS::ExecuteAPI", "Properties": {
                "Service": "ECS", "API": "DescribeRegions", "Parameters": {}}},
        ],
    });
    let ask = json!({"TemplateContent": template.to_string()});
    let answer = oos(cloud, "StartExecution", ask).unwrap();
    answer["Execution"]["ExecutionId"].as_str().unwrap().into()
}

fn time(clock: &Value) -> Timestamp {
    clock["now"].as_str().unwrap().parse().unwrap()
}

async fn clock(client: &Client) -> Value {
    let url = format!("{}/_emulator/clock", client.base);
    let answer = client.http.get(url).send().await.unwrap();
    answer.json().await.unwrap()
}

/// Everybody gets an answer soon: hundreds of slices of work lie in these bounds on a slow machine.
const SOON: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_answered_while_the_clock_is_moved() {
    let client = Arc::new(serve("", false).await);
    client.post("clock", json!({"paused": true})).await;
    client.server.shared.with(each_second).await;
    let begun = time(&clock(&client).await);
    let week = json!({"advanceSeconds": 604_800});
    let moving = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.post("clock", week).await }
    });
    let mut before = begun;
    for _ in 0..20 {
        let asked = Instant::now();
        let (status, _) = client.call("DescribeScalingGroups", &[]).await.unwrap();
        let shown = clock(&client).await;
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        assert_eq!(status, 200);
        let now = time(&shown);
        assert!(now >= before, "{now} is before {before}");
        // It was stopped at any time, and the task that moves it may not have had its turn yet.
        let at_firing = now == begun || now.subsec_nanosecond() == 0;
        assert!(at_firing, "{now} is between two firings");
        before = now;
    }
    // It is under way, and shows where to.
    let shown = clock(&client).await;
    assert!(!moving.is_finished(), "a week passed at once: {shown}");
    assert!(time(&shown) > begun, "{shown}");
    let goal = begun + SignedDuration::from_hours(7 * 24);
    assert_eq!(shown["advancingTo"], json!(goal));
    moving.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_move_the_clock_move_it_by_both() {
    let client = serve("", false).await;
    client.post("clock", json!({"paused": true})).await;
    client.server.shared.with(each_second).await;
    let begun = time(&clock(&client).await);
    let hour = || client.post("clock", json!({"advanceSeconds": 3600}));
    let (one, other) = tokio::join!(hour(), hour());
    let passed = |clock: &Value| time(clock).duration_since(begun).as_secs();
    let mut passed = [passed(&one), passed(&other)];
    passed.sort_unstable();
    assert!((3600..=7200).contains(&passed[0]), "{one} {other}");
    assert_eq!(passed[1], 7200, "{one} {other}");
    let shown = clock(&client).await;
    assert_eq!(shown["advancingTo"], Value::Null);
    assert_eq!(time(&shown), begun + SignedDuration::from_hours(2));
    // Both together may not lead beyond the end of the scene.
    let far = json!({"advanceSeconds": 366 * 86_400});
    let refused = client.post("clock", far).await;
    assert!(refused["error"].as_str().unwrap().contains("at most"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_cannot_keep_up_keeps_nobody_waiting_and_shows_it() {
    let client = serve("clockScale: 1000000", false).await;
    client.server.shared.with(each_second).await;
    let begun = Instant::now();
    let mut behind = 0.0;
    let mut before = time(&clock(&client).await);
    while behind == 0.0 || begun.elapsed() < Duration::from_millis(300) {
        let asked = Instant::now();
        let (status, _) = client.call("DescribeScalingGroups", &[]).await.unwrap();
        let shown = clock(&client).await;
        assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
        assert_eq!(status, 200);
        assert!(time(&shown) >= before);
        before = time(&shown);
        behind = shown["behindSeconds"].as_f64().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(20), "{shown}");
    }
    // By a second of real time at most, however long it goes on.
    assert!(behind <= 1_000_000.0 * 1.5, "{behind}");
    let paused = client.post("clock", json!({"paused": true})).await;
    assert_eq!(paused["behindSeconds"], 0.0);
    assert_eq!(time(&clock(&client).await), time(&paused));
}

#[test]
fn it_makes_no_difference_in_how_many_parts_time_passes() {
    let mut whole = small("");
    let mut parts = small("");
    let (a, b) = (each_second(&mut whole), each_second(&mut parts));
    let to = whole.now() + SignedDuration::from_secs(500);
    whole.advance_to(to);
    let mut times = 1;
    while !parts.advance_while(to, || false) {
        times += 1;
    }
    assert!(times > 400, "{times}");
    assert_eq!((whole.now(), &a), (parts.now(), &b));
    assert_eq!(execution(&mut whole, &a), execution(&mut parts, &b));
    assert_eq!(children(&mut whole, &a), children(&mut parts, &b));
    let calls = |cloud: &Cloud| {
        let all = cloud.world.journal.since(0);
        all.map(|e| format!("{e:?}")).collect::<Vec<_>>()
    };
    assert_eq!(calls(&whole), calls(&parts));
}

#[test]
fn by_the_library_the_clock_is_moved_at_once() {
    let mut cloud = small("");
    let begun = cloud.now();
    let (_, clock) = control(&mut cloud, "POST", "clock", json!({"advanceSeconds": 30}));
    assert_eq!(time(&clock), begun + SignedDuration::from_secs(30));
    assert_eq!(clock["advancingTo"], Value::Null);
}
