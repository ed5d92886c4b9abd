//! What the poller has last seen of the executions under way and of their nested ones, so that an update that goes well is
//! looked at without a call of its own.
//!
//! The poller lists, for all tasks of an account and region together, the roots and whatever nested executions have started
//! or ended since the poll before, with windows that overlap by as long as lists may lag. What the windows have shown of an
//! execution completes what is on record of it, once they reach back without a gap to the latest time on record, or to a pass
//! that has read all of its nested ones. So nothing has to be read again after a restart, and what is on record is forgotten
//! here.
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
use ess_rollout_core::identity::fingerprint;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::tasks::CredentialsScope;

/// Whose executions: nobody is shown what his own credentials have not listed.
pub type Place = (CredentialsScope, String);

/// For so long after it has begun to poll a process waits for its first polls rather than have every pass read for itself.
const FIRST_POLLS: Duration = Duration::from_secs(60);
/// After so long a pass reads all nested executions again: what no window shows (a status that changes between start and
/// end) is not to stay unseen for ever.
const COMPLETE_FOR: Duration = Duration::from_secs(30 * 60);
/// Whatever keeps polls from coming in, after so long passes read for themselves.
const LATE_FOR: Duration = Duration::from_secs(15 * 60);
/// The most nested executions that are remembered, of all accounts together: about 300 bytes each.
const NESTED_MAX: usize = 100_000;
/// So many nested executions that the windows left out tell that they do not show them.
const MISSES: u32 = 3;
/// By then a window has shown what started or ended before it, however late its list is.
const LAG: SignedDuration = SignedDuration::from_secs(120);
/// How far the first window reaches back at most: a list of thousands takes the calls of everybody.
const FIRST_WINDOW_MAX: SignedDuration = SignedDuration::from_mins(4);
/// A window that would be longer is not made up for.
const WINDOW_MAX: SignedDuration = SignedDuration::from_mins(10);
/// While everything waits for people, nested executions are listed so often: nothing starts or ends then.
const WAITING: Duration = Duration::from_secs(55);
/// For how long an account without executions under way is remembered.
const SEAT_KEPT: Duration = Duration::from_secs(6 * 3600);
/// The parameters of a nested execution that name its instance.
const INSTANCE_NAMES: [&str; 2] = ["instanceId", "containerGroupId"];

/// The executions under way, as last seen.
pub struct Sightings {
    places: Mutex<HashMap<Place, Seat>>,
    dropped: AtomicU64,
    /// How late lists may be: by so much the windows of two polls overlap.
    lag: SignedDuration,
    began: Mutex<Instant>,
}

