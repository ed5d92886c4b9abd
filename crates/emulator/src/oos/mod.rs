//! CloudOps Orchestration Service: an interpreter of the `OOS-2019-06-01` template format.
//!
//! The interpreter knows no service. Whatever a template does to the cloud goes through its `Host`.

mod actions;
mod approval;
mod binding;
mod catalogue;
mod control;
mod cut;
mod ending;
mod engine;
mod events;
mod execution;
mod expr;
mod functions;
mod host;
mod jq;
mod kept;
mod keys;
mod library;
mod loops;
mod members;
mod missing;
mod names;
mod near;
mod notify;
mod package;
mod packages;
mod parameters;
mod public;
mod reads;
mod records;
mod request;
mod room;
mod run;
mod shown;
mod start;
mod status;
mod store;
mod switches;
mod table;
mod tags;
mod template;
mod templates;
mod tokens;
mod trigger;
mod trigger_state;
mod view;
mod yaml;

#[cfg(test)]
mod tests;

use serde_json::Value;

use crate::api::Api;
use crate::error::ApiError;
use crate::params::Params;
use engine::Pace;

pub(crate) use engine::Engine;
pub(crate) use events::problem as event_problem;
pub use host::Caller;
pub(crate) use host::Host;
pub use library::Library;
pub(crate) use package::{Installed, Package, PackageVersion};
pub(crate) use reads::region_name;
pub use switches::{
    BatchSplit, ChildInFailurePause, FailurePauseAt, FailurePauseShows, OosSwitches,
    OthersInFailurePause, PausedStatus, RejectedStatus, SafetyCheckDefault, SkippedItemStatus,
    Taken,
};
pub(crate) use table::ACTIONS;
pub(crate) use tokens::tokens;
pub use trigger_state::TriggerKind;

/// Whether the engine answers an action.
pub(crate) fn answers(action: &str) -> bool {
    ACTIONS
        .iter()
        .any(|(known, _)| known.eq_ignore_ascii_case(action))
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
        // Others were answered before this call.
        self.pace = Pace::default();
        self.drain(host);
        let answer = self.answer(host, caller, region, action, params);
        self.drain(host);
        self.tell_derived(host);
        answer
    }

    /// Goes on with whatever is due at `host.now()`; asks for the next wake-up itself.
    pub fn wake(&mut self, host: &mut dyn Host) {
        self.drain(host);
        self.tell_derived(host);
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
        let answer = match store::is_store_action(action) {
            true => self.store_action(host, caller, region, action, params),
            false => self.answer_of_executions(host, caller, region, action, params),
        };
        let mut answer = answer.map_err(|mut error| {
            // An error shows the value that it refuses.
            error.message = self.store.told(&error.message);
            error
        })?;
        if store::is_store_action(action) {
            return Ok(answer);
        }
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
            "createtemplate" => self.create_template(host, caller, region, params),
            "updatetemplate" => self.update_template(host, caller, region, params),
            "deletetemplate" => self.delete_template(region, params),
            "deletetemplates" => self.delete_templates(region, params),
            "listtemplateversions" => self.list_template_versions(region, params),
            "listactions" => self.list_actions(params),
            "generateexecutionpolicy" => self.generate_execution_policy(region, params),
            "tagresources" => self.tag_resources(region, params),
            "untagresources" => self.untag_resources(region, params),
            "listtagresources" => self.list_tag_resources(region, params),
            "listtagkeys" => self.list_tag_keys(region, params),
            "listtagvalues" => self.list_tag_values(region, params),
            "validatetemplatecontent" => self.validate_template_content(host, region, params),
            "describeregions" => reads::regions(&host.regions(), params),
            _ => {
                let why = match Api::Oos.parameters(action) {
                    Some(_) => " OOS has it, the emulator does not.",
                    None => "",
                };
                Err(ApiError::new(
                    404,
                    "InvalidAction.NotFound",
                    format!(
                        "Specified api is not found, please check your url and method: {action}.{why}"
                    ),
                ))
            }
        }
    }
}
