//! The client: one function that every call goes through, and the port on top of it.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use ess_rollout_cloud::{
    Answer, Cloud, CloudError, CloudFuture, Done, ErrorClass, Mutation, Outcome, Query, Turn,
};
use secrecy::ExposeSecret;
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    call::Call,
    config::{ClientConfig, ConfigError},
    credentials::{Credentials, CredentialsProvider},
    endpoints::{Service, host_header},
    errors::HELD_BACK,
    fields::{some_text, text},
    limits::{Draw, Lane},
    observe::ObservedCall,
    sign::{FORM, Signed, Unsigned, form, sign},
    transport::{HttpTransport, Transport, TransportError, WireRequest},
};

/// One account of Alibaba Cloud. Clones share connections, limiter and credentials.
#[derive(Clone)]
pub struct Client {
    config: Arc<ClientConfig>,
    transport: Arc<dyn Transport>,
    credentials: Arc<dyn CredentialsProvider>,
    /// Of its reads.
    turn: Turn,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("account", &self.credentials.account())
            .finish_non_exhaustive()
    }
}

/// How often a read that is throttled is sent again: with every other one refused, one list in five hundred is given up.
const THROTTLED_AGAIN: usize = 8;

/// Codes after which other credentials may be accepted. The request was refused before anything
/// looked at what it asks for, so even a mutation may be sent again.
fn rejects_credentials(code: &str) -> bool {
    code.starts_with("InvalidAccessKeyId")
        || code.starts_with("InvalidSecurityToken")
        || code == "MissingSecurityToken"
}

impl Client {
    /// A client with its own connections. The process's rustls crypto provider must be installed.
    ///
    /// # Errors
    /// When the HTTP client cannot be built.
    pub fn new(
        config: ClientConfig,
        credentials: Arc<dyn CredentialsProvider>,
    ) -> Result<Self, ConfigError> {
        let transport = Arc::new(HttpTransport::new(&config)?);
        Ok(Self::with_transport(config, credentials, transport))
    }

    /// A client that sends through this.
    pub fn with_transport(
        config: ClientConfig,
        credentials: Arc<dyn CredentialsProvider>,
        transport: Arc<dyn Transport>,
    ) -> Self {
        Self {
            config: Arc::new(config),
            transport,
            credentials,
            turn: Turn::default(),
        }
    }

    /// The same client for another account: connections, trust store and limiter are shared.
    pub fn with_credentials(&self, credentials: Arc<dyn CredentialsProvider>) -> Self {
        Self {
            credentials,
            ..self.clone()
        }
    }

    /// Whose the credentials are: the ARN of the user or role that STS GetCallerIdentity names, which needs no permission.
    /// `None`: STS is not asked, as only other services' addresses were replaced.
    ///
    /// # Errors
    /// When STS refuses the credentials, or cannot be reached.
    pub async fn caller(&self, region: &str) -> Result<Option<String>, CloudError> {
        if self.sts_is_elsewhere() {
            return Ok(None);
        }
        let call = Call::new(Service::Sts, "GetCallerIdentity", Lane::Read, region);
        let answer = self.send(&call).await?;
        Ok(Some(text(&answer, "Arn")))
    }

    /// Makes a call that the port has no word for, with its parameters as they travel. What is named `Describe…`, `List…` or `Get…`
    /// is sent again when it was throttled; everything else once.
    ///
    /// # Errors
    /// As for all calls: the class says how to treat it.
    pub async fn call(
        &self,
        region: &str,
        service: Service,
        action: &'static str,
        parameters: &[(String, String)],
    ) -> Result<Value, CloudError> {
        let reads = ["Describe", "List", "Get"]
            .iter()
            .any(|verb| action.starts_with(verb));
        let lane = if reads { Lane::Read } else { Lane::Mutation };
        self.send(&given(service, action, lane, region, parameters))
            .await
    }

