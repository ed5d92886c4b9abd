//! The checks of `spec.gates`: made while a batch is under way, while it soaks, and then until they have passed as often as they
//! have to. Doubt is no guilt: what is not known makes the update wait, and nothing else.
//!
//! A check asks the cloud once for each interval, by intervals that begin for everybody at the same time, so that all who ask
//! the same share one answer. What is on record is what a later look decides by: how often all passed, and a verdict that a person
//! has to do something about. What the checks last said is for people.

use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    AlarmGate, BatchState, CheckStatus, GateFailurePolicy, GateStatus, GateVerdict, Gates,
    InconclusivePolicy, InsufficientData, Pause, PauseKind, RollingUpdateTaskStatus, Verdict,
};
use ess_rollout_cloud::{Alarm, AlarmState, Answer, CloudError, Query};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{approval, summary};
use crate::rollout::context::Context;
use crate::rollout::decision::Event;
use crate::task::conditions::{named, shorten};
use crate::task::observation::{Known, Missing};
use crate::task::reason::Reason;

/// The most bytes of what a check says (CRD: `status.gate.checks.message`).
const MESSAGE_MAX: usize = 256;
/// How many alarms are named.
const NAMED: usize = 3;

const BY_ID: &str = "alarms.ruleIds";
const OF_GROUP: &str = "alarms.fromScalingGroup";

/// Why the checks hold the next batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) enum Held {
    /// They have not passed as often as they have to.
    Evaluating {
        /// How often they have, of how often they have to.
        passes: (i32, i32),
        /// When they are made again.
        until: Timestamp,
    },
    /// A person has to say what becomes of it.
    Verdict(Reason, String),
}

/// What besides the checks holds the next batch, in a pause after one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Besides {
    pub(super) person: bool,
    pub(super) soak: bool,
    pub(super) window: bool,
}

/// What a check comes to, and why, if it has not passed.
struct Found {
    name: &'static str,
    verdict: Verdict,
    message: String,
}

/// What the group has of its own.
#[derive(Clone, Copy)]
struct Own<'a> {
    group: &'a str,
    monitor_group: Option<&'a str>,
}

fn alarms<'a>(ctx: &Context<'a>) -> Option<(&'a Gates, &'a AlarmGate)> {
    let gates = ctx.spec.policy.gates.as_ref()?;
    Some((gates, gates.alarms.as_ref()?))
}

fn interval(gates: &Gates) -> SignedDuration {
    SignedDuration::from_secs(gates.interval_seconds.unwrap_or(Gates::INTERVAL).into())
}

/// How long the gates hold a batch at the least: its soak, and as many checks as have to pass.
pub(super) fn takes(gates: &Gates) -> Duration {
    let soak = gates.soak_seconds.unwrap_or_default();
    let checks = gates.alarms.as_ref().map_or(0, |_| {
        let passes = gates.consecutive_passes.unwrap_or(Gates::PASSES);
        passes * gates.interval_seconds.unwrap_or(Gates::INTERVAL)
    });
    Duration::from_secs((soak + checks).unsigned_abs().into())
}

/// When the interval began that it is in.
fn slot(ctx: &Context<'_>, gates: &Gates) -> Timestamp {
    let (now, length) = (ctx.now().as_second(), interval(gates).as_secs());
    Timestamp::from_second(now - now.rem_euclid(length)).unwrap_or(ctx.now())
}

// ---- while it runs

/// The pause that is next, or that it is in, if anything is asked for its sake.
fn about(ctx: &Context<'_>, gates: &Gates, status: &RollingUpdateTaskStatus) -> Option<i32> {
    if status.result.is_some() || status.cancellation.is_some() {
        return None;
    }
    let id = match &status.pause {
        Some(pause) if pause.kind != PauseKind::Batch => return None,
        Some(pause) if approval::of_pause(status, pause.id).is_some() => return None,
        Some(pause) => pause.id,
        None => {
            let ended = |state| matches!(state, BatchState::Succeeded | BatchState::Failed);
            let mut batches = status.batches.iter();
            let under_way = batches.find(|batch| !ended(batch.state));
            under_way.map(|batch| batch.index)?
        }
    };
    let holds_nothing = summary::is_last(status, id)
        && (gates.on_failed == GateFailurePolicy::Hold || status.pause.is_some());
    (!holds_nothing && ctx.deleting.is_none()).then_some(id)
}

