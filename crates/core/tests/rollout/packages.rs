//! Package updates: what is asked for, what is checked before, what is read back, and the way back.

use ess_rollout_api::v1alpha1::{RollbackMethod, condition};
use ess_rollout_cloud::ErrorClass;
use serde_json::{Value, json};

use crate::builders::task;
use crate::cloud::{Cloud, GROUP};
use crate::rolling_back::{rollback, started};
use crate::world::World;

/// A package update of four instances in two batches. There are `nginx` v1 to v3.
fn package(update: Value, installed: &[(&str, &str)]) -> World {
    let mut cloud = Cloud::with_instances(4);
    let versions = ["v1", "v2", "v3"].map(str::to_owned).to_vec();
    cloud.packages.insert("nginx".into(), versions);
    for (instance, version) in installed {
        let packages = cloud.installed.entry((*instance).to_owned()).or_default();
        packages.insert("nginx".into(), (*version).to_owned());
    }
    let mut all = json!({"name": "nginx"});
    for (name, value) in update.as_object().unwrap() {
        all[name] = value.clone();
    }
    World::new(task(json!({ "package": all }), json!({})), cloud)
}

/// Which instances have which version before.
type Installed = [(&'static str, &'static str)];

const ALL: [&str; 4] = ["i-0001", "i-0002", "i-0003", "i-0004"];

fn all_have(version: &'static str) -> [(&'static str, &'static str); 4] {
    ALL.map(|id| (id, version))
}

fn versions(world: &World) -> Vec<Option<String>> {
    let of = |id: &&str| world.cloud.installed.get(*id)?.get("nginx").cloned();
    ALL.iter().map(of).collect()
}

fn asked(world: &World) -> [String; 4] {
    let parameters = &started(world).parameters;
    ["invokeType", "packageName", "packageVersion", "action"]
        .map(|name| parameters[name].as_str().unwrap().to_owned())
}

#[test]
fn the_newest_version_is_the_one_that_was_the_newest_at_the_start() {
    let mut world = package(json!({}), &[]);
    world.run_to_state("Running");
    world
        .cloud
        .packages
        .get_mut("nginx")
        .unwrap()
        .push("v4".into());
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
    assert_eq!(asked(&world), ["invoke", "nginx", "v3", "install"]);
    let parameters = &started(&world).parameters;
    assert!(
        !parameters.contains_key("maxErrors"),
        "the template declares none"
    );
    assert_eq!(parameters["lifecycleState"], json!(["InService"]));
    assert_eq!(
        world.record_status().current.unwrap().what,
        "package nginx v3"
    );
}

#[test]
fn what_is_uninstalled_is_named_without_a_version_unless_the_task_has_one() {
    let mut world = package(json!({"action": "Uninstall"}), &all_have("v2"));
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsWanted");
    assert_eq!(asked(&world), ["invoke", "nginx", "", "uninstall"]);
    let current = world.record_status().current.unwrap();
    assert_eq!(current.what, "package nginx uninstalled");
}

#[test]
fn a_package_that_oos_does_not_have_is_refused_before_anything_is_touched() {
    for (update, said, named) in [
        (json!({"name": "nginz"}), "False PackageNotFound", "nginz"),
        (
            json!({"version": "v9"}),
            "False PackageVersionNotFound",
            "the newest is v3",
        ),
        (
            json!({"version": "v3", "rollbackVersion": "v0"}),
            "False PackageVersionNotFound",
            "spec.update.package.rollbackVersion",
        ),
    ] {
        let mut world = package(update, &[]);
        world.run_to_state("Blocked");
        assert_eq!(world.said(condition::PREFLIGHT), said);
        let message = &world.condition(condition::PREFLIGHT).unwrap().message;
        assert!(message.contains(named), "{message}");
        assert!(world.cloud.sent.is_empty() && !world.holds());
    }
    // Whoever may not ask finds out by running.
    let mut world = package(json!({"version": "v2"}), &[]);
    world.cloud.broken.insert("Package", ErrorClass::Denied);
    world.run_to_rest();
    assert_eq!(asked(&world), ["invoke", "nginx", "v2", "install"]);
    let told = &world.condition(condition::PREFLIGHT).unwrap().message;
    assert!(
        told.contains("could not be checked: Package failed"),
        "{told}"
    );
}

