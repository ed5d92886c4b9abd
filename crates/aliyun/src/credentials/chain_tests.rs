//! The chain beyond access key and OIDC role, against stubs on loopback and, where time matters, on virtual time.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri},
};
use ess_rollout_cloud::ErrorClass;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    local::{Ask, Fetch, Fetching},
    *,
};
use crate::{
    Endpoints,
    config::Clock,
    transport::{TransportError, WireFuture, WireRequest, WireResponse},
};

const MINUTE: Duration = Duration::from_secs(60);
/// In every secret of these tests: it is in no error and in no `Debug`.
const SECRET: &str = "hunter2";

/// The wall clock that goes with paused time.
struct Virtual(Instant);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        "2024-05-06T07:00:00Z".parse::<Timestamp>().unwrap() + self.0.elapsed()
    }
}

fn virtual_config() -> ClientConfig {
    ClientConfig {
        clock: Arc::new(Virtual(Instant::now())),
        ..ClientConfig::default()
    }
}

fn environment(pairs: &[(&str, &str)]) -> impl Fn(&str) -> Option<String> + use<> {
    let pairs: BTreeMap<String, String> = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    move |name| pairs.get(name).filter(|value| !value.is_empty()).cloned()
}

fn means(config: &ClientConfig, pairs: &[(&str, &str)]) -> Means {
    // Another test may have been first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Means {
        // Nobody listens: a test that asks without a stub fails at once.
        metadata: "http://127.0.0.1:1".parse().unwrap(),
        ..Means::new(config, &environment(pairs)).unwrap()
    }
}

fn found(pairs: &[(&str, &str)]) -> Result<Arc<dyn CredentialsProvider>, CredentialsError> {
    rest(&means(&ClientConfig::default(), pairs), &environment(pairs))
}

fn refused(pairs: &[(&str, &str)]) -> String {
    let Err(error) = found(pairs) else {
        panic!("{pairs:?} gave credentials");
    };
    let text = error.to_string();
    assert!(!text.contains(SECRET), "{text}");
    text
}

