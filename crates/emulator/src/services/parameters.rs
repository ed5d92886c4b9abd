//! Which parameters each action has, and what becomes of the names that templates give.
//!
//! Templates do not spell parameters as the wire does: the dots are left out (`SystemDiskSize`,
//! `InstanceId1`), and lists go by their plural (`ResourceIds`, `Tags`). Both spellings are taken.
//! A name that an action does not have changes nothing, in the cloud as here, so a filter that is
//! misspelt selects everything. That is why the journal keeps such names.

use serde_json::Value;

use crate::params::Params;
use crate::state::call::Service;

/// Parameters of every action, and the paging that ACS::ExecuteAPI adds by itself.
const COMMON: &[&str] = &[
    "RegionId",
    "ClientToken",
    "PageNumber",
    "PageSize",
    "MaxResults",
    "NextToken",
    "OwnerId",
    "OwnerAccount",
    "ResourceOwnerId",
    "ResourceOwnerAccount",
];

/// The parameters of an action as the API references spell them, in the 2014 version of ESS: those
/// that are read here, and those that make no difference here. `.N` marks a list. `None` for an
/// action whose parameters are not known.
fn own(service: Service, action: &str) -> Option<&'static [&'static str]> {
    Some(match (service, action) {
        (Service::Ess, "DescribeScalingGroups") => &[
            "ScalingGroupId.N",
            "ScalingGroupName.N",
            "ScalingGroupName",
            "GroupType",
        ],
        (Service::Ess, "DescribeScalingInstances") => &[
            "ScalingGroupId",
            "InstanceId.N",
            "LifecycleState",
            "LifecycleStates.N",
            "CreationType",
            "CreationTypes.N",
            "HealthStatus",
            "ScalingConfigurationId",
            "ScalingActivityId",
        ],
        (Service::Ess, "DescribeScalingActivities") => {
            &["ScalingGroupId", "ScalingActivityId.N", "StatusCode"]
        }
        (Service::Ess, "DescribeScalingConfigurations" | "DescribeEciScalingConfigurations") => &[
            "ScalingGroupId",
            "ScalingConfigurationId.N",
            "ScalingConfigurationName.N",
        ],
        (Service::Ess, "ModifyScalingConfiguration") => &[
            "ScalingConfigurationId",
            "ScalingConfigurationName",
            "ImageId",
            "UserData",
            "KeyPairName",
            "InstanceType",
        ],
        (Service::Ess, "ModifyEciScalingConfiguration") => &[
            "ScalingConfigurationId",
            "ScalingConfigurationName",
            "Container.N",
            "ContainersUpdateType",
            "ContainerGroupName",
            "RestartPolicy",
        ],
        (Service::Ess, "SuspendProcesses" | "ResumeProcesses") => &["ScalingGroupId", "Process.N"],
        (Service::Ess, "EnterStandby" | "ExitStandby") => {
            &["ScalingGroupId", "InstanceId.N", "Async"]
        }
        (Service::Ess, "SetInstancesProtection") => {
            &["ScalingGroupId", "InstanceId.N", "ProtectedFromScaleIn"]
        }
        (Service::Ess, "ModifyScalingGroup") => &[
            "ScalingGroupId",
            "ScalingGroupName",
            "MinSize",
            "MaxSize",
            "DesiredCapacity",
            "ActiveScalingConfigurationId",
            "LaunchTemplateId",
            "LaunchTemplateVersion",
        ],
        (Service::Ess, "EnableScalingGroup" | "DisableScalingGroup") => &["ScalingGroupId"],
        (Service::Ess, "RemoveInstances") => &["ScalingGroupId", "InstanceId.N"],
        (Service::Ess, "ListTagResources") => &["ResourceType", "ResourceId.N"],
        (Service::Ecs, "DescribeInstances") => &["InstanceIds", "Status", "ImageId", "Tag.N"],
        (Service::Ecs, "StopInstance") => {
            &["InstanceId", "ForceStop", "ConfirmStop", "StoppedMode"]
        }
        (Service::Ecs, "StartInstance") => &["InstanceId"],
        (Service::Ecs, "ReplaceSystemDisk") => &[
            "InstanceId",
            "ImageId",
            "SystemDisk.Size",
            "KeyPairName",
            "Password",
            "PasswordInherit",
            "SecurityEnhancementStrategy",
        ],
        (Service::Ecs, "RebootInstance") => &["InstanceId", "ForceStop"],
        (Service::Ecs, "DescribeDisks") => &["DiskIds", "InstanceId"],
        (Service::Ecs, "ModifyInstanceAttribute") => &["InstanceId", "UserData"],
        (Service::Ecs, "DescribeImages") => &[
            "ImageId",
            "ImageName",
            "ImageFamily",
            "ImageOwnerAlias",
            "Status",
        ],
        (Service::Ecs, "CreateImage") => &[
            "InstanceId",
            "ImageName",
            "ImageFamily",
            "ImageVersion",
            "Description",
            "ResourceGroupId",
            "DetectionStrategy",
            "Tag.N",
        ],
        (Service::Ecs, "DescribeSnapshots") => &["SnapshotIds"],
        (Service::Ecs, "RunCommand") => &[
            "Type",
            "CommandContent",
            "ContentEncoding",
            "InstanceId.N",
            "Timeout",
            "Name",
            "Description",
            "WorkingDir",
            "Username",
            "WindowsPasswordName",
            "EnableParameter",
            "Parameters",
            "KeepCommand",
        ],
        (Service::Ecs, "DescribeInvocations") => &[
            "InvokeId",
            "InstanceId",
            "CommandName",
            "InvokeStatus",
            "IncludeOutput",
            "ContentEncoding",
        ],
        (Service::Ecs, "DescribeInvocationResults") => {
            &["InvokeId", "InstanceId", "ContentEncoding"]
        }
        (Service::Ecs, "TagResources") => &["ResourceType", "ResourceId.N", "Tag.N"],
        (Service::Ecs, "DescribeLaunchTemplates") => {
            &["LaunchTemplateId.N", "LaunchTemplateName.N"]
        }
        (Service::Ecs, "DescribeLaunchTemplateVersions") => &[
            "LaunchTemplateId",
            "LaunchTemplateName",
            "LaunchTemplateVersion.N",
            "DefaultVersion",
            "DetailFlag",
        ],
        (Service::Eci, "DescribeContainerGroups") => &[
            "ContainerGroupIds",
            "ContainerGroupName",
            "Status",
            "Tag.N",
            "Limit",
            "WithEvent",
        ],
        (Service::Eci, "UpdateContainerGroup") => &[
            "ContainerGroupId",
            "Container.N",
            "UpdateType",
            "RestartPolicy",
        ],
        _ => return None,
    })
}

