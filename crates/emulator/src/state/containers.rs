//! Containers as Elastic Container Instance (ECI) and Auto Scaling (ESS) describe them, and what an
//! update makes of them.

use serde::Serialize;
use serde_json::{Map, Number, Value, json};

use crate::params::nest;

/// Fields of a container that are kept, as ECI `UpdateContainerGroup` and ESS 2014
/// `ModifyEciScalingConfiguration` spell them: `Container.N.EnvironmentVar.N.Key`.
const FIELDS: &[&str] = &[
    "Name",
    "Image",
    "ImagePullPolicy",
    "Command",
    "Arg",
    "Cpu",
    "Memory",
    "Gpu",
    "Port",
    "EnvironmentVar",
    "VolumeMount",
    "WorkingDir",
    "Stdin",
    "StdinOnce",
    "Tty",
    "ReadinessProbe",
    "LivenessProbe",
    "SecurityContext",
];

/// List fields: the singular of requests, the plural of answers and of ESS 2022 requests.
const LISTS: &[(&str, &str)] = &[
    ("Command", "Commands"),
    ("Arg", "Args"),
    ("Port", "Ports"),
    ("EnvironmentVar", "EnvironmentVars"),
    ("VolumeMount", "VolumeMounts"),
];

/// A container, or what a request says about one: only the fields that were given.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Container(Map<String, Value>);

impl Container {
    /// From a structure in the singular spelling. Fields that no one knows are left out, as the
    /// services ignore them without a word; `EnvironmentVars` is one of these.
    pub(crate) fn given(value: &Value) -> Self {
        let Some(map) = value.as_object() else {
            return Self::default();
        };
        Self(
            nest(map)
                .into_iter()
                .filter(|(name, _)| FIELDS.contains(&name.as_str()))
                .filter_map(|(name, value)| Some((name.clone(), typed(&name, value)?)))
                .collect(),
        )
    }

    /// From a structure in the plural spelling of ESS 2022.
    pub(crate) fn given_in_plural(value: &Value) -> Self {
        let Some(map) = value.as_object() else {
            return Self::default();
        };
        let singular: Map<String, Value> = map
            .iter()
            .filter(|(name, _)| !LISTS.iter().any(|(one, _)| one == name))
            .map(|(name, value)| {
                let name = LISTS
                    .iter()
                    .find(|(_, many)| many == name)
                    .map_or(name.as_str(), |(one, _)| one);
                (name.to_owned(), value.clone())
            })
            .collect();
        Self::given(&Value::Object(singular))
    }

    pub(crate) fn name(&self) -> &str {
        self.text("Name")
    }

    pub(crate) fn image(&self) -> &str {
        self.text("Image")
    }

