//! What becomes of updates: their ends and durations as counters, and what is under way now.

use std::time::Duration;

use ess_rollout_api::v1alpha1::Verb;
use prometheus_client::metrics::counter::Counter;

use super::{
    catalogue::{Buckets, Catalogue, Counters, Gauges, Histograms, Lasts},
    scraped::{ActiveSeries, KINDS, OUTCOMES, PAUSES, Scrape},
};

/// Upper bounds in seconds of what takes minutes to days: a minute, 5, 15, 30; an hour, 2, 4, 8; a day, 3, 7.
const LONG: Buckets = Buckets(&[
    60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0, 14_400.0, 28_800.0, 86_400.0, 259_200.0, 604_800.0,
]);

const KIND: (&str, &str) = ("kind", "");
const NAMESPACE: (&str, &str) = ("namespace", "");
const NAME: (&str, &str) = ("name", "");

/// What a write to the apiserver put on record. Each is counted once, by the process that wrote it.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// An update, or a run of an image update task, ended in this way. `took`: since its intent to start; `None`: it never
    /// began.
    Ended {
        /// `Succeeded`, `Failed` or `Cancelled`.
        outcome: &'static str,
        /// From the intent to start to the end.
        took: Option<Duration>,
    },
    /// What became of an intent to start: `Started`, or `NotStarted`.
    Start(&'static str),
    /// A batch was done, well or not, this long after it began.
    Batch(Duration),
    /// A pause for which a person had to come was over.
    Pause {
        /// `Batch`, `Failure`, `Approval` or `Unknown`.
        cause: &'static str,
        /// For how long it had lasted.
        waited: Duration,
    },
    /// The scaling group stands still no longer, as it had for so long.
    Thawed(Duration),
}

/// Counts what becomes of updates.
pub struct Updates {
    outcomes: Counters<2>,
    took: Histograms<1>,
    batches: Histograms<1>,
    pauses: Histograms<2>,
    starts: Counters<2>,
    adoptions: Counters<1>,
    thawed: Histograms<1>,
    actions: Counters<2>,
    records_not_written: Counter,
    tasks: Gauges<3>,
    info: Gauges<5>,
    moved: Gauges<3>,
    paused: Gauges<3>,
    instances: Gauges<2>,
    frozen: Gauges<3>,
    windows: Gauges<2>,
    leftovers: Gauges<2>,
}

