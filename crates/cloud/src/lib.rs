//! The cloud as the operator sees it: one small port.
//!
//! [`Query`] and [`Mutation`] are closed sets; each has one typed [`Answer`] or [`Done`]. Whoever
//! meters, throttles, records or simulates the cloud wraps [`Cloud`] once and has them all.
//!
//! This crate does no I/O and knows neither Kubernetes nor HTTP. The pure core imports it for the
//! answers to its queries; `ess-rollout-aliyun` implements it.

#![deny(missing_docs)]

mod alarms;
mod balancing;
mod container;
mod error;
mod model;
mod mutation;
mod neighbours;
mod port;
mod private;
mod query;
mod words;

pub use alarms::{Alarm, AlarmState};
pub use balancing::{
    BackendServer, BalancerProduct, HealthOfGroup, HealthOfServer, ServerGroup, ServerHealth,
};
pub use container::{Container, ContainerGroup, EciScalingConfiguration, GroupContainer};
pub use error::{CloudError, ErrorClass, Outcome};
pub use model::{
    ContainerGroupStatus, EcsInstance, EcsStatus, Execution, ExecutionStatus, GroupState,
    GroupType, Image, ImageStatus, Invocation, LifecycleState, Package, Process, ScalingActivity,
    ScalingConfiguration, ScalingGroup, ScalingInstance, TaskExecution, Template,
};
pub use mutation::{
    ContainersUpdate, Done, ExecutionMode, Mutation, NotifyType, SafetyCheck, StartExecution,
};
pub use neighbours::{
    Diagnosis, DiagnosisStatus, InstanceRefresh, InstanceRefreshStatus, LifecycleAction,
};
pub use port::{Cloud, CloudFuture, Turn, Urgency};
pub use query::{Answer, ExecutionFilter, Query};
