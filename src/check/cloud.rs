//! Credentials, endpoints and the permissions that reads show. Everything that is asked is about things that do not exist, but for
//! a scaling group that somebody names, and nothing is changed.

use std::sync::Arc;

use ess_rollout_aliyun::{
    Client, ConfigError, CredentialsError, CredentialsProvider, Network, Service,
    credentials::{StaticCredentials, from_environment},
};
use ess_rollout_cloud::{
    Answer, BalancerProduct, Cloud, CloudError, ErrorClass, ExecutionFilter, Query, ServerGroup,
    Turn,
};
use futures::future::join_all;

use super::report::Finding;
use crate::settings::Settings;

const CREDENTIALS: &str = "credentials";
/// In place of a key where there is none: a service that answers refuses it.
const NOBODY: (&str, &str) = ("ess-rollout-check", "nobody");

/// The actions that change something, of which nothing can be told without doing so.
const WRITES: &str = "oos:StartExecution, oos:NotifyExecution, oos:CancelExecution, ess:ResumeProcesses, ess:ExitStandby, ess:SetInstancesProtection, ess:ModifyScalingConfiguration, ess:ModifyEciScalingConfiguration, ecs:StartInstance, ram:PassRole";

/// What is not possible where an action is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Without {
    /// Any update.
    Any,
    /// Updates of ECS instances.
    Ecs,
    /// `update.containerGroup`.
    Containers,
    /// `spec.gates.alarms`.
    Alarms,
    /// `spec.gates.loadBalancer`.
    Balancers,
    /// Nothing; what is less for it.
    Less(&'static str),
}

struct Read {
    service: Service,
    query: Query,
    without: Without,
}

impl Read {
    /// The action as RAM policies spell it.
    fn action(&self) -> String {
        format!(
            "{}:{}",
            self.service.name().to_lowercase(),
            self.query.action()
        )
    }
}

/// All the reads of [ram-permissions.md](../../docs/ram-permissions.md).
fn reads(group: Option<&str>) -> Vec<Read> {
    let nothing = || "ess-rollout-check".to_owned();
    let group = || group.map_or_else(|| format!("asg-{}", nothing()), str::to_owned);
    let read = |service, without, query| Read {
        service,
        query,
        without,
    };
    use Service::{Cms, Eci, Ecs, Ess, Oos};
    use Without::{Alarms, Any, Containers, Less};
    let mut reads = vec![
        read(
            Oos,
            Any,
            Query::Executions(ExecutionFilter::Id(format!("exec-{}", nothing()))),
        ),
        read(
            Oos,
            Any,
            Query::TaskExecutions {
                execution: format!("exec-{}", nothing()),
            },
        ),
        read(Oos, Any, Query::Template { name: nothing() }),
        read(
            Oos,
            Less(
                "a Rollback of update.package has to name a version, and what was installed is not read back",
            ),
            Query::InstancePackage {
                instance: format!("i-{}", nothing()),
                package: nothing(),
            },
        ),
        read(Ess, Any, Query::ScalingGroup { group: group() }),
        read(Ess, Any, Query::ScalingInstances { group: group() }),
        read(Ess, Any, Query::ActivitiesInProgress { group: group() }),
        read(
            Ess,
            Without::Ecs,
            Query::ScalingConfiguration {
                configuration: format!("asc-{}", nothing()),
            },
        ),
        read(
            Ess,
            Containers,
            Query::EciScalingConfiguration {
                configuration: format!("asc-{}", nothing()),
            },
        ),
        read(
            Ess,
            Less("an update may start beside a native instance refresh of its group"),
            Query::InstanceRefreshes { group: group() },
        ),
        read(
            Ess,
            Less("it is not said which lifecycle hook holds instances"),
            Query::LifecycleActions {
                activity: format!("asa-{}", nothing()),
            },
        ),
        read(
            Ess,
            Less("what ESS's own diagnosis of a group found is not said"),
            Query::Diagnosis { group: group() },
        ),
        read(Ess, Alarms, Query::Alarms { group: group() }),
        read(
            Cms,
            Alarms,
            Query::MetricRules {
                rules: vec![nothing()],
            },
        ),
        read(
            Ecs,
            Without::Ecs,
            Query::EcsInstances {
                instances: vec![format!("i-{}", nothing())],
            },
        ),
        read(
            Ecs,
            Without::Ecs,
            Query::Image {
                image: format!("m-{}", nothing()),
            },
        ),
        read(
            Ecs,
            Without::Ecs,
            Query::Invocation {
                invocation: format!("t-{}", nothing()),
                instance: format!("i-{}", nothing()),
            },
        ),
        read(
            Eci,
            Containers,
            Query::ContainerGroups {
                groups: vec![format!("eci-{}", nothing())],
            },
        ),
    ];
    reads.extend(reads_of_balancers());
    reads
}

