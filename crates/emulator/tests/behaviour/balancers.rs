//! Load balancers: members of scaling groups as their servers, weights, and what health checks find.

use ess_emulator::cloud::Cloud;
use ess_emulator::error::ApiError;
use ess_emulator::state::call::{EssVersion, Service};
use serde_json::{Value, json};

use crate::support::{Ask, code, control, ecs, ess, ess_2014, member, members, pass, start};

/// The small group, attached in every way that there is.
const ATTACHED: &str = "
    loadBalancerIds: [lb-1]
    vServerGroups:
      - loadBalancerId: lb-1
        vServerGroupAttributes: [{vServerGroupId: rsp-1, port: 8080, weight: 70}]
    albServerGroups: [{albServerGroupId: sgp-a, port: 8081}]
    serverGroups: [{serverGroupId: sgp-n, type: NLB, port: 8082}, {serverGroupId: sgp-g, type: GWLB, port: 6081}]";

fn attached(more: &str) -> Cloud {
    let line = "    instances: {count: 3}";
    assert!(crate::support::SMALL.contains(line));
    let yaml = crate::support::SMALL.replace(line, &format!("{line}{ATTACHED}"));
    crate::support::cloud(&format!("{yaml}\n{more}"))
}

fn slb(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Slb, action, params)
}

fn alb(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Alb, action, params)
}

fn nlb(cloud: &mut Cloud, action: &str, params: Value) -> Result<Value, ApiError> {
    Ask::default().call(cloud, Service::Nlb, action, params)
}

fn weights_of(rows: &Value) -> Vec<(String, u64)> {
    let rows = rows.as_array().unwrap();
    let row = |r: &Value| {
        let id = r["ServerId"].as_str().unwrap();
        (id.to_owned(), r["Weight"].as_u64().unwrap())
    };
    rows.iter().map(row).collect()
}

/// The weights of one server in the default group of CLB, the vServer group, ALB and NLB.
fn weights(cloud: &mut Cloud, id: &str) -> Vec<Option<u64>> {
    let clb = slb(
        cloud,
        "DescribeLoadBalancerAttribute",
        json!({"LoadBalancerId": "lb-1"}),
    )
    .unwrap();
    let rsp = slb(
        cloud,
        "DescribeVServerGroupAttribute",
        json!({"VServerGroupId": "rsp-1"}),
    )
    .unwrap();
    let of_alb = alb(
        cloud,
        "ListServerGroupServers",
        json!({"ServerGroupId": "sgp-a"}),
    )
    .unwrap();
    let of_nlb = nlb(
        cloud,
        "ListServerGroupServers",
        json!({"ServerGroupId": "sgp-n"}),
    )
    .unwrap();
    let lists = [
        &clb["BackendServers"]["BackendServer"],
        &rsp["BackendServers"]["BackendServer"],
        &of_alb["Servers"],
        &of_nlb["Servers"],
    ];
    let own = |list: &Value| {
        let rows = weights_of(list).into_iter();
        rows.filter(|(server, _)| server == id)
            .map(|(_, w)| w)
            .next()
    };
    lists.into_iter().map(own).collect()
}

/// What CLB says of each server behind one listener port.
fn clb_health(cloud: &mut Cloud, port: u16) -> Vec<(String, String)> {
    let ask = json!({"LoadBalancerId": "lb-1", "ListenerPort": port});
    let answer = slb(cloud, "DescribeHealthStatus", ask).unwrap();
    let rows = answer["BackendServers"]["BackendServer"]
        .as_array()
        .unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    rows.iter()
        .map(|r| (text(&r["ServerId"]), text(&r["ServerHealthStatus"])))
        .collect()
}

fn clb_health_of(cloud: &mut Cloud, id: &str) -> String {
    let found = clb_health(cloud, 80);
    found.into_iter().find(|(own, _)| own == id).unwrap().1
}

