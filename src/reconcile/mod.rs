//! One pass over one task: read, decide, act, until there is nothing more to do at once.
//!
//! Our own function rather than kube-runtime's controller, so that a simulation can drive it
//! against its own [`Kubernetes`](crate::kubernetes::Kubernetes) and [`Clouds`](crate::clouds::Clouds)
//! under its own [`Clock`](crate::runtime::clock::Clock). It spawns nothing and
//! sleeps on nothing but that clock.

pub mod act;
mod context;
mod counting;
pub mod observe;
mod outcome;
mod record;
mod stall;
mod story;
mod summary;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
pub(crate) mod fake;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;

use ess_rollout_cloud::Turn;
use ess_rollout_core::rollout::Next;
use futures::future::{BoxFuture, Either, FutureExt, join, select};

use crate::{
    kubernetes::{ObjectKey, ObjectKind},
    runtime::{
        shutdown::{self, Shutdown},
        telemetry::chain,
    },
};
use act::{Acted, Publishing};
pub use context::{Context, Limits, StepFn};
pub use counting::Counting;
pub use outcome::{Error, Pass};

/// One pass over one task, or one record, whose reads are in this turn. The only errors are those of the apiserver, and contradictions in the
/// core: what the cloud refuses is an answer.
pub async fn reconcile(context: &Context, key: &ObjectKey, turn: Turn) -> Pass {
    let (_never, shutdown) = shutdown::channel();
    reconcile_until(context, key, turn, shutdown).await
}

/// The same, but after the word to stop it begins no decision, unless it has an outcome that is not
/// on record yet: to find that again costs the bound on lateness.
pub async fn reconcile_until(
    context: &Context,
    key: &ObjectKey,
    turn: Turn,
    shutdown: Shutdown,
) -> Pass {
    if key.kind == ObjectKind::ScalingGroupRecord {
        return record::reconcile(context, key, turn).await;
    }
    let mut pass = Pass {
        outcome: Ok(Next::OnChange),
        gone: false,
        versions: Vec::new(),
    };
    let mut publishing = None;
    pass.outcome = decisions(context, (key, turn), shutdown, &mut pass, &mut publishing).await;
    if let Some(publishing) = publishing {
        publishing.await;
    }
    if let Err(error) = &pass.outcome {
        let version = stall::tell(context, key, error).await;
        pass.versions.extend(version);
    }
    pass
}

/// Waits for this, and lets Events be published meanwhile. Boxed: a pass has room for the one that is under way alone.
async fn meanwhile<T>(publishing: &mut Option<Publishing<'_>>, work: BoxFuture<'_, T>) -> T {
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
    (key, turn): (&ObjectKey, Turn),
    mut shutdown: Shutdown,
    pass: &mut Pass,
    publishing: &mut Option<Publishing<'a>>,
) -> Result<Next, Error> {
    // Kept until a decision that has seen it is carried out: after a conflict it is handed in
    // again, or the answer of the call would be lost.
    let mut outcome = None;
    // Why the record cannot be written that an object leaves behind which may not wait.
    let mut record_lost: Option<String> = None;
    let mut told = observe::Told::default();
    // The object as the last decision left it.
    let mut written: Option<Box<observe::PassTarget>> = None;
    let mut decisions = 0;
    let mut conflicts = 0;
    let mut begun_again = 0;
    loop {
        if outcome.is_none() && shutdown.requested() {
            return Ok(Next::Now);
        }
        let versions = &mut pass.versions;
        let mut subject = match written.take().filter(|subject| subject.is_fresh(context)) {
            Some(subject) => {
                told.tell(&subject.object);
                *subject
            }
            None => {
                let reading = observe::read(context, (key, turn), versions, &mut told).boxed();
                let Some(subject) = meanwhile(publishing, reading).await? else {
                    pass.gone = true;
                    return Ok(Next::OnChange);
                };
                subject
            }
        };
        let (result, lost) = (outcome.as_ref(), record_lost.as_deref());
        let deciding = observe::decide(context, &mut subject, result, lost, versions).boxed();
        let decided = tokio::select! {
            biased;
            // Reads only: they may be cut off.
            () = shutdown.wait(), if outcome.is_none() => return Ok(Next::Now),
            decided = meanwhile(publishing, deciding) => decided?,
        };
        let Some(decided) = decided else {
            begun_again += 1;
            if begun_again > context.limits.conflicts {
                return Ok(Next::Now);
            }
            continue;
        };
        if act::lets_go(&decided)
            && let Some(events) = publishing.take()
        {
            events.await;
        }
        let acting = act::carry_out(context, subject, decided, versions).boxed();
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
            Acted::Worked(result, events, subject) => {
                (outcome, written) = (Some(*result), Some(subject));
                *publishing = Some(match publishing.take() {
                    None => events,
                    Some(earlier) => join(earlier, events).map(drop).boxed(),
                });
            }
            Acted::Done(Next::Now, subject) => (outcome, written) = (None, Some(subject)),
            Acted::Done(next @ (Next::After(_) | Next::OnChange), _) => return Ok(next),
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
