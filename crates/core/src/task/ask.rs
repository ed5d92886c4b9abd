//! What the core asks whoever drives it, and what it is told: the one way in which anything but the object itself and the
//! outcome of the call just sent comes into a decision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ess_rollout_api::v1alpha1::{
    Holder, MaintenanceWindowSpec, RollbackRef, RollingUpdateTask, ScalingGroupRecord,
};
use ess_rollout_cloud::{Answer, CloudError, ErrorClass, Execution, Outcome, Query};
use jiff::Timestamp;

use super::endpoints::{EndpointAnswer, EndpointError, EndpointQuery};

/// The code of a [`CloudError`] that stands for an answer which is still waited for.
pub(crate) const LATE: &str = "late";

/// What stands for an answer that has been waited for so long, as others use up the rate of the account. `call`: the service
/// and action.
pub fn late(call: &str, waited: Duration) -> CloudError {
    let message = format!("has waited for its turn under the rate of the account for {waited:?}");
    unanswered(call, LATE, message)
}

/// What stands for an answer that there is none of.
pub fn unanswered(call: &str, code: &str, message: String) -> CloudError {
    CloudError {
        call: call.to_owned(),
        class: ErrorClass::Retry,
        outcome: Outcome::NoEffect,
        code: code.to_owned(),
        message,
        request_id: None,
        missing_action: None,
        retry_after: None,
    }
}

/// One thing that a decision needs to know. What is not of the cloud is told by the apiserver or by what watches have shown,
/// and a failure to tell it is a failure of the pass: the core hears of none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ask {
    /// A task, by its name. Reply: [`Reply::Task`].
    Task {
        /// Its namespace: that of the object.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// All keys of a ConfigMap, so that two of them are of one version of it. Reply: [`Reply::ConfigMap`].
    ConfigMap {
        /// Its namespace: that of the object.
        namespace: String,
        /// Its name.
        name: String,
    },
    /// The newest rollback that was found to undo the object. Reply: [`Reply::RolledBackBy`].
    RolledBackBy,
    /// The record of a scaling group. The decision's writes of it are made with the version that is told. Reply:
    /// [`Reply::Record`].
    Record {
        /// The group's region.
        region: String,
        /// The group's id.
        group: String,
    },
    /// Whether this very object exists, asked after the record that names it: one that was looked for before may have
    /// been created, and have taken its group, in between. Reply: [`Reply::Exists`].
    Exists(ObjectRef),
    /// The first of the objects that wait for a scaling group and were created earlier. Reply: [`Reply::Ahead`].
    Ahead {
        /// The group's region.
        region: String,
        /// The group's id.
        group: String,
    },
    /// The MaintenanceWindows that may be for the object, as they were last seen. Reply: [`Reply::Windows`].
    Windows,
    /// How long until it is the object's turn to start: starts are spread over the account's rate. Reply:
    /// [`Reply::StartTurn`].
    StartTurn,
    /// An execution and its nested ones as they were last seen, at no cost of its own: a poll or two ago. It shows how far
    /// an update is, and decides nothing. Reply: [`Reply::Seen`].
    Seen {
        /// The execution's id.
        execution: String,
        /// The latest time, by the cloud's clock, that is on record of a nested one; `None`: nothing is.
        latest: Option<Timestamp>,
    },
    /// Something in the cloud, under the credentials of the object, as it is after this is asked. Reply: [`Reply::Cloud`].
    Cloud(Query),
    /// The same as it was at this time or later, by the operator's clock: one answer for all who ask for it. Nothing that a call
    /// of one's own may have changed is asked for in this way. Reply: [`Reply::Cloud`].
    Recent {
        /// What.
        query: Query,
        /// The answer may be as old as this.
        since: Timestamp,
    },
    /// What an endpoint of the operator's configuration says, at this time or later, by the operator's clock: one answer for all who
    /// ask for it. Reply: [`Reply::Endpoint`].
    Endpoint {
        /// What.
        query: EndpointQuery,
        /// The answer may be as old as this.
        since: Timestamp,
    },
}

