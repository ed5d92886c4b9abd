//! What the kinds of checks have in common: answers that all who ask the same share, and what a check comes to.

use std::collections::BTreeMap;

use ess_rollout_api::v1alpha1::{CheckStatus, GateStatus, GateVerdict, Gates, Verdict};
use ess_rollout_cloud::{Answer, CloudError, Query};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::rollout::context::Context;
use crate::task::conditions::shorten;
use crate::task::endpoints::{EndpointAnswer, EndpointError, EndpointQuery};
use crate::task::observation::{Known, Missing};

/// The most bytes of what a check says (CRD: `status.gate.checks.message`).
const MESSAGE_MAX: usize = 256;
/// How many alarms or instances are named.
pub(super) const NAMED: usize = 3;

/// How old an answer may be about what seldom changes: where a group is attached, which listeners forward to it.
const SELDOM: SignedDuration = SignedDuration::from_mins(10);

/// Why a check could never pass, and how to mend that.
pub(super) struct Unusable(pub(super) String);

/// What it comes to that something was not answered.
pub(super) type Unanswered = (Verdict, String);

/// What a check comes to, and why, if it has not passed.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) verdict: Verdict,
    pub(super) message: String,
    /// Of a measurement.
    pub(super) value: String,
}

impl Found {
    pub(super) fn new(name: impl Into<String>, (verdict, message): (Verdict, String)) -> Self {
        Self {
            name: name.into(),
            verdict,
            message,
            value: String::new(),
        }
    }

    /// What is to be decided because of it.
    pub(super) fn verdict(&self, ctx: &Context<'_>, verdict: Verdict) -> GateVerdict {
        let message = format!("{}: {}", self.name, self.message);
        GateVerdict {
            verdict,
            time: Time(ctx.now()),
            message: shorten(&message, 2 * MESSAGE_MAX),
        }
    }
}

/// The first that came to this.
pub(super) fn first(found: &[Found], verdict: Verdict) -> Option<&Found> {
    found.iter().find(|found| found.verdict == verdict)
}

/// Shows what the checks came to, for people. Of a measurement of which nothing but the number is another it stays as it was said
/// first: that changes at each look, and nothing is written because of it.
pub(super) fn show(ctx: &Context<'_>, gate: &mut GateStatus, found: &[Found]) {
    let before = std::mem::take(&mut gate.checks);
    let status = |found: &Found| {
        let mut before = before.iter();
        let same = before.find(|check| check.name == found.name && check.verdict == found.verdict);
        let alike = |same: &&CheckStatus| {
            let (then, now) = (&same.message, shorten(&found.message, MESSAGE_MAX));
            let measured = !same.value.is_empty() && !found.value.is_empty();
            measured && but_for_numbers(then).eq(but_for_numbers(&now))
        };
        if let Some(same) = same.filter(alike) {
            return same.clone();
        }
        CheckStatus {
            name: found.name.clone(),
            verdict: found.verdict,
            since: same.map_or_else(|| Time(ctx.now()), |same| same.since.clone()),
            value: found.value.clone(),
            message: shorten(&found.message, MESSAGE_MAX),
        }
    };
    gate.checks = found.iter().map(status).collect();
}

/// Without what a number is written with.
fn but_for_numbers(text: &str) -> impl Iterator<Item = char> + '_ {
    text.chars()
        .filter(|c| !c.is_ascii_digit() && !matches!(c, '.' | '-'))
}

/// Checks of all kinds; what any of them has to read is read at once.
pub(super) fn all<T>(kinds: impl IntoIterator<Item = Known<T>>) -> Known<Vec<T>> {
    let (mut found, mut asks, mut failed) = (Vec::new(), Vec::new(), None);
    for kind in kinds {
        match kind {
            Ok(of_kind) => found.push(of_kind),
            Err(Missing::Read(more)) => asks.extend(more),
            Err(missing) => failed = failed.or(Some(missing)),
        }
    }
    match failed {
        Some(missing) => Err(missing),
        None if asks.is_empty() => Ok(found),
        None => Err(Missing::Read(asks)),
    }
}