fn reads_of_balancers() -> Vec<Read> {
    let group = || "sgp-ess-rollout-check".to_owned();
    let load_balancer = || "lb-ess-rollout-check".to_owned();
    let read = |service, query| Read {
        service,
        query,
        without: Without::Balancers,
    };
    let servers = |service, of| read(service, Query::BackendServers { of });
    let mut reads = vec![
        servers(
            Service::Slb,
            ServerGroup::Default {
                load_balancer: load_balancer(),
            },
        ),
        servers(
            Service::Slb,
            ServerGroup::VServerGroup {
                load_balancer: load_balancer(),
                group: "rsp-ess-rollout-check".to_owned(),
            },
        ),
        read(
            Service::Slb,
            Query::HealthOfServers {
                load_balancer: load_balancer(),
            },
        ),
        servers(Service::Alb, ServerGroup::Alb { group: group() }),
        servers(Service::Nlb, ServerGroup::Nlb { group: group() }),
    ];
    for (service, product) in [
        (Service::Alb, BalancerProduct::Alb),
        (Service::Nlb, BalancerProduct::Nlb),
    ] {
        let listener = "lsn-ess-rollout-check".to_owned();
        reads.push(read(service, Query::HealthOfGroups { product, listener }));
    }
    reads
}

/// Looks for credentials with the same chain as `run`, and asks with them.
pub async fn look(
    settings: &Settings,
    group: Option<&str>,
    variable: impl Fn(&str) -> Option<String>,
) -> Vec<Finding> {
    let config = settings.client_config();
    let mut findings = Vec::new();
    let provider = match from_environment(&config, variable) {
        Ok(provider) => match provider.current().await {
            Ok(_) => Some(provider),
            Err(error) => {
                findings.push(no_credentials(error));
                None
            }
        },
        Err(ConfigError::Credentials(error)) => {
            findings.push(no_credentials(error));
            None
        }
        Err(error) => {
            findings.push(Finding::fail("HTTP client", error.to_string(), ""));
            return findings;
        }
    };
    let Some(region) = settings.region.as_deref() else {
        if let Some(provider) = &provider {
            let message = format!("those of {} were found", shown(provider.account()));
            findings.push(Finding::ok(CREDENTIALS, message));
        }
        findings.push(Finding::warn(
            "region",
            "none is set, so that no endpoint was asked: every task must name one in spec.regionId",
            "set --region (the chart's value region), or give one to this check",
        ));
        return findings;
    };
    let known = provider.is_some();
    let signer: Arc<dyn CredentialsProvider> = match provider {
        Some(provider) => provider,
        None => match StaticCredentials::new(NOBODY.0, NOBODY.1, None) {
            Ok(nobody) => Arc::new(nobody),
            Err(error) => {
                findings.push(Finding::fail(CREDENTIALS, error.message, ""));
                return findings;
            }
        },
    };
    let account = shown(signer.account());
    let client = match Client::new(config, signer) {
        Ok(client) => client,
        Err(error) => {
            findings.push(Finding::fail("HTTP client", error.to_string(), ""));
            return findings;
        }
    };
    let reads = reads(group);
    let asked = &client;
    let asking = reads.iter().map(|read| async move {
        let answer = asked.query(region, &read.query, Turn::default()).await;
        let nobody = matches!(&answer, Ok(Answer::ScalingGroup(None)));
        ((read, answer.err()), nobody)
    });
    let (caller, answers) = tokio::join!(client.caller(region), join_all(asking));
    let (answers, nobody): (Vec<_>, Vec<bool>) = answers.into_iter().unzip();
    if known {
        findings.push(credentials(&account, &caller, &answers));
    }
    findings.extend(endpoints(settings.network, &caller, &answers));
    if known {
        findings.extend(permissions(group, &answers));
    }
    if let Some(group) = group
        && known
        && nobody.contains(&true)
    {
        findings.push(Finding::fail(
            format!("scaling group {group}"),
            format!("is not among those of {region} that these credentials see"),
            "name one of the region (--region) and of the account of the credentials",
        ));
    }
    findings
}

