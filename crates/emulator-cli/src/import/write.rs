//! From rows of an account to a fixture. What a fixture cannot say is counted and told.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::found::Found;
use super::reads::{number, rows_at, some, text};
use super::scene::{
    AlbServerGroup, Configuration, ContainerGroup, EciConfiguration, Group, Hook, Image, Instance,
    LaunchTemplate, Place, Principal, Refresh, Role, Scene, ServerGroup, VServerGroup,
    VServerGroups, Version,
};
use super::stand_ins::StandIns;

/// Processes that a fixture can suspend.
const PROCESSES: &[&str] = &[
    "ScaleIn",
    "ScaleOut",
    "HealthCheck",
    "AlarmNotification",
    "ScheduledAction",
];

/// States of members that a fixture knows.
const STATES: &[&str] = &[
    "InService",
    "Pending",
    "Pending:Wait",
    "Protected",
    "Standby",
    "Removing",
    "Removing:Wait",
];

/// Statuses of ECS instances that it knows.
const INSTANCE_STATUSES: &[&str] = &["Running", "Starting", "Stopping", "Stopped"];

/// Statuses of container groups.
const CONTAINER_STATUSES: &[&str] = &[
    "Scheduling",
    "ScheduleFailed",
    "Pending",
    "Running",
    "Succeeded",
    "Failed",
    "Restarting",
    "Updating",
    "Terminating",
    "Expired",
];

/// Fields of a container that are taken over. Commands, arguments and variables are not, nor what
/// may have them in it: probes and volumes.
const CONTAINER_FIELDS: &[&str] = &["ImagePullPolicy", "Cpu", "Memory", "Gpu"];

/// Where the members of a group get traffic from.
#[derive(Debug, Default)]
struct Attached {
    v_server_groups: Vec<VServerGroups>,
    alb_server_groups: Vec<AlbServerGroup>,
    server_groups: Vec<ServerGroup>,
}

/// Makes the fixture.
pub struct Writer<'a> {
    region: &'a str,
    names: StandIns,
    /// What a fixture cannot say, and how often.
    gaps: BTreeMap<&'static str, usize>,
    images: HashSet<String>,
}

/// The fixture of what was found, and what it cannot say.
pub fn write(found: &Found, region: &str, keep: bool) -> (Scene, Vec<String>) {
    let public = found.images.iter().filter(|row| {
        some(row, "ImageOwnerAlias").is_some_and(|a| ["system", "marketplace"].contains(&&*a))
    });
    let public = public.map(|row| text(row, "ImageId")).collect();
    let mut writer = Writer {
        region,
        names: StandIns::new(keep, public),
        gaps: BTreeMap::new(),
        images: HashSet::new(),
    };
    writer.introduce(found);
    let scene = writer.scene(found);
    let gaps = writer.gaps.iter();
    let gaps = gaps
        .map(|(what, count)| format!("{what}: {count}"))
        .collect();
    (scene, gaps)
}

/// Rows by a member of theirs.
fn by<'r>(rows: &'r [Value], name: &str) -> HashMap<String, Vec<&'r Value>> {
    let mut by: HashMap<String, Vec<&Value>> = HashMap::new();
    for row in rows {
        by.entry(text(row, name)).or_default().push(row);
    }
    by
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

/// A value that is not the one that the emulator takes for an absent one.
fn unless(value: Option<String>, usual: &str) -> Option<String> {
    value.filter(|value| value != usual)
}

