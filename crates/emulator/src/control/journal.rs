//! What `GET journal` shows of the calls that were received.

use std::sync::Arc;

use serde_json::{Value, json};

use super::answers::{Later, answer, refuse};
use crate::cloud::Cloud;
use crate::front::{Request, Response};
use crate::params;
use crate::services::planned::{call_problem, caller_problem};
use crate::state::call::Service;
use crate::state::journal::Entry;

/// The names of the filters.
const FILTERS: [&str; 6] = ["since", "service", "action", "principal", "byOos", "code"];

/// What is wrong with the filters, if anything is: with one that nothing can match a test would find
/// that nothing was called, whatever was.
fn problem(cloud: &Cloud, filters: &[(String, String)]) -> Option<String> {
    for (at, (name, value)) in filters.iter().enumerate() {
        if !FILTERS.contains(&name.as_str()) {
            let known = FILTERS.join(", ");
            return Some(format!(
                "the journal has no filter {name}: they are {known}"
            ));
        }
        if filters[..at].iter().any(|(before, _)| before == name) {
            return Some(format!(
                "{name} is there twice: the journal is filtered by one"
            ));
        }
        if value.is_empty() {
            return Some(format!("{name} is empty: leave it out, or say which"));
        }
        if value.contains('*') {
            return Some(format!("{name} must be one value, without *"));
        }
    }
    let given = |name: &str| {
        let mut all = filters.iter();
        all.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    };
    let service = given("service");
    if let Some(service) = service.filter(|service| Service::parse(service).is_none()) {
        return call_problem(Some(service), None);
    }
    // What was called without being there is in the journal as well.
    let was_called = |test: &dyn Fn(&Entry) -> bool| cloud.world.journal.since(0).any(test);
    if let Some(action) = given("action") {
        let was_called = was_called(&|entry| entry.action.eq_ignore_ascii_case(action));
        let is_message = action.eq_ignore_ascii_case("ACS::Notify");
        let problem = call_problem(service, Some(action));
        if let Some(problem) = problem.filter(|_| !was_called && !is_message) {
            return Some(problem);
        }
    }
    if let Some(principal) = given("principal") {
        let was_there = was_called(&|entry| entry.principal.eq_ignore_ascii_case(principal));
        let problem = caller_problem(&cloud.world.ram, principal);
        if let Some(problem) = problem.filter(|_| !was_there) {
            return Some(problem);
        }
    }
    if let Some(flag) = given("byOos") {
        let flags = ["true", "false"];
        if !flags.iter().any(|known| known.eq_ignore_ascii_case(flag)) {
            return Some(format!("byOos {flag} must be true or false"));
        }
    }
    let is_code = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let code = given("code")?;
    (!code.chars().all(is_code))
        .then(|| format!("code {code} is none: it is OK or the code of an error"))
}

/// Filters: `since` (sequence number), `service`, `action`, `principal`, `byOos`, `code`.
pub(super) fn journal(cloud: &Cloud, request: &Request) -> Result<Later, Response> {
    let pairs = params::pairs(&request.query);
    if let Some(problem) = problem(cloud, &pairs) {
        return Err(refuse(400, problem));
    }
    let filter = |name: &str| {
        let mut all = pairs.iter();
        all.find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    };
    let since = match filter("since").map(str::parse) {
        None => 0,
        Some(Ok(since)) => since,
        Some(Err(_)) => return Err(refuse(400, "since must be a number")),
    };
    let same =
        |name: &str, have: &str| filter(name).is_none_or(|want| want.eq_ignore_ascii_case(have));
    let journal = &cloud.world.journal;
    let entries: Vec<Arc<Entry>> = journal
        .all()
        .filter(|e| e.seq >= since)
        .filter(|e| same("service", e.service.map_or("", |s| s.name())))
        .filter(|e| same("action", &e.action))
        .filter(|e| same("principal", &e.principal))
        .filter(|e| same("byOos", if e.by_oos { "true" } else { "false" }))
        .filter(|e| same("code", &e.code))
        .cloned()
        .collect();
    let (veil, next) = (journal.veil(), journal.next_seq());
    Ok(Later::new(move || {
        let entries: Vec<Value> = entries.iter().map(|e| json!(e.shown(&veil))).collect();
        answer(&json!({ "entries": entries, "next": next }))
    }))
}
