//! What a person asks for: an image built from an instance and put into scaling configurations, now, at a time or on a
//! schedule.

use kube_derive::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::image_source::ImageSource;
use super::image_update_status::ImageUpdateTaskStatus;
use super::is_false;
use super::rules::Immutability;
use super::run_policy::CredentialsRef;
use super::schedule::Schedule;
use super::window::Window;

/// An image built from an instance of a scaling group, or a given one, put into scaling
/// configurations, so that new instances get it. Instances in service are left alone.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "ess-rollout.io",
    version = "v1alpha1",
    kind = "ImageUpdateTask",
    plural = "imageupdatetasks",
    shortname = "iut",
    category = "ess-rollout",
    namespaced,
    derive = "PartialEq",
    doc = "ImageUpdateTask builds a custom image from an ECS instance and puts it into scaling configurations of an Auto Scaling group, now, at a time or on a schedule; or puts a given image there.",
    status = "ImageUpdateTaskStatus",
    selectable = ".spec.scalingGroupId",
    selectable = ".status.state",
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.imageId"),
    printcolumn(
        name = "Schedule",
        type_ = "string",
        json_path = ".spec.schedule.cron"
    ),
    printcolumn(
        name = "Suspend",
        type_ = "boolean",
        json_path = ".spec.suspend"
    ),
    printcolumn(
        name = "Last-Success",
        type_ = "date",
        json_path = ".status.lastSuccessfulTime"
    ),
    // Not a date: kubectl shows those as an age, and this one is ahead.
    printcolumn(
        name = "Next-Run",
        type_ = "string",
        json_path = ".status.nextScheduleTime"
    ),
    printcolumn(
        name = "Scaling-Group",
        type_ = "string",
        json_path = ".spec.scalingGroupId"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Execution",
        type_ = "string",
        json_path = ".status.active.execution.id",
        priority = 1
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1
    ),
    crates(kube_core = "::kube_core")
)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.source) || has(self.imageId)")
        .message("set spec.source to build an image, or spec.imageId to use one that there is"),
    validation = Rule::new("!has(self.schedule) || !has(self.schedule.cron) || has(self.source)")
        .message("spec.schedule.cron builds an image each time and needs spec.source"),
)]
#[serde(rename_all = "camelCase")]
pub struct ImageUpdateTaskSpec {
    /// The Auto Scaling group whose scaling configurations get the image (`asg-…`). A group of ECS
    /// instances: ECI groups run no images of this kind.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^\S+$"))]
    pub scaling_group_id: String,

    /// The region of the group, for instance `cn-hangzhou`. Default: the operator's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub region_id: Option<String>,

    /// Shown in the OOS and ESS consoles too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub description: Option<String>,

    /// What to build the image from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<ImageSource>,

    /// Use this image instead of building one: it is put into the scaling configurations at once,
    /// or at `schedule.at`, and while it is set nothing is built and `schedule.cron` stands still.
    /// To go back to an earlier image set it to an id of `status.history`; take it away again to let
    /// the schedule go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^\S+$"))]
    pub image_id: Option<String>,

    /// The scaling configurations that get the image, active or not, all of the group. Default: the
    /// one that is active when a run begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(min = 1, max = 128), regex(pattern = r"^\S+$")), extend("x-kubernetes-list-type" = "set"))]
    pub scaling_configuration_ids: Vec<String>,

    /// When. Default: once, now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,

    /// What to do when a run is due while one is under way, as for a CronJob. `Allow` is not offered:
    /// two runs would put their images into the same configurations. Default: Forbid.
    #[serde(default)]
    pub concurrency_policy: ConcurrencyPolicy,

    /// How late a run may begin, in seconds: one that could not begin in time, whatever it waited for, counts as
    /// missed and is not made later. As for a CronJob. Without a schedule it is counted from when the run was first
    /// seen to be due. Default: a day for a run that is Blocked, so that nothing begins by itself long after
    /// it was asked for because its cause was mended; no limit for one that waits for the scaling group, or that was due
    /// while the operator was down. Of several that are due only the newest is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31536000))]
    pub starting_deadline_seconds: Option<i32>,

    /// When a run may begin: outside of it what is due waits, on request too, and of several that are due only the newest is made.
    /// A run that is under way goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,

    /// MaintenanceWindows that hold runs besides `window` and those that select the object, by their names: of its
    /// namespace, or else of the operator's. No run begins while there is none of such a name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 5),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
        ),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub window_refs: Vec<String>,

    /// No run begins by itself while this is set; one that is under way goes on. As for a CronJob,
    /// runs that were due meanwhile count as missed, and the newest of them is made up for within
    /// `startingDeadlineSeconds`.
    #[serde(default, skip_serializing_if = "is_false")]
    pub suspend: bool,

    /// How many successful runs are kept in `status.history`. Images are never deleted: those of older
    /// runs are found by their names, which contain `_on_exec-`. Default: 3.
    #[serde(default = "default_successful")]
    #[schemars(range(min = 0, max = 50))]
    pub successful_runs_history_limit: i32,

    /// How many failed runs are kept in `status.history`. Default: 1.
    #[serde(default = "default_failed")]
    #[schemars(range(min = 0, max = 50))]
    pub failed_runs_history_limit: i32,

    /// The RAM role that OOS assumes. Empty: OOS acts with the permissions of the credentials used,
    /// for runs on a schedule, too, because the operator starts each of them itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._@-]+$"))]
    pub ram_role: Option<String>,

    /// A Secret in the task's namespace with the credentials to use. Without it the operator's own
    /// credentials are used, if the operator's configuration lets this namespace use them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_ref: Option<CredentialsRef>,
}

/// Runs to come follow a change. The group, its region and the credentials are those of the run that is under way, too,
/// which goes on with what it began with.
pub(crate) const IMMUTABILITY: Immutability = Immutability {
    mutable: &[
        "description",
        "source",
        "imageId",
        "scalingConfigurationIds",
        "schedule",
        "concurrencyPolicy",
        "startingDeadlineSeconds",
        "window",
        "windowRefs",
        "suspend",
        "successfulRunsHistoryLimit",
        "failedRunsHistoryLimit",
        "ramRole",
    ],
    cure: "create a new task",
    cures: &[],
};

/// What to do when a run is due while one is under way.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Default, JsonSchema)]
pub enum ConcurrencyPolicy {
    /// It is left out, and counts as missed.
    #[default]
    Forbid,
    /// The one under way is cancelled, and the new one begins when it has ended.
    Replace,
}

fn default_successful() -> i32 {
    3
}

fn default_failed() -> i32 {
    1
}
