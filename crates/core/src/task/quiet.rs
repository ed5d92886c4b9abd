//! Whether an execution, its root having ended or not, can still act.

use std::time::Duration;

use ess_rollout_cloud::{Execution, ExecutionStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::waits::Waits;
use crate::identity::hash_value;

/// Whether a nested execution acts no more, its root having ended: one that waits for somebody will
/// not be asked again.
pub(crate) fn has_ended(child: &Execution) -> bool {
    child.status.is_final() || child.status == ExecutionStatus::Waiting
}

/// Whether an execution can still act.
pub(crate) enum Rest {
    /// It, or a nested one, has not ended.
    Moving,
    /// All have ended: the next look after this long decides.
    Settling(Duration),
    /// All have ended, and two looks, a bound on lateness apart, agree.
    Quiet,
}

/// Judges an execution and its nested ones, as just read. `root`: none, if no list shows it any more: it has ended then.
/// What was seen, and since when, is kept on record between looks.
pub(crate) fn judge(
    waits: &Waits<'_>,
    root: Option<&Execution>,
    children: &[Execution],
    quiet_since: &mut Option<Time>,
    fingerprint: &mut String,
) -> Rest {
    let moves = root.is_some_and(|root| !root.status.is_final())
        || children.iter().any(|child| !has_ended(child));
    if moves {
        *quiet_since = None;
        return Rest::Moving;
    }
    let all = root.into_iter().chain(children);
    let mut seen: Vec<(&str, &str)> = all.map(|e| (e.id.as_str(), e.status.as_str())).collect();
    seen.sort_unstable();
    let seen = hash_value(&seen);
    if *fingerprint != seen {
        *quiet_since = None;
        *fingerprint = seen;
    }
    let since = quiet_since.get_or_insert(Time(waits.now));
    waits.settling(since).map_or(Rest::Quiet, Rest::Settling)
}
