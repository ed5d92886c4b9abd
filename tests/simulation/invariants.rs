//! What must hold in every run, whatever goes wrong in it. Read from the emulator and from the apiserver's changes, never
//! from what the operator says it did.

mod holds;
mod record;
mod said;
mod still;

use std::collections::{BTreeMap, BTreeSet};

use ess_emulator::oos::BatchSplit;
use ess_emulator::state::journal::Entry;
use ess_emulator::state::model::{InstanceStatus, LifecycleState, Resources};
use ess_rollout_core::identity;
use ess_rollout_test_support::apiserver::{Change, ChangeKind};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::canaries;
use crate::fault::Fault;
use crate::others;
use crate::person::{Asked, PersonRequest, Target, UNKNOWN, call};
use crate::scenario::{OLD_IMAGE, Scenario};
use crate::world::{KINDS, OPERATOR, PERSON, World};

use holds::Asks;
pub use said::{after_write, subject};

/// The one annotation that the operator writes.
const OWN_ANNOTATION: &str = ess_rollout_api::EXECUTION_ID_ANNOTATION;
const RECORDS: &str = "scalinggrouprecords";
const TASKS: &str = "rollingupdatetasks";

/// The cloud as it was found.
pub struct Found(Resources);

impl Found {
    pub fn of(world: &World) -> Self {
        Self(world.cloud().world.resources.clone())
    }
}

/// A form's value, decoded.
fn form_value(body: &str, name: &str) -> Option<String> {
    let pairs = ess_emulator::params::pairs(body);
    let found = pairs.into_iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value)
}

/// Intent before effect: what a call that may happen once says is on record when it is sent.
pub fn before_call(world: &World, action: &str, body: &str) {
    let objects = || {
        KINDS
            .into_iter()
            .flat_map(|plural| world.apiserver.list(plural))
    };
    match action {
        "StartExecution" => {
            let token = form_value(body, "ClientToken").unwrap_or_default();
            let starts = |o: &Value| {
                let status = &o["status"];
                [status["start"].clone(), status["active"]["start"].clone()]
            };
            let is_it = |start: &Value| start["clientToken"] == *token;
            let mut intent = objects().flat_map(|o| starts(&o)).find(is_it);
            if intent.is_none() && world.gate.has_met(|fault| fault == Fault::StatusWiped) {
                // Somebody else took it off the record, which is not seen before the call.
                let changes = world.apiserver.changes_since(0);
                let mut written = changes.iter().flat_map(|change| starts(&change.new));
                intent = written.find(is_it);
            }
            let Some(intent) = intent else {
                return world.violation(format!(
                    "StartExecution with the client token {token:?}, which is not on record"
                ));
            };
            for field in ["Description", "Tags"] {
                let text = form_value(body, field).unwrap_or_default();
                canaries::in_no_description(world, &text);
            }
            // The same call each time, whatever has become of what it was derived from.
            let parameters = form_value(body, "Parameters").unwrap_or_default();
            let parameters: Value = serde_json::from_str(&parameters).unwrap_or_default();
            let hash = identity::hash_value(&parameters);
            if intent["parametersHash"] != *hash {
                world.violation("StartExecution with other parameters than are on record");
            }
        }
        "NotifyExecution" if form_value(body, "NotifyType").as_deref() == Some("Approve") => {
            let execution = form_value(body, "ExecutionId").unwrap_or_default();
            let is_it = |o: &Value| {
                o["status"]["execution"]["id"] == *execution
                    && o["status"]["pause"]["approval"].is_object()
            };
            let mut on_record = objects().any(|o| is_it(&o));
            if !on_record && world.gate.has_met(|fault| fault == Fault::StatusWiped) {
                let changes = world.apiserver.changes_since(0);
                on_record = changes.iter().any(|change| is_it(&change.new));
            }
            if !on_record {
                world.violation(format!("an Approve of {execution} that is not on record"));
            }
            // What lists show may be from before that.
            let params = json!({"MaxResults": 100, "ExecutionId": execution});
            let params = serde_json::from_value(params).unwrap_or_default();
            let list = call(world, "OOS", "ListTaskExecutions", params).unwrap_or_default();
            let mut tasks = list["TaskExecutions"].as_array().into_iter().flatten();
            // Its items are tried one after the other: where it waits, one has failed.
            if tasks.any(|task| task["TaskName"] == "tagInstance" && task["Status"] == "Waiting") {
                world.violation(format!(
                    "an Approve of {execution}, which waits as tagInstance has failed"
                ));
            }
        }
        _ => {}
    }
}

