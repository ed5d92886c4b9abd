//! Which of several processes leads: one holds the Lease, and acts only before the deadline that its last renewal gives it.
//!
//! ```text
//! Lease ── read, watched ──> Candidate (pure) ──> write ──┐
//!   ^                                                     │ a renewal that was taken, by when it was sent
//!   └─────────────────────────────────────────────────────┴──> Standing ──> Fence: before each effect
//! ```
//!
//! The rules are those of client-go's leader election, whose Lease this is: another process's place is free once its record has
//! not changed for as long as that record says, by our own monotonic clock and from when we saw it first, so that no two clocks
//! are ever compared. What differs: a place that is lost ends no process; nobody may act between the deadline and the time at
//! which others may take the place; and an answer that was lost is made up for by reading.

mod candidate;
mod elector;
mod standing;

use std::time::Duration;

pub use candidate::{Act, Candidate, Holding, Lease, Verdict, evaluate};
pub use elector::{Elector, LeaseError, LeaseFuture, Leases};
pub use standing::{Fence, Standing};

/// The times of an election.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// After so long without a change of the record its place is free: `spec.leaseDurationSeconds`.
    pub lease: Duration,
    /// For so long after it was sent a renewal lets its sender act.
    pub renew_deadline: Duration,
    /// Between two renewals, and between two looks at a place that another has.
    pub retry: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

/// How much the retry period is lengthened at most, so that those who lost a place together do not ask together.
const JITTER: f64 = 0.2;

impl Times {
    /// How long something may take that only a leader may do: it is over before the deadline although a renewal has failed.
    pub fn longest_effect(&self) -> Duration {
        self.renew_deadline.saturating_sub(self.retry * 2)
    }

    /// `call`: the longest that one effect may take.
    ///
    /// # Errors
    /// Which of the times does not fit, and to what.
    pub fn check(&self, call: Duration) -> Result<(), String> {
        let Self {
            lease,
            renew_deadline,
            retry,
        } = self;
        // The record holds whole seconds.
        if lease.subsec_nanos() != 0 || lease.is_zero() || lease.as_secs() > 3600 {
            return Err(format!(
                "the lease duration, {lease:?}, has to be whole seconds from 1 to 3600"
            ));
        }
        if retry.is_zero() || retry.mul_f64(1.0 + JITTER) >= *renew_deadline {
            return Err(format!(
                "the retry period, {retry:?}, has to be more than zero and, with a fifth added, less than the renew deadline, {renew_deadline:?}"
            ));
        }
        // Another's clock may be faster than ours by a tenth, and ours slower by one.
        if renew_deadline.mul_f64(1.25) > *lease {
            return Err(format!(
                "the lease duration, {lease:?}, has to be longer than the renew deadline, {renew_deadline:?}, by a quarter: between the two nobody acts"
            ));
        }
        if call + *retry >= *renew_deadline {
            return Err(format!(
                "the renew deadline, {renew_deadline:?}, has to be longer than a call may take, {call:?}, and the retry period, {retry:?}, together: a call is made only if it is over before the deadline"
            ));
        }
        Ok(())
    }
}
