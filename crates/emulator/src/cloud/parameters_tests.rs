//! Each action reads the parameters that it says it honours, and no other.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Cloud;
use crate::api::{Api, covers};
use crate::fixture::Fixture;
use crate::oos::Caller;
use crate::params::{Params, nest, reads};
use crate::services::args::plural;
use crate::services::{self, parameters};
use crate::state::call::{Call, EssVersion, Outcome, Service};

const ACCOUNT: &str = "1000000000000001";

/// A scene that has one of everything.
const SCENE: &str = r#"
startTime: 2026-01-05T08:00:00Z
accountId: "1000000000000001"
regions: [cn-hangzhou]
principals:
  - {name: admin, accessKeyId: k, accessKeySecret: s, allow: ["*"]}
roles:
  - {name: r, trustsAccounts: ["1000000000000001"], trustsOidc: [p], allow: ["*"]}
oidcProviders:
  - {name: p, issuer: https://oidc.example, tokens: [{token: token}]}
images:
  - {imageId: m-1, family: f}
launchTemplates:
  - {launchTemplateId: lt-1, versions: [{version: 1, imageId: m-1}]}
packages: [{name: nginx}]
scalingGroups:
  - scalingGroupId: asg-1
    tags: {k: v}
    configurations: [{scalingConfigurationId: asc-1, imageId: m-1}]
    lifecycleHooks: [{lifecycleHookId: lh-1, lifecycleTransition: SCALE_OUT}]
    instanceRefreshes: [{instanceRefreshTaskId: ir-1}]
    scalingRules: [{scalingRuleId: asr-1, adjustmentType: TotalCapacity, adjustmentValue: 1}]
    instances: {instanceId: i-1, tags: {k: v}, packages: {nginx: v1}}
    loadBalancerIds: [lb-1]
    vServerGroups: [{loadBalancerId: lb-1, vServerGroupAttributes: [{vServerGroupId: rsp-1, port: 80}]}]
    albServerGroups: [{albServerGroupId: sgp-1, port: 80}]
    serverGroups: [{serverGroupId: sgp-2, type: NLB, port: 80}]
    monitorGroupId: "1"
  - scalingGroupId: asg-off
    enabled: false
    configurations: [{scalingConfigurationId: asc-off, imageId: m-1}]
  - scalingGroupId: asg-2
    configurations: [{scalingConfigurationId: asc-2, imageId: m-1}]
    instances: {instanceId: i-2, lifecycleState: Standby}
  - scalingGroupId: asg-eci
    groupType: ECI
    eciConfigurations: [{scalingConfigurationId: asc-eci, containers: [{Name: app, Image: x}]}]
    containerGroups: {containerGroupId: eci-1}
instances:
  - {instanceId: i-off, imageId: m-1, status: Stopped}
  - {instanceId: i-free, imageId: m-1}
metricRules: [{ruleId: rule-1}]
alarms: [{alarmTaskId: asg-alarm-1, scalingGroupId: asg-1}]
disks:
  - {diskId: d-free}
  - {diskId: d-data, instanceId: i-1}
  - {diskId: d-off, instanceId: i-off}
snapshots:
  - {snapshotId: s-free, diskId: d-free}
  - {snapshotId: s-system, instanceId: i-1}
"#;

/// A template without a call: what it reads would count as read by the action that runs it.
const TEMPLATE: &str = r#"{"FormatVersion": "OOS-2019-06-01", "Parameters": {"p": {"Type": "String", "Default": ""}},
"Tasks": [{"Name": "wait", "Action": "ACS::Pause", "Properties": {}}]}"#;
/// One that suspends upon failure.
const FAILING: &str = r#"{"FormatVersion": "OOS-2019-06-01",
"Tasks": [{"Name": "fail", "Action": "ACS::ExecuteAPI", "Properties": {"Service": "none", "API": "None"}}]}"#;

/// Numbers that look random, the same in each run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % sides
    }
}

