//! The boundaries of a run, and what goes wrong at them.
//!
//! A boundary is a request of the operator that changes something: a mutation of the cloud, or a write to the apiserver
//! other than an Event. They are numbered from 1 in the order in which they are sent; a run up to its first fault is the
//! dry run, so a number means the same request in both.
//!
//! Why reads are no boundaries: the operator keeps nothing that matters in memory, so a stop is described by the state of
//! the apiserver and of the cloud at that moment, and by the time. Between two changes neither state moves by the
//! operator's doing. A stop at any read after change k is therefore the stop just after k, some time later; and time
//! passes anyway between a stop and the next start, for longer than between two changes. For the same reason a stop
//! before a change that follows the one before it at once is no run of its own: it is the stop after that one. Events are left out because
//! nothing reads them: they are the last effect of a decision, so a stop before or after one is a stop after the effect
//! before it, with an Event more or less.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

/// What goes wrong at a boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The operator stops; the request is not sent.
    StopBefore,
    /// The request has its effect; the operator stops before it sees the answer.
    StopAfter,
    /// As [`Self::StopAfter`], and nobody runs for so long that the next pause comes.
    StopLong,
    /// The operator stops, and the request has its effect nearly the bound on lateness later.
    StopLate,
    /// The request has its effect; the connection ends without an answer.
    AnswerLost,
    /// The connection ends; the request has its effect nearly the bound on lateness later.
    EffectLate,
    /// The connection ends; the request never has an effect.
    Lost,
    /// Refused: too many requests.
    Throttled,
    /// Refused: somebody else wrote first. Nobody did.
    Conflict,
    /// The request has its effect; then each list of the cloud is answered once without any of its entries.
    Omitted,
    /// The request has its effect; then each question to the cloud is answered once as it was the last time, where that was
    /// within the bound on lateness.
    Older,
    /// Another operator stands by. The request has its effect; the one that sent it stops.
    TakenKilled,
    /// The same; it stands still for longer than the lease, and goes on.
    TakenFrozen,
    /// The same; it does not reach the apiserver for longer than the lease.
    TakenCutOff,
    /// The same; it does not reach the cloud for as long, and keeps its place.
    CloudCutOff,
    /// The same; it is told to stop.
    TakenTold,
}

impl Fault {
    /// A stop on either side of every boundary.
    pub const EVERYWHERE: [Self; 2] = [Self::StopBefore, Self::StopAfter];
    /// What else befalls a mutation of the cloud.
    const AT_CALLS: [Self; 8] = [
        Self::EffectLate,
        Self::StopLong,
        Self::AnswerLost,
        Self::StopLate,
        Self::Lost,
        Self::Throttled,
        Self::Omitted,
        Self::Older,
    ];
    /// What else befalls a write to the apiserver.
    const AT_WRITES: [Self; 4] = [Self::AnswerLost, Self::Conflict, Self::Omitted, Self::Older];

    /// What else happens at the boundary of this number: one of eight at a call, one of four at every other write, in turn, so
    /// that each kind of request meets each of them in one scenario or another and all of it takes no longer than people
    /// wait.
    pub fn in_turn(side: Side, number: usize) -> Option<Self> {
        match side {
            Side::Cloud => Some(Self::AT_CALLS[number % Self::AT_CALLS.len()]),
            Side::Apiserver if number.is_multiple_of(2) => {
                Some(Self::AT_WRITES[number / 2 % Self::AT_WRITES.len()])
            }
            Side::Apiserver => None,
        }
    }

    /// Those of a mutation of the cloud.
    pub const OF_CALLS: [Self; 8] = [
        Self::StopBefore,
        Self::StopAfter,
        Self::StopLong,
        Self::StopLate,
        Self::AnswerLost,
        Self::EffectLate,
        Self::Lost,
        Self::Throttled,
    ];
    /// Those of a write to the apiserver. A stop before one is the stop after the change before it, some time later, so
    /// it is a run of its own for calls only.
    pub const OF_WRITES: [Self; 3] = [Self::StopAfter, Self::AnswerLost, Self::Conflict];