/// Root executions that update a group, oldest first.
pub fn roots(world: &World) -> Vec<Value> {
    let params = json!({"MaxResults": 100, "SortField": "StartDate", "SortOrder": "Ascending"});
    let params = serde_json::from_value(params).unwrap_or_default();
    let list = call(world, "OOS", "ListExecutions", params).unwrap_or_default();
    let all = list["Executions"].as_array().cloned().unwrap_or_default();
    let mut roots: Vec<Value> = all
        .into_iter()
        .filter(|e| e["ParentExecutionId"].as_str().is_none_or(str::is_empty))
        .collect();
    roots.sort_by_key(|root| root["StartDate"].to_string());
    roots
}

/// The ids of those.
pub fn executions(world: &World) -> Vec<String> {
    let roots = roots(world);
    let ids = roots.iter().filter_map(|root| root["ExecutionId"].as_str());
    ids.map(str::to_owned).collect()
}

/// The ids of those that are not over.
pub fn running(world: &World) -> Vec<String> {
    let roots = roots(world).into_iter().filter(|root| !is_final(root));
    roots
        .filter_map(|root| root["ExecutionId"].as_str().map(str::to_owned))
        .collect()
}

fn is_final(execution: &Value) -> bool {
    ["Success", "Failed", "Cancelled"]
        .iter()
        .any(|end| execution["Status"] == **end)
}

fn tags(execution: &Value) -> Value {
    match &execution["Tags"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        tags => tags.clone(),
    }
}

/// Whether all executions are over, the end of each was seen, and all groups are free.
pub fn nothing_runs(world: &World) -> bool {
    let records = world.apiserver.list(RECORDS);
    let seen = |record: &Value| {
        record["status"]["runs"]
            .as_array()
            .is_none_or(Vec::is_empty)
    };
    let free = records
        .iter()
        .all(|r| r["status"]["holder"].is_null() && seen(r));
    free && roots(world).iter().all(is_final)
}

/// Everything that is looked at when a run is over.
pub fn at_the_end(world: &World, scenario: &Scenario, requests: &[PersonRequest], found: &Found) {
    let changes = world.apiserver.changes_since(0);
    let roots = roots(world);
    one_execution_for_each_object(world, &roots);
    one_run_for_each_time(world);
    one_run_on_each_group(world, &roots);
    record::runs_begin_in_order(world, scenario, &roots, &changes);
    record::runs_are_known(world, &roots, &changes);
    record::refusals_are_not_repeated(world);
    record::durations_are_of_whole_batches(world, &roots);
    nothing_but_status(world, &changes);
    results_are_final(world, &changes);
    requests_hit_what_they_name(world, &roots, requests, &changes);
    record::what_is_rejected_has_no_effect(world);
    runs_begin_in_their_windows(world, &roots, &changes);
    still::in_batches(world, &roots);
    still::processes_come_last(world, &changes);
    holds::checks_made_again_are_asked_again(world, &changes);
    what_people_ended_is_not_undone(world, &changes);
    who_failed_stays_in_standby(world, &roots, requests, &changes);
    what_others_wrote_stays(world);
    what_is_left_is_listed(world, scenario, &changes, found);
    canaries::in_no_write(world, &changes);
}

/// No duplicate StartExecution: a repeat with the same token starts nothing. An image update task has one for each run.
fn one_execution_for_each_object(world: &World, roots: &[Value]) {
    let mut by_run: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for root in roots {
        let tags = tags(root);
        if let Some(uid) = tags[identity::TAG_UID].as_str() {
            let run = tags[identity::TAG_RUN].as_str().unwrap_or("1");
            let ids = by_run.entry((uid.to_owned(), run.to_owned())).or_default();
            ids.push(root["ExecutionId"].to_string());
        }
    }
    for ((uid, run), ids) in by_run.iter().filter(|(_, ids)| ids.len() > 1) {
        world.violation(format!(
            "{} executions of run {run} of the object {uid}: {ids:?}",
            ids.len()
        ));
    }
}

/// Each time at which a run was due leads to one run: none is doubled, and none left out.
fn one_run_for_each_time(world: &World) {
    for task in world.apiserver.list("imageupdatetasks") {
        let history = task["status"]["history"].as_array();
        let mut times: Vec<&Value> = history
            .into_iter()
            .flatten()
            .map(|run| &run["scheduleTime"])
            .filter(|time| !time.is_null())
            .collect();
        let ran = times.len();
        times.sort_by_key(|time| time.to_string());
        times.dedup();
        let missed = task["status"]["missedRuns"].as_i64().unwrap_or(0);
        // One that is held up goes on when the next is due.
        let held_up = world.gate.faults() > 1;
        if times.len() != ran || (missed != 0 && !held_up) {
            world.violation(format!(
                "{ran} runs for {} times, and {missed} missed",
                times.len()
            ));
        }
    }
}

