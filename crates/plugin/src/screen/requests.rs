//! The ledger of requests, the same for all kinds.

use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{Action, ActionState, HandledActions, Verb};
use ess_rollout_core::requests;
use ess_rollout_core::task::ledger;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::page::{Mood, Page, age};

/// The most lines that say why.
pub const WHY_LINES: usize = 3;
/// Requests that are shown, the newest; with `-v` all.
const REQUESTS: usize = 3;

/// The annotation of a verb.
pub fn key(verb: Verb) -> &'static str {
    let found = requests::VERBS.iter().find(|(of, _)| *of == verb);
    found.map_or("", |(_, key)| *key)
}

/// The annotation of a verb without its prefix, as people type it.
pub fn word(verb: Verb) -> &'static str {
    key(verb).rsplit('/').next().unwrap_or_default()
}

/// A target of a request. The name of the set of those that have failed would read as if the request had.
pub fn named(target: &str) -> &str {
    match target {
        "failed" => "all that failed",
        other => other,
    }
}

/// What was asked for and the operator has not read: it may not be running.
pub fn standing(page: &mut Page, metadata: &ObjectMeta, handled: &HandledActions) {
    let annotations = metadata.annotations.iter().flatten();
    let annotation = |key: &str| {
        let mut all = annotations.clone();
        all.find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    };
    for verb in ledger::new_requests(metadata, handled) {
        let value = annotation(key(verb)).unwrap_or_default();
        // What this program writes tells when.
        let nonce = value
            .rsplit('@')
            .next()
            .and_then(|nonce| nonce.parse().ok());
        let time = nonce.and_then(|nonce| Timestamp::from_millisecond(nonce).ok());
        let ago = time.filter(|time| *time <= page.now);
        let ago = ago.map_or(String::new(), |time| {
            format!(", {} ago", age(page.now, time))
        });
        let by = annotation(keys::REQUESTED_BY);
        let by = by.map_or(String::new(), |by| format!(" by {by}"));
        let head = format!("{} {value}", word(verb));
        let rest = format!(" asked for{by}{ago}: the operator has not read it");
        page.marked("  ", Mood::Waiting, &head, &rest);
    }
}

/// The newest of them, and what became of each.
pub fn requests(page: &mut Page, actions: &[Action]) {
    let shown = if page.style.verbose {
        actions.len()
    } else {
        REQUESTS
    };
    for action in actions.iter().rev().take(shown).rev() {
        let mood = match action.state {
            ActionState::Accepted => Mood::Moving,
            ActionState::Applied => Mood::Good,
            ActionState::Rejected => Mood::Bad,
        };
        let mut what = vec![word(action.verb)];
        what.extend(action.targets.iter().map(|target| named(target)));
        let by = match action.requested_by.as_str() {
            "" => String::new(),
            by => format!(" by {by}"),
        };
        let why = match (action.state, action.message.as_str()) {
            (ActionState::Applied, _) | (_, "") => String::new(),
            (_, message) => format!(": {message}"),
        };
        let note = match action.note.as_str() {
            "" => String::new(),
            note => format!(" \"{note}\""),
        };
        let head = format!("{} {:?}", what.join(" "), action.state);
        let rest = format!("{by}{note}, {} ago{why}", page.ago(&action.time));
        page.marked("  ", mood, &head, &rest);
    }
}
