//! The outcome read back: what the instances run, what new ones would get, and whether that is what the
//! update wanted. Told of how things are now, whatever OOS says and whatever was captured at the start.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{
    InstanceState, Plan, ReadBack, RestoreKind, RestoreState, RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{LifecycleState, ScalingInstance};

use super::{left_out, leftovers, verify};
use crate::rollout::compute::{self, Compute, Power};
use crate::rollout::context::Context;
use crate::rollout::decision::Draft;
use crate::rollout::instance_display::{IN_SERVICE, UPDATED};
use crate::rollout::kind::ReadBack as OfKind;
use crate::rollout::result;
use crate::task::conditions;
use crate::task::display::Value;
use crate::task::observation::Known;
use crate::task::reason::Reason;

mod active;

/// The verdict of the condition `Verified`.
pub(in crate::rollout) struct Verification {
    pub(in crate::rollout) status: Value,
    pub(in crate::rollout) reason: Reason,
    pub(in crate::rollout) message: String,
    /// Whether it may be that the cloud does not show yet what was done.
    pub(in crate::rollout) may_lag: bool,
    /// No answer shows the scaling group.
    pub(in crate::rollout) group_gone: bool,
    /// What the instances were found to run, where that can be read.
    pub(in crate::rollout) read_back: Option<ReadBack>,
    /// The same in words, for the result.
    pub(in crate::rollout) found: String,
}

impl Verification {
    fn new(status: Value, reason: Reason, message: String) -> Self {
        Self {
            status,
            reason,
            message,
            may_lag: false,
            group_gone: false,
            read_back: None,
            found: String::new(),
        }
    }
}

/// The most instances whose difference is named.
const NAMED_MAX: usize = 5;

/// What was found of one instance that took part.
struct Found<'a> {
    id: String,
    /// As OOS reports it.
    state: InstanceState,
    /// None: no answer shows it in the group.
    member: Option<&'a ScalingInstance>,
    /// How what it runs differs from what the update brings. None: that was not, or cannot be, read.
    differs: Option<Option<String>>,
    /// Why what stands behind it cannot serve now, where that was read.
    idle: Option<String>,
}

impl Found<'_> {
    fn serves(&self) -> bool {
        let state = self.member.map(|member| &member.state);
        let in_service = matches!(
            state,
            Some(LifecycleState::InService | LifecycleState::Protected)
        );
        in_service && self.idle.is_none()
    }

    /// Whether the update was done to it: as it is found, or else as OOS reports it.
    fn is_updated(&self) -> bool {
        match &self.differs {
            Some(how) => how.is_none(),
            None => self.state == InstanceState::Succeeded,
        }
    }
}

