//! A service that answers from a list and checks signatures by the documented steps, with code that
//! the client does not share.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, Once},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
    response::IntoResponse,
};
use ess_rollout_aliyun::{
    Client, ClientConfig, CredentialsProvider, Endpoints, Limiter, Limits, Timeouts,
    credentials::StaticCredentials,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub const REGION: &str = "cn-hangzhou";
pub const SECRET: &str = "wire-test-secret";

/// One answer.
#[derive(Clone)]
pub struct Canned {
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: String,
    pub delay: Duration,
}

/// A success with this body; a request id is added.
pub fn ok(mut body: Value) -> Canned {
    body["RequestId"] = json!("R-OK");
    raw(200, &body.to_string())
}

/// A refusal.
pub fn refuse(status: u16, code: &str) -> Canned {
    let body = json!({"RequestId": "R-NO", "HostId": "fake", "Code": code, "Message": "refused"});
    raw(status, &body.to_string())
}

pub fn raw(status: u16, body: &str) -> Canned {
    Canned {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
        delay: Duration::ZERO,
    }
}

/// One request as it arrived.
#[derive(Clone)]
pub struct Received {
    pub action: String,
    pub version: String,
    pub nonce: String,
    pub key: String,
    pub form: BTreeMap<String, String>,
}

struct Inner {
    answers: Mutex<VecDeque<Canned>>,
    received: Mutex<Vec<Received>>,
}

pub struct Fake {
    inner: Arc<Inner>,
    pub url: String,
}

impl Fake {
    pub async fn start(answers: impl IntoIterator<Item = Canned>) -> Self {
        let inner = Arc::new(Inner {
            answers: Mutex::new(answers.into_iter().collect()),
            received: Mutex::default(),
        });
        let app = Router::new().fallback(serve).with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { inner, url }
    }

    pub fn config(&self) -> ClientConfig {
        ClientConfig {
            endpoints: Endpoints::standard().with_all(&self.url).unwrap(),
            limiter: Arc::new(Limiter::default()),
            timeouts: Timeouts {
                connect: Duration::from_secs(5),
                request: Duration::from_secs(10),
            },
            ..ClientConfig::default()
        }
    }

    pub fn client(&self) -> Client {
        client(
            self.config(),
            Arc::new(StaticCredentials::new("ak", SECRET, None).unwrap()),
        )
    }

    /// Whose reads wait for nothing: they are given up when they are throttled.
    pub fn impatient_client(&self) -> Client {
        let limits = Limits {
            longest_wait_of_reads: Duration::ZERO,
            ..Limits::default()
        };
        let config = ClientConfig {
            limiter: Arc::new(Limiter::new(limits)),
            ..self.config()
        };
        client(
            config,
            Arc::new(StaticCredentials::new("ak", SECRET, None).unwrap()),
        )
    }

    pub fn received(&self) -> Vec<Received> {
        self.inner.received.lock().unwrap().clone()
    }

    /// The forms of all requests, in order.
    pub fn forms(&self) -> Vec<BTreeMap<String, String>> {
        self.received().into_iter().map(|r| r.form).collect()
    }
}

pub fn client(config: ClientConfig, credentials: Arc<dyn CredentialsProvider>) -> Client {
    install_provider();
    Client::new(config, credentials).unwrap()
}

pub fn install_provider() {
    static PROVIDER: Once = Once::new();
    PROVIDER.call_once(|| {
        rustls::crypto::ring::default_provider()
            .install_default()
            .unwrap();
    });
}

async fn serve(
    State(inner): State<Arc<Inner>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    let header = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
            .unwrap_or_default()
    };
    let signed = verify(&uri, &header, &body);
    let received = Received {
        action: header("x-acs-action"),
        version: header("x-acs-version"),
        nonce: header("x-acs-signature-nonce"),
        key: signed.clone().unwrap_or_default(),
        form: decode(std::str::from_utf8(&body).unwrap()),
    };
    inner.received.lock().unwrap().push(received);
    let answer = match signed {
        Ok(_) => inner
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| raw(500, "the test has no answer for this")),
        Err(why) => raw(
            400,
            &json!({"Code": "SignatureDoesNotMatch", "Message": why}).to_string(),
        ),
    };
    tokio::time::sleep(answer.delay).await;
    let mut response = (StatusCode::from_u16(answer.status).unwrap(), answer.body).into_response();
    for (name, value) in answer.headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    response
}

/// The access key id, if the signature is right.
fn verify(uri: &Uri, header: &dyn Fn(&str) -> String, body: &[u8]) -> Result<String, String> {
    let authorization = header("authorization");
    let rest = authorization
        .strip_prefix("ACS3-HMAC-SHA256 ")
        .ok_or("no signature")?;
    let fields: BTreeMap<&str, &str> = rest
        .split(',')
        .filter_map(|field| field.split_once('='))
        .collect();
    let names = fields["SignedHeaders"];
    for needed in ["content-type", "host", "x-acs-action", "x-acs-date"] {
        if !names.split(';').any(|name| name == needed) {
            return Err(format!("{needed} is not signed"));
        }
    }
    let payload = hex(&Sha256::digest(body));
    if payload != header("x-acs-content-sha256") {
        return Err("the body is another".to_owned());
    }
    let mut text = format!(
        "POST\n{}\n{}\n",
        uri.path(),
        uri.query().unwrap_or_default()
    );
    for name in names.split(';') {
        text += &format!("{name}:{}\n", header(name));
    }
    text += &format!("\n{names}\n{payload}");
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(
        format!(
            "ACS3-HMAC-SHA256\n{}",
            hex(&Sha256::digest(text.as_bytes()))
        )
        .as_bytes(),
    );
    if hex(&mac.finalize().into_bytes()) != fields["Signature"] {
        return Err(format!("server string to sign is: {text}"));
    }
    Ok(fields["Credential"].to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn decode(form: &str) -> BTreeMap<String, String> {
    let one = |text: &str| {
        assert!(!text.contains('+'), "blanks are %20: {text}");
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .unwrap()
            .into_owned()
    };
    form.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap();
            (one(name), one(value))
        })
        .collect()
}
