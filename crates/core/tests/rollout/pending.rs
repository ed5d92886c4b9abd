//! Before the start: queue, credentials, preflight, run keys, the order of taking and starting.

use ess_rollout_api::v1alpha1::{DesiredState, Holder, Leftover, RestoreKind, condition};
use ess_rollout_cloud::{
    EcsInstance, EcsStatus, ErrorClass, GroupState, GroupType, ImageStatus, LifecycleState,
    Process, ScalingActivity,
};
use ess_rollout_core::ask::QueueEntry;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;

use crate::builders::{image, image_task, script};
use crate::cloud::{Cloud, NEW_IMAGE, execution};
use crate::world::{Crash, World};

/// What a task that may not start yet says, and what its message has to name.
fn refused(mut world: World, said: &str, named: &str) -> World {
    world.run_for(1);
    assert_eq!(world.said(condition::PREFLIGHT), said);
    let message = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(message.contains(named), "{message} does not name {named}");
    assert!(world.cloud.sent.is_empty());
    assert!(!world.holds());
    // Looking again finds nothing new to say.
    let writes = world.task_writes;
    world.run_for(300);
    assert_eq!(world.task_writes, writes, "written while nothing changes");
    world
}

#[test]
fn credentials_of_the_operator_are_for_listed_namespaces_and_roles_only() {
    let mut world = script(json!({}));
    world.settings.own_credentials_namespaces.clear();
    refused(world, "False CredentialsNotAllowed", "spec.credentialsRef");
    let world = script(json!({"ramRole": "Admin"}));
    refused(world, "False RamRoleNotAllowed", "spec.ramRole");
    let mut world = script(json!({"ramRole": "Admin", "credentialsRef": {"name": "mine"}}));
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_spec_that_cannot_run_is_refused_without_looking_at_the_cloud() {
    let mut world = script(json!({}));
    world.settings.default_region = None;
    refused(world, "False RegionMissing", "spec.regionId");
    for (update, reason, named) in [
        (
            json!({"package": {"name": "p;reboot"}}),
            "InvalidSpec",
            "spec.update.package.name",
        ),
        (
            json!({"script": {"run": {"inline": "a {{ b"}}}),
            "ScriptAmbiguous",
            "spec.update.script.run",
        ),
        (
            json!({"script": {"run": {"inline": "é".repeat(9000)}}}),
            "ScriptTooLarge",
            "18000 bytes",
        ),
        (
            json!({"script": {"run": {"inline": "x"}, "rollback": {"inline": "{{"}}}),
            "ScriptAmbiguous",
            "spec.update.script.rollback",
        ),
        (
            json!({"package": {"name": "p", "rollbackVersion": "v1,x"}}),
            "InvalidSpec",
            "spec.update.package.rollbackVersion",
        ),
        (
            json!({"script": {"run": {"inline": " \n"}}}),
            "ScriptEmpty",
            "spec.update.script.run",
        ),
    ] {
        let task = crate::builders::task(update, json!({}));
        let mut cloud = Cloud::with_instances(4);
        cloud.broken.insert("ScalingGroup", ErrorClass::Retry);
        refused(World::new(task, cloud), &format!("False {reason}"), named);
    }
}

#[test]
fn each_thing_that_stands_against_the_start_has_a_reason_and_a_cure() {
    type Change = fn(&mut Cloud);
    let cases: Vec<(Change, &str, &str)> = vec![
        (
            |c| c.group = None,
            "False ScalingGroupNotFound",
            "spec.scalingGroupId",
        ),
        (
            |c| c.group.as_mut().unwrap().group_type = GroupType::Eci,
            "False ScalingGroupTypeMismatch",
            "ECI",
        ),
        (
            |c| c.group.as_mut().unwrap().state = GroupState::Inactive,
            "False ScalingGroupNotActive",
            "enable it",
        ),
        (
            |c| c.template = None,
            "False TemplateNotFound",
            "cn-hangzhou",
        ),
        (
            |c| c.images.retain(|i| i.id != NEW_IMAGE),
            "False ImageNotFound",
            "spec.update.image.imageId",
        ),
        (
            |c| c.images[1].status = ImageStatus::CreateFailed,
            "False ImageNotAvailable",
            "CreateFailed",
        ),
        (
            |c| c.images[1].status = ImageStatus::Creating,
            "Unknown ImageNotAvailable",
            "Creating",
        ),
        (
            |c| c.images[1].os_type = "windows".into(),
            "False ImageOSMismatch",
            "windows",
        ),
        (
            |c| c.images[1].architecture = "arm64".into(),
            "False ImageArchitectureMismatch",
            "i-0001 runs image m-old, which is for x86_64",
        ),
        (
            |c| {
                c.activities.push(ScalingActivity {
                    id: "asa-1".into(),
                    description: "adding".into(),
                    progress: 50,
                })
            },
            "Unknown ScalingActivityInProgress",
            "asa-1",
        ),
        (
            |c| c.group.as_mut().unwrap().instances_in_motion = 1,
            "Unknown ScalingActivityInProgress",
            "joining",
        ),
        (|c| *c = with(c, 1001), "False TooManyInstances", "1001"),
    ];
    for (change, said, named) in cases {
        let mut world = image(json!({}));
        change(&mut world.cloud);
        refused(world, said, named);
    }
    let mut world = script(json!({}));
    world.cloud.ecs[2].os_type = "windows".into();
    refused(world, "False ScriptTypeMismatch", "spec.update.script.type");
    let mut task = image_task(json!({"batchSize": 1}));
    task.spec.policy.batches = None;
    let world = World::new(task, Cloud::with_instances(101));
    refused(world, "False TooManyBatches", "spec.batchSize");
}

fn with(_: &Cloud, instances: usize) -> Cloud {
    Cloud::with_instances(instances)
}

#[test]
fn a_denied_read_names_the_call_and_is_not_written_again_and_again() {
    let mut world = script(json!({}));
    world
        .cloud
        .broken
        .insert("ScalingGroup", ErrorClass::Denied);
    let mut world = refused(world, "False AccessDenied", "ScalingGroup");
    assert_eq!(world.table(), ["Unknown", "False", "-", "True", "False"]);
    world.cloud.broken.clear();
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

/// `seen_in` is what is desired while the other run goes on.
fn waits_for_somebody_else(seen_in: DesiredState) {
    let mut world = script(json!({}));
    let mut foreign = execution(
        "exec-other",
        None,
        "ACS-ESS-RollingUpdateByX",
        world.cloud.time(),
    );
    foreign
        .parameters
        .insert("scalingGroupId".into(), json!("asg-example"));
    world.cloud.executions.push(foreign);
    let before = world.cloud.suspended();
    let suspend = |world: &mut World, processes| {
        world.cloud.group.as_mut().unwrap().suspended_processes = processes;
    };
    suspend(&mut world, Process::ALL.to_vec());
    world.edited(|t| t.spec.policy.desired_state = seen_in);
    let mut world = refused(world, "Unknown RollingUpdateInProgress", "exec-other");
    world.edited(|t| t.spec.policy.desired_state = DesiredState::Run);
    world.cloud.root().status = ess_rollout_cloud::ExecutionStatus::Success;

    // What it resumed shows some seconds late.
    world.run_for(20);
    assert!(world.cloud.sent.is_empty());
    suspend(&mut world, Vec::new());
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.suspended(), before);
}

#[test]
fn a_run_of_somebody_else_is_waited_for() {
    waits_for_somebody_else(DesiredState::Run);
}

#[test]
fn of_a_planned_update_a_run_of_somebody_else_is_waited_for() {
    waits_for_somebody_else(DesiredState::Plan);
}

#[test]
fn first_come_first_served() {
    let mut world = script(json!({}));
    world.ahead = Some(QueueEntry {
        kind: "RollingUpdateTask".into(),
        namespace: "shop".into(),
        name: "first".into(),
    });
    let mut world = refused(world, "Unknown WaitingForScalingGroup", "shop/first");
    world.ahead = None;
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

/// Cloud Assistant runs nothing on the others, which would end up in Standby.
#[test]
fn a_command_waits_for_instances_that_are_on_their_way_and_is_refused_where_they_are_stopped() {
    let package = || {
        let update = json!({"package": {"name": "nginx"}});
        let mut cloud = Cloud::with_instances(4);
        cloud.packages.insert("nginx".into(), vec!["v1".into()]);
        World::new(crate::builders::task(update, json!({})), cloud)
    };
    for with in [|| script(json!({})), package] {
        for (status, value) in [
            (EcsStatus::Stopped, "False"),
            (EcsStatus::Starting, "Unknown"),
        ] {
            let mut world = with();
            world.cloud.set_ecs("i-0002", status);
            let said = format!("{value} InstanceNotRunning");
            world = refused(world, &said, "i-0002");
            world.cloud.set_ecs("i-0002", EcsStatus::Running);
            world.run_to_rest();
            assert_eq!(world.state(), "Succeeded");
        }
    }
}

#[test]
fn a_group_that_somebody_holds_is_waited_for() {
    let mut world = held_by_another();
    world = refused(world, "Unknown WaitingForScalingGroup", "shop/other");
    world
        .record
        .as_mut()
        .unwrap()
        .status
        .as_mut()
        .unwrap()
        .holder = None;
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn a_group_whose_holder_vanished_is_taken_over_and_left_as_that_one_found_it() {
    for crash in [None, Some((0, Crash::Record))] {
        let mut world = held_by_another();
        // The run of the one that vanished left everything suspended; a person had suspended one.
        let record = world.record.as_mut().unwrap().status.as_mut().unwrap();
        record.baseline.as_mut().unwrap().suspended_processes = vec!["ScheduledAction".into()];
        world.cloud.group.as_mut().unwrap().suspended_processes = Process::ALL.to_vec();
        world.cloud.now += 10;
        world.run_for(60);
        assert_eq!(
            world.said(condition::PREFLIGHT),
            "Unknown WaitingForScalingGroup"
        );
        world.holder_gone = true;
        world.pass_with(crash);
        world.holder_gone = false;
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
        assert_eq!(
            world.cloud.suspended(),
            ["ScheduledAction".to_owned()].into(),
            "{crash:?}"
        );
    }
}

pub fn held_by_another() -> World {
    let mut world = script(json!({}));
    world.pass_with(Some((1, Crash::Record)));
    world.task.status = Some(serde_json::from_value(json!({"observedGeneration": -1})).unwrap());
    let record = world.record.as_mut().unwrap().status.as_mut().unwrap();
    record.holder = Some(Holder {
        taken_over_from: None,
        kind: "RollingUpdateTask".into(),
        namespace: "shop".into(),
        name: "other".into(),
        uid: "uid-2".into(),
        since: Time(world.cloud.time()),
    });
    world
}

#[test]
fn the_group_is_taken_before_the_intent_and_the_intent_before_the_call() {
    let mut world = script(json!({}));
    world.pass_with(Some((1, Crash::Record)));
    assert!(world.holds());
    assert!(world.status().start.is_none());
    world.pass_with(Some((0, Crash::Status)));
    assert!(world.status().start.is_some());
    assert!(world.cloud.sent.is_empty());
    world.run_to_rest();
    assert_eq!(world.cloud.count("StartExecution"), 1);
}

#[test]
fn a_group_taken_without_an_intent_is_let_go_whatever_comes_between() {
    type Change = fn(&mut World);
    let changes: Vec<(&str, Change)> = vec![
        ("problem", |w| w.cloud.template = None),
        ("plan", |w| {
            w.edited(|t| t.spec.policy.desired_state = DesiredState::Plan)
        }),
        ("cancelled", |w| {
            w.edited(|t| t.spec.policy.desired_state = DesiredState::Cancelled)
        }),
        ("deleted", |w| w.deleted()),
        ("denied", |w| {
            w.cloud.broken.insert("ScalingGroup", ErrorClass::Denied);
        }),
    ];
    for (name, change) in changes {
        let mut world = script(json!({"runKey": "v1"}));
        world.pass_with(Some((1, Crash::Record)));
        assert!(world.holds());
        change(&mut world);
        world.run_for(30);
        assert!(!world.holds(), "{name}: the group is still held");
        assert!(
            world.record_status().run_keys.is_empty(),
            "{name}: the key was not used"
        );
        assert!(world.cloud.sent.is_empty());
    }
}

#[test]
fn a_plan_touches_nothing_and_then_runs() {
    let mut world = script(json!({"desiredState": "Plan"}));
    world.run_to_state("Planned");
    assert_eq!(world.said(condition::PREFLIGHT), "True Passed");
    assert_eq!(world.status().plan.as_ref().unwrap().members.len(), 4);
    let said = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        said.starts_with(
            "4 instances in 2 batches, which take up to 2 of them (50%) out of service"
        ),
        "{said}"
    );
    let sizes: Vec<i32> = world.status().batches.iter().map(|b| b.size).collect();
    assert_eq!(sizes, [2, 2]);
    assert!(world.record.is_none());
    let writes = world.task_writes;
    world.run_for(600);
    assert_eq!(world.task_writes, writes);
    world.cloud.instances[3].state = LifecycleState::Standby;
    world.edited(|t| t.spec.policy.desired_state = DesiredState::Run);
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(
        world.status().plan.as_ref().unwrap().members.len(),
        3,
        "planned anew"
    );
}

#[test]
fn processes_suspended_before_stay_so_and_an_unfinished_baseline_is_inherited() {
    let mut world = script(json!({}));
    world.cloud.group.as_mut().unwrap().suspended_processes = vec![Process::AlarmNotification];
    world.run_to_rest();
    assert_eq!(
        world.cloud.suspended(),
        ["AlarmNotification".to_owned()].into()
    );

    // The run before left ScaleIn suspended: it is not part of the group as it should be.
    let mut world = held_by_another();
    let at = Time(world.cloud.time());
    let record = world.record.as_mut().unwrap().status.as_mut().unwrap();
    record.holder = None;
    record.baseline.as_mut().unwrap().suspended_processes = vec!["AlarmNotification".into()];
    record.leftovers.push(Leftover {
        kind: RestoreKind::Process,
        target: "ScaleIn".into(),
        wanted: "Resumed".into(),
        found: None,
        containers: None,
        kept: false,
        since: at,
        by: "shop/before".into(),
        message: String::new(),
    });
    world.cloud.group.as_mut().unwrap().suspended_processes =
        vec![Process::AlarmNotification, Process::ScaleIn];
    world.run_to_rest();
    assert_eq!(
        world.cloud.suspended(),
        ["AlarmNotification".to_owned()].into()
    );
    assert!(world.record_status().leftovers.is_empty());
}

#[test]
fn an_empty_group_succeeds_at_once_and_still_gets_the_image() {
    let mut world = World::new(image_task(json!({})), Cloud::with_instances(0));
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True NoInstances");
    assert_eq!(world.said(condition::PREFLIGHT), "True Passed");
    assert_eq!(world.cloud.configuration_image, NEW_IMAGE);
    assert_eq!(world.cloud.count("StartExecution"), 0);
}

#[test]
fn only_the_instances_asked_for_take_part() {
    let mut world = script(json!({"lifecycleStates": ["InService"]}));
    world.cloud.instances[0].state = LifecycleState::Protected;
    world.cloud.instances[1].state = LifecycleState::Standby;
    let ecs: Vec<EcsInstance> = world.cloud.ecs.clone();
    assert_eq!(ecs.len(), 4);
    world.run_to_rest();
    let members = &world.status().plan.as_ref().unwrap().members;
    assert_eq!(members.len(), 2);
    assert_eq!(world.state(), "Succeeded");
}

#[test]
fn preflight_says_what_a_person_should_know_of_an_image() {
    let said = |change: fn(&mut Cloud)| {
        let mut world = image(json!({}));
        change(&mut world.cloud);
        world.run_to_rest();
        assert_eq!(world.state(), "Succeeded");
        world
            .condition(condition::PREFLIGHT)
            .unwrap()
            .message
            .clone()
    };
    let plain = said(|_| {});
    assert!(
        !plain.contains("GiB") && !plain.contains("launch template"),
        "{plain}"
    );
    // An image that instances still run may be gone: nothing is said of it.
    assert_eq!(said(|c| drop(c.images.remove(0))), plain);
    let larger = said(|c| c.images[1].size_gib = 80);
    assert!(larger.contains("smaller system disks grow"), "{larger}");
    let template = said(|c| {
        let group = c.group.as_mut().unwrap();
        group.launch_template = Some("lt-1".into());
        group.active_scaling_configuration = None;
    });
    assert!(
        template.contains("launch template lt-1, which is left alone"),
        "{template}"
    );
}
