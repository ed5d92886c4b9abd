//! Bad input of every kind gets an answer of the 4xx kind, and never a panic.

use ess_emulator::api::Api;
use ess_emulator::cloud::Cloud;
use ess_emulator::front::{Outcome, Request, handle};
use ess_emulator::state::behaviour::UnsupportedParameters;
use ess_emulator::state::call::{EssVersion, Service};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{Ask, SMALL, cloud, pass, small};

const NAMES: &[&str] = &[
    "ScalingGroupId",
    "ScalingGroupIds.1",
    "InstanceId",
    "InstanceIds",
    "InstanceIds.1",
    "InstanceId.1",
    "Processes.1",
    "Process",
    "PageNumber",
    "PageSize",
    "MaxResults",
    "NextToken",
    "ScalingConfigurationId",
    "ImageId",
    "ImageName",
    "ResourceType",
    "ResourceId.1",
    "Tag.1.Key",
    "Tag.1.Value",
    "Tag",
    "Type",
    "CommandContent",
    "ContentEncoding",
    "Timeout",
    "DiskIds",
    "ProtectedFromScaleIn",
    "Async",
    "ClientToken",
    "RoleArn",
    "RoleSessionName",
    "DurationSeconds",
    "Policy",
    "LaunchTemplateId",
    "DefaultVersion",
    "SystemDisk.Size",
    "ExecutionId",
    "Parameters",
    "TemplateName",
    "TemplateContent",
    "Tags",
    "NotifyType",
    "TaskExecutionIds",
    "Status",
    "StartDateAfter",
    "RegionId",
    "ContainerGroupId",
    "ContainerGroupIds",
    "UpdateType",
    "ContainersUpdateType",
    "Container",
    "Container.1",
    "Container.1.Name",
    "Container.1.Image",
    "Container.1.Cpu",
    "Container.1.EnvironmentVar.1.Key",
    "Containers.1.Name",
    "Containers.1.Ports.1.Port",
    "TemplateNames",
    "SnapshotIds",
    "Limit",
    "LoadBalancerId",
    "VServerGroupId",
    "ServerGroupId",
    "ServerGroupIds.1",
    "ListenerId",
    "ListenerPort",
    "IncludeRule",
    "BackendServers",
    "Servers.1",
    "Servers.1.ServerId",
    "Servers.1.Port",
    "Servers.1.Weight",
    "RuleIds",
    "RuleId.1",
    "Page",
    "GroupId",
];

const VALUES: &[&str] = &[
    "asg-small",
    "i-small-01",
    "[\"i-small-01\"]",
    "",
    "0",
    "-1",
    "1",
    "100",
    "99999999999999999999",
    "true",
    "maybe",
    "[",
    "{}",
    "[[[[",
    "null",
    "ScaleIn",
    "m-1",
    "instance",
    "RunShellScript",
    "Base64",
    "中",
    "\u{0}",
    "acs:ram::1:role/x",
    "ab",
    "cn-hangzhou",
    "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
    "{\"scalingGroupId\":\"asg-small\",\"invokeType\":\"invoke\"}",
    "Approve",
    "asc-small",
    "asc-eci",
    "eci-1",
    "[\"eci-1\"]",
    "IncrementalUpdate",
    "RenewUpdate",
    "app",
    "configure_package,install,nginx",
    "lb-1",
    "rsp-1",
    "sgp-a",
    "lsn-alb-a",
    "rule-1",
    "[{\"ServerId\":\"i-small-01\",\"Port\":80,\"Weight\":0}]",
    "80",
];

/// The small scene with a group of type ECI, a package, load balancers and a rule.
fn scene() -> Cloud {
    cloud(&format!(
        "{}\npackages: [{{name: nginx}}]\nmetricRules: [{{ruleId: rule-1}}]",
        SMALL.replace(
            "    instances: {count: 3}",
            "    instances: {count: 3}\n    loadBalancerIds: [lb-1]\n    \
             albServerGroups: [{albServerGroupId: sgp-a, port: 80}]\n    \
             vServerGroups: [{loadBalancerId: lb-1, vServerGroupAttributes: [{vServerGroupId: rsp-1, port: 80}]}]"
        ).replace(
            "scalingGroups:\n",
            "scalingGroups:\n  - {scalingGroupId: asg-eci, groupType: ECI, containerGroups: {containerGroupId: eci-1}, \
             eciConfigurations: [{scalingConfigurationId: asc-eci, containers: [{Name: app, Image: x}]}]}\n"
        )
    ))
}

