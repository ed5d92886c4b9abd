//! A fixture made from an account, which an emulator stands for.

#![allow(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use ess_rollout_test_support::Emulator;
use serde_json::{Value, json};

/// What the import may at most.
const READS: &[&str] = &[
    "ess:DescribeScalingGroups",
    "ess:DescribeScalingConfigurations",
    "ess:DescribeEciScalingConfigurations",
    "ess:DescribeScalingInstances",
    "ess:DescribeLifecycleHooks",
    "ess:DescribeInstanceRefreshes",
    "ecs:DescribeInstances",
    "ecs:DescribeLaunchTemplates",
    "ecs:DescribeLaunchTemplateVersions",
    "ecs:DescribeImages",
    "eci:DescribeContainerGroups",
];

/// Words of the account that nobody else is to read, by what they are.
const PRIVATE: &[&str] = &[
    "web-of-acme",
    "acme-corp",
    "db-password-1",
    "cat /etc/shadow",
    "c2VjcmV0",
    "47.110.1.2",
    "acme-host",
    "1234567890123456",
    "acme-image",
    "acme-family",
    "acme-template",
    "acme-key",
    "i-acme",
    "asg-acme",
    "m-acme",
    "vpc-acme",
    "sg-acme",
    "rg-acme",
    "lb-acme",
    "lt-acme",
    "asc-acme",
    "registry.acme.example",
    "eci-acme",
    "rsp-acme",
    "sgp-acme",
    "7301",
];

fn fixture(allow: &[&str]) -> Value {
    let mut instances = vec![json!({
        "instanceId": "i-acme-first", "imageId": "m-acme-old", "osType": "windows", "status": "Stopped",
        "lifecycleState": "Standby", "creationType": "Attached", "name": "acme-corp", "hostName": "acme-host",
        "instanceType": "ecs.c7.xlarge", "zone": "k", "vpcId": "vpc-acme", "vSwitchId": "vsw-acme",
        "securityGroupIds": ["sg-acme-1", "sg-acme-2"], "publicIpAddress": "47.110.1.2", "resourceGroupId": "rg-acme",
        "deletionProtection": true, "tags": {"team": "acme-corp", "acs:autoscaling:scalingGroupId": "asg-acme-web"},
    })];
    // More than a page, and texts that YAML takes for something else.
    instances.push(json!({"count": 120, "idPrefix": "i-acme-many-", "vpcId": "vpc-acme", "vSwitchId": "vsw-acme", "securityGroupIds": ["sg-acme-1"], "loadBalancerWeight": 70,
        "lifecycleState": "Protected", "tags": {"note": "yes", "size": "1e3", "line": "a: b #c\n- d", "empty": ""}}));
    json!({
        "accountId": "1234567890123456",
        "regions": ["cn-hangzhou"],
        "startTime": "2026-05-01T08:00:00Z",
        "clockScale": 0.0,
        "principals": [
            {"name": "all", "accessKeyId": "all-key", "accessKeySecret": "all-secret", "allow": ["*"]},
            {"name": "reader", "accessKeyId": "reader-key", "accessKeySecret": "reader-secret", "allow": allow},
        ],
        "images": [
            {"imageId": "m-acme-old", "name": "acme-image-old", "family": "acme-family", "tags": {"team": "acme-corp"}},
            {"imageId": "m-acme-new", "name": "acme-image-new", "family": "acme-family", "status": "Deprecated", "size": 60},
            {"imageId": "aliyun_3_x64.vhd", "name": "aliyun_3", "ownerAlias": "system", "architecture": "arm64"},
            {"imageId": "m-acme-unused"},
        ],
        "launchTemplates": [{"launchTemplateId": "lt-acme", "name": "acme-template", "defaultVersion": 1, "versions": [
            {"version": 1, "imageId": "m-acme-old", "userData": "c2VjcmV0"},
            {"version": 2, "imageId": "aliyun_3_x64.vhd", "keyPairName": "acme-key"},
        ]}],
        "scalingGroups": [
            {"scalingGroupId": "asg-acme-web", "name": "web-of-acme", "minSize": 1, "maxSize": 200, "desiredCapacity": 121,
                "suspendedProcesses": ["HealthCheck", "ScaleIn"], "loadBalancerIds": ["lb-acme"],
                "vServerGroups": [{"loadBalancerId": "lb-acme", "vServerGroupAttributes": [{"vServerGroupId": "rsp-acme", "port": 8080, "weight": 70}]}],
                "albServerGroups": [{"albServerGroupId": "sgp-acme-web", "port": 8080}],
                "serverGroups": [{"serverGroupId": "sgp-acme-tcp", "type": "NLB", "port": 9000, "weight": 20}],
                "monitorGroupId": "7301", "resourceGroupId": "rg-acme",
                "tags": {"team": "acme-corp", "owner-1234567890123456": "x"},
                "configurations": [
                    {"scalingConfigurationId": "asc-acme-1", "imageId": "m-acme-old", "userData": "c2VjcmV0"},
                    {"scalingConfigurationId": "asc-acme-2", "imageId": "m-acme-new", "instanceType": "ecs.g8i.large",
                        "name": "web-of-acme-2", "keyPairName": "acme-key"},
                ],
                "activeScalingConfigurationId": "asc-acme-2",
                "lifecycleHooks": [{"lifecycleHookId": "ash-acme", "lifecycleTransition": "SCALE_OUT", "heartbeatTimeout": 60.0,
                    "defaultResult": "ABANDON"}],
                "instanceRefreshes": [{"instanceRefreshTaskId": "ir-acme", "status": "Paused"},
                    {"instanceRefreshTaskId": "ir-acme-old", "status": "Successful"}],
                "instances": instances},
            {"scalingGroupId": "asg-acme-lt", "enabled": false, "launchTemplateId": "lt-acme", "launchTemplateVersion": "Latest",
                "instances": {"count": 3, "vpcId": "vpc-acme", "vSwitchId": "vsw-acme", "securityGroupIds": ["sg-acme-1"]}},
            {"scalingGroupId": "asg-acme-eci", "groupType": "ECI", "eciConfigurations": [
                {"scalingConfigurationId": "asc-acme-eci", "cpu": 4.0, "memory": 8.0, "restartPolicy": "OnFailure", "containers": [
                    {"Name": "web-of-acme", "Image": "registry.acme.example/shop:v1", "Cpu": 1, "Memory": 2,
                        "Port": [{"Port": 80, "Protocol": "TCP"}], "Command": ["cat /etc/shadow"],
                        "EnvironmentVar": [{"Key": "PASSWORD", "Value": "db-password-1"}]},
                    {"Name": "proxy", "Image": "registry.acme.example/proxy:v1"}]}],
                "containerGroups": [{"count": 22, "tags": {"team": "acme-corp"}}, {"containerGroupId": "eci-acme-one",
                    "status": "Failed", "lifecycleState": "Standby",
                    "containers": [{"Name": "web-of-acme", "Image": "registry.acme.example/shop:v0"}]}]},
            // Not of this account.
            {"scalingGroupId": "asg-of-others", "accountId": "2222222222222222",
                "configurations": [{"scalingConfigurationId": "asc-of-others", "imageId": "m-x"}]},
        ],
    })
}

