//! Measurements: what PromQL expressions come to, at endpoints of the operator's configuration.
//!
//! An expression has to come to one number. No number, several, or one that is none (NaN) is doubt, and so is whatever an endpoint
//! does not answer. What is put into an expression is no more than letters, digits, dots and dashes: it cannot change what is asked.

use std::collections::{BTreeMap, BTreeSet};

use ess_rollout_api::v1alpha1::{Gates, MetricGate, RollingUpdateTaskStatus, Verdict};
use ess_rollout_cloud::{Answer, GroupType, Query};
use jiff::{SignedDuration, Timestamp};

use super::check::{
    Answers, Found, ToldByEndpoint, Unanswered, Unusable, ask_endpoints, seldom, slot, unanswered,
    unanswered_by,
};
use super::whose::Whose;
use crate::rollout::context::Context;
use crate::task::endpoints::{EndpointAnswer, EndpointKind, EndpointQuery};
use crate::task::observation::Known;

/// What an expression may name.
const NAMES: [&str; 5] = ["group", "region", "batch", "instances", "ips"];
/// What of that is only known once there is a batch.
const OF_BATCH: [&str; 3] = ["batch", "instances", "ips"];
/// What is asked about before there is one: no instance has this for its name.
const NOBODY: &str = "none";

/// What they say in this interval, of the pause that it is in: while a batch is under way its instances are out of service.
pub(super) fn check(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
) -> Known<Vec<Found>> {
    match &status.pause {
        Some(pause) => {
            let whose = Whose::of_batch(status, pause.id);
            since(ctx, gates, (pause.id, pause.since.0), whose)
        }
        None => Ok(Vec::new()),
    }
}

/// What they say in this interval of all that was updated, after the last batch.
pub(super) fn at_end(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
    (batch, ended): (i32, Timestamp),
) -> Known<Vec<Found>> {
    since(ctx, gates, (batch, ended), Whose::of_all_batches(status))
}

/// For how long the one is not asked that is asked last.
pub(super) fn longest_delay(gates: &Gates) -> SignedDuration {
    let delays = gates.metrics.iter().map(delay);
    delays.max().unwrap_or_default()
}

fn delay(gate: &MetricGate) -> SignedDuration {
    SignedDuration::from_secs(gate.initial_delay_seconds.unwrap_or_default().into())
}

/// What they say before there is a batch: of what names nothing of a batch whether it is well, of everything whether it is an
/// expression, and whether the endpoint takes the operator.
pub(super) fn at_start(ctx: &Context<'_>, gates: &Gates) -> Known<Result<Vec<Found>, Unusable>> {
    for gate in &gates.metrics {
        if let Some(why) = unusable(ctx, gate) {
            return Ok(Err(Unusable(why)));
        }
    }
    let names = BTreeMap::from([
        ("group", ctx.group.clone()),
        ("region", ctx.region.clone()),
        ("batch", "0".to_owned()),
        ("instances", NOBODY.to_owned()),
        ("ips", NOBODY.to_owned()),
    ]);
    let asked = asked(gates.metrics.iter(), &names);
    let told = ask_endpoints(ctx, asked, slot(ctx, gates))?;
    let mut found = Vec::new();
    for (gate, told) in told {
        match told {
            Err(error) if error.needs_person => {
                let why = format!("{}: {}", name(gate), error.message);
                return Ok(Err(Unusable(why)));
            }
            Ok(_) if names_batch(gate) => {}
            told => found.push(judge(gate, told)),
        }
    }
    Ok(Ok(found))
}

/// Why an expression could never be asked.
fn unusable(ctx: &Context<'_>, gate: &MetricGate) -> Option<String> {
    let settings = ctx.input.settings;
    let endpoint = gate.source.as_str();
    let refused = settings
        .endpoints
        .refuse(&ctx.namespace, endpoint, EndpointKind::Prometheus);
    if let Some(why) = refused {
        return Some(format!("{}: {why}", name(gate)));
    }
    let unknown = named(&gate.query).find(|word| !NAMES.contains(word))?;
    Some(format!(
        "{}: ${unknown} is none of the names that its query may have, which are ${}: write $$ for a dollar sign",
        name(gate),
        NAMES.join(", $")
    ))
}

