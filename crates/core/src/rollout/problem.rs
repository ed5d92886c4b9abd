//! What can stand against the start of an update.

/// Something that stands against the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    /// One CamelCase word.
    pub(super) reason: &'static str,
    /// What is wrong, and the cure.
    pub(super) message: String,
    /// Whether it passes by itself. If not, a person has to act.
    pub(super) passes: bool,
}

impl Problem {
    pub(super) fn blocked(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            passes: false,
        }
    }

    pub(super) fn wait(reason: &'static str, message: String) -> Self {
        Self {
            reason,
            message,
            passes: true,
        }
    }
}
