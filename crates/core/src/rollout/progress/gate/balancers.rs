//! The health of backend servers, in every server group that the scaling group puts its instances into.
//!
//! Where a group is attached, and which listeners forward to its server groups, is asked seldom. CLB tells of every server; ALB and NLB
//! tell of those that are not normal, so that who is not told of is healthy where the server group has it with a weight, and only
//! there.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{
    BalancedInstances, Gates, LoadBalancerGate, RollingUpdateTaskStatus, Verdict,
};
use ess_rollout_cloud::{
    Answer, BackendServer, BalancerProduct, HealthOfGroup, HealthOfServer, Query, ScalingGroup,
    ServerGroup, ServerHealth,
};
use jiff::{SignedDuration, Timestamp};

use super::check::{Answers, Found, NAMED, Unanswered, Unusable, seldom, slot, unanswered};
use super::whose::Whose;
use crate::rollout::context::Context;
use crate::task::conditions::named;
use crate::task::observation::Known;

const NAME: &str = "loadBalancer";

/// What they say in this interval, of a pause: while a batch is under way its instances are meant to be out of service.
pub(super) fn check(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
) -> Known<Vec<Found>> {
    let Some(pause) = status.pause.as_ref() else {
        return Ok(Vec::new());
    };
    let whose = Whose::of_batch(status, pause.id);
    since(ctx, gates, pause.since.0, whose)
}

/// What they say in this interval of all that was updated, after the last batch.
pub(super) fn at_end(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
    ended: Timestamp,
) -> Known<Vec<Found>> {
    since(ctx, gates, ended, Whose::of_all_batches(status))
}

/// What they say of these instances, which may be unhealthy for some time since then.
fn since(ctx: &Context<'_>, gates: &Gates, back: Timestamp, whose: Whose) -> Known<Vec<Found>> {
    let Some(gate) = &gates.load_balancer else {
        return Ok(Vec::new());
    };
    let mut answers = Answers::default();
    let group = Query::ScalingGroup {
        group: ctx.group.clone(),
    };
    answers.ask(ctx, [group.clone()], seldom(ctx))?;
    let server_groups = match answers.told(&group) {
        Some(Ok(Answer::ScalingGroup(Some(group)))) => group.server_groups.as_slice(),
        Some(Err(error)) => return Ok(found(unanswered(error))),
        _ => &[],
    };
    let since = slot(ctx, gates).max(back);
    ask(ctx, &mut answers, server_groups, since)?;
    let whose = match gate.scope {
        BalancedInstances::Batch => whose,
        BalancedInstances::Group => Whose::InService,
    };
    let instances = match ids(ctx, whose, server_groups, &mut answers, since)? {
        Ok(instances) => instances,
        Err(unanswered) => return Ok(found(unanswered)),
    };
    let over = grace(gates).is_some_and(|grace| ctx.now() >= back + grace);
    Ok(found(judge(server_groups, &instances, &answers, over)))
}

/// What they say of all that was updated, after the last batch, where no check of the spec asks for it.
pub(super) enum Serving {
    /// Each of them has requests sent to it.
    Yes,
    /// One has not, and why.
    No(String),
    /// That cannot be told, and why.
    Unknown {
        /// A sentence without its end.
        why: String,
        /// Whether that may be another thing in a moment.
        passes: bool,
    },
}

/// Whether the group is attached to a load balancer that can be asked.
pub(super) fn is_attached(ctx: &Context<'_>) -> Known<bool> {
    Ok(!attached(ctx)?.is_empty())
}

/// What the group is attached to that can be asked.
fn attached(ctx: &Context<'_>) -> Known<Vec<ServerGroup>> {
    let group = ctx.scaling_group()?;
    let all = group.map_or(&[][..], |group| &group.server_groups);
    let can_be_asked = all.iter().filter(|of| servers_of(of).is_some());
    Ok(can_be_asked.cloned().collect())
}

/// As it is shown.
pub(super) fn found_of(serving: &Serving) -> Vec<Found> {
    found(match serving {
        Serving::Yes => (Verdict::Pass, String::new()),
        Serving::No(why) | Serving::Unknown { why, .. } => (Verdict::Inconclusive, why.clone()),
    })
}

