//! The world that the services and the OOS interpreter act on: state, clock, and the one door for
//! every API call.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::call::{Call, Outcome, Service};
use super::faults::{Effect, Faults};
use super::ids::Ids;
use super::journal::Journal;
use super::model::Resources;
use super::omit::omit;
use super::queue::{Event, Queue};
use super::ram::{Ram, wildcard};
use crate::error::ApiError;
use crate::fixture::{CommandOutcome, ContainerUpdateOutcome, Durations, ImageOutcome, Switches};
use crate::oos::{Package, Params};
use crate::services;

/// How real time drives the virtual clock. The core only keeps it; whoever owns real time obeys.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockSettings {
    /// Virtual seconds per real second.
    pub scale: f64,
    pub paused: bool,
}

/// All state but the executions.
#[derive(Debug)]
pub struct World {
    pub now: Timestamp,
    pub clock: ClockSettings,
    pub queue: Queue,
    pub ids: Ids,
    pub ram: Ram,
    pub regions: Vec<String>,
    pub regions_without_oos: BTreeSet<String>,
    pub resources: Resources,
    pub journal: Journal,
    pub faults: Faults,
    pub switches: Switches,
    pub durations: Durations,
    pub command_outcomes: Vec<CommandOutcome>,
    pub container_update_outcomes: Vec<ContainerUpdateOutcome>,
    pub image_outcomes: Vec<ImageOutcome>,
    /// How many images were asked for, by instance.
    pub images_asked: BTreeMap<String, u32>,
    pub packages: Vec<Package>,
    /// Client tokens of calls that took effect: what was asked, what was answered.
    pub client_tokens: BTreeMap<(String, String), (Params, Value)>,
    /// The account whose engine is at work, for wake-ups that it asks for.
    pub(super) engine_account: String,
    pub(super) wakes: BTreeSet<(Timestamp, String)>,
    /// What lists saw, oldest first, while a read lag is switched on.
    history: VecDeque<(Timestamp, Resources)>,
    addresses_given: u32,
}

/// Seconds of a fixture or fault as a duration; negative and absurd values become zero or a
/// century.
pub fn seconds(value: f64) -> SignedDuration {
    const CENTURY: f64 = 3.2e9;
    SignedDuration::try_from_secs_f64(value.clamp(0.0, CENTURY)).unwrap_or(SignedDuration::ZERO)
}

/// `at` plus a duration, held at the end of time.
pub fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

impl World {
    pub fn new(start: Timestamp, seed: u64) -> Self {
        Self {
            now: start,
            clock: ClockSettings {
                scale: 1.0,
                paused: false,
            },
            queue: Queue::default(),
            ids: Ids::new(seed),
            ram: Ram::default(),
            regions: Vec::new(),
            regions_without_oos: BTreeSet::new(),
            resources: Resources::default(),
            journal: Journal::default(),
            faults: Faults::default(),
            switches: Switches::default(),
            durations: Durations::default(),
            command_outcomes: Vec::new(),
            container_update_outcomes: Vec::new(),
            image_outcomes: Vec::new(),
            images_asked: BTreeMap::new(),
            packages: Vec::new(),
            client_tokens: BTreeMap::new(),
            engine_account: String::new(),
            wakes: BTreeSet::new(),
            history: VecDeque::new(),
            addresses_given: 0,
        }
    }

    /// Asks for `event` some virtual seconds from now.
    pub fn after(&mut self, delay: f64, event: Event) -> Timestamp {
        let at = later(self.now, seconds(delay));
        self.queue.push(at, event);
        at
    }

    /// A private address that no other instance has.
    pub fn fresh_address(&mut self) -> String {
        self.addresses_given += 1;
        let n = self.addresses_given;
        format!("10.{}.{}.{}", (n >> 16) & 0xFF, (n >> 8) & 0xFF, n & 0xFF)
    }

