//! Accounts of Alibaba Cloud, from Secrets and from the operator's own environment.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use ess_rollout_aliyun::{
    CallObserver, Client, ClientConfig, ConfigError, CredentialsError, CredentialsProvider,
    ObservedCall,
    credentials::{StaticCredentials, from_environment},
};
use ess_rollout_api::FORCE_DELETE_ANNOTATION;
use ess_rollout_cloud::{Cloud, CloudError, CloudFuture, ErrorClass, Outcome, Urgency};
use tokio::time::Instant;

use super::{Clouds, Outlives, reader::Reader};
use crate::{
    kubernetes::{self, Kubernetes, SecretData},
    runtime::{
        metrics::{Metrics, cloud::CloudCall},
        telemetry::chain,
    },
    tasks::CredentialsScope,
};

/// How long a Secret that was read is taken as unchanged.
const FRESH: Duration = Duration::from_secs(60);
/// After so long without use a client is dropped: it holds the key. One whose Secret is gone is used only for objects
/// that are being deleted.
const UNUSED: Duration = Duration::from_secs(3600);
/// Keys of a Secret.
const ACCESS_KEY_ID: &str = "accessKeyId";
const ACCESS_KEY_SECRET: &str = "accessKeySecret";
const SECURITY_TOKEN: &str = "securityToken";
/// Codes of ours: the Secret is not there, or may not be read.
const NO_SECRET: &str = "no-secret";
const UNREADABLE: &str = "unreadable-secret";

/// Reads an environment variable.
type Variables = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The accounts that tasks use.
pub struct AliyunClouds {
    config: ClientConfig,
    kubernetes: Arc<dyn Kubernetes>,
    own_namespaces: BTreeSet<String>,
    variables: Variables,
    metrics: Arc<Metrics>,
    cache: Mutex<Cache>,
}

#[derive(Default)]
struct Cache {
    own: Option<Arc<Reader>>,
    /// Any client: others share its connections.
    base: Option<Client>,
    secrets: HashMap<CredentialsScope, Cached>,
}

struct Cached {
    version: String,
    /// When the Secret was last read, or the client last used without it.
    read: Instant,
    /// Whether the Secret could not be read again.
    lost: bool,
    reader: Arc<Reader>,
}

impl Cache {
    /// The Secret is gone, or may not be read any more.
    fn lose(&mut self, scope: &CredentialsScope) {
        if let Some(cached) = self.secrets.get_mut(scope) {
            cached.lost = true;
        }
    }
}

