//! What a scale-out makes: ECS instances or container groups, as the group's configuration says.

use std::collections::BTreeMap;

use crate::state::container_groups::{ContainerGroupStatus, EciConfiguration, NewContainerGroup};
use crate::state::images::OsType;
use crate::state::model::{
    Attributes, Blueprint, CreationType, Group, GroupType, Instance, InstanceSource,
    InstanceStatus, LifecycleState, Member, Traffic,
};
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
    let zone_id = format!("{}-h", group.region);
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
            normal_weight: 50,
            activity_id: Some(activity.to_owned()),
            created: world.now,
            traffic: Traffic::default(),
        },
    );
    id
}

fn instance(world: &mut World, group: &Group, blueprint: &Blueprint, zone_id: String) -> String {
    let id = world.ids.id("i-");
    let image = world.resources.images.get(&blueprint.image_id).cloned();
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
        disk_size: image.as_ref().map_or(40, |i| i.size),
        disk_ready: true,
        user_data: blueprint.user_data.clone(),
        key_pair_name: blueprint.key_pair_name.clone(),
        cloud_assistant: true,
        attributes: Attributes::default(),
        tags: propagated(group),
        created: world.now,
        commands_sent: 0,
        packages: BTreeMap::new(),
    };
    world.resources.instances.insert(id.clone(), instance);
    id
}

/// The tags of the group that its new instances get.
fn propagated(group: &Group) -> BTreeMap<String, String> {
    let mut tags = group.tags.clone();
    tags.retain(|key, _| group.propagated_tags.contains(key));
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

/// The member is released.
pub fn release(world: &mut World, id: &str) {
    world.resources.members.remove(id);
    world.resources.instances.remove(id);
    world.resources.container_groups.remove(id);
}
