//! One reader of an account for all who ask it at the same time.
//!
//! Tasks that start together ask much the same: who else runs, which version a template has, how groups are. A question
//! that is asked while an equal one is under way waits until that has come in, and then goes once for all who asked
//! meanwhile; questions about single groups, or configurations, go together in the same way. So a rate that is spent costs
//! each of them two reads at most, and the time that one of them takes, however many they are.
//!
//! **An answer is given to nobody who asked after its first call was sent.** Whoever asks after a write of his is on record,
//! or after a call of his has ended, gets what was read after that, as if he had asked alone: the guarantees about starts,
//! Approves and what is put back rest on nothing else. And it is given to nobody with other credentials: there is one reader
//! for each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ess_rollout_cloud::{
    Answer, Cloud, CloudError, CloudFuture, Done, ErrorClass, Mutation, Query, Turn, Urgency,
};
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::time::{Instant, sleep};

use crate::runtime::metrics::Metrics;

/// Lines that nobody stands in any more are looked for when there are so many.
const MANY: usize = 1024;

/// A read that takes as long is one of many pages, or waits for its turn.
const LONG: Duration = Duration::from_secs(1);
/// The most that one waits for the sake of others.
const REST_MAX: Duration = Duration::from_secs(5);

/// What is read from an account.
#[derive(Clone)]
pub(super) struct Reader {
    cloud: Arc<dyn Cloud>,
    lines: Arc<Lines>,
    metrics: Arc<Metrics>,
}

/// Who waits for the same. What is urgent does not wait for what is not.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Line {
    region: String,
    urgency: Urgency,
    topic: Topic,
}

#[derive(Clone, PartialEq, Eq, Hash)]
enum Topic {
    Equal(Query),
    /// DescribeScalingGroups takes many ids.
    Groups,
    /// So does DescribeScalingConfigurations.
    Configurations,
}

impl Topic {
    fn of(query: &Query) -> Self {
        match query {
            Query::ScalingGroup { .. } => Self::Groups,
            Query::ScalingConfiguration { .. } => Self::Configurations,
            query => Self::Equal(query.clone()),
        }
    }

    /// One question in place of all of these.
    fn together(&self, asked: &Questions) -> Option<Query> {
        let each = asked.keys();
        Some(match self {
            Self::Equal(_) => return None,
            Self::Groups => Query::ScalingGroups {
                groups: each.filter_map(id_of).cloned().collect(),
            },
            Self::Configurations => Query::ScalingConfigurations {
                configurations: each.filter_map(id_of).cloned().collect(),
            },
        })
    }
}

/// What the answer to all of them says to this one.
fn part(together: &Answer, query: &Query) -> Option<Answer> {
    let id = id_of(query);
    Some(match together {
        Answer::ScalingGroups(found) => {
            let one = found.iter().find(|group| Some(&group.id) == id);
            Answer::ScalingGroup(one.cloned())
        }
        Answer::ScalingConfigurations(found) => {
            let one = found.iter().find(|one| Some(&one.id) == id);
            Answer::ScalingConfiguration(one.cloned())
        }
        _ => return None,
    })
}

fn id_of(query: &Query) -> Option<&String> {
    match query {
        Query::ScalingGroup { group } => Some(group),
        Query::ScalingConfiguration { configuration } => Some(configuration),
        _ => None,
    }
}

/// What is asked, and by how many.
type Questions = BTreeMap<Query, u64>;

type Answers = BTreeMap<Query, Result<Answer, CloudError>>;

/// What was asked, and what came in.
#[derive(Clone)]
struct Landed {
    answers: Arc<Answers>,
    /// How long the reading took.
    took: Duration,
}

type Flight = Shared<BoxFuture<'static, Landed>>;

#[derive(Default)]
struct Flights {
    /// Has begun to read.
    under_way: Option<WeakShared<BoxFuture<'static, Landed>>>,
    /// Has not: whoever asks gets its answer, too.
    next: Option<Boarding>,
}

struct Boarding {
    flight: WeakShared<BoxFuture<'static, Landed>>,
    asked: Arc<Mutex<Questions>>,
}

#[derive(Default)]
struct Lines(Mutex<HashMap<Line, Flights>>);

