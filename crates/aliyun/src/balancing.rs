//! Backend servers of a scaling group, their weights and their health: CLB 2014-05-15 (service SLB), ALB 2020-06-16, NLB 2022-04-30.
//!
//! ALB knows no RegionId: its endpoint is that of the region, and what it is sent besides what it knows it ignores.

use std::collections::HashSet;

use ess_rollout_cloud::{
    BackendServer, BalancerProduct, CloudError, ErrorClass, HealthOfGroup, HealthOfServer, Outcome,
    ServerGroup,
};
use serde_json::Value;

use crate::{
    call::Call,
    client::Client,
    endpoints::Service,
    fields::{integer, rows, some_text, text},
    limits::Lane,
    paging::asks_for_next,
};

/// The rows of a page of ListServerGroupServers and ListListeners, at most.
const PAGE: usize = 100;
/// The entries of a page of GetListenerHealthStatus of ALB, at most.
const HEALTH_PAGE: usize = 30;
/// How many load balancers ListListeners takes at once.
const LOAD_BALANCERS: usize = 20;
/// The most pages that are read: a server group has a thousand servers at most.
const PAGES_MAX: usize = 50;

fn service(product: BalancerProduct) -> Service {
    match product {
        BalancerProduct::Alb => Service::Alb,
        BalancerProduct::Nlb => Service::Nlb,
    }
}

fn read<'a>(service: Service, action: &'static str, region: &'a str) -> Call<'a> {
    Call::new(service, action, Lane::Read, region)
}

impl Client {
    pub(crate) async fn backend_servers(
        &self,
        region: &str,
        of: &ServerGroup,
    ) -> Result<Vec<BackendServer>, CloudError> {
        let (call, path, id): (_, &[&str], _) = match of {
            ServerGroup::Default { load_balancer } => (
                read(Service::Slb, "DescribeLoadBalancerAttribute", region)
                    .with("LoadBalancerId", load_balancer),
                &["BackendServers", "BackendServer"],
                ("LoadBalancerId", load_balancer),
            ),
            ServerGroup::VServerGroup { group, .. } => (
                read(Service::Slb, "DescribeVServerGroupAttribute", region)
                    .with("VServerGroupId", group),
                &["BackendServers", "BackendServer"],
                ("VServerGroupId", group),
            ),
            ServerGroup::Alb { group } => {
                return self
                    .server_group_servers(BalancerProduct::Alb, region, group)
                    .await;
            }
            ServerGroup::Nlb { group } => {
                return self
                    .server_group_servers(BalancerProduct::Nlb, region, group)
                    .await;
            }
            ServerGroup::Other { .. } => {
                return Err(read(Service::Nlb, "ListServerGroupServers", region)
                    .failed()
                    .error(
                        ErrorClass::Invalid,
                        Outcome::NoEffect,
                        "no-health-api",
                        format!("there is no API for the servers of {of}; nothing was sent"),
                    ));
            }
        };
        let answer = self.send(&call).await?;
        let told = text(&answer, id.0);
        if told != *id.1 {
            return Err(call.failed().ignored(format!(
                "asked for {}={}, and was told of {told:?}",
                id.0, id.1
            )));
        }
        Ok(rows(&answer, path).iter().map(backend_server).collect())
    }

    async fn server_group_servers(
        &self,
        product: BalancerProduct,
        region: &str,
        group: &str,
    ) -> Result<Vec<BackendServer>, CloudError> {
        let mut call = read(service(product), "ListServerGroupServers", region)
            .with("ServerGroupId", group)
            .with("MaxResults", PAGE.to_string());
        let mut found = Vec::new();
        for answer in self.pages(&mut call).await? {
            for row in rows(&answer, &["Servers"]) {
                if some_text(row, "ServerGroupId").is_some_and(|id| id != group) {
                    return Err(call.failed().ignored(format!(
                        "asked for ServerGroupId={group}, and was told of {}",
                        text(row, "ServerGroupId")
                    )));
                }
                // Pages may overlap.
                let server = backend_server(row);
                if !found.contains(&server) {
                    found.push(server);
                }
            }
        }
        Ok(found)
    }

    pub(crate) async fn health_of_servers(
        &self,
        region: &str,
        load_balancer: &str,
    ) -> Result<Vec<HealthOfServer>, CloudError> {
        let call = read(Service::Slb, "DescribeHealthStatus", region)
            .with("LoadBalancerId", load_balancer);
        let answer = self.send(&call).await?;
        let found = rows(&answer, &["BackendServers", "BackendServer"]);
        Ok(found.iter().map(health_of_clb).collect())
    }

