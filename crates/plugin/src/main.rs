//! The plugin's program.

use std::process::ExitCode;

use clap::Parser;
use ess_rollout_api::v1alpha1::Verb;
use ess_rollout_plugin::{
    ask,
    cli::{Cli, Command},
    cluster::Cluster,
    exit::{self, End},
    lint, status, wait,
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors.
            let end = if error.use_stderr() {
                End::Error
            } else {
                End::Wanted
            };
            let _ = error.print();
            return end.into();
        }
    };
    // Without any of what talks to a cluster. It may read standard input, which nothing but a signal ends.
    if let Command::Lint(args) = &cli.command {
        return ended(lint::run(args));
    }
    // Before any client is built: with none installed the first TLS connection panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let done = match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                done = run(&cli) => done,
                _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
            }
        }),
        Err(error) => Err(error.into()),
    };
    ended(done)
}

fn ended(done: anyhow::Result<End>) -> ExitCode {
    match done {
        Ok(end) => end.into(),
        Err(error) if exit::pipe_is_closed(&error) => End::PipeClosed.into(),
        Err(error) => {
            eprintln!("error: {error:#}");
            End::Error.into()
        }
    }
}

async fn run(cli: &Cli) -> anyhow::Result<End> {
    let cluster = || Cluster::connect(&cli.connection);
    match &cli.command {
        Command::Status(args) => status::run(&cluster().await?, args).await,
        Command::Wait(args) => wait::run(&cluster().await?, args).await,
        Command::Continue(args) => ask::leave_pause(&cluster().await?, args).await,
        Command::Retry(args) => ask::of_instances(&cluster().await?, Verb::Retry, args).await,
        Command::Skip(args) => ask::of_instances(&cluster().await?, Verb::Skip, args).await,
        Command::CancelInstances(args) => {
            ask::of_instances(&cluster().await?, Verb::CancelInstances, args).await
        }
        Command::Cancel(args) => ask::cancel(&cluster().await?, args).await,
        // Done before; there is no cluster in it.
        Command::Lint(args) => lint::run(args),
    }
}
