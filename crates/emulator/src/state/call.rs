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

    /// The one that has an API of this version. Each version is of one service.
    ///
    /// # Errors
    /// As every service answers a version that none has.
    pub fn of_version(version: &str) -> Result<(Self, EssVersion), ApiError> {
        Ok(match version {
            "2019-06-01" => (Self::Oos, EssVersion::V2022),
            "2014-08-28" => (Self::Ess, EssVersion::V2014),
            "2022-02-22" => (Self::Ess, EssVersion::V2022),
            "2014-05-26" => (Self::Ecs, EssVersion::V2022),
            "2015-04-01" => (Self::Sts, EssVersion::V2022),
            "2018-08-08" => (Self::Eci, EssVersion::V2022),
            "2014-05-15" => (Self::Slb, EssVersion::V2022),
            "2020-06-16" => (Self::Alb, EssVersion::V2022),
            "2022-04-30" => (Self::Nlb, EssVersion::V2022),
            "2019-01-01" => (Self::Cms, EssVersion::V2022),
            _ => {
                return Err(ApiError::new(
                    400,
                    "NoSuchVersion",
                    format!("Specified version {version} does not exist."),
                ));
            }
        })
    }

    /// What is answered at an endpoint that does not have a version.
    pub(crate) fn other_version(endpoint: &str, version: &str) -> ApiError {
        ApiError::new(
            404,
            "InvalidVersion",
            format!(
                "Specified parameter Version is not valid: {endpoint} does not have {version}."
            ),
        )
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

/// Where a call goes: `RegionId`, the region of its endpoint when there is none, or else the first of
/// those that there are.
pub(crate) fn region_of(params: &Params, endpoint: Option<String>, regions: &[String]) -> String {
    let given = match params.get("RegionId") {
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        // On the wire it would be a text.
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::Bool(flag)) => Some(flag.to_string()),
        _ => None,
    };
    given
        .or(endpoint)
        .or_else(|| regions.first().cloned())
        .unwrap_or_default()
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
