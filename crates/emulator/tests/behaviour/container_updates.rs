//! `ACS-ESS-RollingUpdateByUpdateContainerGroup` from end to end, with its defects.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::containers::{ECI, configured, containers};
use crate::support::{
    changes_by_oos, children, cloud, code, control, execution, fault, member, oos, pass,
    retry_failed, start,
};

const TEMPLATE: &str = "ACS-ESS-RollingUpdateByUpdateContainerGroup";

fn parameters(more: Value) -> Value {
    let mut all = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-eci", "scalingConfigurationId": "asc-eci",
        "containerConfigure": [{"Name": "app", "Image": "registry/app:v2"}], "batchNumber": 3,
    });
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    all
}

fn back(source: &str) -> Value {
    parameters(json!({
        "invokeType": "rollback", "sourceExecutionId": source,
        "sourceContainerConfigure": [{"Name": "app", "Image": "registry/app:v1"}],
    }))
}

fn state(cloud: &mut Cloud, id: &str) -> String {
    member(cloud, id).unwrap().0
}

fn image(cloud: &mut Cloud, id: &str) -> Value {
    containers(cloud, id)[0]["Image"].clone()
}

fn refuse_update(cloud: &mut Cloud, id: &str) {
    fault(
        cloud,
        json!({
            "service": "ECI", "action": "UpdateContainerGroup", "caller": "oos",
            "params": {"ContainerGroupId": id},
            "effect": {"kind": "error", "status": 500, "code": "InternalError", "message": "x"},
        }),
    );
}

#[test]
fn container_groups_come_first_and_the_configuration_after_them() {
    let mut cloud = cloud(ECI);
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 3600);
    let ended = execution(&mut cloud, &root);
    assert_eq!(ended["Status"], "Success", "{ended}");
    for n in 1..=3 {
        let id = format!("eci-eci-0{n}");
        assert_eq!(image(&mut cloud, &id), "registry/app:v2");
        assert_eq!(containers(&mut cloud, &id)[0]["Commands"], json!(["serve"]));
        assert_eq!(state(&mut cloud, &id), "InService");
    }
    assert_eq!(configured(&mut cloud)[0]["Image"], "registry/app:v2");
    assert_eq!(configured(&mut cloud).len(), 2, "merged, not replaced");
    let changes = changes_by_oos(&cloud);
    let at = |name: &str| changes.iter().rposition(|c| c == name).unwrap();
    assert!(at("UpdateContainerGroup") < at("ModifyEciScalingConfiguration"));
    assert!(at("ModifyEciScalingConfiguration") < at("ResumeProcesses"));
    assert!(!changes.contains(&"TagResources".to_owned()));
    let first = &children(&mut cloud, &root)[0];
    assert_eq!(first["TemplateName"], "ACS::ESS::UpdateContainerGroup");
    assert_eq!(first["Parameters"]["instanceId"], "eci-eci-01");
}

#[test]
fn an_empty_group_gets_its_configuration_and_nothing_else() {
    let mut cloud = cloud(&ECI.replace("    containerGroups: {count: 3}\n", ""));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 60);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(changes_by_oos(&cloud), ["ModifyEciScalingConfiguration"]);
    assert_eq!(configured(&mut cloud)[0]["Image"], "registry/app:v2");
}

#[test]
fn max_errors_are_not_honoured_and_a_failure_leaves_the_configuration_alone() {
    let mut cloud = cloud(&format!(
        "{ECI}\ncontainerUpdates: [{{containerGroup: '*-01', status: Failed}}]"
    ));
    let ask = parameters(json!({"maxErrors": 3}));
    let root = start(&mut cloud, "Automatic", TEMPLATE, &ask);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Failed");
    assert_eq!(
        children(&mut cloud, &root).len(),
        1,
        "the rest never starts"
    );
    assert_eq!(state(&mut cloud, "eci-eci-01"), "Standby");
    assert_eq!(configured(&mut cloud)[0]["Image"], "registry/app:v1");
}

