//! What the program was told, checked once and typed. Passed down, never global.

use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, time::Duration};

use ess_rollout_aliyun::{
    ClientConfig, EndpointError, Endpoints, Limits, Network, Rate, Service, Timeouts,
};

use crate::{
    cli::{NetworkArg, RunArgs},
    endpoints::{self, EndpointConfig},
    runtime::{dispatcher::Workers, lease::Times},
};

/// No time is enough for a call that is shorter.
const SHORTEST_EFFECT: Duration = Duration::from_millis(500);

/// Settings of `run`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// As given; `None`: the default of the Kubernetes configuration.
    pub namespace: Option<String>,
    /// Shown in Events.
    pub pod_name: Option<String>,
    /// Empty: all.
    pub watch_namespaces: BTreeSet<String>,
    /// The region of tasks that name none.
    pub region: Option<String>,
    /// Addresses that replace the services' own.
    pub endpoints: Endpoints,
    /// Which of the services' own addresses to use.
    pub network: Network,
    /// `None`: the operator's own namespace.
    pub own_credentials_namespaces: Option<BTreeSet<String>>,
    /// RAM roles for tasks with the operator's own credentials.
    pub own_credentials_ram_roles: BTreeSet<String>,
    /// Between polls.
    pub poll_interval: Duration,
    /// Between writes of nothing but progress.
    pub progress_interval: Duration,
    /// How long one call to the cloud may take.
    pub call_timeout: Duration,
    /// L, the bound on lateness.
    pub call_lifetime: Duration,
    /// `None`: the process is alone.
    pub election: Option<Election>,
    /// The policy under which the names in requests are verified; `None`: there is none.
    pub admission_policy: Option<String>,
    /// What checks between batches may ask.
    pub gate_endpoints: Vec<EndpointConfig>,
    /// Where health and metrics are served.
    pub health: SocketAddr,
    /// Written once the watches are synced.
    pub ready_file: Option<PathBuf>,
    /// The rates of the account that calls keep to.
    pub rates: Limits,
    /// Objects that are looked at side by side.
    pub workers: Workers,
}

/// How leadership is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Election {
    /// The name of the Lease.
    pub lease_name: String,
    /// Its times.
    pub times: Times,
}

/// A flag that cannot be used. The text names it and says what would do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// The form of an endpoint.
    #[error(
        "--endpoint {given:?} must be SERVICE=URL with SERVICE one of oos, ess, ecs, eci, cms, slb, alb, nlb, sts, all; for instance oos=https://oos.example.com"
    )]
    EndpointForm {
        /// As given.
        given: String,
    },
    /// The URL of an endpoint.
    #[error("--endpoint")]
    Endpoint(#[source] EndpointError),
    /// A region that is none.
    #[error("--region")]
    Region(#[source] EndpointError),
    /// Times of the election that do not fit each other.
    #[error("--leader-elect-…: {0}")]
    Election(String),
    /// A Lease's name that is none.
    #[error(
        "--leader-elect-lease-name {0:?} is not the name of a Lease: lower-case letters, digits, hyphens and dots, at most 253"
    )]
    LeaseName(String),
    /// A policy's name that is none.
    #[error(
        "--admission-policy {0:?} is not the name of a ValidatingAdmissionPolicy: lower-case letters, digits, hyphens and dots, at most 253"
    )]
    AdmissionPolicy(String),
    /// The file with the endpoints of checks.
    #[error(transparent)]
    GateEndpoints(endpoints::ConfigError),
    /// A namespace that is none.
    #[error(
        "--{flag} {given:?} is not a namespace: lower-case letters, digits and hyphens, at most 63"
    )]
    Namespace {
        /// The flag.
        flag: &'static str,
        /// As given.
        given: String,
    },
}

impl TryFrom<&RunArgs> for Settings {
    type Error = SettingsError;

