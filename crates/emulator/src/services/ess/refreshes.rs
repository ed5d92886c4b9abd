//! Native instance refreshes, which only are under way here, and the diagnosis of a group.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::answers::{group, index, list, next, seconds};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::call::Call;
use crate::state::model::InstanceSource;
use crate::state::neighbours::{Desired, InstanceRefresh, RefreshLimits};
use crate::state::past::make_room;
use crate::state::queue::Event;
use crate::state::time::{later, seconds as duration};
use crate::state::world::World;

pub const START: Action = Action {
    name: "StartInstanceRefresh",
    honours: &[
        "ClientToken",
        "DesiredConfiguration.ImageId",
        "DesiredConfiguration.ScalingConfigurationId",
        "MaxHealthyPercentage",
        "MinHealthyPercentage",
        "ScalingGroupId",
        "SkipMatching",
    ],
    run: Run::Write(start),
};

/// StartInstanceRefresh. One at a time in a group.
pub fn start(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.required("ScalingGroupId")?;
    group(&world.resources, call, &group_id)?;
    let mut refreshes = world.resources.instance_refreshes.values();
    if let Some(other) = refreshes.find(|r| r.scaling_group_id == group_id && !r.is_final()) {
        // The code is not documented.
        return Err(ApiError::new(
            400,
            "InstanceRefreshInProgress",
            format!(
                "The instance refresh {} of the scaling group has not ended.",
                other.instance_refresh_task_id
            ),
        ));
    }
    let desired = desired(world, call, args, &group_id)?;
    let usual = RefreshLimits::default();
    let limits = RefreshLimits {
        min_healthy: args
            .number("MinHealthyPercentage", 0, 100)?
            .unwrap_or(usual.min_healthy),
        max_healthy: args
            .number("MaxHealthyPercentage", 100, 200)?
            .unwrap_or(usual.max_healthy),
        skip_matching: args.flag("SkipMatching")?.unwrap_or(usual.skip_matching),
    };
    let id = world.ids.id("ir-");
    let left = duration(world.durations.instance_refresh);
    begin(world, &id, &group_id, "InProgress", left);
    if let Some(refresh) = world.resources.instance_refreshes.get_mut(&id) {
        refresh.limits = limits;
        refresh.desired = desired;
    }
    Ok(json!({ "InstanceRefreshTaskId": id }))
}

/// `DesiredConfiguration`: an image or a configuration of the group.
fn desired(world: &World, call: &Call, args: Args<'_>, of: &str) -> Result<Desired, ApiError> {
    let image = args.text("DesiredConfiguration.ImageId");
    let configuration = args.text("DesiredConfiguration.ScalingConfigurationId");
    let resources = &world.resources;
    match (image, configuration) {
        (None, None) => Ok(Desired::Active),
        (Some(_), Some(_)) => Err(invalid(
            "DesiredConfiguration",
            "ImageId and ScalingConfigurationId exclude each other",
        )),
        (Some(image), None) => {
            let found = resources.images.get(&image);
            let own = found.filter(|i| i.region == call.region);
            match own.is_some_and(|i| i.is_seen_by(&call.caller.account_id)) {
                true => Ok(Desired::Image(image)),
                false => Err(ApiError::new(
                    404,
                    "InvalidImageId.NotFound",
                    format!("The specified image {image} does not exist."),
                )),
            }
        }
        (None, Some(id)) => {
            let found = resources.configurations.get(&id);
            match found.is_some_and(|c| c.scaling_group_id == of) {
                true => Ok(Desired::Configuration(id)),
                false => Err(ApiError::new(
                    404,
                    "InvalidScalingConfigurationId.NotFound",
                    format!("The specified scaling configuration {id} does not exist."),
                )),
            }
        }
    }
}

/// A refresh in this status, with so much left to do.
pub fn begin(world: &mut World, id: &str, group: &str, status: &str, left: SignedDuration) {
    let refresh = InstanceRefresh {
        instance_refresh_task_id: id.to_owned(),
        scaling_group_id: group.to_owned(),
        status: status.to_owned(),
        desired: Desired::Active,
        limits: RefreshLimits::default(),
        started: world.now,
        ended: None,
        ends_at: None,
        left,
    };
    let refreshes = &mut world.resources.instance_refreshes;
    make_room(refreshes, |refresh| refresh.ended);
    refreshes.insert(id.to_owned(), refresh);
    go_on(world, id);
}

