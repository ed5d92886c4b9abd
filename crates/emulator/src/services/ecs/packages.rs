//! OOS packages on instances: what commands that call the package plug-in of Cloud Assistant do.

use crate::oos::Installed;
use crate::state::world::World;

/// What the package plug-in of Cloud Assistant is told to do.
#[derive(Debug, Clone, PartialEq)]
struct PluginCall {
    is_install: bool,
    name: String,
    version: Option<String>,
}

impl PluginCall {
    /// The call in a command's text: `configure_package,<action>,<name>[,--package-version,<v>]`.
    fn find(content: &str) -> Option<Self> {
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

/// What the plug-in prints when it finds no such package or version; it then exits with 1. `None`
/// when it can do what the command asks, or when the command does not call it.
pub fn refusal(world: &World, instance_id: &str, content: &str) -> Option<String> {
    let call = PluginCall::find(content)?;
    let found = version(world, instance_id, &call).is_some();
    let what = match &call.version {
        Some(version) => format!("{} {version}", call.name),
        None => call.name.clone(),
    };
    (!found).then(|| format!("EntityNotExists.Template: the package {what} does not exist.\n"))
}

/// A command has ended well: packages are on the instance, or gone from it, as it said.
pub fn take_effect(world: &mut World, instance_id: &str, content: &str) {
    let Some(call) = PluginCall::find(content) else {
        return;
    };
    let version = version(world, instance_id, &call);
    let since = world.now;
    let Some(instance) = world.resources.instances.get_mut(instance_id) else {
        return;
    };
    match version {
        Some(version) if call.is_install => {
            instance
                .packages
                .insert(call.name, Installed { version, since });
        }
        _ if !call.is_install => {
            instance.packages.remove(&call.name);
        }
        _ => {}
    }
}

/// The version that the call means, if it exists.
fn version(world: &World, instance_id: &str, call: &PluginCall) -> Option<String> {
    let instance = world.resources.instances.get(instance_id)?;
    world
        .packages
        .iter()
        .find(|p| p.name == call.name && p.is_seen_by(&instance.account_id, &instance.region))?
        .version(call.version.as_deref())
        .map(|v| v.version.clone())
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
