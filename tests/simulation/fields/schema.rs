//! What a CRD's schema says that may be written into a spec, and what may be written there instead.

use ess_rollout_test_support::source_root;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// The schema of the spec of a kind, by the kind's plural name.
///
/// # Panics
///
/// If the tree has no such CRD.
pub fn of_spec(plural: &str) -> Value {
    let file = source_root().join(format!("crds/{plural}.ess-rollout.io.yaml"));
    let text = std::fs::read_to_string(&file).expect("the CRD of the kind");
    let crd: Value = serde_saphyr::from_str(&text).expect("a CRD");
    let spec = crd.pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec");
    spec.cloned().expect("a spec")
}

/// A property of a spec. Of lists it is in the first item.
#[derive(Debug, Clone)]
pub struct Field {
    /// Below `spec`, such as `update.containerGroup.containers[].port[].port`; empty: the spec itself.
    pub path: String,
    /// The same as a JSON pointer into a spec.
    pub pointer: String,
    pub schema: Value,
    /// Whether the object that it is in has to have it; an item of a list has no name of its own.
    pub optional: bool,
}

impl Field {
    /// Its own name, without those of what it is in.
    pub fn leaf(&self) -> &str {
        let path = self.path.trim_end_matches("[]");
        path.rsplit('.').next().unwrap_or(path)
    }
}

/// The spec itself, and every property of it at any depth.
pub fn fields(spec: &Value) -> Vec<Field> {
    let mut all = Vec::new();
    walk(spec, String::new(), String::new(), false, &mut all);
    all
}

fn walk(schema: &Value, path: String, pointer: String, optional: bool, all: &mut Vec<Field>) {
    all.push(Field {
        path: path.clone(),
        pointer: pointer.clone(),
        schema: schema.clone(),
        optional,
    });
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let required = schema["required"].as_array().into_iter().flatten();
        let optional = !required.into_iter().any(|one| one == name.as_str());
        let path = match path.as_str() {
            "" => name.clone(),
            path => format!("{path}.{name}"),
        };
        walk(inner, path, format!("{pointer}/{name}"), optional, all);
    }
    if schema["items"].is_object() {
        let (path, pointer) = (format!("{path}[]"), format!("{pointer}/0"));
        walk(&schema["items"], path, pointer, false, all);
    }
}

/// Something else than what a field is. Of several that would do, the first that a CRD takes is meant, or the first.
#[derive(Debug, Clone)]
pub struct Mutation {
    pub label: String,
    /// `None`: the field is not there.
    pub values: Vec<Option<Value>>,
    /// It is beyond what the schema allows.
    pub out_of_bounds: bool,
}

/// A field that no schema has.
pub const UNKNOWN: &str = "unknownField";

/// Whether a field is a span of time, by its name, as the conventions of Kubernetes have it.
pub fn is_in_seconds(field: &Field) -> bool {
    field.leaf().contains("Seconds")
}

/// What else a field could be that has this value. `step`: by how much a whole number is moved.
pub fn mutations(field: &Field, value: &Value, step: i64) -> Vec<Mutation> {
    let schema = &field.schema;
    let mut all = Vec::new();
    let mut add = |label: &str, values: Vec<Option<Value>>, out_of_bounds| {
        all.push(Mutation {
            label: label.to_owned(),
            values,
            out_of_bounds,
        });
    };
    let number = |name: &str| schema[name].as_f64().map(|number| number as i64);
    if schema["x-kubernetes-int-or-string"] == true {
        // Its bounds are in a rule; the schema has none.
        for other in [json!(1), json!(4), json!("25%"), json!("100%")] {
            add(&format!("as {other}"), vec![Some(other)], false);
        }
        for wrong in [json!(0), json!(-1), json!("0%"), json!("101%"), json!("x")] {
            add(&format!("as {wrong}"), vec![Some(wrong)], true);
        }
    } else if let Some(words) = schema["enum"].as_array() {
        for word in words {
            add(&format!("={word}"), vec![Some(word.clone())], false);
        }
        add("another word", vec![Some(json!("Whatever"))], true);
    } else {
        match value {
            Value::Bool(value) => add("flipped", vec![Some(json!(!value))], false),
            Value::Number(value) => {
                let value = value.as_i64().unwrap_or(0);
                let (least, most) = (number("minimum"), number("maximum"));
                // Bounds may be the type's own.
                let (least, most) = (least.unwrap_or(0), most.unwrap_or(i64::from(i32::MAX)));
                add("least", vec![Some(json!(least))], false);
                add("most", vec![Some(json!(most))], false);
                let near = vec![Some(json!(value + step)), Some(json!(value - step))];
                add("moved", near, false);
                add("less than least", vec![Some(json!(least - 1))], true);
                add("more than most", vec![Some(json!(most + 1))], true);
            }
            Value::String(text) => {
                add("another", others(field, text), false);
                if schema["format"] == "date-time" {
                    add("no time", vec![Some(json!("tomorrow"))], true);
                    add("empty", vec![Some(json!(""))], true);
                } else {
                    let may_be_empty = number("minLength").unwrap_or(0) < 1;
                    add("empty", vec![Some(json!(""))], !may_be_empty);
                    let most = number("maxLength").and_then(|most| usize::try_from(most).ok());
                    if let Some(most) = most {
                        add("too long", vec![Some(json!(longer(text, most + 1)))], true);
                    }
                }
            }
            Value::Array(items) => lists(field, items, &mut add),
            _ => {}
        }
    }
    if value.is_object() {
        let mut wider = value.clone();
        wider[UNKNOWN] = json!("x");
        add("with an unknown field", vec![Some(wider)], false);
    }
    let wrong = match value {
        Value::String(_) => json!(7),
        _ => json!("seven"),
    };
    if schema["type"].is_string() && !(value.is_string() && schema["enum"].is_array()) {
        add("of another type", vec![Some(wrong)], true);
    }
    if !field.path.is_empty() && !field.path.ends_with("[]") {
        add("absent", vec![None], !field.optional);
    }
    all.retain(|mutation| mutation.values != [Some(value.clone())]);
    all
}

