//! A window that several tasks share.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube_derive::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::rules::Immutability;
use super::window::{Window, WindowSelector};

/// Times at which updates may begin and go on, or may not, and the tasks that this is for.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "ess-rollout.io",
    version = "v1alpha1",
    kind = "MaintenanceWindow",
    plural = "maintenancewindows",
    shortname = "mw",
    category = "ess-rollout",
    namespaced,
    derive = "PartialEq",
    doc = "MaintenanceWindow says when updates may begin and go on (Allow), or when nothing may (Freeze). In the operator's namespace it is for the tasks of all namespaces, in another for those of its own.",
    status = "MaintenanceWindowStatus",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "Open", type_ = "boolean", json_path = ".status.open"),
    // Not a date: kubectl shows those as an age, and this one is ahead.
    printcolumn(name = "Next", type_ = "string", json_path = ".status.nextChange"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(
        name = "Schedule",
        type_ = "string",
        json_path = ".spec.schedule",
        priority = 1
    ),
    printcolumn(
        name = "Time-Zone",
        type_ = "string",
        json_path = ".spec.timeZone",
        priority = 1
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    crates(kube_core = "::kube_core")
)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindowSpec {
    /// When.
    #[serde(flatten)]
    pub window: Window,

    /// Which tasks it is for. Default: all of the namespace, or of all namespaces where the window is
    /// in the operator's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<WindowSelector>,
}

/// A calendar is kept by changing it: tasks follow at once.
pub(crate) const IMMUTABILITY: Immutability = Immutability {
    mutable: &[
        "kind",
        "reason",
        "schedule",
        "durationMinutes",
        "timeZone",
        "except",
        "start",
        "end",
        "selector",
    ],
    cure: "create a new window",
    cures: &[],
};

/// What the window does now, taken by itself. Derived: nothing is decided by it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(crates(kube_core = "::kube_core"))]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindowStatus {
    /// The generation of the spec that this status speaks of; -1 before the first visit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready: False where the window cannot be read, with what is wrong and the cure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Whether a task with this window alone might begin: the window is an Allow that is active, or a
    /// Freeze that is not. Absent: it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<bool>,
    /// When `open` changes next. Absent: not in the next four years.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_change: Option<Time>,
    /// The reason of the spec, or what is wrong with the window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub reason: Option<String>,
}
