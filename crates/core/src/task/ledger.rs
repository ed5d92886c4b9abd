//! The ledger of requests, whatever kind of object they are for: entries, their order and their end.

use ess_rollout_api::requests as keys;
use ess_rollout_api::v1alpha1::{Action, ActionState, ActionTarget, HandledActions, Verb};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use super::conditions::{named, shorten};
use super::decision::Event;
use super::reason::Reason;
use super::requests;

/// Reason of the Event of a request that had its effect. Its action is the verb.
pub const ACTION_APPLIED: Reason = Reason::ActionApplied;
/// Reason of the Event of a request that was refused. Its action is the verb.
pub const ACTION_REJECTED: Reason = Reason::ActionRejected;

/// The most targets of a request that its Event names.
const TARGETS_SHOWN: usize = 10;

/// How many settled requests are kept. Open ones are never dropped.
const SETTLED_MAX: usize = 20;
/// How many annotations that mean nothing are told of.
const UNKNOWN_ANNOTATIONS_MAX: usize = 16;
/// The most bytes of an annotation's value that are recorded.
const VALUE_MAX: usize = 2048;
/// The most bytes of a name that are.
const NAME_MAX: usize = 128;
/// The most characters of a note that are.
const NOTE_MAX: usize = 256;
/// What stands before a name that anybody may have written.
pub const UNVERIFIED: &str = "unverified:";

pub(crate) fn annotation<'a>(metadata: &'a ObjectMeta, key: &str) -> Option<&'a str> {
    let annotations = metadata.annotations.as_ref()?;
    annotations.get(key).map(String::as_str)
}

/// Whether a value asks for something that is not on record. Compared as recorded: a value too long
/// to record is one request, not one at each look.
pub(crate) fn is_new(handled: &HandledActions, verb: Verb, value: &str) -> bool {
    handled.get(verb) != Some(shorten(value, VALUE_MAX).as_str())
}

/// What is asked of an object by annotation and not on record.
pub fn new_requests(metadata: &ObjectMeta, handled: &HandledActions) -> impl Iterator<Item = Verb> {
    let new = requests::VERBS.into_iter().filter(|(verb, key)| {
        annotation(metadata, key).is_some_and(|value| is_new(handled, *verb, value))
    });
    new.map(|(verb, _)| verb)
}

/// Whether this is asked of an object and not on record.
pub(crate) fn is_asked(
    metadata: &ObjectMeta,
    handled: Option<&HandledActions>,
    verb: Verb,
) -> bool {
    let none = HandledActions::default();
    new_requests(metadata, handled.unwrap_or(&none)).any(|asked| asked == verb)
}

/// Where a request comes from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// Of the object that has it.
    pub(crate) metadata: &'a ObjectMeta,
    /// Whether nobody can have written another name than his own.
    pub(crate) names_verified: bool,
}

impl Origin<'_> {
    fn requested_by(self) -> String {
        let name = annotation(self.metadata, keys::REQUESTED_BY).unwrap_or_default();
        match self.names_verified || name.is_empty() {
            true => shorten(name, NAME_MAX),
            false => shorten(&format!("{UNVERIFIED}{name}"), NAME_MAX),
        }
    }

    /// One line: it is printed to terminals.
    fn note(self) -> String {
        let note = annotation(self.metadata, keys::REQUEST_NOTE).unwrap_or_default();
        let line = |c: char| if c.is_control() { ' ' } else { c };
        if note.chars().nth(NOTE_MAX).is_none() {
            return note.chars().map(line).collect();
        }
        let kept: String = note.chars().take(NOTE_MAX - 3).map(line).collect();
        format!("{kept}...")
    }
}

/// Whether a request that is new is still meant, by [`keys::REQUEST_EXPIRES`]. Asked once, when it is accepted: what is on record
/// does not expire.
///
/// # Errors
/// Why it is rejected, in a word and a sentence for the user.
pub(crate) fn in_time(metadata: &ObjectMeta, now: Timestamp) -> Result<(), (Reason, String)> {
    let key = keys::REQUEST_EXPIRES;
    let Some(value) = annotation(metadata, key) else {
        return Ok(());
    };
    let Ok(expires) = value.parse::<Timestamp>() else {
        let shown = shorten(value, 64);
        let why = format!(
            "{key} {shown:?} is no time: write it as 2026-11-27T18:00:00Z, or take it away, and set another value"
        );
        return Err((Reason::Malformed, why));
    };
    if now <= expires {
        return Ok(());
    }
    let why = format!(
        "it was meant until {expires} ({key}) and first seen at {now}: take that annotation away or set a later time, and set another value"
    );
    Err((Reason::Expired, why))
}

/// A request that is accepted now.
pub(crate) fn entry(origin: Origin<'_>, verb: Verb, value: &str, now: Timestamp) -> Action {
    Action {
        id: requests::action_id(verb, value),
        verb,
        targets: Vec::new(),
        instances: Vec::new(),
        state: ActionState::Accepted,
        reason: String::new(),
        message: String::new(),
        requested_by: origin.requested_by(),
        note: origin.note(),
        time: Time(now),
        end_time: None,
    }
}

