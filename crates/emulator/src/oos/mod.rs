//! CloudOps Orchestration Service: an interpreter of the `OOS-2019-06-01` template format.
//!
//! The interpreter knows no service. Whatever a template does to the cloud goes through [`Host`].

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Parameters of an API call, decoded: lists are arrays, numbers and booleans may still be text.
pub type Params = Map<String, Value>;

/// On whose behalf a call is made. Permission checks and `ExecutedBy` go by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Caller {
    /// What OOS shows as `ExecutedBy`: a user or an assumed role.
    pub principal: String,
    /// The account, digits only.
    pub account_id: String,
}

/// Which undocumented behaviour the service shows (`alibaba-cloud.md` §15.1). Defaults are what
/// the notes consider likeliest.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct OosSwitches {
    // filled in by the interpreter's author, one documented field per unknown
}

impl Default for OosSwitches {
    fn default() -> Self {
        Self {}
    }
}

/// What the interpreter needs of the world around it.
pub trait Host {
    /// The virtual clock.
    fn now(&self) -> Timestamp;
    /// Makes one API call as `caller`, through the same door as calls from outside: permissions,
    /// faults and the journal apply. `service` is upper case (`ESS`, `ECS`, `OOS`, ...); `action`
    /// is the API name as the template spells it (matched case-insensitively); `params` as the
    /// template gave them, 2014 spelling for ESS (`InstanceId.1` is `{"InstanceId.1": "i-1"}` or
    /// `{"InstanceId": ["i-1"]}`).
    fn call(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<Value, ApiError>;
    /// The door for calls that a template makes to OOS itself (`ListExecutions` in the rollback
    /// branch), which the engine answers from its own state: permission check, faults, journal.
    /// Gives the request id.
    fn admit(
        &mut self,
        caller: &Caller,
        region: &str,
        service: &str,
        action: &str,
        params: &Params,
    ) -> Result<String, ApiError>;
    /// Asks for [`Engine::wake`] no earlier than `at`.
    fn wake_at(&mut self, at: Timestamp);
    /// A fresh id: `prefix` plus characters that no other id of this run has. Deterministic.
    fn fresh_id(&mut self, prefix: &str) -> String;
    /// The role assumed when a template names one; `Err` when it does not exist or does not trust OOS.
    fn assume_role(&self, caller: &Caller, role: &str) -> Result<Caller, ApiError>;
    fn switches(&self) -> &OosSwitches;
}

/// All executions and templates of one account, in all regions.
#[derive(Debug, Default)]
pub struct Engine {}

impl Engine {
    /// An engine that knows the public templates.
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers one call of the OOS API (version 2019-06-01). The answer has every documented
    /// field but `RequestId`, which the front adds.
    pub fn handle(
        &mut self,
        _host: &mut dyn Host,
        _caller: &Caller,
        _region: &str,
        action: &str,
        _params: &Params,
    ) -> Result<Value, ApiError> {
        Err(ApiError::new(
            404,
            "InvalidAction.NotFound",
            format!("Specified api is not found: {action}."),
        ))
    }

    /// Goes on with whatever is due at `host.now()`; asks for the next wake-up itself.
    pub fn wake(&mut self, _host: &mut dyn Host) {}
}
