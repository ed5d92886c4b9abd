//! Alarms: rules of CloudMonitor by their ids, and what watches the scaling group.

use ess_rollout_api::v1alpha1::{
    AlarmGate, Gates, InsufficientData, RollingUpdateTaskStatus, Verdict,
};
use ess_rollout_cloud::{Alarm, AlarmState, Answer, CloudError, Query, ScalingGroup};
use jiff::Timestamp;

use super::check::{Answers, Found, NAMED, Unusable, slot, unanswered};
use crate::rollout::context::Context;
use crate::task::conditions::{named, shorten};
use crate::task::observation::{Known, Missing};

const BY_ID: &str = "alarms.ruleIds";
const OF_GROUP: &str = "alarms.fromScalingGroup";

/// What the group has of its own.
#[derive(Clone, Copy)]
struct Own<'a> {
    group: &'a str,
    monitor_group: Option<&'a str>,
}

/// What they say in this interval, and after this time, if there is one before which they say nothing.
pub(super) fn check(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
    after: Option<Timestamp>,
) -> Known<Vec<Found>> {
    let Some(alarms) = &gates.alarms else {
        return Ok(Vec::new());
    };
    match own(ctx, gates, alarms, status) {
        Ok(own) => {
            let answers = ask(ctx, gates, &queries(alarms, own), after)?;
            Ok(judge(alarms, own, &answers))
        }
        Err(Missing::Failed(error)) => Ok(vec![Found::new(OF_GROUP, unanswered(&error))]),
        Err(missing) => Err(missing),
    }
}

/// What they say of the group as it is.
pub(super) fn at_start(
    ctx: &Context<'_>,
    gates: &Gates,
    group: &ScalingGroup,
) -> Known<Result<Vec<Found>, Unusable>> {
    let Some(alarms) = &gates.alarms else {
        return Ok(Ok(Vec::new()));
    };
    let own = Own {
        group: &ctx.group,
        monitor_group: group.monitor_group.as_deref(),
    };
    let answers = ask(ctx, gates, &queries(alarms, own), None)?;
    let unusable = answers
        .refused()
        .or_else(|| unusable(alarms, own, &answers));
    Ok(match unusable {
        Some(unusable) => Err(unusable),
        None => Ok(judge(alarms, own, &answers)),
    })
}

/// The group as it was planned with, or, where that says nothing of its application group, as it is.
fn own<'a>(
    ctx: &'a Context<'_>,
    gates: &Gates,
    alarms: &AlarmGate,
    status: &'a RollingUpdateTaskStatus,
) -> Known<Own<'a>> {
    let plan = status.plan.as_ref();
    let planned = plan.and_then(|plan| plan.monitor_group_id.as_deref());
    let monitor_group = match planned {
        None if alarms.from_scaling_group => monitor_group_now(ctx, gates)?,
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

/// Alarms that do not exist, or tell nobody.
fn unusable(alarms: &AlarmGate, own: Own<'_>, answers: &Answers<'_>) -> Option<Unusable> {
    let by_id = by_id(alarms).and_then(|query| told(answers, &query));
    if let Some(Ok(rules)) = by_id {
        let missing = alarms
            .rule_ids
            .iter()
            .filter(|id| !rules.iter().any(|rule| rule.id == **id));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            return Some(Unusable(format!(
                "CloudMonitor has no alert rule {}: name one that it has in spec.gates.alarms.ruleIds of a new object",
                named(&missing, NAMED)
            )));
        }
        let disabled = ids(rules.iter().filter(|rule| !rule.enabled));
        if !disabled.is_empty() {
            return Some(Unusable(format!(
                "alert rule {} is disabled and tells nobody: enable it",
                named(&disabled, NAMED)
            )));
        }
    }
    let all = of_group(alarms, own);
    let all: Option<Vec<&[Alarm]>> = all.iter().map(|query| told(answers, query)?.ok()).collect();
    let none = all.is_some_and(|all| !all.iter().copied().flatten().any(|alarm| alarm.enabled));
    (alarms.from_scaling_group && none).then(|| {
        Unusable("the scaling group has no alarm that is enabled: create one, or name alert rules in spec.gates.alarms.ruleIds of a new object".to_owned())
    })
}

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
) -> Known<Answers<'a>> {
    let since = slot(ctx, gates).max(after.unwrap_or(Timestamp::MIN));
    let mut answers = Answers::default();
    answers.ask(ctx, queries.iter().cloned(), since)?;
    Ok(answers)
}

fn told<'t>(
    answers: &'t Answers<'_>,
    query: &Query,
) -> Option<Result<&'t [Alarm], &'t CloudError>> {
    Some(match answers.told(query)? {
        Ok(Answer::Alarms(alarms)) => Ok(alarms),
        Ok(_) => Ok(&[]),
        Err(error) => Err(error),
    })
}

fn judge(alarms: &AlarmGate, own: Own<'_>, answers: &Answers<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    if let Some(answer) = by_id(alarms).and_then(|query| told(answers, &query)) {
        let told = match answer {
            Err(error) => unanswered(error),
            Ok(rules) => judge_rules(alarms, rules),
        };
        found.push(Found::new(BY_ID, told));
    }
    if alarms.from_scaling_group {
        found.push(Found::new(OF_GROUP, judge_group(alarms, own, answers)));
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
fn judge_group(alarms: &AlarmGate, own: Own<'_>, answers: &Answers<'_>) -> (Verdict, String) {
    let mut all = Vec::new();
    let mut unanswered_by = None;
    for query in of_group(alarms, own) {
        match told(answers, &query) {
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
