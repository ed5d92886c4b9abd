//! A look at every call, for metrics.

use std::time::Duration;

use ess_rollout_cloud::{ErrorClass, Urgency};

use crate::endpoints::Service;

/// One request that was sent, or that the limiter held back.
#[derive(Debug, Clone, Copy)]
pub struct ObservedCall<'a> {
    /// The service.
    pub service: Service,
    /// The API name; one of a closed set.
    pub action: &'static str,
    /// What a read was for; `None`: it changes something.
    pub urgency: Option<Urgency>,
    /// `None` when it succeeded.
    pub class: Option<ErrorClass>,
    /// The error code, of an open set: for logs, not for metric labels.
    pub code: Option<&'a str>,
    /// How long it waited for its turn at the rate.
    pub waited: Duration,
    /// From the first byte sent to the last one read; zero when it was not sent.
    pub duration: Duration,
    /// Whether it was the client's own limiter that refused it.
    pub held_back: bool,
}

/// Told of every request after it ended. Called on the caller's task: it must not block.
pub trait CallObserver: Send + Sync {
    /// One request ended.
    fn observed(&self, call: ObservedCall<'_>);
}
