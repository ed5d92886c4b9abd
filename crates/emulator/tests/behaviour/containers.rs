//! ECI: container groups, their scaling configurations, and the groups that hold them.

use ess_emulator::cloud::Cloud;
use serde_json::{Value, json};

use crate::support::{cloud, code, control, eci, ess, ess_2014, member, members, oos, pass, small};

pub const ECI: &str = r#"
regions: [cn-hangzhou]
principals:
  - {name: admin, accessKeyId: admin-key, accessKeySecret: admin-secret, allow: ["*"]}
scalingGroups:
  - scalingGroupId: asg-eci
    groupType: ECI
    maxSize: 10
    eciConfigurations:
      - scalingConfigurationId: asc-eci
        containers:
          - {Name: app, Image: "registry/app:v1", Cpu: 1, Command: [serve], EnvironmentVar: [{Key: LEVEL, Value: info}]}
          - {Name: log, Image: "registry/log:v1"}
    containerGroups: {count: 3}
"#;

pub fn containers(cloud: &mut Cloud, id: &str) -> Vec<Value> {
    group(cloud, id)["Containers"].as_array().unwrap().clone()
}

pub fn group(cloud: &mut Cloud, id: &str) -> Value {
    let ask = json!({"ContainerGroupIds": json!([id]).to_string()});
    let read = eci(cloud, "DescribeContainerGroups", ask).unwrap();
    read["ContainerGroups"][0].clone()
}

pub fn configured(cloud: &mut Cloud) -> Vec<Value> {
    let ask = json!({"ScalingConfigurationIds.1": "asc-eci"});
    let read = ess(cloud, "DescribeEciScalingConfigurations", ask).unwrap();
    read["ScalingConfigurations"][0]["Containers"]
        .as_array()
        .unwrap()
        .clone()
}

fn update(
    cloud: &mut Cloud,
    id: &str,
    more: Value,
) -> Result<Value, ess_emulator::error::ApiError> {
    let mut ask = json!({"ContainerGroupId": id, "UpdateType": "IncrementalUpdate"});
    ask.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    eci(cloud, "UpdateContainerGroup", ask)
}

