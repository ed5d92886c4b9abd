use std::{collections::BTreeMap, time::Duration};

use super::*;
use cloud::CloudCall;
use passes::PassResult;
use updates::Happened;

fn active(name: &str, state: &str, paused: Option<i64>) -> ActiveSeries {
    ActiveSeries {
        kind: "RollingUpdateTask",
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        state: state.to_owned(),
        group: "asg-1".to_owned(),
        moved: Some(1_700_000_002),
        paused,
    }
}

/// Each metric has something to tell.
fn fed() -> (Metrics, Scrape) {
    let metrics = Metrics::new();
    metrics.passes.bounded(256);
    metrics.passes.began("Rollback");
    metrics.passes.left("Rollback");
    let took = Duration::from_millis(3);
    metrics
        .passes
        .ended("Rollback", PassResult::Error, Some("Refused"), took);
    metrics
        .passes
        .ended("Rollback", PassResult::Error, Some("Panic"), took);
    metrics.queue.added(3, 1);
    metrics.queue.waited(took);
    metrics.queue.worked(took);
    metrics.cloud.called(CloudCall {
        service: "OOS",
        action: "ListExecutions",
        reason: Some("poll"),
        code: "Throttled",
        waited: Duration::from_secs(2),
        duration: Some(Duration::from_millis(30)),
        throttled: true,
    });
    metrics.cloud.polled(1_700_000_000);
    metrics.cloud.polls_fail(2);
    metrics.endpoints.asked("prod", "timeout", took);
    metrics.cluster.watch_failed("rollbacks");
    metrics.cluster.requested("PATCH", Some(409), took);
    metrics.cluster.requested("GET", None, took);
    let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
    for happened in [
        Happened::Start("Started"),
        Happened::Batch(hour),
        Happened::Pause {
            cause: "Batch",
            waited: day,
        },
        Happened::Thawed(day),
        Happened::Ended {
            outcome: "Failed",
            took: Some(hour + day),
        },
    ] {
        metrics.updates.happened("Rollback", &happened);
    }
    metrics.updates.adopted("Rollback");
    metrics.updates.action_settled("continue", "Applied");
    metrics.cloud.questions_answered("ListExecutions", 3, 1);
    let scrape = Scrape {
        election: Some(("ess-rollout".to_owned(), true)),
        tasks: BTreeMap::from([(("Rollback", "shop".to_owned(), "Running".to_owned()), 2)]),
        active: vec![
            active("web", "BatchSuspended", Some(1_700_000_003)),
            active("db", "Running", None),
        ],
        instances: BTreeMap::from([(("RollingUpdateTask", "Updating"), 5)]),
        leftovers: BTreeMap::from([(("Standby".to_owned(), false), 3)]),
        frozen: BTreeMap::from([(
            ("RollingUpdateTask", "shop".to_owned(), "web".to_owned()),
            1800,
        )]),
        windows: vec![
            (("shop".to_owned(), "nights".to_owned()), false),
            (("ess-rollout".to_owned(), "sale".to_owned()), true),
        ],
        backlog: (1, Duration::from_secs(2)),
        under_way: (Duration::from_secs(9), Duration::from_secs(6)),
        lateness: Duration::from_millis(70_900),
        starts: (7, Duration::from_secs(20)),
        seen: (3, 0),
        watches: BTreeMap::from([(("rollbacks".to_owned(), String::new()), 1_700_000_001)]),
        missing_fields: BTreeMap::from([("Rollback".to_owned(), 4)]),
    };
    (metrics, scrape)
}

