//! Variables in what an event does: `$executionId`, and slips of the pen for it.

use serde_json::Value;

/// What is wrong with what looks like a variable in the texts of a value, if anything is.
/// `$executionId` is the only one; `unless` says why it stands for nothing here.
pub(crate) fn variables_problem(value: &Value, unless: Option<&str>) -> Option<String> {
    match value {
        Value::String(text) => variable_problem(text, unless),
        Value::Array(items) => items
            .iter()
            .find_map(|item| variables_problem(item, unless)),
        Value::Object(members) => members.iter().find_map(|(name, member)| {
            let problem = variables_problem(member, unless);
            problem.map(|problem| format!("{name}: {problem}"))
        }),
        _ => None,
    }
}

fn variable_problem(text: &str, unless: Option<&str>) -> Option<String> {
    const KNOWN: &str = "executionId";
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in text.match_indices('$') {
        let rest = &text[at + 1..];
        let bare = rest.trim_start_matches('{');
        let name = bare.split(|c| !is_of_name(c)).next().unwrap_or_default();
        let plain = name.replace('_', "").to_ascii_lowercase();
        let is_whole =
            at == 0 && !name.is_empty() && bare[name.len()..].trim_matches('}').is_empty();
        let is_known = name == KNOWN && rest.starts_with(name);
        if is_known && let Some(why) = unless {
            return Some(format!("$executionId stands for nothing here: {why}"));
        }
        // Scripts have variables of their own: within a text only a slip of the pen is one for sure.
        let is_slip = plain == KNOWN.to_ascii_lowercase() || name.starts_with(KNOWN);
        if !is_known && (is_slip || is_whole) {
            return Some(format!(
                "there is no variable {}: $executionId stands for the execution that met the condition",
                &text[at..at + 1 + (rest.len() - bare.len()) + name.len()]
            ));
        }
    }
    None
}
