//! The one door that every API call passes: permission, faults, the journal.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::omit::omit;
use crate::error::ApiError;
use crate::params::Params;
use crate::services;
use crate::state::call::{Call, Outcome, Service};
use crate::state::faults::Effect;
use crate::state::queue::Event;
use crate::state::ram::wildcard;
use crate::state::rates::throttled;
use crate::state::time::{later, seconds};
use crate::state::world::World;

impl World {
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
        call.action = services::spelling(call.service, &call.action);
        let request_id = self.ids.request_id();
        self.keep_tokens(call);
        let seq = self.journal.arrive(self.now, call, &request_id);
        if self.journal.recorder().is_some() && !call.by_oos {
            let words = self.digests_of_words(seq, call);
            self.journal.words(seq, words);
        }

        if let Err(error) = self.permit(call) {
            return Outcome::Answered(self.settle(call, seq, &request_id, Err(error)));
        }
        let counted = self.counted.count(call, self.now, &self.switches.rates);
        if let Err(error) = counted {
            return Outcome::Answered(self.settle(call, seq, &request_id, Err(error)));
        }
        let run = |world: &mut Self, call: &Call| {
            let idle = services::check_parameters(world, call)?;
            world.journal.ignored(seq, idle);
            run(world, call)
        };
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
                let mut error = throttled();
                error.retry_after_millis = retry_after_millis;
                Outcome::Answered(self.settle(call, seq, &request_id, Err(error)))
            }
            Some(Effect::LostBefore {}) => {
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
            Some(Effect::Deny {}) => {
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
            Some(Effect::AnswerLost {}) if call.by_oos && call.service == Service::Oos => {
                let event = Event::LateCall {
                    call: Box::new(call.clone()),
                    seq,
                    request_id,
                };
                self.queue.push(self.now, event);
                Outcome::Dropped
            }
            Some(Effect::AnswerLost {}) => {
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
    for name in services::INSTANCES {
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
