//! The endpoints that checks between batches may ask. One that does not answer keeps no update from beginning but those that name it.

use ess_rollout_core::endpoints::EndpointQuery;
use futures::future::join_all;

use super::report::Finding;
use crate::endpoints::{EndpointConfig, Endpoints, HttpEndpoints, Kind};
use crate::settings::Settings;

/// Asks each Prometheus for a number. A webhook is not asked: it would be about no batch.
pub(super) async fn look(settings: &Settings) -> Vec<Finding> {
    let all = &settings.gate_endpoints;
    let endpoints = match HttpEndpoints::new(all) {
        Ok(endpoints) => endpoints,
        Err(error) => return vec![Finding::fail("endpoints", error.to_string(), "")],
    };
    join_all(all.iter().map(|one| of_one(one, &endpoints))).await
}

async fn of_one(config: &EndpointConfig, endpoints: &HttpEndpoints) -> Finding {
    let check = format!("endpoint {}", config.name);
    if config.kind == Kind::Webhook {
        return Finding::ok(check, "is a webhook: it is asked about batches alone");
    }
    let query = EndpointQuery::Metric {
        endpoint: config.name.clone(),
        query: "vector(1)".to_owned(),
    };
    match endpoints.ask(&query).await {
        Ok(_) => Finding::ok(check, "answers"),
        Err(error) => Finding::warn(
            check,
            format!("{}: {}", error.code, error.message),
            "updates whose spec.gates.metrics name it wait for it: mend it in the operator's configuration (chart value gateEndpoints, docs/gates.md)",
        ),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::check::report::Verdict;
    use crate::cli::{Cli, Command};

    #[tokio::test]
    async fn one_that_does_not_answer_is_a_warning_and_a_webhook_is_not_asked() {
        // Another test may have done so.
        _ = rustls::crypto::ring::default_provider().install_default();
        let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", nobody.local_addr().unwrap());
        drop(nobody);
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = serde_json::json!([
            {"name": "prod", "kind": "Prometheus", "url": url},
            {"name": "qa", "kind": "Webhook", "url": url},
        ]);
        std::fs::write(file.path(), text.to_string()).unwrap();
        let flag = format!("--gate-endpoints={}", file.path().display());
        let given = Cli::try_parse_from(["ess-rollout", "run", &flag]).unwrap();
        let Command::Run(args) = given.command else {
            unreachable!("run was asked for")
        };
        let settings = Settings::try_from(&*args).unwrap();
        let found = look(&settings).await;
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.check.as_str(), f.result, f.message.contains("connection")))
            .collect();
        assert_eq!(
            found,
            [
                ("endpoint prod", Verdict::Warn, true),
                ("endpoint qa", Verdict::Ok, false),
            ]
        );
    }
}
