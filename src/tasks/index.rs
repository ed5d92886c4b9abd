//! The index of all watched tasks.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ess_rollout_api::v1alpha1::RollbackRef;
use ess_rollout_core::ask::{QueueEntry, SeenWindow};
use ess_rollout_core::identity;
use ess_rollout_core::windows::may_select;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::watcher::Event;

use super::{
    CredentialsScope, ObjectView, Viewed,
    view::{Facts, Instances},
};
use crate::{
    kubernetes::{ObjectKey, ObjectKind},
    runtime::metrics::ActiveSeries,
};

/// The most namespaces that objects are counted by.
const NAMESPACES_MAX: usize = 200;
/// How the rest is named: no namespace can be.
const OTHERS: &str = "(others)";

/// The index. Each watch (one for each namespace, or one for all) owns what it brought in.
pub struct TaskIndex {
    default_region: Option<String>,
    tasks: Mutex<Tasks>,
}

/// The objects, and where those are found that an event concerns: what one event costs does not grow with how many objects
/// there are.
#[derive(Default)]
struct Tasks {
    entries: HashMap<ObjectKey, Entry>,
    /// By region and id.
    of_group: HashMap<GroupPlace, BTreeSet<ObjectKey>>,
    of_uid: HashMap<String, ObjectKey>,
    /// Rollbacks, by namespace and name of the task that they name.
    naming: HashMap<(String, String), BTreeSet<ObjectKey>>,
    /// Rollbacks, by the uid of the task that they were found to undo.
    undoing: HashMap<String, BTreeSet<ObjectKey>>,
    /// Rollbacks that wait for a task, by that: of which group they are is not on record before it has ended.
    following: HashMap<ObjectKey, BTreeSet<ObjectKey>>,
    /// Those that windows may hold, by namespace.
    holdable: HashMap<String, BTreeSet<ObjectKey>>,
    /// With an execution and no result.
    active: BTreeSet<ObjectKey>,
    /// Those that something is done or waited for.
    shown: BTreeSet<ObjectKey>,
    /// How many there are, by kind, namespace and state.
    counts: BTreeMap<(&'static str, String, String), i64>,
}

/// The region, if it is known, and the id.
type GroupPlace = (Option<String>, String);

impl Tasks {
    fn insert(&mut self, place: GroupPlace, entry: Entry) -> Option<Entry> {
        let key = entry.facts.key.clone();
        let old = self.remove(&key);
        let facts = &entry.facts;
        self.of_group.entry(place).or_default().insert(key.clone());
        self.of_uid.insert(facts.uid.clone(), key.clone());
        if let Some(name) = &facts.names {
            let named = (key.namespace.clone(), name.clone());
            self.naming.entry(named).or_default().insert(key.clone());
        }
        if let Some(uid) = &facts.undoes {
            let undone = self.undoing.entry(uid.clone()).or_default();
            undone.insert(key.clone());
        }
        if let Some(task) = followed(facts).filter(|_| facts.waits()) {
            self.following.entry(task).or_default().insert(key.clone());
        }
        if facts.may_be_held() {
            let namespace = key.namespace.clone();
            let beside = self.holdable.entry(namespace).or_default();
            beside.insert(key.clone());
        }
        if facts.execution.is_some() && !facts.result {
            self.active.insert(key.clone());
        }
        if facts.is_active() {
            self.shown.insert(key.clone());
        }
        *self.counts.entry(counted(facts)).or_default() += 1;
        self.entries.insert(key, entry);
        old
    }

    fn remove(&mut self, key: &ObjectKey) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        let facts = &entry.facts;
        take_out(&mut self.of_group, &entry.place, key);
        if self.of_uid.get(&facts.uid) == Some(key) {
            self.of_uid.remove(&facts.uid);
        }
        if let Some(name) = &facts.names {
            take_out(
                &mut self.naming,
                &(key.namespace.clone(), name.clone()),
                key,
            );
        }
        if let Some(uid) = &facts.undoes {
            take_out(&mut self.undoing, uid, key);
        }
        take_out(&mut self.holdable, &key.namespace, key);
        if let Some(task) = followed(facts) {
            take_out(&mut self.following, &task, key);
        }
        self.active.remove(key);
        self.shown.remove(key);
        let counted = counted(facts);
        if let Some(count) = self.counts.get_mut(&counted) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&counted);
            }
        }
        Some(entry)
    }

    /// Those that these keys are of.
    fn facts_of<'a>(
        &'a self,
        keys: Option<&'a BTreeSet<ObjectKey>>,
    ) -> impl Iterator<Item = &'a Facts> + use<'a> {
        let keys = keys.into_iter().flatten();
        keys.filter_map(|key| self.entries.get(key).map(|entry| &entry.facts))
    }

    fn of_group(&self, place: &GroupPlace) -> impl Iterator<Item = &Facts> + use<'_> {
        self.facts_of(self.of_group.get(place))
    }

    /// Who stands in the queue of a group. A rollback that waits for its task does as soon as that has begun: before, the task waits
    /// for its own turn, and is behind no rollback of itself.
    fn queue_of(&self, place: &GroupPlace) -> impl Iterator<Item = &Facts> + use<'_> {
        self.of_group(place).flat_map(|facts| {
            let waits = facts.waits().then_some(facts);
            let begun = facts.intent || facts.execution.is_some();
            let following = self.following.get(&facts.key).filter(|_| begun);
            waits.into_iter().chain(self.facts_of(following))
        })
    }
}

