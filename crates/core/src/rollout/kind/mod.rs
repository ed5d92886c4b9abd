//! What differs between the kinds of update: the template, its parameters, what has to be checked
//! before and after. Everything else in a rollout is the same for all of them.

mod container_group;
pub(super) mod content;
mod image;
mod nothing;
mod package;
mod script;
mod table;
mod update_kind;

use ess_rollout_api::v1alpha1::{
    Plan, RollingUpdateTaskSpec, RollingUpdateTaskStatus, StartIntent, Update,
};
use serde_json::{Map, Value, json};

pub(super) use self::table::{of_execution, way_back};
use self::update_kind::Asked;
pub(super) use self::update_kind::{
    Author, Before, Eligible, ReadBack, UpdateKind, batch_pause_option, if_read, processes_but,
};
use super::scripts::Texts;

/// The kind of a task's update.
pub(super) fn of<'a>(
    spec: &'a RollingUpdateTaskSpec,
    status: Option<&'a RollingUpdateTaskStatus>,
    texts: Texts<'a>,
    author: Author,
) -> Box<dyn UpdateKind + 'a> {
    table::bound(&Asked {
        update: &spec.update,
        max_errors: spec.policy.max_errors.unwrap_or(0),
        status,
        texts,
        author,
    })
}

/// The kind of an update for itself, whatever object asks for it.
pub(super) fn of_update(update: &Update) -> Box<dyn UpdateKind + '_> {
    of_update_by(update, Author::OfTask)
}

/// The same, of an object that this author wrote.
pub(super) fn of_update_by(update: &Update, author: Author) -> Box<dyn UpdateKind + '_> {
    table::bound(&Asked {
        update,
        max_errors: 0,
        status: None,
        texts: Texts::new(),
        author,
    })
}

/// Whether anything but a person may hold a batch of a run that is started like this.
pub(super) fn holds_batches(spec: &RollingUpdateTaskSpec, intent: &StartIntent) -> bool {
    spec.policy.holds_batches() || intent.pauses_after_each_batch
}

/// All parameters of the start of an update (`invokeType: invoke`).
pub(super) fn invoke_parameters(
    kind: &dyn UpdateKind,
    spec: &RollingUpdateTaskSpec,
    plan: &Plan,
    intent: &StartIntent,
) -> Map<String, Value> {
    let pause = batch_pause_option(&spec.policy, holds_batches(spec, intent));
    let role = spec.policy.ram_role.as_deref();
    let mut parameters = kind.parameters(plan);
    for (name, value) in [
        ("invokeType", json!("invoke")),
        ("scalingGroupId", json!(spec.scaling_group_id)),
        // All five, even those that are suspended already: suspending twice is harmless, and an
        // empty list breaks the template's own rollback.
        ("enterProcess", json!(processes_but::<&str>(&[]))),
        // Only those that were not suspended before, or the template would resume what a person
        // had suspended.
        ("exitProcess", json!(intent.exit_processes)),
        ("lifecycleState", json!(spec.lifecycle_states)),
        ("batchPauseOption", json!(pause)),
        ("batchNumber", json!(plan.batches)),
        ("OOSAssumeRole", json!(role.unwrap_or(""))),
    ] {
        if !kind.undeclared().contains(&name) {
            parameters.insert(name.to_owned(), value);
        }
    }
    parameters
}
