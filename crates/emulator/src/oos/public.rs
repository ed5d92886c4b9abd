//! The public templates that come with the emulator.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::template::Version;

/// Public templates and nested cloud-product actions, by the name they go under.
const SOURCES: &[(&str, &str)] = &[
    (
        "ACS-ESS-RollingUpdateByRunCommandInScalingGroup",
        include_str!("../../templates/rolling-update-by-run-command.yaml"),
    ),
    (
        "ACS-ESS-RollingUpdateByReplaceSystemDiskInScalingGroup",
        include_str!("../../templates/rolling-update-by-replace-system-disk.yaml"),
    ),
    (
        "ACS::ESS::RunCommand",
        include_str!("../../templates/ess-run-command.yaml"),
    ),
    (
        "ACS::ESS::ReplaceSystemDisk",
        include_str!("../../templates/ess-replace-system-disk.yaml"),
    ),
    (
        "ACS-ESS-RollingUpdateByConfigureOOSPackage",
        include_str!("../../templates/rolling-update-by-configure-oos-package.yaml"),
    ),
    (
        "ACS::ESS::ConfigureOOSPackage",
        include_str!("../../templates/ess-configure-oos-package.yaml"),
    ),
    (
        "ACS-ESS-RollingUpdateByUpdateContainerGroup",
        include_str!("../../templates/rolling-update-by-update-container-group.yaml"),
    ),
    (
        "ACS::ESS::UpdateContainerGroup",
        include_str!("../../templates/ess-update-container-group.yaml"),
    ),
    (
        "ACS-ESS-CreateImageAndUpdateScalingConfiguration",
        include_str!("../../templates/create-image-and-update-scaling-configuration.yaml"),
    ),
    (
        "ACS::ECS::CreateImage",
        include_str!("../../templates/ecs-create-image.yaml"),
    ),
    (
        "ACS::ECS::RunCommand",
        include_str!("../../templates/ecs-run-command.yaml"),
    ),
    (
        "ACS::ECS::StartInstance",
        include_str!("../../templates/ecs-start-instance.yaml"),
    ),
    (
        "ACS::ECS::StopInstance",
        include_str!("../../templates/ecs-stop-instance.yaml"),
    ),
    (
        "ACS::ECS::ReplaceSystemDisk",
        include_str!("../../templates/ecs-replace-system-disk.yaml"),
    ),
    (
        "ACS::ECS::ConfigureOOSPackage",
        include_str!("../../templates/ecs-configure-oos-package.yaml"),
    ),
    (
        "ACS::ECS::DescribeInstancesByTag",
        include_str!("../../templates/ecs-describe-instances-by-tag.yaml"),
    ),
    (
        "ACS::ESS::ModifyScalingGroupImageConfiguration",
        include_str!("../../templates/ess-modify-image-configuration.yaml"),
    ),
    (
        "ACS::ECS::RebootInstance",
        include_str!("../../templates/ecs-reboot-instance.yaml"),
    ),
    (
        "ACS-ECS-BulkyStartInstances",
        include_str!("../../templates/bulky-start-instances.yaml"),
    ),
    (
        "ACS-ECS-BulkyStopInstances",
        include_str!("../../templates/bulky-stop-instances.yaml"),
    ),
    (
        "ACS-ECS-BulkyRebootInstances",
        include_str!("../../templates/bulky-reboot-instances.yaml"),
    ),
    (
        "ACS-ECS-BulkyReplaceSystemDisk",
        include_str!("../../templates/bulky-replace-system-disk.yaml"),
    ),
    (
        "ACS-ECS-BulkyConfigureOOSPackage",
        include_str!("../../templates/bulky-configure-oos-package.yaml"),
    ),
    (
        "ACS-ECS-BulkyRunCommand",
        include_str!("../../templates/bulky-run-command.yaml"),
    ),
    (
        "ACS-ECS-ScheduleToExecuteTemplate",
        include_str!("../../templates/schedule-to-execute-template.yaml"),
    ),
];

/// Read once for all engines of the process.
static PUBLIC: LazyLock<BTreeMap<String, Arc<Version>>> = LazyLock::new(|| {
    let mut all = BTreeMap::new();
    for (i, (name, content)) in SOURCES.iter().enumerate() {
        let id = format!("t-public{:04}", i + 1);
        if let Ok(version) = Version::new(&id, name, "v1", content, true) {
            all.insert((*name).to_owned(), version);
        }
    }
    all
});

/// All public templates. One that cannot be read is left out; a test reads them all.
pub(super) fn templates() -> BTreeMap<String, Arc<Version>> {
    PUBLIC.clone()
}

pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SOURCES.iter().map(|(name, _)| *name)
}