/// No run of ours begins while another runs on the same group.
fn one_run_on_each_group(world: &World, roots: &[Value]) {
    let group = |root: &Value| tags(root)[identity::TAG_SCALING_GROUP].clone();
    let time = |root: &Value, field: &str| root[field].as_str()?.parse::<Timestamp>().ok();
    for (index, later) in roots.iter().enumerate() {
        if tags(later)[identity::TAG_UID].is_null() || later["ExecutedBy"] == PERSON {
            continue;
        }
        for earlier in &roots[..index] {
            let ended = time(earlier, "EndDate").filter(|_| is_final(earlier));
            let overlap = ended.is_none_or(|end| time(later, "StartDate").is_some_and(|s| s < end));
            if group(earlier) == group(later) && overlap {
                world.violation(format!(
                    "{} began on {} before {} had ended",
                    later["ExecutionId"],
                    group(later),
                    earlier["ExecutionId"]
                ));
            }
        }
    }
}

/// The operator writes no spec, no label, and no annotation but its own.
fn nothing_but_status(world: &World, changes: &[Change]) {
    let people_s = |object: &Value| {
        let mut annotations = object["metadata"]["annotations"].clone();
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.remove(OWN_ANNOTATION);
        }
        if annotations == json!({}) {
            annotations = Value::Null;
        }
        json!([object["spec"], object["metadata"]["labels"], annotations])
    };
    let theirs = changes.iter().filter(|c| {
        // Its own, among them the Secrets in which it keeps what no status may hold.
        let kinds = [RECORDS, "events", "secrets"];
        &*c.user == OPERATOR
            && !kinds.contains(&c.resource.as_str())
            && c.kind == ChangeKind::Modified
    });
    for change in theirs {
        let before = change.old.as_deref().map(people_s);
        if before.as_ref() != Some(&people_s(&change.new)) {
            world.violation(format!(
                "the operator wrote spec, labels or annotations of {} {}",
                change.resource, change.name
            ));
        }
    }
}

/// The operator takes nobody back into service whom somebody had put into Standby, or whose update failed, or was cut off, where no
/// policy asks for that and nobody has passed it over.
fn who_failed_stays_in_standby(
    world: &World,
    roots: &[Value],
    requests: &[PersonRequest],
    changes: &[Change],
) {
    let returns = |change: &Change| {
        let policy = &change.new["spec"]["failedInstancePolicy"];
        *policy == "ReturnToService"
    };
    let returns = changes.iter().any(returns);
    let cloud = world.cloud();
    let moves = cloud.world.journal.since(0).filter(|entry| {
        let moves = ["EnterStandby", "ExitStandby"];
        moves.contains(&entry.action.as_str())
    });
    let entries: Vec<Entry> = moves.cloned().collect();
    drop(cloud);
    let own = entries
        .iter()
        .filter(|entry| entry.action == "ExitStandby" && is_own(entry));
    for entry in own {
        let Some(at) = effect(entry) else { continue };
        let ids = entry.params.get("InstanceIds").and_then(Value::as_array);
        for id in ids.into_iter().flatten().filter_map(Value::as_str) {
            let mut skipped = requests.iter().filter(|request| match &request.what {
                Asked::Instances { verb, targets } => {
                    verb == "skip" && targets.iter().any(|target| target.instance == id)
                }
                Asked::Pause(_) | Asked::Batches(_) => false,
            });
            let how = last_attempt(world, roots, id, at);
            let quoted = format!("{id:?}");
            let mut before = entries.iter().rev().filter(|e| e.seq < entry.seq);
            let moved = before.find(|other| names(other, &quoted));
            if moved
                .is_some_and(|other| other.principal == PERSON && other.action == "EnterStandby")
            {
                world.violation(format!(
                    "the operator has taken {id} back into service at {at}, which somebody had put into Standby"
                ));
            }
            let failed = ["Failed", "Cancelled"]
                .iter()
                .any(|end| how == Some(json!(end)));
            if failed && !returns && skipped.next().is_none() {
                world.violation(format!(
                    "the operator has taken {id} back into service at {at}, whose update {how:?}"
                ));
            }
        }
    }
}

/// How the newest nested execution of an instance ended, of those that had begun by then.
fn last_attempt(world: &World, roots: &[Value], id: &str, at: Timestamp) -> Option<Value> {
    let roots = roots.iter().filter_map(|root| root["ExecutionId"].as_str());
    let nested = roots.flat_map(|root| nested_executions(world, root));
    let of_instance = nested.filter(|child| parameters(child)["instanceId"] == *id);
    let begun = |child: &Value| child["StartDate"].as_str()?.parse::<Timestamp>().ok();
    let of_then = of_instance.filter(|child| begun(child).is_some_and(|begun| begun <= at));
    of_then
        .max_by_key(begun)
        .map(|child| child["Status"].clone())
}

