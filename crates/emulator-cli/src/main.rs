//! `ess-emulator`: the emulated cloud as a program, and what learns from a real account.
//!
//! - [`serve`]: without a subcommand
//! - [`probe`]: `ess-emulator probe`
//! - [`import`]: `ess-emulator import`
//! - [`verify`]: `ess-emulator verify`
//! - [`real`]: the real account
//! - [`signals`]: who ends it in the middle
//! - [`output`]: files that are written at the end

mod import;
mod output;
mod probe;
mod real;
mod serve;
mod signals;
mod verify;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// A local Alibaba Cloud for rolling updates: ESS, OOS, ECS, ECI and STS over HTTP and HTTPS.
#[derive(Debug, Parser)]
#[command(
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serving: Option<serve::Serving>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find out how a real account behaves where the documentation leaves it open, and write a profile for --profile. Says what it
    /// will touch, and asks.
    Probe(probe::Probing),
    /// Make a fixture of what a real account has. Reads alone; names, ids and addresses are replaced
    Import(import::Importing),
    /// Make the calls of a recording again and compare what comes of them, or hold those of another run against them. Ends with 0
    /// when nothing is otherwise, 1 when something is, 2 when it cannot be said
    Verify(verify::Verifying),
}

/// How long the end waits for what is being worked on.
const AT_THE_END: Duration = Duration::from_secs(1);

fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    if let Some(Command::Verify(options)) = &cli.command {
        return Ok(verify::run(options));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match (cli.command, cli.serving) {
        (Some(Command::Probe(options)), _) => return probe::run(&runtime, &options),
        (Some(Command::Import(options)), _) => import::run(&runtime, &options)?,
        (None, Some(options)) => {
            let served = runtime.block_on(serve::serve(options));
            // Whoever ends it does not wait for the templates that run.
            runtime.shutdown_timeout(AT_THE_END);
            served?;
        }
        // Done above, as it needs no runtime.
        (Some(Command::Verify(_)), _) => {}
        (None, None) => anyhow::bail!("--fixture is missing: a YAML file that describes the scene"),
    }
    Ok(ExitCode::SUCCESS)
}