/// Makes the checks, if that is due, and puts on record what they come to.
pub(super) fn look(
    ctx: &Context<'_>,
    status: &mut RollingUpdateTaskStatus,
    besides: Besides,
) -> Known<()> {
    let Some((gates, alarms)) = alarms(ctx) else {
        return Ok(());
    };
    let Some(id) = about(ctx, gates, status) else {
        return Ok(());
    };
    let before = status.gate.take().filter(|gate| gate.pause_id == id);
    let mut gate = before.unwrap_or_else(|| new(id));
    if gate.verdict.is_none() && is_due(ctx, gates, (status, besides), &mut gate) {
        let since = status.pause.as_ref().map(|pause| pause.since.0);
        let found = match own(ctx, gates, status) {
            Ok(own) => check(ctx, gates, alarms, own, since)?,
            Err(Missing::Failed(error)) => {
                let (verdict, message) = unanswered(&error);
                vec![Found {
                    name: OF_GROUP,
                    verdict,
                    message,
                }]
            }
            Err(missing) => return Err(missing),
        };
        take(ctx, gates, &mut gate, &found);
    }
    status.gate = (gate != new(id)).then_some(gate);
    Ok(())
}

fn new(pause_id: i32) -> GateStatus {
    GateStatus {
        pause_id,
        since: None,
        passes: 0,
        last_pass_time: None,
        verdict: None,
        checks: Vec::new(),
    }
}

/// Whether the checks are made now. What the time has made of what they came to goes on record, too: after the soak they begin
/// to count, while a window is closed nothing is asked, and what had passed before it closed has to pass again.
fn is_due(
    ctx: &Context<'_>,
    gates: &Gates,
    (status, besides): (&RollingUpdateTaskStatus, Besides),
    gate: &mut GateStatus,
) -> bool {
    let Some(pause) = &status.pause else {
        return true;
    };
    if is_new(ctx, pause) {
        return false;
    }
    if besides.window {
        (gate.passes, gate.last_pass_time, gate.since) = (0, None, None);
        return false;
    }
    if besides.soak {
        return true;
    }
    if has_passed(gates, gate) {
        if is_fresh(ctx, gates, gate) || besides.person {
            return false;
        }
        (gate.passes, gate.last_pass_time, gate.since) = (0, None, None);
    }
    gate.since.get_or_insert_with(|| Time(ctx.now()));
    true
}

/// Whether the pause was found just now: it has been said what it waits for, and the first look at that comes next.
fn is_new(ctx: &Context<'_>, pause: &Pause) -> bool {
    ctx.now() <= pause.since.0
}

fn has_passed(gates: &Gates, gate: &GateStatus) -> bool {
    gate.passes >= gates.consecutive_passes.unwrap_or(Gates::PASSES)
}

/// Whether it passed so lately that it counts.
fn is_fresh(ctx: &Context<'_>, gates: &Gates, gate: &GateStatus) -> bool {
    let last = gate.last_pass_time.as_ref();
    last.is_some_and(|last| ctx.waits().since(last) <= interval(gates) * 2)
}

/// The group as it was planned with, or, where that says nothing of its application group, as it is.
fn own<'a>(
    ctx: &'a Context<'_>,
    gates: &Gates,
    status: &'a RollingUpdateTaskStatus,
) -> Known<Own<'a>> {
    let plan = status.plan.as_ref();
    let planned = plan.and_then(|plan| plan.monitor_group_id.as_deref());
    let asks = gates
        .alarms
        .as_ref()
        .is_some_and(|alarms| alarms.from_scaling_group);
    let monitor_group = match planned {
        None if asks => monitor_group_now(ctx, gates)?,
        planned => planned,
    };
    Ok(Own {
        group: &ctx.group,
        monitor_group,
    })
}

