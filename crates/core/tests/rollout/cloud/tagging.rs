//! What the template does after the last batch: it tags the instances, and resumes the processes.

use ess_rollout_cloud::{CloudError, ErrorClass, ExecutionStatus, NotifyType, Outcome};

use super::{Cloud, error};

impl Cloud {
    /// Tags every instance, or fails to.
    pub(super) fn tag(&mut self, root: &str) {
        if !self.tagging_denied {
            return self.resume_and_end(root);
        }
        let mut rows = vec![self.item(root, "", 0, None, ExecutionStatus::Waiting)];
        let items = self.run(root).items;
        for (number, id) in items.iter().enumerate() {
            let mut item = self.item(root, id, 1, None, ExecutionStatus::Failed);
            item.id = format!("{root}.tag.{}", number + 1);
            item.parent = Some(format!("{root}.tag"));
            item.loop_item = Some(id.clone());
            item.status_message = "ECS TagResources Forbidden.RAM".into();
            rows.push(item);
        }
        (rows[0].id, rows[0].parent) = (format!("{root}.tag"), None);
        (rows[0].loop_batch, rows[0].loop_item) = (None, None);
        for row in &mut rows {
            row.name = "tagInstance".into();
        }
        self.tasks.entry(root.to_owned()).or_default().extend(rows);
        self.set_root(root, ExecutionStatus::Waiting);
    }

    fn resume_and_end(&mut self, root: &str) {
        self.suspend(&self.run(root).exit, false);
        self.set_root(root, ExecutionStatus::Success);
    }

    pub(super) fn is_tagging(&self, root: &str, task: &str) -> bool {
        task.starts_with(&format!("{root}.tag"))
    }

    /// A failed item is run again or passed over.
    pub(super) fn decide_about_tagging(
        &mut self,
        notify: NotifyType,
        root: &str,
        task: &str,
    ) -> Result<(), CloudError> {
        let (time, denied) = (self.time(), self.tagging_denied);
        let mut all = self.tasks.get_mut(root).into_iter().flatten();
        let found = all.find(|t| t.id == *task && t.status == ExecutionStatus::Failed);
        let Some(found) = found.filter(|t| t.parent.is_some()) else {
            let class = ErrorClass::Conflict;
            return Err(error("NotifyExecution", class, Outcome::NoEffect));
        };
        found.status = match notify {
            NotifyType::SkipTask => ExecutionStatus::Skipped,
            _ if denied => ExecutionStatus::Failed,
            _ => ExecutionStatus::Success,
        };
        found.end = Some(time);
        let parent = format!("{root}.tag");
        let all = self.tasks.get_mut(root).into_iter().flatten();
        let failed = |t: &ess_rollout_cloud::TaskExecution| {
            t.parent.as_ref() == Some(&parent) && t.status == ExecutionStatus::Failed
        };
        let mut all: Vec<_> = all.collect();
        if all.iter().any(|t| failed(t)) {
            self.remember();
            return Ok(());
        }
        for row in all.iter_mut().filter(|t| t.id == parent) {
            row.status = ExecutionStatus::Success;
        }
        self.resume_and_end(root);
        Ok(())
    }
}