    /// Real milliseconds of a caller as virtual time, at the present scale.
    fn real_millis(&self, millis: u64) -> SignedDuration {
        #[allow(
            clippy::cast_precision_loss,
            reason = "a fault never waits 2^52 milliseconds"
        )]
        let virtual_seconds = millis as f64 / 1000.0 * self.clock.scale;
        seconds(virtual_seconds)
    }

    fn delay_of(&self, virtual_seconds: Option<f64>, millis: Option<u64>) -> SignedDuration {
        match (virtual_seconds, millis) {
            (Some(s), _) => seconds(s),
            (None, Some(ms)) => self.real_millis(ms),
            (None, None) => SignedDuration::ZERO,
        }
    }

    /// Passes one call through the door: arrival in the journal, permission, fault, then `run`.
    pub(super) fn through_door(
        &mut self,
        call: &mut Call,
        run: impl FnOnce(&mut Self, &Call) -> Result<Value, ApiError>,
    ) -> Outcome {
        call.action = call.service.spelling(&call.action);
        let request_id = self.ids.request_id();
        let seq = self.journal.arrive(self.now, call, &request_id);

        if let Err(error) = self.permit(call) {
            return Outcome::Answered(self.settle(call, seq, &request_id, Err(error)));
        }
        let effect = self.faults.strike(call, self.now);
        if let Some(effect) = &effect {
            self.journal.fault(seq, effect.name());
        }
        match effect {
            Some(Effect::Error {
                status,
                code,
                message,
            }) => {
                let error = Err(ApiError::new(status, code, message));
                Outcome::Answered(self.settle(call, seq, &request_id, error))
            }
            Some(Effect::Throttle { retry_after_millis }) => {
                let mut error = ApiError::new(
                    400,
                    "Throttling.User",
                    "Request was denied due to user flow control.",
                );
                error.retry_after_millis = retry_after_millis;
                Outcome::Answered(self.settle(call, seq, &request_id, Err(error)))
            }
            Some(Effect::LostBefore) => {
                let lost = ApiError::new(0, "ConnectionLost", "Lost before it took effect.");
                self.journal.outcome(seq, &Err(lost));
                Outcome::Dropped
            }
            Some(Effect::EffectLate {
                after_seconds,
                after_millis,
            }) => {
                let at = later(self.now, self.delay_of(after_seconds, after_millis));
                let call = Box::new(call.clone());
                self.queue.push(
                    at,
                    Event::LateCall {
                        call,
                        seq,
                        request_id,
                    },
                );
                Outcome::Dropped
            }
            Some(Effect::Partial {
                instances,
                status,
                code,
                message,
            }) => {
                let spared = without_instances(&call.params, &instances);
                let mut call = call.clone();
                if let Some(params) = spared {
                    call.params = params;
                    if let Err(error) = run(self, &call) {
                        return Outcome::Answered(self.settle(&call, seq, &request_id, Err(error)));
                    }
                }
                let error = Err(ApiError::new(status, code, message));
                Outcome::Answered(self.settle(&call, seq, &request_id, error))
            }
            None => {
                let result = run(self, call);
                Outcome::Answered(self.settle(call, seq, &request_id, result))
            }
            Some(Effect::Deny) => {
                let denied = Err(self.ram.denial(&call.caller, &action_of(call)));
                Outcome::Answered(self.settle(call, seq, &request_id, denied))
            }
            Some(Effect::Omit { entries }) => {
                let mut result = run(self, call);
                if let Ok(answer) = &mut result {
                    omit(answer, &entries);
                }
                Outcome::Answered(self.settle(call, seq, &request_id, result))
            }
            Some(Effect::Elsewhere { account_id, region }) => {
                let mut elsewhere = call.clone();
                elsewhere.caller.account_id = account_id.unwrap_or(elsewhere.caller.account_id);
                elsewhere.region = region.unwrap_or(elsewhere.region);
                let result = run(self, &elsewhere);
                Outcome::Answered(self.settle(call, seq, &request_id, result))
            }
            Some(Effect::Delay { seconds, millis }) => {
                let at = later(self.now, self.delay_of(seconds, millis));
                let result = run(self, call);
                Outcome::AnsweredAt(at, self.settle(call, seq, &request_id, result))
            }
            // The engine is busy with the execution that calls: the effect comes right after.
            Some(Effect::AnswerLost) if call.by_oos && call.service == Service::Oos => {
                let event = Event::LateCall {
                    call: Box::new(call.clone()),
                    seq,
                    request_id,
                };
                self.queue.push(self.now, event);
                Outcome::Dropped
            }
            Some(Effect::AnswerLost) => {
                let result = run(self, call);
                self.settle(call, seq, &request_id, result).ok();
                Outcome::Dropped
            }
        }
    }

    /// Lets a call take effect whose sender is gone.
    pub(super) fn take_late_effect(
        &mut self,
        call: &Call,
        seq: usize,
        request_id: &str,
        run: impl FnOnce(&mut Self, &Call) -> Result<Value, ApiError>,
    ) {
        self.journal.effect(seq, self.now);
        let result = run(self, call);
        self.settle(call, seq, request_id, result).ok();
    }

    /// Puts the request id into the answer or error and notes the outcome.
    fn settle(
        &mut self,
        call: &Call,
        seq: usize,
        request_id: &str,
        result: Result<Value, ApiError>,
    ) -> Result<Value, ApiError> {
        let result = match result {
            Ok(mut answer) => {
                if let Some(object) = answer.as_object_mut() {
                    object.insert("RequestId".into(), json!(request_id));
                }
                Ok(answer)
            }
            Err(mut error) => {
                error.request_id = Some(request_id.to_owned());
                Err(error)
            }
        };
        self.journal.outcome(seq, &result);
        let reads = ["Describe", "List", "Get"]
            .iter()
            .any(|verb| call.action.starts_with(verb));
        if !reads {
            self.remember();
        }
        result
    }

    fn permit(&self, call: &Call) -> Result<(), ApiError> {
        if services::open_to_all(call.service, &call.action) {
            return Ok(());
        }
        self.ram.check(&call.caller, &action_of(call))
    }

    /// Keeps what lists may still show while reads lag.
    pub(super) fn remember(&mut self) {
        let lag = self.switches.read_lag_seconds;
        if lag <= 0.0 {
            self.history.clear();
            return;
        }
        // One picture per second is enough, and keeps a long lag affordable.
        if self
            .history
            .back()
            .is_some_and(|(at, _)| at.as_second() == self.now.as_second())
        {
            self.history.pop_back();
        }
        self.history.push_back((self.now, self.resources.clone()));
        let horizon = self.now.checked_sub(seconds(lag)).unwrap_or(Timestamp::MIN);
        while self.history.get(1).is_some_and(|(at, _)| *at <= horizon) {
            self.history.pop_front();
        }
    }

    /// What ESS, ECS and ECI reads show: the present, or the past when a lag is switched on.
    pub fn seen(&self) -> &Resources {
        let lag = self.switches.read_lag_seconds;
        if lag <= 0.0 {
            return &self.resources;
        }
        let horizon = self.now.checked_sub(seconds(lag)).unwrap_or(Timestamp::MIN);
        self.history
            .iter()
            .rev()
            .find(|(at, _)| *at <= horizon)
            .or_else(|| self.history.front())
            .map_or(&self.resources, |(_, resources)| resources)
    }
}

/// The RAM action of a call.
fn action_of(call: &Call) -> String {
    let service = call.service.name().to_ascii_lowercase();
    format!("{service}:{}", call.action)
}

/// The parameters without the named instances; `None` when no instance is left.
fn without_instances(params: &Params, instances: &[String]) -> Option<Params> {
    let mut params = params.clone();
    let mut left = true;
    for name in [
        "InstanceId",
        "InstanceIds",
        "ResourceId",
        "ContainerGroupId",
    ] {
        match params.get_mut(name) {
            Some(Value::Array(ids)) => {
                ids.retain(|id| {
                    !id.as_str()
                        .is_some_and(|id| instances.iter().any(|i| wildcard(i, id)))
                });
                left = !ids.is_empty();
            }
            Some(Value::String(id)) => left = !instances.iter().any(|i| wildcard(i, id)),
            _ => {}
        }
    }
    left.then_some(params)
}
