//! Token buckets: politeness towards the account's rate limits.
//!
//! The services count calls per account, region and API, whoever makes them, so the buckets are
//! keyed that way and one [`Limiter`] is shared by all clients. Reads cannot take the last tokens
//! of a bucket: those are the mutations'. A throttled answer halves the rate and closes the bucket
//! for as long as the service asks; the rate comes back by and by.
//!
//! Nobody sleeps here for long: who would have to wait longer than a moment is told when to come
//! back, since a caller that waits holds a worker.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{accounts::Accounts, endpoints::Service};

/// Who asks for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// May not take the last tokens.
    Read,
    /// May take all.
    Mutation,
}

/// The rate of one bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls per second in the long run; at least 0.1.
    pub per_second: f64,
    /// Calls at once after a rest; at least 1.
    pub burst: u32,
    /// How many of the burst reads may not take; below `burst`.
    pub reserved: u32,
}

impl Rate {
    fn sane(self) -> Self {
        let burst = self.burst.max(1);
        Self {
            per_second: if self.per_second.is_finite() {
                self.per_second.max(0.1)
            } else {
                0.1
            },
            burst,
            reserved: self.reserved.min(burst - 1),
        }
    }
}

/// Rates and waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// All of OOS together. No figures are published; 10 per second is held to be safe.
    pub oos: Rate,
    /// Each ESS API whose published figure is 2,000 per minute (DescribeScalingInstances,
    /// DescribeScalingConfigurations). Less than that, as others use the account too.
    pub ess_instances: Rate,
    /// Each other ESS API. Published figures of neighbours are 1,000 per minute and more.
    pub ess: Rate,
    /// Each ECS API.
    pub ecs: Rate,
    /// Each ECI API. No figures are published for the one that is called here.
    pub eci: Rate,
    /// How long a read may wait for a token before it is told to come back.
    pub longest_wait_of_reads: Duration,
    /// The same for mutations.
    pub longest_wait_of_mutations: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let rate = |per_second, burst, reserved| Rate {
            per_second,
            burst,
            reserved,
        };
        Self {
            oos: rate(10.0, 10, 3),
            ess_instances: rate(25.0, 25, 2),
            ess: rate(10.0, 10, 2),
            ecs: rate(10.0, 10, 2),
            eci: rate(10.0, 10, 2),
            longest_wait_of_reads: Duration::from_secs(1),
            longest_wait_of_mutations: Duration::from_secs(2),
        }
    }
}

/// The least time that a throttled bucket stays closed: the service documents "back off at least
/// one second".
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// The most that a service's wish to be left alone is honoured: its windows are one minute.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long a rate takes from nothing back to normal.
const RECOVERY: Duration = Duration::from_secs(60);

/// A throttled rate falls no lower than this part of normal.
const FLOOR: f64 = 1.0 / 20.0;

/// How many buckets are kept before idle ones are dropped. Regions and accounts come from users.
const MANY: usize = 4096;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    account: String,
    region: String,
    api: &'static str,
}

/// All buckets of a process.
pub struct Limiter {
    limits: Limits,
    buckets: Mutex<HashMap<Key, Bucket>>,
    /// Here, as whoever shares the buckets must agree on whose they are.
    pub(crate) accounts: Accounts,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Which bucket a call draws from.
#[derive(Clone, Copy)]
pub(crate) struct Draw<'a> {
    pub account: &'a str,
    pub region: &'a str,
    pub service: Service,
    pub action: &'static str,
    pub lane: Lane,
}

