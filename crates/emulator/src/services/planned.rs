//! Whether what a fault or an event of a fixture waits for can ever come. One that cannot is
//! refused when it is given: nobody notices a rehearsal in which nothing goes wrong.

use super::parameters::apis;
use crate::state::call::Service;
use crate::state::faults::{Effect, Fault};
use crate::state::ram::{Ram, wildcard};

/// The services whose calls are meant by a pattern; all without one.
fn services(pattern: Option<&str>) -> Vec<Service> {
    let all = Service::ALL.into_iter();
    all.filter(|service| pattern.is_none_or(|pattern| wildcard(pattern, service.name())))
        .collect()
}

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
fn caller_problem(ram: &Ram, pattern: &str) -> Option<String> {
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
pub(crate) fn fault_problem(ram: &Ram, fault: &Fault) -> Option<String> {
    if let Some(problem) = fault.problem() {
        return Some(problem.to_owned());
    }
    if let Effect::Error { status, .. } | Effect::Partial { status, .. } = &fault.effect
        && !(400..=599).contains(status)
    {
        return Some(format!(
            "effect.status {status} is no status of an error: it must be from 400 to 599"
        ));
    }
    call_problem(fault.service.as_deref(), fault.action.as_deref()).or_else(|| {
        let principal = fault.principal.as_deref()?;
        caller_problem(ram, principal)
    })
}
