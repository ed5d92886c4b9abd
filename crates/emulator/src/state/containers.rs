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
    /// services ignore them without a word; `EnvironmentVars` is one of these. The error says which
    /// field holds what it cannot hold.
    pub(crate) fn given(value: &Value) -> Result<Self, String> {
        let Some(map) = value.as_object() else {
            return Ok(Self::default());
        };
        let mut given = Map::new();
        for (name, value) in nest(map) {
            if FIELDS.contains(&name.as_str())
                && let Some(value) = typed(&name, value)?
            {
                given.insert(name, value);
            }
        }
        Ok(Self(given))
    }

    /// From a structure in the plural spelling of ESS 2022.
    pub(crate) fn given_in_plural(value: &Value) -> Result<Self, String> {
        let Some(map) = value.as_object() else {
            return Ok(Self::default());
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

/// The value in the type of the field; requests carry text, fixtures and templates JSON. Nothing for
/// an empty text, which counts as absent. The error says what the field cannot hold.
fn typed(name: &str, value: Value) -> Result<Option<Value>, String> {
    if value.is_null() || value.as_str().is_some_and(str::is_empty) {
        return Ok(None);
    }
    let list = |value: Value| match value {
        Value::Array(items) => Ok(items),
        _ => Err(format!("{name} must be a list")),
    };
    let typed = match name {
        "Cpu" | "Memory" | "Gpu" => {
            let number = number(&value).filter(|n| n.as_f64().is_some_and(|n| n >= 0.0));
            number.ok_or_else(|| format!("{name} must be a number that is not negative"))?
        }
        "Command" | "Arg" => {
            let items = list(value)?;
            if items.iter().any(|item| item.is_array() || item.is_object()) {
                return Err(format!("{name} must be a list of texts"));
            }
            items.iter().filter_map(words).collect()
        }
        "Port" => {
            let ports: Result<Vec<Value>, String> = list(value)?.into_iter().map(port).collect();
            Value::Array(ports?)
        }
        "EnvironmentVar" => {
            let mut variables = list(value)?;
            for variable in &mut variables {
                let Some(variable) = variable.as_object_mut() else {
                    return Err(format!("{name} must be a list of structures"));
                };
                for text in variable.values_mut() {
                    if text.is_number() || text.is_boolean() {
                        *text = json!(text.to_string());
                    }
                }
            }
            Value::Array(variables)
        }
        "VolumeMount" => Value::Array(list(value)?),
        "Stdin" | "StdinOnce" | "Tty" => {
            let flag = match &value {
                Value::String(text) => text.to_ascii_lowercase().parse().ok(),
                other => other.as_bool(),
            };
            let flag = flag.ok_or_else(|| format!("{name} must be true or false"))?;
            Value::Bool(flag)
        }
        "ImagePullPolicy" => one_of(name, value, &["Always", "IfNotPresent", "Never"])?,
        "ReadinessProbe" | "LivenessProbe" | "SecurityContext" => value,
        _ => words(&value).ok_or_else(|| format!("{name} must be a text"))?,
    };
    Ok(Some(typed))
}

/// A port of a container, with its protocol.
fn port(mut port: Value) -> Result<Value, String> {
    let Some(map) = port.as_object_mut() else {
        return Err("Port must be a list of structures".to_owned());
    };
    if let Some(given) = map.get("Port").filter(|given| *given != "") {
        let found = number(given).filter(|n| n.as_u64().is_some_and(|n| n <= 65_535));
        let found = found.ok_or("Port must be a number from 0 to 65535")?;
        map.insert("Port".into(), found);
    }
    if let Some(protocol) = map.get("Protocol").filter(|given| *given != "") {
        one_of("Port.Protocol", protocol.clone(), &["TCP", "UDP"])?;
    }
    Ok(port)
}

fn one_of(name: &str, value: Value, known: &[&str]) -> Result<Value, String> {
    match value.as_str() {
        Some(word) if known.contains(&word) => Ok(value),
        _ => Err(format!("{name} must be one of {}", known.join(", "))),
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
