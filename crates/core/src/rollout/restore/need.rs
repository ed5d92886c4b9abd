//! One thing that is, or was, to be put back.

use ess_rollout_api::v1alpha1::{
    Leftover, RestoreItem, RestoreKind, RestoreState, RollingUpdateTaskStatus,
};
use ess_rollout_cloud::{Mutation, Query};

/// What a line is about, on the ledger of a run or on a group's record.
pub(super) trait Thing {
    fn thing(&self) -> (RestoreKind, &str);
}

impl Thing for RestoreItem {
    fn thing(&self) -> (RestoreKind, &str) {
        (self.kind, &self.target)
    }
}

impl Thing for Leftover {
    fn thing(&self) -> (RestoreKind, &str) {
        (self.kind, &self.target)
    }
}

/// One thing that a run can have left changed.
pub(in crate::rollout) struct Need {
    pub(in crate::rollout) item: RestoreItem,
    /// The call that puts it back; none when it is as wanted, or left to a person.
    pub(in crate::rollout) call: Option<Mutation>,
    /// No answer shows what it is about: the state and the message that follow once that has been so for the bound on
    /// lateness.
    pub(in crate::rollout) gone: Option<(RestoreState, String)>,
}

impl Need {
    /// To be put back, of a kind of which all are wanted alike.
    pub(in crate::rollout) fn pending(kind: RestoreKind, target: &str) -> Self {
        Self::wanting(kind, target, wanted(kind))
    }

    /// To be put back to what is `wanted`.
    pub(in crate::rollout) fn wanting(kind: RestoreKind, target: &str, wanted: &str) -> Self {
        Self::of(RestoreItem {
            kind,
            target: target.to_owned(),
            wanted: wanted.to_owned(),
            found: None,
            state: RestoreState::Pending,
            kept: false,
            attempts: 0,
            last_attempt_time: None,
            missing_since: None,
            message: String::new(),
        })
    }

    /// As it is on record.
    pub(in crate::rollout) fn of(item: RestoreItem) -> Self {
        Self {
            item,
            call: None,
            gone: None,
        }
    }

    /// The same, found as wanted.
    pub(in crate::rollout) fn restored(mut self) -> Self {
        self.item.state = RestoreState::Restored;
        self
    }

    /// The same, left to a person, who is told why.
    pub(in crate::rollout) fn left(mut self, message: impl Into<String>) -> Self {
        self.item.state = RestoreState::Left;
        self.item.message = message.into();
        self
    }

    /// The same with the call that puts it back.
    pub(in crate::rollout) fn by(mut self, call: Mutation) -> Self {
        self.call = Some(call);
        self
    }

    /// Something of which no answer shows what it is about: it stays on record, and `state` and `message`
    /// follow only after the bound on lateness.
    pub(in crate::rollout) fn in_no_answer(self, state: RestoreState, message: &str) -> Self {
        Self {
            gone: Some((state, message.to_owned())),
            ..Self::of(RestoreItem {
                state: RestoreState::Pending,
                kept: false,
                message: String::new(),
                ..self.item
            })
        }
    }
}

/// How things of a kind are wanted. What a configuration is to carry is another for each.
pub(super) fn wanted(kind: RestoreKind) -> &'static str {
    match kind {
        RestoreKind::Process => "Resumed",
        RestoreKind::Standby => "InService",
        RestoreKind::Protection => "Protected",
        RestoreKind::StoppedInstance => "Running",
        RestoreKind::ScalingConfigurationImage | RestoreKind::ScalingConfigurationContainers => {
            "unknown"
        }
    }
}

/// Whether it is about a member of the group, not the group itself.
pub(super) fn is_of_instance(kind: RestoreKind) -> bool {
    matches!(
        kind,
        RestoreKind::Standby | RestoreKind::Protection | RestoreKind::StoppedInstance
    )
}

/// What a run has on its ledger.
pub(super) fn items(status: &RollingUpdateTaskStatus) -> impl Iterator<Item = &RestoreItem> {
    status.restore.iter().flat_map(|restore| &restore.items)
}

/// What is read of a group, whatever a run has left changed.
pub(super) fn reads(group: &str) -> Vec<Query> {
    let group = group.to_owned();
    vec![
        Query::ScalingGroup {
            group: group.clone(),
        },
        Query::ScalingInstances { group },
    ]
}
