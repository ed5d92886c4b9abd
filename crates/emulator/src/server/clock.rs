//! Real time drives the virtual clock.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::cloud::Cloud;
use crate::state::time::{later, seconds};
use crate::state::world::ClockSettings;

/// An anchor: at `real`, the virtual clock showed `shown`; since then it runs as `settings` say.
pub struct RealTime {
    real: Instant,
    shown: Timestamp,
    settings: ClockSettings,
}

/// A wait is split at this length, far below where durations overflow.
const LONGEST: f64 = 3600.0;

impl RealTime {
    pub fn new(cloud: &Cloud) -> Self {
        Self {
            real: Instant::now(),
            shown: cloud.now(),
            settings: cloud.world.clock,
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

    /// Lets the virtual clock show what it should, and what is due by then happen.
    pub fn catch_up(&self, cloud: &mut Cloud) {
        if self.rate() > 0.0 {
            cloud.advance_to(self.virtual_now());
        }
    }

    /// After somebody worked with the cloud: a new anchor if the clock was set.
    pub fn follow(&mut self, cloud: &Cloud) {
        let ahead = self.rate() <= 0.0 || cloud.now() > self.virtual_now();
        if cloud.world.clock != self.settings || ahead {
            *self = Self::new(cloud);
        }
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
