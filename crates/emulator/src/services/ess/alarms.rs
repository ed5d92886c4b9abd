//! Alarms of ESS, which the API calls event-triggered tasks. They carry out no scaling rule here.

use serde_json::{Value, json};

use super::answers::list;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::alarms::{Alarm, AlarmState};
use crate::state::call::{Call, EssVersion};
use crate::state::model::Resources;
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeAlarms",
    honours: &[
        "AlarmTaskId",
        "IsEnable",
        "MetricName",
        "MetricType",
        "PageNumber",
        "PageSize",
        "ScalingGroupId",
        "State",
    ],
    run: Run::Read(describe),
};

fn tasks<'a>(resources: &'a Resources, call: &'a Call) -> impl Iterator<Item = &'a Alarm> {
    let all = resources.alarms.tasks.values();
    all.filter(|a| a.account_id == call.caller.account_id && a.region == call.region)
}

/// DescribeAlarms. All are of system metrics.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.text("AlarmTaskId");
    let group = args.text("ScalingGroupId");
    let state = match args.text("State").as_deref() {
        None => None,
        Some(name) => Some(
            AlarmState::parse(name)
                .ok_or_else(|| invalid("State", "it must be ALARM, OK or INSUFFICIENT_DATA"))?,
        ),
    };
    let enabled = args.flag("IsEnable")?;
    let metric = args.text("MetricName");
    let metric_type = args.word("MetricType", &["system", "custom"])?;
    let page = args.page(10, 50)?;
    let found: Vec<&Alarm> = tasks(world.seen(), call)
        .filter(|a| id.as_ref().is_none_or(|id| *id == a.id))
        .filter(|a| group.is_none() || group == a.scaling_group_id)
        .filter(|a| state.is_none_or(|state| state == a.state))
        .filter(|a| enabled.is_none_or(|enabled| enabled == a.enabled))
        .filter(|a| {
            metric
                .as_ref()
                .is_none_or(|metric| *metric == a.metric_name)
        })
        .filter(|_| metric_type.as_ref().is_none_or(|kind| kind == "system"))
        .collect();
    let total = found.len();
    let rows = page.cut(found).into_iter().map(|a| row(a, call.version));
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "AlarmList": list(call.version, "Alarm", rows.collect()),
    }))
}

fn row(alarm: &Alarm, version: EssVersion) -> Value {
    let condition = &alarm.condition;
    let dimension = json!({
        "DimensionKey": "scaling_group",
        "DimensionValue": alarm.scaling_group_id,
    });
    json!({
        "AlarmTaskId": alarm.id,
        "Name": alarm.name,
        "State": alarm.state.name(),
        "Enable": alarm.enabled,
        "ScalingGroupId": alarm.scaling_group_id,
        "MetricName": alarm.metric_name,
        "MetricType": "system",
        "ComparisonOperator": condition.comparison_operator.as_deref().unwrap_or(">="),
        "Statistics": condition.statistics,
        "Threshold": condition.threshold,
        "Period": condition.period,
        "EvaluationCount": condition.times,
        "AlarmActions": list(version, "AlarmAction", Vec::new()),
        "Dimensions": list(version, "Dimension", vec![dimension]),
    })
}

pub const ENABLE: Action = Action {
    name: "EnableAlarm",
    honours: &["AlarmTaskId"],
    run: Run::Write(|world, call, args| enable(world, call, args, true)),
};

pub const DISABLE: Action = Action {
    name: "DisableAlarm",
    honours: &["AlarmTaskId"],
    run: Run::Write(|world, call, args| enable(world, call, args, false)),
};

/// EnableAlarm and DisableAlarm. A disabled alarm keeps its state and tells nobody.
fn enable(
    world: &mut World,
    call: &Call,
    args: Args<'_>,
    enabled: bool,
) -> Result<Value, ApiError> {
    let id = args.required("AlarmTaskId")?;
    let is_there = tasks(&world.resources, call).any(|a| a.id == id);
    match world.resources.alarms.tasks.get_mut(&id) {
        Some(alarm) if is_there => alarm.enabled = enabled,
        _ => {
            return Err(ApiError::new(
                404,
                "InvalidAlarmTaskId.NotFound",
                format!("The specified alarm task {id} does not exist."),
            ));
        }
    }
    Ok(json!({}))
}
