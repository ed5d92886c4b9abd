//! The same over real sockets: HTTP, HTTPS, connections that end, time that passes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;
use ess_emulator::server::{Server, TlsFiles};
use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha1::Sha1;

use crate::support::SMALL;

const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

pub struct Client {
    pub server: Server,
    pub base: String,
    pub http: reqwest::Client,
    calls: std::sync::atomic::AtomicU32,
}

pub async fn serve(more: &str, secure: bool) -> Client {
    let fixture = Fixture::parse(&format!("{SMALL}\n{more}")).unwrap();
    let tls = TlsFiles::make().unwrap();
    let (http, https) = if secure {
        (None, Some(ANY))
    } else {
        (Some(ANY), None)
    };
    let server = Server::start(Cloud::new(&fixture).unwrap(), http, https, &tls)
        .await
        .unwrap();
    let base = match (server.http, server.https) {
        (Some(address), _) => format!("http://{address}"),
        (_, Some(address)) => format!("https://{address}"),
        _ => unreachable!("one of the two was asked for"),
    };
    // Other parts of a process may have chosen a provider already; then that one serves.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let authority = reqwest::Certificate::from_pem(tls.ca_pem.as_bytes()).unwrap();
    let http = reqwest::Client::builder()
        .tls_certs_only([authority])
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap();
    Client {
        server,
        base,
        http,
        calls: 0.into(),
    }
}

impl Client {
    pub async fn call(
        &self,
        action: &str,
        params: &[(&str, &str)],
    ) -> reqwest::Result<(u16, Value)> {
        self.call_version("2022-02-22", action, params).await
    }

