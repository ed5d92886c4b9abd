//! Tasks of the execution itself that failed: those before the loop over instances, and those after
//! it, loops among them.

use std::collections::BTreeSet;

use ess_rollout_cloud::{ExecutionStatus, TaskExecution};

use crate::rollout::progress::attempts::loops_over_instances;

/// A task of the root execution that failed.
pub(in crate::rollout) struct FailedTask<'a> {
    /// `TaskName`.
    pub(in crate::rollout) name: &'a str,
    /// What failed: the task, or those of its items that did.
    pub(in crate::rollout) parts: Vec<&'a TaskExecution>,
    /// How many items it has, where it is a loop.
    pub(in crate::rollout) items: Option<usize>,
}

impl FailedTask<'_> {
    /// What OOS says of it, of the first item of a loop.
    pub(super) fn why(&self) -> &str {
        let mut said = self.parts.iter().map(|part| part.status_message.as_str());
        said.find(|text| !text.is_empty())
            .unwrap_or("OOS does not say why")
    }
}

/// Whether the loop over instances is shown to have ended: nothing is left that an Approve could let
/// run.
pub(super) fn loop_has_ended(tasks: &[TaskExecution]) -> bool {
    let loops = loops_over_instances(tasks);
    let mut tasks = tasks.iter();
    tasks.any(|task| task.status.is_final() && loops.contains(task.id.as_str()))
}

/// Whether the loop over instances waits, whatever the root shows.
pub(super) fn loop_waits(tasks: &[TaskExecution]) -> bool {
    let parents: BTreeSet<&str> = tasks.iter().filter_map(|t| t.parent.as_deref()).collect();
    let waits = |task: &TaskExecution| task.status == ExecutionStatus::Waiting;
    let mut tasks = tasks.iter();
    tasks.any(|task| waits(task) && parents.contains(task.id.as_str()))
}

/// Every failed task of the root, in the order of the list. The loop over instances is none: it is
/// judged by its items; and one that has ended well all the same has tolerated its failures.
pub(in crate::rollout) fn failed(tasks: &[TaskExecution]) -> Vec<FailedTask<'_>> {
    let loops = loops_over_instances(tasks);
    let has_failed = |task: &&TaskExecution| task.status == ExecutionStatus::Failed;
    let mut found: Vec<FailedTask<'_>> = Vec::new();
    let mut looked: BTreeSet<&str> = BTreeSet::new();
    for task in tasks.iter().filter(has_failed) {
        let Some(parent) = task.parent.as_deref() else {
            if !tasks
                .iter()
                .any(|item| item.parent.as_ref() == Some(&task.id))
            {
                found.push(FailedTask {
                    name: &task.name,
                    parts: vec![task],
                    items: None,
                });
            }
            continue;
        };
        if loops.contains(parent) || !looked.insert(parent) {
            continue;
        }
        let listed = tasks.iter().find(|t| t.id == parent);
        let tolerated =
            listed.is_some_and(|t| t.status.is_final() && t.status != ExecutionStatus::Failed);
        if tolerated {
            continue;
        }
        let items = || tasks.iter().filter(|t| t.parent.as_deref() == Some(parent));
        found.push(FailedTask {
            name: listed.map_or(&task.name, |loop_task| &loop_task.name),
            parts: items().filter(has_failed).collect(),
            items: Some(items().count()),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    fn task(id: &str, parent: Option<&str>, child: bool, status: ExecutionStatus) -> TaskExecution {
        TaskExecution {
            id: id.into(),
            name: format!("name of {}", parent.unwrap_or(id)),
            action: String::new(),
            parent: parent.map(str::to_owned),
            child_execution: child.then(|| format!("exec-{id}")),
            status,
            status_message: format!("why {id}"),
            start: None,
            end: None,
            loop_batch: None,
            loop_item: None,
            outputs: Map::new(),
        }
    }

    fn names(tasks: &[TaskExecution]) -> Vec<(String, usize)> {
        let all = failed(tasks).into_iter();
        all.map(|t| (t.name.to_owned(), t.parts.len())).collect()
    }

    #[test]
    fn a_task_of_the_root_fails_by_itself_or_by_its_items() {
        use ExecutionStatus::{Failed, Success, Waiting};
        let mut tasks = vec![
            task("update", None, false, Success),
            task("u1", Some("update"), true, Failed),
            task("tag", None, false, Waiting),
            task("t1", Some("tag"), false, Failed),
            task("t2", Some("tag"), false, Success),
            task("t3", Some("tag"), false, Failed),
            task("resume", None, false, Failed),
        ];
        let tag = "name of tag".to_owned();
        let resume = ("name of resume".to_owned(), 1);
        assert_eq!(names(&tasks), [(tag, 2), resume.clone()]);
        assert!(loop_has_ended(&tasks));
        tasks[2].status = Success;
        assert_eq!(names(&tasks), [resume], "tolerated by its own MaxErrors");
    }
}