/// Whether what was updated serves, as the load balancers have it: the weight that ESS tells of is deprecated, and zero or nothing
/// where it is told of no more (DescribeScalingInstances).
pub(super) fn serving(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    ended: Timestamp,
) -> Known<Serving> {
    let all = attached(ctx)?;
    let gates = Gates::default();
    let (mut answers, since) = (Answers::default(), slot(ctx, &gates).max(ended));
    ask(ctx, &mut answers, &all, since)?;
    if let Some(Unusable(why)) = answers.refused() {
        let passes = false;
        return Ok(Serving::Unknown { why, passes });
    }
    let whose = Whose::of_all_batches(status);
    let instances = match ids(ctx, whose, &all, &mut answers, since)? {
        Ok(instances) => instances,
        Err((_, why)) => return Ok(Serving::Unknown { why, passes: true }),
    };
    let (mut out, mut unknown) = (Vec::new(), None);
    for of in &all {
        let doubts = match doubts(of, &instances, &answers) {
            Ok(doubts) => doubts,
            Err((_, why)) => {
                unknown = Some((why, true));
                continue;
            }
        };
        for doubt in doubts {
            match doubt {
                Doubt::Unhealthy(what) | Doubt::Out(what) => out.push(what),
                Doubt::NotYetChecked(what) => unknown = Some((what, true)),
                Doubt::Unclear(what) => unknown = unknown.or(Some((what, false))),
            }
        }
    }
    Ok(match (out.is_empty(), unknown) {
        (false, _) => Serving::No(named(&out, NAMED)),
        (true, Some((why, passes))) => Serving::Unknown { why, passes },
        (true, None) => Serving::Yes,
    })
}

/// For how long an instance may be unhealthy after its batch, if that is asked.
pub(super) fn grace(gates: &Gates) -> Option<SignedDuration> {
    let grace = gates.load_balancer.as_ref()?.grace_period_seconds;
    let grace = grace.unwrap_or(LoadBalancerGate::GRACE_PERIOD);
    Some(SignedDuration::from_secs(grace.into()))
}

/// What they say of the group as it is.
pub(super) fn at_start(
    ctx: &Context<'_>,
    gates: &Gates,
    group: &ScalingGroup,
) -> Known<Result<Vec<Found>, Unusable>> {
    let Some(gate) = &gates.load_balancer else {
        return Ok(Ok(Vec::new()));
    };
    if group.server_groups.is_empty() {
        let why = "the scaling group is attached to no load balancer: attach it to one, or leave spec.gates.loadBalancer out of a new object";
        return Ok(Err(Unusable(why.to_owned())));
    }
    let mut answers = Answers::default();
    let since = slot(ctx, gates);
    ask(ctx, &mut answers, &group.server_groups, since)?;
    let instances = match gate.scope {
        // None is updated yet.
        BalancedInstances::Batch => Ok(BTreeSet::new()),
        BalancedInstances::Group => Whose::InService.ids(ctx, &mut answers, since)?,
    };
    let unusable = answers.refused();
    if let Some(why) = unusable.or_else(|| unusable_of(&group.server_groups, &answers)) {
        return Ok(Err(why));
    }
    Ok(Ok(found(match instances {
        Ok(instances) => judge(&group.server_groups, &instances, &answers, true),
        Err(unanswered) => unanswered,
    })))
}

fn found(told: (Verdict, String)) -> Vec<Found> {
    vec![Found::new(NAME, told)]
}

// ---- what is asked

/// A product whose listeners tell of the servers that are not normal.
fn of_listeners(of: &ServerGroup) -> Option<(BalancerProduct, &str)> {
    match of {
        ServerGroup::Alb { group } => Some((BalancerProduct::Alb, group)),
        ServerGroup::Nlb { group } => Some((BalancerProduct::Nlb, group)),
        ServerGroup::Default { .. }
        | ServerGroup::VServerGroup { .. }
        | ServerGroup::Other { .. } => None,
    }
}

fn listeners_of(of: &ServerGroup) -> Option<Query> {
    let (product, group) = of_listeners(of)?;
    let group = group.to_owned();
    Some(Query::Listeners { product, group })
}

fn clb(of: &ServerGroup) -> Option<&str> {
    match of {
        ServerGroup::Default { load_balancer }
        | ServerGroup::VServerGroup { load_balancer, .. } => Some(load_balancer),
        ServerGroup::Alb { .. } | ServerGroup::Nlb { .. } | ServerGroup::Other { .. } => None,
    }
}

fn health_of_clb(of: &ServerGroup) -> Option<Query> {
    clb(of).map(|load_balancer| Query::HealthOfServers {
        load_balancer: load_balancer.to_owned(),
    })
}

fn servers_of(of: &ServerGroup) -> Option<Query> {
    let has_api = !matches!(of, ServerGroup::Other { .. });
    has_api.then(|| Query::BackendServers { of: of.clone() })
}