/// From the answer to one write to that to the next, of one pass.
const ONE_WRITE: SignedDuration = SignedDuration::from_millis(20);

/// No rollback is created for an update that somebody had cancelled: whoever does that says himself what becomes of it.
fn what_people_ended_is_not_undone(world: &World, changes: &[Change]) {
    let made = changes.iter().filter(|change| {
        change.resource == "rollbacks" && change.old.is_none() && &*change.user == OPERATOR
    });
    for rollback in made {
        let name = &rollback.new["spec"]["taskRef"]["name"];
        // What led to it is written right after it. Where that was refused, as somebody else wrote meanwhile, nobody knew of it.
        let of_task = changes
            .iter()
            .filter(|change| change.resource == "rollingupdatetasks" && *name == *change.name);
        let mut after = of_task.filter(|change| change.revision > rollback.revision);
        let led = after.next();
        let led = led.filter(|task| task.time.duration_since(rollback.time) <= ONE_WRITE);
        let cancellation = led.map(|task| &task.new["status"]["cancellation"]);
        let by_others = cancellation.filter(|c| c.is_object() && c["reason"] != "GateFailed");
        if let Some(cancellation) = by_others {
            world.violation(format!(
                "{} is created to undo {name}, which was cancelled: {cancellation}",
                rollback.name
            ));
        }
    }
}

/// `Succeeded` never changes once it says yes or no; of an image update task it is of the last run.
fn results_are_final(world: &World, changes: &[Change]) {
    let mut said: BTreeMap<String, String> = BTreeMap::new();
    for change in changes.iter().filter(|c| c.resource != "imageupdatetasks") {
        if &*change.user == others::BACKUP {
            said.remove(&change.new["metadata"]["uid"].to_string());
            continue;
        }
        let conditions = change.new["status"]["conditions"].as_array();
        let succeeded = conditions
            .into_iter()
            .flatten()
            .find(|condition| condition["type"] == "Succeeded");
        let Some(status) = succeeded.and_then(|condition| condition["status"].as_str()) else {
            continue;
        };
        let uid = change.new["metadata"]["uid"].to_string();
        match said.get(&uid) {
            Some(before) if before != status => world.violation(format!(
                "Succeeded of {} went from {before} to {status}",
                change.name
            )),
            None if status != "Unknown" => {
                said.insert(uid, status.to_owned());
            }
            _ => {}
        }
    }
}

/// By the operator itself, and not by an execution that it has started.
fn is_own(entry: &Entry) -> bool {
    entry.principal == OPERATOR && !entry.by_oos
}

/// What the operator tells OOS about an execution.
fn is_own_notify(entry: &Entry) -> bool {
    entry.action == "NotifyExecution" && is_own(entry)
}

/// When the effect of a call happened; `None`: it had none.
fn effect(entry: &Entry) -> Option<Timestamp> {
    (entry.code == "OK").then(|| entry.effect_time.unwrap_or(entry.time))
}

fn parameter<'a>(entry: &'a Entry, name: &str) -> &'a str {
    entry.params.get(name).and_then(Value::as_str).unwrap_or("")
}

