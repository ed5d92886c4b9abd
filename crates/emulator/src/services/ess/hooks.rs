//! Lifecycle hooks: they hold the instances of a scaling activity before it ends.

use serde_json::{Value, json};

use super::activities::activity_ends;
use super::list;
use crate::cloud::call::Call;
use crate::cloud::model::{Activity, LifecycleState};
use crate::cloud::neighbours::{ActionResult, LifecycleAction, LifecycleHook, Transition};
use crate::cloud::queue::Event;
use crate::cloud::world::World;
use crate::error::ApiError;
use crate::services::args::{Args, invalid};

/// Whether hooks hold an activity that would end now. The first time they begin to.
pub(super) fn hold(world: &mut World, activity: &Activity) -> bool {
    let id = &activity.scaling_activity_id;
    let mut of_activity = world
        .resources
        .lifecycle_actions
        .values()
        .filter(|action| action.scaling_activity_id == *id)
        .peekable();
    if of_activity.peek().is_some() {
        return of_activity.any(|action| action.status == "Pending");
    }
    let (transition, instances, held) = match activity.created_instances.is_empty() {
        false => (
            Transition::ScaleOut,
            &activity.created_instances,
            LifecycleState::PendingWait,
        ),
        true => (
            Transition::ScaleIn,
            &activity.destroyed_instances,
            LifecycleState::RemovingWait,
        ),
    };
    let group = world.resources.groups.get(&activity.scaling_group_id);
    let hooks: Vec<LifecycleHook> = group
        .into_iter()
        .flat_map(|group| &group.lifecycle_hooks)
        .filter(|hook| hook.lifecycle_transition == transition && !instances.is_empty())
        .cloned()
        .collect();
    for instance in instances.iter().filter(|_| !hooks.is_empty()) {
        if let Some(member) = world.resources.members.get_mut(instance) {
            member.lifecycle_state = held;
        }
    }
    for hook in &hooks {
        let token = world.ids.id("lat-");
        let action = LifecycleAction {
            lifecycle_action_token: token.clone(),
            lifecycle_hook_id: hook.lifecycle_hook_id.clone(),
            scaling_activity_id: id.clone(),
            scaling_group_id: activity.scaling_group_id.clone(),
            instance_ids: instances.clone(),
            status: "Pending".to_owned(),
            result: hook.default_result,
        };
        world
            .resources
            .lifecycle_actions
            .insert(token.clone(), action);
        world.after(hook.heartbeat_timeout, Event::LifecycleTimeout { token });
    }
    !hooks.is_empty()
}

/// Whether the instances of an activity are released rather than put into service.
pub(super) fn abandons(world: &World, activity: &str) -> bool {
    world
        .resources
        .lifecycle_actions
        .values()
        .any(|a| a.scaling_activity_id == activity && a.result == ActionResult::Abandon)
}

/// A hook waits no longer.
pub fn times_out(world: &mut World, token: &str) {
    end(world, token, "Timeout", None);
}

fn end(world: &mut World, token: &str, status: &str, result: Option<ActionResult>) {
    let Some(action) = world.resources.lifecycle_actions.get_mut(token) else {
        return;
    };
    if action.status != "Pending" {
        return;
    }
    action.status = status.to_owned();
    action.result = result.unwrap_or(action.result);
    let activity = action.scaling_activity_id.clone();
    activity_ends(world, &activity);
}

/// DescribeLifecycleActions.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let activity = args.required("ScalingActivityId")?;
    let status = args.text("LifecycleActionStatus");
    let most = args.number("MaxResults", 1, 50)?.unwrap_or(10);
    let begin = args.number("NextToken", 0, i64::MAX)?.unwrap_or(0);
    let seen = world.seen();
    let found: Vec<&LifecycleAction> = seen
        .lifecycle_actions
        .values()
        .filter(|a| a.scaling_activity_id == activity)
        .filter(|a| {
            seen.groups
                .get(&a.scaling_group_id)
                .is_some_and(|g| g.account_id == call.caller.account_id && g.region == call.region)
        })
        .filter(|a| status.as_ref().is_none_or(|status| *status == a.status))
        .collect();
    let total = found.len();
    let (skip, take) = (index(begin), index(most));
    let rows = found
        .into_iter()
        .skip(skip)
        .take(take)
        .map(|a| {
            let ids = a.instance_ids.iter().map(|id| json!(id)).collect();
            json!({
                "LifecycleHookId": a.lifecycle_hook_id,
                "LifecycleActionToken": a.lifecycle_action_token,
                "LifecycleActionStatus": a.status,
                "LifecycleActionResult": a.result,
                "InstanceIds": list(call.version, "InstanceId", ids),
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total, "MaxResults": most, "NextToken": next(skip, take, total),
        "LifecycleActions": list(call.version, "LifecycleAction", rows),
    }))
}

pub(super) fn index(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// The token of the page after this one; empty when there is none.
pub(super) fn next(skip: usize, take: usize, total: usize) -> String {
    let next = skip.saturating_add(take);
    match next < total {
        true => next.to_string(),
        false => String::new(),
    }
}

/// CompleteLifecycleAction.
pub fn complete(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let hook = args.required("LifecycleHookId")?;
    let token = args.required("LifecycleActionToken")?;
    let result = match args.text("LifecycleActionResult").as_deref() {
        None => None,
        Some("CONTINUE") => Some(ActionResult::Continue),
        Some("ABANDON") => Some(ActionResult::Abandon),
        Some(_) => {
            return Err(invalid(
                "LifecycleActionResult",
                "it must be CONTINUE or ABANDON",
            ));
        }
    };
    let resources = &world.resources;
    let own = resources.lifecycle_actions.get(&token).is_some_and(|a| {
        a.lifecycle_hook_id == hook
            && a.status == "Pending"
            && super::group(resources, call, &a.scaling_group_id).is_ok()
    });
    if !own {
        return Err(ApiError::new(
            404,
            "InvalidLifecycleActionToken.NotFound",
            format!("The lifecycle action {token} of hook {hook} does not exist or has ended."),
        ));
    }
    end(world, &token, "Completed", result);
    Ok(json!({}))
}
