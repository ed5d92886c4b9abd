//! The times on record that waits are counted from: all of the operator's own clock.

use ess_rollout_api::v1alpha1::RollingUpdateTaskStatus;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;

/// Takes every time to come for now. It was put on record under a clock that was ahead, for a moment or in
/// another replica: counted from there, a wait would be as much longer as that clock was wrong. What has been
/// waited for is waited for once more, in full, since it is not known when it began.
///
/// Not those of calls whose next try has a time of its own on record: both move together, where the call is made.
pub(super) fn bound(ctx: &Context<'_>, status: &mut RollingUpdateTaskStatus) {
    let waits = ctx.waits();
    of_waits(status, &mut |time| waits.bound(time));
}

fn of_waits(status: &mut RollingUpdateTaskStatus, bound: &mut impl FnMut(&mut Time)) {
    let blocked = status.start_blocked.iter_mut();
    let blocked = blocked.flat_map(|b| b.since.iter_mut().chain(&mut b.last_denied_time));
    blocked.for_each(&mut *bound);
    if let Some(intent) = &mut status.start {
        bound(&mut intent.time);
        intent.last_lookup_time.iter_mut().for_each(&mut *bound);
    }
    if let Some(source) = &mut status.source {
        source.quiet_since.iter_mut().for_each(&mut *bound);
    }
    if let Some(pause) = &mut status.pause {
        bound(&mut pause.since);
    }
    for action in &mut status.actions {
        bound(&mut action.time);
    }
    let requests = status.instances.iter_mut();
    let requests = requests.flat_map(|instance| instance.request.iter_mut());
    requests.for_each(|request| bound(&mut request.time));
    let latched = status.latched.iter_mut();
    let latched = latched.flat_map(|latched| latched.approved_pause_time.iter_mut());
    latched.for_each(&mut *bound);
    if let Some(cancellation) = &mut status.cancellation {
        bound(&mut cancellation.time);
    }
    if let Some(restore) = &mut status.restore {
        let times = restore.quiet_since.iter_mut();
        let times = times.chain(&mut restore.last_call_time);
        times
            .chain(&mut restore.differs_since)
            .for_each(&mut *bound);
        let items = restore.items.iter_mut();
        let attempts = items.flat_map(|item| item.last_attempt_time.iter_mut());
        attempts.for_each(&mut *bound);
    }
    let result = status.result.iter_mut().map(|result| &mut result.time);
    let others = status.others_ended.iter_mut();
    let ended = status.execution.as_mut();
    let ended = ended.and_then(|execution| execution.ended_seen_time.as_mut());
    let all = result
        .chain(others)
        .chain(&mut status.progress_time)
        .chain(&mut status.resumed_time)
        .chain(ended);
    all.for_each(bound);
}
