//! Container groups, and the containers of scaling configurations.

use ess_rollout_cloud::{
    Answer, Cloud, Container, ContainerGroupStatus, ContainersUpdate, Done, ErrorClass, Mutation,
    Query, Turn,
};
use serde_json::{Value, json};

use crate::fake::{Fake, REGION, ok, refuse};
use crate::queries::ask;

fn shown(id: &str, status: &str) -> Value {
    json!({
        "ContainerGroupId": id, "Status": status, "RestartPolicy": "Always",
        "Containers": [{
            "Name": "app", "Image": "registry/app:v1", "Cpu": 0.5, "Memory": 2.0, "Gpu": 0, "Tty": false,
            "Commands": ["serve"], "Args": [], "WorkingDir": "", "Ready": true, "RestartCount": 1,
            "EnvironmentVars": [{"Key": "LEVEL", "Value": "info"}],
            "CurrentState": {"State": "Running", "Reason": "", "Message": "", "StartTime": "2024-05-06T07:08:09Z"},
        }],
    })
}

fn container(fields: Value) -> Container {
    serde_json::from_value(fields).unwrap()
}

/// Twenty at a time, pages to their end, rows of others left out, ids that are gone absent.
#[tokio::test]
async fn container_groups_are_read() {
    let ids: Vec<String> = (1..=21).map(|n| format!("eci-{n:02}")).collect();
    let fake = Fake::start([
        ok(json!({"TotalCount": 2, "NextToken": "more", "ContainerGroups": [shown("eci-02", "Updating")]})),
        ok(json!({"TotalCount": 2, "NextToken": "", "ContainerGroups": [shown("eci-01", "Running"), shown("eci-99", "Failed")]})),
        // Those of the first twenty that were left out.
        ok(json!({"TotalCount": 1, "NextToken": "", "ContainerGroups": [shown("eci-20", "Pending")]})),
        ok(json!({"TotalCount": 0, "ContainerGroups": []})),
        ok(json!({"TotalCount": 0, "ContainerGroups": []})),
    ])
    .await;
    let Answer::ContainerGroups(found) = ask(&fake, Query::ContainerGroups { groups: ids }).await
    else {
        panic!("no groups");
    };
    let groups: Vec<_> = found.iter().map(|g| (g.id.as_str(), &g.status)).collect();
    assert_eq!(
        groups,
        [
            ("eci-01", &ContainerGroupStatus::Running),
            ("eci-02", &ContainerGroupStatus::Updating),
            ("eci-20", &ContainerGroupStatus::Pending)
        ]
    );
    let app = &found[0].containers[0];
    assert_eq!((app.ready, app.state.as_str()), (true, "Running"));
    assert_eq!(
        app.container,
        container(json!({
            "Name": "app", "Image": "registry/app:v1", "Cpu": 0.5, "Memory": 2, "Command": ["serve"],
            "EnvironmentVar": [{"Key": "LEVEL", "Value": "info"}],
        }))
    );
    let received = fake.received();
    let calls: Vec<_> = received
        .iter()
        .map(|r| (r.action.as_str(), r.version.as_str()))
        .collect();
    assert_eq!(calls, [("DescribeContainerGroups", "2018-08-08"); 5]);
    let forms = fake.forms();
    let asked: Vec<String> = serde_json::from_str(&forms[0]["ContainerGroupIds"]).unwrap();
    assert_eq!((asked.len(), forms[0]["Limit"].as_str()), (20, "20"));
    assert_eq!(forms[1]["NextToken"], "more");
    let again: Vec<String> = serde_json::from_str(&forms[2]["ContainerGroupIds"]).unwrap();
    assert_eq!(
        (again.len(), again[0].as_str(), again[17].as_str()),
        (18, "eci-03", "eci-20")
    );
    assert_eq!(forms[3]["ContainerGroupIds"], "[\"eci-21\"]");
    assert_eq!(forms[4]["ContainerGroupIds"], "[\"eci-21\"]");
}

