//! Starts one after the other, at the rate of an account and region: whoever is about to start is told when its turn is, and
//! keeps it.
//!
//! Without it all who are ready at once would try at once, and be told by the rate to come back, each time with all that
//! they have read and written for it. It only spreads them: what keeps the rate is the rate's own bucket.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long after its time a turn is kept for who does not come.
const KEPT: Duration = Duration::from_secs(120);

/// Turns of objects `K` in lines `L`.
pub struct Pace<L, K> {
    /// Between two turns.
    each: Duration,
    /// How many may go at once after a rest.
    burst: u32,
    lines: Mutex<HashMap<L, Line<K>>>,
}

struct Line<K> {
    /// When the last turn that was given is over.
    over: Instant,
    turns: HashMap<K, Instant>,
    /// In the order of their times.
    order: VecDeque<(Instant, K)>,
}

impl<L: Clone + Eq + Hash, K: Clone + Eq + Hash> Pace<L, K> {
    /// So many a second, and as many at once after a rest. At least one in ten seconds.
    pub fn new(per_second: f64) -> Self {
        let each = Duration::from_secs_f64(1.0 / per_second.max(0.1));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rate of calls is a small number, and this saturates"
        )]
        let burst = per_second.max(1.0) as u32;
        Self {
            each,
            burst,
            lines: Mutex::default(),
        }
    }

    /// How long until its turn; zero: it is now. Who asks again has the same turn.
    pub fn wait(&self, line: &L, object: &K) -> Duration {
        let now = Instant::now();
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.retain(|_, line| line.over + KEPT > now);
        let line = lines.entry(line.clone()).or_insert_with(|| Line {
            over: now,
            turns: HashMap::new(),
            order: VecDeque::new(),
        });
        while let Some((at, _)) = line.order.front()
            && *at + KEPT < now
            && let Some((at, object)) = line.order.pop_front()
        {
            if line.turns.get(&object) == Some(&at) {
                line.turns.remove(&object);
            }
        }
        if let Some(at) = line.turns.get(object) {
            return at.saturating_duration_since(now);
        }
        line.over = line.over.max(now) + self.each;
        let at = line
            .over
            .checked_sub(self.each * self.burst)
            .map_or(now, |at| at.max(now));
        line.turns.insert(object.clone(), at);
        line.order.push_back((at, object.clone()));
        at - now
    }

    /// Whether its turn is still to come.
    pub fn is_to_come(&self, object: &K) -> bool {
        let now = Instant::now();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let mut turns = lines.values().filter_map(|line| line.turns.get(object));
        turns.any(|at| *at > now)
    }

    /// How many have a turn that is still to come, and how long until the last of them.
    pub fn waiting(&self) -> (usize, Duration) {
        let now = Instant::now();
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let turns = lines.values().flat_map(|line| line.turns.values());
        let waits = turns.map(|at| at.saturating_duration_since(now));
        let waits = waits.filter(|wait| !wait.is_zero());
        waits.fold((0, Duration::ZERO), |(count, last), wait| {
            (count + 1, last.max(wait))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn those_whose_turn_is_to_come_are_counted_until_it_has() {
        let pace = Pace::new(5.0);
        assert_eq!(pace.waiting(), (0, Duration::ZERO), "nobody");
        for object in 0..10 {
            pace.wait(&"here", &object);
            // Who asks again waits once.
            pace.wait(&"here", &object);
        }
        // Five go at once.
        assert_eq!(pace.waiting(), (5, Duration::from_secs(1)));
        for object in 0..6 {
            pace.wait(&"there", &object);
        }
        assert_eq!(pace.waiting(), (6, Duration::from_secs(1)));
        assert!(pace.is_to_come(&9) && !pace.is_to_come(&0) && !pace.is_to_come(&11));
        tokio::time::advance(Duration::from_millis(600)).await;
        assert_eq!(pace.waiting(), (2, Duration::from_millis(400)));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(pace.waiting(), (0, Duration::ZERO));
        assert!(!pace.is_to_come(&9));
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_at_the_rate_and_are_kept() {
        let pace = Pace::new(5.0);
        let waits: Vec<_> = (0..20).map(|object| pace.wait(&"here", &object)).collect();
        let at_once = waits.iter().filter(|wait| wait.is_zero()).count();
        assert_eq!(at_once, 5);
        assert_eq!(waits.last(), Some(&Duration::from_secs(3)));
        assert_eq!(pace.wait(&"there", &19), Duration::ZERO, "another account");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(
            pace.wait(&"here", &19),
            Duration::from_secs(1),
            "the same turn"
        );
        assert_eq!(
            pace.wait(&"here", &20),
            Duration::from_millis(1200),
            "the last"
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(pace.wait(&"here", &19), Duration::ZERO);
        // It does not come for long: its turn is gone, and so is everything that was remembered.
        tokio::time::advance(KEPT * 2).await;
        assert_eq!(pace.wait(&"here", &21), Duration::ZERO);
        let lines = pace.lines.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!((lines.len(), lines["here"].turns.len()), (1, 1));
    }
}
