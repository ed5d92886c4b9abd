//! Virtual durations, and times that they lead to.

use jiff::{SignedDuration, Timestamp};

/// Seconds of a fixture or fault as a duration; negative and absurd values become zero or a
/// century.
pub fn seconds(value: f64) -> SignedDuration {
    const CENTURY: f64 = 3.2e9;
    SignedDuration::try_from_secs_f64(value.clamp(0.0, CENTURY)).unwrap_or(SignedDuration::ZERO)
}

/// What is wrong with seconds that a fixture or the control API gives in a field, if anything is.
pub fn seconds_problem(field: &str, value: f64) -> Option<String> {
    let is_fine = value.is_finite() && value >= 0.0;
    (!is_fine).then(|| format!("{field} must be a number that is not negative"))
}

/// `at` plus a duration, held at the end of time.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

/// Virtual seconds per real second at most: a year goes by in half a minute.
const FASTEST: f64 = 1_000_000.0;

/// A scene lasts so long at most; no recording of a longer one is replayed.
pub const LONGEST_SCENE: SignedDuration = SignedDuration::from_hours(366 * 24);

/// What is wrong with a scale of the clock, if anything is.
pub fn scale_problem(scale: f64) -> Option<String> {
    let is_fine = (0.0..=FASTEST).contains(&scale);
    (!is_fine).then(|| format!("must be a number from 0 to {FASTEST}"))
}

/// What is wrong with letting so many seconds pass at once, if anything is.
pub fn advance_problem(now: Timestamp, start: Timestamp, by: f64) -> Option<String> {
    if !(by.is_finite() && by >= 0.0) {
        return Some("must be a number that is not negative".to_owned());
    }
    let end = later(start, LONGEST_SCENE);
    let most = end.duration_since(now).as_secs_f64().max(0.0);
    (by > most).then(|| {
        format!(
            "must be at most {most}: the clock goes to {end}, 366 days after the start, and no \
             further"
        )
    })
}
