//! What must hold after a run, whatever happened in it. Read from the emulator and the apiserver, not from what the operator says
//! it did.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use ess_rollout_api::v1alpha1::{ActionState, RollingUpdateTask, Verb, condition};
use ess_rollout_core::identity;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::scenario::{Scenario, Story};
use super::site::{FOUND_SUSPENDED, NEW_IMAGE, OPERATOR, REGION, Site, group};

/// The first number of the journal that belongs to a run.
pub async fn journal_end(site: &Site) -> Result<u64> {
    let journal = site
        .emulator
        .get(&format!("journal?since={}", u32::MAX))
        .await?;
    journal["next"]
        .as_u64()
        .context("the emulator's journal shows no next number")
}

/// What was found: the executions of the task, and every rule that was broken.
#[derive(Debug, Default)]
pub struct Findings {
    pub executions: usize,
    pub violations: Vec<String>,
}

impl Findings {
    fn check(&mut self, holds: bool, otherwise: impl FnOnce() -> String) {
        if !holds {
            self.violations.push(otherwise());
        }
    }
}

/// Holds a run against the rules.
pub async fn check(
    site: &Site,
    scenario: Scenario,
    run: usize,
    story: &Story,
    since: u64,
) -> Result<Findings> {
    let mut found = Findings {
        executions: 0,
        violations: story.trouble.iter().cloned().collect(),
    };
    let group = group(run);
    let scene = site.emulator.get("state").await?;
    let journal = site.emulator.get(&format!("journal?since={since}")).await?;
    let journal = journal["entries"]
        .as_array()
        .context("the journal has no entries")?;

    let roots = roots(site, &group).await?;
    found.executions = roots.len();
    let wanted = match scenario {
        Scenario::DeletedAtOnce => 0..=1,
        _ => 1..=1,
    };
    found.check(wanted.contains(&roots.len()), || {
        format!(
            "{} executions of one task: {:?}",
            roots.len(),
            roots
                .iter()
                .map(|root| &root["ExecutionId"])
                .collect::<Vec<_>>()
        )
    });
    for root in &roots {
        let tag = &root["Tags"][identity::TAG_UID];
        found.check(*tag == story.uid.as_str(), || {
            format!("execution {} carries the uid {tag}", root["ExecutionId"])
        });
        let active = !["Success", "Failed", "Cancelled"]
            .iter()
            .any(|end| root["Status"] == **end);
        found.check(!active, || {
            format!(
                "execution {} is {} after the end",
                root["ExecutionId"], root["Status"]
            )
        });
    }
    approvals(&mut found, &roots, journal, scenario, story);
    batches(&mut found, journal, &scene, &group, scenario, story)?;
    afterwards(&mut found, &scene, &group, scenario);
    record(&mut found, site, &group, scenario).await?;
    task(&mut found, scenario, story.task.as_ref());
    Ok(found)
}

/// The root executions that update a group.
async fn roots(site: &Site, group: &str) -> Result<Vec<Value>> {
    let tags = json!({identity::TAG_SCALING_GROUP: group}).to_string();
    let list = site
        .call(
            "OOS",
            "ListExecutions",
            json!({"Tags": tags, "MaxResults": 100}),
        )
        .await?;
    let all = list["Executions"].as_array().cloned().unwrap_or_default();
    Ok(all
        .into_iter()
        .filter(|e| {
            e["ParentExecutionId"]
                .as_str()
                .unwrap_or_default()
                .is_empty()
        })
        .collect())
}

/// No more Approves had an effect than a person gave.
fn approvals(
    found: &mut Findings,
    roots: &[Value],
    journal: &[Value],
    scenario: Scenario,
    story: &Story,
) {
    let effective = journal
        .iter()
        .filter(|call| {
            call["action"] == "NotifyExecution"
                && call["principal"] == OPERATOR
                && call["code"] == "OK"
        })
        .filter(|call| {
            roots
                .iter()
                .any(|root| root["ExecutionId"] == call["params"]["ExecutionId"])
        })
        .count();
    let given = story.approvals.len();
    found.check(effective <= given, || {
        format!("{effective} Approves had an effect, {given} were given")
    });
    found.check(given == scenario.pauses(), || {
        format!("{given} pauses were shown, not {}", scenario.pauses())
    });
    if scenario.completes() {
        found.check(effective == given, || {
            format!("{effective} Approves had an effect, {given} were given")
        });
    }
}

