//! Virtual durations, and times that they lead to.

use jiff::{SignedDuration, Timestamp};

/// No duration is longer: a century, beyond which times have no end.
const LONGEST: f64 = 3.2e9;

/// Seconds of a fixture or fault as a duration; negative and absurd values become zero or a
/// century.
pub fn seconds(value: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(value.clamp(0.0, LONGEST)).unwrap_or(SignedDuration::ZERO)
}

/// What is wrong with seconds that a fixture or the control API gives in a field, if anything is.
pub fn seconds_problem(field: &str, value: f64) -> Option<String> {
    let is_fine = (0.0..=LONGEST).contains(&value);
    (!is_fine).then(|| format!("{field} must be a number of seconds from 0 to {LONGEST}"))
}

/// The same for seconds after which something is to come, which is to be before the end of the scene.
pub fn moment_problem(field: &str, value: f64) -> Option<String> {
    let most = LONGEST_SCENE.as_secs_f64();
    seconds_problem(field, value).or_else(|| {
        (value > most).then(|| {
            format!(
                "{field} must be at most {most}: a scene lasts 366 days, and it would never come"
            )
        })
    })
}

/// Milliseconds of real time that somebody may be kept waiting, at most: a day.
const LONGEST_WAIT: u64 = 86_400_000;

/// What is wrong with milliseconds of real time, if anything is.
pub fn millis_problem(field: &str, value: Option<u64>) -> Option<String> {
    let is_fine = value.is_none_or(|value| value <= LONGEST_WAIT);
    (!is_fine).then(|| format!("{field} must be at most {LONGEST_WAIT}, which is a day"))
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
