use std::sync::Arc;
use std::time::Duration;

use ess_rollout_cloud::{
    ExecutionFilter, GroupState, GroupType, Outcome, ScalingConfiguration, ScalingGroup,
};
use tokio::time::{Instant, sleep};

use super::*;
use crate::runtime::metrics::Scrape;

/// How long each read takes: not long enough for a rest.
const READ: Duration = Duration::from_millis(990);

/// Answers after a while, and remembers what it was asked, when, and in which turn.
struct Account {
    asked: Mutex<Vec<(Query, Instant, Turn)>>,
    /// A group that fails whatever is asked together with it.
    strange: Option<&'static str>,
    takes: Duration,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            asked: Mutex::default(),
            strange: None,
            takes: READ,
        }
    }
}

impl Account {
    fn asked(&self) -> Vec<Query> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|(query, ..)| query.clone()).collect()
    }
}

fn group(id: &str) -> ScalingGroup {
    ScalingGroup {
        id: id.to_owned(),
        group_type: GroupType::Ecs,
        state: GroupState::Active,
        suspended_processes: Vec::new(),
        active_scaling_configuration: None,
        launch_template: None,
        total_instances: 0,
        instances_in_motion: 0,
        instances_held: 0,
        monitor_group: None,
        server_groups: Vec::new(),
        tags: std::collections::BTreeMap::new(),
    }
}

/// A configuration that is not there.
const ABSENT: &str = "asc-0";

fn configuration(id: &str) -> ScalingConfiguration {
    ScalingConfiguration {
        id: id.to_owned(),
        group: "asg-1".to_owned(),
        image: None,
    }
}

impl Cloud for Account {
    fn query<'a>(&'a self, _: &'a str, query: &'a Query, turn: Turn) -> CloudFuture<'a, Answer> {
        let now = Instant::now();
        let mut asked = self.asked.lock().unwrap();
        asked.push((query.clone(), now, turn));
        let fails = |id: &String| Some(id.as_str()) == self.strange;
        let answer = match query {
            Query::ScalingGroup { group: id } if fails(id) => Err(refused()),
            Query::ScalingGroups { groups } if groups.iter().any(fails) => Err(refused()),
            Query::ScalingGroup { group: id } => Ok(Answer::ScalingGroup(Some(group(id)))),
            Query::ScalingGroups { groups } => Ok(Answer::ScalingGroups(
                groups.iter().map(|id| group(id)).collect(),
            )),
            Query::ScalingConfiguration { configuration: id } => {
                Ok(Answer::ScalingConfiguration(Some(configuration(id))))
            }
            Query::ScalingConfigurations { configurations } => {
                let all = configurations.iter().filter(|id| *id != ABSENT);
                let all = all.map(|id| configuration(id));
                Ok(Answer::ScalingConfigurations(all.collect()))
            }
            _ => Ok(Answer::Executions(Arc::default())),
        };
        Box::pin(async move {
            sleep(self.takes).await;
            answer
        })
    }

    fn mutate<'a>(&'a self, _: &'a str, _: &'a Mutation) -> CloudFuture<'a, Done> {
        unreachable!("these are reads")
    }
}

fn refused() -> CloudError {
    CloudError {
        call: "ESS DescribeScalingGroups".to_owned(),
        class: ErrorClass::Invalid,
        outcome: Outcome::NoEffect,
        code: "InvalidParameter".to_owned(),
        message: String::new(),
        request_id: None,
        missing_action: None,
        retry_after: None,
    }
}

fn reader(strange: Option<&'static str>) -> (Arc<Reader>, Arc<Account>) {
    let account = Arc::new(Account {
        strange,
        ..Account::default()
    });
    let reader = Reader::new(account.clone(), Arc::default());
    (Arc::new(reader), account)
}

fn running() -> Query {
    Query::Executions(ExecutionFilter::ActiveByTemplate("ACS-ESS".to_owned()))
}