/// An account and region.
#[derive(Default)]
struct Seat {
    executions: HashMap<String, Sighting>,
    windows: Windows,
    /// When the last poll that came in was asked for, and when it came in.
    polled: Option<(Instant, Instant)>,
    /// The last poll has failed, and not for want of a turn: nobody knows when one comes in again.
    failing: bool,
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
struct Sighting {
    root: Option<(Instant, Execution)>,
    /// Since when its root is as it is.
    unmoved: Instant,
    nested: BTreeMap<String, (Instant, Nested)>,
    /// From here on, by the cloud's clock, windows have been shown to it without a gap.
    from: Option<Timestamp>,
    /// When a pass asked for all nested ones, or it was first polled.
    complete: Instant,
    /// A pass has asked for all nested ones.
    read: bool,
    /// What had ended by then is on record, and not kept any more.
    forgotten: Option<Timestamp>,
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
    /// None yet. `lag`: how late lists may be.
    pub fn new(lag: Duration) -> Self {
        Self {
            places: Mutex::default(),
            dropped: AtomicU64::default(),
            lag: SignedDuration::try_from(lag).unwrap_or(SignedDuration::MAX),
            began: Mutex::new(Instant::now()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Seat>> {
        // It is a hint, whatever state a panic left it in.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls begin: those of an earlier term of office have shown what is long past.
    pub fn begin_anew(&self) {
        self.lock().clear();
        *self.began() = Instant::now();
    }

    fn began(&self) -> MutexGuard<'_, Instant> {
        self.began.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// From when on nested executions are to be listed next; `None`: there is nothing to be learnt from it. `roots`: as just
    /// listed. `on_record`: the earliest of the latest times on record of those under way.
    pub fn window(
        &self,
        place: &Place,
        roots: &[Execution],
        on_record: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let mut places = self.lock();
        let seat = places.entry(place.clone()).or_default();
        let gap = seat.windows.last.map(|last| last.elapsed());
        let lately = gap.is_some_and(|gap| gap < WAITING);
        if seat.windows.misses >= MISSES || lately && seat.all_wait(roots, self.lag) {
            return None;
        }
        if gap.is_some_and(|gap| SignedDuration::try_from(gap).is_ok_and(|gap| gap > WINDOW_MAX)) {
            seat.begin_anew();
        }
        let latest = match seat.windows.last {
            Some(_) => seat.windows.latest.unwrap_or(now),
            // The first is to reach what is on record.
            None => {
                let first = now.saturating_sub(FIRST_WINDOW_MAX).unwrap_or(now);
                on_record.map_or(now, |on_record| on_record.min(now).max(first))
            }
        };
        Some(latest.saturating_sub(self.lag).unwrap_or(latest))
    }

    /// A window could not be listed, maybe because it is too long: the next one begins now.
    pub fn missed(&self, place: &Place) {
        if let Some(seat) = self.lock().get_mut(place) {
            seat.begin_anew();
            seat.windows.last = Some(Instant::now());
            seat.windows.latest = None;
        }
    }

    /// A poll has failed, and not because the account is throttled: passes read for themselves until one comes in.
    pub fn failed(&self, place: &Place) {
        if let Some(seat) = self.lock().get_mut(place) {
            seat.failing = true;
        }
    }

    /// Takes in what a poll listed, and gives the executions that moved, or that it did not show.
    pub fn polled(&self, place: &Place, poll: &Poll<'_>) -> Vec<String> {
        let mut places = self.lock();
        let kept: usize = places.values().map(Seat::nested).sum();
        let seat = places.entry(place.clone()).or_default();
        (seat.failing, seat.polled) = (false, Some((poll.began, Instant::now())));
        let window = poll.nested.map(|(begin, _)| begin);
        for id in poll.active {
            let entry = seat.executions.entry((*id).to_owned());
            let sighting = entry.or_insert_with(|| Sighting::new(poll.began));
            sighting.from = sighting.from.or(window);
        }
        let mut still: HashSet<&str> = HashSet::new();
        for root in poll.roots {
            seat.windows.note(root);
            let Some(sighting) = seat.executions.get_mut(&root.id) else {
                continue;
            };
            if !sighting.sees_root(poll.began, root) {
                still.insert(&root.id);
                // What waits for a person as before has nothing that starts or ends.
                if root.status == ExecutionStatus::Waiting {
                    sighting.complete = poll.began;
                }
            }
        }
        for nested in poll.nested.map_or(&[][..], |(_, nested)| nested) {
            seat.windows.note(nested);
            let parent = nested.parent.as_deref().unwrap_or_default();
            if let Some(sighting) = seat.executions.get_mut(parent) {
                seat.windows.proven = true;
                if sighting.sees_nested(poll.began, nested) {
                    still.remove(parent);
                }
            }
        }
        if window.is_some() {
            seat.windows.last = Some(poll.began);
            seat.windows.since.get_or_insert(poll.began);
        }
        if kept > NESTED_MAX {
            seat.begin_anew();
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
                }
            }
            ExecutionFilter::ChildrenOf(id) => seat.read_nested(id, began, found),
            _ => {}
        }
    }

    /// An execution as last seen, where that is no older than `for_at_most`, or came in with the last poll no longer ago. `latest`: the latest time on record of a nested
    /// one.
    pub fn of(
        &self,
        place: &Place,
        (id, latest): (&str, Option<Timestamp>),
        for_at_most: Duration,
    ) -> Sight {
        let mut places = self.lock();
        let mut seat = places.get_mut(place);
        let (polled, failing) = match &seat {
            Some(seat) => (seat.polled, seat.failing),
            None => (None, false),
        };
        // A poll that waits for its turns is long under way: what it has shown is to be seen all the same.
        let is_fresh = |at: Instant| {
            let is_of_last = polled
                .is_some_and(|(began, came_in)| at >= began && came_in.elapsed() <= for_at_most);
            is_of_last || at.elapsed() <= for_at_most
        };
        // The index fills while the first poll is made.
        let seen = seat.as_mut().and_then(|seat| seat.look_up(id));
        let Some((windows, sighting)) = seen else {
            return match self.began().elapsed() < FIRST_POLLS {
                true => Sight::Unpolled,
                false => Sight::ToCome,
            };
        };
        let Some((seen, root)) = sighting.root.clone() else {
            return Sight::ToCome;
        };
        match seen.elapsed() {
            _ if is_fresh(seen) => {}
            age if age <= LATE_FOR && !failing => return Sight::Late(age),
            _ => return Sight::Unknown,
        }
        let on_record = latest.map(|latest| latest.saturating_sub(self.lag).unwrap_or(latest));
        let is_known =
            windows.show_all(is_fresh) && sighting.is_complete(&root, on_record, windows);
        let nested = is_known.then(|| {
            sighting.forget(on_record);
            let nested = sighting.nested.iter();
            let nested = nested.map(|(id, (_, one))| (id.clone(), one.clone()));
            nested
                .map(|(id, one)| one.into_execution(id, &root))
                .collect()
        });
        Sight::Seen(Box::new(Seen { root, nested }))
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
    /// Whether they show whatever starts and ends.
    fn show_all(&self, is_fresh: impl Fn(Instant) -> bool) -> bool {
        self.proven && self.misses < MISSES && self.last.is_some_and(is_fresh)
    }

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

    fn look_up(&mut self, id: &str) -> Option<(&Windows, &mut Sighting)> {
        Some((&self.windows, self.executions.get_mut(id)?))
    }

    /// Whether all of them wait for a person, and did so as long as lists may lag before a window was last listed: one that
    /// has only just begun to wait has nested ones that have only just ended, and none may have shown that.
    fn all_wait(&self, roots: &[Execution], lag: SignedDuration) -> bool {
        let waiting = roots
            .iter()
            .filter(|root| root.status == ExecutionStatus::Waiting);
        let waiting: HashMap<&str, &Execution> =
            waiting.map(|root| (root.id.as_str(), root)).collect();
        let mut active = self.executions.iter();
        active.all(|(id, sighting)| {
            let root = waiting.get(id.as_str());
            let window = self.windows.last.zip(root);
            window.is_some_and(|(window, root)| sighting.has_waited(root, window, lag))
        })
    }

    /// Passes read for themselves then, until windows reach what is on record again.
    fn begin_anew(&mut self) {
        (self.windows.since, self.windows.last) = (None, None);
        for sighting in self.executions.values_mut() {
            sighting.nested.clear();
            (sighting.from, sighting.forgotten, sighting.read) = (None, None, false);
        }
    }

    fn read_nested(&mut self, id: &str, began: Instant, found: &[Execution]) {
        let Some(sighting) = self.executions.get_mut(id) else {
            return;
        };
        let missed = found
            .iter()
            .filter(|nested| sighting.has_missed(nested, self.windows.latest));
        let missed = u32::try_from(missed.count()).unwrap_or(u32::MAX);
        self.windows.misses = self.windows.misses.saturating_add(missed);
        for nested in found {
            sighting.sees_nested(began, nested);
        }
        (sighting.complete, sighting.read, sighting.forgotten) = (began, true, None);
    }
}

impl Sighting {
    fn new(began: Instant) -> Self {
        Self {
            root: None,
            unmoved: began,
            nested: BTreeMap::new(),
            from: None,
            complete: began,
            read: false,
            forgotten: None,
        }
    }

    /// Whether it has moved.
    fn sees_root(&mut self, began: Instant, root: &Execution) -> bool {
        if self.root.as_ref().is_some_and(|(seen, _)| *seen > began) {
            return false;
        }
        let mut kept = root.clone();
        // A pass has read them as well. Scripts are long, and nobody looks for them here.
        (kept.parameters, kept.tags) = (Map::new(), BTreeMap::new());
        let before = self.root.replace((began, kept));
        let moved = before.is_none_or(|(_, before)| fingerprint(&before) != fingerprint(root));
        if moved {
            self.unmoved = began;
        }
        moved
    }

    /// Whether it had been as it is now for so long when the window was listed.
    fn has_waited(&self, root: &Execution, window: Instant, lag: SignedDuration) -> bool {
        let known = self.root.as_ref();
        let as_known = known.is_some_and(|(_, known)| fingerprint(known) == fingerprint(root));
        as_known && window >= self.unmoved + lag.unsigned_abs()
    }

    /// Whether what is kept and what is on record are all of its nested ones. `on_record`: until then nothing is missing there.
    fn is_complete(
        &self,
        root: &Execution,
        on_record: Option<Timestamp>,
        windows: &Windows,
    ) -> bool {
        let reaches = |time: Option<Timestamp>| match (time, self.from) {
            (Some(time), Some(from)) => time >= from,
            _ => false,
        };
        let was_read = self.read && windows.since.is_some_and(|since| self.complete >= since);
        let is_forgotten = self
            .forgotten
            .is_some_and(|forgotten| on_record.is_none_or(|on_record| on_record < forgotten));
        self.complete.elapsed() <= COMPLETE_FOR
            && !is_forgotten
            && (was_read || reaches(on_record) || reaches(root.start))
    }

    /// Whether the windows should have shown how this is, and have not.
    fn has_missed(&self, nested: &Execution, latest: Option<Timestamp>) -> bool {
        let (Some(from), Some(latest)) = (self.from, latest) else {
            return false;
        };
        let is_forgotten =
            matches!((nested.end, self.forgotten), (Some(end), Some(until)) if end <= until);
        let was_due = |time: Option<Timestamp>| {
            time.is_some_and(|time| time >= from && latest.duration_since(time) > LAG)
        };
        !is_forgotten
            && match self.nested.get(&nested.id) {
                None => was_due(nested.start) || was_due(nested.end),
                Some((_, known)) => known.end.is_none() && was_due(nested.end),
            }
    }

    /// What had ended by then is on record.
    fn forget(&mut self, on_record: Option<Timestamp>) {
        let Some(on_record) = on_record else {
            return;
        };
        let is_on_record = |one: &Nested| one.end.is_some_and(|end| end <= on_record);
        self.nested.retain(|_, (_, one)| !is_on_record(one));
        self.forgotten = Some(on_record);
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

#[cfg(test)]
#[path = "seen_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