    fn text(&self, field: &str) -> &str {
        self.0
            .get(field)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// A field of `value` that [`Container::given`] would drop.
    pub(crate) fn unknown_field(value: &Value) -> Option<&String> {
        value
            .as_object()?
            .keys()
            .find(|name| !FIELDS.contains(&name.as_str()))
    }

    /// As ECI answers show it: lists in the plural, every list there.
    pub(crate) fn shown(&self) -> Map<String, Value> {
        let mut shown: Map<String, Value> = self
            .0
            .iter()
            .filter(|(name, _)| !LISTS.iter().any(|(one, _)| one == name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        for (one, many) in LISTS {
            let list = self.0.get(*one).cloned().unwrap_or_else(|| json!([]));
            shown.insert((*many).to_owned(), list);
        }
        shown
    }

    /// As ESS answers show it: structures are flat, `ReadinessProbeHttpGetPath`.
    pub(crate) fn shown_flat(&self) -> Map<String, Value> {
        let mut flat = Map::new();
        for (name, value) in self.shown() {
            flatten(&name, value, &mut flat);
        }
        flat
    }
}

fn flatten(name: &str, value: Value, into: &mut Map<String, Value>) {
    match value {
        Value::Object(map) => {
            for (member, value) in map {
                flatten(&format!("{name}{member}"), value, into);
            }
        }
        // `ReadinessProbe.Exec.Command` becomes `ReadinessProbeExecCommands`.
        Value::Array(_) if !LISTS.iter().any(|(_, many)| *many == name) => {
            into.insert(format!("{name}s"), value);
        }
        other => {
            into.insert(name.to_owned(), other);
        }
    }
}

/// The value in the type of the field; requests carry text, fixtures and templates JSON. `None`
/// for what the field cannot hold.
fn typed(name: &str, value: Value) -> Option<Value> {
    let list = |value: Value| match value {
        Value::Array(items) => Some(items),
        _ => None,
    };
    match name {
        "Cpu" | "Memory" | "Gpu" => number(&value),
        "Command" | "Arg" => {
            let words: Vec<Value> = list(value)?.iter().filter_map(words).collect();
            Some(Value::Array(words))
        }
        "Port" => {
            let ports = list(value)?.into_iter().map(|mut port| {
                if let Some(map) = port.as_object_mut()
                    && let Some(n) = map.get("Port").and_then(number)
                {
                    map.insert("Port".into(), n);
                }
                port
            });
            Some(Value::Array(ports.collect()))
        }
        "EnvironmentVar" => {
            let mut variables = list(value)?;
            for variable in variables.iter_mut().filter_map(Value::as_object_mut) {
                for text in variable.values_mut() {
                    if text.is_number() || text.is_boolean() {
                        *text = json!(text.to_string());
                    }
                }
            }
            Some(Value::Array(variables))
        }
        "VolumeMount" => list(value).map(Value::Array),
        "Stdin" | "StdinOnce" | "Tty" => match value {
            Value::String(text) => text.to_ascii_lowercase().parse().ok().map(Value::Bool),
            Value::Bool(_) => Some(value),
            _ => None,
        },
        "ReadinessProbe" | "LivenessProbe" | "SecurityContext" => Some(value),
        _ => words(&value),
    }
}

fn words(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if text.is_empty() => None,
        Value::String(_) => Some(value.clone()),
        Value::Number(_) | Value::Bool(_) => Some(json!(value.to_string())),
        _ => None,
    }
}

/// Whole numbers stay whole: `2` is shown as `2` and not as `2.0`.
fn number(value: &Value) -> Option<Value> {
    match value {
        Value::Number(_) => Some(value.clone()),
        Value::String(text) => text.trim().parse::<Number>().ok().map(Value::Number),
        _ => None,
    }
}

/// How given containers change those that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UpdateType {
    /// Fields that are not given stay, and so do containers that are not named.
    Incremental,
    /// What is not given is gone.
    Renew,
}

impl UpdateType {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "IncrementalUpdate" => Some(Self::Incremental),
            "RenewUpdate" => Some(Self::Renew),
            _ => None,
        }
    }

    /// The containers after the update. Containers are matched by name; the error says what the
    /// request lacks.
    pub(crate) fn apply(
        self,
        old: &[Container],
        given: Vec<Container>,
    ) -> Result<Vec<Container>, String> {
        for (n, container) in given.iter().enumerate() {
            if container.name().is_empty() {
                return Err(format!("container {} has no Name", n + 1));
            }
            if given[..n].iter().any(|c| c.name() == container.name()) {
                return Err(format!("two containers are called {}", container.name()));
            }
        }
        let mut new = match self {
            Self::Incremental => old.to_vec(),
            Self::Renew => Vec::new(),
        };
        for container in given {
            match new.iter_mut().find(|c| c.name() == container.name()) {
                Some(there) => there.0.extend(container.0),
                None => new.push(container),
            }
        }
        match new.iter().find(|c| c.image().is_empty()) {
            Some(bare) => Err(format!("container {} has no Image", bare.name())),
            None => Ok(new),
        }
    }
}
