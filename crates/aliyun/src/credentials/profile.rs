//! Profiles of the `aliyun` command line: `~/.aliyun/config.json`.

use std::sync::Arc;

use serde_json::Value;

use super::{CredentialsProvider, OidcRole, assumed::Assumed, means::Means};
use crate::fields::{integer, some_text};

/// How many profiles may stand one behind the other, by `source_profile`.
const LONGEST_CHAIN: usize = 8;

/// How the operator calls itself in audit logs, where nobody says otherwise.
pub(super) const SESSION_NAME: &str = "ess-rollout";

/// Who a profile describes; the current one, if none is named. An error is what is wrong with the file, without any value
/// of it but names.
pub(super) fn provider(
    text: &str,
    name: Option<&str>,
    means: &Means,
) -> Result<Arc<dyn CredentialsProvider>, String> {
    // The parser's own words may quote the file.
    let file: Value = serde_json::from_str(text)
        .map_err(|error| format!("is no JSON (line {})", error.line()))?;
    let current = some_text(&file, "current");
    let (name, named_by) = match (name, &current) {
        (Some(name), _) => (name, "ALIBABA_CLOUD_PROFILE"),
        (None, Some(current)) => (current.as_str(), "its key current"),
        (None, None) => ("default", "no other name being given"),
    };
    follow(&file, (name, named_by), means, LONGEST_CHAIN)
}

fn follow(
    file: &Value,
    (name, named_by): (&str, &str),
    means: &Means,
    left: usize,
) -> Result<Arc<dyn CredentialsProvider>, String> {
    let profiles = file.get("profiles").and_then(Value::as_array);
    let profiles = profiles.map_or(&[][..], Vec::as_slice);
    let row = profiles
        .iter()
        .find(|row| some_text(row, "name").as_deref() == Some(name))
        .ok_or_else(|| {
            let there: Vec<String> = profiles
                .iter()
                .filter_map(|row| some_text(row, "name"))
                .take(20)
                .collect();
            format!(
                "it has no profile {name} (named by {named_by}), but {}; set ALIBABA_CLOUD_PROFILE to one that it has",
                if there.is_empty() { "none".to_owned() } else { there.join(", ") }
            )
        })?;
    described(file, (name, row), means, left).map_err(|why| match left {
        // Those behind have said which they are.
        LONGEST_CHAIN => format!("its profile {name} {why}"),
        _ => why,
    })
}

fn described(
    file: &Value,
    (name, row): (&str, &Value),
    means: &Means,
    left: usize,
) -> Result<Arc<dyn CredentialsProvider>, String> {
    let needed = |key: &str| {
        some_text(row, key)
            .ok_or_else(|| format!("has no {key}; run aliyun configure --profile {name}"))
    };
    let mode = some_text(row, "mode").unwrap_or_else(|| "AK".to_owned());
    match mode.as_str() {
        "AK" => means.key(&needed("access_key_id")?, &needed("access_key_secret")?, None),
        "StsToken" => means.key(
            &needed("access_key_id")?,
            &needed("access_key_secret")?,
            Some(&needed("sts_token")?),
        ),
        "RamRoleArn" => {
            let token = some_text(row, "sts_token");
            let base = means.key(
                &needed("access_key_id")?,
                &needed("access_key_secret")?,
                token.as_deref(),
            )?;
            assumed(row, &needed("ram_role_arn")?, base, means)
        }
        "ChainableRamRoleArn" => {
            let source = needed("source_profile")?;
            if left == 0 {
                return Err(format!(
                    "has a source_profile, and so on, for more than {LONGEST_CHAIN} profiles: in a circle?"
                ));
            }
            let base = follow(file, (&source, "source_profile"), means, left - 1)?;
            assumed(row, &needed("ram_role_arn")?, base, means)
        }
        "EcsRamRole" => means.ecs_role(some_text(row, "ram_role_name"), None),
        "OIDC" => means.oidc(OidcRole {
            role_arn: needed("ram_role_arn")?,
            provider_arn: needed("oidc_provider_arn")?,
            token_file: needed("oidc_token_file")?.into(),
            session_name: some_text(row, "ram_session_name")
                .unwrap_or_else(|| SESSION_NAME.to_owned()),
            sts_region: some_text(row, "sts_region").or_else(|| means.sts_region.clone()),
            sts_endpoint: means.sts_endpoint.clone(),
            vpc: means.vpc || flag(row, "enable_vpc"),
        }),
        "CredentialsURI" => means.uri(&needed("credentials_uri")?, "credentials_uri"),
        "CloudSSO" | "OAuth" => Err(format!(
            "has mode {mode}, for which a person signs in now and then; the operator needs one that renews itself: \
             RamRoleArn, EcsRamRole, OIDC or CredentialsURI"
        )),
        "External" => Err(
            "has mode External, and the operator runs no programs; let the program serve a credentials URI \
             (mode CredentialsURI)"
                .to_owned(),
        ),
        other => {
            let shown: String = other.chars().take(80).collect();
            Err(format!(
                "has mode {shown:?}, which is not supported; use AK, StsToken, RamRoleArn, ChainableRamRoleArn, \
                 EcsRamRole, OIDC or CredentialsURI"
            ))
        }
    }
}

fn assumed(
    row: &Value,
    role_arn: &str,
    base: Arc<dyn CredentialsProvider>,
    means: &Means,
) -> Result<Arc<dyn CredentialsProvider>, String> {
    let duration = match integer(row, "expired_seconds") {
        // Written by the command line where nothing was said.
        None | Some(0) => None,
        Some(seconds) => Some(
            u32::try_from(seconds)
                .ok()
                .filter(|seconds| (900..=43_200).contains(seconds))
                .ok_or_else(|| format!("has expired_seconds {seconds}; STS takes 900 to 43200"))?,
        ),
    };
    let role = Assumed {
        role_arn: role_arn.to_owned(),
        session_name: some_text(row, "ram_session_name").unwrap_or_else(|| SESSION_NAME.to_owned()),
        duration,
        policy: some_text(row, "policy"),
        external_id: some_text(row, "external_id"),
    };
    let sts = (some_text(row, "sts_region"), flag(row, "enable_vpc"));
    means.assumed(role, sts, base)
}

fn flag(row: &Value, key: &str) -> bool {
    some_text(row, key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}
