//! A cloud that answers by script.

use std::{
    collections::VecDeque,
    future::{pending, ready},
    sync::{Arc, Mutex},
    time::Duration,
};

use ess_rollout_cloud::{Answer, Cloud, CloudError, CloudFuture, Done, Mutation, Query, Turn};

use super::{FakeClock, Journal};
use crate::{clouds::Clouds, tasks::CredentialsScope};

/// The cloud, and whoever opens it.
pub struct FakeCloud {
    /// What happened.
    pub journal: Journal,
    /// Answers to mutations, in order; accepted when there are no more.
    pub results: Mutex<VecDeque<Result<Done, CloudError>>>,
    /// How long a mutation takes.
    pub takes: Duration,
    /// Its clock.
    pub clock: FakeClock,
    /// How long a query takes.
    pub answers_after: Duration,
    /// Queries never come back.
    pub hangs: bool,
    /// There are no credentials.
    pub closed: Option<CloudError>,
}

impl Cloud for FakeCloud {
    fn query<'a>(&'a self, _: &'a str, query: &'a Query, _: Turn) -> CloudFuture<'a, Answer> {
        self.journal.lock().unwrap().push(format!("ask {query:?}"));
        if self.hangs {
            return Box::pin(pending());
        }
        Box::pin(async {
            if !self.answers_after.is_zero() {
                tokio::time::sleep(self.answers_after).await;
            }
            Ok(Answer::ScalingGroup(None))
        })
    }

    fn mutate<'a>(&'a self, region: &'a str, mutation: &'a Mutation) -> CloudFuture<'a, Done> {
        assert_eq!(region, "cn-hangzhou");
        let _ = mutation;
        self.journal.lock().unwrap().push("mutate".to_owned());
        self.clock.advance(self.takes);
        let result = self.results.lock().unwrap().pop_front();
        Box::pin(ready(result.unwrap_or(Ok(Done::Accepted {
            request_id: "R-1".to_owned(),
        }))))
    }
}

/// Opens it for everybody.
pub struct FakeClouds(pub Arc<FakeCloud>);

impl Clouds for FakeClouds {
    fn open<'a>(&'a self, _: &'a CredentialsScope) -> CloudFuture<'a, Arc<dyn Cloud>> {
        Box::pin(ready(match &self.0.closed {
            Some(error) => Err(error.clone()),
            None => Ok(self.0.clone() as Arc<dyn Cloud>),
        }))
    }

    fn rejected(&self, _: &CredentialsScope) {
        self.0.journal.lock().unwrap().push("rejected".to_owned());
    }
}