/// An InProgress one will end.
fn go_on(world: &mut World, id: &str) {
    let Some(refresh) = world.resources.instance_refreshes.get_mut(id) else {
        return;
    };
    if !["InProgress", "RollbackInProgress"].contains(&refresh.status.as_str()) {
        return;
    }
    let at = later(world.now, refresh.left);
    refresh.ends_at = Some(at);
    world
        .queue
        .push(at, Event::InstanceRefreshEnds { id: id.to_owned() });
}

/// The end, unless it was paused or cancelled meanwhile. The group goes by what was desired.
pub fn ends(world: &mut World, id: &str) {
    let now = world.now;
    let Some(refresh) = world.resources.instance_refreshes.get_mut(id) else {
        return;
    };
    if refresh.ends_at.is_none_or(|at| at > now) {
        return;
    }
    refresh.ended = Some(now);
    refresh.ends_at = None;
    if refresh.status == "RollbackInProgress" {
        refresh.status = "RollbackSuccessful".to_owned();
        return;
    }
    refresh.status = "Successful".to_owned();
    let (desired, of) = (refresh.desired.clone(), refresh.scaling_group_id.clone());
    let resources = &mut world.resources;
    let Some(group) = resources.groups.get_mut(&of) else {
        return;
    };
    match (desired, &group.source) {
        (Desired::Configuration(id), _) => group.source = InstanceSource::Configuration(id),
        (Desired::Image(image), InstanceSource::Configuration(active)) => {
            if let Some(configuration) = resources.configurations.get_mut(active) {
                configuration.image_id = image;
            }
        }
        _ => {}
    }
}

pub const SUSPEND: Action = Action {
    name: "SuspendInstanceRefresh",
    honours: &["InstanceRefreshTaskId", "ScalingGroupId"],
    run: Run::Write(|world, call, args| change(world, call, args, "Paused")),
};

pub const RESUME: Action = Action {
    name: "ResumeInstanceRefresh",
    honours: &["InstanceRefreshTaskId", "ScalingGroupId"],
    run: Run::Write(|world, call, args| change(world, call, args, "InProgress")),
};

pub const CANCEL: Action = Action {
    name: "CancelInstanceRefresh",
    honours: &["InstanceRefreshTaskId", "ScalingGroupId"],
    run: Run::Write(|world, call, args| change(world, call, args, "Cancelled")),
};

pub const ROLL_BACK: Action = Action {
    name: "RollbackInstanceRefresh",
    honours: &["InstanceRefreshTaskId", "ScalingGroupId"],
    run: Run::Write(|world, call, args| change(world, call, args, "RollbackInProgress")),
};

/// SuspendInstanceRefresh, ResumeInstanceRefresh, CancelInstanceRefresh and RollbackInstanceRefresh:
/// to this status.
pub fn change(world: &mut World, call: &Call, args: Args<'_>, to: &str) -> Result<Value, ApiError> {
    let group_id = args.required("ScalingGroupId")?;
    let id = args.required("InstanceRefreshTaskId")?;
    group(&world.resources, call, &group_id)?;
    let now = world.now;
    let refresh = world.resources.instance_refreshes.get_mut(&id);
    let Some(refresh) = refresh.filter(|r| r.scaling_group_id == group_id) else {
        return Err(ApiError::new(
            404,
            "InvalidInstanceRefreshTaskId.NotFound",
            format!("The specified instance refresh {id} does not exist."),
        ));
    };
    let fits = match to {
        "Paused" => refresh.status == "InProgress",
        "InProgress" => ["Paused", "CheckpointPause"].contains(&refresh.status.as_str()),
        "RollbackInProgress" => {
            ["InProgress", "Paused", "CheckpointPause"].contains(&refresh.status.as_str())
        }
        _ => !refresh.is_final(),
    };
    if !fits {
        return Err(ApiError::new(
            400,
            "IncorrectInstanceRefreshTaskStatus",
            format!("The instance refresh {id} is {}.", refresh.status),
        ));
    }
    if let Some(at) = refresh.ends_at.take() {
        refresh.left = at.duration_since(now);
    }
    if to == "RollbackInProgress" {
        // The way back is as long as the way that it has gone.
        refresh.left = now.duration_since(refresh.started);
    }
    refresh.status = to.to_owned();
    if refresh.is_final() {
        refresh.ended = Some(now);
    }
    go_on(world, &id);
    Ok(json!({}))
}

