//! The time, as passes see it.

use std::{
    future::Future,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The time, as passes see it.
pub trait Clock: Send + Sync {
    /// Now, in whole seconds: what a status can hold. A fraction would be lost on the wire, and
    /// what is read back would differ from what was written.
    fn now(&self) -> Timestamp;

    /// Ends after this long.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// The apiserver has said what time it is now.
    fn held_against(&self, _apiserver: Timestamp) {}
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = Timestamp::now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// For how long a clock has to say the same before a jump of it is believed. A time service that finds a clock wrong sets it
/// within less; what passes after that has to follow, as the time on record is compared with that of others.
pub const BELIEVED_AFTER: Duration = Duration::from_secs(300);
/// What a time service slews a clock by, and what reading it in whole seconds costs.
const DRIFT: SignedDuration = SignedDuration::from_secs(5);
/// By so much the clocks of two machines may differ without either being taken for wrong; and so long an answer may be on its way.
const APART: SignedDuration = SignedDuration::from_mins(1);

/// A clock whose jumps are not believed at once. A deadline that is a day long is over, and a wait that is a minute long
/// lasts a year, by a clock that is wrong for a minute; and what it wrote meanwhile stays on record. Between two looks the
/// time goes on as the process's own monotonic clock does, which nobody sets.
///
/// A process may start just then, and has nothing to compare with: what its clock says at first is held against the first answer of
/// the apiserver that tells the time. Where they are far apart, the time of that answer is gone by until the clock has said the
/// same for as long as after any other jump. Where they differ as those of two machines may, the apiserver's is gone by until
/// this one is set: what this process writes is compared with when objects were created.
///
/// Not for signatures of cloud calls: those are held against the time of the cloud, and are refused while the clock is wrong.
pub struct SteadyClock<C> {
    clock: C,
    seen: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    last: Option<Seen>,
    /// Whether it was held against the apiserver's.
    is_held: bool,
    /// By how much it is behind the apiserver's.
    behind: SignedDuration,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    at: Instant,
    time: Timestamp,
    /// Since when the clock has been elsewhere, and by how much.
    elsewhere: Option<(Instant, SignedDuration)>,
}

impl<C: Clock> SteadyClock<C> {
    /// What it says at first is believed until the apiserver has said what time it is.
    pub fn new(clock: C) -> Self {
        Self {
            clock,
            seen: Mutex::default(),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Known> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C: Clock> Clock for SteadyClock<C> {
    fn now(&self) -> Timestamp {
        let (at, own) = (Instant::now(), self.clock.now());
        let mut seen = self.seen();
        let told = own.saturating_add(seen.behind).unwrap_or(own);
        let believed = Seen {
            at,
            time: told,
            elsewhere: None,
        };
        let Some(last) = seen.last else {
            seen.last = Some(believed);
            return told;
        };
        let passed = SignedDuration::try_from(at - last.at).unwrap_or(SignedDuration::MAX);
        let expected = last.time.saturating_add(passed).unwrap_or(told);
        let off = told.duration_since(expected);
        if off.abs() <= DRIFT {
            seen.last = Some(believed);
            return told;
        }
        let before = last
            .elsewhere
            .filter(|(_, before)| (*before - off).abs() <= DRIFT);
        let (since, _) = before.unwrap_or((at, off));
        if at - since >= BELIEVED_AFTER {
            tracing::warn!(
                ahead = off.as_secs(),
                "the clock was set, and has said the same since: believed"
            );
            seen.behind = SignedDuration::ZERO;
            seen.last = Some(Seen {
                time: own,
                ..believed
            });
            return own;
        }
        if before.is_none() {
            tracing::warn!(
                ahead = off.as_secs(),
                "the clock jumped: not believed until it has said the same for a while"
            );
        }
        seen.last = Some(Seen {
            elsewhere: before.or(Some((at, off))),
            ..last
        });
        Timestamp::from_second(expected.as_second()).unwrap_or(expected)
    }

    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.clock.sleep(duration)
    }

    fn held_against(&self, apiserver: Timestamp) {
        let (at, told) = (Instant::now(), self.clock.now());
        let mut seen = self.seen();
        if std::mem::replace(&mut seen.is_held, true) {
            return;
        }
        let off = told.duration_since(apiserver);
        if off.abs() > DRIFT && off.abs() <= APART {
            seen.behind = -off;
            seen.last = Some(Seen {
                at,
                time: apiserver,
                elsewhere: None,
            });
        }
        if off.abs() > APART {
            tracing::warn!(
                ahead = off.as_secs(),
                "the clock is not that of the apiserver: not believed until it has said the same for a while"
            );
            seen.last = Some(Seen {
                at,
                time: apiserver,
                elsewhere: Some((at, off)),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// A clock that is wrong by so much.
    #[derive(Clone)]
    struct Wrong(Arc<Mutex<SignedDuration>>, Instant);

    impl Wrong {
        fn set(&self, by: i64) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::from_secs(by);
        }
    }

    impl Clock for Wrong {
        fn now(&self) -> Timestamp {
            let by = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let passed = SignedDuration::try_from(self.1.elapsed()).unwrap_or_default();
            Timestamp::from_second((passed + by).as_secs() + 1_000_000_000).unwrap_or_default()
        }

        fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(tokio::time::sleep(duration))
        }
    }

    async fn after(seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    const YEAR: i64 = 365 * 86_400;

    /// What it says, in seconds since it began.
    fn said<C: Clock>(clock: &SteadyClock<C>) -> i64 {
        clock.now().as_second() - 1_000_000_000
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_wrong_for_a_minute_is_not_believed() {
        for by in [YEAR, -YEAR, 3600, -3600] {
            let wrong = Wrong(Arc::default(), Instant::now());
            let steady = SteadyClock::new(wrong.clone());
            assert_eq!(said(&steady), 0);
            after(100).await;
            wrong.set(by);
            assert_eq!(said(&steady), 100);
            after(60).await;
            assert_eq!(said(&steady), 160);
            wrong.set(0);
            after(1000).await;
            assert_eq!(said(&steady), 1160);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_stays_where_it_was_set_is_believed() {
        let wrong = Wrong(Arc::default(), Instant::now());
        let steady = SteadyClock::new(wrong.clone());
        assert_eq!(said(&steady), 0);
        wrong.set(-YEAR);
        assert_eq!(said(&steady), 0);
        after(BELIEVED_AFTER.as_secs() - 1).await;
        assert_eq!(said(&steady), 299);
        after(1).await;
        assert_eq!(said(&steady), 300 - YEAR);
        after(10).await;
        assert_eq!(said(&steady), 310 - YEAR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_again_is_waited_for_again() {
        let wrong = Wrong(Arc::default(), Instant::now());
        let steady = SteadyClock::new(wrong.clone());
        assert_eq!(said(&steady), 0);
        wrong.set(YEAR);
        assert_eq!(said(&steady), 0);
        after(200).await;
        wrong.set(2 * YEAR);
        assert_eq!(said(&steady), 200);
        after(200).await;
        assert_eq!(said(&steady), 400);
        after(100).await;
        assert_eq!(said(&steady), 500 + 2 * YEAR);
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_is_slewed_is_followed() {
        let wrong = Wrong(Arc::default(), Instant::now());
        let steady = SteadyClock::new(wrong.clone());
        for by in 0..100 {
            wrong.set(by * 4);
            assert_eq!(said(&steady), by * 4 + by * 10);
            after(10).await;
        }
    }

    /// As a node's that comes up before its clock was set.
    #[tokio::test(start_paused = true)]
    async fn what_a_process_is_told_at_first_is_held_against_the_apiserver() {
        for (wrong_by, believed) in [(YEAR, 0), (-YEAR, 0), (-3600, 0), (20, 0), (3, 3)] {
            let wrong = Wrong(Arc::default(), Instant::now());
            let steady = SteadyClock::new(wrong.clone());
            let right = Timestamp::from_second(1_000_000_000).unwrap_or_default();
            wrong.set(wrong_by);
            assert_eq!(said(&steady), wrong_by);
            steady.held_against(right);
            after(60).await;
            assert_eq!(said(&steady), 60 + believed, "{wrong_by}");
            // Once: an answer that is kept back by something on the way tells another time.
            steady.held_against(right);
            assert_eq!(said(&steady), 60 + believed, "{wrong_by}");
            // It is set right.
            wrong.set(0);
            after(1).await;
            assert!((said(&steady) - 61).abs() <= believed, "{wrong_by}");
            after(BELIEVED_AFTER.as_secs()).await;
            assert_eq!(said(&steady), 361, "{wrong_by}");
        }
    }

    /// Nobody sets it: the apiserver's may be the one that is wrong.
    #[tokio::test(start_paused = true)]
    async fn a_clock_that_stays_where_it_is_is_believed() {
        let wrong = Wrong(Arc::default(), Instant::now());
        let steady = SteadyClock::new(wrong.clone());
        wrong.set(-3600);
        steady.held_against(Timestamp::from_second(1_000_000_000).unwrap_or_default());
        after(BELIEVED_AFTER.as_secs()).await;
        assert_eq!(said(&steady), 300 - 3600);
    }
}