impl Lines {
    fn lock(&self) -> MutexGuard<'_, HashMap<Line, Flights>> {
        lock(&self.0)
    }

    /// From here on whoever asks is too late for it.
    fn depart(&self, line: &Line) {
        if let Some(flights) = self.lock().get_mut(line) {
            flights.under_way = flights.next.take().map(|boarding| boarding.flight);
        }
    }

    fn land(&self, line: &Line) {
        let mut lines = self.lock();
        if let Some(flights) = lines.get_mut(line) {
            flights.under_way = None;
            if flights.next.is_none() {
                lines.remove(line);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is behind these is whole after each statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Reader {
    pub(super) fn new(cloud: Arc<dyn Cloud>, metrics: Arc<Metrics>) -> Self {
        Self {
            cloud,
            lines: Arc::default(),
            metrics,
        }
    }

    /// The flight that answers this. Whoever polls it carries it on: it goes on when the one who asked first goes away.
    fn board(&self, region: &str, query: &Query, turn: Turn) -> Flight {
        let line = Line {
            region: region.to_owned(),
            urgency: turn.urgency,
            topic: Topic::of(query),
        };
        let mut lines = self.lines.lock();
        if lines.len() >= MANY {
            let is_alive = |flights: &Flights| {
                let next = flights.next.as_ref().map(|boarding| &boarding.flight);
                let mut all = flights.under_way.iter().chain(next);
                all.any(|flight| flight.upgrade().is_some())
            };
            lines.retain(|_, flights| is_alive(flights));
        }
        let flights = lines.entry(line.clone()).or_default();
        if let Some(boarding) = &flights.next
            && let Some(flight) = boarding.flight.upgrade()
        {
            *lock(&boarding.asked).entry(query.clone()).or_default() += 1;
            return flight;
        }
        let asked = Arc::new(Mutex::new(Questions::from([(query.clone(), 1)])));
        let before = flights.under_way.as_ref().and_then(WeakShared::upgrade);
        let flight = self.clone().fly(line, asked.clone(), before, turn);
        let flight = flight.boxed().shared();
        // Only one that has landed has none.
        flights.next = flight.downgrade().map(|flight| Boarding { flight, asked });
        flight
    }

    async fn fly(
        self,
        line: Line,
        asked: Arc<Mutex<Questions>>,
        before: Option<Flight>,
        turn: Turn,
    ) -> Landed {
        if let Some(before) = before {
            rest(before.await.took).await;
        }
        self.lines.depart(&line);
        let asked = std::mem::take(&mut *lock(&asked));
        let began = Instant::now();
        let (answers, reads) = read(&*self.cloud, &line, &asked, turn).await;
        self.lines.land(&line);
        let questions = asked.values().sum();
        // All of a line are answered by the same API.
        if let Some(query) = asked.keys().next() {
            let action = query.action();
            self.metrics
                .cloud
                .questions_answered(action, questions, reads);
        }
        Landed {
            answers: Arc::new(answers),
            took: began.elapsed(),
        }
    }
}

/// For as long as the last read took nobody begins the next one, so that a list of many pages, which many ask for one after
/// the other, leaves half of its rate to what serves single ones. Whoever asks meanwhile goes with them.
async fn rest(took: Duration) {
    if took >= LONG {
        sleep(took.min(REST_MAX)).await;
    }
}

/// Together in one read; or each by itself, where one of them keeps the service from answering for the others: an id that is
/// none, or one that these credentials may not see. With how many reads gave the answers.
async fn read(cloud: &dyn Cloud, line: &Line, asked: &Questions, turn: Turn) -> (Answers, u64) {
    if asked.len() > 1
        && let Some(answers) = read_together(cloud, line, asked, turn).await
    {
        return (answers, 1);
    }
    let (mut answers, mut reads) = (Answers::new(), 0);
    for query in asked.keys() {
        let answer = cloud.query(&line.region, query, turn).await;
        answers.insert(query.clone(), answer);
        reads += 1;
    }
    (answers, reads)
}

/// `None`: one of them fails the others.
async fn read_together(
    cloud: &dyn Cloud,
    line: &Line,
    asked: &Questions,
    turn: Turn,
) -> Option<Answers> {
    let together = line.topic.together(asked)?;
    let found = match cloud.query(&line.region, &together, turn).await {
        Err(error) if is_about_one(&error) => return None,
        found => found,
    };
    let answers = asked.keys().map(|query| {
        let answer = match &found {
            Ok(found) => Ok(part(found, query)?),
            Err(error) => Err(error.clone()),
        };
        Some((query.clone(), answer))
    });
    answers.collect()
}

fn is_about_one(error: &CloudError) -> bool {
    matches!(
        error.class,
        ErrorClass::Invalid | ErrorClass::NotFound | ErrorClass::Denied
    )
}

impl Cloud for Reader {
    fn query<'a>(
        &'a self,
        region: &'a str,
        query: &'a Query,
        turn: Turn,
    ) -> CloudFuture<'a, Answer> {
        let flight = self.board(region, query, turn);
        Box::pin(async move {
            let landed = flight.await;
            let answer = match Arc::try_unwrap(landed.answers) {
                Ok(mut alone) => alone.remove(query),
                Err(landed) => landed.get(query).cloned(),
            };
            match answer {
                Some(answer) => answer,
                // Nobody boards without saying what he asks.
                None => self.cloud.query(region, query, turn).await,
            }
        })
    }

    fn mutate<'a>(&'a self, region: &'a str, mutation: &'a Mutation) -> CloudFuture<'a, Done> {
        self.cloud.mutate(region, mutation)
    }
}

#[cfg(test)]
#[path = "reader_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
