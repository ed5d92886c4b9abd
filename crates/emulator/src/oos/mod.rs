//! CloudOps Orchestration Service: an interpreter of the `OOS-2019-06-01` template format.
//!
//! The interpreter knows no service. Whatever a template does to the cloud goes through [`Host`].

mod actions;
mod approval;
mod binding;
mod control;
mod ending;
mod execution;
mod expr;
mod functions;
mod jq;
mod loops;
mod notify;
mod packages;
mod parameters;
mod public;
mod reads;
mod run;
mod start;
mod status;
mod switches;
mod template;
mod view;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::error::ApiError;
use execution::Execution;
use run::Due;
use template::Version;

pub use packages::{Installed, Package, PackageVersion};
pub use switches::{
    BatchSplit, ChildInFailurePause, FailurePauseAt, FailurePauseShows, OosSwitches,
    OthersInFailurePause, PausedStatus, RejectedStatus, SafetyCheckDefault, SkippedItemStatus,
    Taken,
};

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
    /// All packages, of all accounts and regions.
    fn packages(&self) -> &[Package] {
        &[]
    }
    /// What an instance of the caller has installed: names and versions.
    fn installed_packages(
        &self,
        _caller: &Caller,
        _region: &str,
        _instance_id: &str,
    ) -> Vec<(String, Installed)> {
        Vec::new()
    }
}

/// Stored answers to `StartExecution` by (account, region, token): fingerprint and answer.
type Tokens = BTreeMap<(String, String, String), (String, Value)>;

/// What a root and the executions below it have used up, and those that their templates started.
#[derive(Debug, Clone, Default)]
struct Family {
    children: usize,
    runs: usize,
}

/// All executions and templates, in all regions.
#[derive(Debug, Clone, Default)]
pub struct Engine {
    executions: BTreeMap<String, Execution>,
    /// Own templates by (region, name), oldest version first.
    private: BTreeMap<(String, String), Vec<Arc<Version>>>,
    public: BTreeMap<String, Arc<Version>>,
    /// What is due, by time and then in the order in which it was asked for.
    agenda: BTreeMap<(Timestamp, u64), Due>,
    sequence: u64,
    tokens: Tokens,
    /// What each root and the executions below it have used up, by root.
    families: BTreeMap<String, Family>,
    /// The family of the execution whose call to OOS is being answered.
    calling_family: Option<String>,
}

impl Engine {
    /// An engine that knows the public templates.
    pub fn new() -> Self {
        Self {
            public: public::templates(),
            ..Self::default()
        }
    }

    /// Answers one call of the OOS API (version 2019-06-01). The answer has every documented
    /// field but `RequestId`, which the front adds.
    pub fn handle(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        action: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        self.drain(host);
        let answer = self.answer(host, caller, region, action, params);
        self.drain(host);
        answer
    }

    /// Goes on with whatever is due at `host.now()`; asks for the next wake-up itself.
    pub fn wake(&mut self, host: &mut dyn Host) {
        self.drain(host);
    }

    /// One call, without doing what is due: a running template may be the one that calls.
    fn answer(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        action: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        match action.to_ascii_lowercase().as_str() {
            "startexecution" => self.start_execution(host, caller, region, params),
            "notifyexecution" => self.notify_execution(host, caller, region, params),
            "cancelexecution" => self.cancel_execution(host, region, params),
            "updateexecution" => self.update_execution(host, region, params),
            "deleteexecutions" => self.delete_executions(region, params),
            "triggerexecution" => self.trigger_execution(region, params),
            "listexecutions" => self.list_executions(host, region, params),
            "listtaskexecutions" => self.list_task_executions(region, params),
            "listexecutionlogs" => self.list_execution_logs(region, params),
            "listtaskexecutioninvocations" => self.list_invocations(region, params),
            "getexecutiontemplate" => self.get_execution_template(region, params),
            "gettemplate" => self.get_template(host, caller, region, params),
            "listtemplates" => self.list_templates(host, caller, region, params),
            "listinstancepackagestates" => {
                Self::list_instance_package_states(host, caller, region, params)
            }
            "createtemplate" => self.create_template(host, region, params),
            "updatetemplate" => self.update_template(region, params),
            "deletetemplate" => self.delete_template(region, params),
            "validatetemplatecontent" => self.validate_template_content(params),
            "describeregions" => Ok(reads::regions()),
            _ => Err(ApiError::new(
                404,
                "InvalidAction.NotFound",
                format!("Specified api is not found: {action}."),
            )),
        }
    }
}

/// A refusal of one request parameter.
fn bad_parameter(name: &str, reason: &str) -> ApiError {
    ApiError::new(
        400,
        "InvalidParameter",
        format!("The parameter {name} is invalid: {reason}."),
    )
}

/// A request parameter as text; numbers and booleans are spelled out, the empty text is none.
fn optional_text(params: &Params, name: &str) -> Result<Option<String>, ApiError> {
    match params.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(Some(value.to_string())),
        Some(_) => Err(bad_parameter(name, "must be a text")),
    }
}

fn required_text(params: &Params, name: &str) -> Result<String, ApiError> {
    optional_text(params, name)?.ok_or_else(|| {
        ApiError::new(
            400,
            "MissingParameter",
            format!("{name} is mandatory for this action."),
        )
    })
}
