//! Lifecycle actions: a hook waits for each until it is completed or its time is over.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::activities::activity_ends;
use super::answers::{group, index, list, next};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::neighbours::{ActionResult, LifecycleAction};
use crate::state::queue::Event;
use crate::state::time::later;
use crate::state::world::World;

/// A hook waits no longer.
pub fn times_out(world: &mut World, token: &str) {
    let action = world.resources.lifecycle_actions.get(token);
    if action.is_some_and(|action| action.until > world.now) {
        // Somebody asked for more time.
        return;
    }
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

pub const DESCRIBE: Action = Action {
    name: "DescribeLifecycleActions",
    honours: &[
        "LifecycleActionStatus",
        "MaxResults",
        "NextToken",
        "ScalingActivityId",
    ],
    run: Run::Read(describe),
};

/// The statuses of a lifecycle action.
const STATUSES: &[&str] = &["Pending", "Completed", "Timeout"];

/// DescribeLifecycleActions.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let activity = args.required("ScalingActivityId")?;
    let status = args.word("LifecycleActionStatus", STATUSES)?;
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

pub const COMPLETE: Action = Action {
    name: "CompleteLifecycleAction",
    honours: &[
        "ClientToken",
        "LifecycleActionResult",
        "LifecycleActionToken",
        "LifecycleHookId",
    ],
    run: Run::Write(complete),
};

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
    check(world, call, &hook, &token)?;
    end(world, &token, "Completed", result);
    Ok(json!({}))
}

/// An error unless the lifecycle action is waited for.
fn check(world: &World, call: &Call, hook: &str, token: &str) -> Result<(), ApiError> {
    let resources = &world.resources;
    let own = resources.lifecycle_actions.get(token).is_some_and(|a| {
        a.lifecycle_hook_id == hook
            && a.status == "Pending"
            && group(resources, call, &a.scaling_group_id).is_ok()
    });
    match own {
        true => Ok(()),
        false => Err(ApiError::new(
            404,
            "InvalidLifecycleActionToken.NotFound",
            format!("The lifecycle action {token} of hook {hook} does not exist or has ended."),
        )),
    }
}

pub const HEARTBEAT: Action = Action {
    name: "RecordLifecycleActionHeartbeat",
    // The API reference spells them so.
    honours: &[
        "heartbeatTimeout",
        "lifecycleActionToken",
        "lifecycleHookId",
    ],
    run: Run::Write(heartbeat),
};

/// RecordLifecycleActionHeartbeat: the hook waits for so many seconds from now on.
fn heartbeat(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let hook = args.required("lifecycleHookId")?;
    let token = args.required("lifecycleActionToken")?;
    let more = args.number("heartbeatTimeout", 30, 21_600)?.unwrap_or(600);
    check(world, call, &hook, &token)?;
    let until = later(world.now, SignedDuration::from_secs(more));
    if let Some(action) = world.resources.lifecycle_actions.get_mut(&token) {
        action.until = until;
    }
    world.queue.push(until, Event::LifecycleTimeout { token });
    Ok(json!({}))
}
