//! When what the poller has seen will do, and when it will not.

use std::sync::Arc;

use serde_json::json;
use tokio::time::advance;

use super::*;
use crate::poller::tests as poller;

const AGE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_secs(10);
/// How late lists are.
const OVERLAP: Duration = Duration::from_secs(60);

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn sightings() -> Sightings {
    Sightings::new(OVERLAP)
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
    let window = sightings.window(&place, std::slice::from_ref(&root), None, at(0));
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
    match sightings.of(&place(), ("exec-1", None), AGE) {
        Sight::Seen(seen) => {
            let nested = seen.nested?.into_iter();
            Some(nested.map(|one| (one.id, one.status)).collect())
        }
        Sight::Unknown | Sight::Unpolled | Sight::ToCome | Sight::Late(_) => None,
    }
}

fn children_of(sightings: &Sightings, began: Instant, found: Vec<Execution>) {
    let query = Query::Executions(ExecutionFilter::ChildrenOf("exec-1".to_owned()));
    sightings.read(
        &place(),
        began,
        &query,
        &Answer::Executions(Arc::new(found)),
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_began_within_a_window_is_known_whole_once_windows_show_nested_ones() {
    let sightings = sightings();
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
    let Sight::Seen(seen) = sightings.of(&place(), ("exec-1", None), AGE) else {
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
    let sightings = sightings();
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
    let sightings = sightings();
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
    let sightings = sightings();
    poll(&sightings, root(5), &[nested("a", 12, None)]);
    assert!(known(&sightings).is_some());
    advance(AGE + POLL).await;
    assert_eq!(
        sightings.of(&place(), ("exec-1", None), AGE),
        Sight::Late(AGE + POLL)
    );
    // And after a gap that no window closes, what happened in it is not known.
    advance(Duration::from_secs(3600)).await;
    poll(&sightings, root(5), &[]);
    assert_eq!(known(&sightings), None);
}

#[tokio::test(start_paused = true)]
async fn windows_that_leave_out_what_a_pass_reads_are_not_trusted_and_not_asked_for() {
    let sightings = sightings();
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
    assert_eq!(sightings.window(&place(), &[root(5)], None, at(300)), None);
}

/// The ids of those that are known beside what is on record until then.
fn beside(sightings: &Sightings, on_record: i64) -> Option<Vec<String>> {
    match sightings.of(&place(), ("exec-1", Some(at(on_record))), AGE) {
        Sight::Seen(seen) => {
            let nested = seen.nested?.into_iter();
            Some(nested.map(|one| one.id).collect())
        }
        Sight::Unknown | Sight::Unpolled | Sight::ToCome | Sight::Late(_) => None,
    }
}

/// A poll after a restart, with this on record.
fn first_poll(on_record: i64, nested: &[Execution]) -> Sightings {
    let sightings = sightings();
    let (place, active) = (place(), HashSet::from(["exec-1"]));
    let begin = sightings.window(&place, &[], Some(at(on_record)), at(1000));
    let poll = Poll {
        active: &active,
        began: Instant::now(),
        roots: &[root(-5000)],
        nested: begin.map(|begin| (begin, nested)),
    };
    sightings.polled(&place, &poll);
    sightings
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_windows_that_reach_what_is_on_record_will_do() {
    assert_eq!(
        sightings().of(&place(), ("exec-1", None), AGE),
        Sight::Unpolled
    );
    let sightings = first_poll(900, &[nested("a", 920, None)]);
    assert_eq!(beside(&sightings, 900), Some(vec!["a".to_owned()]));
    // Another's record is older than that.
    assert_eq!(beside(&sightings, 899), None);
    // Too long ago to be listed again.
    let sightings = first_poll(0, &[nested("a", 920, None)]);
    assert_eq!(beside(&sightings, 0), None);
    assert_eq!(beside(&sightings, 760), Some(vec!["a".to_owned()]));
    assert_eq!(beside(&sightings, 759), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_on_record_is_forgotten_and_is_no_miss() {
    let all = [
        nested("a", 905, Some(910)),
        nested("b", 910, Some(940)),
        nested("c", 950, None),
    ];
    let sightings = first_poll(900, &all);
    assert_eq!(beside(&sightings, 900).map(|all| all.len()), Some(3));
    // Lists that lag may leave something out that came up to a minute earlier.
    assert_eq!(beside(&sightings, 990), Some(vec!["b".into(), "c".into()]));
    assert_eq!(sightings.nested(), 2);
    for second in 0..20 {
        advance(POLL).await;
        let mut root = root(-5000);
        root.updated = Some(at(1000 + 10 * second));
        poll(&sightings, root, &[]);
    }
    children_of(&sightings, Instant::now(), all.to_vec());
    assert!(beside(&sightings, 990).is_some(), "nothing was missed");
    // The status was put back to an older one.
    assert_eq!(beside(&sightings, 1050), Some(vec!["c".into()]));
    assert_eq!(beside(&sightings, 900), None);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_people_needs_no_windows_and_what_is_over_is_forgotten() {
    let sightings = sightings();
    let waiting = [execution("exec-1", ExecutionStatus::Waiting, 5)];
    poll(&sightings, root(5), &[]);
    // The last of its nested ones have ended since the window before, and lists may lag.
    for _ in 0..=6 {
        advance(POLL).await;
        assert!(sightings.window(&place(), &waiting, None, at(0)).is_some());
        poll(&sightings, waiting[0].clone(), &[]);
    }
    advance(POLL).await;
    assert_eq!(sightings.window(&place(), &waiting, None, at(0)), None);
    let moved = [root(5)];
    assert!(sightings.window(&place(), &moved, None, at(0)).is_some());
    // What others have in the account does not stand still.
    advance(WAITING).await;
    assert!(sightings.window(&place(), &waiting, None, at(0)).is_some());
    sightings.retain(|_, _| false);
    assert_eq!(sightings.nested(), 0);
    advance(FIRST_POLLS).await;
    assert_eq!(sightings.of(&place(), ("exec-1", None), AGE), Sight::ToCome);
}

#[tokio::test(start_paused = true)]
async fn while_polls_wait_for_their_turn_nobody_reads_for_himself_unless_they_fail_or_never_come() {
    let sightings = sightings();
    let of = || sightings.of(&place(), ("exec-1", None), AGE);
    poll(&sightings, root(5), &[]);
    advance(AGE).await;
    assert!(matches!(of(), Sight::Seen(_)), "{:?}", of());
    advance(POLL).await;
    assert_eq!(of(), Sight::Late(AGE + POLL));
    sightings.failed(&place());
    assert_eq!(of(), Sight::Unknown);
    poll(&sightings, root(5), &[]);
    advance(LATE_FOR).await;
    assert_eq!(of(), Sight::Late(LATE_FOR), "one that came in ends it");
    advance(Duration::from_millis(1)).await;
    assert_eq!(of(), Sight::Unknown);
}

/// Of a rate that is throttled it has few turns: by the time that it is in it is as old as what is not shown any more.
#[tokio::test(start_paused = true)]
async fn what_a_poll_shows_that_was_long_under_way_is_seen_for_as_long_as_that_of_any_other() {
    let sightings = sightings();
    let (place, active) = (place(), HashSet::from(["exec-1"]));
    for round in 0..3 {
        let (began, root, found) = (Instant::now(), root(5), [nested("a", 12, None)]);
        let window = sightings.window(&place, std::slice::from_ref(&root), None, at(0));
        advance(AGE + POLL).await;
        sightings.polled(
            &place,
            &Poll {
                active: &active,
                began,
                roots: &[root],
                nested: window.map(|begin| (begin, &found[..])),
            },
        );
        advance(AGE).await;
        assert!(known(&sightings).is_some(), "{round}");
        advance(Duration::from_millis(1)).await;
        let late = AGE + POLL + AGE + Duration::from_millis(1);
        let seen = sightings.of(&place, ("exec-1", None), AGE);
        assert_eq!(seen, Sight::Late(late));
    }
}
