//! What a person does in a run: one task, from the manifest to its end.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use ess_rollout_api::v1alpha1::{PauseKind, RollingUpdateTask, condition};
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::site::{FAILS, INSTANCES, NEW_IMAGE, SETTLE, Site, group};

/// The longest that a run may take, with every kill and every bound on lateness waited out.
const PATIENCE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(40);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scenario {
    /// A script in four batches with a pause after each: left by annotation, by `approvedBatches`, by annotation.
    Script,
    /// An image in two batches, with one pause, left by `current@nonce`.
    Image,
    /// A script that fails on the second instance, and with that the task.
    Failing,
    /// Deleted in the first pause.
    Deleted,
    /// Deleted while the first event happens.
    DeletedAtOnce,
    /// Cancelled by annotation in the first pause.
    Cancelled,
}

/// What the person did and saw.
#[derive(Debug)]
pub struct Story {
    pub uid: String,
    /// When each pause was approved, in virtual time, just before the request was made.
    pub approvals: Vec<Timestamp>,
    /// The task as last seen; `None` once it is gone.
    pub task: Option<RollingUpdateTask>,
    /// Why the story has no end.
    pub trouble: Option<String>,
}

impl Scenario {
    pub fn name(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Image => "image",
            Self::Failing => "failing",
            Self::Deleted => "deleted",
            Self::DeletedAtOnce => "deleted at once",
            Self::Cancelled => "cancelled",
        }
    }

    /// How many instances a batch has.
    pub fn batch_size(self) -> usize {
        INSTANCES / self.batches()
    }

    fn batches(self) -> usize {
        match self {
            Self::Script | Self::Failing => 4,
            Self::Image | Self::Deleted | Self::DeletedAtOnce | Self::Cancelled => 2,
        }
    }

    /// Whether the run reaches the end of all batches.
    pub fn completes(self) -> bool {
        matches!(self, Self::Script | Self::Image)
    }

    /// How many pauses the person leaves.
    pub fn pauses(self) -> usize {
        match self {
            Self::Script => 3,
            Self::Image => 1,
            Self::Failing | Self::Deleted | Self::DeletedAtOnce | Self::Cancelled => 0,
        }
    }

    fn manifest(self, name: &str, group: &str) -> Result<RollingUpdateTask> {
        let script = |text: &str| json!({"script": {"run": {"inline": text}}});
        let (update, suspension, on_failure) = match self {
            Self::Script => (
                script("systemctl restart agent"),
                "SuspendEachBatch",
                "Suspend",
            ),
            Self::Image => (
                json!({"image": {"imageId": NEW_IMAGE}}),
                "SuspendFirstBatch",
                "Suspend",
            ),
            Self::Failing => (script(FAILS), "Automatic", "Fail"),
            Self::Deleted | Self::DeletedAtOnce | Self::Cancelled => (
                script("systemctl restart agent"),
                "SuspendFirstBatch",
                "Suspend",
            ),
        };
        let manifest = json!({
            "apiVersion": "ess-rollout.io/v1alpha1",
            "kind": "RollingUpdateTask",
            "metadata": {"name": name},
            "spec": {
                "scalingGroupId": group,
                "update": update,
                "batches": self.batches(),
                "suspensionPolicy": suspension,
                "onFailure": on_failure,
            },
        });
        Ok(serde_json::from_value(manifest)?)
    }

    /// Applies the task and does what the person of this scenario does, until the task has ended or is gone.
    pub async fn live(self, site: &Site, run: usize) -> Result<Story> {
        let name = format!("run-{run}");
        let task = site
            .tasks
            .create(&PostParams::default(), &self.manifest(&name, &group(run))?)
            .await?;
        let mut story = Story {
            uid: task.uid().context("the apiserver gave no uid")?,
            approvals: Vec::new(),
            task: Some(task),
            trouble: None,
        };
        let mut person = Person {
            site,
            scenario: self,
            name,
            run,
            answered: 0,
            deleted: false,
        };
        let began = Instant::now();
        loop {
            match person.goes_on(&mut story).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    story.trouble = Some(format!("{error:#}"));
                    break;
                }
            }
            if began.elapsed() > PATIENCE {
                story.trouble = Some(format!("the task did not end within {PATIENCE:?}"));
                break;
            }
            if let Some(failure) = site.gate.failure() {
                story.trouble = Some(format!("the operator could not be started: {failure}"));
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(story)
    }
}

struct Person<'a> {
    site: &'a Site,
    scenario: Scenario,
    name: String,
    run: usize,
    /// The last pause that was answered.
    answered: i32,
    deleted: bool,
}

impl Person<'_> {
    /// Looks once, and does what is to be done. `false` at the end.
    async fn goes_on(&mut self, story: &mut Story) -> Result<bool> {
        if self.scenario == Scenario::DeletedAtOnce
            && !self.deleted
            && self.site.gate.happened() > 0
        {
            self.delete().await?;
        }
        story.task = self.site.tasks.get_opt(&self.name).await?;
        let Some(task) = &story.task else {
            return Ok(false);
        };
        let Some(status) = &task.status else {
            return Ok(true);
        };
        let succeeded = status
            .conditions
            .iter()
            .find(|c| c.type_ == condition::SUCCEEDED);
        if succeeded.is_some_and(|c| c.status != "Unknown") && !self.deleted {
            // The last effect of a run is that the group is let go.
            return self.site.holds(self.run).await;
        }
        let pause = status.pause.as_ref().filter(|p| p.kind == PauseKind::Batch);
        let Some(pause) = pause.map(|p| p.id).filter(|id| *id > self.answered) else {
            return Ok(true);
        };
        self.answered = pause;
        match (self.scenario, pause) {
            (Scenario::Script, 2) => {
                // A call from before that is still on its way would leave this pause. It gets the time to.
                tokio::time::sleep(SETTLE * 2).await;
                story.approvals.push(self.site.now().await?);
                self.patch(json!({"spec": {"approvedBatches": pause + 1}}))
                    .await?;
            }
            (Scenario::Script, _) => {
                story.approvals.push(self.site.now().await?);
                self.annotate("continue", &pause.to_string()).await?;
            }
            (Scenario::Image, _) => {
                story.approvals.push(self.site.now().await?);
                self.annotate("continue", "current@one").await?;
            }
            (Scenario::Cancelled, _) => self.annotate("cancel", "one").await?,
            (Scenario::Deleted | Scenario::DeletedAtOnce, _) => self.delete().await?,
            (Scenario::Failing, _) => bail!("a pause that nobody asked for: {pause}"),
        }
        Ok(true)
    }

    async fn annotate(&self, verb: &str, value: &str) -> Result<()> {
        let key = format!("ess-rollout.io/{verb}");
        self.patch(json!({"metadata": {"annotations": {key: value}}}))
            .await
    }

    async fn patch(&self, patch: Value) -> Result<()> {
        self.site
            .tasks
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    async fn delete(&mut self) -> Result<()> {
        self.deleted = true;
        self.site
            .tasks
            .delete(&self.name, &DeleteParams::default())
            .await?;
        Ok(())
    }
}
