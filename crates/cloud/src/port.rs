//! The port itself.

use std::{future::Future, pin::Pin};

use crate::{Answer, CloudError, Done, Mutation, Query};

/// What a call returns; boxed, so that wrappers can be stacked.
pub type CloudFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, CloudError>> + Send + 'a>>;

/// Whose turn a read is, where reads wait for each other under a rate limit: what a person waits for before what is only due,
/// and among each of them the lowest number, which is who has waited longest. All reads of a pass have the same one, so that
/// a pass that has begun to read is not overtaken before it has read everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Turn {
    /// What it is for.
    pub urgency: Urgency,
    /// Where it stands among those.
    pub number: u64,
}

/// What a read is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Urgency {
    /// One list on behalf of many: the poller's. It takes one turn where each of them would take its own.
    Shared,
    /// Somebody has changed the object.
    Asked,
    /// The object is due for a look.
    #[default]
    Due,
}

/// One account of the cloud. Implementations bound every call by a timeout.
pub trait Cloud: Send + Sync {
    /// Asks, in its turn. Repeats nothing: the next pass is the retry.
    fn query<'a>(
        &'a self,
        region: &'a str,
        query: &'a Query,
        turn: Turn,
    ) -> CloudFuture<'a, Answer>;

    /// Changes something, once.
    fn mutate<'a>(&'a self, region: &'a str, mutation: &'a Mutation) -> CloudFuture<'a, Done>;
}
