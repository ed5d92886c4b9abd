//! What went wrong with a call to the apiserver, in the terms that a pass decides by.

use crate::runtime::telemetry::chain;

/// How to treat a failed call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// Somebody else wrote first: read again. Nothing was written.
    Conflict,
    /// The object is gone.
    Gone,
    /// The operator may not do this: its roles are to be corrected.
    Refused,
    /// The apiserver takes the object for wrong, or its answer cannot be read: the CRDs and the
    /// operator are of different versions.
    Invalid,
    /// A passing fault: connection, timeout, overload.
    Unavailable,
}

/// A failed call to the apiserver.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation}")]
pub struct KubeError {
    /// What was attempted, as in "get RollingUpdateTask ns/name".
    pub operation: String,
    /// How to treat it.
    pub class: ErrorClass,
    /// Why.
    #[source]
    pub source: Cause,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum Cause {
    /// No answer in time.
    #[error("the apiserver did not answer within {0:?}")]
    Timeout(std::time::Duration),
    /// The client's word. Not a source of its own: the text has all that its sources say.
    #[error("{}", describe(.0))]
    Client(Box<kube::Error>),
    /// A plain word.
    #[error("{0}")]
    Other(String),
}

impl KubeError {
    /// Of a client's error.
    pub(crate) fn of(operation: impl Into<String>, error: kube::Error) -> Self {
        Self {
            operation: operation.into(),
            class: classify(&error),
            source: Cause::Client(Box::new(error)),
        }
    }

    /// Of a plain word.
    pub fn other(operation: impl Into<String>, class: ErrorClass, why: impl Into<String>) -> Self {
        Self {
            operation: operation.into(),
            class,
            source: Cause::Other(why.into()),
        }
    }
}

/// The client's own text of an API error repeats the whole status in debug form.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            let answer = format!("{} ({} {})", status.message, status.code, status.reason);
            if status.is_forbidden() {
                format!("{answer}; give the operator's ServiceAccount this right")
            } else {
                answer
            }
        }
        other => chain(other),
    }
}

fn classify(error: &kube::Error) -> ErrorClass {
    match error {
        kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() => {
            ErrorClass::Conflict
        }
        kube::Error::Api(status) if status.is_not_found() => ErrorClass::Gone,
        kube::Error::Api(status) if status.is_forbidden() || status.code == 401 => {
            ErrorClass::Refused
        }
        kube::Error::Api(status) if status.is_invalid() || status.code == 400 => {
            ErrorClass::Invalid
        }
        kube::Error::SerdeError(_) => ErrorClass::Invalid,
        _ => ErrorClass::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn api(code: u16, reason: &str) -> ErrorClass {
        classify(&kube::Error::Api(Box::new(
            Status::failure("no", reason).with_code(code),
        )))
    }

    #[test]
    fn classes_follow_the_status_and_not_the_message() {
        assert_eq!(api(409, "Conflict"), ErrorClass::Conflict);
        assert_eq!(api(409, "AlreadyExists"), ErrorClass::Conflict);
        assert_eq!(api(404, "NotFound"), ErrorClass::Gone);
        assert_eq!(api(403, "Forbidden"), ErrorClass::Refused);
        assert_eq!(api(401, "Unauthorized"), ErrorClass::Refused);
        assert_eq!(api(422, "Invalid"), ErrorClass::Invalid);
        assert_eq!(api(500, "InternalError"), ErrorClass::Unavailable);
        assert_eq!(api(429, "TooManyRequests"), ErrorClass::Unavailable);
    }

    #[test]
    fn a_refusal_is_said_once_and_with_its_cure() {
        let status = Status::failure("User \"op\" cannot get x", "Forbidden").with_code(403);
        let error = KubeError::of("get x ns/a", kube::Error::Api(Box::new(status)));
        assert_eq!(
            chain(&error),
            "cannot get x ns/a: User \"op\" cannot get x (403 Forbidden); give the operator's ServiceAccount this right"
        );
    }
}