    /// The same, sent once whatever it is named: for who wants to know when calls are throttled.
    ///
    /// # Errors
    /// As of [`Self::call`].
    pub async fn call_once(
        &self,
        region: &str,
        service: Service,
        action: &'static str,
        parameters: &[(String, String)],
    ) -> Result<Value, CloudError> {
        self.send(&given(service, action, Lane::Mutation, region, parameters))
            .await
    }

    /// Sends one call and returns its answer, which is a JSON object with a request id.
    pub(crate) async fn send(&self, call: &Call<'_>) -> Result<Value, CloudError> {
        let failed = call.failed();
        let credentials = self
            .credentials
            .current()
            .await
            .map_err(|error| failed.credentials(error))?;
        let error = match self.attempt(call, &credentials).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if rejects_credentials(&error.code) {
            let fresh = self
                .credentials
                .refresh_after_rejection(&credentials)
                .await
                .map_err(|error| failed.credentials(error))?;
            return match fresh {
                Some(fresh) => self.attempt(call, &fresh).await,
                None => Err(error),
            };
        }
        if error.class == ErrorClass::Throttled && call.lane == Lane::Read {
            return self.in_turn(call, &credentials, error).await;
        }
        // A read may go again with a new nonce. A mutation may not: ours was fresh, so something
        // on the way sent the request twice, and the first may have done its work.
        if error.code == "SignatureNonceUsed" && call.lane == Lane::Read {
            return self.attempt(call, &credentials).await;
        }
        Err(error)
    }

    /// Sends a read that was throttled again in its place. Sent away, its list or its pass would begin anew, and pay for all
    /// that it has already; where every other call is refused, a list of a few pages would never come in.
    async fn in_turn(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
        mut error: CloudError,
    ) -> Result<Value, CloudError> {
        for _ in 0..THROTTLED_AGAIN {
            match self.attempt(call, credentials).await {
                // The service wants to be left alone for longer than a read waits.
                Err(again) if again.code == HELD_BACK => break,
                Err(again) if again.class == ErrorClass::Throttled => error = again,
                done => return done,
            }
        }
        Err(error)
    }

    async fn attempt(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
    ) -> Result<Value, CloudError> {
        let (account, ask) = self.config.limiter.accounts.of(self.credentials.account());
        if ask {
            self.find_account(call.region, credentials);
        }
        let draw = Draw {
            account: &account,
            region: call.region,
            service: call.service,
            action: call.action,
            lane: call.lane,
            turn: self.turn,
        };
        let arrived = Instant::now();
        let turn = self.config.limiter.take(draw).await;
        let waited = arrived.elapsed();
        if let Err(wait) = turn {
            let error = call.failed().held_back(wait);
            self.observe(call, waited, None, Err(&error));
            return Err(error);
        }
        let allowed = match (&self.config.guard, call.lane) {
            (Some(guard), Lane::Mutation) => match guard.allows() {
                Some(allowed) => allowed,
                None => {
                    let error = call.failed().must_not_be_sent();
                    self.observe(call, waited, None, Err(&error));
                    return Err(error);
                }
            },
            _ => Duration::MAX,
        };
        let started = Instant::now();
        let result = match timeout(allowed, self.exchange(call, credentials)).await {
            Ok(result) => result,
            Err(_) => Err(call.failed().transport(&TransportError::TimedOut(format!(
                "no answer within {allowed:?}"
            )))),
        };
        if let Err(error) = &result
            && error.class == ErrorClass::Throttled
        {
            self.config.limiter.throttled(draw, error.retry_after);
        }
        self.observe(call, waited, Some(started), result.as_ref());
        result
    }

    /// Whether only the other services' addresses were replaced: STS may be out of reach then.
    fn sts_is_elsewhere(&self) -> bool {
        let endpoints = &self.config.endpoints;
        endpoints.any() && endpoints.overridden(Service::Sts).is_none()
    }

