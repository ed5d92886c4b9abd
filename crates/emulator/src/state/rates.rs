//! How many calls an account may make: what goes beyond that is refused, as the services refuse it.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::call::Call;
use super::ram::wildcard;
use crate::error::ApiError;

/// Calls a minute, by service and action: `OOS ListExecutions`, `ESS *`. Of several that fit the first by name counts.
pub type Rates = BTreeMap<String, u32>;

/// A minute begins with the first call after the one before.
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// The calls that were counted: when their minute began, and how many there were in it. By account and line.
#[derive(Debug, Default)]
pub(crate) struct Counted(BTreeMap<(String, String), (Timestamp, u32)>);

impl Counted {
    /// Counts a call. What OOS calls for an execution is not counted: it waits by itself where there is a limit.
    ///
    /// # Errors
    /// When the account has made as many as it may in this minute.
    pub(crate) fn count(
        &mut self,
        call: &Call,
        now: Timestamp,
        rates: &Rates,
    ) -> Result<(), ApiError> {
        if rates.is_empty() || call.by_oos {
            return Ok(());
        }
        let name = format!("{} {}", call.service.name(), call.action);
        let Some((line, limit)) = rates.iter().find(|(line, _)| wildcard(line, &name)) else {
            return Ok(());
        };
        let key = (call.caller.account_id.clone(), line.clone());
        let (began, made) = self.0.entry(key).or_insert((now, 0));
        if now.duration_since(*began) >= MINUTE {
            (*began, *made) = (now, 0);
        }
        if *made >= *limit {
            return Err(throttled());
        }
        *made += 1;
        Ok(())
    }
}

/// The answer of a service whose rate limit is reached.
pub(crate) fn throttled() -> ApiError {
    ApiError::new(
        400,
        "Throttling.User",
        "Request was denied due to user flow control.",
    )
}