/// As much of who calls as tells keys apart: an AccessKey id whole is half of what a thief needs.
fn shown(account: &str) -> String {
    const SHOWN: usize = 8;
    match account.contains(':') || account.chars().count() <= SHOWN {
        true => account.to_owned(),
        false => account.chars().take(SHOWN).chain(['…']).collect(),
    }
}

fn no_credentials(error: CredentialsError) -> Finding {
    match error.nothing_found() {
        true => Finding::warn(
            CREDENTIALS,
            "the operator has none of its own: every task must name a Secret in spec.credentialsRef",
            error.message,
        ),
        false => Finding::fail(
            CREDENTIALS,
            error.message,
            "docs/credentials.md has the ways to give them",
        ),
    }
}

/// Whether this is no answer of the service: the codes of ours are in lower case.
fn unreached(error: &CloudError) -> bool {
    error.code.starts_with(|c: char| c.is_ascii_lowercase())
}

fn credentials(
    account: &str,
    caller: &Result<Option<String>, CloudError>,
    answers: &[(&Read, Option<CloudError>)],
) -> Finding {
    let said = answers.iter().filter_map(|(_, error)| error.as_ref());
    let mut said = caller.as_ref().err().into_iter().chain(said);
    let rejected = said.find(|error| error.class == ErrorClass::Unauthenticated);
    match (rejected, caller) {
        (Some(error), _) => Finding::fail(
            CREDENTIALS,
            format!("those of {account} are refused: {error}"),
            "see that the AccessKey exists and is enabled, that its secret is the right one, and that the clock of the node is right",
        ),
        (None, Ok(Some(arn))) if !arn.is_empty() => {
            Finding::ok(CREDENTIALS, format!("those of {account} are {arn}"))
        }
        (None, _) => Finding::ok(CREDENTIALS, format!("those of {account} were found")),
    }
}

fn endpoints(
    network: Network,
    caller: &Result<Option<String>, CloudError>,
    answers: &[(&Read, Option<CloudError>)],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cure = match network {
        Network::Public => {
            "see that the pod gets there: --network vpc (the chart's network) where there is no way to the internet, --endpoint, HTTPS_PROXY, a NetworkPolicy"
        }
        Network::Vpc => {
            "see that the pod gets there: --network public (the chart's network) outside of a VPC, --endpoint, HTTPS_PROXY, a NetworkPolicy"
        }
    };
    // Of some services nothing is asked but for what few specs have.
    for (service, only_for) in [
        (Service::Oos, None),
        (Service::Ess, None),
        (Service::Ecs, None),
        (Service::Eci, Some("update.containerGroup")),
        (Service::Cms, Some("spec.gates.alarms")),
        (Service::Slb, Some("spec.gates.loadBalancer")),
        (Service::Alb, Some("spec.gates.loadBalancer")),
        (Service::Nlb, Some("spec.gates.loadBalancer")),
    ] {
        let check = format!("endpoint of {service}");
        let mut asked = answers.iter().filter(|(read, _)| read.service == service);
        let failures = asked.clone().filter_map(|(_, error)| error.as_ref());
        let mut failures = failures.filter(|error| unreached(error));
        let answered = asked.any(|(_, error)| error.as_ref().is_none_or(|error| !unreached(error)));
        findings.push(match (answered, failures.next(), only_for) {
            (true, None, _) => Finding::ok(check, "answers"),
            (true, Some(error), _) => {
                Finding::warn(check, format!("answers not always: {error}"), cure)
            }
            (false, Some(error), Some(what)) => {
                Finding::warn(check, error.to_string(), format!("{what} needs it: {cure}"))
            }
            (false, Some(error), None) => Finding::fail(check, error.to_string(), cure),
            (false, None, _) => Finding::fail(check, "was not asked", ""),
        });
    }
    let check = format!("endpoint of {}", Service::Sts);
    findings.push(match caller {
        Ok(None) => Finding::ok(check, "is not asked, as only other addresses are replaced"),
        Err(error) if unreached(error) => Finding::warn(
            check,
            error.to_string(),
            format!("without it, that credentials were changed to those of another account is not noticed: {cure}"),
        ),
        _ => Finding::ok(check, "answers"),
    });
    findings
}