impl Limiter {
    /// Empty buckets are made as they are asked for. Rates out of range are moved into it.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
            accounts: Accounts::default(),
        }
    }

    /// Takes a token, waiting for a moment if need be.
    ///
    /// # Errors
    /// How long it would take otherwise.
    pub(crate) async fn take(&self, draw: Draw<'_>) -> Result<(), Duration> {
        let patience = match draw.lane {
            Lane::Read => self.limits.longest_wait_of_reads,
            Lane::Mutation => self.limits.longest_wait_of_mutations,
        };
        let deadline = Instant::now() + patience;
        let mut queued: Option<Queued<'_>> = None;
        loop {
            let now = Instant::now();
            let wait = {
                let mut buckets = self.lock();
                let bucket = self.bucket(&mut buckets, &draw, now);
                // The one in the queue does not wait for itself.
                match bucket.take(draw.lane, queued.is_some(), now) {
                    None => return Ok(()),
                    Some(wait) if now + wait > deadline => return Err(wait),
                    Some(wait) => {
                        if queued.is_none() {
                            bucket.waiting += 1;
                        }
                        wait
                    }
                }
            };
            if queued.is_none() {
                queued = Some(Queued {
                    limiter: self,
                    key: self.key(&draw),
                });
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// The service throttled a call that drew from this bucket.
    pub(crate) fn throttled(&self, draw: Draw<'_>, retry_after: Option<Duration>) {
        let now = Instant::now();
        let mut buckets = self.lock();
        self.bucket(&mut buckets, &draw, now)
            .slow_down(retry_after, now);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Bucket>> {
        // A bucket is whole after each statement: nothing is lost if a holder panicked.
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn key(&self, draw: &Draw<'_>) -> Key {
        Key {
            account: draw.account.to_owned(),
            region: draw.region.to_owned(),
            api: bucket_of(draw.service, draw.action),
        }
    }

    fn bucket<'b>(
        &self,
        buckets: &'b mut HashMap<Key, Bucket>,
        draw: &Draw<'_>,
        now: Instant,
    ) -> &'b mut Bucket {
        if buckets.len() >= MANY {
            buckets.retain(|_, bucket| !bucket.is_idle(now));
        }
        let rate = match (draw.service, draw.action) {
            (Service::Oos | Service::Sts, _) => self.limits.oos,
            (Service::Ess, "DescribeScalingInstances" | "DescribeScalingConfigurations") => {
                self.limits.ess_instances
            }
            (Service::Ess, _) => self.limits.ess,
            (Service::Ecs, _) => self.limits.ecs,
            (Service::Eci, _) => self.limits.eci,
        };
        buckets
            .entry(self.key(draw))
            .or_insert_with(|| Bucket::full(rate.sane(), now))
    }
}

/// OOS has one bucket for all its APIs, the other services one for each.
fn bucket_of(service: Service, action: &'static str) -> &'static str {
    match service {
        Service::Oos => "OOS",
        Service::Sts => "STS",
        Service::Ess | Service::Ecs | Service::Eci => action,
    }
}

/// A place in a bucket's queue, given up when the caller goes on or goes away.
struct Queued<'a> {
    limiter: &'a Limiter,
    key: Key,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.limiter.lock().get_mut(&self.key) {
            bucket.waiting = bucket.waiting.saturating_sub(1);
        }
    }
}

struct Bucket {
    normal: Rate,
    /// Tokens per second now; `normal.per_second` unless throttled lately.
    rate: f64,
    tokens: f64,
    filled: Instant,
    closed_until: Option<Instant>,
    slowed: Option<Instant>,
    /// Callers asleep in [`Limiter::take`].
    waiting: u32,
}

impl Bucket {
    fn full(normal: Rate, now: Instant) -> Self {
        Self {
            normal,
            rate: normal.per_second,
            tokens: f64::from(normal.burst),
            filled: now,
            closed_until: None,
            slowed: None,
            waiting: 0,
        }
    }

    /// Adds what came in since the last look.
    fn fill(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.filled).as_secs_f64();
        self.filled = self.filled.max(now);
        self.tokens = (self.tokens + seconds * self.rate).min(f64::from(self.normal.burst));
        let step = self.normal.per_second / RECOVERY.as_secs_f64();
        self.rate = (self.rate + seconds * step).min(self.normal.per_second);
        if self.closed_until.is_some_and(|until| until <= now) {
            self.closed_until = None;
        }
    }

    /// `None`: a token was taken. Otherwise how long until one can be.
    fn take(&mut self, lane: Lane, queued: bool, now: Instant) -> Option<Duration> {
        self.fill(now);
        if let Some(until) = self.closed_until {
            return Some(until - now);
        }
        let kept = match lane {
            Lane::Read => f64::from(self.normal.reserved),
            Lane::Mutation => 0.0,
        };
        let missing = kept + 1.0 - self.tokens;
        // A hair of tolerance: a sleep of exactly the right length may add up to 0.999…
        if missing <= 1e-6 {
            self.tokens -= 1.0;
            return None;
        }
        // Newcomers among the reads stand behind those who wait, so that most are sent away at
        // once rather than after a wait in vain.
        let ahead = match lane {
            Lane::Read if !queued => f64::from(self.waiting),
            _ => 0.0,
        };
        // Never below a millisecond: shorter sleeps would spin.
        Some(Duration::from_secs_f64(
            ((missing + ahead) / self.rate).max(0.001),
        ))
    }

    fn slow_down(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.fill(now);
        // Calls that were under way together are throttled together: that is one sign, not ten.
        let again = self
            .slowed
            .is_some_and(|at| now.saturating_duration_since(at) < LEAST_PAUSE);
        if !again {
            self.rate = (self.rate / 2.0).max(self.normal.per_second * FLOOR);
            self.slowed = Some(now);
        }
        // What is left after the pause is the mutations'.
        self.tokens = self.tokens.min(f64::from(self.normal.reserved));
        let pause = retry_after
            .unwrap_or(LEAST_PAUSE)
            .clamp(LEAST_PAUSE, LONGEST_PAUSE);
        let until = self
            .closed_until
            .map_or(now + pause, |old| old.max(now + pause));
        self.closed_until = Some(until);
        // Nothing comes in while it is closed, or it would open with a burst.
        self.filled = until;
    }

    fn is_idle(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.waiting == 0
            && self.closed_until.is_none()
            && self.rate >= self.normal.per_second
            && self.tokens >= f64::from(self.normal.burst)
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
