//! What is in alarm now, resource by resource.

use serde_json::{Value, json};

use super::answers::{level, page, success};
use super::groups::monitored;
use super::rules::rules;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::Args;
use crate::state::alarms::{Alarm, AlarmState};
use crate::state::call::Call;
use crate::state::model::Resources;
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "DescribeAlertingMetricRuleResources",
    honours: &["GroupId", "Namespace", "Page", "PageSize", "RuleId"],
    run: Run::Read(list),
};

/// DescribeAlertingMetricRuleResources: one row for each resource of each enabled rule in ALARM. Of
/// a rule that names no instances these are the members of its group, or the account as a whole.
fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.text("RuleId");
    let group = args.text("GroupId");
    let namespace = args.text("Namespace");
    let page = page(args, "Page", 10)?;
    let seen = world.seen();
    let found: Vec<(&Alarm, Option<&str>)> = rules(seen, call)
        .filter(|r| r.enabled && r.state == AlarmState::Alarm)
        .filter(|r| id.as_ref().is_none_or(|id| *id == r.id))
        .filter(|r| group.is_none() || group == r.monitor_group_id)
        .filter(|r| namespace.as_ref().is_none_or(|space| *space == r.namespace))
        .flat_map(|r| resources(seen, call, r).into_iter().map(move |id| (r, id)))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|(rule, instance)| row(call, rule, instance))
        .collect();
    Ok(success(json!({
        "Total": total,
        "Resources": {"Resource": rows},
    })))
}

/// The instances to blame; `None` for the account.
fn resources<'a>(seen: &'a Resources, call: &'a Call, rule: &'a Alarm) -> Vec<Option<&'a str>> {
    if !rule.instances.is_empty() {
        return rule.instances.iter().map(|id| Some(id.as_str())).collect();
    }
    let Some(group) = &rule.monitor_group_id else {
        return vec![None];
    };
    let of_group = monitored(seen, call).find(|(id, _)| id == group);
    let members = of_group.into_iter().flat_map(|(_, group)| {
        let members = seen.members.of_group(&group.scaling_group_id);
        members.map(|member| Some(member.instance_id.as_str()))
    });
    members.collect()
}

fn row(call: &Call, rule: &Alarm, instance: Option<&str>) -> Value {
    let condition = &rule.condition;
    let user = &call.caller.account_id;
    let since = rule.updated.as_millisecond().to_string();
    let mut dimensions = json!({"userId": user});
    let mut resource = format!("userId={user}");
    if let Some(id) = instance {
        dimensions["instanceId"] = json!(id);
        resource = format!("{resource},instanceId={id}");
    }
    let mut row = json!({
        "RuleId": rule.id,
        "RuleName": rule.name,
        "Namespace": rule.namespace,
        "MetricName": rule.metric_name,
        "Resource": resource,
        "Dimensions": dimensions.to_string(),
        "Level": level(rule),
        "Statistics": condition.statistics,
        "Threshold": condition.threshold.to_string(),
        "RetryTimes": condition.times.to_string(),
        "Enable": "true",
        "StartTime": since,
        "LastAlertTime": since,
        "LastModifyTime": since,
    });
    if let Some(group) = &rule.monitor_group_id {
        row["GroupId"] = json!(group);
    }
    row
}
