//! What happened on a site, in order: what each of the two operators sent, who had the lease by what the apiserver took, and what
//! the test did. And from that: whether anybody acted without the lease.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::response::Response;
use ess_rollout_test_support::proxy::{Forwarder, Gate, Request};
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::sync::watch;

/// For so long after it was sent a renewal lets its sender act: the default of the operator.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// What a process had decided on when it was stopped as a whole goes out by then once it goes on. docs/install.md says so: a call
/// between the check and its sending is bounded by nobody.
const ON_ITS_WAY: Duration = Duration::from_millis(250);

/// One of the two operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    A,
    B,
}

impl Side {
    pub const BOTH: [Self; 2] = [Self::A, Self::B];

    pub fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "A",
            Self::B => "B",
        })
    }
}

#[derive(Debug, Clone)]
enum What {
    /// A request arrived that changes something, of the apiserver or the cloud.
    Effect(Side, String),
    /// The apiserver took a write of the Lease: the sender holds it, or gives it up.
    Lease {
        by: Side,
        sent: Instant,
        holds: bool,
    },
    /// A process that was stopped as a whole goes on.
    Thawed(Side),
    /// What the test did.
    Told(String),
}

#[derive(Debug)]
pub struct Chronicle {
    began: Instant,
    entries: Mutex<Vec<(Instant, What)>>,
    /// How many effects each side has sent.
    effects: watch::Sender<[usize; 2]>,
}

/// Effects that nobody had the right to.
#[derive(Debug, Default)]
pub struct WithoutLease {
    pub sent: Vec<String>,
    /// Those that a process had decided on before it was stopped as a whole.
    pub late: Vec<String>,
}

impl Default for Chronicle {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            entries: Mutex::default(),
            effects: watch::channel([0; 2]).0,
        }
    }
}

impl Chronicle {
    fn lock(&self) -> MutexGuard<'_, Vec<(Instant, What)>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, what: What) {
        self.lock().push((Instant::now(), what));
    }

    pub fn tell(&self, what: impl Into<String>) {
        self.add(What::Told(what.into()));
    }

    pub fn thawed(&self, side: Side) {
        self.add(What::Thawed(side));
    }

    fn effect(&self, side: Side, step: &str) {
        self.add(What::Effect(side, step.to_owned()));
        self.effects.send_modify(|sent| sent[side as usize] += 1);
    }

    /// Where the next round begins.
    pub fn mark(&self) -> usize {
        self.lock().len()
    }

    /// Waits until a side has sent so many effects more.
    pub async fn more_effects(&self, side: Side, count: usize) {
        let mut sent = self.effects.subscribe();
        let wanted = sent.borrow_and_update()[side as usize] + count;
        // The sender is here: it cannot be gone.
        drop(sent.wait_for(|sent| sent[side as usize] >= wanted).await);
    }

    /// Every effect since `mark` is held against who had the lease when it arrived.
    pub fn without_lease(&self, mark: usize) -> WithoutLease {
        let entries = self.lock();
        let mut found = WithoutLease::default();
        for (index, (at, what)) in entries.iter().enumerate().skip(mark) {
            let What::Effect(side, step) = what else {
                continue;
            };
            let before = &entries[..index];
            let Some(wrong) = wrong(before, *side, *at) else {
                continue;
            };
            let line = format!("{:.2} {side} sent {step}: {wrong}", self.seconds(*at));
            let thawed = before.iter().rev().any(|(then, what)| {
                matches!(what, What::Thawed(who) if who == side) && *at - *then <= ON_ITS_WAY
            });
            match thawed {
                true => found.late.push(line),
                false => found.sent.push(line),
            }
        }
        found
    }

    fn seconds(&self, at: Instant) -> f64 {
        (at - self.began).as_secs_f64()
    }

    /// For people.
    pub fn story(&self, mark: usize) -> String {
        let mut story = String::new();
        for (at, what) in self.lock().iter().skip(mark) {
            let at = self.seconds(*at);
            let _ = match what {
                What::Effect(side, step) => writeln!(story, "  {at:.2} {side} {step}"),
                What::Lease { by, holds, .. } => {
                    let what = if *holds { "holds" } else { "gives up" };
                    writeln!(story, "  {at:.2} {by} {what} the lease")
                }
                What::Thawed(side) => writeln!(story, "  {at:.2} {side} goes on"),
                What::Told(what) => writeln!(story, "  {at:.2} {what}"),
            };
        }
        story
    }
}

