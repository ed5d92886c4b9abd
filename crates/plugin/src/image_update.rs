//! An ImageUpdateTask as it is looked at.

use ess_rollout_api::v1alpha1::{
    ImageUpdateTaskSpec, ImageUpdateTaskStatus, RunOutcome, condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::conditions::why;
use crate::exit::End;

/// Images for new instances, now or on a schedule.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageUpdate {
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// What is asked for.
    pub spec: ImageUpdateTaskSpec,
    /// What is known of it.
    pub status: ImageUpdateTaskStatus,
}

impl ImageUpdate {
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The state word; the operator has not looked at it yet: `Pending`.
    pub fn state(&self) -> &str {
        self.status.state.as_deref().unwrap_or("Pending")
    }

    /// What it does: `image from i-bp1example`.
    pub fn what(&self) -> String {
        match (&self.spec.image_id, &self.spec.source) {
            (Some(image), _) => format!("image {image}"),
            (None, Some(source)) => format!("image from {}", source.instance_id),
            (None, None) => "nothing".to_owned(),
        }
    }

    /// Why it is in its state.
    pub fn why(&self) -> &str {
        let kinds = [
            condition::STALLED,
            condition::READY,
            condition::PREFLIGHT,
            condition::SUCCEEDED,
        ];
        why(&self.status.conditions, &kinds)
    }

    /// How its last run ended, once no other is to come.
    pub fn end(&self) -> Option<End> {
        self.status.completion_time.as_ref()?;
        Some(match self.status.last_outcome {
            // It ended without any: all that were due were missed.
            None | Some(RunOutcome::Failed) => End::Failed,
            Some(RunOutcome::Succeeded) => End::Wanted,
            Some(RunOutcome::Cancelled) => End::Cancelled,
        })
    }
}
