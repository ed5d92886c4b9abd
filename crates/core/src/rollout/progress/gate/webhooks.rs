//! Programs that are asked whether a batch is well, at endpoints of the operator's configuration.

use std::collections::BTreeSet;

use ess_rollout_api::v1alpha1::{Gates, RollingUpdateTaskStatus, Verdict, WebhookGate};
use jiff::Timestamp;

use super::check::{Answers, Found, ToldByEndpoint, Unusable, ask_endpoints, slot, unanswered_by};
use super::whose::Whose;
use crate::rollout::context::Context;
use crate::task::endpoints::{
    EndpointAnswer, EndpointKind, EndpointQuery, WebhookCall, WebhookVerdict,
};
use crate::task::observation::Known;

/// What they say in this interval, of the pause that it is in.
pub(super) fn check(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
) -> Known<Vec<Found>> {
    match &status.pause {
        Some(pause) => {
            let whose = Whose::of_batch(status, pause.id);
            since(ctx, gates, status, (pause.id, pause.since.0), whose)
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
    let whose = Whose::of_all_batches(status);
    since(ctx, gates, status, (batch, ended), whose)
}

/// Nobody is asked before there is a batch: whether they may be asked is known.
pub(super) fn at_start(ctx: &Context<'_>, gates: &Gates) -> Result<Vec<Found>, Unusable> {
    let endpoints = &ctx.input.settings.endpoints;
    for gate in &gates.webhooks {
        let refused = endpoints.refuse(&ctx.namespace, &gate.target, EndpointKind::Webhook);
        if let Some(why) = refused {
            return Err(Unusable(format!("{}: {why}", name(gate))));
        }
    }
    Ok(Vec::new())
}

fn since(
    ctx: &Context<'_>,
    gates: &Gates,
    status: &RollingUpdateTaskStatus,
    (batch, ended): (i32, Timestamp),
    whose: Whose,
) -> Known<Vec<Found>> {
    if gates.webhooks.is_empty() {
        return Ok(Vec::new());
    }
    let since = slot(ctx, gates).max(ended);
    let ids = match whose.ids(ctx, &mut Answers::default(), since)? {
        Ok(ids) => ids,
        Err(unanswered) => {
            let of = |gate: &WebhookGate| Found::new(name(gate), unanswered.clone());
            return Ok(gates.webhooks.iter().map(of).collect());
        }
    };
    let asked = gates.webhooks.iter().map(|gate| {
        let query = call(ctx, gate, status, batch, &ids);
        (gate, query)
    });
    let told = ask_endpoints(ctx, asked, since)?;
    Ok(told
        .into_iter()
        .map(|(gate, told)| judge(gate, told))
        .collect())
}

fn call(
    ctx: &Context<'_>,
    gate: &WebhookGate,
    status: &RollingUpdateTaskStatus,
    batch: i32,
    ids: &BTreeSet<String>,
) -> EndpointQuery {
    EndpointQuery::Webhook(Box::new(WebhookCall {
        endpoint: gate.target.clone(),
        key: format!("{}/{}/{batch}", ctx.uid, gate.name),
        kind: ctx.input.subject.kind.to_owned(),
        namespace: ctx.namespace.clone(),
        name: ctx.name.clone(),
        region: ctx.region.clone(),
        scaling_group: ctx.group.clone(),
        batch,
        batches: i32::try_from(status.batches.len()).unwrap_or(i32::MAX),
        instances: ids.iter().cloned().collect(),
    }))
}

fn name(gate: &WebhookGate) -> String {
    format!("webhooks.{}", gate.name)
}

fn judge(gate: &WebhookGate, told: ToldByEndpoint<'_>) -> Found {
    let told = match told {
        Err(error) => unanswered_by(error),
        Ok(EndpointAnswer::Measured { .. }) => {
            let message = "no verdict came back".to_owned();
            (Verdict::Inconclusive, message)
        }
        Ok(EndpointAnswer::Said { verdict, reason }) => match verdict {
            WebhookVerdict::Pass => (Verdict::Pass, String::new()),
            WebhookVerdict::Fail => (Verdict::Fail, said("it says Fail", reason)),
            WebhookVerdict::Wait => (Verdict::Inconclusive, said("it says Wait", reason)),
        },
    };
    Found::new(name(gate), told)
}

fn said(what: &str, reason: &str) -> String {
    match reason {
        "" => what.to_owned(),
        reason => format!("{what}: {reason}"),
    }
}