    fn try_from(args: &RunArgs) -> Result<Self, SettingsError> {
        // Without `..`: a new flag must not be overlooked here.
        let RunArgs {
            namespace,
            pod_name,
            watch_namespaces,
            region,
            endpoint,
            network,
            own_credentials_namespaces,
            own_credentials_ram_roles,
            poll_interval_seconds,
            progress_interval_seconds,
            call_timeout_seconds,
            settle_seconds,
            leader_elect,
            leader_elect_lease_name,
            leader_elect_lease_duration_seconds,
            leader_elect_renew_deadline_seconds,
            leader_elect_retry_period_seconds,
            admission_policy,
            gate_endpoints,
            health_addr,
            ready_file,
            log_format: _,
            log_level: _,
            oos_reads_per_second,
            oos_starts_per_second,
            oos_requests_per_second,
            workers,
        } = args;
        let namespace = match namespace.as_deref() {
            None | Some("") => None,
            Some(given) => Some(a_namespace("namespace", given)?),
        };
        let region = region.clone().filter(|region| !region.is_empty());
        if let Some(region) = &region {
            Endpoints::standard()
                .resolve(Network::Vpc, Service::Oos, region)
                .map_err(SettingsError::Region)?;
        }
        let election = Election {
            lease_name: leader_elect_lease_name.clone(),
            times: Times {
                lease: *leader_elect_lease_duration_seconds,
                renew_deadline: *leader_elect_renew_deadline_seconds,
                retry: *leader_elect_retry_period_seconds,
            },
        };
        let election = leader_elect.then(|| checked(election)).transpose()?;
        Ok(Self {
            namespace,
            pod_name: pod_name.clone().filter(|name| !name.is_empty()),
            watch_namespaces: namespaces("watch-namespaces", watch_namespaces)?,
            region,
            endpoints: services(endpoint)?,
            network: match network {
                NetworkArg::Public => Network::Public,
                NetworkArg::Vpc => Network::Vpc,
            },
            own_credentials_namespaces: own_credentials_namespaces
                .as_deref()
                .map(|given| namespaces("own-credentials-namespaces", given))
                .transpose()?,
            own_credentials_ram_roles: words(own_credentials_ram_roles)
                .map(str::to_owned)
                .collect(),
            poll_interval: *poll_interval_seconds,
            progress_interval: *progress_interval_seconds,
            call_timeout: *call_timeout_seconds,
            call_lifetime: *settle_seconds,
            election,
            admission_policy: a_policy(admission_policy.as_deref())?,
            gate_endpoints: match gate_endpoints.as_deref() {
                // A variable that is set to nothing is common.
                None => Vec::new(),
                Some(path) if path.as_os_str().is_empty() => Vec::new(),
                Some(path) => endpoints::read(path).map_err(SettingsError::GateEndpoints)?,
            },
            health: *health_addr,
            ready_file: ready_file.clone(),
            rates: Limits {
                oos_reads: Rate::per_second(u32::from(*oos_reads_per_second)),
                oos_starts: Rate::per_second(u32::from(*oos_starts_per_second)),
                oos_requests: Rate::per_second(u32::from(*oos_requests_per_second)),
                ..Limits::default()
            },
            workers: Workers {
                in_a_lane: usize::from(*workers),
                in_all: 2 * usize::from(*workers),
            },
        })
    }
}

fn checked(election: Election) -> Result<Election, SettingsError> {
    let name = &election.lease_name;
    if !is_name(name) {
        return Err(SettingsError::LeaseName(name.clone()));
    }
    let effect = election.times.longest_effect();
    let checked = election.times.check(effect);
    checked.map_err(SettingsError::Election)?;
    if effect < SHORTEST_EFFECT {
        return Err(SettingsError::Election(format!(
            "the renew deadline, {:?}, has to be longer than two retry periods, {:?} each, by {SHORTEST_EFFECT:?} at least: what the leader does takes as long",
            election.times.renew_deadline, election.times.retry
        )));
    }
    Ok(election)
}

fn a_policy(given: Option<&str>) -> Result<Option<String>, SettingsError> {
    let Some(name) = given.filter(|given| !given.is_empty()) else {
        return Ok(None);
    };
    match is_name(name) {
        true => Ok(Some(name.to_owned())),
        false => Err(SettingsError::AdmissionPolicy(name.to_owned())),
    }
}

impl Settings {
    /// Where the cloud is, and how long it may take to answer.
    pub fn client_config(&self) -> ClientConfig {
        ClientConfig {
            endpoints: self.endpoints.clone(),
            network: self.network,
            timeouts: Timeouts {
                request: self.call_timeout,
                ..Timeouts::default()
            },
            ..ClientConfig::default()
        }
    }

    /// How long one call that changes something may take, of the cloud or the apiserver.
    pub fn longest_effect(&self) -> Duration {
        let election = self.election.as_ref();
        let bound = election.map(|election| election.times.longest_effect());
        bound.map_or(self.call_timeout, |bound| bound.min(self.call_timeout))
    }
}

/// Without the empty ones: `a,,b` and a variable that is set to nothing are common.
fn words(given: &[String]) -> impl Iterator<Item = &str> {
    given
        .iter()
        .map(|word| word.trim())
        .filter(|word| !word.is_empty())
}

fn namespaces(flag: &'static str, given: &[String]) -> Result<BTreeSet<String>, SettingsError> {
    words(given).map(|word| a_namespace(flag, word)).collect()
}

/// Of a Lease or a policy: a DNS-1123 subdomain.
fn is_name(given: &str) -> bool {
    given.len() <= 253 && given.split('.').all(is_label)
}

