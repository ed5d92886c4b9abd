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
        let (spec, undo) = match subject.spec {
            Spec::Task(spec) => (Cow::Borrowed(spec), None),
            Spec::Rollback(spec) => {
                let namespace = subject.metadata.namespace.as_deref().unwrap_or_default();
                let source = match &spec.task_ref {
                    Some(task) => observation.task(namespace, &task.name)?,
                    None => None,
                };
                let wanted = effective_spec(spec, subject.status, source);
                (Cow::Owned(wanted), Some(Undo { spec, source }))
            }
        };
        Ok(Self { spec, undo })
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
    // What is left of an update whose Secret is gone is not that update.
    let whole = frozen.filter(|source| source.kept_update.is_none());
    let (group, region, credentials, role) = match (frozen, source) {
        (Some(found), _) => (
            Some(&found.scaling_group_id),
            found.region_id.as_ref(),
            found.credentials_ref.as_ref(),
            found.ram_role.as_ref(),
        ),
        (None, Some(task)) => {
            // Where the update took place, whatever the default is by now.
            let place = task
                .status
                .as_ref()
                .and_then(|status| status.place.as_ref());
            let (spec, policy) = (&task.spec, &task.spec.policy);
            (
                Some(&spec.scaling_group_id),
                place
                    .map(|place| &place.region_id)
                    .or(spec.region_id.as_ref()),
                policy.credentials_ref.as_ref(),
                policy.ram_role.as_ref(),
            )
        }
        (None, None) => (
            spec.scaling_group_id.as_ref(),
            spec.region_id.as_ref(),
            None,
            None,
        ),
    };
    let own = &spec.policy;
    RollingUpdateTaskSpec {
        scaling_group_id: group.cloned().unwrap_or_default(),
        region_id: region.cloned(),
        update: whole.map_or_else(Update::default, |frozen| frozen.update.clone()),
        lifecycle_states: frozen.map_or_else(Vec::new, |frozen| frozen.lifecycle_states.clone()),
        policy: RunPolicy {
            ram_role: own.ram_role.as_ref().or(role).cloned(),
            credentials_ref: own.credentials_ref.as_ref().or(credentials).cloned(),
            ..own.clone()
        },
    }
}
