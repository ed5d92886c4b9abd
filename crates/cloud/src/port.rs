//! The port itself.

use std::{future::Future, pin::Pin};

use crate::{Answer, CloudError, Done, Mutation, Query};

/// What a call returns; boxed, so that wrappers can be stacked.
pub type CloudFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, CloudError>> + Send + 'a>>;

/// One account of the cloud. Implementations bound every call by a timeout.
pub trait Cloud: Send + Sync {
    /// Asks. Repeats nothing: the next pass is the retry.
    fn query<'a>(&'a self, region: &'a str, query: &'a Query) -> CloudFuture<'a, Answer>;

    /// Changes something, once.
    fn mutate<'a>(&'a self, region: &'a str, mutation: &'a Mutation) -> CloudFuture<'a, Done>;
}