#[test]
fn a_scrape_names_what_dashboards_ask_for() {
    let (metrics, scrape) = fed();
    let text = metrics.render(&scrape);
    for line in [
        r#"controller_runtime_reconcile_total{controller="rollback",result="error"} 2"#,
        r#"controller_runtime_reconcile_errors_total{controller="rollback",class="Refused"} 1"#,
        r#"controller_runtime_reconcile_panics_total{controller="rollback"} 1"#,
        r#"controller_runtime_reconcile_panics_total{controller="imageupdatetask"} 0"#,
        r#"controller_runtime_active_workers{controller="rollback"} 0"#,
        r#"controller_runtime_max_concurrent_reconciles{controller="rollback"} 256"#,
        r#"ess_rollout_cloud_requests_total{service="OOS",action="ListExecutions",code="Throttled"} 1"#,
        r#"ess_rollout_cloud_reads_total{service="OOS",action="ListExecutions",reason="poll"} 1"#,
        r#"ess_rollout_cloud_throttled_total{service="OOS",action="ListExecutions"} 1"#,
        r#"ess_rollout_cloud_rate_limiter_wait_seconds_sum{service="OOS"} 2.0"#,
        r#"leader_election_master_status{name="ess-rollout"} 1"#,
        r#"ess_rollout_tasks{kind="Rollback",namespace="shop",state="Running"} 2"#,
        r#"ess_rollout_task_info{kind="RollingUpdateTask",namespace="shop",name="web",state="BatchSuspended",scaling_group="asg-1"} 1"#,
        r#"ess_rollout_task_progress_timestamp_seconds{kind="RollingUpdateTask",namespace="shop",name="db"} 1700000002"#,
        r#"ess_rollout_task_pause_timestamp_seconds{kind="RollingUpdateTask",namespace="shop",name="web"} 1700000003"#,
        r#"ess_rollout_task_instances{kind="RollingUpdateTask",state="Updating"} 5"#,
        r#"ess_rollout_task_outcomes_total{kind="Rollback",outcome="Failed"} 1"#,
        r#"ess_rollout_task_outcomes_total{kind="Rollback",outcome="Succeeded"} 0"#,
        r#"ess_rollout_task_duration_seconds_sum{kind="Rollback"} 90000.0"#,
        r#"ess_rollout_task_pause_seconds_bucket{le="28800.0",kind="Rollback",cause="Batch"} 0"#,
        r#"ess_rollout_task_pause_seconds_bucket{le="86400.0",kind="Rollback",cause="Batch"} 1"#,
        r#"ess_rollout_batch_duration_seconds_count{kind="Rollback"} 1"#,
        r#"ess_rollout_group_freeze_duration_seconds_sum{kind="Rollback"} 86400.0"#,
        r#"ess_rollout_start_intents_total{kind="Rollback",outcome="Started"} 1"#,
        r#"ess_rollout_adoption_total{kind="Rollback"} 1"#,
        r#"rest_client_requests_total{code="409",method="PATCH"} 1"#,
        r#"rest_client_requests_total{code="<error>",method="GET"} 1"#,
        r#"ess_rollout_watch_last_answer_timestamp_seconds{resource="rollbacks",namespace=""} 1700000001"#,
        r#"ess_rollout_watch_failures_total{resource="rollbacks"} 1"#,
        r#"ess_rollout_crd_missing_fields{kind="Rollback"} 4"#,
        r#"ess_rollout_leftovers{kind="Standby",kept="false"} 3"#,
        r#"ess_rollout_group_frozen_seconds{kind="RollingUpdateTask",namespace="shop",name="web"} 1800"#,
        r#"ess_rollout_window_open{namespace="shop",name="nights"} 0"#,
        r#"ess_rollout_window_open{namespace="ess-rollout",name="sale"} 1"#,
        r#"workqueue_depth{name="ess-rollout"} 1"#,
        r#"workqueue_adds_total{name="ess-rollout"} 3"#,
        r#"workqueue_retries_total{name="ess-rollout"} 1"#,
        r#"workqueue_unfinished_work_seconds{name="ess-rollout"} 9"#,
        r#"workqueue_longest_running_processor_seconds{name="ess-rollout"} 6"#,
        "ess_rollout_look_lateness_seconds 70",
        "ess_rollout_starts_waiting 7",
        "ess_rollout_starts_wait_seconds 20",
        "ess_rollout_last_successful_poll_timestamp_seconds 1700000000",
        "ess_rollout_failing_polls 2",
        "ess_rollout_build_info{version=",
        "# UNIT ess_rollout_task_duration_seconds seconds",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    let text = metrics.render(&Scrape::default());
    for gone in [
        "group_frozen_seconds{",
        "window_open{",
        "task_info{",
        "task_progress_timestamp_seconds{",
        "task_pause_timestamp_seconds{",
        "task_instances{",
        "Running",
    ] {
        assert!(!text.contains(gone), "what ended is gone: {gone}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_is_read_anew_by_each_scrape() {
    let metrics = Metrics::new();
    let value = |name: &str| -> f64 {
        let text = metrics.render(&Scrape::default());
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().parse().unwrap()
    };
    assert!(value("process_resident_memory_bytes ") > 1e6);
    assert!(value("process_open_fds ") >= 3.0);
    assert!(value("process_threads ") >= 1.0);
    // Since 2020, and not in the future.
    let start = value("process_start_time_seconds ");
    let now = jiff::Timestamp::now().as_second() as f64;
    assert!(start > 1.5e9 && start < now + 2.0, "{start}");
    let before = value("process_cpu_seconds_total ");
    let began = std::time::Instant::now();
    while value("process_cpu_seconds_total ") <= before {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it stays {before}"
        );
    }
}

/// Where the table of the page begins and ends.
const BEGIN: &str = "<!-- What follows is written by `make metrics`. -->\n";
const END: &str = "<!-- To here. -->\n";

/// `UPDATE_DOCS=1` writes it.
#[test]
fn the_documentation_has_the_list_as_the_code_has_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (before, rest) = page.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    let table = format!("\n{}\n", Metrics::new().catalogue().table());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, [before, BEGIN, &table, END, after].concat()).unwrap();
    } else {
        assert_eq!(found, table, "run `make metrics` and commit the result");
    }
}

/// What the list says of a metric is what a scrape shows.
#[test]
fn a_scrape_has_each_metric_of_the_list_with_its_type_and_no_other() {
    let (metrics, scrape) = fed();
    let text = metrics.render(&scrape);
    let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let mut shown: Vec<String> = shown.map(str::to_owned).collect();
    shown.sort();
    let entries = metrics.catalogue().entries();
    let listed = entries.iter().map(|entry| {
        // The library appends these when it writes the series.
        let suffix = match entry.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let name = entry.name.strip_suffix(suffix).unwrap_or(entry.name);
        format!("{name} {}", entry.kind)
    });
    let mut listed: Vec<String> = listed.collect();
    listed.sort();
    assert_eq!(listed, shown);
    assert!(
        entries
            .iter()
            .all(|entry| !entry.help.contains(['|', '\n']))
    );
    let once = entries
        .iter()
        .filter(|entry| entry.lasts == Lasts::OnRecord);
    assert!(once.clone().count() > 5);
    assert!(once.clone().all(|entry| entry.kind != "gauge"));
}

/// Two replicas of Prometheus ask at the same time: neither may see what the other one takes out to put it in again.
#[test]
fn scrapes_at_the_same_time_are_whole() {
    let metrics = Metrics::new();
    let scrape = Scrape {
        active: vec![active("web", "Running", Some(1_700_000_003))],
        leftovers: BTreeMap::from([(("Standby".to_owned(), false), 3)]),
        ..Scrape::default()
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..200 {
                    let text = metrics.render(&scrape);
                    assert!(text.contains("\ness_rollout_task_info{"), "{text}");
                    assert!(text.contains("\ness_rollout_leftovers{"), "{text}");
                }
            });
        }
    });
}