/// Puts an entry on record, and drops the oldest settled ones.
pub(crate) fn record(
    actions: &mut Vec<Action>,
    handled: &mut HandledActions,
    value: &str,
    action: Action,
) {
    handled.set(action.verb, shorten(value, VALUE_MAX));
    // A value that comes back after another was set is a new request with an old id; but one that is
    // open may have a call under way, which must not be forgotten.
    let open = |old: &Action| old.id == action.id && old.state == ActionState::Accepted;
    if actions.iter().any(open) {
        return;
    }
    actions.retain(|old| old.id != action.id);
    actions.push(action);
    let settled = actions.iter().filter(|a| a.state != ActionState::Accepted);
    let mut excess = settled.count().saturating_sub(SETTLED_MAX);
    actions.retain(|action| {
        let drop = excess > 0 && action.state != ActionState::Accepted;
        excess -= usize::from(drop);
        !drop
    });
}

pub(crate) fn resolve(
    action: &mut Action,
    state: ActionState,
    reason: Reason,
    message: &str,
    now: Timestamp,
) {
    action.state = state;
    action.reason = reason.into();
    action.message = shorten(message, 512);
    action.end_time = Some(Time(now));
}

/// How many windows may be overridden (CRD: `status.windowsOverridden`).
const OVERRIDDEN_MAX: usize = 100;

/// Has windows count no more, as the request of the newest entry asks.
pub(crate) fn note_overridden(
    (actions, overridden): (&mut [Action], &mut Vec<String>),
    windows: Vec<String>,
    now: Timestamp,
) {
    let news = windows.iter().filter(|window| !overridden.contains(window));
    let news: Vec<String> = news.cloned().collect();
    overridden.extend(news);
    overridden.truncate(OVERRIDDEN_MAX);
    if let Some(action) = actions.last_mut() {
        action.targets = windows;
        let message = "they count no more for this object";
        resolve(
            action,
            ActionState::Applied,
            Reason::Overridden,
            message,
            now,
        );
    }
}

pub(crate) fn open(actions: &[Action], verb: Verb) -> Option<&Action> {
    actions
        .iter()
        .find(|action| action.verb == verb && action.state == ActionState::Accepted)
}

pub(crate) fn resolve_all(
    actions: &mut [Action],
    verb: Verb,
    state: ActionState,
    reason: Reason,
    message: &str,
    now: Timestamp,
) {
    for action in actions {
        if action.verb == verb && action.state == ActionState::Accepted {
            resolve(action, state, reason, message, now);
        }
    }
}

/// Takes note of annotations that look like requests and are none: a slip of the pen would wait for
/// its effect for ever. Each is told of once.
pub(crate) fn note_unknown_annotations(metadata: &ObjectMeta, unknown: &mut Vec<String>) {
    for key in metadata.annotations.iter().flatten().map(|(key, _)| key) {
        let ours = key.strip_prefix(ess_rollout_api::GROUP);
        let news = ours.is_some_and(|rest| rest.starts_with('/'))
            && !keys::KNOWN.contains(&key.as_str())
            && !unknown.contains(key);
        if news && unknown.len() < UNKNOWN_ANNOTATIONS_MAX {
            unknown.push(key.clone());
        }
    }
}

pub(crate) fn unknown_annotation_events(old: &[String], new: &[String]) -> Vec<Event> {
    let news = new.iter().filter(|key| !old.contains(key));
    news.map(|key| {
        Event::warning(
            Reason::UnknownAnnotation,
            "Request",
            format!(
                "annotation {key} means nothing to the operator; it knows {}",
                keys::KNOWN.join(", ")
            ),
        )
    })
    .collect()
}

pub(crate) fn resolved_events(old: &[Action], new: &[Action]) -> Vec<Event> {
    // A value that came back is another request with the same id.
    let same = |a: &Action, b: &Action| a.id == b.id && a.state == b.state && a.time == b.time;
    let news = new
        .iter()
        .filter(|action| !old.iter().any(|before| same(before, action)));
    let event = |action: &Action| {
        let verb = format!("{:?}", action.verb);
        let targets = named(&action.targets, TARGETS_SHOWN);
        let note = format!("{verb} {targets}: {} {}", action.reason, action.message);
        match action.state {
            ActionState::Accepted => None,
            ActionState::Applied => Some(Event::normal(ACTION_APPLIED, &verb, note)),
            ActionState::Rejected => Some(Event::warning(ACTION_REJECTED, &verb, note)),
        }
    };
    news.filter_map(event).collect()
}

pub(crate) fn count_open(actions: &[Action]) -> usize {
    open_targets(actions).count()
}

pub(crate) fn is_open(actions: &[Action], instance: &str) -> bool {
    open_targets(actions).any(|target| target.instance == instance && is_instance(target))
}

pub(crate) fn is_calling(actions: &[Action]) -> bool {
    open_targets(actions).any(|target| target.call.is_some())
}

/// Whether an instance is meant, and not a task of the execution itself.
pub(crate) fn is_instance(target: &ActionTarget) -> bool {
    target.task_execution_id.is_none()
}

fn open_targets(actions: &[Action]) -> impl Iterator<Item = &ActionTarget> {
    let targets = actions.iter().flat_map(|action| &action.instances);
    targets.filter(|target| target.state == ActionState::Accepted)
}
