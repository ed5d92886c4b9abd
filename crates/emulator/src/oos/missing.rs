//! What a template asks for that is not there: actions, APIs and keys. The template is taken all the
//! same, so that the rest of it can be tried, and whoever gave it is told.

use std::collections::BTreeSet;

use serde_json::Value;

use super::actions::is_built_in;
use super::engine::Engine;
use super::host::Host;
use super::keys;
use super::names;
use super::switches::Taken;
use super::template::Template;
use super::trigger_state::TriggerKind;
use crate::error::ApiError;

/// Documented actions that are not here. A name that is none of OOS's is a mistake.
const ABSENT: &[&str] = &[
    "ACS::ExecuteHttpRequest",
    "ACS::Hook",
    "ACS::Loop",
    "ACS::Parallel",
    "ACS::CloudMonitorTrigger",
    "ACS::MNSTrigger",
];

/// Most templates that are looked into for one.
const MAX_TEMPLATES: usize = 200;

impl Engine {
    /// Refuses actions that OOS does not have and triggers where none may stand. Gives the names of
    /// what a template, and what it calls, will not find: `ACS::RDS::Reboot`, `RDS DescribeInstances`,
    /// `OnCancel of task stop`.
    pub(super) fn check_actions(
        &self,
        host: &dyn Host,
        region: &str,
        template: &Template,
    ) -> Result<Vec<String>, String> {
        for (i, task) in template.tasks.iter().enumerate() {
            let place = format!("Task {} (number {})", task.name, i + 1);
            let action = task.action.as_str();
            if TriggerKind::of(action).is_some() {
                if i > 0 {
                    return Err(format!("{place}: a trigger must be the first task."));
                }
                continue;
            }
            let is_product_action = action.split("::").count() > 2;
            let known = is_built_in(action) || ABSENT.contains(&action) || is_product_action;
            if !known && self.find_template(region, action, None).is_err() {
                return Err(format!("{place}: there is no action {action}."));
            }
        }
        let mut missing = BTreeSet::new();
        keys::check(template, &mut missing)
            .and_then(|()| names::check(template, &mut missing))
            .map_err(|e| format!("The template cannot run: {e}."))?;
        let mut seen = BTreeSet::new();
        self.look_into(host, region, template, &mut missing, &mut seen);
        Ok(missing.into_iter().collect())
    }

    fn look_into(
        &self,
        host: &dyn Host,
        region: &str,
        template: &Template,
        missing: &mut BTreeSet<String>,
        seen: &mut BTreeSet<String>,
    ) {
        for task in &template.tasks {
            let action = task.action.as_str();
            let text = |key: &str| task.properties.get(key).and_then(Value::as_str);
            let api = text("API").or_else(|| text("Api"));
            if let (Some(service), Some(api)) = (text("Service"), api)
                && !service.contains("{{")
                && !api.contains("{{")
            {
                let service = service.to_uppercase();
                let there = match service.as_str() {
                    "OOS" => super::answers(api),
                    _ => host.answers(&service, api),
                };
                if !there {
                    missing.insert(format!("{service} {api}"));
                }
            }
            let nested = match action {
                "ACS::Template" => text("TemplateName").filter(|name| !name.contains("{{")),
                action if is_built_in(action) || TriggerKind::of(action).is_some() => None,
                action => Some(action),
            };
            let Some(nested) = nested else { continue };
            match self.find_template(region, nested, None) {
                Ok(found) if seen.len() < MAX_TEMPLATES => {
                    if seen.insert(nested.to_owned()) {
                        // One that was read from a folder has not been looked at yet.
                        let checked = keys::check(&found.parsed, missing);
                        if let Err(e) = checked.and_then(|()| names::check(&found.parsed, missing))
                        {
                            missing.insert(format!("{nested}, in which {e}"));
                        }
                        self.look_into(host, region, &found.parsed, missing, seen);
                    }
                }
                Ok(_) => {}
                Err(_) => {
                    missing.insert(nested.to_owned());
                }
            }
        }
    }

    /// Tells of what is missing, or refuses the template for it.
    pub(super) fn tell_missing(host: &mut dyn Host, missing: &[String]) -> Result<(), ApiError> {
        if missing.is_empty() {
            return Ok(());
        }
        if host.switches().missing_actions == Taken::Refused {
            return Err(ApiError::new(
                400,
                "InvalidTemplate",
                format!(
                    "This emulator does not have what the template asks for: {}. Register actions \
                     with CreateTemplate or --actions, or leave --strict out.",
                    missing.join(", ")
                ),
            ));
        }
        host.missing(missing);
        Ok(())
    }
}
