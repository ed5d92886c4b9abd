//! `ess-emulator probe`.

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Args;
use ess_emulator_probe::probe::{Options, missing_group, probe};
use ess_rollout_aliyun::{Limiter, Limits, Rate};
use tokio::runtime::Runtime;

use crate::output::check_writable;
use crate::real::{Asking, Real};
use crate::signals::Signals;

/// Which account is asked, and for what.
#[derive(Debug, Args)]
pub struct Probing {
    #[command(flatten)]
    asking: Asking,
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
    /// That of the emulator that is asked: how many of its seconds pass in one
    #[arg(long, default_value_t = 1.0, value_name = "SECONDS")]
    clock_scale: f64,
}

/// Asks for consent, then the account, and writes what was found. Stopped by a signal it takes back what
/// it did and writes nothing.
///
/// # Errors
/// Without consent or credentials, for a group that is not there, and when the profile cannot be
/// written, which is seen before anything is done.
pub fn run(runtime: &Runtime, options: &Probing) -> anyhow::Result<ExitCode> {
    if let Some(file) = &options.output {
        check_writable(file)
            .with_context(|| format!("the profile cannot be written to {}", file.display()))?;
    }
    if !options.clock_scale.is_finite() || options.clock_scale <= 0.0 {
        bail!("--clock-scale must be above 0");
    }
    let (client, whose) = options.asking.client(runtime, Arc::default())?;
    let region = options.asking.region();

    let started = jiff::Timestamp::now().as_second();
    let what = Options {
        run: started.to_string(),
        groups: options.groups.clone(),
        rates: options.rates,
    };
    eprintln!("As {whose}, in {region}, this probe will:");
    for line in what.touches() {
        eprintln!("- {line}");
    }
    eprintln!("It takes about a quarter of an hour and deletes what it creates.");
    if !options.yes && !consent()? {
        bail!("nothing was done");
    }
    let signals = Signals::note(runtime, |count| {
        eprintln!(
            "{}",
            match count {
                1 =>
                    "stopping: what was created is deleted, for two minutes at most; a second signal ends at once",
                _ => "ending at once",
            }
        );
    })?;
    let mut account = Real::new(
        runtime.handle().clone(),
        client,
        region,
        options.clock_scale,
    )
    .with_signals(Arc::clone(&signals));
    let missing = missing_group(&mut account, &options.groups);
    if let Some(group) = missing.context("--groups cannot be looked for")? {
        bail!("--groups: there is no scaling group {group:?} in {region}; nothing was done");
    }
    if options.rates {
        let (unlimited, _) = options.asking.client(runtime, without_limits())?;
        account = account.with_unlimited(unlimited);
    }
    let profile = probe(&mut account, &what, |experiment| {
        eprintln!("probing: {experiment}");
    });
    for (name, why) in &profile.not_found {
        eprintln!("not found: {name}: {why}");
    }
    for thing in &profile.left {
        eprintln!("could not be taken back, please do: {thing}");
    }
    if let Some(code) = signals.exit_code() {
        eprintln!("stopped: no profile is written");
        return Ok(ExitCode::from(code));
    }
    let text = serde_json::to_string_pretty(&profile)? + "\n";
    match &options.output {
        Some(file) => std::fs::write(file, text)
            .with_context(|| format!("cannot write the profile to {}", file.display())),
        None => std::io::stdout()
            .write_all(text.as_bytes())
            .context("cannot write to the standard output"),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// What the client allows itself is not what the account allows.
fn without_limits() -> Arc<Limiter> {
    let rate = Rate::per_second(1_000_000);
    Arc::new(Limiter::new(Limits {
        oos_reads: rate,
        ess_instances: rate,
        ess: rate,
        ..Limits::default()
    }))
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
