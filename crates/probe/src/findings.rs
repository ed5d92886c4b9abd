//! What experiments find, and why they find nothing.

use std::collections::BTreeMap;

use ess_emulator::state::behaviour::Switches;

use crate::account::CallError;

/// Why an experiment found nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    /// A call that it needs was refused, or not answered.
    #[error(transparent)]
    Call(#[from] CallError),
    /// What it waited for did not come.
    #[error("waited 15 minutes in vain: {0}")]
    NotSeen(String),
    /// What was seen is neither of what the emulator can do.
    #[error("{0}")]
    Unknown(String),
}

/// What experiments find, each by itself: one that fails leaves the others their turn.
pub(crate) struct Findings {
    pub switches: Switches,
    pub not_found: BTreeMap<String, String>,
    /// What was done and could not be taken back.
    pub left: Vec<String>,
}

impl Findings {
    /// Notes why there is nothing to say of these switches.
    pub(crate) fn without(&mut self, names: &[&str], why: &str) {
        for name in names {
            self.not_found.insert((*name).to_owned(), why.to_owned());
        }
    }

    /// What an experiment on these switches found.
    pub(crate) fn keep<T>(
        &mut self,
        names: &[&str],
        found: Result<T, ProbeError>,
        set: impl FnOnce(&mut Switches, T),
    ) {
        match found {
            Ok(found) => set(&mut self.switches, found),
            Err(error) => self.without(names, &error.to_string()),
        }
    }
}
