//! Scaling rules, as far as they are executed by hand, and ScaleWithAdjustment.

use serde_json::{Value, json};

use super::activities::{in_progress, scale_in, scale_out};
use super::answers::{group, list};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid, missing};
use crate::state::activities::Trigger;
use crate::state::call::Call;
use crate::state::model::Resources;
use crate::state::scaling_rules::{AdjustmentType, ScalingRule};
use crate::state::world::World;

/// The only type that can be executed by hand.
const SIMPLE: &str = "SimpleScalingRule";

fn no_rule() -> ApiError {
    ApiError::new(
        404,
        "InvalidScalingRuleId.NotFound",
        "The specified scaling rule does not exist.",
    )
}

/// The unique identifier that ExecuteScalingRule asks for.
fn ari(call: &Call, id: &str) -> String {
    let (region, account) = (&call.region, &call.caller.account_id);
    format!("ari:acs:ess:{region}:{account}:scalingrule/{id}")
}

/// The rule of the caller that a call names.
fn own<'a>(resources: &'a Resources, call: &Call, id: &str) -> Result<&'a ScalingRule, ApiError> {
    let found = resources.scaling_rules.get(id).ok_or_else(no_rule)?;
    group(resources, call, &found.scaling_group_id).map_err(|_| no_rule())?;
    Ok(found)
}

fn adjustment_type(args: Args<'_>) -> Result<Option<AdjustmentType>, ApiError> {
    let Some(given) = args.text("AdjustmentType") else {
        return Ok(None);
    };
    let mut all = AdjustmentType::ALL.into_iter();
    let found = all.find(|kind| kind.name() == given);
    found.map(Some).ok_or_else(|| {
        let known = AdjustmentType::ALL.map(AdjustmentType::name).join(", ");
        invalid("AdjustmentType", &format!("it must be one of {known}"))
    })
}

fn adjustment_value(args: Args<'_>, of: AdjustmentType) -> Result<Option<i64>, ApiError> {
    let (low, high) = of.bounds();
    args.number("AdjustmentValue", low, high)
}

/// The types of scaling rules that ESS has.
const TYPES: &[&str] = &[
    SIMPLE,
    "TargetTrackingScalingRule",
    "StepScalingRule",
    "PredictiveScalingRule",
];

/// An error for rules that alarms or predictions set off.
fn check_type(args: Args<'_>) -> Result<(), ApiError> {
    match args.word("ScalingRuleType", TYPES)? {
        Some(kind) if kind != SIMPLE => Err(ApiError::new(
            400,
            "UnsupportedParameter",
            format!("The emulator does not support ScalingRuleType {kind}: it has {SIMPLE} only."),
        )),
        _ => Ok(()),
    }
}

fn check_name(resources: &Resources, of: &str, name: Option<&str>) -> Result<(), ApiError> {
    let mut own = resources.scaling_rules.values();
    match own.any(|rule| rule.scaling_group_id == of && Some(rule.name.as_str()) == name) {
        true => Err(ApiError::new(
            400,
            "InvalidScalingRuleName.Duplicate",
            "The specified value of parameter ScalingRuleName is duplicated.",
        )),
        false => Ok(()),
    }
}

pub const CREATE: Action = Action {
    name: "CreateScalingRule",
    honours: &[
        "AdjustmentType",
        "AdjustmentValue",
        "Cooldown",
        "MinAdjustmentMagnitude",
        "ScalingGroupId",
        "ScalingRuleName",
        "ScalingRuleType",
    ],
    run: Run::Write(create),
};

