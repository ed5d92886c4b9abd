//! What the emulated cloud shows of what was done to it: its journal and its state, not what an operator says.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::Emulator;

/// The cloud at the end of something, and every call since its beginning.
#[derive(Debug)]
pub struct Evidence {
    state: Value,
    journal: Vec<Value>,
}

impl Evidence {
    /// `since`: what [`journal_end`] gave at the beginning.
    pub async fn of(emulator: &Emulator, since: u64) -> Result<Self> {
        let state = emulator.get("state").await?;
        let journal = emulator.get(&format!("journal?since={since}")).await?;
        let journal = journal["entries"].as_array();
        Ok(Self {
            state,
            journal: journal.context("the journal has no entries")?.clone(),
        })
    }

    fn rows(&self, list: &str) -> impl Iterator<Item = &Value> {
        self.state[list].as_array().into_iter().flatten()
    }

    /// The processes of a group that are suspended.
    pub fn suspended(&self, group: &str) -> Option<&Value> {
        self.rows("scalingGroups")
            .find(|row| row["scalingGroupId"] == group)
            .map(|row| &row["suspendedProcesses"])
    }

    /// The instances and container groups that are in a group.
    pub fn members(&self, group: &str) -> impl Iterator<Item = &Value> {
        self.rows("scalingInstances")
            .filter(move |row| row["scalingGroupId"] == group)
    }

    /// ECS's own row of each member of a group.
    pub fn instances(&self, group: &str) -> impl Iterator<Item = &Value> {
        self.of_members("instances", "instanceId", group)
    }

    /// ECI's own row of each member of a group.
    pub fn container_groups(&self, group: &str) -> impl Iterator<Item = &Value> {
        self.of_members("containerGroups", "containerGroupId", group)
    }

    fn of_members(&self, list: &str, id: &str, group: &str) -> impl Iterator<Item = &Value> {
        let members: BTreeSet<&str> = self.member_ids(group).collect();
        self.rows(list)
            .filter(move |row| row[id].as_str().is_some_and(|id| members.contains(id)))
    }

    fn member_ids(&self, group: &str) -> impl Iterator<Item = &str> {
        self.members(group)
            .filter_map(|member| member["instanceId"].as_str())
    }

    /// A scaling configuration of a group of instances.
    pub fn configuration(&self, id: &str) -> Option<&Value> {
        self.rows("scalingConfigurations")
            .find(|row| row["scalingConfigurationId"] == id)
    }

    /// The calls of somebody that had an effect.
    pub fn effects(&self, principal: &str, action: &str) -> impl Iterator<Item = &Value> {
        self.journal.iter().filter(move |call| {
            call["action"] == action && call["principal"] == principal && call["code"] == "OK"
        })
    }

    /// Which members of a group executions did something to that had an effect, and when.
    pub fn updates(&self, group: &str, action: &str) -> Result<BTreeMap<String, Vec<Timestamp>>> {
        let members: BTreeSet<&str> = self.member_ids(group).collect();
        let mut begun: BTreeMap<String, Vec<Timestamp>> = BTreeMap::new();
        let done = self.journal.iter().filter(|call| {
            call["byOos"] == true && call["action"] == action && call["code"] == "OK"
        });
        for call in done {
            let params = &call["params"];
            let names = [
                &params["InstanceId"],
                &params["InstanceId"][0],
                &params["InstanceId.1"],
                &params["ContainerGroupId"],
            ];
            let named = names.into_iter().find_map(Value::as_str);
            let named = named.with_context(|| format!("{action} names no instance: {params}"))?;
            if members.contains(named) {
                let time = call["time"].as_str().context("a call without a time")?;
                begun
                    .entry(named.to_owned())
                    .or_default()
                    .push(time.parse()?);
            }
        }
        Ok(begun)
    }
}

/// The number of the call that comes next.
pub async fn journal_end(emulator: &Emulator) -> Result<u64> {
    let journal = emulator.get(&format!("journal?since={}", u32::MAX)).await?;
    journal["next"]
        .as_u64()
        .context("the emulator's journal shows no next number")
}

/// The root executions on a group, as `principal` is shown them.
pub async fn roots(emulator: &Emulator, principal: &str, group: &str) -> Result<Vec<Value>> {
    let tags = json!({"scaling_group": group}).to_string();
    let params = json!({"Tags": tags, "MaxResults": 100});
    let list = emulator
        .call_as(principal, "OOS", "ListExecutions", &params)
        .await?;
    let all = list["Executions"].as_array().cloned().unwrap_or_default();
    let is_root = |execution: &Value| {
        execution["ParentExecutionId"]
            .as_str()
            .is_none_or(str::is_empty)
    };
    Ok(all.into_iter().filter(is_root).collect())
}

/// Whether an execution does nothing any more.
pub fn is_final(execution: &Value) -> bool {
    ["Success", "Failed", "Cancelled"]
        .iter()
        .any(|end| execution["Status"] == **end)
}
