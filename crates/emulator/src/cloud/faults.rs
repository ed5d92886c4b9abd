//! Faults on demand: which call, how often, and what goes wrong.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::ram::wildcard;
use crate::oos::Params;

/// Whose calls a fault hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallerKind {
    /// Calls of clients.
    #[default]
    Outside,
    /// Calls that executions make.
    Oos,
    Any,
}

/// One fault: hits the calls that match, from the `nth` on, `count` times.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// Given by the emulator; `DELETE` takes it.
    #[serde(default)]
    pub id: u64,
    /// `ESS`, `ECS`, ...; any when absent.
    #[serde(default)]
    pub service: Option<String>,
    /// Action name with `*`; any when absent.
    #[serde(default)]
    pub action: Option<String>,
    /// Every named parameter must match: a text with `*`, compared with the parameter or with any
    /// member of a list.
    #[serde(default)]
    pub params: Params,
    #[serde(default)]
    pub caller: CallerKind,
    /// Principal name with `*`.
    #[serde(default)]
    pub principal: Option<String>,
    /// The first matching call that is hit, counted from 1.
    #[serde(default = "one")]
    pub nth: u64,
    /// How many calls are hit; 0 means all that follow.
    #[serde(default = "one")]
    pub count: u64,
    pub effect: Effect,
    /// How many calls have matched so far.
    #[serde(default)]
    pub seen: u64,
}

fn one() -> u64 {
    1
}

/// What goes wrong. Times are virtual (`...Seconds`) or in the real time of the caller
/// (`...Millis`, translated with the scale of the clock at that moment).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Effect {
    /// Refused with this code; nothing happens.
    Error {
        status: u16,
        code: String,
        #[serde(default)]
        message: String,
    },
    /// `Throttling.User` with the header `x-acs-retry-after`.
    Throttle {
        #[serde(default)]
        retry_after_millis: Option<u64>,
    },
    /// The effect is immediate, the answer comes late.
    Delay {
        #[serde(default)]
        seconds: Option<f64>,
        #[serde(default)]
        millis: Option<u64>,
    },
    /// The connection ends; nothing happens.
    LostBefore,
    /// The effect happens; the connection ends without an answer.
    AnswerLost,
    /// The connection ends; the effect happens later.
    EffectLate {
        #[serde(default)]
        after_seconds: Option<f64>,
        #[serde(default)]
        after_millis: Option<u64>,
    },
    /// A call on several instances does its work except on these (ids with `*`), then ends with
    /// this error.
    Partial {
        instances: Vec<String>,
        status: u16,
        code: String,
        #[serde(default)]
        message: String,
    },
}

impl Effect {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Throttle { .. } => "throttle",
            Self::Delay { .. } => "delay",
            Self::LostBefore => "lostBefore",
            Self::AnswerLost => "answerLost",
            Self::EffectLate { .. } => "effectLate",
            Self::Partial { .. } => "partial",
        }
    }
}

impl Fault {
    fn matches(&self, call: &Call) -> bool {
        let kind = match self.caller {
            CallerKind::Outside => !call.by_oos,
            CallerKind::Oos => call.by_oos,
            CallerKind::Any => true,
        };
        let text = |pattern: &Option<String>, text: &str| {
            pattern.as_ref().is_none_or(|p| wildcard(p, text))
        };
        kind && text(&self.service, call.service.name())
            && text(&self.action, &call.action)
            && text(&self.principal, &call.caller.principal)
            && self
                .params
                .iter()
                .all(|(name, want)| call.params.get(name).is_some_and(|have| holds(have, want)))
    }
}

fn holds(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Array(items), Value::String(_)) => items.iter().any(|item| holds(item, want)),
        (Value::String(have), Value::String(want)) => wildcard(want, have),
        (Value::Number(_) | Value::Bool(_), Value::String(want)) => {
            wildcard(want, &have.to_string())
        }
        (Value::String(have), Value::Number(number)) => {
            have.parse().is_ok_and(|n: serde_json::Number| n == *number)
        }
        (Value::String(have), Value::Bool(flag)) => have.parse() == Ok(*flag),
        _ => have == want,
    }
}

#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    given: u64,
}

impl Faults {
    pub fn add(&mut self, mut fault: Fault) -> u64 {
        self.given += 1;
        fault.id = self.given;
        fault.seen = 0;
        self.list.push(fault);
        self.given
    }

    pub fn clear(&mut self) {
        self.list.clear();
    }

    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|f| f.id != id);
        self.list.len() < before
    }

    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// The effect for this call. The first fault that applies wins; the others still count it.
    pub fn strike(&mut self, call: &Call) -> Option<Effect> {
        let mut hit = None;
        for fault in self.list.iter_mut().filter(|f| f.matches(call)) {
            fault.seen += 1;
            let last = fault.nth.saturating_add(fault.count).saturating_sub(1);
            let due = fault.seen >= fault.nth && (fault.count == 0 || fault.seen <= last);
            if due && hit.is_none() {
                hit = Some(fault.effect.clone());
            }
        }
        hit
    }
}
