//! What providers are made of, whoever describes them.

use std::sync::Arc;

use reqwest::Url;

use super::{
    CredentialsProvider, OidcCredentials, OidcRole, StaticCredentials,
    assumed::{AssumeRole, Assumed},
    local::{Fetch, LocalHttp},
    metadata::{ADDRESS, EcsRole, is_role_name},
    renewing::Renewing,
    rrsa::sts_url,
    uri::CredentialsUri,
};
use crate::{
    config::{ClientConfig, ConfigError},
    endpoints::Network,
    transport::{HttpTransport, Transport},
};

/// Connections, the clock, and what the environment says for all providers.
#[derive(Clone)]
pub(super) struct Means {
    pub config: ClientConfig,
    pub transport: Arc<dyn Transport>,
    pub http: Arc<dyn Fetch>,
    /// The metadata service.
    pub metadata: Url,
    /// `ALIBABA_CLOUD_ECS_METADATA_DISABLED`.
    pub metadata_disabled: bool,
    /// `ALIBABA_CLOUD_IMDSV1_DISABLED`.
    pub version_1_disabled: bool,
    /// `ALIBABA_CLOUD_STS_REGION`.
    pub sts_region: Option<String>,
    /// `ALIBABA_CLOUD_STS_ENDPOINT`.
    pub sts_endpoint: Option<String>,
    /// `ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED`.
    pub vpc: bool,
}

impl Means {
    pub(super) fn new(
        config: &ClientConfig,
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let on = |name: &str| variable(name).is_some_and(|v| v.eq_ignore_ascii_case("true"));
        Ok(Self {
            config: config.clone(),
            transport: Arc::new(HttpTransport::new(config)?),
            http: Arc::new(LocalHttp::new(config)?),
            metadata: Url::parse(ADDRESS).map_err(|e| ConfigError::Http(e.to_string()))?,
            metadata_disabled: on("ALIBABA_CLOUD_ECS_METADATA_DISABLED"),
            version_1_disabled: on("ALIBABA_CLOUD_IMDSV1_DISABLED"),
            sts_region: variable("ALIBABA_CLOUD_STS_REGION"),
            sts_endpoint: variable("ALIBABA_CLOUD_STS_ENDPOINT"),
            vpc: on("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED"),
        })
    }

    pub(super) fn key(
        &self,
        id: &str,
        secret: &str,
        token: Option<&str>,
    ) -> Result<Arc<dyn CredentialsProvider>, String> {
        StaticCredentials::new(id, secret, token)
            .map(|key| Arc::new(key) as Arc<dyn CredentialsProvider>)
            .map_err(|error| format!("cannot be used: {}", error.message))
    }

    /// The role of this ECS instance. `nothing_else`: said when there is none, by a process that found nothing else.
    pub(super) fn ecs_role(
        &self,
        role: Option<String>,
        nothing_else: Option<String>,
    ) -> Result<Arc<dyn CredentialsProvider>, String> {
        if self.metadata_disabled {
            return Err(
                "wants the RAM role of the ECS instance, which ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids; \
                 unset one of the two"
                    .to_owned(),
            );
        }
        if let Some(role) = role.as_deref().filter(|role| !is_role_name(role)) {
            let shown: String = role.chars().take(80).collect();
            return Err(format!(
                "names the RAM role {shown:?}, and such a name has 1 to 64 letters, digits, dots, hyphens and underscores"
            ));
        }
        let clock = self.config.clock.clone();
        let mut source = EcsRole::new(
            role,
            self.metadata.clone(),
            self.http.clone(),
            clock.clone(),
        );
        source.version_1 = !self.version_1_disabled;
        source.nothing_else = nothing_else;
        Ok(Arc::new(Renewing::new(source, clock)))
    }

    pub(super) fn uri(
        &self,
        given: &str,
        set_by: &str,
    ) -> Result<Arc<dyn CredentialsProvider>, String> {
        let clock = self.config.clock.clone();
        let source = CredentialsUri::new(given, set_by, self.http.clone(), clock.clone())
            .map_err(|error| format!("cannot be used: {}", error.message))?;
        Ok(Arc::new(Renewing::new(source, clock)))
    }

    pub(super) fn oidc(&self, role: OidcRole) -> Result<Arc<dyn CredentialsProvider>, String> {
        OidcCredentials::with_transport(role, &self.config, self.transport.clone())
            .map(|found| Arc::new(found) as Arc<dyn CredentialsProvider>)
            .map_err(|error| format!("cannot be used: {error}"))
    }

    /// A role that `base` assumes.
    pub(super) fn assumed(
        &self,
        role: Assumed,
        (sts_region, vpc): (Option<String>, bool),
        base: Arc<dyn CredentialsProvider>,
    ) -> Result<Arc<dyn CredentialsProvider>, String> {
        let network = if vpc || self.vpc {
            Network::Vpc
        } else {
            self.config.network
        };
        let region = sts_region.as_deref().or(self.sts_region.as_deref());
        let url = sts_url(
            &self.config.endpoints,
            network,
            self.sts_endpoint.as_deref(),
            region,
        )
        .map_err(|error| format!("names an STS that cannot be asked: {error}"))?;
        let clock = self.config.clock.clone();
        let source = AssumeRole {
            role,
            base,
            url,
            clock: clock.clone(),
            transport: self.transport.clone(),
        };
        Ok(Arc::new(Renewing::new(source, clock)))
    }
}