fn start(directory: &Path, fixture: &Value) -> Emulator {
    let file = directory.join("account.yaml");
    std::fs::write(&file, fixture.to_string()).unwrap();
    Emulator::start(&file).unwrap()
}

fn import(emulator: &Emulator, flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ess-emulator"))
        .args(["import", "--region=cn-hangzhou", "--rate=1000"])
        .arg(format!("--endpoint=all={}", emulator.endpoint()))
        .args(flags)
        .env_clear()
        .env("ALIBABA_CLOUD_ACCESS_KEY_ID", "reader-key")
        .env("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "reader-secret")
        .output()
        .unwrap()
}

/// The file that it wrote, and what it said.
fn imported(emulator: &Emulator, directory: &Path, flags: &[&str]) -> (PathBuf, String) {
    let file = directory.join("imported.yaml");
    let output = import(
        emulator,
        &[&["--output", file.to_str().unwrap()], flags].concat(),
    );
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    (file, said)
}

/// What an import leaves out, and times.
const LEFT_OUT: &[&str] = &[
    "RequestId",
    "CreationTime",
    "CreatedTime",
    "CreateTime",
    "ModificationTime",
    "StartTime",
    "UserData",
    "PublicIpAddress",
    "PrivateIpAddress",
    "IntranetIp",
    "Commands",
    "Args",
    "EnvironmentVars",
    "CurrentState",
    "PreviousState",
];

fn stripped(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            members.retain(|name, _| !LEFT_OUT.contains(&name.as_str()));
            for member in members.values_mut() {
                *member = stripped(member.take());
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| *item = stripped(item.take())),
        _ => {}
    }
    value
}

