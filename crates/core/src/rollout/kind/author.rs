//! The fields by which whoever wrote an object knows what its update is made of.

/// What was written: the update of a rollback is derived, and its author knows other fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::rollout) enum Author {
    /// Of a `RollingUpdateTask`.
    OfTask,
    /// Of a `Rollback`.
    OfRollback,
}

impl Author {
    /// Where an immutable field is set otherwise.
    pub(in crate::rollout) fn anew(self) -> &'static str {
        match self {
            Self::OfTask => "in a new task",
            Self::OfRollback => "in a new rollback",
        }
    }
}
