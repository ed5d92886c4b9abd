//! Requests of people, by annotation: continue, retry, skip, cancel-instances, cancel.
//!
//! | module | what |
//! |---|---|
//! | [`ingest`] | a request is seen for the first time, and judged against what was just read |
//! | [`accept`], [`targets`] | on which instances it is, each with the attempt that it means |
//! | [`act`], [`judge`], [`tasks`], [`notify`] | open requests on instances are brought forward, one call for each |
//! | [`approve`] | a batch pause is left |
//! | [`thaw`] | the group scales in a pause, and stands still again before it is left |
//! | [`close`] | requests end |

pub(super) mod accept;
pub(super) mod act;
pub(super) mod approve;
pub(super) mod close;
pub(super) mod ingest;
mod judge;
pub(super) mod notify;
pub(super) mod targets;
mod tasks;
pub(super) mod thaw;