/// An Approve leaves a pause that a person had asked to leave, and a notify hits an instance that a person had named, once
/// for each time that it was named.
fn requests_hit_what_they_name(
    world: &World,
    roots: &[Value],
    requests: &[PersonRequest],
    changes: &[Change],
) {
    let entries: Vec<Entry> = world.cloud().world.journal.since(0).cloned().collect();
    for root in roots {
        let tags = tags(root);
        let (Some(uid), Some(id)) = (
            tags[identity::TAG_UID].as_str(),
            root["ExecutionId"].as_str(),
        ) else {
            continue;
        };
        let members = members(changes, uid);
        let children = children(world, id);
        let asked = |until: Timestamp| {
            let until = requests.iter().filter(move |r| r.time <= until);
            until.filter(|request| request.uid == uid).map(|r| &r.what)
        };
        let mut hits: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let notifies = entries.iter().filter(|entry| is_own_notify(entry));
        for entry in notifies {
            let target = parameter(entry, "ExecutionId");
            let Some(at) = effect(entry).filter(|_| target == id || children.contains_key(target))
            else {
                continue;
            };
            let verb = match parameter(entry, "NotifyType") {
                "Approve" => {
                    let pause = pause_at(world, root, &entries, &members, at);
                    let named = asked(at).any(|what| *what == pause.map_or(UNASKED, Asked::Pause));
                    let ahead = asked(at).any(|what| match what {
                        Asked::Batches(batches) => pause.is_some_and(|pause| pause < *batches),
                        Asked::Pause(_) | Asked::Instances { .. } => false,
                    });
                    let asks = object_of(changes, uid).and_then(|object| Asks::of(object, changes));
                    let alone = asks.as_ref().zip(pause);
                    let alone = alone.is_some_and(|(asks, pause)| asks.need_nobody(pause));
                    if !named && !ahead && !alone {
                        world.violation(format!(
                            "an Approve left the pause {pause:?} of {id}, which nobody had asked for"
                        ));
                    }
                    // Where batches are no larger than they would be if all had as many, that is the last one.
                    let is_last = pause == parameters(root)["batchNumber"].as_i64();
                    if let Some(asks) = asks.filter(|_| !is_last) {
                        held(world, &asks, (id, pause), (entry.time, at), named);
                        let begun = begun_before(root, &entries, &members, at);
                        let last = begun.last().filter(|_| !named);
                        if let Some(last) = last.filter(|last| asks.finds_unhealthy(world, last)) {
                            world.violation(format!(
                                "an Approve at {at} left the pause {pause:?} of {id} although {last} is unhealthy ever since"
                            ));
                        }
                    }
                    continue;
                }
                "RetryTask" => "retry",
                "SkipTask" => "skip",
                "CancelTask" => "cancel-instances",
                other => other,
            };
            let item = parameter(entry, "LoopItem");
            let named = members.iter().find(|member| item.contains(member.as_str()));
            let instance = match (named, children.get(target)) {
                (Some(member), _) | (None, Some(member)) => member.as_str(),
                (None, None) => UNKNOWN,
            };
            // What is said again of an item that has not begun is the same word: OOS shows no state of it, and it takes
            // effect when the item is reached.
            let begun = has_begun(&entries, root, instance, at);
            let count = hits.entry((verb, instance)).or_default();
            *count = if begun { *count + 1 } else { 1 };
            let attempt = attempts(&entries, root, instance, at);
            let asked_of = |meant: &dyn Fn(&Target) -> bool| {
                let asked = asked(at).filter(|what| match what {
                    Asked::Instances { verb: v, targets } => v == verb && targets.iter().any(meant),
                    Asked::Pause(_) | Asked::Batches(_) => false,
                });
                asked.count()
            };
            if asked_of(&|target| target.is(instance, attempt)) == 0 {
                world.violation(format!(
                    "{verb} of attempt {attempt} of {instance}, which nobody had asked for"
                ));
            }
            let asked = asked_of(&|target| target.instance == instance);
            if *count > asked {
                world.violation(format!(
                    "{count} times {verb} of {instance}, which was asked for {asked} times"
                ));
            }
        }
    }
}

/// The calls with which an execution begins to update an instance.
const UPDATES: [&str; 3] = ["RunCommand", "ReplaceSystemDisk", "UpdateContainerGroup"];

/// What nobody asks for.
const UNASKED: Asked = Asked::Pause(-1);

/// An object as it was created; fields that hold a batch do not change.
fn object_of<'a>(changes: &'a [Change], uid: &str) -> Option<&'a Value> {
    let mut of_object = changes.iter().filter(|c| c.new["metadata"]["uid"] == *uid);
    of_object.next().map(|change| &*change.new)
}

/// An Approve that came at `sent` and took effect at `at`. `named`: a person has said continue for that pause.
fn held(
    world: &World,
    asks: &Asks<'_>,
    (root, pause): (&str, Option<i64>),
    (sent, at): (Timestamp, Timestamp),
    named: bool,
) {
    if !asks.is_open(at) {
        world.violation(format!(
            "an Approve at {at} left the pause {pause:?} of {root} outside its window"
        ));
    }
    let alarmed = asks.alarmed(world, sent).filter(|_| !named);
    if let Some((id, since)) = alarmed {
        world.violation(format!(
            "an Approve at {sent} left the pause {pause:?} of {root} although {id} had been unwell since {since}"
        ));
    }
    let short = asks.short_of(world, root, sent).filter(|_| !named);
    if let Some(short) = short {
        world.violation(format!(
            "an Approve at {sent} left the pause {pause:?} of {root} {short} s before its soak was over"
        ));
    }
}

