//! What is only counted when a scrape asks for it, and the closed sets of labels.

use std::{collections::BTreeMap, time::Duration};

/// The kinds of objects that run something.
pub const KINDS: [&str; 3] = ["RollingUpdateTask", "Rollback", "ImageUpdateTask"];
/// How they end.
pub const OUTCOMES: [&str; 3] = ["Succeeded", "Failed", "Cancelled"];
/// Why they wait for a person.
pub const PAUSES: [&str; 4] = ["Batch", "Failure", "Approval", "Unknown"];

/// What is only counted when it is asked for.
#[derive(Debug, Default)]
pub struct Scrape {
    /// The name of the Lease, and whether this process leads; `None`: it is alone.
    pub election: Option<(String, bool)>,
    /// Objects, by kind, namespace and `status.state`.
    pub tasks: BTreeMap<(&'static str, String, String), i64>,
    /// Those that something is done or waited for.
    pub active: Vec<ActiveSeries>,
    /// The instances of these, by kind and state.
    pub instances: BTreeMap<(&'static str, &'static str), i64>,
    /// What runs have left changed, by kind and whether on purpose.
    pub leftovers: BTreeMap<(String, bool), i64>,
    /// For how many seconds updates have had their scaling group stand still, by kind, namespace and name: only of
    /// those under way, whether or not their objects are still there.
    pub frozen: BTreeMap<(&'static str, String, String), i64>,
    /// Whether each MaintenanceWindow is open, taken by itself, by namespace and name.
    pub windows: Vec<((String, String), bool)>,
    /// Objects that wait for a worker, and how long the first of them has.
    pub backlog: (usize, Duration),
    /// For how long workers have been at what they are at: added up, and the longest.
    pub under_way: (Duration, Duration),
    /// For how long the look that has been due for longest has been due and has not ended.
    pub lateness: Duration,
    /// Starts whose turn is still to come, and how long until the last of them.
    pub starts: (usize, Duration),
    /// Nested executions that are remembered, and how often some were forgotten for want of room.
    pub seen: (usize, u64),
    /// When watches were last answered in Unix seconds, by resource and namespace.
    pub watches: BTreeMap<(String, String), i64>,
    /// Fields that the CRDs of the cluster do not have, by kind.
    pub missing_fields: BTreeMap<String, i64>,
}

/// An object that something is done or waited for, as its series show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSeries {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `status.state`.
    pub state: String,
    /// The id of its scaling group.
    pub group: String,
    /// When it last moved, in Unix seconds.
    pub moved: Option<i64>,
    /// Since when it has waited for a person at a pause, in Unix seconds.
    pub paused: Option<i64>,
}

/// A gauge holds no more than this.
pub(super) fn whole(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}
