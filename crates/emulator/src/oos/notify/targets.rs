//! What Retry-, Skip- and CancelTask are aimed at.

use super::Verb;
use super::address::{named_tasks, other_item};
use crate::error::ApiError;
use crate::oos::control::wrong_status;
use crate::oos::engine::Engine;
use crate::oos::execution::{Execution, Pause, Status};
use crate::oos::request::{bad_parameter, optional_text};
use crate::oos::switches::OosSwitches;
use crate::oos::view::item_text;
use crate::params::Params;

/// A task to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) execution: String,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A task outside loops.
    Task(usize),
    /// A loop child task.
    Item(usize),
    /// An item of a loop parent task whose turn has not come.
    Unstarted { parent: usize, index: usize },
}

impl Engine {
    /// Finds the targets of a notification, as far as the switches accept its kind of address.
    pub(super) fn targets(
        &self,
        switches: &OosSwitches,
        id: &str,
        params: &Params,
    ) -> Result<Vec<Target>, ApiError> {
        let execution = &self.executions[id];
        let tasks = named_tasks(params)?;
        let item = optional_text(params, "LoopItem")?;
        let found = self.addressed(switches, execution, &tasks, item.as_deref())?;
        if let Some(item) = &item {
            for target in &found {
                let of_item = match target.what {
                    What::Task(task) | What::Item(task) => {
                        self.is_of_item(&target.execution, task, item)
                    }
                    // It was found by its item.
                    What::Unstarted { .. } => true,
                };
                if !of_item {
                    return Err(other_item("what is to be acted on"));
                }
            }
        }
        // Where the item decides, the tasks that are named besides must be of it.
        for target in found.iter().filter(|target| target.execution == id) {
            let own = match target.what {
                What::Task(task) | What::Item(task) => Some(&execution.tasks[task].id),
                What::Unstarted { .. } => None,
            };
            if !tasks.is_empty() && own.is_none_or(|own| !tasks.contains(own)) {
                let why = "names another task execution than the one to be acted on";
                return Err(bad_parameter("TaskExecutionIds", why));
            }
        }
        Ok(found)
    }

    /// Whether a task is one of a loop item, or lies in a child execution of it.
    pub(super) fn is_of_item(&self, execution: &str, task: usize, item: &str) -> bool {
        let mut at = Some((execution, task));
        while let Some((id, task)) = at {
            let Some(execution) = self.executions.get(id) else {
                return false;
            };
            let own = execution.tasks.get(task).and_then(|t| t.item.as_ref());
            if own.is_some_and(|own| item_text(own) == item) {
                return true;
            }
            at = execution
                .link
                .as_ref()
                .map(|link| (link.execution.as_str(), link.task));
        }
        false
    }

    fn addressed(
        &self,
        switches: &OosSwitches,
        execution: &Execution,
        tasks: &[String],
        item: Option<&str>,
    ) -> Result<Vec<Target>, ApiError> {
        let id = execution.id.as_str();
        if execution.link.is_some() {
            return self.in_child(switches, execution, tasks);
        }
        if execution.status.is_final() {
            return Err(wrong_status(id, execution.status, "it waits for nobody"));
        }
        if switches.notify_by_task_execution_id && !tasks.is_empty() {
            return tasks
                .iter()
                .map(|task| by_task_id(execution, task))
                .collect();
        }
        if let Some(item) = item
            && switches.notify_by_loop_item
        {
            return Ok(vec![by_loop_item(execution, item)?]);
        }
        if let [task] = tasks {
            // A task outside loops has no other address.
            let target = by_task_id(execution, task)?;
            if matches!(target.what, What::Task(_)) {
                return Ok(vec![target]);
            }
            return Err(refused(id));
        }
        if !tasks.is_empty() {
            return Err(refused(id));
        }
        let failed = execution
            .tasks
            .iter()
            .position(|t| t.pause == Some(Pause::Failure) && t.looped.is_none());
        match failed {
            Some(task) => Ok(vec![Target {
                execution: id.to_owned(),
                what: What::Task(task),
            }]),
            None => Err(refused(id)),
        }
    }

