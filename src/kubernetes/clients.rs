//! The two clients of one configuration.

use std::{sync::Arc, time::Duration};

use kube::{Client, Config, client::ClientBuilder, config::InferConfigError};

use super::{CountedLayer, FenceLayer, Heard, HeardLayer};

/// How long one call may take. A healthy apiserver answers in milliseconds; what takes longer is
/// better asked again by the next pass.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The longest silence of a watch: longer than any that the apiserver ends by itself ([`crate::watch::SECONDS`]), so that a
/// connection that died without a word is given up, and never one that lives.
const SILENCE: Duration = Duration::from_secs(25);

/// A client for calls and one for watches.
///
/// They differ because kube's defaults suit watches only: its retries re-send every method for
/// minutes inside one pass, and nothing bounds the time of a read.
#[derive(Clone)]
pub struct Clients {
    /// For single calls: no retries, bounded reads, and no write but while this process leads.
    pub calls: Client,
    /// For the Lease: no retries, no fence, and connections that nothing else is on.
    pub election: Client,
    /// For watches: no retries, reads may stay open for as long as a watch is asked for.
    pub watches: Client,
    /// When watches were last answered.
    pub heard: Arc<Heard>,
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
    pub async fn infer(
        heard: Arc<Heard>,
        fence: FenceLayer,
        counted: CountedLayer,
    ) -> Result<Self, ClientsError> {
        let config = Config::infer().await.map_err(ClientsError::Config)?;
        Self::of(config, heard, fence, counted)
    }

    /// From a configuration.
    ///
    /// # Errors
    /// When it is unusable.
    pub fn of(
        config: Config,
        heard: Arc<Heard>,
        fence: FenceLayer,
        counted: CountedLayer,
    ) -> Result<Self, ClientsError> {
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
        watches.read_timeout = Some(SILENCE);
        let layer = HeardLayer {
            heard: heard.clone(),
            patience: CALL_TIMEOUT,
        };
        let watches = ClientBuilder::try_from(watches).map_err(ClientsError::Client)?;
        let election = ClientBuilder::try_from(calls.clone()).map_err(ClientsError::Client)?;
        let calls = ClientBuilder::try_from(calls).map_err(ClientsError::Client)?;
        Ok(Self {
            calls: calls.with_layer(&counted).with_layer(&fence).build(),
            election: election.with_layer(&counted).build(),
            watches: watches.with_layer(&counted).with_layer(&layer).build(),
            heard,
            default_namespace,
        })
    }
}
