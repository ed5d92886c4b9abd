//! Lifecycle hooks: created, changed, deleted, shown.

use serde_json::{Value, json};

use super::answers::{group, list};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::neighbours::{ActionResult, LifecycleHook, Transition};
use crate::state::world::World;

fn transition(args: Args<'_>) -> Result<Option<Transition>, ApiError> {
    match args.text("LifecycleTransition").as_deref() {
        None => Ok(None),
        Some("SCALE_OUT") => Ok(Some(Transition::ScaleOut)),
        Some("SCALE_IN") => Ok(Some(Transition::ScaleIn)),
        Some(_) => Err(invalid(
            "LifecycleTransition",
            "it must be SCALE_OUT or SCALE_IN",
        )),
    }
}

fn default_result(args: Args<'_>) -> Result<Option<ActionResult>, ApiError> {
    match args.text("DefaultResult").as_deref() {
        None => Ok(None),
        Some("CONTINUE") => Ok(Some(ActionResult::Continue)),
        Some("ABANDON") => Ok(Some(ActionResult::Abandon)),
        Some(_) => Err(invalid("DefaultResult", "it must be CONTINUE or ABANDON")),
    }
}

/// Seconds.
fn timeout(args: Args<'_>, name: &str) -> Result<Option<f64>, ApiError> {
    let seconds = args.number(name, 30, 21_600)?;
    Ok(seconds.and_then(|n| i32::try_from(n).ok()).map(f64::from))
}

fn metadata(args: Args<'_>) -> Result<Option<String>, ApiError> {
    match args.text("NotificationMetadata") {
        Some(text) if text.chars().count() > 4096 => Err(invalid(
            "NotificationMetadata",
            "it must have at most 4096 characters",
        )),
        other => Ok(other),
    }
}

pub const CREATE: Action = Action {
    name: "CreateLifecycleHook",
    honours: &[
        "DefaultResult",
        "HeartbeatTimeout",
        "LifecycleHookName",
        "LifecycleTransition",
        "NotificationArn",
        "NotificationMetadata",
        "ScalingGroupId",
    ],
    run: Run::Write(create),
};

/// CreateLifecycleHook. It holds the scaling activities that end from now on. Nobody is notified.
fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.required("ScalingGroupId")?;
    let transition = transition(args)?.ok_or_else(|| missing("LifecycleTransition"))?;
    let name = args.text("LifecycleHookName");
    let usual = 600.0;
    let heartbeat_timeout = timeout(args, "HeartbeatTimeout")?.unwrap_or(usual);
    let result = default_result(args)?.unwrap_or_default();
    let arn = args.text("NotificationArn").unwrap_or_default();
    let notification_metadata = metadata(args)?.unwrap_or_default();
    let of = group(&world.resources, call, &group_id)?;
    check_name(&of.lifecycle_hooks, name.as_deref())?;
    let id = world.ids.id("ash-");
    let hook = LifecycleHook {
        lifecycle_hook_id: id.clone(),
        lifecycle_transition: transition,
        heartbeat_timeout,
        default_result: result,
        lifecycle_hook_name: name,
        notification_arn: arn,
        notification_metadata,
        inactive: false,
    };
    if let Some(group) = world.resources.groups.get_mut(&group_id) {
        group.lifecycle_hooks.push(hook);
    }
    Ok(json!({ "LifecycleHookId": id }))
}

fn check_name(hooks: &[LifecycleHook], name: Option<&str>) -> Result<(), ApiError> {
    match name.is_some_and(|name| hooks.iter().any(|hook| hook.name() == name)) {
        // The code is not documented.
        true => Err(ApiError::new(
            400,
            "InvalidLifecycleHookName.Duplicate",
            "The specified lifecycle hook name is used in the scaling group.",
        )),
        false => Ok(()),
    }
}

/// The group and the place there of the hook that a call names: by its id, or by its name and
/// group.
fn find(world: &World, call: &Call, args: Args<'_>) -> Result<(String, usize), ApiError> {
    let id = args.text("LifecycleHookId");
    let name = args.text("LifecycleHookName");
    let of = args.text("ScalingGroupId");
    let not_found = |what: &str| {
        ApiError::new(
            400,
            format!("InvalidLifecycleHook{what}.NotExist"),
            format!("The specified lifecycleHook{what} you provided does not exist."),
        )
    };
    if let Some(id) = id {
        let own = world
            .resources
            .groups
            .values()
            .filter(|g| g.account_id == call.caller.account_id && g.region == call.region);
        let mut found = own.filter_map(|g| {
            let mut hooks = g.lifecycle_hooks.iter();
            let at = hooks.position(|hook| hook.lifecycle_hook_id == id)?;
            Some((g.scaling_group_id.clone(), at))
        });
        let (group, at) = found.next().ok_or_else(|| not_found("Id"))?;
        if of.is_some_and(|of| of != group) {
            let why = format!("the lifecycle hook {id} is one of {group}");
            return Err(invalid("ScalingGroupId", &why));
        }
        return Ok((group, at));
    }
    let of = of.ok_or_else(|| missing("LifecycleHookId"))?;
    let name = name.ok_or_else(|| missing("LifecycleHookName"))?;
    let hooks = &group(&world.resources, call, &of)?.lifecycle_hooks;
    let at = hooks.iter().position(|hook| hook.name() == name);
    Ok((of, at.ok_or_else(|| not_found("Name"))?))
}

