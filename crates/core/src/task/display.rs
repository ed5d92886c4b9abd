//! What people and tools read of an object: the state word and the conditions, written here and nowhere else.
//!
//! A stage works on a [`Draft`]: the status without anything that is displayed, so that nothing can be decided by that, and
//! what the stage has to say, in words of its own. [`Draft::render`] makes the status of the two. What a stage does not speak
//! of stays as it was.

use std::fmt::Debug;
use std::ops::{Deref, DerefMut};

use ess_rollout_api::{LAYOUT_VERSION, v1alpha1::condition};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::cloud_failure::Failure;
use super::conditions;
use super::reason::Reason;
use crate::identity::hash_text;

/// The status of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value {
    True,
    False,
    Unknown,
}

impl Value {
    /// Of what something stands against: nobody knows, where that passes by itself.
    pub(crate) fn of_obstacle(passes: bool) -> Self {
        match passes {
            true => Self::Unknown,
            false => Self::False,
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Where an object is: the word in `status.state`, and what follows from it for the conditions.
pub(crate) trait Phase: Copy + PartialEq + Debug + 'static {
    /// All whose name is a word of `status.state`.
    const ALL: &'static [Self];
    /// The one of these whose name is the word for this.
    fn named(self) -> Self;
    /// `Ready`. By kstatus's rule `False` goes with `Stalled`, and `Unknown` with `Reconciling`.
    fn ready(self) -> Value;
    /// `Succeeded`, if this says anything of it.
    fn succeeded(self) -> Option<Value>;
    /// `Paused`, of a kind that has pauses.
    fn paused(self) -> Option<bool> {
        None
    }

    fn from_word(word: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|phase| phase.word() == word)
    }

    /// The word in `status.state`.
    fn word(self) -> String {
        format!("{:?}", self.named())
    }
}

/// Every word of `status.state`.
pub(crate) fn words<P: Phase>() -> Vec<String> {
    P::ALL.iter().map(|phase| phase.word()).collect()
}

/// The fields that every status has.
pub(crate) struct Fields<'s> {
    pub(crate) state: &'s mut Option<String>,
    pub(crate) conditions: &'s mut Vec<Condition>,
    pub(crate) call_refused: &'s mut Option<String>,
    pub(crate) layout: &'s mut Option<String>,
    pub(crate) layout_version: &'s mut Option<i32>,
    pub(crate) observed_generation: &'s mut Option<i64>,
    pub(crate) unknown_annotations: &'s mut Vec<String>,
}

/// A status that is displayed.
pub(crate) trait Displayed: Clone + PartialEq + 'static {
    type Phase: Phase;

    /// What every such status has, by the names that it has there.
    fn fields(&mut self) -> Fields<'_>;
    /// What is displayed, as a text: another version that writes anything of it changes this.
    fn displayed(&self) -> String;
    /// Takes note of a phase that is said.
    fn note_phase(&mut self, phase: Self::Phase);
    /// Takes away the conditions of the parts of the object that have some of their own.
    fn clear_parts(&mut self) {}
    /// Writes those, as they were in `old` but for what has changed and for what is said.
    fn show_parts(&mut self, _old: &Self, _said: &[SaidOfPart], _now: Timestamp) {}
    /// Of a status of an older layout: takes from what is displayed what has a field of its own by now.
    fn recall(&mut self, now: Timestamp);
}

/// A reason in one CamelCase word, and what there is to say in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Because {
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

/// One condition of a part of an object, such as an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SaidOfPart {
    pub(crate) part: String,
    pub(crate) type_: &'static str,
    pub(crate) value: Value,
    pub(crate) because: Because,
}

/// One thing that a stage says.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said<P> {
    /// Where the object is.
    Phase(P, Because),
    Condition(&'static str, Value, Because),
    /// The same, unless it is True.
    UnlessTrue(&'static str, Value, Because),
    /// A call of the cloud fails, or something else than a failed call keeps the object from moving: what is known stays.
    Hindered(Value, Because),
    /// It is waited for something that a look did not show.
    Unseen(Because),
}

/// A status in the making: what is remembered, without what is displayed; and what is to be displayed of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Draft<S: Displayed> {
    memory: S,
    said: Vec<Said<S::Phase>>,
    said_of_parts: Vec<SaidOfPart>,
    /// The last phase that was said, or was shown before.
    phase: Option<S::Phase>,
}

