//! Template parameters: declarations, and what a caller gave for them.

use serde_json::{Map, Value, json};

use super::cut::shorten;
use super::jq;
use super::members::members;
use crate::params::exact;
use crate::secrets::{Common, Kind as Meaning, Secrets};

/// The types that a parameter or output may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    String,
    Number,
    Boolean,
    List,
    Json,
}

impl Kind {
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "String" => Self::String,
            "Number" => Self::Number,
            "Boolean" => Self::Boolean,
            "List" => Self::List,
            "Json" => Self::Json,
            _ => return None,
        })
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Number => "Number",
            Self::Boolean => "Boolean",
            Self::List => "List",
            Self::Json => "Json",
        }
    }

    /// The value in this type; text that spells the type's value is taken, too.
    pub(super) fn coerce(self, value: Value) -> Option<Value> {
        Some(match (self, value) {
            (Self::String, v @ Value::String(_))
            | (Self::Number, v @ Value::Number(_))
            | (Self::Boolean, v @ Value::Bool(_))
            | (Self::List, v @ Value::Array(_))
            | (Self::Json, v @ (Value::Array(_) | Value::Object(_))) => v,
            (Self::String, v @ (Value::Number(_) | Value::Bool(_))) => json!(v.to_string()),
            (Self::Number, Value::String(text)) => {
                let number = exact::read(text.trim()).ok()?;
                number.is_number().then_some(number)?
            }
            (Self::Boolean, Value::String(text)) => {
                let text = text.trim();
                let is = |word: &str| text.eq_ignore_ascii_case(word);
                if !is("true") && !is("false") {
                    return None;
                }
                json!(is("true"))
            }
            (Self::List, Value::String(text)) => match exact::read(&text) {
                Ok(v @ Value::Array(_)) => v,
                _ => return None,
            },
            (Self::Json, Value::String(text)) => match exact::read(&text) {
                Ok(v @ (Value::Array(_) | Value::Object(_))) => v,
                _ => return None,
            },
            _ => return None,
        })
    }
}

impl Kind {
    /// A default that names one member of a list: the public rolling-update templates declare
    /// `lifecycleState` as `{Type: List, Default: InService}`.
    pub(super) fn one(self, default: &Value) -> Option<Value> {
        let member = match default {
            Value::String(text) => !text.is_empty(),
            Value::Number(_) | Value::Bool(_) => true,
            _ => false,
        };
        (self == Self::List && member).then(|| json!([default]))
    }
}

/// A parameter as the template declares it.
#[derive(Debug, Clone)]
pub(super) struct Declaration {
    pub(super) kind: Kind,
    pub(super) default: Option<Value>,
    pub(super) raw: Map<String, Value>,
}

impl Declaration {
    pub(super) fn parse(name: &str, spec: &Value) -> Result<Self, String> {
        let Value::Object(raw) = spec else {
            return Err(format!("parameter {name} is not an object"));
        };
        let kind = match raw.get("Type").filter(|kind| !kind.is_null()) {
            Some(kind) => kind
                .as_str()
                .and_then(Kind::parse)
                .ok_or_else(|| format!("parameter {name} has the unknown type {kind}"))?,
            // The documented default.
            None => Kind::String,
        };
        check_kinds(raw)
            .and_then(|()| check_limits(kind, raw))
            .map_err(|e| format!("parameter {name}: {e}"))?;
        let declaration = Self {
            kind,
            default: raw.get("Default").filter(|v| !v.is_null()).cloned(),
            raw: raw.clone(),
        };
        if let Some(default) = &declaration.default
            && !is_resolved_later(default)
        {
            declaration
                .check_default(name, default.clone())
                .map_err(|e| format!("the default does not fit: {}", e.trim_end_matches('.')))?;
        }
        Ok(declaration)
    }

    /// A default in the declared type, held against what a given value is held against. An empty
    /// text stands for none in public templates, whatever the type.
    pub(super) fn check_default(&self, name: &str, default: Value) -> Result<Value, String> {
        if default == json!("") {
            return Ok(self.kind.coerce(default.clone()).unwrap_or(default));
        }
        let value = self.kind.one(&default).filter(|_| {
            // A text may spell the whole list, too.
            self.kind.coerce(default.clone()).is_none()
        });
        self.check(name, value.unwrap_or(default))
    }

    /// Checks a value and gives it in the declared type.
    pub(super) fn check(&self, name: &str, value: Value) -> Result<Value, String> {
        if !self.is_masked() {
            return self.checked(name, value);
        }
        let mut secrets = Secrets::default();
        keep(&value, &mut |text| secrets.add(text, Meaning::Rare));
        self.checked(name, value).map_err(|why| {
            let mut why = json!(why);
            secrets.hide(&mut why, Common::Said);
            why.as_str().unwrap_or_default().to_owned()
        })
    }