fn about(id: &str) -> Query {
    Query::ScalingGroup {
        group: id.to_owned(),
    }
}

/// Asks this after a while, and gives when the answer came in.
async fn ask(reader: &Reader, query: Query, after: Duration, turn: Turn) -> (Answer, Duration) {
    let begin = Instant::now();
    sleep(after).await;
    let answer = reader.query("cn-hangzhou", &query, turn).await.unwrap();
    (answer, begin.elapsed())
}

const AT_ONCE: Duration = Duration::ZERO;
const LATER: Duration = Duration::from_millis(300);

#[tokio::test(start_paused = true)]
async fn nobody_is_given_an_answer_that_was_under_way_when_he_asked() {
    let (reader, account) = reader(None);
    let turn = Turn::default();
    let asks =
        [AT_ONCE, LATER, LATER * 2, LATER * 3].map(|after| ask(&reader, running(), after, turn));
    let came: Vec<_> = futures::future::join_all(asks).await;
    let came: Vec<_> = came.into_iter().map(|(_, when)| when).collect();
    // Those who asked later share one that began when the first had come in.
    assert_eq!(came, [READ, READ * 2, READ * 2, READ * 2]);
    assert_eq!(account.asked().len(), 2);
    // And then there is nothing left of it.
    ask(&reader, running(), AT_ONCE, turn).await;
    assert_eq!(account.asked().len(), 3);
    assert!(reader.lines.lock().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_takes_long_leaves_half_of_the_time_to_others() {
    let account = Arc::new(Account {
        takes: LONG * 2,
        ..Account::default()
    });
    let reader = Reader::new(account.clone(), Arc::default());
    let turn = Turn::default();
    // The last asks while the others wait for the next one to begin.
    let asks = [AT_ONCE, LATER, LONG * 3].map(|after| ask(&reader, running(), after, turn));
    let came = futures::future::join_all(asks).await;
    let came: Vec<_> = came.into_iter().map(|(_, when)| when).collect();
    assert_eq!(came, [LONG * 2, LONG * 6, LONG * 6]);
    assert_eq!(account.asked().len(), 2);
    // Nobody waits who asks when nobody else does.
    let (_, took) = ask(&reader, running(), AT_ONCE, turn).await;
    assert_eq!(took, LONG * 2);
}

#[tokio::test(start_paused = true)]
async fn questions_about_groups_go_together() {
    let (reader, account) = reader(None);
    let ids = ["asg-1", "asg-2", "asg-3", "asg-2"];
    let turn = Turn::default();
    let asks = ids.map(|id| ask(&reader, about(id), AT_ONCE, turn));
    for (id, (answer, _)) in ids.iter().zip(futures::future::join_all(asks).await) {
        assert_eq!(answer, Answer::ScalingGroup(Some(group(id))));
    }
    let groups = ["asg-2", "asg-3"].map(str::to_owned).to_vec();
    assert_eq!(
        account.asked(),
        [about("asg-1"), Query::ScalingGroups { groups }]
    );
}

#[tokio::test(start_paused = true)]
async fn so_do_questions_about_configurations() {
    let (reader, account) = reader(None);
    let about = |id: &str| Query::ScalingConfiguration {
        configuration: id.to_owned(),
    };
    let ids = ["asc-1", ABSENT, "asc-2"];
    let turn = Turn::default();
    let asks = ids.map(|id| ask(&reader, about(id), AT_ONCE, turn));
    for (id, (answer, _)) in ids.iter().zip(futures::future::join_all(asks).await) {
        let there = (*id != ABSENT).then(|| configuration(id));
        assert_eq!(answer, Answer::ScalingConfiguration(there));
    }
    let configurations = [ABSENT, "asc-2"].map(str::to_owned).to_vec();
    let together = Query::ScalingConfigurations { configurations };
    assert_eq!(account.asked(), [about("asc-1"), together]);
}

/// The value of a counter of an API.
fn counted(reader: &Reader, name: &str, action: &str) -> u64 {
    let text = reader.metrics.render(&Scrape::default());
    let series = format!("{name}_total{{action=\"{action}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(0, |value| value.parse().unwrap())
}

#[tokio::test(start_paused = true)]
async fn it_is_counted_how_many_were_answered_by_a_read_for_another_one() {
    let (reader, account) = reader(Some("asg-2"));
    let turn = Turn::default();
    let counted = |action| {
        ["ess_rollout_questions", "ess_rollout_shared_reads"]
            .map(|name| counted(&reader, name, action))
    };
    // The first goes alone, three together.
    let asks = [AT_ONCE, LATER, LATER, LATER].map(|after| ask(&reader, running(), after, turn));
    futures::future::join_all(asks).await;
    assert_eq!(counted("ListExecutions"), [4, 2]);
    // The first goes alone, then two together, one of them for two.
    let ids = ["asg-1", "asg-3", "asg-4", "asg-4"];
    let asks = ids.map(|id| ask(&reader, about(id), AT_ONCE, turn));
    futures::future::join_all(asks).await;
    assert_eq!(counted("DescribeScalingGroups"), [4, 2]);
    // One that fails the others: each was read by itself, and one of them for two.
    let ids = ["asg-1", "asg-2", "asg-3", "asg-3"];
    let asks = ids.map(|id| {
        let reader = reader.clone();
        async move { reader.query("cn-hangzhou", &about(id), turn).await }
    });
    futures::future::join_all(asks).await;
    assert_eq!(counted("DescribeScalingGroups"), [8, 3]);
    // Nobody was answered.
    let left = tokio::time::timeout(LATER, ask(&reader, running(), AT_ONCE, turn)).await;
    assert!(left.is_err());
    assert_eq!(counted("ListExecutions"), [4, 2]);
    assert_eq!(account.asked().len(), 2 + 2 + 4 + 1);
}

#[tokio::test(start_paused = true)]
async fn one_that_the_service_refuses_fails_nobody_else() {
    let (reader, account) = reader(Some("asg-2"));
    let turn = Turn::default();
    let asks = ["asg-1", "asg-2", "asg-3"].map(|id| {
        let reader = reader.clone();
        async move { reader.query("cn-hangzhou", &about(id), turn).await }
    });
    let answers = futures::future::join_all(asks).await;
    assert!(answers[0].is_ok() && answers[2].is_ok());
    assert_eq!(answers[1], Err(refused()));
    assert_eq!(
        account.asked().len(),
        4,
        "alone, together, and each by itself"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_urgent_does_not_wait_for_what_is_not() {
    let (reader, account) = reader(None);
    let (due, urgency) = (Turn::default(), Urgency::Asked);
    let asked = Turn { urgency, number: 9 };
    let (_, (_, took)) = tokio::join!(
        ask(&reader, running(), AT_ONCE, due),
        ask(&reader, running(), LATER, asked),
    );
    assert_eq!(took, LATER + READ);
    assert_eq!(account.asked().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn who_goes_away_takes_nobody_s_answer_along() {
    let (reader, account) = reader(None);
    let turn = Turn::default();
    let first = tokio::time::timeout(LATER, ask(&reader, running(), AT_ONCE, turn));
    let second = tokio::time::timeout(LATER * 4, ask(&reader, running(), LATER / 3, turn));
    let third = ask(&reader, running(), LATER / 2, turn);
    let (first, second, third) = tokio::join!(first, second, third);
    assert!(first.is_err() && second.is_err());
    // The second was carried on by the third, which waited for the first.
    assert_eq!(third.1, READ * 2);
    assert_eq!(account.asked().len(), 2);
    // Nobody waits for one that everybody has left.
    let left = tokio::time::timeout(LATER, ask(&reader, running(), AT_ONCE, turn)).await;
    assert!(left.is_err());
    assert_eq!(ask(&reader, running(), AT_ONCE, turn).await.1, READ);
}