    /// What befalls the one of two operators that leads.
    pub const OF_LEADERS: [Self; 5] = [
        Self::TakenKilled,
        Self::TakenFrozen,
        Self::TakenCutOff,
        Self::CloudCutOff,
        Self::TakenTold,
    ];

    /// Whether another operator stands by.
    pub fn is_of_two(self) -> bool {
        Self::OF_LEADERS.contains(&self)
    }

    /// As in a replay.
    pub fn name(self) -> &'static str {
        match self {
            Self::StopBefore => "before",
            Self::StopAfter => "after",
            Self::StopLong => "away",
            Self::StopLate => "stop-late",
            Self::AnswerLost => "answer-lost",
            Self::EffectLate => "late",
            Self::Lost => "lost",
            Self::Throttled => "throttled",
            Self::Conflict => "conflict",
            Self::Omitted => "omitted",
            Self::Older => "older",
            Self::TakenKilled => "taken-killed",
            Self::TakenFrozen => "taken-frozen",
            Self::TakenCutOff => "taken-cut-off",
            Self::CloudCutOff => "cloud-cut-off",
            Self::TakenTold => "taken-told",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        let of_sides = Self::OF_CALLS.into_iter().chain(Self::OF_WRITES);
        let of_leaders = Self::OF_LEADERS.into_iter();
        let mut all = of_sides
            .chain([Self::Omitted, Self::Older])
            .chain(of_leaders);
        all.find(|fault| fault.name() == name)
    }

    pub fn stops(self) -> bool {
        matches!(
            self,
            Self::StopBefore
                | Self::StopAfter
                | Self::StopLong
                | Self::StopLate
                | Self::TakenKilled
        )
    }
}

/// Whom a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Cloud,
    Apiserver,
}

/// One request that changes something.
#[derive(Debug, Clone)]
pub struct Boundary {
    pub side: Side,
    /// As a trace shows it.
    pub name: String,
    /// When it was reached.
    pub at: Instant,
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Faults by the number of their boundary.
pub type Plan = BTreeMap<usize, Fault>;

/// Counts boundaries, says what goes wrong, and asks for stops.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    /// Rings when the operator is to stop.
    stop: Notify,
}

#[derive(Debug, Default)]
struct State {
    plan: Plan,
    passed: Vec<Boundary>,
    /// What stopped an operator last, and which.
    stopped_by: Option<(Fault, String)>,
    /// Since entries are left out: the actions that were answered without theirs.
    left_out: Option<BTreeSet<String>>,
    /// Since answers are older: the questions that were answered so.
    older: Option<BTreeSet<String>>,
}