/// CreateScalingRule, of type SimpleScalingRule.
fn create(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let of = args.required("ScalingGroupId")?;
    check_type(args)?;
    let kind = adjustment_type(args)?.ok_or_else(|| missing("AdjustmentType"))?;
    let value = adjustment_value(args, kind)?.ok_or_else(|| missing("AdjustmentValue"))?;
    let cooldown = args.number("Cooldown", 0, 86_400)?;
    let least = args.number("MinAdjustmentMagnitude", 0, 2000)?;
    let name = args.text("ScalingRuleName");
    group(&world.resources, call, &of)?;
    check_name(&world.resources, &of, name.as_deref())?;
    let id = world.ids.id("asr-");
    let rule = ScalingRule {
        scaling_rule_id: id.clone(),
        name: name.unwrap_or_else(|| id.clone()),
        scaling_group_id: of,
        adjustment_type: kind,
        adjustment_value: value,
        cooldown,
        min_adjustment_magnitude: least.unwrap_or_default(),
    };
    world.resources.scaling_rules.insert(id.clone(), rule);
    Ok(json!({ "ScalingRuleAri": ari(call, &id), "ScalingRuleId": id }))
}

pub const MODIFY: Action = Action {
    name: "ModifyScalingRule",
    honours: &[
        "AdjustmentType",
        "AdjustmentValue",
        "Cooldown",
        "MinAdjustmentMagnitude",
        "ScalingRuleId",
        "ScalingRuleName",
    ],
    run: Run::Write(modify),
};

/// ModifyScalingRule. What is left out stays as it is.
fn modify(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("ScalingRuleId")?;
    let mut changed = own(&world.resources, call, &id)?.clone();
    changed.adjustment_type = adjustment_type(args)?.unwrap_or(changed.adjustment_type);
    let value = adjustment_value(args, changed.adjustment_type)?;
    changed.adjustment_value = value.unwrap_or(changed.adjustment_value);
    changed.cooldown = args.number("Cooldown", 0, 86_400)?.or(changed.cooldown);
    let least = args.number("MinAdjustmentMagnitude", 0, 2000)?;
    changed.min_adjustment_magnitude = least.unwrap_or(changed.min_adjustment_magnitude);
    if let Some(name) = args.text("ScalingRuleName").filter(|n| *n != changed.name) {
        check_name(&world.resources, &changed.scaling_group_id, Some(&name))?;
        changed.name = name;
    }
    world.resources.scaling_rules.insert(id, changed);
    Ok(json!({}))
}

pub const DELETE: Action = Action {
    name: "DeleteScalingRule",
    honours: &["ScalingRuleId"],
    run: Run::Write(|world, call, args| {
        let id = args.required("ScalingRuleId")?;
        own(&world.resources, call, &id)?;
        world.resources.scaling_rules.remove(&id);
        Ok(json!({}))
    }),
};

pub const DESCRIBE: Action = Action {
    name: "DescribeScalingRules",
    honours: &[
        "PageNumber",
        "PageSize",
        "ScalingGroupId",
        "ScalingRuleAri.N",
        "ScalingRuleId.N",
        "ScalingRuleName.N",
        "ScalingRuleType",
        "ShowAlarmRules",
    ],
    run: Run::Read(describe),
};