/// An update that was found running has no plan.
fn monitor_group_now<'a>(ctx: &'a Context<'_>, gates: &Gates) -> Known<Option<&'a str>> {
    let query = Query::ScalingGroup {
        group: ctx.group.clone(),
    };
    match ctx.input.observation.recent(&query, slot(ctx, gates)) {
        Ok(Answer::ScalingGroup(Some(group))) => Ok(group.monitor_group.as_deref()),
        Ok(_) => Ok(None),
        Err(missing) => Err(missing),
    }
}

/// Puts on record what the checks came to.
fn take(ctx: &Context<'_>, gates: &Gates, gate: &mut GateStatus, found: &[Found]) {
    let now = Time(ctx.now());
    let before = std::mem::take(&mut gate.checks);
    let status = |found: &Found| {
        let same = before
            .iter()
            .find(|check| check.name == found.name && check.verdict == found.verdict);
        CheckStatus {
            name: found.name.to_owned(),
            verdict: found.verdict,
            since: same.map_or_else(|| now.clone(), |same| same.since.clone()),
            message: shorten(&found.message, MESSAGE_MAX),
        }
    };
    gate.checks = found.iter().map(status).collect();
    let worst = |verdict| found.iter().find(|found| found.verdict == verdict);
    let verdict = |verdict, found: &Found| GateVerdict {
        verdict,
        time: now.clone(),
        message: shorten(
            &format!("{}: {}", found.name, found.message),
            2 * MESSAGE_MAX,
        ),
    };
    if let Some(failed) = worst(Verdict::Fail) {
        gate.verdict = Some(verdict(Verdict::Fail, failed));
        return;
    }
    let Some(since) = gate.since.clone() else {
        return;
    };
    if let Some(unclear) = worst(Verdict::Inconclusive) {
        (gate.passes, gate.last_pass_time) = (0, None);
        if ctx.now() >= since.0 + timeout(gates) {
            gate.verdict = Some(match gates.on_inconclusive {
                InconclusivePolicy::Hold => verdict(Verdict::Inconclusive, unclear),
                InconclusivePolicy::Fail => verdict(Verdict::Fail, unclear),
            });
        }
        return;
    }
    // An interval apart: the first falls anywhere into one, and times on record have whole seconds.
    let apart = interval(gates) - SignedDuration::from_secs(1);
    let counted = gate.last_pass_time.as_ref();
    if counted.is_none_or(|last| ctx.waits().since(last) >= apart) {
        gate.passes += 1;
        gate.last_pass_time = Some(now);
    }
}

/// What of them holds the next batch in this pause.
pub(super) fn held(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    pause: i32,
) -> Option<Held> {
    let (gates, _) = alarms(ctx)?;
    let gate = status.gate.as_ref().filter(|gate| gate.pause_id == pause);
    if let Some(verdict) = gate.and_then(|gate| gate.verdict.as_ref()) {
        return Some(Held::Verdict(reason(verdict), verdict.message.clone()));
    }
    if gate.is_some_and(|gate| has_passed(gates, gate) && is_fresh(ctx, gates, gate)) {
        return None;
    }
    let wanted = gates.consecutive_passes.unwrap_or(Gates::PASSES);
    let passes = gate.map_or(0, |gate| gate.passes.min(wanted));
    Some(Held::Evaluating {
        passes: (passes, wanted),
        until: slot(ctx, gates) + interval(gates),
    })
}

fn reason(verdict: &GateVerdict) -> Reason {
    match verdict.verdict {
        Verdict::Pass | Verdict::Fail => Reason::GateFailed,
        Verdict::Inconclusive => Reason::GateInconclusive,
    }
}

