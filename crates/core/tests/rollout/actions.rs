//! The action matrix: every verb, in every situation that a request can come in, with the operator
//! stopped at every step of it. At most one effect each, and every accepted request ends.

use std::io::Write as _;

use ess_rollout_api::v1alpha1::{ActionState, DesiredState};
use serde_json::json;

use crate::builders::script;
use crate::cloud::Fate;
use crate::world::{Crash, World};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    Fresh,
    /// The same value is set a second time.
    Repeated,
    /// It names what there was before.
    Stale,
    /// The annotation is removed as soon as it was seen.
    Removed,
    /// It is removed, and set to the same value again.
    ReAdded,
    /// Another verb comes with it.
    Concurrent,
    /// It is in the manifest.
    AtCreation,
    Malformed,
    AfterFinish,
    /// The answer of its call is lost.
    AnswerLost,
    /// Its call takes effect as late as it may.
    Late,
}

use Situation::{
    AfterFinish, AnswerLost, AtCreation, Concurrent, Fresh, Late, Malformed, ReAdded, Removed,
    Repeated, Stale,
};

const SITUATIONS: [Situation; 11] = [
    Fresh,
    Repeated,
    Stale,
    Removed,
    ReAdded,
    Concurrent,
    AtCreation,
    Malformed,
    AfterFinish,
    AnswerLost,
    Late,
];
const VERBS: [&str; 5] = ["continue", "retry", "skip", "cancel-instances", "cancel"];

/// No crash, or one after the status write or the call of one of the pass's decisions.
fn crashes() -> impl Iterator<Item = Option<(usize, Crash)>> {
    let points = (0..4).flat_map(|n| [(n, Crash::Status), (n, Crash::Mutation)]);
    std::iter::once(None).chain(points.map(Some))
}

/// An update in the pause that the verb is about: the second, so that there is one before it.
fn paused(verb: &str) -> World {
    let spec = json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4});
    let mut world = script(spec);
    if verb != "continue" {
        world.cloud.failing.insert("i-0002".into(), 9);
    }
    world.run_to_state("BatchSuspended");
    world.annotated("continue", "1");
    let state = match verb {
        "continue" => "BatchSuspended",
        _ => "FailureSuspended",
    };
    world.run_until(200, state, |w| {
        w.state() == state && w.status().pause.as_ref().is_some_and(|p| p.id == 2)
    });
    world
}

fn value(verb: &str, situation: Situation) -> &'static str {
    match (verb, situation) {
        ("continue", Malformed) => "soon",
        ("continue", Stale) => "1",
        ("continue", _) => "current@n1",
        ("cancel", Malformed) => "a b",
        ("cancel", _) => "n1",
        (_, Malformed) => "i-0002",
        (_, Stale) => "i-0002/7@n1",
        _ => "i-0002/1@n1",
    }
}

/// Effects of requests: the pauses that were left after the first, the instances decided about, the
/// cancellations.
fn effects(world: &World) -> usize {
    let left = world.cloud.approved.iter().filter(|batch| **batch > 1);
    let ended = usize::from(world.cloud.count("CancelExecution") > 0);
    left.count() + world.cloud.notified.len() + ended
}

/// One case; gives the effects that it had beyond those asked for, and the requests that never ended.
fn case(
    paused: &World,
    verb: &str,
    situation: Situation,
    crash: Option<(usize, Crash)>,
) -> (usize, usize) {
    let what = format!("{verb} {situation:?} {crash:?}");
    let value = value(verb, situation);
    if situation == AtCreation {
        let mut world = script(json!({"suspensionPolicy": "SuspendEachBatch", "batches": 4}));
        world.annotated(verb, value);
        world.pass_with(crash);
        world.run_for(60);
        assert_eq!(effects(&world), 0, "{what}");
        assert_eq!(world.cloud.runs.is_empty(), verb == "cancel", "{what}");
        return (0, open(&world));
    }
    let mut world = paused.clone();
    if situation == AfterFinish {
        world.edited(|t| t.spec.policy.desired_state = DesiredState::Cancelled);
        world.run_to_rest();
        let before = effects(&world);
        world.annotated(verb, value);
        world.pass_with(crash);
        world.run_for(100);
        assert_eq!(effects(&world), before, "{what}");
        let newest = world.status().actions.last().unwrap();
        assert_eq!(newest.reason, "TaskFinished", "{what}");
        return (0, open(&world));
    }
    match situation {
        AnswerLost => world.cloud.fates = vec![Fate::AnswerLost],
        Late => world.cloud.fates = vec![Fate::Late(59)],
        _ => {}
    }
    if situation == Concurrent {
        // Of another verb, and not in the way of this one.
        match verb {
            "continue" => world.annotated("skip", "i-0001@other"),
            _ => world.annotated("continue", "current@other"),
        }
    }
    world.annotated(verb, value);
    world.pass_with(crash);
    match situation {
        Removed => world.task.metadata.annotations = None,
        ReAdded => {
            world.task.metadata.annotations = None;
            world.pass();
            world.annotated(verb, value);
        }
        Repeated => world.annotated(verb, value),
        _ => {}
    }
    // Retried, the instance fails once more; else the update comes to the next pause.
    world.run_for(250);
    let wanted = usize::from(
        !matches!(situation, Stale | Malformed) || (verb, situation) == ("cancel", Stale),
    );
    // One that was removed before it was on record was never made.
    let seen = !world.status().actions.is_empty()
        && (situation != Removed || world.status().actions.len() > 1);
    let found = effects(&world);
    if seen {
        assert!(found >= wanted, "{what}: no effect, {:?}", world.ledger());
    }
    (found.saturating_sub(wanted), open(&world))
}

fn open(world: &World) -> usize {
    let actions = world.status().actions.iter();
    actions.filter(|a| a.state == ActionState::Accepted).count()
}

#[test]
fn every_request_has_one_effect_at_most_and_ends() {
    let of_verb = |verb: &str| {
        let paused = paused(verb);
        let (mut cases, mut double, mut unresolved) = (0, 0, 0);
        for situation in SITUATIONS {
            for crash in crashes() {
                let (more, open) = case(&paused, verb, situation, crash);
                cases += 1;
                double += more;
                unresolved += open;
            }
        }
        (cases, double, unresolved)
    };
    let (mut cases, mut double, mut unresolved) = (0, 0, 0);
    std::thread::scope(|scope| {
        let all = VERBS.map(|verb| scope.spawn(move || of_verb(verb)));
        for one in all {
            let (c, d, u) = one.join().unwrap();
            (cases, double, unresolved) = (cases + c, double + d, unresolved + u);
        }
    });
    // Past the test harness, which keeps what a passing test prints to itself.
    let _ = writeln!(
        std::io::stderr(),
        "actions: cases={cases} double_effects={double} unresolved={unresolved}"
    );
    assert!(cases >= 300);
    assert_eq!((double, unresolved), (0, 0));
}
