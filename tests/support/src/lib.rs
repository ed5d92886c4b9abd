//! What the tests, the demo and the benchmarks stand on: a real control plane, the programs of this
//! project as processes, and the few Kubernetes errands that every test runs.
//!
//! | module | for |
//! |---|---|
//! | [`control_plane`] | etcd, kube-apiserver and kube-controller-manager on loopback; one for the whole test run |
//! | [`audit`] | what the apiserver was asked, by whom: counts of writes |
//! | [`kubectl`] | kubectl with a given kubeconfig; namespaces, CRDs, ServiceAccount tokens |
//! | [`process`] | a child program: logs, ready file, kill -9, restart |
//! | [`prometheus`] | a real Prometheus that scrapes, and promtool |
//! | [`operator`], [`emulator`] | the two programs, and their flags, in one place each |
//! | [`earlier`] | an earlier version of the operator, for turns with the present one |
//! | [`evidence`] | what the emulated cloud shows of what was done to it |
//! | [`pages`] | the documentation as data: blocks, headings, links |
//! | [`chart`] | the Helm chart, rendered by the real helm and applied without its Deployment |
//! | [`installation`] | the chart installed for one test, and the operator's flags and rights from it |
//! | [`proxy`] | stands between an operator and a server: what becomes of a request is the test's, and so is the network |
//! | [`apiserver`] | a Kubernetes API without a process, for simulations |
//! | [`conformity`] | what an apiserver does to our objects, held against the real one and against that one |
//! | [`watchdog`] | ends every child and removes every directory when this process dies, however it dies |
//!
//! Everything that handles processes is synchronous and needs no runtime; what talks HTTP is async. Nothing is
//! left behind: [`process::Process`] ends its child when dropped (a panicking test drops it too), and what is
//! never dropped (statics, a test process killed by SIGKILL) is ended by the [`watchdog`].

pub mod apiserver;
pub mod audit;
pub mod chart;
pub mod conformity;
pub mod control_plane;
pub mod earlier;
pub mod emulator;
pub mod evidence;
pub mod installation;
pub mod kubectl;
pub mod operator;
pub mod pages;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod watchdog;

pub use apiserver::FakeApiserver;
pub use audit::AuditLog;
pub use control_plane::{ControlPlane, shared};
pub use earlier::Earlier;
pub use emulator::Emulator;
pub use evidence::Evidence;
pub use installation::Installation;
pub use kubectl::Kubectl;
pub use operator::{Operator, Options};
pub use process::Process;
pub use prometheus::Prometheus;

use std::path::{Path, PathBuf};

/// The root of the source tree: where `crds/`, `charts/` and `hack/` are.
pub fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .unwrap_or_default()
}

/// Installs the TLS provider that reqwest and kube need, once. Both panic without it; calling this again does
/// nothing.
pub fn install_crypto_provider() {
    // An error means that a provider is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
