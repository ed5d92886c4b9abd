//! When what the poller has seen will do, and when it will not.

use serde_json::json;
use tokio::time::advance;

use super::*;
use crate::poller::tests as poller;

const AGE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_secs(10);
/// By how much windows overlap.
const OVERLAP: Duration = Duration::from_secs(60);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn place() -> Place {
    let scope = CredentialsScope {
        namespace: "ns".to_owned(),
        secret: None,
    };
    (scope, "cn-hangzhou".to_owned())
}

/// An execution that started then.
fn execution(id: &str, status: ExecutionStatus, started: i64) -> Execution {
    Execution {
        start: Some(at(started)),
        ..poller::execution(id, status.as_str())
    }
}

fn root(started: i64) -> Execution {
    execution("exec-1", ExecutionStatus::Running, started)
}

fn nested(id: &str, started: i64, ended: Option<i64>) -> Execution {
    let status = match ended {
        Some(_) => ExecutionStatus::Success,
        None => ExecutionStatus::Running,
    };
    let parameters = json!({"instanceId": format!("i-{id}"), "script": "secret"});
    Execution {
        parent: Some("exec-1".to_owned()),
        end: ended.map(at),
        parameters: serde_json::from_value(parameters).unwrap(),
        ..execution(id, status, started)
    }
}

/// A poll of one execution; gives whether it moved.
fn poll(sightings: &Sightings, root: Execution, nested: &[Execution]) -> bool {
    let place = place();
    let active = HashSet::from(["exec-1"]);
    let window = sightings.window(&place, OVERLAP, at(0));
    let moved = sightings.polled(
        &place,
        &Poll {
            active: &active,
            began: Instant::now(),
            roots: &[root],
            nested: window.map(|begin| (begin, nested)),
        },
    );
    moved == ["exec-1"]
}

/// The nested ones, if they are known, by id and status.
fn known(sightings: &Sightings) -> Option<Vec<(String, ExecutionStatus)>> {
    match sightings.of(&place(), "exec-1", AGE) {
        Sight::Seen(seen) => {
            let nested = seen.nested?.into_iter();
            Some(nested.map(|one| (one.id, one.status)).collect())
        }
        Sight::Unknown | Sight::ToCome => None,
    }
}

fn children_of(sightings: &Sightings, began: Instant, found: Vec<Execution>) {
    let query = Query::Executions(ExecutionFilter::ChildrenOf("exec-1".to_owned()));
    sightings.read(&place(), began, &query, &Answer::Executions(found));
}

#[tokio::test(start_paused = true)]
async fn one_that_began_within_a_window_is_known_whole_once_windows_show_nested_ones() {
    let sightings = Sightings::default();
    assert_eq!(sightings.of(&place(), "exec-1", AGE), Sight::ToCome);
    assert!(poll(&sightings, root(5), &[]), "seen first");
    assert_eq!(
        known(&sightings),
        None,
        "whether windows show any is not known"
    );
    advance(POLL).await;
    assert!(poll(&sightings, root(5), &[nested("a", 12, None)]));
    let running = |id: &str| (id.to_owned(), ExecutionStatus::Running);
    assert_eq!(known(&sightings), Some(vec![running("a")]));
    advance(POLL).await;
    assert!(
        !poll(&sightings, root(5), &[nested("a", 12, None)]),
        "as before"
    );
    assert!(
        poll(&sightings, root(5), &[nested("a", 12, Some(28))]),
        "ended"
    );
    let Sight::Seen(seen) = sightings.of(&place(), "exec-1", AGE) else {
        panic!("it is known")
    };
    let parameters = &seen.nested.unwrap()[0].parameters;
    assert_eq!(
        Value::from(parameters.clone()),
        json!({"instanceId": "i-a"})
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_began_earlier_is_known_whole_once_a_pass_has_read_it() {
    let sightings = Sightings::default();
    poll(&sightings, root(-3600), &[nested("b", -20, None)]);
    assert_eq!(known(&sightings), None, "what it did before is not");
    children_of(
        &sightings,
        Instant::now(),
        vec![nested("a", -3000, Some(-2000)), nested("b", -20, None)],
    );
    assert_eq!(known(&sightings).map(|all| all.len()), Some(2));
}

#[tokio::test(start_paused = true)]
async fn what_is_older_takes_nothing_back() {
    let sightings = Sightings::default();
    poll(&sightings, root(5), &[nested("a", 12, None)]);
    let before = Instant::now();
    advance(POLL).await;
    poll(&sightings, root(5), &[nested("a", 12, Some(18))]);
    // A read that was on its way for long.
    children_of(&sightings, before, vec![nested("a", 12, None)]);
    let known = known(&sightings).unwrap();
    assert_eq!(known, [("a".to_owned(), ExecutionStatus::Success)]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_known_any_more_without_polls() {
    let sightings = Sightings::default();
    poll(&sightings, root(5), &[nested("a", 12, None)]);
    assert!(known(&sightings).is_some());
    advance(AGE + POLL).await;
    assert_eq!(sightings.of(&place(), "exec-1", AGE), Sight::Unknown);
    // And after a gap that no window closes, what happened in it is not known.
    advance(Duration::from_secs(3600)).await;
    poll(&sightings, root(5), &[]);
    assert_eq!(known(&sightings), None);
}

#[tokio::test(start_paused = true)]
async fn windows_that_leave_out_what_a_pass_reads_are_not_trusted_and_not_asked_for() {
    let sightings = Sightings::default();
    poll(&sightings, root(5), &[nested("a", 12, None)]);
    assert!(known(&sightings).is_some());
    for _ in 0..20 {
        advance(POLL).await;
        let mut root = root(5);
        root.updated = Some(at(300));
        poll(&sightings, root, &[]);
    }
    let missed = ["b", "c", "d"].map(|id| nested(id, 40, Some(60)));
    children_of(&sightings, Instant::now(), missed.to_vec());
    assert_eq!(known(&sightings), None);
    assert_eq!(sightings.window(&place(), OVERLAP, at(300)), None);
}

#[tokio::test(start_paused = true)]
async fn that_a_root_has_moved_holds_until_a_pass_has_read_it() {
    let sightings = Sightings::default();
    let moved = |sightings: &Sightings| match sightings.of(&place(), "exec-1", AGE) {
        Sight::Seen(seen) => seen.root_moved,
        other => panic!("{other:?}"),
    };
    let read = |root: Execution| {
        let query = Query::Executions(ExecutionFilter::Id("exec-1".to_owned()));
        let answer = Answer::Executions(vec![root]);
        sightings.read(&place(), Instant::now(), &query, &answer);
    };
    poll(&sightings, root(5), &[]);
    assert!(moved(&sightings));
    read(root(5));
    assert!(!moved(&sightings));
    advance(POLL).await;
    let waiting = execution("exec-1", ExecutionStatus::Waiting, 5);
    poll(&sightings, waiting.clone(), &[]);
    assert!(moved(&sightings));
    advance(POLL).await;
    poll(&sightings, waiting.clone(), &[]);
    assert!(moved(&sightings), "nobody has looked yet");
    read(waiting);
    assert!(!moved(&sightings));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_people_needs_no_windows_and_what_is_over_is_forgotten() {
    let sightings = Sightings::default();
    poll(
        &sightings,
        execution("exec-1", ExecutionStatus::Waiting, 5),
        &[],
    );
    assert_eq!(sightings.window(&place(), OVERLAP, at(0)), None);
    sightings.retain(|_, _| false);
    assert_eq!(sightings.nested(), 0);
    assert_eq!(sightings.of(&place(), "exec-1", AGE), Sight::ToCome);
}
