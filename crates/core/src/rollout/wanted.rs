//! What an object asks for: of a task its spec, of a rollback the update that undoes its source.

use std::borrow::Cow;

use ess_rollout_api::v1alpha1::{
    RollbackSpec, RollingUpdateTask, RollingUpdateTaskSpec, RollingUpdateTaskStatus, RunPolicy,
    Update,
};

use super::decision::{Spec, Subject, Undo};
use crate::task::observation::{Fact, Observation};

/// What is asked for, once it is known what that depends on.
pub(super) struct Wanted<'a> {
    pub(super) spec: Cow<'a, RollingUpdateTaskSpec>,
    /// Of a rollback: what it undoes.
    pub(super) undo: Option<Undo<'a>>,
}

impl<'a> Wanted<'a> {
    /// Asks for the task that a rollback names.
    pub(super) fn of(subject: Subject<'a>, observation: &'a Observation) -> Fact<Self> {
        let spec = match subject.spec {
            Spec::Task(spec) => {
                return Ok(Self {
                    spec: Cow::Borrowed(spec),
                    undo: None,
                });
            }
            Spec::Rollback(spec) => spec,
        };
        let namespace = subject.metadata.namespace.as_deref().unwrap_or_default();
        let source = match &spec.task_ref {
            Some(task) => observation.task(namespace, &task.name)?,
            None => None,
        };
        Ok(Self {
            spec: Cow::Owned(effective_spec(spec, subject.status, source)),
            undo: Some(Undo { spec, source }),
        })
    }
}

/// The spec of the update that a rollback is: its own fields, and what it undoes for the rest. Before
/// that is found (`status.source`) there is no update in it, and without the task no group.
fn effective_spec(
    spec: &RollbackSpec,
    status: Option<&RollingUpdateTaskStatus>,
    source: Option<&RollingUpdateTask>,
) -> RollingUpdateTaskSpec {
    let frozen = status.and_then(|status| status.source.as_ref());
    // Where the update took place, whatever the default is by now.
    let place = source.and_then(|task| task.status.as_ref()?.place.as_ref());
    let place = place.map(|place| place.region_id.clone());
    // What is left of an update whose Secret is gone is not that update.
    let whole = frozen.filter(|source| source.kept_update.is_none());
    let task = source.map(|task| &task.spec);
    let (group, region, credentials, role) = match (frozen, task) {
        (Some(found), _) => (
            Some(&found.scaling_group_id),
            found.region_id.clone(),
            &found.credentials_ref,
            &found.ram_role,
        ),
        (None, Some(task)) => (
            Some(&task.scaling_group_id),
            place.or_else(|| task.region_id.clone()),
            &task.policy.credentials_ref,
            &task.policy.ram_role,
        ),
        (None, None) => (
            spec.scaling_group_id.as_ref(),
            spec.region_id.clone(),
            &None,
            &None,
        ),
    };
    let own = &spec.policy;
    RollingUpdateTaskSpec {
        scaling_group_id: group.cloned().unwrap_or_default(),
        region_id: region,
        update: whole.map_or_else(Update::default, |frozen| frozen.update.clone()),
        lifecycle_states: frozen.map_or_else(Vec::new, |frozen| frozen.lifecycle_states.clone()),
        policy: RunPolicy {
            ram_role: own.ram_role.as_ref().or(role.as_ref()).cloned(),
            credentials_ref: own
                .credentials_ref
                .as_ref()
                .or(credentials.as_ref())
                .cloned(),
            ..own.clone()
        },
    }
}