fn permissions(group: Option<&str>, answers: &[(&Read, Option<CloudError>)]) -> Vec<Finding> {
    let class = |error: &Option<CloudError>| error.as_ref().map(|error| error.class);
    let refused = |class| matches!(class, Some(ErrorClass::Unauthenticated));
    if answers.iter().any(|(_, error)| refused(class(error))) {
        return Vec::new();
    }
    let denied = |error: &Option<CloudError>| class(error) == Some(ErrorClass::Denied);
    let mut of_ecs = answers
        .iter()
        .filter(|(read, _)| read.without == Without::Ecs);
    // An account of container groups alone needs nothing of ECS.
    let containers_only = of_ecs.all(|(_, error)| denied(error))
        && !answers
            .iter()
            .any(|(read, error)| read.without == Without::Containers && denied(error));
    let mut findings = Vec::new();
    let mut allowed = Vec::new();
    for (read, error) in answers {
        let action = read.action();
        let check = format!("permission {action}");
        let Some(error) = error else {
            allowed.push(action);
            continue;
        };
        if unreached(error) {
            continue;
        }
        if error.class != ErrorClass::Denied {
            // What does not exist was asked for.
            if !matches!(error.class, ErrorClass::Retry | ErrorClass::Throttled) {
                allowed.push(action);
            }
            continue;
        }
        let mut cure = format!("grant {action} in RAM (docs/ram-permissions.md)");
        if group.is_none() && read.service == Service::Ess {
            cure.push_str(
                ", or name a scaling group (--scaling-group) if it is granted for some alone",
            );
        }
        let message = error.to_string();
        findings.push(match read.without {
            Without::Ecs if containers_only => Finding::warn(
                check,
                message,
                format!("updates of ECS instances need it: {cure}"),
            ),
            Without::Any | Without::Ecs => Finding::fail(check, message, cure),
            Without::Containers => Finding::warn(
                check,
                message,
                format!("update.containerGroup needs it: {cure}"),
            ),
            Without::Alarms => Finding::warn(
                check,
                message,
                format!("spec.gates.alarms needs it: {cure}"),
            ),
            Without::Balancers => Finding::warn(
                check,
                message,
                format!("spec.gates.loadBalancer needs it where a group is attached to such a load balancer: {cure}"),
            ),
            Without::Less(less) => {
                Finding::warn(check, message, format!("without it {less}: {cure}"))
            }
        });
    }
    if !allowed.is_empty() {
        findings.push(Finding::ok(
            "permissions to read",
            format!(
                "{} are granted; of those that change something ({WRITES}) nothing can be told without a change: a task names the one that is denied",
                allowed.join(", ")
            ),
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A refusal of what nobody needs is no alarm.
    #[test]
    fn the_alert_for_refused_calls_leaves_out_the_actions_that_are_optional() {
        let rules = include_str!("../../config/prometheus/rules.yaml");
        let optional = |read: &Read| matches!(read.without, Without::Less(_));
        let mut actions: Vec<&str> = reads(None)
            .iter()
            .filter(|read| optional(read))
            .map(|read| read.query.action())
            .collect();
        actions.sort_unstable();
        let left_out = format!("action!~\"{}\"", actions.join("|"));
        assert!(
            rules.contains(&left_out),
            "rules.yaml does not have {left_out}"
        );
    }

    #[test]
    fn an_access_key_is_named_by_its_first_characters() {
        assert_eq!(shown("LTAI5tExample0123456789"), "LTAI5tEx…");
        assert_eq!(shown("acs:ram::1:role/rollout"), "acs:ram::1:role/rollout");
    }
}
