//! What triggers for events and alarms ask for, and the events and alarms that are held against it
//! (OOS help on `ACS::EventTrigger` and `ACS::AlarmTrigger`, ECS help on event notifications).

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::near::nearest;
use super::parameters::is_resolved_later;
use super::template::{MAX_DEPTH, depth};
use super::trigger_state::TriggerKind;

/// What a trigger's properties may be named.
struct Properties {
    /// Those that decide what fits.
    known: &'static [&'static str],
    /// Those of them without which everything would fit.
    needed: &'static [&'static str],
    /// Those that OOS has besides. More of them may be: the help does not list all.
    absent: &'static [&'static str],
}

impl Properties {
    /// `None` for a trigger that waits for no event.
    fn of(kind: TriggerKind) -> Option<Self> {
        match kind {
            TriggerKind::Timer => None,
            TriggerKind::Event => Some(Self {
                known: &["Product", "Name", "Level", "Content"],
                needed: &["Product"],
                absent: &["Tags", "RegionId", "OutputTransformer"],
            }),
            // Nothing is measured: `ComparisonOperator` and `Resources`, which OOS requires, change nothing.
            TriggerKind::Alarm => Some(Self {
                known: &["Namespace", "MetricName"],
                needed: &["Namespace", "MetricName"],
                absent: &[
                    "Statistics",
                    "ComparisonOperator",
                    "Threshold",
                    "Tags",
                    "ResourceGroup",
                    "Resources",
                    "OutputTransformer",
                ],
            }),
        }
    }
}

/// Refuses properties of a trigger with which it would fire for what nobody meant, and notes what OOS
/// has and is not looked at here. `place` says whose properties they are.
pub(super) fn check(
    kind: TriggerKind,
    properties: &Map<String, Value>,
    place: &str,
    absent: &mut BTreeSet<String>,
) -> Result<(), String> {
    let Some(names) = Properties::of(kind) else {
        return Ok(());
    };
    for key in properties.keys().map(String::as_str) {
        if names.known.contains(&key) {
            continue;
        }
        let all = names.known.iter().chain(names.absent).copied();
        if !names.absent.contains(&key)
            && let Some(meant) = nearest(key, all)
        {
            return Err(format!(
                "{place} has the unknown key {key:?}; {meant} must be meant"
            ));
        }
        absent.insert(format!("{key} in {place}"));
    }
    asked(kind, properties).map_err(|e| format!("{place}: {e}"))?;
    // Whether OOS takes a trigger without one is not documented.
    if kind == TriggerKind::Event && is_nothing(properties.get("Name")) {
        absent.insert(format!(
            "a Name in {place}, without which all events of the product fit"
        ));
    }
    Ok(())
}

/// The same for properties that are resolved, before the trigger waits.
pub(super) fn check_resolved(kind: TriggerKind, properties: &Value) -> Result<(), String> {
    match properties {
        _ if kind == TriggerKind::Timer => Ok(()),
        Value::Object(properties) => asked(kind, properties),
        _ => Err("Properties is not an object".to_owned()),
    }
}

/// Whether the values of a trigger's properties can be compared with those of an event. What a
/// reference stands for is looked at when it is resolved.
fn asked(kind: TriggerKind, properties: &Map<String, Value>) -> Result<(), String> {
    let Some(names) = Properties::of(kind) else {
        return Ok(());
    };
    let needed = names.needed.iter();
    if let Some(name) = needed
        .copied()
        .find(|name| is_missing(properties.get(*name)))
    {
        return Err(format!("{name} is missing; without it everything fits"));
    }
    for name in names.known {
        let Some(value) = properties.get(*name).filter(|v| !is_nothing(Some(v))) else {
            continue;
        };
        if is_resolved_later(value) {
            continue;
        }
        let fits = match (*name, value) {
            ("Content", value) => value.is_object(),
            (_, Value::Array(list)) => list.iter().all(Value::is_string),
            (_, value) => value.is_string(),
        };
        if !fits {
            let form = match *name {
                "Content" => "an object of attributes with their values",
                _ => "a text or a list of texts",
            };
            return Err(format!("{name} must be {form}"));
        }
    }
    Ok(())
}

fn is_nothing(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) => list.is_empty(),
        Some(_) => false,
    }
}

/// An empty text, too, which is none of what there must be.
fn is_missing(value: Option<&Value>) -> bool {
    is_nothing(value)
        || value
            .and_then(Value::as_str)
            .is_some_and(|text| text.trim().is_empty())
}

/// Whether an event is one that the properties of a trigger ask for. What they do not name fits.
pub(super) fn fits(kind: TriggerKind, properties: &Value, event: &Value, region: &str) -> bool {
    misfit(kind, properties, event, region).is_none()
}

