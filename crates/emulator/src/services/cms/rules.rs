//! Alert rules.

use serde_json::{Value, json};

use super::answers::{ids, page, success};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::alarms::{Alarm, AlarmState};
use crate::state::call::Call;
use crate::state::model::Resources;
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "DescribeMetricRuleList",
    honours: &[
        "AlertState",
        "EnableState",
        "GroupId",
        "MetricName",
        "Namespace",
        "Page",
        "PageSize",
        "RuleIds",
        "RuleName",
    ],
    run: Run::Read(list),
};

/// Rules of an account. CloudMonitor has one list for all regions.
pub(super) fn rules<'a>(
    resources: &'a Resources,
    call: &'a Call,
) -> impl Iterator<Item = &'a Alarm> {
    let all = resources.alarms.rules.values();
    all.filter(|rule| rule.account_id == call.caller.account_id)
}

/// DescribeMetricRuleList: up to 20 ids, separated by commas; ids that do not exist are left out.
/// `RuleName` is looked for within names.
pub fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let wanted = ids(args, "RuleIds", 20)?;
    let group = args.text("GroupId");
    let state = args.text("AlertState");
    let state =
        match state.as_deref() {
            None => None,
            Some(name) => Some(AlarmState::parse(name).ok_or_else(|| {
                invalid("AlertState", "it must be OK, ALARM or INSUFFICIENT_DATA")
            })?),
        };
    let enabled = args.flag("EnableState")?;
    let name = args.text("RuleName");
    let metric = args.text("MetricName");
    let namespace = args.text("Namespace");
    let page = page(args, "Page", 10)?;
    let found: Vec<&Alarm> = rules(world.seen(), call)
        .filter(|r| wanted.as_ref().is_none_or(|ids| ids.contains(&r.id)))
        .filter(|r| group.is_none() || group == r.monitor_group_id)
        .filter(|r| state.is_none_or(|state| state == r.state))
        .filter(|r| enabled.is_none_or(|enabled| enabled == r.enabled))
        .filter(|r| name.as_ref().is_none_or(|name| r.name.contains(name)))
        .filter(|r| {
            metric
                .as_ref()
                .is_none_or(|metric| *metric == r.metric_name)
        })
        .filter(|r| namespace.as_ref().is_none_or(|space| *space == r.namespace))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page.cut(found).into_iter().map(row).collect();
    Ok(success(json!({
        // A text in this answer (SDK model).
        "Total": total.to_string(),
        "Alarms": {"Alarm": rows},
    })))
}

fn row(rule: &Alarm) -> Value {
    let condition = &rule.condition;
    let operator = condition.comparison_operator.as_deref();
    let mut row = json!({
        "RuleId": rule.id,
        "RuleName": rule.name,
        "AlertState": rule.state.name(),
        "EnableState": rule.enabled,
        "Namespace": rule.namespace,
        "MetricName": rule.metric_name,
        "Period": condition.period.to_string(),
        "Escalations": {rule.level.as_str(): {
            "ComparisonOperator": operator.unwrap_or("GreaterThanOrEqualToThreshold"),
            "Statistics": condition.statistics,
            "Threshold": condition.threshold.to_string(),
            "Times": condition.times,
        }},
        "Resources": "[{\"resource\":\"_ALL\"}]",
        "NoDataPolicy": "KEEP_LAST_STATE",
        "EffectiveInterval": "00:00-23:59",
        "SilenceTime": 86_400,
        "SourceType": "METRIC",
        "GmtCreate": rule.created.as_millisecond(),
        "GmtUpdate": rule.updated.as_millisecond().to_string(),
    });
    if let Some(group) = &rule.monitor_group_id {
        row["GroupId"] = json!(group);
        row["Resources"] = json!(format!("[{{\"groupId\":\"{group}\"}}]"));
    }
    row
}

pub const ENABLE: Action = Action {
    name: "EnableMetricRules",
    honours: &["RuleId.N"],
    run: Run::Write(|world, call, args| enable(world, call, args, true)),
};

pub const DISABLE: Action = Action {
    name: "DisableMetricRules",
    honours: &["RuleId.N"],
    run: Run::Write(|world, call, args| enable(world, call, args, false)),
};

/// EnableMetricRules and DisableMetricRules, up to 20 rules. A disabled rule keeps its state and
/// tells nobody.
fn enable(
    world: &mut World,
    call: &Call,
    args: Args<'_>,
    enabled: bool,
) -> Result<Value, ApiError> {
    let ids = args
        .list_up_to("RuleId", 20)?
        .ok_or_else(|| missing("RuleId"))?;
    for id in &ids {
        let found = world.resources.alarms.rules.get(id);
        if found.is_none_or(|rule| rule.account_id != call.caller.account_id) {
            return Err(ApiError::new(
                404,
                "ResourceNotFound",
                format!("The specified rule {id} does not exist."),
            ));
        }
    }
    for id in &ids {
        if let Some(rule) = world.resources.alarms.rules.get_mut(id) {
            rule.enabled = enabled;
        }
    }
    Ok(success(json!({})))
}
