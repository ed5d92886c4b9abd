//! Security Token Service, API version 2015-04-01.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::action::{Action, Run};
use super::args::{Args, missing};
use crate::error::ApiError;
use crate::oos::Caller;
use crate::params;
use crate::state::behaviour::UnsupportedParameters;
use crate::state::call::Call;
use crate::state::ram::{AccessKey, Policy, Role};
use crate::state::time::later;
use crate::state::world::World;

pub const ACTIONS: &[Action] = &[
    Action {
        name: "AssumeRole",
        honours: &[
            "DurationSeconds",
            "ExternalId",
            "Policy",
            "RoleArn",
            "RoleSessionName",
            "SourceIdentity",
        ],
        run: Run::Write(assume_role),
    },
    Action {
        name: "AssumeRoleWithOIDC",
        honours: &[
            "DurationSeconds",
            "OIDCProviderArn",
            "OIDCToken",
            "Policy",
            "RoleArn",
            "RoleSessionName",
        ],
        run: Run::Write(assume_role_with_oidc),
    },
    Action {
        name: "GetCallerIdentity",
        honours: &[],
        run: Run::Read(|world, call, _| Ok(caller_identity(world, call))),
    },
];

fn refused(field: &str) -> ApiError {
    ApiError::new(
        400,
        format!("InvalidParameter.{field}"),
        format!("The parameter {field} is wrongly formed."),
    )
}

/// (account, name) of `acs:ram::<account>:<kind>/<name>`.
fn parse_arn(arn: &str, kind: &str) -> Option<(String, String)> {
    let (account, rest) = arn.strip_prefix("acs:ram::")?.split_once(':')?;
    let name = rest.strip_prefix(kind)?.strip_prefix('/')?;
    let digits = !account.is_empty() && account.chars().all(|c| c.is_ascii_digit());
    (digits && !name.is_empty()).then(|| (account.to_owned(), name.to_owned()))
}

fn role<'a>(world: &'a World, args: Args<'_>) -> Result<&'a Role, ApiError> {
    let arn = args.required("RoleArn")?;
    let key = parse_arn(&arn, "role").ok_or_else(|| refused("RoleArn"))?;
    world.ram.roles.get(&key).ok_or_else(|| {
        ApiError::new(
            404,
            "EntityNotExist.Role",
            format!("The role not exists: {arn}."),
        )
    })
}

fn session_name(args: Args<'_>) -> Result<String, ApiError> {
    let name = args.required("RoleSessionName")?;
    let legal = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || ".@-_".contains(c));
    if (2..=64).contains(&name.len()) && legal {
        Ok(name)
    } else {
        Err(refused("RoleSessionName"))
    }
}

fn duration(args: Args<'_>, role: &Role) -> Result<i64, ApiError> {
    match args.text("DurationSeconds") {
        None => Ok(role.max_session_seconds.min(3600)),
        Some(text) => text
            .parse()
            .ok()
            .filter(|n| (900..=role.max_session_seconds).contains(n))
            .ok_or_else(|| refused("DurationSeconds")),
    }
}

