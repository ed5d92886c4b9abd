//! What the watches decode: a few fields of each object. Lists of instances, scripts and managed
//! fields never reach memory as more than passing text.

use std::{borrow::Cow, marker::PhantomData};

use ess_rollout_api::FINALIZER;
use ess_rollout_api::v1alpha1::{
    HandledActions, ImageUpdateTask, Place, Rollback, RollingUpdateTask, ScalingGroupRecord,
};
use ess_rollout_core::task::{ledger, reason::Reason};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, de::IgnoredAny};

use super::references::Found;
use crate::kubernetes::{ObjectKey, ObjectKind};

/// Whose credentials a task uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CredentialsScope {
    /// The task's namespace.
    pub namespace: String,
    /// The Secret there; `None`: the operator's own credentials.
    pub secret: Option<String>,
}

/// The part of an object of kind `K` that is kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", bound = "")]
pub struct ObjectView<K> {
    metadata: ObjectMeta,
    spec: Spec,
    #[serde(default)]
    status: Option<Status>,
    #[serde(skip)]
    kind: PhantomData<fn() -> K>,
}

/// The kinds that views are of.
pub trait Viewed: Resource<DynamicType = ()> {
    /// Which one it is.
    const KIND: ObjectKind;
}

impl Viewed for RollingUpdateTask {
    const KIND: ObjectKind = ObjectKind::RollingUpdateTask;
}

impl Viewed for Rollback {
    const KIND: ObjectKind = ObjectKind::Rollback;
}

impl Viewed for ImageUpdateTask {
    const KIND: ObjectKind = ObjectKind::ImageUpdateTask;
}

/// The fields of all kinds.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default)]
    task_ref: Option<Reference>,
    #[serde(default)]
    scaling_group_id: Option<String>,
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    credentials_ref: Option<Reference>,
    #[serde(default)]
    desired_state: Option<String>,
    #[serde(default)]
    ttl_seconds_after_finished: Option<IgnoredAny>,
    #[serde(default)]
    window_refs: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Reference {
    name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    observed_generation: Option<i64>,
    #[serde(default)]
    handled_actions: HandledActions,
    #[serde(default)]
    conditions: Vec<Said>,
    #[serde(default)]
    state: Option<String>,
    #[serde(default)]
    layout: Option<IgnoredAny>,
    #[serde(default)]
    start_blocked: StartBlocked,
    #[serde(default)]
    waiting: Option<WaitingRun>,
    #[serde(default)]
    place: Option<Place>,
    #[serde(default)]
    source: Option<Source>,
    #[serde(default)]
    plan: Option<Found>,
    #[serde(default)]
    group_seen_time: Option<IgnoredAny>,
    #[serde(default)]
    start: Option<Found>,
    #[serde(default)]
    execution: Option<Execution>,
    #[serde(default)]
    latest_instance_time: Option<Timestamp>,
    #[serde(default)]
    active: Option<ActiveRun>,
    #[serde(default)]
    result: Option<IgnoredAny>,
    #[serde(default)]
    restore: Option<Restore>,
    #[serde(default)]
    freeze: Option<Freeze>,
    #[serde(default)]
    pause: Option<Pause>,
    #[serde(default)]
    resumed_time: Option<Timestamp>,
    #[serde(default)]
    summary: Option<Instances>,
}

/// The pause that it is in.
#[derive(Debug, Clone, Deserialize)]
struct Pause {
    since: Timestamp,
}

/// How many instances of an update are in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub(super) struct Instances {
    #[serde(default)]
    pending: i32,
    #[serde(default)]
    updating: i32,
    #[serde(default)]
    succeeded: i32,
    #[serde(default)]
    failed: i32,
    #[serde(default)]
    cancelled: i32,
    #[serde(default)]
    skipped: i32,
}

impl Instances {
    /// By the words of `status.instances`.
    pub(super) fn by_state(self) -> [(&'static str, i32); 6] {
        [
            ("Pending", self.pending),
            ("Updating", self.updating),
            ("Succeeded", self.succeeded),
            ("Failed", self.failed),
            ("Cancelled", self.cancelled),
            ("Skipped", self.skipped),
        ]
    }
}

/// A condition.
#[derive(Debug, Clone, Deserialize)]
struct Said {
    reason: String,
}

/// The time for which a group stands still.
#[derive(Debug, Clone, Deserialize)]
struct Freeze {
    since: Timestamp,
}

/// The run of an image update task.
#[derive(Debug, Clone, Deserialize)]
struct ActiveRun {
    #[serde(default)]
    place: Option<Place>,
    #[serde(default)]
    execution: Option<Execution>,
}

/// What stands against a start.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StartBlocked {
    #[serde(default)]
    needs_person: bool,
    held_until: Option<Timestamp>,
}

