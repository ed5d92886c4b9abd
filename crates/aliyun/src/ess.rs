//! ESS, in the spelling of 2022-02-22: plural list parameters, plain lists in answers.

use std::collections::BTreeMap;

use ess_rollout_cloud::{
    CloudError, ErrorClass, GroupState, GroupType, LifecycleState, Outcome, Process,
    ScalingActivity, ScalingConfiguration, ScalingGroup, ScalingInstance, ServerGroup,
};
use serde_json::Value;

use crate::{
    call::Call,
    client::Client,
    endpoints::Service,
    fields::{integer, rows, some_text, text},
    limits::Lane,
    paging::{Listing, absent_if_not_found, missing},
};

/// The page size that every version of these APIs accepts.
const PAGE: usize = 50;

/// How many ids DescribeScalingGroups takes at once.
const GROUPS_PER_CALL: usize = 20;

/// How many ids DescribeScalingConfigurations takes at once.
const CONFIGURATIONS_PER_CALL: usize = 10;

/// How many instances ExitStandby and SetInstancesProtection take at once.
const INSTANCES_PER_CALL: usize = 20;

impl Client {
    pub(crate) async fn scaling_group(
        &self,
        region: &str,
        group: &str,
    ) -> Result<Option<ScalingGroup>, CloudError> {
        let found = self.scaling_groups(region, &[group.to_owned()]).await?;
        Ok(found.into_iter().next())
    }

