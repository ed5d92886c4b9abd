//! How long to wait for what, whatever kind of object it is for.

use std::time::Duration;

use ess_rollout_cloud::CloudError;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::cloud_failure;
use super::decision::{Next, Settings};

/// How soon to try again after a passing failure of the cloud.
pub(crate) const RETRY: SignedDuration = SignedDuration::from_secs(5);
/// How soon after a refusal that only a person can mend.
const RETRY_REFUSED: SignedDuration = SignedDuration::from_secs(60);
/// The longest wait between two calls that a person has to grant: whoever does sees them go on within it.
const GRANTED_MAX: SignedDuration = SignedDuration::from_mins(5);
/// The longest wait between two calls that the service refuses in the same way.
const REFUSED_MAX: SignedDuration = SignedDuration::from_mins(15);
/// How soon to look again while something is about to move.
const SOON: Duration = Duration::from_secs(1);
/// How often something that passes by itself is looked at: it is one object's wait, and the reads of
/// a preflight are few.
const RECHECK_PASSING: Duration = Duration::from_secs(10);

/// By how much the clock of another node may be behind: far more than where clocks are kept in step at all.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// The wait after so many failures in a row, of which the first is followed by `first`: twice as long each time.
pub(crate) fn doubled(first: SignedDuration, failures: i32) -> SignedDuration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(0);
    first * 2_i32.pow(doublings.min(8))
}

/// The waits, as of `now`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) now: Timestamp,
}

