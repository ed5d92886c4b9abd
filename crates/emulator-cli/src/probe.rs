//! `ess-emulator probe`.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use ess_emulator_probe::probe::{Options, probe};
use ess_rollout_aliyun::credentials::from_environment;
use ess_rollout_aliyun::{
    Client, ClientConfig, Endpoints, Limiter, Limits, Network, Rate, Service,
};
use tokio::runtime::Runtime;

use crate::real::Real;

/// Which account is asked, and for what.
#[derive(Debug, Args)]
pub struct Probing {
    /// Region of the account
    #[arg(long, value_name = "REGION")]
    region: String,
    /// Scaling groups to try ESS on, by commas. On one of them a process is suspended and resumed, and an instance protected for a
    /// moment. Without groups nothing of ESS is found out
    #[arg(long, value_delimiter = ',', value_name = "ID")]
    groups: Vec<String>,
    /// Also find out how many calls a minute the account may make: whoever else uses it is refused, too, meanwhile
    #[arg(long)]
    rates: bool,
    /// Where the profile is written; without it to the standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    yes: bool,
    /// Which of the services' own addresses to use
    #[arg(long, value_enum, default_value = "public")]
    network: NetworkArg,
    /// Address of a service in place of its own, `all=URL` for all: oos, ess, sts
    #[arg(long, value_name = "SERVICE=URL")]
    endpoint: Vec<String>,
    /// That of the emulator that is asked: how many of its seconds pass in one
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    clock_scale: f64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum NetworkArg {
    /// Reachable from the internet
    Public,
    /// Reachable inside a VPC of the region
    Vpc,
}

/// Asks for consent, then the account, and writes what was found.
///
/// # Errors
/// Without consent or credentials, and when the profile cannot be written.
pub fn run(runtime: &Runtime, options: &Probing) -> anyhow::Result<()> {
    // With none installed the first TLS connection panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !options.clock_scale.is_finite() || options.clock_scale <= 0.0 {
        bail!("--clock-scale must be above 0");
    }
    let _runtime = runtime.enter();
    let config = ClientConfig {
        endpoints: endpoints(&options.endpoint)?,
        network: match options.network {
            NetworkArg::Public => Network::Public,
            NetworkArg::Vpc => Network::Vpc,
        },
        ..ClientConfig::default()
    };
    let credentials = from_environment(&config, |name| std::env::var(name).ok())?;
    let account = credentials.account().to_owned();
    let unlimited = Client::new(without_limits(config.clone()), credentials.clone())?;
    let client = Client::new(config, credentials)?;
    let whose = runtime.block_on(client.caller(&options.region));
    let whose = whose
        .context("the credentials cannot be used")?
        .unwrap_or(account);

    let started = jiff::Timestamp::now().as_second();
    let what = Options {
        run: started.to_string(),
        groups: options.groups.clone(),
        rates: options.rates,
    };
    eprintln!("As {whose}, in {}, this probe will:", options.region);
    for line in what.touches() {
        eprintln!("- {line}");
    }
    eprintln!("It takes about a quarter of an hour and deletes what it creates.");
    if !options.yes && !consent()? {
        bail!("nothing was done");
    }
    let region = options.region.clone();
    let mut account = Real::new(
        runtime.handle().clone(),
        client,
        unlimited,
        &region,
        options.clock_scale,
    );
    let profile = probe(&mut account, &what, |experiment| {
        eprintln!("probing: {experiment}");
    });
    for (name, why) in &profile.not_found {
        eprintln!("not found: {name}: {why}");
    }
    for thing in &profile.left {
        eprintln!("could not be deleted, please do: {thing}");
    }
    let text = serde_json::to_string_pretty(&profile)? + "\n";
    match &options.output {
        Some(file) => std::fs::write(file, text)
            .with_context(|| format!("cannot write the profile to {}", file.display())),
        None => std::io::stdout()
            .write_all(text.as_bytes())
            .context("cannot write to the standard output"),
    }
}

/// What the client allows itself is not what the account allows.
fn without_limits(config: ClientConfig) -> ClientConfig {
    let rate = Rate::per_second(1_000_000);
    let limits = Limits {
        oos_reads: rate,
        ess_instances: rate,
        ess: rate,
        ..Limits::default()
    };
    ClientConfig {
        limiter: Arc::new(Limiter::new(limits)),
        ..config
    }
}

fn consent() -> anyhow::Result<bool> {
    eprint!("Go on? [y/N] ");
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("cannot read an answer; --yes needs none")?;
    let answer = answer.trim().to_ascii_lowercase();
    Ok(answer == "y" || answer == "yes")
}

fn endpoints(given: &[String]) -> anyhow::Result<Endpoints> {
    let mut endpoints = Endpoints::standard();
    for pair in given {
        let (service, url) = pair
            .split_once('=')
            .with_context(|| format!("--endpoint {pair} is not SERVICE=URL"))?;
        endpoints = match service {
            "all" => endpoints.with_all(url)?,
            "oos" => endpoints.with(Service::Oos, url)?,
            "ess" => endpoints.with(Service::Ess, url)?,
            "sts" => endpoints.with(Service::Sts, url)?,
            other => bail!(
                "--endpoint {pair}: there is no service {other}; all, oos, ess and sts are asked"
            ),
        };
    }
    Ok(endpoints)
}