/// Reads the outcome back: what each instance that took part runs and whether it serves, whether
/// processes and configuration are as they should be, and who was left out.
pub(in crate::rollout) fn outcome(ctx: &Context<'_>, status: &mut Draft) -> Known<Verification> {
    let observation = ctx.input.observation;
    let Some(plan) = status.plan.clone() else {
        return Ok(Verification::new(
            Value::Unknown,
            Reason::NothingRan,
            String::new(),
        ));
    };
    let Some(group) = ctx.scaling_group()? else {
        let message = format!(
            "no answer of the cloud shows scaling group {} in {}, neither asked for by its id nor among all",
            ctx.group, ctx.region
        );
        let mut verdict = Verification::new(Value::False, Reason::ScalingGroupNotFound, message);
        verdict.group_gone = true;
        return Ok(verdict);
    };
    let ids = leftovers::instances(ctx, status, &plan);
    let computes = if ids.is_empty() {
        Vec::new()
    } else {
        ctx.update.compute(observation, &ids)?
    };
    let members = verify::instances(ctx, status, &plan)?;
    let well = result::went_well(status);
    let back = {
        let touched = status.instances.iter().filter(|i| {
            i.state == InstanceState::Succeeded || (!well && i.state != InstanceState::Pending)
        });
        let touched: Vec<&str> = touched.map(|i| i.id.as_str()).collect();
        ctx.update.read_back(observation, &plan, &touched)?
    };
    let active = active::configuration(ctx, status, &plan, group)?;
    let others = left_out::now(ctx, status, &plan, &members)?;
    let found = found(ctx, status, &plan, (&members, &computes), &back);
    show(ctx, &plan, status, &found);
    let counts = counted(&found);
    let mut differ: Vec<String> = active.differs.iter().cloned().collect();
    differ.extend(differences(ctx, &found));
    differ.extend(of_group(status));
    let partly = counts.as_ref().filter(|c| !well || c.updated < c.total);
    let counted = partly.map(|counts| in_words(&ctx.update.what(Some(&plan)), counts, &found));
    let said: Vec<String> = [counted, active.note, others]
        .into_iter()
        .flatten()
        .collect();
    let mut verdict = match (well, &active.differs) {
        (true, Some(_)) => Verification::new(
            Value::False,
            Reason::ActiveConfigurationDiffers,
            differ.join("; "),
        ),
        (true, None) if !differ.is_empty() => {
            Verification::new(Value::False, Reason::Different, differ.join("; "))
        }
        (true, None) => {
            not_updated(&found).unwrap_or_else(|| as_wanted(back.unread.as_deref(), active.read))
        }
        (false, differs) => {
            let mut verdict = ended_early(counts.as_ref(), &differ, back.unread.as_deref());
            if differs.is_some() {
                verdict.reason = Reason::ActiveConfigurationDiffers;
            }
            verdict
        }
    };
    verdict.may_lag = !differ.is_empty() || found.iter().any(|found| is_hidden(ctx, found));
    verdict.found = said.join("; ");
    if !verdict.found.is_empty() {
        verdict.message = format!("{}; {}", verdict.message, verdict.found);
    }
    verdict.read_back = counts;
    Ok(verdict)
}

fn as_wanted(unread: Option<&str>, configuration: bool) -> Verification {
    let what = match configuration {
        true => "processes and scaling configuration",
        false => "processes",
    };
    match unread {
        None => Verification::new(
            Value::True,
            Reason::AsWanted,
            format!("instances, {what} were read back and are as wanted"),
        ),
        Some(unread) => Verification::new(
            Value::True,
            Reason::AsReported,
            format!(
                "OOS reports that the instances were updated; they serve, and {what} were read back and are as wanted; {unread}"
            ),
        ),
    }
}

