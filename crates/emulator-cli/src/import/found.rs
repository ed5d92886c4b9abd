//! What an account has: rows as the services answer them.

use std::collections::BTreeSet;

use anyhow::bail;
use ess_emulator::state::call::Service;
use ess_emulator_probe::account::CallError;
use serde_json::{Map, Value, json};

use super::reads::{List, Paging, Reads, number, some, text};

const GROUPS: List = List {
    service: Service::Ess,
    action: "DescribeScalingGroups",
    path: &["ScalingGroups"],
    id: "ScalingGroupId",
    keep: &[
        "ScalingGroupName",
        "GroupType",
        "LifecycleState",
        "MinSize",
        "MaxSize",
        "DesiredCapacity",
        "EnableDesiredCapacity",
        "SuspendedProcesses",
        "ActiveScalingConfigurationId",
        "LaunchTemplateId",
        "LaunchTemplateVersion",
        "ResourceGroupId",
        "LoadBalancerIds",
        "VServerGroups",
        "AlbServerGroups",
        "ServerGroups",
        "MonitorGroupId",
        "DBInstanceIds",
        "Tags",
        "TotalInstanceCount",
        "TotalCapacity",
    ],
    paging: Paging::Number(50),
};

const CONFIGURATIONS: List = List {
    service: Service::Ess,
    action: "DescribeScalingConfigurations",
    path: &["ScalingConfigurations"],
    id: "ScalingConfigurationId",
    keep: &[
        "ScalingConfigurationName",
        "ScalingGroupId",
        "ImageId",
        "InstanceType",
        "InstanceTypes",
        "KeyPairName",
    ],
    paging: Paging::Number(50),
};

const ECI_CONFIGURATIONS: List = List {
    action: "DescribeEciScalingConfigurations",
    keep: &[
        "ScalingConfigurationName",
        "ScalingGroupId",
        "ContainerGroupName",
        "RestartPolicy",
        "Cpu",
        "Memory",
        "Containers",
    ],
    ..CONFIGURATIONS
};

const MEMBERS: List = List {
    service: Service::Ess,
    action: "DescribeScalingInstances",
    path: &["ScalingInstances"],
    id: "InstanceId",
    keep: &[
        "ScalingGroupId",
        "LifecycleState",
        "CreationType",
        "LoadBalancerWeight",
    ],
    paging: Paging::Number(50),
};

const HOOKS: List = List {
    service: Service::Ess,
    action: "DescribeLifecycleHooks",
    path: &["LifecycleHooks"],
    id: "LifecycleHookId",
    keep: &[
        "ScalingGroupId",
        "LifecycleTransition",
        "HeartbeatTimeout",
        "DefaultResult",
    ],
    paging: Paging::Number(50),
};

const REFRESHES: List = List {
    service: Service::Ess,
    action: "DescribeInstanceRefreshes",
    path: &["InstanceRefreshTasks"],
    id: "InstanceRefreshTaskId",
    keep: &["ScalingGroupId", "Status"],
    paging: Paging::Token("MaxResults", 50),
};

const INSTANCES: List = List {
    service: Service::Ecs,
    action: "DescribeInstances",
    path: &["Instances", "Instance"],
    id: "InstanceId",
    keep: &[
        "ImageId",
        "OSType",
        "Status",
        "InstanceName",
        "HostName",
        "InstanceType",
        "ZoneId",
        "VpcAttributes",
        "SecurityGroupIds",
        "PublicIpAddress",
        "ResourceGroupId",
        "DeletionProtection",
        "Tags",
    ],
    paging: Paging::Token("MaxResults", 100),
};

const CONTAINER_GROUPS: List = List {
    service: Service::Eci,
    action: "DescribeContainerGroups",
    path: &["ContainerGroups"],
    id: "ContainerGroupId",
    keep: &["Status", "ZoneId", "Containers", "Tags"],
    paging: Paging::Token("Limit", 20),
};

const LAUNCH_TEMPLATES: List = List {
    service: Service::Ecs,
    action: "DescribeLaunchTemplates",
    path: &["LaunchTemplateSets", "LaunchTemplateSet"],
    id: "LaunchTemplateId",
    keep: &["LaunchTemplateName", "DefaultVersionNumber"],
    paging: Paging::Number(50),
};

const VERSIONS: List = List {
    service: Service::Ecs,
    action: "DescribeLaunchTemplateVersions",
    path: &["LaunchTemplateVersionSets", "LaunchTemplateVersionSet"],
    id: "VersionNumber",
    keep: &["LaunchTemplateData"],
    paging: Paging::Number(50),
};

