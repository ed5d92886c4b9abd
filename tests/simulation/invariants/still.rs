//! A group whose processes an update has suspended scales in no batch of it: by the calls as they took effect.

use std::collections::{BTreeMap, BTreeSet};

use ess_emulator::state::journal::Entry;
use ess_rollout_core::identity;
use ess_rollout_test_support::apiserver::Change;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{
    AT_THE_SAME_TIME, effect, is_own, is_own_notify, nested_executions, parameter, parameters, tags,
};
use crate::world::{PERSON, World};

/// Of the cloud's times in answers, which have whole seconds.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn processes(entry: &Entry) -> Vec<&str> {
    let named = entry.params.iter();
    let named = named.filter(|(name, _)| name.starts_with("Process"));
    let values = named.map(|(_, value)| value);
    let each = values.flat_map(|value| match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => Vec::from_iter(one.as_str()),
    });
    each.collect()
}

/// No batch is let go on, and none goes on, after the operator has resumed what its execution suspended.
pub(super) fn in_batches(world: &World, roots: &[Value]) {
    let entries: Vec<Entry> = world.cloud().world.journal.since(0).cloned().collect();
    for root in roots {
        let tags = tags(root);
        let (Some(group), Some(id)) = (
            tags[identity::TAG_SCALING_GROUP].as_str(),
            root["ExecutionId"].as_str(),
        ) else {
            continue;
        };
        let exit = parameters(root)["exitProcess"].clone();
        let exit: Vec<&str> = exit
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let mut changes: Vec<(Timestamp, &Entry)> = entries
            .iter()
            .filter(|e| ["SuspendProcesses", "ResumeProcesses"].contains(&e.action.as_str()))
            .filter(|e| parameter(e, "ScalingGroupId") == group)
            .filter_map(|e| Some((effect(e)?, e)))
            .collect();
        changes.sort_by_key(|(time, entry)| (*time, entry.seq));
        suspended_what_people_resumed(world, &changes);
        resumed_before_an_approve(world, id, &exit, &entries, &changes);
        // Whoever goes on in the console does not wait for the operator to suspend them.
        let elsewhere = |e: &Entry| {
            e.action == "NotifyExecution"
                && e.principal == PERSON
                && parameter(e, "ExecutionId") == id
        };
        if !entries.iter().any(elsewhere) {
            resumed_at_the_start(world, id, &exit, &changes);
        }
        resumed_in_a_batch(world, id, &changes);
    }
}

/// The calls that put back what the processes of a group would make use of.
const BEFORE_PROCESSES: [&str; 4] = [
    "ModifyScalingConfiguration",
    "ModifyEciScalingConfiguration",
    "ExitStandby",
    "SetInstancesProtection",
];
/// Calls about what is known at the same time follow each other sooner; what shows at a later look comes later.
const TOGETHER: SignedDuration = SignedDuration::from_secs(1);

/// What is put back of a group comes before its processes: an instance that is added must have the right image, and one that comes back
/// must not be removed meanwhile.
pub(super) fn processes_come_last(world: &World, changes: &[Change]) {
    let cloud = world.cloud();
    // Configurations are named by their own ids, and image update tasks put images into them, too.
    let given = changes.iter().any(|c| c.resource == "imageupdatetasks");
    if given || cloud.world.resources.groups.len() > 1 {
        return;
    }
    let own = cloud.world.journal.since(0).filter(|entry| is_own(entry));
    let entries: Vec<Entry> = own.cloned().collect();
    drop(cloud);
    let mut resumed: Option<Timestamp> = None;
    let mut known: BTreeSet<(&str, String)> = BTreeSet::new();
    let mut left_out: Option<Timestamp> = None;
    for entry in &entries {
        match entry.action.as_str() {
            "ResumeProcesses" => resumed = Some(entry.time),
            "DescribeScalingConfigurations" if entry.fault.is_some() => left_out = Some(entry.time),
            action if BEFORE_PROCESSES.contains(&action) => {
                let is_first = known.insert((action, format!("{:?}", entry.params)));
                let late = resumed.filter(|then| entry.time.duration_since(*then) < TOGETHER);
                // A configuration that was left out of the look before is looked for as long as that goes on, and nothing waits.
                let looked_for = |then: &Timestamp| {
                    let hidden = left_out.is_some_and(|at| then.duration_since(at) < TOGETHER);
                    hidden && action.starts_with("Modify")
                };
                let late = late.filter(|then| !looked_for(then));
                // What an older state has shown is refused.
                if let Some(then) = late.filter(|_| is_first && effect(entry).is_some()) {
                    world.violation(format!(
                        "{action} at {}, after processes were resumed at {then}",
                        entry.time
                    ));
                }
            }
            _ => {}
        }
    }
}

