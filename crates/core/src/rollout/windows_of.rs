//! The windows that are for an object: the one in its spec, those that it names, those that select it.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{MaintenanceWindowSpec, WindowPolicy};

use crate::task::ask::{SeenWindow, SeenWindows};
use crate::task::reason::Reason;
use crate::windows::{self, Invalid, Subject, Window};

/// The path of the window in the spec.
pub(super) const FIELD: &str = "spec.window";

/// The kind of windows that several objects share.
pub(super) const KIND: &str = "MaintenanceWindow";

/// The windows that are for an object.
#[derive(Debug, Default)]
pub(super) struct Windows {
    /// Those that can be read. What they say together counts.
    pub(super) all: Vec<Window>,
    /// Why nothing begins, whatever those say.
    pub(super) unknown: Option<Unknown>,
    /// Of a rollback: those that select it, which hold none.
    pub(super) passed_over: Vec<Window>,
}

impl Windows {
    /// Whether there is any.
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty() && self.unknown.is_none()
    }
}

/// What a window says is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unknown {
    pub(super) reason: Reason,
    /// A sentence without its end: which window, what is wrong, and the cure.
    pub(super) message: String,
    pub(super) whose: Whose,
}

/// What has to change for it to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
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
pub(super) struct Own<'a> {
    pub(super) namespace: &'a str,
    pub(super) policy: &'a WindowPolicy,
    /// A rollback goes back at once: windows that merely select it do not hold it.
    pub(super) is_rollback: bool,
    /// The id of its scaling group.
    pub(super) group: &'a str,
}

/// The tags of the object's scaling group, or why they are not known.
pub(super) type Tags<'a> = Result<&'a BTreeMap<String, String>, String>;

/// The window in the spec, if there is one.
///
/// # Errors
/// The field, what is wrong with it, and the cure.
pub(super) fn in_spec(policy: &WindowPolicy) -> Result<Option<Window>, Invalid> {
    let written = policy.window.as_ref();
    written
        .map(|written| Window::parse(FIELD, FIELD, written))
        .transpose()
}

/// Whether it takes the tags of the group to say which windows are for the object.
pub(super) fn take_tags(seen: &SeenWindows, own: &Own<'_>) -> bool {
    let mut selecting = selecting(seen, own);
    selecting.any(|window| windows::asks_for_tags(selector(window)))
}

/// The windows that are for an object.
pub(super) fn of(seen: &SeenWindows, own: &Own<'_>, tags: &Tags<'_>) -> Windows {
    let mut found = Windows::default();
    match in_spec(own.policy) {
        Ok(window) => found.all.extend(window),
        Err(invalid) => found.note(invalid.reason, invalid.message, Whose::Spec),
    }
    for name in &own.policy.window_refs {
        match named(seen, own, name) {
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
                    found.add(window, Whose::Selecting);
                }
            }
        }
    }
    found.passed_over = passed_over.all;
    found
}

impl Windows {
    fn add(&mut self, window: &SeenWindow, whose: Whose) {
        match parsed(window) {
            Ok(window) => self.all.push(window),
            Err(message) => self.note(Reason::WindowUnreadable, message, whose),
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
    let names = own.policy.window_refs.iter();
    let named: Vec<_> = names.filter_map(|name| named(seen, own, name)).collect();
    let all = seen.windows.iter().map(|window| &**window);
    all.filter(move |window| {
        let operator = &seen.operator_namespace;
        windows::may_select(selector(window), &window.namespace, operator, own.namespace)
            && !named.iter().any(|named| std::ptr::eq(*named, *window))
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
    format!(
        "spec.windowRefs names {name}, and there is no MaintenanceWindow of that name in {places}: create it, or leave it out in a new object"
    )
}

fn selector(window: &SeenWindow) -> Option<&ess_rollout_api::v1alpha1::WindowSelector> {
    window.spec.as_ref()?.selector.as_ref()
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
