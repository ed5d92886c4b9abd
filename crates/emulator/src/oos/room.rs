//! What is let go of when executions keep too much.
//!
//! A template comes from a stranger and may call itself in loops, so what one start may lead to has
//! a bound, and so has everything together. What has ended goes first: the executions below the
//! oldest roots, then these roots.

use std::collections::BTreeMap;

use serde_json::Value;

use super::engine::Engine;
use super::execution::Status;
use super::kept::{of_execution, too_much};

/// Ended roots that still have something running below them are passed over, so many in one go.
const MAX_PASSED_OVER: usize = 16;

impl Engine {
    /// Counts what an execution keeps more from now on.
    pub(super) fn charge(&mut self, id: &str, bytes: usize) {
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        execution.bytes += bytes;
        self.kept.bytes += bytes;
        if let Some(family) = self.families.get_mut(&execution.family) {
            family.bytes += bytes;
            let bounds = &self.kept.bounds;
            if family.bytes > bounds.family || self.kept.bytes > bounds.running {
                let all = family.bytes <= bounds.family;
                family.over.get_or_insert_with(|| too_much(all));
            }
        }
    }

    /// Counts what an execution no longer keeps.
    pub(super) fn uncharge(&mut self, id: &str, bytes: usize) {
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        let bytes = bytes.min(execution.bytes);
        execution.bytes -= bytes;
        let family = execution.family.clone();
        self.discharge(&family, bytes);
    }

    fn discharge(&mut self, family: &str, bytes: usize) {
        self.kept.bytes = self.kept.bytes.saturating_sub(bytes);
        if let Some(family) = self.families.get_mut(family) {
            family.bytes = family.bytes.saturating_sub(bytes);
        }
    }

    /// Counts anew what an execution keeps.
    pub(super) fn weigh(&mut self, id: &str) {
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        let family = execution.family.clone();
        let before = std::mem::take(&mut execution.bytes);
        let now = of_execution(execution);
        self.discharge(&family, before);
        self.charge(id, now);
    }

    /// Why the executions of a family may not go on, if they may not.
    pub(super) fn is_over(&self, id: &str) -> Option<String> {
        let execution = self.executions.get(id)?;
        self.families.get(&execution.family)?.over.clone()
    }

    /// Lets go of what only running executions need.
    pub(super) fn settle_kept(&mut self, id: &str) {
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        execution.named = BTreeMap::new();
        execution.tasks.shrink_to_fit();
        execution.logs.shrink_to_fit();
        let is_top = execution.link.is_none();
        self.weigh(id);
        if is_top {
            self.note_ended(id);
        }
    }

    /// Notes that a root, or the child of a trigger, has ended: it can be let go of.
    pub(super) fn note_ended(&mut self, id: &str) {
        // What was let go of otherwise, as the older children of a schedule are, is forgotten here,
        // too: a schedule of seconds ends millions in a year.
        if self.kept.whole.len() > 2 * self.executions.len() + MAX_PASSED_OVER {
            let executions = &self.executions;
            self.kept.whole.retain(|id| executions.contains_key(id));
            self.kept.bare.retain(|id| executions.contains_key(id));
        }
        self.kept.whole.push_back(id.to_owned());
    }

    /// Lets go of the oldest of what has ended, until the rest fits. What ended last stays whole.
    pub(super) fn make_room(&mut self) {
        let mut passed_over = 0;
        while self.kept.bytes > self.kept.bounds.ended {
            if self.kept.whole.len() > 1 + passed_over && passed_over < MAX_PASSED_OVER {
                let Some(id) = self.kept.whole.pop_front() else {
                    return;
                };
                if !self.executions.contains_key(&id) {
                    continue;
                }
                if !self.has_ended(&id) {
                    self.kept.whole.push_back(id);
                    passed_over += 1;
                    continue;
                }
                self.strip(&id);
                self.kept.bare.push_back(id);
            } else if let Some(id) = self.kept.bare.pop_front() {
                self.drop_from_parent(&id);
                self.forget(vec![id]);
            } else {
                return;
            }
        }
    }

    /// Whether an execution and all below it have ended.
    fn has_ended(&self, id: &str) -> bool {
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(execution) = self.executions.get(id) else {
                continue;
            };
            if !execution.status.is_final() {
                return false;
            }
            open.extend(execution.children.iter().map(String::as_str));
        }
        true
    }

    /// Lets go of all below an execution, and of the properties of its items, which repeat the
    /// parameters of what is below. What its counters show stays.
    fn strip(&mut self, id: &str) {
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        let children = std::mem::take(&mut execution.children);
        let mut gone: BTreeMap<Status, usize> = BTreeMap::new();
        for child in &children {
            if let Some(child) = self.executions.get(child) {
                *gone.entry(child.status).or_default() += 1;
            }
        }
        self.forget(children);
        if let Some(execution) = self.executions.get_mut(id) {
            execution.gone = gone;
            let items = execution.tasks.iter_mut().filter(|t| t.parent.is_some());
            items.for_each(|task| task.properties = Value::Null);
        }
        self.weigh(id);
    }

    fn drop_from_parent(&mut self, id: &str) {
        let link = self.executions.get(id).and_then(|e| e.link.clone());
        if let Some(parent) = link.and_then(|link| self.executions.get_mut(&link.execution)) {
            parent.children.retain(|child| child != id);
        }
    }

    /// Takes executions, and all below them, out.
    pub(super) fn forget(&mut self, ids: Vec<String>) {
        let mut open = ids;
        while let Some(id) = open.pop() {
            let Some(execution) = self.executions.remove(&id) else {
                continue;
            };
            open.extend(execution.children);
            self.discharge(&execution.family, execution.bytes);
            if let Some(family) = self.families.get_mut(&execution.family) {
                family.members = family.members.saturating_sub(1);
                if family.members == 0 {
                    self.families.remove(&execution.family);
                }
            }
        }
    }
}

#[cfg(test)]
impl Engine {
    /// What all executions keep, counted anew.
    pub(super) fn counted_anew(&self) -> usize {
        self.executions.values().map(of_execution).sum()
    }
}
