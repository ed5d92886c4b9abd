//! An update as it is looked at: of a RollingUpdateTask or of a Rollback, which have one kind of status.

use ess_rollout_api::v1alpha1::{
    ActionState, ApproveAnswer, InstanceState, InstanceStatus, Outcome, Pause, PauseKind,
    RollbackSpec, RollingUpdateTaskSpec, RollingUpdateTaskStatus, RunPolicy, Update, Verb,
    condition,
};
use ess_rollout_core::task::ledger;
use ess_rollout_core::task::reason::Reason;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::conditions::why;
use crate::exit::End;
use crate::kind::{Kind, Target};

/// The reasons of conditions by which a window lets nothing begin: each goes where the windows are overridden.
const WINDOWS: [Reason; 5] = [
    Reason::WindowClosed,
    Reason::NeverDue,
    Reason::WindowTooShort,
    Reason::WindowNotFound,
    Reason::WindowUnreadable,
];

/// One update.
#[derive(Debug, Clone, PartialEq)]
pub struct Rollout {
    /// Its kind.
    pub kind: Kind,
    /// Its metadata.
    pub metadata: ObjectMeta,
    /// The scaling group; of a rollback once it is known.
    pub group: Option<String>,
    /// What it does: `image m-v2`.
    pub what: String,
    /// How it is done.
    pub policy: RunPolicy,
    /// What is known of it.
    pub status: RollingUpdateTaskStatus,
}

fn what(update: &Update) -> String {
    if let Some(image) = &update.image {
        return format!("image {}", image.image_id);
    }
    if let Some(package) = &update.package {
        let version = package.version.as_ref();
        let version = version.map_or(String::new(), |version| format!(" {version}"));
        return format!("package {}{version}", package.name);
    }
    match (&update.script, &update.container_group) {
        (Some(_), _) => "script".to_owned(),
        (None, Some(_)) => "containers".to_owned(),
        (None, None) => "nothing".to_owned(),
    }
}

impl Rollout {
    /// Of a task.
    pub fn of_task(
        metadata: ObjectMeta,
        spec: &RollingUpdateTaskSpec,
        status: RollingUpdateTaskStatus,
    ) -> Self {
        Self {
            kind: Kind::Task,
            metadata,
            group: Some(spec.scaling_group_id.clone()),
            what: what(&spec.update),
            policy: spec.policy.clone(),
            status,
        }
    }

