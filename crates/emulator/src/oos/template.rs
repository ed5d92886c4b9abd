//! Templates: reading the `OOS-2019-06-01` format from YAML or JSON, with its limits.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::cut::{cut, shorten};
use super::near::nearest;
use super::parameters::Declaration;
use super::yaml;
use crate::params::exact;

/// Longest template text, in bytes (64 KB, as in the OOS limits).
const MAX_CONTENT: usize = 64 * 1024;
/// Deepest nesting of lists and objects. Resolving references recurses on it.
pub(super) const MAX_DEPTH: usize = 48;
/// Most tasks in one template.
const MAX_TASKS: usize = 100;

/// One task of a template, as written.
#[derive(Debug, Clone)]
pub(super) struct TaskSpec {
    pub(super) name: String,
    pub(super) action: String,
    pub(super) properties: Value,
    pub(super) when: Option<Value>,
    pub(super) looped: Option<Value>,
    /// Declared outputs: name to `{Type, ValueSelector}`.
    pub(super) outputs: Map<String, Value>,
    pub(super) on_error: Option<String>,
    pub(super) on_success: Option<String>,
    /// The whole task object, for `Retries`, `Delay` and their kind.
    pub(super) raw: Map<String, Value>,
}

/// A template that has been read.
#[derive(Debug)]
pub(super) struct Template {
    pub(super) description: String,
    pub(super) ram_role: Option<Value>,
    pub(super) parameters: BTreeMap<String, Declaration>,
    pub(super) tasks: Vec<TaskSpec>,
    pub(super) outputs: Map<String, Value>,
    /// What a `When` may name. Values are looked at where they are used, because a condition may
    /// refer to the outputs of tasks.
    pub(super) conditions: Map<String, Value>,
    /// Whether there are `Rules`, which nobody looks at.
    pub(super) has_rules: bool,
}

/// A stored version of a template.
#[derive(Debug)]
pub(super) struct Version {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) content: String,
    pub(super) hash: String,
    pub(super) public: bool,
    pub(super) parsed: Template,
}

impl Version {
    pub(super) fn new(
        id: &str,
        name: &str,
        version: &str,
        content: &str,
        public: bool,
    ) -> Result<Arc<Self>, String> {
        let parsed = Template::parse(content).map_err(|e| cut(&e))?;
        let hash = Sha256::digest(content.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Arc::new(Self {
            id: id.to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            content: content.to_owned(),
            hash,
            public,
            parsed,
        }))
    }

    /// `JSON` or `YAML`, as `TemplateFormat` shows it.
    pub(super) fn format(&self) -> &'static str {
        if self.content.trim_start().starts_with('{') {
            "JSON"
        } else {
            "YAML"
        }
    }
}

impl TaskSpec {
    /// Whether the task, or its loop, declares an output of that name. As where outputs are
    /// looked up, case does not count.
    pub(super) fn declares(&self, output: &str) -> bool {
        let of_loop = self.looped.as_ref().and_then(|l| l.get("Outputs"));
        self.outputs
            .keys()
            .chain(
                of_loop
                    .and_then(Value::as_object)
                    .into_iter()
                    .flat_map(Map::keys),
            )
            .any(|name| name.eq_ignore_ascii_case(output))
    }

    /// Whether the task declares what a path behind its name begins with. Names may hold dots.
    pub(super) fn declares_path(&self, path: &str) -> bool {
        let first = path.split('.').next().unwrap_or_default();
        self.declares(path) || self.declares(first)
    }
}

/// The content of a template as a value, whatever it says.
pub(super) fn value_of(content: &str) -> Result<Value, String> {
    if content.len() > MAX_CONTENT {
        return Err(format!("the template is longer than {MAX_CONTENT} bytes"));
    }
    match content.trim_start().starts_with('{') {
        true => exact::read(content)
            .or_else(|json| yaml::read(content, MAX_DEPTH).map_err(|_| json))
            .map_err(|e| format!("the template is not valid JSON: {e}")),
        false => yaml::read(content, MAX_DEPTH)
            .map_err(|e| format!("the template is not valid YAML: {e}")),
    }
}

