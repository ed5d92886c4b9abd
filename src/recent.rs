//! Answers that are shared by all who ask for the same within some time: alarms, which many tasks watch.
//!
//! A question is under way once at a time; whoever asks meanwhile waits for it, and takes its answer, be it that there was none.
//! So a question that many tasks have costs one call for each interval, however many they are, and with a service that does not
//! answer as well. What the cloud says is kept under the credentials that asked: nobody is told what his own have not read.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Answers that are older are forgotten when there are many: nobody asks for what is as old (`spec.gates.intervalSeconds`).
const KEPT: Duration = Duration::from_secs(900);
/// When there are so many, the old ones are forgotten.
const MANY: usize = 1024;

/// When it was asked, and what came of it; `None`: nobody has an answer yet.
type Kept<T> = Arc<tokio::sync::Mutex<Option<(Instant, T)>>>;

/// The answers of late, by what was asked.
pub struct Recent<Q, T> {
    kept: Mutex<HashMap<Q, Kept<T>>>,
}

impl<Q, T> Default for Recent<Q, T> {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
        }
    }
}

impl<Q: Clone + Eq + Hash, T: Clone> Recent<Q, T> {
    fn lock(&self) -> MutexGuard<'_, HashMap<Q, Kept<T>>> {
        // It is whole after each statement.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, asked no longer ago than `age`; `read` asks it.
    pub async fn of(&self, query: &Q, age: Duration, read: impl AsyncFnOnce() -> T) -> T {
        let kept = self.place_of(query);
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

    fn place_of(&self, query: &Q) -> Kept<T> {
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
        all.entry(query.clone()).or_default().clone()
    }
}

#[cfg(test)]
#[path = "recent_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
