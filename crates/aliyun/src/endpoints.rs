//! Where the services are: public, VPC, or wherever the configuration says.

use std::{collections::BTreeMap, fmt};

use reqwest::Url;

/// A service that this client calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Auto Scaling, API version 2022-02-22.
    Ess,
    /// Elastic Compute Service, API version 2014-05-26.
    Ecs,
    /// Elastic Container Instance, API version 2018-08-08.
    Eci,
    /// CloudOps Orchestration Service, API version 2019-06-01.
    Oos,
    /// CloudMonitor, API version 2019-01-01.
    Cms,
    /// Classic Load Balancer, API version 2014-05-15.
    Slb,
    /// Application Load Balancer, API version 2020-06-16.
    Alb,
    /// Network Load Balancer, API version 2022-04-30.
    Nlb,
    /// Security Token Service, API version 2015-04-01.
    Sts,
}

impl Service {
    /// The name that people know it by, as errors and metrics spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ess => "ESS",
            Self::Ecs => "ECS",
            Self::Eci => "ECI",
            Self::Oos => "OOS",
            Self::Cms => "CMS",
            Self::Slb => "SLB",
            Self::Alb => "ALB",
            Self::Nlb => "NLB",
            Self::Sts => "STS",
        }
    }

    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Ess => "2022-02-22",
            Self::Ecs => "2014-05-26",
            Self::Eci => "2018-08-08",
            Self::Oos => "2019-06-01",
            Self::Cms => "2019-01-01",
            Self::Slb => "2014-05-15",
            Self::Alb => "2020-06-16",
            Self::Nlb => "2022-04-30",
            Self::Sts => "2015-04-01",
        }
    }

    fn product(self) -> &'static str {
        match self {
            Self::Ess => "ess",
            Self::Ecs => "ecs",
            Self::Eci => "eci",
            Self::Oos => "oos",
            // Its public addresses have another name.
            Self::Cms => "cms",
            Self::Slb => "slb",
            Self::Alb => "alb",
            Self::Nlb => "nlb",
            Self::Sts => "sts",
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which of a service's addresses to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Network {
    /// Reachable from the internet.
    #[default]
    Public,
    /// Reachable from within a VPC of the region: for pods without a way out.
    Vpc,
}

/// Regions that `ess.aliyuncs.com` serves; the others have a public endpoint of their own.
const ESS_CENTRAL: [&str; 15] = [
    "cn-qingdao",
    "cn-beijing",
    "cn-hangzhou",
    "cn-shanghai",
    "cn-shenzhen",
    "cn-nanjing",
    "cn-hongkong",
    "ap-southeast-1",
    "us-east-1",
    "us-west-1",
    "cn-hangzhou-finance",
    "cn-shanghai-finance-1",
    "cn-shenzhen-finance-1",
    "cn-beijing-finance-1",
    "cn-north-2-gov-1",
];

/// Regions that `slb.aliyuncs.com` serves; the others have a public endpoint of their own.
const SLB_CENTRAL: [&str; 14] = [
    "cn-qingdao",
    "cn-beijing",
    "cn-hangzhou",
    "cn-shanghai",
    "cn-shenzhen",
    "cn-hongkong",
    "ap-southeast-1",
    "us-east-1",
    "us-west-1",
    "cn-hangzhou-finance",
    "cn-shanghai-finance-1",
    "cn-shenzhen-finance-1",
    "cn-beijing-finance-1",
    "cn-north-2-gov-1",
];

/// The public endpoint of ECS in regions that have none of their own.
fn ecs_without_region(region: &str) -> Option<&'static str> {
    match region {
        "cn-hangzhou" | "cn-shanghai-finance-1" | "cn-shenzhen-finance-1" => {
            Some("ecs-cn-hangzhou.aliyuncs.com")
        }
        "cn-hangzhou-finance" | "cn-north-2-gov-1" => Some("ecs.aliyuncs.com"),
        _ => None,
    }
}

/// An endpoint that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// An override is not a base URL.
    #[error("endpoint {given:?} {reason}; give a base URL such as https://oos.example.com")]
    NotABaseUrl {
        /// As configured.
        given: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A region id becomes part of a host name, so it must look like one.
    #[error(
        "{0:?} is not a region id: 1 to 64 lower-case letters, digits and hyphens, such as cn-hangzhou"
    )]
    NotARegion(String),
}