impl Writer<'_> {
    /// Gives ids their stand-ins in the order of the lists, before a tag names one.
    fn introduce(&mut self, found: &Found) {
        let lists = [
            (&found.groups, "ScalingGroupId"),
            (&found.configurations, "ScalingConfigurationId"),
            (&found.eci_configurations, "ScalingConfigurationId"),
            (&found.members, "InstanceId"),
            (&found.launch_templates, "LaunchTemplateId"),
        ];
        for (rows, name) in lists {
            for row in rows {
                self.names.id(&text(row, name));
            }
        }
        for row in &found.groups {
            self.names.name("group", &text(row, "ScalingGroupName"));
        }
        for row in &found.images {
            self.names.image(&text(row, "ImageId"));
        }
    }

    fn gap(&mut self, what: &'static str) {
        *self.gaps.entry(what).or_default() += 1;
    }

    fn scene(&mut self, found: &Found) -> Scene {
        // One may be in several lists.
        let mut seen = HashSet::new();
        let images = found.images.iter();
        let images = images.filter(|row| seen.insert(text(row, "ImageId")));
        let images: Vec<Image> = images.map(|row| self.image(row)).collect();
        let launch_templates = self.launch_templates(found);
        let configurations = by(&found.configurations, "ScalingGroupId");
        let eci_configurations = by(&found.eci_configurations, "ScalingGroupId");
        let members = by(&found.members, "ScalingGroupId");
        let hooks = by(&found.hooks, "ScalingGroupId");
        let refreshes = by(&found.refreshes, "ScalingGroupId");
        let instances = by(&found.instances, "InstanceId");
        let container_groups = by(&found.container_groups, "ContainerGroupId");
        let mut groups = Vec::new();
        let none = Vec::new();
        for row in &found.groups {
            let id = text(row, "ScalingGroupId");
            let Some(mut group) = self.group(
                row,
                configurations.get(&id).unwrap_or(&none),
                eci_configurations.get(&id).unwrap_or(&none),
                &launch_templates,
            ) else {
                continue;
            };
            for row in hooks.get(&id).unwrap_or(&none) {
                group.lifecycle_hooks.push(self.hook(row));
            }
            for row in refreshes.get(&id).unwrap_or(&none) {
                group.instance_refreshes.extend(self.refresh(row));
            }
            for member in members.get(&id).unwrap_or(&none) {
                let id = text(member, "InstanceId");
                let of_eci = group.group_type.is_some();
                let own = match of_eci {
                    true => container_groups.get(&id),
                    false => instances.get(&id),
                };
                match own.and_then(|rows| rows.first()) {
                    Some(row) if of_eci => {
                        let own = self.container_group(member, row);
                        group.container_groups.extend(own);
                    }
                    Some(row) => group.instances.push(self.instance(member, row)),
                    None => self.gap("members that ECS or ECI did not show, left out"),
                }
            }
            groups.push(group);
        }
        Scene {
            regions: vec![self.region.to_owned()],
            principals: vec![Principal {
                name: "rehearsal",
                access_key_id: "rehearsal-key",
                access_key_secret: "rehearsal-secret",
                allow: vec!["*"],
            }],
            roles: vec![Role {
                name: "OOSServiceRole",
                trusts_oos: true,
                allow: vec!["*"],
            }],
            images: self.with_missing(images),
            packages: Vec::new(),
            launch_templates: launch_templates.into_values().collect(),
            scaling_groups: groups,
        }
    }

    /// Adds the images that something is made from and that were not shown.
    fn with_missing(&mut self, mut images: Vec<Image>) -> Vec<Image> {
        for image in &images {
            self.images.remove(&image.image_id);
        }
        let mut missing: Vec<String> = self.images.drain().collect();
        missing.sort();
        for image_id in missing {
            self.gap("images that ECS did not show, written with their ids alone");
            images.push(Image {
                image_id,
                ..Image::default()
            });
        }
        images
    }

    fn used_image(&mut self, own: &str) -> String {
        let image = self.names.image(own);
        self.images.insert(image.clone());
        image
    }

    fn tags(&mut self, rows: &[Value], key: &str, value: &str) -> BTreeMap<String, String> {
        rows.iter()
            .map(|tag| self.names.tag(&text(tag, key), &text(tag, value)))
            .collect()
    }

    fn some_id(&mut self, row: &Value, name: &str) -> Option<String> {
        some(row, name).map(|id| self.names.id(&id))
    }

    fn some_name(&mut self, kind: &str, row: &Value, name: &str) -> Option<String> {
        some(row, name).map(|own| self.names.name(kind, &own))
    }

    fn zone(&self, row: &Value) -> Option<String> {
        let zone = some(row, "ZoneId")?;
        let own = zone
            .strip_prefix(self.region)
            .and_then(|rest| rest.strip_prefix('-'));
        Some(own.map_or(zone.clone(), str::to_owned))
    }

    fn image(&mut self, row: &Value) -> Image {
        let own = text(row, "ImageId");
        let (name, family) = match self.names.is_public(&own) {
            true => (some(row, "ImageName"), some(row, "ImageFamily")),
            false => (
                self.some_name("image", row, "ImageName"),
                self.some_name("family", row, "ImageFamily"),
            ),
        };
        Image {
            image_id: self.names.image(&own),
            name,
            status: unless(some(row, "Status"), "Available"),
            os_type: unless(
                some(row, "OSType").map(|os| os.to_ascii_lowercase()),
                "linux",
            ),
            architecture: unless(some(row, "Architecture"), "x86_64"),
            size: number(row, "Size").filter(|size| ![0, 40].contains(size)),
            owner_alias: unless(some(row, "ImageOwnerAlias"), "self"),
            family,
            resource_group_id: self.some_id(row, "ResourceGroupId"),
            tags: self.tags(rows_at(row, &["Tags", "Tag"]), "TagKey", "TagValue"),
        }
    }

    fn launch_templates(&mut self, found: &Found) -> BTreeMap<String, LaunchTemplate> {
        let versions = by(&found.versions, "LaunchTemplateId");
        let mut templates = BTreeMap::new();
        for row in &found.launch_templates {
            let own = text(row, "LaunchTemplateId");
            let mut known = Vec::new();
            for row in versions.get(&own).into_iter().flatten() {
                let data = &row["LaunchTemplateData"];
                let (Some(version), Some(image)) =
                    (number(row, "VersionNumber"), some(data, "ImageId"))
                else {
                    self.gap("versions of launch templates without an image, left out");
                    continue;
                };
                known.push(Version {
                    version,
                    image_id: self.used_image(&image),
                    key_pair_name: self.some_name("key-pair", data, "KeyPairName"),
                });
            }
            if known.is_empty() {
                continue;
            }
            let default = number(row, "DefaultVersionNumber");
            let id = self.names.id(&own);
            let template = LaunchTemplate {
                launch_template_id: id.clone(),
                name: self.some_name("launch-template", row, "LaunchTemplateName"),
                default_version: default.filter(|n| known.iter().any(|v| v.version == *n)),
                versions: known,
            };
            templates.insert(id, template);
        }
        templates
    }

    /// `None` for a group that new instances cannot come into: a fixture has none of these.
    fn group(
        &mut self,
        row: &Value,
        configurations: &[&Value],
        eci_configurations: &[&Value],
        launch_templates: &BTreeMap<String, LaunchTemplate>,
    ) -> Option<Group> {
        let group_type = some(row, "GroupType").unwrap_or_else(|| "ECS".to_owned());
        let of_eci = group_type == "ECI";
        if !of_eci && group_type != "ECS" {
            self.gap("groups of another type than ECS and ECI, left out");
            return None;
        }
        let mut suspended = texts(&row["SuspendedProcesses"]);
        suspended.extend(texts(&row["SuspendedProcesses"]["SuspendedProcess"]));
        let known = suspended.len();
        suspended.retain(|process| PROCESSES.contains(&process.as_str()));
        if suspended.len() < known {
            self.gap("suspended processes that a fixture does not know, left out");
        }
        let active = some(row, "ActiveScalingConfigurationId");
        let template = some(row, "LaunchTemplateId").map(|id| self.names.id(&id));
        let template = template.filter(|id| launch_templates.contains_key(id) && !of_eci);
        let own: Vec<&Value> = match of_eci {
            true => eci_configurations.to_vec(),
            false => configurations.to_vec(),
        };
        let is_active = |row: &&Value| some(row, "ScalingConfigurationId") == active;
        if template.is_none()
            && (own.is_empty() || (active.is_some() && !own.iter().any(is_active)))
        {
            self.gap(
                "groups whose active configuration or launch template was not shown, left out",
            );
            return None;
        }
        let version = some(row, "LaunchTemplateVersion").filter(|version| {
            let known =
                |t: &LaunchTemplate| t.versions.iter().any(|v| v.version.to_string() == *version);
            let template = template.as_ref().and_then(|id| launch_templates.get(id));
            version == "Latest" || template.is_some_and(known)
        });
        let own_active = active.filter(|_| template.is_none());
        let attached = self.attached(row);
        Some(Group {
            scaling_group_id: self.names.id(&text(row, "ScalingGroupId")),
            group_type: of_eci.then_some(group_type),
            name: self.names.name("group", &text(row, "ScalingGroupName")),
            enabled: text(row, "LifecycleState") != "Inactive",
            min_size: number(row, "MinSize").unwrap_or(0),
            max_size: number(row, "MaxSize").unwrap_or(1000),
            desired_capacity: number(row, "DesiredCapacity")
                .filter(|_| row["EnableDesiredCapacity"] != false),
            suspended_processes: suspended,
            active_scaling_configuration_id: own_active.map(|id| self.names.id(&id)),
            configurations: match of_eci {
                true => Vec::new(),
                false => own
                    .iter()
                    .filter_map(|row| self.configuration(row))
                    .collect(),
            },
            eci_configurations: match of_eci {
                true => own
                    .iter()
                    .filter_map(|row| self.eci_configuration(row))
                    .collect(),
                false => Vec::new(),
            },
            launch_template_version: version.filter(|_| template.is_some()),
            launch_template_id: template,
            resource_group_id: self.some_id(row, "ResourceGroupId"),
            load_balancer_ids: texts(&row["LoadBalancerIds"])
                .iter()
                .map(|id| self.names.id(id))
                .collect(),
            v_server_groups: attached.v_server_groups,
            alb_server_groups: attached.alb_server_groups,
            server_groups: attached.server_groups,
            monitor_group_id: self.some_id(row, "MonitorGroupId"),
            tags: self.tags(rows_at(row, &["Tags"]), "TagKey", "TagValue"),
            ..Group::default()
        })
    }

    /// The server groups that the members of a group are in.
    fn attached(&mut self, row: &Value) -> Attached {
        let mut attached = Attached::default();
        for of in rows_at(row, &["VServerGroups"]) {
            let mut own = Vec::new();
            for group in rows_at(of, &["VServerGroupAttributes"]) {
                let place = self.place(group, "VServerGroupId");
                own.extend(place.map(|(v_server_group_id, place)| VServerGroup {
                    v_server_group_id,
                    place,
                }));
            }
            let balancer = self.some_id(of, "LoadBalancerId");
            if let Some(load_balancer_id) = balancer.filter(|_| !own.is_empty()) {
                attached.v_server_groups.push(VServerGroups {
                    load_balancer_id,
                    v_server_group_attributes: own,
                });
            }
        }
        for group in rows_at(row, &["AlbServerGroups"]) {
            let place = self.place(group, "AlbServerGroupId");
            let own = place.map(|(alb_server_group_id, place)| AlbServerGroup {
                alb_server_group_id,
                place,
            });
            attached.alb_server_groups.extend(own);
        }
        for group in rows_at(row, &["ServerGroups"]) {
            let product = text(group, "Type");
            if !["ALB", "NLB", "GWLB"].contains(&product.as_str()) {
                self.gap("server groups of a type that a fixture does not know, left out");
                continue;
            }
            let place = self.place(group, "ServerGroupId");
            let own = place.map(|(server_group_id, place)| ServerGroup {
                server_group_id,
                product,
                place,
            });
            attached.server_groups.extend(own);
        }
        for _ in rows_at(row, &["DBInstanceIds"]) {
            self.gap("databases that groups are attached to, left out");
        }
        attached
    }

    /// The id of a server group, and the port and weight of members in it.
    fn place(&mut self, row: &Value, id: &str) -> Option<(String, Place)> {
        let port = number(row, "Port").and_then(|port| u16::try_from(port).ok());
        let (Some(id), Some(port)) = (self.some_id(row, id), port) else {
            self.gap("server groups without an id or a port, left out");
            return None;
        };
        let weight = number(row, "Weight");
        Some((id, Place { port, weight }))
    }

    fn configuration(&mut self, row: &Value) -> Option<Configuration> {
        let Some(image) = some(row, "ImageId") else {
            self.gap("scaling configurations without an image id, left out");
            return None;
        };
        let kinds = texts(&row["InstanceTypes"]);
        let kind = some(row, "InstanceType").or_else(|| kinds.into_iter().next());
        Some(Configuration {
            scaling_configuration_id: self.names.id(&text(row, "ScalingConfigurationId")),
            name: self
                .names
                .name("configuration", &text(row, "ScalingConfigurationName")),
            image_id: self.used_image(&image),
            instance_type: kind,
            key_pair_name: self.some_name("key-pair", row, "KeyPairName"),
        })
    }

    fn eci_configuration(&mut self, row: &Value) -> Option<EciConfiguration> {
        let containers = self.containers(rows_at(row, &["Containers"]));
        if containers.is_empty() {
            self.gap("scaling configurations without containers, left out");
            return None;
        }
        Some(EciConfiguration {
            scaling_configuration_id: self.names.id(&text(row, "ScalingConfigurationId")),
            name: self
                .names
                .name("configuration", &text(row, "ScalingConfigurationName")),
            container_group_name: self.some_name("container-group", row, "ContainerGroupName"),
            restart_policy: some(row, "RestartPolicy"),
            cpu: row["Cpu"].as_f64().filter(|cpu| *cpu > 0.0),
            memory: row["Memory"].as_f64().filter(|memory| *memory > 0.0),
            containers,
        })
    }

    fn containers(&mut self, rows: &[Value]) -> Vec<Map<String, Value>> {
        rows.iter()
            .map(|row| {
                let mut container = Map::new();
                let name = self.names.name("container", &text(row, "Name"));
                container.insert("Name".to_owned(), json!(name));
                let image = self.names.container_image(&text(row, "Image"));
                container.insert("Image".to_owned(), json!(image));
                for field in CONTAINER_FIELDS {
                    let value = &row[*field];
                    let is_set = value.as_str().is_some_and(|text| !text.is_empty())
                        || value.as_f64().is_some_and(|n| n > 0.0);
                    if is_set {
                        container.insert((*field).to_owned(), value.clone());
                    }
                }
                let ports = rows_at(row, &["Ports"]);
                if !ports.is_empty() {
                    container.insert("Port".to_owned(), json!(ports));
                }
                container
            })
            .collect()
    }

    fn hook(&mut self, row: &Value) -> Hook {
        Hook {
            lifecycle_hook_id: self.names.id(&text(row, "LifecycleHookId")),
            lifecycle_transition: text(row, "LifecycleTransition"),
            heartbeat_timeout: number(row, "HeartbeatTimeout"),
            // A rollback of the activity is what becomes of instances with ABANDON, too.
            default_result: some(row, "DefaultResult").map(|result| match result.as_str() {
                "CONTINUE" => result,
                _ => "ABANDON".to_owned(),
            }),
        }
    }

    /// Those that go on alone.
    fn refresh(&mut self, row: &Value) -> Option<Refresh> {
        let status = text(row, "Status");
        ["InProgress", "Paused", "Pending", "RollbackInProgress"]
            .contains(&status.as_str())
            .then(|| Refresh {
                instance_refresh_task_id: self.names.id(&text(row, "InstanceRefreshTaskId")),
                status,
            })
    }

    fn state(&mut self, member: &Value) -> Option<String> {
        let state = text(member, "LifecycleState");
        if state.starts_with("Pending") || state.starts_with("Removing") {
            self.gap("members on their way in or out, who stay on it");
        }
        if STATES.contains(&state.as_str()) {
            return unless(Some(state), "InService");
        }
        self.gap("members in a state that a fixture does not know, written as Standby");
        Some("Standby".to_owned())
    }

    fn creation_type(member: &Value) -> Option<String> {
        some(member, "CreationType").filter(|kind| ["Attached", "Managed"].contains(&kind.as_str()))
    }

    /// In Standby it is 0 whatever it was before.
    fn weight(member: &Value) -> Option<usize> {
        let in_standby = text(member, "LifecycleState") == "Standby";
        number(member, "LoadBalancerWeight").filter(|weight| !in_standby && *weight != 50)
    }

    fn instance(&mut self, member: &Value, row: &Value) -> Instance {
        let mut status = text(row, "Status");
        if !INSTANCE_STATUSES.contains(&status.as_str()) {
            self.gap("ECS instances in a status that a fixture does not know, written as Starting");
            status = "Starting".to_owned();
        }
        let network = &row["VpcAttributes"];
        let public = rows_at(row, &["PublicIpAddress", "IpAddress"]);
        let public = public.first().and_then(Value::as_str).map(str::to_owned);
        let security_groups = texts(&row["SecurityGroupIds"]["SecurityGroupId"]);
        Instance {
            instance_id: self.names.id(&text(row, "InstanceId")),
            image_id: self.used_image(&text(row, "ImageId")),
            os_type: unless(
                some(row, "OSType").map(|os| os.to_ascii_lowercase()),
                "linux",
            ),
            status: unless(Some(status), "Running"),
            lifecycle_state: self.state(member),
            creation_type: Self::creation_type(member),
            load_balancer_weight: Self::weight(member),
            name: self.some_name("instance", row, "InstanceName"),
            host_name: self.some_name("host", row, "HostName"),
            instance_type: some(row, "InstanceType"),
            zone: unless(self.zone(row), "h"),
            vpc_id: self.some_id(network, "VpcId"),
            v_switch_id: self.some_id(network, "VSwitchId"),
            security_group_ids: security_groups.iter().map(|id| self.names.id(id)).collect(),
            public_ip_address: public.and_then(|address| self.names.address(&address)),
            resource_group_id: self.some_id(row, "ResourceGroupId"),
            deletion_protection: row["DeletionProtection"] == true,
            tags: self.tags(rows_at(row, &["Tags", "Tag"]), "TagKey", "TagValue"),
        }
    }

    fn container_group(&mut self, member: &Value, row: &Value) -> Option<ContainerGroup> {
        let status = text(row, "Status");
        if !CONTAINER_STATUSES.contains(&status.as_str()) {
            self.gap("container groups in a status that a fixture does not know, left out");
            return None;
        }
        Some(ContainerGroup {
            container_group_id: self.names.id(&text(row, "ContainerGroupId")),
            status: unless(Some(status), "Running"),
            lifecycle_state: self.state(member),
            creation_type: Self::creation_type(member),
            load_balancer_weight: Self::weight(member),
            zone: unless(self.zone(row), "h"),
            containers: self.containers(rows_at(row, &["Containers"])),
            tags: self.tags(rows_at(row, &["Tags"]), "Key", "Value"),
        })
    }
}
