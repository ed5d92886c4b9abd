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
    let bound = |time: &mut Time| waits.bound(time);
    if let Some(blocked) = &mut status.start_blocked {
        let times = blocked.since.iter_mut();
        times.chain(&mut blocked.last_denied_time).for_each(bound);
    }
    if let Some(check) = &mut status.preflight_check {
        bound(&mut check.time);
        check.failing_since.iter_mut().for_each(bound);
    }
    if let Some(intent) = &mut status.start {
        bound(&mut intent.time);
        intent.last_lookup_time.iter_mut().for_each(bound);
        intent.held_since.iter_mut().for_each(bound);
    }
    if let Some(source) = &mut status.source {
        source.quiet_since.iter_mut().for_each(bound);
    }
    if let Some(pause) = &mut status.pause {
        bound(&mut pause.since);
    }
    if let Some(gate) = &mut status.gate {
        let times = gate.since.iter_mut();
        let times = times.chain(&mut gate.last_pass_time);
        times.chain(&mut gate.retry_time).for_each(bound);
    }
    if let Some(thaw) = &mut status.thaw {
        bound(&mut thaw.since);
        let times = thaw.resumed_time.iter_mut();
        times.chain(&mut thaw.last_call_time).for_each(bound);
        let latest = waits.longest_retry();
        if let Some(time) = &mut thaw.retry_time {
            time.0 = time.0.min(latest);
        }
    }
    for action in &mut status.actions {
        bound(&mut action.time);
    }
    let instances = status.instances.iter_mut();
    for request in instances.flat_map(|instance| &mut instance.request) {
        bound(&mut request.time);
    }
    if let Some(latched) = &mut status.latched {
        latched.approved_pause_time.iter_mut().for_each(bound);
    }
    if let Some(cancellation) = &mut status.cancellation {
        bound(&mut cancellation.time);
    }
    if let Some(restore) = &mut status.restore {
        let items = restore.items.iter_mut();
        let times = items.flat_map(|item| &mut item.last_attempt_time);
        let times = times.chain(&mut restore.quiet_since);
        let times = times.chain(&mut restore.last_call_time);
        times.chain(&mut restore.differs_since).for_each(bound);
    }
    if let Some(result) = &mut status.result {
        bound(&mut result.time);
    }
    if let Some(execution) = &mut status.execution {
        execution.ended_seen_time.iter_mut().for_each(bound);
    }
    let times = status.others_ended.iter_mut();
    let times = times.chain(&mut status.progress_time);
    times.chain(&mut status.resumed_time).for_each(bound);
}