    /// A call signed with version 1.0, as a form.
    async fn call_version(
        &self,
        version: &str,
        action: &str,
        params: &[(&str, &str)],
    ) -> reqwest::Result<(u16, Value)> {
        let nonce = self
            .calls
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed)
            .to_string();
        let now = jiff::Timestamp::now()
            .strftime("%Y-%m-%dT%H:%M:%SZ")
            .to_string();
        let mut all = vec![
            ("AccessKeyId", "admin-key"),
            ("Action", action),
            ("Format", "JSON"),
            ("RegionId", "cn-hangzhou"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", &nonce),
            ("SignatureVersion", "1.0"),
            ("Timestamp", &now),
            ("Version", version),
        ];
        all.extend_from_slice(params);
        all.sort_unstable();
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let mut form = all
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect::<Vec<_>>()
            .join("&");
        let mut mac = Hmac::<Sha1>::new_from_slice(b"admin-secret&").unwrap();
        mac.update(format!("POST&%2F&{}", encode(&form)).as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        form.push_str(&format!("&Signature={}", encode(&signature)));
        let answer = self
            .http
            .post(&self.base)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    pub async fn post(&self, path: &str, body: Value) -> Value {
        let url = format!("{}/_emulator/{path}", self.base);
        self.http
            .post(url)
            .json(&body)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_as_the_services_refuse() {
    let client = serve("", false).await;
    for size in [1024 * 1024 + 1, 3 * 1024 * 1024] {
        let request = client
            .http
            .post(&client.base)
            .header("host", "ess.aliyuncs.com");
        let answer = request.body("x".repeat(size)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 413);
        let id = answer.headers()["x-acs-request-id"].clone();
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["Code"], "RequestEntityTooLarge");
        assert_eq!(answer["RequestId"], id.to_str().unwrap());
        let message = answer["Message"].as_str().unwrap();
        assert!(message.contains("1048576"), "{message}");
        let url = format!("{}/_emulator/faults", client.base);
        let answer = client
            .http
            .post(url)
            .body("x".repeat(size))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 413);
        let answer: Value = answer.json().await.unwrap();
        assert!(
            answer["error"].as_str().unwrap().contains("larger"),
            "{answer}"
        );
    }
    let fits = client.http.post(&client.base).body("x".repeat(1024 * 1024));
    assert_eq!(fits.send().await.unwrap().status().as_u16(), 400);
}

#[tokio::test]
async fn signed_calls_are_answered_over_http_and_https() {
    for secure in [false, true] {
        let client = serve("", secure).await;
        let (status, answer) = client.call("DescribeScalingGroups", &[]).await.unwrap();
        assert_eq!((status, answer["TotalCount"].as_u64()), (200, Some(1)));
        let (status, refused) = client.call("DescribeEverything", &[]).await.unwrap();
        assert_eq!(
            (status, refused["Code"].as_str()),
            (404, Some("InvalidAction.NotFound"))
        );
        assert_eq!(refused["HostId"].as_str(), client.base.split("//").nth(1));
    }
}

#[tokio::test]
async fn the_version_of_eci_chooses_its_service() {
    let client = serve("", false).await;
    let eci = "2018-08-08";
    let (status, answer) = client
        .call_version(eci, "DescribeContainerGroups", &[])
        .await
        .unwrap();
    assert_eq!((status, &answer["ContainerGroups"]), (200, &json!([])));
    let params = [
        ("ContainerGroupId", "eci-none"),
        ("Container.1.Name", "app"),
        ("Container.1.Image", "registry/app:v1"),
        ("Container.1.EnvironmentVar.1.Key", "LEVEL"),
        ("Container.1.EnvironmentVar.1.Value", "a b"),
    ];
    let (status, refused) = client
        .call_version(eci, "UpdateContainerGroup", &params)
        .await
        .unwrap();
    assert_eq!(
        (status, refused["Code"].as_str()),
        (404, Some("InvalidContainerGroupId.NotFound"))
    );
}

#[tokio::test]
async fn lost_answers_end_the_connection() {
    let client = serve("", false).await;
    let lose = json!({"action": "SuspendProcesses", "effect": {"kind": "answerLost"}});
    client.post("faults", lose).await;
    let params = [("ScalingGroupId", "asg-small"), ("Processes.1", "ScaleIn")];
    let lost = client.call("SuspendProcesses", &params).await.unwrap_err();
    assert!(!lost.is_timeout(), "{lost:?}");
    let (_, group) = client.call("DescribeScalingGroups", &[]).await.unwrap();
    assert_eq!(
        group["ScalingGroups"][0]["SuspendedProcesses"],
        json!(["ScaleIn"])
    );
    drop(client.server);
}

#[tokio::test]
async fn throttling_says_when_to_come_back() {
    let client = serve("", false).await;
    client
        .post(
            "faults",
            json!({"effect": {"kind": "throttle", "retryAfterMillis": 250}}),
        )
        .await;
    let url = format!(
        "{}/?Action=AssumeRoleWithOIDC&Version=2015-04-01",
        client.base
    );
    let answer = client.http.post(url).send().await.unwrap();
    assert_eq!(answer.headers()["x-acs-retry-after"], "250");
    assert!(answer.headers().contains_key("x-acs-request-id"));
}

#[tokio::test]
async fn real_time_drives_the_virtual_clock() {
    // A virtual minute is 60 real milliseconds.
    let client = serve("clockScale: 1000\ndurations: {scaleOut: 300}", false).await;
    let begun = Instant::now();
    client.post("groups/asg-small/scaleOut", json!({})).await;
    loop {
        let (_, group) = client.call("DescribeScalingGroups", &[]).await.unwrap();
        if group["ScalingGroups"][0]["ActiveCapacity"] == 4 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{group}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        begun.elapsed() >= Duration::from_millis(290),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn due_things_happen_without_anybody_asking() {
    let client = serve("clockScale: 1000\ndurations: {stopInstance: 100}", false).await;
    client.post("instances/i-small-01/stop", json!({})).await;
    // Nobody calls meanwhile: only the driver can settle it.
    let begun = Instant::now();
    let under_way = |cloud: &Cloud| {
        let instance = cloud.world.resources.instances.get("i-small-01");
        instance.is_some_and(|i| i.settles_at.is_some())
    };
    while client.server.shared.peek(under_way).await {
        assert!(begun.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_paused_clock_stands_until_it_is_moved() {
    let client = serve("clockScale: 1000", false).await;
    let paused = client.post("clock", json!({"paused": true})).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let moved = client.post("clock", json!({"advanceSeconds": 5})).await;
    let at = |clock: &Value| {
        clock["now"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert_eq!(at(&moved).duration_since(at(&paused)).as_secs(), 5);
    // A delayed answer waits for the virtual clock.
    let delay =
        json!({"action": "DescribeScalingGroups", "effect": {"kind": "delay", "seconds": 60}});
    client.post("faults", delay).await;
    let (answer, ()) = tokio::join!(client.call("DescribeScalingGroups", &[]), async {
        let struck = |cloud: &Cloud| cloud.world.faults.list()[0].seen == 1;
        while !client.server.shared.peek(struck).await {
            tokio::task::yield_now().await;
        }
        client.post("clock", json!({"advanceSeconds": 60})).await;
    });
    assert_eq!(answer.unwrap().0, 200);
}
