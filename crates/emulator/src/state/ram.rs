//! Who may do what: access keys, roles, OIDC providers, and the sessions that STS gave out.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::ApiError;
use crate::oos::Caller;

/// Which actions somebody may use: RAM actions such as `ess:SuspendProcesses`, with `*` for any
/// run of characters. A denial wins over every permission. Case does not matter.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Policy {
    pub(crate) allow: Vec<String>,
    pub(crate) deny: Vec<String>,
}

impl Policy {
    pub(crate) fn allows(&self, action: &str) -> bool {
        let hit = |patterns: &[String]| patterns.iter().any(|p| wildcard(p, action));
        hit(&self.allow) && !hit(&self.deny)
    }
}

/// Whether `text` matches `pattern`, where `*` stands for any run of characters; case-insensitive.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// A RAM user (or a fixed STS credential) of the fixture.
#[derive(Debug, Clone)]
pub struct Principal {
    /// As the fixture and the journal call it.
    pub name: String,
    /// The account that its calls work in.
    pub account_id: String,
    pub(crate) policy: Policy,
}

/// A RAM role.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    pub(crate) name: String,
    pub(crate) account_id: String,
    pub(crate) trusts_oos: bool,
    /// Accounts whose users may assume it.
    pub(crate) trusts_accounts: Vec<String>,
    /// OIDC providers, by name, whose tokens may assume it.
    pub(crate) trusts_oidc: Vec<String>,
    /// The condition `sts:ExternalId` of the trust policy.
    pub(crate) external_id: Option<String>,
    pub(crate) max_session_seconds: i64,
    pub(crate) policy: Policy,
}

/// A token that an OIDC provider issued. What the token holds is not looked at.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OidcToken {
    pub(crate) token: String,
    #[serde(default = "default_subject")]
    pub(crate) subject: String,
    #[serde(default = "default_audience")]
    pub(crate) audience: String,
    /// Wall-clock time from which it is refused as expired.
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
}

impl std::fmt::Debug for OidcToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OidcToken")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

fn default_subject() -> String {
    "system:serviceaccount:ess-rollout:ess-rollout".into()
}

fn default_audience() -> String {
    "sts.aliyuncs.com".into()
}

#[derive(Debug, Clone)]
pub(crate) struct OidcProvider {
    pub(crate) account_id: String,
    pub(crate) issuer: String,
    pub(crate) tokens: Vec<OidcToken>,
}

/// What an access key id opens.
#[derive(Clone)]
pub(crate) struct AccessKey {
    pub(crate) secret: String,
    pub(crate) security_token: Option<String>,
    /// Wall-clock end of a temporary credential.
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) inactive: bool,
    pub(crate) caller: Caller,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("caller", &self.caller)
            .finish_non_exhaustive()
    }
}

/// All identities. `Caller::principal` is a user's name, or `assumed-role/<role>/<session>`.
#[derive(Debug, Default)]
pub struct Ram {
    pub(crate) keys: BTreeMap<String, AccessKey>,
    /// Users by name.
    pub principals: BTreeMap<String, Principal>,
    /// The keys that STS gave out, oldest first, with whose they are.
    issued: VecDeque<(String, Caller)>,
    /// What sessions are narrowed to that were asked for with a policy.
    pub(crate) sessions: BTreeMap<Caller, Policy>,
    /// By account and name.
    pub(crate) roles: BTreeMap<(String, String), Role>,
    /// By account and name.
    pub(crate) oidc_providers: BTreeMap<(String, String), OidcProvider>,
}

/// So many keys of STS are remembered: a client that asks for one with each call makes thousands before the first
/// expires.
const ISSUED: usize = 10_000;

impl Ram {
    /// Gives out a key of a session. The oldest of too many is forgotten, and with the last key of a session what the
    /// session was narrowed to.
    pub(crate) fn issue(&mut self, id: String, key: AccessKey) {
        self.issued.push_back((id.clone(), key.caller.clone()));
        self.keys.insert(id, key);
        while self.issued.len() > ISSUED {
            let Some((id, caller)) = self.issued.pop_front() else {
                return;
            };
            self.keys.remove(&id);
            if !self.issued.iter().any(|(_, other)| *other == caller) {
                self.sessions.remove(&caller);
            }
        }
    }

    /// The role behind an assumed-role caller.
    pub(crate) fn role_of(&self, caller: &Caller) -> Option<&Role> {
        let role = caller
            .principal
            .strip_prefix("assumed-role/")?
            .split('/')
            .next()?;
        self.roles
            .get(&(caller.account_id.clone(), role.to_owned()))
    }

    /// The ARN shown by `GetCallerIdentity` and in denials.
    pub(crate) fn arn(&self, caller: &Caller) -> String {
        let account = &caller.account_id;
        if caller.principal.starts_with("assumed-role/") {
            format!("acs:ram::{account}:{}", caller.principal)
        } else {
            format!("acs:ram::{account}:user/{}", caller.principal)
        }
    }