/// What the services answer.
async fn described(
    emulator: &Emulator,
    principal: &str,
    group: &str,
    template: &str,
) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    for (service, action, params) in [
        ("ESS", "DescribeScalingGroups", json!({"PageSize": "50"})),
        (
            "ESS",
            "DescribeScalingConfigurations",
            json!({"PageSize": "50"}),
        ),
        ("ESS", "DescribeEciScalingConfigurations", json!({})),
        (
            "ESS",
            "DescribeScalingInstances",
            json!({"PageSize": "100"}),
        ),
        (
            "ESS",
            "DescribeScalingInstances",
            json!({"PageSize": "100", "PageNumber": "2"}),
        ),
        ("ECS", "DescribeInstances", json!({"PageSize": "100"})),
        (
            "ECS",
            "DescribeInstances",
            json!({"PageSize": "100", "PageNumber": "2"}),
        ),
        (
            "ECS",
            "DescribeImages",
            json!({"Status": "Available,Deprecated", "Usage": "instance"}),
        ),
        ("ECS", "DescribeLaunchTemplates", json!({})),
        (
            "ECS",
            "DescribeLaunchTemplateVersions",
            json!({"LaunchTemplateId": template}),
        ),
        ("ECI", "DescribeContainerGroups", json!({})),
        (
            "ESS",
            "DescribeInstanceRefreshes",
            json!({"ScalingGroupId": group}),
        ),
        ("ESS", "DescribeLifecycleHooks", json!({})),
    ] {
        let mut params = params;
        params["RegionId"] = json!("cn-hangzhou");
        let answer = emulator
            .call_as(principal, service, action, &params)
            .await
            .unwrap();
        all.push((format!("{action} {params}"), stripped(answer)));
    }
    all
}

/// The answer with each text that is not a word of the API replaced by when it first came: what is the same stays the same.
fn anonymous(value: &Value, words: &mut Vec<String>) -> Value {
    match value {
        Value::String(text) => {
            let at = words.iter().position(|known| known == text);
            json!(at.unwrap_or_else(|| {
                words.push(text.clone());
                words.len() - 1
            }))
        }
        Value::Array(items) => items.iter().map(|item| anonymous(item, words)).collect(),
        Value::Object(members) => {
            let members = members.iter();
            members
                .map(|(name, member)| (name.clone(), anonymous(member, words)))
                .collect()
        }
        other => other.clone(),
    }
}

