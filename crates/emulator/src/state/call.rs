//! One API call, decoded: who, where, what.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::ApiError;
use crate::oos::Caller;
use crate::params::Params;

/// The services that answer here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Service {
    /// Auto Scaling.
    Ess,
    /// Elastic Compute Service.
    Ecs,
    /// CloudOps Orchestration Service.
    Oos,
    /// Security Token Service.
    Sts,
    /// Elastic Container Instance.
    Eci,
    /// Classic Load Balancer, CLB.
    Slb,
    /// Application Load Balancer.
    Alb,
    /// Network Load Balancer.
    Nlb,
    /// CloudMonitor.
    Cms,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Ess,
        Self::Ecs,
        Self::Oos,
        Self::Sts,
        Self::Eci,
        Self::Slb,
        Self::Alb,
        Self::Nlb,
        Self::Cms,
    ];

    /// The name as templates and the journal write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ess => "ESS",
            Self::Ecs => "ECS",
            Self::Oos => "OOS",
            Self::Sts => "STS",
            Self::Eci => "ECI",
            Self::Slb => "SLB",
            Self::Alb => "ALB",
            Self::Nlb => "NLB",
            Self::Cms => "CMS",
        }
    }

    /// By product code, whatever its case.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|s| s.name().eq_ignore_ascii_case(name))
    }
}

/// The two versions of the ESS API. They differ in the names of list parameters and in how
/// answers wrap lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EssVersion {
    /// 2014-08-28: `InstanceId.1`, `ScalingGroups.ScalingGroup[]`.
    #[serde(rename = "2014-08-28")]
    V2014,
    /// 2022-02-22: `InstanceIds.1`, `ScalingGroups[]`.
    #[serde(rename = "2022-02-22")]
    V2022,
}

/// One call at the door.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls. Permissions and resources are those of its account.
    pub caller: Caller,
    /// Where it is carried out.
    pub region: String,
    /// Who answers.
    pub service: Service,
    /// In any case of letters until it has passed the door; then as the API reference spells it.
    pub action: String,
    /// Makes a difference to ESS only.
    pub version: EssVersion,
    /// Nested, as [`nest`](crate::params::nest) leaves them.
    pub params: Params,
    /// Made by an execution rather than by a client.
    pub by_oos: bool,
    /// The clock of the caller's world, which decides how long STS credentials live.
    pub wall_now: Timestamp,
}

/// What became of a call.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Answered at once.
    Answered(Result<Value, ApiError>),
    /// Answered when the virtual clock reaches the time.
    AnsweredAt(Timestamp, Result<Value, ApiError>),
    /// The connection ends without an answer.
    Dropped,
}
