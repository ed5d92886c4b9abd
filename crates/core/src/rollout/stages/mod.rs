//! The stages of a rolling update, told apart by what is on record and by nothing else.

pub(super) mod adoption;
pub(super) mod cancel;
pub(super) mod ending;
pub(super) mod pending;
pub(super) mod progressing;
pub(super) mod release;
mod running;
pub(super) mod stage;
pub(super) mod starting;
