//! Instances are stopped, started, rebooted and deleted.

use serde_json::{Value, json};

use super::answers::{instance, no_instance};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::services::ess::check_soon;
use crate::state::call::Call;
use crate::state::model::InstanceStatus;
use crate::state::queue::Event;
use crate::state::world::World;

pub(super) fn wrong_status() -> ApiError {
    ApiError::new(
        403,
        "IncorrectInstanceStatus",
        "The current status of the resource does not support this operation.",
    )
}

pub const STOP: Action = Action {
    name: "StopInstance",
    honours: &["ConfirmStop", "ForceStop", "InstanceId", "StoppedMode"],
    run: Run::Write(stop_call),
};

/// StopInstance: only a Running instance can be stopped.
fn stop_call(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    // There is nothing to confirm, and nothing that force would stop better.
    args.flag("ConfirmStop")?;
    args.flag("ForceStop")?;
    let mode = stopped_mode(args)?;
    instance(&world.resources, call, &id)?;
    stop(world, &id)?;
    note_mode(world, &id, mode);
    Ok(json!({}))
}

/// What becomes of the bill while an instance is stopped.
fn stopped_mode(args: Args<'_>) -> Result<&'static str, ApiError> {
    match args.text("StoppedMode").as_deref() {
        None => Ok("Not-applicable"),
        Some("KeepCharging") => Ok("KeepCharging"),
        Some("StopCharging") => Ok("StopCharging"),
        Some(_) => Err(invalid(
            "StoppedMode",
            "it must be KeepCharging or StopCharging",
        )),
    }
}

fn note_mode(world: &mut World, id: &str, mode: &'static str) {
    if let Some(instance) = world.resources.instances.get_mut(id) {
        instance.attributes.stopped_mode = mode;
    }
}

/// Stops an instance, whoever asks.
pub fn stop(world: &mut World, id: &str) -> Result<(), ApiError> {
    change(
        world,
        id,
        InstanceStatus::Running,
        InstanceStatus::Stopping,
        world.durations.stop_instance,
    )
}

pub const START: Action = Action {
    name: "StartInstance",
    honours: &["InstanceId"],
    run: Run::Write(start_call),
};

fn start_call(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("InstanceId")?;
    instance(&world.resources, call, &id)?;
    start(world, &id)?;
    Ok(json!({}))
}

/// StartInstance, whoever asks: only a Stopped instance whose disk is in use can be started.
pub fn start(world: &mut World, id: &str) -> Result<(), ApiError> {
    let found = world.resources.instances.get(id).ok_or_else(no_instance)?;
    if !found.disk_ready {
        return Err(ApiError::new(
            403,
            "IncorrectDiskStatus",
            "The current disk status does not support this operation.",
        ));
    }
    change(
        world,
        id,
        InstanceStatus::Stopped,
        InstanceStatus::Starting,
        world.durations.start_instance,
    )?;
    note_mode(world, id, "Not-applicable");
    Ok(())
}

pub const REBOOT: Action = Action {
    name: "RebootInstance",
    honours: &["ForceStop", "InstanceId"],
    run: Run::Write(|world, call, args| {
        let id = args.required("InstanceId")?;
        args.flag("ForceStop")?;
        reboot(world, call, &id)?;
        Ok(json!({}))
    }),
};

/// RebootInstance: a Running instance is Starting until it is back. What runs on it is cut off.
fn reboot(world: &mut World, call: &Call, id: &str) -> Result<(), ApiError> {
    instance(&world.resources, call, id)?;
    change(
        world,
        id,
        InstanceStatus::Running,
        InstanceStatus::Starting,
        world.durations.start_instance,
    )
}

pub const DELETE: Action = Action {
    name: "DeleteInstance",
    honours: &["Force", "ForceStop", "InstanceId"],
    run: Run::Write(|world, call, args| {
        let id = args.required("InstanceId")?;
        let force = args.flag("Force")?.unwrap_or(false);
        args.flag("ForceStop")?;
        delete(world, call, &id, force)?;
        Ok(json!({}))
    }),
};

/// DeleteInstance: a Stopped instance, or with `Force` any; none that is protected from deletion.
fn delete(world: &mut World, call: &Call, id: &str, force: bool) -> Result<(), ApiError> {
    let found = instance(&world.resources, call, id)?;
    if found.attributes.deletion_protection {
        return Err(ApiError::new(
            403,
            "InvalidOperation.DeletionProtection",
            "The operation is not allowed due to deletion protection.",
        ));
    }
    if found.status != InstanceStatus::Stopped && !force {
        return Err(wrong_status());
    }
    vanish(world, id)
}

pub const STOP_ALL: Action = Action {
    name: "StopInstances",
    honours: &[
        "BatchOptimization",
        "ForceStop",
        "InstanceId.N",
        "StoppedMode",
    ],
    run: Run::Write(|world, call, args| {
        args.flag("ForceStop")?;
        let mode = stopped_mode(args)?;
        batch(world, call, args, |world, call, id| {
            instance(&world.resources, call, id)?;
            stop(world, id)?;
            note_mode(world, id, mode);
            Ok(("Running", "Stopping"))
        })
    }),
};

pub const START_ALL: Action = Action {
    name: "StartInstances",
    honours: &["BatchOptimization", "InstanceId.N"],
    run: Run::Write(|world, call, args| {
        batch(world, call, args, |world, call, id| {
            instance(&world.resources, call, id)?;
            start(world, id).map(|()| ("Stopped", "Starting"))
        })
    }),
};

pub const REBOOT_ALL: Action = Action {
    name: "RebootInstances",
    honours: &["BatchOptimization", "ForceReboot", "InstanceId.N"],
    run: Run::Write(|world, call, args| {
        args.flag("ForceReboot")?;
        batch(world, call, args, |world, call, id| {
            reboot(world, call, id).map(|()| ("Running", "Starting"))
        })
    }),
};

pub const DELETE_ALL: Action = Action {
    name: "DeleteInstances",
    honours: &["ClientToken", "Force", "ForceStop", "InstanceId.N"],
    run: Run::Write(|world, call, args| {
        let force = args.flag("Force")?.unwrap_or(false);
        args.flag("ForceStop")?;
        let ids = args.list_up_to("InstanceId", 100)?;
        let ids = ids.ok_or_else(|| missing("InstanceId"))?;
        all_or_none(world, |world| {
            ids.iter().try_for_each(|id| delete(world, call, id, force))
        })?;
        Ok(json!({}))
    }),
};

/// Does something that may fail in the middle, which then has not happened at all.
fn all_or_none(
    world: &mut World,
    mut what: impl FnMut(&mut World) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    world.rehearse(&mut what)?;
    what(world)
}

/// One operation on several instances: all or none of them (`AllTogether`, the default), or each
/// by itself (`SuccessFirst`). Gives the statuses before and after, which the rows show.
fn batch(
    world: &mut World,
    call: &Call,
    args: Args<'_>,
    one: impl Fn(&mut World, &Call, &str) -> Result<(&'static str, &'static str), ApiError>,
) -> Result<Value, ApiError> {
    let ids = args.list_up_to("InstanceId", 100)?;
    let ids = ids.ok_or_else(|| missing("InstanceId"))?;
    let together = match args.text("BatchOptimization").as_deref() {
        None | Some("AllTogether") => true,
        Some("SuccessFirst") => false,
        Some(_) => {
            return Err(invalid(
                "BatchOptimization",
                "it must be AllTogether or SuccessFirst",
            ));
        }
    };
    if together {
        world.rehearse(|world| ids.iter().try_for_each(|id| one(world, call, id).map(drop)))?;
    }
    let rows: Vec<Value> = ids
        .iter()
        .map(|id| {
            let before = world.resources.instances.get(id).map(|i| i.status.name());
            match one(world, call, id) {
                Ok((previous, current)) => json!({
                    "InstanceId": id, "Code": "200", "Message": "success",
                    "PreviousStatus": previous, "CurrentStatus": current,
                }),
                Err(error) => json!({
                    "InstanceId": id, "Code": error.code, "Message": error.message,
                    "PreviousStatus": before.unwrap_or_default(),
                    "CurrentStatus": before.unwrap_or_default(),
                }),
            }
        })
        .collect();
    Ok(json!({ "InstanceResponses": { "InstanceResponse": rows } }))
}

fn change(
    world: &mut World,
    id: &str,
    from: InstanceStatus,
    to: InstanceStatus,
    duration: f64,
) -> Result<(), ApiError> {
    let instance = world
        .resources
        .instances
        .get_mut(id)
        .ok_or_else(no_instance)?;
    if instance.status != from {
        return Err(wrong_status());
    }
    instance.status = to;
    super::commands::interrupt(world, id);
    let at = world.after(
        duration,
        Event::InstanceSettles {
            instance_id: id.to_owned(),
        },
    );
    if let Some(instance) = world.resources.instances.get_mut(id) {
        instance.settles_at = Some(at);
    }
    notice(world, id);
    Ok(())
}

/// A Starting or Stopping instance gets there. A Pending one is made, and Stopped.
pub fn settle(world: &mut World, id: &str) {
    let now = world.now;
    let Some(instance) = world.resources.instances.get_mut(id) else {
        return;
    };
    if instance.settles_at.is_none_or(|at| at > now) {
        return;
    }
    instance.settles_at = None;
    instance.status = match instance.status {
        InstanceStatus::Stopping | InstanceStatus::Pending => InstanceStatus::Stopped,
        InstanceStatus::Starting => InstanceStatus::Running,
        settled => settled,
    };
    instance.running_since = Some(now);
    notice(world, id);
}

/// The instance is released behind the back of ESS.
pub fn vanish(world: &mut World, id: &str) -> Result<(), ApiError> {
    super::commands::interrupt(world, id);
    let now = world.now;
    world
        .resources
        .drop_instance(id, now)
        .ok_or_else(no_instance)?;
    notice(world, id);
    Ok(())
}

/// Lets ESS look at the group of an instance whose health may have changed.
fn notice(world: &mut World, id: &str) {
    if let Some(group) = world
        .resources
        .members
        .get(id)
        .map(|m| m.scaling_group_id.clone())
    {
        check_soon(world, &group);
    }
}