/// The run of an image update task that is due.
#[derive(Debug, Clone, Default, Deserialize)]
struct WaitingRun {
    #[serde(default)]
    queued: bool,
}

impl Status {
    /// Whether a person has to mend something before it can start.
    fn is_blocked(&self) -> bool {
        match self.layout {
            Some(_) => self.start_blocked.needs_person,
            None => self.state.as_deref() == Some(BLOCKED),
        }
    }

    /// Whether a run is due.
    fn is_due(&self) -> bool {
        self.waiting.is_some()
    }

    /// Whether a run is due that waits for its group.
    fn is_queued(&self) -> bool {
        match self.layout {
            Some(_) => self.waiting.as_ref().is_some_and(|waiting| waiting.queued),
            None => self.state.as_deref() == Some(WAITING),
        }
    }
}

/// What a rollback was found to undo.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Source {
    #[serde(default)]
    uid: Option<String>,
    scaling_group_id: String,
    #[serde(default)]
    region_id: Option<String>,
    #[serde(default)]
    credentials_ref: Option<Reference>,
    #[serde(default)]
    scaling_configuration_containers: Found,
    #[serde(default)]
    kept_update: Found,
}

#[derive(Debug, Clone, Deserialize)]
struct Restore {
    #[serde(default)]
    done: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Execution {
    id: String,
    #[serde(default)]
    start_time: Option<Timestamp>,
}

/// `status.state` of a task that a person has to mend something for before it can start, in the older layout.
const BLOCKED: &str = "Blocked";
/// `status.state` in a pause that ends by itself.
const BATCH_HELD: &str = "BatchHeld";
/// `status.state` of an image update task whose run is due and waits for its group, in the older layout.
const WAITING: &str = "Waiting";

/// What keeps a status from being written, which is tried again.
const UNWRITTEN: [Reason; 3] = [
    Reason::CRDOutdated,
    Reason::NotUnderstood,
    Reason::StatusRefused,
];

/// The parts that decide, without the object's metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub key: ObjectKey,
    pub uid: String,
    pub version: String,
    pub created: Option<Timestamp>,
    pub deleting: bool,
    /// Whether it has the finalizer.
    pub guarded: bool,
    /// Of a rollback: the task that it names.
    pub names: Option<String>,
    /// Of a rollback: the uid of the task that it was found to undo.
    pub undoes: Option<String>,
    /// Empty: not known yet.
    pub group: String,
    /// Where its run takes place, or as the object says; `None`: the operator's default.
    pub region: Option<String>,
    pub scope: CredentialsScope,
    pub desired_state: String,
    /// For the metric: nothing is decided by it.
    pub state: String,
    /// Whether a person has to mend something for it before it can start.
    pub blocked: bool,
    /// Until when its own windows do not let it begin.
    pub held_until: Option<Timestamp>,
    /// The MaintenanceWindows that it names.
    pub window_refs: Vec<String>,
    /// Of an image update task: whether a run is due, or begins.
    pub is_due: bool,
    /// Of an image update task: whether a run is due that waits for its group.
    pub queued: bool,
    /// Whether its credentials have been seen to reach the group.
    pub reaches_group: bool,
    pub intent: bool,
    pub execution: Option<(String, Option<Timestamp>)>,
    /// The latest time, by the cloud's clock, that is on record of one of its nested ones.
    pub latest: Option<Timestamp>,
    pub result: bool,
    /// Whether something is still to be put back after the result.
    pub restoring: bool,
    /// Since when its group has stood still because of it.
    pub frozen_since: Option<Timestamp>,
    /// Since when it has waited for a person at a pause. This and the next two are for metrics.
    pub paused_since: Option<Timestamp>,
    /// When it last moved.
    pub moved: Option<Timestamp>,
    pub instances: Option<Instances>,
    /// Of an image update task: whether a run is under way.
    pub runs: bool,
    /// It has ended, and nothing is asked of it that it has not seen: that it is there is no news after a restart.
    pub at_rest: bool,
    /// Its execution is under way, and nothing is asked of it that it has not seen: after a restart it waits until the poller
    /// has seen how far that is.
    pub only_runs: bool,
}

