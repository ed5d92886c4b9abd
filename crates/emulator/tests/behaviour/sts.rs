//! STS: sessions, and how their credentials are used.

use ess_emulator::state::call::Service;
use serde_json::{Value, json};

use crate::support::{ACCOUNT, Ask, cloud, code};

const SCENE: &str = r#"
principals:
  - {name: admin, accessKeyId: a, accessKeySecret: s, allow: ["*"]}
  - {name: weak, accessKeyId: w, accessKeySecret: s, allow: []}
oidcProviders:
  - name: ack-rrsa-c1
    issuer: https://oidc.example/c1
    tokens:
      - {token: good-token}
      - {token: old-token, expiresAt: 1969-12-31T23:00:00Z}
      - {token: other-audience, audience: kubernetes}
roles:
  - {name: operator, trustsOidc: [ack-rrsa-c1], maxSessionSeconds: 7200, allow: ["ess:Describe*"]}
  - {name: foreign, trustsAccounts: ["2"], allow: ["*"]}
"#;

fn sts(by: &str, action: &str, params: Value) -> Result<Value, ess_emulator::error::ApiError> {
    let mut cloud = cloud(SCENE);
    Ask {
        by,
        ..Ask::default()
    }
    .call(&mut cloud, Service::Sts, action, params)
}

fn oidc(token: &str) -> Value {
    json!({
        "RoleArn": format!("acs:ram::{ACCOUNT}:role/operator"),
        "OIDCProviderArn": format!("acs:ram::{ACCOUNT}:oidc-provider/ack-rrsa-c1"),
        "OIDCToken": token,
        "RoleSessionName": "ess-rollout",
    })
}

#[test]
fn a_service_account_token_gives_a_session() {
    let answer = sts("anonymous", "AssumeRoleWithOIDC", oidc("good-token")).unwrap();
    assert!(
        answer["Credentials"]["AccessKeyId"]
            .as_str()
            .unwrap()
            .starts_with("STS.")
    );
    assert_eq!(answer["Credentials"]["Expiration"], "1970-01-01T01:00:00Z");
    assert_eq!(answer["OIDCTokenInfo"]["VerificationInfo"], "Success");
    assert_eq!(
        answer["AssumedRoleUser"]["Arn"],
        format!("acs:ram::{ACCOUNT}:assumed-role/operator/ess-rollout")
    );
}

#[test]
fn tokens_roles_and_providers_are_checked() {
    let with = |name: &str, value: &str| {
        let mut params = oidc("good-token");
        params[name] = json!(value);
        code(sts("anonymous", "AssumeRoleWithOIDC", params))
    };
    assert_eq!(
        with("OIDCToken", "old-token"),
        "AuthenticationFail.OIDCToken.Expired"
    );
    assert_eq!(
        with("OIDCToken", "other-audience"),
        "AuthenticationFail.OIDCToken.AudienceNotMatch"
    );
    assert_eq!(
        with("OIDCToken", "forged"),
        "AuthenticationFail.OIDCToken.IssuerNotMatch"
    );
    assert_eq!(with("OIDCToken", ""), "MissingParameter");
    let role = |name: &str| format!("acs:ram::{ACCOUNT}:role/{name}");
    assert_eq!(with("RoleArn", &role("none")), "EntityNotExist.Role");
    assert_eq!(
        with("RoleArn", &role("foreign")),
        "AuthenticationFail.NoPermission"
    );
    assert_eq!(with("RoleArn", "operator"), "InvalidParameter.RoleArn");
    let provider = format!("acs:ram::{ACCOUNT}:oidc-provider/none");
    assert_eq!(
        with("OIDCProviderArn", &provider),
        "AuthenticationFail.NoPermission"
    );
    assert_eq!(
        with("RoleSessionName", "a b"),
        "InvalidParameter.RoleSessionName"
    );
    assert_eq!(
        with("DurationSeconds", "899"),
        "InvalidParameter.DurationSeconds"
    );
    assert_eq!(
        with("DurationSeconds", "7201"),
        "InvalidParameter.DurationSeconds"
    );
}

#[test]
fn assume_role_needs_permission_and_trust() {
    let role = |name: &str| json!({"RoleArn": format!("acs:ram::{ACCOUNT}:role/{name}"), "RoleSessionName": "me"});
    sts("admin", "AssumeRole", role("operator")).unwrap();
    assert_eq!(
        code(sts("weak", "AssumeRole", role("operator"))),
        "NoPermission"
    );
    assert_eq!(
        code(sts("admin", "AssumeRole", role("foreign"))),
        "NoPermission"
    );
}

#[test]
fn a_session_may_do_what_its_role_may() {
    let mut cloud = cloud(SCENE);
    let session = Ask {
        by: "assumed-role/operator/me",
        ..Ask::default()
    };
    session
        .call(&mut cloud, Service::Ess, "DescribeScalingGroups", json!({}))
        .unwrap();
    let params = json!({"ScalingGroupId": "g", "Processes.1": "ScaleIn"});
    let denied = session
        .call(&mut cloud, Service::Ess, "SuspendProcesses", params)
        .unwrap_err();
    assert_eq!(
        denied.access_denied_detail.unwrap()["AuthPrincipalType"],
        "AssumedRoleUser"
    );
    let me = session
        .call(&mut cloud, Service::Sts, "GetCallerIdentity", json!({}))
        .unwrap();
    assert_eq!(me["IdentityType"], "AssumedRoleUser");
    assert_eq!(
        me["Arn"],
        format!("acs:ram::{ACCOUNT}:assumed-role/operator/me")
    );
    let user = Ask::default()
        .call(&mut cloud, Service::Sts, "GetCallerIdentity", json!({}))
        .unwrap();
    assert_eq!(user["Arn"], format!("acs:ram::{ACCOUNT}:user/admin"));
}
