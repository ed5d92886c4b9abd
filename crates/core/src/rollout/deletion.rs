//! What the deletion of an object means to its run: the finalizer, and what is said and listed while
//! it waits.

use ess_rollout_api::v1alpha1::{Leftover, RestoreState, RollingUpdateTaskStatus};
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::context::Context;
use super::decision::{Drafted, Event};
use super::restore::{configuration, leftovers, run_end, verify};
use crate::task::conditions::shorten;
use crate::task::deletion::forced;
use crate::task::reason::Reason;

/// What says how long a deletion waits.
pub(super) const RULE: &str = "spec.deletionTimeoutSeconds, which may be lowered";
/// A deletion that takes longer than this is one that a person wants to know of.
const HANGS_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Whether nothing is left to put back, or it is on record elsewhere.
pub(super) fn is_finished(status: &RollingUpdateTaskStatus) -> bool {
    status.restore.as_ref().is_some_and(|restore| restore.done)
}

/// A deletion that does not come to its end: what its run may have left changed is listed at once, not
/// when its time is up. Nobody waits an hour to learn what a group is in. What is put back after all
/// leaves the list with the release.
pub(super) fn list(ctx: &Context<'_>, decision: &mut Drafted) {
    let Some(since) = ctx.deleting.filter(|_| !ctx.deletion_overdue()) else {
        return;
    };
    let status = &decision.status;
    if !ctx.holds() || decision.record.is_some() || is_finished(status) {
        return;
    }
    let Some(execution) = &status.execution else {
        return;
    };
    let outcome = ctx.input.outcome.and_then(|o| o.result.as_ref().err());
    let refused = outcome.filter(|error| error.needs_person());
    let refused = refused.or_else(|| ctx.input.observation.refused());
    let why = match refused {
        Some(error) => format!("{}: {}", error.call, error.code),
        None if ctx.now() >= since + HANGS_AFTER => "it takes long".to_owned(),
        None => return,
    };
    let known = status.restore.as_ref().map(|restore| &restore.items);
    let items = match known.filter(|items| !items.is_empty()) {
        Some(items) => items.clone(),
        None => verify::unread(ctx, status),
    };
    let mut record = ctx.record.clone();
    let before = record.leftovers.len();
    for item in items {
        let same = |l: &Leftover| l.kind == item.kind && l.target == item.target;
        if item.state == RestoreState::Restored || record.leftovers.iter().any(same) {
            continue;
        }
        record.leftovers.push(Leftover {
            containers: configuration::containers_of(ctx, status, &item),
            kind: item.kind,
            target: item.target,
            wanted: item.wanted,
            found: item.found,
            kept: item.kept,
            since: Time(ctx.now()),
            by: ctx.path(),
            message: shorten(
                &format!("the deletion of its object waits: not put back yet ({why})"),
                512,
            ),
        });
    }
    if record.leftovers.len() == before {
        return;
    }
    record.leftovers.truncate(leftovers::LEFTOVERS_MAX);
    for run in record.runs.iter_mut().filter(|run| run.uid == ctx.uid) {
        run.execution_id = Some(execution.id.clone());
    }
    decision.events.push(Event::warning(Reason::DeletionWaits, "Delete", format!(
            "the deletion cannot put scaling group {} back yet ({why}); execution {} and {} other things are on its ScalingGroupRecord; to let the object go now: {}",
            ctx.group,
            execution.id,
            record.leftovers.len() - before,
            forced(ctx)
        )));
    decision.record = Some(record);
}

/// What is left changed of an object that goes without a record.
pub(super) fn left(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> String {
    let execution = status.execution.as_ref();
    let unseen = status
        .result
        .as_ref()
        .is_none_or(|result| result.end_unseen);
    let execution = execution.filter(|_| unseen).map(|execution| {
        let ends = run_end::ends(&ctx.region, &execution.id);
        format!("execution {} may go on (to end it: {ends})", execution.id)
    });
    let items = status.restore.iter().flat_map(|restore| &restore.items);
    let items = items.filter(|item| item.state == RestoreState::Left);
    let items = items.map(|item| format!("{:?} {} -> {}", item.kind, item.target, item.wanted));
    let all: Vec<String> = execution.into_iter().chain(items).collect();
    match all.is_empty() {
        true => "nothing is left changed".to_owned(),
        false => format!("left in scaling group {}: {}", ctx.group, all.join("; ")),
    }
}