impl AliyunClouds {
    /// Clients of this configuration. Namespaces in `own_namespaces` may use the operator's own
    /// credentials, which are looked for in the environment when first needed.
    pub fn new(
        config: ClientConfig,
        kubernetes: Arc<dyn Kubernetes>,
        own_namespaces: BTreeSet<String>,
        variables: impl Fn(&str) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            config,
            kubernetes,
            own_namespaces,
            variables: Box::new(variables),
            metrics: Arc::default(),
            cache: Mutex::default(),
        }
    }

    /// The same over the connections of this client: those of a simulation.
    pub fn over(self, base: Client) -> Self {
        self.cache().base = Some(base);
        self
    }

    /// The same, counted here.
    pub fn counted(self, metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..self }
    }

    fn cache(&self) -> MutexGuard<'_, Cache> {
        // Nothing panics while holding it.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(
        &self,
        cache: &mut Cache,
        credentials: Arc<dyn CredentialsProvider>,
    ) -> Result<Arc<Reader>, CloudError> {
        let client = self.client(cache, credentials)?;
        Ok(Arc::new(Reader::new(
            Arc::new(client),
            self.metrics.clone(),
        )))
    }

    fn client(
        &self,
        cache: &mut Cache,
        credentials: Arc<dyn CredentialsProvider>,
    ) -> Result<Client, CloudError> {
        if let Some(base) = &cache.base {
            return Ok(base.with_credentials(credentials));
        }
        let client = Client::new(self.config.clone(), credentials).map_err(of_config)?;
        cache.base = Some(client.clone());
        Ok(client)
    }

    fn own(&self, namespace: &str) -> Result<Arc<Reader>, CloudError> {
        if !self.own_namespaces.contains(namespace) {
            return Err(CloudError {
                class: ErrorClass::Denied,
                ..failure(
                    "own-credentials-refused",
                    format!(
                        "namespace {namespace} may not use the operator's own credentials; set \
                         spec.credentialsRef to a Secret, or list the namespace in the operator's \
                         configuration (chart value ownCredentials.namespaces, flag \
                         --own-credentials-namespaces)"
                    ),
                )
            });
        }
        let mut cache = self.cache();
        if let Some(own) = &cache.own {
            return Ok(own.clone());
        }
        let credentials = from_environment(&self.config, &self.variables).map_err(of_config)?;
        let reader = self.reader(&mut cache, credentials)?;
        cache.own = Some(reader.clone());
        Ok(reader)
    }

    async fn of_secret(
        &self,
        scope: &CredentialsScope,
        name: &str,
    ) -> Result<Arc<Reader>, CloudError> {
        let namespace = scope.namespace.as_str();
        if let Some(cached) = self.cache().secrets.get(scope)
            && !cached.lost
            && cached.read.elapsed() < FRESH
        {
            return Ok(cached.reader.clone());
        }
        let secret = self.kubernetes.get_secret(namespace, name).await;
        let mut cache = self.cache();
        let secret = match secret {
            Ok(Some(secret)) => secret,
            Ok(None) => {
                cache.lose(scope);
                return Err(failure(
                    NO_SECRET,
                    format!(
                        "Secret {namespace}/{name} (spec.credentialsRef) does not exist; create it \
                         with the keys {ACCESS_KEY_ID} and {ACCESS_KEY_SECRET}"
                    ),
                ));
            }
            Err(error) => {
                if error.class == kubernetes::ErrorClass::Refused {
                    cache.lose(scope);
                }
                return Err(unreadable(namespace, name, &error));
            }
        };
        if let Some(cached) = cache.secrets.get_mut(scope)
            && cached.version == secret.resource_version
        {
            (cached.read, cached.lost) = (Instant::now(), false);
            return Ok(cached.reader.clone());
        }
        let credentials = match parse(&secret) {
            Ok(credentials) => credentials,
            Err(problem) => {
                cache.secrets.remove(scope);
                return Err(failure(
                    "bad-secret",
                    format!("Secret {namespace}/{name} (spec.credentialsRef): {problem}"),
                ));
            }
        };
        let reader = self.reader(&mut cache, Arc::new(credentials))?;
        // Whatever is used is read every minute.
        cache
            .secrets
            .retain(|_, cached| cached.read.elapsed() < UNUSED);
        cache.secrets.insert(
            scope.clone(),
            Cached {
                version: secret.resource_version,
                read: Instant::now(),
                lost: false,
                reader: reader.clone(),
            },
        );
        Ok(reader)
    }
}

impl Clouds for AliyunClouds {
    fn open<'a>(&'a self, scope: &'a CredentialsScope) -> CloudFuture<'a, Arc<dyn Cloud>> {
        Box::pin(async move {
            let reader = match &scope.secret {
                None => self.own(&scope.namespace)?,
                Some(name) => self.of_secret(scope, name).await?,
            };
            Ok(reader as Arc<dyn Cloud>)
        })
    }