struct Scene {
    cloud: Cloud,
    /// An execution that waits, one that failed, and the task that did.
    ids: [String; 3],
    /// A command that is kept.
    command: String,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self {
            cloud: Cloud::new(&Fixture::parse(SCENE).unwrap()).unwrap(),
            ids: Default::default(),
            command: String::new(),
        };
        let made = json!({"Name": "c", "Type": "RunShellScript", "CommandContent": "dHJ1ZQ=="});
        let made = scene.call(Api::Ecs, "CreateCommand", made).unwrap();
        made["CommandId"]
            .as_str()
            .unwrap()
            .clone_into(&mut scene.command);
        let saved = json!({"TemplateName": "mine", "Content": TEMPLATE, "Tags": "{\"k\":\"v\"}"});
        scene.call(Api::Oos, "CreateTemplate", saved).unwrap();
        let kept = json!({"Name": "kept", "Type": "String", "Value": "v"});
        scene.call(Api::Oos, "CreateParameter", kept).unwrap();
        let kept = json!({"Name": "kept", "Value": "hidden"});
        scene.call(Api::Oos, "CreateSecretParameter", kept).unwrap();
        for (at, content) in [(0, TEMPLATE), (1, FAILING)] {
            let start = json!({"TemplateContent": content, "Mode": "FailurePause"});
            let answer = scene.call(Api::Oos, "StartExecution", start).unwrap();
            scene.ids[at] = answer["Execution"]["ExecutionId"]
                .as_str()
                .unwrap()
                .to_owned();
        }
        let later = scene.cloud.now() + jiff::SignedDuration::from_secs(60);
        scene.cloud.advance_to(later);
        let failed = json!({"ExecutionId": scene.ids[1]});
        let tasks = scene.call(Api::Oos, "ListTaskExecutions", failed).unwrap();
        let id = &tasks["TaskExecutions"][0]["TaskExecutionId"];
        scene.ids[2] = id.as_str().unwrap().to_owned();
        scene
    }

    fn call(&mut self, api: Api, action: &str, params: Value) -> Result<Value, String> {
        let service = service_of(api);
        let mut params = params.as_object().unwrap().clone();
        params.insert("RegionId".into(), json!("cn-hangzhou"));
        let call = Call {
            caller: Caller {
                principal: "admin".into(),
                account_id: ACCOUNT.into(),
            },
            region: "cn-hangzhou".into(),
            service,
            action: action.into(),
            version: if api == Api::Ess2014 {
                EssVersion::V2014
            } else {
                EssVersion::V2022
            },
            params: nest(&params),
            by_oos: false,
            wall_now: self.cloud.now(),
        };
        match self.cloud.call(call) {
            Outcome::Answered(result) => result.map_err(|e| format!("{}: {}", e.code, e.message)),
            other => panic!("an answer was expected, not {other:?}"),
        }
    }

    /// A value that a parameter may have.
    fn value(&self, action: &str, path: &str, dice: &mut Dice) -> String {
        let [waiting, failed, task] = &self.ids;
        let name = path.split('.').rfind(|part| *part != "N").unwrap();
        let eci = action.contains("Eci") || action.contains("Container");
        let stored = action.contains("Parameter");
        let choices: &[&str] = match name.trim_end_matches('s') {
            "BackendServer" => &[r#"[{"ServerId": "i-1", "Port": 80}]"#],
            "LoadBalancerId" if path == "LoadBalancerIds" => &["[\"lb-1\"]"],
            "LoadBalancerId" => &["lb-1"],
            "LoadBalancerStatu" => &["active", "Active"],
            "VServerGroupId" => &["rsp-1"],
            "ServerGroupId" => &["sgp-1", "sgp-2"],
            "ListenerId" => &["lsn-alb-1", "lsn-nlb-2"],
            "ListenerPort" | "Port" if action.contains("Server") || action.contains("Health") => {
                &["80"]
            }
            "ServerId" => &["i-1"],
            "ServerType" => &["Ecs"],
            "Weight" => &["1"],
            "RuleId" => &["rule-1"],
            "AlertState" | "State" if action.contains("Rule") || action.contains("Alarm") => {
                &["OK"]
            }
            "AlarmTaskId" => &["asg-alarm-1"],
            "EventType" => &["TRIGGERED"],
            "StartTime" if action == "DescribeAlertLogList" => &["1767600000000"],
            "EndTime" if action == "DescribeAlertLogList" => &["1767600060000"],
            "Name" if path == "Names" => &["[\"kept\"]"],
            "Name" if stored && action.starts_with("Create") => &["fresh"],
            "Name" if stored => &["kept"],
            "Type" if stored && action.contains("Secret") => &["Secret"],
            "Type" if stored => &["String"],
            "Constraint" => &["{}"],
            "SortField" if stored => &["Name"],
            "ScalingGroupId" if action == "EnableScalingGroup" => &["asg-off"],
            "ScalingGroupId" if ["ExitStandby", "StartInstanceRefresh"].contains(&action) => {
                &["asg-2"]
            }
            "ScalingGroupId" => &["asg-1"],
            "InstanceId" if action == "ExitStandby" => &["i-2"],
            "InstanceId" if action == "ReplaceSystemDisk" => &["i-off"],
            "ActiveScalingConfigurationId" if action == "EnableScalingGroup" => &["asc-off"],
            "ScalingRuleId" => &["asr-1"],
            "ScalingRuleAri" => &["ari:acs:ess:cn-hangzhou:1000000000000001:scalingrule/asr-1"],
            "AzBalance" | "CompensateWithOnDemand" | "SpotAutoReplaceOnDemand" => &["true"],
            "SpotInstanceRemedy" | "DeletionProtection" | "GroupDeletionProtection" => &["true"],
            "PasswordInherit" | "UniqueSuffix" | "Entrusted" | "LifecycleHook" => &["true"],
            "IgnoreInvalidInstance" | "DecreaseDesiredCapacity" | "ShowAlarmRule" => &["true"],
            "InternetMaxBandwidthIn" | "InternetMaxBandwidthOut" | "SpotDuration" => &["1"],
            "MaxInstanceLifetime" | "OnDemandBaseCapacity" | "SpotInstancePool" => &["1"],
            "OnDemandPercentageAboveBaseCapacity" | "MinSize" | "MinAmount" => &["1"],
            "AdjustmentValue" | "MinAdjustmentMagnitude" | "RetentionDay" => &["1"],
            "MaxSize" | "DesiredCapacity" | "Amount" => &["2"],
            "StopInstanceTimeout" | "DefaultCooldown" | "Cooldown" => &["60"],
            "HeartbeatTimeout" | "heartbeatTimeout" | "LoadBalancerWeight" => &["60"],
            "HealthCheckType" => &["ECS"],
            "HealthStatu" => &["Unhealthy"],
            "MultiAZPolicy" => &["PRIORITY"],
            "ScalingPolicy" => &["recycle"],
            "AdjustmentType" => &["QuantityChangeInCapacity"],
            "ScalingRuleType" => &["SimpleScalingRule"],
            "LifecycleTransition" => &["SCALE_IN"],
            "DefaultResult" => &["CONTINUE"],
            "LifecycleHookStatu" => &["Active"],
            "lifecycleHookId" => &["lh-1"],
            "CreditSpecification" => &["Standard"],
            "SpotStrategy" => &["NoSpot"],
            "IoOptimized" => &["optimized"],
            "InternetChargeType" => &["PayByTraffic"],
            "GroupType" => &["ECS"],
            "InstanceId" if ["AttachInstances", "EnableScalingGroup"].contains(&action) => {
                &["i-free"]
            }
            "InstanceId" if action == "ModifyInstanceSpec" => &["i-off"],
            "LaunchTemplateName" => &["lt-1"],
            "DiskName" | "SnapshotName" => &["name"],
            "Cpu" | "Memory" => &["2"],
            "Size" | "NewSize" => &["100"],
            "DiskId" if path == "DiskIds" => &["[\"d-free\"]"],
            "DiskId" if action == "DetachDisk" => &["d-data"],
            "DiskId" if action == "ReInitDisk" => &["d-off"],
            "DiskId" => &["d-free"],
            "SnapshotId" if path == "SnapshotIds" => &["[\"s-free\"]"],
            "SnapshotId" if action == "CreateImage" => &["s-system"],
            "SnapshotId" => &["s-free"],
            "Encrypted" | "Portable" | "DeleteWithInstance" => &["true"],
            "DeleteAutoSnapshot" | "EnableAutoSnapshot" => &["true"],
            "DiskCategory" => &["cloud_essd"],
            "Category" if action.ends_with("Snapshot") || action.ends_with("Snapshots") => {
                &["standard"]
            }
            "Category" if action == "DescribeTags" => &["custom"],
            "Category" => &["cloud_essd"],
            "PerformanceLevel" => &["PL1"],
            "DestinationRegionId" => &["cn-hangzhou"],
            "DestinationImageName" => &["image-2"],
            "Statu" if action == "ModifyImageAttribute" => &["Deprecated"],
            "CommandId" => return self.command.clone(),
            "CommandContent" if action == "ModifyCommand" => &["dHJ1ZQ=="],
            "Content" if action == "SendFile" => &["text"],
            "ContentType" => &["PlainText"],
            "FileMode" => &["0644"],
            "Timeout" => &["60"],
            "Type" if action == "ResizeDisk" => &["online"],
            "Server" | "UserName" | "Password" => &["x"],
            "InstanceId" if path == "InstanceIds" => &["[\"i-1\"]"],
            "InstanceId" => &["i-1"],
            "ResourceId" if path == "ResourceIds" => &["[\"mine\"]"],
            "ResourceId" if action == "DescribeTags" => &["i-1"],
            "ResourceId" => &["i-1", "asg-1"],
            "ResourceType" => &["instance", "scalinggroup", "template"],
            "ScalingConfigurationId" if eci => &["asc-eci"],
            "ScalingConfigurationId" | "ActiveScalingConfigurationId" => &["asc-1"],
            "LaunchTemplateId" => &["lt-1"],
            "LaunchTemplateVersion" => &["1"],
            "LifecycleHookId" => &["lh-1"],
            "InstanceRefreshTaskId" => &["ir-1"],
            "ContainerGroupId" if path == "ContainerGroupIds" => &["[\"eci-1\"]"],
            "ContainerGroupId" => &["eci-1"],
            "ImageId" | "SourceImageId" => &["m-1"],
            "ExecutionId" if path == "ExecutionIds" => return format!("[\"{failed}\"]"),
            "ExecutionId" if action == "NotifyExecution" => return failed.clone(),
            "ExecutionId" | "ParentExecutionId" => return waiting.clone(),
            "TaskExecutionId" if path == "TaskExecutionIds" => return format!("[\"{task}\"]"),
            "TaskExecutionId" => return task.clone(),
            "NotifyType" => &["RetryTask", "SkipTask", "Approve"],
            "TemplateName" if path == "TemplateNames" => &["[\"mine\"]"],
            "TemplateName" if action == "CreateTemplate" => &["other"],
            "TemplateName" => &["mine"],
            "TemplateVersion" if action == "StartExecution" => &["v1"],
            "Content" | "TemplateContent" => return TEMPLATE.to_owned(),
            "Parameter" | "Tag" => &["{\"p\":\"1\"}"],
            "TagKey" if path == "TagKeys" => &["[\"k\"]"],
            "Key" | "TagKey" => &["k"],
            "RoleArn" => &["acs:ram::1000000000000001:role/r"],
            "OIDCProviderArn" => &["acs:ram::1000000000000001:oidc-provider/p"],
            "OIDCToken" => &["token"],
            "RoleSessionName" => &["session"],
            "DurationSecond" => &["900"],
            "Policy" => &["{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"*\"}}"],
            "Type" if action == "TriggerExecution" => &["Timer"],
            "Type" => &["RunShellScript"],
            "Process" | "Processe" => &["ScaleIn"],
            "Image" => &["app:2"],
            "UpdateType" | "ContainersUpdateType" => &["IncrementalUpdate", "RenewUpdate"],
            "LifecycleState" => &["InService"],
            "LoopMode" => &["Automatic"],
            "Mode" => &["Automatic", "FailurePause"],
            "SafetyCheck" => &["ConfirmEveryHighRiskAction"],
            "Depth" => &["RootDepth"],
            "SortField" if action == "ListTemplates" => &["TemplateName"],
            "SortField" => &["StartDate"],
            "SortOrder" => &["Ascending"],
            "NextToken" if action.ends_with("Executions") || action.ends_with("Logs") => &[""],
            "NextToken" => &["0"],
            "MaxResult" | "PageSize" | "Limit" => &["20"],
            "MinHealthyPercentage" => &["80"],
            "MaxHealthyPercentage" => &["120"],
            _ if path.ends_with("Addresses") => &["[\"a\"]"],
            _ if name.contains("Date") => &["2026-01-05T08:00:00Z"],
            "StoppedMode" => &["KeepCharging"],
            "SecurityEnhancementStrategy" => &["Active"],
            "ContentEncoding" => &["PlainText"],
            "CommandContent" => &["true {{p}}"],
            "ImageName" => &["image-1"],
            "DetectionStrategy" => &["Standard"],
            "BatchOptimization" => &["SuccessFirst"],
            "TerminationMode" => &["Process"],
            "RepeatMode" => &["Once"],
            "Timed" => &["false"],
            "ActionType" => &["ChangeOS"],
            "Usage" => &["none"],
            "InstanceChargeType" => &["PostPaid"],
            "InstanceName" | "HostName" | "Description" | "ScalingGroupName" => &["name"],
            "LifecycleActionResult" => &["CONTINUE"],
            other => word(action, other),
        };
        choices[dice.roll(choices.len())].to_owned()
    }
}

