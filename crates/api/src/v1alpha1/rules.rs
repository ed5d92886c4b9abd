//! Validation rules that several kinds share.

use kube_core::{Message, Rule};

/// A field that always has a value, if only its default, and keeps the one it has.
pub(super) fn immutable(field: &str, cure: &str) -> Rule {
    Rule::new(format!("self.{field} == oldSelf.{field}")).message(said(field, cure))
}

/// A field that may be missing, and can be neither set, changed nor taken away.
pub(super) fn immutable_optional(field: &str, cure: &str) -> Rule {
    let rule = format!(
        "has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})"
    );
    Rule::new(rule).message(said(field, cure))
}

/// A date-time that may be missing and is of a year that every reader of dates knows.
pub(super) fn dated(field: &str) -> Rule {
    Rule::new(format!(
        "!has(self.{field}) || timestamp(self.{field}) < timestamp('9000-01-01T00:00:00Z')"
    ))
    .message(Message::Message(format!(
        "spec.schedule.{field} must be before the year 9000"
    )))
}

fn said(field: &str, cure: &str) -> Message {
    Message::Message(format!("spec.{field} is immutable: {cure}"))
}
