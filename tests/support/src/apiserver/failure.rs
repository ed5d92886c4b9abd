//! Refusals, as `meta.k8s.io/v1 Status` has them.

use ess_rollout_validation::{Cause, Kind};
use serde_json::{Value, json};

/// A refusal.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    pub code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: json!({}),
        }
    }

    fn about(mut self, kind: &Kind, name: &str) -> Self {
        self.details = json!({"name": name, "group": kind.group, "kind": kind.plural});
        self
    }

    pub fn not_found(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" not found", kind.resource());
        Self::new(404, "NotFound", message).about(kind, name)
    }

    pub fn already_exists(kind: &Kind, name: &str) -> Self {
        let message = format!("{} \"{name}\" already exists", kind.resource());
        Self::new(409, "AlreadyExists", message).about(kind, name)
    }

    /// Somebody else wrote first.
    pub fn stale(kind: &Kind, name: &str) -> Self {
        Self::conflict(
            kind,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub fn conflict(kind: &Kind, name: &str, why: &str) -> Self {
        let message = format!(
            "Operation cannot be fulfilled on {} \"{name}\": {why}",
            kind.resource()
        );
        Self::new(409, "Conflict", message).about(kind, name)
    }

    /// The object is not what its schema says. One cause for each field.
    pub fn invalid(kind: &Kind, name: &str, causes: &[Cause]) -> Self {
        let all: Vec<String> = causes.iter().map(Cause::text).collect();
        let list = match all.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let of = match kind.group.as_str() {
            "" => kind.kind.clone(),
            group => format!("{}.{group}", kind.kind),
        };
        let mut failure = Self::new(
            422,
            "Invalid",
            format!("{of} \"{name}\" is invalid: {list}"),
        );
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason(), "message": cause.message, "field": cause.field}))
            .collect();
        failure.details =
            json!({"name": name, "group": kind.group, "kind": kind.kind, "causes": causes});
        failure
    }

    /// A patch that cannot be applied.
    pub fn unprocessable(kind: &Kind, name: &str, message: &str) -> Self {
        Self::new(422, "Invalid", message).about(kind, name)
    }

    /// A patch that leads to an object which cannot be decoded.
    pub fn undecodable_patch(why: &str) -> Self {
        let message = format!("Invalid value: {why}");
        let mut failure = Self::new(
            422,
            "Invalid",
            format!(" \"\" is invalid: patch: {message}"),
        );
        failure.details = json!({"causes": [
            {"reason": "FieldValueInvalid", "message": message, "field": "patch"}]});
        failure
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub fn unsupported_media_type(given: &str) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json; it was {given:?}"
            ),
        )
    }

    pub fn method_not_allowed() -> Self {
        Self::new(
            405,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    pub fn no_such_path() -> Self {
        Self::new(
            404,
            "NotFound",
            "the server could not find the requested resource",
        )
    }

    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(
            410,
            "Expired",
            format!("too old resource version: {asked} ({oldest})"),
        )
    }

    pub fn status(&self) -> Value {
        json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        })
    }
}
