//! Token buckets: politeness towards the account's rate limits.
//!
//! The services count calls per account, region and API, whoever makes them, so the buckets are
//! keyed that way and one [`Limiter`] is shared by all clients. A throttled answer halves the rate and closes the bucket
//! for as long as the service asks; the rate comes back by and by.
//!
//! Each bucket has one queue, in the order of [`Turn`]. Whoever is in it gets a token before anybody who comes later, so
//! that with any rate everybody is served within as long as all calls before his take. Sent away, he would come back as the
//! last, and whoever needs three tokens would pay for two again and again. So reads wait, longer than any queue that the
//! bound on passes side by side allows. Mutations do not: what they are about is on record with its time, and they must not
//! be late. They have buckets of their own, and are told when to come back.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ess_rollout_cloud::Turn;
use tokio::{sync::Notify, time::Instant};

use crate::{accounts::Accounts, endpoints::Service};

/// What a call does, which says how long it may wait for a token, and what its failure may have done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Nothing.
    Read,
    /// Changes something.
    Mutation,
}

/// The rate of one bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls per second in the long run; at least 0.1.
    pub per_second: f64,
    /// Calls at once after a rest; at least 1.
    pub burst: u32,
}

impl Rate {
    /// So many calls a second, and as many at once after a rest.
    pub fn per_second(calls: u32) -> Self {
        Self {
            per_second: f64::from(calls),
            burst: calls,
        }
    }

    fn sane(self) -> Self {
        Self {
            per_second: if self.per_second.is_finite() {
                self.per_second.max(0.1)
            } else {
                0.1
            },
            burst: self.burst.max(1),
        }
    }
}

/// Rates and waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The APIs of OOS that read, together. No figures are published; 10 per second is held to be safe.
    pub oos_reads: Rate,
    /// OOS StartExecution. No figure is published; somewhat less than that.
    pub oos_starts: Rate,
    /// OOS NotifyExecution and CancelExecution together: what people ask for. No figures are published.
    pub oos_requests: Rate,
    /// Each ESS API whose published figure is 2,000 per minute (DescribeScalingInstances,
    /// DescribeScalingConfigurations). Less than that, as others use the account too.
    pub ess_instances: Rate,
    /// Each other ESS API. Published figures of neighbours are 1,000 per minute and more.
    pub ess: Rate,
    /// Each ECS API.
    pub ecs: Rate,
    /// Each ECI API. No figures are published for the one that is called here.
    pub eci: Rate,
    /// Each CloudMonitor API. What is asked of it is asked seldom.
    pub cms: Rate,
    /// Each API of SLB, of ALB and of NLB. No figures are published; what is asked is shared by all who ask the same.
    pub balancers: Rate,
    /// How long a read may wait for a token before it is told to come back; see [`Self::for_passes`].
    pub longest_wait_of_reads: Duration,
    /// The same for mutations.
    pub longest_wait_of_mutations: Duration,
}

impl Limits {
    /// The same where so many passes go on side by side: a read waits for as long as the queue can get that they make, however
    /// far their rate has been throttled. Sent away in the middle of its pass, it would come back as the last, and might for ever.
    #[must_use]
    pub fn for_passes(self, passes: usize) -> Self {
        let rates = [
            self.oos_reads,
            self.ess_instances,
            self.ess,
            self.ecs,
            self.eci,
            self.cms,
            self.balancers,
        ];
        let slowest = rates.map(|rate| rate.sane().per_second);
        let slowest = slowest.into_iter().fold(f64::MAX, f64::min) * FLOOR;
        let queue = u32::try_from(passes)
            .unwrap_or(u32::MAX)
            .saturating_mul(READS_OF_A_PASS);
        let longest = Duration::try_from_secs_f64(f64::from(queue) / slowest);
        let longest = longest.unwrap_or(Duration::MAX).min(LONGEST_WAIT);
        Self {
            longest_wait_of_reads: self.longest_wait_of_reads.max(longest),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            oos_reads: Rate::per_second(10),
            oos_starts: Rate::per_second(8),
            oos_requests: Rate::per_second(10),
            ess_instances: Rate::per_second(25),
            ess: Rate::per_second(10),
            ecs: Rate::per_second(10),
            eci: Rate::per_second(10),
            cms: Rate::per_second(10),
            balancers: Rate::per_second(10),
            longest_wait_of_reads: Duration::from_secs(300),
            longest_wait_of_mutations: Duration::from_secs(2),
        }
    }
}

/// The least time that a throttled bucket stays closed: the service documents "back off at least
/// one second".
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// For so long a halved rate is tried before it is halved again. Calls that were under way together are throttled together,
/// and a service that refuses whatever the rate is (others use the account up) would else take it to its least within seconds.
const ONE_SIGN: Duration = Duration::from_secs(5);

/// The most that a service's wish to be left alone is honoured: its windows are one minute.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// How long a rate takes from nothing back to normal.
const RECOVERY: Duration = Duration::from_secs(60);

/// A throttled rate falls no lower than this part of normal.
const FLOOR: f64 = 1.0 / 20.0;

/// The most reads of one rate that a pass has under way at the same time.
const READS_OF_A_PASS: u32 = 4;

/// Nobody waits longer for a token, whatever is asked for.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// How many buckets are kept before idle ones are dropped. Regions and accounts come from users.
const MANY: usize = 4096;

#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    account: String,
    region: String,
    /// ALB and NLB have APIs of one name.
    service: Service,
    api: &'static str,
}

