//! One thing that is, or was, to be put back.

use ess_rollout_api::v1alpha1::{RestoreItem, RestoreKind, RestoreState};
use ess_rollout_cloud::Mutation;

/// One thing that a run can have left changed.
pub(in crate::rollout) struct Need {
    pub(in crate::rollout) item: RestoreItem,
    /// The call that puts it back; none when it is as wanted, or left to a person.
    pub(in crate::rollout) call: Option<Mutation>,
    /// No answer shows what it is about: what follows once that has been so for the bound on lateness.
    pub(in crate::rollout) gone: Option<Gone>,
}

/// What follows for an item once what it is about is taken for gone.
pub(in crate::rollout) struct Gone {
    pub(in crate::rollout) state: RestoreState,
    pub(in crate::rollout) message: String,
}

pub(in crate::rollout) fn need(
    kind: RestoreKind,
    target: &str,
    wanted: &str,
    state: RestoreState,
    message: &str,
) -> Need {
    Need {
        item: RestoreItem {
            kind,
            target: target.to_owned(),
            wanted: wanted.to_owned(),
            found: None,
            state,
            kept: false,
            attempts: 0,
            last_attempt_time: None,
            missing_since: None,
            message: message.to_owned(),
        },
        call: None,
        gone: None,
    }
}

/// Something of which no answer shows what it is about: it stays on record, and `state` and `message`
/// follow only after the bound on lateness.
pub(in crate::rollout) fn missing(item: RestoreItem, state: RestoreState, message: &str) -> Need {
    Need {
        item: RestoreItem {
            state: RestoreState::Pending,
            kept: false,
            message: String::new(),
            ..item
        },
        call: None,
        gone: Some(Gone {
            state,
            message: message.to_owned(),
        }),
    }
}