/// How long until the checks are to be made again.
pub(super) fn until_next(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    besides: Besides,
) -> Option<Duration> {
    let (gates, _) = alarms(ctx)?;
    let id = about(ctx, gates, status)?;
    let gate = status.gate.as_ref().filter(|gate| gate.pause_id == id);
    if gate.is_some_and(|gate| gate.verdict.is_some()) {
        return None;
    }
    let has_passed = gate.is_some_and(|gate| has_passed(gates, gate));
    if status.pause.is_some() && (besides.window || besides.person && has_passed) {
        return None;
    }
    let is_new = status
        .pause
        .as_ref()
        .is_some_and(|pause| is_new(ctx, pause));
    let next = match is_new {
        true => ctx.now(),
        false => slot(ctx, gates) + interval(gates),
    };
    // What they have come to by then is decided at that time, not a part of an interval later.
    let over = gate.and_then(|gate| gate.since.as_ref().map(|since| since.0 + timeout(gates)));
    let over = over.filter(|over| *over > ctx.now());
    Some(ctx.waits().left(over.map_or(next, |over| over.min(next))))
}

fn timeout(gates: &Gates) -> SignedDuration {
    SignedDuration::from_secs(gates.timeout_seconds.unwrap_or(Gates::TIMEOUT).into())
}

/// Whether the update is to be cancelled because of them.
pub(in crate::rollout) fn cancels(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> bool {
    let gates = ctx.spec.policy.gates.as_ref();
    let cancels = gates.is_some_and(|gates| gates.on_failed == GateFailurePolicy::Cancel);
    let verdict = status.gate.as_ref().and_then(|gate| gate.verdict.as_ref());
    cancels && verdict.is_some_and(|verdict| verdict.verdict == Verdict::Fail)
}

/// That a person has to decide something, or that it is cancelled.
pub(in crate::rollout) fn event(
    ctx: &Context<'_>,
    old: &RollingUpdateTaskStatus,
    new: &RollingUpdateTaskStatus,
) -> Option<Event> {
    let gate = new.gate.as_ref()?;
    let verdict = gate.verdict.as_ref()?;
    let before = old
        .gate
        .as_ref()
        .filter(|old| old.pause_id == gate.pause_id);
    if before.is_some_and(|before| before.verdict.as_ref() == Some(verdict)) {
        return None;
    }
    let then = match cancels(ctx, new) {
        true => "the update is cancelled (spec.gates.onFailed)".to_owned(),
        false => format!("the pause after batch {} waits for a person", gate.pause_id),
    };
    let note = format!("{}; {then}", verdict.message);
    Some(Event::warning(reason(verdict), "Check", note))
}

// ---- before it begins

/// What the checks say before anything has begun.
pub(in crate::rollout) enum AtStart {
    /// Nothing is asked.
    Nothing,
    /// What is asked could never pass, and how to mend that.
    Unusable(String),
    /// One of them fails, or cannot be made.
    Failing(String),
    /// In words, for people.
    Noted(String),
}

/// Looks at what the checks say of a group as it is.
pub(in crate::rollout) fn at_start(
    ctx: &Context<'_>,
    monitor_group: Option<&str>,
) -> Known<AtStart> {
    let Some((gates, alarms)) = alarms(ctx) else {
        return Ok(AtStart::Nothing);
    };
    let own = Own {
        group: &ctx.group,
        monitor_group,
    };
    let answers = ask(ctx, gates, &queries(alarms, own), None)?;
    let refused = answers.iter().filter_map(|(_, told)| told.as_ref().err());
    if let Some(error) = refused.into_iter().find(|error| error.needs_person()) {
        return Ok(AtStart::Unusable(unanswered(error).1));
    }
    if let Some(why) = unusable(alarms, own, &answers) {
        return Ok(AtStart::Unusable(why));
    }
    let found = judge(alarms, own, &answers);
    let first = |verdict| found.iter().find(|found| found.verdict == verdict);
    Ok(match (first(Verdict::Fail), first(Verdict::Inconclusive)) {
        (Some(failing), _) => AtStart::Failing(failing.message.clone()),
        (None, Some(unclear)) => AtStart::Noted(format!(
            "of the checks {}: after a batch it would wait for that",
            unclear.message
        )),
        (None, None) => AtStart::Noted("all checks of spec.gates pass now".to_owned()),
    })
}

/// Alarms that do not exist, or tell nobody.
fn unusable(alarms: &AlarmGate, own: Own<'_>, answers: &[(Query, Told)]) -> Option<String> {
    if let Some(Ok(rules)) = told(answers, &by_id(alarms)) {
        let missing = alarms
            .rule_ids
            .iter()
            .filter(|id| !rules.iter().any(|rule| rule.id == **id));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            return Some(format!(
                "CloudMonitor has no alert rule {}: name one that it has in spec.gates.alarms.ruleIds of a new object",
                named(&missing, NAMED)
            ));
        }
        let disabled = ids(rules.iter().filter(|rule| !rule.enabled));
        if !disabled.is_empty() {
            return Some(format!(
                "alert rule {} is disabled and tells nobody: enable it",
                named(&disabled, NAMED)
            ));
        }
    }
    let all = of_group(alarms, own);
    let all: Option<Vec<&[Alarm]>> = all
        .iter()
        .map(|query| told(answers, &Some(query.clone()))?.as_ref().ok().copied())
        .collect();
    let none = all.is_some_and(|all| !all.iter().copied().flatten().any(|alarm| alarm.enabled));
    (alarms.from_scaling_group && none).then(|| {
        "the scaling group has no alarm that is enabled: create one, or name alert rules in spec.gates.alarms.ruleIds of a new object".to_owned()
    })
}