    /// DescribeScalingGroups without a type lists ECS groups only, by old accounts of it, so
    /// absent groups are asked for once more as ECI groups.
    pub(crate) async fn scaling_groups(
        &self,
        region: &str,
        groups: &[String],
    ) -> Result<Vec<ScalingGroup>, CloudError> {
        let mut found = Vec::new();
        for chunk in groups.chunks(GROUPS_PER_CALL) {
            let mut absent = chunk.to_vec();
            for group_type in [None, Some("ECI")] {
                let listing = Listing {
                    path: &["ScalingGroups"],
                    id: "ScalingGroupId",
                    filter: &format!("ScalingGroupIds.1={}", absent[0]),
                    matches: &|row| chunk.contains(&text(row, "ScalingGroupId")),
                };
                let call = read("DescribeScalingGroups", region)
                    .with_list("ScalingGroupIds", absent.iter().map(String::as_str))
                    .with("PageSize", PAGE.to_string())
                    .with_some("GroupType", group_type);
                let rows = absent_if_not_found(self.list_once(&call, &listing).await)?;
                found.extend(rows.iter().map(scaling_group));
                absent = missing(chunk, found.iter().map(|group| group.id.as_str()));
                if absent.is_empty() {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The group among all of the region: another index of the service than a list by ids, and one
    /// that an ignored or mistyped id cannot empty.
    pub(crate) async fn scaling_group_in_list(
        &self,
        region: &str,
        group: &str,
    ) -> Result<Option<ScalingGroup>, CloudError> {
        let listing = Listing {
            path: &["ScalingGroups"],
            id: "ScalingGroupId",
            filter: "RegionId",
            matches: &|_| true,
        };
        for group_type in [None, Some("ECI")] {
            let mut call = read("DescribeScalingGroups", region).with_some("GroupType", group_type);
            let all = self.list_by_number(&mut call, PAGE, &listing).await?;
            let found = all.iter().find(|row| text(row, "ScalingGroupId") == group);
            if let Some(row) = found {
                return Ok(Some(scaling_group(row)));
            }
        }
        Ok(None)
    }

    /// These members of a group, by their ids.
    pub(crate) async fn scaling_instances_by_id(
        &self,
        region: &str,
        group: &str,
        instances: &[String],
    ) -> Result<Vec<ScalingInstance>, CloudError> {
        let mut found = Vec::new();
        for chunk in instances.chunks(INSTANCES_PER_CALL) {
            let call = read("DescribeScalingInstances", region)
                .with("ScalingGroupId", group)
                .with_list("InstanceIds", chunk.iter().map(String::as_str))
                .with("PageSize", PAGE.to_string());
            let listing = Listing {
                path: &["ScalingInstances"],
                id: "InstanceId",
                filter: &format!("InstanceIds ({} ids)", chunk.len()),
                matches: &|row| chunk.contains(&text(row, "InstanceId")),
            };
            let rows = absent_if_not_found(self.list_once(&call, &listing).await)?;
            let of_group = rows
                .iter()
                .filter(|row| text(row, "ScalingGroupId") == group);
            found.extend(of_group.map(scaling_instance));
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    pub(crate) async fn scaling_instances(
        &self,
        region: &str,
        group: &str,
    ) -> Result<Vec<ScalingInstance>, CloudError> {
        let mut call = read("DescribeScalingInstances", region).with("ScalingGroupId", group);
        let listing = Listing {
            path: &["ScalingInstances"],
            id: "InstanceId",
            filter: &format!("ScalingGroupId={group}"),
            matches: &|row| text(row, "ScalingGroupId") == group,
        };
        let found = self.list_by_number(&mut call, PAGE, &listing).await?;
        let mut instances: Vec<_> = found.iter().map(scaling_instance).collect();
        instances.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(instances)
    }

    pub(crate) async fn activities_in_progress(
        &self,
        region: &str,
        group: &str,
    ) -> Result<Vec<ScalingActivity>, CloudError> {
        let mut call = read("DescribeScalingActivities", region)
            .with("ScalingGroupId", group)
            .with("StatusCode", "InProgress");
        let listing = Listing {
            path: &["ScalingActivities"],
            id: "ScalingActivityId",
            filter: &format!("ScalingGroupId={group}"),
            matches: &|row| text(row, "ScalingGroupId") == group,
        };
        let found = self.list_by_number(&mut call, PAGE, &listing).await?;
        Ok(found
            .iter()
            // One may end between the filter and the answer.
            .filter(|row| text(row, "StatusCode") == "InProgress")
            .map(scaling_activity)
            .collect())
    }

    pub(crate) async fn scaling_configurations(
        &self,
        region: &str,
        configurations: &[String],
    ) -> Result<Vec<ScalingConfiguration>, CloudError> {
        let mut found = Vec::new();
        for chunk in configurations.chunks(CONFIGURATIONS_PER_CALL) {
            let call = read("DescribeScalingConfigurations", region);
            let rows = self.configurations_by_id(call, chunk).await?;
            found.extend(rows.iter().map(scaling_configuration));
        }
        Ok(found)
    }

    /// The configuration among all of its group.
    pub(crate) async fn scaling_configuration_in_group(
        &self,
        region: &str,
        group: &str,
        configuration: &str,
    ) -> Result<Option<ScalingConfiguration>, CloudError> {
        let call = read("DescribeScalingConfigurations", region);
        let all = self.configurations_of(call, group).await?;
        let mut all = all.iter();
        let found = all.find(|row| text(row, "ScalingConfigurationId") == configuration);
        Ok(found.map(scaling_configuration))
    }

    /// The configurations with these ids, as many as one call takes, of the kind that `call` describes.
    pub(crate) async fn configurations_by_id(
        &self,
        call: Call<'_>,
        ids: &[String],
    ) -> Result<Vec<Value>, CloudError> {
        let call = call
            .with_list("ScalingConfigurationIds", ids.iter().map(String::as_str))
            .with("PageSize", PAGE.to_string());
        let listing = Listing {
            path: &["ScalingConfigurations"],
            id: "ScalingConfigurationId",
            filter: &format!("ScalingConfigurationIds.1={}", ids[0]),
            matches: &|row| ids.contains(&text(row, "ScalingConfigurationId")),
        };
        absent_if_not_found(self.list_once(&call, &listing).await)
    }

    /// All configurations of a group, of the kind that `call` describes.
    pub(crate) async fn configurations_of(
        &self,
        call: Call<'_>,
        group: &str,
    ) -> Result<Vec<Value>, CloudError> {
        let mut call = call.with("ScalingGroupId", group);
        let listing = Listing {
            path: &["ScalingConfigurations"],
            id: "ScalingConfigurationId",
            filter: &format!("ScalingGroupId={group}"),
            matches: &|row| text(row, "ScalingGroupId") == group,
        };
        absent_if_not_found(self.list_by_number(&mut call, PAGE, &listing).await)
    }

    /// SuspendProcesses and ResumeProcesses.
    pub(crate) async fn processes(
        &self,
        action: &'static str,
        region: &str,
        group: &str,
        processes: &[Process],
    ) -> Result<String, CloudError> {
        let call = mutation(action, region)
            .with("ScalingGroupId", group)
            .with_list("Processes", processes.iter().map(Process::as_str));
        if processes.is_empty() {
            return Err(nothing_to_do(&call, "processes"));
        }
        Ok(text(&self.send(&call).await?, "RequestId"))
    }

    pub(crate) async fn exit_standby(
        &self,
        region: &str,
        group: &str,
        instances: &[String],
    ) -> Result<String, CloudError> {
        self.in_calls_of_twenty(instances, || {
            mutation("ExitStandby", region).with("ScalingGroupId", group)
        })
        .await
    }

    pub(crate) async fn set_protection(
        &self,
        region: &str,
        group: &str,
        instances: &[String],
        protected: bool,
    ) -> Result<String, CloudError> {
        self.in_calls_of_twenty(instances, || {
            mutation("SetInstancesProtection", region)
                .with("ScalingGroupId", group)
                .with("ProtectedFromScaleIn", protected.to_string())
        })
        .await
    }

    /// Stops at the first refusal. An error after a call that went through says that the whole may
    /// have had an effect, and how far it came.
    async fn in_calls_of_twenty<'a>(
        &self,
        instances: &[String],
        call: impl Fn() -> Call<'a>,
    ) -> Result<String, CloudError> {
        let mut request_id = None;
        for (index, chunk) in instances.chunks(INSTANCES_PER_CALL).enumerate() {
            let call = call().with_list("InstanceIds", chunk.iter().map(String::as_str));
            match self.send(&call).await {
                Ok(answer) => request_id = Some(text(&answer, "RequestId")),
                Err(mut error) if index > 0 => {
                    error.outcome = Outcome::Unknown;
                    error.message.push_str(&format!(
                        " (after {} of {} instances)",
                        index * INSTANCES_PER_CALL,
                        instances.len()
                    ));
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
        request_id.ok_or_else(|| nothing_to_do(&call(), "instances"))
    }

    pub(crate) async fn modify_configuration(
        &self,
        region: &str,
        configuration: &str,
        image: &str,
    ) -> Result<String, CloudError> {
        let call = mutation("ModifyScalingConfiguration", region)
            .with("ScalingConfigurationId", configuration)
            .with("ImageId", image);
        Ok(text(&self.send(&call).await?, "RequestId"))
    }
}

pub(crate) fn read<'a>(action: &'static str, region: &'a str) -> Call<'a> {
    Call::new(Service::Ess, action, Lane::Read, region)
}

fn mutation<'a>(action: &'static str, region: &'a str) -> Call<'a> {
    Call::new(Service::Ess, action, Lane::Mutation, region)
}

/// The services refuse empty lists, some by taking them for "all".
fn nothing_to_do(call: &Call<'_>, what: &str) -> CloudError {
    call.failed().error(
        ErrorClass::Invalid,
        Outcome::NoEffect,
        "empty-list",
        format!("no {what} were named; nothing was sent"),
    )
}

fn scaling_group(row: &Value) -> ScalingGroup {
    let count = |name| integer(row, name).unwrap_or(0);
    let mut suspended_processes: Vec<Process> = rows(row, &["SuspendedProcesses"])
        .iter()
        .chain(rows(row, &["SuspendedProcesses", "SuspendedProcess"]))
        .filter_map(|process| process.as_str().filter(|name| !name.is_empty()))
        .map(Process::from)
        .collect();
    suspended_processes.sort();
    suspended_processes.dedup();
    let group_type = some_text(row, "GroupType").unwrap_or_else(|| "ECS".to_owned());
    ScalingGroup {
        id: text(row, "ScalingGroupId"),
        group_type: GroupType::from(group_type),
        state: GroupState::from(text(row, "LifecycleState")),
        suspended_processes,
        active_scaling_configuration: some_text(row, "ActiveScalingConfigurationId"),
        launch_template: some_text(row, "LaunchTemplateId"),
        total_instances: integer(row, "TotalInstanceCount")
            .unwrap_or_else(|| count("TotalCapacity")),
        instances_in_motion: count("PendingCapacity")
            + count("PendingWaitCapacity")
            + count("RemovingCapacity")
            + count("RemovingWaitCapacity"),
        instances_held: count("PendingWaitCapacity") + count("RemovingWaitCapacity"),
        monitor_group: some_text(row, "MonitorGroupId"),
        server_groups: server_groups(row),
        tags: tags(row),
    }
}

/// The tags of a group.
fn tags(row: &Value) -> BTreeMap<String, String> {
    let plain = rows(row, &["Tags"]).iter();
    let all = plain.chain(rows(row, &["Tags", "Tag"]));
    all.map(|tag| (text(tag, "TagKey"), text(tag, "TagValue")))
        .filter(|(key, _)| !key.is_empty())
        .collect()
}

/// Where the instances of a group are backend servers: four lists, of which the newest names what one of the others may name too.
fn server_groups(row: &Value) -> Vec<ServerGroup> {
    let both = |name, singular| {
        let plain = rows(row, &[name]).iter();
        plain.chain(rows(row, &[name, singular]))
    };
    let mut found = Vec::new();
    let balancers = both("LoadBalancerIds", "LoadBalancerId").filter_map(Value::as_str);
    found.extend(balancers.map(|id| ServerGroup::Default {
        load_balancer: id.to_owned(),
    }));
    for of_balancer in both("VServerGroups", "VServerGroup") {
        let plain = rows(of_balancer, &["VServerGroupAttributes"]).iter();
        let wrapped = ["VServerGroupAttributes", "VServerGroupAttribute"];
        for group in plain.chain(rows(of_balancer, &wrapped)) {
            found.push(ServerGroup::VServerGroup {
                load_balancer: text(of_balancer, "LoadBalancerId"),
                group: text(group, "VServerGroupId"),
            });
        }
    }
    let of_alb = both("AlbServerGroups", "AlbServerGroup");
    found.extend(of_alb.map(|group| ServerGroup::Alb {
        group: text(group, "AlbServerGroupId"),
    }));
    for server_group in both("ServerGroups", "ServerGroup") {
        let (product, group) = (
            text(server_group, "Type"),
            text(server_group, "ServerGroupId"),
        );
        found.push(match product.as_str() {
            "ALB" => ServerGroup::Alb { group },
            "NLB" => ServerGroup::Nlb { group },
            _ => ServerGroup::Other { product, group },
        });
    }
    found.sort();
    found.dedup();
    found
}

fn scaling_configuration(row: &Value) -> ScalingConfiguration {
    ScalingConfiguration {
        id: text(row, "ScalingConfigurationId"),
        group: text(row, "ScalingGroupId"),
        image: some_text(row, "ImageId"),
    }
}

fn scaling_instance(row: &Value) -> ScalingInstance {
    ScalingInstance {
        id: text(row, "InstanceId"),
        state: LifecycleState::from(text(row, "LifecycleState")),
        creation_type: text(row, "CreationType"),
        load_balancer_weight: integer(row, "LoadBalancerWeight"),
        scaling_configuration: some_text(row, "ScalingConfigurationId"),
    }
}

fn scaling_activity(row: &Value) -> ScalingActivity {
    ScalingActivity {
        id: text(row, "ScalingActivityId"),
        description: text(row, "Description"),
        progress: integer(row, "Progress").unwrap_or(0),
    }
}
