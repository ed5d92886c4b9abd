//! Putting the group back: one call at a time, each on record before it is sent, each after a fresh
//! read that shows it is still needed, and none of them for ever.

use ess_rollout_api::v1alpha1::{Plan, Restore, RestoreItem, RestoreKind, RestoreState};
use ess_rollout_cloud::{CloudError, Mutation, Outcome as Effect};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::need::Need;
use crate::rollout::context::Context;
use crate::rollout::decision::{Draft, Drafted, Next, Work};
use crate::rollout::report::{self, Phase};
use crate::task::conditions::shorten;
use crate::task::reason::Reason;

/// How soon to look whether a call that puts something back has shown.
pub(in crate::rollout) const SOON: SignedDuration = SignedDuration::from_secs(2);
/// How soon a call is repeated that was refused or has not shown; twice that the time after, and so
/// on.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);
/// The longest time between two tries.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);
/// How many tries before a thing is left to a person: with the waits between them, 40 minutes.
const TRIES_MAX: i32 = 10;
/// How long something that comes about by itself is waited for: an ECS instance on its way up.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// How often that is looked at.
const LOOK: SignedDuration = SignedDuration::from_secs(5);
/// How often something is looked for that no answer shows: that takes whole lists.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(20);
/// Instances in one call of those that take many.
const TOGETHER: usize = 20;
/// Bounds of the API, in characters.
const MESSAGE_MAX: usize = 512;
/// The most items that the status holds.
const ITEMS_MAX: usize = 3000;

/// Brings the ledger up to what was read and sends the next call. `None`: nothing is to be put back
/// any more, and no call can take effect any more.
pub(in crate::rollout) fn step(
    ctx: &Context<'_>,
    status: &mut Draft,
    needs: &[Need],
) -> Option<Drafted> {
    let plan = status.plan.clone();
    let restore = status.restore.get_or_insert_default();
    let answer = note_answer(ctx, restore);
    restore.items = items(ctx, &restore.items, needs, plan.as_ref());
    let pending: Vec<&str> = restore
        .items
        .iter()
        .filter(|item| item.state == RestoreState::Pending)
        .map(|item| item.target.as_str())
        .collect();
    if pending.is_empty() {
        return last_call(ctx, status);
    }
    let message = shorten(&doing(&restore.items, &pending), MESSAGE_MAX);
    match answer {
        Some(Err(error)) => report::failed(ctx, status, error),
        Some(Ok(())) => status.show(Phase::Restoring, Reason::Restoring, &message),
        None => {
            status.show_unless_refused(Phase::Restoring, Reason::Restoring, &message);
        }
    }
    let restore = status.restore.get_or_insert_default();
    if let Some(mutation) = next_call(ctx, restore, needs) {
        let now = Time(ctx.now());
        for (kind, target) in targets(&mutation) {
            if let Some(item) = find(&mut restore.items, kind, target) {
                item.attempts += 1;
                item.last_attempt_time = Some(now.clone());
            }
        }
        restore.last_call_time = Some(now);
        let mut decision = ctx.decide(status.clone(), Next::Now);
        decision.work = Some(Work { mutation });
        return Some(decision);
    }
    let due = needs.iter().filter_map(|need| {
        let item = find(&mut restore.items, need.item.kind, &need.item.target)?;
        let next = match &item.missing_since {
            Some(since) => Some(ctx.waits().settled_at(since).min(ctx.now() + LOOK_AGAIN)),
            None => due(item).filter(|_| need.call.is_some()),
        };
        (item.state == RestoreState::Pending).then(|| next.unwrap_or(ctx.now() + LOOK))
    });
    let wait = due.min().map_or(LOOK, |due| due.duration_since(ctx.now()));
    // What was accepted shows in the reads after a while, and something that is waited for shows
    // when it likes.
    let watched = |item: &RestoreItem| {
        item.state == RestoreState::Pending && item.message.is_empty() && item.attempts > 0
    };
    let wait = match restore.items.iter().any(watched) {
        true => wait.min(LOOK),
        false => wait,
    };
    let mut wait = wait.max(SOON).unsigned_abs();
    if let Some(Err(error)) = answer {
        wait = wait.max(error.retry_after.unwrap_or_default());
    }
    Some(ctx.decide(status.clone(), Next::After(wait)))
}

