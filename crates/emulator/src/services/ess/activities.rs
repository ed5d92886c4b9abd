//! Scaling activities: what changes the membership of a group, and what sets it off.

use serde_json::{Value, json};

use super::answers::{list, minutes, no_group};
use super::health::check_soon;
use super::{hooks, members};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, missing};
use crate::state::activities::{Activity, ActivityStatus, Trigger};
use crate::state::call::Call;
use crate::state::model::{GroupType, LifecycleState, Resources};
use crate::state::past::make_room;
use crate::state::queue::Event;
use crate::state::time::{later, seconds};
use crate::state::world::World;

/// The activity of a group that is under way.
pub fn in_progress<'a>(resources: &'a Resources, group_id: &str) -> Option<&'a Activity> {
    resources
        .activities
        .values()
        .find(|a| a.scaling_group_id == group_id && a.status == ActivityStatus::InProgress)
}

pub const DESCRIBE: Action = Action {
    name: "DescribeScalingActivities",
    honours: &[
        "InstanceRefreshTaskId",
        "PageNumber",
        "PageSize",
        "ScalingActivityId.N",
        "ScalingGroupId",
        "StatusCode",
    ],
    run: Run::Read(describe),
};

/// What activities end in, and `InProgress`. None ends in Warning here.
const STATUS_CODES: &[&str] = &["Successful", "Warning", "Failed", "InProgress", "Rejected"];

/// DescribeScalingActivities, newest first.
pub fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let group_id = args.text("ScalingGroupId");
    let ids = args.ess_list("ScalingActivityId", 20)?;
    if group_id.is_none() && ids.is_none() {
        return Err(missing("ScalingGroupId"));
    }
    let status = args.word("StatusCode", STATUS_CODES)?;
    // Instance refreshes replace nothing here, so no activity is of one.
    let refresh = args.text("InstanceRefreshTaskId");
    let page = args.page(10, 50)?;
    let seen = world.seen();
    let mut found: Vec<&Activity> = seen
        .activities
        .values()
        .filter(|a| {
            seen.groups
                .get(&a.scaling_group_id)
                .is_some_and(|g| g.account_id == call.caller.account_id && g.region == call.region)
        })
        .filter(|a| group_id.as_ref().is_none_or(|id| *id == a.scaling_group_id))
        .filter(|a| {
            ids.as_ref()
                .is_none_or(|ids| ids.contains(&a.scaling_activity_id))
        })
        .filter(|a| status.as_ref().is_none_or(|s| s == a.status.name()))
        .filter(|_| refresh.is_none())
        .collect();
    found.sort_by(|a, b| {
        (b.started, &b.scaling_activity_id).cmp(&(a.started, &a.scaling_activity_id))
    });
    let total = found.len();
    let rows = page
        .cut(found)
        .into_iter()
        .map(|a| {
            json!({
                "ScalingActivityId": a.scaling_activity_id,
                "ScalingGroupId": a.scaling_group_id,
                "StatusCode": a.status.name(),
                "StatusMessage": a.error_message,
                "Description": a.description,
                "Cause": a.cause,
                "Progress": if a.ended.is_some() { 100 } else { 50 },
                "StartTime": minutes(a.started),
                "EndTime": a.ended.map_or(String::new(), minutes),
                "TotalCapacity": a.total_capacity.to_string(),
                "ScalingInstanceNumber": a.created_instances.len() + a.destroyed_instances.len(),
                "ErrorCode": a.error_code,
                "ErrorMessage": a.error_message,
                "CreatedInstances": list(
                    call.version,
                    "CreatedInstance",
                    a.created_instances.iter().map(|i| json!(i)).collect(),
                ),
                "DestroyedInstances": list(
                    call.version,
                    "DestroyedInstance",
                    a.destroyed_instances.iter().map(|i| json!(i)).collect(),
                ),
            })
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "ScalingActivities": list(call.version, "ScalingActivity", rows),
    }))
}

pub const DETAIL: Action = Action {
    name: "DescribeScalingActivityDetail",
    honours: &["ScalingActivityId"],
    run: Run::Read(detail),
};

/// DescribeScalingActivityDetail: what happened to which instances, in words.
fn detail(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingActivityId")?;
    let seen = world.seen();
    let found = seen.activities.get(&id).filter(|a| {
        let group = seen.groups.get(&a.scaling_group_id);
        group.is_some_and(|g| g.account_id == call.caller.account_id && g.region == call.region)
    });
    let Some(activity) = found else {
        return Err(ApiError::new(
            404,
            "InvalidScalingActivityId.NotFound",
            format!("The specified scaling activity {id} does not exist."),
        ));
    };
    let named = |what: &str, ids: &[String]| match ids {
        [] => String::new(),
        ids => format!("{what} ECS instances \"{}\". ", ids.join(", ")),
    };
    let detail = [
        named("Created", &activity.created_instances),
        named("Released", &activity.destroyed_instances),
        activity.error_message.clone(),
    ]
    .concat();
    Ok(json!({ "ScalingActivityId": id, "Detail": detail.trim_end() }))
}

