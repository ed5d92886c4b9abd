//! Expressions: `{{ references }}`, pseudo parameters and `Fn::` calls inside template values.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::functions;
use super::jq::weight;
use super::store::{Store, are_in, derived};
use super::switches::BatchSplit;
use super::template::{MAX_DEPTH, TaskSpec, call_in, stray_call};

/// Most characters that one resolved value may grow to by splicing.
const MAX_TEXT: usize = 1024 * 1024;
/// Most that one value may take in by references, by weight. Templates that put a value into
/// itself twice, over and over, end here.
pub(super) const MAX_WEIGHT: usize = 1_000_000;
/// How often text that came out of a parameter is looked through for further references.
/// OOS does so, which is why a script that holds `{{` is not safe to pass.
const MAX_PASSES: usize = 3;
/// In place of an error that would show a part of an encrypted value.
pub(super) const UNSHOWN: &str =
    "it fails on a value that an encrypted parameter is in, which is not shown";

/// Functions that put texts together as they are, or write them in base64 or JSON: what is encrypted in
/// the result is found there, and the rest of it may show. What any other one computes is hidden as a whole.
const SPLICES: &[&str] = &["Join", "Sub", "Base64Encode", "Escape"];

/// What expressions can see.
pub(super) struct Scope<'a> {
    pub(super) parameters: &'a Map<String, Value>,
    /// Outputs of tasks that have ended, by task name.
    pub(super) tasks: &'a BTreeMap<String, Map<String, Value>>,
    /// Names of all tasks. What one of them that never ran would have put out is null.
    pub(super) declared: &'a [TaskSpec],
    /// The `Conditions` of the template.
    pub(super) conditions: &'a Map<String, Value>,
    pub(super) item: Option<&'a Value>,
    /// The parameter store, and the region whose parameters it gives.
    pub(super) store: &'a Store,
    pub(super) region: &'a str,
    /// Values of pseudo parameters other than `ACS::TaskLoopItem`, without the `ACS::`.
    pub(super) pseudo: BTreeMap<&'static str, Value>,
    pub(super) now: Timestamp,
    pub(super) split: BatchSplit,
}