#[tokio::test]
async fn the_containers_of_a_configuration_are_read() {
    let row = json!({
        "ScalingConfigurationId": "asc-1",
        "Containers": [{"Name": "app", "Image": "registry/app:v1", "Args": ["-v"], "ReadinessProbeHttpGetPort": 80}],
    });
    let fake = Fake::start([ok(json!({"TotalCount": 1, "ScalingConfigurations": [row]}))]).await;
    let query = || Query::EciScalingConfiguration {
        configuration: "asc-1".into(),
    };
    let Answer::EciScalingConfiguration(Some(found)) = ask(&fake, query()).await else {
        panic!("no configuration");
    };
    assert_eq!(
        found.containers,
        [container(json!({
            "Name": "app", "Image": "registry/app:v1", "Arg": ["-v"], "ReadinessProbeHttpGetPort": 80,
        }))]
    );
    assert_eq!(
        fake.received()[0].action,
        "DescribeEciScalingConfigurations"
    );
    assert_eq!(fake.forms()[0]["ScalingConfigurationIds.1"], "asc-1");

    let none = Fake::start([ok(json!({"TotalCount": 0, "ScalingConfigurations": []}))]).await;
    let answer = ask(&none, query()).await;
    assert_eq!(answer, Answer::EciScalingConfiguration(None));
}

/// ESS 2022 has the lists in the plural, and structures where answers are flat.
#[tokio::test]
async fn containers_are_put_into_a_configuration() {
    let fake = Fake::start([ok(json!({}))]).await;
    let mutation = Mutation::ModifyEciScalingConfiguration {
        configuration: "asc-1".into(),
        containers: vec![container(json!({
            "Name": "app", "Image": "registry/app:v1", "Cpu": 0.5, "Arg": ["-v", ""],
            "EnvironmentVar": [{"Key": "LEVEL", "Value": "info"}], "Port": [{"Port": 80, "Protocol": "TCP"}],
            "ReadinessProbeHttpGetPath": "/", "ReadinessProbePeriodSeconds": 5,
            "LivenessProbeExecCommands": ["check", "me"], "SecurityContextCapabilityAdds": ["NET_ADMIN"],
        }))],
        update: ContainersUpdate::Renew,
    };
    let done = fake.client().mutate(REGION, &mutation).await.unwrap();
    assert!(matches!(done, Done::Accepted { .. }));
    let mut form = fake.forms().remove(0);
    assert_eq!(form.remove("RegionId").as_deref(), Some(REGION));
    let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(
        form,
        [
            ("Containers.1.Args.1", "-v"),
            ("Containers.1.Args.2", ""),
            ("Containers.1.Cpu", "0.5"),
            ("Containers.1.EnvironmentVars.1.Key", "LEVEL"),
            ("Containers.1.EnvironmentVars.1.Value", "info"),
            ("Containers.1.Image", "registry/app:v1"),
            ("Containers.1.LivenessProbe.Exec.Commands.1", "check"),
            ("Containers.1.LivenessProbe.Exec.Commands.2", "me"),
            ("Containers.1.Name", "app"),
            ("Containers.1.Ports.1.Port", "80"),
            ("Containers.1.Ports.1.Protocol", "TCP"),
            ("Containers.1.ReadinessProbe.HttpGet.Path", "/"),
            ("Containers.1.ReadinessProbe.PeriodSeconds", "5"),
            (
                "Containers.1.SecurityContext.Capability.Adds.1",
                "NET_ADMIN"
            ),
            ("ContainersUpdateType", "RenewUpdate"),
            ("ScalingConfigurationId", "asc-1"),
        ]
    );
}

#[tokio::test]
async fn refusals_of_eci_have_a_class() {
    for (status, code, class) in [
        (400, "IncorrectStatus", ErrorClass::Conflict),
        (
            404,
            "InvalidContainerGroupId.NotFound",
            ErrorClass::NotFound,
        ),
        (403, "Forbidden.RAM", ErrorClass::Denied),
        (400, "Throttling.User", ErrorClass::Throttled),
    ] {
        let fake = Fake::start([refuse(status, code)]).await;
        let query = Query::ContainerGroups {
            groups: vec!["eci-1".into()],
        };
        let error = fake
            .impatient_client()
            .query(REGION, &query, Turn::default())
            .await
            .unwrap_err();
        assert_eq!(
            (error.class, error.call.as_str()),
            (class, "ECI DescribeContainerGroups")
        );
    }
}