impl Facts {
    /// Whether it stands in its group's queue: to be run, and not begun. One that a person has to
    /// mend something for stands aside meanwhile, or a misspelt image would stop the group for good.
    pub(super) fn waits(&self) -> bool {
        if self.key.kind == ObjectKind::ImageUpdateTask {
            return !self.deleting && self.queued;
        }
        !self.deleting
            && !self.blocked
            && !self.intent
            && self.execution.is_none()
            && !self.result
            && self.desired_state == "Run"
    }

    /// Whether it ended without a start: it has undone nothing.
    pub(super) fn never_began(&self) -> bool {
        self.result && !self.intent && self.execution.is_none()
    }

    /// Whether something was begun for it that is not known to be over.
    pub(super) fn began(&self) -> bool {
        (self.intent || self.execution.is_some()) && (!self.result || self.restoring)
    }

    /// Whether something is done or waited for. An image update task has no end: it is between its runs.
    pub(super) fn is_active(&self) -> bool {
        match self.key.kind {
            ObjectKind::ImageUpdateTask => {
                self.deleting || self.runs || self.queued || self.blocked
            }
            _ => self.unfinished(),
        }
    }

    /// Whether windows may hold something of it that has not begun.
    pub(super) fn may_be_held(&self) -> bool {
        let begins = match self.key.kind {
            // Between its runs nothing of it waits.
            ObjectKind::ImageUpdateTask => self.is_due && !self.runs,
            _ => !self.result,
        };
        begins && !self.deleting
    }

    /// Whether more is going to happen.
    pub(super) fn unfinished(&self) -> bool {
        self.deleting || !self.result || self.restoring
    }
}

impl<K: Viewed> ObjectView<K> {
    /// Which object it is.
    pub fn key(&self) -> ObjectKey {
        ObjectKey {
            namespace: self.metadata.namespace.clone().unwrap_or_default(),
            name: self.metadata.name.clone().unwrap_or_default(),
            kind: K::KIND,
        }
    }

    /// The Secrets of the operator's namespace that its status refers to.
    pub fn references(&self) -> Vec<String> {
        let status = self.status.iter();
        let found = status.flat_map(|status| {
            let source = status.source.iter();
            let source = source.flat_map(|s| [&s.scaling_configuration_containers, &s.kept_update]);
            source.chain(&status.plan).chain(&status.start)
        });
        found.flat_map(|found| found.0.iter().cloned()).collect()
    }

    /// Whether nothing is asked of it that it has not seen, or still to be written on it. Of an image update task its schedule
    /// may always ask.
    fn has_seen_all(&self, status: &Status) -> bool {
        let metadata = &self.metadata;
        let mut asked = ledger::new_requests(metadata, &status.handled_actions);
        let mut conditions = status.conditions.iter();
        K::KIND != ObjectKind::ImageUpdateTask
            && metadata.deletion_timestamp.is_none()
            && asked.next().is_none()
            && status.observed_generation == metadata.generation
            && conditions.all(|said| UNWRITTEN.iter().all(|reason| reason.word() != said.reason))
    }

    /// Whether it has ended, and there is nothing to be done about it.
    fn is_at_rest(&self) -> bool {
        let mut finalizers = self.metadata.finalizers.iter().flatten();
        finalizers.all(|name| name != FINALIZER)
            && self.spec.ttl_seconds_after_finished.is_none()
            && self.status.as_ref().is_some_and(|status| {
                status.result.is_some()
                    && status.restore.as_ref().is_none_or(|restore| restore.done)
                    && self.has_seen_all(status)
            })
    }

    fn only_runs(&self) -> bool {
        self.status.as_ref().is_some_and(|status| {
            status.execution.is_some() && status.result.is_none() && self.has_seen_all(status)
        })
    }

