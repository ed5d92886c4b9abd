//! A request is seen for the first time: whom it is for, each with the attempt that it means.

use ess_rollout_api::v1alpha1::{
    ActionState, ActionTarget, InstanceState, InstanceStatus, OnFailure, RollingUpdateTaskStatus,
    Verb,
};

use super::{MESSAGE_MAX, count_open, judge};
use crate::conditions::shorten;
use crate::requests::{self, InstanceTarget, InstancesError};
use crate::rollout::context::Context;
use crate::rollout::ledger::Verdict;

/// How many instances may have an open request. With the details of settled ones they fit the bound
/// on the status.
const OPEN_MAX: usize = 200;

/// Judges a new request against the instances as just read.
pub(in crate::rollout) fn accept(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
    verb: Verb,
    value: &str,
) -> Verdict {
    let targets = match requests::parse_instances(value) {
        Ok(targets) => targets,
        Err(InstancesError::Malformed(why)) => return Verdict::Rejected("Malformed", why),
        Err(InstancesError::TooManyTargets(why)) => {
            return Verdict::Rejected("TooManyTargets", why);
        }
    };
    if status.execution.is_none() {
        return Verdict::Rejected("NotPaused", "the update has not started".into());
    }
    if ctx.spec.policy.on_failure == OnFailure::Fail {
        return Verdict::Rejected(
            "NotSuspended",
            "spec.onFailure is Fail: OOS ends the update at a failure instead of suspending it, and takes no requests on instances".into(),
        );
    }
    if count_open(status) + targets.len() > OPEN_MAX {
        return Verdict::Rejected(
            "TooManyRequests",
            format!("requests on {OPEN_MAX} instances are open: wait for their effect"),
        );
    }
    let judged = targets.into_iter().map(|target| {
        let found = status.instances.iter().find(|i| i.id == target.instance);
        resolve(verb, target, found)
    });
    Verdict::Instances(judged.collect())
}

fn resolve(verb: Verb, named: InstanceTarget, found: Option<&InstanceStatus>) -> ActionTarget {
    let refusal = match found {
        None => Some((
            "UnknownInstance",
            "it takes no part in this update".to_owned(),
        )),
        Some(found) => refusal(verb, &named, found),
    };
    let attempt = found.map_or(0, |found| found.attempt);
    let (state, reason, message) = match refusal {
        None => (ActionState::Accepted, "", String::new()),
        Some((reason, message)) => (ActionState::Rejected, reason, message),
    };
    ActionTarget {
        instance: named.instance,
        // A refused one is listed as it was named.
        attempt: match (state, named.attempt) {
            (ActionState::Rejected, Some(named)) => named,
            _ => attempt,
        },
        execution_id: found.and_then(|found| found.execution_id.clone()),
        state,
        reason: reason.to_owned(),
        message: shorten(&message, MESSAGE_MAX),
        call: None,
    }
}

fn refusal(
    verb: Verb,
    named: &InstanceTarget,
    found: &InstanceStatus,
) -> Option<(&'static str, String)> {
    match named.attempt {
        Some(attempt) if attempt != found.attempt => {
            let message = match found.attempt {
                0 => "it has not begun".to_owned(),
                newest => format!("its newest attempt is {newest}, not {attempt}"),
            };
            return Some(("StaleAttempt", message));
        }
        _ => {}
    }
    let how = judge::describe(found);
    let told = found.request.as_ref();
    if found.state == InstanceState::Pending && told.is_some_and(|r| r.verb == verb) {
        let message = "it was told so already, and is passed over when its turn comes".to_owned();
        return Some(("InstanceFinished", message));
    }
    match (verb, found.state) {
        (Verb::Retry, InstanceState::Failed) => None,
        (Verb::Retry, _) => Some(("InstanceNotFailed", how)),
        (_, InstanceState::Pending | InstanceState::Updating | InstanceState::Failed) => None,
        (_, _) => Some(("InstanceFinished", how)),
    }
}