/// The name of a list in the plural, as templates and the 2022 version of ESS have it.
pub fn plural(singular: &str) -> String {
    let ending = if singular.ends_with("ss") { "es" } else { "s" };
    format!("{singular}{ending}")
}

/// The parameters that a template gives to an action, under the action's own names, and the names
/// that the action does not have.
pub fn of_template(service: Service, action: &str, given: &Params) -> (Params, Vec<String>) {
    let Some(own) = own(service, action) else {
        return (given.clone(), Vec::new());
    };
    let mut named = Params::new();
    let mut ignored = Vec::new();
    // The action's own spelling goes first when both are given.
    let (exact, others): (Vec<_>, Vec<_>) = given.iter().partition(|(name, _)| is_own(own, name));
    for (name, value) in exact.into_iter().chain(others) {
        let found = if is_own(own, name) {
            Some(name.clone())
        } else {
            own_name(own, name).filter(|found| !named.contains_key(found))
        };
        let read = found
            .as_ref()
            .is_some_and(|found| !(is_list(own, found) && is_scalar(value)));
        if !read {
            ignored.push(name.clone());
        }
        named.insert(found.unwrap_or_else(|| name.clone()), value.clone());
    }
    (named, ignored)
}

fn head(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

fn is_own(own: &[&str], name: &str) -> bool {
    COMMON.contains(&name) || own.iter().any(|known| head(known) == head(name))
}

/// Whether the action has `name` as a list and as nothing else.
fn is_list(own: &[&str], name: &str) -> bool {
    !own.contains(&name)
        && own
            .iter()
            .any(|known| known.strip_suffix(".N") == Some(name))
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_) | Value::Null)
}

