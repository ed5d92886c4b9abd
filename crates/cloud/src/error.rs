//! What went wrong with a call, in the terms that decisions are made by.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What kind of failure a call met. The class alone decides on retry, condition and log level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ErrorClass {
    /// A passing fault: connection, timeout, 5xx, a service that asks to be tried again.
    Retry,
    /// The account's rate limit. Slows everyone down and fails nobody.
    Throttled,
    /// Credentials are missing, unknown, expired or wrongly signed.
    Unauthenticated,
    /// RAM denied the action. Nothing but a change of policy helps.
    Denied,
    /// The request is wrong as it stands and will be wrong again.
    Invalid,
    /// The object is not there.
    NotFound,
    /// The object is not in a state that allows the call: look again before judging.
    Conflict,
    /// A client token was sent before with other parameters: the first call took effect.
    TokenMismatch,
}

/// What is known of a mutation's effect when its call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// The service refused, or the request never left: nothing happened.
    NoEffect,
    /// The answer was lost: it may have taken effect, or may yet, within the bound on lateness.
    Unknown,
}

/// A failed call. Its text never holds a secret, and always names the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.describe())]
pub struct CloudError {
    /// The service and API name, for instance `ESS SuspendProcesses`.
    pub call: String,
    /// How to treat it.
    pub class: ErrorClass,
    /// Whether a mutation may have happened all the same.
    pub outcome: Outcome,
    /// The service's error code, or a word of ours in lower case where there was no answer
    /// (`timeout`, `connection`).
    pub code: String,
    /// The service's message.
    pub message: String,
    /// The request id, where an answer came.
    pub request_id: Option<String>,
    /// The RAM action that a denial named as missing (`AccessDeniedDetail.AuthAction`).
    pub missing_action: Option<String>,
    /// How long the service asks to be left alone (`x-acs-retry-after`).
    pub retry_after: Option<Duration>,
}

impl CloudError {
    /// Whether only a person can mend it: trying again at once would fail again.
    pub fn needs_person(&self) -> bool {
        matches!(
            self.class,
            ErrorClass::Denied | ErrorClass::Unauthenticated | ErrorClass::Invalid
        )
    }

    fn describe(&self) -> String {
        let mut text = format!("{} failed: {}", self.call, self.code);
        if !self.message.is_empty() {
            text.push_str(": ");
            text.push_str(&self.message);
        }
        if let Some(action) = &self.missing_action {
            text.push_str(&format!(" (missing RAM action {action})"));
        }
        if let Some(id) = &self.request_id {
            text.push_str(&format!(" (request id {id})"));
        }
        text
    }
}
