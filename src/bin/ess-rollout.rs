//! The operator's program.

use std::{io::Write, path::Path, process::ExitCode};

use anyhow::Context;
use clap::Parser;
use ess_rollout::{
    check,
    cli::{CheckArgs, Cli, Command, OutputArg, RunArgs},
    run,
    runtime::telemetry,
    settings::Settings,
};
use ess_rollout_api::crds;

/// See Cargo.toml for why.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => operator(&args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => checked(&args),
        Command::Crds(args) => print_crds(args.dir.as_deref()).map(|()| ExitCode::SUCCESS),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("ess-rollout: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn operator(args: &RunArgs) -> anyhow::Result<()> {
    let settings = Settings::try_from(args)?;
    telemetry::start(args.log_format, &args.log_level)?;
    runtime()?.block_on(run::run(settings))
}

/// Code 1 when something is missing.
fn checked(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let settings = Settings::try_from(&args.run)?;
    telemetry::filter(&args.run.log_level)?;
    let report = runtime()?.block_on(check::check(
        &settings,
        args.scaling_group.as_deref(),
        |name| std::env::var(name).ok(),
    ));
    let text = match args.output {
        OutputArg::Text => report.to_string(),
        OutputArg::Json => report.to_json() + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(match report.passed() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    // Before any client is built: with none installed the first TLS connection panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Two threads: one slow decode must not hold up everything else; more only cost memory.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no async runtime")
}

fn print_crds(dir: Option<&Path>) -> anyhow::Result<()> {
    for crd in crds::all() {
        let name = format!("{}.{}", crd.spec.names.plural, crd.spec.group);
        let text = crds::to_yaml(&crd).with_context(|| format!("cannot print {name}"))?;
        match dir {
            None => std::io::stdout().write_all(format!("---\n{text}").as_bytes())?,
            Some(dir) => {
                std::fs::create_dir_all(dir)
                    .with_context(|| format!("cannot make {}", dir.display()))?;
                let path = dir.join(format!("{name}.yaml"));
                std::fs::write(&path, text)
                    .with_context(|| format!("cannot write {}", path.display()))?;
            }
        }
    }
    Ok(())
}