/// What they say of these instances, in a batch that ended then.
fn since(
    ctx: &Context<'_>,
    gates: &Gates,
    (batch, ended): (i32, Timestamp),
    whose: Whose,
) -> Known<Vec<Found>> {
    let (due, early): (Vec<&MetricGate>, Vec<&MetricGate>) = gates
        .metrics
        .iter()
        .partition(|gate| ctx.now() >= ended + delay(gate));
    let mut found: Vec<Found> = early
        .into_iter()
        .map(|gate| {
            let from = ended + delay(gate);
            let message = format!("it is asked from {from} on (initialDelaySeconds)");
            Found::new(name(gate), (Verdict::Inconclusive, message))
        })
        .collect();
    if due.is_empty() {
        return Ok(found);
    }
    let since = slot(ctx, gates).max(ended);
    let names = match names(ctx, &due, (batch, since), whose)? {
        Ok(names) => names,
        Err(unanswered) => {
            let of = |gate: &&MetricGate| Found::new(name(gate), unanswered.clone());
            found.extend(due.iter().map(of));
            return Ok(found);
        }
    };
    // Of nobody there is nothing to measure.
    let of_nobody = |gate: &MetricGate| {
        let mut words = named(&gate.query);
        words.any(|word| names.get(word).is_some_and(String::is_empty))
    };
    let (of_nobody, due): (Vec<&MetricGate>, Vec<&MetricGate>) =
        due.into_iter().partition(|gate| of_nobody(gate));
    let passed = |gate: &MetricGate| Found::new(name(gate), (Verdict::Pass, String::new()));
    found.extend(of_nobody.into_iter().map(passed));
    let asked = asked(due.into_iter(), &names);
    let told = ask_endpoints(ctx, asked, since)?;
    found.extend(told.into_iter().map(|(gate, told)| judge(gate, told)));
    Ok(found)
}

// ---- what is asked

type Names = BTreeMap<&'static str, String>;

/// What the names stand for that these have in their expressions.
fn names(
    ctx: &Context<'_>,
    gates: &[&MetricGate],
    (batch, since): (i32, Timestamp),
    whose: Whose,
) -> Known<Result<Names, Unanswered>> {
    let mut names = Names::from([
        ("group", ctx.group.clone()),
        ("region", ctx.region.clone()),
        ("batch", batch.to_string()),
    ]);
    let asks = |word: &str| {
        let mut gates = gates.iter();
        gates.any(|gate| named(&gate.query).any(|named| named == word))
    };
    if !asks("instances") && !asks("ips") {
        return Ok(Ok(names));
    }
    let mut answers = Answers::default();
    let ids = match whose.ids(ctx, &mut answers, since)? {
        Ok(ids) => ids,
        Err(unanswered) => return Ok(Err(unanswered)),
    };
    names.insert("instances", one_of(&ids));
    if asks("ips") {
        match addresses(ctx, &mut answers, &ids)? {
            Ok(addresses) => names.insert("ips", one_of(&addresses)),
            Err(unanswered) => return Ok(Err(unanswered)),
        };
    }
    Ok(Ok(names))
}

/// The private addresses of these instances; an error: of one of them none is known.
fn addresses<'a>(
    ctx: &Context<'a>,
    answers: &mut Answers<'a>,
    ids: &BTreeSet<String>,
) -> Known<Result<BTreeSet<String>, Unanswered>> {
    if ids.is_empty() {
        return Ok(Ok(BTreeSet::new()));
    }
    let ids: Vec<String> = ids.iter().cloned().collect();
    let query = match ctx.update.group_type() {
        GroupType::Eci => Query::ContainerGroups { groups: ids },
        _ => Query::EcsInstances { instances: ids },
    };
    answers.ask(ctx, [query.clone()], seldom(ctx))?;
    let found: BTreeMap<&str, &[String]> = match answers.told(&query) {
        Some(Ok(Answer::EcsInstances(found))) => {
            let of = found.iter();
            of.map(|one| (one.id.as_str(), one.addresses.as_slice()))
                .collect()
        }
        Some(Ok(Answer::ContainerGroups(found))) => {
            let of = found.iter();
            of.map(|one| (one.id.as_str(), one.addresses.as_slice()))
                .collect()
        }
        Some(Err(error)) => return Ok(Err(unanswered(error))),
        _ => BTreeMap::new(),
    };
    let ids = match &query {
        Query::ContainerGroups { groups } => groups,
        Query::EcsInstances { instances } => instances,
        _ => return Ok(Ok(BTreeSet::new())),
    };
    let without = ids
        .iter()
        .find(|id| found.get(id.as_str()).is_none_or(|known| known.is_empty()));
    if let Some(id) = without {
        let message = format!("no private address of {id} is known");
        return Ok(Err((Verdict::Inconclusive, message)));
    }
    Ok(Ok(found.values().copied().flatten().cloned().collect()))
}

