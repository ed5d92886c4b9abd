//! How long a batch takes: an estimate from those that have ended.
//!
//! Kept small for ever: how many there were of each of 16 lengths, each half as long again as the one
//! before. An estimate is the upper end of a length, so it is never too short for the batches that it is
//! made from, and at most half as long again as it should be, up to five hours. Before any has ended it is made from
//! what such a batch is taken to need at least.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{Confidence, DurationHistogram};

/// How many lengths are told apart.
const CLASSES: usize = 16;

/// The longest of each class but the last, in seconds.
const UPPER: [u64; CLASSES - 1] = [
    60, 90, 135, 203, 304, 456, 683, 1_025, 1_538, 2_307, 3_460, 5_190, 7_785, 11_678, 17_516,
];

/// From so many on all are halved: a count stays small, and what was long ago weighs less.
const COUNTED_MAX: u32 = 1_000;

/// From so many batches on an estimate is of medium confidence.
const MEDIUM_FROM: u32 = 5;
/// From so many batches on it is of high confidence.
const HIGH_FROM: u32 = 20;

/// What a batch of an image update is taken to need before any has ended: instances stop, get their
/// disks and start. An assumption, for the template says only how long it waits at most.
pub const IMAGE_MINIMUM: Duration = Duration::from_secs(8 * 60);
/// The same of a script.
pub const SCRIPT_MINIMUM: Duration = Duration::from_secs(2 * 60);

/// How long batches took that are alike: of one template, in one account and region, about as large.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    counts: [u32; CLASSES],
    /// In seconds.
    longest: u64,
}

/// How long a batch is expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Half of them take no longer.
    pub p50: Duration,
    /// Nine of ten take no longer.
    pub p90: Duration,
    /// How many batches it is made from.
    pub count: u32,
    /// How much is known.
    pub confidence: Confidence,
}

impl Durations {
    /// Adds a batch that has ended. Seconds that have begun count.
    pub fn record(&mut self, took: Duration) {
        let seconds = took
            .as_secs()
            .saturating_add(u64::from(took.subsec_nanos() > 0));
        self.counts[class(seconds)] += 1;
        self.longest = self.longest.max(seconds);
        self.age();
    }

    /// Adds what was recorded elsewhere.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.saturating_add(more);
        }
        self.longest = self.longest.max(other.longest);
        self.age();
    }

    /// How many batches are counted: those that were recorded, until there are a thousand.
    pub fn count(&self) -> u32 {
        self.counts.iter().sum()
    }

    /// What this many of a hundred take no longer than. `None`: none has ended.
    pub fn percentile(&self, percent: u32) -> Option<Duration> {
        let rank = (self.count() * percent.min(100)).div_ceil(100).max(1);
        let mut seen = 0;
        let class = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        let upper = UPPER.get(class).copied().unwrap_or(u64::MAX);
        Some(Duration::from_secs(upper.min(self.longest)))
    }

    /// How long the next one is expected to take. `minimum`: what such a batch is taken to need at
    /// least. While few have ended nobody knows how much they differ: half of them are taken to be over
    /// within that, and 9 of 10 within twice that, unless they took longer. Afterwards it is what was
    /// seen.
    pub fn estimate(&self, minimum: Duration) -> Estimate {
        let count = self.count();
        let confidence = match count {
            HIGH_FROM.. => Confidence::High,
            MEDIUM_FROM.. => Confidence::Medium,
            _ => Confidence::Low,
        };
        let floor = match confidence {
            Confidence::Low => minimum,
            Confidence::Medium | Confidence::High => Duration::ZERO,
        };
        let of = |percent| self.percentile(percent).unwrap_or_default();
        Estimate {
            p50: of(50).max(floor),
            p90: of(90).max(floor.saturating_mul(2)),
            count,
            confidence,
        }
    }

    fn age(&mut self) {
        while self.count() > COUNTED_MAX {
            for count in &mut self.counts {
                *count /= 2;
            }
            // What is not counted any more does not bound what is.
            let last = self.counts.iter().rposition(|count| *count > 0);
            let upper = last.and_then(|last| UPPER.get(last)).copied();
            self.longest = self.longest.min(upper.unwrap_or(u64::MAX));
        }
    }
}

/// The class of a duration.
fn class(seconds: u64) -> usize {
    UPPER.partition_point(|upper| *upper < seconds)
}

/// What is on record. What no version of the operator writes there is taken for nothing: too many
/// classes, counts below zero.
impl From<&DurationHistogram> for Durations {
    fn from(recorded: &DurationHistogram) -> Self {
        let mut counts = [0; CLASSES];
        for (count, recorded) in counts.iter_mut().zip(&recorded.counts) {
            *count = u32::try_from(*recorded).unwrap_or(0).min(COUNTED_MAX);
        }
        let mut durations = Self {
            counts,
            longest: u64::try_from(recorded.longest_seconds).unwrap_or(0),
        };
        durations.age();
        durations
    }
}

