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
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::branches;
use crate::fault::Fault;
use crate::scenario::Scenario;

/// People look once a second, and nothing in the cloud takes less: what follows within this time follows at once.
const AT_ONCE: Duration = Duration::from_secs(1);

/// Whom a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Cloud,
    Apiserver,
}

/// Faults by the number of their boundary.
pub type Plan = BTreeMap<usize, Fault>;

/// What decides which faults a run meets.
#[derive(Debug)]
pub enum Faults {
    /// These.
    Planned(Plan),
    /// Drawn while it goes on.
    Drawn(Draw),
    /// None; at each boundary each fault that fits it is tried in a child of the process: see [`crate::branches`].
    Branching,
    /// The same at the next so many boundaries: a call has gone wrong, and what follows it may, too.
    Following(usize),
}

impl Faults {
    /// Nothing goes wrong.
    pub fn none(&self) -> bool {
        matches!(self, Self::Planned(plan) if plan.is_empty())
    }
}

/// Draws faults: the same seed draws the same, as long as the same requests come.
#[derive(Debug)]
pub struct Draw {
    random: fastrand::Rng,
    /// How many there may still be.
    left: usize,
    /// One boundary of so many has one.
    one_in: usize,
}

/// A run meets at most so many faults.
pub const MOST_FAULTS: usize = 20;

impl Draw {
    pub fn seeded(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        Self {
            left: random.usize(1..=MOST_FAULTS),
            one_in: random.usize(2..=16),
            random,
        }
    }

    fn next(&mut self, side: Side, of_two: bool) -> Option<Fault> {
        if self.left == 0 || self.random.usize(..self.one_in) > 0 {
            return None;
        }
        self.left -= 1;
        let all = Fault::at(side, of_two);
        let number = self.random.usize(..all.clone().count());
        all.clone().nth(number)
    }
}

/// Counts boundaries, says what goes wrong, and asks for stops.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    /// Rings when the operator is to stop.
    stop: Notify,
    of_two: bool,
    /// Scenarios do the same at first: each begins elsewhere with what is tried in turn.
    turn: usize,
    /// The cloud leaves something out for longer than it may.
    leaves_out: bool,
}

#[derive(Debug)]
struct State {
    faults: Faults,
    passed: usize,
    last: Option<Instant>,
    /// What has gone wrong.
    met: Plan,
    /// What stopped an operator last, and which.
    stopped_by: Option<(Fault, String)>,
    /// What befalls reads since then, and which questions were answered so.
    reads: Vec<(Fault, BTreeSet<String>)>,
}

impl Gate {
    /// One at which nothing goes wrong.
    pub fn open() -> Self {
        Self::with(Faults::Planned(Plan::new()), false)
    }

    pub fn new(faults: Faults, of_two: bool, scenario: &Scenario) -> Self {
        Self {
            turn: scenario.name.len(),
            leaves_out: scenario.leaves_out,
            ..Self::with(faults, of_two)
        }
    }

    fn with(faults: Faults, of_two: bool) -> Self {
        Self {
            state: Mutex::new(State {
                faults,
                passed: 0,
                last: None,
                met: Plan::new(),
                stopped_by: None,
                reads: Vec::new(),
            }),
            stop: Notify::new(),
            of_two,
            turn: 0,
            leaves_out: false,
        }
    }

    /// Whether the cloud leaves something out for longer than it may.
    pub fn leaves_out(&self) -> bool {
        self.leaves_out
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request comes to its boundary.
    pub fn reach(&self, side: Side) -> Option<Fault> {
        let mut state = self.state();
        let now = Instant::now();
        let follows = state.last.is_some_and(|last| now - last < AT_ONCE);
        state.last = Some(now);
        state.passed += 1;
        let number = state.passed;
        let fault = match &mut state.faults {
            Faults::Planned(plan) => plan.remove(&number),
            Faults::Drawn(draw) => draw.next(side, self.of_two),
            Faults::Branching => {
                let all = Fault::alone_at(side, self.of_two, number + self.turn).into_iter();
                let all = all.filter(|fault| *fault != Fault::StopBefore || !follows);
                let all = all.filter(|fault| !self.leaves_out || !fault.is_by_others());
                let fault = branches::take(all);
                if let Some(fault) = fault {
                    let turn = number + self.turn;
                    state.faults = match Fault::followed_after(side, fault, self.of_two, turn) {
                        0 => Faults::Planned(Plan::new()),
                        next => Faults::Following(next),
                    };
                }
                fault
            }
            Faults::Following(next) => {
                *next -= 1;
                let last = *next == 0;
                let fault = branches::take(Fault::following(side, number + self.turn).into_iter());
                if last || fault.is_some() {
                    state.faults = Faults::Planned(Plan::new());
                }
                fault
            }
        };
        if let Some(fault) = fault {
            state.met.insert(number, fault);
            if fault.is_of_reads() {
                state.reads.push((fault, BTreeSet::new()));
            }
        }
        fault
    }

    /// What befalls this question, if anything does: each fault befalls each question once, or each action.
    pub fn befalls_read(&self, action: &str, body: &str) -> Option<Fault> {
        let mut state = self.state();
        let mut reads = state.reads.iter_mut();
        reads.find_map(|(fault, answered)| {
            let about = match fault {
                Fault::Omitted | Fault::ReadsElsewhere => action.to_owned(),
                _ => format!("{action}?{body}"),
            };
            answered.insert(about).then_some(*fault)
        })
    }

    /// Whether what is answered now may be answered again.
    pub fn remembers(&self) -> bool {
        let state = self.state();
        match &state.faults {
            Faults::Planned(plan) => plan
                .values()
                .chain(state.met.values())
                .any(|fault| *fault == Fault::Older),
            Faults::Drawn(_) | Faults::Branching | Faults::Following(_) => true,
        }
    }

    /// What has gone wrong.
    pub fn met(&self) -> Plan {
        self.state().met.clone()
    }

    /// How many faults have been met.
    pub fn faults(&self) -> usize {
        self.state().met.len()
    }

    /// Whether one of this kind has.
    pub fn has_met(&self, is: impl Fn(Fault) -> bool) -> bool {
        self.state().met.values().any(|fault| is(*fault))
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

    /// How many boundaries were passed so far.
    pub fn passed(&self) -> usize {
        self.state().passed
    }

    /// Faults whose boundary was not reached.
    pub fn missed(&self) -> usize {
        match &self.state().faults {
            Faults::Planned(plan) => plan.len(),
            Faults::Drawn(_) | Faults::Branching | Faults::Following(_) => 0,
        }
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
            Fault::TakenFrozen | Fault::Frozen => hardships.stands_still = until,
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

    /// Whether it has stood still at any time since then.
    pub fn stood_still_since(&self, began: Instant) -> bool {
        let until = self.hardships().stands_still;
        until.is_some_and(|until| until > began && until - HARD >= began)
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
