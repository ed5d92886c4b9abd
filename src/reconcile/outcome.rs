//! What a pass came to.

use ess_rollout_core::rollout::Next;

use super::{act, observe};
use crate::kubernetes::ErrorClass;

/// What a pass came to.
#[derive(Debug)]
pub struct Pass {
    /// When to look again, or why it stopped short.
    pub outcome: Result<Next, Error>,
    /// Whether there is no such object.
    pub gone: bool,
    /// The versions of the task and the record that it read or wrote: a watch event with one of
    /// them is no news.
    pub versions: Vec<String>,
}

/// Why a pass stopped short. A conflict starts it over and is one
/// of these only if it does not pass.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no decision.
    #[error("no decision")]
    Observe(#[from] observe::Error),
    /// The decision was not carried out to its end.
    #[error("a decision was not carried out")]
    Act(#[from] act::Error),
}

impl Error {
    /// How to treat it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Observe(error) => error.class(),
            Self::Act(error) => error.class(),
        }
    }
}