/// Addresses that replace the services' own, for one service or for all.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    all: Option<Url>,
    one: BTreeMap<Service, Url>,
}

impl Endpoints {
    /// The services' own addresses.
    pub fn standard() -> Self {
        Self::default()
    }

    /// Sends every service's calls to this base URL; plain `http` is allowed here.
    ///
    /// # Errors
    /// When it is not a base URL: scheme, host and perhaps a port, and nothing else.
    pub fn with_all(mut self, base: &str) -> Result<Self, EndpointError> {
        self.all = Some(base_url(base)?);
        Ok(self)
    }

    /// Sends one service's calls to this base URL, ahead of [`Self::with_all`].
    ///
    /// # Errors
    /// As for [`Self::with_all`].
    pub fn with(mut self, service: Service, base: &str) -> Result<Self, EndpointError> {
        self.one.insert(service, base_url(base)?);
        Ok(self)
    }

    /// The base URL of a service in a region.
    ///
    /// # Errors
    /// When the region id could not be one: it comes from users, and a signed request must not go
    /// to a host that they made up.
    pub fn resolve(
        &self,
        network: Network,
        service: Service,
        region: &str,
    ) -> Result<Url, EndpointError> {
        let fits = (1..=64).contains(&region.len())
            && region
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !region.starts_with('-')
            && !region.ends_with('-');
        if !fits {
            return Err(EndpointError::NotARegion(region.chars().take(80).collect()));
        }
        if let Some(url) = self.overridden(service) {
            return Ok(url);
        }
        let product = service.product();
        let host = match (network, service) {
            (Network::Vpc, _) => format!("{product}-vpc.{region}.aliyuncs.com"),
            (Network::Public, Service::Cms) => format!("metrics.{region}.aliyuncs.com"),
            (Network::Public, Service::Ess) if ESS_CENTRAL.contains(&region) => {
                "ess.aliyuncs.com".to_owned()
            }
            (Network::Public, Service::Slb) if SLB_CENTRAL.contains(&region) => {
                "slb.aliyuncs.com".to_owned()
            }
            (Network::Public, service) => ecs_without_region(region)
                .filter(|_| service == Service::Ecs)
                .map_or_else(|| format!("{product}.{region}.aliyuncs.com"), str::to_owned),
        };
        base_url(&format!("https://{host}"))
    }

    /// Whether every service is overridden with an address that needs no TLS.
    pub(crate) fn all_plain(&self) -> bool {
        self.all.is_some() && self.overrides().all(|url| url.scheme() == "http")
    }

    /// Whether every service is overridden with an address of this machine.
    pub(crate) fn all_loopback(&self) -> bool {
        self.all.is_some() && self.overrides().all(is_loopback)
    }

    /// Whether any service is overridden.
    pub(crate) fn any(&self) -> bool {
        self.overrides().next().is_some()
    }

    fn overrides(&self) -> impl Iterator<Item = &Url> {
        self.all.iter().chain(self.one.values())
    }

    /// The override for a service, if there is one.
    pub(crate) fn overridden(&self, service: Service) -> Option<Url> {
        self.one.get(&service).or(self.all.as_ref()).cloned()
    }

    /// Whether any override points at this machine.
    pub(crate) fn any_loopback(&self) -> bool {
        self.overrides().any(is_loopback)
    }
}

/// Whether a URL points at this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    host == "localhost"
        || host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The `host` header that goes with a URL.
