//! Whether what a fault or an event of a fixture waits for can ever come. One that cannot is
//! refused when it is given: nobody notices a rehearsal in which nothing goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::args::plural;
use super::effects::{effect_problem, services};
use super::ids::may_mean;
use super::parameters::{COMMON, PAGING, apis, idle};
use super::variables::variables_problem;
use crate::state::backend_health::BackendHealthRule;
use crate::state::behaviour::{Switches, UnsupportedParameters};
use crate::state::call::{Call, Service};
use crate::state::faults::{CallerKind, Effect, Fault};
use crate::state::ram::{Ram, wildcard};
use crate::state::time::seconds_problem;
use crate::state::world::World;

/// Whether a service has an action by this pattern, emulated or not: a call to either can be hit.
fn has(service: Service, pattern: &str) -> bool {
    let published = apis(service).iter().flat_map(|api| api.actions());
    let mut all = published.chain(super::actions(service));
    all.any(|action| wildcard(pattern, action))
}

/// What is wrong with the service and the action of a call, if anything is. Both may have `*`.
pub(crate) fn call_problem(service: Option<&str>, action: Option<&str>) -> Option<String> {
    let meant = services(service);
    if let (Some(service), true) = (service, meant.is_empty()) {
        let known = Service::ALL.map(Service::name).join(", ");
        return Some(format!(
            "there is no service {service}: it is one of {known}"
        ));
    }
    let action = action?;
    if meant.iter().any(|service| has(*service, action)) {
        return None;
    }
    let of = match service {
        Some(service) => format!("{} has", service.to_uppercase()),
        None => "the services have".to_owned(),
    };
    Some(format!("{of} no action {action}"))
}

/// What is wrong with the name of a caller, if anything is: a user, or a session of a role
/// (`assumed-role/NAME/SESSION`), with `*`.
pub(crate) fn caller_problem(ram: &Ram, pattern: &str) -> Option<String> {
    let is_user = ram.principals.keys().any(|name| wildcard(pattern, name));
    let pattern_head = pattern.split('*').next().unwrap_or_default();
    let head = pattern_head.to_ascii_lowercase();
    let has_star = head.len() < pattern.len();
    // Any session of a role may come.
    let is_session = ram.roles.values().any(|role| {
        let session = format!("assumed-role/{}/", role.name).to_ascii_lowercase();
        head.starts_with(&session) || (has_star && session.starts_with(&head))
    });
    let is_anonymous = wildcard(pattern, "anonymous");
    if is_user || is_session || is_anonymous {
        return None;
    }
    Some(format!(
        "no caller is {pattern}: principals are {}; of a role it is assumed-role/NAME/SESSION",
        users(ram)
    ))
}

/// What is wrong with the user that somebody acts as, if anything is.
pub(crate) fn user_problem(ram: &Ram, name: &str) -> Option<String> {
    let is_there = ram.principals.contains_key(name);
    (!is_there).then(|| format!("as: there is no principal {name}: they are {}", users(ram)))
}

fn users(ram: &Ram) -> String {
    let names: Vec<&str> = ram.principals.keys().map(String::as_str).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(", "),
    }
}

/// What is wrong with a fault, if anything is.
pub(crate) fn fault_problem(world: &World, fault: &Fault) -> Option<String> {
    if let Some(problem) = fault.problem() {
        return Some(problem);
    }
    if let Effect::Elsewhere {
        region: Some(region),
        ..
    } = &fault.effect
        && !world.regions.contains(region)
    {
        return Some(format!("effect.region: regions does not have {region}"));
    }
    call_problem(fault.service.as_deref(), fault.action.as_deref())
        .or_else(|| params_problem(fault))
        .or_else(|| effect_problem(world, fault))
        .or_else(|| variables_problem(&Value::Object(fault.params.clone()), Some(NOT_IN_FAULTS)))
        .or_else(|| {
            let principal = fault.principal.as_deref()?;
            caller_problem(&world.ram, principal)
        })
}

/// Why a fault cannot name the execution that an event waits for.
const NOT_IN_FAULTS: &str = "it stands for an execution in the params of an event's call alone";

/// What is wrong with how many instances a group is to be larger or smaller by, if anything is.
pub(crate) fn count_problem(count: usize) -> Option<String> {
    (count == 0).then(|| "count must be at least 1: nothing would be scaled".to_owned())
}