    pub(crate) async fn listeners(
        &self,
        region: &str,
        product: BalancerProduct,
        group: &str,
    ) -> Result<Vec<String>, CloudError> {
        let call = read(service(product), "ListServerGroups", region)
            .with("ServerGroupIds.1", group)
            .with("MaxResults", "1");
        let answer = self.send(&call).await?;
        let groups = rows(&answer, &["ServerGroups"]);
        let own = groups
            .iter()
            .find(|row| text(row, "ServerGroupId") == group);
        let Some(own) = own else {
            let told = groups.len();
            return match told {
                0 => Ok(Vec::new()),
                _ => Err(call.failed().ignored(format!(
                    "asked for the server group {group}, and was told of {told} others"
                ))),
            };
        };
        let balancers: Vec<&str> = rows(own, &["RelatedLoadBalancerIds"])
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let mut found = Vec::new();
        for some in balancers.chunks(LOAD_BALANCERS) {
            let mut call = read(service(product), "ListListeners", region)
                .with("MaxResults", PAGE.to_string());
            for (n, id) in some.iter().enumerate() {
                call.set(&format!("LoadBalancerIds.{}", n + 1), *id);
            }
            for answer in self.pages(&mut call).await? {
                let listeners = rows(&answer, &["Listeners"]).iter();
                let ours = listeners.filter(|row| {
                    let of = text(row, "LoadBalancerId");
                    some.contains(&of.as_str())
                });
                found.extend(ours.map(|row| text(row, "ListenerId")));
            }
        }
        found.sort();
        found.dedup();
        Ok(found)
    }

    pub(crate) async fn health_of_groups(
        &self,
        region: &str,
        product: BalancerProduct,
        listener: &str,
    ) -> Result<Vec<HealthOfGroup>, CloudError> {
        let call =
            read(service(product), "GetListenerHealthStatus", region).with("ListenerId", listener);
        // Server groups that only forwarding rules know, which NLB has not.
        let mut call = match product {
            BalancerProduct::Alb => call
                .with("IncludeRule", "true")
                .with("MaxResults", HEALTH_PAGE.to_string()),
            BalancerProduct::Nlb => call,
        };
        let answers = match product {
            BalancerProduct::Alb => self.pages(&mut call).await?,
            BalancerProduct::Nlb => vec![self.send(&call).await?],
        };
        let mut found = Vec::new();
        for answer in &answers {
            let of_listener = rows(answer, &["ListenerHealthStatus"]).iter();
            let of_rules = rows(answer, &["RuleHealthStatus"]).iter();
            for entry in of_listener.chain(of_rules) {
                found.extend(rows(entry, &["ServerGroupInfos"]).iter().map(health_of));
            }
        }
        Ok(found)
    }

    /// All pages of a list by NextToken.
    async fn pages(&self, call: &mut Call<'_>) -> Result<Vec<Value>, CloudError> {
        let mut tokens = HashSet::new();
        let mut found = Vec::new();
        for _ in 0..PAGES_MAX {
            let answer = self.send(call).await?;
            let goes_on = asks_for_next(call, &answer, &mut tokens)?;
            found.push(answer);
            if !goes_on {
                return Ok(found);
            }
        }
        let why = format!("the list has more than {PAGES_MAX} pages");
        Err(call.failed().unreadable(why))
    }
}

fn backend_server(row: &Value) -> BackendServer {
    BackendServer {
        server: text(row, "ServerId"),
        port: integer(row, "Port").unwrap_or(0),
        // CLB and ALB take 100 for a server of which nothing else was said.
        weight: integer(row, "Weight").unwrap_or(100),
        available: some_text(row, "Status").is_none_or(|status| status == "Available"),
    }
}

fn health_of_clb(row: &Value) -> HealthOfServer {
    HealthOfServer {
        server: text(row, "ServerId"),
        port: integer(row, "Port").unwrap_or(0),
        health: text(row, "ServerHealthStatus").into(),
        reason: String::new(),
    }
}

fn health_of(row: &Value) -> HealthOfGroup {
    // ALB says `on`, in a text; NLB spells the name wrong, and says true.
    let checked = ["HealthCheckEnabled", "HeathCheckEnabled"]
        .iter()
        .filter_map(|name| some_text(row, name))
        .any(|checked| checked.eq_ignore_ascii_case("on") || checked == "true");
    let server = |row: &Value| HealthOfServer {
        server: text(row, "ServerId"),
        port: integer(row, "Port").unwrap_or(0),
        health: text(row, "Status").into(),
        reason: row
            .get("Reason")
            .map_or_else(String::new, |reason| text(reason, "ReasonCode")),
    };
    HealthOfGroup {
        group: text(row, "ServerGroupId"),
        checked,
        not_normal: rows(row, &["NonNormalServers"])
            .iter()
            .map(server)
            .collect(),
    }
}
