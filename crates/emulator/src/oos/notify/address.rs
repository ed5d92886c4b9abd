//! The parameters by which a notification says what it is about.

use crate::error::ApiError;
use crate::oos::request::{bad_parameter, each_once, json_parameter, optional_text};
use crate::params::Params;

/// The tasks that a notification names, each once.
pub(super) fn named_tasks(params: &Params) -> Result<Vec<String>, ApiError> {
    const NAME: &str = "TaskExecutionIds";
    let one = optional_text(params, "TaskExecutionId")?;
    let mut tasks: Vec<String> = Vec::new();
    if let Some(list) = json_parameter(params, NAME)? {
        let form = || bad_parameter(NAME, "must be a JSON array of texts");
        let list = list.as_array().ok_or_else(form)?;
        if list.is_empty() {
            let why = "names no task: leave it out, or give the ids of tasks";
            return Err(bad_parameter(NAME, why));
        }
        for value in list {
            let task = value.as_str().ok_or_else(form)?;
            tasks.push(task.to_owned());
        }
        each_once(NAME, &tasks)?;
    }
    // The same one in both parameters is no contradiction.
    if let Some(one) = one.filter(|one| !tasks.contains(one)) {
        tasks.insert(0, one);
    }
    Ok(tasks)
}

/// The refusal of a `LoopItem` that `what` does not belong to.
pub(super) fn other_item(what: &str) -> ApiError {
    let why = format!("is not the item of {what}: give the item that the task execution shows");
    bad_parameter("LoopItem", &why)
}
