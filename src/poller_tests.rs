//! Whom a poll wakes, and whom it asks.

use std::{
    future::{pending, ready},
    sync::{Mutex, MutexGuard},
};

use ess_rollout_api::v1alpha1::RollingUpdateTask;
use ess_rollout_cloud::{Cloud, CloudFuture, Done, ErrorClass, Mutation, Outcome};
use kube::runtime::watcher::Event;
use serde_json::json;
use tokio::time::Instant;

use super::*;
use crate::{
    runtime::{clock::SystemClock, dispatcher::Finished, queue::Again, shutdown},
    tasks::{CredentialsScope, ObjectView},
};

#[derive(Default)]
struct Script {
    /// Status of the executions that the list holds.
    executions: Vec<(&'static str, &'static str)>,
    fails: bool,
    /// Regions that never answer.
    silent: Vec<&'static str>,
    queries: Vec<Query>,
}

#[derive(Clone, Default)]
struct Account(Arc<Mutex<Script>>);

impl Account {
    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap()
    }
}

pub(crate) fn execution(id: &str, status: &str) -> Execution {
    Execution {
        id: id.to_owned(),
        parent: None,
        template_name: String::new(),
        template_version: String::new(),
        status: status.into(),
        status_message: String::new(),
        waiting_status: String::new(),
        mode: String::new(),
        safety_check: String::new(),
        category: String::new(),
        executed_by: String::new(),
        start: None,
        end: None,
        updated: None,
        parameters: serde_json::Map::new(),
        counters: serde_json::Map::new(),
        current_actions: Vec::new(),
        tags: BTreeMap::new(),
    }
}

impl Cloud for Account {
    fn query<'a>(&'a self, region: &'a str, query: &'a Query, _: Turn) -> CloudFuture<'a, Answer> {
        let mut script = self.script();
        script.queries.push(query.clone());
        if script.silent.contains(&region) {
            return Box::pin(pending());
        }
        let nested = matches!(query, Query::Executions(ExecutionFilter::NestedSince(_)));
        let answer = match script.fails {
            false if nested => Ok(Answer::Executions(Arc::default())),
            false => Ok(Answer::Executions(Arc::new(
                script
                    .executions
                    .iter()
                    .map(|(id, status)| execution(id, status))
                    .collect(),
            ))),
            true => Err(CloudError {
                call: "OOS ListExecutions".to_owned(),
                class: ErrorClass::Throttled,
                outcome: Outcome::NoEffect,
                code: "Throttling".to_owned(),
                message: String::new(),
                request_id: None,
                missing_action: None,
                retry_after: None,
            }),
        };
        Box::pin(ready(answer))
    }

    fn mutate<'a>(&'a self, _: &'a str, _: &'a Mutation) -> CloudFuture<'a, Done> {
        unreachable!("a poll changes nothing")
    }
}

impl Clouds for Account {
    fn open<'a>(&'a self, _: &'a CredentialsScope) -> CloudFuture<'a, Arc<dyn Cloud>> {
        Box::pin(ready(Ok(Arc::new(self.clone()) as Arc<dyn Cloud>)))
    }

    fn rejected(&self, _: &CredentialsScope) {}
}

fn poller(tasks: &[(&str, &str)]) -> (Poller, Account) {
    let tasks: Vec<_> = tasks
        .iter()
        .map(|(name, execution)| (*name, *execution, "cn-hangzhou"))
        .collect();
    poller_in(&tasks)
}

/// Tasks with their execution and region.
fn poller_in(tasks: &[(&str, &str, &str)]) -> (Poller, Account) {
    let index = TaskIndex::new(None);
    for (name, execution, region) in tasks {
        let view: ObjectView<RollingUpdateTask> = serde_json::from_value(json!({
            "metadata": {"namespace": "ns", "name": name},
            "spec": {"scalingGroupId": "asg-1", "regionId": region},
            "status": {"execution": {"id": execution, "startTime": "2026-01-01T00:10:00Z"}}
        }))
        .unwrap();
        index.apply(0, Event::Apply(view));
    }
    let account = Account::default();
    let poller = Poller {
        tasks: Arc::new(index),
        clouds: Arc::new(account.clone()),
        triggers: Arc::new(Triggers::new()),
        metrics: Arc::new(Metrics::new()),
        clock: Arc::new(SystemClock),
        interval: Duration::from_secs(10),
        sightings: Arc::new(Sightings::new(Duration::from_secs(60))),
    };
    (poller, account)
}

/// One poll to its end.
async fn complete(poller: &Poller, listing: &mut Listing) {
    let turns = Semaphore::new(SIDE_BY_SIDE);
    let mut lists = Lists::new();
    poller.begin(listing, &turns, &mut lists);
    while let Some(listed) = lists.next().await {
        poller.take(listing, listed);
    }
}

/// Whom a poll wakes. Everyone who was woken counts as looked at.
async fn poll(poller: &mut Poller, listing: &mut Listing) -> Vec<String> {
    poller.triggers = Arc::new(Triggers::new());
    complete(poller, listing).await;
    let all = Instant::now() + poller.interval;
    let mut woken: Vec<_> = std::iter::from_fn(|| poller.triggers.pop(usize::MAX, all))
        .map(|(key, _)| key.name)
        .collect();
    woken.sort();
    woken
}

#[tokio::test]
async fn without_active_tasks_nobody_is_asked() {
    let (mut poller, account) = poller(&[]);
    assert!(poll(&mut poller, &mut Listing::default()).await.is_empty());
    assert!(account.script().queries.is_empty());
}

