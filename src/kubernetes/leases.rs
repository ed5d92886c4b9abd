//! The Lease of the election, in the operator's namespace.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease as KubeLease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    runtime::{
        lease::{Lease, LeaseError, LeaseFuture, Leases},
        shutdown::Shutdown,
        telemetry::chain,
    },
    watch::SECONDS,
};

/// For how many seconds a Lease counts that does not say it: client-go's.
const DURATION: i32 = 15;

/// The Lease of this name.
pub struct KubeLeases {
    calls: Api<KubeLease>,
    watches: Api<KubeLease>,
    name: String,
    changed: Arc<Notify>,
}

impl KubeLeases {
    /// `calls`: a client that no fence is in the way of.
    pub fn new(calls: Client, watches: Client, namespace: &str, name: &str) -> Self {
        Self {
            calls: Api::namespaced(calls, namespace),
            watches: Api::namespaced(watches, namespace),
            name: name.to_owned(),
            changed: Arc::default(),
        }
    }

    /// Watches it until the word to stop. What the watch tells is not taken for how it is: it may be older than what we have
    /// written ourselves.
    pub fn watch(&self, mut shutdown: Shutdown) -> impl Future<Output = ()> + Send + use<> {
        let config = watcher::Config::default()
            .fields(&format!("metadata.name={}", self.name))
            .timeout(SECONDS);
        let events = watcher(self.watches.clone(), config).default_backoff();
        let changed = self.changed.clone();
        async move {
            let mut events = std::pin::pin!(events);
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.wait() => return,
                    event = events.next() => match event {
                        Some(Ok(_)) => changed.notify_one(),
                        // It is read every few seconds all the same.
                        Some(Err(error)) => tracing::debug!(error = chain(&error), "watch of the lease failed, trying again"),
                        None => return,
                    },
                }
            }
        }
    }
}

impl Leases for KubeLeases {
    fn read(&self) -> LeaseFuture<'_, Option<(Lease, String)>> {
        Box::pin(async {
            let found = self.calls.get_opt(&self.name).await.map_err(failed)?;
            Ok(found.map(|lease| {
                let version = lease.metadata.resource_version.clone();
                (of(lease), version.unwrap_or_default())
            }))
        })
    }

    fn write<'a>(&'a self, lease: &'a Lease, version: Option<&'a str>) -> LeaseFuture<'a, String> {
        Box::pin(async move {
            let written = match version {
                None => {
                    let object = KubeLease {
                        metadata: ObjectMeta {
                            name: Some(self.name.clone()),
                            ..ObjectMeta::default()
                        },
                        spec: Some(spec(lease)),
                    };
                    self.calls.create(&PostParams::default(), &object).await
                }
                // With the version, so that it fails when somebody else wrote first. What others keep in it stays.
                Some(version) => {
                    let patch = json!({
                        "metadata": {"resourceVersion": version},
                        "spec": spec(lease),
                    });
                    let params = PatchParams::default();
                    let patch = Patch::Merge(patch);
                    self.calls.patch(&self.name, &params, &patch).await
                }
            };
            let written = written.map_err(failed)?;
            Ok(written.metadata.resource_version.unwrap_or_default())
        })
    }

    fn wall(&self) -> Timestamp {
        wall()
    }

    fn changed(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.changed.notified())
    }
}

fn failed(error: kube::Error) -> LeaseError {
    match &error {
        kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() => {
            LeaseError::Conflict
        }
        kube::Error::Api(status) => LeaseError::Failed(status.message.clone()),
        _ => LeaseError::Failed(chain(&error)),
    }
}

fn of(lease: KubeLease) -> Lease {
    let spec = lease.spec.unwrap_or_default();
    let seconds = spec.lease_duration_seconds.unwrap_or(DURATION).max(1);
    Lease {
        holder: spec.holder_identity.unwrap_or_default(),
        duration: Duration::from_secs(seconds.unsigned_abs().into()),
        transitions: spec.lease_transitions.unwrap_or_default(),
        acquired: spec.acquire_time.map(|time| time.0),
        renewed: spec.renew_time.map(|time| time.0),
    }
}

fn spec(lease: &Lease) -> LeaseSpec {
    LeaseSpec {
        holder_identity: Some(lease.holder.clone()),
        lease_duration_seconds: i32::try_from(lease.duration.as_secs()).ok(),
        lease_transitions: Some(lease.transitions),
        acquire_time: lease.acquired.map(MicroTime),
        renew_time: lease.renewed.map(MicroTime),
        ..LeaseSpec::default()
    }
}

/// What `metav1.MicroTime` holds of a time: one that is read back is to be equal to what was written.
fn wall() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() -> Result<(), serde_json::Error> {
        let lease = Lease {
            holder: "pod_1f".to_owned(),
            duration: Duration::from_secs(15),
            transitions: 3,
            acquired: Some(wall()),
            renewed: Some(wall()),
        };
        let written = serde_json::to_string(&json!({"spec": spec(&lease)}))?;
        assert_eq!(of(serde_json::from_str(&written)?), lease);
        Ok(())
    }

    #[test]
    fn what_others_left_out_is_taken_as_the_usual() {
        let lease = of(KubeLease::default());
        assert_eq!((lease.holder.as_str(), lease.duration.as_secs()), ("", 15));
    }
}
