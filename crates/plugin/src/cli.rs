//! The commands and their flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// Named in managedFields, unless `--field-manager` says otherwise.
pub const FIELD_MANAGER: &str = "kubectl-ess_rollout";

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
#[command(next_help_heading = "As for kubectl")]
pub struct Connection {
    /// The namespace; default: that of the kubeconfig's context.
    #[arg(short, long, global = true, value_parser = NonEmptyStringValueParser::new())]
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
    /// Act as the user with this uid.
    #[arg(long, value_name = "UID", global = true)]
    pub as_uid: Option<String>,
    /// How long one answer of the apiserver may take: 5s, 1m; 0: for ever. Watches go on.
    #[arg(long, value_parser = duration, default_value = "30s", global = true, hide_default_value = true)]
    pub request_timeout: Duration,
    /// The name under which fields are written.
    #[arg(long, value_name = "NAME", default_value = FIELD_MANAGER, global = true, hide_default_value = true)]
    pub field_manager: String,
}

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List updates, rollbacks and image updates.
    Get(GetArgs),
    /// Show an update: batches, instances, what it waits for and how it goes on.
    Status(StatusArgs),
    /// Wait until an update has come to something.
    Wait(WaitArgs),
    /// Leave the pause that an update is in.
    Continue(ContinueArgs),
    /// Let batches run without a pause, up to one.
    Approve(ApproveArgs),
    /// Run instances that failed again.
    Retry(InstancesArgs),
    /// Pass over instances: they count as done.
    Skip(InstancesArgs),
    /// Give instances up.
    CancelInstances(InstancesArgs),
    /// Cancel an update, and its scaling group is put back; or the run of an image update.
    Cancel(CancelArgs),
    /// Show the batches that an update would have; with -f create it for that, and start nothing.
    Plan(PlanArgs),
    /// Start an update that is planned; with -f create it; and follow it.
    Run(RunArgs),
    /// Undo an update: create a Rollback, and follow it.
    Rollback(RollbackArgs),
    /// Have an image update make a run now.
    RunNow(RunNowArgs),
    /// Have the checks made again that hold an update.
    RetryGate(RetryGateArgs),
    /// Have windows count no more for an update.
    OverrideWindow(OverrideWindowArgs),
    /// What instances said where they failed.
    Logs(LogsArgs),
    /// What was told of an object.
    Events(EventsArgs),
    /// What was run on a scaling group.
    History(HistoryArgs),
    /// The scaling groups that the operator knows, and who holds them.
    Groups(GroupsArgs),
    /// What runs left changed about scaling groups.
    Leftovers(GroupsArgs),
    /// The maintenance windows: whether each is open, when that changes, and how many objects it holds.
    Windows(WindowsArgs),
    /// The filter by which CloudMonitor tells of a scaling group.
    Alerts(AlertsArgs),
    /// Check manifests, without a cluster: what the apiserver or the operator would refuse, and what is seldom meant.
    Lint(LintArgs),
    /// What applying a manifest would change, and whether it may.
    Diff(DiffArgs),
    /// Put what is known of an object into a file for those who help, without scripts, values, outputs and annotations of others.
    Report(ReportArgs),
    /// The versions of this program, the API and the operator.
    Version(VersionArgs),
    /// Completion for a shell, or for kubectl.
    Completion(CompletionArgs),
}

impl Command {
    /// Within which time it is to be done, where it says so: no answer of the apiserver is waited for longer.
    pub fn timeout(&self) -> Duration {
        match self {
            Self::Wait(args) => args.timeout,
            Self::Plan(args) => args.timeout,
            Self::Continue(ContinueArgs { request, .. })
            | Self::Approve(ApproveArgs { request, .. })
            | Self::Retry(InstancesArgs { request, .. })
            | Self::Skip(InstancesArgs { request, .. })
            | Self::CancelInstances(InstancesArgs { request, .. })
            | Self::Cancel(CancelArgs { request })
            | Self::RunNow(RunNowArgs { request })
            | Self::RetryGate(RetryGateArgs { request })
            | Self::OverrideWindow(OverrideWindowArgs { request, .. }) => request.timeout,
            _ => Duration::ZERO,
        }
    }
}

/// In which form something is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// More columns.
    Wide,
    /// JSON; with --watch one document per line.
    Json,
    /// YAML; with --watch one document after the other.
    Yaml,
    /// kind/name.
    Name,
}

/// Whether anything is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DryRun {
    /// It is.
    #[default]
    None,
    /// Nothing is sent.
    Client,
    /// It is sent, judged by the apiserver and its policies, and not kept.
    Server,
}

/// The form of what is printed.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct OutputArgs {
    /// json, yaml, name or wide.
    #[arg(short, long, value_enum)]
    pub output: Option<Output>,
}

/// Names one object.
#[derive(Debug, Clone, Args)]
pub struct Named {
    /// NAME of a RollingUpdateTask, rollback/NAME or image/NAME (an ImageUpdateTask).
    #[arg(value_name = "NAME")]
    pub name: String,
}

