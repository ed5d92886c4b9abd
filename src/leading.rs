//! What only the process that leads does, one term of office after the other: passes, polls, the statuses of
//! MaintenanceWindows, and the deletion of Secrets that nothing refers to. Watches, the index and readiness are there in every process.
//!
//! A term ends in one of two ways. Told to stop, the process lets the passes under way finish and keeps its place until they
//! have. Where the place is lost, or its deadline is over, nothing that a pass does reaches anybody any more
//! ([`crate::runtime::lease::Fence`]), so that they are cut off once the calls that were under way can no longer be.

use std::{future::Future, sync::Arc, time::Duration};

use anyhow::anyhow;
use ess_rollout_aliyun::MutationGuard;
use ess_rollout_cloud::Turn;
use futures::future::BoxFuture;
use tokio::task::JoinSet;

use crate::{
    clouds::Clouds,
    kept::Sweeper,
    kubernetes::ObjectKey,
    poller::Poller,
    reconcile::Context,
    runtime::{
        dispatcher::{self, Finished, Triggers, Workers},
        health::Readiness,
        lease::Fence,
        metrics::Metrics,
        shutdown::{self, Shutdown},
    },
    watch::first_look,
    windows::Teller,
};

/// One part of a process or of a term, and what it ended with.
pub type Ended = (&'static str, anyhow::Result<()>);

/// What a term works with.
pub struct Leading {
    /// Whether this process leads.
    pub fence: Fence,
    /// How long a call may be under way that only a leader makes.
    pub longest_effect: Duration,
    /// Of every pass; that a term has begun is said in its settings.
    pub context: Context,
    /// The queue.
    pub triggers: Arc<Triggers<ObjectKey>>,
    /// Passes side by side.
    pub workers: Workers,
    /// Whom the poller asks.
    pub clouds: Arc<dyn Clouds>,
    /// From one poll to the next.
    pub poll_interval: Duration,
    /// Writes the statuses of MaintenanceWindows.
    pub teller: Teller,
    /// Deletes what nothing refers to any more; `None`: nobody does.
    pub sweeper: Option<Sweeper>,
    /// The index has to be complete: before that, who is ahead in a group's queue is not known, nor how far back the first poll
    /// has to reach.
    pub readiness: Arc<Readiness>,
    /// Where polls are counted.
    pub metrics: Arc<Metrics>,
    /// One pass.
    pub pass: PassFn,
}

/// How a pass over an object is made, until the word to stop: [`crate::pass::one_pass`], or what a simulation puts around one.
pub type PassFn = Arc<
    dyn Fn(Arc<Context>, (ObjectKey, Turn), Shutdown) -> BoxFuture<'static, Finished> + Send + Sync,
>;

/// Lets the client of the cloud ask the fence.
pub struct EffectGuard {
    /// Whom to ask.
    pub fence: Fence,
    /// How long a call may take.
    pub takes: Duration,
}

impl MutationGuard for EffectGuard {
    fn allows(&self) -> Option<Duration> {
        self.fence.pass(self.takes).ok().map(|()| self.takes)
    }
}

impl Leading {
    /// Serves one term after the other until the word to stop.
    ///
    /// # Errors
    /// When a part of a term ends by itself.
    pub async fn serve(self, mut shutdown: Shutdown) -> anyhow::Result<()> {
        loop {
            let begins = async {
                self.readiness.wait().await;
                self.fence.led().await
            };
            let term = tokio::select! {
                biased;
                () = shutdown.wait() => return Ok(()),
                term = begins => term,
            };
            self.serve_term(term, &mut shutdown).await?;
            if shutdown.requested() {
                return Ok(());
            }
        }
    }

    async fn serve_term(&self, term: i32, shutdown: &mut Shutdown) -> anyhow::Result<()> {
        let (over, until) = shutdown::channel();
        let mut parts: JoinSet<Ended> = JoinSet::new();
        self.begin(&mut parts, &until);
        let lost = tokio::select! {
            biased;
            () = self.fence.lost(term) => true,
            () = shutdown.wait() => false,
            Some(ended) = parts.join_next() => return Err(unexpected(ended)),
        };
        over.stop();
        let drained = drain(&mut parts, || 0);
        if !lost {
            return drained.await;
        }
        // Whatever is left then waits for something that would let it do nothing. It has to be gone before the next term: the
        // queue gives each object to one pass.
        let drained = tokio::time::timeout(self.longest_effect, drained).await;
        parts.shutdown().await;
        drained.unwrap_or(Ok(()))
    }

    fn begin(&self, parts: &mut JoinSet<Ended>, until: &Shutdown) {
        let mut context = self.context.clone();
        context.settings.acts_since = Some(context.clock.now());
        let context = Arc::new(context);
        context.sightings.begin_anew();
        let tasks = context.tasks.clone();
        self.triggers
            .begin_anew(|key| tasks.taken_over(key).map(first_look));
        let poller = Poller {
            tasks: context.tasks.clone(),
            sightings: context.sightings.clone(),
            clouds: self.clouds.clone(),
            triggers: self.triggers.clone(),
            metrics: self.metrics.clone(),
            clock: context.clock.clone(),
            interval: self.poll_interval,
        };
        let polling = poller.run(until.clone());
        parts.spawn(async move {
            polling.await;
            ("poller", Ok(()))
        });
        let telling = self.teller.clone().run(until.clone());
        parts.spawn(async move {
            telling.await;
            ("statuses of MaintenanceWindows", Ok(()))
        });
        if let Some(sweeper) = self.sweeper.clone() {
            let sweeping = sweeper.run(until.clone());
            parts.spawn(async move {
                sweeping.await;
                ("sweeper", Ok(()))
            });
        }
        parts.spawn(self.passes(context, until.clone()));
    }

    fn passes(
        &self,
        context: Arc<Context>,
        until: Shutdown,
    ) -> impl Future<Output = Ended> + Send + use<> {
        let (triggers, pass, workers) = (self.triggers.clone(), self.pass.clone(), self.workers);
        async move {
            let served = dispatcher::run(&triggers, workers, until.clone(), |key, turn| {
                pass(context.clone(), (key, turn), until.clone())
            });
            ("passes", served.await.map_err(Into::into))
        }
    }
}

/// Waits until no more parts are left than stay: those that go on to the end.
///
/// # Errors
/// When one of them failed.
pub async fn drain(parts: &mut JoinSet<Ended>, stay: impl Fn() -> usize) -> anyhow::Result<()> {
    while parts.len() > stay() {
        match parts.join_next().await {
            None => break,
            Some(Ok((_, Ok(())))) => {}
            Some(ended) => return Err(unexpected(ended)),
        }
    }
    Ok(())
}

/// A part that ended before the word to stop, or that failed.
pub fn unexpected(ended: Result<Ended, tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok((part, Ok(()))) => anyhow!("{part} ended by itself"),
        Ok((part, Err(error))) => error.context(format!("{part} ended by itself")),
        Err(error) => anyhow::Error::new(error).context("a part of the program panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_lead_changes_nothing_in_the_cloud() {
        let takes = Duration::from_secs(10);
        let allows = |fence| EffectGuard { fence, takes }.allows();
        assert_eq!(allows(Fence::open()), Some(takes));
        assert_eq!(allows(Fence::closed()), None);
    }
}