/// DescribeScalingRules. No alarm has one of them.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let of = args.text("ScalingGroupId");
    let ids = args.ess_list("ScalingRuleId", 10)?;
    let names = args.ess_list("ScalingRuleName", 10)?;
    let aris = args.ess_list("ScalingRuleAri", 10)?;
    let kind = args.word("ScalingRuleType", TYPES)?;
    let shows_alarms = args.flag("ShowAlarmRules")?.unwrap_or(false);
    let page = args.page(10, 50)?;
    let seen = world.seen();
    let among = |list: &Option<Vec<String>>, own: &String| {
        list.as_ref().is_none_or(|list| list.contains(own))
    };
    let found: Vec<&ScalingRule> = seen
        .scaling_rules
        .values()
        .filter(|r| group(seen, call, &r.scaling_group_id).is_ok())
        .filter(|r| of.as_ref().is_none_or(|of| *of == r.scaling_group_id))
        .filter(|r| among(&ids, &r.scaling_rule_id) && among(&names, &r.name))
        .filter(|r| among(&aris, &ari(call, &r.scaling_rule_id)))
        .filter(|_| kind.as_ref().is_none_or(|kind| kind == SIMPLE))
        .collect();
    let total = found.len();
    let rows = page
        .cut(found)
        .into_iter()
        .map(|r| {
            let of = seen.groups.get(&r.scaling_group_id);
            let mut row = json!({
                "ScalingRuleId": r.scaling_rule_id,
                "ScalingRuleAri": ari(call, &r.scaling_rule_id),
                "ScalingRuleName": r.name,
                "ScalingRuleType": SIMPLE,
                "ScalingGroupId": r.scaling_group_id,
                "AdjustmentType": r.adjustment_type.name(),
                "AdjustmentValue": r.adjustment_value,
                "MinAdjustmentMagnitude": r.min_adjustment_magnitude,
                "MinSize": of.map(|g| g.min_size),
                "MaxSize": of.map(|g| g.max_size),
            });
            if let Some(seconds) = r.cooldown {
                row["Cooldown"] = json!(seconds);
            }
            if shows_alarms {
                row["Alarms"] = list(call.version, "Alarm", vec![]);
            }
            row
        })
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "ScalingRules": list(call.version, "ScalingRule", rows),
    }))
}

pub const EXECUTE: Action = Action {
    name: "ExecuteScalingRule",
    honours: &["ClientToken", "ScalingRuleAri"],
    run: Run::Write(execute),
};

/// ExecuteScalingRule. The cooldown is passed over when nothing is in progress (API reference).
fn execute(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let wanted = args.required("ScalingRuleAri")?;
    let id = wanted.rsplit('/').next().unwrap_or_default();
    let rule = own(&world.resources, call, id)?.clone();
    if ari(call, id) != wanted {
        return Err(no_rule());
    }
    let how = (
        rule.adjustment_type,
        rule.adjustment_value,
        rule.min_adjustment_magnitude,
    );
    adjust(world, call, &rule.scaling_group_id, how)
}

pub const ADJUST: Action = Action {
    name: "ScaleWithAdjustment",
    honours: &[
        "AdjustmentType",
        "AdjustmentValue",
        "ClientToken",
        "MinAdjustmentMagnitude",
        "ScalingGroupId",
    ],
    run: Run::Write(|world, call, args| {
        let of = args.required("ScalingGroupId")?;
        let kind = adjustment_type(args)?.ok_or_else(|| missing("AdjustmentType"))?;
        let value = adjustment_value(args, kind)?.ok_or_else(|| missing("AdjustmentValue"))?;
        let least = args.number("MinAdjustmentMagnitude", 0, 2000)?;
        adjust(world, call, &of, (kind, value, least.unwrap_or_default()))
    }),
};

/// Scales a group, as far as its bounds allow. What stands in the way makes the activity Rejected.
fn adjust(
    world: &mut World,
    call: &Call,
    id: &str,
    (kind, value, least): (AdjustmentType, i64, i64),
) -> Result<Value, ApiError> {
    let found = group(&world.resources, call, id)?;
    if !found.enabled {
        return Err(ApiError::new(
            400,
            "IncorrectScalingGroupStatus",
            format!("The current status of scaling group {id} does not support this action."),
        ));
    }
    if in_progress(&world.resources, id).is_some() {
        return Err(ApiError::new(
            400,
            "ScalingActivityInProgress",
            format!("A scaling activity of scaling group {id} is in progress."),
        ));
    }
    let total = world.resources.members_of(id).count();
    let change = kind.change(value, least, total);
    let count = usize::try_from(change.unsigned_abs()).unwrap_or(usize::MAX);
    let activity = match change < 0 {
        true => scale_in(world, id, count, Trigger::Manual),
        false => scale_out(world, id, count, Trigger::Manual),
    }?;
    Ok(json!({ "ScalingActivityId": activity }))
}
