//! Nonces of signed requests: each is taken once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::error::ApiError;

/// The nonces that requests have used, by the wall time of their use.
#[derive(Debug, Default)]
pub struct Nonces {
    used: BTreeMap<(String, String), Timestamp>,
    swept: Option<Timestamp>,
}

/// A nonce is remembered as long as a date from both ends of the allowed skew could repeat it.
const NONCE_LIFE: SignedDuration = SignedDuration::from_mins(30);
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

impl Nonces {
    pub(crate) fn take(
        &mut self,
        principal: &str,
        nonce: String,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        if self.swept.is_none_or(|at| now.duration_since(at) > SWEEP) {
            self.used
                .retain(|_, at| now.duration_since(*at) <= NONCE_LIFE);
            self.swept = Some(now);
        }
        if self
            .used
            .insert((principal.to_owned(), nonce), now)
            .is_some()
        {
            return Err(ApiError::new(
                400,
                "SignatureNonceUsed",
                "Specified signature nonce was used already.",
            ));
        }
        Ok(())
    }
}
