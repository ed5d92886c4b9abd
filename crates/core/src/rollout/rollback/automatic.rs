//! The rollback that is made because a check of `spec.gates` failed: an object of its own, which people see, cancel and delete as any
//! other.
//!
//! Its name says whose it is, so that one that is created again is the same one. That it was created goes on record together with
//! what led to it, and then none is created any more: a person who deletes it does not want it.

use ess_rollout_api::AUTOMATIC_LABEL;
use ess_rollout_api::v1alpha1::{
    AutomaticRollback, DesiredState, FrozenPolicy, GateFailurePolicy, Plan, Rollback,
    RollbackScope, RollbackSpec, RollingUpdateTaskStatus, RunPolicy, SuspensionPolicy, TaskRef,
    Verdict, WindowPolicy,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::identity::hash_text;
use crate::rollout::context::Context;
use crate::rollout::decision::Drafted;
use crate::rollout::kind::{self, Before};
use crate::rollout::progress::gate;
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// Has the rollback created, and puts that on record, where a check asks for it.
pub(in crate::rollout) fn create(ctx: &Context<'_>, decision: &mut Drafted) {
    let status = &mut decision.status;
    let Some(message) = wanted(ctx, status) else {
        return;
    };
    let rollback = object(ctx);
    let name = rollback.metadata.name.clone().unwrap_or_default();
    let time = Time(ctx.now());
    status.automatic_rollback = Some(AutomaticRollback {
        name,
        time,
        message,
    });
    decision.rollback = Some(Box::new(rollback));
}

fn is_asked_for(ctx: &Context<'_>) -> bool {
    let gates = ctx.spec.policy.gates.as_ref();
    let asked = gates.is_some_and(|gates| gates.on_failed == GateFailurePolicy::Rollback);
    // Never of a rollback: the CRD refuses it.
    asked && ctx.undo.is_none()
}

/// Why one is to be created, if it is.
fn wanted(ctx: &Context<'_>, status: &RollingUpdateTaskStatus) -> Option<String> {
    let verdict = status.gate.as_ref()?.verdict.as_ref()?;
    // Whoever ends it for another reason says himself what becomes of it.
    let cancelled = status.cancellation.as_ref();
    let ended_by_others = cancelled.is_some_and(|cancelled| cancelled.reason != gate::CANCELLED);
    let wanted = is_asked_for(ctx)
        && verdict.verdict == Verdict::Fail
        && !ended_by_others
        && ctx.deleting.is_none()
        && status.execution.is_some()
        && status.automatic_rollback.is_none()
        && status.rolled_back_by.is_none();
    wanted.then(|| verdict.message.clone())
}

/// It goes on without a person, in batches as large as those of the update, and with no checks: what they would say is what it is to
/// end.
fn object(ctx: &Context<'_>) -> Rollback {
    let spec = RollbackSpec {
        task_ref: Some(TaskRef {
            name: ctx.name.clone(),
        }),
        execution_id: None,
        scaling_group_id: None,
        region_id: None,
        to: None,
        scope: RollbackScope::default(),
        policy: RunPolicy {
            description: None,
            suspension_policy: SuspensionPolicy::Automatic,
            // Those of the task are taken, as of any rollback.
            ram_role: None,
            credentials_ref: None,
            desired_state: DesiredState::Run,
            approved_batches: None,
            run_key: None,
            starting_deadline_seconds: None,
            gates: None,
            windows: WindowPolicy::default(),
            max_frozen_seconds: None,
            on_frozen_too_long: FrozenPolicy::default(),
            thaw_while_paused: false,
            ..ctx.spec.policy.clone()
        },
    };
    let of_task = hash_text(&ctx.uid);
    let mut rollback = Rollback::new(&format!("{}-rollback-{}", ctx.name, &of_task[..8]), spec);
    let metadata = &mut rollback.metadata;
    metadata.namespace = Some(ctx.namespace.clone());
    let labels = metadata.labels.get_or_insert_default();
    labels.insert(AUTOMATIC_LABEL.to_owned(), "true".to_owned());
    rollback
}

/// Why an update that is to be undone by itself could not be.
pub(in crate::rollout) fn no_way_back(ctx: &Context<'_>, plan: &Plan) -> Option<Problem> {
    if !is_asked_for(ctx) {
        return None;
    }
    let scripts = ctx.update.scripts();
    let before = Before {
        plan,
        script: scripts.map(|scripts| scripts.rollback()),
    };
    let why = kind::way_back(ctx.update.as_ref(), &before, None).err()?;
    let message = format!(
        "spec.gates.onFailed is Rollback, and nobody would know what to go back to: {}; or choose Hold or Cancel",
        why.message
    );
    Some(Problem::blocked(Reason::GateUnusable, message))
}