    /// The account that the credentials belong to, if that can be told. Asked once for each access key: it
    /// belongs to one account for good. A failure fails nobody: STS may be out of reach for good, and
    /// everything else works.
    async fn account_id(&self, region: &str) -> Option<String> {
        let (accounts, caller) = (&self.config.limiter.accounts, self.credentials.account());
        match accounts.known(caller) {
            Ok(id) => return Some(id),
            Err(ask) if !ask || self.sts_is_elsewhere() => return None,
            Err(_) => {}
        }
        let call = Call::new(Service::Sts, "GetCallerIdentity", Lane::Read, region);
        let id = self
            .send(&call)
            .await
            .map(|answer| text(&answer, "AccountId"));
        match id {
            Ok(id) if !id.is_empty() => {
                accounts.found(caller, &id);
                Some(id)
            }
            Ok(_) => {
                accounts.not_told(caller, true);
                None
            }
            Err(error) => {
                accounts.not_told(caller, error.request_id.is_some());
                None
            }
        }
    }

    /// Asks STS, in the background, whose the access key is.
    fn find_account(&self, region: &str, credentials: &Credentials) {
        let elsewhere = self.sts_is_elsewhere();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if elsewhere {
            return;
        }
        let (client, credentials) = (self.clone(), credentials.clone());
        let region = region.to_owned();
        runtime.spawn(async move {
            let call = Call::new(Service::Sts, "GetCallerIdentity", Lane::Read, &region);
            let started = Instant::now();
            let result = client.exchange(&call, &credentials).await;
            client.observe(&call, Duration::ZERO, Some(started), result.as_ref());
            if let Ok(answer) = result {
                let caller = client.credentials.account();
                let account = text(&answer, "AccountId");
                client.config.limiter.accounts.found(caller, &account);
            }
        });
    }

    fn observe(
        &self,
        call: &Call<'_>,
        waited: Duration,
        started: Option<Instant>,
        result: Result<&Value, &CloudError>,
    ) {
        let duration = started.map(|started| started.elapsed()).unwrap_or_default();
        let error = result.err();
        // What is behind the fields is only looked up when the line is written.
        tracing::debug!(
            service = call.service.name(),
            action = call.action,
            region = call.region,
            code = error.map(|error| error.code.as_str()),
            error = error.map(|error| error.message.as_str()),
            requestId = match result {
                Ok(answer) => some_text(answer, "RequestId"),
                Err(error) => error.request_id.clone(),
            },
            duration = duration.as_secs_f64(),
            "cloud call"
        );
        if let Some(observer) = &self.config.observer {
            observer.observed(ObservedCall {
                service: call.service,
                action: call.action,
                urgency: (call.lane == Lane::Read).then_some(self.turn.urgency),
                class: error.map(|error| error.class),
                code: error.map(|error| error.code.as_str()),
                waited,
                duration,
                held_back: started.is_none(),
            });
        }
    }

