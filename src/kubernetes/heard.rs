//! When the apiserver was last heard of, by what was asked: a connection that died without a word shows in this.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Request, Response, header::DATE};
use jiff::fmt::rfc2822;
use tower::{BoxError, Layer, Service};

use crate::runtime::clock::Clock;

/// Resource (the plural name) and namespace; empty: all.
pub type Asked = (String, String);

/// When lists and watches were last answered.
pub struct Heard {
    clock: Arc<dyn Clock>,
    last: Mutex<BTreeMap<Asked, i64>>,
}

impl Heard {
    /// Nothing was.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            last: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Asked, i64>> {
        // Nothing panics while holding it; if it did, the times are still only told.
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In Unix seconds.
    pub fn times(&self) -> BTreeMap<Asked, i64> {
        self.lock().clone()
    }

    /// The clock is held against what the answer says.
    fn dated(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| rfc2822::parse(date).ok()) {
            self.clock.held_against(date.timestamp());
        }
    }

    fn note(&self, asked: Asked) {
        let now = self.clock.now().as_second();
        self.lock().insert(asked, now);
    }
}

/// Notes each answer, and gives up a request whose answer does not begin in time. How long the answer itself goes on is
/// not bounded here: that of a watch is meant to.
#[derive(Clone)]
pub struct HeardLayer {
    /// Where it is noted.
    pub heard: Arc<Heard>,
    /// Until an answer begins.
    pub patience: Duration,
}

impl<S> Layer<S> for HeardLayer {
    type Service = HeardService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HeardService {
            inner,
            layer: self.clone(),
        }
    }
}

/// See [`HeardLayer`].
#[derive(Clone)]
pub struct HeardService<S> {
    inner: S,
    layer: HeardLayer,
}

/// What a path asks for: `…/namespaces/NAMESPACE/PLURAL` or `…/PLURAL`.
fn asked(path: &str) -> Asked {
    let mut segments = path.rsplit('/');
    let resource = segments.next().unwrap_or_default().to_owned();
    let namespace = segments.next().unwrap_or_default();
    match segments.next() {
        Some("namespaces") => (resource, namespace.to_owned()),
        _ => (resource, String::new()),
    }
}

impl<S, A, B> Service<Request<A>> for HeardService<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<B>, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let asked = asked(request.uri().path());
        let HeardLayer { heard, patience } = self.layer.clone();
        let answer = tokio::time::timeout(patience, self.inner.call(request));
        Box::pin(async move {
            let answer = match answer.await {
                Ok(answer) => answer.map_err(Into::into)?,
                Err(_) => {
                    return Err(format!("the apiserver did not answer within {patience:?}").into());
                }
            };
            heard.dated(answer.headers());
            if answer.status().is_success() {
                heard.note(asked);
            }
            Ok(answer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_by_resource_and_namespace() {
        let group = "/apis/ess-rollout.io/v1alpha1";
        for (path, resource, namespace) in [
            (format!("{group}/rollbacks"), "rollbacks", ""),
            (
                format!("{group}/namespaces/shop/rollbacks"),
                "rollbacks",
                "shop",
            ),
        ] {
            assert_eq!(asked(&path), (resource.to_owned(), namespace.to_owned()));
        }
    }

    /// The time that an answer tells, in seconds; 0: none.
    #[derive(Default)]
    struct Told(std::sync::atomic::AtomicI64);

    impl Clock for Told {
        fn now(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }

        fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
            Box::pin(std::future::ready(()))
        }

        fn held_against(&self, apiserver: jiff::Timestamp) {
            let told = apiserver.as_second();
            self.0.store(told, std::sync::atomic::Ordering::SeqCst);
        }
    }

    #[test]
    fn the_clock_is_held_against_the_date_of_an_answer() {
        for (date, told) in [
            ("Thu, 01 Jan 1970 00:01:40 GMT", 100),
            ("yesterday", 0),
            ("", 0),
        ] {
            let clock = Arc::new(Told::default());
            let mut headers = HeaderMap::new();
            headers.extend(date.parse().ok().map(|date| (DATE, date)));
            Heard::new(clock.clone()).dated(&headers);
            assert_eq!(clock.0.load(std::sync::atomic::Ordering::SeqCst), told);
        }
    }
}
