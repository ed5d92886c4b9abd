//! From what came back to a [`CloudError`]: one table of codes, and the rules around it.

use std::time::Duration;

use ess_rollout_cloud::{CloudError, ErrorClass, Outcome};
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::{
    credentials::provider::CredentialsError,
    endpoints::Service,
    fields::{object, text},
    limits::{LONGEST_PAUSE, Lane},
    transport::{TransportError, WireResponse},
};

/// How long a message may be, in bytes. Some services echo the request.
const MAX_MESSAGE: usize = 1024;

/// The code of a call that was not sent, as the account's rate has no room for it.
pub(crate) const HELD_BACK: &str = "throttled";

/// Words after which services echo what was signed.
const ECHOES: [&str; 5] = [
    "server string to sign",
    "string to sign",
    "stringtosign",
    "signature=",
    "credential=",
];

/// Codes as the services spell them, with what they mean for the caller. Prefixes end in `*`.
/// The first that fits counts, so exceptions stand before the rules.
const TABLE: &[(&str, ErrorClass)] = &[
    ("IdempotentParameterMismatch*", ErrorClass::TokenMismatch),
    // Ours is a fresh nonce each time: the service has seen this very request before.
    ("SignatureNonceUsed", ErrorClass::Retry),
    ("SignatureDoesNotMatch", ErrorClass::Unauthenticated),
    ("IncompleteSignature", ErrorClass::Unauthenticated),
    ("InvalidTimeStamp*", ErrorClass::Unauthenticated),
    ("InvalidAccessKeyId*", ErrorClass::Unauthenticated),
    ("InvalidSecurityToken*", ErrorClass::Unauthenticated),
    ("MissingSecurityToken", ErrorClass::Unauthenticated),
    ("AuthenticationFail.NoPermission", ErrorClass::Denied),
    ("AuthenticationFail*", ErrorClass::Unauthenticated),
    ("Forbidden*", ErrorClass::Denied),
    ("NoPermission*", ErrorClass::Denied),
    ("InvalidAccountStatus*", ErrorClass::Denied),
    ("Account.Arrearage*", ErrorClass::Denied),
    ("ServiceUnavailable*", ErrorClass::Retry),
    ("InternalError*", ErrorClass::Retry),
    ("UnknownError*", ErrorClass::Retry),
    // These end in .NotFound, but what is missing is the API.
    ("InvalidApi.NotFound", ErrorClass::Invalid),
    ("InvalidAction.NotFound", ErrorClass::Invalid),
    // Not the object that was asked for: the region was mistyped.
    ("InvalidRegionId*", ErrorClass::Invalid),
    ("ResourceNotAvailable", ErrorClass::Invalid),
    ("MissingParameter*", ErrorClass::Invalid),
    ("InvalidParameter*", ErrorClass::Invalid),
    // The spelling of ESS ModifyScalingConfiguration.
    ("InvalidParamter*", ErrorClass::Invalid),
    ("UnsupportedOperation*", ErrorClass::Invalid),
    ("UnsupportedParameter*", ErrorClass::Invalid),
    ("NoSuchVersion", ErrorClass::Invalid),
    ("IncorrectScalingGroupStatus", ErrorClass::Conflict),
    (
        "IncorrectScalingConfigurationLifecycleState",
        ErrorClass::Conflict,
    ),
    ("IncorrectInstanceStatus*", ErrorClass::Conflict),
    // ECI, of a container group that cannot be updated as it is.
    ("IncorrectStatus*", ErrorClass::Conflict),
    ("ScalingActivityInProgress", ErrorClass::Conflict),
    ("BackendServer.configuring", ErrorClass::Conflict),
    ("EntityNotExist*", ErrorClass::NotFound),
];

/// What a failed call was.
#[derive(Clone, Copy)]
pub(crate) struct Failed {
    pub service: Service,
    pub action: &'static str,
    pub lane: Lane,
}

impl Failed {
    /// An error of ours or of the wire.
    pub(crate) fn error(
        self,
        class: ErrorClass,
        outcome: Outcome,
        code: &str,
        message: impl Into<String>,
    ) -> CloudError {
        CloudError {
            call: format!("{} {}", self.service, self.action),
            class,
            outcome: self.outcome(outcome),
            code: code.to_owned(),
            message: bounded(message.into()),
            request_id: None,
            missing_action: None,
            retry_after: None,
        }
    }

    /// A read has no effect, whatever became of it.
    fn outcome(self, outcome: Outcome) -> Outcome {
        match self.lane {
            Lane::Read => Outcome::NoEffect,
            Lane::Mutation => outcome,
        }
    }

    pub(crate) fn held_back(self, wait: Duration) -> CloudError {
        let mut error = self.error(
            ErrorClass::Throttled,
            Outcome::NoEffect,
            HELD_BACK,
            "held back to stay within the account's rate limit",
        );
        error.retry_after = Some(wait);
        error
    }

    /// See [`crate::MutationGuard`].
    pub(crate) fn must_not_be_sent(self) -> CloudError {
        self.error(
            ErrorClass::Retry,
            Outcome::NoEffect,
            "not-leading",
            "not sent: this process does not lead, or not for as long as the call may take",
        )
    }

    pub(crate) fn credentials(self, error: CredentialsError) -> CloudError {
        CloudError {
            request_id: error.request_id,
            ..self.error(error.class, Outcome::NoEffect, &error.code, error.message)
        }
    }

    pub(crate) fn transport(self, error: &TransportError) -> CloudError {
        let (outcome, code) = match error {
            TransportError::NotConnected(_) => (Outcome::NoEffect, "connection"),
            TransportError::TimedOut(_) => (Outcome::Unknown, "timeout"),
            TransportError::Broken(_) => (Outcome::Unknown, "connection"),
        };
        self.error(ErrorClass::Retry, outcome, code, error.to_string())
    }