/// Texts of the same sort.
fn others(field: &Field, text: &str) -> Vec<Option<Value>> {
    if field.schema["format"] == "date-time" {
        let time: Timestamp = text.parse().unwrap_or_default();
        let later = time + SignedDuration::from_mins(7);
        return vec![Some(json!(later))];
    }
    let endings = ["x", "X", "1", ".1"].iter();
    endings
        .map(|ending| Some(json!(format!("{text}{ending}"))))
        .collect()
}

/// The same text, so long.
fn longer(text: &str, length: usize) -> String {
    let last = text.chars().last().unwrap_or('x');
    let missing = length.saturating_sub(text.chars().count());
    text.chars()
        .chain(std::iter::repeat_n(last, missing))
        .collect()
}

/// Another item than those that there are, the `number`th.
fn another_item(schema: &Value, items: &[Value], number: usize) -> Value {
    if let Some(words) = schema["enum"].as_array() {
        let other = words.iter().find(|word| !items.contains(word));
        return other.or(words.first()).cloned().unwrap_or_default();
    }
    let renamed = |value: &Value| match value {
        Value::String(text) => json!(format!("{text}{number}")),
        Value::Number(value) => json!(value.as_i64().unwrap_or(0) + number as i64),
        other => other.clone(),
    };
    let mut item = items.first().cloned().unwrap_or_default();
    let required = schema["required"].as_array().into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        item[name] = renamed(&item[name]);
    }
    match item.is_object() {
        true => item,
        false => renamed(&item),
    }
}

fn lists(field: &Field, items: &[Value], add: &mut impl FnMut(&str, Vec<Option<Value>>, bool)) {
    let schema = &field.schema["items"];
    let with = |count: usize| {
        let more = (items.len()..count).map(|n| another_item(schema, items, n + 1));
        let all: Vec<Value> = items.iter().cloned().chain(more).collect();
        Some(json!(all))
    };
    let bound = |name: &str| {
        field.schema[name]
            .as_u64()
            .and_then(|b| usize::try_from(b).ok())
    };
    let most = bound("maxItems").unwrap_or(usize::MAX);
    add("one more", vec![with(items.len() + 1)], items.len() >= most);
    if let Some((_, fewer)) = items.split_last() {
        let too_few = bound("minItems").is_some_and(|least| fewer.len() < least);
        add("one fewer", vec![Some(json!(fewer))], too_few);
    }
    if most < usize::MAX {
        add("too many", vec![with(most + 1)], true);
    }
}

/// A spec with this field at this value.
pub fn with_field(spec: &Value, field: &Field, value: Option<&Value>) -> Value {
    let mut spec = spec.clone();
    if field.pointer.is_empty() {
        return value.cloned().unwrap_or_default();
    }
    let (parent, name) = field.pointer.rsplit_once('/').unwrap_or(("", ""));
    match (spec.pointer_mut(parent), value) {
        (Some(Value::Object(fields)), Some(value)) => {
            fields.insert(name.to_owned(), value.clone());
        }
        (Some(Value::Object(fields)), None) => {
            fields.remove(name);
        }
        (Some(Value::Array(items)), Some(value)) => {
            if let Some(item) = items.first_mut() {
                *item = value.clone();
            }
        }
        _ => {}
    }
    spec
}

/// The merge patch (RFC 7396) that makes one value of another.
pub fn merge_patch(old: &Value, new: &Value) -> Value {
    let (Value::Object(before), Value::Object(after)) = (old, new) else {
        return new.clone();
    };
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let gone = gone.map(|name| (name.clone(), Value::Null));
    let changed = after
        .iter()
        .filter(|(name, value)| before.get(*name) != Some(value));
    let changed = changed.map(|(name, value)| {
        let before = before.get(name).unwrap_or(&Value::Null);
        (name.clone(), merge_patch(before, value))
    });
    Value::Object(gone.chain(changed).collect())
}