impl Waits<'_> {
    /// L, the bound on lateness.
    pub(crate) fn call_lifetime(&self) -> SignedDuration {
        SignedDuration::try_from(self.settings.call_lifetime)
            .unwrap_or(SignedDuration::from_mins(1))
    }

    /// L and one second more, because times on record have whole seconds and may be almost one too early.
    fn settle(&self) -> SignedDuration {
        self.call_lifetime() + SignedDuration::from_secs(1)
    }

    /// Whether L has passed since `time`.
    pub(crate) fn settled_since(&self, time: &Time) -> bool {
        self.now >= self.settled_at(time)
    }

    /// How long it is until L has passed since `time`; `None`: it has.
    pub(crate) fn settling(&self, time: &Time) -> Option<Duration> {
        let left = self.settled_at(time).duration_since(self.now);
        left.is_positive().then(|| left.unsigned_abs())
    }

    /// How long ago `time` was: of a time to come, put on record under a clock that went wrong, no time at all.
    pub(crate) fn since(&self, time: &Time) -> SignedDuration {
        self.now.duration_since(time.0).max(SignedDuration::ZERO)
    }

    /// Takes a time to come for now: no wait that is counted from it is longer than the rule that made it.
    pub(crate) fn bound(&self, time: &mut Time) {
        time.0 = time.0.min(self.now);
    }

    /// Whether `time`, of another clock, is less than `rule` ago. One that is further ahead than that is of a
    /// clock that is wrong, or this one is, and nothing is waited for by it.
    pub(crate) fn is_recent(&self, time: &Time, rule: SignedDuration) -> bool {
        let age = self.now.duration_since(time.0);
        -rule <= age && age < rule
    }

    /// Whether a list may not show yet what happened at `time`, of another clock.
    pub(crate) fn lags(&self, time: &Time) -> bool {
        self.is_recent(time, self.settle())
    }

    /// When L has passed since `time`, which is on record for a call that may be under way, or for a look.
    pub(crate) fn settled_at(&self, time: &Time) -> Timestamp {
        self.over_at(time, time.0 + self.settle())
    }

    /// When something is over that went on record at `time` and was to be over at `until`.
    ///
    /// What another process put on record says the time by the clock of that one's node, which may be behind this one's. But
    /// that process sends nothing after this one has begun to act, so that all that it sent is over when as much time has
    /// passed since then by one and the same clock. What was over long before is over.
    pub(crate) fn over_at(&self, time: &Time, until: Timestamp) -> Timestamp {
        let takes = until.duration_since(time.0);
        let age = |since: Timestamp| since.duration_since(time.0);
        let inherited = |since: &Timestamp| {
            age(*since).is_positive() && age(*since) < takes.saturating_add(CLOCKS_DIFFER)
        };
        match self.settings.acts_since.filter(inherited) {
            Some(since) => until.max(since + takes),
            None => until,
        }
    }

    /// When lists show everything that had happened at `time`.
    pub(crate) fn shown_at(&self, time: Timestamp) -> Timestamp {
        let lag = SignedDuration::try_from(self.settings.list_lag);
        time + lag.unwrap_or(SignedDuration::from_mins(1)) + SignedDuration::from_secs(1)
    }

    /// When a call that went on record at `time` can no longer take effect, and lists show whether
    /// it did.
    pub(crate) fn clear_at(&self, time: &Time) -> Timestamp {
        self.shown_at(self.settled_at(time))
    }

    /// How long it is until then; no less than a second.
    pub(crate) fn left(&self, time: Timestamp) -> Duration {
        let left = time.duration_since(self.now);
        left.max(SignedDuration::from_secs(1)).unsigned_abs()
    }

    /// Until then; at once, if that is past.
    pub(crate) fn until(&self, time: Timestamp) -> Next {
        Next::After(self.left(time))
    }

    /// Until L has passed from now on.
    pub(crate) fn for_settle(&self) -> Next {
        Next::After(self.settle().unsigned_abs())
    }

    /// The wait after a failed call until the next try, be it a read or a mutation that is known to
    /// have done nothing: as long as the service asks for, else soon after a passing failure and
    /// with [`Waits::patience`] after a refusal.
    pub(crate) fn after(&self, error: &CloudError) -> Next {
        let wait = match error.needs_person() {
            true => self.patience(),
            false => RETRY,
        };
        Next::After(error.retry_after.unwrap_or(wait.unsigned_abs()))
    }

    /// The wait after so many calls in a row that had no effect, the last for this reason: longer each
    /// time, to a bound. Nothing is sent at the same pace for ever.
    pub(crate) fn after_no_effect(&self, error: &CloudError, failures: i32) -> SignedDuration {
        let longest = REFUSED_MAX.max(self.patience());
        let growing = |first: SignedDuration| doubled(first, failures).min(longest);
        if error.needs_person() {
            return growing(self.patience()).min(GRANTED_MAX.max(self.patience()));
        }
        if cloud_failure::is_passing(error) {
            return doubled(RETRY, failures).min(self.patience());
        }
        // What it said it will say again, until something else changes.
        growing(self.call_lifetime())
    }

    /// When a call that had no effect is made again at the latest, whatever is on record of it.
    pub(crate) fn longest_retry(&self) -> Timestamp {
        self.now + REFUSED_MAX.max(self.patience())
    }

    /// How long to leave the cloud alone after a refusal that only a person can mend. No less than
    /// the bound on lateness, so that a call on record may be made again when it has passed.
    pub(crate) fn patience(&self) -> SignedDuration {
        RETRY_REFUSED.max(self.settle())
    }

    /// The wait of a running execution between two looks, when nothing tells that it moved.
    pub(crate) fn poll(&self) -> Next {
        Next::After(self.settings.poll_interval)
    }

    /// The wait while something is about to move.
    pub(crate) fn soon(&self) -> Next {
        Next::After(self.settings.poll_interval.min(SOON))
    }

    /// The wait for something that passes by itself and that nobody tells of: a scaling activity,
    /// an update of others.
    pub(crate) fn recheck(&self) -> Next {
        Next::After(self.settings.poll_interval.min(RECHECK_PASSING))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::task::endpoints::EndpointNames;

    #[test]
    fn what_another_process_put_on_record_is_waited_out_from_when_this_one_began_to_act() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap_or_default();
        let settings = Settings {
            default_region: None,
            own_credentials_namespaces: BTreeSet::new(),
            own_credentials_ram_roles: BTreeSet::new(),
            call_lifetime: Duration::from_secs(60),
            acts_since: Some(at(1000)),
            list_lag: Duration::from_secs(60),
            poll_interval: Duration::from_secs(10),
            progress_interval: Duration::from_secs(10),
            endpoints: EndpointNames::default(),
        };
        let waits = Waits {
            settings: &settings,
            now: at(1000),
        };
        let settled = |second: i64| waits.settled_at(&Time(at(second)));
        // Whatever the clock of the other node said just now, behind or ahead, nothing is settled before this.
        let first = at(1000 + 61);
        for second in [1000 - 60 - 60, 1000 - 30, 999, 1000] {
            assert_eq!(settled(second), first, "{second}");
        }
        assert_eq!(settled(1020), at(1020 + 61));
        // What no clock can have taken for so long ago is not waited out again.
        assert_eq!(settled(1000 - 122), at(1000 - 122 + 61));
        // What is on record with its end.
        let over = |time: i64, until: i64| waits.over_at(&Time(at(time)), at(until));
        assert_eq!(over(980, 980 + 130), at(1000 + 130));
        assert_eq!(over(1000, 1000 + 130), at(1000 + 130));
        assert_eq!(over(800, 800 + 130), at(800 + 130));
    }
}