#[tokio::test]
async fn one_list_serves_all_tasks_of_an_account_and_wakes_those_that_moved() {
    let (mut poller, account) = poller(&[("a", "exec-a"), ("b", "exec-b"), ("c", "exec-c")]);
    let mut listing = Listing::default();
    account.script().executions = vec![
        ("exec-a", "Running"),
        ("exec-b", "Running"),
        ("exec-c", "Running"),
    ];
    assert_eq!(
        poll(&mut poller, &mut listing).await,
        ["a", "b", "c"],
        "seen first"
    );
    assert!(
        poll(&mut poller, &mut listing).await.is_empty(),
        "nothing moved"
    );
    account.script().executions = vec![("exec-a", "Running"), ("exec-b", "Waiting")];
    assert_eq!(
        poll(&mut poller, &mut listing).await,
        ["b", "c"],
        "moved, missing"
    );

    let script = account.script();
    let lists_roots = |query: &&Query| {
        let Query::Executions(filter) = query else {
            return false;
        };
        matches!(filter, ExecutionFilter::TaggedProgress { .. })
    };
    assert_eq!(script.queries.iter().filter(lists_roots).count(), 3);
    assert_eq!(script.queries.len(), 6, "and what is nested, of all");
    let Query::Executions(ExecutionFilter::TaggedProgress {
        tags,
        started_after,
    }) = &script.queries[0]
    else {
        panic!("{:?}", script.queries[0])
    };
    assert_eq!(tags, &[("managed-by".to_owned(), "ess-rollout".to_owned())]);
    assert_eq!(
        *started_after,
        Some("2026-01-01T00:09:00Z".parse().unwrap())
    );
}

#[tokio::test(start_paused = true)]
async fn those_who_moved_are_woken_one_after_the_other_and_all_before_the_next_poll() {
    let names: Vec<(String, String)> = (0..40)
        .map(|n| (format!("t{n}"), format!("exec-{n}")))
        .collect();
    let pairs: Vec<(&str, &str)> = names
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    for (count, first_second) in [(4, 2), (40, 4)] {
        let (poller, _) = poller(&pairs[..count]);
        complete(&poller, &mut Listing::default()).await;
        let woken =
            |at: Instant| std::iter::from_fn(|| poller.triggers.pop(usize::MAX, at)).count();
        let now = Instant::now();
        assert_eq!(woken(now), 1);
        assert_eq!(woken(now + Duration::from_millis(999)), first_second - 1);
        assert_eq!(woken(now + poller.interval), count - first_second);
    }
}

#[tokio::test]
async fn a_list_that_fails_wakes_nobody() {
    let (mut poller, account) = poller(&[("a", "exec-a")]);
    let mut listing = Listing::default();
    account.script().fails = true;
    assert!(poll(&mut poller, &mut listing).await.is_empty());
    {
        let mut script = account.script();
        (script.fails, script.executions) = (false, vec![("exec-a", "Running")]);
    }
    assert_eq!(poll(&mut poller, &mut listing).await, ["a"]);
}

/// The value of a metric without labels.
fn metric(metrics: &Metrics, name: &str) -> f64 {
    let text = metrics.render(&crate::runtime::metrics::Scrape::default());
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(name));
    lines.next().unwrap().trim().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_account_that_does_not_answer_holds_nobody_up_in_this_poll_or_the_next() {
    let (poller, account) = poller_in(&[
        ("a", "exec-a", "cn-silent"),
        ("b", "exec-b", "cn-hangzhou"),
        ("c", "exec-c", "cn-shanghai"),
    ]);
    account.script().silent = vec!["cn-silent"];
    let (triggers, metrics) = (poller.triggers.clone(), poller.metrics.clone());
    let (stop, shutdown) = shutdown::channel();
    let woken = || {
        let now = Instant::now();
        let names = std::iter::from_fn(|| triggers.pop(usize::MAX, now)).map(|(key, _)| {
            let finished = Finished {
                again: Again::OnChange,
                versions: Vec::new(),
            };
            triggers.done(key.clone(), finished);
            key.name
        });
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    let interval = poller.interval;
    let polling = tokio::spawn(poller.run(shutdown));
    tokio::time::sleep(interval / 2).await;
    for _ in 0..3 {
        tokio::time::sleep(interval).await;
        // Neither execution is in the list: both are woken at every poll.
        assert_eq!(woken(), ["b", "c"]);
    }
    assert_eq!(metric(&metrics, "ess_rollout_failing_polls "), 0.0);
    tokio::time::sleep(LIST_TIMEOUT).await;
    assert_eq!(metric(&metrics, "ess_rollout_failing_polls "), 1.0);
    let polled = "ess_rollout_last_successful_poll_timestamp_seconds ";
    assert!(metric(&metrics, polled) > 0.0, "the others are listed");
    stop.stop();
    polling.await.unwrap();
}

#[tokio::test]
async fn the_time_of_the_last_poll_stands_only_while_every_account_fails() {
    let polled = "ess_rollout_last_successful_poll_timestamp_seconds ";
    let (idle, _) = poller(&[]);
    complete(&idle, &mut Listing::default()).await;
    assert!(
        metric(&idle.metrics, polled) > 0.0,
        "there is nothing to list"
    );
    let (poller, account) = poller(&[("a", "exec-a")]);
    let mut listing = Listing::default();
    account.script().fails = true;
    complete(&poller, &mut listing).await;
    assert_eq!(metric(&poller.metrics, polled), 0.0);
    account.script().fails = false;
    complete(&poller, &mut listing).await;
    assert!(metric(&poller.metrics, polled) > 0.0);
}
