//! The windows that are for an object: the one in its spec, those that it names, those that select it.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{self as api, MaintenanceWindowSpec, WindowSelector};
use ess_rollout_cloud::{Answer, Query};
use jiff::Timestamp;

use super::ask::{SeenWindow, SeenWindows};
use super::observation::{Known, Missing, Observation};
use super::reason::Reason;
use super::requests::WindowTargets;
use crate::windows::{self, Invalid, Subject, Window};

/// The path of the window in the spec.
pub(crate) const FIELD: &str = "spec.window";

/// The kind of windows that several objects share.
pub(crate) const KIND: &str = "MaintenanceWindow";

/// The windows that are for an object.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    /// Those that can be read. What they say together counts.
    pub(crate) all: Vec<Window>,
    /// Why nothing begins, whatever those say.
    pub(crate) unknown: Option<Unknown>,
    /// The names, for people, of those that its spec names.
    pub(crate) named: Vec<String>,
    /// What all that are for it are called by, readable or not: [`FIELD`], namespace and name.
    pub(crate) called: Vec<String>,
    /// What those of them are called by that are there and cannot be read.
    pub(crate) unreadable: Vec<String>,
    /// Of a rollback: those that select it, which hold none.
    pub(crate) passed_over: Vec<Window>,
    /// Whether the windows in the spec, and those that it names, stay as they were written.
    pub(crate) is_fixed: bool,
}

impl Windows {
    /// Whether there is any.
    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.unknown.is_none()
    }
}

/// What a window says is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) reason: Reason,
    /// A sentence without its end: which window, what is wrong, and the cure.
    pub(crate) message: String,
    pub(crate) whose: Whose,
}

/// What has to change for it to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// The spec of the object, which does not change: it never is.
    Spec,
    /// A window that the object names.
    Named,
    /// A window that selects it, of which whoever wrote the object need not know.
    Selecting,
    /// Nothing: the group is read again.
    Cloud,
}

/// What of an object decides which windows are for it.
pub(crate) struct Own<'a> {
    pub(crate) namespace: &'a str,
    /// The window in its spec.
    pub(crate) window: Option<&'a api::Window>,
    /// Those that its spec names.
    pub(crate) refs: &'a [String],
    /// A rollback goes back at once: windows that merely select it do not hold it.
    pub(crate) is_rollback: bool,
    /// Whether what it names stays as it was written.
    pub(crate) is_fixed: bool,
    /// The id of its scaling group.
    pub(crate) group: &'a str,
    /// What those are called by that somebody has overridden: they are not for it.
    pub(crate) overridden: &'a [String],
}

impl Own<'_> {
    /// Whether it is not for the object any more.
    pub(crate) fn is_overridden(&self, called: &str) -> bool {
        self.overridden.iter().any(|known| known == called)
    }
}

/// The windows that are for an object, found once that is asked for.
pub(crate) struct WindowsOf<'a> {
    seen: &'a SeenWindows,
    pub(crate) own: Own<'a>,
    tags: GroupTags<'a>,
    found: OnceCell<Windows>,
}

impl<'a> WindowsOf<'a> {
    /// Of what was seen and observed by now.
    pub(crate) fn new(
        seen: &'a SeenWindows,
        own: Own<'a>,
        observation: &'a Observation,
        now: Timestamp,
    ) -> Self {
        let group = own.group;
        Self {
            seen,
            own,
            tags: GroupTags {
                observation,
                group,
                now,
            },
            found: OnceCell::new(),
        }
    }

    /// All of them.
    pub(crate) fn found(&self) -> &Windows {
        let found = || of(self.seen, &self.own, &self.tags.known());
        self.found.get_or_init(found)
    }

    /// Asks for the tags of its group, if they say which windows are for it: see [`GroupTags::require`].
    pub(crate) fn require_tags(&self, begun: bool) -> Known<()> {
        match take_tags(self.seen, &self.own) {
            true => self.tags.require(begun),
            false => Ok(()),
        }
    }

    /// What those are called by that a request is to override.
    ///
    /// # Errors
    /// Which of them is not for the object, in a word and a sentence.
    pub(crate) fn named_by(
        &self,
        targets: &WindowTargets,
    ) -> Result<Vec<String>, (Reason, String)> {
        named_by(self.seen, &self.own, self.found(), targets)
    }
}

/// The tags of the object's scaling group, or why they are not known.
type Tags<'a> = Result<&'a BTreeMap<String, String>, String>;

