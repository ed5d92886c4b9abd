//! Trust and proxies.

use std::sync::Arc;

use ess_rollout_aliyun::{ClientConfig, ConfigError, Endpoints, credentials::StaticCredentials};
use ess_rollout_cloud::{Cloud, ErrorClass, Mutation, Outcome};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};

use crate::fake::{Fake, REGION, SECRET, client, install_provider, ok};

fn cancel() -> Mutation {
    Mutation::CancelExecution {
        execution: "exec-1".into(),
    }
}

fn key() -> Arc<StaticCredentials> {
    Arc::new(StaticCredentials::new("ak", SECRET, None).unwrap())
}

/// An HTTPS service with a certificate of its own; returns its address and the certificate.
async fn private_service() -> (String, String) {
    install_provider();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(socket).await else {
                continue;
            };
            let mut request = vec![0; 64 * 1024];
            let _ = stream.read(&mut request).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 17\r\nconnection: close\r\n\r\n\
                           {\"RequestId\":\"R\"}";
            let _ = stream.write_all(answer).await;
            let _ = stream.shutdown().await;
        }
    });
    (format!("https://localhost:{port}"), made.cert.pem())
}

#[tokio::test]
async fn a_private_authority_is_trusted_only_when_configured() {
    let (address, certificate) = private_service().await;
    let config = ClientConfig {
        endpoints: Endpoints::standard().with_all(&address).unwrap(),
        ..ClientConfig::default()
    };
    let error = client(config.clone(), key())
        .mutate(REGION, &cancel())
        .await
        .unwrap_err();
    assert_eq!(
        (error.class, error.outcome),
        (ErrorClass::Retry, Outcome::NoEffect)
    );
    assert!(error.message.contains("certificate"), "{error}");

    let trusting = ClientConfig {
        extra_root_certificates: vec![certificate.into_bytes()],
        ..config
    };
    client(trusting, key())
        .mutate(REGION, &cancel())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_certificate_that_is_none_is_refused_at_once() {
    install_provider();
    let config = ClientConfig {
        extra_root_certificates: vec![b"not a certificate".to_vec()],
        ..ClientConfig::default()
    };
    let error = ess_rollout_aliyun::Client::new(config, key()).unwrap_err();
    assert!(matches!(error, ConfigError::Http(_)), "{error}");
    assert!(
        error.to_string().contains("extra root certificate"),
        "{error}"
    );
}

/// The environment of a process is set before it starts, so a test runs itself once more in it.
/// `true` in the second run.
async fn run_again_with(test: &str, environment: &[(&str, &str)]) -> bool {
    if std::env::var_os("ESS_ROLLOUT_TEST_AGAIN").is_some() {
        return true;
    }
    let status = tokio::process::Command::new(std::env::current_exe().unwrap())
        .arg(format!("connections::{test}"))
        .arg("--exact")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .envs(environment.iter().copied())
        .env("ESS_ROLLOUT_TEST_AGAIN", "1")
        .status()
        .await
        .unwrap();
    assert!(status.success());
    false
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_not_asked_for_loopback() {
    // Nothing listens on the discard port.
    let nowhere = "http://127.0.0.1:9";
    let environment = ["HTTP_PROXY", "http_proxy", "ALL_PROXY"].map(|name| (name, nowhere));
    let test = "a_proxy_of_the_environment_is_not_asked_for_loopback";
    if run_again_with(test, &environment).await {
        let fake = Fake::start([ok(json!({}))]).await;
        fake.client().mutate(REGION, &cancel()).await.unwrap();
    }
}

#[tokio::test]
async fn a_machine_without_a_trust_store_can_use_an_emulator_and_nothing_else() {
    let environment = [
        ("SSL_CERT_FILE", "/dev/null"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let test = "a_machine_without_a_trust_store_can_use_an_emulator_and_nothing_else";
    if run_again_with(test, &environment).await {
        let fake = Fake::start([ok(json!({}))]).await;
        fake.client().mutate(REGION, &cancel()).await.unwrap();
        let error = ess_rollout_aliyun::Client::new(ClientConfig::default(), key()).unwrap_err();
        assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
    }
}
