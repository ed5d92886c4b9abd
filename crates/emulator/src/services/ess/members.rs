//! What a scale-out makes: ECS instances or container groups, as the group's configuration says.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::state::container_groups::{ContainerGroupStatus, EciConfiguration, NewContainerGroup};
use crate::state::disks::{DiskAttributes, NewDisk};
use crate::state::images::OsType;
use crate::state::model::{
    Attributes, Blueprint, CreationType, Group, GroupType, Instance, InstanceSource,
    InstanceStatus, LifecycleState, Member, Traffic,
};
use crate::state::settings::Settings;
use crate::state::world::World;

/// What new members are made from.
pub enum MemberBlueprint {
    Instance(Blueprint),
    ContainerGroup(Box<EciConfiguration>),
}

/// What the group makes members from now; `None` when its image or configuration is of no use.
pub fn blueprint(world: &World, group: &Group) -> Option<MemberBlueprint> {
    let resources = &world.resources;
    if group.group_type == GroupType::Eci {
        let InstanceSource::Configuration(id) = &group.source else {
            return None;
        };
        let configuration = resources.eci_configurations.get(id)?.clone();
        return Some(MemberBlueprint::ContainerGroup(Box::new(configuration)));
    }
    resources
        .blueprint(&group.source)
        .filter(|b| {
            resources
                .images
                .get(&b.image_id)
                .is_none_or(|image| image.is_usable())
        })
        .map(MemberBlueprint::Instance)
}

/// Makes one member, Pending until the activity ends. Gives its id.
pub fn make(
    world: &mut World,
    group: &Group,
    blueprint: &MemberBlueprint,
    activity: &str,
) -> String {
    let zone_id = match blueprint {
        MemberBlueprint::Instance(blueprint) => blueprint.settings.text("ZoneId"),
        MemberBlueprint::ContainerGroup(_) => None,
    };
    let zone_id = zone_id.unwrap_or_else(|| format!("{}-h", group.region));
    let weight = match blueprint {
        MemberBlueprint::Instance(blueprint) => blueprint.settings.number("LoadBalancerWeight"),
        MemberBlueprint::ContainerGroup(_) => None,
    };
    let id = match blueprint {
        MemberBlueprint::Instance(blueprint) => instance(world, group, blueprint, zone_id),
        MemberBlueprint::ContainerGroup(configuration) => {
            let new = NewContainerGroup {
                id: world.ids.id("eci-"),
                zone_id,
                private_ip: world.fresh_address(),
                status: ContainerGroupStatus::Pending,
                created: world.now,
            };
            let id = new.id.clone();
            let made = configuration.make(new);
            world.resources.container_groups.insert(id.clone(), made);
            id
        }
    };
    let (scaling_configuration_id, launch_template) = match &group.source {
        InstanceSource::Configuration(id) => (Some(id.clone()), None),
        InstanceSource::LaunchTemplate { id, version } => {
            (None, Some((id.clone(), version.clone())))
        }
    };
    world.resources.members.insert(
        id.clone(),
        Member {
            instance_id: id.clone(),
            scaling_group_id: group.scaling_group_id.clone(),
            lifecycle_state: LifecycleState::Pending,
            creation_type: CreationType::AutoCreated,
            scaling_configuration_id,
            launch_template,
            load_balancer_weight: 0,
            normal_weight: weight.and_then(|n| u32::try_from(n).ok()).unwrap_or(50),
            activity_id: Some(activity.to_owned()),
            entrusted: true,
            said_unhealthy: false,
            created: world.now,
            traffic: Traffic::default(),
        },
    );
    id
}

