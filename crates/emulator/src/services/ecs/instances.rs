//! Instances: what is told of them.

use serde_json::{Value, json};

use super::answers::{seconds, wanted};
use super::window::Window;
use super::words::LOCKS;
use crate::error::ApiError;
use crate::services::action::{Action, Run};
use crate::services::args::{Args, has_tags};
use crate::state::call::Call;
use crate::state::model::Instance;
use crate::state::ram::wildcard;
use crate::state::world::World;

pub const DESCRIBE: Action = Action {
    name: "DescribeInstances",
    honours: &[
        "DeviceAvailable",
        "EipAddresses",
        "HpcClusterId",
        "ImageId",
        "InnerIpAddresses",
        "InstanceChargeType",
        "InstanceIds",
        "InstanceName",
        "InstanceNetworkType",
        "InstanceType",
        "InstanceTypeFamily",
        "InternetChargeType",
        "IoOptimized",
        "Ipv6Address.N",
        "KeyPairName",
        "LockReason",
        "MaxResults",
        "NextToken",
        "PageNumber",
        "PageSize",
        "PrivateIpAddresses",
        "PublicIpAddresses",
        "RdmaIpAddresses",
        "ResourceGroupId",
        "SecurityGroupId",
        "Status",
        "Tag.N.Key",
        "Tag.N.Value",
        "VSwitchId",
        "VpcId",
        "ZoneId",
    ],
    run: Run::Read(describe),
};

/// What an instance has.
type Own = fn(&Instance) -> &str;

/// Filters of DescribeInstances.
struct Filters {
    ids: Option<Vec<String>>,
    /// What is compared as it is: the filter and what an instance has.
    equal: Vec<(String, Own)>,
    name: Option<String>,
    family: Option<String>,
    security_group: Option<String>,
    private: Option<Vec<String>>,
    public: Option<Vec<String>>,
    tags: Vec<(String, Option<String>)>,
    io_optimized: Option<bool>,
    /// A filter for what no instance here has: an address of IPv6, a lock.
    none: bool,
}

/// Filters that are compared as they are. Every instance is in a VPC and paid for as it is used.
const EQUAL: &[(&str, Own)] = &[
    ("Status", |i| i.status.name()),
    ("ImageId", |i| &i.image_id),
    ("ZoneId", |i| &i.zone_id),
    ("InstanceType", |i| &i.instance_type),
    ("VpcId", |i| &i.attributes.vpc_id),
    ("VSwitchId", |i| &i.attributes.v_switch_id),
    ("ResourceGroupId", |i| &i.attributes.resource_group_id),
    ("KeyPairName", |i| {
        i.key_pair_name.as_deref().unwrap_or_default()
    }),
    ("InstanceNetworkType", |_| "vpc"),
    ("InstanceChargeType", |_| "PostPaid"),
    ("InternetChargeType", |i| {
        i.attributes.internet_charge_type()
    }),
];

/// Those of them that are one of several words.
const WORDS: &[(&str, &[&str])] = &[
    (
        "Status",
        &["Pending", "Running", "Starting", "Stopping", "Stopped"],
    ),
    ("InstanceNetworkType", &["classic", "vpc"]),
    ("InstanceChargeType", &["PostPaid", "PrePaid"]),
    ("InternetChargeType", &["PayByTraffic", "PayByBandwidth"]),
];

impl Filters {
    fn of(args: Args<'_>) -> Result<Self, ApiError> {
        let mut equal = Vec::new();
        for (name, own) in EQUAL {
            let words = WORDS.iter().find(|(own, _)| own == name);
            let value = match words {
                Some((name, known)) => args.word(name, known)?,
                None => args.text(name),
            };
            if let Some(value) = value {
                equal.push((value, *own));
            }
        }
        let none = [
            args.text("HpcClusterId").is_some(),
            args.word("LockReason", LOCKS)?.is_some(),
            args.list_up_to("Ipv6Address", 100)?.is_some(),
            args.json_list("EipAddresses", 100)?.is_some(),
            args.json_list("InnerIpAddresses", 100)?.is_some(),
            args.json_list("RdmaIpAddresses", 100)?.is_some(),
            args.flag("DeviceAvailable")? == Some(false),
        ];
        let io_optimized = match args.text("IoOptimized").as_deref() {
            Some("optimized") => Some(true),
            Some("none") => Some(false),
            _ => args.flag("IoOptimized")?,
        };
        Ok(Self {
            ids: args.json_list("InstanceIds", 100)?,
            equal,
            name: args.text("InstanceName"),
            family: args.text("InstanceTypeFamily"),
            security_group: args.text("SecurityGroupId"),
            private: args.json_list("PrivateIpAddresses", 100)?,
            public: args.json_list("PublicIpAddresses", 100)?,
            tags: args.pairs("Tag", "Key", "Value"),
            io_optimized,
            none: none.contains(&true),
        })
    }

