//! What one process knows of the Lease, and what it does next. Pure but for the instants handed in.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Times;

/// What a Lease holds of an election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// `spec.holderIdentity`; empty: nobody.
    pub holder: String,
    /// `spec.leaseDurationSeconds`.
    pub duration: Duration,
    /// `spec.leaseTransitions`: how often the holder has changed. The number of its holder's term of office.
    pub transitions: i32,
    /// `spec.acquireTime`, for people.
    pub acquired: Option<Timestamp>,
    /// `spec.renewTime`, for people; and it tells one write of a process from the next.
    pub renewed: Option<Timestamp>,
}

/// Whose place it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody's.
    Free,
    /// Ours, for all that is on record.
    Ours,
    /// Another's, until then at least.
    Held(Instant),
}

/// Whose place it is by this record, which has been as it is since `observed`.
pub fn evaluate(lease: Option<&Lease>, me: &str, observed: Instant, now: Instant) -> Verdict {
    match lease {
        None => Verdict::Free,
        Some(lease) if lease.holder.is_empty() => Verdict::Free,
        Some(lease) if lease.holder == me => Verdict::Ours,
        Some(lease) => match observed.checked_add(lease.duration) {
            Some(until) if until > now => Verdict::Held(until),
            Some(_) => Verdict::Free,
            // Whoever wrote that wants it for ever.
            None => Verdict::Held(now + Duration::from_secs(3600)),
        },
    }
}

/// The place that a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    /// Until then it may act.
    pub deadline: Instant,
    /// Its term of office.
    pub transitions: i32,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Write this, if the Lease is still of this version; `None`: if there is none yet.
    Write(Lease, Option<String>),
    /// Nothing until then, unless there is news.
    Wait(Instant),
}

/// A process that may lead.
#[derive(Debug)]
pub struct Candidate {
    me: String,
    times: Times,
    seen: Option<Seen>,
    /// A write that has not been answered, or not yet, and when it was sent.
    sent: Option<(Lease, Instant)>,
    /// When the last one was sent that was taken.
    renewed: Option<Instant>,
    holding: Option<Holding>,
}

#[derive(Debug)]
struct Seen {
    /// `None`: there is none.
    lease: Option<(Lease, String)>,
    /// Since when it is so.
    since: Instant,
}

impl Candidate {
    /// One that has seen nothing yet. `me` has to be another for each process, as one that was paused may come back.
    pub fn new(me: String, times: Times) -> Self {
        Self {
            me,
            times,
            seen: None,
            sent: None,
            renewed: None,
            holding: None,
        }
    }

    /// The place that it has, be it that its deadline is over.
    pub fn holding(&self) -> Option<Holding> {
        self.holding
    }

    /// Who has the place, as last seen; `None`: nobody, or nothing has been seen.
    pub fn holder(&self) -> Option<&str> {
        let (lease, _) = self.seen.as_ref()?.lease.as_ref()?;
        Some(lease.holder.as_str()).filter(|holder| !holder.is_empty())
    }

    /// The Lease was read, or a watch has told of it: as it is, with its version; `None`: there is none.
    pub fn saw(&mut self, lease: Option<(Lease, String)>, now: Instant) {
        let before = self.seen.as_ref();
        let is_news = before.is_none_or(|seen| seen.lease != lease);
        let ours = lease.as_ref().filter(|(lease, _)| lease.holder == self.me);
        match (ours, &self.sent) {
            // The answer was lost and the write was not. It counts from when it was sent.
            (Some((lease, _)), Some((sent, began))) if lease == sent => {
                let began = *began;
                self.takes_office(lease.transitions, began);
            }
            (Some(_), _) => {}
            // Whatever the clock says: somebody has taken it, or a person has.
            (None, _) => (self.holding, self.renewed) = (None, None),
        }
        if is_news {
            self.seen = Some(Seen { lease, since: now });
        }
    }

    fn takes_office(&mut self, transitions: i32, began: Instant) {
        let deadline = began + self.times.renew_deadline;
        let before = self.holding.filter(|held| held.transitions == transitions);
        self.holding = Some(Holding {
            deadline: before.map_or(deadline, |held| held.deadline.max(deadline)),
            transitions,
        });
        self.renewed = self.renewed.max(Some(began));
    }

    /// A write that was sent at `began` was taken, and led to this version.
    pub fn wrote(&mut self, lease: Lease, version: String, (began, now): (Instant, Instant)) {
        self.sent = None;
        if lease.holder == self.me {
            self.takes_office(lease.transitions, began);
        } else {
            (self.holding, self.renewed) = (None, None);
        }
        let lease = Some((lease, version));
        self.seen = Some(Seen { lease, since: now });
    }

    /// A write is being sent. Until it is answered it may have been taken or not.
    pub fn sends(&mut self, lease: Lease, now: Instant) {
        self.sent = Some((lease, now));
    }

    /// What to do next. `wall`: the time for people.
    pub fn next(&self, now: Instant, wall: Timestamp) -> Act {
        let Some(Seen { lease, since }) = &self.seen else {
            return Act::Wait(now + self.times.retry);
        };
        let (record, version) = match lease {
            Some((record, version)) => (Some(record), Some(version.clone())),
            None => (None, None),
        };
        let acquired = match evaluate(record, &self.me, *since, now) {
            Verdict::Held(until) => return Act::Wait(until),
            Verdict::Ours => {
                let due = self.renewed.map(|renewed| renewed + self.times.retry);
                if let Some(due) = due.filter(|due| *due > now) {
                    return Act::Wait(due);
                }
                record.and_then(|record| record.acquired)
            }
            Verdict::Free => Some(wall),
        };
        let before = record.map_or(0, |record| record.transitions);
        let is_ours = record.is_some_and(|record| record.holder == self.me);
        Act::Write(
            Lease {
                holder: self.me.clone(),
                duration: self.times.lease,
                transitions: match (is_ours, record) {
                    (true, _) | (_, None) => before,
                    (false, Some(_)) => before.saturating_add(1),
                },
                acquired,
                renewed: Some(wall),
            },
            version,
        )
    }

    /// It does nothing any more, whatever is on record.
    pub fn stops(&mut self) {
        (self.holding, self.renewed, self.sent) = (None, None, None);
    }

    /// How to give the place up, when everything that it lets do is over; `None`: it is not ours.
    pub fn release(&self, wall: Timestamp) -> Option<(Lease, String)> {
        let (lease, version) = self.seen.as_ref()?.lease.as_ref()?;
        (lease.holder == self.me).then(|| {
            let released = Lease {
                holder: String::new(),
                duration: Duration::from_secs(1),
                renewed: Some(wall),
                acquired: Some(wall),
                ..lease.clone()
            };
            (released, version.clone())
        })
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests;
