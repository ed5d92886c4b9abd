//! The plugin's program.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use ess_rollout_api::v1alpha1::Verb;
use ess_rollout_plugin::{
    alerts, ask,
    cli::{Cli, Command},
    cluster::Cluster,
    completion, diff, events,
    exit::{self, End},
    get, lint, logs, records, report, start, status,
    terminal::print,
    version, wait, windows,
};

fn main() -> ExitCode {
    // Before any client is built: with none installed the first TLS connection panics.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut words: Vec<OsString> = std::env::args_os().collect();
    if completion::is_asked(words.first().map(OsString::as_os_str)) {
        let lines = completion::candidates(&words.split_off(1.min(words.len())));
        return ended(print(&lines).map(|()| End::Wanted));
    }
    let cli = match Cli::try_parse_from(words) {
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
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    ended(match runtime {
        Ok(runtime) => runtime.block_on(async {
            tokio::select! {
                biased;
                // Listened for before anything is done: until then the signal ends the process as it ends any.
                _ = tokio::signal::ctrl_c() => Ok(End::Interrupted),
                done = run(&cli) => done,
            }
        }),
        Err(error) => Err(error.into()),
    })
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
    // Without a cluster.
    match &cli.command {
        Command::Version(args) => return version::run(&cli.connection, args).await,
        Command::Completion(args) => return completion::run(args),
        _ => {}
    }
    let cluster = Cluster::connect(&cli.connection).await?;
    let cluster = &cluster.within(cli.command.timeout());
    let flag = cli.connection.namespace.as_deref();
    match &cli.command {
        Command::Get(args) => get::run(cluster, args).await,
        Command::Status(args) => status::run(cluster, args).await,
        Command::Wait(args) => wait::run(cluster, args).await,
        Command::Continue(args) => ask::leave_pause(cluster, args).await,
        Command::Approve(args) => ask::approve(cluster, args).await,
        Command::Retry(args) => ask::of_instances(cluster, Verb::Retry, args).await,
        Command::Skip(args) => ask::of_instances(cluster, Verb::Skip, args).await,
        Command::CancelInstances(args) => {
            ask::of_instances(cluster, Verb::CancelInstances, args).await
        }
        Command::Cancel(args) => ask::cancel(cluster, args).await,
        Command::Plan(args) => start::plan(cluster, flag, args).await,
        Command::Run(args) => start::run(cluster, flag, args).await,
        Command::Rollback(args) => start::rollback(cluster, args).await,
        Command::RunNow(args) => ask::run_now(cluster, args).await,
        Command::RetryGate(args) => ask::retry_gate(cluster, args).await,
        Command::OverrideWindow(args) => ask::override_window(cluster, args).await,
        Command::Logs(args) => logs::run(cluster, args).await,
        Command::Events(args) => events::run(cluster, args).await,
        Command::History(args) => records::history(cluster, args).await,
        Command::Groups(args) => records::groups(cluster, args).await,
        Command::Windows(args) => windows::run(cluster, args).await,
        Command::Leftovers(args) => records::leftovers(cluster, args).await,
        Command::Alerts(args) => alerts::run(cluster, args).await,
        Command::Diff(args) => diff::run(cluster, flag, args).await,
        Command::Report(args) => report::run(cluster, args).await,
        Command::Version(_) | Command::Completion(_) | Command::Lint(_) => Ok(End::Wanted),
    }
}