/// `Policy` narrows the session to the actions that it allows, too. Resources and conditions are not looked
/// at, and without them it would allow or deny more than it says: it is refused, unless parameters that
/// the emulator does not support are to be ignored.
fn policy(world: &World, args: Args<'_>) -> Result<Option<Policy>, ApiError> {
    let Some(text) = args.text("Policy") else {
        return Ok(None);
    };
    if text.len() > 2048 {
        return Err(refused("PolicySize"));
    }
    let document = params::exact::read(&text)
        .map_err(|error| grammar(&format!("the text is not valid JSON: {error}")))?;
    known(&document, "Policy", &["Version", "Statement"])?;
    let version = &document["Version"];
    if !version.is_null() && version != "1" {
        return Err(grammar(&format!("Version must be \"1\", not {version}")));
    }
    let several = |value: &Value| -> Vec<Value> {
        match value {
            Value::Array(items) => items.clone(),
            Value::Null => Vec::new(),
            one => vec![one.clone()],
        }
    };
    let mut policy = Policy::default();
    let statements = several(&document["Statement"]);
    if statements.is_empty() {
        return Err(grammar("Statement is missing or empty"));
    }
    for (n, statement) in statements.iter().enumerate() {
        let at = format!("Statement[{n}]");
        known(
            statement,
            &at,
            &["Effect", "Action", "Resource", "Condition"],
        )?;
        let narrows = match &statement["Condition"] {
            Value::Null => several(&statement["Resource"])
                .iter()
                .any(|resource| resource != "*")
                .then_some("Resource"),
            _ => Some("Condition"),
        };
        if let Some(name) = narrows {
            let is_refused = world.switches.unsupported_parameters == UnsupportedParameters::Refuse;
            if is_refused {
                return Err(ApiError::new(
                    400,
                    "UnsupportedParameter",
                    format!(
                        "The emulator does not support {name} of {at} of the parameter Policy: its \
                         policies are of actions alone. Leave it out, or let the emulator ignore it \
                         with --unsupported-parameters ignore."
                    ),
                ));
            }
            tracing::warn!(
                parameter = "Policy",
                ignored = format!("{name} of {at}"),
                "the policy of a session counts for all resources and without conditions"
            );
        }
        let actions: Option<Vec<String>> = several(&statement["Action"])
            .iter()
            .map(|action| action.as_str().map(str::to_owned))
            .collect();
        let Some(actions) = actions.filter(|actions| !actions.is_empty()) else {
            return Err(grammar(&format!(
                "Action of {at} must be an action or a list of actions"
            )));
        };
        match statement["Effect"].as_str() {
            Some("Allow") => policy.allow.extend(actions),
            Some("Deny") => policy.deny.extend(actions),
            _ => return Err(grammar(&format!("Effect of {at} must be Allow or Deny"))),
        }
    }
    Ok(Some(policy))
}

fn grammar(why: &str) -> ApiError {
    ApiError::new(
        400,
        "InvalidParameter.PolicyGrammar",
        format!("The parameter Policy has not passed the grammar check: {why}."),
    )
}

/// `Err` for a part of a policy that is no object, or has a key that nothing looks at.
fn known(part: &Value, at: &str, keys: &[&str]) -> Result<(), ApiError> {
    let Some(members) = part.as_object() else {
        return Err(grammar(&format!("{at} must be an object")));
    };
    match members.keys().find(|key| !keys.contains(&key.as_str())) {
        None => Ok(()),
        Some(odd) => Err(grammar(&format!(
            "the emulator does not look at {odd} of {at}: it may have {}",
            keys.join(", ")
        ))),
    }
}

