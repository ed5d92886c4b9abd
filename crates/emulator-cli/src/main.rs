//! `ess-emulator`: the emulated cloud as a program, and what learns from a real account.
//!
//! - [`serve`]: without a subcommand
//! - [`probe`]: `ess-emulator probe`
//! - [`real`]: the real account

mod probe;
mod real;
mod serve;

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
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    match (cli.command, cli.serving) {
        (Some(Command::Probe(options)), _) => probe::run(&runtime, &options),
        (None, Some(options)) => runtime.block_on(serve::serve(options)),
        (None, None) => anyhow::bail!("--fixture is missing: a YAML file that describes the scene"),
    }
}