/// What somebody else has resumed meanwhile is not suspended again: nobody had seen it suspended since.
fn suspended_what_people_resumed(world: &World, changes: &[(Timestamp, &Entry)]) {
    let mut resumed: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for (at, entry) in changes {
        for process in processes(entry) {
            match entry.action.as_str() {
                "ResumeProcesses" if entry.principal == PERSON => {
                    resumed.insert(process, *at);
                }
                "SuspendProcesses" => {
                    let then = resumed.remove(process).filter(|_| is_own(entry));
                    if let Some(then) =
                        then.filter(|then| at.duration_since(*then) > AT_THE_SAME_TIME)
                    {
                        world.violation(format!(
                            "the operator has suspended {process} at {at}, which somebody else had resumed at {then}"
                        ));
                    }
                }
                _ => {}
            }
        }
    }
}

fn resumed_before_an_approve(
    world: &World,
    root: &str,
    exit: &[&str],
    entries: &[Entry],
    changes: &[(Timestamp, &Entry)],
) {
    let approves = entries.iter().filter(|e| {
        is_own_notify(e)
            && parameter(e, "ExecutionId") == root
            && parameter(e, "NotifyType") == "Approve"
    });
    for at in approves.filter_map(effect) {
        if let Some(process) = resumed_by_us(exit, changes, at) {
            world.violation(format!(
                "an Approve of {root} at {at}, while the operator has {process} resumed"
            ));
        }
    }
}

/// No batch begins so, the first one neither.
fn resumed_at_the_start(world: &World, root: &str, exit: &[&str], changes: &[(Timestamp, &Entry)]) {
    let nested = nested_executions(world, root);
    let starts = nested
        .iter()
        .filter_map(|child| child["StartDate"].as_str());
    let starts = starts.filter_map(|start| start.parse::<Timestamp>().ok());
    for at in starts {
        if let Some(process) = resumed_by_us(exit, changes, at + SECOND) {
            return world.violation(format!(
                "a batch of {root} begins at {at}, while the operator has {process} resumed"
            ));
        }
    }
}

/// One of these processes that the operator was the last to change, by then, and has resumed.
fn resumed_by_us<'p>(
    exit: &[&'p str],
    changes: &[(Timestamp, &Entry)],
    at: Timestamp,
) -> Option<&'p str> {
    let mut newest: BTreeMap<&str, &Entry> = BTreeMap::new();
    for (_, entry) in changes.iter().filter(|(time, _)| *time <= at) {
        for process in processes(entry) {
            newest.insert(process, entry);
        }
    }
    let runs = |process: &&str| {
        let newest = newest.get(process);
        newest.is_some_and(|e| e.action == "ResumeProcesses" && is_own(e))
    };
    exit.iter().copied().find(runs)
}

fn resumed_in_a_batch(world: &World, root: &str, changes: &[(Timestamp, &Entry)]) {
    let own = changes.iter();
    let own = own.filter(|(_, entry)| entry.action == "ResumeProcesses" && is_own(entry));
    for (at, _) in own {
        let time = |child: &Value, field: &str| child[field].as_str()?.parse::<Timestamp>().ok();
        let nested = nested_executions(world, root);
        let within = nested.iter().find(|child| {
            let begun = time(child, "StartDate").is_some_and(|start| start + SECOND < *at);
            begun && time(child, "EndDate").is_none_or(|end| *at < end)
        });
        if let Some(child) = within {
            world.violation(format!(
                "the operator has resumed processes at {at}, in the middle of {}",
                child["ExecutionId"]
            ));
        }
    }
}