/// Adds instances, made as the active configuration or launch template says now. The activity is
/// Rejected when a suspended process, the maximum or another activity stands in the way.
pub fn scale_out(
    world: &mut World,
    group_id: &str,
    count: usize,
    trigger: Trigger,
) -> Result<String, ApiError> {
    let Some(group) = world.resources.groups.get(group_id).cloned() else {
        return Err(no_group(group_id));
    };
    let total = world.resources.members_of(group_id).count();
    let room = group.max_size.saturating_sub(total).min(count);
    if let Some(why) = held_back(world, group_id, "ScaleOut", trigger)
        .or_else(|| (count == 0).then(|| "The capacity would not change.".to_owned()))
        .or_else(|| (room == 0).then(|| "The group is at its maximum size.".to_owned()))
    {
        return Ok(rejected(world, group_id, "Add instances", &why));
    }
    let description = format!("Add \"{room}\" {} instance", group.group_type.name());
    let Some(blueprint) = members::blueprint(world, &group) else {
        let id = started(world, group_id, &description, 0.0);
        if let Some(activity) = world.resources.activities.get_mut(&id) {
            activity.error_code = "InvalidImageId.NotFound".into();
            activity.error_message = "The image of the group is not available.".into();
        }
        return Ok(id);
    };
    let id = started(world, group_id, &description, world.durations.scale_out);
    for _ in 0..room {
        let member = members::make(world, &group, &blueprint, &id);
        if let Some(activity) = world.resources.activities.get_mut(&id) {
            activity.created_instances.push(member);
        }
    }
    let total = total + room;
    if let Some(group) = world.resources.groups.get_mut(group_id) {
        group.desired_capacity = group.desired_capacity.max(total);
    }
    Ok(id)
}

/// Removes instances that are InService, down to the minimum: the oldest unless the first removal
/// policy of the group says otherwise.
pub fn scale_in(
    world: &mut World,
    group_id: &str,
    count: usize,
    trigger: Trigger,
) -> Result<String, ApiError> {
    let Some(group) = world.resources.groups.get(group_id) else {
        return Err(no_group(group_id));
    };
    let total = world.resources.members_of(group_id).count();
    let room = total.saturating_sub(group.min_size).min(count);
    let mut oldest: Vec<_> = world
        .resources
        .members_of(group_id)
        .filter(|m| m.lifecycle_state == LifecycleState::InService)
        .map(|m| (m.created, m.instance_id.clone()))
        .collect();
    oldest.sort();
    let policies = group.settings.list("RemovalPolicies");
    if policies
        .first()
        .is_some_and(|first| first == "NewestInstance")
    {
        oldest.reverse();
    }
    let chosen: Vec<String> = oldest.into_iter().take(room).map(|(_, id)| id).collect();
    if let Some(why) = held_back(world, group_id, "ScaleIn", trigger).or_else(|| {
        chosen
            .is_empty()
            .then(|| "No instance can be removed.".to_owned())
    }) {
        return Ok(rejected(world, group_id, "Remove instances", &why));
    }
    Ok(remove_instances(
        world,
        group_id,
        chosen,
        "A scale-in was requested.",
    ))
}

/// Starts the removal of these members. They are released at its end, and not replaced.
pub fn remove_instances(
    world: &mut World,
    group_id: &str,
    ids: Vec<String>,
    cause: &str,
) -> String {
    let left = world
        .resources
        .members_of(group_id)
        .count()
        .saturating_sub(ids.len());
    if let Some(group) = world.resources.groups.get_mut(group_id) {
        group.desired_capacity = group.desired_capacity.min(left.max(group.min_size));
    }
    start_removal(world, group_id, ids, cause)
}

pub(super) fn start_removal(
    world: &mut World,
    group_id: &str,
    ids: Vec<String>,
    cause: &str,
) -> String {
    let kind = world
        .resources
        .groups
        .get(group_id)
        .map_or(GroupType::Ecs, |g| g.group_type);
    let description = format!("Remove \"{}\" {} instance", ids.len(), kind.name());
    let activity = started(world, group_id, &description, world.durations.scale_in);
    for id in &ids {
        if let Some(member) = world.resources.members.get_mut(id) {
            member.lifecycle_state = LifecycleState::Removing;
            member.load_balancer_weight = 0;
        }
    }
    if let Some(activity) = world.resources.activities.get_mut(&activity) {
        activity.destroyed_instances = ids;
        activity.cause = cause.to_owned();
    }
    activity
}

