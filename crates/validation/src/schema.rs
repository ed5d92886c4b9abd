//! What the schema of a CRD does to an object: prunes it, fills it, and refuses it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail};
use regex::Regex;
use serde_json::{Map, Value};

use crate::cause::{Cause, Problem, Wanted};
use crate::cel::Rule;

/// One node of a structural schema.
#[derive(Debug, Default)]
pub struct Schema {
    kind: Option<Type>,
    int_or_string: bool,
    preserve_unknown: bool,
    nullable: bool,
    default: Option<Value>,
    properties: BTreeMap<String, Schema>,
    required: Vec<String>,
    additional: Option<Box<Schema>>,
    items: Option<Box<Schema>>,
    words: Vec<Value>,
    pattern: Option<Regex>,
    date_time: bool,
    least: Option<f64>,
    most: Option<f64>,
    least_length: Option<u64>,
    most_length: Option<u64>,
    list: ListType,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    fn fits(self, value: &Value) -> bool {
        match self {
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64(),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

/// What no two items of a list may share.
#[derive(Debug, Default)]
enum ListType {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

const INT_OR_STRING: &str = "integer or string";

/// Parts that change nothing about an object.
const DESCRIPTIVE: [&str; 4] = ["description", "title", "example", "x-kubernetes-map-type"];

impl Schema {
    /// Reads a node.
    ///
    /// # Errors
    /// When it has a part that is not known here: leaving it out would accept what a real apiserver refuses.
    pub fn of(value: &Value, path: &str) -> Result<Self> {
        let mut schema = Self::default();
        let mut keys = Vec::new();
        let mut list = None;
        let fields = value
            .as_object()
            .with_context(|| format!("the schema of {path:?} is no object"))?;
        for (name, part) in fields {
            let strings = || -> Vec<String> {
                let items = part.as_array().into_iter().flatten();
                items.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            match name.as_str() {
                "type" => schema.kind = Some(type_of(part, path)?),
                "properties" => {
                    for (name, part) in part.as_object().into_iter().flatten() {
                        let inner = Self::of(part, &format!("{path}.{name}"))?;
                        schema.properties.insert(name.clone(), inner);
                    }
                }
                "items" => schema.items = Some(Self::of(part, &format!("{path}[*]"))?.into()),
                "additionalProperties" if part.is_object() => {
                    schema.additional = Some(Self::of(part, &format!("{path}.*"))?.into());
                }
                "required" => schema.required = strings(),
                "nullable" => schema.nullable = part == true,
                "default" => schema.default = Some(part.clone()),
                "enum" => schema.words = part.as_array().cloned().unwrap_or_default(),
                "pattern" => {
                    let pattern = part.as_str().unwrap_or_default();
                    let pattern = Regex::new(pattern);
                    schema.pattern = Some(pattern.with_context(|| format!("at {path}"))?);
                }
                "format" => schema.date_time = part == "date-time",
                "minimum" => schema.least = part.as_f64(),
                "maximum" => schema.most = part.as_f64(),
                "minLength" | "minItems" | "minProperties" => schema.least_length = whole(part),
                "maxLength" | "maxItems" | "maxProperties" => schema.most_length = whole(part),
                "x-kubernetes-int-or-string" => schema.int_or_string = part == true,
                "x-kubernetes-preserve-unknown-fields" => schema.preserve_unknown = part == true,
                "x-kubernetes-list-type" => list = part.as_str(),
                "x-kubernetes-list-map-keys" => keys = strings(),
                "x-kubernetes-validations" => {
                    for rule in part.as_array().into_iter().flatten() {
                        schema.rules.push(rule_of(rule, path)?);
                    }
                }
                other if DESCRIPTIVE.contains(&other) => {}
                other => bail!("{path:?} has {other}, which is not known here"),
            }
        }
        schema.list = match list {
            Some("map") => ListType::Map(keys),
            Some("set") => ListType::Set,
            _ => ListType::Atomic,
        };
        Ok(schema)
    }

    /// The schema of a field. `None`: there is no such field.
    pub fn field(&self, name: &str) -> Option<&Self> {
        self.properties.get(name).or(self.additional.as_deref())
    }

    /// The fields that have names of their own.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.properties
            .iter()
            .map(|(name, inner)| (name.as_str(), inner))
    }

    /// The schema of a list's items.
    pub fn items(&self) -> Option<&Self> {
        self.items.as_deref()
    }

    /// Whether fields that it does not know may be there.
    pub fn keeps_unknown(&self) -> bool {
        self.preserve_unknown
    }

    /// How many rules there are at this node and below.
    pub fn rules(&self) -> usize {
        let below = self.properties.values();
        let below = below.chain(self.items.as_deref());
        let below = below.chain(self.additional.as_deref());
        self.rules.len() + below.map(Self::rules).sum::<usize>()
    }

    /// Drops what the schema does not have, and nulls where none may be. Gives the paths of the unknown fields.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        if let Value::Object(fields) = object {
            for (name, schema) in &self.properties {
                if let Some(value) = fields.get_mut(name) {
                    schema.prune_at(name, value, &mut unknown);
                }
            }
            fields.retain(|name, value| {
                let meta = ["apiVersion", "kind", "metadata"].contains(&name.as_str());
                let known = meta || self.properties.contains_key(name);
                if !known {
                    unknown.push(name.clone());
                }
                known && self.keeps_null(name, value)
            });
        }
        unknown
    }

    /// Whether a field stays as far as null is concerned.
    fn keeps_null(&self, name: &str, value: &Value) -> bool {
        !value.is_null() || self.properties.get(name).is_none_or(|inner| inner.nullable)
    }

    fn prune_at(&self, path: &str, value: &mut Value, unknown: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    let inner = self.properties.get(name).or(self.additional.as_deref());
                    if let Some(inner) = inner {
                        inner.prune_at(&format!("{path}.{name}"), value, unknown);
                    }
                }
                if self.additional.is_none() && !self.preserve_unknown {
                    fields.retain(|name, value| {
                        let known = self.properties.contains_key(name);
                        if !known {
                            unknown.push(format!("{path}.{name}"));
                        }
                        known && self.keeps_null(name, value)
                    });
                }
            }
            Value::Array(items) => {
                if let Some(inner) = &self.items {
                    for (index, item) in items.iter_mut().enumerate() {
                        inner.prune_at(&format!("{path}[{index}]"), item, unknown);
                    }
                }
            }
            _ => {}
        }
    }

    /// Puts defaults where nothing is.
    pub fn fill(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, inner) in &self.properties {
                    if let (false, Some(default)) = (fields.contains_key(name), &inner.default) {
                        fields.insert(name.clone(), default.clone());
                    }
                    if let Some(value) = fields.get_mut(name) {
                        inner.fill(value);
                    }
                }
                if let Some(inner) = &self.additional {
                    for (name, value) in fields.iter_mut() {
                        if !self.properties.contains_key(name) {
                            inner.fill(value);
                        }
                    }
                }
            }
            Value::Array(items) => {
                if let Some(inner) = &self.items {
                    items.iter_mut().for_each(|item| inner.fill(item));
                }
            }
            _ => {}
        }
    }

    /// What is wrong with a value, or with its change: what stays as it was is not held against newer rules.
    pub fn check(&self, value: &Value, old: Option<&Value>) -> Vec<Cause> {
        let mut causes = Vec::new();
        self.shape("", value, old, &mut causes);
        // As with the real one, rules are looked at only when the shape is right: they may rely on it.
        if causes.is_empty() {
            self.hold("", value, old, &mut causes);
        }
        causes
    }

    fn shape(&self, path: &str, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
        if old == Some(value) || (value.is_null() && self.nullable) {
            return;
        }
        let mut found = |problem, message: String, wanted| {
            causes.push(Cause::new(path, problem, message).wanting(wanted));
        };
        let fits = if self.int_or_string {
            value.is_i64() || value.is_u64() || value.is_string()
        } else {
            self.kind.is_none_or(|kind| kind.fits(value))
        };
        if !fits {
            let wanted = self.kind.map_or(INT_OR_STRING, Type::name);
            found(
                Problem::Invalid,
                format!(
                    "{value}: {} in body must be of type {wanted}",
                    path.trim_start_matches('.')
                ),
                Wanted::Type(wanted),
            );
            return;
        }
        if !self.words.is_empty() && !self.words.contains(value) {
            let words: Vec<String> = self.words.iter().map(Value::to_string).collect();
            found(
                Problem::Unsupported,
                format!("{value}: supported values: {}", words.join(", ")),
                Wanted::Words(self.words.clone()),
            );
        }
        match value {
            Value::String(text) => self.text(path, text, &mut found),
            Value::Number(number) => self.number(path, number.as_f64().unwrap_or(0.0), &mut found),
            Value::Array(items) => {
                self.count(path, items.len(), "items", &mut found);
                self.alike(path, items, causes);
                if let Some(inner) = &self.items {
                    for (index, item) in items.iter().enumerate() {
                        inner.shape(&format!("{path}[{index}]"), item, None, causes);
                    }
                }
            }
            Value::Object(fields) => {
                self.count(path, fields.len(), "properties", &mut found);
                for name in self.required.iter().filter(|n| !fields.contains_key(*n)) {
                    let cause = Cause::new(&format!("{path}.{name}"), Problem::Required, "");
                    causes.push(cause.wanting(Wanted::Present));
                }
                for (name, inner, value) in self.below(fields) {
                    let old = old.and_then(|old| old.get(name));
                    inner.shape(&format!("{path}.{name}"), value, old, causes);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// The fields that have a schema.
    fn below<'a>(
        &'a self,
        fields: &'a Map<String, Value>,
    ) -> impl Iterator<Item = (&'a String, &'a Schema, &'a Value)> {
        fields.iter().filter_map(|(name, value)| {
            let inner = self.properties.get(name).or(self.additional.as_deref())?;
            Some((name, inner, value))
        })
    }

    fn text(&self, path: &str, text: &str, found: &mut impl FnMut(Problem, String, Wanted)) {
        let path = path.trim_start_matches('.');
        let length = text.chars().count() as u64;
        if self.most_length.is_some_and(|most| length > most) {
            let most = self.most_length.unwrap_or_default();
            found(
                Problem::TooLong,
                format!("may not be more than {most} bytes"),
                Wanted::NoLonger(most),
            );
        }
        if self.least_length.is_some_and(|least| length < least) {
            let least = self.least_length.unwrap_or_default();
            found(
                Problem::Invalid,
                format!("{text:?}: {path} in body should be at least {least} chars long"),
                Wanted::NoShorter(least),
            );
        }
        if let Some(pattern) = self.pattern.as_ref().filter(|p| !p.is_match(text)) {
            found(
                Problem::Invalid,
                format!("{text:?}: {path} in body should match '{pattern}'"),
                Wanted::Pattern(pattern.clone()),
            );
        }
        if self.date_time && text.parse::<jiff::Timestamp>().is_err() {
            found(
                Problem::Invalid,
                format!("{text:?}: {path} in body must be of type date-time: {text:?}"),
                Wanted::DateTime,
            );
        }
    }

    fn number(&self, path: &str, number: f64, found: &mut impl FnMut(Problem, String, Wanted)) {
        let path = path.trim_start_matches('.');
        if let Some(least) = self.least.filter(|least| number < *least) {
            found(
                Problem::Invalid,
                format!("{number}: {path} in body should be greater than or equal to {least}"),
                Wanted::AtLeast(least),
            );
        }
        if let Some(most) = self.most.filter(|most| number > *most) {
            found(
                Problem::Invalid,
                format!("{number}: {path} in body should be less than or equal to {most}"),
                Wanted::AtMost(most),
            );
        }
    }

    fn count(
        &self,
        path: &str,
        count: usize,
        of: &str,
        found: &mut impl FnMut(Problem, String, Wanted),
    ) {
        let path = path.trim_start_matches('.');
        if let Some(most) = self.most_length.filter(|most| count as u64 > *most) {
            found(
                Problem::TooMany,
                format!("{count}: must have at most {most} {of}"),
                Wanted::NoLonger(most),
            );
        }
        if let Some(least) = self.least_length.filter(|least| (count as u64) < *least) {
            found(
                Problem::Invalid,
                format!("{count}: {path} in body should have at least {least} {of}"),
                Wanted::NoShorter(least),
            );
        }
    }

    /// Items that may not be twice.
    fn alike(&self, path: &str, items: &[Value], causes: &mut Vec<Cause>) {
        let identity = |item: &Value| match &self.list {
            ListType::Atomic => None,
            ListType::Set => Some(item.to_string()),
            ListType::Map(keys) => {
                let keys: Vec<String> = keys.iter().map(|key| item[key].to_string()).collect();
                Some(keys.join(","))
            }
        };
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            if identity(item).is_some_and(|identity| !seen.insert(identity)) {
                let path = format!("{path}[{index}]");
                let cause = Cause::new(&path, Problem::Duplicate, item.to_string());
                causes.push(cause.wanting(Wanted::Once));
            }
        }
    }

    fn hold(&self, path: &str, value: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
        if old == Some(value) || value.is_null() {
            return;
        }
        for rule in &self.rules {
            if let Some(message) = rule.broken_by(value, old) {
                let kind = self.kind.map_or("", Type::name);
                let wanted = Wanted::Rule(message.clone());
                let message = format!("{kind:?}: {message}");
                causes.push(Cause::new(path, Problem::Invalid, message).wanting(wanted));
            }
        }
        match value {
            Value::Object(fields) => {
                for (name, inner, value) in self.below(fields) {
                    let old = old.and_then(|old| old.get(name));
                    inner.hold(&format!("{path}.{name}"), value, old, causes);
                }
            }
            Value::Array(items) => {
                if let Some(inner) = &self.items {
                    for (index, item) in items.iter().enumerate() {
                        inner.hold(&format!("{path}[{index}]"), item, None, causes);
                    }
                }
            }
            _ => {}
        }
    }
}

/// Bounds may be written `100.0`.
fn whole(value: &Value) -> Option<u64> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bounds of schemas are small and not negative"
    )]
    value
        .as_u64()
        .or_else(|| value.as_f64().map(|bound| bound as u64))
}

fn type_of(value: &Value, path: &str) -> Result<Type> {
    Ok(match value.as_str() {
        Some("object") => Type::Object,
        Some("array") => Type::Array,
        Some("string") => Type::String,
        Some("integer") => Type::Integer,
        Some("number") => Type::Number,
        Some("boolean") => Type::Boolean,
        _ => bail!("{path:?} is of type {value}, which is not known here"),
    })
}

fn rule_of(value: &Value, path: &str) -> Result<Rule> {
    let fields = value.as_object().into_iter().flatten();
    for (name, _) in fields {
        // `messageExpression`, `optionalOldSelf` and the like change what a rule does.
        if !["rule", "message", "reason", "fieldPath"].contains(&name.as_str()) {
            bail!("a rule of {path:?} has {name}, which is not known here");
        }
    }
    let source = value["rule"]
        .as_str()
        .with_context(|| format!("a rule of {path:?} is empty"))?;
    Rule::new(source, value["message"].as_str()).with_context(|| format!("at {path:?}"))
}
