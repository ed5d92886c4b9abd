//! The endpoints of the operator's configuration, without a wire.

use std::collections::BTreeMap;
use std::sync::Arc;

use ess_emulator::state::alarms::AlarmState;
use ess_rollout::endpoints::{Endpoints, Told};
use ess_rollout_core::endpoints::{
    EndpointAnswer, EndpointError, EndpointKind, EndpointNames, EndpointQuery, EndpointUse,
    WebhookVerdict,
};
use futures::future::BoxFuture;

use crate::fault::Fault;
use crate::world::World;

/// The endpoints that checks may ask.
pub fn endpoints() -> EndpointNames {
    let used = |kind| EndpointUse {
        kind,
        namespaces: None,
    };
    EndpointNames(BTreeMap::from([
        ("prod".to_owned(), used(EndpointKind::Prometheus)),
        ("qa".to_owned(), used(EndpointKind::Webhook)),
    ]))
}

/// Of a part of the data there is, as where one of several stores does not answer: a query ends so.
const OF_A_PART: &str = " of a part";

/// Endpoints that say what an alert rule of the cloud does: the one that is the query, or `rule-web`.
pub struct RuleEndpoints(pub Arc<World>);

/// What befalls questions to the cloud befalls those to endpoints, too: once each has no answer that says anything.
fn befallen(world: &World, query: &EndpointQuery) -> Option<Told> {
    let fault = world.gate.befalls_read("endpoint", &format!("{query:?}"))?;
    let endpoint = query.endpoint();
    let code = match fault {
        Fault::ReadsThrottled => "http-429",
        Fault::ReadsGarbled
        | Fault::ReadsTruncated
        | Fault::ReadsEmpty
        | Fault::ReadsNull
        | Fault::ReadsUnknown => "bad-answer",
        Fault::Omitted => "timeout",
        _ => return None,
    };
    world.trace(|| format!("endpoint {endpoint}: {code}"));
    Some(Err(EndpointError {
        endpoint: endpoint.to_owned(),
        code: code.to_owned(),
        message: "it said nothing".to_owned(),
        needs_person: false,
    }))
}

impl Endpoints for RuleEndpoints {
    fn ask<'a>(&'a self, query: &'a EndpointQuery) -> BoxFuture<'a, Told> {
        if let Some(told) = befallen(&self.0, query) {
            return Box::pin(std::future::ready(told));
        }
        if let EndpointQuery::Webhook(call) = query {
            self.0.webhook_is_called(call);
        }
        let cloud = self.0.cloud();
        let state = |rule: &str| {
            let rules = &cloud.world.resources.alarms.rules;
            rules.get(rule).map(|rule| rule.state)
        };
        let answer = match query {
            EndpointQuery::Metric { query, .. } => {
                let rule = query.strip_suffix(OF_A_PART);
                let values = match state(rule.unwrap_or(query)) {
                    Some(AlarmState::Ok) => vec![0.0],
                    Some(AlarmState::Alarm) => vec![1.0],
                    _ => Vec::new(),
                };
                EndpointAnswer::Measured {
                    series: values.len(),
                    values,
                    partial: rule.is_some(),
                }
            }
            EndpointQuery::Webhook(_) => EndpointAnswer::Said {
                verdict: match state("rule-web") {
                    Some(AlarmState::Ok) => WebhookVerdict::Pass,
                    Some(AlarmState::Alarm) => WebhookVerdict::Fail,
                    _ => WebhookVerdict::Wait,
                },
                reason: String::new(),
            },
        };
        Box::pin(std::future::ready(Ok(answer)))
    }
}
