//! Which keys of a task make a difference for its action. One that makes none is refused: whoever wrote
//! it counts on it.

use serde_json::Value;

use crate::oos::template::TaskSpec;

/// How a task repeats itself.
pub(in crate::oos) const RETRIES: &[&str] = &[
    "Retries",
    "DelayType",
    "Delay",
    "BackOff",
    "MaxRetryInterval",
];

/// Actions that only decide where to go on (OOS help on `ACS::Choice`).
const CHOICE: &str = "ACS::Choice";

/// Actions that get no answer, of which an output could select something.
const ANSWERLESS: &[&str] = &[
    CHOICE,
    "ACS::Sleep",
    "ACS::Approve",
    "ACS::Pause",
    "ACS::Notify",
];

/// Actions that are not repeated: what they do, or wait for, is the same the next time.
const ONCE: &[&str] = &[
    CHOICE,
    "ACS::Sleep",
    "ACS::Approve",
    "ACS::Pause",
    "ACS::TimerTrigger",
    "ACS::EventTrigger",
    "ACS::AlarmTrigger",
];

/// Actions that cannot be looped (OOS help on Loop: calls and cloud-product actions can, functional ones
/// such as triggers and `ACS::Sleep` cannot). Triggers are looked at by themselves.
const UNLOOPED: &[&str] = &["ACS::Sleep", "ACS::Approve", "ACS::Pause"];

pub(super) fn only_what_counts(task: &TaskSpec, place: &str) -> Result<(), String> {
    let action = task.action.as_str();
    let is_given = |key: &str| task.raw.get(key).is_some_and(|value| !value.is_null());
    if action == CHOICE {
        for (key, instead) in [
            (
                "Loop",
                "a choice is made once; give the Loop to the tasks that it leads to",
            ),
            (
                "OnSuccess",
                "NextTask of the choice and DefaultTask say where it goes on",
            ),
        ] {
            if is_given(key) {
                return Err(format!(
                    "{key} of {place} has no effect with {action}: {instead}"
                ));
            }
        }
    }
    if UNLOOPED.contains(&action) && is_given("Loop") {
        return Err(format!(
            "Loop of {place} has no effect with {action}, which is done once: loop over an ACS::Template \
             that has the task, or leave it out"
        ));
    }
    if ONCE.contains(&action)
        && let Some(key) = RETRIES.iter().find(|key| is_given(key))
    {
        return Err(format!(
            "{key} of {place} has no effect with {action}, which is not repeated; leave it out"
        ));
    }
    if !ANSWERLESS.contains(&action) {
        return Ok(());
    }
    for (name, output) in &task.outputs {
        if output.get("Value").is_none_or(Value::is_null) {
            return Err(format!(
                "output {name} of {place} selects from an answer, and {action} gets none; give it a \
                 Value or leave it out"
            ));
        }
    }
    Ok(())
}
