//! What a run does by itself as time passes, and what people do to it in the console.

use ess_rollout_cloud::{EcsStatus, ExecutionStatus, LifecycleState, Mutation, TaskExecution};
use serde_json::{Map, json};

use super::{Cloud, ITEM_SECONDS, Run, execution};

impl Cloud {
    /// Lets time pass, second by second.
    pub fn advance(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += 1;
            let due: Vec<Mutation> = self
                .late
                .extract_if(.., |(time, _)| *time <= self.now)
                .map(|(_, mutation)| mutation)
                .collect();
            for mutation in due {
                let _ = self.apply(&mutation);
            }
            if self.frozen {
                continue;
            }
            for root in self.runs.iter().map(|r| r.root.clone()).collect::<Vec<_>>() {
                self.work(&root);
            }
        }
    }

    pub(super) fn remember(&mut self) {
        if self.lag == 0 {
            return;
        }
        let listed = (self.executions.clone(), self.tasks.clone());
        self.history.push((self.now, listed));
    }

    pub(super) fn set_root(&mut self, root: &str, status: ExecutionStatus) {
        let (now, moves) = (self.time(), self.update_date_moves);
        if let Some(e) = self.executions.iter_mut().find(|e| e.id == *root) {
            e.end = status.is_final().then_some(now);
            e.status = status;
            if moves {
                e.updated = Some(now);
            }
        }
        self.remember();
    }

    pub(super) fn run(&self, root: &str) -> Run {
        self.runs.iter().find(|r| r.root == *root).unwrap().clone()
    }

    pub(super) fn run_mut(&mut self, root: &str) -> &mut Run {
        self.runs.iter_mut().find(|r| r.root == *root).unwrap()
    }

    pub(super) fn next_batch(&mut self, root: &str) {
        let batch = self.run(root).batch + 1;
        let run = self.run(root);
        let members: Vec<String> = run
            .items
            .iter()
            .filter(|id| run.batch_of[*id] == batch)
            .cloned()
            .collect();
        if members.is_empty() {
            self.suspend(&run.exit, false);
            return self.set_root(root, ExecutionStatus::Success);
        }
        self.run_mut(root).batch = batch;
        for id in members {
            self.begin_item(root, &id, batch);
        }
        self.set_root(root, ExecutionStatus::Running);
    }

    /// Another attempt on one instance.
    pub fn begin_item(&mut self, root: &str, id: &str, batch: i32) {
        let run = self.run_mut(root);
        let attempt = run.attempts.entry(id.to_owned()).or_default();
        *attempt += 1;
        let child_id = format!("{root}-{id}-{attempt}");
        let mut child = execution(&child_id, Some(root), "ACS::ESS::Nested", self.time());
        child.parameters.insert("instanceId".into(), json!(id));
        self.executions.push(child);
        let time = self.time();
        let items = self.tasks.entry(root.to_owned()).or_default();
        items.retain(|t| t.id != format!("{root}.{id}"));
        items.push(TaskExecution {
            id: format!("{root}.{id}"),
            name: "rollingUpdate".into(),
            action: "ACS::ESS::Nested".into(),
            parent: Some("loop".into()),
            child_execution: Some(child_id),
            status: ExecutionStatus::Running,
            status_message: String::new(),
            start: Some(time),
            end: None,
            loop_batch: Some(batch.into()),
            loop_item: Some(json!({"InstanceId": id}).to_string()),
            outputs: Map::new(),
        });
        self.set_state(id, LifecycleState::Standby);
        if self.run(root).image.is_some() {
            self.set_ecs(id, EcsStatus::Stopped);
        }
    }

    pub(super) fn work(&mut self, root: &str) {
        let run = self.run(root);
        let Some(execution) = self.executions.iter().find(|e| e.id == *root) else {
            return;
        };
        if execution.status.is_final() || run.paused_after.is_some() {
            return;
        }
        let (now, time) = (self.now, self.time());
        let ended: Vec<(String, String)> = self
            .executions
            .iter()
            .filter(|e| e.parent.as_deref() == Some(root) && !e.status.is_final())
            .filter(|e| e.start.unwrap().as_second() + ITEM_SECONDS <= now)
            .map(|e| {
                (
                    e.id.clone(),
                    e.parameters["instanceId"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        for (child, id) in &ended {
            let fails = run.attempts[id] <= self.failing.get(id).copied().unwrap_or(0);
            let status = if fails {
                ExecutionStatus::Failed
            } else {
                ExecutionStatus::Success
            };
            for e in self.executions.iter_mut().filter(|e| e.id == *child) {
                (e.status, e.end, e.updated) = (status.clone(), Some(time), Some(time));
                if fails {
                    e.status_message = "the nested action failed".into();
                }
            }
            for t in self.tasks.get_mut(root).unwrap().iter_mut() {
                if t.child_execution.as_ref() == Some(child) {
                    (t.status, t.end) = (status.clone(), Some(time));
                }
            }
            if !fails {
                self.set_state(id, LifecycleState::InService);
                self.set_ecs(id, EcsStatus::Running);
                if let Some(image) = &run.image {
                    for e in self.ecs.iter_mut().filter(|e| e.id == *id) {
                        e.image.clone_from(image);
                    }
                }
            }
        }
        if ended.is_empty() {
            return;
        }
        self.remember();
        let items = &self.tasks[root];
        if items.iter().any(|t| !t.status.is_final()) {
            return;
        }
        let failed = items
            .iter()
            .filter(|t| t.status == ExecutionStatus::Failed)
            .count();
        if failed > run.max_errors {
            let status = if run.suspend_on_failure {
                ExecutionStatus::Waiting
            } else {
                ExecutionStatus::Failed
            };
            return self.set_root(root, status);
        }
        self.batch_ended(root);
    }

    pub(super) fn batch_ended(&mut self, root: &str) {
        let run = self.run(root);
        let last = run.batch_of.values().max() == Some(&run.batch);
        let pauses = match run.option.as_str() {
            "EveryBatchPause" => !last || self.pause_after_last,
            "FirstBatchPause" => run.batch == 1 && !last,
            _ => false,
        };
        if pauses {
            self.run_mut(root).paused_after = Some(run.batch);
            self.set_root(root, ExecutionStatus::Waiting);
        } else {
            self.next_batch(root);
        }
    }

    /// Somebody approves in the console.
    pub fn approve_in_console(&mut self) {
        let root = self.runs[0].root.clone();
        let batch = self.run_mut(&root).paused_after.take().unwrap();
        self.approved.push(batch);
        self.next_batch(&root);
    }

    /// Somebody retries a failed instance in the console: another child.
    pub fn retry_in_console(&mut self, id: &str) {
        let run = self.runs[0].clone();
        self.begin_item(&run.root, id, run.batch_of[id]);
        self.set_root(&run.root, ExecutionStatus::Running);
    }

    /// Somebody skips a failed instance in the console.
    pub fn skip_in_console(&mut self, id: &str) {
        let root = self.runs[0].root.clone();
        for t in self.tasks.get_mut(&root).unwrap().iter_mut() {
            if t.id.ends_with(id) {
                t.status = ExecutionStatus::Skipped;
            }
        }
        self.batch_ended(&root);
    }

    /// Ends a run and everything below it, wherever it stands.
    pub fn end(&mut self, root: &str, status: ExecutionStatus) {
        let time = self.time();
        for e in &mut self.executions {
            if (e.id == *root || e.parent.as_deref() == Some(root)) && !e.status.is_final() {
                (e.status, e.end, e.updated) = (status.clone(), Some(time), Some(time));
            }
        }
        for t in self.tasks.get_mut(root).into_iter().flatten() {
            if !t.status.is_final() {
                (t.status, t.end) = (status.clone(), Some(time));
            }
        }
        if let Some(run) = self.runs.iter_mut().find(|r| r.root == *root) {
            run.paused_after = None;
        }
        self.remember();
    }
}
