//! What a `Rollback` has of its own; all the rest of it is a rolling update.
//!
//! | step | module |
//! |---|---|
//! | what is undone is found, checked and frozen in `status.source` | [`source`] |
//! | a suspended source is cancelled, and the group taken over from it in one write | [`takeover`] |
//! | which instances it reaches, and by which call | [`scope`] |
//! | the parameters of that call: the public template's rollback, or a fresh update | [`call`] |
//! | one that a failed check asks for is made | [`automatic`] |

pub(super) mod automatic;
pub(super) mod call;
mod checks;
mod foreign;
pub(super) mod scope;
pub(super) mod source;
pub(super) mod takeover;