const IMAGES: List = List {
    service: Service::Ecs,
    action: "DescribeImages",
    path: &["Images", "Image"],
    id: "ImageId",
    keep: &[
        "ImageName",
        "ImageFamily",
        "ImageOwnerAlias",
        "Status",
        "OSType",
        "Architecture",
        "Size",
        "ResourceGroupId",
        "Tags",
    ],
    paging: Paging::Number(100),
};

const LISTS: &[&List] = &[
    &GROUPS,
    &CONFIGURATIONS,
    &ECI_CONFIGURATIONS,
    &MEMBERS,
    &HOOKS,
    &REFRESHES,
    &INSTANCES,
    &CONTAINER_GROUPS,
    &LAUNCH_TEMPLATES,
    &VERSIONS,
    &IMAGES,
];

/// Without a status DescribeImages shows available ones alone.
const EVERY_STATUS: &str = "Creating,Waiting,Available,UnAvailable,CreateFailed,Deprecated";

/// The actions that are called, as RAM names them.
pub fn actions() -> Vec<String> {
    let all = LISTS.iter();
    all.map(|list| {
        format!(
            "{}:{}",
            list.service.name().to_ascii_lowercase(),
            list.action
        )
    })
    .collect()
}

/// Rows as they were answered.
#[derive(Debug, Default)]
pub struct Found {
    /// Of DescribeScalingGroups, by their ids.
    pub groups: Vec<Value>,
    pub configurations: Vec<Value>,
    pub eci_configurations: Vec<Value>,
    /// Of DescribeScalingInstances.
    pub members: Vec<Value>,
    pub hooks: Vec<Value>,
    pub refreshes: Vec<Value>,
    /// Of DescribeInstances.
    pub instances: Vec<Value>,
    pub container_groups: Vec<Value>,
    pub launch_templates: Vec<Value>,
    /// Their versions.
    pub versions: Vec<Value>,
    pub images: Vec<Value>,
}

/// A list parameter: `Name.1`, `Name.2`, …
fn listed<'a>(name: &str, values: impl IntoIterator<Item = &'a String>) -> Value {
    let members = values.into_iter().zip(1..);
    let members: Map<String, Value> = members
        .map(|(value, n)| (format!("{name}.{n}"), json!(value)))
        .collect();
    members.into()
}

fn chunks(ids: &BTreeSet<String>, size: usize) -> Vec<Vec<String>> {
    let ids: Vec<String> = ids.iter().cloned().collect();
    ids.chunks(size).map(<[String]>::to_vec).collect()
}

/// The ids that rows have in a member.
fn ids<'a>(rows: impl IntoIterator<Item = &'a Value>, name: &str) -> BTreeSet<String> {
    rows.into_iter().filter_map(|row| some(row, name)).collect()
}

impl Found {
    /// The groups of a region, or the chosen ones.
    ///
    /// # Errors
    /// When they cannot be read: there is nothing to import then; and when a chosen one is not there.
    pub fn groups(reads: &mut Reads<'_>, chosen: &[String]) -> anyhow::Result<Self> {
        let mut parts = vec![json!({})];
        if !chosen.is_empty() {
            let chunks = chosen.chunks(20);
            parts = chunks.map(|ids| listed("ScalingGroupIds", ids)).collect();
        }
        let mut groups = Vec::new();
        for part in parts {
            let mut of_eci = part.clone();
            // Without a type groups of type ECI may be left out.
            of_eci["GroupType"] = json!("ECI");
            for parameters in [part, of_eci] {
                groups.extend(reads.all(&GROUPS, &parameters)?);
            }
        }
        let by_id = |row: &Value| text(row, "ScalingGroupId");
        groups.sort_by_key(by_id);
        groups.dedup_by_key(|row| by_id(row));
        let there = ids(&groups, "ScalingGroupId");
        let missing: Vec<&str> = chosen
            .iter()
            .filter(|id| !there.contains(*id))
            .map(String::as_str)
            .collect();
        if !missing.is_empty() {
            bail!(
                "there is no scaling group {} in the region, or it must not be seen: correct --groups",
                missing.join(", ")
            );
        }
        Ok(Self {
            groups,
            ..Self::default()
        })
    }

    fn of_type(&self, group_type: &str) -> usize {
        let of_type =
            |row: &&Value| some(row, "GroupType").as_deref().unwrap_or("ECS") == group_type;
        let sizes = self.groups.iter().filter(of_type);
        sizes
            .filter_map(|row| {
                number(row, "TotalInstanceCount").or_else(|| number(row, "TotalCapacity"))
            })
            .sum()
    }

    /// How many members the groups say they have.
    pub fn size(&self) -> usize {
        self.of_type("ECS") + self.of_type("ECI")
    }

