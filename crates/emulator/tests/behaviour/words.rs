//! Flags and words that the APIs do not have are refused; nothing becomes false or matches nothing in
//! silence.

use ess_emulator::state::call::Service;
use serde_json::{Value, json};

use crate::support::{Ask, ess, small};

/// A scene with something of everything that is asked for.
const MORE: &str = "
loadBalancers:
  - {loadBalancerId: lb-1}
  - {loadBalancerId: alb-1, type: ALB, listeners: [{port: 80, serverGroupId: sgp-1}]}
";

fn refusal(service: Service, action: &str, params: &Value) -> Option<(String, String)> {
    let mut cloud = small(MORE);
    let answer = Ask::default().call(&mut cloud, service, action, params.clone());
    answer.err().map(|error| (error.code, error.message))
}

#[test]
fn words_that_an_api_does_not_have_are_refused() {
    use Service::{Alb, Eci, Ecs, Ess, Slb};
    let group = "asg-small";
    for (service, action, params, name) in [
        (
            Ess,
            "DescribeScalingGroups",
            json!({"GroupType": "EC2"}),
            "GroupType",
        ),
        (
            Ess,
            "DescribeScalingInstances",
            json!({"HealthStatus": "healthy"}),
            "HealthStatus",
        ),
        (
            Ess,
            "DescribeScalingInstances",
            json!({"CreationTypes.1": "Manual"}),
            "CreationType",
        ),
        (
            Ess,
            "DescribeScalingActivities",
            json!({"ScalingGroupId": group, "StatusCode": "Succeeded"}),
            "StatusCode",
        ),
        (
            Ess,
            "DescribeScalingRules",
            json!({"ScalingRuleType": "Simple"}),
            "ScalingRuleType",
        ),
        (
            Ess,
            "DescribeAlarms",
            json!({"MetricType": "own"}),
            "MetricType",
        ),
        (
            Ess,
            "DescribeLifecycleActions",
            json!({"ScalingActivityId": "asa-1", "LifecycleActionStatus": "Done"}),
            "LifecycleActionStatus",
        ),
        (
            Ess,
            "ModifyScalingGroup",
            json!({"ScalingGroupId": group, "RemovalPolicies.1": "Oldest"}),
            "RemovalPolicies",
        ),
        (
            Ess,
            "ModifyScalingGroup",
            json!({"ScalingGroupId": group, "HealthCheckTypes.1": "PING"}),
            "HealthCheckTypes",
        ),
        (
            Ess,
            "ModifyScalingGroup",
            json!({"ScalingGroupId": group, "AllocationStrategy": "cheap"}),
            "AllocationStrategy",
        ),
        (
            Ess,
            "ModifyScalingConfiguration",
            json!({"ScalingConfigurationId": "asc-small", "Tenancy": "shared"}),
            "Tenancy",
        ),
        (
            Ess,
            "ModifyScalingConfiguration",
            json!({"ScalingConfigurationId": "asc-small", "DataDisks.1.Category": "fast"}),
            "DataDisk.N.Category",
        ),
        (
            Ecs,
            "DescribeInstances",
            json!({"Status": "running"}),
            "Status",
        ),
        (
            Ecs,
            "DescribeInstances",
            json!({"InstanceChargeType": "Free"}),
            "InstanceChargeType",
        ),
        (
            Ecs,
            "DescribeInstances",
            json!({"IoOptimized": "yes"}),
            "IoOptimized",
        ),
        (
            Ecs,
            "DescribeDisks",
            json!({"DiskType": "root"}),
            "DiskType",
        ),
        (Ecs, "DescribeDisks", json!({"Status": "InUse"}), "Status"),
        (
            Ecs,
            "DescribeImages",
            json!({"Status": "Available,Gone"}),
            "Status",
        ),
        (
            Ecs,
            "DescribeImages",
            json!({"ImageOwnerAlias": "me"}),
            "ImageOwnerAlias",
        ),
        (Ecs, "DescribeImages", json!({"OSType": "bsd"}), "OSType"),
        (
            Ecs,
            "DescribeSnapshots",
            json!({"Status": "done"}),
            "Status",
        ),
        (
            Ecs,
            "DescribeSnapshots",
            json!({"SourceDiskType": "root"}),
            "SourceDiskType",
        ),
        (
            Ecs,
            "DescribeInvocations",
            json!({"InvokeStatus": "Finish"}),
            "InvokeStatus",
        ),
        (
            Ecs,
            "DescribeInvocations",
            json!({"CommandType": "Shell"}),
            "CommandType",
        ),
        (
            Ecs,
            "DescribeSendFileResults",
            json!({"InvocationStatus": "Ok"}),
            "InvocationStatus",
        ),
        (Ecs, "DescribeCommands", json!({"Type": "Shell"}), "Type"),
        (Ecs, "DescribeTags", json!({"Category": "own"}), "Category"),
        (
            Ecs,
            "ListTagResources",
            json!({"ResourceType": "instance", "TagFilter.1.TagValues.1": "x"}),
            "TagFilter.1.TagKey",
        ),
        (
            Eci,
            "DescribeContainerGroups",
            json!({"Status": "running"}),
            "Status",
        ),
        (
            Slb,
            "DescribeLoadBalancers",
            json!({"LoadBalancerStatus": "on"}),
            "LoadBalancerStatus",
        ),
        (
            Slb,
            "DescribeHealthStatus",
            json!({"LoadBalancerId": "lb-1", "ListenerProtocol": "quic"}),
            "ListenerProtocol",
        ),
        (
            Slb,
            "SetBackendServers",
            json!({"LoadBalancerId": "lb-1", "BackendServers": "[{\"ServerId\":\"i-small-01\",\"Wieght\":1}]"}),
            "Wieght",
        ),
        (
            Alb,
            "ListLoadBalancers",
            json!({"LoadBalancerStatus": "active"}),
            "LoadBalancerStatus",
        ),
        (
            Alb,
            "ListServerGroups",
            json!({"ServerGroupType": "Instances"}),
            "ServerGroupType",
        ),
        (
            Alb,
            "ListListeners",
            json!({"ListenerProtocol": "TCP"}),
            "ListenerProtocol",
        ),
    ] {
        let refused = refusal(service, action, &params);
        let (code, message) = refused.unwrap_or_else(|| panic!("{action} {params} is taken"));
        assert!(
            ["InvalidParameter", "MissingParameter"].contains(&code.as_str()),
            "{action} {params}: {code}"
        );
        assert!(message.contains(name), "{action} {params}: {message}");
    }
}

