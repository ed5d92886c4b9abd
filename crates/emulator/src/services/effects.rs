//! Whether the effect of a fault makes a difference to any call that it may hit.

use super::args::plural;
use super::ids::may_mean;
use super::parameters::apis;
use super::table::{actions, honours};
use crate::state::call::Service;
use crate::state::faults::{Effect, Fault};
use crate::state::ram::wildcard;
use crate::state::world::World;

/// The services whose calls are meant by a pattern; all without one.
pub(super) fn services(pattern: Option<&str>) -> Vec<Service> {
    let all = Service::ALL.into_iter();
    all.filter(|service| pattern.is_none_or(|pattern| wildcard(pattern, service.name())))
        .collect()
}

/// What is wrong with an effect, if anything is: no call that may be hit would end otherwise than
/// without it.
pub(super) fn effect_problem(world: &World, fault: &Fault) -> Option<String> {
    let meant = || {
        let pattern = fault.action.as_deref().unwrap_or("*");
        let of = |service: Service| {
            let published = apis(service).iter().flat_map(|api| api.actions());
            let all = published.chain(actions(service));
            all.map(move |action| (service, action))
        };
        let all = services(fault.service.as_deref()).into_iter().flat_map(of);
        all.filter(move |(_, action)| wildcard(pattern, action))
    };
    let which = fault.action.as_deref().unwrap_or("no call");
    match &fault.effect {
        Effect::Omit { .. } if !meant().any(|(_, action)| has_lists(action)) => Some(format!(
            "effect of kind omit leaves entries of lists out, and the answer of {which} has none"
        )),
        Effect::Partial { .. }
            if !meant().any(|(service, action)| is_of_instances(service, action)) =>
        {
            Some(format!(
                "effect of kind partial is of calls that change several instances, and {which} does not"
            ))
        }
        Effect::Partial { instances, .. } => {
            let r = &world.resources;
            let is_there =
                |id: &str| r.instances.contains_key(id) || r.container_groups.contains_key(id);
            let odd = instances.iter().find(|id| !may_mean(Some(id), is_there))?;
            Some(format!("effect.instances: there is no instance {odd}"))
        }
        Effect::Elsewhere { account_id, region } => {
            let pattern = fault.principal.as_deref().unwrap_or("*");
            let users = world.ram.principals.values();
            let users = users
                .filter(|user| wildcard(pattern, &user.name))
                .map(|user| &user.account_id);
            let sessions = world.ram.roles.values().map(|role| &role.account_id);
            let is_session = wildcard("assumed-role/*", pattern) || pattern.contains('*');
            let mut accounts = users.chain(sessions.filter(|_| is_session));
            let is_another = account_id
                .as_ref()
                .is_some_and(|to| accounts.any(|own| own != to));
            let is_far = region
                .as_ref()
                .is_some_and(|to| world.regions.iter().any(|own| own != to));
            (!is_another && !is_far).then(|| {
                "effect of kind elsewhere leads where the call goes anyway: another account or region \
                 must be meant"
                    .to_owned()
            })
        }
        _ => None,
    }
}

fn is_read(action: &str) -> bool {
    let verbs = ["Describe", "List", "Get"];
    verbs.iter().any(|verb| action.starts_with(verb))
}

/// Reads whose answers have no lists of entries.
const OF_ONE: &[&str] = &[
    "GetCallerIdentity",
    "GetExecutionTemplate",
    "GetParameter",
    "GetSecretParameter",
    "GetTemplate",
];

fn has_lists(action: &str) -> bool {
    is_read(action) && !OF_ONE.contains(&action)
}

/// The parameters by which a call names its instances.
pub(crate) const INSTANCES: [&str; 4] = [
    "InstanceId",
    "InstanceIds",
    "ResourceId",
    "ContainerGroupId",
];

/// Whether a call changes instances that it names.
fn is_of_instances(service: Service, action: &str) -> bool {
    let names = |path: &str| {
        let first = path.split('.').next().unwrap_or(path);
        INSTANCES.contains(&first) || INSTANCES.contains(&plural(first).as_str())
    };
    let mut published = apis(service).iter();
    let mut own = honours(service);
    !is_read(action)
        && (published.any(|api| {
            let known = api.parameters(action);
            known.is_some_and(|known| known.iter().any(|path| names(path)))
        }) || own.any(|(of, honours)| of == action && honours.iter().any(|path| names(path))))
}
