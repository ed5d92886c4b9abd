//! Values that stand for secrets in every cloud and every object of the scenarios. None of them may be in what the operator
//! stores outside of Secrets, in what it tells the cloud for people to read, or in what it logs at any level.

use std::io::Write;
use std::sync::{Arc, Mutex};

use ess_rollout::runtime::telemetry;
use ess_rollout_test_support::apiserver::Change;
use serde_json::Value;
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt;

use crate::operator::ACCESS_KEY;
use crate::world::{KINDS, OPERATOR, World};

/// Of an environment variable of the container groups and their scaling configuration.
pub const ENVIRONMENT: &str = "hunter2-of-the-environment";
/// Of an environment variable in a manifest: there it is its author's.
pub const MANIFEST: &str = "hunter3-of-the-manifest";
/// Of a script in a ConfigMap.
pub const SCRIPT: &str = "hunter4-of-the-script";
const ALL: [&str; 4] = [ENVIRONMENT, MANIFEST, SCRIPT, ACCESS_KEY.1];

fn in_text(text: &str) -> Option<&'static str> {
    ALL.into_iter().find(|canary| text.contains(canary))
}

fn in_value(value: &Value) -> Option<&'static str> {
    match value {
        Value::String(text) => in_text(text),
        Value::Array(items) => items.iter().find_map(in_value),
        Value::Object(map) => map.values().find_map(in_value),
        _ => None,
    }
}

/// Every write of every run.
pub fn in_no_write(world: &World, changes: &[Change]) {
    let writes = changes.iter().filter(|c| &*c.user == OPERATOR);
    for change in writes.filter(|change| change.resource != "secrets") {
        let written = match KINDS.contains(&change.resource.as_str()) {
            // The spec is theirs.
            true => &change.new["status"],
            false => &*change.new,
        };
        if let Some(canary) = in_value(written) {
            world.violation(format!(
                "{canary} is written to {} {}",
                change.resource, change.name
            ));
        }
    }
}

/// What of a call people read: the description and the tags of an execution.
pub fn in_no_description(world: &World, text: &str) {
    if let Some(canary) = in_text(text) {
        world.violation(format!(
            "{canary} is in the description or a tag of an execution"
        ));
    }
}

/// The canaries that were logged.
#[derive(Clone, Default)]
pub struct Logged(Arc<Mutex<Vec<&'static str>>>);

impl Logged {
    /// Looks at every line at every level.
    pub fn subscriber(&self) -> impl Subscriber + Send + Sync + use<> {
        let lines = self.clone();
        let filtered = telemetry::filtered("trace").expect("a level");
        tracing_subscriber::registry().with(filtered).with(
            tracing_subscriber::fmt::layer()
                .without_time()
                .with_ansi(false)
                .with_writer(move || lines.clone()),
        )
    }

    pub fn violations(&self) -> Vec<String> {
        let found = self.0.lock().unwrap();
        found.iter().map(|c| format!("{c} is logged")).collect()
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(canary) = in_text(&String::from_utf8_lossy(bytes)) {
            self.0.lock().unwrap().push(canary);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