pub(crate) fn host_header(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn base_url(given: &str) -> Result<Url, EndpointError> {
    let wrong = |reason| EndpointError::NotABaseUrl {
        // A password in a URL must not come back in an error.
        given: match given.rsplit_once('@') {
            Some((_, host)) => format!("…@{host}"),
            None => given.to_owned(),
        },
        reason,
    };
    let url = Url::parse(given).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("is neither http nor https"));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("has no host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has a user name"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has more than scheme, host and port"));
    }
    Ok(url)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    fn host(network: Network, service: Service, region: &str) -> String {
        let url = Endpoints::standard()
            .resolve(network, service, region)
            .unwrap();
        assert_eq!(url.scheme(), "https");
        url.host_str().unwrap().to_owned()
    }

    #[test]
    fn knows_the_public_exceptions() {
        use Network::Public;
        assert_eq!(
            host(Public, Service::Ess, "cn-hangzhou"),
            "ess.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Ess, "cn-chengdu"),
            "ess.cn-chengdu.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Ecs, "cn-hangzhou"),
            "ecs-cn-hangzhou.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Ecs, "cn-hangzhou-finance"),
            "ecs.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Ecs, "cn-shanghai-finance-1"),
            "ecs-cn-hangzhou.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Ecs, "cn-beijing"),
            "ecs.cn-beijing.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Eci, "cn-hangzhou"),
            "eci.cn-hangzhou.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Oos, "cn-hangzhou"),
            "oos.cn-hangzhou.aliyuncs.com"
        );
        assert_eq!(
            host(Public, Service::Cms, "cn-hangzhou"),
            "metrics.cn-hangzhou.aliyuncs.com"
        );
        for (service, region, expected) in [
            (Service::Slb, "cn-hangzhou", "slb.aliyuncs.com"),
            (Service::Slb, "cn-chengdu", "slb.cn-chengdu.aliyuncs.com"),
            (Service::Alb, "cn-hangzhou", "alb.cn-hangzhou.aliyuncs.com"),
            (Service::Nlb, "cn-hangzhou", "nlb.cn-hangzhou.aliyuncs.com"),
        ] {
            assert_eq!(host(Public, service, region), expected);
        }
    }

    #[test]
    fn a_vpc_has_one_rule_for_all() {
        for (service, product) in [
            (Service::Ess, "ess"),
            (Service::Ecs, "ecs"),
            (Service::Eci, "eci"),
            (Service::Oos, "oos"),
            (Service::Cms, "cms"),
            (Service::Slb, "slb"),
            (Service::Alb, "alb"),
            (Service::Nlb, "nlb"),
            (Service::Sts, "sts"),
        ] {
            assert_eq!(
                host(Network::Vpc, service, "cn-hangzhou"),
                format!("{product}-vpc.cn-hangzhou.aliyuncs.com")
            );
        }
    }

    #[test]
    fn an_override_of_one_service_goes_before_that_of_all() {
        let endpoints = Endpoints::standard()
            .with_all("http://127.0.0.1:8080")
            .unwrap()
            .with(Service::Oos, "https://oos.example.com")
            .unwrap();
        let url = |service| {
            endpoints
                .resolve(Network::Vpc, service, "cn-hangzhou")
                .unwrap()
                .to_string()
        };
        assert_eq!(url(Service::Ess), "http://127.0.0.1:8080/");
        assert_eq!(url(Service::Oos), "https://oos.example.com/");
        assert!(endpoints.any_loopback());
    }

    #[test]
    fn a_region_cannot_smuggle_a_host() {
        for region in [
            "",
            "evil.com/",
            "a.b",
            "cn_hangzhou",
            "-x",
            "A",
            &"x".repeat(65),
            "x#",
        ] {
            assert!(
                Endpoints::standard()
                    .resolve(Network::Public, Service::Oos, region)
                    .is_err(),
                "{region}"
            );
        }
    }

    #[test]
    fn a_base_url_is_nothing_more() {
        for (given, reason) in [
            ("oos.example.com", "is not a URL"),
            ("ftp://oos.example.com", "is neither http nor https"),
            ("https://me:hunter2@oos.example.com", "has a user name"),
            (
                "https://oos.example.com/v1",
                "has more than scheme, host and port",
            ),
        ] {
            let error = Endpoints::standard()
                .with_all(given)
                .unwrap_err()
                .to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("hunter2"));
        }
    }

    #[test]
    fn the_host_header_has_the_port_only_when_it_is_not_the_schemes_own() {
        for (url, host) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("https://oos.example.com:443", "oos.example.com"),
            ("http://[::1]:81", "[::1]:81"),
        ] {
            assert_eq!(host_header(&Url::parse(url).unwrap()), host);
        }
    }
}