/// What is wrong with a rule for health checks, if anything is.
pub(crate) fn health_problem(world: &World, rule: &BackendHealthRule) -> Option<String> {
    let r = &world.resources;
    let is_server = |id: &str| r.instances.contains_key(id) || r.container_groups.contains_key(id);
    let is_balancer = |id: &str| r.balancing.balancers.contains_key(id);
    let is_group = |id: &str| r.balancing.server_groups.contains_key(id);
    let unknown = |field: &str, given: Option<&String>, is_known: bool| {
        let id = given.filter(|_| !is_known)?;
        Some(format!("{field} {id} is not described"))
    };
    let (instance, balancer) = (rule.instance.as_ref(), rule.load_balancer.as_ref());
    let group = rule.server_group.as_ref();
    rule.problem()
        .or_else(|| unknown("instance", instance, may_mean(instance, is_server)))
        .or_else(|| unknown("loadBalancer", balancer, may_mean(balancer, is_balancer)))
        .or_else(|| unknown("serverGroup", group, may_mean(group, is_group)))
}

/// What is wrong with the parameters that a fault goes by, if anything is: none of the calls that it
/// may hit has them, in any version.
fn params_problem(fault: &Fault) -> Option<String> {
    let pattern = fault.action.as_deref().unwrap_or("*");
    let heads = |paths: &[&'static str]| -> Vec<&'static str> {
        let of = paths
            .iter()
            .map(|path| path.split('.').next().unwrap_or(path));
        of.collect()
    };
    // What each of the calls has, as it travels and as it is honoured.
    let mut calls: BTreeMap<(Service, &str), BTreeSet<String>> = BTreeMap::new();
    for service in services(fault.service.as_deref()) {
        for api in apis(service) {
            for action in api.actions().filter(|action| wildcard(pattern, action)) {
                let published = api.parameters(action).unwrap_or_default();
                let known = calls.entry((service, action)).or_default();
                known.extend(heads(published).into_iter().map(str::to_owned));
            }
        }
        for (action, honours) in super::honours(service) {
            if wildcard(pattern, action) {
                let known = calls.entry((service, action)).or_default();
                known.extend(heads(honours).into_iter().map(str::to_owned));
                known.extend(heads(honours).into_iter().map(plural));
            }
        }
    }
    let has = |known: &BTreeSet<String>, name: &str| {
        // Templates page through lists.
        let is_paging = PAGING.contains(&name) && fault.caller != CallerKind::Outside;
        COMMON.contains(&name) || is_paging || known.contains(name)
    };
    let names = || fault.params.keys().map(String::as_str);
    if names().next().is_none()
        || calls
            .values()
            .any(|known| names().all(|name| has(known, name)))
    {
        return None;
    }
    let odd = names().find(|name| !calls.values().any(|known| has(known, name)));
    Some(match odd {
        Some(odd) => format!("params: no call that may be meant has a parameter {odd}"),
        None => {
            let all: Vec<&str> = names().collect();
            let all = all.join(" and ");
            format!("params: no call that may be meant has {all}: they are of different calls")
        }
    })
}

/// What is wrong with switches, if anything is.
pub(crate) fn switches_problem(switches: &Switches) -> Option<String> {
    seconds_problem("readLagSeconds", switches.read_lag_seconds).or_else(|| {
        let is_known = |line: &str| {
            Service::ALL.into_iter().any(|service| {
                let published = apis(service).iter().flat_map(|api| api.actions());
                let mut all = published.chain(super::actions(service));
                all.any(|action| wildcard(line, &format!("{} {action}", service.name())))
            })
        };
        let mut lines = switches.rates.keys();
        if let Some(odd) = lines.find(|line| !is_known(line)) {
            return Some(format!(
                "rates: {odd} is no call: it must be a service and an action, such as \
                 `OOS ListExecutions` or `ESS *`"
            ));
        }
        let alike = alike(switches.rates.keys())?;
        Some(format!(
            "rates: {alike}: the case of letters does not matter"
        ))
    })
}

/// Two of these names that are the same but for the case of letters, in which nobody tells them apart.
pub(crate) fn alike<'a>(names: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    names.into_iter().find_map(|name| {
        let before = seen.insert(name.to_ascii_lowercase(), name)?;
        Some(format!(
            "{before} and {name} differ in the case of letters alone"
        ))
    })
}

/// What is wrong with a call that somebody is to make, if anything is: the action is not emulated, or
/// does not have a parameter, or another region is meant than there are.
pub(crate) fn deed_problem(world: &World, call: &Call) -> Option<String> {
    let service = call.service;
    let mut own = super::actions(service).into_iter();
    if !own.any(|action| action.eq_ignore_ascii_case(&call.action)) {
        return Some(format!(
            "{} of {} is not emulated",
            call.action,
            service.name()
        ));
    }
    if !world.regions.contains(&call.region) {
        return Some(format!("regions does not have {}", call.region));
    }
    let idle = idle(call);
    let refuses = world.switches.unsupported_parameters == UnsupportedParameters::Refuse;
    if let Some(name) = idle.unsupported.first().filter(|_| refuses) {
        return Some(format!(
            "the emulator does not support {name} of {}",
            call.action
        ));
    }
    let odd = idle.unknown.first()?;
    Some(format!("{} has no parameter {odd}", call.action))
}