/// No run begins outside the window of its object.
fn runs_begin_in_their_windows(world: &World, roots: &[Value], changes: &[Change]) {
    for root in roots {
        let tags = tags(root);
        let uid = tags[identity::TAG_UID].as_str();
        let asks = uid.and_then(|uid| Asks::of(object_of(changes, uid)?, changes));
        let started = root["StartDate"]
            .as_str()
            .and_then(|s| s.parse::<Timestamp>().ok());
        if let (Some(asks), Some(started)) = (asks, started)
            // The clocks of the cloud count whole seconds.
            && !asks.is_open(started + SignedDuration::from_secs(1))
        {
            let id = &root["ExecutionId"];
            world.violation(format!("{id} started at {started}, outside its window"));
        }
    }
}

/// Whether a run had done anything to an instance by then.
fn has_begun(entries: &[Entry], root: &Value, instance: &str, at: Timestamp) -> bool {
    done_to(entries, root, instance, at).next().is_some()
}

/// How many times a run had begun to update an instance by then.
fn attempts(entries: &[Entry], root: &Value, instance: &str, at: Timestamp) -> usize {
    let done = done_to(entries, root, instance, at);
    done.filter(|entry| UPDATES.contains(&entry.action.as_str()))
        .count()
}

/// The calls about an instance that executions made from the start of a run until then.
fn done_to<'e>(
    entries: &'e [Entry],
    root: &Value,
    instance: &str,
    at: Timestamp,
) -> impl Iterator<Item = &'e Entry> {
    let started: Option<Timestamp> = root["StartDate"].as_str().and_then(|s| s.parse().ok());
    let id = format!("{instance:?}");
    entries.iter().filter(move |entry| {
        entry.by_oos
            && entry.time < at
            && started.is_some_and(|started| entry.time >= started)
            && names(entry, &id)
    })
}

/// Whether a call has this text, in quotation marks, among its parameters.
fn names(entry: &Entry, quoted: &str) -> bool {
    let params = serde_json::to_string(&entry.params).unwrap_or_default();
    params.contains(quoted)
}

/// The instances that take part in the run of an object, as it was planned.
fn members(changes: &[Change], uid: &str) -> Vec<String> {
    let of_object = changes
        .iter()
        .rev()
        .filter(|c| c.new["metadata"]["uid"] == *uid);
    let mut plans = of_object.filter_map(|c| c.new["status"]["plan"]["members"].as_array());
    let members = plans.next().into_iter().flatten();
    members
        .filter_map(|member| member["id"].as_str().map(str::to_owned))
        .collect()
}

fn parameters(execution: &Value) -> Value {
    match &execution["Parameters"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        parameters => parameters.clone(),
    }
}

/// The executions right below one.
fn nested_executions(world: &World, root: &str) -> Vec<Value> {
    let params = json!({"MaxResults": 100, "ParentExecutionId": root});
    let params = serde_json::from_value(params).unwrap_or_default();
    let list = call(world, "OOS", "ListExecutions", params).unwrap_or_default();
    list["Executions"].as_array().cloned().unwrap_or_default()
}

/// The ids of those that are not over.
pub fn nested(world: &World, root: &str) -> Vec<String> {
    let open = nested_executions(world, root)
        .into_iter()
        .filter(|child| !is_final(child));
    open.filter_map(|child| child["ExecutionId"].as_str().map(str::to_owned))
        .collect()
}

/// The instances whose nested executions have failed, or wait for somebody.
pub fn failed(world: &World, root: &str) -> Vec<String> {
    let failed = |child: &&Value| {
        ["Failed", "Waiting"]
            .iter()
            .any(|status| child["Status"] == **status)
    };
    let nested = nested_executions(world, root);
    let failed = nested.iter().filter(failed);
    let ids = failed.map(|child| {
        parameters(child)["instanceId"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    });
    ids.collect()
}

/// The nested executions of a root, and the instance that each is about.
fn children(world: &World, root: &str) -> BTreeMap<String, String> {
    let all = nested_executions(world, root);
    all.iter()
        .filter_map(|child| {
            let instance = parameters(child)["instanceId"].as_str()?.to_owned();
            Some((child["ExecutionId"].as_str()?.to_owned(), instance))
        })
        .collect()
}

/// The pause that a run was in: how many batches had begun, if all instances of them had.
fn pause_at(
    world: &World,
    root: &Value,
    entries: &[Entry],
    members: &[String],
    at: Timestamp,
) -> Option<i64> {
    let begun = begun_before(root, entries, members, at);
    let batches = usize::try_from(parameters(root)["batchNumber"].as_i64()?).ok()?;
    let batches = batches.min(members.len()).max(1);
    let (least, more) = (members.len() / batches, members.len() % batches);
    let split = world.cloud().world.switches.oos.batch_split;
    let mut so_far = 0;
    for batch in 0..batches {
        so_far += match split {
            BatchSplit::Even => least + usize::from(batch < more),
            BatchSplit::RemainderLast if batch + 1 == batches => least + more,
            BatchSplit::RemainderLast => least,
            BatchSplit::CeilingFirst => members.len().div_ceil(batches).min(members.len() - so_far),
        };
        if so_far == begun.len() {
            return i64::try_from(batch + 1).ok();
        }
    }
    None
}

/// The instances that a run had begun to update by then, in their order.
fn begun_before<'a>(
    root: &Value,
    entries: &[Entry],
    members: &'a [String],
    at: Timestamp,
) -> Vec<&'a str> {
    let started = root["StartDate"].as_str().and_then(|at| at.parse().ok());
    let Some(started): Option<Timestamp> = started else {
        return Vec::new();
    };
    let mut begun: Vec<&str> = Vec::new();
    // What somebody else runs beside it has instances of its own.
    let ours = |entry: &&Entry| entry.by_oos && entry.principal != PERSON;
    for entry in entries.iter().filter(ours) {
        let update = UPDATES.contains(&entry.action.as_str());
        // What an Approve lets go on may begin at that moment.
        if !update || entry.time >= at || entry.time < started {
            continue;
        }
        let text = serde_json::to_string(&entry.params).unwrap_or_default();
        let hit = members
            .iter()
            .filter(|id| text.contains(&format!("{id:?}")));
        for id in hit.map(String::as_str) {
            if !begun.contains(&id) {
                begun.push(id);
            }
        }
    }
    begun
}

