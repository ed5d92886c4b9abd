//! The log lines at `info`: one for each call that changes the cloud, each turn of an object, each request of a person.
//! Whose they are is in the fields of the pass's span.

use ess_rollout_api::v1alpha1::condition;
use ess_rollout_cloud::{CloudError, Done, ErrorClass, Mutation};
use ess_rollout_core::decision::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::observe::Group;
use crate::kubernetes::{Object, Status};

/// The most targets that a line names.
const TARGETS_MAX: usize = 20;

/// A call that was to change the cloud, and what came of it.
pub(super) fn effect(group: &Group, mutation: &Mutation, result: &Result<Done, CloudError>) {
    let (call, execution, targets) = described(mutation);
    let (group, region) = (&group.id, group.region.as_deref());
    match result {
        Ok(done) => {
            let (execution, request) = match done {
                Done::Started {
                    execution,
                    request_id,
                } => (Some(execution.id.as_str()), request_id),
                Done::Accepted { request_id } => (execution, request_id),
            };
            tracing::info!(
                call,
                scalingGroupId = group,
                region,
                executionId = execution,
                targets,
                requestId = request,
                "cloud changed"
            );
        }
        // Waits its turn, and is nobody's news.
        Err(error) if error.class == ErrorClass::Throttled => {
            tracing::debug!(
                call,
                scalingGroupId = group,
                region,
                executionId = execution,
                targets,
                requestId = error.request_id,
                code = error.code,
                %error,
                "cloud call held back"
            );
        }
        Err(error) => tracing::warn!(
            call,
            scalingGroupId = group,
            region,
            executionId = execution,
            targets,
            requestId = error.request_id,
            code = error.code,
            %error,
            "cloud call failed"
        ),
    }
}

/// The call, the execution that it is about, and what else it names. Never a script or a parameter.
fn described(mutation: &Mutation) -> (&'static str, Option<&str>, Option<String>) {
    let list = |items: &mut dyn Iterator<Item = String>, count: usize| {
        let named: Vec<String> = items.take(TARGETS_MAX).collect();
        let more = count.saturating_sub(TARGETS_MAX);
        Some(match more {
            0 => named.join(","),
            more => format!("{} and {more} more", named.join(",")),
        })
    };
    match mutation {
        Mutation::StartExecution(start) => (
            "OOS StartExecution",
            None,
            Some(format!(
                "{} {}",
                start.template_name,
                start.template_version.as_deref().unwrap_or("newest")
            )),
        ),
        Mutation::NotifyExecution {
            execution,
            notify,
            task_execution,
            loop_item,
            note: _,
        } => {
            let at = loop_item.as_deref().or(task_execution.as_deref());
            let what = format!("{notify:?} {}", at.unwrap_or("the pause"));
            ("OOS NotifyExecution", Some(execution), Some(what))
        }
        Mutation::CancelExecution { execution } => {
            ("OOS CancelExecution", Some(execution.as_str()), None)
        }
        Mutation::SuspendProcesses { processes, .. } => (
            "ESS SuspendProcesses",
            None,
            list(
                &mut processes.iter().map(ToString::to_string),
                processes.len(),
            ),
        ),
        Mutation::ResumeProcesses { processes, .. } => (
            "ESS ResumeProcesses",
            None,
            list(
                &mut processes.iter().map(ToString::to_string),
                processes.len(),
            ),
        ),
        Mutation::ExitStandby { instances, .. } => (
            "ESS ExitStandby",
            None,
            list(&mut instances.iter().cloned(), instances.len()),
        ),
        Mutation::SetInstancesProtection {
            instances,
            protected: _,
            ..
        } => (
            "ESS SetInstancesProtection",
            None,
            list(&mut instances.iter().cloned(), instances.len()),
        ),
        Mutation::ModifyScalingConfiguration {
            configuration,
            image,
        } => (
            "ESS ModifyScalingConfiguration",
            None,
            Some(format!("{configuration} to {image}")),
        ),
        Mutation::ModifyEciScalingConfiguration { configuration, .. } => (
            "ESS ModifyEciScalingConfiguration",
            None,
            Some(configuration.clone()),
        ),
        Mutation::StartInstance { instance } => ("ECS StartInstance", None, Some(instance.clone())),
    }
}

/// What an object has become, if that is a turn: another state, or another reason for it.
pub(super) struct Turn {
    state: String,
    reason: String,
    message: String,
}

impl Turn {
    /// Of an object that is to have this status.
    pub(super) fn of(object: &Object, status: &Status) -> Option<Self> {
        let (old_state, old) = match object {
            Object::ImageUpdate(task) => {
                let status = task.status.as_ref();
                (
                    status.and_then(|s| s.state.as_deref()),
                    status.map_or(&[][..], |s| &s.conditions),
                )
            }
            Object::Task(_) | Object::Rollback(_) => {
                let status = object.rollout_status();
                (
                    status.and_then(|s| s.state.as_deref()),
                    status.map_or(&[][..], |s| &s.conditions),
                )
            }
        };
        let (state, new) = match status {
            Status::Rollout(status) => (status.state.as_deref(), &status.conditions),
            Status::ImageUpdate(status) => (status.state.as_deref(), &status.conditions),
        };
        let new = ready(new)?;
        let same = old_state == state && ready(old).map(|c| &c.reason) == Some(&new.reason);
        (!same).then(|| Self {
            state: state.unwrap_or_default().to_owned(),
            reason: new.reason.clone(),
            message: new.message.clone(),
        })
    }

    /// Once it is written.
    pub(super) fn tell(self) {
        let Self {
            state,
            reason,
            message,
        } = self;
        // A field of the name `message` would take the place of the line's own.
        tracing::info!(state, reason, why = message, "turn");
    }
}

fn ready(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == condition::READY)
}

/// What people are told by an Event: of their requests, of instances that failed, of what is left.
pub(super) fn event(event: &Event) {
    let Event {
        kind,
        reason,
        action,
        note,
    } = event;
    tracing::info!(kind = ?kind, reason = reason.word(), action, note, "event");
}
