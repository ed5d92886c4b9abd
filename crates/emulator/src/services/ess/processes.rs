//! SuspendProcesses and ResumeProcesses. Repeating either is harmless.

use serde_json::{Value, json};

use super::answers::group;
use super::health::check_soon;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::model::PROCESSES;
use crate::state::world::World;

pub const SUSPEND: Action = Action {
    name: "SuspendProcesses",
    honours: &["ClientToken", "Process.N", "ScalingGroupId"],
    run: Run::Write(suspend),
};

pub const RESUME: Action = Action {
    name: "ResumeProcesses",
    honours: &["ClientToken", "Process.N", "ScalingGroupId"],
    run: Run::Write(resume),
};

pub fn suspend(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (id, processes) = target(world, call, args)?;
    if let Some(group) = world.resources.groups.get_mut(&id) {
        group.suspended_processes.extend(processes);
    }
    Ok(json!({}))
}

pub fn resume(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let (id, processes) = target(world, call, args)?;
    if let Some(group) = world.resources.groups.get_mut(&id) {
        for process in &processes {
            group.suspended_processes.remove(process);
        }
    }
    // HealthCheck and ScaleOut may have work that waited.
    check_soon(world, &id);
    Ok(json!({}))
}

fn target(world: &World, call: &Call, args: Args<'_>) -> Result<(String, Vec<String>), ApiError> {
    let id = args.required("ScalingGroupId")?;
    let processes = args.ess_list_required("Process", 20)?;
    if let Some(unknown) = processes.iter().find(|p| !PROCESSES.contains(&p.as_str())) {
        return Err(invalid("Process", &format!("{unknown} is not a process")));
    }
    group(&world.resources, call, &id)?;
    Ok((id, processes))
}