/// Of an update that succeeded as OOS has it: whom it was not done to, because it failed and that was tolerated, or was
/// passed over or given up. Who has left the group meanwhile is not the group's any more.
fn not_updated(found: &[Found<'_>]) -> Option<Verification> {
    let members = || found.iter().filter(|found| found.member.is_some());
    let open: Vec<String> = members()
        .filter(|found| !found.is_updated())
        .map(|found| format!("{} ({:?})", found.id, found.state))
        .collect();
    let (total, not) = (members().count(), open.len());
    let reason = match not {
        0 => return None,
        not if not == total => Reason::NotUpdated,
        _ => Reason::PartlyUpdated,
    };
    let named = conditions::named(&open, NAMED_MAX);
    let message = format!("{not} of {total} instances were not updated: {named}");
    Some(Verification::new(Value::False, reason, message))
}

/// Of an update that failed or was cancelled.
fn ended_early(counts: Option<&ReadBack>, differ: &[String], unread: Option<&str>) -> Verification {
    let mut message = "the update did not succeed".to_owned();
    for more in differ.iter().map(String::as_str).chain(unread) {
        message.push_str("; ");
        message.push_str(more);
    }
    let known = counts.filter(|counts| counts.unknown < counts.total);
    let (status, reason) = match known {
        _ if !differ.is_empty() => (Value::False, Reason::Different),
        None => (Value::Unknown, Reason::NotSucceeded),
        Some(counts) if counts.updated == 0 => (Value::False, Reason::NotUpdated),
        Some(counts) if counts.updated < counts.total => (Value::False, Reason::PartlyUpdated),
        Some(_) => (Value::True, Reason::AsWanted),
    };
    Verification::new(status, reason, message)
}

/// What is found of each instance that took part, by its id.
fn found<'a>(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    plan: &Plan,
    (members, computes): (&'a [ScalingInstance], &[Compute]),
    back: &OfKind,
) -> Vec<Found<'a>> {
    let members: BTreeMap<&str, &ScalingInstance> = members
        .iter()
        .map(|member| (member.id.as_str(), member))
        .collect();
    let planned = plan
        .members
        .iter()
        .map(|m| (m.id.as_str(), InstanceState::Pending));
    let begun = status.instances.iter().map(|i| (i.id.as_str(), i.state));
    let states: BTreeMap<&str, InstanceState> = planned.chain(begun).collect();
    let stopped_before = |id: &str| plan.members.iter().any(|m| m.id == id && m.stopped);
    let idle = |id: &str| match &compute::of(computes, id)?.power {
        Power::Running => None,
        Power::Stopped if stopped_before(id) => None,
        Power::Stopped => Some("Stopped".to_owned()),
        Power::Changing => Some("not Running yet".to_owned()),
        Power::Broken(status) => Some(status.clone()),
    };
    let differs = |id: &str| {
        if ctx.update.is_seen_in_compute() {
            let compute = compute::of(computes, id)?;
            Some(ctx.update.difference(compute))
        } else {
            back.read.contains(id).then(|| back.differ.get(id).cloned())
        }
    };
    states
        .into_iter()
        .map(|(id, state)| Found {
            id: id.to_owned(),
            state,
            member: members.get(id).copied(),
            differs: differs(id),
            idle: idle(id),
        })
        .collect()
}

/// A member of which no answer shows what it runs.
fn is_hidden(ctx: &Context<'_>, found: &Found<'_>) -> bool {
    found.member.is_some() && found.differs.is_none() && ctx.update.is_seen_in_compute()
}

/// What is not as it should be of the instances that OOS reports as updated.
fn differences(ctx: &Context<'_>, found: &[Found<'_>]) -> Vec<String> {
    let mut differ = Vec::new();
    let updated = |found: &&Found<'_>| found.state == InstanceState::Succeeded;
    for instance in found.iter().filter(updated) {
        let id = &instance.id;
        match instance.member.map(|member| &member.state) {
            Some(LifecycleState::InService | LifecycleState::Protected) => {}
            Some(state) => differ.push(format!("{id} is {state}")),
            None => differ.push(format!("{id} has left the group")),
        }
        let weight = instance.member.and_then(|m| m.load_balancer_weight);
        if weight == Some(0) {
            differ.push(format!("{id} has load-balancer weight 0"));
        }
        if is_hidden(ctx, instance) {
            differ.push(format!("no answer shows the {} of {id}", ctx.update.noun()));
        }
        match (instance.differs.clone().flatten(), &instance.idle) {
            (Some(how), _) => differ.push(how),
            (None, Some(how)) => differ.push(format!("the {} of {id} is {how}", ctx.update.noun())),
            (None, None) => {}
        }
    }
    differ
}

/// What of the group itself is not put back.
fn of_group(status: &RollingUpdateTaskStatus) -> Vec<String> {
    let of_group = |kind| {
        matches!(
            kind,
            RestoreKind::Process
                | RestoreKind::ScalingConfigurationImage
                | RestoreKind::ScalingConfigurationContainers
        )
    };
    let items = status.restore.iter().flat_map(|restore| &restore.items);
    items
        .filter(|item| item.state != RestoreState::Restored && of_group(item.kind))
        .map(|item| format!("{:?} {} is not {}", item.kind, item.target, item.wanted))
        .collect()
}

