//! CloudOps Orchestration Service: an interpreter of the `OOS-2019-06-01` template format.
//!
//! The interpreter knows no service. Whatever a template does to the cloud goes through its `Host`.

mod actions;
mod approval;
mod binding;
mod control;
mod ending;
mod engine;
mod execution;
mod expr;
mod functions;
mod host;
mod jq;
mod library;
mod loops;
mod missing;
mod notify;
mod package;
mod packages;
mod parameters;
mod public;
mod reads;
mod request;
mod run;
mod start;
mod status;
mod store;
mod switches;
mod template;
mod templates;
mod trigger;
mod trigger_state;
mod view;
mod yaml;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::error::ApiError;
use crate::params::Params;

pub(crate) use engine::Engine;
pub use host::Caller;
pub(crate) use host::Host;
pub use library::Library;
pub(crate) use package::{Installed, Package, PackageVersion};
pub(crate) use store::hide;
pub use switches::{
    BatchSplit, ChildInFailurePause, FailurePauseAt, FailurePauseShows, OosSwitches,
    OthersInFailurePause, PausedStatus, RejectedStatus, SafetyCheckDefault, SkippedItemStatus,
    Taken,
};
pub use trigger_state::TriggerKind;

/// Actions of executions and templates; those of the parameter store are known by their names.
const ACTIONS_OF_EXECUTIONS: &[&str] = &[
    "StartExecution",
    "NotifyExecution",
    "CancelExecution",
    "UpdateExecution",
    "DeleteExecutions",
    "TriggerExecution",
    "ListExecutions",
    "ListTaskExecutions",
    "ListExecutionLogs",
    "ListTaskExecutionInvocations",
    "GetExecutionTemplate",
    "GetTemplate",
    "ListTemplates",
    "ListInstancePackageStates",
    "CreateTemplate",
    "UpdateTemplate",
    "DeleteTemplate",
    "ValidateTemplateContent",
    "DescribeRegions",
];

/// Whether the engine answers an action.
pub(crate) fn answers(action: &str) -> bool {
    let is = |known: &str| known.eq_ignore_ascii_case(action);
    store::is_store_action(action) || ACTIONS_OF_EXECUTIONS.iter().any(|known| is(known))
}

impl Engine {
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
        if store::is_store_action(action) {
            return self.store_action(host, caller, region, action, params);
        }
        let mut answer = self.answer_of_executions(host, caller, region, action, params)?;
        // Values of encrypted parameters went into properties and outputs; nobody may read them there.
        if action.to_ascii_lowercase().contains("execution") {
            self.store.hide(&mut answer);
        }
        Ok(answer)
    }

    fn answer_of_executions(
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
            "triggerexecution" => self.trigger_execution(host, region, params),
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
            "updatetemplate" => self.update_template(host, region, params),
            "deletetemplate" => self.delete_template(region, params),
            "validatetemplatecontent" => self.validate_template_content(host, region, params),
            "describeregions" => Ok(reads::regions(&host.regions())),
            _ => Err(ApiError::new(
                404,
                "InvalidAction.NotFound",
                format!("Specified api is not found: {action}."),
            )),
        }
    }
}
