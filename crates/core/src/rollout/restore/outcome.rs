//! The outcome read back: what the instances run, what new ones would get, and whether that is what the
//! update wanted. Told of how things are now, whatever OOS says and whatever was captured at the start.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_api::v1alpha1::{
    InstanceState, Plan, ReadBack, RestoreState, RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{LifecycleState, ScalingInstance};

use super::{left_out, leftovers, need, verify};
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
    fn new(status: Value, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
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
    /// Its lifecycle state, as far as an answer shows it in the group.
    fn lifecycle_state(&self) -> Option<&LifecycleState> {
        self.member.map(|member| &member.state)
    }

    fn serves(&self) -> bool {
        let serving = [LifecycleState::InService, LifecycleState::Protected];
        let state = self.lifecycle_state();
        state.is_some_and(|state| serving.contains(state)) && self.idle.is_none()
    }

    /// Where it is, if that is not in service.
    fn elsewhere(&self) -> Option<String> {
        match self.lifecycle_state() {
            Some(LifecycleState::InService | LifecycleState::Protected) => None,
            Some(state) => Some(format!("{} is {state}", self.id)),
            None => Some(format!("{} has left the group", self.id)),
        }
    }

    /// What keeps what stands behind it from serving, if anything does.
    fn idle_as(&self, ctx: &Context<'_>) -> Option<String> {
        let how = self.idle.as_ref()?;
        Some(format!("the {} of {} is {how}", ctx.update.noun(), self.id))
    }

    /// How it was found to differ, if it was.
    fn difference(&self) -> Option<&String> {
        self.differs.as_ref()?.as_ref()
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
    let Some(plan) = status.plan.clone() else {
        return Ok(Verification::new(Value::Unknown, Reason::NothingRan, ""));
    };
    let Some(group) = ctx.scaling_group()? else {
        let message = format!(
            "no answer of the cloud shows scaling group {} in {}, neither asked for by its id nor among all",
            ctx.group, ctx.region
        );
        return Ok(Verification {
            group_gone: true,
            ..Verification::new(Value::False, Reason::ScalingGroupNotFound, message)
        });
    };
    let ids = leftovers::instances(ctx, status, &plan);
    let computes = leftovers::computes(ctx, &ids)?;
    let members = verify::instances(ctx, status, &plan)?;
    let well = result::went_well(status);
    let touched = status.instances.iter().filter(|i| {
        i.state == InstanceState::Succeeded || (!well && i.state != InstanceState::Pending)
    });
    let touched: Vec<&str> = touched.map(|i| i.id.as_str()).collect();
    let update = &ctx.update;
    let back = update.read_back(ctx.input.observation, &plan, &touched)?;
    let active = active::configuration(ctx, status, &plan, group)?;
    let others = left_out::now(ctx, status, &plan, &members)?;
    let found = found(ctx, status, &plan, (&members, &computes), &back);
    show(ctx, &plan, status, &found);
    let counts = counted(&found);
    let reason = match active.differs {
        Some(_) => Reason::ActiveConfigurationDiffers,
        None => Reason::Different,
    };
    let mut differ: Vec<String> = active.differs.into_iter().collect();
    differ.extend(differences(ctx, &found));
    differ.extend(of_group(status));
    let partly = counts.as_ref().filter(|c| !well || c.updated < c.total);
    let counted = partly.map(|counts| in_words(&update.what(Some(&plan)), counts, &found));
    let said = [counted, active.note, others].into_iter().flatten();
    let unread = back.unread.as_deref();
    // Of an update that ended early, and not of all: that says enough.
    if well || counts.as_ref().is_some_and(|c| c.updated == c.total) {
        differ.extend(not_serving(ctx, &found));
    }
    let may_lag = !differ.is_empty() || found.iter().any(|found| is_hidden(ctx, found));
    let mut verdict = if !well {
        ended_early(counts.as_ref(), reason, &differ, unread)
    } else if !differ.is_empty() {
        Verification::new(Value::False, reason, differ.join("; "))
    } else {
        not_updated(&found).unwrap_or_else(|| as_wanted(unread, active.read))
    };
    verdict.may_lag = may_lag;
    verdict.found = said.collect::<Vec<String>>().join("; ");
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
    let read = format!("{what} were read back and are as wanted");
    let (reason, message) = match unread {
        None => (Reason::AsWanted, format!("instances, {read}")),
        Some(unread) => {
            let reported = "OOS reports that the instances were updated; they serve, and";
            (Reason::AsReported, format!("{reported} {read}; {unread}"))
        }
    };
    Verification::new(Value::True, reason, message)
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

/// Of an update that failed or was cancelled. `differs`: the reason where something does.
fn ended_early(
    counts: Option<&ReadBack>,
    differs: Reason,
    differ: &[String],
    unread: Option<&str>,
) -> Verification {
    let said = ["the update did not succeed"].into_iter();
    let said = said.chain(differ.iter().map(String::as_str)).chain(unread);
    let message = said.collect::<Vec<&str>>().join("; ");
    let known = counts.filter(|counts| counts.unknown < counts.total);
    let (status, reason) = match known {
        _ if !differ.is_empty() => (Value::False, differs),
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
    let planned = plan.members.iter();
    let planned = planned.map(|m| (m.id.as_str(), InstanceState::Pending));
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
    let differs = |id: &str| match ctx.update.is_seen_in_compute() {
        true => Some(ctx.update.difference(compute::of(computes, id)?)),
        false => back.read.contains(id).then(|| back.differ.get(id).cloned()),
    };
    let found = states.into_iter().map(|(id, state)| Found {
        id: id.to_owned(),
        state,
        member: members.iter().find(|member| member.id == id),
        differs: differs(id),
        idle: idle(id),
    });
    found.collect()
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
        differ.extend(instance.elsewhere());
        let weight = instance.member.and_then(|m| m.load_balancer_weight);
        if weight == Some(0) {
            differ.push(format!("{id} has load-balancer weight 0"));
        }
        if is_hidden(ctx, instance) {
            differ.push(format!("no answer shows the {} of {id}", ctx.update.noun()));
        }
        let difference = instance.difference().cloned();
        differ.extend(difference.or_else(|| instance.idle_as(ctx)));
    }
    differ
}

/// Who runs the new, though OOS did not finish it or was told to pass over it, and stands where it was left.
fn not_serving(ctx: &Context<'_>, found: &[Found<'_>]) -> Vec<String> {
    let unfinished = found.iter().filter(|found| {
        found.member.is_some() && found.state != InstanceState::Succeeded && found.is_updated()
    });
    let said = unfinished.filter_map(|found| found.elsewhere().or_else(|| found.idle_as(ctx)));
    said.collect()
}

/// What of the group itself is not put back.
fn of_group(status: &RollingUpdateTaskStatus) -> Vec<String> {
    let items = need::items(status)
        .filter(|item| item.state != RestoreState::Restored && !need::is_of_instance(item.kind));
    let said = items.map(|item| format!("{:?} {} is not {}", item.kind, item.target, item.wanted));
    said.collect()
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
    let (updated, unknown) = (counts.updated, counts.unknown);
    let mut words = format!("{updated} of {} instances run {what}", counts.total);
    if updated > 0 {
        words.push_str(&format!(", {} of them in service", counts.serving));
    }
    let known = found.iter().filter(|found| found.member.is_some());
    let others: Vec<&String> = known.filter_map(Found::difference).collect();
    if !others.is_empty() {
        let named = conditions::named(&others, NAMED_MAX);
        words.push_str(&format!(", {} do not ({named})", others.len()));
    }
    if unknown > 0 {
        let unknown = format!(", {unknown} have left the group or could not be read");
        words.push_str(&unknown);
    }
    words
}

/// Says of each instance whether it serves, and, where what it runs was read and OOS says otherwise,
/// what it runs.
fn show(ctx: &Context<'_>, plan: &Plan, status: &mut Draft, found: &[Found<'_>]) {
    let instances = status.instances.iter();
    let listed: BTreeSet<String> = instances.map(|i| i.id.clone()).collect();
    for found in found.iter().filter(|found| listed.contains(&found.id)) {
        show_service(ctx, status, found);
        let (value, reason, message) = match (&found.differs, found.state) {
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
    let (reason, message) = match (found.lifecycle_state(), &found.idle) {
        (Some(LifecycleState::InService | LifecycleState::Protected), Some(how)) => (
            Reason::NotInService,
            format!("its {} is {how}", ctx.update.noun()),
        ),
        (Some(LifecycleState::InService), None) => (Reason::InService, String::new()),
        (Some(LifecycleState::Protected), None) => (Reason::Protected, String::new()),
        (Some(LifecycleState::Standby), _) => {
            (Reason::Standby, "in Standby: it gets no traffic".to_owned())
        }
        (Some(state), _) => (
            Reason::NotInService,
            format!("its lifecycle state is {state}"),
        ),
        (None, _) => (
            Reason::LeftGroup,
            "it is no longer in the scaling group".to_owned(),
        ),
    };
    let value = match found.serves() {
        true => Value::True,
        false => Value::False,
    };
    status.set_of(&found.id, IN_SERVICE, value, (reason, &message));
}