/// What `name` is called on the wire.
fn own_name(own: &[&str], name: &str) -> Option<String> {
    own.iter().find_map(|known| match known.strip_suffix(".N") {
        None => {
            (known.contains('.') && known.replace('.', "") == name).then(|| (*known).to_owned())
        }
        Some(list) => {
            let plural = plural(list);
            if let Some(rest) = name.strip_prefix(&plural)
                && (rest.is_empty() || rest.starts_with('.'))
            {
                return Some(format!("{list}{rest}"));
            }
            let rest = name.strip_prefix(list)?;
            let member = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            let number = rest.strip_suffix(member).filter(|n| !n.is_empty())?;
            match member.trim_start_matches('.') {
                "" => Some(format!("{list}.{number}")),
                member if member.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    Some(format!("{list}.{number}.{member}"))
                }
                _ => None,
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use serde_json::json;

    fn mapped(action: &str, given: &Value) -> (Value, Vec<String>) {
        let (named, ignored) = of_template(Service::Ecs, action, given.as_object().unwrap());
        (Value::Object(named), ignored)
    }

    #[test]
    fn both_spellings_become_the_actions_own() {
        let documented = json!({"Tags": [{"Key": "a"}], "ResourceIds": ["i-1"], "RegionId": "r"});
        let wire = json!({"Tag": [{"Key": "a"}], "ResourceId": ["i-1"], "RegionId": "r"});
        assert_eq!(mapped("TagResources", &documented), (wire.clone(), vec![]));
        assert_eq!(mapped("TagResources", &wire), (wire, vec![]));
        assert_eq!(
            mapped(
                "TagResources",
                &json!({"Tags.1.Key": "a", "Tag.1.Value": "b", "ResourceId12": "i"})
            )
            .0,
            json!({"Tag.1.Key": "a", "Tag.1.Value": "b", "ResourceId.12": "i"})
        );
        assert_eq!(
            mapped("ReplaceSystemDisk", &json!({"SystemDiskSize": 40})).0,
            json!({"SystemDisk.Size": 40})
        );
        // The name is the action's own already, although it looks like a plural.
        assert_eq!(
            mapped("DescribeInstances", &json!({"InstanceIds": ["i-1"]})),
            (json!({"InstanceIds": ["i-1"]}), vec![])
        );
    }

    #[test]
    fn names_that_select_nothing_are_told() {
        for given in [
            json!({"tags": []}),
            json!({"InstanceNames": ["a"]}),
            json!({"Tag": [], "Tags": []}),
            json!({"TagX1": 1}),
            // A list that is one text is not looked at.
            json!({"Tag": "owner"}),
            json!({"Tags": "owner"}),
        ] {
            let (_, ignored) = mapped("DescribeInstances", &given);
            assert_eq!(ignored.len(), 1, "{given}");
        }
    }

    fn calls(value: &Value, found: &mut Vec<(String, String, Params)>) {
        if let (Some(service), Some(api)) = (value["Service"].as_str(), value["API"].as_str()) {
            let params = value["Parameters"].as_object().cloned().unwrap_or_default();
            found.push((service.to_owned(), api.to_owned(), params));
        }
        match value {
            Value::Object(map) => map.values().for_each(|inner| calls(inner, found)),
            Value::Array(items) => items.iter().for_each(|inner| calls(inner, found)),
            _ => {}
        }
    }

    /// Also tells an action whose parameters nobody listed.
    #[test]
    fn the_bundled_templates_give_no_name_in_vain() {
        let mut found = Vec::new();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            calls(&serde_saphyr::from_str(&text).unwrap(), &mut found);
        }
        assert!(found.len() > 50, "{}", found.len());
        for (service, api, params) in found {
            let service = Service::parse(&service).unwrap();
            let action = crate::services::spelling(service, &api);
            if service != Service::Oos {
                assert!(own(service, &action).is_some(), "{api}");
            }
            // What a placeholder stands for is not known here.
            let params = params
                .into_iter()
                .map(|(name, _)| (name, json!([])))
                .collect();
            assert_eq!(
                of_template(service, &action, &params).1,
                Vec::<String>::new(),
                "{api}"
            );
        }
    }
}
