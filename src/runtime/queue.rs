//! Which object is looked at when: the state behind the dispatcher, without any waiting. Pure but
//! for the instants handed in.
//!
//! One entry for each object. It is never handed out twice at once, changes that come in meanwhile
//! are remembered, and a version that the object's own passes have read or written is no change.
//! kube-runtime's scheduler lets any event beat a failing object's delay; this one does not.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use tokio::time::Instant;

use super::backoff;

/// Gathers the events of one change. Counts from the first, so that a busy object is not starved.
const DEBOUNCE: Duration = Duration::from_millis(20);
/// Between a pass that ran long and its continuation: others get their turn.
const TURN: Duration = Duration::from_millis(100);
/// The least time between a failure and the next try, whatever changes.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// How many versions are remembered of each object: more than one pass writes.
const VERSIONS: usize = 64;

/// When an object is to be looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// At once.
    Now,
    /// After this long, or when it changes.
    After(Duration),
    /// When it changes.
    OnChange,
    /// The pass failed: after a growing delay.
    Failed,
    /// Never, unless it changes: there is no such object.
    Gone,
}

/// The queue.
#[derive(Debug)]
pub struct WorkQueue<K> {
    entries: HashMap<K, Entry>,
    due: BTreeSet<(Instant, K)>,
}

#[derive(Debug, Default)]
struct Entry {
    due: Option<Instant>,
    running: bool,
    /// Changes seen while it ran.
    changes: Vec<String>,
    /// Triggered while it ran.
    again: bool,
    gone: bool,
    /// Versions that its own passes read or wrote, newest last.
    known: VecDeque<String>,
    failures: u32,
    failed_at: Option<Instant>,
}

impl<K> Default for WorkQueue<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            due: BTreeSet::new(),
        }
    }
}

impl<K: Clone + Eq + Hash + Ord> WorkQueue<K> {
    /// A watch saw this version of the object, or of something that it depends on.
    pub fn changed(&mut self, key: K, version: String, now: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.gone = false;
        if entry.known.contains(&version) {
            return;
        }
        if entry.running {
            entry.changes.push(version);
            return;
        }
        let at = match entry.failed_at {
            Some(failed) => (now + DEBOUNCE).max(failed + AFTER_FAILURE),
            None => now + DEBOUNCE,
        };
        self.bring_forward(&key, at);
    }

    /// Somebody thinks that a look is worth while, then. Does not shorten the delay after a failure.
    pub fn trigger(&mut self, key: K, at: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.running {
            entry.again = true;
        } else if entry.failed_at.is_none() || entry.due.is_none() {
            self.bring_forward(&key, at);
        }
    }