impl<S: Displayed> Deref for Draft<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.memory
    }
}

impl<S: Displayed> DerefMut for Draft<S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.memory
    }
}

fn because_of(reason: Reason, message: &str) -> Because {
    Because {
        reason,
        message: message.to_owned(),
    }
}

/// A status as read, with all fields of the layout that is written now.
pub(crate) fn recalled<S: Displayed>(mut status: S, now: Timestamp) -> S {
    let seal = seal(&status);
    let Fields { layout, state, .. } = status.fields();
    if layout.as_ref() != Some(&seal) {
        if let Some(phase) = state.as_deref().and_then(S::Phase::from_word) {
            status.note_phase(phase);
        }
        status.recall(now);
    }
    status
}

impl<S: Displayed> From<S> for Draft<S> {
    fn from(mut memory: S) -> Self {
        let phase = memory.fields().state.take();
        memory.fields().conditions.clear();
        memory.clear_parts();
        Self {
            memory,
            said: Vec::new(),
            said_of_parts: Vec::new(),
            phase: phase.as_deref().and_then(S::Phase::from_word),
        }
    }
}

impl<S: Displayed> Draft<S> {
    /// Says where the object is, and so that no call is refused any more.
    pub(crate) fn show(&mut self, phase: S::Phase, reason: Reason, message: &str) {
        *self.memory.fields().call_refused = None;
        self.memory.note_phase(phase);
        self.phase = Some(phase);
        self.said
            .push(Said::Phase(phase, because_of(reason, message)));
    }

    /// As [`Draft::show`] before another try of a call; but a refusal of the last one stays on show until one succeeds, or
    /// each try would change the object twice.
    pub(crate) fn show_unless_refused(&mut self, phase: S::Phase, reason: Reason, message: &str) {
        let same = self
            .phase
            .is_some_and(|shown| shown.named() == phase.named());
        if !same || self.memory.fields().call_refused.is_none() {
            self.show(phase, reason, message);
        }
    }

    pub(crate) fn set(&mut self, type_: &'static str, value: Value, reason: Reason, message: &str) {
        let because = because_of(reason, message);
        self.said.push(Said::Condition(type_, value, because));
    }

    /// Says that it is not known whether a start is possible, unless the last word is that it is.
    pub(crate) fn forget_obstacles(&mut self, reason: Reason) {
        let because = because_of(reason, "");
        let said = Said::UnlessTrue(condition::PREFLIGHT, Value::Unknown, because);
        self.said.push(said);
    }

    pub(crate) fn set_of(
        &mut self,
        part: &str,
        type_: &'static str,
        value: Value,
        because: (Reason, &str),
    ) {
        self.said_of_parts.push(SaidOfPart {
            part: part.to_owned(),
            type_,
            value,
            because: because_of(because.0, because.1),
        });
    }

    /// Says that a call of the cloud fails: what is known stays. One that a person has to mend something for outlasts those
    /// that pass.
    pub(crate) fn failed(&mut self, failure: &Failure) {
        let stalled = |phase: S::Phase| phase.ready() == Value::False;
        let refused = self.memory.fields().call_refused;
        if failure.needs_person {
            *refused = Some(failure.reason.into());
        } else if refused.is_some() || self.phase.is_some_and(stalled) {
            // Already waits for a person: not reaching the cloud changes nothing about that.
            return;
        }
        let value = Value::of_obstacle(!failure.needs_person);
        let because = because_of(failure.reason, &failure.message);
        self.said.push(Said::Hindered(value, because));
    }

    /// The same while nothing is under way.
    pub(crate) fn hold_up(&mut self, failure: &Failure, blocked: S::Phase, passing: S::Phase) {
        let phase = match failure.needs_person {
            true => blocked,
            false => passing,
        };
        self.show(phase, failure.reason, &failure.message);
    }

    /// Says that a start is not known to be possible.
    pub(crate) fn refuse_start(&mut self, failure: &Failure) {
        let value = Value::of_obstacle(!failure.needs_person);
        let (reason, message) = (failure.reason, &failure.message);
        self.set(condition::PREFLIGHT, value, reason, message);
    }