/// What is being done about what is pending.
fn doing(items: &[RestoreItem], pending: &[&str]) -> String {
    let missing =
        |item: &&RestoreItem| item.state == RestoreState::Pending && item.missing_since.is_some();
    let missing: Vec<&str> = items
        .iter()
        .filter(missing)
        .map(|item| item.target.as_str())
        .collect();
    let mut all = pending.to_vec();
    all.retain(|target| !missing.contains(target));
    match (all.is_empty(), missing.is_empty()) {
        (_, true) => format!("putting back: {}", all.join(", ")),
        (true, false) => format!("looking again for: {}", missing.join(", ")),
        (false, false) => format!(
            "putting back: {}; looking again for: {}",
            all.join(", "),
            missing.join(", ")
        ),
    }
}

/// The item about a thing.
fn find<'a>(
    items: &'a mut [RestoreItem],
    kind: RestoreKind,
    target: &str,
) -> Option<&'a mut RestoreItem> {
    items
        .iter_mut()
        .find(|item| item.kind == kind && item.target == target)
}

/// Everything that was or is to be put back. What is needed no more has been.
pub(in crate::rollout) fn items(
    ctx: &Context<'_>,
    old: &[RestoreItem],
    needs: &[Need],
    plan: Option<&Plan>,
) -> Vec<RestoreItem> {
    let mut items: Vec<RestoreItem> = needs.iter().map(|need| item(ctx, old, need)).collect();
    for before in old {
        if find(&mut items, before.kind, &before.target).is_none() && !follows(before) {
            items.push(RestoreItem {
                state: RestoreState::Restored,
                message: String::new(),
                ..before.clone()
            });
        }
    }
    // What hangs on another thing is left with it.
    let left: Vec<RestoreItem> = items
        .iter()
        .filter(|item| item.state == RestoreState::Left)
        .cloned()
        .collect();
    for first in left {
        let mut add = |kind, wanted: &str, message: &str| {
            items.retain(|item| (item.kind, &item.target) != (kind, &first.target));
            items.push(RestoreItem {
                kind,
                wanted: wanted.to_owned(),
                message: message.to_owned(),
                found: None,
                attempts: 0,
                last_attempt_time: None,
                missing_since: None,
                ..first.clone()
            });
        };
        let member = plan.and_then(|p| p.members.iter().find(|m| m.id == first.target));
        let protected = member.is_some_and(|member| member.protected);
        let stopped = first.kind == RestoreKind::StoppedInstance;
        if stopped {
            let message = format!("its {} does not run", ctx.update.noun());
            add(RestoreKind::Standby, "InService", &message);
        }
        if protected && (stopped || first.kind == RestoreKind::Standby) {
            add(RestoreKind::Protection, "Protected", BEFORE_PROTECTION);
        }
    }
    items.truncate(ITEMS_MAX);
    items
}

/// Why protection from scale-in is left.
const BEFORE_PROTECTION: &str =
    "the instance was Protected and stays in Standby: protect it once it serves again";

/// Whether an item was listed only because of another one.
fn follows(item: &RestoreItem) -> bool {
    item.state == RestoreState::Left && item.attempts == 0 && item.message == BEFORE_PROTECTION
}

