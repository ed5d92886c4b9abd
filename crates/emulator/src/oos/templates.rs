//! The API of templates: the public ones, and those that callers save.

mod filters;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::control::wrong_status;
use super::engine::Engine;
use super::host::{Caller, Host};
use super::packages;
use super::records::{Given, category};
use super::request::{
    Page, SHARE_TYPES, bad_parameter, each_once, flag, json_parameter, missing, one_of,
    optional_text, required_text,
};
use super::template::{Template, Version};
use crate::error::ApiError;
use crate::params::Params;
use filters::TemplateFilters;

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
        Ok(json!({ "Content": found.content, "Template": self.shown(region, &found) }))
    }

    pub(super) fn list_templates(
        &self,
        host: &dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let page = Page::of(params, 10..=100)?;
        let filters = TemplateFilters::parse(params)?;
        let own = self
            .private
            .iter()
            .filter(|((r, _), _)| r == region)
            .filter_map(|(_, versions)| versions.last());
        let mut executions: BTreeMap<&str, usize> = BTreeMap::new();
        for execution in self.executions.values().filter(|e| e.is_root()) {
            *executions.entry(&execution.template.id).or_default() += 1;
        }
        let mut rows: Vec<Value> = own
            .chain(self.public.values())
            .map(|v| {
                let mut shown = self.shown(region, v);
                shown["Category"] = json!(category(v));
                shown
            })
            .chain(packages::listed(host, caller, region))
            .map(|mut row| {
                let id = row["TemplateId"].as_str().unwrap_or_default();
                row["TotalExecutionCount"] = json!(executions.get(id).copied().unwrap_or(0));
                row["Popularity"] = json!(0);
                row["IsFavorite"] = json!(false);
                row
            })
            .filter(|row| filters.admit(row))
            .collect();
        filters.sort(&mut rows);
        let (shown, next) = page.cut(&rows);
        Ok(json!({
            "Templates": shown, "MaxResults": page.size, "NextToken": next, "TotalCount": rows.len(),
        }))
    }

    /// `ListTemplateVersions`, the newest first.
    pub(super) fn list_template_versions(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        let share = one_of(params, "ShareType", SHARE_TYPES)?;
        let page = Page::of(params, 10..=100)?;
        let found = self.find_template(region, &name, None)?;
        let versions = match self.private.get(&(region.to_owned(), name)) {
            Some(versions) => versions.clone(),
            None => vec![found],
        };
        let rows: Vec<Value> = versions
            .iter()
            .rev()
            .map(|version| self.shown(region, version))
            .filter(|shown| share.as_ref().is_none_or(|s| shown["ShareType"] == **s))
            .map(|shown| {
                let mut row = Map::new();
                for name in [
                    "Description",
                    "TemplateFormat",
                    "TemplateVersion",
                    "UpdatedBy",
                    "UpdatedDate",
                    "VersionName",
                ] {
                    row.insert(name.to_owned(), shown[name].clone());
                }
                Value::Object(row)
            })
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({ "TemplateVersions": shown, "MaxResults": page.size, "NextToken": next }))
    }

    pub(super) fn create_template(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        let content = required_text(params, "Content")?;
        let given = Given::of(params)?;
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
            && ["acs", "aliyun", "alibaba", "alicloud"]
                .iter()
                .any(|head| name.to_ascii_lowercase().starts_with(head))
        {
            return Err(bad_parameter(
                "TemplateName",
                "must not begin with ALIYUN, ACS, ALIBABA or ALICLOUD",
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
        let record = given.record(host.now(), &caller.principal);
        self.records.insert(key.clone(), record);
        self.private.insert(key, vec![version.clone()]);
        Ok(json!({ "TemplateType": "Automation", "Template": self.shown(region, &version) }))
    }

    pub(super) fn update_template(
        &mut self,
        host: &mut dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        let content = required_text(params, "Content")?;
        let given = Given::of(params)?;
        let key = (region.to_owned(), name.clone());
        let Some(versions) = self.private.get(&key) else {
            return Err(no_own_template(&name));
        };
        let id = versions[0].id.clone();
        let next = format!("v{}", versions.len() + 1);
        let version = self.readable(host, region, &id, &name, &next, &content)?;
        if let Some(versions) = self.private.get_mut(&key) {
            versions.push(version.clone());
        }
        if let Some(record) = self.records.get_mut(&key) {
            given.update(record, host.now(), &caller.principal);
        }
        Ok(json!({ "Template": self.shown(region, &version) }))
    }

    pub(super) fn delete_template(
        &mut self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let name = required_text(params, "TemplateName")?;
        self.delete_all(region, &[name], params)
    }

    pub(super) fn delete_templates(
        &mut self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let form = "must be a JSON array of texts";
        let names = match json_parameter(params, "TemplateNames")? {
            None => return Err(missing("TemplateNames")),
            Some(Value::Array(items)) => items,
            Some(_) => return Err(bad_parameter("TemplateNames", form)),
        };
        let names: Option<Vec<String>> = names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect();
        let names = names.ok_or_else(|| bad_parameter("TemplateNames", form))?;
        each_once("TemplateNames", &names)?;
        self.delete_all(region, &names, params)
    }

    /// Deletes own templates, all or none, and with `AutoDeleteExecutions` their executions. One
    /// that is not over stands in the way of that.
    fn delete_all(
        &mut self,
        region: &str,
        names: &[String],
        params: &Params,
    ) -> Result<Value, ApiError> {
        let with_executions = flag(params, "AutoDeleteExecutions")?.unwrap_or(false);
        let mut gone = Vec::new();
        for name in names {
            let key = (region.to_owned(), name.clone());
            let Some(versions) = self.private.get(&key) else {
                return Err(no_own_template(name));
            };
            let id = &versions[0].id;
            let of_template = self.executions.values().filter(|e| e.template.id == *id);
            for execution in of_template.filter(|_| with_executions) {
                if !execution.status.is_final() {
                    let what = "it cannot be deleted with its template";
                    return Err(wrong_status(&execution.id, execution.status, what));
                }
                gone.push(execution.id.clone());
            }
        }
        for name in names {
            let key = (region.to_owned(), name.clone());
            self.private.remove(&key);
            self.records.remove(&key);
        }
        self.forget(gone);
        Ok(json!({}))
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
