//! What people and tools read of an instance: its conditions.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{InstanceState, InstanceStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::task::conditions;
use crate::task::display::{SaidOfPart, Value};
use crate::task::reason::Reason;

/// Condition of an instance: whether the update reached its end on it.
pub(in crate::rollout) const UPDATED: &str = "Updated";
/// Condition of an instance: whether it serves in the group.
pub(in crate::rollout) const IN_SERVICE: &str = "InService";

/// Writes the conditions of all instances: as they were in `old`, but for those that have moved since, and for what is said.
pub(super) fn show(
    old: &[InstanceStatus],
    instances: &mut [InstanceStatus],
    said: &[SaidOfPart],
    now: Timestamp,
) {
    let old: BTreeMap<&str, &InstanceStatus> = old.iter().map(|i| (i.id.as_str(), i)).collect();
    let mut of: BTreeMap<&str, Vec<&SaidOfPart>> = BTreeMap::new();
    for said in said {
        of.entry(said.part.as_str()).or_default().push(said);
    }
    for instance in instances {
        let old = old.get(instance.id.as_str());
        instance.conditions = old.map_or(Vec::new(), |old| old.conditions.clone());
        if old.is_none_or(|old| has_moved(old, instance)) {
            show_state(instance, now);
        }
        for said in of.get(instance.id.as_str()).into_iter().flatten() {
            let (all, because) = (&mut instance.conditions, &said.because);
            let value = (said.value, because.reason);
            set(all, said.type_, value, &because.message, now);
        }
    }
}

fn has_moved(old: &InstanceStatus, new: &InstanceStatus) -> bool {
    (
        old.state,
        &old.execution_id,
        &old.failure_time,
        &old.message,
    ) != (
        new.state,
        &new.execution_id,
        &new.failure_time,
        &new.message,
    )
}

fn show_state(instance: &mut InstanceStatus, now: Timestamp) {
    use Value::{False, True, Unknown};
    let (updated, in_service) = match instance.state {
        InstanceState::Pending => ((Unknown, Reason::NotStarted), (True, Reason::AsFound)),
        InstanceState::Updating => ((Unknown, Reason::Updating), (Unknown, Reason::Updating)),
        InstanceState::Succeeded => ((True, Reason::Updated), (True, Reason::Returned)),
        InstanceState::Failed => ((False, Reason::Failed), (False, Reason::LeftInStandby)),
        InstanceState::Cancelled => ((False, Reason::Cancelled), (Unknown, Reason::Interrupted)),
        InstanceState::Skipped => ((False, Reason::Skipped), (False, Reason::LeftInStandby)),
    };
    let (all, why) = (&mut instance.conditions, &instance.message);
    set(all, UPDATED, updated, why, now);
    set(all, IN_SERVICE, in_service, "", now);
}

fn set(
    all: &mut Vec<Condition>,
    type_: &str,
    (value, reason): (Value, Reason),
    message: &str,
    now: Timestamp,
) {
    conditions::set(all, type_, value.word(), reason.word(), message, None, now);
}

/// Of an instance of an older layout: why it has failed, or what it waits for.
pub(super) fn recall(instance: &mut InstanceStatus) {
    let updated = conditions::get(&instance.conditions, UPDATED);
    let says_why = [InstanceState::Failed, InstanceState::Updating].contains(&instance.state);
    if let Some(updated) = updated.filter(|_| says_why) {
        instance.message.clone_from(&updated.message);
    }
}
