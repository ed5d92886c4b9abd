//! One emulated cloud, one operator, and the two proxies between them and the apiserver. Runs on one site follow each other;
//! each has a scaling group of its own.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use ess_rollout_api::v1alpha1::{RollingUpdateTask, ScalingGroupRecord};
use ess_rollout_core::identity;
use ess_rollout_test_support::proxy::{Proxy, Upstream};
use ess_rollout_test_support::{ControlPlane, Emulator, Installation, Operator};
use kube::Api;
use serde_json::json;

use super::gate::Gate;

pub const REGION: &str = "cn-hangzhou";
/// The bound on lateness that the operator is told: a call has its effect within this time after it was given up. A tenth of
/// it is what a busy machine may take for the way of a call that comes as late as may be.
pub const SETTLE: Duration = Duration::from_secs(2);
/// How long one call of the operator may take. A decision is acted on within half of it: what a busy machine does not write
/// down in that time is decided again, and a scenario ends only where it mostly does.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// Virtual seconds per real second. A batch takes less than the bound on lateness, so that a call which comes late
/// can meet the next pause.
pub const CLOCK_SCALE: f64 = 150.0;
/// Suspended by a person before the run.
pub const FOUND_SUSPENDED: &str = "ScheduledAction";
pub const OLD_IMAGE: &str = "m-old";
pub const NEW_IMAGE: &str = "m-new";
/// A script that holds this fails on the second instance of a group.
pub const FAILS: &str = "fail-on-the-second";
pub const INSTANCES: usize = 4;
/// Whose calls are the operator's, and whose are the test's.
pub const OPERATOR: &str = "operator";
pub const PERSON: &str = "person";

pub struct Site {
    pub gate: Arc<Gate>,
    pub emulator: Emulator,
    pub tasks: Api<RollingUpdateTask>,
    pub records: Api<ScalingGroupRecord>,
    _proxies: [Proxy; 2],
    _installation: Installation,
    _directory: tempfile::TempDir,
}

pub fn group(run: usize) -> String {
    format!("asg-{run:04}")
}

/// A scene with a scaling group for each run.
fn fixture(runs: usize) -> String {
    let mut text = format!(
        "clockScale: {CLOCK_SCALE}\n\
         regions: [{REGION}]\n\
         durations: {{command: 5, stopInstance: 5, startInstance: 5, replaceSystemDisk: 5}}\n\
         principals:\n\
         - {{name: {OPERATOR}, accessKeyId: operator-id, accessKeySecret: operator-secret, allow: ['*']}}\n\
         - {{name: {PERSON}, accessKeyId: person-id, accessKeySecret: person-secret, allow: ['*']}}\n\
         roles:\n\
         - {{name: OOSServiceRole, trustsOos: true, allow: ['*']}}\n\
         images: [{{imageId: {OLD_IMAGE}}}, {{imageId: {NEW_IMAGE}}}]\n\
         commands:\n\
         - {{instance: 'i-*-02', contentContains: {FAILS}, exitCode: 3}}\n\
         scalingGroups:\n"
    );
    for run in 0..runs {
        let _ = writeln!(
            text,
            "- scalingGroupId: {group}\n  minSize: 0\n  maxSize: 10\n  suspendedProcesses: [{FOUND_SUSPENDED}]\n  \
             configurations: [{{scalingConfigurationId: asc-{run:04}, imageId: {OLD_IMAGE}}}]\n  \
             instances: {{count: {INSTANCES}}}",
            group = group(run),
        );
    }
    text
}

impl Site {
    /// Starts everything; the operator is ready when this returns.
    pub async fn start(control_plane: &'static ControlPlane, runs: usize) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("ess-rollout-crash-")
            .tempdir()?;
        let scene = directory.path().join("fixture.yaml");
        std::fs::write(&scene, fixture(runs))?;
        let emulator = tokio::task::spawn_blocking(move || Emulator::start(&scene)).await??;
        let gate = Arc::new(Gate::default());
        let cloud = Proxy::start(Upstream::Cloud, emulator.endpoint(), None, gate.clone()).await?;
        let handshake = control_plane.handshake();
        let authority = Some(handshake.certificate_authority.as_path());
        let apiserver = Proxy::start(
            Upstream::Apiserver,
            &handshake.server,
            authority,
            gate.clone(),
        )
        .await?;

        let endpoint = cloud.url();
        let installation = tokio::task::spawn_blocking(move || {
            Installation::new(control_plane, "crash", REGION, &endpoint, &json!({}))
        })
        .await??;
        // The operator's way to the apiserver leads through the proxy; its token is its own.
        let kubeconfig = installation.kubeconfig_through(&apiserver.url(), "kubeconfig-proxy")?;
        let options = installation
            .operator()
            .kubeconfig(kubeconfig)
            .access_key("operator-id", "operator-secret")
            .setting("--poll-interval-seconds", 0.2)
            // Such polls alone would take most of what an account has.
            .setting("--oos-reads-per-second", 200)
            .setting("--settle-seconds", SETTLE.as_secs_f64())
            .setting("--call-timeout-seconds", CALL_TIMEOUT.as_secs_f64())
            // Progress writes are held back, so that a run has the same writes each time.
            .setting("--progress-interval-seconds", 600);
        let operator = tokio::task::spawn_blocking(move || Operator::start(&options)).await??;
        gate.guard(operator);

        let client = control_plane.client().await?;
        Ok(Self {
            gate,
            tasks: Api::namespaced(client.clone(), &installation.tasks),
            records: Api::namespaced(client, &installation.namespace),
            emulator,
            _proxies: [cloud, apiserver],
            _installation: installation,
            _directory: directory,
        })
    }

    /// The virtual time.
    pub async fn now(&self) -> Result<jiff::Timestamp> {
        let clock = self.emulator.get("clock").await?;
        Ok(clock["now"]
            .as_str()
            .context("the emulator's clock shows no time")?
            .parse()?)
    }

    /// Whether the group of a run is held by a task.
    pub async fn holds(&self, run: usize) -> Result<bool> {
        let record = self
            .records
            .get_opt(&identity::record_name(REGION, &group(run)))
            .await?;
        Ok(record
            .and_then(|record| record.status)
            .is_some_and(|status| status.holder.is_some()))
    }
}