impl Template {
    /// Reads a template. The error says what is wrong and where.
    pub(super) fn parse(content: &str) -> Result<Self, String> {
        let value = value_of(content)?;
        if depth(&value) > MAX_DEPTH {
            return Err(format!("the template nests deeper than {MAX_DEPTH}"));
        }
        let Value::Object(root) = value else {
            return Err("the template is not an object".to_owned());
        };
        match root.get("FormatVersion").and_then(Value::as_str) {
            Some("OOS-2019-06-01") => {}
            Some(other) => return Err(format!("FormatVersion {other:?} is not supported")),
            None => return Err("FormatVersion is missing; it must be OOS-2019-06-01".to_owned()),
        }
        let known = [
            "FormatVersion",
            "Description",
            "Parameters",
            "RamRole",
            "Tasks",
            "Outputs",
            "Metadata",
            "Conditions",
            "Rules",
        ];
        if let Some(key) = root.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(format!("the template has an unknown section {key:?}"));
        }
        let mut parameters = BTreeMap::new();
        for (name, spec) in object(root.get("Parameters"), "Parameters")? {
            parameters.insert(name.clone(), Declaration::parse(&name, &spec)?);
        }
        let tasks = parse_tasks(root.get("Tasks"))?;
        let conditions = object(root.get("Conditions"), "Conditions")?;
        check_conditions(&conditions, &tasks)?;
        Ok(Self {
            description: match root.get("Description") {
                Some(Value::String(text)) => text.clone(),
                Some(Value::Null) | None => String::new(),
                Some(other) => other.to_string(),
            },
            ram_role: root.get("RamRole").filter(|v| !v.is_null()).cloned(),
            parameters,
            tasks,
            outputs: object(root.get("Outputs"), "Outputs")?,
            conditions,
            has_rules: !object(root.get("Rules"), "Rules")?.is_empty(),
        })
    }

    /// Whether the `When` of a looped task is about its items, by itself or through a condition.
    pub(super) fn is_judged_by_item(&self, task: &TaskSpec) -> bool {
        let names_item = |value: &Value| {
            let text = value.to_string().to_ascii_lowercase();
            text.contains("acs::taskloopitem")
        };
        let Some(when) = task.when.as_ref().filter(|_| task.looped.is_some()) else {
            return false;
        };
        let named = when.as_str().and_then(|name| self.conditions.get(name));
        names_item(when) || named.is_some_and(names_item)
    }

    pub(super) fn task_index(&self, name: &str) -> Option<usize> {
        self.tasks.iter().position(|task| task.name == name)
    }
}

fn parse_tasks(value: Option<&Value>) -> Result<Vec<TaskSpec>, String> {
    let Some(Value::Array(list)) = value else {
        return Err("Tasks is missing or not a list".to_owned());
    };
    if list.is_empty() || list.len() > MAX_TASKS {
        return Err(format!("Tasks must hold 1 to {MAX_TASKS} tasks"));
    }
    let mut tasks: Vec<TaskSpec> = Vec::with_capacity(list.len());
    for (i, task) in list.iter().enumerate() {
        let Value::Object(raw) = task else {
            return Err(format!("task {} is not an object", i + 1));
        };
        let text = |key: &str, place: &str| match raw.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(format!("{key} of {place} must be a text")),
        };
        let place = format!("task {}", i + 1);
        let name = text("Name", &place)?.ok_or_else(|| format!("{place} has no Name"))?;
        check_name(&name).map_err(|e| format!("{place}: {e}"))?;
        let place = format!("task {name}");
        let action = text("Action", &place)?.ok_or_else(|| format!("{place} has no Action"))?;
        let same = |other: &&TaskSpec| other.name.eq_ignore_ascii_case(&name);
        if let Some(other) = tasks.iter().find(same) {
            return Err(match other.name == name {
                true => format!("two tasks are called {name}"),
                false => format!(
                    "the tasks {} and {name} differ in case alone, which references do not tell apart",
                    other.name
                ),
            });
        }
        tasks.push(TaskSpec {
            properties: raw.get("Properties").cloned().unwrap_or(Value::Null),
            when: raw.get("When").cloned(),
            looped: raw.get("Loop").filter(|v| !v.is_null()).cloned(),
            outputs: object(raw.get("Outputs"), "Outputs")?,
            on_error: text("OnError", &place)?,
            on_success: text("OnSuccess", &place)?,
            raw: raw.clone(),
            name,
            action,
        });
    }
    check_targets(&tasks)?;
    check_waits(&tasks)?;
    Ok(tasks)
}

/// References and answers name tasks by it.
fn check_name(name: &str) -> Result<(), String> {
    const MAX: usize = 200;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || name.len() > MAX || !name.chars().all(is_word) {
        return Err(format!(
            "the Name {} must be 1 to {MAX} letters, digits, hyphens and underscores",
            shorten(&format!("{name:?}"))
        ));
    }
    Ok(())
}

