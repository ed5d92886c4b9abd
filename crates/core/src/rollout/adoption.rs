//! An object whose execution is known from elsewhere than its status, which does not survive a
//! restore from backup.

use ess_rollout_api::EXECUTION_ID_ANNOTATION;
use ess_rollout_api::v1alpha1::RollingUpdateTaskStatus;

use super::context::Context;
use crate::identity;

/// What the annotation is bound to besides namespace and name.
fn hash(ctx: &Context<'_>) -> String {
    match &ctx.input.subject.undo {
        Some(undo) => identity::rollback_hash(undo.spec),
        None => ctx.spec_hash.clone(),
    }
}

/// The value that the annotation must have and has not: metadata survives a restore, a status does
/// not.
pub(super) fn missing_annotation(
    ctx: &Context<'_>,
    status: &RollingUpdateTaskStatus,
) -> Option<String> {
    if ctx.deleting.is_some() {
        return None;
    }
    let execution = status.execution.as_ref()?;
    let value =
        identity::execution_annotation(&ctx.namespace, &ctx.name, &hash(ctx), &execution.id);
    (ctx.annotation(EXECUTION_ID_ANNOTATION) != Some(value.as_str())).then_some(value)
}