    /// About how many calls [`Found::rest`] makes.
    pub fn calls_left(&self, chosen: bool) -> usize {
        let groups = self.groups.len();
        let (ecs, eci) = (self.of_type("ECS"), self.of_type("ECI"));
        let lists = match chosen {
            true => 4 * groups + self.size() / 50,
            false => 3 * groups.div_ceil(50) + self.size().div_ceil(50) + groups,
        };
        lists + ecs.div_ceil(100) + eci.div_ceil(20) + self.launch_template_ids().len() + 2
    }

    fn launch_template_ids(&self) -> BTreeSet<String> {
        ids(&self.groups, "LaunchTemplateId")
    }

    /// All else. With chosen groups lists are asked for group by group, else for the whole region:
    /// what belongs to no group is left out then.
    ///
    /// # Errors
    /// When a call is not answered.
    pub fn rest(&mut self, reads: &mut Reads<'_>, chosen: bool) -> Result<(), CallError> {
        let groups = ids(&self.groups, "ScalingGroupId");
        let by_group = || -> Vec<Value> {
            let each = groups.iter();
            each.map(|id| json!({ "ScalingGroupId": id })).collect()
        };
        let each = || match chosen {
            true => by_group(),
            false => vec![json!({})],
        };
        let own = |rows: Vec<Value>| -> Vec<Value> {
            let own = rows.into_iter();
            own.filter(|row| groups.contains(&text(row, "ScalingGroupId")))
                .collect()
        };
        let rows = reads.allowed("scaling configurations", &CONFIGURATIONS, each())?;
        self.configurations = own(rows);
        if self.of_type("ECI") > 0 || self.groups.iter().any(|g| g["GroupType"] == "ECI") {
            let what = "scaling configurations of groups of type ECI";
            let rows = reads.allowed(what, &ECI_CONFIGURATIONS, each())?;
            self.eci_configurations = own(rows);
        }
        let rows = reads.allowed("members of groups", &MEMBERS, each())?;
        self.members = own(rows);
        self.members
            .sort_by_key(|row| (text(row, "ScalingGroupId"), text(row, "InstanceId")));
        let rows = reads.allowed("lifecycle hooks", &HOOKS, each())?;
        self.hooks = own(rows);
        // The service wants a group.
        let rows = reads.allowed("instance refreshes", &REFRESHES, by_group())?;
        self.refreshes = own(rows);

        let of_eci: BTreeSet<String> = self
            .groups
            .iter()
            .filter(|row| row["GroupType"] == "ECI")
            .map(|row| text(row, "ScalingGroupId"))
            .collect();
        let is_eci = |row: &&Value| of_eci.contains(&text(row, "ScalingGroupId"));
        let members = ids(self.members.iter().filter(|row| !is_eci(row)), "InstanceId");
        let of_ids = |name: &str, ids: &BTreeSet<String>, size: usize| -> Vec<Value> {
            let chunks = chunks(ids, size).into_iter();
            chunks
                .map(|ids| json!({ name: json!(ids).to_string() }))
                .collect()
        };
        let each = of_ids("InstanceIds", &members, 100);
        self.instances = reads.allowed("ECS instances", &INSTANCES, each)?;
        let members = ids(self.members.iter().filter(is_eci), "InstanceId");
        let each = of_ids("ContainerGroupIds", &members, 20);
        self.container_groups = reads.allowed("container groups", &CONTAINER_GROUPS, each)?;

        let templates = self.launch_template_ids();
        let each = chunks(&templates, 50).into_iter();
        let each = each.map(|ids| listed("LaunchTemplateId", &ids));
        self.launch_templates = reads.allowed("launch templates", &LAUNCH_TEMPLATES, each)?;
        // One call for each: the API has no other way.
        for id in &templates {
            let parameters = json!({"LaunchTemplateId": id, "DetailFlag": "true"});
            let unread = reads.unread.len();
            let what = "versions of launch templates";
            let rows = reads.allowed(what, &VERSIONS, [parameters])?;
            for mut row in rows {
                row["LaunchTemplateId"] = json!(id);
                self.versions.push(row);
            }
            if reads.unread.len() > unread {
                break;
            }
        }
        let mut images = ids(&self.configurations, "ImageId");
        images.extend(ids(&self.instances, "ImageId"));
        let data = self.versions.iter().map(|row| &row["LaunchTemplateData"]);
        images.extend(ids(data, "ImageId"));
        let each = chunks(&images, 50).into_iter();
        let each = each.map(|ids| json!({"ImageId": ids.join(","), "Status": EVERY_STATUS}));
        self.images = reads.allowed("images", &IMAGES, each)?;
        Ok(())
    }
}
