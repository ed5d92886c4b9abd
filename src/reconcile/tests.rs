//! What a pass does with decisions, whoever makes them.

mod bounds;
mod many;
mod order;
mod records;
mod stalled;
mod story;

use ess_rollout_api::v1alpha1::{Baseline, ScalingGroupRecordStatus};
use ess_rollout_cloud::Query;
use ess_rollout_core::ask::Ask;
use ess_rollout_core::rollout::{Decision, Input, Next, Step};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::fake::{event, idle, status, work};

pub(super) fn decided(decision: Decision) -> Step {
    Step::Decided(Box::new(decision))
}

pub(super) fn group() -> Ask {
    Ask::Cloud(Query::ScalingGroup {
        group: "asg-1".to_owned(),
    })
}

pub(super) fn record_status() -> ScalingGroupRecordStatus {
    ScalingGroupRecordStatus {
        baseline: Some(Baseline {
            time: Time("2026-01-01T00:00:00Z".parse().unwrap()),
            suspended_processes: Vec::new(),
            scaling_configuration_id: None,
            image_id: None,
            containers: None,
            inherited: false,
        }),
        ..ScalingGroupRecordStatus::default()
    }
}

/// Everything at once the first time, nothing afterwards.
pub(super) fn everything_once() -> Box<dyn for<'a> Fn(Input<'a>) -> Step + Send + Sync> {
    Box::new(|input| {
        let done = input.subject.status.and_then(|s| s.state.as_deref()) == Some("Done");
        if done {
            return decided(idle(input.subject));
        }
        decided(Decision {
            finalizer: Some(true),
            execution_annotation: Some("ns/a/hash/exec-1".to_owned()),
            rollback: None,
            lets_go_anyway: false,
            record: Some(record_status()),
            status: status("Done"),
            work: Some(work()),
            also: Vec::new(),
            events: vec![event()],
            delete: false,
            next: Next::OnChange,
        })
    })
}
