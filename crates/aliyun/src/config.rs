//! What a client is built from.

use std::{fmt, sync::Arc, time::Duration};

use jiff::Timestamp;

use crate::{
    credentials::provider::CredentialsError,
    endpoints::{Endpoints, Network},
    limits::Limiter,
    observe::CallObserver,
};

/// The wall clock: dates of requests and the expiry of credentials.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Whether calls that change something may be sent: asked right before each of them, when it has its turn.
pub trait MutationGuard: Send + Sync {
    /// How long such a call may go on from now; what has not been answered by then is given up. `None`: it must not be sent.
    fn allows(&self) -> Option<Duration>;
}

/// How long a call may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Until there is a connection, TLS included.
    pub connect: Duration,
    /// From the first byte sent to the last byte of the answer.
    pub request: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            // The official SDK's.
            connect: Duration::from_secs(5),
            // Longer than the official SDK's 10 s: StartExecution and ExitStandby can be slow, and
            // each lost answer costs a look-up.
            request: Duration::from_secs(30),
        }
    }
}

/// What a client is built from. Cloned freely: what is shared is behind an `Arc`.
#[derive(Clone)]
pub struct ClientConfig {
    /// Addresses that replace the services' own.
    pub endpoints: Endpoints,
    /// Which of the services' own addresses to use.
    pub network: Network,
    /// How long a call may take.
    pub timeouts: Timeouts,
    /// The token buckets. Clients of one account share one, or they throttle each other.
    pub limiter: Arc<Limiter>,
    /// The `user-agent` header.
    pub user_agent: String,
    /// PEM certificates to trust besides the system's: for endpoints behind a private authority.
    pub extra_root_certificates: Vec<Vec<u8>>,
    /// Told of every call, for metrics.
    pub observer: Option<Arc<dyn CallObserver>>,
    /// Whether mutations may be sent; `None`: always.
    pub guard: Option<Arc<dyn MutationGuard>>,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            endpoints: Endpoints::standard(),
            network: Network::default(),
            timeouts: Timeouts::default(),
            limiter: Arc::default(),
            user_agent: concat!("ess-rollout/", env!("CARGO_PKG_VERSION")).to_owned(),
            extra_root_certificates: Vec::new(),
            observer: None,
            guard: None,
            clock: Arc::new(SystemClock),
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientConfig")
            .field("endpoints", &self.endpoints)
            .field("network", &self.network)
            .field("timeouts", &self.timeouts)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

/// Why a client cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No credentials, or half of them.
    #[error(transparent)]
    Credentials(CredentialsError),
    /// The process has no TLS.
    #[error("no rustls crypto provider is installed; the program must install one at its start")]
    NoCryptoProvider,
    /// A certificate, the user agent or the system's trust store is unusable.
    #[error("the HTTP client cannot be built: {0}")]
    Http(String),
}
