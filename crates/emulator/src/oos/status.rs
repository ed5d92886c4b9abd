//! What tasks and executions show: status, pauses, and when something last changed.

use jiff::SignedDuration;

use super::engine::Engine;
use super::execution::{LoopRun, Pause, Status, Task};
use super::host::Host;
use super::switches::{ChildInFailurePause, OosSwitches, PausedStatus};

impl Engine {
    /// Sets a task's status, with the dates that go with it.
    pub(super) fn set_task(
        &mut self,
        host: &mut dyn Host,
        id: &str,
        task: usize,
        status: Status,
        message: String,
    ) {
        let now = host.now();
        let message = self.store.told(&message);
        if let Some(t) = self.task_mut(id, task) {
            t.status = status;
            t.message = message;
            t.updated = now;
            t.ended = status.is_final().then_some(now);
            t.pause = None;
        }
        if let Some(execution) = self.executions.get_mut(id) {
            execution.paused.remove(&task);
        }
        self.changed(host, id);
    }

    /// Makes a task wait for somebody. The next [`Engine::set_task`] ends that.
    pub(super) fn pause_task(&mut self, id: &str, task: usize, pause: Pause) {
        if let Some(execution) = self.executions.get_mut(id)
            && let Some(t) = execution.tasks.get_mut(task)
        {
            t.pause = Some(pause);
            execution.paused.insert(task);
        }
    }

    /// Works out whether a running execution waits for somebody, and tells the parent if that
    /// changed.
    pub(super) fn refresh(&mut self, host: &mut dyn Host, id: &str) {
        let switches = host.switches().clone();
        let Some(execution) = self.executions.get_mut(id) else {
            return;
        };
        if execution.status.is_final() || execution.status == Status::Started {
            return;
        }
        let waits = execution.paused.iter().any(|i| {
            let task = &execution.tasks[*i];
            let Some(pause) = task.pause else {
                return false;
            };
            // An item that waits for its failure to be resolved shows through its loop.
            let shows_through_loop = task
                .parent
                .and_then(|parent| execution.tasks[parent].looped.as_ref())
                .is_some_and(|run| run.unresolved.contains(i));
            let shows = match pause {
                // The switch is about the root: a child that inherits the mode waits, and its loop
                // has to learn of that.
                Pause::Failure => {
                    !execution.is_root() || switches.root_in_failure_pause == PausedStatus::Waiting
                }
                _ => !shows_through_loop,
            };
            shows && pause_shows(task, &switches)
        });
        let status = if waits {
            Status::Waiting
        } else {
            Status::Running
        };
        if execution.status != status {
            execution.status = status;
            self.changed(host, id);
            self.tell_parent(host, id);
        } else {
            self.changed(host, id);
        }
    }

    /// Notes that something changed in an execution, for `UpdateDate`.
    pub(super) fn changed(&mut self, host: &dyn Host, id: &str) {
        let now = host.now();
        let switches = host.switches();
        let lag = SignedDuration::from_secs(i64::from(switches.update_date_lag_seconds));
        let horizon = now.checked_sub(lag).unwrap_or(now);
        let mut next = Some(id.to_owned());
        while let Some(id) = next {
            let Some(execution) = self.executions.get_mut(&id) else {
                return;
            };
            if execution.updates.back() != Some(&now) {
                execution.updates.push_back(now);
            }
            while execution.updates.len() > 1 && execution.updates[1] <= horizon {
                execution.updates.pop_front();
            }
            next = execution
                .link
                .as_ref()
                .filter(|_| switches.update_date_moves_with_children)
                .map(|link| link.execution.clone());
        }
    }
}

/// Whether a pause shows as `Waiting` yet.
fn pause_shows(task: &Task, switches: &OosSwitches) -> bool {
    use super::switches::FailurePauseShows::AtOnce;
    match (&task.looped, task.pause) {
        (Some(run), Some(Pause::Failure)) => {
            switches.failure_pause_shows == AtOnce || run.active <= waiting_inside(run, switches)
        }
        _ => true,
    }
}

/// Items of a paused loop that are not final because they wait themselves.
fn waiting_inside(run: &LoopRun, switches: &OosSwitches) -> usize {
    match switches.child_in_failure_pause {
        ChildInFailurePause::Failed => 0,
        ChildInFailurePause::Waiting => run.unresolved.len(),
    }
}