impl Updates {
    pub(super) fn new(all: &mut Catalogue) -> Self {
        let updates = Self {
            outcomes: all.counters(
                (
                    "ess_rollout_task_outcomes_total",
                    Lasts::OnRecord,
                    "Updates, rollbacks and runs of image update tasks whose result came on record",
                ),
                [KIND, ("outcome", "`Succeeded`, `Failed`, `Cancelled`")],
            ),
            took: all.histograms(
                (
                    "ess_rollout_task_duration_seconds",
                    Lasts::OnRecord,
                    "From the intent to start to the result, pauses included; what never began is not in it",
                ),
                [KIND],
                LONG,
            ),
            batches: all.histograms(
                (
                    "ess_rollout_batch_duration_seconds",
                    Lasts::OnRecord,
                    "From the start of the first instance of a batch to the end of the last one, by the cloud's clock. The pause after it is not in it; one because of a failure within it is. A batch in which something is retried counts again when that has ended",
                ),
                [KIND],
                LONG,
            ),
            pauses: all.histograms(
                (
                    "ess_rollout_task_pause_seconds",
                    Lasts::OnRecord,
                    "For how long an update waited for a person at a pause that is over",
                ),
                [KIND, ("cause", "`Batch`, `Failure`, `Approval`, `Unknown`")],
                LONG,
            ),
            starts: all.counters(
                (
                    "ess_rollout_start_intents_total",
                    Lasts::OnRecord,
                    "Intents to start an execution whose outcome came on record. `NotStarted`: refused, or given up before OOS had started anything",
                ),
                [KIND, ("outcome", "`Started`, `NotStarted`")],
            ),
            adoptions: all.counters(
                (
                    "ess_rollout_adoption_total",
                    Lasts::OnRecord,
                    "Executions that were followed again after the status of their object had been lost",
                ),
                [KIND],
            ),
            thawed: all.histograms(
                (
                    "ess_rollout_group_freeze_duration_seconds",
                    Lasts::OnRecord,
                    "For how long an update had processes of its scaling group suspended, once they have been seen running again, or its object has gone. `_sum` is the frozen time of all",
                ),
                [KIND],
                LONG,
            ),
            actions: all.counters(
                (
                    "ess_rollout_actions_total",
                    Lasts::OnRecord,
                    "Requests of people that were settled",
                ),
                [("verb", ""), ("result", "`Applied`, `Rejected`")],
            ),
            records_not_written: all.counter((
                "ess_rollout_records_not_written_total",
                Lasts::OnRecord,
                "Deletions that went on without the record of their scaling group, which could not be written: what they left is in the Event `RecordNotWritten` and the log alone",
            )),
            tasks: all.gauges(
                (
                    "ess_rollout_tasks",
                    Lasts::AsItIs,
                    "Objects by `status.state`. Of more than 200 namespaces the rest is counted as `(others)`",
                ),
                [KIND, NAMESPACE, ("state", "")],
            ),
            info: all.gauges(
                (
                    "ess_rollout_task_info",
                    Lasts::AsItIs,
                    "1 for each object that something is done or waited for: an update or rollback that has not ended or is not put back, an image update task with a run that is due or under way. Gone when that has ended",
                ),
                [
                    KIND,
                    NAMESPACE,
                    NAME,
                    ("state", "`status.state`"),
                    ("scaling_group", "its id"),
                ],
            ),
            moved: all.gauges(
                (
                    "ess_rollout_task_progress_timestamp_seconds",
                    Lasts::AsItIs,
                    "When one of these last moved: it was created or started, an instance's update began or ended, a pause began or was over. Gone with its `ess_rollout_task_info`",
                ),
                [KIND, NAMESPACE, NAME],
            ),
            paused: all.gauges(
                (
                    "ess_rollout_task_pause_timestamp_seconds",
                    Lasts::AsItIs,
                    "Since when one of these has waited for a person at a pause; gone when it is over",
                ),
                [KIND, NAMESPACE, NAME],
            ),
            instances: all.gauges(
                (
                    "ess_rollout_task_instances",
                    Lasts::AsItIs,
                    "Instances of updates and rollbacks that have not ended, as `status.summary` counts them",
                ),
                [
                    KIND,
                    (
                        "state",
                        "`Pending`, `Updating`, `Succeeded`, `Failed`, `Cancelled`, `Skipped`",
                    ),
                ],
            ),
            frozen: all.gauges(
                (
                    "ess_rollout_group_frozen_seconds",
                    Lasts::AsItIs,
                    "How long an update has had processes of its scaling group suspended, so that the group neither scales nor replaces what is unhealthy; one series for each such update, gone when it ends. An update whose object is gone (`deletionPolicy: Orphan`, a forced deletion) counts from when it took the group, until its end has been seen: `kubectl get sgr -A` shows its execution (`LET-GO`)",
                ),
                [KIND, NAMESPACE, NAME],
            ),
            windows: all.gauges(
                (
                    "ess_rollout_window_open",
                    Lasts::AsItIs,
                    "1: a MaintenanceWindow, taken by itself, lets updates begin and go on; 0: it does not. One that cannot be read has no series, nor have those after the first 500 in the alphabet",
                ),
                [NAMESPACE, NAME],
            ),
            leftovers: all.gauges(
                (
                    "ess_rollout_leftovers",
                    Lasts::AsItIs,
                    "What runs have left changed in scaling groups: `status.leftovers` of the ScalingGroupRecords",
                ),
                [
                    (
                        "kind",
                        "`Process`, `ScalingConfigurationImage`, `ScalingConfigurationContainers`, `Standby`, `Protection`, `StoppedInstance`, and `Execution` for a run that was let go and whose end nobody has seen",
                    ),
                    (
                        "kept",
                        "`true`: on purpose, as `failedInstancePolicy: KeepInStandby` has it; `false`",
                    ),
                ],
            ),
        };
        updates.begin();
        updates
    }

