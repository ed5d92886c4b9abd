//! What a kind of update is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    Plan, RollbackPayload, RollingUpdateTaskStatus, RunPolicy, SuspensionPolicy, Update,
};
use ess_rollout_cloud::{
    EcsInstance, EcsStatus, Execution, GroupType, Process, Query, ScalingGroup, ScalingInstance,
};
use serde_json::{Map, Value};

use super::content::{ConfigurationContent, ContentKind};
use crate::eta;
use crate::rollout::compute::Compute;
use crate::rollout::scripts::{Scripts, Texts};
use crate::task::observation::{Known, Missing, Observation};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// What reading a kind's own outcome back has shown, beyond what is the same for all kinds.
#[derive(Debug, Default)]
pub(in crate::rollout) struct ReadBack {
    /// The instances that were read.
    pub(in crate::rollout) read: BTreeSet<String>,
    /// Those that are not as wanted, and how.
    pub(in crate::rollout) differ: BTreeMap<String, String>,
    /// What could not be read back, and why: then the nested executions are all that is known.
    pub(in crate::rollout) unread: Option<String>,
}

/// By whom the object was written. The update of a rollback is derived, and its author knows other fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rollout) enum Author {
    /// Of a `RollingUpdateTask`.
    OfTask,
    /// Of a `Rollback`.
    OfRollback,
}

/// What an update is made of: an object's spec, and what it has on record.
pub(in crate::rollout) struct Asked<'a> {
    pub(in crate::rollout) update: &'a Update,
    pub(in crate::rollout) max_errors: i32,
    pub(in crate::rollout) status: Option<&'a RollingUpdateTaskStatus>,
    pub(in crate::rollout) texts: Texts<'a>,
    pub(in crate::rollout) author: Author,
}

/// What can be told of a kind of update without an update of it: a row of the table of the kinds.
pub(in crate::rollout) struct KindRow {
    /// The public template (OOS `TemplateName`).
    pub(in crate::rollout) template: &'static str,
    /// Its field of `spec.update`.
    pub(in crate::rollout) field: &'static str,
    /// The field of `spec.to` of a rollback that says where updates of this kind go back to.
    pub(in crate::rollout) payload_field: &'static str,
    /// The fields of the update of a rollback that are made of that field.
    pub(in crate::rollout) made_of_payload: &'static [&'static str],
    /// The update that is asked for, if it is of this kind.
    pub(in crate::rollout) of: for<'a> fn(&Asked<'a>) -> Option<Box<dyn UpdateKind + 'a>>,
    /// The update that an execution of the template ran, with what it knows of the way back.
    pub(in crate::rollout) of_execution: fn(&Execution) -> Result<Update, Problem>,
}

impl KindRow {
    /// The field by which the author of an object knows a field of its update.
    pub(in crate::rollout) fn field_of(&self, author: Author, of_update: &str) -> String {
        match author {
            Author::OfRollback if self.made_of_payload.contains(&of_update) => {
                format!("spec.to.{}", self.payload_field)
            }
            Author::OfRollback => format!(
                "spec.update.{}.{of_update} of the update that is undone",
                self.field
            ),
            Author::OfTask => format!("spec.update.{}.{of_update}", self.field),
        }
    }
}

/// One kind of update, bound to the spec of a task.
pub(in crate::rollout) trait UpdateKind {
    /// Its row of the table of the kinds.
    fn row(&self) -> &'static KindRow;