/// Of whatever length.
fn is_label(given: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !given.is_empty()
        && given.bytes().all(inner)
        && !given.starts_with('-')
        && !given.ends_with('-')
}

fn a_namespace(flag: &'static str, given: &str) -> Result<String, SettingsError> {
    match given.len() <= 63 && is_label(given) {
        true => Ok(given.to_owned()),
        false => Err(SettingsError::Namespace {
            flag,
            given: given.to_owned(),
        }),
    }
}

fn services(given: &[String]) -> Result<Endpoints, SettingsError> {
    let mut endpoints = Endpoints::standard();
    for given in words(given) {
        let form = || SettingsError::EndpointForm {
            given: given.to_owned(),
        };
        let (service, url) = given.split_once('=').ok_or_else(form)?;
        let service = match service.trim().to_ascii_lowercase().as_str() {
            "all" => None,
            "oos" => Some(Service::Oos),
            "ess" => Some(Service::Ess),
            "ecs" => Some(Service::Ecs),
            "eci" => Some(Service::Eci),
            "cms" => Some(Service::Cms),
            "slb" => Some(Service::Slb),
            "alb" => Some(Service::Alb),
            "nlb" => Some(Service::Nlb),
            "sts" => Some(Service::Sts),
            _ => return Err(form()),
        };
        endpoints = match service {
            None => endpoints.with_all(url),
            Some(service) => endpoints.with(service, url),
        }
        .map_err(SettingsError::Endpoint)?;
    }
    Ok(endpoints)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn settings(flags: &[&str]) -> Result<Settings, SettingsError> {
        let words = ["ess-rollout", "run"].iter().chain(flags);
        match Cli::try_parse_from(words).unwrap().command {
            Command::Run(args) => Settings::try_from(&*args),
            Command::Check(_) | Command::Crds(_) => unreachable!("run was asked for"),
        }
    }

    #[test]
    fn durations_may_have_fractions_and_nothing_else() {
        let given =
            settings(&["--poll-interval-seconds", "0.5", "--settle-seconds", "1.25"]).unwrap();
        assert_eq!(given.poll_interval, Duration::from_millis(500));
        assert_eq!(given.call_lifetime, Duration::from_millis(1250));
        for wrong in ["0", "-1", "NaN", "inf", "1e9", "10s", ""] {
            let flag = format!("--poll-interval-seconds={wrong}");
            let error = Cli::try_parse_from(["ess-rollout", "run", &flag]).unwrap_err();
            let text = error.to_string();
            assert!(
                text.contains("--poll-interval-seconds") && text.contains("from 0.05 to 3600"),
                "{text}"
            );
        }
    }

    #[test]
    fn endpoints_name_a_service_and_a_base_url() {
        let given = settings(&[
            "--endpoint",
            "all=http://127.0.0.1:9",
            "--endpoint",
            "OOS=https://oos.example.com",
        ])
        .unwrap();
        let host = |service| {
            given
                .endpoints
                .resolve(Network::Public, service, "cn-hangzhou")
                .unwrap()
                .to_string()
        };
        assert!(host(Service::Oos).starts_with("https://oos.example.com"));
        assert!(host(Service::Ess).starts_with("http://127.0.0.1:9"));
        for wrong in ["oos", "rds=http://x", "oos=not a url"] {
            assert!(settings(&["--endpoint", wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn own_credentials_default_to_the_own_namespace_and_may_be_nobodys() {
        assert_eq!(settings(&[]).unwrap().own_credentials_namespaces, None);
        assert_eq!(
            settings(&["--own-credentials-namespaces="])
                .unwrap()
                .own_credentials_namespaces,
            Some(BTreeSet::new())
        );
        assert_eq!(
            settings(&["--own-credentials-namespaces", "a,b"])
                .unwrap()
                .own_credentials_namespaces,
            Some(BTreeSet::from(["a".to_owned(), "b".to_owned()]))
        );
    }

    #[test]
    fn the_admission_policy_is_a_name_or_none() {
        let policy = |flag| settings(&[flag]).map(|settings| settings.admission_policy);
        let named = policy("--admission-policy=ess-rollout.web.requests");
        assert_eq!(named, Ok(Some("ess-rollout.web.requests".to_owned())));
        assert_eq!(policy("--admission-policy="), Ok(None));
        assert!(policy("--admission-policy=Requests/x").is_err());
    }

    #[test]
    fn regions_and_namespaces_are_checked() {
        assert!(settings(&["--region", "cn-hangzhou"]).is_ok());
        assert!(settings(&["--region", "evil.example.com/"]).is_err());
        assert!(settings(&["--watch-namespaces", "a,B"]).is_err());
        assert_eq!(
            settings(&["--watch-namespaces", "a,,b"])
                .unwrap()
                .watch_namespaces
                .len(),
            2
        );
    }
}
