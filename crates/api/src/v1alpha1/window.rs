//! When updates may begin and go on: what a maintenance window and a task have in common.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube_derive::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_default;

/// Times at which updates may begin and go on, or may not: occurrences of a schedule, or one span.
///
/// Its rules go with its fields where they stand in another spec, so their messages name no path.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("has(self.schedule) != (has(self.start) || has(self.end))")
        .message("set schedule with durationMinutes and timeZone, or start and end"),
    validation = Rule::new("has(self.start) == has(self.end)")
        .message("start and end go together"),
    validation = Rule::new("!has(self.start) || !has(self.end) || timestamp(self.start) < timestamp(self.end)")
        .message("end must be after start"),
    validation = Rule::new("has(self.schedule) == has(self.durationMinutes)")
        .message("schedule and durationMinutes go together"),
    validation = Rule::new("has(self.schedule) == has(self.timeZone)")
        .message("schedule and timeZone go together: name the zone, for instance Asia/Shanghai or UTC"),
    validation = Rule::new("!has(self.schedule) || !self.schedule.contains('TZ')")
        .message("name the time zone in timeZone, not in schedule"),
    validation = Rule::new("!has(self.except) || has(self.schedule)")
        .message("except goes with schedule; change start and end instead"),
    validation = Rule::new("self.kind != 'Freeze' || has(self.reason)")
        .message("reason must say why nothing may run: a Freeze needs one"),
    validation = Rule::new("!has(self.end) || timestamp(self.end) < timestamp('9000-01-01T00:00:00Z')")
        .message("end must be before the year 9000"),
)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Whether updates may begin and go on in these times (Allow), or may not (Freeze). Default: Allow.
    /// Of several windows one that is Allow has to be active, where there is any, and none that is Freeze.
    #[serde(default)]
    pub kind: WindowKind,

    /// Why, in a few words for people. Shown wherever the window opens or closes something. A Freeze
    /// needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub reason: Option<String>,

    /// When occurrences begin: minute, hour, day of month, month, day of week, as for a CronJob; or
    /// `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub schedule: Option<String>,

    /// How long each occurrence is, in minutes of elapsed time, from 5 to a week: a change of clocks
    /// makes it neither longer nor shorter. Occurrences that overlap, or follow each other without a
    /// gap, are one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 5, max = 10080))]
    pub duration_minutes: Option<i32>,

    /// The time zone of `schedule` and of `except` by its IANA name, for instance `Asia/Shanghai`. It
    /// has no default. A time that the change to summer time leaves out is when the gap ends; one that
    /// comes twice is the first of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,

    /// Local dates on which no occurrence begins, each a date (`2026-10-01`) or the first and the last
    /// of several (`2026-10-01/2026-10-08`). One that began the day before goes on to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 100),
        inner(
            length(min = 10, max = 21),
            regex(pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(/[0-9]{4}-[0-9]{2}-[0-9]{2})?$")
        ),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub except: Vec<String>,

    /// Instead of a schedule: when the one span begins (RFC 3339, a fraction of a second is left off).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Time>,

    /// When the one span is over. It is over at this second, not after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Time>,
}

/// What a window does while it is active.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, Default, JsonSchema)]
pub enum WindowKind {
    /// Updates may begin and go on in it, and outside of all windows of this kind they may not.
    #[default]
    Allow,
    /// Nothing begins or goes on in it, whatever else is active.
    Freeze,
}

/// Which tasks a window is for. Both parts have to fit; one that is empty fits all.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct WindowSelector {
    /// By their scaling groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<WindowGroups>,
    /// By the namespaces of the tasks. Of use in the operator's namespace only: a window in another
    /// one is for the tasks of its own namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub namespaces: Vec<String>,
}

/// Scaling groups that a window is for.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct WindowGroups {
    /// Tags that the group carries, each with this value. ESS allows 20 on a group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(length(max = 20), schema_with = "tags_schema")]
    pub tags: BTreeMap<String, String>,
}

/// When a run may begin and go on. Its fields stand in the spec itself, and its rules go there with them.
///
/// None of them is serialized at its default: the hash of a spec would change for objects that exist.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Default)]
#[x_kube(
    crates(kube_core = "::kube_core"),
    validation = Rule::new("!has(self.notBefore) || !has(self.notAfter) || timestamp(self.notBefore) <= timestamp(self.notAfter)")
        .message("spec.notAfter is before notBefore"),
    validation = Rule::new("!has(self.notBefore) || timestamp(self.notBefore) < timestamp('9000-01-01T00:00:00Z')")
        .message("spec.notBefore must be before the year 9000"),
)]
#[serde(rename_all = "camelCase")]
pub struct WindowPolicy {
    /// When it may begin, and when its batches may: outside of it the update waits, and what is under way ends as it would.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,

    /// MaintenanceWindows that hold it besides `window` and those that select it, by their names: of its namespace, or else
    /// of the operator's. It does not begin while there is none of such a name. A Rollback is held by none but its
    /// `window` and these.
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

    /// Whether a batch begins that may not be over before its window is. Default: Required, it does not.
    #[serde(default, skip_serializing_if = "is_default")]
    pub finish_by: FinishBy,

    /// Nothing begins before this time (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Time>,

    /// What has not begun at this time fails, with the reason WindowMissed (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Time>,
}

/// Whether a batch begins that may not be over before its window is.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash, Default, JsonSchema)]
pub enum FinishBy {
    /// It does not: it waits for a window that is long enough.
    #[default]
    Required,
    /// It does, and the task says that it may run past the end.
    BestEffort,
    /// It does, and nothing is said.
    Off,
}

fn tags_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "object",
        "maxProperties": 20,
        "additionalProperties": {"type": "string", "maxLength": 256},
    })
}
