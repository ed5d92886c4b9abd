//! Containers, as elastic container instances run them and as scaling configurations describe them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::model::ContainerGroupStatus;

/// Fields that the services show as 0 or false when they were never set.
const UNSET: [&str; 6] = ["Cpu", "Memory", "Gpu", "Stdin", "StdinOnce", "Tty"];
/// Fields that are numbers, however they are written.
const NUMBERS: [&str; 3] = ["Cpu", "Memory", "Gpu"];

/// A container of a container group or of a scaling configuration.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Container {
    /// `Name`, by which containers are matched.
    #[serde(rename = "Name")]
    pub name: String,
    /// Every other field that has a value, whether or not it is known here. Lists have the singular
    /// names of ECI's requests (`Arg`, `Command`, `EnvironmentVar`, `Port`, `VolumeMount`); the flat
    /// names of ESS answers (`ReadinessProbeHttpGetPath`) stay as they are.
    #[serde(flatten)]
    pub fields: BTreeMap<String, Value>,
}

impl Container {
    /// A container with those of the fields that have a value: null, empty texts and lists, and the
    /// zeros of what was never set are left out.
    pub fn new(name: impl Into<String>, fields: impl IntoIterator<Item = (String, Value)>) -> Self {
        let fields = fields.into_iter().filter_map(|(field, value)| {
            let value = if NUMBERS.contains(&field.as_str()) {
                number(value)
            } else {
                value
            };
            let value = with_value(value)?;
            let unset =
                UNSET.contains(&field.as_str()) && (value == false || value.as_f64() == Some(0.0));
            (!unset).then_some((field, value))
        });
        Self {
            name: name.into(),
            fields: fields.collect(),
        }
    }

    /// The text of a field; empty when there is none.
    pub fn text(&self, field: &str) -> &str {
        self.fields
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }
}

/// The number in a text, and whole numbers without a fraction.
fn number(value: Value) -> Value {
    let number = match &value {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        value => value.as_f64(),
    };
    match number {
        // Beyond this an f64 does not tell whole numbers apart, and no container has as much.
        Some(whole) if whole.fract() == 0.0 && whole.abs() < 9e15 => Value::from(whole as i64),
        Some(number) => Number::from_f64(number).map_or(value, Value::Number),
        None => value,
    }
}

/// The value without its empty parts; `None`: nothing is left.
fn with_value(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then_some(Value::String(text)),
        Value::Array(items) => {
            let items: Vec<Value> = items
                .into_iter()
                .filter_map(|item| match item {
                    // An empty argument is an argument.
                    Value::String(_) => Some(item),
                    item => with_value(item),
                })
                .collect();
            (!items.is_empty()).then_some(Value::Array(items))
        }
        Value::Object(map) => {
            let map: serde_json::Map<String, Value> = map
                .into_iter()
                .filter_map(|(name, value)| Some((name, with_value(value)?)))
                .collect();
            (!map.is_empty()).then_some(Value::Object(map))
        }
        value => Some(value),
    }
}

/// A container group (ECI DescribeContainerGroups).
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerGroup {
    /// `ContainerGroupId`.
    pub id: String,
    /// `Status`.
    pub status: ContainerGroupStatus,
    /// `Containers`.
    pub containers: Vec<GroupContainer>,
    /// Private addresses: `IntranetIp`.
    pub addresses: Vec<String>,
}

/// A container as it runs.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupContainer {
    /// What it was told.
    pub container: Container,
    /// `Ready`.
    pub ready: bool,
    /// `CurrentState.Reason`, such as `ErrImagePull`; empty while nothing is wrong.
    pub reason: String,
    /// `CurrentState`: state, reason and message, as far as there are any, for people.
    pub state: String,
}

/// A scaling configuration of a group of type ECI (ESS DescribeEciScalingConfigurations).
#[derive(Debug, Clone, PartialEq)]
pub struct EciScalingConfiguration {
    /// `ScalingConfigurationId`.
    pub id: String,
    /// `Containers`.
    pub containers: Vec<Container>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_never_set_is_not_there() {
        let fields = [
            ("Image", json!("registry/app:v1")),
            ("Cpu", json!("0.50")),
            ("Memory", json!(2.0)),
            ("Gpu", json!(0)),
            ("Tty", json!(false)),
            ("WorkingDir", json!("")),
            ("Arg", json!(["-v", ""])),
            ("Command", json!([])),
            (
                "EnvironmentVar",
                json!([{"Key": "A", "Value": "", "ValueFrom": {"FieldRef": {}}}]),
            ),
            (
                "SecurityContext",
                json!({"Capability": {"Adds": []}, "RunAsUser": 0}),
            ),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value));
        let container = Container::new("app", fields);
        assert_eq!(
            serde_json::to_value(&container).ok(),
            Some(json!({
                "Name": "app",
                "Image": "registry/app:v1",
                "Cpu": 0.5,
                "Memory": 2,
                "Arg": ["-v", ""],
                "EnvironmentVar": [{"Key": "A"}],
                "SecurityContext": {"RunAsUser": 0},
            }))
        );
        assert_eq!(container.text("Image"), "registry/app:v1");
    }
}