/// The task that a rollback waits for before it knows of which group it is.
fn followed(facts: &Facts) -> Option<ObjectKey> {
    let name = facts.names.as_deref().filter(|_| facts.group.is_empty())?;
    Some(ObjectKey::task(facts.key.namespace.as_str(), name))
}

/// What it is counted by.
fn counted(facts: &Facts) -> (&'static str, String, String) {
    let state = match facts.state.as_str() {
        "" => "Pending",
        state => state,
    };
    let key = &facts.key;
    (key.kind.name(), key.namespace.clone(), state.to_owned())
}

fn take_out<P: Eq + Hash>(sets: &mut HashMap<P, BTreeSet<ObjectKey>>, at: &P, key: &ObjectKey) {
    if let Some(set) = sets.get_mut(at) {
        set.remove(key);
        if set.is_empty() {
            sets.remove(at);
        }
    }
}

struct Entry {
    source: usize,
    /// Set while a new list is coming in: what is not listed again is gone.
    unconfirmed: bool,
    facts: Facts,
    /// Of its group.
    place: GroupPlace,
    /// Since when somebody waits behind it although its credentials have not been seen to reach the group.
    waited_for_since: Option<Timestamp>,
}

/// How long a task whose credentials have not been seen to reach the group is ahead of others in its queue. That
/// is seen at the first look at it; who never gets there, because the group is somebody else's, keeps nobody
/// waiting for longer.
const UNSEEN: SignedDuration = SignedDuration::from_mins(1);

impl Entry {
    /// Whether it is ahead of those behind it, as of `now`.
    fn keeps_place(&mut self, now: Timestamp) -> bool {
        if self.facts.reaches_group {
            return true;
        }
        let since = self.waited_for_since.get_or_insert(now);
        // A clock that was set back makes nobody wait anew for longer.
        *since = (*since).min(now);
        now.duration_since(*since) < UNSEEN
    }
}

/// What came of a watch event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The task is there in this version.
    Present(ObjectKey, String),
    /// The same after a restart, of one that only runs: whoever sees how far it is tells when to look at it.
    Runs(ObjectKey, String),
    /// It is gone.
    Gone(ObjectKey),
    /// It concerns this one: the next in the queue of a group that it left, a rollback that waits for
    /// its task, a task that is rolled back, the record of a group that it may have held.
    Concerns(ObjectKey),
}

/// A task that something may still happen to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Which.
    pub key: ObjectKey,
    /// Its execution is under way, and nothing is asked of it that it has not seen.
    pub only_runs: bool,
}

/// A task whose execution may move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveTask {
    /// Which.
    pub key: ObjectKey,
    /// Whose credentials it uses.
    pub scope: CredentialsScope,
    /// Where its execution is.
    pub region: String,
    /// Which execution that is.
    pub execution: String,
    /// When that started, by the cloud's clock.
    pub started: Option<Timestamp>,
    /// The latest time, by the same clock, that is on record of it: whatever came later is to be listed.
    pub latest: Option<Timestamp>,
}

