//! Whether what somebody may do is anything.

use super::parameters::apis;
use super::table::actions;
use crate::state::call::Service;
use crate::state::ram::{Policy, wildcard};

/// What is wrong with what somebody may do, if anything is: an action that there is not permits and
/// denies nothing, whatever its author believes.
pub(crate) fn policy_problem(policy: &Policy) -> Option<String> {
    let lists = [("allow", &policy.allow), ("deny", &policy.deny)];
    lists.into_iter().find_map(|(list, patterns)| {
        let mut problems = patterns.iter().filter_map(|of| ram_action_problem(of));
        problems.next().map(|problem| format!("{list}: {problem}"))
    })
}

/// Actions of services that are not emulated: nothing here asks for them.
pub(crate) fn foreign_actions(policy: &Policy) -> Vec<&str> {
    let all = policy.allow.iter().chain(&policy.deny);
    all.filter(|pattern| !is_ram_action(pattern))
        .map(String::as_str)
        .collect()
}

/// Whether an action of RAM by this pattern is asked for here.
fn is_ram_action(pattern: &str) -> bool {
    // Of RAM itself this is asked of whoever hands a role to OOS.
    wildcard(pattern, "ram:PassRole")
        || Service::ALL.into_iter().any(|service| {
            let published = apis(service).iter().flat_map(|api| api.actions());
            let mut all = published.chain(actions(service));
            all.any(|action| wildcard(pattern, &format!("{}:{action}", service.name())))
        })
}

fn ram_action_problem(pattern: &str) -> Option<String> {
    if is_ram_action(pattern) {
        return None;
    }
    match pattern.split_once(':') {
        Some((service, action)) if Service::parse(service).is_some() => Some(format!(
            "{} has no action {action}",
            service.to_ascii_uppercase()
        )),
        Some((service, action)) if !service.is_empty() && !action.is_empty() => {
            // Of a service that is not here nobody knows what it has.
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let is_service = service.chars().all(is_name);
            (!is_service).then(|| format!("{pattern} is no action of any service"))
        }
        _ => Some(format!(
            "{pattern:?} is no action of RAM: it must be a service and an action, such as \
             ess:DescribeScalingGroups or ess:*"
        )),
    }
}