fn actions() -> Vec<(Service, &'static str)> {
    Service::ALL
        .into_iter()
        .flat_map(|service| {
            let names = ess_emulator::services::actions(service);
            names.into_iter().map(move |action| (service, action))
        })
        .collect()
}

fn published(service: Service, action: &str, old: bool) -> Vec<&'static str> {
    let api = match service {
        Service::Ess if old => Api::Ess2014,
        Service::Ess => Api::Ess2022,
        Service::Ecs => Api::Ecs,
        Service::Oos => Api::Oos,
        Service::Eci => Api::Eci,
        Service::Sts => Api::Sts,
        Service::Slb => Api::Slb,
        Service::Alb => Api::Alb,
        Service::Nlb => Api::Nlb,
        Service::Cms => Api::Cms,
    };
    api.parameters(action).unwrap_or_default().to_vec()
}

/// `Tag.1.Key` of `Tag.N.Key`.
fn first(path: &str) -> String {
    let parts = path
        .split('.')
        .map(|part| if part == "N" { "1" } else { part });
    parts.collect::<Vec<_>>().join(".")
}

fn params() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let pair = (prop::sample::select(NAMES), prop::sample::select(VALUES));
    prop::collection::vec(pair, 0..6)
}

fn unsigned(cloud: &mut Cloud, request: &Request) -> u16 {
    match handle(cloud, request, Timestamp::UNIX_EPOCH) {
        Outcome::Answer(response) => response.status,
        other => panic!("an answer was expected, not {other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_call_is_answered_by_a_server_error(
        calls in prop::collection::vec((prop::sample::select(actions()), params(), any::<bool>()), 1..6)
    ) {
        let mut cloud = scene();
        for ((service, action), params, old) in calls {
            let version = if old { EssVersion::V2014 } else { EssVersion::V2022 };
            let params: serde_json::Map<_, _> =
                params.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
            let shown = format!("{action} {params:?}");
            let result = Ask { version, ..Ask::default() }.call(&mut cloud, service, action, Value::Object(params));
            if let Err(error) = result {
                prop_assert!((400..500).contains(&error.status), "{shown}: {error:?}");
            }
            pass(&mut cloud, 100);
        }
    }

    /// Whatever the published parameters of an action are given.
    #[test]
    fn no_published_parameter_leads_to_a_server_error(
        calls in prop::collection::vec(
            (
                prop::sample::select(actions()),
                prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(VALUES)), 0..9),
                any::<bool>(),
            ),
            1..6,
        )
    ) {
        let mut cloud = scene();
        cloud.world.switches.unsupported_parameters = UnsupportedParameters::Ignore;
        for ((service, action), given, old) in calls {
            let version = if old { EssVersion::V2014 } else { EssVersion::V2022 };
            let known = published(service, action, old);
            let params: serde_json::Map<_, _> = given
                .into_iter()
                .filter(|_| !known.is_empty())
                .map(|(at, value)| (first(at.get::<&str>(&known)), json!(value)))
                .collect();
            let shown = format!("{action} {params:?}");
            let ask = Ask { version, ..Ask::default() };
            let result = ask.call(&mut cloud, service, action, Value::Object(params));
            if let Err(error) = result {
                prop_assert!((400..500).contains(&error.status), "{shown}: {error:?}");
            }
            pass(&mut cloud, 100);
        }
    }

    #[test]
    fn no_request_is_answered_by_a_server_error(
        method in "(GET|POST|PUT|\\PC{0,3})",
        query in "(Action=[a-zA-Z]{0,12}&Version=2014-08-28&)?(Signature=)?[ -~]{0,60}",
        headers in prop::collection::vec(
            ("(authorization|x-acs-action|x-acs-version|x-acs-date|host|content-type)", "(ACS3-HMAC-SHA256 )?(Credential=[a-z-]{0,9},)?(SignedHeaders=[a-z;-]{0,9},)?(Signature=[0-9a-f]{0,5})?\\PC{0,12}"),
            0..5,
        ),
        body in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut cloud = small("");
        let request = Request { method, path: "/".into(), query, headers, body };
        let status = unsigned(&mut cloud, &request);
        prop_assert!((400..500).contains(&status), "{request:?}: {status}");
    }
}
