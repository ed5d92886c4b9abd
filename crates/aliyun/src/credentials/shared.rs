//! The file that the official SDKs share: `~/.alibabacloud/credentials.ini`.

use std::{collections::BTreeMap, sync::Arc};

use super::{CredentialsProvider, OidcRole, assumed::Assumed, means::Means, profile::SESSION_NAME};

/// Who a section describes; `default`, if none is named. An error is what is wrong with the file, without any value of it
/// but names.
pub(super) fn provider(
    text: &str,
    name: Option<&str>,
    means: &Means,
) -> Result<Arc<dyn CredentialsProvider>, String> {
    let name = name.unwrap_or("default");
    let sections = sections(text)?;
    let section = sections.get(name).ok_or_else(|| {
        let there: Vec<&str> = sections.keys().take(20).copied().collect();
        format!(
            "it has no section [{name}], but {}; set ALIBABA_CLOUD_PROFILE to one that it has",
            if there.is_empty() {
                "none".to_owned()
            } else {
                there.join(", ")
            }
        )
    })?;
    described(section, means).map_err(|why| format!("its section [{name}] {why}"))
}

type Section<'a> = BTreeMap<&'a str, &'a str>;

fn sections(text: &str) -> Result<BTreeMap<&str, Section<'_>>, String> {
    let mut sections: BTreeMap<&str, Section<'_>> = BTreeMap::new();
    let mut at = None;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        let wrong = |why: &str| format!("line {}: {why}", index + 1);
        if let Some(name) = line.strip_prefix('[') {
            let name = name.split(']').next().unwrap_or_default().trim();
            at = Some(name);
            sections.entry(name).or_default();
            continue;
        }
        let (key, value) = line
            .split_once('=')
            .ok_or_else(|| wrong("is neither [section] nor key = value"))?;
        let section = at
            .and_then(|name| sections.get_mut(name))
            .ok_or_else(|| wrong("stands before any [section]"))?;
        section.insert(key.trim(), value.trim());
    }
    Ok(sections)
}

fn described(section: &Section<'_>, means: &Means) -> Result<Arc<dyn CredentialsProvider>, String> {
    let some = |key: &str| section.get(key).copied().filter(|value| !value.is_empty());
    let needed = |key: &str| some(key).ok_or_else(|| format!("has no {key}; add it"));
    let owned = |key: &str| some(key).map(str::to_owned);
    if some("enable").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        return Err("is switched off (enable = false); set it to true, or name another section by ALIBABA_CLOUD_PROFILE".to_owned());
    }
    let session_name = || owned("role_session_name").unwrap_or_else(|| SESSION_NAME.to_owned());
    match needed("type")? {
        "access_key" => means.key(needed("access_key_id")?, needed("access_key_secret")?, None),
        "ram_role_arn" => {
            let base = means.key(needed("access_key_id")?, needed("access_key_secret")?, None)?;
            let role = Assumed {
                role_arn: needed("role_arn")?.to_owned(),
                session_name: session_name(),
                duration: None,
                policy: owned("policy"),
                external_id: None,
            };
            means.assumed(role, (None, false), base)
        }
        "oidc_role_arn" => means.oidc(OidcRole {
            role_arn: needed("role_arn")?.to_owned(),
            provider_arn: needed("oidc_provider_arn")?.to_owned(),
            token_file: needed("oidc_token_file_path")?.into(),
            session_name: session_name(),
            sts_region: means.sts_region.clone(),
            sts_endpoint: means.sts_endpoint.clone(),
            vpc: means.vpc,
        }),
        "ecs_ram_role" => means.ecs_role(owned("role_name"), None),
        other => {
            let shown: String = other.chars().take(80).collect();
            Err(format!(
                "has type {shown:?}, which is not supported; use access_key, ram_role_arn, oidc_role_arn or \
                 ecs_ram_role"
            ))
        }
    }
}
