//! How a run is made: what a rolling update and the undoing of one have in common in their specs.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gates::Gates;
use super::rules::Immutability;
use super::window::WindowPolicy;
use super::{is_default, is_false};

/// How a run is made. Its fields stand in the spec itself, beside those that say what is run.
///
/// A field that is added here must not be serialized at its default: the hash of a spec, by which an execution is known
/// as that of an object, would change for objects that exist.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunPolicy {
    /// Shown in the OOS and ESS consoles too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub description: Option<String>,

    /// Into how many batches the instances are divided, 1 to 100. 1 takes every instance out of
    /// service at the same time. Default 5, when batchSize is not set either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub batches: Option<i32>,

    /// The most instances in one batch: a count, or a percentage such as "25%". Translated to a
    /// number of batches at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "batch_size_schema")]
    pub batch_size: Option<IntOrString>,

    /// After which batches to wait for a person. Default: Automatic, after none.
    #[serde(default)]
    pub suspension_policy: SuspensionPolicy,

    /// How many failed instances to tolerate. Image updates, and rollbacks of them, only. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub max_errors: Option<i32>,

    /// What happens when more instances fail than maxErrors allows. Default: Suspend, wait for a person.
    #[serde(default)]
    pub on_failure: OnFailure,

    /// The RAM role that OOS assumes. Empty: OOS acts with the permissions of the credentials used;
    /// of a rollback, the role of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._@-]+$"))]
    pub ram_role: Option<String>,

    /// A Secret in the same namespace with the credentials to use. Without it the operator's own
    /// credentials are used, if the operator's configuration lets this namespace use them; of a
    /// rollback, those of the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,

    /// Run, or only plan, or end it. Cancelled is final: what was once cancelled stays so. Default: Run.
    #[serde(default)]
    pub desired_state: DesiredState,

    /// How many batches may run without a person: the pause after batch k is left when this is
    /// greater than k, so 101 leaves the one after the last of 100 too. What else holds a batch, gates or a window, it does
    /// not stand for. Only raising it has an effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 101))]
    pub approved_batches: Option<i32>,

    /// Whether the operator puts back what a cancelled or failed update left changed. Default: Restore, it does.
    #[serde(default)]
    pub restore_policy: RestorePolicy,

    /// What becomes of failed, cancelled and interrupted instances. A skipped one returns to
    /// service, and nothing returns whose ECS instance is not Running. Default: KeepInStandby.
    #[serde(default)]
    pub failed_instance_policy: FailedInstancePolicy,

    /// What happens to a running update when the object is deleted. Default: Cancel.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// How long a deletion may wait for the execution to end and the group to be restored before
    /// the object goes and the rest is listed in the group's ScalingGroupRecord. It may be changed
    /// while it waits; the annotation ess-rollout.io/force-delete=true ends the wait at once.
    /// Default: 3600, an hour.
    #[serde(default = "default_deletion_timeout")]
    #[schemars(range(min = 0, max = 604800))]
    pub deletion_timeout_seconds: i32,

    /// Delete the object this long after it finished. Do not combine it with a manifest that is
    /// synced from Git without a runKey: it would be created, and run, again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31536000))]
    pub ttl_seconds_after_finished: Option<i32>,

    /// At most one run per group and key, however often the object is created again. By convention
    /// a release or a commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub run_key: Option<String>,

    /// Report it as stalled when nothing has moved for this long while it was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 604800))]
    pub progress_deadline_seconds: Option<i32>,

    /// How long it may be Blocked before its start, in all: then it ends as Failed, with the reason StartingDeadlineExceeded,
    /// and nothing starts when what stood against it goes away later. Default: a day. The time for which it waits for its
    /// turn, for the updates of others or for a scaling activity does not count, and neither does that for which it is only
    /// planned. May be changed until it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 31536000))]
    pub starting_deadline_seconds: Option<i32>,

    /// What has to be so after a batch before the next one begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gates: Option<Gates>,

    /// When it may begin and go on.
    #[serde(flatten)]
    pub windows: WindowPolicy,

    /// How long the processes of the group may stay suspended because of it. Where that is over in a pause,
    /// `onFrozenTooLong` says what is done; a batch that is under way ends first. An update that does not fit into its
    /// window begins only where the next time that it opens comes within this; of this the default is 3600, an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60, max = 31536000))]
    pub max_frozen_seconds: Option<i32>,

    /// What is done in a pause once `maxFrozenSeconds` are over. Default: Hold, it goes on waiting.
    #[serde(default, skip_serializing_if = "is_default")]
    pub on_frozen_too_long: FrozenPolicy,

    /// Whether the group scales while the update waits after a batch: the processes that the run has suspended are resumed
    /// once the wait has lasted for two minutes and lasts for two more, and suspended again, and read back as suspended,
    /// before the next batch begins. Default: false, they stay suspended until the update ends.
    ///
    /// Instances that arrive meanwhile do not take part: new ones of an image update carry the new image, others are
    /// listed as left out. One that scale-in removes before its turn fails in its batch: `skip` it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub thaw_while_paused: bool,
}

