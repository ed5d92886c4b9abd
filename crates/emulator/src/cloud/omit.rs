//! Answers that leave an entry out.

use serde_json::Value;

use crate::state::ram::wildcard;

/// The field of an entry that tells which it is, where it is not the list's name in the singular
/// with `Id`.
const IDENTITIES: &[(&str, &str)] = &[
    ("ScalingInstances", "InstanceId"),
    ("InvocationResults", "InstanceId"),
    ("TagResources", "ResourceId"),
    ("LaunchTemplateSets", "LaunchTemplateId"),
    ("LaunchTemplateVersionSets", "LaunchTemplateId"),
    ("LifecycleActions", "LifecycleActionToken"),
    ("InstanceRefreshTasks", "InstanceRefreshTaskId"),
    ("PackageStates", "TemplateName"),
    ("Templates", "TemplateName"),
    ("Regions", "RegionId"),
    ("BackendServers", "ServerId"),
    ("Servers", "ServerId"),
    ("Alarms", "RuleId"),
    ("AlarmList", "AlarmTaskId"),
];

/// What tells an entry of this list from the others.
fn identity<'a>(list: &str, entry: &'a Value) -> &'a str {
    let known = IDENTITIES.iter().find(|(name, _)| *name == list);
    let singular = match list.strip_suffix("ies") {
        Some(stem) => format!("{stem}y"),
        None => list.strip_suffix('s').unwrap_or(list).to_owned(),
    };
    let field = known.map_or(format!("{singular}Id"), |(_, field)| (*field).to_owned());
    entry[field].as_str().unwrap_or_default()
}

/// Takes the entries with these ids (with `*`) out of the lists of an answer, plain or wrapped, and
/// off its total. Lists within entries are left as they are.
pub fn omit(answer: &mut Value, ids: &[String]) {
    let Some(fields) = answer.as_object_mut() else {
        return;
    };
    let mut omitted = 0;
    for (name, value) in fields.iter_mut() {
        let list = match value {
            Value::Array(list) => list,
            // `{"Instances": {"Instance": [...]}}`
            Value::Object(wrapper) if wrapper.len() == 1 => {
                match wrapper.values_mut().next().and_then(Value::as_array_mut) {
                    Some(list) => list,
                    None => continue,
                }
            }
            _ => continue,
        };
        let before = list.len();
        list.retain(|entry| {
            let id = identity(name, entry);
            !(entry.is_object() && ids.iter().any(|pattern| wildcard(pattern, id)))
        });
        omitted += before - list.len();
    }
    if let Some(total) = fields.get("TotalCount").and_then(Value::as_u64) {
        let left = total.saturating_sub(u64::try_from(omitted).unwrap_or(u64::MAX));
        fields.insert("TotalCount".to_owned(), left.into());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_go_by_their_own_id_from_plain_and_wrapped_lists() {
        let ids = ["asg-b", "i-*"].map(str::to_owned);
        let mut answer = json!({
            "TotalCount": 2, "PageSize": 10,
            "ScalingGroups": [{"ScalingGroupId": "asg-a", "Tags": [{"TagKey": "i-x"}]}, {"ScalingGroupId": "asg-b"}],
        });
        omit(&mut answer, &ids);
        assert_eq!(answer["TotalCount"], 1);
        assert_eq!(
            answer["ScalingGroups"],
            json!([{"ScalingGroupId": "asg-a", "Tags": [{"TagKey": "i-x"}]}])
        );

        // Not by the id of something that it belongs to.
        let mut answer =
            json!({"ScalingInstances": [{"ScalingGroupId": "asg-b", "InstanceId": "eci-1"}]});
        let before = answer.clone();
        omit(&mut answer, &ids);
        assert_eq!(answer, before);

        let mut answer =
            json!({"Instances": {"Instance": [{"InstanceId": "i-1"}]}, "TotalCount": 1});
        omit(&mut answer, &ids);
        assert_eq!(
            answer,
            json!({"Instances": {"Instance": []}, "TotalCount": 0})
        );

        let mut answer = json!({"Executions": [{"ExecutionId": "exec-1"}]});
        omit(&mut answer, &["*".to_owned()]);
        assert_eq!(answer, json!({"Executions": []}));
    }
}