/// The run comes to its end while the operator is away.
fn ended_unseen(world: &mut World) {
    world.run_to_state("Running");
    world.cloud.advance(120);
    assert_eq!(versions(world).iter().flatten().count(), 4);
}

#[test]
fn what_is_installed_is_read_back() {
    // Somebody undoes it on one instance while the update runs.
    let mut world = package(json!({"version": "v2"}), &[]);
    ended_unseen(&mut world);
    let one = world.cloud.installed.get_mut("i-0002").unwrap();
    one.insert("nginx".into(), "v1".into());
    world.cloud.installed.get_mut("i-0003").unwrap().clear();
    world.run_to_rest();
    assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
    assert_eq!(world.said(condition::VERIFIED), "False Different");
    let message = &world.condition(condition::VERIFIED).unwrap().message;
    for part in [
        "i-0002 has version v1",
        "i-0003 does not have package nginx",
    ] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn what_cannot_be_read_back_is_said_and_fails_nothing() {
    for class in [ErrorClass::Denied, ErrorClass::Invalid, ErrorClass::Retry] {
        let mut world = package(json!({"version": "v2"}), &[]);
        ended_unseen(&mut world);
        world.cloud.broken.insert("InstancePackage", class);
        world.run_to_rest();
        assert_eq!(world.said(condition::SUCCEEDED), "True Updated");
        assert_eq!(
            world.said(condition::VERIFIED),
            "True AsReported",
            "{class:?}"
        );
        let message = &world.condition(condition::VERIFIED).unwrap().message;
        assert!(message.contains("InstancePackage failed"), "{message}");
    }
    // It lists nothing at all: not documented to be wrong.
    let mut world = package(json!({"version": "v2"}), &[]);
    ended_unseen(&mut world);
    world.cloud.installed.clear();
    world.run_to_rest();
    assert_eq!(world.said(condition::VERIFIED), "True AsReported");
}

/// What the task says, what was there before, what `spec.to` says; and what OOS is asked for.
#[test]
fn the_way_back_is_the_version_that_was_there() {
    let mixed = [("i-0001", "v1"), ("i-0002", "v2")];
    let cases: [(Value, &Installed, Value, [&str; 2]); 6] = [
        (json!({}), &all_have("v1"), json!({}), ["v1", "install"]),
        (json!({}), &[], json!({}), ["", "uninstall"]),
        (
            json!({"rollbackVersion": "v2"}),
            &[],
            json!({}),
            ["v2", "install"],
        ),
        (
            json!({"rollbackVersion": "v2"}),
            &mixed,
            json!({"packageVersion": "v1"}),
            ["v1", "install"],
        ),
        (
            json!({"action": "Uninstall"}),
            &all_have("v2"),
            json!({}),
            ["v2", "install"],
        ),
        (
            json!({"action": "Uninstall", "version": "v1"}),
            &mixed,
            json!({}),
            ["v1", "install"],
        ),
    ];
    for (update, installed, to, wanted) in cases {
        let mut update = package(update, installed);
        update.run_to_rest();
        assert_eq!(update.state(), "Succeeded");
        let spec = match to.as_object().unwrap().is_empty() {
            true => json!({}),
            false => json!({ "to": to }),
        };
        let mut back = rollback(&mut update, spec);
        back.run_to_rest();
        assert_eq!(back.said(condition::SUCCEEDED), "True Updated");
        assert_eq!(back.said(condition::VERIFIED), "True AsWanted");
        assert_eq!(asked(&back), ["rollback", "nginx", wanted[0], wanted[1]]);
        let expected = (wanted[1] == "install").then(|| wanted[0].to_owned());
        assert_eq!(versions(&back), vec![expected; 4]);
    }
}

#[test]
fn a_passing_failure_is_waited_out_before_the_start_rather_than_lose_the_way_back() {
    let mut world = package(json!({}), &all_have("v1"));
    world
        .cloud
        .broken
        .insert("InstancePackage", ErrorClass::Retry);
    world.run_for(20);
    assert_eq!(world.said(condition::PREFLIGHT), "Unknown CloudUnavailable");
    assert!(world.cloud.sent.is_empty());
    world.cloud.broken.clear();
    world.run_to_rest();
    let plan = world.status().plan.as_ref().unwrap();
    let before = plan.source_package.as_ref().unwrap();
    assert_eq!(before.version.as_deref(), Some("v1"));
}

#[test]
fn what_was_there_before_is_never_guessed() {
    type Change = fn(&mut World);
    let mixed = [("i-0001", "v1")];
    let cases: [(Value, &Installed, Change); 4] = [
        (json!({}), &mixed, |_| {}),
        (json!({"action": "Uninstall"}), &mixed, |_| {}),
        (json!({"action": "Uninstall"}), &[], |_| {}),
        (json!({}), &all_have("v1"), |w| {
            w.cloud.broken.insert("InstancePackage", ErrorClass::Denied);
        }),
    ];
    for (update, installed, change) in cases {
        let mut update = package(update, installed);
        change(&mut update);
        update.run_to_rest();
        let told = &update.condition(condition::PREFLIGHT).unwrap().message;
        let known = told.contains("will have to name a version");
        // Of one that no instance had there is nothing to say.
        assert_eq!(known, !installed.is_empty(), "{told}");
        let mut back = rollback(&mut update, json!({}));
        back.run_to_state("Failed");
        assert_eq!(back.said(condition::PREFLIGHT), "False NoRollbackPayload");
        let message = &back.condition(condition::PREFLIGHT).unwrap().message;
        assert!(message.contains("spec.to.packageVersion"), "{message}");
        assert_eq!(back.cloud.count("StartExecution"), 1);
    }
}

/// The execution of the update as somebody would have started it by the command line.
fn by_hand(change: impl Fn(&mut serde_json::Map<String, Value>)) -> World {
    let mut update = package(json!({"version": "v2"}), &all_have("v1"));
    update.run_to_rest();
    for execution in &mut update.cloud.executions {
        execution.tags.clear();
        if execution.parent.is_none() {
            change(&mut execution.parameters);
        }
    }
    update.record = None;
    let spec = json!({
        "executionId": "exec-1", "scalingGroupId": GROUP, "to": {"packageVersion": "v1"},
    });
    let mut back = rollback(&mut update, spec);
    back.rolling_back.as_mut().unwrap().source = None;
    back
}

#[test]
fn an_execution_that_was_started_elsewhere_is_rolled_back_to_the_version_that_is_named() {
    let mut back = by_hand(|_| {});
    back.run_to_rest();
    assert_eq!(asked(&back), ["rollback", "nginx", "v1", "install"]);

    // The template would suspend an empty list of processes.
    let mut back = by_hand(|parameters| drop(parameters.insert("enterProcess".into(), json!([]))));
    back.run_to_rest();
    assert_eq!(asked(&back), ["invoke", "nginx", "v1", "install"]);
    let method = back.status().source.as_ref().unwrap().method;
    assert_eq!(method, RollbackMethod::Invoke);
}

#[test]
fn a_name_that_no_admission_has_seen_is_not_handed_to_a_shell() {
    for name in ["nginx;reboot", "$(reboot)", "a,b", "", "../x", "a b"] {
        let mut back = by_hand(|parameters| {
            parameters.insert("packageName".into(), json!(name));
        });
        back.run_to_state("Failed");
        assert_eq!(
            back.said(condition::PREFLIGHT),
            "False InvalidSpec",
            "{name}"
        );
        assert_eq!(back.cloud.count("StartExecution"), 1);
    }
}
