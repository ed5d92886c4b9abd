//! The commands and their flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Rolling updates of Auto Scaling groups.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-ess_rollout",
    bin_name = "kubectl ess-rollout",
    version,
    disable_help_subcommand = true,
    after_help = "Exit status: 0 as asked for, 1 an error, 2 failed, 3 cancelled, 4 paused, 5 the request was rejected, 124 timed out, 130 Ctrl-C."
)]
pub struct Cli {
    /// Where and as whom.
    #[command(flatten)]
    pub connection: Connection,
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,
}

/// kubectl's flags. Those before the plugin's name do not come through.
#[derive(Debug, Clone, Default, Args)]
pub struct Connection {
    /// The namespace; default: that of the kubeconfig's context.
    #[arg(short, long, global = true)]
    pub namespace: Option<String>,
    /// The kubeconfig; default: KUBECONFIG, or ~/.kube/config.
    #[arg(long, global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig.
    #[arg(long, global = true)]
    pub context: Option<String>,
    /// The cluster of the kubeconfig.
    #[arg(long, global = true)]
    pub cluster: Option<String>,
    /// The user of the kubeconfig.
    #[arg(long, global = true)]
    pub user: Option<String>,
    /// Act as this user.
    #[arg(long = "as", value_name = "USER", global = true)]
    pub as_user: Option<String>,
    /// Act as a member of this group; may be given several times.
    #[arg(long = "as-group", value_name = "GROUP", global = true)]
    pub as_groups: Vec<String>,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show an update: batches, instances, what it waits for and how it goes on.
    Status(StatusArgs),
    /// Wait until an update has come to something.
    Wait(WaitArgs),
    /// Leave the pause that an update is in.
    Continue(ContinueArgs),
    /// Run instances that failed again.
    Retry(InstancesArgs),
    /// Pass over instances: they count as done.
    Skip(InstancesArgs),
    /// Give instances up.
    CancelInstances(InstancesArgs),
    /// Cancel an update; its scaling group is put back.
    Cancel(CancelArgs),
    /// Check manifests, without a cluster: what the apiserver or the operator would refuse, and what is seldom meant.
    Lint(LintArgs),
}

/// Names an update.
#[derive(Debug, Clone, Args)]
pub struct Named {
    /// NAME of a RollingUpdateTask, or rollback/NAME.
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Of `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Which.
    #[command(flatten)]
    pub named: Named,
    /// Go on until the update has ended; the exit status is its verdict.
    #[arg(short, long)]
    pub watch: bool,
    /// List every instance.
    #[arg(short, long)]
    pub verbose: bool,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum For {
    /// The end, whichever.
    #[value(name = "Finished", alias = "finished")]
    Finished,
    /// The end, if it is a good one.
    #[value(name = "Succeeded", alias = "succeeded")]
    Succeeded,
    /// A pause, or the end.
    #[value(name = "Paused", alias = "paused")]
    Paused,
}

/// Of `wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Which.
    #[command(flatten)]
    pub named: Named,
    /// What for.
    #[arg(long = "for", value_enum, default_value = "Succeeded")]
    pub wanted: For,
    /// For how long: 90s, 10m, 2h; 0: for ever.
    #[arg(long, value_parser = duration, default_value = "0")]
    pub timeout: Duration,
}

/// Of every request.
#[derive(Debug, Clone, Args)]
pub struct RequestArgs {
    /// Which.
    #[command(flatten)]
    pub named: Named,
    /// Why, for the ledger.
    #[arg(short = 'm', long = "message", value_name = "NOTE")]
    pub note: Option<String>,
    /// For how long the verdict is waited for: 90s, 10m, 2h; 0: not at all.
    #[arg(long, value_parser = duration, default_value = "2m")]
    pub timeout: Duration,
}

/// Of `continue`.
#[derive(Debug, Args)]
pub struct ContinueArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
    /// The pause to leave; default: the one that it is in now.
    #[arg(long, value_name = "NUMBER")]
    pub pause: Option<i32>,
}

/// Of requests on instances.
#[derive(Debug, Args)]
pub struct InstancesArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
    /// Which; default: all that have failed.
    #[arg(value_name = "INSTANCE")]
    pub instances: Vec<String>,
}

/// Of `cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// Of `lint`.
#[derive(Debug, Args)]
pub struct LintArgs {
    /// A file, a folder with all below it (*.yaml, *.yml, *.json), or - for standard input; may be given several times.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub filenames: Vec<PathBuf>,
    /// As -f.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// How it is printed; default: a line for each fault.
    #[arg(short, long, value_enum)]
    pub output: Option<LintOutput>,
    /// Fail upon warnings, too.
    #[arg(long)]
    pub strict: bool,
}

/// How faults are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LintOutput {
    /// An array of objects: file, line, kind, name, namespace, field, severity, message.
    Json,
}

/// Seconds, or a number with a unit.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time: 90s, 10m and 2h are");
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let seconds = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(seconds).ok_or_else(wrong)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_or_are_seconds() {
        let seconds = |text: &str| duration(text).map(|time| time.as_secs());
        assert_eq!(seconds("90"), Ok(90));
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("10m"), Ok(600));
        assert_eq!(seconds("2h"), Ok(7200));
        for wrong in [
            "",
            "m",
            "1d",
            "-1s",
            "1.5h",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_commands_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