/// No batch began before the pause ahead of it was approved, and no instance was updated twice.
fn batches(
    found: &mut Findings,
    journal: &[Value],
    scene: &Value,
    group: &str,
    scenario: Scenario,
    story: &Story,
) -> Result<()> {
    let update = if scenario == Scenario::Image {
        "ReplaceSystemDisk"
    } else {
        "RunCommand"
    };
    let mut begun: BTreeMap<&str, Vec<Timestamp>> = BTreeMap::new();
    for call in journal
        .iter()
        .filter(|call| call["byOos"] == true && call["action"] == update && call["code"] == "OK")
    {
        let one = |value: &'_ Value| value.as_str().map(str::to_owned);
        let params = &call["params"];
        let instance = one(&params["InstanceId"])
            .or_else(|| one(&params["InstanceId"][0]))
            .or_else(|| one(&params["InstanceId.1"]));
        let instance = instance.with_context(|| format!("{update} names no instance: {params}"))?;
        let members = scene["scalingInstances"].as_array().into_iter().flatten();
        let member = members
            .filter(|m| m["scalingGroupId"] == group)
            .find(|m| m["instanceId"] == instance.as_str());
        if let Some(id) = member.and_then(|member| member["instanceId"].as_str()) {
            begun.entry(id).or_default().push(
                call["time"]
                    .as_str()
                    .context("a call without a time")?
                    .parse()?,
            );
        }
    }
    for (instance, times) in &begun {
        found.check(times.len() == 1, || {
            format!("{instance} was updated {} times", times.len())
        });
    }
    if scenario.pauses() == 0 {
        return Ok(());
    }
    let all: Vec<Timestamp> = begun.into_values().flatten().collect();
    for (pause, approved) in (1..).zip(&story.approvals) {
        let before = all.iter().filter(|time| *time < approved).count();
        let allowed = pause * scenario.batch_size();
        found.check(before <= allowed, || {
            format!("{before} instances had begun before pause {pause} was approved; {allowed} were allowed to")
        });
    }
    let members = super::site::INSTANCES;
    found.check(all.len() == members, || {
        format!("{} of {members} instances were updated", all.len())
    });
    Ok(())
}

/// The group is as it was found.
fn afterwards(found: &mut Findings, scene: &Value, group: &str, scenario: Scenario) {
    let rows = |name: &str| scene[name].as_array().cloned().unwrap_or_default();
    let of_group = |row: &Value| row["scalingGroupId"] == group;
    let suspended = rows("scalingGroups")
        .into_iter()
        .find(of_group)
        .map(|g| g["suspendedProcesses"].clone());
    found.check(suspended == Some(json!([FOUND_SUSPENDED])), || {
        format!("suspended processes afterwards: {suspended:?}")
    });
    let members: Vec<Value> = rows("scalingInstances")
        .into_iter()
        .filter(of_group)
        .collect();
    let parked = members
        .iter()
        .filter(|m| m["lifecycleState"] != "InService")
        .count();
    // The instance that failed stays out of service, which is the task's failedInstancePolicy.
    let allowed = usize::from(scenario == Scenario::Failing);
    found.check(parked <= allowed, || {
        format!("{parked} instances are not in service")
    });
    if scenario == Scenario::Image {
        let ids: BTreeSet<String> = members
            .iter()
            .map(|m| m["instanceId"].to_string())
            .collect();
        let old = rows("instances")
            .into_iter()
            .filter(|i| ids.contains(&i["instanceId"].to_string()))
            .filter(|i| i["imageId"] != NEW_IMAGE);
        let old = old.count();
        found.check(old == 0, || {
            format!("{old} instances do not run the new image")
        });
    }
}

/// The group is free.
async fn record(found: &mut Findings, site: &Site, group: &str, scenario: Scenario) -> Result<()> {
    let record = site
        .records
        .get_opt(&identity::record_name(REGION, group))
        .await?;
    if scenario == Scenario::DeletedAtOnce && record.is_none() {
        return Ok(());
    }
    let status = record
        .context("the group has no record")?
        .status
        .unwrap_or_default();
    found.check(status.holder.is_none(), || {
        format!("the record is still held: {:?}", status.holder)
    });
    let left = usize::from(scenario == Scenario::Failing);
    found.check(status.leftovers.len() == left, || {
        format!("left over: {:?}", status.leftovers)
    });
    Ok(())
}

/// The task says how it ended, and every request was answered once.
fn task(found: &mut Findings, scenario: Scenario, task: Option<&RollingUpdateTask>) {
    let gone = matches!(scenario, Scenario::Deleted | Scenario::DeletedAtOnce);
    found.check(task.is_none() == gone, || {
        "the task is gone, or is not although it should be".to_owned()
    });
    let Some(status) = task.and_then(|task| task.status.as_ref()) else {
        return;
    };
    let wanted = if scenario.completes() {
        "True"
    } else {
        "False"
    };
    let value = |kind: &str| {
        status
            .conditions
            .iter()
            .find(|c| c.type_ == kind)
            .map(|c| c.status.clone())
    };
    found.check(
        value(condition::SUCCEEDED).as_deref() == Some(wanted),
        || format!("Succeeded is {:?}", status.conditions),
    );
    if scenario.completes() {
        for kind in [condition::RESTORED, condition::VERIFIED] {
            found.check(value(kind).as_deref() == Some("True"), || {
                format!("{kind} is {:?}", value(kind))
            });
        }
    }
    let (verb, times) = match scenario {
        Scenario::Script => (Verb::Continue, 2),
        Scenario::Image => (Verb::Continue, 1),
        Scenario::Cancelled => (Verb::Cancel, 1),
        _ => (Verb::Continue, 0),
    };
    let settled = status
        .actions
        .iter()
        .filter(|a| a.verb == verb && a.state == ActionState::Applied)
        .count();
    found.check(settled == times && status.actions.len() == times, || {
        format!(
            "of the requests {settled} were applied, not {times}: {:?}",
            status.actions
        )
    });
}