pub(super) fn held_back(
    world: &World,
    group_id: &str,
    process: &str,
    trigger: Trigger,
) -> Option<String> {
    let group = world.resources.groups.get(group_id)?;
    let by_trigger = match trigger {
        Trigger::Manual => None,
        Trigger::Scheduled => Some("ScheduledAction"),
        Trigger::Alarm => Some("AlarmNotification"),
    };
    let suspended = [Some(process), by_trigger]
        .into_iter()
        .flatten()
        .find(|p| group.suspended_processes.contains(*p));
    if !group.enabled {
        Some("The scaling group is not active.".into())
    } else if let Some(process) = suspended {
        Some(format!("The process {process} is suspended."))
    } else if in_progress(&world.resources, group_id).is_some() {
        Some("Another scaling activity is in progress.".into())
    } else {
        None
    }
}

/// Starts an activity that puts instances into the group which exist already.
pub(super) fn start_attachment(
    world: &mut World,
    group_id: &str,
    ids: Vec<String>,
    skips_hooks: bool,
) -> String {
    let description = format!("Attach \"{}\" ECS instance", ids.len());
    let id = started(world, group_id, &description, world.durations.scale_out);
    if let Some(activity) = world.resources.activities.get_mut(&id) {
        activity.created_instances = ids;
        activity.cause = "A user requests to attach instances.".to_owned();
        activity.skips_hooks = skips_hooks;
    }
    id
}

fn started(world: &mut World, group_id: &str, description: &str, duration: f64) -> String {
    let id = world.ids.id("asa-");
    let ends_at = later(world.now, seconds(duration));
    let activity = Activity {
        scaling_activity_id: id.clone(),
        scaling_group_id: group_id.to_owned(),
        status: ActivityStatus::InProgress,
        description: description.to_owned(),
        cause: String::new(),
        error_code: String::new(),
        error_message: String::new(),
        created_instances: Vec::new(),
        destroyed_instances: Vec::new(),
        started: world.now,
        ends_at,
        ended: None,
        total_capacity: world.resources.members_of(group_id).count(),
        detaches: false,
        skips_hooks: false,
    };
    keep(world, activity);
    world.queue.push(
        ends_at,
        Event::ActivityEnds {
            activity_id: id.clone(),
        },
    );
    id
}

fn keep(world: &mut World, activity: Activity) {
    let activities = &mut world.resources.activities;
    make_room(activities, |activity| activity.ended);
    activities.insert(activity.scaling_activity_id.clone(), activity);
}

fn rejected(world: &mut World, group_id: &str, description: &str, why: &str) -> String {
    let id = world.ids.id("asa-");
    let activity = Activity {
        scaling_activity_id: id.clone(),
        scaling_group_id: group_id.to_owned(),
        status: ActivityStatus::Rejected,
        description: description.to_owned(),
        cause: String::new(),
        error_code: String::new(),
        error_message: why.to_owned(),
        created_instances: Vec::new(),
        destroyed_instances: Vec::new(),
        started: world.now,
        ends_at: world.now,
        ended: Some(world.now),
        total_capacity: world.resources.members_of(group_id).count(),
        detaches: false,
        skips_hooks: false,
    };
    keep(world, activity);
    id
}

/// The end of an activity: new members serve, removed ones are released.
pub fn activity_ends(world: &mut World, activity_id: &str) {
    let Some(activity) = world.resources.activities.get(activity_id).cloned() else {
        return;
    };
    if activity.status != ActivityStatus::InProgress || hooks::hold(world, &activity) {
        return;
    }
    let abandoned = hooks::abandons(world, activity_id);
    for id in &activity.created_instances {
        match abandoned {
            true => members::release(world, id),
            false => members::serve(world, id),
        }
    }
    for id in &activity.destroyed_instances {
        match activity.detaches {
            true => members::let_go(world, id),
            false => members::release(world, id),
        }
    }
    let total = world
        .resources
        .members_of(&activity.scaling_group_id)
        .count();
    if let Some(activity) = world.resources.activities.get_mut(activity_id) {
        activity.status = if activity.error_code.is_empty() {
            ActivityStatus::Successful
        } else {
            ActivityStatus::Failed
        };
        activity.ended = Some(world.now);
        activity.total_capacity = total;
    }
    // A failed activity is not tried again by itself; the next change of the group does that.
    if activity.error_code.is_empty() {
        check_soon(world, &activity.scaling_group_id);
    }
}