/// What somebody else put into a scaling configuration is not put back to what was there before: nobody had seen it.
fn what_others_wrote_stays(world: &World) {
    let entries: Vec<Entry> = world.cloud().world.journal.since(0).cloned().collect();
    let writes = entries
        .iter()
        .filter(|entry| entry.action == "ModifyScalingConfiguration");
    let mut theirs: BTreeMap<String, Timestamp> = BTreeMap::new();
    for entry in writes {
        let id = parameter(entry, "ScalingConfigurationId").to_owned();
        let Some(at) = effect(entry) else { continue };
        if parameter(entry, "ImageId") == others::THIRD_IMAGE {
            theirs.insert(id, at);
        } else if entry.by_oos || entry.principal != OPERATOR {
            theirs.remove(&id);
        } else if parameter(entry, "ImageId") == OLD_IMAGE
            && !is_given(world, OLD_IMAGE)
            && let Some(then) = theirs.remove(&id)
            && at.duration_since(then) > AT_THE_SAME_TIME
        {
            world.violation(format!(
                "{id} is put back over what somebody else had put there"
            ));
        }
    }
}

/// Whether an image update task was to put this image into configurations.
fn is_given(world: &World, image: &str) -> bool {
    let changes = world.apiserver.changes_since(0);
    let mut tasks = changes.iter().filter(|c| c.resource == "imageupdatetasks");
    tasks.any(|change| change.new["spec"]["imageId"] == *image)
}

/// Whoever reads and writes does not see what somebody else writes in between.
const AT_THE_SAME_TIME: jiff::SignedDuration = jiff::SignedDuration::from_secs(2);

