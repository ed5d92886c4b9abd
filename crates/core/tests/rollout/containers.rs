//! Container updates: what is checked, what the template is told, what it leaves and how that is put
//! back, and the way back.

use ess_rollout_api::v1alpha1::{RestoreKind, RestoreState, RollbackMethod, condition};
use ess_rollout_cloud::{
    ContainerGroupStatus, ErrorClass, GroupType, LifecycleState, Mutation, StartExecution,
};
use serde_json::{Value, json};

use crate::builders::{script_task, task};
use crate::cloud::Cloud;
use crate::cloud::containers::{containers, old};
use crate::rolling_back::rollback;
use crate::world::World;

fn of(update: Value, spec: Value) -> World {
    let task = task(json!({ "containerGroup": update }), spec);
    World::new(task, Cloud::with_container_groups(4))
}

/// The image of one container of four groups, in two batches.
pub fn incremental(spec: Value) -> World {
    of(
        json!({"containers": [{"name": "app", "image": "app:v2"}]}),
        spec,
    )
}

fn start(world: &World) -> &StartExecution {
    let mut starts = world.cloud.sent.iter().filter_map(|m| match m {
        Mutation::StartExecution(start) => Some(start),
        _ => None,
    });
    starts.next_back().unwrap()
}

fn configured(world: &World) -> Vec<String> {
    let all = world.cloud.configuration_containers.iter();
    all.map(|c| c.text("Image").to_owned()).collect()
}

#[test]
fn containers_are_updated_and_read_back() {
    let mut world = incremental(json!({}));
    world.cloud.instances[3].creation_type = "Managed".into();
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
    assert_eq!(world.cloud.images_of("app"), ["app:v2"; 4]);
    assert_eq!(configured(&world), ["app:v2", "log:v1"]);
    let parameters = &start(&world).parameters;
    assert_eq!(
        Value::Object(parameters.clone()),
        json!({
            "invokeType": "invoke",
            "scalingGroupId": "asg-example",
            "enterProcess": ["ScaleIn", "ScaleOut", "HealthCheck", "AlarmNotification", "ScheduledAction"],
            "exitProcess": ["ScaleIn", "ScaleOut", "HealthCheck", "AlarmNotification", "ScheduledAction"],
            "batchPauseOption": "Automatic",
            "batchNumber": 2,
            "containerConfigure": [{"Name": "app", "Image": "app:v2"}],
            "sourceContainerConfigure": [{"Name": "app", "Image": "app:v1"}],
            "updateType": "IncrementalUpdate",
            "scalingConfigurationId": "asc-1",
            "OOSAssumeRole": "",
        })
    );
    let current = world.record_status().current.unwrap();
    assert_eq!(current.what, "app=app:v2");
}

#[test]
fn what_is_not_given_goes_with_renew() {
    let update = json!({
        "updateType": "Renew",
        "containers": [{
            "name": "app", "image": "app:v2", "command": ["serve"], "arg": ["-v"], "cpu": "0.5", "memory": "2",
            "imagePullPolicy": "Always", "workingDir": "/srv", "port": [{"port": 80, "protocol": "TCP"}],
            "environmentVar": [{"key": "EMPTY"}], "volumeMount": [{"name": "data", "mountPath": "/data", "readOnly": true}],
        }],
    });
    let mut world = of(update, json!({}));
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
    let given = json!([{
        "Name": "app", "Image": "app:v2", "Command": ["serve"], "Arg": ["-v"], "Cpu": 0.5, "Memory": 2,
        "ImagePullPolicy": "Always", "WorkingDir": "/srv", "Port": [{"Port": 80, "Protocol": "TCP"}],
        "EnvironmentVar": [{"Key": "EMPTY"}], "VolumeMount": [{"Name": "data", "MountPath": "/data", "ReadOnly": true}],
    }]);
    assert_eq!(start(&world).parameters["containerConfigure"], given);
    assert_eq!(start(&world).parameters["updateType"], "RenewUpdate");
    assert_eq!(world.cloud.configuration_containers, containers(&given));
    // The log container has a probe, which a spec cannot say: there is no way back by default.
    assert_eq!(
        world.status().plan.as_ref().unwrap().source_container_group,
        None
    );
}

