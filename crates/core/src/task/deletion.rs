//! The deletion of an object that has something to put back: what it waits for, for how long, and how
//! it is let go at once.

use ess_rollout_api::FORCE_DELETE_ANNOTATION;
use ess_rollout_api::v1alpha1::condition;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{self, MESSAGE_MAX};
use super::decision::{Decision, Event, Next};
use super::reason::Reason;

/// A deletion that may not wait goes on although the group's record cannot be written: its namespace is
/// gone, or the right to is. What would have stood there is said instead.
pub(crate) fn without_record<S>(
    decision: &mut Decision<S>,
    has_finalizer: bool,
    why: Option<&str>,
    left: impl FnOnce() -> String,
) {
    decision.lets_go_anyway = true;
    let Some(why) = why else {
        return;
    };
    if decision.record.take().is_some() {
        decision.finalizer = has_finalizer.then_some(false);
        decision.next = Next::OnChange;
    }
    if decision.finalizer == Some(false) {
        decision.events.push(Event::warning(
            RECORD_NOT_WRITTEN,
            "Delete",
            format!(
                "the object goes, and the record of its scaling group cannot be written ({}): {}",
                conditions::shorten(why, 256),
                left()
            ),
        ));
    }
}

/// Reason of the Event about what should stand on a record that cannot be written.
pub const RECORD_NOT_WRITTEN: Reason = Reason::RecordNotWritten;

/// What a deletion that waits says of itself, behind what it waits for.
pub(crate) struct Wait<'a> {
    /// The kind as kubectl takes it.
    pub(crate) resource: String,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    /// When the object goes all the same.
    pub(crate) until: Timestamp,
    /// What says so: a field of the spec, or a rule.
    pub(crate) rule: &'a str,
}

impl Wait<'_> {
    /// The command that lets the object go at once.
    pub(crate) fn forced(&self) -> String {
        format!(
            "kubectl -n {} annotate {} {} {FORCE_DELETE_ANNOTATION}=true --overwrite",
            self.namespace, self.resource, self.name
        )
    }

    fn words(&self) -> String {
        format!(
            "; the deletion waits for that, until {} ({}); to let the object go now, and have what is left listed in the group's ScalingGroupRecord: {}",
            self.until,
            self.rule,
            self.forced()
        )
    }

    /// Adds it to the condition that says what is waited for.
    pub(crate) fn add_to(&self, all: &mut [Condition]) {
        let words = self.words();
        let shown = |c: &&mut Condition| {
            [condition::RECONCILING, condition::STALLED].contains(&c.type_.as_str())
        };
        for condition in all.iter_mut().filter(shown) {
            if !condition.message.ends_with(&words) {
                // The command is what is needed most: room is made before it.
                let room = MESSAGE_MAX.saturating_sub(words.len());
                let waits_for = conditions::shorten(&condition.message, room);
                condition.message = format!("{waits_for}{words}");
            }
        }
    }
}
