//! Which account a caller belongs to: what the services' limits go by.
//!
//! A role says it in its ARN. An access key does not; STS tells, whoever asks for the key it signs
//! with. For the limits it is asked only once there are two callers: one alone has its buckets to
//! itself, whatever they are called. No other call waits for the answer. Until it is there, and where
//! STS cannot be reached, a key counts as an account of its own.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long STS is left alone after it was asked for a key: it may be out of reach for good.
const PAUSE: Duration = Duration::from_secs(10 * 60);

/// The same where it answered, and said no: as where this clock was wrong, or its rate was spent.
const PAUSE_AFTER_ANSWER: Duration = Duration::from_secs(30);

/// How many callers are remembered. Keys come from users, and they rotate them.
const MANY: usize = 4096;

#[derive(Clone)]
enum Known {
    Account(String),
    /// Not asked before.
    AskFrom(Instant),
}

/// What is known of the callers of a process.
#[derive(Default)]
pub(crate) struct Accounts {
    callers: Mutex<HashMap<String, Known>>,
    /// Whom STS told nothing of when somebody waited for the answer, and until when it is left alone.
    untold: Mutex<HashMap<String, Instant>>,
}

/// `<account>` of `acs:ram::<account>:role/<name>`.
fn of_arn(caller: &str) -> Option<&str> {
    let (account, _) = caller.strip_prefix("acs:ram::")?.split_once(':')?;
    let is_id = !account.is_empty() && account.bytes().all(|b| b.is_ascii_digit());
    is_id.then_some(account)
}

impl Accounts {
    /// What to count the calls of a caller under, which is an access key id or the ARN of a role;
    /// and whether to ask STS now. Who is told to ask is the only one for a while.
    pub(crate) fn of(&self, caller: &str) -> (String, bool) {
        let now = Instant::now();
        let mut callers = self.lock();
        if callers.len() >= MANY && !callers.contains_key(caller) {
            callers.clear();
        }
        let known = callers.get(caller).cloned().unwrap_or_else(|| {
            of_arn(caller).map_or(Known::AskFrom(now), |id| Known::Account(id.to_owned()))
        });
        let others = callers.keys().any(|other| other != caller);
        let (account, ask, known) = match known {
            Known::Account(id) => (id.clone(), false, Known::Account(id)),
            Known::AskFrom(from) if others && from <= now => {
                (caller.to_owned(), true, Known::AskFrom(now + PAUSE))
            }
            later @ Known::AskFrom(_) => (caller.to_owned(), false, later),
        };
        callers.insert(caller.to_owned(), known);
        (account, ask)
    }

    /// The account of a caller, if it is known; else whether STS is worth asking now.
    pub(crate) fn known(&self, caller: &str) -> Result<String, bool> {
        if let Some(Known::Account(id)) = self.lock().get(caller) {
            return Ok(id.clone());
        }
        if let Some(id) = of_arn(caller) {
            return Ok(id.to_owned());
        }
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        untold.retain(|_, until| *until > Instant::now());
        Err(!untold.contains_key(caller))
    }

    /// STS was asked, and did not say; `answered`: it said why.
    pub(crate) fn not_told(&self, caller: &str, answered: bool) {
        let pause = match answered {
            true => PAUSE_AFTER_ANSWER,
            false => PAUSE,
        };
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.len() < MANY {
            untold.insert(caller.to_owned(), Instant::now() + pause);
        }
    }

    /// STS has told. An empty account tells nothing.
    pub(crate) fn found(&self, caller: &str, account: &str) {
        if !account.is_empty() {
            self.lock()
                .insert(caller.to_owned(), Known::Account(account.to_owned()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        // An entry is whole after each statement: nothing is lost if a holder panicked.
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[path = "accounts_tests.rs"]
mod tests;