pub const DESCRIBE: Action = Action {
    name: "DescribeInstanceRefreshes",
    honours: &[
        "InstanceRefreshTaskId.N",
        "MaxResults",
        "NextToken",
        "ScalingGroupId",
    ],
    run: Run::Read(describe),
};

/// DescribeInstanceRefreshes, newest first.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.text("ScalingGroupId");
    let ids = args.ess_list("InstanceRefreshTaskId", 50)?;
    if group_id.is_none() && ids.is_none() {
        return Err(missing("ScalingGroupId"));
    }
    let most = args.number("MaxResults", 1, 50)?.unwrap_or(10);
    let first = args.number("NextToken", 0, i64::MAX)?.unwrap_or(0);
    let seen = world.seen();
    let mut found: Vec<&InstanceRefresh> = seen
        .instance_refreshes
        .values()
        .filter(|r| group(seen, call, &r.scaling_group_id).is_ok())
        .filter(|r| group_id.as_ref().is_none_or(|id| *id == r.scaling_group_id))
        .filter(|r| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&r.instance_refresh_task_id))
        })
        .collect();
    found.sort_by(|a, b| {
        (b.started, &b.instance_refresh_task_id).cmp(&(a.started, &a.instance_refresh_task_id))
    });
    let total = found.len();
    let (skip, take) = (index(first), index(most));
    let rows = found
        .into_iter()
        .skip(skip)
        .take(take)
        .map(|r| {
            let mut row = json!({
                "InstanceRefreshTaskId": r.instance_refresh_task_id,
                "ScalingGroupId": r.scaling_group_id,
                "RegionId": call.region,
                "Status": r.status,
                "Detail": "",
                "StartTime": seconds(r.started),
                "EndTime": r.ended.map_or(String::new(), seconds),
                "MinHealthyPercentage": r.limits.min_healthy,
                "MaxHealthyPercentage": r.limits.max_healthy,
                "SkipMatching": r.limits.skip_matching,
            });
            match &r.desired {
                Desired::Active => {}
                Desired::Image(id) => row["DesiredConfiguration"] = json!({ "ImageId": id }),
                Desired::Configuration(id) => {
                    row["DesiredConfiguration"] = json!({ "ScalingConfigurationId": id });
                }
            }
            row
        })
        .collect();
    Ok(json!({
        "TotalCount": total, "MaxResults": most, "NextToken": next(skip, take, total),
        "InstanceRefreshTasks": list(call.version, "InstanceRefreshTask", rows),
    }))
}

pub const DIAGNOSIS: Action = Action {
    name: "DescribeScalingGroupDiagnoseDetails",
    honours: &["ScalingGroupId"],
    run: Run::Read(diagnosis),
};

/// DescribeScalingGroupDiagnoseDetails: as the fixture has it. Nothing when nothing is wrong.
pub fn diagnosis(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.required("ScalingGroupId")?;
    let group = group(world.seen(), call, &group_id)?;
    let all = &group.diagnosis;
    let wrong = all.iter().any(|finding| finding.status != "Normal");
    let rows = all
        .iter()
        .filter(|_| wrong)
        .map(|finding| {
            json!({
                "DiagnoseType": finding.diagnose_type,
                "Status": finding.status,
                "ResourceId": finding.resource_id,
                "ErrorCode": finding.error_code,
            })
        })
        .collect();
    Ok(json!({ "Details": list(call.version, "Detail", rows) }))
}
