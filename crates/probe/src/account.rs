//! Who is asked.

use std::time::Duration;

use ess_emulator::cloud::Cloud;
use ess_emulator::oos::Caller;
use ess_emulator::params::nest;
use ess_emulator::state::call::{Call, EssVersion, Outcome, Service};
use jiff::Timestamp;
use serde_json::Value;

/// What becomes of a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The service refused it.
    #[error("{action} was refused: {code}: {message} (request id {request_id})")]
    Refused {
        /// What was asked for.
        action: String,
        /// The service's error code.
        code: String,
        /// The service's message.
        message: String,
        /// By which the service finds the call again.
        request_id: String,
    },
    /// There was no answer.
    #[error("{action} got no answer: {why}")]
    Failed {
        /// What was asked for.
        action: String,
        /// The reason.
        why: String,
    },
    /// It was not made: whoever asked wants the probe to end.
    #[error("{action} was not called: the probe was stopped")]
    Stopped {
        /// What would have been asked for.
        action: String,
    },
}

/// Whether a probe is to end before it is through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// It goes on.
    No,
    /// It takes back what it did, and ends.
    CleanUp,
    /// It ends at once, and names what is left.
    AtOnce,
}

impl CallError {
    /// Whether the account has reached its rate limit.
    pub fn is_throttled(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code.starts_with("Throttling"))
    }

    /// Whether the service may have done what the call asks for, although it did not say so.
    pub fn may_be_done(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }

    /// Whether the service refused the call, other than by its rate limit.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if !code.starts_with("Throttling"))
    }
}

/// An account, in one region.
pub trait Account {
    /// Makes one call. `parameters` is an object of texts; lists have names such as `InstanceIds.1`.
    ///
    /// # Errors
    /// When it is refused, or not answered.
    fn call(
        &mut self,
        service: Service,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError>;

    /// The same, made at once and once, whatever becomes of it: for who wants to know how often.
    ///
    /// # Errors
    /// As of [`Self::call`], and where the rate limit is reached.
    fn call_once(
        &mut self,
        service: Service,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        self.call(service, action, parameters)
    }

    /// Lets time pass.
    fn sleep(&mut self, time: Duration);

    /// Whether whoever asks wants it to end.
    fn stop(&self) -> Stop {
        Stop::No
    }

    /// Whether what is called from now on takes back what was done, which is called even if the probe
    /// is to end.
    fn take_back(&mut self, _begins: bool) {}

    /// The time, by a clock that goes as fast as the service's. It may be wrong by any amount.
    fn now(&mut self) -> Timestamp;
}

/// An emulated cloud in this process: its time passes when it is slept.
#[derive(Debug)]
pub struct Emulated {
    cloud: Cloud,
    caller: Caller,
    region: String,
}

impl Emulated {
    /// Whoever has this principal in the account.
    pub fn new(cloud: Cloud, principal: &str, account_id: &str, region: &str) -> Self {
        Self {
            cloud,
            caller: Caller {
                principal: principal.to_owned(),
                account_id: account_id.to_owned(),
            },
            region: region.to_owned(),
        }
    }

    /// The cloud, to look at what was done to it.
    pub fn cloud(&self) -> &Cloud {
        &self.cloud
    }
}

impl Account for Emulated {
    fn call(
        &mut self,
        service: Service,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        let mut parameters = parameters.as_object().cloned().unwrap_or_default();
        parameters
            .entry("RegionId")
            .or_insert_with(|| self.region.clone().into());
        let outcome = self.cloud.call(Call {
            caller: self.caller.clone(),
            region: self.region.clone(),
            service,
            action: action.to_owned(),
            version: EssVersion::V2022,
            params: nest(&parameters),
            by_oos: false,
            wall_now: self.cloud.now(),
        });
        match outcome {
            Outcome::Answered(Ok(answer)) => Ok(answer),
            Outcome::Answered(Err(error)) => Err(CallError::Refused {
                action: action.to_owned(),
                code: error.code,
                message: error.message,
                request_id: String::new(),
            }),
            other => Err(CallError::Failed {
                action: action.to_owned(),
                why: format!("{other:?}"),
            }),
        }
    }

    fn sleep(&mut self, time: Duration) {
        let until = self.cloud.now().saturating_add(time);
        self.cloud.advance_to(until.unwrap_or(Timestamp::MAX));
    }

    fn now(&mut self) -> Timestamp {
        self.cloud.now()
    }
}