    fn open_last<'a>(
        &'a self,
        scope: &'a CredentialsScope,
        what: Outlives,
    ) -> CloudFuture<'a, Arc<dyn Cloud>> {
        Box::pin(async move {
            let error = match self.open(scope).await {
                Err(error) if [NO_SECRET, UNREADABLE].contains(&error.code.as_str()) => error,
                opened => return opened,
            };
            let mut cache = self.cache();
            if let Some(cached) = cache.secrets.get_mut(scope).filter(|cached| cached.lost) {
                cached.read = Instant::now();
                return Ok(cached.reader.clone() as Arc<dyn Cloud>);
            }
            Err(CloudError {
                message: format!(
                    "{}. {}",
                    error.message,
                    without_secret(&scope.namespace, what)
                ),
                ..error
            })
        })
    }

    fn rejected(&self, scope: &CredentialsScope) {
        // The operator's own providers renew themselves.
        if scope.secret.is_some() {
            self.cache().secrets.remove(scope);
        }
    }
}

/// What does not go on without a Secret, and what helps where it cannot be put back.
fn without_secret(namespace: &str, what: Outlives) -> String {
    match what {
        Outlives::Object => format!(
            "Without it the scaling group cannot be put back. If namespace {namespace} itself is being deleted, \
             nothing can be created in it any more: the annotation {FORCE_DELETE_ANNOTATION}=true lets this \
             object go, and what is left to put back is then in the ScalingGroupRecord of its group"
        ),
        Outlives::Run => format!(
            "It needs credentials of the account that the run is of. If namespace {namespace} is gone, or there are \
             no such credentials any more: end the execution by hand, put back what it left changed, and delete this \
             ScalingGroupRecord"
        ),
    }
}

/// The access key in a Secret, or what is wrong with it: never a value.
fn parse(secret: &SecretData) -> Result<StaticCredentials, String> {
    let text = |key: &str| match secret.data.get(key) {
        None => Ok(None),
        Some(bytes) => std::str::from_utf8(bytes)
            .map(Some)
            .map_err(|_| format!("the value of key {key} is not text")),
    };
    let needed = |key: &str| text(key)?.ok_or_else(|| format!("key {key} is missing; add it"));
    StaticCredentials::new(
        needed(ACCESS_KEY_ID)?,
        needed(ACCESS_KEY_SECRET)?,
        text(SECURITY_TOKEN)?,
    )
    .map_err(|error: CredentialsError| error.message)
}

fn failure(code: &str, message: String) -> CloudError {
    CloudError {
        call: "finding credentials".to_owned(),
        class: ErrorClass::Unauthenticated,
        outcome: Outcome::NoEffect,
        code: code.to_owned(),
        message,
        request_id: None,
        missing_action: None,
        retry_after: None,
    }
}

fn of_config(error: ConfigError) -> CloudError {
    match error {
        ConfigError::Credentials(error) => CloudError {
            class: error.class,
            request_id: error.request_id,
            ..failure(&error.code, error.message)
        },
        other => failure("client", other.to_string()),
    }
}

fn unreadable(namespace: &str, name: &str, error: &kubernetes::KubeError) -> CloudError {
    let class = match error.class {
        kubernetes::ErrorClass::Refused => ErrorClass::Unauthenticated,
        _ => ErrorClass::Retry,
    };
    CloudError {
        class,
        ..failure(
            UNREADABLE,
            format!(
                "Secret {namespace}/{name} (spec.credentialsRef) cannot be read: {}",
                chain(error)
            ),
        )
    }
}

/// Counts calls.
pub struct Metered(pub Arc<Metrics>);

impl CallObserver for Metered {
    fn observed(&self, call: ObservedCall<'_>) {
        self.0.cloud.called(CloudCall {
            service: call.service.name(),
            action: call.action,
            reason: call.urgency.map(reason),
            code: call.class.map_or("OK", word),
            waited: call.waited,
            duration: (!call.held_back).then_some(call.duration),
            throttled: call.class == Some(ErrorClass::Throttled),
        });
    }
}

/// Why a read was made, as a label.
fn reason(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::Shared => "poll",
        Urgency::Asked => "asked",
        Urgency::Due => "due",
    }
}