fn session(key: &str, end: Timestamp) -> Value {
    json!({"Code": "Success", "AccessKeyId": key, "AccessKeySecret": SECRET, "SecurityToken": SECRET,
        "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()})
}

/// A home directory with a file in it.
fn home(below: &str, content: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join(below);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
    home
}

const CLI: &str = ".aliyun/config.json";
const SHARED: &str = ".alibabacloud/credentials.ini";

fn cli(current: &str, profiles: Value) -> String {
    json!({"current": current, "profiles": profiles}).to_string()
}

fn key_profile(name: &str, id: &str) -> Value {
    json!({"name": name, "mode": "AK", "access_key_id": id, "access_key_secret": SECRET})
}

fn of(home: &Path) -> [(&'static str, String); 1] {
    [("HOME", home.display().to_string())]
}

// ---------------------------------------------------------------- order

#[test]
fn the_first_that_is_configured_is_used() {
    let home = home(CLI, &cli("a", json!([key_profile("a", "of-profile")])));
    std::fs::create_dir_all(home.path().join(".alibabacloud")).unwrap();
    let shared = format!(
        "[default]\ntype = access_key\naccess_key_id = of-shared\naccess_key_secret = {SECRET}\n"
    );
    std::fs::write(home.path().join(SHARED), shared).unwrap();
    let home = home.path().display().to_string();
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Each is hidden by those before it.
    let all = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "of-environment"),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1:role/oidc"),
        ("HOME", home.as_str()),
        ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", ""),
        ("ALIBABA_CLOUD_ECS_METADATA", "op"),
        ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://localhost:1/c"),
    ];
    let with = |from: usize, more: &[(&'static str, &'static str)]| {
        let mut pairs = all[from..].to_vec();
        for (other, with_it) in [
            (
                "ALIBABA_CLOUD_ACCESS_KEY_ID",
                &[("ALIBABA_CLOUD_ACCESS_KEY_SECRET", SECRET)][..],
            ),
            (
                "ALIBABA_CLOUD_ROLE_ARN",
                &[
                    (
                        "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
                        "acs:ram::1:oidc-provider/a",
                    ),
                    ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token"),
                ],
            ),
        ] {
            if pairs.iter().any(|(name, _)| *name == other) {
                pairs.extend(with_it);
            }
        }
        pairs.extend(more);
        let found = from_environment(&ClientConfig::default(), environment(&pairs)).unwrap();
        found.account().to_owned()
    };
    assert_eq!(with(0, &[]), "of-environment");
    assert_eq!(with(1, &[]), "acs:ram::1:role/oidc");
    assert_eq!(with(2, &[]), "of-profile");
    assert_eq!(
        with(2, &[("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true")]),
        "of-shared"
    );
    assert_eq!(with(4, &[]), "ecs-ram-role:op");
    assert_eq!(with(5, &[]), "credentials-uri:localhost");
    assert_eq!(with(6, &[]), "ecs-ram-role");
}

#[test]
fn nothing_found_says_what_was_looked_for() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let here = ClientConfig {
        endpoints: Endpoints::standard()
            .with_all("http://127.0.0.1:1")
            .unwrap(),
        ..ClientConfig::default()
    };
    for (config, pairs) in [
        (
            ClientConfig::default(),
            &[("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")][..],
        ),
        // An emulator.
        (here, &[]),
    ] {
        let Err(error) = from_environment(&config, environment(pairs)) else {
            panic!("found something");
        };
        for name in [
            "ALIBABA_CLOUD_ACCESS_KEY_ID",
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
            "~/.aliyun/config.json",
            "~/.alibabacloud/credentials.ini",
            "ALIBABA_CLOUD_ECS_METADATA",
            "ALIBABA_CLOUD_CREDENTIALS_URI",
            "Secret",
        ] {
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

// ---------------------------------------------------------------- files

#[tokio::test]
async fn a_profile_is_the_current_one_or_the_one_that_is_named() {
    let home = home(
        CLI,
        &cli(
            "b",
            json!([
                key_profile("a", "key-a"),
                {"name": "b", "mode": "StsToken", "access_key_id": "key-b", "access_key_secret": SECRET,
                    "sts_token": "token-b"},
            ]),
        ),
    );
    let home = home.path().display().to_string();
    let current = found(&[("HOME", &home)]).unwrap().current().await.unwrap();
    assert_eq!(current.access_key_id, "key-b");
    assert_eq!(current.security_token.unwrap().expose_secret(), "token-b");
    let named = found(&[("HOME", &home), ("ALIBABA_CLOUD_PROFILE", "a")]).unwrap();
    assert_eq!(named.current().await.unwrap().access_key_id, "key-a");
    let text = refused(&[("HOME", &home), ("ALIBABA_CLOUD_PROFILE", "c")]);
    assert!(
        text.contains("no profile c (named by ALIBABA_CLOUD_PROFILE), but a, b;"),
        "{text}"
    );
}

#[test]
fn what_a_file_cannot_give_is_refused_by_name_with_the_cure() {
    let profile = |mode: &str| {
        json!([{"name": "a", "mode": mode, "source_profile": "a", "ram_role_arn": "r",
        "process_command": SECRET, "credentials_uri": format!("http://203.0.113.7/{SECRET}"),
        "ram_role_name": "a/b", "expired_seconds": 5, "access_key_id": "k", "access_key_secret": SECRET}])
    };
    for (mode, says) in [
        ("CloudSSO", "mode CloudSSO, for which a person signs in"),
        ("OAuth", "mode OAuth, for which a person signs in"),
        ("External", "serve a credentials URI"),
        (
            "RsaKeyPair",
            "\"RsaKeyPair\", which is not supported; use AK,",
        ),
        ("ChainableRamRoleArn", "in a circle?"),
        ("RamRoleArn", "expired_seconds 5; STS takes 900 to 43200"),
        (
            "StsToken",
            "has no sts_token; run aliyun configure --profile a",
        ),
        ("OIDC", "has no oidc_provider_arn"),
        ("EcsRamRole", "names the RAM role \"a/b\", and such a name"),
        (
            "CredentialsURI",
            "credentials_uri would send credentials over the network without TLS",
        ),
    ] {
        let home = home(CLI, &cli("a", profile(mode)));
        let [(name, value)] = of(home.path());
        let text = refused(&[(name, &value)]);
        assert!(text.contains(says), "{mode}: {text}");
        assert!(
            text.contains("config.json: its profile a "),
            "{mode}: {text}"
        );
    }
    let broken = home(
        CLI,
        &format!("{{\n\"access_key_secret\": \"{SECRET}\",\n}}"),
    );
    let [(name, value)] = of(broken.path());
    let text = refused(&[(name, &value)]);
    assert!(text.contains("is no JSON (line 3)"), "{text}");

    for (section, says) in [
        (
            "type = rsa_key_pair",
            "\"rsa_key_pair\", which is not supported; use access_key,",
        ),
        ("type = access_key", "has no access_key_id; add it"),
        ("", "has no type; add it"),
        (
            "type = access_key\nenable = False",
            "is switched off (enable = false)",
        ),
        (
            "type = access_key\naccess_key_id = k\naccess_key_secret = a b",
            "[default] cannot be used: the access key secret holds blanks",
        ),
        (SECRET, "line 2: is neither [section] nor key = value"),
    ] {
        let home = home(SHARED, &format!("[default]\n{section}\n"));
        let [(name, value)] = of(home.path());
        let text = refused(&[(name, &value)]);
        assert!(text.contains(says), "{text}");
    }
    let home = home(SHARED, "[other]\ntype = access_key\n");
    let [(name, value)] = of(home.path());
    let text = refused(&[(name, &value)]);
    assert!(text.contains("no section [default], but other;"), "{text}");
}

/// What would never end, or have its reader wait for ever, is not read.
#[test]
fn a_device_is_no_credentials_file_and_a_byte_order_mark_is_nothing() {
    for device in ["/dev/zero", "/dev/tty", "/tmp"] {
        let text = refused(&[("ALIBABA_CLOUD_CONFIG_FILE", device)]);
        assert!(text.contains("it is not a regular file"), "{text}");
    }
    let text = cli("default", json!([key_profile("default", "marked")]));
    let home = home(".aliyun/config.json", &format!("\u{feff}{text}"));
    assert!(found(&[("HOME", home.path().to_str().unwrap())]).is_ok());
}

#[test]
fn a_file_that_is_named_must_be_there() {
    for name in [
        "ALIBABA_CLOUD_CONFIG_FILE",
        "ALIBABA_CLOUD_CREDENTIALS_FILE",
    ] {
        let text = refused(&[(name, "/nowhere/at/all")]);
        assert!(
            text.contains("/nowhere/at/all does not exist") && text.contains(name),
            "{text}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_is_read_again_and_what_it_said_goes_on_while_it_cannot_be() {
    let home = home(CLI, &cli("a", json!([key_profile("a", "key-1")])));
    let file = home.path().join(CLI);
    let config = virtual_config();
    let pairs = of(home.path()).map(|(name, value)| (name, value));
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let provider = rest(&means(&config, &pairs), &environment(&pairs)).unwrap();
    let key = async || provider.current().await.unwrap().access_key_id;
    assert_eq!(key().await, "key-1");

    std::fs::write(&file, cli("a", json!([key_profile("a", "key-2")]))).unwrap();
    assert_eq!(key().await, "key-1");
    tokio::time::advance(MINUTE).await;
    assert_eq!(key().await, "key-2");

    for broken in ["", "{}", "no json"] {
        std::fs::write(&file, broken).unwrap();
        tokio::time::advance(MINUTE).await;
        assert_eq!(key().await, "key-2");
    }
    std::fs::remove_file(&file).unwrap();
    tokio::time::advance(MINUTE).await;
    assert_eq!(key().await, "key-2");

    // Refused by the service: the file is read at once.
    std::fs::write(&file, cli("a", json!([key_profile("a", "key-3")]))).unwrap();
    let old = provider.current().await.unwrap();
    let new = provider.refresh_after_rejection(&old).await.unwrap();
    assert_eq!(new.unwrap().access_key_id, "key-3");
    // Whoever was refused at the same time gets it too; who is refused with it gets nothing newer.
    let new = provider
        .refresh_after_rejection(&old)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(new.access_key_id, "key-3");
    let none = provider.refresh_after_rejection(&new).await.unwrap();
    assert!(none.is_none());
}

// ---------------------------------------------------------------- a role that a profile assumes

/// STS: gives a session of an hour to each call, unless it refuses.
struct FakeSts {
    clock: Arc<dyn Clock>,
    refuses: AtomicBool,
    seen: Mutex<Vec<WireRequest>>,
}

impl crate::Transport for FakeSts {
    fn send(&self, request: WireRequest) -> WireFuture<'_> {
        let call = {
            let mut seen = self.seen.lock().unwrap();
            seen.push(request);
            seen.len()
        };
        let (status, body) = match self.refuses.load(Ordering::SeqCst) {
            true => (
                403,
                json!({"RequestId": "R-NO", "Code": "NoPermission", "Message": "no"}),
            ),
            false => {
                let end = self.clock.now() + 60 * MINUTE;
                let credentials = session(&format!("STS.{call}"), end);
                (200, json!({"RequestId": "R", "Credentials": credentials}))
            }
        };
        Box::pin(async move {
            Ok(WireResponse {
                status,
                headers: HeaderMap::new(),
                body: body.to_string().into_bytes(),
            })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_profile_assumes_a_role_with_the_profile_behind_it_and_renews_it() {
    let profiles = json!([
        key_profile("base", "key-base"),
        {"name": "top", "mode": "ChainableRamRoleArn", "source_profile": "middle",
            "ram_role_arn": "acs:ram::1:role/top", "ram_session_name": "op", "external_id": "x-1"},
        {"name": "middle", "mode": "ChainableRamRoleArn", "source_profile": "base",
            "ram_role_arn": "acs:ram::1:role/middle", "expired_seconds": 3600, "sts_region": "cn-hangzhou",
            "enable_vpc": true},
    ]);
    let home = home(CLI, &cli("top", profiles));
    let config = virtual_config();
    let pairs = of(home.path());
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let sts = Arc::new(FakeSts {
        clock: config.clock.clone(),
        refuses: AtomicBool::new(false),
        seen: Mutex::default(),
    });
    let mut means = means(&config, &pairs);
    means.transport = sts.clone();
    let provider = rest(&means, &environment(&pairs)).unwrap();
    assert_eq!(provider.account(), "acs:ram::1:role/top");
    assert_eq!(provider.current().await.unwrap().access_key_id, "STS.2");
    {
        let seen = sts.seen.lock().unwrap();
        let authorization = |at: usize| {
            let found = seen[at]
                .headers
                .iter()
                .find(|(name, _)| *name == "authorization");
            found.unwrap().1.clone()
        };
        assert_eq!(
            seen[0].url.host_str(),
            Some("sts-vpc.cn-hangzhou.aliyuncs.com")
        );
        assert_eq!(seen[1].url.host_str(), Some("sts.aliyuncs.com"));
        assert!(authorization(0).contains("Credential=key-base,"));
        assert!(authorization(1).contains("Credential=STS.1,"));
        assert!(
            seen[0].body.contains("DurationSeconds=3600&"),
            "{}",
            seen[0].body
        );
        assert!(seen[0].body.contains("RoleSessionName=ess-rollout"));
        assert!(
            seen[1].body.contains("ExternalId=x-1&") && seen[1].body.contains("RoleSessionName=op")
        );
    }
    sts.refuses.store(true, Ordering::SeqCst);
    tokio::time::advance(56 * MINUTE).await;
    let key = async || provider.current().await.map(|found| found.access_key_id);
    assert_eq!(key().await.unwrap(), "STS.2", "valid still");
    tokio::time::advance(4 * MINUTE).await;
    let error = key().await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Denied);
    assert_eq!(error.request_id.as_deref(), Some("R-NO"));
    assert!(error.message.contains("needs sts:AssumeRole"), "{error}");
    sts.refuses.store(false, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(11)).await;
    let renewed = key().await.unwrap();
    assert!(
        renewed.starts_with("STS.") && renewed != "STS.2",
        "{renewed}"
    );
}

// ---------------------------------------------------------------- stubs on loopback

/// What a stub was asked, and what it answers.
#[derive(Clone, Default)]
struct Stub {
    /// By method and path; what is not there is 404.
    answers: Arc<Mutex<BTreeMap<String, (u16, String)>>>,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Stub {
    fn put(&self, what: &str, status: u16, body: impl ToString) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(what.to_owned(), (status, body.to_string()));
    }

    fn seen(&self) -> Vec<String> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|(what, _)| what.clone())
            .collect()
    }

    async fn serve(&self) -> String {
        async fn answer(
            State(stub): State<Stub>,
            method: Method,
            uri: Uri,
            headers: HeaderMap,
        ) -> (StatusCode, String) {
            let what = format!("{method} {uri}");
            stub.seen.lock().unwrap().push((what.clone(), headers));
            let answers = stub.answers.lock().unwrap();
            let (status, body) = answers.get(&what).cloned().unwrap_or((404, String::new()));
            (StatusCode::from_u16(status).unwrap(), body)
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

const TOKEN: &str = "PUT /latest/api/token";
const ROLES: &str = "GET /latest/meta-data/ram/security-credentials/";
const OF_OP: &str = "GET /latest/meta-data/ram/security-credentials/op";

fn hour() -> Timestamp {
    Timestamp::now() + 60 * MINUTE
}

async fn metadata(stub: &Stub, pairs: &[(&str, &str)]) -> Arc<dyn CredentialsProvider> {
    let mut means = means(&ClientConfig::default(), pairs);
    means.metadata = stub.serve().await.parse().unwrap();
    rest(&means, &environment(pairs)).unwrap()
}

async fn no_key(provider: &dyn CredentialsProvider) -> CredentialsError {
    let error = provider.current().await.unwrap_err();
    assert!(!error.to_string().contains(SECRET), "{error}");
    error
}

#[tokio::test]
async fn the_metadata_service_is_asked_with_a_token_for_the_role_it_names() {
    let stub = Stub::default();
    stub.put(TOKEN, 200, "token-1");
    stub.put(ROLES, 200, "op\n");
    stub.put(OF_OP, 200, session("STS.ecs", hour()));
    let provider = metadata(&stub, &[]).await;
    assert_eq!(
        stub.seen(),
        [""; 0],
        "nobody is called before the first request"
    );
    let found = provider.current().await.unwrap();
    assert_eq!(found.access_key_id, "STS.ecs");
    assert!(!format!("{found:?}").contains(SECRET));
    assert_eq!(stub.seen(), [TOKEN, ROLES, OF_OP]);
    let seen = stub.seen.lock().unwrap();
    assert_eq!(seen[0].1["x-aliyun-ecs-metadata-token-ttl-seconds"], "60");
    for (_, headers) in &seen[1..] {
        assert_eq!(headers["x-aliyun-ecs-metadata-token"], "token-1");
    }
}

#[tokio::test]
async fn a_role_that_is_named_is_not_looked_for() {
    let stub = Stub::default();
    stub.put(TOKEN, 200, "token-1");
    stub.put(OF_OP, 200, session("STS.ecs", hour()));
    let provider = metadata(&stub, &[("ALIBABA_CLOUD_ECS_METADATA", "op")]).await;
    provider.current().await.unwrap();
    assert_eq!(stub.seen(), [TOKEN, OF_OP]);
    let other = metadata(&stub, &[("ALIBABA_CLOUD_ECS_METADATA", "other")]).await;
    let error = no_key(&*other).await;
    assert!(
        error.message.contains("no RAM role other; attach it"),
        "{error}"
    );
}

#[tokio::test]
async fn without_tokens_it_is_asked_without_unless_that_is_forbidden() {
    let stub = Stub::default();
    stub.put(OF_OP, 200, session("STS.v1", hour()));
    let op = ("ALIBABA_CLOUD_ECS_METADATA", "op");
    let provider = metadata(&stub, &[op]).await;
    assert_eq!(provider.current().await.unwrap().access_key_id, "STS.v1");
    let strict = metadata(&stub, &[op, ("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")]).await;
    let error = no_key(&*strict).await;
    assert!(
        error.message.contains("ALIBABA_CLOUD_IMDSV1_DISABLED"),
        "{error}"
    );
    assert_eq!(error.class, ErrorClass::Unauthenticated);
    assert_eq!(stub.seen(), [TOKEN, OF_OP, TOKEN]);
}

#[tokio::test]
async fn what_the_metadata_service_refuses_is_said_with_the_cure() {
    let op = ("ALIBABA_CLOUD_ECS_METADATA", "op");
    for (status, body, class, says) in [
        (
            200,
            json!({"Code": "Failed", "AccessKeySecret": SECRET}).to_string(),
            ErrorClass::Unauthenticated,
            "\"Failed\" for role op; the role must trust ecs.aliyuncs.com",
        ),
        (
            200,
            session("STS.old", Timestamp::now()).to_string(),
            ErrorClass::Retry,
            "check the clocks",
        ),
        (
            200,
            json!({"Code": "Success", "AccessKeySecret": SECRET}).to_string(),
            ErrorClass::Retry,
            "has no Expiration",
        ),
        (
            200,
            session("STS.new\r\nx: y", hour()).to_string(),
            ErrorClass::Retry,
            "the access key id holds blanks or characters that are not ASCII",
        ),
        (
            403,
            SECRET.to_owned(),
            ErrorClass::Unauthenticated,
            "HTTP 403 instead of credentials",
        ),
        (
            200,
            SECRET.repeat(20_000),
            ErrorClass::Retry,
            "longer than 65536 bytes",
        ),
    ] {
        let stub = Stub::default();
        stub.put(TOKEN, 200, "token-1");
        stub.put(OF_OP, status, body);
        let error = no_key(&*metadata(&stub, &[op]).await).await;
        assert!(error.message.contains(says), "{error}");
        assert!(error.message.contains("ECS metadata service"), "{error}");
        assert_eq!(error.class, class, "{error}");
    }
    // Who gives credentials without an end has to say one.
    let stub = Stub::default();
    stub.put(TOKEN, 200, "token-1");
    let mut endless = session("STS.new", hour());
    endless["Expiration"] = json!("9999-12-31T23:59:59Z");
    stub.put(OF_OP, 200, endless.to_string());
    let found = metadata(&stub, &[op]).await.current().await.unwrap();
    assert_eq!(found.access_key_id, "STS.new");

    // A fault of the service is met by one more try, and no more.
    let stub = Stub::default();
    stub.put(TOKEN, 200, "token-1");
    stub.put(OF_OP, 500, "");
    let error = no_key(&*metadata(&stub, &[op]).await).await;
    assert_eq!(error.class, ErrorClass::Retry);
    assert_eq!(stub.seen(), [TOKEN, OF_OP, OF_OP]);
}

#[tokio::test]
async fn without_a_metadata_service_or_a_role_what_was_looked_for_is_said() {
    let pairs = [("HOME", "/nowhere")];
    let provider = found(&pairs).unwrap();
    let began = std::time::Instant::now();
    let error = no_key(&*provider).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    let stub = Stub::default();
    stub.put(TOKEN, 200, "token-1");
    for (error, says) in [
        (error, "no connection to 127.0.0.1"),
        (
            no_key(&*metadata(&stub, &pairs).await).await,
            "the instance has no RAM role; attach one to it",
        ),
    ] {
        assert_eq!(error.class, ErrorClass::Unauthenticated);
        assert!(error.nothing_found(), "{error:?}");
        for part in [
            "ALIBABA_CLOUD_ACCESS_KEY_ID",
            "/nowhere/.aliyun/config.json",
            says,
        ] {
            assert!(error.message.contains(part), "{part}: {error}");
        }
    }
    // Where the role is configured there is one: that it is out of reach passes.
    let named = found(&[("ALIBABA_CLOUD_ECS_METADATA", "op")]).unwrap();
    let error = no_key(&*named).await;
    assert_eq!(error.class, ErrorClass::Retry);
    assert!(
        error.message.contains("a network policy may keep pods"),
        "{error}"
    );
}

#[tokio::test]
async fn a_credentials_uri_gives_credentials_or_the_reason() {
    let stub = Stub::default();
    let url = stub.serve().await;
    let path = format!("/c?key={SECRET}");
    let uri = format!("{url}{path}");
    let name = "ALIBABA_CLOUD_CREDENTIALS_URI";
    let get = format!("GET {path}");
    stub.put(&get, 200, session("STS.uri", hour()));
    let provider = found(&[(name, &uri)]).unwrap();
    assert!(!provider.account().contains(SECRET));
    assert_eq!(provider.current().await.unwrap().access_key_id, "STS.uri");
    for (status, body, says) in [
        (404, String::new(), "HTTP 404"),
        (
            200,
            SECRET.to_owned(),
            "not \"Success\"; it must answer with a JSON object of Code",
        ),
        (
            200,
            json!({"Code": "Success", "Expiration": hour().to_string()}).to_string(),
            "has no AccessKeyId",
        ),
    ] {
        stub.put(&get, status, body);
        let error = no_key(&*found(&[(name, &uri)]).unwrap()).await;
        assert!(error.message.contains(says), "{error}");
        assert!(
            error.message.contains("the credentials URI on 127.0.0.1"),
            "{error}"
        );
    }
    let nobody = format!("http://localhost:1/{SECRET}");
    let error = no_key(&*found(&[(name, &nobody)]).unwrap()).await;
    assert_eq!(error.class, ErrorClass::Retry);

    for (wrong, says) in [
        (
            format!("http://203.0.113.7/{SECRET}"),
            "without TLS; use https",
        ),
        (
            format!("ftp://localhost/{SECRET}"),
            "neither http nor https",
        ),
        (SECRET.to_owned(), "is not a URL"),
    ] {
        let text = refused(&[(name, &wrong)]);
        assert!(text.contains(says) && text.contains(name), "{text}");
    }
}

// ---------------------------------------------------------------- renewal on virtual time

/// Credentials of an hour; the key is the number of the call.
struct Hourly {
    clock: Arc<dyn Clock>,
    calls: AtomicUsize,
    fails: AtomicBool,
}

impl Fetch for Hourly {
    fn fetch(&self, ask: Ask) -> Fetching<'_> {
        Box::pin(async move {
            let (status, body) = match ask.url.path() {
                "/latest/api/token" => (200, "token".to_owned()),
                _ if self.fails.load(Ordering::SeqCst) => {
                    return Err(TransportError::NotConnected("no route".to_owned()));
                }
                _ => {
                    let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let end = self.clock.now() + 60 * MINUTE;
                    (200, session(&format!("STS.{call}"), end).to_string())
                }
            };
            Ok(WireResponse {
                status,
                headers: HeaderMap::new(),
                body: body.into_bytes(),
            })
        })
    }
}

#[tokio::test(start_paused = true)]
async fn role_and_uri_are_renewed_early_by_one_caller_and_kept_while_that_fails() {
    for pairs in [
        [("ALIBABA_CLOUD_ECS_METADATA", "op")],
        [("ALIBABA_CLOUD_CREDENTIALS_URI", "http://localhost:1/c")],
    ] {
        let config = virtual_config();
        let hourly = Arc::new(Hourly {
            clock: config.clock.clone(),
            calls: AtomicUsize::new(0),
            fails: false.into(),
        });
        let mut means = means(&config, &pairs);
        means.http = hourly.clone();
        let provider = rest(&means, &environment(&pairs)).unwrap();
        let key = async || provider.current().await.map(|found| found.access_key_id);
        let many = futures::future::join_all((0..50).map(|_| key())).await;
        assert!(
            many.iter().all(|key| key.as_deref() == Ok("STS.1")),
            "{many:?}"
        );
        assert_eq!(hourly.calls.load(Ordering::SeqCst), 1);

        tokio::time::advance(44 * MINUTE).await;
        assert_eq!(key().await.unwrap(), "STS.1");
        hourly.fails.store(true, Ordering::SeqCst);
        tokio::time::advance(12 * MINUTE).await;
        assert_eq!(key().await.unwrap(), "STS.1", "valid still");
        tokio::time::advance(4 * MINUTE).await;
        assert_eq!(key().await.unwrap_err().class, ErrorClass::Retry);
        hourly.fails.store(false, Ordering::SeqCst);
        tokio::time::advance(11 * Duration::from_secs(1)).await;
        assert_eq!(key().await.unwrap(), "STS.2");
    }
}