    fn checked(&self, name: &str, value: Value) -> Result<Value, String> {
        let given = value.clone();
        let value = self.kind.coerce(value).ok_or_else(|| {
            let of_json = matches!(self.kind, Kind::List | Kind::Json | Kind::Number);
            let lost = given.as_str().filter(|_| of_json);
            let why = lost.and_then(|text| exact::read(text.trim()).err());
            format!(
                "The parameter {name} must be of type {}, not {}{}.",
                self.kind.name(),
                shorten(&given.to_string()),
                why.map_or(String::new(), |why| format!(": {why}"))
            )
        })?;
        self.check_allowed(name, &value)?;
        let length = match &value {
            Value::String(text) => Some(text.chars().count()),
            Value::Array(list) => Some(list.len()),
            _ => None,
        };
        if let Some(length) = length {
            if self
                .limit("MinLength")
                .is_some_and(|min| (length as f64) < min)
            {
                return Err(format!(
                    "The parameter {name} is shorter than its MinLength."
                ));
            }
            if self
                .limit("MaxLength")
                .is_some_and(|max| (length as f64) > max)
            {
                return Err(format!(
                    "The parameter {name} is longer than its MaxLength."
                ));
            }
        }
        if let Some(number) = value.as_f64() {
            if self.limit("MinValue").is_some_and(|min| number < min) {
                return Err(format!("The parameter {name} is below its MinValue."));
            }
            if self.limit("MaxValue").is_some_and(|max| number > max) {
                return Err(format!("The parameter {name} is above its MaxValue."));
            }
        }
        if let (Some(pattern), Value::String(text)) = (
            self.raw.get("AllowedPattern").and_then(Value::as_str),
            &value,
        ) {
            let matches = matches(text, pattern)
                .map_err(|_| format!("The AllowedPattern of parameter {name} is invalid."))?;
            if !matches {
                return Err(format!(
                    "The parameter {name} does not match its AllowedPattern {pattern}."
                ));
            }
        }
        Ok(value)
    }

    /// Whether executions show stars in place of its value.
    pub(super) fn is_masked(&self) -> bool {
        let masked = self.raw.get("NoEcho").cloned();
        masked.and_then(|v| Kind::Boolean.coerce(v)) == Some(json!(true))
    }

    fn limit(&self, key: &str) -> Option<f64> {
        limit(&self.raw, key)
    }

    /// For a list, each member must be among the allowed values.
    fn check_allowed(&self, name: &str, value: &Value) -> Result<(), String> {
        let Some(Value::Array(allowed)) = self.raw.get("AllowedValues") else {
            return Ok(());
        };
        let is_allowed = |v: &Value| allowed.iter().any(|a| same(a, v));
        let ok = match value {
            Value::Array(list) => is_allowed(value) || list.iter().all(is_allowed),
            other => is_allowed(other),
        };
        if ok {
            return Ok(());
        }
        Err(format!(
            "The parameter {name} must be one of {}, not {}.",
            Value::Array(allowed.clone()),
            shorten(&value.to_string())
        ))
    }
}

/// Tells of each text in a value that may not be shown, and of the spelling of the value itself.
pub(super) fn keep(value: &Value, told: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => {
            for member in members(text) {
                told(&member);
            }
            told(text);
        }
        Value::Number(number) => told(&number.to_string()),
        Value::Array(list) => list.iter().for_each(|value| keep(value, told)),
        Value::Object(map) => map.values().for_each(|value| keep(value, told)),
        Value::Bool(_) | Value::Null => {}
    }
}

/// Refuses bounds of a wrong kind: taken as absent they would let everything through.
fn check_kinds(raw: &Map<String, Value>) -> Result<(), String> {
    let given = |key: &str| raw.get(key).filter(|value| !value.is_null());
    if given("AllowedValues").is_some_and(|values| !values.is_array()) {
        return Err("AllowedValues must be a list".to_owned());
    }
    match given("AllowedPattern") {
        None => {}
        Some(Value::String(pattern)) => {
            // Whether it is one is the same for each text. By itself it has to be one, too: the whole
            // text is asked for by putting it into a group.
            is_pattern(pattern)?;
            matches("", pattern)?;
        }
        Some(_) => return Err("AllowedPattern must be a text".to_owned()),
    }
    let number = |value: &Value| match value {
        Value::String(text) => text.trim().parse::<f64>().ok(),
        other => other.as_f64(),
    };
    for key in ["MinLength", "MaxLength", "MinValue", "MaxValue"] {
        let is_length = key.ends_with("Length");
        let fits = |n: f64| n.is_finite() && !(is_length && (n < 0.0 || n.fract() != 0.0));
        if let Some(value) = given(key)
            && !number(value).is_some_and(fits)
        {
            let what = if is_length {
                "whole number that is not negative"
            } else {
                "number"
            };
            return Err(format!(
                "{key} must be a {what}, not {}",
                shorten(&value.to_string())
            ));
        }
    }
    for key in ["NoEcho", "Required"] {
        if given(key).is_some_and(|value| Kind::Boolean.coerce(value.clone()).is_none()) {
            return Err(format!("{key} must be true or false"));
        }
    }
    Ok(())
}

