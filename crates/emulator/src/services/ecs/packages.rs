//! OOS packages on instances: what commands that call the package plug-in of Cloud Assistant do.

use crate::cloud::packages::{Installed, PluginCall};
use crate::cloud::world::World;

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
