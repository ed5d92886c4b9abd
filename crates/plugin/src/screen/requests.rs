//! The ledger of requests, the same for all kinds.

use ess_rollout_api::v1alpha1::{Action, ActionState, Verb};
use ess_rollout_core::requests;

use super::page::{Mood, Page};

/// The most lines that say why.
pub const WHY_LINES: usize = 3;
/// Requests that are shown, the newest; with `-v` all.
const REQUESTS: usize = 3;

/// The annotation of a verb without its prefix, as people type it.
pub fn word(verb: Verb) -> &'static str {
    let found = requests::VERBS.iter().find(|(of, _)| *of == verb);
    let key = found.map_or("", |(_, key)| *key);
    key.rsplit('/').next().unwrap_or_default()
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
        what.extend(action.targets.iter().map(String::as_str));
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
