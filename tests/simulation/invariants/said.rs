//! What the operator says of the cloud when an object is completed, held against the cloud at that moment.

use std::sync::Arc;

use ess_emulator::state::model::{InstanceSource, InstanceStatus, LifecycleState, Resources};
use serde_json::Value;

use super::holds::is_unhealthy_for_good;
use super::{is_final, roots};
use crate::fault::Fault;
use crate::world::{NAMESPACE, PERSON, World};

/// What is said of an item because nothing is there any more that it is about.
const CONFIGURATION_GONE: &str = "the scaling configuration is gone";
const MEMBER_GONE: &str = "the instance has left the scaling group";
const GROUP_GONE: &str = "no answer of the cloud shows scaling group";

/// The object that a write of a status is about, as it is now; `None`: the path is that of something else.
pub fn subject(world: &World, path: &str) -> Option<Arc<Value>> {
    let mut segments = path.split('/').rev();
    let (Some("status"), Some(name), Some(plural)) =
        (segments.next(), segments.next(), segments.next())
    else {
        return None;
    };
    let rollout = ["rollingupdatetasks", "rollbacks"].contains(&plural);
    rollout.then(|| world.apiserver.get(plural, NAMESPACE, name))?
}

/// `Verified=True` and `Restored=True` of the write that completed an object, which was this one before.
pub fn after_write(world: &World, path: &str, before: Option<&Value>) {
    let Some(object) = subject(world, path) else {
        return;
    };
    resumed(world, &object, before);
    let completed = |object: &Value| !object["status"]["completionTime"].is_null();
    if !completed(&object) || before.is_none_or(completed) {
        return;
    }
    let name = &object["metadata"]["name"];
    let cloud = world.cloud();
    let resources = cloud.world.resources.clone();
    drop(cloud);
    let mut wrong = Vec::new();
    if says(&object, "Verified") {
        wrong.extend(verified(&object, &resources));
        let updated = instances(&object).filter(|(_, how)| *how == "Succeeded");
        // One that is updated once more may be healthy since.
        let once = roots(world).len() == 1;
        let unhealthy = updated.filter(|(id, _)| once && is_unhealthy_for_good(world, id));
        let unhealthy = unhealthy.filter(|_| asks_load_balancers(world, &object));
        wrong.extend(
            unhealthy.map(|(id, _)| format!("Verified, while {id} is unhealthy ever since")),
        );
    }
    if says(&object, "Restored") {
        wrong.extend(restored(&object, &resources));
    }
    if !world.gate.leaves_out() {
        wrong.extend(said_to_be_gone(&object, &resources));
    }
    // What somebody else's update moves may be otherwise a moment after it was read.
    let theirs = |root: &Value| root["ExecutedBy"] == PERSON && !is_final(root);
    if !wrong.is_empty() && roots(world).iter().any(theirs) {
        wrong.retain(|what| !what.contains("Standby") && !what.contains("suspended"));
    }
    for what in wrong {
        world.violation(format!("{name} is completed, and {what}"));
    }
}

/// That processes are resumed, or suspended again, of the write that says so first.
fn resumed(world: &World, object: &Value, before: Option<&Value>) {
    let state = |object: &Value| object["status"]["thaw"]["state"].clone();
    let said = state(object);
    if before.is_none_or(|before| state(before) == said) {
        return;
    }
    let cloud = world.cloud();
    let Some(found) = cloud.world.resources.groups.get(group(object)) else {
        return;
    };
    let suspended = found.suspended_processes.clone();
    drop(cloud);
    let processes = object["status"]["thaw"]["processes"].as_array();
    let processes = processes.into_iter().flatten().filter_map(Value::as_str);
    let wrong: Vec<&str> = match said.as_str() {
        Some("Resumed") => processes.filter(|p| suspended.contains(*p)).collect(),
        Some("Suspended") => processes.filter(|p| !suspended.contains(*p)).collect(),
        _ => Vec::new(),
    };
    if !wrong.is_empty() {
        let name = &object["metadata"]["name"];
        world.violation(format!(
            "{name} says that it is {said}, and it is not: {wrong:?}"
        ));
    }
}

/// Whether `Verified` says what load balancers have of it.
fn asks_load_balancers(world: &World, object: &Value) -> bool {
    // Nobody waits for what is deleted.
    if !object["metadata"]["deletionTimestamp"].is_null() {
        return false;
    }
    let said = condition(object, "Verified").and_then(|verified| verified["message"].as_str());
    let told = said.is_none_or(|said| !said.contains("what load balancers have of it"));
    // ALB and NLB tell of nobody but who is not well: who is left out of the one answer is taken to be. Where the spec does not ask for
    // them, a group that is shown with none that is known is taken to have none.
    let asked = !object["spec"]["gates"]["loadBalancer"].is_null();
    let hides = |fault: Fault| fault == Fault::Omitted || !asked && fault == Fault::ReadsUnknown;
    (asked || told) && !world.gate.has_met(hides)
}

fn says(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

fn condition<'o>(object: &'o Value, kind: &str) -> Option<&'o Value> {
    let conditions = object["status"]["conditions"].as_array();
    let mut all = conditions.into_iter().flatten();
    all.find(|condition| condition["type"] == kind)
}

/// What an image update, or the rollback of one, brings.
fn image(object: &Value) -> Option<&Value> {
    let of_task = &object["spec"]["update"]["image"];
    let of_rollback = &object["status"]["source"]["update"]["image"];
    [of_task, of_rollback]
        .into_iter()
        .find(|image| image.is_object())
}

