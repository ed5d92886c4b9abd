//! The parameters of an execution, as OOS lists them.

use ess_rollout_cloud::Execution;
use serde_json::Value;

/// A parameter; an empty one counts as none, as the public templates have it.
pub(super) fn text<'a>(execution: &'a Execution, name: &str) -> Option<&'a str> {
    let text = execution.parameters.get(name)?.as_str()?;
    (!text.is_empty()).then_some(text)
}

/// A parameter that is a list of texts.
pub(super) fn list(execution: &Execution, name: &str) -> Option<Vec<String>> {
    let items = execution.parameters.get(name)?.as_array()?;
    let texts = items.iter().filter_map(Value::as_str).map(str::to_owned);
    Some(texts.collect())
}