fn instance(world: &mut World, group: &Group, blueprint: &Blueprint, zone_id: String) -> String {
    let id = world.ids.id("i-");
    let image = world.resources.images.get(&blueprint.image_id).cloned();
    let given = &blueprint.settings;
    let mut attributes = attributes(given, &blueprint.instance_type);
    if let Some(switch) = v_switch(world, group) {
        attributes.v_switch_id = switch;
    }
    if given.number("InternetMaxBandwidthOut").unwrap_or(0) > 0 {
        attributes.public_ip_address = Some(world.fresh_public_address());
    }
    let instance = Instance {
        instance_id: id.clone(),
        account_id: group.account_id.clone(),
        region: group.region.clone(),
        status: InstanceStatus::Starting,
        settles_at: None,
        running_since: None,
        image_id: blueprint.image_id.clone(),
        os_type: image.as_ref().map_or(OsType::Linux, |i| i.os_type),
        architecture: image
            .as_ref()
            .map_or_else(|| "x86_64".into(), |i| i.architecture.clone()),
        zone_id,
        instance_type: blueprint.instance_type.clone(),
        private_ip: world.fresh_address(),
        disk_id: world.ids.id("d-"),
        disk_size: given
            .number("SystemDiskSize")
            .unwrap_or_default()
            .max(image.as_ref().map_or(40, |i| i.size)),
        disk_ready: true,
        system_disk: system_disk(given).map(Box::new),
        user_data: blueprint.user_data.clone(),
        key_pair_name: blueprint.key_pair_name.clone(),
        cloud_assistant: true,
        attributes,
        tags: tags(group, given),
        created: world.now,
        commands_sent: 0,
        packages: BTreeMap::new(),
    };
    let disks: Vec<NewDisk> = given.list("DataDisks").iter().map(data_disk).collect();
    for disk in disks {
        let id = world.ids.id("d-");
        world.resources.add_data_disk(&instance, id, disk);
    }
    world.resources.add_instance(instance);
    id
}

/// The vSwitch of a new instance: with MultiAZPolicy PRIORITY, which is the default, the first of
/// the group, as none is ever short of instances here; with any other the one that has the fewest
/// members, the first of several. In which zone a vSwitch is, nobody knows here.
fn v_switch(world: &World, group: &Group) -> Option<String> {
    let switches = group.settings.texts("VSwitchIds");
    let policy = group.settings.text("MultiAZPolicy");
    if policy.is_none_or(|policy| policy == "PRIORITY") {
        return switches.into_iter().next();
    }
    let members = |switch: &String| {
        let members = world.resources.members_of(&group.scaling_group_id);
        members
            .filter_map(|member| world.resources.instances.get(&member.instance_id))
            .filter(|instance| instance.attributes.v_switch_id == *switch)
            .count()
    };
    switches.into_iter().min_by_key(members)
}

/// What the configuration says of the system disk besides its size.
fn system_disk(given: &Settings) -> Option<DiskAttributes> {
    const NAMES: &[&str] = &[
        "SystemDiskName",
        "SystemDiskDescription",
        "SystemDiskPerformanceLevel",
        "SystemDiskCategory",
        "SystemDiskCategories",
        "SystemDiskEncrypted",
        "SystemDiskKMSKeyId",
    ];
    NAMES.iter().find_map(|name| given.get(name))?;
    // Of several categories the first is tried first.
    let first = given.texts("SystemDiskCategories").into_iter().next();
    Some(DiskAttributes {
        name: given.text("SystemDiskName"),
        description: given.text("SystemDiskDescription").unwrap_or_default(),
        performance_level: given.text("SystemDiskPerformanceLevel"),
        category: given.text("SystemDiskCategory").or(first),
        encrypted: given.flag("SystemDiskEncrypted"),
        kms_key_id: given.text("SystemDiskKMSKeyId"),
        ..DiskAttributes::of_system()
    })
}

/// What DescribeInstances shows by another name than the configuration, or by the same.
const TOLD: &[(&str, &str)] = &[
    ("CreditSpecification", "CreditSpecification"),
    ("DeploymentSetId", "DeploymentSetId"),
    ("HttpEndpoint", "MetadataOptions.HttpEndpoint"),
    ("HttpTokens", "MetadataOptions.HttpTokens"),
    ("InternetChargeType", "InternetChargeType"),
    ("InternetMaxBandwidthIn", "InternetMaxBandwidthIn"),
    ("InternetMaxBandwidthOut", "InternetMaxBandwidthOut"),
    ("SpotDuration", "SpotDuration"),
    ("SpotInterruptionBehavior", "SpotInterruptionBehavior"),
    ("SpotStrategy", "SpotStrategy"),
    ("Tenancy", "DedicatedInstanceAttribute.Tenancy"),
];

