//! What else is at work on the group, or stands in the way of an update: scaling activities, lifecycle hooks that
//! hold instances, native instance refreshes, and what ESS's own diagnosis found.
//!
//! ESS and OOS do not look at each other: a rolling update and an instance refresh of one group run side by side, each
//! undoing what the other does. So no update starts beside a refresh. What began later is left alone when the group is
//! put back: a refresh needs the processes that the update suspended, so that a wait for its end might have none; it
//! does not touch instances in Standby, and what it put into the scaling configuration is nobody's to overwrite (see
//! [`crate::rollout::restore::configuration`]).
//!
//! Reads that not every account permits or every region offers are optional: without one it is said what was not looked
//! at, and the update starts. They are made last, for updates that nothing else stands against.

use ess_rollout_cloud::{
    CloudError, Diagnosis, DiagnosisStatus, ErrorClass, InstanceRefresh, InstanceRefreshStatus,
    LifecycleAction, Query, ScalingActivity, ScalingGroup,
};

use super::refusal;
use crate::rollout::context::Context;
use crate::rollout::others::OTHERS_RUN;
use crate::task::conditions;
use crate::task::observation::{Known, Missing};
use crate::task::problem::{Checked, Problem};
use crate::task::reason::Reason;

/// How many of a kind a message names.
const NAMED: usize = 5;
/// The item of the diagnosis without which instances that were stopped do not start again.
const ARREARS: Reason = Reason::AccountArrearage;

/// Instances that come or go, by themselves or held by a lifecycle hook.
pub(super) fn in_motion(ctx: &Context<'_>, group: &ScalingGroup) -> Checked<()> {
    let observation = ctx.input.observation;
    let activities = observation.activities(&ctx.group)?;
    if group.instances_held > 0 {
        return Err(held(ctx, group, activities)?.into());
    }
    let moving = |message| Err(Problem::wait(Reason::ScalingActivityInProgress, message).into());
    if let Some(activity) = activities.first() {
        return moving(format!(
            "scaling activity {} is in progress ({}); this task starts when it has ended",
            activity.id, activity.description
        ));
    }
    if group.instances_in_motion > 0 {
        let message = "instances are joining or leaving the group; this task starts when they have";
        return moving(message.into());
    }
    let listed = observation.scaling_instances(&ctx.group)?.len();
    let counted = group.total_instances;
    if i64::try_from(listed).is_ok_and(|listed| listed < counted) {
        let message = format!(
            "ESS counts {counted} instances in the group and lists {listed} of them: those that it leaves out would not be updated, so this task starts when it lists all; where the credentials in use may not see them, grant that"
        );
        // Nobody promises that it does.
        let problem = Problem::wait(Reason::InstancesNotListed, message).counted();
        return Err(problem.into());
    }
    Ok(())
}

/// Instances that a lifecycle hook holds: which hook, where that can be asked.
fn held(ctx: &Context<'_>, group: &ScalingGroup, activities: &[ScalingActivity]) -> Known<Problem> {
    let observation = ctx.input.observation;
    let asked = &activities[..activities.len().min(NAMED)];
    observation.require(asked.iter().map(|activity| Query::LifecycleActions {
        activity: activity.id.clone(),
    }))?;
    let mut hooks = Vec::new();
    let mut note = None;
    for activity in asked {
        let read = observation.lifecycle_actions(&activity.id);
        match optional(read, "which lifecycle hook holds them", may_be_missing)? {
            Ok(actions) => hooks.extend(actions.iter().map(|action| by_hook(activity, action))),
            Err(why) => note = Some(why),
        }
    }
    let count = group.instances_held;
    let mut message = match hooks.is_empty() {
        true => format!(
            "a lifecycle hook holds {count} instances on their way into or out of the group"
        ),
        false => conditions::named(&hooks, NAMED),
    };
    message.push_str("; this task starts when that has ended: complete the lifecycle action (CompleteLifecycleAction, or the ESS console), or let it time out");
    message.extend(note.map(|note| format!(". {note}")));
    Ok(Problem::wait(Reason::LifecycleHookPending, message))
}

fn by_hook(activity: &ScalingActivity, action: &LifecycleAction) -> String {
    let (hook, held) = (&action.hook, conditions::named(&action.instances, NAMED));
    format!(
        "lifecycle hook {hook} holds {held} (scaling activity {})",
        activity.id
    )
}