impl Ask {
    /// Whether it is a fact of the cluster.
    pub fn is_of_cluster(&self) -> bool {
        !matches!(
            self,
            Self::Cloud(_) | Self::Recent { .. } | Self::Endpoint { .. }
        )
    }

    /// What of the cloud is asked for, if it is that.
    pub fn query(&self) -> Option<&Query> {
        match self {
            Self::Cloud(query) | Self::Recent { query, .. } => Some(query),
            _ => None,
        }
    }
}

impl From<Query> for Ask {
    fn from(query: Query) -> Self {
        Self::Cloud(query)
    }
}

/// What is told.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `None`: there is no such task.
    Task(Option<Box<RollingUpdateTask>>),
    /// What became of reading the ConfigMap.
    ConfigMap(ConfigMap),
    /// `None`: none is known.
    RolledBackBy(Option<RollbackRef>),
    /// `None`: there is none yet.
    Record(Option<Box<ScalingGroupRecord>>),
    /// What cannot be read exists: taking a group from a task that runs would be worse than waiting.
    Exists(bool),
    /// `None`: the object is the first.
    Ahead(Option<QueueEntry>),
    /// All of the object's namespace and of the operator's.
    Windows(SeenWindows),
    /// Zero: it is now. Who asks again has the same turn.
    StartTurn(Duration),
    /// What there is to be seen.
    Seen(Sight),
    /// The answer, or why there is none.
    Cloud(Result<Answer, CloudError>),
    /// The answer of an endpoint, or why there is none.
    Endpoint(Result<EndpointAnswer, EndpointError>),
}

/// What the poller has seen of an execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Sight {
    /// Nothing that would do: it has to be asked for.
    Unknown,
    /// Nothing yet, as this process has not polled; it is about to.
    Unpolled,
    /// Nothing yet: it was not in a poll. One that has just started will be in the next.
    ToCome,
    /// Nothing for so long, as the poll waits for its turn under the rate of the account: whoever read for himself would
    /// stand in its way.
    Late(Duration),
    /// This.
    Seen(Box<Seen>),
}

/// An execution as it was last seen.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// The execution.
    pub root: Execution,
    /// All of its nested executions that are not on record as they are, and maybe more, but for what only matters of one
    /// that has failed; `None`: they are not known.
    pub nested: Option<Vec<Execution>>,
}

/// The MaintenanceWindows that may be for an object.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SeenWindows {
    /// The operator's namespace: windows there are for the objects of all namespaces.
    pub operator_namespace: String,
    /// Those of the object's namespace and of the operator's, by namespace and name.
    pub windows: Vec<Arc<SeenWindow>>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenWindow {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `None`: what was seen of it cannot be decoded.
    pub spec: Option<MaintenanceWindowSpec>,
}

/// One object, and not another that came to have its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectRef {
    /// Its Kubernetes kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
}

impl From<&Holder> for ObjectRef {
    fn from(holder: &Holder) -> Self {
        Self {
            kind: holder.kind.clone(),
            namespace: holder.namespace.clone(),
            name: holder.name.clone(),
            uid: holder.uid.clone(),
        }
    }
}

/// What was found where a ConfigMap was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConfigMap {
    /// What it has under `data`.
    Data(BTreeMap<String, String>),
    /// There is no such ConfigMap.
    Missing,
    /// The operator may not read it, in the apiserver's words.
    Refused(String),
}

/// Another object on the same group that came earlier and has not begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueEntry {
    /// Its Kubernetes kind.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The scaling group that an object is about, and whose credentials reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// `None`: neither the object nor the operator names one.
    pub region: Option<String>,
    /// The group's id; empty: of a rollback whose source is not known.
    pub group: String,
    /// The Secret in the object's namespace; `None`: the operator's own credentials.
    pub secret: Option<String>,
}