#[test]
fn a_retried_container_group_is_updated_and_stays_in_standby() {
    let mut cloud = cloud(ECI);
    refuse_update(&mut cloud, "eci-eci-02");
    let root = start(&mut cloud, "FailurePause", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Waiting");
    assert_eq!(state(&mut cloud, "eci-eci-02"), "Standby");
    retry_failed(&mut cloud, &root);
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(image(&mut cloud, "eci-eci-02"), "registry/app:v2");
    assert_eq!(state(&mut cloud, "eci-eci-02"), "Standby");
    assert_eq!(state(&mut cloud, "eci-eci-03"), "InService");
}

#[test]
fn a_failed_container_group_takes_no_further_update() {
    let mut cloud = cloud(&format!(
        "{ECI}\ncontainerUpdates: [{{containerGroup: '*-01', attempt: 1, status: Failed}}]"
    ));
    let root = start(&mut cloud, "FailurePause", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 600);
    retry_failed(&mut cloud, &root);
    pass(&mut cloud, 600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Waiting");
    let last = children(&mut cloud, &root).pop().unwrap();
    let why = last["StatusMessage"].as_str().unwrap().to_owned();
    assert!(why.contains("IncorrectStatus"), "{why}");
}

#[test]
fn a_rollback_puts_the_containers_and_the_configuration_back() {
    let mut cloud = cloud(ECI);
    let source = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 3600);
    let root = start(&mut cloud, "Automatic", TEMPLATE, &back(&source));
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(image(&mut cloud, "eci-eci-03"), "registry/app:v1");
    assert_eq!(configured(&mut cloud)[0]["Image"], "registry/app:v1");
    assert_eq!(state(&mut cloud, "eci-eci-03"), "InService");
    // Without what it does not use, it is refused.
    let mut without = back(&source);
    without
        .as_object_mut()
        .unwrap()
        .remove("containerConfigure");
    let ask = json!({"TemplateName": TEMPLATE, "Parameters": without.to_string()});
    assert!(code(oos(&mut cloud, "StartExecution", ask)).contains("Parameter"));
}

#[test]
fn a_rollback_leaves_in_standby_what_it_finds_there() {
    let mut cloud = cloud(ECI);
    refuse_update(&mut cloud, "eci-eci-01");
    let source = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 600);
    assert_eq!(execution(&mut cloud, &source)["Status"], "Failed");
    let root = start(&mut cloud, "Automatic", TEMPLATE, &back(&source));
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Success");
    assert_eq!(
        children(&mut cloud, &root).len(),
        1,
        "only what was started"
    );
    assert_eq!(state(&mut cloud, "eci-eci-01"), "Standby");
}

#[test]
fn a_rollback_fails_at_a_container_group_that_is_gone() {
    let mut cloud = cloud(ECI);
    let source = start(&mut cloud, "Automatic", TEMPLATE, &parameters(json!({})));
    pass(&mut cloud, 3600);
    control(
        &mut cloud,
        "POST",
        "instances/eci-eci-02/vanish",
        Value::Null,
    );
    pass(&mut cloud, 600);
    let root = start(&mut cloud, "Automatic", TEMPLATE, &back(&source));
    pass(&mut cloud, 3600);
    assert_eq!(execution(&mut cloud, &root)["Status"], "Failed");
    let failed = children(&mut cloud, &root);
    let failed = failed.iter().find(|c| c["Status"] == "Failed").unwrap();
    assert_eq!(failed["Parameters"]["instanceId"], "eci-eci-02");
    assert_eq!(configured(&mut cloud)[0]["Image"], "registry/app:v2");
}

/// The instance that was tried twice is there twice. In one batch the two get into each other's
/// way; one after the other they do no harm.
#[test]
fn a_rollback_meets_a_retried_container_group_twice() {
    for (batches, want) in [(1, "Failed"), (100, "Success")] {
        let mut cloud = cloud(ECI);
        refuse_update(&mut cloud, "eci-eci-02");
        let source = start(&mut cloud, "FailurePause", TEMPLATE, &parameters(json!({})));
        pass(&mut cloud, 600);
        retry_failed(&mut cloud, &source);
        pass(&mut cloud, 3600);
        assert_eq!(execution(&mut cloud, &source)["Status"], "Success");
        let mut ask = back(&source);
        ask["batchNumber"] = json!(batches);
        let root = start(&mut cloud, "Automatic", TEMPLATE, &ask);
        pass(&mut cloud, 7200);
        assert_eq!(execution(&mut cloud, &root)["Status"], want);
        assert_eq!(children(&mut cloud, &root).len(), 4);
    }
}
