//! A Kubernetes control plane on loopback: etcd, kube-apiserver with RBAC and an audit log, and kube-controller-manager
//! for what objects need to go away (garbage collection, namespaces) and to come (default ServiceAccounts, aggregated
//! ClusterRoles).
//!
//! Starting one takes about three seconds, so a test run shares one: [`shared`] within a process, and across
//! processes when they run below `with-control-plane` (which `make test` does). Tests keep apart by namespaces
//! ([`crate::Kubectl::namespace`]); a test that needs cluster-wide peace starts its own with [`ControlPlane::start`].

mod files;

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::process::Process;
use crate::{AuditLog, Kubectl, source_root, watchdog};

/// Names the file that says where a running control plane is (a [`Handshake`]); set by `with-control-plane`.
pub const HANDSHAKE_VARIABLE: &str = "ESS_ROLLOUT_TEST_CONTROL_PLANE";

/// A warm start takes 3 s; a machine that compiles at the same time needs many times that.
const START_TIMEOUT: Duration = Duration::from_secs(240);

/// A port that was free may be taken before the program binds it.
const ATTEMPTS: usize = 3;

/// What another process needs to use a control plane.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// `https://127.0.0.1:PORT`.
    pub server: String,
    /// Kubeconfig of a user in `system:masters`.
    pub kubeconfig: PathBuf,
    pub audit_log: PathBuf,
    /// PEM of the authority that signed the apiserver's certificate.
    pub certificate_authority: PathBuf,
    pub kubectl: PathBuf,
}

/// The programs, in the order in which they must end: `Drop` goes through fields from the top, and an apiserver whose etcd is gone does not
/// end on SIGTERM and keeps its port.
#[derive(Debug)]
struct Programs {
    controller_manager: Option<Process>,
    apiserver: Process,
    etcd: Process,
    directory: TempDir,
}

/// A control plane that runs: its own, or one that another process owns.
#[derive(Debug)]
pub struct ControlPlane {
    handshake: Handshake,
    programs: Option<Programs>,
}

/// The control plane of this test run: the one that `with-control-plane` started, else one that starts now and ends with
/// this process.
///
/// # Panics
/// When it cannot be started: no test can go on then. The second caller gets the same message without waiting again.
pub fn shared() -> &'static ControlPlane {
    static SHARED: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| {
        let found = match std::env::var_os(HANDSHAKE_VARIABLE) {
            Some(file) => ControlPlane::attach(Path::new(&file)),
            None => ControlPlane::start(),
        };
        found.map_err(|error| format!("{error:#}"))
    });
    match shared {
        Ok(control_plane) => control_plane,
        Err(error) => panic!("no control plane: {error}"),
    }
}

