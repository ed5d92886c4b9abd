//! Conditions by the API conventions: the transition time moves only when the status flips.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The longest message that is kept (the conventions allow 32 KiB; a page of text helps nobody).
pub(crate) const MESSAGE_MAX: usize = 1024;

/// Sets a condition. `status` is `True`, `False` or `Unknown`.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: &str,
    reason: &str,
    message: &str,
    generation: Option<i64>,
    now: Timestamp,
) {
    let message = shorten(message, MESSAGE_MAX);
    match conditions.iter_mut().find(|c| c.type_ == type_) {
        Some(condition) => {
            if condition.status != status {
                condition.status = status.to_owned();
                condition.last_transition_time = Time(now);
            }
            condition.reason = reason.to_owned();
            replace(&mut condition.message, &message);
            condition.observed_generation = generation;
        }
        None => conditions.push(Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: Time(now),
            observed_generation: generation,
        }),
    }
}

/// Replaces what was said, shortened, by something else.
pub(crate) fn replace(said: &mut String, message: &str) {
    let message = shorten(message, MESSAGE_MAX);
    // A failing call fails again with another request id: that is no news, and writing it
    // would have every poll change the object.
    if without_request_id(said) != without_request_id(&message) {
        *said = message;
    }
}

/// Removes a condition that is present only while True.
pub fn remove(conditions: &mut Vec<Condition>, type_: &str) {
    conditions.retain(|c| c.type_ != type_);
}

/// Looks a condition up.
pub fn get<'a>(conditions: &'a [Condition], type_: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == type_)
}

/// What a condition says, if there is one.
pub(crate) fn message(conditions: &[Condition], type_: &str) -> String {
    get(conditions, type_).map_or_else(String::new, |c| c.message.clone())
}

/// The text without what differs from one refusal of a call to the next.
fn without_request_id(text: &str) -> String {
    let (mut plain, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(" (request id ") {
        plain.push_str(before);
        rest = after.split_once(')').map_or("", |(_, behind)| behind);
    }
    plain.push_str(rest);
    plain
}

/// The first few of a list, and how many more there are.
pub fn named(all: &[impl AsRef<str>], most: usize) -> String {
    let first: Vec<&str> = all.iter().take(most).map(AsRef::as_ref).collect();
    let first = first.join(", ");
    match all.len().saturating_sub(most) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// Cuts a text at a number of bytes, at a character, marking the cut.
pub fn shorten(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max.saturating_sub(3));
    format!("{}...", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_transition_time_moves_only_when_the_status_flips() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            "Ready",
            "Unknown",
            "Pending",
            "",
            Some(1),
            at(1),
        );
        set(
            &mut conditions,
            "Ready",
            "Unknown",
            "Running",
            "going",
            Some(1),
            at(2),
        );
        assert_eq!(conditions[0].last_transition_time.0, at(1));
        assert_eq!(conditions[0].reason, "Running");
        set(
            &mut conditions,
            "Ready",
            "True",
            "Updated",
            "",
            Some(1),
            at(3),
        );
        assert_eq!(conditions[0].last_transition_time.0, at(3));
    }

    #[test]
    fn the_same_failure_with_another_request_id_changes_nothing() {
        let mut conditions = Vec::new();
        set(
            &mut conditions,
            "Preflight",
            "False",
            "Denied",
            "ESS X failed: Forbidden (request id 1)",
            None,
            at(1),
        );
        let before = conditions.clone();
        set(
            &mut conditions,
            "Preflight",
            "False",
            "Denied",
            "ESS X failed: Forbidden (request id 2)",
            None,
            at(2),
        );
        assert_eq!(conditions, before);
        // What stands behind it is news.
        let told = "ESS X failed: Forbidden (request id 3); asc-1 has it";
        set(
            &mut conditions,
            "Preflight",
            "False",
            "Denied",
            told,
            None,
            at(1),
        );
        assert_eq!(conditions[0].message, told);
    }

    #[test]
    fn a_text_is_cut_at_a_character() {
        assert_eq!(shorten("abcdef", 6), "abcdef");
        assert_eq!(shorten("ééééé", 8), "éé...");
    }
}
