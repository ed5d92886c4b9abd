//! The two clients of one configuration.

use std::time::Duration;

use kube::{Client, Config, config::InferConfigError};

/// How long one call may take. A healthy apiserver answers in milliseconds; what takes longer is
/// better asked again by the next pass.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for calls and one for watches.
///
/// They differ because kube's defaults suit watches only: its retries re-send every method for
/// minutes inside one pass, and nothing bounds the time of a read.
#[derive(Clone)]
pub struct Clients {
    /// For single calls: no retries, bounded reads.
    pub calls: Client,
    /// For watches: reads may stay open.
    pub watches: Client,
    /// The namespace of the kubeconfig's context, or of the pod's ServiceAccount.
    pub default_namespace: String,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientsError {
    /// Neither a kubeconfig nor a ServiceAccount.
    #[error(
        "no Kubernetes configuration: set KUBECONFIG, or run in a pod with a ServiceAccount token"
    )]
    Config(#[source] InferConfigError),
    /// The configuration cannot be used.
    #[error("the Kubernetes configuration cannot be used")]
    Client(#[source] kube::Error),
}

impl Clients {
    /// From the kubeconfig or the pod's ServiceAccount.
    ///
    /// # Errors
    /// When there is neither, or it is unusable.
    pub async fn infer() -> Result<Self, ClientsError> {
        Self::of(Config::infer().await.map_err(ClientsError::Config)?)
    }

    /// From a configuration.
    ///
    /// # Errors
    /// When it is unusable.
    pub fn of(config: Config) -> Result<Self, ClientsError> {
        let default_namespace = config.default_namespace.clone();
        let mut calls = config.clone();
        calls.default_retry = false;
        calls.connect_timeout = Some(Duration::from_secs(5));
        calls.read_timeout = Some(CALL_TIMEOUT);
        calls.write_timeout = Some(CALL_TIMEOUT);
        let mut watches = config;
        // The watcher has a backoff of its own.
        watches.default_retry = false;
        watches.connect_timeout = Some(Duration::from_secs(5));
        Ok(Self {
            calls: Client::try_from(calls).map_err(ClientsError::Client)?,
            watches: Client::try_from(watches).map_err(ClientsError::Client)?,
            default_namespace,
        })
    }
}
