//! No write reaches the apiserver but from the process that leads.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{Method, Request, Response};
use tower::{BoxError, Layer, Service};

use crate::runtime::lease::Fence;

/// Asks the fence before each request that may change something, and gives it up before the deadline. Of one client, so that
/// objects, records, Events and kept Secrets all go this way.
#[derive(Clone)]
pub struct FenceLayer {
    /// Whom to ask.
    pub fence: Fence,
    /// How long a write may take.
    pub takes: Duration,
}

impl<S> Layer<S> for FenceLayer {
    type Service = Fenced<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fenced {
            inner,
            layer: self.clone(),
        }
    }
}

/// See [`FenceLayer`].
#[derive(Clone)]
pub struct Fenced<S> {
    inner: S,
    layer: FenceLayer,
}

impl<S, A, B> Service<Request<A>> for Fenced<S>
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
        let FenceLayer { fence, takes } = &self.layer;
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if reads || fence.is_open() {
            let answer = self.inner.call(request);
            return Box::pin(async { answer.await.map_err(Into::into) });
        }
        if let Err(error) = fence.pass(*takes) {
            return Box::pin(async move { Err(error.into()) });
        }
        let takes = *takes;
        let answer = tokio::time::timeout(takes, self.inner.call(request));
        Box::pin(async move {
            match answer.await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(format!("the apiserver did not answer within {takes:?}").into()),
            }
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::time::Instant;
    use tower::ServiceExt;

    use super::*;
    use crate::runtime::lease::{Holding, Standing};

    const TAKES: Duration = Duration::from_secs(6);

    /// What came of a request, how many have arrived by then, and how long it took.
    async fn sent(
        fence: &Fence,
        method: Method,
        answers_after: Duration,
    ) -> (Result<(), String>, usize, Duration) {
        let arrived = Arc::new(AtomicUsize::new(0));
        let counted = arrived.clone();
        let apiserver = tower::service_fn(move |_: Request<()>| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(answers_after).await;
                Ok::<_, std::convert::Infallible>(Response::new(()))
            }
        });
        let layer = FenceLayer {
            fence: fence.clone(),
            takes: TAKES,
        };
        let request = Request::builder().method(method).body(()).unwrap();
        let began = Instant::now();
        let answer = layer.layer(apiserver).oneshot(request).await;
        let answer = answer.map(drop).map_err(|error| error.to_string());
        (answer, arrived.load(Ordering::SeqCst), began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_lead_reads_and_writes_nothing() {
        let fence = Fence::closed();
        let (answer, arrived, _) = sent(&fence, Method::GET, Duration::ZERO).await;
        assert!(answer.is_ok() && arrived == 1);
        for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE] {
            let (answer, arrived, _) = sent(&fence, method, Duration::ZERO).await;
            assert!(answer.unwrap_err().contains("does not lead"));
            assert_eq!(arrived, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_over_before_the_deadline_or_is_not_sent() {
        let fence = Fence::closed();
        let leads = |seconds| {
            fence.publish(Standing::Leads(Holding {
                deadline: Instant::now() + Duration::from_secs(seconds),
                transitions: 1,
            }));
        };
        leads(7);
        let (answer, arrived, took) = sent(&fence, Method::PATCH, TAKES * 2).await;
        assert!(answer.unwrap_err().contains("did not answer"));
        assert_eq!((arrived, took), (1, TAKES));
        leads(6);
        let (answer, arrived, _) = sent(&fence, Method::PATCH, Duration::ZERO).await;
        assert!(answer.is_err() && arrived == 0);
        let alone = Fence::open();
        let (answer, arrived, _) = sent(&alone, Method::PATCH, Duration::ZERO).await;
        assert!(answer.is_ok() && arrived == 1);
    }
}