    pub(super) fn into_facts(self) -> Facts {
        let (at_rest, only_runs) = (self.is_at_rest(), self.only_runs());
        let (key, spec) = (self.key(), self.spec);
        let status = self.status.unwrap_or_default();
        let (blocked, queued) = (status.is_blocked(), status.is_queued());
        let is_due = status.is_due();
        let held_until = status.start_blocked.held_until;
        let source = status.source.unwrap_or_default();
        let runs = status.active.is_some();
        let (run_place, active) = status
            .active
            .map_or((None, None), |run| (run.place, run.execution));
        let place = status.place.or(run_place).map(|place| place.region_id);
        let secret = spec.credentials_ref.or(source.credentials_ref);
        let created = self.metadata.creation_timestamp.map(|time| time.0);
        let execution = status
            .execution
            .or(active)
            .map(|execution| (execution.id, execution.start_time));
        let pause_since = status.pause.map(|pause| pause.since);
        let waits_for_nobody = status.state.as_deref() == Some(BATCH_HELD);
        let paused_since = pause_since.filter(|_| !waits_for_nobody);
        let started = execution.as_ref().and_then(|(_, started)| *started);
        let moved = [
            created,
            started,
            status.latest_instance_time,
            pause_since,
            status.resumed_time,
        ];
        Facts {
            uid: self.metadata.uid.unwrap_or_default(),
            version: self.metadata.resource_version.unwrap_or_default(),
            created,
            deleting: self.metadata.deletion_timestamp.is_some(),
            guarded: self
                .metadata
                .finalizers
                .iter()
                .flatten()
                .any(|name| name == FINALIZER),
            names: spec.task_ref.map(|task| task.name),
            undoes: source.uid.filter(|uid| !uid.is_empty()),
            group: spec.scaling_group_id.unwrap_or(source.scaling_group_id),
            region: place.or(spec.region_id).or(source.region_id),
            scope: CredentialsScope {
                namespace: key.namespace.clone(),
                secret: secret.map(|reference| reference.name),
            },
            desired_state: spec.desired_state.unwrap_or_else(|| "Run".to_owned()),
            state: status.state.unwrap_or_default(),
            blocked,
            held_until,
            window_refs: spec.window_refs,
            is_due,
            queued,
            // Of an image update task only a run waits, and that has been through its preflight.
            reaches_group: status.group_seen_time.is_some()
                || K::KIND == ObjectKind::ImageUpdateTask,
            intent: status.start.is_some(),
            execution,
            latest: status.latest_instance_time,
            result: status.result.is_some(),
            restoring: status.restore.is_some_and(|restore| !restore.done),
            frozen_since: status.freeze.map(|freeze| freeze.since),
            paused_since,
            moved: moved.into_iter().flatten().max(),
            instances: status.summary,
            runs,
            at_rest,
            only_runs,
            key,
        }
    }
}

