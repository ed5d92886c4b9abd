//! The admission policies that come with this version, as texts: the chart and `config/components` hold copies, which
//! `make crds` makes.
//!
//! - [`REQUESTS`]: who may ask for what, and under whose name
//! - [`WARNINGS`]: what is allowed and dangerous
//! - [`REQUESTER`]: writes the name of who asks, where the apiserver can (Kubernetes 1.36 and later)

/// The ValidatingAdmissionPolicy of requests. Under it `ess-rollout.io/requested-by` is who asked.
pub const REQUESTS: &str = include_str!("admission/requests.yaml");
/// Its binding.
pub const REQUESTS_BINDING: &str = include_str!("admission/requests-binding.yaml");
/// The ValidatingAdmissionPolicy of warnings.
pub const WARNINGS: &str = include_str!("admission/warnings.yaml");
/// The MutatingAdmissionPolicy that writes names.
pub const REQUESTER: &str = include_str!("admission/requester.yaml");

/// The label, on [`REQUESTS`] and on its binding, of [`REQUESTS_HASH`].
pub const HASH_LABEL: &str = "ess-rollout.io/policy-hash";
/// The first sixteen digits of the SHA-256 of [`REQUESTS`] from `spec:` on: of what the policy does.
pub const REQUESTS_HASH: &str = "f8221b7c64ad06a5";

/// The label of a namespace in which nobody continues what he has created himself.
pub const FOUR_EYES_LABEL: &str = "ess-rollout.io/four-eyes";
/// The value of [`FOUR_EYES_LABEL`] that means so; no other does.
pub const FOUR_EYES_REQUIRED: &str = "required";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{requests, warnings};

    #[test]
    fn the_policies_have_the_words_of_the_constants() {
        let keys = [
            requests::CONTINUE,
            requests::RETRY,
            requests::SKIP,
            requests::CANCEL,
            requests::CANCEL_INSTANCES,
            requests::RUN_NOW,
            requests::RETRY_GATE,
            requests::OVERRIDE_WINDOW,
        ];
        for key in keys {
            let (_, verb) = key.split_once('/').unwrap_or_default();
            for policy in [REQUESTS, REQUESTER] {
                assert!(policy.contains(&format!("'{verb}'")), "{verb}");
            }
            assert!(REQUESTS.contains(&format!(".check('{verb}')")), "{verb}");
        }
        let four_eyes = format!("[?'{FOUR_EYES_LABEL}'].orValue('') == '{FOUR_EYES_REQUIRED}'");
        assert!(REQUESTS.contains(&four_eyes));
        for key in [requests::REQUESTED_BY, requests::CREATED_BY] {
            for policy in [REQUESTS, REQUESTER] {
                assert!(policy.contains(&format!("'{key}'")), "{key}");
            }
        }
        let said = [
            ("batches", warnings::ALL_AT_ONCE),
            ("batchSize", warnings::ALL_AT_ONCE),
            ("ttlSecondsAfterFinished", warnings::TTL_WITHOUT_RUN_KEY),
            ("suspensionPolicy", warnings::FROZEN_IN_PAUSES),
        ];
        for (field, text) in said {
            let message = format!("message: \"spec.{field}: {text}\"\n");
            assert!(WARNINGS.contains(&message), "{message}");
        }
    }
}