/// Resolves expressions against a [`Scope`].
pub(super) struct Resolver<'a> {
    pub(super) scope: &'a Scope<'a>,
    /// Weight of what may still be looked up or made by functions.
    budget: usize,
    /// Conditions looked at so far; `None` while one is being looked at, which finds circles.
    known: BTreeMap<&'a str, Option<bool>>,
    /// What functions made of encrypted parameters.
    pub(super) derived: BTreeSet<String>,
    /// Whether something of an encrypted parameter went into what is being resolved.
    tainted: bool,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(scope: &'a Scope<'a>) -> Self {
        Self {
            scope,
            budget: MAX_WEIGHT,
            known: BTreeMap::new(),
            derived: BTreeSet::new(),
            tainted: false,
        }
    }

    /// Whether a `When` holds: the name of a condition, or an expression that is true or false.
    pub(super) fn holds(&mut self, when: &Value) -> Result<bool, String> {
        let value = self.condition_or(when, 0)?;
        functions::truth(&value)
    }

    /// The value of the condition that a text names, or else the resolved value.
    fn condition_or(&mut self, value: &Value, depth: usize) -> Result<Value, String> {
        match value {
            Value::String(name) => match self.scope.conditions.get_key_value(name) {
                Some((name, condition)) => self.condition(name, condition, depth),
                None => self.text(name, 0),
            },
            other => self.resolve_at(other, depth),
        }
    }

    fn condition(
        &mut self,
        name: &'a str,
        condition: &'a Value,
        depth: usize,
    ) -> Result<Value, String> {
        match self.known.get(name) {
            Some(Some(known)) => return Ok(json!(known)),
            Some(None) => return Err(format!("the condition {name} refers to itself")),
            None => {}
        }
        self.known.insert(name, None);
        let value = self
            .resolve_at(condition, depth + 1)
            .and_then(|value| functions::truth(&value))
            .map_err(|e| format!("condition {name}: {e}"))?;
        self.known.insert(name, Some(value));
        Ok(json!(value))
    }

    /// The argument of a function. Where one takes a truth, the name of a condition may stand.
    fn argument(
        &mut self,
        function: &str,
        argument: &Value,
        depth: usize,
    ) -> Result<Value, String> {
        let conditions = match (function, argument) {
            ("And" | "Or" | "Not", Value::Array(list)) => list.len(),
            ("If", Value::Array(list)) => list.len().min(1),
            ("Not", Value::String(_)) => return self.condition_or(argument, depth),
            _ => 0,
        };
        let Value::Array(list) = argument else {
            return self.resolve_at(argument, depth);
        };
        let mut out = Vec::with_capacity(list.len());
        for (i, member) in list.iter().enumerate() {
            out.push(if i < conditions {
                self.condition_or(member, depth + 1)?
            } else {
                self.resolve_at(member, depth + 1)?
            });
        }
        Ok(Value::Array(out))
    }

    /// The value with every reference and function in it replaced.
    pub(super) fn resolve(&mut self, value: &Value) -> Result<Value, String> {
        self.resolve_at(value, 0)
    }

    fn resolve_at(&mut self, value: &Value, depth: usize) -> Result<Value, String> {
        if depth > 2 * MAX_DEPTH {
            return Err("the value nests too deeply".to_owned());
        }
        match value {
            Value::String(text) => self.text(text, 0),
            Value::Array(list) => list
                .iter()
                .map(|v| self.resolve_at(v, depth + 1))
                .collect::<Result<Vec<_>, _>>()
                .map(Value::Array),
            Value::Object(map) => {
                if let Some((name, argument)) = call_in(map) {
                    let outside = std::mem::take(&mut self.tainted);
                    let argument = self.argument(name, argument, depth + 1)?;
                    let secret =
                        (self.tainted || self.is_secret(&argument)).then(|| argument.clone());
                    self.tainted = outside || secret.is_some();
                    let made = functions::apply(name, argument, self.scope.now, self.scope.split);
                    // An error shows the part of its argument that is at fault.
                    let value = made.map_err(|e| match secret {
                        Some(_) => format!("Fn::{name}: {UNSHOWN}"),
                        None => e,
                    })?;
                    if let Some(argument) = secret {
                        let mut made = derived(&argument, &value);
                        if SPLICES.contains(&name) {
                            made.retain(|text| !self.scope.store.takes_apart(text));
                        }
                        self.derived.extend(made);
                    }
                    self.spend(&value)
                        .map_err(|()| format!("the value is too large at Fn::{name}"))?;
                    return Ok(value);
                }
                if let Some(key) = stray_call(map) {
                    return Err(format!(
                        "{key:?} calls no function: one is spelt Fn::Name, and is the only key of \
                         its object"
                    ));
                }
                let mut out = Map::new();
                for (key, v) in map {
                    let key = match self.text(key, 0)? {
                        Value::String(key) => key,
                        other => other.to_string(),
                    };
                    out.insert(key, self.resolve_at(v, depth + 1)?);
                }
                Ok(Value::Object(out))
            }
            other => Ok(other.clone()),
        }
    }

    /// Whether an encrypted value, or what this has made of one, is in a value.
    fn is_secret(&self, value: &Value) -> bool {
        self.scope.store.is_in(value) || are_in(&self.derived, value)
    }

    fn text(&mut self, text: &str, pass: usize) -> Result<Value, String> {
        if !text.contains("{{") {
            return Ok(json!(text));
        }
        let outside = std::mem::take(&mut self.tainted);
        let made = self.spliced(text, pass);
        if let (true, Ok(made @ Value::String(spliced))) = (self.tainted, &made)
            && !self.is_secret(made)
        {
            self.derived.insert(spliced.clone());
        }
        self.tainted |= outside;
        made
    }

    fn spliced(&mut self, text: &str, pass: usize) -> Result<Value, String> {
        let parts = split_references(text)?;
        if let [Part::Reference(name)] = parts.as_slice() {
            let value = self.look_up(name)?;
            return match value {
                Value::String(inner) if inner.contains("{{") && pass < MAX_PASSES => {
                    let secret = self.tainted;
                    let found = self.text(&inner, pass + 1);
                    // An error names the reference, which is a part of the value.
                    found.map_err(|e| if secret { UNSHOWN.to_owned() } else { e })
                }
                other => Ok(other),
            };
        }
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Reference(name) => match self.look_up(name)? {
                    Value::String(text) => out.push_str(&text),
                    Value::Null => {}
                    other => out.push_str(&other.to_string()),
                },
            }
            if out.len() > MAX_TEXT {
                return Err(format!("a text grew beyond {MAX_TEXT} bytes"));
            }
        }
        if out.contains("{{") && pass < MAX_PASSES && out != text {
            let secret = self.tainted;
            let found = self.text(&out, pass + 1);
            return found.map_err(|e| if secret { UNSHOWN.to_owned() } else { e });
        }
        Ok(json!(out))
    }

    fn look_up(&mut self, name: &str) -> Result<Value, String> {
        let value = self.find(name)?;
        self.tainted = self.tainted || self.is_secret(&value);
        self.spend(&value)
            .map_err(|()| format!("the value is too large at {{{{ {name} }}}}"))?;
        Ok(value)
    }

    fn spend(&mut self, value: &Value) -> Result<(), ()> {
        self.budget = self.budget.checked_sub(weight(value)).ok_or(())?;
        Ok(())
    }

    fn find(&self, name: &str) -> Result<Value, String> {
        let unknown = || format!("the reference {{{{ {name} }}}} is not defined");
        if let Some(stored) = self.scope.store.look_up(self.scope.region, name) {
            return stored;
        }
        if let Some(pseudo) = after(name, "ACS::") {
            if let Some(rest) = after(pseudo, "TaskLoopItem") {
                let item = self.scope.item.ok_or_else(unknown)?;
                return walk(item, rest.trim_start_matches('.')).ok_or_else(unknown);
            }
            let values = &self.scope.pseudo;
            return values
                .iter()
                .find(|(own, _)| own.eq_ignore_ascii_case(pseudo))
                .map(|(_, value)| value.clone())
                .ok_or_else(unknown);
        }
        if let Some(value) = self.scope.parameters.get(name) {
            return Ok(value.clone());
        }
        let (head, rest) = name.split_once('.').unwrap_or((name, ""));
        let task = self.task(head);
        let head = task.map_or(head, |task| task.name.as_str());
        if let Some(outputs) = self.scope.tasks.get(head) {
            if rest.is_empty() {
                return Ok(Value::Object(outputs.clone()));
            }
            if let Some(value) = outputs.get(rest) {
                return Ok(value.clone());
            }
            let (output, path) = rest.split_once('.').unwrap_or((rest, ""));
            // Public templates spell an output in another case than they declared it in, and work.
            let found = outputs
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(output));
            return match found {
                Some((_, value)) => walk(value, path).ok_or_else(unknown),
                // The task failed or was skipped before it put anything out.
                None if task.is_some_and(|task| task.declares(output)) => Ok(Value::Null),
                None => Err(unknown()),
            };
        }
        if task.is_some() {
            return Ok(Value::Null);
        }
        // Public templates spell parameters in another case than they declared them in, and work.
        if let Some(value) = self.parameter(name) {
            return Ok(value.clone());
        }
        // OOS drops dots from parameter names inside templates.
        if let Some(value) = self.parameter(head) {
            return walk(value, rest).ok_or_else(unknown);
        }
        Err(unknown())
    }

    fn task(&self, name: &str) -> Option<&'a TaskSpec> {
        let tasks = self.scope.declared;
        tasks.iter().find(|task| task.name == name).or_else(|| {
            let is_parameter = self.scope.parameters.contains_key(name);
            tasks
                .iter()
                .find(|task| !is_parameter && task.name.eq_ignore_ascii_case(name))
        })
    }

    fn parameter(&self, name: &str) -> Option<&Value> {
        let parameters = self.scope.parameters;
        parameters.get(name).or_else(|| {
            parameters
                .iter()
                .find(|(own, _)| own.eq_ignore_ascii_case(name))
                .map(|(_, value)| value)
        })
    }
}

/// What follows a prefix. Templates spell pseudo parameters in more than one case.
fn after<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Follows `a.b.c` into a value; the empty path is the value itself.
fn walk(value: &Value, path: &str) -> Option<Value> {
    let mut here = value;
    for step in path.split('.').filter(|step| !step.is_empty()) {
        here = match here {
            Value::Object(map) => map.get(step)?,
            Value::Array(list) => list.get(step.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(here.clone())
}

enum Part<'a> {
    Text(&'a str),
    Reference(&'a str),
}

/// What the references in a text name. None of a text whose braces do not match, which fails when it
/// is looked at.
pub(super) fn references(text: &str) -> Vec<&str> {
    let parts = split_references(text).unwrap_or_default();
    let names = parts.into_iter().filter_map(|part| match part {
        Part::Reference(name) => Some(name),
        Part::Text(_) => None,
    });
    names.collect()
}

fn split_references(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        let (before, after) = rest.split_at(open);
        let Some(close) = after.find("}}") else {
            return Err("a {{ has no }}".to_owned());
        };
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        parts.push(Part::Reference(after[2..close].trim()));
        rest = &after[close + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}