    /// An answer that cannot be read as what was asked for. A mutation may have happened.
    pub(crate) fn unreadable(self, why: impl Into<String>) -> CloudError {
        self.error(ErrorClass::Retry, Outcome::Unknown, "unreadable", why)
    }

    /// A filter that the service did not apply: it would answer so again.
    pub(crate) fn ignored(self, why: impl Into<String>) -> CloudError {
        self.error(ErrorClass::Invalid, Outcome::Unknown, "ignored-filter", why)
    }

    /// An answer whose status is not 2xx. `secrets` are cut out of its message.
    pub(crate) fn answer(self, response: &WireResponse, secrets: &[&str]) -> CloudError {
        let status = response.status;
        let body = ErrorBody::read(&response.body);
        let mut error = match &body {
            Some(body) => {
                let class = self.classify(status, &body.code);
                let message = scrubbed(&body.message, secrets);
                self.error(class, outcome_of(class, status), &body.code, message)
            }
            None => {
                let class = by_status(status);
                self.error(
                    class,
                    outcome_of(class, status),
                    "unreadable",
                    format!("HTTP {status} with a body that is no error of the service"),
                )
            }
        };
        if let Some(body) = body {
            error.request_id = body.request_id;
            error.missing_action = body.missing_action;
        }
        error.retry_after = retry_after(&response.headers);
        error
    }

    fn classify(self, status: u16, code: &str) -> ErrorClass {
        match by_code(code) {
            Some(class) => class,
            // OOS does not publish the codes with which it refuses to notify or cancel an
            // execution that has moved on. Such a refusal says: look again.
            None if matches!(self.action, "NotifyExecution" | "CancelExecution")
                && matches!(status, 400 | 409) =>
            {
                ErrorClass::Conflict
            }
            None => by_status(status),
        }
    }
}

/// The class of a code, if it is known.
fn by_code(code: &str) -> Option<ErrorClass> {
    // Throttling, Throttling.User, Rejected.Throttling, …
    if code.contains("Throttling") {
        return Some(ErrorClass::Throttled);
    }
    let listed = TABLE
        .iter()
        .find(|(pattern, _)| match pattern.strip_suffix('*') {
            Some(prefix) => code.starts_with(prefix),
            None => code == *pattern,
        });
    match listed {
        Some((_, class)) => Some(*class),
        None if code.ends_with(".NotFound") => Some(ErrorClass::NotFound),
        None => None,
    }
}

/// The class of an answer whose code is not in the table.
fn by_status(status: u16) -> ErrorClass {
    match status {
        401 => ErrorClass::Unauthenticated,
        403 => ErrorClass::Denied,
        408 => ErrorClass::Retry,
        409 => ErrorClass::Conflict,
        429 => ErrorClass::Throttled,
        500.. => ErrorClass::Retry,
        _ => ErrorClass::Invalid,
    }
}

/// Whether a refused mutation may have happened all the same. `SignatureNonceUsed` is among the
/// `Retry` ones for a reason: something on the way sent the request twice, and the first may have
/// done its work.
fn outcome_of(class: ErrorClass, status: u16) -> Outcome {
    match class {
        ErrorClass::Throttled => Outcome::NoEffect,
        ErrorClass::Retry => Outcome::Unknown,
        _ if status >= 500 => Outcome::Unknown,
        _ => Outcome::NoEffect,
    }
}

/// `x-acs-retry-after`: milliseconds, if a positive integer.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let millis: u64 = headers
        .get("x-acs-retry-after")?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    (millis > 0).then(|| Duration::from_millis(millis).min(LONGEST_PAUSE))
}

struct ErrorBody {
    code: String,
    message: String,
    request_id: Option<String>,
    missing_action: Option<String>,
}

impl ErrorBody {
    fn read(body: &[u8]) -> Option<Self> {
        match serde_json::from_slice::<Value>(body) {
            Ok(value) => Self::from_json(&value),
            Err(_) => Self::from_xml(std::str::from_utf8(body).ok()?),
        }
    }

    fn from_json(body: &Value) -> Option<Self> {
        let either = |upper: &str, lower: &str| {
            let found = text(body, upper);
            if found.is_empty() {
                text(body, lower)
            } else {
                found
            }
        };
        let code = either("Code", "code");
        if code.is_empty() {
            return None;
        }
        let detail = object(body, "AccessDeniedDetail");
        let missing = text(&Value::Object(detail), "AuthAction");
        Some(Self {
            code: bounded(code),
            message: either("Message", "message"),
            request_id: Some(bounded(either("RequestId", "requestId"))).filter(|id| !id.is_empty()),
            missing_action: Some(bounded(missing)).filter(|action| !action.is_empty()),
        })
    }

    /// Gateways answer in XML now and then, whatever was asked for.
    fn from_xml(body: &str) -> Option<Self> {
        let element = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            let (content, _) = rest.split_once(&format!("</{name}>"))?;
            Some(content.trim().to_owned())
        };
        let code = element("Code").filter(|code| !code.is_empty())?;
        Some(Self {
            code: bounded(code),
            message: element("Message").unwrap_or_default(),
            request_id: element("RequestId").map(bounded),
            missing_action: None,
        })
    }
}

/// A message without what was signed, the signature, or any of these secrets.
fn scrubbed(message: &str, secrets: &[&str]) -> String {
    let mut text = message.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "…");
    }
    let lower = text.to_ascii_lowercase();
    if let Some(at) = ECHOES.iter().filter_map(|echo| lower.find(echo)).min() {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// Cut to a length that fits a condition, at a character.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_MESSAGE {
        let mut end = MAX_MESSAGE;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
