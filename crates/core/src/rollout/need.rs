//! One thing that is, or was, to be put back.

use ess_rollout_api::v1alpha1::{RestoreItem, RestoreKind, RestoreState};
use ess_rollout_cloud::Mutation;

/// One thing that a run can have left changed.
pub(super) struct Need {
    pub(super) item: RestoreItem,
    /// The call that puts it back; none when it is as wanted, or left to a person.
    pub(super) call: Option<Mutation>,
    /// No answer shows what it is about: what follows once that has been so for the bound on lateness.
    pub(super) gone: Option<Gone>,
}

/// What follows for an item once what it is about is taken for gone.
pub(super) struct Gone {
    pub(super) state: RestoreState,
    pub(super) message: String,
}

pub(super) fn need(
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
pub(super) fn missing(item: RestoreItem, state: RestoreState, message: &str) -> Need {
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
