//! Deletes the Secrets of the operator's namespace in which [`crate::kubernetes::Keeping`] has kept what nothing refers to
//! any more.
//!
//! A Secret is written before the status that refers to it, and watches tell of the status later still: one that was put
//! on record within the last hour is left alone, and one that was put on record after it was listed is not deleted.

use std::{sync::Arc, time::Duration};

use crate::{
    kubernetes::{ErrorClass, KeptSecrets},
    runtime::{clock::Clock, shutdown::Shutdown, telemetry::chain},
    tasks::References,
};

/// How often it is looked.
pub const EVERY: Duration = Duration::from_secs(3600);
/// How long one has to be unused: longer than any write takes, and than any watch lags behind.
const UNUSED: Duration = Duration::from_secs(3600);

/// Who does it.
#[derive(Clone)]
pub struct Sweeper {
    /// The Secrets.
    pub secrets: Arc<dyn KeptSecrets>,
    /// What is still referred to.
    pub references: Arc<References>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whose contents this operator knows the references to: namespaces, and [`crate::kubernetes::RECORDS`]; `None`: all.
    pub namespaces: Option<Vec<String>>,
}

impl Sweeper {
    /// Looks now and then, until the word to stop. To be begun once the first lists of all watches are complete.
    pub async fn run(self, mut shutdown: Shutdown) {
        loop {
            // At once, too: a right that is missing is said then.
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                () = self.sweep() => {}
            }
            tokio::select! {
                biased;
                () = shutdown.wait() => return,
                () = self.clock.sleep(EVERY) => {}
            }
        }
    }

    /// Looks once.
    pub async fn sweep(&self) {
        let all = match self.secrets.list().await {
            Ok(all) => all,
            Err(error) => {
                tracing::warn!(
                    error = chain(&error),
                    "Secrets that nothing refers to are not looked for"
                );
                return;
            }
        };
        // After the list: what was put on record since is not in it, or has another version.
        let Some(referred) = self.references.all() else {
            tracing::debug!("an object cannot be decoded: no Secret is taken for unused");
            return;
        };
        let now = self.clock.now();
        for listed in all {
            let known = |all: &Vec<String>| all.contains(&listed.namespace);
            let of_others = self.namespaces.as_ref().is_some_and(|all| !known(all));
            let fresh = listed.used.is_none_or(|used| now < used + UNUSED);
            if of_others || fresh || referred.contains(&listed.name) {
                continue;
            }
            match self.secrets.delete(&listed).await {
                Ok(()) => {
                    tracing::info!(
                        secret = listed.name,
                        "deleted a Secret that nothing refers to any more"
                    );
                }
                Err(error) if matches!(error.class, ErrorClass::Conflict | ErrorClass::Gone) => {}
                Err(error) => {
                    tracing::warn!(
                        secret = listed.name,
                        error = chain(&error),
                        "a Secret that nothing refers to any more stays"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::sync::Mutex;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        kubernetes::{KubeFuture, Listed},
        reconcile::fake::FakeClock,
    };

    /// Refuses to delete what was put on record after it was listed.
    struct Fake(Mutex<Vec<Listed>>);

    impl KeptSecrets for Fake {
        fn put<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
            _: &'a str,
            _: Timestamp,
        ) -> KubeFuture<'a, ()> {
            unreachable!("nothing is kept here")
        }
        fn find<'a>(&'a self, _: &'a str) -> KubeFuture<'a, Option<(String, String)>> {
            unreachable!("nothing is read here")
        }
        fn list(&self) -> KubeFuture<'_, Vec<Listed>> {
            Box::pin(std::future::ready(Ok(self.0.lock().unwrap().clone())))
        }
        fn delete<'a>(&'a self, listed: &'a Listed) -> KubeFuture<'a, ()> {
            self.0.lock().unwrap().retain(|other| other != listed);
            Box::pin(std::future::ready(Ok(())))
        }
    }

    fn listed(name: &str, namespace: &str, used: &str) -> Listed {
        Listed {
            name: name.into(),
            uid: None,
            resource_version: None,
            namespace: namespace.into(),
            used: used.parse().ok(),
        }
    }

    #[tokio::test]
    async fn what_nothing_refers_to_for_an_hour_is_deleted_and_nothing_else() {
        let old = "2025-12-31T22:00:00Z";
        let secrets = Arc::new(Fake(Mutex::new(vec![
            listed("referred", "ns", old),
            listed("unused", "ns", old),
            listed("of-another-operator", "other", old),
            listed("fresh", "ns", "2025-12-31T23:30:00Z"),
            listed("who-knows", "ns", "?"),
        ])));
        let references = Arc::new(References::default());
        references.put("RollingUpdateTask ns/a".into(), vec!["referred".into()]);
        let sweeper = Sweeper {
            secrets: secrets.clone(),
            references: references.clone(),
            clock: Arc::new(FakeClock::new()),
            namespaces: Some(vec!["ns".into()]),
        };
        let left = || -> Vec<String> {
            let all = secrets.0.lock().unwrap();
            all.iter().map(|listed| listed.name.clone()).collect()
        };
        sweeper.sweep().await;
        let kept = ["referred", "of-another-operator", "fresh", "who-knows"];
        assert_eq!(left(), kept);
        // The object goes, but there is one of which nothing is known.
        references.remove("RollingUpdateTask ns/a");
        references.one_is_unknown();
        sweeper.sweep().await;
        assert_eq!(left(), kept);
    }
}