#[test]
fn an_incremental_update_keeps_what_it_is_not_told() {
    let mut cloud = cloud(ECI);
    let ask = json!({"Container.1.Name": "app", "Container.1.Image": "registry/app:v2"});
    update(&mut cloud, "eci-eci-01", ask).unwrap();
    let during = group(&mut cloud, "eci-eci-01");
    assert_eq!(during["Status"], "Updating");
    assert_eq!(during["Containers"][0]["Ready"], false);
    assert_eq!(during["Containers"][1]["Ready"], true, "log is not touched");
    pass(&mut cloud, 19);
    assert_eq!(group(&mut cloud, "eci-eci-01")["Status"], "Updating");
    pass(&mut cloud, 1);
    let after = group(&mut cloud, "eci-eci-01");
    assert_eq!(after["Status"], "Running");
    assert_eq!(after["IntranetIp"], during["IntranetIp"]);
    let app = &after["Containers"][0];
    assert_eq!(app["Image"], "registry/app:v2");
    assert_eq!(app["Commands"], json!(["serve"]));
    assert_eq!(
        app["EnvironmentVars"],
        json!([{"Key": "LEVEL", "Value": "info"}])
    );
    assert_eq!(
        (&app["Ready"], &app["RestartCount"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(app["CurrentState"]["State"], "Running");
    assert_eq!(after["Containers"][1]["RestartCount"], 0);
}

#[test]
fn a_renewing_update_drops_what_it_is_not_told() {
    let mut cloud = cloud(ECI);
    let ask = json!({
        "UpdateType": "RenewUpdate", "Container.1.Name": "app",
        "Container.1.Image": "registry/app:v2", "Container.1.Arg.1": "-v",
    });
    update(&mut cloud, "eci-eci-01", ask).unwrap();
    pass(&mut cloud, 60);
    let after = containers(&mut cloud, "eci-eci-01");
    assert_eq!(after.len(), 1, "log is gone");
    assert_eq!(after[0]["Commands"], json!([]));
    assert_eq!(after[0]["Args"], json!(["-v"]));
    assert_eq!(after[0]["EnvironmentVars"], json!([]));
    assert_eq!(after[0].get("Cpu"), None);
}

#[test]
fn plural_names_in_a_request_are_ignored_without_a_word() {
    let mut cloud = cloud(ECI);
    let ask = json!({
        "Container.1.Name": "app", "Container.1.EnvironmentVars.1.Key": "LEVEL",
        "Container.1.EnvironmentVars.1.Value": "debug",
    });
    update(&mut cloud, "eci-eci-01", ask).unwrap();
    pass(&mut cloud, 60);
    let app = &containers(&mut cloud, "eci-eci-01")[0];
    assert_eq!(app["EnvironmentVars"][0]["Value"], "info");
}

#[test]
fn updates_that_cannot_be_are_refused() {
    let mut cloud = cloud(ECI);
    for (ask, want) in [
        (
            json!({"ContainerGroupId": "eci-none"}),
            "InvalidContainerGroupId.NotFound",
        ),
        (json!({"ContainerGroupId": ""}), "MissingParameter"),
        (json!({"UpdateType": "Replace"}), "InvalidParameter"),
        (json!({"UpdateType": "RenewUpdate"}), "MissingParameter"),
        (json!({"Container.1.Image": "x"}), "InvalidParameter"),
        (json!({"Container.1.Name": "new"}), "InvalidParameter"),
        (
            json!({"Container.1.Name": "app", "Container.2.Name": "app"}),
            "InvalidParameter",
        ),
    ] {
        let got = code(update(&mut cloud, "eci-eci-01", ask.clone()));
        assert_eq!(got, want, "{ask}");
    }
    let fine = json!({"Container.1.Name": "app", "Container.1.Image": "x"});
    update(&mut cloud, "eci-eci-01", fine.clone()).unwrap();
    assert_eq!(
        code(update(&mut cloud, "eci-eci-01", fine)),
        "IncorrectStatus"
    );
}

#[test]
fn the_fixture_decides_how_each_update_ends() {
    let mut cloud = cloud(&format!(
        r#"{ECI}
containerUpdates:
  - {{containerGroup: "*-01", attempt: 1, status: Pending, reason: ErrImagePull, message: no such image}}
  - {{containerGroup: "*-02", status: Failed, exitCode: 7, durationSeconds: 5}}
  - {{imageContains: slow, status: Updating}}
  - {{imageContains: unready, ready: false}}
"#
    ));
    let image = |image: &str| json!({"Container.1.Name": "app", "Container.1.Image": image});
    update(&mut cloud, "eci-eci-01", image("x")).unwrap();
    update(&mut cloud, "eci-eci-02", image("x")).unwrap();
    update(&mut cloud, "eci-eci-03", image("unready")).unwrap();
    pass(&mut cloud, 5);
    let failed = group(&mut cloud, "eci-eci-02");
    assert_eq!(failed["Status"], "Failed");
    assert_eq!(failed["Containers"][0]["CurrentState"]["ExitCode"], 7);
    pass(&mut cloud, 15);
    let pending = group(&mut cloud, "eci-eci-01");
    assert_eq!(pending["Status"], "Pending");
    assert_eq!(
        pending["Containers"][0]["CurrentState"]["Reason"],
        "ErrImagePull"
    );
    let unready = group(&mut cloud, "eci-eci-03");
    assert_eq!(unready["Status"], "Running");
    assert_eq!(unready["Containers"][0]["Ready"], false);
    update(&mut cloud, "eci-eci-01", image("x")).unwrap();
    update(&mut cloud, "eci-eci-03", image("slow")).unwrap();
    pass(&mut cloud, 20);
    assert_eq!(group(&mut cloud, "eci-eci-01")["Status"], "Running");
    pass(&mut cloud, 100_000);
    let for_ever = group(&mut cloud, "eci-eci-03");
    assert_eq!(for_ever["Status"], "Updating");
}

#[test]
fn container_groups_are_listed_by_token_status_and_id() {
    let mut cloud = cloud(&ECI.replace("maxSize: 10", "maxSize: 22").replace(
        "{count: 3}",
        "[{count: 21}, {idPrefix: eci-bad-, count: 1, status: Failed, lifecycleState: Standby}]",
    ));
    let first = eci(&mut cloud, "DescribeContainerGroups", json!({})).unwrap();
    assert_eq!(first["ContainerGroups"].as_array().unwrap().len(), 20);
    let next = json!({"NextToken": first["NextToken"]});
    let second = eci(&mut cloud, "DescribeContainerGroups", next).unwrap();
    assert_eq!(second["ContainerGroups"].as_array().unwrap().len(), 2);
    assert_eq!(second["NextToken"], "");
    let failed = eci(
        &mut cloud,
        "DescribeContainerGroups",
        json!({"Status": "Failed"}),
    )
    .unwrap();
    assert_eq!(
        failed["ContainerGroups"][0]["ContainerGroupId"],
        "eci-bad-01"
    );
    let none = json!({"ContainerGroupIds": "[\"eci-none\"]"});
    let none = eci(&mut cloud, "DescribeContainerGroups", none).unwrap();
    assert_eq!(none["ContainerGroups"], json!([]));
    let limit = eci(&mut cloud, "DescribeContainerGroups", json!({"Limit": 21}));
    assert_eq!(code(limit), "InvalidParameter");
}

#[test]
fn both_versions_of_ess_change_an_eci_configuration_in_their_own_spelling() {
    let mut cloud = cloud(ECI);
    let new = json!({
        "ScalingConfigurationId": "asc-eci", "ContainersUpdateType": "IncrementalUpdate",
        "Containers.1.Name": "app", "Containers.1.EnvironmentVars.1.Key": "LEVEL",
        "Containers.1.EnvironmentVars.1.Value": "debug",
        "Containers.1.ReadinessProbe.HttpGet.Port": 80,
    });
    ess(&mut cloud, "ModifyEciScalingConfiguration", new).unwrap();
    let app = configured(&mut cloud)[0].clone();
    assert_eq!(app["EnvironmentVars"][0]["Value"], "debug");
    assert_eq!(app["Image"], "registry/app:v1");
    assert_eq!(app["ReadinessProbeHttpGetPort"], 80);
    assert_eq!(configured(&mut cloud).len(), 2);
    let old = json!({
        "ScalingConfigurationId": "asc-eci", "ContainersUpdateType": "RenewUpdate",
        "Container.1.Name": "app", "Container.1.Image": "registry/app:v3", "Container.1.Arg.1": "-q",
    });
    ess_2014(&mut cloud, "ModifyEciScalingConfiguration", old).unwrap();
    let renewed = configured(&mut cloud);
    assert_eq!(renewed.len(), 1);
    assert_eq!(renewed[0]["Args"], json!(["-q"]));
    assert_eq!(renewed[0]["EnvironmentVars"], json!([]));
    let read = ess_2014(&mut cloud, "DescribeEciScalingConfigurations", json!({})).unwrap();
    assert_eq!(read["ScalingConfigurations"][0]["LifecycleState"], "Active");
    // An ECS call does not know it.
    let ecs = json!({"ScalingConfigurationId": "asc-eci", "ImageId": "m-1"});
    assert_eq!(
        code(ess(&mut cloud, "ModifyScalingConfiguration", ecs)),
        "InvalidScalingConfigurationId.NotFound"
    );
}

#[test]
fn a_group_of_type_eci_scales_out_and_heals_with_container_groups() {
    let mut cloud = cloud(ECI);
    let change = json!({
        "ScalingConfigurationId": "asc-eci", "ContainersUpdateType": "IncrementalUpdate",
        "Containers.1.Name": "app", "Containers.1.Image": "registry/app:v2",
    });
    ess(&mut cloud, "ModifyEciScalingConfiguration", change).unwrap();
    control(
        &mut cloud,
        "POST",
        "instances/eci-eci-01/vanish",
        Value::Null,
    );
    pass(&mut cloud, 600);
    let now = members(&mut cloud, "asg-eci");
    assert_eq!(now.len(), 3);
    let new = now.iter().find(|id| !id.starts_with("eci-eci-")).unwrap();
    assert!(new.starts_with("eci-"));
    assert_eq!(containers(&mut cloud, new)[0]["Image"], "registry/app:v2");
    assert_eq!(group(&mut cloud, new)["Status"], "Running");
    assert_eq!(member(&mut cloud, new), Some(("InService".into(), 50)));
    // An update in place is no illness.
    let ask = json!({"Container.1.Name": "app", "Container.1.Image": "registry/app:v3"});
    update(&mut cloud, new, ask).unwrap();
    pass(&mut cloud, 600);
    assert!(members(&mut cloud, "asg-eci").contains(new));
}

#[test]
fn groups_are_listed_by_type() {
    let mut cloud = cloud(&ECI.replace(
        "scalingGroups:",
        "scalingGroups:\n  - {scalingGroupId: asg-ecs, configurations: [{scalingConfigurationId: asc, imageId: m-1}]}",
    ));
    let ids = |answer: Value| -> Vec<String> {
        let rows = answer["ScalingGroups"].as_array().cloned();
        let rows = rows.or_else(|| answer["ScalingGroups"]["ScalingGroup"].as_array().cloned());
        rows.unwrap()
            .iter()
            .map(|g| g["ScalingGroupId"].as_str().unwrap().to_owned())
            .collect()
    };
    let ask = json!({"GroupType": "ECI"});
    let only = ess(&mut cloud, "DescribeScalingGroups", ask).unwrap();
    assert_eq!(only["ScalingGroups"][0]["GroupType"], "ECI");
    assert_eq!(ids(only), ["asg-eci"]);
    let all = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(ids(all), ["asg-eci", "asg-ecs"]);
    let old = ess_2014(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(ids(old), ["asg-ecs"], "the old default");
    cloud.world.switches.group_type_defaults_to_ecs = true;
    let all = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    assert_eq!(ids(all), ["asg-ecs"]);
}

#[test]
fn mistakes_in_groups_of_type_eci_are_named() {
    for (from, to, want) in [
        ("groupType: ECI", "groupType: ECS", "groupType ECI"),
        ("groupType: ECI", "groupType: VM", "groupType"),
        (
            "containerGroups: {count: 3}",
            "instances: {count: 3}",
            "groupType ECS",
        ),
        ("EnvironmentVar:", "EnvironmentVars:", "EnvironmentVars"),
        (", Image: \"registry/log:v1\"", "", "log has no Image"),
        ("Name: log", "Name: app", "two containers"),
    ] {
        assert!(ECI.contains(from), "{from}");
        let error = ess_emulator::fixture::Fixture::parse(&ECI.replace(from, to))
            .and_then(|fixture| Cloud::new(&fixture))
            .expect_err(to)
            .to_string();
        assert!(error.contains(want), "{error} should name {want}");
    }
}

#[test]
fn a_denied_update_is_denied_by_name() {
    let mut cloud = small("");
    let ask = json!({"ContainerGroupId": "eci-1"});
    let reader = crate::support::Ask {
        by: "reader",
        ..crate::support::Ask::default()
    };
    let service = ess_emulator::state::call::Service::Eci;
    let refused = reader.call(&mut cloud, service, "UpdateContainerGroup", ask);
    assert!(
        refused
            .unwrap_err()
            .message
            .contains("eci:UpdateContainerGroup")
    );
    assert_eq!(
        code(eci(&mut cloud, "CreateContainerGroup", json!({}))),
        "InvalidAction.NotFound"
    );
    assert!(oos(&mut cloud, "ListExecutions", json!({})).is_ok());
}

#[test]
fn registry_passwords_stay_out_of_the_journal() {
    let mut cloud = cloud(ECI);
    let ask = json!({
        "ImageRegistryCredential.1.Server": "registry", "ImageRegistryCredential.1.UserName": "u", "ImageRegistryCredential.1.Password": "pw-1",
        "Container.1.Name": "app", "Container.1.Image": "registry/app:v2",
    });
    update(&mut cloud, "eci-eci-01", ask).unwrap();
    let journal = control(&mut cloud, "GET", "journal", Value::Null)
        .1
        .to_string();
    assert!(journal.contains("registry/app:v2") && !journal.contains("pw-1"));
}