impl TaskIndex {
    /// An empty one. Tasks without a region are in this one.
    pub fn new(default_region: Option<String>) -> Self {
        Self {
            default_region,
            tasks: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tasks> {
        // Nothing panics while holding it; if it did, the index is still only a hint.
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, facts: &Facts) -> GroupPlace {
        let region = facts.region.as_ref().or(self.default_region.as_ref());
        (region.cloned(), facts.group.clone())
    }

    /// Tells objects that share the rates of an account and region from others.
    pub fn lane_of(&self, key: &ObjectKey) -> u64 {
        let mut hasher = DefaultHasher::new();
        if let Some(Entry { facts, place, .. }) = self.lock().entries.get(key) {
            (&facts.scope, &place.0).hash(&mut hasher);
        }
        hasher.finish()
    }

    /// Takes in an event of the watch with this number.
    pub fn apply<K: Viewed>(&self, source: usize, event: Event<ObjectView<K>>) -> Vec<Change> {
        let mut tasks = self.lock();
        match event {
            Event::Init => {
                let entries = tasks.entries.values_mut();
                for entry in entries.filter(|entry| entry.source == source) {
                    entry.unconfirmed = true;
                }
                Vec::new()
            }
            Event::InitApply(view) => self.put(&mut tasks, source, view, false),
            Event::Apply(view) => self.put(&mut tasks, source, view, true),
            Event::Delete(view) => drop_all(&mut tasks, vec![view.key()]),
            Event::InitDone => {
                let gone = tasks
                    .entries
                    .iter()
                    .filter(|(_, entry)| entry.source == source && entry.unconfirmed)
                    .map(|(key, _)| key.clone())
                    .collect();
                drop_all(&mut tasks, gone)
            }
        }
    }

    /// `is_news`: it has changed just now. A list that is made after a restart brings thousands that have ended long ago.
    fn put<K: Viewed>(
        &self,
        tasks: &mut Tasks,
        source: usize,
        view: ObjectView<K>,
        is_news: bool,
    ) -> Vec<Change> {
        let facts = view.into_facts();
        let (key, version) = (facts.key.clone(), facts.version.clone());
        let present = match is_news || !facts.only_runs {
            true => Change::Present(key, version),
            false => Change::Runs(key, version),
        };
        let waits = facts.waits();
        let mut changes = Vec::new();
        if is_news || !facts.at_rest {
            changes.push(present);
        }
        changes.extend(related(tasks, &facts));
        let before = tasks.entries.get(&facts.key);
        let before = before.filter(|entry| entry.facts.uid == facts.uid);
        let waited_for_since = before.and_then(|entry| entry.waited_for_since);
        let place = self.place(&facts);
        let entry = Entry {
            source,
            unconfirmed: false,
            facts,
            place: place.clone(),
            waited_for_since,
        };
        let uid = entry.facts.uid.clone();
        if let Some(old) = tasks.insert(place.clone(), entry) {
            if old.facts.waits() && !waits {
                changes.extend(unblocked(tasks, &old));
            }
            if old.facts.uid != uid || old.place != place {
                changes.extend(left_behind(&old));
            }
        }
        changes
    }

    /// The first of the objects that wait for the same group and come before this one: rollbacks first, as what comes in between could
    /// not be undone with what they undo; then by creation time, namespace and name. One whose credentials have not been seen to
    /// reach the group is waited for a minute and no longer.
    pub fn ahead(
        &self,
        region: Option<&str>,
        group: &str,
        key: &ObjectKey,
        created: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<QueueEntry> {
        let own = in_queue((created, key));
        let place = (region.map(str::to_owned), group.to_owned());
        let mut tasks = self.lock();
        let waits = tasks.queue_of(&place);
        let open = |facts: &&Facts| facts.held_until.is_none_or(|until| until <= now);
        let before = waits
            .filter(|facts| in_queue(order(facts)) < own)
            .filter(open);
        let mut before: Vec<_> = before
            .map(|facts| (facts.created, facts.key.clone()))
            .collect();
        before.sort_by(|a, b| in_queue((a.0, &a.1)).cmp(&in_queue((b.0, &b.1))));
        let mut before = before.into_iter().map(|(_, key)| key);
        let first = before.find(|key| {
            // As long as its task has the group, nobody waits longer because of it.
            let facts = tasks.entries.get(key).map(|entry| &entry.facts);
            let task = facts
                .and_then(followed)
                .and_then(|task| tasks.entries.get(&task));
            let task_runs = task.is_some_and(|task| task.facts.began());
            let entry = tasks.entries.get_mut(key);
            entry.is_some_and(|entry| task_runs || entry.keeps_place(now))
        })?;
        Some(QueueEntry {
            kind: first.kind.name().to_owned(),
            namespace: first.namespace,
            name: first.name,
        })
    }

    /// The rollback that undoes this task: the newest that was found to.
    pub fn rolled_back_by(&self, key: &ObjectKey, metadata: &ObjectMeta) -> Option<RollbackRef> {
        let uid = metadata.uid.as_deref()?;
        let tasks = self.lock();
        let undoing = tasks.facts_of(tasks.undoing.get(uid));
        let rollbacks = undoing.filter(|facts| {
            facts.key.namespace == key.namespace && !facts.blocked && !facts.never_began()
        });
        let newest = rollbacks.max_by_key(|facts| order(facts))?;
        Some(RollbackRef {
            name: newest.key.name.clone(),
            uid: newest.uid.clone(),
        })
    }

    /// The tasks of a group that something may still happen to.
    pub fn unfinished_of(&self, region: &str, group: &str) -> Vec<Unfinished> {
        let place = (Some(region.to_owned()), group.to_owned());
        let tasks = self.lock();
        let unfinished = tasks.of_group(&place).filter(|facts| facts.unfinished());
        let unfinished = unfinished.map(|facts| Unfinished {
            key: facts.key.clone(),
            only_runs: facts.only_runs,
        });
        unfinished.collect()
    }

    /// The objects that have not ended and that any of these windows is for, whatever the tags of their groups are. Windows of the
    /// operator's namespace are for those of all namespaces; one that merely selects a rollback does not hold it.
    pub fn held_by<'a>(
        &self,
        windows: impl Iterator<Item = &'a SeenWindow>,
        operator: &str,
    ) -> BTreeSet<ObjectKey> {
        let tasks = self.lock();
        let mut held = BTreeSet::new();
        for window in windows {
            let selector = window.spec.as_ref();
            let selector = selector.and_then(|spec| spec.selector.as_ref());
            let is_for = |facts: &&Facts| {
                let namespace = &facts.key.namespace;
                let selects = may_select(selector, &window.namespace, operator, namespace);
                let selects = selects && facts.key.kind != ObjectKind::Rollback;
                facts.window_refs.contains(&window.name) || selects
            };
            let namespaces = tasks.holdable.iter();
            let reached = namespaces.filter(|(namespace, _)| {
                window.namespace == operator || **namespace == window.namespace
            });
            for (_, keys) in reached {
                let found = tasks.facts_of(Some(keys)).filter(is_for);
                held.extend(found.map(|facts| facts.key.clone()));
            }
        }
        held
    }

    /// Of an object that somebody else has looked after, whether it only runs; `None`: there is nothing to be done about it.
    pub fn taken_over(&self, key: &ObjectKey) -> Option<bool> {
        match self.lock().entries.get(key) {
            Some(Entry { facts, .. }) => (!facts.at_rest).then_some(facts.only_runs),
            None => Some(false),
        }
    }

    /// Whether an object of this uid is watched whose group is in this region.
    pub fn is_in(&self, uid: &str, region: &str) -> bool {
        let tasks = self.lock();
        let key = tasks.of_uid.get(uid);
        let entry = key.and_then(|key| tasks.entries.get(key));
        entry.is_some_and(|entry| entry.place.0.as_deref() == Some(region))
    }

    /// The tasks that have an execution and no result.
    pub fn active(&self) -> Vec<ActiveTask> {
        let tasks = self.lock();
        // In the order of their keys: whoever spreads them over time does it in the same way each time.
        let entries = tasks.active.iter().filter_map(|key| tasks.entries.get(key));
        let active = entries.filter_map(|Entry { facts, place, .. }| {
            let (execution, started) = facts.execution.clone()?;
            Some(ActiveTask {
                key: facts.key.clone(),
                scope: facts.scope.clone(),
                region: place.0.clone()?,
                execution,
                started,
                latest: facts.latest.or(started),
            })
        });
        active.collect()
    }

    /// The tasks because of which a group stands still, and since when.
    pub fn frozen(&self) -> Vec<(ObjectKey, Timestamp)> {
        let tasks = self.lock();
        let facts = tasks.facts_of(Some(&tasks.shown));
        facts
            .filter_map(|facts| Some((facts.key.clone(), facts.frozen_since?)))
            .collect()
    }

    /// Each object that something is done or waited for, as its series show it.
    pub fn shown(&self) -> Vec<ActiveSeries> {
        let tasks = self.lock();
        let facts = tasks.facts_of(Some(&tasks.shown));
        let shown = facts.map(|facts| {
            let (kind, namespace, state) = counted(facts);
            ActiveSeries {
                kind,
                namespace,
                name: facts.key.name.clone(),
                state,
                group: facts.group.clone(),
                moved: facts.moved.map(Timestamp::as_second),
                paused: facts.paused_since.map(Timestamp::as_second),
            }
        });
        shown.collect()
    }

    /// How many instances of these are in each state, by kind.
    pub fn instances(&self) -> BTreeMap<(&'static str, &'static str), i64> {
        let tasks = self.lock();
        let mut counts = BTreeMap::new();
        for facts in tasks.facts_of(Some(&tasks.shown)) {
            let states = facts.instances.map(Instances::by_state);
            for (state, count) in states.into_iter().flatten() {
                *counts.entry((facts.key.kind.name(), state)).or_default() += i64::from(count);
            }
        }
        counts
    }

    /// How many objects there are, by kind, namespace and the word in `status.state`. A cluster may have any number of
    /// namespaces: those that come after the first so many in the alphabet are counted together.
    pub fn by_state(&self) -> BTreeMap<(&'static str, String, String), i64> {
        let tasks = self.lock();
        let places = tasks.counts.keys();
        let namespaces: BTreeSet<&str> =
            places.map(|(_, namespace, _)| namespace.as_str()).collect();
        let named: BTreeSet<&str> = namespaces.into_iter().take(NAMESPACES_MAX).collect();
        let mut counts = BTreeMap::new();
        for ((kind, namespace, state), count) in &tasks.counts {
            let namespace = match named.contains(namespace.as_str()) {
                true => namespace.as_str(),
                false => OTHERS,
            };
            let place = (*kind, namespace.to_owned(), state.clone());
            *counts.entry(place).or_default() += count;
        }
        counts
    }
}

fn drop_all(tasks: &mut Tasks, gone: Vec<ObjectKey>) -> Vec<Change> {
    let dropped: Vec<_> = gone.iter().filter_map(|key| tasks.remove(key)).collect();
    let mut changes: Vec<_> = gone.into_iter().map(Change::Gone).collect();
    for entry in dropped {
        changes.extend(unblocked(tasks, &entry));
        changes.extend(left_behind(&entry));
    }
    changes
}

/// The record of the group that an object is not about any more. It may still be there as the one that holds the group: its
/// finalizer was taken by hand, that record could not be written, or the default region is another since a restart.
fn left_behind(old: &Entry) -> Option<Change> {
    let (region, group) = &old.place;
    let held = old.facts.began() || old.facts.guarded;
    let region = region.as_ref().filter(|_| held)?;
    let name = identity::record_name(region, group);
    Some(Change::Concerns(ObjectKey::record(name)))
}

/// The first that waits in the group that another task left the queue of.
fn unblocked(tasks: &Tasks, left: &Entry) -> Option<Change> {
    let task = followed(&left.facts).and_then(|task| tasks.entries.get(&task));
    let place = task.map_or(&left.place, |task| &task.place);
    let waiting = tasks.of_group(place).filter(|facts| facts.waits());
    let first = waiting.min_by_key(|facts| (!facts.reaches_group, in_queue(order(facts))));
    first.map(|facts| Change::Concerns(facts.key.clone()))
}

/// Who is concerned by what an object has become, if that is news: rollbacks that wait for a task,
/// and the task that a rollback undoes.
fn related(tasks: &Tasks, facts: &Facts) -> Vec<Change> {
    let old = tasks.entries.get(&facts.key).map(|entry| &entry.facts);
    let news = old.is_none_or(|old| {
        (&old.state, &old.undoes, old.restoring) != (&facts.state, &facts.undoes, facts.restoring)
    });
    if !news {
        return Vec::new();
    }
    let named = (facts.key.namespace.clone(), facts.key.name.clone());
    let waiting = tasks.facts_of(tasks.naming.get(&named));
    let waiting = waiting
        .filter(|rollback| !rollback.result)
        .map(|rollback| &rollback.key);
    let undone = facts.undoes.as_ref().and_then(|uid| tasks.of_uid.get(uid));
    let undone = undone.filter(|key| key.namespace == facts.key.namespace);
    let related = waiting.chain(undone);
    related.cloned().map(Change::Concerns).collect()
}

/// The place in the queue of a group.
fn in_queue(
    (created, key): (Option<Timestamp>, &ObjectKey),
) -> (bool, Option<Timestamp>, &ObjectKey) {
    (key.kind != ObjectKind::Rollback, created, key)
}

fn order(facts: &Facts) -> (Option<Timestamp>, &ObjectKey) {
    (facts.created, &facts.key)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use ess_rollout_api::FINALIZER;
    use ess_rollout_api::v1alpha1::{Rollback, RollingUpdateTask};
    use serde_json::{Value, json};

    use super::*;
    use crate::tasks::view::tests::{image_update, view};

    fn object(name: &str, second: u32, status: Value) -> ObjectView<RollingUpdateTask> {
        view(json!({
            "metadata": {"namespace": "ns", "name": name, "resourceVersion": format!("{name}-1"),
                "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": {"scalingGroupId": "asg-1"}, "status": status
        }))
    }

    const NOW: &str = "2026-01-01T00:10:00Z";

    fn index(objects: impl IntoIterator<Item = ObjectView<RollingUpdateTask>>) -> TaskIndex {
        let index = TaskIndex::new(Some("cn-hangzhou".into()));
        for object in objects {
            index.apply(0, Event::Apply(object));
        }
        index
    }

    fn ahead(index: &TaskIndex, name: &str, second: u32) -> Option<String> {
        index
            .ahead(
                Some("cn-hangzhou"),
                "asg-1",
                &ObjectKey::task("ns", name),
                Some(format!("2026-01-01T00:00:{second:02}Z").parse().unwrap()),
                NOW.parse().unwrap(),
            )
            .map(|entry| entry.name)
    }

    #[test]
    fn the_oldest_that_waits_is_ahead_and_ties_go_by_name() {
        let index = index([
            object("c", 5, json!({})),
            object("b", 5, json!({})),
            object("a", 7, json!({})),
            object("running", 1, json!({"execution": {"id": "exec-1"}})),
            object("intended", 1, json!({"start": {"attempt": 1}})),
            object("over", 1, json!({"result": {"outcome": "Failed"}})),
        ]);
        assert_eq!(ahead(&index, "b", 5), None);
        assert_eq!(ahead(&index, "c", 5).as_deref(), Some("b"));
        assert_eq!(ahead(&index, "a", 7).as_deref(), Some("b"));
    }

    /// Who rolls back wants the old state now, however long others have waited.
    #[test]
    fn a_rollback_is_ahead_of_updates_that_are_older() {
        let index = index([object("a", 1, json!({})), object("b", 2, json!({}))]);
        let back: ObjectView<Rollback> = serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "z", "resourceVersion": "z-1",
                "creationTimestamp": "2026-01-01T00:00:09Z"},
            "spec": {"scalingGroupId": "asg-1"}
        }))
        .unwrap();
        index.apply(1, Event::Apply(back));
        assert_eq!(ahead(&index, "a", 1).as_deref(), Some("z"));
        assert_eq!(ahead(&index, "b", 2).as_deref(), Some("z"));
        let own = index.ahead(
            Some("cn-hangzhou"),
            "asg-1",
            &ObjectKey::rollback("ns", "z"),
            Some("2026-01-01T00:00:09Z".parse().unwrap()),
            NOW.parse().unwrap(),
        );
        assert!(own.is_none());
    }

    /// It finds out of which group it is when its task has ended, and others that wait for the group begin in that moment.
    #[test]
    fn a_rollback_that_waits_for_its_task_is_ahead_of_what_waits_for_the_same_group() {
        let after = |index: &TaskIndex, seconds: i64| {
            let now = NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds);
            let created = "2026-01-01T00:00:02Z".parse().unwrap();
            let key = ObjectKey::task("ns", "b");
            let ahead = index.ahead(Some("cn-hangzhou"), "asg-1", &key, Some(created), now);
            ahead.map(|entry| entry.name)
        };
        let back: ObjectView<Rollback> = serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "z", "resourceVersion": "z-1",
                "creationTimestamp": "2026-01-01T00:00:09Z"},
            "spec": {"taskRef": {"name": "a"}}
        }))
        .unwrap();
        let index = index([object("a", 1, json!({})), object("b", 2, json!({}))]);
        index.apply(1, Event::Apply(back));
        // What it waits for waits for nobody but those before it.
        assert_eq!(ahead(&index, "a", 1), None);
        assert_eq!(after(&index, 0).as_deref(), Some("a"));
        let runs = json!({"groupSeenTime": NOW, "execution": {"id": "exec-1"}});
        index.apply(0, Event::Apply(object("a", 1, runs)));
        assert_eq!(after(&index, 0).as_deref(), Some("z"));
        assert_eq!(after(&index, 7200).as_deref(), Some("z"));
        // From its end on it has as long as anybody to be seen to reach the group.
        let over = json!({"execution": {"id": "exec-1"}, "result": {"outcome": "Succeeded"}});
        index.apply(0, Event::Apply(object("a", 1, over)));
        assert_eq!(after(&index, 7200).as_deref(), Some("z"));
        assert_eq!(after(&index, 7259).as_deref(), Some("z"));
        assert_eq!(after(&index, 7260), None);
        // Who waited behind it is told when it does not wait any more.
        let failed: ObjectView<Rollback> = serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": "z", "resourceVersion": "z-2"},
            "spec": {"taskRef": {"name": "a"}}, "status": {"result": {"outcome": "Failed"}}
        }))
        .unwrap();
        let told = index.apply(1, Event::Apply(failed));
        assert!(told.contains(&Change::Concerns(ObjectKey::task("ns", "b"))));
    }

    #[test]
    fn one_that_a_person_has_to_mend_something_for_stands_aside() {
        let index = index([object("a", 1, json!({})), object("b", 2, json!({}))]);
        assert_eq!(ahead(&index, "b", 2).as_deref(), Some("a"));
        let blocked = object("a", 1, json!({"state": "Blocked"}));
        let next = Change::Concerns(ObjectKey::task("ns", "b"));
        assert!(index.apply(0, Event::Apply(blocked)).contains(&next));
        assert_eq!(ahead(&index, "b", 2), None);
        for (needs_person, first) in [(false, Some("a")), (true, None)] {
            let blocked = json!({"needsPerson": needs_person});
            let status =
                json!({"layout": "of this version", "state": "Pending", "startBlocked": blocked});
            _ = index.apply(0, Event::Apply(object("a", 1, status)));
            assert_eq!(ahead(&index, "b", 2).as_deref(), first);
        }
    }

    #[test]
    fn one_that_waits_for_its_window_is_not_ahead_until_that_opens() {
        let held = json!({
            "layout": "of this version", "state": "Pending",
            "startBlocked": {"heldUntil": "2026-01-01T06:00:00Z"},
        });
        let index = index([object("a", 1, held), object("b", 2, json!({}))]);
        let at = |time: &str| {
            let (key, now) = (ObjectKey::task("ns", "b"), time.parse().unwrap());
            let created = "2026-01-01T00:00:02Z".parse().unwrap();
            let ahead = index.ahead(Some("cn-hangzhou"), "asg-1", &key, Some(created), now);
            ahead.map(|entry| entry.name)
        };
        assert_eq!(at("2026-01-01T05:59:59Z"), None);
        assert_eq!(at("2026-01-01T06:00:00Z").as_deref(), Some("a"));
    }

    /// A task of another namespace that names a group which its credentials do not reach.
    #[test]
    fn one_that_has_not_been_seen_to_reach_the_group_is_waited_for_a_minute() {
        let index = index([object("a", 1, json!({})), object("b", 2, json!({}))]);
        let after = |seconds: i64| {
            let now = NOW.parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds);
            let created = "2026-01-01T00:00:02Z".parse().unwrap();
            let key = ObjectKey::task("ns", "b");
            let ahead = index.ahead(Some("cn-hangzhou"), "asg-1", &key, Some(created), now);
            ahead.map(|entry| entry.name)
        };
        assert_eq!(after(0).as_deref(), Some("a"));
        // A write to it does not give it another minute.
        index.apply(0, Event::Apply(object("a", 1, json!({"state": "Pending"}))));
        assert_eq!(after(59).as_deref(), Some("a"));
        assert_eq!(after(60), None);
        let seen = json!({"groupSeenTime": "2026-01-01T00:11:00Z"});
        index.apply(0, Event::Apply(object("a", 1, seen)));
        assert_eq!(after(3600).as_deref(), Some("a"));
    }

    #[test]
    fn another_region_or_group_is_another_queue() {
        let index = index([object("a", 1, json!({}))]);
        let other = |region, group| {
            index.ahead(
                Some(region),
                group,
                &ObjectKey::task("ns", "z"),
                Some("2026-01-01T00:01:00Z".parse().unwrap()),
                NOW.parse().unwrap(),
            )
        };
        assert!(other("cn-hangzhou", "asg-1").is_some());
        assert!(other("cn-beijing", "asg-1").is_none());
        assert!(other("cn-hangzhou", "asg-2").is_none());
    }

    #[test]
    fn whoever_leaves_the_queue_wakes_the_next() {
        let index = index([object("a", 1, json!({})), object("b", 2, json!({}))]);
        let next = Change::Concerns(ObjectKey::task("ns", "b"));
        assert!(
            index
                .apply(
                    0,
                    Event::Apply(object("a", 1, json!({"result": {"outcome": "Failed"}})))
                )
                .contains(&next)
        );
        index.apply(0, Event::Apply(object("a", 1, json!({}))));
        assert_eq!(
            index.apply(0, Event::Delete(object("a", 1, json!({})))),
            [Change::Gone(ObjectKey::task("ns", "a")), next]
        );
    }

    #[test]
    fn one_that_vanishes_while_it_runs_has_the_record_of_its_group_looked_at() {
        let running = || object("a", 1, json!({"execution": {"id": "exec-1"}}));
        let done = json!({"execution": {"id": "exec-1"}, "result": {"outcome": "Failed"},
            "restore": {"done": true}});
        let let_go = view(json!({
            "metadata": {"namespace": "ns", "name": "a", "finalizers": [FINALIZER]},
            "spec": {"scalingGroupId": "asg-1"}, "status": done,
        }));
        let cases = [
            (running(), true),
            // What had been written of its group's record when it went is not known here.
            (let_go, true),
            (object("a", 1, done), false),
        ];
        for (last, looked_at) in cases {
            let index = index([last]);
            let changes = index.apply(0, Event::Delete(running()));
            let record = Change::Concerns(ObjectKey::record("cn-hangzhou.asg-1"));
            assert_eq!(changes.contains(&record), looked_at);
        }
    }

    #[test]
    fn a_run_of_an_image_update_task_stands_in_the_queue_while_it_waits() {
        let index = index([object("b", 2, json!({}))]);
        let apply = |status: Value| index.apply(1, Event::Apply(image_update("images", 1, status)));
        apply(json!({"state": "Scheduled"}));
        assert_eq!(ahead(&index, "b", 2), None);
        apply(json!({"state": "Waiting"}));
        assert_eq!(ahead(&index, "b", 2).as_deref(), Some("images"));
        // It leaves the queue when it begins, and wakes whoever is next to look.
        let running = json!({"state": "Running", "active": {"execution": {"id": "exec-7"}}});
        let next = Change::Concerns(ObjectKey::task("ns", "b"));
        assert!(apply(running).contains(&next));
        assert_eq!(ahead(&index, "b", 2), None);
        let active = index.active();
        assert_eq!(active.len(), 1);
        assert_eq!(active[0].key, ObjectKey::image_update("ns", "images"));
        assert_eq!(active[0].execution, "exec-7");
        // The record of its group concerns it as long as it exists: another run may come.
        let key = ObjectKey::image_update("ns", "images");
        apply(json!({"state": "Scheduled"}));
        assert!(index.active().is_empty());
        let unfinished = index.unfinished_of("cn-hangzhou", "asg-1");
        assert!(unfinished.iter().any(|unfinished| unfinished.key == key));
    }

    #[test]
    fn what_has_ended_and_has_seen_all_that_is_asked_of_it_is_no_news_after_a_restart() {
        let ended = json!({
            "metadata": {"namespace": "ns", "name": "a", "generation": 2,
                "annotations": {"ess-rollout.io/continue": "1", "ess-rollout.io/execution-id": "exec-1"}},
            "spec": {"scalingGroupId": "asg-1"},
            "status": {"observedGeneration": 2, "result": {}, "restore": {"done": true},
                "handledActions": {"continue": "1"},
                "conditions": [{"type": "Ready", "reason": "Updated"}]}
        });
        let news = |change: Value| {
            let mut object = ended.clone();
            json_patch::merge(&mut object, &change);
            let index = TaskIndex::new(None);
            let view = |object: &Value| {
                let view: ObjectView<RollingUpdateTask> =
                    serde_json::from_value(object.clone()).unwrap();
                view
            };
            let listed = index.apply(0, Event::InitApply(view(&object)));
            let changed = index.apply(0, Event::Apply(view(&object)));
            assert_eq!(changed.len(), 1, "{changed:?}");
            listed.len()
        };
        assert_eq!(news(json!({})), 0);
        for change in [
            json!({"metadata": {"generation": 3}}),
            json!({"metadata": {"annotations": {"ess-rollout.io/continue": "2"}}}),
            json!({"metadata": {"annotations": {"ess-rollout.io/cancel": "now"}}}),
            json!({"metadata": {"finalizers": ["ess-rollout.io/execution"]}}),
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            json!({"spec": {"ttlSecondsAfterFinished": 60}}),
            json!({"status": {"result": null}}),
            json!({"status": {"restore": {"done": false}}}),
            json!({"status": {"conditions": [{"type": "Ready", "reason": "CRDOutdated"}]}}),
        ] {
            assert_eq!(news(change.clone()), 1, "{change}");
        }
    }

    #[test]
    fn what_only_runs_waits_after_a_restart_until_it_is_seen_how_far_it_is() {
        let running = json!({
            "metadata": {"namespace": "ns", "name": "a", "generation": 2},
            "spec": {"scalingGroupId": "asg-1"},
            "status": {"observedGeneration": 2, "execution": {"id": "exec-1"}}
        });
        let only_runs = |change: Value| {
            let mut object = running.clone();
            json_patch::merge(&mut object, &change);
            let index = TaskIndex::new(None);
            let view: ObjectView<RollingUpdateTask> = serde_json::from_value(object).unwrap();
            let listed = index.apply(0, Event::InitApply(view.clone()));
            let changed = index.apply(0, Event::Apply(view));
            assert!(matches!(&changed[..], [Change::Present(..)]), "{changed:?}");
            matches!(&listed[..], [Change::Runs(..)])
        };
        assert!(only_runs(json!({})));
        for change in [
            json!({"metadata": {"generation": 3}}),
            json!({"metadata": {"annotations": {"ess-rollout.io/continue": "2"}}}),
            json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
            json!({"status": {"result": {}}}),
            json!({"status": {"execution": null, "start": {"attempt": 1}}}),
        ] {
            assert!(!only_runs(change.clone()), "{change}");
        }
    }

    #[test]
    fn what_holds_a_group_that_it_is_not_about_any_more_concerns_the_record_of_that() {
        let holding = |uid: &str, region: Option<&str>| {
            let place = region.map(|region| json!({"regionId": region}));
            view(json!({
                "metadata": {"namespace": "ns", "name": "a", "uid": uid, "resourceVersion": "1",
                    "finalizers": [FINALIZER]},
                "spec": {"scalingGroupId": "asg-1"}, "status": {"place": place}
            }))
        };
        let record = Change::Concerns(ObjectKey::record("cn-hangzhou.asg-1"));
        let index = index([holding("u-1", None)]);
        assert!(index.is_in("u-1", "cn-hangzhou"));
        assert!(!index.is_in("u-1", "cn-beijing"));
        assert!(!index.is_in("u-2", "cn-hangzhou"));
        let same = index.apply(0, Event::Apply(holding("u-1", None)));
        assert!(!same.contains(&record));
        // Created again while nobody watched, and in another region.
        for next in [holding("u-2", None), holding("u-2", Some("cn-beijing"))] {
            assert!(index.apply(0, Event::Apply(next)).contains(&record));
        }
    }

    #[test]
    fn a_new_list_drops_what_it_does_not_name_of_its_own_watch_only() {
        let index = index([object("a", 1, json!({})), object("b", 2, json!({}))]);
        index.apply(
            1,
            Event::Apply(view(
                json!({"metadata": {"namespace": "other", "name": "x"},
                "spec": {"scalingGroupId": "asg-9"}}),
            )),
        );
        index.apply::<RollingUpdateTask>(0, Event::Init);
        index.apply(0, Event::InitApply(object("b", 2, json!({}))));
        let changes = index.apply::<RollingUpdateTask>(0, Event::InitDone);
        assert!(changes.contains(&Change::Gone(ObjectKey::task("ns", "a"))));
        assert_eq!(
            index.by_state(),
            BTreeMap::from([
                (
                    ("RollingUpdateTask", "ns".to_owned(), "Pending".to_owned()),
                    1
                ),
                (
                    (
                        "RollingUpdateTask",
                        "other".to_owned(),
                        "Pending".to_owned()
                    ),
                    1
                ),
            ])
        );
    }

    #[test]
    fn objects_of_any_number_of_namespaces_are_counted_by_a_bounded_number() {
        let objects = (0..NAMESPACES_MAX + 7).map(|number| {
            view(
                json!({"metadata": {"namespace": format!("ns-{number:04}"), "name": "x"},
                "spec": {"scalingGroupId": "asg-1"}}),
            )
        });
        let index = TaskIndex::new(None);
        for object in objects {
            index.apply(0, Event::Apply(object));
        }
        let counts = index.by_state();
        assert_eq!(counts.len(), NAMESPACES_MAX + 1);
        let others = ("RollingUpdateTask", OTHERS.to_owned(), "Pending".to_owned());
        assert_eq!(counts[&others], 7);
    }

    #[test]
    fn an_object_has_series_while_something_is_done_or_waited_for() {
        let running = json!({
            "state": "Running", "observedGeneration": 1,
            "execution": {"id": "exec-1", "startTime": "2026-01-01T01:00:00Z"},
            "latestInstanceTime": "2026-01-01T01:30:00Z",
            "summary": {"total": 4, "pending": 1, "updating": 2, "succeeded": 1},
        });
        let with = |more: Value| {
            let mut status = running.clone();
            for (field, value) in more.as_object().unwrap() {
                status[field] = value.clone();
            }
            object("web", 1, status)
        };
        let index = index([object("db", 2, json!({})), with(json!({}))]);
        let seconds = |time: &str| time.parse().map(Timestamp::as_second).ok();
        let shown = |index: &TaskIndex| {
            let shown = index.shown().into_iter();
            shown
                .map(|one| (one.name, one.state, one.moved, one.paused))
                .collect::<Vec<_>>()
        };
        let db = (
            "db".to_owned(),
            "Pending".to_owned(),
            seconds("2026-01-01T00:00:02Z"),
            None,
        );
        let web = |state: &str, moved: &str, paused: Option<&str>| {
            let paused = paused.and_then(seconds);
            ("web".to_owned(), state.to_owned(), seconds(moved), paused)
        };
        let running = web("Running", "2026-01-01T01:30:00Z", None);
        assert_eq!(shown(&index), [db.clone(), running]);
        let kind = "RollingUpdateTask";
        assert_eq!(index.instances()[&(kind, "Updating")], 2);

        let pause = json!({"state": "BatchSuspended", "pause": {"since": "2026-01-01T02:00:00Z"}});
        index.apply(0, Event::Apply(with(pause)));
        let since = "2026-01-01T02:00:00Z";
        let paused = web("BatchSuspended", since, Some(since));
        assert_eq!(shown(&index), [db.clone(), paused]);
        // Nobody is waited for.
        let held = json!({"state": "BatchHeld", "pause": {"since": "2026-01-01T02:00:00Z"}});
        index.apply(0, Event::Apply(with(held)));
        assert_eq!(shown(&index), [db.clone(), web("BatchHeld", since, None)]);

        // What is still to be put back is shown as well.
        let result = json!({"state": "Restoring", "result": {}, "restore": {"done": false}});
        index.apply(0, Event::Apply(with(result)));
        assert_eq!(shown(&index).len(), 2);
        let end = json!({"state": "Succeeded", "result": {}, "restore": {"done": true}});
        index.apply(0, Event::Apply(with(end.clone())));
        assert_eq!(shown(&index), [db]);
        assert!(index.instances().is_empty());
        let counts = |index: &TaskIndex| {
            let counts = index.by_state().into_iter();
            counts
                .map(|((_, _, state), count)| (state, count))
                .collect::<Vec<_>>()
        };
        let one = |state: &str| (state.to_owned(), 1);
        assert_eq!(counts(&index), [one("Pending"), one("Succeeded")]);
        index.apply(0, Event::Delete(with(end)));
        assert_eq!(counts(&index), [one("Pending")]);
    }

    #[test]
    fn frozen_are_those_that_have_the_processes_of_a_group_suspended() {
        let frozen = json!({"processes": ["ScaleIn"], "since": "2026-01-01T00:05:00Z"});
        let index = index([
            object("a", 1, json!({"freeze": frozen})),
            object("b", 1, json!({"execution": {"id": "exec-2"}})),
            object(
                "c",
                1,
                json!({"freeze": frozen, "result": {}, "restore": {"done": true}}),
            ),
        ]);
        let since = "2026-01-01T00:05:00Z".parse().unwrap();
        assert_eq!(index.frozen(), [(ObjectKey::task("ns", "a"), since)]);
    }

    #[test]
    fn active_are_those_with_an_execution_and_no_result() {
        let index = index([
            object("a", 1, json!({"execution": {"id": "exec-1"}})),
            object("b", 1, json!({"execution": {"id": "exec-2"}, "result": {}})),
            object("c", 1, json!({})),
        ]);
        let active = index.active();
        assert_eq!(active.len(), 1);
        assert_eq!(active[0].execution, "exec-1");
        assert_eq!(active[0].region, "cn-hangzhou");
    }
}