    /// Addresses that name the child execution.
    fn in_child(
        &self,
        switches: &OosSwitches,
        child: &Execution,
        tasks: &[String],
    ) -> Result<Vec<Target>, ApiError> {
        if !switches.notify_by_child_execution {
            return Err(refused(&child.id));
        }
        if child.status.is_final() {
            let Some(link) = child
                .link
                .as_ref()
                .filter(|_| child.status == Status::Failed)
            else {
                return Err(wrong_status(&child.id, child.status, "it waits for nobody"));
            };
            let parent = &self.executions[&link.execution];
            // Only the newest child of a task stands for it.
            if parent.tasks[link.task].child.as_ref() != Some(&child.id) {
                return Err(wrong_status(
                    &child.id,
                    child.status,
                    "a newer one replaced it",
                ));
            }
            return Ok(vec![target_of(parent, link.task)]);
        }
        if tasks.is_empty() {
            let failed = child
                .tasks
                .iter()
                .position(|t| t.pause == Some(Pause::Failure))
                .ok_or_else(|| wrong_status(&child.id, child.status, "no task in it failed"))?;
            return Ok(vec![target_of(child, failed)]);
        }
        tasks.iter().map(|task| by_task_id(child, task)).collect()
    }

    /// Whether a verb fits the state of its target.
    pub(super) fn check(&self, target: &Target, verb: Verb) -> Result<(), ApiError> {
        let execution = &self.executions[&target.execution];
        let refuse = |status: Status, what: &str| Err(wrong_status(&execution.id, status, what));
        match target.what {
            What::Unstarted { .. } if verb == Verb::Retry => {
                refuse(execution.status, "that item has not run yet")
            }
            What::Unstarted { .. } => Ok(()),
            What::Task(task) => {
                let t = &execution.tasks[task];
                match t.pause {
                    Some(Pause::Failure) if t.looped.is_none() => Ok(()),
                    _ => refuse(t.status, "that task does not wait for this"),
                }
            }
            What::Item(task) => {
                let t = &execution.tasks[task];
                let is_unresolved = t
                    .parent
                    .and_then(|parent| execution.tasks[parent].looped.as_ref())
                    .is_some_and(|run| run.unresolved.contains(&task));
                if is_unresolved || (!t.status.is_final() && verb != Verb::Retry) {
                    Ok(())
                } else {
                    refuse(t.status, "that item does not wait for this")
                }
            }
        }
    }
}

fn refused(id: &str) -> ApiError {
    ApiError::new(
        400,
        "InvalidParameter",
        format!("The request does not name a task of the execution {id} that can be acted on."),
    )
}

fn target_of(execution: &Execution, task: usize) -> Target {
    Target {
        execution: execution.id.clone(),
        what: match execution.tasks[task].parent {
            Some(_) => What::Item(task),
            None => What::Task(task),
        },
    }
}

fn by_task_id(execution: &Execution, task: &str) -> Result<Target, ApiError> {
    let position = execution.tasks.iter().position(|t| t.id == task);
    let Some(position) = position else {
        return Err(ApiError::new(
            404,
            "EntityNotExists.TaskExecution",
            format!(
                "The specified task execution {task} does not exist in {}.",
                execution.id
            ),
        ));
    };
    Ok(target_of(execution, position))
}

fn by_loop_item(execution: &Execution, item: &str) -> Result<Target, ApiError> {
    for (parent, task) in execution.tasks.iter().enumerate().rev() {
        let Some(run) = &task.looped else { continue };
        if task.status.is_final() {
            continue;
        }
        let Some(index) = run.items.iter().position(|own| item_text(own) == item) else {
            continue;
        };
        return Ok(Target {
            execution: execution.id.clone(),
            what: match run.children.get(&index) {
                Some(child) => What::Item(*child),
                None => What::Unstarted { parent, index },
            },
        });
    }
    Err(bad_parameter(
        "LoopItem",
        "no loop under way has such an item",
    ))
}