/// Of `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// tasks, rollbacks, images; default: all of them. Or one object: NAME, rollback/NAME, image/NAME.
    #[arg(value_name = "KIND|NAME")]
    pub what: Vec<String>,
    /// Of all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Those with these labels.
    #[arg(short = 'l', long, value_parser = selector)]
    pub selector: Option<String>,
    /// Those of this scaling group.
    #[arg(long, value_name = "SCALING-GROUP")]
    pub group: Option<String>,
    /// Those that have not ended.
    #[arg(long)]
    pub active: bool,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
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
    /// List every instance, every request, everything that is left.
    #[arg(short, long)]
    pub verbose: bool,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
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
    /// NAME of a RollingUpdateTask, rollback/NAME or image/NAME (an ImageUpdateTask); or -l.
    #[arg(
        value_name = "NAME",
        required_unless_present = "selector",
        conflicts_with = "selector"
    )]
    pub name: Option<String>,
    /// Of all with these labels that it can be for; they are listed first, and it is asked whether they are meant.
    #[arg(short = 'l', long, value_parser = selector)]
    pub selector: Option<String>,
    /// With --selector: of all namespaces.
    #[arg(short = 'A', long, requires = "selector")]
    pub all_namespaces: bool,
    /// With --selector: do not ask.
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Why, for the ledger.
    #[arg(short = 'm', long = "message", value_name = "NOTE")]
    pub note: Option<String>,
    /// Take back requests that the operator has not read, and ask this instead.
    #[arg(long)]
    pub replace: bool,
    /// For how long it is meant: what the operator sees later is rejected. Default: for ever.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub expires: Option<Duration>,
    /// For how long the verdict is waited for: 90s, 10m, 2h; 0: not at all.
    #[arg(long, value_parser = duration, default_value = "2m")]
    pub timeout: Duration,
    /// Change nothing: client, or server, which judges it.
    #[arg(long, value_enum, default_value = "none")]
    pub dry_run: DryRun,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of `continue`.
#[derive(Debug, Args)]
pub struct ContinueArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
    /// The pause to leave; default: the one that it is in now.
    #[arg(long, value_name = "NUMBER", conflicts_with = "selector")]
    pub pause: Option<i32>,
}

/// Of `approve`.
#[derive(Debug, Args)]
pub struct ApproveArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
    /// The number of the batch that may still run: the pause after it is kept. all: no pause is kept.
    #[arg(long, value_name = "BATCH|all", value_parser = up_to)]
    pub up_to: i32,
}

/// Of requests on instances.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("set").multiple(false))]
pub struct InstancesArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
    /// Which; default: all that have failed.
    #[arg(value_name = "INSTANCE", group = "set", conflicts_with = "selector")]
    pub instances: Vec<String>,
    /// All of this batch that it can be for.
    #[arg(long, value_name = "NUMBER", group = "set", value_parser = clap::value_parser!(i32).range(1..))]
    pub batch: Option<i32>,
    /// A task of the execution itself, before or after the instances.
    #[arg(long, value_name = "TASK", group = "set")]
    pub task: Option<String>,
}

/// Of `cancel`.
#[derive(Debug, Args)]
pub struct CancelArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// Of `run-now`.
#[derive(Debug, Args)]
pub struct RunNowArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// Of `retry-gate`.
#[derive(Debug, Args)]
pub struct RetryGateArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
}

/// Of `override-window`.
#[derive(Debug, Args)]
pub struct OverrideWindowArgs {
    /// As every request.
    #[command(flatten)]
    pub request: RequestArgs,
    /// Which: spec.window, the NAME of a MaintenanceWindow, or NAMESPACE/NAME; default: all that are for the update now.
    #[arg(value_name = "WINDOW", conflicts_with = "selector")]
    pub windows: Vec<String>,
}

