//! The cloud by credentials: the port that a pass asks for an account, and what is behind it.

#[allow(
    clippy::result_large_err,
    reason = "the error is the port's; it is rare and travels one call"
)]
mod aliyun;
mod reader;

use std::sync::Arc;

use ess_rollout_cloud::{Cloud, CloudFuture};

use crate::tasks::CredentialsScope;

pub use aliyun::{AliyunClouds, Metered};

/// What may outlive its Secret. What helps without that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlives {
    /// An object that is being deleted, whose scaling group is to be put back first.
    Object,
    /// A run that no object looks after, on the record of its group.
    Run,
}

/// Opens accounts. Implementations cache; asking is cheap while nothing changes.
pub trait Clouds: Send + Sync {
    /// The account that these credentials belong to. Credentials that are missing, incomplete or
    /// not to be used by the namespace are an error that says which and what to do about it, and
    /// becomes the answer to whatever was going to be asked.
    fn open<'a>(&'a self, scope: &'a CredentialsScope) -> CloudFuture<'a, Arc<dyn Cloud>>;

    /// The same for what may outlive its Secret, which may have gone before it, with their namespace. Then the account is
    /// the one that it was last known to be, if this process has known it.
    fn open_last<'a>(
        &'a self,
        scope: &'a CredentialsScope,
        _: Outlives,
    ) -> CloudFuture<'a, Arc<dyn Cloud>> {
        self.open(scope)
    }

    /// The cloud refused these credentials: look for newer ones next time.
    fn rejected(&self, scope: &CredentialsScope);
}