/// All buckets of a process.
pub struct Limiter {
    limits: Limits,
    buckets: Mutex<HashMap<Key, Bucket>>,
    arrivals: AtomicU64,
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
    pub turn: Turn,
}

impl Limiter {
    /// Empty buckets are made as they are asked for. Rates out of range are moved into it.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
            arrivals: AtomicU64::new(0),
            accounts: Accounts::default(),
        }
    }

    /// Takes a token, waiting in turn for it if need be.
    ///
    /// # Errors
    /// How long it would take, if that is longer than the call may wait.
    pub(crate) async fn take(&self, draw: Draw<'_>) -> Result<(), Duration> {
        let patience = match draw.lane {
            Lane::Read => self.limits.longest_wait_of_reads,
            Lane::Mutation => self.limits.longest_wait_of_mutations,
        };
        let deadline = Instant::now() + patience;
        let place = (draw.turn, self.arrivals.fetch_add(1, Ordering::Relaxed));
        let mut queued: Option<Queued<'_>> = None;
        loop {
            let now = Instant::now();
            let (wait, turn) = {
                let mut buckets = self.lock();
                let bucket = self.bucket(&mut buckets, &draw, now);
                match bucket.take(place, now) {
                    None => return Ok(()),
                    Some(wait) if now + wait > deadline => return Err(wait),
                    Some(wait) => (wait, bucket.queue.entry(place).or_default().clone()),
                }
            };
            queued.get_or_insert_with(|| Queued {
                limiter: self,
                key: key(&draw),
                place,
            });
            tokio::select! {
                biased;
                () = turn.notified() => {}
                () = tokio::time::sleep(wait) => {}
            }
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
            (Service::Oos, "StartExecution") => self.limits.oos_starts,
            (Service::Oos, "NotifyExecution" | "CancelExecution") => self.limits.oos_requests,
            (Service::Oos | Service::Sts, _) => self.limits.oos_reads,
            (Service::Ess, "DescribeScalingInstances" | "DescribeScalingConfigurations") => {
                self.limits.ess_instances
            }
            (Service::Ess, _) => self.limits.ess,
            (Service::Ecs, _) => self.limits.ecs,
            (Service::Eci, _) => self.limits.eci,
            (Service::Cms, _) => self.limits.cms,
            (Service::Slb | Service::Alb | Service::Nlb, _) => self.limits.balancers,
        };
        buckets
            .entry(key(draw))
            .or_insert_with(|| Bucket::full(rate.sane(), now))
    }
}

fn key(draw: &Draw<'_>) -> Key {
    Key {
        account: draw.account.to_owned(),
        region: draw.region.to_owned(),
        service: draw.service,
        // OOS has three buckets for all its APIs, the other services one for each.
        api: match (draw.service, draw.action) {
            (Service::Oos, "StartExecution") => "OOS starts",
            (Service::Oos, "NotifyExecution" | "CancelExecution") => "OOS requests",
            (Service::Oos, _) => "OOS reads",
            (Service::Sts, _) => "STS",
            (_, action) => action,
        },
    }
}

/// A place in a bucket's queue, given up when the caller goes on or goes away.
struct Queued<'a> {
    limiter: &'a Limiter,
    key: Key,
    place: Place,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.limiter.lock().get_mut(&self.key) {
            bucket.queue.remove(&self.place);
            // Who is first now was told to wait for those before him.
            if let Some((_, first)) = bucket.queue.first_key_value() {
                first.notify_one();
            }
        }
    }
}

/// Where a caller stands: by turn, and among equals by arrival.
type Place = (Turn, u64);

struct Bucket {
    normal: Rate,
    /// Tokens per second now; `normal.per_second` unless throttled lately.
    rate: f64,
    tokens: f64,
    filled: Instant,
    closed_until: Option<Instant>,
    slowed: Option<Instant>,
    /// Callers asleep in [`Limiter::take`].
    queue: BTreeMap<Place, Arc<Notify>>,
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
            queue: BTreeMap::new(),
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

    /// `None`: a token was taken. Otherwise how long until one can be, if nobody comes before.
    fn take(&mut self, place: Place, now: Instant) -> Option<Duration> {
        self.fill(now);
        // The sum is below any number of callers that memory has room for.
        #[allow(clippy::cast_precision_loss)]
        let ahead = self.queue.range(..place).count() as f64;
        let missing = ahead + 1.0 - self.tokens;
        let closed = self.closed_until.map(|until| until - now);
        // A hair of tolerance: a sleep of exactly the right length may add up to 0.999…
        if missing <= 1e-6 && ahead < 0.5 && closed.is_none() {
            self.tokens -= 1.0;
            return None;
        }
        // Never below a millisecond: shorter sleeps would spin. Never long: a rate that was throttled recovers meanwhile.
        let wait = Duration::from_secs_f64((missing / self.rate).max(0.001));
        Some(closed.unwrap_or_default() + wait)
    }

    fn slow_down(&mut self, retry_after: Option<Duration>, now: Instant) {
        self.fill(now);
        let again = self
            .slowed
            .is_some_and(|at| now.saturating_duration_since(at) < ONE_SIGN);
        if !again {
            self.rate = (self.rate / 2.0).max(self.normal.per_second * FLOOR);
            self.slowed = Some(now);
        }
        // What the service has just refused it refuses after the pause as well, if it comes all at once.
        self.tokens = 0.0;
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
        self.queue.is_empty()
            && self.closed_until.is_none()
            && self.rate >= self.normal.per_second
            && self.tokens >= f64::from(self.normal.burst)
    }
}

#[cfg(test)]
#[path = "limits_tests.rs"]
mod tests;
