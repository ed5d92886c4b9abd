//! Containers, compared and combined as ECI and ESS do it: by name, and field by field.

use ess_rollout_api::v1alpha1::{self as api, ContainerGroupUpdate, ContainerUpdateType};
use ess_rollout_cloud::{Container, ContainersUpdate};
use serde_json::{Map, Value};

use crate::identity::hash_value;

/// As it is kept in a status or a record.
pub(super) fn write(containers: &[Container]) -> String {
    serde_json::to_string(containers).unwrap_or_default()
}

/// What [`write`] has written. Anything else is no containers.
pub(super) fn read(text: &str) -> Vec<Container> {
    serde_json::from_str(text).unwrap_or_default()
}

/// A short name of these containers, the same for what services take for the same.
pub(super) fn short(containers: &[Container]) -> String {
    format!("containers sha256:{}", &hash_value(&all(containers))[..16])
}

/// Whether these are the same containers, whatever their order.
pub(super) fn same(a: &[Container], b: &[Container]) -> bool {
    all(a) == all(b)
}

fn all(containers: &[Container]) -> Value {
    canonical(&serde_json::to_value(containers).unwrap_or_default())
}

/// Scalars as text, because requests carry text; lists of structures (variables, ports, mounts) in
/// one order. The order of arguments counts.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let members = map.iter().map(|(name, v)| (name.clone(), canonical(v)));
            Value::Object(members.collect())
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(canonical).collect();
            if items.iter().all(Value::is_object) {
                items.sort_by_cached_key(hash_value);
            }
            Value::Array(items)
        }
        Value::Number(_) | Value::Bool(_) => Value::String(value.to_string()),
        value => value.clone(),
    }
}

/// Whether `found` has all that `wanted` says: of a list of structures each one, of which more may
/// be there, such as variables that ECI adds.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, w)| found.get(name).is_some_and(|f| holds(f, w))),
        (Value::Array(found), Value::Array(wanted)) if wanted.iter().all(Value::is_object) => {
            wanted.iter().all(|w| found.iter().any(|f| holds(f, w)))
        }
        (found, wanted) => canonical(found) == canonical(wanted),
    }
}

/// The fields in which a container is not as these say.
pub(super) fn differing<'a>(found: &Container, wanted: &'a Container) -> Vec<&'a str> {
    let differs = |(name, value): &(&String, &Value)| {
        !found.fields.get(*name).is_some_and(|f| holds(f, value))
    };
    let differing = wanted.fields.iter().filter(differs);
    differing.map(|(name, _)| name.as_str()).collect()
}

pub(super) fn named<'a>(containers: &'a [Container], name: &str) -> Option<&'a Container> {
    containers.iter().find(|container| container.name == name)
}

/// Whether what is given is there, whatever else is.
pub(super) fn carried(found: &[Container], given: &[Container]) -> bool {
    given.iter().all(|given| {
        named(found, &given.name).is_some_and(|found| differing(found, given).is_empty())
    })
}

/// The same, and no other containers.
pub(super) fn as_wanted(found: &[Container], wanted: &[Container]) -> bool {
    found.len() == wanted.len() && carried(found, wanted)
}

/// What an update makes of containers.
pub(super) fn after(
    update: ContainersUpdate,
    before: &[Container],
    given: &[Container],
) -> Vec<Container> {
    if update == ContainersUpdate::Renew {
        return given.to_vec();
    }
    let mut after = before.to_vec();
    for given in given {
        match after.iter_mut().find(|there| there.name == given.name) {
            Some(there) => there.fields.extend(given.fields.clone()),
            None => after.push(given.clone()),
        }
    }
    after
}