/// One of the words that the API has.
fn word(action: &str, name: &str) -> &'static [&'static str] {
    match name {
        "AllocationStrategy" | "SpotAllocationStrategy" => &["priority"],
        "Architecture" => &["x86_64"],
        "CommandType" => &["RunShellScript"],
        "CreationType" => &["AutoCreated"],
        "DiskChargeType" => &["PostPaid"],
        "DiskType" => &["data"],
        "HttpEndpoint" => &["enabled"],
        "HttpToken" => &["optional"],
        "ImageOwnerAlias" => &["self"],
        "ImagePullPolicy" | "RestartPolicy" => &["Always"],
        "IncludeHistory" | "IncludeOutput" | "WithEvent" => &["true"],
        "Propagate" | "Stdin" | "StdinOnce" | "Tty" => &["true"],
        "InstanceNetworkType" => &["vpc"],
        "InvocationStatu" => &["Success"],
        "InvokeStatu" | "InvokeRecordStatu" => &["Finished"],
        "LifecycleActionStatu" => &["Pending"],
        "ListenerProtocol" => &["HTTP", "TCP"],
        "LockReason" => &["financial"],
        "MetricType" => &["system"],
        "OSType" => &["linux"],
        "Gpu" | "PriceLimit" => &["1"],
        "Port" => &["80"],
        "PriceComparisonMode" => &["PricePerUnit"],
        "Protocol" => &["TCP"],
        "RemovalPolicy" | "RemovalPolicie" => &["NewestInstance"],
        "ServerGroupType" => &["Instance"],
        "SnapshotType" => &["user"],
        "SourceDiskType" => &["data"],
        "SpotInterruptionBehavior" => &["Terminate"],
        "Statu" if action == "DescribeSnapshots" => &["accomplished"],
        "Statu" if ["DescribeDisks", "DescribeImages"].contains(&action) => &["Available"],
        "Statu" if action.starts_with("Describe") => &["Running"],
        "StatusCode" => &["Successful"],
        "SystemDiskCategory" | "SystemDiskCategorie" => &["cloud_essd"],
        "Tenancy" => &["default"],
        _ => &["1", "true"],
    }
}

