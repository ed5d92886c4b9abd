//! A failure of the cloud, in the words of conditions.

use ess_rollout_cloud::{CloudError, ErrorClass};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use ess_rollout_api::v1alpha1::condition;

use super::ask::LATE;
use super::conditions;
use super::reason::Reason;

/// The reasons of what only a person can mend.
const REFUSALS: [Reason; 4] = [
    Reason::AccessDenied,
    Reason::CredentialsRejected,
    Reason::RequestRefused,
    Reason::ClockWrong,
];

/// A failure that keeps an object from moving.
pub(crate) struct Failure {
    pub(crate) reason: Reason,
    /// What failed, and the cure.
    pub(crate) message: String,
    pub(crate) needs_person: bool,
}

impl Failure {
    /// What is worth showing of a failure. `None`: throttling slows everyone down and is nobody's
    /// news.
    pub(crate) fn of(error: &CloudError) -> Option<Self> {
        let (reason, cure) = match error.class {
            ErrorClass::Throttled => return None,
            ErrorClass::Denied => (
                Reason::AccessDenied,
                "; grant the action to the credentials in use",
            ),
            // Requests carry the time, and a signature that is too old or too new is refused: the credentials are right.
            ErrorClass::Unauthenticated if error.code == "InvalidTimeStamp.Expired" => (
                Reason::ClockWrong,
                "; the clock of the node that the operator runs on differs from the cloud's by more than 15 minutes: set it right (NTP)",
            ),
            ErrorClass::Unauthenticated => (
                Reason::CredentialsRejected,
                "; check the credentials in use",
            ),
            ErrorClass::Invalid => (Reason::RequestRefused, ""),
            ErrorClass::NotFound => (Reason::NotFound, ""),
            ErrorClass::Retry if error.code == LATE => (
                Reason::LookLate,
                "; what is shown is from before that: see whether other tools spend the account's rate, and the operator's rates",
            ),
            ErrorClass::Retry | ErrorClass::Conflict | ErrorClass::TokenMismatch => {
                (Reason::CloudUnavailable, "")
            }
        };
        Some(Self {
            reason,
            message: format!("{error}{cure}"),
            needs_person: error.needs_person(),
        })
    }
}

/// Whether a call that failed may be made again as it was: the service did not judge it, or refused
/// for what a person can mend elsewhere.
pub(crate) fn is_passing(error: &CloudError) -> bool {
    use ErrorClass::{Denied, Retry, Throttled, Unauthenticated};
    matches!(error.class, Retry | Throttled | Denied | Unauthenticated)
}

/// The refusal that only a person can mend, where one is on show. For statuses of an older layout: see
/// [`super::display::Displayed::recall`].
pub(crate) fn shown_refusal(all: &[Condition]) -> Option<String> {
    let stalled = conditions::get(all, condition::STALLED)?;
    let refused = REFUSALS.iter().any(|refusal| stalled.reason == *refusal);
    refused.then(|| stalled.reason.clone())
}

#[cfg(test)]
mod tests {
    use ess_rollout_cloud::Outcome;

    use super::*;

    #[test]
    fn a_wrong_clock_is_named_and_not_the_credentials() {
        let error = |code: &str| CloudError {
            call: "ESS DescribeScalingGroups".into(),
            class: ErrorClass::Unauthenticated,
            outcome: Outcome::NoEffect,
            code: code.into(),
            message: "Specified time stamp or date value is expired.".into(),
            request_id: Some("r-1".into()),
            missing_action: None,
            retry_after: None,
        };
        let trouble = Failure::of(&error("InvalidTimeStamp.Expired")).unwrap();
        assert_eq!(
            (trouble.reason, trouble.needs_person),
            (Reason::ClockWrong, true)
        );
        assert!(
            trouble.message.contains("the clock of the node")
                && !trouble.message.contains("credentials"),
            "{}",
            trouble.message
        );
        let trouble = Failure::of(&error("InvalidAccessKeyId.NotFound")).unwrap();
        assert_eq!(trouble.reason, Reason::CredentialsRejected);
        assert!(trouble.message.contains("check the credentials in use"));
    }
}