    /// The object is gone.
    pub fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            if let Some(due) = entry.due.take() {
                self.due.remove(&(due, key.clone()));
            }
            if entry.running {
                entry.gone = true;
            } else {
                self.entries.remove(key);
            }
        }
    }

    /// The next object that is due. It counts as running until [`Self::done`].
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let (at, _) = self.due.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = self.due.pop_first()?;
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due = None;
            entry.running = true;
        }
        Some(key)
    }

    /// When the next object is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// How many objects are due now.
    pub fn depth(&self, now: Instant) -> usize {
        self.due.iter().take_while(|(at, _)| *at <= now).count()
    }

    /// A pass ended. `noise`, from 0 to 1, scatters the delay after a failure.
    pub fn done(&mut self, key: K, again: Again, versions: Vec<String>, now: Instant, noise: f64) {
        let Some(entry) = self.entries.get_mut(&key) else {
            return;
        };
        entry.running = false;
        for version in versions {
            if !entry.known.contains(&version) {
                entry.known.push_back(version);
            }
        }
        while entry.known.len() > VERSIONS {
            entry.known.pop_front();
        }
        let known = &entry.known;
        let changed = entry.changes.drain(..).any(|seen| !known.contains(&seen));
        let triggered = std::mem::take(&mut entry.again);
        // A trigger may come after the watch has told that the object is gone.
        let absent = again == Again::Gone && !triggered;
        if (entry.gone || absent) && !changed {
            self.entries.remove(&key);
            return;
        }
        let due = match again {
            Again::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                entry.failed_at = Some(now);
                let delay = backoff::delay(entry.failures, noise);
                Some(
                    now + if changed {
                        delay.min(AFTER_FAILURE)
                    } else {
                        delay
                    },
                )
            }
            other => {
                entry.failures = 0;
                entry.failed_at = None;
                match other {
                    _ if changed || triggered => Some(now),
                    Again::Now => Some(now + TURN),
                    Again::After(delay) => Some(now + delay),
                    Again::OnChange | Again::Failed | Again::Gone => None,
                }
            }
        };
        if let Some(at) = due {
            self.bring_forward(&key, at);
        }
    }

    fn bring_forward(&mut self, key: &K, at: Instant) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        if let Some(due) = entry.due {
            if due <= at {
                return;
            }
            self.due.remove(&(due, key.clone()));
        }
        entry.due = Some(at);
        self.due.insert((at, key.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(3600);

    fn queue() -> (WorkQueue<&'static str>, Instant) {
        (WorkQueue::default(), Instant::now())
    }

    #[test]
    fn an_object_is_handed_out_once_at_a_time() {
        let (mut queue, now) = queue();
        queue.changed("a", "1".into(), now);
        assert_eq!(queue.pop(now), None, "within the debounce");
        assert_eq!(queue.pop(now + DEBOUNCE), Some("a"));
        queue.changed("a", "2".into(), now);
        queue.trigger("a", now);
        assert_eq!(queue.pop(now + LATER), None);
        queue.done("a", Again::OnChange, vec!["1".into()], now, 0.5);
        assert_eq!(queue.pop(now), Some("a"), "it changed meanwhile");
    }

    #[test]
    fn own_writes_are_no_change_whether_seen_before_or_after_the_pass_ends() {
        let (mut queue, now) = queue();
        queue.trigger("a", now);
        assert_eq!(queue.pop(now), Some("a"));
        queue.changed("a", "2".into(), now);
        queue.done(
            "a",
            Again::OnChange,
            vec!["1".into(), "2".into(), "3".into()],
            now,
            0.5,
        );
        queue.changed("a", "3".into(), now);
        queue.changed("a", "1".into(), now);
        assert_eq!(queue.next_due(), None);
        queue.changed("a", "4".into(), now);
        assert_eq!(queue.next_due(), Some(now + DEBOUNCE));
    }

    #[test]
    fn a_later_event_does_not_postpone_an_earlier_one() {
        let (mut queue, now) = queue();
        queue.changed("a", "1".into(), now);
        queue.changed("a", "2".into(), now + DEBOUNCE / 2);
        assert_eq!(queue.next_due(), Some(now + DEBOUNCE));
    }

    #[test]
    fn a_requeue_stands_although_own_writes_come_in() {
        let (mut queue, now) = queue();
        queue.trigger("a", now);
        queue.pop(now);
        queue.done("a", Again::After(LATER), vec!["1".into()], now, 0.5);
        queue.changed("a", "1".into(), now);
        assert_eq!(queue.next_due(), Some(now + LATER));
    }

    #[test]
    fn failures_grow_the_delay_and_nothing_shortens_it_below_a_second() {
        let (mut queue, now) = queue();
        queue.trigger("a", now);
        for expected in [1, 2, 4] {
            queue.pop(now + LATER);
            queue.done("a", Again::Failed, Vec::new(), now, 0.5);
            assert_eq!(queue.next_due(), Some(now + Duration::from_secs(expected)));
        }
        queue.trigger("a", now);
        assert_eq!(
            queue.next_due(),
            Some(now + Duration::from_secs(4)),
            "a poll"
        );
        queue.changed("a", "9".into(), now);
        assert_eq!(queue.next_due(), Some(now + AFTER_FAILURE), "an edit");
        queue.pop(now + LATER);
        queue.done("a", Again::OnChange, Vec::new(), now, 0.5);
        queue.changed("a", "10".into(), now);
        assert_eq!(
            queue.next_due(),
            Some(now + DEBOUNCE),
            "a success resets it"
        );
    }

    #[test]
    fn what_is_gone_leaves_nothing_behind() {
        let (mut queue, now) = queue();
        queue.trigger("a", now);
        queue.trigger("b", now);
        queue.forget(&"b");
        assert_eq!(queue.pop(now), Some("a"));
        queue.forget(&"a");
        queue.done("a", Again::Failed, Vec::new(), now, 0.5);
        assert!(queue.entries.is_empty() && queue.due.is_empty());
    }

    #[test]
    fn a_trigger_for_what_is_gone_leaves_nothing_behind() {
        let (mut queue, now) = queue();
        queue.trigger("a", now);
        queue.forget(&"a");
        queue.trigger("a", now);
        assert_eq!(queue.pop(now), Some("a"));
        queue.trigger("a", now);
        queue.done("a", Again::Gone, Vec::new(), now, 0.5);
        assert_eq!(queue.pop(now), Some("a"), "triggered meanwhile");
        queue.done("a", Again::Gone, Vec::new(), now, 0.5);
        assert!(queue.entries.is_empty() && queue.due.is_empty());
    }

    #[test]
    fn an_object_that_comes_back_under_its_name_is_looked_at() {
        let (mut queue, now) = queue();
        queue.trigger("a", now);
        queue.pop(now);
        queue.forget(&"a");
        queue.changed("a", "5".into(), now);
        queue.done("a", Again::OnChange, vec!["4".into()], now, 0.5);
        assert_eq!(queue.pop(now), Some("a"));
    }
}
