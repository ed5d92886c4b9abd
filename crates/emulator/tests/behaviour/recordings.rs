//! A recording holds against the program that made it, whatever was asked for meanwhile.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::front::{self, Request};
use ess_emulator::oos::Caller;
use ess_emulator::params::nest;
use ess_emulator::recording::{self, Recording, Scene, replay};
use ess_emulator::state::call::{Call, EssVersion, Service};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{ACCOUNT, REGION, SMALL, control, pass};

const MORE: &str = r"
oidcProviders:
  - name: p
    issuer: https://oidc.example
    tokens:
      - {token: token-that-is-good}
      - {token: token-of-another-audience, audience: else}
      - {token: token-that-has-ended, expiresAt: 2026-01-01T00:00:00Z}
durations: {scaleOut: 60, scaleIn: 30, healthCheck: 20}
";

const SECRETS: [&str; 6] = [
    "topsecret99",
    "824601",
    "hunter2-of-the-database",
    "token-that-is-good",
    "token-that-has-ended",
    "token-of-another-audience",
];

const FAILING: &str = r#"{"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "a", "Action": "ACS::ExecuteAPI",
"Properties": {"Service": "ECS", "API": "DescribeInstanceAttribute", "Parameters": {"InstanceId": "i-no"}}}]}"#;

const WITH_SECRET: &str = r#"{"FormatVersion": "OOS-2019-06-01", "Tasks": [{"Name": "a", "Action": "ACS::ExecuteAPI",
"Properties": {"Service": "ECS", "API": "RunCommand", "Parameters": {"Type": "RunShellScript", "ContentEncoding": "PlainText",
"InstanceIds": ["i-small-01"], "CommandContent": "login {{ oos-secret:sec }}"}}}],
"Outputs": {"shown": {"Type": "String", "Value": {"Fn::Base64Encode": "{{ oos-secret:sec }}"}}}}"#;

fn call(cloud: &mut Cloud, by: &str, service: Service, action: &str, params: &Value) {
    let mut params = params.as_object().unwrap().clone();
    params.entry("RegionId").or_insert(json!(REGION));
    // Whether it is refused is what is recorded.
    let _ = cloud.call(Call {
        caller: Caller {
            principal: by.into(),
            account_id: ACCOUNT.into(),
        },
        region: REGION.into(),
        service,
        action: action.into(),
        version: EssVersion::V2022,
        params: nest(&params),
        by_oos: false,
        // The clock of the client's world is not the virtual one.
        wall_now: "2027-03-01T00:00:00Z".parse().unwrap(),
    });
}

fn raw(cloud: &mut Cloud, method: &str, query: &str) {
    let request = Request {
        method: method.into(),
        path: "/".into(),
        query: query.into(),
        headers: vec![("host".into(), "ess.aliyuncs.com".into())],
        body: Vec::new(),
    };
    front::handle(cloud, &request, Timestamp::UNIX_EPOCH);
}

