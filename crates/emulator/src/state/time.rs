//! Virtual durations, and times that they lead to.

use jiff::{SignedDuration, Timestamp};

/// Seconds of a fixture or fault as a duration; negative and absurd values become zero or a
/// century.
pub fn seconds(value: f64) -> SignedDuration {
    const CENTURY: f64 = 3.2e9;
    SignedDuration::try_from_secs_f64(value.clamp(0.0, CENTURY)).unwrap_or(SignedDuration::ZERO)
}

/// `at` plus a duration, held at the end of time.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
