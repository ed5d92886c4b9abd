//! Faults on demand: which call, how often, and what goes wrong.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Call;
use super::ram::wildcard;
use super::time::{later, millis_problem, moment_problem, seconds, seconds_problem};
use crate::params::{Params, object};

/// Whose calls a fault hits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallerKind {
    /// Calls of clients.
    #[default]
    Outside,
    /// Calls that executions make.
    Oos,
    /// All calls.
    Any,
}

/// One fault: hits the calls that match, from the `nth` on, `count` times, while it is in force.
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
    /// Whose calls are hit.
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
    /// In force only from so many virtual seconds after it was given on. Calls before that are not
    /// counted.
    #[serde(default)]
    pub after_seconds: Option<f64>,
    /// In force only for so many virtual seconds.
    #[serde(default)]
    pub for_seconds: Option<f64>,
    /// What goes wrong with a call that is hit.
    #[serde(deserialize_with = "object::read")]
    pub effect: Effect,
    /// How many calls have matched so far.
    #[serde(default)]
    pub seen: u64,
    /// When it was given.
    #[serde(skip)]
    given: Timestamp,
}

fn one() -> u64 {
    1
}

/// What goes wrong. Times are virtual (`...Seconds`) or in the real time of the caller
/// (`...Millis`, translated with the scale of the clock at that moment).
///
/// Those without fields are written `{}`: only so does serde refuse other keys.
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
        /// Of the HTTP answer.
        status: u16,
        /// The error code.
        code: String,
        /// For people; may be empty.
        #[serde(default)]
        message: String,
    },
    /// `Throttling.User` with the header `x-acs-retry-after`.
    Throttle {
        /// The value of that header; without it the header is left out.
        #[serde(default)]
        retry_after_millis: Option<u64>,
    },
    /// The effect is immediate, the answer comes late.
    Delay {
        /// Virtual seconds.
        #[serde(default)]
        seconds: Option<f64>,
        /// Milliseconds of real time, instead.
        #[serde(default)]
        millis: Option<u64>,
    },
    /// The connection ends; nothing happens.
    LostBefore {},
    /// The effect happens; the connection ends without an answer.
    AnswerLost {},
    /// The connection ends; the effect happens later.
    EffectLate {
        /// Virtual seconds.
        #[serde(default)]
        after_seconds: Option<f64>,
        /// Milliseconds of real time, instead.
        #[serde(default)]
        after_millis: Option<u64>,
    },
    /// A call on several instances does its work except on these (ids with `*`), then ends with
    /// this error.
    Partial {
        /// Which are left out.
        instances: Vec<String>,
        /// Of the HTTP answer.
        status: u16,
        /// The error code.
        code: String,
        /// For people; may be empty.
        #[serde(default)]
        message: String,
    },
    /// Refused as by RAM, from the nth call or a time on: what a policy that is changed meanwhile
    /// does. Nothing happens.
    Deny {},
    /// Answered, without these entries (ids with `*`) of its lists; nothing else tells.
    Omit {
        /// All of them, unless it says which.
        #[serde(default = "all")]
        entries: Vec<String>,
    },
    /// Carried out in another account or region: what credentials or an endpoint that were changed
    /// meanwhile do.
    Elsewhere {
        /// The caller's own when absent.
        #[serde(default)]
        account_id: Option<String>,
        /// The region of the call when absent.
        #[serde(default)]
        region: Option<String>,
    },
}

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

impl Effect {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Error { .. } => "error",
            Self::Throttle { .. } => "throttle",
            Self::Delay { .. } => "delay",
            Self::LostBefore {} => "lostBefore",
            Self::AnswerLost {} => "answerLost",
            Self::EffectLate { .. } => "effectLate",
            Self::Partial { .. } => "partial",
            Self::Deny {} => "deny",
            Self::Omit { .. } => "omit",
            Self::Elsewhere { .. } => "elsewhere",
        }
    }
}

