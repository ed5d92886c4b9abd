//! Looks whether the admission policy is there under which the names in requests are those of who asked: at the start, and every
//! ten minutes.

use std::{sync::Arc, time::Duration};

use kube::Client;

use crate::{
    kubernetes::{Verified, Vouching},
    runtime::{health::Readiness, shutdown::Shutdown, telemetry::chain},
};

/// Between two looks.
const AGAIN: Duration = Duration::from_secs(600);
/// The same while it is not there: who installs it does not wait for long.
const SOON: Duration = Duration::from_secs(60);
/// The same where the apiserver has not answered.
const AT_ONCE: Duration = Duration::from_secs(2);
/// After so many looks in vain, updates go on without waiting for one: with unverified names, rather than not at all.
const TRIES: usize = 10;
/// What is waited for before the first look has ended.
pub const GATE: &str = "look for the admission policy";

/// Looks for the policy of this name, and its binding of the same name, until the word to stop. Says so when something has
/// changed.
pub async fn watch(
    client: Client,
    name: String,
    vouching: Arc<Vouching>,
    readiness: Arc<Readiness>,
    mut shutdown: Shutdown,
) {
    let mut unanswered = 0;
    loop {
        let wait = match vouching.read(&client, &name).await {
            Ok(changed) => {
                unanswered = 0;
                readiness.open(GATE);
                let verified = vouching.verified();
                if changed {
                    tell(&verified, &name);
                }
                match verified {
                    Verified::Nowhere(_) => SOON,
                    _ => AGAIN,
                }
            }
            Err(error) => {
                unanswered += 1;
                readiness.waiting(GATE, chain(&error));
                if unanswered == TRIES {
                    tracing::warn!(
                        policy = name,
                        error = chain(&error),
                        "it cannot be told whether the admission policy is in force: what was known of it stays"
                    );
                    readiness.open(GATE);
                }
                AT_ONCE
            }
        };
        tokio::select! {
            biased;
            () = shutdown.wait() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn tell(verified: &Verified, policy: &str) {
    match verified {
        Verified::Nowhere(why) => tracing::warn!(
            policy,
            why,
            "names in requests are not verified: status.actions shows unverified:NAME"
        ),
        Verified::In(namespaces) => tracing::info!(
            policy,
            namespaces = namespaces
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(","),
            "names in requests are verified in these namespaces"
        ),
        Verified::Everywhere => tracing::info!(policy, "names in requests are verified"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::sync::Mutex;

    use ess_rollout_api::admission;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;
    use crate::runtime::shutdown;

    /// What the apiserver answers.
    #[derive(Clone, Copy)]
    enum Answer {
        Nothing,
        NotThere,
        Forbidden,
        There,
    }

    fn client(answers: Arc<Mutex<Answer>>) -> Client {
        let service = tower::service_fn(move |request: Request<Body>| {
            let path = request.uri().path().to_owned();
            assert!(path.ends_with("/ess-rollout-requests"), "{path}");
            let binding = path.contains("validatingadmissionpolicybindings");
            let status = |code: u16, reason: &str| {
                (
                    code,
                    json!({"kind": "Status", "code": code, "reason": reason, "message": reason}),
                )
            };
            let answer = *answers.lock().unwrap();
            let (code, body) = match answer {
                Answer::Nothing => status(503, "ServiceUnavailable"),
                Answer::NotThere => status(404, "NotFound"),
                Answer::Forbidden => status(403, "Forbidden"),
                Answer::There => {
                    let text = match binding {
                        true => admission::REQUESTS_BINDING,
                        false => admission::REQUESTS,
                    };
                    (200, serde_saphyr::from_str::<Value>(text).unwrap())
                }
            };
            async move {
                let response = Response::builder().status(code);
                let body = Body::from(body.to_string().into_bytes());
                Ok::<_, std::convert::Infallible>(response.body(body).unwrap())
            }
        });
        Client::new(service, "ns")
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_acts_before_it_is_known_and_what_was_known_outlasts_an_apiserver_that_is_away()
    {
        let answers = Arc::new(Mutex::new(Answer::Nothing));
        let answer = |answer| *answers.lock().unwrap() = answer;
        let vouching = Arc::new(Vouching::default());
        let readiness = Arc::new(Readiness::new([GATE.to_owned()]));
        let (stop, shutdown) = shutdown::channel();
        let looking = tokio::spawn(watch(
            client(answers.clone()),
            "ess-rollout-requests".to_owned(),
            vouching.clone(),
            readiness.clone(),
            shutdown,
        ));
        tokio::time::sleep(Duration::from_secs(1)).await;
        let missing = readiness.missing().join("\n");
        assert!(
            missing.contains("cannot get ValidatingAdmissionPolicy"),
            "{missing}"
        );

        answer(Answer::NotThere);
        tokio::time::sleep(AT_ONCE).await;
        assert_eq!(readiness.missing(), [] as [String; 0]);
        assert!(!vouching.covers("shop"));
        answer(Answer::There);
        tokio::time::sleep(SOON).await;
        assert!(vouching.covers("shop"));
        answer(Answer::Nothing);
        tokio::time::sleep(AGAIN).await;
        assert!(vouching.covers("shop"));
        answer(Answer::Forbidden);
        tokio::time::sleep(AT_ONCE).await;
        assert!(!vouching.covers("shop"));
        let Verified::Nowhere(why) = vouching.verified() else {
            panic!("names are verified");
        };
        assert!(
            why.contains("give the operator's ServiceAccount this right"),
            "{why}"
        );
        stop.stop();
        looking.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_apiserver_that_never_answers_keeps_no_update_waiting() {
        let answers = Arc::new(Mutex::new(Answer::Nothing));
        let vouching = Arc::new(Vouching::default());
        let readiness = Arc::new(Readiness::new([GATE.to_owned()]));
        let (stop, shutdown) = shutdown::channel();
        let looking = tokio::spawn(watch(
            client(answers),
            "ess-rollout-requests".to_owned(),
            vouching.clone(),
            readiness.clone(),
            shutdown,
        ));
        tokio::time::timeout(Duration::from_secs(60), readiness.wait())
            .await
            .unwrap();
        assert!(!vouching.covers("shop"));
        stop.stop();
        looking.await.unwrap();
    }
}