#[test]
fn a_retried_instance_is_brought_back_from_standby() {
    let mut world = incremental(json!({}));
    world.cloud.failing.insert("i-0002".into(), 1);
    world.run_to_state("FailureSuspended");
    world.annotated("retry", "i-0002@one");
    world.run_to_rest();
    assert_eq!(world.state(), "Succeeded");
    assert_eq!(world.cloud.count("ExitStandby"), 1);
    let serve = |i: &ess_rollout_cloud::ScalingInstance| i.state == LifecycleState::InService;
    assert!(world.cloud.instances.iter().all(serve));
    assert_eq!(world.said(condition::RESTORED), "True Restored");
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
}

/// Nothing returns that cannot serve: a group that comes up late is waited for, one that does not
/// come up is left and listed.
#[test]
fn what_does_not_run_stays_in_standby_and_is_listed() {
    for (comes_up, status) in [
        (true, ContainerGroupStatus::Running),
        (false, ContainerGroupStatus::Running),
        (false, ContainerGroupStatus::Failed),
    ] {
        let policy = json!({"onFailure": "Fail", "failedInstancePolicy": "ReturnToService"});
        let mut world = incremental(policy);
        world.cloud.failing.insert("i-0001".into(), 9);
        let group = world.cloud.container_group("i-0001");
        group.containers[0].ready = false;
        world.run_until(900, "is being put back", |w| {
            w.cloud.count("ResumeProcesses") > 0 || w.at_rest()
        });
        world.cloud.container_group("i-0001").status = status.clone();
        world.cloud.container_group("i-0001").containers[0].ready = comes_up;
        world.run_until(2000, "at rest", World::at_rest);
        let left: Vec<_> = world.record_status().leftovers;
        if comes_up {
            assert!(left.is_empty(), "{left:?}");
        } else {
            let standby = left
                .iter()
                .find(|l| l.kind == RestoreKind::Standby)
                .unwrap();
            assert_eq!(standby.target, "i-0001");
            assert!(
                standby.message.contains("container group"),
                "{}",
                standby.message
            );
            assert_eq!(world.cloud.instances[0].state, LifecycleState::Standby);
        }
    }
}

