//! `StartExecution`: templates found, parameters bound, executions made.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::binding::start_scope;
use super::engine::{Due, Engine};
use super::execution::{Execution, Mode, NewExecution, PauseOption, Status};
use super::expr::Resolver;
use super::host::{Caller, Host};
use super::records::tags;
use super::request::{bad_parameter, json_parameter, optional_text};
use super::switches::{SafetyCheckDefault, Taken};
use super::template::Version;
use super::view;
use crate::client_tokens::{self, Fingerprint};
use crate::error::ApiError;
use crate::params::Params;

impl Engine {
    pub(super) fn start_execution(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let token = optional_text(params, "ClientToken")?;
        let key = token.map(|token| (caller.account_id.clone(), region.to_owned(), token));
        let fingerprint = fingerprint(params);
        if let Some(key) = &key {
            if key.2.len() > 64 || !key.2.is_ascii() {
                return Err(bad_parameter(
                    "ClientToken",
                    "must be at most 64 ASCII characters",
                ));
            }
            if let Some((is_same, answer)) = self.tokens.answer(key, &fingerprint) {
                if is_same {
                    return Ok(answer.clone());
                }
                return Err(ApiError::new(
                    400,
                    "IdempotentParameterMismatch",
                    "The request uses the same client token as a previous, but non-identical request.",
                ));
            }
        }
        let template = self.template_to_start(host, region, params)?;
        let given = match json_parameter(params, "Parameters")? {
            Some(Value::Object(map)) => map,
            None => Map::new(),
            Some(_) => return Err(bad_parameter("Parameters", "must be a JSON object")),
        };
        let mut new = self.settings(host, caller, region, params)?;
        if let Some(family) = self.calling_family.clone() {
            self.join_family(&family)
                .map_err(|e| ApiError::new(400, "QuotaExceeded.Execution", e))?;
            new.family = Some(family);
        }
        let id = self.create(host, region, template, given, new)?;
        let answer = json!({ "Execution": view::started(&self.executions[&id]) });
        if let Some(key) = key {
            self.tokens.keep(key, fingerprint, answer.clone());
        }
        Ok(answer)
    }

