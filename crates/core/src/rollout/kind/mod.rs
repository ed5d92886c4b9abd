//! What differs between the kinds of update: the template, its parameters, what has to be checked
//! before and after. Everything else in a rollout is the same for all of them.

mod image;
mod script;
mod unsupported;

use ess_rollout_api::v1alpha1::{Plan, RollingUpdateTaskSpec, SuspensionPolicy};
use ess_rollout_cloud::{EcsInstance, GroupType, Process, Query, ScalingGroup};
use serde_json::{Map, Value, json};

use crate::observation::{Known, Observation};
use crate::problem::Problem;

/// One kind of update, bound to the spec of a task.
pub(super) trait Kind {
    /// The public template.
    fn template(&self) -> &'static str;

    /// The groups that it can update.
    fn group_type(&self) -> GroupType;

    /// What can be said against the spec without looking at the cloud.
    fn check_spec(&self) -> Option<Problem>;

    /// What [`Kind::check_cloud`] reads.
    fn reads(&self) -> Vec<Query>;

    /// What can be said against the update as the cloud is now. `instances` are the eligible ones.
    fn check_cloud(
        &self,
        observation: &Observation,
        group: &ScalingGroup,
        instances: &[EcsInstance],
    ) -> Known<Option<Problem>>;

    /// What a person should know before the start, although nothing stands against it.
    fn notes(
        &self,
        _observation: &Observation,
        _group: &ScalingGroup,
        _instances: &[EcsInstance],
    ) -> Known<Vec<String>> {
        Ok(Vec::new())
    }

    /// The template's parameters beyond those that all templates share.
    fn parameters(&self, plan: &Plan) -> Map<String, Value>;

    /// The same for the public template's rollback (`invokeType: rollback`) to what this update is.
    fn rollback_parameters(&self) -> Map<String, Value>;

    /// The image that instances run afterwards, and whether the active scaling configuration is to
    /// carry it too. `None` for updates that leave images alone.
    fn wanted_image(&self) -> Option<(&str, bool)>;

    /// What was rolled out, for the group's record: the image, or the kind and a hash.
    fn what(&self) -> String;
}

/// The public template of image updates.
pub(super) const IMAGE_TEMPLATE: &str = "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup";
/// The public template of script updates.
pub(super) const SCRIPT_TEMPLATE: &str = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";

/// The kind of a task's update.
pub(super) fn of(spec: &RollingUpdateTaskSpec) -> Box<dyn Kind + '_> {
    if let Some(update) = &spec.update.image {
        Box::new(image::Image {
            update,
            max_errors: spec.max_errors.unwrap_or(0),
        })
    } else if let Some(update) = &spec.update.script {
        Box::new(script::Script { update })
    } else if spec.update.package.is_some() {
        Box::new(unsupported::Unsupported { field: "package" })
    } else {
        Box::new(unsupported::Unsupported {
            field: "containerGroup",
        })
    }
}

/// The processes that an update suspends, without these: those that it finds suspended stay so, those
/// that it resumes were not.
pub(super) fn processes_but<T: AsRef<str>>(excluded: &[T]) -> Vec<String> {
    Process::ALL
        .iter()
        .map(|process| process.as_str())
        .filter(|process| !excluded.iter().any(|other| other.as_ref() == *process))
        .map(str::to_owned)
        .collect()
}

/// Template parameter `batchPauseOption`.
pub(super) fn batch_pause_option(policy: SuspensionPolicy) -> &'static str {
    match policy {
        SuspensionPolicy::Automatic => "Automatic",
        SuspensionPolicy::SuspendFirstBatch => "FirstBatchPause",
        SuspensionPolicy::SuspendEachBatch => "EveryBatchPause",
    }
}

/// All parameters of the start of an update (`invokeType: invoke`).
pub(super) fn invoke_parameters(
    kind: &dyn Kind,
    spec: &RollingUpdateTaskSpec,
    plan: &Plan,
    exit_processes: &[String],
) -> Map<String, Value> {
    let pause = batch_pause_option(spec.suspension_policy);
    let states: Vec<Value> = spec
        .lifecycle_states
        .iter()
        .map(|state| json!(state))
        .collect();
    let mut parameters = kind.parameters(plan);
    for (name, value) in [
        ("invokeType", json!("invoke")),
        ("scalingGroupId", json!(spec.scaling_group_id)),
        // All five, even those that are suspended already: suspending twice is harmless, and an
        // empty list breaks the template's own rollback.
        ("enterProcess", json!(processes_but::<&str>(&[]))),
        // Only those that were not suspended before, or the template would resume what a person
        // had suspended.
        ("exitProcess", json!(exit_processes)),
        ("lifecycleState", Value::Array(states)),
        ("batchPauseOption", json!(pause)),
        ("batchNumber", json!(plan.batches)),
        (
            "OOSAssumeRole",
            json!(spec.ram_role.as_deref().unwrap_or("")),
        ),
    ] {
        parameters.insert(name.to_owned(), value);
    }
    parameters
}
