//! Metrics in the OpenMetrics text format. Labels are of closed sets: never an instance, an
//! execution or a message.

use std::{collections::BTreeMap, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram, info::Info},
    registry::Registry,
};

type Labels = Vec<(&'static str, String)>;
type Seconds = Family<Labels, Histogram, fn() -> Histogram>;

/// Upper bounds in seconds: a no-op pass takes milliseconds, one with slow cloud calls a minute.
const BUCKETS: [f64; 13] = [
    0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
];

/// The name of the one queue, which serves all kinds.
const QUEUE: &str = "ess-rollout";

/// How a pass ended, in controller-runtime's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassResult {
    /// Nothing more until something changes.
    Success,
    /// Again at once.
    Requeue,
    /// Again later.
    RequeueAfter,
    /// It stopped short.
    Error,
}

/// One call to the cloud.
#[derive(Debug, Clone, Copy)]
pub struct CloudCall<'a> {
    /// `ESS`, `ECS`, `OOS`, `STS`.
    pub service: &'a str,
    /// The API name.
    pub action: &'a str,
    /// Why it reads, of a closed set; `None`: it changes something.
    pub reason: Option<&'a str>,
    /// `OK`, or the class of the error.
    pub code: &'a str,
    /// Until the answer; `None`: it was not sent.
    pub duration: Option<Duration>,
    /// Whether the account's rate limit, or our own below it, refused it.
    pub throttled: bool,
}

