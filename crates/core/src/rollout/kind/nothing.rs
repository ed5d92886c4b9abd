//! No update: the spec of a `Rollback` for which it is not known yet what it undoes.

use ess_rollout_api::v1alpha1::{Plan, RollbackPayload, Update};
use serde_json::{Map, Value};

use super::update_kind::{Before, KindRow, UpdateKind, missing};
use crate::task::problem::Problem;
use crate::task::reason::Reason;

/// Not in the table: no update is of this kind.
static ROW: KindRow = KindRow {
    template: "",
    field: "",
    payload_field: "",
    made_of_payload: &[],
    of: |_| None,
    of_execution: |_| Err(missing(NO_UPDATE)),
};

const NO_UPDATE: &str = "the task names no update";

pub(super) struct Nothing;

impl UpdateKind for Nothing {
    fn row(&self) -> &'static KindRow {
        &ROW
    }

    fn check_spec(&self) -> Option<Problem> {
        // The CRD refuses it.
        let message = "spec.update names no update".to_owned();
        Some(Problem::blocked(Reason::InvalidSpec, message))
    }

    fn way_back(&self, _before: &Before<'_>, _to: &RollbackPayload) -> Result<Update, Problem> {
        Err(missing(NO_UPDATE))
    }

    fn parameters(&self, _plan: &Plan) -> Map<String, Value> {
        Map::new()
    }

    fn rollback_parameters(&self, _plan: &Plan) -> Map<String, Value> {
        Map::new()
    }

    fn what(&self, _plan: Option<&Plan>) -> String {
        String::new()
    }
}
