//! Backend servers and their health: what is sent to CLB, ALB and NLB, and what is read.

use ess_rollout_cloud::{
    Answer, BackendServer, BalancerProduct, Cloud, ErrorClass, HealthOfGroup, HealthOfServer,
    Query, ServerGroup, ServerHealth, Turn,
};
use serde_json::{Value, json};

use crate::fake::{Fake, REGION, ok};
use crate::queries::ask;

fn backend(server: &str, port: i64, weight: i64) -> BackendServer {
    BackendServer {
        server: server.into(),
        port,
        weight,
        available: true,
    }
}

fn found(server: &str, port: i64, health: ServerHealth, reason: &str) -> HealthOfServer {
    HealthOfServer {
        server: server.into(),
        port,
        health,
        reason: reason.into(),
    }
}

async fn refused(fake: &Fake, query: Query) -> ess_rollout_cloud::CloudError {
    let turn = Turn::default();
    let answer = fake.client().query(REGION, &query, turn).await;
    answer.unwrap_err()
}

#[tokio::test]
async fn the_default_servers_of_clb_are_an_attribute_of_it() {
    let answer = json!({"LoadBalancerId": "lb-1", "BackendServers": {"BackendServer": [
        {"ServerId": "i-1", "Weight": 50, "Type": "ecs"}, {"ServerId": "i-2", "Weight": 0},
    ]}});
    let fake = Fake::start([ok(answer)]).await;
    let of = ServerGroup::Default {
        load_balancer: "lb-1".into(),
    };
    let servers = ask(&fake, Query::BackendServers { of }).await;
    let expected = vec![backend("i-1", 0, 50), backend("i-2", 0, 0)];
    assert_eq!(servers, Answer::BackendServers(expected));
    let request = &fake.received()[0];
    assert_eq!(request.action, "DescribeLoadBalancerAttribute");
    assert_eq!(request.version, "2014-05-15");
    assert_eq!(request.form["LoadBalancerId"], "lb-1");
}

#[tokio::test]
async fn the_servers_of_another_group_are_no_answer() {
    let of = || ServerGroup::VServerGroup {
        load_balancer: "lb-1".into(),
        group: "rsp-1".into(),
    };
    let own = json!({"VServerGroupId": "rsp-1", "BackendServers": {"BackendServer": [
        {"ServerId": "i-1", "Port": 80, "Weight": 100}, {"ServerId": "i-1", "Port": 81, "Weight": 100},
    ]}});
    let mut other = own.clone();
    other["VServerGroupId"] = json!("rsp-2");
    let fake = Fake::start([ok(own), ok(other)]).await;
    let servers = ask(&fake, Query::BackendServers { of: of() }).await;
    let expected = vec![backend("i-1", 80, 100), backend("i-1", 81, 100)];
    assert_eq!(servers, Answer::BackendServers(expected));
    let error = refused(&fake, Query::BackendServers { of: of() }).await;
    assert!(error.message.contains("VServerGroupId=rsp-1"), "{error}");
}

#[tokio::test]
async fn the_servers_of_alb_and_nlb_come_in_pages_that_may_overlap() {
    for (of, version) in [
        (
            ServerGroup::Alb {
                group: "sgp-1".into(),
            },
            "2020-06-16",
        ),
        (
            ServerGroup::Nlb {
                group: "sgp-1".into(),
            },
            "2022-04-30",
        ),
    ] {
        let row = |id: &str, port: i64, status: &str| json!({"ServerGroupId": "sgp-1", "ServerId": id, "Port": port, "Weight": 70, "Status": status});
        let first = json!({"NextToken": "t", "Servers": [row("i-1", 80, "Available"), row("i-1", 81, "Available")]});
        let second = json!({"NextToken": "", "Servers": [row("i-1", 81, "Available"), row("i-2", 80, "Adding")]});
        let fake = Fake::start([ok(first), ok(second)]).await;
        let servers = ask(&fake, Query::BackendServers { of }).await;
        let adding = BackendServer {
            available: false,
            ..backend("i-2", 80, 70)
        };
        let expected = vec![backend("i-1", 80, 70), backend("i-1", 81, 70), adding];
        assert_eq!(servers, Answer::BackendServers(expected));
        let requests = fake.received();
        assert_eq!(requests[0].version, version);
        assert_eq!(requests[0].form["ServerGroupId"], "sgp-1");
        assert_eq!(requests[1].form["NextToken"], "t");
    }
}

#[tokio::test]
async fn a_list_of_servers_that_never_ends_is_given_up() {
    let page = || ok(json!({"NextToken": "t", "Servers": []}));
    let fake = Fake::start([page(), page()]).await;
    let of = ServerGroup::Alb {
        group: "sgp-1".into(),
    };
    let error = refused(&fake, Query::BackendServers { of }).await;
    assert!(error.message.contains("NextToken repeats"), "{error}");
}

