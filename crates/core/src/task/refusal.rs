//! What is refused of a spec by itself, for whoever checks it before it is applied.

use super::problem::Problem;
use super::reason::Reason;

/// What the operator would refuse of a spec, wherever it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// One CamelCase word, as conditions have it.
    pub reason: Reason,
    /// The field, what is wrong with it, and the cure.
    pub message: String,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self {
            reason: problem.reason,
            message: problem.message,
        }
    }
}
