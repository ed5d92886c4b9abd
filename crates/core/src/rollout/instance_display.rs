//! What people and tools read of an instance: its conditions.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{InstanceState, InstanceStatus};
use jiff::Timestamp;

use crate::task::conditions;
use crate::task::display::{SaidOfPart, Value};

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
            let (all, value) = (&mut instance.conditions, said.value.word());
            let (reason, message) = (&said.because.reason, &said.because.message);
            conditions::set(all, said.type_, value, reason, message, None, now);
        }
    }
}

fn has_moved(old: &InstanceStatus, new: &InstanceStatus) -> bool {
    let shown = |i: &InstanceStatus| {
        let attempt = (i.execution_id.clone(), i.failure_time.clone());
        (i.state, attempt, i.message.clone())
    };
    shown(old) != shown(new)
}

fn show_state(instance: &mut InstanceStatus, now: Timestamp) {
    use Value::{False, True, Unknown};
    let (updated, in_service) = match instance.state {
        InstanceState::Pending => ((Unknown, "NotStarted"), (True, "AsFound")),
        InstanceState::Updating => ((Unknown, "Updating"), (Unknown, "Updating")),
        InstanceState::Succeeded => ((True, "Updated"), (True, "Returned")),
        InstanceState::Failed => ((False, "Failed"), (False, "LeftInStandby")),
        InstanceState::Cancelled => ((False, "Cancelled"), (Unknown, "Interrupted")),
        InstanceState::Skipped => ((False, "Skipped"), (False, "LeftInStandby")),
    };
    let (all, why) = (&mut instance.conditions, &instance.message);
    conditions::set(all, UPDATED, updated.0.word(), updated.1, why, None, now);
    let (value, reason) = in_service;
    conditions::set(all, IN_SERVICE, value.word(), reason, "", None, now);
}

/// Of an instance of an older layout: why it has failed, or what it waits for.
pub(super) fn recall(instance: &mut InstanceStatus) {
    let updated = conditions::get(&instance.conditions, UPDATED);
    let says_why = matches!(
        instance.state,
        InstanceState::Failed | InstanceState::Updating
    );
    if let Some(updated) = updated.filter(|_| says_why) {
        instance.message.clone_from(&updated.message);
    }
}
