//! Answers of the cloud.

use std::sync::Arc;

use ess_rollout_aliyun::credentials::StaticCredentials;
use ess_rollout_aliyun::{Client, ClientConfig, Transport, WireFuture, WireRequest, WireResponse};
use ess_rollout_cloud::{Cloud, ExecutionFilter, Query, Turn};
use http::HeaderMap;
use jiff::Timestamp;

const REGION: &str = "cn-hangzhou";

/// Answers each call with the same.
struct Same {
    status: u16,
    body: Vec<u8>,
}

impl Transport for Same {
    fn send(&self, _: WireRequest) -> WireFuture<'_> {
        let (status, body) = (self.status, self.body.clone());
        Box::pin(async move {
            Ok(WireResponse {
                status,
                headers: HeaderMap::new(),
                body,
            })
        })
    }
}

/// Everything that can be asked.
fn queries() -> Vec<Query> {
    let id = || "asg-1".to_owned();
    let ids = || vec!["i-1".to_owned(), "i-2".to_owned()];
    let tags = || vec![("ess-rollout/uid".to_owned(), "uid-1".to_owned())];
    let executions = [
        ExecutionFilter::Id("exec-1".into()),
        ExecutionFilter::ChildrenOf("exec-1".into()),
        ExecutionFilter::NestedSince(Timestamp::UNIX_EPOCH),
        ExecutionFilter::Tagged {
            tags: tags(),
            started_after: None,
        },
        ExecutionFilter::TaggedProgress {
            tags: tags(),
            started_after: Some(Timestamp::UNIX_EPOCH),
        },
        ExecutionFilter::ActiveByTemplate("ACS-ESS".into()),
        ExecutionFilter::NewestByTemplate("ACS-ESS".into()),
    ];
    let mut all = vec![
        Query::ScalingGroup { group: id() },
        Query::ScalingGroups { groups: vec![id()] },
        Query::ScalingGroupInList { group: id() },
        Query::ScalingInstances { group: id() },
        Query::ScalingInstancesById {
            group: id(),
            instances: ids(),
        },
        Query::ActivitiesInProgress { group: id() },
        Query::InstanceRefreshes { group: id() },
        Query::LifecycleActions {
            activity: "asa-1".into(),
        },
        Query::Diagnosis { group: id() },
        Query::Alarms { group: id() },
        Query::MetricRules {
            rules: vec!["rule-1".into()],
        },
        Query::MetricRulesOfGroup {
            monitor_group: "7301".into(),
        },
        Query::ScalingConfiguration {
            configuration: "asc-1".into(),
        },
        Query::ScalingConfigurations {
            configurations: vec!["asc-1".into()],
        },
        Query::EciScalingConfiguration {
            configuration: "asc-1".into(),
        },
        Query::ScalingConfigurationInGroup {
            group: id(),
            configuration: "asc-1".into(),
        },
        Query::EciScalingConfigurationInGroup {
            group: id(),
            configuration: "asc-1".into(),
        },
        Query::Account,
        Query::ContainerGroups { groups: ids() },
        Query::Image {
            image: "m-1".into(),
        },
        Query::EcsInstances { instances: ids() },
        Query::TaskExecutions {
            execution: "exec-1".into(),
        },
        Query::Template {
            name: "ACS-ESS".into(),
        },
        Query::Package {
            name: "web".into(),
            version: None,
        },
        Query::InstancePackage {
            instance: "i-1".into(),
            package: "web".into(),
        },
        Query::Invocation {
            invocation: "t-1".into(),
            instance: "i-1".into(),
        },
    ];
    all.extend(executions.map(Query::Executions));
    all
}

/// The first byte says what is asked, the second the status; the rest is the body. An error says what was asked, and is bounded.
pub fn answer(data: &[u8]) {
    let [asked, status, body @ ..] = data else {
        return;
    };
    let all = queries();
    let query = &all[usize::from(*asked) % all.len()];
    let status = [200, 200, 200, 400, 403, 404, 429, 500, 503][usize::from(*status) % 9];
    let transport = Same {
        status,
        body: body.to_vec(),
    };
    let Ok(credentials) = StaticCredentials::new("LTAI-fuzz", "secret-fuzz", None) else {
        unreachable!("a valid AccessKey");
    };
    let client = Client::with_transport(
        ClientConfig::default(),
        Arc::new(credentials),
        Arc::new(transport),
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let Ok(runtime) = runtime else {
        unreachable!("a runtime");
    };
    if let Err(error) = runtime.block_on(client.query(REGION, query, Turn::default())) {
        let said = error.to_string();
        assert!(
            !said.is_empty() && said.len() <= 8192,
            "{} bytes",
            said.len()
        );
        assert!(!said.contains("secret-fuzz"), "a secret in an error");
    }
}