// ---- what is asked, and what comes of it

/// An answer, or why there is none.
type Told<'a> = Result<&'a [Alarm], CloudError>;

fn by_id(alarms: &AlarmGate) -> Option<Query> {
    let mut rules = alarms.rule_ids.clone();
    rules.sort();
    rules.dedup();
    (!rules.is_empty()).then_some(Query::MetricRules { rules })
}

fn of_group(alarms: &AlarmGate, own: Own<'_>) -> Vec<Query> {
    if !alarms.from_scaling_group {
        return Vec::new();
    }
    let tasks = Query::Alarms {
        group: own.group.to_owned(),
    };
    let rules = own.monitor_group.map(|group| Query::MetricRulesOfGroup {
        monitor_group: group.to_owned(),
    });
    std::iter::once(tasks).chain(rules).collect()
}

fn queries(alarms: &AlarmGate, own: Own<'_>) -> Vec<Query> {
    by_id(alarms)
        .into_iter()
        .chain(of_group(alarms, own))
        .collect()
}

/// The answers of this interval, none of them from before `after`.
fn ask<'a>(
    ctx: &Context<'a>,
    gates: &Gates,
    queries: &[Query],
    after: Option<Timestamp>,
) -> Known<Vec<(Query, Told<'a>)>> {
    let since = slot(ctx, gates).max(after.unwrap_or(Timestamp::MIN));
    let observation = ctx.input.observation;
    let (mut answers, mut missing) = (Vec::new(), Vec::new());
    for query in queries {
        let told = match observation.recent(query, since) {
            Ok(Answer::Alarms(alarms)) => Ok(alarms.as_slice()),
            Ok(_) => Ok(&[][..]),
            Err(Missing::Failed(error)) => Err(*error),
            Err(Missing::Read(asks)) => {
                missing.extend(asks);
                continue;
            }
        };
        answers.push((query.clone(), told));
    }
    match missing.is_empty() {
        true => Ok(answers),
        false => Err(Missing::Read(missing)),
    }
}

fn told<'t, 'a>(answers: &'t [(Query, Told<'a>)], query: &Option<Query>) -> Option<&'t Told<'a>> {
    let query = query.as_ref()?;
    let mut answers = answers.iter();
    answers
        .find(|(asked, _)| asked == query)
        .map(|(_, told)| told)
}

fn check(
    ctx: &Context<'_>,
    gates: &Gates,
    alarms: &AlarmGate,
    own: Own<'_>,
    after: Option<Timestamp>,
) -> Known<Vec<Found>> {
    let answers = ask(ctx, gates, &queries(alarms, own), after)?;
    Ok(judge(alarms, own, &answers))
}