/// What stands against a start beside everything else, or what a person should know.
pub(super) fn look(ctx: &Context<'_>) -> Checked<Vec<String>> {
    let observation = ctx.input.observation;
    let id = || ctx.group.clone();
    observation.require([
        Query::InstanceRefreshes { group: id() },
        Query::Diagnosis { group: id() },
    ])?;
    let mut notes = Vec::new();
    let read = observation.instance_refreshes(&ctx.group);
    let what = "whether an instance refresh of ESS is under way";
    match optional(read, what, may_be_missing)? {
        Ok(refreshes) => {
            let running = refreshes.iter().find(|refresh| !refresh.status.is_final());
            refusal::unless(running.map(|refresh| beside(ctx, refresh)))?;
        }
        Err(why) => notes.push(why),
    }
    // Advice alone: nothing that becomes of it holds up an update.
    let read = observation.diagnosis(&ctx.group);
    match optional(read, "ESS's diagnosis of the group", |_| true)? {
        Ok(found) => notes.extend(diagnosed(ctx, found)?),
        Err(why) => notes.push(why),
    }
    Ok(notes)
}

/// No update beside this refresh.
fn beside(ctx: &Context<'_>, refresh: &InstanceRefresh) -> Problem {
    let (id, status, group) = (&refresh.id, &refresh.status, &ctx.group);
    let cancel = format!(
        "aliyun ess CancelInstanceRefresh --ScalingGroupId {group} --InstanceRefreshTaskId {id}"
    );
    if *status == InstanceRefreshStatus::Paused {
        let message = format!(
            "instance refresh {id} of the group is Paused, and does not end by itself: resume it (ResumeInstanceRefresh) or end it ({cancel})"
        );
        return Problem::blocked(OTHERS_RUN, message);
    }
    let message = format!(
        "instance refresh {id} ({status}) is replacing the group's instances; this task starts when it has ended; to end it: {cancel}"
    );
    Problem::wait(OTHERS_RUN, message)
}

/// What the latest diagnosis calls Critical. Most of it is about instances to come, which an update does not make; but
/// an account in arrears may stop instances and not start them again.
fn diagnosed(ctx: &Context<'_>, found: &[Diagnosis]) -> Result<Option<String>, Problem> {
    let is_critical = |item: &&Diagnosis| item.status == DiagnosisStatus::Critical;
    let critical = found.iter().filter(is_critical);
    if critical.clone().any(|item| item.kind == ARREARS) {
        let message = format!(
            "the latest diagnosis of the group by ESS says that the account has overdue payments, so that instances that are stopped may not start again: settle them, and diagnose the group again (aliyun ess CreateDiagnoseReport --ScalingGroupId {})",
            ctx.group
        );
        return Err(Problem::blocked(ARREARS, message));
    }
    let about = |item: &Diagnosis| {
        let mut about = vec![item.kind.as_str(), &item.resource, &item.code];
        about.retain(|text| !text.is_empty());
        about.join(" ")
    };
    let items: Vec<String> = critical.map(about).collect();
    Ok((!items.is_empty()).then(|| {
        format!(
            "The latest diagnosis of the group by ESS found Critical: {}. New instances may not come up",
            conditions::named(&items, NAMED)
        )
    }))
}

/// What was read, or a note that it was not to be had for a reason that `skips` takes.
fn optional<T>(
    read: Known<T>,
    what: &str,
    skips: impl Fn(&CloudError) -> bool,
) -> Known<Result<T, String>> {
    match read {
        Err(Missing::Failed(error)) if skips(&error) => {
            // Without the request id, which differs each time: the message is written when it changes.
            let missing = error.missing_action.as_ref();
            let missing = missing.map_or(String::new(), |action| {
                format!(" (missing RAM action {action})")
            });
            Ok(Err(format!(
                "Not looked at: {what} ({} answered {}){missing}",
                error.call, error.code
            )))
        }
        read => read.map(Ok),
    }
}

/// Not permitted, or not there; a fault that passes is waited out.
fn may_be_missing(error: &CloudError) -> bool {
    let missing = [
        ErrorClass::Denied,
        ErrorClass::Invalid,
        ErrorClass::NotFound,
    ];
    missing.contains(&error.class)
}
