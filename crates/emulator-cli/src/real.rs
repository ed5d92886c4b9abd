//! A real account: calls are signed, and time passes by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use ess_emulator::state::call::Service as Asked;
use ess_emulator_probe::account::{Account, CallError, Stop};
use ess_rollout_aliyun::credentials::from_environment;
use ess_rollout_aliyun::{Client, ClientConfig, Endpoints, Limiter, Network, Service};
use ess_rollout_cloud::{CloudError, ErrorClass, Outcome};
use jiff::Timestamp;
use serde_json::Value;
use tokio::runtime::{Handle, Runtime};

use crate::signals::Signals;

/// How often a call is made while it does not get there, or the rate limit is reached.
const ATTEMPTS: u32 = 5;
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(2);

/// Which account is asked, and where.
#[derive(Debug, Args)]
pub struct Asking {
    /// Region of the account
    #[arg(long, value_name = "REGION")]
    region: String,
    /// Which of the services' own addresses to use
    #[arg(long, value_enum, default_value = "public")]
    network: NetworkArg,
    /// Address of a service in place of its own, `all=URL` for all: ess, ecs, eci, oos, sts
    #[arg(long, value_name = "SERVICE=URL")]
    endpoint: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NetworkArg {
    /// Reachable from the internet
    Public,
    /// Reachable inside a VPC of the region
    Vpc,
}

impl Asking {
    /// Where.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// A client with the credentials of the environment, and whose they are.
    ///
    /// # Errors
    /// Without credentials, when they are refused, and for addresses that are none.
    pub fn client(
        &self,
        runtime: &Runtime,
        limiter: Arc<Limiter>,
    ) -> anyhow::Result<(Client, String)> {
        // With none installed the first TLS connection panics.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let _runtime = runtime.enter();
        let config = ClientConfig {
            endpoints: endpoints(&self.endpoint)?,
            network: match self.network {
                NetworkArg::Public => Network::Public,
                NetworkArg::Vpc => Network::Vpc,
            },
            limiter,
            ..ClientConfig::default()
        };
        let credentials = from_environment(&config, |name| std::env::var(name).ok())?;
        let account = credentials.account().to_owned();
        let client = Client::new(config, credentials)?;
        let whose = runtime.block_on(client.caller(&self.region));
        let whose = whose
            .context("the credentials cannot be used")?
            .unwrap_or(account);
        Ok((client, whose))
    }
}

fn endpoints(given: &[String]) -> anyhow::Result<Endpoints> {
    let mut endpoints = Endpoints::standard();
    for pair in given {
        let (service, url) = pair
            .split_once('=')
            .with_context(|| format!("--endpoint {pair} is not SERVICE=URL"))?;
        let service = match service {
            "all" => {
                endpoints = endpoints.with_all(url)?;
                continue;
            }
            "ess" => Service::Ess,
            "ecs" => Service::Ecs,
            "eci" => Service::Eci,
            "oos" => Service::Oos,
            "sts" => Service::Sts,
            other => bail!(
                "--endpoint {pair}: there is no service {other}; all, ess, ecs, eci, oos and sts are asked"
            ),
        };
        endpoints = endpoints.with(service, url)?;
    }
    Ok(endpoints)
}

/// A real account in one region.
pub struct Real {
    runtime: Handle,
    client: Client,
    /// Without limits of its own, if anybody asks how often the account may be called.
    unlimited: Option<Client>,
    region: String,
    /// Seconds of the account that pass in one: 1, but for an emulator.
    scale: f64,
    began: (Instant, Timestamp),
    stop: Arc<Signals>,
}

impl Real {
    /// Asks by this client.
    pub fn new(runtime: Handle, client: Client, region: &str, scale: f64) -> Self {
        Self {
            runtime,
            client,
            unlimited: None,
            region: region.to_owned(),
            scale,
            began: (Instant::now(), Timestamp::now()),
            stop: Arc::default(),
        }
    }

    /// Ends as the signals say that came.
    pub fn with_signals(self, signals: Arc<Signals>) -> Self {
        Self {
            stop: signals,
            ..self
        }
    }

    /// By one that sets itself no limits, where those of the account are to be found.
    pub fn with_unlimited(self, client: Client) -> Self {
        Self {
            unlimited: Some(client),
            ..self
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
        let client = self.unlimited.as_ref().unwrap_or(&self.client);
        let made = client.call_once(&self.region, service, action, &parameters);
        let made = self.runtime.block_on(made);
        made.map_err(|error| failed(action, error))
    }

    fn sleep(&mut self, time: Duration) {
        std::thread::sleep(time.div_f64(self.scale));
    }

    fn stop(&self) -> Stop {
        self.stop.stop()
    }

    fn now(&mut self) -> Timestamp {
        let (instant, time) = self.began;
        let passed = instant.elapsed().mul_f64(self.scale);
        time.saturating_add(passed).unwrap_or(Timestamp::MAX)
    }
}