impl Gate {
    pub fn new(plan: Plan) -> Self {
        Self {
            state: Mutex::new(State {
                plan,
                ..State::default()
            }),
            stop: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request comes to its boundary.
    pub fn reach(&self, side: Side, name: impl Into<String>) -> Option<Fault> {
        let mut state = self.state();
        let (name, at) = (name.into(), Instant::now());
        state.passed.push(Boundary { side, name, at });
        let number = state.passed.len();
        let fault = state.plan.remove(&number);
        match fault {
            Some(Fault::Omitted) => state.left_out = Some(BTreeSet::new()),
            Some(Fault::Older) => state.older = Some(BTreeSet::new()),
            _ => {}
        }
        fault
    }

    /// Whether this read is the first of its action since entries are left out.
    pub fn leaves_out(&self, action: &str) -> bool {
        let mut state = self.state();
        let left_out = state.left_out.as_mut();
        left_out.is_some_and(|actions| actions.insert(action.to_owned()))
    }

    /// Whether this question is to be answered as it was the last time: once each, since answers are older.
    pub fn is_older(&self, question: &str) -> bool {
        let mut state = self.state();
        let older = state.older.as_mut();
        older.is_some_and(|questions| questions.insert(question.to_owned()))
    }

    /// Whether what is answered now may be answered again.
    pub fn remembers(&self) -> bool {
        let state = self.state();
        state.older.is_some() || state.plan.values().any(|fault| *fault == Fault::Older)
    }

    /// Stops the operator: this future never ends, and is dropped with it.
    pub async fn stop(&self, life: &Life, fault: Fault) -> ! {
        life.end();
        self.tell(life, fault);
        std::future::pending().await
    }

    /// Asks for the end of an operator, which is told to stop.
    pub fn tell(&self, life: &Life, fault: Fault) {
        self.state().stopped_by = Some((fault, life.name.clone()));
        self.stop.notify_one();
    }

    /// Ends when an operator is to be stopped; says by what, and which.
    pub async fn stopped(&self) -> (Fault, String) {
        loop {
            if let Some(stopped) = self.state().stopped_by.take() {
                return stopped;
            }
            self.stop.notified().await;
        }
    }

    pub fn boundaries(&self) -> Vec<Boundary> {
        self.state().passed.clone()
    }

    /// How many boundaries were passed so far.
    pub fn passed(&self) -> usize {
        self.state().passed.len()
    }

    /// Faults whose boundary was not reached.
    pub fn missed(&self) -> usize {
        self.state().plan.len()
    }
}

/// How one operator lives. What it had begun does not go on after its end.
#[derive(Debug, Default)]
pub struct Life {
    /// Empty: it is the only one.
    pub name: String,
    ended: AtomicBool,
    state: Mutex<Hardships>,
}

/// Until when.
#[derive(Debug, Clone, Copy, Default)]
struct Hardships {
    stands_still: Option<Instant>,
    cut_from_apiserver: Option<Instant>,
    cut_from_cloud: Option<Instant>,
}

/// Longer than the lease.
const HARD: Duration = Duration::from_secs(30);

impl Life {
    /// Of one of two.
    pub fn of(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
    }

    fn hardships(&self) -> MutexGuard<'_, Hardships> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What befalls it from now on, of a fault that it survives.
    pub fn meets(&self, fault: Fault) {
        let until = Some(Instant::now() + HARD);
        let mut hardships = self.hardships();
        match fault {
            Fault::TakenFrozen => hardships.stands_still = until,
            Fault::TakenCutOff => hardships.cut_from_apiserver = until,
            Fault::CloudCutOff => hardships.cut_from_cloud = until,
            _ => {}
        }
    }

    /// Never goes on after the end.
    pub async fn goes_on(&self) {
        if self.ended.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Until when it stands still.
    fn stands_still(&self) -> Option<Instant> {
        let until = self.hardships().stands_still;
        until.filter(|until| *until > Instant::now())
    }

    pub fn is_cut_from_apiserver(&self) -> bool {
        let until = self.hardships().cut_from_apiserver;
        until.is_some_and(|until| until > Instant::now())
    }

    pub fn is_cut_from_cloud(&self) -> bool {
        let until = self.hardships().cut_from_cloud;
        until.is_some_and(|until| until > Instant::now())
    }
}

/// What an operator does, which stands still as a whole while its process does: its timers, too, come too late then.
pub struct Stopping<F> {
    inner: Pin<Box<F>>,
    life: Arc<Life>,
    still: Option<Pin<Box<Sleep>>>,
}

impl<F> Stopping<F> {
    pub fn new(life: &Arc<Life>, inner: F) -> Self {
        Self {
            inner: Box::pin(inner),
            life: life.clone(),
            still: None,
        }
    }
}

impl<F: Future> Future for Stopping<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if let Some(until) = this.life.stands_still() {
            let mut still = Box::pin(sleep_until(until));
            let waits = still.as_mut().poll(context);
            this.still = Some(still);
            if waits.is_pending() {
                return Poll::Pending;
            }
        }
        this.still = None;
        this.inner.as_mut().poll(context)
    }
}