impl Effect {
    /// What is wrong with it, if anything: an effect that changes nothing is none.
    fn problem(&self) -> Option<String> {
        let needed = |what: &str| Some(format!("effect of kind {} needs {what}", self.name()));
        match self {
            Self::Error { status, code, .. } | Self::Partial { status, code, .. } => {
                if !(400..=599).contains(status) {
                    return Some(format!(
                        "effect.status {status} is no status of an error: it must be from 400 to 599"
                    ));
                }
                if code.is_empty() {
                    return needed("a code");
                }
                match self {
                    Self::Partial { instances, .. } if instances.is_empty() => {
                        needed("instances that are left out")
                    }
                    _ => None,
                }
            }
            Self::Delay {
                seconds: Some(_),
                millis: Some(_),
            } => Some("effect: seconds and millis exclude each other".to_owned()),
            Self::Delay { seconds, millis } => {
                if seconds.unwrap_or_default() == 0.0 && millis.unwrap_or_default() == 0 {
                    return needed("seconds or millis above 0: the answer would not be late");
                }
                seconds_problem("effect.seconds", seconds.unwrap_or_default())
                    .or_else(|| millis_problem("effect.millis", *millis))
            }
            Self::EffectLate {
                after_seconds: None,
                after_millis: None,
            } => needed("afterSeconds or afterMillis"),
            Self::EffectLate {
                after_seconds: Some(_),
                after_millis: Some(_),
            } => Some("effect: afterSeconds and afterMillis exclude each other".to_owned()),
            Self::EffectLate {
                after_seconds,
                after_millis,
            } => moment_problem("effect.afterSeconds", after_seconds.unwrap_or_default())
                .or_else(|| millis_problem("effect.afterMillis", *after_millis)),
            Self::Throttle { retry_after_millis } => {
                millis_problem("effect.retryAfterMillis", *retry_after_millis)
            }
            Self::Omit { entries } if entries.is_empty() => needed("entries that are left out"),
            Self::Elsewhere {
                account_id: None,
                region: None,
            } => needed("accountId or region"),
            _ => None,
        }
    }
}

impl Fault {
    /// One that hits the very next call of a client, whichever it is.
    pub fn of(effect: Effect) -> Self {
        Self {
            id: 0,
            service: None,
            action: None,
            params: Params::new(),
            caller: CallerKind::default(),
            principal: None,
            nth: 1,
            count: 1,
            after_seconds: None,
            for_seconds: None,
            effect,
            seen: 0,
            given: Timestamp::UNIX_EPOCH,
        }
    }

    /// What is wrong with it, if anything.
    pub(crate) fn problem(&self) -> Option<String> {
        if self.id != 0 || self.seen != 0 {
            let why = "id and seen are given by the emulator: leave them out";
            return Some(why.to_owned());
        }
        if self.nth == 0 {
            return Some("nth counts from 1".to_owned());
        }
        if self.caller == CallerKind::Oos && matches!(self.effect, Effect::Delay { .. }) {
            let why = "effect of kind delay changes nothing for caller oos: an execution waits for its \
                answer whenever it comes";
            return Some(why.to_owned());
        }
        if self.for_seconds == Some(0.0) {
            return Some("forSeconds must be above 0: it would never be in force".to_owned());
        }
        let nested = self.params.keys().find(|name| name.contains('.'));
        if let Some(name) = nested {
            return Some(format!(
                "params: {name} is a member of a parameter, and parameters are compared as wholes"
            ));
        }
        moment_problem("afterSeconds", self.after_seconds.unwrap_or_default())
            .or_else(|| seconds_problem("forSeconds", self.for_seconds.unwrap_or_default()))
            .or_else(|| self.effect.problem())
    }

    fn in_force(&self, now: Timestamp) -> bool {
        let begins = later(self.given, seconds(self.after_seconds.unwrap_or(0.0)));
        let ends = self.for_seconds.map(|s| later(begins, seconds(s)));
        begins <= now && ends.is_none_or(|ends| now < ends)
    }

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

/// The faults that were given, in the order in which they were.
#[derive(Debug, Default)]
pub struct Faults {
    list: Vec<Fault>,
    given: u64,
}

impl Faults {
    /// Takes a fault that is given now; its id.
    pub fn add(&mut self, mut fault: Fault, now: Timestamp) -> u64 {
        self.given += 1;
        fault.id = self.given;
        fault.seen = 0;
        fault.given = now;
        self.list.push(fault);
        self.given
    }

    /// Takes all of them back.
    pub fn clear(&mut self) {
        self.list.clear();
    }

    /// Takes one back; whether it was there.
    pub fn remove(&mut self, id: u64) -> bool {
        let before = self.list.len();
        self.list.retain(|f| f.id != id);
        self.list.len() < before
    }

    /// Those that were given and not taken back, whether or not they are in force.
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// The effect for this call. The first fault that applies wins; the others still count it.
    pub(crate) fn strike(&mut self, call: &Call, now: Timestamp) -> Option<Effect> {
        let mut hit = None;
        let struck = |fault: &&mut Fault| fault.in_force(now) && fault.matches(call);
        for fault in self.list.iter_mut().filter(struck) {
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
