//! A real account: calls are signed, and time passes by itself.

use std::time::{Duration, Instant};

use ess_emulator::state::call::Service as Asked;
use ess_emulator_probe::account::{Account, CallError};
use ess_rollout_aliyun::{Client, Service};
use ess_rollout_cloud::{CloudError, ErrorClass, Outcome};
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::Handle;

/// How often a call is made while it does not get there, or the rate limit is reached.
const ATTEMPTS: u32 = 5;
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(2);

/// A real account in one region.
pub struct Real {
    runtime: Handle,
    client: Client,
    /// Without limits of its own.
    unlimited: Client,
    region: String,
    /// Seconds of the account that pass in one: 1, but for an emulator.
    scale: f64,
    began: (Instant, Timestamp),
}

impl Real {
    /// Asks by this client, and by one that sets itself no limits where the account's are to be found.
    pub fn new(
        runtime: Handle,
        client: Client,
        unlimited: Client,
        region: &str,
        scale: f64,
    ) -> Self {
        Self {
            runtime,
            client,
            unlimited,
            region: region.to_owned(),
            scale,
            began: (Instant::now(), Timestamp::now()),
        }
    }
}

/// `None` for a service that the client does not know.
fn service(asked: Asked) -> Option<Service> {
    Some(match asked {
        Asked::Ess => Service::Ess,
        Asked::Ecs => Service::Ecs,
        Asked::Eci => Service::Eci,
        Asked::Oos => Service::Oos,
        Asked::Sts => Service::Sts,
        Asked::Slb | Asked::Alb | Asked::Nlb | Asked::Cms => return None,
    })
}

/// The same, or why it cannot be asked.
fn served(asked: Asked, action: &str) -> Result<Service, CallError> {
    service(asked).ok_or_else(|| CallError::Failed {
        action: action.to_owned(),
        why: format!("real accounts are not asked for {}", asked.name()),
    })
}

/// Parameters as they travel.
fn travelling(parameters: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| {
        value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned)
    };
    parameters
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}

fn failed(action: &str, error: CloudError) -> CallError {
    // Without a request id there was no answer.
    match error.request_id {
        Some(request_id) => CallError::Refused {
            action: action.to_owned(),
            code: error.code,
            message: error.message,
            request_id,
        },
        None => CallError::Failed {
            action: action.to_owned(),
            why: error.message,
        },
    }
}

impl Account for Real {
    fn call(
        &mut self,
        asked: Asked,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        let parameters = travelling(parameters);
        let service = served(asked, action)?;
        let mut attempt = 1;
        loop {
            let made = self.client.call(&self.region, service, action, &parameters);
            let error = match self.runtime.block_on(made) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let passes = matches!(error.class, ErrorClass::Retry | ErrorClass::Throttled);
            // One that may have had its effect would have it twice.
            if passes && error.outcome == Outcome::NoEffect && attempt < ATTEMPTS {
                attempt += 1;
                std::thread::sleep(PAUSE);
                continue;
            }
            return Err(failed(action, error));
        }
    }

    fn call_once(
        &mut self,
        asked: Asked,
        action: &'static str,
        parameters: &Value,
    ) -> Result<Value, CallError> {
        let parameters = travelling(parameters);
        let service = served(asked, action)?;
        let made = self
            .unlimited
            .call_once(&self.region, service, action, &parameters);
        let made = self.runtime.block_on(made);
        made.map_err(|error| failed(action, error))
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time.div_f64(self.scale));
    }

    fn now(&mut self) -> Timestamp {
        let (instant, time) = self.began;
        let passed = instant.elapsed().mul_f64(self.scale);
        time.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}