    fn template_to_start(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Arc<Version>, ApiError> {
        if let Some(content) = optional_text(params, "TemplateContent")? {
            for other in ["TemplateName", "TemplateVersion"] {
                if optional_text(params, other)?.is_some() {
                    let reason = "TemplateContent says what runs; leave one of the two out";
                    return Err(bad_parameter(other, reason));
                }
            }
            let id = host.fresh_id("t-");
            let template = Version::new(&id, &id, "v1", &content, false)
                .map_err(|e| ApiError::new(400, "InvalidTemplate", format!("{e}.")))?;
            let missing = self
                .check_actions(host, region, &template.parsed)
                .map_err(|e| ApiError::new(400, "InvalidTemplate", e))?;
            Self::tell_missing(host, &missing)?;
            return Ok(template);
        }
        let name = optional_text(params, "TemplateName")?.ok_or_else(|| {
            ApiError::new(
                400,
                "MissingParameter",
                "TemplateName is mandatory for this action, unless TemplateContent is given.",
            )
        })?;
        let version = optional_text(params, "TemplateVersion")?;
        let template = self.find_template(region, &name, version.as_deref())?;
        let missing = self
            .check_actions(host, region, &template.parsed)
            .map_err(|e| ApiError::new(400, "InvalidTemplate", e))?;
        Self::tell_missing(host, &missing)?;
        Ok(template)
    }

    fn settings(
        &self,
        host: &dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<NewExecution, ApiError> {
        let switches = host.switches();
        let mode = match optional_text(params, "Mode")?.as_deref() {
            None | Some("Automatic") => Mode::Automatic,
            Some("FailurePause") => Mode::FailurePause,
            Some("Debug") => {
                return Err(bad_parameter(
                    "Mode",
                    "Debug is not supported by this emulator",
                ));
            }
            Some(_) => {
                return Err(bad_parameter(
                    "Mode",
                    "must be Automatic, FailurePause or Debug",
                ));
            }
        };
        let loop_mode = optional_text(params, "LoopMode")?.unwrap_or_default();
        if !loop_mode.is_empty() && PauseOption::parse(&loop_mode).is_none() {
            let allowed = "must be Automatic, FirstBatchPause or EveryBatchPause";
            return Err(bad_parameter("LoopMode", allowed));
        }
        let safety_check = optional_text(params, "SafetyCheck")?.unwrap_or_else(|| {
            match switches.safety_check_default {
                SafetyCheckDefault::Skip => "Skip",
                SafetyCheckDefault::ConfirmEveryHighRiskAction => "ConfirmEveryHighRiskAction",
            }
            .to_owned()
        });
        let confirm_high_risk = match safety_check.as_str() {
            "Skip" => false,
            "ConfirmEveryHighRiskAction" => true,
            _ => {
                let allowed = "must be Skip or ConfirmEveryHighRiskAction";
                return Err(bad_parameter("SafetyCheck", allowed));
            }
        };
        let asks_to_skip = params.get("SafetyCheck") == Some(&json!("Skip"));
        if asks_to_skip
            && mode == Mode::FailurePause
            && switches.skip_with_failure_pause == Taken::Refused
        {
            let reason = "Skip is valid only when Mode is Automatic";
            return Err(bad_parameter("SafetyCheck", reason));
        }
        let tags = tags(params, "Tags")?.unwrap_or_default();
        let parent_id = optional_text(params, "ParentExecutionId")?.unwrap_or_default();
        if !parent_id.is_empty() {
            self.existing(region, &parent_id).map_err(|mut e| {
                e.message = format!("ParentExecutionId: {}", e.message);
                e
            })?;
        }
        Ok(NewExecution {
            parent_id,
            mode,
            loop_mode,
            safety_check,
            confirm_high_risk,
            tags,
            description: optional_text(params, "Description")?.unwrap_or_default(),
            resource_group: optional_text(params, "ResourceGroupId")?.unwrap_or_default(),
            ..NewExecution::default_for(caller)
        })
    }

    /// Makes an execution and schedules its first task.
    pub(super) fn create(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        template: Arc<Version>,
        given: Map<String, Value>,
        new: NewExecution,
    ) -> Result<String, ApiError> {
        let parameters = self.bind(host, region, &template, given, &new)?;
        self.make(host, region, template, parameters, new)
    }

    /// Makes an execution of parameters that are bound.
    pub(super) fn make(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        template: Arc<Version>,
        parameters: Map<String, Value>,
        new: NewExecution,
    ) -> Result<String, ApiError> {
        let now = host.now();
        let scope = start_scope(host, region, &parameters, &new, &self.store);
        let ram_role = match &template.parsed.ram_role {
            None => String::new(),
            Some(role) => {
                let mut resolver = Resolver::new(&scope);
                let role = resolver.resolve(role);
                let is_secret = !resolver.derived.is_empty()
                    || role.as_ref().is_ok_and(|role| self.store.is_in(role));
                match role {
                    // Whoever reads the calls of the execution reads its role.
                    _ if is_secret => {
                        let reason = "must not hold an encrypted parameter: the name of a role \
                            shows wherever it is used";
                        return Err(bad_parameter("RamRole", reason));
                    }
                    Ok(Value::String(role)) => role,
                    Ok(Value::Null) => String::new(),
                    Ok(_) => return Err(bad_parameter("RamRole", "must be a text")),
                    Err(e) => return Err(bad_parameter("RamRole", &e)),
                }
            }
        };
        let acting = if ram_role.is_empty() {
            new.acting
        } else {
            host.assume_role(&new.starter, &ram_role)?
        };
        let id = host.fresh_id("exec-");
        self.sequence += 1;
        let execution = Execution {
            number: self.sequence,
            region: region.to_owned(),
            link: new.link,
            parent_id: new.parent_id,
            family: new
                .family
                .or_else(|| new.root_id.clone())
                .unwrap_or_else(|| id.clone()),
            root_id: new.root_id.unwrap_or_else(|| id.clone()),
            level: new.level,
            template,
            mode: new.mode,
            loop_mode: PauseOption::parse(&new.loop_mode).unwrap_or(PauseOption::Automatic),
            loop_mode_text: new.loop_mode,
            confirm_high_risk: new.confirm_high_risk,
            safety_check: new.safety_check,
            starter: new.starter,
            acting,
            ram_role,
            status: Status::Started,
            message: String::new(),
            created: now,
            ended: None,
            updates: VecDeque::from([now]),
            parameters,
            outputs: Map::new(),
            tags: new.tags,
            description: new.description,
            resource_group: new.resource_group,
            tasks: Vec::new(),
            position: 0,
            named: BTreeMap::new(),
            children: Vec::new(),
            paused: BTreeSet::new(),
            runs: 0,
            kept: 0,
            bytes: 0,
            gone: BTreeMap::new(),
            logs: Vec::new(),
            cancelling: false,
            trigger: None,
            id: id.clone(),
        };
        let family = self.families.entry(execution.family.clone()).or_default();
        family.members += 1;
        self.executions.insert(id.clone(), execution);
        self.weigh(&id);
        let delay = i64::from(host.switches().start_delay_seconds);
        let due = Due::Advance {
            execution: id.clone(),
        };
        self.schedule(host, delay, due);
        Ok(id)
    }
}

/// All parameters that must agree when a client token is used again. Protocol parameters change
/// with every request and do not count.
fn fingerprint(params: &Params) -> Fingerprint {
    const PROTOCOL: &[&str] = &[
        "Action",
        "Version",
        "Format",
        "Timestamp",
        "Signature",
        "SignatureNonce",
        "SignatureMethod",
        "SignatureVersion",
        "SignatureType",
        "AccessKeyId",
        "SecurityToken",
    ];
    let kept = params.iter();
    client_tokens::fingerprint(kept.filter(|(name, _)| !PROTOCOL.contains(&name.as_str())))
}
