//! What executions keep in memory, by estimate, and how much they may.

use std::collections::VecDeque;

use serde_json::{Map, Value};

use super::execution::{Execution, Log, Task};

/// Bytes that a root and all executions below it may keep. An update of 1,000 instances by a script
/// of 16 KB, the longest that Cloud Assistant is sure to take, keeps half of it.
const MAX_FAMILY_BYTES: usize = 160 * MIB;
/// Bytes that all executions may keep before ended ones are let go of: 160 updates of 50 instances
/// with all below them, or 1,000 of which the last 25 have it.
const MAX_BYTES: usize = 256 * MIB;
/// Bytes beyond which executions that still run are ended.
const MAX_RUNNING_BYTES: usize = 512 * MIB;
const MIB: usize = 1024 * 1024;

/// The bounds, which tests set lower.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) family: usize,
    pub(super) ended: usize,
    pub(super) running: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            family: MAX_FAMILY_BYTES,
            ended: MAX_BYTES,
            running: MAX_RUNNING_BYTES,
        }
    }
}

/// What all executions keep, and which of them have ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept {
    pub(super) bytes: usize,
    pub(super) bounds: Bounds,
    /// Ended roots with all below them, in the order of their ends.
    pub(super) whole: VecDeque<String>,
    /// Ended roots without what was below them.
    pub(super) bare: VecDeque<String>,
}

/// Why executions may not go on that keep too much: all together, or those of one start.
pub(super) fn too_much(all: bool) -> String {
    if all {
        format!(
            "All executions together keep more than {} MiB; delete some with DeleteExecutions.",
            MAX_RUNNING_BYTES / MIB
        )
    } else {
        format!(
            "The execution and those that it started keep more than {} MiB.",
            MAX_FAMILY_BYTES / MIB
        )
    }
}

/// What an allocation costs beside its bytes.
const ALLOCATION: usize = 16;

/// What a value keeps.
pub(super) fn of_value(value: &Value) -> usize {
    let mut bytes = size_of::<Value>();
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => bytes += text.len() + ALLOCATION,
            Value::Array(list) => {
                bytes += list.len() * size_of::<Value>() + ALLOCATION;
                open.extend(list);
            }
            Value::Object(map) => {
                bytes += of_entries(map);
                open.extend(map.values());
            }
            _ => {}
        }
    }
    bytes
}

/// What a map keeps.
pub(super) fn of_map(map: &Map<String, Value>) -> usize {
    of_entries(map) + map.values().map(of_value).sum::<usize>()
}

/// The nodes of a map, which have room for eleven entries each, and its keys.
fn of_entries(map: &Map<String, Value>) -> usize {
    let nodes = map.len().div_ceil(8);
    nodes * 11 * size_of::<(String, Value)>()
        + map.keys().map(|key| key.len() + ALLOCATION).sum::<usize>()
}

/// What a new task keeps.
pub(super) fn of_new_task(task: &Task) -> usize {
    size_of::<Task>() + task.id.len() + ALLOCATION
}

/// What a line of the log keeps.
pub(super) fn of_log(log: &Log) -> usize {
    size_of::<Log>() + log.task.len() + log.message.len() + 2 * ALLOCATION
}

fn of_task(task: &Task) -> usize {
    let run = task.looped.as_ref().map_or(0, |run| {
        run.items.iter().map(of_value).sum::<usize>() + run.children.len() * 32
    });
    of_new_task(task)
        + task.message.len()
        + task.note.len()
        + task.child.as_ref().map_or(0, String::len)
        + task.item.as_ref().map_or(0, of_value)
        + of_value(&task.properties)
        + of_map(&task.outputs)
        + run
}

/// What an execution keeps, without those below it.
pub(super) fn of_execution(execution: &Execution) -> usize {
    let texts = [
        &execution.id,
        &execution.parent_id,
        &execution.root_id,
        &execution.family,
        &execution.message,
        &execution.description,
        &execution.acting.principal,
        &execution.starter.principal,
    ];
    let children = execution.children.iter();
    size_of::<Execution>()
        + texts.map(|t| t.len() + ALLOCATION).iter().sum::<usize>()
        + of_map(&execution.parameters)
        + of_map(&execution.outputs)
        + of_map(&execution.tags)
        + execution.tasks.iter().map(of_task).sum::<usize>()
        + execution.named.values().map(of_map).sum::<usize>()
        + children.map(|id| id.len() + 40).sum::<usize>()
        + execution.logs.iter().map(of_log).sum::<usize>()
}
