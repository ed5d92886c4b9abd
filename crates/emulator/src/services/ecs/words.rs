//! The words that parameters of ECS may hold (API reference), where more than a few are known or
//! several actions have them. Some are for what there is in the cloud alone: a filter finds nothing by
//! them.

/// The kinds of disks that can be asked for.
pub(super) const CATEGORIES: &[&str] = &[
    "cloud",
    "cloud_efficiency",
    "cloud_ssd",
    "cloud_essd",
    "cloud_auto",
    "cloud_essd_entry",
];

/// The performance levels of ESSDs.
pub(super) const LEVELS: &[&str] = &["PL0", "PL1", "PL2", "PL3"];

/// What `Category` may ask for, `all` of them first: those that disks may have here, and others that there are in the cloud.
pub(super) const FILTER_CATEGORIES: &[&str] = &[
    "all",
    "cloud",
    "cloud_auto",
    "cloud_efficiency",
    "cloud_essd",
    "cloud_essd_entry",
    "cloud_essd_xc0",
    "cloud_essd_xc1",
    "cloud_regional_disk_auto",
    "cloud_ssd",
    "elastic_ephemeral_disk_premium",
    "elastic_ephemeral_disk_standard",
    "ephemeral",
    "ephemeral_ssd",
    "local_hdd_pro",
    "local_ssd_pro",
];

/// The categories of disks that there are.
pub(crate) fn disk_categories() -> &'static [&'static str] {
    FILTER_CATEGORIES
        .split_first()
        .map_or(&[], |(_, rest)| rest)
}

/// The statuses of disks that a filter may ask for.
pub(super) const DISK_STATUSES: &[&str] = &[
    "All",
    "Attaching",
    "Available",
    "Creating",
    "Detaching",
    "In_use",
    "ReIniting",
];

/// The statuses of images that a filter may ask for, several with commas.
pub(super) const IMAGE_STATUSES: &[&str] = &[
    "ALL",
    "Available",
    "CreateFailed",
    "Creating",
    "Deprecated",
    "UnAvailable",
    "Waiting",
];

/// Whose images `ImageOwnerAlias` may ask for.
pub(super) const IMAGE_OWNERS: &[&str] = &["system", "self", "others", "marketplace"];

/// The kinds of commands. The first three run in what the operating system brings along.
pub(super) const COMMAND_TYPES: &[&str] = &[
    "RunShellScript",
    "RunBatScript",
    "RunPowerShellScript",
    "RunPythonScript",
    "RunPerlScript",
];

/// How often a command may be run in the cloud (`RepeatMode`); here it is once.
pub(super) const REPEATS: &[&str] = &[
    "DryRun",
    "EveryReboot",
    "NextRebootOnly",
    "Once",
    "Period",
    "Rate",
    "At",
];

/// The statuses of an invocation, and of its part on one instance, that a filter may ask for (SDK model
/// of `InvokeStatus`).
pub(super) const INVOCATION_STATUSES: &[&str] = &[
    "Failed",
    "Finished",
    "PartialFailed",
    "Pending",
    "Running",
    "Scheduled",
    "Stopped",
    "Stopping",
    "Success",
];

/// The statuses of a file that is sent, which a filter may ask for.
pub(super) const FILE_STATUSES: &[&str] = &[
    "Aborted",
    "Cancelled",
    "Error",
    "Failed",
    "Invalid",
    "PartialFailed",
    "Pending",
    "Running",
    "Success",
    "Terminated",
    "Timeout",
];

/// What may carry tags in the cloud (API reference of DescribeTags), here or not.
pub(super) const TAGGED: &[&str] = &[
    "command",
    "ddh",
    "disk",
    "eni",
    "image",
    "instance",
    "invocation",
    "keypair",
    "launchtemplate",
    "reservedinstance",
    "securitygroup",
    "snapshot",
    "snapshotpolicy",
    "volume",
];

/// Why an instance may be locked in the cloud.
pub(super) const LOCKS: &[&str] = &[
    "Recycling",
    "dedicatedhostfinancial",
    "financial",
    "refunded",
    "security",
];
