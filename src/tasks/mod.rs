//! The little that is kept of each task between passes: enough to order the queue of a group, to
//! know which executions to poll, and to count.
//!
//! Never acted on: a pass reads the task anew. May be stale, may be lost.

mod index;
mod leftovers;
mod references;
mod view;

pub use index::{ActiveTask, Change, TaskIndex, Unfinished};
pub use leftovers::Leftovers;
pub use references::References;
pub use view::{CredentialsScope, ObjectView, RecordView, Viewed};
