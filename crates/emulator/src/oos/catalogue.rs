//! What templates are made of: `ListActions`, and the rights that one needs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::actions::BUILT_IN;
use super::engine::Engine;
use super::request::{Page, missing, optional_text};
use super::template::{Template, Version};
use crate::error::ApiError;
use crate::params::Params;

impl Engine {
    /// `ListActions`: those of the interpreter, and the cloud-product actions that are there.
    pub(super) fn list_actions(&self, params: &Params) -> Result<Value, ApiError> {
        let name = optional_text(params, "OOSActionName")?;
        let page = Page::of(params, 20..=100)?;
        let own = BUILT_IN.iter().map(|name| {
            json!({"OOSActionName": name, "ActionType": "Atomic", "Description": "",
                "TemplateVersion": "", "Properties": "{}", "Popularity": 0, "CreatedDate": ""})
        });
        let nested = self
            .public
            .values()
            .filter(|version| version.name.contains("::"))
            .map(|version| {
                let properties: serde_json::Map<String, Value> = version
                    .parsed
                    .parameters
                    .iter()
                    .map(|(name, of)| (name.clone(), Value::Object(of.raw.clone())))
                    .collect();
                json!({
                    "OOSActionName": version.name,
                    "ActionType": "CloudProduct",
                    "Description": version.parsed.description,
                    "TemplateVersion": version.version,
                    "Properties": Value::Object(properties).to_string(),
                    "Popularity": 0, "CreatedDate": "",
                })
            });
        let rows: Vec<Value> = own
            .chain(nested)
            .filter(|row| {
                let own = row["OOSActionName"].as_str().unwrap_or_default();
                name.as_ref().is_none_or(|part| own.contains(part.as_str()))
            })
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({ "Actions": shown, "MaxResults": page.size, "NextToken": next }))
    }

    /// `GenerateExecutionPolicy`: the calls that a template makes, in the actions below it, too.
    pub(super) fn generate_execution_policy(
        &self,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let version = optional_text(params, "TemplateVersion")?;
        let name = optional_text(params, "TemplateName")?;
        let mut calls = BTreeSet::new();
        if let Some(content) = optional_text(params, "TemplateContent")? {
            let template = Template::parse(&content)
                .map_err(|error| ApiError::new(400, "InvalidTemplate", error))?;
            self.calls(&template, &mut BTreeSet::new(), &mut calls);
        } else {
            let name = name.ok_or_else(|| missing("TemplateName"))?;
            let found = self.find_template(region, &name, version.as_deref())?;
            self.calls(&found.parsed, &mut BTreeSet::new(), &mut calls);
        }
        let statement = json!([{ "Action": calls, "Resource": "*", "Effect": "Allow" }]);
        let statement = match calls.is_empty() {
            true => json!([]),
            false => statement,
        };
        let policy = json!({ "Version": "1", "Statement": statement });
        Ok(json!({ "Policy": policy.to_string(), "MissingPolicy": "" }))
    }

    fn calls<'t>(
        &'t self,
        template: &'t Template,
        seen: &mut BTreeSet<&'t str>,
        into: &mut BTreeSet<String>,
    ) {
        for task in &template.tasks {
            let text = |name: &str| task.properties.get(name).and_then(Value::as_str);
            let api = text("API").or_else(|| text("Api"));
            if let (Some(service), Some(api)) = (text("Service"), api) {
                into.insert(format!("{}:{api}", service.to_ascii_lowercase()));
            }
            let nested: Option<&Version> = self.public.get(&task.action).map(|v| &**v);
            if let Some(nested) = nested
                && seen.insert(&nested.name)
            {
                self.calls(&nested.parsed, seen, into);
            }
        }
    }
}
