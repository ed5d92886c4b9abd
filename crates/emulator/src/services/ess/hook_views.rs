//! Lifecycle hooks: what is told of them.

use serde_json::{Value, json};

use super::answers::list;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::state::call::Call;
use crate::state::model::Group;
use crate::state::neighbours::LifecycleHook;
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeLifecycleHooks",
    honours: &[
        "LifecycleHookId.N",
        "LifecycleHookName",
        "PageNumber",
        "PageSize",
        "ScalingGroupId",
    ],
    run: Run::Read(describe),
};

/// DescribeLifecycleHooks. The hooks of fixtures are named by their ids.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.text("ScalingGroupId");
    let ids = args.ess_list("LifecycleHookId", 50)?;
    let name = args.text("LifecycleHookName");
    let page = args.page(10, 50)?;
    let found: Vec<(&Group, &LifecycleHook)> = world
        .seen()
        .groups
        .values()
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .filter(|g| group_id.as_ref().is_none_or(|id| *id == g.scaling_group_id))
        .flat_map(|g| g.lifecycle_hooks.iter().map(move |hook| (g, hook)))
        .filter(|(_, hook)| {
            let id = &hook.lifecycle_hook_id;
            ids.as_ref().is_none_or(|ids| ids.contains(id)) && name.as_ref().is_none_or(|n| n == id)
        })
        .collect();
    let total = found.len();
    let rows = page.cut(found).into_iter().map(row).collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "LifecycleHooks": list(call.version, "LifecycleHook", rows),
    }))
}

fn row((group, hook): (&Group, &LifecycleHook)) -> Value {
    // Whole seconds, as the API has them; `as` saturates.
    let timeout = hook.heartbeat_timeout as i64;
    json!({
        "ScalingGroupId": group.scaling_group_id,
        "LifecycleHookId": hook.lifecycle_hook_id,
        "LifecycleHookName": hook.lifecycle_hook_id,
        "LifecycleTransition": hook.lifecycle_transition,
        "HeartbeatTimeout": timeout,
        "DefaultResult": hook.default_result,
        "LifecycleHookStatus": "Active",
        "NotificationArn": "",
        "NotificationMetadata": "",
    })
}
