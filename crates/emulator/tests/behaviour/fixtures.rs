//! Fixtures: the samples work, and mistakes are named.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;

use ess_emulator::state::call::Service;
use serde_json::{Value, json};

use crate::support::{Ask, SMALL, cloud, members, pass};

#[test]
fn the_samples_are_valid() {
    for yaml in [SMALL, include_str!("../../fixtures/demo.yaml")] {
        cloud(yaml);
    }
}

#[test]
fn a_line_stands_for_many_instances() {
    let yaml = SMALL.replace(
        "instances: {count: 3}",
        "instances: [{count: 10, imageId: m-1}, {instanceId: i-odd, imageId: m-2, lifecycleState: Protected}]",
    );
    let mut cloud = cloud(&yaml.replace("maxSize: 6", "maxSize: 11"));
    let ids = members(&mut cloud, "asg-small");
    assert_eq!(ids.len(), 11);
    assert!(ids.contains(&"i-small-10".to_owned()) && ids.contains(&"i-odd".to_owned()));
}

#[test]
fn mistakes_are_named() {
    for (from, to, want) in [
        ("minSize: 1", "minimumSize: 1", "minimumSize"),
        ("minSize: 1", "minSize: one", "minSize"),
        (
            "imageId: m-1}\n    instances",
            "imageId: m-1}\n    suspendedProcesses: [Launch]\n    instances",
            "Launch",
        ),
        ("{count: 3}", "{count: 3, instanceId: i-1}", "idPrefix"),
        ("{count: 3}", "{count: 3, lifecycle: Standby}", "lifecycle"),
        (
            "{count: 3}",
            "[{instanceId: i-1}, {instanceId: i-1}]",
            "twice",
        ),
        ("{count: 3}", "{count: 100000}", "2000"),
        (
            "asc-small, imageId: m-1}",
            "asc-small, imageId: m-1}\n    activeScalingConfigurationId: asc-x",
            "asc-x",
        ),
        ("name: reader", "name: admin", "twice"),
        ("reader-key", "admin-key", "accessKeyId"),
        ("regions: [cn-hangzhou]", "regions: []", "regions"),
        ("regions: [cn-hangzhou]", "clockScale: -1", "clockScale"),
        (
            "regions: [cn-hangzhou]",
            "events: [{do: {stop: {instanceId: x}}}]",
            "atSeconds",
        ),
    ] {
        assert!(SMALL.contains(from), "{from}");
        let error = Fixture::parse(&SMALL.replace(from, to))
            .and_then(|fixture| Cloud::new(&fixture))
            .expect_err(to)
            .to_string();
        assert!(error.contains(want), "{error} should name {want}");
    }
}

#[test]
fn the_demo_s_key_may_run_every_kind_of_update() {
    let yaml = include_str!("../../fixtures/demo.yaml");
    let mut cloud = cloud(yaml);
    let demo = Ask {
        by: "demo",
        ..Ask::default()
    };
    let kinds = [
        (
            "ByRunCommandInScalingGroup",
            "asg-demo-web",
            json!({"invokeScript": "true"}),
        ),
        (
            "ByReplaceSystemDiskInScalingGroup",
            "asg-demo-api",
            json!({"imageId": "m-api-v2", "scalingConfigurationId": "asc-demo-api"}),
        ),
        (
            "ByConfigureOOSPackage",
            "asg-demo-web",
            json!({"packageName": "demo-agent"}),
        ),
        (
            "ByUpdateContainerGroup",
            "asg-demo-eci",
            json!({
                "containerConfigure": [{"Name": "app", "Image": "registry.example.com/demo/app:v2"}],
                "scalingConfigurationId": "asc-demo-eci",
            }),
        ),
    ];
    for (kind, group, more) in kinds {
        let mut parameters = json!({"invokeType": "invoke", "scalingGroupId": group});
        let more = more.as_object().unwrap().clone();
        parameters.as_object_mut().unwrap().extend(more);
        let ask = json!({
            "TemplateName": format!("ACS-ESS-RollingUpdate{kind}"),
            "Parameters": parameters.to_string(),
        });
        demo.call(&mut cloud, Service::Oos, "StartExecution", ask)
            .unwrap();
        pass(&mut cloud, 7200);
        let ask = json!({"ParentExecutionId": "", "TemplateName": kind});
        let list = demo
            .call(&mut cloud, Service::Oos, "ListExecutions", ask)
            .unwrap();
        let root: &Value = &list["Executions"][0];
        assert_eq!(root["Status"], "Success", "{kind}: {root}");
    }
}

/// The parser takes a quarter of a million values by itself.
#[test]
fn a_fixture_may_describe_tens_of_thousands_of_instances_one_by_one() {
    let instance = |number: usize| {
        json!({
            "instanceId": format!("i-{number:05}"), "imageId": "m-1", "name": "n", "zone": "z",
            "instanceType": "t", "status": "Running", "vpcId": "v",
        })
    };
    let instances: Vec<Value> = (0..18_000).map(instance).collect();
    let text = json!({"images": [{"imageId": "m-1"}], "scalingGroups": [], "instances": instances});
    let fixture = Fixture::parse(&text.to_string()).unwrap();
    let cloud = Cloud::new(&fixture).unwrap();
    assert_eq!(cloud.world.resources.instances.len(), 18_000);
}