fn item(ctx: &Context<'_>, old: &[RestoreItem], need: &Need) -> RestoreItem {
    let mut item = need.item.clone();
    let before = old
        .iter()
        .find(|o| o.kind == item.kind && o.target == item.target);
    if let Some(before) = before {
        item.attempts = before.attempts;
        item.last_attempt_time.clone_from(&before.last_attempt_time);
        // Why it was not shown before is over.
        let same = need.gone.is_none() && before.missing_since.is_none();
        if item.state == RestoreState::Pending && item.message.is_empty() && same {
            item.message.clone_from(&before.message);
        }
    }
    if let Some(gone) = &need.gone {
        let since = before.and_then(|before| before.missing_since.clone());
        let since = since.unwrap_or(Time(ctx.now()));
        if ctx.settled_since(&since) {
            item.state = gone.state;
            item.message = shorten(&gone.message, MESSAGE_MAX);
        } else {
            item.message = IN_NO_ANSWER.to_owned();
        }
        item.missing_since = Some(since);
        return item;
    }
    if item.state != RestoreState::Pending {
        return item;
    }
    let since = match &need.call {
        Some(_) if item.attempts < TRIES_MAX => return item,
        Some(_) => due(&item),
        None => {
            let since = item.last_attempt_time.get_or_insert(Time(ctx.now()));
            Some(since.0 + PATIENCE)
        }
    };
    if since.is_none_or(|since| ctx.now() >= since) {
        let last = before.map_or("", |before| before.message.as_str());
        let why = match (&need.call, last) {
            (Some(_), "") => format!(
                "{GIVEN_UP} {} tries: accepted each time, and it does not show",
                item.attempts
            ),
            // What an earlier look made of it.
            (Some(_), said) if said.starts_with(GIVEN_UP) => said.to_owned(),
            (Some(_), said) => format!("{GIVEN_UP} {} tries: {said}", item.attempts),
            (None, _) => format!(
                "waited ten minutes for its {} to be Running",
                ctx.update.noun()
            ),
        };
        item.state = RestoreState::Left;
        item.message = shorten(&why, MESSAGE_MAX);
    }
    item
}

const GIVEN_UP: &str = "given up after";
/// Why something is not put back yet of which no answer shows what it is about.
const IN_NO_ANSWER: &str = "no answer of the cloud shows it, and it is looked for again";

/// When the next try is due. `None`: there was none yet.
fn due(item: &RestoreItem) -> Option<Timestamp> {
    let last = item.last_attempt_time.as_ref()?.0;
    let doubled = u32::try_from(item.attempts - 1).unwrap_or(0).min(10);
    let wait = FIRST_WAIT.checked_mul(1 << doubled).unwrap_or(LONGEST_WAIT);
    Some(last + wait.min(LONGEST_WAIT))
}

/// The first of the calls that are due. One that is refused does not hold up the others. The
/// scaling configuration comes first, and processes last: an instance that is added must have the
/// right image, and one that is put back must not be removed meanwhile.
fn next_call(ctx: &Context<'_>, restore: &Restore, needs: &[Need]) -> Option<Mutation> {
    let rank = |kind| match kind {
        RestoreKind::ScalingConfigurationImage | RestoreKind::ScalingConfigurationContainers => 0,
        RestoreKind::StoppedInstance => 1,
        RestoreKind::Standby => 2,
        RestoreKind::Protection => 3,
        RestoreKind::Process => 4,
    };
    let item_of = |need: &Need| {
        let of =
            |item: &&RestoreItem| item.kind == need.item.kind && item.target == need.item.target;
        restore.items.iter().find(of)
    };
    let tries = |need: &Need| item_of(need).map_or(0, |item| item.attempts);
    let is_due = |need: &&Need| {
        need.call.is_some()
            && item_of(need).is_some_and(|item| {
                item.state == RestoreState::Pending
                    && (item.attempts == 0 || due(item).is_none_or(|due| ctx.now() >= due))
            })
    };
    let first = needs
        .iter()
        .filter(is_due)
        .min_by_key(|need| rank(need.item.kind))?;
    let call = first.call.clone()?;
    if tries(first) > 0 {
        return Some(call);
    }
    // At the first try many instances go in one call; one that is refused is tried by itself then.
    let together = || -> Vec<String> {
        let same = needs
            .iter()
            .filter(|need| need.item.kind == first.item.kind && tries(need) == 0)
            .filter(is_due);
        same.take(TOGETHER)
            .map(|need| need.item.target.clone())
            .collect()
    };
    Some(match call {
        Mutation::ExitStandby { group, .. } => Mutation::ExitStandby {
            group,
            instances: together(),
        },
        Mutation::SetInstancesProtection {
            group, protected, ..
        } => Mutation::SetInstancesProtection {
            group,
            instances: together(),
            protected,
        },
        call => call,
    })
}

