//! Which object is looked at when: the state behind the dispatcher, without any waiting. Pure but
//! for the instants handed in.
//!
//! One entry for each object. It is never handed out twice at once, changes that come in meanwhile
//! are remembered, and a version that the object's own passes have read or written is no change.
//! kube-runtime's scheduler lets any event beat a failing object's delay; this one does not.
//!
//! Objects stand in lanes, by what they wait for: an account of the cloud in a region, whose rates they share. A lane whose
//! rate is spent holds as many workers as a lane may and no more, so that no other stands still for it. In a lane whoever has
//! waited for a turn that has come is first, with half of the workers at most: a turn that is missed is lost. Then whoever a
//! person waits for, and then whoever has been due for longest.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    hash::Hash,
    time::Duration,
};

use ess_rollout_cloud::Urgency;
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
    /// The same; by then its turn has come, for which it has waited.
    InTurn(Duration),
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
    lanes: BTreeMap<u64, Lane<K>>,
    flow: Flow,
}

/// The objects that share the rates of one account and region.
#[derive(Debug)]
struct Lane<K> {
    /// Each [`Line`], by when they are due.
    lines: [BTreeSet<(Instant, K)>; 3],
    /// By when they were due.
    running: BTreeSet<(Instant, K)>,
    /// How many of these had waited for a turn.
    running_in_turn: usize,
}

/// What an object waits in: those first whose turn it is, and then those that a person waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    InTurn,
    Asked,
    Due,
}

impl Line {
    const ALL: [Self; 3] = [Self::InTurn, Self::Asked, Self::Due];
    /// While half of the workers are at those whose turn has come.
    const ASKED_FIRST: [Self; 3] = [Self::Asked, Self::InTurn, Self::Due];

    fn of(urgency: Urgency) -> Self {
        match urgency {
            Urgency::Shared | Urgency::Asked => Self::Asked,
            Urgency::Due => Self::Due,
        }
    }

    /// How urgent the calls of a pass are.
    fn urgency(self) -> Urgency {
        match self {
            Self::InTurn | Self::Asked => Urgency::Asked,
            Self::Due => Urgency::Due,
        }
    }
}

/// Where an object stands.
#[derive(Debug, Clone, Copy)]
struct Slot {
    lane: u64,
    line: Line,
    at: Instant,
}

#[derive(Debug, Default)]
struct Entry {
    due: Option<Slot>,
    /// Where it stood when its pass began.
    running: Option<Slot>,
    /// Changes seen while it ran.
    changes: Vec<(String, Urgency)>,
    /// Triggered while it ran.
    again: bool,
    gone: bool,
    /// Versions that its own passes read or wrote, newest last.
    known: VecDeque<String>,
    failures: u32,
    failed_at: Option<Instant>,
    /// When its pass began.
    began: Option<Instant>,
}

/// What has gone through a queue since somebody last asked.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// How often something was put into it.
    pub added: u64,
    /// How often of these because a pass had stopped short.
    pub retried: u64,
}

impl<K> Default for WorkQueue<K> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            lanes: BTreeMap::new(),
            flow: Flow::default(),
        }
    }
}

impl<K> Default for Lane<K> {
    fn default() -> Self {
        Self {
            lines: [const { BTreeSet::new() }; 3],
            running: BTreeSet::new(),
            running_in_turn: 0,
        }
    }
}

impl<K: Clone + Ord> Lane<K> {
    fn line(&mut self, line: Line) -> &mut BTreeSet<(Instant, K)> {
        &mut self.lines[line as usize]
    }

    /// Who is next: in which line, and since when.
    fn next(&self, limit: usize, now: Instant) -> Option<(Line, Instant)> {
        let order = match self.running_in_turn < limit.div_ceil(2) {
            true => Line::ALL,
            false => Line::ASKED_FIRST,
        };
        let mut first = order.into_iter().filter_map(|line| {
            let (at, _) = self.lines[line as usize].first()?;
            Some((line, *at))
        });
        first.find(|(_, at)| *at <= now)
    }

    fn is_empty(&self) -> bool {
        self.running.is_empty() && self.lines.iter().all(BTreeSet::is_empty)
    }
}

impl<K: Clone + Eq + Hash + Ord> WorkQueue<K> {
    /// A watch saw this version of the object, or of something that it depends on.
    pub fn changed(&mut self, key: K, version: String, lane: u64, urgency: Urgency, now: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        entry.gone = false;
        if entry.known.contains(&version) {
            return;
        }
        if entry.running.is_some() {
            entry.changes.push((version, urgency));
            return;
        }
        let at = match entry.failed_at {
            Some(failed) => (now + DEBOUNCE).max(failed + AFTER_FAILURE),
            None => now + DEBOUNCE,
        };
        let line = Line::of(urgency);
        self.bring_forward(&key, Slot { lane, line, at });
    }