/// The part of a record that is looked at: which group it is of, what it lists as left, and its
/// version.
#[derive(Debug, Clone, Deserialize)]
pub struct RecordView {
    metadata: ObjectMeta,
    spec: RecordSpec,
    #[serde(default)]
    status: Option<RecordStatus>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordStatus {
    #[serde(default)]
    holder: Option<HolderView>,
    #[serde(default)]
    runs: Vec<RunView>,
    #[serde(default)]
    baseline: Option<Found>,
    #[serde(default)]
    leftovers: Vec<LeftoverView>,
    #[serde(default)]
    leftovers_summary: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HolderView {
    uid: String,
    #[serde(default)]
    taken_over_from: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunView {
    uid: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    since: Option<Time>,
    #[serde(default)]
    execution_id: Option<String>,
    #[serde(default)]
    exit_processes: Vec<IgnoredAny>,
    #[serde(default)]
    let_go: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
struct LeftoverView {
    kind: String,
    #[serde(default)]
    kept: bool,
    #[serde(default)]
    containers: Found,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordSpec {
    scaling_group_id: String,
    region_id: String,
}

impl RecordView {
    /// The region and the id of its group.
    pub fn group(&self) -> (&str, &str) {
        (&self.spec.region_id, &self.spec.scaling_group_id)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or("")
    }

    /// The kinds of what it lists as left to put back, and whether that is on purpose; and an `Execution` for each run that was
    /// let go and whose end nobody has seen.
    pub fn leftovers(&self) -> Vec<(String, bool)> {
        let status = self.status.iter();
        let all = status.clone().flat_map(|status| &status.leftovers);
        let runs = status.flat_map(|status| &status.runs);
        let runs = runs.filter(|run| run.let_go.is_some());
        all.map(|leftover| (leftover.kind.clone(), leftover.kept))
            .chain(runs.map(|_| ("Execution".to_owned(), false)))
            .collect()
    }

    /// The runs that were let go with processes of the group suspended and whose end nobody has seen: whose each is, and
    /// since when it has had the group.
    pub(super) fn frozen(&self) -> Vec<(ObjectKey, Timestamp)> {
        let runs = self.status.iter().flat_map(|status| &status.runs);
        let freezes = |run: &&RunView| {
            run.let_go.is_some() && run.execution_id.is_some() && !run.exit_processes.is_empty()
        };
        let frozen = runs.filter(freezes).filter_map(|run| {
            let key = ObjectKey {
                kind: ObjectKind::from_name(&run.kind)?,
                namespace: run.namespace.clone(),
                name: run.name.clone(),
            };
            Some((key, run.since.as_ref()?.0))
        });
        frozen.collect()
    }

    /// Whether what it says in words is not what it lists: an earlier version wrote it.
    pub(crate) fn summary_is_off(&self) -> bool {
        let status = self.status.as_ref();
        status.is_some_and(|s| s.leftovers.is_empty() == s.leftovers_summary.is_some())
    }

    /// Whether it holds a run that no object looks after, or a holder that is not among those that are
    /// watched: it is looked at by itself then.
    pub(crate) fn needs_look(&self, watched: impl Fn(&str) -> bool) -> bool {
        let Some(status) = &self.status else {
            return false;
        };
        let holder = status.holder.as_ref();
        let attended = |run: &RunView| {
            holder.is_some_and(|holder| {
                holder.uid == run.uid || holder.taken_over_from.as_ref() == Some(&run.uid)
            })
        };
        holder.is_some_and(|holder| !watched(&holder.uid)) || !status.runs.iter().all(attended)
    }

    /// The Secrets of the operator's namespace that its status refers to.
    pub fn references(&self) -> Vec<String> {
        let status = self.status.iter();
        let found = status.flat_map(|status| {
            let left = status.leftovers.iter().map(|leftover| &leftover.containers);
            status.baseline.iter().chain(left)
        });
        found.flat_map(|found| found.0.iter().cloned()).collect()
    }

    /// Its `resourceVersion`.
    pub fn version(&self) -> &str {
        self.metadata.resource_version.as_deref().unwrap_or("")
    }
}

/// Watchable under the names of the kind that it is a part of.
impl<K: Viewed> Resource for ObjectView<K> {
    type DynamicType = ();
    type Scope = K::Scope;
    fn kind(_: &()) -> Cow<'_, str> {
        K::kind(&())
    }
    fn group(_: &()) -> Cow<'_, str> {
        K::group(&())
    }
    fn version(_: &()) -> Cow<'_, str> {
        K::version(&())
    }
    fn plural(_: &()) -> Cow<'_, str> {
        K::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Resource for RecordView {
    type DynamicType = ();
    type Scope = <ScalingGroupRecord as Resource>::Scope;
    fn kind(_: &()) -> Cow<'_, str> {
        ScalingGroupRecord::kind(&())
    }
    fn group(_: &()) -> Cow<'_, str> {
        ScalingGroupRecord::group(&())
    }
    fn version(_: &()) -> Cow<'_, str> {
        ScalingGroupRecord::version(&())
    }
    fn plural(_: &()) -> Cow<'_, str> {
        ScalingGroupRecord::plural(&())
    }
    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }
    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
