//! The emulated cloud of a scene, and the tasks on its groups.

use serde_json::{Value, json};

/// The operator's credentials.
pub const ACCESS_KEY: (&str, &str) = ("bench-id", "bench-secret");
pub const REGION: &str = "cn-hangzhou";

/// So many scaling groups of the same size.
#[derive(Debug, Clone, Copy)]
pub struct Groups {
    pub count: usize,
    /// Of each group.
    pub instances: usize,
    /// How long a script takes on an instance.
    pub command_seconds: u32,
}

impl Groups {
    pub fn fixture(self) -> Value {
        let groups: Vec<Value> = (0..self.count).map(|number| self.group(number)).collect();
        json!({
            "accountId": "1000000000000001",
            "regions": [REGION],
            "durations": {"command": self.command_seconds},
            "principals": [{
                "name": "bench", "accessKeyId": ACCESS_KEY.0, "accessKeySecret": ACCESS_KEY.1, "allow": ["*"],
            }],
            "images": [{"imageId": "m-v1", "name": "v1"}],
            "scalingGroups": groups,
        })
    }

    fn group(self, number: usize) -> Value {
        let name = name(number);
        json!({
            "scalingGroupId": format!("asg-{name}"),
            "maxSize": (2 * self.instances).max(20),
            "suspendedProcesses": ["ScheduledAction"],
            "configurations": [{"scalingConfigurationId": format!("asc-{name}"), "imageId": "m-v1"}],
            "instances": {"count": self.instances, "idPrefix": format!("i-{name}-")},
        })
    }
}

/// The task on group `asg-NAME`.
pub fn name(number: usize) -> String {
    format!("web-{number:04}")
}

/// The name in an id of a group, in a text such as the parameters of a call.
pub fn name_in(text: &str) -> Option<String> {
    let (_, rest) = text.split_once("asg-")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    Some(rest[..end.unwrap_or(rest.len())].to_owned())
}

/// A script on the instances of a group, one after the other unless `more` says otherwise.
pub fn script(number: usize, more: &Value) -> Value {
    let mut spec = json!({
        "scalingGroupId": format!("asg-{}", name(number)),
        "update": {"script": {"run": {"inline": "systemctl restart agent"}}},
    });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    object("RollingUpdateTask", number, spec)
}

/// An image built every first of January at three: not while this runs, unless it is that night.
pub fn schedule(number: usize) -> Value {
    let name = name(number);
    let spec = json!({
        "scalingGroupId": format!("asg-{name}"),
        "source": {"instanceId": format!("i-{name}-01"), "imageName": name},
        "schedule": {"cron": "0 3 1 1 *"},
    });
    object("ImageUpdateTask", number, spec)
}

fn object(kind: &str, number: usize, spec: Value) -> Value {
    json!({
        "apiVersion": "ess-rollout.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name(number)},
        "spec": spec,
    })
}