/// One of many kinds of requests.
fn step(cloud: &mut Cloud, kind: u64) {
    let secret = |cloud: &mut Cloud, action: &str, params: Value| {
        call(cloud, "admin", Service::Oos, action, &params);
    };
    let bad = "Action=DescribeScalingGroups&Version=2022-02-22&AccessKeyId=nope&Signature=x\
        &SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce=1&Timestamp=1970-01-01T00:00:00Z";
    match kind {
        0 => raw(cloud, "GET", bad),
        1 => raw(cloud, "PUT", "Action=DescribeScalingGroups"),
        2 => raw(cloud, "GET", "Version=2022-02-22"),
        3 => raw(
            cloud,
            "GET",
            "Action=DescribeScalingGroups&Version=1999-01-01",
        ),
        4 => {
            front::too_large(cloud, &Request::default(), 1024);
        }
        5 => call(
            cloud,
            "admin",
            Service::Oos,
            "StartExecution",
            &json!({"TemplateContent": FAILING}),
        ),
        6 => call(
            cloud,
            "admin",
            Service::Oos,
            "ListTaskExecutions",
            &json!({}),
        ),
        7 => call(cloud, "admin", Service::Oos, "ListExecutions", &json!({})),
        8 => call(
            cloud,
            "reader",
            Service::Ess,
            "DisableScalingGroup",
            &json!({"ScalingGroupId": "asg-small"}),
        ),
        9 => call(cloud, "admin", Service::Ess, "NoSuchAction", &json!({})),
        10 => secret(
            cloud,
            "CreateSecretParameter",
            json!({"Name": "sec", "Value": "topsecret99"}),
        ),
        11 => secret(
            cloud,
            "CreateSecretParameter",
            json!({"Name": "pin", "Value": "824601",
            "Constraints": "{\"AllowedPattern\": \"[0-9]{6}\", \"MaxLength\": 6}"}),
        ),
        12 => secret(
            cloud,
            "CreateSecretParameter",
            json!({"Name": "bad", "Value": "hunter2-of-the-database",
            "Constraints": "{\"AllowedPattern\": \"[0-9]+\"}"}),
        ),
        13 => secret(
            cloud,
            "UpdateSecretParameter",
            json!({"Name": "pin", "Value": "hunter2-of-the-database"}),
        ),
        14 => secret(
            cloud,
            "CreateSecretParameter",
            json!({"Name": "empty", "Value": ""}),
        ),
        15 => secret(
            cloud,
            "GetSecretParameter",
            json!({"Name": "sec", "WithDecryption": "true"}),
        ),
        16 => call(
            cloud,
            "admin",
            Service::Oos,
            "StartExecution",
            &json!({"TemplateContent": WITH_SECRET}),
        ),
        17 => call(
            cloud,
            "admin",
            Service::Ecs,
            "RunCommand",
            &json!({"Type": "RunShellScript", "InstanceId.1": "i-small-01",
            "ContentEncoding": "Base64", "CommandContent": "ZWNobyB0b3BzZWNyZXQ5OQ=="}),
        ),
        18 => call(
            cloud,
            "admin",
            Service::Ecs,
            "DescribeInvocations",
            &json!({"IncludeOutput": "true"}),
        ),
        19..=22 => {
            let token = [
                "token-that-is-good",
                "token-of-another-audience",
                "token-that-has-ended",
                "x",
            ];
            let token = token[usize::try_from(kind - 19).unwrap()];
            call(
                cloud,
                "anonymous",
                Service::Sts,
                "AssumeRoleWithOIDC",
                &json!({
                "RoleArn": format!("acs:ram::{ACCOUNT}:role/pod"), "RoleSessionName": "session",
                "OIDCProviderArn": format!("acs:ram::{ACCOUNT}:oidc-provider/p"), "OIDCToken": token}),
            );
        }
        23 => {
            control(
                cloud,
                "POST",
                "groups/asg-small/scaleOut",
                json!("nonsense"),
            );
        }
        24 => {
            control(
                cloud,
                "POST",
                "groups/asg-small/scaleOut",
                json!({"count": 1}),
            );
        }
        25 => {
            control(cloud, "POST", "clock", json!({"scale": -1, "paused": true}));
        }
        26 => {
            let fault =
                json!({"service": "ESS", "effect": {"kind": "effectLate", "afterSeconds": 3}});
            control(cloud, "POST", "faults", fault);
        }
        27 => call(
            cloud,
            "admin",
            Service::Ess,
            "ModifyScalingGroup",
            &json!({"ScalingGroupId": "asg-small", "MaxSize": "2"}),
        ),
        28 => call(
            cloud,
            "admin",
            Service::Ess,
            "DescribeScalingActivities",
            &json!({"ScalingGroupId": "asg-small"}),
        ),
        29 => call(
            cloud,
            "admin",
            Service::Oos,
            "CreateParameter",
            &json!({"Name": "stars", "Type": "String", "Value": "***"}),
        ),
        30 => call(
            cloud,
            "admin",
            Service::Oos,
            "GetParameter",
            &json!({"Name": "stars"}),
        ),
        _ => pass(cloud, 40),
    }
}

