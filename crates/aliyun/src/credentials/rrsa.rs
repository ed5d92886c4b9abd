//! What RRSA puts into a pod's environment.

use std::path::PathBuf;

use super::CredentialsError;
use crate::endpoints::{EndpointError, Endpoints, Network, Service};

/// A role and the way into it, as RRSA describes it in a pod's environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OidcRole {
    /// `ALIBABA_CLOUD_ROLE_ARN`: `acs:ram::<account>:role/<name>`.
    pub role_arn: String,
    /// `ALIBABA_CLOUD_OIDC_PROVIDER_ARN`.
    pub provider_arn: String,
    /// `ALIBABA_CLOUD_OIDC_TOKEN_FILE`: read again at each refresh, as kubelet replaces it.
    pub token_file: PathBuf,
    /// `ALIBABA_CLOUD_ROLE_SESSION_NAME`: shown in audit logs.
    pub session_name: String,
    /// `ALIBABA_CLOUD_STS_REGION`, where it is set.
    pub sts_region: Option<String>,
    /// `ALIBABA_CLOUD_STS_ENDPOINT`: a host name, where it is set.
    pub sts_endpoint: Option<String>,
    /// `ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED`.
    pub vpc: bool,
}

impl OidcRole {
    /// Looks for the variables that RRSA sets. `None` when none of the three needed ones is set.
    ///
    /// # Errors
    /// When only some of the three are set.
    pub fn find(
        variable: &impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, CredentialsError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        const NEEDED: [&str; 3] = [
            "ALIBABA_CLOUD_ROLE_ARN",
            "ALIBABA_CLOUD_OIDC_PROVIDER_ARN",
            "ALIBABA_CLOUD_OIDC_TOKEN_FILE",
        ];
        let (role_arn, provider_arn, token_file) = match NEEDED.map(set) {
            [None, None, None] => return Ok(None),
            [Some(role), Some(provider), Some(file)] => (role, provider, file),
            found => {
                let missing: Vec<&str> = NEEDED
                    .iter()
                    .zip(&found)
                    .filter(|(_, value)| value.is_none())
                    .map(|(name, _)| *name)
                    .collect();
                return Err(CredentialsError::unauthenticated(
                    "no-credentials",
                    format!(
                        "an OIDC role needs {} too; RRSA sets all three, see the service account's \
                         annotation pod-identity.alibabacloud.com/role-name",
                        missing.join(" and ")
                    ),
                ));
            }
        };
        Ok(Some(Self {
            role_arn,
            provider_arn,
            token_file: token_file.into(),
            session_name: set("ALIBABA_CLOUD_ROLE_SESSION_NAME")
                .unwrap_or_else(|| "ess-rollout".to_owned()),
            sts_region: set("ALIBABA_CLOUD_STS_REGION"),
            sts_endpoint: set("ALIBABA_CLOUD_STS_ENDPOINT"),
            vpc: set("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED")
                .is_some_and(|value| value.eq_ignore_ascii_case("true")),
        }))
    }

    /// Where STS is for this role.
    pub(super) fn sts_url(
        &self,
        endpoints: &Endpoints,
        network: Network,
    ) -> Result<reqwest::Url, EndpointError> {
        sts_url(
            endpoints,
            network,
            self.sts_endpoint.as_deref(),
            self.sts_region.as_deref(),
        )
    }
}

/// Where STS is.
pub(super) fn sts_url(
    endpoints: &Endpoints,
    network: Network,
    host: Option<&str>,
    region: Option<&str>,
) -> Result<reqwest::Url, EndpointError> {
    // A configured override goes before what the environment says: it is the more deliberate one.
    if let Some(url) = endpoints.overridden(Service::Sts) {
        return Ok(url);
    }
    match (host, region) {
        (Some(host), _) => Endpoints::standard()
            .with(Service::Sts, &format!("https://{host}"))?
            .resolve(network, Service::Sts, "cn-hangzhou"),
        (None, Some(region)) => Endpoints::standard().resolve(network, Service::Sts, region),
        // Serves every region, over the internet.
        (None, None) => Endpoints::standard()
            .with(Service::Sts, "https://sts.aliyuncs.com")?
            .resolve(network, Service::Sts, "cn-hangzhou"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn the_environment_of_rrsa_is_understood() {
        let full = |name: &str| {
            let value = match name {
                "ALIBABA_CLOUD_ROLE_ARN" => "acs:ram::1:role/op",
                "ALIBABA_CLOUD_OIDC_PROVIDER_ARN" => "acs:ram::1:oidc-provider/ack",
                "ALIBABA_CLOUD_OIDC_TOKEN_FILE" => "/token",
                "ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED" => "true",
                "ALIBABA_CLOUD_STS_ENDPOINT" => "sts.example.com",
                _ => "",
            };
            Some(value.to_owned())
        };
        let role = OidcRole::find(&full).unwrap().unwrap();
        assert!(role.vpc);
        assert_eq!(role.sts_region, None);
        let url = role
            .sts_url(&Endpoints::standard(), Network::Public)
            .unwrap();
        assert_eq!(url.as_str(), "https://sts.example.com/");

        let half = |name: &str| (name == "ALIBABA_CLOUD_ROLE_ARN").then(|| "r".to_owned());
        let error = OidcRole::find(&half).unwrap_err();
        assert!(
            error.message.contains("ALIBABA_CLOUD_OIDC_TOKEN_FILE"),
            "{error}"
        );
        assert!(OidcRole::find(&|_| None).unwrap().is_none());
    }
}
