//! Which actions and parameters the APIs have, by their published metadata: what the official SDKs
//! carry of it. Names only; `hack/published-parameters` writes them into `published/`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// An API in one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Api {
    /// Auto Scaling, 2022-02-22.
    Ess2022,
    /// Auto Scaling, 2014-08-28.
    Ess2014,
    /// Elastic Compute Service, 2014-05-26.
    Ecs,
    /// CloudOps Orchestration Service, 2019-06-01.
    Oos,
    /// Elastic Container Instance, 2018-08-08.
    Eci,
    /// Security Token Service, 2015-04-01.
    Sts,
    /// Classic Load Balancer, 2014-05-15.
    Slb,
    /// Application Load Balancer, 2020-06-16.
    Alb,
    /// Network Load Balancer, 2022-04-30.
    Nlb,
    /// CloudMonitor, 2019-01-01.
    Cms,
}

/// Parameters by action.
type Actions = BTreeMap<&'static str, Vec<&'static str>>;

static PUBLISHED: LazyLock<BTreeMap<Api, Actions>> = LazyLock::new(|| {
    Api::ALL
        .into_iter()
        .map(|api| (api, read(api.text())))
        .collect()
});

/// One line for each action: its name, then its parameters.
fn read(text: &'static str) -> Actions {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.collect()))
        })
        .collect()
}

impl Api {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Ess2022,
        Self::Ess2014,
        Self::Ecs,
        Self::Oos,
        Self::Eci,
        Self::Sts,
        Self::Slb,
        Self::Alb,
        Self::Nlb,
        Self::Cms,
    ];

    /// The product code and the version.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ess2022 => "ESS 2022-02-22",
            Self::Ess2014 => "ESS 2014-08-28",
            Self::Ecs => "ECS 2014-05-26",
            Self::Oos => "OOS 2019-06-01",
            Self::Eci => "ECI 2018-08-08",
            Self::Sts => "STS 2015-04-01",
            Self::Slb => "SLB 2014-05-15",
            Self::Alb => "ALB 2020-06-16",
            Self::Nlb => "NLB 2022-04-30",
            Self::Cms => "CMS 2019-01-01",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::Ess2022 => include_str!("published/ess-2022-02-22.txt"),
            Self::Ess2014 => include_str!("published/ess-2014-08-28.txt"),
            Self::Ecs => include_str!("published/ecs-2014-05-26.txt"),
            Self::Oos => include_str!("published/oos-2019-06-01.txt"),
            Self::Eci => include_str!("published/eci-2018-08-08.txt"),
            Self::Sts => include_str!("published/sts-2015-04-01.txt"),
            Self::Slb => include_str!("published/slb-2014-05-15.txt"),
            Self::Alb => include_str!("published/alb-2020-06-16.txt"),
            Self::Nlb => include_str!("published/nlb-2022-04-30.txt"),
            Self::Cms => include_str!("published/cms-2019-01-01.txt"),
        }
    }

    /// Where the names come from: packages and their versions.
    pub fn source(self) -> &'static str {
        let first = self.text().lines().next().unwrap_or_default();
        first.trim_start_matches('#').trim()
    }

    /// The actions, in alphabetical order.
    pub fn actions(self) -> impl Iterator<Item = &'static str> {
        PUBLISHED
            .get(&self)
            .into_iter()
            .flat_map(|a| a.keys().copied())
    }

    /// The parameters of an action as they travel: `.N` marks a list, `Tag.N.Key` a member of a
    /// structure in a list. What travels as JSON in one text is one parameter. `None` for an
    /// action that the API does not have.
    pub fn parameters(self, action: &str) -> Option<&'static [&'static str]> {
        let found = PUBLISHED.get(&self)?.get(action)?;
        Some(found.as_slice())
    }
}

/// Whether a parameter is `path` or lies in it: `Tag.N` covers `Tag.N.Key`.
pub fn covers(path: &str, parameter: &str) -> bool {
    parameter
        .strip_prefix(path)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_api_has_its_actions() {
        for api in Api::ALL {
            assert!(api.source().ends_with("(PyPI)"), "{}", api.name());
            assert!(api.actions().count() > 2, "{}", api.name());
        }
        let found = Api::Ecs.parameters("ReplaceSystemDisk").unwrap();
        assert!(found.contains(&"SystemDisk.Size"));
        assert_eq!(Api::Ecs.parameters("EnterStandby"), None);
        assert!(covers("Tag.N", "Tag.N.Key") && !covers("Tag", "Tags.N"));
    }
}