impl From<&Durations> for DurationHistogram {
    fn from(durations: &Durations) -> Self {
        let used = durations.counts.iter().rposition(|count| *count > 0);
        let used = used.map_or(0, |last| last + 1);
        let counts = durations.counts.iter().take(used);
        Self {
            counts: counts
                .map(|count| i32::try_from(*count).unwrap_or(i32::MAX))
                .collect(),
            longest_seconds: i64::try_from(durations.longest).unwrap_or(i64::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(seconds: &[u64]) -> Durations {
        let mut durations = Durations::default();
        for seconds in seconds {
            durations.record(Duration::from_secs(*seconds));
        }
        durations
    }

    fn written(durations: &Durations) -> String {
        serde_json::to_string(&DurationHistogram::from(durations)).unwrap()
    }

    #[test]
    fn before_any_has_ended_only_an_assumption_is_known() {
        assert_eq!(
            Durations::default().estimate(IMAGE_MINIMUM),
            Estimate {
                p50: IMAGE_MINIMUM,
                p90: 2 * IMAGE_MINIMUM,
                count: 0,
                confidence: Confidence::Low,
            }
        );
        assert_eq!(Durations::default().percentile(90), None);
        assert_eq!(written(&Durations::default()), r#"{"longestSeconds":0}"#);
    }

    #[test]
    fn the_more_have_ended_the_more_is_known() {
        for (count, confidence) in [
            (4, Confidence::Low),
            (5, Confidence::Medium),
            (19, Confidence::Medium),
            (20, Confidence::High),
            (5_000, Confidence::High),
        ] {
            let durations = recorded(&vec![600; count]);
            let estimate = durations.estimate(IMAGE_MINIMUM);
            assert_eq!(estimate.confidence, confidence, "{count}");
            let p90 = match confidence {
                Confidence::Low => 2 * IMAGE_MINIMUM,
                Confidence::Medium | Confidence::High => Duration::from_secs(600),
            };
            assert_eq!(estimate.p90, p90, "{count}");
        }
    }

    /// A fleet that became slower is not judged for ever by what it was.
    #[test]
    fn what_was_long_ago_weighs_less() {
        let mut durations = recorded(&[100; 5_000]);
        for _ in 0..1_000 {
            durations.record(Duration::from_secs(1_000));
        }
        assert_eq!(durations.percentile(50), Some(Duration::from_secs(1_000)));
        // And one outlier is forgotten.
        let mut durations = recorded(&[50_000]);
        for _ in 0..2_000 {
            durations.record(Duration::from_secs(100));
        }
        assert_eq!(durations.percentile(100), Some(Duration::from_secs(135)));
    }

    #[test]
    fn what_nobody_could_have_written_is_taken_for_nothing() {
        let strange = DurationHistogram {
            counts: [vec![-5, i32::MAX], vec![i32::MAX; 40]].concat(),
            longest_seconds: -1,
        };
        let durations = Durations::from(&strange);
        assert!(durations.count() <= COUNTED_MAX);
        assert_eq!(durations.counts[0], 0);
    }

    proptest! {
        #![proptest_config(crate::seeded::config(256))]

        /// Never shorter than what it stands for, and at most half as long again.
        #[test]
        fn a_percentile_is_that_of_the_sorted_durations(
            mut seconds in prop::collection::vec(0u64..100_000, 1..400),
            percent in 1u32..=100,
        ) {
            let found = recorded(&seconds).percentile(percent).unwrap().as_secs();
            seconds.sort_unstable();
            let rank = (seconds.len() * percent as usize).div_ceil(100);
            let exact = seconds[rank - 1];
            prop_assert!(found >= exact, "{found} for {exact}");
            let classes = exact.clamp(60, 17_516);
            prop_assert!(exact > 17_516 || found <= classes * 3 / 2 + 1, "{found} for {exact}");
            prop_assert!(found <= seconds[seconds.len() - 1]);
        }

        #[test]
        fn percentiles_do_not_fall(seconds in prop::collection::vec(0u64..100_000, 1..100)) {
            let durations = recorded(&seconds);
            let all: Vec<_> = (0..=100).map(|percent| durations.percentile(percent)).collect();
            prop_assert!(all.is_sorted());
            let estimate = durations.estimate(SCRIPT_MINIMUM);
            prop_assert!(estimate.p50 <= estimate.p90);
        }

        #[test]
        fn to_merge_is_to_have_recorded_both(
            one in prop::collection::vec(0u64..100_000, 0..400),
            other in prop::collection::vec(0u64..100_000, 0..400),
        ) {
            let (mut merged, mut reversed) = (recorded(&one), recorded(&other));
            merged.merge(&recorded(&other));
            reversed.merge(&recorded(&one));
            prop_assert_eq!(&merged, &recorded(&[one, other].concat()));
            prop_assert_eq!(merged, reversed);
        }

        #[test]
        fn it_is_small_on_record_and_read_back_as_it_was(
            seconds in prop::collection::vec(0u64..10_000_000, 0..3_000),
        ) {
            let durations = recorded(&seconds);
            let text = written(&durations);
            prop_assert!(text.len() <= 200, "{} bytes: {text}", text.len());
            let read: DurationHistogram = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(Durations::from(&read), durations);
        }
    }
}
