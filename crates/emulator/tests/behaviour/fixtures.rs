//! Fixtures: the samples work, and mistakes are named.

use ess_emulator::cloud::Cloud;
use ess_emulator::fixture::Fixture;

use crate::support::{SMALL, cloud, members};

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
    let mut cloud = cloud(&yaml);
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