/// The smallest update that makes `wanted` of `found`; with `exactly` it also removes fields.
pub(super) fn change(
    found: &[Container],
    wanted: &[Container],
    exactly: bool,
) -> (Vec<Container>, ContainersUpdate) {
    let beyond = |found: &Container| match named(wanted, &found.name) {
        None => true,
        Some(wanted) => {
            let mut fields = found.fields.keys();
            exactly && fields.any(|field| !wanted.fields.contains_key(field))
        }
    };
    if found.iter().any(beyond) {
        return (wanted.to_vec(), ContainersUpdate::Renew);
    }
    let differs = |wanted: &Container| {
        let Some(found) = named(found, &wanted.name) else {
            return Some(wanted.clone());
        };
        let mut change = wanted.clone();
        let now = |name: &String| found.fields.get(name).map(canonical);
        change
            .fields
            .retain(|name, value| now(name) != Some(canonical(value)));
        (!change.fields.is_empty()).then_some(change)
    };
    let changes = wanted.iter().filter_map(differs).collect();
    (changes, ContainersUpdate::Incremental)
}

/// The update that undoes an update of containers that were like this before. `None`: it would have
/// to say what the API has no fields for.
pub(super) fn way_back(
    update: &ContainerGroupUpdate,
    before: &[Container],
) -> Option<ContainerGroupUpdate> {
    let back = |containers: Option<Vec<api::Container>>, update_type| {
        Some(ContainerGroupUpdate {
            containers: containers.filter(|all| !all.is_empty() && all.len() <= CONTAINERS)?,
            rollback_containers: Vec::new(),
            update_type,
        })
    };
    let former = |given: &api::Container| {
        let (given, before) = (of_spec(given), named(before, &given.name)?);
        let mut former = given;
        for (name, value) in &mut former.fields {
            value.clone_from(before.fields.get(name)?);
        }
        Some(former)
    };
    if update.update_type == ContainerUpdateType::Incremental {
        let former: Option<Vec<Container>> = update.containers.iter().map(former).collect();
        if let Some(former) = former {
            let containers = former.iter().map(to_spec).collect();
            return back(containers, ContainerUpdateType::Incremental);
        }
    }
    // What was added goes only if all that stays is said.
    let containers = before.iter().map(to_spec).collect();
    back(containers, ContainerUpdateType::Renew)
}

/// The word of the spec as the services have it.
pub(super) fn update_type(update: ContainerUpdateType) -> ContainersUpdate {
    match update {
        ContainerUpdateType::Incremental => ContainersUpdate::Incremental,
        ContainerUpdateType::Renew => ContainersUpdate::Renew,
    }
}

/// Containers of a spec.
pub(super) fn of_specs(containers: &[api::Container]) -> Vec<Container> {
    containers.iter().map(of_spec).collect()
}

fn of_spec(spec: &api::Container) -> Container {
    let value = serde_json::to_value(spec).unwrap_or_default();
    let said: Container = serde_json::from_value(in_pascal_case(value)).unwrap_or_default();
    Container::new(said.name, said.fields)
}

/// A part of a spec as the services write it: its fields have their names, in camel case.
fn in_pascal_case(value: Value) -> Value {
    let renamed = |(name, value): (String, Value)| {
        let (first, rest) = name.split_at(1);
        let name = format!("{}{rest}", first.to_ascii_uppercase());
        (name, in_pascal_case(value))
    };
    match value {
        Value::Object(fields) => fields.into_iter().map(renamed).collect(),
        Value::Array(items) => items.into_iter().map(in_pascal_case).collect(),
        value => value,
    }
}

/// The fields of a container that a spec can say, each with the members of the structures in it, if it is a list of some.
const IN_SPEC: [(&str, &[&str]); 10] = [
    ("Image", &[]),
    ("Command", &[]),
    ("Arg", &[]),
    ("EnvironmentVar", &["Key", "Value"]),
    ("Cpu", &[]),
    ("Memory", &[]),
    ("ImagePullPolicy", &[]),
    ("WorkingDir", &[]),
    ("Port", &["Port", "Protocol"]),
    (
        "VolumeMount",
        &[
            "Name",
            "MountPath",
            "SubPath",
            "ReadOnly",
            "MountPropagation",
        ],
    ),
];

