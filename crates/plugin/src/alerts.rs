//! `alerts`: the filter by which CloudMonitor tells of a scaling group.

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::cli::AlertsArgs;
use crate::cluster::Cluster;
use crate::exit::End;
use crate::output;
use crate::records::records;
use crate::terminal::print;

/// What Auto Scaling tells of that somebody should know: activities that failed, or worked for some instances only, or were
/// refused. Also the names under which CloudMonitor has them.
const SCALING: [&str; 5] = [
    "AUTOSCALING:SCALE_OUT_ERROR",
    "AUTOSCALING:SCALE_IN_ERROR",
    "AUTOSCALING:SCALE_OUT_WARN",
    "AUTOSCALING:SCALE_IN_WARN",
    "AUTOSCALING:SCALE_REJECT",
];

/// What a rolling update is run with. In full: a part of a word is not found in an event.
const TEMPLATES: [&str; 4] = [
    "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
    "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
    "ACS-ESS-RollingUpdateByConfigureOOSPackage",
    "ACS-ESS-RollingUpdateByUpdateContainerGroup",
];

/// Of the events of OOS those of a rolling update that failed. As published they have the name of the template and not the group,
/// which is looked for all the same: where an event has it, a change of the template's name makes no difference.
fn failed_runs(group: &str) -> String {
    let templates = TEMPLATES.map(|template| format!("\"{template}\""));
    format!("Failed and (\"{group}\" or {})", templates.join(" or "))
}

/// The rule as PutEventRule takes it.
pub fn rule(group: &str) -> Value {
    let pattern = |product: &str, names: &[&str], filter: String| json!({"Product": product, "NameList": names, "LevelList": ["*"], "EventTypeList": ["*"], "SQLFilter": filter});
    json!({
        "RuleName": format!("ess-rollout-{group}"),
        "EventType": "SYSTEM",
        "State": "ENABLED",
        "EventPattern": [
            pattern("ESS", &SCALING, format!("\"{group}\"")),
            pattern("OOS", &["Execution:ExecutionStatusChange"], failed_runs(group)),
        ],
    })
}

/// The parameters of a call as the command line of Alibaba Cloud takes them: `--EventPattern.1.Product ESS`.
fn flags(name: &str, value: &Value, into: &mut Vec<String>) {
    let below = |key: &str| match name {
        "" => key.to_owned(),
        name => format!("{name}.{key}"),
    };
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, v)| flags(&below(key), v, into)),
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                flags(&below(&(index + 1).to_string()), item, into);
            }
        }
        Value::String(text) => into.push(format!("--{name} '{text}'")),
        other => into.push(format!("--{name} {other}")),
    }
}

fn call(call: &str, parameters: &Value) -> String {
    let mut words = vec![format!("aliyun {call}")];
    flags("", parameters, &mut words);
    words.join(" \\\n  ")
}

/// Prints it, with the calls that put it into force.
///
/// # Errors
/// When the group is not on record and no region is given, or nobody reads what is printed.
pub async fn run(cluster: &Cluster, args: &AlertsArgs) -> Result<End> {
    let group = &args.group;
    let known = records(cluster, &args.records, std::slice::from_ref(group)).await?;
    let Some(record) = known.first() else {
        bail!(
            "no scaling group {group} is on record: kubectl ess-rollout groups lists those that are"
        );
    };
    let region = &record.spec.region_id;
    // Both come from an object, and go into a shell.
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if !plain(group) || !plain(region) {
        bail!("{group:?} in {region:?} is no scaling group");
    }
    let rule = rule(group);
    if let Some(form) = output::is_document(args.output.output) {
        output::document(&rule, form)?;
        return Ok(End::Wanted);
    }
    let told = json!({
        "RegionId": region,
        "ScalingGroupId": group,
        "NotificationArn": format!("acs:ess:{region}:ACCOUNT_ID:cloudmonitor"),
        "NotificationTypes": SCALING,
    });
    let targets = json!({
        "RuleName": rule["RuleName"],
        "ContactParameters": [{"Id": "1", "ContactGroupName": "CONTACT_GROUP", "Level": "3"}],
    });
    print(&[
        "# The group tells CloudMonitor. ACCOUNT_ID: aliyun sts GetCallerIdentity".to_owned(),
        call("ess CreateNotificationConfiguration", &told),
        "# The filter".to_owned(),
        call("cms PutEventRule", &rule),
        "# Whom CloudMonitor tells".to_owned(),
        call("cms PutEventRuleTargets", &targets),
    ])?;
    Ok(End::Wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_has_each_value_of_the_filter() {
        let text = call("cms PutEventRule", &rule("asg-1"));
        for flag in [
            "aliyun cms PutEventRule \\\n",
            "--RuleName 'ess-rollout-asg-1'",
            "--EventPattern.1.Product 'ESS'",
            "--EventPattern.1.NameList.5 'AUTOSCALING:SCALE_REJECT'",
            "--EventPattern.1.SQLFilter '\"asg-1\"'",
            "--EventPattern.2.NameList.1 'Execution:ExecutionStatusChange'",
            "--EventPattern.2.SQLFilter 'Failed and (\"asg-1\" or \"ACS-ESS-RollingUpdateByReplace",
        ] {
            assert!(text.contains(flag), "{flag}: {text}");
        }
    }

    #[test]
    fn the_page_has_the_filter_that_is_printed() {
        let page = include_str!("../../../docs/cloudmonitor.md");
        let block = page.split("```json\n").nth(1);
        let block = block.and_then(|rest| rest.split("```").next());
        let documented: Option<Value> = block.and_then(|text| serde_json::from_str(text).ok());
        assert_eq!(documented, Some(rule("asg-bp1example")));
    }

    #[test]
    fn the_templates_are_those_of_the_kinds_of_update() {
        let kinds = include_str!("../../api/src/v1alpha1/update.rs");
        let named = kinds.split("Template `").skip(1);
        let mut named: Vec<&str> = named.filter_map(|rest| rest.split('`').next()).collect();
        let mut templates = TEMPLATES.to_vec();
        named.sort_unstable();
        templates.sort_unstable();
        assert_eq!(templates, named);
    }
}
