//! What the poller has last seen of the executions under way and of their nested ones, so that an update that goes well is
//! looked at without a call of its own.
//!
//! The poller lists, for all tasks of an account and region together, the roots and whatever nested executions have started
//! or ended since the poll before, with windows that overlap by as long as lists may lag. What is seen of an execution is
//! complete once a pass has read all of its nested ones and every window since then has come in.
//!
//! Nothing of it may be trusted further than to show how far an update is: what is decided about an execution that waits,
//! fails, ends or is asked something of is decided by what the pass reads itself. It may be lost at any moment: then passes
//! read for themselves.
//!
//! Whether OOS lists nested executions without their parent being named is documented by the name of a parameter alone. So
//! it counts only once a window has brought in one that belongs to an execution under way, and no more once a pass has read
//! one that the windows should have shown.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ess_rollout_cloud::{Answer, Execution, ExecutionFilter, ExecutionStatus, Query};
use ess_rollout_core::ask::{Seen, Sight};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::tasks::CredentialsScope;

/// Whose executions: nobody is shown what his own credentials have not listed.
pub type Place = (CredentialsScope, String);

/// After so long a pass reads all nested executions again: what no window shows (a status that changes between start and
/// end) is not to stay unseen for ever.
const COMPLETE_FOR: Duration = Duration::from_secs(30 * 60);
/// The most nested executions that are remembered, of all accounts together: about 300 bytes each.
const NESTED_MAX: usize = 100_000;
/// So many nested executions that the windows left out tell that they do not show them.
const MISSES: u32 = 3;
/// By then a window has shown what started or ended before it, however late its list is.
const LAG: SignedDuration = SignedDuration::from_secs(120);
/// A window that would be longer is not made up for.
const WINDOW_MAX: SignedDuration = SignedDuration::from_mins(10);
/// For how long an account without executions under way is remembered.
const SEAT_KEPT: Duration = Duration::from_secs(6 * 3600);
/// The parameters of a nested execution that name its instance.
const INSTANCE_NAMES: [&str; 2] = ["instanceId", "containerGroupId"];

/// The executions under way, as last seen.
#[derive(Default)]
pub struct Sightings {
    places: Mutex<HashMap<Place, Seat>>,
    dropped: AtomicU64,
}

/// An account and region.
#[derive(Default)]
struct Seat {
    executions: HashMap<String, Sighting>,
    windows: Windows,
}

/// The windows in which nested executions have been listed.
#[derive(Default)]
struct Windows {
    /// From here on there is no gap between them.
    since: Option<Instant>,
    /// When the last of them was asked for.
    last: Option<Instant>,
    /// The latest time of the cloud's clock that a list has shown.
    latest: Option<Timestamp>,
    /// A window has brought in a nested execution of one under way.
    proven: bool,
    misses: u32,
}

/// One execution.
#[derive(Default)]
struct Sighting {
    root: Option<(Instant, Execution)>,
    /// The root has moved since a pass has read it.
    moved: bool,
    nested: BTreeMap<String, (Instant, Nested)>,
    /// When all nested ones were asked for.
    complete: Option<Instant>,
}

