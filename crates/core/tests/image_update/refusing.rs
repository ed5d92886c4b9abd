//! What stands against a run: told with the field and the cure, and looked at again.

use ess_rollout_api::v1alpha1::ImageSource;
use ess_rollout_cloud::{EcsStatus, ErrorClass, GroupState, GroupType, ImageStatus};
use serde_json::json;

use crate::cloud::{Cloud, GROUP, SOURCE, image};
use crate::world::{World, building, cron, task};

/// The reason for which a world stands still, and whether a person has to act.
fn stands(mut world: World) -> (String, bool) {
    world.run_to("2026-01-05T12:03:00Z");
    assert!(world.cloud.sent.is_empty(), "sends something");
    assert!(world.holder().is_none(), "keeps the group from others");
    assert!(!world.has_finalizer());
    let blocked = match world.state() {
        "Blocked" => true,
        "Pending" => false,
        other => panic!("is {other}"),
    };
    let type_ = if blocked { "Stalled" } else { "Reconciling" };
    let condition = world.condition("Preflight");
    let (value, reason) = condition.split_once('/').unwrap();
    assert_eq!(value, if blocked { "False" } else { "Unknown" });
    assert_eq!(world.condition(type_), format!("True/{reason}"));
    assert_eq!(world.condition("Succeeded"), format!("Unknown/{reason}"));
    if blocked {
        assert_eq!(world.reasons(), ["PreflightFailed"]);
    }
    (reason.to_owned(), blocked)
}

fn with(change: impl FnOnce(&mut Cloud)) -> World {
    let mut world = building(json!({}));
    change(&mut world.cloud);
    world
}

#[test]
fn what_is_wrong_with_the_group_or_the_source_is_found_before_anything_is_touched() {
    let status = |status: EcsStatus| with(|c| c.instance.as_mut().unwrap().status = status);
    for (world, reason, blocked) in [
        (with(|c| c.group = None), "ScalingGroupNotFound", true),
        (
            with(|c| c.group.as_mut().unwrap().group_type = GroupType::Eci),
            "ScalingGroupTypeMismatch",
            true,
        ),
        (
            with(|c| c.group.as_mut().unwrap().state = GroupState::Inactive),
            "ScalingGroupNotActive",
            true,
        ),
        (
            with(|c| {
                let group = c.group.as_mut().unwrap();
                group.active_scaling_configuration = None;
                group.launch_template = Some("lt-1".into());
            }),
            "LaunchTemplateGroup",
            true,
        ),
        (with(|c| c.template = None), "TemplateNotFound", true),
        (with(|c| c.instance = None), "SourceInstanceNotFound", true),
        (
            status(EcsStatus::Unknown("Released".into())),
            "SourceInstanceNotReady",
            true,
        ),
        (status(EcsStatus::Stopping), "SourceInstanceNotReady", false),
        (
            with(|c| {
                c.configurations.remove("asc-1");
            }),
            "ScalingConfigurationNotFound",
            true,
        ),
        (
            with(|c| c.configurations.get_mut("asc-1").unwrap().0 = "asg-other".into()),
            "ScalingConfigurationNotFound",
            true,
        ),
        (
            with(|c| {
                c.broken.insert("EcsInstances", ErrorClass::Denied);
            }),
            "AccessDenied",
            true,
        ),
        (
            with(|c| {
                c.broken.insert("ScalingGroup", ErrorClass::Retry);
            }),
            "CloudUnavailable",
            false,
        ),
    ] {
        assert_eq!(stands(world), (reason.to_owned(), blocked), "{reason}");
    }
}

#[test]
fn a_given_image_has_to_be_usable_by_instances_like_those_there_are() {
    let given = |change: fn(&mut ess_rollout_cloud::Image)| {
        let mut world = World::new(task(json!({"imageId": "m-given"})));
        let mut found = image("m-given", ImageStatus::Available);
        change(&mut found);
        world.cloud.images.insert("m-given".into(), found);
        world
    };
    let mut missing = given(|_| {});
    missing.cloud.images.remove("m-given");
    for (world, reason, blocked) in [
        (missing, "ImageNotFound", true),
        (
            given(|i| i.status = ImageStatus::Creating),
            "ImageNotAvailable",
            false,
        ),
        (
            given(|i| i.status = ImageStatus::CreateFailed),
            "ImageNotAvailable",
            true,
        ),
        (
            given(|i| i.architecture = "arm64".into()),
            "ImageArchitectureMismatch",
            true,
        ),
        (
            given(|i| i.os_type = "windows".into()),
            "ImageOSMismatch",
            true,
        ),
    ] {
        assert_eq!(stands(world), (reason.to_owned(), blocked), "{reason}");
    }
}

#[test]
fn what_is_built_has_to_be_usable_by_instances_like_those_there_are() {
    let source = |image: &str, os: &str, change: fn(&mut ess_rollout_cloud::Image)| {
        let mut found = crate::cloud::image("m-source", ImageStatus::Available);
        change(&mut found);
        with(|c| {
            c.images.insert("m-source".into(), found);
            let instance = c.instance.as_mut().unwrap();
            (instance.image, instance.os_type) = (image.into(), os.into());
        })
    };
    let arm: fn(&mut ess_rollout_cloud::Image) = |i| i.architecture = "arm64".into();
    let mut told = source("m-source", "linux", arm);
    told.pass();
    let told = told.message("Preflight");
    assert!(
        told.contains("spec.source.instanceId") && told.contains("m-source"),
        "{told}"
    );
    for (world, reason) in [
        (
            source("m-source", "linux", arm),
            "ImageArchitectureMismatch",
        ),
        (
            source("m-source", "windows", |i| i.os_type = "windows".into()),
            "ImageOSMismatch",
        ),
        // Its image was deleted: what the instance itself says.
        (source("m-gone", "windows", |_| {}), "ImageOSMismatch"),
    ] {
        assert_eq!(stands(world), (reason.to_owned(), true));
    }
    let mut unknown = source("m-gone", "linux", |_| {});
    unknown.run_to_rest();
    assert_eq!(unknown.state(), "Succeeded");
}

