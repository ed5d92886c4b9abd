//! Putting the group back: one call at a time, each on record before it is sent, each after a fresh
//! read that shows it is still needed, and none of them for ever.

use ess_rollout_api::v1alpha1::{Plan, Restore, RestoreItem, RestoreKind, RestoreState};
use ess_rollout_cloud::{CloudError, Mutation, Outcome as Effect};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::need::{Need, Thing};
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
    let Some(message) = doing(&restore.items) else {
        return last_call(ctx, status);
    };
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
        for item in of_call(&mut restore.items, &mutation) {
            item.attempts += 1;
            item.last_attempt_time = Some(now.clone());
        }
        restore.last_call_time = Some(now);
        let mut decision = ctx.decide(status.clone(), Next::Now);
        decision.work = Some(Work { mutation });
        return Some(decision);
    }
    let mut wait = until_next(ctx, &restore.items, needs).unsigned_abs();
    if let Some(Err(error)) = answer {
        wait = wait.max(error.retry_after.unwrap_or_default());
    }
    Some(ctx.decide(status.clone(), Next::After(wait)))
}

/// How long until a call is due, or something may show.
fn until_next(ctx: &Context<'_>, items: &[RestoreItem], needs: &[Need]) -> SignedDuration {
    let due = needs.iter().filter_map(|need| {
        let item = find(items, &need.item).filter(|item| is_pending(item))?;
        let next = match &item.missing_since {
            Some(since) => Some(ctx.waits().settled_at(since).min(ctx.now() + LOOK_AGAIN)),
            None => due(item).filter(|_| need.call.is_some()),
        };
        Some(next.unwrap_or(ctx.now() + LOOK))
    });
    let wait = due.min().map_or(LOOK, |due| due.duration_since(ctx.now()));
    // What was accepted shows in the reads after a while, and something that is waited for shows
    // when it likes.
    let watched =
        |item: &RestoreItem| is_pending(item) && item.message.is_empty() && item.attempts > 0;
    let wait = match items.iter().any(watched) {
        true => wait.min(LOOK),
        false => wait,
    };
    wait.max(SOON)
}

fn is_pending(item: &RestoreItem) -> bool {
    item.state == RestoreState::Pending
}

/// What is being done about what is pending; `None`: nothing is.
fn doing(items: &[RestoreItem]) -> Option<String> {
    let pending = || items.iter().filter(|item| is_pending(item));
    let missing = pending().filter(|item| item.missing_since.is_some());
    let missing: Vec<&str> = missing.map(|item| item.target.as_str()).collect();
    let mut shown: Vec<&str> = pending().map(|item| item.target.as_str()).collect();
    shown.retain(|target| !missing.contains(target));
    let doing = [("putting back", shown), ("looking again for", missing)].into_iter();
    let doing = doing.filter(|(_, targets)| !targets.is_empty());
    let doing: Vec<String> = doing
        .map(|(what, targets)| format!("{what}: {}", targets.join(", ")))
        .collect();
    (!doing.is_empty()).then(|| shorten(&doing.join("; "), MESSAGE_MAX))
}

