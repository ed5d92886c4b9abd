//! A group of type ECI, and what the public template does to it.

use std::collections::BTreeSet;

use ess_rollout_cloud::{
    Container, ContainerGroup, ContainerGroupStatus, ContainersUpdate, EciScalingConfiguration,
    GroupContainer, GroupType, StartExecution,
};
use serde_json::{Value, json};

use super::Cloud;

/// What a run brings.
#[derive(Debug, Clone)]
pub struct Update {
    pub given: Vec<Container>,
    pub kind: ContainersUpdate,
    /// Instances that were in Standby when their turn came: the template leaves them there.
    parked: BTreeSet<String>,
}

impl Update {
    pub fn found_in_standby(&mut self, id: &str, parked: bool) {
        if parked {
            self.parked.insert(id.to_owned());
        }
    }

    pub fn stays_in_standby(&self, id: &str) -> bool {
        self.parked.contains(id)
    }
}

/// What a start asks for, if it is for container groups.
pub fn update_of(start: &StartExecution) -> Option<Update> {
    let parameters = &start.parameters;
    let configure = parameters.get("containerConfigure")?;
    let back = parameters["invokeType"] == "rollback";
    let given = if back {
        &parameters["sourceContainerConfigure"]
    } else {
        configure
    };
    assert!(!parameters.contains_key("lifecycleState"), "not declared");
    assert_eq!(parameters["scalingConfigurationId"], "asc-1");
    Some(Update {
        given: containers(given),
        kind: match parameters["updateType"].as_str() {
            Some("RenewUpdate") => ContainersUpdate::Renew,
            _ => ContainersUpdate::Incremental,
        },
        parked: BTreeSet::new(),
    })
}

/// Containers as templates and answers spell them.
pub fn containers(value: &Value) -> Vec<Container> {
    serde_json::from_value(value.clone()).unwrap()
}

/// As ECI and ESS do it.
pub fn change(there: &mut Vec<Container>, given: &[Container], update: ContainersUpdate) {
    if update == ContainersUpdate::Renew {
        there.clear();
    }
    for given in given {
        match there.iter_mut().find(|c| c.name == given.name) {
            Some(same) => same.fields.extend(given.fields.clone()),
            None => there.push(given.clone()),
        }
    }
}

/// What container groups run at first.
pub fn old() -> Vec<Container> {
    containers(&json!([
        {"Name": "app", "Image": "app:v1", "Cpu": 1, "EnvironmentVar": [{"Key": "LEVEL", "Value": "info"}]},
        {"Name": "log", "Image": "log:v1", "ReadinessProbe": {"TcpSocket": {"Port": 80}}},
    ]))
}

impl Cloud {
    /// A group of type ECI.
    pub fn with_container_groups(count: usize) -> Self {
        let mut cloud = Self::with_instances(count);
        cloud.ecs.clear();
        if let Some(group) = &mut cloud.group {
            group.group_type = GroupType::Eci;
        }
        cloud.configuration_containers = old();
        let group = |id: &String| ContainerGroup {
            id: id.clone(),
            status: ContainerGroupStatus::Running,
            containers: old()
                .into_iter()
                .map(|container| GroupContainer {
                    container,
                    ready: true,
                    reason: String::new(),
                    state: "Running".into(),
                })
                .collect(),
            addresses: Vec::new(),
        };
        let ids = cloud.instances.iter().map(|instance| &instance.id);
        cloud.container_groups = ids.map(group).collect();
        cloud
    }

    pub fn eci_configuration(&self, id: &str) -> Option<EciScalingConfiguration> {
        Some(EciScalingConfiguration {
            id: id.to_owned(),
            containers: self.configuration_containers.clone(),
        })
    }

    pub fn container_group(&mut self, id: &str) -> &mut ContainerGroup {
        let mut groups = self.container_groups.iter_mut();
        groups.find(|group| group.id == id).unwrap()
    }

    /// The image of a container in each group.
    pub fn images_of(&self, container: &str) -> Vec<String> {
        let groups = self.container_groups.iter().flat_map(|g| &g.containers);
        let named = groups.filter(|c| c.container.name == container);
        named
            .map(|c| c.container.text("Image").to_owned())
            .collect()
    }

    pub fn group_serves(&self, id: &str) -> bool {
        self.container_groups.iter().any(|group| {
            group.id == id
                && group.status == ContainerGroupStatus::Running
                && group.containers.iter().all(|c| c.ready)
        })
    }

    pub fn update_group(&mut self, id: &str, update: &Update) {
        let group = self.container_group(id);
        let mut specs: Vec<Container> = group
            .containers
            .iter()
            .map(|c| c.container.clone())
            .collect();
        change(&mut specs, &update.given, update.kind);
        group.containers = specs
            .into_iter()
            .map(|container| GroupContainer {
                container,
                ready: true,
                reason: String::new(),
                state: "Running".into(),
            })
            .collect();
    }
}