/// What is kept of a nested execution.
#[derive(Debug, Clone, PartialEq)]
struct Nested {
    instance: Option<(&'static str, String)>,
    status: ExecutionStatus,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Nested {
    fn of(execution: &Execution) -> Self {
        let instance = INSTANCE_NAMES.into_iter().find_map(|name| {
            let id = execution.parameters.get(name)?.as_str()?;
            Some((name, id.to_owned()))
        });
        Self {
            instance,
            status: execution.status.clone(),
            start: execution.start,
            end: execution.end,
        }
    }

    fn into_execution(self, id: String, root: &Execution) -> Execution {
        let parameters = self.instance.into_iter();
        let parameters: Map<String, Value> = parameters
            .map(|(name, instance)| (name.to_owned(), Value::String(instance)))
            .collect();
        Execution {
            id,
            parent: Some(root.id.clone()),
            template_name: String::new(),
            template_version: String::new(),
            status: self.status,
            status_message: String::new(),
            waiting_status: String::new(),
            mode: root.mode.clone(),
            safety_check: String::new(),
            category: String::new(),
            executed_by: String::new(),
            start: self.start,
            end: self.end,
            updated: None,
            parameters,
            counters: Map::new(),
            current_actions: Vec::new(),
            tags: BTreeMap::new(),
        }
    }
}

/// One poll of an account and region.
pub struct Poll<'a> {
    /// The executions that the list was made for.
    pub active: &'a HashSet<&'a str>,
    /// When it was asked for.
    pub began: Instant,
    /// The roots that came in.
    pub roots: &'a [Execution],
    /// From when on nested executions were listed, and those that came in; `None`: they were not asked for.
    pub nested: Option<(Timestamp, &'a [Execution])>,
}

impl Sightings {
    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Seat>> {
        // It is a hint, whatever state a panic left it in.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets executions that are not under way any more.
    pub fn retain(&self, is_active: impl Fn(&Place, &str) -> bool) {
        let mut places = self.lock();
        for (place, seat) in places.iter_mut() {
            seat.executions.retain(|id, _| is_active(place, id));
        }
        // What is known of the account itself is worth keeping for a while.
        let lately = |at: Instant| at.elapsed() < SEAT_KEPT;
        places
            .retain(|_, seat| !seat.executions.is_empty() || seat.windows.last.is_some_and(lately));
    }

    /// From when on nested executions are to be listed next; `None`: there is nothing to be learnt from it.
    pub fn window(&self, place: &Place, overlap: Duration, now: Timestamp) -> Option<Timestamp> {
        let mut places = self.lock();
        let seat = places.entry(place.clone()).or_default();
        // What waits for a person has no nested execution that starts or ends.
        let waits = |sighting: &Sighting| {
            let root = sighting.root.as_ref().map(|(_, root)| &root.status);
            root == Some(&ExecutionStatus::Waiting)
        };
        let none = seat.executions.is_empty();
        if seat.windows.misses >= MISSES || !none && seat.executions.values().all(waits) {
            return None;
        }
        let overlap = SignedDuration::try_from(overlap).unwrap_or_default();
        let latest = seat.windows.latest.unwrap_or(now);
        let gap = seat.windows.last.map(|last| last.elapsed());
        if gap.is_some_and(|gap| SignedDuration::try_from(gap).is_ok_and(|gap| gap > WINDOW_MAX)) {
            (seat.windows.since, seat.windows.last) = (None, None);
        }
        let begin = latest.saturating_sub(overlap).unwrap_or(latest);
        Some(begin)
    }

    /// Takes in what a poll listed, and gives the executions that moved, or that it did not show.
    pub fn polled(&self, place: &Place, poll: &Poll<'_>) -> Vec<String> {
        let mut places = self.lock();
        let kept: usize = places.values().map(Seat::nested).sum();
        let seat = places.entry(place.clone()).or_default();
        for id in poll.active {
            seat.executions.entry((*id).to_owned()).or_default();
        }
        let mut still: HashSet<&str> = HashSet::new();
        let window = poll.nested.map(|(begin, _)| begin);
        for root in poll.roots {
            seat.windows.note(root);
            let Some(sighting) = seat.executions.get_mut(&root.id) else {
                continue;
            };
            if !sighting.sees_root(poll.began, root) {
                still.insert(&root.id);
            }
            // Whatever it has done is in this window.
            let began_within = window.is_some_and(|begin| root.start.is_some_and(|s| s >= begin));
            if began_within && sighting.complete.is_none() {
                sighting.complete = Some(poll.began);
            }
        }
        for nested in poll.nested.map_or(&[][..], |(_, nested)| nested) {
            seat.windows.note(nested);
            let parent = nested.parent.as_deref().unwrap_or_default();
            if let Some(sighting) = seat.executions.get_mut(parent) {
                seat.windows.proven = true;
                if sighting.complete.is_some() && sighting.sees_nested(poll.began, nested) {
                    still.remove(parent);
                }
            }
        }
        if poll.nested.is_some() {
            seat.windows.last = Some(poll.began);
            seat.windows.since.get_or_insert(poll.began);
        }
        if kept > NESTED_MAX {
            seat.forget_nested();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        let active = poll.active.iter().filter(|id| !still.contains(**id));
        active.map(|id| (*id).to_owned()).collect()
    }

    /// Takes in what a pass has read of an execution.
    pub fn read(&self, place: &Place, began: Instant, query: &Query, answer: &Answer) {
        let (Query::Executions(filter), Answer::Executions(found)) = (query, answer) else {
            return;
        };
        let mut places = self.lock();
        let Some(seat) = places.get_mut(place) else {
            return;
        };
        match filter {
            ExecutionFilter::Id(id) => {
                let root = found.iter().find(|execution| execution.id == *id);
                if let (Some(root), Some(sighting)) = (root, seat.executions.get_mut(id)) {
                    sighting.sees_root(began, root);
                    sighting.moved = sighting
                        .root
                        .as_ref()
                        .is_some_and(|(seen, _)| *seen > began);
                }
            }
            ExecutionFilter::ChildrenOf(id) => seat.read_nested(id, began, found),
            _ => {}
        }
    }

    /// An execution as last seen, where that is no older than `for_at_most`.
    pub fn of(&self, place: &Place, id: &str, for_at_most: Duration) -> Sight {
        let places = self.lock();
        let is_fresh = |at: Instant| at.elapsed() <= for_at_most;
        let Some(seat) = places.get(place) else {
            return Sight::ToCome;
        };
        let Some((sighting, (seen, root))) = seat
            .executions
            .get(id)
            .and_then(|sighting| Some((sighting, sighting.root.as_ref()?)))
        else {
            return Sight::ToCome;
        };
        if !is_fresh(*seen) {
            return Sight::Unknown;
        }
        Sight::Seen(Box::new(Seen {
            root: root.clone(),
            root_moved: sighting.moved,
            nested: sighting.all_nested(&seat.windows, is_fresh).then(|| {
                let nested = sighting.nested.iter();
                let nested = nested.map(|(id, (_, one))| (id.clone(), one.clone()));
                nested
                    .map(|(id, one)| one.into_execution(id, root))
                    .collect()
            }),
        }))
    }

    /// How often the nested executions of an account were forgotten for want of room.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How many nested executions are remembered.
    pub fn nested(&self) -> usize {
        self.lock().values().map(Seat::nested).sum()
    }
}

impl Windows {
    fn note(&mut self, execution: &Execution) {
        let times = [execution.start, execution.end, execution.updated];
        self.latest = self
            .latest
            .into_iter()
            .chain(times.into_iter().flatten())
            .max();
    }
}

impl Seat {
    fn nested(&self) -> usize {
        let all = self.executions.values();
        all.map(|sighting| sighting.nested.len()).sum()
    }

    /// Passes read for themselves then.
    fn forget_nested(&mut self) {
        for sighting in self.executions.values_mut() {
            sighting.nested.clear();
            sighting.complete = None;
        }
    }

    fn read_nested(&mut self, id: &str, began: Instant, found: &[Execution]) {
        let Some(sighting) = self.executions.get_mut(id) else {
            return;
        };
        let covered = |complete: Instant| self.windows.since.is_some_and(|since| complete >= since);
        if sighting.complete.is_some_and(covered) {
            let is_old = |time: Option<Timestamp>| match (time, self.windows.latest) {
                (Some(time), Some(latest)) => latest.duration_since(time) > LAG,
                _ => false,
            };
            let is_missed = |execution: &&Execution| match sighting.nested.get(&execution.id) {
                None => is_old(execution.start),
                Some((_, known)) => known.end.is_none() && is_old(execution.end),
            };
            let missed = found.iter().filter(is_missed).count();
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            self.windows.misses = self.windows.misses.saturating_add(missed);
        }
        for nested in found {
            sighting.sees_nested(began, nested);
        }
        sighting.complete = Some(began);
    }
}

impl Sighting {
    /// Whether it has moved.
    fn sees_root(&mut self, began: Instant, root: &Execution) -> bool {
        if self.root.as_ref().is_some_and(|(seen, _)| *seen > began) {
            return false;
        }
        let before = self.root.replace((began, root.clone()));
        let moved = before.is_none_or(|(_, before)| tells(&before) != tells(root));
        self.moved |= moved;
        moved
    }

    /// Whether all nested ones are known.
    fn all_nested(&self, windows: &Windows, is_fresh: impl Fn(Instant) -> bool) -> bool {
        let (Some(complete), Some(since), Some(last)) =
            (self.complete, windows.since, windows.last)
        else {
            return false;
        };
        windows.proven
            && windows.misses < MISSES
            && is_fresh(last)
            && complete >= since
            && complete.elapsed() <= COMPLETE_FOR
    }

    /// Whether it has moved.
    fn sees_nested(&mut self, began: Instant, execution: &Execution) -> bool {
        let nested = Nested::of(execution);
        match self.nested.get_mut(&execution.id) {
            Some((seen, _)) if *seen > began => false,
            Some(known) => {
                let moved = known.1 != nested;
                *known = (began, nested);
                moved
            }
            None => {
                self.nested.insert(execution.id.clone(), (began, nested));
                true
            }
        }
    }
}

/// What tells that an execution moved.
fn tells(execution: &Execution) -> impl PartialEq + '_ {
    (
        &execution.status,
        &execution.waiting_status,
        execution.updated,
        execution.end,
        &execution.current_actions,
        &execution.counters,
    )
}

#[cfg(test)]
#[path = "seen_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