/// What a call puts back.
fn targets(mutation: &Mutation) -> Vec<(RestoreKind, &str)> {
    fn each(kind: RestoreKind, ids: &[String]) -> Vec<(RestoreKind, &str)> {
        ids.iter().map(|id| (kind, id.as_str())).collect()
    }
    match mutation {
        Mutation::ResumeProcesses { processes, .. } => processes
            .iter()
            .map(|process| (RestoreKind::Process, process.as_str()))
            .collect(),
        Mutation::ExitStandby { instances, .. } => each(RestoreKind::Standby, instances),
        Mutation::SetInstancesProtection { instances, .. } => {
            each(RestoreKind::Protection, instances)
        }
        Mutation::ModifyScalingConfiguration { configuration, .. } => {
            vec![(RestoreKind::ScalingConfigurationImage, configuration)]
        }
        Mutation::ModifyEciScalingConfiguration { configuration, .. } => {
            vec![(RestoreKind::ScalingConfigurationContainers, configuration)]
        }
        Mutation::StartInstance { instance } => vec![(RestoreKind::StoppedInstance, instance)],
        Mutation::StartExecution(_)
        | Mutation::NotifyExecution { .. }
        | Mutation::CancelExecution { .. }
        | Mutation::SuspendProcesses { .. } => Vec::new(),
    }
}

/// Records what became of the last call; gives it.
fn note_answer<'a>(ctx: &Context<'a>, restore: &mut Restore) -> Option<Result<(), &'a CloudError>> {
    let sent = ctx
        .input
        .outcome
        .filter(|outcome| !targets(&outcome.mutation).is_empty());
    let Some(sent) = sent else {
        // On record and never answered: the operator died over it.
        restore.answer_lost |= restore.last_call_time.is_some();
        return None;
    };
    let message = match &sent.result {
        Ok(_) => String::new(),
        // Without the request id, which changes at each try and is in the conditions.
        Err(error) => shorten(&format!("{}: {}", error.call, error.code), MESSAGE_MAX),
    };
    for (kind, target) in targets(&sent.mutation) {
        if let Some(item) = find(&mut restore.items, kind, target) {
            item.message.clone_from(&message);
        }
    }
    if matches!(&sent.result, Err(error) if error.outcome == Effect::Unknown) {
        restore.answer_lost = true;
    } else if !restore.answer_lost {
        restore.last_call_time = None;
    }
    Some(sent.result.as_ref().map(|_| ()))
}

/// A call whose answer was lost may take effect late. It must not meet the next run, which would
/// find its processes resumed.
fn last_call(ctx: &Context<'_>, status: &mut Draft) -> Option<Drafted> {
    let restore = status.restore.get_or_insert_default();
    let last = restore.last_call_time.clone()?;
    if ctx.settled_since(&last) {
        restore.last_call_time = None;
        restore.answer_lost = false;
        return None;
    }
    let wait =
        (last.0 + ctx.call_lifetime() + SignedDuration::from_secs(1)).duration_since(ctx.now());
    let message = "waiting until no call whose answer was lost can take effect any more";
    status.show(Phase::Restoring, Reason::Restoring, message);
    Some(ctx.decide(status.clone(), Next::After(wait.unsigned_abs())))
}