    /// The public template.
    fn template(&self) -> &'static str {
        self.row().template
    }

    /// The groups that it can update.
    fn group_type(&self) -> GroupType {
        GroupType::Ecs
    }

    /// What can be said against the spec without looking at the cloud.
    fn check_spec(&self) -> Option<Problem> {
        None
    }

    /// What [`UpdateKind::check_cloud`] reads.
    fn reads(&self) -> Vec<Query> {
        Vec::new()
    }

    /// What can be said against the update as the cloud is now.
    fn check_cloud(&self, _eligible: &Eligible<'_>) -> Known<Option<Problem>> {
        Ok(None)
    }

    /// What a person should know before the start, although nothing stands against it.
    fn notes(&self, _eligible: &Eligible<'_>) -> Known<Vec<String>> {
        Ok(Vec::new())
    }

    /// Adds to the plan what the start is derived from besides the spec, and what the way back needs.
    fn complete(&self, _observation: &Observation, _plan: &mut Plan) -> Known<()> {
        Ok(())
    }

    /// Of a script update: the scripts.
    fn scripts(&self) -> Option<&Scripts<'_>> {
        None
    }

    /// The template's parameters beyond those that all templates share.
    fn parameters(&self, plan: &Plan) -> Map<String, Value>;

    /// The same for the public template's rollback (`invokeType: rollback`) to what this update is.
    fn rollback_parameters(&self, plan: &Plan) -> Map<String, Value>;

    /// Of the parameters that the templates share: those that this one does not declare. OOS refuses
    /// them then.
    fn undeclared(&self) -> &'static [&'static str] {
        &[]
    }

    /// Changes the parameters of an update to those of one that undoes another.
    fn for_undoing(&self, _parameters: &mut Map<String, Value>) {}

    /// The update that undoes this one. Of `to` no other field is set than [`KindRow::payload_field`].
    fn way_back(&self, before: &Before<'_>, to: &RollbackPayload) -> Result<Update, Problem>;

    /// Whether the public template, asked to roll back to what this update is, runs it as it is
    /// written.
    fn is_run_by_templates_rollback(&self) -> bool {
        true
    }

    /// Why the public template's rollback to what this update is would go wrong. `children` are the
    /// instances of the source's nested executions, one for each; `members` those of the group.
    fn template_cannot_undo(
        &self,
        _observation: &Observation,
        _children: &[&str],
        _members: &[ScalingInstance],
    ) -> Known<Option<String>> {
        Ok(None)
    }

    /// What a batch is taken to need at least, before any has ended.
    fn batch_minimum(&self) -> Duration {
        eta::SCRIPT_MINIMUM
    }

    /// What of the active scaling configuration is looked at.
    fn content_kind(&self) -> ContentKind {
        ContentKind::Image
    }

    /// What the update puts into the active scaling configuration; `None`: it leaves it alone.
    fn brings(&self) -> Option<ConfigurationContent> {
        None
    }

    /// What the active scaling configuration carries after it, if that can be told from what it
    /// carried before.
    fn configured(&self, _before: Option<&ConfigurationContent>) -> Option<ConfigurationContent> {
        self.brings()
    }

    /// Of a rollback: what the update that it undoes had brought, where the way back says so.
    fn undoes(&self) -> Option<ConfigurationContent> {
        None
    }

    /// Whether the template takes instances of this `CreationType`.
    fn takes(&self, creation_type: &str) -> bool {
        matches!(creation_type, "AutoCreated" | "Attached")
    }

    /// What stands behind a member of the group, in words.
    fn noun(&self) -> &'static str {
        "ECS instance"
    }

    /// What [`UpdateKind::compute`] reads. Not for no ids.
    fn compute_query(&self, ids: &[String]) -> Query {
        Query::EcsInstances {
            instances: ids.to_vec(),
        }
    }

    /// What stands behind these members of the group.
    fn compute(&self, observation: &Observation, ids: &[String]) -> Known<Vec<Compute>> {
        let instances = observation.ecs_instances(ids)?;
        Ok(instances.iter().map(Compute::of_ecs).collect())
    }

    /// How that which stands behind an updated member differs from what the update brought.
    fn difference(&self, _compute: &Compute) -> Option<String> {
        None
    }

    /// Whether [`UpdateKind::difference`] tells what an instance runs.
    fn is_seen_in_compute(&self) -> bool {
        false
    }

    /// Reads back what the update was to do to these instances, where that is not seen in what stands
    /// behind them. What cannot be read fails nothing: it is said.
    fn read_back(
        &self,
        _observation: &Observation,
        _plan: &Plan,
        _instances: &[&str],
    ) -> Known<ReadBack> {
        Ok(ReadBack::default())
    }

    /// What was rolled out, for the group's record: the image, the package and its version, or the
    /// kind and a hash.
    fn what(&self, plan: Option<&Plan>) -> String;
}

