//! What a run does by itself as time passes, and what people do to it in the console.

use ess_rollout_cloud::{
    EcsStatus, Execution, ExecutionStatus, LifecycleState, Mutation, NotifyType, Process,
    TaskExecution,
};
use serde_json::{Map, json};

use super::{Begun, Cloud, ITEM_SECONDS, Run, containers, execution};

impl Cloud {
    /// Lets time pass, second by second.
    pub fn advance(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += 1;
            let due: Vec<(i64, i64, Mutation)> = self
                .late
                .extract_if(.., |(time, _, _)| *time <= self.now)
                .collect();
            for (_, sent, mutation) in due {
                self.sent_at = sent;
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
        if self.lag == 0 && self.lag_of_parts == 0 && self.lag_of_tasks == 0 {
            return;
        }
        let listed = self.everything();
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
            if let Some(update) = &run.containers {
                let configuration = &mut self.configuration_containers;
                containers::change(configuration, &update.given, update.kind);
            }
            self.run_mut(root).over = true;
            return self.tag(root);
        }
        self.run_mut(root).batch = batch;
        if self.suspended().len() < Process::ALL.len() {
            self.scaling_meanwhile.push(batch);
        }
        for id in members {
            match run.passed_over.get(&id) {
                None => self.begin_item(root, &id, batch),
                Some(skipped) => self.pass_over(root, &id, batch, *skipped),
            }
        }
        self.set_root(root, ExecutionStatus::Running);
        self.go_on(root);
    }

    /// An item whose turn comes and that is not to be run.
    pub(super) fn pass_over(&mut self, root: &str, id: &str, batch: i32, skipped: bool) {
        if self.item_of(root, id).is_some() {
            return;
        }
        let status = if skipped {
            ExecutionStatus::Skipped
        } else {
            ExecutionStatus::Cancelled
        };
        let item = self.item(root, id, batch, None, status);
        self.tasks.entry(root.to_owned()).or_default().push(item);
    }

    pub(super) fn item(
        &self,
        root: &str,
        id: &str,
        batch: i32,
        child: Option<String>,
        status: ExecutionStatus,
    ) -> TaskExecution {
        let end = status.is_final().then(|| self.time());
        TaskExecution {
            id: format!("{root}.{id}"),
            name: "rollingUpdate".into(),
            action: "ACS::ESS::Nested".into(),
            parent: Some("loop".into()),
            child_execution: child,
            status,
            status_message: String::new(),
            start: Some(self.time()),
            end,
            loop_batch: Some(batch.into()),
            loop_item: Some(loop_item(id)),
            outputs: Map::new(),
        }
    }

    /// Another attempt on one instance.
    pub fn begin_item(&mut self, root: &str, id: &str, batch: i32) {
        let run = self.run_mut(root);
        let attempt = run.attempts.entry(id.to_owned()).or_default();
        *attempt += 1;
        let (instance, time) = (id.to_owned(), self.now);
        self.begun.push(Begun {
            instance,
            time,
            after: None,
        });
        let attempt = self.run(root).attempts[id];
        let child_id = format!("{root}-{id}-{attempt}");
        let mut child = execution(&child_id, Some(root), "ACS::ESS::Nested", self.time());
        child.parameters.insert("instanceId".into(), json!(id));
        self.executions.push(child);
        let item = self.item(root, id, batch, Some(child_id), ExecutionStatus::Running);
        let items = self.tasks.entry(root.to_owned()).or_default();
        items.retain(|t| t.id != item.id);
        items.push(item);
        let parked = self
            .instances
            .iter()
            .any(|i| i.id == id && i.state == LifecycleState::Standby);
        if let Some(update) = &mut self.run_mut(root).containers {
            update.found_in_standby(id, parked);
        }
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
        let now = self.now;
        let stands = self.oos.stand_still && self.is_held(root);
        let ended: Vec<(String, String)> = self
            .executions
            .iter()
            .filter(|e| e.parent.as_deref() == Some(root) && !e.status.is_final())
            .map(|e| {
                let id = e.parameters["instanceId"].as_str().unwrap().to_owned();
                (e, id)
            })
            .filter(|(_, id)| !run.unresolved.contains(id) && !stands)
            .filter(|(e, id)| {
                let took = ITEM_SECONDS + self.slow.get(id).copied().unwrap_or(0);
                // A retry inside an execution moves its UpdateDate.
                e.updated.unwrap().as_second() + took <= now
            })
            .map(|(e, id)| (e.id.clone(), id))
            .collect();
        for (child, id) in &ended {
            self.end_attempt(root, child, id);
        }
        if ended.is_empty() {
            return;
        }
        self.remember();
        self.go_on(root);
    }