    /// `Err` with the shape of a RAM denial when `caller` may not use `action` (`ess:EnterStandby`).
    pub(crate) fn check(&self, caller: &Caller, action: &str) -> Result<(), ApiError> {
        let policy = self
            .principals
            .get(&caller.principal)
            .map(|p| &p.policy)
            .or_else(|| self.role_of(caller).map(|r| &r.policy));
        let session = self.sessions.get(caller);
        let in_session = session.is_none_or(|narrowed| narrowed.allows(action));
        if in_session && policy.is_some_and(|p| p.allows(action)) {
            return Ok(());
        }
        Err(self.denial(caller, action))
    }

    /// The refusal of an action to a caller.
    pub(crate) fn denial(&self, caller: &Caller, action: &str) -> ApiError {
        let service = action.split(':').next().unwrap_or_default();
        // ESS and ECS answer Forbidden.RAM, the younger services NoPermission.
        let code = match service {
            "sts" => "NoPermission",
            _ => "Forbidden.RAM",
        };
        let mut error = ApiError::new(
            403,
            code,
            format!(
                "User not authorized to operate on the specified resource, or this API doesn't support RAM: {action}."
            ),
        );
        let is_role = caller.principal.starts_with("assumed-role/");
        error.access_denied_detail = Some(Box::new(json!({
            "AuthAction": action,
            "AuthPrincipalType": if is_role { "AssumedRoleUser" } else { "SubUser" },
            "AuthPrincipalDisplayName": caller.principal,
            "AuthPrincipalOwnerId": caller.account_id,
            "PolicyType": "AccountLevelIdentityBasedPolicy",
            "NoPermissionType": "ImplicitDeny",
        })));
        error
    }

    /// The identity that OOS takes on when a template names a role (an ARN or a bare name).
    pub(crate) fn assume_for_oos(&self, caller: &Caller, role: &str) -> Result<Caller, ApiError> {
        let name = role.rsplit('/').next().unwrap_or(role);
        self.check(caller, "ram:PassRole")?;
        let found = self
            .roles
            .get(&(caller.account_id.clone(), name.to_owned()))
            .ok_or_else(|| {
                ApiError::new(
                    400,
                    "AssumeRoleNotExist",
                    format!("The role that OOS should assume does not exist: {name}."),
                )
            })?;
        if !found.trusts_oos {
            return Err(ApiError::new(
                403,
                "NoPermission",
                format!("The role {name} does not trust oos.aliyuncs.com to assume it."),
            ));
        }
        Ok(Caller {
            principal: format!("assumed-role/{name}/oos"),
            account_id: caller.account_id.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_runs_of_characters_whatever_the_case() {
        for (pattern, text, want) in [
            ("*", "ess:EnterStandby", true),
            ("ess:*", "ess:EnterStandby", true),
            ("ess:*", "ecs:RunCommand", false),
            ("ess:exitstandby", "ess:ExitStandBy", true),
            ("oos:List*", "oos:ListExecutions", true),
            ("oos:*Execution", "oos:StartExecution", true),
            ("oos:*Execution", "oos:StartExecutions", false),
            ("o*s:*Ex*", "oos:StartExecution", true),
            ("", "oos:x", false),
        ] {
            assert_eq!(wildcard(pattern, text), want, "{pattern} against {text}");
        }
    }

    #[test]
    fn the_oldest_keys_of_sts_are_forgotten_with_their_sessions() {
        let mut ram = Ram::default();
        let caller = |name: &str| Caller {
            principal: format!("assumed-role/r/{name}"),
            account_id: "1".into(),
        };
        let mut give = |id: &str, caller: Caller| {
            let policy = Policy::default();
            ram.sessions.insert(caller.clone(), policy);
            let key = AccessKey {
                secret: String::new(),
                security_token: None,
                expires_at: None,
                inactive: false,
                caller,
            };
            ram.issue(id.into(), key);
        };
        give("STS.first", caller("once"));
        give("STS.second", caller("often"));
        for n in 0..ISSUED {
            give(&format!("STS.{n}"), caller("often"));
        }
        assert_eq!((ram.keys.len(), ram.issued.len()), (ISSUED, ISSUED));
        assert!(!ram.keys.contains_key("STS.second"));
        let left: Vec<&Caller> = ram.sessions.keys().collect();
        assert_eq!(left, [&caller("often")]);
    }

    #[test]
    fn a_denial_wins() {
        let policy = Policy {
            allow: vec!["*".into()],
            deny: vec!["ess:EnterStandby".into()],
        };
        assert!(policy.allows("ess:ExitStandby"));
        assert!(!policy.allows("ess:enterstandby"));
    }
}