/// Why `side` may not act at this moment, by the writes of the Lease that had been answered by then. One write follows another
/// only once that was answered, so that they are in the order in which they were sent.
fn wrong(before: &[(Instant, What)], side: Side, at: Instant) -> Option<String> {
    let writes = before.iter().filter_map(|(_, what)| match what {
        What::Lease { by, sent, holds } => Some((*sent, *by, *holds)),
        _ => None,
    });
    match writes.max_by_key(|(sent, ..)| *sent) {
        None => Some("nobody has the lease yet".to_owned()),
        Some((_, by, _)) if by != side => Some(format!("{by} has the lease")),
        Some((.., false)) => Some("it has given the lease up".to_owned()),
        Some((sent, ..)) if at - sent > RENEW_DEADLINE => {
            Some(format!("its renewal was sent {:.1?} before", at - sent))
        }
        Some(_) => None,
    }
}

/// Stands at both proxies of one operator.
#[derive(Debug)]
pub struct Recorder {
    pub side: Side,
    pub chronicle: Arc<Chronicle>,
}

impl Gate for Recorder {
    fn pass(
        self: Arc<Self>,
        request: Request,
        server: Forwarder,
    ) -> BoxFuture<'static, Option<Response>> {
        Box::pin(async move {
            match request.step.as_deref() {
                None => {}
                Some("POST leases" | "PATCH leases") => {
                    let sent = Instant::now();
                    let answer = server.forward(&request).await;
                    if answer.as_ref().is_some_and(|a| a.status().is_success()) {
                        let (by, holds) = (self.side, holds(&request.body));
                        self.chronicle.add(What::Lease { by, sent, holds });
                    }
                    return answer;
                }
                Some(step) => self.chronicle.effect(self.side, step),
            }
            server.forward(&request).await
        })
    }
}

/// Whether a write of the Lease names a holder.
fn holds(body: &[u8]) -> bool {
    let lease: Value = serde_json::from_slice(body).unwrap_or_default();
    lease["spec"]["holderIdentity"]
        .as_str()
        .is_some_and(|holder| !holder.is_empty())
}

/// The judge is no use if it finds nothing.
#[test]
fn who_acts_without_the_lease_is_found() {
    let begin = Instant::now();
    let at = |seconds: f64| begin + Duration::from_secs_f64(seconds);
    let lease = |seconds, by, holds| {
        let sent = at(seconds);
        (sent, What::Lease { by, sent, holds })
    };
    let effect = |seconds, side| (at(seconds), What::Effect(side, "StartExecution".to_owned()));
    let chronicle = Chronicle {
        began: begin,
        entries: Mutex::new(vec![
            effect(0.5, Side::A),
            lease(1.0, Side::A, true),
            effect(2.0, Side::A),
            effect(3.0, Side::B),
            effect(10.9, Side::A),
            effect(11.1, Side::A),
            lease(16.0, Side::B, true),
            effect(17.0, Side::B),
            (at(30.0), What::Thawed(Side::A)),
            effect(30.1, Side::A),
            effect(30.3, Side::A),
            lease(31.0, Side::B, false),
            effect(31.1, Side::B),
        ]),
        effects: watch::channel([0; 2]).0,
    };
    let found = chronicle.without_lease(0);
    assert_eq!(
        found.sent,
        [
            "0.50 A sent StartExecution: nobody has the lease yet",
            "3.00 B sent StartExecution: A has the lease",
            "11.10 A sent StartExecution: its renewal was sent 10.1s before",
            "30.30 A sent StartExecution: B has the lease",
            "31.10 B sent StartExecution: it has given the lease up",
        ]
    );
    let late = ["30.10 A sent StartExecution: B has the lease"];
    assert_eq!(found.late, late);
}