    fn admit(&self, i: &Instance) -> bool {
        let among = |list: &Option<Vec<String>>, own: Option<&String>| {
            list.as_ref()
                .is_none_or(|list| own.is_some_and(|own| list.contains(own)))
        };
        let own = &i.attributes;
        !self.none
            && among(&self.ids, Some(&i.instance_id))
            && self.equal.iter().all(|(value, of)| value == of(i))
            && self
                .name
                .as_ref()
                .is_none_or(|name| wildcard(name, i.name()))
            && wanted(&self.family, family(&i.instance_type))
            && self
                .security_group
                .as_ref()
                .is_none_or(|id| own.security_group_ids.contains(id))
            && among(&self.private, Some(&i.private_ip))
            && among(&self.public, own.public_ip_address.as_ref())
            && self
                .io_optimized
                .is_none_or(|wanted| wanted == own.is_io_optimized())
            && has_tags(&i.tags, &self.tags)
    }
}

/// `ecs.g7` of `ecs.g7.large`.
fn family(instance_type: &str) -> &str {
    instance_type
        .rsplit_once('.')
        .map_or(instance_type, |(family, _)| family)
}

/// DescribeInstances: ids that do not exist are left out. `InstanceName` may have `*`.
fn describe(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let filters = Filters::of(args)?;
    let window = Window::of(args, 10, 10..=100)?;
    let found: Vec<&Instance> = world
        .seen()
        .instances
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .filter(|i| filters.admit(i))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows.into_iter().map(row).collect();
    answer.insert("Instances".into(), json!({ "Instance": rows }));
    Ok(answer.into())
}

/// What DescribeInstances shows of an instance when it was given.
const TOLD: &[&str] = &[
    "CreditSpecification",
    "DedicatedInstanceAttribute.Tenancy",
    "DeploymentSetId",
    "InternetMaxBandwidthIn",
    "InternetMaxBandwidthOut",
    "IoOptimized",
    "MetadataOptions.HttpEndpoint",
    "MetadataOptions.HttpTokens",
    "SpotDuration",
    "SpotInterruptionBehavior",
    "SpotPriceLimit",
    "SpotStrategy",
];

/// Puts those of `names` into a row that were given, and the size of the instance type: vCPUs and
/// MiB.
pub(super) fn tell(row: &mut Value, i: &Instance, names: &[&str]) {
    if let Some((cpus, memory)) = size_of(&i.instance_type) {
        row["Cpu"] = json!(cpus);
        row["Memory"] = json!(memory);
    }
    for name in names {
        let Some(value) = i.attributes.told.get(name) else {
            continue;
        };
        match name.split_once('.') {
            Some((whole, member)) => row[whole][member] = value.clone(),
            None => row[*name] = value.clone(),
        }
    }
}

/// vCPUs and MiB of an instance type, where its name tells (ECS, overview of instance families): the
/// size counts vCPUs, the family how much memory each has: `c` 2 GiB, `g` 4, `r` 8, or `-c1m2`.
fn size_of(instance_type: &str) -> Option<(u64, u64)> {
    let mut parts = instance_type.strip_prefix("ecs.")?.split('.');
    let (family, size) = (parts.next()?, parts.next()?);
    let cpus = match size {
        "small" => 1,
        "large" => 2,
        "xlarge" => 4,
        more => {
            more.strip_suffix("xlarge")?
                .parse::<u64>()
                .ok()
                .filter(|n| (2..=1000).contains(n))?
                * 4
        }
    };
    let letters: String = family
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    let gib = match family.split_once("-c1m") {
        Some((_, gib)) => gib.parse::<u64>().ok().filter(|n| (1..=64).contains(n))?,
        None => match letters.as_str() {
            "c" => 2,
            "g" => 4,
            "r" => 8,
            _ => return None,
        },
    };
    Some((cpus, cpus * gib * 1024))
}

