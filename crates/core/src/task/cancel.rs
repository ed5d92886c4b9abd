//! Ending an execution before its time. CancelExecution has no client token and needs none: it is put on record, sent, and
//! sent again whenever the last one can no longer take effect, until the execution is seen to have ended.

use ess_rollout_cloud::{CloudError, Done, Mutation, Outcome};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::decision::{Next, Work, WorkOutcome};
use super::reason::Reason;
use super::waits::Waits;

/// What became of a CancelExecution of this very execution that was sent just before.
pub(crate) fn answer<'o>(
    outcome: Option<&'o WorkOutcome>,
    execution: &str,
) -> Option<&'o Result<Done, CloudError>> {
    let outcome = outcome?;
    match &outcome.mutation {
        Mutation::CancelExecution { execution: id } if id == execution => Some(&outcome.result),
        _ => None,
    }
}

/// The call, once it is on record.
pub(crate) fn work(execution: String) -> Work {
    let mutation = Mutation::CancelExecution { execution };
    Work { mutation }
}

/// What is on record of the calls.
pub(crate) struct Calls<'c> {
    /// When the last one was put on record.
    pub(crate) last: &'c mut Option<Time>,
    /// When the next one may come, where the last one had no effect.
    pub(crate) retry: &'c mut Option<Time>,
    /// How many had none.
    pub(crate) failures: &'c mut i32,
}

impl Calls<'_> {
    /// Takes note of a call that failed. Where it is certain to have done nothing the next one may come sooner than after
    /// one whose answer was lost, and later each time. (A refusal because of the execution's state may be one of an
    /// execution that is ending: the lists will show.) Whether it is certain.
    pub(crate) fn failed(&mut self, waits: &Waits<'_>, error: &CloudError) -> bool {
        let certain = error.outcome == Outcome::NoEffect;
        if certain {
            *self.failures += 1;
            let wait = waits.after_no_effect(error, *self.failures);
            *self.retry = Some(Time(waits.now + wait));
        }
        certain
    }

    /// When the next call may be sent. `None`: at once.
    fn due(&self, waits: &Waits<'_>) -> Option<Timestamp> {
        // A clock that was ahead then must not make anything wait for it.
        let last = self.last.as_ref().filter(|last| last.0 <= waits.now)?;
        Some(match &*self.retry {
            Some(time) => time.0,
            None => waits.settled_at(last),
        })
    }

    /// Whether a call is to be sent now; if so, that is on record afterwards.
    pub(crate) fn send_if_due(&mut self, waits: &Waits<'_>) -> bool {
        let due = self.due(waits).is_none_or(|due| waits.now >= due);
        if due {
            *self.last = Some(Time(waits.now));
            *self.retry = None;
        }
        due
    }

    /// The wait where none is sent now: `usual`, but while calls fail no less than until the next one, and no longer than
    /// a running execution is left alone.
    pub(crate) fn wait(&self, waits: &Waits<'_>, usual: Next) -> Next {
        let due = self.due(waits).filter(|_| *self.failures > 0);
        match (usual, due.map(|due| waits.until(due))) {
            (Next::After(usual), Some(Next::After(rest))) => {
                Next::After(usual.max(rest.min(waits.settings.poll_interval)))
            }
            (usual, _) => usual,
        }
    }
}

/// What to say of calls that keep failing; nothing of the first.
pub(crate) fn tries(failures: i32) -> String {
    match failures > 1 {
        true => format!(
            "; CancelExecution had no effect {failures} times, and is tried again at longer intervals"
        ),
        false => String::new(),
    }
}

/// What to say of an execution that is taken for gone.
pub(crate) fn gone(id: &str, error: &CloudError) -> String {
    format!("execution {id} is not known to OOS any more, and listed nowhere: {error}")
}

/// Reason and words while it is not taken for that yet.
pub(crate) fn not_listed(id: &str) -> (Reason, String) {
    let message = format!(
        "OOS does not know execution {id}, and does not list it: it is looked for again before it is taken for gone"
    );
    (Reason::ExecutionNotListed, message)
}

/// OOS answers that there is no such execution, and lists it nowhere. It is taken for gone only when that is still so after
/// the bound on lateness: the wait until then, `None` when that is past.
pub(crate) fn missing(waits: &Waits<'_>, since: &mut Option<Time>) -> Option<Next> {
    let since = since.get_or_insert(Time(waits.now));
    waits.settling(since).map(Next::After)
}