#[test]
fn flags_are_true_or_false_in_any_case_of_letters_and_nothing_else() {
    use Service::{Eci, Ecs, Ess};
    for (service, action, params, name) in [
        (
            Ess,
            "ModifyScalingConfiguration",
            json!({"ScalingConfigurationId": "asc-small", "DataDisks.1.Size": 40, "DataDisks.1.DeleteWithInstance": "FLAG"}),
            "DeleteWithInstance",
        ),
        (
            Ess,
            "ModifyScalingConfiguration",
            json!({"ScalingConfigurationId": "asc-small", "DataDisks.1.Size": 40, "DataDisks.1.Encrypted": "FLAG"}),
            "Encrypted",
        ),
        (
            Ess,
            "TagResources",
            json!({"ResourceType": "scalinggroup", "ResourceIds.1": "asg-small", "Tags.1.Key": "a",
                "Tags.1.Value": "b", "Tags.1.Propagate": "FLAG"}),
            "Propagate",
        ),
        (
            Ecs,
            "RunInstances",
            json!({"ImageId": "m-1", "InstanceType": "ecs.g7.large", "DataDisk.1.Size": 40,
                "DataDisk.1.DeleteWithInstance": "FLAG"}),
            "DeleteWithInstance",
        ),
        (
            Ecs,
            "DescribeDisks",
            json!({"Encrypted": "FLAG"}),
            "Encrypted",
        ),
        (
            Eci,
            "DescribeContainerGroups",
            json!({"WithEvent": "FLAG"}),
            "WithEvent",
        ),
    ] {
        let with = |flag: &str| {
            let text = params.to_string().replace("FLAG", flag);
            refusal(service, action, &serde_json::from_str(&text).unwrap())
        };
        for bad in ["yes", "1", "on", "tru"] {
            let (code, message) = with(bad).unwrap_or_else(|| panic!("{action}: {bad} is taken"));
            assert_eq!(code, "InvalidParameter", "{action} {bad}");
            assert!(message.contains(name), "{action}: {message}");
        }
        for good in ["true", "False", "TRUE"] {
            assert_eq!(with(good), None, "{action} {good}");
        }
    }
}

#[test]
fn a_price_that_is_no_number_is_refused() {
    let mut cloud = small("");
    for (limit, taken) in [("0.5", true), ("cheap", false), ("-1", false)] {
        let ask = json!({"ScalingConfigurationId": "asc-small", "SpotPriceLimits.1.InstanceType": "ecs.g7.large",
            "SpotPriceLimits.1.PriceLimit": limit});
        let answer = ess(&mut cloud, "ModifyScalingConfiguration", ask);
        assert_eq!(answer.is_ok(), taken, "{limit}: {answer:?}");
    }
}

/// What is refused for a parameter that is looked at last has not been done by then.
#[test]
fn a_call_that_is_refused_has_changed_nothing() {
    use Service::{Ecs, Ess};
    let mut cloud = small("");
    let one = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    let with = |more: Value| {
        let mut params = one.clone();
        let more = more.as_object().unwrap().clone();
        params.as_object_mut().unwrap().extend(more);
        params
    };
    let state = |cloud: &mut _| crate::support::control(cloud, "GET", "state", Value::Null).1;
    ess(&mut cloud, "EnterStandby", with(json!({}))).unwrap();
    let before = state(&mut cloud);
    for (service, action, params) in [
        (Ess, "ExitStandby", with(json!({"Async": "maybe"}))),
        (
            Ess,
            "EnterStandby",
            json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-02", "Async": "maybe"}),
        ),
        (
            Ecs,
            "RunCommand",
            json!({"Type": "RunShellScript", "CommandContent": "true", "InstanceId.1": "i-small-02",
                "Tag.1.Key": "acs:mine", "Tag.1.Value": "x"}),
        ),
        (Ecs, "StartInstance", json!({"InstanceId": "i-small-02"})),
    ] {
        let answer = Ask::default().call(&mut cloud, service, action, params);
        assert!(answer.is_err(), "{action}");
        assert_eq!(state(&mut cloud), before, "{action}");
    }
}