    fn end_attempt(&mut self, root: &str, child: &str, id: &str) {
        let (run, time) = (self.run(root), self.time());
        let fails = run.attempts[id] <= self.failing.get(id).copied().unwrap_or(0);
        let waits = fails && self.oos.child_waits && run.suspend_on_failure;
        let status = match (fails, waits) {
            (true, true) if self.oos.child_shows_running => ExecutionStatus::Running,
            (true, true) => ExecutionStatus::Waiting,
            (true, false) => ExecutionStatus::Failed,
            (false, _) => ExecutionStatus::Success,
        };
        let end = status.is_final().then_some(time);
        for e in self.executions.iter_mut().filter(|e| e.id == *child) {
            (e.status, e.end, e.updated) = (status.clone(), end, Some(time));
            if fails && !waits {
                e.status_message = "the nested action failed".into();
            }
        }
        for t in self.tasks.get_mut(root).unwrap().iter_mut() {
            if t.child_execution.as_deref() == Some(child) {
                (t.status, t.end) = (status.clone(), end);
            }
        }
        if waits {
            let mut inner = self.item(root, id, 0, None, ExecutionStatus::Failed);
            (inner.parent, inner.loop_batch, inner.loop_item) = (None, None, None);
            inner.id = format!("{child}.check");
            inner.status_message = "exit code 1".into();
            self.tasks.insert(child.to_owned(), vec![inner]);
        }
        if fails {
            self.run_mut(root).unresolved.insert(id.to_owned());
            return;
        }
        if let Some(update) = &run.containers {
            self.update_group(id, update);
            if update.stays_in_standby(id) {
                return;
            }
        }
        self.set_state(id, LifecycleState::InService);
        self.set_ecs(id, EcsStatus::Running);
        self.configure_package(root, id);
        if let Some(image) = &run.image {
            for e in self.ecs.iter_mut().filter(|e| e.id == *id) {
                e.image.clone_from(image);
            }
        }
    }

    /// What the package plug-in does.
    fn configure_package(&mut self, root: &str, id: &str) {
        let parameters = &self
            .executions
            .iter()
            .find(|e| e.id == root)
            .unwrap()
            .parameters;
        let text = |name: &str| Some(parameters.get(name)?.as_str()?.to_owned());
        let Some(name) = text("packageName") else {
            return;
        };
        let version = text("packageVersion").filter(|version| !version.is_empty());
        let version = version.or_else(|| self.packages.get(&name)?.last().cloned());
        let installed = self.installed.entry(id.to_owned()).or_default();
        match text("action").as_deref() {
            Some("install") => drop(installed.insert(name, version.unwrap())),
            _ => drop(installed.remove(&name)),
        }
    }

    /// Whether a failure pause holds the loop.
    pub(super) fn is_held(&self, root: &str) -> bool {
        let run = self.run(root);
        let each = self.oos.every_failure || self.oos.child_waits;
        let tolerated = if each { 0 } else { run.max_errors };
        run.suspend_on_failure && run.unresolved.len() > tolerated
    }

    /// What comes of items that ended, or were decided about.
    pub(super) fn go_on(&mut self, root: &str) {
        let run = self.run(root);
        if self.is_held(root) {
            let status = if self.oos.root_shows_running {
                ExecutionStatus::Running
            } else {
                ExecutionStatus::Waiting
            };
            return self.set_root(root, status);
        }
        let mut items = self.tasks.get(root).into_iter().flatten();
        if items.any(|t| t.parent.as_deref() == Some("loop") && !t.status.is_final()) {
            return self.set_root(root, ExecutionStatus::Running);
        }
        if run.unresolved.len() > run.max_errors {
            return self.set_root(root, ExecutionStatus::Failed);
        }
        if run.paused_after.is_none() {
            self.batch_ended(root);
        }
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

    /// Somebody retries a failed instance in the console.
    pub fn retry_in_console(&mut self, id: &str) {
        self.in_console(NotifyType::RetryTask, id);
    }

    /// Somebody skips a failed instance in the console.
    pub fn skip_in_console(&mut self, id: &str) {
        self.in_console(NotifyType::SkipTask, id);
    }

    /// Somebody gives an instance up in the console.
    pub fn cancel_in_console(&mut self, id: &str) {
        self.in_console(NotifyType::CancelTask, id);
    }

    fn in_console(&mut self, notify: NotifyType, id: &str) {
        let root = self.runs[0].root.clone();
        self.act_on(notify, &root, id);
    }

    /// Somebody decides about an instance in the console, if the console lets them.
    pub fn decide_in_console(&mut self, notify: NotifyType, id: &str) {
        let Some(root) = self.runs.first().map(|r| r.root.clone()) else {
            return;
        };
        if self.takes(notify, &root, id) {
            self.act_on(notify, &root, id);
        }
    }

    /// Whatever is under way on instances is done; the root stays as it is.
    pub fn end_children(&mut self) {
        let time = self.time();
        let open = |e: &&mut Execution| e.parent.is_some() && !e.status.is_final();
        for e in self.executions.iter_mut().filter(open) {
            (e.status, e.end, e.updated) = (ExecutionStatus::Success, Some(time), Some(time));
        }
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
            run.unresolved.clear();
        }
        self.remember();
    }
}

/// How OOS shows the loop item of an instance.
pub(super) fn loop_item(id: &str) -> String {
    format!(r#"{{"InstanceId":"{id}","LifecycleState":"InService"}}"#)
}