/// What a new instance shows and nothing goes by.
fn told(given: &Settings, instance_type: &str) -> Settings {
    let mut told = Settings::default();
    for (from, to) in TOLD {
        if let Some(value) = given.get(from) {
            told.put(to, value.clone());
        }
    }
    if let Some(kind) = given.text("IoOptimized") {
        told.put("IoOptimized", Value::Bool(kind != "none"));
    }
    let mut limits = given.list("SpotPriceLimits").iter();
    if let Some(limit) = limits.find(|limit| limit["InstanceType"] == instance_type) {
        told.put("SpotPriceLimit", limit["PriceLimit"].clone());
    }
    told
}

/// What the configuration says of a new instance.
fn attributes(given: &Settings, instance_type: &str) -> Attributes {
    let usual = Attributes::default();
    let groups = match given.texts("SecurityGroupIds") {
        ids if ids.is_empty() => given.text("SecurityGroupId").into_iter().collect(),
        ids => ids,
    };
    Attributes {
        instance_name: given.text("InstanceName"),
        host_name: given.text("HostName"),
        description: given.text("InstanceDescription").unwrap_or_default(),
        deletion_protection: given.flag("DeletionProtection"),
        security_group_ids: match groups.is_empty() {
            true => usual.security_group_ids.clone(),
            false => groups,
        },
        resource_group_id: given.text("ResourceGroupId").unwrap_or_default(),
        told: told(given, instance_type),
        ..usual
    }
}

fn data_disk(given: &Value) -> NewDisk {
    let text = |name: &str| given[name].as_str().map(str::to_owned);
    let is = |name: &str| given[name].as_bool();
    NewDisk {
        size: given["Size"].as_u64().unwrap_or(40),
        snapshot_id: text("SnapshotId"),
        device: text("Device"),
        attributes: DiskAttributes {
            name: text("DiskName"),
            description: text("Description").unwrap_or_default(),
            delete_with_instance: is("DeleteWithInstance").unwrap_or(true),
            performance_level: text("PerformanceLevel"),
            category: text("Category"),
            encrypted: is("Encrypted").unwrap_or(false),
            ..DiskAttributes::default()
        },
    }
}

/// The tags of the group and of the configuration that new instances get.
fn tags(group: &Group, given: &Settings) -> BTreeMap<String, String> {
    let mut tags = group.tags.clone();
    tags.retain(|key, _| group.propagated_tags.contains(key));
    for tag in given.list("Tags") {
        if let (Some(key), Some(value)) = (tag["Key"].as_str(), tag["Value"].as_str()) {
            tags.insert(key.to_owned(), value.to_owned());
        }
    }
    tags
}

/// The new member serves.
pub fn serve(world: &mut World, id: &str) {
    let now = world.now;
    if let Some(instance) = world.resources.instances.get_mut(id) {
        instance.status = InstanceStatus::Running;
        instance.running_since = Some(now);
    }
    if let Some(group) = world.resources.container_groups.get_mut(id) {
        group.come_up(now);
    }
    if let Some(member) = world.resources.members.get_mut(id) {
        member.lifecycle_state = LifecycleState::InService;
        member.load_balancer_weight = member.normal_weight;
        member.traffic.placements += 1;
        member.traffic.since = Some(now);
    }
}

/// The member leaves, and its instance is released unless it was attached and not entrusted.
pub fn release(world: &mut World, id: &str) {
    let member = world.resources.members.remove(id);
    if member.is_some_and(|member| !member.entrusted) {
        return;
    }
    let now = world.now;
    world.resources.drop_instance(id, now);
    world.resources.container_groups.remove(id);
}

/// The member leaves, and its instance goes on.
pub fn let_go(world: &mut World, id: &str) {
    world.resources.members.remove(id);
}