/// The questions about the health of a server group of ALB or NLB, one for each listener.
fn health_by_listeners(of: &ServerGroup, answers: &Answers<'_>) -> Vec<Query> {
    let Some((product, _)) = of_listeners(of) else {
        return Vec::new();
    };
    let listeners = listeners_of(of).and_then(|query| answers.told(&query));
    let Some(Ok(Answer::Listeners(listeners))) = listeners else {
        return Vec::new();
    };
    let ask = |listener: &String| Query::HealthOfGroups {
        product,
        listener: listener.clone(),
    };
    listeners.iter().map(ask).collect()
}

fn ask<'a>(
    ctx: &Context<'a>,
    answers: &mut Answers<'a>,
    server_groups: &[ServerGroup],
    since: Timestamp,
) -> Known<()> {
    let listeners = server_groups.iter().filter_map(listeners_of);
    answers.ask(ctx, listeners, seldom(ctx))?;
    let of_clb = server_groups.iter().filter_map(health_of_clb);
    let servers = server_groups.iter().filter_map(servers_of);
    let by_listeners: Vec<Query> = server_groups
        .iter()
        .flat_map(|of| health_by_listeners(of, answers))
        .collect();
    let all: BTreeSet<Query> = of_clb.chain(servers).chain(by_listeners).collect();
    answers.ask(ctx, all, since)
}

/// Their ids. Who is still a server has not left the group, whatever one list of its members leaves out or has no word for.
fn ids<'a>(
    ctx: &Context<'a>,
    whose: Whose,
    server_groups: &[ServerGroup],
    answers: &mut Answers<'a>,
    since: Timestamp,
) -> Known<Result<BTreeSet<String>, Unanswered>> {
    let mut there = whose.unless_gone();
    let found = whose.ids(ctx, answers, since)?;
    let of_groups = server_groups
        .iter()
        .filter_map(|of| servers(of, answers).ok());
    let of_groups = of_groups.flatten();
    let servers: BTreeSet<&str> = of_groups.map(|server| server.server.as_str()).collect();
    there.retain(|id| servers.contains(id.as_str()));
    Ok(found.map(|found| &found | &there))
}

/// Who is in a server group.
fn servers<'a>(of: &ServerGroup, answers: &Answers<'a>) -> Result<&'a [BackendServer], Unanswered> {
    match servers_of(of).and_then(|query| answers.told(&query)) {
        Some(Ok(Answer::BackendServers(servers))) => Ok(servers),
        Some(Err(error)) => Err(unanswered(error)),
        _ => Ok(&[]),
    }
}

// ---- what comes of it

/// Server groups that say nothing of health, whoever is in them.
fn unusable_of(server_groups: &[ServerGroup], answers: &Answers<'_>) -> Option<Unusable> {
    let leave_out = "or leave spec.gates.loadBalancer out of a new object";
    server_groups.iter().find_map(|of| {
        if let ServerGroup::Other { .. } = of {
            let why = format!(
                "{of} has no API that tells how healthy its servers are: detach it from the scaling group, {leave_out}"
            );
            return Some(Unusable(why));
        }
        let (_, group) = of_listeners(of)?;
        let told = told_of(of, answers).ok()?;
        let ours: Vec<&HealthOfGroup> = told.into_iter().filter(|told| told.group == group).collect();
        if ours.is_empty() {
            let why = format!(
                "no listener forwards requests to {of}, so that nothing checks its servers: have one do so, {leave_out}"
            );
            return Some(Unusable(why));
        }
        let unchecked = ours.iter().any(|told| !told.checked);
        unchecked.then(|| {
            Unusable(format!(
                "{of} has no health check: enable it, {leave_out}"
            ))
        })
    })
}

/// What the listeners tell of all their server groups.
fn told_of<'a>(
    of: &ServerGroup,
    answers: &Answers<'a>,
) -> Result<Vec<&'a HealthOfGroup>, Unanswered> {
    if let Some(Err(error)) = listeners_of(of).and_then(|query| answers.told(&query)) {
        return Err(unanswered(error));
    }
    let mut found = Vec::new();
    for query in health_by_listeners(of, answers) {
        match answers.told(&query) {
            Some(Ok(Answer::HealthOfGroups(groups))) => found.extend(groups),
            Some(Err(error)) => return Err(unanswered(error)),
            _ => {}
        }
    }
    Ok(found)
}

/// How an instance that is not found healthy in a server group is found there, in words.
enum Doubt {
    Unhealthy(String),
    /// It gets no requests there.
    Out(String),
    NotYetChecked(String),
    Unclear(String),
}

