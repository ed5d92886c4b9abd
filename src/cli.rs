//! What the program can be told. Checked in [`crate::settings`].

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

use crate::runtime::telemetry::LogFormat;

/// Between polls: below, a real account is only throttled; above, pauses go unnoticed.
const POLL_INTERVAL: (f64, f64) = (0.05, 3600.0);
/// Between writes of progress: above, nobody would look.
const PROGRESS_INTERVAL: (f64, f64) = (0.0, 3600.0);
/// Of one call: below, healthy calls are given up; above, a pass holds its worker for too long.
const CALL_TIMEOUT: (f64, f64) = (0.5, 300.0);
/// Of the times of the election, which are checked against each other besides.
const ELECTION: (f64, f64) = (0.1, 3600.0);
/// L: the upper bound is a mistyped unit.
const SETTLE: (f64, f64) = (0.0, 3600.0);

/// Reads a number of seconds within these bounds.
fn seconds(
    (min, max): (f64, f64),
) -> impl Fn(&str) -> Result<Duration, String> + Clone + Send + Sync + 'static {
    move |given| {
        let value = given.trim().parse::<f64>().ok();
        let value = value.filter(|value| (min..=max).contains(value));
        value
            .and_then(|value| Duration::try_from_secs_f64(value).ok())
            .ok_or_else(|| {
                format!(
                    "it must be a number of seconds from {min} to {max}, for instance 10 or 0.5"
                )
            })
    }
}

/// Rolling updates of Alibaba Cloud Auto Scaling groups, as Kubernetes objects.
#[derive(Debug, Parser)]
#[command(name = "ess-rollout", version, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator.
    Run(Box<RunArgs>),
    /// See whether `run` with the same flags and environment would work: credentials, endpoints, permissions, rights in the
    /// cluster, CRDs. Changes nothing. Exit code 1 when something is missing.
    Check(Box<CheckArgs>),
    /// Print the CustomResourceDefinitions as YAML.
    Crds(CrdsArgs),
}

/// Arguments of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// How the result is printed.
    #[arg(short, long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub output: OutputArg,

    /// A scaling group of the region to ask about. Without it one that does not exist is asked about, which RAM policies that
    /// name groups refuse.
    #[arg(long, value_name = "ID")]
    pub scaling_group: Option<String>,

    /// Those of `run`: the operator's own flags can be given as they are.
    #[command(flatten)]
    pub run: RunArgs,
}

/// How a result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutputArg {
    /// A line for each check.
    Text,
    /// One JSON object.
    Json,
}

/// Arguments of `crds`.
#[derive(Debug, Args)]
pub struct CrdsArgs {
    /// Write one file for each into this directory instead.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Which of the services' own addresses to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NetworkArg {
    /// Reachable from the internet.
    Public,
    /// Reachable from within a VPC of the region.
    Vpc,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The operator's own namespace: its ScalingGroupRecords are there. Default: the namespace of
    /// the pod's ServiceAccount or of the kubeconfig's context.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAMESPACE")]
    pub namespace: Option<String>,

    /// The pod's name, shown in Events.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,

