//! What is said on an object that stands still because the CRDs, or another version of the operator, are in the way.

use ess_rollout_core::task::reason::Reason;
use jiff::Timestamp;

use super::{Context, Error, act, observe};
use crate::{
    kubernetes::{Cause, ErrorClass, KubeError, ObjectKey, cure},
    runtime::telemetry::chain,
};

/// The longest message: that of a condition.
const MESSAGE_MAX: usize = 1024;

/// Says it, if a person has to mend it. Gives the version of the object that this led to.
pub(super) async fn tell(context: &Context, key: &ObjectKey, error: &Error) -> Option<String> {
    let (cause, write) = cause(error)?;
    if let (ErrorClass::Outdated, Cause::Fields(fields)) = (cause.class, &cause.source) {
        context.schemas.refused(cause.kind(), fields);
    }
    let (reason, message) = words(cause, write)?;
    let now = context.clock.now();
    let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
    match context.kubernetes.stall(key, reason, &message, now).await {
        Ok(None) => None,
        Ok(version) => {
            tracing::error!(reason, why = message, "object stands still");
            version
        }
        Err(error) => {
            tracing::error!(
                reason,
                why = message,
                error = chain(&error),
                "object stands still, and cannot say so"
            );
            None
        }
    }
}

/// What the apiserver said, and whether to a write.
fn cause(error: &Error) -> Option<(&KubeError, bool)> {
    match error {
        Error::Observe(observe::Error::Read(error)) => Some((error, false)),
        Error::Act(act::Error::Write(error)) => Some((error, true)),
        Error::Observe(observe::Error::Rounds(..))
        | Error::Act(act::Error::Late(_) | act::Error::Contradiction(_)) => None,
    }
}

/// The reason and the message of the condition.
fn words(error: &KubeError, write: bool) -> Option<(&'static str, String)> {
    let why = chain(error);
    let (reason, message) = match error.class {
        ErrorClass::Outdated => (
            Reason::CRDOutdated.word(),
            format!(
                "{why}; nothing is sent to the cloud until they have: {}",
                cure()
            ),
        ),
        ErrorClass::NotUnderstood => (
            Reason::NotUnderstood.word(),
            format!(
                "{why}; a newer version of the operator wrote it: run that one, version {} leaves the object alone",
                env!("CARGO_PKG_VERSION")
            ),
        ),
        ErrorClass::Invalid if write => (
            Reason::StatusRefused.word(),
            format!(
                "{why}; if the CustomResourceDefinitions are of another version, {}",
                cure()
            ),
        ),
        ErrorClass::Invalid
        | ErrorClass::Conflict
        | ErrorClass::Gone
        | ErrorClass::Refused
        | ErrorClass::Unavailable => return None,
    };
    Some((reason, shorten(message)))
}

fn shorten(mut text: String) -> String {
    if text.len() > MESSAGE_MAX {
        text.truncate(text.floor_char_boundary(MESSAGE_MAX - 3));
        text.push_str("...");
    }
    text
}
