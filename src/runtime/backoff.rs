//! How long to wait after the n-th failure in a row. Pure.

use std::time::Duration;

/// After the first failure.
const FIRST: Duration = Duration::from_secs(1);
/// However many there were. An apiserver that is back is noticed within this time.
const LONGEST: Duration = Duration::from_secs(120);

/// The delay after this many failures in a row (from 1): doubling, bounded, and scattered by up to
/// a fifth either way so that what failed together does not come back together. `noise` is any
/// number from 0 to 1.
pub fn delay(failures: u32, noise: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let plain = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    plain.mul_f64(0.8 + 0.4 * noise.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_a_bound() {
        assert_eq!(delay(1, 0.5), Duration::from_secs(1));
        assert_eq!(delay(2, 0.5), Duration::from_secs(2));
        assert_eq!(delay(5, 0.5), Duration::from_secs(16));
        assert_eq!(delay(9, 0.5), LONGEST);
        assert_eq!(delay(u32::MAX, 0.5), LONGEST);
    }

    #[test]
    fn noise_stays_within_a_fifth() {
        assert_eq!(delay(1, 0.0), Duration::from_millis(800));
        assert_eq!(delay(1, 1.0), Duration::from_millis(1200));
        assert_eq!(delay(0, -3.0), Duration::from_millis(800));
    }
}
