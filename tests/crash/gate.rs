//! Decides at which request the operator dies, kills it there, and starts it again.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::response::Response;
use ess_rollout_test_support::Operator;
use ess_rollout_test_support::proxy::{self, Forwarder, Request};
use futures::future::BoxFuture;

use super::site::SETTLE;

/// On which side of a request the operator dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server never sees the request.
    Before,
    /// The server has answered; the operator has not read it.
    After,
    /// The server sees the request so long after the operator's death.
    Late(Duration),
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Before => f.write_str("before"),
            Self::After => f.write_str("answer lost"),
            Self::Late(by) => write!(f, "late by {by:?}"),
        }
    }
}

/// One moment at which something is done to the operator: the `nth` request of that name, from 1, counted from the start
/// of the run or from the event before.
#[derive(Debug, Clone)]
pub struct Event {
    /// As [`Gate::steps`] has it; `*` stands for any.
    pub step: String,
    pub nth: usize,
    pub what: What,
}

#[derive(Debug, Clone, Copy)]
pub enum What {
    /// `kill -9`, and a new start after `down`.
    Kill { side: Side, down: Duration },
    /// No kill: the answer comes so late.
    SlowAnswer(Duration),
}

impl Event {
    pub fn kills(&self) -> bool {
        matches!(self.what, What::Kill { .. })
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.step, self.nth)?;
        match self.what {
            What::Kill { side, down } if down.is_zero() => write!(f, " {side}"),
            What::Kill { side, down } => write!(f, " {side}, down {down:?}"),
            What::SlowAnswer(by) => write!(f, " slow by {by:?}"),
        }
    }
}

/// What becomes of one request.
enum Verdict {
    Pass,
    KillBefore(Duration),
    KillAfter(Duration),
    KillThenForward(Duration, Duration),
    AnswerAfter(Duration),
}

#[derive(Debug, Default)]
struct State {
    began: Option<Instant>,
    /// Lines of the operator's log that are older than the run.
    log: usize,
    /// Each with its time since the run began.
    steps: Vec<(Duration, String)>,
    counts: BTreeMap<String, usize>,
    /// Requests since the last event.
    seen: usize,
    events: VecDeque<Event>,
    happened: usize,
    failure: Option<String>,
    /// A call that came later than the operator is told a call can.
    overdue: Option<Duration>,
}

/// Stands at both proxies of one operator.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    operator: Arc<Mutex<Option<Operator>>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    /// The operator that it kills. It is ended with the gate.
    pub fn guard(&self, operator: Operator) {
        *locked(&self.operator) = Some(operator);
    }

    /// Begins a run in which these events happen, in this order.
    pub fn begin(&self, events: Vec<Event>) {
        *locked(&self.state) = State {
            began: Some(Instant::now()),
            log: self.log().lines().count(),
            events: events.into(),
            ..State::default()
        };
    }

    /// The requests of this run that change something, in order, each as `name#n`.
    pub fn steps(&self) -> Vec<String> {
        locked(&self.state)
            .steps
            .iter()
            .map(|(_, step)| step.clone())
            .collect()
    }

    /// How many events have happened in this run.
    pub fn happened(&self) -> usize {
        locked(&self.state).happened
    }

    /// What went wrong with a kill or a start, if anything did.
    pub fn failure(&self) -> Option<String> {
        locked(&self.state).failure.clone()
    }

    /// How late a call came to its server, where that is later than [`SETTLE`], which the operator is told is the latest: the
    /// machine stood still. What such a run comes to says nothing of the operator.
    pub fn overdue(&self) -> Option<Duration> {
        locked(&self.state).overdue
    }

    /// What happened in this run, for people: the requests with their times, and the operator's log.
    pub fn story(&self) -> String {
        let log = self.log();
        let state = locked(&self.state);
        let steps = state
            .steps
            .iter()
            .map(|(at, step)| format!("{:.1} {step}", at.as_secs_f64()));
        let mut story = format!("its steps: {}", steps.collect::<Vec<_>>().join(", "));
        for line in log.lines().skip(state.log) {
            story.push_str(
                "
  ",
            );
            story.push_str(line);
        }
        story
    }

    fn log(&self) -> String {
        locked(&self.operator)
            .as_mut()
            .map_or_else(String::new, |operator| operator.process().log())
    }

    fn arrive(&self, step: &str) -> Verdict {
        let mut state = locked(&self.state);
        let count = state.counts.entry(step.to_owned()).or_default();
        *count += 1;
        let name = format!("{step}#{count}");
        let at = state.began.map_or(Duration::ZERO, |began| began.elapsed());
        state.steps.push((at, name));
        let Some(event) = state.events.front() else {
            return Verdict::Pass;
        };
        if event.step != step && event.step != "*" {
            return Verdict::Pass;
        }
        let (nth, what) = (event.nth, event.what);
        state.seen += 1;
        if state.seen < nth {
            return Verdict::Pass;
        }
        state.events.pop_front();
        state.seen = 0;
        state.happened += 1;
        match what {
            What::Kill {
                side: Side::Before,
                down,
            } => Verdict::KillBefore(down),
            What::Kill {
                side: Side::After,
                down,
            } => Verdict::KillAfter(down),
            What::Kill {
                side: Side::Late(by),
                down,
            } => Verdict::KillThenForward(by, down),
            What::SlowAnswer(by) => Verdict::AnswerAfter(by),
        }
    }

    /// `kill -9`, and a start after `down`. Returns when the new process runs, not when it is ready.
    async fn kill(&self, down: Duration) {
        let done = async {
            self.with_operator(|operator| operator.process().kill())
                .await?;
            tokio::time::sleep(down).await;
            self.with_operator(Operator::launch).await
        };
        if let Err(error) = done.await {
            locked(&self.state).failure = Some(format!("{error:#}"));
        }
    }

    async fn with_operator(
        &self,
        work: impl FnOnce(&mut Operator) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let operator = Arc::clone(&self.operator);
        tokio::task::spawn_blocking(move || {
            work(locked(&operator).as_mut().context("there is no operator")?)
        })
        .await?
    }
}

impl proxy::Gate for Gate {
    fn pass(
        self: Arc<Self>,
        request: Request,
        server: Forwarder,
    ) -> BoxFuture<'static, Option<Response>> {
        Box::pin(async move {
            let verdict = match &request.step {
                Some(step) => self.arrive(step),
                None => Verdict::Pass,
            };
            match verdict {
                Verdict::Pass => server.forward(&request).await,
                Verdict::KillBefore(restart) => {
                    self.kill(restart).await;
                    None
                }
                Verdict::KillAfter(restart) => {
                    server.forward(&request).await;
                    self.kill(restart).await;
                    None
                }
                Verdict::KillThenForward(late, restart) => {
                    let arrived = Instant::now();
                    let gate = Arc::clone(&self);
                    tokio::spawn(async move {
                        tokio::time::sleep(late).await;
                        server.forward(&request).await;
                        let took = arrived.elapsed();
                        if took > SETTLE {
                            locked(&gate.state).overdue = Some(took);
                        }
                    });
                    self.kill(restart).await;
                    None
                }
                Verdict::AnswerAfter(wait) => {
                    let answer = server.forward(&request).await;
                    tokio::time::sleep(wait).await;
                    answer
                }
            }
        })
    }
}