    /// Of a rollback.
    pub fn of_rollback(
        metadata: ObjectMeta,
        spec: &RollbackSpec,
        status: RollingUpdateTaskStatus,
    ) -> Self {
        let source = status.source.as_ref();
        let group = source.map(|source| source.scaling_group_id.clone());
        let of = match (&spec.task_ref, &spec.execution_id) {
            (Some(task), _) => format!("rollback of {}", task.name),
            (None, Some(execution)) => format!("rollback of {execution}"),
            (None, None) => "rollback".to_owned(),
        };
        Self {
            kind: Kind::Rollback,
            metadata,
            group: group.or_else(|| spec.scaling_group_id.clone()),
            what: of,
            policy: spec.policy.clone(),
            status,
        }
    }

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
        let (kind, name) = (self.kind, self.name().to_owned());
        Target { kind, name }.argument()
    }

    /// The state word; the operator has not looked at it yet: `Pending`.
    pub fn state(&self) -> &str {
        self.status.state.as_deref().unwrap_or("Pending")
    }

    /// Why it is in its state: what a person has to mend comes first.
    pub fn why(&self) -> &str {
        let kinds = [
            condition::STALLED,
            condition::READY,
            condition::SUCCEEDED,
            condition::PREFLIGHT,
        ];
        why(&self.status.conditions, &kinds)
    }

    /// Whether it waits for a person in a pause. What was asked for may have ended the pause while it is still on show: the lists
    /// of OOS lag.
    pub fn is_paused(&self) -> bool {
        let pause = self.status.pause.as_ref();
        // One that is cancelled is taken out of its pause.
        let goes_on = self.status.result.is_none() && self.status.cancellation.is_none();
        goes_on && !self.is_held() && pause.is_some_and(|pause| !self.is_answered(pause))
    }

    /// Whether it waits after a batch for what comes by itself. A person may go on all the same.
    pub fn is_held(&self) -> bool {
        self.status.state.as_deref() == Some("BatchHeld")
    }

    /// Whether checks hold it that a person may have made again.
    pub fn is_held_by_checks(&self) -> bool {
        let (pause, gate) = (self.status.pause.as_ref(), self.status.gate.as_ref());
        let verdict = gate.filter(|gate| gate.verdict.is_some());
        self.is_paused() && verdict.is_some_and(|of| pause.is_some_and(|p| p.id == of.pause_id))
    }

    fn is_answered(&self, pause: &Pause) -> bool {
        let status = &self.status;
        match pause.kind {
            PauseKind::Batch => status.approve.as_ref().is_some_and(|approve| {
                approve.pause == pause.id && approve.answer == Some(ApproveAnswer::Taken)
            }),
            PauseKind::Failure => {
                let failed = |of: &&InstanceStatus| of.state == InstanceState::Failed;
                let mut failed = status.instances.iter().filter(failed).peekable();
                if failed.peek().is_some() {
                    return failed.all(|of| {
                        let request = of.request.as_ref();
                        request.is_some_and(|request| request.attempt == of.attempt)
                    });
                }
                // A task of the execution itself, or what was retried runs again by now.
                status.actions.iter().any(|action| {
                    let goes_on = matches!(action.verb, Verb::Retry | Verb::Skip);
                    let end = action.end_time.as_ref();
                    goes_on
                        && action.state == ActionState::Applied
                        && end.is_some_and(|end| end.0 >= pause.since.0)
                })
            }
            PauseKind::Approval | PauseKind::Unknown => false,
        }
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

    /// The commands that go on, where it waits for a person: any of them does.
    pub fn next_commands(&self) -> Vec<String> {
        let pause = self.status.pause.as_ref().filter(|_| self.is_paused());
        if self.is_asked() {
            // Another one would be refused before that is read.
            return Vec::new();
        }
        let by_window = self.is_held_by_window();
        let verbs: &[&str] = match pause.map(|pause| pause.kind) {
            None | Some(PauseKind::Batch) if by_window && !self.waits_for_window() => {
                &["override-window"]
            }
            Some(PauseKind::Batch) if self.is_held_by_checks() => &["continue", "retry-gate"],
            Some(PauseKind::Batch) => &["continue"],
            Some(PauseKind::Failure) => &["retry", "skip"],
            Some(PauseKind::Approval | PauseKind::Unknown) | None => &[],
        };
        verbs.iter().map(|verb| self.command(verb)).collect()
    }

    /// The command that has it wait no longer for a window that opens by itself.
    pub fn command_not_to_wait(&self) -> Option<String> {
        let waits = self.waits_for_window() && !self.is_asked();
        waits.then(|| self.command("override-window"))
    }

    fn command(&self, verb: &str) -> String {
        let (name, namespace) = (self.argument(), self.namespace());
        format!("kubectl ess-rollout {verb} {name} -n {namespace}")
    }

    /// Whether it has a request that the operator has not read.
    fn is_asked(&self) -> bool {
        let mut unread = ledger::new_requests(&self.metadata, &self.status.handled_actions);
        unread.next().is_some()
    }

    /// Whether a window lets its start or its next batch not begin, and nothing else does that.
    fn is_held_by_window(&self) -> bool {
        let status = &self.status;
        let not_before = self.policy.windows.not_before.as_ref();
        let blocked = status.start_blocked.as_ref();
        let is_too_early =
            not_before.is_some() && blocked.and_then(|b| b.held_until.as_ref()) == not_before;
        let of = match status.execution {
            Some(_) => condition::PAUSED,
            None => condition::READY,
        };
        let mut conditions = status.conditions.iter();
        let said = conditions.find(|condition| condition.type_ == of);
        let by_window = said.is_some_and(|said| WINDOWS.iter().any(|of| of.word() == said.reason));
        status.result.is_none() && by_window && !is_too_early
    }

    /// Whether it waits for nothing but a window that opens by itself.
    fn waits_for_window(&self) -> bool {
        self.is_held_by_window() && matches!(self.state(), "Pending" | "BatchHeld")
    }
}