/// Names an object that is planned, or a manifest of one that is not there yet.
#[derive(Debug, Clone, Args)]
pub struct PlannedArgs {
    /// NAME of a RollingUpdateTask, or rollback/NAME, that is there.
    #[arg(
        value_name = "NAME",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    pub name: Option<String>,
    /// A manifest, - for stdin: it is created; to be planned, with desiredState Plan, which touches nothing.
    #[arg(short = 'f', long = "filename", value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Which.
    #[command(flatten)]
    pub of: PlannedArgs,
    /// With --filename: delete it again.
    #[arg(long, requires = "file")]
    pub rm: bool,
    /// List every instance.
    #[arg(short, long)]
    pub verbose: bool,
    /// For how long the plan is waited for.
    #[arg(long, value_parser = duration, default_value = "2m")]
    pub timeout: Duration,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of what is followed once it has begun.
#[derive(Debug, Clone, Args)]
pub struct FollowArgs {
    /// Come back at once.
    #[arg(long)]
    pub no_follow: bool,
    /// List every instance.
    #[arg(short, long)]
    pub verbose: bool,
    /// Change nothing: client, or server, which judges it.
    #[arg(long, value_enum, default_value = "none")]
    pub dry_run: DryRun,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Which.
    #[command(flatten)]
    pub of: PlannedArgs,
    /// Once it runs.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Of `rollback`.
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// NAME of the RollingUpdateTask to undo.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// The image to go back to; default: what the instances ran before.
    #[arg(long, value_name = "IMAGE")]
    pub to_image: Option<String>,
    /// The version of the package to go back to.
    #[arg(long, value_name = "VERSION", conflicts_with = "to_image")]
    pub to_version: Option<String>,
    /// A file with the script that undoes it, where the task has none.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["to_image", "to_version"])]
    pub to_script: Option<PathBuf>,
    /// The name of the Rollback; default: that of the task with -undo.
    #[arg(long, value_name = "NAME")]
    pub rollback_name: Option<String>,
    /// Into how many batches; default: as the task.
    #[arg(long, value_parser = clap::value_parser!(i32).range(1..=100))]
    pub batches: Option<i32>,
    /// All that are in service, those that joined since included.
    #[arg(long)]
    pub all_in_service: bool,
    /// Plan it only: its batches are shown, and nothing is touched.
    #[arg(long)]
    pub plan: bool,
    /// Once it runs.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// Of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Which.
    #[command(flatten)]
    pub named: Named,
    /// Of these instances alone.
    #[arg(value_name = "INSTANCE")]
    pub instances: Vec<String>,
    /// Of instances that have failed alone.
    #[arg(long)]
    pub failed: bool,
    /// Go on until the update has ended; the exit status is its verdict.
    #[arg(short, long)]
    pub follow: bool,
}

/// Of `events`.
#[derive(Debug, Args)]
pub struct EventsArgs {
    /// Which.
    #[command(flatten)]
    pub named: Named,
    /// Go on.
    #[arg(short, long)]
    pub watch: bool,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Where records of scaling groups are looked for.
#[derive(Debug, Clone, Args)]
pub struct RecordsArgs {
    /// The namespace of the operator, which keeps the records of scaling groups; default: all namespaces are looked through.
    #[arg(long, value_name = "NAMESPACE")]
    pub operator_namespace: Option<String>,
}

/// Of `history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The scaling group.
    #[arg(value_name = "SCALING-GROUP")]
    pub group: String,
    /// Objects of all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Where its record is.
    #[command(flatten)]
    pub records: RecordsArgs,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of `groups` and `leftovers`.
#[derive(Debug, Args)]
pub struct GroupsArgs {
    /// These scaling groups alone.
    #[arg(value_name = "SCALING-GROUP")]
    pub groups: Vec<String>,
    /// Where their records are.
    #[command(flatten)]
    pub records: RecordsArgs,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of `windows`.
#[derive(Debug, Args)]
pub struct WindowsArgs {
    /// Those of all namespaces.
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of `alerts`.
#[derive(Debug, Args)]
pub struct AlertsArgs {
    /// The scaling group.
    #[arg(value_name = "SCALING-GROUP")]
    pub group: String,
    /// Where its record is.
    #[command(flatten)]
    pub records: RecordsArgs,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Manifests, - for stdin; may be given several times.
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// Differences are exit status 1.
    #[arg(long)]
    pub exit_code: bool,
}

/// Of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Which.
    #[command(flatten)]
    pub named: Named,
    /// The file to write (.tar.gz), - for stdout; default: its name and the time, in this directory.
    #[arg(short, long)]
    pub file: Option<PathBuf>,
    /// Where the record of its scaling group is.
    #[command(flatten)]
    pub records: RecordsArgs,
}

/// Of `version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// Of this program alone: no apiserver is asked.
    #[arg(long)]
    pub client: bool,
    /// In which form.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Of `completion`.
#[derive(Debug, Args)]
#[command(
    after_help = "kubectl completes plugins by a program of another name: `completion install` puts it beside this one."
)]
pub struct CompletionArgs {
    /// Which.
    #[command(subcommand)]
    pub of: CompletionOf,
}

/// What completes.
#[derive(Debug, Subcommand)]
pub enum CompletionOf {
    /// Link the program that kubectl asks, kubectl_complete-ess_rollout.
    Install {
        /// The directory, which has to be on the PATH; default: that of this program.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Print a script for bash.
    Bash,
    /// Print a script for zsh.
    Zsh,
    /// Print a script for fish.
    Fish,
    /// Print a script for PowerShell.
    #[command(name = "powershell")]
    PowerShell,
}

/// A batch, or all: `spec.approvedBatches` 101 leaves the pause after the last of a hundred, too.
fn up_to(text: &str) -> Result<i32, String> {
    match text {
        "all" => Ok(101),
        _ => text
            .parse()
            .ok()
            .filter(|batch| (1..=100).contains(batch))
            .ok_or_else(|| format!("{text:?} is neither the number of a batch, 1 to 100, nor all")),
    }
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

/// An empty one would mean everything, where a variable of a script is not set.
fn selector(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("it is empty, which would mean everything".to_owned()),
        labels => Ok(labels.to_owned()),
    }
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