impl RunPolicy {
    /// Whether anything but a person may hold a batch by what is written here: OOS is told to pause after each one then,
    /// whatever the suspension policy says, and the operator lets it go on. Windows that select the object may do so, too:
    /// that is decided when it starts, and stands in the intent to start.
    pub fn holds_batches(&self) -> bool {
        self.gates.is_some()
            || self.windows.window.is_some()
            || !self.windows.window_refs.is_empty()
    }

    /// Whether the group may scale again in a pause of the run.
    pub fn may_thaw(&self) -> bool {
        self.thaw_while_paused || self.on_frozen_too_long == FrozenPolicy::Thaw
    }

    /// Whether a person is asked after this batch (from 1).
    pub fn asks_person_after(&self, batch: i32) -> bool {
        match self.suspension_policy {
            SuspensionPolicy::Automatic => false,
            SuspensionPolicy::SuspendFirstBatch => batch == 1,
            SuspensionPolicy::SuspendEachBatch => batch >= 1,
        }
    }

    /// The fields that may change once their object is there, by their names in JSON, and the only ones of a
    /// `RollingUpdateTask` or a `Rollback`: the apiserver refuses a change of any other. The hash of a spec is made without
    /// them, so a field that objects already carry in theirs changes it when it is added here.
    pub const MUTABLE: &[&str] = &[
        "desiredState",
        "approvedBatches",
        "deletionTimeoutSeconds",
        "ttlSecondsAfterFinished",
        "startingDeadlineSeconds",
    ];

    /// What may change of a spec that has these fields; `cure` is what to do instead of changing another.
    pub(crate) const fn immutability(cure: &'static str) -> Immutability {
        Immutability {
            mutable: Self::MUTABLE,
            cure,
            cures: &[(
                "suspensionPolicy",
                "to let batches run ahead raise spec.approvedBatches",
            )],
        }
    }
}

/// A Secret in the same namespace with `accessKeyId`, `accessKeySecret` and, for temporary
/// credentials, `securityToken`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialsRef {
    /// The Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Lifecycle states that take part (template parameter `lifecycleState`).
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema,
)]
pub enum EligibleState {
    /// In service.
    InService,
    /// In service and protected from scale-in.
    Protected,
}

/// After which batches to wait for a person (template parameter `batchPauseOption`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum SuspensionPolicy {
    /// After none.
    #[default]
    Automatic,
    /// After the first.
    SuspendFirstBatch,
    /// After each.
    SuspendEachBatch,
}

/// What happens when an instance fails (OOS `Mode`).
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum OnFailure {
    /// The update waits for a person.
    #[default]
    Suspend,
    /// The update ends.
    Fail,
}

/// What is to be done.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum DesiredState {
    /// Check and show the batches; touch nothing.
    Plan,
    /// Run.
    #[default]
    Run,
    /// End for good.
    Cancelled,
}

/// What is done in a pause in which the group has stood still for too long.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum FrozenPolicy {
    /// It goes on waiting, and a Warning Event says so.
    #[default]
    Hold,
    /// It is cancelled, and the group is put back.
    Cancel,
    /// The group scales until the wait after the batch is over, as with `thawWhilePaused`. In a pause because of a failure
    /// it goes on waiting as with Hold: the batch has not ended.
    Thaw,
}

/// Whether changes that a run left are put back.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum RestorePolicy {
    /// By the operator.
    #[default]
    Restore,
    /// By a person: the operator lists them.
    Manual,
}

/// What becomes of instances that a run left in Standby.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum FailedInstancePolicy {
    /// They stay there and are listed.
    #[default]
    KeepInStandby,
    /// They go back into service, if they run.
    ReturnToService,
}

/// What happens to a running update when its object is deleted.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum DeletionPolicy {
    /// It is cancelled and the group restored.
    #[default]
    Cancel,
    /// It goes on without the operator.
    Orphan,
}

/// The default of `deletionTimeoutSeconds`: an hour.
pub fn default_deletion_timeout() -> i32 {
    3600
}

fn batch_size_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "x-kubernetes-int-or-string": true,
        "x-kubernetes-validations": [{
            "rule": "type(self) == int ? self >= 1 && self <= 1000 : self.matches('^([1-9][0-9]?|100)%$')",
            "message": "spec.batchSize must be a count from 1 to 1000 or a percentage from 1% to 100%"
        }]
    })
}