/// `None`: what the update does to an instance cannot be read.
fn counted(found: &[Found<'_>]) -> Option<ReadBack> {
    let count = |of: &dyn Fn(&Found<'_>) -> bool| {
        let count = found.iter().filter(|found| of(found)).count();
        i32::try_from(count).unwrap_or(i32::MAX)
    };
    found.iter().find(|found| found.differs.is_some())?;
    let is_known = |found: &Found<'_>| found.member.is_some() && found.differs.is_some();
    let is_updated = |found: &Found<'_>| is_known(found) && found.differs == Some(None);
    Some(ReadBack {
        total: count(&|_| true),
        updated: count(&is_updated),
        serving: count(&|found| is_updated(found) && found.serves()),
        other: count(&|found| is_known(found) && !is_updated(found)),
        unknown: count(&|found| !is_known(found)),
    })
}

fn in_words(what: &str, counts: &ReadBack, found: &[Found<'_>]) -> String {
    let ReadBack {
        total,
        updated,
        serving,
        other,
        unknown,
    } = counts;
    let mut words = format!("{updated} of {total} instances run {what}");
    if *updated > 0 {
        words.push_str(&format!(", {serving} of them in service"));
    }
    let known = found.iter().filter(|found| found.member.is_some());
    let differing = known.filter_map(|found| found.differs.clone().flatten());
    let named: Vec<String> = differing.take(NAMED_MAX).collect();
    if !named.is_empty() {
        words.push_str(&format!(", {other} do not ({}", named.join(", ")));
        let more = usize::try_from(*other)
            .unwrap_or(0)
            .saturating_sub(named.len());
        if more > 0 {
            words.push_str(&format!(" and {more} more"));
        }
        words.push(')');
    }
    if *unknown > 0 {
        words.push_str(&format!(
            ", {unknown} have left the group or could not be read"
        ));
    }
    words
}

/// Says of each instance whether it serves, and, where what it runs was read and OOS says otherwise,
/// what it runs.
fn show(ctx: &Context<'_>, plan: &Plan, status: &mut Draft, found: &[Found<'_>]) {
    let instances = status.instances.iter();
    let states: BTreeMap<String, InstanceState> =
        instances.map(|i| (i.id.clone(), i.state)).collect();
    for found in found {
        let Some(state) = states.get(&found.id) else {
            continue;
        };
        show_service(ctx, status, found);
        let (value, reason, message) = match (&found.differs, state) {
            (Some(Some(how)), InstanceState::Succeeded) => {
                (Value::False, Reason::Different, how.clone())
            }
            (_, InstanceState::Succeeded | InstanceState::Pending) => continue,
            (Some(None), _) => {
                let what = ctx.update.what(Some(plan));
                let message = format!("OOS did not finish it, and it runs {what}");
                (Value::True, Reason::FoundUpdated, message)
            }
            (Some(Some(_)) | None, _) => continue,
        };
        status.set_of(&found.id, UPDATED, value, (reason, &message));
    }
}

fn show_service(ctx: &Context<'_>, status: &mut Draft, found: &Found<'_>) {
    let state = found.member.map(|member| &member.state);
    let (value, reason, message) = match (state, &found.idle) {
        (Some(LifecycleState::InService | LifecycleState::Protected), Some(how)) => (
            Value::False,
            Reason::NotInService,
            format!("its {} is {how}", ctx.update.noun()),
        ),
        (Some(LifecycleState::InService), None) => (Value::True, Reason::InService, String::new()),
        (Some(LifecycleState::Protected), None) => (Value::True, Reason::Protected, String::new()),
        (Some(LifecycleState::Standby), _) => (
            Value::False,
            Reason::Standby,
            "in Standby: it gets no traffic".to_owned(),
        ),
        (Some(state), _) => (
            Value::False,
            Reason::NotInService,
            format!("its lifecycle state is {state}"),
        ),
        (None, _) => (
            Value::False,
            Reason::LeftGroup,
            "it is no longer in the scaling group".to_owned(),
        ),
    };
    status.set_of(&found.id, IN_SERVICE, value, (reason, &message));
}