/// A new session: its credentials, as answered.
fn issue(
    world: &mut World,
    role: &Role,
    session: &str,
    seconds: i64,
    policy: Option<Policy>,
    wall_now: Timestamp,
) -> Value {
    let expires = later(wall_now, SignedDuration::from_secs(seconds));
    let id = world.ids.id("STS.");
    let secret = world.ids.id("");
    let token = format!("{}{}", world.ids.id("CAIS"), world.ids.id(""));
    let caller = Caller {
        principal: format!("assumed-role/{}/{session}", role.name),
        account_id: role.account_id.clone(),
    };
    match policy {
        Some(policy) => world.ram.sessions.insert(caller.clone(), policy),
        // Sessions of one name are one caller.
        None => world.ram.sessions.remove(&caller),
    };
    let key = AccessKey {
        secret: secret.clone(),
        security_token: Some(token.clone()),
        expires_at: Some(expires),
        inactive: false,
        caller,
    };
    world.ram.issue(id.clone(), key);
    json!({
        "AssumedRoleUser": {
            "Arn": format!("acs:ram::{}:assumed-role/{}/{session}", role.account_id, role.name),
            "AssumedRoleId": format!("3{}:{session}", role.account_id),
        },
        "Credentials": {
            "AccessKeyId": id,
            "AccessKeySecret": secret,
            "SecurityToken": token,
            "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
    })
}

fn assume_role(world: &mut World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let session = session_name(args)?;
    let policy = policy(world, args)?;
    let identity = args.text("SourceIdentity");
    let external = args.text("ExternalId");
    let role = role(world, args)?.clone();
    let seconds = duration(args, &role)?;
    let is_stranger = role.external_id.is_some() && role.external_id != external;
    if is_stranger || !role.trusts_accounts.contains(&call.caller.account_id) {
        return Err(ApiError::new(
            403,
            "NoPermission",
            "You are not authorized to do this action. You should be authorized by RAM.",
        ));
    }
    let mut answer = issue(world, &role, &session, seconds, policy, call.wall_now);
    if let Some(identity) = identity {
        answer["SourceIdentity"] = json!(identity);
    }
    Ok(answer)
}

fn assume_role_with_oidc(
    world: &mut World,
    call: &Call,
    args: Args<'_>,
) -> Result<Value, ApiError> {
    let session = session_name(args)?;
    let policy = policy(world, args)?;
    let provider_arn = args.required("OIDCProviderArn")?;
    let token = args.text("OIDCToken").ok_or_else(|| missing("OIDCToken"))?;
    if !(4..=20_000).contains(&token.len()) {
        return Err(refused("OIDCToken"));
    }
    let role = role(world, args)?.clone();
    let seconds = duration(args, &role)?;
    let no_permission = || {
        ApiError::new(
            403,
            "AuthenticationFail.NoPermission",
            "This operation is not authorized by RAM or the OIDC provider is not trusted by the role.",
        )
    };
    let key =
        parse_arn(&provider_arn, "oidc-provider").ok_or_else(|| refused("OIDCProviderArn"))?;
    let provider = world
        .ram
        .oidc_providers
        .get(&key)
        .ok_or_else(no_permission)?;
    if provider.account_id != role.account_id || !role.trusts_oidc.contains(&key.1) {
        return Err(no_permission());
    }
    let token = provider
        .tokens
        .iter()
        .find(|t| t.token == token)
        .ok_or_else(|| {
            ApiError::new(
                400,
                "AuthenticationFail.OIDCToken.IssuerNotMatch",
                "The issuer of the OIDC token does not match the OIDC provider.",
            )
        })?;
    if token.expires_at.is_some_and(|at| at <= call.wall_now) {
        return Err(ApiError::new(
            400,
            "AuthenticationFail.OIDCToken.Expired",
            "This JWT has expired.",
        ));
    }
    if token.audience != "sts.aliyuncs.com" {
        return Err(ApiError::new(
            400,
            "AuthenticationFail.OIDCToken.AudienceNotMatch",
            "The audience of the OIDC token does not match the client ids of the OIDC provider.",
        ));
    }
    let info = json!({
        "Issuer": provider.issuer,
        "Subject": token.subject,
        "ClientIds": token.audience,
        "ExpirationTime": token.expires_at.map_or(String::new(), |t| t.to_string()),
        "IssuanceTime": call.wall_now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "VerificationInfo": "Success",
    });
    let mut answer = issue(world, &role, &session, seconds, policy, call.wall_now);
    answer["OIDCTokenInfo"] = info;
    Ok(answer)
}

fn caller_identity(world: &World, call: &Call) -> Value {
    let caller = &call.caller;
    let mut answer = json!({
        "AccountId": caller.account_id,
        "Arn": world.ram.arn(caller),
        "PrincipalId": caller.principal,
    });
    if let Some(role) = world.ram.role_of(caller) {
        answer["IdentityType"] = json!("AssumedRoleUser");
        answer["RoleId"] = json!(format!("3{}", role.account_id));
    } else {
        answer["IdentityType"] = json!("RAMUser");
        answer["UserId"] = json!(format!("2{}", caller.account_id));
    }
    answer
}