    async fn exchange(
        &self,
        call: &Call<'_>,
        credentials: &Credentials,
    ) -> Result<Value, CloudError> {
        let failed = call.failed();
        let url = self
            .config
            .endpoints
            .resolve(self.config.network, call.service, call.region)
            .map_err(|error| {
                let (class, effect) = (ErrorClass::Invalid, Outcome::NoEffect);
                failed.error(class, effect, "endpoint", error.to_string())
            })?;
        // A form body, not the query: a script of 16 KiB does not fit into a URL.
        let body = form(
            call.parameters
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
        let Signed {
            mut headers,
            signature,
            ..
        } = sign(
            Unsigned {
                host: &host_header(&url),
                action: call.action,
                version: call.service.version(),
                query: "",
                body: &body,
                date: &self
                    .config
                    .clock
                    .now()
                    .strftime("%Y-%m-%dT%H:%M:%SZ")
                    .to_string(),
                nonce: &uuid::Uuid::new_v4().simple().to_string(),
            },
            credentials,
        );
        debug_assert!(headers.contains(&("content-type", FORM.to_owned())));
        headers.push(("accept", "application/json".to_owned()));
        let response = self
            .transport
            .send(WireRequest { url, headers, body })
            .await
            .map_err(|error| failed.transport(&error))?;
        if !(200..300).contains(&response.status) {
            let mut secrets = vec![
                signature.as_str(),
                credentials.access_key_secret.expose_secret(),
            ];
            if let Some(token) = &credentials.security_token {
                secrets.push(token.expose_secret());
            }
            let sent = call.private_values();
            secrets.extend(sent.iter().map(String::as_str));
            return Err(failed.answer(&response, &secrets));
        }
        let answer: Value = serde_json::from_slice(&response.body)
            .map_err(|error| failed.unreadable(format!("the answer is no JSON: {error}")))?;
        // Every success has one; what has none was not written by the service.
        if text(&answer, "RequestId").is_empty() {
            return Err(failed.unreadable("the answer has no RequestId"));
        }
        Ok(answer)
    }

    async fn ask(&self, region: &str, query: &Query) -> Result<Answer, CloudError> {
        match query {
            Query::ScalingGroup { group } => self
                .scaling_group(region, group)
                .await
                .map(Answer::ScalingGroup),
            Query::ScalingGroups { groups } => self
                .scaling_groups(region, groups)
                .await
                .map(Answer::ScalingGroups),
            Query::ScalingInstances { group } => self
                .scaling_instances(region, group)
                .await
                .map(Answer::ScalingInstances),
            Query::ScalingGroupInList { group } => self
                .scaling_group_in_list(region, group)
                .await
                .map(Answer::ScalingGroup),
            Query::ScalingInstancesById { group, instances } => self
                .scaling_instances_by_id(region, group, instances)
                .await
                .map(Answer::ScalingInstances),
            Query::ScalingConfigurationInGroup {
                group,
                configuration,
            } => self
                .scaling_configuration_in_group(region, group, configuration)
                .await
                .map(Answer::ScalingConfiguration),
            Query::EciScalingConfigurationInGroup {
                group,
                configuration,
            } => self
                .eci_configuration_in_group(region, group, configuration)
                .await
                .map(Answer::EciScalingConfiguration),
            Query::Account => Ok(Answer::Account(self.account_id(region).await)),
            Query::ActivitiesInProgress { group } => self
                .activities_in_progress(region, group)
                .await
                .map(Answer::Activities),
            Query::InstanceRefreshes { group } => self
                .instance_refreshes(region, group)
                .await
                .map(Answer::InstanceRefreshes),
            Query::LifecycleActions { activity } => self
                .lifecycle_actions(region, activity)
                .await
                .map(Answer::LifecycleActions),
            Query::Diagnosis { group } => {
                self.diagnosis(region, group).await.map(Answer::Diagnosis)
            }
            Query::MetricRules { rules } => {
                self.metric_rules(region, rules).await.map(Answer::Alarms)
            }
            Query::MetricRulesOfGroup { monitor_group } => self
                .metric_rules_of_group(region, monitor_group)
                .await
                .map(Answer::Alarms),
            Query::Alarms { group } => self.alarms(region, group).await.map(Answer::Alarms),
            Query::BackendServers { of } => self
                .backend_servers(region, of)
                .await
                .map(Answer::BackendServers),
            Query::HealthOfServers { load_balancer } => self
                .health_of_servers(region, load_balancer)
                .await
                .map(Answer::HealthOfServers),
            Query::Listeners { product, group } => self
                .listeners(region, *product, group)
                .await
                .map(Answer::Listeners),
            Query::HealthOfGroups { product, listener } => self
                .health_of_groups(region, *product, listener)
                .await
                .map(Answer::HealthOfGroups),
            Query::ScalingConfiguration { configuration } => self
                .scaling_configurations(region, std::slice::from_ref(configuration))
                .await
                .map(|found| Answer::ScalingConfiguration(found.into_iter().next())),
            Query::ScalingConfigurations { configurations } => self
                .scaling_configurations(region, configurations)
                .await
                .map(Answer::ScalingConfigurations),
            Query::EciScalingConfiguration { configuration } => self
                .eci_configuration(region, configuration)
                .await
                .map(Answer::EciScalingConfiguration),
            Query::ContainerGroups { groups } => self
                .container_groups(region, groups)
                .await
                .map(Answer::ContainerGroups),
            Query::Image { image } => self.image(region, image).await.map(Answer::Image),
            Query::EcsInstances { instances } => self
                .ecs_instances(region, instances)
                .await
                .map(Answer::EcsInstances),
            Query::Executions(filter) => self
                .executions(region, filter)
                .await
                .map(|found| Answer::Executions(Arc::new(found))),
            Query::TaskExecutions { execution } => self
                .task_executions(region, execution)
                .await
                .map(Answer::TaskExecutions),
            Query::Template { name } => self.template(region, name).await.map(Answer::Template),
            Query::Package { name, version } => self
                .package(region, name, version.as_deref())
                .await
                .map(Answer::Package),
            Query::InstancePackage { instance, package } => self
                .instance_package(region, instance, package)
                .await
                .map(Answer::InstancePackage),
            Query::Invocation {
                invocation,
                instance,
            } => self
                .invocation(region, invocation, instance)
                .await
                .map(Answer::Invocation),
        }
    }

    async fn change(&self, region: &str, mutation: &Mutation) -> Result<Done, CloudError> {
        let request_id = match mutation {
            Mutation::StartExecution(start) => return self.start_execution(region, start).await,
            Mutation::NotifyExecution {
                execution,
                notify,
                task_execution,
                loop_item,
                note,
            } => {
                let target = (task_execution.as_deref(), loop_item.as_deref());
                self.notify_execution(region, execution, *notify, target, note)
                    .await
            }
            Mutation::CancelExecution { execution } => {
                self.cancel_execution(region, execution).await
            }
            Mutation::SuspendProcesses { group, processes } => {
                self.processes("SuspendProcesses", region, group, processes)
                    .await
            }
            Mutation::ResumeProcesses { group, processes } => {
                self.processes("ResumeProcesses", region, group, processes)
                    .await
            }
            Mutation::ExitStandby { group, instances } => {
                self.exit_standby(region, group, instances).await
            }
            Mutation::SetInstancesProtection {
                group,
                instances,
                protected,
            } => {
                self.set_protection(region, group, instances, *protected)
                    .await
            }
            Mutation::ModifyScalingConfiguration {
                configuration,
                image,
            } => {
                self.modify_configuration(region, configuration, image)
                    .await
            }
            Mutation::ModifyEciScalingConfiguration {
                configuration,
                containers,
                update,
            } => {
                self.modify_eci_configuration(region, configuration, containers, *update)
                    .await
            }
            Mutation::StartInstance { instance } => self.start_instance(region, instance).await,
        }?;
        Ok(Done::Accepted { request_id })
    }
}

impl Cloud for Client {
    fn query<'a>(
        &'a self,
        region: &'a str,
        query: &'a Query,
        turn: Turn,
    ) -> CloudFuture<'a, Answer> {
        let client = Self {
            turn,
            ..self.clone()
        };
        Box::pin(async move { client.ask(region, query).await })
    }

    fn mutate<'a>(&'a self, region: &'a str, mutation: &'a Mutation) -> CloudFuture<'a, Done> {
        Box::pin(self.change(region, mutation))
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;

/// A call with parameters as they travel; one without a value is none.
fn given<'a>(
    service: Service,
    action: &'static str,
    lane: Lane,
    region: &'a str,
    parameters: &[(String, String)],
) -> Call<'a> {
    let mut call = Call::new(service, action, lane, region);
    for (name, value) in parameters.iter().filter(|(_, value)| !value.is_empty()) {
        call.set(name, value.as_str());
    }
    call
}