fn service_of(api: Api) -> Service {
    let apis = |service: &Service| parameters::apis(*service).contains(&api);
    Service::ALL.into_iter().find(apis).unwrap()
}

/// Parameters of ESS of which one is given.
const EXCLUSIVE: &[(&str, &str)] = &[
    ("ActiveScalingConfigurationId", "LaunchTemplateId"),
    ("ImageId", "ImageFamily"),
    ("ImageId", "ImageName"),
    ("ImageName", "ImageFamily"),
    ("SystemDisk.Category", "SystemDiskCategories.1"),
];

/// Calls an action with many choices of its parameters; gives those that were read.
fn read_by(api: Api, action: &str, honoured: &[&str]) -> (BTreeSet<String>, String) {
    let mut dice = Dice(1);
    let mut read = BTreeSet::new();
    let mut last = String::new();
    let mut scene = Scene::new();
    for round in 0..40 {
        // Now and then the scene is as it was: calls change it.
        if round % 4 == 0 {
            scene = Scene::new();
        }
        let mut params = Params::new();
        for path in honoured {
            // All of them in the first round, most of them later.
            if round == 0 || dice.roll(6) > 0 {
                let value = scene.value(action, path, &mut dice);
                let name: Vec<&str> = path
                    .split('.')
                    .map(|part| if part == "N" { "1" } else { part })
                    .collect();
                params.insert(name.join("."), json!(value));
            }
        }
        // One of the two: the singular and the plural together are refused.
        let several = |name: &String| [plural(name), format!("{}.1", plural(name))];
        let is_pair = |name: &&String| several(name).iter().any(|name| params.contains_key(name));
        let pairs: Vec<String> = params.keys().filter(is_pair).cloned().collect();
        for name in pairs {
            if dice.roll(2) == 0 {
                params.remove(&name);
            } else {
                let both = several(&name);
                params.retain(|other, _| !both.contains(other));
            }
        }
        if matches!(api, Api::Ess2014 | Api::Ess2022) {
            for (one, other) in EXCLUSIVE {
                if params.contains_key(*one) && params.contains_key(*other) {
                    params.remove(if dice.roll(2) == 0 { *one } else { *other });
                }
            }
            if !params.contains_key("LaunchTemplateId") {
                params.remove("LaunchTemplateVersion");
            }
        }
        // What is given as a text has no name and no version, and other tries give these.
        if params.contains_key("TemplateContent") && dice.roll(2) == 0 {
            params.retain(|name, _| !["TemplateName", "TemplateVersion"].contains(&name.as_str()));
        } else if params.contains_key("TemplateName") {
            params.remove("TemplateContent");
        }
        reads::take();
        let answer = scene.call(api, action, Value::Object(params));
        if let Err(error) = answer {
            assert!(
                !error.starts_with("UnsupportedParameter"),
                "{action}: {error}"
            );
            last = error;
        }
        read.extend(reads::take());
        // Another shape than a text would be refused before these are read.
        for name in reads::take_json() {
            let service = service_of(api);
            let known = service == Service::Oos || services::is_json(service, &name);
            assert!(
                known,
                "{action} reads {name} as JSON, which shapes.rs does not say"
            );
        }
    }
    (read, last)
}

