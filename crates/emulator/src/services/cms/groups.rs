//! Application groups: those that ESS keeps for its scaling groups.

use serde_json::{Value, json};

use super::answers::{ids, page, success};
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, invalid};
use crate::state::call::Call;
use crate::state::model::{Group, Resources};
use crate::state::world::World;

pub const LIST: Action = Action {
    name: "DescribeMonitorGroups",
    honours: &["GroupId", "GroupName", "Keyword", "PageNumber", "PageSize"],
    run: Run::Read(list),
};

/// The scaling groups of an account that have an application group, each with its id.
pub(super) fn monitored<'a>(
    resources: &'a Resources,
    call: &'a Call,
) -> impl Iterator<Item = (&'a str, &'a Group)> {
    let own = |g: &&Group| g.account_id == call.caller.account_id;
    let groups = resources.groups.values().filter(own);
    groups.filter_map(|g| Some((g.monitor_group_id.as_deref()?, g)))
}

/// Ids are numbers in the answers of these calls, and texts in those of ESS.
fn number(id: &str) -> Value {
    id.parse::<i64>().map_or_else(|_| json!(id), |n| json!(n))
}

/// DescribeMonitorGroups: up to 100 ids, separated by commas.
pub fn list(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let wanted = ids(args, "GroupId", 100)?;
    let name = args.text("GroupName");
    let keyword = args.text("Keyword");
    let page = page(args, "PageNumber", 30)?;
    let found: Vec<(&str, &Group)> = monitored(world.seen(), call)
        .filter(|(id, _)| {
            wanted
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|own| own == id))
        })
        .filter(|(_, g)| name.as_ref().is_none_or(|name| *name == g.name))
        .filter(|(_, g)| keyword.as_ref().is_none_or(|word| g.name.contains(word)))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|(id, group)| {
            json!({
                "GroupId": number(id),
                "GroupName": group.name,
                "Type": "custom",
                "GmtCreate": group.created.as_millisecond(),
                "GmtModified": group.created.as_millisecond(),
            })
        })
        .collect();
    Ok(success(json!({
        "Total": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "Resources": {"Resource": rows},
    })))
}

pub const INSTANCES: Action = Action {
    name: "DescribeMonitorGroupInstances",
    honours: &[
        "Category",
        "GroupId",
        "InstanceIds",
        "PageNumber",
        "PageSize",
    ],
    run: Run::Read(instances),
};

/// DescribeMonitorGroupInstances: the members of the scaling group.
pub fn instances(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let id = args.required("GroupId")?;
    let category = args.text("Category");
    let wanted = ids(args, "InstanceIds", 100)?;
    let page = page(args, "PageNumber", 10)?;
    let seen = world.seen();
    let group = monitored(seen, call).find(|(own, _)| *own == id);
    let Some((_, group)) = group else {
        return Err(invalid("GroupId", &format!("no application group {id}")));
    };
    let of_type = group.group_type.name();
    let found: Vec<&str> = seen
        .members
        .of_group(&group.scaling_group_id)
        .map(|member| member.instance_id.as_str())
        .filter(|_| {
            category
                .as_ref()
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(of_type))
        })
        .filter(|own| {
            wanted
                .as_ref()
                .is_none_or(|ids| ids.iter().any(|id| id == own))
        })
        .collect();
    let total = found.len();
    let first = page.size.saturating_mul(page.number.saturating_sub(1));
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .enumerate()
        .map(|(n, instance)| {
            let name = seen.instances.get(instance).map(|i| i.name().to_owned());
            json!({
                "Id": first + n + 1,
                "InstanceId": instance,
                "InstanceName": name.unwrap_or_else(|| instance.to_owned()),
                "Category": of_type,
                "RegionId": group.region,
            })
        })
        .collect();
    Ok(success(json!({
        "Total": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "Resources": {"Resource": rows},
    })))
}
