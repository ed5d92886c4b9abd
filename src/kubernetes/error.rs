//! What went wrong with a call to the apiserver, in the terms that a pass decides by.

use ess_rollout_core::task::reason::Reason;
use kube::core::Status;

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
    /// The apiserver takes the object for wrong, or its answer cannot be read.
    Invalid,
    /// The CRDs of the cluster are older than this version: they have not all fields that it writes. Nothing was
    /// written.
    Outdated,
    /// The object holds what this version cannot read: a newer one wrote it.
    NotUnderstood,
    /// A passing fault: connection, timeout, overload.
    Unavailable,
}

impl ErrorClass {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Conflict,
        Self::Gone,
        Self::Refused,
        Self::Invalid,
        Self::Outdated,
        Self::NotUnderstood,
        Self::Unavailable,
    ];

    /// As logs and metrics name it: where an object says it too, by its reason there.
    pub fn word(self) -> &'static str {
        match self {
            Self::Conflict => "Conflict",
            Self::Gone => "Gone",
            Self::Refused => "Refused",
            Self::Invalid => "Invalid",
            Self::Outdated => Reason::CRDOutdated.word(),
            Self::NotUnderstood => Reason::NotUnderstood.word(),
            Self::Unavailable => "Unavailable",
        }
    }

    /// Whether the same write will fail again until somebody changes something.
    pub fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::Gone | Self::Refused | Self::Invalid | Self::Outdated
        )
    }
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
    /// The fields that the CRDs do not have; after `=` a word that is not among those of the field.
    #[error("the CustomResourceDefinitions do not have {}", .0.join(", "))]
    Fields(Vec<String>),
    /// What cannot be read, and why.
    #[error("{path} is not understood: {why}")]
    NotUnderstood {
        /// The path of the field.
        path: String,
        /// Why, without what the field holds.
        why: String,
    },
    /// A plain word.
    #[error("{0}")]
    Other(String),
}

impl KubeError {
    /// Of a client's error.
    pub fn of(operation: impl Into<String>, error: kube::Error) -> Self {
        let operation = operation.into();
        let fields = match &error {
            kube::Error::Api(status) => missing_fields(status),
            _ => Vec::new(),
        };
        if !fields.is_empty() {
            return Self::outdated(operation, fields);
        }
        Self {
            operation,
            class: classify(&error),
            source: Cause::Client(Box::new(error)),
        }
    }

    /// Fields of what was to be written are not in the CRDs.
    pub fn outdated(operation: impl Into<String>, fields: Vec<String>) -> Self {
        Self {
            operation: operation.into(),
            class: ErrorClass::Outdated,
            source: Cause::Fields(fields),
        }
    }

    /// The kind that it is about: of our kinds the first that the operation names.
    pub(crate) fn kind(&self) -> &'static str {
        let kinds = [
            "ScalingGroupRecord",
            "RollingUpdateTask",
            "ImageUpdateTask",
            "Rollback",
        ];
        let named = kinds.into_iter().find(|kind| {
            let mut words = self.operation.split(' ');
            words.any(|word| word == *kind)
        });
        named.unwrap_or("")
    }

    /// Whether the apiserver named a field that is wrong.
    pub(super) fn blames_a_field(&self) -> bool {
        match &self.source {
            Cause::Client(error) => match error.as_ref() {
                kube::Error::Api(status) => {
                    let details = status.details.as_ref();
                    details.is_some_and(|details| !details.causes.is_empty())
                }
                _ => false,
            },
            Cause::Timeout(_)
            | Cause::Fields(_)
            | Cause::NotUnderstood { .. }
            | Cause::Other(_) => false,
        }
    }

    /// The same of an object whose values nobody may read in an error: a decoder quotes what it did not expect.
    pub(crate) fn without_values(self) -> Self {
        match &self.source {
            Cause::Client(error) if !matches!(**error, kube::Error::Api(_)) => Self::other(
                self.operation,
                self.class,
                "there is no answer, or none that can be decoded",
            ),
            _ => self,
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
            let message = without_the_object(&status.message);
            let answer = format!("{message} ({} {})", status.code, status.reason);
            if status.is_forbidden() {
                format!("{answer}; give the operator's ServiceAccount this right")
            } else {
                answer
            }
        }
        other => chain(other),
    }
}

/// A patched object that cannot be decoded is quoted in full, its scripts among the rest, before what is wrong with it.
fn without_the_object(message: &str) -> &str {
    match message.contains("Invalid value: \"{") {
        true => message.rsplit_once("\": ").map_or("", |(_, why)| why),
        false => message,
    }
}

/// The fields that strict field validation did not find in the schema, without the numbers of list items; and the
/// words that the schema does not have for a field.
fn missing_fields(status: &Status) -> Vec<String> {
    let mut fields = Vec::new();
    let mut push = |field: String| {
        if !fields.contains(&field) {
            fields.push(field);
        }
    };
    let strict = status.message.rsplit_once("strict decoding error: ");
    for part in strict.map_or("", |(_, why)| why).split("unknown field \"") {
        if let Some((path, _)) = part.split_once('"') {
            push(without_indices(path));
        }
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    for cause in causes.filter(|cause| cause.reason == "FieldValueNotSupported") {
        // `Unsupported value: "Word": supported values: …`
        let word = cause.message.split('"').nth(1).unwrap_or_default();
        push(format!("{}={word}", without_indices(&cause.field)));
    }
    fields
}

fn without_indices(path: &str) -> String {
    let mut parts = path.split('[');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |path, part| {
        path + part.split_once(']').map_or("", |(_, rest)| rest)
    })
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

    #[test]
    fn fields_that_the_crds_lack_are_named_and_the_object_is_not_quoted() {
        let quoted = r#" "" is invalid: patch: Invalid value: "{\"spec\":{\"script\":\"password\"}}": strict decoding error: unknown field "status.restore.quietSince", unknown field "status.instances[3].attempt", unknown field "status.instances[4].attempt""#;
        let refused = |message: &str| {
            let status = Status::failure(message, "Invalid").with_code(422);
            KubeError::of("write x", kube::Error::Api(Box::new(status)))
        };
        let error = refused(quoted);
        assert_eq!(error.class, ErrorClass::Outdated);
        assert_eq!(
            chain(&error),
            "cannot write x: the CustomResourceDefinitions do not have status.restore.quietSince, status.instances.attempt"
        );
        let other = r#" "" is invalid: patch: Invalid value: "{\"spec\":{\"script\":\"password\"}}": json: cannot unmarshal"#;
        let error = refused(other);
        assert_eq!(error.class, ErrorClass::Invalid);
        assert_eq!(
            chain(&error),
            "cannot write x: json: cannot unmarshal (422 Invalid)"
        );
    }
}
