//! All actions by service.

use super::action::Action;
use super::{cms, eci, ecs, ess, server_groups, slb, sts};
use crate::oos;
use crate::state::call::Service;

fn table(service: Service) -> &'static [Action] {
    match service {
        Service::Ess => ess::ACTIONS,
        Service::Ecs => ecs::ACTIONS,
        Service::Sts => sts::ACTIONS,
        Service::Eci => eci::ACTIONS,
        Service::Slb => slb::ACTIONS,
        Service::Alb => server_groups::ALB_ACTIONS,
        Service::Nlb => server_groups::NLB_ACTIONS,
        Service::Cms => cms::ACTIONS,
        // The engine knows its own.
        Service::Oos => &[],
    }
}

/// The actions of a service, each with the parameters that it honours.
pub(crate) fn honours(
    service: Service,
) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
    let oos = (service == Service::Oos).then_some(oos::ACTIONS);
    let others = table(service).iter().map(|a| (a.name, a.honours));
    others.chain(oos.into_iter().flatten().copied())
}

/// The actions that a service answers, as the API reference spells them.
pub fn actions(service: Service) -> Vec<&'static str> {
    honours(service).map(|(name, _)| name).collect()
}

pub(super) fn find(service: Service, action: &str) -> Option<&'static Action> {
    table(service).iter().find(|known| known.name == action)
}

/// `action` in its documented spelling. Callers are matched whatever their case, because templates
/// spell `ExitStandBy`.
pub(crate) fn spelling(service: Service, action: &str) -> String {
    honours(service)
        .find(|(known, _)| known.eq_ignore_ascii_case(action))
        .map_or_else(|| action.to_owned(), |(known, _)| known.to_owned())
}