/// The item about the same thing.
fn find<'a>(items: &'a [RestoreItem], other: &RestoreItem) -> Option<&'a RestoreItem> {
    items.iter().find(|item| item.thing() == other.thing())
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
        if find(&items, before).is_none() && !follows(before) {
            items.push(RestoreItem {
                state: RestoreState::Restored,
                message: String::new(),
                ..before.clone()
            });
        }
    }
    // What hangs on another thing is left with it.
    let mut left = items.clone();
    left.retain(|item| item.state == RestoreState::Left);
    for first in left {
        let mut add = |kind, message: &str| {
            items.retain(|item| item.thing() != (kind, &first.target));
            items.push(RestoreItem {
                kept: first.kept,
                ..Need::pending(kind, &first.target).left(message).item
            });
        };
        let member = plan.and_then(|p| p.members.iter().find(|m| m.id == first.target));
        let protected = member.is_some_and(|member| member.protected);
        let stopped = first.kind == RestoreKind::StoppedInstance;
        if stopped {
            let message = format!("its {} does not run", ctx.update.noun());
            add(RestoreKind::Standby, &message);
        }
        if protected && (stopped || first.kind == RestoreKind::Standby) {
            add(RestoreKind::Protection, BEFORE_PROTECTION);
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

/// What is wanted has changed since the last call about it, and is what is found: as it would be if that call does not show yet.
fn may_not_show(ctx: &Context<'_>, before: &RestoreItem, item: &RestoreItem) -> bool {
    let other = before.wanted != item.wanted && item.state == RestoreState::Restored;
    let called = before.last_attempt_time.as_ref();
    let called = called.filter(|_| before.attempts > 0);
    other && called.is_some_and(|since| !ctx.waits().settled_since(since))
}

fn item(ctx: &Context<'_>, old: &[RestoreItem], need: &Need) -> RestoreItem {
    let mut item = need.item.clone();
    let before = find(old, &item);
    if let Some(before) = before {
        item.attempts = before.attempts;
        item.last_attempt_time.clone_from(&before.last_attempt_time);
        // Why it was not shown before is over.
        let same = need.gone.is_none() && before.missing_since.is_none();
        if is_pending(&item) && item.message.is_empty() && same {
            item.message.clone_from(&before.message);
        }
    }
    if let Some((state, message)) = &need.gone {
        let since = before.and_then(|before| before.missing_since.clone());
        let since = since.unwrap_or(Time(ctx.now()));
        if ctx.waits().settled_since(&since) {
            item.state = *state;
            item.message = shorten(message, MESSAGE_MAX);
        } else {
            item.message = IN_NO_ANSWER.to_owned();
        }
        item.missing_since = Some(since);
        return item;
    }
    if let Some(before) = before.filter(|before| may_not_show(ctx, before, &item)) {
        return RestoreItem {
            state: RestoreState::Pending,
            message: "waiting until what was last asked for has shown".to_owned(),
            ..before.clone()
        };
    }
    if !is_pending(&item) {
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
        let (noun, tries) = (ctx.update.noun(), item.attempts);
        let why = match (&need.call, last) {
            (Some(_), "") => {
                format!("{GIVEN_UP} {tries} tries: accepted each time, and it does not show")
            }
            // What an earlier look made of it.
            (Some(_), said) if said.starts_with(GIVEN_UP) => said.to_owned(),
            (Some(_), said) => format!("{GIVEN_UP} {tries} tries: {said}"),
            (None, _) => format!("waited ten minutes for its {noun} to be Running"),
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
    let item_of = |need: &Need| find(&restore.items, &need.item);
    let tries = |need: &Need| item_of(need).map_or(0, |item| item.attempts);
    let is_due = |need: &&Need| {
        let item = item_of(need).filter(|item| need.call.is_some() && is_pending(item));
        item.is_some_and(|item| item.attempts == 0 || due(item).is_none_or(|due| ctx.now() >= due))
    };
    let due = needs.iter().filter(is_due);
    let first = due.min_by_key(|need| rank(need.item.kind))?;
    let call = first.call.clone()?;
    if tries(first) > 0 {
        return Some(call);
    }
    // At the first try many instances go in one call; one that is refused is tried by itself then.
    let together = || -> Vec<String> {
        let same = |need: &&Need| need.item.kind == first.item.kind && tries(need) == 0;
        let same = needs.iter().filter(same).filter(is_due).take(TOGETHER);
        same.map(|need| need.item.target.clone()).collect()
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
    fn each(ids: &[String]) -> Vec<&str> {
        ids.iter().map(String::as_str).collect()
    }
    let (kind, targets) = match mutation {
        Mutation::ResumeProcesses { processes, .. } => {
            let processes = processes.iter().map(|process| process.as_str());
            (RestoreKind::Process, processes.collect())
        }
        Mutation::ExitStandby { instances, .. } => (RestoreKind::Standby, each(instances)),
        Mutation::SetInstancesProtection { instances, .. } => {
            (RestoreKind::Protection, each(instances))
        }
        Mutation::ModifyScalingConfiguration {
            configuration: id, ..
        } => (RestoreKind::ScalingConfigurationImage, vec![id.as_str()]),
        Mutation::ModifyEciScalingConfiguration {
            configuration: id, ..
        } => (
            RestoreKind::ScalingConfigurationContainers,
            vec![id.as_str()],
        ),
        Mutation::StartInstance { instance: id } => {
            (RestoreKind::StoppedInstance, vec![id.as_str()])
        }
        Mutation::StartExecution(_)
        | Mutation::NotifyExecution { .. }
        | Mutation::CancelExecution { .. }
        | Mutation::SuspendProcesses { .. } => return Vec::new(),
    };
    targets.into_iter().map(|target| (kind, target)).collect()
}

/// The items about what a call puts back.
fn of_call<'a>(
    items: &'a mut [RestoreItem],
    call: &Mutation,
) -> impl Iterator<Item = &'a mut RestoreItem> {
    let targets = targets(call);
    items
        .iter_mut()
        .filter(move |item| targets.contains(&item.thing()))
}

/// Records what became of the last call; gives it.
fn note_answer<'a>(ctx: &Context<'a>, restore: &mut Restore) -> Option<Result<(), &'a CloudError>> {
    let sent = ctx.input.outcome;
    let Some(sent) = sent.filter(|sent| !targets(&sent.mutation).is_empty()) else {
        // On record and never answered: the operator died over it.
        restore.answer_lost |= restore.last_call_time.is_some();
        return None;
    };
    let message = match &sent.result {
        Ok(_) => String::new(),
        // Without the request id, which changes at each try and is in the conditions.
        Err(error) => shorten(&format!("{}: {}", error.call, error.code), MESSAGE_MAX),
    };
    for item in of_call(&mut restore.items, &sent.mutation) {
        item.message.clone_from(&message);
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
    if ctx.waits().settled_since(&last) {
        restore.last_call_time = None;
        restore.answer_lost = false;
        return None;
    }
    let wait = ctx.waits().settled_at(&last).duration_since(ctx.now());
    let message = "waiting until no call whose answer was lost can take effect any more";
    status.show(Phase::Restoring, Reason::Restoring, message);
    Some(ctx.decide(status.clone(), Next::After(wait.unsigned_abs())))
}
