//! Parameters of groups and configurations that are kept, and shown as they were given. Most make no
//! difference to rolling updates.

use serde_json::{Value, json};

use super::answers::list;
use crate::error::ApiError;
use crate::services::args::{Args, invalid};
use crate::state::call::EssVersion;
use crate::state::settings::Settings;

/// What a parameter may hold.
pub(super) enum Kind {
    Text,
    Words(&'static [&'static str]),
    Flag,
    Number(i64, i64),
    /// A list that has the same name in both versions; what one item is called.
    List(&'static str),
    /// A list that is in the singular in 2014.
    EssList(&'static str),
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
            Kind::Words(known) => match args.text(parameter) {
                Some(word) if !known.contains(&word.as_str()) => {
                    let why = format!("it must be one of {}", known.join(", "));
                    return Err(invalid(parameter, &why));
                }
                word => word.map(Value::from),
            },
            Kind::Flag => args.flag(parameter)?.map(Value::from),
            Kind::Number(low, high) => args.number(parameter, *low, *high)?.map(Value::from),
            Kind::List(_) => args.list_up_to(parameter, ITEMS)?.map(Value::from),
            Kind::EssList(singular) => args.ess_list(singular, ITEMS)?.map(Value::from),
        };
        if let Some(value) = value {
            into.put(shown, value);
        }
    }
    Ok(())
}

/// Puts what was given into a row of an answer.
pub(super) fn show(row: &mut Value, table: &[Stored], given: &Settings, version: EssVersion) {
    for Stored(_, shown, kind) in table {
        let Some(value) = given.get(shown) else {
            continue;
        };
        let value = match (kind, value) {
            (Kind::List(singular) | Kind::EssList(singular), Value::Array(items)) => {
                list(version, singular, items.clone())
            }
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

/// Those of a scaling group.
pub(super) const GROUP: &[Stored] = &[
    Stored("AllocationStrategy", "AllocationStrategy", Kind::Text),
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
        Kind::Text,
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
        Kind::Words(&["NONE", "ECS", "LOAD_BALANCER"]),
    ),
    Stored(
        "HealthCheckTypes",
        "HealthCheckTypes",
        Kind::List("HealthCheckType"),
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
        Kind::EssList("RemovalPolicy"),
    ),
    Stored(
        "ScalingPolicy",
        "ScalingPolicy",
        Kind::Words(&["recycle", "release", "forceRecycle", "forceRelease"]),
    ),
    Stored(
        "SpotAllocationStrategy",
        "SpotAllocationStrategy",
        Kind::Text,
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
    Stored("HttpEndpoint", "HttpEndpoint", Kind::Text),
    Stored("HttpTokens", "HttpTokens", Kind::Text),
    Stored("InstanceDescription", "InstanceDescription", Kind::Text),
    Stored("InstanceName", "InstanceName", Kind::Text),
    Stored("InternetChargeType", "InternetChargeType", Kind::Text),
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
        Kind::Text,
    ),
    Stored(
        "SpotStrategy",
        "SpotStrategy",
        Kind::Words(&["NoSpot", "SpotWithPriceLimit", "SpotAsPriceGo"]),
    ),
    Stored("SystemDisk.Category", "SystemDiskCategory", Kind::Text),
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
        Kind::Words(&["PL0", "PL1", "PL2", "PL3"]),
    ),
    Stored("SystemDisk.Size", "SystemDiskSize", Kind::Number(1, 2048)),
    Stored(
        "SystemDiskCategories",
        "SystemDiskCategories",
        Kind::List("SystemDiskCategory"),
    ),
    Stored("Tenancy", "Tenancy", Kind::Text),
    Stored("ZoneId", "ZoneId", Kind::Text),
];
