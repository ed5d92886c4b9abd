//! What was given to a scaling group or configuration, and is shown again by the names of its answers.

use std::collections::BTreeMap;

use serde_json::Value;

/// Values by the names that answers give them.
#[derive(Debug, Clone, Default)]
pub struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    pub(crate) fn put(&mut self, name: &'static str, value: Value) {
        self.0.insert(name, value);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().map(str::to_owned)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.as_u64()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The items of a list; none when it is absent.
    pub(crate) fn list(&self, name: &str) -> &[Value] {
        self.get(name)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// The texts of a list; none when it is absent.
    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.list(name).iter().filter_map(Value::as_str);
        texts.map(str::to_owned).collect()
    }
}
