//! What must hold after a run, whatever happened in it. Read from the emulator and the apiserver, not from what the operator says
//! it did.

use anyhow::{Context, Result};
use ess_rollout_api::v1alpha1::{ActionState, RollingUpdateTask, Verb, condition};
use ess_rollout_core::identity;
use ess_rollout_test_support::{Evidence, evidence};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::scenario::{Scenario, Story};
use super::site::{FOUND_SUSPENDED, NEW_IMAGE, OPERATOR, PERSON, REGION, Site, group};

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
    let evidence = Evidence::of(&site.emulator, since).await?;
    let roots = evidence::roots(&site.emulator, PERSON, &group).await?;
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
        found.check(evidence::is_final(root), || {
            format!(
                "execution {} is {} after the end",
                root["ExecutionId"], root["Status"]
            )
        });
    }
    approvals(&mut found, &roots, &evidence, scenario, story);
    batches(&mut found, &evidence, &group, scenario, story)?;
    afterwards(&mut found, &evidence, &group, scenario);
    record(&mut found, site, &group, scenario).await?;
    task(&mut found, scenario, story.task.as_ref());
    Ok(found)
}

/// No more Approves had an effect than a person gave.
fn approvals(
    found: &mut Findings,
    roots: &[Value],
    evidence: &Evidence,
    scenario: Scenario,
    story: &Story,
) {
    let effective = evidence
        .effects(OPERATOR, "NotifyExecution")
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
    evidence: &Evidence,
    group: &str,
    scenario: Scenario,
    story: &Story,
) -> Result<()> {
    let update = if scenario == Scenario::Image {
        "ReplaceSystemDisk"
    } else {
        "RunCommand"
    };
    let begun = evidence.updates(group, update)?;
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
fn afterwards(found: &mut Findings, evidence: &Evidence, group: &str, scenario: Scenario) {
    let suspended = evidence.suspended(group);
    found.check(suspended == Some(&json!([FOUND_SUSPENDED])), || {
        format!("suspended processes afterwards: {suspended:?}")
    });
    let parked = evidence
        .members(group)
        .filter(|m| m["lifecycleState"] != "InService")
        .count();
    // The instance that failed stays out of service, which is the task's failedInstancePolicy.
    let allowed = usize::from(scenario == Scenario::Failing);
    found.check(parked <= allowed, || {
        format!("{parked} instances are not in service")
    });
    if scenario == Scenario::Image {
        let instances = evidence.instances(group);
        let old = instances.filter(|i| i["imageId"] != NEW_IMAGE).count();
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