    /// Look after tasks in these namespaces only. Default: all.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMESPACE,…",
        env = "ESS_ROLLOUT_WATCH_NAMESPACES"
    )]
    pub watch_namespaces: Vec<String>,

    /// The region of tasks that name none.
    #[arg(long, env = "ESS_ROLLOUT_REGION", value_name = "REGION")]
    pub region: Option<String>,

    /// Call a service at this base URL: oos, ess, ecs, eci, cms, slb, alb, nlb, sts or all. Repeatable.
    #[arg(
        long,
        value_name = "SERVICE=URL",
        env = "ESS_ROLLOUT_ENDPOINT",
        value_delimiter = ','
    )]
    pub endpoint: Vec<String>,

    /// Which of the services' own addresses to call.
    #[arg(
        long,
        value_enum,
        default_value = "public",
        env = "ESS_ROLLOUT_NETWORK"
    )]
    pub network: NetworkArg,

    /// Namespaces whose tasks may use the operator's own credentials: whoever may create a task
    /// there runs scripts as root on every instance that the credentials reach. Default: the
    /// operator's own namespace.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "NAMESPACE,…",
        env = "ESS_ROLLOUT_OWN_CREDENTIALS_NAMESPACES"
    )]
    pub own_credentials_namespaces: Option<Vec<String>>,

    /// RAM roles that those tasks may hand to OOS. Default: none.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "ROLE,…",
        env = "ESS_ROLLOUT_OWN_CREDENTIALS_RAM_ROLES"
    )]
    pub own_credentials_ram_roles: Vec<String>,

    /// Seconds between two looks at running executions; fractions are allowed.
    #[arg(
        long,
        default_value = "10",
        value_name = "SECONDS",
        env = "ESS_ROLLOUT_POLL_INTERVAL_SECONDS",
        value_parser = seconds(POLL_INTERVAL)
    )]
    pub poll_interval_seconds: Duration,

    /// Seconds between two writes of nothing but progress to the same task; fractions are allowed.
    #[arg(
        long,
        default_value = "10",
        value_name = "SECONDS",
        env = "ESS_ROLLOUT_PROGRESS_INTERVAL_SECONDS",
        value_parser = seconds(PROGRESS_INTERVAL)
    )]
    pub progress_interval_seconds: Duration,

    /// Seconds that one call to the cloud may take; fractions are allowed.
    #[arg(
        long,
        default_value = "30",
        value_name = "SECONDS",
        env = "ESS_ROLLOUT_CALL_TIMEOUT_SECONDS",
        value_parser = seconds(CALL_TIMEOUT)
    )]
    pub call_timeout_seconds: Duration,

    /// The bound on lateness: a call whose answer was lost takes effect within this many seconds
    /// after the operator gave it up, or never; and what OOS lists is no older than that. Calls that
    /// may happen once are repeated only after both. Fractions are allowed. Lower it for emulated clouds
    /// only.
    #[arg(
        long,
        default_value = "60",
        value_name = "SECONDS",
        env = "ESS_ROLLOUT_SETTLE_SECONDS",
        value_parser = seconds(SETTLE)
    )]
    pub settle_seconds: Duration,

    /// Take part in an election by a Lease, and act only while this process leads: for more than one of them. false: it is
    /// alone.
    #[arg(long, default_value_t = true, action = ArgAction::Set, value_name = "BOOL", env = "ESS_ROLLOUT_LEADER_ELECT")]
    pub leader_elect: bool,

    /// The name of the Lease, in the operator's own namespace.
    #[arg(
        long,
        default_value = "ess-rollout",
        value_name = "NAME",
        env = "ESS_ROLLOUT_LEADER_ELECT_LEASE_NAME"
    )]
    pub leader_elect_lease_name: String,

    /// Seconds after which others take the place of a leader that has not renewed its lease.
    #[arg(
        long,
        default_value = "15",
        value_name = "SECONDS",
        env = "ESS_ROLLOUT_LEADER_ELECT_LEASE_DURATION_SECONDS",
        value_parser = seconds(ELECTION)
    )]
    pub leader_elect_lease_duration_seconds: Duration,

    /// Seconds after a renewal for which the leader acts.
    #[arg(
        long,
        default_value = "10",
        value_name = "SECONDS",
        env = "ESS_ROLLOUT_LEADER_ELECT_RENEW_DEADLINE_SECONDS",
        value_parser = seconds(ELECTION)
    )]
    pub leader_elect_renew_deadline_seconds: Duration,

    /// Seconds between two renewals, and between two looks at a lease that another holds.
    #[arg(
        long,
        default_value = "2",
        value_name = "SECONDS",
        env = "ESS_ROLLOUT_LEADER_ELECT_RETRY_PERIOD_SECONDS",
        value_parser = seconds(ELECTION)
    )]
    pub leader_elect_retry_period_seconds: Duration,

    /// The ValidatingAdmissionPolicy, and its binding of the same name, that sees to who may make which request and under whose
    /// name. While it is in force as it comes with this version, status.actions[].requestedBy is who asked; otherwise, and
    /// without this, unverified:NAME.
    #[arg(long, value_name = "NAME", env = "ESS_ROLLOUT_ADMISSION_POLICY")]
    pub admission_policy: Option<String>,

    /// A JSON file that names the endpoints that spec.gates may ask: of Prometheus, and webhooks. Default: there are none.
    #[arg(long, value_name = "PATH", env = "ESS_ROLLOUT_GATE_ENDPOINTS")]
    pub gate_endpoints: Option<PathBuf>,

    /// Where /livez, /readyz and /metrics are served. Port 0 takes any.
    #[arg(
        long,
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS",
        env = "ESS_ROLLOUT_HEALTH_ADDR"
    )]
    pub health_addr: SocketAddr,

    /// Write a JSON object with the address of the health server here once the watches are synced.
    #[arg(long, value_name = "PATH")]
    pub ready_file: Option<PathBuf>,

    /// How log lines look.
    #[arg(
        long,
        value_enum,
        default_value = "json",
        env = "ESS_ROLLOUT_LOG_FORMAT"
    )]
    pub log_format: LogFormat,

    /// off, error, warn, info, debug or trace; or a list such as info,ess_rollout=debug. What a list says nothing
    /// about is logged at info.
    #[arg(long, default_value = "info", env = "RUST_LOG", value_name = "FILTER")]
    pub log_level: String,

    /// Calls a second of OOS APIs that read (ListExecutions and others together), for each account and region, 1 to 1000. No
    /// figures are published: raise it where the account's quota is known to be higher.
    #[arg(long, default_value_t = 10, value_name = "N", env = "ESS_ROLLOUT_OOS_READS_PER_SECOND", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub oos_reads_per_second: u16,

    /// StartExecution calls a second for each account and region, 1 to 1000. Who is later waits for his turn and says so.
    #[arg(long, default_value_t = 8, value_name = "N", env = "ESS_ROLLOUT_OOS_STARTS_PER_SECOND", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub oos_starts_per_second: u16,

    /// NotifyExecution and CancelExecution calls a second for each account and region, together, 1 to 1000.
    #[arg(long, default_value_t = 10, value_name = "N", env = "ESS_ROLLOUT_OOS_REQUESTS_PER_SECOND", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub oos_requests_per_second: u16,

    /// Objects of one account and region that are looked at side by side, 1 to 250; twice as many of all together.
    #[arg(long, default_value_t = 128, value_name = "N", env = "ESS_ROLLOUT_WORKERS", value_parser = clap::value_parser!(u8).range(1..=250))]
    pub workers: u8,
}