fn verified(steps: impl IntoIterator<Item = u64>) {
    let text = format!("{SMALL}\n{MORE}").replace(
        "roles:\n",
        "roles:\n  - {name: pod, trustsOidc: [p], allow: [\"*\"]}\n",
    );
    let fixture = Fixture::parse(&text).unwrap();
    let mut cloud = Cloud::new(&fixture).unwrap();
    let scene = Scene::new(&text, &fixture, cloud.now()).unwrap();
    recording::begin(&mut cloud);
    let steps: Vec<u64> = steps.into_iter().collect();
    for kind in &steps {
        step(&mut cloud, *kind);
        let to = cloud.now() + SignedDuration::from_millis(700);
        cloud.advance_to(to);
    }
    let taken = recording::take(&mut cloud, &scene).unwrap();
    let file = serde_json::to_string(&taken).unwrap();
    for secret in SECRETS.into_iter().chain(["ZWNobyB0b3BzZWNyZXQ5OQ=="]) {
        assert!(!file.contains(secret), "{secret} is in the recording");
    }
    let read: Recording = serde_json::from_str(&file).unwrap();
    let verdict = replay::replay(&read).unwrap();
    assert_eq!(verdict.differences, [], "{steps:?}");
}

#[test]
fn each_kind_of_request_verifies_before_and_after_an_execution_that_fails() {
    // Those that the others need come first: a secret, and executions.
    for kind in 0..=31 {
        verified([10, 11, kind, 5, 31, kind, 16, 31, 6, 7, 18, kind, 28, 31, 6]);
    }
}

#[test]
fn sessions_of_many_kinds_of_requests_verify() {
    let mut state = 1_u64;
    let mut roll = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % 34
    };
    for _ in 0..12 {
        let steps: Vec<u64> = (0..60).map(|_| roll()).collect();
        verified(steps);
    }
}

/// A text of the fixture is the same text again, however YAML would read it by itself.
#[test]
fn plain_scalars_of_a_fixture_verify_and_secrets_among_them_do_not_show() {
    let text = SMALL
        .replace(
            "instances: {count: 3}",
            "tags: {a: 1.10, b: y, c: no, d: on, e: 007, f: 0x1F, g: 1e3, h: '1.10', y: x}\n    \
             instances: {count: 3, tags: {v: 1.10, w: yes}}",
        )
        .replace("admin-secret", "00712345");
    let fixture = Fixture::parse(&text).unwrap();
    let mut cloud = Cloud::new(&fixture).unwrap();
    let scene = Scene::new(&text, &fixture, cloud.now()).unwrap();
    recording::begin(&mut cloud);
    for (service, action) in [
        (Service::Ess, "DescribeScalingGroups"),
        (Service::Ecs, "DescribeInstances"),
    ] {
        call(&mut cloud, "admin", service, action, &json!({}));
    }
    let taken = recording::take(&mut cloud, &scene).unwrap();
    let file = serde_json::to_string(&taken).unwrap();
    assert!(!file.contains("00712345"), "{file}");
    let read: Recording = serde_json::from_str(&file).unwrap();
    assert_eq!(replay::replay(&read).unwrap().differences, []);
}

/// A control call that this version does not take would have what follows mean something else.
#[test]
fn a_recorded_control_call_that_is_refused_now_is_told_of() {
    let fixture = Fixture::parse(SMALL).unwrap();
    let mut cloud = Cloud::new(&fixture).unwrap();
    let scene = Scene::new(SMALL, &fixture, cloud.now()).unwrap();
    recording::begin(&mut cloud);
    let out = json!({"count": 1});
    control(&mut cloud, "POST", "groups/asg-small/scaleOut", out);
    let taken = recording::take(&mut cloud, &scene).unwrap();
    let file = serde_json::to_string(&taken).unwrap();
    let edited = file.replace("asg-small/scaleOut", "asg-small/scaleUp");
    assert_ne!(edited, file);
    let read: Recording = serde_json::from_str(&edited).unwrap();
    let error = replay::replay(&read).unwrap_err().to_string();
    for part in ["scaleUp", "is refused by this version", "record again"] {
        assert!(error.contains(part), "{error}");
    }
}