fn word(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Retry => "Retry",
        ErrorClass::Throttled => "Throttled",
        ErrorClass::Unauthenticated => "Unauthenticated",
        ErrorClass::Denied => "Denied",
        ErrorClass::Invalid => "Invalid",
        ErrorClass::NotFound => "NotFound",
        ErrorClass::Conflict => "Conflict",
        ErrorClass::TokenMismatch => "TokenMismatch",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;
    use crate::reconcile::fake::{FakeKubernetes, task};

    fn clouds(own: &[&str]) -> (AliyunClouds, Arc<FakeKubernetes>) {
        // Another test may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let kubernetes = Arc::new(FakeKubernetes::new(Arc::default(), task("ns", "a")));
        let namespaces = own.iter().map(|name| (*name).to_owned()).collect();
        let clouds = AliyunClouds::new(
            ClientConfig::default(),
            kubernetes.clone(),
            namespaces,
            // Where nothing is configured, the metadata service is asked.
            |name| (name == "ALIBABA_CLOUD_ECS_METADATA_DISABLED").then(|| "true".to_owned()),
        );
        (clouds, kubernetes)
    }

    fn scope(secret: Option<&str>) -> CredentialsScope {
        CredentialsScope {
            namespace: "ns".to_owned(),
            secret: secret.map(str::to_owned),
        }
    }

    async fn refused(clouds: &AliyunClouds, secret: Option<&str>) -> CloudError {
        match clouds.open(&scope(secret)).await {
            Ok(_) => panic!("it was opened"),
            Err(error) => error,
        }
    }

    #[test]
    fn reads_are_counted_by_why_they_were_made() {
        let metrics = Arc::new(Metrics::new());
        let metered = Metered(metrics.clone());
        let read = ObservedCall {
            service: ess_rollout_aliyun::Service::Oos,
            action: "ListExecutions",
            urgency: Some(Urgency::Shared),
            class: None,
            code: None,
            waited: Duration::ZERO,
            duration: Duration::from_millis(30),
            held_back: false,
        };
        metered.observed(read);
        for urgency in [Some(Urgency::Asked), Some(Urgency::Due), None] {
            metered.observed(ObservedCall { urgency, ..read });
        }
        // What was not sent read nothing.
        metered.observed(ObservedCall {
            held_back: true,
            ..read
        });
        let text = metrics.render(&crate::runtime::metrics::Scrape::default());
        for reason in ["poll", "asked", "due"] {
            let labels = format!(r#"service="OOS",action="ListExecutions",reason="{reason}""#);
            let line = format!("ess_rollout_cloud_reads_total{{{labels}}} 1");
            assert!(text.contains(&line), "{line} is missing in:\n{text}");
        }
        let all = r#"requests_total{service="OOS",action="ListExecutions",code="OK"} 4"#;
        assert!(text.contains(all), "{text}");
    }

    const GOOD: [(&str, &str); 2] = [(ACCESS_KEY_ID, "LTAI-1"), (ACCESS_KEY_SECRET, "s3cr3t")];

    #[tokio::test(start_paused = true)]
    async fn what_is_wrong_with_a_secret_is_said_with_the_cure_and_without_its_values() {
        let (clouds, kubernetes) = clouds(&[]);
        let error = refused(&clouds, Some("cloud")).await;
        assert_eq!(error.class, ErrorClass::Unauthenticated);
        let text = error.to_string();
        assert!(
            text.contains("ns/cloud") && text.contains(ACCESS_KEY_ID),
            "{text}"
        );

        kubernetes.put_secret("ns", "cloud", &[(ACCESS_KEY_SECRET, "s3cr3t")]);
        let text = refused(&clouds, Some("cloud")).await.to_string();
        assert!(text.contains("key accessKeyId is missing"), "{text}");

        let broken = [(ACCESS_KEY_ID, "LTAI-1"), (ACCESS_KEY_SECRET, "s3 cr3t")];
        kubernetes.put_secret("ns", "cloud", &broken);
        let text = refused(&clouds, Some("cloud")).await.to_string();
        assert!(!text.contains("cr3t"), "{text}");

        kubernetes.put_secret("ns", "cloud", &GOOD);
        assert!(clouds.open(&scope(Some("cloud"))).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_is_read_once_a_minute_and_at_once_after_a_rejection() {
        let (clouds, kubernetes) = clouds(&[]);
        kubernetes.put_secret("ns", "cloud", &GOOD);
        let scope = scope(Some("cloud"));
        for _ in 0..3 {
            assert!(clouds.open(&scope).await.is_ok());
        }
        assert_eq!(kubernetes.secret_reads(), 1);
        tokio::time::advance(FRESH + Duration::from_secs(1)).await;
        assert!(clouds.open(&scope).await.is_ok());
        assert_eq!(kubernetes.secret_reads(), 2);
        clouds.rejected(&scope);
        assert!(clouds.open(&scope).await.is_ok());
        assert_eq!(kubernetes.secret_reads(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn a_secret_that_is_gone_serves_objects_that_are_being_deleted_and_nobody_else() {
        let (clouds, kubernetes) = clouds(&[]);
        let scope = scope(Some("cloud"));
        // Never known: the advice is one that can be followed.
        let object = Outlives::Object;
        for (what, advice, other) in [
            (
                object,
                "annotation ess-rollout.io/force-delete=true",
                "end the execution by hand",
            ),
            // There is no object to annotate.
            (Outlives::Run, "end the execution by hand", "force-delete"),
        ] {
            let Err(error) = clouds.open_last(&scope, what).await else {
                panic!("it was opened")
            };
            let text = error.to_string();
            assert!(
                text.contains("Secret ns/cloud (spec.credentialsRef) does not exist; create it"),
                "{text}"
            );
            assert!(text.contains(advice) && !text.contains(other), "{text}");
        }

        kubernetes.put_secret("ns", "cloud", &GOOD);
        assert!(clouds.open(&scope).await.is_ok());
        kubernetes.delete_secret("ns", "cloud");
        tokio::time::advance(FRESH + Duration::from_secs(1)).await;
        assert_eq!(refused(&clouds, Some("cloud")).await.code, NO_SECRET);
        assert!(clouds.open_last(&scope, object).await.is_ok());
        // Taken away to be taken away from the operator: who is not being deleted does not get at it.
        assert_eq!(refused(&clouds, Some("cloud")).await.code, NO_SECRET);
        // Put back, it serves everybody; refused by the cloud, nobody.
        kubernetes.put_secret("ns", "cloud", &GOOD);
        assert!(clouds.open(&scope).await.is_ok());
        kubernetes.delete_secret("ns", "cloud");
        clouds.rejected(&scope);
        assert!(clouds.open_last(&scope, object).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_nobody_uses_are_dropped_when_another_comes() {
        let (clouds, kubernetes) = clouds(&[]);
        for name in ["left", "used", "new"] {
            kubernetes.put_secret("ns", name, &GOOD);
        }
        assert!(clouds.open(&scope(Some("left"))).await.is_ok());
        for _ in 0..7 {
            assert!(clouds.open(&scope(Some("used"))).await.is_ok());
            tokio::time::advance(UNUSED / 6).await;
        }
        assert!(clouds.open(&scope(Some("new"))).await.is_ok());
        let mut kept: Vec<_> = clouds.cache().secrets.keys().cloned().collect();
        kept.sort();
        assert_eq!(kept, [scope(Some("new")), scope(Some("used"))]);
    }

    #[tokio::test]
    async fn only_listed_namespaces_use_the_operators_own_credentials() {
        let error = refused(&clouds(&["other"]).0, None).await;
        assert_eq!(error.class, ErrorClass::Denied);
        assert!(error.to_string().contains("--own-credentials-namespaces"));
        // Listed, but there are none: the operator still runs, and says so when asked.
        let error = refused(&clouds(&["ns"]).0, None).await;
        assert_eq!(error.class, ErrorClass::Unauthenticated);
        assert!(error.to_string().contains("ALIBABA_CLOUD_ACCESS_KEY_ID"));
    }
}
