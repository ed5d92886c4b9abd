//! What a `Rollback` has of its own; all the rest of it is a rolling update.
//!
//! | step | module |
//! |---|---|
//! | what is undone is found, checked and frozen in `status.source` | [`source`] |
//! | a suspended source is cancelled, and the group taken over from it in one write | [`takeover`] |
//! | which instances it reaches, and by which call | [`scope`] |
//! | the parameters of that call: the public template's rollback, or a fresh update | [`call`] |

pub(super) mod call;
mod foreign;
mod payload;
pub(super) mod scope;
pub(super) mod source;
pub(super) mod takeover;

use ess_rollout_api::v1alpha1::{Rollback, RollingUpdateTask, RollingUpdateTaskSpec, Update};

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
    let task = source.map(|task| &task.spec);
    let group = match (frozen, task) {
        (Some(frozen), _) => Some(frozen.scaling_group_id.clone()),
        (None, Some(task)) => Some(task.scaling_group_id.clone()),
        (None, None) => spec.scaling_group_id.clone(),
    };
    let region = match (frozen, task) {
        (Some(frozen), _) => frozen.region_id.clone(),
        (None, Some(task)) => task.region_id.clone(),
        (None, None) => spec.region_id.clone(),
    };
    let inherited_credentials = match (frozen, task) {
        (Some(frozen), _) => frozen.credentials_ref.clone(),
        (None, Some(task)) => task.credentials_ref.clone(),
        (None, None) => None,
    };
    let inherited_role = match (frozen, task) {
        (Some(frozen), _) => frozen.ram_role.clone(),
        (None, Some(task)) => task.ram_role.clone(),
        (None, None) => None,
    };
    RollingUpdateTaskSpec {
        scaling_group_id: group.unwrap_or_default(),
        region_id: region,
        description: spec.description.clone(),
        update: frozen.map_or_else(Update::default, |frozen| frozen.update.clone()),
        batches: spec.batches,
        batch_size: spec.batch_size.clone(),
        suspension_policy: spec.suspension_policy,
        max_errors: spec.max_errors,
        on_failure: spec.on_failure,
        lifecycle_states: frozen.map_or_else(Vec::new, |frozen| frozen.lifecycle_states.clone()),
        ram_role: spec.ram_role.clone().or(inherited_role),
        credentials_ref: spec.credentials_ref.clone().or(inherited_credentials),
        desired_state: spec.desired_state,
        approved_batches: spec.approved_batches,
        restore_policy: spec.restore_policy,
        failed_instance_policy: spec.failed_instance_policy,
        deletion_policy: spec.deletion_policy,
        deletion_timeout_seconds: spec.deletion_timeout_seconds,
        ttl_seconds_after_finished: spec.ttl_seconds_after_finished,
        run_key: spec.run_key.clone(),
        progress_deadline_seconds: spec.progress_deadline_seconds,
    }
}
