//! Members of the group that do not take part in an update: who they are, and why. They go on running
//! what they run, so it is said before the start, in the result and in `Verified`.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_api::v1alpha1::{EligibleState, LeftOut, Plan, RollingUpdateTaskStatus};
use ess_rollout_cloud::{LifecycleState, ScalingInstance};

use crate::rollout::compute::Compute;
use crate::rollout::context::Context;
use crate::rollout::kind::if_read;
use crate::task::conditions::{self, shorten};
use crate::task::observation::Known;
use crate::task::reason::Reason;

/// Bound of the API.
const LEFT_OUT_MAX: usize = 1000;
/// The most instances that are named for one reason.
const NAMED_MAX: usize = 5;
/// The most instances of which it is read what they run.
const READ_MAX: usize = 100;

/// Who is left out of an update of these members, and why.
pub(in crate::rollout) fn at_start(
    ctx: &Context<'_>,
    all: &[ScalingInstance],
    members: &[String],
) -> Vec<LeftOut> {
    let members: BTreeSet<&str> = members.iter().map(String::as_str).collect();
    let left = all.iter().filter(|i| !members.contains(i.id.as_str()));
    left.take(LEFT_OUT_MAX)
        .map(|instance| LeftOut {
            id: instance.id.clone(),
            reason: shorten(reason(ctx, instance), 64),
        })
        .collect()
}

fn reason<'a>(ctx: &Context<'_>, instance: &'a ScalingInstance) -> &'a str {
    let state = match instance.state {
        LifecycleState::InService => Some(EligibleState::InService),
        LifecycleState::Protected => Some(EligibleState::Protected),
        _ => None,
    };
    if state.is_none_or(|state| !ctx.spec.lifecycle_states.contains(&state)) {
        instance.state.as_str()
    } else if !ctx.update.takes(&instance.creation_type) {
        &instance.creation_type
    } else {
        // A rollback goes where the update has been.
        Reason::NotTouched.word()
    }
}

/// What preflight says of them.
pub(in crate::rollout) fn note(left_out: &[LeftOut]) -> Option<String> {
    let all = left_out.iter().map(|l| (l.reason.as_str(), l.id.as_str()));
    let mut note = format!("left out: {}", listed(all)?);
    let protected = LifecycleState::Protected;
    if left_out.iter().any(|l| l.reason == protected.as_str()) {
        note.push_str("; to update Protected instances as well name that state in spec.lifecycleStates of a new task");
    }
    Some(note)
}

/// What is said of an update for which nobody is eligible.
pub(in crate::rollout) fn nobody(ctx: &Context<'_>, plan: &Plan) -> String {
    let nothing = "no instance of the group is eligible";
    match note(plan.left_out.as_deref().unwrap_or_default()) {
        None => format!("{nothing}: it has none, and there was nothing to update"),
        Some(note) => {
            let states = ctx.spec.lifecycle_states.iter();
            let states: Vec<String> = states.map(|state| format!("{state:?}")).collect();
            format!(
                "{nothing} by spec.lifecycleStates ({}): there was nothing to update; {note}",
                states.join(", ")
            )
        }
    }
}

/// Who of the group, as it is now, has not taken part, and how many of those run what the update brings
/// all the same. `None`: everybody has.
pub(super) fn now(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    members: &[ScalingInstance],
) -> Known<Option<String>> {
    let took_part = plan.members.iter().map(|member| member.id.as_str());
    let took_part = took_part.chain(status.instances.iter().map(|i| i.id.as_str()));
    let took_part: BTreeSet<&str> = took_part.collect();
    let before = plan.left_out.iter().flatten();
    let before: BTreeMap<&str, &str> = before.map(|l| (l.id.as_str(), l.reason.as_str())).collect();
    // Else nobody wrote down who was there, or not all of them.
    let complete = plan.left_out.is_some() && before.len() < LEFT_OUT_MAX;
    let others: Vec<&ScalingInstance> = members
        .iter()
        .filter(|member| !took_part.contains(member.id.as_str()))
        .collect();
    let each = others.iter().map(|member| {
        let why = match before.get(member.id.as_str()) {
            Some(reason) => reason,
            None if complete => "that joined later",
            None => member.state.as_str(),
        };
        (why, member.id.as_str())
    });
    let Some(left_out) = listed(each) else {
        return Ok(None);
    };
    let mut said = format!("left out: {left_out}");
    if let Some(updated) = updated(ctx, &others)? {
        let (count, what) = (others.len(), ctx.update.what(Some(plan)));
        said.push_str(&format!("; of these {updated} of {count} run {what}"));
    }
    Ok(Some(said))
}

/// How many of these run what the update brings; `None`: that cannot be read.
fn updated(ctx: &Context<'_>, others: &[&ScalingInstance]) -> Known<Option<usize>> {
    if !ctx.update.is_seen_in_compute() || others.len() > READ_MAX {
        return Ok(None);
    }
    let mut ids: Vec<String> = others.iter().map(|other| other.id.clone()).collect();
    ids.sort();
    // It is not what was asked for, and fails nothing.
    let computes = if_read(ctx.update.compute(ctx.input.observation, &ids))?;
    let is_updated = |compute: &&Compute| ctx.update.difference(compute).is_none();
    Ok(computes.map(|computes| computes.iter().filter(is_updated).count()))
}

/// How many for each reason, and who; `None` for nobody.
fn listed<'a>(all: impl Iterator<Item = (&'a str, &'a str)>) -> Option<String> {
    let mut by_reason: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (reason, id) in all {
        by_reason.entry(reason).or_default().push(id);
    }
    let one = |(reason, ids): (&str, Vec<&str>)| {
        let named = conditions::named(&ids, NAMED_MAX);
        format!("{} {reason} ({named})", ids.len())
    };
    let each: Vec<String> = by_reason.into_iter().map(one).collect();
    (!each.is_empty()).then(|| each.join(", "))
}
