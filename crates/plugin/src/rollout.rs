//! An update as it is looked at: of a RollingUpdateTask or of a Rollback, which have one kind of status.

use ess_rollout_api::v1alpha1::{
    Outcome, PauseKind, Rollback, RollingUpdateTask, RollingUpdateTaskStatus, Update, condition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};

use crate::exit::End;

/// One update.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Its kind.
    pub kind: &'static str,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The scaling group; of a rollback once it is known.
    pub group: Option<String>,
    /// What it does: `image m-v2`.
    pub what: String,
    /// What is known of it.
    pub status: RollingUpdateTaskStatus,
}

fn what(update: &Update) -> String {
    if let Some(image) = &update.image {
        return format!("image {}", image.image_id);
    }
    if let Some(package) = &update.package {
        return format!("package {}", package.name);
    }
    match (&update.script, &update.container_group) {
        (Some(_), _) => "script".to_owned(),
        (None, Some(_)) => "containers".to_owned(),
        (None, None) => "nothing".to_owned(),
    }
}

impl From<RollingUpdateTask> for Rollout {
    fn from(task: RollingUpdateTask) -> Self {
        Self {
            kind: "RollingUpdateTask",
            metadata: task.metadata,
            group: Some(task.spec.scaling_group_id),
            what: what(&task.spec.update),
            status: task.status.unwrap_or_default(),
        }
    }
}

impl From<Rollback> for Rollout {
    fn from(rollback: Rollback) -> Self {
        let status = rollback.status.unwrap_or_default();
        let source = status.source.as_ref();
        let of = rollback.spec.task_ref.as_ref();
        Self {
            kind: "Rollback",
            metadata: rollback.metadata,
            group: source.map(|source| source.scaling_group_id.clone()),
            what: of.map_or("rollback".to_owned(), |task| {
                format!("rollback of {}", task.name)
            }),
            status,
        }
    }
}

impl Rollout {
    /// Its name.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Its namespace.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// As commands of the plugin name it.
    pub fn argument(&self) -> String {
        match self.kind {
            "Rollback" => format!("rollback/{}", self.name()),
            _ => self.name().to_owned(),
        }
    }

    /// The state word; the operator has not looked at it yet: `Pending`.
    pub fn state(&self) -> &str {
        self.status.state.as_deref().unwrap_or("Pending")
    }

    /// One of its conditions.
    pub fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status
            .conditions
            .iter()
            .find(|found| found.type_ == kind)
    }

    /// Whether a condition is True.
    pub fn is(&self, kind: &str) -> bool {
        self.condition(kind)
            .is_some_and(|found| found.status == "True")
    }

    /// Why it is in its state: what a person has to mend comes first.
    pub fn why(&self) -> &str {
        let kinds = [
            condition::STALLED,
            condition::READY,
            condition::SUCCEEDED,
            condition::PREFLIGHT,
        ];
        let mut said = kinds.iter().filter_map(|kind| self.condition(kind));
        said.find(|condition| !condition.message.is_empty())
            .map_or("", |condition| condition.message.as_str())
    }

    /// Whether it waits for a person in a pause.
    pub fn is_paused(&self) -> bool {
        self.status.result.is_none() && self.status.pause.is_some()
    }

    /// How it ended, once everything is finished.
    pub fn end(&self) -> Option<End> {
        self.status.completion_time.as_ref()?;
        let result = self.status.result.as_ref();
        Some(match result.map(|result| result.outcome) {
            Some(Outcome::Succeeded) => End::Wanted,
            Some(Outcome::Cancelled) => End::Cancelled,
            Some(Outcome::Failed) | None => End::Failed,
        })
    }

    /// The command that goes on, where it waits for a person.
    pub fn next_command(&self) -> Option<String> {
        let pause = self
            .status
            .pause
            .as_ref()
            .filter(|_| self.status.result.is_none())?;
        let verb = match pause.kind {
            PauseKind::Batch => "continue",
            PauseKind::Failure => "retry",
            PauseKind::Approval | PauseKind::Unknown => return None,
        };
        let (name, namespace) = (self.argument(), self.namespace());
        Some(format!("kubectl ess-rollout {verb} {name} -n {namespace}"))
    }
}
