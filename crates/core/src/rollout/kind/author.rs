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
    /// The field that says what a field below `spec.update` of a task does.
    pub(in crate::rollout) fn field(self, of_update: &str) -> String {
        let to = match (self, of_update) {
            (Self::OfTask, field) => return format!("spec.update.{field}"),
            (Self::OfRollback, "image.imageId") => "imageId",
            (Self::OfRollback, "script.run" | "script.rollback") => "script",
            (Self::OfRollback, "package.version" | "package.rollbackVersion") => "packageVersion",
            (
                Self::OfRollback,
                "containerGroup.containers" | "containerGroup.rollbackContainers",
            ) => "containers",
            (Self::OfRollback, field) => {
                return format!("spec.update.{field} of the update that is undone");
            }
        };
        format!("spec.to.{to}")
    }

    /// Where an immutable field is set otherwise.
    pub(in crate::rollout) fn anew(self) -> &'static str {
        match self {
            Self::OfTask => "in a new task",
            Self::OfRollback => "in a new rollback",
        }
    }
}
