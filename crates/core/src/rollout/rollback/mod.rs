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
    let (group, region, credentials, role) = match (frozen, task) {
        (Some(found), _) => (
            Some(&found.scaling_group_id),
            &found.region_id,
            &found.credentials_ref,
            &found.ram_role,
        ),
        (None, Some(task)) => (
            Some(&task.scaling_group_id),
            &task.region_id,
            &task.credentials_ref,
            &task.ram_role,
        ),
        (None, None) => (
            spec.scaling_group_id.as_ref(),
            &spec.region_id,
            &None,
            &None,
        ),
    };
    RollingUpdateTaskSpec {
        scaling_group_id: group.cloned().unwrap_or_default(),
        region_id: region.clone(),
        description: spec.description.clone(),
        update: frozen.map_or_else(Update::default, |frozen| frozen.update.clone()),
        batches: spec.batches,
        batch_size: spec.batch_size.clone(),
        suspension_policy: spec.suspension_policy,
        max_errors: spec.max_errors,
        on_failure: spec.on_failure,
        lifecycle_states: frozen.map_or_else(Vec::new, |frozen| frozen.lifecycle_states.clone()),
        ram_role: spec.ram_role.as_ref().or(role.as_ref()).cloned(),
        credentials_ref: spec
            .credentials_ref
            .as_ref()
            .or(credentials.as_ref())
            .cloned(),
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
