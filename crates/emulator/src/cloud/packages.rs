//! OOS packages: templates of type `Package`, and what an instance has installed of them.

use jiff::Timestamp;
use serde::Serialize;

/// A package. The last version is the newest.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Package {
    pub template_id: String,
    pub name: String,
    /// `None` for a public one, which every account sees.
    pub account_id: Option<String>,
    pub region: String,
    pub description: String,
    pub versions: Vec<PackageVersion>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PackageVersion {
    /// `v1`, as OOS counts them.
    pub version: String,
    pub version_name: String,
    pub content: String,
}

impl Package {
    /// A version by its number; the newest when none is asked for.
    pub fn version(&self, wanted: Option<&str>) -> Option<&PackageVersion> {
        match wanted {
            None => self.versions.last(),
            Some(wanted) => self.versions.iter().find(|v| v.version == wanted),
        }
    }

    pub fn is_seen_by(&self, account: &str, region: &str) -> bool {
        self.region == region && self.account_id.as_deref().is_none_or(|own| own == account)
    }
}

/// A package on an instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Installed {
    pub version: String,
    pub since: Timestamp,
}

/// What the package plug-in of Cloud Assistant is told to do.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginCall {
    pub is_install: bool,
    pub name: String,
    pub version: Option<String>,
}

impl PluginCall {
    /// The call in a command's text: `configure_package,<action>,<name>[,--package-version,<v>]`.
    pub fn find(content: &str) -> Option<Self> {
        let (_, rest) = content.split_once("configure_package,")?;
        let end = rest
            .find(|c: char| c.is_whitespace() || "'\";&|".contains(c))
            .unwrap_or(rest.len());
        let mut words = rest[..end].split(',');
        let is_install = match words.next()? {
            "install" => true,
            "uninstall" => false,
            _ => return None,
        };
        let name = words.next().filter(|name| !name.is_empty())?.to_owned();
        let version = match (words.next(), words.next()) {
            (Some("--package-version"), Some(version)) if !version.is_empty() => {
                Some(version.to_owned())
            }
            _ => None,
        };
        Some(Self {
            is_install,
            name,
            version,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plug_in_s_call_is_found_in_a_command() {
        let found = PluginCall::find("x --params configure_package,install,nginx; true").unwrap();
        assert_eq!(
            (found.is_install, found.name.as_str(), found.version),
            (true, "nginx", None)
        );
        let found =
            PluginCall::find("configure_package,uninstall,nginx,--package-version,v2").unwrap();
        assert_eq!(
            (found.is_install, found.version.as_deref()),
            (false, Some("v2"))
        );
        for none in ["echo", "configure_package,", "configure_package,install,"] {
            assert_eq!(PluginCall::find(none), None, "{none}");
        }
    }
}
