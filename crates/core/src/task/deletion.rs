//! The deletion of an object that has something to put back: what it waits for, for how long, and how
//! it is let go at once.

use ess_rollout_api::FORCE_DELETE_ANNOTATION;
use ess_rollout_api::v1alpha1::condition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::conditions::{self, MESSAGE_MAX};
use super::object::Object;
use super::reason::Reason;

/// Reason of the Event about what should stand on a record that cannot be written.
pub const RECORD_NOT_WRITTEN: Reason = Reason::RecordNotWritten;

/// The command that lets the object go at once.
pub(crate) fn forced(object: &Object<'_>) -> String {
    format!(
        "kubectl -n {} annotate {} {} {FORCE_DELETE_ANNOTATION}=true --overwrite",
        object.namespace,
        object.resource(),
        object.name
    )
}

/// What a deletion that waits says of itself, behind what it waits for: until when, by which `rule`, and how to end that.
pub(crate) fn say(object: &Object<'_>, rule: &str, all: &mut [Condition]) {
    let Some(until) = object.deletion_due().filter(|_| !object.deletion_overdue()) else {
        return;
    };
    let forced = forced(object);
    let words = format!(
        "; the deletion waits for that, until {until} ({rule}); to let the object go now, and have what is left listed in the group's ScalingGroupRecord: {forced}"
    );
    // The command is what is needed most: room is made before it.
    let room = MESSAGE_MAX.saturating_sub(words.len());
    for condition in all {
        let shown =
            [condition::RECONCILING, condition::STALLED].contains(&condition.type_.as_str());
        if shown && !condition.message.ends_with(&words) {
            let waits_for = conditions::shorten(&condition.message, room);
            condition.message = format!("{waits_for}{words}");
        }
    }
}
