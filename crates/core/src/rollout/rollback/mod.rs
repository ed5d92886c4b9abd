//! What a `Rollback` has of its own; all the rest of it is a rolling update.
//!
//! | step | module |
//! |---|---|
//! | what is undone is found, checked and frozen in `status.source` | [`source`] |
//! | a suspended source is cancelled, and the group taken over from it in one write | [`takeover`] |
//! | which instances it reaches, and by which call | [`scope`] |
//! | the parameters of that call: the public template's rollback, or a fresh update | [`call`] |

pub(super) mod call;
mod checks;
mod foreign;
pub(super) mod scope;
pub(super) mod source;
pub(super) mod takeover;

use ess_rollout_api::v1alpha1::{
    Rollback, RollingUpdateTask, RollingUpdateTaskSpec, RunPolicy, Update,
};

/// The spec of the update that a rollback is: its own fields, and what it undoes for the rest. Before
/// that is found (`status.source`) there is no update in it, and without the task no group.
pub fn effective_spec(
    rollback: &Rollback,
    source: Option<&RollingUpdateTask>,
) -> RollingUpdateTaskSpec {
    let spec = &rollback.spec;
    let frozen = rollback
        .status
        .as_ref()
        .and_then(|status| status.source.as_ref());
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