/// What an endpoint says.
pub(super) type ToldByEndpoint<'a> = Result<&'a EndpointAnswer, &'a EndpointError>;

/// What endpoints say to each of these, all asked at once.
pub(super) fn ask_endpoints<'a, G>(
    ctx: &Context<'a>,
    asked: impl IntoIterator<Item = (G, EndpointQuery)>,
    since: Timestamp,
) -> Known<Vec<(G, ToldByEndpoint<'a>)>> {
    let told = |(gate, query)| Ok((gate, ctx.input.observation.endpoint(&query, since)?));
    all(asked.into_iter().map(told))
}

/// How often the checks are made.
pub(super) fn interval(gates: &Gates) -> SignedDuration {
    SignedDuration::from_secs(gates.interval_seconds.unwrap_or(Gates::INTERVAL).into())
}

/// When the next interval begins.
pub(super) fn next_slot(ctx: &Context<'_>, gates: &Gates) -> Timestamp {
    began(ctx, interval(gates)) + interval(gates)
}

/// When the interval began that it is in; or, in that, when a person had the checks made again.
pub(super) fn slot(ctx: &Context<'_>, gates: &Gates) -> Timestamp {
    let began = began(ctx, interval(gates));
    let gate = ctx
        .input
        .subject
        .status
        .and_then(|status| status.gate.as_ref());
    let retried = gate.and_then(|gate| gate.retry_time.as_ref());
    retried.map_or(began, |retried| began.max(retried.0))
}

/// The same of what seldom changes.
pub(super) fn seldom(ctx: &Context<'_>) -> Timestamp {
    began(ctx, SELDOM)
}

fn began(ctx: &Context<'_>, length: SignedDuration) -> Timestamp {
    let (now, length) = (ctx.now().as_second(), length.as_secs());
    Timestamp::from_second(now - now.rem_euclid(length)).unwrap_or(ctx.now())
}

/// What was answered to each question, or why nothing was.
#[derive(Default)]
pub(super) struct Answers<'a>(BTreeMap<Query, Result<&'a Answer, CloudError>>);

impl<'a> Answers<'a> {
    /// Asks for what was so at that time or later.
    pub(super) fn ask(
        &mut self,
        ctx: &Context<'a>,
        queries: impl IntoIterator<Item = Query>,
        since: Timestamp,
    ) -> Known<()> {
        let mut missing = Vec::new();
        for query in queries {
            let told = match ctx.input.observation.recent(&query, since) {
                Ok(answer) => Ok(answer),
                Err(Missing::Failed(error)) => Err(*error),
                Err(Missing::Read(asks)) => {
                    missing.extend(asks);
                    continue;
                }
            };
            self.0.insert(query, told);
        }
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Missing::Read(missing)),
        }
    }

    /// What was answered to a question that was asked.
    pub(super) fn told(&self, query: &Query) -> Option<Result<&'a Answer, &CloudError>> {
        self.0.get(query).map(|told| told.as_ref().copied())
    }

    /// The first refusal that only a person can mend.
    pub(super) fn refused(&self) -> Option<Unusable> {
        let mut errors = self.0.values().filter_map(|told| told.as_ref().err());
        let error = errors.find(|error| error.needs_person())?;
        Some(Unusable(unanswered(error).1))
    }
}

/// What it comes to that an endpoint gave no answer.
pub(super) fn unanswered_by(error: &EndpointError) -> Unanswered {
    let message = match error.needs_person {
        true => error.message.clone(),
        false => format!("endpoint {} gave no answer: {}", error.endpoint, error.code),
    };
    (Verdict::Inconclusive, message)
}

/// Without the request id, which changes at each try.
pub(super) fn unanswered(error: &CloudError) -> Unanswered {
    let grant = error.missing_action.as_ref();
    let grant = grant.map_or_else(String::new, |action| format!("; grant {action}"));
    let message = format!("{} gave no answer: {}{grant}", error.call, error.code);
    (Verdict::Inconclusive, message)
}