/// Refuses limits that the type of a parameter does not have, and those that no value keeps to: it
/// could never be given, or only as long as nobody gives one.
fn check_limits(kind: Kind, raw: &Map<String, Value>) -> Result<(), String> {
    let given = |key: &str| raw.get(key).filter(|value| !value.is_null());
    let of_type = |key: &str, kinds: &[Kind], what: &str| match given(key).is_some()
        && !kinds.contains(&kind)
    {
        true => Err(format!(
            "{key} limits {what}, and its Type is {}; leave it out or change the Type",
            kind.name()
        )),
        false => Ok(()),
    };
    let length = "the length of a String or List";
    of_type("MinLength", &[Kind::String, Kind::List], length)?;
    of_type("MaxLength", &[Kind::String, Kind::List], length)?;
    of_type("MinValue", &[Kind::Number], "a Number")?;
    of_type("MaxValue", &[Kind::Number], "a Number")?;
    of_type("AllowedPattern", &[Kind::String], "a String")?;
    for (least, most) in [("MinLength", "MaxLength"), ("MinValue", "MaxValue")] {
        if let (Some(low), Some(high)) = (limit(raw, least), limit(raw, most))
            && low > high
        {
            return Err(format!("{least} is above {most}: no value keeps to both"));
        }
    }
    let Some(Value::Array(allowed)) = given("AllowedValues") else {
        return Ok(());
    };
    if allowed.is_empty() {
        return Err("AllowedValues is empty: no value is allowed".to_owned());
    }
    let fits = |value: &Value| match kind {
        // Each of its members has to be among them, or the whole is.
        Kind::List => true,
        kind => kind.coerce(value.clone()).is_some(),
    };
    if let Some(value) = allowed.iter().find(|value| !fits(value)) {
        return Err(format!(
            "AllowedValues holds {}, which is no {}",
            shorten(&value.to_string()),
            kind.name()
        ));
    }
    let bare = Declaration {
        kind,
        default: None,
        raw: raw.clone(),
    };
    let keeps = |value: &Value| bare.check("", value.clone()).is_ok();
    match kind != Kind::List && !allowed.iter().any(keeps) {
        true => Err("none of its AllowedValues keeps to its other limits".to_owned()),
        false => Ok(()),
    }
}

fn limit(raw: &Map<String, Value>, key: &str) -> Option<f64> {
    match raw.get(key)? {
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_f64(),
    }
}

fn is_pattern(pattern: &str) -> Result<(), String> {
    let input = json!(["", pattern]);
    jq::run(". as [$text, $pattern] | $text | test($pattern)", &input)
        .map(drop)
        .map_err(|_| "the AllowedPattern is no regular expression".to_owned())
}

/// Whether a whole text matches a pattern.
fn matches(text: &str, pattern: &str) -> Result<bool, String> {
    let input = json!([text, format!("^(?:{pattern})$")]);
    let found = jq::run(". as [$text, $pattern] | $text | test($pattern)", &input)
        .map_err(|_| "the AllowedPattern is no regular expression".to_owned())?;
    Ok(found == [json!(true)])
}

/// Whether a value holds references or functions.
pub(super) fn is_resolved_later(default: &Value) -> bool {
    let mut open = vec![default];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if text.contains("{{") => return true,
            Value::Array(list) => open.extend(list),
            Value::Object(map) => {
                if map.keys().any(|key| key.starts_with("Fn::")) {
                    return true;
                }
                open.extend(map.values());
            }
            _ => {}
        }
    }
    false
}

/// Equal as JSON, or spelled alike: template authors write `0` and `"0"` for the same thing.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    if a == b {
        return true;
    }
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x.as_f64() == y.as_f64(),
        (Value::String(text), other) | (other, Value::String(text)) => match other {
            Value::Number(number) => *text == number.to_string(),
            Value::Bool(value) => text == if *value { "true" } else { "false" },
            _ => false,
        },
        _ => false,
    }
}