/// How old the tags of a group may be in what has begun, in seconds.
const TAGS_AGE: i64 = 600;

/// The tags of a scaling group.
struct GroupTags<'a> {
    observation: &'a Observation,
    group: &'a str,
    now: Timestamp,
}

impl<'a> GroupTags<'a> {
    /// Asks for them. In what has `begun` they may be some minutes old, and what becomes of reading them is [`of`]'s to say.
    fn require(&self, begun: bool) -> Known<()> {
        match begun {
            false => self.observation.scaling_group(self.group).map(|_| ()),
            true => match self.observation.recent(&self.query(), self.since()) {
                Err(Missing::Read(asks)) => Err(Missing::Read(asks)),
                Ok(_) | Err(Missing::Failed(_)) => Ok(()),
            },
        }
    }

    fn query(&self) -> Query {
        Query::ScalingGroup {
            group: self.group.to_owned(),
        }
    }

    /// All who look within the same minutes share one answer.
    fn since(&self) -> Timestamp {
        let now = self.now.as_second();
        Timestamp::from_second(now - now.rem_euclid(TAGS_AGE)).unwrap_or(self.now)
    }

    /// What is known of them.
    fn known(&self) -> Tags<'a> {
        const NONE: &BTreeMap<String, String> = &BTreeMap::new();
        let group = match self.observation.scaling_group(self.group) {
            Err(Missing::Read(_)) => {
                let found = self.observation.recent(&self.query(), self.since());
                found.map(|answer| match answer {
                    Answer::ScalingGroup(group) => group.as_ref(),
                    _ => None,
                })
            }
            known => known.map(Option::as_ref),
        };
        match group {
            Ok(group) => Ok(group.map_or(NONE, |group| &group.tags)),
            Err(Missing::Failed(error)) => Err(error.to_string()),
            Err(Missing::Read(_)) => Err("they have not been read yet".to_owned()),
        }
    }
}

/// The window in the spec, if there is one.
///
/// # Errors
/// The field, what is wrong with it, and the cure.
pub(crate) fn in_spec(written: Option<&api::Window>) -> Result<Option<Window>, Invalid> {
    written
        .map(|written| Window::parse(FIELD, FIELD, written))
        .transpose()
}

/// Whether it takes the tags of the group to say which windows are for the object.
fn take_tags(seen: &SeenWindows, own: &Own<'_>) -> bool {
    let mut selecting = selecting(seen, own);
    selecting.any(|window| windows::asks_for_tags(selector(window)))
}

/// The windows that are for an object.
fn of(seen: &SeenWindows, own: &Own<'_>, tags: &Tags<'_>) -> Windows {
    let mut found = Windows {
        is_fixed: own.is_fixed,
        ..Windows::default()
    };
    if own.window.is_some() && !own.is_overridden(FIELD) {
        found.called.push(FIELD.to_owned());
        match in_spec(own.window) {
            Ok(window) => found.all.extend(window),
            Err(invalid) => found.note(invalid.reason, invalid.message, Whose::Spec),
        }
    }
    for name in own.refs {
        let window = named(seen, own, name);
        // As it was called while there was none, wherever it is now.
        let beside = format!("{}/{name}", own.namespace);
        let called = window.map_or_else(|| beside.clone(), key);
        if own.is_overridden(&called) || own.is_overridden(&beside) {
            continue;
        }
        found.called.push(called);
        match window {
            Some(window) => found.add(window, Whose::Named),
            None => found.note(
                Reason::WindowNotFound,
                not_found(seen, own, name),
                Whose::Named,
            ),
        }
    }
    let mut passed_over = Windows::default();
    for window in selecting(seen, own) {
        let found = match own.is_rollback {
            true => &mut passed_over,
            false => &mut found,
        };
        match tags {
            Err(why) if windows::asks_for_tags(selector(window)) => {
                let message = format!(
                    "the tags of scaling group {}, by which {} says what it is for, cannot be read: {why}",
                    own.group,
                    called(window)
                );
                found.called.push(key(window));
                found.note(Reason::WindowUnreadable, message, Whose::Cloud);
            }
            tags => {
                let none = BTreeMap::new();
                let task = Subject {
                    namespace: own.namespace,
                    tags: tags.as_ref().map_or(&none, |tags| *tags),
                };
                let operator = &seen.operator_namespace;
                if windows::selects(selector(window), &window.namespace, operator, &task) {
                    found.called.push(key(window));
                    found.add(window, Whose::Selecting);
                }
            }
        }
    }
    found.passed_over = passed_over.all;
    found
}