#[tokio::test]
async fn what_is_imported_answers_as_the_account_did() {
    let directory = tempfile::tempdir().unwrap();
    let account = start(directory.path(), &fixture(READS));
    let (file, said) = imported(&account, directory.path(), &["--keep-names"]);
    for part in [
        "this reads and changes nothing",
        "- ecs:DescribeImages",
        "3 groups with 147 members",
        "not imported: scaling rules",
    ] {
        assert!(said.contains(part), "{part} is not in {said}");
    }
    // Nothing but reads, within what was granted, and far fewer than instances.
    let calls = account.calls().await.unwrap();
    assert!(calls.len() < 30, "{} calls", calls.len());
    for call in &calls {
        let action = call["action"].as_str().unwrap();
        assert!(
            action.starts_with("Describe") || action == "GetCallerIdentity",
            "{call}"
        );
        assert_eq!(call["code"], "OK", "{call}");
    }
    let text = std::fs::read_to_string(&file).unwrap();
    for secret in [
        "db-password-1",
        "cat /etc/shadow",
        "c2VjcmV0",
        "47.110.1.2",
        "1234567890123456",
        "asg-of-others",
    ] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    for part in [
        "# Not imported: scaling rules",
        "rsp-acme",
        "sgp-acme-web",
        "sgp-acme-tcp",
        "7301",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    let imported = Emulator::start(&file).unwrap();
    let old = described(&account, "all", "asg-acme-web", "lt-acme").await;
    let new = described(&imported, "rehearsal", "asg-acme-web", "lt-acme").await;
    for ((call, mut old), (_, new)) in old.into_iter().zip(new) {
        if call.starts_with("DescribeInstanceRefreshes") {
            // Those that have ended are not under way.
            old["InstanceRefreshTasks"]
                .as_array_mut()
                .unwrap()
                .retain(|task| task["Status"] == "Paused");
            old["TotalCount"] = json!(1);
        }
        // Whose account it is stays out of the file.
        let of_account = |answer: &Value, id: &str| -> Value {
            let text = answer.to_string().replace(id, "ACCOUNT");
            serde_json::from_str(&text).unwrap()
        };
        let old = of_account(&old, "1234567890123456");
        assert_eq!(old, of_account(&new, "1000000000000001"), "{call}");
    }
}

#[tokio::test]
async fn names_are_replaced_and_what_belongs_together_still_does() {
    let directory = tempfile::tempdir().unwrap();
    let account = start(directory.path(), &fixture(READS));
    let (file, said) = imported(&account, directory.path(), &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    for private in PRIVATE {
        assert!(!text.contains(private), "{private} is in {text}");
    }
    assert!(
        text.contains("aliyun_3_x64.vhd") && text.contains("ecs.c7.xlarge"),
        "{text}"
    );
    assert!(!said.contains("could not be read"), "{said}");
    let fixture: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = fixture["scalingGroups"].as_array().unwrap();
    let by_size = |size: usize| {
        let mut groups = groups.iter();
        groups
            .find(|g| g["instances"].as_array().is_some_and(|i| i.len() == size))
            .unwrap()
    };
    let web = by_size(121);
    let first = web["instances"].as_array().unwrap();
    let first = first
        .iter()
        .find(|i| i["publicIpAddress"].is_string())
        .unwrap();
    assert_eq!(
        first["tags"]["acs:autoscaling:scalingGroupId"],
        web["scalingGroupId"]
    );
    assert_eq!(first["tags"]["team"], web["tags"]["team"]);
    assert_eq!(first["resourceGroupId"], web["resourceGroupId"]);
    assert_eq!(first["imageId"], web["configurations"][0]["imageId"]);

    let imported = Emulator::start(&file).unwrap();
    let group = web["scalingGroupId"].as_str().unwrap();
    let template = by_size(3)["launchTemplateId"].as_str().unwrap();
    let old = described(&account, "all", "asg-acme-web", "lt-acme").await;
    let new = described(&imported, "rehearsal", group, template).await;
    // Ids are others, so lists may be in another order; what was the same in two places must be so still.
    let shape = |answers: Vec<(String, Value)>| {
        let (mut words, mut members) = (Vec::new(), 0);
        for (_, answer) in answers
            .iter()
            .filter(|(call, _)| !call.starts_with("DescribeInstanceRefreshes"))
        {
            members += anonymous(answer, &mut words)
                .to_string()
                .matches(':')
                .count();
        }
        (words.len(), members)
    };
    assert_eq!(shape(old), shape(new));
}

#[tokio::test]
async fn what_must_not_be_read_is_named_and_the_rest_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let may: Vec<&str> = READS
        .iter()
        .copied()
        .filter(|a| !["ecs:DescribeImages", "eci:DescribeContainerGroups"].contains(a))
        .collect();
    let account = start(directory.path(), &fixture(&may));
    let throttle = json!({"service": "ESS", "action": "DescribeScalingInstances", "count": 2, "effect": {"kind": "throttle"}});
    account.add_fault(&throttle).await.unwrap();
    let (file, said) = imported(
        &account,
        directory.path(),
        &["--groups", "asg-acme-web,asg-acme-eci"],
    );
    let text = std::fs::read_to_string(&file).unwrap();
    for line in [
        "images: ecs:DescribeImages was refused, Forbidden.RAM",
        "container groups: eci:DescribeContainerGroups was refused, Forbidden.RAM",
    ] {
        assert!(
            said.contains(&format!("could not be read: {line}")),
            "{said}"
        );
        assert!(
            text.contains(&format!("# Could not be read: {line}\n")),
            "{text}"
        );
    }
    let fixture: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = fixture["scalingGroups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{text}");
    assert!(
        groups
            .iter()
            .any(|g| g["instances"].as_array().is_some_and(|i| i.len() == 121))
    );
    // An update names an image, which must be there.
    assert!(
        fixture["images"]
            .as_array()
            .is_some_and(|images| images.len() == 2),
        "{text}"
    );

    let unknown = import(&account, &["--groups", "asg-acme-web,asg-nowhere"]);
    let said = String::from_utf8(unknown.stderr).unwrap();
    assert!(!unknown.status.success() && unknown.stdout.is_empty());
    assert!(
        said.contains("there is no scaling group asg-nowhere"),
        "{said}"
    );
}