    /// Says that nothing stands against the start.
    pub(crate) fn passed(&mut self, message: &str) {
        self.set(condition::PREFLIGHT, Value::True, Reason::Passed, message);
    }

    /// Says that something besides a failed call keeps the object from moving until a person acts. What is known stays as it
    /// is.
    pub(crate) fn needs_person(&mut self, reason: Reason, message: &str) {
        *self.memory.fields().call_refused = None;
        let because = because_of(reason, message);
        self.said.push(Said::Hindered(Value::False, because));
    }

    /// Says that something was not seen that is looked for again. What is known stays as it is.
    pub(crate) fn unseen(&mut self, reason: Reason, message: &str) {
        *self.memory.fields().call_refused = None;
        self.said.push(Said::Unseen(because_of(reason, message)));
    }

    /// The status: what is remembered, displayed as it was in `old`, but for what is said.
    pub(crate) fn render(self, mut old: S, generation: Option<i64>, now: Timestamp) -> S {
        let mut status = self.memory;
        *status.fields().state = old.fields().state.take();
        *status.fields().conditions = std::mem::take(old.fields().conditions);
        status.show_parts(&old, &self.said_of_parts, now);
        for said in self.said {
            let mut shown = Shown {
                all: status.fields().conditions,
                generation,
                now,
            };
            match said {
                Said::UnlessTrue(type_, ..) if shown.is_true(type_) => {}
                Said::Condition(type_, value, because)
                | Said::UnlessTrue(type_, value, because) => {
                    shown.set(type_, value, &because);
                }
                Said::Hindered(value, because) => shown.ready(value, &because),
                Said::Unseen(because) => shown.present(Some(condition::RECONCILING), &because),
                Said::Phase(phase, because) => {
                    shown.phase(phase, &because);
                    *status.fields().state = Some(phase.word());
                }
            }
        }
        status
    }
}

/// A status that is about to be written has the layout of this version.
pub(crate) fn lay_out<S: Displayed>(status: &mut S) {
    *status.fields().layout = Some(seal(status));
    *status.fields().layout_version = Some(LAYOUT_VERSION);
}

fn seal<S: Displayed>(status: &S) -> String {
    hash_text(&status.displayed())[..16].to_owned()
}

/// Conditions as a text, for [`Displayed::displayed`].
pub(crate) fn conditions_as_text(all: &[Condition]) -> String {
    let words = |c: &Condition| [&c.type_, &c.status, &c.reason, &c.message].map(String::clone);
    all.iter().flat_map(words).collect::<Vec<_>>().join("\n")
}

/// The conditions of an object, being written.
struct Shown<'c> {
    all: &'c mut Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
}

impl Shown<'_> {
    fn is_true(&self, type_: &str) -> bool {
        conditions::get(self.all, type_).is_some_and(|c| c.status == Value::True.word())
    }

    fn set(&mut self, type_: &str, value: Value, because: &Because) {
        let (reason, message) = (because.reason.word(), &because.message);
        let (word, generation) = (value.word(), self.generation);
        conditions::set(self.all, type_, word, reason, message, generation, self.now);
    }

    /// kstatus: abnormal-true, present only while True, and never both.
    fn present(&mut self, present: Option<&str>, because: &Because) {
        for type_ in [condition::STALLED, condition::RECONCILING] {
            if present == Some(type_) {
                self.set(type_, Value::True, because);
            } else {
                conditions::remove(self.all, type_);
            }
        }
    }

    fn ready(&mut self, value: Value, because: &Because) {
        self.set(condition::READY, value, because);
        let present = match value {
            Value::True => None,
            Value::False => Some(condition::STALLED),
            Value::Unknown => Some(condition::RECONCILING),
        };
        self.present(present, because);
    }

    fn phase<P: Phase>(&mut self, phase: P, because: &Because) {
        if let Some(value) = phase.succeeded() {
            self.set(condition::SUCCEEDED, value, because);
        }
        self.ready(phase.ready(), because);
        match phase.paused() {
            Some(true) => self.set(condition::PAUSED, Value::True, because),
            Some(false) => {
                let not = because_of(Reason::NotPaused, "");
                self.set(condition::PAUSED, Value::False, &not);
            }
            None => {}
        }
    }
}