/// The template changes the configuration after the last instance: when it fails between that and
/// its end, or is cancelled then, the configuration goes back, to the last field.
#[test]
fn the_configuration_goes_back_after_a_run_that_did_not_succeed() {
    let adds = json!({"containers": [{"name": "log", "image": "log:v2", "arg": ["-v"]}]});
    let image = json!({"containers": [{"name": "log", "image": "log:v2"}]});
    for (update, kind) in [(image, "IncrementalUpdate"), (adds, "RenewUpdate")] {
        let mut world = of(
            update.clone(),
            json!({"suspensionPolicy": "SuspendFirstBatch"}),
        );
        world.run_to_state("BatchSuspended");
        let new = &update["containers"][0];
        let fields = &mut world.cloud.configuration_containers[1].fields;
        fields.insert("Image".into(), new["image"].clone());
        if new["arg"].is_array() {
            fields.insert("Arg".into(), new["arg"].clone());
        }
        world.annotated("cancel", "now");
        world.run_to_rest();
        assert_eq!(world.state(), "Cancelled");
        assert_eq!(world.cloud.configuration_containers, old());
        assert_eq!(world.said(condition::RESTORED), "True Restored");
        let sent = world.cloud.sent.iter().find_map(|m| match m {
            Mutation::ModifyEciScalingConfiguration { update, .. } => Some(update.as_str()),
            _ => None,
        });
        assert_eq!(sent, Some(kind));
    }
    // What somebody else put there is theirs.
    let mut world = incremental(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    let theirs = json!([{"Name": "app", "Image": "app:theirs"}]);
    world.cloud.configuration_containers = containers(&theirs);
    world.annotated("cancel", "now");
    world.run_to_rest();
    assert_eq!(world.cloud.configuration_containers, containers(&theirs));
    assert_eq!(world.said(condition::RESTORED), "False LeftBehind");
}

#[test]
fn a_configuration_that_cannot_be_put_back_is_the_next_runs() {
    let mut world = incremental(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    let app = &mut world.cloud.configuration_containers[0];
    app.fields.insert("Image".into(), json!("app:v2"));
    let call = "ModifyEciScalingConfiguration";
    world.cloud.broken.insert(call, ErrorClass::Denied);
    world.annotated("cancel", "now");
    world.run_until(20_000, "at rest", World::at_rest);
    let left = world.record_status().leftovers;
    assert_eq!(left.len(), 1, "{left:?}");
    assert_eq!(left[0].kind, RestoreKind::ScalingConfigurationContainers);
    assert!(
        left[0]
            .containers
            .as_ref()
            .unwrap()
            .contains("ReadinessProbe")
    );

    let cancelled = json!({"suspensionPolicy": "SuspendFirstBatch"});
    let mut after = incremental(cancelled);
    after.task.metadata.uid = Some("uid-2".into());
    after.cloud = world.cloud.clone();
    after.cloud.broken.clear();
    after.record = world.record.clone();
    after.run_to_state("BatchSuspended");
    after.annotated("cancel", "now");
    after.run_to_rest();
    assert_eq!(after.cloud.configuration_containers, old());
    assert!(after.record_status().leftovers.is_empty());
}

#[test]
fn an_empty_group_gets_its_configuration() {
    let mut world = incremental(json!({}));
    world.cloud.instances.clear();
    world.cloud.container_groups.clear();
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True NoInstances");
    assert_eq!(configured(&world), ["app:v2", "log:v1"]);
    assert_eq!(world.cloud.count("StartExecution"), 0);
}

#[test]
fn an_update_that_differs_is_told_of() {
    let mut world = incremental(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.run_to_state("BatchSuspended");
    world.cloud.container_group("i-0001").containers[0].ready = false;
    world.cloud.container_group("i-0001").containers[0].state = "Waiting, CrashLoopBackOff".into();
    let image = json!("app:v0");
    let other = &mut world.cloud.container_group("i-0002").containers[0];
    other.container.fields.insert("Image".into(), image);
    world.annotated("continue", "1");
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "False Different");
    let message = &world.condition(condition::VERIFIED).unwrap().message;
    for part in [
        "i-0001 is not ready (Waiting, CrashLoopBackOff)",
        "i-0002 runs image app:v0",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_touched() {
    type Spoil = fn(&mut World);
    let app = |more: Value| {
        let mut app = json!({"name": "app"});
        app.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "containers": [app] })
    };
    let v2 = || app(json!({"image": "app:v2"}));
    let renew = |mut update: Value| {
        update["updateType"] = json!("Renew");
        update
    };
    let nothing: Spoil = |_| {};
    let from_field: Spoil = |w| {
        let variables = json!([{"Key": "POD_IP", "FieldRefFieldPath": "status.podIP"}]);
        let app = &mut w.cloud.container_group("i-0002").containers[0].container;
        app.fields.insert("EnvironmentVar".into(), variables);
    };
    let cases: Vec<(Value, Spoil, &str, &str)> = vec![
        (
            v2(),
            |w| w.cloud.group.as_mut().unwrap().group_type = GroupType::Ecs,
            "ScalingGroupTypeMismatch",
            "update.image",
        ),
        (
            v2(),
            |w| w.cloud.group.as_mut().unwrap().active_scaling_configuration = None,
            "ScalingConfigurationNotFound",
            "activate",
        ),
        (
            v2(),
            |w| w.cloud.container_group("i-0002").status = ContainerGroupStatus::Failed,
            "ContainerGroupNotRunning",
            "i-0002 is Failed",
        ),
        (
            v2(),
            |w| w.cloud.container_group("i-0002").status = ContainerGroupStatus::Updating,
            "ContainerGroupNotRunning",
            "starts when",
        ),
        (
            v2(),
            |w| w.cloud.container_groups.truncate(3),
            "ContainerGroupNotFound",
            "i-0004",
        ),
        (
            v2(),
            |w| drop(w.cloud.container_group("i-0003").containers.remove(0)),
            "ContainerNotFound",
            "i-0003 has no container app",
        ),
        (
            v2(),
            |w| drop(w.cloud.configuration_containers.remove(0)),
            "ContainerNotFound",
            "asc-1",
        ),
        (
            json!({"containers": [{"name": "log", "image": "log:v2"}], "updateType": "Renew"}),
            nothing,
            "RenewRemovesFields",
            "ReadinessProbe",
        ),
        // A variable that comes from a field: a spec cannot say it, and the list is exchanged as a whole.
        (
            renew(app(json!({"image": "app:v2"}))),
            from_field,
            "RenewRemovesFields",
            "EnvironmentVar with FieldRef",
        ),
        (
            app(json!({"environmentVar": [{"key": "A", "value": "1"}]})),
            from_field,
            "UpdateRemovesFields",
            "leave that field out",
        ),
        (
            renew(app(json!({"cpu": "1"}))),
            nothing,
            "InvalidSpec",
            "no image",
        ),
        (
            app(json!({})),
            nothing,
            "InvalidSpec",
            "nothing but its name",
        ),
        (
            json!({"containers": [{"name": "app", "image": "a"}, {"name": "app", "image": "b"}]}),
            nothing,
            "InvalidSpec",
            "twice",
        ),
        (
            app(json!({"arg": ["{{ ACS::RegionId }}"]})),
            nothing,
            "ContainersAmbiguous",
            "{{",
        ),
        (
            app(json!({"arg": vec!["x".repeat(1024); 32], "command": vec!["x".repeat(1024); 32]})),
            nothing,
            "ContainersTooLarge",
            "bytes",
        ),
    ];
    for (update, spoil, reason, part) in cases {
        let mut world = of(update, json!({}));
        spoil(&mut world);
        world.run_for(30);
        let found = world.condition(condition::PREFLIGHT).unwrap();
        assert_eq!(found.reason, reason, "{}", found.message);
        assert!(found.message.contains(part), "{}", found.message);
        assert!(world.cloud.sent.is_empty());
    }
    // And the other way round.
    let mut world = World::new(script_task(json!({})), Cloud::with_container_groups(2));
    world.run_for(30);
    let found = world.condition(condition::PREFLIGHT).unwrap();
    assert!(
        found.message.contains("update.containerGroup"),
        "{}",
        found.message
    );
}

#[test]
fn containers_go_back_to_what_they_were() {
    let mut update = incremental(json!({}));
    update.run_to_rest();
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(back.said(condition::VERIFIED), "True AsWanted");
    assert_eq!(back.cloud.images_of("app"), ["app:v1"; 4]);
    assert_eq!(back.cloud.configuration_containers, old());
    let parameters = &start(&back).parameters;
    assert_eq!(parameters["invokeType"], "rollback");
    assert_eq!(
        parameters["sourceContainerConfigure"],
        json!([{"Name": "app", "Image": "app:v1"}])
    );
    assert_eq!(
        parameters["containerConfigure"],
        json!([{"Name": "app", "Image": "app:v2"}])
    );

    let to = json!({"to": {"containers": [{"name": "app", "image": "app:v0"}]}});
    let mut back = rollback(&mut update, to);
    back.run_to_rest();
    assert_eq!(back.said(condition::VERIFIED), "True AsWanted");
    assert_eq!(configured(&back), ["app:v0", "log:v1"]);
}

#[test]
fn what_an_update_added_goes_with_its_rollback() {
    let adds = json!({"containers": [{"name": "app", "image": "app:v2", "arg": ["-v"]}]});
    let mut update = of(adds, json!({}));
    for group in &mut update.cloud.container_groups {
        group.containers[1]
            .container
            .fields
            .remove("ReadinessProbe");
    }
    update.cloud.configuration_containers[1]
        .fields
        .remove("ReadinessProbe");
    let before = update.cloud.configuration_containers.clone();
    update.run_to_rest();
    let mut back = rollback(&mut update, json!({}));
    back.run_to_rest();
    assert_eq!(back.said(condition::VERIFIED), "True AsWanted");
    assert_eq!(start(&back).parameters["updateType"], "RenewUpdate");
    assert_eq!(back.cloud.configuration_containers, before);
    let app = &back.cloud.container_groups[0].containers[0];
    assert!(!app.container.fields.contains_key("Arg"));
}

#[test]
fn where_to_go_back_to_must_be_known() {
    let mut update = incremental(json!({}));
    let other = &mut update.cloud.container_group("i-0002").containers[0];
    other
        .container
        .fields
        .insert("Image".into(), json!("app:v0"));
    update.run_to_rest();
    assert!(
        !start(&update)
            .parameters
            .contains_key("sourceContainerConfigure")
    );
    let mut back = rollback(&mut update, json!({}));
    back.run_for(30);
    let found = back.condition(condition::PREFLIGHT).unwrap();
    assert_eq!(found.reason, "NoRollbackPayload");
    assert!(found.message.contains("spec.to.containers"));
}

/// OOS would read what runs now as a reference to a template parameter, at the start already, which
/// has the way back among its parameters.
#[test]
fn a_way_back_that_oos_would_misread_is_not_kept_and_said_so() {
    let update = json!({"containers": [{"name": "app", "image": "app:v2", "command": ["serve"]}]});
    let mut update = of(update, json!({}));
    for group in &mut update.cloud.container_groups {
        let fields = &mut group.containers[0].container.fields;
        fields.insert("Command".into(), json!(["render", "{{ name }}"]));
    }
    update.run_to_rest();
    assert_eq!(update.state(), "Succeeded");
    assert!(
        !start(&update)
            .parameters
            .contains_key("sourceContainerConfigure")
    );
    let told = &update.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        told.contains("contain {{") && told.contains("spec.to.containers"),
        "{told}"
    );
}

/// The public template's rollback would update an instance that was tried twice twice at a time, and
/// fail at one that is gone or can be updated no more.
#[test]
fn what_the_template_cannot_undo_is_undone_by_a_fresh_update() {
    for trap in ["retried", "gone", "failed"] {
        let mut update = incremental(json!({}));
        if trap == "retried" {
            update.cloud.failing.insert("i-0002".into(), 1);
            update.run_to_state("FailureSuspended");
            update.annotated("retry", "i-0002@one");
        }
        update.run_to_rest();
        assert_eq!(update.state(), "Succeeded");
        update.cloud.failing.clear();
        match trap {
            "gone" => {
                update.cloud.instances.remove(1);
                update.cloud.container_groups.remove(1);
            }
            "failed" => {
                update.cloud.container_group("i-0002").status = ContainerGroupStatus::Failed;
                update.cloud.set_state("i-0002", LifecycleState::Standby);
            }
            _ => {}
        }
        let mut back = rollback(&mut update, json!({}));
        back.run_to_rest();
        let source = back.status().source.clone().unwrap();
        assert_eq!(source.method, RollbackMethod::Invoke, "{trap}");
        assert_eq!(back.said(condition::SUCCEEDED), "True Updated", "{trap}");
        assert_eq!(start(&back).parameters["invokeType"], "invoke");
        assert_eq!(back.cloud.configuration_containers, old());
        let restored = back.status().restore.clone().unwrap().items;
        assert!(
            restored
                .iter()
                .all(|item| item.state == RestoreState::Restored),
            "{trap}"
        );
    }
}

/// One incomplete answer neither widens a rollback nor ends it.
#[test]
fn a_container_group_that_no_answer_shows_is_waited_for_before_a_rollback() {
    let mut update = incremental(json!({}));
    update.run_to_rest();
    let mut back = rollback(&mut update, json!({}));
    back.hide(&["ContainerGroups"], "i-0002");
    back.run_for(60);
    let said = back.condition(condition::PREFLIGHT).unwrap();
    assert_eq!(said.reason, "ContainerGroupNotFound");
    assert!(said.message.contains("i-0002"), "{}", said.message);
    back.cloud.hidden.clear();
    back.run_to_rest();
    let source = back.status().source.clone().unwrap();
    assert_eq!(source.method, RollbackMethod::Template);
    assert_eq!(back.said(condition::SUCCEEDED), "True Updated");
}

#[test]
fn a_run_of_the_console_is_undone() {
    let mut update = incremental(json!({}));
    update.run_to_rest();
    for root in update
        .cloud
        .executions
        .iter_mut()
        .filter(|e| e.parent.is_none())
    {
        root.tags.clear();
    }
    let spec = json!({"executionId": "exec-1", "scalingGroupId": "asg-example"});
    let mut back = rollback(&mut update, spec);
    back.rolling_back.as_mut().unwrap().source = None;
    back.run_to_rest();
    assert_eq!(back.said(condition::VERIFIED), "True AsWanted");
    assert_eq!(back.cloud.images_of("app"), ["app:v1"; 4]);
    assert_eq!(back.cloud.configuration_containers, old());
}

/// OOS waits for the containers of a group for most of an hour and says nothing: ECI knows.
#[test]
fn an_image_that_cannot_be_pulled_is_said_while_it_is_waited_for_and_when_it_fails() {
    fn stuck(world: &mut World, reason: &str, message: &str) {
        let container = &mut world.cloud.container_group("i-0001").containers[0];
        container.ready = false;
        container.reason = reason.into();
        container.state = format!("Waiting, {reason}, {message}");
    }
    let mut world = incremental(json!({}));
    world.cloud.slow.insert("i-0001".into(), 600);
    world.cloud.failing.insert("i-0001".into(), 1);
    world.run_to_state("Running");
    stuck(&mut world, "ContainerCreating", "");
    world.run_for(90);
    let message = |world: &World| world.condition(condition::READY).unwrap().message.clone();
    let updated = |world: &World| {
        let conditions = &world.instance("i-0001").conditions;
        conditions
            .iter()
            .find(|c| c.type_ == "Updated")
            .unwrap()
            .clone()
    };
    assert_eq!(message(&world), "the execution is in progress");
    stuck(&mut world, "ErrImagePull", "app:v2: not found");
    world.run_for(30);
    let waits = "container app is not ready: Waiting, ErrImagePull, app:v2: not found";
    assert_eq!(
        message(&world),
        format!("the execution is in progress; i-0001: {waits}")
    );
    assert_eq!(updated(&world).message, waits);
    // Tries and waits follow each other: that is no news.
    let writes = world.task_writes;
    for (reason, message) in [
        ("ImagePullBackOff", "back-off pulling image"),
        ("ErrImagePull", "again"),
    ] {
        stuck(&mut world, reason, message);
        world.run_for(30);
    }
    assert_eq!(world.task_writes, writes);
    world.cloud.container_groups[0].containers[0].ready = true;
    world.run_for(30);
    assert_eq!(message(&world), "the execution is in progress");
    stuck(&mut world, "ErrImagePull", "app:v2: not found");
    world.run_to_state("FailureSuspended");
    let failed = updated(&world);
    assert_eq!(failed.reason, "Failed");
    assert!(failed.message.ends_with(waits), "{}", failed.message);
}

/// It is said more, not done more: what cannot be read holds nothing up.
#[test]
fn container_groups_that_may_not_be_read_while_they_take_long_hold_nothing_up() {
    let mut world = incremental(json!({"suspensionPolicy": "SuspendFirstBatch"}));
    world.cloud.slow.insert("i-0001".into(), 600);
    world.run_to_state("Running");
    let denied = ErrorClass::Denied;
    world.cloud.broken.insert("ContainerGroups", denied);
    world.run_for(120);
    assert_eq!(world.condition(condition::STALLED), None);
    world.run_to_state("BatchSuspended");
}
