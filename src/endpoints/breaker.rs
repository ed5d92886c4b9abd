//! Whether an endpoint is asked at all: one that has not answered several times in a row is left alone for a while, so that a
//! hundred tasks do not wait for it at each look. After that one request tells whether it is back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many requests without an answer in a row are enough.
const FAILURES: u32 = 5;
/// For so long it is left alone.
const REST: Duration = Duration::from_secs(30);

/// What is known of one endpoint.
#[derive(Debug, Default)]
pub(super) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    rests_until: Option<Instant>,
}

impl Breaker {
    /// Whether to ask now.
    pub(super) fn lets_through(&self) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match state.rests_until {
            Some(until) if Instant::now() < until => false,
            Some(_) => {
                // This one finds out; the others wait for it.
                state.rests_until = Some(Instant::now() + REST);
                true
            }
            None => true,
        }
    }

    /// What came of it.
    pub(super) fn told(&self, answered: bool) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answered {
            *state = State::default();
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.rests_until = Some(Instant::now() + REST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_does_not_answer_is_left_alone_and_then_asked_once() {
        let breaker = Breaker::default();
        for _ in 1..FAILURES {
            assert!(breaker.lets_through());
            breaker.told(false);
        }
        assert!(breaker.lets_through(), "four failures are not enough");
        breaker.told(false);
        assert!(!breaker.lets_through());
        tokio::time::advance(REST).await;
        assert!(breaker.lets_through());
        assert!(!breaker.lets_through(), "one finds out");
        breaker.told(true);
        assert!(breaker.lets_through());
        breaker.told(false);
        assert!(breaker.lets_through(), "it has answered in between");
    }
}
