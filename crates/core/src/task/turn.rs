//! Whose turn a scaling group is: first come, first served.

use ess_rollout_api::v1alpha1::ScalingGroupRecordStatus;

use super::ask::QueueEntry;

/// Why it is not the turn of the object with this uid, if so. Whoever holds the group and does not
/// exist any more will never let it go, and is passed over.
pub(crate) fn before(
    record: &ScalingGroupRecordStatus,
    uid: &str,
    holder_gone: bool,
    ahead: Option<&QueueEntry>,
) -> Option<String> {
    let holder = record.holder.as_ref();
    if let Some(holder) = holder.filter(|h| h.uid != uid && !holder_gone) {
        return Some(format!(
            "{} {}/{} holds the scaling group",
            holder.kind, holder.namespace, holder.name
        ));
    }
    if holder.is_some_and(|holder| holder.uid == uid) {
        return None;
    }
    ahead.map(|ahead| {
        format!(
            "{} {}/{} was created earlier and starts first",
            ahead.kind, ahead.namespace, ahead.name
        )
    })
}
