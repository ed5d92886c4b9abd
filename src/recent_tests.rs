use std::sync::atomic::{AtomicUsize, Ordering};

use ess_rollout_cloud::{Answer, CloudError, Query};
use ess_rollout_core::ask::unanswered;
use futures::future::join_all;

use super::*;
use crate::seen::Place;
use crate::tasks::CredentialsScope;

type Told = Result<Answer, CloudError>;

const INTERVAL: Duration = Duration::from_secs(30);

fn place(secret: Option<&str>) -> Place {
    let scope = CredentialsScope {
        namespace: "ns".into(),
        secret: secret.map(Into::into),
    };
    (scope, "cn-hangzhou".into())
}

fn query(group: &str) -> Query {
    Query::Alarms {
        group: group.into(),
    }
}

/// A cloud that takes a second to answer, and counts.
#[derive(Default)]
struct Slow(AtomicUsize);

impl Slow {
    async fn read(&self) -> Told {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Answer::Alarms(Vec::new()))
    }

    fn calls(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test(start_paused = true)]
async fn all_who_ask_the_same_at_the_same_time_cost_one_call() {
    let (recent, slow) = (Recent::default(), Slow::default());
    let query = (place(None), query("asg-1"));
    let asks = (0..1000).map(|_| recent.of(&query, INTERVAL, async || slow.read().await));
    let told = join_all(asks).await;
    assert!(told.iter().all(Result::is_ok));
    assert_eq!(slow.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_as_old_as_its_question_and_no_older_than_is_asked_for() {
    let (recent, slow) = (Recent::default(), Slow::default());
    let query = (place(None), query("asg-1"));
    let ask = async |age| recent.of(&query, age, async || slow.read().await).await;
    ask(INTERVAL).await.unwrap();
    tokio::time::advance(Duration::from_secs(29)).await;
    ask(INTERVAL).await.unwrap();
    assert_eq!(slow.calls(), 1);
    // Who asks for what came after an event a moment ago is told no older thing.
    ask(Duration::from_secs(1)).await.unwrap();
    assert_eq!(slow.calls(), 2);
    tokio::time::advance(INTERVAL).await;
    ask(INTERVAL).await.unwrap();
    assert_eq!(slow.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_what_other_credentials_have_read() {
    let (recent, slow) = (Recent::default(), Slow::default());
    let query = query("asg-1");
    for secret in [None, Some("one"), Some("two")] {
        let query = (place(secret), query.clone());
        let asked = recent.of(&query, INTERVAL, async || slow.read().await);
        asked.await.unwrap();
    }
    assert_eq!(slow.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_answer_is_not_asked_by_each_of_them() {
    let recent = Recent::default();
    let calls = AtomicUsize::new(0);
    let query = (place(None), query("asg-1"));
    let fail = async || {
        calls.fetch_add(1, Ordering::Relaxed);
        Told::Err(unanswered("ESS DescribeAlarms", "timeout", String::new()))
    };
    let asks = (0..100).map(|_| recent.of(&query, INTERVAL, fail));
    assert!(join_all(asks).await.iter().all(Result::is_err));
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn one_who_goes_away_while_asking_keeps_nobody_waiting() {
    let (recent, slow) = (Recent::default(), Slow::default());
    let query = (place(None), query("asg-1"));
    let goes = recent.of(&query, INTERVAL, async || slow.read().await);
    let gone = tokio::time::timeout(Duration::from_millis(500), goes).await;
    gone.unwrap_err();
    let asks = recent.of(&query, INTERVAL, async || slow.read().await);
    asks.await.unwrap();
    assert_eq!(slow.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_asks_for_any_more_is_forgotten() {
    let (recent, slow) = (Recent::default(), Slow::default());
    for group in 0..MANY {
        let query = (place(None), query(&format!("asg-{group}")));
        let asked = recent.of(&query, INTERVAL, async || slow.read().await);
        asked.await.unwrap();
    }
    tokio::time::advance(KEPT).await;
    let query = (place(None), query("asg-new"));
    let asked = recent.of(&query, INTERVAL, async || slow.read().await);
    asked.await.unwrap();
    assert_eq!(recent.lock().len(), 1);
}
