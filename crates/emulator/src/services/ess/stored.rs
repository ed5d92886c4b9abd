//! Parameters of groups and configurations that are kept, and shown as they were given. Most make no
//! difference to rolling updates.

use serde_json::{Value, json};

use super::answers::list;
use crate::error::ApiError;
use crate::services::args::{Args, check_word};
use crate::services::disk_sizes;
use crate::state::call::EssVersion;
use crate::state::settings::Settings;

/// What a parameter may hold.
pub(super) enum Kind {
    Text,
    Words(&'static [&'static str]),
    Flag,
    Number(i64, i64),
    /// A list of words that has the same name in both versions; what one item is called.
    WordList(&'static str, &'static [&'static str]),
    /// Likewise, in the singular in 2014.
    EssWordList(&'static str, &'static [&'static str]),
    /// A list that has the same name in both versions; what one item is called.
    List(&'static str),
}

/// A parameter: its name in requests and in answers (`SystemDisk.Size`, `SystemDiskSize`).
pub(super) struct Stored(
    pub(super) &'static str,
    pub(super) &'static str,
    pub(super) Kind,
);

/// The most that a list holds.
const ITEMS: usize = 50;

/// Takes over what a call gives. What is left out stays as it is.
pub(super) fn read(args: Args<'_>, table: &[Stored], into: &mut Settings) -> Result<(), ApiError> {
    for Stored(parameter, shown, kind) in table {
        let value = match kind {
            Kind::Text => args.text(parameter).map(Value::from),
            Kind::Words(known) => args.word(parameter, known)?.map(Value::from),
            Kind::Flag => args.flag(parameter)?.map(Value::from),
            Kind::Number(low, high) => args.number(parameter, *low, *high)?.map(Value::from),
            Kind::List(_) => args.list_up_to(parameter, ITEMS)?.map(Value::from),
            Kind::WordList(_, known) => {
                words(parameter, args.list_up_to(parameter, ITEMS)?, known)?
            }
            Kind::EssWordList(singular, known) => {
                words(parameter, args.ess_list(singular, ITEMS)?, known)?
            }
        };
        if let Some(value) = value {
            into.put(shown, value);
        }
    }
    Ok(())
}

fn words(
    parameter: &str,
    given: Option<Vec<String>>,
    known: &[&str],
) -> Result<Option<Value>, ApiError> {
    for word in given.iter().flatten() {
        check_word(parameter, word, known)?;
    }
    Ok(given.map(Value::from))
}

/// Puts what was given into a row of an answer.
pub(super) fn show(row: &mut Value, table: &[Stored], given: &Settings, version: EssVersion) {
    for Stored(_, shown, kind) in table {
        let Some(value) = given.get(shown) else {
            continue;
        };
        let value = match (kind, value) {
            (
                Kind::List(singular) | Kind::WordList(singular, _) | Kind::EssWordList(singular, _),
                Value::Array(items),
            ) => list(version, singular, items.clone()),
            (_, value) => value.clone(),
        };
        match shown.split_once('.') {
            Some((whole, member)) => {
                if row[whole].is_null() {
                    row[whole] = json!({});
                }
                row[whole][member] = value;
            }
            None => row[*shown] = value,
        }
    }
}

/// What the health of members is told by.
const HEALTH_CHECKS: &[&str] = &["NONE", "ECS", "LOAD_BALANCER"];

/// The categories of disks that scaling configurations may name; all are shown, and none makes a
/// difference.
pub(super) const DISK_CATEGORIES: &[&str] = &[
    "cloud",
    "cloud_auto",
    "cloud_efficiency",
    "cloud_essd",
    "cloud_essd_entry",
    "cloud_ssd",
    "elastic_ephemeral_disk_premium",
    "elastic_ephemeral_disk_standard",
    "ephemeral_ssd",
];

/// The performance levels of ESSDs.
pub(super) const PERFORMANCE_LEVELS: &[&str] = &["PL0", "PL1", "PL2", "PL3"];

/// Those of a scaling group.
pub(super) const GROUP: &[Stored] = &[
    Stored(
        "AllocationStrategy",
        "AllocationStrategy",
        Kind::Words(&["priority", "lowestPrice"]),
    ),
    Stored("AzBalance", "AzBalance", Kind::Flag),
    Stored(
        "CapacityOptions.CompensateWithOnDemand",
        "CapacityOptions.CompensateWithOnDemand",
        Kind::Flag,
    ),
    Stored(
        "CapacityOptions.OnDemandBaseCapacity",
        "CapacityOptions.OnDemandBaseCapacity",
        Kind::Number(0, 1000),
    ),
    Stored(
        "CapacityOptions.OnDemandPercentageAboveBaseCapacity",
        "CapacityOptions.OnDemandPercentageAboveBaseCapacity",
        Kind::Number(0, 100),
    ),
    Stored(
        "CapacityOptions.PriceComparisonMode",
        "CapacityOptions.PriceComparisonMode",
        Kind::Words(&["PricePerUnit", "PricePerVCpu"]),
    ),
    Stored(
        "CapacityOptions.SpotAutoReplaceOnDemand",
        "CapacityOptions.SpotAutoReplaceOnDemand",
        Kind::Flag,
    ),
    Stored(
        "CompensateWithOnDemand",
        "CompensateWithOnDemand",
        Kind::Flag,
    ),
    Stored("CustomPolicyARN", "CustomPolicyARN", Kind::Text),
    Stored(
        "HealthCheckType",
        "HealthCheckType",
        Kind::Words(HEALTH_CHECKS),
    ),
    Stored(
        "HealthCheckTypes",
        "HealthCheckTypes",
        Kind::WordList("HealthCheckType", HEALTH_CHECKS),
    ),
    Stored(
        "MaxInstanceLifetime",
        "MaxInstanceLifetime",
        Kind::Number(0, 31_536_000),
    ),
    Stored(
        "MultiAZPolicy",
        "MultiAZPolicy",
        Kind::Words(&["PRIORITY", "COMPOSABLE", "BALANCE", "COST_OPTIMIZED"]),
    ),
    Stored(
        "OnDemandBaseCapacity",
        "OnDemandBaseCapacity",
        Kind::Number(0, 1000),
    ),
    Stored(
        "OnDemandPercentageAboveBaseCapacity",
        "OnDemandPercentageAboveBaseCapacity",
        Kind::Number(0, 100),
    ),
    Stored(
        "RemovalPolicies",
        "RemovalPolicies",
        Kind::EssWordList(
            "RemovalPolicy",
            &[
                "OldestInstance",
                "NewestInstance",
                "OldestScalingConfiguration",
                "CustomPolicy",
            ],
        ),
    ),
    Stored(
        "ScalingPolicy",
        "ScalingPolicy",
        Kind::Words(&["recycle", "release", "forceRecycle", "forceRelease"]),
    ),
    Stored(
        "SpotAllocationStrategy",
        "SpotAllocationStrategy",
        Kind::Words(&["priority", "lowestPrice"]),
    ),
    Stored(
        "SpotInstancePools",
        "SpotInstancePools",
        Kind::Number(0, 10),
    ),
    Stored("SpotInstanceRemedy", "SpotInstanceRemedy", Kind::Flag),
    Stored(
        "StopInstanceTimeout",
        "StopInstanceTimeout",
        Kind::Number(30, 240),
    ),
    Stored("VSwitchIds", "VSwitchIds", Kind::List("VSwitchId")),
];

/// Those of a scaling configuration. Names, security groups, tags, disks and the weight are given to
/// new instances.
pub(super) const CONFIGURATION: &[Stored] = &[
    Stored(
        "CreditSpecification",
        "CreditSpecification",
        Kind::Words(&["Standard", "Unlimited"]),
    ),
    Stored("DeletionProtection", "DeletionProtection", Kind::Flag),
    Stored("DeploymentSetId", "DeploymentSetId", Kind::Text),
    Stored("HostName", "HostName", Kind::Text),
    Stored(
        "HttpEndpoint",
        "HttpEndpoint",
        Kind::Words(&["enabled", "disabled"]),
    ),
    Stored(
        "HttpTokens",
        "HttpTokens",
        Kind::Words(&["optional", "required"]),
    ),
    Stored("InstanceDescription", "InstanceDescription", Kind::Text),
    Stored("InstanceName", "InstanceName", Kind::Text),
    Stored(
        "InternetChargeType",
        "InternetChargeType",
        Kind::Words(&["PayByBandwidth", "PayByTraffic"]),
    ),
    Stored(
        "InternetMaxBandwidthIn",
        "InternetMaxBandwidthIn",
        Kind::Number(0, 1024),
    ),
    Stored(
        "InternetMaxBandwidthOut",
        "InternetMaxBandwidthOut",
        Kind::Number(0, 1024),
    ),
    Stored(
        "IoOptimized",
        "IoOptimized",
        Kind::Words(&["none", "optimized"]),
    ),
    Stored(
        "LoadBalancerWeight",
        "LoadBalancerWeight",
        Kind::Number(0, 100),
    ),
    Stored("PasswordInherit", "PasswordInherit", Kind::Flag),
    Stored("RamRoleName", "RamRoleName", Kind::Text),
    Stored("ResourceGroupId", "ResourceGroupId", Kind::Text),
    Stored("SecurityGroupId", "SecurityGroupId", Kind::Text),
    Stored(
        "SecurityGroupIds",
        "SecurityGroupIds",
        Kind::List("SecurityGroupId"),
    ),
    Stored("SpotDuration", "SpotDuration", Kind::Number(0, 6)),
    Stored(
        "SpotInterruptionBehavior",
        "SpotInterruptionBehavior",
        Kind::Words(&["Terminate", "Stop"]),
    ),
    Stored(
        "SpotStrategy",
        "SpotStrategy",
        Kind::Words(&["NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"]),
    ),
    Stored(
        "SystemDisk.Category",
        "SystemDiskCategory",
        Kind::Words(DISK_CATEGORIES),
    ),
    Stored(
        "SystemDisk.Description",
        "SystemDiskDescription",
        Kind::Text,
    ),
    Stored("SystemDisk.DiskName", "SystemDiskName", Kind::Text),
    Stored("SystemDisk.Encrypted", "SystemDiskEncrypted", Kind::Flag),
    Stored("SystemDisk.KMSKeyId", "SystemDiskKMSKeyId", Kind::Text),
    Stored(
        "SystemDisk.PerformanceLevel",
        "SystemDiskPerformanceLevel",
        Kind::Words(PERFORMANCE_LEVELS),
    ),
    Stored(
        "SystemDisk.Size",
        "SystemDiskSize",
        Kind::Number(1, disk_sizes::MOST),
    ),
    Stored(
        "SystemDiskCategories",
        "SystemDiskCategories",
        Kind::WordList("SystemDiskCategory", DISK_CATEGORIES),
    ),
    Stored("Tenancy", "Tenancy", Kind::Words(&["default", "host"])),
    Stored("ZoneId", "ZoneId", Kind::Text),
];