fn row(i: &Instance) -> Value {
    let own = &i.attributes;
    let mut row = json!({
        "InstanceId": i.instance_id,
        "InstanceName": i.name(),
        "HostName": own.host_name.as_deref().unwrap_or(&i.instance_id),
        "Description": own.description,
        "DeletionProtection": own.deletion_protection,
        "StoppedMode": own.stopped_mode,
        "Status": i.status.name(),
        "RegionId": i.region,
        "ZoneId": i.zone_id,
        "ImageId": i.image_id,
        "OSType": i.os_type.name(),
        "OSName": if i.os_type.name() == "linux" { "Alibaba Cloud Linux 3" } else { "Windows Server 2022" },
        "InstanceType": i.instance_type,
        "InstanceTypeFamily": family(&i.instance_type),
        "CreationTime": seconds(i.created),
        "KeyPairName": i.key_pair_name.as_deref().unwrap_or_default(),
        "ResourceGroupId": own.resource_group_id,
        "InstanceChargeType": "PostPaid",
        "InstanceNetworkType": "vpc",
        "InternetChargeType": own.internet_charge_type(),
        "SecurityGroupIds": { "SecurityGroupId": own.security_group_ids },
        "PublicIpAddress": { "IpAddress": own.public_ip_address.iter().collect::<Vec<_>>() },
        "Tags": {
            "Tag": i.tags.iter().map(|(k, v)| json!({"TagKey": k, "TagValue": v})).collect::<Vec<_>>(),
        },
        "VpcAttributes": {
            "VpcId": own.vpc_id,
            "VSwitchId": own.v_switch_id,
            "PrivateIpAddress": { "IpAddress": [i.private_ip] },
        },
    });
    tell(&mut row, i, TOLD);
    row
}

pub const STATUS: Action = Action {
    name: "DescribeInstanceStatus",
    honours: &["InstanceId.N", "PageNumber", "PageSize", "ZoneId"],
    run: Run::Read(status),
};

/// DescribeInstanceStatus.
fn status(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.list_up_to("InstanceId", 100)?;
    let zone = args.text("ZoneId");
    let page = args.page(10, 50)?;
    let found: Vec<&Instance> = world
        .seen()
        .instances
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.instance_id)))
        .filter(|i| wanted(&zone, &i.zone_id))
        .collect();
    let total = found.len();
    let rows: Vec<Value> = page
        .cut(found)
        .into_iter()
        .map(|i| json!({ "InstanceId": i.instance_id, "Status": i.status.name() }))
        .collect();
    Ok(json!({
        "TotalCount": total,
        "PageNumber": page.number,
        "PageSize": page.size,
        "InstanceStatuses": { "InstanceStatus": rows },
    }))
}

pub const ASSISTANT: Action = Action {
    name: "DescribeCloudAssistantStatus",
    honours: &[
        "InstanceId.N",
        "MaxResults",
        "NextToken",
        "OSType",
        "PageNumber",
        "PageSize",
    ],
    run: Run::Read(assistant),
};

/// DescribeCloudAssistantStatus: whether the client on each instance answers, which it does while
/// the instance runs.
fn assistant(world: &World, call: &Call, args: Args<'_>) -> Result<Value, ApiError> {
    let ids = args.list_up_to("InstanceId", 100)?;
    let os = args.word_in_any_case("OSType", &["linux", "windows", "freebsd"])?;
    let window = Window::of(args, 10, 1..=50)?;
    let found: Vec<&Instance> = world
        .seen()
        .instances
        .values()
        .filter(|i| i.account_id == call.caller.account_id && i.region == call.region)
        .filter(|i| ids.as_ref().is_none_or(|ids| ids.contains(&i.instance_id)))
        .filter(|i| os.is_none_or(|os| os == i.os_type.name()))
        .collect();
    let (rows, mut answer) = window.cut(found);
    let rows: Vec<Value> = rows
        .into_iter()
        .map(|i| {
            let answers = i.cloud_assistant && i.status.name() == "Running";
            json!({
                "InstanceId": i.instance_id,
                "CloudAssistantStatus": answers.to_string(),
                "CloudAssistantVersion": if i.cloud_assistant { "2.2.4.0" } else { "" },
                "OSType": if i.os_type.name() == "linux" { "Linux" } else { "Windows" },
                "ActiveTaskCount": 0,
                "InvocationCount": i.commands_sent,
                "LastInvokedTime": "",
                "SupportSessionManager": false,
            })
        })
        .collect();
    let rows = json!({ "InstanceCloudAssistantStatus": rows });
    answer.insert("InstanceCloudAssistantStatusSet".into(), rows);
    Ok(answer.into())
}
