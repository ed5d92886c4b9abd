//! Looks whether the CRDs of the cluster are those of this version: at the start, after a write that was refused, and as long
//! as they are not.

use std::{sync::Arc, time::Duration};

use kube::Client;

use crate::{
    kubernetes::Schemas,
    runtime::{health::Readiness, shutdown::Shutdown, telemetry::chain},
};

/// Between two looks while something is missing. The apiserver publishes a new schema a few seconds after the CRD.
const AGAIN: Duration = Duration::from_secs(30);
/// What is wrong, in `/readyz`.
const NAME: &str = "CustomResourceDefinitions";

/// Looks until the word to stop.
pub async fn watch(
    client: Client,
    schemas: Arc<Schemas>,
    readiness: Arc<Readiness>,
    mut shutdown: Shutdown,
) {
    loop {
        match schemas.read(&client).await {
            Ok(changed) => match schemas.trouble() {
                Some(trouble) if changed => tracing::error!(trouble, "CRDs are too old"),
                None if changed => tracing::info!("CRDs have all fields of this version"),
                _ => {}
            },
            // A write that they do not fit is refused all the same.
            Err(error) => tracing::debug!(error = chain(&error), "CRDs are not known"),
        }
        let trouble = schemas.trouble();
        let outdated = trouble.is_some();
        readiness.fault(NAME, trouble);
        tokio::select! {
            biased;
            () = shutdown.wait() => return,
            () = tokio::time::sleep(AGAIN), if outdated => {}
            () = schemas.suspected(), if !outdated => {
                // Known from the refusal; the schema is read again once it can have changed.
                readiness.fault(NAME, schemas.trouble());
                tokio::select! {
                    biased;
                    () = shutdown.wait() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use ess_rollout_api::status_fields;
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;
    use crate::runtime::shutdown;

    /// An apiserver whose CRD of records is without `status.current`, until it is not.
    fn client(current: Arc<AtomicBool>) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            assert_eq!(
                request.uri().path(),
                "/openapi/v3/apis/ess-rollout.io/v1alpha1"
            );
            let mut document = status_fields::document().unwrap();
            if !current.load(Ordering::SeqCst) {
                let schemas = &mut document["components"]["schemas"];
                let record = &mut schemas["io.ess-rollout.v1alpha1.ScalingGroupRecord"];
                let fields = &mut record["properties"]["status"]["properties"];
                fields.as_object_mut().unwrap().remove("current");
            }
            let body = document.to_string();
            async {
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(body.into_bytes())))
            }
        });
        Client::new(service, "ns")
    }

    #[tokio::test(start_paused = true)]
    async fn crds_that_are_too_old_are_in_readyz_until_they_are_updated() {
        let current = Arc::new(AtomicBool::new(false));
        let (schemas, readiness) = (
            Arc::new(Schemas::default()),
            Arc::new(Readiness::new(["watch".to_owned()])),
        );
        readiness.open("watch");
        let (stop, shutdown) = shutdown::channel();
        let watching = tokio::spawn(watch(
            client(current.clone()),
            schemas.clone(),
            readiness.clone(),
            shutdown,
        ));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let missing = readiness.missing().join("\n");
        assert!(
            missing.contains("that of ScalingGroupRecord does not have status.current; update them with `ess-rollout crds"),
            "{missing}"
        );
        assert_eq!(schemas.missing()["ScalingGroupRecord"], 1);
        current.store(true, Ordering::SeqCst);
        tokio::time::sleep(AGAIN).await;
        assert_eq!(readiness.missing(), [] as [String; 0]);

        // A write is refused before the next look.
        schemas.refused("Rollback", &["status.source.method".to_owned()]);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(
            readiness.missing()[0].contains("that of Rollback does not have status.source.method")
        );
        tokio::time::sleep(AGAIN).await;
        assert_eq!(readiness.missing(), [] as [String; 0]);
        stop.stop();
        watching.await.unwrap();
    }
}