fn judge(alarms: &AlarmGate, own: Own<'_>, answers: &[(Query, Told<'_>)]) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some(answer) = told(answers, &by_id(alarms)) {
        let (verdict, message) = match answer {
            Err(error) => unanswered(error),
            Ok(rules) => judge_rules(alarms, rules),
        };
        found.push(Found {
            name: BY_ID,
            verdict,
            message,
        });
    }
    if alarms.from_scaling_group {
        let (verdict, message) = judge_group(alarms, own, answers);
        found.push(Found {
            name: OF_GROUP,
            verdict,
            message,
        });
    }
    found
}

/// All that are named have to be there, and to tell somebody.
fn judge_rules(alarms: &AlarmGate, rules: &[Alarm]) -> (Verdict, String) {
    let by_state = judge_states(alarms, rules.iter().filter(|rule| rule.enabled));
    if by_state.0 == Verdict::Fail {
        return by_state;
    }
    let gone = alarms.rule_ids.iter().find(|id| {
        let mut rules = rules.iter();
        !rules.any(|rule| rule.enabled && rule.id == **id)
    });
    match gone {
        Some(id) => (
            Verdict::Inconclusive,
            format!("alert rule {id} is not there any more, or is disabled"),
        ),
        None => by_state,
    }
}

/// Those that are enabled count, and there has to be one.
fn judge_group(
    alarms: &AlarmGate,
    own: Own<'_>,
    answers: &[(Query, Told<'_>)],
) -> (Verdict, String) {
    let mut all = Vec::new();
    let mut unanswered_by = None;
    for query in of_group(alarms, own) {
        match told(answers, &Some(query)) {
            Some(Ok(found)) => all.extend(found.iter().filter(|alarm| alarm.enabled)),
            Some(Err(error)) => unanswered_by = Some(unanswered(error)),
            None => {}
        }
    }
    let by_state = judge_states(alarms, all.iter().copied());
    match (by_state.0, unanswered_by) {
        (Verdict::Fail, _) => by_state,
        (_, Some(unanswered)) => unanswered,
        _ if all.is_empty() => (
            Verdict::Inconclusive,
            "the scaling group has no alarm any more that is enabled".to_owned(),
        ),
        _ => by_state,
    }
}

/// Any in ALARM fails; one of which nothing is known leaves it open.
fn judge_states<'a>(alarms: &AlarmGate, all: impl Iterator<Item = &'a Alarm>) -> (Verdict, String) {
    let (mut failing, mut without_data, mut unknown) = (Vec::new(), Vec::new(), None);
    for alarm in all {
        match &alarm.state {
            AlarmState::Ok => {}
            AlarmState::Alarm => failing.push(alarm),
            AlarmState::InsufficientData => without_data.push(alarm),
            AlarmState::Unknown(word) => unknown = unknown.or(Some((alarm, word))),
        }
    }
    let list = |alarms: &[&Alarm]| {
        let all: Vec<String> = alarms.iter().map(|alarm| called(alarm)).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        named(&all, NAMED)
    };
    if !failing.is_empty() {
        return (Verdict::Fail, format!("{} in ALARM", list(&failing)));
    }
    if let Some((alarm, word)) = unknown {
        let message = format!("{} in a state that is not known: {word}", called(alarm));
        return (Verdict::Inconclusive, message);
    }
    if !without_data.is_empty() && alarms.insufficient_data == InsufficientData::Inconclusive {
        let message = format!("too little data of {}", list(&without_data));
        return (Verdict::Inconclusive, message);
    }
    (Verdict::Pass, String::new())
}

fn called(alarm: &Alarm) -> String {
    match alarm.name.as_str() {
        "" => format!("alarm {}", alarm.id),
        name => format!("alarm {} ({})", shorten(name, 64), alarm.id),
    }
}

fn ids<'a>(alarms: impl Iterator<Item = &'a Alarm>) -> Vec<&'a str> {
    alarms.map(|alarm| alarm.id.as_str()).collect()
}

/// Without the request id, which changes at each try.
fn unanswered(error: &CloudError) -> (Verdict, String) {
    let grant = error.missing_action.as_ref();
    let grant = grant.map_or_else(String::new, |action| format!("; grant {action}"));
    let message = format!("{} gave no answer: {}{grant}", error.call, error.code);
    (Verdict::Inconclusive, message)
}
