//! Answers of the cloud that are not what they should be.

use ess_emulator::front::Response;
use serde_json::Value;

use crate::fault::Fault;

/// What a proxy says that has lost what is behind it.
const PAGE: &str = "<html><body><h1>502 Bad Gateway</h1></body></html>";
/// A state of nothing.
const UNKNOWN: &str = "Hibernating";
/// The fields of answers that hold a state.
const STATES: [&str; 3] = ["Status", "LifecycleState", "ProgressStatus"];

/// An answer as this fault leaves it.
pub fn answer(fault: Option<Fault>, mut answer: Response) -> Response {
    if answer.status != 200 {
        return answer;
    }
    match fault {
        Some(Fault::AnswerGarbled | Fault::ReadsGarbled) => answer.body = PAGE.into(),
        Some(Fault::AnswerTruncated | Fault::ReadsTruncated) => {
            answer.body.truncate(answer.body.len() / 2);
        }
        Some(Fault::AnswerEmpty | Fault::ReadsEmpty) => answer.body.clear(),
        Some(Fault::ReadsNull) => change(&mut answer, &|_, value| {
            if value.is_array() {
                *value = Value::Null;
            }
        }),
        Some(Fault::ReadsTwice) => change(&mut answer, &|_, value| {
            if let Value::Array(items) = value
                && items.iter().all(Value::is_object)
            {
                items.extend(items.clone());
            }
        }),
        Some(Fault::ReadsUnknown) => change(&mut answer, &|name, value| {
            if STATES.contains(&name) && value.is_string() {
                *value = UNKNOWN.into();
            }
        }),
        _ => {}
    }
    answer
}

/// Does this to every field, the outer ones first.
fn change(answer: &mut Response, to: &dyn Fn(&str, &mut Value)) {
    let mut body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    walk(&mut body, to);
    answer.body = body.to_string().into();
}

fn walk(value: &mut Value, to: &dyn Fn(&str, &mut Value)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                to(name, value);
                walk(value, to);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, to)),
        _ => {}
    }
}