/// See [`WindowsOf::named_by`].
fn named_by(
    seen: &SeenWindows,
    own: &Own<'_>,
    found: &Windows,
    targets: &WindowTargets,
) -> Result<Vec<String>, (Reason, String)> {
    let names = match targets {
        WindowTargets::Named(names) => names,
        WindowTargets::All if found.called.is_empty() => {
            let message = "no window is for it that still counts";
            return Err((Reason::WindowNotFound, message.to_owned()));
        }
        WindowTargets::All => return Ok(found.called.clone()),
    };
    let known = |called: &String| found.called.contains(called) || own.is_overridden(called);
    let one = |name: &String| {
        let here = format!("{}/{name}", own.namespace);
        let of_operator = format!("{}/{name}", seen.operator_namespace);
        let meant = [name.clone(), here, of_operator].into_iter().find(known);
        meant.ok_or_else(|| {
            let those = match found.called.as_slice() {
                [] => "no window is".to_owned(),
                called => format!("those that are: {}", called.join(", ")),
            };
            let message = format!("no window {name} is for it; {those}");
            (Reason::WindowNotFound, message)
        })
    };
    names.iter().map(one).collect()
}

impl Windows {
    fn add(&mut self, window: &SeenWindow, whose: Whose) {
        match parsed(window) {
            Ok(window) => {
                if whose == Whose::Named {
                    self.named.push(window.name().to_owned());
                }
                self.all.push(window);
            }
            Err(message) => {
                self.unreadable.push(key(window));
                self.note(Reason::WindowUnreadable, message, whose);
            }
        }
    }

    /// The first is told of.
    fn note(&mut self, reason: Reason, message: String, whose: Whose) {
        self.unknown.get_or_insert(Unknown {
            reason,
            message,
            whose,
        });
    }
}

/// The windows that select the object, whatever the tags of its group are, and that it does not name.
fn selecting<'a>(
    seen: &'a SeenWindows,
    own: &'a Own<'_>,
) -> impl Iterator<Item = &'a SeenWindow> + use<'a> {
    let names = own.refs.iter();
    let named: Vec<_> = names.filter_map(|name| named(seen, own, name)).collect();
    let all = seen.windows.iter().map(|window| &**window);
    all.filter(move |window| {
        let operator = &seen.operator_namespace;
        windows::may_select(selector(window), &window.namespace, operator, own.namespace)
            && !named.iter().any(|named| std::ptr::eq(*named, *window))
            && !own.is_overridden(&key(window))
    })
}

/// The window that the object names: the one beside it, or else the operator's.
fn named<'a>(seen: &'a SeenWindows, own: &Own<'_>, name: &str) -> Option<&'a SeenWindow> {
    let of = |namespace: &str| {
        let mut all = seen.windows.iter();
        all.find(|window| window.name == name && window.namespace == namespace)
    };
    let found = of(own.namespace).or_else(|| of(&seen.operator_namespace));
    found.map(|window| &**window)
}

fn not_found(seen: &SeenWindows, own: &Own<'_>, name: &str) -> String {
    let operator = &seen.operator_namespace;
    let places = match own.namespace == operator {
        true => format!("namespace {operator}"),
        false => format!(
            "namespace {}, nor in the operator's, {operator}",
            own.namespace
        ),
    };
    let or = match own.is_fixed {
        true => "leave it out in a new object",
        false => "leave it out",
    };
    format!(
        "spec.windowRefs names {name}, and there is no MaintenanceWindow of that name in {places}: create it, or {or}"
    )
}

fn selector(window: &SeenWindow) -> Option<&WindowSelector> {
    window.spec.as_ref()?.selector.as_ref()
}

/// What it is called by in a request.
fn key(window: &SeenWindow) -> String {
    format!("{}/{}", window.namespace, window.name)
}

/// What people are told that it is.
fn called(window: &SeenWindow) -> String {
    format!("{KIND} {}/{}", window.namespace, window.name)
}

fn parsed(window: &SeenWindow) -> Result<Window, String> {
    let called = called(window);
    let Some(MaintenanceWindowSpec { window, .. }) = &window.spec else {
        return Err(format!(
            "{called} cannot be decoded: delete it, or install the operator of the version that it was written for"
        ));
    };
    let read = Window::parse(&called, "spec", window);
    read.map_err(|invalid| format!("{called} cannot be read: {}", invalid.message))
}