#[tokio::test]
async fn a_product_without_an_api_is_not_asked() {
    let fake = Fake::start([]).await;
    let of = ServerGroup::Other {
        product: "GWLB".into(),
        group: "sgp-1".into(),
    };
    let error = refused(&fake, Query::BackendServers { of }).await;
    assert_eq!(error.class, ErrorClass::Invalid);
    assert!(fake.received().is_empty());
}

#[tokio::test]
async fn clb_tells_of_every_server_and_port() {
    let row = |id: &str, port: i64, health: &str| json!({"ServerId": id, "Port": port, "ListenerPort": 80, "ServerHealthStatus": health});
    let rows = [
        row("i-1", 80, "normal"),
        row("i-2", 80, "abnormal"),
        row("i-3", 80, "unavailable"),
    ];
    let fake = Fake::start([ok(json!({"BackendServers": {"BackendServer": rows}}))]).await;
    let query = Query::HealthOfServers {
        load_balancer: "lb-1".into(),
    };
    let expected = vec![
        found("i-1", 80, ServerHealth::Normal, ""),
        found("i-2", 80, ServerHealth::Abnormal, ""),
        found("i-3", 80, ServerHealth::NotChecked, ""),
    ];
    assert_eq!(ask(&fake, query).await, Answer::HealthOfServers(expected));
}

#[tokio::test]
async fn listeners_are_found_by_the_load_balancers_of_a_server_group() {
    let groups = json!({"ServerGroups": [{"ServerGroupId": "sgp-1", "RelatedLoadBalancerIds": ["alb-1", "alb-2"]}]});
    let listener = |id: &str, of: &str| json!({"ListenerId": id, "LoadBalancerId": of});
    // One of a load balancer that nobody asked for.
    let listeners = json!({"Listeners": [listener("lsn-2", "alb-2"), listener("lsn-1", "alb-1"), listener("lsn-9", "alb-9")]});
    let fake = Fake::start([ok(groups), ok(listeners)]).await;
    let query = Query::Listeners {
        product: BalancerProduct::Alb,
        group: "sgp-1".into(),
    };
    let expected = vec!["lsn-1".to_owned(), "lsn-2".to_owned()];
    assert_eq!(ask(&fake, query).await, Answer::Listeners(expected));
    let requests = fake.received();
    assert_eq!(requests[0].form["ServerGroupIds.1"], "sgp-1");
    assert_eq!(requests[1].form["LoadBalancerIds.2"], "alb-2");
}

#[tokio::test]
async fn a_server_group_that_is_not_there_has_no_listeners_and_another_is_no_answer() {
    let other = json!({"ServerGroups": [{"ServerGroupId": "sgp-2", "RelatedLoadBalancerIds": []}]});
    let fake = Fake::start([ok(json!({"ServerGroups": []})), ok(other)]).await;
    let query = || Query::Listeners {
        product: BalancerProduct::Nlb,
        group: "sgp-1".into(),
    };
    assert_eq!(ask(&fake, query()).await, Answer::Listeners(Vec::new()));
    let error = refused(&fake, query()).await;
    assert!(error.message.contains("sgp-1"), "{error}");
}

fn group(id: &str, name: &str, checked: Value, servers: Value) -> Value {
    let mut group = json!({"ServerGroupId": id, "NonNormalServers": servers});
    group[name] = checked;
    group
}

#[tokio::test]
async fn alb_and_nlb_tell_of_those_that_are_not_normal_by_rules_as_well() {
    let sick = json!([{"ServerId": "i-1", "Port": 80, "Status": "Unhealthy", "Reason": {"ReasonCode": "CONNECT_FAILED"}}]);
    let alb = json!({
        "ListenerHealthStatus": [{"ServerGroupInfos": [group("sgp-home", "HealthCheckEnabled", json!("off"), json!([]))]}],
        "RuleHealthStatus": [{"ServerGroupInfos": [group("sgp-1", "HealthCheckEnabled", json!("on"), sick.clone())]}],
    });
    // The API spells it so.
    let nlb = json!({"ListenerHealthStatus": [{"ServerGroupInfos": [group("sgp-1", "HeathCheckEnabled", json!(true), sick)]}]});
    let fake = Fake::start([ok(alb), ok(nlb)]).await;
    let query = |product| Query::HealthOfGroups {
        product,
        listener: "lsn-1".into(),
    };
    let one = HealthOfGroup {
        group: "sgp-1".into(),
        checked: true,
        not_normal: vec![found("i-1", 80, ServerHealth::Unhealthy, "CONNECT_FAILED")],
    };
    let home = HealthOfGroup {
        group: "sgp-home".into(),
        checked: false,
        not_normal: Vec::new(),
    };
    let of_alb = ask(&fake, query(BalancerProduct::Alb)).await;
    assert_eq!(of_alb, Answer::HealthOfGroups(vec![home, one.clone()]));
    let of_nlb = ask(&fake, query(BalancerProduct::Nlb)).await;
    assert_eq!(of_nlb, Answer::HealthOfGroups(vec![one]));
    let requests = fake.received();
    assert_eq!(requests[0].form["IncludeRule"], "true");
    assert!(!requests[1].form.contains_key("IncludeRule"));
}
