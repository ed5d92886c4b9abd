//! What rules told.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answers::{level, page, success};
use super::rules::rules;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::alarms::{Alarm, Notification};
use crate::state::call::Call;
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "DescribeAlertLogList",
    honours: &[
        "EndTime",
        "EventType",
        "GroupId",
        "MetricName",
        "Namespace",
        "PageNumber",
        "PageSize",
        "RuleId",
        "RuleName",
        "StartTime",
    ],
    run: Run::Read(list),
};

/// The most that one call may ask for.
const DAYS: i64 = 15;

/// DescribeAlertLogList, the newest first: alarms that went off (`TRIGGERED`) and that were over
/// (`RESOLVED`), of the last 15 minutes unless the call says otherwise. Times are milliseconds.
fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let end = time(args, "EndTime")?.unwrap_or(world.now);
    let quarter = SignedDuration::from_mins(15);
    let start = time(args, "StartTime")?;
    let start = start.unwrap_or_else(|| end.checked_sub(quarter).unwrap_or(Timestamp::MIN));
    if end.duration_since(start) > SignedDuration::from_hours(24 * DAYS) || end < start {
        return Err(invalid(
            "StartTime",
            &format!("it must be before EndTime, and at most {DAYS} days"),
        ));
    }
    let triggered = match args.text("EventType").as_deref() {
        None => None,
        Some("TRIGGERED") => Some(true),
        Some("RESOLVED") => Some(false),
        Some(_) => return Err(invalid("EventType", "it must be TRIGGERED or RESOLVED")),
    };
    let id = args.text("RuleId");
    let name = args.text("RuleName");
    let group = args.text("GroupId");
    let metric = args.text("MetricName");
    let namespace = args.text("Namespace");
    let page = page(args, "PageNumber", 10)?;
    let mut found: Vec<(&Alarm, Notification)> = rules(world.seen(), call)
        .filter(|r| id.as_ref().is_none_or(|id| *id == r.id))
        .filter(|r| name.as_ref().is_none_or(|name| *name == r.name))
        .filter(|r| group.is_none() || group == r.monitor_group_id)
        .filter(|r| {
            metric
                .as_ref()
                .is_none_or(|metric| *metric == r.metric_name)
        })
        .filter(|r| namespace.as_ref().is_none_or(|space| *space == r.namespace))
        .flat_map(|r| r.history.iter().map(move |told| (r, *told)))
        .filter(|(_, told)| start <= told.at && told.at <= end)
        .filter(|(_, told)| triggered.is_none_or(|wanted| wanted == told.triggered))
        .collect();
    found.sort_by_key(|(rule, told)| (std::cmp::Reverse(told.at), &rule.id));
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|(rule, told)| row(rule, told))
        .collect();
    let mut answer = success(json!({
        "PageNumber": page.number,
        "PageSize": page.size,
        "AlertLogList": rows,
    }));
    // A text in this answer (SDK model).
    answer["Code"] = json!("200");
    Ok(answer)
}

fn time(args: Args<'_>, name: &str) -> Result<Option<Timestamp>, ApiError> {
    let millis = args.number(name, 0, i64::MAX)?;
    millis
        .map(|millis| {
            Timestamp::from_millisecond(millis)
                .map_err(|_| invalid(name, "it must be a time in milliseconds"))
        })
        .transpose()
}

fn row(rule: &Alarm, told: Notification) -> Value {
    let level = format!("P{}", level(rule));
    let (now, change) = match told.triggered {
        true => (level.as_str(), format!("OK->{level}")),
        false => ("OK", format!("{level}->OK")),
    };
    let mut row = json!({
        "AlertTime": told.at.as_millisecond().to_string(),
        "LogId": format!("{}-{}", rule.id, told.at.as_millisecond()),
        "RuleId": rule.id,
        "RuleName": rule.name,
        "Namespace": rule.namespace,
        "MetricName": rule.metric_name,
        "EventName": rule.metric_name,
        "Level": now,
        "LevelChange": change,
        "SendStatus": "0",
    });
    if let Some(group) = &rule.monitor_group_id {
        row["GroupId"] = json!(group);
    }
    row
}
