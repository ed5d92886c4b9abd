//! ECI 2018-08-08, and the containers of ESS scaling configurations: ids as one JSON array in a
//! string, lists plain, lists of a container in the plural in answers and in ESS 2022 requests.

use ess_rollout_cloud::{
    CloudError, Container, ContainerGroup, ContainerGroupStatus, ContainersUpdate,
    EciScalingConfiguration, GroupContainer,
};
use serde_json::{Value, json};

use crate::{
    call::Call,
    client::Client,
    endpoints::Service,
    fields::{rows, some_text, text},
    limits::Lane,
    paging::{Listing, missing},
};

/// How many ids DescribeContainerGroups takes, and how many rows it returns.
const IDS_PER_CALL: usize = 20;

/// Lists of a container: the singular of ECI's requests, the plural of answers and of ESS 2022.
const LISTS: [(&str, &str); 5] = [
    ("Command", "Commands"),
    ("Arg", "Args"),
    ("Port", "Ports"),
    ("EnvironmentVar", "EnvironmentVars"),
    ("VolumeMount", "VolumeMounts"),
];

/// What answers say of a container beyond what it was told.
const OBSERVED: [&str; 4] = ["Ready", "RestartCount", "CurrentState", "PreviousState"];

/// Structures that ESS answers flatten into the name (`ReadinessProbeHttpGetPath`), and their parts.
const STRUCTURES: [(&str, &[&str]); 3] = [
    ("ReadinessProbe", &["Exec", "HttpGet", "TcpSocket"]),
    ("LivenessProbe", &["Exec", "HttpGet", "TcpSocket"]),
    ("SecurityContext", &["Capability"]),
];

impl Client {
    pub(crate) async fn container_groups(
        &self,
        region: &str,
        groups: &[String],
    ) -> Result<Vec<ContainerGroup>, CloudError> {
        let mut found = Vec::new();
        for chunk in groups.chunks(IDS_PER_CALL) {
            let shown = self.container_groups_of(region, chunk).await?;
            let missing = missing(chunk, shown.iter().map(|group| group.id.as_str()));
            found.extend(shown);
            if !missing.is_empty() {
                found.extend(self.container_groups_of(region, &missing).await?);
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// Of as many ids as one call takes.
    async fn container_groups_of(
        &self,
        region: &str,
        ids: &[String],
    ) -> Result<Vec<ContainerGroup>, CloudError> {
        let mut call = Call::new(Service::Eci, "DescribeContainerGroups", Lane::Read, region)
            .with("ContainerGroupIds", json!(ids).to_string())
            .with("Limit", IDS_PER_CALL.to_string());
        let listing = Listing {
            path: &["ContainerGroups"],
            id: "ContainerGroupId",
            filter: &format!("ContainerGroupIds ({} ids)", ids.len()),
            matches: &|row| ids.contains(&text(row, "ContainerGroupId")),
        };
        self.list_by_token(&mut call, &listing, &container_group)
            .await
    }

    pub(crate) async fn eci_configuration(
        &self,
        region: &str,
        configuration: &String,
    ) -> Result<Option<EciScalingConfiguration>, CloudError> {
        let action = "DescribeEciScalingConfigurations";
        let call = Call::new(Service::Ess, action, Lane::Read, region);
        let ids = std::slice::from_ref(configuration);
        let found = self.configurations_by_id(call, ids).await?;
        Ok(found.first().map(scaling_configuration))
    }

    /// The configuration among all of its group.
    pub(crate) async fn eci_configuration_in_group(
        &self,
        region: &str,
        group: &str,
        configuration: &str,
    ) -> Result<Option<EciScalingConfiguration>, CloudError> {
        let action = "DescribeEciScalingConfigurations";
        let call = Call::new(Service::Ess, action, Lane::Read, region);
        let all = self.configurations_of(call, group).await?;
        let mut all = all.iter();
        let found = all.find(|row| text(row, "ScalingConfigurationId") == configuration);
        Ok(found.map(scaling_configuration))
    }

    pub(crate) async fn modify_eci_configuration(
        &self,
        region: &str,
        configuration: &str,
        containers: &[Container],
        update: ContainersUpdate,
    ) -> Result<String, CloudError> {
        let mut call = Call::new(
            Service::Ess,
            "ModifyEciScalingConfiguration",
            Lane::Mutation,
            region,
        )
        .with("ScalingConfigurationId", configuration)
        .with("ContainersUpdateType", update.as_str());
        for (index, container) in containers.iter().enumerate() {
            let prefix = format!("Containers.{}", index + 1);
            call.set(&format!("{prefix}.Name"), &*container.name);
            for (field, value) in &container.fields {
                set(&mut call, &format!("{prefix}.{}", in_request(field)), value);
            }
        }
        Ok(text(&self.send(&call).await?, "RequestId"))
    }
}

fn scaling_configuration(row: &Value) -> EciScalingConfiguration {
    EciScalingConfiguration {
        id: text(row, "ScalingConfigurationId"),
        containers: rows(row, &["Containers"]).iter().map(container).collect(),
    }
}

fn container_group(row: &Value) -> ContainerGroup {
    ContainerGroup {
        id: text(row, "ContainerGroupId"),
        status: ContainerGroupStatus::from(text(row, "Status")),
        containers: rows(row, &["Containers"])
            .iter()
            .map(|row| GroupContainer {
                container: container(row),
                ready: row.get("Ready").and_then(Value::as_bool) == Some(true),
                reason: row
                    .get("CurrentState")
                    .map_or_else(String::new, |state| text(state, "Reason")),
                state: state(row),
            })
            .collect(),
        addresses: some_text(row, "IntranetIp").into_iter().collect(),
    }
}

fn state(row: &Value) -> String {
    let state = row.get("CurrentState").unwrap_or(&Value::Null);
    let words = ["State", "Reason", "Message"].map(|field| text(state, field));
    let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(", ")
}

fn container(row: &Value) -> Container {
    let fields = row.as_object().into_iter().flatten();
    let fields = fields
        .filter(|(name, _)| *name != "Name" && !OBSERVED.contains(&name.as_str()))
        .map(|(name, value)| {
            let list = LISTS.iter().find(|(_, many)| many == name);
            let name = list.map_or(name.as_str(), |(one, _)| one);
            (name.to_owned(), value.clone())
        });
    Container::new(text(row, "Name"), fields)
}

/// A field of a container as a request of ESS 2022 spells it.
fn in_request(field: &str) -> String {
    if let Some((_, many)) = LISTS.iter().find(|(one, _)| *one == field) {
        return (*many).to_owned();
    }
    for (structure, parts) in STRUCTURES {
        let Some(rest) = field
            .strip_prefix(structure)
            .filter(|rest| !rest.is_empty())
        else {
            continue;
        };
        for part in parts {
            if let Some(member) = rest.strip_prefix(part).filter(|member| !member.is_empty()) {
                return format!("{structure}.{part}.{member}");
            }
        }
        return format!("{structure}.{rest}");
    }
    field.to_owned()
}

/// Sets a value, lists and structures as `Name.1` and `Name.Member`.
fn set(call: &mut Call<'_>, name: &str, value: &Value) {
    match value {
        Value::Null => {}
        Value::Object(map) => {
            for (member, value) in map {
                set(call, &format!("{name}.{member}"), value);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                set(call, &format!("{name}.{}", index + 1), value);
            }
        }
        Value::String(text) => call.set(name, text.as_str()),
        value => call.set(name, value.to_string()),
    }
}