    /// Somebody thinks that a look is worth while, then. Does not shorten the delay after a failure.
    pub fn trigger(&mut self, key: K, lane: u64, at: Instant) {
        let entry = self.entries.entry(key.clone()).or_default();
        if entry.running.is_some() {
            entry.again = true;
        } else if entry.failed_at.is_none() || entry.due.is_none() {
            let line = Line::Due;
            self.bring_forward(&key, Slot { lane, line, at });
        }
    }

    /// The object is gone.
    pub fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.get_mut(key) {
            let due = entry.due.take();
            if entry.running.is_some() {
                entry.gone = true;
            } else {
                self.entries.remove(key);
            }
            self.leave_line(key, due);
        }
    }

    /// The next object that is due, in a lane where fewer than `limit` run, and whether a person waits for it. It counts as
    /// running until [`Self::done`].
    pub fn pop(&mut self, limit: usize, now: Instant) -> Option<(K, Urgency)> {
        let free = self.lanes.iter();
        let free = free.filter(|(_, lane)| lane.running.len() < limit);
        let first = free.filter_map(|(number, lane)| Some((lane.next(limit, now)?, *number)));
        let ((line, _), number) = first.min()?;
        let lane = self.lanes.get_mut(&number)?;
        let (at, key) = lane.line(line).pop_first()?;
        lane.running.insert((at, key.clone()));
        lane.running_in_turn += usize::from(line == Line::InTurn);
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due = None;
            entry.began = Some(now);
            entry.running = Some(Slot {
                lane: number,
                line,
                at,
            });
        }
        Some((key, line.urgency()))
    }

    /// When the next object is due in a lane where fewer than `limit` run.
    pub fn next_due(&self, limit: usize) -> Option<Instant> {
        let free = self.lanes.values();
        let free = free.filter(|lane| lane.running.len() < limit);
        let lines = free.flat_map(|lane| &lane.lines);
        lines
            .filter_map(|line| line.first())
            .map(|(at, _)| *at)
            .min()
    }

    /// How many objects are due now, and since when the first of them is.
    pub fn backlog(&self, now: Instant) -> (usize, Option<Instant>) {
        let lines = self.lanes.values().flat_map(|lane| &lane.lines);
        let due = lines.flat_map(|line| line.iter().take_while(|(at, _)| *at <= now));
        due.fold((0, None), |(count, oldest), (at, _)| {
            (count + 1, Some(oldest.map_or(*at, |o: Instant| o.min(*at))))
        })
    }

    /// Since when the look has been due that has been due for longest and has not ended: its pass waits for a worker, or is
    /// under way.
    pub fn late_since(&self, now: Instant) -> Option<Instant> {
        let lanes = self.lanes.values();
        let lines = lanes.flat_map(|lane| lane.lines.iter().chain([&lane.running]));
        let first = lines.filter_map(|line| line.first()).map(|(at, _)| *at);
        first.min().filter(|at| *at <= now)
    }

    /// For how long an object that runs had waited when its pass began.
    pub fn waited(&self, key: &K) -> Option<Duration> {
        let entry = self.entries.get(key)?;
        Some(entry.began? - entry.running?.at)
    }

    /// For how long workers have been at what they are at: added up, and the longest.
    pub fn under_way(&self, now: Instant) -> (Duration, Duration) {
        let running = self.lanes.values().flat_map(|lane| &lane.running);
        let began = running.filter_map(|(_, key)| self.entries.get(key)?.began);
        began.fold((Duration::ZERO, Duration::ZERO), |(all, longest), began| {
            let time = now - began;
            (all + time, longest.max(time))
        })
    }

    /// What has gone through it since this was last asked.
    pub fn flow(&mut self) -> Flow {
        std::mem::take(&mut self.flow)
    }

    /// A pass ended; gives how long it took. `noise`, from 0 to 1, scatters the delay after a failure.
    pub fn done(
        &mut self,
        key: K,
        again: Again,
        versions: Vec<String>,
        lane: u64,
        now: Instant,
        noise: f64,
    ) -> Option<Duration> {
        let entry = self.entries.get_mut(&key)?;
        let took = entry.began.take().map(|began| now - began);
        if let Some(ran) = entry.running.take()
            && let Some(lane) = self.lanes.get_mut(&ran.lane)
        {
            lane.running.remove(&(ran.at, key.clone()));
            lane.running_in_turn -= usize::from(ran.line == Line::InTurn);
            if lane.is_empty() {
                self.lanes.remove(&ran.lane);
            }
        }
        for version in versions {
            if !entry.known.contains(&version) {
                entry.known.push_back(version);
            }
        }
        while entry.known.len() > VERSIONS {
            entry.known.pop_front();
        }
        let known = &entry.known;
        let news = entry
            .changes
            .drain(..)
            .filter(|(seen, _)| !known.contains(seen));
        let changed = news.map(|(_, urgency)| urgency).min();
        let triggered = std::mem::take(&mut entry.again);
        // A trigger may come after the watch has told that the object is gone.
        let absent = again == Again::Gone && !triggered;
        if (entry.gone || absent) && changed.is_none() {
            self.entries.remove(&key);
            return took;
        }
        let due = match again {
            Again::Failed => {
                entry.failures = entry.failures.saturating_add(1);
                entry.failed_at = Some(now);
                let delay = backoff::delay(entry.failures, noise);
                Some(
                    now + if changed.is_some() {
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
                    _ if changed.is_some() || triggered => Some(now),
                    Again::Now => Some(now + TURN),
                    Again::After(delay) | Again::InTurn(delay) => Some(now + delay),
                    Again::OnChange | Again::Failed | Again::Gone => None,
                }
            }
        };
        if let Some(at) = due {
            let line = match (changed, again) {
                (None, Again::InTurn(_)) if !triggered => Line::InTurn,
                (changed, _) => Line::of(changed.unwrap_or_default()),
            };
            self.flow.retried += u64::from(again == Again::Failed);
            self.bring_forward(&key, Slot { lane, line, at });
        }
        took
    }

    /// A term of office begins, in which passes are made again: whoever waits is due this much later than now, or not at all.
    /// What was due meanwhile was not late, and passes that were cut off have to be made.
    pub fn begin_anew(&mut self, now: Instant, wait: impl Fn(&K) -> Option<Duration>) {
        let before = std::mem::take(&mut self.lanes);
        let ran = before.iter().flat_map(|(number, lane)| {
            let ran = lane.running.iter();
            ran.map(move |(_, key)| (key.clone(), *number))
        });
        let waits = before.iter().flat_map(|(number, lane)| {
            let waits = lane.lines.iter().flatten();
            waits.map(move |(_, key)| (key.clone(), *number))
        });
        for (key, lane) in ran.chain(waits) {
            let Some(entry) = self.entries.get_mut(&key) else {
                continue;
            };
            if entry.gone {
                self.entries.remove(&key);
                continue;
            }
            (entry.due, entry.running, entry.again) = (None, None, false);
            entry.began = None;
            (entry.failures, entry.failed_at) = (0, None);
            entry.changes.clear();
            if let Some(wait) = wait(&key) {
                let (line, at) = (Line::Due, now + wait);
                self.bring_forward(&key, Slot { lane, line, at });
            }
        }
    }

    /// Not later and not less urgent than it was.
    fn bring_forward(&mut self, key: &K, mut slot: Slot) {
        let Some(entry) = self.entries.get_mut(key) else {
            return;
        };
        let before = entry.due;
        if let Some(before) = before {
            // Looked at before its turn, it is as everybody else.
            if before.line != Line::InTurn || slot.at >= before.at {
                slot.line = slot.line.min(before.line);
            }
            slot.at = slot.at.min(before.at);
        }
        entry.due = Some(slot);
        self.flow.added += u64::from(before.is_none());
        self.leave_line(key, before);
        let lane = self.lanes.entry(slot.lane).or_default();
        lane.line(slot.line).insert((slot.at, key.clone()));
    }

    fn leave_line(&mut self, key: &K, slot: Option<Slot>) {
        if let Some(slot) = slot
            && let Some(lane) = self.lanes.get_mut(&slot.lane)
        {
            lane.line(slot.line).remove(&(slot.at, key.clone()));
            if lane.is_empty() {
                self.lanes.remove(&slot.lane);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Duration = Duration::from_secs(3600);

    /// The number of the lane, where there is one.
    const LANE: u64 = 7;

    /// One lane, where one object runs at a time.
    #[derive(Default)]
    struct Queue(WorkQueue<&'static str>);

    impl Queue {
        fn changed(&mut self, key: &'static str, version: String, now: Instant) {
            self.0.changed(key, version, LANE, Urgency::Asked, now);
        }

        fn trigger(&mut self, key: &'static str, at: Instant) {
            self.0.trigger(key, LANE, at);
        }

        fn pop(&mut self, now: Instant) -> Option<&'static str> {
            self.0.pop(1, now).map(|(key, _)| key)
        }

        fn done(
            &mut self,
            key: &'static str,
            again: Again,
            versions: Vec<String>,
            now: Instant,
            noise: f64,
        ) {
            self.0.done(key, again, versions, LANE, now, noise);
        }

        fn forget(&mut self, key: &&'static str) {
            self.0.forget(key);
        }

        fn next_due(&self) -> Option<Instant> {
            self.0.next_due(1)
        }

        fn is_empty(&self) -> bool {
            self.0.entries.is_empty() && self.0.lanes.is_empty()
        }
    }

    fn queue() -> (Queue, Instant) {
        (Queue::default(), Instant::now())
    }

    #[test]
    fn whose_turn_has_come_is_ahead_of_all_who_ask_meanwhile_and_not_before() {
        let mut queue = WorkQueue::default();
        let now = Instant::now();
        let turn = Duration::from_secs(10);
        for key in ["late", "early"] {
            queue.changed(key, "1".into(), 0, Urgency::Asked, now);
            let (key, _) = queue.pop(9, now + DEBOUNCE).unwrap();
            queue.done(key, Again::InTurn(turn), vec!["1".into()], 0, now, 0.5);
        }
        // Of the one something is asked before its turn.
        queue.changed("asks", "1".into(), 0, Urgency::Asked, now);
        queue.changed("early", "2".into(), 0, Urgency::Asked, now + DEBOUNCE);
        let then = now + DEBOUNCE * 2;
        assert_eq!(queue.pop(9, then), Some(("asks", Urgency::Asked)));
        assert_eq!(queue.pop(9, then), Some(("early", Urgency::Asked)));
        assert_eq!(queue.pop(9, then), None);
        queue.changed("new", "1".into(), 0, Urgency::Asked, then);
        let then = now + turn;
        assert_eq!(queue.pop(9, then), Some(("late", Urgency::Asked)));
        assert_eq!(queue.pop(9, then), Some(("new", Urgency::Asked)));
    }

    #[test]
    fn those_whose_turn_has_come_have_half_of_the_workers_before_whoever_else_asks() {
        let mut queue = WorkQueue::default();
        let now = Instant::now();
        let names = |prefix: &str| (0..4).map(|n| format!("{prefix}-{n}")).collect::<Vec<_>>();
        for key in names("turn") {
            queue.changed(key.clone(), "1".into(), 0, Urgency::Asked, now);
            queue.pop(9, now + DEBOUNCE).unwrap();
            queue.done(key, Again::InTurn(DEBOUNCE * 2), vec![], 0, now, 0.5);
        }
        for key in names("asks") {
            queue.changed(key, "1".into(), 0, Urgency::Asked, now);
        }
        let then = now + DEBOUNCE * 2;
        let next = |queue: &mut WorkQueue<String>| queue.pop(4, then).map(|(key, _)| key).unwrap();
        let four: Vec<_> = (0..4).map(|_| next(&mut queue)).collect();
        assert_eq!(four, ["turn-0", "turn-1", "asks-0", "asks-1"]);
        queue.done("turn-1".into(), Again::OnChange, vec![], 0, then, 0.5);
        assert_eq!(next(&mut queue), "turn-2");
        // Nobody else asks any more: then they may have all of them.
        for key in ["asks-0", "asks-1"] {
            queue.done(key.into(), Again::OnChange, vec![], 0, then, 0.5);
        }
        let rest: Vec<_> = (0..2).map(|_| next(&mut queue)).collect();
        assert_eq!(rest, ["asks-2", "asks-3"]);
        queue.done("asks-2".into(), Again::OnChange, vec![], 0, then, 0.5);
        assert_eq!(next(&mut queue), "turn-3");
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
        assert!(queue.is_empty());
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
        assert!(queue.is_empty());
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

    #[test]
    fn who_a_person_waits_for_goes_first_and_then_who_has_been_due_for_longest() {
        let (mut queue, now) = (WorkQueue::default(), Instant::now());
        let second = |n| now + Duration::from_secs(n);
        queue.trigger("second", LANE, second(2));
        queue.trigger("first", LANE, second(1));
        queue.changed("asked", "1".into(), LANE, Urgency::Asked, second(3));
        queue.changed("listed", "1".into(), LANE, Urgency::Due, second(3));
        // Due before, and now a person waits for it as well.
        queue.trigger("due and asked", LANE, second(2));
        queue.changed("due and asked", "1".into(), LANE, Urgency::Asked, second(3));
        let mut order = Vec::new();
        while let Some((key, _)) = queue.pop(9, second(4)) {
            order.push(key);
        }
        assert_eq!(
            order,
            ["due and asked", "asked", "first", "second", "listed"]
        );
    }

    #[test]
    fn a_look_is_late_until_its_pass_has_ended() {
        let (mut queue, now) = (WorkQueue::default(), Instant::now());
        let second = |n| now + Duration::from_secs(n);
        assert_eq!(queue.late_since(now), None);
        queue.trigger("a", LANE, second(1));
        queue.trigger("b", LANE + 1, second(2));
        assert_eq!(queue.late_since(now), None, "due later");
        assert_eq!(queue.late_since(second(5)), Some(second(1)));
        assert_eq!(queue.pop(1, second(5)).map(|(key, _)| key), Some("a"));
        assert_eq!(queue.late_since(second(9)), Some(second(1)), "under way");
        // It is triggered again, and its object goes: the pass is under way all the same.
        queue.trigger("a", LANE, second(8));
        queue.forget(&"a");
        assert_eq!(queue.late_since(second(9)), Some(second(1)));
        queue.done("a", Again::Gone, Vec::new(), LANE, second(9), 0.5);
        assert_eq!(queue.late_since(second(9)), Some(second(2)), "the other");
        queue.pop(1, second(9));
        let again = Again::After(LATER);
        queue.done("b", again, Vec::new(), LANE + 1, second(9), 0.5);
        assert_eq!(queue.late_since(second(9)), None, "not due yet");
    }

    #[test]
    fn with_a_term_of_office_all_begin_anew_and_nobody_was_late() {
        let (mut queue, now) = (WorkQueue::default(), Instant::now());
        for key in ["ran", "waits", "rests", "gone", "failed"] {
            queue.trigger(key, LANE, now);
        }
        let mut ran = Vec::new();
        while let Some((key, _)) = queue.pop(9, now) {
            ran.push(key);
        }
        assert_eq!(ran.len(), 5);
        for key in ["waits", "rests"] {
            queue.done(key, Again::OnChange, vec!["1".into()], LANE, now, 0.5);
            queue.changed(key, "2".into(), LANE, Urgency::Asked, now);
        }
        queue.done("failed", Again::Failed, Vec::new(), LANE, now, 0.5);
        queue.forget(&"gone");
        let later = now + LATER;
        let soon = Duration::from_secs(30);
        queue.begin_anew(later, |key| match *key {
            "rests" => None,
            "waits" => Some(soon),
            _ => Some(Duration::ZERO),
        });
        assert_eq!(queue.late_since(later), Some(later));
        assert_eq!(queue.backlog(later), (2, Some(later)));
        let next = |queue: &mut WorkQueue<_>, at| queue.pop(9, at).map(|(key, _)| key);
        assert_eq!(next(&mut queue, later), Some("failed"));
        assert_eq!(next(&mut queue, later), Some("ran"));
        assert_eq!(next(&mut queue, later), None);
        assert_eq!(next(&mut queue, later + soon), Some("waits"));
        assert_eq!(next(&mut queue, later + soon + LATER), None);
        queue.changed("rests", "3".into(), LANE, Urgency::Asked, later);
        assert_eq!(next(&mut queue, later + LATER), Some("rests"));
    }

    #[test]
    fn a_lane_that_is_full_keeps_nobody_else_waiting() {
        let (mut queue, now) = (WorkQueue::default(), Instant::now());
        for key in ["a", "b", "c"] {
            queue.trigger(key, LANE, now);
        }
        queue.trigger("other", LANE + 1, now + DEBOUNCE);
        let later = now + LATER;
        assert_eq!(queue.pop(2, later).map(|(key, _)| key), Some("a"));
        assert_eq!(queue.pop(2, later).map(|(key, _)| key), Some("b"));
        assert_eq!(
            queue.next_due(2),
            Some(now + DEBOUNCE),
            "not c, which has no place"
        );
        assert_eq!(queue.pop(2, later).map(|(key, _)| key), Some("other"));
        assert_eq!(queue.pop(2, later), None);
        assert_eq!(queue.backlog(later), (1, Some(now)));
        queue.done("b", Again::OnChange, Vec::new(), LANE, later, 0.5);
        assert_eq!(queue.pop(2, later).map(|(key, _)| key), Some("c"));
    }
}
