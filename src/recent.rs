//! Answers of the cloud that are shared by all who ask for the same within some time: alarms, which many tasks watch.
//!
//! A question is under way once at a time; whoever asks meanwhile waits for it, and takes its answer, be it that there was none.
//! So a question that many tasks have costs one call for each interval, however many they are, and with a service that does not
//! answer as well. What comes of it is kept under the credentials that asked: nobody is told what his own have not read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ess_rollout_cloud::{Answer, CloudError, Query};
use tokio::time::Instant;

use crate::seen::Place;

/// Answers that are older are forgotten when there are many: nobody asks for what is as old (`spec.gates.intervalSeconds`).
const KEPT: Duration = Duration::from_secs(900);
/// When there are so many, the old ones are forgotten.
const MANY: usize = 1024;

type Told = Result<Answer, CloudError>;

/// When it was asked, and what came of it; `None`: nobody has an answer yet.
type Kept = Arc<tokio::sync::Mutex<Option<(Instant, Told)>>>;

/// The answers of late.
#[derive(Default)]
pub struct Recent {
    kept: Mutex<HashMap<(Place, Query), Kept>>,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, HashMap<(Place, Query), Kept>> {
        // It is whole after each statement.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, asked no longer ago than `age`; `read` asks it.
    pub async fn of(
        &self,
        place: &Place,
        query: &Query,
        age: Duration,
        read: impl AsyncFnOnce() -> Told,
    ) -> Told {
        let kept = self.place_of(place, query);
        let mut kept = kept.lock().await;
        if let Some((asked, told)) = kept.as_ref()
            && asked.elapsed() <= age
        {
            return told.clone();
        }
        let asked = Instant::now();
        let told = read().await;
        *kept = Some((asked, told.clone()));
        told
    }

    fn place_of(&self, place: &Place, query: &Query) -> Kept {
        let mut all = self.lock();
        if all.len() >= MANY {
            all.retain(|_, kept| match kept.try_lock() {
                Ok(kept) => kept
                    .as_ref()
                    .is_some_and(|(asked, _)| asked.elapsed() < KEPT),
                // Somebody is asking.
                Err(_) => true,
            });
        }
        let key = (place.clone(), query.clone());
        all.entry(key).or_default().clone()
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
