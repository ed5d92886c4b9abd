//! One pass over one task: read, decide, act, until there is nothing more to do at once.
//!
//! Our own function rather than kube-runtime's controller, so that a simulation can drive it
//! against its own [`Kubernetes`] and [`Clouds`] under its own [`Clock`]. It spawns nothing and
//! sleeps on nothing but that clock.

pub mod act;
pub mod observe;
mod record;
mod stall;
mod story;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
pub(crate) mod fake;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;

use std::{future::Future, pin::pin, sync::Arc, time::Duration};

use ess_rollout_core::rollout::{Input, Next, Settings, Step};
use futures::future::{Either, FutureExt, join, select};

use crate::{
    clouds::Clouds,
    kubernetes::{ErrorClass, Kubernetes, ObjectKey, ObjectKind, Schemas},
    runtime::{
        clock::Clock,
        events::Events,
        shutdown::{self, Shutdown},
        telemetry::chain,
    },
    tasks::TaskIndex,
};
use act::{Acted, Publishing};

/// How a decision about a rolling update is made: [`ess_rollout_core::rollout::step`], or a script in
/// tests.
pub type StepFn = Box<dyn for<'a> Fn(Input<'a>) -> Step + Send + Sync>;

/// What a pass works with.
pub struct Context {
    /// The apiserver.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// The cloud, by credentials.
    pub clouds: Arc<dyn Clouds>,
    /// Where Events go.
    pub events: Arc<dyn Events>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The queue of each group.
    pub tasks: Arc<TaskIndex>,
    /// What the operator's configuration says about every task.
    pub settings: Settings,
    /// What bounds a pass.
    pub limits: Limits,
    /// What is known of the CRDs.
    pub schemas: Arc<Schemas>,
    /// The decision.
    pub step: StepFn,
}

/// What bounds a pass.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long the cloud is read from for one decision. What is not answered by then is answered
    /// as a timeout.
    pub reading: Duration,
    /// How many times a step may ask for more before it decides.
    pub rounds: usize,
    /// How many decisions are carried out before other tasks get their turn.
    pub decisions: usize,
    /// How many times in a row a pass starts over because somebody else wrote first. More is no
    /// race but an object that the apiserver will not take.
    pub conflicts: usize,
    /// How old a decision may be when its mutation is sent. The bound on lateness is counted from
    /// times that the decision put on record, so slow writes must not stretch it.
    pub decision_age: Duration,
    /// How long a mutation may then wait for its turn under the account's rate limit.
    pub turn: Duration,
}

impl Limits {
    /// For calls that may take this long: a decision is acted on within half of that time, and its
    /// call waits for its turn within a quarter of it and no longer than by default.
    pub fn for_calls(timeout: Duration) -> Self {
        Self {
            decision_age: timeout / 2,
            turn: (timeout / 4).min(Self::default().turn),
            ..Self::default()
        }
    }

    /// How long after the time that a decision put on record its call may last be under way. The
    /// bound on lateness begins there.
    pub fn call_time(&self, timeout: Duration) -> Duration {
        self.decision_age + self.turn + timeout
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            reading: Duration::from_secs(60),
            rounds: 8,
            decisions: 25,
            conflicts: 5,
            decision_age: Duration::from_secs(15),
            turn: Duration::from_secs(2),
        }
    }
}

/// What a pass came to.
#[derive(Debug)]
pub struct Pass {
    /// When to look again, or why it stopped short.
    pub outcome: Result<Next, Error>,
    /// Whether there is no such object.
    pub gone: bool,
    /// The versions of the task and the record that it read or wrote: a watch event with one of
    /// them is no news.
    pub versions: Vec<String>,
}

/// Why a pass stopped short. A conflict starts it over and is one
/// of these only if it does not pass.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no decision.
    #[error("no decision")]
    Observe(#[from] observe::Error),
    /// The decision was not carried out to its end.
    #[error("a decision was not carried out")]
    Act(#[from] act::Error),
}

impl Error {
    /// How to treat it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Observe(error) => error.class(),
            Self::Act(error) => error.class(),
        }
    }
}