impl ControlPlane {
    /// Starts one, and returns when the apiserver is ready. Its programs come from `hack/control-plane`, which builds
    /// them first where needed (minutes).
    pub fn start() -> Result<Self> {
        let assets = assets()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&assets) {
                Err(error)
                    if attempt < ATTEMPTS
                        && format!("{error:#}").contains("address already in use") =>
                {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    /// Uses one that another process owns.
    pub fn attach(handshake: &Path) -> Result<Self> {
        let text = fs::read_to_string(handshake).with_context(|| {
            format!(
                "{HANDSHAKE_VARIABLE} names {}, which cannot be read",
                handshake.display()
            )
        })?;
        Ok(Self {
            handshake: serde_json::from_str(&text)?,
            programs: None,
        })
    }

    fn start_once(assets: &Path) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("ess-rollout-control-plane-")
            .tempdir()?;
        let dir = directory.path();
        watchdog::add_directory(dir)?;
        let users = files::write(dir)?;
        let [client_port, peer_port, apiserver_port] = free_ports()?;

        let etcd_url = format!("http://127.0.0.1:{client_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let mut etcd = Process::new("etcd", assets.join("etcd"), dir.join("etcd.log"))
            .arg("--data-dir")
            .arg(dir.join("etcd"))
            .args([
                "--listen-client-urls",
                &etcd_url,
                "--advertise-client-urls",
                &etcd_url,
            ])
            .args([
                "--listen-peer-urls",
                &peer_url,
                "--initial-advertise-peer-urls",
                &peer_url,
            ])
            .args(["--initial-cluster", &format!("default={peer_url}")])
            // Nobody needs this data after a power cut.
            .args(["--unsafe-no-fsync", "--log-level", "error"]);
        etcd.start()?;
        // Its ports may have been taken meanwhile: then it has ended, and its log says why.
        etcd.wait_until("its port", START_TIMEOUT, || {
            TcpStream::connect(("127.0.0.1", client_port)).ok()
        })?;

        let server = format!("https://127.0.0.1:{apiserver_port}");
        let certificate_authority = dir.join("certificates/apiserver.crt");
        let mut apiserver = Process::new(
            "kube-apiserver",
            assets.join("kube-apiserver"),
            dir.join("kube-apiserver.log"),
        )
        .args(["--etcd-servers", &etcd_url])
        .arg("--cert-dir")
        .arg(dir.join("certificates"))
        .args([
            "--bind-address",
            "127.0.0.1",
            "--secure-port",
            &apiserver_port.to_string(),
        ])
        .arg("--service-account-key-file")
        .arg(dir.join(files::SERVICE_ACCOUNT_PUBLIC_KEY))
        .arg("--service-account-signing-key-file")
        .arg(dir.join(files::SERVICE_ACCOUNT_KEY))
        .args(["--service-account-issuer", "https://kubernetes.default.svc"])
        // Only the range to allocate from: nothing is sent there.
        .args(["--service-cluster-ip-range", "10.0.0.0/24"])
        .args(["--authorization-mode", "RBAC"])
        .arg("--token-auth-file")
        .arg(dir.join(files::TOKENS))
        .arg("--audit-policy-file")
        .arg(dir.join(files::AUDIT_POLICY))
        .arg("--audit-log-path")
        .arg(dir.join(files::AUDIT_LOG));
        apiserver.start()?;

        let kubeconfig = dir.join("admin.kubeconfig");
        // The apiserver writes its certificate, which the kubeconfig points at, when it starts.
        files::write_kubeconfig(&kubeconfig, &server, &certificate_authority, &users.admin)?;
        let kubectl = Kubectl::new(assets.join("kubectl"), &kubeconfig);
        apiserver.wait_until("/readyz", START_TIMEOUT, || {
            kubectl.run(&["get", "--raw", "/readyz"]).ok()
        })?;

        let controller_manager =
            start_controller_manager(assets, dir, &server, &certificate_authority, &users)?;
        let handshake = Handshake {
            server,
            kubeconfig,
            audit_log: dir.join(files::AUDIT_LOG),
            certificate_authority,
            kubectl: assets.join("kubectl"),
        };
        let programs = Programs {
            controller_manager,
            apiserver,
            etcd,
            directory,
        };
        Ok(Self {
            handshake,
            programs: Some(programs),
        })
    }

    /// What another process needs to [`ControlPlane::attach`].
    pub fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// Kubeconfig file of the admin.
    pub fn kubeconfig(&self) -> &Path {
        &self.handshake.kubeconfig
    }

    /// kubectl as the admin.
    pub fn kubectl(&self) -> Kubectl {
        Kubectl::new(&self.handshake.kubectl, &self.handshake.kubeconfig)
    }

    pub fn audit_log(&self) -> AuditLog {
        AuditLog::new(&self.handshake.audit_log)
    }

    /// A client as the admin. It belongs to the runtime it is made in: make one per test, not one per process.
    pub async fn client(&self) -> Result<kube::Client> {
        crate::install_crypto_provider();
        let kubeconfig = kube::config::Kubeconfig::read_from(self.kubeconfig())?;
        let mut config =
            kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await?;
        config.proxy_url = None;
        Ok(kube::Client::try_from(config)?)
    }

    /// Writes a kubeconfig for the holder of a token, into a directory of the caller.
    pub fn write_kubeconfig(&self, path: &Path, token: &str) -> Result<()> {
        files::write_kubeconfig(
            path,
            &self.handshake.server,
            &self.handshake.certificate_authority,
            token,
        )
    }

    /// The numbers of the programs that this control plane owns; for a test that looks for leftovers.
    pub fn pids(&self) -> Vec<u32> {
        let Some(programs) = &self.programs else {
            return Vec::new();
        };
        let all = [
            programs.controller_manager.as_ref(),
            Some(&programs.apiserver),
            Some(&programs.etcd),
        ];
        all.into_iter().flatten().filter_map(Process::pid).collect()
    }

    /// Where its data and logs are, when this control plane owns them; gone after the drop.
    pub fn directory(&self) -> Option<&Path> {
        self.programs
            .as_ref()
            .map(|programs| programs.directory.path())
    }
}

/// The controllers without which objects neither go away nor come as on a cluster; none that would start pods.
const CONTROLLERS: &str = "garbage-collector-controller,namespace-controller,serviceaccount-controller,clusterrole-aggregation-controller";

fn start_controller_manager(
    assets: &Path,
    dir: &Path,
    server: &str,
    certificate_authority: &Path,
    users: &files::Users,
) -> Result<Option<Process>> {
    let program = assets.join("kube-controller-manager");
    // setup-envtest and a hand-made KUBEBUILDER_ASSETS do not have it.
    if !program.is_file() {
        return Ok(None);
    }
    let kubeconfig = dir.join("controller-manager.kubeconfig");
    files::write_kubeconfig(
        &kubeconfig,
        server,
        certificate_authority,
        &users.controller_manager,
    )?;
    let mut process = Process::new(
        "kube-controller-manager",
        program,
        dir.join("kube-controller-manager.log"),
    )
    .arg("--kubeconfig")
    .arg(&kubeconfig)
    .arg("--authentication-kubeconfig")
    .arg(&kubeconfig)
    .arg("--authorization-kubeconfig")
    .arg(&kubeconfig)
    .arg("--service-account-private-key-file")
    .arg(dir.join(files::SERVICE_ACCOUNT_KEY))
    .args([
        "--controllers",
        CONTROLLERS,
        "--leader-elect=false",
        "--secure-port",
        "0",
    ]);
    process.start()?;
    Ok(Some(process))
}

/// The directory with the programs, from `hack/control-plane`.
pub fn assets() -> Result<PathBuf> {
    script(&[]).map(PathBuf::from)
}

/// The program that says what kstatus concludes about objects: JSON in, one a line, verdicts out. Built at the first call on a
/// machine.
///
/// # Errors
/// When it cannot be built.
pub fn kstatus() -> Result<PathBuf> {
    script(&["kstatus"]).map(PathBuf::from)
}

/// The last line that `hack/control-plane` prints. Its progress goes to this process's standard error.
pub(crate) fn script(args: &[&str]) -> Result<String> {
    let script = source_root().join("hack/control-plane");
    let output = Command::new(&script)
        .args(args)
        .stderr(std::process::Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", script.display()))?;
    if !output.status.success() {
        bail!("{} failed (its output says why)", script.display());
    }
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Ports that were free a moment ago and differ from each other. etcd and kube-apiserver cannot be given port 0: others must know the port
/// before they start.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // Two tests in one process must not be given the same ones.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock();
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}