/// One thing about a group that differs from how it was found.
type Difference = (&'static str, String);

/// What is changed is in the group's record, or in the ledger of an object that is still there.
fn what_is_left_is_listed(world: &World, scenario: &Scenario, changes: &[Change], found: &Found) {
    let cloud = world.cloud();
    let now = &cloud.world.resources;
    let mut left = Vec::new();
    for group in found.0.groups.keys() {
        left.extend(differences(&found.0, now, group));
    }
    drop(cloud);
    let wanted = images_rolled_out(changes);
    let mut listed: BTreeSet<String> = BTreeSet::new();
    for record in world.apiserver.list(RECORDS) {
        let leftovers = record["status"]["leftovers"]
            .as_array()
            .into_iter()
            .flatten();
        listed.extend(leftovers.map(|left| left["target"].as_str().unwrap_or("").to_owned()));
    }
    for plural in ["rollingupdatetasks", "rollbacks"] {
        for object in world.apiserver.list(plural) {
            let items = object["status"]["restore"]["items"].as_array();
            let open = items.into_iter().flatten();
            let open = open.filter(|item| item["state"] != "Restored");
            listed.extend(open.map(|item| item["target"].as_str().unwrap_or("").to_owned()));
        }
    }
    for (kind, target) in left {
        let by_others = scenario.changed_by_others.contains(&target.as_str());
        let rolled_out = match kind {
            "image" if carries(&world.cloud().world.resources, &target, others::THIRD_IMAGE) => {
                true
            }
            "image" => image_is_rolled_out(&world.cloud().world.resources, &target, &wanted),
            // Each of them rolls the same out.
            "containers" => containers_rolled_out(world, changes),
            _ => false,
        };
        if !listed.contains(&target) && !by_others && !rolled_out {
            world.violation(format!(
                "the {kind} of {target} is left changed and listed nowhere"
            ));
        }
    }
}

fn differences(found: &Resources, now: &Resources, group: &str) -> Vec<Difference> {
    let mut left = Vec::new();
    let (Some(before), Some(after)) = (found.groups.get(group), now.groups.get(group)) else {
        return left;
    };
    let processes = before
        .suspended_processes
        .symmetric_difference(&after.suspended_processes);
    left.extend(processes.map(|process| ("suspension", process.clone())));
    for (id, configuration) in &found.configurations {
        let image = now.configurations.get(id).map(|c| &c.image_id);
        if configuration.scaling_group_id == group && image != Some(&configuration.image_id) {
            left.push(("image", id.clone()));
        }
    }
    for (id, configuration) in &found.eci_configurations {
        let containers = now.eci_configurations.get(id).map(|c| &c.containers);
        if configuration.scaling_group_id == group && containers != Some(&configuration.containers)
        {
            left.push(("containers", id.clone()));
        }
    }
    for member in found.members_of(group) {
        let id = &member.instance_id;
        let Some(after) = now.members.get(id) else {
            left.push(("membership", id.clone()));
            continue;
        };
        let state = (member.lifecycle_state, member.load_balancer_weight);
        if state != (after.lifecycle_state, after.load_balancer_weight) {
            left.push(("lifecycle state", id.clone()));
        }
        let running = |resources: &Resources| {
            let instance = resources.instances.get(id);
            instance.is_some_and(|i| i.status == InstanceStatus::Running)
        };
        if running(found) && !running(now) && after.lifecycle_state != LifecycleState::Removing {
            left.push(("stop", id.clone()));
        }
    }
    left
}

/// Whether a configuration carries this image.
fn carries(now: &Resources, configuration: &str, image: &str) -> bool {
    let configuration = now.configurations.get(configuration);
    configuration.is_some_and(|configuration| configuration.image_id == image)
}

/// Whether the image that a configuration carries now is one of these, or what every instance of its group runs: a run
/// that was given up after its last instance has rolled it out as well.
fn image_is_rolled_out(now: &Resources, configuration: &str, wanted: &BTreeSet<String>) -> bool {
    let Some(configuration) = now.configurations.get(configuration) else {
        return false;
    };
    let members = now.members_of(&configuration.scaling_group_id);
    // What an earlier run has left in Standby is listed by itself.
    let mut members = members
        .filter(|member| member.lifecycle_state == LifecycleState::InService)
        .peekable();
    let some = members.peek().is_some();
    let runs = |id: &String| now.instances.get(id).map(|instance| &instance.image_id);
    let all = members.all(|member| runs(&member.instance_id) == Some(&configuration.image_id));
    wanted.contains(&configuration.image_id) || (some && all)
}

/// Images of updates that succeeded, of all objects that there were: those stay, and so do those that image update tasks
/// put into configurations.
fn images_rolled_out(changes: &[Change]) -> BTreeSet<String> {
    let succeeded = changes
        .iter()
        .filter(|change| change.new["status"]["result"]["outcome"] == "Succeeded");
    let images =
        succeeded.filter_map(|change| change.new["spec"]["update"]["image"]["imageId"].as_str());
    let tasks = changes.iter().filter(|c| c.resource == "imageupdatetasks");
    let put = tasks.flat_map(|change| {
        let status = &change.new["status"];
        let ended = status["history"].as_array().into_iter().flatten();
        let runs = std::iter::once(&status["active"]).chain(ended);
        runs.filter_map(|run| run["imageId"].as_str())
    });
    images.chain(put).map(str::to_owned).collect()
}

/// Whether the last container update that all instances run, of all objects that there were, is no rollback.
fn containers_rolled_out(world: &World, changes: &[Change]) -> bool {
    // One that failed after its last instance has rolled them out as well.
    let rolled_out = |change: &&Change| {
        let status = &change.new["status"];
        status["result"]["outcome"] == "Succeeded" || status["restore"]["allUpdated"] == true
    };
    // What rolls back the second of two that are alike brings the first.
    if world.gate.has_met(|fault| fault == Fault::Recreated) {
        let mut all = changes.iter().filter(rolled_out);
        return all.any(|change| change.new["spec"]["update"]["containerGroup"].is_object());
    }
    let last = changes.iter().rev().find(rolled_out);
    last.is_some_and(|change| change.new["spec"]["update"]["containerGroup"].is_object())
}
