//! Every change of a virtual year, of random sets of windows in three zones whose clocks change.

use ess_rollout_core::windows::{Cause, Fit, State, Window, evaluate, next_fit};
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use crate::oracle::{Minute, Minutes, YEAR_BEGINS, YEAR_ENDS, zones};
use crate::random::{Drawn, windows};
use crate::window;

/// How many sets: `WINDOW_SETS` may say otherwise.
const SETS: u64 = 5_000;

/// What the oracle holds of a set.
struct Truth {
    open: Minutes,
    frozen: Minutes,
}

impl Truth {
    fn of(drawn: &[Drawn]) -> Self {
        let (mut open, mut frozen) = (Minutes::none(), Minutes::none());
        for window in drawn {
            let minutes = if window.freeze {
                &mut frozen
            } else {
                &mut open
            };
            minutes.or(&window.active);
        }
        if drawn.iter().all(|window| window.freeze) {
            open = Minutes::all();
        }
        open.without(&frozen);
        Self { open, frozen }
    }

    fn cause(&self, minute: Minute) -> &'static str {
        if self.frozen.has(minute) {
            "Freeze"
        } else {
            "OutsideAllow"
        }
    }
}

fn time(minute: Minute) -> Timestamp {
    Timestamp::from_second(minute * 60).unwrap()
}

fn minute(time: Timestamp) -> Minute {
    assert_eq!(time.as_second() % 60, 0, "{time}");
    time.as_second() / 60
}

fn word(cause: &Cause) -> &'static str {
    match cause {
        Cause::Freeze(_) => "Freeze",
        Cause::OutsideAllow => "OutsideAllow",
    }
}

/// Looks at a time, and at what is said of the next change. Gives
/// whether it is open, and when to look again.
fn look(set: &[Window], truth: &Truth, at: Timestamp) -> (bool, Timestamp) {
    let found = evaluate(set, at);
    let now = at.as_second().div_euclid(60);
    assert_eq!(found.is_open(), truth.open.has(now), "at {at}: {found:?}");
    let change = truth.open.change_after(now);
    let (said, cause, cause_at) = match &found.state {
        State::Open {
            until, closed_by, ..
        } => (*until, closed_by.as_ref(), change),
        State::Closed { opens, why, .. } => (*opens, Some(why), now),
    };
    if change < YEAR_ENDS {
        let end = said.unwrap_or(found.look_again);
        assert!(
            said.is_some() || found.look_again < time(change),
            "at {at}: {found:?}"
        );
        assert!(
            said.is_none() || end == time(change),
            "at {at}: {found:?}, and not {}",
            time(change)
        );
    } else {
        assert!(
            said.is_none_or(|end| end >= time(YEAR_ENDS)),
            "at {at}: {found:?}"
        );
    }
    if let Some(cause) = cause.filter(|_| cause_at < YEAR_ENDS) {
        assert_eq!(word(cause), truth.cause(cause_at), "at {at}: {found:?}");
    }
    assert!(found.look_again > at, "at {at}: {found:?}");
    (found.is_open(), found.look_again)
}

/// Goes through the year by what it is told, and sees every time at which it is open.
fn walk(set: &[Window], truth: &Truth) -> u64 {
    let (mut at, mut looks) = (time(YEAR_BEGINS), 0);
    let mut seen = Minutes::none();
    while at < time(YEAR_ENDS) {
        let (open, next) = look(set, truth, at);
        if open {
            let index = |time| (minute(time).min(YEAR_ENDS) - crate::oracle::FIRST) as usize;
            seen.add(index(at)..index(next));
        }
        (at, looks) = (next, looks + 1);
    }
    let difference = seen.difference(&truth.open, YEAR_BEGINS, YEAR_ENDS);
    assert_eq!(difference.map(time), None);
    looks
}

/// The first time that is long enough, step by step.
fn fit(truth: &Truth, from: Minute, minutes: i64) -> Option<Minute> {
    let mut from = from;
    while from < YEAR_ENDS {
        let end = truth.open.change_after(from);
        if truth.open.has(from) && end - from >= minutes {
            return Some(from);
        }
        from = end;
    }
    None
}

#[test]
fn no_change_of_a_year_is_missed_or_made_up() {
    let zones = zones();
    let sets = std::env::var("WINDOW_SETS").ok();
    let sets = sets.map_or(SETS, |sets| sets.parse().unwrap());
    let (mut looks, mut silent) = (0, 0);
    for seed in 0..sets {
        let mut rng = Rng::with_seed(seed);
        let drawn = windows(&mut rng, &zones);
        let named = drawn.iter().enumerate();
        let set: Vec<Window> = named
            .map(|(index, drawn)| window(&format!("w{index}"), drawn.spec.clone()))
            .collect();
        let truth = Truth::of(&drawn);
        // What fails is named by its seed.
        let specs = || drawn.iter().map(|drawn| drawn.spec.to_string());
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let looks = walk(&set, &truth);
            let mut rng = Rng::with_seed(seed);
            for _ in 0..20 {
                let second = rng.i64(YEAR_BEGINS * 60..YEAR_ENDS * 60);
                let nano = rng.i32(0..1_000_000_000);
                look(&set, &truth, Timestamp::new(second, nano).unwrap());
            }
            let (from, takes) = (rng.i64(YEAR_BEGINS..YEAR_ENDS), rng.i64(1..400));
            let found = next_fit(&set, time(from), SignedDuration::from_mins(takes));
            let wanted = fit(&truth, from, takes).filter(|fit| *fit + takes < YEAR_ENDS);
            let found = match found {
                Fit::At(found) => Some(minute(found)).filter(|found| *found + takes < YEAR_ENDS),
                Fit::Never => None,
                // What opens three times an hour, for a few minutes each, is a lot to look through.
                Fit::NotBefore(time) => wanted.filter(|wanted| *wanted >= minute(time)),
            };
            assert_eq!(found, wanted, "from {} for {takes} min", time(from));
            looks
        }));
        match result {
            Ok(found) => (looks, silent) = (looks + found, silent + u64::from(found == 1)),
            Err(_) => panic!("seed {seed}: {:#?}", specs().collect::<Vec<_>>()),
        }
    }
    // The test would say nothing of sets that never change.
    assert!(
        silent * 4 < sets,
        "{silent} of {sets} sets do not change all year"
    );
    assert!(looks > sets * 50, "only {looks} changes of {sets} sets");
    println!("{looks} changes of {sets} sets, of which {silent} do not change");
}