fn group(object: &Value) -> &str {
    let own = object["spec"]["scalingGroupId"].as_str();
    let of_source = object["status"]["source"]["scalingGroupId"].as_str();
    own.or(of_source).unwrap_or_default()
}

fn instances(object: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = object["status"]["instances"].as_array();
    all.into_iter()
        .flatten()
        .filter_map(|i| Some((i["id"].as_str()?, i["state"].as_str()?)))
}

fn verified(object: &Value, resources: &Resources) -> Vec<String> {
    let mut wrong = Vec::new();
    let wanted = image(object).map(|image| image["imageId"].as_str().unwrap_or_default());
    let stopped_before = |id: &str| {
        let members = object["status"]["plan"]["members"].as_array();
        let mut members = members.into_iter().flatten();
        members.any(|member| member["id"] == id && member["stopped"] == true)
    };
    for (id, how) in instances(object) {
        let member = resources.members.get(id);
        let state = member.map(|member| member.lifecycle_state);
        let serves = [LifecycleState::InService, LifecycleState::Protected];
        let serves = state.is_some_and(|state| serves.contains(&state));
        // Who has left the group is not the group's any more, unless it was updated just now.
        if !serves && (state.is_some() || how == "Succeeded") {
            wrong.push(format!("Verified, while {id} is {state:?}"));
        }
        let instance = resources.instances.get(id);
        let runs = instance.map(|i| i.image_id.as_str());
        match wanted {
            Some(wanted) if runs != Some(wanted) && state.is_some() => {
                wrong.push(format!("Verified, while {id} runs {runs:?}"));
            }
            None if how != "Succeeded" && state.is_some() => {
                wrong.push(format!("Verified, while {id} is {how}"));
            }
            Some(_) | None => {}
        }
        let stopped = instance.is_some_and(|i| i.status == InstanceStatus::Stopped);
        if stopped && !stopped_before(id) {
            wrong.push(format!("Verified, while {id} is stopped"));
        }
    }
    let Some((image, wanted)) = image(object).zip(wanted) else {
        return wrong;
    };
    let before = &object["status"]["source"]["scalingConfigurationImageId"];
    let active = match resources
        .groups
        .get(group(object))
        .map(|group| &group.source)
    {
        Some(InstanceSource::Configuration(id)) => resources.configurations.get(id),
        Some(InstanceSource::LaunchTemplate { .. }) | None => None,
    };
    if image["updateScalingConfiguration"] != false
        && let Some(active) = active
        && active.image_id != wanted
        && *before != *active.image_id
    {
        wrong.push(format!(
            "Verified, while new instances get {} of {}",
            active.image_id, active.scaling_configuration_id
        ));
    }
    wrong
}

/// What no answer had shown for so long that it was taken for gone: a configuration, or all that is left as the group is.
fn said_to_be_gone(object: &Value, resources: &Resources) -> Vec<String> {
    let items = object["status"]["restore"]["items"].as_array();
    let there = items.into_iter().flatten().filter(|item| {
        let target = item["target"].as_str().unwrap_or_default();
        let said = item["message"].as_str().unwrap_or_default();
        match item["kind"].as_str() {
            Some("ScalingConfigurationImage") if said == CONFIGURATION_GONE => {
                resources.configurations.contains_key(target)
            }
            Some("ScalingConfigurationContainers") if said == CONFIGURATION_GONE => {
                resources.eci_configurations.contains_key(target)
            }
            _ if said == MEMBER_GONE => resources.members.get(target).is_some(),
            _ => said.starts_with(GROUP_GONE) && resources.groups.contains_key(group(object)),
        }
    });
    there
        .map(|item| format!("{} is taken for gone, and is there", item["target"]))
        .collect()
}

fn restored(object: &Value, resources: &Resources) -> Vec<String> {
    let status = &object["status"];
    // Who never began changed nothing.
    if !status["execution"].is_object() {
        return Vec::new();
    }
    let mut wrong = Vec::new();
    let exit = status["start"]["exitProcesses"].as_array();
    let found = resources.groups.get(group(object));
    let Some(found) = found else {
        return vec!["Restored, while the group is gone".to_owned()];
    };
    for process in exit.into_iter().flatten().filter_map(Value::as_str) {
        if found.suspended_processes.contains(process) {
            wrong.push(format!("Restored, while {process} is suspended"));
        }
    }
    for (id, _) in instances(object).filter(|(_, state)| *state != "Pending") {
        let member = resources.members.get(id);
        if member.is_some_and(|member| member.lifecycle_state == LifecycleState::Standby) {
            wrong.push(format!("Restored, while {id} is in Standby"));
        }
    }
    let plan = &status["plan"];
    let configuration = plan["scalingConfigurationId"].as_str().unwrap_or_default();
    let configuration = resources.configurations.get(configuration);
    let keeps = status["restore"]["allUpdated"] == true;
    let ended_early = status["result"]["outcome"] != "Succeeded" && !keeps;
    if let (Some(image), Some(configuration)) = (image(object), configuration)
        && ended_early
        && status["source"].is_null()
        && image["updateScalingConfiguration"] != false
        && plan["scalingConfigurationImageId"] != *configuration.image_id
    {
        wrong.push(format!(
            "Restored, while {} carries {}",
            configuration.scaling_configuration_id, configuration.image_id
        ));
    }
    wrong
}
