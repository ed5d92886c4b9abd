//! Temporary credentials, renewed before they end.
//!
//! One renewal at a time; the old credentials are served while they are valid, whatever becomes of it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp, civil::DateTime};
use serde_json::Value;

use super::{
    Credentials, CredentialsError, CredentialsFuture, CredentialsProvider, StaticCredentials,
};
use crate::{
    config::Clock,
    fields::{text, time},
};

/// Renewing starts this long before the end, spread so that the replicas of a cluster do not ask
/// at once: STS has a flow control of its own.
const REFRESH_EARLY: std::ops::Range<i64> = 5 * 60..15 * 60;

/// Credentials that end within this time are not handed out: a request signed with them may arrive
/// after the end.
const TOO_LATE: SignedDuration = SignedDuration::from_secs(30);

/// After a failed renewal the source is left alone for this long.
const PAUSE_AFTER_FAILURE: SignedDuration = SignedDuration::from_secs(10);

/// After the service refused credentials, new ones are asked for no more often than this: the fault
/// may lie with something that new credentials do not cure.
const PAUSE_AFTER_REJECTION: SignedDuration = SignedDuration::from_secs(30);

/// Who gives temporary credentials.
pub(super) trait Source: Send + Sync {
    /// See [`CredentialsProvider::account`].
    fn account(&self) -> &str;

    /// Asks for new ones, in bounded time.
    fn fetch(&self) -> CredentialsFuture<'_, Session>;
}

/// Credentials with an end.
#[derive(Clone)]
pub(super) struct Session {
    credentials: Credentials,
    obtained: Timestamp,
    refresh: Timestamp,
    end: Timestamp,
}

impl Session {
    /// Credentials as STS, the metadata service and a credentials URI spell them; else what is wrong with them, without any
    /// value.
    pub(super) fn read(row: &Value, now: Timestamp) -> Result<Self, String> {
        let part = |name: &str| {
            Some(text(row, name))
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("the answer has no {name}"))
        };
        let end = expiration(row)
            .ok_or("the answer has no Expiration that is a time such as 2024-05-06T08:08:09Z")?;
        if end <= now + TOO_LATE {
            return Err(format!(
                "the credentials end at {end}, and it is {now}: check the clocks of both sides"
            ));
        }
        let (id, secret, token) = (
            part("AccessKeyId")?,
            part("AccessKeySecret")?,
            part("SecurityToken")?,
        );
        // What no header can carry would fail each call, and say so in other words each time.
        let credentials = StaticCredentials::new(&id, &secret, Some(&token))
            .map_err(|error| format!("in the answer, {}", error.message))?
            .into_inner();
        // The shortest session is 15 minutes; it is renewed half-way at the earliest.
        let half = (end.as_second() - now.as_second()).max(0) / 2;
        let early = fastrand::i64(REFRESH_EARLY).min(half);
        Ok(Self {
            credentials,
            obtained: now,
            refresh: end - Duration::from_secs(early.unsigned_abs()),
            end,
        })
    }
}

/// When credentials end. A program that serves some without an end may say the last day of the calendar, which is past what a
/// timestamp holds.
fn expiration(row: &Value) -> Option<Timestamp> {
    time(row, "Expiration").or_else(|| {
        let date: DateTime = text(row, "Expiration").strip_suffix('Z')?.parse().ok()?;
        (date.year() == 9999).then_some(Timestamp::MAX)
    })
}

#[derive(Default)]
struct State {
    session: Option<Session>,
    /// The last failure, and until when it stands.
    failure: Option<(CredentialsError, Timestamp)>,
}

/// Credentials of a source, renewed before they end.
pub(super) struct Renewing<S> {
    source: S,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    /// Held while the source is asked.
    refreshing: tokio::sync::Mutex<()>,
}

impl<S: Source> fmt::Debug for Renewing<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Renewing")
            .field("account", &self.source.account())
            .finish_non_exhaustive()
    }
}

impl<S: Source> Renewing<S> {
    pub(super) fn new(source: S, clock: Arc<dyn Clock>) -> Self {
        Self {
            source,
            clock,
            state: Mutex::default(),
            refreshing: tokio::sync::Mutex::default(),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        // Whole after each statement: nothing is lost if a holder panicked.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session, if it is still good to sign with.
    fn valid(&self, now: Timestamp) -> Option<Session> {
        self.state()
            .session
            .clone()
            .filter(|session| now + TOO_LATE < session.end)
    }

    /// A failure that is too recent to ask again.
    fn recent_failure(&self, now: Timestamp) -> Option<CredentialsError> {
        let state = self.state();
        let (error, until) = state.failure.as_ref()?;
        (now < *until).then(|| error.clone())
    }

    async fn session(&self) -> Result<Credentials, CredentialsError> {
        let now = self.clock.now();
        let _refreshing = match self.valid(now) {
            Some(session) if now < session.refresh || self.recent_failure(now).is_some() => {
                return Ok(session.credentials);
            }
            // Somebody else renews it: the old one does meanwhile.
            Some(session) => match self.refreshing.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(session.credentials),
            },
            None => self.refreshing.lock().await,
        };
        // Who waited for the lock finds the work done, well or badly.
        let now = self.clock.now();
        let valid = self.valid(now);
        match &valid {
            Some(session) if now < session.refresh => return Ok(session.credentials.clone()),
            _ => {}
        }
        if let Some(error) = self.recent_failure(now) {
            return valid.map(|session| session.credentials).ok_or(error);
        }
        match (self.renew().await, valid) {
            (Ok(session), _) => Ok(session.credentials),
            (Err(error), Some(session)) => {
                tracing::warn!(
                    %error,
                    account = self.source.account(),
                    requestId = error.request_id,
                    "credentials not renewed; the old ones are still valid"
                );
                Ok(session.credentials)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Asks the source and keeps what it says.
    async fn renew(&self) -> Result<Session, CredentialsError> {
        let result = self.source.fetch().await;
        let mut state = self.state();
        match &result {
            Ok(session) => {
                state.session = Some(session.clone());
                state.failure = None;
            }
            Err(error) => {
                state.failure = Some((error.clone(), self.clock.now() + PAUSE_AFTER_FAILURE));
            }
        }
        result
    }

    async fn after_rejection(
        &self,
        rejected: &Credentials,
    ) -> Result<Option<Credentials>, CredentialsError> {
        let _refreshing = self.refreshing.lock().await;
        let now = self.clock.now();
        if self.recent_failure(now).is_some() {
            return Ok(None);
        }
        if let Some(session) = self.valid(now) {
            if session.credentials.access_key_id != rejected.access_key_id {
                return Ok(Some(session.credentials));
            }
            if now < session.obtained + PAUSE_AFTER_REJECTION {
                return Ok(None);
            }
        }
        self.renew().await.map(|session| Some(session.credentials))
    }
}

impl<S: Source> CredentialsProvider for Renewing<S> {
    fn account(&self) -> &str {
        self.source.account()
    }

    fn current(&self) -> CredentialsFuture<'_, Credentials> {
        Box::pin(self.session())
    }

    fn refresh_after_rejection<'a>(
        &'a self,
        rejected: &'a Credentials,
    ) -> CredentialsFuture<'a, Option<Credentials>> {
        Box::pin(self.after_rejection(rejected))
    }
}