/// A regular expression that matches these, and nothing else. What has another sign in it than ids and addresses have is left out.
fn one_of(all: &BTreeSet<String>) -> String {
    let is_plain = |text: &&String| {
        let mut bytes = text.bytes();
        bytes.all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b == b':')
    };
    // A dot between brackets means itself in strings of either kind of quotes.
    let each = all.iter().filter(is_plain);
    let each: Vec<String> = each.map(|text| text.replace('.', "[.]")).collect();
    each.join("|")
}

/// The names that stand in an expression.
fn named(query: &str) -> impl Iterator<Item = &str> {
    parts(query).filter_map(|part| match part {
        Part::Name(name) => Some(name),
        Part::Text(_) => None,
    })
}

fn names_batch(gate: &MetricGate) -> bool {
    named(&gate.query).any(|name| OF_BATCH.contains(&name))
}

enum Part<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// An expression, cut where a name begins and ends. What follows a dollar sign and begins with no letter is no name.
fn parts(query: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = query;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(after) = rest.strip_prefix('$') else {
            let (text, after) = rest.split_at(rest.find('$').unwrap_or(rest.len()));
            rest = after;
            return Some(Part::Text(text));
        };
        let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = after.find(|c| !is_of_name(c)).unwrap_or(after.len());
        let (name, behind) = after.split_at(name);
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            rest = behind;
            return Some(Part::Name(name));
        }
        rest = after.strip_prefix('$').unwrap_or(after);
        Some(Part::Text("$"))
    })
}

fn expression(query: &str, names: &Names) -> String {
    let word = |part| match part {
        Part::Text(text) => text.to_owned(),
        Part::Name(name) => names.get(name).cloned().unwrap_or_default(),
    };
    parts(query).map(word).collect()
}

fn asked<'g>(
    gates: impl Iterator<Item = &'g MetricGate>,
    names: &Names,
) -> Vec<(&'g MetricGate, EndpointQuery)> {
    let asked = |gate: &'g MetricGate| {
        let query = EndpointQuery::Metric {
            endpoint: gate.source.clone(),
            query: expression(&gate.query, names),
        };
        (gate, query)
    };
    gates.map(asked).collect()
}

// ---- what comes of it

fn name(gate: &MetricGate) -> String {
    format!("metrics.{}", gate.name)
}

fn judge(gate: &MetricGate, told: ToldByEndpoint<'_>) -> Found {
    let unclear = |message: String| Found::new(name(gate), (Verdict::Inconclusive, message));
    let (values, series, partial) = match told {
        Err(error) => return Found::new(name(gate), unanswered_by(error)),
        Ok(EndpointAnswer::Measured {
            values,
            series,
            partial,
        }) => (values, *series, *partial),
        Ok(EndpointAnswer::Said { .. }) => return unclear("no measurement came back".to_owned()),
    };
    let value = match (values.as_slice(), series) {
        (_, 0) | ([], _) => return unclear("there is no data".to_owned()),
        ([value, ..], 1) => *value,
        (_, many) => {
            return unclear(format!(
                "{many} series, and one number is asked for: aggregate them in the query"
            ));
        }
    };
    let said = shown(value);
    let (verdict, message) = match value.is_finite() {
        false => (Verdict::Inconclusive, format!("the value is {said}")),
        true => by_limits(gate, value),
    };
    // Parts that are missing may hide what fails, and what passes.
    let (verdict, message) = match partial && verdict != Verdict::Inconclusive {
        true => {
            let message = format!("{said} is of a part of the data alone (warnings of Prometheus)");
            (Verdict::Inconclusive, message)
        }
        false => (verdict, message),
    };
    Found {
        value: said,
        ..Found::new(name(gate), (verdict, message))
    }
}

/// What a number comes to.
fn by_limits(gate: &MetricGate, value: f64) -> (Verdict, String) {
    let limit = |text: &Option<String>| -> Option<f64> { text.as_deref()?.parse().ok() };
    let said = shown(value);
    let failing = [
        ("failBelow", limit(&gate.fail_below), true),
        ("failAbove", limit(&gate.fail_above), false),
    ];
    for (field, limit, below) in failing {
        let Some(limit) = limit else { continue };
        if (below && value < limit) || (!below && value > limit) {
            let how = if below { "less" } else { "more" };
            let message = format!("{said} is {how} than {} ({field})", shown(limit));
            return (Verdict::Fail, message);
        }
    }
    let passing = [
        ("passBelow", limit(&gate.pass_below), true),
        ("passAbove", limit(&gate.pass_above), false),
    ];
    // Where it is not said what fails, everything else does.
    let otherwise = match gate.fail_below.is_some() || gate.fail_above.is_some() {
        true => Verdict::Inconclusive,
        false => Verdict::Fail,
    };
    for (field, limit, below) in passing {
        let Some(limit) = limit else { continue };
        if (below && value >= limit) || (!below && value <= limit) {
            let how = if below { "less" } else { "more" };
            let message = format!("{said} is not {how} than {} ({field})", shown(limit));
            return (otherwise, message);
        }
    }
    (Verdict::Pass, String::new())
}

