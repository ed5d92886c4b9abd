//! Packages: templates of type `Package`, which executions cannot run, and what instances have
//! installed of them.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::engine::Engine;
use super::host::{Caller, Host};
use super::package::{Package, PackageVersion};
use super::request::{Page, bad_parameter, optional_text, required_text};
use crate::error::ApiError;
use crate::params::Params;

/// The `Template` object of a package.
pub(super) fn template(package: &Package, version: &PackageVersion) -> Value {
    let is_public = package.account_id.is_none();
    let hash: String = Sha256::digest(version.content.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({
        "TemplateId": package.template_id,
        "TemplateName": package.name,
        "TemplateVersion": version.version,
        "VersionName": version.version_name,
        "TemplateFormat": "JSON",
        "TemplateType": "Package",
        "ShareType": if is_public { "Public" } else { "Private" },
        "CreatedBy": if is_public { "ACS" } else { "" },
        "UpdatedBy": if is_public { "ACS" } else { "" },
        "Description": package.description,
        "Hash": hash,
        "HasTrigger": false,
        "Category": "Other",
        "CreatedDate": "",
        "UpdatedDate": "",
        "ResourceGroupId": "",
        "Tags": {},
    })
}

/// `GetTemplate` of a package that the caller sees: `None` when there is none of that name or
/// version.
pub(super) fn get(
    host: &dyn Host,
    caller: &Caller,
    region: &str,
    name: &str,
    version: Option<&str>,
) -> Option<Value> {
    let package = find(host, caller, region, name)?;
    let version = package.version(version)?;
    Some(json!({ "Content": version.content, "Template": template(package, version) }))
}

fn find<'a>(host: &'a dyn Host, caller: &Caller, region: &str, name: &str) -> Option<&'a Package> {
    host.packages()
        .iter()
        .find(|p| p.name == name && p.is_seen_by(&caller.account_id, region))
}

/// The newest versions of all packages that the caller sees, as `ListTemplates` shows them.
pub(super) fn listed(host: &dyn Host, caller: &Caller, region: &str) -> Vec<Value> {
    host.packages()
        .iter()
        .filter(|p| p.is_seen_by(&caller.account_id, region))
        .filter_map(|p| p.version(None).map(|version| template(p, version)))
        .collect()
}

impl Engine {
    /// `ListInstancePackageStates`: what an instance has installed. `TemplateNames` is a JSON
    /// array in a text. An instance that does not exist has nothing.
    pub(super) fn list_instance_package_states(
        host: &dyn Host,
        caller: &Caller,
        region: &str,
        params: &Params,
    ) -> Result<Value, ApiError> {
        let id = required_text(params, "InstanceId")?;
        let names: Option<Vec<String>> = optional_text(params, "TemplateNames")?
            .map(|text| serde_json::from_str(&text))
            .transpose()
            .map_err(|_| bad_parameter("TemplateNames", "must be a JSON array of texts"))?;
        let page = Page::of(params, 1..=100)?;
        let rows: Vec<Value> = host
            .installed_packages(caller, region, &id)
            .into_iter()
            .filter(|(name, _)| names.as_ref().is_none_or(|names| names.contains(name)))
            .map(|(name, installed)| {
                let package = find(host, caller, region, &name);
                let version = package.and_then(|p| p.version(Some(&installed.version)));
                json!({
                    "TemplateId": package.map_or("", |p| p.template_id.as_str()),
                    "TemplateName": name,
                    "TemplateVersion": installed.version,
                    "TemplateVersionName": version.map_or("", |v| v.version_name.as_str()),
                    "TemplateCategory": "Package",
                    "UpdateTime": installed.since.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
                    "Description": package.map_or("", |p| p.description.as_str()),
                    "Publisher": "",
                    "Parameters": "{}",
                })
            })
            .collect();
        let (shown, next) = page.cut(&rows);
        Ok(json!({
            "PackageStates": shown,
            "MaxResults": page.size.to_string(), "NextToken": next,
        }))
    }
}