fn judge(
    server_groups: &[ServerGroup],
    instances: &BTreeSet<String>,
    answers: &Answers<'_>,
    grace_is_over: bool,
) -> (Verdict, String) {
    let (mut unhealthy, mut unclear) = (Vec::new(), Vec::new());
    let mut unanswered_by = None;
    if server_groups.is_empty() {
        let message = "the scaling group is attached to no load balancer any more";
        return (Verdict::Inconclusive, message.to_owned());
    }
    for of in server_groups {
        match doubts(of, instances, answers) {
            Err(why) => unanswered_by = unanswered_by.or(Some(why)),
            Ok(doubts) => {
                for doubt in doubts {
                    match doubt {
                        Doubt::Unhealthy(what) => unhealthy.push(what),
                        Doubt::Out(what) | Doubt::NotYetChecked(what) | Doubt::Unclear(what) => {
                            unclear.push(what);
                        }
                    }
                }
            }
        }
    }
    match (unhealthy.is_empty(), unanswered_by) {
        (false, _) if grace_is_over => (Verdict::Fail, named(&unhealthy, NAMED)),
        (false, _) => {
            let message = format!(
                "{}, not for long yet (gracePeriodSeconds)",
                named(&unhealthy, NAMED)
            );
            (Verdict::Inconclusive, message)
        }
        (true, Some(unanswered)) => unanswered,
        (true, None) if unclear.is_empty() => (Verdict::Pass, String::new()),
        (true, None) => (Verdict::Inconclusive, named(&unclear, NAMED)),
    }
}

/// Who of them is not found healthy in this server group.
fn doubts(
    of: &ServerGroup,
    instances: &BTreeSet<String>,
    answers: &Answers<'_>,
) -> Result<Vec<Doubt>, Unanswered> {
    let servers = servers(of, answers)?;
    let rows: Vec<&HealthOfServer> = match health_of_clb(of) {
        Some(query) => match answers.told(&query) {
            Some(Ok(Answer::HealthOfServers(rows))) => rows.iter().collect(),
            Some(Err(error)) => return Err(unanswered(error)),
            _ => Vec::new(),
        },
        None => {
            let group = of_listeners(of).map(|(_, group)| group);
            let told = told_of(of, answers)?;
            let ours = told
                .into_iter()
                .filter(|told| Some(told.group.as_str()) == group);
            let ours: Vec<&HealthOfGroup> = ours.collect();
            if ours.is_empty() || ours.iter().any(|told| !told.checked) {
                let out = instances.iter().filter_map(|id| out(of, id, servers));
                let why = format!("nothing checks the servers of {of}");
                let unclear = (!instances.is_empty()).then_some(Doubt::Unclear(why));
                return Ok(out.chain(unclear).collect());
            }
            ours.into_iter().flat_map(|told| &told.not_normal).collect()
        }
    };
    let doubt = |id: &String| doubt(of, id, servers, &rows);
    Ok(instances.iter().filter_map(doubt).collect())
}

fn doubt(
    of: &ServerGroup,
    id: &str,
    servers: &[BackendServer],
    rows: &[&HealthOfServer],
) -> Option<Doubt> {
    let says = |what: &str| format!("{id} {what} {of}");
    let mut rows = rows.iter().filter(|row| row.server == id).peekable();
    let is_told_of = rows.peek().is_some();
    let mut unclear = None;
    for row in rows {
        match &row.health {
            ServerHealth::Normal => {}
            ServerHealth::Abnormal | ServerHealth::Unhealthy => {
                let reason = match row.reason.as_str() {
                    "" => String::new(),
                    reason => format!(" ({reason})"),
                };
                return Some(Doubt::Unhealthy(format!(
                    "{id} is unhealthy in {of}{reason}"
                )));
            }
            ServerHealth::NotChecked | ServerHealth::Initial | ServerHealth::Unavailable => {
                unclear = Some(Doubt::NotYetChecked(says("is not checked yet in")));
            }
            ServerHealth::Unused => unclear = Some(Doubt::Unclear(says("gets no requests in"))),
            ServerHealth::Unknown(word) => {
                let what = format!("is in a state that is not known ({word}) in");
                unclear = Some(Doubt::Unclear(says(&what)));
            }
        }
    }
    // CLB tells of every server that a listener checks.
    let unchecked = clb(of).is_some() && !is_told_of;
    let unchecked = unchecked.then(|| Doubt::Unclear(says("is checked by no listener in")));
    out(of, id, servers).or(unclear).or(unchecked)
}

/// Why no request is sent to an instance, whatever its health.
fn out(of: &ServerGroup, id: &str, servers: &[BackendServer]) -> Option<Doubt> {
    let mut own = servers.iter().filter(|server| server.server == id);
    let what = match own.clone().next() {
        None => "is not in",
        Some(_) if own.clone().any(|server| server.weight == 0) => "has the weight 0 in",
        Some(_) if own.any(|server| !server.available) => "is being added to, or removed from,",
        Some(_) => return None,
    };
    Some(Doubt::Out(format!("{id} {what} {of}")))
}