pub const MODIFY: Action = Action {
    name: "ModifyLifecycleHook",
    honours: &[
        "DefaultResult",
        "HeartbeatTimeout",
        "LifecycleHookId",
        "LifecycleHookName",
        "LifecycleHookStatus",
        "LifecycleTransition",
        "NotificationArn",
        "NotificationMetadata",
        "ScalingGroupId",
    ],
    run: Run::Write(modify),
};

/// ModifyLifecycleHook. What is left out stays as it is, and so does what a hook holds already.
/// With an id `LifecycleHookName` is its new name.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (of, at) = find(world, call, args)?;
    let by_id = args.text("LifecycleHookId").is_some();
    let name = args.text("LifecycleHookName").filter(|_| by_id);
    let transition = transition(args)?;
    let seconds = timeout(args, "HeartbeatTimeout")?;
    let result = default_result(args)?;
    let arn = args.text("NotificationArn");
    let metadata = metadata(args)?;
    let inactive = match args.text("LifecycleHookStatus").as_deref() {
        None => None,
        Some("Active") => Some(false),
        Some("InActive") => Some(true),
        Some(_) => {
            return Err(invalid(
                "LifecycleHookStatus",
                "it must be Active or InActive",
            ));
        }
    };
    let hooks = world
        .resources
        .groups
        .get_mut(&of)
        .map(|g| &mut g.lifecycle_hooks);
    let Some(hooks) = hooks else {
        return Ok(json!({}));
    };
    let others: Vec<LifecycleHook> = hooks
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != at)
        .map(|(_, hook)| hook.clone())
        .collect();
    check_name(&others, name.as_deref())?;
    if let Some(hook) = hooks.get_mut(at) {
        hook.lifecycle_hook_name = name.or(hook.lifecycle_hook_name.take());
        hook.lifecycle_transition = transition.unwrap_or(hook.lifecycle_transition);
        hook.heartbeat_timeout = seconds.unwrap_or(hook.heartbeat_timeout);
        hook.default_result = result.unwrap_or(hook.default_result);
        hook.notification_arn = arn.unwrap_or_else(|| hook.notification_arn.clone());
        hook.notification_metadata = metadata.unwrap_or_else(|| hook.notification_metadata.clone());
        hook.inactive = inactive.unwrap_or(hook.inactive);
    }
    Ok(json!({}))
}

pub const DELETE: Action = Action {
    name: "DeleteLifecycleHook",
    honours: &["LifecycleHookId", "LifecycleHookName", "ScalingGroupId"],
    run: Run::Write(delete),
};

/// DeleteLifecycleHook. What it holds is held until it is completed or times out.
fn delete(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (of, at) = find(world, call, args)?;
    if let Some(group) = world.resources.groups.get_mut(&of) {
        let hook = &group.lifecycle_hooks[at];
        if args
            .text("LifecycleHookName")
            .is_some_and(|name| name != hook.name())
        {
            let (id, name) = (&hook.lifecycle_hook_id, hook.name());
            let why = format!("the lifecycle hook {id} is called {name}");
            return Err(invalid("LifecycleHookName", &why));
        }
        group.lifecycle_hooks.remove(at);
    }
    Ok(json!({}))
}

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

/// DescribeLifecycleHooks, of a group, by their ids, or all.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let of = args.text("ScalingGroupId");
    let ids = args.ess_list("LifecycleHookId", 50)?;
    let name = args.text("LifecycleHookName");
    let page = args.page(10, 50)?;
    let seen = world.seen();
    if let Some(of) = &of {
        group(seen, call, of)?;
    }
    let rows: Vec<Value> = seen
        .groups
        .values()
        .filter(|g| g.account_id == call.caller.account_id && g.region == call.region)
        .filter(|g| of.as_ref().is_none_or(|of| *of == g.scaling_group_id))
        .flat_map(|g| g.lifecycle_hooks.iter().map(move |hook| (g, hook)))
        .filter(|(_, hook)| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&hook.lifecycle_hook_id))
        })
        .filter(|(_, hook)| name.as_ref().is_none_or(|name| name == hook.name()))
        .map(|(g, hook)| {
            json!({
                "LifecycleHookId": hook.lifecycle_hook_id,
                "LifecycleHookName": hook.name(),
                "LifecycleHookStatus": if hook.inactive { "InActive" } else { "Active" },
                "LifecycleTransition": hook.lifecycle_transition.name(),
                "ScalingGroupId": g.scaling_group_id,
                "HeartbeatTimeout": hook.heartbeat_timeout.round(),
                "DefaultResult": hook.default_result,
                "NotificationArn": hook.notification_arn,
                "NotificationMetadata": hook.notification_metadata,
            })
        })
        .map(whole)
        .collect();
    let total = rows.len();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "LifecycleHooks": list(call.version, "LifecycleHook", page.cut(rows)),
    }))
}

/// Seconds are whole numbers in answers.
fn whole(mut row: Value) -> Value {
    let seconds = row["HeartbeatTimeout"].as_f64().unwrap_or_default();
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a fixture may give any number, and casting keeps to the bounds"
    )]
    let seconds = seconds as i64;
    row["HeartbeatTimeout"] = json!(seconds);
    row
}