/// One pass over one task, or one record. The only errors are those of the apiserver, and contradictions in the
/// core: what the cloud refuses is an answer.
pub async fn reconcile(context: &Context, key: &ObjectKey) -> Pass {
    let (_never, shutdown) = shutdown::channel();
    reconcile_until(context, key, shutdown).await
}

/// The same, but after the word to stop it begins no decision, unless it has an outcome that is not
/// on record yet: to find that again costs the bound on lateness.
pub async fn reconcile_until(context: &Context, key: &ObjectKey, shutdown: Shutdown) -> Pass {
    if key.kind == ObjectKind::ScalingGroupRecord {
        return record::reconcile(context, key).await;
    }
    let mut pass = Pass {
        outcome: Ok(Next::OnChange),
        gone: false,
        versions: Vec::new(),
    };
    let mut publishing = None;
    pass.outcome = decisions(context, key, shutdown, &mut pass, &mut publishing).await;
    if let Some(publishing) = publishing {
        publishing.await;
    }
    if let Err(error) = &pass.outcome {
        let version = stall::tell(context, key, error).await;
        pass.versions.extend(version);
    }
    pass
}

/// Waits for this, and lets Events be published meanwhile.
async fn meanwhile<T>(publishing: &mut Option<Publishing<'_>>, work: impl Future<Output = T>) -> T {
    let work = pin!(work);
    let Some(events) = publishing else {
        return work.await;
    };
    match select(events, work).await {
        Either::Left(((), work)) => {
            *publishing = None;
            work.await
        }
        Either::Right((done, _)) => done,
    }
}

async fn decisions<'a>(
    context: &'a Context,
    key: &ObjectKey,
    mut shutdown: Shutdown,
    pass: &mut Pass,
    publishing: &mut Option<Publishing<'a>>,
) -> Result<Next, Error> {
    // Kept until a decision that has seen it is carried out: after a conflict it is handed in
    // again, or the answer of the call would be lost.
    let mut outcome = None;
    // Why the record cannot be written that an object leaves behind which may not wait.
    let mut record_lost: Option<String> = None;
    let mut decisions = 0;
    let mut conflicts = 0;
    loop {
        if outcome.is_none() && shutdown.requested() {
            return Ok(Next::Now);
        }
        let versions = &mut pass.versions;
        let read = meanwhile(publishing, observe::read(context, key, versions)).await?;
        let Some(subject) = read else {
            pass.gone = true;
            return Ok(Next::OnChange);
        };
        let deciding = observe::decide(context, &subject, outcome.as_ref(), record_lost.as_deref());
        let decided = tokio::select! {
            biased;
            // Reads only: they may be cut off.
            () = shutdown.wait(), if outcome.is_none() => return Ok(Next::Now),
            decided = meanwhile(publishing, deciding) => decided?,
        };
        if act::lets_go(&subject, &decided)
            && let Some(events) = publishing.take()
        {
            events.await;
        }
        let acting = act::carry_out(context, subject, decided, versions);
        match meanwhile(publishing, acting).await? {
            Acted::Stale(why) => {
                conflicts += 1;
                if conflicts > context.limits.conflicts {
                    return Err(why.into());
                }
                continue;
            }
            Acted::Gone => return Ok(Next::OnChange),
            Acted::RecordLost(why) if record_lost.is_none() => {
                record_lost = Some(chain(&why));
                continue;
            }
            // It was not to be written again. A defect.
            Acted::RecordLost(why) => return Err(why.into()),
            Acted::Worked(result, events) => {
                outcome = Some(*result);
                *publishing = Some(match publishing.take() {
                    None => events,
                    Some(earlier) => join(earlier, events).map(drop).boxed(),
                });
            }
            Acted::Done(Next::Now) => outcome = None,
            Acted::Done(next @ (Next::After(_) | Next::OnChange)) => return Ok(next),
        }
        decisions += 1;
        conflicts = 0;
        // An outcome that nobody has looked at costs the bound on lateness to find again, so it
        // gets some more turns.
        let limit = match &outcome {
            None => context.limits.decisions,
            Some(_) => context.limits.decisions * 2,
        };
        if decisions >= limit {
            tracing::debug!(decisions, "pass is long, others get their turn");
            return Ok(Next::Now);
        }
    }
}
