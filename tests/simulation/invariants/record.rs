//! What is on record of runs and requests, held against what was started and said.

use std::collections::BTreeMap;

use ess_rollout_core::identity;
use ess_rollout_test_support::apiserver::{Change, ChangeKind};
use serde_json::Value;

use super::{
    RECORDS, TASKS, effect, is_own_notify, nested_executions, parameter, parameters, tags,
};
use crate::fault::Fault;
use crate::scenario::Scenario;
use crate::world::{PERSON, World};

/// Where nothing goes wrong, who is first in the queue of a group begins first.
pub(super) fn runs_begin_in_order(
    world: &World,
    scenario: &Scenario,
    roots: &[Value],
    changes: &[Change],
) {
    if world.gate.faults() > 0 {
        return;
    }
    let began = |object: &&str| {
        let (plural, name) = object.split_once('/').unwrap_or((TASKS, object));
        let mut of_object = changes
            .iter()
            .filter(|c| c.resource == plural && c.name == name);
        let uid = &of_object.next()?.new["metadata"]["uid"];
        let mut runs = roots.iter();
        runs.position(|root| tags(root)[identity::TAG_UID] == *uid)
    };
    // One that never began comes after all that did.
    let order: Vec<_> = scenario.in_order.iter().map(began).collect();
    let is_later = |pair: &[Option<usize>]| match (pair[0], pair[1]) {
        (Some(first), Some(second)) => first > second,
        (None, second) => second.is_some(),
        (Some(_), None) => false,
    };
    if order.windows(2).any(is_later) {
        world.violation(format!(
            "the runs of {:?} begin in another order: {order:?}",
            scenario.in_order
        ));
    }
}

/// What was started for an object is what the object says of itself, as long as it is there.
pub(super) fn runs_are_known(world: &World, roots: &[Value], changes: &[Change]) {
    let lost = |fault| {
        [
            Fault::StatusWiped,
            Fault::NamespaceDeleted,
            Fault::StopToElsewhere,
        ]
        .contains(&fault)
    };
    if world.gate.has_met(lost) {
        return;
    }
    for root in roots.iter().filter(|root| root["ExecutedBy"] != PERSON) {
        let uid = tags(root)[identity::TAG_UID].clone();
        let id = &root["ExecutionId"];
        let of_object = changes.iter().filter(|c| c.new["metadata"]["uid"] == uid);
        let mut last = of_object.rev();
        let Some(last) = last
            .next()
            .filter(|change| change.kind != ChangeKind::Deleted)
        else {
            continue;
        };
        let status = &last.new["status"];
        let history = status["history"].as_array().into_iter().flatten();
        let runs = history.chain([status, &status["active"]]);
        let named = |run: &Value| run["execution"]["id"] == *id || run["executionId"] == *id;
        if !runs.into_iter().any(named) {
            world.violation(format!(
                "{} says nothing of {id}, which was started for it",
                last.name
            ));
        }
    }
}

/// What is on record of how long batches take is of batches in which each instance was updated, at the first attempt.
pub(super) fn durations_are_of_whole_batches(world: &World, roots: &[Value]) {
    let counted = |record: &Value| -> i64 {
        let lines = record["status"]["durations"].as_array();
        let counts = lines.into_iter().flatten();
        let counts = counts.flat_map(|line| line["batches"]["counts"].as_array());
        counts.flatten().filter_map(Value::as_i64).sum()
    };
    let records = world.apiserver.list(RECORDS);
    let recorded: i64 = records.iter().map(|record| counted(record)).sum();
    let mut batches = 0;
    for root in roots {
        let updated = root["ExecutionId"].as_str().into_iter();
        let updated = updated.flat_map(|id| nested_executions(world, id));
        let mut attempts: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        for child in updated {
            let instance = parameters(&child)["instanceId"].to_string();
            let succeeded = child["Status"] == "Success";
            attempts.entry(instance).or_default().push(succeeded);
        }
        let most = parameters(root)["batchNumber"].as_i64().unwrap_or(1);
        let failed = attempts.values().filter(|all| **all != [true]).count();
        // Those that failed may be of one batch.
        batches += most - i64::from(failed > 0);
    }
    if recorded > batches {
        world.violation(format!(
            "how long {recorded} batches took is on record, and {batches} were updated at once"
        ));
    }
}

/// How often OOS may say the same of the same call: once more after a newer look, in each of the ways in which it may be made.
const REFUSALS: usize = 4;

/// What OOS refuses to be told of an execution, whatever the time, is not said to it over and over.
pub(super) fn refusals_are_not_repeated(world: &World) {
    let cloud = world.cloud();
    let notifies = cloud.world.journal.since(0);
    let notifies = notifies.filter(|entry| is_own_notify(entry));
    let passes = [
        "OK",
        "Throttling",
        "Service",
        "Forbidden",
        "NoPermission",
        "Internal",
    ];
    let refused = notifies.filter(|entry| !passes.iter().any(|word| entry.code.starts_with(word)));
    let mut said: BTreeMap<String, usize> = BTreeMap::new();
    for entry in refused {
        let call = format!("{} of {:?}", entry.code, entry.params);
        *said.entry(call).or_default() += 1;
    }
    drop(cloud);
    for (call, times) in said.iter().filter(|(_, times)| **times > REFUSALS) {
        world.violation(format!("OOS has said {times} times: {call}"));
    }
}

/// Whoever is told that a request was rejected finds nothing that was done because of it.
pub(super) fn what_is_rejected_has_no_effect(world: &World) {
    let mut rejected: Vec<(String, String)> = Vec::new();
    for object in [TASKS, "rollbacks"]
        .iter()
        .flat_map(|plural| world.apiserver.list(plural))
    {
        let actions = object["status"]["actions"].as_array().into_iter().flatten();
        for action in actions {
            let targets = action["instances"].as_array().into_iter().flatten();
            for target in targets.filter(|target| target["state"] == "Rejected") {
                let what = target["taskExecutionId"].as_str();
                let what = what.or(target["instance"].as_str()).unwrap_or_default();
                let id = action["id"].as_str().unwrap_or_default();
                rejected.push((format!("({id} {what})"), target["reason"].to_string()));
            }
        }
    }
    if rejected.is_empty() {
        return;
    }
    let cloud = world.cloud();
    let notifies = cloud.world.journal.since(0);
    let notifies = notifies.filter(|entry| is_own_notify(entry));
    let notes = notifies.filter(|entry| effect(entry).is_some());
    let notes: Vec<String> = notes
        .map(|entry| parameter(entry, "NotifyNote").to_owned())
        .collect();
    drop(cloud);
    let is_done = |(call, _): &&(String, String)| notes.iter().any(|note| note.contains(call));
    let found = rejected.iter().find(is_done);
    if let Some((note, reason)) = found {
        world.violation(format!("{note} is rejected ({reason}), and had its effect"));
    }
}