/// What is only counted when it is asked for.
#[derive(Debug, Default)]
pub struct Scrape {
    /// The name of the Lease, and whether this process leads; `None`: it is alone.
    pub election: Option<(String, bool)>,
    /// Objects, by kind, namespace and `status.state`.
    pub tasks: BTreeMap<(&'static str, String, String), i64>,
    /// What runs have left changed, by kind.
    pub leftovers: BTreeMap<String, i64>,
    /// For how many seconds updates have had their scaling group stand still, by kind, namespace and name: only of
    /// those under way, whether or not their objects are still there.
    pub frozen: BTreeMap<(&'static str, String, String), i64>,
    /// Objects that wait for a worker, and how long the first of them has.
    pub backlog: (usize, Duration),
    /// For how long the look that has been due for longest has been due and has not ended.
    pub lateness: Duration,
    /// Starts whose turn is still to come, and how long until the last of them.
    pub starts: (usize, Duration),
    /// Nested executions that are remembered, and how often some were forgotten for want of room.
    pub seen: (usize, u64),
    /// When watches were last answered in Unix seconds, by resource and namespace.
    pub watches: BTreeMap<(String, String), i64>,
    /// Fields that the CRDs of the cluster do not have, by kind.
    pub missing_fields: BTreeMap<String, i64>,
}

/// All metrics of the process.
pub struct Metrics {
    registry: Registry,
    leads: Family<Labels, Gauge>,
    reconciles: Family<Labels, Counter>,
    reconcile_errors: Family<Labels, Counter>,
    reconcile_time: Seconds,
    active_workers: Family<Labels, Gauge>,
    queue_depth: Family<Labels, Gauge>,
    queue_age: Family<Labels, Gauge>,
    look_lateness: Gauge,
    starts_waiting: Gauge,
    starts_wait: Gauge,
    nested_executions: Gauge,
    nested_executions_dropped: Gauge,
    cloud_requests: Family<Labels, Counter>,
    cloud_reads: Family<Labels, Counter>,
    questions: Family<Labels, Counter>,
    shared_reads: Family<Labels, Counter>,
    cloud_time: Seconds,
    cloud_throttled: Family<Labels, Counter>,
    actions: Family<Labels, Counter>,
    records_not_written: Counter,
    tasks: Family<Labels, Gauge>,
    leftovers: Family<Labels, Gauge>,
    watches: Family<Labels, Gauge>,
    watch_failures: Family<Labels, Counter>,
    missing_fields: Family<Labels, Gauge>,
    frozen: Family<Labels, Gauge>,
    last_poll: Gauge<f64, AtomicU64>,
    failing_polls: Gauge,
}

/// The label of a controller, as dashboards of controller-runtime expect it: the kind in lower case.
fn controller(kind: &str) -> Labels {
    vec![("controller", kind.to_ascii_lowercase())]
}

fn seconds() -> Seconds {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let reconciles = Family::<Labels, Counter>::default();
        let reconcile_errors = Family::<Labels, Counter>::default();
        let reconcile_time = seconds();
        let active_workers = Family::<Labels, Gauge>::default();
        let queue_depth = Family::<Labels, Gauge>::default();
        let queue_age = Family::<Labels, Gauge>::default();
        let look_lateness = Gauge::default();
        let (starts_waiting, starts_wait) = (Gauge::default(), Gauge::default());
        let (nested_executions, nested_executions_dropped) = (Gauge::default(), Gauge::default());
        let cloud_requests = Family::<Labels, Counter>::default();
        let cloud_reads = Family::<Labels, Counter>::default();
        let questions = Family::<Labels, Counter>::default();
        let shared_reads = Family::<Labels, Counter>::default();
        let cloud_time = seconds();
        let cloud_throttled = Family::<Labels, Counter>::default();
        let leftovers = Family::<Labels, Gauge>::default();
        let tasks = Family::<Labels, Gauge>::default();
        let frozen = Family::<Labels, Gauge>::default();
        let last_poll = Gauge::<f64, AtomicU64>::default();
        let failing_polls = Gauge::default();
        // The library appends `_total` to counters and `_info` to infos.
        registry.register(
            "controller_runtime_reconcile",
            "Passes by how they ended",
            reconciles.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_errors",
            "Passes that stopped short, by class of error",
            reconcile_errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Time of a pass",
            reconcile_time.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Passes under way",
            active_workers.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Objects that wait for a worker",
            queue_depth.clone(),
        );
        registry.register(
            "ess_rollout_queue_age_seconds",
            "For how long the object that has been due for longest has waited for a worker",
            queue_age.clone(),
        );
        registry.register(
            "ess_rollout_look_lateness_seconds",
            "For how long the look that has been due for longest has been due and has not ended, the time that its pass waits for turns at the cloud included",
            look_lateness.clone(),
        );
        registry.register(
            "ess_rollout_starts_waiting",
            "Starts that wait for their turn at the rate of their account and region",
            starts_waiting.clone(),
        );
        registry.register(
            "ess_rollout_starts_wait_seconds",
            "How long it is until the last of them has its turn",
            starts_wait.clone(),
        );
        registry.register(
            "ess_rollout_nested_executions",
            "Nested executions of those under way that are remembered as last polled",
            nested_executions.clone(),
        );
        registry.register(
            "ess_rollout_nested_executions_dropped",
            "How often those of an account were forgotten for want of room, and are read again for each update",
            nested_executions_dropped.clone(),
        );
        registry.register(
            "ess_rollout_cloud_requests",
            "Calls to Alibaba Cloud; code is OK or the class of the error",
            cloud_requests.clone(),
        );
        registry.register(
            "ess_rollout_cloud_reads",
            "Calls to Alibaba Cloud that read, by why: poll (for all at once), asked (somebody waits) or due",
            cloud_reads.clone(),
        );
        registry.register(
            "ess_rollout_questions",
            "Questions of passes and polls to Alibaba Cloud that were answered",
            questions.clone(),
        );
        registry.register(
            "ess_rollout_shared_reads",
            "Those of them that were answered by a read that was made for another one",
            shared_reads.clone(),
        );
        registry.register(
            "ess_rollout_cloud_request_duration_seconds",
            "Time of a call to Alibaba Cloud",
            cloud_time.clone(),
        );
        registry.register(
            "ess_rollout_cloud_throttled",
            "Calls refused by the account's rate limit, or held back below it",
            cloud_throttled.clone(),
        );
        let records_not_written = Counter::default();
        registry.register(
            "ess_rollout_records_not_written",
            "Deletions that went on without the record of their scaling group, which could not be written",
            records_not_written.clone(),
        );
        let actions = Family::<Labels, Counter>::default();
        registry.register(
            "ess_rollout_actions",
            "Requests by people that were settled, by verb and result",
            actions.clone(),
        );
        registry.register(
            "ess_rollout_tasks",
            "RollingUpdateTasks, Rollbacks and ImageUpdateTasks by kind, namespace and state",
            tasks.clone(),
        );
        let leads = Family::<Labels, Gauge>::default();
        registry.register(
            "leader_election_master_status",
            "Whether this process leads, by the name of the Lease: what it does not lead it tells nothing of",
            leads.clone(),
        );
        let watches = Family::<Labels, Gauge>::default();
        registry.register(
            "ess_rollout_watch_last_answer_timestamp_seconds",
            "When the apiserver last answered a list or a watch, which each watch asks for every 18 seconds",
            watches.clone(),
        );
        let watch_failures = Family::<Labels, Counter>::default();
        registry.register(
            "ess_rollout_watch_failures",
            "Watches that failed and were begun anew",
            watch_failures.clone(),
        );
        let missing_fields = Family::<Labels, Gauge>::default();
        registry.register(
            "ess_rollout_crd_missing_fields",
            "Fields of this version that the CustomResourceDefinitions of the cluster do not have",
            missing_fields.clone(),
        );
        registry.register(
            "ess_rollout_leftovers",
            "What runs have left changed in scaling groups, by kind: see status.leftovers of the ScalingGroupRecords",
            leftovers.clone(),
        );
        registry.register(
            "ess_rollout_group_frozen_seconds",
            "How long an update, also one whose object is gone, has had processes of its scaling group suspended, so that it neither scales nor replaces what is unhealthy; one series for each such update, gone when it ends",
            frozen.clone(),
        );
        registry.register(
            "ess_rollout_last_successful_poll_timestamp_seconds",
            "When executions of any account were last listed, or found not to need it",
            last_poll.clone(),
        );
        registry.register(
            "ess_rollout_failing_polls",
            "Accounts and regions whose executions could not be listed the last time",
            failing_polls.clone(),
        );
        registry.register(
            "ess_rollout_build",
            "The program",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self {
            registry,
            reconciles,
            reconcile_errors,
            reconcile_time,
            active_workers,
            queue_depth,
            queue_age,
            look_lateness,
            leads,
            starts_waiting,
            starts_wait,
            nested_executions,
            nested_executions_dropped,
            cloud_requests,
            cloud_reads,
            questions,
            shared_reads,
            cloud_time,
            cloud_throttled,
            actions,
            records_not_written,
            tasks,
            leftovers,
            watches,
            watch_failures,
            missing_fields,
            frozen,
            last_poll,
            failing_polls,
        }
    }

    /// The watch of a resource failed.
    pub fn watch_failed(&self, resource: &str) {
        let labels = vec![("resource", resource.to_owned())];
        self.watch_failures.get_or_create(&labels).inc();
    }

    /// A request by a person was settled: its verb, and `Applied` or `Rejected`.
    pub fn action_settled(&self, verb: &str, result: &str) {
        let labels = vec![("verb", verb.to_owned()), ("result", result.to_owned())];
        self.actions.get_or_create(&labels).inc();
    }

    /// An object went, and what it left could not be put on record.
    pub fn record_not_written(&self) {
        self.records_not_written.inc();
    }

    /// A pass over an object of this kind begins.
    pub fn pass_began(&self, kind: &str) {
        self.active_workers.get_or_create(&controller(kind)).inc();
    }

    /// A pass over an object of this kind is not under way any more.
    pub fn pass_left(&self, kind: &str) {
        self.active_workers.get_or_create(&controller(kind)).dec();
    }

    /// A pass over an object of this kind ended. `class` is that of its error.
    pub fn pass_ended(
        &self,
        kind: &str,
        result: PassResult,
        class: Option<&str>,
        duration: Duration,
    ) {
        let word = match result {
            PassResult::Success => "success",
            PassResult::Requeue => "requeue",
            PassResult::RequeueAfter => "requeue_after",
            PassResult::Error => "error",
        };
        let mut labels = controller(kind);
        labels.push(("result", word.to_owned()));
        self.reconciles.get_or_create(&labels).inc();
        if let Some(class) = class {
            let mut labels = controller(kind);
            labels.push(("class", class.to_owned()));
            self.reconcile_errors.get_or_create(&labels).inc();
        }
        self.reconcile_time
            .get_or_create(&controller(kind))
            .observe(duration.as_secs_f64());
    }

    /// A call to the cloud ended.
    pub fn cloud_called(&self, call: CloudCall<'_>) {
        let labels = vec![
            ("service", call.service.to_owned()),
            ("action", call.action.to_owned()),
        ];
        if call.throttled {
            self.cloud_throttled.get_or_create(&labels).inc();
        }
        if let Some(duration) = call.duration {
            self.cloud_time
                .get_or_create(&labels)
                .observe(duration.as_secs_f64());
            if let Some(reason) = call.reason {
                let mut labels = labels.clone();
                labels.push(("reason", reason.to_owned()));
                self.cloud_reads.get_or_create(&labels).inc();
            }
            let mut labels = labels;
            labels.push(("code", call.code.to_owned()));
            self.cloud_requests.get_or_create(&labels).inc();
        }
    }

    /// So many questions that this API answers were answered by so many reads.
    pub fn questions_answered(&self, action: &str, questions: u64, reads: u64) {
        let labels = vec![("action", action.to_owned())];
        self.questions.get_or_create(&labels).inc_by(questions);
        let shared = questions.saturating_sub(reads);
        self.shared_reads.get_or_create(&labels).inc_by(shared);
    }

    /// So many accounts and regions failed the last time that they were listed.
    pub fn polls_fail(&self, places: usize) {
        self.failing_polls
            .set(i64::try_from(places).unwrap_or(i64::MAX));
    }

    /// Executions of an account were listed, or none had to be.
    pub fn polled(&self, unix_seconds: i64) {
        #[allow(clippy::cast_precision_loss, reason = "exact for millions of years")]
        self.last_poll.set(unix_seconds as f64);
    }

    /// The text of a scrape.
    pub fn render(&self, scrape: Scrape) -> String {
        let Scrape {
            election,
            tasks,
            leftovers,
            frozen,
            backlog,
            lateness,
            starts,
            seen,
            watches,
            missing_fields,
        } = scrape;
        let election = election.into_iter();
        let election = election.map(|(name, leads)| (vec![("name", name)], i64::from(leads)));
        set_all(&self.leads, election);
        let tasks = tasks.into_iter().map(|((kind, namespace, state), count)| {
            let labels = vec![
                ("kind", kind.to_owned()),
                ("namespace", namespace),
                ("state", state),
            ];
            (labels, count)
        });
        set_all(&self.tasks, tasks);
        let leftovers = leftovers.into_iter();
        let leftovers = leftovers.map(|(kind, count)| (vec![("kind", kind)], count));
        set_all(&self.leftovers, leftovers);
        let frozen = frozen.into_iter();
        let frozen = frozen.map(|((kind, namespace, name), seconds)| {
            let labels = vec![
                ("kind", kind.to_owned()),
                ("namespace", namespace),
                ("name", name),
            ];
            (labels, seconds.max(0))
        });
        set_all(&self.frozen, frozen);
        let watches = watches.into_iter().map(|((resource, namespace), time)| {
            (vec![("resource", resource), ("namespace", namespace)], time)
        });
        set_all(&self.watches, watches);
        let missing = missing_fields.into_iter();
        let missing = missing.map(|(kind, count)| (vec![("kind", kind)], count));
        set_all(&self.missing_fields, missing);
        let (depth, age) = backlog;
        let name = || vec![("name", QUEUE.to_owned())];
        let depth = i64::try_from(depth).unwrap_or(i64::MAX);
        self.queue_depth.get_or_create(&name()).set(depth);
        let age = i64::try_from(age.as_secs()).unwrap_or(i64::MAX);
        self.queue_age.get_or_create(&name()).set(age);
        let lateness = i64::try_from(lateness.as_secs()).unwrap_or(i64::MAX);
        self.look_lateness.set(lateness);
        let (waiting, last) = starts;
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        self.starts_waiting.set(waiting);
        let last = i64::try_from(last.as_secs()).unwrap_or(i64::MAX);
        self.starts_wait.set(last);
        let (nested, dropped) = seen;
        let nested = i64::try_from(nested).unwrap_or(i64::MAX);
        self.nested_executions.set(nested);
        let dropped = i64::try_from(dropped).unwrap_or(i64::MAX);
        self.nested_executions_dropped.set(dropped);
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Makes these the only ones: what is not there any more has no series.
fn set_all(family: &Family<Labels, Gauge>, values: impl Iterator<Item = (Labels, i64)>) {
    family.clear();
    for (labels, value) in values {
        family.get_or_create(&labels).set(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scrape_names_what_dashboards_ask_for() {
        let metrics = Metrics::new();
        metrics.pass_began("Rollback");
        metrics.pass_left("Rollback");
        metrics.pass_ended(
            "Rollback",
            PassResult::Error,
            Some("Refused"),
            Duration::from_millis(3),
        );
        metrics.cloud_called(CloudCall {
            service: "OOS",
            action: "ListExecutions",
            reason: Some("poll"),
            code: "Throttled",
            duration: Some(Duration::from_millis(30)),
            throttled: true,
        });
        metrics.polled(1_700_000_000);
        metrics.polls_fail(2);
        metrics.watch_failed("rollbacks");
        let text = metrics.render(Scrape {
            election: Some(("ess-rollout".to_owned(), true)),
            tasks: BTreeMap::from([(("Rollback", "shop".to_owned(), "Running".to_owned()), 2)]),
            leftovers: BTreeMap::from([("Standby".to_owned(), 3)]),
            frozen: BTreeMap::from([(
                ("RollingUpdateTask", "shop".to_owned(), "web".to_owned()),
                1800,
            )]),
            backlog: (1, Duration::from_secs(2)),
            lateness: Duration::from_millis(70_900),
            starts: (7, Duration::from_secs(20)),
            seen: (3, 0),
            watches: BTreeMap::from([(("rollbacks".to_owned(), String::new()), 1_700_000_001)]),
            missing_fields: BTreeMap::from([("Rollback".to_owned(), 4)]),
        });
        for line in [
            r#"controller_runtime_reconcile_total{controller="rollback",result="error"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="rollback",class="Refused"} 1"#,
            r#"controller_runtime_active_workers{controller="rollback"} 0"#,
            r#"ess_rollout_cloud_requests_total{service="OOS",action="ListExecutions",code="Throttled"} 1"#,
            r#"ess_rollout_cloud_reads_total{service="OOS",action="ListExecutions",reason="poll"} 1"#,
            r#"ess_rollout_cloud_throttled_total{service="OOS",action="ListExecutions"} 1"#,
            r#"leader_election_master_status{name="ess-rollout"} 1"#,
            r#"ess_rollout_tasks{kind="Rollback",namespace="shop",state="Running"} 2"#,
            r#"ess_rollout_watch_last_answer_timestamp_seconds{resource="rollbacks",namespace=""} 1700000001"#,
            r#"ess_rollout_watch_failures_total{resource="rollbacks"} 1"#,
            r#"ess_rollout_crd_missing_fields{kind="Rollback"} 4"#,
            r#"ess_rollout_leftovers{kind="Standby"} 3"#,
            r#"ess_rollout_group_frozen_seconds{kind="RollingUpdateTask",namespace="shop",name="web"} 1800"#,
            r#"workqueue_depth{name="ess-rollout"} 1"#,
            "ess_rollout_look_lateness_seconds 70",
            "ess_rollout_starts_waiting 7",
            "ess_rollout_starts_wait_seconds 20",
            "ess_rollout_last_successful_poll_timestamp_seconds 1700000000.0",
            "ess_rollout_failing_polls 2",
            "ess_rollout_build_info{version=",
            "# EOF",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        let text = metrics.render(Scrape::default());
        assert!(
            !text.contains("group_frozen_seconds{"),
            "one that ended is gone"
        );
        assert!(!text.contains("Running"), "a state without tasks is gone");
    }

    /// The names in a table of the documentation, which is its first column.
    fn listed(text: &str) -> Vec<&str> {
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        rows.filter_map(|row| row.split_once('`'))
            .map(|(name, _)| name)
            .collect()
    }

    #[test]
    fn the_documentation_lists_each_metric_and_no_other() {
        let source = include_str!("metrics.rs");
        let registered = source.split("registry.register(\n").skip(1);
        let mut registered: Vec<&str> = registered
            .filter_map(|rest| rest.split('"').nth(1))
            .collect();
        registered.sort_unstable();
        let document = include_str!("../../docs/metrics.md");
        // The library appends these to counters and infos.
        let mut documented: Vec<&str> = listed(document)
            .into_iter()
            .map(|name| name.trim_end_matches("_total").trim_end_matches("_info"))
            .collect();
        documented.sort_unstable();
        assert_eq!(documented, registered);
        assert!(registered.len() > 15);
    }
}