/// The group as it is before a start, and its members that are eligible.
pub(in crate::rollout) struct Eligible<'a> {
    pub(in crate::rollout) observation: &'a Observation,
    pub(in crate::rollout) group: &'a ScalingGroup,
    pub(in crate::rollout) ids: &'a [String],
}

impl<'a> Eligible<'a> {
    /// Their ECS instances; none for no ids, which the service would take for all.
    pub(super) fn instances(&self) -> Known<&'a [EcsInstance]> {
        match self.ids {
            [] => Ok(&[]),
            ids => Ok(self.observation.ecs_instances(ids)?),
        }
    }
}

/// An answer that nothing fails without; `None`: it cannot be had.
pub(in crate::rollout) fn if_read<T>(answer: Known<T>) -> Known<Option<T>> {
    match answer {
        Err(Missing::Failed(_)) => Ok(None),
        answer => answer.map(Some),
    }
}

/// The parameters of a template, by their names.
pub(super) fn parameters<const N: usize>(all: [(&str, Value); N]) -> Map<String, Value> {
    let named = all.map(|(name, value)| (name.to_owned(), value));
    named.into_iter().collect()
}

/// The processes that an update suspends, without these: those that it finds suspended stay so, those
/// that it resumes were not.
pub(in crate::rollout) fn processes_but<T: AsRef<str>>(excluded: &[T]) -> Vec<String> {
    let all = Process::ALL.iter().map(|process| process.as_str());
    let others = all.filter(|process| !excluded.iter().any(|other| other.as_ref() == *process));
    others.map(str::to_owned).collect()
}

/// Template parameter `batchPauseOption`: what may hold a batch besides a person can do so only in a pause. `holds_batches`:
/// whether anything may.
pub(in crate::rollout) fn batch_pause_option(
    policy: &RunPolicy,
    holds_batches: bool,
) -> &'static str {
    match policy.suspension_policy {
        _ if holds_batches => "EveryBatchPause",
        SuspensionPolicy::Automatic => "Automatic",
        SuspensionPolicy::SuspendFirstBatch => "FirstBatchPause",
        SuspensionPolicy::SuspendEachBatch => "EveryBatchPause",
    }
}

/// What is known of how things were before an update.
pub(in crate::rollout) struct Before<'a> {
    /// The plan of its start.
    pub(in crate::rollout) plan: &'a Plan,
    /// The rollback script that OOS was given at the start: what the ConfigMap that it came from holds by now does not
    /// matter.
    pub(in crate::rollout) script: Option<&'a str>,
}

/// A check has found what stands against the start.
pub(super) fn blocked(reason: Reason, message: String) -> Known<Option<Problem>> {
    Ok(Some(Problem::blocked(reason, message)))
}

/// There is nothing to go back to.
pub(in crate::rollout) fn missing(message: &str) -> Problem {
    Problem::refused(Reason::NoRollbackPayload, message.to_owned())
}

/// The most instances that are named in a message.
const NAMED_MAX: usize = 10;

/// Cloud Assistant runs commands on instances that are Running and on no others (ECS RunCommand). An
/// update of one that is not would take it to Standby, fail and leave it there.
pub(in crate::rollout) fn not_running(instances: &[EcsInstance]) -> Option<Problem> {
    let of = |wanted: fn(&EcsStatus) -> bool| {
        let found = instances.iter().filter(|instance| wanted(&instance.status));
        let mut named: Vec<String> = found.map(|i| format!("{} is {}", i.id, i.status)).collect();
        if named.len() > NAMED_MAX {
            let more = named.split_off(NAMED_MAX).len();
            named.push(format!("and {more} more"));
        }
        (!named.is_empty()).then(|| named.join(", "))
    };
    let stopped = of(|status| matches!(status, EcsStatus::Stopped | EcsStatus::Unknown(_)));
    if let Some(named) = stopped {
        let message = format!(
            "{named}, and Cloud Assistant runs commands on Running instances alone: start them, or take them out of the scaling group"
        );
        return Some(Problem::blocked(Reason::InstanceNotRunning, message));
    }
    let changing = of(|status| *status != EcsStatus::Running)?;
    let message =
        format!("{changing}; this task starts when all are Running, as Cloud Assistant needs them");
    Some(Problem::wait(Reason::InstanceNotRunning, message))
}