/// What of a field of a container a spec cannot say, for people: the field, or a member in it (a variable that comes from
/// a field of the container group). `None`: it can say all of it.
pub(super) fn beyond_spec(field: &str, value: &Value) -> Option<String> {
    let Some((_, known)) = IN_SPEC.iter().find(|(name, _)| *name == field) else {
        return Some(field.to_owned());
    };
    let items = value.as_array().filter(|_| !known.is_empty())?.iter();
    let mut members = items.filter_map(Value::as_object).flat_map(Map::keys);
    let beyond = members.find(|member| !known.contains(&member.as_str()))?;
    Some(format!("{field} with {beyond}"))
}

/// The most containers of the API.
const CONTAINERS: usize = 20;

/// A container as a spec says it; `None`: it has something that a spec cannot say, or more of it
/// than the API takes.
pub(super) fn to_spec(container: &Container) -> Option<api::Container> {
    let mut spec = api::Container {
        name: bounded(&Value::from(container.name.as_str()), 63)?,
        ..api::Container::default()
    };
    for (field, value) in &container.fields {
        if beyond_spec(field, value).is_some() {
            return None;
        }
        match field.as_str() {
            "Image" => spec.image = Some(bounded(value, 1024)?),
            "ImagePullPolicy" => spec.image_pull_policy = Some(bounded(value, 16)?),
            "WorkingDir" => spec.working_dir = Some(bounded(value, 1024)?),
            "Cpu" => spec.cpu = Some(decimal(value)?),
            "Memory" => spec.memory = Some(decimal(value)?),
            "Command" => spec.command = each(value, 32, |word| bounded(word, 1024))?,
            "Arg" => spec.arg = each(value, 32, |word| bounded(word, 1024))?,
            "EnvironmentVar" => spec.environment_var = each(value, 100, variable)?,
            "Port" => spec.port = each(value, 100, port)?,
            "VolumeMount" => spec.volume_mount = each(value, 16, mount)?,
            _ => return None,
        }
    }
    Some(spec)
}

fn each<T>(value: &Value, most: usize, of: impl Fn(&Value) -> Option<T>) -> Option<Vec<T>> {
    let items = value.as_array().filter(|items| items.len() <= most)?;
    items.iter().map(of).collect()
}

fn bounded(value: &Value, most: usize) -> Option<String> {
    let text = value.as_str()?;
    (text.chars().count() <= most).then(|| text.to_owned())
}

fn decimal(value: &Value) -> Option<String> {
    let text = value.to_string();
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    (value.is_number() && text.len() <= 16 && text.chars().all(plain)).then_some(text)
}

fn variable(value: &Value) -> Option<api::EnvironmentVar> {
    let map = value.as_object()?;
    Some(api::EnvironmentVar {
        key: bounded(map.get("Key")?, 128)?,
        value: optional(map, "Value", 4096)?.unwrap_or_default(),
    })
}

fn port(value: &Value) -> Option<api::ContainerPort> {
    let map = value.as_object()?;
    let number = i32::try_from(map.get("Port")?.as_i64()?).ok()?;
    Some(api::ContainerPort {
        port: (1..=65535).contains(&number).then_some(number)?,
        protocol: optional(map, "Protocol", 8)?,
    })
}

fn mount(value: &Value) -> Option<api::VolumeMount> {
    let map = value.as_object()?;
    Some(api::VolumeMount {
        name: bounded(map.get("Name")?, 63)?,
        mount_path: bounded(map.get("MountPath")?, 1024)?,
        sub_path: optional(map, "SubPath", 1024)?,
        read_only: map.get("ReadOnly").and_then(Value::as_bool),
        mount_propagation: optional(map, "MountPropagation", 32)?,
    })
}

/// A text that may be absent; `None`: it is there and cannot be said.
fn optional(map: &Map<String, Value>, name: &str, most: usize) -> Option<Option<String>> {
    let value = map.get(name);
    value.map_or(Some(None), |value| bounded(value, most).map(Some))
}