#[test]
fn actions_read_the_parameters_that_they_honour_and_no_other() {
    let mut wrong = Vec::new();
    for service in Service::ALL {
        for action in services::actions(service) {
            for api in parameters::apis(service) {
                let known = parameters::of_action(*api, action).unwrap();
                let own = |path: &&str| *path != "RegionId" && !path.contains("Owner");
                let honoured: Vec<&str> = known
                    .iter()
                    .filter(|p| p.honoured)
                    .map(|p| p.path)
                    .filter(own)
                    .collect();
                // DryRun has its own test: it makes every call fail.
                let given: Vec<&str> = honoured
                    .iter()
                    .copied()
                    .filter(|path| *path != "DryRun")
                    .collect();
                let (read, error) = read_by(*api, action, &given);
                for path in &honoured {
                    if !read.iter().any(|r| covers(r, path) || covers(path, r)) {
                        let api = api.name();
                        wrong.push(format!("{api} {action} never reads {path} ({error})"));
                    }
                }
                for path in read.iter().filter(|path| own(&path.as_str())) {
                    let declared = honoured.iter().any(|h| covers(h, path) || covers(path, h));
                    if !declared && path != "DryRun" && path != "ClientToken" {
                        wrong.push(format!("{} {action} reads {path} unsaid", api.name()));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A name that no version of an API publishes is misspelt.
#[test]
fn what_is_honoured_is_published() {
    let mut wrong = Vec::new();
    for service in Service::ALL {
        for (action, honours) in services::honours(service) {
            let published: Vec<&str> = parameters::apis(service)
                .iter()
                .filter_map(|api| api.parameters(action))
                .flatten()
                .copied()
                .collect();
            for name in honours {
                if !published.iter().any(|path| parameters::same(name, path)) {
                    wrong.push(format!("{action} {name}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
