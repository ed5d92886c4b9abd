//! The API of templates: the public ones, and those that callers save.

use std::sync::Arc;

use serde_json::{Value, json};

use super::engine::Engine;
use super::host::{Caller, Host};
use super::request::{Page, bad_parameter, optional_text, required_text};
use super::template::{Template, Version};
use super::{packages, view};
use crate::error::ApiError;
use crate::params::Params;

impl Engine {
    /// A template by name: the caller's own first, then the public ones.
    pub(super) fn find_template(
        &self,
        region: &str,
        name: &str,
        version: Option<&str>,
    ) -> Result<Arc<Version>, ApiError> {
        let key = (region.to_owned(), name.to_owned());
        let found = match self.private.get(&key) {
            Some(versions) => match version {
                None => versions.last(),
                Some(wanted) => versions.iter().find(|v| v.version == wanted),
            },
            None => self
                .public
                .get(name)
                .filter(|v| version.is_none_or(|wanted| v.version == wanted)),
        };
        found.cloned().ok_or_else(|| {
            let what = match version {
                Some(version) => format!("{name} ({version})"),
                None => name.to_owned(),
            };
            ApiError::new(
                404,
                "EntityNotExists.Template",
                format!("The specified template {what} does not exist."),
            )
        })
    }

    pub(super) fn get_template(
        &self,
        host: &dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        let version = optional_text(params, "TemplateVersion")?;
        if let Some(package) = packages::get(host, caller, region, &name, version.as_deref()) {
            return Ok(package);
        }
        let found = self.find_template(region, &name, version.as_deref())?;
        Ok(json!({ "Content": found.content, "Template": view::template(&found) }))
    }

    pub(super) fn list_templates(
        &self,
        host: &dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = optional_text(params, "TemplateName")?;
        let share = optional_text(params, "ShareType")?;
        let by = optional_text(params, "CreatedBy")?;
        let kind = optional_text(params, "TemplateType")?;
        let page = Page::of(params, 10..=100)?;
        let own = self
            .private
            .iter()
            .filter(|((r, _), _)| r == region)
            .filter_map(|(_, versions)| versions.last());
        let rows: Vec<Value> = own
            .chain(self.public.values())
            .map(|v| view::template(v))
            .chain(packages::listed(host, caller, region))
            .filter(|v| {
                name.as_ref().is_none_or(|part| {
                    v["TemplateName"]
                        .as_str()
                        .is_some_and(|name| name.contains(part.as_str()))
                })
            })
            .filter(|v| share.as_ref().is_none_or(|s| v["ShareType"] == **s))
            .filter(|v| by.as_ref().is_none_or(|b| v["CreatedBy"] == **b))
            .filter(|v| kind.as_ref().is_none_or(|k| v["TemplateType"] == **k))
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({
            "Templates": shown, "MaxResults": page.size, "NextToken": next, "TotalCount": rows.len(),
        }))
    }

    pub(super) fn create_template(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        let content = required_text(params, "Content")?;
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        // OOS knows no such names: this is how an action is registered here, one of its own too.
        let is_action = name.contains("::");
        let parts_fit = name
            .split("::")
            .all(|part| !part.is_empty() && part.chars().all(is_word));
        if name.len() > 200 || !parts_fit {
            let form = "must be 1 to 200 letters, digits, hyphens and underscores";
            return Err(bad_parameter("TemplateName", form));
        }
        if !is_action
            && ["acs", "aliyun", "alibaba"]
                .iter()
                .any(|head| name.to_ascii_lowercase().starts_with(head))
        {
            return Err(bad_parameter(
                "TemplateName",
                "must not begin with ACS or ALIYUN",
            ));
        }
        let key = (region.to_owned(), name.clone());
        if self.private.contains_key(&key) {
            return Err(ApiError::new(
                400,
                "EntityAlreadyExists.Template",
                format!("The template {name} already exists."),
            ));
        }
        let id = host.fresh_id("t-");
        let version = self.readable(host, region, &id, &name, "v1", &content)?;
        let answer = json!({ "TemplateType": "Automation", "Template": view::template(&version) });
        self.private.insert(key, vec![version]);
        Ok(answer)
    }

    pub(super) fn update_template(
        &mut self,
        host: &mut dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        let content = required_text(params, "Content")?;
        let key = (region.to_owned(), name.clone());
        let Some(versions) = self.private.get(&key) else {
            return Err(no_own_template(&name));
        };
        let id = versions[0].id.clone();
        let next = format!("v{}", versions.len() + 1);
        let version = self.readable(host, region, &id, &name, &next, &content)?;
        let answer = json!({ "Template": view::template(&version) });
        if let Some(versions) = self.private.get_mut(&key) {
            versions.push(version);
        }
        Ok(answer)
    }

    pub(super) fn delete_template(
        &mut self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        match self.private.remove(&(region.to_owned(), name.clone())) {
            Some(_) => Ok(json!({})),
            None => Err(no_own_template(&name)),
        }
    }

    /// What of a template is not there comes as `Missing`, which the cloud's answer does not have.
    pub(super) fn validate_template_content(
        &self,
        host: &mut dyn Host,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let content = required_text(params, "Content")?;
        let template = Template::parse(&content).map_err(invalid)?;
        let missing = self
            .check_actions(host, region, &template)
            .map_err(invalid)?;
        Self::tell_missing(host, &missing)?;
        let parameters: serde_json::Map<String, Value> = template
            .parameters
            .iter()
            .map(|(name, declaration)| (name.clone(), Value::Object(declaration.raw.clone())))
            .collect();
        let tasks: Vec<Value> = template
            .tasks
            .iter()
            .map(|task| {
                json!({
                    "Name": task.name, "Type": task.action, "Description":
                        task.raw.get("Description").and_then(Value::as_str).unwrap_or_default(),
                    "Properties": task.properties.to_string(),
                    "Outputs": Value::Object(task.outputs.clone()).to_string(),
                })
            })
            .collect();
        let mut answer = json!({
            "Parameters": Value::Object(parameters).to_string(),
            "Outputs": Value::Object(template.outputs.clone()).to_string(),
            "RamRole": template.ram_role.as_ref().and_then(Value::as_str).unwrap_or_default(),
            "Tasks": tasks,
        });
        if !missing.is_empty() {
            answer["Missing"] = json!(missing);
        }
        Ok(answer)
    }

    fn readable(
        &self,
        host: &mut dyn Host,
        region: &str,
        id: &str,
        name: &str,
        version: &str,
        content: &str,
    ) -> Result<Arc<Version>, ApiError> {
        let version = Version::new(id, name, version, content, false).map_err(invalid)?;
        let missing = self
            .check_actions(host, region, &version.parsed)
            .map_err(invalid)?;
        Self::tell_missing(host, &missing)?;
        Ok(version)
    }
}

fn invalid(message: String) -> ApiError {
    ApiError::new(400, "InvalidTemplate", message)
}

fn no_own_template(name: &str) -> ApiError {
    ApiError::new(
        404,
        "EntityNotExists.Template",
        format!("The specified template {name} does not exist."),
    )
}