/// A wait or check says what it wants to see: one of the two lists is required (OOS help on
/// `ACS::WaitFor` and `ACS::CheckFor`).
fn check_waits(tasks: &[TaskSpec]) -> Result<(), String> {
    for task in tasks {
        let is_named = |key: &str| task.properties.get(key).is_some_and(|v| !v.is_null());
        if matches!(task.action.as_str(), "ACS::WaitFor" | "ACS::CheckFor")
            && !is_named("DesiredValues")
            && !is_named("NotDesiredValues")
        {
            return Err(format!(
                "task {} needs DesiredValues or NotDesiredValues",
                task.name
            ));
        }
    }
    Ok(())
}

/// The outermost function of a condition is one of four (OOS help on Conditions), and a `When`
/// that is plain text names one of them.
fn check_conditions(conditions: &Map<String, Value>, tasks: &[TaskSpec]) -> Result<(), String> {
    for (name, condition) in conditions {
        let function = condition
            .as_object()
            .and_then(call_in)
            .map(|(name, _)| name);
        if !matches!(function, Some("And" | "Or" | "Not" | "Equals")) {
            return Err(format!(
                "the condition {name} must be Fn::And, Fn::Or, Fn::Not or Fn::Equals"
            ));
        }
    }
    for task in tasks {
        if let Some(Value::String(when)) = &task.when
            && !when.contains("{{")
            && !matches!(when.to_ascii_lowercase().as_str(), "true" | "false")
            && !conditions.contains_key(when)
        {
            return Err(format!(
                "When of task {} names the condition {when:?}, which does not exist",
                task.name
            ));
        }
    }
    Ok(())
}

fn check_targets(tasks: &[TaskSpec]) -> Result<(), String> {
    let exists = |target: &str| {
        matches!(target, "ACS::END" | "ACS::NEXT") || tasks.iter().any(|t| t.name == target)
    };
    for task in tasks {
        let mut targets: Vec<&str> = Vec::new();
        targets.extend(task.on_error.as_deref());
        targets.extend(task.on_success.as_deref());
        if task.action == "ACS::Choice" {
            targets.extend(task.properties.get("DefaultTask").and_then(Value::as_str));
            if let Some(Value::Array(choices)) = task.properties.get("Choices") {
                targets.extend(
                    choices
                        .iter()
                        .filter_map(|c| c.get("NextTask").and_then(Value::as_str)),
                );
            }
        }
        if let Some(target) = targets.into_iter().find(|target| !exists(target)) {
            return Err(format!(
                "task {} goes to {target:?}, which does not exist",
                task.name
            ));
        }
    }
    Ok(())
}

fn object(value: Option<&Value>, section: &str) -> Result<Map<String, Value>, String> {
    match value {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(map)) => Ok(map.clone()),
        Some(_) => Err(format!("{section} is not an object")),
    }
}

/// Nesting of a value. Iterative, because the value may come from a stranger.
pub(super) fn depth(value: &Value) -> usize {
    let mut deepest = 0;
    let mut open = vec![(value, 1)];
    while let Some((value, level)) = open.pop() {
        deepest = deepest.max(level);
        match value {
            Value::Array(list) => open.extend(list.iter().map(|v| (v, level + 1))),
            Value::Object(map) => open.extend(map.values().map(|v| (v, level + 1))),
            _ => {}
        }
    }
    deepest
}

/// The function call that an object stands for: a single key that begins with `Fn::`.
pub(super) fn call_in(map: &Map<String, Value>) -> Option<(&str, &Value)> {
    if map.len() != 1 {
        return None;
    }
    let (key, argument) = map.iter().next()?;
    Some((key.strip_prefix("Fn::")?, argument))
}

/// A key that reads like a function and calls none: it stands beside others, or is not spelt
/// `Fn::Name`. The object would be taken for data.
pub(super) fn stray_call(map: &Map<String, Value>) -> Option<&str> {
    if call_in(map).is_some() {
        return None;
    }
    let reads_like_one = |key: &&str| {
        let head = key.get(..3);
        head.is_some_and(|head| head.eq_ignore_ascii_case("fn:"))
    };
    map.keys().map(String::as_str).find(reads_like_one)
}

/// Whether a key is among the names known.
pub(super) fn is_in(known: &[&[&str]], key: &str) -> bool {
    known.iter().any(|some| some.contains(&key))
}

/// Refuses a key that is none of those known.
pub(super) fn only(map: &Map<String, Value>, known: &[&[&str]], place: &str) -> Result<(), String> {
    let Some(key) = map.keys().find(|key| !is_in(known, key)) else {
        return Ok(());
    };
    let all = known.iter().copied().flatten().copied();
    let meant = nearest(key, all).map_or(String::new(), |name| format!("; {name} must be meant"));
    Err(format!("{place} has the unknown key {key:?}{meant}"))
}