    /// At zero from the beginning: where a series begins at one, nobody sees that it has risen.
    fn begin(&self) {
        for kind in KINDS {
            for outcome in OUTCOMES {
                self.outcomes.with([kind, outcome], |_| ());
            }
            for outcome in [STARTED, NOT_STARTED] {
                self.starts.with([kind, outcome], |_| ());
            }
            self.adoptions.with([kind], |_| ());
            self.took.with([kind], |_| ());
        }
        for verb in Verb::ALL {
            for result in ["Applied", "Rejected"] {
                self.actions.with([verb.word(), result], |_| ());
            }
        }
        for kind in ROLLOUTS {
            self.batches.with([kind], |_| ());
            self.thawed.with([kind], |_| ());
            for cause in PAUSES {
                self.pauses.with([kind, cause], |_| ());
            }
        }
    }

    /// Something came on record of an object of this kind.
    pub fn happened(&self, kind: &str, what: &Happened) {
        match what {
            Happened::Ended { outcome, took } => {
                self.outcomes.with([kind, outcome], |all| all.inc());
                if let Some(took) = took {
                    self.took
                        .with([kind], |all| all.observe(took.as_secs_f64()));
                }
            }
            Happened::Start(outcome) => {
                self.starts.with([kind, outcome], |all| all.inc());
            }
            Happened::Batch(took) => {
                self.batches
                    .with([kind], |all| all.observe(took.as_secs_f64()));
            }
            Happened::Pause { cause, waited } => {
                self.pauses
                    .with([kind, cause], |all| all.observe(waited.as_secs_f64()));
            }
            Happened::Thawed(took) => {
                self.thawed
                    .with([kind], |all| all.observe(took.as_secs_f64()));
            }
        }
    }

    /// An execution was followed again after the status of its object had been lost.
    pub fn adopted(&self, kind: &str) {
        self.adoptions.with([kind], |all| all.inc());
    }

    /// A request by a person was settled: its verb, and `Applied` or `Rejected`.
    pub fn action_settled(&self, verb: &str, result: &str) {
        self.actions.with([verb, result], |all| all.inc());
    }

    /// An object went, and what it left could not be put on record.
    pub fn record_not_written(&self) {
        self.records_not_written.inc();
    }

    /// Between two scrapes the series of single objects take no room.
    pub(super) fn let_go(&self) {
        self.info.set_all([]);
        for gauges in [&self.moved, &self.paused, &self.frozen] {
            gauges.set_all([]);
        }
        self.windows.set_all([]);
    }

    pub(super) fn set(&self, scrape: &Scrape) {
        let tasks = scrape.tasks.iter();
        self.tasks
            .set_all(tasks.map(|((kind, namespace, state), count)| {
                ([*kind, namespace.as_str(), state.as_str()], *count)
            }));
        self.info.set_all(scrape.active.iter().map(|active| {
            let names = [
                active.kind,
                &active.namespace,
                &active.name,
                &active.state,
                &active.group,
            ];
            (names, 1)
        }));
        let timed = |time: fn(&ActiveSeries) -> Option<i64>| {
            let active = scrape.active.iter();
            active.filter_map(move |active| {
                let names = [active.kind, active.namespace.as_str(), active.name.as_str()];
                Some((names, time(active)?))
            })
        };
        self.moved.set_all(timed(|active| active.moved));
        self.paused.set_all(timed(|active| active.paused));
        let instances = scrape.instances.iter();
        self.instances
            .set_all(instances.map(|((kind, state), count)| ([*kind, *state], *count)));
        let leftovers = scrape.leftovers.iter();
        self.leftovers
            .set_all(leftovers.map(|((kind, kept), count)| {
                let kept = if *kept { "true" } else { "false" };
                ([kind.as_str(), kept], *count)
            }));
        let frozen = scrape.frozen.iter();
        self.frozen
            .set_all(frozen.map(|((kind, namespace, name), seconds)| {
                ([*kind, namespace.as_str(), name.as_str()], *seconds)
            }));
        let windows = scrape.windows.iter();
        self.windows
            .set_all(windows.map(|((namespace, name), open)| {
                ([namespace.as_str(), name.as_str()], i64::from(*open))
            }));
    }
}

/// An execution was started, or found.
pub const STARTED: &str = "Started";
/// It is known that nothing was started, and nothing is going to be.
pub const NOT_STARTED: &str = "NotStarted";
/// What has batches and pauses.
const ROLLOUTS: [&str; 2] = ["RollingUpdateTask", "Rollback"];
