//! The servers of server groups, out of what ESS has and what calls changed.

use std::collections::BTreeMap;

use super::balancing::{Changed, ServerGroup};
use super::model::{LifecycleState, Resources};

/// A server as a server group has it.
#[derive(Debug, Clone)]
pub(crate) struct Backend {
    pub(crate) server_id: String,
    pub(crate) server_ip: String,
    pub(crate) zone_id: String,
    pub(crate) port: u16,
    pub(crate) weight: u32,
    pub(crate) description: String,
    /// `ecs` or `eci`.
    pub(crate) server_type: &'static str,
}

impl Resources {
    /// The servers of a server group, by id and port: what its scaling groups have in service or
    /// Standby, and what calls made of it.
    pub(crate) fn backends(&self, group: &ServerGroup) -> BTreeMap<(String, u16), Backend> {
        let mut found = BTreeMap::new();
        for attached in &group.attached {
            for member in self.members.of_group(&attached.scaling_group_id) {
                let weight = match member.lifecycle_state {
                    LifecycleState::InService | LifecycleState::Protected => {
                        attached.weight.unwrap_or(member.normal_weight)
                    }
                    LifecycleState::Standby => 0,
                    LifecycleState::Pending
                    | LifecycleState::PendingWait
                    | LifecycleState::Removing
                    | LifecycleState::RemovingWait => continue,
                };
                let server = self.backend(&member.instance_id, attached.port, weight);
                found.extend(server.map(|b| ((b.server_id.clone(), b.port), b)));
            }
        }
        let changes = self.balancing.changes(&group.server_group_id);
        for ((id, port), change) in changes {
            if change.placements != self.placements(id) {
                continue;
            }
            let key = (id.clone(), *port);
            match &change.what {
                Changed::Put {
                    weight,
                    description,
                } => {
                    if let Some(mut server) = self.backend(id, *port, *weight) {
                        server.description.clone_from(description);
                        found.insert(key, server);
                    }
                }
                Changed::Removed => {
                    found.remove(&key);
                }
            }
        }
        found
    }

    /// How often ESS has placed a server in its load balancers; `None` for no member of a group.
    pub(crate) fn placements(&self, server_id: &str) -> Option<u32> {
        let member = self.members.get(server_id);
        member.map(|m| m.traffic.placements)
    }

    /// What is released is in no server group any more.
    pub(crate) fn backend(&self, id: &str, port: u16, weight: u32) -> Option<Backend> {
        let instance = self.instances.get(id);
        let container_group = self.container_groups.get(id);
        let (server_ip, zone_id, server_type) = instance
            .map(|i| (&i.private_ip, &i.zone_id, "ecs"))
            .or(container_group.map(|g| (&g.private_ip, &g.zone_id, "eci")))?;
        Some(Backend {
            server_id: id.to_owned(),
            server_ip: server_ip.clone(),
            zone_id: zone_id.clone(),
            port,
            weight,
            description: String::new(),
            server_type,
        })
    }
}
