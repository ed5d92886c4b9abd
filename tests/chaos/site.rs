//! One emulated cloud, two operators of which one leads, and the proxies between each of them and its servers. Rounds on one site
//! follow each other; each run in them has a scaling group of its own.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ess_rollout_test_support::operator::Health;
use ess_rollout_test_support::proxy::{Proxy, Upstream};
use ess_rollout_test_support::{ControlPlane, Emulator, Installation, Operator, Options};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;
use tokio::task::JoinSet;

use super::chronicle::{Chronicle, Recorder, Side};
use super::objects::Objects;
use super::scenario::Scenario;

pub const REGION: &str = "cn-hangzhou";
/// The bound on lateness that the operators are told: a call has its effect within this time after it was given up. More than the
/// proxies take, on a machine that has much else to do.
const SETTLE: Duration = Duration::from_secs(2);
/// How long one call to the cloud may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(4);
const POLL: Duration = Duration::from_millis(800);
/// Between two writes of nothing but progress.
const PROGRESS: Duration = Duration::from_secs(2);
/// Suspended by a person before the run.
pub const FOUND_SUSPENDED: &str = "ScheduledAction";
pub const OLD_IMAGE: &str = "m-old";
pub const NEW_IMAGE: &str = "m-new";
const OLD_CONTAINER: &str = "registry/app:v1";
pub const NEW_CONTAINER: &str = "registry/app:v2";
pub const PACKAGE: &str = "my-agent";
pub const INSTANCES: usize = 4;
/// Whose calls are the operators', and whose are the test's.
pub const OPERATOR: &str = "operator";
pub const PERSON: &str = "person";

/// Between two looks at who leads.
const LOOK: Duration = Duration::from_millis(100);

/// One of the two operators and its ways to its servers.
pub struct Actor {
    pub side: Side,
    pub health: Health,
    pub apiserver: Proxy,
    pub cloud: Proxy,
    operator: Arc<Mutex<Operator>>,
    series: String,
}

impl Actor {
    /// What its metric says: whether it leads. `None`: it does not answer.
    pub async fn leads(&self) -> Option<bool> {
        Some(self.health.metric(&self.series).await? == 1.0)
    }

