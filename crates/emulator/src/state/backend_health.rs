//! What health checks of load balancers find: rules, of which the first that fits decides.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ram::wildcard;
use super::time::{later, moment_problem, seconds, seconds_problem};

/// What a health check says of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BackendStatus {
    /// It answers.
    Normal,
    /// It does not, or not as it should.
    Abnormal,
    /// Nothing is known of it.
    Unavailable,
}

/// What the seconds of a rule count from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CountedFrom {
    /// When the rule was given: the start of the scene for those of the fixture.
    #[default]
    Start,
    /// When the server came into service last: at the start, by a scale-out, out of Standby.
    Service,
}

/// A rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendHealthRule {
    /// Id of the ECS instance or container group, with `*`; every one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Id of the load balancer that checks, with `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<String>,
    /// Id of the server group with `*`; the load balancer's for the default group of CLB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_group: Option<String>,
    /// The port of the server that is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Only after the server has come out of Standby for the n-th time, which is what an update
    /// ends with; 0 before that. Its seconds count from then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// What its seconds count from.
    #[serde(default)]
    pub since: CountedFrom,
    /// Virtual seconds.
    #[serde(default)]
    pub after_seconds: f64,
    /// For ever when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<f64>,
    /// What health checks find then.
    pub status: BackendStatus,
    /// The `ReasonCode` of ALB and NLB for what is abnormal, such as `RESPONSE_MISMATCH`;
    /// `CONNECT_FAILED` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a rule is asked about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Checked<'a> {
    pub(crate) server_id: &'a str,
    pub(crate) load_balancer_id: &'a str,
    pub(crate) server_group_id: &'a str,
    pub(crate) port: u16,
    /// How often it came out of Standby.
    pub(crate) returns: u32,
    /// When it came into service; `None` for the start of the scene or before.
    pub(crate) in_service: Option<Timestamp>,
}

impl BackendHealthRule {
    /// What is wrong with it, if anything is.
    pub fn problem(&self) -> Option<String> {
        if self.for_seconds == Some(0.0) {
            return Some("forSeconds must be above 0: it would never be in force".into());
        }
        if self.port == Some(0) {
            return Some("port must not be 0".into());
        }
        if self.reason.is_some() && self.status != BackendStatus::Abnormal {
            return Some("reason is of the status abnormal alone".into());
        }
        moment_problem("afterSeconds", self.after_seconds)
            .or_else(|| seconds_problem("forSeconds", self.for_seconds.unwrap_or_default()))
    }

    fn fits(&self, given: Timestamp, now: Timestamp, what: Checked<'_>) -> bool {
        let named = |pattern: &Option<String>, id: &str| {
            pattern.as_ref().is_none_or(|pattern| wildcard(pattern, id))
        };
        if !(named(&self.instance, what.server_id)
            && named(&self.load_balancer, what.load_balancer_id)
            && named(&self.server_group, what.server_group_id)
            && self.port.is_none_or(|port| port == what.port)
            && self.attempt.is_none_or(|attempt| attempt == what.returns))
        {
            return false;
        }
        let from_service = self.since == CountedFrom::Service || self.attempt.is_some();
        let origin = match what.in_service {
            Some(at) if from_service => at,
            _ => given,
        };
        let start = later(origin, seconds(self.after_seconds));
        let length = self.for_seconds.map(seconds);
        start <= now && length.is_none_or(|length| now < later(start, length))
    }
}

/// The rules, in the order in which they are looked at.
#[derive(Debug, Clone, Default)]
pub struct BackendHealth {
    rules: Vec<(Timestamp, BackendHealthRule)>,
}

/// More rules than anybody gives: each check looks at all of them.
const RULES: usize = 10_000;

impl BackendHealth {
    /// A rule of the fixture, which comes after those before it.
    pub(crate) fn describe(&mut self, rule: BackendHealthRule, start: Timestamp) {
        self.rules.push((start, rule));
    }

    /// A rule from now on, which comes before all others. The oldest goes when there are too many.
    pub fn give(&mut self, rule: BackendHealthRule, now: Timestamp) {
        self.rules.insert(0, (now, rule));
        self.rules.truncate(RULES);
    }

    /// Servers are as they are by themselves again.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// All rules in their order.
    pub fn list(&self) -> Vec<&BackendHealthRule> {
        self.rules.iter().map(|(_, rule)| rule).collect()
    }

    pub(crate) fn decide(&self, now: Timestamp, what: Checked<'_>) -> Option<&BackendHealthRule> {
        let mut rules = self.rules.iter();
        let found = rules.find(|(given, rule)| rule.fits(*given, now, what));
        found.map(|(_, rule)| rule)
    }
}
