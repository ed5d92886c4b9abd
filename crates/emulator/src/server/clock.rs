//! Real time drives the virtual clock.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use crate::cloud::Cloud;
use crate::state::time::{later, seconds};
use crate::state::world::ClockSettings;

/// An anchor: at `real`, the virtual clock showed `shown`; since then it runs as `settings` say.
pub struct RealTime {
    real: Instant,
    shown: Timestamp,
    settings: ClockSettings,
    /// Whether the log has it that the clock cannot keep up.
    told: bool,
}

/// Real time that the virtual clock may be behind.
const MOST_BEHIND: Duration = Duration::from_secs(1);

/// A wait is split at this length, far below where durations overflow.
const LONGEST: f64 = 3600.0;

impl RealTime {
    pub fn new(cloud: &Cloud) -> Self {
        Self {
            real: Instant::now(),
            shown: cloud.now(),
            settings: cloud.world.clock,
            told: false,
        }
    }

    fn rate(&self) -> f64 {
        if self.settings.paused {
            0.0
        } else {
            self.settings.scale
        }
    }

    fn virtual_now(&self) -> Timestamp {
        later(
            self.shown,
            seconds(self.real.elapsed().as_secs_f64() * self.rate()),
        )
    }

    /// Lets the virtual clock show what it should, and what is due by then happen, as long as `go_on`
    /// says so. Gives whether the clock shows it.
    ///
    /// Where more is due than can be done in time the clock goes slower than its scale: it is behind
    /// by a second of real time at most, and what would be more is given up. Otherwise it would owe
    /// more with each second, and pay for days what nobody waits for any more.
    pub fn catch_up(&mut self, cloud: &mut Cloud, go_on: impl FnMut() -> bool) -> bool {
        cloud.world.behind = SignedDuration::ZERO;
        if self.rate() <= 0.0 || cloud.advance_while(self.virtual_now(), go_on) {
            return true;
        }
        let most = seconds(MOST_BEHIND.as_secs_f64() * self.rate());
        if self.virtual_now().duration_since(cloud.now()) > most {
            let now = Instant::now();
            self.real = now.checked_sub(MOST_BEHIND).unwrap_or(now);
            self.shown = cloud.now();
            if !self.told {
                self.told = true;
                let scale = self.settings.scale;
                tracing::warn!(
                    scale,
                    "more is due than can be done in time: the virtual clock goes slower than its scale"
                );
            }
        }
        let behind = self.virtual_now().duration_since(cloud.now());
        cloud.world.behind = behind.max(SignedDuration::ZERO);
        false
    }

    /// From here on: what real time has passed meanwhile does not count.
    pub fn begin_anew(&mut self, cloud: &Cloud) {
        let told = self.told && self.settings == cloud.world.clock;
        *self = Self {
            told,
            ..Self::new(cloud)
        };
    }

    /// After somebody worked with the cloud: a new anchor if the clock was set.
    /// Whether it was is the answer.
    pub fn follow(&mut self, cloud: &Cloud) -> bool {
        let is_set = cloud.world.clock != self.settings;
        let ahead = self.rate() <= 0.0 || cloud.now() > self.virtual_now();
        if is_set || ahead {
            self.begin_anew(cloud);
        }
        is_set
    }

    /// How long until the next thing is due; `None` when never as things stand.
    pub fn until_next(&self, cloud: &Cloud) -> Option<Duration> {
        self.until(cloud.next_due()?, cloud)
    }

    /// How long until the virtual clock shows `at`.
    pub fn until(&self, at: Timestamp, cloud: &Cloud) -> Option<Duration> {
        let rate = self.rate();
        if rate <= 0.0 {
            return None;
        }
        let left = at.duration_since(cloud.now()).as_secs_f64() / rate;
        // A nanosecond more, so that rounding never wakes before the time.
        Some(Duration::from_secs_f64(left.clamp(0.0, LONGEST)) + Duration::from_nanos(1))
    }
}
