//! Takes part in the election: reads and writes the Lease, and publishes what came of it.

use std::{future::Future, pin::Pin, time::Duration};

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until, timeout};

use super::{Act, Candidate, Fence, JITTER, Lease, Standing, Times};
use crate::runtime::shutdown::Shutdown;

/// A read or write of the Lease that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// Somebody else wrote first: nothing was done.
    #[error("somebody else wrote first")]
    Conflict,
    /// Refused, or not answered: it may have been done.
    #[error("{0}")]
    Failed(String),
}

/// What a call of [`Leases`] returns.
pub type LeaseFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, LeaseError>> + Send + 'a>>;

/// Where the Lease is kept. An implementation repeats nothing and reads what was written last, not what a cache has.
pub trait Leases: Send + Sync {
    /// As it is now, and its version; `None`: there is none.
    fn read(&self) -> LeaseFuture<'_, Option<(Lease, String)>>;

    /// The time for people, no finer than what is read back of it.
    fn wall(&self) -> Timestamp;

    /// Makes it this, if it is of this version still (`None`: if there is none), and gives the version that this led to.
    fn write<'a>(&'a self, lease: &'a Lease, version: Option<&'a str>) -> LeaseFuture<'a, String>;

    /// Ends when it may have changed: a hint, which may be missing.
    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// One process's part in the election.
pub struct Elector<L> {
    leases: L,
    me: String,
    candidate: Candidate,
    times: Times,
    fence: Fence,
    /// What was told last of who leads.
    told: Told,
    /// Why the last call failed.
    failing: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Told {
    Nothing,
    Leads,
    Stands(Option<String>),
}

impl<L: Leases> Elector<L> {
    /// `me` has to be another for each process. `fence` is opened and closed by what comes of it.
    pub fn new(leases: L, me: String, times: Times, fence: Fence) -> Self {
        Self {
            leases,
            candidate: Candidate::new(me.clone(), times),
            me,
            times,
            fence,
            told: Told::Nothing,
            failing: None,
        }
    }

    /// Takes part until the word to stop. The place is kept then: it is given up by [`Self::release`], when nothing goes on
    /// any more that it lets do.
    pub async fn run(&mut self, shutdown: &mut Shutdown) {
        let (mut write_at, mut read_at) = (Instant::now(), Instant::now());
        while !shutdown.requested() {
            let now = Instant::now();
            let (at, write) = match self.candidate.next(now, self.leases.wall()) {
                Act::Write(lease, version) => (write_at, Some((lease, version))),
                Act::Wait(until) => (until, None),
            };
            if let Some((lease, version)) = write.filter(|_| at <= now) {
                if !self.write(lease, version).await {
                    self.read().await;
                    write_at = self.later();
                }
                read_at = self.later();
            } else if self.candidate.holding().is_none() && read_at <= now {
                self.read().await;
                read_at = self.later();
            } else {
                let stands = self.candidate.holding().is_none();
                let at = if stands { at.min(read_at) } else { at };
                tokio::select! {
                    biased;
                    () = shutdown.wait() => {}
                    () = sleep_until(at) => {}
                    () = self.leases.changed(), if stands => read_at = Instant::now(),
                }
            }
            self.publish();
        }
    }

    /// Gives the place up, if it is ours. Whatever it let do has to be over.
    pub async fn release(&mut self) {
        self.candidate.stops();
        self.fence.publish(Standing::Stands);
        // Somebody may have changed what is not ours in it.
        for _ in 0..2 {
            let Some((lease, version)) = self.candidate.release(self.leases.wall()) else {
                return;
            };
            if self.write(lease, Some(version)).await {
                tracing::info!(identity = self.me, "leadership is given up");
                return;
            }
            self.read().await;
        }
        tracing::warn!(
            identity = self.me,
            error = self.failing,
            "leadership could not be given up: others wait until the lease is over"
        );
    }

    fn later(&self) -> Instant {
        Instant::now() + self.times.retry.mul_f64(1.0 + JITTER * fastrand::f64())
    }

    /// How long a call may take: two of them before the deadline.
    fn patience(&self) -> Duration {
        self.times.renew_deadline / 2
    }

    /// Whether it was taken.
    async fn write(&mut self, lease: Lease, version: Option<String>) -> bool {
        let began = Instant::now();
        self.candidate.sends(lease.clone(), began);
        let writing = self.leases.write(&lease, version.as_deref());
        match timeout(self.patience(), writing).await {
            Ok(Ok(version)) => {
                let now = Instant::now();
                self.candidate.wrote(lease, version, (began, now));
                self.failing = None;
                true
            }
            Ok(Err(LeaseError::Conflict)) => false,
            Ok(Err(LeaseError::Failed(error))) => self.fails("written", error),
            Err(_) => self.fails("written", self.unanswered()),
        }
    }

    async fn read(&mut self) {
        match timeout(self.patience(), self.leases.read()).await {
            Ok(Ok(lease)) => {
                self.candidate.saw(lease, Instant::now());
                self.failing = None;
            }
            Ok(Err(error)) => drop(self.fails("read", error.to_string())),
            Err(_) => drop(self.fails("read", self.unanswered())),
        }
    }

    fn unanswered(&self) -> String {
        format!("no answer within {:?}", self.patience())
    }

    fn fails(&mut self, done: &str, error: String) -> bool {
        let error = format!("the lease cannot be {done}: {error}");
        if self.failing.as_ref() != Some(&error) {
            tracing::warn!(identity = self.me, error, "leader election, trying again");
        }
        self.failing = Some(error);
        false
    }

    /// Says who leads, where that is another than before, and why.
    fn publish(&mut self) {
        let now = Instant::now();
        let holding = self.candidate.holding().filter(|held| held.deadline > now);
        self.fence
            .publish(holding.map_or(Standing::Stands, Standing::Leads));
        let told = match holding {
            Some(_) => Told::Leads,
            None => Told::Stands(self.candidate.holder().map(str::to_owned)),
        };
        if told == self.told {
            return;
        }
        let before = std::mem::replace(&mut self.told, told);
        let identity = &self.me;
        match (&self.told, before) {
            (Told::Leads, before) => {
                let term = holding.map(|held| held.transitions);
                let reason = match before {
                    Told::Stands(Some(other)) if other == *identity => {
                        "its place was still its own".to_owned()
                    }
                    Told::Stands(Some(other)) => {
                        format!("{other} has released the lease, or has not renewed it in time")
                    }
                    _ => "nobody held the lease".to_owned(),
                };
                tracing::info!(identity, term, reason, "leads");
            }
            (Told::Stands(holder), Told::Leads) => {
                let reason = match holder {
                    Some(other) if other != identity => format!("{other} has taken the lease"),
                    _ => {
                        let failing = self.failing.as_deref();
                        failing.unwrap_or("the lease was released").to_owned()
                    }
                };
                tracing::warn!(
                    identity,
                    holder,
                    reason,
                    "leads no more, and does nothing until it does"
                );
            }
            (Told::Stands(holder), _) => tracing::info!(identity, holder, "stands by"),
            (Told::Nothing, _) => {}
        }
    }
}

#[cfg(test)]
#[path = "elector_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