pub(super) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub fn view(value: Value) -> ObjectView<RollingUpdateTask> {
        serde_json::from_value(value).unwrap()
    }

    /// An image update task of the group of `index::tests`.
    pub fn image_update(name: &str, second: u32, status: Value) -> ObjectView<ImageUpdateTask> {
        serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": name, "resourceVersion": format!("{name}-1"),
                "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": {"scalingGroupId": "asg-1", "source": {"instanceId": "i-1"},
                "schedule": {"cron": "0 2 * * *"}, "credentialsRef": {"name": "cloud"}},
            "status": status
        }))
        .unwrap()
    }

    #[test]
    fn an_image_update_task_waits_only_when_its_run_does_and_moves_while_that_has_an_execution() {
        let facts = |status: Value| image_update("a", 1, status).into_facts();
        for state in [
            "Scheduled",
            "Pending",
            "Blocked",
            "Running",
            "Suspended",
            "Succeeded",
        ] {
            assert!(!facts(json!({"state": state})).waits(), "{state}");
        }
        assert!(!facts(json!({"observedGeneration": -1})).waits());
        let waiting = facts(json!({"state": "Waiting"}));
        assert!(waiting.waits() && waiting.unfinished());
        let status = |queued: bool| json!({"layout": "of this version", "state": "Pending", "waiting": {"queued": queued}});
        assert!(facts(status(true)).waits() && !facts(status(false)).waits());
        assert_eq!(waiting.key, ObjectKey::image_update("ns", "a"));
        assert_eq!(waiting.scope.secret.as_deref(), Some("cloud"));

        let running = facts(json!({"state": "Running", "active": {"number": 3,
            "execution": {"id": "exec-1", "startTime": "2026-01-01T00:01:00Z", "status": "Running"}}}));
        let execution = running.execution.map(|(id, _)| id);
        assert_eq!(execution.as_deref(), Some("exec-1"));
        let given = facts(json!({"state": "Running", "active": {"number": 4, "imageId": "m-1"}}));
        assert_eq!(given.execution, None);
    }

    #[test]
    fn a_running_task_keeps_what_decides_and_drops_the_rest() {
        let facts = view(json!({
            "apiVersion": "ess-rollout.io/v1alpha1", "kind": "RollingUpdateTask",
            "metadata": {"namespace": "ns", "name": "a", "resourceVersion": "9",
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou",
                "credentialsRef": {"name": "cloud"}, "update": {"script": {"run": {"inline": "x"}}}},
            "status": {"state": "Running", "start": {"attempt": 1},
                "execution": {"id": "exec-1", "startTime": "2026-01-01T00:01:00Z", "status": "Running"},
                "instances": [{"id": "i-1"}], "unknownField": [1, 2]}
        }))
        .into_facts();

        assert_eq!(facts.key, ObjectKey::task("ns", "a"));
        assert_eq!(facts.scope.secret.as_deref(), Some("cloud"));
        assert_eq!(
            facts.execution,
            Some((
                "exec-1".to_owned(),
                Some("2026-01-01T00:01:00Z".parse().unwrap())
            ))
        );
        assert!(facts.intent && !facts.result && !facts.waits() && facts.unfinished());
    }

    #[test]
    fn a_task_without_status_waits_and_a_planned_or_leaving_one_does_not() {
        let base = json!({"metadata": {"namespace": "ns", "name": "a"},
            "spec": {"scalingGroupId": "asg-1"}, "status": {"observedGeneration": -1}});
        assert!(view(base.clone()).into_facts().waits());

        let mut planned = base.clone();
        planned["spec"]["desiredState"] = "Plan".into();
        assert!(!view(planned).into_facts().waits());

        let mut leaving = base;
        leaving["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        assert!(!view(leaving).into_facts().waits());
    }

    #[test]
    fn a_record_is_looked_at_while_a_run_on_it_is_nobody_s_and_counts_that_as_left() {
        let record = |status: serde_json::Value| -> RecordView {
            serde_json::from_value(json!({"metadata": {"name": "cn-hangzhou.asg-1"},
                "spec": {"scalingGroupId": "asg-1", "regionId": "cn-hangzhou"}, "status": status}))
            .unwrap()
        };
        let run = |uid: &str| json!({"uid": uid, "kind": "RollingUpdateTask"});
        let watched = |uid: &str| uid == "a";
        assert!(!record(json!({})).needs_look(watched));
        // Only an earlier version leaves words and list apart.
        for (status, is_off) in [
            (json!({}), false),
            (json!({"leftovers": [{"kind": "Process"}]}), true),
            (json!({"leftoversSummary": "ScaleIn"}), true),
            (
                json!({"leftovers": [{"kind": "Process"}], "leftoversSummary": "ScaleIn"}),
                false,
            ),
        ] {
            assert_eq!(record(status).summary_is_off(), is_off);
        }
        let held =
            json!({"holder": {"uid": "a", "takenOverFrom": "b"}, "runs": [run("a"), run("b")]});
        assert!(!record(held.clone()).needs_look(watched));
        assert!(
            record(held).needs_look(|_| false),
            "its holder has vanished"
        );
        let mut let_go = run("c");
        let_go["letGo"] = "Orphaned".into();
        let record = record(json!({"holder": {"uid": "a"}, "runs": [run("a"), let_go]}));
        assert!(record.needs_look(watched));
        assert_eq!(record.leftovers(), [("Execution".to_owned(), false)]);
    }

    #[test]
    fn a_task_is_unfinished_until_its_group_is_restored() {
        let base = json!({"metadata": {"namespace": "ns", "name": "a"},
            "spec": {"scalingGroupId": "asg-1"},
            "status": {"result": {"outcome": "Failed"}, "restore": {"items": []}}});
        assert!(view(base.clone()).into_facts().unfinished());
        let mut done = base;
        done["status"]["restore"]["done"] = true.into();
        assert!(!view(done).into_facts().unfinished());
    }
}