/// The member of an event for which it is not one that the properties of a trigger ask for.
pub(super) fn misfit(
    kind: TriggerKind,
    properties: &Value,
    event: &Value,
    region: &str,
) -> Option<&'static str> {
    let wants = |property: &str, field: &str| match properties.get(property) {
        None | Some(Value::Null) => true,
        Some(Value::Array(list)) if list.is_empty() => true,
        Some(Value::Array(list)) => event.get(field).is_some_and(|have| list.contains(have)),
        Some(one) => event
            .get(field)
            .is_some_and(|have| match (one.as_str(), have.as_str()) {
                (Some(one), Some(have)) => one.eq_ignore_ascii_case(have),
                _ => one == have,
            }),
    };
    let here = event.get("regionId").and_then(Value::as_str);
    if here.is_some_and(|here| here != region) {
        return Some("regionId");
    }
    let names: &[(&str, &'static str)] = match kind {
        TriggerKind::Timer => return Some("time"),
        TriggerKind::Alarm => &[("Namespace", "namespace"), ("MetricName", "metricName")],
        TriggerKind::Event => &[("Product", "product"), ("Name", "name"), ("Level", "level")],
    };
    let odd = names.iter().find(|(name, field)| !wants(name, field));
    let has_content = || has_content(properties.get("Content"), event.get("content"));
    match odd {
        Some((_, field)) => Some(field),
        None => (kind == TriggerKind::Event && !has_content()).then_some("content"),
    }
}

/// Each attribute that is asked for must be there with one of the values.
fn has_content(wanted: Option<&Value>, content: Option<&Value>) -> bool {
    let Some(Value::Object(wanted)) = wanted else {
        return true;
    };
    wanted.iter().all(|(name, values)| {
        let Some(have) = content.and_then(|content| content.get(name)) else {
            return false;
        };
        match (values, have) {
            (Value::Array(values), have) => values.is_empty() || values.contains(have),
            (Value::Object(_), have) => has_content(Some(values), Some(have)),
            (value, have) => value == have,
        }
    })
}

/// The members of an event notification.
const EVENT: &[&str] = &[
    "product",
    "name",
    "level",
    "regionId",
    "content",
    "eventTime",
    "id",
    "instanceName",
    "resourceId",
    "status",
    "userId",
    "ver",
];

/// The members of an alarm that rules of the scene tell. Whoever gives one may add what outputs select.
const ALARM: &[&str] = &[
    "namespace",
    "metricName",
    "ruleId",
    "alertName",
    "alertState",
    "regionId",
    "timestamp",
    "groupId",
    "scalingGroupId",
];

/// What is wrong with an event or an alarm that somebody makes up, in a scene of these regions.
pub(crate) fn problem(kind: TriggerKind, event: &Value, regions: &[String]) -> Option<String> {
    let (what, members, needed): (_, _, &[&str]) = match kind {
        TriggerKind::Timer => return None,
        TriggerKind::Event => ("event", EVENT, &["product", "name"]),
        // No trigger fits one without a metric.
        TriggerKind::Alarm => ("alarm", ALARM, &["namespace"]),
    };
    let Value::Object(map) = event else {
        return Some(format!("an {what} must be an object"));
    };
    if depth(event) > MAX_DEPTH {
        return Some(format!("the {what} nests deeper than {MAX_DEPTH}"));
    }
    for key in map.keys().filter(|key| !members.contains(&key.as_str())) {
        match nearest(key, members.iter().copied()) {
            Some(meant) => {
                return Some(format!(
                    "the {what} has the unknown key {key:?}; {meant} must be meant"
                ));
            }
            None if kind == TriggerKind::Event => {
                let members = members.join(", ");
                return Some(format!(
                    "the {what} has the unknown key {key:?}; it may have {members}"
                ));
            }
            None => {}
        }
    }
    if let Some(name) = needed.iter().find(|name| is_missing(map.get(**name))) {
        return Some(format!("the {what} needs {name}"));
    }
    for name in [
        "product",
        "name",
        "level",
        "namespace",
        "metricName",
        "regionId",
    ] {
        let value = map.get(name).filter(|_| members.contains(&name));
        if value.is_some_and(|value| !value.is_string()) {
            return Some(format!("{name} of the {what} must be a text"));
        }
    }
    if kind == TriggerKind::Event && map.get("content").is_some_and(|c| !c.is_object()) {
        return Some(format!("content of the {what} must be an object"));
    }
    let region = map.get("regionId").and_then(Value::as_str);
    let elsewhere = region.filter(|region| !regions.iter().any(|own| own == region));
    elsewhere.map(|region| format!("regions does not have {region}"))
}