/// The servers of ALB that are not normal: id, status, reason.
fn alb_not_normal(cloud: &mut Cloud) -> Vec<(String, String, Option<String>)> {
    let ask = json!({"ListenerId": "lsn-alb-a"});
    let answer = alb(cloud, "GetListenerHealthStatus", ask).unwrap();
    let infos = &answer["ListenerHealthStatus"][0]["ServerGroupInfos"];
    rows(&infos[0])
}

fn rows(info: &Value) -> Vec<(String, String, Option<String>)> {
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let servers = info["NonNormalServers"].as_array().unwrap();
    let row = |r: &Value| {
        let reason = text(&r["Reason"]["ReasonCode"]);
        (
            text(&r["ServerId"]).unwrap(),
            text(&r["Status"]).unwrap(),
            reason,
        )
    };
    servers.iter().map(row).collect()
}

#[test]
fn a_group_says_what_it_is_attached_to() {
    let mut cloud = attached("");
    let answer = ess(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    let group = &answer["ScalingGroups"][0];
    assert_eq!(group["LoadBalancerIds"], json!(["lb-1"]));
    assert_eq!(
        group["VServerGroups"],
        json!([{
            "LoadBalancerId": "lb-1",
            "VServerGroupAttributes": [{"VServerGroupId": "rsp-1", "Port": 8080, "Weight": 70}],
        }])
    );
    assert_eq!(
        group["AlbServerGroups"],
        json!([{"AlbServerGroupId": "sgp-a", "Port": 8081, "Weight": 50}])
    );
    assert_eq!(group["ServerGroups"][0]["ServerGroupId"], "sgp-n");
    assert_eq!(group["ServerGroups"][0]["Type"], "NLB");
    assert_eq!(group["ServerGroups"][1]["Type"], "GWLB");
    let answer = ess_2014(&mut cloud, "DescribeScalingGroups", json!({})).unwrap();
    let group = &answer["ScalingGroups"]["ScalingGroup"][0];
    let of_balancer = &group["VServerGroups"]["VServerGroup"][0];
    let attribute = &of_balancer["VServerGroupAttributes"]["VServerGroupAttribute"][0];
    assert_eq!(attribute["VServerGroupId"], "rsp-1");
}

#[test]
fn weights_follow_a_rolling_update_through_standby() {
    let mut cloud = attached("durations: {command: 100}");
    let before = weights(&mut cloud, "i-small-01");
    assert_eq!(before, [Some(50), Some(70), Some(50), Some(50)]);
    let parameters = json!({
        "invokeType": "invoke", "scalingGroupId": "asg-small", "invokeScript": "true", "batchNumber": 3,
    });
    let template = "ACS-ESS-RollingUpdateByRunCommandInScalingGroup";
    start(&mut cloud, "Automatic", template, &parameters);
    let (mut out, mut waits) = (0, 0);
    for _ in 0..400 {
        pass(&mut cloud, 2);
        let (state, weight) = member(&mut cloud, "i-small-01").unwrap();
        let found = weights(&mut cloud, "i-small-01");
        if state == "Standby" {
            out += 1;
            assert_eq!((weight, found), (0, vec![Some(0); 4]));
        } else {
            waits += 1;
            assert_eq!((weight, found), (50, before.clone()));
        }
    }
    assert!(out > 10 && waits > 10, "{out} {waits}");
}

#[test]
fn members_join_in_service_and_go_with_their_instances() {
    let mut cloud = attached("durations: {scaleOut: 60, scaleIn: 30, backendHealthCheck: 20}");
    control(&mut cloud, "POST", "groups/asg-small/scaleOut", json!({}));
    let all = members(&mut cloud, "asg-small");
    let new = all.iter().find(|id| !id.starts_with("i-small-")).unwrap();
    assert_eq!(weights(&mut cloud, new), [None; 4]);
    pass(&mut cloud, 61);
    assert_eq!(weights(&mut cloud, new)[0], Some(50));
    // No check has ended yet.
    assert_eq!(clb_health_of(&mut cloud, new), "unavailable");
    assert_eq!(
        alb_not_normal(&mut cloud),
        [(new.clone(), "Initial".into(), None)]
    );
    pass(&mut cloud, 20);
    assert_eq!(clb_health_of(&mut cloud, new), "normal");
    assert_eq!(alb_not_normal(&mut cloud), []);

    let ask = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    ess(&mut cloud, "RemoveInstances", ask).unwrap();
    assert_eq!(weights(&mut cloud, "i-small-01"), [None; 4]);
    assert!(member(&mut cloud, "i-small-01").is_some());
    control(
        &mut cloud,
        "POST",
        "instances/i-small-02/vanish",
        Value::Null,
    );
    assert_eq!(weights(&mut cloud, "i-small-02"), [None; 4]);
}

#[test]
fn a_server_that_does_not_run_is_abnormal() {
    let mut cloud = attached("durations: {startInstance: 30, backendHealthCheck: 20}");
    let ask = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    ess(&mut cloud, "EnterStandby", ask).unwrap();
    // ALB does not check what gets no traffic; CLB does.
    let unused = [("i-small-01".to_owned(), "Unused".to_owned(), None)];
    assert_eq!(alb_not_normal(&mut cloud), unused);
    assert_eq!(clb_health_of(&mut cloud, "i-small-01"), "normal");
    control(&mut cloud, "POST", "instances/i-small-01/stop", Value::Null);
    pass(&mut cloud, 20);
    assert_eq!(clb_health_of(&mut cloud, "i-small-01"), "abnormal");
    let ask = json!({"ListenerId": "lsn-nlb-n"});
    let answer = nlb(&mut cloud, "GetListenerHealthStatus", ask).unwrap();
    let info = &answer["ListenerHealthStatus"][0]["ServerGroupInfos"][0];
    assert_eq!(info["HeathCheckEnabled"], true);
    let reason = Some("CONNECT_TIMEOUT".to_owned());
    let want = [("i-small-01".to_owned(), "Unhealthy".to_owned(), reason)];
    assert_eq!(rows(info), want);
    ecs(
        &mut cloud,
        "StartInstance",
        json!({"InstanceId": "i-small-01"}),
    )
    .unwrap();
    pass(&mut cloud, 31);
    assert_eq!(clb_health_of(&mut cloud, "i-small-01"), "unavailable");
    pass(&mut cloud, 20);
    assert_eq!(clb_health_of(&mut cloud, "i-small-01"), "normal");
}

#[test]
fn a_rule_makes_an_instance_ill_after_its_second_update() {
    let mut cloud = attached(
        "backendHealth:
  - {instance: i-small-02, attempt: 2, afterSeconds: 5, forSeconds: 90, status: abnormal, reason: RESPONSE_MISMATCH}
  - {instance: i-small-02, serverGroup: sgp-n, attempt: 2, forSeconds: 5, status: unavailable}",
    );
    let standby = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-02"});
    let update = |cloud: &mut Cloud| {
        ess(cloud, "EnterStandby", standby.clone()).unwrap();
        pass(cloud, 30);
        ess(cloud, "ExitStandby", standby.clone()).unwrap();
    };
    update(&mut cloud);
    pass(&mut cloud, 20);
    assert_eq!(clb_health_of(&mut cloud, "i-small-02"), "normal");
    update(&mut cloud);
    let ask = json!({"ListenerId": "lsn-nlb-n"});
    let answer = nlb(&mut cloud, "GetListenerHealthStatus", ask).unwrap();
    let info = &answer["ListenerHealthStatus"][0]["ServerGroupInfos"][0];
    assert_eq!(rows(info)[0].1, "Unavailable");
    pass(&mut cloud, 5);
    for _ in 0..3 {
        assert_eq!(clb_health_of(&mut cloud, "i-small-02"), "abnormal");
        let reason = Some("RESPONSE_MISMATCH".to_owned());
        let want = [("i-small-02".to_owned(), "Unhealthy".to_owned(), reason)];
        assert_eq!(alb_not_normal(&mut cloud), want);
        pass(&mut cloud, 29);
    }
    pass(&mut cloud, 3);
    assert_eq!(clb_health_of(&mut cloud, "i-small-02"), "normal");
    assert_eq!(alb_not_normal(&mut cloud), []);
}

#[test]
fn rules_come_while_the_cloud_runs_and_go() {
    let mut cloud = attached(
        "events:
  - {atSeconds: 60, do: {backendHealth: {instance: i-small-0*, loadBalancer: lb-1, port: 80, status: abnormal}}}",
    );
    let ill = |cloud: &mut Cloud| {
        let found = clb_health(cloud, 80);
        found
            .iter()
            .filter(|(_, status)| status == "abnormal")
            .count()
    };
    assert_eq!(ill(&mut cloud), 0);
    pass(&mut cloud, 60);
    assert_eq!(ill(&mut cloud), 3);
    assert_eq!(alb_not_normal(&mut cloud), []);
    let well = json!({"instance": "i-small-01", "status": "normal"});
    let (status, _) = control(&mut cloud, "POST", "backendHealth", well);
    assert_eq!(status, 201);
    assert_eq!(ill(&mut cloud), 2);
    let (_, listed) = control(&mut cloud, "GET", "backendHealth", Value::Null);
    assert_eq!(listed["rules"][0]["instance"], "i-small-01");
    assert_eq!(listed["rules"][1]["loadBalancer"], "lb-1");
    let bad = json!({"status": "abnormal", "afterSeconds": -1});
    assert_eq!(control(&mut cloud, "POST", "backendHealth", bad).0, 400);
    control(&mut cloud, "DELETE", "backendHealth", Value::Null);
    assert_eq!(ill(&mut cloud), 0);
}

#[test]
fn what_scripts_do_to_weights_lasts_until_ess_sets_them() {
    let mut cloud = attached("");
    let set = |weight: u32| {
        let servers = json!([{"ServerId": "i-small-01", "Weight": weight.to_string()}]);
        json!({"LoadBalancerId": "lb-1", "BackendServers": servers.to_string()})
    };
    let answer = slb(&mut cloud, "SetBackendServers", set(0)).unwrap();
    assert_eq!(answer["BackendServers"]["BackendServer"][0]["Weight"], "0");
    let servers = json!([{"ServerId": "i-small-01", "Port": 8080, "Weight": 1}]).to_string();
    let ask = json!({"VServerGroupId": "rsp-1", "BackendServers": servers});
    slb(&mut cloud, "SetVServerGroupAttribute", ask).unwrap();
    let ask = json!({
        "ServerGroupId": "sgp-a", "Servers.1.ServerId": "i-small-01", "Servers.1.Port": "8081",
        "Servers.1.ServerType": "Ecs", "Servers.1.Weight": "2",
    });
    let answer = alb(&mut cloud, "UpdateServerGroupServersAttribute", ask).unwrap();
    assert!(answer["JobId"].is_string());
    let found = weights(&mut cloud, "i-small-01");
    assert_eq!(found, [Some(0), Some(1), Some(2), Some(50)]);
    // ESS does not look at what others set.
    assert_eq!(member(&mut cloud, "i-small-01").unwrap().1, 50);

    let ask = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    ess(&mut cloud, "EnterStandby", ask.clone()).unwrap();
    assert_eq!(weights(&mut cloud, "i-small-01"), [Some(0); 4]);
    slb(&mut cloud, "SetBackendServers", set(9)).unwrap();
    assert_eq!(weights(&mut cloud, "i-small-01")[0], Some(9));
    ess(&mut cloud, "ExitStandby", ask).unwrap();
    let found = weights(&mut cloud, "i-small-01");
    assert_eq!(found, [Some(50), Some(70), Some(50), Some(50)]);
}

#[test]
fn scripts_add_and_remove_servers() {
    let mut cloud = attached("instances: [{instanceId: i-own, imageId: m-1}]");
    let servers = |id: &str| {
        let servers = json!([{"ServerId": id}]).to_string();
        json!({"LoadBalancerId": "lb-1", "BackendServers": servers})
    };
    let set = slb(&mut cloud, "SetBackendServers", servers("i-own"));
    assert_eq!(code(set), "InvalidParameter");
    slb(&mut cloud, "AddBackendServers", servers("i-own")).unwrap();
    assert_eq!(weights(&mut cloud, "i-own")[0], Some(100));
    assert_eq!(clb_health_of(&mut cloud, "i-own"), "normal");
    // Adding a server again leaves it as it is.
    slb(&mut cloud, "AddBackendServers", servers("i-small-01")).unwrap();
    assert_eq!(weights(&mut cloud, "i-small-01")[0], Some(50));
    for id in ["i-own", "i-small-01"] {
        slb(&mut cloud, "RemoveBackendServers", servers(id)).unwrap();
        assert_eq!(weights(&mut cloud, id)[0], None);
    }
    let none = slb(&mut cloud, "AddBackendServers", servers("i-none"));
    assert_eq!(code(none), "InvalidParameter");
    for bad in [
        "{",
        "{}",
        "[{}]",
        r#"[{"ServerId": "i-own", "Weight": 101}]"#,
        r#"[{"ServerId": "i-own", "Weight": "-1"}]"#,
        r#"[{"ServerId": "eni-1", "Type": "eni"}]"#,
        r#"[{"ServerId": 5}]"#,
    ] {
        let ask = json!({"LoadBalancerId": "lb-1", "BackendServers": bad});
        let error = slb(&mut cloud, "AddBackendServers", ask).unwrap_err();
        assert!(error.message.contains("BackendServers"), "{bad}: {error}");
    }
}

#[test]
fn a_busy_load_balancer_refuses_changes() {
    let mut cloud = attached("durations: {loadBalancer: 10}");
    let ask = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-01"});
    ess(&mut cloud, "EnterStandby", ask).unwrap();
    let servers = json!([{"ServerId": "i-small-02", "Weight": 0}]).to_string();
    let ask = json!({"LoadBalancerId": "lb-1", "BackendServers": servers});
    let refused = slb(&mut cloud, "SetBackendServers", ask.clone());
    assert_eq!(code(refused), "BackendServer.configuring");
    pass(&mut cloud, 10);
    slb(&mut cloud, "SetBackendServers", ask).unwrap();
    let ask = json!({"ScalingGroupId": "asg-small", "InstanceIds.1": "i-small-02"});
    let refused = ess(&mut cloud, "EnterStandby", ask);
    assert_eq!(code(refused), "BackendServer.configuring");
}

#[test]
fn groups_behind_forwarding_rules_show_with_the_rules() {
    let mut cloud = attached(
        "loadBalancers:
  - loadBalancerId: alb-shop
    type: ALB
    listeners:
      - listenerId: lsn-shop
        port: 443
        protocol: HTTPS
        serverGroupId: sgp-other
        healthCheck: false
        rules: [{ruleId: rule-1, serverGroupId: sgp-a}, {ruleId: rule-2, serverGroupId: sgp-more}]",
    );
    let ask = json!({"ServerGroupIds.1": "sgp-a"});
    let found = alb(&mut cloud, "ListServerGroups", ask).unwrap();
    let group = &found["ServerGroups"][0];
    assert_eq!(group["RelatedLoadBalancerIds"], json!(["alb-shop"]));
    assert_eq!(group["ServerCount"], 3);
    let ask = json!({"LoadBalancerIds.1": "alb-shop"});
    let found = alb(&mut cloud, "ListListeners", ask).unwrap();
    assert_eq!(found["Listeners"][0]["ListenerId"], "lsn-shop");
    control(&mut cloud, "POST", "instances/i-small-03/stop", Value::Null);

    let ask = |more: Value| {
        let mut ask = json!({"ListenerId": "lsn-shop"});
        ask.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        ask
    };
    let alone = alb(&mut cloud, "GetListenerHealthStatus", ask(json!({}))).unwrap();
    let info = &alone["ListenerHealthStatus"][0]["ServerGroupInfos"][0];
    assert_eq!(info["HealthCheckEnabled"], "off");
    assert_eq!(alone["RuleHealthStatus"], json!([]));
    let mut token = String::new();
    let mut seen = Vec::new();
    loop {
        let more = json!({"IncludeRule": true, "MaxResults": 1, "NextToken": token});
        let page = alb(&mut cloud, "GetListenerHealthStatus", ask(more)).unwrap();
        for rule in page["RuleHealthStatus"].as_array().unwrap() {
            let rows = rows(&rule["ServerGroupInfos"][0]);
            seen.push((rule["RuleId"].as_str().unwrap().to_owned(), rows.len()));
        }
        token = page["NextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [("rule-1".into(), 1), ("rule-2".into(), 0)]);
    let too_many = alb(
        &mut cloud,
        "GetListenerHealthStatus",
        ask(json!({"MaxResults": 31})),
    );
    assert_eq!(code(too_many), "InvalidParameter");
    // The listener of ALB is none of NLB's.
    let other = nlb(&mut cloud, "GetListenerHealthStatus", ask(json!({})));
    assert_eq!(code(other), "ResourceNotFound.Listener");
}

#[test]
fn lists_have_pages() {
    let mut cloud = attached(
        "loadBalancers: [{loadBalancerId: lb-2}, {loadBalancerId: lb-3}, {loadBalancerId: nlb-2, type: NLB}]",
    );
    let page = |n: u32| json!({"PageSize": 2, "PageNumber": n});
    let first = slb(&mut cloud, "DescribeLoadBalancers", page(1)).unwrap();
    let second = slb(&mut cloud, "DescribeLoadBalancers", page(2)).unwrap();
    let count = |answer: &Value| {
        answer["LoadBalancers"]["LoadBalancer"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((count(&first), count(&second)), (2, 1));
    assert_eq!(second["TotalCount"], 3);
    let ask = json!({"ServerGroupId": "sgp-n", "MaxResults": 2});
    let first = nlb(&mut cloud, "ListServerGroupServers", ask).unwrap();
    assert_eq!(first["Servers"].as_array().unwrap().len(), 2);
    assert_eq!(first["TotalCount"], 3);
    let ask = json!({"ServerGroupId": "sgp-n", "MaxResults": 2, "NextToken": first["NextToken"]});
    let second = nlb(&mut cloud, "ListServerGroupServers", ask).unwrap();
    assert_eq!(second["Servers"].as_array().unwrap().len(), 1);
    assert_eq!(second["NextToken"], "");
    let found = nlb(&mut cloud, "ListLoadBalancers", json!({})).unwrap();
    let ids: Vec<&str> = found["LoadBalancers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|b| b["LoadBalancerId"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["nlb-2", "nlb-n"]);
    let ask = json!({"ServerGroupId": "sgp-n", "NextToken": "x"});
    let bad = nlb(&mut cloud, "ListServerGroupServers", ask);
    assert_eq!(code(bad), "InvalidParameter");
}

#[test]
fn what_is_of_somebody_else_or_not_there_is_not_found() {
    let mut cloud = attached("loadBalancers: [{loadBalancerId: lb-far, accountId: \"2\"}]");
    for id in ["lb-none", "lb-far", "alb-a"] {
        let ask = json!({"LoadBalancerId": id});
        let answer = slb(&mut cloud, "DescribeLoadBalancerAttribute", ask);
        assert_eq!(code(answer), "InvalidLoadBalancerId.NotFound", "{id}");
    }
    // The default server group is no vServer group.
    let ask = json!({"VServerGroupId": "lb-1"});
    let answer = slb(&mut cloud, "DescribeVServerGroupAttribute", ask);
    assert_eq!(code(answer), "InvalidParameter");
    let ask = json!({"ServerGroupId": "sgp-n"});
    let answer = alb(&mut cloud, "ListServerGroupServers", ask);
    assert_eq!(code(answer), "ResourceNotFound.ServerGroup");
    let list = slb(
        &mut cloud,
        "DescribeVServerGroups",
        json!({"LoadBalancerId": "lb-1"}),
    )
    .unwrap();
    let groups = list["VServerGroups"]["VServerGroup"].as_array().unwrap();
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0]["ServerCount"], 3);
}

#[test]
fn each_service_has_its_own_permission() {
    let mut cloud = attached("");
    let policy = json!({"allow": ["slb:Describe*", "alb:ListServerGroups"]});
    control(&mut cloud, "PUT", "principals/reader", policy);
    let reader = Ask {
        by: "reader",
        ..Ask::default()
    };
    let of_one = json!({"LoadBalancerId": "lb-1"});
    reader
        .call(&mut cloud, Service::Slb, "DescribeHealthStatus", of_one)
        .unwrap();
    reader
        .call(&mut cloud, Service::Alb, "ListServerGroups", json!({}))
        .unwrap();
    for (service, action, want) in [
        (Service::Slb, "SetBackendServers", "slb:SetBackendServers"),
        (Service::Alb, "ListListeners", "alb:ListListeners"),
        (Service::Nlb, "ListServerGroups", "nlb:ListServerGroups"),
        (
            Service::Cms,
            "DescribeMetricRuleList",
            "cms:DescribeMetricRuleList",
        ),
        (Service::Ess, "DescribeAlarms", "ess:DescribeAlarms"),
    ] {
        let refused = reader.call(&mut cloud, service, action, json!({}));
        let error = refused.unwrap_err();
        assert_eq!((error.status, error.code.as_str()), (403, "Forbidden.RAM"));
        assert!(error.message.contains(want), "{error}");
    }
}

#[test]
fn a_template_reads_and_changes_weights() {
    let mut cloud = attached("");
    let template = json!({"FormatVersion": "OOS-2019-06-01", "Tasks": [
        {"Name": "drain", "Action": "ACS::ExecuteAPI", "Properties": {
            "Service": "SLB", "API": "SetBackendServers", "Parameters": {
                "RegionId": "cn-hangzhou", "LoadBalancerId": "lb-1",
                "BackendServers": [{"ServerId": "i-small-01", "Weight": 0}]}}},
        {"Name": "health", "Action": "ACS::ExecuteAPI", "Properties": {
            "Service": "ALB", "API": "ListServerGroupServers", "Parameters": {"ServerGroupId": "sgp-a"}}},
        {"Name": "rules", "Action": "ACS::ExecuteAPI", "Properties": {
            "Service": "CMS", "API": "DescribeMetricRuleList", "Parameters": {"RuleIds": "none"}}},
    ]});
    let ask = json!({"TemplateContent": template.to_string()});
    let answer = crate::support::oos(&mut cloud, "StartExecution", ask).unwrap();
    let id = answer["Execution"]["ExecutionId"]
        .as_str()
        .unwrap()
        .to_owned();
    pass(&mut cloud, 60);
    let execution = crate::support::execution(&mut cloud, &id);
    assert_eq!(execution["Status"], "Success", "{execution}");
    assert_eq!(weights(&mut cloud, "i-small-01")[0], Some(0));
}

#[test]
fn mistakes_in_load_balancers_are_named() {
    for (more, want) in [
        (
            "loadBalancers: [{loadBalancerId: lb-2}, {loadBalancerId: lb-2}]",
            "twice",
        ),
        ("loadBalancers: [{loadBalancerId: lb-1, type: ALB}]", "lb-1"),
        ("loadBalancers: [{loadBalancerId: g, type: GWLB}]", "GWLB"),
        (
            "loadBalancers: [{loadBalancerId: a, type: ALB, listeners: [{port: 80}]}]",
            "serverGroupId",
        ),
        (
            "loadBalancers: [{loadBalancerId: a, type: NLB, listeners: [{port: 80, serverGroupId: sgp-a}]}]",
            "sgp-a",
        ),
        ("backendHealth: [{status: ill}]", "ill"),
        (
            "backendHealth: [{status: normal, forSeconds: -1}]",
            "forSeconds",
        ),
        (
            "events: [{atSeconds: 1, do: {backendHealth: {status: normal, afterSeconds: -1}}}]",
            "afterSeconds",
        ),
    ] {
        let yaml = crate::support::SMALL.replace(
            "    instances: {count: 3}",
            &format!("    instances: {{count: 3}}{ATTACHED}"),
        );
        let error = ess_emulator::fixture::Fixture::parse(&format!("{yaml}\n{more}"))
            .and_then(|fixture| Cloud::new(&fixture))
            .expect_err(more)
            .to_string();
        assert!(error.contains(want), "{error} should name {want}");
    }
}

#[test]
fn the_example_of_the_page_is_a_fixture() {
    let page = include_str!("../../README.md");
    let (_, block) = page.split_once("```yaml\ndurations:").unwrap();
    let (block, _) = block.split_once("```").unwrap();
    let mut cloud = crate::support::cloud(&format!(
        "principals: [{{name: admin, accessKeyId: k, accessKeySecret: s, allow: ['*']}}]\ndurations:{block}"
    ));
    let ask = json!({"ListenerId": "lsn-alb-shop-443", "IncludeRule": true});
    let of_rule = |cloud: &mut Cloud| {
        let answer = alb(cloud, "GetListenerHealthStatus", ask.clone()).unwrap();
        rows(&answer["RuleHealthStatus"][0]["ServerGroupInfos"][0])
    };
    assert_eq!(of_rule(&mut cloud), []);
    let standby = json!({"ScalingGroupId": "asg-web", "InstanceIds.1": "i-web-03"});
    ess(&mut cloud, "EnterStandby", standby.clone()).unwrap();
    ess(&mut cloud, "ExitStandby", standby).unwrap();
    assert_eq!(of_rule(&mut cloud)[0].1, "Unhealthy");
    pass(&mut cloud, 90);
    assert_eq!(of_rule(&mut cloud), []);
}

#[test]
fn many_groups_load_and_answer_without_a_look_at_all_instances() {
    use std::fmt::Write as _;
    let mut yaml = String::from(
        "startTime: 2026-01-05T08:00:00Z\naccountId: \"1000000000000001\"\nimages: [{imageId: m-1}]\n\
         principals: [{name: admin, accessKeyId: k, accessKeySecret: s, allow: [\"*\"]}]\nscalingGroups:\n",
    );
    for n in 0..200 {
        let _ = writeln!(
            yaml,
            "  - {{scalingGroupId: asg-{n}, configurations: [{{scalingConfigurationId: asc-{n}, imageId: m-1}}], \
             instances: {{count: 50}}, loadBalancerIds: [lb-{n}], albServerGroups: [{{albServerGroupId: sgp-{n}, port: 80}}]}}"
        );
    }
    let mut cloud = crate::support::cloud(&yaml);
    let ask = json!({"LoadBalancerId": "lb-77"});
    let answer = slb(&mut cloud, "DescribeHealthStatus", ask).unwrap();
    let rows = answer["BackendServers"]["BackendServer"]
        .as_array()
        .unwrap();
    assert_eq!(rows.len(), 50);
    assert_eq!(rows[0]["ServerId"], "i-77-01");
    let mut found = 0;
    let mut token = json!("");
    loop {
        let ask = json!({"MaxResults": 100, "NextToken": token});
        let page = alb(&mut cloud, "ListServerGroups", ask).unwrap();
        found += page["ServerGroups"].as_array().unwrap().len();
        token = page["NextToken"].clone();
        if token == "" {
            break;
        }
    }
    assert_eq!(found, 200);
    let old = Ask {
        version: EssVersion::V2014,
        ..Ask::default()
    };
    let ask = json!({"ScalingGroupId.1": "asg-150"});
    let groups = old
        .call(&mut cloud, Service::Ess, "DescribeScalingGroups", ask)
        .unwrap();
    assert_eq!(
        groups["ScalingGroups"]["ScalingGroup"][0]["TotalCapacity"],
        50
    );
}