/// A number for people: a few digits, and no long row of zeros.
fn shown(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{value:.3e}");
    }
    let text = format!("{value:.6}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    fn of(values: &[f64], series: usize, partial: bool) -> EndpointAnswer {
        EndpointAnswer::Measured {
            values: values.to_vec(),
            series,
            partial,
        }
    }

    fn gate(limits: &[(&str, &str)]) -> MetricGate {
        let mut gate = MetricGate {
            name: "errors".to_owned(),
            ..MetricGate::default()
        };
        for (field, limit) in limits {
            let field = match *field {
                "passBelow" => &mut gate.pass_below,
                "passAbove" => &mut gate.pass_above,
                "failBelow" => &mut gate.fail_below,
                _ => &mut gate.fail_above,
            };
            *field = Some((*limit).to_owned());
        }
        gate
    }

    #[test]
    fn a_value_is_well_or_not_by_its_limits_and_neither_in_between() {
        use Verdict::{Fail, Inconclusive, Pass};
        let below = [("passBelow", "0.01")];
        let both = [("passBelow", "0.01"), ("failAbove", "0.05")];
        let above = [("passAbove", "99.5"), ("failBelow", "95")];
        let within = [("passAbove", "-1"), ("passBelow", "1")];
        let only_fails = [("failAbove", "0.05")];
        type Case<'a> = (&'a [(&'a str, &'a str)], f64, Verdict);
        let cases: [Case<'_>; 15] = [
            (&below, 0.0099, Pass),
            (&below, 0.01, Fail),
            (&both, 0.0, Pass),
            (&both, 0.01, Inconclusive),
            (&both, 0.05, Inconclusive),
            (&both, 0.050001, Fail),
            (&above, 100.0, Pass),
            (&above, 99.5, Inconclusive),
            (&above, 94.9, Fail),
            (&within, 0.0, Pass),
            (&within, 1.0, Fail),
            (&within, -1.0, Fail),
            (&only_fails, 0.05, Pass),
            (&only_fails, 0.06, Fail),
            (&only_fails, -7.0, Pass),
        ];
        for (limits, value, verdict) in cases {
            let found = judge(&gate(limits), Ok(&of(&[value], 1, false)));
            assert_eq!(
                found.verdict, verdict,
                "{limits:?} {value}: {}",
                found.message
            );
            assert_eq!(found.message.is_empty(), verdict == Pass);
        }
    }

    #[test]
    fn what_is_no_single_number_is_doubt() {
        let limits = gate(&[("failAbove", "1")]);
        let answers = [
            of(&[], 0, false),
            of(&[2.0, 3.0], 2, false),
            of(&[f64::NAN], 1, false),
            of(&[f64::INFINITY], 1, false),
            of(&[f64::NEG_INFINITY], 1, false),
            of(&[0.0], 1, true),
            of(&[2.0], 1, true),
        ];
        for answer in answers {
            let found = judge(&limits, Ok(&answer));
            assert_eq!(found.verdict, Verdict::Inconclusive, "{answer:?}");
            assert!(!found.message.is_empty());
        }
    }

    #[test]
    fn names_are_put_in_and_cannot_change_what_is_asked() {
        let all = [
            "i-1".to_owned(),
            "10.0.0.1".to_owned(),
            "x\"} or vector(0) #".to_owned(),
        ];
        let names = Names::from([
            ("instances", one_of(&all.into())),
            ("batch", "2".to_owned()),
        ]);
        let query = "sum(up{instance=~\"$instances\"}) / $batch # $1 ${x} a$$b $";
        assert_eq!(
            expression(query, &names),
            "sum(up{instance=~\"10[.]0[.]0[.]1|i-1\"}) / 2 # $1 ${x} a$b $"
        );
        let named: Vec<&str> = named(query).collect();
        assert_eq!(named, ["instances", "batch"]);
    }

    #[test]
    fn numbers_are_said_in_few_digits() {
        for (value, said) in [
            (0.0, "0"),
            (0.05, "0.05"),
            (12.0, "12"),
            (1e300, "1.000e300"),
            (0.000_01, "1.000e-5"),
            (1.0 / 3.0, "0.333333"),
            (f64::NAN, "NaN"),
            (100.0, "100"),
        ] {
            assert_eq!(shown(value), said);
        }
    }
}
