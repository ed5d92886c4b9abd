//! What conditions say.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// One of these conditions.
pub fn condition<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|found| found.type_ == kind)
}

/// Why something is in its state, of conditions of which the first that says anything counts.
pub fn why<'a>(conditions: &'a [Condition], kinds: &[&str]) -> &'a str {
    let mut said = kinds.iter().filter_map(|kind| condition(conditions, kind));
    said.find(|condition| !condition.message.is_empty())
        .map_or("", |condition| condition.message.as_str())
}
