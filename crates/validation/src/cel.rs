//! The CEL rules of a schema (`x-kubernetes-validations`).

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use anyhow::{Result, anyhow};
use cel::{Context, Env, Program};
use serde_json::Value;

/// CEL's own functions: made once, as making them takes longer than most rules do.
static STANDARD: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

/// A compiled rule.
pub struct Rule {
    source: String,
    program: Program,
    /// Where there is none, the rule itself is said.
    message: Option<String>,
    /// It compares with the object before: it says nothing of a new one.
    transition: bool,
    /// It takes an object as a whole, not field by field.
    whole: bool,
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Rule").field(&self.source).finish()
    }
}

impl Rule {
    /// Compiles a rule.
    ///
    /// # Errors
    /// When it is no CEL.
    pub fn new(source: &str, message: Option<&str>) -> Result<Self> {
        let program = Program::compile(source)
            .map_err(|error| anyhow!("the rule {source:?} does not compile: {error}"))?;
        let transition = program.references().has_variable("oldSelf");
        Ok(Self {
            source: source.to_owned(),
            program,
            message: message.map(str::to_owned),
            transition,
            whole: takes_whole(source),
        })
    }

    /// What is said when the rule does not hold; `None` when it does.
    pub fn broken_by(&self, value: &Value, old: Option<&Value>) -> Option<String> {
        if self.transition && old.is_none() {
            return None;
        }
        let mut context = Context::with_env(STANDARD.clone());
        context.add_variable_from_value("self", self.seen(value));
        if let Some(old) = old {
            context.add_variable_from_value("oldSelf", self.seen(old));
        }
        match self.program.execute(&context) {
            Ok(cel::Value::Bool(true)) => None,
            Ok(cel::Value::Bool(false)) => Some(
                self.message
                    .clone()
                    .unwrap_or_else(|| format!("failed rule: {}", self.source)),
            ),
            Ok(other) => Some(format!("rule evaluated to {other:?}: {}", self.source)),
            Err(error) => Some(format!("{error} evaluating rule: {}", self.source)),
        }
    }
}

impl Rule {
    /// What the rule can see of a value: converting a whole status to look at a name would take most of the time.
    fn seen(&self, value: &Value) -> cel::Value {
        match value {
            Value::Object(fields) if !self.whole => {
                let named = |name: &str| self.source.contains(&format!(".{name}"));
                let fields = fields.iter().filter(|(name, _)| named(name));
                let fields: HashMap<String, cel::Value> = fields
                    .map(|(name, value)| (name.clone(), of_json(value)))
                    .collect();
                cel::Value::Map(fields.into())
            }
            other => of_json(other),
        }
    }
}

/// Whether `self` or `oldSelf` stands anywhere without a field after it.
fn takes_whole(source: &str) -> bool {
    let source = source.replace("oldSelf", "self");
    source
        .split("self")
        .skip(1)
        .any(|rest| !rest.starts_with('.'))
}

/// JSON has one kind of number, CEL three: whole numbers are `int`, as the schemas' integers are.
fn of_json(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(flag) => cel::Value::Bool(*flag),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => cel::Value::Int(whole),
            None => cel::Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            cel::Value::List(items.iter().map(of_json).collect::<Vec<_>>().into())
        }
        Value::Object(fields) => {
            let fields: HashMap<String, cel::Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), of_json(value)))
                .collect();
            cel::Value::Map(fields.into())
        }
    }
}

/// Evaluates an expression over the fields of an object, each a variable: `status.state == 'Running'`.
///
/// # Errors
/// When it is no CEL, reads a field that is not there, or gives something else than true or false.
pub fn holds(expression: &str, object: &Value) -> Result<bool> {
    let program = Program::compile(expression)
        .map_err(|error| anyhow!("{expression:?} does not compile: {error}"))?;
    let mut context = Context::with_env(STANDARD.clone());
    for (name, value) in object.as_object().into_iter().flatten() {
        context.add_variable_from_value(name.as_str(), of_json(value));
    }
    match program.execute(&context) {
        Ok(cel::Value::Bool(holds)) => Ok(holds),
        Ok(other) => Err(anyhow!("{expression:?} gives {other:?}")),
        Err(error) => Err(anyhow!("{expression:?}: {error}")),
    }
}