#[test]
fn the_namespace_has_to_be_allowed_the_operators_credentials_and_roles() {
    let mut other = building(json!({}));
    other.settings.own_credentials_namespaces.clear();
    assert_eq!(stands(other).0, "CredentialsNotAllowed");
    let role = building(json!({"ramRole": "Admin"}));
    assert_eq!(stands(role).0, "RamRoleNotAllowed");
    let mut nowhere = building(json!({}));
    nowhere.settings.default_region = None;
    assert_eq!(stands(nowhere).0, "RegionMissing");

    let mut allowed = building(json!({"ramRole": "OOSServiceRole"}));
    allowed.run_to_rest();
    let start = allowed.cloud.started().unwrap();
    assert_eq!(start.parameters["OOSAssumeRole"], "OOSServiceRole");
}

#[test]
fn an_image_name_leaves_room_for_what_oos_adds() {
    let named = |name: Option<&str>, instance: &str| {
        let mut world = building(json!({}));
        world.task.spec.source = Some(ImageSource {
            instance_id: instance.to_owned(),
            image_name: name.map(str::to_owned),
            tags: Vec::new(),
        });
        world
    };
    let long = "x".repeat(79);
    let instance = format!("i-{}", "y".repeat(70));
    for world in [named(Some(&long), SOURCE), named(None, &instance)] {
        assert_eq!(stands(world).0, "ImageNameTooLong");
    }
    for reserved in [
        "aliyun-nightly",
        "acs:web",
        "Aliyun_x",
        "http://x",
        "https://x",
    ] {
        assert_eq!(stands(named(Some(reserved), SOURCE)).0, "ImageNameReserved");
    }
    let mut fits = named(None, SOURCE);
    fits.run_to_rest();
    let start = fits.cloud.started().unwrap();
    assert_eq!(
        start.parameters["targetImageName"],
        format!("CreateImage_from_{SOURCE}")
    );
}

#[test]
fn a_blocked_run_stays_due_and_begins_when_it_can() {
    let mut world = cron("0 2 * * *", json!({}));
    world.run_to("2026-01-06T01:59:00Z");
    assert_eq!(world.state(), "Scheduled");
    world.cloud.instance = None;
    world.run_to("2026-01-06T05:00:00Z");
    assert_eq!(world.state(), "Blocked");
    assert!(
        world
            .message("Preflight")
            .contains("spec.source.instanceId")
    );
    world.cloud.instance = Cloud::at(0).instance;
    world.run_to_rest();
    let run = world.newest();
    assert_eq!(
        run.schedule_time.as_ref().unwrap().0,
        crate::world::at("2026-01-06T02:00:00Z")
    );
    assert_eq!(world.state(), "Scheduled");
    assert_eq!(world.status().missed_runs, None);
    assert_eq!(world.cloud.carried("asc-1"), "m-1");
    assert_eq!(world.cloud.group.as_ref().unwrap().id, GROUP);
}

#[test]
fn a_schedule_that_says_nothing_is_told_of_and_nothing_runs() {
    for (spec, reason) in [
        (
            json!({"schedule": {"cron": "0 25 * * *"}}),
            "InvalidSchedule",
        ),
        (
            json!({"schedule": {"cron": "0 2 * * *", "timeZone": "Mars/Olympus"}}),
            "InvalidTimeZone",
        ),
    ] {
        let mut world = building(spec);
        world.run_to("2026-01-12T12:00:00Z");
        assert_eq!(world.state(), "Blocked");
        assert_eq!(world.condition("Stalled"), format!("True/{reason}"));
        assert_eq!(world.condition("Ready"), format!("False/{reason}"));
        assert!(world.cloud.sent.is_empty());
        assert_eq!(world.reasons(), ["InvalidSchedule"]);
        world.annotated("run-now", "1");
        world.run_to("2026-01-12T12:01:00Z");
        assert_eq!(world.action("RunNow").reason, reason);
        world.edited(|t| {
            let schedule = t.spec.schedule.as_mut().unwrap();
            schedule.cron = Some("0 2 * * *".into());
            schedule.time_zone = Some("Asia/Shanghai".into());
        });
        world.run_until(60, "scheduled", |w| w.state() == "Scheduled");
        assert_eq!(world.condition("Stalled"), "");
    }
    let mut never = cron("0 0 30 2 *", json!({}));
    never.run_to("2026-01-12T12:00:00Z");
    assert_eq!(never.condition("Stalled"), "True/NeverDue");
    let mut over = cron("0 2 * * *", json!({}));
    over.edited(|t| {
        let schedule = t.spec.schedule.as_mut().unwrap();
        schedule.not_after = serde_json::from_value(json!("2025-12-31T00:00:00Z")).unwrap();
    });
    over.run_to("2026-01-12T12:00:00Z");
    assert_eq!(
        (over.state(), over.condition("Ready").as_str()),
        ("Finished", "True/NothingDue")
    );
}
