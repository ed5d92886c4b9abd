//! The port with a bound on how many calls are under way.

use ess_rollout_api::v1alpha1::{Rollback, ScalingGroupRecord, ScalingGroupRecordStatus};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::{ConfigMapData, KubeFuture, Kubernetes, Object, ObjectKey, SecretData, Status};

/// So many calls side by side. Two cores decode no more, and each has a connection with its buffers, a text and the same as a
/// tree: with as many calls as there are passes these are most of the memory when many updates go on at once.
const SIDE_BY_SIDE: usize = 16;

/// Lets a bounded number of calls go on at the same time; whoever waited longest is next. Nothing of a call is made before its
/// turn.
pub struct Bounded {
    inner: Box<dyn Kubernetes>,
    turns: Semaphore,
}

impl Bounded {
    /// Before this one.
    pub fn new(inner: impl Kubernetes + 'static) -> Self {
        Self {
            inner: Box::new(inner),
            turns: Semaphore::new(SIDE_BY_SIDE),
        }
    }

    fn in_turn<'a, T: 'a>(
        &'a self,
        call: impl FnOnce(&'a dyn Kubernetes) -> KubeFuture<'a, T> + Send + 'a,
    ) -> KubeFuture<'a, T> {
        Box::pin(async move {
            // Fails only if it is closed, which nobody does.
            let _turn = self.turns.acquire().await;
            call(&*self.inner).await
        })
    }
}

impl Kubernetes for Bounded {
    fn get<'a>(&'a self, key: &'a ObjectKey) -> KubeFuture<'a, Option<Object>> {
        self.in_turn(|inner| inner.get(key))
    }

    fn get_record<'a>(&'a self, name: &'a str) -> KubeFuture<'a, Option<ScalingGroupRecord>> {
        self.in_turn(|inner| inner.get_record(name))
    }

    fn create_record<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        self.in_turn(|inner| inner.create_record(record))
    }

    fn create_rollback<'a>(&'a self, rollback: &'a Rollback) -> KubeFuture<'a, ()> {
        self.in_turn(|inner| inner.create_rollback(rollback))
    }

    fn write_record_status<'a>(
        &'a self,
        record: &'a ScalingGroupRecord,
        status: &'a ScalingGroupRecordStatus,
    ) -> KubeFuture<'a, ScalingGroupRecord> {
        self.in_turn(|inner| inner.write_record_status(record, status))
    }

    fn write_status<'a>(
        &'a self,
        object: &'a Object,
        status: &'a Status,
    ) -> KubeFuture<'a, Object> {
        self.in_turn(|inner| inner.write_status(object, status))
    }

    fn stall<'a>(
        &'a self,
        key: &'a ObjectKey,
        reason: &'a str,
        message: &'a str,
        now: Timestamp,
    ) -> KubeFuture<'a, Option<String>> {
        self.in_turn(move |inner| inner.stall(key, reason, message, now))
    }

    fn set_finalizer<'a>(&'a self, object: &'a Object, present: bool) -> KubeFuture<'a, Object> {
        self.in_turn(move |inner| inner.set_finalizer(object, present))
    }

    fn set_execution_annotation<'a>(
        &'a self,
        object: &'a Object,
        value: &'a str,
    ) -> KubeFuture<'a, Object> {
        self.in_turn(|inner| inner.set_execution_annotation(object, value))
    }

    fn delete<'a>(&'a self, object: &'a Object) -> KubeFuture<'a, ()> {
        self.in_turn(|inner| inner.delete(object))
    }

    fn get_config_map<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<ConfigMapData>> {
        self.in_turn(|inner| inner.get_config_map(namespace, name))
    }

    fn get_secret<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> KubeFuture<'a, Option<SecretData>> {
        self.in_turn(|inner| inner.get_secret(namespace, name))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::time::Duration;

    use futures::future::join_all;
    use tokio::time::Instant;

    use super::*;
    use crate::reconcile::fake::{FakeKubernetes, task};

    #[tokio::test(start_paused = true)]
    async fn a_bounded_number_of_calls_is_under_way_and_all_have_their_turn() {
        const CALLS: usize = 4 * SIDE_BY_SIDE;
        const EACH: Duration = Duration::from_secs(1);
        let bounded = Bounded::new(FakeKubernetes::new(Default::default(), task("ns", "a")));
        let began = Instant::now();
        let calls = (0..CALLS).map(|_| {
            bounded.in_turn(|inner| {
                Box::pin(async move {
                    tokio::time::sleep(EACH).await;
                    inner.get_record("cn-hangzhou.asg-1").await
                })
            })
        });
        assert!(join_all(calls).await.iter().all(Result::is_ok));
        assert_eq!(began.elapsed(), EACH * 4);
    }
}