    /// How long after `since` it leads.
    pub async fn until_it_leads(&self, since: Instant, bound: Duration) -> Result<Duration> {
        while self.leads().await != Some(true) {
            if since.elapsed() > bound {
                bail!("{} does not lead after {bound:?}", self.side);
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(since.elapsed())
    }

    /// Does something to the process.
    pub async fn process<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Operator) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let operator = self.operator.clone();
        tokio::task::spawn_blocking(move || work(&mut locked(&operator))).await?
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        locked(&self.operator).process().log_tail()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Fields are dropped from the top: the operators end first.
pub struct Site {
    actors: [Actor; 2],
    pub chronicle: Arc<Chronicle>,
    pub emulator: Emulator,
    /// The tasks and records, as the apiserver has them.
    pub objects: Arc<Objects>,
    client: kube::Client,
    _watches: JoinSet<()>,
    installation: Installation,
    _directory: tempfile::TempDir,
}

/// The name of the round that a site has as its nth.
pub fn round_name(nth: usize) -> String {
    format!("{nth:03}")
}

/// A scene with a scaling group for each run of so many rounds.
fn fixture(rounds: usize) -> String {
    let mut text = format!(
        "regions: [{REGION}]\n\
         durations: {{command: 10, stopInstance: 5, startInstance: 5, replaceSystemDisk: 10, updateContainerGroup: 10, createImage: 60}}\n\
         principals:\n\
         - {{name: {OPERATOR}, accessKeyId: operator-id, accessKeySecret: operator-secret, allow: ['*']}}\n\
         - {{name: {PERSON}, accessKeyId: person-id, accessKeySecret: person-secret, allow: ['*']}}\n\
         roles:\n\
         - {{name: OOSServiceRole, trustsOos: true, allow: ['*']}}\n\
         images: [{{imageId: {OLD_IMAGE}}}, {{imageId: {NEW_IMAGE}}}]\n\
         packages: [{{name: {PACKAGE}, versions: 3}}]\n\
         commands:\n\
         - {{instance: '{skipped}', exitCode: 3}}\n\
         - {{instance: '{retried}', attempt: 1, contentContains: configure_package, exitCode: 4}}\n",
        skipped = Scenario::Skipped.member("*", 2),
        retried = Scenario::Package.member("*", 2),
    );
    let rounds = || (0..rounds).map(round_name);
    text.push_str("faults:\n");
    for round in rounds() {
        let _ = writeln!(
            text,
            "- {{service: ECI, action: UpdateContainerGroup, params: {{ContainerGroupId: {}}}, caller: oos, count: 1, \
             effect: {{kind: error, status: 500, code: InternalError, message: try again}}}}",
            Scenario::Containers.member(&round, 2)
        );
    }
    text.push_str("scalingGroups:\n");
    for round in rounds() {
        for scenario in Scenario::ALL {
            let members = match scenario {
                Scenario::Containers => format!(
                    "groupType: ECI, eciConfigurations: [{{scalingConfigurationId: {}, containers: \
                     [{{Name: app, Image: '{OLD_CONTAINER}', Cpu: 1}}]}}], containerGroups: {{count: {INSTANCES}}}",
                    scenario.configuration(&round)
                ),
                _ => format!(
                    "configurations: [{{scalingConfigurationId: {}, imageId: {OLD_IMAGE}}}], \
                     instances: {{count: {INSTANCES}, packages: {{{PACKAGE}: v1}}}}",
                    scenario.configuration(&round)
                ),
            };
            let _ = writeln!(
                text,
                "- {{scalingGroupId: {}, minSize: 0, maxSize: 10, suspendedProcesses: [{FOUND_SUSPENDED}], {members}}}",
                scenario.group(&round)
            );
        }
    }
    text
}

/// How an operator is run that reaches its servers through these proxies.
fn options(
    installation: &Installation,
    side: Side,
    (apiserver, cloud): (&Proxy, &Proxy),
) -> Result<Options> {
    let file = format!("kubeconfig-{side}");
    let kubeconfig = installation.kubeconfig_through(&apiserver.url(), &file)?;
    let options = installation
        .operator()
        .kubeconfig(kubeconfig)
        .access_key("operator-id", "operator-secret")
        .env("POD_NAME", &format!("ess-rollout-{side}"))
        .setting("--endpoint", format!("all={}", cloud.url()))
        .setting("--poll-interval-seconds", POLL.as_secs_f64())
        // Such polls alone would take most of what an account has.
        .setting("--oos-reads-per-second", 200)
        .setting("--settle-seconds", SETTLE.as_secs_f64())
        .setting("--call-timeout-seconds", CALL_TIMEOUT.as_secs_f64())
        .setting("--progress-interval-seconds", PROGRESS.as_secs_f64());
    Ok(options)
}

impl Site {
    /// Starts everything, for so many rounds; one operator leads and the other stands by when this returns.
    pub async fn start(control_plane: &'static ControlPlane, rounds: usize) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("ess-rollout-chaos-")
            .tempdir()?;
        let scene = directory.path().join("fixture.yaml");
        std::fs::write(&scene, fixture(rounds))?;
        let emulator = tokio::task::spawn_blocking(move || Emulator::start(&scene)).await??;
        let endpoint = emulator.endpoint().to_owned();
        let values = json!({"replicaCount": 2, "leaderElection": {"enabled": true}});
        let installation = tokio::task::spawn_blocking(move || {
            Installation::new(control_plane, "chaos", REGION, &endpoint, &values)
        })
        .await??;
        let chronicle = Arc::new(Chronicle::default());
        let mut actors = Vec::new();
        for side in Side::BOTH {
            let recorder = Arc::new(Recorder {
                side,
                chronicle: chronicle.clone(),
            });
            actors.push(actor(control_plane, &installation, &emulator, recorder).await?);
        }
        let Ok(actors) = <[Actor; 2]>::try_from(actors) else {
            bail!("there are two sides");
        };

        let client = control_plane.client().await?;
        let objects = Arc::new(Objects::default());
        let mut watches = JoinSet::new();
        for (kind, namespace) in [
            ("RollingUpdateTask", &installation.tasks),
            ("Rollback", &installation.tasks),
            ("ImageUpdateTask", &installation.tasks),
            ("ScalingGroupRecord", &installation.namespace),
        ] {
            let api = api(client.clone(), namespace, kind);
            watches.spawn(objects.clone().follow(kind, api));
        }
        let site = Self {
            actors,
            chronicle,
            emulator,
            objects,
            client,
            _watches: watches,
            installation,
            _directory: directory,
        };
        site.leader().await?;
        Ok(site)
    }

    /// The objects of a kind in the namespace of the tasks.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        api(self.client.clone(), &self.installation.tasks, kind)
    }

    pub fn actor(&self, side: Side) -> &Actor {
        &self.actors[side as usize]
    }

    /// Waits until one leads and the other stands by, and gives the one.
    pub async fn leader(&self) -> Result<Side> {
        const BOUND: Duration = Duration::from_secs(60);
        let since = Instant::now();
        while since.elapsed() < BOUND {
            for side in Side::BOTH {
                let (one, other) = (self.actor(side), self.actor(side.other()));
                if one.leads().await == Some(true) && other.leads().await == Some(false) {
                    return Ok(side);
                }
            }
            tokio::time::sleep(LOOK).await;
        }
        bail!("after {BOUND:?} it is not so that one operator leads and the other stands by")
    }

    /// The ends of both logs.
    pub fn logs(&self) -> String {
        let logs = self
            .actors
            .each_ref()
            .map(|actor| format!("{}: {}", actor.side, actor.log_tail()));
        logs.join("\n")
    }
}

/// Starts one operator behind proxies of its own.
async fn actor(
    control_plane: &'static ControlPlane,
    installation: &Installation,
    emulator: &Emulator,
    recorder: Arc<Recorder>,
) -> Result<Actor> {
    let side = recorder.side;
    let handshake = control_plane.handshake();
    let authority = Some(handshake.certificate_authority.as_path());
    let server = &handshake.server;
    let apiserver = Proxy::start(Upstream::Apiserver, server, authority, recorder.clone()).await?;
    let cloud = Proxy::start(Upstream::Cloud, emulator.endpoint(), None, recorder).await?;
    let options = options(installation, side, (&apiserver, &cloud))?;
    let lease = options
        .flags
        .iter()
        .find_map(|flag| flag.strip_prefix("--leader-elect-lease-name="));
    let series = format!(
        "leader_election_master_status{{name=\"{}\"}}",
        lease.unwrap_or("ess-rollout")
    );
    let operator = tokio::task::spawn_blocking(move || Operator::start(&options)).await??;
    Ok(Actor {
        side,
        health: operator.health()?,
        apiserver,
        cloud,
        operator: Arc::new(Mutex::new(operator)),
        series,
    })
}

fn api(client: kube::Client, namespace: &str, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("ess-rollout.io", "v1alpha1", kind);
    Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind))
}
